"""Virtual time, the same on every run: a loop whose clock jumps, and processes killed on it."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

T = TypeVar("T")

RESOLUTION = 1e-6
"""Seconds: a smaller step is lost in a floating clock once the loop has run for weeks."""


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: nothing would ever happen again."""


class Killed(BaseException):
    """Thrown inside a process at the very instant of its death, and never caught by it."""


class Process:
    """A program running on the loop that can be killed like one: no `finally` runs any more.

    `steps` counts the callbacks it has run. It dies before step number `dies_at`, at whatever
    `await` it has reached by then. `on_death` are the kernel's duties, such as closing files.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.steps = 0
        self.dies_at: int | None = None
        self.on_death: list[Callable[[], None]] = []
        self._frozen: list[asyncio.Handle] | None = None
        self._thawed_at = float("-inf")
        self._world = copy_context()
        self._context = copy_context()
        self._context.run(_PROCESS.set, self)
        self._tasks: list[asyncio.Task[Any]] = []
        self._swept_at = 64

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task of this process; whatever that starts belongs to the process too."""
        loop = asyncio.get_running_loop()
        return loop.create_task(work, name=self.name, context=self._context.copy())

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Keep hold of a task, so that a dead one is not collected (and its `finally` run)."""
        self._tasks.append(task)
        if len(self._tasks) > self._swept_at:
            self._tasks = self.unfinished
            self._swept_at = 2 * len(self._tasks) + 64

    @property
    def unfinished(self) -> list[asyncio.Task[Any]]:
        """Tasks of this process that have not ended."""
        return [task for task in self._tasks if not task.done()]

    def admits(self, step: asyncio.Handle) -> bool:
        """Whether the process lives, and is awake, to run one more callback."""
        if self._frozen is not None:
            self._frozen.append(step)
            return False
        if self.alive:
            self.steps += 1
            if self.steps == self.dies_at:
                self.kill()
        return self.alive

    def freeze(self) -> None:
        """Stop it in its tracks, as SIGSTOP does or a machine that is suspended."""
        if self._frozen is None:
            self._frozen = []

    def thaw(self) -> None:
        """Let it go on with everything that came meanwhile."""
        parked, self._frozen = self._frozen or [], None
        loop = asyncio.get_running_loop()
        self._thawed_at = loop.time()
        for step in parked:
            loop.call_soon(_go_on, step, context=self._world)

    def slept_since(self, second: float) -> bool:
        """Whether it is frozen, or was at that second of the loop or later."""
        return self._frozen is not None or self._thawed_at >= second

    def kill(self) -> None:
        """End it between two instructions."""
        if self.alive:
            self.alive = False
            for duty in self.on_death:
                duty()

    def bury(self) -> None:
        """Put away what a killed process left suspended, for as long as this interpreter lives.

        Collecting a suspended coroutine would run its `finally`, which the dead do not do.
        """
        for task in self.unfinished:
            asyncio._unregister_task(task)
            _GRAVES.append(task)
        self._tasks.clear()


_GRAVES: list[asyncio.Task[Any]] = []


def _go_on(step: asyncio.Handle) -> None:
    if not step.cancelled():
        step._run()


_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


def current_process() -> Process | None:
    """The process the running code belongs to, `None` for the world outside of all."""
    return _PROCESS.get()


class _Task(asyncio.Task[Any]):
    """A task whose place in a set depends on when it was made, not on where it lies in memory."""

    _order: int

    def __hash__(self) -> int:
        return self._order


class _Step(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_PROCESS)  # type: ignore[attr-defined]
        if process is None or process.admits(self):
            super()._run()


class _Timer(asyncio.TimerHandle):
    """Timers of one instant go off in the order they were set: the heap alone would not care."""

    __slots__ = ("_order",)

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Any,
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
        order: int,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self._order = order

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _Timer), "every timer of this loop is one of these"
        return (self._when, self._order) < (other._when, other._order)  # type: ignore[attr-defined]

    def _run(self) -> None:
        process = self._context.get(_PROCESS)  # type: ignore[attr-defined]
        if process is None or process.admits(self):
            super()._run()


class _NoSockets:
    """Stands in for the selector: where it would wait, the clock jumps instead."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set")
        if timeout > 0:
            self.now += max(timeout, RESOLUTION)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose time costs nothing and whose every run is the same.

    It has no sockets and no threads; `call_soon_threadsafe` belongs to the one thread there is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._selector = _NoSockets()
        self._clock_resolution = RESOLUTION
        self._made = 0
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._selector.now

    def hold(self, seconds: float) -> None:
        """Let time pass within the step that runs, as one does that computes for so long."""
        self._selector.now += seconds

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback` next, unless its process is dead by then."""
        handle = _Step(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run `callback` at virtual second `when`, unless its process is dead by then."""
        self._made += 1
        timer = _Timer(when, callback, args, self, context, self._made)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, T] | Generator[Any, None, T],
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        self._made += 1
        process = (context.get(_PROCESS) if context is not None else None) or _PROCESS.get()
        # The order is the hash, and the first thing asked of a new task is to be put in a set.
        _Task._order = self._made
        task = _Task(cast("Coroutine[Any, Any, T]", work), loop=loop, context=context)
        task._order = self._made
        if process is not None:
            process.adopt(task)
        return task

    async def shutdown_asyncgens(self) -> None:
        """Leave them: those still open belong to processes that were killed."""
        self._asyncgens.clear()  # type: ignore[attr-defined]

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody has to be woken: there is one thread."""


class VirtualClock:
    """`ports.Clock` on the running loop; the wall clock starts at `start`, and can be set."""

    known = True
    sure_since = float("-inf")

    def __init__(self, start: datetime) -> None:
        self.start = start.astimezone(UTC)
        self.error = timedelta()
        """How far the wall clock is off; monotonic time never is."""

    def set_wrong(self, seconds: float) -> None:
        """Put the wall clock `seconds` ahead of the truth, or behind it; 0 sets it right."""
        self.error = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Aware UTC."""
        return self.start + timedelta(seconds=self.monotonic()) + self.error

    def monotonic(self) -> float:
        """Virtual seconds."""
        return asyncio.get_running_loop().time()


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time; raises `Deadlock` when it can never end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
