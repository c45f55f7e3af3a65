"""Stream messages in: data frames to ticks, books and notices; control messages to typed answers.

A data frame is `enc|tr_id|count|payload`; its row width is fields ÷ count and never assumed. Any
text gives values or one `BadData`.
"""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from daemon.core.calendar import KST
from daemon.core.errors import BadData
from daemon.core.values import AccountId, InstrumentId, Level, OrderBook, Side, Tick, Venue
from daemon.core.witness import BrokerNotice, NoticeKind
from daemon.kis.fields import (
    day_of,
    decimal_or_none,
    instant_of,
    instrument_of,
    order_number,
    shares_or_none,
    side_of,
)
from daemon.kis.spec import (
    BOOK_CHANNEL,
    BOOK_COLUMNS,
    NOTICE_CHANNELS,
    NOTICE_COLUMNS,
    NOTICE_COMMON_WIDTH,
    NOTICE_LEAST_WIDTH,
    TRADE_COLUMNS,
    TRADES_CHANNEL,
    WsCode,
)

FrameEvent = Tick | OrderBook | BrokerNotice

_CODE, _TIME, _PRICE, _QUANTITY, _DAY_VOLUME, _AGGRESSOR = (
    TRADE_COLUMNS.index(name)
    for name in (
        "MKSC_SHRN_ISCD",
        "STCK_CNTG_HOUR",
        "STCK_PRPR",
        "CNTG_VOL",
        "ACML_VOL",
        "CCLD_DVSN",
    )
)
# CCLD_DVSN: 1 buy, 5 sell, 3 before the open (portal). Anything else says nothing.
_AGGRESSORS = {"1": Side.BUY, "5": Side.SELL}

_BOOK_TIME = BOOK_COLUMNS.index("BSOP_HOUR")
_ASKS, _BIDS = BOOK_COLUMNS.index("ASKP1"), BOOK_COLUMNS.index("BIDP1")
_ASK_SHARES, _BID_SHARES = BOOK_COLUMNS.index("ASKP_RSQN1"), BOOK_COLUMNS.index("BIDP_RSQN1")
_TRADE_SPLITS = _AGGRESSOR + 1
_BOOK_SPLITS = BOOK_COLUMNS.index("BIDP_RSQN10") + 1
_LEVELS = 10

_TRADE_WIDTH = len(TRADE_COLUMNS)
_BOOK_WIDTH = len(BOOK_COLUMNS)
_NOTICE_CHANNELS = frozenset(NOTICE_CHANNELS.values())
_COUNTS = {f"{count:03}": count for count in range(1, 1000)}
_CACHE_LIMIT = 4096
_TOO_MANY = 10**30  # shares: where `fields` ends to read numbers, too

_new_tick = tuple.__new__
_DAY = timedelta(days=1)


class NoticeCipher:
    """AES-256-CBC with the key and iv of a notice acknowledgement (ASCII bytes, not hex)."""

    def __init__(self, key: str, iv: str) -> None:
        """Raises `BadData` unless the key has 32 and the iv 16 ASCII characters."""
        if len(key) != 32 or len(iv) != 16 or not key.isascii() or not iv.isascii():
            raise BadData("not a key of 32 and an iv of 16 characters", field="output")
        self._cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode()))

    def decrypt(self, payload: str) -> str:
        """The plain text of a base64 payload; raises `BadData`, also for a wrong key."""
        try:
            sealed = b64decode(payload, validate=True)
            decryptor = self._cipher.decryptor()
            padded = decryptor.update(sealed) + decryptor.finalize()
            pad = padded[-1] if padded else 0
            if not 1 <= pad <= 16 or padded[-pad:] != bytes((pad,)) * pad:
                raise BadData("cannot be decrypted", field="payload")
            return padded[:-pad].decode()
        except (binascii.Error, ValueError):
            raise BadData("cannot be decrypted", field="payload") from None


@dataclass(slots=True)
class FrameStats:
    """What was read and what was noticed on the way, since the start."""

    frames: int = 0
    wider: int = 0
    foreign: int = 0
    pending: int = 0


