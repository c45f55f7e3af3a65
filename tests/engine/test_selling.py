"""One pass at a time: what is cancelled and sold, and what a pass says of the rest."""

import asyncio
from datetime import UTC, datetime

from daemon.core.events import Actor, LeftCause, TradingState
from daemon.core.orders import OrderState
from daemon.core.switch import Command
from daemon.core.values import Region, Side
from daemon.engine.executor import OF_CLOSE, OF_SWITCH
from daemon.engine.selling import CLOSED_PAUSE, LOOK, entries
from tests.builders import HYNIX, SAMSUNG, STRATEGY
from tests.engine.paper import PRICE, Answer, PaperBroker
from tests.engine.world import World, run, wish, world
from tests.support import VirtualClock

LOW = PRICE - 1_000
EVENING = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def resting(**held: int) -> PaperBroker:
    broker = PaperBroker(VirtualClock(), fill_at_once=False)
    names = {"samsung": SAMSUNG, "hynix": HYNIX}
    broker.holdings = {names[name]: quantity for name, quantity in held.items()}
    return broker


async def hold(w: World, quantity: int) -> None:
    await w.submit(wish(quantity))
    w.broker.fill(w.broker.kept[-1], quantity)
    portfolio = w.desk.ledger.portfolio
    await w.until(lambda: portfolio.strategy_position(STRATEGY, SAMSUNG).quantity == quantity)


def test_orders_are_closed_when_the_brokers_list_says_so() -> None:
    async def scenario() -> None:
        async with world(broker=resting()) as w:
            await w.submit(wish(limit=LOW), wish(limit=LOW - 100))
            selling = w.desk.selling
            assert len(entries(selling.open_orders(Region.KR))) == 2
            assert selling.open_orders(Region.US) == []
            found = await selling.close(selling.open_orders(Region.KR), Region.KR)
            assert found == ((), True, True)
            await w.submit(wish(limit=LOW))
            w.broker.answers = [Answer.LOST_BEFORE]
            found = await selling.close(selling.open_orders(Region.KR), Region.KR)
            assert not found.is_done
            assert [each.order for each in found.left] == [w.order(3).id]
            w.broker.inquiry_fails = 1
            assert not (await selling.close([], Region.KR)).is_done, "nobody saw it"

    run(scenario())


def test_a_region_is_what_strategies_hold_there_and_the_switch_takes_everything() -> None:
    async def scenario() -> None:
        async with world(broker=resting(samsung=3, hynix=2)) as w:
            await hold(w, 5)
            found = await w.desk.selling.sell_out(OF_CLOSE, Region.KR)
            assert [(each.instrument, each.quantity) for each in found.left] == [(SAMSUNG, 5)]
            (sale,) = [each for each in w.desk.selling.open_orders(Region.KR)]
            assert (sale.intent.strategy, sale.intent.side) == (STRATEGY, Side.SELL)
            w.desk.execute(Command(state=TradingState.FLATTENING, who=Actor.OPERATOR, reason="out"))
            found = await w.desk.selling.sell_out(OF_SWITCH, Region.KR, everything=True)
            told = {each.instrument for each in found.left}
            assert (told, found.is_done) == ({SAMSUNG, HYNIX}, False)

    run(scenario())


def test_where_the_state_forbids_it_nothing_is_sold_and_that_is_told() -> None:
    async def scenario() -> None:
        async with world(broker=resting()) as w:
            await hold(w, 5)
            found = await w.desk.selling.sell_out(OF_SWITCH, Region.KR, everything=True)
            (left,) = found.left
            assert (left.cause, left.quantity) == (LeftCause.GATE_CLOSED, 5)
            assert left.detail.startswith("trading is running")
            assert w.desk.selling.open_orders(Region.KR) == []

    run(scenario())


def test_a_sale_on_its_way_is_kept_here_by_a_halt() -> None:
    async def scenario() -> None:
        async with world(broker=resting()) as w:
            await hold(w, 5)
            place = w.broker.place

            async def slow(order, *, leaving):  # type: ignore[no-untyped-def]
                await asyncio.sleep(5.0)
                return await place(order, leaving=leaving)

            w.broker.place = slow  # type: ignore[method-assign]
            selling = w.services.create_task(w.desk.selling.sell_out(OF_CLOSE, Region.KR))
            await asyncio.sleep(2.0)
            w.desk.execute(Command(state=TradingState.HALTED, who=Actor.OPERATOR, reason="no"))
            found = await selling
            assert w.order(2).state is OrderState.REJECTED
            assert len(w.broker.kept) == 1
            assert [each.cause for each in found.left] == [LeftCause.REFUSED]

    run(scenario())


def test_without_the_brokers_word_nothing_is_said_and_nothing_sold() -> None:
    async def scenario() -> None:
        async with world(broker=resting()) as w:
            await hold(w, 5)
            w.broker.inquiry_fails = 1
            found = await w.desk.selling.sell_out(OF_CLOSE, Region.KR)
            (left,) = found.left
            assert (left.cause, left.instrument, left.quantity) == (LeftCause.NOT_TOLD, SAMSUNG, 5)
            assert (found.is_done, found.is_told) == (False, False)
            assert w.desk.selling.open_orders(Region.KR) == []

    run(scenario())


def test_passes_are_rare_while_the_market_takes_nothing() -> None:
    async def scenario() -> None:
        async with world(broker=resting(samsung=2), start=EVENING) as w:
            found = await w.desk.selling.sell_out(OF_SWITCH, Region.KR, everything=True)
            assert [each.cause for each in found.left] == [LeftCause.MARKET_CLOSED]
            assert w.desk.selling.pause(found.left) == CLOSED_PAUSE
            assert w.desk.selling.pause(()) == LOOK

    run(scenario())
