"""What an account may do: the limits themselves, the names of the rules, and what won is worth.

Every rule, its setting and its default are told in docs/risk.md; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from daemon.core.calendar import KST
from daemon.core.values import Currency, InstrumentId

DAY_BEGINS = timedelta(hours=7)
"""After midnight in Seoul: a day of limits holds a whole KRX day and the American night after."""


class Rule(StrEnum):
    """Which limit a refusal came from; stable names for logs and reports."""

    GATE_CLOSED = "gate_closed"
    HALTED = "halted"
    REDUCE_ONLY = "reduce_only"
    TRADING_DAY = "trading_day"
    BEFORE_CLOSE = "before_close"
    LOSS_UNKNOWN = "loss_unknown"
    MARKET = "market"
    DENIED_INSTRUMENT = "denied_instrument"
    IN_DOUBT = "in_doubt"
    NO_PRICE = "no_price"
    STALE_PRICE = "stale_price"
    EXCHANGE_RATE = "exchange_rate"
    ORDERS_PER_SECOND = "orders_per_second"
    ORDERS_PER_MINUTE = "orders_per_minute"
    ORDERS_PER_DAY = "orders_per_day"
    OPEN_ORDERS = "open_orders"
    STRATEGY_OPEN_ORDERS = "strategy_open_orders"
    DUPLICATE = "duplicate"
    COOL_DOWN = "cool_down"
    ORDER_QUANTITY = "order_quantity"
    PRICE_STEP = "price_step"
    PRICE_LIMIT = "price_limit"
    PRICE_COLLAR = "price_collar"
    CASH = "cash"
    HOLDING = "holding"
    ORDER_NOTIONAL = "order_notional"
    POSITION_NOTIONAL = "position_notional"
    STRATEGY_EXPOSURE = "strategy_exposure"
    ACCOUNT_EXPOSURE = "account_exposure"
    CANCELS_PER_SECOND = "cancels_per_second"
    CANCELS_PER_MINUTE = "cancels_per_minute"
    CANCELS_PER_DAY = "cancels_per_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """What one account may do. `None`, 0 seconds and empty lists limit nothing.

    Amounts are KRW; those of other currencies are valued by `Rates`. `price_collar` is the greatest
    distance of a limit price from the last price, as a fraction: 0.05 is five percent. Exposure is
    the worth of all that would be held if every open purchase filled. `allowed` names what may be
    bought, `denied` what no order may touch. A day begins at 07:00 in Seoul.
    """

    max_order_quantity: int
    max_order_notional: Decimal
    max_position_notional: Decimal
    price_collar: Decimal
    max_orders_per_minute: int
    max_strategy_exposure: Decimal | None = None
    max_account_exposure: Decimal | None = None
    max_open_orders: int | None = None
    max_strategy_open_orders: int | None = None
    max_orders_per_second: int | None = None
    max_orders_per_day: int | None = None
    max_cancels_per_second: int | None = None
    max_cancels_per_minute: int | None = None
    max_cancels_per_day: int | None = None
    max_price_age_seconds: int | None = None
    duplicate_window_seconds: int = 0
    reentry_cooldown_seconds: int = 0
    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    allowed: frozenset[InstrumentId] = frozenset()
    denied: frozenset[InstrumentId] = frozenset()


class PriceView(Protocol):
    """What is known of prices, `None` where nothing is. In the instrument's currency."""

    def last_price(self, instrument: InstrumentId) -> Decimal | None:
        """The last trade."""

    def priced_at(self, instrument: InstrumentId) -> datetime | None:
        """When the last price was known to hold: a tick came, or an inquiry was asked."""

    def upper_limit(self, instrument: InstrumentId) -> Decimal | None:
        """The highest price of the day: what a market order may cost."""

    def lower_limit(self, instrument: InstrumentId) -> Decimal | None:
        """The lowest price of the day."""

    def is_fund(self, instrument: InstrumentId) -> bool:
        """Whether the price steps of ETF and ETN apply."""


class Rates(Protocol):
    """What other currencies are worth."""

    def rate(self, currency: Currency) -> Decimal | None:
        """KRW for one unit, `None` where nobody knows. One won is worth one."""


@dataclass(frozen=True, slots=True)
class FixedRates:
    """`Rates` that stay as they are."""

    abroad: Mapping[Currency, Decimal]

    def rate(self, currency: Currency) -> Decimal | None:
        return Decimal(1) if currency is Currency.KRW else self.abroad.get(currency)


WON_ONLY = FixedRates({})
"""Of a desk that knows no other currency."""


def limit_day(at: datetime) -> date:
    """The day of limits an instant belongs to: it begins at 07:00 in Seoul."""
    return (at.astimezone(KST) - DAY_BEGINS).date()