class FrameDecoder:
    """Reads data frames for one account. Keeps small caches; holds no other state."""

    def __init__(self, account: AccountId) -> None:
        self.stats = FrameStats()
        self._account = account
        self._account_digits = account.replace("-", "")
        self._instruments: dict[str, InstrumentId] = {}
        self._prices: dict[str, Decimal] = {}
        self._seconds: dict[str, datetime] = {}
        self._since = self._until = datetime.min.replace(tzinfo=UTC)

    def decode(
        self, frame: str, received_at: datetime, cipher: NoticeCipher | None = None
    ) -> Sequence[FrameEvent]:
        """The events of one frame, in its order; `received_at` is aware UTC.

        Raises `BadData`; nothing of such a frame is delivered.
        """
        try:
            sealed, channel, records, payload = frame.split("|", 3)
        except ValueError:
            raise BadData("not a data frame", raw=frame) from None
        count = _COUNTS.get(records)
        if count is None:
            raise BadData("not a record count", field="count", raw=records)
        self.stats.frames += 1
        if sealed == "1":
            if channel not in _NOTICE_CHANNELS or cipher is None:
                raise BadData("sealed, and there is no key", field=channel[:16])
            return self._notices(cipher.decrypt(payload), count, received_at)
        if sealed != "0":
            raise BadData("neither plain nor sealed", raw=frame)
        if channel == TRADES_CHANNEL:
            return self._trades(payload, count, received_at)
        if channel == BOOK_CHANNEL:
            return self._books(payload, count, received_at)
        if channel in _NOTICE_CHANNELS:
            return self._notices(payload, count, received_at)
        raise BadData("not a channel of ours", field="tr_id", raw=channel)

    def _width(self, payload: str, count: int, least: int, most: int) -> int:
        """Fields of one record. Wider than known is drift, narrower cannot be read."""
        fields = payload.count("^") + 1
        width = fields if count == 1 else fields // count
        if width * count != fields:
            raise BadData(f"{fields} fields are not {count} records", field="payload", raw=payload)
        if width < least:
            raise BadData(f"{width} fields where {least} are known", field="payload", raw=payload)
        if width > most:
            self.stats.wider += 1
        return width

    def _rows(
        self, payload: str, count: int, splits: int, least: int, most: int
    ) -> Sequence[Sequence[str]]:
        """One list of fields a record; a lone record is split only as far as it is read."""
        # int() would read "1_0" and the digits of other scripts.
        if "_" in payload or not payload.isascii():
            raise BadData("not a market frame", field="payload", raw=payload)
        if count == 1:
            if not least <= payload.count("^") + 1 <= most:
                self._width(payload, count, least, most)
            return (payload.split("^", splits),)
        width = self._width(payload, count, least, most)
        parts = payload.split("^")
        return [parts[base : base + width] for base in range(0, width * count, width)]

    def _trades(self, payload: str, count: int, received_at: datetime) -> list[Tick]:
        if not self._since <= received_at < self._until:
            self._new_day(received_at)
        instruments, prices, seconds = self._instruments, self._prices, self._seconds
        ticks = []
        for row in self._rows(payload, count, _TRADE_SPLITS, _TRADE_WIDTH, _TRADE_WIDTH + 1):
            try:
                quantity, day_volume = int(row[_QUANTITY]), int(row[_DAY_VOLUME])
            except ValueError:
                raise BadData("not a count of shares", field="CNTG_VOL", raw=payload) from None
            if not (0 <= quantity < _TOO_MANY and 0 <= day_volume < _TOO_MANY):
                raise BadData("not a count of shares", field="CNTG_VOL", raw=payload)
            code, price, second = row[_CODE], row[_PRICE], row[_TIME]
            ticks.append(
                _new_tick(
                    Tick,
                    (
                        instruments.get(code) or self._instrument(code),
                        prices.get(price) or self._price(price),
                        quantity,
                        _AGGRESSORS.get(row[_AGGRESSOR]),
                        day_volume,
                        seconds.get(second) or self._second(second, received_at),
                        received_at,
                        Venue.KRX,
                    ),
                )
            )
        return ticks

    def _instrument(self, code: str) -> InstrumentId:
        if len(self._instruments) >= _CACHE_LIMIT:
            self._instruments.clear()
        instrument = self._instruments[code] = instrument_of(code, "MKSC_SHRN_ISCD")
        return instrument

    def _price(self, text: str) -> Decimal:
        price = decimal_or_none(text, "STCK_PRPR")
        if price is None or price <= 0:
            raise BadData("a price must be above zero", field="STCK_PRPR", raw=text)
        if len(self._prices) >= _CACHE_LIMIT:
            self._prices.clear()
        self._prices[text] = price
        return price

    def _second(self, text: str, received_at: datetime) -> datetime:
        at = instant_of(received_at.astimezone(KST).date(), text, "STCK_CNTG_HOUR")
        if len(self._seconds) >= _CACHE_LIMIT:
            self._seconds.clear()
        self._seconds[text] = at
        return at

    def _new_day(self, received_at: datetime) -> None:
        """Times of day carry no date: they belong to the KST day of receipt.

        Every session ends by 20:00 KST, so no frame is stamped on one day and read on another.
        """
        self._seconds.clear()
        local = received_at.astimezone(KST)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        self._since, self._until = midnight, midnight + _DAY

    def _books(self, payload: str, count: int, received_at: datetime) -> list[OrderBook]:
        if not self._since <= received_at < self._until:
            self._new_day(received_at)
        books = []
        for row in self._rows(payload, count, _BOOK_SPLITS, _BOOK_WIDTH, _BOOK_WIDTH + 3):
            code, second = row[_CODE], row[_BOOK_TIME]
            books.append(
                OrderBook(
                    self._instruments.get(code) or self._instrument(code),
                    self._side(row, _BIDS, _BID_SHARES),
                    self._side(row, _ASKS, _ASK_SHARES),
                    self._seconds.get(second) or self._second(second, received_at),
                    received_at,
                )
            )
        return books

    def _side(self, row: Sequence[str], prices: int, shares: int) -> tuple[Level, ...]:
        levels = []
        known = self._prices
        try:
            quantities = list(map(int, row[shares : shares + _LEVELS]))
        except ValueError:
            quantities = [
                shares_or_none(text, "RSQN") or 0 for text in row[shares : shares + _LEVELS]
            ]
        for text, quantity in zip(row[prices : prices + _LEVELS], quantities, strict=True):
            if 0 < quantity < _TOO_MANY:
                price = known.get(text)
                if price is None:
                    if not text.strip("0"):
                        continue  # an empty level
                    price = self._price(text)
                levels.append(_new_tick(Level, (price, quantity)))
            elif quantity:
                raise BadData("not a count of shares", field="RSQN", raw=str(quantity))
        return tuple(levels)

    def _notices(self, payload: str, count: int, received_at: datetime) -> list[BrokerNotice]:
        width = self._width(payload, count, NOTICE_LEAST_WIDTH, len(NOTICE_COLUMNS))
        parts = payload.split("^")
        notices = []
        for base in range(0, width * count, width):
            record = _Record(parts[base : base + width])
            if record.text("ACNT_NO") != self._account_digits:
                self.stats.foreign += 1
                continue
            notice = _notice(record, self._account, received_at)
            if notice is None:
                self.stats.pending += 1
            else:
                notices.append(notice)
        return notices


