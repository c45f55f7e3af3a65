"""The nouns of trading: instruments, prices, levels, ticks, order books.

Prices and money are `Decimal`, shares are `int`, instants are aware UTC `datetime`.
Nothing here knows a broker, a clock or a loop.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, NewType

InstrumentId = NewType("InstrumentId", str)
"""`"<market>:<code>"`, for example `"krx:005930"`, `"nasdaq:AAPL"` or `"nyse:BRK/B"`."""

StrategyId = NewType("StrategyId", str)
OrderId = NewType("OrderId", str)
"""Ours, for example `"20260102-0007"`: trading day and a number minted from the journal."""

AccountId = NewType("AccountId", str)
"""`"12345678-01"`. Every intent carries one; there is no current account."""


class Market(StrEnum):
    """Where an instrument is listed; the first half of an `InstrumentId`."""

    KRX = "krx"
    NASDAQ = "nasdaq"
    NYSE = "nyse"
    AMEX = "amex"
    TOKYO = "tokyo"
    HONGKONG = "hongkong"
    SHANGHAI = "shanghai"
    SHENZHEN = "shenzhen"
    HANOI = "hanoi"
    HOCHIMINH = "hochiminh"
    INDEX = "index"
    """Not traded: the indices of the KRX, such as `index:0001` (KOSPI)."""

    DERIVATIVE = "derivative"
    """Not traded: futures and options, here and abroad, such as `derivative:101W09`."""

    BOND = "bond"
    """Not traded: bonds by their standard code, such as `bond:KR103502GA34`."""

    @property
    def region(self) -> "Region | None":
        """Whose hours and currency it has, `None` where nothing is traded."""
        return _REGIONS.get(self)


class Currency(StrEnum):
    """What prices and money are counted in, by its ISO 4217 code."""

    KRW = "KRW"
    USD = "USD"
    JPY = "JPY"
    HKD = "HKD"
    CNY = "CNY"
    VND = "VND"


class Region(StrEnum):
    """A country's markets: they share their hours, their holidays and their currency."""

    KR = "KR"
    US = "US"
    JP = "JP"
    HK = "HK"
    CN = "CN"
    VN = "VN"

    @property
    def currency(self) -> Currency:
        """What its instruments are priced and settled in."""
        return _CURRENCIES[self]


_CURRENCIES = {
    Region.KR: Currency.KRW,
    Region.US: Currency.USD,
    Region.JP: Currency.JPY,
    Region.HK: Currency.HKD,
    Region.CN: Currency.CNY,
    Region.VN: Currency.VND,
}
_REGIONS = {
    Market.KRX: Region.KR,
    Market.NASDAQ: Region.US,
    Market.NYSE: Region.US,
    Market.AMEX: Region.US,
    Market.TOKYO: Region.JP,
    Market.HONGKONG: Region.HK,
    Market.SHANGHAI: Region.CN,
    Market.SHENZHEN: Region.CN,
    Market.HANOI: Region.VN,
    Market.HOCHIMINH: Region.VN,
}


class Venue(StrEnum):
    """Where a Korean stock trades, and whose prices a feed tells: one listing, two venues."""

    KRX = "krx"
    NXT = "nxt"
    COMBINED = "combined"


