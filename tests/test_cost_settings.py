"""What trading costs, as settings tell it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.core.calendar import MarketCalendar
from daemon.core.costs import KIS_ONLINE, CostSchedule, Security, Traded
from daemon.core.tariffs import Board
from daemon.core.values import InstrumentId, Region, Side
from daemon.cost_settings import CostSettings, TariffSettings


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


def test_shares_of_konex_are_told_by_their_codes() -> None:
    costs = CostSettings.model_validate({"konex": ["112190", "krx:270660"], "funds": ["069500"]})
    codes = ("112190", "270660", "069500", "005930")
    listings = [costs.listing_of(InstrumentId(f"krx:{code}")) for code in codes]
    assert [each.board for each in listings] == [*[Board.KONEX] * 2, *[Board.KOSPI] * 2]

    schedule = CostSchedule({Region.KR: MarketCalendar()}, costs.tariffs())
    sale = Traded(
        instrument=InstrumentId("krx:112190"),
        side=Side.SELL,
        day=date(2026, 11, 23),
        quantity=1_000,
        notional=Decimal(10_000_000),
    )
    assert schedule.of_order(sale, listings[0]).tax == 10_000
    assert schedule.of_order(sale, listings[3]).tax == 20_000


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"konex": ["nasdaq:AAPL"]}, "KRX"),
        ({"konex": ["069500", "112190"], "funds": ["069500"]}, "069500"),
    ],
)
def test_a_share_of_konex_is_korean_and_no_fund(told: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        CostSettings.model_validate(told)


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
