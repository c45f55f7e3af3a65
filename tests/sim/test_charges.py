"""What the simulated broker takes, by hand."""

from datetime import date
from decimal import Decimal

import pytest

from daemon.core.values import Side
from daemon.sim.charges import AmericanCharges, Charge, Charges
from tests.sim.rig import DAY


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
    taken = Charges().of(Side.SELL, Decimal(1_000_000), 1, DAY, settles)
    assert taken == Charge(Decimal(141), Decimal(tax))
    assert Charges().of(Side.BUY, Decimal(1_000_000), 1, DAY, settles) == Charge(
        Decimal(141), Decimal(0)
    )


def test_taxes_lose_their_fractions_and_commissions_are_rounded() -> None:
    taken = Charges(Decimal("0.001")).of(Side.SELL, Decimal(123_457), 1, DAY, date(2026, 11, 25))
    assert taken == Charge(Decimal(123), Decimal(61 + 185))


@pytest.mark.parametrize(
    ("day", "settles", "fees"),
    [
        # 15,025 at 27.80 a million is 0.4177, 100 shares at 0.000166 are 0.0166: cents, up.
        (date(2025, 5, 12), date(2025, 5, 13), "0.44"),
        (date(2025, 5, 13), date(2025, 5, 14), "0.02"),
        # At 20.60: 0.3095. At 0.000195: 0.0195.
        (date(2026, 4, 2), date(2026, 4, 6), "0.33"),
        (date(2026, 10, 12), date(2026, 10, 13), "0.31"),
        (date(2027, 1, 4), date(2027, 1, 5), "0.33"),
    ],
)
def test_american_sales_pay_regulators(day: date, settles: date, fees: str) -> None:
    taken = AmericanCharges().of(Side.SELL, Decimal(15_025), 100, day, settles)
    assert taken == Charge(Decimal("37.56"), Decimal(fees))
    bought = AmericanCharges().of(Side.BUY, Decimal(15_025), 100, day, settles)
    assert bought == Charge(Decimal("37.56"), Decimal(0))


def test_finra_takes_no_more_than_its_most() -> None:
    day = date(2026, 6, 1)
    taken = AmericanCharges(Decimal(0)).of(Side.SELL, Decimal(100_000), 100_000, day, day)
    assert taken.tax == Decimal("2.06") + Decimal("9.79")
