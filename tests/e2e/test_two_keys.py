"""Two app keys at one broker: a daemon each, at once, and neither meddles with the other."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import ask, daemon_command, read_report, simulator, started

pytestmark = pytest.mark.e2e

ACCOUNTS = ("12345678-01", "87654321-01")
OTHER = {"KIS_APP_KEY": "another-key", "KIS_APP_SECRET": "another-secret"}
OTHER |= {"KIS_ACCOUNT": ACCOUNTS[1], "KIS_HTS_ID": "another-id"}
CUSTOMER = f"another-key:another-secret:another-id:{ACCOUNTS[1]}"
ALREADY_RUNNING = 75


def command(folder: Path, *arguments: str) -> tuple[str, ...]:
    """A daemon that trades the same two stocks as the other one does."""
    return daemon_command(folder, "--strategies", "tests.e2e.churn:Churn", *arguments)


def numbers(orders: list[dict[str, Any]], account: str) -> set[str]:
    return {each["number"] for each in orders if each["account"] == account}


def test_two_daemons_of_two_keys_trade_side_by_side_and_a_third_needs_a_key_of_its_own(
    tmp_path: Path,
) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]

    async def scenario() -> None:
        async with simulator("--customer", CUSTOMER) as (rest_url, ws_url):
            # One user's: what is shared by the processes of a key lies where all keys' is.
            state = str(tmp_path / "state")
            place = {"KIS_REST_URL": rest_url, "KIS_WS_URL": ws_url, "XDG_STATE_HOME": state}
            reports = [each / "report.json" for each in folders]
            runs = [command(each, "--report", str(each / "report.json")) for each in folders]
            async with (
                started(*runs[0], environ=place) as first,
                started(*runs[1], environ=place | OTHER) as second,
            ):
                for daemon in (first, second):
                    await daemon.seen("order_accepted", times=20)
                third = command(tmp_path / "third")
                async with started(*third, environ=place | OTHER) as late:
                    assert await late.ended() == ALREADY_RUNNING
                    assert any(f"{second.process.pid}" in line for line in late.lines), late.lines
                assert not list((tmp_path / "third").rglob("journal*"))
                # The one that was turned away has disturbed nobody.
                for daemon in (first, second):
                    seen = daemon.counts["order_accepted"]
                    await daemon.seen("order_accepted", times=seen + 5)
                    daemon.send(signal.SIGTERM)
                for daemon in (first, second):
                    assert await daemon.ended() == 0
                    assert daemon.counts["stream_down"] == 0
            told = [read_report(each) for each in reports]
            for report in told:
                assert report["books_equal"], report["book_differences"]
                assert report["fills"] > 0
                assert (report["unknown_orders"], report["discrepancies"]) == ([], [])
                # Of an order that is not its own it would have been told by a notice or a list.
                assert report["external_orders"] == 0
            orders = (await ask(rest_url, "/sim/orders"))["orders"]
            own = [numbers(orders, each) for each in ACCOUNTS]
            assert own[0].isdisjoint(own[1])
            for numbered, report in zip(own, told, strict=True):
                assert len(numbered) >= report["accepted"] >= 20
            totals = (await ask(rest_url, "/sim/books"))["totals"]
            assert totals["accepted"] == sum(report["accepted"] for report in told)

    asyncio.run(scenario())
