"""Where lines go besides files: standard output and journald, neither of which may hold us up."""

import errno
import os
import re
import select
import socket
import stat
from collections.abc import Mapping
from typing import Any, Protocol

from daemon.logs.repeats import Line

PATIENCE_MS = 100
"""A reader of our output that does not read for this long is not waited for again until it does."""
PIECE = 4_096
"""What a pipe that is ready for writing takes without waiting: PIPE_BUF of Linux."""

JOURNAL_SOCKET = "/run/systemd/journal/socket"
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""syslog(3) priorities of our levels."""
JOURNAL_FIELDS = ("event.name", "trace.id", "log.logger", "strategy", "instrument")
"""What journald indexes beside the line itself: `EVENT_NAME=`, `TRACE_ID=`, …"""

GONE = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE)
"""What sending fails with where nobody holds the other end any more."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class TextStream(Protocol):
    """Where lines go: standard output, or a buffer in a test."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...
    def isatty(self) -> bool: ...


class StreamOutlet:
    """Lines on a text stream. A pipe that nobody empties costs `PATIENCE_MS` once, then lines.

    With `prefixed` every line begins with its priority as `<N>`, as sd-daemon(3) asks for.
    """

    name = "stream"

    def __init__(self, stream: TextStream, *, prefixed: bool = False) -> None:
        self._stream = stream
        self._prefixed = prefixed
        self._poll = _poll(stream)
        self._patience = PATIENCE_MS

    def write(self, text: str, line: Line) -> None:
        """Write one line; raises `OSError` or `ValueError` when it is lost."""
        if self._prefixed:
            text = f"<{PRIORITIES[line['log.level']]}>{text}"
        try:
            # Asked beforehand: the stream's own way with errors may not be JSON's.
            data = text.encode(getattr(self._stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            text = _NOT_ASCII.sub(_escaped, text)
            data = text.encode("ascii")
        if self._poll is None:
            self._stream.write(text + "\n")
            self._stream.flush()
            return
        if len(data) < PIECE:
            pieces = [text + "\n"]
        else:
            # Letters of Korean take three bytes, some take four.
            step = PIECE // 4
            text += "\n"
            pieces = [text[start : start + step] for start in range(0, len(text), step)]
        for piece in pieces:
            self._wait(self._poll)
            self._stream.write(piece)
            self._stream.flush()

    def close(self) -> None:
        """The stream is not ours to close."""

    def _wait(self, poll: "select.poll") -> None:
        if not poll.poll(self._patience):
            self._patience = 0
            raise BlockingIOError("nobody reads our output")
        self._patience = PATIENCE_MS


def _poll(stream: TextStream) -> "select.poll | None":
    """To ask whether a pipe or a socket takes something now; other files never wait for readers."""
    fileno = getattr(stream, "fileno", None)
    if fileno is None or not hasattr(select, "poll"):
        return None
    try:
        descriptor = fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll


def _escaped(found: re.Match[str]) -> str:
    """As JSON writes it too; what does not fit in four digits has no short form."""
    code = ord(found[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else "?"


def is_journal(stream: TextStream, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is the one systemd connected to journald: see systemd.exec(5)."""
    fileno = getattr(stream, "fileno", None)
    told = environ.get("JOURNAL_STREAM", "")
    if not told or fileno is None:
        return False
    try:
        status = os.fstat(fileno())
    except (OSError, ValueError):
        return False
    return told == f"{status.st_dev}:{status.st_ino}"


class JournalOutlet:
    """Entries for journald's native socket: the line as `MESSAGE`, its level as `PRIORITY`.

    Never waits: what journald does not take at once is lost there. One that has opened its socket
    anew is found again by the next entry. Raises `OSError` when there is no such socket.
    """

    name = "journal"

    def __init__(self, identifier: str, path: str = JOURNAL_SOCKET) -> None:
        self._identifier = identifier
        self._path = path
        self._socket = _connected(path)

    def write(self, text: str, line: Line) -> None:
        """Send one entry; raises `OSError` when it is lost."""
        fields: dict[str, Any] = {
            "MESSAGE": text,
            "PRIORITY": PRIORITIES[line["log.level"]],
            "SYSLOG_IDENTIFIER": self._identifier,
        }
        for name in JOURNAL_FIELDS:
            value = line.get(name)
            if isinstance(value, str) and value:
                fields[name.upper().replace(".", "_")] = value
        data = b"".join(_entry(name, str(value)) for name, value in fields.items())
        try:
            self._send(data)
        except OSError as error:
            if error.errno not in GONE:
                raise
            fresh = _connected(self._path)
            self._socket.close()
            self._socket = fresh
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            # What is too long for a datagram goes as a sealed file in memory.
            _send_sealed(self._socket, data)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


def _entry(name: str, value: str) -> bytes:
    data = value.encode()
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


def _connected(path: str) -> socket.socket:
    """A socket that takes datagrams for `path` at once or not at all; raises `OSError`."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    found.setblocking(False)
    try:
        found.connect(path)
    except OSError:
        found.close()
        raise
    return found


def _send_sealed(target: socket.socket, data: bytes) -> None:
    """Send the descriptor of a file that nobody can change any more; raises `OSError`."""
    import fcntl

    descriptor = os.memfd_create("log-line", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(descriptor, data)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        socket.send_fds(target, [b""], [descriptor])
    finally:
        os.close(descriptor)
