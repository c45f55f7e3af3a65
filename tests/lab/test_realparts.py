"""A killed daemon leaves behind what a kernel leaves behind."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.core.errors import NeedsOperator
from daemon.core.events import Event, TradingHalted
from daemon.lab.loop import Process, run_virtual
from daemon.lab.realparts import KilledJournal, KilledTokens, bury
from daemon.store.journal import SqliteJournal

HALT = TradingHalted(reason="x", at=datetime(2026, 11, 2, tzinfo=UTC))


def test_a_killed_process_leaves_its_log_and_lets_its_lock_go(tmp_path: Path) -> None:
    path, told = tmp_path / "journal.sqlite3", list[Event]()

    async def daemon() -> None:
        with KilledJournal(path, "sim:me", told.append) as journal:
            journal.append([HALT])
            await asyncio.Event().wait()

    async def scenario() -> None:
        process = Process("daemon")
        process.spawn(daemon())
        await asyncio.sleep(1)
        with pytest.raises(NeedsOperator):
            SqliteJournal(path, owner="sim:me")
        process.kill()
        assert path.with_name(f"{path.name}-wal").stat().st_size > 0
        with SqliteJournal(path, owner="sim:me") as journal:
            assert list(journal.replay()) == [HALT] == told
        bury(process)

    run_virtual(scenario())


def test_a_killed_process_lets_others_issue_a_token(tmp_path: Path) -> None:
    async def daemon() -> None:
        assert KilledTokens(tmp_path).issuing().acquire()
        await asyncio.Event().wait()

    async def scenario() -> None:
        process, other = Process("daemon"), Process("other")
        process.spawn(daemon())
        await asyncio.sleep(1)

        async def look() -> bool:
            return KilledTokens(tmp_path).issuing().acquire()

        assert not await other.spawn(look())
        process.kill()
        assert await other.spawn(look())
        other.kill()
        bury(process)

    run_virtual(scenario())


def test_burying_unwinds_what_waits_on_its_way_out() -> None:
    steps: list[str] = []

    async def inner() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            steps.append("inner")
            await asyncio.sleep(100)

    async def daemon() -> None:
        try:
            await inner()
        finally:
            steps.append("outer")
            await asyncio.sleep(100)

    async def scenario() -> None:
        process = Process("daemon")
        process.spawn(daemon())
        await asyncio.sleep(1)
        process.kill()
        await asyncio.sleep(200)
        assert steps == []
        bury(process)
        assert steps == ["inner", "outer"]
        assert len(asyncio.all_tasks()) == 1

    run_virtual(scenario())
