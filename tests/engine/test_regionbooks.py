"""Two regions of one account, and one of them does not answer."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import structlog

from daemon.core.errors import NeedsOperator, TryLater
from daemon.core.events import (
    AccountReported,
    Actor,
    DiscrepancyCleared,
    DiscrepancyFound,
    EmergencyReported,
    OrderExpired,
    TradingState,
    TradingStateChanged,
)
from daemon.core.leftovers import LeftCause
from daemon.core.orders import Order, OrderState
from daemon.core.portfolio import Portfolio, Position
from daemon.core.reconcile import SETTLE
from daemon.core.risk import Denied
from daemon.core.switch import Command
from daemon.core.values import (
    Currency,
    InstrumentId,
    LinkDown,
    LinkUp,
    Region,
    Side,
    Tick,
)
from daemon.core.witness import BrokerOrder
from daemon.core.zones import local_date
from daemon.engine.gate import OF_CLOSE, Shutter
from daemon.engine.regionbooks import BLIND_LIMIT, EMPTY_LASTS, NIGHT_PERIOD
from tests.builders import LIMITS, SAMSUNG
from tests.engine.paper import PRICE, Answer, MemoryJournal, PaperBroker
from tests.engine.world import MONDAY_NINE, World, run, wish, world
from tests.support import VirtualClock

APPLE = InstrumentId("nasdaq:AAPL")
BOTH = (Region.KR, Region.US)
LATE = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""Monday in New York, while Seoul sleeps."""
OUT = Command(state=TradingState.FLATTENING, who=Actor.OPERATOR, reason="out")
BROAD = replace(LIMITS, price_collar=Decimal("0.05"))


def broker(*, fill_at_once: bool = True, dollars: str = "5000.00") -> PaperBroker:
    return PaperBroker(VirtualClock(), dollars=Decimal(dollars), fill_at_once=fill_at_once)


class Counting(PaperBroker):
    """Remembers when each region's list was asked for, and of which it was told what is ours."""

    def __init__(self) -> None:
        super().__init__(VirtualClock(), dollars=Decimal("5000.00"))
        self.listed: dict[Region, list[datetime]] = {region: [] for region in BOTH}
        self.told_of: list[Region] = []

    def know(self, region: Region, ours: Iterable[InstrumentId]) -> None:
        self.told_of.append(region)
        super().know(region, ours)

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        for region in self.regions if regions is None else regions:
            self.listed[region].append(self.clock.now())
        return await super().orders(since, regions=regions)


def trade_at(w: World, price: str = "145.00") -> None:
    now = w.clock.now()
    w.desk.on_feed(Tick(APPLE, Decimal(price), 1, None, 1, now, now))


def replayed(w: World) -> tuple[Mapping[Currency, Decimal], Mapping[InstrumentId, Position]]:
    """The cash and positions that the journal tells of."""
    portfolio = Portfolio()
    for event in w.journal.events:
        portfolio.apply(event)
    return portfolio.cash, portfolio.positions


def apples(quantity: int = 1, side: Side = Side.BUY):  # type: ignore[no-untyped-def]
    return wish(quantity, side, APPLE, Decimal("145.00"))


def test_a_closed_region_is_asked_seldom_and_again_before_it_opens() -> None:
    async def scenario() -> None:
        counting = Counting()
        async with world(broker=counting, regions=BOTH, start=LATE) as w:
            await asyncio.sleep(600)
            night, day = (len(counting.listed[region]) for region in (Region.KR, Region.US))
            assert 4 <= night < day / 2
            # What was told wakes a sleeping region at once.
            w.desk.reconciliation.wake("a test")
            await asyncio.sleep(1)
            assert len(counting.listed[Region.KR]) == night + 1

            opening = datetime(2026, 11, 23, 23, 20, tzinfo=UTC)
            await asyncio.sleep((opening - w.clock.now()).total_seconds())
            assert opening - counting.listed[Region.KR][-1] < timedelta(seconds=25)
            w.desk.reconciliation.look_blind()
            assert w.desk.gate.is_open, "two minutes are no blindness by night"

    run(scenario())


