"""What a trading desk does every trading day: its timetable's jobs, and where they are marked."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import structlog

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.events import JobDone
from daemon.core.orders import Order
from daemon.core.profit import ProfitBook
from daemon.core.sessions import SENT
from daemon.core.values import Region, Session, code_of, region_of
from daemon.engine.desk import TradingDesk
from daemon.engine.ledger import Ledger
from daemon.engine.timetable import (
    Anchor,
    DoneMarks,
    Job,
    Moment,
    Occasion,
    SessionWindow,
    Timetable,
)
from daemon.ports import Access, Clock
from daemon.strategy import SessionClosed, SessionOpened

BEFORE_OPEN = SessionWindow(
    Moment(Anchor.OPEN, timedelta(minutes=-60)), Moment(Anchor.OPEN, timedelta(minutes=-1))
)
IN_SESSION = SessionWindow(Moment(Anchor.OPEN), Moment(Anchor.CLOSE))
AFTER_CLOSE = SessionWindow(Moment(Anchor.CLOSE), Moment(Anchor.CLOSE, timedelta(hours=8)))
"""A daemon that was down over the close tells of it on the same day, not on the next."""

REPORTING = SessionWindow(
    Moment(Anchor.CLOSE, timedelta(minutes=15)), Moment(Anchor.NEXT_OPEN, timedelta(hours=-2))
)
"""Late enough for the books to be settled: the last auction, and a list that lags."""

REPORT = "day_reported"

LATE_SESSIONS = frozenset({Session.CLOSING_PRICE, Session.AFTER_MARKET})
"""They trade after the report of the day, and are told of when they are over, too."""

REPORTING_LATE = SessionWindow(
    Moment(Anchor.LAST_END, timedelta(minutes=15)), Moment(Anchor.NEXT_OPEN, timedelta(hours=-2))
)

CALENDAR_NOTICE = timedelta(days=30)
"""How long before the known holidays end somebody is told."""


class LedgerMarks:
    """What the timetable has done is a fact like any other, so a restart finds it."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def is_done(self, job: str, day: date) -> bool:
        """Whether it was done for that day, by this process or one before it."""
        return (job, day) in self._ledger.portfolio.jobs_done

    def mark_done(self, job: str, day: date) -> None:
        """Remember it; raises `JournalFailed` when the disk refuses."""
        self._ledger.record(JobDone(job=job, day=day, at=self._clock.now()))


def before_close(span: timedelta, *, settle: timedelta = timedelta()) -> SessionWindow:
    """The last stretch of a session, such as the one to sell in what may not be kept over night.

    It goes on for `settle` after the close, where what the last auction did has to be seen.
    """
    return SessionWindow(Moment(Anchor.CLOSE, -span), Moment(Anchor.CLOSE, settle))


def regions_of(desk: TradingDesk) -> list[Region]:
    """The regions that a desk's strategies trade in."""
    return sorted({region for slot in desk.host.slots for region in slot.regions})


def desk_timetable(
    desk: TradingDesk,
    *,
    access: Access | None,
    calendars: Calendars,
    clock: Clock,
    more: Sequence[Job] = (),
) -> Timetable:
    """The timetable of a desk, for the regions its strategies trade in, and `more` jobs.

    Without `access`, as where nothing is sent, none is renewed. Raises `ValueError` for a region
    without a calendar.
    """
    jobs = desk_jobs(desk, access=access, calendars=calendars)
    marks = LedgerMarks(desk.ledger, clock)
    return Timetable([*jobs, *more], calendars=calendars, clock=clock, marks=marks)


def desk_jobs(desk: TradingDesk, *, access: Access | None, calendars: Calendars) -> list[Job]:
    """The jobs of every timetable of a desk; raises `ValueError` as `desk_timetable` does."""
    jobs = [
        job
        for region in regions_of(desk)
        for job in _Routine(desk, access, calendars.of(region), region).jobs()
    ]
    return [*desk.days.jobs(), *jobs]


class DaysAhead:
    """The day of every region's next close after `now`: over once all of them are reported.

    A report that was missed, as by a machine asleep over its whole window, is not waited for.
    """

    def __init__(
        self, regions: Iterable[Region], calendars: Calendars, marks: DoneMarks, now: datetime
    ) -> None:
        self._marks = marks
        self._left: dict[str, Occasion] = {}
        for region in regions:
            calendar = calendars.of(region)
            day = calendar.trading_day_on_or_after(calendar.local_date(now))
            if calendar.close_at(day) <= now:
                day = calendar.next_trading_day(day)
            occasion = REPORTING.occasion(calendar, day)
            assert occasion is not None, "every trading day is reported"
            self._left[f"{REPORT} {region}"] = occasion

    @property
    def days(self) -> dict[str, date]:
        """The reports still awaited, and of which day each is."""
        return {job: occasion.day for job, occasion in self._left.items()}

    def over(self, now: datetime) -> bool:
        """Whether nothing is awaited any more."""
        self._left = {
            job: occasion
            for job, occasion in self._left.items()
            if now < occasion.ends and not self._marks.is_done(job, occasion.day)
        }
        return not self._left


