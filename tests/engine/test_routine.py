"""What a desk does every day: strategies hear it, access is renewed, the day is reported."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.costs import CostSchedule
from daemon.core.events import JobDone, OrderIntent
from daemon.core.profit import ProfitBook
from daemon.core.values import Region, Session, Side
from daemon.engine.host import RunState
from daemon.engine.ledger import Ledger
from daemon.engine.routine import DaysAhead, LedgerMarks, before_close, desk_timetable
from daemon.engine.timetable import Job, Occasion
from daemon.strategy import (
    SessionClosed,
    SessionEvent,
    SessionOpened,
    StrategyContext,
)
from tests.builders import SAMSUNG, STRATEGY
from tests.core.days import CALENDARS as DAYS
from tests.engine.paper import PRICE, MemoryJournal, PaperBroker
from tests.engine.world import MONDAY_NINE, World, idle, run, wish, world
from tests.support import VirtualClock

MONDAY = date(2026, 11, 23)
CLOSE = MONDAY_NINE + timedelta(hours=6, minutes=30)
CALENDARS = Calendars({Region.KR: MarketCalendar(known_until=date(2026, 12, 31))})


class Keys:
    """Notes until when access was asked for."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    async def renew_ahead(self, until: datetime) -> None:
        self.asked.append(until)


def keep_time(w: World, keys: Keys | None = None) -> asyncio.Task[None]:
    access = Keys() if keys is None else keys
    table = desk_timetable(w.desk, access=access, calendars=CALENDARS, clock=w.clock)
    return w.services.create_task(table.run())


class Listener:
    """A strategy that keeps what it hears of sessions."""

    def __init__(self) -> None:
        self.heard: list[SessionEvent] = []

    async def __call__(self, context: StrategyContext) -> None:
        async for event in context.events():
            if isinstance(event, SessionEvent):
                self.heard.append(event)


def test_strategies_hear_the_open_and_the_close_once() -> None:
    first, second = Listener(), Listener()

    async def scenario() -> None:
        async with world(first, second, start=MONDAY_NINE - timedelta(minutes=30)) as w:
            keeping = keep_time(w)
            await w.until(lambda: len(second.heard) == 2, limit=10 * 3600)
            await asyncio.sleep(3600)
            assert w.clock.now() > CLOSE
            keeping.cancel()

    run(scenario())
    assert first.heard == second.heard
    assert first.heard == [
        SessionOpened(Region.KR, MONDAY, MONDAY_NINE, CLOSE),
        SessionClosed(Region.KR, MONDAY, CLOSE),
    ]


def test_a_strategy_that_has_not_begun_yet_hears_of_it_first_thing() -> None:
    """The host's tasks need a turn of the loop before they listen."""
    listener = Listener()

    async def scenario() -> None:
        async with world(listener) as w:
            assert w.desk.host.status[STRATEGY].state is RunState.WAITING
            w.desk.host.tell_session(SessionOpened(Region.KR, MONDAY, MONDAY_NINE, CLOSE))
            await w.until(lambda: bool(listener.heard))

    run(scenario())
    assert len(listener.heard) == 1


def test_other_regions_are_not_told() -> None:
    listener = Listener()

    async def scenario() -> None:
        async with world(listener) as w:
            await asyncio.sleep(1)
            w.desk.host.tell_session(SessionOpened(Region.US, MONDAY, MONDAY_NINE, CLOSE))
            await asyncio.sleep(1)

    run(scenario())
    assert listener.heard == []


