"""Silence is never taken for a quiet market: it is proven, or it is marked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from daemon.core.values import (
    Bar,
    InstrumentId,
    Interest,
    LinkDown,
    LinkUp,
    OrderBook,
    Quote,
    Tick,
)
from daemon.engine.watch import ALIVE, CONFIRM_LIMIT, IN_FLIGHT, PATIENCE, QUIET
from daemon.strategy import MarketGap, MissedBars, StrategyContext, StrategyEvent
from tests.builders import HYNIX, SAMSUNG
from tests.engine.paper import PRICE, PaperBroker
from tests.engine.world import MONDAY_NINE, World, run, wish, world
from tests.support import VirtualClock

NAVER = InstrumentId("krx:035420")
TRADES, BOOK = Interest("trades", SAMSUNG), Interest("book", SAMSUNG)
E = TypeVar("E")


class Told:
    """A strategy that only remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[StrategyEvent] = []
        self.context: StrategyContext

    async def __call__(self, context: StrategyContext) -> None:
        self.context = context
        async for event in context.events():
            self.events.append(event)

    def all(self, kind: type[E]) -> list[E]:
        return [each for each in self.events if isinstance(each, kind)]

    @property
    def gaps(self) -> list[tuple[InstrumentId | None, bool]]:
        return [(each.instrument, each.up) for each in self.all(MarketGap)]


@asynccontextmanager
async def watched(
    told: Told, *, refused: tuple[Interest, ...] = (), volume: int = 0
) -> AsyncIterator[World]:
    """A running desk whose strategy watches two instruments, one of which always trades."""
    broker = PaperBroker(VirtualClock(), volumes={SAMSUNG: volume})
    async with world(told, broker=broker) as w, asyncio.TaskGroup() as tasks:
        w.feed.refused.update(refused)
        crowd = tasks.create_task(busy(w, HYNIX))
        await asyncio.sleep(1.5)
        yield w
        crowd.cancel()


async def busy(w: World, instrument: InstrumentId) -> None:
    while True:
        w.feed.trade(instrument)
        await asyncio.sleep(5.0)


def test_a_quiet_market_is_proven_quiet_and_not_marked() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told, volume=500) as w:
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(600.0)
            assert told.gaps == []
            assert 5 <= w.broker.asked.count(SAMSUNG) <= 15, "asked now and then"
            assert HYNIX not in w.broker.asked[2:], "what trades need not be asked about"
            assert len(told.all(Quote)) <= 2, "only what there was at the start"
            assert w.feed.renewed == []

    run(scenario())


@pytest.mark.parametrize("ticked", [True, False])
def test_a_dead_registration_is_marked_told_by_inquiry_and_made_anew(ticked: bool) -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            if ticked:
                w.feed.trade(SAMSUNG)
            await asyncio.sleep(10.0)
            w.feed.trade(SAMSUNG, told=False)
            since = w.clock.now()
            await asyncio.sleep(QUIET + IN_FLIGHT + 5.0)
            assert told.gaps == [(SAMSUNG, False)]
            assert w.feed.renewed == [TRADES]
            assert w.feed.given_up == []
            [gap] = told.all(MarketGap)
            assert gap.down_since <= since + timedelta(seconds=QUIET + 10)
            await asyncio.sleep(5.0)
            assert told.all(Quote)[-1].day_volume == w.broker.volumes[SAMSUNG]
            assert told.context.last_price(SAMSUNG) == PRICE

            w.feed.trade(SAMSUNG)
            await asyncio.sleep(5.0)
            assert told.gaps == [(SAMSUNG, False), (SAMSUNG, True)]
            assert told.events.index(told.all(MarketGap)[1]) < told.events.index(
                [each for each in told.all(Tick) if each.instrument == SAMSUNG][-1]
            )
            [missed] = told.all(MissedBars)
            assert missed.instrument == SAMSUNG
            assert missed.bars[0].start <= missed.since + timedelta(minutes=1)
            assert isinstance(missed.bars[-1], Bar)

    run(scenario())


def test_a_trade_still_on_its_way_is_no_loss() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            w.feed.trade(SAMSUNG)
            asked = len(w.broker.asked)
            await w.until(lambda: len(w.broker.asked) > asked)
            # The inquiry left before this trade, and knew of it already.
            w.feed.trade(SAMSUNG, told=False)
            asked = len(w.broker.asked)
            await w.until(lambda: len(w.broker.asked) > asked)
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(30.0)
            assert told.gaps == []
            assert w.feed.renewed == []

    run(scenario())


