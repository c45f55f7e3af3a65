"""When each order notice leaves: some hundredths of a second late, never out of order per order."""

from collections.abc import Mapping
from heapq import heappop, heappush

from daemon.sim.facts import (
    OrderAccepted,
    OrderCancelled,
    OrderFact,
    OrderFilled,
    OrderModified,
    OrderRejected,
    RestDropped,
)
from daemon.sim.faults import OrderPlan

_PLAIN = OrderPlan(False, False, False, 0.03, 0.2, 0.0)
_STEP = 0.001
_LATER = (OrderFilled, RestDropped, OrderRejected)


class NoticeSchedule:
    """Order facts waiting to be told. All times are monotonic seconds.

    Facts of one order, and of the orders that modify or cancel it, keep their order.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, OrderFact]] = []
        self._last: dict[int, float] = {}
        self._root: dict[int, int] = {}
        self._count = 0

    def add(
        self, fact: OrderFact, plans: Mapping[int, OrderPlan], now: float, *, at_once: bool
    ) -> None:
        """Plan the telling of a fact; `at_once` says it happened while its order was entered."""
        number = fact.order.number
        plan = plans.get(number, _PLAIN)
        root = self._root_of(fact)
        due = now + _delay(fact, plan, at_once=at_once)
        due = max(due, self._last.get(root, 0.0) + _STEP)
        self._last[root] = due
        self._count += 1
        heappush(self._waiting, (due, self._count, fact))

    def reply_due(self, number: int, plan: OrderPlan, now: float) -> float:
        """When the HTTP reply of order `number` may leave."""
        if not plan.early:
            return now
        last = now + plan.accept_delay
        for due, _, fact in self._waiting:
            told_first = plan.fill_early or not isinstance(fact, _LATER)
            told_first = told_first and not isinstance(fact, OrderRejected)
            if fact.order.number == number and told_first:
                last = max(last, due)
        return last + plan.reply_after

    def pop_due(self, now: float) -> list[OrderFact]:
        """Facts whose time has come, in the order they are to be told."""
        due = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heappop(self._waiting)[2])
        return due

    @property
    def next_due(self) -> float | None:
        """When the next fact is to be told."""
        return self._waiting[0][0] if self._waiting else None

    def begin_day(self, numbers: range) -> None:
        """Forget the chains of orders with these numbers: the day before is over for them."""
        for known in (self._last, self._root):
            for number in [number for number in known if number in numbers]:
                del known[number]

    def _root_of(self, fact: OrderFact) -> int:
        order = fact.order
        if order.original is None:
            return order.number
        root = self._root.get(order.original, order.original)
        self._root[order.number] = root
        return root


def _delay(fact: OrderFact, plan: OrderPlan, *, at_once: bool) -> float:
    match fact:
        case OrderAccepted() | OrderModified() | OrderCancelled():
            return plan.accept_delay
        case OrderFilled() | RestDropped() if at_once and plan.fill_early:
            return plan.accept_delay + 0.005
        case OrderFilled() | RestDropped() if at_once:
            return plan.accept_delay + plan.fill_delay
        case OrderFilled() | RestDropped() | OrderRejected():
            return plan.fill_delay
