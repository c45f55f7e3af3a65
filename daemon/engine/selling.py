"""What has to be closed, is: cancels and sales that are seen through by the broker's own answers.

The kill switch and the closing ahead of a session's end decide what and when.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from daemon.core import flattening
from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.events import OrderIntent
from daemon.core.leftovers import NO_ORDER, Left, LeftCause
from daemon.core.limits import RiskLimits
from daemon.core.orders import Order, OrderState
from daemon.core.parts import RegionView
from daemon.core.switch import SwitchPolicy
from daemon.core.values import InstrumentId, Region, Side
from daemon.engine.executor import Executor
from daemon.engine.gate import Urgency
from daemon.engine.ledger import Ledger
from daemon.engine.quotes import QuoteBoard
from daemon.engine.reconciliation import Reconciliation
from daemon.engine.repricing import Repricing
from daemon.ports import Broker, Clock

LOOK = 1.0
"""Seconds between two passes that close what is open."""

CLOSED_PAUSE = 30.0
"""Seconds between two passes while the market takes nothing."""

REFUSED_PAUSE = 15.0
"""Seconds until a sale that was refused is tried again."""

_MUTE = "its orders, cash and holdings could not be had"
_NOT_TOLD = f"the broker did not tell: {_MUTE}"


class Pass(NamedTuple):
    """What one pass came to: what is left, and whether the broker says that nothing is.

    Where the broker did not tell, what is left is what our own books know of.
    """

    left: tuple[Left, ...]
    is_done: bool
    is_told: bool = True


class Selling:
    """Cancels, sells, and tells what is left and why. Each method is one pass over one region, so
    that a region whose broker does not answer holds up no other."""

    def __init__(
        self,
        *,
        broker: Broker,
        ledger: Ledger,
        quotes: QuoteBoard,
        executor: Executor,
        reconciliation: Reconciliation,
        repricing: Repricing,
        limits: RiskLimits,
        policy: SwitchPolicy,
        clock: Clock,
    ) -> None:
        self._broker = broker
        self._ledger = ledger
        self._quotes = quotes
        self._executor = executor
        self._reconciliation = reconciliation
        self._repricing = repricing
        self._limits = limits
        self._policy = policy
        self._clock = clock
        self._refused: dict[InstrumentId, tuple[float, Left]] = {}

    @property
    def regions(self) -> Sequence[Region]:
        """The regions the broker is asked about."""
        return self._reconciliation.regions

    def use_limits(self, limits: RiskLimits) -> None:
        """Sell within other limits from the next pass on."""
        self._limits = limits

    async def close(self, orders: Sequence[Order], region: Region) -> Pass:
        """Cancel these orders of a region and see by the broker's list what became of them."""
        await self._executor.cancel([order.id for order in orders])
        seen = await self._reconciliation.inquire(region)
        known = self._ledger.portfolio.orders
        still = [known[order.id] for order in orders if known[order.id].is_open]
        left = flattening.open_rest(still, self._executor.market_closed)
        if not seen:
            left = tuple(replace(each, cause=LeftCause.NOT_TOLD, detail=_NOT_TOLD) for each in left)
        return Pass(left, seen and not still, seen)

    async def sell_out(self, urgency: Urgency, region: Region, *, everything: bool = False) -> Pass:
        """Cancel a region's purchases and sell what the broker says is held there: what strategies
        hold, or `everything`. Raises `NeedsOperator`."""
        portfolio = RegionView(self._ledger.portfolio, region)
        purchases = entries(self.open_orders(region))
        await self._executor.cancel([order.id for order in purchases])
        closed, part = self._executor.market_closed, None if everything else region
        if portfolio.state in urgency.states:
            wanted = flattening.concerned(portfolio, part) - self._limits.denied
            await self._repricing.renew(each for each in wanted if not closed(each))
        holdings, why = await self._ask(region)
        if holdings is None:
            return Pass(flattening.not_told(portfolio, why), is_done=False, is_told=False)
        plan = flattening.plan(
            portfolio,
            holdings,
            account=self._broker.account_id,
            quotes=self._quotes,
            limits=self._limits,
            at_market=self._policy.sell_at_market,
            closed=closed,
            region=part,
        )
        left = [*plan.left, *flattening.open_rest(entries(self.open_orders(region)), closed)]
        if portfolio.state in urgency.states:
            stale = [order.id for order in plan.stale if self._has_waited(order)]
            await self._executor.cancel(stale)
            left += await self._sell(plan.sales, urgency)
        else:
            why = f"trading is {portfolio.state}: {portfolio.state_reason}"
            left += [_not_sold(each, LeftCause.GATE_CLOSED, why) for each in plan.sales]
        return Pass(tuple(left), plan.is_done and not self.to_end(region, everything=everything))

    async def _ask(self, region: Region) -> tuple[dict[InstrumentId, int] | None, str]:
        """What is held in a region by the broker's word, or why it is not known."""
        try:
            if not await self._reconciliation.inquire(region):
                return None, _MUTE
            if not self._ledger.portfolio.opened:
                # What is not believed yet proves no account to be empty.
                return None, "our books are not open yet"
            account = await self._broker.account(regions=(region,))
        except NeedsOperator:
            raise
        except TradingError as error:
            return None, str(error)
        account = self._reconciliation.booked(account)
        return {each.instrument: each.quantity for each in account.holdings}, ""

    def open_orders(self, region: Region) -> list[Order]:
        """What may be alive at the broker in a region."""
        return RegionView(self._ledger.portfolio, region).open_orders()

    def to_end(self, region: Region, *, everything: bool = False) -> list[Order]:
        """Those of them that `sell_out` has to see end."""
        part = None if everything else region
        return [each for each in self.open_orders(region) if flattening.is_to_end(each, part)]

    def nowhere(self) -> tuple[Left, ...]:
        """What our books know of in regions the broker is not asked about."""
        others = [each for each in Region if each not in self.regions]
        views = [RegionView(self._ledger.portfolio, each) for each in others]
        why = "the region is not among the markets traded"
        return tuple(left for view in views for left in flattening.not_told(view, why))

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
