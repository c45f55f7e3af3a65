"""The listener on a real loopback socket."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from daemon.ops.listener import Address, Listener, Verdict, is_loopback


def listener(
    address: Address = Address("127.0.0.1", 0),  # noqa: B008  a value that never changes
    *,
    metrics: Callable[[], bytes] = lambda: b"kisd_gate_open 1.0\n",
    health: Verdict | None = None,
    ready: Verdict | None = None,
) -> Listener:
    return Listener(
        address,
        metrics=metrics,
        content_type="text/plain; version=0.0.4",
        health=lambda: health or {"ok": True},
        ready=lambda: ready or {"ok": False, "reasons": {"stream": "it is down"}},
    )


async def served(
    one: Listener, talk: Callable[[str, aiohttp.ClientSession], Coroutine[Any, Any, None]]
) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(30):
        running = group.create_task(one.run())
        while one.port is None:  # noqa: ASYNC110  looked at from outside
            await asyncio.sleep(0.001)
        async with aiohttp.ClientSession() as session:
            await talk(f"http://127.0.0.1:{one.port}", session)
        running.cancel()


def test_it_serves_metrics_health_and_readiness() -> None:
    async def talk(url: str, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{url}/metrics") as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
            assert await answer.read() == b"kisd_gate_open 1.0\n"
        async with session.get(f"{url}/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True})
        async with session.get(f"{url}/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["reasons"] == {"stream": "it is down"}

    asyncio.run(served(listener(), talk))


def test_nothing_can_be_changed_there() -> None:
    async def talk(url: str, session: aiohttp.ClientSession) -> None:
        for path in ("metrics", "healthz", "readyz"):
            async with session.post(f"{url}/{path}") as answer:
                assert answer.status == 405

    asyncio.run(served(listener(), talk))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "[2001:db8::1]:80"])
def test_a_name_of_somebody_else_is_not_answered(host: str) -> None:
    async def talk(url: str, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{url}/metrics", headers={"Host": host}) as answer:
            assert answer.status == 403

    asyncio.run(served(listener(), talk))


def test_what_fails_in_an_answer_ends_nothing() -> None:
    def broken() -> bytes:
        raise ZeroDivisionError

    async def talk(url: str, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{url}/metrics") as answer:
            assert answer.status == 500
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200

    asyncio.run(served(listener(metrics=broken), talk))


def test_a_port_that_is_taken_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        one = listener(Address("127.0.0.1", port))

        async def scenario() -> None:
            async with asyncio.TaskGroup() as group, asyncio.timeout(30):
                running = group.create_task(one.run())
                while not one.failures:  # noqa: ASYNC110  looked at from outside
                    await asyncio.sleep(0.001)
                holder.close()
                while one.port is None:  # noqa: ASYNC110  looked at from outside
                    await asyncio.sleep(0.001)
                running.cancel()

        with capture_logs() as lines:
            asyncio.run(scenario())
    assert [line["event"] for line in lines] == ["monitor_unavailable", "monitor_listens"]


def test_loopback_is_known_by_its_addresses() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"):
        assert is_loopback(host), host
    for host in ("0.0.0.0", "::", "192.168.0.2", "example.org", "", "localhost.evil.example"):
        assert not is_loopback(host), host
