"""What we own and what we have asked for: the fold of all facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from daemon.core import orders as order_life
from daemon.core.activity import Activity
from daemon.core.acts import Acts
from daemon.core.entries import BrokerDayTold, Entries, EntriesBarred, EntriesFreed
from daemon.core.errors import InvariantBroken
from daemon.core.events import (
    AccountReported,
    CancelSent,
    CostsCharged,
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    Fill,
    JobDone,
    ModifySent,
    OrderCreated,
    OrderEvent,
    OrderFilled,
    OrderRepriced,
    OrderSent,
    ProfitMarked,
    TradingArmed,
    TradingHalted,
    TradingResumed,
    TradingState,
    TradingStateChanged,
)
from daemon.core.orders import Order
from daemon.core.values import (
    Currency,
    InstrumentId,
    OrderId,
    Region,
    Side,
    StrategyId,
    currency_of,
    region_of,
)
from daemon.core.zones import local_date

T = TypeVar("T")

OrderKey = tuple[Region, date, str]
"""What tells an account's orders apart at the broker: region, the region's date, and number."""


ORDER_LIFE = timedelta(days=60)
"""After so long a closed order is not heard of again: the broker's own lists reach back less far
in every use made of them here."""

_DERIVED = frozenset({"_open", "_numbers"})
"""What a portfolio keeps only to find orders sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Shares held of one instrument.

    `cost` is what the held shares were bought for (average cost method), `realised` the profit
    of those sold; both in the instrument's currency, before fees and taxes.
    """

    instrument: InstrumentId
    quantity: int = 0
    cost: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)

    @property
    def average_price(self) -> Decimal | None:
        """Cost a share, `None` when flat."""
        return self.cost / self.quantity if self.quantity else None

    def apply(self, fill: Fill) -> "Position":
        """The position after `fill`.

        A sale beyond what is held leaves a negative quantity with zero cost: KRX cash accounts
        cannot sell short, so this only ever shows books that miss a purchase.
        """
        if fill.side is Side.BUY:
            return replace(
                self, quantity=self.quantity + fill.quantity, cost=self.cost + fill.notional
            )
        sold_cost = Decimal(0)
        if self.quantity > 0:
            covered = min(fill.quantity, self.quantity)
            sold_cost = (
                self.cost if covered == self.quantity else self.cost * covered / self.quantity
            )
        return replace(
            self,
            quantity=self.quantity - fill.quantity,
            cost=self.cost - sold_cost,
            realised=self.realised + fill.notional - sold_cost,
        )

    def reprice(self, side: Side, amount: Decimal) -> "Position":
        """The position after past fills of `side` turn out to have traded for `amount` more.

        What of a purchase is sold again already counts as realised.
        """
        if side is Side.SELL:
            return replace(self, realised=self.realised + amount)
        if self.quantity <= 0:
            return replace(self, realised=self.realised - amount)
        return replace(self, cost=self.cost + amount)


class PortfolioView(Protocol):
    """The read-only face of a portfolio."""

    @property
    def orders(self) -> Mapping[OrderId, Order]: ...
    @property
    def positions(self) -> Mapping[InstrumentId, Position]: ...
    @property
    def cash(self) -> Mapping[Currency, Decimal]: ...
    @property
    def opened(self) -> bool: ...
    @property
    def costs(self) -> Mapping[Currency, Decimal]: ...
    @property
    def state(self) -> TradingState: ...
    @property
    def state_reason(self) -> str: ...
    @property
    def halted(self) -> str: ...
    @property
    def armed(self) -> bool: ...
    @property
    def discrepancies(self) -> Mapping[str, DiscrepancyFound]: ...
    @property
    def activity(self) -> Activity: ...
    @property
    def entries(self) -> Entries: ...
    @property
    def acts(self) -> Acts: ...
    @property
    def profit_mark(self) -> ProfitMarked | None: ...
    @property
    def external(self) -> Mapping[OrderKey, ExternalOrderSeen]: ...
    def cash_of(self, currency: Currency) -> Decimal: ...
    def traded_of(self, currency: Currency) -> Decimal: ...
    def orders_traded_in(self, currency: Currency) -> int: ...
    def charged_of(self, currency: Currency) -> Decimal: ...
    def open_orders(self) -> list[Order]: ...
    def orders_since(self, at: datetime) -> list[Order]: ...
    def find(self, key: OrderKey) -> Order | None: ...
    def position(self, instrument: InstrumentId) -> Position: ...
    def strategy_position(self, strategy: StrategyId, instrument: InstrumentId) -> Position: ...
    def owned(self) -> Mapping[tuple[StrategyId, InstrumentId], Position]: ...


class Portfolio:
    """One account's orders, positions and cash by currency.

    `costs` is all there ever were, by currency. `state` is where the kill switch is; `halted` says
    why, where it lets no order pass.
    `orders` are those of the last `ORDER_LIFE`, and all that are open.
    The core's one mutable object. Only the ledger calls `apply`; everybody else reads.
    """

    def __init__(self) -> None:
        self.orders: dict[OrderId, Order] = {}
        self.positions: dict[InstrumentId, Position] = {}
        self.cash: dict[Currency, Decimal] = {}
        self.opened = False
        self.costs: dict[Currency, Decimal] = {}
        self.state = TradingState.RUNNING
        self.state_reason = ""
        self.halted = ""
        self.profit_mark: ProfitMarked | None = None
        self.activity = Activity()
        self.entries = Entries()
        self.acts = Acts()
        self.armed = False
        self.jobs_done: set[tuple[str, date]] = set()
        self.discrepancies: dict[str, DiscrepancyFound] = {}
        self.external: dict[OrderKey, ExternalOrderSeen] = {}
        self._traded: dict[Currency, Decimal] = {}
        self._traded_by: dict[Currency, set[OrderId]] = {}
        self._charged: dict[Currency, Decimal] = {}
        self._traded_on: dict[Currency, date] = {}
        self._by_strategy: dict[tuple[StrategyId, InstrumentId], Position] = {}
        self._open: dict[OrderId, Order] = {}
        self._numbers: dict[OrderKey, OrderId] = {}

    def cash_of(self, currency: Currency) -> Decimal:
        """Trade-date cash in one currency."""
        return self.cash.get(currency, Decimal(0))

    def traded_of(self, currency: Currency) -> Decimal:
        """The turnover in one currency on the last day that anything traded in it."""
        return self._traded.get(currency, Decimal(0))

    def orders_traded_in(self, currency: Currency) -> int:
        """How many orders that turnover is of."""
        return len(self._traded_by.get(currency, ()))

    def charged_of(self, currency: Currency) -> Decimal:
        """The costs in one currency since the first trade of that day."""
        return self._charged.get(currency, Decimal(0))

    def open_orders(self) -> list[Order]:
        """Orders that are, or may be, alive at the broker, oldest first."""
        return list(self._open.values())

    def orders_since(self, at: datetime) -> list[Order]:
        """Orders created after `at`, newest first."""
        found = []
        for order in reversed(self.orders.values()):
            if order.created_at <= at:
                break
            found.append(order)
        return found

    def owned(self) -> Mapping[tuple[StrategyId, InstrumentId], Position]:
        """What each strategy bought, by strategy and instrument; flat positions included."""
        return self._by_strategy

    def position(self, instrument: InstrumentId) -> Position:
        """The account's position; flat when nothing was ever traded."""
        return self.positions.get(instrument) or Position(instrument=instrument)

    def strategy_position(self, strategy: StrategyId, instrument: InstrumentId) -> Position:
        """The part of the account's position that `strategy` bought itself: never below zero."""
        return self._by_strategy.get((strategy, instrument)) or Position(instrument=instrument)

    def find(self, key: OrderKey) -> Order | None:
        """The order the broker keeps under that number in a region on a day, if it is ours."""
        order_id = self._numbers.get(key)
        return None if order_id is None else self.orders[order_id]

    def image(self) -> dict[str, Any]:
        """All it remembers, by name: not copied, and good until the next fact."""
        told = vars(self)
        return {name: told[name] for name in told.keys() - _DERIVED}

    def restore(self, image: Mapping[str, Any]) -> None:
        """Remember what another portfolio did, and nothing else."""
        vars(self).update(image)
        self._open = {each.id: each for each in self.orders.values() if each.is_open}
        self._numbers = {key: each.id for each in self.orders.values() for key in order_keys(each)}

    def verify(self, events: Sequence[Event]) -> None:
        """Raise `InvariantBroken` if applying `events` in order would; change nothing.

        The ledger asks before it writes, so that no fact is journalled that cannot be replayed.
        """
        changed: dict[OrderId, Order] = {}
        for event in events:
            if isinstance(event, OrderEvent):
                known = changed.get(event.order) or self.orders.get(event.order)
                changed[event.order] = after = _after(known, event)
                for key in order_keys(after):
                    owner = self._numbers.get(key, event.order)
                    if owner != event.order:
                        raise InvariantBroken(f"number {key[-1]} is of {owner} already")

    def apply(self, event: Event) -> None:
        """Take one fact in. Raises `InvariantBroken` when it contradicts an earlier one."""
        if isinstance(event, OrderEvent):
            self._apply_order(event)
            return
        match event:
            case AccountReported():
                self._adopt(event)
            case CostsCharged():
                self._charge(event)
            case ExternalOrderSeen():
                self.external[event.region, event.day, event.number] = event
            case DiscrepancyFound():
                self.discrepancies[event.subject] = event
            case DiscrepancyCleared():
                self.discrepancies.pop(event.subject, None)
            case TradingHalted() | TradingResumed() | TradingStateChanged():
                self._switch(event)
            case ProfitMarked():
                self.profit_mark = event
            case TradingArmed():
                self.armed = True
            case JobDone():
                self.jobs_done.add((event.job, event.day))
            case BrokerDayTold() | EntriesBarred() | EntriesFreed():
                self.entries.apply(event)
            case _:
                self.acts.apply(event)

    def _charge(self, costs: CostsCharged) -> None:
        currency, amount = costs.currency, costs.amount
        self._pay(currency, amount)
        self._charged[currency] = self.charged_of(currency) + amount
        self.costs[currency] = self.costs.get(currency, Decimal(0)) + amount

    def _switch(self, event: TradingHalted | TradingResumed | TradingStateChanged) -> None:
        match event:
            case TradingHalted():
                self.state = TradingState.HALTED
            case TradingResumed():
                self.state = TradingState.RUNNING
            case TradingStateChanged():
                self.state = event.state
        self.state_reason = event.reason
        passes = self.state in (TradingState.RUNNING, TradingState.REDUCE_ONLY)
        self.halted = "" if passes else event.reason or self.state.value

    def _apply_order(self, event: OrderEvent) -> None:
        order = _after(self.orders.get(event.order), event)
        self._keep(order)
        match event:
            case OrderCreated():
                self._forget(event.at)
            case OrderFilled():
                self._fill(order, event)
                self._count_traded(event)
            case OrderRepriced():
                self._reprice(order, event.amount)
            case OrderSent() | ModifySent():
                self.activity.orders.add(event.at)
            case CancelSent():
                self.activity.cancels.add(event.at)
            case _:
                pass

    def _keep(self, order: Order) -> None:
        self.orders[order.id] = order
        for key in order_keys(order):
            self._numbers[key] = order.id
        if order.is_open:
            self._open[order.id] = order
        else:
            self._open.pop(order.id, None)

    def _forget(self, at: datetime) -> None:
        """Let go of the oldest orders: a year of them is no use, and is held in memory."""
        while True:
            oldest = next(iter(self.orders.values()))
            if oldest.is_open or at - oldest.created_at <= ORDER_LIFE:
                return
            del self.orders[oldest.id]
            for key in order_keys(oldest):
                if self._numbers.get(key) == oldest.id:
                    del self._numbers[key]

    def _fill(self, order: Order, event: OrderFilled) -> None:
        fill = event.fill
        instrument = fill.instrument
        self.positions[instrument] = self.position(instrument).apply(fill)
        key = (order.intent.strategy, instrument)
        before = self.strategy_position(*key)
        self._by_strategy[key] = after = before.apply(fill)
        if after.quantity < 0:
            # It sold what no strategy had bought, which makes nobody own less than nothing, or what
            # another had: that is gone, too.
            self._by_strategy[key] = replace(after, quantity=0)
            self._trim_shares(instrument)
        # By price: shares that no strategy had bought would pass for profit.
        worse = fill.notional * before.quantity < before.cost * fill.quantity
        if fill.side is Side.SELL and worse:
            self.activity.losing_exits[key] = event.at
        self._pay(currency_of(instrument), fill.side.sign * fill.notional)

    def _pay(self, currency: Currency, amount: Decimal) -> None:
        self.cash[currency] = self.cash_of(currency) - amount

    def _count_traded(self, event: OrderFilled) -> None:
        region = region_of(event.fill.instrument)
        currency, day = region.currency, local_date(region, event.at)
        if day != self._traded_on.get(currency):
            self._traded_on[currency] = day
            self._traded[currency] = self._charged[currency] = Decimal(0)
            self._traded_by[currency] = set()
        self._traded[currency] += event.fill.notional
        self._traded_by.setdefault(currency, set()).add(event.order)

    def _reprice(self, order: Order, amount: Decimal) -> None:
        side, instrument = order.intent.side, order.intent.instrument
        key = (order.intent.strategy, instrument)
        self.positions[instrument] = self.position(instrument).reprice(side, amount)
        self._by_strategy[key] = self.strategy_position(*key).reprice(side, amount)
        self._pay(currency_of(instrument), side.sign * amount)

    def _adopt(self, report: AccountReported) -> None:
        """The broker's books replace ours; what strategies realised so far is kept."""
        held = {holding.instrument: holding for holding in report.holdings}
        for instrument, position in self.positions.items():
            if instrument not in held and report.tells_of(currency_of(instrument)):
                self.positions[instrument] = replace(position, quantity=0, cost=Decimal(0))
        for instrument, holding in held.items():
            self.positions[instrument] = replace(
                self.position(instrument), quantity=holding.quantity, cost=holding.cost
            )
        self.cash = _untold(self.cash, report) | dict(report.cash)
        # The day is kept: what traded before is in the cash taken over, costs and all.
        self._traded = dict.fromkeys(self._traded, Decimal(0)) | _untold(self._traded, report)
        self._traded_by = _untold(self._traded_by, report)
        self._charged = dict.fromkeys(self._charged, Decimal(0)) | _untold(self._charged, report)
        self.opened = True
        for instrument in self.positions:
            self._trim_shares(instrument)

    def _trim_shares(self, instrument: InstrumentId) -> None:
        """Strategies cannot hold more of an instrument than the account does."""
        excess = -self.positions[instrument].quantity
        for (_, traded), position in self._by_strategy.items():
            excess += position.quantity if traded == instrument else 0
        for key in sorted(each for each in self._by_strategy if each[1] == instrument):
            position = self._by_strategy[key]
            lost = min(excess, position.quantity)
            if lost > 0:
                cost = position.cost * (position.quantity - lost) / position.quantity
                kept = replace(position, quantity=position.quantity - lost, cost=cost)
                self._by_strategy[key] = kept
                excess -= lost


def _untold(kept: Mapping[Currency, T], report: AccountReported) -> dict[Currency, T]:
    return {each: value for each, value in kept.items() if not report.tells_of(each)}


def order_keys(order: Order) -> list[OrderKey]:
    """Every number of an order at the broker."""
    if not order.refs:
        return []
    region = region_of(order.intent.instrument)
    return [(region, ref.day, ref.number) for ref in order.refs]


def _after(known: Order | None, event: OrderEvent) -> Order:
    if isinstance(event, OrderCreated):
        if known is not None:
            raise InvariantBroken(f"order {event.order} was created twice")
        return order_life.create(event)
    if known is None:
        raise InvariantBroken(f"{type(event).__name__} of unknown order {event.order}")
    return order_life.apply(known, event)
