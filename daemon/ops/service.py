"""Tells systemd how the daemon is, and is silent when it is not well. Nothing here ever raises.

The protocol is sd_notify(3): lines of `NAME=value` in one datagram to `$NOTIFY_SOCKET`.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

LOOK = 1.0
"""Seconds between two looks, at most: how old a status line may be."""

PINGS = 3
"""Pings within one watchdog period: one that is lost, or late, restarts nothing."""

EXTENSION = 30.0
"""Seconds that each look at a start, or at a stop, asks the service manager to wait longer."""

STATUS_LIMIT = 500


class Notifier:
    """The datagram socket of a service manager, or nothing where there is none.

    `environ` is read for `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. Lines that cannot be
    sent are counted in `lost`: the manager's socket is full, or it has gone.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.lost = 0
        self.watchdog = _watchdog_seconds(environ)
        """Seconds after which silence is a hang; `None` where nobody watches."""
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody to tell."""
        return self._address is not None

    def tell(self, **lines: str | int) -> None:
        """Send these lines in one datagram, without ever waiting."""
        if self._address is None:
            return
        text = "\n".join(f"{name}={_one_line(value)}" for name, value in lines.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as door:
                door.sendto(text.encode("utf-8", "replace"), self._address)
        except (OSError, ValueError):
            self.lost += 1


class Phase(StrEnum):
    """Where the daemon is in its life."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be well: `problem` says what is wrong with it, or nothing."""

    name: str
    problem: Callable[[], str]


class Service:
    """What the service manager is told of a daemon's life.

    The watchdog is fed only while the loop turns and every check finds nothing wrong. `monotonic`
    are seconds of CLOCK_MONOTONIC, as the manager's own are.
    """

    def __init__(self, notifier: Notifier, *, monotonic: Callable[[], float]) -> None:
        self.phase = Phase.STARTING
        self.problems: tuple[str, ...] = ()
        """What keeps the watchdog from being fed, as of the last look."""
        self._notifier = notifier
        self._monotonic = monotonic
        self._doing = ""
        self._told = ""
        self._fed_at = float("-inf")
        self._log = structlog.get_logger("service")

    def starting(self, doing: str) -> None:
        """Say what the start waits for; the manager is asked to wait longer."""
        self._say(doing, EXTEND_TIMEOUT_USEC=_micro(EXTENSION))

    def ready(self) -> None:
        """The start is over: recovered and reconciled. The next look says what is done now."""
        if self.phase is Phase.STARTING:
            self.phase = Phase.READY
            self._notifier.tell(READY=1, **self._food())

    def reloading(self) -> None:
        """Settings are being read again; `reloaded` ends it."""
        if self.phase is not Phase.READY:
            return
        now = _micro(self._monotonic())
        self._notifier.tell(RELOADING=1, MONOTONIC_USEC=now, STATUS="reloading settings")

    def reloaded(self, result: str) -> None:
        """Settings were read again, and what came of it."""
        if self.phase is Phase.READY:
            self._notifier.tell(READY=1, STATUS=result)
        self._told = result

    def stopping(self, stage: str, limit: float = 0.0) -> None:
        """A stage of the stop begins, which may take `limit` seconds."""
        first = self.phase is not Phase.STOPPING
        self.phase = Phase.STOPPING
        lines: dict[str, str | int] = {"STOPPING": 1} if first else {}
        self._say(f"stopping: {stage}", **lines, EXTEND_TIMEOUT_USEC=_micro(limit + EXTENSION))

    async def run(self, doing: Callable[[], str], checks: Sequence[Check]) -> None:
        """Tell what is being done, and feed the watchdog while all is well, until cancelled."""
        pause = LOOK
        if self._notifier.watchdog is not None:
            pause = min(LOOK, self._notifier.watchdog / PINGS)
        while True:
            self.look(doing, checks)
            await asyncio.sleep(pause)

    def look(self, doing: Callable[[], str], checks: Sequence[Check]) -> None:
        """One look at everything."""
        try:
            if self.phase is Phase.STARTING:
                self.starting(doing())
            elif self.phase is Phase.READY:
                self._feed_if_well(checks)
                self._say(doing())
            else:
                self._notifier.tell(**self._food())
        except Exception:  # noqa: BLE001  whoever tells must not end what is told of
            self._log.exception("service_look_failed")

    def _feed_if_well(self, checks: Sequence[Check]) -> None:
        """Feed the watchdog, or say once why not."""
        if not self._is_due():
            return
        before, self.problems = self.problems, tuple(_problems(checks))
        if self.problems:
            if self.problems != before:
                self._log.critical("watchdog_withheld", problems=self.problems)
            return
        if before:
            self._log.warning("watchdog_fed_again", problems=before)
        self._notifier.tell(**self._food())

    def _is_due(self) -> bool:
        watchdog = self._notifier.watchdog
        pause = watchdog / PINGS if watchdog is not None else EXTENSION
        # A timer may come a little early.
        return self._monotonic() - self._fed_at >= pause * 0.9

    def _food(self) -> dict[str, int]:
        self._fed_at = self._monotonic()
        return {"WATCHDOG": 1} if self._notifier.watchdog is not None else {}

    def _say(self, doing: str, **lines: str | int) -> None:
        if self.problems:
            doing = f"not well: {'; '.join(self.problems)}; {doing}"
        if doing != self._told:
            self._told = doing
            lines["STATUS"] = doing[:STATUS_LIMIT]
        if lines:
            self._notifier.tell(**lines)


def _problems(checks: Sequence[Check]) -> list[str]:
    found = []
    for check in checks:
        try:
            problem = check.problem()
        except Exception as error:  # noqa: BLE001  a check that fails has found something
            problem = f"{type(error).__name__}: {error}"
        if problem:
            found.append(f"{check.name}: {problem}")
    return found


def _address(text: str) -> str | None:
    """Where the manager listens: a path, or an abstract name, which is written with an `@`."""
    if text.startswith("/"):
        return text
    return f"\0{text[1:]}" if text.startswith("@") and len(text) > 1 else None


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """The watchdog's period, if it is ours: `WATCHDOG_PID` names another process's otherwise."""
    try:
        period = int(environ.get("WATCHDOG_USEC", "0")) / 1e6
        whose = int(environ.get("WATCHDOG_PID", "") or os.getpid())
    except ValueError:
        return None
    return period if period > 0 and whose == os.getpid() else None


def _micro(seconds: float) -> int:
    return int(seconds * 1e6)


def _one_line(value: str | int) -> str:
    return " ".join(str(value).split("\n"))
