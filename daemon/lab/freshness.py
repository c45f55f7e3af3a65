"""The judge of market data: what strategies are told, held against what has traded."""

import asyncio
from collections import Counter, deque

from daemon.core.calendar import Phase
from daemon.core.values import InstrumentId, Quote, Tick, code_of
from daemon.engine.watch import EASY, PATIENCE, QUIET
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
    were told that something is missing. `rate` is how many inquiries a second the daemon may make:
    where it has too few for all instruments, it takes its time, and so does the judge.
    """

    def __init__(
        self, venue: Venue, machine: Machine, witness: Witness, *, rate: float = 1.0
    ) -> None:
        self._venue = venue
        self._machine = machine
        self._witness = witness
        listed = [(each, code) for each in venue.markets for code in sorted(each.listings)]
        self._listed = {venue.instrument_of(code): market for market, code in listed}
        self._days = {each.rules.region: each.day for each in venue.markets}
        self._bound = BOUND * max(1.0, len(listed) / (rate * EASY))
        self._past: deque[tuple[float, dict[InstrumentId, int]]] = deque()
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
        now = self._venue.clock.monotonic()
        self._forget_other_days()
        traded = {each: market.tapes[code_of(each)].volume for each, market in self._listed.items()}
        self._past.append((now, traded))
        while self._past and self._past[0][0] < now - self._bound:
            at, volumes = self._past.popleft()
            if self._past and self._past[0][0] >= now - self._bound:
                self._judge(now, at, volumes)

    def _forget_other_days(self) -> None:
        """What was told of a day that is over is no news of the new one."""
        for instrument, market in self._listed.items():
            if market.day != self._days[market.rules.region]:
                self._told.pop(instrument, None)
        self._days = {each.rules.region: each.day for each in self._venue.markets}

    def _judge(self, now: float, at: float, volumes: dict[InstrumentId, int]) -> None:
        process = self._machine.process
        if process is not self._listener or not process.alive or process.slept_since(at):
            return
        if None in self._dark or now - self._calm_since[None] < self._bound:
            return
        market_time = self._venue.clock.now()
        for instrument, market in self._listed.items():
            if market.calendar.phase(market_time) is not Phase.CONTINUOUS:
                # The closing auction: nothing is to come before it ends.
                continue
            calm = now - self._calm_since.get(instrument, float("-inf"))
            if instrument in self._dark or calm < self._bound:
                continue
            if volumes[instrument] > self._told[instrument]:
                self._witness.violate(
                    f"of {volumes[instrument]} shares of {instrument} traded by {at:.0f} s, "
                    f"strategies know {self._told[instrument]} and nobody marked it"
                )
