from datetime import date

import pytest

from daemon.kis.spec import Environment
from daemon.sim.calls import Call, cursors, query_text
from daemon.sim.replies import Denied


def call(tr_cont: str = "", **parameters: str) -> Call:
    return Call(
        tr_id="TTTC8434R",
        environment=Environment.REAL,
        older=False,
        parameters=parameters,
        tr_cont=tr_cont,
    )


@pytest.mark.parametrize("text", ["", "2026", "20261301", "2026101²", "abcdefgh"])
def test_a_day_is_eight_digits_of_a_real_date(text: str) -> None:
    assert call(DAY="20261012").day("DAY") == date(2026, 10, 12)
    assert call(DAY="00000101").day("DAY") == date(1, 1, 1)
    with pytest.raises(Denied, match="OPSQ2001"):
        call(DAY=text).day("DAY")


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "9" * 16])
def test_a_number_is_plain_digits(text: str) -> None:
    assert call(QTY=" 0010 ").number("QTY") == 10
    with pytest.raises(Denied, match="OPSQ2001"):
        call(QTY=text).number("QTY")


def test_missing_and_forbidden_values() -> None:
    with pytest.raises(Denied):
        call(A="1").need("A", "B")
    with pytest.raises(Denied):
        call(A="1").one_of("A", ("2",))


def test_a_cursor_counts_only_on_a_following_page() -> None:
    assert call(CTX_AREA_NK100="x").cursor == ""
    assert call("N", CTX_AREA_NK100="x  ").cursor == "x"
    assert {len(str(value)) for value in cursors("a", "b").values()} == {100}


def test_texts_of_queries() -> None:
    assert query_text(call(), more=True)[0] == "KIOK0500"
    assert query_text(call(), empty=True)[0] == "KIOK0560"
    assert query_text(call())[0] == "KIOK0510"
