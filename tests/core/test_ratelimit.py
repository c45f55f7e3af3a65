"""Never more than the cap in any second of the server, and the urgent ones first."""

import heapq
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.errors import InvariantBroken, TryLater
from daemon.core.ratelimit import Priority, RequestQueue, TokenBucket

SECOND = 1_000.0
"""The model counts whole milliseconds, which floats add without rounding."""
HOLD = 3_000.0


@dataclass(frozen=True)
class Trip:
    """One request: think time before it, and its way to the server and back."""

    pause: int
    uplink: int
    downlink: int


TRIPS = st.builds(
    Trip,
    pause=st.one_of(st.just(0), st.integers(0, 1_500)),
    uplink=st.one_of(st.integers(0, 30), st.integers(0, int(HOLD))),
    downlink=st.one_of(st.just(0), st.integers(0, 2 * int(HOLD))),
)


def arrivals(bucket: TokenBucket, trips: list[Trip]) -> list[float]:
    """When the server counted each request of a client that sends as soon as it may.

    A reply that takes longer than the hold is not waited for: its slot lapses instead.
    """
    now = 0.0
    replies: list[tuple[float, int]] = []
    counted = []
    for trip in trips:
        now += trip.pause
        while True:
            while replies and replies[0][0] <= now:
                replied_at, slot = heapq.heappop(replies)
                bucket.give_back(slot, replied_at)
            taken = bucket.take(now, hold=HOLD)
            if taken is not None:
                break
            assert bucket.free_at(now) > now, "a slot is said to be free and is not given"
            now = min(bucket.free_at(now), *(at for at, _ in replies), float("inf"))
        counted.append(now + trip.uplink)
        if trip.uplink + trip.downlink < HOLD:
            heapq.heappush(replies, (now + trip.uplink + trip.downlink, taken))
    return sorted(counted)


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 5), st.lists(TRIPS, max_size=60))
def test_no_second_of_the_server_sees_more_than_the_capacity(
    capacity: int, trips: list[Trip]
) -> None:
    counted = arrivals(TokenBucket(capacity, period=SECOND), trips)

    assert len(counted) == len(trips)
    for first, one_too_many in zip(counted, counted[capacity:], strict=False):
        assert one_too_many - first >= SECOND, f"{capacity + 1} arrivals from {first} on"


@pytest.mark.parametrize(("round_trip", "least"), [(0, 10.0), (50, 9.5), (1_000, 5.0)])
def test_the_slots_are_put_to_use(round_trip: int, least: float) -> None:
    trips = [Trip(pause=0, uplink=round_trip // 2, downlink=round_trip - round_trip // 2)] * 500
    counted = arrivals(TokenBucket(10, period=SECOND), trips)

    assert 500 / ((counted[-1] - counted[0] + SECOND) / SECOND) >= least


def test_a_slot_is_free_again_one_period_after_its_reply() -> None:
    bucket = TokenBucket(2, period=SECOND)
    first, second = bucket.take(0, hold=HOLD), bucket.take(0, hold=HOLD)
    assert {first, second} == {0, 1}
    assert bucket.take(0, hold=HOLD) is None

    assert second is not None
    bucket.give_back(second, 40)
    assert bucket.free_at(40) == 1_040
    assert bucket.take(1_039, hold=HOLD) is None
    assert bucket.take(1_040, hold=HOLD) == second
    assert bucket.take(1_040, hold=HOLD) is None


def test_a_slot_whose_reply_never_comes_frees_itself_after_hold_and_period() -> None:
    bucket = TokenBucket(1, period=SECOND)
    bucket.take(0, hold=HOLD)

    assert bucket.free_at(0) == HOLD + SECOND
    assert bucket.take(HOLD + SECOND - 1, hold=HOLD) is None
    assert bucket.take(HOLD + SECOND, hold=HOLD) == 0


def test_a_fresh_bucket_gives_its_whole_capacity_at_once() -> None:
    bucket = TokenBucket(3)

    assert bucket.free_at(0.0) <= 0.0
    assert [bucket.take(0.0, hold=1.0) for _ in range(4)] == [0, 1, 2, None]


def test_a_slot_nobody_holds_cannot_be_given_back() -> None:
    bucket = TokenBucket(2)
    with pytest.raises(InvariantBroken, match="slot 1"):
        bucket.give_back(1, 0.0)
    slot = bucket.take(0.0, hold=1.0)
    assert slot == 0
    bucket.give_back(slot, 0.1)
    with pytest.raises(InvariantBroken, match="slot 0"):
        bucket.give_back(slot, 0.2)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_bucket_that_would_let_nothing_pass_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="never let a request pass"):
        TokenBucket(capacity)


PRIORITIES = st.sampled_from(Priority)


def test_cancels_go_before_orders_before_reconciling_before_queries() -> None:
    assert sorted(Priority) == [
        Priority.CANCEL,
        Priority.ORDER,
        Priority.RECONCILE,
        Priority.QUERY,
    ]


@given(st.lists(PRIORITIES, max_size=50))
def test_the_urgent_go_first_and_equals_in_order_of_arrival(priorities: list[Priority]) -> None:
    queue: RequestQueue[tuple[Priority, int]] = RequestQueue(limit=50)
    for number, priority in enumerate(priorities):
        queue.put((priority, number), priority=priority, deadline=1.0)
    assert len(queue) == len(priorities)

    popped = [queue.pop() for _ in priorities]
    assert popped == sorted(zip(priorities, range(len(priorities)), strict=True))
    assert queue.pop() is None


@given(st.lists(st.tuples(PRIORITIES, st.integers(0, 20)), max_size=40), st.integers(0, 20))
def test_the_late_are_taken_out_and_the_others_keep_their_order(
    waiting: list[tuple[Priority, int]], now: int
) -> None:
    queue: RequestQueue[tuple[Priority, int, int]] = RequestQueue(limit=40)
    entries = [(priority, number, due) for number, (priority, due) in enumerate(waiting)]
    for entry in entries:
        queue.put(entry, priority=entry[0], deadline=float(entry[2]))

    late = queue.expire(float(now))
    left = [queue.pop() for _ in range(len(queue))]
    assert late == sorted(entry for entry in entries if entry[2] <= now)
    assert left == sorted(entry for entry in entries if entry[2] > now)


def test_a_full_queue_refuses_without_effect_and_takes_again_later() -> None:
    queue: RequestQueue[str] = RequestQueue(limit=2)
    for name in ("first", "second"):
        queue.put(name, priority=Priority.QUERY, deadline=1.0)

    with pytest.raises(TryLater, match="2 requests are waiting") as refusal:
        queue.put("third", priority=Priority.QUERY, deadline=1.0)
    assert refusal.value.code == "QUEUE_FULL"
    assert refusal.value.delay > 0
    assert len(queue) == 2
    assert queue.pop() == "first"
    queue.put("fourth", priority=Priority.QUERY, deadline=1.0)
    assert [queue.pop(), queue.pop()] == ["second", "fourth"]


def test_items_that_cannot_be_compared_can_wait() -> None:
    queue: RequestQueue[object] = RequestQueue(limit=10)
    items = [object() for _ in range(10)]
    for item in items:
        queue.put(item, priority=Priority.ORDER, deadline=1.0)

    assert [queue.pop() for _ in items] == items
