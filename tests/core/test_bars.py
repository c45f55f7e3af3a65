"""Bars from ticks, against a slow and obvious model."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.bars import BarBuilder, SimpleMovingAverage, interval_start
from daemon.core.calendar import KST
from daemon.core.values import Bar, InstrumentId, Tick

SAMSUNG = InstrumentId("krx:005930")
OPEN = datetime(2026, 1, 5, 9, 0, tzinfo=KST).astimezone(UTC)


def tick(seconds: float, price: int | str, quantity: int = 1) -> Tick:
    at = OPEN + timedelta(seconds=seconds)
    return Tick(SAMSUNG, Decimal(price), quantity, None, 0, at, at)


def test_a_trade_on_the_boundary_belongs_to_the_later_bar() -> None:
    builder = BarBuilder(SAMSUNG, 60)
    assert builder.update(tick(0, 100)) is None
    assert builder.update(tick(59.999999, 103, 2)) is None
    closed = builder.update(tick(60, 90))
    assert closed == Bar(SAMSUNG, OPEN, Decimal(100), Decimal(103), Decimal(100), Decimal(103), 3)


def test_an_interval_without_trades_makes_no_bar() -> None:
    builder = BarBuilder(SAMSUNG, 60)
    builder.update(tick(0, 100))
    closed = builder.update(tick(600, 200))
    assert closed is not None
    assert closed.close == 100
    assert builder.current is not None
    assert builder.current.start == OPEN + timedelta(minutes=10)


def test_a_trade_that_comes_late_within_its_bar_is_put_in_its_place() -> None:
    builder = BarBuilder(SAMSUNG, 60)
    for each in (tick(10, 100), tick(30, 105), tick(5, 99), tick(20, 110)):
        builder.update(each)
    bar = builder.flush(OPEN + timedelta(seconds=60))
    assert bar == Bar(SAMSUNG, OPEN, Decimal(99), Decimal(110), Decimal(99), Decimal(105), 4)


def test_a_trade_of_a_closed_bar_is_counted_and_dropped() -> None:
    builder = BarBuilder(SAMSUNG, 60)
    builder.update(tick(59, 100))
    builder.update(tick(61, 101))
    before = builder.current
    assert builder.update(tick(58, 500)) is None
    assert builder.current == before
    assert builder.late == 1


def test_flush_waits_for_the_end_and_closes_for_good() -> None:
    builder = BarBuilder(SAMSUNG, 60)
    assert builder.flush(OPEN) is None
    builder.update(tick(1, 100))
    assert builder.flush(OPEN + timedelta(seconds=59)) is None
    assert builder.flush(OPEN + timedelta(seconds=60)) is not None
    assert builder.flush(OPEN + timedelta(seconds=61)) is None
    assert builder.update(tick(30, 1)) is None
    assert builder.late == 1


@pytest.mark.parametrize("seconds", [0, -60, 7, 86_401])
def test_an_interval_must_divide_a_day(seconds: int) -> None:
    with pytest.raises(ValueError, match="divide"):
        BarBuilder(SAMSUNG, seconds)


def test_a_trade_of_another_instrument_is_refused() -> None:
    with pytest.raises(ValueError, match="000660"):
        BarBuilder(InstrumentId("krx:000660"), 60).update(tick(0, 1))


def test_the_open_of_krx_begins_an_interval_of_any_length() -> None:
    for seconds in (1, 60, 300, 3600, 86_400):
        assert interval_start(OPEN, seconds) == OPEN


TRADES = st.lists(
    st.tuples(
        st.integers(0, 400_000),  # milliseconds after the open
        st.integers(1, 10_000),
        st.integers(1, 50),
    ),
    max_size=60,
)


@given(TRADES, st.sampled_from([1, 10, 60, 300]))
def test_bars_in_order_agree_with_grouping_by_interval(
    trades: list[tuple[int, int, int]], seconds: int
) -> None:
    ordered = sorted(trades, key=lambda trade: trade[0])
    builder = BarBuilder(SAMSUNG, seconds)
    ticks = [tick(at / 1000, price, quantity) for at, price, quantity in ordered]
    bars = [bar for each in ticks if (bar := builder.update(each))]
    if last := builder.flush(OPEN + timedelta(days=1)):
        bars.append(last)

    groups: dict[int, list[tuple[int, int, int]]] = {}
    for trade in ordered:
        groups.setdefault(trade[0] // (seconds * 1000), []).append(trade)
    assert builder.late == 0
    assert bars == [
        Bar(
            SAMSUNG,
            OPEN + timedelta(seconds=number * seconds),
            Decimal(group[0][1]),
            Decimal(max(price for _, price, _ in group)),
            Decimal(min(price for _, price, _ in group)),
            Decimal(group[-1][1]),
            sum(quantity for _, _, quantity in group),
        )
        for number, group in sorted(groups.items())
    ]


@given(TRADES)
def test_in_any_order_bars_rise_and_every_share_is_in_a_bar_or_late(
    trades: list[tuple[int, int, int]],
) -> None:
    builder = BarBuilder(SAMSUNG, 60)
    bars, dropped = [], 0
    for at, price, quantity in trades:
        late = builder.late
        if closed := builder.update(tick(at / 1000, price, quantity)):
            bars.append(closed)
        dropped += quantity if builder.late > late else 0
    if last := builder.flush(OPEN + timedelta(days=1)):
        bars.append(last)
    starts = [bar.start for bar in bars]
    assert starts == sorted(set(starts))
    assert sum(bar.volume for bar in bars) + dropped == sum(each[2] for each in trades)
    assert all(bar.low <= min(bar.open, bar.close) for bar in bars)
    assert all(bar.high >= max(bar.open, bar.close) for bar in bars)


@given(
    st.integers(1, 9),
    st.lists(st.decimals("0.01", "9999999", places=2, allow_nan=False), max_size=40),
)
def test_the_average_is_the_mean_of_the_last_values_exactly(
    length: int, values: list[Decimal]
) -> None:
    average = SimpleMovingAverage(length)
    for number, value in enumerate(values, start=1):
        got = average.update(value)
        window = values[max(0, number - length) : number]
        assert Fraction(average.total) == sum((Fraction(each) for each in window), Fraction(0))
        assert (got is None) is (number < length)
        assert average.ready is (number >= length)
        assert got == (average.total / length if average.ready else None)


def test_an_average_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no meaning"):
        SimpleMovingAverage(0)
