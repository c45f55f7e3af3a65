"""One country's simulated day: exchange, crowd, tape and calendar moved along by simulated time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from heapq import heapify, heapreplace

from daemon.core.calendar import MarketCalendar, Phase
from daemon.core.values import Level, Region, Session, Side
from daemon.sim.book import Clearing
from daemon.sim.charges import Tariff
from daemon.sim.crowd import DEPTH, Crowd
from daemon.sim.exchange import Exchange, Stock
from daemon.sim.facts import Order, OrderFact, Print, Refusal, RefusalReason
from daemon.sim.history import DailyBar, History
from daemon.sim.ledgers import Account
from daemon.sim.rules import KOREAN, Rules
from daemon.sim.sidebooks import SideBooks
from daemon.sim.tape import DayTape, Depth, Traded
from daemon.sim.universe import Listing

AFTER_CLOSE = timedelta(minutes=30)

LATE = timedelta(minutes=30)
"""How long after the close a late ledger books the day's trades (portal, for plain accounts)."""


@dataclass(frozen=True, slots=True)
class BookView:
    """Ten levels of a symbol as the venue shows them; in an auction also its expected price."""

    code: str
    asks: tuple[Level, ...]
    bids: tuple[Level, ...]
    total_ask: int
    total_bid: int
    volume: int
    expected: Clearing | None


