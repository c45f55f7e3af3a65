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


def test_notices_come_when_they_were_measured_to_come() -> None:
    plan = FaultPlan(Random(3), early=0.5, refused_later=0.0, speed=1.0)
    drawn = [plan.draw() for _ in range(500)]
    early = [each for each in drawn if each.early]
    late = [each for each in drawn if not each.early]
    assert early
    assert late
    assert all(each.accept_delay < 0.0225 for each in early)
    assert all(each.accept_delay >= 0.03 for each in late)
    assert all(0.02 <= each.reply_after <= 0.06 for each in drawn)
    assert any(each.fill_early for each in early)
    assert any(not each.fill_early for each in early)


def test_everything_or_nothing_may_be_early_and_refused() -> None:
    always = FaultPlan(Random(1), early=1.0, refused_later=1.0, speed=0.5)
    drawn = [always.draw() for _ in range(50)]
    assert all(each.early and each.reject for each in drawn)
    # A clock slower than the machine's does not slow notices down.
    assert all(0.15 <= each.fill_delay <= 0.4 for each in drawn)
