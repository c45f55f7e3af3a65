"""Stream frames as KIS writes them: trades, books and encrypted order notices. Encoding only."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from daemon.core.values import Level, Side
from daemon.kis.spec import BOOK_CHANNEL, NOTICE_CHANNELS, TRADES_CHANNEL, Environment
from daemon.sim.facts import (
    Condition,
    OrderAccepted,
    OrderCancelled,
    OrderFact,
    OrderFilled,
    OrderModified,
    OrderRejected,
    RestDropped,
)
from daemon.sim.history import DailyBar
from daemon.sim.market import BookView
from daemon.sim.tape import Traded

_AFTER_MARKET_FROM = date(2026, 9, 14)
_MIDDLE_PRICE_FROM = date(2026, 6, 1)
"""Books have been seen with three more columns since this month; when it began is not known."""

_VENUES_FROM = date(2025, 3, 28)
"""Since then real notices have the columns of the second venue."""

RECORDS_PER_FRAME = 20


def change_sign(change: Decimal) -> str:
    """The broker's code of a move: 2 up, 3 unchanged, 5 down."""
    if change > 0:
        return "2"
    return "5" if change < 0 else "3"


def percent(part: Decimal | int, whole: Decimal | int) -> str:
    """`part` of `whole` in percent with two digits, 0.00 of nothing."""
    return f"{Decimal(part) / Decimal(whole) * 100:.2f}" if whole else "0.00"


def trade_record(
    traded: Traded,
    *,
    day: date,
    base: Decimal,
    yesterday: DailyBar,
    listed: int,
    after: bool = False,
) -> str:
    """One H0STCNT0 record: 46 columns, 47 on days since the after-market exists.

    `after` is for a trade of that.
    """
    t = traded
    change = t.price - base
    taken = t.sold + t.bought
    code = {Side.BUY: "1", Side.SELL: "5", None: "3"}[t.aggressor]
    columns = [
        *(t.code, t.time, f"{t.price}", change_sign(change), f"{change}", percent(change, base)),
        *(f"{t.value / t.volume:.2f}", f"{t.open}", f"{t.high}", f"{t.low}", f"{t.ask}"),
        *(f"{t.bid}", str(t.quantity), str(t.volume), f"{t.value}", str(t.sells), str(t.buys)),
        *(str(t.buys - t.sells), percent(t.bought, t.sold), str(t.sold), str(t.bought), code),
        f"{t.bought / taken:.2f}" if taken else "0.00",
        percent(t.volume, yesterday.volume),
        *_against(t.open_time, t.price - t.open),
        *_against(t.high_time, t.price - t.high),
        *_against(t.low_time, t.price - t.low),
        *(f"{day:%Y%m%d}", "20", "N", str(t.ask_quantity), str(t.bid_quantity)),
        *(str(t.total_ask), str(t.total_bid), percent(t.volume, listed)),
        *_same_time_yesterday(t, yesterday.volume),
        *("0", "", f"{t.open}"),
    ]
    if day >= _AFTER_MARKET_FROM:
        columns.append("3" if after else "2")
    return "^".join(columns)


def _against(time: str, change: Decimal) -> tuple[str, str, str]:
    return time, change_sign(change), f"{change}"


def _same_time_yesterday(traded: Traded, volume: int) -> tuple[str, str]:
    seconds = int(traded.time[:2]) * 3600 + int(traded.time[2:4]) * 60 + int(traded.time[4:])
    share = min(1.0, max(0.002, (seconds - 32400) / 23400))
    then = max(1, int(volume * share))
    return str(then), percent(traded.volume, then)


def trade_frames(records: Sequence[str], channel: str = TRADES_CHANNEL) -> list[str]:
    """Frames of trades of one symbol, up to twenty records in each."""
    frames = []
    for first in range(0, len(records), RECORDS_PER_FRAME):
        part = records[first : first + RECORDS_PER_FRAME]
        frames.append(f"0|{channel}|{len(part):03}|{'^'.join(part)}")
    return frames


