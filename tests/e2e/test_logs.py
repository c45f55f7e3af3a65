"""A daemon's own log: every line as docs/logs.md says, and no secret in anything it leaves or says.

That is its files, its output, what is shipped of both, its metrics and health, and what it answers
to operators.
"""

import asyncio
import gzip
import json
import os
import re
import signal
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp
import orjson
import pytest

from daemon.logs.files import log_files
from daemon.logs.reading import Reader
from daemon.ops.control import View
from tests.e2e.process import ROOT, Running, daemon_command, read_report, simulator, started
from tests.e2e.test_rsyslog import free_port
from tests.logs.collector import Collector, collector
from tests.logs.schema import problems

pytestmark = pytest.mark.e2e

CHURN = ("--strategies", "tests.e2e.churn:Churn")
APP_KEY = "PSkey0+/=%Distinct7a"
APP_SECRET = 'se"cret\\+/=%Distinct8bQ9rZ'
ACCOUNT = "86420975-31"
HTS_ID = "distincthts01"
OTHER_KEY = "PSother+/=%Distinct9c"
OTHER_SECRET = "other+/=%Distinct10dW"
OTHER_ACCOUNT = "97531086-42"
TOKEN = "control-token+/=%Distinct11eX-of-more-than-enough-letters"
SECRETS = (APP_KEY, APP_SECRET, HTS_ID, OTHER_KEY, OTHER_SECRET, TOKEN)
ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
PAGES = ("metrics", "healthz", "readyz")
ACTS: tuple[tuple[str, dict[str, object], set[int]], ...] = (
    ("submit", {"instrument": "005930", "side": "buy", "quantity": 1}, {200, 409}),
    ("submit", {"instrument": "005930", "side": "buy", "quantity": 10**6}, {409}),
    ("submit", {"instrument": "no such", "side": "buy", "quantity": 1}, {400}),
    ("cancel", {"orders": ["999"]}, {404}),
    ("no-such-act", {}, {404}),
)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def forms(secret: str) -> set[bytes]:
    """How a secret may be written: as it is, in an address, in JSON, in Python."""
    texts = {secret, quote(secret, safe=""), quote_plus(secret), quote(secret), repr(secret)[1:-1]}
    return {form.encode() for form in texts | {json.dumps(secret)[1:-1]}}


def of_account(account: str) -> set[bytes]:
    return {form.encode() for form in (account, account.replace("-", ""), account[:8])}


