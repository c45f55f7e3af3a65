"""The daily order list folded into orders: modify and cancel requests are rows of their own.

A request's row points to the order it changes through orgn_odno. Its text does not tell a
modify from a cancel (the Korean texts were never captured), so quantities decide.
"""

import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter

from daemon.core.errors import BadData
from daemon.core.events import OrderKind
from daemon.core.values import BrokerRef, InstrumentId, Session, Side
from daemon.core.witness import BrokerOrder
from daemon.kis.codec import form_of
from daemon.kis.fields import (
    day_of,
    decimal_or_none,
    instant_of,
    instrument_of,
    order_number,
    shares_at,
    shares_or_none,
    side_of,
    text_of,
)
from daemon.kis.replies import Row
from daemon.kis.spec import LIMIT_DIVISIONS, PRICELESS_DIVISIONS

_VENUE = "excg_id_dvsn_cd"
"""Where an order was sent. The portal writes it excg_id_dvsn_Cd, and whether the virtual world
sends it at all is not known."""

_READ = (
    *("odno", "orgn_odno", "ord_dt", "ord_gno_brno", "pdno", "sll_buy_dvsn_cd", "ord_qty"),
    *("ord_unpr", "tot_ccld_qty", "tot_ccld_amt", "avg_prvs", "rmn_qty", "rjct_qty"),
    *("ord_dvsn_cd", "ord_tmd", "cncl_cfrm_qty", "cncl_yn", _VENUE),
)
"""Every field that `_read_entry` looks at."""

_ROUTES = frozenset({"NXT", "SOR"})
"""Where an order may have been sent instead of to `codec.VENUE`, as changes of it must repeat."""

_SEPARATOR = "\x1f"
REMEMBERED = 4096
"""Rows whose reading is kept: those of a busy day."""

Key = tuple[date, str, str]
"""Day, branch and number: two branches may give out the same number."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One row; read again unchanged, it is the same object.

    `parent` is the number it changes, `None` for an order of its own.
    """

    ref: BrokerRef
    parent: str | None
    instrument: InstrumentId
    side: Side
    quantity: int
    price: Decimal
    filled: int
    notional: Decimal
    remaining: int
    cancelled: int
    rejected: int
    division: str
    at: datetime

    @property
    def key(self) -> Key:
        return self.ref.day, self.ref.branch, self.ref.number

    @property
    def age(self) -> tuple[datetime, int, str]:
        return self.at, len(self.ref.number), self.ref.number

    @property
    def carries_shares(self) -> bool:
        """False for a cancel request and for a modify that was refused: nothing lives there."""
        if self.filled:
            return True
        if self.price == 0 and self.division in LIMIT_DIVISIONS:
            return False  # no limit order has the price 0: the row asks for a cancel
        return self.remaining > 0 or (self.price > 0 and not self.rejected)


def remembered(
    fields: Sequence[str], read: Callable[[Row], Entry | None]
) -> Callable[[Row], Entry | None]:
    """`read`, which looks at no others than `fields`, remembering what it made of their texts.

    A day's list repeats nearly all of its rows each time it is asked.
    """
    pick = itemgetter(*fields)

    @lru_cache(maxsize=REMEMBERED)
    def known(texts: str) -> Entry | None:
        return read(dict(zip(fields, texts.split(_SEPARATOR), strict=True)))

    def entry(row: Row) -> Entry | None:
        try:
            texts = _SEPARATOR.join(pick(row))
        except (KeyError, TypeError):
            return read(row)  # a field is missing, or no text, which is told by name
        if texts.count(_SEPARATOR) >= len(fields):
            return read(row)
        return known(texts)

    return entry


class SkippedRows:
    """Rows that cannot be orders of ours: how many there were, and what the first one held."""

    def __init__(self) -> None:
        self.count = 0
        self.raw = ""

    def add(self, row: Row) -> None:
        """One more of them."""
        self.raw = self.raw or reprlib.repr(row)
        self.count += 1


class OrderList:
    """The daily list read page by page: of a page that was added nothing raw is kept.

    A row that appears on two pages counts once, as read last. A row whose number is blank and that
    changes none cannot be an order of ours and is `skipped`.
    """

    def __init__(self) -> None:
        self.skipped = SkippedRows()
        self._entries: dict[Key, Entry] = {}

    def add(self, rows: Iterable[Row]) -> None:
        """The rows of one more page.

        Raises `BadData` for a row that cannot be read: an order must not vanish because of one
        field.
        """
        for raw in rows:
            row = raw
            if "odno" not in raw or _VENUE not in raw:
                row = {_VENUE: "", **{name.lower(): value for name, value in raw.items()}}
            entry = _entry(row)
            if entry is None:
                self.skipped.add(raw)
            else:
                self._entries[entry.key] = entry

    def orders(self) -> Sequence[BrokerOrder]:
        """Every order of the pages, oldest first; raises `BadData` for rows that contradict."""
        return fold_entries(self._entries)


def fold_entries(entries: Mapping[Key, Entry]) -> Sequence[BrokerOrder]:
    """Every order of these rows, oldest first; raises `BadData` for rows that contradict."""
    roots = _Roots(entries)
    families: dict[Key, list[Entry]] = {}
    for entry in sorted(entries.values(), key=lambda entry: entry.age):
        families.setdefault(roots.of(entry), []).append(entry)
    orders = [_fold(root, *family) for root, family in families.items()]
    return sorted(
        (order for order in orders if order is not None),
        key=lambda order: (order.ordered_at, order.refs[0].number),
    )


