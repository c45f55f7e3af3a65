"""The judges: what must be true of a world, by the exchange's own books and by the journal.

Each judges one promise and says in words how it was broken.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from daemon.core.books import cash_subject, position_subject
from daemon.core.events import (
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    OrderAccepted,
    OrderCreated,
    OrderFilled,
    OrderSent,
)
from daemon.core.limits import RiskLimits
from daemon.core.orders import Order as PortfolioOrder
from daemon.core.orders import OrderState
from daemon.core.parts import region_of_subject
from daemon.core.portfolio import Portfolio
from daemon.core.values import (
    Currency,
    InstrumentId,
    OrderId,
    Region,
    Side,
    StrategyId,
    code_of,
    currency_of,
    region_of,
)
from daemon.lab.venue import Venue
from daemon.lab.witness import Leaving, Witness
from daemon.sim.american import USD_IN_KRW
from daemon.sim.exchange import Exchange
from daemon.sim.facts import Action, Order

PENDING = (
    OrderState.CREATED,
    OrderState.SENT,
    OrderState.IN_DOUBT,
    OrderState.CANCELLING,
    OrderState.MODIFYING,
)

KRW_IN = {Currency.KRW: Decimal(1), Currency.USD: USD_IN_KRW}
"""What the broker's own rate makes of each currency: limits are in KRW."""


class RiskWatch:
    """No order is taken that could carry a position beyond its limit if everything filled."""

    def __init__(self, venue: Venue, witness: Witness, limits: RiskLimits) -> None:
        self._venue = venue
        self._witness = witness
        self._limits = limits

    def on_accepted(self, leaving: Leaving, number: int) -> None:
        """The exchange has taken a new order or a new price."""
        if leaving.side is not Side.BUY or leaving.limit is None:
            return
        orders = self._venue.orders
        code = code_of(leaving.instrument)
        if any(orders[each].request.code == code for each in self._venue.by_hand):
            return
        shares = 0
        for each in orders.values():
            if each.request.code == code and each.action is not Action.CANCEL:
                shares += each.request.side.sign * each.filled
                if each.is_open and each.request.side is Side.BUY:
                    shares += each.remaining
        value = shares * leaving.limit * KRW_IN[currency_of(leaving.instrument)]
        if value > self._limits.max_position_notional:
            self._witness.violate(
                f"{leaving.order}: {shares} shares of {code} worth {value} if all fill, "
                f"{self._limits.max_position_notional} allowed"
            )


class FillWatch:
    """At no instant does the journal hold more fills of an order than the exchange has made."""

    def __init__(self, venue: Venue, witness: Witness) -> None:
        self._venue = venue
        self._witness = witness
        self._numbers: dict[OrderId, int] = {}
        self._filled: Counter[OrderId] = Counter()

    def on_written(self, events: Sequence[Event]) -> None:
        """The journal has been given facts."""
        for event in events:
            match event:
                case OrderAccepted():
                    self._numbers[event.order] = int(event.ref.number)
                case OrderFilled():
                    self._filled[event.order] += event.fill.quantity
                    self._compare(event.order)
                case _:
                    pass

    def _compare(self, order: OrderId) -> None:
        orders, number = self._venue.orders, self._numbers.get(order)
        made = sum(
            each.filled
            for each in orders.values()
            if each.filled and _root(orders, each).number == number
        )
        if self._filled[order] > made:
            self._witness.violate(
                f"{self._filled[order]} shares of {order}, number {number}, are in the journal "
                f"and the exchange has traded {made}"
            )


def cap_kept(venue: Venue, limit: int) -> Iterator[str]:
    """Never more requests than allowed within any second at the broker's door."""
    arrivals = sorted(venue.arrivals)
    for first, last in zip(arrivals, arrivals[limit:], strict=False):
        if last - first < 1.0:
            yield f"{limit + 1} requests arrived within {last - first:.3f} s, at {first:.3f} s"
            return


def nothing_doubled(witness: Witness) -> Iterator[str]:
    """Each intent gave the exchange at most one order."""
    for order, numbers in witness.numbers.items():
        if len(numbers) > 1:
            yield f"order {order} reached the exchange {len(numbers)} times: {numbers}"


def conserved(exchange: Exchange, before: tuple[Decimal, dict[str, int]]) -> Iterator[str]:
    """Never a share, a won or a cent created."""
    cash, shares = exchange.totals()
    if (cash, dict(shares)) != before:
        yield f"the exchange's sums moved from {before} to {(cash, dict(shares))}"


def same_books(
    portfolio: Portfolio, venue: Venue, account: str, excused: Collection[str] = ()
) -> Iterator[str]:
    """The exchange's cash, holdings and open orders are ours, but for `excused` subjects."""
    theirs: dict[Currency, Decimal] = {}
    held: dict[InstrumentId, int] = {}
    for market in venue.markets:
        books = market.exchange.accounts[account]
        theirs[market.rules.region.currency] = books.cash
        held |= {venue.instrument_of(code): each.quantity for code, each in books.holdings.items()}
    for currency in sorted(theirs | portfolio.cash):
        ours, there = portfolio.cash.get(currency), theirs.get(currency)
        if ours != there and cash_subject(currency) not in excused:
            yield f"cash: ours {ours} {currency}, the exchange's {there}"
    for instrument in sorted(portfolio.positions.keys() | held.keys()):
        shares, there_held = portfolio.position(instrument).quantity, held.get(instrument, 0)
        if shares != there_held and position_subject(instrument) not in excused:
            yield f"position {instrument}: ours {shares}, the exchange's {there_held}"
    by_hand, orders = set(venue.by_hand), venue.orders
    open_there = {
        each.number: each.remaining
        for each in orders.values()
        if each.is_open and each.remaining and _root(orders, each).number not in by_hand
    }
    open_here = {
        int(each.ref.number) if each.ref else 0: each.remaining for each in portfolio.open_orders()
    }
    if open_there != open_here:
        yield f"open orders: ours {open_here}, the exchange's {open_there}"


