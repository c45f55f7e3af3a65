"""The timetable: windows, late starts, restarts, failures, clocks that jump, and a whole year."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from random import Random

import pytest
from structlog.testing import capture_logs

from daemon.clock import SimulatedClock
from daemon.config import load_settings
from daemon.core.calendar import KST, Calendars, MarketCalendar
from daemon.core.costs import CostSchedule
from daemon.core.entries import CloseAction, ClosePlan
from daemon.core.errors import InvariantBroken, NeedsOperator, TryLater
from daemon.core.profit import ProfitBook
from daemon.core.tieout import BrokerProfit
from daemon.core.values import InstrumentId, Region
from daemon.engine.closing import closing_jobs
from daemon.engine.routine import AFTER_CLOSE, BEFORE_OPEN, IN_SESSION, desk_jobs
from daemon.engine.tieouts import TieOuts
from daemon.engine.timetable import (
    RETRY,
    Anchor,
    ClockWindow,
    Job,
    Moment,
    Occasion,
    SessionTrigger,
    SessionWindow,
    Timetable,
    Window,
)
from daemon.ports import Clock
from tests.builders import SAMSUNG
from tests.engine.paper import MemoryJournal, PaperBroker, PaperFeed
from tests.engine.world import wire
from tests.support import VirtualClock, run_virtual
from tests.test_tidy import ROOT

TABLE = load_settings("sim", environ={}, root=ROOT).calendars
PLAIN = Calendars({Region.KR: MarketCalendar()})
MONDAY = date(2026, 11, 23)
REGIONS = (Region.KR, Region.US)
APPLE = InstrumentId("nasdaq:AAPL")


class NotCalled:
    """Access, and a broker's word on profit, that nobody asks for here."""

    async def renew_ahead(self, until: datetime) -> None:
        raise AssertionError(until)

    async def trade_profits(self, *asked: object, **more: object) -> list[BrokerProfit]:
        raise AssertionError((asked, more))


class Marks:
    """What a journal keeps."""

    def __init__(self) -> None:
        self.done: list[tuple[str, date]] = []

    def is_done(self, job: str, day: date) -> bool:
        return (job, day) in self.done

    def mark_done(self, job: str, day: date) -> None:
        assert (job, day) not in self.done
        self.done.append((job, day))


