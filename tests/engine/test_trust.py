"""When the desk may not trust what it sees: the gate, the books and the orders stay right."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from daemon.core.errors import JournalFailed, TryLater
from daemon.core.events import (
    AccountReported,
    CostsCharged,
    DiscrepancyCleared,
    DiscrepancyFound,
    ModifySent,
    OrderAccepted,
    OrderCreated,
    OrderDoubted,
    OrderSent,
)
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.values import (
    BrokerRef,
    Currency,
    LinkDown,
    LinkUp,
    OrderId,
    Region,
    Side,
    StrategyId,
)
from daemon.core.witness import NoticeKind
from daemon.engine.gate import Shutter
from daemon.engine.host import RunState
from daemon.strategy import StrategyContext
from tests.builders import HYNIX, SAMSUNG, STRATEGY, reported
from tests.engine.paper import (
    PRICE,
    Answer,
    Kept,
    LaggingBroker,
    MemoryJournal,
    PaperBroker,
)
from tests.engine.world import MONDAY_NINE, run, wish, world
from tests.support import VirtualClock


def test_the_gate_stays_shut_for_as_long_as_the_stream_is_down() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.feed.emit(LinkDown(w.clock.now(), "reset"))
            await asyncio.sleep(120)
            assert w.desk.reconciliation.stats.passes > 2
            [answer] = await w.submit(wish())
            assert isinstance(answer, Denied)

            w.feed.emit(LinkUp(w.clock.now(), w.clock.now() - timedelta(seconds=120)))
            await w.until(lambda: w.desk.gate.is_open)

    run(scenario())


def test_an_hour_without_a_complete_inquiry_closes_new_orders_and_one_opens_them() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.inquiry_fails = 10**6
            await asyncio.sleep(3_600)
            assert Shutter.BLIND in w.desk.gate.reasons
            w.broker.inquiry_fails = 0
            await w.until(lambda: w.desk.gate.is_open)

    run(scenario())


def test_an_order_doubted_by_an_earlier_run_is_not_absent_at_once() -> None:
    at = MONDAY_NINE - timedelta(minutes=1)
    order = OrderId("20261123-0001")
    journal = MemoryJournal(
        [
            reported(100_000_000),
            OrderCreated(order=order, intent=wish(), at=at),
            OrderSent(order=order, at=at),
            OrderDoubted(order=order, cause="lost", at=at),
        ]
    )

    async def scenario() -> None:
        async with world(journal=journal) as w:
            await asyncio.sleep(5)
            assert w.order().state is OrderState.IN_DOUBT
            # The broker's list lagged: here the order is.
            w.broker.kept.append(Kept(["77"], SAMSUNG, Side.BUY, 10, PRICE, at))
            await w.until(lambda: w.order().state is OrderState.WORKING)

    run(scenario())


def test_books_that_differ_at_the_start_never_open_the_gate() -> None:
    at = MONDAY_NINE - timedelta(minutes=5)
    order = OrderId("20261123-0001")
    ref = BrokerRef(day=MONDAY_NINE.date(), branch="06010", number="1")
    journal = MemoryJournal(
        [
            reported(100_000_000),
            OrderCreated(order=order, intent=wish(), at=at),
            OrderSent(order=order, at=at),
            OrderAccepted(order=order, ref=ref, at=at),
        ]
    )

    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(MONDAY_NINE), fill_at_once=False, numbers=1)
        broker.kept = [Kept(["1"], SAMSUNG, Side.BUY, 10, PRICE, MONDAY_NINE)]
        broker.fill(broker.kept[0], 10)
        broker.holdings[HYNIX] = 50
        async with world(journal=journal, broker=broker) as w:
            assert w.order().state is OrderState.FILLED
            assert Shutter.DISCREPANCY in w.desk.gate.reasons

    run(scenario())


def test_a_row_that_contradicts_an_order_is_told_and_blinds_nobody() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.kept[0].side = Side.SELL
            await asyncio.sleep(60)
            assert w.desk.reconciliation.stats.failed_passes == 0
            assert Shutter.DISCREPANCY in w.desk.gate.reasons

    run(scenario())


def test_a_disk_that_fails_during_an_inquiry_stops_the_daemon() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.mute = True
            w.broker.fill(w.broker.kept[0], 5)
            w.journal.full = True
            await asyncio.sleep(300)

    with pytest.raises(ExceptionGroup) as failure:
        run(scenario())
    assert failure.group_contains(JournalFailed)


def test_an_order_the_broker_forgot_holds_the_gate_and_is_told_once() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.kept.clear()
            await asyncio.sleep(600)
            assert len(w.facts(DiscrepancyFound)) == 1
            assert w.facts(DiscrepancyCleared) == []
            assert Shutter.DISCREPANCY in w.desk.gate.reasons

    run(scenario())


def test_a_repeated_notice_leaves_no_immortal_order() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            kept = w.broker.kept[0]
            w.broker.fill(kept, 4)
            w.feed.emit(w.broker.told[-1])
            kept.cancelled = 6
            await asyncio.sleep(120)
            assert (w.order().state, w.order().filled) == (OrderState.CANCELLED, 4)
            assert w.desk.gate.is_open

    run(scenario())


def test_fees_the_broker_took_are_costs_and_no_difference() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.submit(wish())
            w.broker.cash -= 98
            await w.until(lambda: bool(w.facts(CostsCharged)))
            assert w.desk.gate.is_open
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == w.broker.cash

            # Settled in steps, or partly given back, it is still costs; more than any is not.
            w.broker.cash -= 50
            await w.until(lambda: w.desk.ledger.portfolio.charged_of(Currency.KRW) == 148)
            w.broker.cash += 20
            await w.until(lambda: w.desk.ledger.portfolio.charged_of(Currency.KRW) == 128)
            w.broker.cash -= 5_000
            await w.until(lambda: not w.desk.gate.is_open)

    run(scenario())


def test_books_are_adopted_only_at_rest() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            kept, report = w.broker.kept[0], w.broker.account

            async def crossed(*, regions: Sequence[Region] | None = None) -> AccountReported:
                w.broker.account = report  # type: ignore[method-assign]
                w.broker.mute = True
                w.broker.fill(kept, 10)
                w.broker.mute = False
                return await report(regions=regions)

            w.broker.account = crossed  # type: ignore[method-assign]
            await w.desk.reconciliation.adopt()
            w.broker.tell(kept, NoticeKind.FILLED, 10, kept.limit)
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 10
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == w.broker.cash

    run(scenario())


@pytest.mark.parametrize(("list_lag", "balance_lag"), [(59.0, 0.0), (0.0, 59.0), (59.0, 20.0)])
@pytest.mark.parametrize("mute", [False, True])
def test_adopted_books_hold_each_fill_once_however_the_answers_lag(
    list_lag: float, balance_lag: float, mute: bool
) -> None:
    async def scenario() -> None:
        broker = LaggingBroker(VirtualClock(), list_lag=list_lag, balance_lag=balance_lag)
        async with world(broker=broker) as w:
            broker.fill_at_once = False
            await w.submit(wish(), wish(instrument=HYNIX))
            broker.mute = mute
            await asyncio.sleep(100)
            broker.fill(broker.kept[0], 4)
            await asyncio.sleep(1)
            await w.desk.reconciliation.adopt()
            broker.fill(broker.kept[0], 6)
            await asyncio.sleep(200)
            portfolio = w.desk.ledger.portfolio
            assert portfolio.position(SAMSUNG).quantity == 10
            assert portfolio.cash_of(Currency.KRW) == broker.cash
            assert w.facts(DiscrepancyFound) == []

    run(scenario())


def test_a_fill_that_a_lagging_balance_hides_is_not_adopted_away() -> None:
    async def scenario() -> None:
        broker = LaggingBroker(VirtualClock(), balance_lag=59.0)
        async with world(broker=broker) as w:
            broker.fill_at_once = False
            await w.submit(wish())
            await asyncio.sleep(100)
            adopting = w.services.create_task(w.desk.reconciliation.adopt())
            await asyncio.sleep(50)
            broker.fill(broker.kept[0], 4)
            await adopting
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 4
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == broker.cash

    run(scenario())


def test_books_are_adopted_over_answers_that_fail_and_never_while_orders_trade() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.inquiry_fails = 3
            await w.desk.reconciliation.adopt()
            w.broker.fill_at_once = False
            await w.submit(wish(60))

            async def trade() -> None:
                for _ in range(60):
                    w.broker.fill(w.broker.kept[0], 1)
                    await asyncio.sleep(10)

            trading = w.services.create_task(trade())
            with pytest.raises(TryLater, match="NOT_QUIET"):
                await w.desk.reconciliation.adopt()
            trading.cancel()

    run(scenario())


def test_a_balance_that_lags_over_a_restart_is_no_difference() -> None:
    async def scenario() -> None:
        broker = LaggingBroker(VirtualClock(), balance_lag=59.0)
        async with world(broker=broker) as w:
            await w.submit(wish())
            journal, now = w.journal, w.clock.now()
        async with world(broker=broker, journal=journal, start=now) as w:
            assert w.order().state is OrderState.FILLED
            assert w.desk.gate.is_open
            assert w.facts(DiscrepancyFound) == []

    run(scenario())


@pytest.mark.parametrize("answers", [[Answer.LOST_AFTER], [Answer.GOOD, Answer.TRY_LATER]])
def test_what_a_faulted_strategy_left_is_cancelled_however_long_it_takes(
    answers: list[Answer],
) -> None:
    async def crash(context: StrategyContext) -> None:
        await asyncio.sleep(1)
        await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="test"))
        raise ZeroDivisionError

    async def scenario() -> None:
        async with world(crash) as w:
            w.broker.fill_at_once = False
            w.broker.answers += answers
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.FAULTED)
            await w.until(lambda: not w.order().is_open)

    run(scenario())


def test_new_prices_count_as_orders_and_pass_no_shut_gate() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            for turn in range(60):
                price = PRICE - 100 * (turn % 2)
                await w.desk.executor.modify(w.order().id, price)
            assert len(w.facts(OrderSent)) + len(w.facts(ModifySent)) <= 30

            await asyncio.sleep(61)
            w.desk.gate.shut(Shutter.OPERATOR, "by hand")
            answer = await w.desk.executor.modify(w.order().id, PRICE - 200)
            assert isinstance(answer, Denied)
            assert answer.rule is Rule.GATE_CLOSED

    run(scenario())


def test_two_prices_under_way_are_judged_together() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), cash=Decimal(14_500_000), fill_at_once=False)
        async with world(broker=broker) as w:
            await w.submit(wish(100), wish(100))
            high = Decimal(73_500)
            await asyncio.gather(
                *(w.desk.executor.modify(w.order(number).id, high) for number in (1, 2))
            )
            orders = w.desk.ledger.portfolio.open_orders()
            bound = sum(order.remaining * (order.limit or 0) for order in orders)
            assert bound <= 14_500_000

    run(scenario())


def test_a_strategy_cannot_sell_what_another_bought() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.submit(wish(10))
            sale = replace(wish(10, side=Side.SELL), strategy=StrategyId("other"))
            [answer] = await w.submit(sale)
            assert isinstance(answer, Denied)
            assert answer.rule is Rule.HOLDING
            [own] = await w.submit(wish(10, side=Side.SELL))
            assert isinstance(own, Order)

    run(scenario())


def test_while_no_order_could_leave_intents_are_denied_and_not_spent() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.not_ready = "there is no usable access token yet"
            [answer] = await w.submit(wish())
            assert isinstance(answer, Denied)
            assert "access token" in answer.detail
            assert w.facts(OrderCreated) == []

    run(scenario())


def test_an_order_in_doubt_ends_though_the_account_moved_for_another_reason() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers.append(Answer.LOST_BEFORE)
            await w.submit(wish())
            w.broker.cash += 500_000
            await w.until(lambda: w.order().state is OrderState.REJECTED)
            await w.until(lambda: Shutter.DISCREPANCY in w.desk.gate.reasons)
            await w.desk.reconciliation.adopt()
            assert w.desk.gate.is_open

    run(scenario())


def test_books_differ_while_a_doubt_lasts() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers.append(Answer.LOST_BEFORE)
            await w.submit(wish())
            w.broker.mute = True
            w.broker.by_hand(SAMSUNG, 5)
            await asyncio.sleep(300)
            assert w.order().state is OrderState.IN_DOUBT
            assert Shutter.DISCREPANCY in w.desk.gate.reasons

    run(scenario())


def test_a_crash_takes_strategies_down_that_tidy_up_or_resist() -> None:
    async def tidy(context: StrategyContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await context.cancel(*(order.id for order in context.orders()))

    async def stubborn(context: StrategyContext) -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def scenario() -> None:
        async with world(tidy, stubborn) as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.journal.full = True
            w.feed.emit(LinkDown(w.clock.now(), "reset"))
            w.broker.fill(w.broker.kept[0], 1)
            await asyncio.sleep(3_600)

    with pytest.raises(BaseExceptionGroup) as failure:
        run(scenario())
    assert failure.group_contains(JournalFailed)


def test_a_reply_with_the_number_of_another_order_is_no_acceptance() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.numbers = 0
            w.broker.mute = True
            await w.submit(wish(3, instrument=HYNIX))
            assert w.order(2).state is OrderState.IN_DOUBT

    run(scenario())


def test_a_price_that_leaves_twice_passes_no_gate_shut_meanwhile() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            number = w.order().id

            async def turned_away(
                order: Order, limit: Decimal, *, leaving: Callable[[], None]
            ) -> BrokerRef:
                leaving()
                w.desk.gate.shut(Shutter.OPERATOR, "by hand")
                leaving()
                raise AssertionError("it left")

            w.broker.modify = turned_away  # type: ignore[method-assign]
            await w.desk.executor.modify(number, PRICE - 100)
            assert w.order().state is OrderState.WORKING

    run(scenario())
