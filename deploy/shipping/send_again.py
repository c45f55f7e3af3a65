#!/usr/bin/env python3
"""Before rsyslog starts: let it send the last lines of the log once more.

What rsyslog has sent and the far side has not acknowledged is only in its memory, and is lost when
it is killed, or ended while the far side is away. So the places it noted in the newest files it has
read are forgotten, as many files as hold `AT_LEAST` lines, and it reads those from their beginning.
Nothing else is touched. Needs Python 3 alone.

Usage: send_again.py SPOOL LOGS, rsyslog's work directory and the folder of the log's files.
"""

import json
import sys
from pathlib import Path

AT_LEAST = 1_000
"""Lines; RELP has at most 128 on their way (`windowSize`)."""


def begun(spool: Path, logs: Path) -> dict[Path, list[Path]]:
    """Notes of imfile by the file they are about, files it has read something of."""
    found: dict[Path, list[Path]] = {}
    for note in spool.glob("imfile-state:*"):
        try:
            told = json.loads(note.read_bytes())
            file, place = Path(told["filename"]), int(told["curr_offs"])
        except (OSError, ValueError, KeyError, TypeError):
            # Half written, or not ours to understand: rsyslog reads its own way.
            continue
        if file.parent == logs and place > 0:
            found.setdefault(file, []).append(note)
    return found


def lines_of(file: Path) -> int:
    """How many lines a file has; none if it was deleted."""
    try:
        with file.open("rb") as lines:
            return sum(1 for _ in lines)
    except OSError:
        return 0


def main(spool: Path, logs: Path) -> None:
    """Forget the places of the newest files read; their names sort as they were opened."""
    lines = 0
    for file, notes in sorted(begun(spool, logs).items(), reverse=True):
        if lines >= AT_LEAST:
            break
        lines += lines_of(file)
        for note in notes:
            note.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
