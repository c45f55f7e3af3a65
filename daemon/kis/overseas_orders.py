"""The foreign list of orders (inquire-ccnl) folded into orders.

Unlike the domestic list it says what a row is (rvse_cncl_dvsn) and does not count what was
cancelled: a cancel is a row of its own, and takes what was still open of the order it names.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache, partial

from daemon.core.errors import BadData
from daemon.core.values import BrokerRef, InstrumentId, Region, code_of, instrument_id
from daemon.core.witness import BrokerOrder
from daemon.core.zones import local_date
from daemon.kis.exchanges import Exchange, exchange_of_code
from daemon.kis.fields import (
    day_of,
    decimal_or_none,
    instant_of,
    order_number,
    shares_at,
    side_of,
    text_of,
)
from daemon.kis.listed import Listed
from daemon.kis.orderlist import REMEMBERED, Entry, Key, SkippedRows, fold_entries, remembered
from daemon.kis.replies import Row
from daemon.kis.spec import OrderDivision

REFUSED = "거부"
"""prcs_stat_name of what the exchange or the broker turned down (capture of 2026-07)."""

_NEW, _MODIFY, _CANCEL = "00", "01", "02"

_READ = (
    *("odno", "orgn_odno", "ord_dt", "ord_gno_brno", "pdno", "sll_buy_dvsn_cd", "ft_ord_qty"),
    *("ft_ord_unpr3", "ft_ccld_qty", "ft_ccld_amt3", "ft_ccld_unpr3", "nccs_qty"),
    *("rvse_cncl_dvsn", "ovrs_excg_cd", "prcs_stat_name", "rjct_rson", "ord_tmd"),
)
"""Every field that `_read` looks at."""

_OTHER_KIND = "rvse_cncl_dvsn_cd"
"""Another name that rvse_cncl_dvsn goes by."""


class OverseasOrderList:
    """One region's orders of a list read page by page: of a page nothing raw is kept.

    Rows of other regions are left out. A row that appears on two pages, or under two exchanges,
    counts once. One code is one instrument, whatever exchanges rows name: that which `listed`
    makes of all of them. Blank rows are `skipped`.
    """

    def __init__(self, region: Region, listed: Listed) -> None:
        self.skipped = SkippedRows()
        self._listed = listed
        self._entry = _reader(region)
        self._entries: dict[Key, Entry] = {}
        self._named: dict[str, dict[InstrumentId, None]] = {}
        self._cancels: list[Entry] = []

    def add(self, rows: Iterable[Row]) -> None:
        """The rows of one more page.

        Raises `BadData` for a row that cannot be read: an order must not vanish because of one
        field.
        """
        for raw in rows:
            row = raw if "odno" in raw else {name.lower(): value for name, value in raw.items()}
            if _OTHER_KIND in row:
                kind = text_of(row, "rvse_cncl_dvsn") or row[_OTHER_KIND]
                row = {**row, "rvse_cncl_dvsn": kind}
            if _is_blank(row):
                self.skipped.add(raw)
                continue
            entry = self._entry(row)
            if entry is None:
                continue
            self._entries[entry.key] = entry
            self._named.setdefault(code_of(entry.instrument), {})[entry.instrument] = None
            if entry.price == 0 and not entry.rejected:
                self._cancels.append(entry)

    def orders(self) -> Sequence[BrokerOrder]:
        """Every order of the pages, oldest first; raises `BadData` for rows that contradict."""
        meant = {code: self._listed.among(named) for code, named in self._named.items()}
        entries = {
            key: _at(entry, meant[code_of(entry.instrument)])
            for key, entry in self._entries.items()
        }
        for cancel in self._cancels:
            parent = (cancel.ref.day, cancel.ref.branch, cancel.parent or "")
            if parent in entries:
                entries[parent] = _cancelled(entries[parent])
        return fold_entries(entries)


def _at(entry: Entry, instrument: InstrumentId) -> Entry:
    return entry if entry.instrument == instrument else _moved(entry, instrument)


@lru_cache(maxsize=REMEMBERED)
def _moved(entry: Entry, instrument: InstrumentId) -> Entry:
    """The same object for the same entry, as reading a row again gives."""
    return replace(entry, instrument=instrument)


@cache
def _reader(region: Region) -> Callable[[Row], Entry | None]:
    return remembered(_READ, partial(_read, region))


def _read(region: Region, row: Row) -> Entry | None:
    """The order of a row that is not blank; `None` for one of another region."""
    exchange = listed_on(row, "ovrs_excg_cd")
    return _entry(row, exchange) if exchange.region is region else None


def _is_blank(row: Row) -> bool:
    return order_number(text_of(row, "odno")) is None and not text_of(row, "pdno")


def listed_on(row: Row, field: str) -> Exchange:
    """The exchange a row names, by either kind of code; raises `BadData` for an unknown one."""
    code = text_of(row, field)
    exchange = exchange_of_code(code)
    if exchange is None:
        raise BadData("not an exchange we know", field=field, raw=code)
    return exchange


def instrument_at(row: Row, field: str, exchange: Exchange) -> InstrumentId:
    """The instrument of a row; raises `BadData`."""
    code = text_of(row, field)
    try:
        return instrument_id(exchange.market, code)
    except ValueError:
        raise BadData("not an instrument code", field=field, raw=code) from None


def ordered_at(row: Row, day: date, region: Region) -> datetime:
    """When a row's order came in: ord_tmd is in Korean time, ord_dt the exchange's own date.

    The Korean date that goes with the time is the one on which the exchange's date comes out.
    """
    stamp = text_of(row, "ord_tmd")
    for days in (0, 1, -1):
        at = instant_of(day + timedelta(days=days), stamp, "ord_tmd")
        if local_date(region, at) == day:
            return at
    raise BadData("not a time of that day", field="ord_tmd", raw=stamp)


def _entry(row: Row, exchange: Exchange) -> Entry:
    number = order_number(text_of(row, "odno"))
    if number is None:
        raise BadData("required and blank", field="odno")
    parent = order_number(text_of(row, "orgn_odno"))
    day = day_of(text_of(row, "ord_dt"), "ord_dt")
    kind = text_of(row, "rvse_cncl_dvsn") or _NEW
    if kind not in (_NEW, _MODIFY, _CANCEL):
        raise BadData("not a new order, a modify or a cancel", field="rvse_cncl_dvsn", raw=kind)
    if kind != _NEW and parent is None:
        raise BadData("a change of no order", field="orgn_odno")
    quantity, filled = shares_at(row, "ft_ord_qty"), shares_at(row, "ft_ccld_qty")
    remaining = 0 if kind == _CANCEL else shares_at(row, "nccs_qty")
    price = decimal_or_none(text_of(row, "ft_ord_unpr3"), "ft_ord_unpr3") or Decimal(0)
    if kind != _CANCEL and price <= 0 and remaining + filled:
        # Market orders at the open and the close have none; what is unlike any of ours is told so.
        price = Decimal(-1)
    return Entry(
        ref=BrokerRef(day=day, branch=text_of(row, "ord_gno_brno"), number=number),
        parent=None if kind == _NEW else parent,
        instrument=instrument_at(row, "pdno", exchange),
        side=side_of(text_of(row, "sll_buy_dvsn_cd"), "sll_buy_dvsn_cd"),
        quantity=quantity,
        price=Decimal(0) if kind == _CANCEL else price,
        filled=filled,
        notional=_notional(row, filled),
        remaining=remaining,
        cancelled=0,
        rejected=max(quantity - filled, 0) if _is_refused(row, filled, remaining) else 0,
        division=OrderDivision.LIMIT,
        at=ordered_at(row, day, exchange.region),
    )


def _is_refused(row: Row, filled: int, remaining: int) -> bool:
    """Whether a row says so by its status, or by a reason where no share trades or stands.

    A reason of zeros counts as none: whether the broker fills the field so nobody has seen.
    """
    if text_of(row, "prcs_stat_name") == REFUSED:
        return True
    return bool(text_of(row, "rjct_rson").strip("0")) and not (filled or remaining)


def _notional(row: Row, filled: int) -> Decimal:
    if filled == 0:
        return Decimal(0)
    amount = decimal_or_none(text_of(row, "ft_ccld_amt3"), "ft_ccld_amt3")
    if amount is None or amount <= 0:
        average = decimal_or_none(text_of(row, "ft_ccld_unpr3"), "ft_ccld_unpr3")
        amount = average * filled if average is not None else None
    if amount is None or amount <= 0:
        raise BadData("filled shares without an amount", field="ft_ccld_amt3")
    return amount


def _cancelled(entry: Entry) -> Entry:
    """What a cancel that was not refused took: all that neither traded nor is still open."""
    gone = entry.quantity - entry.filled - entry.remaining - entry.rejected
    return replace(entry, cancelled=max(gone, 0))
