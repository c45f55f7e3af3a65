"""Fan-out: every subscriber has a queue of its own, and none can hold up another."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import NamedTuple, get_args

from daemon.core.errors import TradingError
from daemon.core.values import (
    BOOK,
    EXPECTED,
    STATUS,
    TRADES,
    ExpectedPrice,
    InstrumentId,
    Interest,
    Market,
    MarketStatus,
    OrderBook,
    Quote,
    Record,
    StrategyId,
    Tick,
    Venue,
    market_of,
)
from daemon.strategy import MarketGap, MissedBars, StrategyEvent

MARKET_BACKLOG = 256
FACT_BACKLOG = 10_000


class TooSlow(TradingError):
    """A subscriber let more order facts pile up than it could ever make sense of."""


@dataclass(slots=True)
class HubStats:
    """Counts since the start."""

    published: int = 0
    delivered: int = 0
    conflated: int = 0


MarketNews = Tick | OrderBook | ExpectedPrice | MarketStatus | Quote | Record
"""What gives way to newer news of its kind when a subscriber falls behind."""

_NEWS = frozenset(get_args(MarketNews))

Route = tuple[InstrumentId | None, type[MarketNews], Venue | str | None]
"""By what news finds its subscribers, and the newest of it what it replaces."""

_KINDS: dict[str, type[MarketNews]] = {
    TRADES: Tick,
    BOOK: OrderBook,
    EXPECTED: ExpectedPrice,
    STATUS: MarketStatus,
}
_VENUES: dict[str, Venue] = {venue.value: venue for venue in Venue}


def routes_of(interest: Interest) -> tuple[Route, ...]:
    """Where news comes by that an interest asks for. Quotes stand in for trades and books.

    Records of an instrument come all by one: which channel they are of, they say themselves.
    """
    instrument = interest.instrument
    name, _, venue = interest.channel.partition("@")
    kind = _KINDS.get(name, Record)
    if kind is Record or market_of(instrument) is Market.INDEX:
        return ((instrument, Record, None),)
    route: Route = (instrument, kind, _VENUES.get(venue, Venue.KRX))
    return (route, (instrument, Quote, None)) if kind in (Tick, OrderBook) else (route,)


class _Late(NamedTuple):
    """Holds the place of the newest market event of a kind, which is read when its turn comes."""

    route: Route


class Subscription:
    """One subscriber's queue.

    Up to `MARKET_BACKLOG` market events wait in order; beyond that, the newest of a kind and an
    instrument replaces the one that waits, which is counted. Order facts and gaps are never
    dropped.
    """

    def __init__(self, owner: StrategyId, stats: HubStats) -> None:
        self.owner = owner
        self.conflated = 0
        self.current: StrategyEvent | None = None
        """What it was handed last: what it acts upon, if it acts."""
        self.overflowed = False
        self._closed = False
        self._stats = stats
        self._queue: deque[StrategyEvent | _Late] = deque()
        self._latest: dict[Route, MarketNews] = {}
        self._facts_waiting = 0
        # Whether only market news waits, each in its own place: nearly always.
        self._simple = True
        self._waiters: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._queue)

    def put_market(self, route: Route, event: MarketNews) -> None:
        """Queue market news, or let it replace what waits of the same route."""
        if self._simple and len(self._queue) < MARKET_BACKLOG:
            self._queue.append(event)
        else:
            self._put_behind(route, event)
        if self._waiters:
            self._wake()

    def _put_behind(self, route: Route, event: MarketNews) -> None:
        """Queue market news behind facts, or for one who does not keep up."""
        if route in self._latest:
            self._latest[route] = event
            self.conflated += 1
            self._stats.conflated += 1
        elif len(self._queue) - self._facts_waiting - len(self._latest) < MARKET_BACKLOG:
            self._queue.append(event)
        else:
            self._latest[route] = event
            self._queue.append(_Late(route))
            self._simple = False

    def close(self) -> None:
        """End `events`: what still waits is dropped."""
        self._closed = True
        self._wake()

    def put_fact(self, event: StrategyEvent) -> None:
        """Queue an order fact or a gap."""
        if self._facts_waiting >= FACT_BACKLOG:
            self.overflowed = True
        else:
            self._facts_waiting += 1
            self._queue.append(event)
            self._simple = False
        self._wake()

    @property
    def is_closed(self) -> bool:
        """Whether nothing is queued any more."""
        return self._closed

    async def events(self) -> AsyncIterator[StrategyEvent]:
        """Yield events in order until closed; raises `TooSlow` once facts were lost."""
        queue, stats = self._queue, self._stats
        while not self._closed:
            while queue:
                # A `_Late` waits only while the queue is not simple.
                event = queue.popleft() if self._simple else self._take()
                stats.delivered += 1
                self.current = event  # type: ignore[assignment]
                yield event  # type: ignore[misc]
            await self._more()

    async def _more(self) -> None:
        """Wait until there may be something new."""
        if self._closed:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _take(self) -> StrategyEvent:
        if self.overflowed:
            raise TooSlow(f"{self.owner} left {FACT_BACKLOG} order facts unread")
        event = self._queue.popleft()
        if isinstance(event, _Late):
            event = self._latest.pop(event.route)
        elif type(event) not in _NEWS:
            self._facts_waiting -= 1
        self._simple = not self._facts_waiting and not self._latest
        return event


class Hub:
    """Hands market events to those who watch the instrument, facts to those they concern."""

    def __init__(self) -> None:
        self.stats = HubStats()
        self._subscriptions: dict[StrategyId, Subscription] = {}
        self._interests: dict[StrategyId, dict[Interest, None]] = {}
        self._watchers: dict[Route, list[Subscription]] = {}

    def subscribe(self, owner: StrategyId, interests: Iterable[Interest]) -> Subscription:
        """Open a queue for `owner`; a former one of the same owner is closed."""
        self.unsubscribe(owner)
        subscription = self._subscriptions[owner] = Subscription(owner, self.stats)
        self.watch(owner, interests)
        return subscription

    def unsubscribe(self, owner: StrategyId) -> None:
        """Close the queue of `owner`, if it has one."""
        subscription = self._subscriptions.pop(owner, None)
        if subscription is None:
            return
        subscription.close()
        del self._interests[owner]
        for watchers in self._watchers.values():
            if subscription in watchers:
                watchers.remove(subscription)

    def queue_of(self, owner: StrategyId) -> Subscription | None:
        """The queue of `owner`, if it has one."""
        return self._subscriptions.get(owner)

    def watch(self, owner: StrategyId, interests: Iterable[Interest]) -> None:
        """Set everything that `owner`, who has a queue, is handed from now on."""
        self._interests[owner] = dict.fromkeys(interests)
        self._route(self._subscriptions[owner], self._interests[owner])

    def _route(self, subscription: Subscription, wanted: Iterable[Interest]) -> None:
        routes = dict.fromkeys(route for interest in wanted for route in routes_of(interest))
        for route, watchers in self._watchers.items():
            if subscription in watchers and route not in routes:
                watchers.remove(subscription)
        for route in routes:
            watchers = self._watchers.setdefault(route, [])
            if subscription not in watchers:
                watchers.append(subscription)

    def publish_market(self, event: Tick | OrderBook | ExpectedPrice | MarketStatus) -> None:
        """Give news of a kind and a venue to everybody who watches it. Never waits."""
        self.stats.published += 1
        route = (event.instrument, type(event), event.venue)
        for subscription in self._watchers.get(route, ()):
            subscription.put_market(route, event)

    def publish_quote(self, quote: Quote) -> None:
        """Give what an inquiry told to everybody who watches the instrument's trades or book."""
        self.stats.published += 1
        route = (quote.instrument, Quote, None)
        for subscription in self._watchers.get(route, ()):
            subscription.put_market(route, quote)

    def publish_record(self, record: Record) -> None:
        """Give a row of another channel to everybody who watches one of the instrument's."""
        self.stats.published += 1
        route = (record.instrument, Record, f"{record.channel} {record.key}")
        for subscription in self._watchers.get((record.instrument, Record, None), ()):
            subscription.put_market(route, record)

    def publish_gap(self, gap: MarketGap) -> None:
        """Say that market data is missing, or flows again: to all, or to an instrument's own."""
        self._tell(gap.instrument, gap)

    def publish_missed(self, missed: MissedBars) -> None:
        """Give what a gap hid to everybody who watches the instrument."""
        self._tell(missed.instrument, missed)

    def _tell(self, instrument: InstrumentId | None, event: MarketGap | MissedBars) -> None:
        for owner, subscription in self._subscriptions.items():
            wanted = self._interests[owner]
            if instrument is None or any(each.instrument == instrument for each in wanted):
                subscription.put_fact(event)

    def publish_fact(self, owner: StrategyId, event: StrategyEvent) -> None:
        """Give an order fact to the strategy that owns the order."""
        subscription = self._subscriptions.get(owner)
        if subscription is not None:
            subscription.put_fact(event)
