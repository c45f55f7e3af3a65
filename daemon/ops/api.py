"""The control API: what a person or a script asks of a running daemon, over HTTP.

`GET /v1/<view>` shows, `POST /v1/<act>` does; see docs/control.md. It breaks alone: trading goes
on, and each door is opened again, the others staying open.
"""

import asyncio
import hmac
import pwd
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import orjson
import structlog
from aiohttp import web

from daemon.core.errors import Fatal, TradingError
from daemon.ops.control import ACTS, AnyAct, Caller, Control, ControlError, View, act_of
from daemon.ops.doors import Connection, Door, Hall, TcpDoor, UnixDoor, open_door

VERSION = 1
BODY_LIMIT = 64 * 1024
BODY_WAIT = 5.0
"""Seconds until all of a body must be there."""

ACT_WAIT = 60.0
"""Seconds an answer is waited for; the act itself goes on."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
LOOK = 5.0
"""Seconds between two looks whether the socket file is still ours."""

_LOG_REFUSALS = 10.0


class ControlApi:
    """Serves `control` at the doors; `run` belongs to the caller, and raises only `Fatal`."""

    def __init__(self, control: Control, doors: Sequence[Door]) -> None:
        self._control = control
        self._doors = tuple(doors)
        self._log = structlog.get_logger("control")
        self._fatal: asyncio.Future[NoReturn] | None = None
        self._told_refusal = float("-inf")

    async def run(self) -> None:
        """Serve for ever, at every door on its own."""
        loop = asyncio.get_running_loop()
        fatal = self._fatal = loop.create_future()
        serving = [loop.create_task(self._keep(door), name="control door") for door in self._doors]
        try:
            await fatal
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    async def _keep(self, door: Door) -> None:
        """Serve at one door; what breaks is logged and begun again after a growing pause."""
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._serve(door)
            except Exception as error:  # noqa: BLE001  it must not take trading with it
                if loop.time() - began > LONGEST_PAUSE:
                    pause = FIRST_PAUSE
                cause = f"{type(error).__name__}: {error}"
                self._log.error("control_broke", cause=cause, again_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _serve(self, door: Door) -> None:
        """Open a door and stay until it breaks."""
        async with AsyncExitStack() as stack:
            await self._open(door, stack)
            if isinstance(door, TcpDoor):
                self._log.info("control_listens", sockets=[], tcp=[door.port])
                await asyncio.Event().wait()
                return
            inode = door.path.stat().st_ino
            stack.callback(_take_away, door.path, inode)
            self._log.info("control_listens", sockets=[str(door.path)], tcp=[])
            while door.path.stat().st_ino == inode:  # noqa: ASYNC110  a file tells nobody
                await asyncio.sleep(LOOK)
            raise OSError(f"{door.path} was replaced")

    async def _open(self, door: Door, stack: AsyncExitStack) -> None:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await self._answer(request, door, hall)

        http = web.Server(answer, access_log=None, auto_decompress=False, lingering_time=0.0)
        stack.push_async_callback(http.shutdown, 0.5)
        hall = Hall(door, http, on_refused=self._refused)
        server = await open_door(door, hall)
        stack.callback(server.close)

    def _refused(self, why: str) -> None:
        """Say that somebody was turned away, now and then: whoever knocks must not fill the log."""
        now = asyncio.get_running_loop().time()
        if now - self._told_refusal >= _LOG_REFUSALS:
            self._told_refusal = now
            self._log.warning("control_refused", why=why)

    async def _answer(self, request: web.BaseRequest, door: Door, hall: Hall) -> web.Response:
        connection = hall.inside.get(request.protocol)
        if connection is None:
            return _error(ControlError("GONE", "the connection is gone", status=400))
        connection.begun()
        try:
            return await self._answered(request, door, connection)
        except ControlError as error:
            if error.status in (401, 403):
                self._refused(error.problem)
            return _error(error)
        except Fatal as error:
            assert self._fatal is not None, "the doors are open"
            if not self._fatal.done():
                self._fatal.set_exception(error)
            return _error(ControlError("FATAL", f"the daemon ends: {error}", status=500))
        except Exception as error:  # noqa: BLE001  it must not take trading with it
            self._log.exception("control_request_failed", path=request.path[:80])
            problem = f"{type(error).__name__}: a bug, told in the log"
            return _error(ControlError("BUG", problem, status=500))

    async def _answered(
        self, request: web.BaseRequest, door: Door, connection: Connection
    ) -> web.Response:
        caller = _caller(request, door, connection)
        found = _route(request)
        if isinstance(found, View):
            asked = {str(key): str(value) for key, value in request.query.items()}
            return _response(200, {"ok": True, **self._control.see(found, asked)})
        act = act_of(found, await _body(request))
        done = await self._act(act, caller)
        return _response(
            200,
            {
                "ok": True,
                "act": act.name,
                "request": act.request,
                "message": done.message,
                "repeated": done.repeated,
                "result": dict(done.result),
            },
        )

    async def _act(self, act: AnyAct, caller: Caller) -> Any:
        try:
            async with asyncio.timeout(ACT_WAIT):
                return await self._control.act(act, caller)
        except TimeoutError:
            raise ControlError(
                "NOT_DONE_YET",
                f"{act.name} is not done within {ACT_WAIT:.0f} s, and goes on",
                fix="ask again with the same request id, or look at status and orders",
                status=504,
            ) from None
        except TradingError as error:
            raise ControlError("REFUSED", str(error)) from error


def _caller(request: web.BaseRequest, door: Door, connection: Connection) -> Caller:
    """Who asks; raises `ControlError` for whoever may not."""
    if isinstance(door, UnixDoor):
        peer = connection.peer
        assert peer is not None, "nobody came in through the socket without a name"
        return Caller(channel="socket", user=_user(peer.uid), uid=peer.uid, pid=peer.pid)
    host = request.headers.getall("Host", [])
    if len(host) != 1 or _hostname(f"//{host[0]}") not in door.hosts:
        raise ControlError(
            "BAD_HOST",
            "the Host header does not name this daemon",
            field="Host",
            fix="use an address of control.tcp, or add the name to control.tcp.names",
            status=403,
        )
    origin = request.headers.get("Origin")
    if origin is not None and _hostname(origin) not in door.hosts:
        raise ControlError("BAD_ORIGIN", "another site's page asks", field="Origin", status=403)
    given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
    if not hmac.compare_digest(given, f"Bearer {door.token}".encode()):
        raise ControlError(
            "BAD_TOKEN",
            "the bearer token is wrong or not there",
            field="Authorization",
            fix="send `Authorization: Bearer …` with the token of control.token_file",
            status=401,
        )
    peername = request.transport.get_extra_info("peername") if request.transport else None
    return Caller(channel="tcp", user=str(peername[0]) if peername else "")


def _hostname(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _route(request: web.BaseRequest) -> View | str:
    """The view or the act that a path means."""
    start, _, word = request.path.strip("/").rpartition("/")
    if start != f"v{VERSION}" or (word not in list(View) and word not in ACTS):
        raise ControlError(
            "NO_SUCH_PATH",
            f"there is no {request.path[:80]}",
            field="path",
            fix=f"GET /v{VERSION}/{{{','.join(View)}}}, POST /v{VERSION}/{{{','.join(ACTS)}}}",
            status=404,
        )
    if request.method == "GET" and word in list(View):
        return View(word)
    if request.method == "POST" and word in ACTS:
        return word
    right = "POST" if word in ACTS else "GET"
    raise ControlError(
        "BAD_METHOD",
        f"{word} is not for {request.method[:10]}",
        field="method",
        fix=f"use {right}",
        status=405,
    )


async def _body(request: web.BaseRequest) -> object:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ControlError(
            "BAD_TYPE",
            "the body is not called JSON",
            field="Content-Type",
            fix="send Content-Type: application/json",
            status=415,
        )
    too_large = ControlError(
        "TOO_LARGE",
        f"the body has more than {BODY_LIMIT} bytes",
        field="body",
        fix="send less",
        status=413,
    )
    if (request.content_length or 0) > BODY_LIMIT:
        raise too_large
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_WAIT):
            async for part in request.content.iter_any():
                content += part
                if len(content) > BODY_LIMIT:
                    raise too_large
    except TimeoutError:
        raise ControlError(
            "TOO_SLOW", f"the body is not there within {BODY_WAIT:.0f} s", field="body", status=408
        ) from None
    try:
        return orjson.loads(bytes(content))
    except ValueError:
        raise ControlError(
            "BAD_BODY", "the body is not JSON", field="body", fix="send {…}", status=400
        ) from None


def _error(error: ControlError) -> web.Response:
    return _response(error.status, {"ok": False, "error": error.told()})


def _response(status: int, content: Mapping[str, Any]) -> web.Response:
    body = orjson.dumps({"v": VERSION, **content}, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
    response = web.Response(
        status=status,
        body=body,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    response.force_close()
    return response


def _plain(value: object) -> str:
    """Amounts exactly, as text."""
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} is not for JSON")


def _take_away(path: Path, inode: int) -> None:
    """Remove a socket file that is still ours."""
    with suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()
