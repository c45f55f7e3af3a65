"""What a daemon of the outer ring is made of: the real client, sockets, journal, token and locks.

Only what a kernel does for a killed process has to be done for it here.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

from aiohttp import TCPConnector

from daemon.config import Settings
from daemon.core.events import Event
from daemon.kis.transport import AiohttpTransport, WebsocketsTransport
from daemon.lab.loop import Killed, Process, current_process
from daemon.lab.network import NetworkLoop
from daemon.ports import Clock
from daemon.store.journal import SqliteJournal
from daemon.store.locks import FileTokenStore, FileTurn, SharedBudget, SingleInstanceLock
from daemon.wiring import Session, assemble

MOST_AWAITS = 100
"""How often a killed coroutine may wait for something more on its way out."""


class KilledTokens(FileTokenStore):
    """The real token file; the lock of a dead process is let go as the kernel would."""

    def issuing(self) -> FileTurn:
        """See `FileTokenStore.issuing`."""
        turn = super().issuing()
        on_death(turn.release)
        return turn


class KilledJournal(SqliteJournal):
    """The real journal; a dead process leaves its write-ahead log behind, to be recovered."""

    def __init__(self, path: Path, owner: str, told: Callable[[Event], None]) -> None:
        super().__init__(path, owner=owner)
        self._told = told
        on_death(self._vanish)

    def append(self, events: Sequence[Event]) -> None:
        """See `SqliteJournal.append`."""
        super().append(events)
        for event in events:
            self._told(event)

    def _vanish(self) -> None:
        # Closing lets the file lock go and folds the log in; a kill does only the first.
        paths = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        kept = {path: path.read_bytes() for path in paths if path.exists()}
        self._connection.close()
        for path, content in kept.items():
            path.write_bytes(content)


def on_death(duty: Callable[[], None]) -> None:
    """Have the kernel do something should the running process be killed."""
    process = current_process()
    assert process is not None, "only a process can be killed"
    process.on_death.append(duty)


def bury(process: Process) -> None:
    """Unwind what a killed process left suspended, once nobody looks any more.

    Its `finally` blocks wait for answers that never come, so each is interrupted in turn: closed
    only once, a coroutine would be collected half unwound, and complain.
    """
    context = copy_context()
    unwound: list[object] = []
    while left := [task for task in process.unfinished if task not in unwound]:
        for task in left:
            unwound.append(task)
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            context.run(_unwind, cast("Generator[Any, Any, Any]", task.get_coro()))
            asyncio._unregister_task(task)
    process.bury()


def _unwind(work: Generator[Any, Any, Any]) -> None:
    with warnings.catch_warnings(), suppress(BaseException):
        warnings.simplefilter("ignore")
        for _ in range(MOST_AWAITS):
            work.throw(Killed())


def disown(transport: AiohttpTransport) -> None:
    """Its connections are the network's to end: aiohttp must not wait for them."""
    session = transport._session
    if session is not None and isinstance(session.connector, TCPConnector):
        connector = session.connector
        session.detach()
        connector._conns.clear()
        connector._closed = True


class RealParts:
    """Opens sessions and journals for processes on `loop`. `told` hears of every fact kept."""

    def __init__(
        self,
        loop: NetworkLoop,
        clock: Clock,
        *,
        rest_url: str,
        ws_url: str,
        seed: int,
        told: Callable[[Event], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._rest_url = rest_url
        self._ws_url = ws_url
        self._seed = seed
        self._told = told
        self._sessions = 0

    def open_journal(self, path: Path, owner: str) -> KilledJournal:
        """For `App`."""
        return KilledJournal(path, owner, self._told)

    @asynccontextmanager
    async def open_session(self, settings: Settings) -> AsyncIterator[Session]:
        """For `App`: as `daemon.wiring` does it, apart from the sockets and the clock."""
        profile = replace(settings.profile, rest_url=self._rest_url, ws_url=self._ws_url)
        folder, clock = settings.shared_dir, self._clock
        self._sessions += 1
        # One stream of chance a life: what one draws must not depend on when another died.
        random = Random(f"{self._seed}:life {self._sessions}")  # noqa: S311  a play, not a secret
        async with AsyncExitStack() as stack:
            lock = SingleInstanceLock(folder / "daemon.lock")
            stack.enter_context(lock)
            on_death(lock.release)
            tokens = KilledTokens(folder)
            budget = SharedBudget(folder / "budget", profile.requests_per_second)
            stack.callback(budget.close)
            transport = AiohttpTransport(profile.rest_url, socket_factory=self._loop.open_socket)
            on_death(partial(disown, transport))
            await stack.enter_async_context(transport)
            yield assemble(
                settings,
                profile,
                transport=transport,
                streams=WebsocketsTransport(),
                budget=budget,
                tokens=tokens,
                clock=clock,
                random=random,
            )
