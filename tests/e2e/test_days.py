"""Real closes and opens on an accelerated clock: orders end with their day, books stay equal."""

import asyncio
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.process import PATIENCE, Running, read_report, started

pytestmark = pytest.mark.e2e

KOREAN = ["005930", "000660"]
AMERICAN = ["nasdaq:AAPL", "nyse:JPM", "amex:SPY"]


def settings(folder: Path) -> str:
    """A settings file of two strategies, each of one market."""
    strategies = [
        {"id": name, "class": "tests.e2e.daily:Daily", "instruments": instruments}
        for name, instruments in (("korean", KOREAN), ("american", AMERICAN))
    ]
    path = folder / "mine.yaml"
    path.write_bytes(orjson.dumps({"strategies": strategies}))
    return str(path)


async def whole(
    launcher: str, folder: Path, *flags: str, until: Callable[[Running], bool] | None = None
) -> tuple[Running, dict[str, Any]]:
    """Run a launcher until it ends by itself, or said enough; what it said and its report."""
    report = folder / "report.json"
    command = (
        *(launcher, "--mode", "sim", "--data-dir", str(folder), "--config", settings(folder)),
        *("--log-format", "json", "--report", str(report), *flags),
    )
    async with started(*command) as daemon:
        if until is not None:
            await daemon.until(until, patience=3 * PATIENCE)
            daemon.send(signal.SIGTERM)
        assert await daemon.ended() == 0, "\n".join(daemon.lines[-40:])
    return daemon, read_report(report)


def assert_true(report: dict[str, Any]) -> None:
    assert report["books_equal"], report["book_differences"]
    assert report["books"]["open_orders"] == {}
    assert report["unknown_orders"] == report["discrepancies"] == []
    assert (report["rejects"], report["external_orders"]) == (0, 0)


def test_an_american_session_ends_with_its_close(tmp_path: Path) -> None:
    async def scenario() -> None:
        daemon, report = await whole(
            "us_trading_launcher.py",
            tmp_path,
            *("--sim-start", "2026-11-03T05:20", "--sim-speed", "300", "--until", "close"),
        )
        assert_true(report)
        # A share of each at once; the bids below the market died with the day, not by our cancel.
        assert report["books"]["positions"] == {"AAPL": 1, "JPM": 1, "SPY": 1}
        assert (report["orders"], report["fills"], report["cancels"]) == (6, 3, 0)
        assert daemon.counts["order_expired"] == 3
        assert list(report["books"]["cash"]) == ["USD"]
        assert Decimal(report["books"]["cash"]["USD"]) < 100_000
        (day,) = daemon.named("day_report")
        assert (day["region"], day["day"], day["currency"]) == ("US", "2026-11-02", "USD")
        assert (day["orders"], day["orders_filled"], day["still_open"]) == (6, 3, 0)
        (earned,) = daemon.named("day_profit")
        assert earned["realised"] == "0.00", "nothing was sold"
        assert Decimal(earned["costs"]) > 0
        assert earned["net"] == report["profit"]["account"]["USD"]["net"]
        rounding = Decimal(earned["net"]) - sum(map(Decimal, earned["net_by_strategy"].values()))
        assert abs(rounding) <= Decimal("0.02")

    asyncio.run(scenario())


def test_one_daemon_closes_in_seoul_and_opens_in_new_york(tmp_path: Path) -> None:
    async def scenario() -> None:
        daemon, report = await whole(
            "auto_trading_launcher.py",
            tmp_path,
            *("--markets", "KR,US", "--sim-start", "2026-07-06T13:00"),
            *("--sim-speed", "600"),
            until=lambda daemon: (
                (daemon.counts["order_accepted"], daemon.counts["order_filled"]) == (10, 5)
            ),
        )
        assert_true(report)
        positions = report["books"]["positions"]
        assert positions == dict.fromkeys(["005930", "000660", "AAPL", "JPM", "SPY"], 1)
        assert (report["orders"], report["fills"]) == (10, 5)
        # Seoul's bids died at its close, New York's were cancelled as the daemon stopped.
        assert (daemon.counts["order_expired"], report["cancels"]) == (2, 3)
        cash = {currency: Decimal(told) for currency, told in report["books"]["cash"].items()}
        assert cash["KRW"] < 100_000_000
        assert cash["USD"] < 100_000
        assert [each["region"] for each in daemon.named("session_opened")] == ["KR", "US"]
        assert [each["region"] for each in daemon.named("session_closed")] == ["KR"]

    asyncio.run(scenario())
