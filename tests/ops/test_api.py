"""The control API over a real unix socket and a real TCP listener, with friends and others."""

import asyncio
import os
import stat
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from daemon.core.errors import InvariantBroken, TryLater
from daemon.ops import api, doors
from daemon.ops.client import AnswerLost, ControlClient, NoDaemon
from daemon.ops.control import ControlError, Halt
from daemon.ops.doors import Door, TcpDoor
from tests.ops.rig import TOKEN, Behind, free_port, serving, socket_in


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 60))


async def raw(path: Path, text: bytes, *, port: int | None = None) -> tuple[int, dict[str, Any]]:
    """Send bytes, read all there is; returns the status and the JSON body."""
    if port is None:
        reader, writer = await asyncio.open_unix_connection(str(path))
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), orjson.loads(body)


def post(word: str, body: bytes, *headers: str) -> bytes:
    lines = [
        f"POST /v1/{word} HTTP/1.1",
        *(headers or ("Host: x", "Content-Type: application/json")),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


HALT = orjson.dumps({"request": "a", "reason": "lunch"})


def test_a_view_and_an_act_over_a_private_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        door = socket_in(tmp_path)
        async with serving([door]) as (_, behind):
            assert stat.S_IMODE(door.path.stat().st_mode) == 0o600
            assert stat.S_IMODE(door.path.parent.stat().st_mode) == 0o700
            client = ControlClient(door.path)
            seen = await asyncio.to_thread(client.see, "orders", {"scope": "day"})
            assert seen == {
                "v": 1,
                "ok": True,
                "view": "orders",
                "asked": {"scope": "day"},
                "cash": "1000",
            }
            done = await asyncio.to_thread(client.act, "halt", request="a", reason="lunch")
            assert (done["message"], done["act"], done["request"]) == ("halt done", "halt", "a")
            [(act, caller)] = behind.asked
            assert act == Halt(request="a", reason="lunch")
            assert (caller.channel, caller.uid, caller.pid) == ("socket", os.getuid(), os.getpid())
        assert not door.path.exists()

    run(scenario())


def test_what_is_wrong_is_told_by_field_and_fix(tmp_path: Path) -> None:
    async def scenario() -> None:
        door = socket_in(tmp_path)
        async with serving([door]) as (_, behind):
            cases = {
                b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n": (404, "NO_SUCH_PATH"),
                b"GET /v2/status HTTP/1.1\r\nHost: x\r\n\r\n": (404, "NO_SUCH_PATH"),
                b"GET /v1/halt HTTP/1.1\r\nHost: x\r\n\r\n": (405, "BAD_METHOD"),
                b"DELETE /v1/orders HTTP/1.1\r\nHost: x\r\n\r\n": (405, "BAD_METHOD"),
                b"GET /v1/token HTTP/1.1\r\nHost: x\r\n\r\n": (500, "BUG"),
                post("status", b"{}"): (405, "BAD_METHOD"),
                post("halt", b"{"): (400, "BAD_BODY"),
                post("halt", b"[]"): (400, "BAD_BODY"),
                post("halt", b"{}"): (400, "BAD_FIELD"),
                post("halt", HALT[:-1] + b',"x":1}'): (400, "UNKNOWN_FIELD"),
                post("halt", HALT, "Host: x", "Content-Type: text/plain"): (415, "BAD_TYPE"),
                post("halt", HALT, "Host: x"): (415, "BAD_TYPE"),
                post("halt", b" " * (api.BODY_LIMIT + 1)): (413, "TOO_LARGE"),
            }
            for text, (status, code) in cases.items():
                told = await raw(door.path, text)
                assert told[0] == status, text[:60]
                assert (told[1]["ok"], told[1]["error"]["code"]) == (False, code)
            assert behind.asked == []
            with pytest.raises(ControlError) as caught:
                await asyncio.to_thread(ControlClient(door.path).act, "resume", reason="x")
            assert (caught.value.code, caught.value.field) == ("REFUSED", "state")

    run(scenario())


def test_a_chunked_body_is_bounded_as_well(tmp_path: Path) -> None:
    async def scenario() -> None:
        door = socket_in(tmp_path)
        async with serving([door]):
            head = "POST /v1/halt HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            chunk = b"ff0\r\n" + b" " * 0xFF0 + b"\r\n"
            text = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 17
            status, told = await raw(door.path, text)
            assert (status, told["error"]["code"]) == (413, "TOO_LARGE")

    run(scenario())


def test_a_port_wants_the_token_and_a_host_of_its_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        door = TcpDoor(address="127.0.0.1", port=port, token=TOKEN, names=frozenset({"box"}))
        bearer, kind = f"Authorization: Bearer {TOKEN}", "Content-Type: application/json"
        async with serving([door]) as (_, behind):
            cases = [
                ((f"Host: 127.0.0.1:{port}", bearer, kind), 200, ""),
                (("Host: localhost", bearer, kind, "Origin: http://localhost"), 200, ""),
                (("Host: box", bearer, kind), 200, ""),
                (("Host: 127.0.0.1", kind), 401, "BAD_TOKEN"),
                (("Host: 127.0.0.1", bearer + "x", kind), 401, "BAD_TOKEN"),
                (("Host: 127.0.0.1", bearer[:-1], kind), 401, "BAD_TOKEN"),
                (("Host: 127.0.0.1", f"Authorization: Basic {TOKEN}", kind), 401, "BAD_TOKEN"),
                (("Host: 127.0.0.1", "Authorization: Bearer \xe9", kind), 401, "BAD_TOKEN"),
                (("Host: evil.example", bearer, kind), 403, "BAD_HOST"),
                (("Host: evil.example:80", bearer, kind), 403, "BAD_HOST"),
                (
                    ("Host: localhost", bearer, kind, "Origin: http://evil.example"),
                    403,
                    "BAD_ORIGIN",
                ),
                (("Host: localhost", bearer, kind, "Origin: null"), 403, "BAD_ORIGIN"),
            ]
            for headers, status, code in cases:
                told = await raw(tmp_path, post("halt", HALT, *headers), port=port)
                assert told[0] == status, headers
                assert told[1].get("error", {}).get("code", "") == code
                assert TOKEN not in str(told[1])
            assert len(behind.asked) == 3
            assert {caller.channel for _, caller in behind.asked} == {"tcp"}
            client = ControlClient(f"http://127.0.0.1:{port}", token=TOKEN)
            assert (await asyncio.to_thread(client.see, "status"))["ok"]

    run(scenario())


def test_a_port_with_a_certificate_speaks_tls_alone(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = "subjectAltName=DNS:localhost"
    subprocess.run(
        [*make.split(), "-addext", names, "-out", certificate, "-keyout", key],
        check=True,
        capture_output=True,
    )

    async def scenario() -> None:
        port = free_port()
        door = TcpDoor(
            address="127.0.0.1", port=port, token=TOKEN, certificate=certificate, key=key
        )
        async with serving([door]):
            url = f"https://localhost:{port}"
            good = ControlClient(url, token=TOKEN, authority=certificate)
            assert (await asyncio.to_thread(good.see, "status"))["ok"]
            with pytest.raises(NoDaemon, match="certificate"):
                await asyncio.to_thread(ControlClient(url, token=TOKEN).see, "status")
            plain = ControlClient(f"http://127.0.0.1:{port}", token=TOKEN)
            with pytest.raises((NoDaemon, AnswerLost)):
                await asyncio.to_thread(plain.see, "status")

    run(scenario())


def test_whoever_says_nothing_or_never_ends_is_cut_off_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "FIRST_WORD", 0.2)
    monkeypatch.setattr(api, "BODY_WAIT", 0.2)

    async def scenario() -> None:
        door = socket_in(tmp_path)
        client = ControlClient(door.path)
        async with serving([door]):
            crowd = [
                await asyncio.open_unix_connection(str(door.path)) for _ in range(doors.CONNECTIONS)
            ]
            with pytest.raises((NoDaemon, AnswerLost)):
                await asyncio.to_thread(client.see, "status")
            for reader, _ in crowd:
                assert await reader.read() == b""
            assert (await asyncio.to_thread(client.see, "status"))["ok"]
            reader, writer = await asyncio.open_unix_connection(str(door.path))
            writer.write(b"GET /v1/status HTTP/1.1\r\nHost: ")
            assert await reader.read() == b"", "a head that never ends is no request"
            slow = post("halt", HALT)[:-5]
            status, told = await raw(door.path, slow)
            assert (status, told["error"]["code"]) == (408, "TOO_SLOW")
            for _, each in crowd:
                each.close()
            writer.close()

    run(scenario())


def test_too_many_bytes_and_a_reader_that_never_reads_are_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "STAY", 0.5)

    async def scenario() -> None:
        door = socket_in(tmp_path)
        async with serving([door]) as (_, behind):
            _, writer = await asyncio.open_unix_connection(str(door.path))
            writer.write(b"GET / HTTP/1.1\r\n" + b"x" * 4_000_000)
            with pytest.raises(ConnectionError):
                await writer.drain()
            body = orjson.dumps({"request": "b", "reason": "x", "all": True})
            quiet, sent = await asyncio.open_unix_connection(str(door.path), limit=1)
            sent.write(post("cancel", body))
            await sent.drain()
            async with asyncio.timeout(5):
                while not behind.asked:  # noqa: ASYNC110  nothing tells of it
                    await asyncio.sleep(0.01)
            client = ControlClient(door.path)
            assert (await asyncio.to_thread(client.see, "status"))["ok"]
            await asyncio.sleep(0.6)
            assert len(await quiet.read()) < 4_000_000
            sent.close()
            writer.close()

    run(scenario())


