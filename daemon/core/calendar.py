"""On which days markets trade, the phases of their regular sessions, and the prices KRX accepts.

Sources: price steps of the KRX reform of 2023-01-25; KRX regular session 09:00-15:30 with auctions
08:20/08:30-09:00 and 15:20-15:30 (opening intake moved to 08:20 on 2026-09-14); the hours of New
York, Tokyo (15:30 since 2024-11-05), Hong Kong and Shanghai as the exchanges publish them. What
trades outside of the regular session is in `daemon.core.sessions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daemon.core.values import InstrumentId, Region, region_of
from daemon.core.zones import zone_of

KST = zone_of(Region.KR)

_STOCK_STEPS = (
    (2_000, Decimal(1)),
    (5_000, Decimal(5)),
    (20_000, Decimal(10)),
    (50_000, Decimal(50)),
    (200_000, Decimal(100)),
    (500_000, Decimal(500)),
)
_STOCK_TOP_STEP = Decimal(1_000)
_FUND_STEPS = ((2_000, Decimal(1)),)
_FUND_TOP_STEP = Decimal(5)

DAILY_LIMIT = Decimal("0.30")
"""How far a KRX stock may move from its base price in a day."""


class Phase(StrEnum):
    """What the venue does at an instant."""

    CLOSED = "closed"
    OPENING_AUCTION = "opening_auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing_auction"
    BREAK = "break"
    """The lunch break of Tokyo, Hong Kong and the Chinese exchanges: nothing trades."""


class RoundingWay(StrEnum):
    """Which valid price to take when the wished one is between two steps."""

    DOWN = "down"
    UP = "up"


def price_step(price: Decimal, *, fund: bool = False) -> Decimal:
    """The tick size in KRW that applies at `price`; a boundary belongs to the band above it.

    `fund` is for ETF, ETN and ELW, which have two bands only.
    """
    if price <= 0:
        raise ValueError(f"price {price} must be positive")
    steps, top = (_FUND_STEPS, _FUND_TOP_STEP) if fund else (_STOCK_STEPS, _STOCK_TOP_STEP)
    for below, step in steps:
        if price < below:
            return step
    return top


def round_to_step(price: Decimal, way: RoundingWay, *, fund: bool = False) -> Decimal:
    """The nearest valid price at or below (`DOWN`) or at or above (`UP`) `price`."""
    step = price_step(price, fund=fund)
    rounding = ROUND_FLOOR if way is RoundingWay.DOWN else ROUND_CEILING
    rounded = (price / step).to_integral_value(rounding=rounding) * step
    return rounded if rounded > 0 else step


def shift_steps(price: Decimal, steps: int, *, fund: bool = False) -> Decimal:
    """The valid price `steps` ticks above (below, if negative) a valid `price`."""
    for _ in range(abs(steps)):
        if steps > 0:
            price += price_step(price, fund=fund)
        else:
            below = price - price_step(price, fund=fund)
            # Just under a band's edge the smaller step of the band below applies.
            price = price - price_step(below, fund=fund) if below > 0 else price
    return price


def price_limits(base: Decimal, *, fund: bool = False) -> tuple[Decimal, Decimal]:
    """Lower and upper limit of the day in KRW: base ±30 %, rounded toward the base."""
    lower = round_to_step(base * (1 - DAILY_LIMIT), RoundingWay.UP, fund=fund)
    upper = round_to_step(base * (1 + DAILY_LIMIT), RoundingWay.DOWN, fund=fund)
    return lower, upper


class OddDay(NamedTuple):
    """A trading day of other hours: how much later (earlier, if negative) it opens and closes."""

    opens_later: timedelta = timedelta()
    closes_later: timedelta = timedelta()


LATE_OPEN = OddDay(opens_later=timedelta(hours=1))
"""KRX on the first trading day of a year: it opens at 10:00 and closes as ever."""

LATE_DAY = OddDay(opens_later=timedelta(hours=1), closes_later=timedelta(hours=1))
"""KRX on the day of the university entrance examination: 10:00 to 16:30."""


class Moves(StrEnum):
    """What a time of day moves with on an odd day."""

    OPEN = "open"
    CLOSE = "close"
    NOT = "not"


class _Turn(NamedTuple):
    """From `begins` on, an ordinary day is in `phase`."""

    begins: time
    phase: Phase
    moves: Moves = Moves.NOT


class _Hours(NamedTuple):
    """The turns of the regular session, in force since a date."""

    since: date
    turns: tuple[_Turn, ...]


def _krx(intake: time) -> tuple[_Turn, ...]:
    return (
        _Turn(intake, Phase.OPENING_AUCTION, Moves.OPEN),
        _Turn(time(9, 0), Phase.CONTINUOUS, Moves.OPEN),
        _Turn(time(15, 20), Phase.CLOSING_AUCTION, Moves.CLOSE),
        _Turn(time(15, 30), Phase.CLOSED, Moves.CLOSE),
    )


_HOURS: Mapping[Region, tuple[_Hours, ...]] = {
    Region.KR: (_Hours(date.min, _krx(time(8, 30))), _Hours(date(2026, 9, 14), _krx(time(8, 20)))),
    Region.US: (
        _Hours(
            date.min,
            (
                _Turn(time(9, 30), Phase.CONTINUOUS, Moves.OPEN),
                _Turn(time(16, 0), Phase.CLOSED, Moves.CLOSE),
            ),
        ),
    ),
    Region.JP: (
        _Hours(
            date.min,
            (
                _Turn(time(9, 0), Phase.CONTINUOUS, Moves.OPEN),
                _Turn(time(11, 30), Phase.BREAK),
                _Turn(time(12, 30), Phase.CONTINUOUS),
                _Turn(time(15, 0), Phase.CLOSED, Moves.CLOSE),
            ),
        ),
        _Hours(
            date(2024, 11, 5),
            (
                _Turn(time(9, 0), Phase.CONTINUOUS, Moves.OPEN),
                _Turn(time(11, 30), Phase.BREAK),
                _Turn(time(12, 30), Phase.CONTINUOUS),
                _Turn(time(15, 25), Phase.CLOSING_AUCTION, Moves.CLOSE),
                _Turn(time(15, 30), Phase.CLOSED, Moves.CLOSE),
            ),
        ),
    ),
    Region.HK: (
        _Hours(
            date.min,
            (
                _Turn(time(9, 30), Phase.CONTINUOUS, Moves.OPEN),
                _Turn(time(12, 0), Phase.BREAK),
                _Turn(time(13, 0), Phase.CONTINUOUS),
                _Turn(time(16, 0), Phase.CLOSED, Moves.CLOSE),
            ),
        ),
    ),
    Region.CN: (
        _Hours(
            date.min,
            (
                _Turn(time(9, 30), Phase.CONTINUOUS, Moves.OPEN),
                _Turn(time(11, 30), Phase.BREAK),
                _Turn(time(13, 0), Phase.CONTINUOUS),
                _Turn(time(14, 57), Phase.CLOSING_AUCTION, Moves.CLOSE),
                _Turn(time(15, 0), Phase.CLOSED, Moves.CLOSE),
            ),
        ),
    ),
}
_HALF_DAYS = {
    Region.US: OddDay(closes_later=timedelta(hours=-3)),
    Region.HK: OddDay(closes_later=timedelta(hours=-4)),
}


def half_day(region: Region) -> OddDay:
    """How a half day of the region differs: New York closes at 13:00, Hong Kong at noon.

    Raises `ValueError` for a region that has none.
    """
    try:
        return _HALF_DAYS[region]
    except KeyError:
        raise ValueError(f"the markets of {region} have no half days") from None


def shifted(clock: time, by: timedelta) -> time:
    """A time of day moved by less than what is left of the day."""
    return (datetime.combine(date(2000, 1, 1), clock) + by).time()


class PhaseSpan(NamedTuple):
    """A phase of one day's regular session, from `begins` until just before `ends` (UTC)."""

    begins: datetime
    ends: datetime
    phase: Phase


