"""A simulator that lives through a whole test, daemons that do not, and the audit at the end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.audit import ACCOUNT, Story, Truth, faults, read_story, truth_of
from tests.e2e.process import Running, addresses, ask, daemon_command, started

CHURN = "tests.e2e.churn:Churn"
IDLE = "tests.e2e.idle:Idle"
SETTLES = 150.0
"""Seconds in which the last doubt must have found its end once nothing is broken any more."""

_ANSWERS = frozenset(
    {"order_accepted", "order_rejected", "order_filled", "order_cancelled", "order_expired"}
    | {"order_modified", "modify_refused", "cancel_refused"}
)
_ALARMS = ("crashed", "orders_left_unknown", "external_order_seen")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


@dataclass(kw_only=True)
class World:
    """One simulated broker and one data folder; `rest_url` and `ws_url` may lead past a proxy."""

    folder: Path
    simulator: Running
    admin_url: str
    rest_url: str
    ws_url: str
    sums: Mapping[str, Any]

    @property
    def journal(self) -> Path:
        return self.folder / "sim" / f"journal-{ACCOUNT}.sqlite3"

    @property
    def environ(self) -> dict[str, str]:
        state = str(self.folder / "state")
        return {"KIS_REST_URL": self.rest_url, "KIS_WS_URL": self.ws_url, "XDG_STATE_HOME": state}

    def daemon(
        self, *arguments: str, strategy: str = CHURN
    ) -> AbstractAsyncContextManager[Running]:
        command = daemon_command(self.folder, "--strategies", strategy, *arguments)
        return started(*command, environ=self.environ)

    def story(self) -> Story:
        """What the journal tells; no daemon may be running."""
        return read_story(self.journal)

    async def truth(self) -> Truth:
        return await truth_of(self.admin_url, sums_before=self.sums)

    async def audit(self, *, door: bool = True) -> dict[str, Any]:
        """Fail on everything that is not as it must be; returns figures for a person."""
        assert self.simulator.process.returncode is None, self.simulator.lines[-20:]
        story, truth = self.story(), await self.truth()
        found = faults(story, truth, door=door)
        assert found == [], "\n".join(found)
        totals = truth.books["totals"]
        return {
            **story.summary(),
            "exchange_orders": len(truth.of("new")),
            "exchange_modifies": len(truth.of("modify")),
            "exchange_cancels": len(truth.of("cancel")),
            "exchange_fills": totals["fills"],
            "max_requests_in_any_second": truth.door["max_requests_in_any_second"],
            "refused": truth.door["refused"],
        }


@asynccontextmanager
async def world(folder: Path, *, speed: float = 30, seed: int = 7) -> AsyncIterator[World]:
    """A fresh simulator that some orders trouble: early notices, refusals after acceptance."""
    chances = ("--early-notices", "0.5", "--refused-later", "0.03")
    flags = ("--sim-speed", str(speed), "--seed", str(seed), *chances)
    async with started("-m", "daemon.sim", *flags) as simulator:
        rest_url, ws_url = await addresses(simulator)
        sums = await ask(rest_url, "/sim/conservation")
        yield World(
            folder=folder,
            simulator=simulator,
            admin_url=rest_url,
            rest_url=rest_url,
            ws_url=ws_url,
            sums=sums,
        )


def settled(daemon: Running, left: set[str] | frozenset[str] = frozenset()) -> bool:
    """Whether every order in doubt, of `left` or of this run, got an answer afterwards."""
    open_ones = set(left)
    for event in daemon.events:
        order = str(event.get("order"))
        if event.get("event") == "order_doubted":
            open_ones.add(order)
        elif event.get("event") in _ANSWERS:
            open_ones.discard(order)
    return not open_ones


async def trades_again(
    daemon: Running, left: set[str] | frozenset[str] = frozenset(), *, orders: int = 20
) -> None:
    """Wait until new orders are accepted and nothing is in doubt: the daemon lives and knows."""
    wanted = daemon.counts["order_accepted"] + orders

    def condition(running: Running) -> bool:
        return running.counts["order_accepted"] >= wanted and settled(running, left)

    await daemon.until(condition, patience=SETTLES)


def no_alarm(daemon: Running) -> None:
    """The log holds none of the lines that need a person."""
    alarms = [event for event in daemon.events if event.get("event") in _ALARMS]
    assert alarms == [], alarms


async def stop(daemon: Running) -> None:
    """Ask a daemon to end, as systemd would."""
    daemon.send(signal.SIGTERM)
    assert await daemon.ended() == 0, "\n".join(daemon.lines[-40:])
    no_alarm(daemon)


async def undisturbed(place: World) -> None:
    """One run in which nothing happens: it trades, ends every doubt, and stops when told."""
    left = {str(each) for each in place.story().unsettled()}
    async with place.daemon() as daemon:
        await daemon.seen("trading")
        await trades_again(daemon, left)
        await stop(daemon)
    if place.story().portfolio.open_orders():
        await tidy_up(place)


async def tidy_up(place: World) -> None:
    """A second, idle run takes back what a hurried stop had to leave open."""
    async with place.daemon(strategy=IDLE) as daemon:
        await daemon.seen("trading")
        await stop(daemon)


def number_from(name: str, standard: int) -> int:
    """A figure of the test that the environment may change, for longer runs."""
    return int(os.environ.get(name, str(standard)))


Tell = Callable[[str, Mapping[str, Any]], None]
