"""Power loss: no acknowledged fact is lost, and no batch is found by halves."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.core.errors import NeedsOperator
from daemon.core.events import Event, TradingHalted
from daemon.core.portfolio import Portfolio
from daemon.ports import Checkpoint
from daemon.store.journal import SqliteJournal
from tests.builders import NINE
from tests.store.disk import Disk, DiskConnection, disk

OWNER = "sim 12345678-01"
CUTS = 4


def checkpoint(facts: int) -> Checkpoint:
    return Checkpoint(facts=facts, minted={}, portfolio=Portfolio().image(), profit=None)


@dataclass
class Machine:
    """A journal on a disk whose power fails again and again."""

    disk: Disk
    path: Path
    synchronous: str = "FULL"
    checkpoint: int = 1000
    compacts: bool = False

    def __post_init__(self) -> None:
        self.random = self.disk.random
        self.facts: list[Event] = []
        self.unacknowledged: list[list[Event]] = []
        self.batches = 0
        self.kept = 0
        self.connection: DiskConnection | None = None

    def connect(self, path: Path) -> DiskConnection:
        self.connection = self.disk.connect(
            path, synchronous=self.synchronous, checkpoint=self.checkpoint
        )
        return self.connection

    def open(self) -> SqliteJournal:
        return SqliteJournal(self.path, owner=OWNER, connect=self.connect)

    def let_go(self) -> None:
        """The process dies: the disk hears no more of it."""
        if self.connection is not None:
            was_dead, self.disk.is_dead = self.disk.is_dead, True
            self.connection.close()
            self.connection, self.disk.is_dead = None, was_dead

    def write_until_the_cut(self) -> None:
        """Append, and now and then close and open, until the power fails."""
        with suppress(NeedsOperator):
            journal = self.open()
            while not self.disk.is_dead:
                if self.random.random() < 0.05:
                    journal.close()
                    journal = self.open()
                if self.compacts and self.random.random() < 0.1:
                    with suppress(OSError):
                        journal.compact(checkpoint(len(self.facts)))
                batch = self.batch()
                try:
                    journal.append(batch)
                except OSError:
                    self.unacknowledged = [batch]
                else:
                    self.facts += batch
        assert self.disk.is_dead
        self.let_go()

    def batch(self) -> list[Event]:
        self.batches += 1
        long = self.random.random() < 0.1
        size = self.random.randrange(20_000 if long else 300)
        return [
            TradingHalted(reason=f"{self.batches}.{part}" + "x" * size, at=NINE)
            for part in range(self.random.randint(1, 3))
        ]

    def lose_power(self) -> None:
        self.disk.cut_after = self.random.randrange(self.random.choice((10, 60, 250)))
        self.write_until_the_cut()
        self.disk.lose_power()
        if self.random.random() < 0.25:
            # And once more while the journal recovers.
            self.disk.cut_after = self.random.randrange(12)
            with suppress(NeedsOperator):
                self.open()
            self.let_go()
            self.disk.lose_power()

    def check(self) -> None:
        """What is found is what was acknowledged, and perhaps a batch that was under way."""
        with self.open() as journal:
            assert self.connection is not None
            assert list(self.connection.execute("PRAGMA integrity_check")) == [("ok",)]
            found = list(journal.replay())
            kept = journal.checkpoint()
            if kept is not None:
                assert found[kept[0].facts :] == list(kept[1])
                self.kept += 1
            assert found[len(self.facts) :] in ([], *self.unacknowledged)
            assert found[: len(self.facts)] == self.facts
            self.facts, self.unacknowledged = found, []
            if self.random.random() < 0.5:
                self.let_go()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def machines(
    path: Path, seeds: range, synchronous: str, *, compacts: bool = False
) -> Iterator[Machine]:
    for seed in seeds:
        with disk(seed) as made:
            checkpoint = made.random.choice((4, 16, 64))
            yield Machine(made, path, synchronous, checkpoint, compacts)


@pytest.mark.parametrize("block", range(10))
def test_an_acknowledged_fact_outlives_the_power(path: Path, block: int) -> None:
    written = 0
    for machine in machines(path, range(100 * block, 100 * (block + 1)), "FULL"):
        for _ in range(CUTS):
            machine.lose_power()
            machine.check()
        written += len(machine.facts)
    assert written > 2_000


@pytest.mark.parametrize("block", range(5))
def test_power_lost_while_facts_are_put_away_loses_and_doubles_none(path: Path, block: int) -> None:
    written = kept = 0
    for machine in machines(path, range(60 * block, 60 * (block + 1)), "FULL", compacts=True):
        for _ in range(CUTS):
            machine.lose_power()
            machine.check()
        written += len(machine.facts)
        kept += machine.kept
    assert written > 1_000
    assert kept > 60


def survives(machine: Machine) -> bool:
    try:
        machine.lose_power()
        machine.check()
    except (AssertionError, NeedsOperator, sqlite3.Error):
        machine.let_go()
        return False
    return True


def test_the_harness_would_notice(path: Path) -> None:
    def lost(synchronous: str) -> int:
        return sum(
            not all(survives(machine) for _ in range(CUTS))
            for machine in machines(path, range(60), synchronous)
        )

    full, normal, off = (lost(each) for each in ("FULL", "NORMAL", "OFF"))
    assert full == 0
    assert 30 < normal <= off
