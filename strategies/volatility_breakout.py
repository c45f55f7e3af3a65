"""Buys when a day's price breaks out of yesterday's range, sells at the next open.

변동성 돌파 (래리 윌리엄스): 목표가 = 오늘 시가 + k × (어제 고가 - 어제 저가).

Known and not known over a restart: the position is, the day it was bought is not. A position
found while the market trades counts as bought today only if today's prices allow it, and is
then kept until the next open. A day's round trip that ended before a restart is forgotten, but
only a crossing seen since can buy again.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from pydantic import Field, model_validator

from daemon.core.calendar import Phase
from daemon.core.errors import TradingError
from daemon.core.events import OrderFilled, OrderIntent, OrderRejected
from daemon.core.orders import OrderState
from daemon.core.portfolio import Position
from daemon.core.steps import shifted_price
from daemon.core.values import Bar, InstrumentId, Side, Tick
from daemon.strategy import Parameters, Strategy, StrategyContext


class VolatilityBreakoutParameters(Parameters):
    """`quantity` (shares, 1 by itself) or `notional` (KRW) sizes an entry; exits sell all."""

    k: Decimal = Field(default=Decimal("0.5"), gt=0, le=2)
    quantity: int | None = Field(default=None, ge=1)
    notional: Decimal | None = Field(default=None, gt=0)
    stop_loss: Decimal | None = Field(default=None, gt=0, lt=1)
    """Sell when the price is this fraction below the average cost: 0.03 is three percent."""
    exit_at_close: int | None = Field(default=None, ge=11, le=390)
    """Sell this many minutes before 15:30; the closing auction takes the last ten."""
    collar_ticks: int = Field(default=3, ge=0, le=50)
    """How many price steps beyond the last price an order may pay."""
    patience_seconds: float = Field(default=60, gt=0)
    """How long an order may rest, and how long to wait before trying again."""

    @model_validator(mode="after")
    def _consistent(self) -> "VolatilityBreakoutParameters":
        if self.quantity is not None and self.notional is not None:
            raise ValueError("give quantity (shares) or notional (KRW), not both")
        return self


@dataclass(slots=True)
class Day:
    """One instrument's trading day."""

    date: date
    target: Decimal | None = None
    crossed: bool = False
    entered: bool = False
    """Bought today, or refused for good: no (other) entry today."""
    last: Decimal | None = None
    ask_at: datetime | None = None
    """When to ask for the missing bars again."""
    order_at: datetime | None = None
    """When to order again after what was denied, refused or cancelled."""


class VolatilityBreakout(Strategy):
    """At most one entry a day and instrument, one open order at a time."""

    Parameters = VolatilityBreakoutParameters
    parameters: VolatilityBreakoutParameters

    async def run(self, context: StrategyContext) -> None:
        """Trade for as long as events come."""
        days: dict[InstrumentId, Day] = {}
        async for event in context.events():
            match event:
                case Tick() if event.instrument in context.instruments:
                    await self._on_tick(context, days, event)
                case OrderFilled() if (day := days.get(event.fill.instrument)) is not None:
                    traded_on = context.calendar.local_date(event.fill.exchange_time)
                    if event.fill.side is Side.BUY and traded_on == day.date:
                        day.entered = True
                    day.order_at = None
                case OrderRejected(retryable=False):
                    order = context.order(event.order)
                    if order is not None and order.intent.side is Side.BUY:
                        days[order.intent.instrument].entered = True

    async def _on_tick(
        self, context: StrategyContext, days: dict[InstrumentId, Day], tick: Tick
    ) -> None:
        now = context.now()
        today = context.calendar.local_date(tick.exchange_time)
        day = days.get(tick.instrument)
        if day is None or day.date < today:
            day = days[tick.instrument] = Day(today)
        before, day.last = day.last, tick.price
        if context.calendar.phase(now) is not Phase.CONTINUOUS:
            return
        if day.target is None and (day.ask_at is None or now >= day.ask_at):
            await self._set_target(context, day, tick.instrument)
        if day.target is not None and before is not None and before < day.target <= tick.price:
            day.crossed = True
        if await self._has_open_order(context, tick.instrument):
            return
        if day.order_at is None or now >= day.order_at:
            await self._decide(context, day, tick)

    async def _set_target(
        self, context: StrategyContext, day: Day, instrument: InstrumentId
    ) -> None:
        """Ask for yesterday's range and today's open; a missing answer is asked for again."""
        try:
            bars = await context.daily_bars(instrument, 2)
        except TradingError:
            bars = ()
        traded = {context.calendar.local_date(bar.start): bar for bar in bars if bar.volume > 0}
        today = traded.pop(day.date, None)
        if today is None or not traded:
            day.ask_at = self._later(context)
            return
        yesterday = traded[max(traded)]
        day.target = today.open + self.parameters.k * (yesterday.high - yesterday.low)
        day.entered = day.entered or _may_be_of(today, day.target, context.position(instrument))

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

    async def _decide(self, context: StrategyContext, day: Day, tick: Tick) -> None:
        position = context.position(tick.instrument)
        if position.quantity > 0:
            reason = self._exit_reason(context, day, position, tick.price)
            if reason:
                limit = self._limit(tick, Side.SELL)
                held = position.quantity
                intent = context.sell(tick.instrument, held, limit=limit, reason=reason)
                await self._submit(context, day, intent)
            return
        if day.entered or not day.crossed or day.target is None or tick.price < day.target:
            return
        quantity = self._size(tick.price)
        if quantity > 0 and not self._closing(context, day):
            limit = self._limit(tick, Side.BUY)
            intent = context.buy(tick.instrument, quantity, limit=limit, reason="breakout")
            await self._submit(context, day, intent)

    async def _submit(self, context: StrategyContext, day: Day, intent: OrderIntent) -> None:
        day.order_at = self._later(context)  # a fill clears it again
        await context.submit(intent)

    def _exit_reason(
        self, context: StrategyContext, day: Day, position: Position, price: Decimal
    ) -> str:
        """Why to sell now; empty to keep. Nothing is known of the day before it has a target."""
        cost, stop = position.average_price, self.parameters.stop_loss
        if stop is not None and cost is not None and price <= cost * (1 - stop):
            return "stop loss"
        if self._closing(context, day):
            return "before the close"
        if day.target is not None and not day.entered:
            return "next open"
        return ""

    def _closing(self, context: StrategyContext, day: Day) -> bool:
        if self.parameters.exit_at_close is None:
            return False
        span = timedelta(minutes=self.parameters.exit_at_close)
        return context.now() >= context.calendar.close_at(day.date) - span

    def _size(self, price: Decimal) -> int:
        if self.parameters.notional is not None:
            return int(self.parameters.notional // price)
        return self.parameters.quantity or 1

    def _limit(self, last: Tick, side: Side) -> Decimal:
        return shifted_price(last.instrument, last.price, side, self.parameters.collar_ticks)

    def _later(self, context: StrategyContext) -> datetime:
        return context.now() + timedelta(seconds=self.parameters.patience_seconds)


def _may_be_of(today: Bar, target: Decimal, position: Position) -> bool:
    """Whether today's prices allow that the position was bought today."""
    cost = position.average_price
    return cost is not None and today.high >= target and today.low <= cost <= today.high
