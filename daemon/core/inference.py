"""What one word of the broker implies for one order. Pure functions, no memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from daemon.core.books import Discrepancy
from daemon.core.events import (
    CancelRefused,
    ExternalOrderSeen,
    Fill,
    FillSource,
    ModifyRefused,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderModified,
    OrderRejected,
    TimeInForce,
)
from daemon.core.orders import Order, OrderState
from daemon.core.portfolio import OrderKey, PortfolioView
from daemon.core.values import (
    AccountId,
    BrokerRef,
    InstrumentId,
    OrderId,
    Region,
    Session,
    Side,
    currency_of,
    region_of,
)
from daemon.core.witness import BrokerNotice, BrokerOrder, NoticeKind
from daemon.core.zones import local_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A notice that may be new or may be old: it changes nothing, the list must be asked."""

    order: OrderId
    told: str


Outcome = OrderEvent | Discrepancy | ExternalOrderSeen | Hint
"""What a word of the broker leads to: facts to record, a difference to tell, a list to ask."""

CLOCK_SKEW = timedelta(seconds=10)
"""How far the broker's clock, by which it stamps an order, may differ from ours."""


def same_shape(order: Order, instrument: InstrumentId, side: Side, quantity: int) -> bool:
    """Whether an order could be the one the broker speaks of, price aside."""
    intent = order.intent
    return intent.instrument == instrument and intent.side is side and intent.quantity == quantity


def stamped_in_time(order: Order, row: BrokerOrder, *, within: float) -> bool:
    """Whether the broker stamped its order after ours left, on that day or in so many seconds.

    Give or take `CLOCK_SKEW`. On that day it may be late: where a process stood still, or
    simulated time is fast.
    """
    if order.sent_at is None:
        return False
    later = row.ordered_at - order.sent_at
    soon = later <= timedelta(seconds=within) + CLOCK_SKEW
    return later >= -CLOCK_SKEW and (soon or row.day <= local_date(row.region, order.sent_at))


def of_its_day(order: Order, row: BrokerOrder, *, dead_before: date) -> bool:
    """Whether the row is of a day on which the order may still live, and of none after it left."""
    if order.sent_at is None:
        return False
    return dead_before <= row.day <= local_date(row.region, order.sent_at)


def looks_like(order: Order, row: BrokerOrder) -> bool:
    """Whether the row could be the order, by everything but its time.

    The price is the one it came in at: it may have been changed by hand since.
    """
    same = same_shape(order, row.instrument, row.side, row.quantity)
    return same and row.rooted and order.limit == row.first_limit


def fits(order: Order, notice: BrokerNotice) -> bool:
    """Whether a notice speaks of an order alive on the instrument and side of this one."""
    intent = order.intent
    alive = notice.kind is not NoticeKind.REJECTED
    return alive and intent.instrument == notice.instrument and intent.side is notice.side


def new_fill(order: Order, notice: BrokerNotice) -> Fill | None:
    """The fill a notice tells, if it is proven that nobody has counted it yet.

    A notice names no execution: told twice it looks like one more fill, and told late it may be
    in a list already. So it counts only while no list has counted shares of the order, and if
    no earlier one told the same shares, price and second. One without a stamp of the exchange
    carries the moment it came, by which nothing can be told apart.
    """
    intent = order.intent
    stamped = notice.exchange_time != notice.received_at
    same = (notice.instrument, notice.side) == (intent.instrument, intent.side)
    if not (stamped and same) or order.counted_by_list or notice.price is None:
        return None
    if notice.quantity > intent.quantity - order.filled:
        return None
    fill = Fill(
        instrument=intent.instrument,
        side=intent.side,
        quantity=notice.quantity,
        notional=notice.price * notice.quantity,
        source=FillSource.NOTICE,
        exchange_time=notice.exchange_time,
    )
    return None if fill in order.fills else fill


def ends_by_cancel(order: Order, notice: BrokerNotice) -> bool:
    """Whether a cancel notice proves that nothing is left open, whenever it was made.

    What lists counted as cancelled may be what the notice tells, so only the fills add to it.
    """
    return order.filled + notice.quantity >= order.intent.quantity


