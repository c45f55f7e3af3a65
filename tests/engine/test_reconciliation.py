"""Notices and inquiries over a wired desk: books that agree, and what happens when they do not."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest

from daemon.core.errors import NeedsOperator
from daemon.core.events import (
    AccountReported,
    Actor,
    DiscrepancyCleared,
    DiscrepancyFound,
    ExternalOrderSeen,
    FillSource,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    TradingState,
)
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.reconcile import SETTLE
from daemon.core.risk import Denied
from daemon.core.switch import Command
from daemon.core.values import Currency, LinkDown, LinkUp, Region, Side
from daemon.core.witness import BrokerOrder, NoticeKind
from daemon.engine.gate import Shutter
from tests.builders import ACCOUNT, HYNIX, SAMSUNG
from tests.engine.paper import PRICE, Answer, Kept, LaggingBroker, MemoryJournal, PaperBroker
from tests.engine.world import MONDAY_NINE, run, wish, world
from tests.support import VirtualClock


def test_the_first_start_takes_the_brokers_books_and_later_ones_compare() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), holdings={SAMSUNG: 5})
        async with world(broker=broker) as w:
            assert len(w.facts(AccountReported)) == 1
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 5
            journal = w.journal
        broker.holdings[SAMSUNG] = 6
        async with world(broker=broker, journal=journal) as w:
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            assert len(w.facts(AccountReported)) == 1
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 5

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
            assert w.desk.reconciliation.unsettled()
            failed = w.desk.reconciliation.stats.failed_passes
            assert failed > 10
            w.broker.inquiry_fails = 0
            await w.until(lambda: w.order().state is OrderState.REJECTED)
            assert not w.desk.reconciliation.unsettled()

    run(scenario())


def test_an_order_an_inquiry_counted_is_counted_by_inquiries_however_late_its_notices() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            kept = w.broker.kept[0]
            w.broker.mute = True
            w.broker.fill(kept, 4)
            w.broker.mute = False
            await w.desk.reconciliation.inquire()
            await asyncio.sleep(600)
            w.broker.tell(kept, NoticeKind.FILLED, 4, PRICE)
            w.broker.fill(kept, 6)
            assert w.order().filled == 4

            await w.until(lambda: w.order().state is OrderState.FILLED, limit=1)
            told = [(each.fill.quantity, each.fill.source) for each in w.facts(OrderFilled)]
            assert told == [(4, FillSource.INQUIRY), (6, FillSource.INQUIRY)]
            assert w.desk.reconciliation.stats.hints == 2
            await asyncio.sleep(60)
            assert w.desk.gate.is_open
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == w.broker.cash

    run(scenario())


def test_a_fill_told_twice_is_counted_once_and_shuts_nothing() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            kept = w.broker.kept[0]
            w.broker.fill(kept, 4)
            for _ in range(3):
                w.feed.emit(w.broker.told[-1])
                assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 4
                await asyncio.sleep(30)
            assert w.facts(DiscrepancyFound) == []
            assert w.desk.gate.is_open

    run(scenario())


def test_a_hint_is_asked_after_in_a_hurry_until_the_list_has_caught_up() -> None:
    async def scenario() -> None:
        broker = LaggingBroker(VirtualClock())
        async with world(broker=broker) as w:
            broker.fill_at_once = False
            await w.submit(wish())
            kept = broker.kept[0]
            broker.mute = True
            broker.fill(kept, 4)
            broker.mute = False
            await w.desk.reconciliation.inquire()
            await asyncio.sleep(120)
            broker.list_lag = broker.balance_lag = 55.0
            broker.fill(kept, 3)
            passes = w.desk.reconciliation.stats.passes
            await asyncio.sleep(50)
            assert w.order().filled == 4
            assert w.desk.reconciliation.stats.passes - passes > 15
            await asyncio.sleep(10)
            assert w.order().filled == 7
            assert w.facts(DiscrepancyFound) == []
            passes = w.desk.reconciliation.stats.passes
            await asyncio.sleep(100)
            assert w.desk.reconciliation.stats.passes - passes < 10

    run(scenario())


@pytest.mark.parametrize(("list_lag", "balance_lag"), [(59, 0), (0, 59), (59, 59)])
@pytest.mark.parametrize("mute", [False, True])
def test_answers_that_lag_raise_no_alarm_and_are_made_up_for(
    list_lag: float, balance_lag: float, mute: bool
) -> None:
    async def scenario() -> None:
        broker = LaggingBroker(VirtualClock(), list_lag=list_lag, balance_lag=balance_lag)
        async with world(broker=broker) as w:
            broker.fill_at_once = False
            await w.submit(wish(), wish(5, instrument=HYNIX))
            broker.mute = mute
            for quantity in (1, 2, 3, 4):
                await asyncio.sleep(17)
                broker.fill(broker.kept[0], quantity)
            broker.fill(broker.kept[1], 5)
            await asyncio.sleep(90)
            assert w.facts(DiscrepancyFound) == []
            assert w.desk.gate.is_open
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == broker.cash
            assert w.desk.ledger.portfolio.open_orders() == []

    run(scenario())


def test_an_order_that_a_lagging_list_hides_is_not_absent() -> None:
    async def scenario() -> None:
        broker = LaggingBroker(VirtualClock(), list_lag=59.0, balance_lag=59.0)
        async with world(broker=broker) as w:
            broker.fill_at_once = False
            broker.mute = True
            broker.answers.append(Answer.LOST_AFTER)
            await w.submit(wish())
            await w.until(lambda: w.order().state is not OrderState.IN_DOUBT)
            assert w.order().state is OrderState.WORKING

    run(scenario())


def test_a_list_without_the_order_clears_no_difference_of_it() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.kept[0].side = Side.SELL
            await asyncio.sleep(100)
            assert len(w.facts(DiscrepancyFound)) == 1
            w.broker.kept.clear()
            await asyncio.sleep(60)
            assert w.facts(DiscrepancyCleared) == []

    run(scenario())


def test_a_list_without_an_order_of_ours_proves_no_absence() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish(instrument=HYNIX))
            w.broker.answers.append(Answer.LOST_BEFORE)
            await w.submit(wish())
            rest, w.broker.kept = w.broker.kept, []
            await asyncio.sleep(600)
            assert w.order(2).state is OrderState.IN_DOUBT
            assert Shutter.DISCREPANCY in w.desk.gate.reasons
            w.broker.kept = rest
            await w.until(lambda: w.order(2).state is OrderState.REJECTED)
            await w.until(lambda: w.desk.gate.is_open)

    run(scenario())


def test_a_doubt_of_yesterday_takes_no_order_that_a_person_placed_today() -> None:
    journal = MemoryJournal()
    broker = PaperBroker(VirtualClock(), fill_at_once=False)
    limit = PRICE - 1_000

    async def yesterday() -> None:
        async with world(broker=broker, journal=journal) as w:
            broker.answers.append(Answer.LOST_BEFORE)
            await w.submit(wish(limit=limit))
            assert w.order().state is OrderState.IN_DOUBT

    async def today() -> None:
        start = MONDAY_NINE + timedelta(days=1, minutes=5)
        by_hand = Kept(
            numbers=["77"],
            instrument=SAMSUNG,
            side=Side.BUY,
            quantity=wish().quantity,
            limit=limit,
            ordered_at=start - timedelta(minutes=4),
        )
        broker.kept.append(by_hand)
        async with world(broker=broker, journal=journal, start=start) as w:
            assert [each.number for each in w.facts(ExternalOrderSeen)] == ["77"]
            await w.until(lambda: w.order().state is OrderState.REJECTED)
            reason = "the person's order is not ours to cancel"
            w.desk.execute(Command(state=TradingState.HALTED, who=Actor.OPERATOR, reason=reason))
            await asyncio.sleep(60)
            assert by_hand.cancelled == 0

    run(yesterday())
    run(today())


NOTHING = AccountReported(
    account=ACCOUNT, cash={Currency.KRW: Decimal(0)}, holdings=(), at=MONDAY_NINE
)


def test_a_balance_of_nothing_neither_raises_nor_clears_nor_proves() -> None:
    async def scenario() -> None:
        broker = LaggingBroker(VirtualClock())
        async with world(broker=broker) as w:
            await w.submit(wish())
            broker.answers.append(Answer.LOST_BEFORE)
            await w.submit(wish(instrument=HYNIX))
            broker.reports = [NOTHING] * 10_000
            await asyncio.sleep(600)
            assert w.facts(DiscrepancyFound) == []
            assert w.order(2).state is OrderState.IN_DOUBT
            assert Shutter.BLIND in w.desk.gate.reasons

            broker.reports.clear()
            await w.until(lambda: w.order(2).state is OrderState.REJECTED)
            broker.cash += 1
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            broker.reports = [NOTHING] * 10_000
            await asyncio.sleep(300)
            assert w.facts(DiscrepancyCleared) == []

    run(scenario())


@pytest.mark.parametrize(
    ("answers", "looks"),
    [
        ([None, None], 2),
        ([NOTHING, None, None], 3),
        ([NOTHING, NOTHING, None, None], 4),
        ([*[NOTHING] * 5, None, None], 7),
    ],
)
def test_the_books_open_on_two_equal_looks_at_something(
    answers: list[AccountReported | None], looks: int
) -> None:
    async def scenario() -> None:
        broker = LaggingBroker(VirtualClock(), reports=list(answers))
        async with world(broker=broker) as w:
            [opened] = w.facts(AccountReported)
            assert broker.balances_asked == looks
            assert opened.cash_of(Currency.KRW) == 100_000_000

    run(scenario())


def test_an_account_of_nothing_opens_the_books_once_it_lasted_longer_than_any_lag() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        async with world(broker=LaggingBroker(clock, reports=[NOTHING] * 1_000)) as w:
            [opened] = w.facts(AccountReported)
            assert opened.cash_of(Currency.KRW) == 0
            assert clock.monotonic() >= SETTLE

    run(scenario())


def test_a_trade_by_hand_on_an_instrument_we_trade_shuts_the_gate_at_once() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            await asyncio.sleep(5)
            w.broker.by_hand(SAMSUNG, 3)
            await w.until(lambda: bool(w.facts(DiscrepancyFound)), limit=15)
            assert not w.desk.gate.is_open
            assert w.order().filled == 0

    run(scenario())


def test_books_that_agree_for_a_moment_do_not_clear_a_difference() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            w.broker.holdings[HYNIX] = 3
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            w.broker.holdings[HYNIX] = 0
            await asyncio.sleep(20)
            w.broker.holdings[HYNIX] = 3
            await asyncio.sleep(200)
            assert w.facts(DiscrepancyCleared) == []

    run(scenario())


def test_an_order_refused_after_its_acceptance_is_closed_by_the_notice() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            kept = w.broker.kept[0]
            kept.rejected = 10
            w.broker.tell(kept, NoticeKind.REJECTED, 10, PRICE)
            assert w.order().state is OrderState.REJECTED
            [fact] = w.facts(OrderRejected)
            assert (fact.code, fact.retryable) == ("REFUSED_LATER", False)

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


def test_the_gap_is_checked_only_by_a_complete_inquiry_asked_after_it() -> None:
    async def scenario() -> None:
        async with world() as w:
            await asyncio.sleep(5)
            inquire = w.desk.reconciliation.inquire
            asked_before = w.services.create_task(inquire())
            await asyncio.sleep(0.01)
            w.feed.emit(LinkDown(w.clock.now(), "reset"))
            w.feed.emit(LinkUp(w.clock.now(), w.clock.now()))
            assert await asked_before
            assert Shutter.STREAM in w.desk.gate.reasons

            w.broker.inquiry_fails = 1
            assert not await inquire()
            assert Shutter.STREAM in w.desk.gate.reasons
            assert await inquire()
            assert w.desk.gate.is_open

    run(scenario())


def test_a_trade_by_hand_is_told_shuts_the_gate_and_an_operator_opens_it() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.by_hand(SAMSUNG, 3)
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            assert w.desk.reconciliation.stats.external_orders == 1
            [seen] = w.facts(ExternalOrderSeen)
            assert (seen.instrument, seen.quantity) == (SAMSUNG, 3)
            [denied] = await w.submit(wish())
            assert isinstance(denied, Denied)
            assert "position krx:005930" in denied.detail

            await w.desk.reconciliation.adopt()
            assert w.desk.gate.is_open
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 3
            await asyncio.sleep(60)
            assert w.desk.gate.is_open
            assert len(w.facts(ExternalOrderSeen)) == 1

    run(scenario())


def test_one_subject_is_adopted_and_the_others_are_not() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.cash += 1
            w.broker.holdings[SAMSUNG] = 3
            await w.until(lambda: len(w.facts(DiscrepancyFound)) == 2)
            adopted = await w.desk.reconciliation.adopt("position krx:005930")
            assert adopted.cash_of(Currency.KRW) == w.desk.ledger.portfolio.cash_of(Currency.KRW)
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 3
            assert list(w.desk.ledger.portfolio.discrepancies) == ["cash KRW"]
            assert "cash KRW" in w.desk.gate.why()
            await w.desk.reconciliation.adopt("cash KRW")
            assert w.desk.gate.is_open
            await asyncio.sleep(60)
            assert w.desk.gate.is_open

    run(scenario())


def test_a_difference_is_told_once_when_seen_twice_and_again_when_it_changes() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.cash += 1
            await w.desk.reconciliation.inquire()
            assert w.facts(DiscrepancyFound) == []
            assert w.desk.reconciliation.unsettled()
            for _ in range(3):
                await w.desk.reconciliation.inquire()
            [found] = w.facts(DiscrepancyFound)
            assert (found.subject, found.ours, found.theirs) == (
                "cash KRW",
                "100000000 KRW",
                "100000001 KRW",
            )
            w.broker.cash += 1
            await w.until(lambda: len(w.facts(DiscrepancyFound)) == 2)
            assert w.desk.reconciliation.stats.discrepancies == 2
            assert "100000002" in w.desk.gate.why()

    run(scenario())


def test_shares_of_an_order_still_under_way_are_no_discrepancy() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers.append(Answer.LOST_AFTER)
            w.broker.mute = True
            w.services.create_task(w.submit(wish()))
            await asyncio.sleep(4)
            assert w.order().state is OrderState.SENT
            assert w.broker.holdings == {SAMSUNG: 10}
            for _ in range(2):
                assert await w.desk.reconciliation.inquire()
            assert w.facts(DiscrepancyFound) == []
            await w.until(lambda: w.order().state is OrderState.FILLED)
            assert w.desk.gate.is_open

    run(scenario())


def test_books_that_agree_again_open_the_gate_by_themselves() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.cash += 1
            await w.until(lambda: not w.desk.gate.is_open)
            w.broker.cash -= 1
            await w.until(lambda: w.desk.gate.is_open)
            assert w.desk.ledger.portfolio.discrepancies == {}
            [cleared] = w.facts(DiscrepancyCleared)
            assert cleared.subject == "cash KRW"

    run(scenario())


def test_an_order_left_at_the_close_expires_without_a_notice() -> None:
    async def scenario() -> None:
        async with world(start=MONDAY_NINE + timedelta(hours=6, minutes=28)) as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            await w.until(lambda: bool(w.facts(OrderExpired)), limit=600)
            assert w.order().state is OrderState.EXPIRED
            assert w.clock.now() >= MONDAY_NINE + timedelta(hours=6, minutes=31)

    run(scenario())


def test_an_order_of_an_earlier_day_is_looked_up_where_it_was_and_has_expired() -> None:
    asked: list[date] = []

    class Listening(PaperBroker):
        async def orders(
            self, since: date, *, regions: Sequence[Region] | None = None
        ) -> Sequence[BrokerOrder]:
            asked.append(since)
            return await super().orders(since, regions=regions)

    broker = Listening(VirtualClock())
    journal = MemoryJournal()

    async def friday() -> None:
        start = MONDAY_NINE - timedelta(days=3)
        async with world(broker=broker, journal=journal, start=start) as w:
            broker.fill_at_once = False
            await w.submit(wish())
            broker.mute = True
            broker.fill(broker.kept[0], 4)

    async def monday() -> None:
        async with world(broker=broker, journal=journal) as w:
            assert w.order().state is OrderState.EXPIRED
            assert w.order().filled == 4
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == broker.cash
            await w.desk.reconciliation.inquire()

    run(friday())
    asked.clear()
    run(monday())
    assert asked[0] == date(2026, 11, 20)
    assert asked[-1] == date(2026, 11, 23)


def test_what_only_a_person_can_mend_ends_the_daemon() -> None:
    class Locked(PaperBroker):
        locked = False

        async def orders(
            self, since: date, *, regions: Sequence[Region] | None = None
        ) -> Sequence[BrokerOrder]:
            if self.locked:
                raise NeedsOperator("the account is locked")
            return await super().orders(since, regions=regions)

    async def scenario() -> None:
        broker = Locked(VirtualClock())
        async with world(broker=broker) as w:
            broker.locked = True
            await w.until(lambda: False, limit=120)

    with pytest.raises(ExceptionGroup) as failure:
        run(scenario())
    assert failure.group_contains(NeedsOperator, match="locked")


def test_inquiries_come_regularly_when_all_is_well_and_hurriedly_when_not() -> None:
    async def scenario() -> None:
        async with world() as w:
            stats = w.desk.reconciliation.stats
            await asyncio.sleep(10)
            before = stats.passes
            await asyncio.sleep(200)
            assert 8 <= stats.passes - before <= 10
            w.broker.answers.append(Answer.LOST_BEFORE)
            await w.submit(wish())
            before = stats.passes
            await asyncio.sleep(10)
            assert stats.passes - before >= 4

    run(scenario())


def test_an_order_by_hand_is_told_with_the_account_it_was_made_on() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.mute = True
            w.broker.by_hand(SAMSUNG, 3)
            await w.until(lambda: bool(w.facts(ExternalOrderSeen)))
            [seen] = w.facts(ExternalOrderSeen)
            assert isinstance(seen, ExternalOrderSeen)
            assert seen.account == ACCOUNT

    run(scenario())
