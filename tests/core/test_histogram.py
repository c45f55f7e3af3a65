"""Histograms count what they are told, by bounds that include their own value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.histogram import SECONDS, Histogram

VALUES = st.lists(st.floats(min_value=0, max_value=100, allow_nan=False), max_size=50)


@given(VALUES)
def test_every_bound_counts_what_is_at_most_that(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    for bound, count in histogram.cumulative():
        assert count == sum(1 for value in values if value <= bound)
    assert histogram.cumulative()[-1] == (float("inf"), len(values))
    assert len(histogram.cumulative()) == len(SECONDS) + 1
    assert histogram.count == len(values)
    assert histogram.total == pytest.approx(sum(values))
    assert histogram.largest == max(values, default=0.0)


@pytest.mark.parametrize("bounds", [(), (1.0, 1.0), (2.0, 1.0)])
def test_bounds_that_do_not_ascend_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        Histogram(bounds)
