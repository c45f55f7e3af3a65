"""Connections of the in-memory network keep what a kernel promises, and no more."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from daemon.lab.loop import Process
from daemon.lab.network import NetworkLoop, run_networked
from daemon.lab.sockets import WINDOW

HOST, PORT = "peer.test", 7
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def between(server: Talk, client: Talk, *, seed: int = 1, linger: float = 10.0) -> None:
    """Run both sides of one connection to their ends."""

    async def scenario(loop: NetworkLoop) -> None:
        loop.route(HOST)
        loop.linger = linger
        served = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await server(reader, writer)
            finally:
                writer.close()
                served.set()

        async with await asyncio.start_server(serve, HOST, PORT):
            reader, writer = await asyncio.open_connection(HOST, PORT)
            await client(reader, writer)
            writer.close()
            await served.wait()

    run_networked(scenario, seed=seed)


def test_bytes_keep_their_order_and_the_end_comes_last() -> None:
    parts = [bytes([number % 256]) * (number % 700 + 1) for number in range(300)]

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"".join(parts)
        writer.write(b"thanks")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NetworkLoop)
        loop.route(HOST).fragments = 0.5
        for part in parts:
            writer.write(part)
        writer.write_eof()
        assert await reader.read() == b"thanks"

    between(server, client)


def test_a_writer_waits_for_a_reader_that_does_not_read() -> None:
    size = 4 * WINDOW

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)
        assert len(await reader.readexactly(size)) == size

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = asyncio.get_running_loop().time()
        writer.write(b"x" * size)
        assert writer.transport.get_write_buffer_size() == size - WINDOW
        await writer.drain()
        assert asyncio.get_running_loop().time() - began > 29

    between(server, client)


def test_who_writes_to_a_closed_connection_is_told() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"too late")
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await writer.drain()

    between(server, client)


def test_what_waits_too_long_behind_a_blockade_is_lost_with_its_closed_connection() -> None:
    heard: list[bytes] = []

    async def scenario(loop: NetworkLoop) -> None:
        route = loop.route(HOST)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async with asyncio.timeout(200):
                heard.append(await reader.read(100))

        async with await asyncio.start_server(serve, HOST, PORT):
            _, writer = await asyncio.open_connection(HOST, PORT)
            route.block()
            writer.write(b"never")
            writer.close()
            await asyncio.sleep(loop.linger + 1)
            route.heal()
            await asyncio.sleep(300)
        assert heard == []

    run_networked(scenario)


def test_a_dead_process_writes_nothing_more() -> None:
    heard: list[bytes] = []

    async def scenario(loop: NetworkLoop) -> None:
        loop.route(HOST)
        process, writers = Process("client"), []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read())
            writer.close()

        async def client() -> None:
            _, writer = await asyncio.open_connection(HOST, PORT)
            writers.append(writer)
            writer.write(b"alive")
            await asyncio.Event().wait()

        async with await asyncio.start_server(serve, HOST, PORT):
            process.spawn(client())
            await asyncio.sleep(1)
            process.kill()
            writers[0].write(b"dead")
            writers[0].close()
            await asyncio.sleep(1)
        assert heard == [b"alive"]
        assert loop.fibres == {}
        process.bury()

    run_networked(scenario)
