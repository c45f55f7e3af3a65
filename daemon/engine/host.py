"""Runs strategies: loads them, isolates them from each other, and stops them."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import structlog

from daemon.core.budget import StepMeter, TimeBudget
from daemon.core.calendar import Calendars
from daemon.core.errors import InvariantBroken, JournalFailed, TradingError
from daemon.core.events import (
    Event,
    OrderEvent,
    OrderSent,
)
from daemon.core.histogram import Histogram
from daemon.core.values import (
    BOOK,
    TRADES,
    AccountId,
    InstrumentId,
    Interest,
    OrderId,
    Region,
    StrategyId,
    Tick,
    region_of,
)
from daemon.engine.context import Context
from daemon.engine.executor import Executor
from daemon.engine.hub import Hub
from daemon.engine.ledger import Ledger
from daemon.engine.mortal import LIVES, Mortal
from daemon.engine.quotes import QuoteBoard
from daemon.engine.watch import MarketWatch
from daemon.ports import Clock, MarketData
from daemon.strategy import SessionEvent, Strategy

CANCEL_AGAIN = 2.0
"""Seconds between two tries to cancel what a faulted strategy left open."""

CRASH_PATIENCE = 0.5
"""Seconds strategies get to end when the daemon itself is going down."""


class RunState(StrEnum):
    """Where a strategy's coroutine is."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAULTED = "faulted"
    STOPPED = "stopped"
    QUARANTINED = "quarantined"


