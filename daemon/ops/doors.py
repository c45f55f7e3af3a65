"""Where a daemon is spoken to: listening sockets, who may enter, and how long anybody may stay.

A connection carries one request. Whoever sends nothing, too much, or never reads is cut off.
"""

import asyncio
import ipaddress
import os
import socket
import ssl
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

from daemon.core.errors import NeedsOperator

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
ROOT = 0

FIRST_WORD = 5.0
"""Seconds until a connection must have brought a whole head of a request."""

STAY = 90.0
"""Seconds after which a connection is cut whatever it is about."""

CONNECTIONS = 16
"""Connections at a time through one door."""

MOST_BYTES = 96 * 1024
"""What one connection may send, head and body."""

_PEER = struct.Struct("3i")


class Peer(NamedTuple):
    """The process at the other end of a unix socket, as the kernel tells."""

    pid: int
    uid: int
    gid: int


def peer_of(descriptor: int) -> Peer:
    """Who is connected to a unix socket; raises `OSError`."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        told = copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return Peer(*_PEER.unpack(told))


def may_enter(peer: Peer, own: int) -> bool:
    """Whether a process may speak to a daemon that user `own` runs: that user and root may."""
    return peer.uid in (own, ROOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixDoor:
    """A socket file that this user alone can reach; its folder is made private, too."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpDoor:
    """A TCP port for those who bring the token. `names` are what the `Host` header may say beside
    the address itself; with a certificate it speaks TLS only.
    """

    address: str
    port: int
    token: str = field(repr=False)
    names: frozenset[str] = frozenset()
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("a TCP door needs a token")
        if not is_loopback(self.address) and (self.certificate is None or self.key is None):
            raise ValueError(f"{self.address} is not this machine alone: it needs TLS")

    @property
    def hosts(self) -> frozenset[str]:
        """Every host that a request may be addressed to."""
        own = {self.address, *self.names}
        if is_loopback(self.address):
            own |= {"localhost", "127.0.0.1", "::1"}
        return frozenset(each.lower() for each in own)


Door = UnixDoor | TcpDoor


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class Connection(asyncio.Protocol):
    """Stands between a transport and the HTTP protocol, and cuts what oversteps a bound."""

    def __init__(self, inner: asyncio.Protocol, hall: "Hall") -> None:
        self.peer: Peer | None = None
        self._inner = inner
        self._hall = hall
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0
        self._inside = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of uvloop only behave like the class.
        stream = self._transport = cast(asyncio.Transport, transport)
        refusal = self._hall.refusal(self, stream)
        if refusal:
            self._hall.on_refused(refusal)
            stream.abort()
            return
        self._inside = True
        self._cut_in(FIRST_WORD)
        self._hall.inside[self._inner] = self
        self._inner.connection_made(transport)

    def begun(self) -> None:
        """A whole head of a request is there."""
        self._cut_in(STAY)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if not self._inside:
            return
        if self._received > MOST_BYTES:
            self._cut()
            return
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inside else None

    def pause_writing(self) -> None:
        if self._inside:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inside:
            self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._hall.inside.pop(self._inner, None)
        if self._inside:
            self._inside = False
            self._inner.connection_lost(error)

    def _cut_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._cut)

    def _cut(self) -> None:
        self._hall.on_refused("a connection took too long or sent too much")
        if self._transport is not None:
            self._transport.abort()


class Hall:
    """The connections of one door; `on_refused` is told why one was turned away."""

    def __init__(
        self,
        door: Door,
        inner: Callable[[], asyncio.Protocol],
        *,
        on_refused: Callable[[str], None],
        own: int | None = None,
    ) -> None:
        self.inside: dict[asyncio.Protocol, Connection] = {}
        self.on_refused = on_refused
        self._door = door
        self._inner = inner
        self._own = os.getuid() if own is None else own

    def __call__(self) -> Connection:
        return Connection(self._inner(), self)

    def refusal(self, connection: Connection, transport: asyncio.Transport) -> str:
        """Why a connection may not stay; empty when it may."""
        if len(self.inside) >= CONNECTIONS:
            return f"{CONNECTIONS} connections are open already"
        if isinstance(self._door, TcpDoor):
            return ""
        try:
            peer = peer_of(transport.get_extra_info("socket").fileno())
        except OSError as error:
            return f"who is there cannot be told: {error}"
        connection.peer = peer
        return "" if may_enter(peer, self._own) else f"user {peer.uid} may not speak here"


async def open_door(door: Door, hall: Hall) -> asyncio.Server:
    """Listen; raises `OSError`, and `NeedsOperator` for what a person must put right."""
    loop = asyncio.get_running_loop()
    if isinstance(door, UnixDoor):
        return await loop.create_unix_server(hall, sock=_bound(door.path))
    context = _tls(door) if door.certificate is not None else None
    return await loop.create_server(
        hall,
        door.address,
        door.port,
        ssl=context,
        ssl_handshake_timeout=FIRST_WORD if context else None,
        reuse_address=True,
    )


def _tls(door: TcpDoor) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(str(door.certificate), None if door.key is None else str(door.key))
    except (OSError, ssl.SSLError) as error:
        raise NeedsOperator(f"{door.certificate}, {door.key}: cannot be used: {error}") from error
    return context


def _bound(path: Path) -> socket.socket:
    """A socket bound at `path`, alone in a private folder. A file left by a daemon that is gone is
    replaced; one that is answered is another daemon's.
    """
    folder = path.parent
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    told = folder.lstat()
    if not stat.S_ISDIR(told.st_mode) or told.st_uid != os.getuid():
        raise NeedsOperator(f"{folder} is not a folder of this user")
    folder.chmod(PRIVATE_FOLDER)
    if is_answered(path):
        raise OSError(f"another daemon answers at {path}")
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with reachable(path) as address:
            listening.bind(address)
        path.chmod(PRIVATE_FILE)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def is_answered(path: Path) -> bool:
    """Whether somebody listens at a socket file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            with reachable(path) as address:
                probe.connect(address)
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


class reachable:  # noqa: N801  a context manager reads as a word
    """The address of a socket file for the time of a `with`: the kernel takes no more than 107
    bytes, so that a long path goes by way of its open folder (Linux).
    """

    LIMIT = 100

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder: int | None = None

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= self.LIMIT:
            return str(self._path)
        self._folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *raised: object) -> None:
        if self._folder is not None:
            os.close(self._folder)
