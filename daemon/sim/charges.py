"""What the simulated broker takes for a trade.

Its arithmetic and its table are its own, in whole won and whole fractions, so that a client's
mistake cannot cancel itself out. Every listed stock is one of KOSPI.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

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


class Charge(NamedTuple):
    """KRW taken for what an order traded so far."""

    commission: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Charges:
    """The broker's commission as a part of the amount, of purchases and sales alike."""

    commission: Decimal = Decimal("0.000140527")

    def of(self, side: Side, notional: Decimal, settles: date) -> Charge:
        """What an order that traded `notional` is charged in all: taxes without their fractions."""
        won = int(notional)
        commission = int(won * self.commission + Decimal("0.5"))
        tax = 0
        if side is Side.SELL:
            rate = next(rate for since, rate in _TRANSACTION if settles >= since)
            tax = sum(won * part // _HUNDRED_THOUSAND for part in (rate, _RURAL))
        return Charge(Decimal(commission), Decimal(tax))
