"""The daemon's wires inside a world: its own transport ports, in memory, with faults on the way."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from daemon.core.errors import OutcomeUnknown
from daemon.core.values import Region
from daemon.kis.link import (
    ConnectionLost,
    HttpRequest,
    HttpResponse,
    NoAnswer,
    NotSent,
    WsConnection,
)
from daemon.lab.loop import Killed, Process
from daemon.lab.mix import Fault, FaultMix
from daemon.lab.venue import Line, Venue
from daemon.lab.witness import Leaving, Witness
from daemon.sim import mischief
from daemon.sim.replies import WireReply, WireRequest


@dataclass
class Weather:
    """What holds for a while: written by the world, felt by every wire."""

    outage_until: float = 0.0
    token_refused_until: float = 0.0


class LabHttp:
    """`HttpTransport` to a venue. `tag` says which order the next request is about."""

    def __init__(
        self,
        venue: Venue,
        mix: FaultMix,
        weather: Weather,
        process: Process,
        witness: Witness,
        random: Random,
        *,
        base_url: str,
        latency: float,
    ) -> None:
        self.base_url = base_url
        self.tag: Leaving | None = None
        self._venue = venue
        self._mix = mix
        self._weather = weather
        self._process = process
        self._witness = witness
        self._random = random
        self._latency = latency
        self._delivered: dict[str, HttpResponse] = {}
        self._list_began: dict[Region, float] = {}

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
        """See `HttpTransport.send`."""
        tag, self.tag = self.tag, None
        if not self._process.alive:
            raise Killed
        now = self._venue.clock.monotonic()
        if now < self._weather.outage_until or self._strikes(Fault.CONNECTION_REFUSED):
            self._witness.not_sent(tag)
            await asyncio.sleep(self._delay())
            raise NotSent("no connection: ConnectionRefusedError")
        wire = WireRequest(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers=dict(request.headers),
            body=request.body,
        )
        self._witness.left(self._process, tag, wire, now)
        answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        reset = self._strikes(Fault.CONNECTION_RESET)
        if not self._strikes(Fault.REQUEST_LOST):
            # What was on its way when a connection broke arrives soon or never.
            late = 0.0 if reset else self._late(Fault.REQUEST_LATE)
            self._venue.later(self._delay() + late, self._arrive, wire, tag, answer, now)
        if reset:
            after = self._mix.reach(Fault.CONNECTION_RESET, self._random)
            self._venue.later(self._delay() + after, _break, answer)
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout:g} s") from None
        finally:
            answer.cancel()

    def _arrive(
        self,
        request: WireRequest,
        tag: Leaving | None,
        answer: asyncio.Future[HttpResponse],
        asked: float,
    ) -> None:
        """The request is at the broker's door."""
        self._venue.knock()
        reply, due = self._treated(request, tag)
        delay = due - self._venue.clock.monotonic() + self._delay()
        if self._strikes(Fault.REPLY_LOST):
            return
        delay += self._late(Fault.REPLY_LATE)
        self._venue.later(delay, self._deliver, request, reply, answer, asked)

    def _treated(self, request: WireRequest, tag: Leaving | None) -> tuple[WireReply, float]:
        """The broker's reply, or what something between it and the door made of it."""
        now = self._venue.clock.monotonic()
        if self._strikes(Fault.RATE_REFUSED):
            return mischief.too_many_requests(), now
        if self._strikes(Fault.SERVER_ERROR):
            return mischief.server_error(self._random), now
        if mischief.is_token(request) and now < self._weather.token_refused_until:
            return mischief.token_too_soon(), now
        reply, due = self._venue.answer(request, lag=self._lag(request))
        if tag is not None and mischief.is_order(request):
            self._witness.reached(tag, reply.order, mischief.is_confirmed(reply))
        return self._damaged(request, reply), due

    def _lag(self, request: WireRequest) -> float:
        for fault, concerned in (
            (Fault.LIST_LAGS, mischief.is_order_list),
            (Fault.BALANCE_LAGS, mischief.is_balance),
        ):
            if concerned(request) and self._strikes(fault):
                return self._mix.reach(fault, self._random)
        return 0.0

    def _damaged(self, request: WireRequest, reply: WireReply) -> WireReply:
        random = self._random
        if mischief.is_order_list(request) and self._strikes(Fault.LIST_SHORT):
            reply = mischief.without_some_rows(reply, random)
        if mischief.is_balance(request) and self._strikes(Fault.BALANCE_EMPTY):
            reply = mischief.emptied(reply, random)
        if self._strikes(Fault.SERVER_ERROR_AFTER):
            return mischief.server_error(random)
        if self._strikes(Fault.GATEWAY_TIMEOUT):
            return mischief.gateway_timeout(random)
        if self._strikes(Fault.GARBAGE):
            return mischief.garbled(reply, random)
        if self._strikes(Fault.TRUNCATED):
            return mischief.truncated(reply, random)
        return reply

    def _deliver(
        self,
        request: WireRequest,
        reply: WireReply,
        answer: asyncio.Future[HttpResponse],
        asked: float,
    ) -> None:
        if answer.done():
            return
        response = HttpResponse(status=reply.status, headers=dict(reply.headers), body=reply.body)
        before = self._delivered.get(request.path)
        if before is not None and self._strikes(Fault.REPLY_TWICE):
            response = before
        good = response.status == 200 and mischief.is_success(response.body)
        if good and mischief.is_order_list(request):
            self._list_page_told(request, response, asked)
        # A refusal told again for another order could be known for what it is by nobody, and an
        # old token told again is waited out on purpose, longer than a world has patience.
        if reply.order is not None or not (
            mischief.is_order(request) or mischief.is_token(request)
        ):
            self._delivered[request.path] = response
        answer.set_result(response)

    def _list_page_told(self, request: WireRequest, page: HttpResponse, asked: float) -> None:
        region = mischief.region_of(request)
        if mischief.is_first_page(request):
            self._list_began[region] = asked
        if mischief.is_last_page(page.headers):
            took = asked - self._list_began.get(region, asked)
            self._witness.list_told(self._process, asked, region, took=took)

    def _strikes(self, fault: Fault) -> bool:
        return self._mix.strikes(fault, self._random)

    def _late(self, fault: Fault) -> float:
        return self._mix.reach(fault, self._random) if self._strikes(fault) else 0.0

    def _delay(self) -> float:
        return self._latency * (0.5 + self._random.random())


