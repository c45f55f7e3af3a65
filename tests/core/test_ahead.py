"""Debts of inquiries: paid back once, by the notices they were made for."""

from daemon.core.ahead import Ahead
from daemon.core.values import OrderId
from daemon.core.witness import NoticeKind
from tests.builders import after, notice

A = OrderId("a")


def test_a_debt_is_paid_once_and_by_whole_or_in_parts() -> None:
    ahead = Ahead(10.0)
    ahead.owe(A, 5, at=after(0), now=0.0)

    assert ahead.pay(A, notice(NoticeKind.FILLED, "1", 3), now=1.0) == 0
    assert ahead.pay(A, notice(NoticeKind.FILLED, "1", 3), now=2.0) == 1
    assert ahead.pay(A, notice(NoticeKind.FILLED, "1", 3), now=3.0) == 3


def test_after_its_grace_only_an_older_stamp_pays_a_debt() -> None:
    ahead = Ahead(10.0)
    ahead.owe(A, 5, at=after(100), now=0.0)

    newer = notice(NoticeKind.FILLED, "1", 2, at=after(100))
    older = notice(NoticeKind.FILLED, "1", 2, at=after(99))
    assert ahead.pay(A, newer, now=11.0) == 2
    assert ahead.pay(A, older, now=11.0) == 0


def test_debts_of_one_grace_add_up_and_older_ones_are_forgotten() -> None:
    ahead = Ahead(10.0)
    ahead.owe(A, 1, at=after(0), now=0.0)
    ahead.owe(A, 2, at=after(5), now=5.0)
    assert ahead.pay(A, notice(NoticeKind.FILLED, "1", 9), now=6.0) == 6

    ahead.owe(A, 1, at=after(20), now=20.0)
    ahead.owe(A, 2, at=after(40), now=40.0)
    assert ahead.pay(A, notice(NoticeKind.FILLED, "1", 9, at=after(50)), now=41.0) == 7
