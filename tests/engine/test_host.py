"""Strategies: what each sees and may do, and how one that fails stops alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal

import pytest
from structlog.testing import capture_logs

from daemon.core.acts import StrategySuspended
from daemon.core.budget import TimeBudget
from daemon.core.calendar import MarketCalendar
from daemon.core.errors import InvariantBroken, JournalFailed
from daemon.core.events import (
    Event,
    OrderAccepted,
    OrderCreated,
    OrderEvent,
    OrderFilled,
    OrderKind,
    OrderSent,
    TimeInForce,
)
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.values import (
    AccountId,
    InstrumentId,
    LinkDown,
    LinkUp,
    Side,
    StrategyId,
    Tick,
)
from daemon.engine.host import RunState, StrategySlot
from daemon.engine.hub import FACT_BACKLOG
from daemon.lab.loop import VirtualLoop
from daemon.strategy import MarketGap, StrategyContext, StrategyEvent
from tests.builders import ACCOUNT, HYNIX, SAMSUNG, STRATEGY
from tests.engine.paper import PRICE, MemoryJournal, PaperBroker
from tests.engine.world import MONDAY_NINE, Scripted, idle, run, wish, world
from tests.support import VirtualClock

SECOND = StrategyId("test1")


def test_a_strategy_that_crashes_stops_alone_and_its_orders_are_cancelled() -> None:
    async def crash(context: StrategyContext) -> None:
        await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="test"))
        raise ZeroDivisionError("a bug")

    heard: list[object] = []

    async def listen(context: StrategyContext) -> None:
        await context.submit(context.buy(HYNIX, 1, limit=PRICE, reason="test"))
        async for event in context.events():
            if isinstance(event, Tick):
                heard.append(event)

    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), fill_at_once=False)
        async with world(crash, listen, broker=broker) as w:
            status = w.desk.host.status
            await w.until(lambda: status[STRATEGY].state is RunState.FAULTED)
            assert status[STRATEGY].cause == "ZeroDivisionError: a bug"
            await w.until(lambda: w.order(1).state is OrderState.CANCELLED)
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(1)
            assert status[SECOND].state is RunState.RUNNING
            assert w.order(2).state is OrderState.WORKING
            assert len(heard) == 1

    run(scenario())


@pytest.mark.parametrize("error", [InvariantBroken("a bug of ours"), JournalFailed("disk full")])
def test_what_is_not_the_strategys_fault_stops_the_daemon(error: Exception) -> None:
    async def hit(context: StrategyContext) -> None:
        raise error

    async def scenario() -> None:
        async with world(hit, idle) as w:
            await w.until(lambda: False)

    with pytest.raises(ExceptionGroup) as failure:
        run(scenario())
    assert failure.group_contains(type(error))


def test_a_strategy_that_never_reads_its_facts_is_stopped() -> None:
    async def sleepy(context: StrategyContext) -> None:
        events = context.events()
        await asyncio.sleep(10)
        async for _ in events:
            pass

    async def scenario() -> None:
        async with world(sleepy) as w:
            await asyncio.sleep(1)
            for _ in range(FACT_BACKLOG + 1):
                w.feed.emit(LinkDown(w.clock.now(), "reset"))
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.FAULTED)
            assert w.desk.host.status[STRATEGY].cause.startswith("TooSlow")

    run(scenario())


def test_the_states_of_strategies_follow_what_they_do() -> None:
    async def done(context: StrategyContext) -> None:
        return

    async def scenario() -> None:
        async with world(done, idle) as w:
            status = w.desk.host.status
            assert {each.state for each in status.values()} == {RunState.WAITING}
            await asyncio.sleep(0.1)
            assert status[STRATEGY].state is RunState.FINISHED
            assert status[SECOND].state is RunState.RUNNING
        assert status[SECOND].state is RunState.STOPPED
        assert {each.cause for each in status.values()} == {""}

    run(scenario())


def test_a_strategy_sees_its_own_orders_and_position_only() -> None:
    seen: dict[str, object] = {}

    async def trade(context: StrategyContext) -> None:
        [order] = await context.submit(context.buy(SAMSUNG, 2, limit=None, reason="test"))
        assert isinstance(order, Order)
        seen["position"] = context.position(SAMSUNG).quantity
        seen["order"] = context.order(order.id)
        seen["last"] = context.last_price(SAMSUNG)
        [resting] = await context.submit(context.buy(HYNIX, 1, limit=PRICE - 3_000, reason="test"))
        assert isinstance(resting, Order)
        seen["open"] = [each.id for each in context.orders()] == [resting.id]

    async def look(context: StrategyContext) -> None:
        await asyncio.sleep(1)
        seen["others"] = context.position(SAMSUNG).quantity
        seen["others_order"] = context.order(mine[0].id)
        seen["others_open"] = context.orders()
        for asked in (context.cancel(mine[0].id), context.modify(mine[0].id, PRICE)):
            with pytest.raises(ValueError, match="has no order"):
                await asked

    mine: list[Order] = []

    async def scenario() -> None:
        async with world(trade, look) as w:
            await w.until(lambda: bool(w.desk.ledger.portfolio.positions))
            w.broker.fill_at_once = False
            mine.append(w.order())
            await w.until(
                lambda: {each.state for each in w.desk.host.status.values()} == {RunState.FINISHED}
            )
            assert seen.pop("order") == w.order()
            assert seen == {
                "position": 2,
                "last": PRICE,
                "open": True,
                "others": 0,
                "others_order": None,
                "others_open": [],
            }

    run(scenario())


def test_order_facts_come_in_order_to_their_owner_alone_and_gaps_to_all() -> None:
    heard: dict[str, list[StrategyEvent]] = {"test": [], "test1": []}

    async def trade(context: StrategyContext) -> None:
        await context.submit(context.buy(SAMSUNG, 2, limit=PRICE, reason="test"))
        await listen(context)

    async def listen(context: StrategyContext) -> None:
        async for event in context.events():
            heard[context.id].append(event)

    async def scenario() -> None:
        async with world(trade, listen) as w:
            await w.until(lambda: bool(w.facts(OrderFilled)))
            w.feed.trade(HYNIX)
            down = w.clock.now()
            w.feed.emit(LinkDown(down, "reset"))
            await asyncio.sleep(3)
            w.feed.emit(LinkUp(w.clock.now(), down))
            await asyncio.sleep(1)
            facts = [type(each) for each in heard["test"] if isinstance(each, OrderEvent)]
            assert facts == [OrderCreated, OrderSent, OrderAccepted, OrderFilled]
            others = [each for each in heard["test"] if not isinstance(each, OrderEvent)]
            assert heard["test1"] == others
            assert [type(each) for each in others].count(Tick) == 1
            lost, found = (each for each in others if isinstance(each, MarketGap))
            assert (lost.up, found.up) == (False, True)
            assert lost.down_since == found.down_since == down
            assert found.at > down

    run(scenario())


def test_words_become_intents_of_the_strategy_that_speaks() -> None:
    async def speak(context: StrategyContext) -> None:
        bought = context.buy(SAMSUNG, 2, limit=PRICE, reason="cheap")
        assert (bought.account, bought.strategy) == (ACCOUNT, context.id)
        assert (bought.side, bought.kind, bought.limit) == (Side.BUY, OrderKind.LIMIT, PRICE)
        assert (bought.time_in_force, bought.reason) == (TimeInForce.DAY, "cheap")
        sold = context.sell(HYNIX, 3, limit=None, time_in_force=TimeInForce.IOC, reason="expensive")
        assert (sold.side, sold.kind, sold.limit) == (Side.SELL, OrderKind.MARKET, None)
        assert (sold.instrument, sold.quantity) == (HYNIX, 3)
        assert sold.time_in_force is TimeInForce.IOC
        with pytest.raises(ValueError, match="does not trade"):
            context.buy(InstrumentId("krx:000001"), 1, limit=None, reason="test")
        assert context.now() >= MONDAY_NINE
        assert context.calendar == MarketCalendar()
        assert context.instruments == (SAMSUNG, HYNIX)
        assert await context.daily_bars(SAMSUNG, 5) == []
        assert len(await context.minute_bars(SAMSUNG, 5)) == 5

    async def scenario() -> None:
        async with world(speak) as w:
            await w.until(lambda: w.desk.host.status[STRATEGY].state is not RunState.WAITING)
            await asyncio.sleep(1)
            status = w.desk.host.status[STRATEGY]
            assert (status.state, status.cause) == (RunState.FINISHED, "")

    run(scenario())


def test_a_strategy_cannot_submit_in_anothers_name() -> None:
    async def forge(context: StrategyContext) -> None:
        with pytest.raises(ValueError, match="only what its own context worded"):
            await context.submit(wish(strategy=SECOND))
        own = context.buy(SAMSUNG, 1, limit=PRICE, reason="test")
        object.__setattr__(own, "account", AccountId("87654321-01"))
        with pytest.raises(ValueError, match="only what its own context worded"):
            await context.submit(own)

    async def scenario() -> None:
        async with world(forge) as w:
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.FINISHED)
            assert w.facts(OrderCreated) == []

    run(scenario())


def test_a_strategy_changes_and_cancels_its_own_orders() -> None:
    async def change(context: StrategyContext) -> None:
        [order] = await context.submit(context.buy(SAMSUNG, 2, limit=PRICE, reason="test"))
        assert isinstance(order, Order)
        moved = await context.modify(order.id, PRICE - 100)
        assert isinstance(moved, Order)
        denied = await context.modify(order.id, Decimal(1))
        assert isinstance(denied, Denied)
        [gone] = await context.cancel(order.id)
        assert gone.state is OrderState.CANCELLED
        assert context.orders() == []

    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), fill_at_once=False)
        async with world(change, broker=broker) as w:
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.FINISHED)
            assert w.order().limit == PRICE - 100

    run(scenario())


def test_what_a_strategy_holds_is_known_after_a_restart() -> None:
    journal, broker = MemoryJournal(), PaperBroker(VirtualClock())
    held: list[int] = []

    async def buy(context: StrategyContext) -> None:
        await context.submit(context.buy(SAMSUNG, 2, limit=PRICE, reason="test"))

    async def look(context: StrategyContext) -> None:
        held.append(context.position(SAMSUNG).quantity)

    async def session(script: str) -> None:
        async with world(buy if script == "buy" else look, journal=journal, broker=broker) as w:
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.FINISHED)

    run(session("buy"))
    run(session("look"))
    assert held == [2]


@pytest.mark.parametrize("manner", ["swallows", "lingers", "behaves"])
def test_no_strategy_outlives_the_stop(manner: str) -> None:
    async def resist(context: StrategyContext) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if manner == "behaves":
                    raise
                if manner == "lingers":
                    await asyncio.sleep(3_600)

    async def scenario() -> None:
        async with world(resist, idle) as w:
            began = w.clock.monotonic()
            await asyncio.sleep(1)
            await w.desk.host.stop(3.0)
            assert w.clock.monotonic() - began < 5
            states = {status.state for status in w.desk.host.status.values()}
            assert states == {RunState.STOPPED}

    run(scenario())


def test_what_was_stopped_before_it_ran_does_not_run() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.desk.host.stop(1.0)
            async with asyncio.timeout(10):
                await w.desk.host.run()

    run(scenario())


def hold(seconds: float) -> None:
    """A step that computes for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.hold(seconds)