def same_orders(portfolio: Portfolio, venue: Venue, witness: Witness) -> Iterator[str]:
    """Every order the exchange took from us is one of ours, under its number, to the share.

    Orders of one shape are interchangeable while nobody knows their numbers.
    """
    orders = venue.orders
    chains: dict[int, list[Order]] = {}
    for each in orders.values():
        if each.action is not Action.CANCEL:
            chains.setdefault(_root(orders, each).number, []).append(each)
    claimed: dict[int, PortfolioOrder] = {}
    for ours in portfolio.orders.values():
        if not ours.refs:
            continue
        number = int(ours.refs[0].number)
        if number in claimed:
            yield f"orders {ours.id} and {claimed[number].id} both claim number {number}"
        claimed[number] = ours
        owner = witness.owners.get(number)
        if owner is None:
            yield f"order {ours.id} claims number {number}, which is not ours"
        elif owner not in portfolio.orders:
            yield f"order {owner}, number {number} at the exchange, is not in the journal"
        elif _shape(portfolio.orders[owner]) != _shape(ours):
            yield f"number {number} is order {owner} and was taken for {ours.id}"
    for number, owner in witness.owners.items():
        if number not in claimed:
            yield f"order {owner} is number {number} at the exchange and nobody knows it"
            continue
        ours, chain = claimed[number], chains[number]
        filled = sum(each.filled for each in chain)
        notional = sum((each.notional for each in chain), Decimal(0))
        if (ours.filled, ours.notional) != (filled, notional):
            yield (
                f"order {ours.id}, number {number}: {ours.filled} filled for {ours.notional}, "
                f"at the exchange {filled} for {notional}"
            )


def nothing_pending(portfolio: Portfolio) -> Iterator[str]:
    """No order is left without a known outcome."""
    for order in portfolio.open_orders():
        if order.state in PENDING:
            yield f"order {order.id} is left {order.state}: {order.cause}"


def nothing_of_the_fallen(
    portfolio: Portfolio,
    fallen: Collection[StrategyId],
    now: datetime,
    patience: float,
    is_open: Callable[[InstrumentId], bool] = lambda instrument: True,
) -> Iterator[str]:
    """What a faulted strategy left open is cancelled, once nothing prevents it any more.

    At a closed exchange nothing can be cancelled.
    """
    for order in portfolio.open_orders():
        age = (now - order.updated_at).total_seconds()
        waits = not is_open(order.intent.instrument)
        if order.intent.strategy in fallen and age > patience and not waits:
            yield f"order {order.id} of the faulted {order.intent.strategy} is still {order.state}"


def nothing_differs(portfolio: Portfolio, excused: Collection[str]) -> Iterator[str]:
    """No discrepancy is left, but for those that trading by hand has caused."""
    for subject in portfolio.discrepancies:
        if subject not in excused:
            yield f"a discrepancy is left: {subject}"


def strangers_told(facts: Iterable[Event], venue: Venue) -> Iterator[str]:
    """Orders placed by hand are recognised as such, no other is, and none is touched."""
    orders = venue.orders
    seen = {int(each.number) for each in facts if isinstance(each, ExternalOrderSeen)}
    by_hand = set(venue.by_hand)
    for number in sorted(seen - by_hand):
        yield f"number {number} is ours and was taken for a stranger's"
    for number in sorted(by_hand - seen):
        yield f"number {number} was placed by hand and nobody noticed"
    changes = [each for each in orders.values() if each.action is not Action.NEW]
    for each in changes:
        ours = each.number not in venue.taken_back
        if ours and _root(orders, each).number in by_hand:
            yield f"number {each.number} touches {_root(orders, each).number}, placed by hand"


def gate_kept(facts: Iterable[Event]) -> Iterator[str]:
    """No order left while its region's books differed, nor on an instrument with an order in
    doubt."""
    portfolio = Portfolio()
    differing: dict[str, Region | None] = {}
    wanted: dict[str, InstrumentId] = {}
    for event in facts:
        match event:
            case OrderCreated():
                wanted[event.order] = event.intent.instrument
            case DiscrepancyFound():
                differing[event.subject] = region_of_subject(portfolio, event.subject)
            case DiscrepancyCleared():
                differing.pop(event.subject, None)
            case OrderSent():
                there = (None, region_of(wanted[event.order]))
                held = [subject for subject, region in differing.items() if region in there]
                if held:
                    yield f"order {event.order} left while the books differed: {held}"
                for each in portfolio.open_orders():
                    same = each.intent.instrument == wanted[event.order] and each.id != event.order
                    if same and each.state is OrderState.IN_DOUBT:
                        yield f"order {event.order} left while {each.id} was in doubt"
            case _:
                pass
        portfolio.apply(event)


def replays(live: Portfolio, replayed: Portfolio) -> Iterator[str]:
    """The journal folds into the state the daemon had in memory."""
    for name in ("cash", "positions", "orders", "discrepancies", "external", "halted", "armed"):
        here, there = getattr(live, name), getattr(replayed, name)
        if here != there:
            yield f"the journal replays to another {name}: {there} instead of {here}"


def _shape(order: PortfolioOrder) -> tuple[object, ...]:
    intent = order.intent
    return intent.instrument, intent.side, intent.quantity, intent.limit


def _root(orders: Mapping[int, Order], order: Order) -> Order:
    while order.original is not None:
        order = orders[order.original]
    return order