def test_an_answer_that_takes_long_is_given_up_and_the_act_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "ACT_WAIT", 0.1)

    async def scenario() -> None:
        door = socket_in(tmp_path)
        async with serving([door]) as (_, behind):
            behind.free.clear()
            with pytest.raises(ControlError, match="goes on") as caught:
                await asyncio.to_thread(ControlClient(door.path).act, "halt", reason="x")
            assert (caught.value.code, caught.value.status) == ("NOT_DONE_YET", 504)
            behind.free.set()
            behind.raising = TryLater("NOT_QUIET", "the account is not at rest", delay=1.0)
            with pytest.raises(ControlError, match="not at rest"):
                await asyncio.to_thread(ControlClient(door.path).act, "halt", reason="x")

    run(scenario())


def test_it_opens_again_when_its_socket_is_gone_or_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LOOK", 0.05)
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.05)

    async def scenario() -> None:
        door = socket_in(tmp_path)
        client = ControlClient(door.path)
        with capture_logs() as lines:
            async with serving([door]):
                assert (await asyncio.to_thread(client.see, "status"))["ok"]
                door.path.unlink()
                async with asyncio.timeout(10):
                    while not door.path.exists():  # noqa: ASYNC110  a file tells nobody
                        await asyncio.sleep(0.02)
                assert (await asyncio.to_thread(client.see, "status"))["ok"]
        broke = [line for line in lines if line["event"] == "control_broke"]
        assert broke
        assert broke[0]["again_seconds"] == 0.05

    run(scenario())


