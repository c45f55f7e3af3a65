"""Whether ticks leave anything behind: `uv run python bench/memory.py`.

A million trades of 40 symbols go through decoder, desk and hub to ten strategies, in a process of
its own; its resident memory afterwards against that after the warm-up. Prints one JSON line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop

from bench import figures
from bench.broker import CODES, trade, wire
from bench.feed import Counters, handled
from bench.memory_socket import MemoryNetwork
from bench.rig import quiet, rig
from daemon.core.ratelimit import TokenBucket
from daemon.kis.link import HttpRequest, HttpResponse
from daemon.kis.transport import WebsocketsTransport

STRATEGIES = 10
BATCH = 10_000
TARGET = 1.05
PAGE = os.sysconf("SC_PAGE_SIZE")


class Keys:
    """`HttpTransport` of a broker that only gives out keys of the stream."""

    base_url = "http://bench"

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
        """The key."""
        return HttpResponse(status=200, headers={}, body=b'{"approval_key": "bench"}')


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


async def ticks(folder: Path, warm: int, count: int) -> dict[str, float]:
    """Let `warm` frames through, and then `count` more; prices, times and sizes go on changing."""
    counters, network = Counters(STRATEGIES), MemoryNetwork()
    with network.in_place():
        async with rig(
            counters.scripts,
            folder=folder,
            transport=Keys(),
            streams=WebsocketsTransport(),
            budget=TokenBucket(10),
            codes=len(CODES),
        ) as scene:
            await network.registered(scene.registrations)

            async def let_through(first: int, last: int) -> None:
                for start in range(first, last, BATCH):
                    numbers = range(start, min(start + BATCH, last))
                    await network.transport.feed_all(
                        wire(trade(n, codes=len(CODES)) for n in numbers)
                    )
                    await handled(scene, numbers.stop - 1, every=0.0005)

            await let_through(1, warm + 1)
            before, started = resident(), time.perf_counter()
            await let_through(warm + 1, warm + count + 1)
            return {
                "before_mb": round(before / 2**20, 1),
                "after_mb": round(resident() / 2**20, 1),
                "ratio": round(resident() / before, 4),
                "delivered": round(sum(counters.counts) / STRATEGIES / (warm + count), 4),
                "seconds": round(time.perf_counter() - started, 1),
            }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=figures.REPEATS)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a smoke test")
    parser.add_argument("--inside", type=int, metavar="WARM", help=argparse.SUPPRESS)
    options = parser.parse_args()
    count, warm, repeats = options.ticks, 100_000, max(options.repeats, 1)
    if options.inside is not None:
        quiet()
        with tempfile.TemporaryDirectory() as name:
            found = uvloop.run(ticks(Path(name), options.inside, count))
        return figures.say(found)
    if options.quick:
        count, warm, repeats = 20_000, 10_000, 1
    command = [sys.executable, __file__, "--ticks", str(count), "--inside", str(warm)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for _ in range(repeats)
    ]
    return figures.say(
        {
            "bench": "memory",
            "ticks": count,
            "symbols": len(CODES),
            "strategies": STRATEGIES,
            "repeats": repeats,
            "before_mb": figures.middle([each["before_mb"] for each in runs], 1),
            "after_mb": figures.middle([each["after_mb"] for each in runs], 1),
            "ratio": figures.middle([each["ratio"] for each in runs], 4),
            "worst_ratio": max(each["ratio"] for each in runs),
            "delivered": min(each["delivered"] for each in runs),
            "target": TARGET,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
