"""Two words on the day: where they differ nothing is bought, and everything may be sold."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.entries import BrokerDayTold, EntriesBarred, EntriesFreed, EntryBar
from daemon.core.errors import BadData, NeedsOperator, TradingError, TryLater
from daemon.core.events import OrderIntent
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.values import InstrumentId, Region, Session, Side, Tick
from daemon.engine.routine import desk_timetable
from tests.engine.paper import PRICE, MemoryJournal, PaperBroker
from tests.engine.world import MONDAY_NINE, World, all_weekdays, run, wish, world
from tests.support import VirtualClock

MONDAY = date(2026, 11, 23)
APPLE = InstrumentId("nasdaq:AAPL")
KR, US = Region.KR, Region.US


class Told:
    """A broker's word on days: `closed` ones, and errors to come first."""

    def __init__(self, *closed: date, errors: Sequence[TradingError] = ()) -> None:
        self.closed = set(closed)
        self.errors = list(errors)
        self.asked: list[tuple[Region, date]] = []

    async def trades_on(self, region: Region, day: date) -> bool | None:
        self.asked.append((region, day))
        await asyncio.sleep(0.1)
        if self.errors:
            raise self.errors.pop(0)
        return day not in self.closed if region is Region.KR else None


def holiday(day: date) -> Calendars:
    return Calendars({Region.KR: MarketCalendar(frozenset({day}))})


def rules(results: Sequence[Order | Denied]) -> list[Rule | None]:
    return [each.rule if isinstance(each, Denied) else None for each in results]


def keep_time(w: World, calendars: Calendars | None = None) -> asyncio.Task[None]:
    calendars = calendars or all_weekdays(Region.KR)
    table = desk_timetable(w.desk, access=None, calendars=calendars, clock=w.clock)
    return w.services.create_task(table.run())


def of(name: str, logs: list[Any]) -> list[dict[str, Any]]:
    return [each for each in logs if each["event"] == name]


def test_where_both_agree_it_trades_and_the_broker_is_asked_once_a_day() -> None:
    told, journal = Told(), MemoryJournal()

    async def day(start: datetime, until: datetime) -> None:
        async with world(days=told, journal=journal, start=start) as w:
            keeping = keep_time(w)
            await w.until(lambda: w.clock.now() >= until, limit=40 * 3600)
            keeping.cancel()

    async def scenario() -> None:
        async with world(days=told, journal=journal) as w:
            assert rules(await w.submit(wish())) == [None]
        # The same morning once more, and the next one from before eight until the open.
        await day(MONDAY_NINE + timedelta(minutes=5), MONDAY_NINE + timedelta(minutes=15))
        before_eight = MONDAY_NINE + timedelta(hours=22, minutes=50)
        await day(before_eight, before_eight + timedelta(minutes=70))

    run(scenario())
    assert told.asked == [(Region.KR, MONDAY), (Region.KR, MONDAY + timedelta(days=1))]
    facts = [each for each in journal.events if isinstance(each, BrokerDayTold)]
    assert [(each.day, each.trades) for each in facts] == [
        (MONDAY, True),
        (MONDAY + timedelta(days=1), True),
    ]
    assert not [each for each in journal.events if isinstance(each, EntriesBarred)]


def test_a_day_the_broker_calls_closed_lets_out_and_not_in() -> None:
    broker = PaperBroker(VirtualClock(), fill_at_once=False)
    journal = MemoryJournal()

    async def scenario() -> None:
        async with world(broker=broker, journal=journal) as w:
            await w.submit(wish(4), wish(5, limit=PRICE - 1_000))
            broker.fill(broker.kept[0], 4)
            await w.until(lambda: w.order(1).filled == 4)
        # The day was not asked for: that is made up for at the next start.
        for _ in range(2):
            async with world(broker=broker, journal=journal, days=Told(MONDAY)) as w:
                (denied, sold) = await w.submit(wish(6), wish(1, side=Side.SELL))
                assert isinstance(denied, Denied)
                assert denied.rule is Rule.TRADING_DAY
                assert "a trading day by our table and a holiday by the broker's" in denied.detail
                assert isinstance(sold, Order)
                moved = await w.desk.executor.modify(w.order(2).id, PRICE - 900)
                assert isinstance(moved, Denied)
                assert moved.rule is Rule.TRADING_DAY
                moved = await w.desk.executor.modify(sold.id, PRICE + 100)
                assert isinstance(moved, Order)
                broker.fill(broker.kept[-1], 1)
                await asyncio.sleep(5)
        async with world(broker=broker, journal=journal, days=Told(MONDAY)) as w:
            await w.desk.executor.cancel([w.order(2).id])
            await w.until(lambda: w.order(2).state is OrderState.CANCELLED)

    run(scenario())
    (fact,) = [each for each in journal.events if isinstance(each, EntriesBarred)]
    assert (fact.region, fact.bar) == (Region.KR, EntryBar.TRADING_DAY)
    assert fact.until == datetime(2026, 11, 23, 15, 0, tzinfo=UTC), "midnight in Seoul"


