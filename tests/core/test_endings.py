"""Before which days orders are over."""

from datetime import UTC, date, datetime, timedelta

import pytest

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.endings import AFTER_HOURS, ended_before, ended_elsewhere
from daemon.core.values import Region, Session

CALENDARS = Calendars({Region.KR: MarketCalendar(), Region.US: MarketCalendar(region=Region.US)})
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
KOREAN_CLOSE = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
AMERICAN_CLOSE = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("region", "closes"), [(Region.KR, KOREAN_CLOSE), (Region.US, AMERICAN_CLOSE)]
)
def test_a_day_is_over_a_little_after_its_close(region: Region, closes: datetime) -> None:
    for minutes, day in ((-1, MONDAY), (2, MONDAY), (3, TUESDAY)):
        now = closes + timedelta(minutes=minutes)
        assert ended_before(CALENDARS, region, now, {}) == {region: day}


def test_an_american_order_may_trade_for_four_hours_more() -> None:
    for hours, day in ((3.9, MONDAY), (4.1, TUESDAY)):
        now = AMERICAN_CLOSE + timedelta(hours=hours)
        assert ended_before(CALENDARS, Region.US, now, AFTER_HOURS) == {Region.US: day}
    assert ended_before(CALENDARS, Region.KR, KOREAN_CLOSE, AFTER_HOURS) == {Region.KR: MONDAY}


def test_without_a_calendar_a_day_ends_at_midnight() -> None:
    bare = Calendars({})
    late = datetime(2026, 11, 23, 14, 59, tzinfo=UTC)
    assert ended_before(bare, Region.KR, late, {}) == {Region.KR: MONDAY}
    assert ended_before(bare, Region.KR, late + timedelta(minutes=1), {}) == {Region.KR: TUESDAY}
    assert ended_elsewhere(bare, Region.KR, late) == {}


def test_other_sessions_are_over_at_their_own_time() -> None:
    evening = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    ended = ended_elsewhere(CALENDARS, Region.KR, evening)
    assert ended == {
        (Region.KR, Session.PREVIOUS_CLOSE): TUESDAY,
        (Region.KR, Session.CLOSING_PRICE): TUESDAY,
        (Region.KR, Session.AFTER_MARKET): MONDAY,
    }
    ended = ended_elsewhere(CALENDARS, Region.US, AMERICAN_CLOSE)
    assert ended == {(Region.US, Session.OPENING): TUESDAY}
