"""What makes one simulated market differ from another: hours, price steps, limits, size of trade.

Sources: KRX hours and prices as in `daemon.core.calendar`; US regular session 09:30-16:00 New
York time, steps of a cent and of a hundredth of a cent below one dollar (SEC Regulation NMS,
rule 612); US shares have no daily price limits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_FLOOR, Decimal
from zoneinfo import ZoneInfo

from daemon.core.calendar import (
    KST,
    Phase,
    RoundingWay,
    price_limits,
    price_step,
    round_to_step,
)
from daemon.core.values import Region
from daemon.core.zones import zone_of

NEW_YORK = zone_of(Region.US)

_CENT, _SMALL_STEP = Decimal("0.01"), Decimal("0.0001")
_NEW_HOURS_FROM = date(2026, 9, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one country's exchange. Times are seconds of the local day.

    `phases` gives the boundaries of a trading day, each with the phase that begins there;
    `open` is when trading begins. `limits` bounds the prices the crowd moves in, and where
    `limited` every order's. `near` is the valid price about a wished one. A crowd's level holds
    about `level_worth` and its trade `trade_worth`, in the market's money; its levels are at
    least `coarseness` of the price apart. Order numbers begin at `first_number`: no two markets
    share one. `minutes` are those of a session with trades, its close included; `last_trades`
    is how many of them before its end the last one but the closing auction's falls.
    """

    region: Region
    zone: ZoneInfo
    first_number: int
    step: Callable[[Decimal], Decimal]
    limits: Callable[[Decimal], tuple[Decimal, Decimal]]
    limited: bool
    near: Callable[[float], Decimal]
    phases: Callable[[date], list[tuple[float, Phase]]]
    open: float
    minutes: int
    last_trades: int
    coarseness: Decimal
    level_worth: float
    trade_worth: float

    def is_valid(self, price: Decimal) -> bool:
        """Whether an order may carry `price`, whatever the limits of the day."""
        return price > 0 and price % self.step(price) == 0

    def offset_on(self, day: date) -> timedelta:
        """How far ahead of UTC the clocks are at noon of a day.

        They are put forward and back on Sundays, when nobody trades.
        """
        return datetime.combine(day, time(12), self.zone).utcoffset() or timedelta()

    @property
    def numbers(self) -> range:
        """Every order number of this market."""
        return range(self.first_number, self.first_number + _NUMBERS)


_NUMBERS = 30_000_000


def _korean_near(price: float) -> Decimal:
    return round_to_step(Decimal(max(1, round(price))), RoundingWay.DOWN)


def _korean_phases(day: date) -> list[tuple[float, Phase]]:
    intake = 8 * 3600.0 + (20 if day >= _NEW_HOURS_FROM else 30) * 60
    return [
        (intake, Phase.OPENING_AUCTION),
        (9 * 3600.0, Phase.CONTINUOUS),
        (15 * 3600.0 + 20 * 60, Phase.CLOSING_AUCTION),
        (15 * 3600.0 + 30 * 60, Phase.CLOSED),
    ]


def american_step(price: Decimal) -> Decimal:
    """USD between two prices an order may carry."""
    return _CENT if price >= 1 else _SMALL_STEP


def _american_near(price: float) -> Decimal:
    wished = Decimal(repr(price))
    step = american_step(wished)
    return max(step, (wished / step).to_integral_value(rounding=ROUND_FLOOR) * step)


def _american_range(base: Decimal) -> tuple[Decimal, Decimal]:
    return _american_near(float(base) * 0.7), _american_near(float(base) * 1.3)


def _american_phases(day: date) -> list[tuple[float, Phase]]:
    return [(9.5 * 3600.0, Phase.CONTINUOUS), (16 * 3600.0, Phase.CLOSED)]


KOREAN = Rules(
    region=Region.KR,
    zone=KST,
    first_number=1,
    step=price_step,
    limits=price_limits,
    limited=True,
    near=_korean_near,
    phases=_korean_phases,
    open=9 * 3600.0,
    minutes=391,
    last_trades=11,
    coarseness=Decimal(0),
    level_worth=60_000_000.0,
    trade_worth=2_500_000.0,
)
AMERICAN = Rules(
    region=Region.US,
    zone=NEW_YORK,
    first_number=30_000_001,
    step=american_step,
    limits=_american_range,
    limited=False,
    near=_american_near,
    phases=_american_phases,
    open=9.5 * 3600.0,
    minutes=391,
    last_trades=1,
    coarseness=Decimal("0.0004"),
    level_worth=60_000.0,
    trade_worth=2_500.0,
)
