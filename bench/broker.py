"""The broker's side of a bench, in a process of its own: a bare stream server and a bare HTTP one.

Run by `bench.rig.BrokerProcess`, which writes one JSON command a line and reads one JSON answer
a line. It speaks the broker's frames and replies but keeps no books. Frames are written to the
socket as bytes made beforehand, many at a time, so that the reader is the slower side. Times are
nanoseconds of the machine's monotonic clock, the same in every process.
"""

import asyncio
import contextlib
import json
import struct
import sys
import time
from collections.abc import Iterable
from typing import Any, cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

NOTICES, TRADES, BOOKS = "H0STCNI0", "H0STCNT0", "H0STASP0"
KEY, IV = "abcdefghijklmnopabcdefghijklmnop", "0123456789abcdef"
ACCOUNT = "1234567801"
RECORD = (
    "{code}^{time}^{price}^2^1350^1.91^71690.50^71000^72300^70600^72000^71900^{quantity}^{volume}"
    "^595403999350^21115^28170^7055^136.06^3060313^4163762^5^0.51^29.46^090014^2^950^090708^5^-350"
    "^090030^2^1350^20250730^20^N^93994^113056^1668973^822214^0.14^10584139^78.47^0^^71000"
)
"""A captured record of 46 columns; what changes from trade to trade is left open."""
FILL = (
    "htsid001^{account}^{number}^^{side}^0^00^0^{code}^{quantity}^{price}^101507^0^2^2^06010"
    "^000000010^TESTER^000000000^1^Y^^10^^NAME^{price}"
)
CHUNK = 64
PATIENCE = 30.0
CODES = tuple(f"{number:06}" for number in range(5930, 5970))
DECISIVE = 72_000
"""KRW: no other frame carries this price."""


def trade(number: int, *, codes: int = 1, price: int | None = None) -> str:
    """Trade frame `number`, its number being the day's volume; prices and seconds vary."""
    second = number // 50 % 19_800
    clock = f"{9 + second // 3600:02}{second // 60 % 60:02}{second % 60:02}"
    record = RECORD.format(
        code=CODES[number % codes],
        time=clock,
        price=price or 70_000 + number * 7 % 15 * 100,
        quantity=1 + number % 90,
        volume=number,
    )
    return f"0|{TRADES}|001|{record}"


def wire(texts: Iterable[str]) -> bytes:
    """Text messages as a server puts them on the wire: whole and without a mask."""
    pieces = []
    for text in texts:
        data = text.encode()
        size = len(data)
        length = struct.pack("!B", size) if size < 126 else struct.pack("!BH", 126, size)
        pieces.append(b"\x81" + length + data)
    return b"".join(pieces)


def acknowledgement(channel: str, key: str) -> str:
    """The answer to a registration."""
    output = {"iv": IV, "key": KEY}
    body = {"rt_cd": "0", "msg_cd": "OPSP0000", "msg1": "SUBSCRIBE SUCCESS", "output": output}
    return json.dumps({"header": {"tr_id": channel, "tr_key": key, "encrypt": "N"}, "body": body})


class Orders(asyncio.Protocol):
    """A minimal HTTP/1.1 server: notes when the last byte of each request arrived, and answers."""

    def __init__(self, book: "Book") -> None:
        self._book = book
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        at = time.monotonic_ns()
        self._pending += data
        while True:
            head, blank, rest = self._pending.partition(b"\r\n\r\n")
            if not blank:
                return
            size = 0
            for line in head.split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    size = int(value)
            if len(rest) < size:
                return
            self._pending = rest[size:]
            self._transport.write(self._book.answer(head, rest[:size], at))


class Book:
    """What arrived, and what is said to it."""

    def __init__(self) -> None:
        self.arrivals: list[int] = []
        self.bodies: list[bytes] = []
        self.wanted = 0
        self.enough = asyncio.Event()
        self._number = 0

    def expect(self, orders: int) -> None:
        """Begin to count anew."""
        self.arrivals, self.bodies, self.wanted = [], [], orders
        self.enough.clear()

    def answer(self, head: bytes, body: bytes, at: int) -> bytes:
        """A reply to an order, or to a request for the stream's key."""
        reply: dict[str, Any]
        if b"/oauth2/Approval" in head:
            reply = {"approval_key": "bench-approval-key"}
        else:
            self._number += 1
            output = {"KRX_FWDG_ORD_ORGNO": "06010", "ODNO": f"{self._number:010}"}
            reply = {"rt_cd": "0", "msg_cd": "APBK0013", "msg1": "OK", "output": output}
            self.arrivals.append(at)
            self.bodies.append(body)
            if len(self.arrivals) >= self.wanted:
                self.enough.set()
        text = json.dumps(reply).encode()
        kind = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
        return kind + str(len(text)).encode() + b"\r\n\r\n" + text

    def fills(self) -> list[str]:
        """A notice of each order's execution, so that nothing stays open."""
        told = []
        for offset, body in enumerate(self.bodies):
            if not body.startswith(b"{"):
                continue
            order = json.loads(body)
            number = self._number - len(self.bodies) + 1 + offset
            notice = FILL.format(
                account=ACCOUNT,
                number=f"{number:010}",
                side="02" if order.get("SLL_TYPE") == "" else "01",
                code=order["PDNO"],
                quantity=order["ORD_QTY"],
                price=order["ORD_UNPR"],
            )
            told.append(f"0|{NOTICES}|001|{notice}")
        return told


