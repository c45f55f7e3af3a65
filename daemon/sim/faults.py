"""A seeded plan of what may go wrong or come late with an order."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """How one order is treated. Delays are real seconds.

    `reject` lets the exchange refuse it after the broker's acceptance. With `early` the HTTP
    reply follows `reply_after` seconds behind the first notices; `fill_early` lets the first
    fills overtake the reply too.
    """

    reject: bool
    early: bool
    fill_early: bool
    accept_delay: float
    fill_delay: float
    reply_after: float


class FaultPlan:
    """Draws one plan per order; the same seed and the same orders give the same plans."""

    def __init__(self, rng: Random, *, early: float, refused_later: float, speed: float) -> None:
        self._rng = rng
        self._early = early
        self._refused_later = refused_later
        # Fast clocks get faster notices, but never so fast that a client could not tell.
        self._haste = min(max(speed, 1.0), 8.0)

    def draw(self) -> OrderPlan:
        """The plan for the next order."""
        rng = self._rng
        reject, early, fill_early = rng.random(), rng.random(), rng.random()
        accept, fill, reply = rng.random(), rng.random(), rng.random()
        is_early = early < self._early
        return OrderPlan(
            reject=reject < self._refused_later,
            early=is_early,
            fill_early=is_early and fill_early < 0.5,
            accept_delay=(0.002 + 0.02 * accept) if is_early else (0.03 + 0.06 * accept),
            fill_delay=(0.15 + 0.25 * fill) / self._haste,
            reply_after=0.02 + 0.04 * reply,
        )
