"""An in-memory internet for real clients and servers on one virtual loop, with faults by name.

aiohttp and websockets run on it unchanged: names are looked up, connections made, bytes carried,
late and in pieces, and lost in every way that a network has. One seed decides all of it.
"""

import asyncio
import errno
import random
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from functools import partial
from random import Random
from typing import Any, TypeVar, cast

import aiohttp.connector

from daemon.lab.loop import Process, VirtualLoop
from daemon.lab.sockets import End, Fibre, Transport, Way

T = TypeVar("T")

ANY_ADDRESS = "0.0.0.0"  # noqa: S104  nothing is bound: it stands for every address of the lab
FIRST_PORT = 40_000
LINGER = 10.0
"""Seconds a kernel goes on trying to deliver what was written to a connection then closed.

A real one may try for minutes. The daemon takes an order for lost 15 s after its answer was
overdue: bytes that arrive later than that are the risk no client of this broker can remove.
"""

Address = tuple[str, int]


class Route:
    """The way to one named host, and all that may be wrong with it; everything can be set.

    `least` and `spread` are the seconds a piece of data travels; `fragments` how likely a
    write is cut into several pieces. `heal` ends what lasts, not what is broken for good.
    """

    def __init__(self, loop: "NetworkLoop", name: str) -> None:
        self.name = name
        self._loop = loop
        self.least = 0.001
        self.spread = 0.004
        self.fragments = 0.0
        self.refused = False
        self.nameless = False
        self.bad_certificate = False
        self._blocked: set[Way] = set()
        self._cut: set[Way] = set()
        self._opened = asyncio.Event()

    def travel(self) -> float:
        """How long the next piece of data is on its way."""
        return self.least + self.spread * self._loop.random.random()

    def blocks(self, way: Way) -> bool:
        """Whether nothing passes in this direction."""
        return way in self._blocked

    async def passed(self, way: Way) -> None:
        """Take the way once, however long it is blocked."""
        await asyncio.sleep(self.travel())
        while self.blocks(way):
            self._opened.clear()
            await self._opened.wait()
            await asyncio.sleep(self.travel())

    def block(self, *ways: Way) -> None:
        """Park everything sent in these directions, both if none is named, until healed."""
        self._blocked.update(ways or Way)
        self._loop.note(f"{self.name} blocked {sorted(way.value for way in self._blocked)}")

    def heal(self) -> None:
        """End the blockade and the refusals; what was parked is delivered."""
        self.refused = self.nameless = self.bad_certificate = False
        self._cut.clear()
        self._blocked.clear()
        self._opened.set()
        self._loop.note(f"{self.name} healed")
        for fibre in self.fibres():
            fibre.unpark()

    def fibres(self) -> list[Fibre]:
        """The connections over this route that are not over yet, oldest first."""
        return [each for each in self._loop.fibres.values() if each.route is self]

    def reset(self) -> None:
        """Break every connection: what is on its way is lost, and each side hears of it later."""
        for fibre in self.fibres():
            fibre.reset()

    def hush(self) -> None:
        """Let every connection fall silent for good, with nobody told: half-open."""
        for fibre in self.fibres():
            fibre.hush()

    def cut_next(self, way: Way) -> None:
        """Deliver only a part of the next data in this direction, then break the connection."""
        self._cut.add(way)

    def takes_cut(self, way: Way) -> bool:
        """Whether this is the data to be cut; asked once each."""
        found = way in self._cut
        self._cut.discard(way)
        return found


class _Listener:
    """What `Server.sockets` shows: where a server listens, and who is called."""

    def __init__(
        self, address: Address, factory: Callable[[], asyncio.BaseProtocol], context: Context
    ) -> None:
        self.address = address
        self.factory = factory
        self.context = context

    def getsockname(self) -> Address:
        return self.address


