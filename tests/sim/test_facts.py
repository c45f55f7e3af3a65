from decimal import Decimal

from daemon.core.values import Side
from daemon.sim.facts import Action, Order, OrderRequest
from tests.sim.rig import DAY, OPEN


def order(action: Action = Action.NEW) -> Order:
    request = OrderRequest(
        account="a", code="005930", side=Side.BUY, quantity=10, price=Decimal(72_000)
    )
    return Order(number=1, day=DAY, at=OPEN, request=request, action=action)


def test_what_remains_is_what_nothing_has_happened_to() -> None:
    made = order()
    made.filled, made.cancelled, made.moved = 3, 2, 1
    made.notional = Decimal(216_000)
    assert (made.remaining, made.is_open, made.average_price) == (4, True, Decimal(72_000))
    made.expired = True
    assert (made.remaining, made.is_open) == (4, False)


def test_a_cancel_request_never_stands_in_the_book() -> None:
    assert order(Action.CANCEL).remaining == 0
    assert order().average_price == 0
