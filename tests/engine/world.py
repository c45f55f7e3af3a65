"""A wired desk in virtual time against a paper broker, and what tests say to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from daemon.core.budget import TimeBudget
from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.costs import BrokerTariff, CostCeilings
from daemon.core.events import Event, OrderIntent, OrderKind, TimeInForce
from daemon.core.limits import RiskLimits
from daemon.core.orders import Order
from daemon.core.profit import ProfitBook
from daemon.core.risk import Denied
from daemon.core.switch import SwitchPolicy
from daemon.core.values import Currency, InstrumentId, Region, Side, StrategyId
from daemon.engine.desk import TradingDesk
from daemon.engine.host import StrategySlot
from daemon.engine.ledger import Ledger
from daemon.ports import DaySource
from daemon.strategy import Parameters, Strategy, StrategyContext
from tests.builders import ACCOUNT, HYNIX, LIMITS, SAMSUNG, STRATEGY
from tests.engine.paper import PRICE, MemoryJournal, PaperBroker, PaperFeed
from tests.support import VirtualClock, run_virtual

MONDAY_NINE = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
Script = Callable[[StrategyContext], Coroutine[Any, Any, None]]
Fact = TypeVar("Fact", bound=Event)


class Scripted(Strategy):
    """Runs the coroutine function it is given."""

    def __init__(self, script: Script) -> None:
        super().__init__(Parameters())
        self._script = script

    def anew(self) -> "Scripted":
        return Scripted(self._script)

    async def run(self, context: StrategyContext) -> None:
        await self._script(context)


async def idle(context: StrategyContext) -> None:
    async for _ in context.events():
        pass


@dataclass
class World:
    clock: VirtualClock
    broker: PaperBroker
    feed: PaperFeed
    journal: MemoryJournal
    desk: TradingDesk
    services: asyncio.TaskGroup

    def order(self, number: int = 1) -> Order:
        return list(self.desk.ledger.portfolio.orders.values())[number - 1]

    def facts(self, kind: type[Fact]) -> list[Fact]:
        return [each for each in self.journal.events if isinstance(each, kind)]

    async def submit(self, *intents: OrderIntent) -> tuple[Order | Denied, ...]:
        return await self.desk.executor.submit(intents)

    async def until(self, condition: Callable[[], bool], limit: float = 300.0) -> None:
        """Virtual seconds cost nothing: look every tenth of one."""
        async with asyncio.timeout(limit):
            while not condition():  # noqa: ASYNC110  virtual time
                await asyncio.sleep(0.1)


def all_weekdays(*regions: Region) -> Calendars:
    return Calendars({each: MarketCalendar(region=each) for each in regions})


def wire(
    *strategies: Script,
    clock: VirtualClock,
    broker: PaperBroker,
    journal: MemoryJournal,
    feed: PaperFeed,
    instruments: Sequence[InstrumentId] = (SAMSUNG, HYNIX),
    inquiry_rate: float = 1.0,
    regions: Sequence[Region] = (Region.KR,),
    limits: RiskLimits = LIMITS,
    policy: SwitchPolicy | None = None,
    days: DaySource | None = None,
    calendars: Calendars | None = None,
    budget: TimeBudget | None = None,
    on_quarantine: Literal["cancel", "leave"] = "cancel",
    tariffs: Mapping[Region, BrokerTariff] | None = None,
    profit: ProfitBook | None = None,
) -> TradingDesk:
    """A desk whose strategies are called test, test1, test2 and so on. Nothing runs yet."""
    return TradingDesk(
        broker=broker,
        market_data=broker,
        feed=feed,
        ledger=Ledger(journal, clock.monotonic, profit),
        slots=[
            StrategySlot(
                id=StrategyId("test" if number == 0 else f"test{number}"),
                strategy=Scripted(script),
                instruments=tuple(instruments),
                on_quarantine=on_quarantine,
            )
            for number, script in enumerate(strategies or (idle,))
        ],
        limits=limits,
        calendars=calendars or all_weekdays(*regions),
        ceilings=CostCeilings(tariffs),
        days=days,
        clock=clock,
        inquiry_rate=inquiry_rate,
        policy=policy or SwitchPolicy(),
        budget=budget or TimeBudget(),
        rates={Currency.USD: Decimal(1_400)},
    )


@asynccontextmanager
async def world(
    *strategies: Script,
    journal: MemoryJournal | None = None,
    broker: PaperBroker | None = None,
    start: datetime = MONDAY_NINE,
    must_be_armed: bool = False,
    armed: bool = False,
    accept_broker_books: bool = False,
    inquiry_rate: float = 1.0,
    regions: Sequence[Region] = (Region.KR,),
    limits: RiskLimits = LIMITS,
    policy: SwitchPolicy | None = None,
    days: DaySource | None = None,
    calendars: Calendars | None = None,
    budget: TimeBudget | None = None,
    on_quarantine: Literal["cancel", "leave"] = "cancel",
    tariffs: Mapping[Region, BrokerTariff] | None = None,
    profit: ProfitBook | None = None,
    clock: VirtualClock | None = None,
) -> AsyncIterator[World]:
    """A desk that was started and reconciled, and everything it needs, running.

    Time begins at `start`, unless a `clock` of one's own is given.
    """
    clock = clock or VirtualClock(start)
    broker = broker or PaperBroker(clock)
    broker.clock = clock
    broker.regions = tuple(regions)
    journal = journal or MemoryJournal()
    feed = PaperFeed(broker, clock)
    desk = wire(
        *strategies,
        clock=clock,
        broker=broker,
        journal=journal,
        feed=feed,
        inquiry_rate=inquiry_rate,
        regions=regions,
        limits=limits,
        policy=policy,
        days=days,
        calendars=calendars,
        budget=budget,
        on_quarantine=on_quarantine,
        tariffs=tariffs,
        profit=profit,
    )
    desk.recover(must_be_armed=must_be_armed, armed=armed)
    async with asyncio.TaskGroup() as services:
        tasks = [
            services.create_task(desk.executor.run()),
            services.create_task(feed.run(desk.on_feed)),
            services.create_task(desk.switch.run()),
        ]
        await desk.start(accept_broker_books=accept_broker_books)
        tasks.append(services.create_task(desk.reconciliation.run()))
        tasks.append(services.create_task(desk.keep_house()))
        tasks.append(services.create_task(desk.watch.run()))
        tasks.append(services.create_task(desk.host.run()))
        yield World(clock, broker, feed, journal, desk, services)
        for task in tasks:
            task.cancel()


def wish(
    quantity: int = 10,
    side: Side = Side.BUY,
    instrument: InstrumentId = SAMSUNG,
    limit: Decimal | None = PRICE,
    strategy: StrategyId = STRATEGY,
    time_in_force: TimeInForce = TimeInForce.DAY,
) -> OrderIntent:
    return OrderIntent(
        account=ACCOUNT,
        strategy=strategy,
        instrument=instrument,
        side=side,
        quantity=quantity,
        kind=OrderKind.LIMIT if limit is not None else OrderKind.MARKET,
        limit=limit,
        time_in_force=time_in_force,
    )


def run(scenario: Coroutine[Any, Any, None]) -> None:
    run_virtual(scenario)
