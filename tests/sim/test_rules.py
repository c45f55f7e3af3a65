from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.calendar import Phase
from daemon.core.steps import is_accepted_price
from daemon.sim.rules import AMERICAN, KOREAN
from tests.builders import SAMSUNG


@pytest.mark.parametrize(
    ("price", "valid"),
    [
        ("262.52", True),
        ("262.525", False),
        ("1.00", True),
        ("1.0001", False),
        ("0.9999", True),
        ("0.99995", False),
        ("0", False),
    ],
)
def test_american_prices_have_cents_and_below_a_dollar_hundredths_of_them(
    price: str, valid: bool
) -> None:
    assert AMERICAN.is_valid(Decimal(price)) is valid


@given(st.floats(0.0001, 5_000_000.0))
def test_the_price_near_a_wish_may_be_ordered_at(wish: float) -> None:
    near = AMERICAN.near(wish)
    assert AMERICAN.is_valid(near)
    assert abs(float(near) - wish) <= float(AMERICAN.step(near)) * 1.01
    assert is_accepted_price(SAMSUNG, KOREAN.near(wish))
    assert KOREAN.is_valid(KOREAN.near(wish))


def test_the_clocks_of_new_york_are_put_back_in_november() -> None:
    assert AMERICAN.offset_on(date(2026, 10, 30)) == timedelta(hours=-4)
    assert AMERICAN.offset_on(date(2026, 11, 2)) == timedelta(hours=-5)
    assert KOREAN.offset_on(date(2026, 7, 1)) == timedelta(hours=9)


def test_a_session_opens_once_and_closes_last() -> None:
    for rules in (KOREAN, AMERICAN):
        phases = rules.phases(date(2026, 10, 12))
        assert phases == sorted(phases)
        assert (rules.open, Phase.CONTINUOUS) in phases
        assert phases[-1][1] is Phase.CLOSED
    assert not set(KOREAN.numbers) & {AMERICAN.first_number}
    assert AMERICAN.first_number in AMERICAN.numbers
