"""Where the kill switch of one account is, in files: for its daemon, and for scripts without one.

The journal is the daemon's alone while it runs, so the state is told beside the kill files as well,
in `STATE-<tag>`, at every change. Scripts read all three and take the strictest.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson
import structlog

from daemon.core.events import TradingState
from daemon.core.switch import Answer, Command, answer, strictness
from daemon.store.killfile import KillFile, Stamp, account_tag
from daemon.store.locks import PRIVATE_FILE

log = structlog.get_logger("kill_file")


NO_STATE = (ValueError, KeyError, TypeError, AttributeError)
"""What reading raises where something else was written than a state."""


class Position(NamedTuple):
    """Where the switch is, and why."""

    state: TradingState
    reason: str


class SwitchFiles:
    """The kill file of the mode, that of one account, and the state its daemon tells."""

    def __init__(self, folder: Path, account: str) -> None:
        tag = account_tag(account)
        self.kill_files = (KillFile(folder), KillFile(folder, tag))
        self.state_path = folder / f"STATE-{tag}"
        self._told: bytes | None = None
        self._recalled = False

    def obey(self, execute: Callable[[Command], Answer], state: TradingState) -> None:
        """Have the daemon, whose switch is at `state`, carry out what is new in either kill file;
        where both are new the stricter comes last, so that it stays. What was carried out is not
        new, however often the daemon has started since, unless its journal forgot it."""
        self._recall(state)
        before = {file: file.seen for file in self.kill_files}
        found = [(file, *news) for file in self.kill_files if (news := file.poll()) is not None]
        polled = {file: file.seen for file, _, _ in found}
        for file in polled:
            # Not seen until it is carried out: a daemon that dies between two obeys the rest.
            file.seen = before[file]
        for file, command, request in sorted(found, key=lambda each: strictness(each[1].state)):
            file.seen = polled[file]
            result = execute(command)
            try:
                file.answer(request, result)
            except OSError as error:
                log.error("kill_file_not_answered", cause=str(error))

    def _recall(self, state: TradingState) -> None:
        """Know at the first look what an earlier daemon had seen, where `state` is no looser than
        it told: whatever moved the switch since, a resume or a flattening, is not undone.

        Where it is looser, as by another journal, or that cannot be read, a file that was left
        there is obeyed once more.
        """
        if self._recalled:
            return
        self._recalled = True
        with suppress(OSError, *NO_STATE):
            told, seen = self._read()
            if strictness(state) >= strictness(told.state):
                for file in self.kill_files:
                    file.seen = seen.get(file.path.name)

    def tell(self, state: TradingState, reason: str) -> None:
        """Write down where the switch is, where that is news; what fails is tried at the next call.

        An old state that cannot be replaced is emptied: scripts then send nothing.
        """
        seen = {file.path.name: file.seen for file in self.kill_files}
        content = orjson.dumps({"state": state, "reason": reason, "seen": seen})
        if content == self._told:
            return
        try:
            _write_down(self.state_path, content)
        except OSError as error:
            self._told = None
            with suppress(OSError):
                os.truncate(self.state_path, 0)
            log.error("switch_state_not_told", path=str(self.state_path), cause=str(error))
        else:
            self._told = content

    def position(self, journal: Path) -> Position:
        """Where the switch is for a script: as the daemon told it last, or stricter where a kill
        file that no daemon has seen yet says so.

        `RUNNING` where neither a state nor a `journal` was ever written. What cannot be read halts.
        """
        try:
            told = self._read()
        except FileNotFoundError:
            if _exists(journal):
                reason = f"{self.state_path} is missing: start the daemon once, so that it tells"
                return Position(TradingState.HALTED, reason)
            told = Position(TradingState.RUNNING, ""), {}
        except (OSError, *NO_STATE) as error:
            cause = error.strerror if isinstance(error, OSError) else "not a state"
            reason = f"{self.state_path} cannot be read ({cause}): start the daemon, or mend it"
            return Position(TradingState.HALTED, reason)
        position, seen = told
        unseen = [file.unseen(seen.get(file.path.name)) for file in self.kill_files]
        commands = [each for each in unseen if each and each.state is not TradingState.RUNNING]
        for command in sorted(commands, key=lambda each: strictness(each.state)):
            result = answer(position.state, command)
            if result.obeyed and result.state is not position.state:
                position = Position(result.state, command.reason)
        return position

    def _read(self) -> tuple[Position, dict[str, Stamp]]:
        told = orjson.loads(self.state_path.read_bytes())
        seen = {str(name): tuple(stamp) for name, stamp in told["seen"].items() if stamp}
        return Position(TradingState(told["state"]), str(told["reason"])), seen


def _exists(journal: Path) -> bool:
    """Whether it is there, or may be: a folder that may not be looked into may hold it."""
    try:
        journal.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _write_down(path: Path, content: bytes) -> None:
    """All of it at once, and on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(path.name + ".part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(unfinished, flags, PRIVATE_FILE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
