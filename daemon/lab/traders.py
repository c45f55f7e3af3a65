"""Strategies for worlds: one that never rests, one that cannot keep up, one that breaks down."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from decimal import Decimal
from random import Random
from typing import Any

from daemon.core.calendar import RoundingWay, shift_steps
from daemon.core.events import OrderIntent, TimeInForce
from daemon.core.orders import Order, OrderState
from daemon.core.steps import accepted_price, step_at
from daemon.core.values import InstrumentId, OrderId, Region, Side, Tick, region_of
from daemon.strategy import Parameters, Strategy, StrategyContext, StrategyEvent

cancel_wanted: ContextVar[Callable[[OrderId], None]] = ContextVar(
    "cancel_wanted", default=lambda order: None
)
"""Who is told that a trader is about to cancel a working order."""


market_told: ContextVar[Callable[[StrategyEvent | None], None]] = ContextVar(
    "market_told", default=lambda event: None
)
"""Who is told of everything that a spectator is told; of `None` when a spectator begins."""

UNLIMITED: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("max_strategy_exposure", "max_account_exposure", "max_open_orders"),
            *("max_strategy_open_orders", "max_orders_per_second", "max_orders_per_day"),
            *("max_cancels_per_second", "max_cancels_per_minute", "max_cancels_per_day"),
            *("max_price_age_seconds", "max_daily_loss", "max_drawdown"),
        )
    ),
    "duplicate_window_seconds": 0,
    "reentry_cooldown_seconds": 0,
}
"""What would end a trader's day early: worlds are about what goes wrong, not about restraint."""


STRIDE = Decimal("0.0005")
"""The part of a price that a trader's step abroad is, about as wide as one in Korea: cents are
too fine for a crowd that stands further apart."""


def shifted(instrument: InstrumentId, price: Decimal, steps: int) -> Decimal:
    """The accepted price some steps above (below, if negative) an accepted one."""
    if region_of(instrument) is Region.KR:
        return shift_steps(price, steps)
    stride = max(step_at(instrument, price), price * STRIDE)
    return accepted_price(instrument, price + steps * stride, RoundingWay.DOWN)


class TraderParameters(Parameters):
    """`pause` is the mean of seconds between two decisions on an instrument; `size` in shares.

    `slowness` is how many seconds each event takes, `breaks_after` the events it survives.
    """

    seed: int = 0
    pause: float = 40.0
    size: int = 10
    slowness: float = 0.0
    breaks_after: int = 0


class Busy(Strategy):
    """Buys, sells, moves and cancels all day, in batches, and tries again what it knows not of."""

    Parameters = TraderParameters

    async def run(self, context: StrategyContext) -> None:
        """Never stops, unless its parameters say so."""
        given: TraderParameters = self.parameters
        random = Random(f"{given.seed}:{context.id}:{context.now()}")  # noqa: S311  a play
        again_at: dict[InstrumentId, float] = {}
        seen: Counter[str] = Counter()
        async for event in context.events():
            seen["events"] += 1
            if given.slowness:
                await asyncio.sleep(given.slowness)
            if not isinstance(event, Tick):
                continue
            now = event.exchange_time.timestamp()
            if now < again_at.get(event.instrument, 0.0):
                continue
            again_at[event.instrument] = now + random.expovariate(1 / given.pause)
            await self._act(context, event, random)
            if given.breaks_after and seen["events"] > given.breaks_after:
                raise ZeroDivisionError("a bug in a strategy")

    async def _act(self, context: StrategyContext, tick: Tick, random: Random) -> None:
        orders = [each for each in context.orders() if each.intent.instrument == tick.instrument]
        doubted = [each for each in orders if each.state is OrderState.IN_DOUBT]
        if doubted and random.random() < 0.5:
            await context.submit(doubted[0].intent)
            return
        working = [each for each in orders if each.state is OrderState.WORKING]
        if working and random.random() < 0.85:
            await self._bother(context, random.choice(working), random)
        else:
            await context.submit(*self._wishes(context, tick, random))

    async def _bother(self, context: StrategyContext, order: Order, random: Random) -> None:
        luck = random.random()
        instrument, steps = order.intent.instrument, random.choice((-2, -1, 1, 2, 5))
        moved = order.limit and shifted(instrument, order.limit, steps)
        if luck < 0.35:
            cancel_wanted.get()(order.id)
            await context.cancel(order.id)
        elif luck < 0.75 and moved:
            await context.modify(order.id, moved)
        elif luck < 0.85 and moved:
            cancel_wanted.get()(order.id)
            await asyncio.gather(context.modify(order.id, moved), context.cancel(order.id))

    def _wishes(
        self, context: StrategyContext, tick: Tick, random: Random
    ) -> tuple[OrderIntent, ...]:
        given: TraderParameters = self.parameters
        held = context.position(tick.instrument).quantity
        side = Side.SELL if held and random.random() < 0.6 else Side.BUY
        word = context.sell if side is Side.SELL else context.buy
        most = min(held, 3 * given.size) if side is Side.SELL else given.size
        intents = []
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            quantity = random.randint(1, max(most, 1))
            lasts = random.choice((TimeInForce.DAY,) * 6 + (TimeInForce.IOC, TimeInForce.FOK))
            if region_of(tick.instrument) is not Region.KR:
                # Nothing else is offered abroad.
                lasts = TimeInForce.DAY
            limit = None if random.random() < 0.1 else self._limit(side, tick, random)
            intents.append(
                word(tick.instrument, quantity, limit=limit, time_in_force=lasts, reason="lab")
            )
            if random.random() < 0.3:
                intents.append(intents[-1])
        return tuple(intents)

    def _limit(self, side: Side, tick: Tick, random: Random) -> Decimal:
        way = RoundingWay.UP if side is Side.BUY else RoundingWay.DOWN
        fair = accepted_price(tick.instrument, tick.price, way)
        steps = side.sign * random.choice((-9, -4, -2, -1, 0, 1, 3, 6))
        return shifted(tick.instrument, fair, steps)


class Slow(Busy):
    """Takes its time over each event."""


class Broken(Busy):
    """Fails after a while and leaves its orders to others."""


class Spectator(Strategy):
    """Only listens."""

    async def run(self, context: StrategyContext) -> None:
        """Never stops."""
        tell = market_told.get()
        tell(None)
        async for event in context.events():
            tell(event)
