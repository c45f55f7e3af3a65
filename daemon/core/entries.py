"""When nothing may be bought in a region although its market takes orders, and the facts of it.

What is held may always be sold, and whatever is open cancelled.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from daemon.core.values import Region


class EntryBar(StrEnum):
    """Why purchases are refused. Each bar is lifted by whoever put it up, or by its end."""

    TRADING_DAY = "trading_day"
    """It is in dispute, or not known, whether the day is a trading day."""
    BEFORE_CLOSE = "before_close"
    """What was held over the day is being closed before the session ends."""


class CloseAction(StrEnum):
    """What is done in a region ahead of its close."""

    NONE = "none"
    CANCEL = "cancel"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePlan:
    """What is done `span` ahead of the close, in each of `regions`."""

    action: CloseAction
    span: timedelta
    regions: frozenset[Region]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerDayTold:
    """The broker said whether a region's `day` is a trading day. It is asked once a day."""

    region: Region
    day: date
    trades: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesBarred:
    """Purchases in a region are refused until just before the instant `until` (UTC)."""

    region: Region
    bar: EntryBar
    until: datetime
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesFreed:
    """A bar is lifted before its end, because its cause is gone."""

    region: Region
    bar: EntryBar
    reason: str
    at: datetime


@dataclass(slots=True)
class Entries:
    """The fold of these facts: the latest bar of each kind and the latest word of the broker."""

    _bars: dict[tuple[Region, EntryBar], EntriesBarred] = field(default_factory=dict)
    _told: dict[Region, BrokerDayTold] = field(default_factory=dict)

    def apply(self, event: BrokerDayTold | EntriesBarred | EntriesFreed) -> None:
        """Take one fact in."""
        match event:
            case BrokerDayTold():
                self._told[event.region] = event
            case EntriesBarred():
                self._bars[event.region, event.bar] = event
            case EntriesFreed():
                self._bars.pop((event.region, event.bar), None)

    def told(self, region: Region, day: date) -> bool | None:
        """What the broker said of a day, `None` if it did not."""
        told = self._told.get(region)
        return told.trades if told is not None and told.day == day else None

    def barred(self, region: Region, bar: EntryBar, now: datetime) -> EntriesBarred | None:
        """The bar of one kind that stands at `now`."""
        found = self._bars.get((region, bar))
        return found if found is not None and now < found.until else None

    def first(self, region: Region, now: datetime) -> EntriesBarred | None:
        """Any bar that stands in a region at `now`."""
        for bar in EntryBar:
            found = self.barred(region, bar, now)
            if found is not None:
                return found
        return None
