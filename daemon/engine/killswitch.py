"""The kill switch: moves at once, cancels and sells until the broker's own answers say it is done.

Loss stops are looked at before every order and once a second. Where the switch is, is journalled.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

import structlog

from daemon.core import flattening
from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.events import (
    NO_ORDER,
    AccountReported,
    Actor,
    EmergencyReported,
    Event,
    Left,
    LeftCause,
    OrderIntent,
    OrderRejected,
    TradingState,
    TradingStateChanged,
)
from daemon.core.limits import Rates, RiskLimits
from daemon.core.losses import LossStop, profit
from daemon.core.orders import Order, OrderState
from daemon.core.risk import state_problem
from daemon.core.switch import Answer, Command, SwitchPolicy, answer
from daemon.core.values import InstrumentId, Side
from daemon.engine.executor import Executor
from daemon.engine.gate import Gate, Shutter
from daemon.engine.ledger import Ledger
from daemon.engine.quotes import QuoteBoard
from daemon.engine.reconciliation import Reconciliation
from daemon.ports import Broker, Clock

LOOK = 1.0
"""Seconds between two looks at losses, and between two passes that close what is open."""

CLOSED_PAUSE = 30.0
"""Seconds between two passes while the market takes nothing."""

REFUSED_PAUSE = 15.0
"""Seconds until a sale that was refused is tried again."""


class KillSwitch:
    """Moves trading between its states. Commands act before `execute` returns; `run` does the rest.

    New orders end with the command: those that wait for their turn are refused as they leave.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        ledger: Ledger,
        quotes: QuoteBoard,
        gate: Gate,
        executor: Executor,
        reconciliation: Reconciliation,
        limits: RiskLimits,
        policy: SwitchPolicy,
        rates: Rates,
        clock: Clock,
    ) -> None:
        self._broker = broker
        self._ledger = ledger
        self._quotes = quotes
        self._gate = gate
        self._executor = executor
        self._reconciliation = reconciliation
        self._limits = limits
        self._policy = policy
        self._rates = rates
        self._clock = clock
        self._losses = LossStop(limits)
        self._profit: Decimal | None = None
        self._watching = False
        self._seen = False
        self._told: tuple[TradingState, tuple[Left, ...]] | None = None
        self._refused: dict[InstrumentId, tuple[float, Left]] = {}
        self._moved = asyncio.Event()
        self._log = structlog.get_logger("kill_switch")
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
            value = self._value()
            if result.state is TradingState.RUNNING and self._watching and value is not None:
                events.append(self._losses.begin(value, now))
            self._ledger.record(*events)
            self._told = None
            self._hold_gate()
            self._moved.set()
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
        self._watching = self._losses.is_set
        self.look()

    def look(self) -> None:
        """Move the switch if too much is lost. Called before every order."""
        if not self._watching:
            return
        portfolio, now = self._ledger.portfolio, self._clock.now()
        value = self._profit = self._value()
        if value is None:
            return
        if self._losses.is_new_day(now):
            # While it runs it knows the last price of the day before; after a start the base does.
            start = value
            if not self._seen:
                start = profit(portfolio, self._quotes.base_price, self._rates) or value
            self._ledger.record(self._losses.begin(value, now, start=start))
        self._seen = True
        risen = self._losses.rise(value, now)
        if risen is not None:
            self._ledger.record(risen)
        breach = self._losses.breach(value)
        stop = Command(state=self._policy.on_loss, who=Actor.RISK, reason=breach)
        if breach and answer(portfolio.state, stop).obeyed:
            self.execute(stop)

    async def run(self) -> None:
        """Look at losses, and close what the state wants closed, for ever."""
        while True:
            self._moved.clear()
            self.look()
            pause = await self._act()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._moved.wait()

    async def _act(self) -> float:
        """One pass; returns the seconds until the next."""
        portfolio = self._ledger.portfolio
        state = portfolio.state
        open_orders = portfolio.open_orders()
        try:
            if state is TradingState.FLATTENING:
                return await self._flatten()
            if state is TradingState.REDUCE_ONLY:
                return await self._close(_entries(open_orders))
            if state is TradingState.HALTED and self._policy.halt_cancels:
                return await self._close(open_orders)
        except NeedsOperator:
            raise
        except TradingError as error:
            self._log.warning("switch_delayed", state=state, cause=str(error))
        return LOOK

    async def _close(self, orders: Sequence[Order]) -> float:
        """Cancel these orders and see by the broker's list what became of them."""
        if not orders:
            self._report(())
            return LOOK
        await self._cancel(orders)
        await self._reconciliation.inquire()
        known = self._ledger.portfolio.orders
        still = [known[order.id] for order in orders if known[order.id].is_open]
        self._report(flattening.open_rest(still, self._executor.market_closed))
        return self._pause([order.intent.instrument for order in still])

    def _pause(self, left: Sequence[InstrumentId]) -> float:
        """Seconds to the next pass: longer where every exchange concerned takes nothing now."""
        closed = all(self._executor.market_closed(each) for each in left)
        return CLOSED_PAUSE if left and closed else LOOK

    async def _cancel(self, orders: Sequence[Order]) -> None:
        await self._executor.cancel([order.id for order in orders])

    async def _flatten(self) -> float:
        """Cancel purchases, sell what the broker says is held; end when it says nothing is."""
        portfolio = self._ledger.portfolio
        await self._cancel(
            [each for each in portfolio.open_orders() if each.intent.side is Side.BUY]
        )
        if not await self._reconciliation.inquire():
            return LOOK
        account = await self._broker.account()
        if portfolio.state is not TradingState.FLATTENING:
            return 0.0
        closed = self._executor.market_closed
        plan = flattening.plan(
            portfolio,
            {each.instrument: each.quantity for each in account.holdings},
            account=self._broker.account_id,
            quotes=self._quotes,
            limits=self._limits,
            at_market=self._policy.sell_at_market,
            closed=closed,
        )
        await self._cancel([each for each in plan.stale if self._has_waited(each)])
        left = [*plan.left, *flattening.open_rest(_entries(portfolio.open_orders()), closed)]
        left += await self._sell(plan.sales)
        self._report(tuple(left))
        if plan.is_done and not portfolio.open_orders():
            reason = "flat, by the broker's balance and list of orders"
            self.execute(Command(state=TradingState.HALTED, who=Actor.SWITCH, reason=reason))
            return 0.0
        return self._pause([each.instrument for each in left])

    def _has_waited(self, order: Order) -> bool:
        waited = self._clock.now() - order.created_at
        return waited.total_seconds() >= self._policy.chase_seconds

    async def _sell(self, sales: Sequence[OrderIntent]) -> list[Left]:
        """Send what was not refused a moment ago; returns what is left of it for now."""
        now = self._clock.monotonic()
        left: list[Left] = []
        wanted: list[OrderIntent] = []
        for intent in sales:
            refused = self._refused.get(intent.instrument)
            if refused is not None and now < refused[0]:
                left.append(refused[1])
            else:
                wanted.append(intent)
        for intent, result in zip(
            wanted, await self._executor.submit(wanted, urgent=True), strict=True
        ):
            cause, detail = LeftCause.UNDER_WAY, "on sale"
            if not isinstance(result, Order):
                cause, detail = LeftCause.GATE_CLOSED, f"{result.rule}: {result.detail}"
            elif result.state is OrderState.REJECTED:
                cause, detail = LeftCause.REFUSED, result.cause
            elif result.state is OrderState.IN_DOUBT:
                cause, detail = LeftCause.IN_DOUBT, result.cause
            rest = Left(
                instrument=intent.instrument,
                quantity=intent.quantity,
                cause=cause,
                detail=detail,
                order=result.id if isinstance(result, Order) else NO_ORDER,
            )
            left.append(rest)
            if cause is LeftCause.REFUSED:
                self._refused[intent.instrument] = (now + REFUSED_PAUSE, rest)
        return left

    def _report(self, left: tuple[Left, ...]) -> None:
        """Record how far it has come, where that is news."""
        state = self._ledger.portfolio.state
        if self._told == (state, left):
            return
        self._told = (state, left)
        self._ledger.record(EmergencyReported(state=state, left=left, at=self._clock.now()))

    def _on_fact(self, event: Event) -> None:
        """What replaces the books is neither earned nor lost."""
        if not isinstance(event, AccountReported):
            return
        before, self._profit = self._profit, self._value()
        if not self._watching or before is None or self._profit is None:
            self._losses.resume(None)
            return
        shifted = self._losses.shift(self._profit - before, self._clock.now())
        if shifted is not None:
            self._ledger.record(shifted)

    def _value(self) -> Decimal | None:
        return profit(self._ledger.portfolio, self._quotes.last_price, self._rates)

    def _hold_gate(self) -> None:
        halted = self._ledger.portfolio.halted
        if halted:
            self._gate.shut(Shutter.OPERATOR, halted)
        else:
            self._gate.open(Shutter.OPERATOR)


def _entries(orders: Sequence[Order]) -> list[Order]:
    """Those that would make a position larger."""
    return [order for order in orders if order.intent.side is Side.BUY]
