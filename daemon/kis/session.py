"""State machines of the session: the token's life, the stream's registrations, waiting times.

Pure: they are told the time and what arrived, and answer what to do. Instants are aware UTC,
`now: float` is monotonic seconds.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from random import Random
from typing import NamedTuple, Protocol

from daemon.core.errors import BadData
from daemon.kis.codec import subscription
from daemon.kis.control import Ack, Ping, Refusal, decode_control
from daemon.kis.frames import FrameDecoder, FrameEvent, NoticeCipher, Undecipherable
from daemon.kis.spec import WsCode

RENEWAL_MARGIN = timedelta(minutes=10)
SAME_TOKEN = timedelta(hours=6)
"""How long after an issue the broker gives the same token again."""

STUBBORN_INTERVALS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30))


class HeldToken(Protocol):
    """What `TokenKeeper` needs to know of an access token."""

    @property
    def value(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...
    @property
    def issued_at(self) -> datetime: ...


class TokenKeeper:
    """Decides which token to send and when a new one may be asked for.

    A token is renewed ten minutes before it expires, and once when the broker refuses it. The
    broker gives the same token again within six hours of its issue; if that one stays refused,
    further tries are made ever more seldom (`STUBBORN_INTERVALS`), because every issue sends the
    customer a message.
    Never are two issues asked for within `interval` (error text of EGW00133: once a minute).
    """

    def __init__(self, *, interval: float, margin: timedelta = RENEWAL_MARGIN) -> None:
        self._interval = timedelta(seconds=interval)
        self._margin = margin
        self._token: HeldToken | None = None
        self._refused: set[str] = set()
        self._wished: datetime | None = None
        self._last_issue: datetime | None = None
        self._issue_before: datetime | None = None
        self._reissued_for: dict[str, tuple[datetime, int]] = {}

    def usable(self, now: datetime) -> str | None:
        """The token to send, or `None` while there is none that can work."""
        token = self._token
        if token is None or token.expires_at <= now or token.value in self._refused:
            return None
        return token.value

    def adopt(self, token: HeldToken, now: datetime) -> bool:
        """Take a token from the shared store; false when it is of no use or already held."""
        if self._last_issue is None or token.issued_at > self._last_issue:
            # An issue stamped in the future comes from a clock that was set back since.
            self._last_issue = min(token.issued_at, now)
        if token.value in self._refused or token.expires_at <= now:
            return False
        if self._token is not None and self._token.value == token.value:
            return False
        held = self._token
        is_older = held is not None and token.expires_at <= held.expires_at
        if is_older and self.usable(now) is not None:
            return False
        self._token = token
        return True

    def wish(self, until: datetime) -> None:
        """Ask for a token that works until `until`, if the present one ends before."""
        self._wished = until

    def falls_short(self, now: datetime) -> bool:
        """Whether a longer token is wished for that the broker would give: one issue a wish."""
        token, until = self._token, self._wished
        if until is None or token is None or token.expires_at >= until:
            return False
        return now - token.issued_at >= SAME_TOKEN

    def issued(self, token: HeldToken) -> None:
        """Take the token the broker just issued, even if it is one it refused before."""
        self._wished = None
        self._refused.discard(token.value)
        self._token = token

    def refused(self, value: str, now: datetime) -> None:
        """The broker refused `value`; stale news about a token long replaced changes nothing."""
        if self._token is None or self._token.value != value:
            return
        if value in self._reissued_for:
            last, tries = self._reissued_for[value]
            if now - last < STUBBORN_INTERVALS[min(tries, len(STUBBORN_INTERVALS)) - 1]:
                return
        self._refused.add(value)

    def attempted(self, now: datetime) -> None:
        """A request for a new token is about to leave: it counts even if its reply is lost."""
        self._issue_before, self._last_issue = self._last_issue, now
        if self._token is not None and self._token.value in self._refused:
            if len(self._reissued_for) > 16:
                self._reissued_for.clear()
            _, tries = self._reissued_for.get(self._token.value, (now, 0))
            self._reissued_for[self._token.value] = now, tries + 1

    def retracted(self) -> None:
        """The attempt certainly had no effect: it does not count."""
        self._last_issue = self._issue_before
        if self._token is not None:
            self._reissued_for.pop(self._token.value, None)

    def too_soon(self, now: datetime) -> None:
        """The broker counts another issue within the interval: start waiting anew."""
        self._last_issue = now

    def issue_at(self, now: datetime) -> datetime:
        """When a new token should be asked for; at most `now` if at once."""
        needed = now
        if self._token is not None and self.usable(now) is not None:
            expiry, issued = self._token.expires_at, self._token.issued_at
            # Not before half its life: a short-lived token must not be asked for all the time.
            usual = max(expiry - self._margin, issued + (expiry - issued) / 2)
            needed = now if self.falls_short(now) else usual
        if self._last_issue is not None:
            return max(needed, self._last_issue + self._interval)
        return needed


class Backoff:
    """Waiting times between attempts: growing, with jitter, reset by a healthy time.

    A wait is its step times 1.0 to 1.25, so that it is never shorter than the step.
    """

    STEPS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
    IN_USE_STEPS = (5.0, 10.0, 30.0, 60.0)
    HEALTHY = 60.0

    def __init__(self, random: Random, *, steps: Sequence[float] = STEPS) -> None:
        self._random = random
        self._steps = steps
        self._failures = 0

    def failed(self, up_for: float = 0.0) -> float:
        """Seconds to wait after a failure that followed `up_for` healthy seconds."""
        if up_for >= self.HEALTHY:
            self._failures = 0
        step = self._steps[min(self._failures, len(self._steps) - 1)]
        self._failures += 1
        return step * self._random.uniform(1.0, 1.25)

    def succeeded(self) -> None:
        """Start from the first step again."""
        self._failures = 0


class Registration(NamedTuple):
    """A channel and the key subscribed on it: an instrument code, or the HTS id for notices."""

    channel: str
    key: str


class DropKind(Enum):
    """Why a connection must be given up, and so what to do before the next one."""

    RECONNECT = "reconnect"
    IN_USE = "in_use"
    BAD_APPROVAL = "bad_approval"
    OPERATOR = "operator"


class Drop(NamedTuple):
    """The connection is of no further use."""

    kind: DropKind
    cause: str


class Turn(NamedTuple):
    """What one message brought: events, an answer to send, news of the link."""

    events: Sequence[FrameEvent] = ()
    pong: str | None = None
    up: bool = False
    drop: Drop | None = None
    warning: str = ""
    server_time: datetime | None = None


class _State(Enum):
    SUBSCRIBING = "subscribing"
    ACTIVE = "active"
    RELEASING = "releasing"
    WAITING = "waiting"
    KEYLESS = "keyless"


class _Entry:
    """A registration as far as the server's answers tell. `until` ends a wait or a request."""

    __slots__ = ("state", "until")

    def __init__(self, state: _State, until: float) -> None:
        self.state = state
        self.until = until


