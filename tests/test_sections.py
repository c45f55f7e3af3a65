"""Each section of the settings refuses by itself what it cannot mean."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from daemon.sections import CLASS, FeedSettings, RiskSettings, StrategySettings

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
        {"instruments": ["tokyo:7203"]},
        {"instruments": ["index:0001"]},
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
