"""Books that are late: nothing bought is forgotten, nothing sold is still held, nothing twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import AccountReported, Holding
from daemon.core.lagging import LaggingBooks
from daemon.core.reconcile import SETTLE
from daemon.core.values import Currency, Region, Side
from daemon.core.witness import BrokerOrder
from tests.builders import ACCOUNT, DAY, NINE, SAMSUNG, row

HELD = 100
PRICE = Decimal(70_000)
CASH = Decimal(100_000_000)


def after(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def balance(held: int, cash: Decimal = CASH) -> AccountReported:
    holding = Holding(instrument=SAMSUNG, quantity=held, cost=PRICE * held)
    return AccountReported(
        account=ACCOUNT,
        cash={Currency.KRW: cash},
        holdings=(holding,) if held else (),
        at=NINE,
    )


def traded(number: int, shares: int) -> BrokerOrder:
    """An order that is filled; below zero it sold."""
    side, quantity = Side.BUY if shares > 0 else Side.SELL, abs(shares)
    return row(str(number), quantity=quantity, filled=quantity, side=side)


def begun(held: int = HELD, listed: Sequence[BrokerOrder] = ()) -> LaggingBooks:
    """Books whose first balance tells so much, and whose first list came at once."""
    return LaggingBooks(NINE.date(), balance(held), listed, at=after(0))


def held_by(report: AccountReported) -> int:
    return sum(each.quantity for each in report.holdings)


@given(
    steps=st.lists(
        st.tuples(st.floats(1.0, 40.0), st.integers(-9, 9).filter(bool)), min_size=1, max_size=8
    ),
    lags=st.lists(st.floats(0.0, SETTLE - 1.0), min_size=8, max_size=8),
)
def test_what_is_held_is_known_however_late_balances_are(
    steps: list[tuple[float, int]], lags: list[float]
) -> None:
    books = begun()
    listed: list[BrokerOrder] = []
    truth = [(0.0, HELD)]
    for number, ((pause, shares), lag) in enumerate(zip(steps, lags, strict=False)):
        now = truth[-1][0] + pause
        truth.append((now, truth[-1][1] + shares))
        listed.append(traded(number, shares))
        books.note(listed, at=after(now))
        shown = next(held for at, held in reversed(truth) if at <= max(now - lag, 0.0))
        for side in Side:
            told = books.completed(balance(shown), asked=after(now), side=side)
            assert held_by(told) == truth[-1][1]
        assert books.filled(listed[-1].refs[0]) == abs(shares)


def test_a_purchase_that_the_balance_lacks_is_held_and_paid_for() -> None:
    books = begun()
    books.note([traded(1, 5)], at=after(1))
    told = books.completed(balance(HELD), asked=after(2), side=Side.BUY)
    assert held_by(told) == HELD + 5
    assert told.cash_of(Currency.KRW) == CASH - 5 * PRICE
    assert held_by(books.completed(balance(HELD + 5), asked=after(3), side=Side.BUY)) == HELD + 5, (
        "not twice"
    )


def test_a_sale_that_the_balance_lacks_is_not_held_and_brings_no_money_yet() -> None:
    books = begun()
    books.note([traded(1, -HELD)], at=after(1))
    told = books.completed(balance(HELD), asked=after(2), side=Side.BUY)
    assert held_by(told) == 0
    assert told.cash_of(Currency.KRW) == CASH


def test_what_lasts_longer_than_anything_is_late_is_as_the_balance_says() -> None:
    books = begun()
    books.note([traded(1, 5)], at=after(1))
    assert held_by(books.completed(balance(HELD), asked=after(SETTLE), side=Side.BUY)) == HELD + 5
    assert held_by(books.completed(balance(HELD), asked=after(1 + SETTLE), side=Side.BUY)) == HELD
    late = 2 + 2 * SETTLE
    assert held_by(books.completed(balance(HELD), asked=after(late), side=Side.BUY)) == HELD
    books.note([traded(2, 3)], at=after(late))
    assert held_by(books.completed(balance(HELD), asked=after(late + 1), side=Side.BUY)) == HELD + 3


def test_shares_that_come_without_a_trade_are_the_balances_to_tell() -> None:
    books = begun()
    assert held_by(books.completed(balance(HELD + 7), asked=after(1), side=Side.BUY)) == HELD + 7


@given(
    before=st.lists(st.integers(-9, 9).filter(bool), max_size=3),
    first=st.integers(0, 3),
    steps=st.lists(
        st.tuples(
            st.floats(1.0, 40.0), st.integers(-9, 9), st.floats(0.0, SETTLE - 1.0), st.booleans()
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_whatever_the_first_balance_lacked_no_limit_is_passed(
    before: list[int], first: int, steps: list[tuple[float, int, float, bool]]
) -> None:
    """Trades just before the first balance, of which it shows only the `first` few."""
    truth = [(0.0, HELD)]
    listed: list[BrokerOrder] = []

    def trade(now: float, shares: int) -> None:
        truth.append((now, truth[-1][1] + shares))
        listed.append(traded(len(listed), shares))

    for shares in before:
        trade(0.0, shares)
    books = begun(truth[: first + 1][-1][1], listed)
    now = 0.0
    for pause, shares, lag, listed_first in steps:
        now += pause
        if shares and listed_first:
            trade(now, shares)
        books.note(listed, at=after(now))
        shown = next(held for at, held in reversed(truth) if at <= max(now - lag, 0.0))
        most = books.completed(balance(shown), asked=after(now), side=Side.BUY)
        least = books.completed(balance(shown), asked=after(now), side=Side.SELL)
        assert held_by(least) <= truth[-1][1] <= held_by(most)
        if shares and not listed_first:
            trade(now, shares)


def test_a_first_balance_that_lacks_a_purchase_is_put_right_by_the_next() -> None:
    books = begun(0, [traded(1, 10)])
    assert held_by(books.completed(balance(10), asked=after(1), side=Side.BUY)) == 10
    books.note([traded(1, 10), traded(2, 10)], at=after(2))
    for shown in (10, 20):
        told = books.completed(balance(shown), asked=after(3), side=Side.BUY)
        assert held_by(told) == 20
        assert told.cash_of(Currency.KRW) == CASH - (20 - shown) * PRICE


def test_a_purchase_that_a_balance_forgets_again_is_held() -> None:
    books = begun(0, [traded(1, 10)])
    for shown in (10, 0):
        told = books.completed(balance(shown), asked=after(1), side=Side.BUY)
        assert held_by(told) == 10


def test_a_sale_of_what_the_first_balance_lacks_leaves_nothing() -> None:
    books = begun(0, [traded(1, 10)])
    assert held_by(books.completed(balance(10), asked=after(1), side=Side.SELL)) == 10
    books.note([traded(1, 10), traded(2, -10)], at=after(2))
    for side in Side:
        for shown in (10, 0):
            told = books.completed(balance(shown), asked=after(3), side=side)
            assert held_by(told) == 0


def test_less_than_nothing_is_never_held() -> None:
    books = begun(0)
    books.note([traded(1, -10)], at=after(1))
    assert held_by(books.completed(balance(0), asked=after(2), side=Side.SELL)) == 0


def test_a_purchase_after_a_sale_that_the_first_balance_lacks_is_paid_for_once() -> None:
    books = begun(10, [traded(1, -10)])
    assert held_by(books.completed(balance(0), asked=after(1), side=Side.BUY)) == 0
    books.note([traded(1, -10), traded(2, 10)], at=after(2))
    for side in Side:
        told = books.completed(balance(10), asked=after(3), side=side)
        assert held_by(told) == 10
        assert told.cash_of(Currency.KRW) == CASH


def test_what_the_first_list_shows_is_in_the_balance_unless_one_tells_otherwise() -> None:
    books = begun(HELD, [traded(1, 10), traded(2, -10)])
    for side in Side:
        told = books.completed(balance(HELD), asked=after(1), side=side)
        assert held_by(told) == HELD
        assert told.cash_of(Currency.KRW) == CASH


def unbooked(held: int) -> AccountReported:
    """A balance that may lack every trade of the day."""
    return replace(balance(held), unbooked={Region.KR: DAY})


@pytest.mark.parametrize("shares", [5, -3])
def test_trades_of_a_day_that_is_booked_late_are_not_forgotten(shares: int) -> None:
    books = begun()
    books.note([traded(1, shares)], at=after(1))
    for hour in range(1, 7):
        for side in Side:
            told = books.completed(unbooked(HELD), asked=after(hour * 3600), side=side)
            assert held_by(told) == HELD + shares
    # Once it is booked, nothing is missing any more.
    told = books.completed(balance(HELD + shares), asked=after(7 * 3600), side=Side.BUY)
    assert held_by(told) == HELD + shares


def test_what_was_bought_before_the_books_began_is_missing_from_a_late_balance() -> None:
    books = LaggingBooks(DAY, unbooked(HELD), [traded(1, 5)], at=after(1))
    for side in Side:
        told = books.completed(unbooked(HELD), asked=after(3600), side=side)
        assert (held_by(told), told.cash_of(Currency.KRW)) == (HELD + 5, CASH - 5 * PRICE)
