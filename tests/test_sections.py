"""Each section of the settings refuses by itself what it cannot mean."""

from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from daemon.core.events import TradingState
from daemon.core.switch import SwitchPolicy
from daemon.sections import (
    CLASS,
    EXPLICIT,
    FeedSettings,
    KillSwitchSettings,
    RiskSettings,
    StrategySettings,
)

STRATEGY = {"id": "dip", "class": "strategies.dip:Dip", "instruments": ["005930"]}


def test_a_strategy_watches_trades_and_books_unless_it_says_otherwise() -> None:
    usual = StrategySettings.model_validate(STRATEGY)
    assert (usual.channels, usual.priority) == (("trades", "book"), 0)
    told = StrategySettings.model_validate({**STRATEGY, "channels": ["program"], "priority": -3})
    assert (told.channels, told.priority) == (("program",), -3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": []},
        {"priority": "first"},
        {"instruments": ["005930", "005930"]},
        {"instruments": []},
        {"instruments": ["nasdaq:AAPL"]},
        {"id": "two words"},
        {"class": "nothing"},
        {"colour": "red"},
    ],
)
def test_what_makes_no_strategy_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StrategySettings.model_validate({**STRATEGY, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [{"registrations": 1}, {"inquiry_share": 0}, {"inquiry_share": 0.6}, {"registrations": 201}],
)
def test_a_feed_has_room_for_notices_and_leaves_requests_for_orders(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        FeedSettings.model_validate(wrong)
    assert FeedSettings().registrations is None


def test_limits_reach_the_core_as_they_are() -> None:
    limits = RiskSettings(
        max_order_quantity=1,
        max_order_notional=Decimal(2),
        max_position_notional=Decimal(3),
        price_collar=Decimal("0.1"),
        max_orders_per_minute=4,
    ).limits()
    assert (limits.max_order_quantity, limits.max_orders_per_minute) == (1, 4)


def test_a_class_is_named_by_its_module() -> None:
    assert CLASS.fullmatch("strategies.dip:Dip")
    assert not CLASS.fullmatch("Dip")


TABLE = (Path(__file__).parents[1] / "docs" / "risk.md").read_text(encoding="utf-8")
FIVE: dict[str, object] = {
    "max_order_quantity": 1,
    "max_order_notional": 2,
    "max_position_notional": 3,
    "price_collar": "0.1",
    "max_orders_per_minute": 4,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_daily_loss": 0},
        {"max_drawdown": "NaN"},
        {"max_open_orders": 0},
        {"max_price_age_seconds": 0},
        {"duplicate_window_seconds": -1},
        {"denied": ["samsung electronics"]},
        {"max_orders": 3},
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RiskSettings.model_validate({**FIVE, **wrong})


def test_what_is_not_named_is_limited_all_the_same_unless_it_is_null() -> None:
    limits = RiskSettings.model_validate(FIVE).limits()
    unlimited = [each.name for each in fields(limits) if getattr(limits, each.name) is None]
    assert unlimited == []
    freed = RiskSettings.model_validate({**FIVE, "max_daily_loss": None})
    assert freed.limits().max_daily_loss is None
    assert "max_daily_loss" not in freed.not_chosen()


def test_lists_of_instruments_may_be_written_in_one_line() -> None:
    found = RiskSettings.model_validate({**FIVE, "denied": "005930, 000660", "allowed": ["005930"]})
    assert found.limits().denied == {"krx:005930", "krx:000660"}
    assert found.limits().allowed == {"krx:005930"}


def test_the_table_for_traders_tells_the_defaults_and_what_real_trading_wants() -> None:
    for name, info in RiskSettings.model_fields.items():
        [line] = [row for row in TABLE.splitlines() if f"`{name}`" in row and row.startswith("|")]
        assert ("★" in line) == (name in EXPLICIT), name
        if not info.is_required() and name not in ("allowed", "denied"):
            assert line.rstrip(" |").endswith(f"| {info.default}"), name


def test_the_switch_acts_on_losses_by_stopping_entries_or_everything() -> None:
    assert KillSwitchSettings().policy() == SwitchPolicy()
    halting = KillSwitchSettings(on_loss="halted", sell_at_market=True).policy()
    assert (halting.on_loss, halting.sell_at_market) == (TradingState.HALTED, True)
    for wrong in ({"on_loss": "running"}, {"on_loss": "flattening"}, {"chase_seconds": 0}):
        with pytest.raises(ValidationError):
            KillSwitchSettings.model_validate(wrong)
