"""Our day against the broker's: equal to rounding, or a difference that says where."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.costs import Costs, CostSchedule
from daemon.core.profit import DayTrades
from daemon.core.tieout import BrokerProfit, Figure, Reading, TieOut, tie_out
from daemon.core.values import Currency, InstrumentId
from tests.builders import DAY, HYNIX, SAMSUNG
from tests.core.days import CALENDARS

APPLE = InstrumentId("nasdaq:AAPL")
SCHEDULE = CostSchedule(CALENDARS)
OURS = DayTrades(
    currency=Currency.KRW,
    bought=10,
    spent=Decimal(700_000),
    sold=4,
    proceeds=Decimal(284_000),
    realised=Decimal(4_000),
    buy_costs=Costs(currency=Currency.KRW, commission=Decimal(98)),
    sell_costs=Costs(currency=Currency.KRW, commission=Decimal(39), tax=Decimal(568)),
    orders=2,
)
THEIRS = BrokerProfit(
    day=DAY,
    instrument=SAMSUNG,
    bought=10,
    spent=Decimal(700_000),
    sold=4,
    proceeds=Decimal(284_000),
    costs=Decimal(705),
    realised=Decimal(4_000 - 705),
)


def compared(*theirs: BrokerProfit, ours: DayTrades | None = OURS) -> TieOut:
    mine = {} if ours is None else {SAMSUNG: ours}
    return tie_out(DAY, mine, theirs, SCHEDULE, sales_only=False)


@pytest.mark.parametrize(
    ("realised", "reading"),
    [
        (4_000, Reading.GROSS),
        (4_000 - 705, Reading.NET),
        (4_000 - 607, Reading.NET_OF_SALE),
    ],
)
def test_equal_days_agree_however_the_broker_counts_profit(realised: int, reading: Reading) -> None:
    result = compared(replace(THEIRS, realised=Decimal(realised)))
    assert result.agrees
    assert result.compared == (SAMSUNG,)
    assert result.rounding == 0
    assert result.readings == {reading}


def test_rounding_is_tolerated_and_told() -> None:
    """Two orders of four charges, each rounded by less than one won."""
    result = compared(replace(THEIRS, costs=Decimal(705 + 8), realised=Decimal(3_295 - 8)))
    assert result.agrees
    assert result.rounding == 8
    result = compared(replace(THEIRS, costs=Decimal(705 + 9)))
    assert [each.figure for each in result.differences] == [Figure.COSTS]


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ({"bought": 9}, Figure.BOUGHT),
        ({"spent": Decimal(700_001)}, Figure.SPENT),
        ({"sold": 5}, Figure.SOLD),
        ({"proceeds": Decimal(284_001)}, Figure.PROCEEDS),
        ({"costs": Decimal(137)}, Figure.COSTS),
        ({"realised": Decimal(4_100)}, Figure.REALISED),
    ],
)
def test_every_figure_can_differ(change: dict[str, Decimal], figure: Figure) -> None:
    result = compared(replace(THEIRS, **change))  # type: ignore[arg-type]
    assert not result.agrees
    assert [(each.instrument, each.figure) for each in result.differences] == [(SAMSUNG, figure)]
    assert str(figure) in str(result.differences[0])


def test_what_only_one_side_traded_differs() -> None:
    (bought, sold) = compared().differences
    assert (bought.figure, bought.ours, bought.theirs) == (Figure.BOUGHT, Decimal(10), Decimal(0))
    assert (sold.figure, sold.ours, sold.theirs) == (Figure.SOLD, Decimal(4), Decimal(0))
    by_hand = replace(THEIRS, instrument=HYNIX)
    assert {each.instrument for each in compared(THEIRS, by_hand).differences} == {HYNIX}
    assert compared(replace(THEIRS, day=DAY - timedelta(days=1)), ours=None).compared == ()


def test_rows_of_one_instrument_are_one_day() -> None:
    cash = replace(THEIRS, sold=0, proceeds=Decimal(0), costs=Decimal(98), realised=Decimal(-98))
    rest = replace(
        THEIRS, bought=0, spent=Decimal(0), costs=Decimal(607), realised=Decimal(4_000 - 607)
    )
    assert compared(cash, rest).agrees
    with pytest.raises(ValueError, match="do not add up"):
        THEIRS + replace(THEIRS, instrument=HYNIX)


def test_abroad_only_sales_are_told_of() -> None:
    ours = DayTrades(
        currency=Currency.USD,
        bought=10,
        spent=Decimal("2301.00"),
        sold=10,
        proceeds=Decimal("2320.00"),
        realised=Decimal("19.00"),
        buy_costs=Costs(currency=Currency.USD, commission=Decimal("5.75")),
        sell_costs=Costs(currency=Currency.USD, commission=Decimal("5.80"), fees=Decimal("0.05")),
        orders=2,
    )
    bought_only = replace(ours, sold=0, proceeds=Decimal(0), realised=Decimal(0))
    theirs = BrokerProfit(
        day=DAY,
        instrument=APPLE,
        bought=None,
        spent=None,
        sold=10,
        proceeds=Decimal("2320.00"),
        costs=Decimal("5.86"),
        realised=Decimal("13.14"),
    )
    mine = {APPLE: ours, InstrumentId("nyse:BRK/B"): bought_only}
    result = tie_out(DAY, mine, [theirs], SCHEDULE, sales_only=True)
    assert (result.agrees, result.compared) == (True, (APPLE,))
    assert result.rounding == Decimal("0.01")
    assert result.readings == {Reading.NET_OF_SALE}
    day_of_purchases = tie_out(DAY, {APPLE: bought_only}, [], SCHEDULE, sales_only=True)
    assert (day_of_purchases.agrees, day_of_purchases.compared) == (True, ())
    (sold,) = tie_out(DAY, {APPLE: ours}, [], SCHEDULE, sales_only=True).differences
    assert (sold.figure, sold.ours, sold.theirs) == (Figure.SOLD, Decimal(10), Decimal(0))


@given(st.integers(-(10**6), 10**6).map(Decimal), st.integers(-(10**6), 10**6).map(Decimal))
def test_days_agree_exactly_when_both_differences_are_rounding(
    costs: Decimal, realised: Decimal
) -> None:
    result = compared(
        replace(THEIRS, costs=THEIRS.costs + costs, realised=THEIRS.realised + realised)
    )
    tolerance = 8 + Decimal("0.0001") * 4
    nearest = min(abs(realised), abs(realised - 98), abs(realised - 705))
    assert result.agrees == (abs(costs) <= 8 and nearest <= tolerance)
