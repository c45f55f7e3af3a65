"""The kill switch as its operator uses it: real processes, a real simulator, real signals."""

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import RiskRefused
from daemon.kis.client import KISUnifiedClient
from tests.e2e.process import Running, ask, daemon_command, simulator, started

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CHURN = ("--strategies", "tests.e2e.churn:Churn")
MADE = ("order_created", "order_accepted", "order_filled")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def urls(rest_url: str, ws_url: str, folder: Path) -> dict[str, str]:
    state = str(folder / "state")
    return {"KIS_REST_URL": rest_url, "KIS_WS_URL": ws_url, "XDG_STATE_HOME": state}


async def operator(folder: Path, word: str) -> int:
    """One command of the operator; returns its exit code."""
    flags = ("--mode", "sim", "--data-dir", str(folder), "--reason", "by hand", "--wait", "20")
    async with started("-m", "daemon", word, *flags) as command:
        return await command.ended()


def moved(daemon: Running, state: str) -> bool:
    return any(each["state"] == state for each in daemon.named("trading_state_changed"))


def done(daemon: Running, state: str) -> bool:
    reports = daemon.named("emergency_reported")
    return any(each["state"] == state and each["done"] for each in reports)


def after(daemon: Running, state: str) -> list[dict[str, Any]]:
    """What was told since the switch moved."""
    names = [
        each.get("event") == "trading_state_changed" and each["state"] == state
        for each in daemon.events
    ]
    return daemon.events[names.index(True) + 1 :]


async def books(rest_url: str) -> dict[str, Any]:
    accounts = (await ask(rest_url, "/sim/books"))["accounts"]
    [account] = accounts.values()
    assert isinstance(account, dict)
    return account


def test_flatten_ends_flat_by_the_brokers_books_and_stays_so_until_a_person_resumes(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            environ = urls(rest_url, ws_url, tmp_path)
            command = daemon_command(tmp_path, *CHURN)
            async with started(*command, environ=environ) as daemon:
                await daemon.seen("order_filled", times=8)
                assert await operator(tmp_path, "flatten") == 0
                await daemon.until(lambda each: done(each, "flattening"))
                await daemon.until(lambda each: moved(each, "halted"))
                told = await books(rest_url)
                assert not any(told["holdings"].values())
                assert told["open_orders"] == []
                made = [
                    each for each in after(daemon, "flattening") if each["event"] == "order_created"
                ]
                assert {each["reason"] for each in made} <= {"flatten"}
                assert {each["side"] for each in made} <= {"sell"}
                daemon.send(signal.SIGKILL)
                await daemon.ended()
            async with started(*command, environ=environ) as daemon:
                await daemon.seen("trading")
                assert "operator" in daemon.named("trading")[0]["gate"]
                assert await operator(tmp_path, "reduce-only") == 1
                assert await operator(tmp_path, "resume") == 0
                await daemon.seen("order_accepted", times=1)
                names = [each.get("event") for each in daemon.events]
                assert names.index("order_created") > names.index("trading_state_changed")

    run(scenario())


def test_a_signal_halts_and_a_removed_file_resumes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            environ = urls(rest_url, ws_url, tmp_path)
            async with started(*daemon_command(tmp_path, *CHURN), environ=environ) as daemon:
                await daemon.seen("order_accepted", times=4)
                file = tmp_path / "sim" / "KILL"
                file.write_text("REDUCE_ONLY")
                await daemon.until(lambda each: moved(each, "reduce_only"))
                daemon.send(signal.SIGUSR1)
                await daemon.until(lambda each: done(each, "halted"))
                assert not any(each["event"] == "order_created" for each in after(daemon, "halted"))
                assert (await books(rest_url))["open_orders"] == []
                file.unlink()
                looks = len(daemon.events)
                assert await operator(tmp_path, "reduce-only") == 1
                assert all(each.get("event") not in MADE for each in daemon.events[looks:])

    run(scenario())


def test_a_flatten_goes_on_after_the_process_was_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            environ = urls(rest_url, ws_url, tmp_path)
            command = daemon_command(tmp_path, *CHURN)
            async with started(*command, environ=environ) as daemon:
                await daemon.seen("order_filled", times=8)
                daemon.send(signal.SIGUSR2)
                await daemon.until(lambda each: moved(each, "flattening"))
                daemon.send(signal.SIGKILL)
                await daemon.ended()
            async with started(*command, environ=environ) as daemon:
                await daemon.until(lambda each: moved(each, "halted"))
                told = await books(rest_url)
                assert not any(told["holdings"].values())
                assert told["open_orders"] == []

    run(scenario())


def test_a_daemons_kill_switch_holds_for_scripts_beside_it_and_after_it(tmp_path: Path) -> None:
    async def refused(environ: dict[str, str]) -> str:
        script = KISUnifiedClient("sim", data_dir=tmp_path, environ=environ, root=ROOT)
        async with script:
            with pytest.raises(RiskRefused) as caught:
                await script.place_order("005930", "BUY", 1)
        return caught.value.rule

    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            environ = urls(rest_url, ws_url, tmp_path)
            async with started(*daemon_command(tmp_path, *CHURN), environ=environ) as daemon:
                await daemon.seen("order_accepted", times=1)
                [told] = daemon.named("kill_files")
                own = tmp_path / "sim" / Path(told["files"][1]).name
                own.write_text("REDUCE_ONLY")
                await daemon.until(lambda each: moved(each, "reduce_only"))
                assert await refused(environ) == "reduce_only"
                daemon.send(signal.SIGUSR1)
                await daemon.until(lambda each: moved(each, "halted"))
                assert await refused(environ) == "halted"
                daemon.send(signal.SIGKILL)
                await daemon.ended()
            assert await refused(environ) == "halted"

    run(scenario())
