import asyncio
import json
import logging
import os
import signal
import sys
import urllib.request
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from aiohttp.http_exceptions import BadStatusLine

from daemon.core.calendar import KST
from daemon.sim.__main__ import brief, parse


def test_the_command_line_becomes_options() -> None:
    options = parse(["--sim-start", "2026-10-12", "--sim-speed", "60", "--cash", "5000000"])
    assert options.start == datetime(2026, 10, 12, 9, 0, tzinfo=KST)
    assert (options.speed, options.cash, options.accounts) == (
        60,
        Decimal(5_000_000),
        ("12345678-01",),
    )
    options = parse(["--sim-start", "2026-10-12T10:30", "--account", "1-01", "--account", "1-02"])
    assert options.start == datetime(2026, 10, 12, 10, 30, tzinfo=KST)
    assert options.accounts == ("1-01", "1-02")


def _logged(error: Exception) -> logging.LogRecord:
    trace = (type(error), error, None)
    return logging.LogRecord("x", logging.ERROR, "", 0, "from %s", ("me",), trace)


def test_malformed_http_takes_one_line_of_the_log() -> None:
    record = _logged(BadStatusLine("\r\nGARBAGE"))
    assert brief(record)
    assert logging.Formatter().format(record) == "from me: BadStatusLine"
    record = _logged(RuntimeError("ours"))
    assert brief(record)
    assert logging.Formatter().format(record) == "from me\nRuntimeError: ours"


def _post(url: str, body: dict[str, object]) -> dict[str, str]:
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as reply:
        answered: dict[str, str] = json.load(reply)
        return answered


async def _start(state: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "daemon.sim", "--state", str(state)),
        *("--sim-start", "2026-10-12"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode().split()
    while not (await process.stdout.readline()).startswith(b"clock"):
        pass
    return process, first[1]


def test_a_killed_process_loses_nothing_and_a_signal_ends_it_cleanly(tmp_path: Path) -> None:
    async def main() -> None:
        process, url = await _start(tmp_path / "books")
        wish = {"code": "005930", "side": "buy", "quantity": 4}
        await asyncio.to_thread(_post, url + "/sim/order", wish)
        process.kill()
        await process.wait()
        process, url = await _start(tmp_path / "books")
        with await asyncio.to_thread(urllib.request.urlopen, url + "/sim/books") as reply:
            books = json.load(reply)
        assert books["day"] == "2026-10-13"
        assert books["accounts"]["12345678-01"]["holdings"] == {"005930": 4}
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0

    asyncio.run(asyncio.wait_for(main(), 30))
