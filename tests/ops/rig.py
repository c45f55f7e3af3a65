"""A control API on real sockets, and somebody behind it who notes what was asked."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from daemon.ops.api import ControlApi
from daemon.ops.control import AnyAct, Caller, Cancel, ControlError, Done, Resume, View
from daemon.ops.doors import Door, UnixDoor

TOKEN = "t" * 40


class Behind:
    """Stands in for a daemon: `act` waits for `free`, and raises what it was told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[AnyAct, Caller]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.raising: BaseException | None = None
        self.result: dict[str, Any] = {}

    def see(self, view: View, asked: Mapping[str, str]) -> Mapping[str, Any]:
        if view is View.TOKEN:
            raise ZeroDivisionError("a bug in a view")
        return {"view": view.value, "asked": dict(asked), "cash": Decimal("1E+3")}

    async def act(self, act: AnyAct, caller: Caller) -> Done:
        self.asked.append((act, caller))
        await self.free.wait()
        if self.raising is not None:
            raise self.raising
        if isinstance(act, Resume):
            raise ControlError("REFUSED", "not by a machine", field="state", fix="be a person")
        many = {"filling": "x" * 4_000_000} if isinstance(act, Cancel) else {}
        return Done(
            message=f"{act.name} done", result={"subject": act.subject, **many, **self.result}
        )


@asynccontextmanager
async def serving(
    doors: Sequence[Door], behind: Behind | None = None, *, served: Sequence[Door] | None = None
) -> AsyncIterator[tuple[ControlApi, Behind]]:
    """The API, listening at `doors`, of all that are `served`; what it raises comes out at the
    end.
    """
    behind = behind or Behind()
    api = ControlApi(behind, doors if served is None else served)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(api.run())
        await listening(doors, running)
        try:
            yield api, behind
        finally:
            running.cancel()


async def listening(doors: Sequence[Door], running: asyncio.Task[None]) -> None:
    """Wait until every door can be entered."""
    async with asyncio.timeout(10):
        for door in doors:
            while not running.done():
                try:
                    await _knock(door)
                    break
                except OSError:
                    await asyncio.sleep(0.01)


async def _knock(door: Door) -> None:
    if isinstance(door, UnixDoor):
        _, writer = await asyncio.open_unix_connection(str(door.path))
    else:
        _, writer = await asyncio.open_connection(door.address, door.port)
    writer.close()


def socket_in(folder: Path) -> UnixDoor:
    return UnixDoor(path=folder / "control" / "api.sock")


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
