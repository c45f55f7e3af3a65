"""Ahead of a close: what strategies hold goes, in one region, once a day, and says what stays."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.core.acts import OPERATOR
from daemon.core.entries import CloseAction, ClosePlan, EntriesBarred, EntryBar
from daemon.core.events import Actor, JobDone, MarketCloseReported, TradingState
from daemon.core.leftovers import LeftCause
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.switch import Command
from daemon.core.values import InstrumentId, MarketPhase, MarketStatus, Region, Session, Side, Tick
from daemon.engine.closing import closing_jobs
from daemon.engine.routine import desk_timetable
from tests.builders import HYNIX, SAMSUNG, STRATEGY
from tests.engine.paper import PRICE, Answer, MemoryJournal, PaperBroker
from tests.engine.world import MONDAY_NINE, World, all_weekdays, run, wish, world
from tests.support import VirtualClock

MONDAY = date(2026, 11, 23)
CLOSE = MONDAY_NINE + timedelta(hours=6, minutes=30)
BEGINS = CLOSE - timedelta(minutes=20)
START = BEGINS - timedelta(minutes=10)
NEXT_DAY = datetime(2026, 11, 23, 15, tzinfo=UTC)
"""Midnight in Seoul."""

NEXT_INTAKE = datetime(2026, 11, 23, 23, 20, tzinfo=UTC)
"""08:20 on Tuesday in Seoul, where the opening auction begins to take orders."""

APPLE = InstrumentId("nasdaq:AAPL")
BOTH = (Region.KR, Region.US)
LOW = PRICE - 1_000


def keep_time(
    w: World, action: CloseAction = CloseAction.FLATTEN, regions: Sequence[Region] = (Region.KR,)
) -> asyncio.Task[None]:
    """The timetable with a closing of the first region, twenty minutes ahead."""
    calendars = all_weekdays(*regions)
    plan = ClosePlan(action=action, span=timedelta(minutes=20), regions=frozenset(regions[:1]))
    jobs = closing_jobs(
        plan,
        selling=w.desk.selling,
        ledger=w.desk.ledger,
        calendars=calendars,
        clock=w.clock,
    )
    table = desk_timetable(w.desk, access=None, calendars=calendars, clock=w.clock, more=jobs)
    return w.services.create_task(table.run())


async def at(w: World, when: datetime) -> None:
    await asyncio.sleep((when - w.clock.now()).total_seconds())


async def over(w: World) -> MarketCloseReported:
    """Wait for the last word."""
    await w.until(lambda: any(each.over for each in reports(w)), limit=7200)
    await w.until(lambda: bool(done(w)), limit=10)
    return reports(w)[-1]


def reports(w: World) -> list[MarketCloseReported]:
    return w.facts(MarketCloseReported)


def done(w: World) -> list[date]:
    return [each.day for each in w.facts(JobDone) if each.job == "before_close KR"]


def rule_of(result: Order | Denied) -> Rule | None:
    return result.rule if isinstance(result, Denied) else None


def by_hand(**held: int) -> PaperBroker:
    """A broker that fills nothing by itself, and shares that no strategy bought."""
    broker = PaperBroker(VirtualClock(), fill_at_once=False)
    names = {"samsung": SAMSUNG, "hynix": HYNIX}
    broker.holdings = {names[name]: quantity for name, quantity in held.items()}
    return broker


def fresh(w: World) -> None:
    """Prices of this minute: nothing is bought on old ones."""
    for instrument in (SAMSUNG, HYNIX):
        w.feed.trade(instrument)


async def hold(w: World, quantity: int = 5) -> None:
    """Have the strategy buy what is to be sold later."""
    fresh(w)
    (order,) = await w.submit(wish(quantity))
    assert isinstance(order, Order)
    if not w.broker.fill_at_once:
        w.broker.fill(w.broker.kept[-1], quantity)
    portfolio = w.desk.ledger.portfolio
    await w.until(lambda: portfolio.strategy_position(STRATEGY, SAMSUNG).quantity == quantity)


async def hold_beside_a_person(w: World) -> None:
    """The strategy has five shares, and a person bought four through the daemon."""
    await hold(w, 5)
    fresh(w)
    await w.submit(replace(wish(4), strategy=OPERATOR))
    w.broker.fill(w.broker.kept[-1], 4)


def test_what_strategies_hold_is_sold_and_what_nobody_bought_stays() -> None:
    async def scenario() -> None:
        async with world(broker=by_hand(samsung=3, hynix=2), start=START) as w:
            await hold(w, 5)
            fresh(w)
            await w.submit(wish(4, limit=LOW), wish(4, limit=LOW - 100))
            keeping = keep_time(w)
            await at(w, BEGINS - timedelta(seconds=1))
            assert not w.facts(EntriesBarred)
            assert all(w.order(each).state is OrderState.WORKING for each in (2, 3))
            w.broker.fill_at_once = True
            told = await over(w)
            assert (told.region, told.day, told.action) == (Region.KR, MONDAY, CloseAction.FLATTEN)
            assert (told.left, told.done) == ((), True)
            assert told.at < BEGINS + timedelta(seconds=30)
            assert all(w.order(each).state is OrderState.CANCELLED for each in (2, 3))
            sales = [
                each
                for each in w.desk.ledger.portfolio.orders.values()
                if each.intent.side is Side.SELL
            ]
            assert [(each.intent.strategy, each.filled) for each in sales] == [(STRATEGY, 5)]
            assert w.broker.holdings == {SAMSUNG: 3, HYNIX: 2}
            assert w.desk.gate.is_open
            keeping.cancel()

    run(scenario())


def test_what_a_person_bought_through_the_daemon_stays() -> None:
    async def scenario() -> None:
        async with world(broker=by_hand(), start=START) as w:
            await hold_beside_a_person(w)
            keeping = keep_time(w)
            await at(w, BEGINS)
            w.broker.fill_at_once = True
            told = await over(w)
            assert (told.left, told.done) == ((), True)
            assert told.at < BEGINS + timedelta(seconds=30)
            assert w.broker.holdings == {SAMSUNG: 4}
            keeping.cancel()

    run(scenario())


def test_what_a_person_has_on_sale_stays_and_keeps_nothing_from_being_done() -> None:
    async def scenario() -> None:
        async with world(broker=by_hand(), start=START) as w:
            await hold_beside_a_person(w)
            dear = wish(4, Side.SELL, limit=PRICE + 3_000)
            (resting,) = await w.submit(replace(dear, strategy=OPERATOR))
            assert isinstance(resting, Order)
            keeping = keep_time(w)
            await at(w, BEGINS)
            sent = w.broker.numbers
            await w.until(lambda: w.broker.numbers > sent)
            w.broker.fill(w.broker.kept[-1], 5)
            told = await over(w)
            assert (told.left, told.done) == ((), True)
            assert told.at < BEGINS + timedelta(seconds=30)
            assert w.desk.ledger.portfolio.orders[resting.id].state is OrderState.WORKING
            assert w.broker.holdings == {SAMSUNG: 4}
            keeping.cancel()

    run(scenario())


def test_nothing_is_sold_ahead_of_a_close_while_the_time_is_not_sure() -> None:
    async def scenario() -> None:
        async with world(broker=by_hand(), start=START) as w:
            await hold(w, 5)
            w.clock.sure_since = float("inf")
            keeping = keep_time(w)
            w.broker.fill_at_once = True
            await at(w, BEGINS + timedelta(minutes=3))
            assert w.broker.holdings == {SAMSUNG: 5}
            w.clock.sure_since = w.clock.monotonic()
            assert (await over(w)).done
            assert w.broker.holdings == {SAMSUNG: 0}
            keeping.cancel()

    run(scenario())


def test_nothing_is_bought_from_then_until_the_next_session_begins() -> None:
    async def scenario() -> None:
        async with world(start=START) as w:
            await hold(w)
            keeping = keep_time(w)
            await over(w)
            fresh(w)
            (denied,) = await w.submit(wish(1))
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.BEFORE_CLOSE
            assert "until 2026-11-24 00:00 KST" in denied.detail
            await at(w, NEXT_DAY - timedelta(minutes=1))
            fresh(w)
            assert w.desk.ledger.portfolio.entries.first(Region.KR, w.clock.now()) is not None
            await at(w, NEXT_INTAKE - timedelta(minutes=1))
            fresh(w)
            (early,) = await w.submit(wish(1))
            assert rule_of(early) is Rule.GATE_CLOSED
            await at(w, NEXT_INTAKE)
            fresh(w)
            (bought,) = await w.submit(wish(1))
            assert isinstance(bought, Order)
            keeping.cancel()
            assert done(w) == [MONDAY]
            (bar,) = w.facts(EntriesBarred)
            assert (bar.bar, bar.until) == (EntryBar.BEFORE_CLOSE, NEXT_DAY)

    run(scenario())


def test_purchases_of_the_next_opening_auction_may_leave_while_it_is_prepared() -> None:
    """American ones are taken from four in the morning on, long before the session itself."""
    four = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    broker = PaperBroker(VirtualClock(), dollars=Decimal("5000.00"), fill_at_once=False)

    async def bid(w: World, session: Session) -> Order | Denied:
        now = w.clock.now()
        w.desk.on_feed(Tick(APPLE, Decimal("145.00"), 1, None, 1, now, now))
        wanted = wish(1, instrument=APPLE, limit=Decimal("145.00"))
        (result,) = await w.submit(replace(wanted, session=session))
        return result

    async def scenario() -> None:
        start = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
        async with world(broker=broker, regions=BOTH, start=start) as w:
            keeping = keep_time(w, CloseAction.CANCEL, regions=(Region.US, Region.KR))
            await w.until(lambda: any(each.over for each in reports(w)), limit=7200)
            assert rule_of(await bid(w, Session.REGULAR)) is Rule.BEFORE_CLOSE
            await at(w, four + timedelta(minutes=29))
            assert isinstance(await bid(w, Session.OPENING), Order)
            keeping.cancel()

    run(scenario())


def test_a_purchase_that_waits_for_its_turn_is_kept_here() -> None:
    async def scenario() -> None:
        async with world(broker=by_hand(), start=BEGINS - timedelta(seconds=3)) as w:

            async def slow(order: Order, *, leaving: Any, place: Any = w.broker.place) -> Any:
                await asyncio.sleep(10.0)
                return await place(order, leaving=leaving)

            w.broker.place = slow  # type: ignore[method-assign]
            keeping = keep_time(w, CloseAction.CANCEL)
            fresh(w)
            (order,) = await w.submit(wish())
            assert isinstance(order, Order)
            assert order.state is OrderState.REJECTED
            assert "before the close" in order.cause
            assert w.broker.kept == []
            assert (await over(w)).done
            keeping.cancel()

    run(scenario())


def test_to_cancel_leaves_what_is_held_alone() -> None:
    async def scenario() -> None:
        async with world(broker=by_hand(), start=START) as w:
            await hold(w)
            fresh(w)
            await w.submit(wish(4, limit=LOW), wish(2, side=Side.SELL, limit=PRICE + 500))
            keeping = keep_time(w, CloseAction.CANCEL)
            told = await over(w)
            assert (told.left, told.done) == ((), True)
            assert all(w.order(each).state is OrderState.CANCELLED for each in (2, 3))
            assert w.broker.holdings == {SAMSUNG: 5}
            fresh(w)
            bought, sold = await w.submit(wish(3), wish(1, side=Side.SELL))
            assert rule_of(bought) is Rule.BEFORE_CLOSE
            assert isinstance(sold, Order)
            keeping.cancel()

    run(scenario())


def test_it_is_done_once_a_day_whatever_happens_in_between() -> None:
    """Ended in the middle it goes on; once it is done, nothing is sold again."""
    journal, broker = MemoryJournal(), by_hand()

    async def scenario() -> None:
        async with world(broker=broker, journal=journal, start=START) as w:
            await hold(w)
            keeping = keep_time(w)
            await w.until(lambda: len(broker.kept) == 2, limit=7200)
            keeping.cancel()
        async with world(broker=broker, journal=journal, start=BEGINS + timedelta(minutes=1)) as w:
            assert done(w) == []
            fresh(w)
            assert rule_of((await w.submit(wish(1)))[0]) is Rule.BEFORE_CLOSE
            keeping = keep_time(w)
            broker.fill_at_once = True
            await asyncio.sleep(5)
            if broker.kept[1].remaining:
                broker.fill(broker.kept[1], broker.kept[1].remaining)
            assert (await over(w)).done
            assert broker.holdings[SAMSUNG] == 0
            keeping.cancel()
        sent = len(broker.kept)
        broker.holdings[SAMSUNG] = 0
        async with world(broker=broker, journal=journal, start=BEGINS + timedelta(minutes=5)) as w:
            told = len(reports(w))
            keeping = keep_time(w)
            await asyncio.sleep(120)
            assert (len(broker.kept), len(reports(w))) == (sent, told)
            assert rule_of((await w.submit(wish(1)))[0]) is Rule.BEFORE_CLOSE
            assert len(w.facts(EntriesBarred)) == 1
            keeping.cancel()

    run(scenario())


def test_other_regions_go_on_trading() -> None:
    broker = PaperBroker(VirtualClock(), dollars=Decimal("5000.00"), unknown={APPLE})
    american = wish(2, instrument=APPLE, limit=Decimal("145.00"))
    ten_in_new_york = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    day = timedelta(days=1)

    def trade(w: World) -> None:
        now = w.clock.now()
        w.desk.on_feed(Tick(APPLE, Decimal("145.00"), 1, None, 1, now, now))

    async def scenario() -> None:
        async with world(broker=broker, regions=BOTH, start=ten_in_new_york) as w:
            trade(w)
            (bought,) = await w.submit(american)
            assert isinstance(bought, Order)
            await at(w, START + day)
            await hold(w)
            keeping = keep_time(w, regions=BOTH)
            assert (await over(w)).done
            assert broker.holdings == {APPLE: 2, SAMSUNG: 0}
            # Still before midnight in Seoul, where the bar ends.
            await at(w, ten_in_new_york + day - timedelta(minutes=10))
            trade(w)
            (bought,) = await w.submit(american)
            assert isinstance(bought, Order)
            assert w.desk.ledger.portfolio.entries.first(Region.KR, w.clock.now()) is not None
            keeping.cancel()

    run(scenario())


def test_what_is_refused_is_told_with_the_brokers_words_and_tried_again() -> None:
    async def scenario() -> None:
        async with world(start=START) as w:
            await hold(w)
            w.broker.answers = [Answer.REFUSED]
            keeping = keep_time(w)
            told = await over(w)
            assert told.done
            first = next(each for each in reports(w) if each.left)
            (left,) = first.left
            assert (left.cause, left.quantity) == (LeftCause.REFUSED, 5)
            assert "not enough money" in left.detail
            assert not first.over
            keeping.cancel()

    run(scenario())


def test_what_may_not_trade_is_told_as_left_when_the_close_has_come() -> None:
    async def scenario() -> None:
        async with world(start=START) as w:
            await hold(w)
            now = w.clock.now()
            w.desk.on_feed(MarketStatus(SAMSUNG, MarketPhase.HALTED, "1", True, "거래정지", now))
            keeping = keep_time(w)
            told = await over(w)
            assert (told.done, told.over) == (False, True)
            (left,) = told.left
            assert (left.instrument, left.quantity) == (SAMSUNG, 5)
            assert left.cause is LeftCause.INSTRUMENT_HALTED, "not for the close alone"
            assert "거래정지" in left.detail
            assert "no limit order is accepted" in left.detail
            assert CLOSE <= told.at < CLOSE + timedelta(minutes=2)
            assert done(w) == [MONDAY]
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    assert [each["log_level"] for each in logs if each["event"] == "not_closed"] == ["error"]


def test_what_only_the_last_auction_sells_is_seen_after_the_close() -> None:
    async def scenario() -> None:
        async with world(broker=by_hand(), start=START) as w:
            await hold(w)
            keeping = keep_time(w)
            await at(w, CLOSE + timedelta(seconds=1))
            assert not reports(w)[-1].over
            (left,) = reports(w)[-1].left
            assert (left.cause, left.quantity) == (LeftCause.MARKET_CLOSED, 5)
            assert "before the close: order" in left.detail
            sale = w.broker.kept[-1]
            assert (len(w.broker.kept), sale.remaining) == (2, 5)
            w.broker.fill(sale, 5)
            told = await over(w)
            assert (told.left, told.done) == ((), True)
            keeping.cancel()

    run(scenario())


def test_a_persons_halt_keeps_the_sales_here_and_a_resume_lets_them_go() -> None:
    async def scenario() -> None:
        async with world(start=START) as w:
            await hold(w)
            order = Command(state=TradingState.HALTED, who=Actor.OPERATOR, reason="lunch")
            w.desk.execute(order)
            keeping = keep_time(w)
            await at(w, BEGINS + timedelta(minutes=3))
            assert len(w.broker.kept) == 1
            (left,) = reports(w)[-1].left
            assert left.cause is LeftCause.GATE_CLOSED
            assert "lunch" in left.detail
            resume = Command(state=TradingState.RUNNING, who=Actor.OPERATOR, reason="back")
            w.desk.execute(resume)
            assert (await over(w)).done
            keeping.cancel()

    run(scenario())


def test_the_kill_switch_sells_alone_where_it_sells_everything() -> None:
    async def scenario() -> None:
        async with world(broker=by_hand(hynix=2), start=START) as w:
            await hold(w)
            keeping = keep_time(w)
            await at(w, BEGINS - timedelta(seconds=2))
            w.broker.fill_at_once = True
            order = Command(state=TradingState.FLATTENING, who=Actor.OPERATOR, reason="out")
            w.desk.execute(order)
            assert (await over(w)).done
            assert w.broker.holdings == {SAMSUNG: 0, HYNIX: 0}
            assert w.desk.ledger.portfolio.state is TradingState.HALTED
            keeping.cancel()

    run(scenario())


def test_a_broker_that_fails_delays_it() -> None:
    async def scenario() -> None:
        async with world(start=START) as w:
            await hold(w)
            keeping = keep_time(w)
            await at(w, BEGINS - timedelta(milliseconds=200))
            w.broker.inquiry_fails = 6
            assert (await over(w)).done
            assert w.broker.holdings == {SAMSUNG: 0}
            keeping.cancel()

    run(scenario())


@pytest.mark.parametrize("action", list(CloseAction))
def test_nothing_is_done_where_nothing_is_wanted(action: CloseAction) -> None:
    async def scenario() -> None:
        async with world() as w:
            plan = ClosePlan(action=action, span=timedelta(minutes=5), regions=frozenset(BOTH))
            made = closing_jobs(
                plan,
                selling=w.desk.selling,
                ledger=w.desk.ledger,
                calendars=all_weekdays(*BOTH),
                clock=w.clock,
            )
            keys = [] if action is CloseAction.NONE else ["before_close KR", "before_close US"]
            assert [each.key for each in made] == keys

    run(scenario())