# The first 18 and the last 4 fields agree between all known widths; those between do not.
_NOTICE_INDEX = {
    name: index if index < NOTICE_COMMON_WIDTH else index - len(NOTICE_COLUMNS)
    for index, name in enumerate(NOTICE_COLUMNS)
    if index < NOTICE_COMMON_WIDTH or index >= len(NOTICE_COLUMNS) - 4
}


class _Record:
    """One notice row, read by column name."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts

    def text(self, field: str) -> str:
        return self._parts[_NOTICE_INDEX[field]].strip()


def _notice(record: _Record, account: AccountId, received_at: datetime) -> BrokerNotice | None:
    """The meaning of one notice row; `None` for a request that is taken but not yet done.

    Classified in the documented order: refused, then traded, then by request and stage. An
    unknown code raises `BadData`: it must never be taken for a fill.
    """
    kind = _kind(record)
    if kind is None:
        return None
    own = _number(record, "ODER_NO")
    is_request = record.text("RCTF_CLS") in ("1", "2") and kind is not NoticeKind.FILLED
    number = _number(record, "OODER_NO") if is_request else own
    quantity = shares_or_none(record.text("CNTG_QTY"), "CNTG_QTY")
    if quantity is None or (quantity == 0 and kind in _NEEDS_SHARES):
        raise BadData("no quantity", field="CNTG_QTY", raw=record.text("CNTG_QTY"))
    price = decimal_or_none(record.text("CNTG_UNPR"), "CNTG_UNPR")
    if price is not None and price <= 0:
        price = None
    if price is None and kind is NoticeKind.FILLED:
        raise BadData("traded without a price", field="CNTG_UNPR", raw=record.text("CNTG_UNPR"))
    stamp = record.text("STCK_CNTG_HOUR")
    day = received_at.astimezone(KST).date()
    return BrokerNotice(
        account=account,
        kind=kind,
        branch=record.text("BRNC_NO"),
        number=number,
        new_number=own if kind is NoticeKind.MODIFIED else None,
        instrument=instrument_of(record.text("STCK_SHRN_ISCD"), "STCK_SHRN_ISCD"),
        side=side_of(record.text("SELN_BYOV_CLS"), "SELN_BYOV_CLS"),
        quantity=quantity,
        price=None if kind is NoticeKind.CANCELLED else price,
        exchange_time=instant_of(day, stamp, "STCK_CNTG_HOUR") if stamp else received_at,
        received_at=received_at,
    )


_NEEDS_SHARES = frozenset({NoticeKind.FILLED, NoticeKind.CANCELLED})
_REFUSALS = {
    "0": NoticeKind.REJECTED,
    "1": NoticeKind.MODIFY_REFUSED,
    "2": NoticeKind.CANCEL_REFUSED,
}
# (RCTF_CLS, ACPT_YN) of a notice that is neither a refusal nor a fill.
_STAGES: dict[tuple[str, str], NoticeKind | None] = {
    ("0", "1"): NoticeKind.ACCEPTED,
    ("1", "1"): None,
    ("2", "1"): None,
    ("1", "2"): NoticeKind.MODIFIED,
    ("2", "2"): NoticeKind.CANCELLED,
    ("0", "3"): NoticeKind.CANCELLED,
    ("1", "3"): NoticeKind.CANCELLED,
    ("2", "3"): NoticeKind.CANCELLED,
}


def _kind(record: _Record) -> NoticeKind | None:
    refused, traded = record.text("RFUS_YN"), record.text("CNTG_YN")
    request, stage = record.text("RCTF_CLS"), record.text("ACPT_YN")
    codes = f"{refused}{traded}{stage}{request}"
    if refused == "1":
        if request not in _REFUSALS:
            raise BadData("an unknown refusal", field="RCTF_CLS", raw=codes)
        return _REFUSALS[request]
    if refused != "0" or traded not in ("1", "2"):
        raise BadData("an unknown notice", field="RFUS_YN", raw=codes)
    if traded == "2":
        return NoticeKind.FILLED
    if (request, stage) not in _STAGES:
        raise BadData("an unknown notice", field="ACPT_YN", raw=codes)
    return _STAGES[request, stage]


def _number(record: _Record, field: str) -> str:
    number = order_number(record.text(field))
    if number is None:
        raise BadData("no order number", field=field)
    return number


class Ping(NamedTuple):
    """The broker's heartbeat, to be answered with its own text; it tells the time, if readable."""

    text: str
    told_at: datetime | None = None


