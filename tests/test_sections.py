"""Each section of the settings refuses by itself what it cannot mean."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from daemon.core.costs import KIS_ONLINE, Security
from daemon.core.values import InstrumentId, Region
from daemon.sections import (
    CLASS,
    CostSettings,
    FeedSettings,
    RiskSettings,
    StrategySettings,
    TariffSettings,
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


def test_costs_are_the_list_prices_except_for_what_is_told() -> None:
    assert CostSettings().tariffs() == {each: KIS_ONLINE[each] for each in (Region.KR, Region.US)}
    told = CostSettings.model_validate(
        {"kr": {"commission": "0", "exchange_fee": "0.000036396"}, "us": {"fx_spread": 0.001}}
    ).tariffs()
    korea, america = told[Region.KR], told[Region.US]
    assert (korea.commission, korea.exchange_fee) == (Decimal(0), Decimal("0.000036396"))
    assert korea.fund_commission is None, "one price for all, unless funds have their own"
    assert (america.commission, america.fx_spread) == (Decimal("0.0025"), Decimal("0.001"))
    funds = TariffSettings(fund_commission=Decimal("0.0002")).over(KIS_ONLINE[Region.KR])
    assert funds.commission == KIS_ONLINE[Region.KR].commission
    assert funds.fund_commission == Decimal("0.0002")


def test_funds_are_told_by_their_codes() -> None:
    costs = CostSettings.model_validate({"funds": ["069500", "krx:114800"]})
    listings = [costs.listing_of(InstrumentId(f"krx:{code}")) for code in ("069500", "005930")]
    assert [each.security for each in listings] == [Security.ETF, Security.STOCK]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kr": {"commission": "0.14"}},
        {"kr": {"commission": -1}},
        {"kr": {"step": 0}},
        {"kr": {"minimum": "NaN"}},
        {"jp": {}},
        {"funds": ["nasdaq:SPY"]},
    ],
)
def test_costs_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CostSettings.model_validate(wrong)
