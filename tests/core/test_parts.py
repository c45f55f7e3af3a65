"""A region's part of a portfolio: all of its own, nothing of another's."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.books import credible, differences
from daemon.core.costs import CostCeilings
from daemon.core.events import AccountReported, DiscrepancyFound, Holding, OrderCreated
from daemon.core.parts import RegionView, joined, region_in_books, region_of_subject
from daemon.core.portfolio import Portfolio, PortfolioView
from daemon.core.values import Currency, InstrumentId, OrderId, Region
from tests.builders import ACCOUNT, NINE, SAMSUNG, STRATEGY, accepted, intent, sent

APPLE = InstrumentId("nasdaq:AAPL")


def part(region: Region, cash: str, **held: int) -> AccountReported:
    names = {"samsung": SAMSUNG, "apple": APPLE}
    holdings = tuple(
        Holding(instrument=names[name], quantity=quantity, cost=Decimal(quantity))
        for name, quantity in held.items()
    )
    cash_of = {region.currency: Decimal(cash)}
    return AccountReported(account=ACCOUNT, cash=cash_of, holdings=holdings, at=NINE)


def books() -> Portfolio:
    """Both regions hold something, and each has an order."""
    portfolio = Portfolio()
    parts = [part(Region.KR, "1000", samsung=3), part(Region.US, "5.00", apple=7)]
    portfolio.apply(joined(parts, NINE))
    for order, instrument in (("20260102-0001", SAMSUNG), ("20260102-0002", APPLE)):
        wanted = intent(instrument=instrument)
        portfolio.apply(OrderCreated(order=OrderId(order), intent=wanted, at=NINE))
        portfolio.apply(sent(order))
        portfolio.apply(accepted(order, "7"))
    return portfolio


def found(subject: str) -> DiscrepancyFound:
    return DiscrepancyFound(subject=subject, ours="1", theirs="2", at=NINE)


def test_each_part_shows_its_own_and_together_they_are_the_whole() -> None:
    whole = books()
    home: PortfolioView = RegionView(whole, Region.KR)
    abroad: PortfolioView = RegionView(whole, Region.US)

    assert list(home.orders) == ["20260102-0001"]
    assert [each.id for each in abroad.open_orders()] == ["20260102-0002"]
    assert {**home.orders, **abroad.orders} == whole.orders
    assert {**home.positions, **abroad.positions} == whole.positions
    assert {**home.cash, **abroad.cash} == whole.cash
    assert {**home.owned(), **abroad.owned()} == whole.owned()
    assert home.orders.get(OrderId("20260102-0002")) is None
    assert home.cash_of(Currency.USD) == 0
    assert abroad.cash_of(Currency.USD) == Decimal("5.00")


def test_equal_numbers_of_two_regions_are_two_orders() -> None:
    whole = books()
    day = whole.orders[OrderId("20260102-0001")].refs[0].day
    home, abroad = (RegionView(whole, each) for each in (Region.KR, Region.US))

    assert home.find((Region.US, day, "7")) is None
    order = abroad.find((Region.US, day, "7"))
    assert order is not None
    assert order.id == "20260102-0002"


def test_a_part_is_held_against_the_brokers_part_alone() -> None:
    home = RegionView(books(), Region.KR)

    assert differences(home, part(Region.KR, "1000", samsung=3), CostCeilings()) == []
    assert [
        each.subject for each in differences(home, part(Region.KR, "1000"), CostCeilings())
    ] == ["position krx:005930"]
    assert not credible(home, part(Region.KR, "0"))
    assert credible(home, part(Region.KR, "0", samsung=1))


def test_what_belongs_to_no_region_is_the_accounts() -> None:
    whole = books()
    view = RegionView(whole, Region.US)

    assert (view.opened, view.state, view.state_reason, view.halted, view.armed) == (
        whole.opened,
        whole.state,
        whole.state_reason,
        whole.halted,
        whole.armed,
    )
    assert view.activity is whole.activity
    assert view.entries is whole.entries
    assert view.profit_mark is whole.profit_mark
    assert view.external is whole.external
    assert view.costs == {}
    assert view.position(APPLE).quantity == 7
    assert view.strategy_position(STRATEGY, APPLE).quantity == 0
    assert view.traded_of(Currency.USD) == view.charged_of(Currency.USD) == 0
    assert view.orders_traded_in(Currency.USD) == 0
    assert len(view.orders) == 1
    assert view.orders_since(NINE) == []


def test_a_discrepancy_is_of_the_region_its_subject_names() -> None:
    whole = books()
    subjects = {
        "order 20260102-0001": Region.KR,
        "order 20260102-0002": Region.US,
        "order 20260102-0003": None,
        "position nasdaq:AAPL": Region.US,
        "position elsewhere:AAPL": None,
        "cash KRW": Region.KR,
        "cash USD": Region.US,
        "cash EUR": None,
        "cash": None,
    }
    for subject, region in subjects.items():
        whole.apply(found(subject))
        assert region_of_subject(whole, subject) is region

    assert set(RegionView(whole, Region.US).discrepancies) == {
        each for each, region in subjects.items() if region is Region.US
    }


def test_what_nobody_trades_is_in_no_books() -> None:
    assert region_in_books(InstrumentId("index:0001")) is None


@given(st.integers(0, 5), st.integers(0, 5))
def test_parts_are_joined_without_loss(won: int, dollars: int) -> None:
    whole = joined(
        [part(Region.KR, str(won), samsung=won), part(Region.US, str(dollars), apple=dollars)], NINE
    )

    assert whole.cash_of(Currency.KRW) == won
    assert whole.cash_of(Currency.USD) == dollars
    assert [each.quantity for each in whole.holdings] == [won, dollars]
