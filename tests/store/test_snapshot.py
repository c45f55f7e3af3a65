"""A journal is read beside the daemon that writes it, whole transactions only, and unharmed."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from daemon.core.errors import NeedsOperator
from daemon.core.events import OrderCreated, OrderEvent
from daemon.store.journal import SqliteJournal
from daemon.store.snapshot import order_facts, snapshot
from tests.builders import accepted, created, sent

OWNER = "sim 12345678-01"


def test_an_orders_facts_are_read_while_the_journal_is_open_and_locked(tmp_path: Path) -> None:
    path = tmp_path / "journal-1.sqlite3"
    with SqliteJournal(path, owner=OWNER) as journal:
        facts: list[OrderEvent] = [created("a"), sent("a"), created("b"), accepted("a", "7")]
        journal.append(facts)
        with (
            closing(sqlite3.connect(path, timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("SELECT * FROM facts").fetchall()
        assert order_facts(path, "a") == [each for each in facts if each.order == "a"]
        assert order_facts(path, "none") == []
        journal.append([sent("b")])
        assert len(order_facts(path, "b")) == 2
    assert len(order_facts(path, "b")) == 2


def test_a_copy_made_at_any_moment_is_sound_and_lacks_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    """The log is folded and begun anew over and over while copies are made."""
    path = tmp_path / "journal-1.sqlite3"
    acknowledged = [0]
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            raw.execute("PRAGMA locking_mode=EXCLUSIVE")
            raw.execute("PRAGMA wal_autocheckpoint=20")
            while not stop.is_set():
                raw.execute("BEGIN")
                for _ in range(5):
                    raw.execute("INSERT INTO facts (kind, body) VALUES ('x', ?)", ("y" * 900,))
                raw.execute("COMMIT")
                acknowledged[0] += 5

    SqliteJournal(path, owner=OWNER).close()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = 0
        for _ in range(200):
            before = acknowledged[0]
            try:
                with snapshot(path) as copy, closing(sqlite3.connect(copy)) as connection:
                    ((rows,),) = connection.execute("SELECT count(*) FROM facts")
                    ((sound,),) = connection.execute("PRAGMA integrity_check")
            except NeedsOperator:
                # It never held still for this one.
                continue
            assert sound == "ok"
            assert rows % 5 == 0
            assert rows >= before
            made += 1
            if made >= 25:
                break
        assert made > 0
    finally:
        stop.set()
        writer.join()


def test_what_is_no_journal_is_told(tmp_path: Path) -> None:
    with pytest.raises(NeedsOperator, match="cannot be read"):
        order_facts(tmp_path / "none.sqlite3", "a")
    damaged = tmp_path / "journal-2.sqlite3"
    damaged.write_bytes(b"no database at all" * 100)
    with pytest.raises(NeedsOperator, match="cannot be read"):
        order_facts(damaged, "a")


def test_a_damaged_fact_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "journal-1.sqlite3"
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append([created("a")])
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE facts SET kind = 'Unknown'")
        raw.commit()
    with pytest.raises(NeedsOperator, match="fact 1"):
        order_facts(path, "a")


def test_nothing_of_the_copy_is_left(tmp_path: Path) -> None:
    path = tmp_path / "journal-1.sqlite3"
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append([created("a")])
        with snapshot(path) as copy:
            assert copy.parent.stat().st_mode & 0o077 == 0
            kept = copy.parent
    assert not kept.exists()
    assert isinstance(order_facts(path, "a")[0], OrderCreated)
