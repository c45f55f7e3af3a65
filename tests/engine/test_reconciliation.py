"""Notices and inquiries over a wired desk: books that agree, and what happens when they do not."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from daemon.core.errors import NeedsOperator
from daemon.core.events import (
    AccountReported,
    DiscrepancyCleared,
    DiscrepancyFound,
    ExternalOrderSeen,
    FillSource,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied, Rule
from daemon.core.values import LinkDown, LinkUp
from daemon.core.witness import BrokerOrder, NoticeKind
from daemon.engine.gate import Shutter
from tests.builders import ACCOUNT, HYNIX, SAMSUNG
from tests.engine.paper import PRICE, Answer, MemoryJournal, PaperBroker
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


def test_a_fill_that_an_inquiry_counted_first_is_paid_back_by_its_notice() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            kept = w.broker.kept[0]
            w.broker.mute = True
            w.broker.fill(kept, 4)
            w.broker.mute = False
            await w.desk.reconciliation.inquire()
            w.broker.tell(kept, NoticeKind.FILLED, 4, PRICE)
            w.broker.fill(kept, 6)

            assert w.order().state is OrderState.FILLED
            told = [(each.fill.quantity, each.fill.source) for each in w.facts(OrderFilled)]
            assert told == [(4, FillSource.INQUIRY), (6, FillSource.NOTICE)]
            await asyncio.sleep(60)
            assert w.desk.gate.is_open
            assert w.desk.ledger.portfolio.cash == w.broker.cash

    run(scenario())


def test_a_fill_told_twice_is_not_believed_twice() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.submit(wish())
            w.broker.tell(w.broker.kept[0], NoticeKind.FILLED, 10, PRICE)
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == 10
            [found] = w.facts(DiscrepancyFound)
            assert found.subject == f"order {w.order().id}"
            assert Shutter.DISCREPANCY in w.desk.gate.reasons
            # The broker's own count settles it.
            await w.until(lambda: w.desk.gate.is_open)

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
                "cash",
                "100000000 KRW",
                "100000001 KRW",
            )
            w.broker.cash += 1
            await w.until(lambda: len(w.facts(DiscrepancyFound)) == 2)
            assert w.desk.reconciliation.stats.discrepancies == 2
            assert "100000002" in w.desk.gate.why()

    run(scenario())


def test_books_that_lag_behind_a_fill_are_no_discrepancy() -> None:
    class Slow(PaperBroker):
        """Its balance shows a trade two seconds late."""

        shown: AccountReported | None = None

        async def account(self) -> AccountReported:
            if self.shown is None:
                return await super().account()
            await asyncio.sleep(self.latency)
            return self.shown

    async def scenario() -> None:
        broker = Slow(VirtualClock())
        async with world(broker=broker) as w:
            broker.shown = await broker.account()
            await w.submit(wish())
            for _ in range(4):
                await w.desk.reconciliation.inquire()
                await asyncio.sleep(0.4)
            broker.shown = None
            await asyncio.sleep(60)
            assert w.facts(DiscrepancyFound) == []
            assert w.desk.gate.is_open

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
            assert cleared.subject == "cash"

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
        async def orders(self, since: date) -> Sequence[BrokerOrder]:
            asked.append(since)
            return await super().orders(since)

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
            assert w.desk.ledger.portfolio.cash == broker.cash
            await w.desk.reconciliation.inquire()

    run(friday())
    asked.clear()
    run(monday())
    assert asked[0] == date(2026, 11, 20)
    assert asked[-1] == date(2026, 11, 23)


def test_what_only_a_person_can_mend_ends_the_daemon() -> None:
    class Locked(PaperBroker):
        locked = False

        async def orders(self, since: date) -> Sequence[BrokerOrder]:
            if self.locked:
                raise NeedsOperator("the account is locked")
            return await super().orders(since)

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
