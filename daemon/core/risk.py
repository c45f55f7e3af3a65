"""Permission to trade: every intent passes here, and only `Approved` can be executed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from daemon.core.events import OrderIntent, OrderKind, TradingState
from daemon.core.exposure import Exposure, committed_price, unlimited_price
from daemon.core.limits import WON_ONLY, PriceView, Rates, RiskLimits, Rule
from daemon.core.orders import Order, OrderState
from daemon.core.portfolio import PortfolioView
from daemon.core.steps import STEPPED_REGIONS, is_accepted_price
from daemon.core.values import InstrumentId, Session, Side, currency_of, region_of
from daemon.core.zones import zone_of

SECOND, MINUTE = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Approved:
    """An intent that passed every rule. Built by `check` alone."""

    intent: OrderIntent


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """An intent that never became an order, the rule it broke, and the figures."""

    intent: OrderIntent
    rule: Rule
    detail: str


class Problem(NamedTuple):
    """A rule that is broken, and the figures."""

    rule: Rule
    detail: str


class Fitting(NamedTuple):
    """How many requests fit into their pace, and what keeps the rest, if any."""

    fits: int
    problem: Problem | None


class _Case(NamedTuple):
    """One order before the judge. `price` is the most a share can cost, or what it is sold for."""

    intent: OrderIntent
    portfolio: PortfolioView
    exposure: Exposure
    quotes: PriceView
    limits: RiskLimits
    now: datetime
    urgent: bool
    unjudged: str

    @property
    def last(self) -> Decimal | None:
        return self.quotes.last_price(self.intent.instrument)

    @property
    def price(self) -> Decimal | None:
        return worst_price(self.intent, self.quotes)


_Judge = Callable[[_Case], Problem | None]


def check(
    intents: Sequence[OrderIntent],
    portfolio: PortfolioView,
    *,
    quotes: PriceView,
    limits: RiskLimits,
    now: datetime,
    rates: Rates = WON_ONLY,
    urgent: bool = False,
    unjudged: str = "",
) -> tuple[Approved | Denied, ...]:
    """Judge a batch as a whole, in order: each answer counts all approved before it.

    No approved batch breaks a limit even if all of it fills. `urgent` is for the sales of the kill
    switch: they keep every rule about what can be done, and none about how much or how often.
    `unjudged` says why losses that stop trading cannot be judged just now, if so.
    """
    exposure = Exposure(portfolio, quotes, rates, now)
    answers: list[Approved | Denied] = []
    for intent in intents:
        case = _Case(intent, portfolio, exposure, quotes, limits, now, urgent, unjudged)
        problem = _first_problem(case)
        if problem is not None:
            answers.append(Denied(intent=intent, rule=problem.rule, detail=problem.detail))
            continue
        price = case.price
        assert price is not None, "an order without any price was approved"
        exposure.add(intent, price)
        answers.append(Approved(intent))
    return tuple(answers)


def _first_problem(case: _Case) -> Problem | None:
    assert not case.urgent or case.intent.side is Side.SELL, "only sales are urgent"
    for judge in _URGENT if case.urgent else _ORDERLY:
        problem = judge(case)
        if problem is not None:
            return problem
    return None


def worst_price(intent: OrderIntent, quotes: PriceView) -> Decimal | None:
    """The most a buy can cost a share: its limit, or see `exposure.unlimited_price`."""
    return unlimited_price(intent, quotes) if intent.limit is None else intent.limit


def state_problem(intent: OrderIntent, state: TradingState, reason: str) -> Problem | None:
    """What the kill switch has against an order that is not its own."""
    if state is TradingState.RUNNING:
        return None
    if state is not TradingState.REDUCE_ONLY:
        return Problem(Rule.HALTED, f"trading is {state}: {reason}")
    if intent.side is Side.BUY:
        return Problem(Rule.REDUCE_ONLY, f"only sales may leave: {reason}")
    return None


def entry_problem(intent: OrderIntent, portfolio: PortfolioView, now: datetime) -> Problem | None:
    """What keeps anything from being bought in a region for now, though its market is open."""
    if intent.side is Side.SELL:
        return None
    region = region_of(intent.instrument)
    barred = portfolio.entries.first(region, now)
    if barred is None:
        return None
    until = barred.until.astimezone(zone_of(region))
    detail = f"no purchases in {region} until {until:%Y-%m-%d %H:%M %Z}: {barred.reason}"
    return Problem(Rule(barred.bar.value), detail)


def unjudged_problem(intent: OrderIntent, unjudged: str) -> Problem | None:
    """Nothing is bought while nobody can tell whether too much is lost already."""
    if intent.side is Side.SELL or not unjudged:
        return None
    return Problem(Rule.LOSS_UNKNOWN, unjudged)


def doubted(open_orders: Iterable[Order], intent: OrderIntent) -> Order | None:
    """An order on the intent's instrument whose outcome nobody knows, if there is one."""
    for order in open_orders:
        same = order.intent.instrument == intent.instrument
        if same and order.state is OrderState.IN_DOUBT:
            return order
    return None


