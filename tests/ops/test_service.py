import asyncio
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.ops.service import PINGS, Check, Notifier, Phase, Service
from tests.support import run_virtual


class Manager:
    """A service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(address.replace("@", "\0", 1) if address[0] == "@" else address)

    def heard(self) -> list[dict[str, str]]:
        """The datagrams that came since the last time."""
        found: list[dict[str, str]] = []
        while True:
            try:
                text = self.socket.recv(65536).decode()
            except BlockingIOError:
                return found
            found.append(dict(line.split("=", 1) for line in text.split("\n")))


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    names = {"path": str(tmp_path / "n"), "abstract": f"@kis-{os.getpid()}-{tmp_path.name}"}
    made = Manager(names[request.param])
    yield made
    made.socket.close()


def environ(manager: Manager, seconds: float | None = 20.0) -> dict[str, str]:
    told = {"NOTIFY_SOCKET": manager.address}
    if seconds is not None:
        told |= {"WATCHDOG_USEC": str(int(seconds * 1e6)), "WATCHDOG_PID": str(os.getpid())}
    return told


class Scene:
    """A service whose checks and time are ours."""

    def __init__(self, told: dict[str, str]) -> None:
        self.now = 100.0
        self.wrong = ""
        self.doing = "trading KR"
        self.notifier = Notifier(told)
        self.service = Service(self.notifier, monotonic=lambda: self.now)
        self.checks = [Check("feed", lambda: self.wrong)]

    def look(self, after: float = 0.0) -> None:
        self.now += after
        self.service.look(lambda: self.doing, self.checks)


def test_a_life_is_told_in_order(manager: Manager) -> None:
    scene = Scene(environ(manager))
    scene.look()
    assert manager.heard() == [{"STATUS": "trading KR", "EXTEND_TIMEOUT_USEC": "30000000"}]
    scene.look(1)
    assert manager.heard() == [{"EXTEND_TIMEOUT_USEC": "30000000"}], "an old status is no news"
    scene.service.ready()
    scene.doing = "gate open"
    scene.look()
    assert manager.heard() == [{"READY": "1", "WATCHDOG": "1"}, {"STATUS": "gate open"}]
    scene.service.stopping("orders", 2.0)
    [first] = manager.heard()
    assert first == {
        "STOPPING": "1",
        "STATUS": "stopping: orders",
        "EXTEND_TIMEOUT_USEC": "32000000",
    }
    scene.service.stopping("report", 1.0)
    assert "STOPPING" not in manager.heard()[0]
    scene.service.ready()
    assert manager.heard() == [], "nobody is ready who stops"


def test_it_is_not_ready_before_it_says_so(manager: Manager) -> None:
    scene = Scene(environ(manager))
    for _ in range(100):
        scene.look(1)
    assert not any("READY" in each or "WATCHDOG" in each for each in manager.heard())


def test_the_watchdog_is_fed_more_than_twice_a_period_and_only_while_all_is_well(
    manager: Manager,
) -> None:
    scene = Scene(environ(manager, 20.0))
    scene.service.ready()
    manager.heard()
    fed = []
    for _ in range(120):
        scene.look(0.5)
        fed += [scene.now for each in manager.heard() if "WATCHDOG" in each]
    gaps = [later - earlier for earlier, later in itertools.pairwise(fed)]
    assert max(gaps) < 10.0
    assert len(fed) <= 60 / (20.0 / PINGS) + 2, "nor all the time"

    scene.wrong = "hangs"
    with capture_logs() as logs:
        for _ in range(60):
            scene.look(0.5)
    heard = manager.heard()
    assert not any("WATCHDOG" in each for each in heard)
    assert any("not well: feed: hangs" in each.get("STATUS", "") for each in heard)
    assert [each["event"] for each in logs] == ["watchdog_withheld"], "said once"
    assert logs[0]["problems"] == ("feed: hangs",)

    scene.wrong = ""
    with capture_logs() as logs:
        scene.look(10)
    assert any("WATCHDOG" in each for each in manager.heard())
    assert [each["event"] for each in logs] == ["watchdog_fed_again"]


def test_a_check_that_fails_itself_has_found_something(manager: Manager) -> None:
    scene = Scene(environ(manager))
    scene.service.ready()
    manager.heard()
    scene.checks = [Check("journal", lambda: str(1 // 0))]
    scene.look(10)
    assert not any("WATCHDOG" in each for each in manager.heard())
    assert scene.service.problems == (
        "journal: ZeroDivisionError: integer division or modulo by zero",
    )


def test_a_reload_begins_with_its_time_and_ends_ready(manager: Manager) -> None:
    scene = Scene(environ(manager))
    scene.service.reloading()
    assert manager.heard() == [], "not before it is ready"
    scene.service.ready()
    manager.heard()
    scene.service.reloading()
    [begins] = manager.heard()
    assert (begins["RELOADING"], begins["MONOTONIC_USEC"]) == ("1", "100000000")
    scene.service.reloaded("reloaded: 1 changed")
    assert manager.heard() == [{"READY": "1", "STATUS": "reloaded: 1 changed"}]
    scene.look()
    assert manager.heard()[0]["STATUS"] == "trading KR"


def test_a_status_is_one_line(manager: Manager) -> None:
    scene = Scene(environ(manager))
    scene.doing = "shut\nREADY=1"
    scene.look()
    assert manager.heard()[0]["STATUS"] == "shut READY=1"


def test_a_manager_that_has_gone_or_does_not_read_disturbs_nobody(manager: Manager) -> None:
    scene = Scene(environ(manager))
    scene.service.ready()
    for number in range(3000):
        scene.doing = f"{number}"
        scene.look(10)
    assert scene.notifier.lost > 0, "its socket was full"
    manager.socket.close()
    lost = scene.notifier.lost
    scene.look(10)
    assert scene.notifier.lost > lost


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "@"},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "vsock:2:1234"},
        {"NOTIFY_SOCKET": "/nowhere/" + "x" * 300},
        {"NOTIFY_SOCKET": "/a\0b"},
    ],
    ids=str,
)
def test_an_address_that_is_none_is_nobody(told: dict[str, str]) -> None:
    scene = Scene(told)
    scene.look()
    scene.service.ready()
    scene.service.stopping("now")
    assert scene.notifier.is_heard == told.get("NOTIFY_SOCKET", "").startswith("/")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_a_watchdog_watches_the_process_it_names(
    told: dict[str, str], seconds: float | None
) -> None:
    assert Notifier(told).watchdog == seconds


def test_it_runs_on_the_loop_and_ends_when_cancelled(manager: Manager) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        notifier = Notifier(environ(manager, 3.0))
        service = Service(notifier, monotonic=loop.time)
        task = loop.create_task(service.run(lambda: "doing", []))
        await asyncio.sleep(5)
        service.ready()
        manager.heard()
        fed = 0
        for _ in range(30):
            await asyncio.sleep(1)
            fed += sum("WATCHDOG" in each for each in manager.heard())
        assert fed == pytest.approx(30, abs=2)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert service.phase is Phase.READY

    run_virtual(scenario())
