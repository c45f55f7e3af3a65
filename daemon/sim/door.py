"""The broker's request limit, counted over any sliding second, and what was seen at the door."""

from collections import deque
from dataclasses import dataclass, field

WINDOW = 1.0
"""Seconds of the sliding window."""


@dataclass(slots=True)
class _Visitor:
    admitted: deque[float] = field(default_factory=deque)
    arrived: deque[float] = field(default_factory=deque)


class Door:
    """Admits at most `limit` requests of one key in any second; the refused do not count."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.requests = 0
        self.refused = 0
        self.most_in_a_second = 0
        self._visitors: dict[str, _Visitor] = {}

    def enter(self, key: str, now: float) -> bool:
        """Whether a request of `key` arriving at `now` (monotonic seconds) may be carried out."""
        # Keys are free text of strangers: a flood of made-up ones must not grow without end.
        if key not in self._visitors and len(self._visitors) >= 100:
            key = ""
        visitor = self._visitors.setdefault(key, _Visitor())
        for times in (visitor.admitted, visitor.arrived):
            while times and now - times[0] >= WINDOW:
                times.popleft()
        self.requests += 1
        visitor.arrived.append(now)
        self.most_in_a_second = max(self.most_in_a_second, len(visitor.arrived))
        if len(visitor.admitted) >= self.limit:
            self.refused += 1
            return False
        visitor.admitted.append(now)
        return True
