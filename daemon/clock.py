"""The only file that reads the machine's clock; everything else is handed a `Clock`."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class WallClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since boot, the same for every process of this machine."""
        return time.monotonic()


class SimulatedClock:
    """A wall clock that starts at `start` and runs `speed` times as fast as the machine.

    `origin` is the monotonic second at which it stood at `start`: two processes that share
    `start`, `speed` and `origin` agree on the time.
    """

    def __init__(
        self,
        start: datetime,
        *,
        speed: float = 1.0,
        origin: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if start.tzinfo is None:
            raise ValueError("the start of a simulated clock needs a time zone")
        if not speed > 0:
            raise ValueError(f"a simulated clock cannot run at {speed} times")
        self.start = start.astimezone(UTC)
        self.speed = speed
        self.origin = monotonic() if origin is None else origin
        self._monotonic = monotonic

    def now(self) -> datetime:
        """Aware UTC."""
        elapsed = (self._monotonic() - self.origin) * self.speed
        return self.start + timedelta(seconds=elapsed)

    def monotonic(self) -> float:
        """Machine seconds: waits and deadlines are not sped up."""
        return self._monotonic()
