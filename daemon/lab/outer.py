"""The real daemon over its real transports against the real simulator, on a network that fails.

    python -m daemon.lab.outer --seeds 0..9 --json

Shows that aiohttp, websockets and the translation of their errors keep the promises that the
in-memory transports of the inner ring are built on. Each seed is a part of one trading day:
minutes of faults and kills, five quiet ones, a clean stop, and then the books are compared.
"""

import argparse
import asyncio
import gc
import logging
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from hashlib import sha256
from math import exp, log
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import structlog
from pydantic import SecretStr

from daemon.app import App
from daemon.config import Mode, Settings
from daemon.core.errors import BrokerUnavailable
from daemon.core.events import CancelSent, Event, ModifySent, OrderEvent, OrderFilled, OrderSent
from daemon.lab import traders
from daemon.lab.audit import audit
from daemon.lab.loop import Process, VirtualClock
from daemon.lab.network import ANY_ADDRESS, NetworkLoop, Route, run_networked
from daemon.lab.realparts import RealParts, bury
from daemon.lab.sockets import Way
from daemon.sections import RiskSettings, StrategySettings
from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID, SimulatorOptions
from daemon.sim.server import SimulatorServer
from daemon.sim.universe import LISTINGS

API, STREAM = "api.broker.test", "stream.broker.test"
API_PORT, STREAM_PORT = 9443, 21000
QUIET_MINUTES = 5.0
SYMBOLS = 4
KEPT_LINES = 4000
COLLECT_EVERY = 1800.0
OPENS = datetime(2026, 11, 2, 0, 0, tzinfo=UTC)

FAULTS = (
    *("partition", "deaf", "dumb", "reset", "hush", "cut", "refused", "nameless", "certificate"),
    *("slow", "pieces", "dropped", "kill", "kill at order", "kill soon", "ambush", "freeze"),
)
AMBUSHES = ("reset", "cut", "hush", "deaf", "dumb")
"""What may happen to the connections just as an order leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a seed decides before anything runs. Seconds."""

    seed: int
    start: datetime
    faults: tuple[str, ...]
    every: float
    longest: float
    silent_deaths: float
    pause: float
    pace: float

    @classmethod
    def draw(cls, seed: int) -> "Plan":
        """Wide ranges: a bug is found only by the faults that reach it."""
        random = Random(f"{seed}:plan")  # noqa: S311  a play, not a secret
        faults = tuple(each for each in FAULTS if random.random() < 0.6)
        return cls(
            seed=seed,
            start=OPENS.replace(hour=random.randint(0, 4), minute=random.randint(0, 59)),
            faults=faults or FAULTS,
            every=_wide(random, 8.0, 90.0),
            longest=_wide(random, 3.0, 120.0),
            silent_deaths=random.choice((0.0, 0.3, 1.0)),
            pause=_wide(random, 30.0, 150.0),
            pace=_wide(random, 0.02, 0.1),
        )


@dataclass(slots=True)
class Outcome:
    """What became of a seed; `trace` ends with the last lines."""

    seed: int
    digest: str = ""
    virtual_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


def _wide(random: Random, least: float, most: float) -> float:
    """Each order of magnitude as likely as the next."""
    return exp(random.uniform(log(least), log(most)))


