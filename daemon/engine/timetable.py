"""The timetable: what happens once every trading day, and when.

A job has a window, not an instant: it is due while its window is open and nobody has marked it
done for that day, so a late start catches up and a restart repeats nothing. APScheduler's
triggers only tell when to look next; its own scheduler is not used, because it reads the machine's
clock and drops what a stall of two seconds made late.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

import structlog
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.errors import InvariantBroken, JournalFailed, NeedsOperator
from daemon.core.sessions import SENT, ends_at
from daemon.core.values import Region, Session
from daemon.ports import Clock

PATIENCE = 30.0
"""Machine seconds between two looks at most: a clock that was set is noticed by then."""

SHORTEST = 0.02
RETRY = 20.0
"""Machine seconds until a job that failed is tried again."""


class Occasion(NamedTuple):
    """A job's window on a day, from `begins` until just before `ends` (UTC)."""

    day: date
    begins: datetime
    ends: datetime


class Anchor(StrEnum):
    """What of a trading day a moment is counted from."""

    OPEN = "open"
    CLOSE = "close"
    LAST_END = "last_end"
    """The end of the last session that orders are sent for."""
    NEXT_OPEN = "next_open"
    """The open of the trading day after."""


class Moment(NamedTuple):
    """An instant of a trading day: `offset` after its anchor, or before it if negative."""

    anchor: Anchor
    offset: timedelta = timedelta()

    def of(self, calendar: MarketCalendar, day: date) -> datetime:
        """The instant (UTC) on `day`."""
        if self.anchor is Anchor.CLOSE:
            at = calendar.close_at(day)
        elif self.anchor is Anchor.LAST_END:
            sent = SENT.get(calendar.region, (Session.REGULAR,))
            at = max(ends_at(calendar, day, session) for session in sent)
        else:
            following = self.anchor is Anchor.NEXT_OPEN
            at = calendar.open_at(calendar.next_trading_day(day) if following else day)
        return at.astimezone(UTC) + self.offset


class Window(Protocol):
    """When a job may run."""

    def occasion(self, calendar: MarketCalendar, day: date) -> Occasion | None:
        """The window of `day`, `None` if it has none."""

    def trigger(self, calendar: MarketCalendar) -> BaseTrigger:
        """Tells when windows begin."""


class SessionTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires at a moment of every trading day, whatever hours that day has."""

    __slots__ = ("_calendar", "_moment")

    def __init__(self, calendar: MarketCalendar, moment: Moment) -> None:
        self._calendar = calendar
        self._moment = moment

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """The first firing after `previous_fire_time`, or from `now` on without one."""
        day = self._calendar.previous_trading_day(self._calendar.local_date(now))
        while True:
            at = self._moment.of(self._calendar, day)
            if at >= now and (previous_fire_time is None or at > previous_fire_time):
                return at
            day = self._calendar.next_trading_day(day)


@dataclass(frozen=True, slots=True)
class SessionWindow:
    """From one moment of a trading day until just before another."""

    begins: Moment
    ends: Moment

    def occasion(self, calendar: MarketCalendar, day: date) -> Occasion | None:
        """The window of a trading day."""
        if not calendar.is_trading_day(day):
            return None
        return Occasion(day, self.begins.of(calendar, day), self.ends.of(calendar, day))

    def trigger(self, calendar: MarketCalendar) -> BaseTrigger:
        """Fires where the windows begin."""
        return SessionTrigger(calendar, self.begins)


@dataclass(frozen=True, slots=True)
class ClockWindow:
    """From a time of day where the exchange is, for as long as `lasts`, less than a day.

    Only on trading days, unless `every_day`. Keep `begins` out of 01:00 to 03:00: clocks that are
    changed for summer skip or repeat an hour of it.
    """

    begins: time
    lasts: timedelta
    every_day: bool = False

    def occasion(self, calendar: MarketCalendar, day: date) -> Occasion | None:
        """The window of a day."""
        if not self.every_day and not calendar.is_trading_day(day):
            return None
        begins = calendar.at(day, self.begins)
        return Occasion(day, begins, begins + self.lasts)

    def trigger(self, calendar: MarketCalendar) -> BaseTrigger:
        """Fires every day where the windows begin; on a day without one nothing is due."""
        clock = self.begins
        return CronTrigger(
            hour=clock.hour, minute=clock.minute, second=clock.second, timezone=calendar.zone
        )


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done once a day. `work` may be begun again if it fails, or if the daemon
    ends before it is marked done: it must not matter.
    """

    name: str
    region: Region
    window: Window
    work: Callable[[Occasion], Awaitable[None]]

    @property
    def key(self) -> str:
        """What it is marked done under: `"session_opened KR"`."""
        return f"{self.name} {self.region}"


class DoneMarks(Protocol):
    """Remembers over restarts what was done on which day."""

    def is_done(self, job: str, day: date) -> bool: ...
    def mark_done(self, job: str, day: date) -> None: ...


class _Running(NamedTuple):
    occasion: Occasion
    task: asyncio.Task[None]


