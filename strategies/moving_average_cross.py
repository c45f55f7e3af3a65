"""Buys when a fast moving average rises through a slow one, sells when it falls back.

이동평균 교차: 골든 크로스에 사고 데드 크로스에 판다. One position an instrument, each on its own.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from daemon.core.bars import BarBuilder, SimpleMovingAverage
from daemon.core.calendar import Phase
from daemon.core.errors import TradingError
from daemon.core.events import OrderRejected
from daemon.core.orders import OrderState
from daemon.core.steps import shifted_price
from daemon.core.values import Bar, InstrumentId, Side, Tick
from daemon.strategy import MarketGap, Parameters, Strategy, StrategyContext

MINUTE = 60


class MovingAverageCrossParameters(Parameters):
    """`quantity` (shares, 1 by itself) or `notional` (KRW, or USD for
    American instruments) sizes an entry; exits sell all."""

    fast: int = Field(default=5, ge=1)
    slow: int = Field(default=20, ge=2)
    quantity: int | None = Field(default=None, ge=1)
    notional: Decimal | None = Field(default=None, gt=0)
    bar_seconds: int = Field(default=MINUTE, ge=1)
    order: Literal["limit", "market"] = "limit"
    collar_ticks: int = Field(default=3, ge=0, le=50)
    """How many price steps beyond the last price a limit order may pay."""
    patience_seconds: float = Field(default=60, gt=0)
    """How long an order may rest without a change before it is cancelled."""

    @model_validator(mode="after")
    def _consistent(self) -> "MovingAverageCrossParameters":
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be less than slow ({self.slow})")
        if self.quantity is not None and self.notional is not None:
            raise ValueError("give quantity (shares) or notional (money), not both")
        BarBuilder(InstrumentId(""), self.bar_seconds)  # refuses what does not divide a day
        return self


class Line:
    """What the strategy knows of one instrument: its bars, its averages, its wish."""

    def __init__(self, instrument: InstrumentId, parameters: MovingAverageCrossParameters) -> None:
        self.bars = BarBuilder(instrument, parameters.bar_seconds)
        self.fast = SimpleMovingAverage(parameters.fast)
        self.slow = SimpleMovingAverage(parameters.slow)
        self.trend: int | None = None
        """+1 when the fast average is above the slow one, -1 below; `None` before both exist."""
        self.wants_in = False
        """A golden cross was seen, and neither a dead cross nor a final refusal since."""

    def restart(self, closes: Iterable[Decimal]) -> None:
        """Begin the averages again from past closes; their crosses are history, not a wish."""
        wanted, self.trend = self.wants_in, None
        self.bars = BarBuilder(self.bars.instrument, self.bars.seconds)
        self.fast = SimpleMovingAverage(self.fast.length)
        self.slow = SimpleMovingAverage(self.slow.length)
        for close in closes:
            self.update(close)
        self.wants_in = wanted and self.trend == 1

    def update(self, close: Decimal) -> None:
        """Take the close of the next bar in. Only a cross seen from both sides counts."""
        self.fast.update(close)
        self.slow.update(close)
        if not self.slow.ready:
            return
        gap = self.fast.total * self.slow.length - self.slow.total * self.fast.length
        if gap == 0:
            return
        before, self.trend = self.trend, 1 if gap > 0 else -1
        if before is not None and before != self.trend:
            self.wants_in = self.trend > 0


class MovingAverageCross(Strategy):
    """One coroutine, many independent instruments.

    An exit looks at where the averages are, not only at the cross itself: a dead cross missed
    while the daemon was away still sells. An entry waits for a golden cross it has seen. What
    the risk rules deny, or the broker refuses for a passing cause, is decided anew at the next
    bar; an entry the broker refuses for good waits for the next cross.
    """

    Parameters = MovingAverageCrossParameters
    parameters: MovingAverageCrossParameters

    async def run(self, context: StrategyContext) -> None:
        """Trade for as long as events come."""
        lines = {each: Line(each, self.parameters) for each in context.instruments}
        await self._warm_up(context, lines.values())
        async for event in context.events():
            match event:
                case Tick() if event.instrument in lines:
                    await self._on_tick(context, lines[event.instrument], event)
                case OrderRejected(retryable=False):
                    order = context.order(event.order)
                    if order is not None and order.intent.side is Side.BUY:
                        lines[order.intent.instrument].wants_in = False
                case MarketGap(up=True):
                    # Trades were missed: the broker's bars have no hole, if it can tell.
                    await self._warm_up(context, lines.values())

    async def _on_tick(self, context: StrategyContext, line: Line, tick: Tick) -> None:
        closed = line.bars.update(tick)
        if closed is not None:
            line.update(closed.close)
        if await self._has_open_order(context, tick.instrument) or closed is None:
            return
        if context.calendar.phase(context.now()) is Phase.CONTINUOUS:
            await self._decide(context, line, tick)

    async def _has_open_order(self, context: StrategyContext, instrument: InstrumentId) -> bool:
        """Whether an order is alive; one that rested too long is asked to be cancelled."""
        for order in context.orders():
            if order.intent.instrument != instrument:
                continue
            patience = timedelta(seconds=self.parameters.patience_seconds)
            waited = context.now() - order.updated_at
            if order.state is OrderState.WORKING and waited > patience:
                await context.cancel(order.id)
            return True
        return False

    async def _decide(self, context: StrategyContext, line: Line, tick: Tick) -> None:
        held = context.position(tick.instrument).quantity
        if held > 0 and line.trend == -1:
            limit = self._limit(tick, Side.SELL)
            intent = context.sell(tick.instrument, held, limit=limit, reason="dead cross")
            await context.submit(intent)
        elif held == 0 and line.wants_in and (quantity := self._size(tick.price)) > 0:
            limit = self._limit(tick, Side.BUY)
            intent = context.buy(tick.instrument, quantity, limit=limit, reason="golden cross")
            await context.submit(intent)

    def _size(self, price: Decimal) -> int:
        if self.parameters.notional is not None:
            return int(self.parameters.notional // price)
        return self.parameters.quantity or 1

    def _limit(self, last: Tick, side: Side) -> Decimal | None:
        """A price that trades at once but not at any price; `None` for a market order."""
        if self.parameters.order == "market":
            return None
        return shifted_price(last.instrument, last.price, side, self.parameters.collar_ticks)

    async def _warm_up(self, context: StrategyContext, lines: Iterable[Line]) -> None:
        """Begin from past minutes; while they are not to be had, go on with what there is."""
        span = self.parameters.bar_seconds
        if span % MINUTE:
            return  # the broker keeps whole minutes only
        for line in lines:
            wanted = (self.parameters.slow + 1) * span // MINUTE
            try:
                minutes = await context.minute_bars(line.bars.instrument, wanted)
            except TradingError:
                continue
            line.restart(finished_closes(minutes, span, context.now()))


def finished_closes(minutes: Iterable[Bar], span: int, now: datetime) -> list[Decimal]:
    """The closes of all bars of `span` seconds that are over: those of their last minutes."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    ends = ((bar.start + timedelta(seconds=MINUTE), bar.close) for bar in minutes)
    whole = timedelta(seconds=span)
    return [close for end, close in ends if end <= now and (end - epoch) % whole == timedelta(0)]
