"""The kill switch: moves at once, cancels and sells until the broker's own answers say it is done.

Loss stops are looked at before every order and once a second. Where the switch is, is journalled.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from decimal import Decimal

import structlog

from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.events import (
    AccountReported,
    Actor,
    EmergencyReported,
    Event,
    OrderRejected,
    TradingState,
    TradingStateChanged,
)
from daemon.core.leftovers import Left
from daemon.core.limits import Rates, RiskLimits
from daemon.core.losses import LossStop, profit, unpriced
from daemon.core.orders import OrderState
from daemon.core.risk import state_problem
from daemon.core.switch import Answer, Command, SwitchPolicy, answer
from daemon.core.values import InstrumentId, Region
from daemon.engine.gate import OF_SWITCH, Gate, Shutter
from daemon.engine.ledger import Ledger
from daemon.engine.quotes import QuoteBoard
from daemon.engine.selling import LOOK, Pass, Selling, entries
from daemon.ports import Clock

UNJUDGED_LIMIT = 120.0
"""Seconds losses may be unknown before the operator is told once more, as an error: a price that
was merely late is asked for some twenty times by then."""

WAY_OUT = "list it under risk `denied` to count it at its cost, or set no loss limits"


class KillSwitch:
    """Moves trading between its states. Commands act before `execute` returns; `run` does the rest.

    New orders end with the command: those that wait for their turn are refused as they leave.
    `regions` are those in which what is held is asked for its price.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        quotes: QuoteBoard,
        gate: Gate,
        selling: Selling,
        limits: RiskLimits,
        policy: SwitchPolicy,
        rates: Rates,
        clock: Clock,
        regions: Collection[Region],
    ) -> None:
        self._ledger = ledger
        self._quotes = quotes
        self._gate = gate
        self._selling = selling
        self._policy = policy
        self._rates = rates
        self._clock = clock
        self._limits = limits
        self._regions = regions
        self._losses = LossStop(limits, rates)
        self._replaced = Decimal(0)
        self._anew = False
        self._unjudged_since: float | None = None
        self._cried = False
        self._watching = False
        self._started = False
        self._seen = False
        self._told: tuple[TradingState, tuple[Left, ...]] | None = None
        self._moved = {region: asyncio.Event() for region in selling.regions}
        self._moves = 0
        self._passes: dict[Region, Pass] = {}
        self._log = structlog.get_logger("kill_switch")
        ledger.watch_adoption(self._adopt)
        ledger.listen(self._on_fact)

    def resume(self) -> None:
        """Be where the journal left it: called once, after recovery."""
        self._losses.resume(self._ledger.portfolio.profit_mark)
        self._hold_gate()

    def execute(self, command: Command) -> Answer:
        """Move the switch, or say why not. No new order leaves after this returns, if it must not.

        Cancels and sales follow at once, in `run`.
        """
        portfolio = self._ledger.portfolio
        before = portfolio.state
        result = answer(before, command)
        if not result.obeyed:
            self._log.warning(
                "switch_refused", wanted=command.state, who=command.who, why=result.refusal
            )
            return result
        if result.state is not before:
            now = self._clock.now()
            events: list[Event] = [
                TradingStateChanged(
                    state=result.state, who=command.who, reason=command.reason, at=now
                )
            ]
            events += self._given_up(result.state, command.reason)
            if result.state is TradingState.RUNNING and self._watching:
                value, _ = self._measure()
                self._anew = value is None
                if value is not None:
                    events.append(self._losses.begin(value, now))
            self._ledger.record(*events)
            self._told = None
            self._moves += 1
            self._passes.clear()
            self._hold_gate()
            for moved in self._moved.values():
                moved.set()
        return result

    def _given_up(self, state: TradingState, reason: str) -> list[Event]:
        """What waits for its turn and must not leave: refused here, in the command's own commit.

        An order that is `CREATED` has not left: sending is recorded before the first byte.
        """
        now = self._clock.now()
        return [
            OrderRejected(
                order=order.id, code="GATE_CLOSED", reason=problem.detail, at=now, retryable=True
            )
            for order in self._ledger.portfolio.open_orders()
            if order.state is OrderState.CREATED
            and (problem := state_problem(order.intent, state, reason)) is not None
        ]

    def watch_losses(self) -> None:
        """Measure losses from now on: prices are known."""
        self._started = True
        self._watching = self._losses.is_set
        self.look()

    def use_limits(self, limits: RiskLimits) -> None:
        """Stop at other losses from now on. The day's start and the peak stay where they were: a
        tighter stop may act at once.
        """
        self._limits = limits
        self._losses.use_limits(limits)
        if self._started:
            self.watch_losses()

    def look(self) -> str:
        """Move the switch if too much is lost. Called before every order.

        Says why that cannot be told just now; empty when it can, and when no loss stops anything.
        """
        if not self._watching:
            return ""
        portfolio, now = self._ledger.portfolio, self._clock.now()
        value, unknown = self._measure()
        self._tell_unjudged(unknown)
        if value is None:
            return unknown
        restated = self._losses.follow_rates(self._earned_at, now)
        if restated is not None:
            self._ledger.record(restated)
        if self._anew:
            self._anew = False
            self._ledger.record(self._losses.begin(value, now))
        elif self._losses.is_new_day(now):
            # While it runs it knows the last price of the day before; after a start the base does.
            start = value
            if not self._seen:
                based = profit(portfolio, self._day_before, self._rates)
                start = value if based is None else based
            self._ledger.record(self._losses.begin(value, now, start=start))
        self._seen = True
        risen = self._losses.rise(value, now)
        if risen is not None:
            self._ledger.record(risen)
        breach = self._losses.breach(value)
        stop = Command(state=self._policy.on_loss, who=Actor.RISK, reason=breach)
        if breach and answer(portfolio.state, stop).obeyed:
            self.execute(stop)
        return ""

    def _tell_unjudged(self, unknown: str) -> None:
        """Say once that losses cannot be judged, once more when it lasts, and when it is over."""
        now = self._clock.monotonic()
        if not unknown:
            if self._unjudged_since is not None:
                self._log.info("losses_judged_again", after_seconds=now - self._unjudged_since)
            self._unjudged_since, self._cried = None, False
        elif self._unjudged_since is None:
            self._unjudged_since = now
            self._log.warning("losses_not_judged", cause=unknown, holds="no purchases")
        elif now - self._unjudged_since >= UNJUDGED_LIMIT and not self._cried:
            self._cried = True
            self._log.error("losses_not_judged", cause=unknown, holds="no purchases", fix=WAY_OUT)

    def _day_before(self, instrument: InstrumentId) -> Decimal | None:
        base = self._quotes.base_price(instrument)
        return self._quotes.last_price(instrument) if base is None else base

    async def run(self) -> None:
        """Look at losses, and close what the state wants closed, for ever; every region is seen
        through on its own, so that one whose broker does not answer delays no other."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_on(), name="losses")
            for region in self._moved:
                group.create_task(self._see_through(region), name=f"kill switch {region}")

    async def _look_on(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK)

    async def _see_through(self, region: Region) -> None:
        moved = self._moved[region]
        while True:
            moved.clear()
            pause = await self._act(region)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await moved.wait()

    async def _act(self, region: Region) -> float | None:
        """One pass in a region; returns the seconds until the next, `None` while nothing is to be
        closed before the switch moves."""
        state, moves = self._ledger.portfolio.state, self._moves
        if state is TradingState.RUNNING:
            return None
        orders = self._selling.open_orders(region)
        found = Pass((), is_done=True)
        if state is TradingState.REDUCE_ONLY:
            orders = entries(orders)
        elif state is TradingState.HALTED and not self._policy.halt_cancels:
            orders = []
        try:
            if state is TradingState.FLATTENING:
                found = await self._selling.sell_out(OF_SWITCH, region, everything=True)
            elif orders:
                found = await self._selling.close(orders, region)
        except NeedsOperator:
            raise
        except TradingError as error:
            self._log.warning("switch_delayed", region=region, state=state, cause=str(error))
            return LOOK
        if moves != self._moves:
            return 0.0
        self._passes[region] = found
        self._come_to()
        return self._selling.pause(found.left)

    def _come_to(self) -> None:
        """Say how far all regions are, once each was seen; end a flattening that is through."""
        if len(self._passes) < len(self._moved):
            return
        state = self._ledger.portfolio.state
        if state is TradingState.HALTED and not self._policy.halt_cancels:
            return
        left = [each for region in self._moved for each in self._passes[region].left]
        flattens = state is TradingState.FLATTENING
        nowhere = self._selling.nowhere() if flattens else ()
        self._report((*left, *nowhere))
        if flattens and not nowhere and all(each.is_done for each in self._passes.values()):
            reason = "flat, by the broker's balance and list of orders"
            self.execute(Command(state=TradingState.HALTED, who=Actor.SWITCH, reason=reason))

    def _report(self, left: tuple[Left, ...]) -> None:
        """Record how far it has come, where that is news."""
        state = self._ledger.portfolio.state
        if self._told == (state, left):
            return
        self._told = (state, left)
        self._ledger.record(EmergencyReported(state=state, left=left, at=self._clock.now()))

    def _adopt(self, replace: Callable[[], None]) -> None:
        """See what other books change, at the very same prices: what they fell is still a loss.

        What has no price counts at its cost, before and after: where it stays, it changes nothing.
        """
        before = self._earned_at(self._rates)
        # What is earned by these books is counted at the rates of now before they are gone.
        self._losses.follow_rates(self._earned_at, self._clock.now())
        replace()
        after = self._earned_at(self._rates)
        self._replaced = Decimal(0) if before is None or after is None else after - before

    def _on_fact(self, event: Event) -> None:
        """What replaces the books is neither earned nor lost; at a start it is measured from."""
        if not isinstance(event, AccountReported):
            return
        if not self._watching:
            self._losses.resume(None)
            return
        shifted = self._losses.shift(self._replaced, self._clock.now())
        if shifted is not None:
            self._ledger.record(shifted)

    def _measure(self) -> tuple[Decimal | None, str]:
        """Profit, or why it is not known."""
        portfolio, price = self._ledger.portfolio, self._quotes.last_price
        missing = unpriced(portfolio, price, self._limits, self._regions)
        if missing:
            return None, f"losses cannot be judged: no price of {', '.join(missing)} is known"
        value = self._earned_at(self._rates)
        return value, "" if value is not None else "losses cannot be judged: a rate is not known"

    def _earned_at(self, rates: Rates) -> Decimal | None:
        """Profit as far as prices are known; what has none counts at its cost."""
        return profit(self._ledger.portfolio, self._quotes.last_price, rates)

    def _hold_gate(self) -> None:
        halted = self._ledger.portfolio.halted
        if halted:
            self._gate.shut(Shutter.OPERATOR, halted)
        else:
            self._gate.open(Shutter.OPERATOR)
