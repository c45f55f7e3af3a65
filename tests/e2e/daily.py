"""Orders a little on every trading day, and leaves to the close what it ends itself."""

from decimal import Decimal

from daemon.core.steps import shifted_price
from daemon.core.values import InstrumentId, Side, Tick
from daemon.strategy import Strategy, StrategyContext

ABOVE, BELOW = Decimal("1.02"), Decimal("0.96")
"""One trades at once wherever the market runs, the other never does; both within the collar."""


class Daily(Strategy):
    """Once in each session and instrument: a share at once, and a bid that nobody meets.

    Its instruments may be of several markets: each opens and closes by its own calendar.
    """

    async def run(self, context: StrategyContext) -> None:
        """Never stops."""
        ordered: set[InstrumentId] = set()
        async for event in context.events():
            if not isinstance(event, Tick) or event.instrument in ordered:
                continue
            ordered.add(event.instrument)
            now = shifted_price(event.instrument, event.price * ABOVE, Side.BUY, 0)
            far = shifted_price(event.instrument, event.price * BELOW, Side.SELL, 0)
            await context.submit(
                context.buy(event.instrument, 1, limit=now, reason="now"),
                context.buy(event.instrument, 1, limit=far, reason="never"),
            )
