"""The record of facts in SQLite: append-only, durable when `append` returns.

Synchronous on purpose: a fact costs a third of a millisecond, orders are few, and "written
before it is sent" needs no lock and no race to reason about.
"""

import errno
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from daemon.core.errors import InvariantBroken, NeedsOperator
from daemon.core.events import AccountReported, Event, OrderAccepted, OrderCreated, OrderModified
from daemon.core.values import Currency, Session
from daemon.ports import Checkpoint
from daemon.store.archive import pack, unpack
from daemon.store.images import decode, encode, program

SCHEMA_VERSION = 2
"""Since 2 facts are put away, and books of a single region are adopted: earlier versions, which
know neither, are kept out of what this one has opened."""

EARLIER_VERSIONS = ("1",)
"""Schemas whose journals are read and marked as ours."""

PACKED = 10_000
"""Facts in one row of the archive, at most."""

_PREPARE = (
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA journal_size_limit=4194304",
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS facts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS archive (
    last INTEGER PRIMARY KEY,
    facts INTEGER NOT NULL,
    packed BLOB NOT NULL
)""",
    "CREATE TABLE IF NOT EXISTS checkpoint (program TEXT NOT NULL, image BLOB NOT NULL)",
    "SELECT sequence, kind, body FROM facts LIMIT 0",
)
_OLDEST = "SELECT sequence, kind, body FROM facts ORDER BY sequence LIMIT ?"
_COUNT = "SELECT (SELECT COALESCE(SUM(facts), 0) FROM archive), (SELECT COUNT(*) FROM facts)"
_PROBE = """INSERT INTO meta (key, value) VALUES ('probes', '1')
    ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"""
_MARK = "UPDATE meta SET value = ?1 WHERE key = 'schema' AND value <> ?1"
_FOLD = "PRAGMA wal_checkpoint(TRUNCATE)"
"""Writes what the write-ahead log holds into the file itself, and syncs it."""

_ADAPTERS: dict[str, TypeAdapter[Event]] = {
    kind.__name__: TypeAdapter(kind) for kind in get_args(Event)
}


def _as_is(body: str) -> str:
    return body


def _cash_by_currency(body: str) -> str:
    """Journals of versions that traded on KRX alone tell cash as one amount, in KRW."""
    told = json.loads(body)
    if isinstance(told, dict) and isinstance(told.get("cash"), str):
        told["cash"] = {Currency.KRW: told["cash"]}
        return json.dumps(told)
    return body


_UPGRADES: dict[str, Callable[[str], str]] = {AccountReported.__name__: _cash_by_currency}
"""How facts of older versions read today, by kind. What is written is never changed."""


class Connection(Protocol):
    """What the journal uses of a `sqlite3.Connection`; it raises `sqlite3.Error`."""

    @property
    def in_transaction(self) -> bool: ...
    def execute(
        self, sql: str, parameters: Sequence[str | int | bytes] = ..., /
    ) -> Iterator[Any]: ...
    def executemany(self, sql: str, parameters: Iterable[Sequence[str]], /) -> object: ...
    def close(self) -> None: ...


def _connect(path: Path) -> Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=1.0)


class SqliteJournal:
    """One account's facts in one file.

    WAL with `synchronous=FULL`: an acknowledged fact survives power loss. The file is locked
    for this process alone. Raises `NeedsOperator` when the file belongs to another account or
    mode, comes from another version, is damaged, cannot be written, or is open elsewhere.
    """

    def __init__(
        self, path: Path, *, owner: str, connect: Callable[[Path], Connection] = _connect
    ) -> None:
        self.path = path
        # Now: the sources may be replaced while it runs.
        self._program = program()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600, exist_ok=True)
            self._connection = connect(path)
        except (sqlite3.Error, OSError) as error:
            raise _unopened(path, error) from error
        try:
            for statement in _PREPARE:
                self._connection.execute(statement)
            self._check_meta("schema", str(SCHEMA_VERSION), *EARLIER_VERSIONS)
            self._check_meta("owner", owner)
            self._connection.execute(_MARK, (str(SCHEMA_VERSION),))
            # After a sync that failed, what is read here may be in the machine's memory alone,
            # and what is appended to it would be lost with it: written again, it is on the disk.
            self._connection.execute(_FOLD)
        except (sqlite3.Error, NeedsOperator) as error:
            self._connection.close()
            if isinstance(error, NeedsOperator):
                raise
            raise _unopened(path, error) from error

    def append(self, events: Sequence[Event]) -> None:
        """Write all of `events` or none, in one durable transaction.

        Raises `OSError` when the disk refuses: nothing of it is kept, and later ones may pass
        again. Only if none does before the file is opened anew may the whole of it be found
        after all, as with any write nobody was told of. Raises `InvariantBroken` for a fact
        that could not be read back.
        """
        rows = [_row(event) for event in events]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO facts (kind, body) VALUES (?, ?)", rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise OSError(f"the journal {self.path} could not be written: {error}") from error

    def probe(self) -> None:
        """Write something that is no fact as durably as `append` does; raises `OSError`."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(_PROBE)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise OSError(f"the journal {self.path} could not be written: {error}") from error

    def replay(self) -> Iterator[Event]:
        """Every fact, oldest first; raises `NeedsOperator` at one that cannot be read."""
        try:
            for (packed,) in self._connection.execute("SELECT packed FROM archive ORDER BY last"):
                for row in unpack(packed):
                    yield fact_of(*row, self.path)
        except (sqlite3.Error, ValueError) as error:
            raise self._damaged(error) from error
        yield from self._latest()

    def checkpoint(self) -> tuple[Checkpoint, Iterator[Event]] | None:
        """What the facts put away came to, and those since: they are read as they are asked for.

        `None` if this very program did not write it, whatever else is in its place: the facts are
        all still there.
        """
        try:
            found = list(self._connection.execute("SELECT program, image FROM checkpoint"))
            ((archived, _),) = self._connection.execute(_COUNT)
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        for written_by, image in found:
            if written_by == self._program:
                with suppress(ValueError):
                    checkpoint = decode(image)
                    if checkpoint.facts == archived:
                        return checkpoint, self._latest()
        return None

    def compact(self, checkpoint: Checkpoint) -> None:
        """Put all facts away in little room, and keep what they came to, in one transaction.

        Raises `OSError` as `append` does, and `InvariantBroken` for a checkpoint of other facts.
        """
        try:
            image = encode(checkpoint)
        except ValueError as error:
            raise OSError(f"the books cannot be kept: {error}") from error
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            ((archived, latest),) = self._connection.execute(_COUNT)
            if checkpoint.facts != archived + latest:
                raise InvariantBroken(
                    f"a checkpoint of {checkpoint.facts} facts, not of {archived + latest}"
                )
            while rows := list(self._connection.execute(_OLDEST, (PACKED,))):
                last = rows[-1][0]
                self._connection.execute(
                    "INSERT INTO archive (last, facts, packed) VALUES (?, ?, ?)",
                    (last, len(rows), pack(rows)),
                )
                self._connection.execute("DELETE FROM facts WHERE sequence <= ?", (last,))
            self._connection.execute("DELETE FROM checkpoint")
            self._connection.execute("INSERT INTO checkpoint VALUES (?, ?)", (self._program, image))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise OSError(f"the journal {self.path} could not be compacted: {error}") from error
        finally:
            self._roll_back()
        self._shrink()

    def _shrink(self) -> None:
        """Give the room of facts that were put away back to the disk, where it is much.

        A disk that refuses keeps it for the next facts: no harm is done.
        """
        with suppress(sqlite3.Error):
            ((free,),) = self._connection.execute("PRAGMA freelist_count")
            ((pages,),) = self._connection.execute("PRAGMA page_count")
            if free > pages // 2:
                self._connection.execute("VACUUM")
                # Not one that empties the log: who copies both files tells by its header.
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _latest(self) -> Iterator[Event]:
        """The facts that were not put away."""
        try:
            facts = self._connection.execute(
                "SELECT sequence, kind, body FROM facts ORDER BY sequence"
            )
            for sequence, kind, body in facts:
                yield fact_of(sequence, kind, body, self.path)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> NeedsOperator:
        return NeedsOperator(f"the journal {self.path} is damaged: {error}")

    def close(self) -> None:
        """Fold the write-ahead log into the file, if the disk lets us, and let go of it."""
        with suppress(sqlite3.Error):
            # Nothing is lost otherwise: the next opening reads the log.
            self._connection.execute(_FOLD)
        self._connection.close()

    def __enter__(self) -> "SqliteJournal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_meta(self, key: str, expected: str, *others: str) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", (key, expected)
        )
        ((found,),) = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,))
        if found not in (expected, *others):
            raise NeedsOperator(
                f"the journal {self.path} has {key} {found!r}, this program expects {expected!r}: "
                "use another data folder, or move the file away"
            )

    def _roll_back(self) -> None:
        """Leave no half transaction; on a connection that is gone there is none."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


_WRITABLE = "let this user write to the file and its folder, or use another data folder"
_FULL = "make room on the disk, or use another data folder"
_REMEDIES = {
    sqlite3.SQLITE_BUSY: "another process has it open: stop that one first",
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _WRITABLE,
    sqlite3.SQLITE_PERM: _WRITABLE,
}


def _unopened(path: Path, error: sqlite3.Error | OSError) -> NeedsOperator:
    """What went wrong with the file, and what a person can do about it."""
    if isinstance(error, OSError):
        remedy = _FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else _WRITABLE
    else:
        # The lowest byte is the primary code; errors of the module itself have none.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        remedy = _REMEDIES.get(code, "check the disk; keep the file, or move it away")
    return NeedsOperator(f"the journal {path} cannot be opened: {error} ({remedy})")


def fact_of(sequence: int, kind: str, body: str, path: Path) -> Event:
    """A fact as it was kept in the journal `path`; raises `NeedsOperator` if it is damaged."""
    try:
        return _ADAPTERS[kind].validate_json(_UPGRADES.get(kind, _as_is)(body))
    except (KeyError, ValidationError, ValueError) as error:
        raise NeedsOperator(
            f"fact {sequence} ({kind}) of {path} cannot be read: {error}"
        ) from error


def _left_out(event: Event) -> dict[str, set[str]] | None:
    """What earlier versions did not know of is written where it says something, and only there."""
    if isinstance(event, OrderCreated) and event.intent.session is Session.REGULAR:
        return {"intent": {"session"}}
    if isinstance(event, OrderAccepted | OrderModified) and not event.ref.route:
        return {"ref": {"route"}}
    return None


def _row(event: Event) -> tuple[str, str]:
    """A fact as it is kept. What cannot be read back must not be written."""
    kind = type(event).__name__
    adapter = _ADAPTERS[kind]
    try:
        body = adapter.dump_json(event, exclude=_left_out(event))
        adapter.validate_json(body)
    except (ValidationError, PydanticSerializationError, ValueError) as error:
        raise InvariantBroken(f"{kind} cannot be journalled: {error}") from error
    return kind, body.decode()
