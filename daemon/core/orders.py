"""The life of an order: one table of legal moves, and the only code that makes them.

    CREATED ─► SENT ─► WORKING ─► FILLED
                 │       │  ▲
                 │       ▼  │
                 │   MODIFYING / CANCELLING ─► CANCELLED
                 ▼
             IN_DOUBT ─► (whatever the broker's books say)

Rule 1: whatever moves an order is in this file. Rule 2: this file does not know who tells.
A partly filled order is `WORKING` with `filled > 0`: quantity is data, not a state.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from daemon.core.errors import InvariantBroken
from daemon.core.events import (
    CancelRefused,
    CancelSent,
    Fill,
    FillSource,
    ModifyRefused,
    ModifySent,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderDoubted,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderIntent,
    OrderModified,
    OrderReduced,
    OrderRejected,
    OrderRepriced,
    OrderSent,
)
from daemon.core.values import BrokerRef, OrderId


class OrderState(StrEnum):
    """Where an order is. The last four are closed: nothing is open at the broker."""

    CREATED = "created"
    SENT = "sent"
    IN_DOUBT = "in_doubt"
    WORKING = "working"
    MODIFYING = "modifying"
    CANCELLING = "cancelling"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is expected of the order."""
        return self in _CLOSED


_CLOSED = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED}
)
_LIVE = (OrderState.WORKING, OrderState.MODIFYING, OrderState.CANCELLING)
UNANSWERED = (OrderState.SENT, OrderState.IN_DOUBT)
"""States of an order that may have left, and was not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as the journal tells it.

    `limit` is the price in force (a modify changes it, the intent keeps the first one).
    `asked_limit` is a price a modify is under way to. `refs` are all numbers the broker gave it,
    the current one last. `filled` and `reduced` are shares; `notional` is the exact amount
    traded so far. `fills` are what was counted, in that order, and by whose word.
    """

    id: OrderId
    intent: OrderIntent
    state: OrderState
    limit: Decimal | None
    refs: tuple[BrokerRef, ...]
    filled: int
    reduced: int
    notional: Decimal
    created_at: datetime
    updated_at: datetime
    fills: tuple[Fill, ...] = ()
    sent_at: datetime | None = None
    asked_limit: Decimal | None = None
    cause: str = ""

    @property
    def ref(self) -> BrokerRef | None:
        """The number to quote to the broker now, `None` while it is not known."""
        return self.refs[-1] if self.refs else None

    @property
    def remaining(self) -> int:
        """Shares that could still trade if the order is live."""
        return self.intent.quantity - self.filled - self.reduced

    @property
    def counted_by_list(self) -> bool:
        """Whether an inquiry ever told shares of it: which fills they were, nobody knows."""
        return any(fill.source is FillSource.INQUIRY for fill in self.fills)

    @property
    def is_open(self) -> bool:
        """Whether the order is, or may be, alive at the broker."""
        return not self.state.is_closed


def _table() -> dict[tuple[OrderState, type[OrderEvent]], OrderState]:
    state = OrderState
    legal: dict[tuple[OrderState, type[OrderEvent]], OrderState] = {
        (state.CREATED, OrderSent): state.SENT,
        (state.CREATED, OrderRejected): state.REJECTED,
        (state.SENT, OrderDoubted): state.IN_DOUBT,
        (state.WORKING, CancelSent): state.CANCELLING,
        (state.WORKING, ModifySent): state.MODIFYING,
        (state.MODIFYING, CancelSent): state.CANCELLING,
        (state.MODIFYING, ModifyRefused): state.WORKING,
        (state.CANCELLING, CancelRefused): state.WORKING,
        (state.CANCELLING, ModifyRefused): state.CANCELLING,
        # No order is asked for a second price any more before the first is known: old journals
        # tell of it after a cancel that was refused.
        (state.MODIFYING, ModifySent): state.MODIFYING,
    }
    for unanswered in UNANSWERED:
        legal[unanswered, OrderAccepted] = state.WORKING
        legal[unanswered, OrderRejected] = state.REJECTED
    for live in _LIVE:
        legal[live, OrderRejected] = state.REJECTED
        legal[live, OrderCancelled] = state.CANCELLED
        legal[live, OrderExpired] = state.EXPIRED
        legal[live, OrderReduced] = live
    # A modify made by hand in the broker's app reaches an order that asked for nothing, and one
    # that was crossed by a cancel leaves the cancel pending under the new number.
    legal[state.WORKING, OrderModified] = state.WORKING
    legal[state.MODIFYING, OrderModified] = state.WORKING
    legal[state.CANCELLING, OrderModified] = state.CANCELLING
    # The exchange's word on a trade is final, even after we believed the order closed.
    for any_state in state:
        if any_state is not state.CREATED:
            legal[any_state, OrderFilled] = any_state
            legal[any_state, OrderRepriced] = any_state
    return legal


