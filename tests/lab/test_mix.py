"""Each seed has faults of its own, within the ranges, and the same each time."""

from random import Random

import pytest

from daemon.lab.mix import RANGES, Fault, FaultMix

SEEDS = range(200)


def test_every_fault_has_a_range_and_a_seed_that_suffers_it() -> None:
    assert set(RANGES) == set(Fault)
    mixes = [FaultMix(seed) for seed in SEEDS]
    for fault in Fault:
        suffer = sum(fault in mix for mix in mixes)
        assert 0.2 * len(mixes) < suffer < 0.6 * len(mixes), fault


def test_a_seed_is_one_mix_and_another_seed_another() -> None:
    assert FaultMix(3).describe() == FaultMix(3).describe()
    assert FaultMix(3).describe() != FaultMix(4).describe()


@pytest.mark.parametrize("fault", Fault)
def test_a_level_is_within_its_range_and_the_same_in_any_company(fault: Fault) -> None:
    least, most = RANGES[fault][0].least, RANGES[fault][0].most
    for seed in range(30):
        alone, together = FaultMix(seed, [fault]), FaultMix(seed)
        assert fault in alone, "a fault asked for by name is certain"
        assert least * 0.999 <= alone.level(fault) <= most * 1.001
        assert together.level(fault) in (0.0, alone.level(fault))
        assert set(alone.describe()) == {fault.value}


def test_a_range_is_used_from_end_to_end() -> None:
    levels = [FaultMix(seed, [Fault.REPLY_LOST]).level(Fault.REPLY_LOST) for seed in SEEDS]
    drawn = RANGES[Fault.REPLY_LOST][0]
    assert min(levels) < drawn.least * 1.5
    assert max(levels) > drawn.most / 1.5


def test_how_often_it_strikes_is_its_level_and_is_counted() -> None:
    mix, random = FaultMix(1, [Fault.LIST_LAGS]), Random(1)
    times = 4000
    struck = sum(mix.strikes(Fault.LIST_LAGS, random) for _ in range(times))
    assert struck == mix.struck[Fault.LIST_LAGS] > 0
    assert struck / times == pytest.approx(mix.level(Fault.LIST_LAGS), abs=0.05)
    assert not any(mix.strikes(Fault.GARBAGE, random) for _ in range(times))
    assert mix.struck[Fault.GARBAGE] == 0


@pytest.mark.parametrize("fault", Fault)
def test_healed_nothing_strikes_but_new_columns_have_come_to_stay(fault: Fault) -> None:
    mix, random = FaultMix(1, [fault]), Random(1)
    assert any(mix.strikes(fault, random) for _ in range(3000))
    before = mix.struck.total()
    mix.healed = True
    struck = [mix.strikes(fault, random) for _ in range(3000)]
    assert any(struck) is (fault is Fault.FRAME_WIDER)
    assert mix.struck.total() == before + sum(struck)


def test_a_reach_goes_up_to_the_seeds_own_limit_and_often_to_the_limit_itself() -> None:
    mix, random = FaultMix(5, [Fault.REPLY_LATE]), Random(2)
    reaches = [mix.reach(Fault.REPLY_LATE, random) for _ in range(1000)]
    limit = max(reaches)
    bounds = RANGES[Fault.REPLY_LATE][1]
    assert bounds.least <= limit <= bounds.most
    assert 100 < reaches.count(limit) < 300
    assert min(reaches) < limit / 50


def test_the_order_faults_are_named_in_does_not_matter() -> None:
    some = [Fault.CRASH, Fault.OUTAGE, Fault.GARBAGE]
    assert FaultMix(9, some).describe() == FaultMix(9, reversed(some)).describe()
    assert FaultMix(9, ()).describe() == {}
