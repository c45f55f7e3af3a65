"""What people ask of a running daemon: the facts of their acts, and which requests are known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from daemon.core.values import StrategyId

OPERATOR = StrategyId("operator")
"""Who owns the orders that an operator submits."""

SCRIPT = StrategyId("script")
"""Who owns the orders that a person's script sends through the daemon."""

OWNERS = frozenset({OPERATOR, SCRIPT})
"""Owners of orders that no strategy may be called by."""

REMEMBERED = 1_000
"""Requests that are known again; older ones are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAsked:
    """Somebody asked for an act: written before it is done.

    `request` is the word by which a repetition is known. `channel` is the door it came through,
    `person`, `uid` and `pid` are who was behind it as far as the machine tells.
    """

    request: str
    act: str
    subject: str
    reason: str
    channel: str
    person: str
    uid: int | None
    pid: int | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAnswered:
    """What became of an act: `done`, or why not. `answer` is in words for a person."""

    request: str
    done: bool
    answer: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySuspended:
    """A person stopped a strategy. It stays so over restarts until a person starts it."""

    strategy: StrategyId
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyResumed:
    """A person started a strategy again."""

    strategy: StrategyId
    reason: str
    at: datetime


ActEvent = OperatorAsked | OperatorAnswered | StrategySuspended | StrategyResumed


@dataclass(slots=True)
class Acts:
    """The fold of these facts: the last requests with their answers, and who is stopped."""

    asked: dict[str, OperatorAsked] = field(default_factory=dict)
    answered: dict[str, OperatorAnswered] = field(default_factory=dict)
    stopped: dict[StrategyId, str] = field(default_factory=dict)

    def apply(self, event: object) -> None:
        """Take one fact in; any other than these changes nothing."""
        match event:
            case OperatorAsked():
                self.asked[event.request] = event
                for forgotten in self._too_many():
                    del self.asked[forgotten]
                    self.answered.pop(forgotten, None)
            case OperatorAnswered():
                if event.request in self.asked:
                    self.answered[event.request] = event
            case StrategySuspended():
                self.stopped[event.strategy] = event.reason
            case StrategyResumed():
                self.stopped.pop(event.strategy, None)
            case _:
                pass

    def _too_many(self) -> Sequence[str]:
        return list(self.asked)[: max(len(self.asked) - REMEMBERED, 0)]
