"""What crosses the border to the sockets: requests, replies, connections and how they fail.

Only `transport.py` implements these with real sockets; simulations hand in their own.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from daemon.core.errors import OutcomeUnknown, TradingError, TryLater


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request; `path` and `query` are relative to the transport's `base_url`.

    Query values travel byte for byte (percent-encoded): the broker's paging cursors depend on
    it. Headers, query and body carry secrets and stay out of the repr.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A complete reply. Header names are lower case. The body may carry a token."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class NotSent(TryLater):
    """No byte of the request left: the connection could not be made at all."""

    def __init__(self, cause: str) -> None:
        super().__init__("NOT_SENT", cause, delay=1.0)


class NoAnswer(OutcomeUnknown):
    """The request left and no answer came in time: it may still be on its way."""


class ConnectionLost(TradingError):
    """A stream connection could not be made or ended, and why."""


class HttpTransport(Protocol):
    """Sends one request over a kept connection; never repeats it by itself."""

    @property
    def base_url(self) -> str:
        """Scheme, host and port: compared with the profile before an order leaves."""

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
        """The reply, whatever its status, within `timeout` seconds.

        Raises `NotSent` when certainly nothing left, `OutcomeUnknown` for everything else.
        """


class WsConnection(Protocol):
    """An open stream connection. Every method raises `ConnectionLost`."""

    async def deliver(self, on_frame: Callable[[str | bytes], None]) -> None:
        """Call `on_frame` with every message in order, until the connection ends.

        Never returns normally; what `on_frame` raises passes through.
        """

    async def send(self, text: str) -> None:
        """Send one text message."""

    async def pong(self, payload: bytes) -> None:
        """Send a pong control frame; `payload` is at most 125 bytes."""


class WsTransport(Protocol):
    """Opens stream connections; entering the context raises `ConnectionLost` on failure."""

    def connect(self, url: str) -> AbstractAsyncContextManager[WsConnection]: ...


def lone_error(error: BaseException) -> BaseException:
    """What a task group raised, out of its wrapping, when there is only one cause."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
