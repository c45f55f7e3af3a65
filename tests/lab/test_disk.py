"""A world's journal is the real one, whose disk fills and whose machine dies in a write."""

import errno
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from daemon.core.events import Event, TradingHalted
from daemon.lab.disk import Disk, LabJournal
from daemon.lab.loop import Killed, Process
from daemon.lab.mix import Fault, FaultMix
from daemon.store.journal import SqliteJournal
from tests.builders import NINE
from tests.lab.scene import harsh

OWNER = "sim:12345678-01"


def halted(reason: str) -> TradingHalted:
    return TradingHalted(reason=reason, at=NINE)


def opened(
    path: Path, mix: FaultMix, *, disk: Disk | None = None, seed: int = 1
) -> tuple[LabJournal, Process]:
    process = Process("daemon")
    journal = LabJournal(
        path, OWNER, mix=mix, disk=disk or Disk(), process=process, random=Random(seed)
    )
    return journal, process


def facts_in(path: Path) -> list[Event]:
    with SqliteJournal(path, owner=OWNER) as journal:
        return list(journal.replay())


def test_without_faults_it_is_a_journal_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal, process = opened(path, harsh())
    with journal:
        journal.append([halted("a"), halted("b")])
        assert list(journal.replay()) == [halted("a"), halted("b")]
    assert process.alive
    assert facts_in(path) == [halted("a"), halted("b")]


def test_a_full_disk_takes_nothing_and_later_something_again(tmp_path: Path) -> None:
    path, disk, mix = tmp_path / "journal.db", Disk(), harsh(Fault.DISK_FULL)
    journal, _ = opened(path, mix, disk=disk)
    with journal:
        disk.full = True
        with pytest.raises(OSError, match="space") as failure:
            journal.append([halted("lost")])
        assert failure.value.errno == errno.ENOSPC
        assert mix.struck[Fault.DISK_FULL] == 1
        disk.full = False
        journal.append([halted("kept")])
    assert facts_in(path) == [halted("kept")]


def test_a_crash_at_a_write_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    kept = []
    for seed in range(40):
        path = tmp_path / f"{seed}.db"
        journal, process = opened(path, harsh(Fault.CRASH_AT_WRITE), seed=seed)
        written = 0
        with suppress(Killed):
            for number in range(1000):
                journal.append([halted(f"{number}a"), halted(f"{number}b")])
                written += 2
        assert not process.alive
        facts = facts_in(path)
        names = [f"{number}{side}" for number in range(written // 2) for side in "ab"]
        assert facts[:written] == [halted(name) for name in names]
        kept.append(len(facts) - written)
        if len(set(kept)) > 1:
            break
    assert set(kept) == {0, 2}, "the deaths came before the write and after it"


def test_the_dead_write_nothing_and_hold_no_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal, process = opened(path, harsh())
    journal.append([halted("a")])
    process.kill()
    with pytest.raises(Killed):
        journal.append([halted("b")])
    assert facts_in(path) == [halted("a")], "nobody locks it any more"


def test_who_watches_is_told_of_what_is_in_the_file_and_of_nothing_else(tmp_path: Path) -> None:
    heard: list[Event] = []
    disk, process, mix = Disk(), Process("daemon"), harsh(Fault.CRASH_AT_WRITE)
    journal = LabJournal(
        tmp_path / "journal.db",
        OWNER,
        mix=mix,
        disk=disk,
        process=process,
        random=Random(1),
        written=heard.extend,
    )
    with journal:
        disk.full = True
        with suppress(OSError):
            journal.append([halted("lost")])
        disk.full = False
        with suppress(Killed):
            for number in range(10_000):
                journal.append([halted(str(number))])
    assert not process.alive
    assert heard == facts_in(tmp_path / "journal.db")
