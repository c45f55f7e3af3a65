"""Daemons killed and stopped, brokers that stand still: nothing may be lost or doubled."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.e2e.process import Running
from tests.e2e.torture import (
    Tell,
    World,
    no_alarm,
    number_from,
    run,
    stop,
    tidy_up,
    trades_again,
    undisturbed,
    world,
)

pytestmark = pytest.mark.e2e

KILLS = number_from("TORTURE_KILLS", 50)
SEED = number_from("TORTURE_SEED", 20261102)


def phase_of(daemon: Running) -> str:
    if daemon.counts["trading"]:
        return "trading"
    return "reconciling" if daemon.counts["recovered"] else "starting"


def moments(random: Random, kills: int) -> list[str]:
    """How each kill is aimed: a fifth anywhere in the start, half at a request under way."""
    start, aimed = kills // 5, kills // 2
    drawn = ["start"] * start + ["request"] * aimed + ["any"] * (kills - start - aimed)
    random.shuffle(drawn)
    return drawn


async def wait_to_kill(daemon: Running, moment: str, random: Random) -> None:
    """Wait for the drawn moment. The delays are the fault itself: nothing is waited for."""
    if moment == "start":
        # Imports and settings take 0.6 s, the books 0.05 s, the wait for a slot 1 s.
        await asyncio.sleep(random.choice((random.uniform(0, 0.6), random.uniform(0.5, 1.7))))
        return
    await daemon.seen("trading")
    if moment == "any":
        await asyncio.sleep(random.uniform(0, 2.0))
        return
    # A request leaves just after its fact was told; it is answered after 4 to 120 ms.
    kind = random.choice(("order_sent", "order_sent", "modify_sent", "cancel_sent"))
    await daemon.seen(kind, times=random.randint(1, 8 if kind == "order_sent" else 3))
    await asyncio.sleep(random.choice((0.0, random.uniform(0, 0.005), random.uniform(0, 0.05))))


async def kill_once(place: World, moment: str, random: Random) -> tuple[str, float | None]:
    """One life of a daemon: the phase it died in, and how long it took to trade if it did."""
    loop = asyncio.get_running_loop()
    born = loop.time()
    # Only a debug log tells of the moment at which an order leaves.
    async with place.daemon("--log-level", "debug") as daemon:
        if moment != "start":
            await daemon.seen("trading")
        took = None if moment == "start" else loop.time() - born
        await wait_to_kill(daemon, moment, random)
        assert daemon.process.returncode is None, "\n".join(daemon.lines[-40:])
        daemon.send(signal.SIGKILL)
        assert await daemon.ended() == -signal.SIGKILL
    no_alarm(daemon)
    return phase_of(daemon), took


def test_fifty_kills(tmp_path: Path, tell: Tell) -> None:
    async def scenario() -> None:
        random, phases, starts = Random(SEED), Counter[str](), list[float]()
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with world(tmp_path) as place:
            for moment in moments(random, KILLS):
                phase, took = await kill_once(place, moment, random)
                phases[phase] += 1
                starts += [] if took is None else [took]
            await undisturbed(place)
            figures = await place.audit()
        assert phases["trading"] >= KILLS * 3 // 5
        starts.sort()
        tell(
            "kills",
            {
                "seed": SEED,
                "kills": KILLS,
                **{f"kills_{phase}": count for phase, count in sorted(phases.items())},
                **figures,
                "start_seconds_median": round(starts[len(starts) // 2], 2),
                "start_seconds_worst": round(starts[-1], 2),
                "seconds": round(loop.time() - began, 1),
            },
        )

    run(scenario())


@contextmanager
def stopped(process: Running) -> Iterator[None]:
    """A process that stands still inside the block, and goes on after it whatever happens."""
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)


async def freeze(process: Running, lengths: list[float], daemon: Running) -> None:
    """Stop and continue a process; between two freezes the daemon must get on with trading."""
    for length in lengths:
        await trades_again(daemon, orders=6)
        # An order is under way just after it was told that it leaves.
        await daemon.seen("order_sent", times=daemon.counts["order_sent"] + 1)
        with stopped(process):
            await asyncio.sleep(length)
    await trades_again(daemon)


def test_a_frozen_daemon(tmp_path: Path, tell: Tell) -> None:
    async def scenario() -> None:
        random = Random(SEED)
        lengths = [round(random.uniform(0.2, 5.0), 2) for _ in range(8)]
        async with world(tmp_path) as place:
            async with place.daemon("--log-level", "debug") as daemon:
                await daemon.seen("trading")
                await freeze(daemon, lengths, daemon)
                await stop(daemon)
            await tidy_up(place)
            figures = await place.audit()
        tell("frozen daemon", {"seed": SEED, "freezes": lengths, **figures})

    run(scenario())


def test_a_frozen_broker(tmp_path: Path, tell: Tell) -> None:
    async def scenario() -> None:
        random = Random(SEED)
        # Orders are answered within 10 s or in doubt; after 15 s absence begins to mean something.
        lengths = [round(random.uniform(*each), 2) for each in ((0.2, 3), (11, 14), (16, 20))]
        random.shuffle(lengths)
        async with world(tmp_path) as place:
            async with place.daemon("--log-level", "debug") as daemon:
                await daemon.seen("trading")
                await freeze(place.simulator, lengths, daemon)
                await stop(daemon)
            await tidy_up(place)
            # What was parked while the broker stood still is read in one burst.
            figures = await place.audit(door=False)
        doubts = ("order_doubted", "modify_in_doubt", "cancel_in_doubt")
        assert any(daemon.named(each) for each in doubts), "nothing was under way when it stopped"
        tell("frozen broker", {"seed": SEED, "freezes": lengths, **figures})

    run(scenario())