class NetworkServer(asyncio.AbstractServer):
    """What `create_server` returns."""

    def __init__(self, loop: "NetworkLoop", listener: _Listener) -> None:
        self._loop = loop
        self.sockets: tuple[_Listener, ...] = (listener,)

    def close(self) -> None:
        """Take no more connections; those there are live on."""
        for listener in self.sockets:
            self._loop.listeners.pop(listener.address, None)
        self.sockets = ()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop it listens on."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether it takes connections."""
        return bool(self.sockets)

    async def start_serving(self) -> None:
        """It does so from the beginning."""

    async def serve_forever(self) -> None:
        """Until cancelled."""
        await asyncio.Event().wait()

    async def wait_closed(self) -> None:
        """Closing takes no time."""


class _Future(asyncio.Future[Any]):
    """A future whose place in a set depends on when it was made: aiohttp keeps some in sets."""

    order: int = 0

    def __hash__(self) -> int:
        return self.order


class NetworkLoop(VirtualLoop):
    """A virtual loop with a network: `route(name)` is how to get at the faults of a host.

    `trace` is told of every event on the wire. Delivery runs in the receiver's context, so that
    bytes for a dead process fall to the ground and its own last bytes still arrive.
    """

    def __init__(
        self, seed: int | str = 0, trace: Callable[[str], None] = lambda line: None
    ) -> None:
        super().__init__()
        self.random = Random(f"{seed}:network")  # noqa: S311  a play, not a secret
        self.trace = trace
        self.fibres: dict[int, Fibre] = {}
        self.listeners: dict[Address, _Listener] = {}
        self.linger = LINGER
        self.silent_deaths = 0.0
        """How likely a killed process takes its machine with it."""
        self.world = copy_context()
        self._routes: dict[str, Route] = {}
        self._names: dict[str, str] = {}
        self._watched: list[Process] = []
        self._connections = 0
        self._next_port = FIRST_PORT

    def note(self, what: str) -> None:
        """Tell the trace."""
        self.trace(f"{self.time():.6f} {what}")

    def route(self, name: str) -> Route:
        """The way to the host of this name; the first mention brings the host into being."""
        if name not in self._routes:
            self._routes[name] = Route(self, name)
            self._names[f"10.0.0.{len(self._routes)}"] = name
        return self._routes[name]

    def create_future(self) -> asyncio.Future[Any]:
        """A future with a hash that is the same on every run."""
        future = _Future(loop=self)
        self._made += 1
        future.order = self._made
        return future

    async def getaddrinfo(  # type: ignore[override]
        self, host: str, port: int, **hints: int
    ) -> list[tuple[int, int, int, str, Address]]:
        """Look up a name, or fail as a resolver does."""
        if host in self._names:
            address = host
        else:
            await asyncio.sleep(0.001 + 0.01 * self.random.random())
            route = self._routes.get(host)
            if route is None:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            if route.nameless:
                self.note(f"{host} has no name")
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            address = next(ip for ip, name in self._names.items() if name == host)
        kind = socket.SOCK_STREAM
        return [(socket.AF_INET, kind, socket.IPPROTO_TCP, "", (address, port))]

    def open_socket(self, info: object = None) -> socket.socket:
        """An unconnected socket; a `socket_factory` for aiohttp's connector."""
        return cast("socket.socket", End(self, copy_context()))

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket of ours; raises `ConnectionRefusedError` when nobody listens."""
        end = cast("End", sock)
        ip, port = address
        route = self.route(self._names[ip])
        await route.passed(Way.OUT)
        listener = self.listeners.get((ip, port)) or self.listeners.get((ANY_ADDRESS, port))
        if listener is None or route.refused:
            await route.passed(Way.BACK)
            self.note(f"{route.name}:{port} refused")
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")
        self._connections += 1
        fibre = Fibre(self, route, self._connections, end, End(self, listener.context.copy()))
        self.fibres[fibre.number] = fibre
        self.note(f"#{fibre.number} to {route.name}:{port}")
        self._watch(end)
        end.peername, fibre.server.sockname = (ip, port), (ip, port)
        end.sockname = fibre.server.peername = ("10.1.0.1", FIRST_PORT + self._connections)
        self.call_soon(self._accept, fibre.server, listener, context=fibre.server.context)
        await route.passed(Way.BACK)

    def _watch(self, end: End) -> None:
        """Know when the process that connects is killed."""
        process = end.process
        if process is not None and process not in self._watched:
            self._watched.append(process)
            process.on_death.append(partial(self._bereave, process))

    def _bereave(self, process: Process) -> None:
        """Let go of a killed process's connections as its kernel does, or as its machine."""
        silent = self.random.random() < self.silent_deaths
        self._watched.remove(process)
        for fibre in [each for each in self.fibres.values() if each.client.process is process]:
            fibre.bereave(silent=silent)

    def _accept(self, end: End, listener: _Listener) -> None:
        protocol = listener.factory()
        protocol.connection_made(end.attach(protocol, None))

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: object = None,
        sock: socket.socket | None = None,
        server_hostname: str | None = None,
        **options: object,
    ) -> tuple[Transport, asyncio.BaseProtocol]:
        """As any loop does it; with `ssl`, a handshake that encrypts nothing but can fail."""
        if sock is None:
            infos = await self.getaddrinfo(host or "", port or 0)
            sock = self.open_socket()
            try:
                await self.sock_connect(sock, infos[0][4])
            except BaseException:
                sock.close()
                raise
        end = cast("End", sock)
        try:
            if ssl:
                await self._shake_hands(end)
            if end.error is not None:
                raise end.error
        except BaseException:
            end.close()
            raise
        protocol = protocol_factory()
        transport = end.attach(protocol, ssl or None)
        protocol.connection_made(transport)
        return transport, protocol

    async def _shake_hands(self, end: End) -> None:
        route = end.fibre.route
        await route.passed(Way.OUT)
        await route.passed(Way.BACK)
        if route.bad_certificate:
            self.note(f"#{end.fibre.number} bad certificate")
            raise ssl.SSLCertVerificationError(1, "certificate verify failed: wrong host name")

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **options: object,
    ) -> NetworkServer:
        """Listen at a host's address, or at all of them."""
        if not port:
            self._next_port += 1
            port = self._next_port
        where = ANY_ADDRESS if host in (None, "", ANY_ADDRESS) else str(host)
        if where != ANY_ADDRESS:
            where = (await self.getaddrinfo(where, port))[0][4][0]
        if (where, port) in self.listeners:
            raise OSError(errno.EADDRINUSE, f"address {where}:{port} is in use")
        listener = _Listener((where, port), protocol_factory, copy_context())
        self.listeners[listener.address] = listener
        return NetworkServer(self, listener)


@contextmanager
def virtual_libraries(loop: asyncio.AbstractEventLoop, seed: int | str) -> Iterator[None]:
    """Have aiohttp read the loop's clock, and what libraries draw follow from the seed."""
    connector: Any = aiohttp.connector
    before, state = connector.monotonic, random.getstate()
    connector.monotonic = loop.time
    random.seed(f"{seed}:libraries")
    try:
        yield
    finally:
        connector.monotonic = before
        random.setstate(state)


def run_networked(
    main: Callable[[NetworkLoop], Coroutine[Any, Any, T]],
    *,
    seed: int | str = 0,
    trace: Callable[[str], None] = lambda line: None,
) -> T:
    """Run `main(loop)` to its end in virtual time on a network of its own."""
    with asyncio.Runner(loop_factory=lambda: NetworkLoop(seed, trace)) as runner:
        loop = cast("NetworkLoop", runner.get_loop())
        with virtual_libraries(loop, seed), suppress(asyncio.CancelledError):
            return runner.run(main(loop))
    raise AssertionError("the run was cancelled")