class Ack(NamedTuple):
    """A registration is now active, or gone. `cipher` is what the answer carried, if anything.

    Plain channels carry a key too; only that of the notice channel is ever used.
    """

    channel: str
    key: str
    active: bool
    cipher: NoticeCipher | None


class Refusal(NamedTuple):
    """A request or the whole session was refused; `channel` may be the text `(null)`."""

    channel: str
    key: str
    code: str
    reason: str


Control = Ping | Ack | Refusal

_ACTIVE = frozenset({WsCode.SUBSCRIBED, WsCode.ALREADY_SUBSCRIBED})
_GONE = frozenset({WsCode.UNSUBSCRIBED, WsCode.NOT_SUBSCRIBED})


def _instant(text: str) -> datetime | None:
    """The UTC instant of a YYYYMMDDHHMMSS in KST."""
    try:
        return instant_of(day_of(text[:8], "datetime"), text[8:], "datetime")
    except BadData:
        return None


def decode_control(text: str) -> Control:
    """A JSON message of the stream; raises `BadData`."""
    try:
        message = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise BadData("not JSON", raw=text) from None
    header = message.get("header") if isinstance(message, dict) else None
    if not isinstance(header, dict):
        raise BadData("no header", field="header", raw=text)
    if header.get("tr_id") == "PINGPONG":
        return Ping(text, _instant(_word(header, "datetime")))
    body = message.get("body")
    if not isinstance(body, dict):
        raise BadData("no body", field="body", raw=text)
    channel, key = _word(header, "tr_id"), _word(header, "tr_key")
    code = _word(body, "msg_cd")
    if code in _ACTIVE:
        return Ack(channel, key, True, _cipher(body.get("output")))
    if code in _GONE:
        return Ack(channel, key, False, None)
    if not code:
        raise BadData("no code", field="msg_cd", raw=text)
    return Refusal(channel, key, code, _word(body, "msg1"))


def _word(holder: dict[str, object], field: str) -> str:
    value = holder.get(field)
    return value.strip()[: BadData.RAW_LIMIT] if isinstance(value, str) else ""


def _cipher(output: object) -> NoticeCipher | None:
    if not isinstance(output, dict):
        return None
    key, iv = output.get("key"), output.get("iv")
    if not isinstance(key, str) or not isinstance(iv, str) or not key or not iv:
        return None
    return NoticeCipher(key, iv)
