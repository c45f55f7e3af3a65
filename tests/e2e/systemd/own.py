"""Strategies of one's own, as they lie beside an installed program; each tests one end of it."""

import os
import signal
import time
from pathlib import Path

from daemon.core.calendar import RoundingWay, round_to_step, shift_steps
from daemon.core.values import Tick
from daemon.strategy import Strategy, StrategyContext


class Resting(Strategy):
    """Leaves bids far below the market, which nobody fills."""

    async def run(self, context: StrategyContext) -> None:
        """Bid, then watch."""
        wishes = []
        for instrument in context.instruments:
            last = context.last_price(instrument)
            assert last is not None
            fair = round_to_step(last, RoundingWay.DOWN)
            limits = [shift_steps(fair, -20 - each) for each in range(3)]
            wishes += [context.buy(instrument, 1, limit=each, reason="rests") for each in limits]
        await context.submit(*wishes)
        async for event in context.events():
            self.on_event(event)

    def on_event(self, event: object) -> None:
        """Nothing."""


class Doomed(Resting):
    """Takes the whole process with it, a little later."""

    seen = 0

    def on_event(self, event: object) -> None:
        self.seen += isinstance(event, Tick)
        if self.seen == 30:
            os.kill(os.getpid(), signal.SIGKILL)


class HangsOnce(Resting):
    """Holds the loop for good, the first time only."""

    def on_event(self, event: object) -> None:
        mark = Path(os.environ["KIS_DATA_DIR"], "hung")
        if not mark.exists():
            mark.touch()
            time.sleep(600)
