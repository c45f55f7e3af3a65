"""Inquiries to the Korean side: what is asked, how far it is paged, and when it ends."""

from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from daemon.core.errors import Refused
from daemon.core.values import InstrumentId
from daemon.kis.codec import Call
from daemon.kis.domestic_rest import HISTORY_DAYS, MAX_BARS, DomesticRest
from daemon.kis.replies import Reply
from tests.kis.fakes import CREDENTIALS
from tests.support import VirtualClock, run_virtual

SAMSUNG = InstrumentId("krx:005930")


class Asked:
    """Answers every call with what a page of minute bars looks like, and remembers it."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], float | None]] = []

    async def query(self, call: Call, *, deadline: float | None = None) -> Reply:
        given = dict(call.query)
        self.calls.append((given, deadline))
        last = given["FID_INPUT_HOUR_1"]
        minutes = int(last[:2]) * 60 + int(last[2:4])
        listed = [
            {
                "stck_bsop_date": "20260710",
                "stck_cntg_hour": f"{each // 60:02}{each % 60:02}00",
                **dict.fromkeys(("stck_oprc", "stck_hgpr", "stck_lwpr", "stck_prpr"), "70000"),
                "cntg_vol": "10",
                "acml_tr_pbmn": "700000",
            }
            for each in range(minutes, minutes - 30, -1)
        ]
        body = {"rt_cd": "0", "msg_cd": "x", "msg1": "ok", "output1": {}, "output2": listed}
        return Reply(body=body, continuation="")

    def pages(self, call: Call) -> AsyncIterator[Reply]:
        raise AssertionError("not asked")


def side(asked: Asked) -> DomesticRest:
    return DomesticRest(
        credentials=CREDENTIALS,
        clock=VirtualClock(),
        query=asked.query,
        seconds=10.0,
        pages=asked.pages,
    )


def test_minute_bars_go_back_page_by_page_under_one_deadline() -> None:
    asked = Asked()
    bars = run_virtual(side(asked).minute_bars(SAMSUNG, 45))
    assert len(bars) == 45
    assert [each.start for each in bars] == sorted(each.start for each in bars)
    assert {bars[n + 1].start - bars[n].start for n in range(44)} == {timedelta(minutes=1)}
    assert len(asked.calls) == 2
    assert len({deadline for _, deadline in asked.calls}) == 1


@pytest.mark.parametrize("count", [0, MAX_BARS + 1])
def test_a_count_that_cannot_be_had_is_not_asked_for(count: int) -> None:
    asked = Asked()
    with pytest.raises(Refused, match="BAD_COUNT"):
        run_virtual(side(asked).daily_bars(SAMSUNG, count))
    assert not asked.calls


def test_orders_of_days_that_are_no_longer_listed_are_not_asked_for() -> None:
    asked = Asked()
    today = date(2026, 7, 10)
    with pytest.raises(Refused, match="BAD_DAY"):
        run_virtual(side(asked).orders(today - timedelta(days=HISTORY_DAYS + 40)))
