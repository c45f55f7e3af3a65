"""What the service manager is told of a running daemon, and the orders it may give: reload."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from daemon import log
from daemon.clock import WallClock
from daemon.config import Settings
from daemon.core.errors import NeedsOperator
from daemon.core.events import TradingState
from daemon.engine.desk import TradingDesk
from daemon.hangup import FollowStrategies, Reloader
from daemon.ops.service import Check, Notifier, Phase, Service
from daemon.wiring import Session

MAY_END = frozenset({"monitor", "summary"})
"""Services without which it trades on: no reason to be started anew."""


class Presence:
    """One daemon, as systemd sees it. Without systemd it only reloads.

    `environ` is where a service manager says that it listens. `reread` reads the settings again,
    `follow` brings the strategies to what was read; without these all stays as it is.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str] | None = None,
        reread: Callable[[], Settings] | None = None,
        follow: FollowStrategies | None = None,
    ) -> None:
        self._settings = settings
        self._notifier = Notifier(os.environ if environ is None else environ)
        self._service = Service(self._notifier, monotonic=WallClock.awake)
        self._reloader = None
        if reread is not None and follow is not None:
            self._reloader = Reloader(settings, reread, follow)
        self._doing: Callable[[], str] = lambda: ""

    async def serve(
        self, session: Session, desk: TradingDesk, tasks: Sequence[asyncio.Task[None]]
    ) -> None:
        """Tell, watch and reload until cancelled; `tasks` must all run for as long as it trades."""
        self._doing = lambda: log.redacted(self._said(session, desk))
        hang = Hang(WallClock.monotonic, WallClock.awake)
        checks = (
            Check("tasks", lambda: ended(tasks)),
            Check("feed", lambda: hang.problem(session.feed.due_at)),
            Check("journal", lambda: unwritable(desk.ledger.probe)),
        )
        async with asyncio.TaskGroup() as parts:
            if self._notifier.is_heard:
                parts.create_task(self._service.run(self._doing, checks), name="service manager")
            if self._reloader is not None:
                parts.create_task(self._reloader.run(desk, self._service), name="reload")
            await asyncio.Event().wait()

    def reload(self) -> None:
        """Have the settings read again, as soon as it trades."""
        if self._reloader is not None:
            self._reloader.ask()

    def recovering(self, facts: int) -> None:
        """The journal is being folded, and so many facts of it are: a long one needs time."""
        self._service.starting(f"starting: recovering, {facts:,} facts so far")

    def ready(self) -> None:
        """The books are recovered and reconciled, and trading begins."""
        self._service.ready()
        self._service.look(self._doing, ())

    def stopping(self, stage: str, limit: float = 0.0) -> None:
        """A stage of the stop begins, of at most `limit` seconds."""
        self._service.stopping(stage, limit)

    def _said(self, session: Session, desk: TradingDesk) -> str:
        """One line for a person: what it does, and what keeps it from trading."""
        shut = desk.gate.why()
        if self._service.phase is Phase.STARTING:
            return f"starting: {shut}" if shut else "starting: recovering"
        now = session.clock.now()
        markets = ", ".join(
            f"{region} ({session.calendars.of(region).phase(now)})"
            for region in self._settings.markets
        )
        portfolio = desk.ledger.portfolio
        parts = [
            f"trading {markets}",
            f"gate shut: {shut}" if shut else "gate open",
            f"{len(portfolio.open_orders())} open orders",
        ]
        if portfolio.state is not TradingState.RUNNING:
            parts.insert(1, f"state {portfolio.state}")
        return "; ".join(parts)


def ended(tasks: Sequence[asyncio.Task[None]]) -> str:
    """Which services have ended without a word; empty when none has."""
    gone = [task.get_name() for task in tasks if task.done() and task.get_name() not in MAY_END]
    return f"{', '.join(gone)} ended" if gone else ""


class Hang:
    """Whether the stream hangs, by seconds of `monotonic`, of which `awake` counts those awake.

    Timers do not run while the machine sleeps: what was due by then has as much longer.
    """

    def __init__(self, monotonic: Callable[[], float], awake: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._awake = awake
        self._slept = monotonic() - awake()

    def problem(self, due_at: float) -> str:
        """How long the stream has hung; empty while it is merely down and tries again."""
        now = self._monotonic()
        slept = now - self._awake()
        if now <= due_at:
            self._slept = slept
        late = now - (slept - self._slept) - due_at
        return f"nothing was done for {late:.0f} s longer than it may" if late > 0 else ""


def unwritable(probe: Callable[[], None]) -> str:
    """Why the journal takes no more facts; empty when it does."""
    try:
        probe()
    except (OSError, NeedsOperator) as error:
        return str(error)
    return ""
