"""Reading the dated files: what is there, what comes, and which lines are wanted."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from daemon.core.calendar import KST
from daemon.logs.files import LogFile, log_files

LEVELS = ("debug", "info", "warning", "error", "critical")


class Wanted(NamedTuple):
    """Which lines to show; what is empty asks for nothing."""

    level: str = "debug"
    event: str = ""
    order: str = ""
    strategy: str = ""
    since: datetime | None = None

    def takes(self, line: dict[str, Any]) -> bool:
        """Whether a line is wanted. `event` may end in `*`."""
        level = str(line.get("log.level", "info"))
        if level in LEVELS and LEVELS.index(level) < LEVELS.index(self.level):
            return False
        name = str(line.get("event.name", ""))
        if self.event.endswith("*"):
            if not name.startswith(self.event[:-1]):
                return False
        elif self.event and name != self.event:
            return False
        if self.order and self.order not in (line.get("trace.id"), line.get("order")):
            return False
        if self.strategy and line.get("strategy") != self.strategy:
            return False
        return self.since is None or at(line) >= self.since


class Reader:
    """Reads a folder from one file to the next, and goes on where it was when asked again."""

    def __init__(self, folder: Path, since: datetime | None = None) -> None:
        self._folder = folder
        self._first_day = None if since is None else since.astimezone(KST).date()
        self._file: LogFile | None = None
        self._open: BinaryIO | None = None
        self._half = b""

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every whole line that was not read yet. What is no JSON object is left out."""
        while True:
            # Asked first: what the old file still got before the new one came is read below.
            following = self._next()
            if self._open is not None:
                yield from self._rest(self._open)
            if following is None:
                return
            self.close()
            with suppress(FileNotFoundError):
                # It may have been deleted as too old just now.
                self._open = following.path.open("rb")
            self._file = following

    def close(self) -> None:
        """Let go of the file."""
        if self._open is not None:
            self._open.close()
        self._open, self._half = None, b""

    def _next(self) -> LogFile | None:
        for each in log_files(self._folder):
            if self._first_day is not None and each.day < self._first_day:
                continue
            if self._file is None or each > self._file:
                return each
        return None

    def _rest(self, file: BinaryIO) -> Iterator[dict[str, Any]]:
        for raw in file:
            data = self._half + raw
            if not data.endswith(b"\n"):
                self._half = data
                continue
            self._half = b""
            line = parsed(data)
            if line is not None:
                yield line


def parsed(data: bytes | str) -> dict[str, Any] | None:
    """A line as an object, `None` if it is no line of ours."""
    try:
        line = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return line if isinstance(line, dict) and "event.name" in line else None


def at(line: dict[str, Any]) -> datetime:
    """When a line was written."""
    return datetime.fromisoformat(str(line["@timestamp"]))
