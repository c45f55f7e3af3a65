"""The log shipped by the real rsyslog with the shipped configuration, through all that goes wrong.

Alone, with its figures: `python -m pytest tests/e2e/test_rsyslog.py -n0 -s`.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import ROOT
from tests.e2e.torture import Tell

pytestmark = pytest.mark.e2e

RSYSLOGD = shutil.which("rsyslogd") or (
    "/usr/sbin/rsyslogd" if Path("/usr/sbin/rsyslogd").exists() else ""
)
MODULES = [
    path
    for folder in ("/usr/lib", "/lib", "/usr/local/lib")
    for path in Path(folder).glob("**/rsyslog/omrelp.so")
]
CONFIGURATIONS = ROOT / "deploy" / "shipping"
PATIENCE = 120.0
LINES = 2_000
STARTS = 2
KILLS = 3
FILE_BYTES = 400_000
DISK_BYTES = 24 << 20

WRITER = """
import json, sys, time
from pathlib import Path
import structlog
from daemon import log
from daemon.logs.files import Retention

folder, lines, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with open("/dev/null", "w") as nowhere:
    log.configure(stream=nowhere, files=folder, retention=Retention(max_bytes=size))
    logger = structlog.get_logger("facts")
    longest = 0.0
    for number in range(lines):
        before = time.perf_counter()
        logger.info("order_cancelled", order=f"20261102-{number:06}", strategy="삼성-" + "x" * 60)
        longest = max(longest, time.perf_counter() - before)
        time.sleep(0.002)
    log.close()
print(json.dumps({"longest": longest, "lost": log.lost_lines()}))
"""


def until(condition: Callable[[], bool], what: str) -> None:
    """Look until it is so; nobody tells us when another program has got on."""
    give_up = time.perf_counter() + PATIENCE
    while not condition():
        assert time.perf_counter() < give_up, what
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Rsyslog:
    """One rsyslogd of our own, with a configuration from `deploy/shipping`."""

    folder: Path
    configuration: str
    before: list[str] = field(default_factory=list)
    """The command systemd runs before every start, if any."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "rsyslog.conf"
        work = f'global(workDirectory="{self.folder}" maxMessageSize="256k")\n'
        path.write_text(work + self.configuration)
        self.starts += 1
        # kill -9 leaves it behind, and its number may be somebody else's by now.
        pid = self.folder / "pid"
        pid.unlink(missing_ok=True)
        if self.before:
            subprocess.run(self.before, check=True)
        command = [RSYSLOGD, "-n", "-f", str(path), "-i", str(pid)]
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said)

    def end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=60)
            self.process = None


