"""What is said of an order, or a change of one, that never left: which limit kept it, and why."""

from decimal import Decimal

import structlog

from daemon.core.orders import Order
from daemon.core.risk import Denied


class Denials:
    """Counts denied intents and changes, and tells each in a line."""

    def __init__(self) -> None:
        self.count = 0
        self._log = structlog.get_logger("executor")

    def of_intent(self, denied: Denied) -> None:
        """An intent that never became an order has a trace of its own, one of this start."""
        self.count += 1
        intent = denied.intent
        log = self._log.bind(**{"trace.id": f"denied-{self.count}"})
        log.warning(
            "order_denied",
            denied_by=denied.rule,
            detail=denied.detail,
            strategy=intent.strategy,
            instrument=intent.instrument,
            side=intent.side,
            quantity=intent.quantity,
            limit=intent.limit,
            reason=intent.reason,
        )

    def of_change(self, order: Order, limit: Decimal, denied: Denied) -> None:
        """Another price that an order does not get."""
        self.count += 1
        self._log.warning(
            "modify_denied",
            order=order.id,
            strategy=order.intent.strategy,
            denied_by=denied.rule,
            detail=denied.detail,
            limit=limit,
        )
