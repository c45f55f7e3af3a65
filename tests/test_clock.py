"""Clocks: aware, never backwards, and a simulated day that two processes agree on."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SimulatedClock, WallClock
from tests.builders import NINE


class Machine:
    """A monotonic clock that stands where a test put it."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def test_a_simulated_day_starts_where_it_is_told_and_runs_at_its_speed() -> None:
    machine = Machine()
    clock = SimulatedClock(NINE, speed=60.0, monotonic=machine)
    assert clock.now() == NINE

    machine.at += 2.5
    assert clock.now() == NINE + timedelta(seconds=150)


def test_waits_are_not_sped_up() -> None:
    machine = Machine()
    clock = SimulatedClock(NINE, speed=60.0, monotonic=machine)
    before = clock.monotonic()

    machine.at += 2.5
    assert clock.monotonic() - before == 2.5


def test_the_machines_pace_is_the_default() -> None:
    machine = Machine()
    clock = SimulatedClock(NINE, monotonic=machine)

    machine.at += 30
    assert clock.now() == NINE + timedelta(seconds=30)


@given(
    st.floats(0.1, 1_000),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_processes_with_the_same_origin_agree_whenever_they_started(
    speed: float, origin: int, first_start: int, second_start: int
) -> None:
    machine = Machine(first_start)
    first = SimulatedClock(NINE, speed=speed, origin=origin, monotonic=machine)
    machine.at = second_start
    second = SimulatedClock(NINE, speed=speed, origin=origin, monotonic=machine)

    assert first.now() == second.now()
    machine.at = origin
    assert first.now() == NINE


@given(st.floats(0.01, 1_000), st.lists(st.floats(0, 100), max_size=20))
def test_simulated_time_never_goes_back(speed: float, waits: list[float]) -> None:
    machine = Machine(0.0)
    clock = SimulatedClock(NINE, speed=speed, monotonic=machine)
    last = clock.now()
    for wait in waits:
        machine.at += wait
        assert clock.now() >= last
        last = clock.now()


def test_a_start_in_another_zone_is_the_same_instant_in_utc() -> None:
    start = NINE.astimezone(ZoneInfo("Asia/Seoul"))
    clock = SimulatedClock(start, monotonic=Machine())

    assert clock.now() == NINE
    assert clock.now().tzinfo is UTC


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        SimulatedClock(datetime(2026, 11, 23, 9, 0))  # noqa: DTZ001


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_day_that_stands_still_or_runs_back_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="cannot run at"):
        SimulatedClock(NINE, speed=speed)


def test_the_wall_clock_is_aware_and_moves_with_the_machine() -> None:
    clock = WallClock()
    machine, wall = clock.monotonic(), clock.now()

    assert wall.tzinfo is UTC
    assert clock.monotonic() >= machine
    assert abs(SimulatedClock(wall).now() - clock.now()) < timedelta(seconds=5)
