"""From the command to silence: `uv run python bench/kill_switch.py`.

The whole daemon trades on its built-in simulator over real sockets, with a journal on the disk.
Some orders rest at the broker and hundreds wait for their turn when the command to halt comes.
Counted are the orders that still leave, those that the simulator still takes because they had left
before, and the time until every cancel has left, beside what the broker's cap allows for as many
requests. Prints one JSON line; times are milliseconds.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import figures
from bench.rig import quiet
from daemon.app import App
from daemon.config import Settings, load_settings
from daemon.core.calendar import RoundingWay, round_to_step, shift_steps
from daemon.core.events import (
    Actor,
    CancelSent,
    EmergencyReported,
    Event,
    OrderAccepted,
    OrderSent,
    TradingState,
)
from daemon.core.orders import OrderState
from daemon.core.switch import Command
from daemon.engine.desk import TradingDesk
from daemon.sim.exchange import Exchange
from daemon.sim.facts import Action
from daemon.sim.options import ACCOUNT
from daemon.strategy import Strategy, StrategyContext
from daemon.wiring import Session, open_session

ROOT = Path(__file__).parents[1]
RATE = 20
TARGETS = {"orders_sent_after": 0, "cancels_to_floor": 1.5}
LIMITS = {
    "max_order_quantity": 10,
    "max_order_notional": 10**9,
    "max_position_notional": 10**10,
    "price_collar": 0.3,
    "max_orders_per_minute": 10**6,
    "max_strategy_exposure": None,
    "max_account_exposure": None,
    "max_open_orders": None,
    "max_strategy_open_orders": None,
    "max_orders_per_second": None,
    "max_orders_per_day": None,
    "max_daily_loss": None,
    "max_drawdown": None,
    "duplicate_window_seconds": 0,
}


class Flood(Strategy):
    """Leaves some bids at the broker, and asks for far more at once."""

    resting: ClassVar[int]
    waiting: ClassVar[int]

    async def run(self, context: StrategyContext) -> None:
        """Until it is stopped."""
        [instrument] = context.instruments
        last = context.last_price(instrument)
        assert last is not None, "prices are known before strategies start"
        limit = shift_steps(round_to_step(last, RoundingWay.DOWN), -50)

        # What waits for some seconds is given up: a second's worth at a time comes to rest.
        for count in (*[RATE] * (self.resting // RATE), self.waiting):
            bids = [context.buy(instrument, 1, limit=limit, reason="flood") for _ in range(count)]
            await context.submit(*bids)


class Ear:
    """When which fact was recorded, since the command."""

    def __init__(self) -> None:
        self.told: list[tuple[float, Event]] = []
        self.quiet = asyncio.Event()

    def on_fact(self, event: Event) -> None:
        """Remember it."""
        self.told.append((asyncio.get_running_loop().time(), event))
        if isinstance(event, EmergencyReported) and not event.left:
            self.quiet.set()

    def times(self, kind: type[Event], since: float) -> list[float]:
        """Milliseconds from `since` to every fact of a kind."""
        return [(at - since) * 1_000 for at, event in self.told if isinstance(event, kind)]


def settings_in(folder: Path) -> Settings:
    """The simulator's settings, with one strategy that floods."""
    flood = {"id": "flood", "class": f"{__name__}:Flood", "instruments": ["005930"]}
    (folder / "bench.yaml").write_bytes(orjson.dumps({"strategies": [flood], "risk": LIMITS}))
    overrides = {
        "data_dir": str(folder),
        "config": str(folder / "bench.yaml"),
        "requests_per_second": RATE,
        "sim.speed": 1.0,
    }
    return load_settings("sim", overrides, environ={}, root=ROOT)


async def loaded(app: App) -> TradingDesk:
    """The desk, once bids rest and the queue is full."""

    def ready() -> bool:
        if app.desk is None:
            return False
        states = [order.state for order in app.desk.ledger.portfolio.open_orders()]
        working = states.count(OrderState.WORKING)
        return working >= Flood.resting and states.count(OrderState.CREATED) > Flood.waiting // 2

    async with asyncio.timeout(60):
        while not ready():  # noqa: ASYNC110  nobody tells, and nothing is measured yet
            await asyncio.sleep(0.01)
    assert app.desk is not None, "it was ready"
    return app.desk


def placed(exchange: Exchange) -> int:
    """How many new orders of ours the exchange has taken so far."""
    ours = [each for each in exchange.orders.values() if each.request.account == ACCOUNT]
    return sum(each.action is Action.NEW for each in ours)


async def once(folder: Path) -> dict[str, float]:
    """One daemon, one command."""
    sessions: list[Session] = []

    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[Session]:
        async with open_session(settings, trading=True) as session:
            sessions.append(session)
            yield session

    app, stop = App(settings_in(folder), open_session=opened), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(app.run(stop))
        desk = await loaded(app)
        ear, loop = Ear(), asyncio.get_running_loop()
        desk.ledger.listen(ear.on_fact)
        simulator = sessions[0].simulator
        assert simulator is not None, "it was brought along"
        orders = desk.ledger.portfolio.open_orders()
        states = [order.state for order in orders]
        exchange = simulator.broker.market.exchange
        taken, began = placed(exchange), loop.time()
        app.execute(Command(state=TradingState.HALTED, who=Actor.OPERATOR, reason="bench"))
        returned = loop.time()
        async with asyncio.timeout(60):
            await ear.quiet.wait()
        silent = loop.time()
        cancels = ear.times(CancelSent, began)
        still_taken = placed(exchange) - taken
        stop.set()
    return {
        "waiting": states.count(OrderState.CREATED),
        "in_flight": states.count(OrderState.SENT),
        "command_ms": (returned - began) * 1_000,
        "orders_sent_after": len(ear.times(OrderSent, began)),
        "last_reply_ms": max(ear.times(OrderAccepted, began), default=0.0),
        "accepted_after": still_taken,
        "cancels": len(cancels),
        "cancels_sent_ms": max(cancels, default=0.0),
        "floor_ms": len(cancels) / RATE * 1_000,
        "verified_ms": (silent - began) * 1_000,
    }


def main() -> int:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once, few orders: shape, no figures")
    options = parser.parse_args()
    Flood.resting, Flood.waiting, repeats = (RATE, 40, 1) if options.quick else (3 * RATE, 800, 5)
    # The strategy is loaded by its module's name: as this module, and not as another.
    sys.modules.setdefault(__name__, sys.modules["__main__"])
    quiet()
    runs = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name, contextlib.suppress(KeyboardInterrupt):
            runs.append(asyncio.run(once(Path(name))))
    told = {key: figures.middle([run[key] for run in runs]) for key in runs[0]}
    worst = max(run["orders_sent_after"] for run in runs)
    ratios = [run["cancels_sent_ms"] / run["floor_ms"] for run in runs]
    told["cancels_to_floor"] = figures.middle(ratios)
    return figures.say(
        {
            "bench": "kill_switch",
            "runs": repeats,
            **told,
            "orders_sent_after": worst,
            "targets": TARGETS,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
