"""Books that are late: nothing bought is forgotten, nothing sold is still held, nothing twice."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import AccountReported, Holding
from daemon.core.lagging import LaggingBooks
from daemon.core.reconcile import SETTLE
from daemon.core.values import Currency, Side
from daemon.core.witness import BrokerOrder
from tests.builders import ACCOUNT, NINE, SAMSUNG, row

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
    books = LaggingBooks(NINE.date(), balance(HELD), [])
    listed: list[BrokerOrder] = []
    truth = [(0.0, HELD)]
    for number, ((pause, shares), lag) in enumerate(zip(steps, lags, strict=False)):
        now = truth[-1][0] + pause
        truth.append((now, truth[-1][1] + shares))
        listed.append(traded(number, shares))
        books.note(listed, at=after(now))
        shown = next(held for at, held in reversed(truth) if at <= max(now - lag, 0.0))
        told = books.completed(balance(shown), asked=after(now))
        moves = [later - former for (_, former), (_, later) in pairwise(truth)]
        if all(move > 0 for move in moves) or all(move < 0 for move in moves):
            assert held_by(told) == truth[-1][1]
        assert books.filled(listed[-1].refs[0]) == abs(shares)


def test_a_purchase_that_the_balance_lacks_is_held_and_paid_for() -> None:
    books = LaggingBooks(NINE.date(), balance(HELD), [])
    books.note([traded(1, 5)], at=after(1))
    told = books.completed(balance(HELD), asked=after(2))
    assert held_by(told) == HELD + 5
    assert told.cash_of(Currency.KRW) == CASH - 5 * PRICE
    assert held_by(books.completed(balance(HELD + 5), asked=after(3))) == HELD + 5, "not twice"


def test_a_sale_that_the_balance_lacks_is_not_held_and_brings_no_money_yet() -> None:
    books = LaggingBooks(NINE.date(), balance(HELD), [])
    books.note([traded(1, -HELD)], at=after(1))
    told = books.completed(balance(HELD), asked=after(2))
    assert held_by(told) == 0
    assert told.cash_of(Currency.KRW) == CASH


def test_what_lasts_longer_than_anything_is_late_is_as_the_balance_says() -> None:
    books = LaggingBooks(NINE.date(), balance(HELD), [])
    books.note([traded(1, 5)], at=after(1))
    assert held_by(books.completed(balance(HELD), asked=after(SETTLE))) == HELD + 5
    assert held_by(books.completed(balance(HELD), asked=after(1 + SETTLE))) == HELD
    late = 2 + 2 * SETTLE
    assert held_by(books.completed(balance(HELD), asked=after(late))) == HELD
    books.note([traded(2, 3)], at=after(late))
    assert held_by(books.completed(balance(HELD), asked=after(late + 1))) == HELD + 3


def test_shares_that_come_without_a_trade_are_the_balances_to_tell() -> None:
    books = LaggingBooks(NINE.date(), balance(HELD), [])
    assert held_by(books.completed(balance(HELD + 7), asked=after(1))) == HELD + 7