def market_problem(instrument: InstrumentId) -> str:
    """Why orders on an instrument cannot be judged; empty where its price steps are known."""
    try:
        region = region_of(instrument)
    except ValueError as error:
        return str(error)
    if region in STEPPED_REGIONS:
        return ""
    return f"the price steps of {region} are not known: only KR and US can be traded"


def denied_by_gate(intents: Sequence[OrderIntent], reason: str) -> tuple[Denied, ...]:
    """Refuse a whole batch because trading is closed, saying why."""
    return tuple(Denied(intent=each, rule=Rule.GATE_CLOSED, detail=reason) for each in intents)


def fitting_cancels(
    wanted: int, waiting: int, portfolio: PortfolioView, *, limits: RiskLimits, now: datetime
) -> Fitting:
    """How many of the cancels a strategy wants may leave, where `waiting` ones are yet to leave.

    Never asked for an operator or the kill switch, and all fit in an emergency: nothing is kept
    alive by a limit.
    """
    if portfolio.state is not TradingState.RUNNING:
        return Fitting(wanted, None)
    pace = portfolio.activity.cancels
    found = (
        (Rule.CANCELS_PER_SECOND, limits.max_cancels_per_second, pace.within(now, SECOND)),
        (Rule.CANCELS_PER_MINUTE, limits.max_cancels_per_minute, pace.within(now, MINUTE)),
        (Rule.CANCELS_PER_DAY, limits.max_cancels_per_day, pace.on_day_of(now)),
    )
    fitting = Fitting(wanted, None)
    for rule, most, sent in found:
        room = fitting.fits if most is None else max(most - sent - waiting, 0)
        if room < fitting.fits:
            told = f"{sent} cancels sent, {waiting} waiting and {wanted} wanted, {most} allowed"
            fitting = Fitting(room, Problem(rule, told))
    return fitting


def modification_problem(
    order: Order,
    limit: Decimal,
    portfolio: PortfolioView,
    *,
    quotes: PriceView,
    limits: RiskLimits,
    now: datetime,
    rates: Rates = WON_ONLY,
    unjudged: str = "",
) -> Denied | None:
    """Judge a new price for an open order by the same rules; `None` when it may be sent."""
    exposure = Exposure(portfolio, quotes, rates, now)
    case = _Case(order.intent, portfolio, exposure, quotes, limits, now, False, unjudged)
    problem = None
    for judge in (
        _traded,
        _state,
        _open_to_entries,
        _judgeable,
        _listed,
        _priceable,
        _fresh,
        _pace,
    ):
        problem = problem or judge(case)
    problem = problem or _new_price_problem(case, order, limit)
    if problem is None:
        return None
    return Denied(intent=order.intent, rule=problem.rule, detail=problem.detail)


def _new_price_problem(case: _Case, order: Order, limit: Decimal) -> Problem | None:
    intent, exposure = case.intent, case.exposure
    if intent.kind is not OrderKind.LIMIT or order.limit is None:
        return Problem(Rule.PRICE_STEP, "a market order has no price")
    if intent.session in (Session.OPENING, Session.CLOSING):
        return Problem(Rule.MARKET, "an auction's order takes no new price: cancel and order anew")
    problem = _price_problem(case, limit) or _notional_problem(case, limit * order.remaining)
    if problem is not None or intent.side is Side.SELL:
        return problem
    committed = committed_price(order, case.quotes) or order.limit
    more = max(limit - committed, Decimal(0)) * order.remaining
    free = exposure.cash(currency_of(intent.instrument))
    if more > max(free, Decimal(0)):
        return Problem(Rule.CASH, f"{more} more to pay, {free} free")
    return _worth_problem(case, 0, limit)


def _traded(case: _Case) -> Problem | None:
    untraded = market_problem(case.intent.instrument)
    return Problem(Rule.MARKET, untraded) if untraded else None


def _state(case: _Case) -> Problem | None:
    if case.urgent:
        return None
    return state_problem(case.intent, case.portfolio.state, case.portfolio.state_reason)


def _open_to_entries(case: _Case) -> Problem | None:
    return entry_problem(case.intent, case.portfolio, case.now)


def _judgeable(case: _Case) -> Problem | None:
    return unjudged_problem(case.intent, case.unjudged)


def _listed(case: _Case) -> Problem | None:
    instrument, limits = case.intent.instrument, case.limits
    if instrument in limits.denied:
        return Problem(Rule.DENIED_INSTRUMENT, f"{instrument} is on the list `denied`")
    if case.intent.side is Side.BUY and limits.allowed and instrument not in limits.allowed:
        return Problem(Rule.DENIED_INSTRUMENT, f"{instrument} is not on the list `allowed`")
    return None