_Turns = tuple[tuple[time, Phase], ...]


@dataclass(frozen=True, slots=True)
class MarketCalendar:
    """A region's trading days and the phases of its regular session.

    All dates and times of day are those of the region's own time zone. `odd_days` are trading
    days of other hours. `known_until` is the last day somebody checked the holidays of; beyond
    it, weekends are all that is known. `None` is a calendar without such an end.
    """

    holidays: frozenset[date] = field(default_factory=frozenset)
    region: Region = Region.KR
    odd_days: Mapping[date, OddDay] = field(default_factory=dict, hash=False)
    known_until: date | None = None
    _turns_of: dict[date, _Turns] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.region not in _HOURS:
            raise ValueError(f"the trading hours of {self.region} are not known")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the exchange."""
        return zone_of(self.region)

    def is_trading_day(self, day: date) -> bool:
        """Whether the regular session is held on `day`."""
        return day.weekday() < 5 and day not in self.holidays

    def knows(self, day: date) -> bool:
        """Whether somebody checked if `day` is a holiday."""
        return self.known_until is None or day <= self.known_until

    def trading_day_on_or_after(self, day: date) -> date:
        """The first trading day from `day` on."""
        while not self.is_trading_day(day):
            day += timedelta(days=1)
        return day

    def next_trading_day(self, day: date) -> date:
        """The first trading day after `day`."""
        return self.trading_day_on_or_after(day + timedelta(days=1))

    def previous_trading_day(self, day: date) -> date:
        """The last trading day before `day`."""
        day -= timedelta(days=1)
        while not self.is_trading_day(day):
            day -= timedelta(days=1)
        return day

    def local_date(self, at: datetime) -> date:
        """The calendar date of an instant where the exchange is."""
        return at.astimezone(self.zone).date()

    def local_time(self, at: datetime) -> datetime:
        """An instant as the clocks at the exchange show it."""
        return at.astimezone(self.zone)

    def open_at(self, day: date) -> datetime:
        """When continuous trading of `day` begins, in the exchange's time: KRX 09:00."""
        opens = next(begins for begins, phase in self._turns(day) if phase is Phase.CONTINUOUS)
        return datetime.combine(day, opens, self.zone)

    def close_at(self, day: date) -> datetime:
        """When the regular session of `day` ends, in the exchange's time: KRX 15:30."""
        return datetime.combine(day, self._turns(day)[-1][0], self.zone)

    def phase(self, at: datetime) -> Phase:
        """What the regular session is in at the instant `at`."""
        local = at.astimezone(self.zone)
        day = local.date()
        if not self.is_trading_day(day):
            return Phase.CLOSED
        clock, current = local.time(), Phase.CLOSED
        for begins, phase in self._turns(day):
            if clock < begins:
                break
            current = phase
        return current

    def phases(self, day: date) -> tuple[PhaseSpan, ...]:
        """All phases of a trading day in order but for `CLOSED`; none on another day."""
        if not self.is_trading_day(day):
            return ()
        turns = [(self.at(day, begins), phase) for begins, phase in self._turns(day)]
        return tuple(
            PhaseSpan(begins, ends, phase) for (begins, phase), (ends, _) in pairwise(turns)
        )

    def at(self, day: date, clock: time) -> datetime:
        """The instant (UTC) at which the clocks of the exchange show `clock` on `day`."""
        return datetime.combine(day, clock, self.zone).astimezone(UTC)

    def _turns(self, day: date) -> _Turns:
        known = self._turns_of.get(day)
        if known is None:
            known = self._turns_of[day] = self._work_out(day)
        return known

    def _work_out(self, day: date) -> _Turns:
        """The turns of a day: those of its time, moved if it is odd, up to where it closes."""
        hours = [each for each in _HOURS[self.region] if each.since <= day][-1]
        odd = self.odd_days.get(day, OddDay())
        by = {Moves.OPEN: odd.opens_later, Moves.CLOSE: odd.closes_later, Moves.NOT: timedelta()}
        turns = [(shifted(turn.begins, by[turn.moves]), turn.phase) for turn in hours.turns]
        closes = turns[-1]
        return (*(turn for turn in turns if turn[0] < closes[0]), closes)


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendars of all regions somebody keeps a table of."""

    by_region: Mapping[Region, MarketCalendar]

    def of(self, region: Region) -> MarketCalendar:
        """The region's calendar; raises `ValueError` where there is none."""
        try:
            return self.by_region[region]
        except KeyError:
            raise ValueError(
                f"there is no calendar of {region}: config/holidays.yaml has no trading days of it"
            ) from None

    def for_instrument(self, instrument: InstrumentId) -> MarketCalendar:
        """The calendar an instrument trades by; raises `ValueError` where there is none."""
        return self.of(region_of(instrument))


class DayVerdict(NamedTuple):
    """What may be done on a day; `reason` says why something may not, empty otherwise."""

    entries: bool
    exits: bool
    reason: str


def judge_day(calendar: MarketCalendar, day: date, second: bool | None) -> DayVerdict:
    """Compare our table with a second source, such as the broker's own, on whether `day` trades.

    `second` is what that source says, `None` if it was not, or could not be, asked. Where the two
    differ, or nobody checked our table as far as that day, whatever is held may be sold and
    nothing may be bought until a person has looked.
    """
    ours = calendar.is_trading_day(day)
    where = f"{day} ({calendar.region})"
    if second is not None and second != ours:
        said = {True: "a trading day", False: "a holiday"}
        return DayVerdict(
            False,
            True,
            f"{where} is {said[ours]} by our table and {said[second]} by the broker's: "
            "check config/holidays.yaml",
        )
    if not calendar.knows(day):
        return DayVerdict(
            False,
            True,
            f"the holidays of {calendar.region} are known until {calendar.known_until}, "
            f"and {day} is later: extend config/holidays.yaml",
        )
    if not ours:
        return DayVerdict(False, False, f"{where} is no trading day")
    return DayVerdict(True, True, "")
