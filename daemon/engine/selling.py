"""What has to be closed, is: cancels and sales that are seen through by the broker's own answers.

The kill switch and the closing ahead of a session's end decide what and when.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from daemon.core import flattening
from daemon.core.events import NO_ORDER, Left, LeftCause, OrderIntent
from daemon.core.limits import RiskLimits
from daemon.core.orders import Order, OrderState
from daemon.core.switch import SwitchPolicy
from daemon.core.values import InstrumentId, Region, Side, region_of
from daemon.engine.executor import Executor, Urgency
from daemon.engine.ledger import Ledger
from daemon.engine.quotes import QuoteBoard
from daemon.engine.reconciliation import Reconciliation
from daemon.ports import Broker, Clock

LOOK = 1.0
"""Seconds between two passes that close what is open."""

CLOSED_PAUSE = 30.0
"""Seconds between two passes while the market takes nothing."""

REFUSED_PAUSE = 15.0
"""Seconds until a sale that was refused is tried again."""


class Pass(NamedTuple):
    """What one pass came to: what is left, and whether the broker says that nothing is."""

    left: tuple[Left, ...]
    is_done: bool


class Selling:
    """Cancels, sells, and tells what is left and why. Each method is one pass."""

    def __init__(
        self,
        *,
        broker: Broker,
        ledger: Ledger,
        quotes: QuoteBoard,
        executor: Executor,
        reconciliation: Reconciliation,
        limits: RiskLimits,
        policy: SwitchPolicy,
        clock: Clock,
    ) -> None:
        self._broker = broker
        self._ledger = ledger
        self._quotes = quotes
        self._executor = executor
        self._reconciliation = reconciliation
        self._limits = limits
        self._policy = policy
        self._clock = clock
        self._refused: dict[InstrumentId, tuple[float, Left]] = {}

    async def close(self, orders: Sequence[Order]) -> Pass:
        """Cancel these orders and see by the broker's list what became of them."""
        await self._executor.cancel([order.id for order in orders])
        seen = await self._reconciliation.inquire()
        known = self._ledger.portfolio.orders
        still = [known[order.id] for order in orders if known[order.id].is_open]
        left = flattening.open_rest(still, self._executor.market_closed)
        return Pass(left, seen and not still)

    async def sell_out(self, urgency: Urgency, region: Region | None = None) -> Pass | None:
        """Cancel purchases and sell what the broker says is held: all of it, or what strategies
        hold in one region. `None` when the broker did not tell."""
        portfolio = self._ledger.portfolio
        purchases = entries(self.open_orders(region))
        await self._executor.cancel([order.id for order in purchases])
        if not await self._reconciliation.inquire():
            return None
        account = await self._broker.account()
        closed = self._executor.market_closed
        plan = flattening.plan(
            portfolio,
            {each.instrument: each.quantity for each in account.holdings},
            account=self._broker.account_id,
            quotes=self._quotes,
            limits=self._limits,
            at_market=self._policy.sell_at_market,
            closed=closed,
            region=region,
        )
        left = [*plan.left, *flattening.open_rest(entries(self.open_orders(region)), closed)]
        if portfolio.state in urgency.states:
            stale = [order.id for order in plan.stale if self._has_waited(order)]
            await self._executor.cancel(stale)
            left += await self._sell(plan.sales, urgency)
        else:
            why = f"trading is {portfolio.state}: {portfolio.state_reason}"
            left += [_not_sold(each, LeftCause.GATE_CLOSED, why) for each in plan.sales]
        return Pass(tuple(left), plan.is_done and not self.open_orders(region))

    def open_orders(self, region: Region | None = None) -> list[Order]:
        """What may be alive at the broker, everywhere or in one region."""
        orders = self._ledger.portfolio.open_orders()
        if region is None:
            return orders
        return [each for each in orders if region_of(each.intent.instrument) is region]

    def pause(self, left: Sequence[Left]) -> float:
        """Seconds to the next pass: longer where every exchange concerned takes nothing now."""
        closed = all(self._executor.market_closed(each.instrument) for each in left)
        return CLOSED_PAUSE if left and closed else LOOK

    def _has_waited(self, order: Order) -> bool:
        waited = self._clock.now() - order.created_at
        return waited.total_seconds() >= self._policy.chase_seconds

    async def _sell(self, sales: Sequence[OrderIntent], urgency: Urgency) -> list[Left]:
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
        results = await self._executor.submit(wanted, urgent=urgency) if wanted else ()
        for intent, result in zip(wanted, results, strict=True):
            cause, detail, order_id = LeftCause.UNDER_WAY, "on sale", NO_ORDER
            if not isinstance(result, Order):
                cause, detail = LeftCause.GATE_CLOSED, f"{result.rule}: {result.detail}"
            else:
                order_id = result.id
                if result.state is OrderState.REJECTED:
                    cause, detail = LeftCause.REFUSED, result.cause
                elif result.state is OrderState.IN_DOUBT:
                    cause, detail = LeftCause.IN_DOUBT, result.cause
            rest = replace(_not_sold(intent, cause, detail), order=order_id)
            left.append(rest)
            if cause is LeftCause.REFUSED:
                self._refused[intent.instrument] = (now + REFUSED_PAUSE, rest)
        return left


def entries(orders: Sequence[Order]) -> list[Order]:
    """Those that would make a position larger."""
    return [order for order in orders if order.intent.side is Side.BUY]


def _not_sold(intent: OrderIntent, cause: LeftCause, detail: str) -> Left:
    return Left(instrument=intent.instrument, quantity=intent.quantity, cause=cause, detail=detail)
