"""A venue with one daemon's wires to it, for tests that speak over them by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, Literal, TypeVar

from daemon.core.errors import TradingError
from daemon.core.values import OrderId, Side
from daemon.kis.link import HttpRequest, HttpResponse, WsConnection
from daemon.kis.spec import Api
from daemon.lab.loop import Process, run_virtual
from daemon.lab.mix import Fault, FaultMix
from daemon.lab.venue import Venue
from daemon.lab.wires import LabConnection, LabHttp, LabStream, Weather
from daemon.lab.witness import Leaving, Witness
from daemon.sim.facts import OrderRequest
from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID, SimulatorOptions
from tests.builders import SAMSUNG
from tests.sim.rig import BALANCE, DAY_ORDERS, OPEN, QUIET, order_body, registration

T = TypeVar("T")

LATENCY = 0.1
NOTICES = "H0STCNI0"
TRIES = 2_000
OPTIONS = SimulatorOptions(
    start=OPEN,
    listings=QUIET,
    token_interval=0.0,
    rate_limit=1000,
    ping_interval=1e6,
    early_notices=0.0,
)


def harsh(*faults: Fault) -> FaultMix:
    """These faults alone, of the seed that suffers the first of them most often."""
    mixes = (FaultMix(seed, faults) for seed in range(60))
    return max(mixes, key=lambda mix: mix.level(faults[0]) if faults else 0.0)


def signed(token: str, tr_id: str, tr_cont: str = "") -> tuple[tuple[str, str], ...]:
    return (
        ("authorization", f"Bearer {token}"),
        ("appkey", APP_KEY),
        ("appsecret", APP_SECRET),
        ("tr_id", tr_id),
        ("tr_cont", tr_cont),
        ("content-type", "application/json; charset=utf-8"),
        ("custtype", "P"),
    )


def leaving(
    kind: Literal["place", "modify", "cancel"] = "place",
    name: str = "a",
    *,
    limit: int | None = 60_000,
    side: Side = Side.BUY,
    decided_at: datetime = OPEN,
) -> Leaving:
    """A request about an order for Samsung shares."""
    price = None if limit is None else Decimal(limit)
    return Leaving(kind, OrderId(name), SAMSUNG, side, price, decided_at)


class Scene:
    """Everything between a daemon and its broker. Runs on a virtual loop."""

    def __init__(
        self, mix: FaultMix, *, options: SimulatorOptions = OPTIONS, latency: float = LATENCY
    ) -> None:
        self.mix = mix
        self.venue = Venue(options, mix, 1, step=1.0)
        self.patience = 10.0
        self.weather = Weather()
        self.process = Process("daemon")
        self.witness = Witness(
            clock=asyncio.get_running_loop().time, market_time=self.venue.clock.now
        )
        wire = (self.venue, mix, self.weather, self.process, self.witness, Random(5))
        self.http = LabHttp(*wire, base_url="http://lab", latency=latency)
        self.stream = LabStream(*wire, latency=latency)
        self.exchange = self.venue.broker.market.exchange
        self.token = self.venue.broker.keys.issue_token(self.venue.clock.now()).text
        self.venue.start()

    async def send(
        self,
        api: Api,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, str] | None = None,
        going_on: bool = False,
    ) -> HttpResponse:
        request = HttpRequest(
            method=api.method,
            path=api.path,
            headers=signed(self.token, api.real, tr_cont="N" if going_on else ""),
            query=tuple((query or {}).items()),
            body=b"" if body is None else json.dumps(body).encode(),
        )
        return await self.http.send(request, timeout=self.patience)

    async def list_orders(self, after: HttpResponse | None = None) -> HttpResponse:
        """The first page, or the one that follows another."""
        page = {} if after is None else json.loads(after.body)
        cursors = {
            name: page.get(name.lower(), "") for name in ("CTX_AREA_FK100", "CTX_AREA_NK100")
        }
        query = {**DAY_ORDERS, **cursors}
        return await self.send(Api.DAY_ORDERS, query=query, going_on=after is not None)

    async def balance(self) -> HttpResponse:
        return await self.send(Api.BALANCE, query=BALANCE)

    async def place(self, quantity: int = 1, price: int = 60_000) -> HttpResponse:
        """A purchase so cheap that it rests, unless told otherwise; 0 is at market."""
        return await self.send(Api.BUY, body=order_body("005930", quantity, price))

    async def ask_token(self) -> HttpResponse:
        grant = {"grant_type": "client_credentials", "appkey": APP_KEY, "appsecret": APP_SECRET}
        return await self.send(Api.TOKEN, body=grant)

    def by_hand(self, quantity: int = 1, price: int | None = 60_000) -> int:
        """The account holder buys in the app; the order's number."""
        request = OrderRequest(
            account=ACCOUNT,
            code="005930",
            side=Side.BUY,
            quantity=quantity,
            price=None if price is None else Decimal(price),
            division="01" if price is None else "00",
            branch="06010",
            origin="HTS",
        )
        clock = self.venue.clock
        number = self.venue.broker.place_by_hand(request, clock.now(), clock.monotonic())
        self.venue.by_hand.append(number)
        self.venue.wake()
        return number

    def taken(self) -> bool:
        """Whether somebody has the app key's one place at the stream."""
        return self.venue.broker.stream.holder is not None

    async def until_struck(
        self,
        fault: Fault,
        ask: Callable[[], Coroutine[Any, Any, T]],
        *,
        enough: Callable[[T | TradingError], bool] = lambda answer: True,
    ) -> T | TradingError:
        """Ask until the fault has struck, and as hard as is `enough`; the answer to that."""
        for _ in range(TRIES):
            before = self.mix.struck[fault]
            answer: T | TradingError
            try:
                answer = await ask()
            except TradingError as error:
                answer = error
            if self.mix.struck[fault] > before and enough(answer):
                return answer
        raise AssertionError(f"{fault} did not strike in {TRIES} tries")

    async def register(self, connection: WsConnection, tr_id: str, key: str) -> None:
        approval = self.venue.broker.keys.issue_approval(self.venue.clock.now())
        await connection.send(registration(approval, tr_id, key))

    @asynccontextmanager
    async def listening(self, *, notices: bool = True) -> AsyncIterator["Ear"]:
        """A stream connection with somebody at it, registered for notices."""
        async with self.stream.connect("ws://lab") as connection:
            assert isinstance(connection, LabConnection)
            ear = Ear(connection)
            ear.task = asyncio.get_running_loop().create_task(connection.deliver(ear.hear))
            try:
                if notices:
                    await self.register(connection, NOTICES, HTS_ID)
                    await asyncio.sleep(4 * LATENCY)
                yield ear
            finally:
                ear.task.cancel()
                await asyncio.gather(ear.task, return_exceptions=True)


@dataclass
class Ear:
    """What came over a stream connection, and when."""

    connection: LabConnection
    frames: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    task: "asyncio.Task[None]" = field(init=False)

    def hear(self, frame: str | bytes) -> None:
        assert isinstance(frame, str)
        self.frames.append(frame)
        self.times.append(asyncio.get_running_loop().time())

    def forget(self) -> None:
        self.frames.clear()
        self.times.clear()


def play(script: Callable[[Scene], Coroutine[Any, Any, None]], *faults: Fault) -> None:
    """Run a script with these faults and no others."""

    async def main() -> None:
        await script(Scene(harsh(*faults)))

    run_virtual(main())
