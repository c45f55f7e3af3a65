"""How fast frames reach strategies: `uv run python bench/feed.py`.

Frames go from another process through real websockets, as many as are taken and again at 5,000 a
second, and once more inside this process, to 1, 10 and 50 strategies, against a bare receive loop
of the same library with the same options. Also the decoder alone against others, what conflation
costs, and whether one strategy that sleeps holds up nine that do not. Prints one JSON line.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from websockets.asyncio.client import connect

from bench import figures
from bench.broker import trade, wire
from bench.decoders import decode_arms
from bench.memory_socket import MemoryNetwork
from bench.rig import CREDENTIALS, INSTRUMENTS, BrokerProcess, Rig, market_clock, quiet, rig
from daemon.core.ratelimit import TokenBucket
from daemon.core.values import TRADES, Interest, StrategyId, Tick
from daemon.engine.hub import MARKET_BACKLOG, Hub
from daemon.kis.frames import FrameDecoder
from daemon.kis.transport import AiohttpTransport, WebsocketsTransport
from daemon.strategy import StrategyContext

CODES = 5
CROWDS = (1, 10, 50)
OPTIONS: dict[str, Any] = {
    "compression": None,
    "ping_interval": None,
    "max_size": 2**20,
    "max_queue": 128,
    "proxy": None,
}
"""What the daemon's transport asks of the library, too."""
PATIENCE = 120.0
RATE = 5_000
"""Frames a second where they come in time: a very busy morning."""
PACED = 10_000
"""Frames of those arms."""
TARGETS = {1: 0.65, 10: 0.50, 50: 0.35}

Times = dict[str, float]


class Counters:
    """Strategies that only count."""

    def __init__(self, crowd: int) -> None:
        self.counts = [0] * crowd

    def script(self, number: int) -> Callable[[StrategyContext], Any]:
        """Strategy `number`."""
        counts = self.counts

        async def run(context: StrategyContext) -> None:
            async for _ in context.events():
                counts[number] += 1

        return run

    @property
    def scripts(self) -> list[Callable[[StrategyContext], Any]]:
        """All of them."""
        return [self.script(number) for number in range(len(self.counts))]


async def handled(scene: Rig, frames: int, *, every: float = 0.004, queues: bool = True) -> None:
    """Until every frame was decoded and, with `queues`, every strategy took what was kept."""
    waiting = scene.desk.hub._subscriptions.values() if queues else ()
    async with asyncio.timeout(PATIENCE):
        while scene.feed.stats.events < frames or any(map(len, waiting)):  # noqa: ASYNC110  looked at from outside
            await asyncio.sleep(every)


def per_frame(frames: int, wall: float, cpu: float, delivered: float) -> Times:
    """Microseconds of a frame, and the share of deliveries that were not conflated."""
    return {"wall": wall / frames * 1e6, "cpu": cpu / frames * 1e6, "delivered": delivered}


def sending(
    side: BrokerProcess, frames: int, registrations: int, rate: int | None
) -> asyncio.Task[dict[str, Any]]:
    """Have frames sent: as fast as they are taken, or at `rate` a second."""
    how: dict[str, Any] = {"frames": frames, "codes": CODES, "registrations": registrations}
    work = side.do("stream", rate=rate, **how) if rate else side.do("blast", **how)
    return asyncio.get_running_loop().create_task(work)


async def bare(side: BrokerProcess, frames: int, rate: int | None = None) -> Times:
    """The library alone."""
    await side.do("expect")
    async with connect(side.stream_url, **OPTIONS) as socket:
        await socket.send("go")
        under_way = sending(side, frames, 0, rate)
        await asyncio.sleep(0)
        cpu, seen = time.process_time(), 0
        async for _ in socket:
            seen += 1
            if seen == frames:
                break
        ended, cpu = time.monotonic_ns(), time.process_time() - cpu
        started = (await under_way)["started"]
    return per_frame(frames, (ended - started) / 1e9, cpu, 1.0)


async def through(
    side: BrokerProcess, folder: Path, frames: int, crowd: int, rate: int | None = None
) -> Times:
    """The daemon, to `crowd` strategies."""
    counters = Counters(crowd)
    await side.do("expect")
    async with (
        AiohttpTransport(side.door_url) as door,
        rig(
            counters.scripts,
            folder=folder,
            transport=door,
            streams=WebsocketsTransport(),
            budget=TokenBucket(10),
            stream_url=side.stream_url,
            codes=CODES,
        ) as scene,
    ):
        under_way = sending(side, frames, scene.registrations, rate)
        await asyncio.sleep(0)
        cpu = time.process_time()
        await handled(scene, frames)
        ended, cpu = time.monotonic_ns(), time.process_time() - cpu
        started = (await under_way)["started"]
    delivered = sum(counters.counts) / (frames * crowd)
    return per_frame(frames, (ended - started) / 1e9, cpu, delivered)


