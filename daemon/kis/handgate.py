"""The daemon's own judge over a script's orders, with what a script knows: what the broker says.

The rules are those of `core.risk`. The books are asked for anew before every order: the last price,
cash, holdings and open orders of the country the order is for. What only a daemon knows is not
judged: which strategy owns what, disputed trading days, closings ahead of the bell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from daemon.core.activity import Activity
from daemon.core.calendar import Calendars
from daemon.core.errors import OutcomeUnknown, RiskRefused
from daemon.core.events import (
    AccountReported,
    Actor,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderDoubted,
    OrderIntent,
    OrderRejected,
    OrderSent,
    TradingState,
    TradingStateChanged,
)
from daemon.core.lagging import LaggingBooks
from daemon.core.limits import FixedRates, RiskLimits, Rule
from daemon.core.orders import Order
from daemon.core.portfolio import OrderKey, Portfolio, order_keys
from daemon.core.reconcile import SETTLE
from daemon.core.risk import Denied, check, market_problem, modification_problem, state_problem
from daemon.core.sessions import NotAccepted, OrderStyle, acceptance, intent_acceptance
from daemon.core.steps import is_fund_step
from daemon.core.values import (
    AccountId,
    BrokerRef,
    Currency,
    InstrumentId,
    OrderId,
    Region,
    Side,
    StrategyId,
    region_of,
)
from daemon.core.witness import BrokerOrder
from daemon.core.zones import local_date
from daemon.kis.rest import KisRest
from daemon.ports import Clock, InstrumentInfo

BY_HAND = StrategyId("by-hand")
LISTED = StrategyId("listed")
"""Whose the orders are that the broker lists and this script did not place."""

CLOCKS_APART = timedelta(seconds=5)
"""The broker's list tells an order's second by its own clock."""

SwitchState = Callable[[], tuple[TradingState, str]]
"""Where the account's kill switch is, and why: see `store.switchfiles`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandRules:
    """What a script's orders must keep. `rates` are KRW for one unit of a currency."""

    limits: RiskLimits
    calendars: Calendars
    rates: Mapping[Currency, Decimal]
    state: SwitchState


@dataclass(frozen=True, slots=True)
class _Asked:
    """`PriceView` of what was just asked, and `rates` with it."""

    infos: Mapping[InstrumentId, InstrumentInfo]
    at: datetime
    rates: FixedRates

    def last_price(self, instrument: InstrumentId) -> Decimal | None:
        info = self.infos.get(instrument)
        return info.last if info is not None and info.last > 0 else None

    def priced_at(self, instrument: InstrumentId) -> datetime | None:
        return self.at if instrument in self.infos else None

    def upper_limit(self, instrument: InstrumentId) -> Decimal | None:
        info = self.infos.get(instrument)
        return None if info is None else info.upper_limit

    def lower_limit(self, instrument: InstrumentId) -> Decimal | None:
        info = self.infos.get(instrument)
        return None if info is None else info.lower_limit

    def is_fund(self, instrument: InstrumentId) -> bool:
        info = self.infos.get(instrument)
        return info is not None and is_fund_step(info.last, info.step)


@dataclass(slots=True)
class _Sent:
    """An order of this script and what is known of it; `row` is what a list told of it last."""

    order: Order
    answer: OrderAccepted | OrderRejected | None = None
    doubted: bool = False
    row: BrokerOrder | None = None

    @property
    def region(self) -> Region:
        return region_of(self.order.intent.instrument)

    def is_alive(self, today: date) -> bool:
        """Whether it may be open at the broker, though no list shows it: all day long."""
        if isinstance(self.answer, OrderAccepted):
            return self.row is None and self.answer.ref.day >= today
        return self.answer is None

    def is_over(self, today: date) -> bool:
        """Whether nothing of it can be open."""
        ended = self.row is not None and self.row.remaining == 0 and self.row.accounted
        return not self.is_alive(today) and (self.row is None or self.row.day < today or ended)


@dataclass(slots=True)
class _Move:
    """A new price of an order, sent `at`, and the number that the broker gave it, once known.

    `order` is as the list told it before, with the new price as `asked_limit`.
    """

    order: Order
    at: datetime
    ref: BrokerRef | None = None

    def is_recent(self, now: datetime) -> bool:
        """Whether a list asked for now need not know of it."""
        return (now - self.at).total_seconds() < SETTLE

    def is_hidden(self, row: BrokerOrder, at: datetime) -> bool:
        """Whether a row of a list asked for at `at` is of its order and does not show it yet."""
        shown = self.ref is not None and any(each.number == self.ref.number for each in row.refs)
        return (
            self.is_recent(at)
            and not shown
            and not set(order_keys(self.order)).isdisjoint(_keys(row))
        )