ENDED = frozenset(RunState) - {RunState.WAITING, RunState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySlot:
    """One strategy to run, with its settings already validated.

    `channels` is the news it wants of every instrument; of two strategies, the one with the lower
    `priority` gets what the stream has no room for both. `on_quarantine` is what becomes of its
    open orders when it exceeds its time budget.
    """

    id: StrategyId
    strategy: Strategy
    instruments: tuple[InstrumentId, ...]
    channels: tuple[str, ...] = (TRADES, BOOK)
    priority: int = 0
    on_quarantine: Literal["cancel", "leave"] = "cancel"

    @property
    def interests(self) -> list[Interest]:
        """What it wants to be told of from the start."""
        return [Interest(channel, each) for channel in self.channels for each in self.instruments]

    @property
    def regions(self) -> frozenset[Region]:
        """Where it trades."""
        return frozenset(region_of(each) for each in self.instruments)


@dataclass(slots=True)
class StrategyStatus:
    """What became of a strategy so far; `cause` says why it faulted or was quarantined."""

    state: RunState = RunState.WAITING
    cause: str = ""


class StrategyHost:
    """Owns every strategy's task. One that fails stops alone; its open orders are cancelled.

    One whose steps hold the loop for longer than `budget` allows is quarantined: told by a
    cancellation, fed no more, and run again only by `start`.
    """

    def __init__(
        self,
        slots: Sequence[StrategySlot],
        *,
        account: AccountId,
        hub: Hub,
        watch: MarketWatch,
        executor: Executor,
        ledger: Ledger,
        quotes: QuoteBoard,
        market_data: MarketData,
        calendars: Calendars,
        clock: Clock,
        budget: TimeBudget = TimeBudget(),  # noqa: B008  a value that never changes
    ) -> None:
        self.slots = tuple(slots)
        self.status = {slot.id: StrategyStatus() for slot in slots}
        self.meters = {slot.id: StepMeter(budget) for slot in slots}
        self._budget = budget
        self.tick_to_order = Histogram()
        """Market seconds from the receipt of the tick that a strategy acts upon until its order
        leaves."""
        self._account = account
        self._hub = hub
        self._watch = watch
        self._executor = executor
        self._ledger = ledger
        self._quotes = quotes
        self._market_data = market_data
        self._calendars = calendars
        self._clock = clock
        self._log = structlog.get_logger("strategies")
        self._tasks: dict[StrategyId, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._over = asyncio.Event()
        self._stopping = False
        self._early: dict[StrategyId, list[SessionEvent]] = {}
        ledger.listen(self._on_fact)

    async def run(self) -> None:
        """Run all strategies that nobody stopped; returns once `stop` was called, for any may be
        started again.
        """
        if self._stopping:
            return
        async with asyncio.TaskGroup() as self._group:
            for slot in self.slots:
                self._begin(slot)
            try:
                await self._over.wait()
            except asyncio.CancelledError:
                await self.stop(CRASH_PATIENCE)
                raise
            finally:
                self._over.set()

    def start(self, strategy: StrategyId, slot: StrategySlot | None = None) -> None:
        """Run a strategy that is not running, from its beginning; as `slot` says, if it is given.

        It has its whole time budget again. Raises `ValueError`, in words for a person, for one that
        is unknown or has not ended, and while no strategies run at all.
        """
        known = self.slot(strategy)
        self.check_running()
        task = self._tasks.get(strategy)
        if task is not None and not task.done():
            state = self.status[strategy].state
            left = "is being ended" if state in ENDED else f"is {state}"
            raise ValueError(f"{strategy} {left}: only one that has ended can be started again")
        slot = slot or replace(known, strategy=known.strategy.anew())
        self.slots = tuple(slot if each is known else each for each in self.slots)
        self.meters[strategy].forgive()
        self.status[strategy] = StrategyStatus()
        self._watch.want(slot.id, slot.interests, priority=slot.priority)
        self._log.info("strategy_started_again", strategy=strategy)
        self._spawn(slot)

    def add(self, slot: StrategySlot) -> None:
        """Run one more strategy, unless a person had stopped one of its name. Raises `ValueError`,
        in words for a person, for a name that is taken, and while no strategies run at all.
        """
        self.check_running()
        if slot.id in self.status:
            raise ValueError(f"there is a strategy {slot.id} already")
        self._watch.want(slot.id, slot.interests, priority=slot.priority)
        self.slots = (*self.slots, slot)
        self.meters[slot.id] = StepMeter(self._budget)
        self.status[slot.id] = StrategyStatus()
        self._begin(slot)

    def remove(self, strategy: StrategyId) -> None:
        """Know no more of a strategy that has ended. Raises `ValueError` for any other."""
        slot = self.slot(strategy)
        task = self._tasks.get(strategy)
        if task is not None and not task.done():
            raise ValueError(f"{strategy} does not let itself be ended")
        self.slots = tuple(each for each in self.slots if each is not slot)
        self._tasks.pop(strategy, None)
        self._early.pop(strategy, None)
        del self.status[strategy], self.meters[strategy]

    def slot(self, strategy: StrategyId) -> StrategySlot:
        """The slot of a strategy; raises `ValueError` where there is none."""
        slot = next((each for each in self.slots if each.id == strategy), None)
        if slot is None:
            names = ", ".join(each.id for each in self.slots) or "there are none"
            raise ValueError(f"no strategy is called {strategy!r}: {names}")
        return slot

    def check_running(self) -> None:
        """Raise `ValueError` while no strategies run at all."""
        if self._group is None or self._over.is_set():
            raise ValueError("the strategies are not running: the daemon is starting or stopping")

    async def end(self, strategy: StrategyId, cause: str, *, cancel: bool, patience: float) -> None:
        """End one strategy within `patience` seconds, whether it lets itself be ended or not.

        Others go on. With `cancel` what it has open now is cancelled, as often as it takes.
        """
        self.slot(strategy)
        self.check_running()
        assert self._group is not None, "strategies run"
        task = self._tasks.get(strategy)
        if task is not None:
            await _end([task], patience)
        self._watch.forget(strategy)
        self.status[strategy] = StrategyStatus(RunState.STOPPED, cause)
        self._log.info("strategy_stopped", strategy=strategy, cause=cause)
        left = self._open_orders(strategy)
        if cancel and left and not self._stopping:
            self._group.create_task(
                self._cancel_orders(strategy, only=left), name=f"orders of {strategy}"
            )

    def _begin(self, slot: StrategySlot) -> None:
        """Run a strategy for the first time, unless a person had stopped it."""
        stopped = self._ledger.portfolio.acts.stopped
        if slot.id not in stopped:
            self._spawn(slot)
            return
        self.status[slot.id] = StrategyStatus(RunState.STOPPED, stopped[slot.id])
        self._early.pop(slot.id, None)
        self._watch.forget(slot.id)
        self._log.warning("strategy_stays_stopped", strategy=slot.id, reason=stopped[slot.id])

    def _spawn(self, slot: StrategySlot) -> None:
        assert self._group is not None, "strategies are started while they run"
        task = self._group.create_task(self._run_one(slot), name=f"strategy {slot.id}")
        self._tasks[slot.id] = task

    def tell_session(self, event: SessionEvent) -> None:
        """Tell the strategies that trade in the region; one yet to start hears it first thing."""
        for slot in self.slots:
            if event.region not in slot.regions:
                continue
            if self.status[slot.id].state is RunState.WAITING:
                self._early.setdefault(slot.id, []).append(event)
            else:
                self._hub.publish_fact(slot.id, event)

    async def stop(self, patience: float) -> None:
        """End every strategy within `patience` seconds, whether it lets itself be ended or not."""
        self._stopping = True
        self._over.set()
        await _end(list(self._tasks.values()), patience)

    async def _run_one(self, slot: StrategySlot) -> None:
        status = self.status[slot.id]
        log = self._log.bind(strategy=slot.id)
        wanted = self._watch.wanted_by(slot.id)
        subscription = self._hub.subscribe(slot.id, wanted)
        for gap in self._watch.open_gaps(wanted):
            subscription.put_fact(gap)
        for event in self._early.pop(slot.id, ()):
            subscription.put_fact(event)
        context = Context(
            slot.id,
            instruments=slot.instruments,
            priority=slot.priority,
            account=self._account,
            subscription=subscription,
            hub=self._hub,
            watch=self._watch,
            executor=self._executor,
            portfolio=self._ledger.portfolio,
            quotes=self._quotes,
            market_data=self._market_data,
            calendar=self._calendars.for_instrument(slot.instruments[0]),
            now=self._clock.now,
        )
        meter = self.meters[slot.id]
        mortal = Mortal(
            slot.strategy.run(context),
            meter,
            monotonic=self._clock.monotonic,
            elsewhere=lambda: self._ledger.busy,
        )
        status.state = RunState.RUNNING
        log.info("strategy_started", instruments=list(slot.instruments))
        try:
            await mortal
            if meter.over:
                await self._quarantine(slot, meter.over)
                return
            status.state = RunState.FINISHED
            log.info("strategy_finished")
        except asyncio.CancelledError:
            if not self._ended_for_its_budget(mortal):
                status.state = RunState.STOPPED
                raise
            await self._quarantine(slot, meter.over)
        except (InvariantBroken, JournalFailed):
            # Not the strategy's fault: the books or the disk are broken, and the daemon must stop.
            raise
        except Exception as error:
            status.state = RunState.FAULTED
            status.cause = f"{type(error).__name__}: {error}"
            log.exception("strategy_faulted", cause=status.cause)
            self._hub.unsubscribe(slot.id)
            if not self._stopping:
                await self._cancel_orders(slot.id)
        finally:
            self._hub.unsubscribe(slot.id)
            if not self._stopping:
                self._watch.forget(slot.id)

    def _ended_for_its_budget(self, mortal: Mortal) -> bool:
        """Whether a cancellation was the budget's alone, which then is over."""
        task = asyncio.current_task()
        assert task is not None, "strategies run in tasks"
        if self._stopping or not mortal.cancels or task.cancelling() > mortal.cancels:
            return False
        for _ in range(mortal.cancels):
            task.uncancel()
        return True

    async def _quarantine(self, slot: StrategySlot, cause: str) -> None:
        """Feed it no more, tell the operator, and do with its orders what it is set to."""
        status = self.status[slot.id]
        status.state, status.cause = RunState.QUARANTINED, cause
        self._log.error(
            "strategy_quarantined", strategy=slot.id, cause=cause, orders=slot.on_quarantine
        )
        self._hub.unsubscribe(slot.id)
        if slot.on_quarantine == "cancel" and not self._stopping:
            await self._cancel_orders(slot.id)

    def _open_orders(self, strategy: StrategyId) -> list[OrderId]:
        opened = self._ledger.portfolio.open_orders()
        return [order.id for order in opened if order.intent.strategy == strategy]

    async def _cancel_orders(
        self, strategy: StrategyId, *, only: Collection[OrderId] | None = None
    ) -> None:
        """Cancel what a strategy left open that ended before its time, as often as it takes.

        `only` these, where it may have been started again meanwhile.
        """
        while open_orders := [
            order for order in self._open_orders(strategy) if only is None or order in only
        ]:
            if self._stopping:
                return
            try:
                await self._executor.cancel(open_orders)
            except TradingError as error:
                self._log.error("cancel_failed", strategy=strategy, cause=str(error))
            await asyncio.sleep(CANCEL_AGAIN)

    def _on_fact(self, event: Event) -> None:
        if isinstance(event, OrderEvent):
            owner = self._ledger.portfolio.orders[event.order].intent.strategy
            queue = self._hub.queue_of(owner)
            if queue is None:
                return
            if isinstance(event, OrderSent) and isinstance(queue.current, Tick):
                self.tick_to_order.observe((event.at - queue.current.received_at).total_seconds())
            queue.put_fact(event)


async def _end(tasks: Sequence[asyncio.Task[None]], patience: float) -> None:
    """Cancel strategies until they have ended: the last time they are not asked."""
    for _ in range(LIVES + 1):
        running = [task for task in tasks if not task.done()]
        if not running:
            return
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=patience / (LIVES + 1))
