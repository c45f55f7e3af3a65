#!/usr/bin/env python3
"""The far end of the log's way: appends lines to a file, and says OK only for what is written.

rsyslog's omprog starts it (see rsyslog-receiver.conf). rsyslog's own file output drops a line when
the disk is full; here such a line is answered with an error, and rsyslog gives it again until there
is room. Half a line that a full disk took is taken back first. Needs Python 3 alone.

Usage: keep_lines.py FILE
"""

import os
import sys


def keep(descriptor: int, line: bytes) -> str:
    """Append a line; the answer for rsyslog: `OK`, or why it is not kept."""
    before = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, line) == len(line):
            return "OK"
        problem = "no room for the whole line"
    except OSError as error:
        problem = str(error)
    os.ftruncate(descriptor, before)
    return f"Error: {problem}"


def main(path: str) -> None:
    """Serve until rsyslog closes our input."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    answers = sys.stdout
    answers.write("OK\n")
    answers.flush()
    for line in sys.stdin.buffer:
        answers.write(keep(descriptor, line) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