@pytest.mark.parametrize("what", ["lists", "balances"])
def test_a_region_that_does_not_answer_holds_back_its_own_orders_alone(what: str) -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH, start=LATE) as w:
            trade_at(w)
            mute = w.broker.mute_lists if what == "lists" else w.broker.mute_balances
            mute.add(Region.KR)
            with structlog.testing.capture_logs() as told:
                await asyncio.sleep(300)
            assert Shutter.BLIND in w.desk.gate.reasons
            assert w.desk.gate.why(Region.US) == ""
            assert w.desk.gate.why(Region.KR).startswith("blind KR: no complete inquiry for")
            failures = [each for each in told if each["event"] == "inquiry_failed"]
            assert [each["region"] for each in failures] == [Region.KR], "once for the change"
            [order] = await w.submit(apples())
            assert isinstance(order, Order)

            mute.add(Region.US)
            await asyncio.sleep(100)
            [denied] = await w.submit(apples())
            assert isinstance(denied, Denied)
            assert "blind US" in denied.detail

            mute.clear()
            await w.until(lambda: w.desk.gate.is_open)

    run(scenario())


def test_the_broker_is_told_what_is_ours_in_each_region_from_the_start() -> None:
    async def scenario() -> None:
        first = broker(fill_at_once=False)
        journal = MemoryJournal()
        names = ("JPM", "KO", "AWAY", "GONE")
        jpm, ko, away, gone = (InstrumentId(f"nyse:{each}") for each in names)
        async with world(broker=first, regions=BOTH, start=LATE, journal=journal) as w:
            first.holdings |= {ko: 3, gone: 2}
            await w.until(lambda: len(w.facts(DiscrepancyFound)) == 2)
            await w.desk.reconciliation.adopt()
            first.holdings[gone] = 0
            await w.until(lambda: len(w.facts(DiscrepancyFound)) == 3)
            await w.desk.reconciliation.adopt()
            for each in (jpm, away):
                first.prices[each] = Decimal("145.00")
                now = w.clock.now()
                w.desk.on_feed(Tick(each, Decimal("145.00"), 1, None, 1, now, now))
            await w.submit(wish(1, Side.BUY, jpm, Decimal("145.00")))
            first.answers.append(Answer.REFUSED)
            await w.submit(wish(1, Side.BUY, away, Decimal("145.00")))
            await w.desk.reconciliation.inquire()
            assert first.ours == {Region.US: {jpm, ko}}
        first.ours.clear()
        first.mute_lists.add(Region.US)
        async with world(broker=first, regions=BOTH, start=LATE, journal=journal):
            assert first.ours[Region.US] == {jpm, ko}

    run(scenario())


def test_what_is_ours_is_told_once_a_pass_and_not_where_there_is_one_market() -> None:
    async def scenario() -> None:
        teller = Counting()
        async with world(broker=teller, regions=BOTH, start=LATE) as w:
            await w.until(lambda: w.desk.gate.is_open)
            before = {region: len(teller.listed[region]) for region in BOTH}
            teller.told_of.clear()
            await w.desk.reconciliation.inquire()
            passes = {region: len(teller.listed[region]) - before[region] for region in BOTH}
            assert min(passes.values()) >= 1
            assert teller.told_of == [Region.US] * passes[Region.US]

    run(scenario())


def test_a_slow_silence_of_one_region_does_not_slow_the_other() -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH, start=LATE) as w:
            trade_at(w)
            w.broker.mute_lists.add(Region.KR)
            w.broker.mute_for = 20.0
            w.broker.answers.append(Answer.LOST_AFTER)
            w.broker.mute = True
            await w.submit(apples())
            assert w.order().state is OrderState.IN_DOUBT
            await w.until(lambda: w.order().state is OrderState.FILLED, limit=5)

    run(scenario())


