"""The watch over market data: what is registered, what has gone silent, what is asked instead.

The stream can be alive and an instrument dead: there was no room for it, its registration was
lost, or the broker sends nothing. Nobody tells. So silence is checked by inquiry, and what is
not proven fresh is marked as a gap before a strategy could take it for a quiet market.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import structlog

from daemon.core.calendar import Calendars, Phase
from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.portfolio import PortfolioView
from daemon.core.steps import STEPPED_REGIONS
from daemon.core.values import (
    BOOK,
    TRADES,
    InstrumentId,
    Interest,
    LinkDown,
    LinkUp,
    Quote,
    Region,
    StrategyId,
    Tick,
    Venue,
    region_of,
)
from daemon.engine.absences import Absences, interest_names
from daemon.engine.catchup import CatchUp
from daemon.engine.hub import Hub
from daemon.engine.interests import Interests
from daemon.engine.quotes import QuoteBoard
from daemon.engine.sight import Sight
from daemon.ports import Clock, Feed, InstrumentInfo, MarketData
from daemon.strategy import MarketGap

LOOK = 1.0
"""Seconds between two looks at everything."""

NIGHT_LOOK = 5.0
"""The same while every exchange is closed, and nothing can be missing."""

CONFIRM_LIMIT = 15.0
"""Seconds a registration may take before what it is for counts as missing."""

QUIET = 60.0
"""Seconds without a trade for which nothing need be proven; inquiries begin at half of it."""

PATIENCE = 20.0
"""Further seconds for an inquiry to say that there was none, before the instrument is missing."""

EASY = 20
"""Instruments that one inquiry a second can check within these times; for more, or for fewer
inquiries, both times are stretched alike."""

IN_FLIGHT = 3.0
"""Seconds a trade that an inquiry knows of may still be on its way through the stream."""

ALIVE = 30.0
"""Seconds within which another instrument's trade proves that the stream as such brings data."""

LINGER = 60.0
"""Seconds an instrument stays first in line after its last order ended: no coming and going."""

BACK_OFF = (5.0, 15.0, 60.0)
"""Seconds an instrument is left alone after inquiries about it failed once, twice, more often."""


@dataclass(slots=True)
class WatchStats:
    """Counts since the start."""

    inquiries: int = 0
    failed_inquiries: int = 0
    gaps: int = 0
    renewals: int = 0
    reconnects: int = 0
    missed_bars: int = 0


