"""Our days held against the broker's own profit and loss: each once, when all of it is traded.

It is only told: nothing waits for it, and nothing is done because of it.
"""

import asyncio
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

import structlog

from daemon.core.calendar import Calendars
from daemon.core.errors import TradingError
from daemon.core.profit import ProfitBook
from daemon.core.tieout import TieOut, tie_out
from daemon.core.values import Region, code_of
from daemon.engine.timetable import Anchor, DoneMarks, Job, Moment, Occasion, SessionWindow
from daemon.ports import Clock, ProfitSource

TIED_OUT = "profit_tied_out"

ALL_TRADED = SessionWindow(
    Moment(Anchor.LAST_END, timedelta(hours=1)), Moment(Anchor.NEXT_OPEN, timedelta(hours=-2))
)
"""The broker has had time to book the last trades, and nothing of the next day has begun."""

FIRST_WAIT = 30.0
"""Machine seconds until an inquiry that failed is made again; each further wait is twice as long:
a dozen inquiries fill a weekend."""


class TieOuts:
    """Compares the days of `regions`; `marks` remember which were, for those that were missed."""

    def __init__(
        self,
        source: ProfitSource,
        *,
        profit: ProfitBook,
        regions: Iterable[Region],
        calendars: Calendars,
        marks: DoneMarks,
        clock: Clock,
    ) -> None:
        self._source = source
        self._profit = profit
        self._regions = tuple(sorted(regions))
        self._calendars = calendars
        self._marks = marks
        self._clock = clock
        self._log = structlog.get_logger("profit")

    def jobs(self) -> list[Job]:
        """One a region, for the timetable."""

        def comparing(region: Region) -> Job:
            async def compare(occasion: Occasion) -> None:
                await self._compare_until_told(region, occasion.day)
                await self._catch_up(region, occasion.day)

            return Job(TIED_OUT, region, ALL_TRADED, compare)

        return [comparing(region) for region in self._regions]

    async def latest(self, region: Region) -> TieOut | None:
        """The last trading day that has begun, as far as it has come; `None` without an answer."""
        calendar, now = self._calendars.of(region), self._clock.now()
        day = calendar.local_date(now)
        begun = calendar.is_trading_day(day) and calendar.phases(day)[0].begins <= now
        return await self._compare(region, day if begun else calendar.previous_trading_day(day))

    async def _compare_until_told(self, region: Region, day: date) -> None:
        """The timetable ends this with the window, and the next day catches up."""
        wait = FIRST_WAIT
        while await self._compare(region, day) is None:
            await asyncio.sleep(wait)
            wait *= 2

    async def _catch_up(self, region: Region, today: date) -> None:
        """Compare the days before that nobody has, such as while the daemon was down."""
        job = f"{TIED_OUT} {region}"
        for day in self._profit.days(region):
            missed = day < today and not self._marks.is_done(job, day)
            if missed and await self._compare(region, day) is not None:
                self._marks.mark_done(job, day)

    async def _compare(self, region: Region, day: date) -> TieOut | None:
        """Compare a day and tell of it; `None` if the broker did not answer.

        A broker that refuses the keys or the account is no matter for here: whoever trades
        meets that as well.
        """
        log, ours = self._log.bind(region=region, day=day), self._profit.of_day(region, day)
        try:
            theirs = await self._source.trade_profits(region, day, day, traded=ours.keys())
        except TradingError as error:
            log.warning("profit_not_compared", cause=str(error))
            return None
        abroad = region is not Region.KR
        result = tie_out(day, ours, theirs, self._profit.schedule, sales_only=abroad)
        log.info(
            "profit_tied_out",
            agrees=result.agrees,
            instruments=[code_of(each) for each in result.compared],
            realised=round(sum((each.realised for each in ours.values()), Decimal(0)), 2),
            costs=sum((each.costs.total for each in ours.values()), Decimal(0)),
            rounding=result.rounding,
        )
        if not result.agrees:
            log.warning("profit_differs", differences=[str(each) for each in result.differences])
        return result