def test_what_one_region_answers_goes_on_being_judged_and_proves_nothing_of_the_other() -> None:
    async def scenario() -> None:
        async with world(broker=broker(fill_at_once=False), regions=BOTH) as w:
            await w.submit(wish())
            w.broker.answers.append(Answer.LOST_BEFORE)
            await w.submit(wish(3, limit=PRICE - 100))
            w.broker.mute_lists.add(Region.KR)
            w.broker.kept.clear()
            assert w.broker.dollars is not None
            w.broker.dollars -= 100
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            assert list(w.desk.ledger.portfolio.discrepancies) == ["cash USD"]
            w.broker.dollars += 100
            await w.until(lambda: bool(w.facts(DiscrepancyCleared)))
            await asyncio.sleep(600)
            assert w.order(1).state is OrderState.WORKING
            assert w.order(2).state is OrderState.IN_DOUBT
            # Its close passes meanwhile: only a list of Korea ends its orders.
            await asyncio.sleep(28_000)
            assert w.facts(OrderExpired) == []
            assert w.order(2).state is OrderState.IN_DOUBT
            assert [each.subject for each in w.facts(DiscrepancyFound)] == ["cash USD"]

    run(scenario())


def test_an_agreement_of_one_region_clears_nothing_of_the_other() -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH) as w:
            w.broker.cash += 1
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))
            w.broker.mute_balances.add(Region.KR)
            await asyncio.sleep(600)
            assert w.facts(DiscrepancyCleared) == []
            assert list(w.desk.ledger.portfolio.discrepancies) == ["cash KRW"]

    run(scenario())


def test_the_gap_of_the_stream_is_checked_region_by_region() -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH, start=LATE) as w:
            trade_at(w)
            w.broker.mute_lists.add(Region.KR)
            w.feed.emit(LinkDown(w.clock.now(), "reset"))
            assert all("order stream is down" in w.desk.gate.why(each) for each in BOTH)
            w.feed.emit(LinkUp(w.clock.now(), w.clock.now() - timedelta(seconds=3)))
            await w.until(lambda: w.desk.gate.why(Region.US) == "", limit=5)
            assert "gap is not checked" in w.desk.gate.why(Region.KR)
            w.broker.mute_lists.clear()
            await w.until(lambda: w.desk.gate.is_open)

    run(scenario())


def test_a_part_that_shows_nothing_is_no_balance_while_we_know_of_some() -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH, start=LATE) as w:
            trade_at(w)
            await w.submit(apples(10))
            w.broker.shows_nothing.add(Region.US)
            await asyncio.sleep(300)
            assert w.facts(DiscrepancyFound) == []
            assert "EMPTY_BALANCE" in w.desk.gate.why(Region.US)
            assert w.desk.gate.why(Region.KR) == ""
            w.broker.shows_nothing.clear()
            await w.until(lambda: w.desk.gate.is_open)

    run(scenario())


def test_a_part_that_stays_empty_becomes_a_difference_that_a_person_can_accept() -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH, start=LATE) as w:
            trade_at(w)
            await w.submit(apples(10))
            portfolio = w.desk.ledger.portfolio
            await w.until(lambda: portfolio.position(APPLE).quantity == 10)
            w.broker.shows_nothing.add(Region.US)
            await w.until(lambda: "EMPTY_BALANCE" in w.desk.gate.why(Region.US))
            emptied = w.clock.monotonic()
            await w.until(lambda: bool(portfolio.discrepancies) or w.desk.gate.is_open, limit=1_000)
            assert w.clock.monotonic() - emptied > EMPTY_LASTS - BLIND_LIMIT - 10
            assert set(portfolio.discrepancies) == {"position nasdaq:AAPL", "cash USD"}
            await asyncio.sleep(300)
            assert Shutter.DISCREPANCY in w.desk.gate.reasons
            assert Shutter.BLIND not in w.desk.gate.reasons
            assert w.desk.gate.why(Region.KR) == "", "Korea goes on"
            assert portfolio.position(APPLE).quantity == 10
            assert len(w.facts(AccountReported)) == 1

            await w.desk.reconciliation.adopt("cash USD")
            assert list(portfolio.discrepancies) == ["position nasdaq:AAPL"]
            await w.desk.reconciliation.adopt("position nasdaq:AAPL")
            assert portfolio.position(APPLE).quantity == 0
            assert portfolio.cash == {Currency.KRW: w.broker.cash, Currency.USD: Decimal(0)}
            await asyncio.sleep(300)
            assert w.desk.gate.is_open

    run(scenario())