class MarketWatch:
    """Brings the feed's registrations to what is wanted, and knows what is not fresh.

    `rate` is how many requests a second it may make, for everything that the stream does not
    bring. Only KRX and American instruments can be asked about: trades of others, and other kinds
    of news, are marked as missing while they are not registered, and not checked otherwise.
    """

    def __init__(
        self,
        *,
        feed: Feed,
        hub: Hub,
        quotes: QuoteBoard,
        market_data: MarketData,
        portfolio: PortfolioView,
        calendars: Calendars,
        clock: Clock,
        rate: float = 1.0,
    ) -> None:
        self.stats = WatchStats()
        self._feed = feed
        self._hub = hub
        self._quotes = quotes
        self._market_data = market_data
        self._portfolio = portfolio
        self._calendars = calendars
        self._clock = clock
        self._pause = 1.0 / rate
        self._log = structlog.get_logger("market_watch")
        self._interests = Interests()
        self._wanted: list[Interest] = []
        self._exposed_at: dict[InstrumentId, float] = {}
        self._sights: dict[InstrumentId, Sight] = {}
        self._dark: dict[InstrumentId, datetime] = {}
        self._absences = Absences(hub.publish_gap, clock.now)
        self._catch_up = CatchUp(market_data, clock)
        self._turn = 0
        self._down: MarketGap | None = None
        self._link_is_up = False
        self._any_tick_at = float("-inf")

    @property
    def wanted(self) -> tuple[Interest, ...]:
        """Everything to be registered, most important first."""
        return tuple(self._wanted)

    @property
    def missing(self) -> tuple[Interest, ...]:
        """What is wanted and not confirmed by the broker."""
        confirmed = self._feed.confirmed
        return tuple(each for each in self._wanted if each not in confirmed)

    @property
    def dark(self) -> dict[InstrumentId, datetime]:
        """Instruments whose trades are missing, and since when."""
        return dict(self._dark)

    def summary(self) -> dict[str, object]:
        """How market data was had, for a report."""
        return {
            "wanted": len(self._wanted),
            "missing": interest_names(self.missing),
            "dark": sorted(self._dark),
            **asdict(self.stats),
        }

    def wanted_by(self, owner: StrategyId) -> tuple[Interest, ...]:
        """What `owner` wants, by the names its news goes by."""
        return self._interests.of(owner)

    def want(self, owner: StrategyId, interests: Iterable[Interest], *, priority: int = 0) -> None:
        """Register for more; raises `ValueError` for what the stream does not bring."""
        known = [self._feed.canonical(each) for each in interests]
        self._interests.add(owner, known, priority=priority)
        self.refresh()

    def drop(self, owner: StrategyId, interests: Iterable[Interest]) -> None:
        """Let go of what nobody else wants."""
        self._interests.drop(owner, [self._feed.canonical(each) for each in interests])
        self.refresh()

    def forget(self, owner: StrategyId) -> None:
        """Let go of everything that `owner` alone wants."""
        self._interests.forget(owner)
        self.refresh()

    def open_gaps(self, interests: Collection[Interest]) -> list[MarketGap]:
        """What is missing just now of these: for whoever begins to listen."""
        now = self._clock.now()
        gaps = [] if self._down is None else [self._down]
        about = dict.fromkeys(each.instrument for each in interests)
        gaps += [
            MarketGap(now, self._dark[each], False, each, "it was missing before")
            for each in about
            if each in self._dark
        ]
        return gaps + self._absences.gaps(interests)

    def refresh(self) -> None:
        """Tell the feed what is wanted now, if that has changed."""
        wanted = self._interests.ranked(self._exposed())
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self._feed.want(wanted)
        now = self._clock.monotonic()
        asked = dict.fromkeys(each.instrument for each in wanted if self._can_be_asked(each))
        for instrument in [each for each in self._sights if each not in asked]:
            self._catch_up.forget(instrument)
        self._sights = {
            each: self._sights.get(each) or Sight(now, tick=self._quotes.tick(each))
            for each in asked
        }
        for instrument, sight in self._sights.items():
            sight.ticks = Interest(TRADES, instrument) in wanted
        for instrument in [each for each in self._dark if not self._is_ticking(each)]:
            self._light(instrument, "nobody watches it any more")

    def on_tick(self, tick: Tick) -> None:
        """A trade ends its instrument's gap: called before the strategies get it."""
        if tick.instrument in self._dark and tick.venue is Venue.KRX:
            self._sights[tick.instrument].dead = False
            self._light(tick.instrument)

    def on_link(self, event: LinkUp | LinkDown) -> None:
        """The stream is lost, or back: a gap of everything."""
        self._link_is_up = isinstance(event, LinkUp)
        if isinstance(event, LinkDown):
            self._down = MarketGap(event.at, event.at, up=False, cause=event.cause)
            self._hub.publish_gap(self._down)
            return
        self._down = None
        now = self._clock.monotonic()
        for sight in self._sights.values():
            sight.begin_anew(now)
            sight.dead = False
        if event.down_since is not None:
            self._hub.publish_gap(MarketGap(event.at, event.down_since, up=True))
            for instrument in self._sights:
                if instrument not in self._dark:
                    self._catch_up.remember(instrument, event.down_since, event.at)

    async def run(self) -> None:
        """Look at everything once a second, and ask about what is silent or missing, for ever."""
        for instrument, sight in self._sights.items():
            # Nobody listened yet: what has come so far is to be asked about and told as a quote.
            sight.tick = self._quotes.tick(instrument)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_always(), name="market watch")
            tasks.create_task(self._ask_always(), name="market inquiries")

    async def _look_always(self) -> None:
        while True:
            self.refresh()
            confirmed, phases = self._feed.confirmed, self._phases()
            self._look(confirmed, phases)
            self._look_for_absent(confirmed)
            await asyncio.sleep(LOOK if _is_day(phases) else NIGHT_LOOK)

    # What is fresh

    def _look(self, confirmed: Collection[Interest], phases: Mapping[Region, Phase]) -> None:
        now = self._clock.monotonic()
        for instrument, sight in self._sights.items():
            trading = phases[region_of(instrument)] is Phase.CONTINUOUS
            registered = Interest(TRADES, instrument) in confirmed
            if not self._link_is_up or not trading:
                # Marked as a whole, or nothing is to be expected.
                sight.begin_anew(now)
            elif registered and not sight.confirmed:
                sight.begin_anew(now)
                sight.confirmed = True
            if sight.see(self._quotes.tick(instrument), now):
                self._any_tick_at = now
            if not (self._link_is_up and trading and sight.ticks):
                continue
            if sight.confirmed and registered:
                self._look_at_confirmed(instrument, sight, now)
            else:
                self._look_at_unconfirmed(instrument, sight, now)
            if Interest(BOOK, instrument) in confirmed:
                self._look_at_book(instrument, sight)

    def _look_at_confirmed(self, instrument: InstrumentId, sight: Sight, now: float) -> None:
        if sight.missing_since is not None and now - sight.missing_since >= IN_FLIGHT:
            self._revive(instrument, sight, now)
        elif now - sight.fresh_at >= (QUIET + PATIENCE) * self._stretch:
            self._darken(instrument, "silent, and no inquiry says that nothing is missing")

    def _look_at_unconfirmed(self, instrument: InstrumentId, sight: Sight, now: float) -> None:
        sight.confirmed = False
        if sight.unconfirmed_since is None:
            sight.unconfirmed_since = now
        elif now - max(sight.unconfirmed_since, sight.fresh_at) >= CONFIRM_LIMIT:
            self._darken(instrument, "not registered: no room for it, or not confirmed")

    def _look_at_book(self, instrument: InstrumentId, sight: Sight) -> None:
        """Trades change the book: where they come and it does not, its registration is dead."""
        interest = Interest(BOOK, instrument)
        if sight.see_book(self._quotes.book(instrument), self._clock.now()):
            self._absences.end(interest)
        elif sight.lacks_book(QUIET):
            self._absences.mark(interest, self._clock.now(), "trades come, and the book does not")
            self.stats.renewals += 1
            self._feed.renew(interest)

    def _look_for_absent(self, confirmed: Collection[Interest]) -> None:
        """Mark what is not registered, but for the trades that are looked at."""
        if not self._link_is_up:
            self._absences.pause()
            return
        bookless = [each for each, sight in self._sights.items() if sight.bookless]
        overdue = self._absences.look(
            self._wanted,
            confirmed,
            at=self._clock.monotonic(),
            limit=CONFIRM_LIMIT,
            lasting=[Interest(BOOK, each) for each in bookless],
        )
        for interest in overdue:
            if interest.channel != TRADES or interest.instrument not in self._sights:
                self._absences.mark(interest, self._clock.now(), "not registered")

    def _revive(self, instrument: InstrumentId, sight: Sight, now: float) -> None:
        """Trades are missing for certain: register anew; connect anew if that has not helped."""
        helpless = sight.dead and now - self._any_tick_at >= ALIVE
        self._darken(instrument, "trades are missing from the stream")
        sight.begin_anew(now)
        sight.dead = True
        if helpless:
            self.stats.reconnects += 1
            self._any_tick_at = now
            self._feed.reconnect("the stream brings no market data")
        else:
            self.stats.renewals += 1
            self._feed.renew(Interest(TRADES, instrument))

    def _darken(self, instrument: InstrumentId, cause: str) -> None:
        if instrument in self._dark:
            return
        now = self._clock.now()
        tick = self._sights[instrument].tick
        since = self._dark[instrument] = now if tick is None else tick.received_at
        self.stats.gaps += 1
        self._log.warning("market_gap", instrument=instrument, since=since, cause=cause)
        self._hub.publish_gap(MarketGap(now, since, False, instrument, cause))

    def _light(self, instrument: InstrumentId, cause: str = "") -> None:
        since, now = self._dark.pop(instrument), self._clock.now()
        self._log.info("market_gap_over", instrument=instrument, since=since)
        self._hub.publish_gap(MarketGap(now, since, True, instrument, cause))
        if instrument in self._sights:
            self._catch_up.remember(instrument, since, now)

    @property
    def _stretch(self) -> float:
        """By how much more the watch has to do than it could in its usual times."""
        return max(1.0, len(self._sights) * self._pause / EASY)

    # What is asked

    async def _ask_always(self) -> None:
        while True:
            day = _is_day(self._phases())
            requests = await self._ask_next() if day and self._link_is_up else 0
            pause = self._pause * max(requests, 1)
            await asyncio.sleep(pause if day else max(pause, NIGHT_LOOK))

    def _phases(self) -> dict[Region, Phase]:
        """What every region does now."""
        now = self._clock.now()
        known = self._calendars.by_region.items()
        return {region: calendar.phase(now) for region, calendar in known}

    def _open_sights(self) -> list[tuple[InstrumentId, Sight]]:
        """What is looked at and trades where it is day."""
        phases = self._phases()
        return [
            (instrument, sight)
            for instrument, sight in self._sights.items()
            if phases[region_of(instrument)] is not Phase.CLOSED
        ]

    async def _ask_next(self) -> int:
        """Ask about whatever needs it most, of each kind of need in turn; counts the requests."""
        for _ in range(3):
            self._turn = (self._turn + 1) % 3
            if self._turn == 0 and self._catch_up:
                return await self._tell_missed()
            due = self._silent() if self._turn == 1 else self._unserved() if self._turn == 2 else []
            if due:
                return await self._ask_about(min(due)[1])
        return 0

    def _silent(self) -> list[tuple[float, InstrumentId]]:
        """What has not ticked for a while, and was asked about when."""
        now, quiet = self._clock.monotonic(), QUIET * self._stretch / 2
        return [
            (sight.asked_at, instrument)
            for instrument, sight in self._open_sights()
            if sight.confirmed
            and sight.missing_since is None
            and now - sight.fresh_at >= quiet
            and now >= sight.rests_until
        ]

    def _unserved(self) -> list[tuple[float, InstrumentId]]:
        """What the stream does not bring, in whole or in part, or is not measured against yet."""
        now = self._clock.monotonic()
        return [
            (sight.asked_at, instrument)
            for instrument, sight in self._open_sights()
            if now >= sight.rests_until
            and (
                instrument in self._dark
                or Interest(BOOK, instrument) in self._absences.open
                or (sight.confirmed and sight.known is None)
            )
        ]

    async def _ask_about(self, instrument: InstrumentId) -> int:
        sight = self._sights[instrument]
        sight.asked_at = self._clock.monotonic()
        self.stats.inquiries += 1
        try:
            requests = await self._inquire(instrument, sight)
        except NeedsOperator:
            raise
        except TradingError as error:
            self.stats.failed_inquiries += 1
            pause = BACK_OFF[min(sight.failures, len(BACK_OFF) - 1)]
            sight.failures += 1
            sight.rests_until = self._clock.monotonic() + pause
            self._log.debug("market_inquiry_failed", instrument=instrument, cause=str(error))
            return 1
        sight.failures = 0
        return requests

    async def _inquire(self, instrument: InstrumentId, sight: Sight) -> int:
        asked, asked_at = self._clock.now(), sight.asked_at
        untold = sight.known is None
        info = await self._market_data.info(instrument)
        if self._sights.get(instrument) is not sight:
            return 1
        self._judge(instrument, sight, info, asked_at)
        book = None
        if Interest(BOOK, instrument) in self._absences.open:
            book = await self._market_data.order_book(instrument)
        if untold or instrument in self._dark or book is not None:
            quote = Quote(instrument, info.last, info.day_volume, asked, self._clock.now(), book)
            self._quotes.on_quote(quote)
            self._hub.publish_quote(quote)
        return 1 if book is None else 2

    def _judge(
        self, instrument: InstrumentId, sight: Sight, info: InstrumentInfo, asked_at: float
    ) -> None:
        """Whether the stream has told everything that had traded by then."""
        if info.day_volume is None or not sight.confirmed or sight.fresh_at > asked_at:
            return
        if sight.known is None:
            # Told as a quote: from here on the stream is measured against it.
            sight.known, sight.fresh_at = info.day_volume, asked_at
        elif info.day_volume <= sight.known:
            sight.fresh_at = asked_at
            if instrument in self._dark and not sight.dead:
                self._light(instrument)
        elif sight.missing_since is None:
            sight.missing_since = self._clock.monotonic()

    async def _tell_missed(self) -> int:
        missed, requests = await self._catch_up.ask()
        if missed is not None:
            self.stats.missed_bars += len(missed.bars)
            self._hub.publish_missed(missed)
        return requests

    def _exposed(self) -> list[InstrumentId]:
        """Instruments that have open orders, or had a minute ago, and that are held."""
        now = self._clock.monotonic()
        for order in self._portfolio.open_orders():
            self._exposed_at[order.intent.instrument] = now
        self._exposed_at = {each: at for each, at in self._exposed_at.items() if now - at < LINGER}
        held = [each for each, position in self._portfolio.positions.items() if position.quantity]
        return list(dict.fromkeys([*self._exposed_at, *sorted(held)]))

    def _is_ticking(self, instrument: InstrumentId) -> bool:
        sight = self._sights.get(instrument)
        return sight is not None and sight.ticks

    def _can_be_asked(self, interest: Interest) -> bool:
        """Whether an inquiry tells the same: prices of what has a calendar, Korea and America."""
        try:
            region = region_of(interest.instrument)
        except ValueError:
            return False
        asked = region in STEPPED_REGIONS and region in self._calendars.by_region
        return asked and interest.channel in (TRADES, BOOK)


def _is_day(phases: Mapping[Region, Phase]) -> bool:
    """Whether any exchange of ours is open, or about to be."""
    return any(phase is not Phase.CLOSED for phase in phases.values())
