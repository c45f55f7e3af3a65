"""Virtual time that is the same on every run, and processes that die like processes."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from daemon.lab.loop import (
    Deadlock,
    Process,
    VirtualClock,
    VirtualLoop,
    current_process,
    run_virtual,
)
from daemon.lab.realparts import bury
from tests.support import EPOCH


def test_time_costs_nothing_and_stands_exactly_where_it_was_sent() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        seen = [loop.time()]
        for wait in (0.5, 86_400.0, 0.0):
            await asyncio.sleep(wait)
            seen.append(loop.time())
        return seen

    assert run_virtual(main()) == pytest.approx([0.0, 0.5, 86_400.5, 86_400.5], abs=1e-5)


def test_timers_of_one_instant_go_off_in_the_order_they_were_set() -> None:
    async def main() -> list[int]:
        loop, rung = asyncio.get_running_loop(), list[int]()
        later = [loop.call_at(20.0, rung.append, number) for number in range(100, 150)]
        for number in range(100):
            loop.call_at(10.0, rung.append, number)
        for timer in later[::2]:
            timer.cancel()
        await asyncio.sleep(30.0)
        return rung

    assert run_virtual(main()) == [*range(100), *range(101, 150, 2)]


def test_a_step_too_small_for_the_clock_is_made_all_the_same() -> None:
    async def main() -> None:
        await asyncio.sleep(1e7)
        await asyncio.sleep(1e-12)

    run_virtual(main())


def test_what_can_never_end_is_told() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run_virtual(main())


def test_sets_of_tasks_have_the_order_in_which_tasks_were_made() -> None:
    litter: list[object] = []

    async def main() -> tuple[list[str], list[int]]:
        loop = asyncio.get_running_loop()
        tasks = []
        for number in range(50):
            litter.append(bytearray(number * 37 % 101))
            tasks.append(loop.create_task(asyncio.sleep(1.0), name=str(number)))
        done, pending = await asyncio.wait(tasks)
        assert not pending
        return [task.get_name() for task in done], [hash(task) for task in tasks]

    first, hashes = run_virtual(main())
    assert all(later > earlier for earlier, later in pairwise(hashes))
    assert sorted(first, key=int) == [str(number) for number in range(50)]
    for _ in range(5):
        litter.append([object() for _ in range(1000)])
        assert run_virtual(main()) == (first, hashes)


def test_the_dead_run_no_finally_no_timer_and_no_callback() -> None:
    async def main() -> None:
        loop, ran = asyncio.get_running_loop(), list[str]()
        news = asyncio.Event()

        async def child() -> None:
            try:
                await news.wait()
            finally:
                ran.append("finally of a child")

        async def work() -> None:
            loop.call_later(5.0, ran.append, "timer")
            loop.create_task(child())
            try:
                await asyncio.sleep(10.0)
                ran.append("woken")
            finally:
                ran.append("finally")

        process = Process("victim")
        duties: list[float] = []
        process.on_death.append(lambda: duties.append(loop.time()))
        process.spawn(work())
        await asyncio.sleep(1.0)
        process.kill()
        process.kill()
        news.set()
        await asyncio.sleep(60.0)
        assert (ran, duties, process.alive) == ([], [1.0], False)
        assert len(process.unfinished) == 2
        bury(process)
        assert process.unfinished == []

    run_virtual(main())


def test_those_who_outlive_a_process_wait_on_undisturbed() -> None:
    async def main() -> None:
        loop, heard = asyncio.get_running_loop(), list[float]()
        process = Process("victim")

        async def work() -> None:
            await asyncio.sleep(100.0)

        task = process.spawn(work())
        loop.call_later(2.0, process.kill)
        loop.call_later(3.0, lambda: heard.append(loop.time()))
        await asyncio.sleep(200.0)
        assert heard == [3.0]
        assert not task.done()
        bury(process)

    run_virtual(main())


@pytest.mark.parametrize("fatal", [1, 2, 7, 20])
def test_a_process_dies_before_the_step_it_is_told(fatal: int) -> None:
    async def main() -> None:
        steps: list[int] = []

        async def work() -> None:
            for number in range(20):
                steps.append(number)
                await asyncio.sleep(0)

        process = Process("victim")
        process.dies_at = fatal
        task = process.spawn(work())
        await asyncio.sleep(1.0)
        assert len(steps) == fatal - 1
        assert (process.steps, process.alive, task.done()) == (fatal, False, False)
        bury(process)

    run_virtual(main())


def test_a_process_knows_when_it_last_slept() -> None:
    async def main() -> None:
        process = Process("sleeper")
        assert not process.slept_since(0.0)
        await asyncio.sleep(5.0)
        process.freeze()
        assert process.slept_since(100.0), "it sleeps now"
        await asyncio.sleep(5.0)
        process.thaw()
        assert process.slept_since(10.0)
        assert not process.slept_since(10.1)

    run_virtual(main())


def test_what_comes_while_a_process_is_frozen_happens_in_order_when_it_thaws() -> None:
    async def main() -> None:
        loop, ran = asyncio.get_running_loop(), list[object]()

        async def work() -> None:
            handles = [loop.call_later(1.0 + number, ran.append, number) for number in range(5)]
            loop.call_later(3.0, ran.append, "three")
            loop.call_later(4.5, handles[4].cancel)
            await asyncio.sleep(6.0)
            ran.append(("awake", loop.time()))

        process = Process("sleeper")
        process.spawn(work())
        await asyncio.sleep(1.5)
        process.freeze()
        process.freeze()
        await asyncio.sleep(8.5)
        assert ran == [0]
        assert process.alive
        process.thaw()
        await asyncio.sleep(0.1)
        # The fifth was due while it slept, after the one that cancels it.
        assert ran == [0, 1, 2, "three", 3, ("awake", 10.0)]
        process.thaw()
        await asyncio.sleep(5.0)
        assert len(ran) == 6
        assert process.unfinished == []

    run_virtual(main())


def test_a_process_killed_in_its_sleep_does_not_wake_up() -> None:
    async def main() -> None:
        ran: list[str] = []

        async def work() -> None:
            await asyncio.sleep(1.0)
            ran.append("woken")

        process = Process("sleeper")
        process.spawn(work())
        await asyncio.sleep(0.5)
        process.freeze()
        await asyncio.sleep(5.0)
        process.kill()
        process.thaw()
        await asyncio.sleep(5.0)
        assert ran == []
        bury(process)

    run_virtual(main())


def test_everything_a_process_starts_belongs_to_it() -> None:
    async def main() -> None:
        loop, owners = asyncio.get_running_loop(), list[str]()

        def note() -> None:
            process = current_process()
            owners.append("world" if process is None else process.name)

        async def child() -> None:
            note()

        async def work() -> None:
            note()
            loop.call_soon(note)
            loop.call_later(1.0, note)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(child())

        note()
        process = Process("mine")
        await process.spawn(work())
        await asyncio.sleep(2.0)
        note()
        assert owners == ["world", *["mine"] * 4, "world"]

    run_virtual(main())


def test_a_process_lets_go_of_the_tasks_that_ended() -> None:
    async def main() -> None:
        process = Process("busy")

        async def work() -> None:
            await asyncio.sleep(0.1)

        async def lasting() -> None:
            await asyncio.sleep(1000.0)

        last = process.spawn(lasting())
        for _ in range(500):
            await process.spawn(work())
        assert process.unfinished == [last]
        assert process.steps > 1000
        last.cancel()

    run_virtual(main())


def test_a_clock_can_be_wrong_by_the_wall_and_never_by_its_pace() -> None:
    async def main() -> None:
        clock = VirtualClock(EPOCH)
        await asyncio.sleep(60.0)
        assert clock.now() == EPOCH + timedelta(seconds=60)
        clock.set_wrong(-3600.0)
        assert clock.now() == EPOCH - timedelta(seconds=3540)
        assert clock.monotonic() == 60.0
        await asyncio.sleep(1.0)
        clock.set_wrong(0.0)
        assert clock.now() == EPOCH + timedelta(seconds=61)

    run_virtual(main())


def test_a_step_can_hold_the_loop_for_as_long_as_it_likes() -> None:
    async def scenario() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        came: list[float] = []
        loop.call_later(1.0, lambda: came.append(loop.time()))
        loop.hold(5.0)
        await asyncio.sleep(0)
        return came

    assert run_virtual(scenario()) == [5.0]
