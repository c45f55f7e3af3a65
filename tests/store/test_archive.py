"""Facts that were put away are all still there, and a start need not read them."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from daemon.core.errors import InvariantBroken, NeedsOperator
from daemon.core.events import Event, OrderEvent, TradingHalted
from daemon.core.portfolio import Portfolio
from daemon.core.values import Currency
from daemon.engine.ledger import Ledger
from daemon.ports import Checkpoint
from daemon.store import journal as journals
from daemon.store.journal import SqliteJournal
from daemon.store.snapshot import order_facts
from tests.builders import NINE, accepted, created, filled, sent
from tests.store.disk import disk, failure

OWNER = "sim 12345678-01"
FIRST, SECOND = "20261123-0001", "20261123-0002"
LIFE: Sequence[OrderEvent] = [created(FIRST), sent(FIRST), accepted(FIRST, "1"), filled(FIRST, 4)]


def checkpoint(facts: int) -> Checkpoint:
    return Checkpoint(facts=facts, minted={}, portfolio=Portfolio().image(), profit=None)


def halted(reason: str) -> TradingHalted:
    return TradingHalted(reason=reason, at=NINE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal-1.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(path, owner=OWNER) as opened:
        yield opened


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(sql).fetchall()


def test_all_facts_are_replayed_in_their_order_and_only_the_later_ones_follow_a_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "PACKED", 4)
    facts: list[Event] = [halted(f"a\tline\nand '{each}' \\") for each in range(25)]
    with SqliteJournal(path, owner=OWNER) as journal:
        assert journal.checkpoint() is None
        journal.append(facts[:10])
        journal.compact(checkpoint(10))
        journal.append(facts[10:15])
        journal.compact(checkpoint(15))
        journal.append(facts[15:])
        for _ in range(2):
            assert list(journal.replay()) == facts
    with SqliteJournal(path, owner=OWNER) as journal:
        assert list(journal.replay()) == facts
        kept = journal.checkpoint()
        assert kept is not None
        assert kept[0] == checkpoint(15)
        assert list(kept[1]) == facts[15:]


def test_a_checkpoint_of_other_facts_is_refused_and_nothing_changes(journal: SqliteJournal) -> None:
    journal.append([halted("one"), halted("two")])
    with pytest.raises(InvariantBroken, match="1 facts, not of 2"):
        journal.compact(checkpoint(1))
    assert journal.checkpoint() is None
    journal.append([halted("three")])
    assert len(list(journal.replay())) == 3


def test_a_checkpoint_is_read_by_the_program_that_wrote_it_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append([halted("one")])
        # The sources are replaced while it runs: what it writes is still its own.
        monkeypatch.setattr(journals, "program", lambda: "another")
        journal.compact(checkpoint(1))
        assert journal.checkpoint() is not None
    with SqliteJournal(path, owner=OWNER) as journal:
        assert journal.checkpoint() is None
        assert list(journal.replay()) == [halted("one")]
        journal.compact(checkpoint(1))
        assert journal.checkpoint() is not None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE checkpoint SET image = x'00'",
        "UPDATE checkpoint SET image = substr(image, 1, length(image) - 9)",
        "DELETE FROM checkpoint",
        "UPDATE archive SET facts = facts + 1",
    ],
)
def test_without_a_whole_checkpoint_all_facts_are_read(path: Path, damage: str) -> None:
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append([halted("one")])
        journal.compact(checkpoint(1))
    rows(path, damage)
    with SqliteJournal(path, owner=OWNER) as journal:
        assert journal.checkpoint() is None
        assert list(journal.replay()) == [halted("one")]


def test_a_damaged_archive_is_told_when_it_is_needed(path: Path) -> None:
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append([halted("one")])
        journal.compact(checkpoint(1))
    rows(path, "UPDATE archive SET packed = x'7b7d'")
    with SqliteJournal(path, owner=OWNER) as journal:
        assert journal.checkpoint() is not None
        with pytest.raises(NeedsOperator, match="is damaged"):
            list(journal.replay())
    with pytest.raises(NeedsOperator, match="cannot be read"):
        order_facts(path, FIRST)


def test_an_earlier_program_is_kept_out_of_what_this_one_has_opened(path: Path) -> None:
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append([halted("one")])
    rows(path, "UPDATE meta SET value = '1' WHERE key = 'schema'")
    with SqliteJournal(path, owner=OWNER) as journal:
        assert list(journal.replay()) == [halted("one")]
    assert rows(path, "SELECT value FROM meta WHERE key = 'schema'") == [("2",)]
    rows(path, "UPDATE meta SET value = '1' WHERE key = 'schema'")
    with pytest.raises(NeedsOperator, match="owner"):
        SqliteJournal(path, owner="real 87654321-01")
    assert rows(path, "SELECT value FROM meta WHERE key = 'schema'") == [("1",)]


def test_books_that_cannot_be_kept_leave_the_journal_as_it_was(journal: SqliteJournal) -> None:
    journal.append([halted("one")])
    books = Portfolio()
    books.cash[Currency.KRW] = 5  # type: ignore[assignment]
    with pytest.raises(OSError, match="cannot be kept"):
        journal.compact(Checkpoint(facts=1, minted={}, portfolio=books.image(), profit=None))
    assert journal.checkpoint() is None
    journal.append([halted("two")])
    assert list(journal.replay()) == [halted("one"), halted("two")]


def test_a_journal_of_an_earlier_version_is_read_and_compacted(path: Path) -> None:
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append(LIFE)
    rows(path, "UPDATE meta SET value = '1' WHERE key = 'schema'")
    rows(path, "DROP TABLE archive")
    rows(path, "DROP TABLE checkpoint")
    assert order_facts(path, FIRST) == LIFE
    with SqliteJournal(path, owner=OWNER) as journal:
        ledger = Ledger(journal)
        assert ledger.recover() == len(LIFE)
        ledger.compact()
    with SqliteJournal(path, owner=OWNER) as journal:
        again = Ledger(journal)
        assert again.recover() == 0
        assert vars(again.portfolio) == vars(ledger.portfolio)


def test_an_orders_life_is_shown_from_what_was_put_away_and_what_was_not(path: Path) -> None:
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append([*LIFE, created(SECOND), sent(SECOND)])
        journal.compact(checkpoint(6))
        journal.append([filled(FIRST, 6)])
        assert order_facts(path, FIRST) == [*LIFE, filled(FIRST, 6)]
        assert order_facts(path, SECOND) == [created(SECOND), sent(SECOND)]
        assert order_facts(path, "20261123") == []


def test_the_file_becomes_smaller_and_stays_so(path: Path) -> None:
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.append([halted(f"{each} " + "x" * 500) for each in range(2_000)])
    before = path.stat().st_size
    with SqliteJournal(path, owner=OWNER) as journal:
        journal.compact(checkpoint(2_000))
        assert path.stat().st_size < before / 10
    assert path.stat().st_size < before / 10


def test_a_disk_that_refuses_leaves_the_journal_as_it_was_at_any_step(tmp_path: Path) -> None:
    """Every write, sync and truncation of a compaction is refused in its turn."""
    facts: list[Event] = [halted(f"{each} " + "x" * 400) for each in range(60)]
    refused, done = 0, False
    for step in range(400):
        with disk(step) as made:
            path = tmp_path / f"{step}.db"
            journal = SqliteJournal(path, owner=OWNER, connect=made.connect)
            journal.append(facts)
            made.refuse = failure(apsw.FullError, apsw.SQLITE_FULL)
            made.refused = frozenset({"write", "sync", "truncate"})
            made.refuse_from, made.refusals = step, 1
            try:
                journal.compact(checkpoint(60))
            except OSError:
                refused += 1
                assert journal.checkpoint() is None
            else:
                assert journal.checkpoint() is not None
            made.refuse = None
            assert list(journal.replay()) == facts
            journal.append([halted("later")])
            journal.compact(checkpoint(61))
            assert list(journal.replay()) == [*facts, halted("later")]
            done = made.refused_times == 0
            journal.close()
        if done:
            break
    assert refused > 3
    assert done
