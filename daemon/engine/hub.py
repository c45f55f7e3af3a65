"""Fan-out: every subscriber has a queue of its own, and none can hold up another."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from daemon.core.errors import TradingError
from daemon.core.values import InstrumentId, OrderBook, StrategyId, Tick
from daemon.strategy import MarketGap, StrategyEvent

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


MarketKey = tuple[InstrumentId, type[Tick | OrderBook]]


class _Late(NamedTuple):
    """Holds the place of the newest market event of a kind, which is read when its turn comes."""

    key: MarketKey


class Subscription:
    """One subscriber's queue.

    Up to `MARKET_BACKLOG` market events wait in order; beyond that, the newest tick and the
    newest book of an instrument replace the one that waits, which is counted. Order facts and
    gaps are never dropped.
    """

    def __init__(
        self, owner: StrategyId, instruments: Iterable[InstrumentId], stats: HubStats
    ) -> None:
        self.owner = owner
        self.instruments = frozenset(instruments)
        self.conflated = 0
        self.overflowed = False
        self._closed = False
        self._stats = stats
        self._queue: deque[StrategyEvent | _Late] = deque()
        self._latest: dict[MarketKey, Tick | OrderBook] = {}
        self._market_waiting = 0
        self._facts_waiting = 0
        self._wakeup = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def put_market(self, event: Tick | OrderBook) -> None:
        """Queue a tick or a book, or let it replace one that waits."""
        key = (event.instrument, type(event))
        if key in self._latest:
            self._latest[key] = event
            self.conflated += 1
            self._stats.conflated += 1
        elif self._market_waiting < MARKET_BACKLOG:
            self._market_waiting += 1
            self._queue.append(event)
        else:
            self._latest[key] = event
            self._queue.append(_Late(key))
        self._wakeup.set()

    def close(self) -> None:
        """End `events`: what still waits is dropped."""
        self._closed = True
        self._wakeup.set()

    def put_fact(self, event: StrategyEvent) -> None:
        """Queue an order fact or a gap."""
        if self._facts_waiting >= FACT_BACKLOG:
            self.overflowed = True
        else:
            self._facts_waiting += 1
            self._queue.append(event)
        self._wakeup.set()

    async def events(self) -> AsyncIterator[StrategyEvent]:
        """Yield events in order until closed; raises `TooSlow` once facts were lost."""
        while not self._closed:
            while self._queue:
                if self.overflowed:
                    raise TooSlow(f"{self.owner} left {FACT_BACKLOG} order facts unread")
                yield self._take()
            self._wakeup.clear()
            await self._wakeup.wait()

    def _take(self) -> StrategyEvent:
        event = self._queue.popleft()
        self._stats.delivered += 1
        if isinstance(event, _Late):
            return self._latest.pop(event.key)
        if isinstance(event, (Tick, OrderBook)):
            self._market_waiting -= 1
        else:
            self._facts_waiting -= 1
        return event


class Hub:
    """Hands market events to those who watch the instrument, facts to those they concern."""

    def __init__(self) -> None:
        self.stats = HubStats()
        self._subscriptions: dict[StrategyId, Subscription] = {}
        self._watchers: dict[InstrumentId, list[Subscription]] = {}

    def subscribe(self, owner: StrategyId, instruments: Iterable[InstrumentId]) -> Subscription:
        """Open a queue for `owner`; a former one of the same owner is closed."""
        self.unsubscribe(owner)
        subscription = Subscription(owner, instruments, self.stats)
        self._subscriptions[owner] = subscription
        for instrument in sorted(subscription.instruments):
            self._watchers.setdefault(instrument, []).append(subscription)
        return subscription

    def unsubscribe(self, owner: StrategyId) -> None:
        """Close the queue of `owner`, if it has one."""
        subscription = self._subscriptions.pop(owner, None)
        if subscription is None:
            return
        subscription.close()
        for instrument in subscription.instruments:
            self._watchers[instrument].remove(subscription)

    def publish_market(self, event: Tick | OrderBook) -> None:
        """Give a tick or book to every watcher of its instrument. Never waits."""
        self.stats.published += 1
        for subscription in self._watchers.get(event.instrument, ()):
            subscription.put_market(event)

    def publish_gap(self, gap: MarketGap) -> None:
        """Tell everybody that market data is missing, or flows again."""
        for subscription in self._subscriptions.values():
            subscription.put_fact(gap)

    def publish_fact(self, owner: StrategyId, event: StrategyEvent) -> None:
        """Give an order fact to the strategy that owns the order."""
        subscription = self._subscriptions.get(owner)
        if subscription is not None:
            subscription.put_fact(event)
