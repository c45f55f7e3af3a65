"""The kill switch as a file: a state's name in `KILL`, and the daemon's answer beside it.

A person may write it with any tool; what cannot be read halts. Removing it resumes nothing. `KILL`
is for all accounts of a mode, `KILL-<tag>` for one: see `account_tag`.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from daemon.core.events import Actor, TradingState
from daemon.core.switch import Answer, Command

FILE = "KILL"
READ_LIMIT = 4_096
"""Bytes of the file that are read: more is no command."""


Stamp = tuple[int, int, int]
"""What tells one writing of a file from the next: its change in nanoseconds, inode and size."""


def account_tag(account: str) -> str:
    """A name for an account in the names of files, which does not show its number."""
    return hashlib.sha256(account.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAnswer:
    """What the daemon made of the file that carried `request`."""

    request: str
    state: str
    refusal: str


class KillFile:
    """The file in one folder, for the daemon that watches it and for whoever writes it.

    Its first line is a state (`HALTED`, `REDUCE_ONLY`, `FLATTENING`, or `RUNNING` to resume), the
    second why, the third a word that the answer repeats. An empty file halts. With a `tag` it is
    the file of one account; without one a resume stays in it, for the other daemons of the mode.
    """

    def __init__(self, folder: Path, tag: str = "") -> None:
        ending = f"-{tag}" if tag else ""
        self.path = folder / f"{FILE}{ending}"
        self.seen: Stamp | None = None
        """The writing that `poll` last took in, `None` while there is no file."""
        self._answer = self.path.with_name(f"{self.path.name}.answer")
        self._shared = not tag
        self._started = False

    def poll(self) -> tuple[Command, str] | None:
        """A command not seen before and its request word; `None` when there is no news.

        A resume that was there before the daemon was is none: it is removed.
        """
        first, self._started = not self._started, True
        try:
            stamp = self._stamp()
        except OSError:
            self.seen = None
            return None
        if stamp == self.seen:
            return None
        self.seen = stamp
        command, request = self._read()
        if first and command.state is TradingState.RUNNING:
            self.clear()
            return None
        return command, request

    def answer(self, request: str, answer: Answer) -> None:
        """Say what became of a command; a resume that was obeyed takes an account's file away."""
        if answer.obeyed and answer.state is TradingState.RUNNING and not self._shared:
            self.clear()
        told = {"request": request, "state": answer.state, "refusal": answer.refusal}
        _replace(self._answer, orjson.dumps(told))

    def unseen(self, seen: Stamp | None) -> Command | None:
        """What the file commands, if it was written since the writing `seen`; changes nothing."""
        try:
            stamp = self._stamp()
        except FileNotFoundError:
            return None
        except OSError:
            return self._read()[0]
        return None if stamp == seen else self._read()[0]

    def clear(self) -> None:
        """Take the file away: what it says is over."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def ask(self, state: TradingState, reason: str, request: str) -> None:
        """Write a command; raises `OSError`."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = " ".join(reason.split())
        _replace(self.path, f"{state.name}\n{line}\n{request}\n".encode())

    def answered(self, request: str) -> FileAnswer | None:
        """The daemon's answer to a request, `None` while there is none."""
        try:
            told = orjson.loads(self._answer.read_bytes())
            found = FileAnswer(
                request=str(told["request"]),
                state=str(told["state"]),
                refusal=str(told["refusal"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.request == request else None

    def _stamp(self) -> Stamp:
        status = self.path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> tuple[Command, str]:
        try:
            with self.path.open("rb") as file:
                text = file.read(READ_LIMIT).decode("utf-8", errors="replace")
        except OSError as error:
            reason = f"the file {self.path} cannot be read: {error.strerror}"
            return Command(state=TradingState.HALTED, who=Actor.FILE, reason=reason), ""
        state, reason, request, *_ = (*(line.strip() for line in text.splitlines()), "", "", "")
        try:
            wanted = TradingState(state.lower().replace("-", "_") or TradingState.HALTED)
        except ValueError:
            wanted = TradingState.HALTED
            reason = f"the file {self.path} names no state: {state[:40]!r}"
        command = Command(state=wanted, who=Actor.FILE, reason=reason or f"the file {self.path}")
        return command, request


def _replace(path: Path, content: bytes) -> None:
    """All of it at once: nobody reads half a command."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)
