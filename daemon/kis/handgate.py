"""The daemon's own judge over a script's orders, with what a script knows: what the broker says.

The rules are those of `core.risk`. The books are asked for anew before every order: the last price,
cash, holdings and open orders of the country the order is for. What only a daemon knows is not
judged: which strategy owns what, disputed trading days, closings ahead of the bell.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from daemon.core.activity import Activity
from daemon.core.calendar import Calendars
from daemon.core.errors import RiskRefused
from daemon.core.events import (
    AccountReported,
    Actor,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderDoubted,
    OrderIntent,
    OrderKind,
    OrderRejected,
    OrderSent,
    TradingState,
    TradingStateChanged,
)
from daemon.core.limits import RiskLimits, Rule
from daemon.core.orders import Order
from daemon.core.portfolio import Portfolio
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
    """`PriceView` and `Rates` of what was just asked."""

    infos: Mapping[InstrumentId, InstrumentInfo]
    at: datetime
    rates: Mapping[Currency, Decimal]

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

    def rate(self, currency: Currency) -> Decimal | None:
        return Decimal(1) if currency is Currency.KRW else self.rates.get(currency)


@dataclass(slots=True)
class _Sent:
    """An order of this script and what is known of it."""

    order: Order
    ended: list[Event]
    doubted: bool = False


class HandGate:
    """Judges one script's orders one after another, and counts what it sent itself.

    An order of unknown outcome counts until the broker's list shows it, and no other is sent on its
    instrument meanwhile. Limits on pace count what this script sent since it began.
    """

    def __init__(self, broker: KisRest, clock: Clock, rules: Callable[[], HandRules]) -> None:
        self._broker = broker
        self._clock = clock
        self._rules = rules
        self._activity = Activity()
        self._sent: deque[_Sent] = deque()
        self._numbers: set[tuple[Region, str]] = set()

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
        [told] = check([intent], portfolio, quotes=known, limits=rules.limits, now=now, rates=known)
        if isinstance(told, Denied):
            raise RiskRefused(told.rule, told.detail)

    async def judge_price(self, order: Order, limit: Decimal) -> None:
        """The same of a new price for an open order."""
        rules = self._rules()
        self._pass_switch(order.intent)
        portfolio, known = await self._facts(order.intent)
        instrument, now = order.intent.instrument, self._clock.now()
        taken = acceptance(rules.calendars, instrument, now, style=OrderStyle.LIMIT)
        if isinstance(taken, NotAccepted):
            raise RiskRefused(Rule.GATE_CLOSED, taken.reason)
        told = modification_problem(
            order, limit, portfolio, quotes=known, limits=rules.limits, now=now, rates=known
        )
        if told is not None:
            raise RiskRefused(told.rule, told.detail)

    def leaving(self, order: Order, *, new: bool) -> None:
        """Asked again just before an order, or a new price of one, leaves; counts it."""
        self._pass_switch(order.intent)
        now = self._clock.now()
        self._activity.orders.add(now)
        if new and not any(each.order.id == order.id for each in self._sent):
            self._sent.append(_Sent(order, []))
        longest = timedelta(seconds=self._rules().limits.duplicate_window_seconds)
        while self._sent and self._sent[0].ended:
            if now - self._sent[0].order.created_at <= longest:
                break
            self._sent.popleft()

    def accepted(self, order: Order, ref: BrokerRef) -> None:
        """The broker knows it from now on, and lists it."""
        now = self._clock.now()
        self._numbers.add((region_of(order.intent.instrument), ref.number))
        for each in self._sent:
            if each.order.id == order.id:
                each.ended = [
                    OrderAccepted(order=order.id, ref=ref, at=now),
                    OrderCancelled(order=order.id, at=now),
                ]

    def refused(self, order: Order) -> None:
        """It certainly had no effect."""
        at = self._clock.now()
        for each in self._sent:
            if each.order.id == order.id:
                each.ended = [OrderRejected(order=order.id, code="", reason="", at=at)]

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
        for each in listed:
            at_market = each.remaining > 0 and each.limit is None and each.side is Side.BUY
            if at_market and each.instrument not in infos:
                infos[each.instrument] = await self._broker.info(each.instrument)
        rates = dict(self._rules().rates)
        for currency, told in report.rates.items():
            # Limits in won must not be looser than what was set, nor than what is true.
            rates[currency] = max(told, rates.get(currency, told))
        return self._books(report, listed, at), _Asked(infos, at, rates)

    def _books(
        self, report: AccountReported, listed: Sequence[BrokerOrder], at: datetime
    ) -> Portfolio:
        """A portfolio of these facts: what is open at the broker, and what this script sent."""
        state, reason = self._rules().state()
        portfolio = Portfolio()
        portfolio.apply(report)
        switch = TradingStateChanged(state=state, who=Actor.FILE, reason=reason, at=at)
        portfolio.apply(switch)
        for each in self._sent:
            if each.doubted and not each.ended:
                self._find(each.order, listed)
        lives = [self._listed(each, report.account) for each in listed if each.remaining > 0]
        lives += [_life(each) for each in self._sent]
        for _, life in sorted(lives, key=lambda each: each[0]):
            for event in life:
                portfolio.apply(event)
        portfolio.activity = self._activity
        return portfolio

    def _find(self, order: Order, listed: Sequence[BrokerOrder]) -> None:
        """Know an order of unknown outcome again in the broker's list."""
        intent = order.intent
        wanted = (intent.instrument, intent.side, intent.quantity, intent.limit)
        for each in listed:
            shown = (each.instrument, each.side, each.quantity, each.first_limit)
            since = order.created_at - CLOCKS_APART
            known = any((each.region, ref.number) in self._numbers for ref in each.refs)
            if shown == wanted and each.ordered_at >= since and not known:
                self.accepted(order, each.refs[0])
                return

    def _listed(self, each: BrokerOrder, account: AccountId) -> "_Life":
        own = any((each.region, ref.number) in self._numbers for ref in each.refs)
        intent = OrderIntent(
            account=account,
            strategy=BY_HAND if own else LISTED,
            instrument=each.instrument,
            side=each.side,
            quantity=each.remaining,
            kind=OrderKind.MARKET if each.limit is None else OrderKind.LIMIT,
            limit=each.limit,
        )
        order, at = OrderId(f"{each.region}-{each.refs[-1].number}"), each.ordered_at
        return at, [
            OrderCreated(order=order, intent=intent, at=at),
            OrderSent(order=order, at=at),
            OrderAccepted(order=order, ref=each.refs[-1], at=at),
        ]


_Life = tuple[datetime, list[Event]]
"""When an order was made, and all that is known of it."""


def _life(sent: _Sent) -> _Life:
    order, at = sent.order, sent.order.created_at
    doubt = sent.doubted and not sent.ended
    return at, [
        OrderCreated(order=order.id, intent=order.intent, at=at),
        OrderSent(order=order.id, at=at),
        *([OrderDoubted(order=order.id, cause="no answer", at=at)] if doubt else []),
        *sent.ended,
    ]
