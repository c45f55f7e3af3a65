"""Permission to trade: every intent passes here, and only `Approved` can be executed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from daemon.core.events import OrderIntent, OrderKind
from daemon.core.orders import Order, OrderState
from daemon.core.portfolio import PortfolioView
from daemon.core.steps import STEPPED_REGIONS, is_accepted_price
from daemon.core.values import (
    Currency,
    InstrumentId,
    OrderId,
    Side,
    StrategyId,
    currency_of,
    region_of,
)


class Rule(StrEnum):
    """Which limit a refusal came from; stable names for logs and reports."""

    GATE_CLOSED = "gate_closed"
    NO_PRICE = "no_price"
    PRICE_STEP = "price_step"
    PRICE_COLLAR = "price_collar"
    ORDER_QUANTITY = "order_quantity"
    ORDER_NOTIONAL = "order_notional"
    POSITION_NOTIONAL = "position_notional"
    CASH = "cash"
    HOLDING = "holding"
    ORDERS_PER_MINUTE = "orders_per_minute"
    IN_DOUBT = "in_doubt"
    MARKET = "market"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """What one account may do.

    Amounts in the instrument's currency (KRW for KRX); `price_collar` is the greatest distance
    of a limit price from the last price, as a fraction: 0.05 is five percent.
    """

    max_order_quantity: int
    max_order_notional: Decimal
    max_position_notional: Decimal
    price_collar: Decimal
    max_orders_per_minute: int


@dataclass(frozen=True, slots=True)
class Approved:
    """An intent that passed every rule. Built by `check` alone."""

    intent: OrderIntent


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """An intent that never became an order, the rule it broke, and the figures."""

    intent: OrderIntent
    rule: Rule
    detail: str


class PriceView(Protocol):
    """What is known of prices, `None` where nothing is."""

    def last_price(self, instrument: InstrumentId) -> Decimal | None:
        """The last trade."""

    def upper_limit(self, instrument: InstrumentId) -> Decimal | None:
        """The highest price of the day: what a market order may cost."""

    def is_fund(self, instrument: InstrumentId) -> bool:
        """Whether the price steps of ETF and ETN apply."""


@dataclass(slots=True)
class _Exposure:
    """What the account would owe and own if everything open, and all approved so far, filled.

    `dearest` is the most that any of the buys may cost a share: trading there makes all of the
    position worth as much. `unpriced` is an open buy whose cost nobody can tell.
    """

    cash: dict[Currency, Decimal]
    bought: dict[InstrumentId, int]
    sellable: dict[InstrumentId, int]
    sends: int
    dearest: dict[InstrumentId, Decimal] = field(default_factory=dict)
    own_sales: dict[tuple[StrategyId, InstrumentId], int] = field(default_factory=dict)
    unpriced: OrderId | None = None

    def add_purchase(self, instrument: InstrumentId, quantity: int, price: Decimal) -> None:
        """Count shares that may be bought at up to `price`."""
        currency = currency_of(instrument)
        self.cash[currency] = self.cash_of(currency) - price * quantity
        self.bought[instrument] = self.bought.get(instrument, 0) + quantity
        self.dearest[instrument] = max(price, self.dearest.get(instrument, price))

    def cash_of(self, currency: Currency) -> Decimal:
        """What may still be spent in one currency."""
        return self.cash.get(currency, Decimal(0))

    def add_sale(self, intent: OrderIntent, quantity: int) -> None:
        """Count shares a strategy has on sale."""
        key = (intent.strategy, intent.instrument)
        self.own_sales[key] = self.own_sales.get(key, 0) + quantity

    def shares(self, portfolio: PortfolioView, instrument: InstrumentId) -> int:
        """What would be held once every buy filled."""
        return portfolio.position(instrument).quantity + self.bought.get(instrument, 0)


def check(
    intents: Sequence[OrderIntent],
    portfolio: PortfolioView,
    *,
    quotes: PriceView,
    limits: RiskLimits,
    now: datetime,
) -> tuple[Approved | Denied, ...]:
    """Judge a batch as a whole, in order: each answer counts all approved before it.

    No approved batch breaks a limit even if all of it fills.
    """
    exposure = _exposure(portfolio, quotes, now)
    answers: list[Approved | Denied] = []
    for intent in intents:
        denial = _first_denial(intent, portfolio, exposure, quotes, limits)
        if denial is not None:
            answers.append(denial)
            continue
        if intent.side is Side.BUY:
            price = _worst_price(intent, quotes)
            assert price is not None, "a buy without any price was approved"
            exposure.add_purchase(intent.instrument, intent.quantity, price)
        else:
            held = _sellable(exposure, portfolio, intent.instrument)
            exposure.sellable[intent.instrument] = held - intent.quantity
            exposure.add_sale(intent, intent.quantity)
        exposure.sends += 1
        answers.append(Approved(intent))
    return tuple(answers)


def _exposure(portfolio: PortfolioView, quotes: PriceView, now: datetime) -> _Exposure:
    """Everything sent, unknown or waiting counts as if it were going to fill."""
    exposure = _Exposure(
        cash=dict(portfolio.cash),
        bought={},
        sellable={},
        sends=_sends(portfolio.recent_sends, now),
    )
    for order in portfolio.open_orders():
        instrument = order.intent.instrument
        if order.state is OrderState.CREATED:
            exposure.sends += 1
        if order.intent.side is Side.BUY:
            price = _committed_price(order, quotes)
            if price is None:
                exposure.unpriced = order.id
                continue
            exposure.add_purchase(instrument, order.remaining, price)
        else:
            held = _sellable(exposure, portfolio, instrument)
            exposure.sellable[instrument] = held - order.remaining
            exposure.add_sale(order.intent, order.remaining)
    return exposure


def _committed_price(order: Order, quotes: PriceView) -> Decimal | None:
    """The most an open buy can cost a share, a new price under way included."""
    if order.limit is not None:
        return max(order.limit, order.asked_limit or order.limit)
    return quotes.upper_limit(order.intent.instrument)


def _sends(recent: Iterable[datetime], now: datetime) -> int:
    since = now - timedelta(minutes=1)
    return sum(1 for at in recent if at > since)


def _sellable(exposure: _Exposure, portfolio: PortfolioView, instrument: InstrumentId) -> int:
    held = exposure.sellable.get(instrument)
    return portfolio.position(instrument).quantity if held is None else held


def _worst_price(intent: OrderIntent, quotes: PriceView) -> Decimal | None:
    """The most a buy can cost a share: its limit, or the day's upper limit at market.

    KIS reserves a market buy at the upper limit (measured: price 1,252 reserved 1,627). A sale
    at market costs nothing and is sized at the last price.
    """
    if intent.limit is not None:
        return intent.limit
    if intent.side is Side.BUY:
        return quotes.upper_limit(intent.instrument)
    return quotes.last_price(intent.instrument)


def _first_denial(
    intent: OrderIntent,
    portfolio: PortfolioView,
    exposure: _Exposure,
    quotes: PriceView,
    limits: RiskLimits,
) -> Denied | None:
    def deny(rule: Rule, detail: str) -> Denied:
        return Denied(intent=intent, rule=rule, detail=detail)

    untraded = market_problem(intent.instrument)
    if untraded:
        return deny(Rule.MARKET, untraded)
    uncertain = doubted(portfolio.open_orders(), intent)
    if uncertain is not None:
        return deny(Rule.IN_DOUBT, f"order {uncertain.id} on this instrument has no known outcome")
    last = quotes.last_price(intent.instrument)
    price = _worst_price(intent, quotes)
    if last is None or price is None:
        return deny(Rule.NO_PRICE, "the instrument's last price or limit of the day is not known")
    if intent.side is Side.BUY and exposure.unpriced is not None:
        return deny(Rule.NO_PRICE, f"nobody can tell yet what order {exposure.unpriced} will cost")
    if exposure.sends >= limits.max_orders_per_minute:
        return deny(
            Rule.ORDERS_PER_MINUTE,
            f"{exposure.sends} orders in the last minute, {limits.max_orders_per_minute} allowed",
        )
    if intent.quantity > limits.max_order_quantity:
        return deny(
            Rule.ORDER_QUANTITY,
            f"{intent.quantity} shares, {limits.max_order_quantity} allowed an order",
        )
    problem: _Problem | None = None
    if intent.limit is not None:
        problem = _price_problem(intent.limit, intent.instrument, last, quotes, limits)
    if problem is None and intent.side is Side.BUY:
        value = max(price, last, exposure.dearest.get(intent.instrument, price))
        problem = _purchase_problem(intent, value, price, portfolio, exposure, limits)
    elif problem is None:
        problem = _sale_problem(intent, price, portfolio, exposure, limits)
    return deny(*problem) if problem is not None else None


def doubted(open_orders: Iterable[Order], intent: OrderIntent) -> Order | None:
    """An order on the intent's instrument whose outcome nobody knows, if there is one."""
    for order in open_orders:
        same = order.intent.instrument == intent.instrument
        if same and order.state is OrderState.IN_DOUBT:
            return order
    return None


