"""Which faults a world suffers, how often and how badly: all drawn from its seed, and wide.

A fault that is always mild hides bugs that a harsh one shows, and the other way round; faults
that all come at once hide each other. So every seed has a choice of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log
from random import Random


class Fault(StrEnum):
    """Everything that can go wrong; the value is its name on the command line."""

    REQUEST_LOST = "request-lost"
    REQUEST_LATE = "request-late"
    REPLY_LOST = "reply-lost"
    REPLY_LATE = "reply-late"
    REPLY_TWICE = "reply-twice"
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_RESET = "connection-reset"
    SERVER_ERROR = "server-error"
    SERVER_ERROR_AFTER = "server-error-after"
    GATEWAY_TIMEOUT = "gateway-timeout"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    RATE_REFUSED = "rate-refused"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105  the name of a fault
    TOKEN_UNKNOWN = "token-unknown"  # noqa: S105
    TOKEN_TOO_SOON = "token-too-soon"  # noqa: S105
    OUTAGE = "outage"
    STREAM_CLOSED = "stream-closed"
    STREAM_RESET = "stream-reset"
    STREAM_SILENT = "stream-silent"
    SLOT_LINGERS = "slot-lingers"
    ACK_LOST = "ack-lost"
    ACK_REFUSED = "ack-refused"
    NOTICE_LOST = "notice-lost"
    NOTICE_LATE = "notice-late"
    NOTICE_TWICE = "notice-twice"
    NOTICE_EARLY = "notice-early"
    FRAME_WIDER = "frame-wider"
    FRAME_CUT = "frame-cut"
    LIST_LAGS = "list-lags"
    LIST_SHORT = "list-short"
    BALANCE_LAGS = "balance-lags"
    BALANCE_EMPTY = "balance-empty"
    REFUSED_LATER = "refused-later"
    HAND_ORDER = "hand-order"
    CLOCK_JUMP = "clock-jump"
    DISK_FULL = "disk-full"
    CRASH_AT_WRITE = "crash-at-write"
    CRASH = "crash"
    FREEZE = "freeze"
    STRATEGY_SLOW = "strategy-slow"
    STRATEGY_CRASH = "strategy-crash"
    QUOTES_SILENT = "quotes-silent"


@dataclass(frozen=True, slots=True)
class Range:
    """The least and most of a parameter; drawn so that each order of magnitude is as likely."""

    least: float
    most: float

    def draw(self, random: Random) -> float:
        """One value."""
        return exp(random.uniform(log(self.least), log(self.most)))


_PER_REQUEST = Range(0.002, 0.12)
_PER_FRAME = Range(0.005, 0.4)
_PER_HOUR = Range(0.3, 12.0)
_INSTANT = Range(1.0, 1.0)

RANGES: Mapping[Fault, tuple[Range, Range]] = {
    Fault.REQUEST_LOST: (_PER_REQUEST, _INSTANT),
    Fault.REQUEST_LATE: (_PER_REQUEST, Range(0.5, 15.0)),
    Fault.REPLY_LOST: (_PER_REQUEST, _INSTANT),
    Fault.REPLY_LATE: (_PER_REQUEST, Range(0.5, 60.0)),
    Fault.REPLY_TWICE: (_PER_REQUEST, _INSTANT),
    Fault.CONNECTION_REFUSED: (_PER_REQUEST, _INSTANT),
    Fault.CONNECTION_RESET: (_PER_REQUEST, Range(0.001, 5.0)),
    Fault.SERVER_ERROR: (_PER_REQUEST, _INSTANT),
    Fault.SERVER_ERROR_AFTER: (_PER_REQUEST, _INSTANT),
    Fault.GATEWAY_TIMEOUT: (_PER_REQUEST, _INSTANT),
    Fault.GARBAGE: (_PER_REQUEST, _INSTANT),
    Fault.TRUNCATED: (_PER_REQUEST, _INSTANT),
    Fault.RATE_REFUSED: (_PER_REQUEST, _INSTANT),
    Fault.TOKEN_EXPIRED: (_PER_HOUR, _INSTANT),
    Fault.TOKEN_UNKNOWN: (_PER_HOUR, _INSTANT),
    Fault.TOKEN_TOO_SOON: (_PER_HOUR, Range(1.0, 180.0)),
    Fault.OUTAGE: (Range(0.3, 3.0), Range(1.0, 240.0)),
    Fault.STREAM_CLOSED: (_PER_HOUR, _INSTANT),
    Fault.STREAM_RESET: (_PER_HOUR, _INSTANT),
    Fault.STREAM_SILENT: (_PER_HOUR, Range(5.0, 300.0)),
    Fault.SLOT_LINGERS: (Range(0.1, 1.0), Range(1.0, 60.0)),
    Fault.ACK_LOST: (Range(0.02, 0.3), _INSTANT),
    Fault.ACK_REFUSED: (Range(0.02, 0.3), _INSTANT),
    Fault.NOTICE_LOST: (_PER_FRAME, _INSTANT),
    Fault.NOTICE_LATE: (_PER_FRAME, Range(0.1, 90.0)),
    Fault.NOTICE_TWICE: (_PER_FRAME, Range(0.01, 90.0)),
    Fault.NOTICE_EARLY: (Range(0.05, 1.0), _INSTANT),
    Fault.FRAME_WIDER: (Range(0.01, 1.0), _INSTANT),
    Fault.FRAME_CUT: (Range(0.002, 0.1), _INSTANT),
    Fault.LIST_LAGS: (Range(0.02, 1.0), Range(0.3, 60.0)),
    Fault.LIST_SHORT: (Range(0.005, 0.3), _INSTANT),
    Fault.BALANCE_LAGS: (Range(0.02, 1.0), Range(0.3, 60.0)),
    Fault.BALANCE_EMPTY: (Range(0.005, 0.3), _INSTANT),
    Fault.REFUSED_LATER: (Range(0.01, 0.3), _INSTANT),
    Fault.HAND_ORDER: (Range(0.3, 3.0), _INSTANT),
    Fault.CLOCK_JUMP: (Range(0.3, 2.0), Range(1.0, 3600.0)),
    Fault.DISK_FULL: (Range(0.2, 2.0), Range(1.0, 120.0)),
    Fault.CRASH_AT_WRITE: (Range(0.002, 0.05), _INSTANT),
    Fault.CRASH: (_PER_HOUR, Range(3.0, 3000.0)),
    Fault.FREEZE: (_PER_HOUR, Range(0.2, 90.0)),
    Fault.STRATEGY_SLOW: (Range(0.1, 1.0), Range(0.5, 60.0)),
    Fault.STRATEGY_CRASH: (Range(0.1, 1.0), Range(1.0, 200.0)),
    Fault.QUOTES_SILENT: (_PER_HOUR, Range(0.1, 1.0)),
}
"""Of each fault, how likely (an occasion) or frequent (an hour) it is, and how far it reaches:
seconds as a rule, steps for a crash, events for a strategy's, the part of all registrations that
goes silent."""

PRESENT = 0.4
"""How likely each fault is part of a seed's mix."""


