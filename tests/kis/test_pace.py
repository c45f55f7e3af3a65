from daemon.kis.pace import Pace


def test_nothing_is_slowed_until_the_broker_complains() -> None:
    pace = Pace()
    pace.started(5.0)
    assert pace.ready_at() <= 5.0


def test_a_refusal_silences_everybody_for_at_least_a_second() -> None:
    pace = Pace()
    pace.refused(0.2, 10.0)
    assert pace.ready_at() == 11.0
    pace.refused(3.0, 10.1)
    assert pace.ready_at() == 13.1
    assert pace.gap == Pace.FIRST_GAP


def test_the_gap_widens_with_each_complaint_and_closes_in_calm() -> None:
    pace = Pace()
    now = 0.0
    for _ in range(10):
        now = pace.ready_at()
        pace.refused(1.0, now)
    assert pace.gap == Pace.WIDEST_GAP
    now = pace.ready_at()
    for _ in range(200):
        now = max(now, pace.ready_at()) + 1.0
        pace.started(now)
    assert pace.gap == 0.0
