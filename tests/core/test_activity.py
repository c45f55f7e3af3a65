"""What was sent lately is counted exactly, whatever the clock does."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.activity import RECENT_LIMIT, Pace
from tests.builders import NINE, after

SECONDS = st.lists(st.floats(0, 300, allow_nan=False), max_size=40)


@given(SECONDS, st.floats(0, 300), st.sampled_from([1.0, 60.0]))
def test_what_left_in_a_window_is_counted_in_any_order(
    sent: list[float], now: float, window: float
) -> None:
    pace = Pace()
    for each in sent:
        pace.add(after(each))
    since = after(now) - timedelta(seconds=window)
    assert pace.within(after(now), window) == sum(after(each) > since for each in sent)


def test_a_window_is_open_at_its_far_end() -> None:
    pace = Pace()
    pace.add(NINE)
    assert pace.within(after(59.999), 60) == 1
    assert pace.within(after(60), 60) == 0


def test_a_day_counts_from_seven_in_seoul() -> None:
    pace = Pace()
    pace.add(NINE)
    pace.add(after(3_600))
    tomorrow = NINE + timedelta(days=1)
    assert pace.on_day_of(after(7_200)) == 2
    assert pace.on_day_of(tomorrow) == 0
    pace.add(tomorrow)
    assert pace.on_day_of(tomorrow) == 1
    # A clock that was wrong by hours and is set back finds its day again.
    assert pace.on_day_of(NINE) == 2
    pace.add(tomorrow + timedelta(days=1))
    assert pace.on_day_of(NINE) == 0


def test_only_the_newest_are_kept() -> None:
    pace = Pace()
    for each in range(2 * RECENT_LIMIT + 1):
        pace.add(after(each / 1_000))
    assert len(pace.recent) == RECENT_LIMIT + 1
    assert pace.recent[-1] == after(2 * RECENT_LIMIT / 1_000)
    assert pace.on_day_of(NINE) == 2 * RECENT_LIMIT + 1
