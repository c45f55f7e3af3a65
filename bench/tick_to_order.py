"""From the frame that decides to the order's bytes: `uv run python bench/tick_to_order.py`.

The clock starts when the broker's side, another process, writes the decisive frame, and stops when
the whole order has arrived at its HTTP server. The daemon's pipeline and a script written by hand
for just this (websockets, aiohttp and nothing else) take turns, with the journal on the disk and
without one, and with the floor: bytes made beforehand, written to an open socket. Idle, and under
5,000 other frames a second; and ten orders at once against one. Prints one JSON line.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import orjson
import uvloop
from websockets.asyncio.client import connect

from bench import figures
from bench.broker import DECISIVE
from bench.rig import CREDENTIALS, INSTRUMENTS, BrokerProcess, MemoryJournal, quiet, rig
from daemon.core.events import Event
from daemon.core.values import InstrumentId, Tick
from daemon.kis.codec import CONTENT_TYPE
from daemon.kis.transport import AiohttpTransport, WebsocketsTransport
from daemon.ports import Checkpoint, Journal
from daemon.store.journal import SqliteJournal
from daemon.store.locks import SharedBudget
from daemon.strategy import StrategyContext

ORDER_PATH = "/uapi/domestic-stock/v1/trading/order-cash"
BODY = {
    "CANO": CREDENTIALS.number,
    "ACNT_PRDT_CD": CREDENTIALS.product,
    "PDNO": "005930",
    "ORD_DVSN": "00",
    "ORD_QTY": "1",
    "ORD_UNPR": str(DECISIVE),
    "EXCG_ID_DVSN_CD": "KRX",
    "SLL_TYPE": "",
    "CNDT_PRIC": "",
}
HEADERS = {
    "content-type": CONTENT_TYPE,
    "authorization": "Bearer bench-token",
    "appkey": CREDENTIALS.app_key,
    "appsecret": CREDENTIALS.app_secret,
    "tr_id": "TTTC0012U",
    "custtype": "P",
}
PERIOD = 0.001
"""Seconds until a request slot may be used again: the broker's cap is not what is measured."""
BUSY = 5_000
TARGETS = {"p50": 1.15, "p99": 1.4, "ten_orders": 1.5}


class TimedJournal:
    """A journal that knows when it committed; times are of the machine's monotonic clock."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._commits: deque[tuple[int, int]] = deque(maxlen=1_000)

    def append(self, events: Sequence[Event]) -> None:
        """As the journal does."""
        started = time.monotonic_ns()
        self._journal.append(events)
        ended = time.monotonic_ns()
        self._commits.append((started, ended))

    def spent(self, since: int, until: int) -> int:
        """Nanoseconds spent in commits that began and ended between two instants."""
        return sum(end - start for start, end in self._commits if since <= start and end <= until)

    def replay(self) -> Any:
        """As the journal does."""
        return self._journal.replay()

    def probe(self) -> None:
        """As the journal does."""
        self._journal.probe()

    def checkpoint(self) -> Any:
        """As the journal does."""
        return self._journal.checkpoint()

    def compact(self, checkpoint: Checkpoint) -> None:
        """As the journal does."""
        self._journal.compact(checkpoint)


class Client:
    """What answers the decisive frame: `registrations` to wait for, and its journal, if any."""

    def __init__(self, registrations: int, journal: TimedJournal | None = None) -> None:
        self.registrations = registrations
        self.journal = journal


def decider(orders: int) -> Callable[[StrategyContext], Any]:
    """A strategy that buys one share at the decisive price, `orders` times at once."""
    limit = Decimal(DECISIVE)
    (instrument,) = INSTRUMENTS[:1]

    def wish(context: StrategyContext, what: InstrumentId) -> Any:
        return context.buy(what, 1, limit=limit, reason="the price was there")

    async def run(context: StrategyContext) -> None:
        async for event in context.events():
            if isinstance(event, Tick) and event.price == limit:
                await context.submit(*(wish(context, instrument) for _ in range(orders)))

    return run


async def bystander(context: StrategyContext) -> None:
    """A strategy that only looks."""
    async for _ in context.events():
        pass


@asynccontextmanager
async def daemon(
    side: BrokerProcess, folder: Path, *, orders: int = 1, disk: bool = False
) -> AsyncIterator[Client]:
    """The whole pipeline, with nine strategies beside the one that decides."""
    files = SqliteJournal(folder / "journal.db", owner="bench") if disk else None
    journal = TimedJournal(files or MemoryJournal())
    budget = SharedBudget(folder / "budget", 10, period=PERIOD)
    try:
        async with (
            AiohttpTransport(side.door_url) as door,
            rig(
                [*[bystander] * 9, decider(orders)],
                folder=folder,
                transport=door,
                streams=WebsocketsTransport(),
                budget=budget,
                stream_url=side.stream_url,
                journal=journal,
            ) as scene,
        ):
            yield Client(scene.registrations, journal)
    finally:
        budget.close()
        if files is not None:
            files.close()


@asynccontextmanager
async def minimal(side: BrokerProcess, *, orders: int = 1) -> AsyncIterator[Client]:
    """The script one would write by hand."""

    async def trade(session: aiohttp.ClientSession) -> None:
        async def order() -> None:
            body = {**BODY, "ORD_UNPR": str(price)}
            async with session.post(url, json=body, headers=HEADERS) as response:
                await response.json()

        url = side.door_url + ORDER_PATH
        async with connect(side.stream_url, compression=None, ping_interval=None) as socket:
            await socket.send("go")
            async for frame in socket:
                assert isinstance(frame, str), "the stream is text"
                fields = frame.split("^")
                price = int(fields[2])
                if price == DECISIVE:
                    await asyncio.gather(*(order() for _ in range(orders)))

    async with aiohttp.ClientSession() as session:
        trading = asyncio.ensure_future(trade(session))
        try:
            yield Client(0)
        finally:
            trading.cancel()
            await asyncio.wait([trading])


@asynccontextmanager
async def floor(side: BrokerProcess) -> AsyncIterator[Client]:
    """Bytes made beforehand, written to an open socket as soon as the frame is there."""
    body = orjson.dumps(BODY)
    lines = [f"POST {ORDER_PATH} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    order = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    mark = f"^{DECISIVE}^2^"

    async def trade() -> None:
        host, port = side.door_url.removeprefix("http://").split(":")
        door, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, host, int(port)
        )
        async with connect(side.stream_url, compression=None, ping_interval=None) as socket:
            await socket.send("go")
            async for frame in socket:
                if mark in str(frame):
                    door.write(order)
        door.close()

    trading = asyncio.ensure_future(trade())
    try:
        yield Client(0)
    finally:
        trading.cancel()
        await asyncio.wait([trading])


Arm = Callable[[], AbstractAsyncContextManager[Client]]
Sample = tuple[float, float]
"""Microseconds from the frame to the last order's arrival, and those of them in the journal."""


