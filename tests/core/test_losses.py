"""The loss stops, each just inside and just outside, and what they are measured from."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import AccountReported, CostsCharged, Holding
from daemon.core.limits import WON_ONLY, RiskLimits
from daemon.core.losses import PEAK_STEP, LossStop, profit, unpriced
from daemon.core.values import InstrumentId, Region, Side
from tests.builders import (
    ACCOUNT,
    HYNIX,
    LIMITS,
    NINE,
    SAMSUNG,
    accepted,
    created,
    filled,
    intent,
    sent,
)
from tests.core.test_risk import portfolio_of

DAY_LOSS, DRAWDOWN = Decimal(10_000), Decimal(15_000)
STOPS = replace(LIMITS, max_daily_loss=DAY_LOSS, max_drawdown=DRAWDOWN)
TOMORROW = NINE + timedelta(days=1)
ZERO = Decimal(0)


def watched(start: int = 0, limits: RiskLimits = STOPS) -> LossStop:
    stop = LossStop(limits)
    stop.begin(Decimal(start), NINE, start=Decimal(start))
    return stop


def test_profit_is_realised_and_unrealised_less_costs() -> None:
    portfolio = portfolio_of(
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 10)),
        created("b", intent(side=Side.SELL, quantity=4, limit=71_000)),
        *(sent("b"), accepted("b", "2"), filled("b", 4, 71_000, side=Side.SELL)),
        CostsCharged(account=ACCOUNT, amount=Decimal(700), at=NINE),
    )
    last = {SAMSUNG: Decimal(70_500)}
    assert profit(portfolio, last.get, WON_ONLY) == 4_000 + 6 * 500 - 700
    assert profit(portfolio, lambda _: None, WON_ONLY) == 4_000 - 700, "worth what it cost"


def test_what_is_held_and_has_no_price_though_it_could_have_one_is_named() -> None:
    apple, toyota = InstrumentId("nasdaq:AAPL"), InstrumentId("tokyo:7203")
    portfolio = portfolio_of(krx_005930=10, krx_000660=1)
    korea = frozenset({Region.KR})
    last = {HYNIX: Decimal(200_000)}
    assert unpriced(portfolio, last.get, STOPS, korea) == [SAMSUNG]
    assert unpriced(portfolio, {**last, SAMSUNG: Decimal(70_000)}.get, STOPS, korea) == []
    denied = replace(STOPS, denied=frozenset({SAMSUNG}))
    assert unpriced(portfolio, last.get, denied, korea) == [], "no order may touch it"
    abroad = AccountReported(
        account=ACCOUNT,
        cash={},
        holdings=tuple(
            Holding(instrument=each, quantity=1, cost=Decimal(1)) for each in (apple, toyota)
        ),
        at=NINE,
    )
    portfolio.apply(abroad)
    assert unpriced(portfolio, last.get, STOPS, korea) == [], "nobody asks for their prices"
    both = frozenset({Region.KR, Region.US})
    assert unpriced(portfolio, last.get, STOPS, both) == [apple], "sold shares need no price"


def test_without_a_rate_profit_is_not_known() -> None:
    apple = InstrumentId("nasdaq:AAPL")
    wish = intent(instrument=apple, quantity=2, limit=200)
    portfolio = portfolio_of(
        *(created("a", wish), sent("a"), accepted("a", "1")),
        filled("a", 2, 200, instrument=apple),
    )
    assert profit(portfolio, lambda _: Decimal(201), WON_ONLY) is None
    assert profit(portfolio, lambda _: Decimal(200), WON_ONLY) == 0, "nothing to convert"


@pytest.mark.parametrize(("value", "stopped"), [(-9_999, False), (-10_000, True), (-1, False)])
def test_the_daily_loss(value: int, stopped: bool) -> None:
    assert bool(watched().breach(Decimal(value))) is stopped
    assert bool(watched(500_000).breach(Decimal(500_000 + value))) is stopped


@pytest.mark.parametrize(("value", "stopped"), [(5_001, False), (5_000, True)])
def test_the_drawdown(value: int, stopped: bool) -> None:
    stop = watched()
    stop.rise(Decimal(20_000), NINE)
    breach = stop.breach(Decimal(value))
    assert breach.startswith("drawdown stop") is stopped
    assert bool(breach) is stopped


def test_without_limits_nothing_stops() -> None:
    assert not LossStop(LIMITS).is_set
    assert LossStop(STOPS).is_set
    assert watched(limits=LIMITS).breach(Decimal(-(10**9))) == ""
    assert LossStop(STOPS).breach(Decimal(-(10**9))) == "", "nothing to measure from"


def test_a_new_day_measures_its_loss_anew_and_keeps_the_peak() -> None:
    stop = watched()
    stop.rise(Decimal(12_000), NINE)
    assert not stop.is_new_day(NINE)
    assert stop.is_new_day(TOMORROW)
    mark = stop.begin(Decimal(3_000), TOMORROW, start=Decimal(4_000))
    assert [mark.start, mark.peak] == [4_000, 12_000]
    assert stop.breach(Decimal(-2_999)) == ""
    assert stop.breach(Decimal(-3_000)).startswith("drawdown stop: 15000 KRW below the peak")
    assert stop.breach(Decimal(-6_000)).startswith("daily loss stop: 10000 KRW lost today")


def test_a_person_who_resumes_measures_anew() -> None:
    stop = watched()
    stop.rise(Decimal(20_000), NINE)
    mark = stop.begin(Decimal(-30_000), NINE)
    assert mark.start == mark.peak == -30_000
    assert stop.breach(Decimal(-39_999)) == ""
    assert stop.breach(Decimal(-40_000))


def test_books_that_are_replaced_move_what_losses_are_measured_from() -> None:
    stop = watched()
    mark = stop.shift(Decimal(-50_000), NINE)
    assert mark is not None
    assert mark.start == mark.peak == -50_000
    assert stop.shift(ZERO, NINE) is None
    assert LossStop(STOPS).shift(Decimal(1), NINE) is None


@given(st.lists(st.integers(-100_000, 100_000), max_size=30))
def test_over_a_restart_little_of_the_peak_is_forgotten(values: list[int]) -> None:
    stop = watched()
    journalled = stop.rise(ZERO, NINE)
    assert journalled is None
    kept = stop.begin(ZERO, NINE, start=ZERO)
    for value in values:
        kept = stop.rise(Decimal(value), NINE) or kept
    peak = max([0, *values])
    assert 0 <= peak - kept.peak < DRAWDOWN * PEAK_STEP
    again = LossStop(STOPS)
    again.resume(kept)
    assert again.breach(kept.peak - DRAWDOWN)


def test_other_stops_are_measured_from_the_same_start_and_peak() -> None:
    stop = watched()
    stop.rise(Decimal(1_000), NINE)
    assert stop.breach(Decimal(-4_000)) == ""
    stop.use_limits(replace(STOPS, max_daily_loss=Decimal(4_000)))
    assert "4000 KRW lost today" in stop.breach(Decimal(-4_000))
    stop.use_limits(replace(LIMITS, max_drawdown=Decimal(5_000)))
    assert "5000 KRW below the peak" in stop.breach(Decimal(-4_000))
    stop.use_limits(LIMITS)
    assert not stop.is_set
    assert stop.breach(Decimal(-(10**9))) == ""
