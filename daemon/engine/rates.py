"""What foreign money is worth in won: as set, until the broker tells its own rate."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import structlog

from daemon.core.values import Currency

PLAUSIBLE = Decimal("0.3")
"""A told rate further than this part from the one known is believed to be a broken answer: limits
in won would be loose by as much."""


def _at_once(change: Callable[[], None]) -> None:
    change()


class ExchangeRates:
    """KRW for one unit of each currency; see `core.limits.Rates`.

    `assumed` holds until a look at the account tells the broker's first notice of the day. Limits
    are judged at these rates; no book is kept in them. `around` carries out every change, for one
    who has to know what it changed.
    """

    def __init__(self, assumed: Mapping[Currency, Decimal] | None = None) -> None:
        self.around: Callable[[Callable[[], None]], None] = _at_once
        self._rates = {Currency.KRW: Decimal(1), **(assumed or {})}
        self._log = structlog.get_logger("rates")

    def rate(self, currency: Currency) -> Decimal | None:
        """KRW for one unit, `None` where nobody knows."""
        return self._rates.get(currency)

    def learn(self, told: Mapping[Currency, Decimal]) -> None:
        """Take over what the broker told, where that can be true."""
        news = {each: rate for each, rate in told.items() if self._is_news(each, rate)}
        if news:
            self.around(lambda: self._rates.update(news))

    def _is_news(self, currency: Currency, rate: Decimal) -> bool:
        known = self._rates.get(currency)
        if currency is Currency.KRW or rate <= 0 or rate == known:
            return False
        if known is not None and abs(rate - known) > known * PLAUSIBLE:
            self._log.warning("rate_not_believed", currency=currency, told=rate, known=known)
            return False
        return True
