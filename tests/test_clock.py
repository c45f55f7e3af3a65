"""Clocks: aware, never backwards, and a simulated day that two processes agree on."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import MarketClock, SimulatedClock, WallClock
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


class Server:
    """A machine whose wall clock may be off, and whose monotonic clock never is."""

    def __init__(self) -> None:
        self.seconds = 500.0
        self.wrong = timedelta()

    def now(self) -> datetime:
        return NINE + timedelta(seconds=self.seconds - 500.0) + self.wrong

    def monotonic(self) -> float:
        return self.seconds

    def truth(self) -> datetime:
        return NINE + timedelta(seconds=self.seconds - 500.0)


def test_until_the_broker_tells_the_time_it_is_the_machines() -> None:
    server = Server()
    clock = MarketClock(server)
    server.wrong = timedelta(minutes=3)
    server.seconds += 10

    assert clock.now() == server.now()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() == server.seconds
    assert (server.now() - clock.now()) == timedelta()


@pytest.mark.parametrize("wrong", [-3600.0, -20.0, 0.0, 90.0, 7000.0])
def test_a_wrong_wall_clock_is_put_right_by_a_heartbeat(wrong: float) -> None:
    server = Server()
    server.wrong = timedelta(seconds=wrong)
    clock = MarketClock(server)
    server.seconds += 10.25
    clock.heard(server.truth().replace(microsecond=0))

    assert abs(clock.now() - server.truth()) <= timedelta(seconds=0.5)
    assert abs((server.now() - clock.now()) - server.wrong) <= timedelta(seconds=0.5)


def test_between_heartbeats_time_goes_on_whatever_is_done_to_the_wall_clock() -> None:
    server = Server()
    clock = MarketClock(server)
    clock.heard(NINE)
    before = clock.now()
    server.wrong = timedelta(hours=1)
    server.seconds += 300

    assert clock.now() - before == timedelta(seconds=300)
    assert (server.now() - clock.now()) == pytest.approx(
        timedelta(hours=1), abs=timedelta(seconds=0.5)
    )


def test_a_delayed_heartbeat_does_not_put_the_clock_back() -> None:
    server = Server()
    clock = MarketClock(server)
    clock.heard(server.truth())
    for delay in (0.9, 30.0, 5.0):
        server.seconds += 10
        before = clock.now()
        clock.heard(server.truth() - timedelta(seconds=delay))
        assert clock.now() == before


def test_one_heartbeat_far_ahead_is_not_believed_once_another_came() -> None:
    server = Server()
    clock = MarketClock(server)
    clock.heard(server.truth())
    clock.heard(server.truth() + timedelta(minutes=100))
    assert clock.now() - server.truth() == timedelta(seconds=0.5)

    server.seconds += 10
    clock.heard(server.truth() + timedelta(minutes=100))
    assert clock.now() - server.truth() == timedelta(minutes=100, seconds=0.5)


def test_old_heartbeats_are_forgotten_after_enough_new_ones() -> None:
    server = Server()
    clock = MarketClock(server)
    clock.heard(server.truth() + timedelta(seconds=60))
    clock.heard(server.truth() + timedelta(seconds=60))
    for _ in range(MarketClock.SAMPLES - 2):
        server.seconds += 10
        clock.heard(server.truth())
        assert clock.now() - server.truth() == timedelta(seconds=60.5)
    server.seconds += 10
    clock.heard(server.truth())

    assert clock.now() - server.truth() == timedelta(seconds=0.5)


@pytest.mark.parametrize("hours", [-9, -2.001, 2.001, 9, 24 * 365])
def test_a_heartbeat_of_another_time_zone_is_not_believed(hours: float) -> None:
    server = Server()
    clock = MarketClock(server)
    clock.heard(server.truth() + timedelta(hours=hours))

    assert clock.now() == server.now()
    clock.heard(server.truth())
    clock.heard(server.truth() + timedelta(hours=hours))
    assert abs(server.now() - clock.now()) == timedelta(seconds=0.5)


class Paused(Server):
    """It stood still, its monotonic clock with it, and its wall clock was set right again."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = MarketClock(self)
        for _ in range(MarketClock.SAMPLES):
            self.seconds += 10
            self.clock.heard(self.truth())
        assert self.clock.sure_since == float("-inf")
        self.wrong = timedelta(hours=4)

    def truth(self) -> datetime:
        return self.now()