def modified_by_notice(order: Order, notice: BrokerNotice, at: datetime) -> OrderModified | None:
    """The new number and price a notice tells, if it follows the number we know as the last."""
    number = notice.new_number
    if number is None or notice.price is None or order.ref is None:
        return None
    if notice.number != order.ref.number or knows_number(order, number):
        return None
    ref = BrokerRef(day=notice.day, branch=notice.branch or order.ref.branch, number=number)
    return OrderModified(order=order.id, ref=ref, limit=notice.price, at=at)


def knows_number(order: Order, number: str | None) -> bool:
    """Whether the order lives, or has lived, under this number."""
    return any(ref.number == number for ref in order.refs)


def modified_by_row(order: Order, row: BrokerOrder, at: datetime) -> list[OrderModified]:
    """Numbers after the last we know: modifies that took effect. The newest must stay last."""
    limit = row.limit if row.limit is not None else order.limit
    known = [place for place, ref in enumerate(row.refs) if knows_number(order, ref.number)]
    return [
        OrderModified(order=order.id, ref=ref, limit=limit, at=at)
        for ref in row.refs[max(known, default=0) + 1 :]
        if limit is not None
    ]


def missing_fill(order: Order, row: BrokerOrder) -> Fill | None:
    """What the broker counts beyond our fills, exact to the last digit; `None` if it cannot be."""
    quantity = row.filled - order.filled
    notional = row.notional - order.notional
    if row.filled > order.intent.quantity or notional <= 0:
        return None
    return Fill(
        instrument=row.instrument,
        side=row.side,
        quantity=quantity,
        notional=notional,
        source=FillSource.INQUIRY,
        exchange_time=row.ordered_at,
    )


def forgotten(order: Order) -> Discrepancy:
    """An order with a number that the broker's list does not show."""
    return Discrepancy(
        subject=f"order {order.id}",
        ours=f"{order.state} under number {order.refs[-1].number}",
        theirs="not in the broker's list",
    )


def stamped_too_early(order: Order, row: BrokerOrder) -> Discrepancy:
    """A row that would be the order in doubt, had the broker not stamped it before that left."""
    return Discrepancy(
        subject=f"order {order.id}",
        ours=f"in doubt, sent {order.sent_at}",
        theirs=f"number {row.refs[0].number} of the same shape, stamped {row.ordered_at}",
    )


def still_open(order: Order, row: BrokerOrder) -> Discrepancy:
    """An order we believe closed that the broker still works."""
    return Discrepancy(
        subject=f"order {order.id}",
        ours=str(order.state),
        theirs=f"{row.remaining} shares open under number {row.refs[-1].number}",
    )


def contradiction(order: Order, row: BrokerOrder) -> Discrepancy:
    """The two counts of an order that cannot both be right."""
    currency = currency_of(order.intent.instrument)
    return Discrepancy(
        subject=f"order {order.id}",
        ours=f"{order.filled} shares filled for {order.notional} {currency}",
        theirs=f"{row.filled} shares filled for {row.notional} {currency}",
    )


def shortfall(order: Order, row: BrokerOrder, *, dead_before: date) -> list[Discrepancy]:
    """What to tell of a row that counts less than we do: it may lack the part that traded.

    So it means something only if it tells of every share, or never will any more.
    """
    final = tells_all(order, row) or row.day < dead_before
    return [contradiction(order, row)] if final else []


def is_another(order: Order, row: BrokerOrder) -> bool:
    """Whether a row under the order's number cannot be the order: an answer was mixed up."""
    intent = order.intent
    same = (row.instrument, row.side) == (intent.instrument, intent.side)
    return not same or (row.rooted and row.quantity != intent.quantity)


def mixed_up(order: Order, row: BrokerOrder) -> Discrepancy:
    """Another order under the number of ours."""
    intent = order.intent
    return Discrepancy(
        subject=f"order {order.id}",
        ours=f"{intent.side} {intent.quantity} of {intent.instrument}",
        theirs=f"{row.side} {row.quantity} of {row.instrument} under number {row.refs[0].number}",
    )


