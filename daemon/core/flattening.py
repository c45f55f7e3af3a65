"""Which sales empty the account, and what cannot be sold now and why. Decides, never acts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from daemon.core.acts import OWNERS
from daemon.core.calendar import RoundingWay
from daemon.core.events import OrderIntent, OrderKind
from daemon.core.leftovers import Left, LeftCause
from daemon.core.limits import PriceView, RiskLimits
from daemon.core.orders import UNANSWERED, Order, OrderState
from daemon.core.portfolio import PortfolioView
from daemon.core.steps import accepted_price, takes_market_orders
from daemon.core.values import (
    AccountId,
    InstrumentId,
    Region,
    Session,
    Side,
    StrategyId,
    region_of,
)

SWITCH = StrategyId("kill-switch")
"""Whose orders sell what no strategy bought."""

REASON = "flatten"

Closed = Callable[[InstrumentId], str]

_CANCELLABLE = (OrderState.WORKING, OrderState.MODIFYING)


class Prices(PriceView, Protocol):
    """Prices, and what is known of instruments that may not trade."""

    def halted(self, instrument: InstrumentId) -> str:
        """Why an instrument may not trade; empty as far as is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do next: sales to send, standing sales to cancel for a better price, and the rest."""

    sales: tuple[OrderIntent, ...]
    stale: tuple[Order, ...]
    left: tuple[Left, ...]

    @property
    def is_done(self) -> bool:
        """Whether nothing is held and nothing is on sale, but for what no order may touch."""
        kept = all(each.cause is LeftCause.DENIED for each in self.left)
        return kept and not (self.sales or self.stale)


def edge(instrument: InstrumentId, quotes: PriceView, limits: RiskLimits) -> Decimal | None:
    """The lowest price a sale may carry: the collar's edge, or the lower limit of the day.

    In the instrument's currency, on a price step; `None` without a last price.
    """
    last = quotes.last_price(instrument)
    if last is None:
        return None
    wanted, fund = last * (1 - limits.price_collar), quotes.is_fund(instrument)
    lower = quotes.lower_limit(instrument)
    return accepted_price(instrument, max(wanted, lower or wanted), RoundingWay.UP, fund=fund)


def plan(
    portfolio: PortfolioView,
    holdings: Mapping[InstrumentId, int],
    *,
    account: AccountId,
    quotes: Prices,
    limits: RiskLimits,
    at_market: bool,
    closed: Closed,
    region: Region | None = None,
) -> Plan:
    """Sell what the broker says is held and our books know of, for each owner its own.

    `closed` says why an instrument's market takes nothing now, and is empty when it does. With a
    `region` it is what strategies hold in that region, and nothing else: what people bought stays.
    """
    sales: list[OrderIntent] = []
    stale: list[Order] = []
    left: list[Left] = []
    told = holdings if region is None else ()
    for instrument in sorted({*told, *concerned(portfolio, region)}):
        held = max(holdings.get(instrument, 0), 0)
        known = max(portfolio.position(instrument).quantity, 0)
        if held != known and instrument not in limits.denied:
            detail = f"the broker holds {held}, our books {known}"
            rest = abs(held - known)
            left.append(_left(instrument, rest, LeftCause.UNKNOWN_SHARES, detail))
        if not held:
            continue
        standing = [
            order
            for order in portfolio.open_orders()
            if order.intent.instrument == instrument and order.intent.side is Side.SELL
        ]
        free = min(held, known) - sum(order.remaining for order in standing)
        why = _unsellable(instrument, portfolio, quotes, limits, closed(instrument))
        if why is not None:
            quantity = min(held, known)
            if region is not None:
                quantity = min(quantity, sum(_shares(portfolio, instrument, region).values()))
            if quantity:
                left.append(_left(instrument, quantity, *why))
            continue
        at_any_price = at_market and takes_market_orders(instrument)
        price = None if at_any_price else edge(instrument, quotes, limits)
        for order in standing:
            # A sale for another session, such as the closing auction, may wait for hours.
            waits = region is None and order.intent.session is not Session.REGULAR
            if not is_to_end(order, region):
                continue
            if order.state in _CANCELLABLE and (waits or _too_dear(order, price)):
                stale.append(order)
            left.append(_under_way(order))
        owners = _shares(portfolio, instrument, region)
        if region is None:
            owners[SWITCH] = free
        sales += _sales(portfolio, instrument, owners, free, account, price)
    return Plan(sales=tuple(sales), stale=tuple(stale), left=tuple(left))


def concerned(portfolio: PortfolioView, region: Region | None) -> set[InstrumentId]:
    """What our books say is to be sold: everything, or what strategies hold in one region."""
    if region is None:
        return {each for each, position in portfolio.positions.items() if position.quantity}
    return {
        instrument
        for (owner, instrument), position in portfolio.owned().items()
        if position.quantity > 0 and region_of(instrument) is region and _goes(owner, region)
    }


def open_rest(orders: Sequence[Order], closed: Closed) -> tuple[Left, ...]:
    """What is still open of orders that are to be cancelled."""
    return tuple(_under_way(order, closed(order.intent.instrument)) for order in orders)


def not_told(portfolio: PortfolioView, why: str) -> tuple[Left, ...]:
    """All that our books know of, where the broker did not say what became of it."""
    detail = f"the broker did not tell: {why}"
    return (
        *(
            replace(_under_way(order), cause=LeftCause.NOT_TOLD, detail=detail)
            for order in portfolio.open_orders()
        ),
        *(
            _left(each, abs(position.quantity), LeftCause.NOT_TOLD, detail)
            for each, position in sorted(portfolio.positions.items())
            if position.quantity
        ),
    )


def _under_way(order: Order, closed: str = "") -> Left:
    doubt = order.state in UNANSWERED
    cause = LeftCause.IN_DOUBT if doubt else LeftCause.UNDER_WAY
    detail = order.cause or f"order {order.id} is {order.state}"
    if closed and not doubt:
        cause, detail = LeftCause.MARKET_CLOSED, closed
    return Left(
        instrument=order.intent.instrument,
        quantity=order.remaining,
        cause=cause,
        detail=detail,
        order=order.id,
    )


def _unsellable(
    instrument: InstrumentId,
    portfolio: PortfolioView,
    quotes: Prices,
    limits: RiskLimits,
    closed: str,
) -> tuple[LeftCause, str] | None:
    if instrument in limits.denied:
        return LeftCause.DENIED, "on the list `denied`: no order may touch it"
    if closed:
        return LeftCause.MARKET_CLOSED, closed
    halted = quotes.halted(instrument)
    if halted:
        return LeftCause.INSTRUMENT_HALTED, halted
    for order in portfolio.open_orders():
        if order.intent.instrument == instrument and order.state is OrderState.IN_DOUBT:
            return LeftCause.IN_DOUBT, f"order {order.id} has no known outcome"
    if quotes.last_price(instrument) is None:
        return LeftCause.NO_PRICE, "its last price is not known"
    return None


def _too_dear(order: Order, price: Decimal | None) -> bool:
    """Whether a standing sale asks for more than it has to."""
    if order.limit is None:
        return False
    return price is None or order.limit > price


def _sales(
    portfolio: PortfolioView,
    instrument: InstrumentId,
    owners: Mapping[StrategyId, int],
    free: int,
    account: AccountId,
    price: Decimal | None,
) -> list[OrderIntent]:
    """One sale for each owner, as far as `free` reaches."""
    shares = dict(owners)
    for order in portfolio.open_orders():
        owner = order.intent.strategy
        same = order.intent.instrument == instrument and order.intent.side is Side.SELL
        if same and owner in shares and owner != SWITCH:
            shares[owner] -= order.remaining
    sales = []
    for owner, wanted in shares.items():
        quantity = min(wanted, free)
        if quantity <= 0:
            continue
        free -= quantity
        sales.append(
            OrderIntent(
                account=account,
                strategy=owner,
                instrument=instrument,
                side=Side.SELL,
                quantity=quantity,
                kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
                limit=price,
                reason=REASON,
            )
        )
    return sales


def is_to_end(order: Order, region: Region | None) -> bool:
    """Whether closing has to see an order end: in a region, not what people have on sale there."""
    return order.intent.side is Side.BUY or _goes(order.intent.strategy, region)


def _goes(owner: StrategyId, region: Region | None) -> bool:
    """Whether what an owner has is to be sold: in a region, what people bought is not."""
    return region is None or owner not in OWNERS


def _shares(
    portfolio: PortfolioView, instrument: InstrumentId, region: Region | None
) -> dict[StrategyId, int]:
    """What each owner holds of an instrument that is to be sold."""
    return {
        owner: position.quantity
        for (owner, each), position in sorted(portfolio.owned().items())
        if each == instrument and position.quantity > 0 and owner != SWITCH and _goes(owner, region)
    }


def _left(instrument: InstrumentId, quantity: int, cause: LeftCause, detail: str) -> Left:
    return Left(instrument=instrument, quantity=quantity, cause=cause, detail=detail)
