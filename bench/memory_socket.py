"""A stream connection without sockets: the library's own client, fed bytes inside this process.

Ratios between processes scatter with whatever else runs; here one thread does everything and its
processor time can be told to the microsecond.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import patch

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from bench.broker import acknowledgement

READ = 64 * 1024
"""Bytes handed over at once, about what a busy socket gives."""


class MemoryTransport(asyncio.Transport):
    """The client's transport; what it writes is answered as `bench.broker` answers."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self.registrations = 0
        self._server = ServerProtocol()
        self._client: ClientConnection | None = None

    def attach(self, client: ClientConnection) -> None:
        """Be the transport of `client`."""
        self._client = client
        client.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Answer on the next turn of the loop, as a socket would at the earliest."""
        registrations = 0
        self._server.receive_data(bytes(data))
        for event in self._server.events_received():
            if isinstance(event, Request):
                self._server.send_response(self._server.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                given = json.loads(bytes(event.data))["body"]["input"]
                self._server.send_text(acknowledgement(given["tr_id"], given["tr_key"]).encode())
                registrations += 1
        reply = b"".join(self._server.data_to_send())
        asyncio.get_running_loop().call_soon(self._answer, reply, registrations)

    def _answer(self, reply: bytes, registrations: int) -> None:
        self.feed(reply)
        # Counted when it is confirmed: frames fed before would tear the answer apart.
        self.registrations += registrations

    def feed(self, data: bytes) -> None:
        """Bytes have arrived."""
        if self._client is not None and data:
            self._client.data_received(data)

    async def feed_all(self, data: bytes) -> None:
        """Hand everything over in reads, while the client reads; the rest of the loop has turns."""
        for start in range(0, len(data), READ):
            while self.paused:  # noqa: ASYNC110  one turn of the loop, not a wait
                await asyncio.sleep(0)
            self.feed(data[start : start + READ])
            await asyncio.sleep(0)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_reading(self) -> bool:
        return not self.paused

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return default

    def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            asyncio.get_running_loop().call_soon(client.connection_lost, None)

    abort = close


class MemoryNetwork:
    """Stands in for `websockets.asyncio.client.connect`; the latest connection is `transport`."""

    def __init__(self, make: type[MemoryTransport] = MemoryTransport) -> None:
        self.transport = make()
        self._make = make

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the daemon's transport connect here."""
        with patch("daemon.kis.transport.connect", self.connect):
            yield

    async def registered(self, count: int) -> None:
        """Until so many registrations are confirmed."""
        async with asyncio.timeout(10):
            while self.transport.registrations < count:  # noqa: ASYNC110  nothing is measured yet
                await asyncio.sleep(0.005)

    async def connect(self, url: str, **options: Any) -> ClientConnection:
        """A connection whose handshake is done."""
        wrap = cast("type[ClientConnection]", options.get("create_connection", ClientConnection))
        client = wrap(
            ClientProtocol(parse_uri(url), max_size=options.get("max_size", 2**20)),
            ping_interval=None,
            close_timeout=0.01,
            max_queue=options.get("max_queue", 16),
        )
        self.transport = self._make()
        self.transport.attach(client)
        await client.handshake()
        return client