def test_a_part_that_is_empty_only_most_of_the_time_never_becomes_a_difference() -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH, start=LATE) as w:
            for _ in range(3):
                w.broker.shows_nothing.add(Region.US)
                await asyncio.sleep(EMPTY_LASTS - 30)
                w.broker.shows_nothing.clear()
                await w.until(lambda: w.desk.gate.is_open)
            assert w.facts(DiscrepancyFound) == []

    run(scenario())


def test_a_fill_while_a_part_is_empty_says_that_it_is_not() -> None:
    async def scenario() -> None:
        purse = broker(fill_at_once=False)
        async with world(broker=purse, regions=BOTH, start=LATE) as w:
            trade_at(w)
            await w.submit(apples(10))
            purse.shows_nothing.add(Region.US)
            await asyncio.sleep(EMPTY_LASTS - 60)
            purse.fill(purse.kept[0], 4)
            await asyncio.sleep(EMPTY_LASTS - 60)
            assert w.desk.ledger.portfolio.position(APPLE).quantity == 4
            assert w.facts(DiscrepancyFound) == []
            await w.until(lambda: bool(w.facts(DiscrepancyFound)))

    run(scenario())


@pytest.mark.parametrize("times", [2, 3])
def test_books_open_on_no_part_that_is_empty_a_few_times_by_mistake(times: int) -> None:
    class Emptied(PaperBroker):
        looks = 0

        async def account(self, *, regions=None):  # type: ignore[no-untyped-def]
            if regions == (Region.US,):
                self.looks += 1
                self.shows_nothing = {Region.US} if self.looks <= times else set()
            return await super().account(regions=regions)

    async def scenario() -> None:
        purse = Emptied(VirtualClock(), dollars=Decimal(5_000))
        async with world(broker=purse, regions=BOTH) as w:
            [opened] = w.facts(AccountReported)
            assert opened.cash_of(Currency.USD) == 5_000
            purse.looks = 0
            adopted = await w.desk.reconciliation.adopt()
            assert adopted.cash_of(Currency.USD) == 5_000
            assert adopted.cash_of(Currency.KRW) == 100_000_000

    run(scenario())


def test_after_the_clock_jumped_no_order_leaves_until_both_regions_are_inquired_anew() -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH, start=LATE) as w:
            trade_at(w)
            w.clock.sure_since = float("inf")
            [denied] = await w.submit(apples())
            assert isinstance(denied, Denied)
            await asyncio.sleep(200)
            for region in BOTH:
                assert "the machine's clock jumped" in w.desk.gate.why(region)

            w.clock.sure_since = sure = w.clock.monotonic()
            await w.until(lambda: w.desk.gate.is_open, limit=NIGHT_PERIOD + BLIND_LIMIT)
            assert w.clock.monotonic() > sure
            trade_at(w)
            [order] = await w.submit(apples())
            assert isinstance(order, Order)

    run(scenario())


def test_the_kill_switch_sells_by_fresh_books_though_the_time_is_not_sure() -> None:
    async def scenario() -> None:
        held = broker()
        async with world(broker=held, regions=BOTH, start=LATE, limits=BROAD) as w:
            trade_at(w)
            await w.submit(apples(3))
            w.clock.sure_since = float("inf")
            [denied] = await w.submit(apples())
            assert isinstance(denied, Denied)
            w.desk.execute(OUT)
            await w.until(lambda: not held.holdings[APPLE])
            assert "the machine's clock jumped" in w.desk.gate.why(Region.US)

    run(scenario())


