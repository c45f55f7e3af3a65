"""What is sold to be flat, at which price, and what is left for which cause."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.acts import OWNERS
from daemon.core.events import AccountReported, Holding, ModifySent, OrderDoubted
from daemon.core.flattening import SWITCH, Plan, edge, open_rest, plan
from daemon.core.leftovers import LeftCause
from daemon.core.limits import RiskLimits, Rule
from daemon.core.orders import OrderState
from daemon.core.portfolio import Portfolio
from daemon.core.risk import Approved, Denied, check
from daemon.core.values import InstrumentId, OrderId, Region, Session, Side, StrategyId
from tests.builders import (
    ACCOUNT,
    HYNIX,
    LIMITS,
    NINE,
    SAMSUNG,
    STRATEGY,
    accepted,
    created,
    filled,
    intent,
    sent,
)
from tests.core.test_risk import Quotes, portfolio_of

OTHER = StrategyId("other")


@dataclass
class Board(Quotes):
    """Prices, and stocks that may not trade."""

    halts: dict[InstrumentId, str] = field(default_factory=dict)

    def halted(self, instrument: InstrumentId) -> str:
        return self.halts.get(instrument, "")


def planned(
    portfolio: Portfolio,
    held: dict[InstrumentId, int],
    *,
    quotes: Board | None = None,
    limits: RiskLimits = LIMITS,
    at_market: bool = False,
    closed: str = "",
    region: Region | None = None,
) -> Plan:
    return plan(
        portfolio,
        held,
        account=ACCOUNT,
        quotes=quotes or Board(),
        limits=limits,
        at_market=at_market,
        closed=lambda _: closed,
        region=region,
    )


def shared(own: int, others: int, unowned: int) -> Portfolio:
    """Samsung shares of two strategies and of nobody."""
    portfolio = portfolio_of(krx_005930=unowned)
    for name, strategy, quantity in (("a", STRATEGY, own), ("b", OTHER, others)):
        if quantity:
            wish = intent(strategy=strategy, quantity=quantity)
            for fact in (created(name, wish), sent(name), accepted(name, name)):
                portfolio.apply(fact)
            portfolio.apply(filled(name, quantity))
    return portfolio


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 30))
def test_each_owner_sells_its_own_and_never_more_than_both_books_hold(
    own: int, others: int, unowned: int, held: int
) -> None:
    portfolio = shared(own, others, unowned)
    found = planned(portfolio, {SAMSUNG: held})
    total = own + others + unowned
    assert sum(each.quantity for each in found.sales) == min(held, total)
    sold = {each.strategy: each.quantity for each in found.sales}
    assert sold.get(STRATEGY, 0) <= own
    assert sold.get(OTHER, 0) <= others
    assert sold.get(SWITCH, 0) <= unowned
    missing = [each for each in found.left if each.cause is LeftCause.UNKNOWN_SHARES]
    assert sum(each.quantity for each in missing) == abs(held - total)
    assert found.is_done is (held == total == 0)
    answers = check(found.sales, portfolio, quotes=Quotes(), limits=LIMITS, now=NINE, urgent=True)
    assert all(isinstance(answer, Approved) for answer in answers)


def test_whoever_owns_shares_an_emergency_sells_them() -> None:
    portfolio = shared(own=6, others=4, unowned=0)
    [sale] = planned(portfolio_of(krx_005930=10), {SAMSUNG: 10}).sales
    assert sale.strategy == SWITCH

    def rule(*, urgent: bool, quantity: int) -> Rule | None:
        wish = replace(sale, quantity=quantity)
        given = {"quotes": Quotes(), "limits": LIMITS, "now": NINE, "urgent": urgent}
        [answer] = check([wish], portfolio, **given)  # type: ignore[arg-type]
        return answer.rule if isinstance(answer, Denied) else None

    assert rule(urgent=False, quantity=10) is Rule.HOLDING
    assert rule(urgent=True, quantity=10) is None
    assert rule(urgent=True, quantity=11) is Rule.HOLDING


@pytest.mark.parametrize(
    ("last", "lower", "limit"),
    [
        (70_000, 49_000, 66_500),
        (69_900, 49_000, 66_500),
        (50_000, 49_000, 49_000),
        (50_000, None, 47_500),
    ],
)
def test_the_lowest_price_of_a_sale(last: int, lower: int | None, limit: int) -> None:
    floor = None if lower is None else Decimal(lower)
    board = Board(last=lambda _: Decimal(last), lower=lambda _: floor)
    assert edge(SAMSUNG, board, LIMITS) == limit
    [sale] = planned(portfolio_of(krx_005930=3), {SAMSUNG: 3}, quotes=board).sales
    assert sale.limit == limit
    [sale] = planned(portfolio_of(krx_005930=3), {SAMSUNG: 3}, quotes=board, at_market=True).sales
    assert sale.limit is None


def test_american_shares_go_to_the_collar_where_there_is_no_order_at_market() -> None:
    apple = InstrumentId("nasdaq:AAPL")
    portfolio = Portfolio()
    holding = Holding(instrument=apple, quantity=3, cost=Decimal(500))
    portfolio.apply(AccountReported(account=ACCOUNT, cash={}, holdings=(holding,), at=NINE))
    board = Board(last=lambda _: Decimal(180), lower=lambda _: None)
    sales = [
        planned(portfolio, {apple: 3}, quotes=board, at_market=at_market).sales
        for at_market in (True, False)
    ]
    assert sales[0] == sales[1]
    assert [each.limit for each in sales[0]] == [Decimal("171.00")]


def test_no_price_no_sale() -> None:
    board = Board(last=lambda _: None)
    assert edge(SAMSUNG, board, LIMITS) is None
    found = planned(portfolio_of(krx_005930=3), {SAMSUNG: 3}, quotes=board, at_market=True)
    assert found.sales == ()
    assert [each.cause for each in found.left] == [LeftCause.NO_PRICE]


def test_why_shares_are_left() -> None:
    portfolio = portfolio_of(krx_005930=3, krx_000660=2)
    held = {SAMSUNG: 3, HYNIX: 2}

    def causes(**given: object) -> list[LeftCause]:
        found = planned(portfolio, held, **given)  # type: ignore[arg-type]
        assert found.sales == ()
        assert [each.quantity for each in found.left] == [2, 3]
        return [each.cause for each in found.left]

    closed = LeftCause.MARKET_CLOSED
    assert causes(closed="it opens at nine") == [closed, closed]
    denied = replace(LIMITS, denied=frozenset({HYNIX}))
    assert causes(closed="it opens at nine", limits=denied) == [LeftCause.DENIED, closed]
    halts = Board(halts={SAMSUNG: "거래정지", HYNIX: "거래정지"})
    halted = LeftCause.INSTRUMENT_HALTED
    assert causes(quotes=halts) == [halted, halted]


def test_what_no_order_may_touch_does_not_keep_it_from_being_done() -> None:
    denied = replace(LIMITS, denied=frozenset({SAMSUNG}))
    assert planned(portfolio_of(krx_005930=3), {SAMSUNG: 3}, limits=denied).is_done
    assert planned(portfolio_of(krx_005930=3), {SAMSUNG: 9}, limits=denied).is_done


def test_a_standing_sale_is_counted_and_one_that_asks_too_much_is_replaced() -> None:
    dear, cheap = (
        intent(side=Side.SELL, quantity=2),
        intent(side=Side.SELL, quantity=1, limit=66_500),
    )
    portfolio = portfolio_of(
        *(created("a", dear), sent("a"), accepted("a", "1")),
        *(created("b", cheap), sent("b"), accepted("b", "2")),
        krx_005930=5,
    )
    found = planned(portfolio, {SAMSUNG: 5})
    assert [each.id for each in found.stale] == ["a"]
    assert [(each.strategy, each.quantity) for each in found.sales] == [(SWITCH, 2)]
    assert [(each.order, each.cause) for each in found.left] == [
        ("a", LeftCause.UNDER_WAY),
        ("b", LeftCause.UNDER_WAY),
    ]
    assert len(planned(portfolio, {SAMSUNG: 5}, at_market=True).stale) == 2
    # Nor is the outcome of a new price waited for.
    portfolio.apply(ModifySent(order=OrderId("a"), limit=Decimal(69_000), at=NINE))
    assert [each.id for each in planned(portfolio, {SAMSUNG: 5}).stale] == ["a"]


def test_a_sale_that_waits_for_another_session_is_replaced_where_everything_goes() -> None:
    late = replace(intent(side=Side.SELL, quantity=5, limit=66_500), session=Session.AFTER_MARKET)
    portfolio = portfolio_of(created("a", late), sent("a"), accepted("a", "1"), krx_005930=5)
    assert [each.id for each in planned(portfolio, {SAMSUNG: 5}).stale] == ["a"]
    assert planned(portfolio, {SAMSUNG: 5}, region=Region.KR).stale == ()


def test_an_order_in_doubt_is_waited_for() -> None:
    doubted = OrderDoubted(order=OrderId("a"), cause="lost", at=NINE)
    portfolio = portfolio_of(
        created("a", intent(side=Side.SELL, quantity=1)), sent("a"), doubted, krx_005930=5
    )
    found = planned(portfolio, {SAMSUNG: 5})
    assert found.sales == ()
    [left] = found.left
    assert (left.cause, left.quantity) == (LeftCause.IN_DOUBT, 5)
    [rest] = open_rest(portfolio.open_orders(), lambda _: "closed")
    assert (rest.cause, rest.order, rest.detail) == (LeftCause.IN_DOUBT, "a", "lost")
    working = portfolio_of(created("a"), sent("a"), accepted("a", "1"))
    [rest] = open_rest(working.open_orders(), lambda _: "closed")
    assert (rest.cause, rest.detail) == (LeftCause.MARKET_CLOSED, "closed")
    assert portfolio.orders[OrderId("a")].state is OrderState.IN_DOUBT


def test_in_a_region_only_what_strategies_hold_is_sold() -> None:
    bought = (created("a", intent(quantity=4)), sent("a"), accepted("a", "1"), filled("a", 4))
    portfolio = portfolio_of(*bought, krx_005930=7, krx_000660=2)
    held = {SAMSUNG: portfolio.position(SAMSUNG).quantity, HYNIX: 2}
    ours = portfolio.strategy_position(STRATEGY, SAMSUNG).quantity
    assert 0 < ours < held[SAMSUNG]

    found = planned(portfolio, held, region=Region.KR)
    assert [(each.strategy, each.instrument, each.quantity) for each in found.sales] == [
        (STRATEGY, SAMSUNG, ours)
    ]
    assert found.left == ()
    (left,) = planned(portfolio, held, region=Region.KR, closed="it opens at nine").left
    assert (left.instrument, left.quantity) == (SAMSUNG, ours)
    assert planned(portfolio, held, region=Region.US).is_done


@pytest.mark.parametrize("person", sorted(OWNERS))
def test_in_a_region_what_people_bought_stays_and_so_do_their_sales(person: StrategyId) -> None:
    portfolio = portfolio_of(krx_005930=3)
    for name, owner, instrument in (
        ("a", STRATEGY, SAMSUNG),
        ("b", person, SAMSUNG),
        ("c", person, HYNIX),
    ):
        wish = intent(strategy=owner, quantity=4, instrument=instrument, limit=200_000)
        for fact in (created(name, wish), sent(name), accepted(name, name)):
            portfolio.apply(fact)
        portfolio.apply(filled(name, 4, 200_000, instrument=instrument))
    dear = intent(strategy=person, side=Side.SELL, quantity=4)
    for fact in (created("d", dear), sent("d"), accepted("d", "d")):
        portfolio.apply(fact)
    held = {SAMSUNG: 11, HYNIX: 4}

    found = planned(portfolio, held, region=Region.KR)
    assert [(each.strategy, each.quantity) for each in found.sales] == [(STRATEGY, 4)]
    assert found.stale == ()
    (left,) = planned(portfolio, held, region=Region.KR, closed="it opens at nine").left
    assert (left.instrument, left.quantity) == (SAMSUNG, 4)
    everything = planned(portfolio, held)
    assert sum(each.quantity for each in everything.sales) == 11 - 4 + 4
    assert [each.id for each in everything.stale] == ["d"]
