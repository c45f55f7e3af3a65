"""A disk in memory that loses what was never synced, for the real journal over real SQLite.

What is written is seen at once and kept apart until it is synced. When the power fails each
unsynced sector is kept, dropped or torn, and each unsynced name comes or goes, as the seed says.
The folder is synced where SQLite's own unix layer would sync it, and nowhere else.
"""

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import apsw

SECTOR = 512
_NAMES = count()
_JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL
_MOODS = (
    # Chances of a sector to be kept, dropped or torn.
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.9, 0.05, 0.05),
    (0.05, 0.9, 0.05),
    (0.4, 0.3, 0.3),
)


class PowerFailure(apsw.IOError):
    """The lights went out."""


def failure(kind: type[apsw.Error], extended: int) -> apsw.Error:
    """What SQLite's own file layer would answer with."""
    error = kind("the disk refuses")
    vars(error)["extendedresult"] = extended
    return error


@dataclass
class Content:
    """A file: what survives for certain, what is seen, and what lies between the two."""

    durable: bytearray = field(default_factory=bytearray)
    seen: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def write(self, data: bytes, offset: int) -> None:
        _put(self.seen, data, offset)
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        _resize(self.seen, size)
        self.pending.append((size, None))

    def sync(self) -> None:
        for offset, data in self.pending:
            if data is None:
                _resize(self.durable, offset)
            else:
                _put(self.durable, data, offset)
        self.pending.clear()

    def forget_some(self, random: Random) -> None:
        """A sync failed: some of what is seen, and thought clean now, never reaches the disk."""
        kept = random.choice((0.0, 0.5, 1.0))
        self.pending = [each for each in self.pending if random.random() < kept]

    def lose_power(self, random: Random) -> None:
        mood = random.choice(_MOODS)
        for offset, data in self.pending:
            if data is None:
                if random.random() < mood[0] + 0.1:
                    _resize(self.durable, offset)
                continue
            end = offset + len(data)
            if random.random() < 0.2 and len(self.durable) < end:
                # The size was kept: behind it are zeros, or what lay there before.
                self.durable += random.randbytes(end - len(self.durable))
            start = offset
            while start < end:
                stop = min(end, (start // SECTOR + 1) * SECTOR)
                fate = random.random()
                if fate < mood[0]:
                    _put(self.durable, data[start - offset : stop - offset], start)
                elif fate >= mood[0] + mood[1]:
                    torn = random.randrange(start, stop)
                    _put(self.durable, data[start - offset : torn - offset], start)
                start = stop
        self.pending.clear()
        self.seen = bytearray(self.durable)


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


def _put(content: bytearray, data: bytes, offset: int) -> None:
    if len(content) < offset:
        _resize(content, offset)
    content[offset : offset + len(data)] = data


class File:
    """An open file, as SQLite's unix layer would treat it."""

    def __init__(self, disk: "Disk", content: Content, *, sync_folder: bool) -> None:
        self._disk = disk
        self._content = content
        self._sync_folder = sync_folder

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._disk.touch()
        return bytes(self._content.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.touch("write")
        self._content.write(bytes(data), offset)
        self._disk.tick()

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.touch("truncate")
        self._content.truncate(size)
        self._disk.tick()

    def xSync(self, flags: int) -> None:  # noqa: N802
        try:
            self._disk.touch("sync")
        except apsw.Error:
            self._content.forget_some(self._disk.random)
            raise
        # The power may fail before anything is down, or when all is but nobody was told.
        late = self._disk.random.random() < 0.3
        if not late:
            self._disk.tick()
        self._content.sync()
        if self._sync_folder:
            self._disk.sync_folder()
            self._sync_folder = False
        if late:
            self._disk.tick()

    def xFileSize(self) -> int:  # noqa: N802
        self._disk.touch()
        return len(self._content.seen)

    def xClose(self) -> None:  # noqa: N802
        pass

    def xLock(self, level: int) -> None:  # noqa: N802
        pass

    def xUnlock(self, level: int) -> None:  # noqa: N802
        pass

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE


class Disk(apsw.VFS):
    """A folder on the disk. `cut_after` operations from now the power fails.

    `refuse` is raised by the operations `refused` names, from the `refuse_from`th on, `refusals`
    times.
    """

    def __init__(self, seed: int | str) -> None:
        self.name = f"disk-{next(_NAMES)}"
        super().__init__(self.name, base="")
        self.random = Random(seed)
        self.names: dict[str, Content] = {}
        self.durable_names: dict[str, Content] = {}
        self.operations = 0
        self.cut_after: int | None = None
        self.is_dead = False
        self.refuse: apsw.Error | None = None
        self.refused: frozenset[str] = frozenset()
        self.refuse_from = 0
        self.refusals = 0
        self.refused_times = 0

    def touch(self, what: str = "") -> None:
        """Anything that needs the disk."""
        if self.is_dead:
            raise failure(apsw.IOError, apsw.SQLITE_IOERR)
        if self.refuse is not None and what in self.refused:
            if self.refuse_from > 0:
                self.refuse_from -= 1
            elif self.refusals > 0:
                self.refusals -= 1
                self.refused_times += 1
                raise self.refuse

    def tick(self) -> None:
        """One more change: maybe the last."""
        self.operations += 1
        if self.cut_after is not None:
            if self.cut_after == 0:
                self.is_dead = True
                raise PowerFailure("the power failed")
            self.cut_after -= 1

    def sync_folder(self) -> None:
        self.durable_names = dict(self.names)

    def lose_power(self) -> None:
        """Decide what is found after the machine is on again, and turn it on."""
        found: dict[str, Content] = {}
        for name in sorted({*self.names, *self.durable_names}):
            was, now = self.durable_names.get(name), self.names.get(name)
            content = self.random.choice((was, now))
            if content is not None:
                content.lose_power(self.random)
                found[name] = content
        self.names, self.durable_names = found, dict(found)
        self.cut_after = None
        self.is_dead = False

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
        self.touch()
        wanted = flags[0]
        flags[1] = wanted
        if name is None:
            return File(self, Content(), sync_folder=False)
        key = name.filename() if isinstance(name, apsw.URIFilename) else name
        may_create = bool(wanted & apsw.SQLITE_OPEN_CREATE)
        if key not in self.names:
            if not may_create:
                raise failure(apsw.CantOpenError, apsw.SQLITE_CANTOPEN)
            self.touch("create")
            self.names[key] = Content()
            self.tick()
        # Whether or not it was there: an earlier process may have died before it synced.
        sync_folder = may_create and bool(wanted & _JOURNALS)
        return File(self, self.names[key], sync_folder=sync_folder)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.touch("delete")
        if filename not in self.names:
            raise failure(apsw.IOError, apsw.SQLITE_IOERR_DELETE_NOENT)
        del self.names[filename]
        self.tick()
        if syncdir:
            self.sync_folder()

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        self.touch()
        return pathname in self.names and len(self.names[pathname].seen) > 0

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def connect(
        self, path: Path, *, synchronous: str = "FULL", checkpoint: int = 1000
    ) -> "DiskConnection":
        """What `SqliteJournal` takes as its `connect`; `checkpoint` is counted in pages."""

        def fold(connection: apsw.Connection, schema: str, pages: int) -> int:
            # SQLite's own hook, which the commit before does not fail with.
            if pages >= checkpoint:
                with suppress(apsw.Error):
                    connection.wal_checkpoint(schema)
            return apsw.SQLITE_OK

        with _translated():
            inner = apsw.Connection(str(path), vfs=self.name)
            inner.set_wal_hook(fold)
            return DiskConnection(inner, synchronous)


@contextmanager
def disk(seed: int | str = 0) -> Iterator[Disk]:
    """A fresh disk. Of two failures of one call SQLite forgets one, and so does this."""
    made = Disk(seed)
    hook = sys.unraisablehook

    def forget(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, apsw.Error):
            hook(unraisable)

    sys.unraisablehook = forget
    try:
        yield made
    finally:
        sys.unraisablehook = hook
        made.unregister()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise sqlite3.OperationalError(str(error)) from error


class DiskConnection:
    """An apsw connection with the face, and the errors, of `sqlite3.Connection`."""

    def __init__(self, inner: apsw.Connection, synchronous: str) -> None:
        self._inner = inner
        self._synchronous = synchronous

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    def execute(self, sql: str, parameters: Sequence[str | int | bytes] = (), /) -> Iterator[Any]:
        sql = sql.replace("synchronous=FULL", f"synchronous={self._synchronous}")
        with _translated():
            cursor = self._inner.execute(sql, tuple(parameters))
        return _rows(cursor)

    def executemany(self, sql: str, parameters: Iterable[Sequence[str]], /) -> object:
        with _translated():
            return self._inner.executemany(sql, [tuple(each) for each in parameters])

    def close(self) -> None:
        # `sqlite3` closes without a word about the disk; apsw repeats what the disk raised.
        with suppress(apsw.Error):
            self._inner.close(True)


def _rows(cursor: apsw.Cursor) -> Iterator[Any]:
    with _translated():
        yield from cursor