def test_an_inquiry_that_began_before_the_clock_was_sure_opens_nothing() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.clock.sure_since = float("inf")
            await w.submit(wish())
            asyncio.get_running_loop().call_later(2, w.desk.reconciliation.wake, "a test")
            await asyncio.sleep(5)
            w.clock.sure_since = w.clock.monotonic()
            assert "the machine's clock jumped" in w.desk.gate.why(Region.KR)
            w.desk.reconciliation.wake("a test")
            await w.until(lambda: w.desk.gate.is_open, limit=5)

    run(scenario())


def test_a_part_that_lasts_empty_opens_the_books_later() -> None:
    async def scenario() -> None:
        async with world(broker=broker(dollars="0"), regions=BOTH) as w:
            assert w.clock.monotonic() >= SETTLE
            assert w.desk.ledger.portfolio.cash_of(Currency.USD) == 0
            assert w.desk.gate.is_open

    run(scenario())


def test_a_difference_of_one_region_is_accepted_while_the_other_is_silent() -> None:
    async def scenario() -> None:
        async with world(broker=broker(), regions=BOTH, start=LATE) as w:
            trade_at(w)
            await w.submit(apples(7))
            await w.until(lambda: w.desk.ledger.portfolio.position(APPLE).quantity == 7)
            w.broker.cash += 1
            w.broker.holdings[SAMSUNG] = 3
            await w.until(lambda: len(w.facts(DiscrepancyFound)) == 2)
            w.broker.mute_balances.add(Region.US)
            w.broker.mute_lists.add(Region.US)
            adopted = await w.desk.reconciliation.adopt("cash KRW")
            portfolio = w.desk.ledger.portfolio
            assert adopted.cash == {Currency.KRW: w.broker.cash}
            assert portfolio.cash == w.broker.purses()
            assert portfolio.position(APPLE).quantity == 7
            assert list(portfolio.discrepancies) == ["position krx:005930"]
            await w.desk.reconciliation.adopt("position krx:005930")
            assert portfolio.position(SAMSUNG).quantity == 3
            assert w.desk.gate.why(Region.KR) == ""
            assert replayed(w) == (portfolio.cash, portfolio.positions)

    run(scenario())


def test_what_is_accepted_of_one_region_forgets_no_costs_that_the_other_is_still_to_take() -> None:
    async def scenario() -> None:
        purse = broker(fill_at_once=False, dollars="20000.00")
        async with world(broker=purse, regions=BOTH, start=LATE) as w:
            trade_at(w)
            await w.submit(apples(49))
            purse.cash += 1
            await w.until(lambda: "cash KRW" in w.desk.ledger.portfolio.discrepancies)
            purse.fill(purse.kept[0], 40)
            assert purse.dollars is not None
            purse.dollars -= 25

            async def trade() -> None:
                for _ in range(9):
                    purse.fill(purse.kept[0], 1)
                    await asyncio.sleep(30)

            trading = w.services.create_task(trade())
            await w.desk.reconciliation.adopt("cash KRW")
            assert not trading.done()
            portfolio = w.desk.ledger.portfolio
            assert portfolio.charged_of(Currency.USD) == 0
            await trading
            await w.until(lambda: portfolio.charged_of(Currency.USD) == 25)
            assert portfolio.cash == purse.purses()
            assert [each.subject for each in w.facts(DiscrepancyFound)] == ["cash KRW"]

    run(scenario())


def test_a_subject_of_no_region_asks_the_home_region_alone() -> None:
    async def scenario() -> None:
        purse, journal = broker(), MemoryJournal()
        async with world(broker=purse, journal=journal, regions=BOTH, start=LATE) as w:
            w.desk.ledger.record(
                DiscrepancyFound(subject="something old", ours="1", theirs="2", at=w.clock.now())
            )
            purse.mute_lists.add(Region.US)
            await w.desk.reconciliation.adopt("something old")
            assert w.desk.ledger.portfolio.discrepancies == {}
            purse.mute_lists = {Region.KR}
            w.desk.ledger.record(
                DiscrepancyFound(subject="something old", ours="1", theirs="2", at=w.clock.now())
            )
            with pytest.raises(TryLater, match="NOT_QUIET"):
                await w.desk.reconciliation.adopt("something old")

    run(scenario())


