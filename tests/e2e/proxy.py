"""A TCP proxy between a daemon and its broker that breaks connections, from a seed.

It knows nothing of HTTP but where a request begins, so that it can count their density itself.
"""

import asyncio
import socket
import struct
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing sends a reset instead of a goodbye."""

_CHUNK = 65536


class Fault(StrEnum):
    """What may happen to a connection once its plan's bytes have passed."""

    CUT = "cut"
    RESET = "reset"
    FREEZE = "freeze"
    DELAY = "delay"


class Way(StrEnum):
    """Towards the broker, or towards the daemon."""

    UP = "up"
    DOWN = "down"


@dataclass(slots=True)
class Plan:
    """`fault` strikes when `left` more bytes have passed `way`; a freeze or delay has a length."""

    fault: Fault
    way: Way
    left: int
    seconds: float


class _Broken(Exception):
    """The plan of this connection has come true."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(eq=False, slots=True)
class _Link:
    """One connection of the daemon and its counterpart to the broker."""

    ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    plan: Plan | None = None
    healed: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, fault: Fault) -> None:
        for writer in self.ends:
            if fault is not Fault.CUT:
                raw = writer.get_extra_info("socket")
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                writer.transport.abort()
            else:
                writer.close()


@dataclass(slots=True)
class Density:
    """The most requests that came to us within any one second, the simulator's own paths aside."""

    most: int = 0
    total: int = 0
    _times: deque[float] = field(default_factory=deque)

    def look(self, data: bytes, now: float) -> None:
        if not data.startswith((b"GET ", b"POST ")) or b" /sim/" in data[:12]:
            return
        self.total += 1
        self._times.append(now)
        while now - self._times[0] >= 1.0:
            self._times.popleft()
        self.most = max(self.most, len(self._times))


class Proxy:
    """Passes bytes faithfully, until `unleash`; and again after `heal`.

    `reach` is how many bytes may pass one way, at most, before a fault strikes there, `lengths`
    between how many seconds freezes and delays last. `counts` holds what was really done.
    """

    def __init__(
        self,
        target: tuple[str, int],
        random: Random,
        *,
        reach: dict[Way, int],
        lengths: dict[Fault, tuple[float, float]],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.density = Density()
        self.port = 0
        self._target = target
        self._random = random
        self._reach = reach
        self._lengths = lengths
        self._wild = False
        self._struck = 0
        self._news = asyncio.Condition()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen on a free port, and later on the same one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Listen no more: who comes now is turned away by the kernel."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def unleash(self) -> None:
        """Give every connection, also those that are open, a fault that is to come."""
        self._wild = True
        for link in self._links:
            # Upwards an open stream is nearly silent: nothing would ever strike there.
            link.plan = self._draw(Way.DOWN)

    async def struck(self, times: int) -> None:
        """Wait until that many faults came true."""
        async with self._news:
            await self._news.wait_for(lambda: self._struck >= times)

    def heal(self) -> None:
        """No more faults. What stands frozen is reset, as its peer would find out one day."""
        self._wild = False
        for link in self._links:
            link.plan = None
            link.healed.set()

    async def trouble(self, *, apart: tuple[float, float], lasting: tuple[float, float]) -> None:
        """Turn everybody new away, now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._random.uniform(*apart))
            self.refuse()
            self.counts["refused for a while"] += 1
            try:
                await asyncio.sleep(self._random.uniform(*lasting))
            finally:
                await self.open()

    def close(self) -> None:
        self.refuse()
        for link in list(self._links):
            link.end(Fault.RESET)

    def _draw(self, way: Way | None = None) -> Plan:
        random = self._random
        fault = random.choices(tuple(Fault), weights=(3, 3, 1, 2))[0]
        way = way or random.choice(tuple(Way))
        # Half of the faults strike early, where requests and replies begin.
        reach = self._reach[way] if random.random() < 0.5 else self._reach[way] // 16
        return Plan(
            fault=fault,
            way=way,
            left=random.randint(0, reach),
            seconds=random.uniform(*self._lengths.get(fault, (0.0, 0.0))),
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link((writer, up_writer), self._draw() if self._wild else None)
        self._links.add(link)
        self.counts["connections"] += 1
        fault = Fault.CUT
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(link, Way.UP, reader, up_writer))
                pumps.create_task(self._pump(link, Way.DOWN, up_reader, writer))
        except BaseExceptionGroup as group:
            broken, rest = group.split(_Broken)
            if broken is not None:
                first = broken.exceptions[0]
                fault = first.fault if isinstance(first, _Broken) else Fault.RESET
            if rest is not None and rest.split((OSError, EOFError))[1] is not None:
                raise
        finally:
            self._links.discard(link)
            link.end(fault)

    async def _pump(
        self,
        link: _Link,
        way: Way,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(_CHUNK):
            if way is Way.UP:
                self.density.look(data, loop.time())
            plan = link.plan
            if plan is not None and plan.way is way:
                if len(data) > plan.left:
                    data = await self._strike(link, plan, data, writer)
                else:
                    plan.left -= len(data)
            elif plan is not None and plan.fault is Fault.FREEZE and plan.left < 0:
                await self._hold(link, plan)
            writer.write(data)
            await writer.drain()
        raise EOFError

    async def _strike(
        self, link: _Link, plan: Plan, data: bytes, writer: asyncio.StreamWriter
    ) -> bytes:
        """Let the fault happen in the middle of `data`; returns what is still to be passed."""
        writer.write(data[: plan.left])
        rest, plan.left = data[plan.left :], -1
        await writer.drain()
        self.counts[f"{plan.fault} {plan.way}"] += 1
        async with self._news:
            self._struck += 1
            self._news.notify_all()
        if plan.fault is Fault.FREEZE:
            await self._hold(link, plan)
        if plan.fault is not Fault.DELAY:
            raise _Broken(plan.fault)
        with suppress(TimeoutError):
            async with asyncio.timeout(plan.seconds):
                await link.healed.wait()
        link.plan = self._draw(Way.DOWN) if self._wild else None
        return rest

    async def _hold(self, link: _Link, plan: Plan) -> None:
        """Pass nothing and say nothing, and in the end break."""
        with suppress(TimeoutError):
            async with asyncio.timeout(plan.seconds):
                await link.healed.wait()
        raise _Broken(Fault.RESET)


def address_of(url: str) -> tuple[str, int]:
    """Host and port of an address of the simulator."""
    host, _, port = url.partition("://")[2].partition(":")
    return host, int(port.partition("/")[0])


@asynccontextmanager
async def opened(proxy: Proxy) -> AsyncIterator[Proxy]:
    await proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()