def market_problem(instrument: InstrumentId) -> str:
    """Why orders on an instrument cannot be judged; empty where its price steps are known."""
    try:
        region = region_of(instrument)
    except ValueError as error:
        return str(error)
    if region in STEPPED_REGIONS:
        return ""
    return f"the price steps of {region} are not known: only KR and US can be traded"


_Problem = tuple[Rule, str]


def _price_problem(
    limit: Decimal,
    instrument: InstrumentId,
    last: Decimal,
    quotes: PriceView,
    limits: RiskLimits,
) -> _Problem | None:
    if not is_accepted_price(instrument, limit, fund=quotes.is_fund(instrument)):
        told = f"{limit} {currency_of(instrument)}"
        return Rule.PRICE_STEP, f"{told} is not a multiple of the price step at that price"
    if abs(limit - last) > last * limits.price_collar:
        return (
            Rule.PRICE_COLLAR,
            f"limit {limit} is more than {limits.price_collar:%} from the last price {last}",
        )
    return None


def _notional_problem(notional: Decimal, limits: RiskLimits) -> _Problem | None:
    if notional > limits.max_order_notional:
        return Rule.ORDER_NOTIONAL, f"{notional} is over {limits.max_order_notional} an order"
    return None


def _position_problem(value: Decimal, limits: RiskLimits) -> _Problem | None:
    if value > limits.max_position_notional:
        return (
            Rule.POSITION_NOTIONAL,
            f"the position would be worth {value}, {limits.max_position_notional} allowed",
        )
    return None


