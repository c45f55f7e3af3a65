"""Storms of one event: after a burst the repetitions are counted instead of written."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Line = MutableMapping[str, Any]

BURST = 50
"""So many lines of one event are written however fast they come."""
PER_SECOND = 1.0
"""So many more are written every second after that: 86,400 lines a day at most, about 40 MB."""
PATIENCE = timedelta(seconds=5)
"""A repetition held back is written with its count after this long, once anything is logged."""
KINDS_LIMIT = 1_000

FACTS = "facts"
"""The logger of recorded facts, which are never held back."""


@dataclass(slots=True)
class _Kind:
    """What is known of one event."""

    tokens: float
    at: datetime
    since: datetime
    held: Line | None = None
    count: int = 0


class Repeats:
    """Decides what is written now. The sum of `repeated`, or 1, over all lines is what was logged.

    A line with `repeated` stands for itself and those held back before it. Lines of an order, of
    a fact, and critical ones are never held back.
    """

    def __init__(self, *, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._kinds: dict[tuple[str, str, str], _Kind] = {}
        self._holding: dict[tuple[str, str, str], None] = {}

    def admit(self, line: Line, at: datetime) -> list[Line]:
        """What to write now that `line` came: held ones that are due, and perhaps itself."""
        due = self.due(at)
        if line["log.logger"] == FACTS or "trace.id" in line or line["log.level"] == "critical":
            return [*due, line]
        name = (line["log.logger"], line["event.name"], line["log.level"])
        kind = self._kinds.get(name)
        if kind is None:
            if len(self._kinds) >= KINDS_LIMIT:
                due += self.drain()
                self._kinds.clear()
            kind = self._kinds[name] = _Kind(float(self._burst), at, at)
        passed = max((at - kind.at).total_seconds(), 0.0)
        kind.tokens = min(kind.tokens + passed * self._per_second, float(self._burst))
        kind.at = at
        if kind.tokens < 1:
            if kind.held is None:
                kind.since = at
                self._holding[name] = None
            kind.held = line
            kind.count += 1
            return due
        kind.tokens -= 1
        if kind.held is not None:
            line["repeated"] = kind.count + 1
            kind.held, kind.count = None, 0
            del self._holding[name]
        return [*due, line]

    def due(self, at: datetime) -> list[Line]:
        """Lines held back long enough; a clock that was set back makes them due, too."""
        names = [
            name
            for name in self._holding
            if not timedelta() <= at - self._kinds[name].since < PATIENCE
        ]
        return [self._release(name) for name in names]

    def drain(self) -> list[Line]:
        """Everything held back, for the end."""
        return [self._release(name) for name in list(self._holding)]

    def _release(self, name: tuple[str, str, str]) -> Line:
        kind = self._kinds[name]
        line = kind.held
        assert line is not None, "only kinds that hold a line are in `_holding`"
        line["repeated"] = kind.count
        kind.held, kind.count = None, 0
        del self._holding[name]
        return line