def dead_before(
    order: Order,
    days: Mapping[Region, date],
    elsewhere: Mapping[tuple[Region, Session], date],
    *,
    open_rest: bool = True,
) -> date:
    """Before which day an order no longer lives: its region's, or that of the session it is for.

    The opening auction of a halted American stock is held when its halt ends: only a list without
    an `open_rest` says that it is over.
    """
    region, session = region_of(order.intent.instrument), order.intent.session
    if session is Session.OPENING and open_rest:
        return days[region]
    return elsewhere.get((region, session), days[region])


def external(account: AccountId, notice: BrokerNotice, at: datetime) -> ExternalOrderSeen:
    """What a notice tells that no order of ours claims."""
    return ExternalOrderSeen(
        account=account,
        day=notice.day,
        number=notice.number,
        instrument=notice.instrument,
        side=notice.side,
        quantity=notice.quantity,
        at=at,
    )


def tells_all(order: Order, row: BrokerOrder) -> bool:
    """Whether the list shows what became of every share of the order.

    Shares that it does not show may live on, or have traded, under a number that it leaves out:
    that proves nothing. Orders for the moment have no such number.
    """
    return row.accounted or order.intent.time_in_force is not TimeInForce.DAY


def closing(
    order: Order, row: BrokerOrder, *, dead_before: date, at: datetime
) -> OrderEvent | None:
    """What ended the order, if the list shows nothing open or its day is over."""
    if row.remaining == 0:
        if row.rejected and row.filled == 0 == order.filled:
            reason = "the broker's list shows the order as refused"
            return OrderRejected(order=order.id, code="REFUSED_LATER", reason=reason, at=at)
        if tells_all(order, row):
            return OrderCancelled(order=order.id, at=at)
    if row.day < dead_before:
        return OrderExpired(order=order.id, at=at)
    return None


def reduced(order: Order, row: BrokerOrder) -> int:
    """Shares the list shows as taken back of a live order that we did not know of."""
    return max(min(order.remaining - row.remaining, row.cancelled - order.reduced), 0)


def without_effect(order: Order, at: datetime) -> OrderEvent | None:
    """A request that left its order untouched for longer than it could still be on its way."""
    reason = "the broker's list shows the order as it was before"
    if order.state is OrderState.CANCELLING:
        return CancelRefused(order=order.id, code="NO_EFFECT", reason=reason, at=at)
    if order.state is OrderState.MODIFYING:
        return ModifyRefused(order=order.id, code="NO_EFFECT", reason=reason, at=at)
    return None


def repriced(order: Order, row: BrokerOrder) -> bool:
    """Whether the same number of shares traded for another amount than we think."""
    same_shares = row.filled == order.filled > 0
    return same_shares and row.notional > 0 and row.notional != order.notional


def absent(order: Order, further: str, at: datetime) -> OrderRejected:
    """The end of a doubt: the order never came to be."""
    reason = f"two complete lists do not know it, and {further}"
    return OrderRejected(order=order.id, code="ABSENT", reason=reason, at=at)


def unless_owned(
    portfolio: PortfolioView,
    given: dict[OrderKey, OrderId],
    outcome: Outcome,
) -> Outcome:
    """What is implied, or a discrepancy if it gives an order a number of another one.

    `given` are the numbers given since the portfolio was last told; a new one is added.
    """
    if not isinstance(outcome, OrderModified):
        return outcome
    region = region_of(portfolio.orders[outcome.order].intent.instrument)
    key = (region, outcome.ref.day, outcome.ref.number)
    known = portfolio.find(key)
    owner = given.get(key) if known is None else known.id
    if owner is None or owner == outcome.order:
        given[key] = outcome.order
        return outcome
    return Discrepancy(
        subject=f"order {outcome.order}",
        ours=f"number {outcome.ref.number} is of order {owner}",
        theirs=f"number {outcome.ref.number} is a modify of this order",
    )


def known(portfolio: PortfolioView, row: BrokerOrder) -> Order | None:
    """Our order behind a row, by any of its numbers."""
    for ref in row.refs:
        order = portfolio.find((row.region, ref.day, ref.number))
        if order is not None:
            return order
    return None


def awaited(portfolio: PortfolioView, row: BrokerOrder) -> bool:
    """Whether a reply still under way may bring this row's number."""
    return any(
        order.state is OrderState.SENT and same_shape(order, row.instrument, row.side, row.quantity)
        for order in portfolio.open_orders()
    )
