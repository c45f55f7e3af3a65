"""Books of profit with the costs and the trading days that settings describe."""

import json
from typing import Any

from daemon.config import Settings
from daemon.core.costs import CostSchedule
from daemon.core.profit import ProfitBook
from daemon.core.settlement import AmericanBankDays, TradingDays
from daemon.core.values import Region


def profit_book(settings: Settings) -> ProfitBook:
    """An empty book of profit, with the costs and the trading days of the settings."""
    calendars = settings.calendars
    days: dict[Region, TradingDays] = {region: calendars.of(region) for region in settings.markets}
    if Region.US in days:
        days[Region.US] = AmericanBankDays(days[Region.US])
    schedule = CostSchedule(days, settings.costs.tariffs())
    basis = settings.model_dump(include={"costs", "calendar", "holidays", "markets"})
    return ProfitBook(schedule, days, settings.costs.listing_of, _told(basis))


def _told(basis: dict[str, Any]) -> str:
    """Settings in words that are the same in every process: sets are in no order of their own."""

    def plain(value: object) -> object:
        return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)

    return json.dumps(basis, default=plain, sort_keys=True)
