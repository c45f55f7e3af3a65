"""The watch over market data: what is registered, what has gone silent, what is asked instead.

The stream can be alive and an instrument dead: there was no room for it, its registration was
lost, or the broker sends nothing. Nobody tells. So silence is checked by inquiry, and what is
not proven fresh is marked as a gap before a strategy could take it for a quiet market.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from daemon.core.calendar import MarketCalendar, Phase
from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.portfolio import PortfolioView
from daemon.core.values import (
    BOOK,
    TRADES,
    InstrumentId,
    Interest,
    LinkDown,
    LinkUp,
    Market,
    Quote,
    StrategyId,
    Tick,
    market_of,
)
from daemon.engine.hub import Hub
from daemon.engine.interests import Interests
from daemon.engine.quotes import QuoteBoard
from daemon.ports import Clock, Feed, InstrumentInfo, MarketData
from daemon.strategy import MarketGap, MissedBars

LOOK = 1.0
"""Seconds between two looks at everything."""

CONFIRM_LIMIT = 15.0
"""Seconds a registration may take before what it is for counts as missing."""

QUIET = 60.0
"""Seconds without a trade after which an inquiry must say that there was none."""

PATIENCE = 20.0
"""Seconds that inquiry may take before the instrument counts as missing."""

IN_FLIGHT = 3.0
"""Seconds a trade that an inquiry knows of may still be on its way through the stream."""

ALIVE = 30.0
"""Seconds within which another instrument's trade proves that the stream as such brings data."""

MOST_BARS = 120
"""Minutes of a gap that are asked for: a longer one is the strategy's own matter."""


@dataclass(slots=True)
class _Sight:
    """How fresh an instrument is. Monotonic seconds, `None` for never."""

    fresh_at: float
    tick: Tick | None = None
    confirmed: bool = False
    unconfirmed_since: float | None = None
    asked_at: float = float("-inf")
    known: int | None = None
    """Shares of the day that we know to have traded, by a tick or by the first inquiry since the
    registration was confirmed: what an inquiry counts beyond them, the stream has not told."""
    missing_since: float | None = None
    """When an inquiry first knew of trades that the stream had not told."""
    dead: bool = False
    """Trades were missing for certain: only a tick proves that they come again."""


