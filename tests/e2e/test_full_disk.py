"""A disk that is full: no order without a durable fact, and none hidden once there is room."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.e2e.process import Running, daemon_command, started
from tests.e2e.torture import CHURN, Tell, World, run, undisturbed, world

pytestmark = pytest.mark.e2e

CRASHED = 1
NEEDS_OPERATOR = 78
QUOTA = 320 * 1024
FULL_ENDINGS = 3
LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Quota(Protocol):
    """A way to make the journal's disk small."""

    def daemon(self, place: World) -> AbstractAsyncContextManager[Running]: ...
    def free(self) -> None: ...


class TinyDisk:
    """A file system of its own for the journal's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def daemon(self, place: World) -> AbstractAsyncContextManager[Running]:
        return place.daemon()

    def free(self) -> None:
        _command("mount", "-o", "remount,size=64m", str(self._folder))


class SmallFiles:
    """A process that may not write any file beyond a size; the pipe of its log is none."""

    def daemon(self, place: World) -> AbstractAsyncContextManager[Running]:
        command = daemon_command(place.folder, "--strategies", CHURN)
        return started("-c", LIMITED, str(QUOTA), *command, environ=place.environ)

    def free(self) -> None:
        """The next process has no limit."""


def _command(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)


@contextmanager
def tiny_disk(folder: Path) -> Iterator[TinyDisk]:
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root may mount a small disk")
    folder.mkdir(parents=True)
    try:
        _command("mount", "-t", "tmpfs", "-o", f"size={QUOTA},mode=700", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield TinyDisk(folder)
    finally:
        _command("umount", str(folder))


async def fill_up(place: World, quota: Quota) -> tuple[int, str]:
    """Trade until the disk is full; returns the exit code and what was said last."""
    async with quota.daemon(place) as daemon:
        code = await daemon.ended()
    said = "\n".join(daemon.lines[-5:])
    assert code in (CRASHED, NEEDS_OPERATOR), said
    assert "journal" in said, said
    if code == CRASHED:
        assert daemon.events[-1]["event"] == "crashed", said
        assert "JournalFailed" in daemon.events[-1]["exception"], said
    return code, said


async def nothing_unwritten(place: World) -> None:
    """Whatever reached the exchange is in the journal as sent, answered or not."""
    story, truth = place.story(), await place.truth()
    sent = [order for order in story.portfolio.orders.values() if order.sent_at is not None]
    assert len(truth.of("new")) <= len(sent)


async def full_disk(place: World, quota: Quota, tell: Tell, name: str) -> None:
    codes = []
    for _ in range(FULL_ENDINGS):
        code, _said = await fill_up(place, quota)
        codes.append(code)
        await nothing_unwritten(place)
    before = len((await place.truth()).of("new"))
    quota.free()
    await undisturbed(place)
    figures = await place.audit()
    assert codes[0] == CRASHED
    assert before > 0
    tell(f"full disk, {name}", {"exit_codes": codes, "orders_until_full": before, **figures})


def test_full_disk(tmp_path: Path, tell: Tell) -> None:
    async def scenario(quota: Quota) -> None:
        async with world(tmp_path) as place:
            await full_disk(place, quota, tell, "mounted")

    with tiny_disk(tmp_path / "sim") as quota:
        run(scenario(quota))


def test_full_file(tmp_path: Path, tell: Tell) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as place:
            await full_disk(place, SmallFiles(), tell, "file size limit")

    run(scenario())
