"""One pass at a time: what is cancelled and sold, and what a pass says of the rest."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from structlog.testing import capture_logs

from daemon.core.events import Actor, TradingState
from daemon.core.leftovers import LeftCause
from daemon.core.orders import OrderState
from daemon.core.switch import Command
from daemon.core.values import LinkDown, Region, Side
from daemon.engine.gate import OF_CLOSE, OF_SWITCH
from daemon.engine.repricing import STALE
from daemon.engine.selling import CLOSED_PAUSE, LOOK, entries
from tests.builders import HYNIX, LIMITS, SAMSUNG, STRATEGY
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


def lose_stream(w: World) -> None:
    w.desk.on_feed(LinkDown(w.clock.now(), "cut"))


def test_a_sale_is_priced_by_an_inquiry_while_the_stream_is_down() -> None:
    async def scenario() -> None:
        async with world(broker=resting()) as w:
            await hold(w, 5)
            w.feed.trade(SAMSUNG)
            lose_stream(w)
            w.feed.trade(SAMSUNG, Decimal(64_000), told=False)
            await asyncio.sleep(STALE.total_seconds())
            asked = len(w.broker.asked)
            await w.desk.selling.sell_out(OF_CLOSE, Region.KR)
            (sale,) = w.desk.selling.open_orders(Region.KR)
            assert sale.limit == Decimal(60_800)
            await w.desk.selling.sell_out(OF_CLOSE, Region.KR)
            assert w.broker.asked[asked:] == [SAMSUNG], "once, while the answer is young"

    run(scenario())


def test_a_question_that_fails_leaves_the_old_price_and_is_told() -> None:
    async def scenario() -> None:
        async with world(broker=resting(samsung=5)) as w:
            w.feed.trade(SAMSUNG)
            lose_stream(w)
            await asyncio.sleep(STALE.total_seconds())
            w.broker.unknown.add(SAMSUNG)
            w.desk.execute(Command(state=TradingState.FLATTENING, who=Actor.OPERATOR, reason="out"))
            with capture_logs() as logs:
                await w.until(lambda: bool(w.desk.selling.open_orders(Region.KR)))
            assert [each["cause"] for each in logs if each["event"] == "price_not_renewed"]
            (sale,) = w.desk.selling.open_orders(Region.KR)
            assert sale.limit == Decimal(66_500)

    run(scenario())


def test_what_is_not_to_be_sold_is_not_asked_about() -> None:
    async def scenario() -> None:
        limits = replace(LIMITS, denied=frozenset({SAMSUNG}))
        for each in (
            world(broker=resting(samsung=5), limits=limits),
            world(broker=resting(samsung=5), start=EVENING),
        ):
            async with each as w:
                w.desk.execute(
                    Command(state=TradingState.FLATTENING, who=Actor.OPERATOR, reason="out")
                )
                lose_stream(w)
                await asyncio.sleep(STALE.total_seconds())
                asked = len(w.broker.asked)
                await w.desk.selling.sell_out(OF_SWITCH, Region.KR, everything=True)
                assert w.broker.asked[asked:] == []

    run(scenario())


def test_passes_are_rare_while_the_market_takes_nothing() -> None:
    async def scenario() -> None:
        async with world(broker=resting(samsung=2), start=EVENING) as w:
            found = await w.desk.selling.sell_out(OF_SWITCH, Region.KR, everything=True)
            assert [each.cause for each in found.left] == [LeftCause.MARKET_CLOSED]
            assert w.desk.selling.pause(found.left) == CLOSED_PAUSE
            assert w.desk.selling.pause(()) == LOOK

    run(scenario())


def test_a_sale_is_worded_within_the_limits_of_now() -> None:
    async def scenario() -> None:
        async with world(broker=resting(samsung=10)) as w:
            w.desk.execute(Command(state=TradingState.HALTED, who=Actor.OPERATOR, reason="flat"))
            w.desk.selling.use_limits(replace(LIMITS, price_collar=Decimal("0.01")))
            w.desk.execute(
                Command(state=TradingState.FLATTENING, who=Actor.OPERATOR, reason="flat")
            )
            await w.until(lambda: bool(w.desk.ledger.portfolio.orders))
            assert w.order().limit == PRICE * 99 / 100

    run(scenario())