STRICT = TimeBudget(max_step_seconds=1.0, max_share=0.5, window_seconds=60.0)


async def hog(context: StrategyContext) -> None:
    """Leaves an order, then holds the loop at the first tick."""
    await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="test"))
    async for event in context.events():
        if isinstance(event, Tick):
            hold(3.0)


@pytest.mark.parametrize("policy", ["cancel", "leave"])
def test_a_strategy_that_holds_the_loop_is_quarantined_and_its_orders_by_its_policy(
    policy: Literal["cancel", "leave"],
) -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), fill_at_once=False)
        async with world(hog, idle, broker=broker, budget=STRICT, on_quarantine=policy) as w:
            host = w.desk.host
            await asyncio.sleep(1)
            assert w.order(1).state is OrderState.WORKING
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(10)
            status = host.status[STRATEGY]
            assert status.state is RunState.QUARANTINED
            assert status.cause == "one step held the loop for 3.000 s of 1 s"
            kept = w.order(1).state is OrderState.WORKING
            assert kept == (policy == "leave")
            assert w.desk.hub.queue_of(STRATEGY) is None
            assert host.status[SECOND].state is RunState.RUNNING

    with capture_logs() as lines:
        run(scenario())
    [told] = [line for line in lines if line["event"] == "strategy_quarantined"]
    assert (told["strategy"], told["orders"], told["log_level"]) == (STRATEGY, policy, "error")


