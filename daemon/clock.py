"""The only file that reads the machine's clock; everything else is handed a `Clock`."""

import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

if sys.platform == "linux":
    # `time.monotonic` stands still there while the machine sleeps, and nothing would be old then.
    _since_boot: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
else:
    _since_boot = time.monotonic


class WallClock:
    """The machine's own time."""

    known = False
    sure_since = float("-inf")
    # Seconds since boot, asleep ones with them, the same for every process of this machine. Not
    # wrapped: every frame of the stream asks.
    monotonic = staticmethod(_since_boot)
    # Those in which the machine was awake: what timers and the service manager count.
    awake = staticmethod(time.monotonic)

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)


class _Clock(Protocol):
    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


class MarketClock:
    """The broker's time: the machine's, until the broker's heartbeats tell better.

    A machine's wall clock may be wrong, or be set while the daemon runs; orders found again by
    their stamps must not depend on that. Between heartbeats time goes on at the machine's
    monotonic pace. `heard` is given each heartbeat's time, in whole seconds.

    Where the wall clock jumps against the monotonic one, it was set, or the whole machine stood
    still (a paused virtual one) and was set right. The first heartbeat that agrees with the wall
    clock tells, or two that agree with each other; where the wall clock is hours off, two that
    agree with the time as it went on.
    """

    SAMPLES = 12
    SPURIOUS = 5.0
    LARGEST = timedelta(hours=2)
    """A heartbeat farther from the wall clock is not believed: it may be of another time zone."""

    def __init__(self, machine: _Clock) -> None:
        self._machine = machine
        self.monotonic = machine.monotonic
        """Machine seconds."""
        self._leads: deque[float] = deque(maxlen=self.SAMPLES)
        self._lead: float | None = None
        self._ahead = self._wall_ahead()
        self._sure_since = float("-inf")
        self._as_before: float | None = None

    @property
    def sure_since(self) -> float:
        """Machine seconds: see `ports.Clock`."""
        self._look_for_a_jump()
        return self._sure_since

    @property
    def known(self) -> bool:
        """Whether a heartbeat has told the time yet."""
        return self._lead is not None

    @property
    def drift(self) -> float:
        """Seconds that the broker's time is ahead of the machine's, 0 before it is known."""
        return (self.now() - self._machine.now()).total_seconds()

    def now(self) -> datetime:
        """Aware UTC."""
        if self._lead is None:
            return self._machine.now()
        return datetime.fromtimestamp(self.monotonic() + self._lead, UTC)

    def heard(self, told: datetime) -> None:
        """The broker said just now that it was `told`.

        What was delayed on the way, or rounded down, tells too early a time: the most advanced
        of the last few is the nearest to the truth.
        """
        self._look_for_a_jump()
        off = abs(told - self._machine.now())
        is_doubted = self._sure_since == float("inf")
        if off > self.LARGEST:
            if is_doubted:
                self._hear_as_before(told)
            return
        agrees = off.total_seconds() <= self.SPURIOUS
        if is_doubted and agrees:
            self._leads.clear()
        self._leads.append(told.timestamp() + 0.5 - self._machine.monotonic())
        furthest = sorted(self._leads, reverse=True)
        # One heartbeat alone may be far ahead by mistake; the next one tells.
        alone = len(furthest) > 1 and furthest[0] - furthest[1] > self.SPURIOUS
        if is_doubted:
            # It may have been under way since before the machine stood still.
            if not agrees and (alone or len(furthest) == 1):
                return
            self._sure_since = self._machine.monotonic()
        self._lead = furthest[1] if alone else furthest[0]

    def _hear_as_before(self, told: datetime) -> None:
        """Where the wall clock was set wrong, two heartbeats show that time went on as it did."""
        at = self._machine.monotonic()
        if abs(told - self.now()).total_seconds() > self.SPURIOUS:
            self._as_before = None
        elif self._as_before is None:
            self._as_before = at
        elif at - self._as_before > self.SPURIOUS:
            # Told apart: what waited on the way while the machine stood still comes at once.
            self._sure_since = at

    def _wall_ahead(self) -> float:
        return self._machine.now().timestamp() - self._machine.monotonic()

    def _look_for_a_jump(self) -> None:
        before, self._ahead = self._ahead, self._wall_ahead()
        if abs(self._ahead - before) > self.SPURIOUS:
            self._leads.clear()
            self._as_before = None
            # While nobody told the time it is the wall clock's, and that is right or never was.
            self._sure_since = float("inf") if self.known else self._machine.monotonic()


class SimulatedClock:
    """A wall clock that starts at `start` and runs `speed` times as fast as the machine.

    `origin` is the monotonic second at which it stood at `start`: two processes that share
    `start`, `speed` and `origin` agree on the time.
    """

    known = True
    sure_since = float("-inf")

    def __init__(
        self,
        start: datetime,
        *,
        speed: float = 1.0,
        origin: float | None = None,
        monotonic: Callable[[], float] = WallClock.monotonic,
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
