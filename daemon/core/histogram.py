"""Counts of durations by size: cheap to feed on the path, read by whoever watches."""

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Upper bounds that tell a tenth of a millisecond from half a minute."""


class Histogram:
    """How many observations were at most each bound, and their sum. Read, never reset.

    `bounds` are upper bounds, ascending. What lies above the last is counted by itself.
    """

    __slots__ = ("_counts", "bounds", "count", "largest", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        if list(bounds) != sorted(set(bounds)) or not bounds:
            raise ValueError("the bounds of a histogram ascend, and there is at least one")
        self.bounds = tuple(bounds)
        self.count = 0
        self.total = 0.0
        self.largest = 0.0
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.count += 1
        self.total += value
        if value > self.largest:
            self.largest = value

    def cumulative(self) -> list[tuple[float, int]]:
        """Each bound with how many observations were at most that; infinity comes last."""
        sums, found = 0, []
        for bound, count in zip((*self.bounds, float("inf")), self._counts, strict=True):
            sums += count
            found.append((bound, sums))
        return found