def _certain(case: _Case) -> Problem | None:
    uncertain = doubted(case.portfolio.open_orders(), case.intent)
    if uncertain is None:
        return None
    detail = f"order {uncertain.id} on this instrument has no known outcome"
    return Problem(Rule.IN_DOUBT, detail)


def _priceable(case: _Case) -> Problem | None:
    if case.last is None or case.price is None:
        return Problem(
            Rule.NO_PRICE, "the instrument's last price or limit of the day is not known"
        )
    if case.exposure.value(case.intent.instrument, Decimal(1)) is None and not case.urgent:
        currency = currency_of(case.intent.instrument)
        return Problem(Rule.EXCHANGE_RATE, f"nobody knows what one {currency} is in KRW")
    if case.intent.side is Side.BUY and case.exposure.unpriced is not None:
        unpriced = case.exposure.unpriced
        return Problem(Rule.NO_PRICE, f"nobody can tell yet what order {unpriced} will cost")
    return None


def _priced(case: _Case) -> Problem | None:
    limit = case.intent.limit
    return None if limit is None else _price_problem(case, limit)


def _price_problem(case: _Case, limit: Decimal) -> Problem | None:
    instrument, quotes, last = case.intent.instrument, case.quotes, case.last
    if not is_accepted_price(instrument, limit, fund=quotes.is_fund(instrument)):
        told = f"{limit} {currency_of(instrument)}"
        return Problem(Rule.PRICE_STEP, f"{told} is not a multiple of the price step at that price")
    upper, lower = quotes.upper_limit(instrument), quotes.lower_limit(instrument)
    if (upper is not None and limit > upper) or (lower is not None and limit < lower):
        return Problem(Rule.PRICE_LIMIT, f"limit {limit} is outside the day's {lower} to {upper}")
    collar = case.limits.price_collar
    if last is None or abs(limit - last) > last * collar:
        return Problem(
            Rule.PRICE_COLLAR, f"limit {limit} is more than {collar:%} from the last price {last}"
        )
    return None


def _fresh(case: _Case) -> Problem | None:
    most = case.limits.max_price_age_seconds
    if most is None or case.intent.side is Side.SELL:
        return None
    known = case.quotes.priced_at(case.intent.instrument)
    if known is None or case.now - known > timedelta(seconds=most):
        age = "unknown" if known is None else f"{(case.now - known).total_seconds():.1f} s"
        return Problem(Rule.STALE_PRICE, f"the last price's age is {age}, {most} s allowed")
    return None


def _pace(case: _Case) -> Problem | None:
    limits, exposure = case.limits, case.exposure
    sent = exposure.sends(MINUTE)
    if sent >= limits.max_orders_per_minute:
        allowed = limits.max_orders_per_minute
        return Problem(
            Rule.ORDERS_PER_MINUTE, f"{sent} orders in the last minute, {allowed} allowed"
        )
    most = limits.max_orders_per_second
    if most is not None and exposure.sends(SECOND) >= most:
        sent = exposure.sends(SECOND)
        return Problem(Rule.ORDERS_PER_SECOND, f"{sent} orders in the last second, {most} allowed")
    most = limits.max_orders_per_day
    if most is not None and exposure.sends_of_the_day() >= most:
        sent = exposure.sends_of_the_day()
        return Problem(Rule.ORDERS_PER_DAY, f"{sent} orders today, {most} allowed")
    return None


def _few_open(case: _Case) -> Problem | None:
    limits, exposure, strategy = case.limits, case.exposure, case.intent.strategy
    most = limits.max_open_orders
    if most is not None and exposure.open_orders >= most:
        return Problem(Rule.OPEN_ORDERS, f"{exposure.open_orders} orders are open, {most} allowed")
    most = limits.max_strategy_open_orders
    if most is not None and exposure.open_of(strategy) >= most:
        count = exposure.open_of(strategy)
        return Problem(
            Rule.STRATEGY_OPEN_ORDERS, f"{count} orders of {strategy} are open, {most} allowed"
        )
    return None


def _not_repeated(case: _Case) -> Problem | None:
    """One that was certainly without effect may be tried again at once."""
    window = case.limits.duplicate_window_seconds
    if not window:
        return None
    wish = _meaning(case.intent)
    since = case.now - timedelta(seconds=window)
    told = [
        order.intent
        for order in case.portfolio.orders_since(since)
        if order.state is not OrderState.REJECTED
    ]
    if any(_meaning(each) == wish for each in (*told, *case.exposure.new)):
        return Problem(Rule.DUPLICATE, f"the same order was made within the last {window} s")
    return None


