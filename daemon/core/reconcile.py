"""Two witnesses, one truth: what the broker's notices and inquiries mean for our orders.

A *notice* says that shares traded, at once, but carries no execution id and is never replayed.
An *inquiry* counts what traded in all, but late. A fill an inquiry counted first is remembered
and paid back by the notice that follows, so that no share is counted twice and none is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from daemon.core import inference
from daemon.core import orders as order_life
from daemon.core.ahead import Ahead
from daemon.core.books import Discrepancy, differences, position_subject
from daemon.core.calendar import KST
from daemon.core.events import (
    AccountReported,
    CancelRefused,
    ExternalOrderSeen,
    Fill,
    FillSource,
    ModifyRefused,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderReduced,
    OrderRejected,
    OrderRepriced,
    OrderSent,
)
from daemon.core.inference import Outcome
from daemon.core.orders import Order, OrderState
from daemon.core.portfolio import PortfolioView
from daemon.core.values import AccountId, OrderId
from daemon.core.witness import BrokerNotice, BrokerOrder, NoticeKind

PARKED_LIMIT = 1_000


@dataclass(slots=True)
class _Parked:
    notice: BrokerNotice
    since: float


class Reconciler:
    """Turns the broker's two kinds of word into order events. Pure: it records nothing.

    All `now` and `asked` are seconds of one monotonic clock. `grace` is how long a notice may
    lag behind an inquiry, or ahead of the reply that tells its number; `settle` how old an
    order or a request must be before its absence from the broker's books means anything.
    The caller applies every returned event, in order, before it calls again, and reports each
    recorded order event through `note`.
    """

    def __init__(self, account: AccountId, *, grace: float = 10.0, settle: float = 15.0) -> None:
        self._account = account
        self._grace = grace
        self._settle = settle
        self._fills_ahead = Ahead(grace)
        self._cancels_ahead = Ahead(grace)
        self._parked: list[_Parked] = []
        self._changed: dict[OrderId, float] = {}
        self._last_change = float("-inf")
        self._absent: dict[OrderId, int] = {}
        self._account_quiet: dict[OrderId, bool] = {}

    @property
    def waiting(self) -> int:
        """Notices that no order of ours has claimed yet."""
        return len(self._parked)

    def resume(self, portfolio: PortfolioView, *, now: float) -> None:
        """Take over open orders of an earlier run: how fresh they are nobody can tell any more."""
        for order in portfolio.open_orders():
            self._changed[order.id] = now

    def note(self, event: OrderEvent, *, now: float) -> None:
        """An order event was recorded: inquiries asked before `now` may not know of it."""
        self._changed[event.order] = now
        self._last_change = now
        if isinstance(event, (OrderCreated, OrderSent, OrderAccepted, OrderRejected)):
            self._absent.pop(event.order, None)
            self._account_quiet.pop(event.order, None)

    def on_notice(
        self, portfolio: PortfolioView, notice: BrokerNotice, *, at: datetime, now: float
    ) -> list[Outcome]:
        """What a notice means. One with an unknown number waits for its order to claim it."""
        order = portfolio.find(notice.day, notice.number)
        if order is not None:
            return self._meaning(portfolio, order, notice, at=at, now=now)
        if (notice.day, notice.number) in portfolio.external:
            return []
        self._parked.append(_Parked(notice, now))
        if len(self._parked) > PARKED_LIMIT:
            return [self._external(self._parked.pop(0).notice, at)]
        return self.settle(portfolio, at=at, now=now)

    def settle(self, portfolio: PortfolioView, *, at: datetime, now: float) -> list[Outcome]:
        """Look at the waiting notices again: after a reply, after a doubt, and now and then.

        Returns at most one order's events a call, so that each is applied before the next is
        looked at; call again until nothing comes.
        """
        self._parked = [
            parked
            for parked in self._parked
            if (parked.notice.day, parked.notice.number) not in portfolio.external
        ]
        for parked in list(self._parked):
            notice = parked.notice
            order = portfolio.find(notice.day, notice.number)
            if order is not None:
                self._parked.remove(parked)
                meaning = self._meaning(portfolio, order, notice, at=at, now=now)
                if meaning:
                    return meaning
                continue
        for parked in self._parked:
            if now - parked.since > self._grace and not self._awaits_reply(portfolio, parked):
                notice = parked.notice
                self._parked = [
                    other for other in self._parked if other.notice.number != notice.number
                ]
                return [self._external(notice, at)]
        return []

    def on_inquiry(
        self,
        portfolio: PortfolioView,
        rows: Sequence[BrokerOrder],
        *,
        asked: float,
        dead_before: date,
        at: datetime,
        now: float,
    ) -> list[Outcome]:
        """What a complete list of the broker's orders means.

        `asked` is when the inquiry left. Orders of days before `dead_before` no longer live at
        the exchange, whatever the list says of an open rest.
        """
        outcomes: list[Outcome] = []
        seen: dict[OrderId, Order] = {}
        strangers: list[BrokerOrder] = []
        given: dict[tuple[date, str], OrderId] = {}
        for row in rows:
            order = _known(portfolio, row)
            if order is None:
                number = (row.day, row.refs[0].number)
                if number not in given:
                    order = self._claim_by_row(portfolio, row, seen)
                if order is None:
                    strangers.append(row)
                    continue
                given[number] = order.id
                accepted = OrderAccepted(order=order.id, ref=row.refs[0], at=at)
                outcomes.append(accepted)
                order = order_life.apply(order, accepted)
            order = seen.get(order.id, order)
            implied = self._compare(order, row, asked=asked, dead_before=dead_before, at=at)
            implied = [inference.unless_owned(portfolio, given, outcome) for outcome in implied]
            for outcome in implied:
                if isinstance(outcome, OrderEvent):
                    order = order_life.apply(order, outcome)
            seen[order.id] = order
            outcomes += implied
        self._remember_ahead(outcomes, at=at, now=now)
        outcomes += self._strange(portfolio, strangers, seen, at)
        outcomes += self._missing(portfolio, seen, asked=asked, dead_before=dead_before, at=at)
        self._forget_closed(portfolio, now)
        return outcomes

    def on_account(
        self, portfolio: PortfolioView, report: AccountReported, *, asked: float, at: datetime
    ) -> list[Outcome]:
        """Whether holdings moved, as evidence for orders whose outcome is unknown."""
        moved = {each.subject for each in differences(portfolio, report)}
        for order in portfolio.open_orders():
            if order.state is OrderState.IN_DOUBT and self._is_settled(order, asked):
                subject = position_subject(order.intent.instrument)
                self._account_quiet[order.id] = subject not in moved
        return list(self._proven_absent(portfolio, at))

    def quiet_since(self, portfolio: PortfolioView, asked: float) -> bool:
        """Whether nothing was on its way when an inquiry left at `asked`, nor since.

        An old doubt is no longer on its way: it must not keep the books from being judged.
        """
        for order in portfolio.open_orders():
            doubted = order.state is OrderState.IN_DOUBT
            if order.state is OrderState.SENT or (doubted and not self._is_settled(order, asked)):
                return False
        return not self._parked and self._last_change < asked

    def _meaning(
        self,
        portfolio: PortfolioView,
        order: Order,
        notice: BrokerNotice,
        *,
        at: datetime,
        now: float,
    ) -> list[Outcome]:
        match notice.kind:
            case NoticeKind.FILLED:
                return self._fill_by_notice(order, notice, at=at, now=now)
            case NoticeKind.CANCELLED if order.is_open:
                return self._cancel_by_notice(order, notice, at=at, now=now)
            case NoticeKind.MODIFIED if order.is_open:
                modified = inference.modified_by_notice(order, notice, at)
                return [] if modified is None else [inference.unless_owned(portfolio, {}, modified)]
            case NoticeKind.REJECTED if order.is_open:
                reason = "the exchange refused the order after the broker had accepted it"
                return [OrderRejected(order=order.id, code="REFUSED_LATER", reason=reason, at=at)]
            case NoticeKind.MODIFY_REFUSED if order.state is OrderState.MODIFYING:
                reason = "the exchange refused the new price"
                return [ModifyRefused(order=order.id, code="REFUSED_LATER", reason=reason, at=at)]
            case NoticeKind.CANCEL_REFUSED if order.state is OrderState.CANCELLING:
                reason = "the exchange refused the cancel"
                return [CancelRefused(order=order.id, code="REFUSED_LATER", reason=reason, at=at)]
            case _:
                return []

    def _fill_by_notice(
        self, order: Order, notice: BrokerNotice, *, at: datetime, now: float
    ) -> list[Outcome]:
        quantity = self._fills_ahead.pay(order.id, notice, now=now)
        if quantity == 0:
            return []
        room = order.intent.quantity - order.filled
        if notice.price is None or quantity > room:
            # Without an execution id a repeated notice looks like one more fill: never guess.
            return [
                Discrepancy(
                    subject=f"order {order.id}",
                    ours=f"{order.filled} of {order.intent.quantity} shares filled",
                    theirs=f"a notice of {notice.quantity} shares at {notice.price} more",
                )
            ]
        fill = Fill(
            instrument=order.intent.instrument,
            side=order.intent.side,
            quantity=quantity,
            notional=notice.price * quantity,
            source=FillSource.NOTICE,
            exchange_time=notice.exchange_time,
        )
        return [OrderFilled(order=order.id, fill=fill, at=at)]

    def _cancel_by_notice(
        self, order: Order, notice: BrokerNotice, *, at: datetime, now: float
    ) -> list[Outcome]:
        quantity = self._cancels_ahead.pay(order.id, notice, now=now)
        if quantity == 0:
            return []
        if quantity >= order.remaining:
            return [OrderCancelled(order=order.id, at=at)]
        return [OrderReduced(order=order.id, quantity=quantity, at=at)]

    def _remember_ahead(self, outcomes: Sequence[Outcome], *, at: datetime, now: float) -> None:
        """Keep what an inquiry told first, to be paid back by the notices that follow."""
        for outcome in outcomes:
            if isinstance(outcome, OrderFilled):
                self._fills_ahead.owe(outcome.order, outcome.fill.quantity, at=at, now=now)
            elif isinstance(outcome, OrderReduced):
                self._cancels_ahead.owe(outcome.order, outcome.quantity, at=at, now=now)

    def _claim_by_row(
        self, portfolio: PortfolioView, row: BrokerOrder, taken: Mapping[OrderId, Order]
    ) -> Order | None:
        """The order in doubt that owns a row nobody knows. Equal ones are interchangeable."""
        first = row.refs[0]
        if (first.day, first.number) in portfolio.external or _awaited(portfolio, row):
            return None
        for order in portfolio.open_orders():
            if order.id in taken or order.state is not OrderState.IN_DOUBT:
                continue
            if inference.looks_like(order, row) and inference.after_sending(order, row):
                return order
        return None

    def _strange(
        self,
        portfolio: PortfolioView,
        rows: Sequence[BrokerOrder],
        claimed: Mapping[OrderId, Order],
        at: datetime,
    ) -> list[Outcome]:
        """Rows of nobody: the account holder's, unless one of ours still waits for its number.

        A row that looks like an order in doubt but is stamped before it may be that order by a
        clock that is wrong: it is told, and keeps the order from being thought absent.
        """
        outcomes: list[Outcome] = []
        for row in rows:
            first = row.refs[0]
            if (first.day, first.number) in portfolio.external or _awaited(portfolio, row):
                continue
            twin = next(
                (
                    order
                    for order in portfolio.open_orders()
                    if order.state is OrderState.IN_DOUBT
                    and order.id not in claimed
                    and inference.looks_like(order, row)
                ),
                None,
            )
            if twin is not None:
                self._absent.pop(twin.id, None)
                theirs = f"number {first.number} of the same shape, stamped {row.ordered_at}"
                ours = f"in doubt, sent {twin.sent_at}"
                outcomes.append(Discrepancy(subject=f"order {twin.id}", ours=ours, theirs=theirs))
                continue
            outcomes.append(
                ExternalOrderSeen(
                    account=self._account,
                    day=first.day,
                    number=first.number,
                    instrument=row.instrument,
                    side=row.side,
                    quantity=row.quantity,
                    at=at,
                )
            )
        return outcomes

    def _compare(
        self,
        order: Order,
        row: BrokerOrder,
        *,
        asked: float,
        dead_before: date,
        at: datetime,
    ) -> list[Outcome]:
        if (row.instrument, row.side) != (order.intent.instrument, order.intent.side):
            return [inference.contradiction(order, row)]
        outcomes: list[Outcome] = []
        if order.is_open:
            for modified in inference.modified_by_row(order, row, at):
                outcomes.append(modified)
                order = order_life.apply(order, modified)
        settled = self._is_settled(order, asked)
        if row.filled < order.filled:
            # The list may lag behind the stream: only an old difference means anything.
            if not settled:
                return outcomes
            outcomes.append(inference.contradiction(order, row))
        elif row.filled > order.filled:
            missing = inference.missing_fill(order, row)
            if missing is None:
                outcomes.append(inference.contradiction(order, row))
            else:
                filled = OrderFilled(order=order.id, fill=missing, at=at)
                outcomes.append(filled)
                order = order_life.apply(order, filled)
        elif inference.repriced(order, row) and self._unchanged(order, asked):
            amount = row.notional - order.notional
            outcomes.append(OrderRepriced(order=order.id, amount=amount, at=at))
        if order.is_open:
            state = self._state_by_row(order, row, asked=asked, dead_before=dead_before, at=at)
            outcomes += [] if state is None else [state]
        elif row.remaining and row.day >= dead_before and settled:
            outcomes.append(inference.still_open(order, row))
        return outcomes

    def _state_by_row(
        self, order: Order, row: BrokerOrder, *, asked: float, dead_before: date, at: datetime
    ) -> OrderEvent | None:
        """What became of the open rest, once fills agree."""
        closing = inference.closing(order, row, dead_before=dead_before, at=at)
        settled = self._is_settled(order, asked)
        if closing is not None:
            # The old number of a modified order may be gone and its new one not listed yet.
            listed = {ref.number for ref in row.refs}
            blind = order.state is OrderState.MODIFYING or order.refs[-1].number not in listed
            return None if blind and not settled else closing
        reduced = order.remaining - row.remaining
        if reduced > 0 and self._unchanged(order, asked):
            return OrderReduced(order=order.id, quantity=reduced, at=at)
        return inference.without_effect(order, at) if settled else None

    def _missing(
        self,
        portfolio: PortfolioView,
        seen: Mapping[OrderId, Order],
        *,
        asked: float,
        dead_before: date,
        at: datetime,
    ) -> list[Outcome]:
        """Orders of ours that a complete list does not know."""
        outcomes: list[Outcome] = []
        for order in portfolio.open_orders():
            if order.id in seen:
                self._absent.pop(order.id, None)
                continue
            if order.state in (OrderState.CREATED, OrderState.SENT):
                continue
            if not self._is_settled(order, asked):
                continue
            self._absent[order.id] = self._absent.get(order.id, 0) + 1
            if self._absent[order.id] < 2:
                continue
            if order.state is OrderState.IN_DOUBT:
                if order.created_at.astimezone(KST).date() < dead_before:
                    outcomes.append(inference.absent(order, "its day is over", at))
            else:
                outcomes.append(inference.forgotten(order))
                if order.refs[-1].day < dead_before:
                    outcomes.append(OrderExpired(order=order.id, at=at))
        proven = self._proven_absent(portfolio, at)
        ended = {each.order for each in outcomes if isinstance(each, OrderRejected)}
        return outcomes + [each for each in proven if each.order not in ended]

    def _proven_absent(self, portfolio: PortfolioView, at: datetime) -> list[OrderRejected]:
        """Doubt ends in a rejection only on three witnesses: two lists, and unmoved holdings."""
        return [
            inference.absent(order, "the holding did not move", at)
            for order in portfolio.open_orders()
            if order.state is OrderState.IN_DOUBT
            and self._absent.get(order.id, 0) >= 2
            and self._account_quiet.get(order.id, False)
            and not any(inference.fits(order, parked.notice) for parked in self._parked)
        ]

    def _forget_closed(self, portfolio: PortfolioView, now: float) -> None:
        alive = {order.id for order in portfolio.open_orders()}
        self._changed = {
            order_id: changed
            for order_id, changed in self._changed.items()
            if order_id in alive or now - changed < self._settle + self._grace
        }

    def _unchanged(self, order: Order, asked: float) -> bool:
        """Whether the order is as it was when an inquiry left at `asked`."""
        return self._changed.get(order.id, float("-inf")) < asked

    def _is_settled(self, order: Order, asked: float) -> bool:
        """Whether an inquiry asked then left long enough after the order last changed."""
        return asked - self._changed.get(order.id, float("-inf")) >= self._settle

    def _awaits_reply(self, portfolio: PortfolioView, parked: _Parked) -> bool:
        """Whether an order that has no number yet might be the one the notice speaks of."""
        unnumbered = (OrderState.SENT, OrderState.IN_DOUBT)
        return any(
            order.state in unnumbered and order.intent.instrument == parked.notice.instrument
            for order in portfolio.open_orders()
        )

    def _external(self, notice: BrokerNotice, at: datetime) -> ExternalOrderSeen:
        return ExternalOrderSeen(
            account=notice.account,
            day=notice.day,
            number=notice.number,
            instrument=notice.instrument,
            side=notice.side,
            quantity=notice.quantity,
            at=at,
        )


def _known(portfolio: PortfolioView, row: BrokerOrder) -> Order | None:
    for ref in row.refs:
        order = portfolio.find(ref.day, ref.number)
        if order is not None:
            return order
    return None


def _awaited(portfolio: PortfolioView, row: BrokerOrder) -> bool:
    """Whether a reply still under way may bring this row's number."""
    return any(
        order.state is OrderState.SENT
        and inference.same_shape(order, row.instrument, row.side, row.quantity)
        for order in portfolio.open_orders()
    )
