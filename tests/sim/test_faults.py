from random import Random

from daemon.sim.faults import FaultPlan


def test_shares_are_kept_and_seeds_repeat() -> None:
    def plans(seed: int) -> list[object]:
        plan = FaultPlan(Random(seed), early=0.4, refused_later=0.1, speed=1.0)
        return [plan.draw() for _ in range(1_000)]

    drawn = FaultPlan(Random(1), early=0.4, refused_later=0.1, speed=1.0)
    sample = [drawn.draw() for _ in range(1_000)]
    assert 350 < sum(plan.early for plan in sample) < 450
    assert 70 < sum(plan.reject for plan in sample) < 130
    assert all(0.15 <= plan.fill_delay <= 0.4 for plan in sample)
    assert all(plan.early for plan in sample if plan.fill_early)
    assert plans(7) == plans(7) != plans(8)


def test_none_and_fast() -> None:
    plan = FaultPlan(Random(1), early=0.0, refused_later=0.0, speed=60.0).draw()
    assert not plan.early
    assert not plan.reject
    assert plan.fill_delay <= 0.05
