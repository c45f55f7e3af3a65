import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve

from daemon.core.errors import OutcomeUnknown
from daemon.kis.link import ConnectionLost, HttpRequest, NotSent
from daemon.kis.transport import AiohttpTransport, WebsocketsTransport

pytestmark = pytest.mark.e2e


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def request(path: str, method: str = "GET", **options: object) -> HttpRequest:
    return HttpRequest(method=method, path=path, headers=(("tr_id", "X"),), **options)  # type: ignore[arg-type]


def with_server(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    main: Callable[[AiohttpTransport], Awaitable[None]],
    **options: Any,
) -> None:
    async def scenario() -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port := free_port())
        await site.start()
        try:
            async with AiohttpTransport(f"http://127.0.0.1:{port}/", **options) as transport:
                await main(transport)
        finally:
            await runner.cleanup()

    asyncio.run(scenario())


def test_a_request_arrives_byte_for_byte_and_any_status_is_a_reply() -> None:
    cursor = "12345678!^01!^ 삼성+&=%20  "

    async def handler(received: web.Request) -> web.Response:
        assert received.query["CTX"] == cursor
        assert received.query["BLANK"] == ""
        assert received.headers["tr_id"] == "X"
        assert await received.read() == b'{"a":"b"}'
        return web.Response(status=500, text="refused", headers={"Tr_Cont": "M"})

    async def main(transport: AiohttpTransport) -> None:
        sent = request("/p/q", "POST", query=(("CTX", cursor), ("BLANK", "")), body=b'{"a":"b"}')
        response = await transport.send(sent, timeout=5)
        assert (response.status, response.body) == (500, b"refused")
        assert response.headers["tr_cont"] == "M"

    with_server(handler, main)


def test_redirects_are_replies() -> None:
    async def handler(received: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "http://127.0.0.1:1/"})

    async def main(transport: AiohttpTransport) -> None:
        assert (await transport.send(request("/"), timeout=5)).status == 302

    with_server(handler, main)


def test_no_connection_is_not_sent() -> None:
    async def scenario() -> None:
        async with AiohttpTransport(f"http://127.0.0.1:{free_port()}") as transport:
            with pytest.raises(NotSent):
                await transport.send(request("/", "POST"), timeout=5)
        async with AiohttpTransport("http://host.invalid") as transport:
            with pytest.raises(NotSent):
                await transport.send(request("/", "POST"), timeout=5)
        with pytest.raises(NotSent):
            await transport.send(request("/"), timeout=5)

    asyncio.run(scenario())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_reset_or_a_silent_server_leaves_the_outcome_unknown(method: str) -> None:
    arrived: list[str] = []

    async def handler(received: web.Request) -> web.Response:
        arrived.append(received.path)
        if received.path == "/reset":
            assert received.transport is not None
            received.transport.abort()
        await asyncio.sleep(5)
        return web.Response()

    async def main(transport: AiohttpTransport) -> None:
        for path in ("/reset", "/silent"):
            with pytest.raises(OutcomeUnknown):
                await transport.send(request(path, method), timeout=0.2)

    with_server(handler, main)
    assert arrived == ["/reset", "/silent"], "nothing is repeated"


def test_a_dead_kept_connection_is_not_retried_by_itself() -> None:
    arrived: list[str] = []

    async def handler(received: web.Request) -> web.Response:
        arrived.append(received.path)
        if len(arrived) == 2:
            assert received.transport is not None
            received.transport.abort()
        return web.Response(text="ok")

    async def main(transport: AiohttpTransport) -> None:
        await transport.send(request("/1"), timeout=1)
        with pytest.raises(OutcomeUnknown):
            await transport.send(request("/2"), timeout=1)

    with_server(handler, main)
    assert arrived == ["/1", "/2"]


def test_a_reply_without_end_is_cut_off() -> None:
    async def handler(received: web.Request) -> web.Response:
        return web.Response(body=b"x" * 100_000)

    async def main(transport: AiohttpTransport) -> None:
        with pytest.raises(OutcomeUnknown):
            await transport.send(request("/"), timeout=5)

    with_server(handler, main, largest_body=1000)


def test_a_stream_delivers_in_order_and_says_how_it_ended() -> None:
    heard: list[str] = []
    pongs: list[str] = []

    async def server(connection: ServerConnection) -> None:
        assert "permessage-deflate" not in str(connection.response)
        heard.append(str(await connection.recv()))
        for number in range(100):
            await connection.send(str(number))
        pongs.append("sent")
        await connection.close(1001, "bye")

    async def scenario() -> None:
        got: list[str | bytes] = []
        async with (
            serve(server, "127.0.0.1", port := free_port()),
            WebsocketsTransport().connect(f"ws://127.0.0.1:{port}/tryitout") as link,
        ):
            await link.pong(b"x" * 125)
            await link.send("hello")
            with pytest.raises(ConnectionLost, match="1001 bye"):
                await link.deliver(got.append)
            with pytest.raises(ConnectionLost):
                await link.send("late")
            with pytest.raises(ConnectionLost):
                await link.pong(b"late")
        assert got == [str(number) for number in range(100)]

    asyncio.run(scenario())
    assert heard == ["hello"]
    assert pongs == ["sent"]


def test_what_the_receiver_raises_passes_through_and_a_message_too_long_ends_it() -> None:
    async def server(connection: ServerConnection) -> None:
        with suppress(Exception):
            await connection.send("x" * 100)
            await connection.wait_closed()

    def broken(message: str | bytes) -> None:
        raise ValueError("a bug")

    async def scenario() -> None:
        async with serve(server, "127.0.0.1", port := free_port()):
            url = f"ws://127.0.0.1:{port}/"
            async with WebsocketsTransport().connect(url) as link:
                with pytest.raises(ValueError, match="a bug"):
                    await link.deliver(broken)
            async with WebsocketsTransport(largest_message=10).connect(url) as link:
                with pytest.raises(ConnectionLost):
                    await link.deliver(broken)
            with pytest.raises(ConnectionLost):
                async with WebsocketsTransport().connect(f"ws://127.0.0.1:{free_port()}/"):
                    pass

    asyncio.run(scenario())
