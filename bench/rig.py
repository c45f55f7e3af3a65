"""The daemon's own parts put together for a bench, and a handle on the broker's side.

Everything between the socket and a strategy's coroutine is what production runs; what is left out
is the start-up, whose inquiries would need a broker that keeps books.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from bench.broker import ACCOUNT as ACCOUNT_DIGITS
from bench.broker import CODES
from daemon import log
from daemon.clock import MarketClock, WallClock
from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.costs import CostCeilings
from daemon.core.events import AccountReported, Event
from daemon.core.limits import RiskLimits
from daemon.core.values import TRADES, AccountId, Currency, InstrumentId, Region, StrategyId
from daemon.engine.desk import TradingDesk
from daemon.engine.gate import Shutter
from daemon.engine.host import StrategySlot
from daemon.engine.ledger import Ledger
from daemon.kis.codec import Credentials
from daemon.kis.link import HttpTransport, WsTransport
from daemon.kis.rest import KisRest
from daemon.kis.spec import SIM, Profile
from daemon.kis.stream import KisFeed
from daemon.ports import AccessToken, Checkpoint, Clock, FeedEvent, Journal, RequestBudget
from daemon.store.locks import FileTokenStore
from daemon.strategy import Parameters, Strategy, StrategyContext

CREDENTIALS = Credentials(
    app_key="APPKEY36",
    app_secret="APPSECRET180",
    account=AccountId(f"{ACCOUNT_DIGITS[:8]}-{ACCOUNT_DIGITS[8:]}"),
    hts_id="htsid001",
)
LIMITS = RiskLimits(
    max_order_quantity=1_000,
    max_order_notional=Decimal(10**12),
    max_position_notional=Decimal(10**13),
    price_collar=Decimal("0.30"),
    max_orders_per_minute=10**9,
)
INSTRUMENTS = tuple(InstrumentId(f"krx:{code}") for code in CODES)
MORNING = datetime(2026, 7, 6, 1, 0, tzinfo=UTC)
"""Ten on a Monday in Seoul: the market is open."""


class BrokerProcess:
    """`bench.broker` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, ports: dict[str, int]) -> None:
        self._process = process
        self.stream_url = f"ws://127.0.0.1:{ports['stream']}"
        self.door_url = f"http://127.0.0.1:{ports['door']}"

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["BrokerProcess"]:
        """Start it, and end it at the end of the context."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.broker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        assert process.stdout is not None, "it is a pipe"
        try:
            yield cls(process, json.loads(await process.stdout.readline()))
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def do(self, command: str, **details: object) -> dict[str, Any]:
        """Have one command carried out."""
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        self._process.stdin.write(json.dumps({"do": command, **details}).encode() + b"\n")
        answer = await self._process.stdout.readline()
        assert answer, "the broker's side has died"
        told: dict[str, Any] = json.loads(answer)
        return told


class TradingHours:
    """The machine's clock, moved to when the market is open."""

    known = False
    sure_since = float("-inf")

    def __init__(self) -> None:
        self._machine = WallClock()
        self._lead = MORNING - self._machine.now()
        self.monotonic = self._machine.monotonic

    def now(self) -> datetime:
        """Aware UTC."""
        return self._machine.now() + self._lead


def market_clock() -> MarketClock:
    """The clock of production, after its first heartbeat."""
    clock = MarketClock(TradingHours())
    clock.heard(clock.now().replace(microsecond=0))
    return clock


class MemoryJournal:
    """A journal without a disk: what is left of the path when the commit is taken out."""

    def append(self, events: Sequence[Event]) -> None:
        """Forget them."""

    def replay(self) -> Sequence[Event]:
        """There are none."""
        return ()

    def probe(self) -> None:
        """It takes everything."""

    def checkpoint(self) -> None:
        """There is none."""

    def compact(self, checkpoint: Checkpoint) -> None:
        """It is as short as can be."""


class Scripted(Strategy):
    """Runs a coroutine function."""

    def __init__(self, script: Callable[[StrategyContext], Any]) -> None:
        super().__init__(Parameters())
        self._script = script

    async def run(self, context: StrategyContext) -> None:
        await self._script(context)


