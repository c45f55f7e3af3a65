#!/usr/bin/env python3
"""The far end of the log's way: keeps lines in a file a day, and says OK only for what is written.

rsyslog's omprog starts it (see rsyslog-receiver.conf). rsyslog's own file output drops a line when
the disk is full; here such a line is answered with an error, and rsyslog gives it again until there
is room. Half a line is taken back before anything follows it. Needs Python 3 alone.

Usage: keep_lines.py FILE. The name gets the day, in Seoul, on which lines come: `received.jsonl`
becomes `received-20261102.jsonl`. Files may be deleted at any time.
"""

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

SEOUL = timezone(timedelta(hours=9))


class Keeper:
    """Appends lines to the file of the day that `now` tells."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._path = path
        self._now = now
        self._day = ""
        self._descriptor = -1

    def keep(self, line: bytes) -> str:
        """Append a line; the answer for rsyslog: `OK`, or why it is not kept."""
        try:
            self._open()
            if os.write(self._descriptor, line) == len(line):
                return "OK"
            problem = "no room for the whole line"
        except OSError as error:
            problem = str(error)
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                take_back(self._descriptor)
        self._close()
        return f"Error: {problem}"

    def _open(self) -> None:
        day = f"{self._now():%Y%m%d}"
        if self._descriptor >= 0 and self._day == day and os.fstat(self._descriptor).st_nlink:
            return
        self._close()
        name = f"{self._path.stem}-{day}{self._path.suffix}"
        path = self._path.with_name(name)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # The one of a killed rsyslog may not have ended yet: neither cuts the other's lines.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            take_back(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._day = descriptor, day

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def take_back(descriptor: int) -> None:
    """Cut off half a line at the end, which a full disk or a kill has left: nobody was told OK."""
    size = end = os.fstat(descriptor).st_size
    while end and os.pread(descriptor, 1, end - 1) != b"\n":
        end -= 1
    if end < size:
        os.ftruncate(descriptor, end)


def main(path: str) -> None:
    """Serve until rsyslog closes our input."""
    keeper = Keeper(Path(path), lambda: datetime.now(SEOUL))  # noqa: TID251  it has no Clock
    answers = sys.stdout
    answers.write("OK\n")
    answers.flush()
    for line in sys.stdin.buffer:
        answers.write(keeper.keep(line) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
