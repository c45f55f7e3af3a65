"""The log on disk: dated files that are only ever appended to, and deleted when they are old.

A shipper that follows `kis-trader-*.jsonl` never meets a renamed or truncated file: rotation is
the opening of the next file, and names sort as the files were opened. Nothing here waits for a
disk that is full.
"""

import errno
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from daemon.core.calendar import KST

PREFIX = "kis-trader"
_NAME = re.compile(rf"{PREFIX}-(\d{{8}})-(\d{{1,9}})\.jsonl")
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class LogFile(NamedTuple):
    """One file; files sort as they were opened."""

    day: date
    number: int
    path: Path


def log_files(folder: Path) -> list[LogFile]:
    """The files of a folder, oldest first; none if there is no folder."""
    found = []
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        with suppress(ValueError):
            day = datetime.strptime(match[1], "%Y%m%d").date()  # noqa: DTZ007  a day has no zone
            found.append(LogFile(day, int(match[2]), folder / name))
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Retention:
    """When the next file begins and when old ones go: bytes, files, days of Seoul."""

    max_bytes: int = 50_000_000
    keep_files: int = 100
    keep_days: int = 90


class DatedFiles:
    """Writes whole lines to `kis-trader-YYYYMMDD-NNNN.jsonl`, a new file a day (KST) or when full.

    Files are readable by their user alone, and by their group where the folder is: a new folder is
    not. `write` raises `OSError` when a line is lost; one that the disk took in part is completed
    before anything else is written.

    Several processes may write at once, to one file: a line is one append. Only one that a full
    disk took in part may be cut in two by a line of another.
    """

    name = "files"

    def __init__(self, folder: Path, now: Callable[[], datetime], retention: Retention) -> None:
        self.folder = folder
        self._now = now
        self._retention = retention
        self._descriptor: int | None = None
        self._current: LogFile | None = None
        self._owed = b""

    def write(self, line: str) -> None:
        """Append one line; raises `OSError` when it is not, or not wholly, on its way."""
        self._turn()
        assert self._descriptor is not None, "a file was opened or an error raised"
        text = line.encode() + b"\n"
        data = self._owed + text
        rest = data[os.write(self._descriptor, data) :]
        if rest and len(rest) < len(text):
            # The disk took a part of it: what is left is tried at once, and owed if that fails.
            with suppress(OSError):
                rest = rest[os.write(self._descriptor, rest) :]
        lost = len(rest) >= len(text)
        self._owed = rest[: len(rest) - len(text)] if lost else rest
        if lost:
            raise OSError(errno.ENOSPC, "the disk took nothing of the line", str(self.folder))

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._current = None

    def _turn(self) -> None:
        """See to it that the right file is open."""
        today = self._now().astimezone(KST).date()
        if self._descriptor is not None and self._current is not None:
            if self._owed:
                return
            status = os.fstat(self._descriptor)
            full = status.st_size >= self._retention.max_bytes
            if self._current.day == today and not full and status.st_nlink:
                return
        try:
            self._open(today)
        except OSError:
            # No new file: the old one, if it is there, is better than losing the line.
            if self._descriptor is None:
                raise
            return
        self._delete_old(today)

    def _open(self, today: date) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        ours = [each for each in log_files(self.folder) if each.day == today]
        if ours and ours[-1].path.stat().st_size < self._retention.max_bytes:
            file = ours[-1]
        else:
            number = ours[-1].number + 1 if ours else 1
            file = LogFile(
                today, number, self.folder / f"{PREFIX}-{today:%Y%m%d}-{number:04}.jsonl"
            )
        descriptor = os.open(file.path, _FLAGS, 0o600)
        if self.folder.stat().st_mode & stat.S_IRGRP:
            with suppress(OSError):
                # Whatever the umask; a shipper that cannot read is no reason to lose a line.
                file.path.chmod(0o640)
        self.close()
        self._descriptor, self._current = descriptor, file
        if _is_torn(file.path):
            # A killed process left half a line: nothing may be appended to it.
            self._owed = b"\n"

    def _delete_old(self, today: date) -> None:
        """Delete complete files that are too many or too old; never the newest one."""
        complete = log_files(self.folder)[:-1]
        surplus = max(len(complete) + 1 - self._retention.keep_files, 0)
        oldest = today - timedelta(days=self._retention.keep_days)
        for place, file in enumerate(complete):
            if (place < surplus or file.day < oldest) and file != self._current:
                with suppress(OSError):
                    file.path.unlink()


def _is_torn(path: Path) -> bool:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        if end == 0:
            return False
        file.seek(end - 1)
        return file.read(1) != b"\n"
