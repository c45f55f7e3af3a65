"""Which prices an instrument's exchange accepts, wherever it is listed.

Sources: KRX steps as in `calendar`; US exchanges quote in cents from 1 USD and in hundredths of a
cent below it (SEC Rule 612 of Regulation NMS, "sub-penny rule", 2005).
"""

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from daemon.core import calendar
from daemon.core.calendar import RoundingWay
from daemon.core.events import OrderIntent, OrderKind
from daemon.core.values import InstrumentId, Market, Region, Session, Side, market_of, region_of

STEPPED_REGIONS = frozenset({Region.KR, Region.US})
"""The regions whose price steps are known, so that an order there can be judged."""

COLLAR = Decimal("0.01")
"""How far beyond the last price an order at market may trade where there is no such order."""

_AMERICAN = frozenset({Market.NASDAQ, Market.NYSE, Market.AMEX})
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


def is_fund_step(last: Decimal, step: Decimal) -> bool:
    """Whether `step` at the price `last` on KRX is that of ETF and ETN and not that of a stock.

    Below 5,000 KRW both tables agree, so a fund there counts as a stock, which is no harm.
    """
    if last <= 0:
        return False
    return step == calendar.price_step(last, fund=True) != calendar.price_step(last)


def takes_market_orders(instrument: InstrumentId) -> bool:
    """Whether its exchange is reached with orders at market at all."""
    return market_of(instrument) not in _AMERICAN


def marketable(intent: OrderIntent, last: Decimal | None, collar: Decimal) -> OrderIntent:
    """An order at market as its exchange takes it.

    American exchanges are reached with limit orders only, so one at market becomes a limit `COLLAR`
    beyond the last price, and never further than `collar` (a fraction), rounded toward that
    price. It trades at once in any usual market, and rests where the price has run away. Without a
    last price it stays as it is, and is refused later on. Auctions take orders without a price.
    """
    if intent.kind is not OrderKind.MARKET or intent.session is not Session.REGULAR:
        return intent
    if takes_market_orders(intent.instrument):
        return intent
    if last is None or last <= 0:
        return intent
    beyond = min(COLLAR, collar) * intent.side.sign
    way = RoundingWay.DOWN if intent.side is Side.BUY else RoundingWay.UP
    limit = accepted_price(intent.instrument, last * (1 + beyond), way)
    return replace(intent, kind=OrderKind.LIMIT, limit=limit, at_market=True)


def shifted_price(instrument: InstrumentId, price: Decimal, side: Side, steps: int) -> Decimal:
    """The accepted price `steps` beyond `price` for one who buys or sells: up, or down."""
    way = RoundingWay.UP if side is Side.BUY else RoundingWay.DOWN
    if region_of(instrument) is Region.KR:
        return calendar.shift_steps(calendar.round_to_step(price, way), side.sign * steps)
    shifted = accepted_price(instrument, price, way)
    for _ in range(steps):
        step = step_at(instrument, shifted)
        if side is Side.BUY:
            shifted += step
        elif shifted > step:
            # Just under a dollar the smaller step applies.
            shifted -= step_at(instrument, shifted - step)
    return shifted
