"""At most N requests in any second, as the server sees it, and the urgent ones first."""

import heapq
from enum import IntEnum
from typing import Generic, TypeVar

from daemon.core.errors import InvariantBroken, TryLater

T = TypeVar("T")


class Priority(IntEnum):
    """Who goes first when slots are scarce: less is sooner."""

    CANCEL = 0
    ORDER = 1
    RECONCILE = 2
    QUERY = 3


class TokenBucket:
    """`capacity` slots; each is free again one `period` after its reply arrived.

    The server counted a request before it answered, so no jitter on the way can bunch more
    than `capacity` requests into one of its seconds: a bucket that refills by our own send
    times lets nearly twice as many through.
    """

    def __init__(self, capacity: int, *, period: float = 1.0) -> None:
        if capacity < 1:
            raise ValueError(f"a bucket of {capacity} slots would never let a request pass")
        self.capacity = capacity
        self.period = period
        self._free_at = [float("-inf")] * capacity
        self._held = [False] * capacity

    def take(self, now: float, *, hold: float) -> int | None:
        """A free slot's number, or `None`; not given back, it frees itself after `hold`."""
        for slot, free_at in enumerate(self._free_at):
            if free_at <= now:
                self._free_at[slot] = now + hold + self.period
                self._held[slot] = True
                return slot
        return None

    def give_back(self, slot: int, now: float) -> None:
        """The reply arrived `now`; raises `InvariantBroken` for a slot nobody holds.

        The caller must not give back a slot after its `hold`: another may have taken it.
        """
        if not self._held[slot]:
            raise InvariantBroken(f"request slot {slot} was given back twice")
        self._held[slot] = False
        self._free_at[slot] = now + self.period

    def free_at(self, now: float) -> float:
        """When the next slot is free; in the past or `now` when one is free already."""
        return min(self._free_at)


class RequestQueue(Generic[T]):
    """Waiting requests: by priority, first come first served within one, each with a deadline.

    `limit` holds for orders and inquiries; a cancel always finds room.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[Priority, int, float, T]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, item: T, *, priority: Priority, deadline: float) -> None:
        """Queue `item`; raises `TryLater` when the queue is full."""
        if len(self._heap) >= self._limit and priority is not Priority.CANCEL:
            raise TryLater("QUEUE_FULL", f"{self._limit} requests are waiting already", delay=1.0)
        self._sequence += 1
        heapq.heappush(self._heap, (priority, self._sequence, deadline, item))

    def pop(self) -> T | None:
        """The most urgent item, or `None` when nothing waits."""
        return heapq.heappop(self._heap)[3] if self._heap else None

    def expire(self, now: float) -> list[T]:
        """Take out and return every item whose deadline has passed."""
        late = [entry for entry in self._heap if entry[2] <= now]
        if late:
            self._heap = [entry for entry in self._heap if entry[2] > now]
            heapq.heapify(self._heap)
        return [entry[3] for entry in sorted(late, key=lambda entry: entry[:2])]
