"""Prices an exchange accepts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import calendar
from daemon.core.calendar import RoundingWay
from daemon.core.steps import accepted_price, is_accepted_price, step_at
from daemon.core.values import InstrumentId
from tests.builders import SAMSUNG

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
