"""Profit net of costs adds up: over strategies, over days, and to the cash."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.costs import BrokerTariff, Costs, CostSchedule, Listing, Security
from daemon.core.events import (
    CostsCharged,
    Event,
    Fill,
    FillSource,
    OrderCreated,
    OrderFilled,
    OrderIntent,
    OrderKind,
    OrderRepriced,
    OrderSent,
)
from daemon.core.portfolio import Portfolio
from daemon.core.profit import KEPT_DAYS, SETTLED_KEPT, DayTrades, Profit, ProfitBook, net_in_won
from daemon.core.values import (
    Currency,
    InstrumentId,
    OrderId,
    Region,
    Side,
    StrategyId,
    currency_of,
)
from tests.builders import ACCOUNT, DAY, HYNIX, NINE, SAMSUNG, reported
from tests.core.days import CALENDARS

D = Decimal
APPLE = InstrumentId("nasdaq:AAPL")
ONE, TWO = StrategyId("one"), StrategyId("two")
KRW, USD = Currency.KRW, Currency.USD
PRICES = {SAMSUNG: Decimal(71_300), HYNIX: Decimal(190_500), APPLE: Decimal("231.17")}
TINY = Decimal("1e-9")
"""Average costs are rounded at 28 digits."""


def new_book() -> ProfitBook:
    return ProfitBook(CostSchedule(CALENDARS), CALENDARS)


class Story:
    """Facts of orders, told in order."""

    def __init__(self) -> None:
        self.facts: list[Event] = []
        self._orders = 0

    def order(
        self,
        side: Side,
        *fills: tuple[int, str],
        instrument: InstrumentId = SAMSUNG,
        strategy: StrategyId = ONE,
        at: datetime = NINE,
    ) -> OrderId:
        """An order that trades these shares at these prices, and nothing more."""
        self._orders += 1
        order = OrderId(f"20261123-{self._orders:04}")
        wish = OrderIntent(
            account=ACCOUNT,
            strategy=strategy,
            instrument=instrument,
            side=side,
            quantity=sum(quantity for quantity, _ in fills),
            kind=OrderKind.MARKET,
            limit=None,
        )
        self.facts += [OrderCreated(order=order, intent=wish, at=at), OrderSent(order=order, at=at)]
        for quantity, price in fills:
            fill = Fill(
                instrument=instrument,
                side=side,
                quantity=quantity,
                notional=Decimal(price) * quantity,
                source=FillSource.NOTICE,
                exchange_time=at,
            )
            self.facts.append(OrderFilled(order=order, fill=fill, at=at))
        return order

    def book(self) -> ProfitBook:
        book = new_book()
        for fact in self.facts:
            book.apply(fact)
        return book


def test_a_round_trip_is_worth_what_is_left_after_costs() -> None:
    """By hand: 10 shares at 70,000 bought and 4 of them sold at 71,000 on 2026-11-23.

    700,000 at 0.0140527 % is 98 KRW, 284,000 is 40; the sale is taxed 142 and 426 KRW.
    """
    story = Story()
    story.order(Side.BUY, (6, "70000"), (4, "70000"))
    story.order(Side.SELL, (4, "71000"))
    book = story.book()

    (profit,) = book.of_account({SAMSUNG: Decimal(72_000)}).values()
    assert (profit.realised, profit.unrealised, profit.gross) == (D(4_000), D(12_000), D(16_000))
    assert profit.costs == Costs(currency=KRW, commission=Decimal(98 + 40), tax=Decimal(142 + 426))
    assert profit.net == 16_000 - 706
    assert book.of_strategies({SAMSUNG: Decimal(72_000)}) == {ONE: {KRW: profit}}

    day = book.of_day(Region.KR, DAY)[SAMSUNG]
    assert (day.bought, day.spent, day.sold, day.proceeds) == (10, D(700_000), 4, D(284_000))
    assert (day.realised, day.orders, day.sell_costs.total) == (D(4_000), 2, D(40 + 568))

    wednesday = DAY + timedelta(days=2)
    assert book.settlements.calendar(KRW) == {wednesday: Decimal(-700_098 + 284_000 - 608)}


def test_shares_without_a_price_count_at_cost_and_are_named() -> None:
    story = Story()
    story.order(Side.BUY, (1, "70000"))
    (profit,) = story.book().of_account({}).values()
    assert profit.unrealised == 0
    assert profit.unpriced == (SAMSUNG,)


def test_a_later_price_moves_amount_costs_and_money_due() -> None:
    story = Story()
    order = story.order(Side.SELL, (10, "70000"))
    story.facts.append(OrderRepriced(order=order, amount=Decimal(300_000), at=NINE))
    book = story.book()

    day = book.of_day(Region.KR, DAY)[SAMSUNG]
    assert (day.sold, day.proceeds, day.orders) == (10, D(1_000_000), 1)
    # 1,000,000: 141 commission, 500 and 1,500 tax.
    assert day.sell_costs.total == 2_141
    assert book.settlements.total(KRW) == 1_000_000 - 2_141


def test_each_currency_is_counted_by_itself_on_its_own_date() -> None:
    """Ten in the evening of the 23rd in Seoul is the morning of the 23rd in New York."""
    story = Story()
    night = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
    story.order(Side.BUY, (10, "230.1"), instrument=APPLE, at=night)
    story.order(Side.BUY, (1, "70000"), at=NINE)
    book = story.book()
    assert set(book.of_day(Region.KR, DAY)) == {SAMSUNG}
    assert set(book.of_day(Region.US, DAY)) == {APPLE}
    assert book.of_day(Region.US, DAY + timedelta(days=1)) == {}
    apple = book.of_account(PRICES)[USD]
    assert apple.costs == Costs(currency=USD, commission=Decimal("5.75"))
    assert book.settlements.calendar(USD) == {date(2026, 11, 24): Decimal("-2306.75")}


def test_all_of_it_in_won_at_a_rate() -> None:
    story = Story()
    story.order(Side.BUY, (10, "70000"))
    story.order(Side.BUY, (10, "230.1"), instrument=APPLE)
    profits = story.book().of_account(PRICES)
    # 13,000 less 98 KRW; 10.70 less 5.75 USD.
    assert net_in_won(profits, {USD: D(1_400)}) == 12_902 + D("4.95") * 1_400
    with pytest.raises(ValueError, match="no rate to change USD"):
        net_in_won(profits, {})


def test_a_year_of_trading_remembers_few_settlement_days_and_all_the_money() -> None:
    story = Story()
    last = 364
    for after in range(last + 1):
        story.order(Side.SELL, (1, "70000"), at=NINE + timedelta(days=after))
    book = story.book()

    remembered = book.settlements.calendar(KRW)
    assert len(remembered) <= SETTLED_KEPT.days + 5
    assert min(remembered) >= DAY + timedelta(days=last) - SETTLED_KEPT
    profit = book.of_account({})[KRW]
    assert book.settlements.total(KRW) == 365 * 70_000 - profit.costs.total


def test_a_fund_is_not_taxed() -> None:
    story = Story()
    story.order(Side.SELL, (10, "70000"))
    book = ProfitBook(
        CostSchedule(CALENDARS), CALENDARS, lambda instrument: Listing(security=Security.ETF)
    )
    for fact in story.facts:
        book.apply(fact)
    # 700,000 at 0.0146527 %.
    assert book.of_account(PRICES)[KRW].costs == Costs(currency=KRW, commission=Decimal(103))


def test_trades_whose_costs_are_not_known_count_without_and_are_named() -> None:
    story = Story()
    toyota = InstrumentId("tokyo:7203")
    story.order(Side.BUY, (100, "2500"), instrument=toyota)
    book = story.book()
    assert book.of_account({toyota: Decimal(2_600)})[Currency.JPY].net == 10_000
    assert list(book.unknown) == [toyota]
    assert "JP" in book.unknown[toyota]


def test_what_the_broker_charged_is_kept_beside_what_was_counted() -> None:
    story = Story()
    story.order(Side.BUY, (10, "70000"))
    story.facts.append(CostsCharged(account=ACCOUNT, amount=Decimal(97), at=NINE))
    book = story.book()
    assert book.charged == {KRW: Decimal(97)}
    assert book.of_account(PRICES)[KRW].costs.total == 98


def test_old_days_and_old_orders_are_let_go() -> None:
    story = Story()
    for number in range(KEPT_DAYS + 90):
        story.order(Side.BUY, (1, "70000"), at=NINE + timedelta(days=number))
    book = story.book()
    days = [DAY + timedelta(days=number) for number in range(KEPT_DAYS + 90)]
    assert [bool(book.of_day(Region.KR, day)) for day in days] == [False] * 90 + [True] * KEPT_DAYS
    assert (book.days(Region.KR), book.days(Region.US)) == (days[90:], [])
    before = book.of_account(PRICES)
    book.apply(OrderRepriced(order=OrderId("20261123-0001"), amount=Decimal(1), at=NINE))
    assert (book.of_account(PRICES), book.unknown) == (before, {})
    (late,) = [each for each in story.facts[:3] if isinstance(each, OrderFilled)]
    book.apply(late)
    assert (book.of_account(PRICES), list(book.unknown)) == (before, [SAMSUNG])


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Two strategies trade three instruments over some days and never sell what they lack."""
    story = Story()
    held: dict[tuple[StrategyId, InstrumentId], int] = {}
    at = NINE
    for _ in range(draw(st.integers(1, KEPT_DAYS))):
        at += timedelta(hours=draw(st.integers(0, 30)))
        strategy = draw(st.sampled_from((ONE, TWO)))
        instrument = draw(st.sampled_from((SAMSUNG, HYNIX, APPLE)))
        key = (strategy, instrument)
        owned = held.get(key, 0)
        side = draw(st.sampled_from(Side)) if owned else Side.BUY
        fills: list[tuple[int, str]] = []
        for _ in range(draw(st.integers(1, 3))):
            most = 50 if side is Side.BUY else owned
            if most:
                quantity = draw(st.integers(1, most))
                owned += side.sign * quantity
                steps = draw(st.integers(-50, 50))
                price = PRICES[instrument] + steps * (1 if instrument is APPLE else 100)
                fills.append((quantity, str(price)))
        held[key] = owned
        order = story.order(side, *fills, instrument=instrument, strategy=strategy, at=at)
        if draw(st.booleans()):
            amount = Decimal(draw(st.integers(-50, 50)))
            story.facts.append(OrderRepriced(order=order, amount=amount, at=at))
    return story


