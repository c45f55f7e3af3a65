"""A strategy's window: it touches only what is its own."""

import asyncio

import pytest

from daemon.core.orders import Order
from daemon.core.values import InstrumentId, OrderId
from daemon.strategy import StrategyContext
from tests.builders import HYNIX, SAMSUNG
from tests.engine.paper import PRICE
from tests.engine.world import idle, run, world


def test_a_strategy_reaches_its_own_orders_and_instruments_alone() -> None:
    seen: list[OrderId] = []

    async def first(context: StrategyContext) -> None:
        [order] = await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="test"))
        assert isinstance(order, Order)
        assert context.order(order.id) is not None
        seen.append(order.id)
        await idle(context)

    async def second(context: StrategyContext) -> None:
        while not seen:  # noqa: ASYNC110  virtual time
            await asyncio.sleep(0.1)
        with pytest.raises(ValueError, match="does not trade"):
            context.buy(InstrumentId("krx:035720"), 1, limit=PRICE, reason="test")
        assert context.instruments == (SAMSUNG, HYNIX)
        with pytest.raises(ValueError, match="has no order"):
            await context.cancel(seen[0])
        assert context.order(seen[0]) is None
        seen.append(seen[0])

    async def scenario() -> None:
        async with world(first, second) as w:
            await w.until(lambda: len(seen) == 2)

    run(scenario())
