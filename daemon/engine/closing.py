"""What is closed in a region ahead of its close, by choice, so that nothing is held overnight.

From then on nothing is bought there until the next trading day begins; other regions go on. It is a
job of the timetable, once a day: a restart in the middle takes it up again, and one after its end
finds it done. What is left, and why, is told by the broker's own answers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time, timedelta

import structlog

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.entries import CloseAction, ClosePlan, EntriesBarred, EntryBar
from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.events import MarketCloseReported, TradingState
from daemon.core.leftovers import Left, LeftCause
from daemon.engine.gate import OF_CLOSE
from daemon.engine.ledger import Ledger
from daemon.engine.routine import before_close
from daemon.engine.selling import LOOK, Pass, Selling
from daemon.engine.timetable import Job, Occasion
from daemon.ports import Clock

SETTLE = timedelta(minutes=10)
"""After the close: the trades of the last auction, and what expired in it, are seen by then."""

LAST_WORD = timedelta(minutes=1)
"""Ahead of the window's end: what is left then is told and not tried any more."""

PAUSE = 5.0
"""Seconds between two passes while a person's halt keeps every sale here."""


def closing_jobs(
    plan: ClosePlan, *, selling: Selling, ledger: Ledger, calendars: Calendars, clock: Clock
) -> list[Job]:
    """The job of each region of the plan; none if nothing is to be done.

    Raises `ValueError` for a region without a calendar.
    """
    if plan.action is CloseAction.NONE:
        return []
    window = before_close(plan.span, settle=SETTLE)
    return [
        Job(
            "before_close",
            region,
            window,
            _Closing(plan.action, calendars.of(region), selling, ledger, clock).close,
        )
        for region in sorted(plan.regions)
    ]


class _Closing:
    """The closing of one region."""

    def __init__(
        self,
        action: CloseAction,
        calendar: MarketCalendar,
        selling: Selling,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._action = action
        self._calendar = calendar
        self._region = calendar.region
        self._selling = selling
        self._ledger = ledger
        self._clock = clock
        self._told: tuple[date, tuple[Left, ...]] | None = None
        self._log = structlog.get_logger("before_close").bind(region=self._region)

    async def close(self, occasion: Occasion) -> None:
        """Bar purchases, then cancel or sell until the broker says it is done, or it is too late.

        Raises `NeedsOperator`.
        """
        self._bar(occasion.day)
        found: Pass | None = None
        before: tuple[Left, ...] = ()
        closes_at = self._calendar.close_at(occasion.day)
        while True:
            seen = await self._pass()
            if seen is not None and self._clock.now() < closes_at:
                found, before = seen, seen.left if seen.is_told else before
            elif seen is not None:
                found = seen._replace(left=_explained(seen.left, before))
            over = self._is_over(occasion, found)
            self._report(occasion.day, found, over)
            if over:
                return
            await asyncio.sleep(self._pause(found))

    def _bar(self, day: date) -> None:
        """Before anything is closed: what is closed must not be opened again."""
        now, bar = self._clock.now(), EntryBar.BEFORE_CLOSE
        following = self._calendar.next_trading_day(day)
        # Not its regular session: orders for an opening auction may be taken hours before that.
        until = self._calendar.at(following, time(0))
        standing = self._ledger.portfolio.entries.barred(self._region, bar, now)
        if standing is not None and standing.until == until:
            return
        reason = f"{self._action} before the close of {day}"
        self._ledger.record(
            EntriesBarred(region=self._region, bar=bar, until=until, reason=reason, at=now)
        )

    async def _pass(self) -> Pass | None:
        """One pass; `None` if nothing can be told of it."""
        if self._ledger.portfolio.state is TradingState.FLATTENING:
            # The kill switch sells everything itself.
            return None
        try:
            if self._action is CloseAction.CANCEL:
                orders = self._selling.open_orders(self._region)
                return await self._selling.close(orders, self._region)
            return await self._selling.sell_out(OF_CLOSE, self._region)
        except NeedsOperator:
            raise
        except TradingError as error:
            self._log.warning("before_close_delayed", cause=str(error))
            return None

    def _is_over(self, occasion: Occasion, found: Pass | None) -> bool:
        now = self._clock.now()
        if found is not None and found.is_done:
            return True
        closed = now >= self._calendar.close_at(occasion.day)
        told = found is not None and found.is_told
        everything = self._action is CloseAction.CANCEL
        left = self._selling.to_end(self._region, everything=everything)
        return (closed and told and not left) or now >= occasion.ends - LAST_WORD

    def _pause(self, found: Pass | None) -> float:
        if self._ledger.portfolio.state not in OF_CLOSE.states:
            return PAUSE
        return LOOK if found is None else self._selling.pause(found.left)

    def _report(self, day: date, found: Pass | None, over: bool) -> None:
        """Record how far it has come, where that is news."""
        if found is None and not over:
            return
        left, done, told = ((), False, False) if found is None else found
        if self._told == (day, left) and not over:
            return
        self._told = (day, left)
        if over and not done:
            self._log.error("not_closed", day=day, known=told, left=len(left))
        self._ledger.record(
            MarketCloseReported(
                region=self._region,
                day=day,
                action=self._action,
                left=left,
                done=done,
                over=over,
                at=self._clock.now(),
            )
        )


def _explained(left: Sequence[Left], before: Sequence[Left]) -> tuple[Left, ...]:
    """After the close everything is left because of it: say why it was left until then, too."""
    causes = {each.instrument: each for each in before}
    told = []
    for each in left:
        earlier = causes.get(each.instrument)
        if each.cause is LeftCause.MARKET_CLOSED and earlier is not None:
            moving = earlier.cause is LeftCause.UNDER_WAY
            detail = f"{each.detail}; before the close: {earlier.detail}"
            each = replace(each, cause=each.cause if moving else earlier.cause, detail=detail)
        told.append(each)
    return tuple(told)
