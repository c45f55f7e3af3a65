"""Our books held against the broker's."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.books import Discrepancy, differences
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
