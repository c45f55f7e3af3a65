"""Watches the event loop: how late it is, and who holds it up.

A probe on the loop measures; a thread beside it only looks, while the loop itself cannot.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import PurePath
from traceback import walk_stack
from typing import NamedTuple

import structlog

from daemon.core.histogram import Histogram

INTERVAL = 0.1
"""Seconds between two beats of the probe."""

HANG_SECONDS = 10.0
"""After so long the thread says itself what it sees: the loop may never go on to."""

FRAMES = 12
"""Calls of the stack that are told, innermost first."""


class Sighting(NamedTuple):
    """What ran when the loop was looked at: the task's name, and its innermost calls."""

    task: str
    stack: tuple[str, ...]

    @property
    def strategy(self) -> str:
        """The strategy that the task runs, if it runs one."""
        kind, _, name = self.task.partition(" ")
        return name if kind == "strategy" else ""


NOTHING_SEEN = Sighting("", ())


class LoopGuard:
    """Measures the lag of the running loop in seconds of `monotonic`, and tells of every stall.

    A stall is a step that holds the loop for more than `stall_seconds`. It is logged once, when it
    is over, with its length and with what was seen running; after `hang_seconds` also before.
    With `thread` off nobody looks during a stall but who calls `look`.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        stall_seconds: float = 0.5,
        hang_seconds: float = HANG_SECONDS,
        interval: float = INTERVAL,
        thread: bool = True,
    ) -> None:
        self.lag = Histogram()
        self.stalls = 0
        self.longest = 0.0
        self.sighting: Sighting | None = None
        """What is seen in the stall that lasts, `None` while there is none."""
        self._monotonic = monotonic
        self._stall = stall_seconds
        self._hang = hang_seconds
        self._interval = interval
        self._thread = thread
        self._due = float("inf")
        self._told_hang = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._log = structlog.get_logger("loop")

    async def run(self) -> None:
        """Measure until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over,), name="loop guard", daemon=True)
        if self._thread:
            watcher.start()
        try:
            while True:
                self._due = self._monotonic() + self._interval
                await asyncio.sleep(self._interval)
                self._beat(self._monotonic() - self._due)
        finally:
            self._due = float("inf")
            over.set()
            if self._thread:
                watcher.join()

    def _beat(self, lag: float) -> None:
        lag = max(lag, 0.0)
        self.lag.observe(lag)
        seen, self.sighting = self.sighting, None
        self._told_hang = False
        if lag <= self._stall:
            return
        self.stalls += 1
        self.longest = max(self.longest, lag)
        # What stops the whole process stops the thread as well, and nothing was seen.
        seen = seen or NOTHING_SEEN
        self._log.warning(
            "loop_stalled",
            seconds=round(lag, 3),
            culprit=seen.task,
            strategy=seen.strategy,
            stack=list(seen.stack),
        )

    def look(self) -> None:
        """Note what runs if the loop is held up just now. Any thread may call it."""
        late = self._monotonic() - self._due
        if late <= self._stall:
            return
        seen = self._seen()
        # The first look is the nearest to what began it, and a later one as good as it.
        if self.sighting is None or not self.sighting.task:
            self.sighting = seen
        if late > self._hang and not self._told_hang:
            self._told_hang = True
            self._log.error(
                "loop_hangs",
                seconds=round(late, 3),
                culprit=seen.task,
                strategy=seen.strategy,
                stack=list(seen.stack),
            )

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(self._stall / 4):
            self.look()

    def _seen(self) -> Sighting:
        task = asyncio.current_task(self._loop) if self._loop is not None else None
        frame = sys._current_frames().get(self._loop_thread)
        calls = [] if frame is None else list(walk_stack(frame))
        stack = [
            f"{'/'.join(PurePath(each.f_code.co_filename).parts[-2:])}:{line} {each.f_code.co_name}"
            for each, line in calls[:FRAMES]
        ]
        return Sighting("" if task is None else task.get_name(), tuple(stack))