def test_it_is_told_once_as_a_warning() -> None:
    async def scenario() -> None:
        async with world(days=Told(MONDAY)) as w:
            keeping = keep_time(w)
            await w.submit(wish())
            await asyncio.sleep(3600)
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    (warned,) = of("entries_barred", logs)
    assert warned["log_level"] == "warning"
    assert "check config/holidays.yaml" in warned["reason"]


def test_an_operator_who_corrects_the_table_lifts_the_bar() -> None:
    journal, tuesday = MemoryJournal(), MONDAY + timedelta(days=1)

    async def scenario() -> None:
        async with world(days=Told(), journal=journal, calendars=holiday(MONDAY)) as w:
            assert rules(await w.submit(wish())) == [Rule.GATE_CLOSED], "closed by our table"
            assert "a holiday by our table" in w.facts(EntriesBarred)[0].reason
        async with world(days=Told(tuesday), journal=journal) as w:
            assert rules(await w.submit(wish())) == [None]
            assert len(w.facts(EntriesFreed)) == 1

    run(scenario())


@pytest.mark.parametrize(
    "error", [TryLater("BUSY", "try again", delay=1.0), BadData("no row", field="output")]
)
def test_a_broker_that_does_not_answer_leaves_the_table_alone(error: TradingError) -> None:
    told = Told(MONDAY, errors=[error])

    async def scenario() -> None:
        async with world(days=told, start=MONDAY_NINE - timedelta(minutes=65)) as w:
            assert not w.facts(EntriesBarred)
            keeping = keep_time(w)
            # The timetable asks once more ahead of the open, and is told now.
            await w.until(lambda: bool(w.facts(EntriesBarred)), limit=600)
            late = w.clock.now() - (MONDAY_NINE - timedelta(minutes=60))
            assert timedelta(0) <= late < timedelta(seconds=1), "at eight"
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    (warned,) = of("trading_day_not_told", logs)
    assert (warned["log_level"], warned["day"]) == ("warning", MONDAY)
    assert len(told.asked) == 2


def test_ahead_of_the_open_an_inquiry_that_fails_is_made_again() -> None:
    told = Told(MONDAY, errors=[TryLater("BUSY", "try again", delay=1.0)] * 3)

    async def scenario() -> None:
        async with world(days=told, start=MONDAY_NINE - timedelta(minutes=65)) as w:
            keeping = keep_time(w)
            await w.until(lambda: bool(w.facts(EntriesBarred)), limit=600)
            assert w.clock.now() < MONDAY_NINE - timedelta(minutes=55)
            keeping.cancel()

    run(scenario())
    assert len(told.asked) == 4, "at the start, at eight, and twice more"


def test_a_broker_that_never_answers_is_not_asked_into_the_session() -> None:
    told = Told(MONDAY, errors=[TryLater("BUSY", "try again", delay=1.0)] * 99)

    async def scenario() -> None:
        async with world(days=told, start=MONDAY_NINE - timedelta(minutes=65)) as w:
            keeping = keep_time(w)
            await w.until(lambda: w.clock.now() >= MONDAY_NINE - timedelta(minutes=30), limit=3600)
            asked = len(told.asked)
            assert rules(await w.submit(wish())) == [None]
            await asyncio.sleep(7200)
            assert len(told.asked) == asked
            assert asked == 7, "at the start, at eight, and five times more"
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    assert not of("job_overdue", logs)
    assert not of("job_missed", logs)
    assert of("trading_day_not_told", logs)[-1]["holds"] == "our table alone"