def _break(answer: asyncio.Future[HttpResponse]) -> None:
    if not answer.done():
        answer.set_exception(OutcomeUnknown("the exchange failed: ServerDisconnectedError"))


class LabStream:
    """`WsTransport` to a venue."""

    def __init__(
        self,
        venue: Venue,
        mix: FaultMix,
        weather: Weather,
        process: Process,
        witness: Witness,
        random: Random,
        *,
        latency: float,
    ) -> None:
        self.connection: LabConnection | None = None
        self._venue = venue
        self._mix = mix
        self._weather = weather
        self._process = process
        self._witness = witness
        self._random = random
        self._latency = latency
        self._confirmed: set[Region] = set()
        process.on_death.append(self._vanish)

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[WsConnection]:
        """See `WsTransport.connect`."""
        await asyncio.sleep(self._latency * (1 + self._random.random()))
        if self._venue.clock.monotonic() < self._weather.outage_until or self._mix.strikes(
            Fault.CONNECTION_REFUSED, self._random
        ):
            raise ConnectionLost("no connection: ConnectionRefusedError")
        connection = LabConnection(self._venue, self._mix, self._random, self._latency, self._told)
        self.connection = connection
        self._confirmed.clear()
        try:
            yield connection
        finally:
            self.connection = None
            self._witness.stream_lost(self._process)
            if self._process.alive:
                self._leave(connection)

    def _told(self, frame: str) -> None:
        """A text has been handed to the daemon."""
        confirmed = mischief.confirmed_notices(frame)
        if confirmed is None:
            return
        self._confirmed.add(confirmed)
        if self._confirmed >= self._venue.options.regions:
            self._witness.stream_up(self._process, self._venue.clock.monotonic())

    def _vanish(self) -> None:
        if self.connection is not None:
            self._leave(self.connection)

    def _leave(self, connection: "LabConnection") -> None:
        """The client is gone; the broker may take its time to notice."""
        linger = self._latency
        if self._mix.strikes(Fault.SLOT_LINGERS, self._random):
            linger += self._mix.reach(Fault.SLOT_LINGERS, self._random)
        connection.abandon(linger)