def test_a_socket_that_a_dead_daemon_left_is_replaced_and_a_living_ones_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.05)

    async def scenario() -> None:
        door = socket_in(tmp_path)
        door.path.parent.mkdir(mode=0o755)
        server = await asyncio.start_unix_server(
            lambda reader, writer: writer.close(), str(door.path)
        )
        inode = door.path.stat().st_ino
        with capture_logs() as lines:
            other = api.ControlApi(Behind(), [door])
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(other.run())
                async with asyncio.timeout(10):
                    while not any("another daemon" in str(line) for line in lines):  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
                assert door.path.stat().st_ino == inode
                server.close()
                async with asyncio.timeout(10):
                    while not any(  # noqa: ASYNC110
                        line["event"] == "control_listens" for line in lines
                    ):
                        await asyncio.sleep(0.02)
                assert (await asyncio.to_thread(ControlClient(door.path).see, "status"))["ok"]
                running.cancel()

    run(scenario())


@pytest.mark.parametrize("first", [True, False])
def test_a_door_that_cannot_be_opened_closes_no_other_and_opens_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.01)

    async def scenario() -> None:
        port = free_port()
        tcp, unix = TcpDoor(address="127.0.0.1", port=port, token=TOKEN), socket_in(tmp_path)
        doors: list[Door] = [tcp, unix] if first else [unix, tcp]
        with capture_logs() as lines:
            taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
            async with serving([unix], served=doors):
                while sum(line["event"] == "control_broke" for line in lines) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                inode = unix.path.stat().st_ino
                assert (await asyncio.to_thread(ControlClient(unix.path).see, "status"))["ok"]
                taken.close()
                await taken.wait_closed()
                client = ControlClient(f"http://127.0.0.1:{port}", token=TOKEN)
                while sum(line["event"] == "control_listens" for line in lines) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                assert (await asyncio.to_thread(client.see, "status"))["ok"]
                assert unix.path.stat().st_ino == inode, "the other was open all the time"
        broke = [line for line in lines if line["event"] == "control_broke"]
        assert all(str(port) in line["cause"] for line in broke)
        pauses = [line["again_seconds"] for line in broke]
        assert pauses == sorted(set(pauses)), "each failure is waited for longer"

    run(scenario())


def test_what_the_daemon_cannot_survive_is_not_survived(tmp_path: Path) -> None:
    async def scenario() -> None:
        door = socket_in(tmp_path)
        async with serving([door]) as (_, behind):
            behind.raising = InvariantBroken("the books contradict each other")
            with pytest.raises((ControlError, AnswerLost)):
                await asyncio.to_thread(ControlClient(door.path).act, "halt", reason="x")
            await asyncio.sleep(5)

    with pytest.raises(ExceptionGroup) as caught:
        run(scenario())
    assert caught.group_contains(InvariantBroken)
