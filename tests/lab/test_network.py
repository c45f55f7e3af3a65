"""The in-memory network carries what real clients and servers say, and fails by name."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp.connector
import pytest
from aiohttp import web

from daemon.core.errors import OutcomeUnknown
from daemon.kis.link import ConnectionLost, HttpRequest, NotSent
from daemon.kis.transport import AiohttpTransport, WebsocketsTransport
from daemon.lab.loop import Process
from daemon.lab.network import NetworkLoop, run_networked
from daemon.lab.realparts import bury, disown
from daemon.lab.sockets import Way

HOST = "api.test"
GET = HttpRequest(method="GET", path="/x", headers=())
POST = HttpRequest(method="POST", path="/x", headers=(), body=b"{}")

Main = Callable[[NetworkLoop, AiohttpTransport], Awaitable[None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {(await request.read()).decode()}")


@asynccontextmanager
async def serving(handler: Handler, port: int = 80) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def with_server(
    main: Main, handler: Handler = hello, *, seed: int = 1, url: str = f"http://{HOST}:80"
) -> list[str]:
    """Run `main` with a client and a server; returns what was on the wire."""
    wire: list[str] = []

    async def scenario(loop: NetworkLoop) -> None:
        loop.route(HOST)
        async with (
            serving(handler),
            AiohttpTransport(url, socket_factory=loop.open_socket) as transport,
        ):
            await main(loop, transport)

    run_networked(scenario, seed=seed, trace=wire.append)
    return wire


def test_a_request_is_answered_after_its_way_there_and_back() -> None:
    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        loop.route(HOST).least, loop.route(HOST).spread = 1.0, 0.0
        began = loop.time()
        assert (await transport.send(POST, timeout=20)).body == b"hello {}"
        # The name, a connection in two ways, the request, the reply.
        assert 4.0 <= loop.time() - began < 4.1
        began = loop.time()
        await transport.send(GET, timeout=20)
        assert loop.time() - began == pytest.approx(2.0, abs=0.01)

    with_server(main)


def test_what_is_written_in_one_piece_may_arrive_in_several_and_in_order() -> None:
    text = "".join(str(number) for number in range(2000))

    async def long(request: web.Request) -> web.Response:
        return web.Response(text=text)

    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        loop.route(HOST).fragments = 1.0
        for _ in range(20):
            assert (await transport.send(GET, timeout=20)).body.decode() == text

    wire = with_server(main, long)
    assert sum(" back " in line for line in wire) > 40


def test_one_seed_makes_one_run() -> None:
    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        loop.route(HOST).fragments = 0.5
        for request in (GET, POST, GET):
            await transport.send(request, timeout=20)

    assert with_server(main, seed=3) == with_server(main, seed=3)
    assert with_server(main, seed=3) != with_server(main, seed=4)


@pytest.mark.parametrize("ways", [(Way.OUT,), (Way.BACK,), ()])
def test_what_a_blockade_holds_back_arrives_when_it_ends(ways: tuple[Way, ...]) -> None:
    arrived: list[float] = []

    async def note(request: web.Request) -> web.Response:
        arrived.append(asyncio.get_running_loop().time())
        return web.Response()

    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        route = loop.route(HOST)
        await transport.send(GET, timeout=20)
        route.block(*ways)
        began = loop.time()
        loop.call_later(7.0, route.heal)
        await transport.send(POST, timeout=20)
        assert 7.0 < loop.time() - began < 7.1
        assert (arrived[1] - began > 7.0) == (ways != (Way.BACK,))

    with_server(main, note)


def test_a_request_given_up_may_arrive_later_but_not_ever_after() -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.method)
        return web.Response()

    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        route = loop.route(HOST)
        for blocked, expected in ((8.0, ["GET", "POST"]), (30.0, ["GET"])):
            seen.clear()
            await transport.send(GET, timeout=20)
            route.block()
            loop.call_later(blocked, route.heal)
            with pytest.raises(OutcomeUnknown):
                await transport.send(POST, timeout=5)
            await asyncio.sleep(40)
            assert seen == expected

    with_server(main, note)


def test_a_broken_connection_leaves_the_outcome_unknown() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        loop.call_later(1.0, loop.route(HOST).reset)
        with pytest.raises(OutcomeUnknown):
            await transport.send(POST, timeout=20)
        assert 1.0 < loop.time() < 4.5

    with_server(main, slow)


@pytest.mark.parametrize("way", list(Way))
def test_a_message_cut_short_leaves_the_outcome_unknown(way: Way) -> None:
    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        loop.route(HOST).cut_next(way)
        with pytest.raises(OutcomeUnknown):
            await transport.send(POST, timeout=20)
        assert (await transport.send(POST, timeout=20)).status == 200

    with_server(main)


def test_nothing_was_sent_without_a_connection() -> None:
    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        route = loop.route(HOST)
        route.refused = True
        with pytest.raises(NotSent, match="ClientConnectorError"):
            await transport.send(POST, timeout=20)
        route.refused, route.nameless = False, True
        await asyncio.sleep(11)  # a name once known is remembered for ten seconds
        with pytest.raises(NotSent, match="ClientConnectorDNSError"):
            await transport.send(POST, timeout=20)
        route.nameless = False
        route.block()
        with pytest.raises(NotSent, match="ConnectionTimeoutError"):
            await transport.send(POST, timeout=20)
        route.heal()
        assert (await transport.send(POST, timeout=20)).status == 200

    with_server(main)


def test_nobody_listens_and_nobody_has_that_name() -> None:
    async def scenario(loop: NetworkLoop) -> None:
        loop.route(HOST)
        for url, error in ((f"http://{HOST}:81", "ClientConnectorError"), ("http://b:1", "DNS")):
            async with AiohttpTransport(url, socket_factory=loop.open_socket) as transport:
                with pytest.raises(NotSent, match=error):
                    await transport.send(GET, timeout=5)

    run_networked(scenario)


def test_a_bad_certificate_is_found_before_anything_is_sent() -> None:
    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        loop.route(HOST).bad_certificate = True
        with pytest.raises(NotSent, match="ClientConnectorCertificateError") as caught:
            await transport.send(POST, timeout=20)
        assert isinstance(caught.value.__cause__, ssl.CertificateError)
        loop.route(HOST).heal()
        assert (await transport.send(POST, timeout=20)).status == 200

    with_server(main, url=f"https://{HOST}:80")


def test_a_hushed_connection_is_found_out_by_waiting() -> None:
    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        await transport.send(GET, timeout=5)
        loop.route(HOST).hush()
        began = loop.time()
        with pytest.raises(OutcomeUnknown, match="no answer within 5 s"):
            await transport.send(POST, timeout=5)
        assert 5.0 <= loop.time() - began < 5.1
        assert (await transport.send(POST, timeout=5)).status == 200

    with_server(main)


async def echo(request: web.Request) -> web.StreamResponse:
    stream = web.WebSocketResponse()
    await stream.prepare(request)
    async for message in stream:
        await stream.send_str(f"echo {message.data}")
    return stream


async def say(loop: NetworkLoop, url: str, text: str, heard: list[Any]) -> None:
    async with WebsocketsTransport().connect(url) as connection:
        await connection.send(text)
        await connection.deliver(heard.append)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_stream_says_why_it_ended(scheme: str) -> None:
    heard: list[Any] = []

    async def scenario(loop: NetworkLoop) -> None:
        route, url = loop.route(HOST), f"{scheme}://{HOST}:80/y"
        route.fragments = 0.8
        async with serving(echo):
            loop.call_later(3.0, route.reset)
            with pytest.raises(ConnectionLost, match="without a goodbye"):
                await say(loop, url, "a" * 300, heard)
            route.nameless = True
            with pytest.raises(ConnectionLost, match="gaierror"):
                await say(loop, url, "b", heard)
            route.nameless, route.refused = False, True
            with pytest.raises(ConnectionLost, match="ConnectionRefusedError"):
                await say(loop, url, "c", heard)
            if scheme == "wss":
                route.refused, route.bad_certificate = False, True
                with pytest.raises(ConnectionLost, match="SSLCertVerificationError"):
                    await say(loop, url, "d", heard)

    run_networked(scenario)
    assert heard == ["echo " + "a" * 300]


@pytest.mark.parametrize(("silent", "ended"), [(0.0, True), (1.0, False)])
def test_a_killed_process_falls_silent_and_its_kernel_says_goodbye_or_not(
    silent: float, ended: bool
) -> None:
    heard: list[Any] = []
    sides: list[str] = []

    async def watched(request: web.Request) -> web.StreamResponse:
        sides.append("came")
        stream = await echo(request)
        sides.append("went")
        return stream

    async def client(loop: NetworkLoop) -> None:
        try:
            await say(loop, f"ws://{HOST}:80/y", "last words", heard)
        finally:
            heard.append("never")

    async def scenario(loop: NetworkLoop) -> None:
        loop.route(HOST)
        loop.silent_deaths = silent
        process = Process("client")
        async with serving(watched):
            process.spawn(client(loop))
            await asyncio.sleep(1.0)
            assert heard == ["echo last words"]
            process.kill()
            await asyncio.sleep(1.0)
            assert sides == (["came", "went"] if ended else ["came"])
        assert heard == ["echo last words"]
        bury(process)

    run_networked(scenario)


def test_the_last_request_of_a_killed_process_still_arrives() -> None:
    seen: list[bytes] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(await request.read())
        return web.Response()

    async def scenario(loop: NetworkLoop) -> None:
        loop.route(HOST).least = 1.0
        process = Process("client")
        transport = AiohttpTransport(f"http://{HOST}:80", socket_factory=loop.open_socket)

        async def client() -> None:
            async with transport:
                await transport.send(POST, timeout=20)

        async with serving(note):
            process.spawn(client())
            await asyncio.sleep(2.5)
            process.kill()
            disown(transport)
            await asyncio.sleep(5)
            assert seen == [b"{}"]
        bury(process)

    run_networked(scenario)


def test_libraries_get_their_clock_and_their_luck_back() -> None:
    before: Any = aiohttp.connector.monotonic  # type: ignore[attr-defined]

    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        during: Any = aiohttp.connector.monotonic  # type: ignore[attr-defined]
        assert during == loop.time

    with_server(main)
    assert aiohttp.connector.monotonic is before  # type: ignore[attr-defined]


def test_a_port_is_taken_once() -> None:
    async def main(loop: NetworkLoop, transport: AiohttpTransport) -> None:
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(asyncio.Protocol, "0.0.0.0", 80)
        server = await loop.create_server(asyncio.Protocol, HOST)
        assert server.is_serving()
        assert server.sockets[0].getsockname()[0] == "10.0.0.1"
        server.close()
        await server.wait_closed()
        assert not server.is_serving()

    with_server(main)
