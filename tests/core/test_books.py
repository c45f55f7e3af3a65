"""Our books held against the broker's."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.books import Discrepancy, Looks, credible, differences, is_nothing
from daemon.core.events import OrderCancelled
from daemon.core.values import OrderId, Side
from tests.builders import NINE, accepted, created, filled, funded, intent, reported, sent

SHARES = st.integers(0, 3)


def test_equal_books_have_no_differences() -> None:
    portfolio = funded(1_000, krx_005930=10)

    assert differences(portfolio, reported(1_000, krx_005930=10)) == []


def test_what_was_sold_out_may_be_missing_or_listed_with_nothing() -> None:
    portfolio = funded(0, krx_005930=10)
    for event in (
        created("a", intent(side=Side.SELL)),
        *(sent("a"), accepted("a", "1"), filled("a", 10, side=Side.SELL)),
    ):
        portfolio.apply(event)

    assert differences(portfolio, reported(700_000)) == []
    assert differences(portfolio, reported(700_000, krx_005930=0)) == []


def test_every_difference_is_named_with_both_sides() -> None:
    portfolio = funded(1_000, krx_005930=10, krx_035720=1)
    report = reported(999, krx_005930=12, krx_000660=5)

    assert differences(portfolio, report) == [
        Discrepancy(subject="position krx:000660", ours="0 shares", theirs="5 shares"),
        Discrepancy(subject="position krx:005930", ours="10 shares", theirs="12 shares"),
        Discrepancy(subject="position krx:035720", ours="1 shares", theirs="0 shares"),
        Discrepancy(subject="cash", ours="1000 KRW", theirs="999 KRW"),
    ]


def test_open_orders_are_no_difference() -> None:
    portfolio = funded(1_000_000)
    for event in (created("a"), sent("a"), accepted("a", "1")):
        portfolio.apply(event)
    assert differences(portfolio, reported(1_000_000)) == []

    portfolio.apply(OrderCancelled(order=OrderId("a"), at=NINE))
    assert differences(portfolio, reported(1_000_000)) == []


@given(SHARES, SHARES, SHARES, SHARES, st.booleans())
def test_no_difference_means_that_adopting_changes_nothing(
    ours: int, other: int, theirs: int, another: int, same_cash: bool
) -> None:
    portfolio = funded(1_000, krx_005930=ours, krx_000660=other)
    report = reported(1_000 if same_cash else 1_001, krx_005930=theirs, krx_000660=another)
    found = {each.subject for each in differences(portfolio, report)}

    assert ("position krx:005930" in found) == (ours != theirs)
    assert ("position krx:000660" in found) == (other != another)
    assert ("cash" in found) == (not same_cash)
    portfolio.apply(report)
    assert differences(portfolio, report) == []
    assert portfolio.cash == Decimal(1_000 if same_cash else 1_001)


def test_an_account_we_know_of_does_not_become_nothing() -> None:
    nothing = reported(0)

    assert is_nothing(nothing)
    assert not is_nothing(reported(1))
    assert not credible(funded(1_000), nothing)
    assert not credible(funded(0, krx_005930=1), nothing)
    assert credible(funded(0), nothing)
    assert credible(funded(1_000, krx_005930=1), reported(1_000)), "shares alone may be sold"
    assert credible(funded(1_000), reported(0, krx_005930=1)), "cash alone may be spent"


def test_what_can_move_is_believed_when_it_lasts_longer_than_any_lag() -> None:
    looks = Looks(75.0)

    for asked in (0.0, 2.0, 74.9):
        assert looks.see({"cash": 1}, asked=asked, calm_since=None) == set()
    assert looks.see({"cash": 1}, asked=75.0, calm_since=None) == {"cash"}


@pytest.mark.parametrize("between", [{}, {"cash": 2}], ids=["silence", "another word"])
def test_what_is_interrupted_begins_anew(between: dict[str, int]) -> None:
    looks = Looks(75.0)
    looks.see({"cash": 1}, asked=0.0, calm_since=None)
    looks.see(between, asked=40.0, calm_since=None)

    assert looks.see({"cash": 1}, asked=80.0, calm_since=None) == set()
    assert looks.see({"cash": 1}, asked=155.0, calm_since=None) == {"cash"}


def test_what_cannot_have_moved_is_believed_at_the_second_look() -> None:
    looks = Looks(75.0)

    assert looks.see({"cash": 1}, asked=100.0, calm_since=20.0) == set()
    assert looks.see({"cash": 1}, asked=101.0, calm_since=20.0) == {"cash"}
    assert looks.see({"cash": 1}, asked=102.0, calm_since=30.0) == set(), "moved too lately"


def test_what_has_a_known_cause_needs_no_wait_and_nothing_is_believed_at_one_look() -> None:
    looks = Looks(75.0)

    assert looks.see({"cash": 1, "x": 1}, asked=0.0, calm_since=None, certain={"x"}) == set()
    assert looks.see({"cash": 1, "x": 1}, asked=1.0, calm_since=None, certain={"x"}) == {"x"}


def test_more_looks_may_be_asked_for() -> None:
    looks = Looks(75.0)

    told = [looks.see({"x": 1}, asked=float(look), calm_since=-99.0, least=3) for look in range(3)]

    assert told == [set(), set(), {"x"}]
