"""The broker's stream over all reconnects: notices first, then quotes, events in frame order."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from random import Random
from typing import Protocol

import structlog

from daemon.core.errors import BadData, NeedsOperator, TradingError
from daemon.core.values import Interest, LinkDown, LinkUp, Region
from daemon.kis.channels import interest_of, registration_of
from daemon.kis.codec import Credentials
from daemon.kis.frames import Drift, FrameDecoder, FrameStats
from daemon.kis.link import ConnectionLost, WsConnection, WsTransport, lone_error
from daemon.kis.listed import Listed
from daemon.kis.session import Backoff, Drop, DropKind, FeedSession, Registration
from daemon.kis.spec import WS_PATH, Profile
from daemon.ports import Clock, FeedEvent

log = structlog.get_logger()


class ApprovalKeys(Protocol):
    """Where the key for registrations comes from."""

    async def approval_key(self, *, renew: bool = False) -> str:
        """The key; with `renew` another one than before. Raises `TradingError`."""


@dataclass(slots=True)
class FeedStats:
    """Counts since the start. Read, never reset."""

    messages: int = 0
    events: int = 0
    undecodable: int = 0
    pings: int = 0
    connections: int = 0
    drops: int = 0
    warnings: int = 0


class _Dropped(Exception):
    def __init__(self, drop: Drop) -> None:
        super().__init__(drop.cause)
        self.drop = drop


class KisFeed:
    """`ports.Feed`: one connection at a time, for ever.

    `LinkUp` is emitted when the server confirmed the notice channels of `regions`, `LinkDown` when
    that connection is lost. `on_raw` is called with every message before it is read, with the
    instant of receipt, `on_server_time` with the broker's time of each heartbeat. A connection
    silent for `silence` seconds is given up: the heartbeat comes every 10 to 110 s, depending on
    whom one asks. Once its rhythm is known, three missed beats are enough, at least
    `LEAST_SILENCE` seconds. Of more than `RECONNECTS` connections an hour, the further ones come no
    closer than `CALM_PAUSE` seconds: brokers are said to block who knocks too often.
    """

    CONTROL_PAYLOAD = 125
    LEAST_SILENCE = 30.0
    BEATS = 3
    LOG_INTERVAL = 10.0
    RECONNECTS = 30
    CALM_PAUSE = 60.0
    OPENING = 90.0
    """Seconds to get a key and open a connection, each of which has a limit of its own."""
    GRACE = 15.0

    def __init__(
        self,
        *,
        profile: Profile,
        credentials: Credentials,
        transport: WsTransport,
        keys: ApprovalKeys,
        clock: Clock,
        random: Random,
        silence: float = 130.0,
        regions: Sequence[Region] = (Region.KR,),
        listed: Listed | None = None,
        on_raw: Callable[[str | bytes, datetime], None] | None = None,
        on_server_time: Callable[[datetime], None] = lambda at: None,
    ) -> None:
        self.stats = FeedStats()
        self._environment = profile.environment
        self._url = profile.ws_url.rstrip("/") + WS_PATH
        self._transport = transport
        self._keys = keys
        self._clock = clock
        self._silence = silence
        self._on_raw = on_raw
        self._on_server_time = on_server_time
        self._beats: deque[float] = deque(maxlen=self.BEATS + 1)
        self._decoder = FrameDecoder(credentials.account, on_drift=_log_drift, listed=listed)
        self._session = FeedSession(
            decoder=self._decoder,
            notice_channels=profile.notice_channels(regions),
            hts_id=credentials.hts_id,
            budget=profile.registrations,
        )
        self._wanted: dict[Registration, Interest] = {}
        self._given_up = ""
        self._connected_at: deque[float] = deque(maxlen=self.RECONNECTS)
        self._backoff = Backoff(random)
        self._in_use_backoff = Backoff(random, steps=Backoff.IN_USE_STEPS)
        self._emit: Callable[[FeedEvent], None] = lambda event: None
        self._wake = asyncio.Event()
        self._pongs: list[str] = []
        self._heard_at = 0.0
        self._connected = False
        self._attempt_due = float("inf")
        self._up_at: float | None = None
        self._link_is_up = False
        self._down_since: datetime | None = None
        self._renew_key = False
        self._log_again_at = float("-inf")

    @property
    def frames(self) -> FrameStats:
        """What the decoder noticed: drift, foreign accounts, pending requests."""
        return self._decoder.stats

    @property
    def is_up(self) -> bool:
        """Whether order notices are being received."""
        return self._session.is_up

    @property
    def heard_at(self) -> float:
        """The monotonic second of the last message, 0 before the first connection."""
        return self._heard_at

    @property
    def due_at(self) -> float:
        """The monotonic second by which `run` will have done something, whatever the broker does:
        heard a message, given a silent connection up, tried another. Later than that, it hangs.
        """
        if self._connected:
            return self._heard_at + self._longest_silence() + self.GRACE
        return self._attempt_due

    @property
    def overflow(self) -> tuple[Interest, ...]:
        """What is wanted and the broker has no room for, or refuses."""
        return tuple(self._wanted[each] for each in self._session.overflow)

    @property
    def confirmed(self) -> frozenset[Interest]:
        """What is wanted and the broker confirmed on this connection."""
        active = self._session.active
        return frozenset(self._wanted[each] for each in self._wanted.keys() & active)

    def want(self, interests: Sequence[Interest]) -> None:
        """Set the whole desired set, most important first; may be called at any time.

        Raises `ValueError` for an interest that no channel serves; the former set is kept then.
        """
        self._wanted = {self._registration(each): each for each in reversed(interests)}
        self._session.want(reversed(self._wanted))
        if self._session.overflow:
            log.warning("feed_overflow", registrations=len(self._session.overflow))
        self._wake.set()

    def canonical(self, interest: Interest) -> Interest:
        """The interest by the name its news goes by; raises `ValueError` if there is no channel."""
        return interest_of(*self._registration(interest))

    def renew(self, interest: Interest) -> None:
        """Release a confirmed registration and ask for it again."""
        self._session.renew(self._registration(interest))
        self._wake.set()

    def reconnect(self, cause: str) -> None:
        """Give up the connection, if there is one; it is opened again after a pause."""
        self._given_up = cause
        self._wake.set()

    async def run(self, emit: Callable[[FeedEvent], None]) -> None:
        """Stay connected until cancelled.

        `emit` is called synchronously and in frame order; what it raises ends the feed. Raises
        `NeedsOperator` when the broker rejects the key or the HTS id.
        """
        self._emit = emit
        while True:
            self._attempt_due = self._clock.monotonic() + self.OPENING
            try:
                drop = await self._connect_once()
            finally:
                self._connected = False
                up_for = self._went_down()
                self._session.closed()
            self.stats.drops += 1
            self._lost(drop.cause)
            if drop.kind is DropKind.OPERATOR:
                raise NeedsOperator(f"the stream is refused: {drop.cause}")
            self._renew_key = drop.kind is DropKind.BAD_APPROVAL
            # A slot held by a session that just died frees itself; a new key would not help.
            if up_for >= Backoff.HEALTHY:
                self._backoff.succeeded()
                self._in_use_backoff.succeeded()
            backoff = self._in_use_backoff if drop.kind is DropKind.IN_USE else self._backoff
            delay = max(backoff.failed(), self._calm_pause())
            self._attempt_due = self._clock.monotonic() + delay + self.GRACE
            log.warning("feed_lost", cause=drop.cause, kind=drop.kind.value, wait=round(delay, 1))
            await asyncio.sleep(delay)

    def _registration(self, interest: Interest) -> Registration:
        return Registration(*registration_of(interest, self._environment))

    def _calm_pause(self) -> float:
        """Seconds to wait in any case, because there were many connections within an hour."""
        now, latest = self._clock.monotonic(), self._connected_at
        if len(latest) < self.RECONNECTS or now - latest[0] > 3600.0:
            return 0.0
        return max(self.CALM_PAUSE - (now - latest[-1]), 0.0)

    def _went_down(self) -> float:
        up_at, self._up_at = self._up_at, None
        return 0.0 if up_at is None else self._clock.monotonic() - up_at

    def _lost(self, cause: str) -> None:
        """Say so once: attempts that fail while the link is down are no news."""
        if self._link_is_up:
            self._link_is_up = False
            self._down_since = self._clock.now()
            self._emit(LinkDown(self._down_since, cause))

    async def _connect_once(self) -> Drop:
        """One connection, from the key to its end, and why it ended."""
        try:
            key = await self._keys.approval_key(renew=self._renew_key)
            self._renew_key = False
            async with self._transport.connect(self._url) as connection:
                self.stats.connections += 1
                self._heard_at = self._clock.monotonic()
                self._connected = True
                self._connected_at.append(self._heard_at)
                self._given_up = ""
                self._session.opened(key, self._heard_at)
                self._pongs.clear()
                self._beats.clear()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._converse(connection), name="kis feed requests")
                    await connection.deliver(self._on_frame)
        except BaseExceptionGroup as group_error:
            error = lone_error(group_error)
            if isinstance(error, _Dropped):
                return error.drop
            if isinstance(error, ConnectionLost):
                return Drop(DropKind.RECONNECT, str(error))
            raise error from group_error
        except NeedsOperator:
            raise
        except TradingError as error:
            return Drop(DropKind.RECONNECT, str(error))
        return Drop(DropKind.RECONNECT, "the connection ended")

    async def _converse(self, connection: WsConnection) -> None:
        """Everything we say on a connection, and the watch over what we hear."""
        session = self._session
        while True:
            self._wake.clear()
            while self._pongs:
                await self._answer(connection, self._pongs.pop(0))
            now = self._clock.monotonic()
            overdue = session.overdue(now)
            if overdue is not None:
                raise _Dropped(overdue)
            if self._given_up:
                raise _Dropped(Drop(DropKind.RECONNECT, self._given_up))
            silence = self._longest_silence()
            if now - self._heard_at >= silence:
                raise _Dropped(Drop(DropKind.RECONNECT, f"silent for {silence:g} s"))
            request = session.next_request(now)
            if request is not None:
                await connection.send(request)
                continue
            wait = min(session.wake_at(now), self._heard_at + silence) - now
            try:
                async with asyncio.timeout(max(wait, 0.001)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _longest_silence(self) -> float:
        """Seconds without any message after which a connection is dead."""
        if len(self._beats) <= self.BEATS:
            return self._silence
        beats = list(self._beats)
        slowest = max(later - earlier for earlier, later in pairwise(beats))
        return min(max(self.LEAST_SILENCE, self.BEATS * slowest), self._silence)

    async def _answer(self, connection: WsConnection, text: str) -> None:
        """Answer a heartbeat in both ways clients are known to: either alone may be the one."""
        payload = text.encode()
        if len(payload) <= self.CONTROL_PAYLOAD:
            await connection.pong(payload)
        await connection.send(text)

    def _on_frame(self, message: str | bytes) -> None:
        received_at = self._clock.now()
        self._heard_at = self._clock.monotonic()
        self.stats.messages += 1
        if self._on_raw is not None:
            self._on_raw(message, received_at)
        try:
            text = message if isinstance(message, str) else message.decode()
            if text[:1] == "{":
                self._on_control(text, received_at)
                return
            events = self._session.data(text, received_at)
        except (BadData, UnicodeDecodeError) as error:
            self._undecodable(error, message)
            return
        self.stats.events += len(events)
        for event in events:
            self._emit(event)

    def _on_control(self, text: str, received_at: datetime) -> None:
        turn = self._session.control(text, self._heard_at)
        if turn.pong is not None:
            self.stats.pings += 1
            self._beats.append(self._heard_at)
            if turn.server_time is not None:
                self._on_server_time(turn.server_time)
            self._pongs.append(turn.pong)
        if turn.warning:
            self.stats.warnings += 1
            log.warning("feed_answer", warning=turn.warning)
        if turn.up:
            self._up_at = self._heard_at
            self._link_is_up = True
            self._emit(LinkUp(received_at, self._down_since))
        self.stats.events += len(turn.events)
        for event in turn.events:
            self._emit(event)
        if turn.drop is not None:
            raise _Dropped(turn.drop)
        self._wake.set()

    def _undecodable(self, error: BadData | UnicodeDecodeError, message: str | bytes) -> None:
        """Count it and go on: one bad message must not cost the others."""
        self.stats.undecodable += 1
        if self._heard_at >= self._log_again_at:
            self._log_again_at = self._heard_at + self.LOG_INTERVAL
            log.warning(
                "frame_undecodable",
                cause=str(error),
                raw=_excerpt(message),
                total=self.stats.undecodable,
            )
        if self._session.is_deaf:
            raise _Dropped(Drop(DropKind.RECONNECT, "order notices cannot be read"))


def _log_drift(drift: Drift) -> None:
    """The broker has added columns to a channel. Harmless by itself, and worth a look."""
    log.warning("feed_drift", channel=drift.channel, known=drift.known, seen=drift.widest)


def _excerpt(message: str | bytes) -> str:
    """The beginning of a message as it came. Notices are still sealed then.

    An answer to a registration carries the key they are sealed with: less of it is shown.
    """
    text = message if isinstance(message, str) else message[: BadData.RAW_LIMIT].decode("latin-1")
    return text[: BadData.RAW_LIMIT] if text[:2] in ("0|", "1|") else text[:40]