def test_where_nothing_trades_any_more_the_connection_is_given_up() -> None:
    async def scenario() -> None:
        told = Told()
        async with world(told, broker=PaperBroker(VirtualClock())) as w:
            for each in (SAMSUNG, HYNIX):
                w.feed.trade(each)
            await asyncio.sleep(ALIVE)
            for each in (SAMSUNG, HYNIX):
                w.feed.trade(each, told=False)
            await asyncio.sleep(QUIET + ALIVE)
            assert w.feed.given_up == ["the stream brings no market data"]
            assert set(told.gaps[:2]) == {(SAMSUNG, False), (HYNIX, False)}

    run(scenario())


def test_silence_that_no_inquiry_explains_is_marked() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            w.feed.trade(SAMSUNG)
            w.broker.market_fails = 10**6
            await asyncio.sleep(QUIET + PATIENCE - 5.0)
            assert told.gaps == []
            await asyncio.sleep(10.0)
            assert told.gaps == [(SAMSUNG, False)]
            assert "no inquiry" in told.all(MarketGap)[0].cause
            assert w.desk.watch.stats.failed_inquiries > 5
            assert w.feed.renewed == []
            w.broker.market_fails = 0
            await asyncio.sleep(10.0)
            assert told.gaps == [(SAMSUNG, False), (SAMSUNG, True)], "nothing had traded"

    run(scenario())


def test_what_has_no_room_is_asked_for_in_turn_and_says_how_old_it_is() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told, refused=(TRADES, BOOK)) as w:
            await asyncio.sleep(CONFIRM_LIMIT + 10.0)
            missing = w.desk.watch.missing
            assert set(missing) == {TRADES, BOOK}
            assert told.gaps == [(SAMSUNG, False)]
            assert SAMSUNG in w.desk.watch.dark
            quotes = told.all(Quote)
            assert len(quotes) >= 5
            assert all(each.asked_at < each.received_at for each in quotes)
            assert isinstance(quotes[-1].book, OrderBook)
            age = told.context.age(SAMSUNG)
            assert age is not None
            assert timedelta(0) < age < timedelta(seconds=3)
            assert told.context.last_price(SAMSUNG) == PRICE
            w.feed.refused.clear()
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(60.0)
            assert len(w.desk.watch.missing) == 0
            assert told.gaps == [(SAMSUNG, False), (SAMSUNG, True)]
            seen = len(told.all(Quote))
            await asyncio.sleep(60.0)
            assert len(told.all(Quote)) == seen

    run(scenario())


def test_a_book_without_room_is_asked_for_although_trades_come() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told, refused=(BOOK,)) as w:
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(30.0)
            assert told.gaps == []
            quotes = told.all(Quote)
            assert quotes
            assert all(each.instrument == SAMSUNG and each.book for each in quotes)

    run(scenario())


def test_a_lost_link_is_one_gap_of_everything_and_its_bars_follow() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            down = w.clock.now()
            w.feed.emit(LinkDown(down, "closed"))
            asked = len(w.broker.asked)
            await asyncio.sleep(150.0)
            assert told.gaps == [(None, False)]
            assert told.all(MarketGap)[0].cause == "closed"
            assert len(w.broker.asked) == asked, "nothing is asked while all is marked"
            w.feed.emit(LinkUp(w.clock.now(), down))
            await asyncio.sleep(10.0)
            assert told.gaps == [(None, False), (None, True)]
            missed = {each.instrument: each for each in told.all(MissedBars)}
            assert set(missed) == {SAMSUNG, HYNIX}
            bars = missed[SAMSUNG].bars
            assert bars[0].start == down.replace(second=0, microsecond=0)
            assert len(bars) == 3

    run(scenario())


def test_what_traded_while_the_link_was_down_is_not_missed_again_afterwards() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            w.feed.trade(SAMSUNG)
            down = w.clock.now()
            w.feed.emit(LinkDown(down, "closed"))
            for _ in range(7):
                w.feed.trade(SAMSUNG, told=False)
            await asyncio.sleep(20.0)
            w.feed.emit(LinkUp(w.clock.now(), down))
            await asyncio.sleep(300.0)
            assert told.gaps == [(None, False), (None, True)]
            assert w.feed.renewed == []

    run(scenario())


