"""A strategy that watches and never trades."""

from daemon.strategy import Strategy, StrategyContext


class Idle(Strategy):
    """Reads its events and does nothing."""

    async def run(self, context: StrategyContext) -> None:
        """Watch for ever."""
        async for _ in context.events():
            pass