class Timetable:
    """Runs jobs in their windows, once a day each, those of one instant in the order given.

    `patience` is how many machine seconds may pass between two looks at the clock. Raises
    `ValueError` for two jobs of one key and for a region without a calendar.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        calendars: Calendars,
        clock: Clock,
        marks: DoneMarks,
        patience: float = PATIENCE,
    ) -> None:
        keys = [job.key for job in jobs]
        if len(set(keys)) != len(keys):
            raise ValueError(f"two jobs have the same name in {sorted(keys)}")
        self._jobs = tuple((job, calendars.of(job.region)) for job in jobs)
        self._triggers = [job.window.trigger(calendar) for job, calendar in self._jobs]
        self._clock = clock
        self._marks = marks
        self._patience = patience
        self._log = structlog.get_logger("timetable")
        self._running: dict[str, _Running] = {}
        self._retry_at: dict[str, float] = {}
        self._missed: dict[str, date] = {}
        self._next_at: datetime | None = None
        self._done = asyncio.Event()
        self._looked: tuple[float, datetime] | None = None

    async def run(self) -> None:
        """Do what is due, for ever. Raises what no job may be excused for."""
        since = self._clock.now()
        async with asyncio.TaskGroup() as tasks:
            while True:
                now = self._clock.now()
                self._done.clear()
                self._end_overdue(now)
                for job, calendar in self._jobs:
                    occasions = tuple(_occasions(job, calendar, now))
                    self._note_missed(job, occasions, since, now)
                    occasion = self._due(job, occasions, now)
                    if occasion is not None:
                        task = tasks.create_task(self._do(job, occasion), name=f"job {job.key}")
                        self._running[job.key] = _Running(occasion, task)
                await self._rest(now)

    def next_at(self, now: datetime) -> datetime | None:
        """When the next window begins after `now`."""
        found = [trigger.get_next_fire_time(now, now) for trigger in self._triggers]
        return min((each.astimezone(UTC) for each in found if each is not None), default=None)

    def _due(self, job: Job, occasions: Sequence[Occasion], now: datetime) -> Occasion | None:
        """The oldest open window of a job that nothing was done in and nothing is being done."""
        if job.key in self._running or self._retry_at.get(job.key, 0.0) > self._clock.monotonic():
            return None
        for occasion in occasions:
            is_open = occasion.begins <= now < occasion.ends
            if is_open and not self._marks.is_done(job.key, occasion.day):
                return occasion
        return None

    async def _do(self, job: Job, occasion: Occasion) -> None:
        day, log = occasion.day, self._log.bind(job=job.key, day=occasion.day)
        try:
            await job.work(occasion)
            self._marks.mark_done(job.key, day)
            self._retry_at.pop(job.key, None)
        except (InvariantBroken, JournalFailed, NeedsOperator):
            raise
        except Exception as error:
            self._retry_at[job.key] = self._clock.monotonic() + RETRY
            log.exception("job_failed", cause=str(error))
        finally:
            del self._running[job.key]
            self._done.set()

    def _end_overdue(self, now: datetime) -> None:
        for key, (occasion, task) in self._running.items():
            if occasion.ends <= now:
                self._log.error("job_overdue", job=key, day=occasion.day)
                task.cancel()

    def _note_missed(
        self, job: Job, occasions: Sequence[Occasion], since: datetime, now: datetime
    ) -> None:
        """Say it, once, when a window of our own time has closed and its job is not done."""
        for day, begins, ends in occasions:
            over = since <= begins and ends <= now and self._missed.get(job.key, date.min) < day
            if over and not self._marks.is_done(job.key, day):
                self._missed[job.key] = day
                self._log.error("job_missed", job=job.key, day=day)

    async def _rest(self, now: datetime) -> None:
        """Sleep until the next window begins, a job ends, or it is time to look at the clock.

        The clock may run faster than the machine: how much so, the last two looks tell. They are
        not believed for longer than `patience`, because a clock can also be set.
        """
        monotonic = self._clock.monotonic()
        pause, pace, moved = self._patience, 1.0, 0.0
        if self._looked is None:
            pause = SHORTEST
        else:
            elapsed, moved = monotonic - self._looked[0], (now - self._looked[1]).total_seconds()
            pace = max(pace, moved / elapsed) if elapsed > 0 else pace
        self._looked = monotonic, now
        if self._next_at is None or self._next_at <= now or moved < 0:
            self._next_at = self.next_at(now)
        if self._next_at is not None:
            pause = min(pause, (self._next_at - now).total_seconds() / pace)
        if self._retry_at:
            pause = min(pause, RETRY)
        try:
            async with asyncio.timeout(max(pause, SHORTEST)):
                await self._done.wait()
        except TimeoutError:
            pass


def _occasions(job: Job, calendar: MarketCalendar, now: datetime) -> Iterator[Occasion]:
    """Windows that may be open at `now`, or closed not long ago, oldest first."""
    today = calendar.local_date(now)
    days = {
        calendar.previous_trading_day(today),
        *(today + timedelta(days=each) for each in (-1, 0, 1)),
        calendar.next_trading_day(today),
    }
    for day in sorted(days):
        occasion = job.window.occasion(calendar, day)
        if occasion is not None:
            yield occasion
