"""What a service manager hears of a real daemon: a real process, a real datagram socket."""

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import Running, daemon_command, simulator, started
from tests.e2e.test_daemon import urls

pytestmark = pytest.mark.e2e

WATCHDOG = 2.0
"""Seconds; as short as a busy machine lets it be."""

PATIENCE = 60.0
IDLE = "tests.e2e.idle:Idle"


@dataclass
class Manager:
    """The other end of `$NOTIFY_SOCKET`: every datagram with the moment it came."""

    address: str
    heard: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self, door: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            text = (await loop.sock_recv(door, 65536)).decode()
            lines = dict(line.split("=", 1) for line in text.split("\n"))
            async with self.news:
                self.heard.append((asyncio.get_running_loop().time(), lines))
                self.news.notify_all()

    def times(self, name: str) -> list[float]:
        return [at for at, lines in self.heard if name in lines]

    def statuses(self) -> list[str]:
        return [lines["STATUS"] for _, lines in self.heard if "STATUS" in lines]

    async def until(self, name: str, times: int = 1) -> None:
        async with asyncio.timeout(PATIENCE), self.news:
            await self.news.wait_for(lambda: len(self.times(name)) >= times)

    async def says(self, words: str) -> None:
        async with asyncio.timeout(PATIENCE), self.news:
            await self.news.wait_for(lambda: any(words in each for each in self.statuses()))