@settings(max_examples=150, deadline=None)
@given(stories())
def test_the_book_holds_what_the_portfolio_does(story: Story) -> None:
    portfolio, book = Portfolio(), story.book()
    for fact in story.facts:
        portfolio.apply(fact)
    for instrument in (SAMSUNG, HYNIX, APPLE):
        assert book.position(instrument) == portfolio.position(instrument)
        for strategy in (ONE, TWO):
            expected = portfolio.strategy_position(strategy, instrument)
            assert book.strategy_position(strategy, instrument) == expected


@settings(max_examples=150, deadline=None)
@given(stories())
def test_strategies_and_days_add_up_to_the_account_and_to_its_cash(story: Story) -> None:
    book = story.book()
    account = book.of_account(PRICES)
    strategies = list(book.of_strategies(PRICES).values())
    for currency, whole in account.items():
        parts = [each[currency] for each in strategies if currency in each]
        assert abs(sum(each.gross for each in parts) - whole.gross) < TINY
        assert total(parts, currency) == whole.costs
        assert abs(sum(each.net for each in parts) - whole.net) < TINY
        assert whole.net == whole.gross - whole.costs.total

        days = list(of_days(book, story, currency))
        assert abs(sum(each.realised for each in days) - whole.realised) < TINY
        assert sum((each.costs for each in days), Costs(currency=currency)) == whole.costs

        # All the money that moved is either profit, or still in the shares at what they cost.
        invested = sum(book.position(each).cost for each in PRICES if currency_of(each) is currency)
        moved = book.settlements.total(currency)
        assert abs(whole.realised - invested - whole.costs.total - moved) < TINY


