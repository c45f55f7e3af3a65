"""The emergency command: a daemon that is killed leaves orders, and no order is left after it."""

import asyncio
import json
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import Running, ask, daemon_command, read_report, simulator, started
from tests.e2e.test_daemon import urls

pytestmark = pytest.mark.e2e

RESTING = ("--strategies", "tests.e2e.resting:Resting")
IDLE = ("--strategies", "tests.e2e.idle:Idle")
BIDS = 10
"""As many of the bids as the limits allow."""


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def cancel_all(folder: Path, *arguments: str) -> tuple[str, ...]:
    return (
        *("-m", "daemon", "cancel-all", "--mode", "sim", "--data-dir", str(folder)),
        *("--wait", "2m", *arguments),
    )


async def open_orders(rest_url: str) -> list[dict[str, Any]]:
    books = await ask(rest_url, "/sim/books")
    [account] = books["accounts"].values()
    listed = account["open_orders"]
    assert isinstance(listed, list)
    return listed


async def leave_orders(folder: Path, told: dict[str, str], rest_url: str) -> int:
    """A daemon rests bids and is killed while none is on its way; how many it leaves.

    One that was would stay of unknown outcome for longer than the tests have.
    """
    async with started(*daemon_command(folder, *RESTING), environ=told) as daemon:
        await daemon.seen("order_accepted", times=BIDS)
        daemon.send(signal.SIGKILL)
        assert await daemon.ended() == -signal.SIGKILL
    return len(await open_orders(rest_url))


def logged(folder: Path) -> list[str]:
    """The events in the files of the log; every line of them must be whole."""
    files = sorted((folder / "sim" / "logs").glob("kis-trader-*.jsonl"))
    text = "".join(each.read_text(encoding="utf-8") for each in files)
    assert text.endswith("\n")
    return [json.loads(line)["event.name"] for line in text.splitlines()]


def last(running: Running, event: str) -> dict[str, Any]:
    return running.named(event)[-1]


def test_nothing_is_left_open_it_may_be_repeated_and_the_books_stay_equal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            told = urls(rest_url, ws_url, tmp_path)
            left = await leave_orders(tmp_path, told, rest_url)
            assert left == BIDS
            async with started(*cancel_all(tmp_path), environ=told) as command:
                assert await command.ended() == 0, command.lines
            done = last(command, "emergency_done")
            assert done["orders_seen"] == left
            events = logged(tmp_path)
            assert "order_accepted" in events, "what the daemon wrote"
            assert "emergency_cancel" in events
            assert events[-1] == "emergency_done"
            assert await open_orders(rest_url) == []

            async with started(*cancel_all(tmp_path), environ=told) as again:
                assert await again.ended() == 0, again.lines
            assert last(again, "emergency_done")["cancels_sent"] == 0

            report = tmp_path / "report.json"
            command_line = daemon_command(tmp_path, *IDLE, "--report", str(report), "--for", "3s")
            async with started(*command_line, environ=told) as daemon:
                assert await daemon.ended() == 0
            result = read_report(report)
            assert result["books_equal"], result["book_differences"]
            assert result["unknown_orders"] == result["discrepancies"] == []

    run(scenario())


def test_it_does_nothing_while_the_daemon_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            told = urls(rest_url, ws_url, tmp_path)
            async with started(*daemon_command(tmp_path, *RESTING), environ=told) as daemon:
                await daemon.seen("order_accepted", times=9)
                before = len(await open_orders(rest_url))
                async with started(*cancel_all(tmp_path), environ=told) as command:
                    assert await command.ended() == 75, command.lines
                assert "emergency_cancel" in logged(tmp_path)
                assert len(await open_orders(rest_url)) >= before
                daemon.send(signal.SIGKILL)

    run(scenario())


def test_wrong_settings_a_lost_journal_and_other_exchanges_keep_no_order_alive(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            told = urls(rest_url, ws_url, tmp_path)
            await leave_orders(tmp_path, told, rest_url)
            wish = {"code": "005930", "side": "buy", "quantity": 1, "price": 60_000}
            for venue in ("SOR", "NXT"):
                by_app = {**wish, "venue": venue}
                assert "number" in await ask(rest_url, "/sim/order", method="POST", body=by_app)
            for journal in (tmp_path / "sim").glob("journal-*"):
                journal.write_bytes(b"not a database, " * 1000)
            wrong = tmp_path / "wrong.yaml"
            wrong.write_text("risk: {max_order_quantity: -1}\nno_such_setting: 1\n")
            command_line = cancel_all(tmp_path, "--config", str(wrong))
            async with started(*command_line, environ=told) as command:
                assert await command.ended() == 0, command.lines
            assert command.counts["journal_unread"] == 1
            assert any("no_such_setting" in line for line in command.lines)
            assert logged(tmp_path)[-1] == "emergency_done"
            assert await open_orders(rest_url) == []

    run(scenario())


def test_a_broker_that_does_not_answer_is_no_success(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            told = urls(rest_url, ws_url, tmp_path)
            await leave_orders(tmp_path, told, rest_url)
        async with started(*cancel_all(tmp_path, "--wait", "30s"), environ=told) as command:
            assert await command.ended() != 0
        async with started(*cancel_all(tmp_path), environ={}) as command:
            # The simulator that a daemon brings along ends with it.
            assert await command.ended() == 0

    run(scenario())
