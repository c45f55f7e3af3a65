"""Our books held against the broker's."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.books import (
    Discrepancy,
    Looks,
    adopted_in,
    booked,
    costs,
    credible,
    credible_in,
    differences,
    is_nothing,
)
from daemon.core.costs import BrokerTariff, CostCeilings
from daemon.core.events import (
    AccountReported,
    CostsCharged,
    Event,
    Fill,
    FillSource,
    Holding,
    OrderCancelled,
    OrderFilled,
)
from daemon.core.portfolio import Portfolio
from daemon.core.values import Currency, InstrumentId, OrderId, Region, Side
from tests.builders import (
    ACCOUNT,
    DAY,
    HYNIX,
    NINE,
    SAMSUNG,
    accepted,
    created,
    filled,
    funded,
    intent,
    reported,
    sent,
)

SHARES = st.integers(0, 3)
LISTED = CostCeilings()


def test_equal_books_have_no_differences() -> None:
    portfolio = funded(1_000, krx_005930=10)

    assert differences(portfolio, reported(1_000, krx_005930=10), LISTED) == []


def test_what_was_sold_out_may_be_missing_or_listed_with_nothing() -> None:
    portfolio = funded(0, krx_005930=10)
    for event in (
        created("a", intent(side=Side.SELL)),
        *(sent("a"), accepted("a", "1"), filled("a", 10, side=Side.SELL)),
    ):
        portfolio.apply(event)

    assert differences(portfolio, reported(700_000), LISTED) == []
    assert differences(portfolio, reported(700_000, krx_005930=0), LISTED) == []


def test_every_difference_is_named_with_both_sides() -> None:
    portfolio = funded(1_000, krx_005930=10, krx_035720=1)
    report = reported(999, krx_005930=12, krx_000660=5)

    assert differences(portfolio, report, LISTED) == [
        Discrepancy(subject="position krx:000660", ours="0 shares", theirs="5 shares"),
        Discrepancy(subject="position krx:005930", ours="10 shares", theirs="12 shares"),
        Discrepancy(subject="position krx:035720", ours="1 shares", theirs="0 shares"),
        Discrepancy(subject="cash KRW", ours="1000 KRW", theirs="999 KRW"),
    ]


def test_open_orders_are_no_difference() -> None:
    portfolio = funded(1_000_000)
    for event in (created("a"), sent("a"), accepted("a", "1")):
        portfolio.apply(event)
    assert differences(portfolio, reported(1_000_000), LISTED) == []

    portfolio.apply(OrderCancelled(order=OrderId("a"), at=NINE))
    assert differences(portfolio, reported(1_000_000), LISTED) == []


@given(SHARES, SHARES, SHARES, SHARES, st.booleans())
def test_no_difference_means_that_adopting_changes_nothing(
    ours: int, other: int, theirs: int, another: int, same_cash: bool
) -> None:
    portfolio = funded(1_000, krx_005930=ours, krx_000660=other)
    report = reported(1_000 if same_cash else 1_001, krx_005930=theirs, krx_000660=another)
    found = {each.subject for each in differences(portfolio, report, LISTED)}

    assert ("position krx:005930" in found) == (ours != theirs)
    assert ("position krx:000660" in found) == (other != another)
    assert ("cash KRW" in found) == (not same_cash)
    portfolio.apply(report)
    assert differences(portfolio, report, LISTED) == []
    assert portfolio.cash_of(Currency.KRW) == Decimal(1_000 if same_cash else 1_001)


def test_an_account_we_know_of_does_not_become_nothing() -> None:
    nothing = reported(0)

    assert is_nothing(nothing)
    assert not is_nothing(reported(1))
    assert not credible(funded(1_000), nothing)
    assert not credible(funded(0, krx_005930=1), nothing)
    assert credible(funded(0), nothing)
    assert credible(funded(1_000, krx_005930=1), reported(1_000)), "shares alone may be sold"
    assert credible(funded(1_000), reported(0, krx_005930=1)), "cash alone may be spent"


def test_what_can_move_is_believed_when_it_lasts_longer_than_any_lag() -> None:
    looks = Looks(75.0)

    for asked in (0.0, 2.0, 74.9):
        assert looks.see({"cash": 1}, asked=asked, calm_since=None) == set()
    assert looks.see({"cash": 1}, asked=75.0, calm_since=None) == {"cash"}


@pytest.mark.parametrize("between", [{}, {"cash": 2}], ids=["silence", "another word"])
def test_what_is_interrupted_begins_anew(between: dict[str, int]) -> None:
    looks = Looks(75.0)
    looks.see({"cash": 1}, asked=0.0, calm_since=None)
    looks.see(between, asked=40.0, calm_since=None)

    assert looks.see({"cash": 1}, asked=80.0, calm_since=None) == set()
    assert looks.see({"cash": 1}, asked=155.0, calm_since=None) == {"cash"}


def test_what_cannot_have_moved_is_believed_at_the_second_look() -> None:
    looks = Looks(75.0)

    assert looks.see({"cash": 1}, asked=100.0, calm_since=20.0) == set()
    assert looks.see({"cash": 1}, asked=101.0, calm_since=20.0) == {"cash"}
    assert looks.see({"cash": 1}, asked=102.0, calm_since=30.0) == set(), "moved too lately"


def test_what_has_a_known_cause_needs_no_wait_and_nothing_is_believed_at_one_look() -> None:
    looks = Looks(75.0)

    assert looks.see({"cash": 1, "x": 1}, asked=0.0, calm_since=None, certain={"x"}) == set()
    assert looks.see({"cash": 1, "x": 1}, asked=1.0, calm_since=None, certain={"x"}) == {"x"}


def test_more_looks_may_be_asked_for() -> None:
    looks = Looks(75.0)

    told = [looks.see({"x": 1}, asked=float(look), calm_since=-99.0, least=3) for look in range(3)]

    assert told == [set(), set(), {"x"}]


ACME = InstrumentId("nasdaq:ACME")


def both(won: int, dollars: str, shares: int = 0) -> AccountReported:
    held = (Holding(instrument=ACME, quantity=shares, cost=Decimal(70) * shares),) if shares else ()
    cash = {Currency.KRW: Decimal(won), Currency.USD: Decimal(dollars)}
    return AccountReported(account=ACCOUNT, cash=cash, holdings=held, at=NINE)


def american(
    name: str, number: str, quantity: int, price: str, side: Side = Side.BUY
) -> list[Event]:
    wish = replace(intent(side=side, instrument=ACME, quantity=quantity), limit=Decimal(price))
    done = Fill(
        instrument=ACME,
        side=side,
        quantity=quantity,
        notional=Decimal(price) * quantity,
        source=FillSource.NOTICE,
        exchange_time=NINE,
    )
    return [
        *(created(name, wish), sent(name), accepted(name, number)),
        OrderFilled(order=OrderId(name), fill=done, at=NINE),
    ]


def test_each_currency_pays_for_its_own_and_is_compared_alone() -> None:
    portfolio = Portfolio()
    portfolio.apply(both(1_000_000, "1000.00"))
    for event in (*american("a", "1", 10, "70.01"), created("b"), sent("b"), accepted("b", "1")):
        portfolio.apply(event)
    portfolio.apply(filled("b", 10))

    assert portfolio.cash == {Currency.KRW: 300_000, Currency.USD: Decimal("299.90")}
    assert portfolio.position(ACME).quantity == 10
    assert [
        each.subject for each in differences(portfolio, both(300_000, "299.91", 10), LISTED)
    ] == [
        "position krx:005930",
        "cash USD",
    ]
    adopted = both(300_000, "299.90", 10)
    found = differences(portfolio, replace(adopted, cash={Currency.KRW: Decimal(300_000)}), LISTED)
    assert [(each.subject, each.theirs) for each in found] == [
        ("position krx:005930", "0 shares"),
        ("cash USD", "0 USD"),
    ]


def test_costs_are_explained_by_what_traded_in_their_currency() -> None:
    portfolio = Portfolio()
    portfolio.apply(both(1_000_000, "1000.00"))
    for event in american("a", "1", 10, "70.00"):
        portfolio.apply(event)

    assert costs(portfolio, both(1_000_000, "298.25", 10), LISTED) == {
        Currency.USD: Decimal("1.75")
    }
    assert costs(portfolio, both(999_999, "298.25", 10), LISTED) == {Currency.USD: Decimal("1.75")}
    assert costs(portfolio, both(1_000_000, "296.00", 10), LISTED) == {}, "more than any commission"
    charged = CostsCharged(account=ACCOUNT, currency=Currency.USD, amount=Decimal("1.75"), at=NINE)
    portfolio.apply(charged)
    assert portfolio.charged_of(Currency.USD) == Decimal("1.75")
    assert portfolio.charged_of(Currency.KRW) == 0
    assert differences(portfolio, both(1_000_000, "298.25", 10), LISTED) == []


def after_sales(*prices: str, shares: int = 1) -> Portfolio:
    """An account of 1,000 USD besides what it was paid for so many shares, an order for each."""
    portfolio = Portfolio()
    paid = sum(Decimal(price) * shares for price in prices)
    portfolio.apply(both(0, str(Decimal(1_000) - paid), 9 * shares))
    for number, price in enumerate(prices):
        for event in american(f"o{number}", str(number), shares, price, Side.SELL):
            portfolio.apply(event)
    assert portfolio.cash_of(Currency.USD) == 1_000
    return portfolio


@pytest.mark.parametrize(
    ("portfolio", "most"),
    [
        # 0.0275, and a cent for each of four charges.
        (after_sales("5.00"), "0.06"),
        (after_sales("2.00"), "0.05"),
        (after_sales("2.00", "2.00"), "0.10"),
        (after_sales("80.00", shares=10), "4.44"),
    ],
    ids=["one share", "a cheap one", "two orders", "ten shares"],
)
def test_rounding_is_a_cost_of_every_order(portfolio: Portfolio, most: str) -> None:
    shares = portfolio.position(ACME).quantity
    inside = both(0, str(Decimal(1_000) - Decimal(most)), shares)
    outside = both(0, str(Decimal(1_000) - Decimal(most) - Decimal("0.01")), shares)

    assert costs(portfolio, inside, LISTED) == {Currency.USD: Decimal(most)}
    assert differences(portfolio, inside, LISTED) == []
    assert costs(portfolio, outside, LISTED) == {}
    assert [each.subject for each in differences(portfolio, outside, LISTED)] == ["cash USD"]


def test_an_order_that_fills_in_parts_is_one() -> None:
    portfolio = after_sales("5.00")
    more = american("big", "9", 1, "5.00", Side.SELL)[-1]
    wish = created("big", intent(side=Side.SELL, instrument=ACME))
    for event in (wish, sent("big"), accepted("big", "9"), more, more):
        portfolio.apply(event)

    assert portfolio.orders_traded_in(Currency.USD) == 2
    assert portfolio.orders_traded_in(Currency.KRW) == 0
    assert portfolio.traded_of(Currency.USD) == 15


def test_orders_are_counted_anew_when_books_are_taken_over_and_on_another_day() -> None:
    portfolio = after_sales("5.00", "6.00")
    portfolio.apply(replace(both(0, "999.00", 7), region=Region.KR))
    assert portfolio.orders_traded_in(Currency.USD) == 2, "of another region"
    portfolio.apply(both(0, "999.00", 7))
    assert portfolio.orders_traded_in(Currency.USD) == 0
    for event in american("late", "8", 1, "5.00"):
        portfolio.apply(event)
    assert portfolio.orders_traded_in(Currency.USD) == 1
    *sending, fill = american("next", "9", 1, "5.00")
    for event in (*sending, replace(fill, at=NINE + timedelta(days=1))):
        portfolio.apply(event)
    assert portfolio.orders_traded_in(Currency.USD) == 1
    assert portfolio.traded_of(Currency.USD) == 5


def test_what_the_settings_say_a_trade_costs_is_a_cost() -> None:
    portfolio = after_sales("80.00", shares=10)
    dear = BrokerTariff(commission=Decimal("0.01"), minimum=Decimal(5))
    ceilings = CostCeilings({Region.US: dear})

    for charged, explained in (("15.44", True), ("15.45", False)):
        report = both(0, str(1_000 - Decimal(charged)), portfolio.position(ACME).quantity)
        assert bool(costs(portfolio, report, ceilings)) is explained
        assert (differences(portfolio, report, ceilings) == []) is explained
        assert costs(portfolio, report, LISTED) == {}


def test_a_part_of_a_balance_that_is_empty_proves_nothing_of_its_currency() -> None:
    portfolio = Portfolio()
    portfolio.apply(both(1_000_000, "1000.00", 3))
    half = both(1_000_000, "0.00")

    assert credible(portfolio, half)
    assert credible_in(Currency.KRW, portfolio, half)
    assert not credible_in(Currency.USD, portfolio, half)
    assert credible_in(Currency.JPY, portfolio, half)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(1, 999)), max_size=8))
def test_the_money_of_each_currency_is_what_was_there_less_what_was_bought(
    bought: list[tuple[bool, int, int]],
) -> None:
    portfolio = Portfolio()
    portfolio.apply(both(10**7, "10000.00"))
    won, dollars = Decimal(10**7), Decimal(10_000)
    for number, (abroad, quantity, price) in enumerate(bought):
        name = str(number)
        if abroad:
            paid = Decimal(price) / 100
            dollars -= paid * quantity
            for event in american(name, name, quantity, str(paid)):
                portfolio.apply(event)
        else:
            won -= price * quantity
            wish = intent(quantity=quantity, limit=price)
            for event in (created(name, wish), sent(name), accepted(name, name)):
                portfolio.apply(event)
            portfolio.apply(filled(name, quantity, price))
    assert portfolio.cash == {Currency.KRW: won, Currency.USD: dollars}


def test_one_subject_is_taken_over_alone() -> None:
    portfolio = funded(1_000, krx_005930=10, krx_035720=1)
    report = reported(700, krx_005930=12, krx_000660=5)

    position = adopted_in(portfolio, report, "position krx:005930", LISTED)
    assert position is not None
    assert position.cash_of(Currency.KRW) == 1_000
    assert {each.instrument: each.quantity for each in position.holdings} == {
        InstrumentId("krx:005930"): 12,
        InstrumentId("krx:035720"): 1,
    }
    gone = adopted_in(portfolio, report, "position krx:035720", LISTED)
    assert gone is not None
    assert [each.instrument for each in gone.holdings] == ["krx:005930"]
    cash = adopted_in(portfolio, report, "cash KRW", LISTED)
    assert cash is not None
    assert cash.cash_of(Currency.KRW) == 700
    assert len(cash.holdings) == 2
    assert adopted_in(portfolio, report, "order 20261102-0001", LISTED) is None


def test_costs_are_taken_over_with_whatever_subject() -> None:
    portfolio = funded(10_000_000, krx_000660=1)
    for event in (created("a"), sent("a"), accepted("a", "1"), filled("a", 10)):
        portfolio.apply(event)
    report = reported(9_299_000, krx_005930=10)

    adopted = adopted_in(portfolio, report, "position krx:000660", LISTED)
    assert adopted is not None
    portfolio.apply(adopted)
    assert differences(portfolio, report, LISTED) == []


def late(report: AccountReported, day: date = DAY) -> AccountReported:
    """A balance that may lack the trades of a day."""
    return replace(report, unbooked={Region.KR: day})


def traded_tonight() -> Portfolio:
    """Of 20 shares and 1,000,000 KRW, 10 more were bought and 4 of them sold again."""
    portfolio = funded(1_000_000, krx_005930=20)
    for event in (
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 10)),
        *(created("b", intent(side=Side.SELL, quantity=4)), sent("b"), accepted("b", "2")),
        filled("b", 4, 71_000, side=Side.SELL),
    ):
        portfolio.apply(event)
    return portfolio


def test_trades_that_are_booked_late_are_no_difference() -> None:
    portfolio = traded_tonight()
    before = reported(1_000_000, krx_005930=20)
    assert len(differences(portfolio, before, LISTED)) == 2

    whole = booked(portfolio, late(before))

    assert differences(portfolio, whole, LISTED) == []
    assert whole.cash_of(Currency.KRW) == Decimal(584_000)
    (held,) = whole.holdings
    assert (held.quantity, held.cost) == (26, portfolio.position(SAMSUNG).cost)


@pytest.mark.parametrize(("cash", "shares"), [(900_000, 23), (584_000, 26), (1_000_000, 26)])
def test_a_balance_may_have_some_of_them_already(cash: int, shares: int) -> None:
    told = late(reported(cash, krx_005930=shares))
    assert differences(traded_tonight(), booked(traded_tonight(), told), LISTED) == []


@pytest.mark.parametrize(
    ("cash", "shares", "subject"),
    [
        (1_000_000, 19, "position krx:005930"),
        (1_000_000, 27, "position krx:005930"),
        (1_000_001, 20, "cash KRW"),
        (500_000, 20, "cash KRW"),
    ],
)
def test_what_no_late_trade_explains_differs_all_the_same(
    cash: int, shares: int, subject: str
) -> None:
    portfolio = traded_tonight()
    whole = booked(portfolio, late(reported(cash, krx_005930=shares)))
    assert [each.subject for each in differences(portfolio, whole, LISTED)] == [subject]


def test_trades_of_another_day_are_booked() -> None:
    portfolio = traded_tonight()
    told = booked(portfolio, late(reported(1_000_000, krx_005930=20), DAY + timedelta(days=1)))
    assert len(differences(portfolio, told, LISTED)) == 2
    assert told.unbooked == {}, "we did not trade that day: nothing of ours is missing"


def test_only_a_holding_that_lacks_our_trades_shows_that_the_broker_is_late() -> None:
    portfolio = traded_tonight()
    for shares, unbooked in ((20, {Region.KR: DAY}), (26, {}), (30, {})):
        told = late(reported(1_000_000, krx_005930=shares))
        assert booked(portfolio, told).unbooked == unbooked


def test_a_purchase_that_is_all_sold_again_and_booked_late_leaves_nothing() -> None:
    portfolio = funded(1_000_000, krx_005930=4)
    for event in (
        *(created("a", intent(side=Side.SELL, quantity=4)), sent("a"), accepted("a", "1")),
        filled("a", 4, side=Side.SELL),
    ):
        portfolio.apply(event)
    assert booked(portfolio, late(reported(1_000_000, krx_005930=4))).holdings == ()


def test_the_profit_of_late_trades_is_no_cost() -> None:
    portfolio = funded(10_000_000)
    before = late(reported(10_000_000))
    for event in (
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 10)),
        *(created("b", intent(side=Side.SELL)), sent("b"), accepted("b", "2")),
        filled("b", 10, 70_010, side=Side.SELL),
    ):
        portfolio.apply(event)
    assert costs(portfolio, booked(portfolio, before), LISTED) == {}

    for event in (created("c"), sent("c"), accepted("c", "3"), filled("c", 10)):
        portfolio.apply(event)
    assert differences(portfolio, booked(portfolio, before), LISTED) == []


def test_costs_are_told_apart_from_late_trades() -> None:
    portfolio = traded_tonight()
    told = late(reported(583_000, krx_005930=26))
    assert costs(portfolio, booked(portfolio, told), LISTED) == {Currency.KRW: Decimal(1_000)}

    # What was charged is in both figures, the one before the trades and ours.
    portfolio.apply(CostsCharged(account=ACCOUNT, amount=Decimal(1_000), at=NINE))
    for cash in (1_000_000, 583_000):
        told = late(reported(cash, krx_005930=26))
        assert booked(portfolio, told).cash_of(Currency.KRW) == Decimal(583_000)


@pytest.mark.parametrize(
    ("samsung", "hynix", "told", "taken"),
    [
        (26, 2, 700_000, 700_000),
        (26, 2, 1_000_000, 384_000),
        (20, 0, 700_000, 384_000),
        (26, 0, 700_000, 384_000),
        (30, 0, 700_000, 384_000),
        (30, 2, 700_000, 700_000),
        (30, 5, 700_000, 384_000),
    ],
    ids=[
        *("in time", "cash of before", "late", "both", "a hand, late", "a hand, in time"),
        "a hand, who knows",
    ],
)
def test_books_are_taken_over_with_the_cash_that_is_told_where_holdings_show_our_trades(
    samsung: int, hynix: int, told: int, taken: int
) -> None:
    portfolio = traded_tonight()
    for event in (
        *(created("c", intent(instrument=HYNIX, quantity=2)), sent("c"), accepted("c", "3")),
        filled("c", 2, 100_000, instrument=HYNIX),
    ):
        portfolio.apply(event)
    report = late(reported(told, krx_005930=samsung, krx_000660=hynix))

    assert booked(portfolio, report).cash_of(Currency.KRW) == Decimal(384_000)
    books = booked(portfolio, report, adopting=True)
    assert books.cash_of(Currency.KRW) == Decimal(taken)


def test_shares_bought_and_sold_again_show_nothing_of_the_night() -> None:
    portfolio = funded(1_000_000, krx_005930=4)
    for event in (
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 10)),
        *(created("b", intent(side=Side.SELL)), sent("b"), accepted("b", "2")),
        filled("b", 10, 75_000, side=Side.SELL),
    ):
        portfolio.apply(event)
    books = booked(portfolio, late(reported(1_020_000, krx_005930=4)), adopting=True)
    assert books.cash_of(Currency.KRW) == Decimal(1_050_000)


def test_a_balance_of_nothing_proves_nothing_late_or_not() -> None:
    for portfolio in (traded_tonight(), funded(0)):
        assert booked(portfolio, late(reported(0))) == reported(0)
