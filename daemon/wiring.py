"""Puts a session with the broker together from settings: clock, locks, sockets, simulator."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import orjson
import structlog

from daemon import log
from daemon import report as reports
from daemon.clock import MarketClock, SimulatedClock, WallClock
from daemon.config import Mode, Settings
from daemon.core.calendar import KST, Calendars, MarketCalendar
from daemon.core.errors import AlreadyRunning, NeedsOperator
from daemon.core.events import AccountReported
from daemon.core.values import AccountId, Currency, Region, code_of
from daemon.engine.routine import BEFORE_OPEN
from daemon.engine.timetable import Job, Occasion
from daemon.kis.codec import Credentials
from daemon.kis.link import HttpTransport, WsTransport
from daemon.kis.listed import Listed
from daemon.kis.masterfiles import MasterFolder
from daemon.kis.masters import HOST as MASTERS_HOST
from daemon.kis.masters import MASTER_FILES
from daemon.kis.rest import KisRest
from daemon.kis.spec import PROFILES, Profile
from daemon.kis.stream import KisFeed
from daemon.kis.transport import AiohttpTransport, WebsocketsTransport
from daemon.ports import AccessToken, Clock, RequestBudget, TokenStore
from daemon.sim.charges import AmericanCharges, Charges
from daemon.sim.options import SimulatorOptions
from daemon.sim.server import SimulatorServer
from daemon.store.locks import FileTokenStore, SharedBudget, SingleInstanceLock
from daemon.store.tape import TapeWriter

ENDPOINT = "simulator.json"
SIM_STATE = "broker.sqlite3"
ASK_SIMULATOR = aiohttp.ClientTimeout(total=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One account at one broker, ready to be used; `broker` and `feed` need their `run`."""

    broker: KisRest
    feed: KisFeed
    clock: Clock
    calendars: Calendars
    tokens: TokenStore
    simulator_url: str | None
    listed: Listed
    """What is known of foreign listings, for the broker and the feed alike."""
    currencies: Sequence[Currency] = (Currency.KRW,)
    simulator: SimulatorServer | None = None
    """The one we brought along, if we did."""
    tape: TapeWriter | None = None
    """What the feed's messages are recorded on, if they are."""

    async def watch(self) -> None:
        """Never return; raise `NeedsOperator` when the simulator we brought along breaks."""
        if self.simulator is not None:
            try:
                await self.simulator.wait_broken()
            except Exception as error:
                cause = str(error) or type(error).__name__
                raise NeedsOperator(f"the built-in simulator broke: {cause}") from error
        await asyncio.Event().wait()

    @property
    def calendar(self) -> MarketCalendar:
        """That of KRX."""
        return self.calendars.of(Region.KR)

    @property
    def token(self) -> AccessToken | None:
        """The access token all processes of this key share, if there is one."""
        return self.tokens.load()

    async def broker_books(
        self, booked: Callable[[AccountReported], AccountReported]
    ) -> tuple[reports.Books, dict[str, Any]]:
        """The broker's own cash, holdings and open orders, and what its door counted.

        A simulator is asked directly; another broker by inquiry, where nobody counts requests
        but we ourselves; `booked` adds what that broker books late. Raises `TradingError`.
        """
        if self.simulator_url is None:
            return await self._books_by_inquiry(booked), {"requests": self.broker.stats.requests}
        books = await _ask(self.simulator_url, "/sim/books")
        door = await _ask(self.simulator_url, "/sim/door")
        account = books["accounts"][self.broker.account_id]
        theirs = reports.Books(
            cash={str(each): str(account["cash_by_currency"][each]) for each in self.currencies},
            positions={code: held for code, held in account["holdings"].items() if held},
            open_orders={
                order["number"].lstrip("0"): order["remaining"] for order in account["open_orders"]
            },
        )
        return theirs, door

    async def _books_by_inquiry(
        self, booked: Callable[[AccountReported], AccountReported]
    ) -> reports.Books:
        account = booked(await self.broker.account())
        orders = await self.broker.orders(self.calendar.local_date(self.clock.now()))
        return reports.Books(
            cash=reports.amounts(account.cash),
            positions={code_of(each.instrument): each.quantity for each in account.holdings},
            open_orders={
                order.refs[-1].number: order.remaining for order in orders if order.remaining
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a session is held: the hosts, the time there, and the folder of what is shared."""

    profile: Profile
    clock: Clock
    folder: Path
    simulator: SimulatorServer | None = None

    def at(self, rest_url: str, ws_url: str) -> "Place":
        """The same place on other hosts."""
        return replace(self, profile=replace(self.profile, rest_url=rest_url, ws_url=ws_url))

    def on(self, server: SimulatorServer) -> "Place":
        """The same place on a simulator of our own."""
        return replace(self, clock=server.clock, simulator=server).at(
            server.rest_url, server.ws_url
        )


@asynccontextmanager
async def open_session(settings: Settings, *, trading: bool) -> AsyncIterator[Session]:
    """Open everything a session needs, and close it again.

    `trading` takes the one right per app key to trade and stream; without it the session may
    only ask. Raises `AlreadyRunning` or `NeedsOperator`.
    """
    async with AsyncExitStack() as stack:
        profile = PROFILES[settings.mode]
        folder = settings.shared_dir
        if trading:
            description = f"{settings.mode} trading of {settings.account}"
            lock = SingleInstanceLock(folder / "daemon.lock", description=description)
            try:
                stack.enter_context(lock)
            except NeedsOperator as error:
                raise AlreadyRunning(str(error)) from error
        place = Place(profile=profile, clock=MarketClock(WallClock()), folder=folder)
        if settings.mode == "sim":
            place = await _simulated(settings, place, stack, trading=trading)
        elif settings.rest_url and settings.ws_url:
            place = place.at(settings.rest_url, settings.ws_url)
        yield await _connect(settings, place, stack, trading=trading)


async def _connect(
    settings: Settings, place: Place, stack: AsyncExitStack, *, trading: bool
) -> Session:
    profile, clock = place.profile, place.clock
    wanted = settings.profile
    profile = replace(
        profile,
        requests_per_second=wanted.requests_per_second,
        registrations=wanted.registrations,
    )
    tokens = FileTokenStore(place.folder)
    budget = SharedBudget(place.folder / "budget", profile.requests_per_second)
    stack.callback(budget.close)
    transport = await stack.enter_async_context(AiohttpTransport(profile.rest_url))
    tape = None
    if trading and settings.tape.enabled:
        folder = settings.data_dir / settings.mode / "tape"
        tape = TapeWriter(folder, settings.tape, name=settings.hts_id)
        stack.enter_context(tape.in_background())
    session = assemble(
        settings,
        profile,
        transport=transport,
        streams=WebsocketsTransport(),
        budget=budget,
        tokens=tokens,
        clock=clock,
        random=SystemRandom(),
        on_secret=log.add_secrets,
        on_raw=None if tape is None else tape.record,
    )
    masters = MasterFolder(settings.masters_dir)
    for region in settings.markets:
        # Reading large ones takes a while, and the tape is running already.
        await asyncio.to_thread(_learn, session.listed, masters, region)
    url = profile.rest_url if settings.mode == "sim" else None
    return replace(session, simulator_url=url, simulator=place.simulator, tape=tape)


def assemble(
    settings: Settings,
    profile: Profile,
    *,
    transport: HttpTransport,
    streams: WsTransport,
    budget: RequestBudget,
    tokens: TokenStore,
    clock: Clock,
    random: Random,
    client: type[KisRest] = KisRest,
    on_secret: Callable[[str], None] = lambda secret: None,
    on_raw: Callable[[str | bytes, datetime], None] | None = None,
) -> Session:
    """A session of the settings' account over these transports, asked by inquiry at its end.

    The parts are the caller's to open and close. A `MarketClock` is set by the heartbeats.
    `on_raw` is given every message of the stream and the instant of its receipt.
    """
    credentials = Credentials(
        app_key=settings.app_key.get_secret_value(),
        app_secret=settings.app_secret.get_secret_value(),
        account=AccountId(settings.account),
        hts_id=settings.hts_id,
    )
    listed = Listed()
    broker = client(
        profile=profile,
        credentials=credentials,
        transport=transport,
        budget=budget,
        tokens=tokens,
        clock=clock,
        random=random,
        on_secret=on_secret,
        regions=settings.markets,
        listed=listed,
    )
    feed = KisFeed(
        profile=profile,
        credentials=credentials,
        transport=streams,
        keys=broker,
        clock=clock,
        random=random,
        regions=settings.markets,
        listed=listed,
        on_raw=on_raw,
        on_server_time=clock.heard if isinstance(clock, MarketClock) else lambda at: None,
    )
    return Session(
        broker=broker,
        feed=feed,
        clock=clock,
        calendars=settings.calendars,
        tokens=tokens,
        simulator_url=None,
        listed=listed,
        currencies=tuple(region.currency for region in settings.markets),
    )


def _learn(listed: Listed, masters: MasterFolder, region: Region) -> None:
    """Let a foreign region's listings be those of the master files that are there.

    At home one exchange lists all.
    """
    if region is not Region.KR:
        files = [each for each in MASTER_FILES if each.market.region is region]
        listed.learn(region, [each.instrument for each in masters.load(files)])


def master_jobs(settings: Settings, listed: Listed, simulator_url: str | None = None) -> list[Job]:
    """Fetch the symbol masters of each market once a day ahead of its open, if that is wanted.

    `listed` learns from them. What cannot be fetched is logged, and the file of the day before
    stays.
    """
    wanted = settings.masters.refresh
    if not (settings.mode is not Mode.SIM if wanted is None else wanted):
        return []
    # Whoever is sent to another host than the broker's is not sent to the broker for these.
    host = simulator_url or settings.rest_url or MASTERS_HOST
    folder = MasterFolder(settings.masters_dir, host=host)

    def job(region: Region) -> Job:
        files = [each for each in MASTER_FILES if each.market.region is region]

        async def refresh(occasion: Occasion) -> None:
            log = structlog.get_logger("masters").bind(region=region)
            try:
                fetched = await folder.update(files)
            except OSError as error:
                log.warning("masters_not_refreshed", cause=str(error))
                return
            await asyncio.to_thread(_learn, listed, folder, region)
            listings = sum(each.listings for each in fetched)
            failed = [each.file for each in fetched if each.problem]
            log.info("masters_refreshed", listings=listings, failed=failed)

        return Job("masters_refreshed", region, BEFORE_OPEN, refresh)

    return [job(region) for region in settings.markets]


async def _simulated(
    settings: Settings, place: Place, stack: AsyncExitStack, *, trading: bool
) -> Place:
    """The simulator to talk to: one named by the settings, one of a daemon, or our own."""
    if settings.rest_url and settings.ws_url:
        clock = await _clock_of(settings.rest_url)
        if clock is None:
            raise NeedsOperator(f"no simulator answers at {settings.rest_url}")
        return replace(place, clock=clock).at(settings.rest_url, settings.ws_url)
    endpoint = place.folder / ENDPOINT
    if trading:
        # The tokens of an earlier simulator died with it.
        FileTokenStore(place.folder).discard()
        server = await _embed(settings, place.folder / SIM_STATE, stack)
        _warn_of_start(settings, server)
        endpoint.write_bytes(
            orjson.dumps({"rest_url": server.rest_url, "ws_url": server.ws_url, "pid": os.getpid()})
        )
        stack.callback(endpoint.unlink, missing_ok=True)
        return place.on(server)
    running = await _running(endpoint)
    if running is not None:
        rest_url, ws_url, clock = running
        return replace(place, clock=clock).at(rest_url, ws_url)
    # Asking must not begin another trading day: it works on a copy of the books.
    folder = Path(stack.enter_context(TemporaryDirectory()))
    state = _copied(place.folder / SIM_STATE, folder / SIM_STATE)
    server = await _embed(settings, state, stack)
    return replace(place, folder=folder).on(server)


async def _embed(settings: Settings, state: Path, stack: AsyncExitStack) -> SimulatorServer:
    """Start our own simulator on the books in `state`, for as long as `stack` is open."""
    sim = settings.sim
    options = SimulatorOptions(
        seed=sim.seed,
        start=sim.start,
        speed=sim.speed,
        cash=sim.cash,
        charges=Charges() if sim.charges else None,
        american_charges=AmericanCharges() if sim.charges else None,
        cash_usd=sim.cash_usd,
        regions=frozenset(settings.markets),
        **closing_days(settings.calendars),
        app_key=settings.app_key.get_secret_value(),
        app_secret=settings.app_secret.get_secret_value(),
        accounts=settings.accounts,
        hts_id=settings.hts_id,
        state=state,
        # Whoever chose a pace above the broker's usual one is to be let through at it.
        rate_limit=max(SimulatorOptions().rate_limit, settings.profile.requests_per_second),
    )
    server = SimulatorServer(options)
    await server.start()
    stack.push_async_callback(server.stop)
    structlog.get_logger("simulator").info(
        "simulator_started",
        rest_url=server.rest_url,
        ws_url=server.ws_url,
        market_time=f"{server.clock.now().isoformat()}",
        speed=sim.speed,
        seed=sim.seed,
    )
    return server


def closing_days(calendars: Calendars) -> dict[str, Any]:
    """Holidays and odd days of the simulated exchanges, by the names of their options."""
    days: dict[str, Any] = {}
    for region, prefix in ((Region.KR, ""), (Region.US, "american_")):
        if region in calendars.by_region:
            calendar = calendars.of(region)
            days[f"{prefix}holidays"] = calendar.holidays
            days[f"{prefix}odd_days"] = calendar.odd_days
    return days


def _warn_of_start(settings: Settings, server: SimulatorServer) -> None:
    """Say it when the books kept in this folder are later than the start that was asked for."""
    wanted, begins = settings.sim.start, server.clock.start
    if wanted is not None and begins > wanted:
        structlog.get_logger("simulator").warning(
            "sim_start_ignored",
            requested=wanted.astimezone(KST).isoformat(),
            market_time=begins.astimezone(KST).isoformat(),
            why="the books in this data folder go on with their next trading day; "
            "another --data-dir begins anew",
        )


def _copied(state: Path, copy: Path) -> Path:
    """A copy of the books as they are, what is still in the write-ahead log included."""
    if state.exists():
        try:
            with closing(sqlite3.connect(state)) as source, closing(sqlite3.connect(copy)) as new:
                source.backup(new)
        except sqlite3.Error as error:
            raise NeedsOperator(f"the simulator's books {state} cannot be read: {error}") from error
    return copy


def _announced(endpoint: Path) -> tuple[str, str] | None:
    """Where a daemon's simulator says it listens."""
    try:
        found = orjson.loads(endpoint.read_bytes())
        return str(found["rest_url"]), str(found["ws_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def _running(endpoint: Path) -> tuple[str, str, SimulatedClock] | None:
    announced = _announced(endpoint)
    if announced is None:
        return None
    rest_url, ws_url = announced
    clock = await _clock_of(rest_url)
    return None if clock is None else (rest_url, ws_url, clock)


async def _clock_of(rest_url: str) -> SimulatedClock | None:
    """The simulator's own clock, rebuilt here; `None` when nobody answers."""
    try:
        told = await _ask(rest_url, "/sim/clock")
        return SimulatedClock(
            datetime.fromisoformat(told["start"]),
            speed=float(told["speed"]),
            origin=float(told["origin"]),
        )
    except (NeedsOperator, KeyError, ValueError, TypeError):
        return None


async def _ask(rest_url: str, path: str) -> Any:
    try:
        async with (
            aiohttp.ClientSession(timeout=ASK_SIMULATOR, trust_env=False) as client,
            client.get(rest_url.rstrip("/") + path) as response,
        ):
            return orjson.loads(await response.read())
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise NeedsOperator(f"the simulator at {rest_url} does not answer: {error}") from error
