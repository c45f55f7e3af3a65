"""The simulator on real loopback ports: HTTP, WebSocket and the loop that moves the market.

It owns every task it starts; nothing here decides what KIS would answer.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from zlib import crc32

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError

from daemon.clock import SimulatedClock, WallClock
from daemon.core.calendar import KST
from daemon.ports import Clock
from daemon.sim import masters
from daemon.sim.admin import admin_routes
from daemon.sim.broker import Broker, first_instant
from daemon.sim.facts import OrderRequest
from daemon.sim.options import SimulatorOptions
from daemon.sim.replies import WireReply, WireRequest
from daemon.sim.statefile import StateFailed, StateFile
from daemon.sim.stream_wire import StreamSession

PUMP_INTERVAL = 0.04
_CLOSES_INTERVAL = 5.0
_MOST_BODY = 1 << 20


class StreamConnection:
    """One WebSocket: its session and a bounded queue of texts to send."""

    def __init__(self, socket: web.WebSocketResponse, size: int) -> None:
        self.socket = socket
        self.session = StreamSession()
        self.outgoing: asyncio.Queue[str] = asyncio.Queue(size)
        self.dropped = asyncio.Event()

    def send(self, text: str) -> None:
        """Queue a text; a client too slow to empty its queue is dropped."""
        try:
            self.outgoing.put_nowait(text)
        except asyncio.QueueFull:
            self.dropped.set()


class SimulatorServer:
    """A KIS of one's own on two ports.

    `await start()` opens them, after which `rest_url`, `ws_url`, `clock` and `broker` are
    there; `await stop()` closes everything. Raises `OSError` when a port is taken, `StateFailed`
    when the books cannot be kept. Whoever hears of a broken market in `wait_broken` does not
    hear of it again in `stop`. `wall` is the machine's time; `pump_interval` how many seconds
    a quiet market may lag.
    """

    def __init__(
        self,
        options: SimulatorOptions | None = None,
        *,
        wall: Clock | None = None,
        pump_interval: float = PUMP_INTERVAL,
    ) -> None:
        self._wall = wall or WallClock()
        self._pump_interval = pump_interval
        self.options = options if options is not None else SimulatorOptions()
        self.rest_url = ""
        self.ws_url = ""
        self.clock: SimulatedClock
        self.broker: Broker
        self.connections: dict[StreamConnection, None] = {}
        """In the order they came: the same on every run, unlike a set's."""
        self._wake = asyncio.Event()
        self._runners: list[web.AppRunner] = []
        self._stopping = asyncio.Event()
        self._state: StateFile | None = None
        self._failure: StateFailed | None = None
        self._told = False

    async def start(self) -> None:
        """Open the ports and let the market run."""
        state = StateFile(self.options.state) if self.options.state is not None else None
        self._state = state
        try:
            saved = state.load(self.options.home) if state is not None else None
            start = first_instant(self.options, self._wall.now(), saved)
            self.broker = Broker(self.options, start, state=state, saved=saved)
        except BaseException:
            if state is not None:
                state.close()
            raise
        # Only now, so that the time taken to set the market up is not simulated.
        self.clock = SimulatedClock(start, speed=self.options.speed, monotonic=self._wall.monotonic)
        try:
            rest_port = await self._serve(self._rest_app(), self.options.rest_port)
            ws_port = await self._serve(self._ws_app(), self.options.ws_port)
        except OSError:
            await self._close()
            raise
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        self.rest_url = f"http://{host}:{rest_port}"
        self.ws_url = f"ws://{host}:{ws_port}"
        # Kept, and awaited in stop(): a caller's start() has no block to put a TaskGroup around.
        self._pump = asyncio.get_running_loop().create_task(self._run_pump(), name="sim pump")

    async def stop(self) -> None:
        """Hang up, close the ports and the state file."""
        self._stopping.set()
        self._wake.set()
        try:
            await self._pump
        except Exception:
            if not self._told:
                raise
        finally:
            self.drop_connections()
            await self._close()

    async def _close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        try:
            self.broker.close()
        except StateFailed:
            if self._state is not None:
                self._state.close()
            if not self._told:
                raise

    async def wait_broken(self) -> None:
        """Return only when the market's loop has ended; raises what broke it."""
        try:
            await asyncio.shield(self._pump)
        except Exception:
            self._told = True
            raise

    def place_by_hand(self, request: OrderRequest) -> int:
        """Enter an order outside the gateway, as the account holder could; returns its number.

        Raises `Refusal` when the exchange does not take it.
        """
        number = self.broker.place_by_hand(request, self.clock.now(), self.clock.monotonic())
        self._wake.set()
        return number

    def drop_connections(self) -> int:
        """Abruptly drop every stream connection; returns how many there were."""
        for connection in self.connections:
            connection.dropped.set()
        return len(self.connections)

    async def _serve(self, app: web.Application, port: int) -> int:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, self.options.host, port)
        await site.start()
        address = runner.addresses[0]
        return int(address[1])

    # The market

    async def _run_pump(self) -> None:
        next_closes = 0.0
        while self._failure is None and not self._stopping.is_set():
            monotonic = self.clock.monotonic()
            self.broker.advance(self.clock.now(), monotonic)
            if monotonic >= next_closes:
                self.broker.save_closes()
                next_closes = monotonic + _CLOSES_INTERVAL
            self._deliver(monotonic)
            due = self.broker.schedule.next_due
            wait = self._pump_interval
            if due is not None:
                wait = min(wait, max(0.0, due - self.clock.monotonic()))
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()
        if self._failure is not None:
            raise self._failure

    def _deliver(self, monotonic: float) -> None:
        heard = {connection.session: connection for connection in self.connections}
        for session, frame in self.broker.frames(monotonic):
            if session in heard:
                heard[session].send(frame)

    # REST

    def _rest_app(self) -> web.Application:
        app = web.Application(client_max_size=_MOST_BODY)
        app.add_routes(admin_routes(self))
        app.router.add_get("/common/master/{name}", self._handle_master)
        app.router.add_route("*", "/{path:.*}", self._handle_rest)
        return app

    async def _handle_master(self, request: web.Request) -> web.Response:
        """A symbol master file, or the rest of one; like the vendor's, without a key."""
        listings = (*self.options.listings, *self.options.american_listings)
        content = masters.archive(request.match_info["name"], listings)
        if content is None:
            return web.Response(status=404)
        headers = {"ETag": f'"{crc32(content):08x}"', "Accept-Ranges": "bytes"}
        begin = request.http_range.start or 0
        if not begin or request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
            return web.Response(body=content, headers=headers)
        if begin >= len(content):
            return web.Response(status=416)
        headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        return web.Response(status=206, body=content[begin:], headers=headers)

    async def _handle_rest(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except (web.HTTPRequestEntityTooLarge, web.RequestPayloadError, HttpProcessingError):
            body = b""
        except ConnectionError:
            # Gone before the request was whole: nothing may be carried out, nobody reads this.
            return web.Response(status=400)
        monotonic = self.clock.monotonic()
        wire_request = WireRequest(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        try:
            reply, due = self.broker.handle(wire_request, self.clock.now(), monotonic)
        except StateFailed as error:
            # What is not on disk did not happen, and nobody may be told that it did.
            self._failure = error
            return web.Response(status=500)
        finally:
            self._wake.set()
        wait = due - self.clock.monotonic()
        if wait > 0:
            # The broker's own slowness: the notices of this order leave first.
            await asyncio.sleep(wait)
        return _response(reply)

    # WebSocket

    def _ws_app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle_ws)
        return app

    async def _handle_ws(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=_MOST_BODY)
        if not socket.can_prepare(request):
            return web.Response(status=400, text="WebSocket only")
        await socket.prepare(request)
        connection = StreamConnection(socket, self.options.queue_size)
        self.connections[connection] = None
        try:
            await self._converse(connection, request)
        finally:
            self.connections.pop(connection, None)
            self.broker.leave(connection.session)
        return socket

    async def _converse(self, connection: StreamConnection, request: web.Request) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._read(connection)),
                group.create_task(self._write(connection)),
                group.create_task(self._ping(connection)),
            ]
            dropped = group.create_task(connection.dropped.wait())
            await asyncio.wait([*tasks, dropped], return_when=asyncio.FIRST_COMPLETED)
            if dropped.done() and request.transport is not None:
                request.transport.abort()
            for task in (*tasks, dropped):
                task.cancel()

    async def _read(self, connection: StreamConnection) -> None:
        with suppress(ConnectionError):
            await self._listen(connection)

    async def _listen(self, connection: StreamConnection) -> None:
        session, stream = connection.session, self.broker.stream
        async for message in connection.socket:
            if message.type is WSMsgType.PONG:
                stream.answered_ping(session)
            elif message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                data = message.data
                text = data if isinstance(data, str) else data.decode("utf-8", "replace")
                now = self.clock.now()
                for answer in self.broker.stream_of(text, now).receive(session, text, now):
                    connection.send(answer)
            if session.closing:
                await self._finish(connection)
                return

    async def _finish(self, connection: StreamConnection) -> None:
        """Send what is queued, then close from our side."""
        while not connection.outgoing.empty():
            await connection.socket.send_str(connection.outgoing.get_nowait())
        await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION)

    async def _write(self, connection: StreamConnection) -> None:
        with suppress(ConnectionError):
            while True:
                await connection.socket.send_str(await connection.outgoing.get())

    async def _ping(self, connection: StreamConnection) -> None:
        """Ask for a sign of life every interval; a client silent too often is dropped."""
        session = connection.session
        while session.unanswered < self.options.missed_pings:
            await asyncio.sleep(self.options.ping_interval)
            session.unanswered += 1
            connection.send(self.broker.stream.pingpong(self.clock.now()))
        connection.dropped.set()


def _response(reply: WireReply) -> web.Response:
    # KIS writes its own header names in lower case and the standard ones not; the official
    # sample makes identifiers of the lower case ones.
    headers = {"Content-Type": "application/json; charset=utf-8", **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def describe(server: SimulatorServer, now: datetime) -> str:
    """What a person needs in order to use a running simulator."""
    options, local = server.options, now.astimezone(KST)
    return "\n".join(
        (
            f"REST       {server.rest_url}",
            f"WebSocket  {server.ws_url}/tryitout",
            *(
                f"{name:10} {value}"
                for each in options.customers
                for name, value in (
                    ("app key", each.app_key),
                    ("app secret", each.app_secret),
                    ("accounts", " ".join(each.accounts)),
                    ("HTS id", each.hts_id),
                )
            ),
            f"clock      {local.isoformat(timespec='seconds')} at {options.speed:g} times",
        )
    )
