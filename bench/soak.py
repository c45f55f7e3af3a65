"""What a daemon grows by under load, in real time: `uv run python -m bench.soak --minutes 30`.

A simulator and the daemon run as processes of their own; a busy strategy trades ten symbols as
fast as its limits allow. The daemon's memory and open files are looked at every few seconds, its
health is asked for as often. Prints one JSON line: the series, and the slope after the warm-up.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from bench import figures

ROOT = Path(__file__).resolve().parents[1]
PAGE = os.sysconf("SC_PAGE_SIZE")
WARM = 0.2
"""The part of a run that slopes leave out: caches fill, and the first garbage is collected."""

SETTINGS = """
monitoring: {{listen: "127.0.0.1:{port}"}}
strategies:
  - id: busy
    class: daemon.lab.traders:Busy
    instruments: [005930, 000660, 035420, 035720, 005380, 000270, 051910, 006400, 068270, 105560]
    parameters: {{seed: 7, pause: {pause}, size: 5}}
risk:
  max_order_quantity: 500
  max_order_notional: 20000000
  max_position_notional: 30000000
  price_collar: 0.05
  max_orders_per_minute: 600
  max_orders_per_day: null
  max_cancels_per_day: null
  max_cancels_per_minute: null
  max_daily_loss: null
  max_drawdown: null
  max_price_age_seconds: null
  max_account_exposure: null
  max_strategy_exposure: null
"""


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def slope(series: list[tuple[float, float]]) -> float:
    """The least-squares growth a second."""
    if len(series) < 2:
        return 0.0
    middle = sum(at for at, _ in series) / len(series)
    spread = sum((at - middle) ** 2 for at, _ in series)
    return sum((at - middle) * value for at, value in series) / spread


def look(pid: int) -> tuple[int, int]:
    """A process's bytes in memory and open files."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * PAGE, len(os.listdir(f"/proc/{pid}/fd"))


async def spawn(stack: AsyncExitStack, *command: str, **environ: str) -> asyncio.subprocess.Process:
    """A Python program of this repository, killed at the end if it still runs."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KIS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        env={**clean, "PYTHONUNBUFFERED": "1", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def end() -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    stack.push_async_callback(end)
    return process


async def addresses(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """Where a simulator listens, as it says."""
    assert process.stdout is not None
    told: dict[str, str] = {}
    async for raw in process.stdout:
        words = raw.decode().split()
        if len(words) > 1:
            told[words[0]] = words[1]
        if words[:1] == ["WebSocket"]:
            return told["REST"], told["WebSocket"].removesuffix("/tryitout")
    raise RuntimeError("the simulator ended")


async def drained(process: asyncio.subprocess.Process) -> None:
    """Take what a process says, so that it is never held up by it."""
    assert process.stdout is not None
    async for _ in process.stdout:
        pass


async def run(minutes: float, every: float, speed: float, pause: float) -> dict[str, Any]:
    """The whole run."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, report = free_port(), folder / "report.json"
        (folder / "soak.yaml").write_text(SETTINGS.format(port=port, pause=pause), "utf-8")
        simulator = await spawn(stack, "-m", "daemon.sim", "--sim-speed", str(speed))
        rest_url, ws_url = await addresses(simulator)
        daemon = await spawn(
            stack,
            *("auto_trading_launcher.py", "--mode", "sim", "--data-dir", str(folder)),
            *("--config", str(folder / "soak.yaml"), "--log-format", "json"),
            *("--report", str(report)),
            KIS_REST_URL=rest_url,
            KIS_WS_URL=ws_url,
        )
        group = await stack.enter_async_context(asyncio.TaskGroup())
        readers = [group.create_task(drained(each)) for each in (simulator, daemon)]
        client = await stack.enter_async_context(aiohttp.ClientSession())
        series = await watched(daemon, client, f"http://127.0.0.1:{port}", minutes, every)
        daemon.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(daemon.wait(), 60)
        simulator.terminate()
        await simulator.wait()
        for reader in readers:
            await reader
        told = json.loads(report.read_bytes())
    return {"exit_code": code, **judged(series), **counted(told)}


async def watched(
    daemon: asyncio.subprocess.Process,
    client: aiohttp.ClientSession,
    url: str,
    minutes: float,
    every: float,
) -> list[dict[str, Any]]:
    """What is seen of it every `every` seconds, for so many minutes."""
    began, series = time.monotonic(), list[dict[str, Any]]()
    while (at := time.monotonic() - began) < minutes * 60.0:
        await asyncio.sleep(every)
        if daemon.returncode is not None:
            raise RuntimeError(f"the daemon ended with {daemon.returncode}")
        memory, files = look(daemon.pid)
        try:
            async with client.get(f"{url}/readyz") as answer:
                ready = answer.status == 200
        except aiohttp.ClientError:
            ready = False
        series.append({"at": at, "rss": memory, "fds": files, "ready": ready})
    return series


def judged(series: list[dict[str, Any]]) -> dict[str, Any]:
    """The series in MiB, and how steep it is without its warm-up."""
    warm = series[int(len(series) * WARM) :]
    shown = series[:: max(len(series) // 30, 1)]
    return {
        "rss_mib": [round(each["rss"] / 2**20, 1) for each in shown],
        "fds": [each["fds"] for each in shown],
        "rss_mib_an_hour": round(
            slope([(each["at"], each["rss"] / 2**20) for each in warm]) * 3600, 2
        ),
        "fds_an_hour": round(slope([(each["at"], each["fds"]) for each in warm]) * 3600, 2),
        "ready_share": round(sum(each["ready"] for each in warm) / max(len(warm), 1), 3),
    }


def counted(report: dict[str, Any]) -> dict[str, Any]:
    """What the daemon did meanwhile."""
    names = ("orders", "fills", "cancels", "doubted", "books_equal", "conflated")
    return {name: report[name] for name in names}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    parser.add_argument("--speed", type=float, default=10.0, help="simulated seconds a second")
    parser.add_argument("--pause", type=float, default=60.0, help="simulated, between decisions")
    given = parser.parse_args()
    told = asyncio.run(run(given.minutes, given.every, given.speed, given.pause))
    return figures.say({"bench": "soak", "minutes": given.minutes, **told})


if __name__ == "__main__":
    sys.exit(main())
