"""What a world saw on the wire, with every order request traced to the order it was about."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from daemon.core.errors import TradingError
from daemon.core.events import Event
from daemon.core.orders import Order
from daemon.core.values import BrokerRef, InstrumentId, OrderId, Region, Side, region_of
from daemon.kis.rest import KisRest
from daemon.lab.loop import Process
from daemon.sim.replies import WireRequest

STALE = 30.0
"""Seconds after which the prices an order was decided on are not true any more."""

BLIND = 130.0
"""Seconds since the last page of orders was asked for: 25 until the pass is complete, a minute for
the gate to shut, and as much longer as the pass took with 20 of waiting for its first page."""

LONG_LIST = 30.0
"""Seconds more for a list whose pages took as long: its balance may have more of them, too."""

SLEPT = 105.0
"""Seconds more when the daemon slept meanwhile: it knows no better than that the pass took them."""

TAKE_UP = 200
"""Steps of a process within which a cancel that was asked for has reached the broker's client: it
is the next thing to happen, but for what was ready to run already."""

EXCUSES = frozenset({"NOTHING_LEFT", "EXPIRED", "NO_TOKEN", "STOPPED", "QUEUE_FULL"})
"""Why a cancel may not leave: nothing is open any more, or requests as such cannot leave."""

KEPT = 5_000
"""Lines of a trace that are kept for a person; its hash covers all of them."""


class Leaving(NamedTuple):
    """An order request on its way out, and whose it is: the broker is never told that."""

    kind: Literal["place", "modify", "cancel"]
    order: OrderId
    instrument: InstrumentId
    side: Side
    limit: Decimal | None
    decided_at: datetime


@dataclass
class _Stream:
    up_at: float | None = None
    checked_at: dict[Region, float] = field(default_factory=dict)
    took: dict[Region, float] = field(default_factory=dict)


@dataclass
class Witness:
    """Collects; `oracles` judge.

    `on_accepted` is told of every order the exchange took, `on_written` of the facts the journal
    has just been given.
    """

    clock: Callable[[], float]
    market_time: Callable[[], datetime]
    numbers: dict[OrderId, list[int]] = field(default_factory=dict)
    owners: dict[int, OrderId] = field(default_factory=dict)
    changed: dict[int, OrderId] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    on_accepted: Callable[[Leaving, int], None] = lambda leaving, number: None
    on_written: Callable[[Sequence[Event]], None] = lambda events: None
    _hash: Any = field(default_factory=sha256)
    _streams: dict[Process, _Stream] = field(default_factory=dict)
    _asked: dict[OrderId, tuple[Process, int]] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        line = f"{self.clock():.6f} {what}"
        self._hash.update(line.encode())
        self.lines.append(line)

    @property
    def digest(self) -> str:
        """The hash of the whole trace: equal for equal runs."""
        return str(self._hash.hexdigest())

    def violate(self, what: str) -> None:
        """Something happened that must never happen."""
        self.note(f"VIOLATION {what}")
        self.violations.append(f"{self.clock():.3f} s: {what}")

    # The daemon's side of the wire

    def left(
        self, process: Process, leaving: Leaving | None, request: WireRequest, now: float
    ) -> None:
        """A request has left the daemon."""
        self.counts["requests"] += 1
        self.note(f"{request.method} {request.path}")
        if leaving is None:
            return
        self.counts[leaving.kind] += 1
        self.note(f"{leaving.kind} {leaving.order} leaves {process.name}")
        stream = self._streams.get(process, _Stream())
        if leaving.kind == "cancel":
            return
        waited = (self.market_time() - leaving.decided_at).total_seconds()
        if leaving.kind == "place" and waited > STALE:
            self.violate(f"place {leaving.order} left {waited:.0f} s after it was decided")
        region = region_of(leaving.instrument)
        checked_at, took = stream.checked_at.get(region, -1.0), stream.took.get(region, 0.0)
        limit = BLIND + min(took, LONG_LIST) + (SLEPT if process.slept_since(checked_at) else 0.0)
        blind, who = now - checked_at, f"{leaving.kind} {leaving.order}"
        if stream.up_at is None:
            self.violate(f"{who} left while the order stream was down")
        elif checked_at - took < stream.up_at:
            self.violate(f"{who} left before the stream's gap was checked")
        elif blind > limit:
            self.violate(f"{who} left {blind:.0f} s after the last list")

    def not_sent(self, leaving: Leaving | None) -> None:
        """A request could not leave."""
        if leaving is not None:
            self.note(f"{leaving.kind} {leaving.order} finds no connection")

    def stream_up(self, process: Process, now: float) -> None:
        """The daemon has been told that order notices will come."""
        stream = self._streams.setdefault(process, _Stream())
        if stream.up_at is None:
            stream.up_at = now
            self.note(f"stream of {process.name} is up")

    def stream_lost(self, process: Process) -> None:
        """The daemon knows that its stream is gone."""
        self._streams[process] = _Stream()
        self.note(f"stream of {process.name} is lost")

    def list_told(
        self, process: Process, asked: float, region: Region = Region.KR, *, took: float = 0.0
    ) -> None:
        """The last page of a region's list of orders asked for at `asked` reached the daemon,
        `took` seconds after its first was asked for."""
        known = self._streams.setdefault(process, _Stream())
        if asked >= known.checked_at.get(region, -1.0):
            known.checked_at[region], known.took[region] = asked, took
        self.look_for_cancels()

    def cancel_asked(self, process: Process, order: OrderId) -> None:
        """A strategy wants a working order cancelled: whatever the gate says, it must go out."""
        self.look_for_cancels()
        self._asked.setdefault(order, (process, process.steps))

    def cancel_taken(self, order: OrderId) -> None:
        """The broker's client was told to cancel."""
        self._asked.pop(order, None)

    def cancel_held_back(self, order: OrderId, error: TradingError) -> None:
        """The broker's client did not let a cancel out."""
        code = getattr(error, "code", type(error).__name__)
        if code not in EXCUSES:
            self.violate(f"the cancel of {order} was held back: {error}")

    def look_for_cancels(self) -> None:
        """Miss every cancel that was asked for and went nowhere."""
        for order, (process, asked) in list(self._asked.items()):
            if process.steps - asked > TAKE_UP:
                self.cancel_taken(order)
                self.violate(f"a cancel of {order} was asked for and went nowhere")

    def over(self, process: Process) -> None:
        """A process has ended: what it was asked for just now ends with it."""
        self._asked = {
            order: asked for order, asked in self._asked.items() if asked[0] is not process
        }

    # The broker's side

    def reached(self, leaving: Leaving, number: int | None, confirmed: bool) -> None:
        """The broker has dealt with an order request."""
        self.note(f"{leaving.kind} {leaving.order} reaches the broker: {number} {confirmed}")
        if number is None:
            return
        if leaving.kind == "place":
            self.numbers.setdefault(leaving.order, []).append(number)
            self.owners[number] = leaving.order
        else:
            self.changed[number] = leaving.order
        if leaving.kind != "cancel":
            self.on_accepted(leaving, number)