class Session(StrEnum):
    """A part of the day in which a venue takes orders."""

    REGULAR = "regular"
    """With its auctions; on NXT the main market."""
    PRE_MARKET = "pre_market"
    AFTER_MARKET = "after_market"
    PREVIOUS_CLOSE = "previous_close"
    """KRX before the open, at yesterday's closing price."""
    CLOSING_PRICE = "closing_price"
    """KRX after the close, at today's closing price."""
    SINGLE_PRICE = "single_price"
    """KRX after hours, an auction every ten minutes; until 2026-09-11."""
    DAY_MARKET = "day_market"
    """American stocks while it is day in Korea."""
    OPENING = "opening"
    """American stocks: the opening auction alone. What does not trade in it is cancelled."""
    CLOSING = "closing"
    """American stocks: the closing auction alone."""


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what a fill does to the position."""
        return 1 if self is Side.BUY else -1


_CODE = re.compile(r"[0-9A-Za-z]+")
# Share classes and preferred stocks of the American exchanges: BRK/B, BF.B, BAC-L.
_AMERICAN_CODE = re.compile(r"[0-9A-Za-z]+(?:[./-][0-9A-Za-z]+)*")


def instrument_id(market: Market, code: str) -> InstrumentId:
    """Join a market and its local code.

    Raises `ValueError` unless the code is ASCII letters and digits; on the American exchanges
    single `.`, `/` and `-` may stand between them.
    """
    american = _REGIONS.get(market) is Region.US
    shape, example = (_AMERICAN_CODE, "BRK/B") if american else (_CODE, "005930")
    if shape.fullmatch(code) is None:
        raise ValueError(f"instrument code {code!r} must be letters and digits, such as {example}")
    return InstrumentId(f"{market.value}:{code}")


def parse_instrument(text: str) -> InstrumentId:
    """Read `"krx:005930"`; a bare code means KRX. Raises `ValueError` naming what is wrong."""
    market, separator, code = text.strip().partition(":")
    if not separator:
        return instrument_id(Market.KRX, market)
    try:
        listed = Market(market.lower())
    except ValueError:
        known = ", ".join(m.value for m in Market)
        raise ValueError(f"market {market!r} of {text!r} is not one of {known}") from None
    return instrument_id(listed, code)


def code_of(instrument: InstrumentId) -> str:
    """The local code: `"005930"` of `"krx:005930"`."""
    return instrument.partition(":")[2]


def market_of(instrument: InstrumentId) -> Market:
    """The listing market of an instrument."""
    return Market(instrument.partition(":")[0])


@lru_cache(maxsize=10_000)
def region_of(instrument: InstrumentId) -> Region:
    """Whose hours and currency an instrument has; raises `ValueError` for one nobody trades."""
    market = market_of(instrument)
    region = market.region
    if region is None:
        raise ValueError(f"{instrument} is not traded: {market.value} is not a stock market")
    return region


def currency_of(instrument: InstrumentId) -> Currency:
    """What an instrument is priced in; raises `ValueError` for one nobody trades."""
    return region_of(instrument).currency


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRef:
    """Where the broker keeps an order.

    `number` is unique only within the account, the region of the order's instrument and `day`
    (the market's calendar date).
    `branch` and `route` must be given back when the order is modified or cancelled: `route` is
    where somebody had it sent, in the broker's word, blank where we send our own.
    """

    day: date
    branch: str
    number: str
    route: str = field(default="", compare=False, repr=False)


class Level(NamedTuple):
    """One price of an order book and the shares resting there."""

    price: Decimal
    quantity: int


class Tick(NamedTuple):
    """One trade on the market.

    `aggressor` is the side that took liquidity, `None` when the feed does not say (auctions).
    `day_volume` counts shares since the open. `exchange_time` is the exchange's own stamp,
    `received_at` ours. `venue` says which feed of the instrument told it; a market with one venue
    only has the default. A named tuple because it is built for every trade of every symbol.
    """

    instrument: InstrumentId
    price: Decimal
    quantity: int
    aggressor: Side | None
    day_volume: int
    exchange_time: datetime
    received_at: datetime
    venue: Venue = Venue.KRX


class OrderBook(NamedTuple):
    """Resting depth, best level first on both sides; empty levels are left out."""

    instrument: InstrumentId
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    exchange_time: datetime
    received_at: datetime
    venue: Venue = Venue.KRX

    @property
    def bid(self) -> Level | None:
        """The best bid, or `None` when nobody bids."""
        return self.bids[0] if self.bids else None

    @property
    def ask(self) -> Level | None:
        """The best ask, or `None` when nobody offers."""
        return self.asks[0] if self.asks else None


class Quote(NamedTuple):
    """What an inquiry told of an instrument the stream has no room for, or has gone silent on.

    Not a trade: `price` is the last trade's, `day_volume` counts the shares of the day so far.
    `asked_at` is when the inquiry left and `received_at` when its answer was here, so the price
    is at least `received_at - asked_at` and at most `now - asked_at` old when it is read. `book` is
    the depth by the same means, where the book was wanted and has no room either.
    """

    instrument: InstrumentId
    price: Decimal
    day_volume: int | None
    asked_at: datetime
    received_at: datetime
    book: OrderBook | None = None


class ExpectedPrice(NamedTuple):
    """What an auction would trade at if it ended now: nothing has traded.

    `quantity` counts the shares that would trade.
    """

    instrument: InstrumentId
    price: Decimal
    quantity: int
    exchange_time: datetime
    received_at: datetime
    venue: Venue = Venue.KRX


class MarketPhase(StrEnum):
    """What a venue does with orders, as far as its status messages tell."""

    OPENING_AUCTION = "opening_auction"
    OPEN = "open"
    CLOSING_AUCTION = "closing_auction"
    CLOSED = "closed"
    AFTER_HOURS = "after_hours"
    HALTED = "halted"
    UNKNOWN = "unknown"


class MarketStatus(NamedTuple):
    """A message about an instrument's market: opening, closing, halts, circuit breakers.

    `code` is the broker's own, kept because new ones appear without notice; `phase` what it means,
    `UNKNOWN` for those nobody has explained. `halted` tells whether this instrument may not trade,
    `reason` why, in the broker's words.
    """

    instrument: InstrumentId
    phase: MarketPhase
    code: str
    halted: bool
    reason: str
    received_at: datetime
    venue: Venue = Venue.KRX


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row of a channel that has no type of its own, read by the names of its columns.

    `channel` is the catalogue's name of it, `key` what the row is about in the broker's words and
    `instrument` the same in ours, where there is one. Values are the broker's texts; columns
    beyond the known ones are left out.
    """

    channel: str
    instrument: InstrumentId | None
    key: str
    columns: tuple[str, ...]
    values: tuple[str, ...]
    received_at: datetime

    def __getitem__(self, column: str) -> str:
        """The text under a column's name; raises `KeyError` for one the channel does not have."""
        try:
            return self.values[self.columns.index(column)]
        except ValueError:
            raise KeyError(column) from None


class Interest(NamedTuple):
    """Something to be told of: a kind of news about an instrument.

    `channel` is a broker-neutral name such as `"trades"` or `"book"`, or the broker's own.
    """

    channel: str
    instrument: InstrumentId


TRADES = "trades"
BOOK = "book"
EXPECTED = "expected"
STATUS = "status"
"""The kinds of news that have a type of their own: `Tick`, `OrderBook`, `ExpectedPrice` and
`MarketStatus`. A venue may follow, as in `"trades@nxt"`; without one it is the KRX."""


class Bar(NamedTuple):
    """Open, high, low, close and volume of one interval.

    `start` is the instant the interval begins (UTC); a daily bar starts at local midnight of
    the trading day it belongs to.
    """

    instrument: InstrumentId
    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


class LinkUp(NamedTuple):
    """The stream is usable again; `down_since` is `None` on the first connection."""

    at: datetime
    down_since: datetime | None


class LinkDown(NamedTuple):
    """The stream is lost: whatever happens until `LinkUp` is seen only by inquiry."""

    at: datetime
    cause: str
