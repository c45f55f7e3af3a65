"""Two witnesses, one truth: what the broker's notices and inquiries mean for our orders.

A *notice* says that shares traded, but carries no execution id; it may come twice, late or never.
An *inquiry* counts what traded in all, but lags. A notice counts only if it is proven to be new;
any other is a hint to inquire, and once a list has counted an order, lists alone count it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from types import MappingProxyType

from daemon.core import inference
from daemon.core import orders as order_life
from daemon.core.books import credible_in, holding_differences, position_subject
from daemon.core.events import (
    AccountReported,
    CancelRefused,
    ExternalOrderSeen,
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
from daemon.core.inference import Hint, Outcome
from daemon.core.orders import UNANSWERED, Order, OrderState
from daemon.core.portfolio import OrderKey, PortfolioView
from daemon.core.values import AccountId, OrderId, Region, Session, currency_of, region_of
from daemon.core.witness import BrokerNotice, BrokerOrder, NoticeKind
from daemon.core.zones import local_date

PARKED_LIMIT = 1_000

SETTLE = 75.0
"""Seconds after which an inquiry knows of everything before. This rests on a promise: the broker's
lists and balances lag by at most 60 s. If they lag longer, an order may be given up that lives."""


NOWHERE_ELSE: Mapping[tuple[Region, Session], date] = MappingProxyType({})


@dataclass(slots=True)
class _Parked:
    notice: BrokerNotice
    since: float


@dataclass(slots=True)
class _Hinted:
    """A hint that waits for a list to cover it: so many shares filled, or else the order closed."""

    shares: int | None
    since: float


class Reconciler:
    """Turns the broker's two kinds of word into order events. Pure: it records nothing.

    All `now` and `asked` are seconds of one monotonic clock. `grace` is how long a notice may
    come ahead of the reply that tells its number, and how long a cancel may take; `settle` how
    old anything must be before the broker's books mean anything by not showing it.
    The caller applies every returned event, in order, before it calls again, and reports each
    recorded order event through `note`.
    """

    def __init__(self, account: AccountId, *, grace: float = 10.0, settle: float = SETTLE) -> None:
        self.settle_seconds = settle
        self.list_was_whole = False
        self._account = account
        self._grace = grace
        self._parked: list[_Parked] = []
        self._hints: dict[tuple[OrderId, NoticeKind], _Hinted] = {}
        self._changed: dict[OrderId, float] = {}
        self._numbered: dict[OrderId, tuple[date, float]] = {}
        self._absent: dict[OrderId, int] = {}
        self._account_quiet: dict[OrderId, bool] = {}

    @property
    def waiting(self) -> int:
        """Notices that no order of ours has claimed yet."""
        return len(self._parked)

    @property
    def hinted(self) -> bool:
        """Whether a notice told of something that no list has covered yet."""
        return bool(self._hints)

    def at_rest(self, portfolio: PortfolioView) -> bool:
        """Whether nothing of ours could trade, or have traded unheard, as far as is known."""
        return not (portfolio.open_orders() or self._parked or self._hints)

    def resume(self, portfolio: PortfolioView, *, now: float) -> None:
        """Take over orders of an earlier run: how fresh they are nobody can tell any more."""
        for order in portfolio.orders.values():
            self._changed[order.id] = now
            if order.refs:
                self._numbered[order.id] = order.refs[0].day, float("-inf")

    def note(self, event: OrderEvent, *, now: float) -> None:
        """An order event was recorded: inquiries asked before `now` may not know of it."""
        self._changed[event.order] = now
        if isinstance(event, OrderAccepted):
            self._numbered[event.order] = event.ref.day, now
        if isinstance(event, (OrderCreated, OrderSent, OrderAccepted, OrderRejected)):
            self._absent.pop(event.order, None)
            self._account_quiet.pop(event.order, None)

    def on_notice(
        self, portfolio: PortfolioView, notice: BrokerNotice, *, at: datetime, now: float
    ) -> list[Outcome]:
        """What a notice means. One with an unknown number waits for its order to claim it."""
        order = portfolio.find(notice.key)
        if order is not None:
            return self._meaning(portfolio, order, notice, at=at, now=now)
        if notice.key in portfolio.external:
            return []
        self._parked.append(_Parked(notice, now))
        if len(self._parked) > PARKED_LIMIT:
            return [inference.external(self._account, self._parked.pop(0).notice, at)]
        return self.settle(portfolio, at=at, now=now)

    def settle(self, portfolio: PortfolioView, *, at: datetime, now: float) -> list[Outcome]:
        """Look at the waiting notices again: after a reply, after a doubt, and now and then.

        Returns at most one order's events a call, so that each is applied before the next is
        looked at; call again until nothing comes.
        """
        self._parked = [
            parked for parked in self._parked if parked.notice.key not in portfolio.external
        ]
        for parked in list(self._parked):
            notice = parked.notice
            order = portfolio.find(notice.key)
            if order is not None:
                self._parked.remove(parked)
                meaning = self._meaning(portfolio, order, notice, at=at, now=now)
                if meaning:
                    return meaning
                continue
        for parked in self._parked:
            if now - parked.since > self._grace and not self._awaits_reply(portfolio, parked):
                notice = parked.notice
                self._parked = [other for other in self._parked if other.notice.key != notice.key]
                return [inference.external(self._account, notice, at)]
        return []

    def on_inquiry(
        self,
        portfolio: PortfolioView,
        rows: Sequence[BrokerOrder],
        *,
        asked: float,
        since: date,
        dead_before: Mapping[Region, date],
        over_before: Mapping[Region, date] | None = None,
        elsewhere: Mapping[tuple[Region, Session], date] = NOWHERE_ELSE,
        at: datetime,
        now: float,
    ) -> list[Outcome]:
        """What a list of the broker's orders from the day `since` on means.

        `asked` is when the inquiry left. Orders of days before their region's `dead_before` no
        longer live at the exchange, whatever the list says of an open rest, and those of days
        before `over_before` no longer if it says that nothing is open. `elsewhere` holds instead
        of both for orders of a session that ends at its own time. A list that lacks an order it
        must know is only a part: what it shows is true, and what it does not show means nothing.
        """
        outcomes: list[Outcome] = []
        seen: dict[OrderId, Order] = {}
        strangers: list[BrokerOrder] = []
        given: dict[OrderKey, OrderId] = {}
        owned: list[tuple[OrderId, BrokerOrder]] = []
        for row in rows:
            order = inference.known(portfolio, row)
            if order is None:
                if row.key not in given:
                    order = self._claim_by_row(portfolio, row, seen)
                if order is None:
                    strangers.append(row)
                    continue
                given[row.key] = order.id
                accepted = OrderAccepted(order=order.id, ref=row.refs[0], at=at)
                outcomes.append(accepted)
                order = order_life.apply(order, accepted)
            order = seen.get(order.id, order)
            over = dead_before if over_before is None or row.remaining else over_before
            rest = row.remaining > 0
            dead = inference.dead_before(order, over, elsewhere, open_rest=rest)
            implied = self._compare(order, row, asked=asked, dead_before=dead, at=at)
            implied = [inference.unless_owned(portfolio, given, outcome) for outcome in implied]
            for outcome in implied:
                if isinstance(outcome, OrderEvent):
                    order = order_life.apply(order, outcome)
            seen[order.id] = order
            owned.append((order.id, row))
            outcomes += implied
        dead_of = partial(inference.dead_before, days=dead_before, elsewhere=elsewhere)
        outcomes += self._strange(portfolio, strangers, seen, dead_of=dead_of, at=at)
        clear = not any(inference.is_another(seen[order], row) for order, row in owned)
        self.list_was_whole = clear and self._is_whole(seen, asked=asked, since=since)
        outcomes += self._missing(portfolio, seen, asked=asked, since=since, dead_of=dead_of, at=at)
        self._drop_hints(portfolio, seen, asked)
        self._forget(portfolio, asked)
        return outcomes

    def on_account(
        self, portfolio: PortfolioView, report: AccountReported, *, asked: float, at: datetime
    ) -> list[Outcome]:
        """Whether holdings moved, as evidence for orders whose outcome is unknown."""
        moved = {each.subject for each in holding_differences(portfolio, report)}
        for order in portfolio.open_orders():
            if order.state is OrderState.IN_DOUBT and self._is_settled(order, asked):
                instrument = order.intent.instrument
                if credible_in(currency_of(instrument), portfolio, report):
                    self._account_quiet[order.id] = position_subject(instrument) not in moved
        return list(self._proven_absent(portfolio, at))

    def _meaning(
        self,
        portfolio: PortfolioView,
        order: Order,
        notice: BrokerNotice,
        *,
        at: datetime,
        now: float,
    ) -> list[Outcome]:
        """The events a notice proves, or a hint: any may be an old one, told late or again."""
        match notice.kind:
            case NoticeKind.FILLED:
                fill = inference.new_fill(order, notice)
                if fill is not None:
                    return [OrderFilled(order=order.id, fill=fill, at=at)]
                # Nothing more can be learnt of an order that traded in full.
                return (
                    self._hint(order, notice, now) if order.filled < order.intent.quantity else []
                )
            case NoticeKind.CANCELLED if order.is_open:
                if inference.ends_by_cancel(order, notice):
                    return [OrderCancelled(order=order.id, at=at)]
                return self._hint(order, notice, now)
            case NoticeKind.MODIFIED if order.is_open:
                modified = inference.modified_by_notice(order, notice, at)
                if modified is not None:
                    return [inference.unless_owned(portfolio, {}, modified)]
                if inference.knows_number(order, notice.new_number):
                    return []
                return self._hint(order, notice, now)
            case NoticeKind.REJECTED if order.is_open:
                if order.filled:
                    return self._hint(order, notice, now)
                reason = "the exchange refused the order after the broker had accepted it"
                return [OrderRejected(order=order.id, code="REFUSED_LATER", reason=reason, at=at)]
            case NoticeKind.MODIFY_REFUSED if order.state is OrderState.MODIFYING:
                # It may be of an earlier attempt: this one's price may take effect and binds cash.
                return self._hint(order, notice, now)
            case NoticeKind.CANCEL_REFUSED if order.state is OrderState.CANCELLING:
                # Even if this attempt still lives, nothing is lost: the order counts as alive.
                reason = "the exchange refused the cancel"
                return [CancelRefused(order=order.id, code="REFUSED_LATER", reason=reason, at=at)]
            case _:
                return []

    def _hint(self, order: Order, notice: BrokerNotice, now: float) -> list[Outcome]:
        """Remember to ask until a list covers what a notice told, or none can lag that long."""
        key = (order.id, notice.kind)
        shares = None
        if notice.kind is NoticeKind.FILLED:
            before = self._hints.get(key)
            counted = order.filled if before is None else max(before.shares or 0, order.filled)
            shares = min(counted + notice.quantity, order.intent.quantity)
        self._hints[key] = _Hinted(shares, now)
        return [Hint(order=order.id, told=f"{notice.kind}: {notice.quantity} shares")]

    def _drop_hints(
        self, portfolio: PortfolioView, seen: Mapping[OrderId, Order], asked: float
    ) -> None:
        """Let go of hints that a list asked then has answered."""
        for (order_id, kind), hinted in list(self._hints.items()):
            order = seen.get(order_id) or portfolio.orders[order_id]
            covered = not order.is_open if hinted.shares is None else order.filled >= hinted.shares
            if covered or asked - hinted.since >= self.settle_seconds:
                del self._hints[order_id, kind]

    def _claim_by_row(
        self, portfolio: PortfolioView, row: BrokerOrder, taken: Mapping[OrderId, Order]
    ) -> Order | None:
        """The order in doubt that owns a row nobody knows. Equal ones are interchangeable."""
        if row.key in portfolio.external or inference.awaited(portfolio, row):
            return None
        for order in portfolio.open_orders():
            if order.id in taken or order.state is not OrderState.IN_DOUBT:
                continue
            # On a later day it is another's, unless midnight fell into its flight.
            in_time = inference.stamped_in_time(order, row, within=self.settle_seconds)
            if in_time and inference.looks_like(order, row):
                return order
        return None

    def _strange(
        self,
        portfolio: PortfolioView,
        rows: Sequence[BrokerOrder],
        claimed: Mapping[OrderId, Order],
        *,
        dead_of: Callable[[Order], date],
        at: datetime,
    ) -> list[Outcome]:
        """Rows of nobody: the account holder's, unless one of ours still waits for its number.

        A row that looks like an order in doubt but is stamped before it may be that order by a
        clock that is wrong: it is told, and keeps the order from being thought absent until its
        day is over.
        """
        outcomes: list[Outcome] = []
        for row in rows:
            first = row.refs[0]
            if row.key in portfolio.external or inference.awaited(portfolio, row):
                continue
            twin = next(
                (
                    order
                    for order in portfolio.open_orders()
                    if order.state is OrderState.IN_DOUBT
                    and order.id not in claimed
                    and inference.of_its_day(order, row, dead_before=dead_of(order))
                    and inference.looks_like(order, row)
                ),
                None,
            )
            if twin is not None:
                self._absent.pop(twin.id, None)
                outcomes.append(inference.stamped_too_early(twin, row))
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
        if inference.is_another(order, row):
            return [inference.mixed_up(order, row)]
        outcomes: list[Outcome] = []
        if order.is_open:
            for modified in inference.modified_by_row(order, row, at):
                outcomes.append(modified)
                order = order_life.apply(order, modified)
        if not row.rooted:
            return outcomes
        settled = self._is_settled(order, asked)
        if row.filled < order.filled:
            # The list may lag behind the stream: only an old difference means anything.
            if not settled:
                return outcomes
            outcomes += inference.shortfall(order, row, dead_before=dead_before)
        elif row.filled > order.filled:
            missing = inference.missing_fill(order, row)
            if missing is None:
                outcomes.append(inference.contradiction(order, row))
            else:
                filled = OrderFilled(order=order.id, fill=missing, at=at)
                outcomes.append(filled)
                order = order_life.apply(order, filled)
        elif inference.repriced(order, row) and settled:
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
        # The old number of a modified order may be gone and its new one not listed yet.
        listed = {ref.number for ref in row.refs}
        blind = order.asked_limit is not None or order.refs[-1].number not in listed
        settled = self._is_settled(order, asked)
        if settled or not blind:
            closing = inference.closing(order, row, dead_before=dead_before, at=at)
            if closing is not None:
                return closing
            reduced = inference.reduced(order, row)
            if reduced and row.filled == order.filled:
                return OrderReduced(order=order.id, quantity=reduced, at=at)
        # A cancel may be asked for again without harm, so it is given up much sooner.
        cancelling = order.state is OrderState.CANCELLING
        patience = self._grace if cancelling else self.settle_seconds
        overdue = asked - self._changed.get(order.id, float("-inf")) >= patience
        return inference.without_effect(order, at) if overdue else None

    def _missing(
        self,
        portfolio: PortfolioView,
        seen: Mapping[OrderId, Order],
        *,
        asked: float,
        since: date,
        dead_of: Callable[[Order], date],
        at: datetime,
    ) -> list[Outcome]:
        """Orders of ours that a list does not know.

        A doubt may end by that, so only a list that knows all others counts for it.
        """
        outcomes: list[Outcome] = []
        for order in portfolio.open_orders():
            if order.id in seen:
                self._absent.pop(order.id, None)
                continue
            if order.state in (OrderState.CREATED, OrderState.SENT):
                continue
            if not self._is_settled(order, asked):
                continue
            doubted = order.state is OrderState.IN_DOUBT
            region = region_of(order.intent.instrument)
            reached = local_date(region, order.created_at) >= since
            if doubted and not (self.list_was_whole and reached):
                continue
            self._absent[order.id] = self._absent.get(order.id, 0) + 1
            if self._absent[order.id] >= 2 and not doubted:
                outcomes.append(inference.forgotten(order))
                if order.refs[-1].day < dead_of(order):
                    outcomes.append(OrderExpired(order=order.id, at=at))
        return outcomes + list(self._proven_absent(portfolio, at))

    def _is_whole(self, seen: Mapping[OrderId, Order], *, asked: float, since: date) -> bool:
        """Whether a list shows every order of ours, open or closed, that it must know by now.

        Pages get lost, and an outage looks like a day without orders.
        """
        self._numbered = {
            order_id: (day, known)
            for order_id, (day, known) in self._numbered.items()
            if day >= since
        }
        return all(
            order_id in seen or asked - known < self.settle_seconds
            for order_id, (_, known) in self._numbered.items()
        )

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

    def _forget(self, portfolio: PortfolioView, asked: float) -> None:
        alive = {order.id for order in portfolio.open_orders()}
        self._changed = {
            order_id: changed
            for order_id, changed in self._changed.items()
            if order_id in alive or asked - changed < self.settle_seconds
        }

    def _is_settled(self, order: Order, asked: float) -> bool:
        """Whether an inquiry asked then left long enough after the order last changed."""
        return asked - self._changed.get(order.id, float("-inf")) >= self.settle_seconds

    def _awaits_reply(self, portfolio: PortfolioView, parked: _Parked) -> bool:
        """Whether an order that still expects a number might be the one the notice speaks of."""
        return any(
            order.intent.instrument == parked.notice.instrument
            and (order.state in UNANSWERED or order.asked_limit is not None)
            for order in portfolio.open_orders()
        )
