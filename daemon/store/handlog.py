"""A record of what is sent by hand: one JSON line before it leaves, one when it is known.

It belongs to no ledger: the daemon learns of such orders from the broker. It is there so that an
order whose answer was lost can be looked for.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import orjson

from daemon.store.locks import PRIVATE_FILE, private_folder

BY_HAND = "sent-by-hand.jsonl"
"""The file's name in the folder of a mode."""


class HandLog:
    """Appends to a file that this user alone may read. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, what: str, at: datetime, told: Mapping[str, object]) -> None:
        """Append one line and return when it is on the disk; `at` is an aware instant."""
        line = orjson.dumps({"at": at, "what": what, **told}, option=orjson.OPT_APPEND_NEWLINE)
        private_folder(self._path.parent)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, PRIVATE_FILE)
        try:
            written = os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if written != len(line):
            raise OSError(f"{self._path}: only a part of a line could be written")