Script = Callable[[StrategyContext], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A desk that trades, its feed and its broker."""

    desk: TradingDesk
    feed: KisFeed
    broker: KisRest
    registrations: int
    """How many the broker's side must confirm before frames make sense."""


class Quiet:
    """Where log lines go: they are made, and not kept."""

    def write(self, text: str, /) -> None:
        """Forget it."""

    def flush(self) -> None:
        """Nothing is kept."""

    def isatty(self) -> bool:
        """Lines are made for machines."""
        return False


def quiet() -> None:
    """Log as production does, to nowhere."""
    log.configure(level="info", format="json", stream=Quiet())


def _broker(
    profile: Profile, folder: Path, clock: Clock, transport: HttpTransport, budget: RequestBudget
) -> KisRest:
    """The client over HTTP, with a token that lasts."""
    tokens, now = FileTokenStore(folder), clock.now()
    tokens.save(AccessToken("bench-token", now + timedelta(hours=12), now))
    return KisRest(
        profile=profile,
        credentials=CREDENTIALS,
        transport=transport,
        budget=budget,
        tokens=tokens,
        clock=clock,
        random=Random(1),
    )


def _desk(
    broker: KisRest,
    feed: KisFeed,
    clock: Clock,
    journal: Journal,
    scripts: Sequence[Script],
    instruments: tuple[InstrumentId, ...],
) -> TradingDesk:
    """A desk whose books are open."""
    desk = TradingDesk(
        broker=broker,
        market_data=broker,
        feed=feed,
        ledger=Ledger(journal),
        slots=[
            StrategySlot(
                id=StrategyId(f"bench{number}"),
                strategy=Scripted(script),
                instruments=instruments,
                channels=(TRADES,),
            )
            for number, script in enumerate(scripts)
        ],
        limits=LIMITS,
        calendars=Calendars({Region.KR: MarketCalendar()}),
        ceilings=CostCeilings(),
        clock=clock,
    )
    for slot in desk.host.slots:
        desk.watch.want(slot.id, slot.interests)
    account, cash = broker.account_id, Decimal(10**12)
    told = AccountReported(account=account, cash={Currency.KRW: cash}, holdings=(), at=clock.now())
    desk.reconciliation.take_over([told])
    return desk


@asynccontextmanager
async def rig(
    scripts: Sequence[Script],
    *,
    folder: Path,
    transport: HttpTransport,
    streams: WsTransport,
    budget: RequestBudget,
    stream_url: str = "ws://127.0.0.1:1",
    journal: Journal | None = None,
    codes: int = 1,
    tap: Callable[[FeedEvent], None] | None = None,
) -> AsyncIterator[Rig]:
    """The daemon from socket to strategies, one strategy a script, with open books and gate.

    `tap` is told every event before the desk is.
    """
    clock = market_clock()
    profile = replace(SIM, rest_url=transport.base_url, ws_url=stream_url, registrations=1 + codes)
    broker = _broker(profile, folder, clock, transport, budget)
    feed = KisFeed(
        profile=profile,
        credentials=CREDENTIALS,
        transport=streams,
        keys=broker,
        clock=clock,
        random=Random(1),
    )
    instruments = INSTRUMENTS[:codes]
    desk = _desk(broker, feed, clock, journal or MemoryJournal(), scripts, instruments)

    def tapped(event: FeedEvent) -> None:
        if tap is not None:
            tap(event)
        desk.on_feed(event)

    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [
            group.create_task(broker.run()),
            group.create_task(desk.executor.run()),
            group.create_task(desk.host.run()),
            group.create_task(feed.run(desk.on_feed if tap is None else tapped)),
        ]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while not feed.is_up:  # noqa: ASYNC110  nobody tells, and nothing is measured yet
                await asyncio.sleep(0.002)
        desk.gate.open(Shutter.STREAM)
        yield Rig(desk=desk, feed=feed, broker=broker, registrations=1 + codes)
        for _ in range(2):
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
