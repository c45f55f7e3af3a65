"""The worst case: everything open fills, as dearly as it may."""

from dataclasses import dataclass
from decimal import Decimal

from daemon.core.events import CancelSent, Event, ModifySent, OrderDoubted, OrderReduced
from daemon.core.exposure import Exposure, committed_price
from daemon.core.limits import WON_ONLY
from daemon.core.portfolio import Portfolio
from daemon.core.values import Currency, InstrumentId, OrderId, Side, StrategyId
from tests.builders import HYNIX, NINE, SAMSUNG, STRATEGY, accepted, created, filled, intent, sent
from tests.core.test_risk import Quotes, portfolio_of

A = OrderId("a")


@dataclass
class Dollars:
    """A won is a won, and a dollar is worth `price` of them, if anybody knows."""

    price: int | None

    def rate(self, currency: Currency) -> Decimal | None:
        if currency is Currency.KRW:
            return Decimal(1)
        return None if self.price is None else Decimal(self.price)


def exposure(portfolio: Portfolio, quotes: Quotes | None = None) -> Exposure:
    return Exposure(portfolio, quotes or Quotes(), WON_ONLY, NINE)


def test_nothing_open_binds_nothing() -> None:
    found = exposure(portfolio_of(cash=1_000, krx_005930=10))
    assert found.cash(Currency.KRW) == 1_000
    assert found.cash(Currency.USD) == 0
    assert found.sellable(SAMSUNG) == found.sellable_by(STRATEGY, SAMSUNG) == 10
    assert found.position_worth(SAMSUNG) == found.account_worth(SAMSUNG) == 700_000
    assert found.strategy_worth(STRATEGY, SAMSUNG) == 0
    assert (found.open_orders, found.sends(60), found.sends_of_the_day()) == (0, 0, 0)


def test_an_order_counts_from_its_making_to_its_end_with_what_is_left_of_it() -> None:
    portfolio = portfolio_of(cash=1_000_000)
    facts: list[Event] = [
        created("a"),
        sent("a"),
        accepted("a", "1"),
        filled("a", 4),
        OrderReduced(order=A, quantity=1, at=NINE),
        CancelSent(order=A, at=NINE),
    ]
    left = [300_000, 300_000, 300_000, 300_000, 370_000, 370_000]
    for fact, cash in zip(facts, left, strict=True):
        portfolio.apply(fact)
        found = exposure(portfolio)
        assert found.cash(Currency.KRW) == cash
        assert found.open_of(STRATEGY) == found.open_orders == 1
    doubted = portfolio_of(created("a"), sent("a"), cash=1_000_000)
    doubted.apply(OrderDoubted(order=A, cause="lost", at=NINE))
    assert exposure(doubted).cash(Currency.KRW) == 300_000


def test_a_price_under_way_counts_where_it_is_dearer() -> None:
    portfolio = portfolio_of(created("a"), sent("a"), accepted("a", "1"))
    for limit, dearest in ((71_000, 71_000), (69_000, 70_000)):
        moving = portfolio_of(created("a"), sent("a"), accepted("a", "1"))
        moving.apply(ModifySent(order=A, limit=Decimal(limit), at=NINE))
        assert committed_price(moving.orders[A], Quotes()) == dearest
    assert committed_price(portfolio.orders[A], Quotes()) == 70_000


def test_a_purchase_nobody_can_price_is_named() -> None:
    portfolio = portfolio_of(created("a", intent(limit=None)))
    assert exposure(portfolio).unpriced is None
    assert exposure(portfolio, Quotes(upper=lambda _: None)).unpriced == A


def test_what_is_approved_counts_for_what_comes_after() -> None:
    found = exposure(portfolio_of(cash=2_000_000, krx_005930=10))
    found.add(intent(), Decimal(70_000))
    found.add(intent(side=Side.SELL, quantity=3), Decimal(70_000))
    assert found.cash(Currency.KRW) == 1_300_000
    assert found.sellable(SAMSUNG) == 7
    assert (found.open_orders, found.sends(1), found.sends_of_the_day()) == (2, 2, 2)
    # A sale frees nothing before it has filled.
    assert found.position_worth(SAMSUNG) == 1_400_000
    assert found.position_worth(SAMSUNG, 5, Decimal(71_000)) == 25 * 71_000
    assert found.strategy_worth(STRATEGY, HYNIX, 1, Decimal(200_000)) == 900_000
    assert found.account_worth(HYNIX, 1, Decimal(200_000)) == 1_600_000


def test_what_another_strategy_bought_is_not_for_sale() -> None:
    theirs = intent(strategy=StrategyId("other"))
    portfolio = portfolio_of(
        created("a", theirs), sent("a"), accepted("a", "1"), filled("a", 6), krx_005930=4
    )
    found = exposure(portfolio)
    assert found.sellable(SAMSUNG) == 10
    assert found.sellable_by(STRATEGY, SAMSUNG) == 4
    assert found.sellable_by(StrategyId("other"), SAMSUNG) == 10


def test_what_others_have_on_sale_is_not_for_sale_again() -> None:
    """Of twenty shares ten are of nobody, and ten of another strategy."""
    third, theirs = StrategyId("third"), StrategyId("other")
    portfolio = portfolio_of(
        *(created("a", intent(strategy=theirs)), sent("a"), accepted("a", "1"), filled("a", 10)),
        *(created("b", intent(side=Side.SELL, quantity=7)), sent("b"), accepted("b", "2")),
        krx_005930=10,
    )
    found = exposure(portfolio)
    assert found.sellable(SAMSUNG) == 13
    assert found.sellable_by(third, SAMSUNG) == found.sellable_by(STRATEGY, SAMSUNG) == 3
    assert found.sellable_by(theirs, SAMSUNG) == 13
    # What an owner has on sale of its own takes nothing from the others.
    found.add(intent(side=Side.SELL, quantity=10, strategy=theirs), Decimal(70_000))
    assert found.sellable_by(third, SAMSUNG) == 3
    found.add(intent(side=Side.SELL, quantity=3, strategy=third), Decimal(70_000))
    assert [found.sellable_by(each, SAMSUNG) for each in (STRATEGY, theirs, third)] == [0, 0, 0]


def test_having_sold_what_nobody_bought_frees_nothing() -> None:
    portfolio = portfolio_of(
        *(created("a", intent(side=Side.SELL, quantity=4)), sent("a"), accepted("a", "1")),
        filled("a", 4, side=Side.SELL),
        krx_005930=4,
    )
    assert exposure(portfolio).strategy_worth(STRATEGY, SAMSUNG, 3, Decimal(70_000)) == 210_000


def test_another_currency_is_worth_its_rate_and_unknown_without_one() -> None:
    apple = InstrumentId("nasdaq:AAPL")
    last = {apple: Decimal(200)}.get
    portfolio = portfolio_of(
        created("a", intent(instrument=apple, quantity=2, limit=210)), cash=1_000
    )
    known = Exposure(portfolio, Quotes(last=last), Dollars(1_400), NINE)
    assert known.position_worth(apple) == 2 * 210 * 1_400
    assert known.value(apple, Decimal(3)) == 4_200
    assert known.cash(Currency.USD) == -420
    assert known.cash(Currency.KRW) == 1_000
    unknown = Exposure(portfolio, Quotes(last=last), Dollars(None), NINE)
    assert unknown.position_worth(apple) is None
    assert unknown.account_worth(SAMSUNG) is None
    assert unknown.strategy_worth(STRATEGY, SAMSUNG) is None
