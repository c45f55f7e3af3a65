"""When money changes hands, and what of an account's money has not yet.

Sources: KRX settles on the second trading day after the trade (T+2). US stocks settled on T+2 from
2017-09-05 and settle on T+1 since the trades of 2024-05-28 (SEC Rule 15c6-1). Japan is T+2 since
2019-07-16 (JPX), Hong Kong T+2 (CCASS). Days are the market's own dates; the broker shows money
from abroad in Korea up to a day later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from daemon.core.tariffs import Dated
from daemon.core.values import Currency, Region


class TradingDays(Protocol):
    """A region's calendar, of days that settle: see `AmericanBankDays`."""

    def local_date(self, at: datetime) -> date: ...
    def next_trading_day(self, day: date) -> date: ...


@dataclass(frozen=True, slots=True)
class AmericanBankDays:
    """The trading days of the US exchanges without those on which banks rest.

    On Columbus Day (the second Monday of October) and Veterans Day (11 November, or the Monday
    after a Sunday) stocks trade and nothing settles (FINRA's yearly notices on settlement dates).
    """

    trading: TradingDays

    def local_date(self, at: datetime) -> date:
        """The calendar date in New York."""
        return self.trading.local_date(at)

    def next_trading_day(self, day: date) -> date:
        """The first day after `day` that settles."""
        day = self.trading.next_trading_day(day)
        while _banks_rest(day):
            day = self.trading.next_trading_day(day)
        return day


def _banks_rest(day: date) -> bool:
    if day.month == 10:
        return day.weekday() == 0 and 8 <= day.day <= 14
    return day.month == 11 and (day.day == 11 or (day.day == 12 and day.weekday() == 0))


_LAGS = {
    Region.KR: Dated("the settlement of KRX", [(date(1998, 1, 1), 2)]),
    Region.US: Dated("the settlement of US", [(date(2017, 9, 5), 2), (date(2024, 5, 28), 1)]),
    Region.JP: Dated("the settlement of JPX", [(date(2019, 7, 16), 2)]),
    Region.HK: Dated("the settlement of HKEX", [(date(2000, 1, 1), 2)]),
}


def settlement_day(region: Region, traded: date, days: TradingDays) -> date:
    """When a trade of the day `traded` is paid for.

    Raises `ValueError` for a region whose rule is not known here, or not for that day.
    """
    if region not in _LAGS:
        raise ValueError(f"when trades settle in {region.value} is not known")
    day = traded
    for _ in range(_LAGS[region].at(traded)):
        day = days.next_trading_day(day)
    return day


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """Money of trades that are made and not yet paid, in one currency; none of it negative."""

    receivable: Decimal = Decimal(0)
    payable: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """What the settled cash will change by."""
        return self.receivable - self.payable


@dataclass(slots=True)
class SettlementBook:
    """The cash of an account by currency, and on which day each part of it is there.

    Trades of a currency that settle on one day are paid as one amount, receipts against payments
    of the same region: that is how brokers book them, and what `unsettled` nets.
    """

    _opening: dict[Currency, Decimal] = field(default_factory=dict)
    _due: dict[Currency, dict[date, Decimal]] = field(default_factory=dict)

    def open(self, cash: Mapping[Currency, Decimal], only: Currency | None = None) -> None:
        """Begin with this settled cash, forgetting everything before, or all before in `only`.

        The broker's trade-date cash is as good: what of it is still to settle is not told.
        """
        if only is None:
            self._opening, self._due = {}, {}
        else:
            self._opening.pop(only, None)
            self._due.pop(only, None)
        self._opening.update(cash)

    def add(self, currency: Currency, settles: date, amount: Decimal) -> None:
        """Money that comes (or goes, if negative) on a day."""
        due = self._due.setdefault(currency, {})
        due[settles] = due.get(settles, Decimal(0)) + amount

    def prune(self, day: date) -> None:
        """Make what has settled on days before `day` part of the opening; figures stay."""
        for currency, due in self._due.items():
            for past in [each for each in due if each < day]:
                self._opening[currency] = self._opening.get(currency, Decimal(0)) + due.pop(past)

    def settled(self, currency: Currency, day: date) -> Decimal:
        """Cash that is there once the settlements of `day` are made."""
        due = self._due.get(currency, {})
        made = sum((amount for at, amount in due.items() if at <= day), Decimal(0))
        return self._opening.get(currency, Decimal(0)) + made

    def unsettled(self, currency: Currency, day: date) -> Unsettled:
        """What is still to be received and to be paid after the settlements of `day`."""
        later = [amount for at, amount in self._due.get(currency, {}).items() if at > day]
        return Unsettled(
            receivable=sum((amount for amount in later if amount > 0), Decimal(0)),
            payable=-sum((amount for amount in later if amount < 0), Decimal(0)),
        )

    def total(self, currency: Currency) -> Decimal:
        """Trade-date cash: what is left once everything has settled."""
        due = self._due.get(currency, {})
        return self._opening.get(currency, Decimal(0)) + sum(due.values(), Decimal(0))

    def calendar(self, currency: Currency) -> Mapping[date, Decimal]:
        """The days that have settlements and their net amounts, oldest first."""
        return dict(sorted(self._due.get(currency, {}).items()))


def in_won(amounts: Mapping[Currency, Decimal], rates: Mapping[Currency, Decimal]) -> Decimal:
    """All amounts in KRW at `rates` (KRW for one unit of each currency), to the won's fraction.

    Raises `ValueError` for a currency without a rate, except when there is none of it.
    """
    total = Decimal(0)
    for currency, amount in amounts.items():
        if currency is Currency.KRW:
            total += amount
        elif amount:
            if currency not in rates:
                raise ValueError(f"there is no rate to change {currency} into KRW")
            total += amount * rates[currency]
    return total
