"""Leaves bids far below the market, which nobody fills."""

import asyncio

from daemon.core.calendar import RoundingWay, round_to_step, shift_steps
from daemon.strategy import Strategy, StrategyContext


class Resting(Strategy):
    """Three bids an instrument, and then it watches."""

    async def run(self, context: StrategyContext) -> None:
        """Watch for ever."""
        wishes = []
        for instrument in context.instruments:
            last = context.last_price(instrument)
            assert last is not None
            fair = round_to_step(last, RoundingWay.DOWN)
            wishes += [
                context.buy(instrument, 1, limit=shift_steps(fair, -20 - each), reason="rests")
                for each in range(3)
            ]
        await context.submit(*wishes)
        async for _ in context.events():
            pass


class Doomed(Resting):
    """The same, and then it takes the whole process with it."""

    async def run(self, context: StrategyContext) -> None:
        """Die once the bids rest."""
        own = asyncio.get_running_loop()
        own.call_later(2.0, _die)
        await super().run(context)


def _die() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
