"""One symbol's order book: price-time priority, continuous matching and the single-price auction.

It knows prices, shares and who stands where in the queue; never money, sessions or time.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from daemon.core.values import Level, Side


@dataclass(slots=True, eq=False)
class Resting:
    """An order standing in a book. `tag` lets its owner find what it belongs to."""

    owner: str
    side: Side
    price: Decimal
    remaining: int
    tag: int = 0


class Match(NamedTuple):
    """Part of a resting order taken by an incoming one, at the resting order's price."""

    maker: Resting
    price: Decimal
    quantity: int


class Cross(NamedTuple):
    """One pairing made by an auction."""

    buyer: Resting
    seller: Resting
    quantity: int


class Clearing(NamedTuple):
    """The price an auction would make, and the shares that would change hands there."""

    price: Decimal
    quantity: int


@dataclass(slots=True)
class _Queue:
    orders: dict[int, Resting] = field(default_factory=dict)
    total: int = 0


class _Half:
    """One side of the book: price levels, each a queue in order of arrival."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.queues: dict[Decimal, _Queue] = {}
        self.prices: list[Decimal] = []

    def best(self) -> Decimal | None:
        if not self.prices:
            return None
        return self.prices[-1] if self.side is Side.BUY else self.prices[0]

    def best_first(self) -> Iterator[Decimal]:
        return reversed(self.prices) if self.side is Side.BUY else iter(self.prices)

    def add(self, order: Resting) -> None:
        queue = self.queues.get(order.price)
        if queue is None:
            queue = self.queues[order.price] = _Queue()
            insort(self.prices, order.price)
        queue.orders[id(order)] = order
        queue.total += order.remaining

    def take(self, order: Resting, quantity: int) -> None:
        """Lower a resting order by `quantity`; it leaves the queue when nothing remains."""
        queue = self.queues[order.price]
        assert 0 < quantity <= order.remaining, "an order cannot give more than remains of it"
        order.remaining -= quantity
        queue.total -= quantity
        if order.remaining == 0:
            del queue.orders[id(order)]
            if not queue.orders:
                del self.queues[order.price]
                del self.prices[bisect_left(self.prices, order.price)]

    def orders(self) -> Iterator[Resting]:
        for price in self.best_first():
            yield from self.queues[price].orders.values()


def _reaches(side: Side, limit: Decimal, price: Decimal) -> bool:
    """Whether an incoming order of `side` with `limit` accepts to trade at `price`."""
    return price <= limit if side is Side.BUY else price >= limit


class Book:
    """Resting orders of one symbol."""

    def __init__(self) -> None:
        self._halves = {Side.BUY: _Half(Side.BUY), Side.SELL: _Half(Side.SELL)}

    def best(self, side: Side) -> Decimal | None:
        """The best price standing on `side`, or `None` when nobody stands there."""
        return self._halves[side].best()

    def levels(self, side: Side, depth: int) -> tuple[Level, ...]:
        """The best `depth` levels of `side`, best first."""
        half = self._halves[side]
        found: list[Level] = []
        for price in half.best_first():
            if len(found) == depth:
                break
            found.append(Level(price, half.queues[price].total))
        return tuple(found)

    def total(self, side: Side) -> int:
        """All shares standing on `side`."""
        return sum(queue.total for queue in self._halves[side].queues.values())

    def quantity_at(self, side: Side, price: Decimal) -> int:
        """Shares standing on `side` at exactly `price`."""
        queue = self._halves[side].queues.get(price)
        return queue.total if queue is not None else 0

    def orders(self, side: Side) -> list[Resting]:
        """Every resting order of `side` in priority order."""
        return list(self._halves[side].orders())

    def add(self, order: Resting) -> None:
        """Let an order stand at the end of its price's queue, without matching it."""
        assert order.remaining > 0, "an empty order cannot stand in a book"
        self._halves[order.side].add(order)

    def take(self, order: Resting, quantity: int) -> None:
        """Withdraw `quantity` shares of a resting order; the rest keeps its place."""
        self._halves[order.side].take(order, quantity)

    def available(self, side: Side, limit: Decimal, enough: int) -> int:
        """Shares an incoming order of `side` could get up to `limit`; stops at `enough`."""
        half = self._halves[_other(side)]
        found = 0
        for price in half.best_first():
            if found >= enough or not _reaches(side, limit, price):
                break
            found += half.queues[price].total
        return found

    def match(self, side: Side, limit: Decimal, quantity: int) -> list[Match]:
        """Take up to `quantity` shares from the other side, best price and oldest order first."""
        half = self._halves[_other(side)]
        matches: list[Match] = []
        while quantity > 0:
            price = half.best()
            if price is None or not _reaches(side, limit, price):
                break
            maker = next(iter(half.queues[price].orders.values()))
            taken = min(quantity, maker.remaining)
            half.take(maker, taken)
            quantity -= taken
            matches.append(Match(maker, price, taken))
        return matches

    def clearing(self, reference: Decimal) -> Clearing | None:
        """The price at which most shares would trade; `None` when the sides do not meet.

        Ties go to the smaller imbalance, then to the price nearest `reference`.
        """
        bids, asks = self._halves[Side.BUY], self._halves[Side.SELL]
        best_bid, best_ask = bids.best(), asks.best()
        if best_bid is None or best_ask is None or best_bid < best_ask:
            return None
        prices = [p for p in (*bids.prices, *asks.prices) if best_ask <= p <= best_bid]
        if best_ask <= reference <= best_bid:
            prices.append(reference)

        def rank(price: Decimal) -> tuple[int, int, Decimal]:
            demand, supply = self._demand(price), self._supply(price)
            return (-min(demand, supply), abs(demand - supply), abs(price - reference))

        chosen = min(prices, key=rank)
        return Clearing(chosen, min(self._demand(chosen), self._supply(chosen)))

    def uncross(self, clearing: Clearing) -> list[Cross]:
        """Pair buyers and sellers at the clearing price until its quantity is traded."""
        crosses: list[Cross] = []
        left = clearing.quantity
        buyers, sellers = iter(self.orders(Side.BUY)), iter(self.orders(Side.SELL))
        buyer, seller = next(buyers), next(sellers)
        while left > 0:
            if buyer.remaining == 0:
                buyer = next(buyers)
            if seller.remaining == 0:
                seller = next(sellers)
            quantity = min(left, buyer.remaining, seller.remaining)
            self.take(buyer, quantity)
            self.take(seller, quantity)
            left -= quantity
            crosses.append(Cross(buyer, seller, quantity))
        return crosses

    def clear(self) -> None:
        """Remove every order."""
        self._halves = {Side.BUY: _Half(Side.BUY), Side.SELL: _Half(Side.SELL)}

    def _demand(self, price: Decimal) -> int:
        queues = self._halves[Side.BUY].queues
        return sum(queue.total for at, queue in queues.items() if at >= price)

    def _supply(self, price: Decimal) -> int:
        queues = self._halves[Side.SELL].queues
        return sum(queue.total for at, queue in queues.items() if at <= price)


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
