"""A region's part of one account: its orders, holdings and cash, which the broker tells on its own.

The broker answers region by region, and what it says of one proves nothing of another.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from daemon.core.activity import Activity
from daemon.core.acts import Acts
from daemon.core.entries import Entries
from daemon.core.events import (
    AccountReported,
    DiscrepancyFound,
    ExternalOrderSeen,
    ProfitMarked,
    TradingState,
)
from daemon.core.orders import Order
from daemon.core.portfolio import OrderKey, PortfolioView, Position
from daemon.core.values import Currency, InstrumentId, OrderId, Region, StrategyId, market_of

ORDER_SUBJECT = "order "
"""What the subject of every discrepancy of an order begins with."""


def region_in_books(instrument: InstrumentId) -> Region | None:
    """Whose part an instrument belongs to, `None` for one nobody trades."""
    return market_of(instrument).region


class RegionView:
    """The read-only face of one region's part of a portfolio: see `PortfolioView`.

    Orders, positions, cash and discrepancies are those of the region; what belongs to no region,
    as where the kill switch is, is the account's. It always shows what is true now.
    """

    def __init__(self, whole: PortfolioView, region: Region) -> None:
        self._whole = whole
        self._region = region

    @property
    def orders(self) -> Mapping[OrderId, Order]:
        """The region's orders. Looking one up costs nothing, going over them goes over all."""
        return _Orders(self._whole, self._region)

    @property
    def positions(self) -> Mapping[InstrumentId, Position]:
        """The account's positions in the region, flat ones included."""
        return {each: held for each, held in self._whole.positions.items() if self._is_here(each)}

    @property
    def cash(self) -> Mapping[Currency, Decimal]:
        """The cash in the region's own currency, if its purse was ever heard of."""
        own = self._region.currency
        return {each: amount for each, amount in self._whole.cash.items() if each is own}

    @property
    def opened(self) -> bool:
        """Whether the account's books are."""
        return self._whole.opened

    @property
    def costs(self) -> Mapping[Currency, Decimal]:
        """All costs there ever were in the region's currency."""
        own = self._region.currency
        return {each: amount for each, amount in self._whole.costs.items() if each is own}

    @property
    def state(self) -> TradingState:
        """Where the account's kill switch is."""
        return self._whole.state

    @property
    def state_reason(self) -> str:
        """Why it is there."""
        return self._whole.state_reason

    @property
    def halted(self) -> str:
        """Why no order may pass; empty where some may."""
        return self._whole.halted

    @property
    def armed(self) -> bool:
        """Whether real money may be traded."""
        return self._whole.armed

    @property
    def discrepancies(self) -> Mapping[str, DiscrepancyFound]:
        """Those of the region."""
        return {
            subject: each
            for subject, each in self._whole.discrepancies.items()
            if region_of_subject(self._whole, subject) is self._region
        }

    @property
    def activity(self) -> Activity:
        """How much the whole account has done of late."""
        return self._whole.activity

    @property
    def acts(self) -> Acts:
        """What people asked of the whole account's daemon."""
        return self._whole.acts

    @property
    def entries(self) -> Entries:
        """Where purchases are barred; it knows its regions itself."""
        return self._whole.entries

    @property
    def profit_mark(self) -> ProfitMarked | None:
        """What the account's losses are measured from."""
        return self._whole.profit_mark

    @property
    def external(self) -> Mapping[OrderKey, ExternalOrderSeen]:
        """Orders by hand, everywhere: their keys name the region."""
        return self._whole.external

    def cash_of(self, currency: Currency) -> Decimal:
        """Trade-date cash, if it is the region's currency."""
        own = currency is self._region.currency
        return self._whole.cash_of(currency) if own else Decimal(0)

    def traded_of(self, currency: Currency) -> Decimal:
        """See `Portfolio.traded_of`."""
        return self._whole.traded_of(currency)

    def orders_traded_in(self, currency: Currency) -> int:
        """See `Portfolio.orders_traded_in`."""
        return self._whole.orders_traded_in(currency)

    def charged_of(self, currency: Currency) -> Decimal:
        """See `Portfolio.charged_of`."""
        return self._whole.charged_of(currency)

    def open_orders(self) -> list[Order]:
        """What may be alive at the broker in the region, oldest first."""
        return [each for each in self._whole.open_orders() if self._is_here(each.intent.instrument)]

    def orders_since(self, at: datetime) -> list[Order]:
        """The region's orders created after `at`, newest first."""
        since = self._whole.orders_since(at)
        return [each for each in since if self._is_here(each.intent.instrument)]

    def find(self, key: OrderKey) -> Order | None:
        """The order of ours under that number, if the number is of the region."""
        return self._whole.find(key) if key[0] is self._region else None

    def position(self, instrument: InstrumentId) -> Position:
        """The account's position."""
        return self._whole.position(instrument)

    def strategy_position(self, strategy: StrategyId, instrument: InstrumentId) -> Position:
        """The part of it that `strategy` traded."""
        return self._whole.strategy_position(strategy, instrument)

    def owned(self) -> Mapping[tuple[StrategyId, InstrumentId], Position]:
        """What each strategy traded in the region."""
        owned = self._whole.owned().items()
        return {key: position for key, position in owned if self._is_here(key[1])}

    def _is_here(self, instrument: InstrumentId) -> bool:
        return region_in_books(instrument) is self._region


class _Orders(Mapping[OrderId, Order]):
    def __init__(self, whole: PortfolioView, region: Region) -> None:
        self._all = whole.orders
        self._region = region

    def __getitem__(self, order_id: OrderId) -> Order:
        order = self._all[order_id]
        if not self._is_here(order):
            raise KeyError(order_id)
        return order

    def __iter__(self) -> Iterator[OrderId]:
        return (order_id for order_id, order in self._all.items() if self._is_here(order))

    def __len__(self) -> int:
        return sum(1 for order in self._all.values() if self._is_here(order))

    def _is_here(self, order: Order) -> bool:
        return region_in_books(order.intent.instrument) is self._region


def region_of_subject(portfolio: PortfolioView, subject: str) -> Region | None:
    """Whose part a discrepancy is of; `None` where its subject does not say, as in old journals."""
    kind, _, name = subject.partition(" ")
    try:
        match kind:
            case "order":
                order = portfolio.orders.get(OrderId(name))
                return None if order is None else region_in_books(order.intent.instrument)
            case "position":
                return region_in_books(InstrumentId(name))
            case "cash":
                return next(each for each in Region if each.currency == name)
    except (ValueError, StopIteration):
        pass
    return None


def joined(parts: Sequence[AccountReported], at: datetime) -> AccountReported:
    """The whole account, from the parts of all its regions; at least one is needed."""
    return AccountReported(
        account=parts[0].account,
        cash={currency: amount for part in parts for currency, amount in part.cash.items()},
        holdings=tuple(holding for part in parts for holding in part.holdings),
        rates={currency: rate for part in parts for currency, rate in part.rates.items()},
        at=at,
    )
