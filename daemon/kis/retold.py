"""Replies to order requests, known again when they are told a second time."""

from daemon.core.errors import BadData
from daemon.core.values import Region
from daemon.kis.fields import order_number, text_of
from daemon.kis.replies import Reply, object_at

_REMEMBERED = 7 * 86400.0
"""Machine seconds a reply is known again: over any weekend and most holidays."""


class Retold:
    """Remembers a week's replies to order requests by number and time.

    A number alone says little: numbers begin anew with each day.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[Region, str, str], float] = {}

    def came_before(self, region: Region, reply: Reply, now: float) -> bool:
        """Whether a reply that came `now` (machine seconds) had come before; remembers it."""
        while self._told and now - self._told[oldest := next(iter(self._told))] > _REMEMBERED:
            del self._told[oldest]
        mark = order_mark(reply)
        if mark is None:
            return False
        before = self._told.pop((region, *mark), None)
        self._told[(region, *mark)] = now
        return before is not None


def order_mark(reply: Reply) -> tuple[str, str] | None:
    """Number and time in the reply to an order request; `None` where either cannot be read."""
    try:
        output = object_at(reply.body, "output")
        number = order_number(text_of(output, "ODNO") or text_of(output, "odno"))
        time = text_of(output, "ORD_TMD") or text_of(output, "ord_tmd")
    except BadData:
        return None
    return (number, time) if number and len(time) == 6 and time.isdecimal() else None
