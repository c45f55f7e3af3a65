"""Trading days as the broker tells them."""

from datetime import date

import pytest

from daemon.core.errors import BadData
from daemon.kis import holidays
from daemon.kis.replies import read_reply
from tests.kis.fakes import reply, response

TUESDAY = date(2024, 6, 11)


def test_a_day_is_asked_for_by_its_date() -> None:
    call = holidays.call(TUESDAY)
    assert dict(call.query) == {"BASS_DT": "20240611", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}


def test_an_answer_tells_of_the_day_asked_and_those_after() -> None:
    answer = read_reply(reply("chk_holiday"))
    assert holidays.read(answer, TUESDAY) is True
    assert holidays.read(answer, date(2024, 6, 13)) is True


def test_what_counts_is_whether_the_exchange_opens() -> None:
    row = {"bass_dt": "20240606", "bzdy_yn": "N", "tr_day_yn": "Y", "opnd_yn": "N"}
    answer = read_reply(response({"rt_cd": "0", "output": [row]}))
    assert holidays.read(answer, date(2024, 6, 6)) is False


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ([{"bass_dt": "20240612", "opnd_yn": "Y"}], "output"),
        ([{"bass_dt": "20240611", "opnd_yn": ""}], "opnd_yn"),
        ([{"bass_dt": "2024061", "opnd_yn": "Y"}], "bass_dt"),
        ({}, "output"),
    ],
)
def test_an_answer_that_does_not_say_is_not_guessed(rows: object, field: str) -> None:
    answer = read_reply(response({"rt_cd": "0", "output": rows}))
    with pytest.raises(BadData) as caught:
        holidays.read(answer, TUESDAY)
    assert caught.value.field == field
