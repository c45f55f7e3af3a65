"""What the tests of the client share: samples, an in-memory door and stream, a token store."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from daemon.core.events import OrderCreated, OrderIntent, OrderKind, TimeInForce
from daemon.core.orders import Order, create
from daemon.core.ratelimit import TokenBucket
from daemon.core.values import AccountId, BrokerRef, InstrumentId, OrderId, Region, Side, StrategyId
from daemon.core.witness import BrokerOrder
from daemon.kis.codec import Credentials
from daemon.kis.link import ConnectionLost, HttpRequest, HttpResponse, WsConnection
from daemon.kis.orderlist import OrderList
from daemon.kis.pump import Patience
from daemon.kis.replies import Row
from daemon.kis.rest import KisRest
from daemon.kis.spec import SIM, Profile
from daemon.ports import AccessToken
from tests.support import EPOCH, VirtualClock

FRAMES = Path(__file__).parent / "frames"
ACCOUNT = AccountId("12345678-01")
SAMSUNG = InstrumentId("krx:005930")
CREDENTIALS = Credentials(
    app_key="APPKEY36", app_secret="APPSECRET180", account=ACCOUNT, hts_id="htsid001"
)
KEY, IV = "abcdefghijklmnopabcdefghijklmnop", "0123456789abcdef"


def sample(kind: str, name: str) -> dict[str, Any]:
    """A stored sample: `kind` is ws or rest."""
    loaded: dict[str, Any] = json.loads((FRAMES / kind / f"{name}.json").read_text())
    return loaded


def frame(name: str) -> str:
    """The text of a stream message, or of an unsealed frame around a stored notice."""
    stored = sample("ws", name)
    if "frame" in stored:
        return str(stored["frame"])
    return f"0|{stored['tr_id']}|001|{stored['plaintext']}"


def sealed(channel: str, plain: str) -> str:
    """A frame of one row sealed with `KEY` and `IV`."""
    data = plain.encode()
    data += bytes((16 - len(data) % 16,)) * (16 - len(data) % 16)
    sealer = Cipher(algorithms.AES(KEY.encode()), modes.CBC(IV.encode())).encryptor()
    return f"1|{channel}|001|{b64encode(sealer.update(data) + sealer.finalize()).decode()}"


def reply(name: str) -> HttpResponse:
    """A stored HTTP reply."""
    stored = sample("rest", name)
    return response(stored["body"], stored["http_status"], **stored["response_headers"])


def response(body: object, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(status=status, headers=dict(headers), body=orjson.dumps(body))


def fold_orders(rows: Iterable[Row]) -> Sequence[BrokerOrder]:
    """The orders of a daily list of one page."""
    listed = OrderList()
    listed.add(rows)
    return listed.orders()


def make_order(
    *,
    side: Side = Side.BUY,
    quantity: int = 10,
    limit: Decimal | None = Decimal(71900),
    time_in_force: TimeInForce = TimeInForce.DAY,
    account: AccountId = ACCOUNT,
    number: str | None = None,
) -> Order:
    intent = OrderIntent(
        account=account,
        strategy=StrategyId("test"),
        instrument=SAMSUNG,
        side=side,
        quantity=quantity,
        kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
        limit=limit,
        time_in_force=time_in_force,
    )
    order = create(OrderCreated(order=OrderId("20260710-0001"), intent=intent, at=EPOCH))
    if number is None:
        return order
    ref = BrokerRef(day=EPOCH.date(), branch="06010", number=number)
    return Order(
        **{name: getattr(order, name) for name in Order.__slots__ if name != "refs"}, refs=(ref,)
    )


class MemoryTokens:
    """A `TokenStore` that several clients of one test may share."""

    def __init__(self, token: AccessToken | None = None) -> None:
        self.token = token
        self.saves = 0
        self.held = False

    def load(self) -> AccessToken | None:
        return self.token

    def save(self, token: AccessToken) -> None:
        self.token = token
        self.saves += 1

    def issuing(self) -> "MemoryTokens":
        return self

    def acquire(self) -> bool:
        if self.held:
            return False
        self.held = True
        return True

    def release(self) -> None:
        self.held = False


def good_token(value: str = "token-1") -> AccessToken:
    return AccessToken(value, EPOCH + timedelta(hours=24), EPOCH - timedelta(minutes=1))


Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]


class MemoryDoor:
    """An `HttpTransport`: answers with a function, keeps what arrived and when."""

    def __init__(
        self,
        answer: Callable[[HttpRequest], HttpResponse | BaseException],
        *,
        random: Random | None = None,
        jitter: float = 0.0,
        base_url: str = SIM.rest_url,
    ) -> None:
        self._answer = answer
        self._random = random or Random(1)
        self._jitter = jitter
        self._base_url = base_url
        self.requests: list[HttpRequest] = []
        self.arrivals: list[float] = []

    @property
    def base_url(self) -> str:
        return self._base_url

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
        await asyncio.sleep(self._random.uniform(0, self._jitter))
        self.arrivals.append(asyncio.get_running_loop().time())
        self.requests.append(request)
        answer = self._answer(request)
        await asyncio.sleep(self._random.uniform(0, self._jitter))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def paths(self) -> list[str]:
        return [request.path.rsplit("/", 1)[-1] for request in self.requests]


def make_client(
    door: MemoryDoor,
    *,
    tokens: MemoryTokens | None = None,
    capacity: int = 10,
    profile: Profile = SIM,
    patience: Patience | None = None,
    regions: Sequence[Region] = (Region.KR,),
    start: datetime = EPOCH,
) -> KisRest:
    return KisRest(
        profile=profile,
        credentials=CREDENTIALS,
        transport=door,
        budget=TokenBucket(capacity),
        tokens=tokens if tokens is not None else MemoryTokens(good_token()),
        clock=VirtualClock(start),
        random=Random(7),
        patience=patience,
        regions=regions,
    )


@asynccontextmanager
async def running(client: KisRest) -> AsyncIterator[KisRest]:
    """The client with its tasks, stopped at the end."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(client.run())
    await asyncio.sleep(0)
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class MemoryStream:
    """A `WsTransport`: each connection is played by a coroutine of the test."""

    def __init__(self, *plays: Callable[["MemoryConnection"], Awaitable[None]]) -> None:
        self._plays = list(plays)
        self.urls: list[str] = []
        self.opened_at: list[float] = []

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[WsConnection]:
        loop = asyncio.get_running_loop()
        self.urls.append(url)
        self.opened_at.append(loop.time())
        if not self._plays:
            raise ConnectionLost("nobody answers")
        connection = MemoryConnection()
        play = loop.create_task(self._play(self._plays.pop(0), connection))
        try:
            yield connection
        finally:
            play.cancel()
            await asyncio.gather(play, return_exceptions=True)

    async def _play(
        self, play: Callable[["MemoryConnection"], Awaitable[None]], connection: "MemoryConnection"
    ) -> None:
        await play(connection)
        connection.close()