def test_many_short_steps_are_too_much_together() -> None:
    async def busy(context: StrategyContext) -> None:
        while True:
            hold(0.8)
            await asyncio.sleep(0.2)

    async def scenario() -> None:
        async with world(busy, budget=STRICT) as w:
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.QUARANTINED)
            assert "within 60 s" in w.desk.host.status[STRATEGY].cause

    run(scenario())


def test_a_quarantined_strategy_is_started_again_from_its_beginning() -> None:
    began: list[object] = []
    ticks: list[Tick] = []

    async def hog_once(context: StrategyContext) -> None:
        began.append(context)
        async for event in context.events():
            if isinstance(event, Tick):
                ticks.append(event)
                if len(began) == 1:
                    hold(3.0)

    async def scenario() -> None:
        async with world(hog_once, idle, budget=STRICT) as w:
            host = w.desk.host
            await asyncio.sleep(1)
            with pytest.raises(ValueError, match="test is running: only one that has ended"):
                host.start(STRATEGY)
            with pytest.raises(ValueError, match="no strategy is called 'nobody': test, test1"):
                host.start(StrategyId("nobody"))
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(5)
            assert host.status[STRATEGY].state is RunState.QUARANTINED
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(1)
            assert len(ticks) == 1
            host.start(STRATEGY)
            await asyncio.sleep(1)
            assert host.status[STRATEGY].state is RunState.RUNNING
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(1)
            assert len(began) == 2
            assert len(ticks) == 2
            await host.stop(1.0)
            with pytest.raises(ValueError, match="are not running"):
                host.start(STRATEGY)

    run(scenario())