async def turn(
    side: BrokerProcess, arm: Arm, *, count: int, orders: int, rate: int
) -> list[Sample]:
    """One turn of an arm."""
    found: list[Sample] = []
    await side.do("expect")
    async with arm() as client:
        # The first ones open connections and fill caches.
        for number in range(-5, count):
            if number == 0:
                await side.do("pace", rate=rate)
            answer = await side.do("decide", orders=orders, registrations=client.registrations)
            written, arrived = answer["written"], max(answer["arrivals"])
            if number >= 0:
                spent = client.journal.spent(written, arrived) if client.journal else 0
                found.append(((arrived - written) / 1e3, spent / 1e3))
            await asyncio.sleep(0.002)
        await side.do("pace", rate=0)
    return found


async def compare(
    side: BrokerProcess, arms: dict[str, Arm], *, samples: int, turns: int, orders: int, rate: int
) -> dict[str, list[list[Sample]]]:
    """All arms, taking turns."""
    found: dict[str, list[list[Sample]]] = {name: [] for name in arms}
    for name in figures.turns(list(arms), turns):
        each = await turn(side, arms[name], count=samples // turns, orders=orders, rate=rate)
        found[name].append(each)
    return found


def told(found: dict[str, list[list[Sample]]]) -> dict[str, object]:
    """Percentiles of all samples; ratios to the script's, of the medians over the turns."""
    result: dict[str, object] = {}
    for name, turns in found.items():
        took = [microseconds for turn in turns for microseconds, _ in turn]
        figure: dict[str, float] = {"samples": len(took)}
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            figure[label] = round(figures.percentile(took, share), 1)
            own = [figures.percentile([each for each, _ in turn], share) for turn in turns]
            for other in ("minimal", "floor"):
                theirs = [
                    figures.percentile([each for each, _ in turn], share) for turn in found[other]
                ]
                figure[f"{label}_to_{other}"] = figures.ratio(own, theirs)
        figure["journal_p50"] = round(
            figures.percentile([spent for turn in turns for _, spent in turn], 0.5), 1
        )
        result[name] = figure
    return result


async def measure(folder: Path, samples: int, turns: int) -> dict[str, object]:
    """Every condition."""
    async with BrokerProcess.running() as side:
        singles: dict[str, Arm] = {
            "floor": lambda: floor(side),
            "minimal": lambda: minimal(side),
            "daemon": lambda: daemon(side, folder),
            "daemon_with_disk": lambda: daemon(side, folder, disk=True),
        }
        idle = await compare(side, singles, samples=samples, turns=turns, orders=1, rate=0)
        busy = await compare(side, singles, samples=samples, turns=turns, orders=1, rate=BUSY)
        tens: dict[str, Arm] = {
            "minimal_one": lambda: minimal(side),
            "minimal_ten": lambda: minimal(side, orders=10),
            "one": lambda: daemon(side, folder),
            "ten": lambda: daemon(side, folder, orders=10),
            "one_with_disk": lambda: daemon(side, folder, disk=True),
            "ten_with_disk": lambda: daemon(side, folder, orders=10, disk=True),
        }
        crowd: dict[str, list[list[Sample]]] = {name: [] for name in tens}
        few = max(samples // turns // 5, 3)
        for name in figures.turns(list(tens), turns):
            orders = 10 if "ten" in name else 1
            crowd[name].append(await turn(side, tens[name], count=few, orders=orders, rate=0))
    middles = {
        name: [figures.percentile([took for took, _ in turn], 0.5) for turn in rounds]
        for name, rounds in crowd.items()
    }
    return {
        "idle": told(idle),
        f"at_{BUSY}_frames_a_second": told(busy),
        "ten_orders": {
            "p50": {name: figures.middle(each, 1) for name, each in middles.items()},
            "ratio_minimal": figures.ratio(middles["minimal_ten"], middles["minimal_one"]),
            "ratio": figures.ratio(middles["ten"], middles["one"]),
            "ratio_with_disk": figures.ratio(middles["ten_with_disk"], middles["one_with_disk"]),
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2_000, help="of each arm and condition")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where the journal is, on a disk")
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a smoke test")
    options = parser.parse_args()
    samples, turns = options.samples, max(options.turns, 1)
    if options.quick:
        samples, turns = 10, 1
    quiet()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        found = uvloop.run(measure(Path(name), samples, turns))
    return figures.say(
        {"bench": "tick_to_order", "unit": "microseconds", **found, "targets": TARGETS}
    )


if __name__ == "__main__":
    sys.exit(main())
