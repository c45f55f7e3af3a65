"""Strategies that do to the daemon what a bug would: only the watchdog can tell."""

import asyncio
import time
from typing import Any

from daemon.kis.stream import KisFeed
from daemon.store.journal import SqliteJournal
from daemon.strategy import Strategy, StrategyContext


class Blocker(Strategy):
    """Holds the loop for good, once it has seen a little of the market."""

    async def run(self, context: StrategyContext) -> None:
        seen = 0
        async for _ in context.events():
            seen += 1
            if seen == 20:
                print('{"event": "sabotage"}', flush=True)  # noqa: T201
                time.sleep(60)  # noqa: ASYNC251  that is the crime


class Silencer(Strategy):
    """Ends the stream's task without a word, as a lost cancellation does."""

    async def run(self, context: StrategyContext) -> None:
        async for _ in context.events():
            for task in asyncio.all_tasks():
                if task.get_name() == "feed":
                    task.cancel()
            print('{"event": "sabotage"}', flush=True)  # noqa: T201
            return


class Hanger(Strategy):
    """Makes the stream's next connection wait for something that never comes."""

    async def run(self, context: StrategyContext) -> None:
        async for _ in context.events():
            KisFeed.OPENING = 3.0
            KisFeed._connect_once = _for_ever  # type: ignore[assignment, method-assign]
            for task in asyncio.all_tasks():
                if task.get_name() == "feed":
                    _feed_of(task).reconnect("sabotage")
            print('{"event": "sabotage"}', flush=True)  # noqa: T201
            return


class Scribbler(Strategy):
    """Lets the disk refuse every later write of the journal."""

    async def run(self, context: StrategyContext) -> None:
        async for _ in context.events():
            SqliteJournal.probe = _full  # type: ignore[assignment]
            print('{"event": "sabotage"}', flush=True)  # noqa: T201
            return


async def _for_ever(feed: KisFeed) -> Any:
    await asyncio.Event().wait()


def _full(journal: SqliteJournal) -> None:
    raise OSError("no space left on device")


def _feed_of(task: asyncio.Task[Any]) -> KisFeed:
    frame = task.get_coro().cr_frame  # type: ignore[union-attr]
    feed = frame.f_locals["self"]
    assert isinstance(feed, KisFeed)
    return feed