async def bare_inside(data: bytes, frames: int) -> Times:
    """The library alone, without sockets."""
    network = MemoryNetwork()
    socket = await network.connect("ws://bench/", **OPTIONS)
    feeding = asyncio.ensure_future(network.transport.feed_all(data))
    wall, cpu, seen = time.perf_counter(), time.process_time(), 0
    async for _ in socket:
        seen += 1
        if seen == frames:
            break
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await feeding
    await socket.close()
    return per_frame(frames, wall, cpu, 1.0)


async def through_inside(
    side: BrokerProcess, folder: Path, data: bytes, frames: int, crowd: int
) -> Times:
    """The daemon without sockets."""
    counters, network = Counters(crowd), MemoryNetwork()
    with network.in_place():
        async with (
            AiohttpTransport(side.door_url) as door,
            rig(
                counters.scripts,
                folder=folder,
                transport=door,
                streams=WebsocketsTransport(),
                budget=TokenBucket(10),
                codes=CODES,
            ) as scene,
        ):
            await network.registered(scene.registrations)
            wall, cpu = time.perf_counter(), time.process_time()
            await network.transport.feed_all(data)
            await handled(scene, frames, every=0.0005)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return per_frame(frames, wall, cpu, sum(counters.counts) / (frames * crowd))


Rounds = dict[str, list[Times]]


async def every_arm(folder: Path, frames: int, repeats: int) -> tuple[Rounds, Rounds, Rounds]:
    """All arms taking turns: through sockets, inside this process, and through sockets in time."""
    names = ["bare", *(str(crowd) for crowd in CROWDS)]
    data = wire(trade(number, codes=CODES) for number in range(1, frames + 1))
    few = min(frames, PACED)
    real, inside, paced = ({name: list[Times]() for name in names} for _ in range(3))
    async with BrokerProcess.running() as side:
        for name in figures.turns(names, repeats):
            if name == "bare":
                real[name].append(await bare(side, frames))
                inside[name].append(await bare_inside(data, frames))
                paced[name].append(await bare(side, few, RATE))
            else:
                crowd = int(name)
                real[name].append(await through(side, folder, frames, crowd))
                inside[name].append(await through_inside(side, folder, data, frames, crowd))
                paced[name].append(await through(side, folder, few, crowd, RATE))
    return real, inside, paced


def in_time_told(times: Rounds) -> dict[str, object]:
    """Processor time of a frame that comes in its own time; how long it takes is the sender's."""
    spent = {name: [each["cpu"] for each in rounds] for name, rounds in times.items()}
    told: dict[str, object] = {"frames_per_second": RATE}
    for name, cpu in spent.items():
        told[name] = {
            "cpu_microseconds": figures.middle(cpu),
            "cpu_ratio": figures.ratio(spent["bare"], cpu),
        }
    return told


def arms_told(times: Rounds) -> dict[str, object]:
    """Rates, and ratios to the bare loop of the same round: by the clock and by processor time."""
    told: dict[str, object] = {}
    for name, rounds in times.items():
        wall, cpu = [each["wall"] for each in rounds], [each["cpu"] for each in rounds]
        bare_wall = [each["wall"] for each in times["bare"]]
        bare_cpu = [each["cpu"] for each in times["bare"]]
        told[name] = {
            "frames_per_second": round(1e6 / figures.middle(wall, 4)),
            "microseconds": figures.middle(wall),
            "cpu_microseconds": figures.middle(cpu),
            "ratio": figures.ratio(bare_wall, wall),
            "cpu_ratio": figures.ratio(bare_cpu, cpu),
            "delivered": min(round(each["delivered"], 4) for each in rounds),
        }
    return told


