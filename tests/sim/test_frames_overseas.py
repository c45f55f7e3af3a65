"""Frames of US markets, column by column against what has been captured and documented."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.values import Level, Market, Side
from daemon.sim.american import LISTINGS
from daemon.sim.facts import (
    Action,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderModified,
    OrderRejected,
    OrderRequest,
    RestDropped,
)
from daemon.sim.frames_overseas import (
    book_frame,
    both_clocks,
    notice_frame,
    notice_record,
    trade_frames,
    trade_record,
)
from daemon.sim.market import BookView
from daemon.sim.tape import DayTape, Depth
from tests.sim.rig import NIGHT, unsealed

APPLE = LISTINGS[0]
DAY = date(2026, 7, 10)
SUMMER = timedelta(hours=-4)
REQUEST = OrderRequest(
    account="12345678-01",
    code="AAPL",
    side=Side.BUY,
    quantity=1,
    price=Decimal("145.00"),
    branch="01790",
    venue="NASD",
)
ORDER = Order(number=4336, day=DAY, at=NIGHT, request=REQUEST)
AT = NIGHT.replace(hour=23, minute=30, second=15) - timedelta(hours=9)


def told(fact: Any) -> str:
    return notice_record(fact, hts_id="htsid001", listing=APPLE)


def test_notices_of_an_order_and_of_its_fill_have_the_documented_columns() -> None:
    accepted = told(OrderAccepted(order=ORDER, at=AT))
    assert accepted == (
        "htsid001^1234567801^0000004336^^02^0^2^AAPL^0000000001^001450000^233015^0^1^1^01790^^"
        "SIMULATED^애플^6^10^^^^^"
    )
    fact = OrderFilled(order=ORDER, quantity=1, price=Decimal("148.01"), at=AT)
    assert told(fact) == (
        "htsid001^1234567801^0000004336^^02^0^2^AAPL^0000000001^001480100^233015^0^2^2^01790^"
        "000000001^SIMULATED^애플^6^10^^^^^000001480100"
    )


@pytest.mark.parametrize(
    ("fact", "columns"),
    [
        (OrderModified, ("0000004336", "1", "0000000003", "001450000", "0", "1", "2")),
        (OrderCancelled, ("0000004336", "2", "0000000003", "000000000", "0", "1", "2")),
        (RestDropped, ("", "0", "0000000003", "001450000", "0", "1", "3")),
        (OrderRejected, ("", "0", "0000000001", "001450000", "1", "1", "2")),
    ],
)
def test_changes_name_the_order_they_change(fact: Any, columns: tuple[str, ...]) -> None:
    order = ORDER
    more: dict[str, Any] = {} if fact is OrderRejected else {"quantity": 3}
    if fact in (OrderModified, OrderCancelled):
        action = Action.MODIFY if fact is OrderModified else Action.CANCEL
        request = OrderRequest(
            account=REQUEST.account, code="AAPL", side=Side.BUY, quantity=3, price=REQUEST.price
        )
        order = Order(number=4338, day=DAY, at=NIGHT, request=request, action=action, original=4336)
        more |= {} if fact is OrderModified else {"original": ORDER}
    got = told(fact(order=order, at=AT, **more)).split("^")
    assert len(got) == 25
    assert (got[3], got[5], *got[8:10], *got[11:14]) == columns


def test_a_notice_is_readable_only_with_the_pair_of_its_channel() -> None:
    key, iv = "k" * 32, "i" * 16
    frame = notice_frame("a^b", "H0GSCNI9", key, iv)
    assert frame.startswith("1|H0GSCNI9|001|")
    assert unsealed(frame, key, iv) == ["a", "b"]


def test_a_trade_has_26_columns_with_an_unsigned_change() -> None:
    tape = DayTape("AAPL", Decimal("356.00"))
    depth = Depth(Decimal("354.43"), Decimal("354.40"), 80, 120, 900, 800)
    tape.record("104329", Decimal("357.80"), 100, Side.SELL, depth)
    traded = tape.record("104330", Decimal("354.42"), 200, Side.BUY, depth)
    base = Decimal("355.80")
    record = trade_record(traded, APPLE, day=DAY, base=base, utc_offset=SUMMER)
    assert record.split("^") == [
        *("DNASAAPL", "AAPL", "4", "20260710", "20260710", "104330", "20260710", "234330"),
        *("357.8000", "357.8000", "354.4200", "354.4200", "5", "1.3800", "-0.39"),
        *("354.4000", "354.4300", "120", "80", "200", "300", "106664", "100", "200"),
        *("200.00", "1"),
    ]
    frames = trade_frames([record] * 21)
    assert [frame.split("|")[2] for frame in frames] == ["020", "001"]
    assert len(frames[0].split("|", 3)[3].split("^")) == 20 * 26


def test_a_book_has_71_columns_bid_before_ask() -> None:
    bids = tuple(Level(Decimal("182.85") - n * Decimal("0.01"), 350 + n) for n in range(10))
    asks = (Level(Decimal("182.87"), 57),)
    view = BookView("AAPL", asks, bids, 57, 3_545, 0, None)
    frame = book_frame(view, APPLE, day=DAY, local="202223", utc_offset=SUMMER)
    kind, channel, count, text = frame.split("|")
    columns = text.split("^")
    assert (kind, channel, count, len(columns)) == ("0", "HDFSASP0", "001", 71)
    assert columns[:11] == [
        *("DNASAAPL", "AAPL", "4", "20260710", "202223", "20260711", "092223"),
        *("3545", "57", "0", "0"),
    ]
    assert columns[11:17] == ["182.8500", "182.8700", "350", "57", "0", "0"]
    assert columns[-6:] == ["182.7600", "0.0000", "359", "0", "0", "0"]


def test_clocks_differ_by_an_hour_less_in_summer() -> None:
    assert both_clocks(DAY, "093000", SUMMER) == ("20260710", "093000", "20260710", "223000")
    winter = timedelta(hours=-5)
    assert both_clocks(DAY, "160000", winter) == ("20260710", "160000", "20260711", "060000")


def test_every_exchange_has_its_letter_in_notices() -> None:
    letters = {
        listing.market: notice_record(
            OrderAccepted(order=ORDER, at=AT), hts_id="h", listing=listing
        ).split("^")[18]
        for listing in LISTINGS
    }
    assert letters == {Market.NASDAQ: "6", Market.NYSE: "7", Market.AMEX: "8"}
