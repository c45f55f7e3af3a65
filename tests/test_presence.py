"""What a daemon says of itself to a service manager; a real one hears it in tests/e2e."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from daemon.app import App
from daemon.config import load_settings
from daemon.core.entries import BrokerDayTold
from daemon.core.events import Actor, Event, TradingState
from daemon.core.switch import Command
from daemon.core.values import Region
from daemon.ops.service import EXTENSION
from daemon.presence import Hang, Presence, ended, unwritable
from daemon.store.journal import SqliteJournal
from daemon.wiring import Session
from tests.builders import NINE
from tests.engine.world import World, run, world

ROOT = Path(__file__).parents[1]


class Stage:
    """What presence looks at of a session."""

    def __init__(self, w: World) -> None:
        self.clock = w.clock
        self.calendars = w.desk._calendars
        self.feed = self
        self.due_at = float("inf")


async def idle() -> None:
    await asyncio.Event().wait()


@contextmanager
def listening(address: str) -> Iterator[Callable[[], str]]:
    """A service manager at `address`; yields what tells all it heard since it was last asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as door:
        door.bind(address)

        def heard() -> str:
            found = []
            while True:
                try:
                    found.append(door.recv(65536).decode())
                except BlockingIOError:
                    return "\n".join(found)

        yield heard


def test_a_life_as_it_is_told(tmp_path: Path) -> None:
    settings = load_settings("sim", {"data_dir": str(tmp_path)}, environ={}, root=ROOT)
    address = str(tmp_path / "n")

    async def scenario() -> None:
        with listening(address) as heard:
            async with world() as w:
                presence = Presence(settings, environ={"NOTIFY_SOCKET": address})
                session = cast("Session", Stage(w))
                task = w.services.create_task(presence.serve(session, w.desk, []))
                await asyncio.sleep(2)
                assert "STATUS=starting: recovering" in heard()
                presence.ready()
                told = heard()
                assert "READY=1" in told
                assert "STATUS=trading KR (continuous); gate open; 0 open orders" in told
                halt = Command(state=TradingState.HALTED, who=Actor.OPERATOR, reason="enough")
                w.desk.execute(halt)
                await asyncio.sleep(2)
                assert "; state halted; gate shut: operator: enough;" in heard()
                presence.stopping("orders", 2.0)
                assert "STOPPING=1" in heard()
                presence.reload()
                task.cancel()

    run(scenario())


def test_a_long_journal_is_given_the_time_it_needs(tmp_path: Path) -> None:
    settings = load_settings("sim", {"data_dir": str(tmp_path)}, environ={}, root=ROOT)
    address = str(tmp_path / "n")
    fact = BrokerDayTold(region=Region.KR, day=date(2020, 1, 2), trades=True, at=NINE)
    told: list[str] = []

    async def scenario() -> None:
        with listening(address) as heard:

            class Long(SqliteJournal):
                """Two thousand facts and one; it listens before each of them, and at its end."""

                def replay(self) -> Iterator[Event]:
                    for _ in range(2001):
                        told.append(heard())
                        yield fact
                    told.append(heard())

            stop = asyncio.Event()
            stop.set()
            app = App(
                settings,
                open_journal=lambda path, owner: Long(path, owner=owner),
                presence=Presence(settings, environ={"NOTIFY_SOCKET": address}),
            )
            assert await app.run(stop) == 0

    asyncio.run(scenario())
    wanted = {
        # Heard after the fact before it was asked for.
        1: "starting: recovering, 0 facts so far",
        1001: "starting: recovering, 1,000 facts so far",
        2001: "starting: recovering, 2,000 facts so far",
    }
    assert [place for place, lines in enumerate(told) if lines] == list(wanted)
    for place, status in wanted.items():
        assert f"STATUS={status}" in told[place].split("\n")
        assert f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}" in told[place].split("\n")


def test_without_a_manager_it_says_nothing(tmp_path: Path) -> None:
    settings = load_settings("sim", {"data_dir": str(tmp_path)}, environ={}, root=ROOT)

    async def scenario() -> None:
        async with world() as w:
            presence = Presence(settings, environ={})
            task = w.services.create_task(presence.serve(cast("Session", Stage(w)), w.desk, []))
            await asyncio.sleep(100)
            presence.ready()
            presence.stopping("now")
            task.cancel()
            assert w.journal.probes == 0, "nobody wants to know"

    run(scenario())


def test_a_service_that_ended_is_named_unless_it_trades_on_without() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(idle(), name=each) for each in ("feed", "inquiries", "executor")]
        tasks.append(loop.create_task(asyncio.sleep(0), name="summary"))
        await asyncio.sleep(0)
        assert ended(tasks) == ""
        for task in tasks[:2]:
            task.cancel()
        await asyncio.sleep(0)
        assert ended(tasks) == "feed, inquiries ended"
        tasks[2].cancel()
        await asyncio.wait(tasks)

    asyncio.run(scenario())


class Slept:
    """A machine's seconds, with those asleep and without."""

    def __init__(self, *, asleep: float) -> None:
        self.awake, self.asleep = 99.0 - asleep, asleep
        self.hang = Hang(lambda: self.awake + self.asleep, lambda: self.awake)


def test_a_stream_hangs_only_past_its_time() -> None:
    machine = Slept(asleep=50.0)
    assert machine.hang.problem(100.0) == ""
    machine.awake += 8.0
    assert machine.hang.problem(float("inf")) == ""
    assert machine.hang.problem(100.0) == "nothing was done for 7 s longer than it may"


def test_a_stream_does_not_hang_because_the_machine_slept() -> None:
    machine = Slept(asleep=50.0)
    assert machine.hang.problem(100.0) == ""
    machine.asleep += 14_400.0
    assert machine.hang.problem(100.0) == ""
    machine.awake += 8.0
    assert machine.hang.problem(100.0) == "nothing was done for 7 s longer than it may"
    assert machine.hang.problem(14_600.0) == "", "it went on"
    machine.awake += 100.0
    assert machine.hang.problem(14_600.0) == "nothing was done for 7 s longer than it may"


@pytest.mark.parametrize("error", [OSError("full"), None])
def test_a_journal_says_why_it_takes_nothing(error: OSError | None) -> None:
    def probe() -> Any:
        if error is not None:
            raise error

    assert unwritable(probe) == ("" if error is None else "full")
