"""Permission to trade: every intent passes here, and only `Approved` can be executed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from daemon.core.calendar import is_valid_price
from daemon.core.events import OrderIntent, OrderKind
from daemon.core.orders import Order, OrderState
from daemon.core.portfolio import PortfolioView
from daemon.core.values import InstrumentId, Market, Side, market_of


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


@dataclass(slots=True)
class _Exposure:
    """What the account would owe and own if everything open, and all approved so far, filled."""

    cash: Decimal
    bought: dict[InstrumentId, int]
    sellable: dict[InstrumentId, int]
    sends: int


def check(
    intents: Sequence[OrderIntent],
    portfolio: PortfolioView,
    *,
    last_price: Callable[[InstrumentId], Decimal | None],
    upper_limit: Callable[[InstrumentId], Decimal | None],
    limits: RiskLimits,
    now: datetime,
) -> tuple[Approved | Denied, ...]:
    """Judge a batch as a whole, in order: each answer counts all approved before it.

    No approved batch breaks a limit even if all of it fills. `last_price` and `upper_limit`
    give the venue's last trade and its highest price of the day, `None` when not known.
    """
    exposure = _exposure(portfolio, last_price, upper_limit, now)
    answers: list[Approved | Denied] = []
    for intent in intents:
        last = last_price(intent.instrument)
        denial = _first_denial(intent, portfolio, exposure, last, upper_limit, limits)
        if denial is not None:
            answers.append(denial)
            continue
        price = _worst_price(intent, last, upper_limit(intent.instrument))
        assert price is not None, "an intent without any price was approved"
        if intent.side is Side.BUY:
            exposure.cash -= price * intent.quantity
            bought = exposure.bought.get(intent.instrument, 0)
            exposure.bought[intent.instrument] = bought + intent.quantity
        else:
            held = _sellable(exposure, portfolio, intent.instrument)
            exposure.sellable[intent.instrument] = held - intent.quantity
        exposure.sends += 1
        answers.append(Approved(intent))
    return tuple(answers)


def _exposure(
    portfolio: PortfolioView,
    last_price: Callable[[InstrumentId], Decimal | None],
    upper_limit: Callable[[InstrumentId], Decimal | None],
    now: datetime,
) -> _Exposure:
    """Everything sent, unknown or waiting counts as if it were going to fill."""
    exposure = _Exposure(
        cash=portfolio.cash, bought={}, sellable={}, sends=_sends(portfolio.recent_sends, now)
    )
    for order in portfolio.open_orders():
        instrument = order.intent.instrument
        if order.state is OrderState.CREATED:
            exposure.sends += 1
        if order.intent.side is Side.BUY:
            price = order.limit or upper_limit(instrument) or last_price(instrument) or Decimal(0)
            exposure.cash -= price * order.remaining
            exposure.bought[instrument] = exposure.bought.get(instrument, 0) + order.remaining
        else:
            held = _sellable(exposure, portfolio, instrument)
            exposure.sellable[instrument] = held - order.remaining
    return exposure


def _sends(recent: Iterable[datetime], now: datetime) -> int:
    since = now - timedelta(minutes=1)
    return sum(1 for at in recent if at > since)


def _sellable(exposure: _Exposure, portfolio: PortfolioView, instrument: InstrumentId) -> int:
    held = exposure.sellable.get(instrument)
    return portfolio.position(instrument).quantity if held is None else held


def _worst_price(
    intent: OrderIntent, last: Decimal | None, upper_limit: Decimal | None
) -> Decimal | None:
    """The most a buy can cost a share: its limit, or the day's upper limit at market.

    KIS reserves a market buy at the upper limit (measured: price 1,252 reserved 1,627).
    """
    if intent.limit is not None:
        return intent.limit
    return (upper_limit or last) if intent.side is Side.BUY else last


def _first_denial(
    intent: OrderIntent,
    portfolio: PortfolioView,
    exposure: _Exposure,
    last: Decimal | None,
    upper_limit: Callable[[InstrumentId], Decimal | None],
    limits: RiskLimits,
) -> Denied | None:
    def deny(rule: Rule, detail: str) -> Denied:
        return Denied(intent=intent, rule=rule, detail=detail)

    doubted = _doubted(portfolio.open_orders(), intent)
    if doubted is not None:
        return deny(Rule.IN_DOUBT, f"order {doubted.id} on this instrument has no known outcome")
    if last is None:
        return deny(Rule.NO_PRICE, "no price of this instrument is known yet")
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
    if intent.limit is not None:
        problem = _price_problem(intent.limit, intent, last, limits)
        if problem is not None:
            return deny(*problem)
    price = _worst_price(intent, last, upper_limit(intent.instrument))
    assert price is not None, "a last price is known, so a worst price is too"
    problem = _size_problem(intent, price, portfolio, exposure, limits)
    return deny(*problem) if problem is not None else None


def _doubted(open_orders: Iterable[Order], intent: OrderIntent) -> Order | None:
    for order in open_orders:
        same = order.intent.instrument == intent.instrument
        if same and order.state is OrderState.IN_DOUBT:
            return order
    return None


def _price_problem(
    limit: Decimal, intent: OrderIntent, last: Decimal, limits: RiskLimits
) -> tuple[Rule, str] | None:
    if market_of(intent.instrument) is Market.KRX and not is_valid_price(limit):
        return Rule.PRICE_STEP, f"{limit} KRW is not a multiple of the price step at that price"
    if abs(limit - last) > last * limits.price_collar:
        return (
            Rule.PRICE_COLLAR,
            f"limit {limit} is more than {limits.price_collar:%} from the last price {last}",
        )
    return None


def _size_problem(
    intent: OrderIntent,
    price: Decimal,
    portfolio: PortfolioView,
    exposure: _Exposure,
    limits: RiskLimits,
) -> tuple[Rule, str] | None:
    notional = price * intent.quantity
    if notional > limits.max_order_notional:
        return Rule.ORDER_NOTIONAL, f"{notional} is over {limits.max_order_notional} an order"
    instrument = intent.instrument
    if intent.side is Side.SELL:
        held = _sellable(exposure, portfolio, instrument)
        if intent.quantity > held:
            return Rule.HOLDING, f"{intent.quantity} shares to sell, {held} held and not on sale"
        return None
    if notional > exposure.cash:
        return Rule.CASH, f"{notional} to pay, {exposure.cash} free"
    shares = portfolio.position(instrument).quantity + exposure.bought.get(instrument, 0)
    after = (shares + intent.quantity) * price
    if after > limits.max_position_notional:
        return (
            Rule.POSITION_NOTIONAL,
            f"the position would be worth {after}, {limits.max_position_notional} allowed",
        )
    return None


def denied_by_gate(intents: Sequence[OrderIntent], reason: str) -> tuple[Denied, ...]:
    """Refuse a whole batch because trading is closed, saying why."""
    return tuple(Denied(intent=each, rule=Rule.GATE_CLOSED, detail=reason) for each in intents)


def modification_problem(
    order: Order, limit: Decimal, last: Decimal | None, limits: RiskLimits
) -> Denied | None:
    """Judge a new price for an open order by the same rules; `None` when it may be sent."""
    intent = order.intent
    if intent.kind is not OrderKind.LIMIT:
        return Denied(intent=intent, rule=Rule.PRICE_STEP, detail="a market order has no price")
    if last is None:
        return Denied(intent=intent, rule=Rule.NO_PRICE, detail="no price is known yet")
    problem = _price_problem(limit, intent, last, limits)
    if problem is None and limit * order.remaining > limits.max_order_notional:
        problem = (
            Rule.ORDER_NOTIONAL,
            f"{limit * order.remaining} is over {limits.max_order_notional} an order",
        )
    return Denied(intent=intent, rule=problem[0], detail=problem[1]) if problem else None
