"""What a seed chooses: its markets, its hours, and settings that fit both."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from daemon.core.calendar import Phase
from daemon.core.endings import AFTER_HOURS, CLOSING_MARGIN
from daemon.core.values import Region, region_of
from daemon.lab.mix import Fault, FaultMix
from daemon.lab.outset import (
    AMERICA,
    BOTH,
    KOREA,
    LIVENESS,
    OPEN,
    REST,
    Markets,
    Outset,
    draw,
    markets_of,
)

SEEDS = range(1, 120)
NOWHERE = Path("/nowhere")


def drawn(seed: int, markets: Markets) -> Outset:
    mix = FaultMix(seed, tuple(Fault))
    return draw(seed, mix, Random(f"{seed}:world"), markets, NOWHERE)


def test_korea_trades_in_most_worlds_and_america_in_half() -> None:
    count = Counter(markets_of(seed) for seed in range(2_000))
    assert set(count) == {KOREA, AMERICA, BOTH}
    assert 900 < count[KOREA] < 1_100
    assert 900 < count[AMERICA] + count[BOTH] < 1_100
    assert count[BOTH] > count[AMERICA] > 300
    assert [markets_of(seed) for seed in range(50)] == [markets_of(seed) for seed in range(50)]


@pytest.mark.parametrize("markets", [KOREA, AMERICA, BOTH])
def test_every_market_of_a_world_lives_has_traders_and_room_to_trade(markets: Markets) -> None:
    for seed in SEEDS:
        outset = drawn(seed, markets)
        settings, options = outset.settings, outset.options
        assert settings.markets == markets
        assert options.regions == set(markets)
        regions = [
            {region_of(each) for each in slot.instruments} for slot in settings.strategy_slots
        ]
        assert set().union(*regions) == set(markets)
        assert sum(len(each) == 1 for each in regions) >= len(markets), "each has one of its own"
        assert {Region(each) for each in settings.calendars.by_region} >= set(markets)


@pytest.mark.parametrize("markets", [AMERICA, BOTH])
def test_a_world_is_at_a_market_while_faults_strike_and_ends_in_peace(markets: Markets) -> None:
    seen: Counter[Region] = Counter()
    for seed in SEEDS:
        outset = drawn(seed, markets)
        hours, calendars = outset.hours, outset.settings.calendars
        assert hours.start >= OPEN
        assert hours.end >= hours.faults_end + LIVENESS + REST
        ends = hours.start + timedelta(seconds=hours.end)
        open_at_end = [
            each for each in markets if calendars.of(each).phase(ends) is Phase.CONTINUOUS
        ]
        assert bool(open_at_end) == hours.trading_at_end
        for region in markets:
            calendar = calendars.of(region)
            minutes = int(hours.faults_end // 60)
            at = (hours.start + timedelta(minutes=each) for each in range(minutes))
            traded = sum(calendar.phase(each) is Phase.CONTINUOUS for each in at)
            seen[region] += traded >= 15
            # Nobody would know how orders ended that the end of the world found closed for good.
            day = calendar.local_date(ends)
            over = calendar.close_at(day) + AFTER_HOURS.get(region, timedelta(0)) + CLOSING_MARGIN
            assert ends < calendar.close_at(day) or ends > over
    assert all(seen[region] > 0.8 * len(SEEDS) for region in markets), seen


def test_what_is_chosen_for_korea_does_not_depend_on_america() -> None:
    for seed in SEEDS:
        alone, beside = drawn(seed, KOREA), drawn(seed, BOTH)
        assert alone.options.listings == beside.options.listings
        assert alone.settings.risk == beside.settings.risk
        assert alone.settings.requests_per_second == beside.settings.requests_per_second
        assert alone.hours.start == OPEN


@pytest.mark.parametrize("habit", ["told_twice", "refused_by_reason"])
def test_broker_has_each_habit_in_some_american_worlds(habit: str) -> None:
    count = Counter(getattr(drawn(seed, AMERICA).options, habit) for seed in SEEDS)
    assert min(count[True], count[False]) > len(SEEDS) // 4
    assert not any(getattr(drawn(seed, KOREA).options, habit) for seed in SEEDS)


def test_broker_books_the_night_late_in_some_american_worlds_where_no_hand_trades() -> None:
    count = Counter(
        (drawn(seed, AMERICA).options.late_ledger, Fault.HAND_ORDER in FaultMix(seed))
        for seed in SEEDS
    )
    assert min(count[True, False], count[False, False]) > len(SEEDS) // 6
    assert count[True, True] == 0
    assert not any(drawn(seed, KOREA).options.late_ledger for seed in SEEDS)


def test_traders_of_both_countries_are_told_trades() -> None:
    for seed in SEEDS:
        settings = drawn(seed, BOTH).settings
        korean, abroad = (settings.strategy_slots[each].instruments for each in (0, 1))
        notices = 2
        assert settings.profile.registrations >= notices + len(korean) + 1
        assert {region_of(each) for each in abroad} == {Region.US}
