"""Stream frames of the US markets as KIS writes them. Encoding only.

Sources: HDFSCNT0 and HDFSASP0 as captured in 2026 (26 and 71 columns, the stream key in front),
H0GSCNI0 as documented (25 columns, prices with four implied decimals, no price type column).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from daemon.core.values import Level, Side
from daemon.sim.american import PLACES, stream_key
from daemon.sim.facts import (
    OrderAccepted,
    OrderCancelled,
    OrderFact,
    OrderFilled,
    OrderModified,
    OrderRejected,
    RestDropped,
)
from daemon.sim.frames import RECORDS_PER_FRAME, change_sign, percent, sealed
from daemon.sim.market import BookView
from daemon.sim.tape import Traded
from daemon.sim.universe import Listing

TRADES, BOOK = "HDFSCNT0", "HDFSASP0"
DECIMALS = "4"
"""ZDIV: how many decimals prices of US markets are told with."""

_LEVELS = 10
_KOREAN = timedelta(hours=9)
_LIMIT_ORDER, _MARKET_ORDER = "2", "1"


def priced(price: Decimal) -> str:
    """A price of a US market as quotations and the stream tell it."""
    return f"{price:.4f}"


def both_clocks(day: date, local: str, utc_offset: timedelta) -> tuple[str, str, str, str]:
    """Local date and time and the Korean ones, of HHMMSS on a local day."""
    clock = time(int(local[:2]), int(local[2:4]), int(local[4:]))
    korean = datetime.combine(day, clock, UTC) - utc_offset + _KOREAN
    return f"{day:%Y%m%d}", local, f"{korean:%Y%m%d}", f"{korean:%H%M%S}"


def trade_record(
    traded: Traded, listing: Listing, *, day: date, base: Decimal, utc_offset: timedelta
) -> str:
    """One HDFSCNT0 record: 26 columns; the change from the day before has no sign of its own."""
    t = traded
    change = t.price - base
    columns = [
        *(stream_key(listing), t.code, DECIMALS, f"{day:%Y%m%d}"),
        *both_clocks(day, t.time, utc_offset),
        *(priced(t.open), priced(t.high), priced(t.low), priced(t.price)),
        *(change_sign(change), priced(abs(change)), percent(change, base)),
        *(priced(t.bid), priced(t.ask), str(t.bid_quantity), str(t.ask_quantity)),
        *(str(t.quantity), str(t.volume), f"{t.value:.0f}", str(t.sold), str(t.bought)),
        *(percent(t.bought, t.sold), "1"),
    ]
    return "^".join(columns)


def trade_frames(records: Sequence[str]) -> list[str]:
    """Frames of trades of one symbol, up to twenty records in each."""
    frames = []
    for first in range(0, len(records), RECORDS_PER_FRAME):
        part = records[first : first + RECORDS_PER_FRAME]
        frames.append(f"0|{TRADES}|{len(part):03}|{'^'.join(part)}")
    return frames


def book_frame(
    view: BookView, listing: Listing, *, day: date, local: str, utc_offset: timedelta
) -> str:
    """One HDFSASP0 frame: eleven columns and six of each of ten levels, bid before ask."""
    columns = [
        *(stream_key(listing), listing.code, DECIMALS),
        *both_clocks(day, local, utc_offset),
        *(str(view.total_bid), str(view.total_ask), "0", "0"),
    ]
    none = Level(Decimal(0), 0)
    for number in range(_LEVELS):
        bid = view.bids[number] if number < len(view.bids) else none
        ask = view.asks[number] if number < len(view.asks) else none
        columns.extend((priced(bid.price), priced(ask.price)))
        columns.extend((str(bid.quantity), str(ask.quantity), "0", "0"))
    return f"0|{BOOK}|001|{'^'.join(columns)}"


def notice_record(fact: OrderFact, *, hts_id: str, listing: Listing) -> str:
    """The plain text of one order notice: 25 columns. Only a fill tells the ordered quantity."""
    order = fact.order
    request = order.request
    quantity, price, ordered, exact = request.quantity, request.price or Decimal(0), "", ""
    refused, filled, taken, change = "0", "1", "1", "0"
    match fact:
        case OrderAccepted():
            pass
        case OrderFilled():
            quantity, price, filled, taken = fact.quantity, fact.price, "2", "2"
            ordered, exact = f"{request.quantity:09}", f"{_implied(fact.price):012}"
        case OrderModified():
            change, taken = "1", "2"
        case OrderCancelled():
            change, taken, price, quantity = "2", "2", Decimal(0), fact.quantity
        case RestDropped():
            quantity, taken = fact.quantity, "3"
        case OrderRejected():
            refused, taken = "1", "2"
    original = f"{order.original:010}" if order.original is not None and change != "0" else ""
    kind = _MARKET_ORDER if request.price is None else _LIMIT_ORDER
    return "^".join(
        (
            *(hts_id, request.account.replace("-", ""), f"{order.number:010}", original),
            *("02" if request.side is Side.BUY else "01", change, kind, request.code),
            *(f"{quantity:010}", f"{_implied(price):09}", f"{fact.at + _KOREAN:%H%M%S}"),
            *(refused, filled, taken, request.branch, ordered, "SIMULATED", listing.name),
            *(PLACES[listing.market].notice, "10", "", "", "", "", exact),
        )
    )


def _implied(price: Decimal) -> int:
    return int(price * 10_000)


def notice_frame(record: str, channel: str, key: str, iv: str) -> str:
    """One encrypted notice frame of a channel."""
    return f"1|{channel}|001|{sealed(record, key, iv)}"
