"""A real systemd as PID 1 of namespaces of its own, with the program installed in it."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.clock import WallClock

ROOT = Path(__file__).resolve().parents[3]
BOOT = Path(__file__).with_name("boot.sh")
NEEDED = ("unshare", "nsenter", "ip", "uv", "/lib/systemd/systemd", "/usr/bin/python3")
BOOT_LIMIT = 300.0
PATIENCE = 90.0


def why_not() -> str:
    """Why there can be no such machine here; empty when there can be one."""
    if os.geteuid() != 0:
        return "only root can make namespaces and mounts"
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if missing:
        return f"not installed here: {', '.join(missing)}"
    if "\tcgroup2" not in Path("/proc/filesystems").read_text():
        return "this kernel has no cgroup2"
    if "\toverlay" not in Path("/proc/filesystems").read_text():
        return "this kernel has no overlay file system"
    tried = subprocess.run(
        ["unshare", "-m", "-p", "-n", "-u", "-i", "-C", "-f", "true"], capture_output=True
    )
    if tried.returncode != 0:
        return f"no namespaces here: {tried.stderr.decode().strip()}"
    fit = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run(["/usr/bin/python3", "-c", fit], capture_output=True).returncode != 0:
        return "the system's Python is older than 3.11, or has no venv"
    return ""


class Machine:
    """What runs in it. Times are seconds of the monotonic clock, which all of them share."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in it; returns what it said."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-a", *command],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            timeout=120,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file in it."""
        subprocess.run(
            ["nsenter", "-t", str(self.pid), "-a", "install", "-D", "-m", mode, "/dev/stdin", path],
            input=text.encode(),
            check=True,
        )

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        told = self.run("systemctl", "show", unit, *(f"--property={each}" for each in names))
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def log(self, unit: str) -> list[dict[str, Any]]:
        """Our own JSON lines of a unit, each with the second it was `heard`."""
        lines = []
        told = self.run("journalctl", "-u", unit, "-o", "json", "--no-pager")
        for line in told.splitlines():
            entry = json.loads(line)
            message = entry.get("MESSAGE")
            if isinstance(message, str) and message.startswith("{"):
                heard = int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6
                told_line = json.loads(message)
                lines.append({**told_line, "event": told_line["event.name"], "heard": heard})
        return lines

    def named(self, unit: str, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log(unit) if line["event"] == event]

    def until(self, what: str, found: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Wait until something is so; returns it."""
        give_up = WallClock.awake() + patience
        while True:
            result = found()
            if result:
                return result
            if WallClock.awake() > give_up:
                state = self.run("systemctl", "status", "kis-trader*", "--no-pager", check=False)
                raise AssertionError(f"not within {patience:g} s: {what}\n{state}")
            time.sleep(0.2)

    def ask(self, path: str) -> Any:
        """A question to the simulator in it."""
        script = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
        url = f"http://127.0.0.1:18080{path}"
        return json.loads(self.run("/opt/kis-trader/venv/bin/python", "-c", script, url))


@contextmanager
def booted(scratch: Path) -> Iterator[Machine]:
    """Boot one, and end it whatever happens; all that was written in it goes with it."""
    scratch.mkdir(parents=True, exist_ok=True)
    said = (scratch.parent / "boot.log").open("w+b")
    outer = subprocess.Popen(
        ["unshare", "-m", str(BOOT), str(scratch), str(ROOT)], stdout=said, stderr=said
    )
    try:
        machine = Machine(_wait_for_init(outer, said.name))
        machine.until("the system runs", lambda: _is_up(machine))
        yield machine
    finally:
        # It ignores SIGTERM; with it the kernel ends everything inside.
        outer.send_signal(signal.SIGKILL)
        outer.wait()
        said.close()


def _wait_for_init(outer: "subprocess.Popen[bytes]", said: str) -> int:
    give_up = WallClock.awake() + BOOT_LIMIT
    while WallClock.awake() < give_up and outer.poll() is None:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.1)
    raise AssertionError(f"it did not boot:\n{Path(said).read_text()}")


def _is_up(machine: Machine) -> bool:
    told = machine.run("systemctl", "is-system-running", check=False).strip()
    return told in ("running", "degraded")
