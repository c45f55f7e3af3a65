"""How well the request scheduler keeps to the broker's cap: `uv run python bench/scheduler.py`.

The pump and both budgets, that of one process and that of a file all processes share, send to a
door that refuses the 11th request in any second. Requests and replies travel 0 to 50 ms each. In
virtual time, so that the figures are exact and the same on every machine. Prints one JSON line.

`utilisation` is calls a second by the cap, `of_the_most` their rate by what the door would have
let through in that time.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import figures
from daemon.core.errors import TradingError
from daemon.core.ratelimit import Priority, TokenBucket
from daemon.kis.link import HttpRequest, HttpResponse
from daemon.kis.pump import RequestPump
from daemon.lab.loop import VirtualClock, run_virtual
from daemon.ports import RequestBudget
from daemon.sim.door import Door
from daemon.store.locks import SharedBudget

CAP = 10
JITTER = 0.05
REQUEST = HttpRequest(method="GET", path="/", headers=())
QUEUED = 200
TARGETS = {"refused": 0, "utilisation": 0.96, "order_waits_slots": 1}

Work = Callable[[RequestPump, int, Random], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How requests get to the door: `slow` of them, a share, take up to `longest` s more."""

    slow: float = 0.0
    longest: float = 0.0


class Gate:
    """`HttpTransport`: a door behind a line whose delays vary."""

    base_url = "http://bench"

    def __init__(self, random: Random, way: Way) -> None:
        self.door = Door(CAP)
        self.admitted: list[float] = []
        self.left: list[float] = []
        self._random = random
        self._way = way

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
        """There, through the door, and back."""
        loop = asyncio.get_running_loop()
        self.left.append(loop.time())
        delay = self._random.uniform(0.0, JITTER)
        if self._random.random() < self._way.slow:
            delay += self._random.uniform(0.0, self._way.longest)
        await asyncio.sleep(delay)
        if self.door.enter("bench", loop.time()):
            self.admitted.append(loop.time())
        await asyncio.sleep(self._random.uniform(0.0, JITTER))
        return HttpResponse(status=200, headers={}, body=b"")


@contextmanager
def bucket(folder: Path) -> Iterator[RequestBudget]:
    """The budget of one process."""
    yield TokenBucket(CAP)


@contextmanager
def shared(folder: Path) -> Iterator[RequestBudget]:
    """The budget in a file."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        budget = SharedBudget(Path(name) / "budget", CAP)
        try:
            yield budget
        finally:
            budget.close()


BUDGETS = {"bucket": bucket, "shared": shared}


async def call(pump: RequestPump, priority: Priority = Priority.QUERY) -> None:
    """One request; what becomes of it is counted at the door."""
    until = asyncio.get_running_loop().time() + 10_000
    try:
        await pump.send(lambda: REQUEST, priority=priority, wait_until=until, timeout=5.0)
    except TradingError as error:
        raise AssertionError("nothing fails here") from error


async def sustained(pump: RequestPump, calls: int, random: Random) -> None:
    """Always something to send."""
    await asyncio.gather(*(call(pump) for _ in range(calls)))


async def bursts(pump: RequestPump, calls: int, random: Random) -> None:
    """Forty at once, then nothing for a while, so that all slots are free at once."""
    for _ in range(0, calls, 40):
        await asyncio.gather(*(call(pump) for _ in range(40)))
        await asyncio.sleep(random.uniform(0.0, 3.0))


async def run(
    budget: RequestBudget,
    seed: int,
    way: Way,
    work: Work,
    calls: int,
) -> dict[str, float]:
    """One run against a fresh door."""
    random = Random(seed)
    gate = Gate(random, way)
    clock = VirtualClock(datetime(2026, 7, 6, tzinfo=UTC))
    pump = RequestPump(transport=gate, budget=budget, clock=clock)
    serving = asyncio.ensure_future(pump.run())
    await asyncio.sleep(0)
    await work(pump, calls, random)
    serving.cancel()
    await asyncio.wait([serving])
    spent = gate.admitted[-1] - gate.admitted[0]
    return {
        "refused": gate.door.refused,
        "most": gate.door.most_in_a_second,
        "utilisation": len(gate.admitted) / (CAP * spent),
        # Ten may come at once, and the last ten a second before the next could.
        "of_the_most": (len(gate.admitted) - CAP) / (CAP * spent),
    }


async def order_behind(budget: RequestBudget, seed: int) -> dict[str, float]:
    """An order, at a random moment, behind a queue of queries that are all there before it."""
    random = Random(seed)
    gate = Gate(random, Way())
    clock = VirtualClock(datetime(2026, 7, 6, tzinfo=UTC))
    pump = RequestPump(transport=gate, budget=budget, clock=clock)
    serving = asyncio.ensure_future(pump.run())
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(call(pump)) for _ in range(QUEUED)]
    await asyncio.sleep(random.uniform(3.0, 6.0))
    loop = asyncio.get_running_loop()
    asked, left_before = loop.time(), len(gate.left)
    leaves: list[float] = []

    def prepare() -> HttpRequest:
        leaves.append(loop.time())
        return REQUEST

    await pump.send(prepare, priority=Priority.ORDER, wait_until=asked + 3.0, timeout=5.0)
    overtaken_by = sum(asked < at < leaves[0] for at in gate.left[left_before:])
    for each in (*waiting, serving):
        each.cancel()
    await asyncio.wait([*waiting, serving])
    return {"ahead": overtaken_by, "waited": leaves[0] - asked}


def measure(folder: Path, calls: int, seeds: int) -> dict[str, object]:
    """Every budget on every way."""
    scenes = {
        "sustained": (Way(), sustained),
        "bursts": (Way(), bursts),
        "slow_uplinks": (Way(slow=0.02, longest=2.0), sustained),
    }
    told: dict[str, object] = {}
    for name, open_budget in BUDGETS.items():
        figure: dict[str, object] = {}
        for scene, (way, work) in scenes.items():
            runs = []
            for seed in range(seeds):
                with open_budget(folder) as budget:
                    runs.append(run_virtual(run(budget, seed, way, work, calls)))
            kept: dict[str, float] = {
                "refused": sum(each["refused"] for each in runs),
                "most_in_a_second": max(each["most"] for each in runs),
            }
            if work is sustained:
                for share in ("utilisation", "of_the_most"):
                    kept[share] = round(median(each[share] for each in runs), 3)
            figure[scene] = kept
        orders = []
        for seed in range(seeds * 4):
            with open_budget(folder) as budget:
                orders.append(run_virtual(order_behind(budget, seed)))
        waits = [each["waited"] for each in orders]
        figure[f"order_behind_{QUEUED}"] = {
            "requests_let_past": max(each["ahead"] for each in orders),
            "wait_p50": round(median(waits), 3),
            "wait_max": round(max(waits), 3),
        }
        told[name] = figure
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a smoke test")
    options = parser.parse_args()
    calls, seeds = (80, 2) if options.quick else (options.calls, max(options.seeds, 1))
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), calls, seeds)
    return figures.say(
        {"bench": "scheduler", "calls": calls, "seeds": seeds, **found, "targets": TARGETS}
    )


if __name__ == "__main__":
    sys.exit(main())