def _meaning(intent: OrderIntent) -> tuple[object, ...]:
    """As it was asked for: at market is one wish, whatever price it was given since."""
    limit = None if intent.at_market else intent.limit
    what = (intent.instrument, intent.side, intent.quantity, limit)
    return (intent.strategy, intent.session, *what)


def _cooled_down(case: _Case) -> Problem | None:
    intent, pause = case.intent, case.limits.reentry_cooldown_seconds
    lost = case.portfolio.activity.losing_exits.get((intent.strategy, intent.instrument))
    if not pause or lost is None or intent.side is Side.SELL:
        return None
    left = (lost + timedelta(seconds=pause) - case.now).total_seconds()
    if left > 0:
        return Problem(
            Rule.COOL_DOWN, f"{intent.strategy} sold this at a loss: {left:.0f} s of {pause} left"
        )
    return None


def _small(case: _Case) -> Problem | None:
    quantity, most = case.intent.quantity, case.limits.max_order_quantity
    if quantity > most:
        return Problem(Rule.ORDER_QUANTITY, f"{quantity} shares, {most} allowed an order")
    return None


def _covered(case: _Case) -> Problem | None:
    """Purchases by cash, sales by shares."""
    intent, exposure = case.intent, case.exposure
    if intent.side is Side.BUY:
        assert case.price is not None, "judged by `_priceable`"
        cost = case.price * intent.quantity
        free = exposure.cash(currency_of(intent.instrument))
        return Problem(Rule.CASH, f"{cost} to pay, {free} free") if cost > free else None
    held = exposure.sellable(intent.instrument)
    if intent.quantity > held:
        return Problem(
            Rule.HOLDING, f"{intent.quantity} shares to sell, {held} held and not on sale"
        )
    if case.urgent:
        # Whose shares they are is a matter among strategies: it keeps no emergency from selling.
        return None
    free_shares = exposure.sellable_by(intent.strategy, intent.instrument)
    if intent.quantity > free_shares:
        return Problem(
            Rule.HOLDING,
            f"{intent.quantity} shares to sell, {free_shares} neither others' nor on sale by them",
        )
    return None


def _worth_little(case: _Case) -> Problem | None:
    assert case.price is not None, "judged by `_priceable`"
    quantity = case.intent.quantity
    problem = _notional_problem(case, case.price * quantity)
    if problem is None and case.intent.side is Side.BUY:
        problem = _worth_problem(case, quantity, case.price)
    return problem


def _notional_problem(case: _Case, amount: Decimal) -> Problem | None:
    notional = _known(case.exposure.value(case.intent.instrument, amount))
    most = case.limits.max_order_notional
    if notional > most:
        return Problem(Rule.ORDER_NOTIONAL, f"{notional} is over {most} an order")
    return None


def _worth_problem(case: _Case, more: int, price: Decimal) -> Problem | None:
    """What the position, the strategy and the account would be worth with this purchase."""
    intent, exposure, limits = case.intent, case.exposure, case.limits
    instrument = intent.instrument
    value = _known(exposure.position_worth(instrument, more, price))
    if value > limits.max_position_notional:
        return Problem(
            Rule.POSITION_NOTIONAL,
            f"the position would be worth {value}, {limits.max_position_notional} allowed",
        )
    most = limits.max_strategy_exposure
    if most is not None:
        worth = exposure.strategy_worth(intent.strategy, instrument, more, price)
        problem = _sum_problem(Rule.STRATEGY_EXPOSURE, worth, most)
        if problem is not None:
            return problem
    most = limits.max_account_exposure
    if most is None:
        return None
    return _sum_problem(
        Rule.ACCOUNT_EXPOSURE, exposure.account_worth(instrument, more, price), most
    )


def _sum_problem(rule: Rule, worth: Decimal | None, most: Decimal) -> Problem | None:
    if worth is None:
        return Problem(Rule.EXCHANGE_RATE, "nobody knows what all positions are worth in KRW")
    if worth > most:
        return Problem(rule, f"positions would be worth {worth} together, {most} allowed")
    return None


def _known(value: Decimal | None) -> Decimal:
    assert value is not None, "judged by `_priceable`"
    return value


_ALWAYS: tuple[_Judge, ...] = (
    *(_traded, _state, _open_to_entries, _judgeable),
    *(_listed, _certain, _priceable),
)
_MODERATE: tuple[_Judge, ...] = (_fresh, _pace, _few_open, _not_repeated, _cooled_down, _small)
_ORDERLY: tuple[_Judge, ...] = (*_ALWAYS, *_MODERATE, _priced, _covered, _worth_little)
_URGENT: tuple[_Judge, ...] = (*_ALWAYS, _priced, _covered)
"""What can be done at all, without what is too much or too often."""
