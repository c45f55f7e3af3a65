"""A checkpoint comes back as it was, or not at all. What is in it: `test_compaction`."""

import zlib

import pytest

from daemon.core.costs import CostSchedule
from daemon.core.events import Event
from daemon.core.portfolio import Portfolio
from daemon.core.profit import ProfitBook
from daemon.ports import Checkpoint
from daemon.store import images
from tests.builders import DAY, accepted, created, filled, reported, sent

NAME = "20261123-0001"
FACTS: list[Event] = [
    reported(1_000_000, krx_000660=2),
    created(NAME),
    sent(NAME),
    accepted(NAME, "1"),
    filled(NAME, 4),
]


def test_a_checkpoint_comes_back_as_it_was() -> None:
    portfolio, profit = Portfolio(), ProfitBook(CostSchedule({}), {}, basis="a")
    for fact in FACTS:
        portfolio.apply(fact)
        profit.apply(fact)
    told = Checkpoint(facts=5, minted={DAY: 1}, portfolio=portfolio.image(), profit=profit.image())
    assert images.decode(images.encode(told)) == told


@pytest.mark.parametrize("told", [b"", b"{}", zlib.compress(b"{}"), zlib.compress(b'{"facts":1}')])
def test_anything_else_is_no_checkpoint(told: bytes) -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        images.decode(told)


def test_the_program_is_told_by_its_sources() -> None:
    assert images.program() == images.program.__wrapped__()
    assert len(images.program()) == 64


def test_what_the_books_remember_is_all_in_a_checkpoint() -> None:
    """A book that remembers something new has to say how it is written."""
    derived = {"_open", "_numbers"}
    assert set(images.PortfolioShape.__annotations__) == vars(Portfolio()).keys() - derived
    given = {"schedule", "_calendars", "_listing_of"}
    book = ProfitBook(CostSchedule({}), {})
    assert set(images.ProfitShape.__annotations__) == vars(book).keys() - given
