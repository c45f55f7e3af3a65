"""The guard of the loop: in virtual time for what it counts, on a real loop for whom it sees."""

import asyncio
import threading

from structlog.testing import capture_logs

from daemon.clock import WallClock
from daemon.lab.loop import VirtualLoop
from daemon.ops.loopguard import LoopGuard, Sighting
from tests.support import run_virtual


def held(guard: LoopGuard, seconds: float, *, looked: bool = True) -> None:
    """One step that holds the loop, looked at on the way as the thread would."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.hold(seconds)
    if looked:
        guard.look()


async def guarded(*holds: float, name: str = "strategy slow", looked: bool = True) -> LoopGuard:
    guard = LoopGuard(asyncio.get_running_loop().time, stall_seconds=0.5, thread=False)

    async def hold() -> None:
        for seconds in holds:
            await asyncio.sleep(1)
            held(guard, seconds, looked=looked)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(guard.run())
        await group.create_task(hold(), name=name)
        await asyncio.sleep(1)
        running.cancel()
    return guard


def test_a_stall_is_counted_and_told_once_with_its_length_and_its_culprit() -> None:
    with capture_logs() as lines:
        guard = run_virtual(guarded(2.0))
    [line] = lines
    assert line["event"] == "loop_stalled"
    assert 1.9 <= line["seconds"] <= 2.0
    assert (line["culprit"], line["strategy"]) == ("strategy slow", "slow")
    assert any("test_loopguard.py" in call and "held" in call for call in line["stack"])
    assert guard.stalls == 1
    assert 1.9 <= guard.longest <= 2.0
    assert guard.sighting is None


def test_short_steps_are_measured_and_not_told() -> None:
    with capture_logs() as lines:
        guard = run_virtual(guarded(0.3, 0.4, 0.45))
    assert lines == []
    assert guard.stalls == 0
    assert 0.3 <= guard.lag.largest <= 0.5
    assert guard.lag.count > 30


def test_each_stall_is_told_by_itself() -> None:
    with capture_logs() as lines:
        guard = run_virtual(guarded(1.0, 3.0))
    assert [round(line["seconds"]) for line in lines] == [1, 3]
    assert (guard.stalls, round(guard.longest)) == (2, 3)


def test_a_stall_that_nobody_saw_has_no_culprit() -> None:
    with capture_logs() as lines:
        run_virtual(guarded(1.0, looked=False))
    assert [(line["culprit"], line["stack"]) for line in lines] == [("", [])]


def test_a_hang_is_told_while_it_lasts() -> None:
    with capture_logs() as lines:
        run_virtual(guarded(30.0, name="timetable"))
    assert [line["event"] for line in lines] == ["loop_hangs", "loop_stalled"]
    assert {line["culprit"] for line in lines} == {"timetable"}
    assert {line["strategy"] for line in lines} == {""}


def test_the_thread_sees_the_culprit_while_the_loop_is_held() -> None:
    seen: list[Sighting] = []
    nothing = threading.Event()

    def block_here(guard: LoopGuard) -> None:
        # As long as it takes the thread to look: no length of time is asserted.
        for _ in range(60_000):
            sighting = guard.sighting
            if sighting is not None and sighting.strategy == "blocker":
                seen.append(sighting)
                return
            nothing.wait(0.001)

    async def scenario() -> None:
        guard = LoopGuard(WallClock.monotonic, stall_seconds=0.05, interval=0.01)

        async def blocker() -> None:
            while not guard.lag.count:  # noqa: ASYNC110  looked at from outside
                await asyncio.sleep(0.001)
            guard.sighting = None
            block_here(guard)

        async with asyncio.TaskGroup() as group:
            running = group.create_task(guard.run())
            await group.create_task(blocker(), name="strategy blocker")
            while not guard.stalls:  # noqa: ASYNC110  looked at from outside
                await asyncio.sleep(0.001)
            running.cancel()

    with capture_logs() as lines:
        asyncio.run(scenario())
    assert any("block_here" in call for call in seen[0].stack)
    assert "blocker" in [line["strategy"] for line in lines if line["event"] == "loop_stalled"]
    assert "loop guard" not in [each.name for each in threading.enumerate()]
