"""What inquiries told before the notices did, to be paid back when the notices come."""

from dataclasses import dataclass
from datetime import datetime

from daemon.core.values import OrderId
from daemon.core.witness import BrokerNotice


@dataclass(slots=True)
class _Debt:
    quantity: int
    at: float
    counted: datetime


class Ahead:
    """Shares, by order, that an inquiry counted and whose notices have not come.

    `grace` is how many seconds a notice may lag behind an inquiry that counted its shares when
    its own stamp does not tell. All `now` are seconds of one monotonic clock.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._debts: dict[OrderId, _Debt] = {}

    def owe(self, order: OrderId, quantity: int, *, at: datetime, now: float) -> None:
        """An inquiry counted `quantity` shares more; `at` is the market's time of it."""
        before = self._debts.get(order)
        fresh = before is not None and now - before.at <= self._grace
        owed = before.quantity if before is not None and fresh else 0
        self._debts[order] = _Debt(owed + quantity, now, at)

    def pay(self, order: OrderId, notice: BrokerNotice, *, now: float) -> int:
        """How many of a notice's shares no inquiry has counted yet.

        A notice within `grace` of the inquiry, or stamped before it however late it comes, is
        about shares that were counted then.
        """
        debt = self._debts.get(order)
        if debt is None:
            return notice.quantity
        if now - debt.at > self._grace and notice.exchange_time >= debt.counted:
            return notice.quantity
        paid = min(debt.quantity, notice.quantity)
        debt.quantity -= paid
        if debt.quantity == 0:
            del self._debts[order]
        return notice.quantity - paid
