"""The reviewed table of trading days, against two packages that keep calendars of their own."""

from collections.abc import Iterator
from datetime import UTC, date, timedelta

import exchange_calendars
import holidays
import pytest

from daemon.config import load_settings
from daemon.core.calendar import LATE_DAY, LATE_OPEN, MarketCalendar, half_day
from daemon.core.values import Region
from tests.test_tidy import ROOT

TABLE = load_settings("sim", environ={}, root=ROOT).calendars
PACKAGED = {
    Region.KR: ("XKRX", "XKRX"),
    Region.US: ("XNYS", "XNYS"),
    Region.JP: ("XTKS", "XJPX"),
    Region.HK: ("XHKG", "XHKG"),
    Region.CN: ("XSHG", "XSHG"),
}
BEGINS = {Region.KR: date(2019, 1, 1), Region.US: date(2019, 1, 1)}
"""The first day of the table: with that of the taxes and fees where trades are made, 2026 else."""

KNOWN_TO_DIFFER = {
    (Region.KR, date(2026, 6, 3)): "the nationwide local elections, a public holiday by law",
    (Region.KR, date(2026, 7, 17)): "Constitution Day, a public holiday again since 2026",
    (Region.KR, date(2027, 5, 3)): "in lieu of Labour Day, a public holiday since 2026",
    (Region.KR, date(2027, 7, 19)): "in lieu of Constitution Day",
}
"""Days that `exchange_calendars` 4.13 takes for trading days, and why they are none."""

REGIONS = sorted(PACKAGED)

# What the packages use of pandas is about to change: theirs to follow.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def begins(region: Region) -> date:
    return BEGINS.get(region, date(2026, 1, 1))


def weekdays(region: Region) -> Iterator[date]:
    """Those of the table, as far as somebody checked it."""
    day, last = begins(region), TABLE.of(region).known_until
    assert last is not None
    while day <= last:
        if day.weekday() < 5:
            yield day
        day += timedelta(days=1)


@pytest.fixture(scope="module")
def packaged() -> dict[Region, exchange_calendars.ExchangeCalendar]:
    return {
        region: exchange_calendars.get_calendar(
            names[0], start=f"{begins(region)}", end=f"{TABLE.of(region).known_until}"
        )
        for region, names in PACKAGED.items()
    }


def test_korea_and_america_are_known_two_years_ahead_and_back_to_the_first_taxes() -> None:
    for region in (Region.KR, Region.US):
        assert TABLE.of(region).known_until == date(2027, 12, 31)
        assert min(TABLE.of(region).holidays) == begins(region) == date(2019, 1, 1)
        for day in TABLE.of(region).holidays:
            assert day.weekday() < 5, f"{day} is a weekend anyway"


@pytest.mark.parametrize("region", REGIONS)
def test_the_trading_days_are_those_of_exchange_calendars(
    region: Region, packaged: dict[Region, exchange_calendars.ExchangeCalendar]
) -> None:
    theirs = {session.date() for session in packaged[region].sessions}
    calendar = TABLE.of(region)
    differ = {day for day in weekdays(region) if calendar.is_trading_day(day) != (day in theirs)}

    assert differ == {day for where, day in KNOWN_TO_DIFFER if where is region}


@pytest.mark.parametrize("region", REGIONS)
def test_the_holidays_are_those_of_holidays(region: Region) -> None:
    years = sorted({day.year for day in weekdays(region)})
    theirs = set(holidays.financial_holidays(PACKAGED[region][1], years=years))
    calendar = TABLE.of(region)

    differ = {day for day in weekdays(region) if calendar.is_trading_day(day) == (day in theirs)}
    assert differ == set()


@pytest.mark.parametrize("region", [Region.US, Region.HK])
def test_the_half_days_are_those_of_both(
    region: Region, packaged: dict[Region, exchange_calendars.ExchangeCalendar]
) -> None:
    ours = {day for day, odd in TABLE.of(region).odd_days.items() if odd == half_day(region)}
    theirs = {session.date() for session in packaged[region].early_closes}
    years = range(begins(region).year, 2028)
    others = holidays.financial_holidays(PACKAGED[region][1], years=years, categories=("half_day",))

    assert ours == theirs == set(others)


@pytest.mark.parametrize("region", REGIONS)
def test_the_sessions_begin_and_end_as_in_exchange_calendars(
    region: Region, packaged: dict[Region, exchange_calendars.ExchangeCalendar]
) -> None:
    calendar, differ = TABLE.of(region), set()
    for session in packaged[region].sessions:
        day = session.date()
        if not calendar.is_trading_day(day):
            continue
        opens = packaged[region].session_open(session).to_pydatetime()
        closes = packaged[region].session_close(session).to_pydatetime()
        if (calendar.open_at(day), calendar.close_at(day)) != (opens, closes):
            differ.add(day)

    # It keeps no table of the examination days beyond 2020.
    examined = {day for day, odd in calendar.odd_days.items() if odd == LATE_DAY}
    assert differ == {day for day in examined if day.year > 2020}


def test_the_odd_days_of_korea() -> None:
    calendar = TABLE.of(Region.KR)

    def hours(day: date) -> tuple[str, str]:
        opens, closes = calendar.open_at(day), calendar.close_at(day)
        return f"{opens:%H:%M}", f"{closes:%H:%M}"

    for year in (2026, 2027):
        first = calendar.trading_day_on_or_after(date(year, 1, 1))
        assert calendar.odd_days[first] == LATE_OPEN
        assert hours(first) == ("10:00", "15:30")
    for examination in (date(2026, 11, 19), date(2027, 11, 18)):
        # A Thursday in November, as every year since 2007.
        assert examination.weekday() == 3
        assert hours(examination) == ("10:00", "16:30")
    assert hours(date(2026, 11, 20)) == ("09:00", "15:30")
    assert all(calendar.is_trading_day(day) for day in calendar.odd_days)
    for odd in (LATE_OPEN, LATE_DAY):
        years = sorted(day.year for day, each in calendar.odd_days.items() if each == odd)
        assert years == list(range(2019, 2028)), "one a year"


def test_half_days_are_trading_days() -> None:
    for region in (Region.US, Region.HK):
        calendar: MarketCalendar = TABLE.of(region)
        assert all(calendar.is_trading_day(day) for day in calendar.odd_days)
        for day in calendar.odd_days:
            span = calendar.close_at(day) - calendar.open_at(day)
            assert timedelta(hours=2) < span < timedelta(hours=4)
            assert calendar.phases(day)[-1].ends == calendar.close_at(day).astimezone(UTC)