def artefacts(*folders: Path) -> dict[Path, bytes]:
    """Every file, tapes unpacked."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                found[path] = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return found


async def told(daemon: Running) -> dict[str, str]:
    """What it answers, headers and all: the pages of its monitor, every view and some acts."""
    monitor = daemon.named("monitor_listens")[0]["port"]
    doors = daemon.named("control_listens")
    (path,) = [path for door in doors for path in door["sockets"]]
    (port,) = [port for door in doors for port in door["tcp"]]
    answers: dict[str, str] = {}

    async def ask(
        session: aiohttp.ClientSession, url: str, expected: set[int], body: object = None
    ) -> None:
        method = "GET" if body is None else "POST"
        async with session.request(method, url, json=body) as answer:
            text = await answer.text()
            assert answer.status in expected, f"{url} {body} {answer.status} {text}"
            answers[f"{len(answers)} {url}"] = f"{dict(answer.headers)} {text}"

    tcp = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        for page in PAGES:
            await ask(
                session,
                f"http://127.0.0.1:{monitor}/{page}",
                {200} if page != "readyz" else {200, 503},
            )
        await ask(session, f"{tcp}/v1/status", {401})
    socket = aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=path))
    bearer = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"})
    for name, base, made in (("socket", "http://localhost", socket), ("tcp", tcp, bearer)):
        async with made as session:
            for view in View:
                await ask(session, f"{base}/v1/{view}", {200})
            for number, (word, fields, expected) in enumerate(ACTS):
                body = {"request": f"{name}-{number}", "reason": "a look", **fields}
                await ask(session, f"{base}/v1/{word}", expected, body)
    assert "kisd_orders_sent_total" in answers[f"0 http://127.0.0.1:{monitor}/metrics"]
    return answers


def settings(folder: Path) -> Path:
    """A door for whoever has the token, and pages for whoever looks."""
    token, path = folder / "token", folder / "more.yaml"
    token.write_text(TOKEN)
    token.chmod(0o600)
    control = {"token_file": str(token), "tcp": {"port": free_port()}}
    path.write_text(json.dumps({"control": control, "monitoring": {"listen": "127.0.0.1:0"}}))
    return path


def rsyslog_bound(lines: bytes) -> bytes:
    """The records that the shipped rsyslog makes of the files: a head of no word of ours a line."""
    sender = (ROOT / "deploy" / "shipping" / "rsyslog-sender.conf").read_text(encoding="utf-8")
    assert re.findall(r'template="(\w+)"', sender) == ["RSYSLOG_SyslogProtocol23Format"]
    assert "addMetadata" not in sender, "names of files would go along"
    (tag,) = re.findall(r'tag="([^"]+)"', sender)
    head = f"<134>1 2026-11-02T09:00:00+09:00 host {tag.rstrip(':')} - - - ".encode()
    return b"\n".join(head + line for line in lines.splitlines())


def environ(folder: Path, rest_url: str, ws_url: str) -> dict[str, str]:
    other = {"account": OTHER_ACCOUNT, "app_key": OTHER_KEY, "app_secret": OTHER_SECRET}
    return {
        "KIS_REST_URL": rest_url,
        "KIS_WS_URL": ws_url,
        "KIS_APP_KEY": APP_KEY,
        "KIS_APP_SECRET": APP_SECRET,
        "KIS_ACCOUNT": ACCOUNT,
        "KIS_HTS_ID": HTS_ID,
        "KIS_MORE_ACCOUNTS": json.dumps([other]),
        "KIS_LOG_LEVEL": "debug",
        "KIS_TAPE_ENABLED": "true",
        "KIS_TAPE_KEEP_FREE_MIB": "0",
        "XDG_STATE_HOME": str(folder / "state"),
    }


async def shown(*words: str, folder: Path) -> str:
    command = ("-m", "daemon", *words, "--mode", "sim", "--data-dir", str(folder))
    async with started(*command) as program:
        assert await program.ended() == 0, program.lines
    return "\n".join(program.lines)


def test_every_line_is_as_promised_and_no_secret_is_in_anything_it_leaves(tmp_path: Path) -> None:
    data, report = tmp_path / "data", tmp_path / "report.json"
    data.mkdir()
    said: list[str] = []
    answers: dict[str, str] = {}

    async def scenario(far: Collector) -> None:
        more = ("--report", str(report), "--config", str(settings(tmp_path)))
        command = daemon_command(data, *CHURN, *more)
        keys = ("--app-key", APP_KEY, "--app-secret", APP_SECRET, "--hts-id", HTS_ID)
        numbers = ("--account", ACCOUNT, "--account", OTHER_ACCOUNT)
        async with (
            simulator(*keys, *numbers) as urls,
            started(
                *command,
                environ=environ(tmp_path, *urls) | {"KIS_LOG_OTLP_ENDPOINT": far.url},
            ) as daemon,
        ):
            await daemon.seen("order_filled", times=10)
            order = str(daemon.named("order_filled")[0]["order"])
            life = await shown("orders", "show", order, folder=data)
            assert "order_filled" in life
            lines = await shown("logs", "--order", order, "--json", folder=data)
            assert {orjson.loads(each)["trace.id"] for each in lines.splitlines()} == {order}
            said.extend([life, lines])
            await daemon.seen("monitor_listens")
            await daemon.seen("control_listens", times=2)
            answers.update(await told(daemon))
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
        said.extend(daemon.lines)

    with collector() as far:
        run(scenario(far))
    assert read_report(report)["books_equal"]
    assert (data / "sim" / f"journal-{ACCOUNT}.sqlite3").is_file(), "these secrets were in use"
    lines = judged_lines(data / "sim" / "logs")
    traced(lines)
    output = "\n".join(said).encode()
    found = {**artefacts(data, tmp_path / "state"), report: report.read_bytes()}
    collected(far, lines)
    kept = b"".join(content for path, content in found.items() if path.suffix == ".jsonl")
    outward = {
        Path("stdout"): output,
        Path("collector"): b"\n".join(far.bodies) + repr(far.headers).encode(),
        Path("rsyslog"): rsyslog_bound(kept),
        **{Path(url): text.encode() for url, text in answers.items()},
    }
    assert any(path.name.endswith(".gz") for path in found), sorted(found)
    hidden = set().union(*(forms(secret) for secret in SECRETS))
    for path, content in {**found, **outward}.items():
        assert not [form for form in hidden if form in content], path
    logs = {path: content for path, content in found.items() if path.suffix == ".jsonl"}
    assert logs
    numbers = set().union(*(of_account(account) for account in ACCOUNTS))
    for path, content in {**logs, **outward, report: found[report]}.items():
        assert not [form for form in numbers if form in content], path


def collected(far: Collector, lines: list[dict[str, Any]]) -> None:
    """What the collector was told is what the files have, field by field."""
    written = {line["event.sequence"]: line for line in lines}
    events = set()
    for line in far.lines:
        events.add(line["event"])
        same = written[line["event.sequence"]]
        known = {name: value for name, value in same.items() if value is not None}
        del known["@timestamp"]
        assert {name: line[name] for name in known} == known
    assert {"order_created", "order_sent", "order_filled", "monitor_listens"} <= events


def judged_lines(folder: Path) -> list[dict[str, Any]]:
    """The lines on disk, each as docs/logs.md says, none missing."""
    files = log_files(folder)
    assert files
    for each in files:
        assert stat.S_IMODE(os.stat(each.path).st_mode) == 0o600
    reader = Reader(folder)
    lines = list(reader.lines())
    reader.close()
    assert len(lines) == sum(each.path.read_bytes().count(b"\n") for each in files)
    assert [line["event.sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert len({line["service.instance.id"] for line in lines}) == 1
    wrong = {problem for line in lines for problem in problems(line)}
    assert not wrong
    return lines


def traced(lines: list[dict[str, Any]]) -> None:
    """Each filled order can be followed from its signal to its fill by its id."""
    ways: dict[str, list[str]] = {}
    for line in lines:
        if "trace.id" in line:
            ways.setdefault(line["trace.id"], []).append(line["event.name"])
    filled = [way for way in ways.values() if "order_filled" in way]
    assert filled
    for way in filled:
        assert way[:2] == ["order_created", "order_sent"]
        assert "order_accepted" in way
    # One that comes ahead of the broker's answer cannot be told to be of this order yet.
    assert any("notice_heard" in way for way in filled)
    orders = [line for line in lines if re.match("order_", line["event.name"])]
    assert all("trace.id" in line for line in orders)
