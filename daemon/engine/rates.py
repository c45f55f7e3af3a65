"""What foreign money is worth in won: as set, until the broker tells its own rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from daemon.core.values import Currency
from daemon.ports import Clock

PLAUSIBLE = Decimal("0.3")
"""A told rate further than this part from the one known is believed to be a broken answer: limits
in won would be loose by as much."""


@dataclass(frozen=True, slots=True)
class ToldRate:
    """What the broker said one unit of a currency is worth in KRW, and when it last said so."""

    rate: Decimal
    at: datetime


class ExchangeRates:
    """KRW for one unit of each currency; see `core.limits.Rates`.

    `assumed` holds until a look at the account tells the broker's first notice of the day. Limits
    are judged at these rates; no book is kept in them.
    """

    def __init__(self, clock: Clock, assumed: Mapping[Currency, Decimal] | None = None) -> None:
        self.told: dict[Currency, ToldRate] = {}
        """The broker's own rates; what is only assumed is not among them."""
        self._clock = clock
        self._rates = {Currency.KRW: Decimal(1), **(assumed or {})}
        self._log = structlog.get_logger("rates")

    def rate(self, currency: Currency) -> Decimal | None:
        """KRW for one unit, `None` where nobody knows."""
        return self._rates.get(currency)

    def learn(self, told: Mapping[Currency, Decimal]) -> None:
        """Take over what the broker told, where that can be true."""
        believed = {each: rate for each, rate in told.items() if self._can_be(each, rate)}
        self._rates.update(believed)
        now = self._clock.now()
        self.told.update({each: ToldRate(rate, now) for each, rate in believed.items()})

    def _can_be(self, currency: Currency, rate: Decimal) -> bool:
        known = self._rates.get(currency)
        if currency is Currency.KRW or rate <= 0:
            return False
        if known is not None and abs(rate - known) > known * PLAUSIBLE:
            self._log.warning("rate_not_believed", currency=currency, told=rate, known=known)
            return False
        return True
