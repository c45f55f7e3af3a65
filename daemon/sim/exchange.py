"""The simulated exchange: takes orders, matches them, moves cash and shares, reports facts.

Pure: time comes in as `now`. It knows nothing of KIS, sessions' hours or how facts travel.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from daemon.core.calendar import Phase
from daemon.core.values import Side
from daemon.sim.book import Book, Resting
from daemon.sim.charges import Charge, Tariff
from daemon.sim.facts import (
    Action,
    Condition,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderFact,
    OrderFilled,
    OrderModified,
    OrderRejected,
    OrderRequest,
    Print,
    Refusal,
    RefusalReason,
    RestDropped,
)
from daemon.sim.ledgers import CROWD, Account
from daemon.sim.rules import KOREAN, Rules

CROWD_CASH = Decimal(10) ** 15
CROWD_SHARES = 1_000_000_000
"""What the crowd owns of cash and of each symbol at first: it never runs out of either."""


class Stock:
    """One symbol's trading day: its book, its limits and its last price."""

    def __init__(self, code: str, base: Decimal, rules: Rules = KOREAN) -> None:
        self.code = code
        self._rules = rules
        self.book = Book()
        self.begin_day(base)

    def begin_day(self, base: Decimal) -> None:
        """Start a day from the price `base` with an empty book."""
        self.base = base
        self.last = base
        self.lower, self.upper = self._rules.limits(base)
        self.book.clear()


