"""Profit net of costs, by strategy and for the account: a fold of the same facts as the portfolio.

Profit is by average cost. A strategy's average is of the shares it bought itself, the account's of
all shares, so what is REALISED may differ between them while anything is held by two strategies.
What is realised and unrealised together adds up exactly, and so do the costs.
The costs of a purchase count when it is made, not when the shares are sold.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from daemon.core.costs import Costs, CostSchedule, Listing, Traded
from daemon.core.events import (
    AccountReported,
    CostsCharged,
    Event,
    Fill,
    OrderCreated,
    OrderFilled,
    OrderRepriced,
)
from daemon.core.portfolio import ORDER_LIFE, Position
from daemon.core.settlement import SettlementBook, TradingDays, in_won, settlement_day
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

ZERO = Decimal(0)
KEPT_DAYS = 10
"""How many of the last days that traded keep their figures for a comparison with the broker's."""

SETTLED_KEPT = timedelta(days=7)
"""How long single settlement days are remembered once they are past."""

_GIVEN = frozenset({"schedule", "_calendars", "_listing_of"})
"""What a book is made with, and no fact changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profit:
    """What trading brought in one currency. `unpriced` instruments are held and have no price:
    their shares count at cost."""

    realised: Decimal
    unrealised: Decimal
    costs: Costs
    unpriced: tuple[InstrumentId, ...] = ()

    @property
    def gross(self) -> Decimal:
        """Before costs."""
        return self.realised + self.unrealised

    @property
    def net(self) -> Decimal:
        """After costs."""
        return self.gross - self.costs.total


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTrades:
    """What the account traded in one instrument on one day, in the instrument's currency.

    `realised` is before costs, against the account's average cost at each sale. `orders` traded
    that day: the rounding of their costs is counted by them.
    """

    currency: Currency
    bought: int = 0
    spent: Decimal = Decimal(0)
    sold: int = 0
    proceeds: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)
    buy_costs: Costs
    sell_costs: Costs
    orders: int = 0

    @property
    def costs(self) -> Costs:
        """Of purchases and sales together."""
        return self.buy_costs + self.sell_costs


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """Whose order it is and what it traded on the last day it did, with the costs counted."""

    strategy: StrategyId
    instrument: InstrumentId
    side: Side
    since: date
    traded: Traded | None = None
    costs: Costs | None = None


class ProfitBook:
    """Positions, costs and settlements of one account, by strategy and by day.

    `listing_of` tells how an instrument is taxed. `basis` names all that its figures depend on
    beside the facts. Give it every fact in order, from the journal's first on; it may be asked at
    any time.
    """

    def __init__(
        self,
        schedule: CostSchedule,
        days: Mapping[Region, TradingDays],
        listing_of: Callable[[InstrumentId], Listing] = lambda instrument: Listing(),
        basis: str = "",
    ) -> None:
        self.basis = basis
        self.settlements = SettlementBook()
        self.charged: dict[Currency, Decimal] = {}
        """What the broker's cash showed as charged: the costs of the same trades by its account."""
        self.unknown: dict[InstrumentId, str] = {}
        """Instruments that do not count in full, and why."""
        self.schedule = schedule
        self._calendars = dict(days)
        self._listing_of = listing_of
        self._account: dict[InstrumentId, Position] = {}
        self._strategies: dict[tuple[StrategyId, InstrumentId], Position] = {}
        self._costs: dict[tuple[StrategyId, InstrumentId], Costs] = {}
        self._orders: dict[OrderId, KnownOrder] = {}
        self._days: dict[date, dict[InstrumentId, DayTrades]] = {}

    def apply(self, event: Event) -> None:
        """Take one fact in. Never raises: what cannot be counted in full is in `unknown`."""
        match event:
            case OrderCreated():
                wish = event.intent
                self._orders[event.order] = KnownOrder(
                    wish.strategy, wish.instrument, wish.side, event.at.date()
                )
            case OrderFilled():
                self._trade(event.order, event.fill)
            case OrderRepriced():
                self._reprice(event)
            case CostsCharged():
                self._charge(event)
            case AccountReported():
                self._adopt(event)
            case _:
                pass

    def image(self) -> dict[str, Any]:
        """All it remembers, by name: not copied, and good until the next fact."""
        told = vars(self)
        return {name: told[name] for name in told.keys() - _GIVEN}

    def restore(self, image: Mapping[str, Any]) -> None:
        """Remember what another book of the same `basis` did, and nothing else."""
        vars(self).update(image)

    # What it says

    def of_strategies(
        self, prices: Mapping[InstrumentId, Decimal]
    ) -> dict[StrategyId, dict[Currency, Profit]]:
        """The profit of every strategy that ever traded, by currency, at these prices."""
        owners = sorted({strategy for strategy, _ in self._strategies})
        return {owner: self._sum(self._lines(owner), prices) for owner in owners}

    def of_account(self, prices: Mapping[InstrumentId, Decimal]) -> dict[Currency, Profit]:
        """The profit of everything traded or held, by currency, at these prices.

        Shares that were there before count from what the broker said they had cost.
        """
        costs: dict[InstrumentId, Costs] = {}
        for (_, instrument), charged in self._costs.items():
            before = costs.get(instrument)
            costs[instrument] = charged if before is None else before + charged
        lines = ((held, costs.get(held.instrument)) for held in self._account.values())
        return self._sum(lines, prices)

    def of_day(self, region: Region, day: date) -> dict[InstrumentId, DayTrades]:
        """What the account traded in a region on a day of its own; `KEPT_DAYS` are kept."""
        return {
            instrument: trades
            for instrument, trades in self._days.get(day, {}).items()
            if region_of(instrument) is region
        }

    def days(self, region: Region) -> list[date]:
        """The days of which `of_day` still tells something in a region, oldest first."""
        return [day for day in sorted(self._days) if self.of_day(region, day)]

    def instruments(self) -> list[InstrumentId]:
        """Everything ever traded or held."""
        return sorted(self._account)

    def prices(
        self, last_price: Callable[[InstrumentId], Decimal | None]
    ) -> dict[InstrumentId, Decimal]:
        """The last prices of its instruments, as far as `last_price` knows them."""
        told = {each: last_price(each) for each in self.instruments()}
        return {each: price for each, price in told.items() if price is not None}

    def position(self, instrument: InstrumentId) -> Position:
        """The account's position as this book counts it."""
        return self._account.get(instrument) or Position(instrument=instrument)

    def strategy_position(self, strategy: StrategyId, instrument: InstrumentId) -> Position:
        """A strategy's position as this book counts it: below zero where it sold what no strategy
        had bought, so that its profit is held against what those shares would be worth now."""
        return self._strategies.get((strategy, instrument)) or Position(instrument=instrument)

    def _lines(self, owner: StrategyId) -> Iterable[tuple[Position, Costs | None]]:
        for (strategy, instrument), held in self._strategies.items():
            if strategy == owner:
                yield held, self._costs.get((strategy, instrument))

    def _sum(
        self,
        lines: Iterable[tuple[Position, Costs | None]],
        prices: Mapping[InstrumentId, Decimal],
    ) -> dict[Currency, Profit]:
        found: dict[Currency, Profit] = {}
        for held, costs in lines:
            currency = currency_of(held.instrument)
            before = found.get(currency) or Profit(
                realised=Decimal(0), unrealised=Decimal(0), costs=Costs(currency=currency)
            )
            price = prices.get(held.instrument)
            unpriced = held.quantity != 0 and price is None
            worth = held.cost if price is None else held.quantity * price
            found[currency] = Profit(
                realised=before.realised + held.realised,
                unrealised=before.unrealised + worth - held.cost,
                costs=before.costs if costs is None else before.costs + costs,
                unpriced=before.unpriced + ((held.instrument,) if unpriced else ()),
            )
        return found

    # What happens to it

    def _day_of(self, fill: Fill) -> date:
        """The trade day; without a calendar for the region, the date in UTC."""
        days = self._calendars.get(region_of(fill.instrument))
        at = fill.exchange_time
        return at.date() if days is None else days.local_date(at)

    def _trade(self, order: OrderId, fill: Fill) -> None:
        known, day = self._orders.get(order), self._day_of(fill)
        if known is None:
            self.unknown[fill.instrument] = f"order {order} traded and is not remembered"
            return
        before = known.traded
        if before is None or before.day != day:
            self._forget(day)
            before = Traded(
                instrument=known.instrument, side=known.side, day=day, quantity=0, notional=ZERO
            )
            known = replace(known, traded=before, costs=None)
        realised = self._move(known, lambda held: held.apply(fill))
        traded = replace(
            before,
            quantity=before.quantity + fill.quantity,
            notional=before.notional + fill.notional,
        )
        self._count(order, known, traded)
        orders = 1 if before.quantity == 0 else 0
        self._note(traded, fill.quantity, fill.notional, realised, orders=orders)

    def _reprice(self, event: OrderRepriced) -> None:
        known = self._orders.get(event.order)
        before = None if known is None else known.traded
        if known is None or before is None:
            return
        realised = self._move(known, lambda held: held.reprice(known.side, event.amount))
        traded = replace(before, notional=before.notional + event.amount)
        self._count(event.order, known, traded)
        self._note(traded, 0, event.amount, realised, orders=0)

    def _move(self, known: KnownOrder, moved: Callable[[Position], Position]) -> Decimal:
        """Move both positions; returns what the account realised by it."""
        key = (known.strategy, known.instrument)
        self._strategies[key] = moved(self.strategy_position(*key))
        before = self.position(known.instrument)
        self._account[known.instrument] = after = moved(before)
        return after.realised - before.realised

    def _count(self, order: OrderId, known: KnownOrder, traded: Traded) -> None:
        """Bring the costs of an order's day up to what it has traded by now, and the money due."""
        assert known.traded is not None, "an order is counted on the day it trades"
        currency = currency_of(known.instrument)
        nothing = Costs(currency=currency)
        costs = self._costs_of(traded)
        more = costs - (known.costs or nothing)
        key = (known.strategy, known.instrument)
        self._costs[key] = self._costs.get(key, nothing) + more
        day = self._of_day(traded)
        if known.side is Side.BUY:
            day = replace(day, buy_costs=day.buy_costs + more)
        else:
            day = replace(day, sell_costs=day.sell_costs + more)
        self._days[traded.day][known.instrument] = day
        paid = known.side.sign * (traded.notional - known.traded.notional) + more.total
        self._settle(traded, currency, -paid)
        self._orders[order] = replace(known, traded=traded, costs=costs)

    def _costs_of(self, traded: Traded) -> Costs:
        try:
            return self.schedule.of_order(traded, self._listing_of(traded.instrument))
        except ValueError as error:
            self.unknown[traded.instrument] = str(error)
            return Costs(currency=currency_of(traded.instrument))

    def _settle(self, traded: Traded, currency: Currency, amount: Decimal) -> None:
        """Note when the money is due: at once, if nothing is known of the region's settlement."""
        region = region_of(traded.instrument)
        settles = traded.day
        try:
            settles = settlement_day(region, traded.day, self._calendars[region])
        except (KeyError, ValueError):
            self.unknown.setdefault(traded.instrument, f"no settlement of {region.value} is known")
        self.settlements.add(currency, settles, amount)

    def _forget(self, day: date) -> None:
        """Let go of what is too old to be heard of again: orders, and days that have settled."""
        if day in self._days:
            return
        self.settlements.prune(day - SETTLED_KEPT)
        gone = [name for name, known in self._orders.items() if day - known.since > ORDER_LIFE]
        for name in gone:
            del self._orders[name]

    def _of_day(self, traded: Traded) -> DayTrades:
        kept = self._days.setdefault(traded.day, {})
        for past in sorted(self._days)[:-KEPT_DAYS]:
            if past != traded.day:
                del self._days[past]
        currency = currency_of(traded.instrument)
        nothing = Costs(currency=currency)
        return kept.get(traded.instrument) or DayTrades(
            currency=currency, buy_costs=nothing, sell_costs=nothing
        )

    def _note(
        self, traded: Traded, quantity: int, notional: Decimal, realised: Decimal, *, orders: int
    ) -> None:
        day = self._of_day(traded)
        day = replace(day, realised=day.realised + realised, orders=day.orders + orders)
        if traded.side is Side.BUY:
            day = replace(day, bought=day.bought + quantity, spent=day.spent + notional)
        else:
            day = replace(day, sold=day.sold + quantity, proceeds=day.proceeds + notional)
        self._days[traded.day][traded.instrument] = day

    def _charge(self, event: CostsCharged) -> None:
        """The costs are counted by the schedule already: this only says what the broker took."""
        currency = event.currency
        self.charged[currency] = self.charged.get(currency, Decimal(0)) + event.amount

    def _adopt(self, report: AccountReported) -> None:
        """The broker's books replace the positions, as in the portfolio; profit so far is kept."""
        self.settlements.open(
            report.cash, None if report.region is None else report.region.currency
        )
        held = {holding.instrument: holding for holding in report.holdings}
        for instrument in self._account.keys() | held.keys():
            if not report.tells_of(currency_of(instrument)):
                continue
            holding = held.get(instrument)
            self._account[instrument] = replace(
                self.position(instrument),
                quantity=holding.quantity if holding else 0,
                cost=holding.cost if holding else Decimal(0),
            )
            self._trim(instrument)

    def _trim(self, instrument: InstrumentId) -> None:
        """Strategies cannot hold more of an instrument than the account does."""
        keys = sorted(each for each in self._strategies if each[1] == instrument)
        excess = sum(max(self._strategies[key].quantity, 0) for key in keys)
        excess -= self._account[instrument].quantity
        for key in keys:
            held = self._strategies[key]
            lost = min(excess, held.quantity)
            if lost > 0:
                kept = held.quantity - lost
                cost = held.cost * kept / held.quantity
                self._strategies[key] = replace(held, quantity=kept, cost=cost)
                excess -= lost


def net_in_won(profits: Mapping[Currency, Profit], rates: Mapping[Currency, Decimal]) -> Decimal:
    """What is left in all currencies together, in KRW at `rates` (KRW for one unit of each).

    What changing the money would cost is not taken off: see `CostSchedule.of_exchange`. Raises
    `ValueError` for a currency without a rate.
    """
    return in_won({currency: told.net for currency, told in profits.items()}, rates)
