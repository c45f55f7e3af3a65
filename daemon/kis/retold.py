"""Replies to order requests, known again when they are told a second time."""

from daemon.core.errors import BadData
from daemon.kis.fields import order_number
from daemon.kis.replies import Reply, either_case, object_at

_REMEMBERED = 7 * 86400.0
"""Machine seconds a reply is known again: over any weekend and most holidays."""


class Retold:
    """Remembers a week's replies to orders that were placed, moved or cancelled.

    Branch and number say little alone: numbers begin anew with each day.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], float] = {}

    def came_before(self, reply: Reply, now: float) -> bool:
        """Whether a reply that came `now` (machine seconds) had come before; remembers it."""
        while self._told and now - self._told[oldest := next(iter(self._told))] > _REMEMBERED:
            del self._told[oldest]
        mark = order_mark(reply)
        if mark is None:
            return False
        # Taken out first: the oldest must stay in front.
        before = self._told.pop(mark, None)
        self._told[mark] = now
        return before is not None


def order_mark(reply: Reply) -> tuple[str, str, str] | None:
    """Branch, number and time (in Seoul) of the reply to an order request.

    `None` where number or time cannot be read.
    """
    try:
        output = object_at(reply.body, "output")
        branch = either_case(output, "KRX_FWDG_ORD_ORGNO")
        number = order_number(either_case(output, "ODNO"))
        time = either_case(output, "ORD_TMD")
    except BadData:
        return None
    return (branch, number, time) if number and len(time) == 6 and time.isdecimal() else None