class FaultMix:
    """The faults of one seed. `struck` counts what happened; healed, nothing strikes any more."""

    def __init__(self, seed: int, allowed: Iterable[Fault] = tuple(Fault)) -> None:
        random = Random(f"{seed}:mix")  # noqa: S311  a play, not a secret
        self.struck: Counter[Fault] = Counter()
        self.healed = False
        self._level: dict[Fault, float] = {}
        self._reach: dict[Fault, float] = {}
        wanted = frozenset(allowed)
        certain = len(wanted) <= len(Fault) // 3
        for fault in Fault:
            level, reach = RANGES[fault]
            present, drawn, far = random.random(), level.draw(random), reach.draw(random)
            if fault in wanted and (certain or present < PRESENT):
                self._level[fault], self._reach[fault] = drawn, far

    def __contains__(self, fault: Fault) -> bool:
        return fault in self._level

    def strikes(self, fault: Fault, random: Random) -> bool:
        """Whether the fault happens on this occasion."""
        # New columns are no passing fault: once they come they stay.
        over = self.healed and fault is not Fault.FRAME_WIDER
        struck = not over and random.random() < self._level.get(fault, 0.0)
        if struck:
            self.struck[fault] += 1
        return struck

    def level(self, fault: Fault) -> float:
        """The probability on each occasion, or the rate an hour; zero if it is not in the mix."""
        return self._level.get(fault, 0.0)

    def reach(self, fault: Fault, random: Random) -> float:
        """How far it goes this time: up to the seed's own limit."""
        limit = self._reach[fault]
        return limit * random.random() if random.random() < 0.8 else limit

    def describe(self) -> dict[str, str]:
        """Every fault of the mix with its level and reach."""
        return {
            fault.value: f"{level:.3g} reach {self._reach[fault]:.3g}"
            for fault, level in self._level.items()
        }
