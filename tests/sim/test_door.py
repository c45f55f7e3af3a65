from hypothesis import given
from hypothesis import strategies as st

from daemon.sim.door import Door


def test_the_eleventh_in_a_second_is_refused_and_the_next_second_is_free() -> None:
    door = Door(10)
    assert all(door.enter("key", number * 0.05) for number in range(10))
    assert not door.enter("key", 0.99)
    assert door.enter("key", 1.0)
    assert (door.requests, door.refused, door.most_in_a_second) == (12, 1, 11)


def test_keys_are_counted_apart_and_strangers_are_bounded() -> None:
    door = Door(1)
    assert door.enter("one", 0.0)
    assert door.enter("two", 0.0)
    assert sum(door.enter(f"stranger {number}", 0.0) for number in range(200)) == 99


@given(st.lists(st.floats(0, 0.4), max_size=80))
def test_no_second_holds_more_admissions_than_the_limit(gaps: list[float]) -> None:
    door, now, admitted = Door(3), 0.0, []
    for gap in gaps:
        now += gap
        if door.enter("key", now):
            admitted.append(now)
    for first in admitted:
        assert sum(0 <= at - first < 1.0 for at in admitted) <= 3
