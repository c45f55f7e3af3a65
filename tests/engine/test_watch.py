"""Silence is never taken for a quiet market: it is proven, or it is marked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
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
    Side,
    StrategyId,
    Tick,
    Venue,
)
from daemon.engine.watch import (
    ALIVE,
    BACK_OFF,
    CONFIRM_LIMIT,
    IN_FLIGHT,
    LINGER,
    PATIENCE,
    QUIET,
)
from daemon.ports import InstrumentInfo
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
        """Of trades."""
        return self.gaps_of("")

    def gaps_of(self, channel: str) -> list[tuple[InstrumentId | None, bool]]:
        return [
            (each.instrument, each.up) for each in self.all(MarketGap) if each.channel == channel
        ]


@asynccontextmanager
async def watched(
    told: Told, *, refused: tuple[Interest, ...] = (), volume: int = 0, rate: float = 1.0
) -> AsyncIterator[World]:
    """A running desk whose strategy watches two instruments, one of which always trades."""
    broker = PaperBroker(VirtualClock(), volumes={SAMSUNG: volume})
    async with world(told, broker=broker, inquiry_rate=rate) as w, asyncio.TaskGroup() as tasks:
        w.feed.refused.update(refused)
        crowd = tasks.create_task(busy(w, HYNIX))
        await asyncio.sleep(1.5)
        yield w
        crowd.cancel()


def trade(w: World, instrument: InstrumentId, price: Decimal = PRICE, *, told: bool = True) -> None:
    """A trade and the book after it, as the stream tells them, or keeps them to itself."""
    w.feed.trade(instrument, price, told=told)
    if told:
        w.feed.depth(instrument)


async def busy(w: World, instrument: InstrumentId) -> None:
    while True:
        trade(w, instrument)
        await asyncio.sleep(5.0)


def test_a_quiet_market_is_proven_quiet_and_not_marked() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told, volume=500) as w:
            trade(w, SAMSUNG)
            await asyncio.sleep(600.0)
            assert told.gaps == []
            assert 5 <= w.broker.asked.count(SAMSUNG) <= 25, "asked now and then"
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
                trade(w, SAMSUNG)
            await asyncio.sleep(10.0)
            trade(w, SAMSUNG, told=False)
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

            trade(w, SAMSUNG)
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
            trade(w, SAMSUNG)
            asked = len(w.broker.asked)
            await w.until(lambda: len(w.broker.asked) > asked)
            # The inquiry left before this trade, and knew of it already.
            trade(w, SAMSUNG, told=False)
            asked = len(w.broker.asked)
            await w.until(lambda: len(w.broker.asked) > asked)
            trade(w, SAMSUNG)
            await asyncio.sleep(30.0)
            assert told.gaps == []
            assert w.feed.renewed == []

    run(scenario())


def test_where_nothing_trades_any_more_the_connection_is_given_up() -> None:
    async def scenario() -> None:
        told = Told()
        async with world(told, broker=PaperBroker(VirtualClock())) as w:
            for each in (SAMSUNG, HYNIX):
                trade(w, each)
            await asyncio.sleep(ALIVE)
            for each in (SAMSUNG, HYNIX):
                trade(w, each, told=False)
            await asyncio.sleep(QUIET + ALIVE)
            assert set(told.gaps[:2]) == {(SAMSUNG, False), (HYNIX, False)}
            assert w.feed.given_up == [], "one more registration may help"
            assert len(w.feed.renewed) == 2
            for each in (SAMSUNG, HYNIX):
                trade(w, each, told=False)
            await asyncio.sleep(QUIET + ALIVE)
            assert w.feed.given_up == ["the stream brings no market data"]

    run(scenario())


def test_silence_that_no_inquiry_explains_is_marked() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            trade(w, SAMSUNG)
            w.broker.market_fails = 10**6
            await asyncio.sleep(QUIET + PATIENCE - 5.0)
            assert told.gaps == []
            await asyncio.sleep(10.0)
            assert told.gaps == [(SAMSUNG, False)]
            assert "no inquiry" in told.all(MarketGap)[0].cause
            assert w.desk.watch.stats.failed_inquiries >= 3
            assert w.feed.renewed == []
            w.broker.market_fails = 0
            await asyncio.sleep(BACK_OFF[-1] + 10.0)
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
            trade(w, SAMSUNG)
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
            trade(w, SAMSUNG)
            await asyncio.sleep(CONFIRM_LIMIT + 20.0)
            assert told.gaps == []
            assert told.gaps_of("book") == [(SAMSUNG, False)]
            quotes = [each for each in told.all(Quote) if each.instrument == SAMSUNG]
            assert isinstance(quotes[-1].book, OrderBook)
            w.feed.refused.clear()
            await asyncio.sleep(3.0)
            assert told.gaps_of("book") == [(SAMSUNG, False), (SAMSUNG, True)]

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
            assert len(bars) == 2, "the minute that is not over is nobody's bar"

    run(scenario())


def test_what_traded_while_the_link_was_down_is_not_missed_again_afterwards() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            trade(w, SAMSUNG)
            down = w.clock.now()
            w.feed.emit(LinkDown(down, "closed"))
            for _ in range(7):
                trade(w, SAMSUNG, told=False)
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
                trade(w, SAMSUNG)
            await asyncio.sleep(23.9 * 3600)
            w.broker.volumes[SAMSUNG] = 0
            await asyncio.sleep(0.1 * 3600 + 30.0)
            before = list(told.gaps)
            trade(w, SAMSUNG, told=False)
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
            trade(w, NAVER, Decimal(200_000))
            await asyncio.sleep(1.0)
            assert sum(each.instrument == NAVER for each in told.all(Tick)) == 1
            told.context.unwatch(more)
            assert more not in w.feed.wanted
            trade(w, NAVER)
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
            trade(w, SAMSUNG)
            await asyncio.sleep(7.0)
            age = told.context.age(SAMSUNG)
            assert age == timedelta(seconds=7)

    run(scenario())


def test_what_is_missing_is_logged_once_and_summed_up() -> None:
    async def scenario() -> None:
        told = Told()
        with capture_logs() as lines:
            async with watched(told, refused=(BOOK,)) as w:
                trade(w, SAMSUNG)
                await asyncio.sleep(120.0)
                summary = w.desk.watch.summary()
        [line] = [each for each in lines if each["event"] == "registrations_missing"]
        assert line["missing"] == ["book krx:005930"]
        assert (line["wanted"], summary["wanted"]) == (4, 4)
        assert summary["missing"] == ["book krx:005930"]
        assert (summary["dark"], summary["gaps"]) == ([], 0)

    run(scenario())


def other(venue: Venue, price: int, volume: int, at: datetime) -> Tick:
    return Tick(SAMSUNG, Decimal(price), 1, Side.BUY, volume, at, at, venue)


def test_another_venue_neither_sets_the_price_nor_hides_a_dead_stream() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            trade(w, SAMSUNG)
            for number in range(30):
                w.feed.emit(other(Venue.NXT, 77_700, 10_000 + number, w.clock.now()))
                trade(w, SAMSUNG, told=False)
                await asyncio.sleep(5.0)
            assert told.context.last_price(SAMSUNG) == PRICE
            assert told.gaps == [(SAMSUNG, False)]
            assert TRADES in w.feed.renewed
            w.feed.emit(other(Venue.COMBINED, 77_700, 10_100, w.clock.now()))
            await asyncio.sleep(2.0)
            assert told.gaps == [(SAMSUNG, False)], "only its own venue ends it"

    run(scenario())


def test_where_only_another_venue_is_watched_it_sets_the_price() -> None:
    async def scenario() -> None:
        told = Told()
        async with world(told) as w:
            w.feed.emit(other(Venue.NXT, 77_700, 1, w.clock.now()))
            assert w.desk.quotes.last_price(SAMSUNG) == 77_700
            w.feed.trade(SAMSUNG)
            w.feed.emit(other(Venue.NXT, 77_700, 2, w.clock.now()))
            assert w.desk.quotes.last_price(SAMSUNG) == PRICE

    run(scenario())


def test_one_that_cannot_be_asked_about_costs_the_others_nothing() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            w.broker.unknown.add(NAVER)
            told.context.watch(Interest("trades", NAVER))
            await asyncio.sleep(120.0)
            w.feed.refused.update((TRADES, BOOK))
            seen = len(told.all(Quote))
            await asyncio.sleep(300.0)
            assert len(told.all(Quote)) - seen > 30

    run(scenario())


@pytest.mark.parametrize(("rate", "quiet"), [(0.1, 10), (0.1, 20), (1.0, 39)])
def test_quiet_instruments_are_proven_quiet_at_any_pace(rate: float, quiet: int) -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told, rate=rate) as w:
            many = [InstrumentId(f"krx:{number:06}") for number in range(1, quiet + 1)]
            told.context.watch(*(Interest("trades", each) for each in many))
            await asyncio.sleep(3600.0)
            assert told.gaps == []
            assert len(w.broker.asked) <= 3600.0 * rate * 1.1 + 2

    run(scenario())


def test_what_is_watched_again_is_not_measured_by_its_old_tick() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            for _ in range(50):
                trade(w, SAMSUNG)
            told.context.unwatch(TRADES, BOOK)
            await asyncio.sleep(10.0)
            for _ in range(5):
                trade(w, SAMSUNG, told=False)
            told.context.watch(TRADES, BOOK)
            await asyncio.sleep(300.0)
            assert told.gaps == [], "nobody watched when these traded"
            assert w.feed.renewed == []
            assert w.feed.given_up == []
            trade(w, SAMSUNG, told=False)
            await asyncio.sleep(QUIET + PATIENCE)
            assert told.gaps == [(SAMSUNG, False)]

    run(scenario())


def test_who_begins_to_listen_is_told_what_is_missing() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told, refused=(Interest("trades", NAVER), Interest("nav", NAVER))) as w:
            await w.services.create_task(asyncio.sleep(0.0))
            w.desk.watch.want(
                StrategyId("other"), [Interest("trades", NAVER), Interest("nav", NAVER)]
            )
            await asyncio.sleep(CONFIRM_LIMIT + 5.0)
            assert told.gaps == []
            told.context.watch(Interest("trades", NAVER), Interest("nav", NAVER))
            await asyncio.sleep(1.0)
            assert told.gaps == [(NAVER, False)]
            assert told.gaps_of("nav") == [(NAVER, False)]
            down = w.clock.now()
            w.feed.emit(LinkDown(down, "closed"))
            [gap] = [each for each in w.desk.watch.open_gaps([]) if each.instrument is None]
            assert (gap.up, gap.down_since) == (False, down)

    run(scenario())


def test_a_gap_ends_when_nobody_watches_the_instrument_any_more() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told, refused=(TRADES,)) as w:
            await asyncio.sleep(CONFIRM_LIMIT + 5.0)
            told.context.unwatch(TRADES)
            await asyncio.sleep(1.0)
            assert told.gaps == [(SAMSUNG, False), (SAMSUNG, True)]
            w.feed.refused.clear()
            told.context.watch(TRADES)
            await asyncio.sleep(30.0)
            assert told.gaps == [(SAMSUNG, False), (SAMSUNG, True)]

    run(scenario())


@pytest.mark.parametrize("channel", ["nav", "status", "program"])
def test_other_news_that_is_not_registered_is_marked_by_its_kind(channel: str) -> None:
    async def scenario() -> None:
        told = Told()
        interest = Interest(channel, SAMSUNG)
        async with watched(told, refused=(interest,)) as w:
            told.context.watch(interest)
            trade(w, SAMSUNG)
            await asyncio.sleep(CONFIRM_LIMIT + 5.0)
            assert told.gaps == []
            assert told.gaps_of(channel) == [(SAMSUNG, False)]
            w.feed.refused.clear()
            await asyncio.sleep(3.0)
            assert told.gaps_of(channel) == [(SAMSUNG, False), (SAMSUNG, True)]

    run(scenario())


def test_a_book_that_stays_away_while_trades_come_is_registered_anew() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            trade(w, SAMSUNG)
            for _ in range(20):
                await asyncio.sleep(5.0)
                w.feed.trade(SAMSUNG)
            assert told.gaps == []
            assert told.gaps_of("book") == [(SAMSUNG, False)]
            assert w.feed.renewed == [BOOK]
            w.feed.depth(SAMSUNG)
            await asyncio.sleep(2.0)
            assert told.gaps_of("book") == [(SAMSUNG, False), (SAMSUNG, True)]

    run(scenario())


def test_inquiries_keep_to_their_share_and_rest_after_the_close() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told, refused=(TRADES, BOOK)) as w:
            await asyncio.sleep(30.0)
            asked = len(w.broker.asked)
            await asyncio.sleep(3600.0)
            assert len(w.broker.asked) - asked <= 3600
            await asyncio.sleep(6 * 3600.0)
            asked = len(w.broker.asked)
            await asyncio.sleep(3600.0)
            assert len(w.broker.asked) == asked, "the market is closed"

    run(scenario())


def test_gaps_that_follow_each_other_are_caught_up_on_once() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            first = w.clock.now()
            for _ in range(20):
                down = w.clock.now()
                w.feed.emit(LinkDown(down, "closed"))
                await asyncio.sleep(4.0)
                w.feed.emit(LinkUp(w.clock.now(), down))
            w.broker.market_fails = 2
            await asyncio.sleep(60.0)
            missed = {each.instrument: each for each in told.all(MissedBars)}
            assert len(told.all(MissedBars)) == 2
            assert missed[SAMSUNG].since == first

    run(scenario())


def test_a_strategy_that_has_ended_watches_nothing_any_more() -> None:
    kept: list[StrategyContext] = []

    async def brief(context: StrategyContext) -> None:
        kept.append(context)

    async def scenario() -> None:
        async with world(brief) as w:
            await asyncio.sleep(2.0)
            with pytest.raises(ValueError, match="has ended"):
                kept[0].watch(TRADES)
            kept[0].unwatch(TRADES)
            assert TRADES not in w.feed.wanted

    run(scenario())


def test_an_instrument_stays_first_in_line_for_a_while_after_its_order() -> None:
    async def scenario() -> None:
        told = Told()
        async with watched(told) as w:
            w.broker.fill_at_once = False
            await w.submit(wish(instrument=HYNIX, limit=PRICE))
            await asyncio.sleep(2.0)
            await w.desk.executor.cancel([w.order().id])
            await asyncio.sleep(1.0)
            assert not w.desk.ledger.portfolio.open_orders()
            await asyncio.sleep(LINGER - 10.0)
            assert w.feed.wanted[0] == Interest("trades", HYNIX)
            await asyncio.sleep(20.0)
            assert w.feed.wanted[0] == TRADES

    run(scenario())


class TradesEarly(PaperBroker):
    """An instrument trades once, while its price is asked at the start."""

    async def info(self, instrument: InstrumentId) -> InstrumentInfo:
        info = await super().info(instrument)
        if self.asked == [SAMSUNG]:
            self.volumes[SAMSUNG] = 7
            now = self.clock.now()
            self.emit(Tick(SAMSUNG, PRICE, 7, None, 7, now, now))
        return info


def test_what_traded_before_anybody_listened_is_told_as_a_quote() -> None:
    async def scenario() -> None:
        told = Told()
        async with world(told, broker=TradesEarly(VirtualClock())) as w:
            await w.until(lambda: SAMSUNG in [each.instrument for each in told.all(Quote)], 10.0)
            assert told.all(Tick) == []
            volumes = {each.instrument: each.day_volume for each in told.all(Quote)}
            assert volumes[SAMSUNG] == 7

    run(scenario())