@dataclass
class Received:
    """What arrived in the files of a folder, read as far as it got."""

    folder: Path
    torn: int = 0
    duplicates: int = 0
    order: dict[str, list[int]] = field(default_factory=dict)
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _offsets: Counter[Path] = field(default_factory=Counter)

    def count(self) -> int:
        """Distinct lines so far."""
        for path in sorted(self.folder.glob("received-*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets[path])
                for raw in file:
                    if not raw.endswith(b"\n"):
                        break
                    self._offsets[path] += len(raw)
                    self._take(raw)
        return len(self._seen)

    def _take(self, raw: bytes) -> None:
        try:
            line: dict[str, Any] = json.loads(raw)
            key = (str(line["service.instance.id"]), int(line["event.sequence"]))
        except (ValueError, KeyError, TypeError):
            self.torn += 1
            return
        if key in self._seen:
            self.duplicates += 1
            return
        self._seen.add(key)
        self.order.setdefault(key[0], []).append(key[1])


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of its own that can be filled, where we may mount one."""
    folder.mkdir()
    mounted = False
    if os.geteuid() == 0 and sys.platform == "linux":
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def fill(folder: Path) -> Path:
    """Leave not one byte of room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


def moved(name: str, *places: tuple[str, str]) -> str:
    """A file as it is shipped, but for the places in it."""
    text = (CONFIGURATIONS / name).read_text()
    for old, new in places:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def both_ends(tmp_path: Path, logs: Path, out: Path) -> tuple[Rsyslog, Rsyslog]:
    """The one that sends and the one that keeps, with the shipped configurations."""
    port = free_port()
    written = ("/var/log/kis-trader/real", str(logs))
    python = ("/usr/bin/python3 /usr/local/lib/kis-trader", f"{sys.executable} {CONFIGURATIONS}")
    sender = moved(
        "rsyslog-sender.conf",
        written,
        ("logs.example.internal", "127.0.0.1"),
        ('port="2514"', f'port="{port}"'),
    )
    receiver = moved(
        "rsyslog-receiver.conf",
        python,
        ("/var/log/kis-trader", str(out)),
        ('port="2514"', f'port="{port}" address="127.0.0.1"'),
    )
    spool = tmp_path / "shipper"
    unit = moved("rsyslog-send-again.conf", written, python, ("/var/spool/rsyslog", str(spool)))
    (before,) = re.findall(r"^ExecStartPre=-(.+)$", unit, re.MULTILINE)
    return Rsyslog(spool, sender, before.split()), Rsyslog(tmp_path / "keeper", receiver)


def writing(logs: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(logs), str(LINES), str(FILE_BYTES)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def written(logs: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in logs.glob("*.jsonl"))


@pytest.mark.skipif(not RSYSLOGD, reason="rsyslogd is not installed: apt-get install rsyslog")
@pytest.mark.skipif(not MODULES, reason="no RELP: apt-get install rsyslog-relp")
def test_no_line_is_lost_whatever_happens_on_the_way(tmp_path: Path, tell: Tell) -> None:
    logs, out = tmp_path / "logs", tmp_path / "out"
    logs.mkdir()
    shipper, keeper = both_ends(tmp_path, logs, out)
    received = Received(out)
    results: list[dict[str, Any]] = []
    with small_disk(out) as can_fill, contextlib.ExitStack() as stack:
        for each in (shipper, keeper):
            stack.callback(each.end, signal.SIGKILL)
            each.start()

        def go_on(lines: int) -> None:
            goal = min(received.count() + lines, LINES * (len(results) + 1))
            until(lambda: received.count() >= goal, f"only {received.count()} of {goal} arrived")

        def more_written(lines: int) -> None:
            goal = min(written(logs) + lines, LINES * (len(results) + 1))
            until(lambda: written(logs) >= goal, "the writer does not get on")

        for start in range(STARTS):
            writer = writing(logs)
            stack.callback(writer.kill)
            for _ in range(KILLS):
                go_on(100)
                shipper.end(signal.SIGKILL)
                more_written(50)
                shipper.start()
            go_on(200)
            keeper.end(signal.SIGKILL if start else signal.SIGTERM)
            more_written(200)
            keeper.start()
            go_on(200)
            if can_fill:
                filler = fill(out)
                more_written(300)
                # What is on its way now, nobody has acknowledged and both ends forget.
                shipper.end(signal.SIGTERM if start else signal.SIGKILL)
                keeper.end(signal.SIGKILL if start else signal.SIGTERM)
                filler.unlink()
                keeper.start()
                shipper.start()
                go_on(200)
            shipper.end(signal.SIGTERM)
            more_written(100)
            shipper.start()
            said, _ = writer.communicate(timeout=PATIENCE)
            results.append(json.loads(said))
        sent = LINES * STARTS
        until(lambda: received.count() >= sent, f"only {received.count()} of {sent} arrived")
        tell("rsyslog", judged(received, results, sent, logs, can_fill))


def judged(
    received: Received, results: list[dict[str, Any]], sent: int, logs: Path, can_fill: bool
) -> dict[str, Any]:
    """The figures, once they are what was promised."""
    figures = {
        "sent": sent,
        "received": received.count(),
        "lost": sent - received.count(),
        "duplicates": received.duplicates,
        "torn": received.torn,
        "files": len(list(logs.glob("*.jsonl"))),
        "full_disk": can_fill,
        "longest_write_ms": round(1_000 * max(each["longest"] for each in results), 2),
        "lost_by_the_writer": sum(each["lost"] for each in results),
    }
    assert written(logs) == sent
    assert figures["files"] >= 4, "three rotations at least"
    assert figures["lost"] == 0
    assert figures["lost_by_the_writer"] == 0
    assert len(received.order) == STARTS
    for sequences in received.order.values():
        assert Counter(sequences) == Counter(range(1, LINES + 1))
        assert sequences == sorted(sequences)
    assert max(each["longest"] for each in results) < 1.0, "a write waited"
    return figures
