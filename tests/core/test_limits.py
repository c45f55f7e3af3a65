"""The limits: their days, what won is worth, and the table for traders that explains them."""

import re
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.core.calendar import KST
from daemon.core.limits import WON_ONLY, RiskLimits, Rule, limit_day
from daemon.core.values import Currency

TABLE = (Path(__file__).parents[2] / "docs" / "risk.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 24, 6, 59, tzinfo=KST), date(2026, 11, 23)),
        (datetime(2026, 11, 24, 7, 0, tzinfo=KST), date(2026, 11, 24)),
        (datetime(2026, 11, 24, 15, 30, tzinfo=KST), date(2026, 11, 24)),
        (datetime(2026, 11, 25, 4, 0, tzinfo=KST), date(2026, 11, 24)),
    ],
)
def test_a_day_of_limits_holds_the_korean_day_and_the_american_night(
    at: datetime, day: date
) -> None:
    assert limit_day(at) == day


def test_a_won_is_a_won_and_nothing_else_is_known() -> None:
    assert WON_ONLY.rate(Currency.KRW) == Decimal(1)
    assert WON_ONLY.rate(Currency.USD) is None


def test_every_rule_and_every_limit_is_in_the_table() -> None:
    told = set(re.findall(r"`([a-z_]+)`", TABLE))
    assert {rule.value for rule in Rule} <= told
    assert {each.name for each in fields(RiskLimits)} <= told
