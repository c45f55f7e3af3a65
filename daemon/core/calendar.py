"""When KRX trades, and the prices it accepts.

Sources: price steps of the KRX reform of 2023-01-25; regular session 09:00-15:30 with auctions
08:20/08:30-09:00 and 15:20-15:30 (opening intake moved to 08:20 on 2026-09-14).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

KST = ZoneInfo("Asia/Seoul")

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


def is_valid_price(price: Decimal, *, fund: bool = False) -> bool:
    """Whether an order may carry `price`."""
    return price > 0 and price % price_step(price, fund=fund) == 0


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


@dataclass(frozen=True, slots=True)
class MarketCalendar:
    """KRX trading days and the phases of the regular session. All dates are KST dates."""

    holidays: frozenset[date] = field(default_factory=frozenset)

    @classmethod
    def with_holidays(cls, holidays: Iterable[date]) -> "MarketCalendar":
        """A calendar closed at weekends and on `holidays`."""
        return cls(frozenset(holidays))

    def is_trading_day(self, day: date) -> bool:
        """Whether the regular session is held on `day`."""
        return day.weekday() < 5 and day not in self.holidays

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
        """The KST calendar date of an instant."""
        return at.astimezone(KST).date()

    def local_time(self, at: datetime) -> datetime:
        """An instant as the clocks in Seoul show it."""
        return at.astimezone(KST)

    def open_at(self, day: date) -> datetime:
        """09:00 KST of `day`."""
        return datetime.combine(day, time(9, 0), KST)

    def close_at(self, day: date) -> datetime:
        """15:30 KST of `day`."""
        return datetime.combine(day, time(15, 30), KST)

    def phase(self, at: datetime) -> Phase:
        """What KRX does at the instant `at`."""
        local = at.astimezone(KST)
        if not self.is_trading_day(local.date()):
            return Phase.CLOSED
        clock = local.time()
        intake = time(8, 20) if local.date() >= date(2026, 9, 14) else time(8, 30)
        if intake <= clock < time(9, 0):
            return Phase.OPENING_AUCTION
        if time(9, 0) <= clock < time(15, 20):
            return Phase.CONTINUOUS
        if time(15, 20) <= clock < time(15, 30):
            return Phase.CLOSING_AUCTION
        return Phase.CLOSED
