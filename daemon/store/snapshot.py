"""The journal as it is now, read beside the daemon that has it open.

A running daemon locks its journal for itself alone, so that its own reads and writes wait for
nobody. What is read here is a copy of the file and its write-ahead log: the log is appended to
only, its reader stops at the last whole transaction, and its header changes whenever it begins
anew (SQLite's file format, "The Write-Ahead Log"). With the same header before and after, the two
copies belong together. Nothing of the daemon's is touched.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.core.errors import NeedsOperator
from daemon.core.events import Event
from daemon.store.archive import Row, unpack
from daemon.store.journal import fact_of

WAL_HEADER = 32
TRIES = 20


def order_facts(journal: Path, order: str) -> list[Event]:
    """The facts of one order, oldest first; raises `NeedsOperator` for what cannot be read."""
    with snapshot(journal) as copy:
        try:
            with closing(sqlite3.connect(copy)) as connection:
                rows = [*_archived(connection, order)]
                rows += connection.execute(
                    "SELECT sequence, kind, body FROM facts"
                    " WHERE json_extract(body, '$.order') = ? ORDER BY sequence",
                    (order,),
                )
        except (sqlite3.Error, ValueError) as error:
            raise NeedsOperator(f"the journal {journal} cannot be read: {error}") from error
    return [fact_of(sequence, kind, body, journal) for sequence, kind, body in rows]


def _archived(connection: sqlite3.Connection, order: str) -> Iterator[Row]:
    """Its facts among those put away; a journal of an earlier version has no such table."""
    tables = "SELECT name FROM sqlite_master WHERE name = 'archive'"
    if connection.execute(tables).fetchone() is None:
        return
    quoted = json.dumps(order)
    for (packed,) in connection.execute("SELECT packed FROM archive ORDER BY last"):
        for row in unpack(packed):
            if quoted in row[-1] and json.loads(row[-1]).get("order") == order:
                yield row


@contextmanager
def snapshot(journal: Path) -> Iterator[Path]:
    """A consistent copy of a journal, readable by this user alone, deleted at the end.

    Raises `NeedsOperator` when there is no such file, or it never holds still.
    """
    log = journal.with_name(journal.name + "-wal")
    with TemporaryDirectory(prefix="kis-journal-") as folder:
        copy = Path(folder) / "journal.sqlite3"
        try:
            for _ in range(TRIES):
                before = _header(log)
                shutil.copyfile(journal, copy)
                copied = copy.with_name(copy.name + "-wal")
                copied.unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    shutil.copyfile(log, copied)
                if before == _header(log) == _header(copied):
                    break
            else:
                raise NeedsOperator(f"the journal {journal} is written too fast: try again")
        except OSError as error:
            raise NeedsOperator(f"the journal {journal} cannot be read: {error}") from error
        yield copy


def _header(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(WAL_HEADER)
    except FileNotFoundError:
        return b""
