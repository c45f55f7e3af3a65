"""What was sent lately and what was lost lately: the fold behind limits on pace and re-entry."""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from daemon.core.limits import limit_day
from daemon.core.values import InstrumentId, StrategyId

RECENT_LIMIT = 10_000
"""How many instants are kept of each kind: more than any limit a minute."""


@dataclass(slots=True)
class Pace:
    """Instants at which requests of one kind left, and how many did in a day."""

    _recent: list[datetime] = field(default_factory=list)
    _days: Counter[date] = field(default_factory=Counter)

    def add(self, at: datetime) -> None:
        """One more left."""
        # A clock may be set back: in order, the newest are counted without looking at the rest.
        insort(self._recent, at)
        if len(self._recent) > 2 * RECENT_LIMIT:
            del self._recent[:RECENT_LIMIT]
        day = limit_day(at)
        if day not in self._days:
            # A clock that is set back may bring yesterday again, and nothing older.
            for old in sorted(self._days)[:-1]:
                del self._days[old]
        self._days[day] += 1

    @property
    def recent(self) -> Sequence[datetime]:
        """The newest instants, oldest first."""
        return self._recent

    def within(self, now: datetime, seconds: float) -> int:
        """How many left in the last `seconds` until `now`."""
        return len(self._recent) - bisect_right(self._recent, now - timedelta(seconds=seconds))

    def on_day_of(self, now: datetime) -> int:
        """How many left on the day of limits that `now` belongs to."""
        return self._days[limit_day(now)]


@dataclass(slots=True)
class Activity:
    """`orders` counts new orders and new prices. `losing_exits` are the last sales at a loss."""

    orders: Pace = field(default_factory=Pace)
    cancels: Pace = field(default_factory=Pace)
    losing_exits: dict[tuple[StrategyId, InstrumentId], datetime] = field(default_factory=dict)
