"""Rates by the day they came into force."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.core.tariffs import FINRA_FEE, KOREAN_SALE_TAX, SEC_FEE, Board, Dated

LAW = Dated("the toll", [(date(2020, 1, 1), 1), (date(2021, 6, 1), 2)])


def test_a_rate_holds_from_its_day_until_the_next_one() -> None:
    days = (date(2020, 1, 1), date(2021, 5, 31), date(2021, 6, 1), date(2099, 1, 1))
    assert [LAW.at(day) for day in days] == [1, 1, 2, 2]


def test_a_day_before_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="the toll of 2019-12-31 is not known"):
        LAW.at(date(2019, 12, 31))
    with pytest.raises(ValueError, match="KOSDAQ"):
        KOREAN_SALE_TAX[Board.KOSDAQ].at(date(2018, 12, 31))


@pytest.mark.parametrize("year", range(2020, 2028))
def test_the_two_taxes_of_kospi_add_up_to_the_one_of_kosdaq(year: int) -> None:
    """The decree keeps the burden of both markets equal: so a stock of either is never far off."""
    kospi, kosdaq, k_otc, konex = (
        KOREAN_SALE_TAX[board].at(date(year, 7, 1))
        for board in (Board.KOSPI, Board.KOSDAQ, Board.K_OTC, Board.KONEX)
    )
    assert kospi.transaction + kospi.rural == kosdaq.transaction == k_otc.transaction
    assert konex.transaction == Decimal("0.001")


def test_american_fees_pause_and_come_back() -> None:
    days = (date(2025, 5, 13), date(2025, 5, 14), date(2026, 4, 3), date(2026, 4, 4))
    assert [SEC_FEE.at(day) * 1_000_000 for day in days] == [
        Decimal("27.80"),
        0,
        0,
        Decimal("20.6"),
    ]
    shares = [
        FINRA_FEE.at(date(year, month, 1)) for year, month in ((2026, 9), (2026, 10), (2027, 1))
    ]
    assert [each.per_share for each in shares] == [Decimal("0.000195"), 0, Decimal("0.000195")]


def test_the_documented_table_is_the_one_that_counts() -> None:
    text = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d{4}-\d\d-\d\d) \| (.+) \+ (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE
    )
    assert len(rows) == 7
    for day, *shown in rows:
        rates = [KOREAN_SALE_TAX[board].at(date.fromisoformat(day)) for board in Board]
        kospi, kosdaq, konex, k_otc = rates
        assert [Decimal(each) / 100 for each in shown] == [
            kospi.transaction,
            kospi.rural,
            kosdaq.transaction,
            konex.transaction,
        ]
        assert k_otc == kosdaq