async def bought() -> tuple[PaperBroker, MemoryJournal]:
    """An account that bought in both regions, each in its own hours."""
    purse, journal = broker(), MemoryJournal()
    async with world(broker=purse, journal=journal, regions=BOTH, start=MONDAY_NINE) as w:
        await w.submit(wish(5))
        await w.until(lambda: w.desk.ledger.portfolio.position(SAMSUNG).quantity == 5)
        await asyncio.sleep(100)
    async with world(broker=purse, journal=journal, regions=BOTH, start=LATE) as w:
        trade_at(w)
        await w.submit(apples(7))
        await w.until(lambda: w.desk.ledger.portfolio.position(APPLE).quantity == 7)
        await asyncio.sleep(100)
    return purse, journal


@pytest.mark.parametrize("what", ["lists", "balances"])
def test_a_flattening_sees_one_region_through_while_the_other_is_silent(what: str) -> None:
    async def scenario() -> None:
        purse, journal = await bought()
        start = MONDAY_NINE + timedelta(days=1)
        async with world(broker=purse, journal=journal, regions=BOTH, start=start) as w:
            mute = purse.mute_lists if what == "lists" else purse.mute_balances
            mute.add(Region.US)
            purse.mute_for = 20.0
            await asyncio.sleep(100)
            w.desk.execute(OUT)
            await w.until(lambda: purse.holdings[SAMSUNG] == 0, limit=5)
            await w.until(lambda: bool(w.facts(EmergencyReported)), limit=100)
            told = {each.instrument: each for each in w.facts(EmergencyReported)[-1].left}
            assert (told[APPLE].cause, told[APPLE].quantity) == (LeftCause.NOT_TOLD, 7)
            assert told[APPLE].detail.startswith("the broker did not tell")
            await asyncio.sleep(300)
            assert {each.instrument for each in w.facts(EmergencyReported)[-1].left} == {APPLE}
            assert w.desk.ledger.portfolio.state is TradingState.FLATTENING

            mute.clear()
            await asyncio.sleep(60)
            (left,) = w.facts(EmergencyReported)[-1].left
            assert left.cause is LeftCause.MARKET_CLOSED
            assert w.desk.ledger.portfolio.state is TradingState.FLATTENING
            opens = LATE + timedelta(days=1)
            await asyncio.sleep((opens - w.clock.now()).total_seconds())
            trade_at(w)
            await w.until(lambda: purse.holdings[APPLE] == 0, limit=100)
            await w.until(lambda: w.desk.ledger.portfolio.state is TradingState.HALTED)

    run(scenario())


def test_a_daemon_restarted_in_flattening_sells_where_the_broker_answers() -> None:
    async def scenario() -> None:
        purse, journal = await bought()
        at = LATE + timedelta(hours=1)
        journal.append([TradingStateChanged(state=OUT.state, who=OUT.who, reason="out", at=at)])
        purse.mute_lists.add(Region.US)
        start = MONDAY_NINE + timedelta(days=1)
        async with world(broker=purse, journal=journal, regions=BOTH, start=start) as w:
            await w.until(lambda: purse.holdings[SAMSUNG] == 0, limit=5)
            assert purse.holdings[APPLE] == 7
            assert "not reconciled yet" in w.desk.gate.why(Region.US)
            purse.mute_lists.clear()
            await w.until(lambda: "blind" not in w.desk.gate.why(Region.US))

    run(scenario())


def test_a_flattening_goes_on_although_the_start_does_not_come_to_an_end() -> None:
    """The books cannot be taken over as long as America is silent, and Korea is sold out."""

    async def scenario() -> None:
        purse, journal = await bought()
        at = LATE + timedelta(hours=1)
        journal.append([TradingStateChanged(state=OUT.state, who=OUT.who, reason="out", at=at)])
        purse.mute_balances.add(Region.US)
        start = MONDAY_NINE + timedelta(days=1)
        with pytest.raises(ExceptionGroup) as failure:
            async with world(
                broker=purse, journal=journal, regions=BOTH, start=start, accept_broker_books=True
            ):
                pass
        assert failure.group_contains(NeedsOperator, match="cannot be adopted yet")
        assert purse.holdings[SAMSUNG] == 0
        assert purse.holdings[APPLE] == 7

    run(scenario())