@asynccontextmanager
async def managed() -> AsyncIterator[Manager]:
    manager = Manager(f"@kis-test-{os.getpid()}-{id(object())}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as door:
        door.bind(manager.address.replace("@", "\0"))
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(manager.listen(door))
            yield manager
            listening.cancel()


@asynccontextmanager
async def service(
    folder: Path, *arguments: str, environ: dict[str, str] | None = None
) -> AsyncIterator[tuple[Manager, Running]]:
    """A daemon that a manager watches."""
    async with managed() as manager:
        told = {
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": str(int(WATCHDOG * 1e6)),
            **(environ or {}),
        }
        async with started(*daemon_command(folder, *arguments), environ=told) as daemon:
            yield manager, daemon


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_it_is_ready_once_reconciled_feeds_the_watchdog_and_tells_its_stop(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with service(tmp_path, "--strategies", IDLE) as (manager, daemon):
            await manager.until("WATCHDOG", 8)
            assert manager.times("RELOADING") == []
            assert len(manager.times("READY")) == 1
            assert manager.times("READY")[0] <= manager.times("WATCHDOG")[0]
            starting = manager.statuses()
            assert starting[0].startswith("starting: "), starting
            assert any(each.startswith("trading KR (") for each in starting), starting
            # Nothing of it was said before the daemon itself said that it trades.
            assert daemon.counts["trading"] == 1
            assert max(gaps(manager.times("WATCHDOG"))) < WATCHDOG / 2 + 0.5
            daemon.send(signal.SIGTERM)
            await manager.until("STOPPING")
            assert await daemon.ended() == 0
            await manager.says("stopping: report")
            assert len(manager.times("STOPPING")) == 1
            assert not any("****" not in each and "12345678" in each for each in manager.statuses())

    run(scenario())


def test_it_is_not_ready_while_the_broker_does_not_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            environ = urls(rest_url, ws_url, tmp_path)
        # The simulator has gone.
        async with service(
            tmp_path,
            "--strategies",
            IDLE,
            environ=environ
            | {"KIS_REST_URL": "http://127.0.0.1:9", "KIS_WS_URL": "ws://127.0.0.1:9"},
        ) as (manager, daemon):
            assert await daemon.ended() == 78
            assert manager.times("READY") == []

    run(scenario())


def test_an_outage_of_the_broker_is_no_hang(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with managed() as manager, AsyncExitStack() as broker:
            rest_url, ws_url = await broker.enter_async_context(simulator())
            told = urls(rest_url, ws_url, tmp_path) | {
                "NOTIFY_SOCKET": manager.address,
                "WATCHDOG_USEC": str(int(WATCHDOG * 1e6)),
            }
            command = daemon_command(tmp_path, "--strategies", IDLE)
            async with started(*command, environ=told) as daemon:
                await manager.until("READY")
                await broker.aclose()
                await manager.says("gate shut: stream")
                fed = len(manager.times("WATCHDOG"))
                await manager.until("WATCHDOG", fed + 15)
                assert daemon.counts["watchdog_withheld"] == 0
                daemon.send(signal.SIGTERM)
                assert await daemon.ended() == 0

    run(scenario())


@pytest.mark.parametrize(
    ("saboteur", "problem"),
    [
        ("Blocker", ""),
        ("Silencer", "tasks: feed ended"),
        ("Hanger", "feed: nothing was done"),
        ("Scribbler", "journal: no space left on device"),
    ],
)
def test_silence_follows_when_a_part_of_it_hangs(
    tmp_path: Path, saboteur: str, problem: str
) -> None:
    async def scenario() -> None:
        name = f"tests.e2e.saboteurs:{saboteur}"
        async with service(tmp_path, "--strategies", name) as (manager, daemon):
            await manager.until("READY")
            await daemon.seen("sabotage")
            if problem:
                await daemon.seen("watchdog_withheld")
                [line] = daemon.named("watchdog_withheld")
                assert any(each.startswith(problem) for each in line["problems"]), line
            fed = len(manager.times("WATCHDOG"))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(WATCHDOG * 3), manager.news:
                    await manager.news.wait_for(lambda: len(manager.times("WATCHDOG")) > fed + 1)
            # What systemd does then; the traceback of what hung is left behind.
            daemon.send(signal.SIGABRT)
            assert await daemon.ended() == -signal.SIGABRT

    run(scenario())


def test_sighup_brings_the_strategies_to_what_the_settings_name(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    item = "  - {{id: {}, class: 'tests.e2e.{}', instruments: [{}]}}\n"
    churn = item.format("churn", "churn:Churn", "005930")
    first, second = (
        item.format("first", "idle:Idle", code) + churn * (code == "005930")
        for code in ("005930", "000660")
    )
    mine.write_text(f"strategies:\n{first}", encoding="utf-8")

    async def scenario() -> None:
        async with service(tmp_path, "--config", str(mine)) as (manager, daemon):
            await manager.until("READY")
            await daemon.seen("order_accepted")
            added = item.format("added", "resting:Resting", "035720")
            mine.write_text(f"strategies:\n{second}{added}", encoding="utf-8")
            daemon.send(signal.SIGHUP)
            await daemon.seen("reload_strategy", times=3)
            done = [(each["strategy"], each["does"]) for each in daemon.named("reload_strategy")]
            assert done == [("churn", "stop"), ("first", "reload"), ("added", "start")]
            await daemon.until(
                lambda running: any(
                    each["strategy"] == "added" for each in running.named("order_accepted")
                )
            )
            mine.write_text(f"strategies:\n{second}{added}{churn}", encoding="utf-8")
            daemon.send(signal.SIGHUP)
            await daemon.seen("reload_strategy", times=4)
            assert daemon.counts["reload_strategy_refused"] == 0
            assert daemon.counts["reload_needs_restart"] == 0
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
            assert daemon.named("run_report")[0]["books_equal"]

    run(scenario())


def test_sighup_reads_the_settings_again_and_it_trades_on(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("risk: {max_order_quantity: 100}\n", encoding="utf-8")

    async def scenario() -> None:
        arguments = ("--strategies", "tests.e2e.churn:Churn", "--config", str(mine))
        async with service(tmp_path, *arguments) as (manager, daemon):
            await manager.until("READY")
            await daemon.seen("order_accepted", times=3)
            assert daemon.counts["order_denied"] == 0

            # Churn wants seven shares at a time: from now on it gets none.
            mine.write_text("risk: {max_order_quantity: 6}\non_stop: leave\n", encoding="utf-8")
            daemon.send(signal.SIGHUP)
            await daemon.seen("reloaded")
            await manager.until("READY", 2)
            [told] = daemon.named("reloaded")
            assert told["changes"] == ["risk.max_order_quantity: 100 → 6"]
            assert told["unchanged"] == ["on_stop"]
            await daemon.until(
                lambda running: any(
                    each["denied_by"] == "order_quantity" for each in running.named("order_denied")
                )
            )
            [begins] = [lines for _, lines in manager.heard if "RELOADING" in lines]
            assert int(begins["MONOTONIC_USEC"]) > 0

            mine.write_text("risk: {max_order_quantity: 0}\nno_such: 1\n", encoding="utf-8")
            daemon.send(signal.SIGHUP)
            await daemon.seen("reload_refused")
            [refused] = daemon.named("reload_refused")
            assert {each.split(":")[0] for each in refused["faults"]} == {
                "risk.max_order_quantity",
                "no_such",
            }
            await manager.until("READY", 3)
            fed = len(manager.times("WATCHDOG"))
            await manager.until("WATCHDOG", fed + 3)
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
            assert daemon.counts["reloaded"] == 1
            assert daemon.named("run_report")[0]["books_equal"]

    run(scenario())
