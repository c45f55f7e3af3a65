"""Awaits a strategy's coroutine: measures its steps, and ends it when it will not end."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

from daemon.core.budget import StepMeter

LIVES = 2
"""Cancellations a strategy may answer with more work before it is ended without being asked."""


class Mortal:
    """Awaits `work`, which may resist `LIVES` cancellations and not one more.

    Every step is put on `meter` by the seconds of `monotonic`, less those that `elsewhere` added
    up meanwhile. After a step that exceeds the budget the running task is cancelled; `cancels`
    counts how often.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, None],
        meter: StepMeter,
        *,
        monotonic: Callable[[], float],
        elsewhere: Callable[[], float],
    ) -> None:
        self.cancels = 0
        self._work = work
        self._meter = meter
        self._monotonic = monotonic
        self._elsewhere = elsewhere

    def __await__(self) -> Generator[Any, None, None]:
        steps = self._work.__await__()
        resisted = 0
        cancelled: asyncio.CancelledError | None = None
        while True:
            began, before = self._monotonic(), self._elsewhere()
            try:
                waiting = steps.send(None) if cancelled is None else steps.throw(cancelled)
            except StopIteration:
                return
            finally:
                self._meter.add(began, self._monotonic(), elsewhere=self._elsewhere() - before)
            if self._meter.over:
                self._cancel()
            try:
                yield waiting
                cancelled = None
            except asyncio.CancelledError as error:
                if resisted == LIVES:
                    # Closing tells it once more; what it still awaits then is an error of its own.
                    with suppress(RuntimeError):
                        steps.close()
                    raise
                resisted += 1
                cancelled = error

    def _cancel(self) -> None:
        """What the step waits for is cancelled with it, as for any cancelled task."""
        task = asyncio.current_task()
        assert task is not None, "strategies run in tasks"
        self.cancels += 1
        task.cancel()