class _Gap(NamedTuple):
    instrument: InstrumentId
    since: datetime


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

    `rate` is how many inquiries a second it may make, for everything that the stream does not
    bring. Only KRX instruments can be asked about; others are registered and not watched.
    """

    def __init__(
        self,
        *,
        feed: Feed,
        hub: Hub,
        quotes: QuoteBoard,
        market_data: MarketData,
        portfolio: PortfolioView,
        calendar: MarketCalendar,
        clock: Clock,
        rate: float = 1.0,
    ) -> None:
        self.stats = WatchStats()
        self._feed = feed
        self._hub = hub
        self._quotes = quotes
        self._market_data = market_data
        self._portfolio = portfolio
        self._calendar = calendar
        self._clock = clock
        self._pause = 1.0 / rate
        self._log = structlog.get_logger("market_watch")
        self._interests = Interests()
        self._wanted: list[Interest] = []
        self._sights: dict[InstrumentId, _Sight] = {}
        self._dark: dict[InstrumentId, datetime] = {}
        self._gaps: list[_Gap] = []
        self._link_is_up = False
        self._any_tick_at = float("-inf")
        self._missing: frozenset[Interest] = frozenset()
        self._missing_since = float("-inf")
        self._missing_told: frozenset[Interest] = frozenset()

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
            "missing": sorted(f"{each.channel} {each.instrument}" for each in self.missing),
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

    def refresh(self) -> None:
        """Tell the feed what is wanted now, if that has changed."""
        wanted = self._interests.ranked(self._exposed())
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self._feed.want(wanted)
        now = self._clock.monotonic()
        ticking = [each.instrument for each in wanted if self._is_watched(each)]
        self._sights = {each: self._sights.get(each) or _Sight(now) for each in ticking}
        for instrument in self._dark.keys() - self._sights.keys():
            del self._dark[instrument]

    def on_tick(self, tick: Tick) -> None:
        """A trade ends its instrument's gap: called before the strategies get it."""
        since = self._dark.pop(tick.instrument, None)
        if since is not None:
            self._sights[tick.instrument].dead = False
            self._light(tick.instrument, since)

    def on_link(self, event: LinkUp | LinkDown) -> None:
        """The stream is lost, or back: a gap of everything."""
        self._link_is_up = isinstance(event, LinkUp)
        if isinstance(event, LinkDown):
            self._hub.publish_gap(MarketGap(event.at, event.at, up=False, cause=event.cause))
            return
        now = self._clock.monotonic()
        for sight in self._sights.values():
            _begin_anew(sight, now)
            sight.dead = False
        if event.down_since is not None:
            self._hub.publish_gap(MarketGap(event.at, event.down_since, up=True))
            self._gaps += [
                _Gap(each, event.down_since) for each in self._sights if each not in self._dark
            ]

    async def run(self) -> None:
        """Look at everything once a second, and ask about what is silent or missing, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_always(), name="market watch")
            tasks.create_task(self._ask_always(), name="market inquiries")

    async def _look_always(self) -> None:
        while True:
            self.refresh()
            confirmed = self._feed.confirmed
            self._look(confirmed)
            self._tell_missing(confirmed)
            await asyncio.sleep(LOOK)

    def _tell_missing(self, confirmed: Collection[Interest]) -> None:
        """Say once what is wanted and not confirmed, when that has lasted."""
        now = self._clock.monotonic()
        missing = frozenset(each for each in self._wanted if each not in confirmed)
        if missing != self._missing or not self._link_is_up:
            self._missing, self._missing_since = missing, now
        elif missing != self._missing_told and now - self._missing_since >= CONFIRM_LIMIT:
            self._missing_told = missing
            names = sorted(f"{each.channel} {each.instrument}" for each in missing)
            self._log.warning("registrations_missing", wanted=len(self._wanted), missing=names)

    async def _ask_always(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self._ask_next()
            except NeedsOperator:
                raise
            except TradingError as error:
                self.stats.failed_inquiries += 1
                self._log.debug("market_inquiry_failed", cause=str(error))

    # What is fresh

    def _look(self, confirmed: Collection[Interest]) -> None:
        now = self._clock.monotonic()
        trading = self._calendar.phase(self._clock.now()) is Phase.CONTINUOUS
        for instrument, sight in self._sights.items():
            registered = Interest(TRADES, instrument) in confirmed
            if not self._link_is_up or not trading:
                # Marked as a whole, or nothing is to be expected.
                _begin_anew(sight, now)
            elif registered and not sight.confirmed:
                _begin_anew(sight, now)
                sight.confirmed = True
            tick = self._quotes.tick(instrument)
            if tick is not None and tick is not sight.tick:
                sight.tick, sight.known, sight.missing_since = tick, tick.day_volume, None
                sight.fresh_at = self._any_tick_at = now
            if sight.confirmed and registered:
                self._look_at_confirmed(instrument, sight, now)
            elif self._link_is_up and trading:
                self._look_at_unconfirmed(instrument, sight, now)

    def _look_at_confirmed(self, instrument: InstrumentId, sight: _Sight, now: float) -> None:
        if sight.missing_since is not None and now - sight.missing_since >= IN_FLIGHT:
            self._revive(instrument, sight, now)
        elif now - sight.fresh_at >= QUIET + PATIENCE:
            self._darken(instrument, "silent, and no inquiry says that nothing is missing")

    def _look_at_unconfirmed(self, instrument: InstrumentId, sight: _Sight, now: float) -> None:
        sight.confirmed = False
        if sight.unconfirmed_since is None:
            sight.unconfirmed_since = now
        elif now - max(sight.unconfirmed_since, sight.fresh_at) >= CONFIRM_LIMIT:
            self._darken(instrument, "not registered: no room for it, or not confirmed")

    def _revive(self, instrument: InstrumentId, sight: _Sight, now: float) -> None:
        """Trades are missing for certain: register anew, or connect anew if nothing comes."""
        self._darken(instrument, "trades are missing from the stream")
        _begin_anew(sight, now)
        sight.dead = True
        if now - self._any_tick_at < ALIVE:
            self.stats.renewals += 1
            self._feed.renew(Interest(TRADES, instrument))
        else:
            self.stats.reconnects += 1
            self._any_tick_at = now
            self._feed.reconnect("the stream brings no market data")

    def _darken(self, instrument: InstrumentId, cause: str) -> None:
        if instrument in self._dark:
            return
        now = self._clock.now()
        tick = self._quotes.tick(instrument)
        since = self._dark[instrument] = now if tick is None else tick.received_at
        self.stats.gaps += 1
        self._log.warning("market_gap", instrument=instrument, since=since, cause=cause)
        self._hub.publish_gap(MarketGap(now, since, False, instrument, cause))

    def _light(self, instrument: InstrumentId, since: datetime) -> None:
        self._log.info("market_gap_over", instrument=instrument, since=since)
        self._hub.publish_gap(MarketGap(self._clock.now(), since, True, instrument))
        self._gaps.append(_Gap(instrument, since))

    # What is asked

    async def _ask_next(self) -> None:
        """Ask about whatever needs it most."""
        if not self._link_is_up:
            return
        silent = self._longest_ago(self._silent())
        if silent is None and self._gaps:
            await self._catch_up(self._gaps.pop(0))
            return
        instrument = silent or self._longest_ago(self._unserved())
        if instrument is not None:
            sight = self._sights[instrument]
            sight.asked_at = self._clock.monotonic()
            self.stats.inquiries += 1
            await self._inquire(instrument, sight)

    def _silent(self) -> list[InstrumentId]:
        """What has not ticked for so long that it will soon be taken for missing."""
        now = self._clock.monotonic()
        return [
            instrument
            for instrument, sight in self._sights.items()
            if sight.confirmed and sight.missing_since is None and now - sight.fresh_at >= QUIET
        ]

    def _unserved(self) -> list[InstrumentId]:
        """What the stream does not bring, in whole or in part, or is not measured against yet."""
        bookless = {each.instrument for each in self._missing if each.channel == BOOK}
        return [
            instrument
            for instrument, sight in self._sights.items()
            if instrument in self._dark
            or instrument in bookless
            or (sight.confirmed and sight.known is None)
        ]

    def _longest_ago(self, instruments: Iterable[InstrumentId]) -> InstrumentId | None:
        """The one asked about longest ago."""
        due = [(self._sights[each].asked_at, each) for each in instruments]
        return min(due)[1] if due else None

    async def _inquire(self, instrument: InstrumentId, sight: _Sight) -> None:
        asked, asked_at = self._clock.now(), sight.asked_at
        untold = instrument in self._dark or sight.known is None
        info = await self._market_data.info(instrument)
        self._judge(instrument, sight, info, asked_at)
        book = None
        if Interest(BOOK, instrument) in self._missing:
            book = await self._market_data.order_book(instrument)
        if not (untold or instrument in self._dark or book is not None):
            return
        quote = Quote(instrument, info.last, info.day_volume, asked, self._clock.now(), book)
        self._quotes.on_quote(quote)
        self._hub.publish_quote(quote)

    def _judge(
        self, instrument: InstrumentId, sight: _Sight, info: InstrumentInfo, asked_at: float
    ) -> None:
        """Whether the stream has told everything that had traded by then."""
        if info.day_volume is None or not sight.confirmed or sight.fresh_at > asked_at:
            return
        if sight.known is None:
            sight.known = info.day_volume
        elif info.day_volume <= sight.known:
            sight.fresh_at = asked_at
            if instrument in self._dark and not sight.dead:
                self._light(instrument, self._dark.pop(instrument))
        elif sight.missing_since is None:
            sight.missing_since = self._clock.monotonic()

    async def _catch_up(self, gap: _Gap) -> None:
        """Ask for the bars that a gap hid."""
        now = self._clock.now()
        minutes = int((now - gap.since) / timedelta(minutes=1)) + 1
        try:
            bars = await self._market_data.minute_bars(gap.instrument, min(minutes, MOST_BARS))
        except NeedsOperator:
            raise
        except TradingError as error:
            self._log.warning("bars_missed", instrument=gap.instrument, cause=str(error))
            return
        begin = gap.since.replace(second=0, microsecond=0)
        missed = tuple(each for each in bars if each.start >= begin)
        if missed:
            self.stats.missed_bars += len(missed)
            self._hub.publish_missed(MissedBars(gap.instrument, gap.since, missed))

    def _exposed(self) -> list[InstrumentId]:
        """Instruments that are held or have open orders."""
        held = [each for each, position in self._portfolio.positions.items() if position.quantity]
        waiting = [order.intent.instrument for order in self._portfolio.open_orders()]
        return list(dict.fromkeys([*sorted(held), *waiting]))

    @staticmethod
    def _is_watched(interest: Interest) -> bool:
        return interest.channel == TRADES and market_of(interest.instrument) is Market.KRX


def _begin_anew(sight: _Sight, now: float) -> None:
    """From now on the instrument is measured afresh: what was missed before is known as missed."""
    sight.fresh_at, sight.known, sight.missing_since = now, None, None
    sight.confirmed, sight.unconfirmed_since = False, None
