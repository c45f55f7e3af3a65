"""Time budgets: what a step and a window may take."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.budget import StepMeter, TimeBudget


def test_one_step_too_long_is_named() -> None:
    meter = StepMeter(TimeBudget(max_step_seconds=2.0))
    meter.add(10.0, 12.0)
    assert meter.over == ""
    meter.add(20.0, 22.5)
    assert meter.over == "one step held the loop for 2.500 s of 2 s"
    assert (meter.steps, meter.held, meter.longest) == (2, 4.5, 2.5)


def test_many_short_steps_of_one_window_are_too_long_together() -> None:
    meter = StepMeter(TimeBudget(max_share=0.5, window_seconds=10.0))
    for second in range(5):
        meter.add(float(second), second + 0.9)
    assert meter.over == ""
    meter.add(5.0, 5.9)
    assert meter.over.startswith("its steps held the loop for 5.400 s of 5 s within 10 s")


def test_the_next_window_begins_with_nothing() -> None:
    meter = StepMeter(TimeBudget(max_share=0.5, window_seconds=10.0))
    for second in range(0, 100, 5):
        meter.add(float(second), second + 2.0)
    assert meter.over == ""


def test_what_is_not_its_own_doing_does_not_count() -> None:
    meter = StepMeter(TimeBudget(max_step_seconds=1.0))
    meter.add(0.0, 9.0, elsewhere=8.5)
    assert meter.over == ""
    assert meter.held == 0.5


def test_forgiven_it_begins_anew() -> None:
    meter = StepMeter(TimeBudget(max_step_seconds=1.0))
    meter.add(0.0, 9.0)
    assert meter.over
    meter.forgive()
    meter.add(10.0, 10.5)
    assert meter.over == ""
    assert meter.held == 9.5


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=30))
def test_without_limits_nothing_is_ever_too_long(steps: list[float]) -> None:
    meter, now = StepMeter(TimeBudget()), 0.0
    for step in steps:
        meter.add(now, now + step)
        now += step
    assert meter.over == ""
    assert meter.steps == len(steps)
