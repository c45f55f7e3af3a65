"""Prices pushed to plain callbacks, for scripts that are no strategies."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from daemon.core.errors import Refused
from daemon.core.values import InstrumentId, Interest, OrderBook, Tick, parse_instrument
from daemon.ports import Feed, FeedEvent

Callback = Callable[[Any], None]
Find = Callable[[str | Iterable[str], str], Awaitable[list[InstrumentId]]]


class PriceStream:
    """Callbacks by instrument over one feed.

    Nothing connects before the first subscription: then `claim` is called once, and what it
    raises leaves everything as it was. `run` serves until cancelled. `find` gives the instruments
    of tickers in a market, such as `Tickers.find_all`.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        claim: Callable[[], None] = lambda: None,
        find: Find | None = None,
    ) -> None:
        self._feed = feed
        self._find = find or _by_name
        self._claim = claim
        self._claimed = False
        self._wanted = asyncio.Event()
        self._callbacks: dict[tuple[str, InstrumentId], list[Callback]] = {}

    async def run(self) -> None:
        """Connect when something is wanted, and stay connected. Raises `NeedsOperator`."""
        await self._wanted.wait()
        await self._feed.run(self._emit)

    async def subscribe_price(
        self,
        tickers: str | Iterable[str],
        callback: Callable[[Tick], None],
        market: str = "KR",
    ) -> None:
        """Call `callback` with every trade of the tickers (KRX codes, US symbols
        with `market="US"`, or `"nasdaq:AAPL"`).

        Raises `Refused` for what the stream does not bring, `AlreadyRunning` where a daemon
        of the same key holds the one stream there is.
        """
        self._subscribe("trades", await self._find(tickers, market), callback)

    async def subscribe_order_book(
        self,
        tickers: str | Iterable[str],
        callback: Callable[[OrderBook], None],
        market: str = "KR",
    ) -> None:
        """The same for order books."""
        self._subscribe("book", await self._find(tickers, market), callback)

    async def unsubscribe_price(self, tickers: str | Iterable[str], market: str = "KR") -> None:
        """Forget all callbacks for trades of the tickers."""
        for instrument in await self._find(tickers, market):
            self._callbacks.pop(("trades", instrument), None)
        self._want()

    async def unsubscribe_order_book(
        self, tickers: str | Iterable[str], market: str = "KR"
    ) -> None:
        """The same for order books."""
        for instrument in await self._find(tickers, market):
            self._callbacks.pop(("book", instrument), None)
        self._want()

    def _subscribe(
        self, channel: str, instruments: Iterable[InstrumentId], callback: Callback
    ) -> None:
        before = {key: list(told) for key, told in self._callbacks.items()}
        for instrument in instruments:
            self._callbacks.setdefault((channel, instrument), []).append(callback)
        try:
            if not self._claimed:
                self._claim()
                self._claimed = True
            self._want()
        except BaseException:
            self._callbacks = before
            raise
        self._wanted.set()

    def _want(self) -> None:
        try:
            self._feed.want([Interest(*key) for key in self._callbacks])
        except ValueError as error:
            raise Refused("NO_CHANNEL", str(error)) from None

    def _emit(self, event: FeedEvent) -> None:
        if isinstance(event, Tick):
            key = ("trades", event.instrument)
        elif isinstance(event, OrderBook):
            key = ("book", event.instrument)
        else:
            return
        for callback in self._callbacks.get(key, ()):
            callback(event)


async def _by_name(tickers: str | Iterable[str], market: str) -> list[InstrumentId]:
    try:
        names = [tickers] if isinstance(tickers, str) else list(tickers)
        return [parse_instrument(name) for name in names]
    except ValueError as error:
        raise Refused("BAD_TICKER", str(error)) from None