class OuterWorld:
    """One seed: broker, network, daemon, and what happens to them."""

    def __init__(self, plan: Plan, minutes: float, folder: Path, outcome: Outcome) -> None:
        self.plan = plan
        self.outcome = outcome
        self._minutes = minutes
        self._random = Random(f"{plan.seed}:world")  # noqa: S311  a play, not a secret
        self._loop: NetworkLoop
        self._server: SimulatorServer
        self._app: App | None = None
        self._process = Process("nobody")
        self._lives: list[Process] = []
        self._parts: RealParts
        self._stop = asyncio.Event()
        self._faulty = True
        self._kill_at_order = False
        self._ambush = False
        self._settings = _settings(plan, folder)

    async def run(self, loop: NetworkLoop) -> None:
        """Live through the seed, then judge."""
        self._loop = loop
        loop.silent_deaths = self.plan.silent_deaths
        loop.set_exception_handler(self._on_loop_error)
        routes = [loop.route(API), loop.route(STREAM)]
        self._server = SimulatorServer(
            _options(self.plan), wall=VirtualClock(self.plan.start), pump_interval=0.5
        )
        await self._server.start()
        self._parts = RealParts(
            loop,
            self._server.clock,
            rest_url=f"https://{API}:{API_PORT}",
            ws_url=f"ws://{STREAM}:{STREAM_PORT}",
            seed=self.plan.seed,
            told=self._told,
        )
        try:
            await self._live(routes)
            broker, clock = self._server.broker, self._server.clock
            broker.advance(clock.now(), clock.monotonic())
            self.outcome.violations.extend(audit(self._settings.journal_path, broker))
            self._count()
        finally:
            self._bury()
            await self._server.stop()

    async def _live(self, routes: list[Route]) -> None:
        """A calm minute, the faults, the quiet time, and a clean stop."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._keep_running())
            group.create_task(self._collect(running))
            await asyncio.sleep(60.0)
            await self._weather(routes)
            self._faulty = self._ambush = self._kill_at_order = False
            self._process.dies_at = None
            for route in routes:
                _calm(route)
            await asyncio.sleep(QUIET_MINUTES * 60.0)
            self._check_alive()
            self._stop.set()

    # The daemon

    async def _keep_running(self) -> None:
        """Start the daemon again, whatever became of it, until it was asked to stop."""
        while not self._stop.is_set():
            process = self._process = Process(f"daemon {len(self._lives) + 1}")
            self._lives.append(process)
            over = asyncio.Event()
            process.on_death.append(over.set)
            if self._faulty and self._lives[1:] and self._random.random() < 0.25:
                process.dies_at = self._random.randint(1, 4000)
            self._app = App(
                self._settings,
                open_session=self._parts.open_session,
                open_journal=self._parts.open_journal,
            )
            self._note(f"{process.name} starts")
            work = process.spawn(self._app.run(self._stop))
            work.add_done_callback(partial(_call, over.set))
            await over.wait()
            if process.alive:
                self._ended(process, work)
            else:
                self._note(f"{process.name} is killed")
                self.outcome.figures["kills"] += 1
            if not self._stop.is_set():
                await asyncio.sleep(_wide(self._random, 0.5, 20.0))

    def _ended(self, process: Process, work: asyncio.Task[int]) -> None:
        error = work.exception()
        self._note(f"{process.name} ends: {error!r}")
        if isinstance(error, BrokerUnavailable):
            self.outcome.figures["gave_up"] += 1
        elif error is not None:
            text = "".join(traceback.format_exception(error))
            self._violate(f"{process.name} broke: {error!r}\n{text[-1500:]}")
        elif not self._stop.is_set():
            self._violate(f"{process.name} ended without being asked")
        for task in process.unfinished:
            self._violate(f"task {task.get_name()} of {process.name} is left: {task.get_coro()}")

    def _told(self, event: Event) -> None:
        """The daemon has recorded a fact."""
        if not isinstance(event, OrderEvent):
            return
        kind = type(event).__name__
        self.outcome.figures[kind] += 1
        self._note(f"{kind} {event.order}")
        if isinstance(event, OrderFilled):
            self._note(f"{event.fill.quantity} shares for {event.fill.notional}")
        if isinstance(event, OrderSent | CancelSent | ModifySent):
            if self._kill_at_order:
                self._kill_at_order = False
                self._process.dies_at = self._process.steps + self._random.randint(1, 60)
            if self._ambush:
                self._ambush = False
                delay, world = 0.02 * self._random.random(), self._loop.world.copy()
                self._loop.call_later(delay, self._spring, context=world)

    def _spring(self) -> None:
        """An order is on its way: something happens to it."""
        route, random = self._loop.route(API), self._random
        fault, lasting = random.choice(AMBUSHES), _wide(random, 0.05, self.plan.longest)
        self._note(f"ambush {fault} {lasting:.3f}")
        if self._faulty and self._strike(fault, route):
            self._loop.call_later(lasting, _calm, route)

    # The faults

    async def _weather(self, routes: list[Route]) -> None:
        """One fault after the other, some of them at the same time."""
        end, random = self._loop.time() + self._minutes * 60.0, self._random
        while True:
            await asyncio.sleep(min(random.expovariate(1 / self.plan.every), self.plan.every * 4))
            if self._loop.time() >= end:
                return
            fault, route = random.choice(self.plan.faults), random.choice(routes)
            lasting = _wide(random, 0.05, self.plan.longest)
            self.outcome.figures[fault] += 1
            self._note(f"fault {fault} {route.name} {lasting:.3f}")
            if fault == "freeze":
                self._process.freeze()
                self._loop.call_later(lasting, self._process.thaw)
            elif self._strike(fault, route):
                self._loop.call_later(lasting, _calm, route)

    def _strike(self, fault: str, route: Route) -> bool:
        """Do it; tells whether it lasts."""
        random, process = self._random, self._process
        match fault:
            case "reset":
                route.reset()
            case "hush":
                route.hush()
            case "cut":
                route.cut_next(random.choice(list(Way)))
            case "dropped":
                self._server.drop_connections()
            case "kill":
                process.kill()
            case "kill at order":
                self._kill_at_order = True
            case "ambush":
                self._ambush = True
            case "kill soon":
                process.dies_at = process.steps + random.randint(1, 2000)
            case _:
                _spoil(route, fault, random)
                return True
        return False

    # The judgement

    def _check_alive(self) -> None:
        """After five quiet minutes the daemon trades again, or says why not."""
        desk = self._app.desk if self._app is not None and self._process.alive else None
        if desk is None:
            self._violate("the daemon is not running five minutes after the last fault")
        elif not desk.gate.is_open:
            self._violate(f"the gate is still shut: {desk.gate.why()}")
        elif desk.reconciliation.unsettled():
            self._note("unsettled at the end of the quiet time")

    def _count(self) -> None:
        figures, door = self.outcome.figures, self._server.broker.wire.door
        figures["requests"] = door.requests
        figures["most_in_a_second"] = door.most_in_a_second
        figures["connections"] = self._loop._connections
        figures["lives"] = len(self._lives)
        self.outcome.virtual_seconds = self._loop.time()

    def _bury(self) -> None:
        # Unwound by force, what is left of them complains of it.
        self._loop.set_exception_handler(lambda loop, context: None)
        for process in self._lives:
            bury(process)

    async def _collect(self, running: asyncio.Task[None]) -> None:
        """Collect garbage at set times: whenever else it ran, two runs would differ."""
        while not running.done():
            await asyncio.wait([running], timeout=COLLECT_EVERY)
            gc.collect()

    def _note(self, what: str) -> None:
        self._loop.note(what)

    def _violate(self, what: str) -> None:
        self._note(f"VIOLATION {what}")
        self.outcome.violations.append(f"{self._loop.time():.3f} s: {what}")

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = "".join(traceback.format_exception(error))[-3000:] if error else ""
        self._violate(f"{context.get('message')}: {error!r}\n{text}")


def _call(what: Callable[[], None], _done: object) -> None:
    what()


def _spoil(route: Route, fault: str, random: Random) -> None:
    """What lasts until the route is calm again."""
    match fault:
        case "partition":
            route.block()
        case "deaf":
            route.block(Way.BACK)
        case "dumb":
            route.block(Way.OUT)
        case "refused":
            route.refused = True
        case "nameless":
            route.nameless = True
        case "certificate":
            route.bad_certificate = True
        case "slow":
            route.least, route.spread = _wide(random, 0.05, 4.0), _wide(random, 0.05, 4.0)
        case "pieces":
            route.fragments = random.random()


def _calm(route: Route) -> None:
    """A route as good as it ever is."""
    route.least, route.spread, route.fragments = 0.001, 0.004, 0.05
    route.heal()


def _options(plan: Plan) -> SimulatorOptions:
    return SimulatorOptions(
        host=ANY_ADDRESS,
        rest_port=API_PORT,
        ws_port=STREAM_PORT,
        seed=plan.seed,
        start=plan.start,
        listings=tuple(replace(each, pace=plan.pace) for each in LISTINGS[:SYMBOLS]),
    )


def _settings(plan: Plan, folder: Path) -> Settings:
    trader = StrategySettings.model_validate(
        {
            "id": "busy",
            "class": "daemon.lab.traders:Busy",
            "instruments": [each.code for each in LISTINGS[:SYMBOLS]],
            "parameters": {"seed": plan.seed, "pause": plan.pause},
        }
    )
    return Settings(
        mode=Mode.SIM,
        app_key=SecretStr(APP_KEY),
        app_secret=SecretStr(APP_SECRET),
        account=ACCOUNT,
        hts_id=HTS_ID,
        data_dir=folder,
        shared_root=folder / "shared",
        requests_per_second=10,
        strategies=(trader,),
        risk=RiskSettings(
            max_order_quantity=500,
            max_order_notional=Decimal(20_000_000),
            max_position_notional=Decimal(40_000_000),
            price_collar=Decimal("0.05"),
            max_orders_per_minute=120,
            **traders.UNLIMITED,
        ),
    )


@contextmanager
def _overheard(hear: Callable[[str], None]) -> Iterator[None]:
    """Keep what is logged out of the terminal; it belongs to the trace, but not to its hash."""

    def catch(logger: object, level: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
        hear(f"{level} {line}")
        raise structlog.DropEvent

    class Catcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            hear(f"{record.levelname.lower()} {record.name}: {record.getMessage()}")

    before, catcher = structlog.get_config(), Catcher()
    libraries = [logging.getLogger(name) for name in ("aiohttp", "websockets", "asyncio")]
    structlog.configure(processors=[catch])
    for library in libraries:
        library.addHandler(catcher)
        library.propagate = False
    try:
        yield
    finally:
        structlog.configure(**before)
        for library in libraries:
            library.removeHandler(catcher)
            library.propagate = True


def run_seed(seed: int, *, minutes: float) -> Outcome:
    """Live through one seed; `minutes` of faults."""
    outcome, plan = Outcome(seed), Plan.draw(seed)
    digest, lines = sha256(), deque[str](maxlen=KEPT_LINES)

    def trace(line: str) -> None:
        digest.update(line.encode())
        lines.append(line)

    memory = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it
    gc.collect()
    gc.disable()
    try:
        with (
            TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
            _overheard(lambda line: lines.append(f"    {line}")),
        ):
            world = OuterWorld(plan, minutes, Path(folder), outcome)
            run_networked(world.run, seed=seed, trace=trace)
    finally:
        gc.enable()
    outcome.digest = digest.hexdigest()
    outcome.trace = list(lines)
    return outcome


def _figures(outcomes: Sequence[Outcome], took: float) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for outcome in outcomes:
        total.update(outcome.figures)
    hours = sum(each.virtual_seconds for each in outcomes) / 3600
    return {
        "seeds": len(outcomes),
        "violations": sum(len(each.violations) for each in outcomes),
        "virtual_hours": round(hours, 2),
        "seconds": round(took, 1),
        "seconds_an_hour": round(took / hours, 2),
        **dict(sorted(total.items())),
        "most_in_a_second": max(each.figures["most_in_a_second"] for each in outcomes),
        "digest": sha256("".join(each.digest for each in outcomes).encode()).hexdigest(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m daemon.lab.outer", description=__doc__)
    parser.add_argument("--seeds", default="0..2", help="one, or a range such as 0..9")
    parser.add_argument("--minutes", type=float, default=54.0, help="of faults in each seed")
    parser.add_argument("--lines", type=int, default=40, help="of the trace of a broken seed")
    parser.add_argument("--json", action="store_true", help="one line of figures")
    given = parser.parse_args(arguments)
    first, _, last = given.seeds.partition("..")
    began, outcomes = time.perf_counter(), []
    for seed in range(int(first), int(last or first) + 1):
        outcome = run_seed(seed, minutes=given.minutes)
        outcomes.append(outcome)
        for violation in outcome.violations:
            sys.stderr.write(f"seed {seed}: {violation}\n")
        if outcome.violations:
            sys.stderr.write("\n".join(outcome.trace[-given.lines :]) + "\n")
    figures = _figures(outcomes, time.perf_counter() - began)
    shown = orjson.dumps(figures, option=0 if given.json else orjson.OPT_INDENT_2)
    sys.stdout.write(shown.decode() + "\n")
    return 1 if figures["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
