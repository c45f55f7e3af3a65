"""The nouns of trading: instruments, prices, levels, ticks, order books.

Prices and money are `Decimal`, shares are `int`, instants are aware UTC `datetime`.
Nothing here knows a broker, a clock or a loop.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, NewType

InstrumentId = NewType("InstrumentId", str)
"""`"<market>:<code>"`, for example `"krx:005930"` or `"nasdaq:AAPL"`."""

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


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what a fill does to the position."""
        return 1 if self is Side.BUY else -1


def instrument_id(market: Market, code: str) -> InstrumentId:
    """Join a market and its local code; raises `ValueError` on an empty or spaced code."""
    if not code or not code.isalnum() or not code.isascii():
        raise ValueError(f"instrument code {code!r} must be letters and digits, such as 005930")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRef:
    """Where the broker keeps an order.

    `number` is unique only within the account and `day` (the market's calendar date).
    `branch` must be given back when the order is modified or cancelled.
    """

    day: date
    branch: str
    number: str


class Level(NamedTuple):
    """One price of an order book and the shares resting there."""

    price: Decimal
    quantity: int


class Tick(NamedTuple):
    """One trade on the market.

    `aggressor` is the side that took liquidity, `None` when the feed does not say (auctions).
    `day_volume` counts shares since the open. `exchange_time` is the exchange's own stamp,
    `received_at` ours. A named tuple because it is built for every trade of every symbol.
    """

    instrument: InstrumentId
    price: Decimal
    quantity: int
    aggressor: Side | None
    day_volume: int
    exchange_time: datetime
    received_at: datetime


class OrderBook(NamedTuple):
    """Resting depth, best level first on both sides; empty levels are left out."""

    instrument: InstrumentId
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    exchange_time: datetime
    received_at: datetime

    @property
    def bid(self) -> Level | None:
        """The best bid, or `None` when nobody bids."""
        return self.bids[0] if self.bids else None

    @property
    def ask(self) -> Level | None:
        """The best ask, or `None` when nobody offers."""
        return self.asks[0] if self.asks else None


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
