"""The daemon as its users run it: a real process, real sockets, real signals, a real disk."""

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.process import ask, daemon_command, read_report, simulator, started

pytestmark = pytest.mark.e2e


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


CHURN = ("--strategies", "tests.e2e.churn:Churn")


def urls(rest_url: str, ws_url: str, folder: Path) -> dict[str, str]:
    state = str(folder / "state")
    return {"KIS_REST_URL": rest_url, "KIS_WS_URL": ws_url, "XDG_STATE_HOME": state}


def test_it_trades_stops_on_sigterm_and_goes_on_where_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            report = tmp_path / "first.json"
            command = daemon_command(tmp_path, *CHURN, "--report", str(report))
            async with started(*command, environ=urls(rest_url, ws_url, tmp_path)) as daemon:
                await daemon.seen("order_accepted", times=20)
                daemon.send(signal.SIGTERM)
                assert await daemon.ended() == 0
            first = read_report(report)
            assert first["books_equal"], first["book_differences"]
            assert first["unknown_orders"] == []
            accepted_before = (await ask(rest_url, "/sim/books"))["totals"]["accepted"]

            report = tmp_path / "second.json"
            command = daemon_command(
                tmp_path,
                "--report",
                str(report),
                "--for",
                "3s",
                "--strategies",
                "tests.e2e.idle:Idle",
            )
            async with started(*command, environ=urls(rest_url, ws_url, tmp_path)) as daemon:
                assert await daemon.ended() == 0
            second = read_report(report)
            assert second["books"]["positions"] == first["books"]["positions"]
            assert second["books_equal"], second["book_differences"]
            totals = (await ask(rest_url, "/sim/books"))["totals"]
            assert totals["accepted"] == accepted_before

    run(scenario())


def test_it_recovers_from_kill_9_without_losing_or_doubling_an_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            for kills in range(1, 4):
                command = daemon_command(tmp_path, *CHURN)
                async with started(*command, environ=urls(rest_url, ws_url, tmp_path)) as daemon:
                    await daemon.seen("order_accepted", times=6 * kills)
                    daemon.send(signal.SIGKILL)
                    assert await daemon.ended() == -signal.SIGKILL
            report = tmp_path / "report.json"
            command = daemon_command(tmp_path, *CHURN, "--report", str(report), "--for", "15s")
            async with started(*command, environ=urls(rest_url, ws_url, tmp_path)) as daemon:
                assert await daemon.ended() == 0
            result = read_report(report)
            assert result["books_equal"], result["book_differences"]
            assert result["unknown_orders"] == []
            assert result["discrepancies"] == []
            assert result["external_orders"] == 0

    run(scenario())


def test_an_expired_token_is_renewed_once_and_no_order_is_doubled(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            report = tmp_path / "report.json"
            command = daemon_command(tmp_path, *CHURN, "--report", str(report))
            async with started(*command, environ=urls(rest_url, ws_url, tmp_path)) as daemon:
                await daemon.seen("order_accepted", times=10)
                await ask(rest_url, "/sim/expire-token", method="POST")
                await daemon.seen("token_issued", times=2)
                await daemon.seen("order_accepted", times=30)
                daemon.send(signal.SIGTERM)
                assert await daemon.ended() == 0
            result = read_report(report)
            assert result["tokens_issued"] == 2
            assert result["books_equal"], result["book_differences"]
            totals = (await ask(rest_url, "/sim/books"))["totals"]
            assert totals["accepted"] == result["accepted"]
            assert result["orders_created"] == result["accepted"] + result["rejects"]

    run(scenario())


def test_a_second_instance_leaves_at_once_and_accounts_can_be_checked_beside(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        report = tmp_path / "report.json"
        command = daemon_command(tmp_path, *CHURN, "--report", str(report), "--for", "12s")
        async with started(*command) as daemon:
            await daemon.seen("trading")
            async with started(*daemon_command(tmp_path)) as second:
                assert await second.ended() == 75
                assert any("pid" in line for line in second.lines)
            for _ in range(3):
                check = (
                    "check_accounts.py",
                    "--mode",
                    "sim",
                    "--data-dir",
                    str(tmp_path),
                    "--json",
                )
                async with started(*check) as checking:
                    assert await checking.ended() == 0
                    answer = orjson.loads("\n".join(checking.lines))
                    assert answer
            assert await daemon.ended() == 0
        result = read_report(report)
        assert result["max_requests_in_any_second"] <= 10
        assert result["refused"] == 0
        assert result["books_equal"], result["book_differences"]

    run(scenario())


def test_a_dropped_stream_comes_back_and_nothing_is_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulator() as (rest_url, ws_url):
            report = tmp_path / "report.json"
            command = daemon_command(tmp_path, *CHURN, "--report", str(report))
            async with started(*command, environ=urls(rest_url, ws_url, tmp_path)) as daemon:
                for drops in range(1, 4):
                    await daemon.seen("order_accepted", times=8 * drops)
                    await ask(rest_url, "/sim/drop-stream", method="POST")
                    await daemon.seen("stream_up", times=1 + drops)
                daemon.send(signal.SIGTERM)
                assert await daemon.ended() == 0
            result = read_report(report)
            assert result["books_equal"], result["book_differences"]
            assert result["discrepancies"] == []

    run(scenario())