class MemoryConnection:
    """Both ends of one stream connection."""

    def __init__(self) -> None:
        self._down: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._up: asyncio.Queue[str] = asyncio.Queue()
        self.pongs: list[bytes] = []

    async def deliver(self, on_frame: Callable[[str | bytes], None]) -> None:
        while True:
            message = await self._down.get()
            if message is None:
                raise ConnectionLost("closed")
            on_frame(message)

    async def send(self, text: str) -> None:
        self._up.put_nowait(text)

    async def pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def push(self, message: str | bytes) -> None:
        """The server sends."""
        self._down.put_nowait(message)

    def close(self) -> None:
        """The server hangs up."""
        self._down.put_nowait(None)

    async def request(self) -> tuple[str, str, str]:
        """The next registration request the server reads: tr_type, channel and key."""
        message = json.loads(await self._up.get())
        given = message["body"]["input"]
        return message["header"]["tr_type"], given["tr_id"], given["tr_key"]

    async def text(self) -> str:
        return await self._up.get()

    def acknowledge(self, channel: str, key: str, *, code: str = "OPSP0000") -> None:
        self.push(ack(channel, key, code=code))


def ack(channel: str, key: str, *, code: str = "OPSP0000", keys: bool = True) -> str:
    body: dict[str, Any] = {"rt_cd": "0", "msg_cd": code, "msg1": "TEXT"}
    if keys:
        body["output"] = {"iv": IV, "key": KEY}
    return json.dumps({"header": {"tr_id": channel, "tr_key": key, "encrypt": "N"}, "body": body})
