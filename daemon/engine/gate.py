"""The gate: whether new orders may leave, and if not, every reason why. Cancels always may."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum


class Shutter(StrEnum):
    """Who may hold the gate shut; each opens only what it shut itself."""

    STARTING = "starting"
    STOPPING = "stopping"
    ARMING = "arming"
    OPERATOR = "operator"
    STREAM = "stream"
    BLIND = "blind"
    DISCREPANCY = "discrepancy"


EMERGENCY = frozenset({Shutter.OPERATOR, Shutter.STREAM, Shutter.DISCREPANCY})
"""Who does not hold the kill switch's own sales: they are sized by the broker's books, judged by
inquiry, and what is shut for the strategies is shut for their sake."""

BEFORE_CLOSE = EMERGENCY - {Shutter.OPERATOR}
"""The same of sales ahead of a close, but that a person's halt keeps them here."""


@dataclass(slots=True)
class Gate:
    """Open when nobody holds it shut."""

    _reasons: dict[Shutter, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether new orders may leave."""
        return not self._reasons

    @property
    def reasons(self) -> dict[Shutter, str]:
        """Who holds it shut, and why, in words for a person."""
        return dict(self._reasons)

    def why(self, *, ignoring: Collection[Shutter] = ()) -> str:
        """All reasons in one line, but for those of `ignoring`; empty when open."""
        held = ((who, why) for who, why in self._reasons.items() if who not in ignoring)
        return "; ".join(f"{who}: {reason}" for who, reason in held)

    def shut(self, who: Shutter, reason: str) -> bool:
        """Hold the gate shut; tells whether that is news."""
        news = self._reasons.get(who) != reason
        self._reasons[who] = reason
        return news

    def open(self, who: Shutter) -> bool:
        """Let go; tells whether `who` was holding it."""
        return self._reasons.pop(who, None) is not None