class Broker:
    """Serves whoever connected last, and does what the commands say."""

    def __init__(self) -> None:
        self.book = Book()
        self._client: ServerConnection | None = None
        self._pace = 0
        self._sent = 0
        self._blasts: dict[tuple[int, int], list[tuple[bytes, int]]] = {}
        self._registered = asyncio.Event()
        self._registrations = 0

    async def stream(self, client: ServerConnection) -> None:
        """Confirm every registration; whatever else is said is a client that makes none."""
        self._client = client
        self._registrations = 0
        self._registered.clear()
        with contextlib.suppress(ConnectionClosed):
            async for text in client:
                assert isinstance(text, str), "clients write texts"
                if text.startswith("{"):
                    given = json.loads(text)["body"]["input"]
                    await client.send(acknowledgement(given["tr_id"], given["tr_key"]))
                    self._registrations += 1
                self._registered.set()
        if self._client is client:
            # Commands wait for the next one.
            self._client = None
            self._registered.clear()

    async def command(self, told: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command."""
        match told.pop("do"):
            case "blast":
                return await self._blast(**told)
            case "expect":
                # Whoever is connected is about to go: the next commands are for the next one.
                self._client = None
                self._registered.clear()
                return {}
            case "pace":
                self._pace = told["rate"]
                return {}
            case "stream":
                return await self._steady(**told)
            case "decide":
                return await self._decide(**told)
        raise ValueError("an unknown command")

    async def registered(self, count: int) -> ServerConnection:
        """The client, once it made `count` registrations, or said anything for 0."""
        async with asyncio.timeout(PATIENCE):
            while not self._registered.is_set() or self._registrations < count:  # noqa: ASYNC110  polled, before anything is measured
                await asyncio.sleep(0.005)
        assert self._client is not None, "it has registered"
        return self._client

    def _chunks(self, frames: int, codes: int) -> list[tuple[bytes, int]]:
        """The frames 1 to `frames` in pieces; made once, since it takes longer than sending."""
        key = frames, codes
        if key not in self._blasts:
            self._blasts[key] = [
                (wire(trade(n, codes=codes) for n in range(first, last)), last - first)
                for first in range(1, frames + 1, CHUNK)
                for last in (min(first + CHUNK, frames + 1),)
            ]
        return self._blasts[key]

    async def _blast(self, frames: int, codes: int, registrations: int) -> dict[str, Any]:
        """Send frames as fast as the reader takes them."""
        chunks = self._chunks(frames, codes)
        client = await self.registered(registrations)
        started = time.monotonic_ns()
        for chunk, _ in chunks:
            client.transport.write(chunk)
            await client.drain()
        return {"started": started, "ended": time.monotonic_ns()}

    async def _steady(
        self, frames: int, rate: int, codes: int, registrations: int
    ) -> dict[str, Any]:
        """Send frames at `rate` a second, every millisecond what is due."""
        client = await self.registered(registrations)
        started, sent = time.monotonic(), 0
        while sent < frames:
            due = min(int((time.monotonic() - started) * rate) + 1, frames)
            if due > sent:
                numbers = range(sent + 1, due + 1)
                client.transport.write(wire(trade(n, codes=codes) for n in numbers))
                sent = due
            await asyncio.sleep(0.001)
        return {"started": int(started * 1e9)}

    async def background(self) -> None:
        """Send to whoever is connected at the pace that was commanded, for ever."""
        frames = [wire([trade(n)]) for n in range(1, 5001)]
        at, credit = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            credit, at = min(credit + (now - at) * self._pace, 100.0), now
            if self._client is None or not self._pace:
                credit = 0.0
                continue
            for _ in range(int(credit)):
                self._sent += 1
                self._client.transport.write(frames[self._sent % len(frames)])
            credit -= int(credit)

    async def _decide(self, orders: int, registrations: int) -> dict[str, Any]:
        """Send the decisive frame and wait for the orders; then tell that they were executed."""
        client = await self.registered(registrations)
        self.book.expect(orders)
        frame = wire([trade(1, price=DECISIVE)])
        written = time.monotonic_ns()
        client.transport.write(frame)
        async with asyncio.timeout(10):
            await self.book.enough.wait()
        arrivals = self.book.arrivals[:orders]
        # The reply must be read before the fill is told, or it would be of an unknown order.
        await asyncio.sleep(0.003)
        if registrations:
            client.transport.write(wire(self.book.fills()))
        return {"written": written, "arrivals": arrivals}


async def main() -> None:
    loop = asyncio.get_running_loop()
    broker = Broker()
    stream = await serve(
        broker.stream, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None
    )
    door = await loop.create_server(lambda: Orders(broker.book), "127.0.0.1", 0)
    ports = [next(iter(each.sockets)).getsockname()[1] for each in (stream, door)]
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    background = loop.create_task(broker.background())
    sys.stdout.write(json.dumps({"stream": ports[0], "door": ports[1]}) + "\n")
    sys.stdout.flush()
    while line := await reader.readline():
        sys.stdout.write(json.dumps(await broker.command(json.loads(line))) + "\n")
        sys.stdout.flush()
    background.cancel()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
