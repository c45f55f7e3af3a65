"""Sessions beside the regular one: their own books, over the same accounts and numbers.

Sources: KIS order divisions and hours (portal), KRX notice of the after-market of 2026-09-14, New
York's cut-off of closing orders. Assumed: how many shares others offer at a closing price, and
that the crowd of the after-market is there from the first order on a symbol.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from daemon.core.calendar import MarketCalendar, Phase
from daemon.core.values import Region, Session, Side
from daemon.sim.crowd import Crowd
from daemon.sim.exchange import Exchange
from daemon.sim.facts import Action, Order, OrderFact, OrderRequest, Refusal, RefusalReason
from daemon.sim.universe import Listing

DIVISIONS: Mapping[Region, Mapping[str, Session]] = {
    Region.KR: {
        "05": Session.PREVIOUS_CLOSE,
        "06": Session.CLOSING_PRICE,
        **dict.fromkeys(("41", "42", "43", "44", "45", "46", "47"), Session.AFTER_MARKET),
    },
    Region.US: {
        **dict.fromkeys(("31", "32"), Session.OPENING),
        **dict.fromkeys(("33", "34"), Session.CLOSING),
    },
}
"""ORD_DVSN of the orders that do not stand in the regular book."""

_BEST_OPPOSITE, _BEST_OWN = frozenset({"44", "45", "46"}), frozenset({"47"})
_AT_CLOSE = (Session.PREVIOUS_CLOSE, Session.CLOSING_PRICE)
_AFTER_FROM = date(2026, 9, 14)


class Hours(NamedTuple):
    """When a session takes orders, when it begins to trade them, and when what is left dies."""

    begins: datetime
    trades: datetime
    intake_ends: datetime
    ends: datetime


def hours(calendar: MarketCalendar, day: date, session: Session) -> Hours | None:
    """Those of a trading day in UTC; `None` where the session did not exist yet."""
    opens, closes = (each(day).astimezone(UTC) for each in (calendar.open_at, calendar.close_at))
    minutes = {number: timedelta(minutes=number) for number in (10, 20, 30)}
    match session:
        case Session.PREVIOUS_CLOSE:
            begins, ends = opens - minutes[30], opens - minutes[20]
            return Hours(begins, begins, ends, ends)
        case Session.CLOSING_PRICE:
            ends = closes + minutes[30]
            return Hours(closes, closes + minutes[10], ends, ends)
        case Session.AFTER_MARKET if day >= _AFTER_FROM:
            begins, ends = closes + minutes[30], calendar.at(day, time(20))
            return Hours(begins, begins, ends, ends)
        case Session.OPENING:
            return Hours(calendar.at(day, time(4)), opens, opens, opens)
        case Session.CLOSING:
            return Hours(opens, closes, closes - minutes[10], closes)
    return None


class SideBook(Exchange):
    """One session's book. What is traded and numbered here is traded and numbered there, too."""

    def __init__(self, main: Exchange, session: Session, facts: list[OrderFact]) -> None:
        prices = {
            code: stock.base if session is Session.PREVIOUS_CLOSE else stock.last
            for code, stock in main.stocks.items()
        }
        super().__init__(prices, main.accounts.values(), main.rules, main.charges)
        for code, stock in self.stocks.items():
            stock.lower, stock.upper = main.stocks[code].lower, main.stocks[code].upper
        self.session = session
        self.crowd, self.orders, self.facts = main.crowd, main.orders, facts
        self.day, self.settles = main.day, main.settles
        self.phase = Phase.CONTINUOUS if session is Session.AFTER_MARKET else Phase.OPENING_AUCTION
        self._main = main
        self._taken: dict[tuple[str, Side], int] = {}

    def place(self, request: OrderRequest, now: datetime, *, reject: bool = False) -> Order:
        """As the exchange does; an order without a price gets that of its session."""
        stock = self.stocks.get(request.code)
        if stock is not None and request.price is None:
            price = None
            if self.session in _AT_CLOSE:
                price = stock.base
            elif request.division in _BEST_OPPOSITE:
                other = Side.SELL if request.side is Side.BUY else Side.BUY
                price = stock.book.best(other) or stock.last
            elif request.division in _BEST_OWN:
                price = stock.book.best(request.side) or stock.last
            request = replace(request, price=price)
        return super().place(request, now, reject=reject)

    def cross(
        self, prices: Mapping[str, Decimal], now: datetime, most: Mapping[str, int] | None = None
    ) -> None:
        """Let the crowd trade with whatever may trade at one price, up to `most` a side."""
        for order in [self.orders[number] for number in sorted(self._standing)]:
            request = order.request
            code, side, price = request.code, request.side, prices[request.code]
            limit = request.price
            if limit is not None and (price > limit if side is Side.BUY else price < limit):
                continue
            taken = self._taken.get((code, side), 0)
            left = order.remaining if most is None else most[code] - taken
            quantity = min(order.remaining, left)
            if quantity <= 0:
                continue
            self._taken[code, side] = taken + quantity
            self._withdraw(order, quantity)
            other = Side.SELL if side is Side.BUY else Side.BUY
            self.crowd.settle(code, other, price, quantity)
            self._fill(order, price, quantity, now)

    def _register(
        self, request: OrderRequest, now: datetime, action: Action, original: int | None
    ) -> Order:
        self.next_number = self._main.next_number
        order = super()._register(request, now, action, original)
        self._main.next_number = self.next_number
        return order


