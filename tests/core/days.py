"""Calendars of tests: weekdays without the holidays named, on the clocks of a market."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.core.values import Region


@dataclass(frozen=True)
class Days:
    """`core.settlement.TradingDays` of one region."""

    zone: str
    holidays: frozenset[date]

    def local_date(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def next_trading_day(self, day: date) -> date:
        day += timedelta(days=1)
        while day.weekday() >= 5 or day in self.holidays:
            day += timedelta(days=1)
        return day


_SEOUL = (
    *("2019-01-01", "2020-12-31", "2021-01-01", "2022-12-30", "2023-12-29", "2024-01-01"),
    *("2024-12-31", "2025-01-01", "2025-12-31", "2026-01-01", "2026-12-25", "2026-12-31"),
)
_NEW_YORK = ("2024-05-27", "2026-04-03", "2026-11-26")
CALENDARS = {
    Region.KR: Days("Asia/Seoul", frozenset(map(date.fromisoformat, _SEOUL))),
    Region.US: Days("America/New_York", frozenset(map(date.fromisoformat, _NEW_YORK))),
}
"""The closing days around the changes of rates and rules, and no others."""
