"""Callbacks by instrument, and one claim before anything connects."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from daemon.core.errors import AlreadyRunning, Refused
from daemon.core.values import InstrumentId, Interest, Level, OrderBook
from daemon.kis.ticker import PriceStream
from daemon.ports import FeedEvent
from tests.builders import tick

SAMSUNG, HYNIX = InstrumentId("krx:005930"), InstrumentId("krx:000660")


class Feed:
    """A feed that is told what is wanted and emits what the test says."""

    def __init__(self) -> None:
        self.wanted: list[Interest] = []
        self.emit: Callable[[FeedEvent], None] = lambda event: None
        self.connections = 0
        self.confirmed: list[Interest] = []

    def want(self, interests: Sequence[Interest]) -> None:
        if any(each.instrument.startswith("bond:") for each in interests):
            raise ValueError("no such channel")
        self.wanted = list(interests)

    def canonical(self, interest: Interest) -> Interest:
        return interest

    def renew(self, interest: Interest) -> None: ...

    def reconnect(self, cause: str) -> None: ...

    async def run(self, emit: Callable[[FeedEvent], None]) -> None:
        self.emit = emit
        self.connections += 1
        await asyncio.Event().wait()


def book(instrument: InstrumentId) -> OrderBook:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    level = Level(Decimal(1), 1)
    return OrderBook(
        instrument=instrument, asks=(level,), bids=(level,), exchange_time=at, received_at=at
    )


def test_events_reach_the_callbacks_of_their_instrument() -> None:
    heard: list[object] = []
    claims: list[int] = []

    async def main() -> None:
        feed = Feed()
        stream = PriceStream(feed, claim=lambda: claims.append(1))
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(stream.run())
            await asyncio.sleep(0)
            assert feed.connections == 0
            await stream.subscribe_price(["005930", "krx:000660"], heard.append)
            await stream.subscribe_price("005930", heard.append)
            await stream.subscribe_order_book("005930", heard.append)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert feed.connections > 0
            feed.emit(tick(instrument=SAMSUNG))
            assert len(heard) == 2
            feed.emit(book(SAMSUNG))
            feed.emit(book(HYNIX))
            assert len(heard) == 3
            await stream.unsubscribe_price("005930")
            feed.emit(tick(instrument=SAMSUNG))
            feed.emit(tick(instrument=HYNIX))
            assert len(heard) == 4
            await stream.unsubscribe_order_book("005930")
            assert feed.wanted == [Interest("trades", HYNIX)]
            task.cancel()

    asyncio.run(main())
    assert claims == [1]


def test_tickers_of_a_market_are_found_by_whoever_knows_them() -> None:
    async def find(tickers: str | Iterable[str], market: str) -> list[InstrumentId]:
        return [InstrumentId(f"{market.lower()}:{each}") for each in tickers]

    async def main() -> None:
        feed = Feed()
        stream = PriceStream(feed, find=find)
        heard: list[object] = []
        await stream.subscribe_price(["KO"], heard.append, "NYSE")
        await stream.subscribe_order_book(["KO"], heard.append, market="NYSE")
        assert feed.wanted == [
            Interest("trades", InstrumentId("nyse:KO")),
            Interest("book", InstrumentId("nyse:KO")),
        ]
        await stream.unsubscribe_price(["KO"], "NYSE")
        assert [each.channel for each in feed.wanted] == ["book"]

    asyncio.run(main())


def test_what_cannot_be_had_changes_nothing() -> None:
    def refuse() -> None:
        raise AlreadyRunning("a daemon")

    async def main() -> None:
        feed = Feed()
        held = PriceStream(feed, claim=refuse)
        with pytest.raises(AlreadyRunning):
            await held.subscribe_price("005930", print)
        assert feed.wanted == []
        free = PriceStream(feed)
        await free.subscribe_price("005930", print)
        with pytest.raises(Refused, match="NO_CHANNEL"):
            await free.subscribe_price("bond:KR1", print)
        with pytest.raises(Refused, match="BAD_TICKER"):
            await free.subscribe_price("00 59", print)
        await free.unsubscribe_price("000660")
        assert feed.wanted == [Interest("trades", SAMSUNG)]

    asyncio.run(main())
