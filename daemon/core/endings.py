"""Before which days the orders of a region are over, whatever a list says of them."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from daemon.core.calendar import Calendars
from daemon.core.sessions import SENT, ends_at
from daemon.core.values import Region, Session
from daemon.core.zones import local_date

CLOSING_MARGIN = timedelta(minutes=3)
"""After the close: longer than the last auction may be put off and a list may lag together."""

AFTER_HOURS = {Region.US: timedelta(hours=4)}
"""How long after the close an order may still trade: accounts with the extended after-market of
America trade until 20:00 in New York (portal), and whether orders of the day live on is not
documented. So only a list that shows nothing open ends one sooner."""


def ended_before(
    calendars: Calendars, region: Region, now: datetime, longer: Mapping[Region, timedelta]
) -> dict[Region, date]:
    """Before which day the region's sessions are over, if they went on for so much longer.

    A region without a calendar ends its days at midnight.
    """
    today = local_date(region, now)
    calendar = calendars.by_region.get(region)
    if calendar is not None:
        ends = calendar.close_at(today) + longer.get(region, timedelta(0))
        if now >= ends + CLOSING_MARGIN:
            today += timedelta(days=1)
    return {region: today}


def ended_elsewhere(
    calendars: Calendars, region: Region, now: datetime
) -> dict[tuple[Region, Session], date]:
    """The same of the sessions beside the regular one: each is over at its own time."""
    calendar = calendars.by_region.get(region)
    if calendar is None:
        return {}
    today = local_date(region, now)
    # Whether an order of the closing auction lives on is told by the regular rule.
    sessions = SENT.get(region, frozenset()) - {Session.REGULAR, Session.CLOSING}
    return {
        (region, session): today
        + timedelta(days=now >= ends_at(calendar, today, session) + CLOSING_MARGIN)
        for session in sessions
    }
