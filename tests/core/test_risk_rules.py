"""The rules of restraint, each just inside and just outside, for new orders and for new prices."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.events import (
    Actor,
    CancelSent,
    Event,
    ModifySent,
    OrderIntent,
    OrderRejected,
    TradingState,
    TradingStateChanged,
)
from daemon.core.limits import WON_ONLY, Rates, RiskLimits, Rule
from daemon.core.portfolio import Portfolio
from daemon.core.risk import Denied, check, fitting_cancels, modification_problem
from daemon.core.values import Currency, OrderId, Side, StrategyId
from tests.builders import HYNIX, LIMITS, NINE, SAMSUNG, accepted, after, filled, intent, sent
from tests.builders import created as created_at_nine
from tests.core.test_risk import Quotes, portfolio_of

OTHER = StrategyId("other")
BUY, SELL = Side.BUY, Side.SELL


def created(name: str, wish: OrderIntent | None = None, at: datetime = NINE) -> Event:
    return replace(created_at_nine(name, wish), at=at)


def working(name: str, wish: OrderIntent | None = None, at: datetime = NINE) -> list[Event]:
    """An order that rests at the broker."""
    return [created(name, wish, at), sent(name, at), accepted(name, name)]


def limited(**changes: Any) -> RiskLimits:
    return replace(LIMITS, **changes)


def rules(
    portfolio: Portfolio,
    *wishes: OrderIntent,
    limits: RiskLimits = LIMITS,
    quotes: Quotes | None = None,
    now: datetime = NINE,
    rates: Rates = WON_ONLY,
    urgent: bool = False,
) -> list[Rule | None]:
    """Which rule denied each order, `None` for those that may leave."""
    answers = check(
        wishes,
        portfolio,
        quotes=quotes or Quotes(),
        limits=limits,
        now=now,
        rates=rates,
        urgent=urgent,
    )
    return [answer.rule if isinstance(answer, Denied) else None for answer in answers]


def new_price(
    portfolio: Portfolio,
    limit: int,
    *,
    limits: RiskLimits = LIMITS,
    quotes: Quotes | None = None,
    now: datetime = NINE,
    name: str = "a",
) -> Rule | None:
    """Which rule denies moving an open order."""
    denied = modification_problem(
        portfolio.orders[OrderId(name)],
        Decimal(limit),
        portfolio,
        quotes=quotes or Quotes(),
        limits=limits,
        now=now,
    )
    return denied.rule if denied is not None else None


def both(
    portfolio: Callable[[], Portfolio], limits: RiskLimits, **given: Any
) -> tuple[Rule | None, Rule | None]:
    """What a new order for ten meets, and moving the open order `a` to 70,100."""
    [order] = rules(portfolio(), intent(), limits=limits, **given)
    return order, new_price(portfolio(), 70_100, limits=limits, **given)


# --- Pace ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "rule", "seconds"),
    [
        ("max_orders_per_second", Rule.ORDERS_PER_SECOND, 1.0),
        ("max_orders_per_minute", Rule.ORDERS_PER_MINUTE, 60.0),
        ("max_orders_per_day", Rule.ORDERS_PER_DAY, 22 * 3_600.0),
    ],
)
def test_orders_and_new_prices_of_a_second_a_minute_and_a_day(
    setting: str, rule: Rule, seconds: float
) -> None:
    def busy() -> Portfolio:
        asked = ModifySent(order=OrderId("b"), limit=Decimal(70_000), at=NINE)
        return portfolio_of(*working("a"), *working("b"), asked)

    assert both(busy, limited(**{setting: 4})) == (None, None)
    assert both(busy, limited(**{setting: 3})) == (rule, rule)
    later = after(seconds)
    assert both(busy, limited(**{setting: 3}), now=later) == (None, None)
    if seconds < 100:
        almost = after(seconds - 0.001)
        assert both(busy, limited(**{setting: 3}), now=almost) == (rule, rule)
    assert rules(busy(), intent(), intent(), limits=limited(**{setting: 4})) == [None, rule]


def test_an_order_that_has_yet_to_leave_counts_for_new_prices_too() -> None:
    portfolio = portfolio_of(*working("a"), created("b"))
    assert new_price(portfolio, 70_100, limits=limited(max_orders_per_second=3)) is None
    assert (
        new_price(portfolio, 70_100, limits=limited(max_orders_per_second=2))
        is Rule.ORDERS_PER_SECOND
    )


@pytest.mark.parametrize(
    ("setting", "rule", "seconds"),
    [
        ("max_cancels_per_second", Rule.CANCELS_PER_SECOND, 1.0),
        ("max_cancels_per_minute", Rule.CANCELS_PER_MINUTE, 60.0),
        ("max_cancels_per_day", Rule.CANCELS_PER_DAY, 22 * 3_600.0),
    ],
)
def test_cancels_of_strategies(setting: str, rule: Rule, seconds: float) -> None:
    cancelled = CancelSent(order=OrderId("a"), at=NINE)
    portfolio = portfolio_of(*working("a"), *working("b"), cancelled)
    limits = limited(**{setting: 2})

    def problem(wanted: int, now: datetime = NINE, waiting: int = 0) -> Rule | None:
        found = fitting_cancels(wanted, waiting, portfolio, limits=limits, now=now)
        assert (found.fits < wanted) is (found.problem is not None)
        return found.problem and found.problem.rule

    assert problem(1) is None
    assert problem(2) is rule
    assert problem(2, after(seconds)) is None
    # What was let pass and has yet to leave counts as well.
    assert problem(1, waiting=1) is rule
    assert problem(1, after(seconds), waiting=1) is None
    # Of more than may ever leave at once some do.
    assert fitting_cancels(9, 0, portfolio, limits=limits, now=after(seconds)).fits == 2
    assert fitting_cancels(9, 0, portfolio, limits=limits, now=NINE).fits == 1
    for state in (TradingState.REDUCE_ONLY, TradingState.HALTED, TradingState.FLATTENING):
        portfolio.apply(switched(state))
        assert problem(2, waiting=9) is None, "in an emergency every cancel leaves"


# --- Open orders --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "rule", "strategy"),
    [
        ("max_open_orders", Rule.OPEN_ORDERS, OTHER),
        ("max_strategy_open_orders", Rule.STRATEGY_OPEN_ORDERS, StrategyId("test")),
    ],
)
def test_orders_open_at_a_time(setting: str, rule: Rule, strategy: StrategyId) -> None:
    wish = intent(strategy=strategy)
    portfolio = portfolio_of(*working("a"), created("b"))
    assert rules(portfolio, wish, wish, limits=limited(**{setting: 3})) == [None, rule]
    assert rules(portfolio, wish, limits=limited(**{setting: 2})) == [rule]
    portfolio.apply(filled("a", 10))
    assert rules(portfolio, wish, limits=limited(**{setting: 2})) == [None]
    # A new price opens nothing.
    waiting = portfolio_of(*working("a"))
    assert new_price(waiting, 70_100, limits=limited(**{setting: 1})) is None


def test_another_strategys_orders_are_its_own() -> None:
    limits = limited(max_strategy_open_orders=1)
    portfolio = portfolio_of(*working("a"))
    assert rules(portfolio, intent(strategy=OTHER), intent(), limits=limits) == [
        None,
        Rule.STRATEGY_OPEN_ORDERS,
    ]


# --- Repetition and re-entry --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "rule"), [(0.0, Rule.DUPLICATE), (4.999, Rule.DUPLICATE), (5.0, None)]
)
def test_the_same_order_is_not_made_twice_within_the_window(
    seconds: float, rule: Rule | None
) -> None:
    portfolio = portfolio_of(*working("a"))
    limits = limited(duplicate_window_seconds=5)
    assert rules(portfolio, intent(), limits=limits, now=after(seconds)) == [rule]


@pytest.mark.parametrize(
    "different",
    [
        intent(quantity=9),
        intent(limit=70_100),
        intent(limit=None),
        intent(side=SELL),
        intent(strategy=OTHER),
        intent(instrument=HYNIX, limit=200_000),
    ],
)
def test_another_order_is_no_repetition(different: OrderIntent) -> None:
    portfolio = portfolio_of(*working("a"), krx_005930=100)
    limits = limited(duplicate_window_seconds=5)
    assert rules(portfolio, different, limits=limits) == [None]


def test_while_losses_cannot_be_judged_sales_alone_pass() -> None:
    portfolio = portfolio_of(krx_005930=10)
    wishes = (intent(), intent(side=SELL))
    answers = check(wishes, portfolio, quotes=Quotes(), limits=LIMITS, now=NINE, unjudged="why")
    denied, approved = answers
    assert isinstance(denied, Denied)
    assert (denied.rule, denied.detail) == (Rule.LOSS_UNKNOWN, "why")
    assert not isinstance(approved, Denied)


def test_a_batch_holds_no_repetition_and_a_refused_order_may_be_tried_again() -> None:
    limits = limited(duplicate_window_seconds=5)
    assert rules(portfolio_of(), intent(), intent(), limits=limits) == [None, Rule.DUPLICATE]
    refused = OrderRejected(order=OrderId("a"), code="X", reason="no", at=NINE)
    assert rules(portfolio_of(created("a"), refused), intent(), limits=limits) == [None]
    assert rules(portfolio_of(created("a")), intent()) == [None], "no window, no rule"


@pytest.mark.parametrize(
    ("sold_at", "seconds", "rule"),
    [
        (69_900, 59.999, Rule.COOL_DOWN),
        (69_900, 60.0, None),
        (70_000, 1.0, None),
        (70_100, 1.0, None),
    ],
)
def test_after_a_sale_at_a_loss_the_strategy_waits(
    sold_at: int, seconds: float, rule: Rule | None
) -> None:
    portfolio = portfolio_of(
        *working("a"),
        filled("a", 10),
        *working("b", intent(side=SELL, quantity=4, limit=sold_at)),
        filled("b", 4, sold_at, side=SELL),
    )
    limits = limited(reentry_cooldown_seconds=60)
    now = after(seconds)
    assert rules(portfolio, intent(), limits=limits, now=now) == [rule]
    sale = intent(side=SELL, quantity=1)
    others = intent(strategy=OTHER), intent(instrument=HYNIX, quantity=1, limit=200_000)
    assert rules(portfolio, sale, *others, limits=limits, now=now) == [None, None, None]


def test_a_sale_at_a_loss_is_one_even_if_shares_nobody_bought_go_with_it() -> None:
    portfolio = portfolio_of(
        *working("a", intent(quantity=1, limit=73_000)),
        filled("a", 1, 73_000),
        *working("b", intent(side=SELL, quantity=3)),
        filled("b", 3, 70_000, side=SELL),
        krx_005930=5,
    )
    limits = limited(reentry_cooldown_seconds=60)
    assert rules(portfolio, intent(), limits=limits) == [Rule.COOL_DOWN]
    unowned = portfolio_of(
        *working("b", intent(side=SELL, quantity=3)),
        *(filled("b", 1, 60_000, side=SELL), filled("b", 2, 60_000, side=SELL)),
        krx_005930=5,
    )
    assert rules(unowned, intent(), limits=limits) == [None], "nobody knows what they cost"


# --- Prices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "seconds", "rule"),
    [
        (NINE, 180.0, None),
        (NINE, 180.001, Rule.STALE_PRICE),
        (None, 0.0, Rule.STALE_PRICE),
    ],
)
def test_nothing_is_bought_on_an_old_price(
    known: datetime | None, seconds: float, rule: Rule | None
) -> None:
    quotes, limits, now = Quotes(known=known), limited(max_price_age_seconds=180), after(seconds)
    assert both(lambda: portfolio_of(*working("a")), limits, quotes=quotes, now=now) == (rule, rule)
    held = portfolio_of(krx_005930=10)
    sale = intent(side=SELL)
    assert rules(held, sale, quotes=quotes, limits=limits, now=now) == [None]
    assert rules(held, intent(), quotes=quotes, now=now) == [None], "no limit, no rule"


@pytest.mark.parametrize(
    ("limit", "rule"),
    [
        (72_000, None),
        (72_100, Rule.PRICE_LIMIT),
        (69_000, None),
        (68_900, Rule.PRICE_LIMIT),
    ],
)
@pytest.mark.parametrize("side", Side)
def test_the_limits_of_the_day(limit: int, rule: Rule | None, side: Side) -> None:
    quotes = Quotes(upper=lambda _: Decimal(72_000), lower=lambda _: Decimal(69_000))
    portfolio = portfolio_of(*working("a", intent(side=side, quantity=1)), krx_005930=50)
    assert rules(portfolio, intent(side=side, limit=limit), quotes=quotes) == [rule]
    assert new_price(portfolio, limit, quotes=quotes) is rule


# --- Lists, states, money -----------------------------------------------------------------------


def test_only_what_is_allowed_is_bought_and_what_is_denied_is_never_touched() -> None:
    portfolio = portfolio_of(*working("a", intent(quantity=1)), krx_005930=50, krx_000660=50)
    allowed, denied = limited(allowed=frozenset({HYNIX})), limited(denied=frozenset({SAMSUNG}))
    buy, sell = intent(quantity=1, limit=69_900), intent(side=SELL)
    there = intent(instrument=HYNIX, quantity=1, limit=200_000)
    listed = Rule.DENIED_INSTRUMENT
    assert rules(portfolio, buy, sell, there, limits=allowed) == [listed, None, None]
    assert rules(portfolio, buy, sell, there, limits=denied) == [listed, listed, None]
    assert rules(portfolio, sell, limits=denied, urgent=True) == [listed]
    assert new_price(portfolio, 70_100, limits=allowed) is listed
    assert new_price(portfolio, 70_100, limits=denied) is listed


def switched(state: TradingState) -> TradingStateChanged:
    return TradingStateChanged(state=state, who=Actor.OPERATOR, reason="enough", at=NINE)


@pytest.mark.parametrize(
    ("state", "bought", "sold"),
    [
        (TradingState.RUNNING, None, None),
        (TradingState.REDUCE_ONLY, Rule.REDUCE_ONLY, None),
        (TradingState.HALTED, Rule.HALTED, Rule.HALTED),
        (TradingState.FLATTENING, Rule.HALTED, Rule.HALTED),
    ],
)
def test_the_kill_switch(state: TradingState, bought: Rule | None, sold: Rule | None) -> None:
    history = (*working("a"), *working("b", intent(side=SELL, quantity=1)), switched(state))
    portfolio = portfolio_of(*history, krx_005930=50)
    assert rules(portfolio, intent(), intent(side=SELL)) == [bought, sold]
    assert new_price(portfolio, 70_100, name="a") is bought
    assert new_price(portfolio, 70_100, name="b") is sold
    assert rules(portfolio, intent(side=SELL), urgent=True) == [None]


def test_the_switchs_own_sales_keep_the_rules_of_what_can_be_done_and_no_others() -> None:
    tight = limited(
        max_order_quantity=1,
        max_order_notional=Decimal(1),
        max_orders_per_minute=0,
        max_open_orders=0,
        duplicate_window_seconds=60,
    )
    portfolio = portfolio_of(krx_005930=20)
    sale = intent(side=SELL)

    def urgent(wish: OrderIntent) -> list[Rule | None]:
        return rules(portfolio, wish, limits=tight, urgent=True)

    assert rules(portfolio, sale, sale, sale, limits=tight, urgent=True) == [
        None,
        None,
        Rule.HOLDING,
    ]
    assert urgent(intent(side=SELL, limit=70_050)) == [Rule.PRICE_STEP]
    assert urgent(intent(side=SELL, limit=66_400)) == [Rule.PRICE_COLLAR]
    with pytest.raises(AssertionError):
        urgent(intent())


class Table:
    """Rates as told."""

    def __init__(self, **rates: int) -> None:
        self._rates = rates

    def rate(self, currency: Currency) -> Decimal | None:
        known = self._rates.get(currency.name)
        return None if known is None else Decimal(known)


def test_without_a_rate_nothing_is_known_of_worth() -> None:
    portfolio = portfolio_of()
    assert rules(portfolio, intent(), rates=Table()) == [Rule.EXCHANGE_RATE]
    assert rules(portfolio, intent(), rates=Table(KRW=1)) == [None]
    assert rules(portfolio, intent(), rates=Table(KRW=15)) == [Rule.ORDER_NOTIONAL]


# --- Exposure -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("max_strategy_exposure", Rule.STRATEGY_EXPOSURE),
        ("max_account_exposure", Rule.ACCOUNT_EXPOSURE),
    ],
)
def test_the_worth_of_all_positions_counts_what_is_held_and_what_waits(
    setting: str, rule: Rule
) -> None:
    """Ten Samsung at 70,000 held, one Hynix at 201,000 open, and now ten Samsung more."""
    hynix = intent(instrument=HYNIX, quantity=1, limit=201_000)
    portfolio = portfolio_of(*working("a"), filled("a", 10), *working("b", hynix))
    worth = 20 * 70_000 + 201_000
    assert rules(portfolio, intent(), limits=limited(**{setting: Decimal(worth)})) == [None]
    tight = limited(**{setting: Decimal(worth - 1)})
    assert rules(portfolio, intent(), limits=tight) == [rule]
    assert rules(portfolio, intent(side=SELL), limits=tight) == [None]
    # A bid above the last price makes all of it worth as much.
    worth = 20 * 70_100 + 201_000
    dear = intent(limit=70_100)
    assert rules(portfolio, dear, limits=limited(**{setting: Decimal(worth)})) == [None]
    assert rules(portfolio, dear, limits=limited(**{setting: Decimal(worth - 1)})) == [rule]
    # And so does a new price.
    worth = 10 * 70_000 + 202_000
    assert (
        new_price(portfolio, 202_000, name="b", limits=limited(**{setting: Decimal(worth)})) is None
    )
    tight = limited(**{setting: Decimal(worth - 1)})
    assert new_price(portfolio, 202_000, name="b", limits=tight) is rule


def test_an_accounts_exposure_counts_all_strategies_and_a_strategys_its_own() -> None:
    theirs = intent(instrument=HYNIX, quantity=1, limit=200_000, strategy=OTHER)
    portfolio = portfolio_of(*working("b", theirs), krx_005930=10)
    own, all_of_it = 10 * 70_000, 20 * 70_000 + 200_000

    def found(**changes: int) -> list[Rule | None]:
        limits = limited(**{name: Decimal(value) for name, value in changes.items()})
        return rules(portfolio, intent(), limits=limits)

    assert found(max_strategy_exposure=own) == [None]
    assert found(max_strategy_exposure=own - 1) == [Rule.STRATEGY_EXPOSURE]
    assert found(max_account_exposure=all_of_it) == [None]
    assert found(max_account_exposure=all_of_it - 1) == [Rule.ACCOUNT_EXPOSURE]


def test_what_has_no_price_counts_at_its_cost() -> None:
    last = {HYNIX: Decimal(200_000)}.get
    portfolio = portfolio_of(krx_005930=10)
    wish = intent(instrument=HYNIX, quantity=1, limit=200_000)

    def found(worth: int) -> list[Rule | None]:
        limits = limited(max_account_exposure=Decimal(worth))
        return rules(portfolio, wish, limits=limits, quotes=Quotes(last=last))

    assert found(900_000) == [None]
    assert found(899_999) == [Rule.ACCOUNT_EXPOSURE]