def test_a_restart_finds_in_the_journal_what_was_done() -> None:
    journal, listener = MemoryJournal(), Listener()

    async def until(at: datetime, start: datetime) -> None:
        async with world(listener, start=start, journal=journal) as w:
            keeping = keep_time(w)
            await w.until(lambda: w.clock.now() >= at, limit=30 * 3600)
            keeping.cancel()

    run(until(MONDAY_NINE + timedelta(hours=1), MONDAY_NINE - timedelta(hours=1, minutes=10)))
    run(until(CLOSE + timedelta(hours=1), MONDAY_NINE + timedelta(hours=2)))

    assert [type(each) for each in listener.heard] == [SessionOpened, SessionClosed]
    done = [(each.job, each.day) for each in journal.events if isinstance(each, JobDone)]
    jobs = ("day_judged", "access_renewed", "calendar_checked", "session_opened", "session_closed")
    assert done == [(f"{job} KR", MONDAY) for job in (*jobs, "day_reported")]


def test_access_is_renewed_ahead_of_the_open_to_last_the_day() -> None:
    keys = Keys()

    async def scenario() -> None:
        async with world(start=MONDAY_NINE - timedelta(minutes=70)) as w:
            keeping = keep_time(w, keys)
            await w.until(lambda: bool(keys.asked), limit=7200)
            late = w.clock.now() - (MONDAY_NINE - timedelta(minutes=60))
            assert timedelta(0) <= late < timedelta(seconds=1)
            keeping.cancel()

    run(scenario())
    assert keys.asked == [CLOSE]


def logs_of(name: str, logs: list[Any]) -> list[dict[str, Any]]:
    return [each for each in logs if each["event"] == name]


def test_the_day_is_reported_after_its_close() -> None:
    async def scenario() -> None:
        async with world(idle, start=MONDAY_NINE) as w:
            keeping = keep_time(w)
            await w.submit(wish(quantity=3))
            await w.until(lambda: w.order().filled == 3)
            await w.until(
                lambda: bool([each for each in w.facts(JobDone) if "reported" in each.job]),
                limit=8 * 3600,
            )
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    (report,) = logs_of("day_report", logs)
    assert (report["day"], report["currency"], report["region"]) == (MONDAY, "KRW", "KR")
    assert (report["orders"], report["orders_filled"], report["shares_traded"]) == (1, 1, 3)
    assert (report["positions"], report["invested"]) == (1, 3 * PRICE)
    assert report["still_open"] == 0
    assert report["discrepancies"] == []


def test_what_a_day_earned_is_told_with_it() -> None:
    profit = ProfitBook(CostSchedule(DAYS), DAYS)
    broker = PaperBroker(VirtualClock(), fill_at_once=False)

    async def scenario() -> None:
        async with world(idle, start=MONDAY_NINE, broker=broker, profit=profit) as w:
            keeping = keep_time(w)
            await w.submit(wish(quantity=3))
            broker.fill(broker.kept[-1], 3)
            await w.until(lambda: w.order().filled == 3)
            await w.submit(wish(1, side=Side.SELL, limit=PRICE + 1_000))
            broker.fill(broker.kept[-1], 1)
            await w.until(lambda: w.order(2).filled == 1)
            w.feed.trade(SAMSUNG, PRICE + 500)
            await w.until(lambda: w.clock.now() > CLOSE + timedelta(hours=1), limit=8 * 3600)
            w.feed.trade(SAMSUNG, PRICE + 500)
            await w.submit(after_hours(Session.AFTER_MARKET, 5))
            broker.fill(broker.kept[-1], 5)
            await w.until(lambda: w.clock.now() > CLOSE + timedelta(hours=8), limit=8 * 3600)
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    costs = sum(each.costs.total for each in profit.of_day(Region.KR, MONDAY).values())
    day, evening = logs_of("day_profit", logs)
    assert (day["day"], day["currency"], day["region"]) == (MONDAY, "KRW", "KR")
    assert (day["realised"], day["unrealised"]) == (1_000, 2 * 500)
    assert 0 < day["costs"] < costs
    assert day["net"] == 1_000 + 2 * 500 - day["costs"]
    assert day["net_by_strategy"] == {STRATEGY: day["net"]}
    assert (evening["realised"], evening["costs"]) == (1_000, costs), "the whole day so far"
    assert evening["unrealised"] == (2 + 5) * 500
    assert (day["without_price"], day["not_counted"]) == ([], [])


