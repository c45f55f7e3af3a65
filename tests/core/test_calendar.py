"""Price steps at every edge, the limits of a day, and the hours of KRX."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.calendar import (
    KST,
    LATE_DAY,
    LATE_OPEN,
    Calendars,
    DayVerdict,
    MarketCalendar,
    OddDay,
    Phase,
    RoundingWay,
    half_day,
    judge_day,
    price_limits,
    price_step,
    round_to_step,
    shift_steps,
)
from daemon.core.steps import is_accepted_price
from daemon.core.values import InstrumentId, Region
from tests.builders import DAY, NINE, SAMSUNG

DOWN, UP = RoundingWay.DOWN, RoundingWay.UP
PRICES = st.integers(1, 2_000_000).map(Decimal)
FINE_PRICES = st.decimals(1, 2_000_000, places=2)
FUNDS = st.booleans()
BEFORE_THE_CHANGE = date(2026, 9, 11)
THE_CHANGE = date(2026, 9, 14)


def wons(*prices: str | int) -> list[Decimal]:
    return [Decimal(price) for price in prices]


@pytest.mark.parametrize(
    ("edge", "below", "above"),
    [
        (2_000, 1, 5),
        (5_000, 5, 10),
        (20_000, 10, 50),
        (50_000, 50, 100),
        (200_000, 100, 500),
        (500_000, 500, 1_000),
    ],
)
def test_a_bands_edge_belongs_to_the_band_above(edge: int, below: int, above: int) -> None:
    assert price_step(Decimal(edge) - Decimal("0.01")) == below
    assert price_step(Decimal(edge - 1)) == below
    assert price_step(Decimal(edge)) == above
    # One step down from the edge is the smaller step, one step up the larger.
    assert shift_steps(Decimal(edge), -1) == edge - below
    assert shift_steps(Decimal(edge), 1) == edge + above
    assert shift_steps(Decimal(edge - below), 1) == edge


def test_the_lowest_and_the_highest_band() -> None:
    assert price_step(Decimal(1)) == 1
    assert price_step(Decimal(3_000_000)) == 1_000


@pytest.mark.parametrize(("price", "step"), [(1, 1), (1_999, 1), (2_000, 5), (100_000, 5)])
def test_funds_have_two_bands(price: int, step: int) -> None:
    assert price_step(Decimal(price), fund=True) == step


@pytest.mark.parametrize("price", wons(0, -1, -70_000))
def test_there_is_no_step_without_a_price(price: Decimal) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        price_step(price)


@pytest.mark.parametrize(
    ("price", "down", "up"),
    [
        ("70000", 70_000, 70_000),
        ("70001", 70_000, 70_100),
        ("70099.99", 70_000, 70_100),
        ("1999.5", 1_999, 2_000),
        ("4999", 4_995, 5_000),
        ("19999", 19_990, 20_000),
        ("49951", 49_950, 50_000),
        ("199999", 199_900, 200_000),
        ("499999", 499_500, 500_000),
        ("500001", 500_000, 501_000),
    ],
)
def test_rounding_at_the_edges(price: str, down: int, up: int) -> None:
    assert round_to_step(Decimal(price), DOWN) == down
    assert round_to_step(Decimal(price), UP) == up


def test_a_fund_is_rounded_by_its_own_steps() -> None:
    assert round_to_step(Decimal(35_007), DOWN, fund=True) == 35_005
    assert round_to_step(Decimal(35_007), UP, fund=True) == 35_010


def test_nothing_is_rounded_down_to_no_price() -> None:
    assert round_to_step(Decimal("0.4"), DOWN) == 1


@given(FINE_PRICES, FUNDS)
def test_rounding_finds_the_nearest_valid_prices(price: Decimal, fund: bool) -> None:
    down, up = (round_to_step(price, way, fund=fund) for way in (DOWN, UP))

    assert is_accepted_price(SAMSUNG, down, fund=fund)
    assert is_accepted_price(SAMSUNG, up, fund=fund)
    assert down <= price <= up
    if is_accepted_price(SAMSUNG, price, fund=fund):
        assert down == price == up
    else:
        assert shift_steps(down, 1, fund=fund) == up


@given(PRICES, FUNDS)
def test_a_price_is_valid_when_it_is_a_multiple_of_its_step(price: Decimal, fund: bool) -> None:
    assert is_accepted_price(SAMSUNG, price, fund=fund) == (
        price % price_step(price, fund=fund) == 0
    )


@pytest.mark.parametrize("price", wons(0, -100, "70000.5", "0.5"))
def test_prices_that_are_none(price: Decimal) -> None:
    assert not is_accepted_price(SAMSUNG, price)


@given(PRICES, st.integers(0, 60), FUNDS)
def test_steps_up_and_down_undo_each_other(wished: Decimal, steps: int, fund: bool) -> None:
    price = round_to_step(wished, UP, fund=fund)
    above = shift_steps(price, steps, fund=fund)

    assert is_accepted_price(SAMSUNG, above, fund=fund)
    assert shift_steps(above, -steps, fund=fund) == price
    assert (above > price) == (steps > 0)


@given(PRICES, st.integers(0, 30), st.integers(0, 30), FUNDS)
def test_steps_add_up(wished: Decimal, some: int, more: int, fund: bool) -> None:
    price = round_to_step(wished, UP, fund=fund)
    stepwise = shift_steps(shift_steps(price, some, fund=fund), more, fund=fund)

    assert stepwise == shift_steps(price, some + more, fund=fund)


@given(PRICES, FUNDS)
def test_no_valid_price_is_stepped_over(wished: Decimal, fund: bool) -> None:
    price = round_to_step(wished, UP, fund=fund)
    above = shift_steps(price, 1, fund=fund)

    between = range(int(price) + 1, int(above))
    assert not any(is_accepted_price(SAMSUNG, Decimal(each), fund=fund) for each in between)


def test_there_is_nothing_below_the_lowest_price() -> None:
    assert shift_steps(Decimal(3), -2) == 1
    assert shift_steps(Decimal(1), -1) == 1


@pytest.mark.parametrize(
    ("base", "lower", "upper"),
    [
        (77_300, 54_200, 100_400),
        (100_000, 70_000, 130_000),
        (1_252, 877, 1_627),
        (2_000, 1_400, 2_600),
        (10_000, 7_000, 13_000),
    ],
)
def test_the_limits_of_a_day(base: int, lower: int, upper: int) -> None:
    assert price_limits(Decimal(base)) == (Decimal(lower), Decimal(upper))


@given(PRICES.filter(lambda price: price >= 10), FUNDS)
def test_limits_are_valid_prices_no_further_than_thirty_percent(
    wished: Decimal, fund: bool
) -> None:
    base = round_to_step(wished, UP, fund=fund)
    lower, upper = price_limits(base, fund=fund)

    assert is_accepted_price(SAMSUNG, lower, fund=fund)
    assert is_accepted_price(SAMSUNG, upper, fund=fund)
    assert base * Decimal("0.7") <= lower <= base <= upper <= base * Decimal("1.3")
    assert shift_steps(lower, -1, fund=fund) < base * Decimal("0.7")
    assert shift_steps(upper, 1, fund=fund) > base * Decimal("1.3")


def seoul(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), KST)


@pytest.mark.parametrize(
    ("clock", "phase"),
    [
        ("00:00", Phase.CLOSED),
        ("08:59:59.999999", Phase.OPENING_AUCTION),
        ("09:00", Phase.CONTINUOUS),
        ("15:19:59.999999", Phase.CONTINUOUS),
        ("15:20", Phase.CLOSING_AUCTION),
        ("15:29:59.999999", Phase.CLOSING_AUCTION),
        ("15:30", Phase.CLOSED),
        ("23:59:59.999999", Phase.CLOSED),
    ],
)
@pytest.mark.parametrize("day", [BEFORE_THE_CHANGE, THE_CHANGE, DAY])
def test_the_phases_of_a_day(day: date, clock: str, phase: Phase) -> None:
    assert MarketCalendar().phase(seoul(day, clock)) is phase


@pytest.mark.parametrize(
    ("day", "clock", "phase"),
    [
        (BEFORE_THE_CHANGE, "08:20", Phase.CLOSED),
        (BEFORE_THE_CHANGE, "08:29:59.999999", Phase.CLOSED),
        (BEFORE_THE_CHANGE, "08:30", Phase.OPENING_AUCTION),
        (THE_CHANGE, "08:19:59.999999", Phase.CLOSED),
        (THE_CHANGE, "08:20", Phase.OPENING_AUCTION),
        (THE_CHANGE, "08:30", Phase.OPENING_AUCTION),
    ],
)
def test_the_intake_begins_earlier_from_the_day_of_the_change(
    day: date, clock: str, phase: Phase
) -> None:
    assert MarketCalendar().phase(seoul(day, clock)) is phase


def test_a_phase_is_that_of_the_instant_whatever_the_zone() -> None:
    calendar = MarketCalendar()

    assert calendar.phase(NINE) is Phase.CONTINUOUS
    assert calendar.phase(NINE.astimezone(ZoneInfo("America/New_York"))) is Phase.CONTINUOUS
    # Sunday evening in London is Monday morning in Seoul.
    assert calendar.phase(datetime(2026, 11, 22, 23, 59, tzinfo=UTC)) is Phase.OPENING_AUCTION


def test_weekends_and_holidays_are_closed_all_day() -> None:
    calendar = MarketCalendar(frozenset({date(2026, 12, 25), date(2026, 12, 31)}))
    saturday, christmas = date(2026, 11, 28), date(2026, 12, 25)

    for day in (saturday, saturday + timedelta(days=1), christmas):
        assert not calendar.is_trading_day(day)
        assert calendar.phase(seoul(day, "10:00")) is Phase.CLOSED
    assert calendar.is_trading_day(date(2026, 12, 24))
    assert MarketCalendar().is_trading_day(christmas)


def test_trading_days_around_a_long_weekend() -> None:
    friday, monday, tuesday = date(2026, 12, 25), date(2026, 12, 28), date(2026, 12, 29)
    calendar = MarketCalendar(frozenset({friday, monday}))
    thursday = date(2026, 12, 24)

    assert calendar.next_trading_day(thursday) == tuesday
    assert calendar.next_trading_day(friday) == tuesday
    assert calendar.previous_trading_day(tuesday) == thursday
    assert calendar.previous_trading_day(monday) == thursday
    assert calendar.trading_day_on_or_after(thursday) == thursday
    assert calendar.trading_day_on_or_after(friday) == tuesday


DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@given(DAYS, st.frozensets(DAYS, max_size=200))
def test_no_trading_day_is_skipped(day: date, holidays: frozenset[date]) -> None:
    calendar = MarketCalendar(holidays)
    following, former = calendar.next_trading_day(day), calendar.previous_trading_day(day)

    assert former < day < following
    for found, way in ((following, -1), (former, 1)):
        assert calendar.is_trading_day(found)
        between = found + timedelta(days=way)
        while between != day:
            assert not calendar.is_trading_day(between)
            between += timedelta(days=way)
    if calendar.is_trading_day(day):
        assert calendar.previous_trading_day(following) == day
        assert calendar.next_trading_day(former) == day


def test_days_and_hours_are_those_of_seoul() -> None:
    calendar = MarketCalendar()

    assert calendar.open_at(DAY) == NINE
    assert calendar.close_at(DAY) == NINE + timedelta(hours=6, minutes=30)
    assert calendar.local_date(datetime(2026, 11, 22, 14, 59, 59, tzinfo=UTC)) == date(2026, 11, 22)
    assert calendar.local_date(datetime(2026, 11, 22, 15, 0, tzinfo=UTC)) == DAY
    assert calendar.local_time(NINE).time() == time(9, 0)
    assert calendar.local_time(NINE) == NINE


EXAMINATION = date(2026, 11, 19)
FIRST_DAY = date(2026, 1, 2)
KOREAN = MarketCalendar(odd_days={EXAMINATION: LATE_DAY, FIRST_DAY: LATE_OPEN})
AMERICAN = MarketCalendar(
    frozenset({date(2026, 11, 26)}),
    Region.US,
    odd_days={date(2026, 11, 27): half_day(Region.US)},
    known_until=date(2026, 12, 31),
)


@pytest.mark.parametrize(
    ("day", "clock", "phase"),
    [
        (EXAMINATION, "09:19:59", Phase.CLOSED),
        (EXAMINATION, "09:20", Phase.OPENING_AUCTION),
        (EXAMINATION, "09:59:59", Phase.OPENING_AUCTION),
        (EXAMINATION, "10:00", Phase.CONTINUOUS),
        (EXAMINATION, "16:20", Phase.CLOSING_AUCTION),
        (EXAMINATION, "16:30", Phase.CLOSED),
        (FIRST_DAY, "09:29:59", Phase.CLOSED),
        (FIRST_DAY, "09:30", Phase.OPENING_AUCTION),
        (FIRST_DAY, "10:00", Phase.CONTINUOUS),
        (FIRST_DAY, "15:20", Phase.CLOSING_AUCTION),
        (FIRST_DAY, "15:30", Phase.CLOSED),
    ],
)
def test_the_phases_of_an_odd_day(day: date, clock: str, phase: Phase) -> None:
    assert KOREAN.phase(seoul(day, clock)) is phase


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        # Clocks go forward on 2026-03-08 and back on 2026-11-01, both Sundays.
        (date(2026, 3, 6), "2026-03-06T14:30", "2026-03-06T21:00"),
        (date(2026, 3, 9), "2026-03-09T13:30", "2026-03-09T20:00"),
        (date(2026, 10, 30), "2026-10-30T13:30", "2026-10-30T20:00"),
        (date(2026, 11, 2), "2026-11-02T14:30", "2026-11-02T21:00"),
        (date(2026, 11, 27), "2026-11-27T14:30", "2026-11-27T18:00"),
    ],
)
def test_new_york_changes_its_clocks(day: date, opens: str, closes: str) -> None:
    first, last = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (opens, closes))

    assert (AMERICAN.open_at(day), AMERICAN.close_at(day)) == (first, last)
    assert AMERICAN.phase(first) is AMERICAN.phase(last - timedelta(seconds=1)) is Phase.CONTINUOUS
    assert AMERICAN.phase(first - timedelta(seconds=1)) is AMERICAN.phase(last) is Phase.CLOSED


def test_an_american_day_goes_on_after_midnight_in_seoul() -> None:
    at = datetime(2026, 11, 24, 5, 59, tzinfo=KST)

    assert AMERICAN.local_date(at) == date(2026, 11, 23)
    assert AMERICAN.phase(at) is Phase.CONTINUOUS
    assert AMERICAN.next_trading_day(date(2026, 11, 25)) == date(2026, 11, 27)


@pytest.mark.parametrize(
    ("region", "day", "expected"),
    [
        (
            Region.JP,
            date(2024, 11, 1),
            ["09:00 continuous 11:30", "11:30 break 12:30", "12:30 continuous 15:00"],
        ),
        (
            Region.JP,
            DAY,
            [
                "09:00 continuous 11:30",
                "11:30 break 12:30",
                "12:30 continuous 15:25",
                "15:25 closing_auction 15:30",
            ],
        ),
        (
            Region.HK,
            DAY,
            ["09:30 continuous 12:00", "12:00 break 13:00", "13:00 continuous 16:00"],
        ),
        (Region.HK, date(2026, 12, 24), ["09:30 continuous 12:00"]),
        (
            Region.CN,
            DAY,
            [
                "09:30 continuous 11:30",
                "11:30 break 13:00",
                "13:00 continuous 14:57",
                "14:57 closing_auction 15:00",
            ],
        ),
        (Region.CN, date(2026, 11, 28), []),
    ],
)
def test_the_phases_elsewhere_in_asia(region: Region, day: date, expected: list[str]) -> None:
    short = {date(2026, 12, 24): half_day(Region.HK)} if region is Region.HK else {}
    calendar = MarketCalendar(region=region, odd_days=short)

    def clock(at: datetime) -> str:
        return f"{calendar.local_time(at):%H:%M}"

    phases = calendar.phases(day)
    assert [f"{clock(each.begins)} {each.phase} {clock(each.ends)}" for each in phases] == expected
    for each in phases:
        assert calendar.phase(each.begins) is each.phase


@given(DAYS, st.integers(0, 86_399), st.sampled_from([KOREAN, AMERICAN]))
def test_a_phase_is_the_one_whose_span_holds_the_instant(
    day: date, second: int, calendar: MarketCalendar
) -> None:
    at = datetime.combine(day, time(0), UTC) + timedelta(seconds=second)
    spans = calendar.phases(calendar.local_date(at))
    holding = [span.phase for span in spans if span.begins <= at < span.ends]

    assert calendar.phase(at) is (holding[0] if holding else Phase.CLOSED)
    assert len(holding) <= 1


def test_what_no_region_has() -> None:
    with pytest.raises(ValueError, match="no half days"):
        half_day(Region.KR)
    with pytest.raises(ValueError, match="trading hours of VN are not known"):
        MarketCalendar(region=Region.VN)
    assert OddDay() == (timedelta(), timedelta())


def test_calendars_are_found_by_region_and_instrument() -> None:
    calendars = Calendars({Region.KR: KOREAN, Region.US: AMERICAN})

    assert calendars.of(Region.US) is AMERICAN
    assert calendars.for_instrument(InstrumentId("nyse:BRK/B")) is AMERICAN
    assert calendars.for_instrument(InstrumentId("krx:005930")) is KOREAN
    with pytest.raises(ValueError, match="no calendar of JP"):
        calendars.for_instrument(InstrumentId("tokyo:7203"))
    with pytest.raises(ValueError, match="is not traded"):
        calendars.for_instrument(InstrumentId("index:0001"))


def test_two_sources_that_agree_allow_what_the_day_allows() -> None:
    thanksgiving, friday = date(2026, 11, 26), date(2026, 11, 27)

    assert judge_day(AMERICAN, friday, True) == DayVerdict(True, True, "")
    assert judge_day(AMERICAN, friday, None) == DayVerdict(True, True, "")
    closed = judge_day(AMERICAN, thanksgiving, False)
    assert not closed.entries
    assert not closed.exits
    assert "2026-11-26 (US) is no trading day" in closed.reason
    assert judge_day(AMERICAN, thanksgiving, None) == closed


@pytest.mark.parametrize(
    ("day", "second", "reason"),
    [
        (date(2026, 11, 27), False, "a trading day by our table and a holiday by the broker's"),
        (date(2026, 11, 26), True, "a holiday by our table and a trading day by the broker's"),
        (date(2027, 1, 4), None, "known until 2026-12-31, and 2027-01-04 is later"),
        (date(2027, 1, 4), True, "known until 2026-12-31, and 2027-01-04 is later"),
        (date(2027, 1, 4), False, "a trading day by our table and a holiday by the broker's"),
    ],
)
def test_a_day_in_dispute_is_for_selling_only(day: date, second: bool | None, reason: str) -> None:
    verdict = judge_day(AMERICAN, day, second)

    assert (verdict.entries, verdict.exits) == (False, True)
    assert reason in verdict.reason


def test_a_calendar_without_an_end_knows_every_day() -> None:
    assert MarketCalendar().knows(date(2099, 1, 1))
    assert AMERICAN.knows(date(2026, 12, 31))
    assert not AMERICAN.knows(date(2027, 1, 1))