_PASSING = frozenset({WsCode.INTERNAL_ERROR, WsCode.SEND_FAILED, WsCode.UNAVAILABLE})
_FOREVER = float("inf")
_NOTHING = Turn()


class FeedSession:
    """Brings the registrations of one connection after another to the desired set.

    Notices come first and alone; quotes follow once notices are confirmed. At most `budget`
    registrations are asked for; what does not fit is in `overflow`. Nothing is assumed: a
    registration is there when the server said so, and asked for again when it did not answer.
    """

    ANSWER_TIMEOUT = 10.0
    RETRY_DELAY = 5.0
    ROOM_LIFE = 60.0
    SPACING = 0.05
    HELD_FRAMES = 256
    UNREADABLE_LIMIT = 3

    def __init__(
        self,
        *,
        decoder: FrameDecoder,
        notice_channels: Sequence[str],
        hts_id: str,
        budget: int,
    ) -> None:
        if not notice_channels or budget < len(notice_channels):
            raise ValueError("each notice channel needs one registration")
        self._decoder = decoder
        self._notices = {each: Registration(each, hts_id) for each in notice_channels}
        self._known_channels = set(notice_channels)
        self._budget = budget
        self._room = budget
        self._room_until = _FOREVER
        self._wanted: tuple[Registration, ...] = ()
        self._entries: dict[Registration, _Entry] = {}
        self._renewed: set[Registration] = set()
        self._ciphers: dict[str, NoticeCipher] = {}
        self._held: deque[tuple[str, datetime]] = deque(maxlen=self.HELD_FRAMES)
        self._approval_key = ""
        self._next_send = 0.0
        self._unreadable = 0
        self._keyless = 0
        self._ever_up = False
        self.held_lost = 0

    @property
    def is_up(self) -> bool:
        """Whether the server confirmed every notice channel on this connection."""
        return all(self._is(each, _State.ACTIVE) for each in self._notices.values())

    @property
    def active(self) -> frozenset[Registration]:
        """What the server confirmed on this connection."""
        return frozenset(
            registration
            for registration, entry in self._entries.items()
            if entry.state is _State.ACTIVE
        )

    @property
    def overflow(self) -> tuple[Registration, ...]:
        """Wanted registrations that the broker has no room for or refuses, least important last."""
        desired = frozenset(self._desired)
        return tuple(each for each in self._wanted if each not in desired)

    @property
    def _desired(self) -> Sequence[Registration]:
        """What there is room for beside the notices; one the broker refused leaves its place."""
        willing = (each for each in self._wanted if not self._is(each, _State.WAITING))
        return tuple(islice(willing, max(self._room - len(self._notices), 0)))

    def want(self, registrations: Iterable[Registration]) -> None:
        """Replace the desired set, most important first; repetitions count once."""
        self._wanted = tuple(dict.fromkeys(registrations))
        self._known_channels.update(each.channel for each in self._wanted)
        self._renewed.intersection_update(self._wanted)
        for registration, entry in list(self._entries.items()):
            if entry.state is _State.WAITING and registration not in self._wanted:
                del self._entries[registration]

    def renew(self, registration: Registration) -> None:
        """Give a confirmed registration up and ask for it anew: nothing comes from it any more."""
        if self._is(registration, _State.ACTIVE):
            self._renewed.add(registration)

    def opened(self, approval_key: str, now: float) -> None:
        """A new connection: whatever was confirmed before is not on this one."""
        self._forget()
        self._room, self._room_until = self._budget, _FOREVER
        self._approval_key = approval_key
        self._next_send = now
        self._unreadable = 0
        self._keyless = 0

    def closed(self) -> None:
        """The connection is gone."""
        self._forget()

    def _forget(self) -> None:
        self._entries.clear()
        self._renewed.clear()
        self._held.clear()

    def next_request(self, now: float) -> str | None:
        """The next message to send, if one is due now."""
        if now < self._next_send:
            return None
        step = self._next_step(now)
        if step is None:
            return None
        registration, active = step
        state = _State.SUBSCRIBING if active else _State.RELEASING
        self._renewed.discard(registration)
        self._entries[registration] = _Entry(state, now + self.ANSWER_TIMEOUT)
        self._next_send = now + self.SPACING
        return subscription(
            self._approval_key, registration.channel, registration.key, active=active
        )

    def wake_at(self, now: float) -> float:
        """When to look at `next_request` and `overdue` again, if nothing arrives before."""
        if self._next_step(now) is not None:
            return max(self._next_send, now)
        times = [entry.until for entry in self._entries.values() if entry.until > now]
        return min([*times, self._room_until])

    def overdue(self, now: float) -> Drop | None:
        """A reason to give up the connection because a notice channel never answered."""
        asked = [each for each in self._notices.values() if self._is(each, _State.SUBSCRIBING)]
        if any(self._entries[each].until <= now for each in asked):
            return Drop(DropKind.RECONNECT, "no answer to the notice registration")
        return None

    def _next_step(self, now: float) -> tuple[Registration, bool] | None:
        if not self.is_up:
            due = [each for each in self._notices.values() if self._may_ask(each, now)]
            # Active since before without a key of ours: released, to be given a new one.
            return (due[0], not self._is(due[0], _State.KEYLESS)) if due else None
        if now >= self._room_until:
            self._room, self._room_until = self._budget, _FOREVER
        desired = self._desired
        keep = {*self._notices.values(), *desired} - self._renewed
        for registration, entry in self._entries.items():
            unsure = entry.state in (_State.SUBSCRIBING, _State.RELEASING) and entry.until <= now
            if registration not in keep and (unsure or entry.state is _State.ACTIVE):
                return registration, False
        taken = sum(entry.state is not _State.WAITING for entry in self._entries.values())
        for registration in desired:
            known = registration in self._entries and not self._is(registration, _State.WAITING)
            if self._may_ask(registration, now) and (known or taken < self._room):
                return registration, True
        return None

    def _may_ask(self, registration: Registration, now: float) -> bool:
        entry = self._entries.get(registration)
        if entry is None:
            return True
        return entry.state is not _State.ACTIVE and entry.until <= now

    def _is(self, registration: Registration, state: _State) -> bool:
        entry = self._entries.get(registration)
        return entry is not None and entry.state is state

    def data(self, frame: str, received_at: datetime) -> Sequence[FrameEvent]:
        """The events of a data frame.

        A sealed frame that comes before the notice channels' answers is held until then, since
        an answer may carry a new key. Raises `BadData`.
        """
        if frame[:1] == "1":
            channel = frame[2:].partition("|")[0]
            if channel not in self._notices:
                return self._decoder.decode(frame, received_at, self._ciphers.get(channel))
            if not self.is_up:
                self.held_lost += len(self._held) == self.HELD_FRAMES
                self._held.append((frame, received_at))
                return ()
            try:
                events = self._decoder.decode(frame, received_at, self._ciphers.get(channel))
            except Undecipherable:
                self._unreadable += 1
                raise
            self._unreadable = 0
            return events
        return self._decoder.decode(frame, received_at)

    @property
    def is_deaf(self) -> bool:
        """Whether several notices in a row could not be opened: the key must be another one.

        What opens and means nothing to us does not count: another key would not change it.
        """
        return self._unreadable >= self.UNREADABLE_LIMIT

    def control(self, text: str, now: float) -> Turn:
        """The meaning of a JSON message; raises `BadData`."""
        message = decode_control(text)
        if isinstance(message, Ping):
            return Turn(pong=message.text, server_time=message.told_at)
        if isinstance(message, Ack):
            return self._acknowledged(message, now)
        return self._refused(message, now)

    def _acknowledged(self, ack: Ack, now: float) -> Turn:
        registration = Registration(ack.channel, ack.key)
        # There is one notice key; some answers spell the HTS id in another way.
        registration = self._notices.get(ack.channel, registration)
        if ack.channel not in self._known_channels:
            return Turn(warning=f"an answer for {ack.channel}, which is not ours")
        if not ack.active:
            self._entries.pop(registration, None)
            return _NOTHING
        if ack.cipher is not None:
            self._ciphers[ack.channel] = ack.cipher
        if ack.channel not in self._notices:
            self._entries[registration] = _Entry(_State.ACTIVE, _FOREVER)
            return _NOTHING
        if ack.channel not in self._ciphers:
            self._keyless += 1
            if self._keyless > self.UNREADABLE_LIMIT:
                return Turn(drop=Drop(DropKind.RECONNECT, "no key for the notice channel"))
            self._entries[registration] = _Entry(_State.KEYLESS, now)
            return Turn(warning="the notice channel is active without a key")
        was_up = self.is_up
        self._entries[registration] = _Entry(_State.ACTIVE, _FOREVER)
        self._ever_up = True
        return Turn(events=self._release_held(), up=not was_up) if self.is_up else _NOTHING

    def _release_held(self) -> Sequence[FrameEvent]:
        events: list[FrameEvent] = []
        while self._held:
            frame, received_at = self._held.popleft()
            try:
                cipher = self._ciphers.get(frame[2:].partition("|")[0])
                events.extend(self._decoder.decode(frame, received_at, cipher))
            except BadData:
                # Sealed with the key of an earlier registration: only an inquiry can tell.
                self.held_lost += 1
        return events

    def _refused(self, refusal: Refusal, now: float) -> Turn:
        cause = f"{refusal.code}: {refusal.reason}"
        if refusal.code == WsCode.KEY_IN_USE:
            return Turn(drop=Drop(DropKind.IN_USE, cause))
        if refusal.code == WsCode.BAD_APPROVAL:
            return Turn(drop=Drop(DropKind.BAD_APPROVAL, cause))
        if refusal.code == WsCode.BAD_APPKEY:
            return Turn(drop=Drop(DropKind.OPERATOR, cause))
        registration = Registration(refusal.channel, refusal.key)
        if refusal.channel in self._notices:
            return Turn(drop=self._notice_refusal(refusal, cause))
        entry = self._entries.get(registration)
        if entry is None:
            return Turn(warning=cause)
        if entry.state is _State.ACTIVE:
            return Turn(warning=f"{registration.key}: {cause}")
        if refusal.code == WsCode.TOO_MANY:
            # The limit is lower than thought: what is confirmed is all there is room for.
            del self._entries[registration]
            waiting = sum(entry.state is _State.WAITING for entry in self._entries.values())
            self._room = max(len(self._notices), len(self._entries) - waiting)
            # Learnt for a while only: answers that were lost may have hidden some of it.
            self._room_until = now + self.ROOM_LIFE
            return Turn(warning=f"{registration.key}: {cause}")
        if entry.state is _State.RELEASING or refusal.code in _PASSING:
            # An earlier request whose answer was lost may have been granted: still unsure.
            entry.until = now + self.RETRY_DELAY
        else:
            self._entries[registration] = _Entry(_State.WAITING, _FOREVER)
        return Turn(warning=f"{registration.key}: {cause}")

    def _notice_refusal(self, refusal: Refusal, cause: str) -> Drop:
        if refusal.code in (WsCode.BAD_TR_KEY, WsCode.BAD_TR_KEY_VALUE) and not self._ever_up:
            return Drop(DropKind.OPERATOR, f"{cause} (is the HTS id right?)")
        return Drop(DropKind.RECONNECT, cause)
