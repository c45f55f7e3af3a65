"""The life of an order: what the table allows, and what quantities forbid."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import orders
from daemon.core.errors import InvariantBroken
from daemon.core.events import (
    CancelRefused,
    CancelSent,
    FillSource,
    ModifyRefused,
    ModifySent,
    OrderAccepted,
    OrderCancelled,
    OrderDoubted,
    OrderEvent,
    OrderExpired,
    OrderModified,
    OrderReduced,
    OrderRejected,
)
from daemon.core.orders import LEGAL, Order, OrderState
from daemon.core.values import OrderId, Side
from tests.builders import NINE, accepted, created, filled, intent, ref, sent

A = OrderId("a")


def after(*events: OrderEvent) -> Order:
    order = orders.create(created("a"))
    for event in events:
        order = orders.apply(order, event)
    return order


def rejected() -> OrderRejected:
    return OrderRejected(order=A, code="X", reason="no", at=NINE)


def test_a_full_life() -> None:
    order = after(sent("a"), accepted("a", "1"), filled("a", 4), filled("a", 6, 70_100))

    assert order.state is OrderState.FILLED
    assert order.remaining == 0
    assert order.notional == Decimal(4 * 70_000 + 6 * 70_100)
    assert order.ref == ref("1")
    assert not order.is_open


def test_a_fill_that_overtakes_the_reply_leaves_the_order_unanswered() -> None:
    order = after(sent("a"), filled("a", 4))

    assert order.state is OrderState.SENT
    assert orders.apply(order, accepted("a", "1")).state is OrderState.WORKING


def test_an_order_remembers_its_fills_and_whether_a_list_told_one() -> None:
    heard = filled("a", 4)
    order = after(sent("a"), accepted("a", "1"), heard)

    assert order.fills == (heard.fill,)
    assert not order.counted_by_list
    assert orders.apply(order, filled("a", 1, source=FillSource.INQUIRY)).counted_by_list


def test_a_modify_changes_number_and_price_and_keeps_the_intent() -> None:
    order = after(
        sent("a"),
        accepted("a", "1"),
        ModifySent(order=A, limit=Decimal(69_000), at=NINE),
        OrderModified(order=A, ref=ref("2"), limit=Decimal(69_000), at=NINE),
    )

    assert order.state is OrderState.WORKING
    assert [each.number for each in order.refs] == ["1", "2"]
    assert (order.limit, order.intent.limit) == (Decimal(69_000), Decimal(70_000))


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([rejected()], OrderState.REJECTED),
        ([sent("a"), OrderDoubted(order=A, cause="time-out", at=NINE)], OrderState.IN_DOUBT),
        (
            [sent("a"), OrderDoubted(order=A, cause="time-out", at=NINE), accepted("a", "1")],
            OrderState.WORKING,
        ),
        (
            [sent("a"), accepted("a", "1"), CancelSent(order=A, at=NINE)],
            OrderState.CANCELLING,
        ),
        (
            [
                *(sent("a"), accepted("a", "1"), CancelSent(order=A, at=NINE)),
                CancelRefused(order=A, code="X", reason="filled", at=NINE),
            ],
            OrderState.WORKING,
        ),
        (
            [sent("a"), accepted("a", "1"), OrderCancelled(order=A, at=NINE), filled("a", 4)],
            OrderState.CANCELLED,
        ),
        (
            [sent("a"), accepted("a", "1"), OrderCancelled(order=A, at=NINE), filled("a", 10)],
            OrderState.FILLED,
        ),
        (
            [
                *(sent("a"), accepted("a", "1"), OrderReduced(order=A, quantity=4, at=NINE)),
                filled("a", 6),
            ],
            OrderState.CANCELLED,
        ),
        (
            [
                *(sent("a"), accepted("a", "1"), ModifySent(order=A, limit=Decimal(1), at=NINE)),
                ModifyRefused(order=A, code="X", reason="closed", at=NINE),
            ],
            OrderState.WORKING,
        ),
        (
            [
                *(sent("a"), accepted("a", "1"), ModifySent(order=A, limit=Decimal(1), at=NINE)),
                CancelSent(order=A, at=NINE),
                CancelRefused(order=A, code="X", reason="filled", at=NINE),
            ],
            OrderState.MODIFYING,
        ),
        ([sent("a"), accepted("a", "1"), OrderExpired(order=A, at=NINE)], OrderState.EXPIRED),
    ],
)
def test_where_a_history_leads(events: Sequence[OrderEvent], state: OrderState) -> None:
    assert after(*events).state is state


def test_a_journal_may_tell_of_a_new_price_while_another_was_in_doubt() -> None:
    first, second = (ModifySent(order=A, limit=Decimal(limit), at=NINE) for limit in (1, 2))
    crossed = (CancelSent(order=A, at=NINE), CancelRefused(order=A, code="X", reason="", at=NINE))
    order = after(sent("a"), accepted("a", "1"), first, *crossed, second)
    assert (order.state, order.asked_limit) == (OrderState.MODIFYING, Decimal(2))


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([], accepted("a", "1")),
        ([], filled("a", 1)),
        ([sent("a")], sent("a")),
        ([sent("a"), accepted("a", "1")], accepted("a", "2")),
        ([sent("a"), accepted("a", "1"), filled("a", 10)], OrderCancelled(order=A, at=NINE)),
        ([sent("a"), accepted("a", "1"), filled("a", 4)], filled("a", 7)),
        ([sent("a"), accepted("a", "1")], filled("a", 0)),
        ([sent("a"), accepted("a", "1")], filled("a", 1, side=Side.SELL)),
        ([sent("a"), accepted("a", "1")], OrderReduced(order=A, quantity=10, at=NINE)),
        ([], created("a")),
    ],
)
def test_illegal_moves_are_refused(events: Sequence[OrderEvent], wrong: OrderEvent) -> None:
    order = after(*events)

    with pytest.raises(InvariantBroken, match="order a"):
        orders.apply(order, wrong)


def test_closed_orders_admit_nothing_but_trades() -> None:
    allowed = {event for (state, event) in LEGAL if state.is_closed}

    assert {event.__name__ for event in allowed} == {"OrderFilled", "OrderRepriced"}


def test_every_state_can_be_reached_and_left_or_is_closed() -> None:
    reached = {OrderState.CREATED, *LEGAL.values()} | {OrderState.FILLED}
    left = {state for (state, _), following in LEGAL.items() if following is not state}

    assert reached == set(OrderState)
    assert {state for state in OrderState if state not in left} == {
        state for state in OrderState if state.is_closed
    }


@given(st.data())
def test_quantities_never_leave_their_bounds(data: st.DataObject) -> None:
    order = orders.create(created("a", intent(quantity=20)))
    moves: list[OrderEvent] = [
        sent("a"),
        accepted("a", "1"),
        rejected(),
        OrderDoubted(order=A, cause="x", at=NINE),
        CancelSent(order=A, at=NINE),
        CancelRefused(order=A, code="x", reason="x", at=NINE),
        OrderCancelled(order=A, at=NINE),
        OrderExpired(order=A, at=NINE),
        OrderAccepted(order=A, ref=ref("2"), at=NINE + timedelta(seconds=1)),
        *(filled("a", quantity) for quantity in (1, 5, 20)),
        *(OrderReduced(order=A, quantity=quantity, at=NINE) for quantity in (1, 7)),
    ]
    for move in data.draw(st.lists(st.sampled_from(moves), max_size=30)):
        try:
            order = orders.apply(order, move)
        except InvariantBroken:
            continue
        assert 0 <= order.filled <= order.intent.quantity
        assert order.notional == 70_000 * order.filled
        assert order.is_open or order.state.is_closed
        if order.state is OrderState.FILLED:
            assert order.filled == order.intent.quantity
