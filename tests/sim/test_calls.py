from dataclasses import replace
from datetime import date

import pytest

from daemon.kis.spec import Environment
from daemon.sim.calls import Call, account_of, cursors, query_text, quoted, symbol_of
from daemon.sim.replies import Denied
from tests.sim.rig import QUIET, Rig


def call(tr_cont: str = "", **parameters: str) -> Call:
    return Call(
        tr_id="TTTC8434R",
        environment=Environment.REAL,
        older=False,
        parameters=parameters,
        tr_cont=tr_cont,
        accounts=("12345678-01",),
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


def test_texts_of_virtual_queries_are_numbers_and_say_so() -> None:
    asked = replace(call(), environment=Environment.VIRTUAL)
    assert asked.is_virtual
    assert query_text(asked)[0] == query_text(asked, more=True)[0] == "20310000"
    assert query_text(asked, empty=True)[0] == "70070000"
    assert query_text(asked)[1].startswith("모의투자")


def test_an_account_belongs_to_the_key_or_is_refused() -> None:
    assert account_of(call(CANO="12345678", ACNT_PRDT_CD=" 01 ")) == "12345678-01"
    with pytest.raises(Denied, match="OPSQ2000"):
        account_of(call(CANO="12345678", ACNT_PRDT_CD="02"))
    with pytest.raises(Denied, match="OPSQ2001"):
        account_of(call(CANO="12345678"))


def test_a_symbol_may_carry_its_old_letter_and_must_be_listed() -> None:
    market = Rig(listings=QUIET).broker.market
    for text in ("005930", "A005930", "a005930 "):
        assert symbol_of(call(FID_INPUT_ISCD=text), market) == "005930"
    for text in ("", "5930", "999999", "B005930"):
        with pytest.raises(Denied, match="OPSQ2001"):
            symbol_of(call(FID_INPUT_ISCD=text), market)


def test_a_quotation_carries_its_success_behind_its_outputs() -> None:
    body = quoted({"output": {"stck_prpr": "1"}}).body
    assert list(body) == ["output", "rt_cd", "msg_cd", "msg1"]
    assert (body["rt_cd"], body["msg_cd"]) == ("0", "MCA00000")
