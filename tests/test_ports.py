"""What stands behind a port keeps its promise. The assignments are checked by mypy too."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.clock import SimulatedClock, WallClock
from daemon.core.events import Event, TradingHalted
from daemon.core.ratelimit import TokenBucket
from daemon.ports import Clock, Journal, RequestBudget
from daemon.store.journal import SqliteJournal
from tests.builders import NINE

CLOCKS: list[Callable[[], Clock]] = [WallClock, lambda: SimulatedClock(NINE, speed=100.0)]
BUDGETS: list[Callable[[int], RequestBudget]] = [TokenBucket]


@pytest.mark.parametrize("make", CLOCKS)
def test_a_clock_is_aware_utc_and_its_seconds_never_go_back(make: Callable[[], Clock]) -> None:
    clock = make()
    seconds = [clock.monotonic() for _ in range(100)]

    assert clock.now().utcoffset() == timedelta(0)
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("make", BUDGETS)
def test_a_budget_says_when_it_gives_again_and_keeps_its_word(
    make: Callable[[int], RequestBudget],
) -> None:
    budget = make(2)
    assert budget.free_at(100.0) <= 100.0

    slots = [budget.take(100.0, hold=5.0), budget.take(100.0, hold=5.0)]
    assert None not in slots
    assert budget.take(100.0, hold=5.0) is None
    assert budget.free_at(100.0) > 105.0
    assert slots[1] is not None
    budget.give_back(slots[1], 100.5)
    assert budget.free_at(100.5) == 101.5
    assert budget.take(101.5, hold=5.0) is not None


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with SqliteJournal(tmp_path / "journal.db", owner="sim") as opened:
        yield opened


def test_a_journal_replays_what_was_appended_in_order(journal: Journal) -> None:
    facts: list[Event] = [TradingHalted(reason=f"{n}", at=NINE) for n in range(5)]
    assert list(journal.replay()) == []

    journal.append(facts[:2])
    journal.append(facts[2:])
    assert list(journal.replay()) == facts
    assert list(journal.replay()) == facts
