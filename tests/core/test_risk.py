"""Permission to trade: each limit at its edge, and batches that cannot break one together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.events import (
    AccountReported,
    CancelSent,
    Event,
    ModifySent,
    OrderAccepted,
    OrderDoubted,
    OrderIntent,
    OrderKind,
    OrderReduced,
    OrderSent,
)
from daemon.core.limits import RiskLimits, Rule
from daemon.core.orders import OrderState
from daemon.core.portfolio import Portfolio
from daemon.core.risk import (
    Approved,
    Denied,
    check,
    denied_by_gate,
    modification_problem,
)
from daemon.core.values import Currency, InstrumentId, OrderId, Session, Side, StrategyId
from tests.builders import (
    ACCOUNT,
    HYNIX,
    LIMITS,
    NINE,
    SAMSUNG,
    accepted,
    after,
    created,
    filled,
    funded,
    intent,
    ref,
    reported,
    sent,
)

LOWER = {SAMSUNG: Decimal(49_000), HYNIX: Decimal(140_000)}
LAST = {SAMSUNG: Decimal(70_000), HYNIX: Decimal(200_000)}
UPPER = {SAMSUNG: Decimal(91_000), HYNIX: Decimal(260_000)}
ACME = InstrumentId("nasdaq:ACME")
OK = "approved"

Price = Callable[[InstrumentId], Decimal | None]


@dataclass
class Quotes:
    """Prices as told."""

    last: Price = LAST.get
    upper: Price = UPPER.get
    funds: frozenset[InstrumentId] = frozenset()
    lower: Price = LOWER.get
    known: datetime | None = NINE

    def priced_at(self, instrument: InstrumentId) -> datetime | None:
        return self.known

    def lower_limit(self, instrument: InstrumentId) -> Decimal | None:
        return self.lower(instrument)

    def last_price(self, instrument: InstrumentId) -> Decimal | None:
        return self.last(instrument)

    def upper_limit(self, instrument: InstrumentId) -> Decimal | None:
        return self.upper(instrument)

    def is_fund(self, instrument: InstrumentId) -> bool:
        return instrument in self.funds


class Dollars:
    """A dollar is worth 1,400 won."""

    def rate(self, currency: Currency) -> Decimal | None:
        return {Currency.KRW: Decimal(1), Currency.USD: Decimal(1_400)}.get(currency)


DOLLARS = Dollars()


def judge(
    portfolio: Portfolio,
    *intents: OrderIntent,
    limits: RiskLimits = LIMITS,
    last_price: Price = LAST.get,
    upper_limit: Price = UPPER.get,
    now: datetime = NINE,
) -> list[str]:
    """The answers to a batch as words: `approved`, or the rule that denied."""
    answers = check(
        intents,
        portfolio,
        quotes=Quotes(last_price, upper_limit),
        limits=limits,
        now=now,
        rates=DOLLARS,
    )
    assert [answer.intent for answer in answers] == list(intents)
    return [answer.rule if isinstance(answer, Denied) else OK for answer in answers]


def judge_price(
    portfolio: Portfolio,
    limit: int,
    *,
    quotes: Quotes | None = None,
    limits: RiskLimits = LIMITS,
) -> Denied | None:
    """The answer to moving order `a` to another price."""
    return modification_problem(
        portfolio.orders[OrderId("a")],
        Decimal(limit),
        portfolio,
        quotes=quotes or Quotes(),
        limits=limits,
        now=NINE,
    )


def portfolio_of(*events: Event, cash: int = 100_000_000, **holdings: int) -> Portfolio:
    portfolio = funded(cash, **holdings)
    for event in events:
        portfolio.apply(event)
    return portfolio


def doubted(name: str) -> OrderDoubted:
    return OrderDoubted(order=OrderId(name), cause="time-out", at=NINE)


def limits(**changes: int) -> RiskLimits:
    return replace(LIMITS, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("quantity", "answer"), [(100, OK), (101, Rule.ORDER_QUANTITY)])
def test_the_shares_of_an_order(quantity: int, answer: str) -> None:
    assert judge(funded(), intent(quantity=quantity)) == [answer]


@pytest.mark.parametrize(("most", "answer"), [(700_000, OK), (699_999, Rule.ORDER_NOTIONAL)])
@pytest.mark.parametrize("side", Side)
def test_the_worth_of_an_order(side: Side, most: int, answer: str) -> None:
    portfolio = funded(krx_005930=10)
    tight = replace(LIMITS, max_order_notional=Decimal(most))

    assert judge(portfolio, intent(side=side), limits=tight) == [answer]


@pytest.mark.parametrize(
    ("held", "waiting", "answer"),
    [(0, 0, OK), (10, 0, OK), (5, 5, OK), (11, 0, Rule.POSITION_NOTIONAL), (5, 6, "over")],
)
def test_the_worth_of_a_position_counts_what_is_held_and_what_waits(
    held: int, waiting: int, answer: str
) -> None:
    portfolio = funded(krx_005930=held)
    if waiting:
        portfolio.apply(created("a", intent(quantity=waiting)))
    tight = replace(LIMITS, max_position_notional=Decimal(20 * 70_000))
    expected = Rule.POSITION_NOTIONAL if answer == "over" else answer

    assert judge(portfolio, intent(quantity=10), limits=tight) == [expected]


def test_a_sale_passes_however_large_the_position_is() -> None:
    tight = replace(LIMITS, max_position_notional=Decimal(1))

    assert judge(funded(krx_005930=10), intent(side=Side.SELL), limits=tight) == [OK]


@pytest.mark.parametrize(("cash", "answer"), [(700_000, OK), (699_999, Rule.CASH)])
def test_the_cash(cash: int, answer: str) -> None:
    assert judge(funded(cash), intent()) == [answer]


@pytest.mark.parametrize(("free", "answer"), [(700_000, OK), (699_999, Rule.CASH)])
@pytest.mark.parametrize(
    "history",
    [
        (),
        (sent("a"),),
        (sent("a"), accepted("a", "1")),
        (sent("a"), doubted("a")),
        (sent("a"), accepted("a", "1"), CancelSent(order=OrderId("a"), at=NINE)),
    ],
)
def test_every_open_purchase_binds_its_cash(
    history: Sequence[Event], free: int, answer: str
) -> None:
    waiting = created("a", intent(instrument=HYNIX, quantity=3, limit=199_000))
    portfolio = portfolio_of(waiting, *history, cash=3 * 199_000 + free)

    assert judge(portfolio, intent()) == [answer]


@pytest.mark.parametrize(("free", "answer"), [(700_000, OK), (699_999, Rule.CASH)])
def test_only_the_open_rest_of_a_purchase_binds_cash(free: int, answer: str) -> None:
    portfolio = portfolio_of(
        created("a", intent(instrument=HYNIX, quantity=10, limit=200_000)),
        *(sent("a"), accepted("a", "1"), filled("a", 4, 200_000, instrument=HYNIX)),
        OrderReduced(order=OrderId("a"), quantity=1, at=NINE),
        cash=4 * 200_000 + 5 * 200_000 + free,
    )

    assert judge(portfolio, intent()) == [answer]


@pytest.mark.parametrize(("quantity", "answer"), [(10, OK), (11, Rule.HOLDING)])
@pytest.mark.parametrize("limit", [70_000, None])
def test_nothing_is_sold_that_is_not_held(limit: int | None, quantity: int, answer: str) -> None:
    wish = intent(side=Side.SELL, quantity=quantity, limit=limit)

    assert judge(funded(krx_005930=10), wish) == [answer]


@pytest.mark.parametrize(("quantity", "answer"), [(6, OK), (7, Rule.HOLDING)])
def test_nothing_is_sold_twice(quantity: int, answer: str) -> None:
    portfolio = portfolio_of(created("a", intent(side=Side.SELL, quantity=4)), krx_005930=10)

    assert judge(portfolio, intent(side=Side.SELL, quantity=quantity)) == [answer]


def test_shares_that_are_only_on_order_cannot_be_sold_and_proceeds_not_be_spent() -> None:
    sale, purchase = intent(side=Side.SELL), intent()

    assert judge(funded(), purchase, sale) == [OK, Rule.HOLDING]
    assert judge(funded(0, krx_005930=10), sale, purchase) == [OK, Rule.CASH]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("limit", "answer"),
    [
        (70_050, Rule.PRICE_STEP),
        (70_100, OK),
        (73_500, OK),
        (73_600, Rule.PRICE_COLLAR),
        (66_500, OK),
        (66_400, Rule.PRICE_COLLAR),
    ],
)
def test_the_limit_price(limit: int, answer: str, side: Side) -> None:
    assert judge(funded(krx_005930=10), intent(side=side, limit=limit)) == [answer]


@pytest.mark.parametrize(("dollars", "answer"), [("700.10", OK), ("700.09", Rule.CASH)])
def test_won_pay_for_no_american_stock(dollars: str, answer: str) -> None:
    wish = replace(intent(instrument=ACME, limit=70), limit=Decimal("70.01"))
    portfolio = Portfolio()
    cash = {Currency.KRW: Decimal(10**9), Currency.USD: Decimal(dollars)}
    portfolio.apply(AccountReported(account=ACCOUNT, cash=cash, holdings=(), at=NINE))

    assert judge(portfolio, wish, last_price=lambda _: Decimal(70)) == [answer]
    portfolio.apply(created("a", wish))
    portfolio.apply(sent("a"))
    assert judge(portfolio, wish, last_price=lambda _: Decimal(70)) == [Rule.CASH]


@pytest.mark.parametrize("instrument", ["tokyo:7203", "index:0001"])
def test_markets_whose_price_steps_nobody_knows_are_not_traded(instrument: str) -> None:
    wish = intent(instrument=InstrumentId(instrument), limit=70)
    assert judge(funded(), wish, last_price=lambda _: Decimal(70)) == [Rule.MARKET]


def test_an_american_price_counts_in_cents() -> None:
    wish = replace(intent(instrument=ACME, limit=70), limit=Decimal("70.005"))
    assert judge(funded(), wish, last_price=lambda _: Decimal(70)) == [Rule.PRICE_STEP]


def test_a_fund_has_steps_of_its_own() -> None:
    wish = intent(limit=69_995)
    funds = Quotes(funds=frozenset({SAMSUNG}))
    [answer] = check([wish], funded(), quotes=funds, limits=LIMITS, now=NINE)

    assert answer == Approved(wish)
    assert judge(funded(), wish) == [Rule.PRICE_STEP]


def test_what_a_purchase_at_market_may_cost_must_be_known() -> None:
    wish = intent(limit=None)

    assert judge(funded(), wish, upper_limit=lambda _: None) == [Rule.NO_PRICE]
    waiting = portfolio_of(created("a", intent(instrument=HYNIX, quantity=4, limit=None)))
    unknown = {SAMSUNG: Decimal(91_000)}.get
    assert judge(waiting, intent(), upper_limit=unknown) == [Rule.NO_PRICE]


def test_a_position_is_worth_its_last_price_when_a_bid_is_lower() -> None:
    high, low = intent(quantity=95, limit=73_500), intent(quantity=95, limit=66_500)
    tight = replace(LIMITS, max_position_notional=Decimal(95 * 70_000))
    assert judge(funded(), low, limits=tight) == [OK]
    tight = replace(LIMITS, max_position_notional=Decimal(95 * 70_000 - 1))
    assert judge(funded(), low, limits=tight) == [Rule.POSITION_NOTIONAL]

    # What is being paid for some of it is what all of it may be worth.
    tight = replace(LIMITS, max_position_notional=Decimal(190 * 73_500))
    assert judge(funded(), high, low, limits=tight) == [OK, OK]
    tight = replace(LIMITS, max_position_notional=Decimal(190 * 73_500 - 1))
    assert judge(funded(), high, low, limits=tight) == [OK, Rule.POSITION_NOTIONAL]
    waiting = funded()
    waiting.apply(created("a", high))
    assert judge(waiting, low, limits=tight) == [Rule.POSITION_NOTIONAL]


@pytest.mark.parametrize("limit", [70_000, None])
def test_an_instrument_without_a_price_is_not_traded(limit: int | None) -> None:
    answers = judge(funded(), intent(limit=limit), last_price=lambda _: None)

    assert answers == [Rule.NO_PRICE]


@pytest.mark.parametrize(("cash", "answer"), [(910_000, OK), (909_999, Rule.CASH)])
def test_a_purchase_at_market_is_judged_at_the_days_highest_price(cash: int, answer: str) -> None:
    assert judge(funded(cash), intent(limit=None)) == [answer]


@pytest.mark.parametrize(("most", "answer"), [(910_000, OK), (909_999, Rule.ORDER_NOTIONAL)])
def test_the_worth_of_a_purchase_at_market(most: int, answer: str) -> None:
    tight = replace(LIMITS, max_order_notional=Decimal(most))

    assert judge(funded(), intent(limit=None), limits=tight) == [answer]


@pytest.mark.parametrize(("free", "answer"), [(910_000, OK), (909_999, Rule.CASH)])
def test_a_purchase_that_waits_at_market_binds_the_days_highest_price(
    free: int, answer: str
) -> None:
    waiting = created("a", intent(instrument=HYNIX, quantity=2, limit=None))
    portfolio = portfolio_of(waiting, cash=2 * 260_000 + free)

    assert judge(portfolio, intent(limit=None)) == [answer]


def test_a_sale_at_market_is_judged_at_the_last_price() -> None:
    tight = replace(LIMITS, max_order_notional=Decimal(700_000))
    wish = intent(side=Side.SELL, limit=None)

    assert judge(funded(krx_005930=10), wish, limits=tight) == [OK]


@pytest.mark.parametrize(("already", "answer"), [(2, OK), (3, Rule.ORDERS_PER_MINUTE)])
def test_the_orders_of_a_minute(already: int, answer: str) -> None:
    portfolio = funded()
    for number in range(already):
        portfolio.apply(created(f"{number}", intent(quantity=1)))
        portfolio.apply(sent(f"{number}", after(number)))

    assert judge(portfolio, intent(), limits=limits(max_orders_per_minute=3), now=after(59)) == [
        answer
    ]


@pytest.mark.parametrize(("seconds", "answer"), [(59.999, Rule.ORDERS_PER_MINUTE), (60, OK)])
def test_an_order_is_forgotten_after_a_minute(seconds: float, answer: str) -> None:
    portfolio = portfolio_of(created("a", intent(quantity=1)), sent("a"))

    one = limits(max_orders_per_minute=1)
    assert judge(portfolio, intent(), limits=one, now=after(seconds)) == [answer]


def test_an_order_that_has_not_left_yet_counts_as_one_of_this_minute() -> None:
    portfolio = portfolio_of(created("a", intent(quantity=1)))

    two = limits(max_orders_per_minute=2)
    assert judge(portfolio, intent(), intent(), limits=two, now=after(3_600)) == [
        OK,
        Rule.ORDERS_PER_MINUTE,
    ]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("strategy", [StrategyId("test"), StrategyId("another")])
def test_an_order_in_doubt_closes_its_instrument_and_no_other(
    side: Side, strategy: StrategyId
) -> None:
    portfolio = portfolio_of(
        created("a", intent(quantity=1)), sent("a"), doubted("a"), krx_005930=10, krx_000660=10
    )
    here = intent(side=side, strategy=strategy)
    there = intent(side=side, strategy=strategy, instrument=HYNIX, limit=200_000)

    assert judge(portfolio, here, there) == [Rule.IN_DOUBT, OK]
    portfolio.apply(accepted("a", "1"))
    assert judge(portfolio, here, there) == [OK, OK]


@pytest.mark.parametrize(
    ("cash", "answers"),
    [
        (2_100_000, [OK, OK, OK]),
        (2_099_999, [OK, OK, Rule.CASH]),
        (1_399_999, [OK, Rule.CASH, Rule.CASH]),
    ],
)
def test_each_answer_counts_all_approved_before_it(cash: int, answers: list[str]) -> None:
    assert judge(funded(cash), intent(), intent(), intent()) == answers


def test_what_was_denied_costs_nothing() -> None:
    too_many = intent(quantity=101)

    assert judge(funded(700_000), too_many, intent()) == [Rule.ORDER_QUANTITY, OK]
    one = limits(max_orders_per_minute=1)
    assert judge(funded(), too_many, intent(), limits=one) == [Rule.ORDER_QUANTITY, OK]


def test_sales_and_positions_add_up_within_a_batch() -> None:
    sale = intent(side=Side.SELL, quantity=6)
    assert judge(funded(krx_005930=11), sale, sale) == [OK, Rule.HOLDING]

    tight = replace(LIMITS, max_position_notional=Decimal(1_399_999))
    assert judge(funded(), intent(), intent(), limits=tight) == [OK, Rule.POSITION_NOTIONAL]


def test_a_denial_says_the_figures() -> None:
    (answer,) = check(
        [intent(quantity=101)],
        funded(),
        quotes=Quotes(),
        limits=LIMITS,
        now=NINE,
    )

    assert isinstance(answer, Denied)
    assert answer.detail == "101 shares, 100 allowed an order"


def test_an_empty_batch_has_no_answers() -> None:
    assert judge(funded()) == []


def test_a_shut_gate_denies_everything_and_says_why() -> None:
    wishes = [intent(), intent(side=Side.SELL)]

    assert denied_by_gate(wishes, "halted by hand") == tuple(
        Denied(intent=wish, rule=Rule.GATE_CLOSED, detail="halted by hand") for wish in wishes
    )


@pytest.mark.parametrize(
    ("limit", "last", "rule"),
    [
        (70_100, 70_000, None),
        (73_500, 70_000, None),
        (73_600, 70_000, Rule.PRICE_COLLAR),
        (66_400, 70_000, Rule.PRICE_COLLAR),
        (70_050, 70_000, Rule.PRICE_STEP),
        (70_100, None, Rule.NO_PRICE),
    ],
)
def test_a_new_price_obeys_the_rules_of_prices(
    limit: int, last: int | None, rule: Rule | None
) -> None:
    portfolio = portfolio_of(created("a"), sent("a"), accepted("a", "1"))
    known = None if last is None else Decimal(last)
    problem = judge_price(portfolio, limit, quotes=Quotes(lambda _: known))

    assert (problem and problem.rule) == rule


@pytest.mark.parametrize(("most", "rule"), [(426_000, None), (425_999, Rule.ORDER_NOTIONAL)])
def test_a_new_price_counts_for_the_open_rest(most: int, rule: Rule | None) -> None:
    portfolio = portfolio_of(created("a"), sent("a"), accepted("a", "1"), filled("a", 4))
    tight = replace(LIMITS, max_order_notional=Decimal(most))
    problem = judge_price(portfolio, 71_000, limits=tight)

    assert (problem and problem.rule) == rule


@pytest.mark.parametrize(("cash", "rule"), [(710_000, None), (709_999, Rule.CASH)])
def test_a_higher_bid_must_be_paid_for(cash: int, rule: Rule | None) -> None:
    portfolio = portfolio_of(created("a"), sent("a"), accepted("a", "1"), cash=cash)
    problem = judge_price(portfolio, 71_000)

    assert (problem and problem.rule) == rule


def test_a_price_under_way_binds_its_cash_already() -> None:
    asked = ModifySent(order=OrderId("a"), limit=Decimal(71_000), at=NINE)
    portfolio = portfolio_of(created("a"), sent("a"), accepted("a", "1"), asked, cash=1_400_000)

    assert judge(portfolio, intent(quantity=9)) == [OK]
    assert judge(portfolio, intent(quantity=10)) == [Rule.CASH]


def test_an_order_at_market_has_no_price_to_change() -> None:
    portfolio = portfolio_of(created("a", intent(limit=None)), sent("a"))
    problem = judge_price(portfolio, 70_000)

    assert problem is not None
    assert problem.detail == "a market order has no price"


# --- Whole batches -----------------------------------------------------------------------------

WISHES = st.builds(
    intent,
    side=st.sampled_from([Side.BUY, Side.BUY, Side.SELL]),
    quantity=st.integers(1, 12),
    limit=st.sampled_from([None, 66_500, 68_600, 70_000, 71_400, 73_500]),
) | st.builds(
    intent,
    instrument=st.just(HYNIX),
    side=st.sampled_from([Side.BUY, Side.SELL]),
    quantity=st.integers(1, 4),
    limit=st.sampled_from([None, 190_000, 199_900, 200_000, 201_000, 210_000]),
)


@dataclass(frozen=True)
class Waiting:
    """An order made earlier: how far it came, and how much of it is done."""

    wish: OrderIntent
    stage: OrderState
    done: int
    cut: int
    ago: int


WAITING = st.builds(
    Waiting,
    wish=WISHES,
    stage=st.sampled_from(
        [
            OrderState.CREATED,
            OrderState.SENT,
            *[OrderState.WORKING] * 4,
            OrderState.CANCELLING,
            OrderState.IN_DOUBT,
        ]
    ),
    done=st.integers(0, 11),
    cut=st.integers(0, 5),
    ago=st.integers(0, 90),
)
NOW = after(600)


def worst_price(wish: OrderIntent) -> Decimal:
    return UPPER[wish.instrument] if wish.limit is None else wish.limit


def trade(portfolio: Portfolio, name: OrderId, quantity: int) -> None:
    """Fill so many shares of an order at the worst price it may get."""
    wish = portfolio.orders[name].intent
    price = int(worst_price(wish))
    portfolio.apply(filled(name, quantity, price, side=wish.side, instrument=wish.instrument))


def started(cash: int, samsung: int, hynix: int, waiting: Sequence[Waiting]) -> Portfolio:
    """A portfolio in the middle of a day: these orders came as far as they say."""
    portfolio = funded(cash, krx_005930=samsung, krx_000660=hynix)
    for number, each in enumerate(waiting):
        name = OrderId(f"old-{number}")
        at = NOW - timedelta(seconds=each.ago)
        portfolio.apply(created(name, each.wish))
        if each.stage is OrderState.CREATED:
            continue
        portfolio.apply(OrderSent(order=name, at=at))
        if each.stage is OrderState.IN_DOUBT:
            portfolio.apply(doubted(name))
        elif each.stage is not OrderState.SENT:
            portfolio.apply(OrderAccepted(order=name, ref=ref(name), at=at))
        if 0 < each.done < each.wish.quantity:
            trade(portfolio, name, each.done)
        live = each.stage in (OrderState.WORKING, OrderState.CANCELLING)
        if live and 0 < each.cut < portfolio.orders[name].remaining:
            portfolio.apply(OrderReduced(order=name, quantity=each.cut, at=at))
        if each.stage is OrderState.CANCELLING:
            portfolio.apply(CancelSent(order=name, at=at))
    return portfolio


def everything_fills(portfolio: Portfolio, side: Side) -> None:
    """All open orders of one side trade to the last share, as badly as they can."""
    for order in portfolio.open_orders():
        if order.intent.side is side:
            trade(portfolio, order.id, order.remaining)


class Scarce(StrEnum):
    """What there is too little of for everything to be approved."""

    CASH = "cash"
    SHARES = "shares"
    POSITION = "position"
    ORDERS = "orders"
    ORDER_SIZE = "order_size"


@dataclass(frozen=True)
class Case:
    """A batch, what was there before it, and the limits it meets."""

    portfolio: Portfolio
    wishes: list[OrderIntent]
    limits: RiskLimits

    def passed(self) -> list[OrderIntent]:
        """What `check` approves of the batch."""
        answers = judge(self.portfolio, *self.wishes, limits=self.limits, now=NOW)
        return [wish for wish, answer in zip(self.wishes, answers, strict=True) if answer == OK]


@st.composite
def cases(draw: st.DrawFn, scarce: Scarce) -> Case:
    """Plenty of everything but one thing, of which there is enough for a part of the batch."""
    waiting = draw(st.lists(WAITING, max_size=4))
    wishes = draw(st.lists(WISHES, min_size=1, max_size=6))
    every = [*(each.wish for each in waiting), *wishes]
    purchases = [wish for wish in every if wish.side is Side.BUY]
    cost = sum(int(worst_price(wish)) * wish.quantity for wish in purchases)

    def wanted(side: Side, instrument: InstrumentId) -> int:
        return sum(
            wish.quantity for wish in every if (wish.side, wish.instrument) == (side, instrument)
        )

    worth = max(int(last) * wanted(Side.BUY, instrument) for instrument, last in LAST.items())

    def amount(of: Scarce, enough: int, *, plenty: int) -> int:
        return draw(st.integers(enough // 3 or 1, enough or 1)) if scarce is of else plenty

    limits = RiskLimits(
        max_order_quantity=60,
        max_order_notional=Decimal(amount(Scarce.ORDER_SIZE, 900_000, plenty=10**9)),
        max_position_notional=Decimal(amount(Scarce.POSITION, worth, plenty=10**9)),
        price_collar=Decimal("0.05"),
        max_orders_per_minute=amount(Scarce.ORDERS, len(every), plenty=100),
    )
    held = 0 if scarce is Scarce.POSITION else 100
    portfolio = started(
        cash=amount(Scarce.CASH, cost, plenty=10**9),
        samsung=amount(Scarce.SHARES, wanted(Side.SELL, SAMSUNG), plenty=held),
        hynix=amount(Scarce.SHARES, wanted(Side.SELL, HYNIX), plenty=held),
        waiting=waiting,
    )
    return Case(portfolio, wishes, limits)


def send_all(portfolio: Portfolio, wishes: Sequence[OrderIntent]) -> None:
    """Send a batch, and whatever else was ready to leave."""
    for number, wish in enumerate(wishes):
        portfolio.apply(created(f"new-{number}", wish))
    for order in portfolio.open_orders():
        if order.state is OrderState.CREATED:
            portfolio.apply(OrderSent(order=order.id, at=NOW))


@pytest.mark.parametrize("scarce", Scarce)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_approved_batch_breaks_a_limit_even_if_all_of_it_fills(
    scarce: Scarce, data: st.DataObject
) -> None:
    case = data.draw(cases(scarce))
    portfolio, limits, passed = case.portfolio, case.limits, case.passed()
    doubtful = {
        order.intent.instrument
        for order in portfolio.open_orders()
        if order.state is OrderState.IN_DOUBT
    }
    for wish in passed:
        assert wish.instrument not in doubtful
        assert wish.quantity <= limits.max_order_quantity
        price = LAST[wish.instrument] if wish.side is Side.SELL else worst_price(wish)
        assert (wish.limit or price) * wish.quantity <= limits.max_order_notional

    send_all(portfolio, passed)
    everything_fills(portfolio, Side.BUY)
    if passed:
        since = NOW - timedelta(minutes=1)
        assert (
            sum(at > since for at in portfolio.activity.orders.recent)
            <= limits.max_orders_per_minute
        )
    bought = [wish for wish in passed if wish.side is Side.BUY]
    if bought:
        assert portfolio.cash_of(Currency.KRW) >= 0
    for instrument in {wish.instrument for wish in bought}:
        dearest = max(worst_price(wish) for wish in bought if wish.instrument == instrument)
        worth = portfolio.position(instrument).quantity * max(dearest, LAST[instrument])
        assert worth <= limits.max_position_notional


@settings(max_examples=200, deadline=None)
@given(cases(Scarce.SHARES))
def test_no_approved_batch_sells_what_is_not_there(case: Case) -> None:
    passed = case.passed()

    send_all(case.portfolio, passed)
    everything_fills(case.portfolio, Side.SELL)
    for wish in passed:
        if wish.side is Side.SELL:
            assert case.portfolio.position(wish.instrument).quantity >= 0


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Scarce).flatmap(cases))
def test_what_was_denied_leaves_no_trace_and_asking_again_changes_nothing(case: Case) -> None:
    passed = case.passed()

    assert case.passed() == passed
    assert replace(case, wishes=passed).passed() == passed


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Scarce).flatmap(cases))
def test_with_plenty_of_everything_only_doubt_denies(case: Case) -> None:
    doubtful = {
        order.intent.instrument
        for order in case.portfolio.open_orders()
        if order.state is OrderState.IN_DOUBT
    }
    most = Decimal(10**12)
    generous = RiskLimits(
        max_order_quantity=60,
        max_order_notional=most,
        max_position_notional=most,
        price_collar=Decimal("0.05"),
        max_orders_per_minute=100,
    )
    case.portfolio.apply(reported(10**12, krx_005930=1_000, krx_000660=1_000))
    expected = [wish for wish in case.wishes if wish.instrument not in doubtful]

    assert replace(case, limits=generous).passed() == expected


def in_session(session: Session, **wish: Any) -> OrderIntent:
    return replace(intent(**wish), session=session)


@pytest.mark.parametrize("session", [Session.CLOSING_PRICE, Session.PREVIOUS_CLOSE])
def test_a_purchase_at_a_closing_price_costs_the_last_price(session: Session) -> None:
    wish = in_session(session, limit=None)
    assert judge(funded(700_000), wish) == [OK]
    assert judge(funded(699_999), wish) == [Rule.CASH]
    assert judge(funded(), wish, limits=limits(max_order_notional=699_999)) == [Rule.ORDER_NOTIONAL]
    assert judge(funded(), wish, last_price=lambda instrument: None) == [Rule.NO_PRICE]


def test_an_open_purchase_at_a_closing_price_binds_the_last_price() -> None:
    waiting: list[Event] = [created("a", in_session(Session.CLOSING_PRICE, limit=None)), sent("a")]
    assert judge(portfolio_of(*waiting, cash=1_400_000), intent()) == [OK]
    assert judge(portfolio_of(*waiting, cash=1_399_999), intent()) == [Rule.CASH]


def test_a_purchase_at_the_best_price_may_cost_the_upper_limit() -> None:
    best = replace(in_session(Session.AFTER_MARKET, limit=None), kind=OrderKind.BEST_OPPOSITE)
    assert judge(funded(910_000), best) == [OK]
    assert judge(funded(909_999), best) == [Rule.CASH]


def test_an_after_market_order_keeps_every_rule_of_prices() -> None:
    session = Session.AFTER_MARKET
    assert judge(funded(), in_session(session)) == [OK]
    assert judge(funded(), in_session(session, limit=70_050)) == [Rule.PRICE_STEP]
    assert judge(funded(), in_session(session, limit=91_100)) == [Rule.PRICE_LIMIT]
    assert judge(funded(), in_session(session, limit=74_000)) == [Rule.PRICE_COLLAR]


def test_the_same_order_in_another_session_is_another_order() -> None:
    strict = limits(duplicate_window_seconds=60)
    regular, later = intent(), in_session(Session.AFTER_MARKET)
    assert judge(funded(), regular, later, limits=strict) == [OK, OK]
    assert judge(funded(), later, later, limits=strict) == [OK, Rule.DUPLICATE]


def test_an_order_of_an_auction_takes_no_new_price() -> None:
    wish = in_session(Session.CLOSING)
    portfolio = portfolio_of(created("a", wish), sent("a"), accepted("a", "1"))
    denied = judge_price(portfolio, 70_100)
    assert denied is not None
    assert denied.rule is Rule.MARKET