class SideBooks:
    """The sessions of one market beside the regular one. A book is there once an order comes."""

    def __init__(
        self,
        main: Exchange,
        listings: Mapping[str, Listing],
        calendar: MarketCalendar,
        seed: int,
    ) -> None:
        self.divisions = DIVISIONS.get(main.rules.region, {})
        self._main = main
        self._listings = listings
        self._calendar = calendar
        self._seed = seed
        self._facts: list[OrderFact] = []
        self._books: dict[Session, SideBook] = {}
        self._crowds: dict[str, Crowd] = {}

    def enter(self, division: str, code: str, now: datetime) -> Exchange:
        """The book that such an order goes to, or is in; raises `Refusal` outside its hours."""
        session = self.divisions[division]
        day = self._calendar.local_date(now)
        if not self._calendar.is_trading_day(day):
            raise Refusal(RefusalReason.CLOSED_DAY)
        known = hours(self._calendar, day, session)
        if known is None or now >= known.intake_ends:
            raise Refusal(RefusalReason.AFTER_HOURS)
        if now < known.begins:
            raise Refusal(RefusalReason.BEFORE_HOURS)
        book = self._books.get(session)
        if book is None:
            book = self._books[session] = SideBook(self._main, session, self._facts)
        if session is Session.AFTER_MARKET and code in self._listings and code not in self._crowds:
            crowd = Crowd(self._listings[code], book, self._seed + 1, day)
            crowd.open((now - self._midnight()).total_seconds())
            self._crowds[code] = crowd
        return book

    def advance(self, until: datetime) -> None:
        """Let everything happen up to `until`, which is on the day of the books."""
        for session, book in list(self._books.items()):
            known = hours(self._calendar, book.day, session)
            assert known is not None, "a book is opened in its hours"
            if session in _AT_CLOSE and until >= known.trades:
                prices = {code: stock.base for code, stock in book.stocks.items()}
                worth = self._main.rules.level_worth
                most = {code: int(worth / float(price)) for code, price in prices.items()}
                book.cross(prices, max(min(until, known.ends), known.trades), most)
            if session is Session.AFTER_MARKET:
                self._run_crowds(min(until, known.ends))
            if until >= known.ends and session not in (Session.OPENING, Session.CLOSING):
                self._end(session)

    def auction(self, session: Session, now: datetime) -> None:
        """The regular book made its opening or closing price: trade at it, and end the rest."""
        book = self._books.get(session)
        if book is not None:
            stocks = self._main.stocks
            book.cross({code: stock.last for code, stock in stocks.items()}, now)
            self._end(session)

    def awake(self, code: str) -> SideBook | None:
        """The book in which a symbol trades after hours now, if it does."""
        return self._books[Session.AFTER_MARKET] if code in self._crowds else None

    def books(self) -> Iterable[SideBook]:
        """Those that are open."""
        return tuple(self._books.values())

    def drain(self) -> list[OrderFact]:
        """Order facts since the last call, as they happened."""
        facts = list(self._facts)
        self._facts.clear()
        return facts

    def _end(self, session: Session) -> None:
        self._books.pop(session).close_day()
        if session is Session.AFTER_MARKET:
            self._crowds.clear()

    def _midnight(self) -> datetime:
        return self._calendar.at(self._main.day, time(0))

    def _run_crowds(self, until: datetime) -> None:
        midnight = self._midnight()
        end = (until - midnight).total_seconds()
        while self._crowds:
            crowd = min(self._crowds.values(), key=lambda each: each.next_at)
            if crowd.next_at > end:
                return
            crowd.act(midnight + timedelta(seconds=crowd.next_at))