def total(parts: list[Profit], currency: Currency) -> Costs:
    return sum((each.costs for each in parts), Costs(currency=currency))


def of_days(book: ProfitBook, story: Story, currency: Currency) -> Iterator[DayTrades]:
    """Nine in Seoul is the day before in New York."""
    last = max(fact.at for fact in story.facts if isinstance(fact, OrderFilled)).date()
    day = DAY - timedelta(days=1)
    while day <= last + timedelta(days=1):
        yield from book.of_day(Region.KR if currency is KRW else Region.US, day).values()
        day += timedelta(days=1)


@settings(max_examples=60, deadline=None)
@given(stories(), st.integers(0, 60), st.integers(0, 60), st.sampled_from([None, Region.KR]))
def test_adopted_books_are_adopted_as_in_the_portfolio(
    story: Story, samsung: int, hynix: int, region: Region | None
) -> None:
    told = reported(5_000, krx_005930=samsung, krx_000660=hynix)
    facts = [*story.facts, replace(told, region=region)]
    portfolio, book = Portfolio(), new_book()
    for fact in facts:
        portfolio.apply(fact)
        book.apply(fact)
    for instrument in (SAMSUNG, HYNIX, APPLE):
        assert book.position(instrument) == portfolio.position(instrument)
        for strategy in (ONE, TWO):
            expected = portfolio.strategy_position(strategy, instrument)
            assert book.strategy_position(strategy, instrument) == expected
    assert book.settlements.total(KRW) == 5_000
    before = new_book()
    for fact in story.facts:
        before.apply(fact)
    kept = region is not None
    assert book.position(APPLE).quantity == (before.position(APPLE).quantity if kept else 0)
    assert book.settlements.total(USD) == (before.settlements.total(USD) if kept else 0)


def test_what_one_sold_and_had_not_bought_hides_no_shares_of_another_that_are_gone() -> None:
    story = Story()
    story.facts.append(reported(1_000_000, krx_005930=10))
    story.order(Side.SELL, (10, "70000"), strategy=ONE)
    story.order(Side.BUY, (10, "70000"), strategy=TWO)
    story.facts.append(reported(1_000_000))
    book = story.book()
    assert book.strategy_position(TWO, SAMSUNG).quantity == 0
    # Held against what the shares it sold would be worth now.
    assert book.of_strategies(PRICES)[ONE][KRW].gross == 700_000 - 10 * PRICES[SAMSUNG]


def test_a_schedule_of_ones_own_is_used() -> None:
    story = Story()
    story.order(Side.BUY, (10, "70000"))
    free = CostSchedule(CALENDARS, {Region.KR: BrokerTariff(commission=Decimal(0))})
    book = ProfitBook(free, CALENDARS)
    for fact in story.facts:
        book.apply(fact)
    assert book.of_account(PRICES)[KRW].costs.total == 0
