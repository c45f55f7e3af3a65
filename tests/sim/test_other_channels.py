"""Channels besides KRX trades, books and notices: what comes on them, and that all can be read."""

from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.core.calendar import KST
from daemon.core.values import (
    AccountId,
    ExpectedPrice,
    InstrumentId,
    Interest,
    MarketPhase,
    MarketStatus,
    OrderBook,
    Record,
    Tick,
    Venue,
)
from daemon.kis.channels import (
    BY_TR_ID,
    CHANNELS,
    Channel,
    Kind,
    Subject,
    channel_of,
    registration_of,
)
from daemon.kis.frames import FrameDecoder, FrameEvent
from daemon.kis.spec import Environment
from daemon.sim.options import ACCOUNT
from daemon.sim.other_channels import SyntheticRows, row
from tests.sim.rig import OPEN, QUIET, Rig
from tests.sim.test_broker import joined

KEYS = {
    Subject.STOCK: "005930",
    Subject.INDEX: "0001",
    Subject.OVERSEAS: "DNASAAPL",
    Subject.DERIVATIVE: "101W09",
    Subject.BOND: "KR103502GA34",
}
OPEN_CHANNELS = [channel for channel in CHANNELS if channel.subject is not Subject.CUSTOMER]
SAMSUNG = InstrumentId("krx:005930")


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 10, 12, hour, minute, tzinfo=KST)


def key_of(channel: Channel) -> str:
    return "DHKS00003" if channel.tr_id == "HDFSASP1" else KEYS[channel.subject]


class Listener:
    """A client that reads what it hears as the daemon does."""

    def __init__(self, *wanted: tuple[str, str], start: datetime = OPEN, **changes: Any) -> None:
        self.rig = Rig(start=start, **{"listings": QUIET, **changes})
        self.session = joined(self.rig, *wanted)
        self.decoder = FrameDecoder(AccountId(ACCOUNT))
        self.frames: list[str] = []

    def hear(self, seconds: float, step: float = 1.0) -> list[FrameEvent]:
        events: list[FrameEvent] = []
        for _ in range(int(seconds / step)):
            self.rig.pass_time(step)
            frames = [frame for _, frame in self.rig.broker.frames(self.rig.monotonic)]
            self.frames += frames
            for frame in frames:
                events += self.decoder.decode(frame, self.rig.now)
        return events


@pytest.mark.parametrize("channel", OPEN_CHANNELS, ids=lambda channel: channel.id)
def test_every_channel_can_be_registered_and_read(channel: Channel) -> None:
    start = at(8, 58) if channel.kind in (Kind.EXPECTED, Kind.STATUS) else OPEN
    listener = Listener((channel.tr_id, key_of(channel)), start=start, speed=1.0)
    assert listener.session.registered == {(channel.tr_id, key_of(channel))}
    seconds = 180 if channel.kind in (Kind.STATUS, Kind.TRADES) else 30
    events = listener.hear(seconds)
    assert events
    assert listener.decoder.stats.drift == {}
    assert {frame.split("|")[1] for frame in listener.frames} == {channel.tr_id}
    for event in events:
        if isinstance(event, Record):
            assert event.key == key_of(channel)
            assert len(event.values) == channel.known


def test_an_auction_tells_its_price_until_it_is_made() -> None:
    wanted = [("H0STANC0", "005930"), ("H0UNANC0", "005930"), ("H0STCNT0", "005930")]
    listener = Listener(*wanted, start=at(8, 59))
    events = listener.hear(90)
    expected = [event for event in events if isinstance(event, ExpectedPrice)]
    krx = [event for event in expected if event.venue is Venue.KRX]
    assert 25 <= len(krx) <= 31
    assert len(expected) == 2 * len(krx)
    assert all(event.exchange_time < at(9, 0) for event in expected)
    first = next(event for event in events if isinstance(event, Tick))
    assert first.aggressor is None
    assert first.price == krx[-1].price
    assert krx[-1].quantity > 0


def test_status_follows_the_session() -> None:
    listener = Listener(("H0STMKO0", "005930"), ("H0UNMKO0", "005930"), start=at(8, 19))
    phases = []
    for moment in (at(8, 21), at(9, 1), at(15, 21), at(15, 31)):
        listener.rig.jump(moment)
        events = listener.hear(1)
        told = [event for event in events if isinstance(event, MarketStatus)]
        assert {event.venue for event in told} == {Venue.KRX, Venue.COMBINED}
        assert len({event.phase for event in told}) == 1
        assert not any(event.halted for event in told)
        phases.append(told[0].phase)
    assert phases == [
        MarketPhase.OPENING_AUCTION,
        MarketPhase.OPEN,
        MarketPhase.CLOSING_AUCTION,
        MarketPhase.CLOSED,
    ]
    widths = {frame.split("|")[1]: frame.count("^") + 1 for frame in listener.frames}
    assert widths == {"H0STMKO0": 11, "H0UNMKO0": 10}
    listener.rig.jump(at(15, 40))
    assert listener.hear(5) == []