class Diary:
    """What jobs did, and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.entries: list[tuple[str, date, datetime]] = []

    def writes(self, name: str) -> Callable[[Occasion], Awaitable[None]]:
        async def work(occasion: Occasion) -> None:
            self.entries.append((name, occasion.day, self.clock.now()))

        return work

    def job(self, name: str, window: Window, region: Region = Region.KR) -> Job:
        return Job(name, region, window, self.writes(f"{name} {region}"))

    @property
    def days(self) -> list[tuple[str, date]]:
        return [(name, day) for name, day, _ in self.entries]


def seoul(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), KST)


def run_for(
    jobs: Callable[[Diary], Sequence[Job]],
    start: datetime,
    hours: float,
    *,
    marks: Marks | None = None,
    patience: float = 30.0,
) -> Diary:
    """Run a timetable in virtual time; what its jobs wrote."""

    async def main() -> Diary:
        clock = VirtualClock(start)
        diary = Diary(clock)
        table = Timetable(
            jobs(diary),
            calendars=PLAIN,
            clock=clock,
            marks=Marks() if marks is None else marks,
            patience=patience,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(hours * 3600):
                await table.run()
        return diary

    return run_virtual(main())


def day_jobs(diary: Diary) -> list[Job]:
    return [diary.job("opened", IN_SESSION), diary.job("closed", AFTER_CLOSE)]


def test_a_day_opens_and_closes_on_the_second() -> None:
    diary = run_for(day_jobs, seoul(MONDAY, "07:00"), 24)

    assert diary.days == [("opened KR", MONDAY), ("closed KR", MONDAY)]
    for (_, _, at), due in zip(diary.entries, ("09:00", "15:30"), strict=True):
        assert timedelta(0) <= at - seoul(MONDAY, due) < timedelta(seconds=0.1)


def test_a_late_start_catches_up_while_the_window_is_open() -> None:
    started = seoul(MONDAY, "14:59:59")
    diary = run_for(day_jobs, started, 0.1)

    assert diary.days == [("opened KR", MONDAY)]
    assert diary.entries[0][2] == started


def test_a_window_that_is_over_is_not_caught_up() -> None:
    friday, saturday = date(2026, 11, 27), date(2026, 11, 28)
    over_night = SessionWindow(Moment(Anchor.CLOSE), Moment(Anchor.NEXT_OPEN))

    def jobs(diary: Diary) -> list[Job]:
        return [*day_jobs(diary), diary.job("reported", over_night)]

    assert run_for(jobs, seoul(saturday, "12:00"), 24).days == [("reported KR", friday)]


def test_a_restart_repeats_nothing() -> None:
    marks = Marks()
    first = run_for(day_jobs, seoul(MONDAY, "08:00"), 2, marks=marks)
    second = run_for(day_jobs, seoul(MONDAY, "10:00"), 24 - 3, marks=marks)

    assert first.days == [("opened KR", MONDAY)]
    assert second.days == [("closed KR", MONDAY)]


def test_jobs_of_one_moment_run_in_their_order() -> None:
    def jobs(diary: Diary) -> list[Job]:
        return [diary.job(name, IN_SESSION) for name in ("b", "a", "c")]

    diary = run_for(jobs, seoul(MONDAY, "08:00"), 2)

    assert [name for name, _ in diary.days] == ["b KR", "a KR", "c KR"]


def test_a_job_by_the_clock_of_the_exchange() -> None:
    def jobs(diary: Diary) -> list[Job]:
        morning = ClockWindow(time(7, 10), timedelta(hours=1))
        night = ClockWindow(time(23, 30), timedelta(hours=2), every_day=True)
        return [diary.job("masters", morning), diary.job("tidy", night)]

    friday = date(2026, 11, 27)
    diary = run_for(jobs, seoul(friday, "00:00"), 24 * 4)

    days = [friday + timedelta(days=each) for each in range(4)]
    # The night before was still open at midnight.
    assert [day for name, day in diary.days if name == "tidy KR"] == [
        friday - timedelta(days=1),
        *days,
    ]
    assert [day for name, day in diary.days if name == "masters KR"] == [friday, days[3]]


def test_what_fails_is_tried_again_and_holds_up_nobody() -> None:
    tries: list[datetime] = []

    def jobs(diary: Diary) -> list[Job]:
        async def fails_twice(occasion: Occasion) -> None:
            tries.append(diary.clock.now())
            if len(tries) < 3:
                raise TryLater("BUSY", "not now", delay=1.0)

        return [Job("shaky", Region.KR, IN_SESSION, fails_twice), diary.job("opened", IN_SESSION)]

    with capture_logs() as logs:
        diary = run_for(jobs, seoul(MONDAY, "08:59"), 2)

    assert diary.days == [("opened KR", MONDAY)]
    assert len(tries) == 3
    for earlier, later in pairwise(tries):
        assert later - earlier >= timedelta(seconds=RETRY)
    failed = [each for each in logs if each["event"] == "job_failed"]
    assert [each["job"] for each in failed] == ["shaky KR"] * 2


def test_what_never_succeeds_is_told_of_once() -> None:
    def jobs(diary: Diary) -> list[Job]:
        async def fails(occasion: Occasion) -> None:
            raise ZeroDivisionError("a bug of a job")

        return [Job("broken", Region.KR, BEFORE_OPEN, fails)]

    with capture_logs() as logs:
        run_for(jobs, seoul(MONDAY, "07:00"), 10)

    missed = [each for each in logs if each["event"] == "job_missed"]
    assert [(each["job"], each["day"]) for each in missed] == [("broken KR", MONDAY)]


def test_a_job_that_hangs_is_ended_with_its_window() -> None:
    began: list[date] = []
    ended: list[datetime] = []

    def jobs(diary: Diary) -> list[Job]:
        async def hangs(occasion: Occasion) -> None:
            began.append(occasion.day)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(diary.clock.now())

        return [Job("stuck", Region.KR, BEFORE_OPEN, hangs), diary.job("opened", IN_SESSION)]

    with capture_logs() as logs:
        diary = run_for(jobs, seoul(MONDAY, "07:00"), 26)

    assert diary.days == [("opened KR", MONDAY)]
    assert began == [MONDAY, MONDAY + timedelta(days=1)]
    assert timedelta(0) <= ended[0] - seoul(MONDAY, "08:59") < timedelta(minutes=1)
    assert {"job_overdue", "job_missed"} <= {each["event"] for each in logs}


@pytest.mark.parametrize("error", [NeedsOperator("look"), InvariantBroken("wrong books")])
def test_what_must_stop_the_daemon_does(error: Exception) -> None:
    def jobs(diary: Diary) -> list[Job]:
        async def breaks(occasion: Occasion) -> None:
            raise error

        return [Job("fatal", Region.KR, IN_SESSION, breaks)]

    with pytest.raises(ExceptionGroup) as caught:
        run_for(jobs, seoul(MONDAY, "08:59"), 1)
    assert caught.value.exceptions == (error,)


@pytest.mark.parametrize("jump", [-7200.0, -1800.0, 1800.0, 5 * 3600.0])
def test_a_clock_that_is_set_neither_loses_nor_repeats_a_job(jump: float) -> None:
    async def main() -> Diary:
        clock = VirtualClock(seoul(MONDAY, "08:45"))
        diary, marks = Diary(clock), Marks()
        table = Timetable(day_jobs(diary), calendars=PLAIN, clock=clock, marks=marks)
        with suppress(TimeoutError):
            async with asyncio.timeout(12 * 3600), asyncio.TaskGroup() as tasks:
                tasks.create_task(table.run())
                await asyncio.sleep(20 * 60)
                clock.set_wrong(jump)
                await asyncio.sleep(3600)
                clock.set_wrong(0.0)
        return diary

    assert run_virtual(main()).days == [("opened KR", MONDAY), ("closed KR", MONDAY)]


def test_a_clock_set_forward_over_the_open_is_noticed_soon() -> None:
    async def main() -> float:
        clock, told = VirtualClock(seoul(MONDAY, "06:00")), asyncio.Event()

        async def tell(occasion: Occasion) -> None:
            told.set()

        jobs = [Job("opened", Region.KR, IN_SESSION, tell)]
        table = Timetable(jobs, calendars=PLAIN, clock=clock, marks=Marks())
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(table.run())
            await asyncio.sleep(600)
            clock.set_wrong(4 * 3600.0)
            jumped = clock.monotonic()
            async with asyncio.timeout(3600):
                await told.wait()
            running.cancel()
        return clock.monotonic() - jumped

    assert run_virtual(main()) <= 31


@pytest.mark.parametrize("speed", [0.1, 1.0, 60.0, 300.0])
def test_a_simulated_clock_may_run_at_another_pace(speed: float) -> None:
    async def main() -> Diary:
        loop = asyncio.get_running_loop()
        clock = SimulatedClock(
            seoul(MONDAY, "08:50"), speed=speed, origin=loop.time(), monotonic=loop.time
        )
        diary = Diary(clock)
        table = Timetable(day_jobs(diary), calendars=PLAIN, clock=clock, marks=Marks())
        with suppress(TimeoutError):
            async with asyncio.timeout(8 * 3600 / speed):
                await table.run()
        return diary

    diary = run_virtual(main())
    assert diary.days == [("opened KR", MONDAY), ("closed KR", MONDAY)]
    for (_, _, at), due in zip(diary.entries, ("09:00", "15:30"), strict=True):
        assert timedelta(0) <= at - seoul(MONDAY, due) < timedelta(seconds=max(0.1, speed / 10))


def test_a_trigger_only_tells_the_next_time() -> None:
    calendar = TABLE.of(Region.US)
    trigger = SessionTrigger(calendar, Moment(Anchor.OPEN))
    friday = datetime(2026, 3, 6, 14, 30, tzinfo=UTC)

    assert trigger.get_next_fire_time(None, friday) == friday
    # The clocks went forward over the weekend.
    assert trigger.get_next_fire_time(friday, friday) == datetime(2026, 3, 9, 13, 30, tzinfo=UTC)


def test_wrong_jobs_are_refused() -> None:
    clock = SimulatedClock(seoul(MONDAY, "08:50"), monotonic=lambda: 0.0)
    diary = Diary(clock)

    with pytest.raises(ValueError, match="the same name"):
        Timetable([diary.job("a", IN_SESSION)] * 2, calendars=PLAIN, clock=clock, marks=Marks())
    with pytest.raises(ValueError, match="no calendar of US"):
        Timetable(
            [diary.job("a", IN_SESSION, Region.US)], calendars=PLAIN, clock=clock, marks=Marks()
        )


def test_without_jobs_it_only_waits() -> None:
    assert run_for(lambda diary: [], seoul(MONDAY, "08:00"), 48).entries == []


def routine_of_both_markets(clock: VirtualClock) -> list[Job]:
    """Every job that a daemon of both markets has a day, but for the masters, which are fetched
    in the window of the renewal."""
    broker = PaperBroker(clock)
    desk = wire(
        clock=clock,
        broker=broker,
        journal=MemoryJournal(),
        feed=PaperFeed(broker, clock),
        instruments=(SAMSUNG, APPLE),
        regions=REGIONS,
        calendars=TABLE,
    )
    closing = closing_jobs(
        ClosePlan(
            action=CloseAction.FLATTEN, span=timedelta(minutes=30), regions=frozenset(REGIONS)
        ),
        selling=desk.selling,
        ledger=desk.ledger,
        calendars=TABLE,
        clock=clock,
    )
    tie_outs = TieOuts(
        NotCalled(),
        profit=ProfitBook(CostSchedule(TABLE.by_region), TABLE.by_region),
        regions=REGIONS,
        calendars=TABLE,
        marks=Marks(),
        clock=clock,
    )
    return [
        *desk_jobs(desk, access=NotCalled(), calendars=TABLE),
        *closing,
        *tie_outs.jobs(),
    ]


def test_a_year_does_every_job_of_every_day_once_in_both_markets() -> None:
    """Some two hundred processes one after another, each killed at an instant of its own."""
    random = Random(20260102)
    first = date(2026, 1, 1)
    year = [first + timedelta(days=each) for each in range(365)]

    async def main() -> tuple[Diary, list[Job]]:
        clock, marks = VirtualClock(datetime(2025, 12, 31, 21, 30, tzinfo=UTC)), Marks()
        diary = Diary(clock)
        routine = routine_of_both_markets(clock)
        jobs = [diary.job(job.name, job.window, job.region) for job in routine]
        while clock.now() < datetime(2027, 1, 1, 16, tzinfo=UTC):
            table = Timetable(jobs, calendars=TABLE, clock=clock, marks=marks, patience=3600.0)
            with suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(0, 4 * 86_400)):
                    await table.run()
            # Down for at most half an hour, so that no window passes unseen.
            await asyncio.sleep(random.uniform(0, 1800))
        return diary, jobs

    diary, jobs = run_virtual(main())
    for region, trading_days in ((Region.KR, 244), (Region.US, 251)):
        assert sum(map(TABLE.of(region).is_trading_day, year)) == trading_days
    told: dict[str, list[date]] = {job.key: [] for job in jobs}
    for name, day, _ in diary.entries:
        told[name].append(day)
    for job in jobs:
        calendar = TABLE.of(job.region)
        days = [day for day in year if job.window.occasion(calendar, day) is not None]
        assert [day for day in told[job.key] if day.year == 2026] == days, job.key
        assert len(days) in (365, 244, 251)
    assert {job.name for job in jobs} > {"session_opened", "session_closed", "day_reported"}
    assert {job.name for job in jobs} > {"day_judged", "before_close", "profit_tied_out"}
    _came_in_time(diary)


def _came_in_time(diary: Diary) -> None:
    """No later than the process was down, on odd days and both sides of the clock changes, too."""
    expected = {
        ("session_opened KR", date(2026, 1, 2)): "2026-01-02T01:00",
        ("session_closed KR", date(2026, 1, 2)): "2026-01-02T06:30",
        ("session_opened KR", date(2026, 11, 19)): "2026-11-19T01:00",
        ("session_closed KR", date(2026, 11, 19)): "2026-11-19T07:30",
        ("session_opened US", date(2026, 3, 6)): "2026-03-06T14:30",
        ("session_opened US", date(2026, 3, 9)): "2026-03-09T13:30",
        ("session_opened US", date(2026, 10, 30)): "2026-10-30T13:30",
        ("session_opened US", date(2026, 11, 2)): "2026-11-02T14:30",
        ("session_closed US", date(2026, 11, 27)): "2026-11-27T18:00",
        ("session_closed US", date(2026, 12, 24)): "2026-12-24T18:00",
    }
    at = {(name, day): when for name, day, when in diary.entries}
    for key, instant in expected.items():
        late = at[key] - datetime.fromisoformat(instant).replace(tzinfo=UTC)
        assert timedelta(0) <= late <= timedelta(minutes=30), key
