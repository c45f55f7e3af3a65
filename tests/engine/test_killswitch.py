"""The kill switch at work: at once, over restarts, and until the broker says that it is done."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.core.books import position_subject
from daemon.core.errors import TryLater
from daemon.core.events import (
    Actor,
    CancelSent,
    EmergencyReported,
    Holding,
    OrderKind,
    ProfitMarked,
    TradingState,
    TradingStateChanged,
)
from daemon.core.flattening import SWITCH
from daemon.core.leftovers import LeftCause
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.switch import Answer, Command, SwitchPolicy
from daemon.core.values import (
    InstrumentId,
    LinkDown,
    LinkUp,
    MarketPhase,
    MarketStatus,
    Side,
    StrategyId,
    Venue,
)
from daemon.engine.gate import Shutter
from daemon.engine.killswitch import UNJUDGED_LIMIT
from daemon.strategy import StrategyContext
from tests.builders import HYNIX, LIMITS, SAMSUNG
from tests.engine.paper import PRICE, MemoryJournal, PaperBroker
from tests.engine.paper import Answer as Reply
from tests.engine.world import World, run, wish, world
from tests.support import VirtualClock

LOW = PRICE - 1_000
BY_HAND = InstrumentId("krx:035720")
"""What no strategy trades: nobody asks for its price before it is held."""
EDGE = Decimal(66_500)
"""Five percent below the last price."""

MARKET_EDGE = SwitchPolicy(sell_at_market=True)


def command(state: TradingState, who: Actor = Actor.OPERATOR) -> Command:
    return Command(state=state, who=who, reason="enough")


def states(w: World) -> list[TradingState]:
    return [each.state for each in w.facts(TradingStateChanged)]


def reports(w: World) -> list[EmergencyReported]:
    return w.facts(EmergencyReported)


def owned(**holdings: int) -> PaperBroker:
    """A broker whose account holds shares already, and that fills nothing by itself."""
    broker = PaperBroker(VirtualClock(), fill_at_once=False)
    names = {"samsung": SAMSUNG, "hynix": HYNIX}
    broker.holdings = {names[name]: quantity for name, quantity in holdings.items()}
    return broker


def rule_of(result: Order | Denied) -> Rule | None:
    return result.rule if isinstance(result, Denied) else None


def test_a_halt_stops_new_orders_cancels_open_ones_and_says_so() -> None:
    async def scenario() -> None:
        async with world(broker=owned()) as w:
            await w.submit(wish(limit=LOW), wish(limit=LOW - 100))
            assert w.desk.execute(command(TradingState.HALTED)) == Answer(state=TradingState.HALTED)
            [denied] = await w.submit(wish())
            assert rule_of(denied) is Rule.GATE_CLOSED
            await w.until(lambda: bool(reports(w)) and not reports(w)[-1].left)
            assert [each.state for each in w.desk.ledger.portfolio.orders.values()] == [
                OrderState.CANCELLED,
                OrderState.CANCELLED,
            ]
            assert w.desk.gate.reasons == {Shutter.OPERATOR: "enough"}
            [fact] = w.facts(TradingStateChanged)
            assert (fact.who, fact.reason) == (Actor.OPERATOR, "enough")
            w.desk.execute(command(TradingState.RUNNING))
            [order] = await w.submit(wish())
            assert isinstance(order, Order)

    run(scenario())


def test_a_halt_may_leave_open_orders_alone() -> None:
    async def scenario() -> None:
        async with world(broker=owned(), policy=SwitchPolicy(halt_cancels=False)) as w:
            await w.submit(wish(limit=LOW))
            w.desk.execute(command(TradingState.HALTED))
            await asyncio.sleep(30)
            assert w.order().state is OrderState.WORKING

    run(scenario())


def test_an_order_on_its_way_is_kept_here_by_the_command() -> None:
    """It was approved and waits for its turn: it must not leave any more."""

    async def scenario() -> None:
        for state in (TradingState.HALTED, TradingState.REDUCE_ONLY, TradingState.FLATTENING):
            async with world(broker=owned()) as w:

                async def slow(order: Order, *, leaving: Any, place: Any = w.broker.place) -> Any:
                    await asyncio.sleep(5.0)
                    return await place(order, leaving=leaving)

                w.broker.place = slow  # type: ignore[method-assign]
                submitting = w.services.create_task(w.submit(wish()))
                await asyncio.sleep(1.0)
                w.desk.execute(command(state))
                [order] = await submitting
                assert isinstance(order, Order)
                assert order.state is OrderState.REJECTED
                assert w.broker.kept == []

    run(scenario())


def test_reduce_only_cancels_purchases_and_lets_sales_pass() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=20)) as w:
            await w.submit(wish(limit=LOW), wish(side=Side.SELL, limit=PRICE + 1_000))
            w.desk.execute(command(TradingState.REDUCE_ONLY))
            await w.until(lambda: w.order(1).state is OrderState.CANCELLED)
            bought, sold = await w.submit(wish(), wish(side=Side.SELL))
            assert rule_of(bought) is Rule.REDUCE_ONLY
            assert isinstance(sold, Order)
            assert w.order(2).state is OrderState.WORKING
            moved = await w.desk.executor.modify(w.order(2).id, PRICE + 900)
            assert isinstance(moved, Order)
            assert w.desk.gate.is_open

    run(scenario())


@pytest.mark.parametrize("policy", [SwitchPolicy(), MARKET_EDGE])
def test_flatten_cancels_everything_sells_everything_and_ends_halted(policy: SwitchPolicy) -> None:
    async def hold(context: StrategyContext) -> None:
        await context.submit(context.buy(SAMSUNG, 5, limit=PRICE, reason="mine"))
        async for _ in context.events():
            pass

    async def scenario() -> None:
        async with world(hold, broker=owned(samsung=7, hynix=3), policy=policy) as w:
            w.broker.fill_at_once = True
            await w.until(lambda: w.desk.ledger.portfolio.position(SAMSUNG).quantity == 12)
            w.broker.fill_at_once = False
            await w.submit(wish(limit=LOW, strategy=StrategyId("other")))
            w.broker.fill_at_once = True
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)
            assert states(w) == [TradingState.FLATTENING, TradingState.HALTED]
            assert w.broker.holdings == {SAMSUNG: 0, HYNIX: 0}
            assert reports(w)[-1].left == ()
            sales = [
                order.intent
                for order in w.desk.ledger.portfolio.orders.values()
                if order.intent.side is Side.SELL
            ]
            told = {(each.strategy, each.instrument, each.quantity) for each in sales}
            assert told == {("test", SAMSUNG, 5), (SWITCH, SAMSUNG, 7), (SWITCH, HYNIX, 3)}
            kind = OrderKind.MARKET if policy.sell_at_market else OrderKind.LIMIT
            assert all(each.kind is kind for each in sales)
            if not policy.sell_at_market:
                assert {each.limit for each in sales} == {EDGE}
            assert (
                w.desk.ledger.portfolio.strategy_position(StrategyId("test"), SAMSUNG).quantity == 0
            )

    run(scenario())


def test_what_is_filled_in_part_is_chased_down_the_price() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10)) as w:
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: bool(w.broker.kept))
            [first] = w.broker.kept
            assert first.limit == EDGE
            w.broker.fill(first, 4)
            w.feed.trade(SAMSUNG, Decimal(64_000))
            await w.until(lambda: len(w.broker.kept) == 2)
            second = w.broker.kept[1]
            assert (second.quantity, second.limit) == (6, Decimal(60_800))
            assert first.remaining == 0
            w.broker.fill(second, 6)
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)
            assert w.broker.holdings[SAMSUNG] == 0

    run(scenario())


def test_it_never_sells_below_the_lower_limit_of_the_day() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10)) as w:
            w.feed.trade(SAMSUNG, Decimal(49_500))
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: bool(w.broker.kept))
            assert w.broker.kept[0].limit == Decimal(49_000)

    run(scenario())


def test_a_refused_sale_is_reported_and_tried_again_later() -> None:
    async def scenario() -> None:
        broker = owned(samsung=10)
        async with world(broker=broker) as w:
            broker.answers = [Reply.REFUSED]
            broker.fill_at_once = True
            begun = w.clock.monotonic()
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)
            assert w.clock.monotonic() - begun >= 15
            [left] = next(each.left for each in reports(w) if each.left)
            assert (left.cause, left.quantity, left.instrument) == (LeftCause.REFUSED, 10, SAMSUNG)
            assert "NO_MONEY" in left.detail
            assert w.broker.holdings[SAMSUNG] == 0

    run(scenario())


def test_a_halted_stock_and_one_nobody_may_touch_are_told_and_left() -> None:
    async def scenario() -> None:
        limits = replace(LIMITS, denied=frozenset({HYNIX}))
        async with world(broker=owned(samsung=10, hynix=3), limits=limits) as w:
            now = w.clock.now()
            halt = MarketStatus(SAMSUNG, MarketPhase.HALTED, "1", True, "거래정지", now)
            w.desk.on_feed(halt)
            w.broker.fill_at_once = True
            w.desk.execute(command(TradingState.FLATTENING))
            await asyncio.sleep(20)
            causes = {each.instrument: each.cause for each in reports(w)[-1].left}
            assert causes == {SAMSUNG: LeftCause.INSTRUMENT_HALTED, HYNIX: LeftCause.DENIED}
            assert w.broker.kept == []
            w.desk.on_feed(halt._replace(halted=False))
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)
            assert w.broker.holdings == {SAMSUNG: 0, HYNIX: 3}

    run(scenario())


@pytest.mark.parametrize("end", ["the stream was lost", "a trade came"])
def test_a_halt_whose_end_nobody_told_keeps_nothing_from_being_sold(end: str) -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10)) as w:
            now = w.clock.now()
            w.desk.on_feed(MarketStatus(SAMSUNG, MarketPhase.HALTED, "1", True, "거래정지", now))
            w.broker.fill_at_once = True
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: any(each.left for each in reports(w)))
            assert reports(w)[-1].left[0].cause is LeftCause.INSTRUMENT_HALTED
            if end == "a trade came":
                w.feed.trade(SAMSUNG, PRICE)
            else:
                w.desk.on_feed(LinkDown(w.clock.now(), end))
                await asyncio.sleep(5)
                w.desk.on_feed(LinkUp(w.clock.now(), w.clock.now() - timedelta(seconds=5)))
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)
            assert w.broker.holdings[SAMSUNG] == 0

    run(scenario())


def test_a_halt_on_another_venue_keeps_nothing_from_being_sold_on_the_krx() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10)) as w:
            now = w.clock.now()
            halt = MarketStatus(SAMSUNG, MarketPhase.HALTED, "1", True, "거래정지", now, Venue.NXT)
            w.desk.on_feed(halt)
            w.broker.fill_at_once = True
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)
            assert w.broker.holdings[SAMSUNG] == 0

    run(scenario())


def test_a_closed_market_is_waited_for_and_says_when_it_opens() -> None:
    async def scenario() -> None:
        night = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
        async with world(broker=owned(samsung=10), start=night) as w:
            w.broker.fill_at_once = True
            w.desk.execute(command(TradingState.FLATTENING))
            await asyncio.sleep(60)
            [left] = reports(w)[-1].left
            assert left.cause is LeftCause.MARKET_CLOSED
            assert "2026-11-24" in left.detail
            await w.until(
                lambda: w.desk.ledger.portfolio.state is TradingState.HALTED, limit=86_400
            )
            assert w.broker.holdings[SAMSUNG] == 0

    run(scenario())


def test_flattening_goes_on_after_a_restart_and_a_halt_stays() -> None:
    async def scenario() -> None:
        broker, journal = owned(samsung=10), MemoryJournal()
        async with world(broker=broker, journal=journal) as w:
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: bool(broker.kept))
        assert broker.holdings[SAMSUNG] == 10
        async with world(broker=broker, journal=journal) as w:
            assert w.desk.ledger.portfolio.state is TradingState.FLATTENING
            [denied] = await w.submit(wish())
            assert isinstance(denied, Denied)
            broker.fill(broker.kept[0], 10)
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)
            assert len(broker.kept) == 1
        async with world(broker=broker, journal=journal) as w:
            assert w.desk.ledger.portfolio.state is TradingState.HALTED
            assert not w.desk.gate.is_open

    run(scenario())


def test_sales_go_out_though_the_stream_is_lost_and_books_differ() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10)) as w:
            w.broker.mute = True
            w.broker.fill_at_once = True
            w.desk.gate.shut(Shutter.STREAM, "down")
            w.desk.gate.shut(Shutter.DISCREPANCY, "cash")
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)
            assert w.broker.holdings[SAMSUNG] == 0

    run(scenario())


def test_a_person_may_end_the_selling() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10)) as w:
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: bool(w.broker.kept))
            w.desk.execute(command(TradingState.HALTED))
            await w.until(lambda: not w.desk.ledger.portfolio.open_orders())
            await asyncio.sleep(30)
            assert len(w.broker.kept) == 1
            assert w.broker.holdings[SAMSUNG] == 10

    run(scenario())


def test_a_strategys_cancels_are_throttled_and_nobody_elses() -> None:
    said: list[object] = []

    async def hasty(context: StrategyContext) -> None:
        orders = await context.submit(
            *(context.buy(SAMSUNG, 1, limit=LOW - 100 * each, reason="") for each in range(3))
        )
        ids = [order.id for order in orders if isinstance(order, Order)]
        try:
            await context.cancel(*ids)
        except TryLater as error:
            said.append(error.code)
        said.append(len(await context.cancel(*ids[:2])))
        async for _ in context.events():
            pass

    async def scenario() -> None:
        limits = replace(LIMITS, max_cancels_per_second=2, max_cancels_per_day=2)
        async with world(hasty, broker=owned(), limits=limits) as w:
            await w.until(lambda: len(said) == 2)
            assert said == [Rule.CANCELS_PER_SECOND, 2]
            third = w.order(3)
            assert third.state is OrderState.WORKING
            [cancelled] = await w.desk.executor.cancel([third.id])
            assert cancelled.state is not OrderState.WORKING

    run(scenario())


def test_cancels_that_wait_for_their_turn_count_against_a_strategys_pace() -> None:
    refused: list[object] = []

    async def hasty(context: StrategyContext) -> None:
        orders = await context.submit(
            *(context.buy(SAMSUNG, 1, limit=LOW - 100 * each, reason="") for each in range(5))
        )
        ids = [order.id for order in orders if isinstance(order, Order)]
        asked = (context.cancel(each) for each in (*ids, ids[0]))
        told = await asyncio.gather(*asked, return_exceptions=True)
        refused.extend(each.code for each in told if isinstance(each, TryLater))
        async for _ in context.events():
            pass

    async def scenario() -> None:
        limits = replace(LIMITS, max_cancels_per_second=2)
        async with world(hasty, broker=owned(), limits=limits) as w:

            async def slow(order: Order, *, leaving: Any, cancel: Any = w.broker.cancel) -> None:
                await asyncio.sleep(0.5)
                await cancel(order, leaving=leaving)

            w.broker.cancel = slow  # type: ignore[method-assign]
            await w.until(lambda: bool(refused))
            assert refused == [Rule.CANCELS_PER_SECOND] * 3, "one order is cancelled once"
            assert len(w.facts(CancelSent)) == 2

    run(scenario())


def test_more_cancels_than_may_ever_leave_at_once_leave_one_part_after_the_other() -> None:
    rounds: list[int] = []

    async def tidy(context: StrategyContext) -> None:
        orders = await context.submit(
            *(context.buy(SAMSUNG, 1, limit=LOW - 100 * each, reason="") for each in range(5))
        )
        ids = [order.id for order in orders if isinstance(order, Order)]
        while True:
            try:
                await context.cancel(*ids)
            except TryLater as error:
                await asyncio.sleep(error.delay)
            open_ids = [each for each in context.orders() if each.state is OrderState.WORKING]
            rounds.append(len(open_ids))
            if not open_ids:
                break
        async for _ in context.events():
            pass

    async def scenario() -> None:
        limits = replace(LIMITS, max_cancels_per_second=2)
        async with world(tidy, broker=owned(), limits=limits) as w:
            await w.until(lambda: rounds[-1:] == [0] or len(rounds) > 9)
            assert rounds == [3, 1, 0]

    run(scenario())


LOSSES = replace(LIMITS, max_daily_loss=Decimal(10_000), max_drawdown=Decimal(15_000))


@pytest.mark.parametrize(
    ("prices", "stopped"),
    [
        ((69_001,), False),
        ((69_000,), True),
        ((70_600, 69_101), False),
        ((70_600, 69_100), True),
    ],
)
def test_a_loss_stop_moves_the_switch_before_the_next_order(
    prices: Sequence[int], stopped: bool
) -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10), limits=LOSSES) as w:
            for price in prices:
                w.feed.trade(SAMSUNG, Decimal(price))
                w.desk.switch.look()
            [bought] = await w.submit(wish(quantity=1, limit=Decimal(69_000)))
            assert isinstance(bought, Denied) is stopped
            expected = TradingState.REDUCE_ONLY if stopped else TradingState.RUNNING
            assert w.desk.ledger.portfolio.state is expected

    run(scenario())


def test_a_price_alone_stops_trading_and_a_resume_measures_anew() -> None:
    async def scenario() -> None:
        broker, journal = owned(samsung=10), MemoryJournal()
        halting = SwitchPolicy(on_loss=TradingState.HALTED)
        async with world(broker=broker, journal=journal, limits=LOSSES, policy=halting) as w:
            w.feed.trade(SAMSUNG, Decimal(68_000))
            await w.until(lambda: states(w) == [TradingState.HALTED])
            [fact] = w.facts(TradingStateChanged)
            assert fact.who is Actor.RISK
            assert "20000 KRW lost today, 10000 allowed" in fact.reason
            w.desk.execute(command(TradingState.RUNNING))
            await asyncio.sleep(5)
            assert w.desk.ledger.portfolio.state is TradingState.RUNNING
            w.feed.trade(SAMSUNG, Decimal(67_000))
            await w.until(lambda: states(w)[-1] is TradingState.HALTED)

    run(scenario())


def test_losses_are_measured_from_the_days_start_over_restarts_and_days() -> None:
    async def scenario() -> None:
        broker, journal = owned(samsung=10), MemoryJournal()
        async with world(broker=broker, journal=journal, limits=LOSSES) as w:
            w.feed.trade(SAMSUNG, Decimal(69_500))
            await asyncio.sleep(2)
        async with world(broker=broker, journal=journal, limits=LOSSES) as w:
            w.feed.trade(SAMSUNG, Decimal(69_000))
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.REDUCE_ONLY)
            [mark] = w.facts(ProfitMarked)
            assert mark.start == 0
        tomorrow = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
        async with world(broker=broker, journal=journal, limits=LOSSES, start=tomorrow) as w:
            w.desk.execute(command(TradingState.RUNNING))
            await asyncio.sleep(2)
            assert len({each.day for each in w.facts(ProfitMarked)}) == 2

    run(scenario())


def test_adopting_the_brokers_books_is_no_loss() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10), limits=LOSSES) as w:
            w.feed.trade(SAMSUNG, PRICE + 500)
            w.desk.switch.look()
            report = await w.broker.account()
            held = tuple(replace(each, cost=each.cost + 50_000) for each in report.holdings)
            w.desk.ledger.record(replace(report, holdings=held))
            await asyncio.sleep(5)
            assert w.desk.ledger.portfolio.state is TradingState.RUNNING
            w.feed.trade(SAMSUNG, PRICE - 1_000)
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.REDUCE_ONLY)

    run(scenario())


def test_adopting_the_brokers_books_forgives_no_fall_that_nobody_had_looked_at_yet() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10), limits=LOSSES) as w:
            report = await w.broker.account()
            w.feed.trade(SAMSUNG, PRICE - 1_000)
            w.desk.ledger.record(report)
            w.desk.switch.look()
            assert w.desk.ledger.portfolio.state is TradingState.REDUCE_ONLY

    run(scenario())


def test_a_share_of_no_known_price_in_the_books_taken_over_forgives_no_loss_of_the_day() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10), limits=LOSSES) as w:
            w.feed.trade(SAMSUNG, PRICE - 900)
            w.desk.switch.look()
            report = await w.broker.account()
            bought = Holding(instrument=BY_HAND, quantity=1, cost=PRICE)
            w.desk.ledger.record(replace(report, holdings=(*report.holdings, bought)))
            await w.desk.learn_price(BY_HAND)
            w.desk.switch.look()
            assert states(w) == []
            w.feed.trade(SAMSUNG, PRICE - 1_000)
            w.desk.switch.look()
            assert states(w) == [TradingState.REDUCE_ONLY]
            assert all(each.start == each.peak == 0 for each in w.facts(ProfitMarked))

    run(scenario())


@pytest.mark.parametrize("subject", [position_subject(BY_HAND), None])
def test_what_a_share_earned_before_it_was_accepted_makes_up_for_no_loss(
    subject: str | None,
) -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10), limits=LOSSES) as w:
            w.feed.trade(SAMSUNG, PRICE - 900)
            w.broker.holdings[BY_HAND] = 1
            w.broker.costs[BY_HAND] = Decimal(40_000)
            await w.until(
                lambda: position_subject(BY_HAND) in w.desk.ledger.portfolio.discrepancies
            )
            await w.desk.accept(subject)
            assert w.desk.ledger.portfolio.positions[BY_HAND].quantity == 1
            assert states(w) == []
            w.feed.trade(SAMSUNG, PRICE - 1_000)
            w.desk.switch.look()
            assert states(w) == [TradingState.REDUCE_ONLY]

    run(scenario())


def test_a_share_is_accepted_though_nobody_tells_its_price() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10), limits=LOSSES) as w:
            w.broker.unknown.add(BY_HAND)
            w.broker.holdings[BY_HAND] = 1
            await w.until(
                lambda: position_subject(BY_HAND) in w.desk.ledger.portfolio.discrepancies
            )
            await w.desk.accept(position_subject(BY_HAND))
            assert w.desk.ledger.portfolio.positions[BY_HAND].quantity == 1
            assert "no price" in w.desk.switch.look()

    run(scenario())


def lost_before(price: Decimal) -> tuple[PaperBroker, MemoryJournal]:
    """Held since a day whose profit was measured from `PRICE`; the market trades at `price`."""
    broker, journal = owned(samsung=10), MemoryJournal()

    async def yesterday() -> None:
        async with world(broker=broker, journal=journal, limits=LOSSES):
            await asyncio.sleep(2)

    run(yesterday())
    broker.prices[SAMSUNG] = price
    return broker, journal


def test_a_held_share_without_a_price_is_not_judged_and_nothing_is_bought_meanwhile() -> None:
    broker, journal = lost_before(PRICE - 1_000)

    async def scenario() -> None:
        broker.unknown.add(SAMSUNG)
        with capture_logs() as logs:
            async with world(broker=broker, journal=journal, limits=LOSSES) as w:
                hynix = wish(1, instrument=HYNIX)
                [denied] = await w.submit(hynix)
                assert rule_of(denied) is Rule.LOSS_UNKNOWN
                assert isinstance(denied, Denied)
                assert SAMSUNG in denied.detail
                await asyncio.sleep(UNJUDGED_LIMIT + 1)
                assert not w.facts(TradingStateChanged)
                told = [each for each in logs if each["event"] == "losses_not_judged"]
                assert [each["log_level"] for each in told] == ["warning", "error"]
                broker.unknown.clear()
                await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.REDUCE_ONLY)
                [mark] = w.facts(ProfitMarked)
                assert mark.start == 0, "measured from where the day began"
        assert [each["event"] for each in logs].count("losses_judged_again") == 1

    run(scenario())


def test_what_reduces_leaves_while_losses_cannot_be_judged_and_no_dearer_purchase_does() -> None:
    async def scenario() -> None:
        broker, journal = owned(samsung=10, hynix=3), MemoryJournal()
        async with world(broker=broker, journal=journal, limits=LOSSES) as w:
            [resting] = await w.submit(wish(1, instrument=HYNIX, limit=LOW))
            assert isinstance(resting, Order)
        broker.unknown.add(SAMSUNG)
        async with world(broker=broker, journal=journal, limits=LOSSES) as w:
            dearer = await w.desk.executor.modify(resting.id, LOW + 100)
            assert rule_of(dearer) is Rule.LOSS_UNKNOWN
            [sold] = await w.submit(wish(1, Side.SELL, HYNIX))
            assert isinstance(sold, Order)
            [cancelled] = await w.desk.executor.cancel([resting.id])
            assert cancelled.state is OrderState.CANCELLED
        async with world(broker=broker, journal=MemoryJournal()) as w:
            [bought] = await w.submit(wish(1, instrument=HYNIX))
            assert isinstance(bought, Order), "no loss stops anything here"

    run(scenario())


def test_a_resume_while_losses_cannot_be_judged_measures_anew_once_they_can() -> None:
    broker, journal = lost_before(PRICE - 1_000)

    async def scenario() -> None:
        broker.unknown.add(SAMSUNG)
        async with world(broker=broker, journal=journal, limits=LOSSES) as w:
            w.desk.execute(command(TradingState.HALTED))
            w.desk.execute(command(TradingState.RUNNING))
            broker.unknown.clear()
            await w.until(lambda: len(w.facts(ProfitMarked)) == 2)
            assert w.facts(ProfitMarked)[-1].start == -10_000
            await asyncio.sleep(5)
            assert w.desk.ledger.portfolio.state is TradingState.RUNNING

    run(scenario())


def test_a_failing_broker_delays_the_switch_and_does_not_end_it() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10)) as w:
            w.broker.inquiry_fails = 4
            w.broker.fill_at_once = True
            w.desk.execute(command(TradingState.FLATTENING))
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)

    run(scenario())


def test_the_daemon_itself_cannot_resume() -> None:
    async def scenario() -> None:
        async with world(broker=owned()) as w:
            w.desk.execute(command(TradingState.HALTED))
            answer = w.desk.execute(command(TradingState.RUNNING, Actor.RISK))
            assert not answer.obeyed
            assert states(w) == [TradingState.HALTED]

    run(scenario())


@pytest.mark.parametrize("before", [None, Decimal(10_000)])
def test_a_tighter_loss_stop_acts_at_once_and_from_the_same_start(before: Decimal | None) -> None:
    async def scenario() -> None:
        limits = replace(LIMITS, max_daily_loss=before)
        async with world(broker=owned(samsung=10), limits=limits) as w:
            w.feed.trade(SAMSUNG, Decimal(69_500))
            w.desk.switch.look()
            assert states(w) == []
            w.desk.use_limits(replace(LIMITS, max_daily_loss=Decimal(4_999)))
            assert states(w) == [TradingState.REDUCE_ONLY]
            [bought] = await w.submit(wish(quantity=1, limit=Decimal(69_000)))
            assert isinstance(bought, Denied)

    run(scenario())


def test_a_loss_stop_taken_away_stops_nothing_and_limits_set_before_the_start_count() -> None:
    async def scenario() -> None:
        async with world(broker=owned(samsung=10), limits=LOSSES) as w:
            w.desk.use_limits(LIMITS)
            w.feed.trade(SAMSUNG, Decimal(60_000))
            w.desk.switch.look()
            assert w.desk.ledger.portfolio.state is TradingState.RUNNING

    run(scenario())