def test_after_the_machine_stood_still_the_first_heartbeat_is_believed() -> None:
    server = Paused()
    assert server.clock.sure_since == float("inf")

    server.seconds += 3
    server.clock.heard(server.truth())
    assert abs(server.clock.now() - server.truth()) <= timedelta(seconds=0.5)
    assert server.clock.sure_since == server.seconds

    server.seconds += 10
    server.clock.heard(server.truth() - timedelta(seconds=3))
    assert abs(server.clock.now() - server.truth()) <= timedelta(seconds=0.5)
    assert server.clock.sure_since == server.seconds - 10


def test_a_heartbeat_of_before_the_machine_stood_still_proves_nothing() -> None:
    server = Paused()
    server.clock.heard(server.truth() - timedelta(minutes=100))
    assert server.clock.sure_since == float("inf")

    server.seconds += 3
    server.clock.heard(server.truth())
    assert abs(server.clock.now() - server.truth()) <= timedelta(seconds=0.5)
    assert server.clock.sure_since == server.seconds


@pytest.mark.parametrize("wrong", [-32_400.0, -3600.0, -6.0, 6.0, 3600.0, 32_400.0])
def test_two_heartbeats_tell_that_the_wall_clock_was_only_set(wrong: float) -> None:
    server = Server()
    clock = MarketClock(server)
    clock.heard(server.truth())
    server.wrong = timedelta(seconds=wrong)
    for sure_since in (float("inf"), 520.0, 520.0):
        server.seconds += 10
        clock.heard(server.truth())
        assert clock.sure_since == sure_since
        assert clock.now() - server.truth() == timedelta(seconds=0.5)


def test_heartbeats_that_come_in_one_burst_prove_nothing_where_the_wall_clock_is_hours_off() -> (
    None
):
    server = Server()
    clock = MarketClock(server)
    clock.heard(server.truth())
    server.wrong = timedelta(hours=9)
    for _ in range(5):
        clock.heard(server.truth())
    assert clock.sure_since == float("inf")
    server.seconds += 10
    clock.heard(server.truth() - timedelta(minutes=1))
    clock.heard(server.truth())
    assert clock.sure_since == float("inf"), "not in a row"
    server.seconds += 10
    clock.heard(server.truth())
    assert clock.sure_since == server.seconds


def test_a_wall_clock_that_is_followed_is_sure_again_at_once() -> None:
    server = Server()
    clock = MarketClock(server)
    server.wrong = timedelta(seconds=60)

    assert clock.sure_since == server.seconds


@given(st.lists(st.tuples(st.floats(0.5, 120), st.floats(0, 3)), min_size=1, max_size=40))
def test_it_is_never_off_by_more_than_rounding_and_the_shortest_delay(
    beats: list[tuple[float, float]],
) -> None:
    server = Server()
    server.wrong = timedelta(seconds=-300)
    clock = MarketClock(server)
    for wait, delay in beats:
        server.seconds += wait
        told = (server.truth() - timedelta(seconds=delay)).replace(microsecond=0)
        clock.heard(told)
    fastest = min(delay for _, delay in beats[-MarketClock.SAMPLES :])

    late = server.truth() - clock.now()
    assert timedelta(seconds=-0.501) <= late <= timedelta(seconds=fastest + 0.501)


def test_the_drift_is_how_far_the_brokers_time_is_ahead() -> None:
    server = WallClock()
    clock = MarketClock(server)
    assert abs(clock.drift) < 1.0
    for _ in range(2):
        clock.heard(server.now() + timedelta(minutes=5))
    assert 299 < clock.drift < 302


SLEPT = """
import time
time.monotonic = lambda: 100.0
time.clock_gettime = lambda which: {time.CLOCK_BOOTTIME: 14_500.0}[which]
from datetime import UTC, datetime
from daemon.clock import MarketClock, SimulatedClock, WallClock
at = datetime(2026, 11, 23, tzinfo=UTC)
clocks = WallClock(), MarketClock(WallClock()), SimulatedClock(at), WallClock
print([clock.monotonic() for clock in clocks], WallClock.awake())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no such clock")
def test_the_time_a_machine_slept_counts_for_every_clock_of_every_process() -> None:
    told = subprocess.run([sys.executable, "-c", SLEPT], capture_output=True, text=True, check=True)
    assert told.stdout.split("]")[0] == "[14500.0, 14500.0, 14500.0, 14500.0"
    assert float(told.stdout.split("]")[1]) == 100