class WitnessedRest(KisRest):
    """The daemon's own client; the witness is told which order each request is about."""

    tag: Callable[[Leaving], None] = staticmethod(lambda leaving: None)
    witness: Witness | None = None

    async def place(self, order: Order, *, leaving: Callable[[], None]) -> BrokerRef:
        """See `KisRest.place`."""
        return await super().place(
            order, leaving=self._tagged("place", order, order.limit, leaving)
        )

    async def modify(
        self, order: Order, limit: Decimal, *, leaving: Callable[[], None]
    ) -> BrokerRef:
        """See `KisRest.modify`."""
        noted = self._tagged("modify", order, limit, leaving)
        return await super().modify(order, limit, leaving=noted)

    async def cancel(self, order: Order, *, leaving: Callable[[], None]) -> None:
        """See `KisRest.cancel`."""
        left = False
        tagged = self._tagged("cancel", order, None, leaving)

        def noted() -> None:
            nonlocal left
            tagged()
            left = True

        if self.witness is not None:
            self.witness.cancel_taken(order.id)
        try:
            await super().cancel(order, leaving=noted)
        except TradingError as error:
            if self.witness is not None and not left:
                self.witness.cancel_held_back(order.id, error)
            raise

    def _tagged(
        self,
        kind: Literal["place", "modify", "cancel"],
        order: Order,
        limit: Decimal | None,
        leaving: Callable[[], None],
    ) -> Callable[[], None]:
        intent = order.intent

        def tagged() -> None:
            leaving()
            self.tag(
                Leaving(kind, order.id, intent.instrument, intent.side, limit, order.created_at)
            )

        return tagged
