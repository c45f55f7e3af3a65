"""What the simulated broker takes for a trade.

Its arithmetic and its tables are its own, in whole won or cents and whole fractions, so that a
client's mistake cannot cancel itself out. Every listed Korean stock is one of KOSPI.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import ceil
from typing import NamedTuple, Protocol

from daemon.core.values import Side

_HUNDRED_THOUSAND = 100_000
_RURAL = 150
_TRANSACTION = (
    (date(2026, 1, 1), 50),
    (date(2025, 1, 1), 0),
    (date(2024, 1, 1), 30),
    (date(2023, 1, 1), 50),
    (date(2021, 1, 1), 80),
    (date(2019, 6, 3), 100),
    (date.min, 150),
)
"""Both taxes on a sale on KOSPI in hundred-thousandths, the former by the day of settlement."""


_SECTION_31 = (
    (date(2026, 4, 4), 2_060),
    (date(2025, 5, 14), 0),
    (date(2024, 5, 22), 2_780),
    (date.min, 800),
)
"""The SEC's fee on a sale in cents for a million dollars, by the day of settlement."""

_ACTIVITY = (
    (date(2027, 1, 1), 195, 979),
    (date(2026, 10, 1), 0, 0),
    (date(2026, 1, 1), 195, 979),
    (date.min, 166, 830),
)
"""FINRA's fee for a million shares in dollars, and the most of a sale in cents, by trade day."""


class Charge(NamedTuple):
    """Taken for what an order traded so far, in the market's money. `tax` is all but commission."""

    commission: Decimal
    tax: Decimal


class Tariff(Protocol):
    """What a market's trades are charged."""

    @property
    def commission(self) -> Decimal: ...

    def of(
        self, side: Side, notional: Decimal, shares: int, day: date, settles: date
    ) -> Charge: ...


@dataclass(frozen=True, slots=True)
class Charges:
    """The broker's commission as a part of the amount, of purchases and sales alike."""

    commission: Decimal = Decimal("0.000140527")

    def of(self, side: Side, notional: Decimal, shares: int, day: date, settles: date) -> Charge:
        """What an order that traded `notional` is charged in all: taxes without their fractions."""
        won = int(notional)
        commission = int(won * self.commission + Decimal("0.5"))
        tax = 0
        if side is Side.SELL:
            rate = next(rate for since, rate in _TRANSACTION if settles >= since)
            tax = sum(won * part // _HUNDRED_THOUSAND for part in (rate, _RURAL))
        return Charge(Decimal(commission), Decimal(tax))


@dataclass(frozen=True, slots=True)
class AmericanCharges:
    """The broker's commission on US stocks and what regulators take of sales, in whole cents."""

    commission: Decimal = Decimal("0.0025")

    def of(self, side: Side, notional: Decimal, shares: int, day: date, settles: date) -> Charge:
        """What an order that traded `notional` USD is charged in all: fees to the next cent."""
        commission = int(notional * 100 * self.commission + Decimal("0.5"))
        fees = 0
        if side is Side.SELL and shares:
            rate = next(cents for since, cents in _SECTION_31 if settles >= since)
            fees += ceil(notional * rate / 1_000_000)
            dollars, most = next(row[1:] for row in _ACTIVITY if day >= row[0])
            fees += min(-(-shares * dollars // 10_000), most)
        return Charge(Decimal(commission) / 100, Decimal(fees) / 100)
