"""What one word of the broker implies for one order, and when it implies nothing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import inference
from daemon.core import orders as order_life
from daemon.core.events import (
    CancelRefused,
    CancelSent,
    FillSource,
    ModifyRefused,
    ModifySent,
    OrderCancelled,
    OrderCreated,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderModified,
    OrderReduced,
    OrderRejected,
    TimeInForce,
)
from daemon.core.orders import Order
from daemon.core.values import BrokerRef, OrderId, Side
from daemon.core.witness import NoticeKind
from tests.builders import (
    DAY,
    HYNIX,
    NINE,
    SAMSUNG,
    accepted,
    after,
    created,
    filled,
    intent,
    notice,
    ref,
    row,
    sent,
)

A = OrderId("a")
TOMORROW = DAY + timedelta(days=1)
CANCEL = CancelSent(order=A, at=NINE)
MODIFY = ModifySent(order=A, limit=Decimal(69_900), at=NINE)


def order(*events: OrderEvent, limit: int | None = 70_000) -> Order:
    """An order of ten shares after `events`."""
    made = created("a", intent(limit=limit))
    assert isinstance(made, OrderCreated)
    found = order_life.create(made)
    for event in events:
        found = order_life.apply(found, event)
    return found


def working(*events: OrderEvent, limit: int | None = 70_000) -> Order:
    return order(sent("a"), accepted("a", "1"), *events, limit=limit)


def test_an_order_has_the_shape_of_what_was_ordered_whatever_its_price() -> None:
    assert inference.same_shape(order(), SAMSUNG, Side.BUY, 10)
    assert not inference.same_shape(order(), HYNIX, Side.BUY, 10)
    assert not inference.same_shape(order(), SAMSUNG, Side.SELL, 10)
    assert not inference.same_shape(order(), SAMSUNG, Side.BUY, 9)


def test_the_brokers_clock_may_be_a_little_behind_and_never_much() -> None:
    left = order(sent("a", after(60)))
    assert inference.stamped_in_time(left, row("1", ordered_at=after(61)), within=75)
    assert inference.stamped_in_time(left, row("1", ordered_at=after(50)), within=75)
    assert not inference.stamped_in_time(left, row("1", ordered_at=after(49.9)), within=75)
    assert not inference.stamped_in_time(order(), row("1", ordered_at=after(61)), within=75), (
        "what never left was never stamped"
    )


def test_an_order_may_reach_the_exchange_at_any_time_of_its_day_or_soon_after() -> None:
    left, tomorrow = order(sent("a", after(60))), DAY + timedelta(days=1)
    assert inference.stamped_in_time(left, row("1", ordered_at=after(5_000)), within=75)
    for seconds, in_time in ((145, True), (145.1, False)):
        stamped = row("1", ordered_at=after(seconds), day=tomorrow)
        assert inference.stamped_in_time(left, stamped, within=75) is in_time


def test_a_notice_fits_an_order_of_its_instrument_and_side() -> None:
    assert inference.fits(order(), notice(NoticeKind.FILLED, "9", 3))
    assert not inference.fits(order(), notice(NoticeKind.FILLED, "9", 3, side=Side.SELL))
    assert not inference.fits(order(), notice(NoticeKind.FILLED, "9", 3, instrument=HYNIX))


def test_a_modify_notice_tells_the_new_number_and_price_once() -> None:
    told = notice(NoticeKind.MODIFIED, "1", 10, price=69_900, new_number="2")
    modified = inference.modified_by_notice(working(MODIFY), told, NINE)
    assert modified == OrderModified(order=A, ref=ref("2"), limit=Decimal(69_900), at=NINE)
    assert inference.modified_by_notice(working(MODIFY, modified), told, NINE) is None


@pytest.mark.parametrize(
    ("number", "price"), [(None, 69_900), ("2", None)], ids=["no number", "no price"]
)
def test_half_a_modify_notice_tells_nothing(number: str | None, price: int | None) -> None:
    told = notice(NoticeKind.MODIFIED, "1", 10, price=price, new_number=number)
    assert inference.modified_by_notice(working(MODIFY), told, NINE) is None


@pytest.mark.parametrize(("told", "kept"), [("91252", "91252"), ("", "06010")])
def test_the_branch_of_a_new_number_is_the_notices_own_if_it_tells_one(
    told: str, kept: str
) -> None:
    heard = notice(NoticeKind.MODIFIED, "1", 10, price=69_900, new_number="2")
    modified = inference.modified_by_notice(working(MODIFY), replace(heard, branch=told), NINE)
    assert modified is not None
    assert modified.ref.branch == kept


def test_a_new_fill_is_one_that_no_list_and_no_notice_told_before() -> None:
    told = notice(NoticeKind.FILLED, "1", 3)
    fill = inference.new_fill(working(), told)
    assert fill is not None
    assert (fill.quantity, fill.notional, fill.source) == (3, Decimal(210_000), FillSource.NOTICE)
    heard = working(OrderFilled(order=A, fill=fill, at=NINE))
    assert inference.new_fill(heard, told) is None
    assert inference.new_fill(heard, notice(NoticeKind.FILLED, "1", 2)) is not None
    assert inference.new_fill(heard, notice(NoticeKind.FILLED, "1", 3, price=69_900)) is not None
    assert inference.new_fill(heard, notice(NoticeKind.FILLED, "1", 3, at=after(1))) is not None
    listed = working(filled("a", 1, source=FillSource.INQUIRY))
    assert inference.new_fill(listed, told) is None


def test_a_fill_that_does_not_fit_its_order_is_not_new() -> None:
    for told in (
        notice(NoticeKind.FILLED, "1", 11),
        notice(NoticeKind.FILLED, "1", 3, price=None),
        notice(NoticeKind.FILLED, "1", 3, side=Side.SELL),
        notice(NoticeKind.FILLED, "1", 3, instrument=HYNIX),
        replace(notice(NoticeKind.FILLED, "1", 3), received_at=NINE),
    ):
        assert inference.new_fill(working(), told) is None


@pytest.mark.parametrize(("counted", "cancelled", "ends"), [(4, 6, True), (4, 5, False)])
def test_a_cancel_ends_what_it_and_the_fills_make_up(
    counted: int, cancelled: int, ends: bool
) -> None:
    told = notice(NoticeKind.CANCELLED, "1", cancelled, price=None)
    assert inference.ends_by_cancel(working(filled("a", counted)), told) is ends
    reduced = working(filled("a", counted), OrderReduced(order=A, quantity=2, at=NINE))
    assert inference.ends_by_cancel(reduced, told) is ends, "the part may be the one told"


def test_a_modify_of_another_than_the_last_number_tells_nothing() -> None:
    told = notice(NoticeKind.MODIFIED, "1", 10, price=69_900, new_number="9")
    moved = working(OrderModified(order=A, ref=ref("2"), limit=Decimal(69_800), at=NINE))
    assert inference.modified_by_notice(moved, told, NINE) is None
    assert inference.knows_number(moved, "1")
    assert not inference.knows_number(moved, "9")


def test_an_order_without_a_number_was_not_modified() -> None:
    told = notice(NoticeKind.MODIFIED, "1", 10, new_number="2")
    assert inference.modified_by_notice(order(sent("a")), told, NINE) is None


def test_a_row_tells_every_number_we_have_not_heard_of() -> None:
    listed = row("1", "2", "3", limit=69_800)
    known = working(OrderModified(order=A, ref=ref("2"), limit=Decimal(69_900), at=NINE))
    [modified] = inference.modified_by_row(known, listed, NINE)
    assert modified == OrderModified(order=A, ref=ref("3"), limit=Decimal(69_800), at=NINE)
    assert len(inference.modified_by_row(working(), listed, NINE)) == 2
    assert inference.modified_by_row(working(), row("1"), NINE) == []
    skipped = working(OrderModified(order=A, ref=ref("3"), limit=Decimal(69_800), at=NINE))
    assert inference.modified_by_row(skipped, listed, NINE) == [], "3 is the number to quote"


def test_the_price_of_a_row_that_tells_none_is_the_one_we_know() -> None:
    [modified] = inference.modified_by_row(working(), row("1", "2", limit=None), NINE)
    assert isinstance(modified, OrderModified)
    assert modified.limit == Decimal(70_000)
    at_market = working(limit=None)
    assert inference.modified_by_row(at_market, row("1", "2", limit=None), NINE) == []


@given(
    ours=st.lists(st.tuples(st.integers(1, 3), st.integers(60_000, 80_000)), max_size=3),
    more=st.integers(1, 10),
    price=st.integers(60_000, 80_000),
)
def test_a_missing_fill_makes_both_counts_equal_to_the_won(
    ours: list[tuple[int, int]], more: int, price: int
) -> None:
    counted = working(*(filled("a", quantity, each) for quantity, each in ours))
    more = min(more, 10 - counted.filled)
    notional = int(counted.notional) + more * price
    listed = row("1", filled=counted.filled + more, notional=notional)
    fill = inference.missing_fill(counted, listed)
    assert fill is not None
    assert fill.source is FillSource.INQUIRY
    after_it = order_life.apply(counted, OrderFilled(order=A, fill=fill, at=NINE))
    assert (after_it.filled, after_it.notional) == (listed.filled, listed.notional)


@pytest.mark.parametrize(("shares", "notional"), [(11, 770_000), (6, 280_000), (6, 270_000)])
def test_a_fill_that_cannot_have_been_is_not_inferred(shares: int, notional: int) -> None:
    counted = working(filled("a", 4))
    listed = row("1", filled=shares, notional=notional, remaining=0)
    assert inference.missing_fill(counted, listed) is None
    told = inference.contradiction(counted, listed)
    assert told.subject == "order a"
    assert told.ours == "4 shares filled for 280000 KRW"
    assert told.theirs == f"{shares} shares filled for {notional} KRW"


def test_a_row_with_an_open_rest_ends_nothing_on_its_day() -> None:
    listed = row("1", filled=3)
    assert inference.closing(working(), listed, dead_before=DAY, at=NINE) is None


def test_an_open_rest_dies_with_its_day() -> None:
    ended = inference.closing(working(), row("1", filled=3), dead_before=TOMORROW, at=NINE)
    assert ended == OrderExpired(order=A, at=NINE)


def test_nothing_left_open_is_a_cancel_and_nothing_but_refused_is_a_refusal() -> None:
    cancelled = inference.closing(
        working(), row("1", filled=3, remaining=0), dead_before=TOMORROW, at=NINE
    )
    assert cancelled == OrderCancelled(order=A, at=NINE)
    refused = inference.closing(
        working(), row("1", rejected=10, remaining=0), dead_before=DAY, at=NINE
    )
    assert isinstance(refused, OrderRejected)
    assert (refused.code, refused.retryable) == ("REFUSED_LATER", False)
    partly = inference.closing(
        working(), row("1", filled=3, rejected=7, remaining=0), dead_before=DAY, at=NINE
    )
    assert partly == OrderCancelled(order=A, at=NINE)


@pytest.mark.parametrize(
    ("time_in_force", "ends"),
    [(TimeInForce.DAY, False), (TimeInForce.IOC, True), (TimeInForce.FOK, True)],
)
def test_shares_of_which_the_list_says_nothing_end_only_an_order_for_the_moment(
    time_in_force: TimeInForce, ends: bool
) -> None:
    made = created("a", intent(time_in_force=time_in_force))
    assert isinstance(made, OrderCreated)
    alive = order_life.create(made)
    for event in (sent("a"), accepted("a", "1")):
        alive = order_life.apply(alive, event)
    hidden = row("1", filled=3, remaining=0, cancelled=2)
    assert not hidden.accounted

    ended = inference.closing(alive, hidden, dead_before=DAY, at=NINE)
    assert ended == (OrderCancelled(order=A, at=NINE) if ends else None)
    told = replace(hidden, cancelled=7)
    assert told.accounted
    assert inference.closing(alive, told, dead_before=DAY, at=NINE) == OrderCancelled(
        order=A, at=NINE
    )


def test_shares_of_which_the_list_says_nothing_die_with_their_day() -> None:
    hidden = row("1", remaining=0, cancelled=0)
    ended = inference.closing(working(), hidden, dead_before=TOMORROW, at=NINE)
    assert ended == OrderExpired(order=A, at=NINE)


def test_a_part_taken_back_is_what_the_list_confirms_and_we_do_not_know() -> None:
    assert inference.reduced(working(), row("1", remaining=6, cancelled=4)) == 4
    assert inference.reduced(working(), row("1", remaining=6, cancelled=0)) == 0
    assert inference.reduced(working(), row("1", remaining=10, cancelled=4)) == 0
    known = working(OrderReduced(order=A, quantity=4, at=NINE))
    assert inference.reduced(known, row("1", remaining=6, cancelled=4)) == 0
    assert inference.reduced(known, row("1", remaining=5, cancelled=5)) == 1


def test_a_request_without_effect_is_refused_by_what_it_asked() -> None:
    cancel = inference.without_effect(working(CANCEL), NINE)
    assert isinstance(cancel, CancelRefused)
    modify = inference.without_effect(working(MODIFY), NINE)
    assert isinstance(modify, ModifyRefused)
    assert cancel.code == modify.code == "NO_EFFECT"
    assert inference.without_effect(working(), NINE) is None
    assert inference.without_effect(order(sent("a")), NINE) is None


def test_the_same_shares_for_another_amount_were_priced_wrongly() -> None:
    counted = working(filled("a", 4, 70_000))
    assert inference.repriced(counted, row("1", filled=4, notional=279_900))
    assert not inference.repriced(counted, row("1", filled=4, notional=280_000))
    assert not inference.repriced(counted, row("1", filled=5, notional=349_900))
    assert not inference.repriced(counted, row("1", filled=4, notional=0)), "a blank amount"
    assert not inference.repriced(working(), row("1", filled=0, notional=100))


def test_a_number_of_another_day_is_not_the_same_order() -> None:
    # Numbers start anew every day: the new number belongs to the notice's own day.
    told = notice(
        NoticeKind.MODIFIED, "1", 10, price=69_900, new_number="2", at=NINE + timedelta(days=1)
    )
    modified = inference.modified_by_notice(working(MODIFY), told, NINE)
    assert modified is not None
    assert modified.ref == BrokerRef(day=TOMORROW, branch="06010", number="2")