def test_a_start_goes_on_with_the_region_that_answers_and_the_other_joins_later() -> None:
    async def scenario() -> None:
        purse, journal = await bought()
        purse.mute_lists.add(Region.KR)
        start, before = LATE + timedelta(days=1), purse.clock.monotonic()
        async with world(broker=purse, journal=journal, regions=BOTH, start=start) as w:
            assert w.clock.monotonic() - before < 35
            assert w.desk.gate.why(Region.US) == ""
            assert "blind KR: its books are not reconciled yet" in w.desk.gate.why(Region.KR)
            purse.mute_lists.clear()
            await w.until(lambda: w.desk.gate.is_open)

    run(scenario())


def test_what_is_sold_before_a_close_needs_only_its_own_region() -> None:
    async def scenario() -> None:
        purse, journal = await bought()
        start = MONDAY_NINE + timedelta(days=1)
        async with world(broker=purse, journal=journal, regions=BOTH, start=start) as w:
            purse.mute_lists.add(Region.US)
            await asyncio.sleep(100)
            await w.desk.selling.sell_out(OF_CLOSE, Region.KR)
            await w.until(lambda: purse.holdings[SAMSUNG] == 0, limit=5)
            found = await w.desk.selling.sell_out(OF_CLOSE, Region.US)
            assert [each.cause for each in found.left] == [LeftCause.NOT_TOLD]
            assert not found.is_told

    run(scenario())


def test_shares_where_nobody_is_asked_are_told_and_never_called_flat() -> None:
    async def scenario() -> None:
        purse, journal = await bought()
        start = MONDAY_NINE + timedelta(days=1)
        async with world(broker=purse, journal=journal, regions=(Region.KR,), start=start) as w:
            assert w.desk.gate.is_open
            w.desk.execute(OUT)
            await asyncio.sleep(100)
            assert purse.holdings[SAMSUNG] == 0
            (left,) = w.facts(EmergencyReported)[-1].left
            assert (left.instrument, left.cause) == (APPLE, LeftCause.NOT_TOLD)
            assert "not among the markets" in left.detail
            assert w.desk.ledger.portfolio.state is TradingState.FLATTENING

    run(scenario())


def test_an_inquiry_that_takes_long_is_no_silence() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.broker.latency = 0.4 * BLIND_LIMIT
            for _ in range(20 * int(BLIND_LIMIT)):
                await asyncio.sleep(1.0)
                w.desk.reconciliation.look_blind()
                assert w.desk.gate.why() == ""
            w.broker.inquiry_fails = 10**6
            await asyncio.sleep(3 * BLIND_LIMIT)
            w.desk.reconciliation.look_blind()
            assert "no complete inquiry" in w.desk.gate.why()

    run(scenario())


class BookedLate(PaperBroker):
    """America's part of the balance is that of before the day's trades, until it is booked."""

    def __init__(self, **held: int) -> None:
        super().__init__(VirtualClock(), dollars=Decimal("5000.00"))
        self.before: AccountReported | None = None
        self.holdings = {APPLE: sum(held.values())}
        self.is_booked = False

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        told = await super().account(regions=regions)
        if self.is_booked or regions != (Region.US,):
            return told
        self.before = self.before or told
        return replace(
            self.before,
            at=told.at,
            unbooked={Region.US: local_date(Region.US, self.clock.now())},
        )


