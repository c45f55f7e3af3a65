"""Old prices are asked anew before anything is sold by them: the stream may have been down."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog

from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.values import InstrumentId
from daemon.engine.quotes import QuoteBoard
from daemon.ports import Clock, MarketData

STALE = timedelta(seconds=10)
"""Age from which a price is asked anew. A sale rests or is refused once the market is further from
its price than the collar, a few percent: that is minutes for most, and seldom ten seconds. Asked
more often, quiet instruments would take the pace of requests that orders need."""

MOST = 10
"""Questions in one pass: the oldest prices first, the rest in the next."""

ANSWER = 2.0
"""Seconds to wait for one answer."""

TIME = 4.0
"""Seconds for all questions of a pass: sales wait for them, and go out at old prices after it."""

REST = 15.0
"""Seconds an instrument is left alone after its question failed."""

_NEVER = datetime.min.replace(tzinfo=UTC)


class Repricing:
    """Keeps the prices that sales are made by from being old, within bounds of requests and time.

    A question that fails leaves the old price, and is told.
    """

    def __init__(self, *, market_data: MarketData, quotes: QuoteBoard, clock: Clock) -> None:
        self._market_data = market_data
        self._quotes = quotes
        self._clock = clock
        self._rests: dict[InstrumentId, float] = {}
        self._log = structlog.get_logger("repricing")

    async def renew(self, instruments: Iterable[InstrumentId]) -> None:
        """Ask for what has no price or an old one. Raises `NeedsOperator`."""
        give_up = self._clock.monotonic() + TIME
        for instrument in self._due(instruments):
            left = give_up - self._clock.monotonic()
            if left <= 0:
                return
            await self._ask(instrument, min(left, ANSWER))

    def _due(self, instruments: Iterable[InstrumentId]) -> list[InstrumentId]:
        now, at = self._clock.monotonic(), self._clock.now()
        old = [
            (priced_at, each)
            for each in set(instruments)
            if (priced_at := self._quotes.priced_at(each) or _NEVER) + STALE <= at
            and self._rests.get(each, now) <= now
        ]
        return [each for _, each in sorted(old)[:MOST]]

    async def _ask(self, instrument: InstrumentId, limit: float) -> None:
        asked_at = self._clock.now()
        try:
            async with asyncio.timeout(limit):
                info = await self._market_data.info(instrument)
        except NeedsOperator:
            raise
        except TimeoutError:
            self._failed(instrument, f"no answer within {limit:.1f} s")
        except TradingError as error:
            self._failed(instrument, str(error))
        else:
            if info.last <= 0:
                self._failed(instrument, f"the answer has no price: {info.last}")
            self._quotes.learn(info, asked_at=asked_at)

    def _failed(self, instrument: InstrumentId, cause: str) -> None:
        self._rests[instrument] = self._clock.monotonic() + REST
        self._log.warning(
            "price_not_renewed",
            instrument=instrument,
            price=self._quotes.last_price(instrument),
            priced_at=self._quotes.priced_at(instrument),
            cause=cause,
        )
