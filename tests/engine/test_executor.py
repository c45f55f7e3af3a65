"""What leaves, once, and what becomes of it when the answer is yes, no, late or none."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from daemon.core.errors import InvariantBroken, JournalFailed, Refused
from daemon.core.events import (
    CancelRefused,
    CancelSent,
    Event,
    ModifyRefused,
    ModifySent,
    OrderCreated,
    OrderDoubted,
    OrderModified,
    OrderRejected,
    OrderSent,
)
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.values import BrokerRef, Currency
from daemon.engine.gate import Shutter
from tests.builders import HYNIX, LIMITS, SAMSUNG
from tests.engine.paper import Answer, MemoryJournal, PaperBroker, PaperFeed
from tests.engine.world import MONDAY_NINE, run, wire, wish, world
from tests.support import VirtualClock


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
            stats = w.desk.executor.stats
            assert (stats.denied, stats.placed, stats.accepted) == (1, 2, 2)

    run(scenario())


def test_each_order_of_a_batch_has_a_fate_of_its_own() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers += [Answer.REFUSED, Answer.GOOD, Answer.LOST_BEFORE]
            results = await w.submit(wish(1), wish(2), wish(3))

            states = [each.state for each in results if isinstance(each, Order)]
            assert states == [OrderState.REJECTED, OrderState.FILLED, OrderState.IN_DOUBT]
            assert [kept.quantity for kept in w.broker.kept] == [2]
            stats = w.desk.executor.stats
            assert (stats.refused, stats.accepted, stats.doubted) == (1, 1, 1)

    run(scenario())


def test_a_batch_denied_as_a_whole_leaves_no_trace() -> None:
    async def scenario() -> None:
        async with world() as w:
            before = list(w.journal.events)
            results = await w.submit(wish(1_000), wish(2_000))
            assert [type(each) for each in results] == [Denied, Denied]
            assert await w.submit() == ()
            assert w.journal.events == before
            assert w.broker.most_in_flight == 0

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


def test_a_disk_that_fills_up_under_way_stops_the_daemon_before_the_order_leaves() -> None:
    broker = PaperBroker(VirtualClock())

    async def scenario() -> None:
        async with world(broker=broker) as w:

            def fill_the_disk(event: Event) -> None:
                w.journal.full = isinstance(event, OrderCreated)

            w.desk.ledger.listen(fill_the_disk)
            await w.submit(wish())

    with pytest.raises(ExceptionGroup) as failure:
        run(scenario())
    assert failure.group_contains(JournalFailed)
    assert broker.kept == []


def test_a_bug_in_a_request_is_no_refusal_and_stops_the_daemon() -> None:
    class Broken(PaperBroker):
        async def place(self, order: Order, *, leaving: Callable[[], None]) -> BrokerRef:
            raise KeyError("output")

    async def scenario() -> None:
        async with world(broker=Broken(VirtualClock())) as w:
            await w.submit(wish())

    with pytest.raises(ExceptionGroup) as failure:
        run(scenario())
    assert failure.group_contains(InvariantBroken)


def test_a_gate_that_shuts_while_an_order_waits_to_leave_keeps_it_here() -> None:
    async def scenario() -> None:
        async with world() as w:

            def halt(event: Event) -> None:
                if isinstance(event, OrderCreated):
                    w.desk.gate.shut(Shutter.OPERATOR, "halted by hand")

            w.desk.ledger.listen(halt)
            [order] = await w.submit(wish())
            assert isinstance(order, Order)
            assert order.state is OrderState.REJECTED
            [fact] = w.facts(OrderRejected)
            assert (fact.code, fact.retryable) == ("GATE_CLOSED", True)
            assert "halted by hand" in fact.reason
            assert w.facts(OrderSent) == []
            assert w.broker.kept == []

    run(scenario())


def test_a_doubt_that_comes_up_while_an_order_waits_to_leave_keeps_it_here() -> None:
    class Queued(PaperBroker):
        """Has no slot for the later ones of a batch until the first is given up."""

        async def place(self, order: Order, *, leaving: Callable[[], None]) -> BrokerRef:
            if order.intent.quantity > 1:
                await asyncio.sleep(8.0)
            return await super().place(order, leaving=leaving)

    async def scenario() -> None:
        async with world(broker=Queued(VirtualClock())) as w:
            w.broker.answers.append(Answer.LOST_BEFORE)
            results = await w.submit(wish(1), wish(2), wish(3, instrument=HYNIX))

            states = [each.state for each in results if isinstance(each, Order)]
            assert states == [OrderState.IN_DOUBT, OrderState.REJECTED, OrderState.FILLED]
            first, second, third = (w.order(number) for number in (1, 2, 3))
            [fact] = w.facts(OrderRejected)
            assert (fact.order, fact.code, fact.retryable) == (second.id, "IN_DOUBT", True)
            assert first.id in fact.reason
            assert [each.order for each in w.facts(OrderSent)] == [first.id, third.id]
            assert [kept.quantity for kept in w.broker.kept] == [3]

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
            # Long before the next regular inquiry.
            await w.until(lambda: w.order().state is OrderState.FILLED, limit=3)
            assert len(w.broker.kept) == 1
            assert len(w.facts(OrderSent)) == 1
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == w.broker.cash

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


def test_cancels_leave_together_even_through_a_shut_gate() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish(), wish(5, instrument=HYNIX))
            w.desk.gate.shut(Shutter.OPERATOR, "halted by hand")
            w.broker.most_in_flight = 0
            ids = [w.order(1).id, w.order(2).id]
            orders = await w.desk.executor.cancel(ids)
            assert [order.id for order in orders] == ids
            assert {order.state for order in orders} == {OrderState.CANCELLED}
            assert w.broker.most_in_flight == 2

    run(scenario())


def test_what_is_closed_is_not_cancelled_again() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.submit(wish())
            [order] = await w.desk.executor.cancel([w.order().id])
            assert order.state is OrderState.FILLED
            assert w.facts(CancelSent) == []

    run(scenario())


def test_two_who_cancel_one_order_send_one_request() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            cancel = w.desk.executor.cancel
            await asyncio.gather(cancel([w.order().id]), cancel([w.order().id]))
            assert w.order().state is OrderState.CANCELLED
            assert len(w.facts(CancelSent)) == 1
            assert w.desk.executor.stats.cancels == 1

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "code"), [(Answer.LOST_BEFORE, "NO_EFFECT"), (Answer.REFUSED, "NO_MONEY")]
)
def test_a_cancel_without_effect_leaves_the_order_working_and_may_be_asked_again(
    answer: Answer, code: str
) -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.answers.append(answer)
            await w.desk.executor.cancel([w.order().id])
            await w.until(lambda: w.order().state is OrderState.WORKING)
            [refused] = w.facts(CancelRefused)
            assert refused.code == code
            await w.desk.executor.cancel([w.order().id])
            assert w.order().state is OrderState.CANCELLED

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


@pytest.mark.parametrize(
    ("answer", "code"), [(Answer.LOST_BEFORE, "NO_EFFECT"), (Answer.REFUSED, "NO_MONEY")]
)
def test_a_modify_without_effect_keeps_the_old_price(answer: Answer, code: str) -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.answers.append(answer)
            await w.desk.executor.modify(w.order().id, Decimal(69_900))
            await w.until(lambda: w.order().state is OrderState.WORKING)
            [refused] = w.facts(ModifyRefused)
            assert refused.code == code
            assert w.order().limit == Decimal(70_000)
            assert len(w.facts(ModifySent)) == 1

    run(scenario())


def test_a_price_in_doubt_is_not_forgotten_by_way_of_a_cancel() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            order = w.order().id
            w.broker.answers += [Answer.LOST_BEFORE, Answer.LOST_BEFORE]
            await w.desk.executor.modify(order, Decimal(70_100))
            await w.desk.executor.cancel([order])
            await w.until(lambda: len(w.facts(CancelRefused)) == 1)
            await w.desk.executor.modify(order, Decimal(69_900))
            assert [each.limit for each in w.facts(ModifySent)] == [70_100]
            assert w.order().asked_limit == 70_100, "it may rest at that price"

            await w.until(lambda: w.order().asked_limit is None)
            assert (w.order().state, w.order().limit) == (OrderState.WORKING, Decimal(70_000))
            await w.desk.executor.modify(order, Decimal(69_900))
            await w.until(lambda: w.order().limit == Decimal(69_900))

    run(scenario())


def test_a_modify_whose_answer_is_lost_is_looked_up() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.mute = True
            w.broker.answers.append(Answer.LOST_AFTER)
            await w.desk.executor.modify(w.order().id, Decimal(69_900))
            await w.until(lambda: w.order().limit == Decimal(69_900))
            assert [ref.number for ref in w.order().refs] == w.broker.kept[0].numbers
            assert len(w.facts(OrderModified)) == 1

    run(scenario())


def test_a_modify_against_the_rules_never_leaves() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            result = await w.desk.executor.modify(w.order().id, Decimal(69_950))
            assert isinstance(result, Denied)
            assert result.rule is Rule.PRICE_STEP

            w.desk.gate.shut(Shutter.OPERATOR, "halted by hand")
            result = await w.desk.executor.modify(w.order().id, Decimal(69_900))
            assert isinstance(result, Denied)
            assert result.rule is Rule.GATE_CLOSED
            assert w.desk.executor.stats.denied == 2
            assert w.facts(ModifySent) == []

    run(scenario())


def test_a_closed_market_takes_no_order_and_no_new_price_and_says_when_it_opens() -> None:
    async def scenario() -> None:
        closing = MONDAY_NINE + timedelta(hours=6, minutes=29)
        async with world(start=closing) as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            await asyncio.sleep(90.0)
            for result in (
                *await w.submit(wish()),
                await w.desk.executor.modify(w.order().id, Decimal(69_900)),
            ):
                assert isinstance(result, Denied)
                assert result.rule is Rule.GATE_CLOSED
                assert "regular session of krx before 2026-11-24 08:20:00 KST" in result.detail
            assert w.facts(ModifySent) == []

    run(scenario())


def test_what_is_closed_is_not_modified() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.submit(wish())
            result = await w.desk.executor.modify(w.order().id, Decimal(69_900))
            assert isinstance(result, Order)
            assert (result.state, result.limit) == (OrderState.FILLED, Decimal(70_000))
            assert w.facts(ModifySent) == []

    run(scenario())


@pytest.mark.parametrize(
    ("hours", "opens"),
    [(-2, "2026-11-23 08:20"), (7, "2026-11-24 08:20"), (5 * 24, "2026-11-30 08:20")],
    ids=["early in the morning", "in the evening", "on a Saturday"],
)
def test_a_closed_market_is_told_with_the_time_it_takes_orders(hours: int, opens: str) -> None:
    async def scenario() -> None:
        async with world(start=MONDAY_NINE + timedelta(hours=hours)) as w:
            [denied] = await w.submit(wish())
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.GATE_CLOSED
            assert opens in denied.detail
            assert w.broker.kept == []

    run(scenario())


def test_a_cancelled_caller_loses_the_answer_and_not_the_order() -> None:
    async def scenario() -> None:
        async with world() as w:
            submitting = w.services.create_task(w.desk.executor.submit([wish()]))
            await asyncio.sleep(0.01)
            submitting.cancel()
            await w.desk.executor.idle()
            assert w.order().state is OrderState.FILLED

    run(scenario())


def test_it_is_idle_only_when_every_request_has_ended() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers += [Answer.GOOD, Answer.LOST_BEFORE]
            w.services.create_task(w.submit(wish(1)))
            w.services.create_task(w.submit(wish(2, instrument=HYNIX)))
            await asyncio.sleep(0.01)
            await w.desk.executor.idle()
            states = [w.order(number).state for number in (1, 2)]
            assert states == [OrderState.FILLED, OrderState.IN_DOUBT]
            assert len(w.facts(OrderDoubted)) == 1

    run(scenario())


def test_a_new_price_that_is_no_price_is_refused_by_its_type() -> None:
    async def scenario() -> None:
        async with world(broker=PaperBroker(VirtualClock(), fill_at_once=False)) as w:
            [order] = await w.submit(wish())
            assert isinstance(order, Order)
            for price in (70_100, 70_100.0, Decimal("NaN"), Decimal(0)):
                with pytest.raises(ValueError, match="must be a Decimal above zero"):
                    await w.desk.executor.modify(order.id, price)  # type: ignore[arg-type]
            assert w.facts(ModifySent) == []

    run(scenario())


def test_an_executor_that_does_not_run_refuses() -> None:
    async def scenario() -> None:
        clock = VirtualClock(MONDAY_NINE)
        broker = PaperBroker(clock)
        feed = PaperFeed(broker, clock)
        desk = wire(clock=clock, broker=broker, journal=MemoryJournal(), feed=feed)
        desk.ledger.record(await broker.account())
        await desk.learn_prices()
        with pytest.raises(Refused, match="STOPPING"):
            await desk.executor.submit([wish()])
        assert broker.kept == []
        await desk.executor.idle()

    run(scenario())


def test_other_limits_hold_for_what_is_judged_from_then_on() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.desk.executor.limits = replace(LIMITS, max_order_quantity=3)
            small, large = await w.submit(wish(3), wish(4, instrument=HYNIX))
            assert isinstance(small, Order)
            assert isinstance(large, Denied)
            assert large.rule is Rule.ORDER_QUANTITY

    run(scenario())
