"""The whole desk in virtual time: how it recovers, starts, keeps house and stops."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from daemon.core.errors import InvariantBroken, NeedsOperator, TryLater
from daemon.core.events import (
    AccountReported,
    DiscrepancyFound,
    Event,
    JobDone,
    OrderCreated,
    OrderDoubted,
    OrderSent,
    TradingArmed,
    TradingHalted,
    TradingResumed,
)
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.values import Currency, InstrumentId, Interest, Region
from daemon.engine.desk import COMPACT_AT, START_LIMIT
from daemon.engine.gate import Shutter
from daemon.engine.ledger import Ledger
from daemon.ports import Checkpoint, InstrumentInfo
from tests.builders import HYNIX, NINE, SAMSUNG, STRATEGY, after, created, filled
from tests.engine.paper import PRICE, Answer, MemoryJournal, PaperBroker, PaperFeed
from tests.engine.world import MONDAY_NINE, run, wire, wish, world
from tests.support import VirtualClock, run_virtual


def test_recovery_says_of_each_unfinished_order_what_is_certain() -> None:
    broker_after: list[PaperBroker] = []
    saved: list[Event] = []

    async def before() -> None:
        async with world() as w:
            w.broker.answers += [Answer.LOST_AFTER]
            w.broker.mute = True
            submitting = w.services.create_task(w.submit(wish()))
            await asyncio.sleep(0.2)
            assert w.order().state is OrderState.SENT
            broker_after.append(w.broker)
            # The journal of a process killed here: one order sent, one that never left.
            lost = OrderCreated(
                order=w.desk.ledger.mint(MONDAY_NINE.date(), 1)[0], intent=wish(3), at=w.clock.now()
            )
            saved.extend([*w.journal.events, lost])
            submitting.cancel()

    async def afterwards() -> None:
        broker = broker_after[0]
        broker.mute = False
        async with world(journal=MemoryJournal(saved), broker=broker) as w:
            assert w.order(2).state is OrderState.REJECTED
            assert w.order(2).cause.startswith("NEVER_SENT")
            assert len(w.facts(OrderDoubted)) == 1
            await w.until(lambda: w.order(1).state is OrderState.FILLED)
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == broker.cash
            assert len(w.facts(OrderSent)) == 1
            assert len(broker.kept) == 1
            [order] = await w.submit(wish())
            assert isinstance(order, Order)
            assert order.id == "20261123-0003"

    run(before())
    run(afterwards())


def test_a_journal_that_contradicts_itself_is_not_traded_on() -> None:
    async def scenario() -> None:
        async with world(journal=MemoryJournal([created("20261123-0001"), filled("nobody", 1)])):
            pass

    with pytest.raises(InvariantBroken):
        run(scenario())


def test_real_trading_waits_to_be_armed_once() -> None:
    async def scenario() -> None:
        async with world(must_be_armed=True) as w:
            [denied] = await w.submit(wish())
            assert isinstance(denied, Denied)
            assert "armed" in denied.detail
            broker, journal = w.broker, w.journal
        for armed in (True, False):
            async with world(must_be_armed=True, armed=armed, broker=broker, journal=journal) as w:
                [order] = await w.submit(wish())
                assert isinstance(order, Order)
                assert len(w.facts(TradingArmed)) == 1

    run(scenario())


def test_a_halt_outlives_the_process_until_it_is_lifted() -> None:
    async def scenario() -> None:
        halted = TradingHalted(reason="lunch", at=NINE)
        async with world(journal=MemoryJournal([halted])) as w:
            assert w.desk.gate.reasons == {Shutter.OPERATOR: "lunch"}
        resumed = TradingResumed(reason="back", at=NINE)
        async with world(journal=MemoryJournal([halted, resumed])) as w:
            assert w.desk.gate.is_open

    run(scenario())


def test_a_discrepancy_outlives_the_process_until_the_books_agree() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock())
        async with world(broker=broker) as w:
            broker.cash += 1
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            journal = w.journal
        async with world(broker=broker, journal=journal) as w:
            assert list(w.desk.gate.reasons) == [Shutter.DISCREPANCY]
            assert len(w.facts(DiscrepancyFound)) == 1
            broker.cash -= 1
            await w.until(lambda: w.desk.gate.is_open)

    run(scenario())


def test_after_recovery_the_gate_is_shut_for_every_reason_there_is() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        broker = PaperBroker(clock)
        journal = MemoryJournal(
            [
                DiscrepancyFound(subject="cash", ours="1 KRW", theirs="2 KRW", at=NINE),
                TradingHalted(reason="lunch", at=NINE),
            ]
        )
        feed = PaperFeed(broker, clock)
        desk = wire(clock=clock, broker=broker, journal=journal, feed=feed)
        desk.recover(must_be_armed=True, armed=False)
        assert set(desk.gate.reasons) == {
            Shutter.STARTING,
            Shutter.STREAM,
            Shutter.BLIND,
            Shutter.DISCREPANCY,
            Shutter.OPERATOR,
            Shutter.ARMING,
        }
        assert desk.gate.reasons[Shutter.DISCREPANCY] == "cash: ours 1 KRW, the broker's 2 KRW"

    run(scenario())


def test_an_operator_may_start_on_the_brokers_books() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock())
        async with world(broker=broker) as w:
            broker.cash += 1
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            journal = w.journal
        async with world(broker=broker, journal=journal, accept_broker_books=True) as w:
            assert w.desk.gate.is_open
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == broker.cash
            assert len(w.facts(AccountReported)) == 2

    run(scenario())


class Unheard(VirtualClock):
    """No heartbeat has come yet, as at the start of every daemon that the broker tells the time."""

    known = False


class Late(PaperBroker):
    """Balances lag: until `shows_at` they tell of `before`."""

    def __init__(self) -> None:
        super().__init__(VirtualClock())
        self.before: AccountReported | None = None
        self.shows_at = MONDAY_NINE

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        if self.before is not None and self.clock.now() < self.shows_at:
            return replace(self.before, at=self.clock.now())
        return await super().account(regions=regions)


@pytest.mark.parametrize("accept", [True, False])
def test_a_fill_just_before_a_restart_is_not_undone_by_a_balance_that_lags(*, accept: bool) -> None:
    broker, journal = Late(), MemoryJournal()

    async def first_life() -> datetime:
        async with world(broker=broker, journal=journal) as w:
            await asyncio.sleep(100)
            broker.before = await broker.account()
            broker.shows_at = w.clock.now()
            await w.submit(wish(quantity=10))
            await w.until(lambda: w.desk.ledger.portfolio.position(SAMSUNG).quantity == 10)
            return w.clock.now()

    async def second_life() -> None:
        clock = Unheard(died + timedelta(seconds=5))
        broker.shows_at = died + timedelta(seconds=55)
        asyncio.get_running_loop().call_later(3, setattr, clock, "known", True)
        async with world(
            broker=broker, journal=journal, clock=clock, accept_broker_books=accept
        ) as w:
            await asyncio.sleep(100)
            portfolio = w.desk.ledger.portfolio
            assert portfolio.position(SAMSUNG).quantity == 10
            assert portfolio.strategy_position(STRATEGY, SAMSUNG).quantity == 10
            assert not w.facts(DiscrepancyFound)

    died = run_virtual(first_life())
    run(second_life())


def test_a_broker_that_cannot_be_asked_stops_the_start() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), inquiry_fails=10_000)
        with pytest.raises(ExceptionGroup) as failure:
            async with world(broker=broker):
                pass
        assert failure.group_contains(NeedsOperator, match="could not be reached")

    run(scenario())


def test_an_emptied_account_is_adopted_when_an_operator_says_so() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock())
        async with world(broker=broker) as w:
            journal = w.journal
        broker.cash = Decimal(0)
        with pytest.raises(ExceptionGroup) as failure:
            async with world(broker=broker, journal=journal):
                pass
        assert failure.group_contains(NeedsOperator, match="could not be reached")
        async with world(broker=broker, journal=journal, accept_broker_books=True) as w:
            assert w.desk.gate.is_open
            assert w.desk.ledger.portfolio.cash_of(Currency.KRW) == 0

    run(scenario())


def test_books_that_never_come_to_rest_stop_the_start() -> None:
    class Restless(PaperBroker):
        async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
            self.cash += 1
            return await super().account(regions=regions)

    async def scenario(accept: bool, problem: str) -> None:
        with pytest.raises(ExceptionGroup) as failure:
            async with world(broker=Restless(VirtualClock()), accept_broker_books=accept):
                pass
        assert failure.group_contains(NeedsOperator, match=problem)

    run(scenario(False, "could not be judged"))
    run(scenario(True, "cannot be adopted yet: NOT_QUIET"))


def test_a_broker_that_answers_late_only_delays_the_start() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), inquiry_fails=20)
        async with world(broker=broker) as w:
            assert w.desk.gate.is_open
            assert w.clock.monotonic() > 15
            assert w.desk.reconciliation.stats.failed_passes > 10

    run(scenario())


def test_an_instrument_without_a_quote_waits_for_its_first_trade() -> None:
    class Silent(PaperBroker):
        async def info(self, instrument: InstrumentId) -> InstrumentInfo:
            if instrument == HYNIX:
                raise TryLater("BUSY", "try again", delay=1.0)
            return await super().info(instrument)

    async def scenario() -> None:
        async with world(broker=Silent(VirtualClock())) as w:
            denied, order = await w.submit(wish(instrument=HYNIX), wish())
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.NO_PRICE
            assert isinstance(order, Order)
            w.feed.trade(HYNIX)
            [order] = await w.submit(wish(instrument=HYNIX))
            assert isinstance(order, Order)

    run(scenario())


def test_prices_are_learnt_from_the_stream_and_anew_every_trading_day() -> None:
    asked: list[str] = []

    class Counting(PaperBroker):
        async def info(self, instrument: InstrumentId) -> InstrumentInfo:
            asked.append(f"{self.clock.now():%a %H}")
            return await super().info(instrument)

    async def scenario() -> None:
        # Asked at the start, and again on Monday from 08:20 in Seoul, 23:20 UTC on Sunday.
        saturday = MONDAY_NINE + timedelta(days=5, hours=14, minutes=50)
        async with world(broker=Counting(VirtualClock()), start=saturday) as w:
            w.feed.trade(SAMSUNG, PRICE + 100)
            assert w.desk.quotes.last_price(SAMSUNG) == PRICE + 100
            assert w.feed.wanted == [
                Interest(channel, each)
                for channel in ("trades", "book")
                for each in w.desk.instruments
            ]
            w.broker.prices[SAMSUNG] = PRICE + 200
            await asyncio.sleep(34 * 3600)
            assert asked[:4] == ["Sat 14"] * 2 + ["Sun 23"] * 2
            assert "Mon 00" in asked[4:], "silent since the open"
            assert w.desk.quotes.last_price(SAMSUNG) == PRICE + 200
            assert w.desk.quotes.upper_limit(SAMSUNG) == Decimal(91_000)

    run(scenario())


class Backlogged(MemoryJournal):
    """A journal that a start reads many facts of; `tried` are the times it was to be compacted."""

    def __init__(self, count: int) -> None:
        super().__init__([job_done()] * count)
        self.tried: list[int] = []
        self.refuses = False

    def compact(self, checkpoint: Checkpoint) -> None:
        self.tried.append(len(self.events))
        if self.refuses:
            raise OSError("no space left on device")
        super().compact(checkpoint)


def job_done() -> JobDone:
    return JobDone(job="day_reported KR", day=MONDAY_NINE.date(), at=MONDAY_NINE)


BEFORE_CLOSE = MONDAY_NINE + timedelta(hours=6, minutes=20)
"""Ten minutes before the session ends in Seoul."""


def test_the_journal_is_compacted_once_between_the_days() -> None:
    async def scenario() -> None:
        journal = Backlogged(COMPACT_AT)
        async with world(journal=journal, start=BEFORE_CLOSE) as w:
            await w.submit(wish())
            await asyncio.sleep(9 * 60)
            assert journal.tried == []
            await asyncio.sleep(2 * 60)
            assert len(journal.tried) == 1
            await asyncio.sleep(12 * 3600)
            assert len(journal.tried) == 1
            again = Ledger(journal)
            assert again.recover() == len(journal.events) - journal.tried[0]
            assert vars(again.portfolio) == vars(w.desk.ledger.portfolio)

    run(scenario())


def test_a_journal_with_little_to_read_is_left_as_it_is() -> None:
    async def scenario() -> None:
        journal = Backlogged(COMPACT_AT // 2)
        async with world(journal=journal, start=BEFORE_CLOSE):
            await asyncio.sleep(12 * 3600)
            assert journal.tried == []

    run(scenario())


def test_the_journal_is_compacted_though_an_order_is_open() -> None:
    async def scenario() -> None:
        journal = Backlogged(COMPACT_AT)
        async with world(journal=journal, start=BEFORE_CLOSE) as w:
            w.broker.fill_at_once = False
            await w.submit(wish())
            await asyncio.sleep(10 * 60 + 30)
            assert len(w.desk.ledger.portfolio.open_orders()) == 1
            assert len(journal.tried) == 1

    run(scenario())


def test_a_journal_that_refuses_is_asked_again_after_as_many_facts_more() -> None:
    async def scenario() -> None:
        journal = Backlogged(COMPACT_AT)
        journal.refuses = True
        async with world(journal=journal, start=BEFORE_CLOSE + timedelta(hours=1)) as w:
            await asyncio.sleep(600)
            assert len(journal.tried) == 1
            w.desk.ledger.record(*[job_done()] * COMPACT_AT)
            await asyncio.sleep(600)
            assert len(journal.tried) == 2
            journal.refuses = False
            w.desk.ledger.record(*[job_done()] * COMPACT_AT)
            await asyncio.sleep(600)
            assert len(journal.tried) == 3
            assert w.desk.ledger.backlog < COMPACT_AT

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


@pytest.mark.parametrize(
    ("answer", "state"),
    [(Answer.LOST_AFTER, OrderState.FILLED), (Answer.LOST_BEFORE, OrderState.REJECTED)],
)
def test_converging_waits_for_the_end_of_every_doubt(answer: Answer, state: OrderState) -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.answers.append(answer)
            w.broker.mute = True
            w.broker.inquiry_fails = 10
            [order] = await w.submit(wish())
            assert isinstance(order, Order)
            assert order.state is OrderState.IN_DOUBT
            await w.desk.converge()
            assert w.order().state is state
            assert w.clock.now() > after(10)

    run(scenario())


class KeepsAPrice(PaperBroker):
    """Says nothing about one instrument."""

    async def info(self, instrument: InstrumentId) -> InstrumentInfo:
        if instrument == SAMSUNG:
            await asyncio.sleep(10_000.0)
        return await super().info(instrument)


def test_a_price_that_is_not_told_only_delays_the_start() -> None:
    async def scenario() -> None:
        broker = KeepsAPrice(VirtualClock())
        with capture_logs() as lines:
            async with world(broker=broker) as w:
                assert w.clock.monotonic() < START_LIMIT / 2
                assert w.desk.gate.why() == ""
        [told] = [line for line in lines if line["event"] == "starting_without_prices"]
        assert told["instruments"] == [SAMSUNG, HYNIX]

    run(scenario())


def test_a_region_whose_prices_are_not_told_keeps_no_other_from_its_own() -> None:
    async def scenario() -> None:
        apple = InstrumentId("nasdaq:AAPL")
        broker = KeepsAPrice(VirtualClock(), dollars=Decimal(0), holdings={apple: 1})
        async with world(broker=broker, regions=(Region.KR, Region.US)) as w:
            await w.until(lambda: w.desk.ledger.portfolio.position(apple).quantity == 1)
            await w.until(lambda: w.desk.quotes.last_price(apple) is not None)
            assert w.desk.quotes.last_price(SAMSUNG) is None

    run(scenario())