def _purchase_problem(
    intent: OrderIntent,
    value: Decimal,
    price: Decimal,
    portfolio: PortfolioView,
    exposure: _Exposure,
    limits: RiskLimits,
) -> _Problem | None:
    """`value` is what a share is worth for limits, `price` what it may cost at most."""
    cost = price * intent.quantity
    free = exposure.cash_of(currency_of(intent.instrument))
    if cost > free:
        return Rule.CASH, f"{cost} to pay, {free} free"
    shares = exposure.shares(portfolio, intent.instrument) + intent.quantity
    return _notional_problem(cost, limits) or _position_problem(shares * value, limits)


def _sale_problem(
    intent: OrderIntent,
    price: Decimal,
    portfolio: PortfolioView,
    exposure: _Exposure,
    limits: RiskLimits,
) -> _Problem | None:
    held = _sellable(exposure, portfolio, intent.instrument)
    if intent.quantity > held:
        return Rule.HOLDING, f"{intent.quantity} shares to sell, {held} held and not on sale"
    # What no strategy bought may be sold by any; what another bought is the other's alone.
    key = (intent.strategy, intent.instrument)
    free = portfolio.position(intent.instrument).quantity - exposure.own_sales.get(key, 0)
    free -= portfolio.held_by_others(*key)
    if intent.quantity > free:
        return Rule.HOLDING, f"{intent.quantity} shares to sell, {free} not of other strategies"
    return _notional_problem(price * intent.quantity, limits)


def denied_by_gate(intents: Sequence[OrderIntent], reason: str) -> tuple[Denied, ...]:
    """Refuse a whole batch because trading is closed, saying why."""
    return tuple(Denied(intent=each, rule=Rule.GATE_CLOSED, detail=reason) for each in intents)


def modification_problem(
    order: Order,
    limit: Decimal,
    portfolio: PortfolioView,
    *,
    quotes: PriceView,
    limits: RiskLimits,
    now: datetime,
) -> Denied | None:
    """Judge a new price for an open order by the same rules; `None` when it may be sent."""
    intent = order.intent

    def deny(rule: Rule, detail: str) -> Denied:
        return Denied(intent=intent, rule=rule, detail=detail)

    last = quotes.last_price(intent.instrument)
    if intent.kind is not OrderKind.LIMIT or order.limit is None:
        return deny(Rule.PRICE_STEP, "a market order has no price")
    if last is None:
        return deny(Rule.NO_PRICE, "no price of this instrument is known yet")
    sends = _sends(portfolio.recent_sends, now)
    if sends >= limits.max_orders_per_minute:
        allowed = limits.max_orders_per_minute
        return deny(Rule.ORDERS_PER_MINUTE, f"{sends} orders in the last minute, {allowed} allowed")
    problem = _price_problem(limit, intent.instrument, last, quotes, limits)
    problem = problem or _notional_problem(limit * order.remaining, limits)
    if problem is None and intent.side is Side.BUY:
        exposure = _exposure(portfolio, quotes, now)
        more = (limit - order.limit) * order.remaining
        free = exposure.cash_of(currency_of(intent.instrument))
        if more > max(free, Decimal(0)):
            problem = (Rule.CASH, f"{more} more to pay, {free} free")
        else:
            shares = exposure.shares(portfolio, intent.instrument)
            dearest = exposure.dearest.get(intent.instrument, limit)
            problem = _position_problem(shares * max(limit, last, dearest), limits)
    return deny(*problem) if problem else None
