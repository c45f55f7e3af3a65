"""The whole desk in virtual time against a paper broker: what is sent, filled, doubted, told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.calendar import MarketCalendar
from daemon.core.errors import NeedsOperator
from daemon.core.events import (
    CancelSent,
    DiscrepancyFound,
    Event,
    OrderCreated,
    OrderDoubted,
    OrderExpired,
    OrderIntent,
    OrderKind,
    OrderRejected,
    OrderSent,
)
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied, Rule
from daemon.core.values import InstrumentId, LinkDown, LinkUp, Side, StrategyId
from daemon.engine.desk import TradingDesk
from daemon.engine.gate import Shutter
from daemon.engine.host import RunState, StrategySlot
from daemon.engine.ledger import JournalFailed, Ledger
from daemon.strategy import Parameters, Strategy, StrategyContext
from tests.builders import ACCOUNT, HYNIX, LIMITS, SAMSUNG, STRATEGY
from tests.engine.paper import PRICE, Answer, MemoryJournal, PaperBroker, PaperFeed
from tests.support import VirtualClock, run_virtual

MONDAY_NINE = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


class Scripted(Strategy):
    """Runs the coroutine function it is given."""

    def __init__(self, script: Callable[[StrategyContext], Coroutine[Any, Any, None]]) -> None:
        super().__init__(Parameters())
        self._script = script

    async def run(self, context: StrategyContext) -> None:
        await self._script(context)


async def idle(context: StrategyContext) -> None:
    async for _ in context.events():
        pass


@dataclass
class World:
    clock: VirtualClock
    broker: PaperBroker
    feed: PaperFeed
    journal: MemoryJournal
    desk: TradingDesk
    services: asyncio.TaskGroup

    def order(self, number: int = 1) -> Order:
        return list(self.desk.ledger.portfolio.orders.values())[number - 1]

    def facts(self, kind: type[Event]) -> list[Event]:
        return [each for each in self.journal.events if isinstance(each, kind)]

    async def submit(self, *intents: OrderIntent) -> tuple[Order | Denied, ...]:
        return await self.desk.executor.submit(intents)

    async def until(self, condition: Callable[[], bool], limit: float = 300.0) -> None:
        """Virtual seconds cost nothing: look every tenth of one."""
        async with asyncio.timeout(limit):
            while not condition():  # noqa: ASYNC110  virtual time
                await asyncio.sleep(0.1)


@asynccontextmanager
async def world(
    *strategies: Callable[[StrategyContext], Coroutine[Any, Any, None]],
    journal: MemoryJournal | None = None,
    broker: PaperBroker | None = None,
    start: datetime = MONDAY_NINE,
    must_be_armed: bool = False,
) -> AsyncIterator[World]:
    clock = VirtualClock(start)
    broker = broker or PaperBroker(clock)
    broker.clock = clock
    journal = journal or MemoryJournal()
    feed = PaperFeed(broker, clock)
    desk = TradingDesk(
        broker=broker,
        market_data=broker,
        feed=feed,
        ledger=Ledger(journal),
        slots=[
            StrategySlot(
                id=StrategyId("test" if number == 0 else f"test{number}"),
                strategy=Scripted(script),
                instruments=(SAMSUNG, HYNIX),
            )
            for number, script in enumerate(strategies or (idle,))
        ],
        limits=LIMITS,
        calendar=MarketCalendar(),
        clock=clock,
    )
    desk.recover(must_be_armed=must_be_armed, armed=False)
    async with asyncio.TaskGroup() as services:
        tasks = [
            services.create_task(desk.executor.run()),
            services.create_task(feed.run(desk.on_feed)),
        ]
        await desk.start(accept_broker_books=False)
        tasks.append(services.create_task(desk.reconciliation.run()))
        tasks.append(services.create_task(desk.host.run()))
        yield World(clock, broker, feed, journal, desk, services)
        for task in tasks:
            task.cancel()


def wish(
    quantity: int = 10,
    side: Side = Side.BUY,
    instrument: InstrumentId = SAMSUNG,
    limit: Decimal | None = PRICE,
) -> OrderIntent:
    return OrderIntent(
        account=ACCOUNT,
        strategy=STRATEGY,
        instrument=instrument,
        side=side,
        quantity=quantity,
        kind=OrderKind.LIMIT if limit is not None else OrderKind.MARKET,
        limit=limit,
    )


def run(scenario: Coroutine[Any, Any, None]) -> None:
    run_virtual(scenario)


def test_a_batch_is_journalled_at_once_sent_together_and_matched_in_order() -> None:
    async def scenario() -> None:
        async with world() as w:
            results = await w.submit(wish(1), wish(1_000), wish(2, instrument=HYNIX))

            first, second, third = results
            assert isinstance(first, Order)
            assert isinstance(second, Denied)
            assert isinstance(third, Order)
            assert second.rule is Rule.ORDER_QUANTITY
            assert (first.intent.quantity, third.intent.quantity) == (1, 2)
            assert w.broker.most_in_flight == 2
            assert first.state is third.state is OrderState.FILLED
            kinds = [type(event) for event in w.journal.events]
            created = [i for i, kind in enumerate(kinds) if kind is OrderCreated]
            assert created[1] == created[0] + 1
            assert kinds.index(OrderSent) > created[-1]

    run(scenario())


def test_nothing_leaves_without_a_durable_fact() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.journal.full = True
            with pytest.raises(JournalFailed):
                await w.submit(wish())
            assert w.broker.kept == []
            w.journal.full = False

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "code", "retryable", "sent"),
    [
        (Answer.REFUSED, "NO_MONEY", False, 1),
        (Answer.TRY_LATER, "TOKEN", True, 1),
        (Answer.NOT_SENT, "NOT_SENT", True, 0),
    ],
)
def test_a_refusal_is_final_and_never_repeated(
    answer: Answer, code: str, retryable: bool, sent: int
) -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers.append(answer)
            [order] = await w.submit(wish())

            assert isinstance(order, Order)
            assert order.state is OrderState.REJECTED
            [fact] = w.facts(OrderRejected)
            assert isinstance(fact, OrderRejected)
            assert (fact.code, fact.retryable) == (code, retryable)
            assert len(w.facts(OrderSent)) == sent
            await asyncio.sleep(120)
            assert len(w.facts(OrderSent)) == sent
            assert w.broker.kept == []

    run(scenario())


@pytest.mark.parametrize("mute", [False, True])
def test_a_lost_answer_is_looked_up_and_never_sent_again(mute: bool) -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers.append(Answer.LOST_AFTER)
            w.broker.mute = mute
            [order] = await w.submit(wish())
            w.broker.mute = False

            assert isinstance(order, Order)
            assert order.state in (OrderState.IN_DOUBT, OrderState.FILLED)
            await w.until(lambda: w.order().state is OrderState.FILLED)
            assert len(w.broker.kept) == 1
            assert len(w.facts(OrderSent)) == 1
            assert w.desk.ledger.portfolio.cash == w.broker.cash

    run(scenario())


def test_an_order_that_never_arrived_is_proven_absent_and_blocks_its_instrument_until_then() -> (
    None
):
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers.append(Answer.LOST_BEFORE)
            [order] = await w.submit(wish())
            assert isinstance(order, Order)
            assert order.state is OrderState.IN_DOUBT

            [again] = await w.submit(wish())
            assert isinstance(again, Denied)
            assert again.rule is Rule.IN_DOUBT
            [other] = await w.submit(wish(instrument=HYNIX))
            assert isinstance(other, Order)

            await w.until(lambda: w.order().state is OrderState.REJECTED)
            assert w.order().cause.startswith("ABSENT")
            [after] = await w.submit(wish())
            assert isinstance(after, Order)

    run(scenario())


def test_failing_inquiries_prove_nothing() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers.append(Answer.LOST_BEFORE)
            await w.submit(wish())
            w.broker.inquiry_fails = 1_000
            await asyncio.sleep(300)
            assert w.order().state is OrderState.IN_DOUBT
            w.broker.inquiry_fails = 0
            await w.until(lambda: w.order().state is OrderState.REJECTED)

    run(scenario())


def test_cancels_are_confirmed_by_notice_or_by_inquiry() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish(), wish(5))
            await w.desk.executor.cancel([w.order(1).id])
            assert w.order(1).state is OrderState.CANCELLED

            w.broker.mute = True
            w.broker.answers.append(Answer.LOST_AFTER)
            await w.desk.executor.cancel([w.order(2).id])
            await w.until(lambda: w.order(2).state is OrderState.CANCELLED)
            assert len(w.facts(CancelSent)) == 2

    run(scenario())


def test_a_cancel_that_crosses_a_fill_ends_filled() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.mute = True
            w.broker.fill(w.broker.kept[0], 10)
            w.broker.mute = False
            await w.desk.executor.cancel([w.order().id])
            await w.until(lambda: w.order().state is OrderState.FILLED)
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 10

    run(scenario())


@pytest.mark.parametrize("mute", [False, True])
def test_a_modify_moves_the_price_and_fills_come_under_the_new_number(mute: bool) -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.mute = mute
            await w.desk.executor.modify(w.order().id, Decimal(69_900))
            await w.until(lambda: w.order().state is OrderState.WORKING)
            assert w.order().limit == Decimal(69_900)
            w.broker.mute = False
            w.broker.fill(w.broker.kept[0], 10)
            assert w.order().state is OrderState.FILLED
            assert w.order().notional == Decimal(699_000)

    run(scenario())


def test_a_modify_against_the_rules_never_leaves() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            result = await w.desk.executor.modify(w.order().id, Decimal(69_950))
            assert isinstance(result, Denied)
            assert result.rule is Rule.PRICE_STEP

    run(scenario())


def test_a_lost_stream_shuts_the_gate_until_its_gap_is_checked() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.feed.emit(LinkDown(w.clock.now(), "reset"))
            [denied] = await w.submit(wish())
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.GATE_CLOSED
            w.broker.mute = True
            w.broker.fill(w.broker.kept[0], 10)
            w.broker.mute = False
            await w.desk.executor.cancel([w.order().id])

            w.feed.emit(LinkUp(w.clock.now(), w.clock.now() - timedelta(seconds=30)))
            assert Shutter.STREAM in w.desk.gate.reasons
            await w.until(lambda: w.desk.gate.is_open)
            assert w.order().state is OrderState.FILLED

    run(scenario())


def test_a_trade_by_hand_is_told_shuts_the_gate_and_an_operator_opens_it() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.by_hand(SAMSUNG, 3)
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            assert w.desk.reconciliation.stats.external_orders == 1
            [denied] = await w.submit(wish())
            assert isinstance(denied, Denied)
            assert "position krx:005930" in denied.detail

            await w.desk.reconciliation.adopt()
            assert w.desk.gate.is_open
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 3

    run(scenario())


def test_books_that_agree_again_open_the_gate_by_themselves() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.cash += 1
            await w.until(lambda: not w.desk.gate.is_open)
            w.broker.cash -= 1
            await w.until(lambda: w.desk.gate.is_open)
            assert w.desk.ledger.portfolio.discrepancies == {}

    run(scenario())


def test_the_market_is_closed() -> None:
    async def scenario() -> None:
        async with world(start=MONDAY_NINE + timedelta(hours=7)) as w:
            [denied] = await w.submit(wish())
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.GATE_CLOSED
            assert "2026-11-24 09:00" in denied.detail

    run(scenario())


def test_an_order_left_at_the_close_expires_without_a_notice() -> None:
    async def scenario() -> None:
        async with world(start=MONDAY_NINE + timedelta(hours=6, minutes=28)) as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            await w.until(lambda: bool(w.facts(OrderExpired)), limit=600)
            assert w.order().state is OrderState.EXPIRED

    run(scenario())


def test_a_strategy_that_crashes_stops_alone_and_its_orders_are_cancelled() -> None:
    async def crash(context: StrategyContext) -> None:
        await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="test"))
        raise ZeroDivisionError("a bug")

    heard: list[object] = []

    async def listen(context: StrategyContext) -> None:
        async for event in context.events():
            heard.append(event)

    async def scenario() -> None:
        async with world(crash, listen) as w:
            w.broker.fill_at_once = False
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.FAULTED)
            assert "ZeroDivisionError" in w.desk.host.status[STRATEGY].cause
            await w.until(lambda: w.order().state is OrderState.CANCELLED)
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(1)
            assert w.desk.host.status[StrategyId("test1")].state is RunState.RUNNING
            assert len(heard) == 1

    run(scenario())


def test_a_cancelled_strategy_loses_the_answer_and_not_the_order() -> None:
    async def scenario() -> None:
        async with world() as w:
            submitting = w.services.create_task(w.desk.executor.submit([wish()]))
            await asyncio.sleep(0.01)
            submitting.cancel()
            await w.desk.executor.idle()
            assert w.order().state is OrderState.FILLED

    run(scenario())


def test_a_strategy_sees_its_own_orders_and_position_only() -> None:
    seen: dict[str, object] = {}

    async def trade(context: StrategyContext) -> None:
        [order] = await context.submit(context.buy(SAMSUNG, 2, limit=None, reason="test"))
        assert isinstance(order, Order)
        seen["position"] = context.position(SAMSUNG).quantity
        seen["order"] = context.order(order.id)
        seen["last"] = context.last_price(SAMSUNG)
        with pytest.raises(ValueError, match="does not trade"):
            context.buy(InstrumentId("krx:000001"), 1, limit=None, reason="test")

    async def look(context: StrategyContext) -> None:
        await asyncio.sleep(1)
        seen["others"] = context.position(SAMSUNG).quantity
        with pytest.raises(ValueError, match="has no order"):
            await context.cancel(w_order[0].id)

    w_order: list[Order] = []

    async def scenario() -> None:
        async with world(trade, look) as w:
            await w.until(lambda: bool(w.desk.ledger.portfolio.orders))
            w_order.append(w.order())
            await w.until(
                lambda: {each.state for each in w.desk.host.status.values()} == {RunState.FINISHED}
            )
            assert seen["position"] == 2
            assert seen["others"] == 0
            assert seen["last"] == PRICE

    run(scenario())


def test_recovery_says_of_each_unfinished_order_what_is_certain() -> None:
    journal = MemoryJournal()
    broker_after: list[PaperBroker] = []

    async def before() -> None:
        async with world(journal=journal) as w:
            w.broker.answers += [Answer.LOST_AFTER]
            w.broker.mute = True
            submitting = w.services.create_task(w.submit(wish()))
            await asyncio.sleep(0.2)
            assert w.order().state is OrderState.SENT
            broker_after.append(w.broker)
            # The journal of a process killed here: one order sent, one that never left.
            kept = list(journal.events)
            lost = OrderCreated(
                order=w.desk.ledger.mint(MONDAY_NINE.date(), 1)[0], intent=wish(3), at=w.clock.now()
            )
            journal.events = [*kept, lost]
            saved.append(list(journal.events))
            submitting.cancel()

    saved: list[list[Event]] = []
    run(before())

    async def afterwards() -> None:
        broker = broker_after[0]
        broker.mute = False
        recovered = MemoryJournal(saved[0])
        async with world(journal=recovered, broker=broker) as w:
            assert w.order(2).state is OrderState.REJECTED
            assert w.order(2).cause.startswith("NEVER_SENT")
            assert len(w.facts(OrderDoubted)) == 1
            await w.until(lambda: w.order(1).state is OrderState.FILLED)
            assert w.desk.ledger.portfolio.cash == broker.cash
            assert len(w.facts(OrderSent)) == 1
            assert len(broker.kept) == 1
            [order] = await w.submit(wish())
            assert isinstance(order, Order)
            assert order.id == "20261123-0003"

    run(afterwards())


def test_real_trading_waits_to_be_armed() -> None:
    async def scenario() -> None:
        async with world(must_be_armed=True) as w:
            [denied] = await w.submit(wish())
            assert isinstance(denied, Denied)
            assert "armed" in denied.detail

    run(scenario())


def test_a_broker_that_cannot_be_asked_stops_the_start() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), inquiry_fails=10_000)
        with pytest.raises(ExceptionGroup) as failure:
            async with world(broker=broker):
                pass
        assert failure.group_contains(NeedsOperator, match="could not be reached")

    run(scenario())


def test_stopping_cancels_what_is_open_and_converges() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish(), wish(2, instrument=HYNIX))
            w.desk.gate.shut(Shutter.STOPPING, "the daemon is stopping")
            await w.desk.cancel_everything()
            await w.desk.converge()
            assert w.desk.ledger.portfolio.open_orders() == []
            assert not w.desk.reconciliation.unsettled()

    run(scenario())
