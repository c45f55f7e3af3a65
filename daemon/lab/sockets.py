"""Connections of the in-memory network: their two ends, the bytes between, asyncio's view of them.

Modelled on what a kernel does, since that is what programs are written against: bytes keep
their order, arrive in other pieces than they were written in, still arrive after the writer has
closed or died, and stop arriving without a word.
"""

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Iterable
from contextvars import Context
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from daemon.lab.loop import current_process

if TYPE_CHECKING:
    from daemon.lab.network import NetworkLoop, Route

WINDOW = 128 * 1024
"""Bytes that two kernels hold before the writer's own buffer begins to fill."""
SEGMENT = 64 * 1024
"""The most bytes that arrive at once."""
LATE_NEWS = 3.0
"""Seconds by which one side may hear later than the other that a connection broke."""


class Way(Enum):
    """The two directions of a connection."""

    OUT = "out"
    """From the one who connected."""
    BACK = "back"


class End:
    """One side of a connection; stands in for a `socket.socket` until there is a transport."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, loop: "NetworkLoop", context: Context) -> None:
        self.loop = loop
        self.context = context
        self.process = context.copy().run(current_process)
        self.fibre: Fibre
        self.way = Way.OUT
        self.peername: tuple[str, int] = ("", 0)
        self.sockname: tuple[str, int] = ("", 0)
        self.transport: Transport | None = None
        self.received: deque[bytes | None] = deque()
        self.closed = False
        self.error: OSError | None = None
        self.connected = False

    @property
    def alive(self) -> bool:
        """Whether the process it belongs to is there to use it."""
        return self.process is None or self.process.alive

    def setblocking(self, flag: bool) -> None:
        """Nothing here ever blocks."""

    def close(self) -> None:
        """What was written still arrives, then the end does."""
        if not self.closed and self.alive:
            self.shut()

    def shut(self) -> None:
        """Close it as the kernel does, for a process that did or can no longer."""
        self.closed = True
        if self.connected:
            self.fibre.pipes[self.way].close()
            self.fibre.end_if_done()

    def attach(self, protocol: asyncio.BaseProtocol, tls: object) -> "Transport":
        """Give it a transport; what arrived before is handed over soon."""
        self.transport = Transport(self, protocol, tls)
        self.loop.call_soon(self.hand_over, context=self.context)
        return self.transport

    def receive(self, piece: bytes | None) -> None:
        """Data has arrived, or the end of it."""
        if self.closed:
            if piece:
                self.fibre.refuse(self)
            return
        self.received.append(piece)
        self.hand_over()

    def hand_over(self) -> None:
        """Pass on what has arrived, if the program reads."""
        transport = self.transport
        while self.received and transport is not None and transport.is_reading():
            piece = self.received.popleft()
            if piece is None:
                transport.hear_end()
            else:
                self.fibre.pipe_into(self).read(len(piece))
                transport.hear(piece)

    def break_off(self) -> None:
        """The connection is gone, and this side learns of it now."""
        if self.closed:
            return
        self.closed = True
        self.received.clear()
        self.error = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        self.fibre.end_if_done()
        if self.transport is not None:
            self.transport.lose(self.error)


class _Pipe:
    """One direction of a connection."""

    def __init__(self, fibre: "Fibre", way: Way, source: End, into: End) -> None:
        self.unread = 0
        self.finished = False
        self._fibre = fibre
        self._way = way
        self._source = source
        self._into = into
        self._clear_at = 0.0
        self._parked: list[bytes | None] = []
        self._flushing = False
        self._abandoned = False

    def send(self, data: bytes) -> None:
        """Put bytes on their way, perhaps in pieces."""
        if self.finished or not data:
            return
        self.unread += len(data)
        random, route = self._fibre.loop.random, self._fibre.route
        cuts = list(range(SEGMENT, len(data), SEGMENT))
        if len(data) > 1 and route.fragments and random.random() < route.fragments:
            cuts += [random.randrange(1, len(data)) for _ in range(random.randint(1, 3))]
        cuts.sort()
        for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
            if start < stop:
                self._put(data[start:stop])

    def close(self) -> None:
        """The writer is done; what cannot be delivered within a while never will be."""
        if not self.finished:
            self.finished = True
            self._put(None)
            loop = self._fibre.loop
            loop.call_later(loop.linger, self.abandon, context=loop.world.copy())

    def abandon(self) -> None:
        """Nobody sends again what has not arrived."""
        self.finished = self._abandoned = True
        self._parked.clear()

    def read(self, count: int) -> None:
        """The receiving program took `count` bytes; a writer waiting for that goes on."""
        self.unread -= count
        writer = self._source.transport
        if writer is not None and writer.is_held_up:
            self._fibre.loop.call_soon(writer.go_on, context=self._source.context)

    def unpark(self) -> None:
        """The way is open again: what was parked arrives in one piece."""
        if self._parked and not self._flushing:
            self._flushing = True
            self._schedule(self._flush)

    def _put(self, piece: bytes | None) -> None:
        self._schedule(partial(self._arrive, piece))

    def _schedule(self, what: Any) -> None:
        loop = self._fibre.loop
        self._clear_at = max(self._clear_at, loop.time() + self._fibre.route.travel())
        loop.call_at(self._clear_at, what, context=self._into.context)

    def _arrive(self, piece: bytes | None) -> None:
        fibre = self._fibre
        if fibre.is_gone:
            return
        if self._parked or fibre.route.blocks(self._way):
            if not self._abandoned:
                self._parked.append(piece)
            return
        if piece is None:
            fibre.note(f"{self._way.value} end")
        else:
            fibre.note(f"{self._way.value} {len(piece)}")
            if fibre.route.takes_cut(self._way):
                piece = piece[: fibre.loop.random.randrange(len(piece))]
                fibre.reset()
                if not piece:
                    return
        self._into.receive(piece)

    def _flush(self) -> None:
        self._flushing = False
        if self._fibre.route.blocks(self._way):
            return
        pieces, self._parked = self._parked, []
        data = b"".join(piece for piece in pieces if piece is not None)
        if data:
            self._arrive(data)
        if None in pieces:
            self._arrive(None)


class Fibre:
    """A connection: two ends and the two pipes between them."""

    def __init__(
        self, loop: "NetworkLoop", route: "Route", number: int, client: End, server: End
    ) -> None:
        self.loop = loop
        self.route = route
        self.number = number
        self.client = client
        self.server = server
        self.is_gone = False
        client.way, server.way = Way.OUT, Way.BACK
        self.pipes = {
            Way.OUT: _Pipe(self, Way.OUT, client, server),
            Way.BACK: _Pipe(self, Way.BACK, server, client),
        }
        for end in (client, server):
            end.fibre = self
            end.connected = True

    def note(self, what: str) -> None:
        """Tell the trace."""
        self.loop.note(f"#{self.number} {what}")

    def pipe_into(self, end: End) -> _Pipe:
        """The direction that leads to this end."""
        return self.pipes[Way.BACK if end is self.client else Way.OUT]

    def reset(self) -> None:
        """Lose what is on its way and tell both sides, one perhaps much later."""
        if self.is_gone:
            return
        self.note("reset")
        self.is_gone = True
        random = self.loop.random
        late = LATE_NEWS * random.random() if random.random() < 0.5 else 0.0
        delays = [self.route.travel(), self.route.travel() + late]
        random.shuffle(delays)
        for end, delay in zip((self.client, self.server), delays, strict=True):
            self.loop.call_later(delay, end.break_off, context=end.context)

    def refuse(self, end: End) -> None:
        """A side that has closed is still sent data: its kernel says so to the sender."""
        other = self.server if end is self.client else self.client
        if not self.route.blocks(end.way):
            delay = self.route.travel()
            self.loop.call_later(delay, other.break_off, context=other.context)

    def hush(self) -> None:
        """From now on nothing arrives, in either direction, and nobody is told."""
        if not self.is_gone:
            self.note("hushed")
            self.is_gone = True

    def bereave(self, *, silent: bool) -> None:
        """The process of the client side was killed."""
        self.note("dies silently" if silent else "dies")
        if silent:
            self.client.closed = True
            self.pipes[Way.OUT].abandon()
        else:
            self.client.shut()

    def unpark(self) -> None:
        """Deliver what a blockade held back."""
        for pipe in self.pipes.values():
            pipe.unpark()

    def end_if_done(self) -> None:
        """Forget the connection once both sides have closed it."""
        if self.client.closed and self.server.closed:
            self.loop.fibres.pop(self.number, None)


class Transport(asyncio.Transport):
    """An end as asyncio's protocols use it. In a process killed meanwhile it does nothing."""

    def __init__(self, end: End, protocol: asyncio.BaseProtocol, tls: object) -> None:
        extra: dict[str, Any] = {"peername": end.peername, "sockname": end.sockname}
        super().__init__(extra if tls is None else {**extra, "sslcontext": tls})
        self.is_held_up = False
        self._end = end
        self._protocol: Any = protocol
        self._reading = True
        self._closing = False
        self._high = 64 * 1024
        self._low = 16 * 1024

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    # Reading

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._end.loop.call_soon(self._end.hand_over, context=self._end.context)

    def hear(self, data: bytes) -> None:
        """Data has arrived."""
        self._protocol.data_received(data)

    def hear_end(self) -> None:
        """The other side has closed."""
        if not self._protocol.eof_received():
            self.close()

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not self._end.alive:
            return
        self._end.fibre.pipes[self._end.way].send(bytes(data))
        if not self.is_held_up and self.get_write_buffer_size() > self._high:
            self.is_held_up = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return self.get_extra_info("sslcontext") is None

    def write_eof(self) -> None:
        if not self._closing and self._end.alive:
            self._end.fibre.pipes[self._end.way].close()

    def go_on(self) -> None:
        """Some of what was written has been read."""
        if self.is_held_up and self.get_write_buffer_size() <= self._low:
            self.is_held_up = False
            self._protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else 64 * 1024
        self._low = low if low is not None else self._high // 4

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return max(0, self._end.fibre.pipes[self._end.way].unread - WINDOW)

    # Ending

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._end.alive:
            self._end.close()
            lost, context = self._protocol.connection_lost, self._end.context
            self._end.loop.call_soon(lost, None, context=context)

    def abort(self) -> None:
        self.close()

    def lose(self, error: OSError) -> None:
        """The connection broke."""
        if not self._closing:
            self._closing = True
            self._protocol.connection_lost(error)