LEGAL = _table()
"""(state, event) → next state, before quantities are looked at."""


def create(event: OrderCreated) -> Order:
    """Bring an order into being."""
    return Order(
        id=event.order,
        intent=event.intent,
        state=OrderState.CREATED,
        limit=event.intent.limit,
        refs=(),
        filled=0,
        reduced=0,
        notional=Decimal(0),
        created_at=event.at,
        updated_at=event.at,
    )


def apply(order: Order, event: OrderEvent) -> Order:
    """Return the order after `event`.

    Raises `InvariantBroken` when the table does not allow the move, when a fill or a reduction
    exceeds what remains, or when a second acceptance names another number.
    """
    if isinstance(event, OrderCreated):
        raise InvariantBroken(f"order {order.id} was created twice")
    following = LEGAL.get((order.state, type(event)))
    if following is None:
        raise InvariantBroken(
            f"order {order.id} is {order.state}: {type(event).__name__} is not a legal move"
        )
    if isinstance(event, OrderSent):
        # The one fact a request waits for: in one copy instead of two.
        return replace(order, state=following, updated_at=event.at, sent_at=event.at)
    return _with_figures(replace(order, state=following, updated_at=event.at), event)


def _with_figures(order: Order, event: OrderEvent) -> Order:
    match event:
        case OrderAccepted():
            return replace(order, refs=(*order.refs, event.ref))
        case ModifySent():
            return replace(order, asked_limit=event.limit)
        case ModifyRefused():
            return replace(order, asked_limit=None)
        case CancelRefused() if order.asked_limit is not None:
            # The price asked for before the cancel may still take effect.
            return replace(order, state=OrderState.MODIFYING)
        case OrderModified():
            refs = (*order.refs, event.ref)
            return replace(order, refs=refs, limit=event.limit, asked_limit=None)
        case OrderFilled():
            return _filled(order, event)
        case OrderReduced():
            return _reduced(order, event)
        case OrderRepriced():
            return _repriced(order, event)
        case OrderRejected():
            return replace(order, cause=f"{event.code}: {event.reason}")
        case OrderDoubted():
            return replace(order, cause=event.cause)
        case _:
            return order


def _filled(order: Order, event: OrderFilled) -> Order:
    fill = event.fill
    if fill.quantity <= 0 or fill.quantity > order.intent.quantity - order.filled:
        raise InvariantBroken(
            f"order {order.id}: a fill of {fill.quantity} exceeds "
            f"{order.intent.quantity} ordered less {order.filled} filled"
        )
    if fill.instrument != order.intent.instrument or fill.side is not order.intent.side:
        raise InvariantBroken(f"order {order.id}: a fill of another instrument or side")
    order = replace(
        order,
        filled=order.filled + fill.quantity,
        notional=order.notional + fill.notional,
        fills=(*order.fills, fill),
    )
    if order.filled + order.reduced < order.intent.quantity:
        return order
    # With nothing left, a part that was cancelled along the way still shows in the final state.
    closed = OrderState.FILLED if order.reduced == 0 else OrderState.CANCELLED
    return replace(order, state=closed)


def _reduced(order: Order, event: OrderReduced) -> Order:
    if event.quantity <= 0 or event.quantity >= order.remaining:
        raise InvariantBroken(
            f"order {order.id}: a partial cancel of {event.quantity} of {order.remaining} open"
        )
    return replace(order, reduced=order.reduced + event.quantity)


def _repriced(order: Order, event: OrderRepriced) -> Order:
    notional = order.notional + event.amount
    if order.filled == 0 or notional <= 0:
        raise InvariantBroken(
            f"order {order.id}: {order.filled} shares cannot have traded for {notional}"
        )
    return replace(order, notional=notional)
