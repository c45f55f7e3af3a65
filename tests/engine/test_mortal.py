"""A coroutine that is measured, and ended when it will not end."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from daemon.core.budget import StepMeter, TimeBudget
from daemon.engine.mortal import LIVES, Mortal
from daemon.lab.loop import VirtualLoop
from tests.support import run_virtual

LIMITED = TimeBudget(max_step_seconds=1.0)


def hold(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.hold(seconds)


def mortal(
    work: Coroutine[Any, Any, None], budget: TimeBudget = LIMITED
) -> tuple[Mortal, StepMeter]:
    meter = StepMeter(budget)
    time = asyncio.get_running_loop().time
    return Mortal(work, meter, monotonic=time, elsewhere=lambda: 0.0), meter


def test_only_the_steps_are_measured_and_not_the_waits() -> None:
    async def work() -> None:
        for _ in range(3):
            hold(0.25)
            await asyncio.sleep(10)

    async def scenario() -> None:
        one, meter = mortal(work())
        await one
        assert meter.held == 0.75
        assert meter.longest == 0.25
        assert one.cancels == 0

    run_virtual(scenario())


def test_after_a_step_beyond_the_budget_it_is_cancelled() -> None:
    told: list[str] = []

    async def work() -> None:
        try:
            hold(2.0)
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    async def scenario() -> None:
        one, meter = mortal(work())
        with pytest.raises(asyncio.CancelledError):
            await one
        assert meter.over.startswith("one step held the loop for 2.000 s")
        assert told == ["cancelled"]
        assert one.cancels == 1

    run_virtual(scenario())


def test_one_that_resists_is_closed() -> None:
    resisted = 0

    async def work() -> None:
        nonlocal resisted
        hold(2.0)
        while True:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                resisted += 1

    async def scenario() -> None:
        one, _ = mortal(work())
        with pytest.raises(asyncio.CancelledError):
            await one
        assert resisted == LIVES

    run_virtual(scenario())