class Market:
    """All that the exchange does by itself. `advance` first, then ask or place.

    `facts`, `trades`, `touched` (codes whose book changed) and `changes` of the phase collect
    until they are drained. The first day is one after `after`. Three are habits of the broker: with
    `told_twice` balances tell some holdings under a second exchange as well, with `late_ledger`
    those on the basis of trades have today's only `LATE` after the close, with
    `refused_by_reason` a list of orders does not call refused what was.
    """

    def __init__(
        self,
        *,
        listings: tuple[Listing, ...],
        accounts: Iterable[Account],
        calendar: MarketCalendar,
        start: datetime,
        seed: int,
        bases: Mapping[str, Decimal] | None = None,
        rules: Rules = KOREAN,
        after: date | None = None,
        told_twice: bool = False,
        late_ledger: bool = False,
        refused_by_reason: bool = False,
        charges: Tariff | None = None,
    ) -> None:
        self.rules = rules
        self.told_twice = told_twice
        self._late_ledger = late_ledger
        self.refused_by_reason = refused_by_reason
        self.listings = {listing.code: listing for listing in listings}
        self.calendar = calendar
        self.seed = seed
        self.now = start.astimezone(UTC)
        first = calendar.trading_day_on_or_after(self.today)
        if after is not None:
            first = max(first, calendar.next_trading_day(after))
        known = {listing.code: listing.base for listing in listings} | dict(bases or {})
        self.exchange = Exchange(known, accounts, rules, charges)
        self.sides = SideBooks(self.exchange, self.listings, calendar, seed)
        self.history = History(listings, known, calendar, first, seed, rules)
        self.tapes: dict[str, DayTape] = {}
        self.yesterday: dict[str, DailyBar] = {}
        self.trades: list[Traded] = []
        self.touched: set[str] = set()
        self.changes: list[Phase] = []
        self.days_begun = 0
        self._begin_day(first, known)

    # Time

    def advance(self, now: datetime) -> None:
        """Let everything happen that happens up to `now`."""
        now = now.astimezone(UTC)
        while self._boundary <= now:
            self._run_crowd(self._boundary)
            self.sides.advance(self._boundary)
            self.now = self._boundary
            self._cross_boundary()
        self._run_crowd(now)
        self.sides.advance(now)
        self.now = max(self.now, now)

    @property
    def day(self) -> date:
        """The trading day the exchange is in, or closed last."""
        return self.exchange.day

    @property
    def today(self) -> date:
        """The local calendar date."""
        return self.now.astimezone(self.rules.zone).date()

    @property
    def is_booked(self) -> bool:
        """Whether balances have the trades of the day the exchange is in, or closed last."""
        return not self._late_ledger or self.now >= self.calendar.close_at(self.day) + LATE

    @property
    def phase(self) -> Phase:
        """What the exchange does now."""
        return self.exchange.phase

    @property
    def local_time(self) -> str:
        """HHMMSS on the market's own clocks."""
        return self.now.astimezone(self.rules.zone).strftime("%H%M%S")

    # Reading

    def drain(self) -> tuple[list[OrderFact], list[Traded]]:
        """Order facts and trades since the last call, each in the order they happened."""
        self._take_prints()
        facts, trades = self.exchange.facts + self.sides.drain(), self.trades
        self.exchange.facts, self.trades = [], []
        return facts, trades

    def drain_touched(self) -> set[str]:
        """Codes whose book may have changed since the last call."""
        touched, self.touched = self.touched, set()
        return touched

    def drain_changes(self) -> list[Phase]:
        """The phases the exchange went into since the last call."""
        changes, self.changes = self.changes, []
        return changes

    def closes(self) -> dict[str, Decimal]:
        """The last price of every symbol."""
        return {code: stock.last for code, stock in self.exchange.stocks.items()}

    def view(self, code: str) -> BookView:
        """The book of `code` as the venue shows it; an auction hides what will trade."""
        self._take_prints()
        stock = (self.sides.awake(code) or self.exchange).stocks[code]
        book = stock.book
        asks, bids = book.levels(Side.SELL, DEPTH), book.levels(Side.BUY, DEPTH)
        expected = None
        if not self.trades_on(code):
            expected = book.clearing(stock.last)
        if expected is not None:
            asks = tuple(level for level in asks if level.price > expected.price)
            bids = tuple(level for level in bids if level.price < expected.price)
        return BookView(
            code=code,
            asks=asks,
            bids=bids,
            total_ask=book.total(Side.SELL),
            total_bid=book.total(Side.BUY),
            volume=self.tapes[code].volume,
            expected=expected,
        )

    def auction_price(self, code: str) -> Clearing:
        """What the running auction would make.

        Where the orders in the book do not meet, the crowd's are counted that it has yet to enter.
        """
        stock = self.exchange.stocks[code]
        crowd = self._crowds[list(self.listings).index(code)]
        return stock.book.clearing(stock.last) or crowd.auction_wish

    def trades_on(self, code: str) -> bool:
        """Whether a symbol trades continuously now, after hours too, as far as anybody is there."""
        return self.phase is Phase.CONTINUOUS or self.sides.awake(code) is not None

    def open_orders(self, account: str) -> list[Order]:
        """The account's orders standing in any session, oldest first."""
        books = (self.exchange, *self.sides.books())
        found = [order for book in books for order in book.open_orders(account)]
        return sorted(found, key=lambda order: order.number)

    def entrance(self, division: str, code: str) -> Exchange:
        """Where orders of a kind are entered and changed; raises `Refusal` outside its hours."""
        if division in self.sides.divisions:
            return self.sides.enter(division, code, self.now)
        self.check_hours()
        return self.exchange

    def check_hours(self) -> None:
        """Raise `Refusal` when no order may be entered now."""
        if not self.calendar.is_trading_day(self.today):
            raise Refusal(RefusalReason.CLOSED_DAY)
        if self.phase is Phase.CLOSED:
            before = self.now < self.calendar.open_at(self.today)
            raise Refusal(RefusalReason.BEFORE_HOURS if before else RefusalReason.AFTER_HOURS)

    # The day

    def _instant(self, day: date, seconds: float) -> datetime:
        midnight = datetime.combine(day, time(0), self.rules.zone).astimezone(UTC)
        return midnight + timedelta(seconds=seconds)

    def _begin_day(self, day: date, bases: Mapping[str, Decimal]) -> None:
        self.exchange.begin_day(day, bases, self.settles(day))
        self.days_begun += 1
        self._midnight = self._instant(day, 0)
        # When the after-market begins, as `local_time`.
        self.after_from = (self.calendar.close_at(day) + AFTER_CLOSE).strftime("%H%M%S")
        self.utc_offset = self.rules.offset_on(day)
        self.tapes = {code: DayTape(code, base) for code, base in bases.items()}
        self.yesterday = {code: self.history.last(code) for code in bases}
        self._crowds = [
            Crowd(listing, self.exchange, self.seed, day) for listing in self.listings.values()
        ]
        self._due: list[tuple[float, int]] = []
        spans = self.calendar.phases(day)
        self._boundaries = [(span.begins, span.phase) for span in spans]
        self._boundaries.append((spans[-1].ends, Phase.CLOSED))
        self._set_boundary()

    def settles(self, day: date) -> date:
        """When the trades of a day are paid: in America the next day, in Korea the one after."""
        following = self.calendar.next_trading_day(day)
        if self.rules.region is Region.US:
            return following
        return self.calendar.next_trading_day(following)

    def _set_boundary(self) -> None:
        if self._boundaries:
            self._boundary = self._boundaries[0][0]
            return
        # The next day is set up the moment it dawns.
        self._boundary = self._instant(self.calendar.next_trading_day(self.day), 0)

    def _cross_boundary(self) -> None:
        if not self._boundaries:
            self._begin_day(self.calendar.next_trading_day(self.day), self.closes())
            return
        _, phase = self._boundaries.pop(0)
        self.touched.update(self.listings)
        self.changes.append(phase)
        if phase is Phase.CONTINUOUS:
            self._uncross()
            self.sides.auction(Session.OPENING, self.now)
            self.exchange.phase = phase
            self._open_crowd()
        elif phase is Phase.CLOSED:
            self._due = []
            self.exchange.phase = Phase.CLOSING_AUCTION
            self._uncross()
            self.sides.auction(Session.CLOSING, self.now)
            self.exchange.close_day()
            for tape in self.tapes.values():
                self.history.append(self.day, tape)
        else:
            self._due = []
            self.exchange.phase = phase
        self._set_boundary()

    def _uncross(self) -> None:
        for crowd in self._crowds:
            crowd.offer_auction()
        self.exchange.uncross(self.now)
        self._take_prints()

    def _open_crowd(self) -> None:
        for crowd in self._crowds:
            crowd.open((self.now - self._midnight).total_seconds())
        self._due = [(crowd.next_at, number) for number, crowd in enumerate(self._crowds)]
        heapify(self._due)

    def send_crowd_home(self) -> None:
        """The crowd of the regular books trades no more until the next phase."""
        self._due = []

    def _run_crowd(self, until: datetime) -> None:
        due = self._due
        if not due:
            return
        end = (until - self._midnight).total_seconds()
        codes = list(self.listings)
        while due[0][0] <= end:
            at, number = due[0]
            crowd = self._crowds[number]
            # Prints are taken one by one so that each trade carries the book it left behind.
            crowd.act(self._midnight + timedelta(seconds=at))
            self.touched.add(codes[number])
            if self.exchange.prints:
                self._take_prints()
            heapreplace(due, (crowd.next_at, number))

    def _take_prints(self) -> None:
        self._tell(self.exchange)
        for book in self.sides.books():
            self._tell(book)

    def _tell(self, exchange: Exchange) -> None:
        prints: list[Print]
        prints, exchange.prints = exchange.prints, []
        for made in prints:
            stock = exchange.stocks[made.code]
            clock = (made.at + self.utc_offset).strftime("%H%M%S")
            self.touched.add(made.code)
            self.trades.append(
                self.tapes[made.code].record(
                    clock, made.price, made.quantity, made.aggressor, _depth(stock)
                )
            )


def _depth(stock: Stock) -> Depth:
    book = stock.book
    ask, bid = book.best(Side.SELL), book.best(Side.BUY)
    return Depth(
        ask=ask if ask is not None else Decimal(0),
        bid=bid if bid is not None else Decimal(0),
        ask_quantity=book.quantity_at(Side.SELL, ask) if ask is not None else 0,
        bid_quantity=book.quantity_at(Side.BUY, bid) if bid is not None else 0,
        total_ask=book.total(Side.SELL),
        total_bid=book.total(Side.BUY),
    )