class Exchange:
    """Accounts, books and orders. `facts` and `prints` collect until the caller drains them.

    `settles` is when the trades of the day are paid, which decides their taxes. Without `charges`
    there are none.
    """

    def __init__(
        self,
        bases: Mapping[str, Decimal],
        accounts: Iterable[Account],
        rules: Rules = KOREAN,
        charges: Tariff | None = None,
    ) -> None:
        self.rules = rules
        self.stocks = {code: Stock(code, base, rules) for code, base in bases.items()}
        self.accounts = {account.name: account for account in accounts}
        self.crowd = Account(CROWD, CROWD_CASH)
        for code in self.stocks:
            self.crowd.holding(code).quantity = CROWD_SHARES
        self.orders: dict[int, Order] = {}
        self.next_number = rules.first_number
        self.charges = charges
        self.day = self.settles = date.min
        self.phase = Phase.CLOSED
        self.facts: list[OrderFact] = []
        self.prints: list[Print] = []
        self._standing: dict[int, Resting] = {}

    # What accounts may ask

    def place(self, request: OrderRequest, now: datetime, *, reject: bool = False) -> Order:
        """Take a new order and trade what can trade; raises `Refusal` without any effect.

        With `reject` the order gets a number and is then refused by the exchange, as happens
        when the broker's own checks were too lenient.
        """
        stock = self._check_request(request)
        order = self._register(request, now, Action.NEW, None)
        if reject:
            order.refused = request.quantity
            self.facts.append(OrderRejected(order=order, at=now))
            return order
        self._reserve(order, request.quantity)
        self.facts.append(OrderAccepted(order=order, at=now))
        self._enter(stock, order, now)
        return order

    def modify(
        self, number: int, request: OrderRequest, now: datetime, *, everything: bool
    ) -> Order:
        """Give part or all of an open order a new price and a new number.

        `request.quantity` counts only without `everything`. Raises `Refusal` without effect.
        """
        original = self._open_order(number, request.account)
        quantity = original.remaining if everything else request.quantity
        wanted = _with_quantity(request, quantity)
        self._check_part(original, quantity)
        stock = self._check_form(wanted)
        self._release(original, quantity)
        try:
            self._check_means(wanted, stock)
        except Refusal:
            self._reserve(original, quantity)
            raise
        self._withdraw(original, quantity)
        original.moved += quantity
        order = self._register(wanted, now, Action.MODIFY, number)
        self._reserve(order, quantity)
        self.facts.append(OrderModified(order=order, quantity=quantity, at=now))
        self._enter(stock, order, now)
        return order

    def cancel(
        self, number: int, request: OrderRequest, now: datetime, *, everything: bool
    ) -> Order:
        """Take back part or all of an open order; returns the cancel request's own order.

        Raises `Refusal` without effect.
        """
        original = self._open_order(number, request.account)
        quantity = original.remaining if everything else request.quantity
        self._check_part(original, quantity)
        if self.phase is Phase.CLOSED:
            raise Refusal(RefusalReason.AFTER_HOURS)
        self._release(original, quantity)
        self._withdraw(original, quantity)
        original.cancelled += quantity
        order = self._register(_with_quantity(request, quantity), now, Action.CANCEL, number)
        self.facts.append(OrderCancelled(order=order, original=original, quantity=quantity, at=now))
        return order

    # What the crowd may do

    def crowd_add(self, code: str, side: Side, price: Decimal, quantity: int) -> Resting | None:
        """Let the crowd stand at `price`; `None` when that price would trade at once."""
        book = self.stocks[code].book
        opposite = book.best(Side.SELL if side is Side.BUY else Side.BUY)
        if self.phase is Phase.CONTINUOUS and opposite is not None:
            if side is Side.BUY and price >= opposite:
                return None
            if side is Side.SELL and price <= opposite:
                return None
        resting = Resting(CROWD, side, price, quantity)
        book.add(resting)
        return resting

    def crowd_take(
        self, code: str, side: Side, limit: Decimal, quantity: int, now: datetime
    ) -> int:
        """Let the crowd trade up to `quantity` shares at once; returns the shares traded."""
        return self._trade(self.stocks[code], CROWD, side, limit, quantity, None, now)

    # What the day brings

    def begin_day(
        self, day: date, bases: Mapping[str, Decimal], settles: date | None = None
    ) -> None:
        """Start a trading day with new base prices; nothing of the day before may stand."""
        assert not self._standing, "the day before was not closed"
        self.day, self.settles = day, settles or day
        for account in self.accounts.values():
            account.begin_day()
        for code, base in bases.items():
            self.stocks[code].begin_day(base)

    def uncross(self, now: datetime) -> None:
        """End an auction: trade every book at its single price."""
        for stock in self.stocks.values():
            clearing = stock.book.clearing(stock.last)
            if clearing is None:
                continue
            for cross in stock.book.uncross(clearing):
                for resting in (cross.buyer, cross.seller):
                    self._settle(stock, resting, clearing.price, cross.quantity, now)
            stock.last = clearing.price
            self.prints.append(Print(stock.code, clearing.price, clearing.quantity, None, now))
        self._lower_market_rests()

    def close_day(self) -> None:
        """Every open order dies without a word and gives back what it reserved."""
        for number in list(self._standing):
            order = self.orders[number]
            self._release(order, order.remaining)
            order.expired = True
        self._standing.clear()
        for stock in self.stocks.values():
            stock.book.clear()
        self.phase = Phase.CLOSED

    # What can be read

    def open_orders(self, account: str) -> list[Order]:
        """The account's orders standing in the book, oldest first."""
        found = (self.orders[number] for number in sorted(self._standing))
        return [order for order in found if order.request.account == account]

    def totals(self) -> tuple[Decimal, dict[str, int]]:
        """Cash, with what was charged, and shares per symbol over everybody: they never change."""
        everybody = [self.crowd, *self.accounts.values()]
        cash = sum((account.cash + account.charged_ever for account in everybody), Decimal(0))
        shares = {
            code: sum(a.holdings[code].quantity for a in everybody if code in a.holdings)
            for code in self.stocks
        }
        return cash, shares

    def with_commission(self, amount: Decimal) -> Decimal:
        """What a purchase of `amount` takes of an account's cash, at most."""
        return amount if self.charges is None else amount * (1 + self.charges.commission)

    # Checks

    def _check_request(self, request: OrderRequest) -> Stock:
        stock = self._check_form(request)
        self._check_means(request, stock)
        return stock

    def _check_form(self, request: OrderRequest) -> Stock:
        stock = self.stocks.get(request.code)
        if stock is None:
            raise Refusal(RefusalReason.UNKNOWN_SYMBOL)
        if self.phase is Phase.CLOSED:
            raise Refusal(RefusalReason.AFTER_HOURS)
        if request.quantity <= 0:
            raise Refusal(RefusalReason.QUANTITY)
        if request.condition is not Condition.NONE and self.phase is not Phase.CONTINUOUS:
            raise Refusal(RefusalReason.AUCTION_TYPE)
        if request.price is not None:
            within = not self.rules.limited or stock.lower <= request.price <= stock.upper
            if request.price <= 0 or not within:
                raise Refusal(RefusalReason.PRICE_LIMIT)
            if not self.rules.is_valid(request.price):
                raise Refusal(RefusalReason.PRICE_STEP)
        return stock

    def _check_means(self, request: OrderRequest, stock: Stock) -> None:
        account = self.accounts[request.account]
        if request.side is Side.BUY:
            price = stock.upper if request.price is None else request.price
            if self.with_commission(price * request.quantity) > account.orderable:
                raise Refusal(RefusalReason.FUNDS)
            return
        holding = account.holdings.get(request.code)
        if holding is None or request.quantity > holding.sellable:
            raise Refusal(RefusalReason.HOLDINGS)

    def _open_order(self, number: int, account: str) -> Order:
        order = self.orders.get(number)
        if order is None or order.request.account != account or order.day != self.day:
            raise Refusal(RefusalReason.NO_ORIGINAL)
        if not order.is_open:
            raise Refusal(RefusalReason.NOTHING_LEFT)
        return order

    def _check_part(self, original: Order, quantity: int) -> None:
        if quantity <= 0:
            raise Refusal(RefusalReason.QUANTITY)
        if quantity > original.remaining:
            raise Refusal(RefusalReason.TOO_MANY)

    # Acts

    def _register(
        self, request: OrderRequest, now: datetime, action: Action, original: int | None
    ) -> Order:
        order = Order(
            number=self.next_number,
            day=self.day,
            at=now,
            request=request,
            action=action,
            original=original,
        )
        self.next_number += 1
        self.orders[order.number] = order
        return order

    def _reserve(self, order: Order, quantity: int) -> None:
        account = self.accounts[order.request.account]
        if order.request.side is Side.BUY:
            account.reserved += self.with_commission(self._reserve_price(order) * quantity)
        else:
            account.holding(order.request.code).reserved += quantity

    def _release(self, order: Order, quantity: int) -> None:
        self._reserve(order, -quantity)

    def _reserve_price(self, order: Order) -> Decimal:
        price = order.request.price
        return self.stocks[order.request.code].upper if price is None else price

    def _enter(self, stock: Stock, order: Order, now: datetime) -> None:
        request = order.request
        limit = request.price
        if limit is None:
            limit = stock.upper if request.side is Side.BUY else stock.lower
        if self.phase is Phase.CONTINUOUS:
            short = (
                request.condition is Condition.FOK
                and stock.book.available(request.side, limit, request.quantity) < request.quantity
            )
            if not short:
                self._trade(
                    stock, request.account, request.side, limit, request.quantity, order, now
                )
            if order.remaining and request.condition is not Condition.NONE:
                self._drop_rest(order, now)
            if request.price is None:
                # The rest of a market order waits at the price reached so far.
                limit = stock.last
        if order.remaining:
            resting = Resting(request.account, request.side, limit, order.remaining, order.number)
            self._standing[order.number] = resting
            stock.book.add(resting)

    def _drop_rest(self, order: Order, now: datetime) -> None:
        quantity = order.remaining
        self._release(order, quantity)
        order.cancelled += quantity
        self.facts.append(RestDropped(order=order, quantity=quantity, at=now))

    def _withdraw(self, order: Order, quantity: int) -> None:
        resting = self._standing[order.number]
        self.stocks[order.request.code].book.take(resting, quantity)
        if resting.remaining == 0:
            del self._standing[order.number]

    def _trade(
        self,
        stock: Stock,
        owner: str,
        side: Side,
        limit: Decimal,
        quantity: int,
        order: Order | None,
        now: datetime,
    ) -> int:
        traded = 0
        for maker, price, taken in stock.book.match(side, limit, quantity):
            traded += taken
            stock.last = price
            self.prints.append(Print(stock.code, price, taken, side, now))
            if maker.owner == CROWD and owner == CROWD:
                continue
            self._settle(stock, maker, price, taken, now)
            if order is None:
                self.crowd.settle(stock.code, side, price, taken)
            else:
                self._fill(order, price, taken, now)
        return traded

    def _settle(
        self, stock: Stock, resting: Resting, price: Decimal, quantity: int, now: datetime
    ) -> None:
        if resting.owner == CROWD:
            self.crowd.settle(stock.code, resting.side, price, quantity)
            return
        if resting.remaining == 0:
            self._standing.pop(resting.tag, None)
        self._fill(self.orders[resting.tag], price, quantity, now)

    def _lower_market_rests(self) -> None:
        """Market orders left over by an auction go on waiting at the price it made."""
        for number, resting in list(self._standing.items()):
            order = self.orders[number]
            stock = self.stocks[order.request.code]
            if order.request.price is None and resting.price != stock.last:
                stock.book.take(resting, resting.remaining)
                waiting = Resting(
                    resting.owner, resting.side, stock.last, order.remaining, resting.tag
                )
                self._standing[number] = waiting
                stock.book.add(waiting)

    def _fill(self, order: Order, price: Decimal, quantity: int, now: datetime) -> None:
        assert quantity <= order.remaining, "an order cannot fill beyond its quantity"
        self._release(order, quantity)
        request = order.request
        account = self.accounts[request.account]
        account.note(self.day, request.code, request.side, price, quantity)
        account.settle(request.code, request.side, price, quantity)
        charged = self._charged(order)
        order.filled += quantity
        order.notional += price * quantity
        now_charged = self._charged(order)
        if now_charged is not None and charged is not None:
            account.charge(
                self.day,
                request.code,
                request.side,
                now_charged.commission - charged.commission,
                now_charged.tax - charged.tax,
            )
        self.facts.append(OrderFilled(order=order, quantity=quantity, price=price, at=now))

    def _charged(self, order: Order) -> Charge | None:
        """What an order of today costs for what it has traded; `None` where nothing is charged."""
        if self.charges is None:
            return None
        side, notional = order.request.side, order.notional
        return self.charges.of(side, notional, order.filled, self.day, self.settles)


def _with_quantity(request: OrderRequest, quantity: int) -> OrderRequest:
    return OrderRequest(
        account=request.account,
        code=request.code,
        side=request.side,
        quantity=quantity,
        price=request.price,
        condition=request.condition,
        division=request.division,
        branch=request.branch,
        venue=request.venue,
        origin=request.origin,
    )
