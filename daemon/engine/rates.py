"""What foreign money is worth in won: as set, until the broker tells its own rate."""

from collections.abc import Mapping
from decimal import Decimal

from daemon.core.values import Currency


class ExchangeRates:
    """KRW for one unit of each currency; see `core.limits.Rates`.

    `assumed` holds until a look at the account tells the broker's first notice of the day. Limits
    are judged at these rates; no book is kept in them.
    """

    def __init__(self, assumed: Mapping[Currency, Decimal] | None = None) -> None:
        self._rates = {Currency.KRW: Decimal(1), **(assumed or {})}

    def rate(self, currency: Currency) -> Decimal | None:
        """KRW for one unit, `None` where nobody knows."""
        return self._rates.get(currency)

    def learn(self, told: Mapping[Currency, Decimal]) -> None:
        """Take over what the broker told."""
        for currency, rate in told.items():
            if rate > 0 and currency is not Currency.KRW:
                self._rates[currency] = rate
