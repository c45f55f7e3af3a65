"""A trading day is the calendar date of the market's own country."""

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.values import Region
from daemon.core.zones import local_date, zone_of

DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))


def test_midnight_in_seoul_does_not_divide_an_american_day() -> None:
    before, after = (datetime(2026, 11, 24, hour, 30, tzinfo=UTC) for hour in (14, 15))
    assert {local_date(Region.US, at) for at in (before, after)} == {date(2026, 11, 24)}
    assert local_date(Region.KR, before) == date(2026, 11, 24)
    assert local_date(Region.KR, after) == date(2026, 11, 25)


@given(DAYS)
def test_every_american_session_has_one_date_summer_and_winter(day: date) -> None:
    opened = datetime.combine(day, time(4, 0), zone_of(Region.US)).astimezone(UTC)
    for minutes in range(0, 16 * 60, 30):
        assert local_date(Region.US, opened + timedelta(minutes=minutes)) == day


def test_every_region_has_a_zone() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert {region: local_date(region, at) for region in Region} == {
        **dict.fromkeys(Region, date(2026, 1, 1)),
        Region.US: date(2025, 12, 31),
    }