class HandGate:
    """Judges one script's orders one after another, and counts what it sent itself.

    An accepted order counts as open in full until the broker's list shows it, or its day is over;
    from then on its row counts, at the dearer of two prices while a new one may not show yet.
    What the list shows as traded counts as held before the balance shows it: see `core.lagging`.
    An order of unknown outcome counts until the list shows it, and no other is sent on its
    instrument meanwhile. Limits on pace count what this script sent since it began.
    """

    def __init__(self, broker: KisRest, clock: Clock, rules: Callable[[], HandRules]) -> None:
        self._broker = broker
        self._clock = clock
        self._rules = rules
        self._activity = Activity()
        self._sent: list[_Sent] = []
        self._moves: list[_Move] = []
        self._numbers: set[OrderKey] = set()
        self._held: dict[Region, LaggingBooks] = {}

    async def judge(self, order: Order) -> None:
        """Let a new order pass, or raise `RiskRefused`; `TradingError` where the facts cannot
        be had."""
        intent, rules = order.intent, self._rules()
        self._pass_switch(intent)
        portfolio, known = await self._facts(intent)
        fund = known.is_fund(intent.instrument)
        now = self._clock.now()
        taken = intent_acceptance(rules.calendars, intent, now, fund=fund)
        if isinstance(taken, NotAccepted):
            raise RiskRefused(Rule.GATE_CLOSED, taken.reason)
        [told] = check(
            [intent], portfolio, quotes=known, limits=rules.limits, now=now, rates=known.rates
        )
        if isinstance(told, Denied):
            raise RiskRefused(told.rule, told.detail)

    async def judge_price(self, order: Order, limit: Decimal) -> None:
        """The same of a new price for an open order."""
        rules = self._rules()
        self._pass_switch(order.intent)
        portfolio, known = await self._facts(order.intent)
        instrument, session = order.intent.instrument, order.intent.session
        now = self._clock.now()
        taken = acceptance(
            rules.calendars, instrument, now, style=OrderStyle.LIMIT, session=session
        )
        if isinstance(taken, NotAccepted):
            raise RiskRefused(Rule.GATE_CLOSED, taken.reason)
        told = modification_problem(
            order, limit, portfolio, quotes=known, limits=rules.limits, now=now, rates=known.rates
        )
        if told is not None:
            raise RiskRefused(told.rule, told.detail)

    def leaving(self, order: Order, *, new: bool) -> None:
        """Asked again just before an order leaves, or one with a new `asked_limit`; counts it."""
        self._pass_switch(order.intent)
        now = self._clock.now()
        self._activity.orders.add(now)
        # A request leaves a second time if its token was refused.
        if new and not any(each.order.id == order.id for each in self._sent):
            self._sent.append(_Sent(order))
        elif not new and not any(each.order.id == order.id for each in self._moves):
            self._moves = [each for each in self._moves if each.is_recent(now)]
            self._moves.append(_Move(order, now))
        longest = timedelta(seconds=self._rules().limits.duplicate_window_seconds)
        self._sent = [
            each
            for each in self._sent
            if not each.is_over(local_date(each.region, now))
            or now - each.order.created_at <= longest
        ]

    def check_owner(self, order: Order, ref: BrokerRef) -> None:
        """Raise `OutcomeUnknown` where a reply names the number of another of its orders."""
        key = (region_of(order.intent.instrument), ref.day, ref.number)
        if key in self._numbers and key not in order_keys(order):
            raise OutcomeUnknown(f"the reply names number {ref.number} of another order")

    def accepted(self, order: Order, ref: BrokerRef) -> None:
        """The broker knows it by that number, and will list it."""
        self._numbers.add((region_of(order.intent.instrument), ref.day, ref.number))
        for sent in self._sent:
            if sent.order.id == order.id:
                sent.answer = OrderAccepted(order=order.id, ref=ref, at=self._clock.now())
        for move in self._moves:
            if move.order.id == order.id:
                move.ref = ref

    def refused(self, order: Order) -> None:
        """It certainly had no effect."""
        at = self._clock.now()
        for each in self._sent:
            if each.order.id == order.id:
                each.answer = OrderRejected(order=order.id, code="", reason="", at=at)
        self._moves = [each for each in self._moves if each.order.id != order.id]

    def doubted(self, order: Order) -> None:
        """Nobody knows what became of it."""
        for each in self._sent:
            each.doubted = each.doubted or each.order.id == order.id

    def _pass_switch(self, intent: OrderIntent) -> None:
        problem = state_problem(intent, *self._rules().state())
        if problem is not None:
            raise RiskRefused(problem.rule, problem.detail)

    async def _facts(self, intent: OrderIntent) -> tuple[Portfolio, _Asked]:
        """The books of the intent's country as the broker tells them, and the prices."""
        instrument, at = intent.instrument, self._clock.now()
        untraded = market_problem(instrument)
        if untraded:
            raise RiskRefused(Rule.MARKET, untraded)
        region = region_of(instrument)
        infos = {instrument: await self._broker.info(instrument)}
        report = await self._broker.account(regions=(region,))
        listed = await self._broker.orders(local_date(region, at), regions=(region,))
        portfolio = self._books(intent, report, listed, at)
        for order in portfolio.open_orders():
            wanted = order.intent.instrument
            at_market = order.limit is None and order.intent.side is Side.BUY
            if at_market and wanted not in infos:
                infos[wanted] = await self._broker.info(wanted)
        rates = dict(self._rules().rates)
        for currency, told in report.rates.items():
            # Limits in won must not be looser than what was set, nor than what is true.
            rates[currency] = max(told, rates.get(currency, told))
        return portfolio, _Asked(infos, at, FixedRates(rates))

    def _books(
        self,
        intent: OrderIntent,
        report: AccountReported,
        listed: Sequence[BrokerOrder],
        at: datetime,
    ) -> Portfolio:
        """A portfolio to judge an intent by: these facts of its region, asked for at `at`, and
        what this script sent there."""
        region, now = region_of(intent.instrument), self._clock.now()
        today = local_date(region, at)
        held = self._held.get(region)
        if held is None or held.day != today:
            held = self._held[region] = LaggingBooks(today, report, listed, at=now)
        held.note(listed, at=now)
        sent = [each for each in self._sent if each.region is region]
        rows = self._rows(sent, listed, today)
        state, reason = self._rules().state()
        portfolio = Portfolio()
        portfolio.apply(held.completed(report, asked=at, side=intent.side))
        switch = TradingStateChanged(state=state, who=Actor.FILE, reason=reason, at=at)
        portfolio.apply(switch)
        lives = [_life(each, today) for each in sent]
        for row in rows:
            hidden = [each.order for each in self._moves if each.is_hidden(row, at)]
            remaining = _open_shares(row, held.filled(row.refs[0]), moved=bool(hidden))
            if remaining > 0:
                lives.append(self._listed(row, report.account, remaining, hidden))
        for _, life in sorted(lives, key=lambda each: each[0]):
            for event in life:
                portfolio.apply(event)
        portfolio.activity = self._activity
        return portfolio

    def _rows(
        self, sent: Sequence[_Sent], listed: Sequence[BrokerOrder], today: date
    ) -> list[BrokerOrder]:
        """What the list shows, and what it showed before of this script's orders of today."""
        for each in sent:
            if each.doubted and each.answer is None:
                self._find(each.order, listed)
        rows = {key: row for row in listed for key in _keys(row)}
        lost: list[BrokerOrder] = []
        for each in sent:
            if not isinstance(each.answer, OrderAccepted):
                continue
            ref = each.answer.ref
            row = rows.get((each.region, ref.day, ref.number))
            if row is None and each.row is not None and each.row.day >= today:
                lost.append(each.row)
            each.row = row or each.row
        return [*listed, *lost]

    def _find(self, order: Order, listed: Sequence[BrokerOrder]) -> None:
        """Know an order of unknown outcome again in the broker's list."""
        intent = order.intent
        wanted = (intent.instrument, intent.side, intent.quantity, intent.limit)
        for each in listed:
            shown = (each.instrument, each.side, each.quantity, each.first_limit)
            since = order.created_at - CLOCKS_APART
            known = not self._numbers.isdisjoint(_keys(each))
            if shown == wanted and each.ordered_at >= since and not known:
                self.accepted(order, each.refs[0])
                return

    def _listed(
        self, row: BrokerOrder, account: AccountId, remaining: int, moves: Sequence[Order]
    ) -> "_Life":
        """An order by its row, at the dearest of its price and those that the row hides."""
        own = not self._numbers.isdisjoint(_keys(row))
        intent = row.intent(account, BY_HAND if own else LISTED, remaining)
        for each in moves:
            if intent.limit is not None and each.asked_limit is not None:
                intent = replace(intent, limit=max(intent.limit, each.asked_limit))
        order, at = OrderId(f"{row.region}-{row.refs[-1].number}"), row.ordered_at
        return at, [
            OrderCreated(order=order, intent=intent, at=at),
            OrderSent(order=order, at=at),
            OrderAccepted(order=order, ref=row.refs[-1], at=at),
        ]


