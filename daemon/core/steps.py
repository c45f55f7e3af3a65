"""Which prices an instrument's exchange accepts, wherever it is listed.

Sources: KRX steps as in `calendar`; US exchanges quote in cents from 1 USD and in hundredths of a
cent below it (SEC Rule 612 of Regulation NMS, "sub-penny rule", 2005).
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from daemon.core import calendar
from daemon.core.calendar import RoundingWay
from daemon.core.values import InstrumentId, Region, region_of

STEPPED_REGIONS = frozenset({Region.KR, Region.US})
"""The regions whose price steps are known, so that an order there can be judged."""

_CENT = Decimal("0.01")
_SUB_PENNY = Decimal("0.0001")


def step_at(instrument: InstrumentId, price: Decimal, *, fund: bool = False) -> Decimal:
    """The price step that applies at `price`, in the instrument's currency.

    Raises `ValueError` for a price that is not positive and for a region without known steps.
    """
    if price <= 0:
        raise ValueError(f"price {price} must be positive")
    region = region_of(instrument)
    if region is Region.KR:
        return calendar.price_step(price, fund=fund)
    if region is Region.US:
        return _CENT if price >= 1 else _SUB_PENNY
    raise ValueError(f"{instrument}: the price steps of {region} are not known")


def is_accepted_price(instrument: InstrumentId, price: Decimal, *, fund: bool = False) -> bool:
    """Whether an order on the instrument may carry `price`."""
    return price > 0 and price % step_at(instrument, price, fund=fund) == 0


def accepted_price(
    instrument: InstrumentId, price: Decimal, way: RoundingWay, *, fund: bool = False
) -> Decimal:
    """The nearest accepted price at or below (`DOWN`) or at or above (`UP`) `price`."""
    step = step_at(instrument, price, fund=fund)
    rounding = ROUND_FLOOR if way is RoundingWay.DOWN else ROUND_CEILING
    rounded = (price / step).to_integral_value(rounding=rounding) * step
    return rounded if rounded > 0 else step
