"""A world's journal: the real one on a real file; its disk fills, its machine dies."""

import errno
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType

from daemon.core.events import Event
from daemon.lab.loop import Killed, Process
from daemon.lab.mix import Fault, FaultMix
from daemon.ports import Checkpoint
from daemon.store.journal import SqliteJournal


@dataclass
class Disk:
    """The state of the disk, whoever writes to it."""

    full: bool = False


class LabJournal:
    """`ports.Journal`: dies before or after a write as the mix has it.

    `written` is told of what is in the file.
    """

    def __init__(
        self,
        path: Path,
        owner: str,
        *,
        mix: FaultMix,
        disk: Disk,
        process: Process,
        random: Random,
        written: Callable[[Sequence[Event]], None] = lambda events: None,
    ) -> None:
        self._mix = mix
        self._disk = disk
        self._process = process
        self._random = random
        self._written = written
        self._inner = SqliteJournal(path, owner=owner)
        process.on_death.append(self._let_go)

    def append(self, events: Sequence[Event]) -> None:
        """See `Journal.append`."""
        if not self._process.alive:
            raise Killed
        if self._disk.full:
            self._mix.struck[Fault.DISK_FULL] += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        dies = self._mix.strikes(Fault.CRASH_AT_WRITE, self._random)
        if dies and self._random.random() < 0.5:
            self._die()
        self._inner.append(events)
        self._written(events)
        if dies:
            self._die()

    def replay(self) -> Iterable[Event]:
        """See `Journal.replay`."""
        return self._inner.replay()

    def probe(self) -> None:
        """See `Journal.probe`."""
        self._inner.probe()

    def checkpoint(self) -> tuple[Checkpoint, Iterable[Event]] | None:
        """See `Journal.checkpoint`."""
        return self._inner.checkpoint()

    def compact(self, checkpoint: Checkpoint) -> None:
        """See `Journal.compact`."""
        if not self._process.alive:
            raise Killed
        if self._disk.full:
            self._mix.struck[Fault.DISK_FULL] += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        self._inner.compact(checkpoint)

    def __enter__(self) -> "LabJournal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inner.close()

    def _die(self) -> None:
        self._process.kill()
        raise Killed

    def _let_go(self) -> None:
        """The kernel closes the file of a dead process."""
        with suppress(Exception):
            self._inner.close()
