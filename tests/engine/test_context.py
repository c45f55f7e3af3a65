"""A strategy's window: it touches only what is its own."""

import asyncio

import pytest

from daemon.core.events import OrderCreated
from daemon.core.orders import Order, OrderState
from daemon.core.values import InstrumentId, OrderId
from daemon.engine.host import RunState
from daemon.strategy import StrategyContext
from tests.builders import HYNIX, SAMSUNG, STRATEGY
from tests.engine.paper import PRICE, PaperBroker
from tests.engine.world import idle, run, world
from tests.support import VirtualClock


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


def test_a_task_that_outlives_its_strategy_may_cancel_and_nothing_else() -> None:
    seen: list[tuple[StrategyContext, OrderId]] = []

    async def leave(context: StrategyContext) -> None:
        [order] = await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="test"))
        assert isinstance(order, Order)
        seen.append((context, order.id))

    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), fill_at_once=False)
        async with world(leave, idle, broker=broker) as w:
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.FINISHED)
            [(context, order)] = seen
            with pytest.raises(ValueError, match="ended and orders nothing"):
                await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="late"))
            with pytest.raises(ValueError, match="ended and modifies nothing"):
                await context.modify(order, PRICE - 100)
            assert len(w.facts(OrderCreated)) == 1
            await context.cancel(order)
            await w.until(lambda: w.order().state is OrderState.CANCELLED)

    run(scenario())