@pytest.mark.parametrize("held", [{}, {"apple": 7}])
def test_what_the_broker_books_after_the_night_shuts_nothing(held: dict[str, int]) -> None:
    async def scenario() -> None:
        late = BookedLate(**held)
        async with world(broker=late, regions=BOTH, start=LATE, limits=BROAD) as w:
            before = sum(held.values())
            trade_at(w)
            await w.submit(apples(3))
            await w.submit(apples(1, Side.SELL))
            assert late.holdings[APPLE] == before + 2
            await asyncio.sleep(3 * SETTLE)
            assert (w.desk.gate.why(), w.desk.ledger.portfolio.discrepancies) == ("", {})
            late.is_booked = True
            await asyncio.sleep(3 * SETTLE)
            assert (w.desk.gate.why(), w.desk.ledger.portfolio.discrepancies) == ("", {})
            assert w.desk.ledger.portfolio.position(APPLE).quantity == before + 2

    run(scenario())


def test_a_difference_that_no_trade_of_ours_explains_shuts_all_the_same() -> None:
    async def scenario() -> None:
        late = BookedLate(apple=7)
        async with world(broker=late, regions=BOTH, start=LATE, limits=BROAD) as w:
            trade_at(w)
            await w.submit(apples(3))
            assert late.before is not None
            late.before = replace(late.before, holdings=())
            await asyncio.sleep(3 * SETTLE)
            assert "position nasdaq:AAPL" in w.desk.gate.why(Region.US)

    run(scenario())


def test_what_somebody_traded_by_hand_may_differ_only_once_the_night_is_booked() -> None:
    async def scenario() -> None:
        late = BookedLate(apple=7)
        async with world(broker=late, regions=BOTH, start=LATE, limits=BROAD) as w:
            trade_at(w)
            await w.submit(apples(3))
            late.by_hand(APPLE, 2)
            await asyncio.sleep(3 * SETTLE)
            assert w.desk.ledger.portfolio.external
            assert w.desk.gate.why(Region.US) == ""
            late.is_booked = True
            await asyncio.sleep(3 * SETTLE)
            assert "ours 10 shares, the broker's 12" in w.desk.gate.why(Region.US)

    run(scenario())


def test_tonights_purchases_are_sold_out_though_the_broker_does_not_show_them() -> None:
    async def scenario() -> None:
        late = BookedLate()
        async with world(broker=late, regions=BOTH, start=LATE, limits=BROAD) as w:
            trade_at(w)
            await w.submit(apples(3))
            assert late.before is not None
            assert late.before.holdings == ()
            w.desk.execute(OUT)
            await w.until(lambda: not late.holdings[APPLE])
            assert w.desk.ledger.portfolio.position(APPLE).quantity == 0

    run(scenario())


def test_a_person_takes_over_what_a_hand_has_paid_where_the_broker_is_not_late() -> None:
    async def scenario() -> None:
        prompt = BookedLate(apple=7)
        async with world(broker=prompt, regions=BOTH, start=LATE, limits=BROAD) as w:
            trade_at(w)
            await w.submit(apples(3))
            ours = w.desk.ledger.portfolio.cash_of(Currency.USD)
            prompt.before = None
            assert prompt.dollars is not None
            prompt.dollars += Decimal("50.00")
            await w.desk.reconciliation.adopt()
            assert w.desk.ledger.portfolio.cash_of(Currency.USD) == ours + 50

    run(scenario())


@pytest.mark.parametrize("subject", [None, "position nasdaq:AAPL"])
def test_late_books_are_taken_over_once_tonights_trades_are_in_them(subject: str | None) -> None:
    async def scenario() -> None:
        late = BookedLate(apple=7)
        async with world(broker=late, regions=BOTH, start=LATE, limits=BROAD) as w:
            reconciliation, portfolio = w.desk.reconciliation, w.desk.ledger.portfolio
            late.holdings[APPLE] = 8
            late.before = None
            await reconciliation.adopt(subject)
            assert portfolio.position(APPLE).quantity == 8, "nothing of ours is missing"
            trade_at(w)
            await w.submit(apples(3))
            with pytest.raises(TryLater, match="after 16:45"):
                await reconciliation.adopt(subject)
            # What differs about an order takes over no books.
            await reconciliation.adopt("order 20261123-0001")
            assert portfolio.position(APPLE).quantity == 11
            late.is_booked = True
            await reconciliation.adopt(subject)
            assert portfolio.position(APPLE).quantity == 11

    run(scenario())
