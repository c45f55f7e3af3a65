"""Storms are counted, and nothing that counts is held back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from daemon.logs.repeats import BURST, PATIENCE, Repeats

START = datetime(2026, 1, 5, tzinfo=UTC)


def line(event: str = "feed_lost", *, logger: str = "kis", level: str = "info") -> dict[str, Any]:
    return {"log.logger": logger, "event.name": event, "log.level": level}


def total(lines: list[Any]) -> int:
    return sum(each.get("repeated", 1) for each in lines)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["feed_lost", "no_quote", "stream_up"]),
            st.integers(-2_000, 8_000),
        ),
        max_size=300,
    ),
    st.integers(1, 5),
)
def test_written_lines_stand_for_all_that_were_logged(
    storm: list[tuple[str, int]], burst: int
) -> None:
    repeats = Repeats(burst=burst)
    at = START
    written: list[Any] = []
    for event, later in storm:
        at += timedelta(milliseconds=later)
        written += repeats.admit(line(event), at)
    written += repeats.drain()
    for event in {name for name, _ in storm}:
        of_it = [each for each in written if each["event.name"] == event]
        assert total(of_it) == sum(1 for name, _ in storm if name == event)
    assert repeats.drain() == []


def test_a_storm_of_a_day_is_a_bounded_number_of_lines() -> None:
    repeats = Repeats()
    written = []
    seconds = 600
    for tick in range(seconds * 100):
        written += repeats.admit(line(), START + timedelta(milliseconds=10 * tick))
    written += repeats.drain()
    assert BURST < len(written) <= BURST + seconds * 1.5
    assert total(written) == seconds * 100


def test_what_was_held_back_is_told_when_anything_else_is_logged() -> None:
    repeats = Repeats(burst=1)
    assert repeats.admit(line(), START) == [line()]
    assert repeats.admit(line(), START) == []
    assert repeats.admit(line(), START) == []
    told = repeats.admit(line("stream_up"), START + PATIENCE)
    assert told == [{**line(), "repeated": 2}, line("stream_up")]


def test_facts_and_orders_and_the_worst_are_never_held_back() -> None:
    repeats = Repeats(burst=1)
    for each in (
        line("profit_marked", logger="facts"),
        {**line("order_denied"), "trace.id": "1"},
        line("crashed", level="critical"),
    ):
        assert [repeats.admit(dict(each), START) for _ in range(500)] == [[each]] * 500


def test_names_without_end_do_not_fill_the_memory() -> None:
    repeats = Repeats(burst=1)
    written: list[Any] = []
    for number in range(5_000):
        for _ in range(2):
            written += repeats.admit(line(f"odd_{number}"), START)
    written += repeats.drain()
    assert total(written) == 10_000
    assert len(vars(repeats)["_kinds"]) <= 1_000