def test_bars_that_cannot_be_had_are_left_out() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            w.broker.market_fails = 10**6
            down = w.clock.now()
            w.feed.emit(LinkDown(down, "closed"))
            w.feed.emit(LinkUp(w.clock.now(), down))
            await asyncio.sleep(30.0)
            assert told.all(MissedBars) == []

    run(scenario())


def test_outside_of_trading_hours_nothing_is_expected() -> None:
    async def scenario() -> None:
        told = Told()
        evening = MONDAY_NINE + timedelta(hours=8)
        async with world(told, broker=PaperBroker(VirtualClock()), start=evening) as w:
            asked = len(w.broker.asked)
            await asyncio.sleep(3600.0)
            assert told.gaps == []
            assert len(w.broker.asked) == asked

    run(scenario())


def test_a_new_day_is_measured_anew() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            for _ in range(50):
                w.feed.trade(SAMSUNG)
            await asyncio.sleep(23.9 * 3600)
            w.broker.volumes[SAMSUNG] = 0
            await asyncio.sleep(0.1 * 3600 + 30.0)
            before = list(told.gaps)
            w.feed.trade(SAMSUNG, told=False)
            await asyncio.sleep(QUIET + PATIENCE)
            assert told.gaps == [*before, (SAMSUNG, False)]

    run(scenario())


def test_what_is_held_is_watched_although_no_strategy_wants_it() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), holdings={NAVER: 5})
        async with world(Told(), broker=broker) as w:
            await asyncio.sleep(2.0)
            assert w.feed.wanted[0] == Interest("trades", NAVER)
            assert Interest("book", NAVER) not in w.feed.wanted

    run(scenario())


def test_a_strategy_may_want_more_and_less_while_it_runs() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            more = Interest("trades", NAVER)
            told.context.watch(more)
            assert more in w.feed.wanted
            w.feed.trade(NAVER, Decimal(200_000))
            await asyncio.sleep(1.0)
            assert sum(each.instrument == NAVER for each in told.all(Tick)) == 1
            told.context.unwatch(more)
            assert more not in w.feed.wanted
            w.feed.trade(NAVER)
            await asyncio.sleep(1.0)
            assert sum(each.instrument == NAVER for each in told.all(Tick)) == 1
            with pytest.raises(ValueError, match="no channel"):
                told.context.watch(Interest("no-such-channel", NAVER))

    run(scenario())


def test_what_a_strategy_wanted_is_let_go_of_when_it_ends() -> None:
    async def brief(context: StrategyContext) -> None:
        context.watch(Interest("trades", NAVER))

    async def scenario() -> None:
        async with world(brief, Told()) as w:
            await asyncio.sleep(2.0)
            assert Interest("trades", NAVER) not in w.feed.wanted
            assert TRADES in w.feed.wanted, "another wants it"

    run(scenario())


def test_an_order_opens_a_watch_on_its_instrument_first() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            w.broker.fill_at_once = False
            await w.submit(wish(instrument=HYNIX, limit=PRICE))
            await asyncio.sleep(2.0)
            assert w.feed.wanted[0] == Interest("trades", HYNIX)

    run(scenario())


def test_nothing_known_has_no_age() -> None:
    async def scenario() -> None:
        told = Told()
        async with world(told) as w:
            await asyncio.sleep(0.1)
            assert told.context.age(SAMSUNG) is None
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(7.0)
            age = told.context.age(SAMSUNG)
            assert age == timedelta(seconds=7)

    run(scenario())


def test_what_is_missing_is_logged_once_and_summed_up() -> None:
    async def scenario() -> None:
        told = Told()
        with capture_logs() as lines:
            async with watched(told, refused=(BOOK,)) as w:
                w.feed.trade(SAMSUNG)
                await asyncio.sleep(120.0)
                summary = w.desk.watch.summary()
        [line] = [each for each in lines if each["event"] == "registrations_missing"]
        assert line["missing"] == ["book krx:005930"]
        assert (line["wanted"], summary["wanted"]) == (4, 4)
        assert summary["missing"] == ["book krx:005930"]
        assert (summary["dark"], summary["gaps"]) == ([], 0)

    run(scenario())