def test_the_other_venue_repeats_krx_in_its_own_layout() -> None:
    names = ("trades", "book", "trades@nxt", "book@nxt", "trades@combined", "book@combined")
    wanted = [registration_of(Interest(name, SAMSUNG), Environment.REAL) for name in names]
    listener = Listener(*wanted, speed=1.0)
    events = listener.hear(120)
    for kind in (Tick, OrderBook):
        by_venue: dict[Venue, list[FrameEvent]] = {venue: [] for venue in Venue}
        for event in events:
            if isinstance(event, kind) and isinstance(event, Tick | OrderBook):
                by_venue[event.venue].append(event._replace(venue=Venue.KRX))
        assert by_venue[Venue.KRX]
        assert by_venue[Venue.NXT] == by_venue[Venue.KRX] == by_venue[Venue.COMBINED]
    widths = {
        frame.split("|")[1]: (frame.count("^") + 1) // int(frame.split("|")[2])
        for frame in listener.frames
    }
    assert widths == {
        **{"H0STCNT0": 47, "H0NXCNT0": 47, "H0UNCNT0": 47},
        **{"H0STASP0": 62, "H0NXASP0": 65, "H0UNASP0": 65},
    }


def test_rows_are_made_every_few_seconds_and_the_same_for_a_seed() -> None:
    wanted = ("H0UPCNT0", "0001"), ("HDFSCNT0", "DNASAAPL")
    first, second = (Listener(*wanted) for _ in range(2))
    first.hear(60)
    second.hear(60)
    assert first.frames == second.frames
    assert 20 <= len(first.frames) <= 60
    other = Listener(*wanted, seed=7)
    other.hear(60)
    assert other.frames != first.frames
    alone = Listener(wanted[0])
    alone.hear(60)
    assert alone.frames == [frame for frame in first.frames if "|H0UPCNT0|" in frame]


def test_nothing_comes_after_a_registration_is_gone() -> None:
    listener = Listener(("H0STNAV0", "069500"))
    assert listener.hear(10)
    joined_again = listener.rig.broker.stream
    joined_again.leave(listener.session)
    assert listener.hear(10) == []


def test_listening_to_more_does_not_move_the_market() -> None:
    plain = [("H0STCNT0", "005930"), ("H0STASP0", "005930")]
    more = [(channel.tr_id, key_of(channel)) for channel in OPEN_CHANNELS if channel.known < 40]
    wide = Listener(*plain, *more[:38], listings=QUIET)
    narrow = Listener(*plain, listings=QUIET)
    wide.hear(120)
    narrow.hear(120)
    busy = ("0|H0STCNT0|", "0|H0STASP0|")
    assert [frame for frame in wide.frames if frame.startswith(busy)] == narrow.frames
    assert wide.rig.broker.market.closes() == narrow.rig.broker.market.closes()


def test_synthetic_books_are_not_crossed_and_trades_only_grow() -> None:
    for tr_id in ("HDFSASP0", "HDFSASP1"):
        listener = Listener((tr_id, key_of(channel_of(tr_id))))
        for event in listener.hear(60):
            assert isinstance(event, OrderBook)
            assert event.bid is not None
            assert event.ask is not None
            assert event.bid.price < event.ask.price
            assert list(event.bids) == sorted(event.bids, reverse=True)
    ticks = Listener(("HDFSCNT0", "RBAQAAPL")).hear(60)
    volumes = [event.day_volume for event in ticks if isinstance(event, Tick)]
    assert volumes == sorted(set(volumes))
    assert abs((ticks[0].received_at - OPEN).total_seconds()) <= 1


def test_a_row_has_zero_where_nothing_is_named() -> None:
    nav = BY_TR_ID["H0STNAV0"]
    assert row(nav, {"NAV": "12.5", "HPRC_NAV": ""}) == "0^12.5^0^0^0^0^^0"
    assert row(nav, {"NAV": "12.5"}, width=3) == "0^12.5^0"


def test_overseas_rows_carry_local_and_korean_times() -> None:
    channel = BY_TR_ID["HDFSCNT0"]
    values = SyntheticRows(channel, "DNASAAPL", 1).next(OPEN.astimezone(UTC)).split("^")
    told = dict(zip(channel.columns, values, strict=True))
    assert (told["RSYM"], told["SYMB"], told["ZDIV"]) == ("DNASAAPL", "AAPL", "4")
    assert (told["KYMD"], told["KHMS"]) == ("20261012", "090000")
    assert (told["XYMD"], told["XHMS"]) == ("20261011", "200000")
