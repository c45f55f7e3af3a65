"""A server that keeps its daemon alive, and the person who looks after it."""

import asyncio
import multiprocessing
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import structlog
from pydantic import SecretStr

from daemon.core.events import Event, OrderCreated, OrderFilled
from daemon.core.values import Currency, Side
from daemon.engine.desk import START_LIMIT
from daemon.engine.reconciliation import ADOPT_LIMIT
from daemon.lab.day import World
from daemon.lab.loop import run_virtual
from daemon.lab.machine import HOLD_OUT, Machine, SharedToken
from daemon.lab.mix import Fault
from daemon.lab.outset import KOREA
from daemon.ports import AccessToken
from daemon.sim.facts import OrderRequest
from daemon.sim.options import ACCOUNT
from daemon.store.journal import SqliteJournal
from tests.builders import NINE, SAMSUNG

Script = Callable[[World], Coroutine[None, None, None]]


def test_the_token_of_a_server_outlives_its_processes() -> None:
    store = SharedToken()
    assert store.load() is None
    token = AccessToken("secret", NINE + timedelta(hours=24), NINE)
    store.save(token)
    assert store.load() == token
    turn = store.issuing()
    assert turn.acquire()
    assert not store.issuing().acquire(), "one at a time"
    turn.release()
    assert store.issuing().acquire()


