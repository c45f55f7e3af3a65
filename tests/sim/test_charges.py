"""What the simulated broker takes, by hand."""

from datetime import date
from decimal import Decimal

import pytest

from daemon.core.values import Side
from daemon.sim.charges import Charge, Charges


@pytest.mark.parametrize(
    ("settles", "tax"),
    [
        (date(2019, 6, 2), 3_000),
        (date(2019, 6, 3), 2_500),
        (date(2021, 1, 1), 2_300),
        (date(2023, 1, 1), 2_000),
        (date(2024, 1, 1), 1_800),
        (date(2025, 12, 31), 1_500),
        (date(2026, 1, 1), 2_000),
    ],
)
def test_a_sale_of_a_million_is_taxed_by_its_settlement(settles: date, tax: int) -> None:
    taken = Charges().of(Side.SELL, Decimal(1_000_000), settles)
    assert taken == Charge(Decimal(141), Decimal(tax))
    assert Charges().of(Side.BUY, Decimal(1_000_000), settles) == Charge(Decimal(141), Decimal(0))


def test_taxes_lose_their_fractions_and_commissions_are_rounded() -> None:
    taken = Charges(Decimal("0.001")).of(Side.SELL, Decimal(123_457), date(2026, 11, 25))
    assert taken == Charge(Decimal(123), Decimal(61 + 185))