@pytest.mark.parametrize(
    "late", [timedelta(minutes=20), timedelta(minutes=15), timedelta(minutes=6)]
)
def test_a_late_start_that_gets_no_answer_is_done_before_its_window_ends(late: timedelta) -> None:
    told = Told(MONDAY, errors=[TryLater("BUSY", "try again", delay=1.0)] * 99)

    async def scenario() -> None:
        async with world(days=told, start=MONDAY_NINE - late) as w:
            keeping = keep_time(w)
            await w.until(lambda: w.clock.now() >= MONDAY_NINE + timedelta(hours=1), limit=7200)
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    assert not of("job_overdue", logs)
    assert not of("job_missed", logs)
    assert "day_judged KR" in {each["job"] for each in of("job_done", logs)}


def test_keys_that_are_refused_are_for_a_person() -> None:
    async def scenario() -> None:
        async with world(days=Told(errors=[NeedsOperator("the keys")])):
            pass

    with pytest.raises(ExceptionGroup) as caught:
        run(scenario())
    assert caught.group_contains(NeedsOperator)


def test_where_nobody_else_tells_the_table_holds_and_that_is_said() -> None:
    async def scenario() -> None:
        async with world() as w:
            assert rules(await w.submit(wish())) == [None]

    with capture_logs() as logs:
        run(scenario())
    assert [each["region"] for each in of("trading_day_not_offered", logs)] == [Region.KR]


def test_beyond_the_table_nothing_is_bought() -> None:
    table = Calendars({Region.KR: MarketCalendar(known_until=date(2026, 11, 22))})

    async def scenario() -> None:
        async with world(days=Told(), calendars=table) as w:
            (denied,) = await w.submit(wish())
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.TRADING_DAY
            assert "extend config/holidays.yaml" in denied.detail

    run(scenario())


def test_a_weekend_is_nobodys_question() -> None:
    told = Told()

    async def scenario() -> None:
        async with world(days=told, start=MONDAY_NINE - timedelta(days=2, minutes=70)) as w:
            keeping = keep_time(w)
            await asyncio.sleep(3600)
            assert not w.facts(EntriesBarred)
            keeping.cancel()

    run(scenario())
    assert told.asked == []


def test_the_bar_ends_with_the_day_and_holds_in_its_region_alone() -> None:
    both = (Region.KR, Region.US)
    broker = PaperBroker(VirtualClock(), dollars=Decimal("5000.00"))
    told, journal = Told(MONDAY), MemoryJournal()

    async def answers(start: datetime, wanted: OrderIntent) -> list[Rule | None]:
        async with world(broker=broker, journal=journal, regions=both, days=told, start=start) as w:
            now = w.clock.now()
            w.desk.on_feed(Tick(APPLE, Decimal("145.00"), 1, None, 1, now, now))
            return rules(await w.submit(wanted))

    async def scenario() -> None:
        american = wish(1, instrument=APPLE, limit=Decimal("145.00"))
        ten_in_new_york = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
        assert await answers(MONDAY_NINE, wish()) == [Rule.TRADING_DAY]
        before_midnight = ten_in_new_york - timedelta(minutes=10)
        assert await answers(before_midnight, american) == [None]
        assert await answers(MONDAY_NINE + timedelta(days=1), wish()) == [None]

    run(scenario())
    assert len([each for each in journal.events if isinstance(each, EntriesBarred)]) == 1


def test_an_american_day_is_judged_before_its_first_orders_are_taken() -> None:
    """Those of the opening auction, from four in the morning on."""
    table = Calendars(
        {KR: MarketCalendar(), US: MarketCalendar(region=US, known_until=MONDAY)},
    )
    broker = PaperBroker(VirtualClock(), dollars=Decimal("5000.00"), fill_at_once=False)
    wanted = wish(1, instrument=APPLE, limit=Decimal("145.00"))

    async def bid(w: World) -> list[Rule | None]:
        now = w.clock.now()
        w.desk.on_feed(Tick(APPLE, Decimal("145.00"), 1, None, 1, now, now))
        return rules(await w.submit(replace(wanted, session=Session.OPENING)))

    async def scenario() -> None:
        start = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
        async with world(broker=broker, regions=(KR, US), start=start, calendars=table) as w:
            keeping = keep_time(w, table)
            assert await bid(w) == [None]
            await asyncio.sleep(24 * 3600 - 29 * 60)
            assert await bid(w) == [Rule.TRADING_DAY], "a minute past four, on a day not known"
            keeping.cancel()

    run(scenario())