class LabConnection:
    """`WsConnection`: keeps the order of what is sent; what is late was late at the broker."""

    def __init__(
        self,
        venue: Venue,
        mix: FaultMix,
        random: Random,
        latency: float,
        told: Callable[[str], None],
    ) -> None:
        self._venue = venue
        self._mix = mix
        self._random = random
        self._latency = latency
        self._told = told
        self._inbox: deque[str] = deque()
        self._news = asyncio.Event()
        self._lost = ""
        self._silent = False
        self._dead: set[str] = set()
        self._down_free = 0.0
        self._up_free = 0.0
        self._line = Line(self._from_broker, self.drop)
        venue.connect(self._line)

    async def deliver(self, on_frame: Callable[[str | bytes], None]) -> None:
        """See `WsConnection.deliver`."""
        while True:
            while self._inbox:
                frame = self._inbox.popleft()
                self._told(frame)
                on_frame(frame)
            self._check()
            self._news.clear()
            await self._news.wait()

    async def send(self, text: str) -> None:
        """See `WsConnection.send`."""
        self._check()
        self._dead -= {code for code in self._dead if mischief.releases(text, code)}
        if not self._silent:
            self._venue.later(self._upward(), self._venue.hear, self._line, text)

    async def pong(self, payload: bytes) -> None:
        """See `WsConnection.pong`."""
        self._check()
        if not self._silent:
            self._venue.later(self._upward(), self._venue.hear_pong, self._line)

    @property
    def is_open(self) -> bool:
        """Whether the broker and the client both still have it."""
        return self._line.open and not self._lost and not self._silent

    def drop(self, cause: str) -> None:
        """End it; the client learns of it after what is already on its way, or never."""
        if self._silent:
            return
        self._venue.later(self._downward(), self._end, cause)

    def fall_silent(self) -> None:
        """From now on nothing arrives, in either direction, and nobody is told."""
        self._silent = True

    def lose_registrations(self, key: str) -> None:
        """Nothing comes about a stream key any more until it is registered anew."""
        self._dead.add(key)

    def speak_again(self) -> None:
        """The way is open again; what was sent meanwhile is lost."""
        self._silent = False

    def abandon(self, linger: float) -> None:
        """The client does not listen any more; the broker notices after `linger` seconds."""
        self._lost = "closed"
        self._venue.later(linger, self._venue.disconnect, self._line)

    def _from_broker(self, frame: str) -> None:
        """A text leaves the broker."""
        random, mix = self._random, self._mix
        if self._dead and mischief.market_code(frame) in self._dead:
            return
        if mischief.is_notice(frame):
            if mix.strikes(Fault.NOTICE_LOST, random):
                return
            if mix.strikes(Fault.NOTICE_TWICE, random):
                again = mix.reach(Fault.NOTICE_TWICE, random)
                self._venue.later(again, self._travel, self._altered(frame))
            if mix.strikes(Fault.NOTICE_LATE, random):
                late = mix.reach(Fault.NOTICE_LATE, random)
                self._venue.later(late, self._travel, self._altered(frame))
                return
        elif mischief.is_subscription_answer(frame):
            if mix.strikes(Fault.ACK_LOST, random):
                return
            if mix.strikes(Fault.ACK_REFUSED, random):
                frame = mischief.refused_subscription(frame)
        self._travel(self._altered(frame))

    def _altered(self, frame: str) -> str:
        if self._mix.strikes(Fault.FRAME_CUT, self._random):
            return mischief.cut(frame, self._random)
        if self._mix.strikes(Fault.FRAME_WIDER, self._random):
            return mischief.widened(frame, self._line.session.ciphers, self._random)
        return frame

    def _travel(self, frame: str) -> None:
        if not self._silent and not self._lost:
            self._venue.later(self._downward(), self._arrive, frame)

    def _arrive(self, frame: str) -> None:
        if not self._lost and not self._silent:
            self._inbox.append(frame)
            self._news.set()

    def _end(self, cause: str) -> None:
        if not self._lost:
            self._lost = cause
            self._news.set()

    def _check(self) -> None:
        if self._lost:
            raise ConnectionLost(self._lost)

    def _downward(self) -> float:
        """Seconds until what leaves the broker now arrives: never before what left earlier."""
        now = self._venue.clock.monotonic()
        self._down_free = max(self._down_free, now + self._latency * (0.5 + self._random.random()))
        return self._down_free - now

    def _upward(self) -> float:
        now = self._venue.clock.monotonic()
        self._up_free = max(self._up_free, now + self._latency * (0.5 + self._random.random()))
        return self._up_free - now
