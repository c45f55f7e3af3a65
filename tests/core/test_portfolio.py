"""What we own is the fold of what happened."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import InvariantBroken
from daemon.core.events import (
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    TradingArmed,
    TradingHalted,
    TradingResumed,
)
from daemon.core.orders import OrderState
from daemon.core.portfolio import ORDER_LIFE, Portfolio, Position
from daemon.core.values import Currency, OrderId, Region, Side, StrategyId
from tests.builders import (
    ACCOUNT,
    DAY,
    HYNIX,
    NINE,
    SAMSUNG,
    STRATEGY,
    accepted,
    created,
    filled,
    funded,
    intent,
    reported,
    sent,
)


def test_a_purchase_and_a_sale_move_cash_position_and_profit() -> None:
    portfolio = funded(1_000_000)
    for event in (
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 10)),
        created("b", intent(side=Side.SELL, quantity=4, limit=71_000)),
        *(sent("b"), accepted("b", "2"), filled("b", 4, 71_000, side=Side.SELL)),
    ):
        portfolio.apply(event)

    position = portfolio.position(SAMSUNG)
    assert portfolio.cash_of(Currency.KRW) == 1_000_000 - 700_000 + 284_000
    assert position.quantity == 6
    assert position.cost == 420_000
    assert position.realised == 4_000
    assert position.average_price == 70_000
    assert portfolio.strategy_position(STRATEGY, SAMSUNG) == position
    assert portfolio.strategy_position(StrategyId("other"), SAMSUNG).quantity == 0
    assert portfolio.open_orders() == []


def test_the_brokers_books_replace_ours_and_keep_what_was_realised() -> None:
    portfolio = funded(1_000_000, krx_005930=10)
    for event in (
        created("a", intent(side=Side.SELL, quantity=10, limit=71_000)),
        *(sent("a"), accepted("a", "1"), filled("a", 10, 71_000, side=Side.SELL)),
        reported(5_000, krx_000660=3),
    ):
        portfolio.apply(event)

    assert portfolio.cash_of(Currency.KRW) == 5_000
    assert portfolio.position(SAMSUNG).quantity == 0
    assert portfolio.position(SAMSUNG).realised == 10_000
    assert portfolio.position(HYNIX).quantity == 3


def test_adopted_books_leave_no_strategy_with_shares_the_account_lacks() -> None:
    portfolio = funded()
    other = StrategyId("other")
    for event in (
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 10)),
        *(created("b", intent(strategy=other)), sent("b"), accepted("b", "2"), filled("b", 10)),
        reported(5_000, krx_005930=12),
    ):
        portfolio.apply(event)

    shares = [portfolio.strategy_position(each, SAMSUNG).quantity for each in (STRATEGY, other)]
    assert sum(shares) == 12
    assert portfolio.position(SAMSUNG).quantity == 12


def sold(name: str, strategy: StrategyId, quantity: int) -> tuple[Event, ...]:
    """A sale of one owner, from its making to its fill."""
    wish = intent(strategy=strategy, side=Side.SELL, quantity=quantity)
    fill = filled(name, quantity, side=Side.SELL)
    return (created(name, wish), sent(name), accepted(name, name), fill)


def bought(name: str, strategy: StrategyId, quantity: int = 10) -> tuple[Event, ...]:
    """A purchase of one owner, from its making to its fill."""
    wish = intent(strategy=strategy, quantity=quantity)
    return (created(name, wish), sent(name), accepted(name, name), filled(name, quantity))


def test_who_sold_what_nobody_bought_owns_nothing_and_not_less() -> None:
    portfolio = funded(krx_005930=10)
    for event in sold("a", STRATEGY, 10):
        portfolio.apply(event)
    owned = portfolio.strategy_position(STRATEGY, SAMSUNG)
    assert (owned.quantity, owned.cost, owned.realised) == (0, Decimal(0), Decimal(700_000))
    for event in bought("b", STRATEGY, 4):
        portfolio.apply(event)
    owned = portfolio.strategy_position(STRATEGY, SAMSUNG)
    figures = (owned.quantity, owned.average_price, owned.realised)
    assert figures == (4, Decimal(70_000), Decimal(700_000))


def test_shares_that_are_gone_are_no_strategys() -> None:
    portfolio = funded(krx_005930=10)
    other = StrategyId("other")
    for event in (
        *sold("a", StrategyId("kill-switch"), 10),
        *bought("b", STRATEGY),
        reported(5_000),
    ):
        portfolio.apply(event)
    assert portfolio.strategy_position(STRATEGY, SAMSUNG).quantity == 0

    for event in (*bought("c", STRATEGY), *bought("d", other)):
        portfolio.apply(event)
    for event in sold("e", StrategyId("kill-switch"), 14):
        portfolio.apply(event)
    shares = [portfolio.strategy_position(each, SAMSUNG).quantity for each in (STRATEGY, other)]
    assert sum(shares) == portfolio.position(SAMSUNG).quantity == 6


def test_orders_are_found_by_every_number_they_ever_had() -> None:
    portfolio = funded()
    for event in (created("a"), sent("a"), accepted("a", "77")):
        portfolio.apply(event)

    found = portfolio.find((Region.KR, DAY, "77"))
    assert found is not None
    assert found.id == "a"
    assert portfolio.find((Region.KR, DAY, "78")) is None


def test_events_of_unknown_or_known_orders_are_refused_before_anything_changes() -> None:
    portfolio = funded()
    portfolio.apply(created("a"))

    with pytest.raises(InvariantBroken, match="unknown order b"):
        portfolio.verify([sent("b")])
    with pytest.raises(InvariantBroken, match="created twice"):
        portfolio.verify([created("a")])
    with pytest.raises(InvariantBroken, match="created twice"):
        portfolio.verify([created("c"), created("c")])
    portfolio.verify([created("b"), sent("b"), accepted("b", "1")])
    assert set(portfolio.orders) == {OrderId("a")}


def test_the_gates_facts_are_remembered() -> None:
    portfolio = Portfolio()
    found = DiscrepancyFound(subject="cash", ours="1", theirs="2", at=NINE)
    external = ExternalOrderSeen(
        account=ACCOUNT, day=DAY, number="9", instrument=SAMSUNG, side=Side.BUY, quantity=1, at=NINE
    )
    events: list[Event] = [found, external, TradingHalted(reason="by hand", at=NINE)]
    events.append(TradingArmed(account=ACCOUNT, at=NINE))
    for event in events:
        portfolio.apply(event)

    assert portfolio.discrepancies == {"cash": found}
    assert portfolio.external == {(Region.KR, DAY, "9"): external}
    assert (portfolio.halted, portfolio.armed, portfolio.opened) == ("by hand", True, False)
    portfolio.apply(TradingResumed(reason="checked", at=NINE))
    portfolio.apply(DiscrepancyCleared(subject="cash", at=NINE))
    assert (portfolio.halted, portfolio.discrepancies) == ("", {})


def test_a_sale_of_more_than_is_held_shows_as_a_negative_quantity() -> None:
    position = Position(instrument=SAMSUNG, quantity=3, cost=Decimal(210_000))
    after = position.apply(filled("a", 5, 71_000, side=Side.SELL).fill)

    assert after.quantity == -2
    assert after.cost == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Side)),
            st.integers(1, 50),
            st.integers(1, 1_000).map(lambda n: n * 100),
        ),
        max_size=40,
    )
)
def test_quantity_is_the_sum_of_fills_and_cost_never_negative(
    trades: list[tuple[Side, int, int]],
) -> None:
    position = Position(instrument=SAMSUNG)
    held = 0
    paid = Decimal(0)
    for side, quantity, price in trades:
        if side is Side.SELL and quantity > held:
            continue
        held += side.sign * quantity
        paid += side.sign * quantity * price
        position = position.apply(filled("a", quantity, price, side=side).fill)
        assert position.quantity == held
        assert position.cost >= 0
        assert position.quantity > 0 or position.cost == 0
    profit = position.realised - position.cost
    assert abs(profit + paid) < Decimal("0.000001")


def test_old_orders_are_forgotten_and_what_they_traded_is_not() -> None:
    portfolio = funded(1_000_000)
    for event in (created("a"), sent("a"), accepted("a", "1"), filled("a", 10)):
        portfolio.apply(event)
    portfolio.apply(replace(created("b"), at=NINE + ORDER_LIFE))
    assert list(portfolio.orders) == ["a", "b"]
    portfolio.apply(replace(created("c"), at=NINE + ORDER_LIFE + timedelta(seconds=1)))
    assert list(portfolio.orders) == ["b", "c"]
    assert portfolio.find((Region.KR, DAY, "1")) is None
    assert portfolio.position(SAMSUNG).quantity == 10
    assert portfolio.cash_of(Currency.KRW) == 300_000


def test_an_order_that_may_be_alive_is_never_forgotten() -> None:
    portfolio = funded()
    for event in (created("a"), sent("a"), created("b"), sent("b"), accepted("b", "2")):
        portfolio.apply(event)
    portfolio.apply(replace(created("c"), at=NINE + 2 * ORDER_LIFE))
    assert list(portfolio.orders) == ["a", "b", "c"]
    assert portfolio.orders[OrderId("a")].state is OrderState.SENT
    assert portfolio.find((Region.KR, DAY, "2")) is not None
