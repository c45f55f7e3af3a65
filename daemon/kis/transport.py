"""Real sockets to the broker, and the only file that opens them. Errors are translated here once.

Nothing is logged here: headers and bodies carry keys, tokens and accounts.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from urllib.parse import quote

import aiohttp
import websockets
from websockets.asyncio.client import ClientConnection, connect
from yarl import URL

from daemon.core.errors import OutcomeUnknown
from daemon.kis.link import (
    ConnectionLost,
    HttpRequest,
    HttpResponse,
    NoAnswer,
    NotSent,
    WsConnection,
)

USER_AGENT = "kis-trading-daemon"


class AiohttpTransport:
    """`HttpTransport` over kept-alive connections of aiohttp.

    Use it as an async context manager. Redirects are not followed, proxies of the environment
    not used, cookies not kept, and no request is ever repeated. `socket_factory` makes the
    sockets of a loop that has its own kind.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout: float = 5.0,
        keepalive: float = 30.0,
        connections: int = 20,
        largest_body: int = 8 * 1024 * 1024,
        socket_factory: aiohttp.SocketFactoryType | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._connections = connections
        self._largest_body = largest_body
        self._socket_factory = socket_factory
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "AiohttpTransport":
        """Open the connection pool; connections themselves are made when first used."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                keepalive_timeout=self._keepalive,
                socket_factory=self._socket_factory,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": USER_AGENT},
            trust_env=False,
        )
        # aiohttp silently repeats a GET whose kept connection had died: the request budget
        # would not know of the second one.
        session._retry_connection = False
        self._session = session
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
        """See `HttpTransport.send`."""
        if self._session is None:
            raise NotSent("the transport is not open")
        limits = aiohttp.ClientTimeout(
            total=timeout, sock_connect=min(self._connect_timeout, timeout), ceil_threshold=60.0
        )
        try:
            async with self._session.request(
                request.method,
                self._url(request),
                headers=request.headers,
                data=request.body or None,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                body = await self._body(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpResponse(status=response.status, headers=headers, body=body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        except TimeoutError as error:
            raise NoAnswer(f"no answer within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OutcomeUnknown(f"the exchange failed: {type(error).__name__}") from error

    def _url(self, request: HttpRequest) -> URL:
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in request.query
        )
        # Encoded by ourselves: the blanks and carets of a paging cursor must arrive unchanged.
        return URL(f"{self.base_url}{request.path}{'?' if query else ''}{query}", encoded=True)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._largest_body:
                response.close()
                raise OutcomeUnknown(f"a reply of more than {self._largest_body} bytes")
        return bytes(body)


class WebsocketsTransport:
    """`WsTransport` over the websockets library.

    Compression and the library's own pings are off: the broker offers none and keeps its own
    heartbeat. Proxies of the environment are not used.
    """

    def __init__(
        self,
        *,
        open_timeout: float = 10.0,
        largest_message: int = 1024 * 1024,
        queue: int = 128,
    ) -> None:
        self._open_timeout = open_timeout
        self._largest_message = largest_message
        self._queue = queue

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[WsConnection]:
        """Open a connection for the length of the context; raises `ConnectionLost`."""
        try:
            socket = await connect(
                url,
                compression=None,
                ping_interval=None,
                open_timeout=self._open_timeout,
                close_timeout=2.0,
                max_size=self._largest_message,
                max_queue=self._queue,
                proxy=None,
                user_agent_header=USER_AGENT,
            )
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            raise ConnectionLost(f"no connection: {type(error).__name__}") from error
        try:
            yield _WebsocketsConnection(socket)
        finally:
            await socket.close()


class _WebsocketsConnection:
    TURN = 64
    """Messages handed on before others have their turn."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def deliver(self, on_frame: Callable[[str | bytes], None]) -> None:
        receive = self._socket.recv
        while True:
            # What has arrived together is had without waiting: others must get their turn.
            await asyncio.sleep(0)
            for _ in range(self.TURN):
                try:
                    message = await receive()
                except websockets.ConnectionClosed as error:
                    raise ConnectionLost(f"closed: {_closing(error)}") from error
                on_frame(message)

    async def send(self, text: str) -> None:
        try:
            await self._socket.send(text)
        except websockets.ConnectionClosed as error:
            raise ConnectionLost(f"closed: {_closing(error)}") from error

    async def pong(self, payload: bytes) -> None:
        try:
            await self._socket.pong(payload)
        except websockets.ConnectionClosed as error:
            raise ConnectionLost(f"closed: {_closing(error)}") from error


def _closing(error: websockets.ConnectionClosed) -> str:
    closed = error.rcvd
    return "without a goodbye" if closed is None else f"{closed.code} {closed.reason}".strip()
