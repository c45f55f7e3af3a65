"""Speaks to a running daemon: one request, one answer, without asyncio.

What is asked twice by the same request id is done once, so that an act may be sent again.
"""

import http.client
import secrets
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from daemon.core.errors import OutcomeUnknown, Refused, TradingError
from daemon.ops.control import ControlError
from daemon.ops.doors import reachable

SOCKETS = "control"
"""The folder of the sockets in the control folder of a mode."""

ANSWER_LIMIT = 16 * 1024 * 1024
CONNECT_WAIT = 2.0
ANSWER_WAIT = 75.0

SERVER_ERROR = 500
"""The least HTTP status that blames whoever answers, not whoever asked."""


def socket_path(folder: Path, tag: str) -> Path:
    """Where the daemon of the account `tag` listens, in the control folder of its mode."""
    return folder / SOCKETS / f"api-{tag}.sock"


def sockets_in(folder: Path) -> list[Path]:
    """Every socket file that daemons of a mode made; one of them may be left by a dead one."""
    return sorted((folder / SOCKETS).glob("api-*.sock"))


class NoDaemon(TradingError):
    """Nobody answers: nothing was asked of anybody."""


class AnswerLost(OutcomeUnknown):
    """It was asked, and the answer did not come: it may have been done."""


class ControlClient:
    """Asks the daemon behind a socket file, or at a URL with a token.

    `authority` is a file of certificates to trust instead of the machine's. Every call raises
    `ControlError` for what the daemon refuses, `NoDaemon` and `AnswerLost`.
    """

    def __init__(
        self,
        place: Path | str,
        *,
        token: str = "",
        authority: Path | None = None,
        patience: float = ANSWER_WAIT,
    ) -> None:
        self._place = place
        self._token = token
        self._authority = authority
        self._patience = patience

    def see(self, view: str, asked: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What a view shows."""
        query = f"?{urlencode(asked)}" if asked else ""
        return self._ask("GET", f"/v1/{view}{query}", None)

    def act(self, word: str, *, request: str | None = None, **fields: Any) -> dict[str, Any]:
        """Do something; `request` is minted unless it is given."""
        given = {name: value for name, value in fields.items() if value is not None}
        body = {"request": request or new_request(), **given}
        return self._ask("POST", f"/v1/{word}", orjson.dumps(body))

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        connection = self._connection()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            try:
                connection.connect()
            except (OSError, ValueError) as error:
                raise NoDaemon(f"no daemon answers at {self._place}: {error}") from error
            connection.timeout = self._patience
            if connection.sock is not None:
                connection.sock.settimeout(self._patience)
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                content = answer.read(ANSWER_LIMIT)
            except (OSError, http.client.HTTPException) as error:
                cause = f"{self._place} gave no answer: {type(error).__name__} {error}"
                raise (NoDaemon(cause) if method == "GET" else AnswerLost(cause)) from error
        finally:
            connection.close()
        return _told(answer.status, content)

    def _connection(self) -> http.client.HTTPConnection:
        if isinstance(self._place, Path):
            return _UnixConnection(self._place)
        parts = urlsplit(self._place)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NoDaemon(f"{self._place} is not a URL such as http://127.0.0.1:8400")
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=CONNECT_WAIT)
        authority = None if self._authority is None else str(self._authority)
        context = ssl.create_default_context(cafile=authority)
        return http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=CONNECT_WAIT, context=context
        )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=CONNECT_WAIT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with reachable(self._path) as address:
            self.sock.connect(address)


def new_request() -> str:
    """A request id that nobody used."""
    return secrets.token_hex(12)


def _told(status: int, content: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(content)
        if told["ok"]:
            assert isinstance(told, dict), "an object was asked for its fields"
            return told
        error = told["error"]
        raise ControlError(
            str(error["code"]),
            str(error["problem"]),
            field=str(error["field"]),
            fix=str(error["fix"]),
            status=status,
        )
    except (ValueError, KeyError, TypeError):
        raise AnswerLost(f"the answer ({status}) is no answer of a daemon") from None


def meant(error: ControlError) -> Refused | OutcomeUnknown:
    """The same as trading code knows it: certainly without effect, or not.

    A daemon that answers 500 or more broke, or gave up waiting, after it had begun, and one that
    ended meanwhile says so; only `BUSY` is said before anything is begun.
    """
    begun = error.status >= SERVER_ERROR and error.code != "BUSY"
    if begun or error.code == "OUTCOME_UNKNOWN":
        return OutcomeUnknown(f"{error.code}: {error.problem}")
    return Refused(error.code, f"{error.problem} {error.fix}".strip())
