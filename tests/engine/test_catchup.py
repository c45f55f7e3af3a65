"""The bars a gap hid: whole minutes of the gap, asked for until they are had or given up."""

from datetime import timedelta

import pytest

from daemon.core.errors import NeedsOperator
from daemon.core.values import InstrumentId
from daemon.engine.catchup import MOST_BARS, TRIES, CatchUp
from daemon.strategy import MissedBars
from tests.builders import HYNIX, SAMSUNG
from tests.engine.paper import PaperBroker
from tests.engine.world import MONDAY_NINE
from tests.support import VirtualClock, run_virtual


class Case:
    """The market is thirty seconds into 09:10."""

    def __init__(self) -> None:
        self.clock = VirtualClock(MONDAY_NINE + timedelta(minutes=10, seconds=30))
        self.broker = PaperBroker(self.clock)
        self.catch_up = CatchUp(self.broker, self.clock)

    def remember(self, since: float, until: float, instrument: InstrumentId = SAMSUNG) -> None:
        """A gap between two minutes of the day."""
        begin, end = (MONDAY_NINE + timedelta(minutes=minute) for minute in (since, until))
        self.catch_up.remember(instrument, begin, end)

    def ask(self) -> tuple[MissedBars | None, int]:
        return run_virtual(self.catch_up.ask())

    def minutes(self) -> list[int]:
        missed, _ = self.ask()
        assert missed is not None
        return [each.start.minute for each in missed.bars]


def test_the_bars_are_those_of_the_gap() -> None:
    case = Case()
    case.remember(2.5, 5.2)
    assert case.catch_up
    assert case.minutes() == [2, 3, 4, 5]
    assert not case.catch_up


def test_the_minute_that_is_not_over_is_left_out() -> None:
    case = Case()
    case.remember(8.5, 10.4)
    assert case.minutes() == [8, 9]


def test_gaps_of_one_instrument_are_one() -> None:
    case = Case()
    case.remember(6.0, 7.0)
    case.remember(2.0, 3.0, HYNIX)
    case.remember(7.5, 8.5)
    assert case.minutes() == [6, 7, 8]
    case.catch_up.forget(HYNIX)
    assert not case.catch_up


def test_a_gap_without_a_whole_minute_tells_nothing() -> None:
    case = Case()
    case.remember(10.1, 10.3)
    assert case.ask() == (None, 1)


def test_a_failed_inquiry_is_made_again_and_given_up_at_last() -> None:
    case = Case()
    case.broker.market_fails = TRIES
    case.remember(2.0, 3.0)
    for left in (True, True, False):
        assert case.ask()[0] is None
        assert bool(case.catch_up) is left


def test_a_long_gap_costs_as_many_requests_as_it_has_pages() -> None:
    case = Case()
    case.remember(-600.0, 9.0)
    missed, requests = case.ask()
    assert missed is not None
    assert len(missed.bars) < MOST_BARS
    assert requests == 5


def test_a_clock_that_was_set_back_asks_for_a_minute() -> None:
    case = Case()
    case.remember(30.0, 31.0)
    assert case.ask() == (None, 1)


def test_what_needs_a_person_is_not_borne() -> None:
    case = Case()

    async def refuse(instrument: InstrumentId, count: int) -> list[object]:
        raise NeedsOperator("keys")

    case.broker.minute_bars = refuse  # type: ignore[method-assign,assignment]
    case.remember(2.0, 3.0)
    with pytest.raises(NeedsOperator):
        case.ask()
