"""Trades and books of overseas stocks, as the stream tells them.

The key in front, RSYM, names market and symbol. Times are the Korean columns KYMD and KHMS, in
KST. Prices carry their decimal point.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, Level, OrderBook, Tick
from daemon.kis.channels import BY_TR_ID, Channel, overseas_instrument
from daemon.kis.fields import day_of, decimal_or_none, instant_of, shares_or_none

_TRADE_COLUMNS = BY_TR_ID["HDFSCNT0"].columns
_TRADE_DAY, _TRADE_TIME, _LAST, _QUANTITY, _DAY_VOLUME = (
    _TRADE_COLUMNS.index(name) for name in ("KYMD", "KHMS", "LAST", "EVOL", "TVOL")
)
_BOOK_COLUMNS = BY_TR_ID["HDFSASP0"].columns
_BOOK_DAY, _BOOK_TIME = _BOOK_COLUMNS.index("KYMD"), _BOOK_COLUMNS.index("KHMS")
_FIRST_LEVEL = _BOOK_COLUMNS.index("PBID1")
_LEVEL_WIDTH = 6  # bid, ask, their shares, and the change of either
_CACHE_LIMIT = 4096


def overseas_tick(row: Sequence[str], channel: Channel, received_at: datetime) -> Tick | None:
    """One trade, `None` for a row without a price; raises `BadData`.

    Nothing tells who took liquidity. `channel` is the one it came on.
    """
    instrument = _instrument(row[0])
    price = _price(row[_LAST], "LAST")
    if price is None:
        return None
    return Tick(
        instrument=instrument,
        price=price,
        quantity=_shares(row[_QUANTITY], "EVOL"),
        aggressor=None,
        day_volume=_shares(row[_DAY_VOLUME], "TVOL"),
        exchange_time=_instant(row[_TRADE_DAY], row[_TRADE_TIME]),
        received_at=received_at,
    )


def overseas_book(row: Sequence[str], channel: Channel, received_at: datetime) -> OrderBook:
    """One book: ten levels in America, one in Asia; raises `BadData`. Empty levels are left out."""
    end = min(len(row), channel.known) - _LEVEL_WIDTH + 1
    bids, asks = [], []
    for base in range(_FIRST_LEVEL, end, _LEVEL_WIDTH):
        bid, ask = _level(row, base), _level(row, base + 1)
        if bid is not None:
            bids.append(bid)
        if ask is not None:
            asks.append(ask)
    return OrderBook(
        instrument=_instrument(row[0]),
        bids=tuple(bids),
        asks=tuple(asks),
        exchange_time=_instant(row[_BOOK_DAY], row[_BOOK_TIME]),
        received_at=received_at,
    )


def _level(row: Sequence[str], at: int) -> Level | None:
    price = _price(row[at], _BOOK_COLUMNS[at])
    quantity = shares_or_none(row[at + 2], _BOOK_COLUMNS[at + 2])
    return Level(price, quantity) if price is not None and quantity else None


def _instrument(key: str) -> InstrumentId:
    try:
        return _known(key.strip())
    except ValueError as error:
        raise BadData(str(error), field="RSYM", raw=key) from None


_known = lru_cache(_CACHE_LIMIT)(overseas_instrument)


def _price(text: str, field: str) -> Decimal | None:
    """A price, `None` for a blank or a zero."""
    price = decimal_or_none(text, field)
    if price is not None and price < 0:
        raise BadData("a price must be above zero", field=field, raw=text)
    return price or None


def _shares(text: str, field: str) -> int:
    shares = shares_or_none(text, field)
    if shares is None:
        raise BadData("not a count of shares", field=field)
    return shares


def _instant(day: str, time: str) -> datetime:
    return instant_of(day_of(day, "KYMD"), time.strip(), "KHMS")
