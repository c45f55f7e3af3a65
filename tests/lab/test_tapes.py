"""A tape as a broker: its time, its stream, its refusals."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from daemon.core.calendar import KST
from daemon.core.errors import Refused
from daemon.core.events import OrderKind
from daemon.core.values import Currency, Interest, LinkDown, LinkUp, OrderBook, Tick
from daemon.kis.frames import FrameDecoder
from daemon.lab.loop import run_virtual
from daemon.lab.tapes import ACCOUNT as ACCOUNT_OF_TAPES
from daemon.lab.tapes import Figures, TapeBroker, TapeClock, TapeFeed
from daemon.ports import FeedEvent
from daemon.store.tapefile import TapeFrame
from daemon.store.tapefile import redacted as hidden
from tests.builders import ACCOUNT, SAMSUNG
from tests.kis.fakes import ack, frame, make_order, sample
from tests.support import VirtualClock

NINE = datetime(2026, 11, 2, 9, 0, tzinfo=KST).astimezone(UTC)
NOTICES = "H0STCNI0"
TRADE, BOOK = frame("h0stcnt0_1_47"), frame("h0stasp0_62")


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def on(seconds: float, text: str | bytes = TRADE) -> TapeFrame:
    return TapeFrame(at(seconds), text)


class Played:
    """A feed played to its end: each event with the loop's and the clock's time of its coming."""

    def __init__(self, frames: Sequence[TapeFrame], speed: float = 1.0) -> None:
        self.figures = Figures()
        self.events: list[FeedEvent] = []
        self.times: list[float] = []
        self.told: list[datetime] = []
        self._frames = frames
        self._speed = speed
        run_virtual(self._play())

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        clock = TapeClock(self._frames[0].at, self._speed)
        feed = TapeFeed(self._frames, clock, self.figures, speed=self._speed)
        feed.want([Interest("trades", SAMSUNG)])

        def emit(event: FeedEvent) -> None:
            self.events.append(event)
            self.times.append(loop.time())
            self.told.append(clock.now())

        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(feed.run(emit))
            await asyncio.sleep(5.0)
            assert len(self.events) == 1, "until it is told to play, it is up and silent"
            feed.play()
            await feed.over.wait()
            playing.cancel()


def test_events_come_in_order_at_their_time() -> None:
    played = Played([on(0), on(0.25, BOOK), on(0.25), on(7)])
    decoder = FrameDecoder(ACCOUNT)
    frames = ((TRADE, 0.0), (BOOK, 0.25), (TRADE, 0.25), (TRADE, 7.0))
    expected = [event for text, when in frames for event in decoder.decode(text, at(when))]
    assert played.events == [LinkUp(NINE, None), *expected]
    assert played.told == [NINE, at(0), at(0.25), at(0.25), at(7)]
    assert played.times == pytest.approx([0.0, 5.0, 5.25, 5.25, 12.0], abs=1e-4)
    assert played.figures.events == {"Tick": 3, "OrderBook": 1}
    assert (played.figures.first, played.figures.last) == (at(0), at(7))


@pytest.mark.parametrize("speed", [0.5, 60.0])
def test_time_passes_as_fast_as_asked(speed: float) -> None:
    played = Played([on(0), on(30), on(60)], speed)
    assert played.times[1:] == pytest.approx([5.0, 5.0 + 30 / speed, 5.0 + 60 / speed], abs=1e-4)
    assert played.told[1:] == [at(0), at(30), at(60)]


def test_a_night_is_not_waited_for() -> None:
    night = 17.5 * 3600
    played = Played([on(0), on(night), on(night + 1)])
    assert played.times[1:] == pytest.approx([5.0, 5.0, 6.0], abs=1e-4)
    assert played.figures.gaps == []


def test_a_clock_that_was_set_back_goes_back_again() -> None:
    played = Played([on(10), on(8), on(9), on(11)])
    assert played.told[1:] == [at(10), at(8), at(9), at(11)]
    ticks = [event for event in played.events if isinstance(event, Tick)]
    assert [tick.received_at for tick in ticks] == [at(10), at(8), at(9), at(11)]


def test_between_two_frames_time_goes_on_and_never_beyond_the_next() -> None:
    async def main() -> None:
        clock = TapeClock(NINE, 10.0)
        await asyncio.sleep(100)
        assert clock.now() == NINE
        clock.reach(NINE)
        clock.expect(at(5))
        await asyncio.sleep(0.2)
        assert clock.now() - at(2) < timedelta(milliseconds=1)
        await asyncio.sleep(100)
        assert clock.now() == at(5)
        assert clock.known

    run_virtual(main())


def test_gaps_of_a_day_are_found() -> None:
    played = Played([on(0), on(130), on(260.001), on(300)])
    assert played.figures.gaps == [(at(130), at(260.001))]


def test_what_cannot_be_read_is_counted_and_passed_over() -> None:
    spoilt: list[str | bytes] = [
        "nonsense",
        "0|H0STCNT0|001|1^2",
        b"\xff",
        '{"header"',
        "{}",
        "0|H0NONE00|001|x",
    ]
    played = Played([on(0), *(on(1, each) for each in spoilt), on(2, TRADE.encode())])
    assert played.figures.undecodable == len(spoilt)
    assert played.figures.events == {"Tick": 2}
    assert played.figures.frames == len(spoilt) + 2


def test_order_notices_are_counted_and_kept_from_the_desk() -> None:
    sealed = frame("h0stcni0_encrypted_frame")
    theirs = f"0|{NOTICES}|001|{sample('ws', 'h0stcni0_fill')['plaintext']}"
    plain = theirs.replace("^1234567801^", f"^{ACCOUNT_OF_TAPES.replace('-', '')}^")
    notices = [on(1, sealed), on(2, plain), on(2, theirs)]
    played = Played([on(0, ack(NOTICES, "someone")), on(0), *notices, on(3)])
    assert (played.figures.sealed, played.figures.undecodable) == (1, 0)
    assert played.figures.events["BrokerNotice"] == 1
    assert [type(event) for event in played.events] == [LinkUp, Tick, Tick]


def test_a_connection_made_anew_is_told_as_live() -> None:
    redacted = str(hidden(ack(NOTICES, "someone")))
    frames = [
        on(0, redacted),
        on(0.5, ack("H0STCNT0", "005930")),
        on(1),
        on(9, frame("pingpong")),
        on(20, redacted),
        on(20.5, ack("H0STCNT0", "005930")),
        on(21, redacted),
        on(22, BOOK),
    ]
    played = Played(frames)
    cause = "the recorded connection was lost"
    assert [event for event in played.events if isinstance(event, LinkDown | LinkUp)] == [
        LinkUp(NINE, None),
        LinkDown(at(9), cause),
        LinkUp(at(20), at(9)),
    ]
    assert [type(event) for event in played.events[1:]] == [Tick, LinkDown, LinkUp, OrderBook]
    assert played.figures.reconnects == 1
    assert played.figures.control == 6
    assert played.figures.events["Ping"] == 1


def test_an_account_of_a_tape_has_its_cash_and_takes_no_orders() -> None:
    async def main() -> None:
        broker = TapeBroker(ACCOUNT, Decimal(5), VirtualClock(NINE))
        order = make_order()
        left: list[int] = []

        def leaving() -> None:
            left.append(1)

        assert broker.unready() == ""
        assert (await broker.account()).cash_of(Currency.KRW) == Decimal(5)
        assert await broker.orders(NINE.date()) == ()
        assert await broker.orderable_cash(SAMSUNG, OrderKind.LIMIT, None) == Decimal(5)
        for work in (
            broker.place(order, leaving=leaving),
            broker.modify(order, Decimal(1), leaving=leaving),
            broker.cancel(order, leaving=leaving),
            broker.info(SAMSUNG),
            broker.order_book(SAMSUNG),
            broker.daily_bars(SAMSUNG, 1),
            broker.minute_bars(SAMSUNG, 1),
        ):
            with pytest.raises(Refused, match="REPLAY"):
                await work
        assert left == []

    run_virtual(main())