def _read_entry(row: Row) -> Entry | None:
    number = order_number(text_of(row, "odno"))
    parent = order_number(text_of(row, "orgn_odno"))
    if number is None:
        if parent is None and "odno" in row:
            return None
        raise BadData("required and blank", field="odno")
    day = day_of(text_of(row, "ord_dt"), "ord_dt")
    filled = shares_at(row, "tot_ccld_qty")
    venue = text_of(row, _VENUE)
    return Entry(
        ref=BrokerRef(
            day=day,
            branch=text_of(row, "ord_gno_brno"),
            number=number,
            route=venue if venue in _ROUTES else "",
        ),
        parent=parent,
        instrument=instrument_of(text_of(row, "pdno"), "pdno"),
        side=side_of(text_of(row, "sll_buy_dvsn_cd"), "sll_buy_dvsn_cd"),
        quantity=shares_at(row, "ord_qty"),
        price=decimal_or_none(text_of(row, "ord_unpr"), "ord_unpr") or Decimal(0),
        filled=filled,
        notional=_notional(row, filled),
        remaining=shares_at(row, "rmn_qty"),
        cancelled=_cancelled(row, filled),
        rejected=shares_or_none(text_of(row, "rjct_qty"), "rjct_qty") or 0,
        division=text_of(row, "ord_dvsn_cd"),
        at=instant_of(day, text_of(row, "ord_tmd"), "ord_tmd"),
    )


_entry = remembered(_READ, _read_entry)


def _cancelled(row: Row, filled: int) -> int:
    """What was taken back; the mark alone, without a count, means all that did not trade."""
    counted = shares_or_none(text_of(row, "cncl_cfrm_qty"), "cncl_cfrm_qty")
    if counted or text_of(row, "cncl_yn").upper() != "Y":
        return counted or 0
    return max(shares_at(row, "ord_qty") - filled - shares_at(row, "rmn_qty"), 0)


def _notional(row: Row, filled: int) -> Decimal:
    if filled == 0:
        return Decimal(0)
    amount = decimal_or_none(text_of(row, "tot_ccld_amt"), "tot_ccld_amt")
    if amount is None or amount <= 0:
        average = decimal_or_none(text_of(row, "avg_prvs"), "avg_prvs")
        amount = average * filled if average is not None else None
    if amount is None or amount <= 0:
        raise BadData("filled shares without an amount", field="tot_ccld_amt")
    return amount


class _Roots:
    """Finds the first order of a chain; the rows do not name the branch of the parent."""

    def __init__(self, entries: Mapping[Key, Entry]) -> None:
        self._entries = entries
        self._branches: dict[tuple[date, str], list[str]] = {}
        for day, branch, number in entries:
            self._branches.setdefault((day, number), []).append(branch)

    def of(self, entry: Entry) -> Key:
        """The first order's key, even when its own row is missing."""
        seen = {entry.key}
        while entry.parent is not None:
            key = self._parent_key(entry, entry.parent)
            if key in seen:
                raise BadData("orders that change one another", field="orgn_odno", raw=key[-1])
            seen.add(key)
            parent = self._entries.get(key)
            if parent is None:
                return key
            entry = parent
        return entry.key

    def _parent_key(self, entry: Entry, number: str) -> Key:
        """The parent in the entry's own branch, or else the only one with that number."""
        day, branch, _ = entry.key
        branches = self._branches.get((day, number), [])
        if branch not in branches and branches:
            if len(branches) > 1:
                raise BadData("a change of one of several orders", field="orgn_odno", raw=number)
            branch = branches[0]
        return day, branch, number


def _sent_alike(refs: Sequence[BrokerRef]) -> tuple[BrokerRef, ...]:
    """No change moves an order elsewhere: numbers without a route have that of the others."""
    route = next((ref.route for ref in refs if ref.route), "")
    return tuple(ref if ref.route or not route else replace(ref, route=route) for ref in refs)


@lru_cache(maxsize=REMEMBERED)
def _fold(root: Key, *family: Entry) -> BrokerOrder | None:
    first = next((entry for entry in family if entry.key == root), None)
    changes = [entry for entry in family if entry is not first and entry.carries_shares]
    refs = [entry.ref for entry in changes]
    if first is None:
        if not changes:
            return None
        # The list began after the order did: what is left of it is all that can be told.
        head = changes[0]
        refs.insert(0, BrokerRef(day=root[0], branch=root[1], number=root[2]))
    else:
        head = first
        refs.insert(0, first.ref)
    living = [head, *(entry for entry in changes if entry is not head)]
    for entry in living:
        if entry.instrument != head.instrument or entry.side is not head.side:
            raise BadData("a change of another instrument or side", field="orgn_odno")
    filled = sum(entry.filled for entry in living)
    price = living[-1].price
    if head.division in PRICELESS_DIVISIONS:
        # Our own order has none: what the list shows is where the exchange put it.
        head, price = replace(head, price=Decimal(0)), Decimal(0)
    # A type we do not know is told as one of the regular session.
    session, kind = form_of(head.division) or (Session.REGULAR, OrderKind.MARKET)
    return BrokerOrder(
        refs=_sent_alike(refs),
        instrument=head.instrument,
        side=head.side,
        quantity=head.quantity,
        limit=price if price > 0 else None,
        first_limit=head.price if head.price > 0 else None,
        rooted=first is not None,
        filled=filled,
        notional=sum((entry.notional for entry in living), Decimal(0)),
        # A modified row may keep showing what has moved on under the new number.
        remaining=min(sum(entry.remaining for entry in living), max(head.quantity - filled, 0)),
        cancelled=min(sum(entry.cancelled for entry in living), head.quantity),
        rejected=first.rejected if first is not None else 0,
        ordered_at=head.at,
        session=session,
        unpriced=OrderKind.MARKET if kind is OrderKind.LIMIT else kind,
        movable=all(form_of(entry.division) for entry in living),
    )
