"""The judge of market data: what strategies are told, held against what has traded."""

import asyncio
from collections import Counter, deque

from daemon.core.calendar import MarketCalendar, Phase
from daemon.core.values import InstrumentId, Market, Quote, Tick, code_of, instrument_id
from daemon.engine.watch import PATIENCE, QUIET
from daemon.lab.loop import current_process
from daemon.lab.machine import Machine
from daemon.lab.venue import Venue
from daemon.lab.witness import Witness
from daemon.strategy import MarketGap, StrategyEvent

LOOK = 10.0
"""Seconds between two looks."""

BOUND = 2 * (QUIET + PATIENCE) + 2 * LOOK
"""Seconds within which strategies know of a trade, or know that they do not: a silence is noticed,
and an inquiry may once be answered with an older answer."""


class Freshness:
    """No strategy is fed stale prices unmarked.

    Whatever has traded is told by a tick or a quote within `BOUND` seconds, unless the strategies
    were told that something is missing.
    """

    def __init__(self, venue: Venue, machine: Machine, witness: Witness) -> None:
        self._venue = venue
        self._machine = machine
        self._witness = witness
        self._calendar = MarketCalendar()
        self._codes = sorted(venue.broker.market.listings)
        self._past: deque[tuple[float, dict[str, int]]] = deque()
        self._told: Counter[InstrumentId] = Counter()
        self._dark: set[InstrumentId | None] = set()
        self._calm_since: dict[InstrumentId | None, float] = {}
        self._listener: object = None

    def on_told(self, event: StrategyEvent | None) -> None:
        """A strategy has been told something, or has just begun to listen."""
        now = self._venue.clock.monotonic()
        match event:
            case None:
                self._listener = current_process()
                self._told.clear()
                self._dark.clear()
                self._calm_since.clear()
                self._calm_since[None] = now
            case Tick():
                self._learn(event.instrument, event.day_volume)
            case Quote():
                self._learn(event.instrument, event.day_volume or 0)
            case MarketGap(up=False):
                self._witness.counts["gaps"] += event.instrument is not None
                self._dark.add(event.instrument)
            case MarketGap():
                self._dark.discard(event.instrument)
                self._calm_since[event.instrument] = now
            case _:
                pass

    def _learn(self, instrument: InstrumentId, volume: int) -> None:
        self._told[instrument] = max(self._told[instrument], volume)

    async def watch(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(LOOK)
            self._look()

    def _look(self) -> None:
        now, tapes = self._venue.clock.monotonic(), self._venue.broker.market.tapes
        self._past.append((now, {code: tapes[code].volume for code in self._codes}))
        while self._past and self._past[0][0] < now - BOUND:
            at, volumes = self._past.popleft()
            if self._past and self._past[0][0] >= now - BOUND:
                self._judge(now, at, volumes)

    def _judge(self, now: float, at: float, volumes: dict[str, int]) -> None:
        process = self._machine.process
        if process is not self._listener or not process.alive or process.slept_since(at):
            return
        if self._calendar.phase(self._venue.clock.now()) is not Phase.CONTINUOUS:
            # The closing auction: nothing is to come before it ends.
            return
        if None in self._dark or now - self._calm_since[None] < BOUND:
            return
        for code in self._codes:
            instrument = instrument_id(Market.KRX, code)
            calm = now - self._calm_since.get(instrument, float("-inf"))
            if instrument in self._dark or calm < BOUND:
                continue
            if volumes[code] > self._told[instrument]:
                self._witness.violate(
                    f"of {volumes[code]} shares of {code_of(instrument)} traded by {at:.0f} s, "
                    f"strategies know {self._told[instrument]} and nobody marked it"
                )
