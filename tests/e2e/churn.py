"""Trades as fast as it may: buys, sells, moves and cancels, so that little time tests much."""

from itertools import count

from daemon.core.calendar import RoundingWay, round_to_step, shift_steps
from daemon.core.orders import OrderState
from daemon.core.values import Side, Tick
from daemon.strategy import Strategy, StrategyContext


class Churn(Strategy):
    """On every tick of an instrument without an open order: in, or out, or a resting bid."""

    async def run(self, context: StrategyContext) -> None:
        """Never stops."""
        turns = count()
        async for event in context.events():
            if not isinstance(event, Tick):
                continue
            resting = [o for o in context.orders() if o.intent.instrument == event.instrument]
            if resting:
                await self._bother(context, resting[0].id, event)
                continue
            held = context.position(event.instrument).quantity
            side = Side.SELL if held else Side.BUY
            way = RoundingWay.UP if side is Side.BUY else RoundingWay.DOWN
            fair = round_to_step(event.price, way)
            rests = next(turns) % 3 == 0
            limit = shift_steps(fair, -side.sign * 8 if rests else side.sign * 4)
            word = context.buy if side is Side.BUY else context.sell
            await context.submit(word(event.instrument, held or 7, limit=limit, reason="churn"))

    async def _bother(self, context: StrategyContext, order_id: str, tick: Tick) -> None:
        order = next(each for each in context.orders() if each.id == order_id)
        if order.state is not OrderState.WORKING:
            return
        if len(order.refs) > 1:
            await context.cancel(order.id)
        elif order.limit is not None:
            await context.modify(order.id, shift_steps(order.limit, order.intent.side.sign))
