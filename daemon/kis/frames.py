"""Stream messages in: data frames to events; control messages to typed answers.

A data frame is `enc|tr_id|count|payload`; its row width is fields ÷ count and never assumed. Any
text gives values or one `BadData`. Trades and books of Korean stocks are read here, for they come
by the thousand a second; other rows by the modules named for them.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from daemon.core.calendar import KST
from daemon.core.errors import BadData
from daemon.core.values import (
    AccountId,
    ExpectedPrice,
    InstrumentId,
    Level,
    MarketStatus,
    OrderBook,
    Record,
    Side,
    Tick,
    Venue,
)
from daemon.core.witness import BrokerNotice
from daemon.kis.channels import BOOK, BY_TR_ID, TRADES, Channel, Kind, Subject
from daemon.kis.fields import decimal_or_none, instant_of, instrument_of, shares_or_none
from daemon.kis.listed import Listed
from daemon.kis.notices import ACCOUNT_COLUMN, domestic_notice, overseas_notice
from daemon.kis.overseas import overseas_book, overseas_tick
from daemon.kis.records import own_row, record
from daemon.kis.spec import BOOK_CHANNEL, BOOK_COLUMNS, TRADE_COLUMNS, TRADES_CHANNEL
from daemon.kis.status import market_status

FrameEvent = Tick | OrderBook | ExpectedPrice | MarketStatus | Record | BrokerNotice

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
_TRADE_RESTS = tuple(width - _TRADE_SPLITS - 1 for width in range(TRADES.least, TRADES.known + 1))
_LONE_TRADE = f"0|{TRADES_CHANNEL}|001|"
_HEAD = len(_LONE_TRADE)
_BOOK_SPLITS = BOOK_COLUMNS.index("BIDP_RSQN10") + 1
_LEVELS = 10

_COUNTS = {f"{count:03}": count for count in range(1, 1000)}
_CACHE_LIMIT = 4096
_TOO_MANY = 10**30  # shares: where `fields` ends to read numbers, too

_new_tick = tuple.__new__
_KRX = Venue.KRX
_DAY = timedelta(days=1)

_READERS: dict[Kind, Callable[[Sequence[str], Channel, datetime], FrameEvent | None]] = {
    Kind.STATUS: market_status,
    Kind.OVERSEAS_TRADES: overseas_tick,
    Kind.OVERSEAS_BOOK: overseas_book,
    Kind.RECORD: record,
}
_NOTICE_READERS = {Kind.NOTICES: domestic_notice, Kind.OVERSEAS_NOTICES: overseas_notice}


class Undecipherable(BadData):
    """Sealed with another key than the one we have, or damaged on the way."""


class NoticeCipher:
    """AES-256-CBC with the key and iv of a notice acknowledgement (ASCII bytes, not hex)."""

    def __init__(self, key: str, iv: str) -> None:
        """Raises `BadData` unless the key has 32 and the iv 16 ASCII characters."""
        if len(key) != 32 or len(iv) != 16 or not key.isascii() or not iv.isascii():
            raise BadData("not a key of 32 and an iv of 16 characters", field="output")
        self._cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode()))

    def decrypt(self, payload: str) -> str:
        """The plain text of a base64 payload; raises `Undecipherable`."""
        try:
            sealed = b64decode(payload, validate=True)
            decryptor = self._cipher.decryptor()
            padded = decryptor.update(sealed) + decryptor.finalize()
            pad = padded[-1] if padded else 0
            if not 1 <= pad <= 16 or padded[-pad:] != bytes((pad,)) * pad:
                raise Undecipherable("cannot be decrypted", field="payload")
            return padded[:-pad].decode()
        except (binascii.Error, ValueError):
            raise Undecipherable("cannot be decrypted", field="payload") from None


class Drift(NamedTuple):
    """A channel whose rows have more columns than known, and how many frames of it came so."""

    channel: str
    known: int
    widest: int
    frames: int


@dataclass(slots=True)
class FrameStats:
    """What was read and what was noticed on the way, since the start.

    `wider` counts frames with more columns than known, `drift` tells of them by TR id. `foreign`
    counts rows of other accounts, `pending` requests that were taken but not yet done.
    """

    frames: int = 0
    wider: int = 0
    foreign: int = 0
    pending: int = 0
    drift: dict[str, Drift] = field(default_factory=dict)


def _ignore(drift: Drift) -> None:
    """Nobody asked to be told."""


class FrameDecoder:
    """Reads data frames for one account. Keeps small caches; holds no other state.

    `on_drift` is called once for each channel that grew, with its first such frame. By `listed`
    order notices are told of the exchange that they should have named.
    """

    def __init__(
        self,
        account: AccountId,
        *,
        on_drift: Callable[[Drift], None] = _ignore,
        listed: Listed | None = None,
    ) -> None:
        self.stats = FrameStats()
        self._on_drift = on_drift
        self._listed = listed or Listed()
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

        `cipher` is that of the frame's own channel: each sealed one has another key. Raises
        `BadData`; nothing of such a frame is delivered.
        """
        if frame[:_HEAD] == _LONE_TRADE and (tick := self._lone_trade(frame, received_at)):
            return (tick,)
        try:
            sealed, channel, records, payload = frame.split("|", 3)
        except ValueError:
            raise BadData("not a data frame", raw=frame) from None
        count = _COUNTS.get(records)
        if count is None:
            raise BadData("not a record count", field="count", raw=records)
        self.stats.frames += 1
        if sealed == "0":
            if channel == TRADES_CHANNEL:
                return self._trades(payload, count, received_at)
            if channel == BOOK_CHANNEL:
                return self._books(payload, count, received_at)
        elif sealed != "1":
            raise BadData("neither plain nor sealed", raw=frame)
        known = BY_TR_ID.get(channel)
        if known is None:
            raise BadData("not a channel of ours", field="tr_id", raw=channel)
        if sealed == "1":
            if not known.encrypted or cipher is None:
                raise BadData("sealed, and there is no key", field=channel)
            payload = cipher.decrypt(payload)
        return self._others(payload, count, received_at, known)

    def _others(
        self, payload: str, count: int, received_at: datetime, channel: Channel
    ) -> Sequence[FrameEvent]:
        """Rows of any channel but the two that come most."""
        kind = channel.kind
        if kind is Kind.TRADES:
            return self._trades(payload, count, received_at, channel)
        if kind is Kind.BOOK:
            return self._books(payload, count, received_at, channel)
        if kind is Kind.EXPECTED:
            return self._expected(payload, count, received_at, channel)
        if kind in _NOTICE_READERS:
            return self._notices(payload, count, received_at, channel)
        read = _READERS[kind]
        rows: Sequence[Sequence[str]] = self._parted(payload, count, channel)
        if channel.subject is Subject.CUSTOMER:
            rows = self._own(rows, channel)
        events = [read(row, channel, received_at) for row in rows]
        return [event for event in events if event is not None]

    def _width(self, payload: str, count: int, channel: Channel) -> int:
        """Fields of one record. Wider than known is drift, narrower cannot be read."""
        fields = payload.count("^") + 1
        width = fields if count == 1 else fields // count
        if width * count != fields:
            raise BadData(f"{fields} fields are not {count} records", field="payload", raw=payload)
        if width < channel.least:
            what = f"{width} fields where {channel.least} are known"
            raise BadData(what, field="payload", raw=payload)
        if width > channel.known:
            self._drifted(channel, width)
        return width

    def _drifted(self, channel: Channel, width: int) -> None:
        stats, name = self.stats, channel.tr_id
        stats.wider += 1
        before = stats.drift.get(name)
        if before is None:
            stats.drift[name] = first = Drift(name, channel.known, width, 1)
            self._on_drift(first)
        else:
            widest = max(before.widest, width)
            stats.drift[name] = Drift(name, channel.known, widest, before.frames + 1)

    def _parted(self, payload: str, count: int, channel: Channel) -> list[list[str]]:
        """One list of all its fields a record."""
        width = self._width(payload, count, channel)
        parts = payload.split("^")
        return [parts[base : base + width] for base in range(0, width * count, width)]

    def _rows(
        self, payload: str, count: int, splits: int, channel: Channel
    ) -> Sequence[Sequence[str]]:
        """One list of fields a record; a lone record is split only as far as it is read."""
        # int() would read "1_0" and the digits of other scripts.
        if "_" in payload or not payload.isascii():
            raise BadData("not a market frame", field="payload", raw=payload)
        if count == 1:
            if not channel.least <= payload.count("^") + 1 <= channel.known:
                self._width(payload, count, channel)
            return (payload.split("^", splits),)
        return self._parted(payload, count, channel)

    def _trades(
        self, payload: str, count: int, received_at: datetime, channel: Channel = TRADES
    ) -> list[Tick]:
        if not self._since <= received_at < self._until:
            self._new_day(received_at)
        instruments, prices, seconds = self._instruments, self._prices, self._seconds
        venue = channel.venue
        ticks = []
        for row in self._rows(payload, count, _TRADE_SPLITS, channel):
            try:
                quantity, day_volume = int(row[_QUANTITY]), int(row[_DAY_VOLUME])
            except ValueError:
                raise _no_shares(row) from None
            if not (0 <= quantity < _TOO_MANY and 0 <= day_volume < _TOO_MANY):
                raise _no_shares(row)
            code, price, second = row[_CODE], row[_PRICE], row[_TIME]
            ticks.append(
                _new_tick(
                    Tick,
                    (
                        instruments.get(code) or self._instrument(code),
                        prices.get(price) or self._price(price, "STCK_PRPR"),
                        quantity,
                        _AGGRESSORS.get(row[_AGGRESSOR]),
                        day_volume,
                        seconds.get(second) or self._second(second, received_at),
                        received_at,
                        venue,
                    ),
                )
            )
        return ticks

    def _lone_trade(self, frame: str, received_at: datetime) -> Tick | None:
        """The one trade of a frame, if all is as usual; anything else is left to `_trades`."""
        row = frame.split("^", _TRADE_SPLITS)
        if len(row) <= _TRADE_SPLITS or "_" in frame or not frame.isascii():
            return None
        instrument = self._instruments.get(row[_CODE][_HEAD:])
        price, at = self._prices.get(row[_PRICE]), self._seconds.get(row[_TIME])
        if instrument is None or price is None or at is None:
            return None
        if row[_TRADE_SPLITS].count("^") not in _TRADE_RESTS:
            return None
        try:
            quantity, day_volume = int(row[_QUANTITY]), int(row[_DAY_VOLUME])
        except ValueError:
            return None
        usual = 0 <= quantity < _TOO_MANY and 0 <= day_volume < _TOO_MANY
        if not usual or not self._since <= received_at < self._until:
            return None
        self.stats.frames += 1
        aggressor = _AGGRESSORS.get(row[_AGGRESSOR])
        fields = (instrument, price, quantity, aggressor, day_volume, at, received_at, _KRX)
        return _new_tick(Tick, fields)

    def _expected(
        self, payload: str, count: int, received_at: datetime, channel: Channel
    ) -> list[ExpectedPrice]:
        """Rows are laid out like trades; one without a price says that nothing would trade."""
        if not self._since <= received_at < self._until:
            self._new_day(received_at)
        expected = []
        for row in self._rows(payload, count, _TRADE_SPLITS, channel):
            code, text, second = row[_CODE], row[_PRICE], row[_TIME]
            price = self._prices.get(text)
            if price is None:
                if not decimal_or_none(text, "STCK_PRPR"):
                    continue
                price = self._price(text, "STCK_PRPR")
            quantity = shares_or_none(row[_QUANTITY], "CNTG_VOL")
            if quantity is None:
                raise BadData("not a count of shares", field="CNTG_VOL", raw=payload)
            expected.append(
                ExpectedPrice(
                    self._instruments.get(code) or self._instrument(code),
                    price,
                    quantity,
                    self._seconds.get(second) or self._second(second, received_at),
                    received_at,
                    channel.venue,
                )
            )
        return expected

    def _instrument(self, code: str) -> InstrumentId:
        if len(self._instruments) >= _CACHE_LIMIT:
            self._instruments.clear()
        instrument = self._instruments[code] = instrument_of(code, "MKSC_SHRN_ISCD")
        return instrument

    def _price(self, text: str, field: str) -> Decimal:
        price = decimal_or_none(text, field)
        if price is None or price <= 0:
            raise BadData("a price must be above zero", field=field, raw=text)
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

    def _books(
        self, payload: str, count: int, received_at: datetime, channel: Channel = BOOK
    ) -> list[OrderBook]:
        if not self._since <= received_at < self._until:
            self._new_day(received_at)
        books = []
        for row in self._rows(payload, count, _BOOK_SPLITS, channel):
            code, second = row[_CODE], row[_BOOK_TIME]
            books.append(
                OrderBook(
                    self._instruments.get(code) or self._instrument(code),
                    self._side(row, _BIDS, _BID_SHARES),
                    self._side(row, _ASKS, _ASK_SHARES),
                    self._seconds.get(second) or self._second(second, received_at),
                    received_at,
                    channel.venue,
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
                    price = self._price(text, BOOK_COLUMNS[prices][:-1])
                levels.append(_new_tick(Level, (price, quantity)))
            elif quantity:
                raise BadData("not a count of shares", field="RSQN", raw=str(quantity))
        return tuple(levels)

    def _notices(
        self, payload: str, count: int, received_at: datetime, channel: Channel
    ) -> list[BrokerNotice]:
        read = _NOTICE_READERS[channel.kind]
        notices = []
        for row in self._parted(payload, count, channel):
            if row[ACCOUNT_COLUMN].strip() != self._account_digits:
                self.stats.foreign += 1
                continue
            notice = read(row, self._account, received_at)
            if notice is None:
                self.stats.pending += 1
            else:
                meant = self._listed.among((notice.instrument,))
                named = notice.instrument == meant
                notices.append(notice if named else replace(notice, instrument=meant))
        return notices

    def _own(self, rows: Sequence[Sequence[str]], channel: Channel) -> list[Sequence[str]]:
        """The rows that are about our account."""
        found = [own_row(row, channel, self._account_digits) for row in rows]
        own = [row for row in found if row is not None]
        self.stats.foreign += len(found) - len(own)
        return own


def _no_shares(row: Sequence[str]) -> BadData:
    """Which of a trade's two counts cannot be one."""
    try:
        is_quantity = 0 <= int(row[_QUANTITY]) < _TOO_MANY
    except ValueError:
        is_quantity = False
    at = _DAY_VOLUME if is_quantity else _QUANTITY
    return BadData("not a count of shares", field=TRADE_COLUMNS[at], raw=row[at])
