"""Which strategies run: started, stopped and reloaded one at a time, by people and by settings."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from daemon.beside import beside
from daemon.core.acts import StrategyResumed, StrategySuspended
from daemon.core.errors import TradingError
from daemon.core.values import StrategyId
from daemon.engine.desk import TradingDesk
from daemon.engine.host import RunState, StrategySlot
from daemon.ops.control import ControlError, Done, SwitchStrategy
from daemon.ports import Clock
from daemon.reloading import StrategyShelf

END_PATIENCE = 3.0
"""Seconds a strategy has to end when it is told to."""

LOAD_PATIENCE = 20.0
"""Seconds a strategy's module and settings may take to be read again."""


class Follow(SwitchStrategy):
    """Do with a strategy what the settings say now: it is new (start), gone (stop) or differs."""


class Roster:
    """The strategies of a desk, which are made from the shelf.

    `cancels` is what becomes of the orders of one that is stopped, unless the act says so.
    """

    def __init__(
        self, desk: TradingDesk, shelf: StrategyShelf, clock: Clock, *, cancels: bool
    ) -> None:
        self._desk = desk
        self._shelf = shelf
        self._clock = clock
        self._cancels = cancels
        self._loading = asyncio.Lock()

    async def switch(self, act: SwitchStrategy) -> Done:
        """Do it once nothing else is done; raises `ControlError` with what was left as it was."""
        by_settings = isinstance(act, Follow)
        host, strategy = self._desk.host, StrategyId(act.strategy)
        try:
            async with self._loading:
                if not (by_settings and act.do == "start"):
                    host.slot(strategy)
                host.check_running()
                await (self._follow_settings(act) if by_settings else self._obey(act))
        except ValueError as error:
            raise ControlError(
                "REFUSED", str(error), field="strategy", fix="see `strategies list`"
            ) from error
        status = host.status.get(strategy)
        state = RunState.STOPPED if status is None else status.state
        return Done(message=f"{strategy}: {act.do}", result={"id": strategy, "state": state.value})

    async def _obey(self, act: SwitchStrategy) -> None:
        strategy = StrategyId(act.strategy)
        match act.do:
            case "stop":
                self._note_stopped(strategy, act.reason)
                await self._end(act)
            case "start":
                self._check_ended(strategy)
                slot = await self._load(strategy, self._shelf.again)
                self._start(strategy, act.reason, slot)
            case "reload":
                slot = await self._load(strategy, self._shelf.anew)
                await self._end(act)
                self._start(strategy, act.reason, slot)

    async def _follow_settings(self, act: SwitchStrategy) -> None:
        """What a person stopped stays so; what is gone is not noted as stopped, so that it runs
        where the settings name it again.
        """
        host, strategy = self._desk.host, StrategyId(act.strategy)
        if act.do == "stop":
            await self._end(act)
            host.remove(strategy)
            self._shelf.forget(strategy)
            return
        slot = await self._load(strategy, self._shelf.anew)
        if act.do == "start":
            host.add(slot)
        elif strategy not in self._desk.ledger.portfolio.acts.stopped:
            await self._end(act)
            host.start(strategy, slot)

    def _check_ended(self, strategy: StrategyId) -> None:
        state = self._desk.host.status[strategy].state
        if state in (RunState.WAITING, RunState.RUNNING):
            raise ValueError(f"{strategy} is {state}: stop it first, or reload it")

    async def _end(self, act: SwitchStrategy) -> None:
        cancel = self._cancels if act.orders is None else act.orders == "cancel"
        strategy = StrategyId(act.strategy)
        cause = f"{act.do}: {act.reason}"
        await self._desk.host.end(strategy, cause, cancel=cancel, patience=END_PATIENCE)

    def _start(self, strategy: StrategyId, reason: str, slot: StrategySlot) -> None:
        ledger = self._desk.ledger
        if strategy in ledger.portfolio.acts.stopped:
            now = self._clock.now()
            ledger.record(StrategyResumed(strategy=strategy, reason=reason, at=now))
        self._desk.host.start(strategy, slot)

    def _note_stopped(self, strategy: StrategyId, reason: str) -> None:
        ledger, now = self._desk.ledger, self._clock.now()
        if strategy not in ledger.portfolio.acts.stopped:
            ledger.record(StrategySuspended(strategy=strategy, reason=reason, at=now))

    async def _load(
        self, strategy: StrategyId, load: Callable[[StrategyId], StrategySlot]
    ) -> StrategySlot:
        """Build a strategy beside the loop: its module may compute for long, or not end."""
        try:
            async with asyncio.timeout(LOAD_PATIENCE):
                slot = await beside(lambda: load(strategy))
        except TimeoutError:
            problem = f"{strategy} could not be loaded within {LOAD_PATIENCE:.0f} s"
        except Exception as error:  # noqa: BLE001  a strategy's file may raise anything
            problem = f"{type(error).__name__}: {error}"
        else:
            await self._learn_prices(slot)
            return slot
        raise ControlError(
            "NOT_LOADED",
            problem,
            field="strategy",
            fix="correct its file or settings; the one before goes on as it was",
        )

    async def _learn_prices(self, slot: StrategySlot) -> None:
        """A strategy finds prices as at the daemon's start; what is not told is asked for later."""
        for instrument in slot.instruments:
            if self._desk.quotes.known_at(instrument) is None:
                with suppress(TradingError):
                    await self._desk.learn_price(instrument)