async def isolation(folder: Path, seconds: float, rate: int, slow: bool) -> dict[str, Any]:
    """Nine strategies that take a tick at once, and perhaps a tenth that sleeps 10 s at each."""
    frames = int(seconds * rate)
    came_at: list[int] = [0] * (frames + 1)
    latencies: list[int] = []
    counts = [0] * 9

    def fast(number: int) -> Callable[[StrategyContext], Any]:
        async def run(context: StrategyContext) -> None:
            async for event in context.events():
                if isinstance(event, Tick):
                    latencies.append(time.perf_counter_ns() - came_at[event.day_volume])
                    counts[number] += 1

        return run

    async def sleeper(context: StrategyContext) -> None:
        async for _ in context.events():
            await asyncio.sleep(10.0 if slow else 0.0)

    def note(event: object) -> None:
        if isinstance(event, Tick):
            came_at[event.day_volume] = time.perf_counter_ns()

    async with (
        BrokerProcess.running() as side,
        AiohttpTransport(side.door_url) as door,
        rig(
            [*(fast(number) for number in range(9)), sleeper],
            folder=folder,
            transport=door,
            streams=WebsocketsTransport(),
            budget=TokenBucket(10),
            stream_url=side.stream_url,
            codes=CODES,
            tap=note,
        ) as scene,
    ):
        await side.do(
            "stream", frames=frames, rate=rate, codes=CODES, registrations=scene.registrations
        )
        await handled(scene, frames, queues=False)
        await asyncio.sleep(0.05)
        return {
            "lost": sum(frames - count for count in counts),
            "conflated": scene.desk.hub._subscriptions[StrategyId("bench9")].conflated,
            "median": figures.percentile(latencies, 0.5) / 1e3,
            "p99": figures.percentile(latencies, 0.99) / 1e3,
        }


async def isolations(folder: Path, seconds: float, rate: int, repeats: int) -> dict[str, object]:
    """What the nine lose, and wait longer, for the tenth."""
    found: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for name in figures.turns(["slow", "quick"], repeats):
        found[name == "slow"].append(await isolation(folder, seconds, rate, name == "slow"))
    told: dict[str, object] = {
        "ticks_per_second": rate,
        "lost_by_the_nine": sum(each["lost"] for each in found[True]),
        "conflated_for_the_tenth": sum(each["conflated"] for each in found[True]),
    }
    for figure in ("median", "p99"):
        with_slow = [each[figure] for each in found[True]]
        without = [each[figure] for each in found[False]]
        told[f"{figure}_microseconds"] = figures.middle(with_slow, 1)
        told[f"{figure}_ratio"] = figures.ratio(with_slow, without)
    return told


def conflation(events: int, repeats: int) -> dict[str, object]:
    """Nanoseconds to hand a tick to one who keeps up, and to one who let the backlog fill."""
    decoder = FrameDecoder(CREDENTIALS.account)
    now = market_clock().now()
    ticks = [
        event
        for number in range(1, MARKET_BACKLOG + 1)
        for event in decoder.decode(trade(number, codes=CODES), now)
        if isinstance(event, Tick)
    ]

    async def publish(full: bool) -> float:
        hub = Hub()
        subscription = hub.subscribe(
            StrategyId("one"), [Interest(TRADES, each) for each in INSTRUMENTS[:CODES]]
        )
        for tick in ticks * 2 if full else ():
            hub.publish_market(tick)
        spent = 0
        for _ in range(max(events // len(ticks), 1)):
            started = time.perf_counter_ns()
            for tick in ticks:
                hub.publish_market(tick)
            spent += time.perf_counter_ns() - started
            if not full:
                reading = subscription.events()
                for _ in ticks:
                    await anext(reading)
        return spent / max(events // len(ticks), 1) / len(ticks)

    found = figures.interleave(
        {
            "queued": lambda: asyncio.run(publish(full=False)),
            "conflated": lambda: asyncio.run(publish(full=True)),
        },
        repeats,
    )
    return {
        "queued_nanoseconds": round(figures.middle(found["queued"])),
        "conflated_nanoseconds": round(figures.middle(found["conflated"])),
        "ratio": figures.ratio(found["conflated"], found["queued"]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=figures.REPEATS)
    parser.add_argument("--rate", type=int, default=2_000, help="ticks a second for isolation")
    parser.add_argument("--python-kis", metavar="PYTHON", help="one that can import pykis")
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a smoke test")
    options = parser.parse_args()
    frames, repeats = options.frames, max(options.repeats, 1)
    seconds = 3.0
    if options.quick:
        frames, repeats, seconds = 2_000, 1, 0.3
    quiet()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        real, inside, paced = uvloop.run(every_arm(folder, frames, repeats))
        alone = uvloop.run(isolations(folder, seconds, options.rate, repeats))
    return figures.say(
        {
            "bench": "feed",
            "frames": frames,
            "repeats": repeats,
            "strategies": arms_told(real),
            "inside": arms_told(inside),
            "in_time": in_time_told(paced),
            "targets": {str(crowd): least for crowd, least in TARGETS.items()},
            "decode": decode_arms(max(frames // 5, 500), repeats, options.python_kis),
            "conflation": conflation(frames, repeats),
            "isolation": alone,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