_Life = tuple[datetime, list[Event]]
"""When an order was made, and all that is known of it."""


def _life(sent: _Sent, today: date) -> _Life:
    """One that a row tells of, or whose day is over, is known for its repetition alone."""
    order, at, answer = sent.order, sent.order.created_at, sent.answer
    life: list[Event] = [
        OrderCreated(order=order.id, intent=order.intent, at=at),
        OrderSent(order=order.id, at=at),
    ]
    if answer is not None:
        life.append(answer)
    elif sent.doubted:
        life.append(OrderDoubted(order=order.id, cause="no answer", at=at))
    if isinstance(answer, OrderAccepted) and not sent.is_alive(today):
        life.append(OrderCancelled(order=order.id, at=answer.at))
    return at, life


def _open_shares(row: BrokerOrder, filled: int, *, moved: bool) -> int:
    """What may still trade of a row, of which a list showed so much as `filled` already.

    What a row hides that is `moved` may be under its new number.
    """
    if not row.rooted:
        return row.remaining
    gone = row.filled + row.cancelled + row.rejected
    remaining = max(row.remaining, row.quantity - gone) if moved else row.remaining
    return min(remaining, row.quantity - filled)


def _keys(row: BrokerOrder) -> list[OrderKey]:
    """Every number of a listed order."""
    return [(row.region, each.day, each.number) for each in row.refs]