def test_no_profit_is_told_where_nothing_was_ever_held() -> None:
    async def scenario() -> None:
        profit = ProfitBook(CostSchedule(DAYS), DAYS)
        async with world(idle, start=MONDAY_NINE, profit=profit) as w:
            keeping = keep_time(w)
            done = ("day_reported KR", MONDAY)
            await w.until(lambda: done in w.desk.ledger.portfolio.jobs_done, limit=8 * 3600)
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    assert len(logs_of("day_report", logs)) == 1
    assert not logs_of("day_profit", logs)


def after_hours(session: Session, quantity: int) -> OrderIntent:
    limit = None if session is Session.CLOSING_PRICE else PRICE
    return replace(wish(quantity, limit=limit), session=session)


def test_what_trades_after_the_report_has_a_line_of_its_own_when_the_day_is_over() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), fill_at_once=False)
        async with world(idle, start=MONDAY_NINE, broker=broker) as w:
            keeping = keep_time(w)
            await w.submit(wish(quantity=3))
            broker.fill(broker.kept[-1], 3)
            await w.until(lambda: w.order().filled == 3)
            await w.until(lambda: w.clock.now() > CLOSE + timedelta(minutes=5), limit=8 * 3600)
            w.feed.trade(SAMSUNG)
            await w.submit(after_hours(Session.CLOSING_PRICE, 2))
            broker.fill(broker.kept[-1], 1)
            await w.until(lambda: w.clock.now() > CLOSE + timedelta(hours=1), limit=3600)
            w.feed.trade(SAMSUNG)
            await w.submit(after_hours(Session.AFTER_MARKET, 5))
            await w.until(lambda: w.clock.now() > CLOSE + timedelta(hours=2), limit=3600)
            broker.fill(broker.kept[-1], 4)
            await w.until(lambda: w.clock.now() > CLOSE + timedelta(hours=8), limit=8 * 3600)
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    day, evening = logs_of("day_report", logs)
    assert (day["day"], day["after_hours"]) == (MONDAY, False)
    assert (day["orders"], day["orders_filled"], day["shares_traded"]) == (1, 1, 3)
    assert (evening["day"], evening["after_hours"]) == (MONDAY, True)
    assert (evening["orders"], evening["orders_filled"], evening["shares_traded"]) == (2, 2, 5)
    assert evening["still_open"] == 0, "what was left has ended with its session"
    assert (evening["positions"], evening["invested"]) == (1, 8 * PRICE)


def test_a_day_without_orders_after_hours_is_reported_once() -> None:
    async def scenario() -> None:
        async with world(idle, start=MONDAY_NINE) as w:
            keeping = keep_time(w)
            await w.submit(wish(quantity=3))
            done = ("after_hours_reported KR", MONDAY)
            await w.until(lambda: done in w.desk.ledger.portfolio.jobs_done, limit=24 * 3600)
            assert timedelta(minutes=15) <= w.clock.now() - MONDAY_NINE - timedelta(hours=11)
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    assert len(logs_of("day_report", logs)) == 1


@pytest.mark.parametrize(("day", "told"), [(date(2026, 12, 1), False), (date(2026, 12, 2), True)])
def test_it_is_said_a_month_ahead_that_the_table_ends(day: date, told: bool) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(minutes=30)

    async def scenario() -> None:
        async with world(start=start) as w:
            keeping = keep_time(w)
            await asyncio.sleep(60)
            keeping.cancel()

    with capture_logs() as logs:
        run(scenario())
    warned = logs_of("holidays_needed", logs)
    assert [each["known_until"] for each in warned] == [date(2026, 12, 31)] * told


