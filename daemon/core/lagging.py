"""What is held, by a list of orders and a balance that are each late by less than `SETTLE`, or by
as long as a balance says that it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from daemon.core.events import AccountReported, Holding
from daemon.core.reconcile import SETTLE
from daemon.core.values import BrokerRef, InstrumentId, Side, currency_of
from daemon.core.witness import BrokerOrder


@dataclass(frozen=True, slots=True)
class _Traded:
    """Shares that a list showed as traded for the first time `at`; below zero if sold.

    `before` the books began, the first list shows them.
    """

    at: datetime
    shares: int
    price: Decimal
    before: bool = False


@dataclass(frozen=True, slots=True)
class _Span:
    """The fewest and the most shares that may be held."""

    least: int
    most: int

    def moved(self, shares: int) -> "_Span":
        return _Span(self.least + shares, self.most + shares)


_NOTHING = _Span(0, 0)


class LaggingBooks:
    """The shares of one region on one of its days.

    Between what numbers they lie is known from the first balance, which may lack what the first
    list (told `at`) shows as traded. What every later list shows is counted on; what a later
    balance rules out, by what was traded lately and may be missing from it, is struck off. What
    differs for any other cause, or for as long as nothing can be late, is as the balance says.
    """

    def __init__(
        self, day: date, report: AccountReported, listed: Sequence[BrokerOrder], *, at: datetime
    ) -> None:
        self.day = day
        self._filled = {each.refs[0]: each.filled for each in listed}
        self._lately: dict[InstrumentId, list[_Traded]] = {}
        for each in listed:
            if each.filled:
                self._add(each, each.filled, at=at, before=True)
        told = {each.instrument: each.quantity for each in report.holdings}
        self._held = {
            instrument: _span(told.get(instrument, 0), self._lately.get(instrument, ()))
            for instrument in {*told, *self._lately}
        }
        self._differs: dict[InstrumentId, datetime] = {}

    def filled(self, ref: BrokerRef) -> int:
        """The most that any list showed as traded of the order with this first number."""
        return self._filled.get(ref, 0)

    def note(self, listed: Sequence[BrokerOrder], *, at: datetime) -> None:
        """Count what a list that was told at `at` shows as traded."""
        for each in listed:
            ref, instrument = each.refs[0], each.instrument
            more = each.filled - self.filled(ref)
            if more > 0:
                self._filled[ref] = each.filled
                held = self._held.get(instrument, _NOTHING)
                self._held[instrument] = held.moved(more * each.side.sign)
                self._add(each, more, at=at, before=False)

    def completed(self, report: AccountReported, *, asked: datetime, side: Side) -> AccountReported:
        """A balance asked for at `asked`, with what is missing from it of all that is noted.

        Where that is not certain, as much is held as may be for a purchase, as little for a sale.
        What the first list shows is in the balance all the same, unless another tells otherwise:
        nobody knows when it was traded, and most was long ago.
        Missing purchases are paid for at the dearest they may have cost; the money of missing
        sales is left out.
        A balance without the day's trades (`unbooked`) may lack all of them. The purchases of the
        first list then count as missing: where they are not, limits are reached too soon, and the
        broker refuses to sell what is not there.
        """
        held = {each.instrument: each for each in report.holdings}
        cash = dict(report.cash)
        unbooked = self.day in report.unbooked.values()
        for instrument in {*self._held, *held}:
            told = held.get(instrument) or Holding(
                instrument=instrument, quantity=0, cost=Decimal(0)
            )
            lately = self._still_late(instrument, asked, unbooked=unbooked)
            quantity = self._quantity(told, lately, asked, side, unbooked=unbooked)
            missing = max(0, quantity) - told.quantity
            if missing > 0:
                paid = missing * max(each.price for each in lately if each.shares > 0)
                held[instrument] = replace(
                    told, quantity=told.quantity + missing, cost=told.cost + paid
                )
                currency = currency_of(instrument)
                cash[currency] = cash.get(currency, Decimal(0)) - paid
            elif missing < 0:
                left = told.quantity + missing
                held[instrument] = replace(
                    told, quantity=left, cost=told.cost * left / told.quantity
                )
        return replace(report, holdings=tuple(held.values()), cash=cash)

    def _add(self, row: BrokerOrder, shares: int, *, at: datetime, before: bool) -> None:
        traded = _Traded(at, shares * row.side.sign, row.notional / row.filled, before)
        self._lately.setdefault(row.instrument, []).append(traded)

    def _still_late(
        self, instrument: InstrumentId, asked: datetime, *, unbooked: bool
    ) -> list[_Traded]:
        """What was traded so lately that a balance need not show it: all, if it is `unbooked`."""
        traded = self._lately.get(instrument, [])
        kept = [each for each in traded if unbooked or _age(each.at, asked) < SETTLE]
        self._lately[instrument] = kept
        return kept

    def _quantity(
        self,
        told: Holding,
        lately: Sequence[_Traded],
        asked: datetime,
        side: Side,
        *,
        unbooked: bool,
    ) -> int:
        """How many shares of a holding are held, the missing ones and all."""
        instrument = told.instrument
        known = self._held.get(instrument, _NOTHING)
        may = _span(told.quantity, lately)
        both = _Span(max(known.least, may.least), min(known.most, may.most))
        if both.least <= both.most:
            self._differs.pop(instrument, None)
            self._held[instrument] = both
            first = sum(max(each.shares, 0) for each in lately if each.before) if unbooked else 0
            own = _span(told.quantity + first, [each for each in lately if not each.before])
            wanted = own.most if side is Side.BUY else own.least
            return min(max(wanted, both.least), both.most)
        since = self._differs.setdefault(instrument, asked)
        if not lately and _age(since, asked) >= SETTLE:
            self._held[instrument] = may
            del self._differs[instrument]
        return min(max(known.least, may.least), may.most)


def _span(shares: int, missing: Iterable[_Traded]) -> _Span:
    """What may be held where a balance tells so many shares and may lack any of the missing."""
    changes = [each.shares for each in missing]
    bought = sum(each for each in changes if each > 0)
    sold = sum(each for each in changes if each < 0)
    return _Span(shares + sold, shares + bought)


def _age(then: datetime, now: datetime) -> float:
    return (now - then).total_seconds()
