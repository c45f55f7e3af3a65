"""Virtual time for tests: the loop that worlds run on, and a clock with a start of its own."""

from datetime import UTC, datetime
from typing import TypeVar

from daemon.lab import loop

T = TypeVar("T")

EPOCH = datetime(2026, 7, 10, 0, 0, tzinfo=UTC)
"""09:00 KST on a Friday: where virtual time starts unless told otherwise."""

run_virtual = loop.run_virtual


class VirtualClock(loop.VirtualClock):
    """`ports.Clock` on the running loop; the wall clock starts at `start`."""

    def __init__(self, start: datetime = EPOCH) -> None:
        super().__init__(start)
