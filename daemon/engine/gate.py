"""The gate: whether new orders may leave, and if not, every reason why. Cancels always may.

It is shut everywhere, or in single regions: what is wrong in one market is no reason to hold
orders of another.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from daemon.core.events import TradingState
from daemon.core.values import Region


class Shutter(StrEnum):
    """Who may hold the gate shut; each opens only what it shut itself."""

    STARTING = "starting"
    STOPPING = "stopping"
    ARMING = "arming"
    OPERATOR = "operator"
    STREAM = "stream"
    BLIND = "blind"
    CLOCK = "clock"
    DISCREPANCY = "discrepancy"


EMERGENCY = frozenset(
    {
        Shutter.STARTING,
        Shutter.OPERATOR,
        Shutter.STREAM,
        Shutter.CLOCK,
        Shutter.DISCREPANCY,
    }
)
"""Who does not hold the kill switch's own sales: they are sized by the broker's books, judged by
an inquiry made for them, and what is shut for the strategies is shut for their sake. A region whose
books nobody has judged since the start is `BLIND`, and that holds them."""

BEFORE_CLOSE = EMERGENCY - {Shutter.STARTING, Shutter.OPERATOR, Shutter.CLOCK}
"""The same of sales ahead of a close, but that a person's halt keeps them here, and a time that is
not sure: the close may be over."""


class Urgency(NamedTuple):
    """Whose sales pass the limits: in which states they may leave, and past which shutters."""

    states: frozenset[TradingState]
    ignoring: frozenset[Shutter]


OF_SWITCH = Urgency(frozenset({TradingState.FLATTENING}), EMERGENCY)
"""The kill switch empties the account."""

OF_CLOSE = Urgency(frozenset({TradingState.RUNNING, TradingState.REDUCE_ONLY}), BEFORE_CLOSE)
"""What is held is sold ahead of a close; once the switch sells, or a person halts, that ends."""


class Gate:
    """Open when nobody holds it shut."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[Shutter, Region | None], str] = {}

    @property
    def is_open(self) -> bool:
        """Whether new orders may leave, wherever they go."""
        return not self._reasons

    @property
    def reasons(self) -> dict[Shutter, str]:
        """Who holds it shut anywhere, and why, in words for a person."""
        told: dict[Shutter, str] = {}
        for (who, region), reason in self._reasons.items():
            each = reason if region is None else f"{region}: {reason}"
            told[who] = f"{told[who]}; {each}" if who in told else each
        return told

    def why(self, region: Region | None = None, *, ignoring: Collection[Shutter] = ()) -> str:
        """All reasons in one line, but for those of `ignoring`; empty when open.

        With a `region` those that hold its orders.
        """
        return "; ".join(
            f"{who}: {reason}" if where is None else f"{who} {where}: {reason}"
            for (who, where), reason in self._reasons.items()
            if who not in ignoring and (region is None or where in (None, region))
        )

    def shut(self, who: Shutter, reason: str, region: Region | None = None) -> bool:
        """Hold the gate shut, everywhere or in a region; tells whether that is news."""
        news = self._reasons.get((who, region)) != reason
        self._reasons[who, region] = reason
        return news

    def open(self, who: Shutter, region: Region | None = None) -> bool:
        """Let go of what `who` shut in a region, or of all it shut; tells whether there was any."""
        held = [key for key in self._reasons if key[0] is who and region in (None, key[1])]
        for key in held:
            del self._reasons[key]
        return bool(held)
