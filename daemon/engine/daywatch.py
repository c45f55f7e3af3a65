"""Whether today is a trading day, by our table and by the broker, told once a day.

Where the two differ, or our table does not reach that far, nothing is bought in that region until
a person has looked; what is held may be sold, and whatever is open cancelled. A day our table calls
closed stays closed whatever the broker says.
"""

import asyncio
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

import structlog

from daemon.core.calendar import Calendars, DayVerdict, MarketCalendar, judge_day
from daemon.core.entries import BrokerDayTold, EntriesBarred, EntriesFreed, EntryBar
from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.values import Region
from daemon.engine.ledger import Ledger
from daemon.engine.timetable import ClockWindow, Job, Occasion
from daemon.ports import Clock, DaySource

AHEAD_OF_OPEN = ClockWindow(time(8, 0), timedelta(minutes=55), every_day=True)
"""In the region's own time: KRX takes its first orders at 08:20."""

AHEAD_OF_PRE_MARKET = ClockWindow(time(3, 5), timedelta(hours=5, minutes=50), every_day=True)
"""Orders for the opening auction in New York are taken from four on."""

WAITS = (30.0, 60.0, 120.0, 240.0, 480.0)
"""Machine seconds between the inquiries of a morning, while they fail."""

LOOK = 0.1
"""Machine seconds between two looks at the time meanwhile: a simulated day is short."""

AT_LAST = timedelta(minutes=3)
"""How long ahead of its window's end a judgement is left as it is."""

SATURDAY = 5


class DayWatch:
    """Judges the day of each of `regions`, at the start and every morning.

    The broker's answer is a fact: a restart on the same day finds it and does not ask again. An
    inquiry that fails, or that `source` does not offer, leaves the table alone, which is logged;
    one that fails in the morning is made again a few times.
    """

    def __init__(
        self,
        source: DaySource | None,
        *,
        regions: Iterable[Region],
        ledger: Ledger,
        calendars: Calendars,
        clock: Clock,
    ) -> None:
        self._source = source
        self._regions = tuple(sorted(regions))
        self._ledger = ledger
        self._calendars = calendars
        self._clock = clock
        self._log = structlog.get_logger("days")

    async def judge_today(self) -> None:
        """Judge the day it is now in every region; raises `NeedsOperator`."""
        for region in self._regions:
            day = self._calendars.of(region).local_date(self._clock.now())
            await self._judge(region, day)

    def jobs(self) -> list[Job]:
        """One a region, for the timetable."""

        def judging(region: Region) -> Job:
            async def judge(occasion: Occasion) -> None:
                until = occasion.ends - AT_LAST
                for wait in WAITS:
                    answered = await self._judge(region, occasion.day)
                    if answered or not await self._time_is_left(wait, until):
                        return
                await self._judge(region, occasion.day)

            window = AHEAD_OF_PRE_MARKET if region is Region.US else AHEAD_OF_OPEN
            return Job("day_judged", region, window, judge)

        return [judging(region) for region in self._regions]

    async def _time_is_left(self, wait: float, until: datetime) -> bool:
        """Wait so many machine seconds; tells whether it is not `until` by then."""
        over = self._clock.monotonic() + wait
        while self._clock.now() < until and self._clock.monotonic() < over:  # noqa: ASYNC110  a clock
            await asyncio.sleep(LOOK)
        return self._clock.now() < until

    async def _judge(self, region: Region, day: date) -> bool:
        """Judge by what is known, once the broker was asked; tells whether it answered."""
        told, answered = self._ledger.portfolio.entries.told(region, day), True
        if told is None and day.weekday() < SATURDAY:
            told, answered = await self._ask(region, day)
        calendar = self._calendars.of(region)
        self._obey(calendar, day, judge_day(calendar, day, told))
        return answered

    async def _ask(self, region: Region, day: date) -> tuple[bool | None, bool]:
        """The broker's word, `None` where it has none, and whether it answered at all."""
        log = self._log.bind(region=region, day=day)
        told: bool | None = None
        try:
            if self._source is not None:
                told = await self._source.trades_on(region, day)
        except NeedsOperator:
            raise
        except TradingError as error:
            log.warning("trading_day_not_told", cause=str(error), holds="our table alone")
            return None, False
        if told is None:
            log.info("trading_day_not_offered", holds="our table alone")
        else:
            at = self._clock.now()
            self._ledger.record(BrokerDayTold(region=region, day=day, trades=told, at=at))
        return told, True

    def _obey(self, calendar: MarketCalendar, day: date, verdict: DayVerdict) -> None:
        """Bar purchases until the day is over, or lift what another verdict has barred."""
        region, bar, now = calendar.region, EntryBar.TRADING_DAY, self._clock.now()
        until = calendar.at(day + timedelta(days=1), time(0))
        standing = self._ledger.portfolio.entries.barred(region, bar, now)
        if verdict.exits and not verdict.entries:
            if standing is None or (standing.until, standing.reason) != (until, verdict.reason):
                self._ledger.record(
                    EntriesBarred(
                        region=region, bar=bar, until=until, reason=verdict.reason, at=now
                    )
                )
        elif standing is not None:
            reason = verdict.reason or f"{day} ({region}) is a trading day"
            self._ledger.record(EntriesFreed(region=region, bar=bar, reason=reason, at=now))
