import asyncio
import itertools
import json
import logging
import os
import signal
import socket
import sys
import urllib.request
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp.http_exceptions import BadStatusLine

from daemon.core.calendar import KST
from daemon.core.values import Region
from daemon.sim.__main__ import brief, main, parse
from daemon.sim.charges import Charges
from daemon.sim.options import APP_KEY


def test_the_command_line_becomes_options() -> None:
    options = parse(["--sim-start", "2026-10-12", "--sim-speed", "60", "--cash", "5000000"])
    assert options.start == datetime(2026, 10, 12, 9, 0, tzinfo=KST)
    assert (options.speed, options.cash, options.accounts) == (
        60,
        Decimal(5_000_000),
        ("12345678-01",),
    )
    options = parse(
        [
            "--sim-start",
            "2026-10-12T10:30",
            *("--account", "11111111-01", "--account", "11111111-02"),
        ]
    )
    assert options.start == datetime(2026, 10, 12, 10, 30, tzinfo=KST)
    assert options.accounts == ("11111111-01", "11111111-02")
    assert options.charges is None
    assert parse(["--charges"]).charges == Charges()
    options = parse(["--customer", "key:secret:htsid:11111111-01"])
    assert [each.accounts for each in options.customers] == [("12345678-01",), ("11111111-01",)]
    [other] = options.others
    assert (other.app_key, other.app_secret, other.hts_id) == ("key", "secret", "htsid")


@pytest.mark.parametrize("shared", ["key:s:h:12345678-01", f"{APP_KEY}:s:h:11111111-01"])
def test_customers_share_neither_a_key_nor_an_account(
    shared: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--customer", shared])
    assert ended.value.code == 2
    assert "cannot share an app key or an account" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        *("--sim-speed 0", "--sim-speed 1201", "--sim-speed nan", "--rest-port 65536"),
        *("--ws-port -1", "--rate-limit 0", "--rate-limit 1.5", "--registrations 0"),
        *("--token-interval -1", "--token-interval inf", "--ping-interval 0", "--cash 0"),
        *("--cash nan", "--cash abc", "--cash Infinity", "--account 1-01", "--sim-start lately"),
        *("--regions JP", "--regions ,", "--cash-usd 0"),
        *("--early-notices 1.1", "--refused-later -0.1", "--host 0.0.0.0", "--host evil.example"),
    ],
)
def test_a_wrong_command_line_is_told(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([wrong.split()[0] + "=" + wrong.split()[1]])
    assert ended.value.code == 2
    assert f"argument {wrong.split()[0]}: {wrong.split()[1]!r} is not" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        *("key:s3cret:htsid", ":s3cret:htsid:11111111-01", "key:htsid:11111111-01:s3cret"),
        *("key:htsid:s3cret:1-01", "key,s3cret,htsid,11111111-01", "s3cret"),
    ],
)
def test_a_wrong_customer_is_told_without_the_secret(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--customer", wrong])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "argument --customer: not APPKEY:APPSECRET:HTSID:ACCOUNT with an account such" in said
    assert "s3cret" not in said


def test_options_are_shown_without_secrets() -> None:
    shown = repr(parse(["--app-secret", "s3cret-a", "--customer", "key:s3cret-b:id:11111111-01"]))
    assert "11111111-01" in shown
    assert "s3cret" not in shown


def test_right_edges_and_every_flags_help(capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--sim-speed 0.1 --token-interval 0 --early-notices 1 --host ::1 --registrations 3"
    options = parse(flags.split())
    assert (options.speed, options.token_interval, options.early_notices) == (0.1, 0, 1)
    assert (options.host, options.registrations) == ("::1", 3)
    with pytest.raises(SystemExit):
        parse(["--help"])
    told = capsys.readouterr().out
    assert "75  a port is in use" in told
    lines = told.partition("options:")[2].splitlines()
    for line, following in itertools.pairwise(lines):
        if line.startswith("  --"):
            assert len(line.split()) > 2 or following.startswith("      "), line


def test_a_used_port_and_an_impossible_place_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--rest-port", str(taken.getsockname()[1])]) == 75
    assert main(["--state", str(tmp_path / "nowhere" / "books")]) == 78
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 2
    assert "in use" in error
    assert "nowhere" in error


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


def test_both_countries_live_unless_told_otherwise() -> None:
    assert parse([]).regions == frozenset({Region.KR, Region.US})
    options = parse(["--regions", "us", "--cash-usd", "2500.50"])
    assert options.regions == frozenset({Region.US})
    assert options.cash_usd == Decimal("2500.50")