def book_frame(
    view: BookView,
    time: str,
    base: Decimal,
    *,
    day: date,
    auction: bool,
    channel: str = BOOK_CHANNEL,
) -> str:
    """One book frame.

    H0STASP0 has 62 columns, 59 on days before the middle price was told; the channels of the
    other venue and of both have 65, with a middle price of each.
    """
    asks, bids = _ten(view.asks), _ten(view.bids)
    expected = view.expected
    price = expected.price if expected is not None else Decimal(0)
    quantity = expected.quantity if expected is not None else 0
    change = price - base
    middle = (asks[0][0] + bids[0][0]) / 2 if view.asks and view.bids else Decimal(0)
    columns = [
        *(view.code, time, "A" if auction else "0"),
        *(f"{level[0]}" for level in (*asks, *bids)),
        *(str(level[1]) for level in (*asks, *bids)),
        *(str(view.total_ask), str(view.total_bid), "0", "0"),
        *(f"{price}", str(quantity), str(quantity), f"{change}", change_sign(change)),
        *(percent(change, base), str(view.volume), "0", "0", "0", "0", "0"),
    ]
    middles = 2 if channel != BOOK_CHANNEL else int(day >= _MIDDLE_PRICE_FROM)
    columns.extend((f"{middle:f}", "0", "0") * middles)
    return f"0|{channel}|001|{'^'.join(columns)}"


def _ten(levels: Sequence[Level]) -> list[tuple[Decimal, int]]:
    return [(level.price, level.quantity) for level in levels] + [(Decimal(0), 0)] * (
        10 - len(levels)
    )


def notice_record(fact: OrderFact, *, hts_id: str, name: str, environment: Environment) -> str:
    """The plain text of one order notice.

    26 columns real, 23 packed columns virtual; 23 with the name in front on days before the
    second venue.
    """
    order = fact.order
    request = order.request
    limit = request.price or Decimal(0)
    quantity, price, ordered = request.quantity, limit, request.quantity
    refused, filled, taken, change, kind = "0", "1", "1", "0", request.division
    condition = {Condition.NONE: "0", Condition.IOC: "1", Condition.FOK: "2"}[request.condition]
    match fact:
        case OrderAccepted():
            pass
        case OrderFilled():
            quantity, price, filled, taken, kind = fact.quantity, fact.price, "2", "2", "00"
        case OrderModified():
            change, taken = "1", "2"
        case OrderCancelled():
            change, taken, price, limit = "2", "2", Decimal(0), Decimal(0)
            quantity = ordered = fact.quantity
        case RestDropped():
            quantity, taken = fact.quantity, "3"
        case OrderRejected():
            refused, taken = "1", "2"
    original = f"{order.original:010}" if order.original is not None and change != "0" else ""
    side = "02" if request.side is Side.BUY else "01"
    front = [
        *(hts_id, request.account.replace("-", ""), f"{order.number:010}", original, side),
        *(change, kind, condition, request.code, f"{quantity:010}", f"{int(price):09}"),
        *(_clock(fact.at), refused, filled, taken, request.branch, f"{ordered:09}", "SIMULATED"),
    ]
    tail = ["10", "", name, f"{int(limit):09}"]
    if order.day < _VENUES_FROM:
        return "^".join([*front, name, *tail])
    if environment is Environment.VIRTUAL:
        return "^".join([*front, "1Y", *tail])
    return "^".join([*front, "000000000", "1", "Y", "", *tail])


def _clock(at: datetime) -> str:
    # Instants of the simulator are UTC; KST has had no other offset since 1988.
    return (at + timedelta(hours=9)).strftime("%H%M%S")


def notice_frame(record: str, environment: Environment, key: str, iv: str) -> str:
    """One encrypted notice frame."""
    return f"1|{NOTICE_CHANNELS[environment]}|001|{sealed(record, key, iv)}"


def sealed(record: str, key: str, iv: str) -> str:
    """A record as only the holder of the pair can read it: AES-256-CBC, PKCS7, base64."""
    padder = PKCS7(128).padder()
    data = padder.update(record.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode())).encryptor()
    return b64encode(encryptor.update(data) + encryptor.finalize()).decode()
