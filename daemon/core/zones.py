"""What date it is where a market is: a trading day is the calendar date of its own country."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from daemon.core.values import Region

_ZONES = {
    Region.KR: ZoneInfo("Asia/Seoul"),
    Region.US: ZoneInfo("America/New_York"),
    Region.JP: ZoneInfo("Asia/Tokyo"),
    Region.HK: ZoneInfo("Asia/Hong_Kong"),
    Region.CN: ZoneInfo("Asia/Shanghai"),
    Region.VN: ZoneInfo("Asia/Ho_Chi_Minh"),
}


def zone_of(region: Region) -> ZoneInfo:
    """The time zone whose clocks a region's exchanges keep."""
    return _ZONES[region]


def local_date(region: Region, at: datetime) -> date:
    """The calendar date of an instant in a region.

    A regular session never spans two dates of its own region, nor do the hours before and after
    it: a night in Seoul that trades in New York is one date there on both sides of midnight.
    """
    return at.astimezone(_ZONES[region]).date()
