"""What is held, by a list of orders and a balance that are each late by less than `SETTLE`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from daemon.core.events import AccountReported, Holding
from daemon.core.reconcile import SETTLE
from daemon.core.values import BrokerRef, InstrumentId, currency_of
from daemon.core.witness import BrokerOrder


@dataclass(frozen=True, slots=True)
class _Traded:
    """Shares that a list showed as traded for the first time `at`; below zero if sold."""

    at: datetime
    shares: int
    price: Decimal


class LaggingBooks:
    """The shares of one region on one of its days.

    They are counted on from the first balance by what every later list shows as traded. Where a
    balance tells another number, what was traded lately is taken to be missing from it. What
    differs for any other cause, or for as long as nothing can be late, is as the balance says.
    """

    def __init__(self, day: date, report: AccountReported, listed: Sequence[BrokerOrder]) -> None:
        self.day = day
        self._filled = {each.refs[0]: each.filled for each in listed}
        self._counted = {each.instrument: each.quantity for each in report.holdings}
        self._lately: dict[InstrumentId, list[_Traded]] = {}
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
                shares = more * each.side.sign
                self._counted[instrument] = self._counted.get(instrument, 0) + shares
                traded = _Traded(at, shares, each.notional / each.filled)
                self._lately.setdefault(instrument, []).append(traded)

    def completed(self, report: AccountReported, *, asked: datetime) -> AccountReported:
        """A balance asked for at `asked`, with what is missing from it of all that is noted.

        Missing purchases are paid for at the dearest they may have cost; the money of missing
        sales is left out.
        """
        held = {each.instrument: each for each in report.holdings}
        cash = dict(report.cash)
        for instrument in {*self._counted, *held}:
            told = held.get(instrument) or Holding(
                instrument=instrument, quantity=0, cost=Decimal(0)
            )
            lately = self._still_late(instrument, asked)
            missing = self._missing(told, lately, asked)
            if missing > 0:
                paid = missing * max(each.price for each in lately if each.shares > 0)
                held[instrument] = replace(
                    told, quantity=told.quantity + missing, cost=told.cost + paid
                )
                currency = currency_of(instrument)
                cash[currency] = cash.get(currency, Decimal(0)) - paid
            elif missing < 0:
                left = told.quantity + missing
                cost = told.cost * left / told.quantity if told.quantity else Decimal(0)
                held[instrument] = replace(told, quantity=left, cost=cost)
        return replace(report, holdings=tuple(held.values()), cash=cash)

    def _still_late(self, instrument: InstrumentId, asked: datetime) -> list[_Traded]:
        """What was traded so lately that a balance need not show it."""
        kept = [each for each in self._lately.get(instrument, ()) if _age(each.at, asked) < SETTLE]
        self._lately[instrument] = kept
        return kept

    def _missing(self, told: Holding, lately: Sequence[_Traded], asked: datetime) -> int:
        instrument = told.instrument
        missing = self._counted.get(instrument, 0) - told.quantity
        if missing == 0:
            self._differs.pop(instrument, None)
            return 0
        since = self._differs.setdefault(instrument, asked)
        if not lately and _age(since, asked) >= SETTLE:
            self._counted[instrument] = told.quantity
            del self._differs[instrument]
        bought = sum(each.shares for each in lately if each.shares > 0)
        sold = sum(each.shares for each in lately if each.shares < 0)
        return max(min(missing, bought), sold)


def _age(then: datetime, now: datetime) -> float:
    return (now - then).total_seconds()