def test_more_jobs_have_their_place_in_the_day() -> None:
    ran: list[datetime] = []

    async def scenario() -> None:
        async with world(start=MONDAY_NINE) as w:

            async def sell_out(occasion: Occasion) -> None:
                assert occasion.ends == CLOSE
                ran.append(w.clock.now())

            job = Job("sold_out", Region.KR, before_close(timedelta(minutes=10)), sell_out)
            table = desk_timetable(
                w.desk, access=None, calendars=CALENDARS, clock=w.clock, more=[job]
            )
            keeping = w.services.create_task(table.run())
            await w.until(lambda: bool(ran), limit=8 * 3600)
            await asyncio.sleep(1200)
            keeping.cancel()

    run(scenario())
    (at,) = ran
    assert timedelta(0) <= at - (CLOSE - timedelta(minutes=10)) < timedelta(seconds=1)


def test_a_region_without_a_calendar_is_refused() -> None:
    async def scenario() -> None:
        async with world() as w:
            with pytest.raises(ValueError, match="no calendar of KR"):
                desk_timetable(w.desk, access=Keys(), calendars=Calendars({}), clock=w.clock)

    run(scenario())


def test_marks_are_facts() -> None:
    async def scenario() -> None:
        journal, clock = MemoryJournal(), VirtualClock(MONDAY_NINE)
        marks = LedgerMarks(Ledger(journal), clock)
        assert not marks.is_done("session_opened KR", MONDAY)
        marks.mark_done("session_opened KR", MONDAY)
        again = Ledger(journal)
        again.recover()
        found = LedgerMarks(again, clock)
        assert found.is_done("session_opened KR", MONDAY)
        assert not found.is_done("session_opened KR", MONDAY + timedelta(days=1))
        assert not found.is_done("session_opened US", MONDAY)

    run(scenario())


def test_a_slot_knows_where_it_trades() -> None:
    async def scenario() -> None:
        async with world() as w:
            (slot,) = w.desk.host.slots
            assert slot.regions == {Region.KR}
            assert SAMSUNG in slot.instruments

    run(scenario())


class Done:
    """Marks that a test sets."""

    def __init__(self, *done: tuple[str, date]) -> None:
        self.done = set(done)

    def is_done(self, job: str, day: date) -> bool:
        return (job, day) in self.done

    def mark_done(self, job: str, day: date) -> None:
        self.done.add((job, day))


BOTH = Calendars({region: MarketCalendar(region=region) for region in (Region.KR, Region.US)})
NEW_YORK_CLOSE = datetime(2026, 11, 23, 21, tzinfo=UTC)


def test_a_run_of_both_markets_awaits_the_night_after_the_korean_day() -> None:
    marks = Done()
    ahead = DaysAhead(BOTH.by_region, BOTH, marks, MONDAY_NINE - timedelta(minutes=10))
    assert ahead.days == {"day_reported KR": MONDAY, "day_reported US": MONDAY}
    marks.mark_done("day_reported KR", MONDAY)
    assert not ahead.over(CLOSE + timedelta(minutes=15))
    assert ahead.days == {"day_reported US": MONDAY}
    assert not ahead.over(NEW_YORK_CLOSE + timedelta(minutes=15))
    marks.mark_done("day_reported US", MONDAY)
    assert ahead.over(NEW_YORK_CLOSE + timedelta(minutes=15))


def test_a_session_that_is_over_is_not_awaited_again_nor_is_a_day_without_one() -> None:
    tuesday = MONDAY + timedelta(days=1)
    assert DaysAhead([Region.KR], BOTH, Done(), CLOSE).days == {"day_reported KR": tuesday}
    saturday = MONDAY_NINE - timedelta(days=2)
    assert DaysAhead([Region.KR], BOTH, Done(), saturday).days == {"day_reported KR": MONDAY}


def test_a_report_that_was_missed_is_not_awaited_for_ever() -> None:
    ahead = DaysAhead([Region.KR], BOTH, Done(), MONDAY_NINE)
    assert not ahead.over(MONDAY_NINE + timedelta(hours=21, minutes=59))
    assert ahead.over(MONDAY_NINE + timedelta(hours=22))