def test_a_faulted_or_finished_strategy_can_be_started_again_too() -> None:
    runs: list[str] = []

    async def fail(context: StrategyContext) -> None:
        runs.append("fail")
        raise ZeroDivisionError

    async def finish(context: StrategyContext) -> None:
        runs.append("finish")

    async def scenario() -> None:
        async with world(fail, finish) as w:
            await asyncio.sleep(1)
            for each in (STRATEGY, SECOND):
                w.desk.host.start(each)
            await asyncio.sleep(1)
            assert w.desk.host.status[STRATEGY].state is RunState.FAULTED
            assert w.desk.host.status[SECOND].state is RunState.FINISHED

    run(scenario())
    assert sorted(runs) == ["fail", "fail", "finish", "finish"]


def test_a_slow_disk_is_no_fault_of_the_strategy() -> None:
    class SlowJournal(MemoryJournal):
        def append(self, events: Sequence[Event]) -> None:
            if any(isinstance(event, OrderCreated) for event in events):
                hold(5.0)
            super().append(events)

    async def scenario() -> None:
        async with world(hog, journal=SlowJournal(), budget=STRICT) as w:
            await asyncio.sleep(10)
            assert w.desk.host.status[STRATEGY].state is RunState.RUNNING
            assert w.desk.host.meters[STRATEGY].longest < 1.0
            assert w.desk.ledger.commits.largest >= 5.0

    run(scenario())


def test_the_time_from_a_tick_to_its_order_is_measured() -> None:
    async def react(context: StrategyContext) -> None:
        async for event in context.events():
            if isinstance(event, Tick):
                hold(0.25)
                await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="test"))

    async def scenario() -> None:
        async with world(react) as w:
            await asyncio.sleep(1)
            w.feed.trade(SAMSUNG)
            await asyncio.sleep(5)
            measured = w.desk.host.tick_to_order
            assert measured.count == 1
            assert 0.25 <= measured.total < 0.5

    run(scenario())


async def _buy_and_wait(context: StrategyContext) -> None:
    await context.submit(context.buy(SAMSUNG, 1, limit=PRICE, reason="test"))
    await idle(context)


@pytest.mark.parametrize("cancel", [True, False])
def test_one_strategy_is_ended_and_started_again_and_others_go_on(cancel: bool) -> None:
    async def other(context: StrategyContext) -> None:
        await context.submit(context.buy(HYNIX, 1, limit=PRICE, reason="test"))
        await idle(context)

    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), fill_at_once=False)
        async with world(_buy_and_wait, other, broker=broker) as w:
            host = w.desk.host
            await w.until(lambda: len(w.facts(OrderAccepted)) == 2)
            with pytest.raises(ValueError, match="only one that has ended"):
                host.start(STRATEGY)
            await host.end(STRATEGY, "by hand", cancel=cancel, patience=1.0)
            assert host.status[STRATEGY].state is RunState.STOPPED
            assert host.status[STRATEGY].cause == "by hand"
            await asyncio.sleep(5)
            ended = OrderState.CANCELLED if cancel else OrderState.WORKING
            assert w.order(1).state is ended
            assert w.order(2).state is OrderState.WORKING
            assert host.status[SECOND].state is RunState.RUNNING
            host.start(STRATEGY)
            await w.until(lambda: len(w.facts(OrderAccepted)) == 3)
            await asyncio.sleep(5)
            assert host.status[STRATEGY].state is RunState.RUNNING
            assert w.order(3).state is OrderState.WORKING

    run(scenario())