def _live(script: Script, faults: tuple[Fault, ...]) -> list[str]:
    """In a process of its own: the dead are never collected, and would speak at its end."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    with TemporaryDirectory() as folder:

        async def main() -> list[str]:
            world = World(1, faults, Path(folder), KOREA)
            world.venue.start()
            await script(world)
            world.machine.bury()
            return world.witness.violations

        return run_virtual(main())


def live(script: Script, *faults: Fault) -> list[str]:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_live, (script, faults))


async def stopped(world: World, running: "asyncio.Task[None]") -> None:
    world.machine.stop()
    async with asyncio.timeout(60.0):
        await running


def start(world: World) -> "asyncio.Task[None]":
    return asyncio.get_running_loop().create_task(world.machine.run())


def facts_of(world: World) -> list[Event]:
    settings = world.settings
    owner = f"{settings.mode}:{settings.account}"
    with SqliteJournal(settings.journal_path, owner=owner) as journal:
        return list(journal.replay())


async def _calm(world: World) -> None:
    machine = world.machine
    running = start(world)
    await asyncio.sleep(1800.0)
    desk = machine.desk
    assert desk is not None
    assert desk.gate.is_open
    assert machine.discrepancy() == ""
    portfolio = desk.ledger.portfolio
    await stopped(world, running)
    assert (machine.lives, machine.kills, machine.exits) == (1, 0, ["NoneType"])
    kinds = [type(fact) for fact in facts_of(world)]
    assert OrderCreated in kinds
    assert OrderFilled in kinds
    assert (
        portfolio.cash_of(Currency.KRW) == world.venue.broker.market.exchange.accounts[ACCOUNT].cash
    )


def test_a_daemon_trades_until_it_is_stopped() -> None:
    assert live(_calm) == []


async def _killed(world: World) -> None:
    machine = world.machine
    running = start(world)
    await asyncio.sleep(600.0)
    first = machine.process
    first.kill()
    assert machine.stream is not None
    await asyncio.sleep(0.4 + 20.0 + 120.0)
    assert machine.process is not first
    assert machine.process.alive
    assert not first.alive
    desk = machine.desk
    assert desk is not None
    assert desk.gate.is_open
    steps = first.steps
    await asyncio.sleep(600.0)
    assert first.steps == steps
    await stopped(world, running)
    assert (machine.lives, machine.kills, machine.exits) == (2, 1, ["NoneType"])


def test_a_killed_daemon_comes_back_and_takes_up_its_books() -> None:
    assert live(_killed) == []


async def _full(world: World) -> None:
    machine = world.machine
    running = start(world)
    await asyncio.sleep(60.0)
    machine.disk.full = True
    async with asyncio.timeout(3600.0):
        while not machine.exits:  # noqa: ASYNC110  virtual time
            await asyncio.sleep(1.0)
    assert machine.exits == ["JournalFailed"]
    machine.disk.full = False
    await asyncio.sleep(HOLD_OUT + 2.0)
    assert machine.lives == 2
    await stopped(world, running)
    assert machine.kills == 0


def test_a_daemon_that_cannot_write_ends_and_is_started_again_a_little_later() -> None:
    assert live(_full) == []


def another(world: World, **changes: object) -> Machine:
    """A machine in the same world with other settings."""
    settings = world.settings.model_copy(update=changes)
    return Machine(settings, world.venue, world.mix, world.witness, world.seed, latency=0.02)


async def ended(machine: Machine, kind: str, within: float) -> None:
    async with asyncio.timeout(within):
        while kind not in machine.exits:  # noqa: ASYNC110  virtual time
            await asyncio.sleep(0.1)


async def comes_back(machine: Machine, pause: float) -> None:
    """Check that the next life begins after this pause and not before."""
    lives = machine.lives
    await asyncio.sleep(pause - 1.0)
    assert machine.lives == lives
    await asyncio.sleep(2.0)
    assert machine.lives == lives + 1


async def _cut_off(world: World) -> None:
    machine = world.machine
    machine.weather.outage_until = START_LIMIT + 20.0
    running = start(world)
    await ended(machine, "BrokerUnavailable", START_LIMIT + 10.0)
    await comes_back(machine, HOLD_OUT)
    await stopped(world, running)


async def _not_adopted(world: World) -> None:
    machine = world.machine
    running = start(world)
    await asyncio.sleep(300.0)
    machine.weather.outage_until = 300.0 + ADOPT_LIMIT + 200.0
    machine.accept()
    await ended(machine, "BrokerUnavailable", ADOPT_LIMIT + 100.0)
    await comes_back(machine, HOLD_OUT)
    await stopped(world, running)


@pytest.mark.parametrize("script", [_cut_off, _not_adopted])
def test_a_daemon_that_could_not_start_is_started_again(
    script: Script,
) -> None:
    assert live(script) == []


async def _refused(world: World) -> None:
    machine = another(world, app_key=SecretStr("NOT-THE-KEY-OF-THIS-BROKER-AT-ALL----"))
    running = asyncio.get_running_loop().create_task(machine.run())
    await ended(machine, "NeedsOperator", 60.0)
    machine.stop()
    await running


async def _broken(world: World) -> None:
    [trader, *_] = world.settings.strategies
    unknown = trader.model_copy(update={"class_": "daemon.lab.traders:Nobody"})
    machine = another(world, strategies=[unknown])
    running = asyncio.get_running_loop().create_task(machine.run())
    await asyncio.sleep(1.0)
    machine.stop()
    await running


@pytest.mark.parametrize(
    ("script", "told"), [(_broken, "SettingsError"), (_refused, "NeedsOperator")]
)
def test_any_other_end_of_a_daemon_breaks_a_promise(script: Script, told: str) -> None:
    [violation] = live(script)
    assert f"daemon-1 broke: {told}" in violation


async def _accepted(world: World) -> None:
    machine, venue = world.machine, world.venue
    exchange = venue.broker.market.exchange
    running = start(world)
    await asyncio.sleep(300.0)
    request = OrderRequest(
        account=ACCOUNT, code="005930", side=Side.BUY, quantity=501, price=None, division="01"
    )
    number = venue.broker.place_by_hand(request, venue.clock.now(), venue.clock.monotonic())
    venue.by_hand.append(number)
    venue.wake()
    async with asyncio.timeout(600.0):
        while not machine.discrepancy():  # noqa: ASYNC110  virtual time
            await asyncio.sleep(1.0)
        # What goes on filling moves the books that were taken over.
        while exchange.orders[number].remaining:  # noqa: ASYNC110
            await asyncio.sleep(1.0)
    assert machine.lives == 1
    machine.accept()
    await asyncio.sleep(900.0)
    assert (machine.lives, machine.kills, machine.exits) == (2, 0, ["NoneType"])
    assert machine.discrepancy() == ""
    desk = machine.desk
    assert desk is not None
    assert desk.gate.is_open
    held = exchange.accounts[ACCOUNT].holdings["005930"].quantity
    assert desk.ledger.portfolio.position(SAMSUNG).quantity == held > 400
    await stopped(world, running)


def test_an_operator_takes_over_the_brokers_books() -> None:
    assert live(_accepted) == []
