"""Our days against the broker's: each once, late ones too, and never at anybody's expense."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon.core.calendar import Calendars, MarketCalendar, OddDay
from daemon.core.costs import CostSchedule
from daemon.core.errors import NeedsOperator, Refused, TradingError, TryLater
from daemon.core.events import Fill, FillSource, OrderCreated, OrderFilled, OrderSent
from daemon.core.profit import ProfitBook
from daemon.core.tieout import BrokerProfit
from daemon.core.values import InstrumentId, Region, Side
from daemon.engine.ledger import Ledger
from daemon.engine.routine import AFTER_CLOSE, LedgerMarks
from daemon.engine.tieouts import FIRST_WAIT, TIED_OUT, TieOuts
from daemon.engine.timetable import Job, Occasion, Timetable
from tests.builders import SAMSUNG, intent
from tests.engine.paper import MemoryJournal
from tests.support import VirtualClock, run_virtual

THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
APPLE = InstrumentId("nasdaq:AAPL")
CALENDARS = Calendars({region: MarketCalendar(region=region) for region in (Region.KR, Region.US)})
KR, US = Region.KR, Region.US


@dataclass
class Bank:
    """A broker that knows nothing but purchases at home of one share a day, if it answers."""

    errors: list[TradingError] = field(default_factory=list)
    traded: set[date] = field(default_factory=set)
    asked: list[tuple[Region, date]] = field(default_factory=list)
    ours: dict[tuple[Region, date], set[InstrumentId]] = field(default_factory=dict)
    clock: VirtualClock = field(default_factory=VirtualClock)
    times: list[datetime] = field(default_factory=list)

    async def trade_profits(
        self, region: Region, first: date, last: date, *, traded: Collection[InstrumentId]
    ) -> Sequence[BrokerProfit]:
        assert first == last
        self.asked.append((region, first))
        self.ours[region, first] = set(traded)
        self.times.append(self.clock.now())
        await asyncio.sleep(0.1)
        if self.errors:
            raise self.errors.pop(0)
        row = BrokerProfit(
            day=first,
            instrument=SAMSUNG,
            bought=1,
            spent=Decimal(70_000),
            sold=0,
            proceeds=Decimal(0),
            costs=Decimal(10),
            realised=Decimal(-10),
        )
        return [row] if region is KR and first in self.traded else []


class Desk:
    """What tie-outs need of a daemon, over one journal."""

    def __init__(self, bank: Bank, start: datetime, journal: MemoryJournal | None = None) -> None:
        self.clock = bank.clock = VirtualClock(start)
        self.profit = ProfitBook(CostSchedule(CALENDARS.by_region), CALENDARS.by_region)
        self.ledger = Ledger(journal or MemoryJournal(), profit=self.profit)
        self.ledger.recover()
        self.marks = LedgerMarks(self.ledger, self.clock)
        self.tie_outs = TieOuts(
            bank,
            profit=self.profit,
            regions=CALENDARS.by_region,
            calendars=CALENDARS,
            marks=self.marks,
            clock=self.clock,
        )

    def buys(self, day: date, instrument: InstrumentId = SAMSUNG, quantity: int = 1) -> None:
        """A purchase at eleven, where its exchange is."""
        calendar = CALENDARS.for_instrument(instrument)
        at, (order,) = calendar.at(day, time(11)), self.ledger.mint(day, 1)
        fill = Fill(
            instrument=instrument,
            side=Side.BUY,
            quantity=quantity,
            notional=Decimal(70_000) * quantity,
            source=FillSource.NOTICE,
            exchange_time=at,
        )
        wish = intent(quantity=quantity, instrument=instrument)
        self.ledger.record(OrderCreated(order=order, intent=wish, at=at))
        self.ledger.record(OrderSent(order=order, at=at))
        self.ledger.record(OrderFilled(order=order, fill=fill, at=at))

    async def run_until(self, until: datetime, *more: Job) -> None:
        table = Timetable(
            [*self.tie_outs.jobs(), *more],
            calendars=CALENDARS,
            clock=self.clock,
            marks=self.marks,
            patience=600.0,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout((until - self.clock.now()).total_seconds()):
                await table.run()

    def done(self, region: Region) -> list[date]:
        jobs = self.ledger.portfolio.jobs_done
        return sorted(day for job, day in jobs if job == f"{TIED_OUT} {region}")


def seoul(day: date, clock: str) -> datetime:
    return CALENDARS.of(KR).at(day, time.fromisoformat(clock))


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> list[dict[str, Any]]:
    """Run it in virtual time; what it logged."""
    with capture_logs() as logs:
        run_virtual(work())
    return [dict(each) for each in logs]


def of(event: str, logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in logs if each["event"] == event]


def test_each_day_is_compared_once_when_all_that_is_sent_has_ended() -> None:
    bank = Bank()

    async def scenario() -> None:
        desk = Desk(bank, seoul(FRIDAY, "09:00"))
        await desk.run_until(seoul(TUESDAY, "12:00"))
        assert desk.done(KR) == [FRIDAY, MONDAY]
        assert desk.done(US) == [THURSDAY, FRIDAY, MONDAY]

    run(scenario)
    days = [(US, THURSDAY), (KR, FRIDAY), (US, FRIDAY), (KR, MONDAY), (US, MONDAY)]
    assert bank.asked == days
    # An hour after the after-market of KRX, and after the close in New York.
    bank.times.pop(0)
    due = [seoul(FRIDAY, "21:00"), datetime(2026, 11, 20, 22, tzinfo=UTC)]
    for at, begins in zip(bank.times, due, strict=False):
        assert timedelta(0) <= at - begins < timedelta(seconds=1)


def test_a_start_at_the_weekend_compares_friday() -> None:
    bank = Bank()

    async def scenario() -> None:
        desk = Desk(bank, seoul(FRIDAY + timedelta(days=1), "12:00"))
        await desk.run_until(seoul(MONDAY, "12:00"))

    run(scenario)
    assert bank.asked == [(KR, FRIDAY), (US, FRIDAY)]


def test_days_of_odd_hours_are_compared_after_their_own_end() -> None:
    late = MarketCalendar(odd_days={MONDAY: OddDay(timedelta(hours=1), timedelta(hours=1))})
    half = MarketCalendar(region=US, odd_days={MONDAY: OddDay(closes_later=timedelta(hours=-3))})
    begins = [
        job.window.occasion(calendar, MONDAY)
        for calendar in (late, half)
        for job in Desk(Bank(), seoul(MONDAY, "09:00")).tie_outs.jobs()
        if job.region is calendar.region
    ]
    assert [each.begins for each in begins if each] == [
        seoul(MONDAY, "21:00"),
        datetime(2026, 11, 23, 19, tzinfo=UTC),
    ]


def test_what_agrees_is_told_and_what_differs_is_a_warning() -> None:
    bank = Bank(traded={FRIDAY, MONDAY})

    async def scenario() -> None:
        desk = Desk(bank, seoul(FRIDAY, "20:59"))
        desk.marks.mark_done(f"{TIED_OUT} {US}", THURSDAY)
        desk.buys(FRIDAY)
        desk.buys(MONDAY, quantity=2)
        desk.buys(MONDAY, APPLE)
        await desk.run_until(seoul(TUESDAY, "12:00"))

    logs = run(scenario)
    told = [
        (each["region"], each["day"], each["agrees"], each["instruments"])
        for each in of("profit_tied_out", logs)
    ]
    assert told == [
        (KR, FRIDAY, True, ["005930"]),
        (US, FRIDAY, True, []),
        (KR, MONDAY, False, ["005930"]),
        (US, MONDAY, True, []),
    ]
    assert [each["costs"] for each in of("profit_tied_out", logs)][:2] == [Decimal(10), Decimal(0)]
    (differs,) = of("profit_differs", logs)
    assert (differs["log_level"], differs["region"], differs["day"]) == ("warning", KR, MONDAY)
    assert differs["differences"][0].startswith("krx:005930 bought: 2 / 1")


def test_days_that_were_missed_are_made_up_for_once() -> None:
    bank, journal = Bank(traded={FRIDAY, MONDAY}), MemoryJournal()

    async def first() -> None:
        desk = Desk(bank, seoul(FRIDAY, "16:00"), journal)
        desk.marks.mark_done(f"{TIED_OUT} {KR}", THURSDAY)
        desk.marks.mark_done(f"{TIED_OUT} {US}", THURSDAY)
        desk.buys(THURSDAY)
        desk.buys(FRIDAY)
        desk.buys(FRIDAY, APPLE)
        await desk.run_until(seoul(FRIDAY, "20:00"))

    async def second() -> None:
        """Down from Friday evening until Monday noon."""
        desk = Desk(bank, seoul(MONDAY, "12:00"), journal)
        await desk.run_until(seoul(TUESDAY, "12:00"))
        assert desk.done(KR) == [THURSDAY, FRIDAY, MONDAY]

    run(first)
    assert bank.asked == []
    run(second)
    assert bank.asked == [(US, FRIDAY), (KR, MONDAY), (KR, FRIDAY), (US, MONDAY)]
    # Each answer is understood by what was traded on its own day, however long ago.
    assert [bank.ours[each] for each in bank.asked] == [{APPLE}, set(), {SAMSUNG}, set()]


@pytest.mark.parametrize(
    "error",
    [TryLater("BUSY", "not now", delay=1.0), Refused("NO", "no"), NeedsOperator("the account")],
)
def test_a_broker_that_does_not_tell_is_asked_ever_less_and_nothing_minds(
    error: TradingError,
) -> None:
    bank = Bank(errors=[error] * 10)
    closed: list[date] = []

    async def note(occasion: Occasion) -> None:
        closed.append(occasion.day)

    async def scenario() -> None:
        desk = Desk(bank, seoul(FRIDAY, "09:00"))
        desk.marks.mark_done(f"{TIED_OUT} {US}", THURSDAY)
        await desk.run_until(seoul(MONDAY, "20:00"), Job("closed", KR, AFTER_CLOSE, note))
        assert desk.done(KR) == [FRIDAY]
        assert desk.done(US) == [THURSDAY, FRIDAY]
        assert closed == [FRIDAY, MONDAY]

    logs = run(scenario)
    assert len(of("profit_not_compared", logs)) == 10
    assert of("job_failed", logs) == []
    at = [when for when, (region, _) in zip(bank.times, bank.asked, strict=True) if region is KR]
    waits = [(later - earlier).total_seconds() for earlier, later in pairwise(at)]
    assert waits == pytest.approx([FIRST_WAIT * 2**each for each in range(len(waits))], rel=0.01)


def test_a_broker_that_never_tells_is_left_alone_until_the_next_day_makes_up_for_it() -> None:
    bank = Bank(errors=[TryLater("BUSY", "not now", delay=1.0)] * 1_000)

    async def scenario() -> None:
        desk = Desk(bank, seoul(FRIDAY, "20:00"))
        desk.buys(FRIDAY)
        await desk.run_until(seoul(MONDAY, "07:30"))
        assert len([each for each in bank.asked if each == (KR, FRIDAY)]) < 15
        bank.errors.clear()
        await desk.run_until(seoul(MONDAY, "21:30"))
        assert desk.done(KR) == [FRIDAY, MONDAY]

    run(scenario)
    assert bank.asked[-2:] == [(KR, MONDAY), (KR, FRIDAY)]


@pytest.mark.parametrize(
    ("now", "home", "abroad"),
    [
        (seoul(MONDAY, "15:00"), MONDAY, FRIDAY),
        (seoul(TUESDAY, "00:30"), MONDAY, MONDAY),
        (seoul(TUESDAY, "08:00"), MONDAY, MONDAY),
        (seoul(TUESDAY, "09:00"), TUESDAY, MONDAY),
        (seoul(FRIDAY + timedelta(days=2), "12:00"), FRIDAY, FRIDAY),
    ],
)
def test_the_latest_day_is_one_that_has_begun(now: datetime, home: date, abroad: date) -> None:
    async def scenario() -> None:
        desk = Desk(Bank(), now)
        for region, day in ((KR, home), (US, abroad)):
            result = await desk.tie_outs.latest(region)
            assert result is not None
            assert result.day == day

    run(scenario)


def test_a_latest_day_that_is_not_told_is_none() -> None:
    async def scenario() -> None:
        desk = Desk(Bank(errors=[Refused("NO", "no")]), seoul(MONDAY, "15:00"))
        assert await desk.tie_outs.latest(KR) is None

    assert [each["log_level"] for each in of("profit_not_compared", run(scenario))] == ["warning"]