class _Routine:
    """The jobs of one region."""

    def __init__(
        self, desk: TradingDesk, access: Access | None, calendar: MarketCalendar, region: Region
    ) -> None:
        self._desk = desk
        self._access = access
        self._calendar = calendar
        self._region = region
        self._log = structlog.get_logger("timetable").bind(region=region)

    def jobs(self) -> list[Job]:
        """Those of one moment in the order in which they have to run."""
        region = self._region
        renewal = Job("access_renewed", region, BEFORE_OPEN, self._renew_access)
        late = Job("after_hours_reported", region, REPORTING_LATE, self._report_late)
        return [
            *([renewal] if self._access is not None else []),
            Job("calendar_checked", region, BEFORE_OPEN, self._check_calendar),
            Job("session_opened", region, IN_SESSION, self._tell_open),
            Job("session_closed", region, AFTER_CLOSE, self._tell_close),
            Job(REPORT, region, REPORTING, self._report),
            *([late] if LATE_SESSIONS & SENT.get(region, frozenset()) else []),
        ]

    async def _renew_access(self, occasion: Occasion) -> None:
        """A token that ends in the session is renewed ahead of it, not while orders wait."""
        if self._access is not None:
            await self._access.renew_ahead(self._calendar.close_at(occasion.day))

    async def _check_calendar(self, occasion: Occasion) -> None:
        """Say in time that the table of holidays has to be extended."""
        if not self._calendar.knows(occasion.day + CALENDAR_NOTICE):
            self._log.warning(
                "holidays_needed",
                known_until=self._calendar.known_until,
                what="extend config/holidays.yaml from the exchange's notice",
            )

    async def _tell_open(self, occasion: Occasion) -> None:
        day = occasion.day
        opened = SessionOpened(self._region, day, occasion.begins, occasion.ends)
        self._log.info("session_opened", day=day, closes_at=occasion.ends)
        self._desk.host.tell_session(opened)

    async def _tell_close(self, occasion: Occasion) -> None:
        self._log.info("session_closed", day=occasion.day)
        self._desk.host.tell_session(SessionClosed(self._region, occasion.day, occasion.begins))

    async def _report(self, occasion: Occasion) -> None:
        """One line with what the day came to, in the region's own currency.

        The lists are asked first: only they tell of orders that ended with the session.
        """
        await self._desk.reconciliation.inquire(self._region)
        self._tell(occasion.day, self._orders_of(occasion.day, late=False), late=False)

    async def _report_late(self, occasion: Occasion) -> None:
        """Another line with what the sessions after the close did, if anything was sent there."""
        if self._orders_of(occasion.day, late=True):
            await self._desk.reconciliation.inquire(self._region)
            self._tell(occasion.day, self._orders_of(occasion.day, late=True), late=True)

    def _tell(self, day: date, orders: Sequence[Order], *, late: bool) -> None:
        portfolio = self._desk.ledger.portfolio
        held = [
            each
            for each in portfolio.positions.values()
            if each.quantity and region_of(each.instrument) is self._region
        ]
        self._log.info(
            "day_report",
            day=day,
            after_hours=late,
            currency=self._region.currency,
            orders=len(orders),
            orders_filled=sum(1 for each in orders if each.filled),
            shares_traded=sum(each.filled for each in orders),
            still_open=sum(1 for each in orders if each.is_open),
            positions=len(held),
            invested=round(sum((each.cost for each in held), Decimal(0)), 2),
            discrepancies=sorted(portfolio.discrepancies),
            gate=self._desk.gate.why() or "open",
        )
        if self._desk.ledger.profit is not None:
            self._tell_profit(day, self._desk.ledger.profit)

    def _tell_profit(self, day: date, book: ProfitBook) -> None:
        """Another line with the profit of the day, as far as it has come, and of all days."""
        currency = self._region.currency
        prices = book.prices(self._desk.quotes.last_price)
        account = book.of_account(prices).get(currency)
        if account is None:
            return
        trades = book.of_day(self._region, day).values()
        self._log.info(
            "day_profit",
            day=day,
            currency=currency,
            realised=round(sum((each.realised for each in trades), Decimal(0)), 2),
            costs=round(sum((each.costs.total for each in trades), Decimal(0)), 2),
            unrealised=round(account.unrealised, 2),
            net=round(account.net, 2),
            net_by_strategy={
                strategy: round(profits[currency].net, 2)
                for strategy, profits in book.of_strategies(prices).items()
                if currency in profits
            },
            without_price=[code_of(each) for each in account.unpriced],
            not_counted=[code_of(each) for each in book.unknown if region_of(each) is self._region],
        )

    def _orders_of(self, day: date, *, late: bool) -> list[Order]:
        return [
            each
            for each in self._desk.ledger.portfolio.orders.values()
            if region_of(each.intent.instrument) is self._region
            and self._calendar.local_date(each.created_at) == day
            and (each.intent.session in LATE_SESSIONS) is late
        ]
