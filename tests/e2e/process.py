"""Real daemons and simulators as real processes on loopback."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
SHORT = {"event": "event.name", "level": "log.level", "exception": "error.stack_trace"}
"""What tests call the fields of a line; docs/logs.md has their names."""


@dataclass
class Running:
    """A process whose lines are kept; JSON log lines are parsed."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip()
            async with self._news:
                self.lines.append(line)
                with contextlib.suppress(orjson.JSONDecodeError):
                    parsed = orjson.loads(line)
                    if isinstance(parsed, dict):
                        for short, name in SHORT.items():
                            if name in parsed:
                                parsed[short] = parsed[name]
                        self.events.append(parsed)
                        self.counts[str(parsed.get("event"))] += 1
                self._news.notify_all()
        await self.process.wait()
        async with self._news:
            self._news.notify_all()

    def named(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each.get("event") == event]

    async def until(
        self, condition: Callable[["Running"], bool], *, patience: float = PATIENCE
    ) -> None:
        """Wait for what the process says; fails when it ends or stays silent too long."""
        async with asyncio.timeout(patience), self._news:
            await self._news.wait_for(
                lambda: condition(self) or self.process.returncode is not None
            )
        assert condition(self), "\n".join(self.lines[-40:])

    async def seen(self, event: str, times: int = 1) -> None:
        await self.until(lambda running: running.counts[event] >= times)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@asynccontextmanager
async def started(*command: str, environ: dict[str, str] | None = None) -> AsyncIterator[Running]:
    """Run a Python program of this repository; whatever is left of it is killed at the end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KIS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        env={**clean, "PYTHONUNBUFFERED": "1", **(environ or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 20,
    )
    running = Running(process)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(running.read())
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@asynccontextmanager
async def simulator(*arguments: str) -> AsyncIterator[tuple[str, str]]:
    """A simulator of its own; yields its REST and WebSocket addresses."""
    async with started(
        "-m", "daemon.sim", "--sim-speed", "60", "--seed", "7", *arguments
    ) as running:
        yield await addresses(running)


async def addresses(running: Running) -> tuple[str, str]:
    """Where a simulator that was just started listens: REST and WebSocket."""
    await running.until(lambda each: any(line.startswith("WebSocket") for line in each.lines))
    told = {line.split()[0]: line.split()[1] for line in running.lines if " " in line}
    return told["REST"], told["WebSocket"].removesuffix("/tryitout")


def daemon_command(data_dir: Path, *arguments: str) -> tuple[str, ...]:
    return (
        "auto_trading_launcher.py",
        *("--mode", "sim", "--data-dir", str(data_dir), "--log-format", "json"),
        *arguments,
    )


async def ask(rest_url: str, path: str, *, method: str = "GET", body: Any = None) -> Any:
    """One question to a simulator's own paths."""
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, rest_url + path, json=body) as response,
    ):
        return orjson.loads(await response.read())


def read_report(path: Path) -> dict[str, Any]:
    report = orjson.loads(path.read_bytes())
    assert isinstance(report, dict)
    return report
