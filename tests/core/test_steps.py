"""Prices an exchange accepts."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import calendar
from daemon.core.calendar import RoundingWay
from daemon.core.events import OrderKind
from daemon.core.steps import (
    accepted_price,
    is_accepted_price,
    is_fund_step,
    marketable,
    shifted_price,
    step_at,
)
from daemon.core.values import InstrumentId, Side
from tests.builders import SAMSUNG, intent

ACME = InstrumentId("nasdaq:ACME")
PRICES = st.decimals(Decimal("0.0001"), Decimal(10_000), places=6)


@pytest.mark.parametrize(
    ("price", "step"), [("0.9999", "0.0001"), ("1", "0.01"), ("0.5", "0.0001"), ("260.29", "0.01")]
)
def test_american_prices_have_cents_from_a_dollar_on(price: str, step: str) -> None:
    assert step_at(ACME, Decimal(price)) == Decimal(step)


@pytest.mark.parametrize("fund", [False, True])
def test_korean_prices_have_the_steps_of_krx(fund: bool) -> None:
    for price in (1_999, 2_000, 49_950, 200_000):
        assert step_at(SAMSUNG, Decimal(price), fund=fund) == calendar.price_step(
            Decimal(price), fund=fund
        )


def test_other_regions_and_prices_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="not known"):
        step_at(InstrumentId("tokyo:7203"), Decimal(100))
    with pytest.raises(ValueError, match="positive"):
        step_at(ACME, Decimal(0))
    assert not is_accepted_price(ACME, Decimal(-1))


@given(PRICES)
def test_a_rounded_price_is_accepted_and_next_to_the_wished_one(price: Decimal) -> None:
    down = accepted_price(ACME, price, RoundingWay.DOWN)
    up = accepted_price(ACME, price, RoundingWay.UP)
    assert is_accepted_price(ACME, down)
    assert is_accepted_price(ACME, up)
    assert price - down < step_at(ACME, price) or down == step_at(ACME, price)
    assert 0 <= up - price < step_at(ACME, price)
    assert is_accepted_price(ACME, price) == (down == price == up)


@pytest.mark.parametrize(
    ("side", "last", "collar", "limit"),
    [
        (Side.BUY, "145.00", "0.05", "146.45"),
        (Side.SELL, "145.00", "0.05", "143.55"),
        (Side.BUY, "145.00", "0.001", "145.14"),
        (Side.BUY, "0.8500", "0.05", "0.8585"),
        (Side.SELL, "0.8577", "0.05", "0.8492"),
    ],
)
def test_an_order_at_market_becomes_a_limit_where_there_is_no_market_order(
    side: Side, last: str, collar: str, limit: str
) -> None:
    wished = intent(side=side, limit=None, instrument=ACME)
    made = marketable(wished, Decimal(last), Decimal(collar))
    assert (made.kind, made.limit) == (OrderKind.LIMIT, Decimal(limit))
    assert is_accepted_price(ACME, made.limit or Decimal(0))
    assert made.at_market
    assert replace(made, kind=OrderKind.MARKET, limit=None, at_market=False) == wished


def test_what_has_a_price_or_a_market_order_stays_as_it_is() -> None:
    for wished, last in (
        (intent(limit=None), Decimal(70_000)),
        (intent(instrument=ACME, limit=70), Decimal(70)),
        (intent(instrument=ACME, limit=None), None),
        (intent(instrument=ACME, limit=None), Decimal(0)),
    ):
        assert marketable(wished, last, Decimal("0.05")) is wished


@given(PRICES, st.integers(0, 20))
def test_a_shifted_price_is_accepted_and_beyond(price: Decimal, steps: int) -> None:
    up = shifted_price(ACME, price, Side.BUY, steps)
    down = shifted_price(ACME, price, Side.SELL, steps)
    assert is_accepted_price(ACME, up)
    assert is_accepted_price(ACME, down)
    assert up >= price
    assert down <= price or down == step_at(ACME, price)
    for _ in range(steps):
        up = shifted_price(ACME, up, Side.SELL, 1)
    assert up == accepted_price(ACME, price, RoundingWay.UP)


def test_shifting_at_home_is_shifting_on_krx() -> None:
    assert shifted_price(SAMSUNG, Decimal(49_990), Side.BUY, 2) == 50_200
    assert shifted_price(SAMSUNG, Decimal(50_000), Side.SELL, 1) == 49_950


def test_the_step_tells_funds_from_stocks_where_their_tables_differ() -> None:
    assert is_fund_step(Decimal(71_000), Decimal(5))
    assert not is_fund_step(Decimal(71_000), Decimal(100))
    assert not is_fund_step(Decimal(1_999), Decimal(1))
    assert not is_fund_step(Decimal(0), Decimal(1))
