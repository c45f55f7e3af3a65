"""Overseas trades and books: samples to documented values, and bad fields by name."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, OrderBook, Tick
from daemon.kis.channels import channel_of
from daemon.kis.frames import FrameDecoder
from daemon.kis.overseas import overseas_book, overseas_tick
from tests.kis.fakes import ACCOUNT, frame
from tests.kis.test_channels import RECEIVED

TRADES, BOOK, LATE_BOOK = (channel_of(name) for name in ("HDFSCNT0", "HDFSASP0", "HDFSASP1"))


def row(name: str, **changes: str) -> list[str]:
    _, tr_id, _, payload = frame(name).split("|")
    parts = payload.split("^")
    for column, text in changes.items():
        parts[channel_of(tr_id).columns.index(column)] = text
    return parts


def test_an_american_trade() -> None:
    (tick,) = FrameDecoder(ACCOUNT).decode(frame("hdfscnt0_1"), RECEIVED)
    assert tick == Tick(
        instrument=InstrumentId("nasdaq:GOOGL"),
        price=Decimal("354.4200"),
        quantity=201,
        aggressor=None,
        day_volume=3474974,
        exchange_time=datetime(2026, 7, 10, 14, 43, 30, tzinfo=UTC),
        received_at=RECEIVED,
    )


def test_an_american_book_of_ten_levels() -> None:
    (book,) = FrameDecoder(ACCOUNT).decode(frame("hdfsasp0_71"), RECEIVED)
    assert isinstance(book, OrderBook)
    assert book.instrument == "nasdaq:AAPL"
    assert len(book.bids) == len(book.asks) == 10
    assert book.bid == (Decimal("182.8500"), 350)
    assert book.ask == (Decimal("182.8700"), 57)
    assert book.bids[-1] == (Decimal("182.6300"), 201)
    assert book.asks[-1] == (Decimal("183.0100"), 98)
    assert list(book.bids) == sorted(book.bids, reverse=True)
    assert list(book.asks) == sorted(book.asks)
    assert book.exchange_time == datetime(2024, 5, 7, 0, 22, 23, tzinfo=UTC)


def test_an_asian_book_of_one_level() -> None:
    (book,) = FrameDecoder(ACCOUNT).decode(frame("hdfsasp1_17"), RECEIVED)
    assert isinstance(book, OrderBook)
    assert book.instrument == "hongkong:00003"
    assert book.bids == ((Decimal("6.650"), 30000),)
    assert book.asks == ((Decimal("6.660"), 24000),)
    assert book.exchange_time == datetime(2026, 7, 10, 3, 5, 1, tzinfo=UTC)


def test_one_level_may_come_on_the_channel_of_ten() -> None:
    reading = FrameDecoder(ACCOUNT)
    text = frame("hdfsasp1_17").replace("HDFSASP1", "HDFSASP0").replace("DHKS", "RHKS")
    (book,) = reading.decode(text, RECEIVED)
    assert isinstance(book, OrderBook)
    assert (len(book.bids), len(book.asks)) == (1, 1)
    assert reading.stats.wider == 0


@pytest.mark.parametrize("empty", ["", "0", "0.0000"])
def test_empty_prices_and_levels_are_left_out(empty: str) -> None:
    assert overseas_tick(row("hdfscnt0_1", LAST=empty), TRADES, RECEIVED) is None
    parts = row("hdfsasp0_71", PBID1=empty, VASK2="0", VASK3="")
    book = overseas_book(parts, BOOK, RECEIVED)
    assert book.bid == (Decimal("182.8400"), 1)
    assert len(book.bids) == 9
    assert len(book.asks) == 8


def test_columns_beyond_the_known_ones_are_no_levels() -> None:
    more = [*row("hdfsasp1_17"), "6.600", "6.700", "5", "5", "0", "0"]
    assert len(overseas_book(more, LATE_BOOK, RECEIVED).bids) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"RSYM": ""}, "RSYM"),
        ({"RSYM": "AAPL"}, "RSYM"),
        ({"RSYM": "DNAS"}, "RSYM"),
        ({"RSYM": "DNASBRK//B"}, "RSYM"),
        ({"LAST": "x"}, "LAST"),
        ({"LAST": "-1"}, "LAST"),
        ({"EVOL": ""}, "EVOL"),
        ({"EVOL": "1.5"}, "EVOL"),
        ({"TVOL": "-1"}, "TVOL"),
        ({"KYMD": "20260231"}, "KYMD"),
        ({"KYMD": ""}, "KYMD"),
        ({"KHMS": "250000"}, "KHMS"),
        ({"KHMS": ""}, "KHMS"),
    ],
)
def test_a_bad_field_of_a_trade_is_named(changes: dict[str, str], field: str) -> None:
    with pytest.raises(BadData) as found:
        overseas_tick(row("hdfscnt0_1", **changes), TRADES, RECEIVED)
    assert found.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"RSYM": "QNASAAPL"}, "RSYM"),
        ({"PBID3": "-1"}, "PBID3"),
        ({"VASK10": "many"}, "VASK10"),
        ({"KHMS": "9"}, "KHMS"),
    ],
)
def test_a_bad_field_of_a_book_is_named(changes: dict[str, str], field: str) -> None:
    with pytest.raises(BadData) as found:
        overseas_book(row("hdfsasp0_71", **changes), BOOK, RECEIVED)
    assert found.value.field == field
