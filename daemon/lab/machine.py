"""The server a world's daemon runs on: starts it, restarts it, and plays the operator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random

from daemon.app import App
from daemon.clock import MarketClock
from daemon.config import Settings
from daemon.core.errors import BrokerUnavailable, JournalFailed, NeedsOperator
from daemon.core.ratelimit import TokenBucket
from daemon.engine.desk import TradingDesk
from daemon.engine.gate import Shutter
from daemon.lab.disk import Disk, LabJournal
from daemon.lab.loop import Killed, Process, VirtualClock
from daemon.lab.mix import Fault, FaultMix
from daemon.lab.venue import Venue
from daemon.lab.wires import LabHttp, LabStream, Weather
from daemon.lab.witness import Witness, WitnessedRest
from daemon.ports import AccessToken
from daemon.wiring import Session, assemble

HOLD_OUT = 5.0
"""Seconds systemd waits before it starts the daemon again."""


class SharedToken:
    """`ports.TokenStore` and its turn, as the token file of a server: it outlives processes."""

    def __init__(self) -> None:
        self._token: AccessToken | None = None
        self._holder: object = None

    def load(self) -> AccessToken | None:
        """See `TokenStore.load`."""
        return self._token

    def save(self, token: AccessToken) -> None:
        """See `TokenStore.save`."""
        self._token = token

    def issuing(self) -> "SharedToken":
        """See `TokenStore.issuing`."""
        return self

    def acquire(self) -> bool:
        """See `ExclusiveTurn.acquire`."""
        if self._holder is not None:
            return False
        self._holder = self
        return True

    def release(self) -> None:
        """Also what the kernel does for a dead process."""
        self._holder = None


class Machine:
    """Runs one account's daemon through all its lives until told to stop."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        mix: FaultMix,
        witness: Witness,
        seed: int,
        *,
        latency: float,
    ) -> None:
        self.weather = Weather()
        self.disk = Disk()
        self.clock = VirtualClock(venue.clock.start)
        self.process = Process("nobody")
        self.app: App | None = None
        self.stream: LabStream | None = None
        self.lives = 0
        self.kills = 0
        self.exits: list[str] = []
        self._settings = settings
        self._venue = venue
        self._mix = mix
        self._witness = witness
        self._seed = seed
        self._latency = latency
        self._random = Random(f"{seed}:machine")  # noqa: S311  a play, not a secret
        self._budget = TokenBucket(settings.profile.requests_per_second)
        self._tokens = SharedToken()
        self._stop = asyncio.Event()
        self._stopping = False
        self._accept = False
        self._dead: list[Process] = []

    @property
    def desk(self) -> TradingDesk | None:
        """The desk of the daemon that runs now."""
        return None if self.app is None else self.app.desk

    @property
    def longest_pause(self) -> float:
        """Seconds that may pass until a daemon that ended is started again."""
        return HOLD_OUT

    async def run(self) -> None:
        """Keep the daemon running; returns once it was stopped and has ended."""
        while not self._stopping:
            pause = await self._live()
            if not self._stopping:
                await asyncio.sleep(pause)

    def stop(self) -> None:
        """Ask the daemon to stop for good."""
        self._stopping = True
        self._stop.set()

    def accept(self) -> None:
        """An operator restarts the daemon and takes over the broker's books."""
        self._accept = True
        self._stop.set()

    def bury(self) -> None:
        """Clear away every dead process."""
        for process in self._dead:
            process.bury()

    async def _live(self) -> float:
        """One life of the daemon; returns how long the next one has to wait."""
        self.lives += 1
        process = self.process = Process(f"daemon-{self.lives}")
        self._dead.append(process)
        self._stop = asyncio.Event()
        accepts, self._accept = self._accept, False
        if self._mix.strikes(Fault.CRASH, self._random) and self._random.random() < 0.5:
            process.dies_at = self._random.randint(1, 400)
        over = asyncio.Event()
        process.on_death.extend((self._tokens.release, over.set))
        self._witness.note(f"{process.name} starts")
        self.app = App(
            self._settings,
            accept_broker_books=accepts,
            open_session=self._session_of(process),
            open_journal=lambda path, owner: self._journal(process, path, owner),
        )
        work = process.spawn(self.app.run(self._stop))
        self._venue.later(0.0, work.add_done_callback, lambda task: over.set())
        await over.wait()
        self._witness.over(process)
        if not process.alive:
            self.kills += 1
            self._witness.note(f"{process.name} is killed")
            return self._random.uniform(0.5, 20.0)
        return self._ended(process, work)

    def _ended(self, process: Process, work: asyncio.Task[int]) -> float:
        """What systemd, or a person, makes of the way the daemon ended."""
        self._tokens.release()
        error = _root(work.exception())
        self._witness.note(f"{process.name} ends: {error!r}")
        self.exits.append(type(error).__name__)
        for task in process.unfinished:
            self._witness.violate(f"task {task.get_name()} was left behind by {process.name}")
        # Nobody misconfigures anything in these worlds: a person is seldom asked for anything.
        match error:
            case None:
                return 1.0
            case BrokerUnavailable():
                return HOLD_OUT
            case JournalFailed() if self._mix.struck[Fault.DISK_FULL]:
                return HOLD_OUT
            case _:
                self._witness.violate(f"{process.name} broke: {error!r}")
                return HOLD_OUT

    def discrepancy(self) -> str:
        """Why the running daemon's books hold the gate shut, if they do."""
        desk = self.desk
        return "" if desk is None else desk.gate.reasons.get(Shutter.DISCREPANCY, "")

    def _journal(self, process: Process, path: Path, owner: str) -> LabJournal:
        return LabJournal(
            path,
            owner,
            mix=self._mix,
            disk=self.disk,
            process=process,
            random=self._random,
            written=self._witness.on_written,
        )

    def _session_of(
        self, process: Process
    ) -> Callable[[Settings], AbstractAsyncContextManager[Session]]:
        @asynccontextmanager
        async def opened(settings: Settings) -> AsyncIterator[Session]:
            yield self._session(settings, process)

        return opened

    def _session(self, settings: Settings, process: Process) -> Session:
        profile = settings.profile
        # One stream of chance a life: what one life draws must not depend on when another died.
        random = Random(f"{self._seed}:{process.name}")  # noqa: S311  a play, not a secret
        wire = (self._venue, self._mix, self.weather, process, self._witness, random)
        transport = LabHttp(*wire, base_url=profile.rest_url, latency=self._latency)
        stream = self.stream = LabStream(*wire, latency=self._latency)
        session = assemble(
            settings,
            profile,
            transport=transport,
            streams=stream,
            budget=self._budget,
            tokens=self._tokens,
            clock=MarketClock(self.clock),
            random=random,
            client=WitnessedRest,
        )
        assert isinstance(session.broker, WitnessedRest), "that is what was asked for"
        session.broker.witness = self._witness
        session.broker.tag = lambda leaving: setattr(transport, "tag", leaving)
        return session


def _root(error: BaseException | None) -> BaseException | None:
    """The one cause a group of errors comes down to: what matters most in it."""
    while isinstance(error, BaseExceptionGroup):
        leaves = [each for each in error.exceptions if not isinstance(each, Killed)]
        error = min(leaves, key=_rank) if leaves else error.exceptions[0]
    return error


def _rank(error: BaseException) -> int:
    return 1 if isinstance(error, (JournalFailed, NeedsOperator)) else 0
