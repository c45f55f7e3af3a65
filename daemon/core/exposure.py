"""What the account would own and owe if everything open, and all approved so far, filled."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from daemon.core.events import OrderIntent
from daemon.core.limits import PriceView, Rates
from daemon.core.orders import Order, OrderState
from daemon.core.portfolio import PortfolioView
from daemon.core.values import (
    Currency,
    InstrumentId,
    OrderId,
    Session,
    Side,
    StrategyId,
    currency_of,
)


def committed_price(order: Order, quotes: PriceView) -> Decimal | None:
    """The most an open purchase can cost a share, a new price under way included."""
    if order.limit is not None:
        return max(order.limit, order.asked_limit or order.limit)
    return unlimited_price(order.intent, quotes)


def unlimited_price(intent: OrderIntent, quotes: PriceView) -> Decimal | None:
    """The most a share can cost, or what it is sold for, without a limit.

    KIS reserves a market buy at the upper limit (measured: price 1,252 reserved 1,627). A sale
    costs nothing and is sized at the last price, and so is what trades at a closing price: the
    last price is that close.
    """
    at_close = intent.session in (Session.PREVIOUS_CLOSE, Session.CLOSING_PRICE)
    if intent.side is Side.BUY and not at_close:
        return quotes.upper_limit(intent.instrument)
    return quotes.last_price(intent.instrument)


class Exposure:
    """The worst case of one account, judged order by order.

    Everything sent, unknown or waiting counts as if it were going to fill. `unpriced` is an open
    purchase whose cost nobody can tell.
    """

    def __init__(
        self, portfolio: PortfolioView, quotes: PriceView, rates: Rates, now: datetime
    ) -> None:
        self.unpriced: OrderId | None = None
        self.new: list[OrderIntent] = []
        self.open_orders = 0
        self._portfolio = portfolio
        self._quotes = quotes
        self._rates = rates
        self._now = now
        self._waiting = 0
        self._cash = dict(portfolio.cash)
        self._bought: dict[InstrumentId, int] = {}
        self._bought_by: dict[tuple[StrategyId, InstrumentId], int] = {}
        self._on_sale: dict[InstrumentId, int] = {}
        self._on_sale_by: dict[tuple[StrategyId, InstrumentId], int] = {}
        self._dearest: dict[InstrumentId, Decimal] = {}
        self._open_by: dict[StrategyId, int] = {}
        for order in portfolio.open_orders():
            self._count(order)

    def _count(self, order: Order) -> None:
        intent = order.intent
        self._count_open(intent.strategy)
        if order.state is OrderState.CREATED:
            self._waiting += 1
        if intent.side is Side.SELL:
            self._add_sale(intent.strategy, intent.instrument, order.remaining)
            return
        price = committed_price(order, self._quotes)
        if price is None:
            self.unpriced = order.id
        else:
            self._add_purchase(intent.strategy, intent.instrument, order.remaining, price)

    def add(self, intent: OrderIntent, price: Decimal) -> None:
        """Count an intent that was approved; a purchase costs at most `price` a share."""
        self.new.append(intent)
        self._waiting += 1
        self._count_open(intent.strategy)
        if intent.side is Side.BUY:
            self._add_purchase(intent.strategy, intent.instrument, intent.quantity, price)
        else:
            self._add_sale(intent.strategy, intent.instrument, intent.quantity)

    def sends(self, seconds: float) -> int:
        """Orders and new prices of the last `seconds`, with those that have yet to leave."""
        return self._portfolio.activity.orders.within(self._now, seconds) + self._waiting

    def sends_of_the_day(self) -> int:
        """The same of this day of limits."""
        return self._portfolio.activity.orders.on_day_of(self._now) + self._waiting

    def open_of(self, strategy: StrategyId) -> int:
        """How many orders of a strategy may be alive."""
        return self._open_by.get(strategy, 0)

    def cash(self, currency: Currency) -> Decimal:
        """What may still be spent in a currency."""
        return self._cash.get(currency, Decimal(0))

    def sellable(self, instrument: InstrumentId) -> int:
        """Shares held and not on sale."""
        return self._portfolio.position(instrument).quantity - self._on_sale.get(instrument, 0)

    def sellable_by(self, strategy: StrategyId, instrument: InstrumentId) -> int:
        """What of them a strategy may sell: what no strategy bought may be sold by any, once, and
        what another bought is the other's alone."""
        on_sale = self._on_sale_by
        theirs = sum(
            max(self._portfolio.strategy_position(*key).quantity, on_sale.get(key, 0))
            for key in {*self._portfolio.owned(), *on_sale}
            if key[1] == instrument and key[0] != strategy
        )
        held = self._portfolio.position(instrument).quantity
        return held - on_sale.get((strategy, instrument), 0) - theirs

    def position_worth(
        self, instrument: InstrumentId, more: int = 0, price: Decimal | None = None
    ) -> Decimal | None:
        """KRW that the account's position may come to, with `more` shares bought at `price`.

        `None` without a rate, here and below.
        """
        shares = self._portfolio.position(instrument).quantity + self._bought.get(instrument, 0)
        return self._worth(instrument, shares + more, price)

    def account_worth(
        self, instrument: InstrumentId, more: int = 0, price: Decimal | None = None
    ) -> Decimal | None:
        """KRW that all positions may come to together, with `more` of one at `price`."""
        others = (self._portfolio.positions.keys() | self._bought.keys()) - {instrument}
        return _sum(
            [self.position_worth(instrument, more, price), *map(self.position_worth, others)]
        )

    def strategy_worth(
        self,
        strategy: StrategyId,
        instrument: InstrumentId,
        more: int = 0,
        price: Decimal | None = None,
    ) -> Decimal | None:
        """KRW that what one strategy holds and buys may come to, with `more` of one at `price`."""

        def shares(each: InstrumentId) -> int:
            held = self._portfolio.strategy_position(strategy, each).quantity
            return held + self._bought_by.get((strategy, each), 0)

        owned = {*self._portfolio.owned(), *self._bought_by}
        others = {each for owner, each in owned if owner == strategy} - {instrument}
        own = self._worth(instrument, shares(instrument) + more, price)
        return _sum([own, *(self._worth(each, shares(each)) for each in others)])

    def value(self, instrument: InstrumentId, amount: Decimal) -> Decimal | None:
        """KRW of an amount in the instrument's currency; `None` without a rate."""
        rate = self._rates.rate(currency_of(instrument))
        return None if rate is None else amount * rate

    def _worth(
        self, instrument: InstrumentId, shares: int, price: Decimal | None = None
    ) -> Decimal | None:
        """At the dearest it may trade: what is being paid for some of it is what all of it may
        be worth."""
        if shares <= 0:
            return Decimal(0)
        last = self._quotes.last_price(instrument)
        if last is None:
            last = self._portfolio.position(instrument).average_price or Decimal(0)
        dearest = max(last, self._dearest.get(instrument, last), price or last)
        return self.value(instrument, shares * dearest)

    def _count_open(self, strategy: StrategyId) -> None:
        self.open_orders += 1
        self._open_by[strategy] = self._open_by.get(strategy, 0) + 1

    def _add_purchase(
        self, strategy: StrategyId, instrument: InstrumentId, quantity: int, price: Decimal
    ) -> None:
        self._pay(instrument, price * quantity)
        self._expect(instrument, price)
        self._bought[instrument] = self._bought.get(instrument, 0) + quantity
        key = (strategy, instrument)
        self._bought_by[key] = self._bought_by.get(key, 0) + quantity

    def _add_sale(self, strategy: StrategyId, instrument: InstrumentId, quantity: int) -> None:
        self._on_sale[instrument] = self._on_sale.get(instrument, 0) + quantity
        key = (strategy, instrument)
        self._on_sale_by[key] = self._on_sale_by.get(key, 0) + quantity

    def _pay(self, instrument: InstrumentId, amount: Decimal) -> None:
        currency = currency_of(instrument)
        self._cash[currency] = self.cash(currency) - amount

    def _expect(self, instrument: InstrumentId, price: Decimal) -> None:
        self._dearest[instrument] = max(price, self._dearest.get(instrument, price))


def _sum(parts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for part in parts:
        if part is None:
            return None
        total += part
    return total