def test_a_strategy_is_replaced_by_another_slot_and_unknown_ones_are_told() -> None:
    async def scenario() -> None:
        async with world(idle, idle) as w:
            host = w.desk.host
            await w.until(lambda: host.status[STRATEGY].state is RunState.RUNNING)
            new = replace(host.slot(STRATEGY), instruments=(HYNIX,))
            await host.end(STRATEGY, "reload", cancel=False, patience=1.0)
            host.start(STRATEGY, new)
            assert host.slot(STRATEGY) is new
            assert {each.instrument for each in w.desk.watch.wanted_by(STRATEGY)} == {HYNIX}
            with pytest.raises(ValueError, match="no strategy is called 'nobody'"):
                host.start(StrategyId("nobody"))
            await host.stop(1.0)
            with pytest.raises(ValueError, match="stopping"):
                host.start(STRATEGY)

    run(scenario())


def test_a_strategy_that_resists_is_ended_all_the_same() -> None:
    async def resist(context: StrategyContext) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def scenario() -> None:
        async with world(resist, idle) as w:
            await w.until(lambda: w.desk.host.status[STRATEGY].state is RunState.RUNNING)
            began = w.clock.monotonic()
            await w.desk.host.end(STRATEGY, "by hand", cancel=True, patience=3.0)
            assert w.clock.monotonic() - began < 5
            assert w.desk.host.status[STRATEGY].state is RunState.STOPPED

    run(scenario())


def test_what_a_person_stopped_does_not_run_after_a_restart() -> None:
    async def scenario() -> None:
        journal = MemoryJournal()
        stopped = StrategySuspended(strategy=STRATEGY, reason="too wild", at=MONDAY_NINE)
        async with world(idle, idle, journal=journal) as w:
            w.desk.ledger.record(stopped)
        async with world(_buy_and_wait, idle, journal=journal) as w:
            await w.until(lambda: w.desk.host.status[SECOND].state is RunState.RUNNING)
            assert w.desk.host.status[STRATEGY].state is RunState.STOPPED
            assert w.desk.host.status[STRATEGY].cause == "too wild"
            assert not w.desk.watch.wanted_by(STRATEGY)
            assert w.facts(OrderCreated) == []
            w.desk.host.start(STRATEGY)
            await w.until(lambda: len(w.facts(OrderAccepted)) == 1)

    run(scenario())


def test_one_more_strategy_runs_and_is_gone_again_while_others_go_on() -> None:
    async def scenario() -> None:
        async with world(idle) as w:
            host = w.desk.host
            await w.until(lambda: host.status[STRATEGY].state is RunState.RUNNING)
            one = StrategySlot(
                id=SECOND, strategy=Scripted(_buy_and_wait), instruments=(SAMSUNG, HYNIX)
            )
            for _ in range(2):
                bought = len(w.facts(OrderAccepted))
                host.add(replace(one, strategy=one.strategy.anew()))
                with pytest.raises(ValueError, match="there is a strategy test1 already"):
                    host.add(one)
                await w.until(lambda bought=bought: len(w.facts(OrderAccepted)) > bought)  # type: ignore[misc]
                assert w.desk.watch.wanted_by(SECOND)
                with pytest.raises(ValueError, match="does not let itself be ended"):
                    host.remove(SECOND)
                await host.end(SECOND, "gone", cancel=True, patience=1.0)
                host.remove(SECOND)
                assert list(host.status) == list(host.meters) == [STRATEGY]
                assert [slot.id for slot in host.slots] == [STRATEGY]
                assert not w.desk.watch.wanted_by(SECOND)
                await w.until(lambda: not w.desk.ledger.portfolio.open_orders())
            assert host.status[STRATEGY].state is RunState.RUNNING
            with pytest.raises(ValueError, match="no strategy is called"):
                host.remove(SECOND)

    run(scenario())


def test_one_more_strategy_that_a_person_had_stopped_stays_so() -> None:
    async def scenario() -> None:
        async with world(idle) as w:
            host = w.desk.host
            await w.until(lambda: host.status[STRATEGY].state is RunState.RUNNING)
            w.desk.ledger.record(
                StrategySuspended(strategy=SECOND, reason="too wild", at=MONDAY_NINE)
            )
            host.add(
                StrategySlot(id=SECOND, strategy=Scripted(_buy_and_wait), instruments=(SAMSUNG,))
            )
            assert host.status[SECOND].state is RunState.STOPPED
            assert not w.desk.watch.wanted_by(SECOND)
            host.start(SECOND)
            await w.until(lambda: len(w.facts(OrderAccepted)) == 1)

    run(scenario())
