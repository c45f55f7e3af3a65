"""What trades cost, against cases worked out by hand from the published rates."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import load_settings
from daemon.core.costs import (
    BrokerTariff,
    CostCeilings,
    Costs,
    CostSchedule,
    Listing,
    Security,
    Traded,
    money_step,
)
from daemon.core.tariffs import Board
from daemon.core.values import Currency, InstrumentId, Region, Side, region_of
from daemon.profit_books import profit_book
from tests.core.days import CALENDARS
from tests.test_tidy import ROOT

STOCK = InstrumentId("krx:005930")
APPLE = InstrumentId("nasdaq:AAPL")
FREE = BrokerTariff(commission=Decimal(0))
KOSPI, KOSDAQ, KONEX, K_OTC = (Listing(board=board) for board in Board)
ETF, ETN, ELW = (Listing(security=kind) for kind in (Security.ETF, Security.ETN, Security.ELW))
ONLY_TAX = CostSchedule(CALENDARS, {Region.KR: FREE, Region.US: FREE})
BY_ITSELF = CostSchedule(CALENDARS)
SHIPPED = profit_book(
    load_settings(
        "sim",
        {
            "markets": ["KR", "US"],
            "costs": {"kr": {"commission": 0}, "us": {"commission": 0}},
        },
        environ={},
        root=ROOT,
    )
).schedule
"""As the daemon makes it, by the days of `config/holidays.yaml`."""

BOTH_TABLES = pytest.mark.parametrize("schedule", [ONLY_TAX, SHIPPED], ids=["by hand", "shipped"])


def traded(
    notional: str,
    day: str,
    *,
    side: Side = Side.SELL,
    instrument: InstrumentId = STOCK,
    shares: int = 1,
) -> Traded:
    return Traded(
        instrument=instrument,
        side=side,
        day=date.fromisoformat(day),
        quantity=shares,
        notional=Decimal(notional),
    )


@BOTH_TABLES
@pytest.mark.parametrize(
    ("day", "listing", "notional", "tax"),
    [
        # 0.15 % + 0.15 % until what settles before 2019-06-03 (decree 29788).
        ("2019-05-29", KOSPI, "10000000", 15_000 + 15_000),
        ("2019-05-29", KOSDAQ, "10000000", 30_000),
        ("2019-05-29", KONEX, "10000000", 30_000),
        # A Thursday's sale settles on Monday 2019-06-03: 0.10 % + 0.15 %, 0.25 %, 0.10 %.
        ("2019-05-30", KOSPI, "10000000", 10_000 + 15_000),
        ("2019-05-30", KOSDAQ, "10000000", 25_000),
        ("2019-05-30", KONEX, "10000000", 10_000),
        ("2019-05-30", K_OTC, "10000000", 25_000),
        # 2020-12-28 settles on the 30th, the 29th on 2021-01-04: 0.08 % + 0.15 %.
        ("2020-12-28", KOSPI, "10000000", 10_000 + 15_000),
        ("2020-12-29", KOSPI, "10000000", 8_000 + 15_000),
        ("2021-06-15", KOSDAQ, "10000000", 23_000),
        # 2022-12-27 settles on the 29th, the last day of the year; the 28th on 2023-01-02.
        ("2022-12-27", KOSDAQ, "10000000", 23_000),
        ("2022-12-28", KOSDAQ, "10000000", 20_000),
        ("2023-03-02", KOSPI, "10000000", 5_000 + 15_000),
        # 0.03 % + 0.15 % for what settles in 2024.
        ("2023-12-27", KOSPI, "10000000", 3_000 + 15_000),
        ("2024-12-26", KOSDAQ, "10000000", 18_000),
        # Brokers' notices: the rates of 2025 for sales filled from Friday 2024-12-27 on.
        ("2024-12-27", KOSPI, "10000000", 15_000),
        ("2024-12-27", K_OTC, "10000000", 15_000),
        # 2025-12-26 settles on the 30th, the 29th on 2026-01-02: 0.05 % + 0.15 %, 0.20 %.
        ("2025-12-26", KOSPI, "10000000", 15_000),
        ("2025-12-29", KOSPI, "10000000", 5_000 + 15_000),
        ("2026-11-23", KOSDAQ, "10000000", 20_000),
        ("2026-11-23", K_OTC, "10000000", 20_000),
        ("2026-11-23", KONEX, "10000000", 10_000),
        # 61.7 and 185.2 KRW lose their fractions one by one, 246.9 in one piece.
        ("2026-11-23", KOSPI, "123457", 61 + 185),
        ("2026-11-23", KOSDAQ, "123457", 246),
        ("2026-11-23", KOSPI, "1333", 0 + 1),
        ("2026-11-23", KOSDAQ, "1333", 2),
        # Not shares: exempt.
        ("2026-11-23", ETF, "10000000", 0),
        ("2019-05-29", ETN, "10000000", 0),
        ("2023-03-02", ELW, "10000000", 0),
    ],
)
def test_korean_sales_are_taxed_by_market_and_settlement_day(
    schedule: CostSchedule, day: str, listing: Listing, notional: str, tax: int
) -> None:
    costs = schedule.of_order(traded(notional, day), listing)
    assert costs == Costs(currency=Currency.KRW, tax=Decimal(tax))
    bought = schedule.of_order(traded(notional, day, side=Side.BUY), listing)
    assert bought.total == 0, "purchases are not taxed"


@BOTH_TABLES
@pytest.mark.parametrize(
    ("day", "shares", "notional", "fees"),
    [
        # 10,000 USD at 20.70 a million is 0.207, 50 shares at 0.000119 are 0.006: cents, up.
        ("2019-06-03", 50, "10000", "0.22"),
        # Settles on 2021-02-25 (T+2): 1,000,000 at 5.10; 1,000 shares at 0.000119.
        ("2021-02-23", 1000, "1000000", "5.22"),
        ("2021-02-22", 1000, "1000000", "22.22"),
        # 15,025 at 27.80 a million is 0.4177; 100 shares at 0.000166 are 0.0166.
        ("2025-05-12", 100, "15025", "0.44"),
        # Settles on 2025-05-14: the SEC takes nothing.
        ("2025-05-13", 100, "15025", "0.02"),
        # Good Friday between: 2026-04-02 settles on Monday the 6th, at 20.60 (0.3095).
        ("2026-04-01", 100, "15025", "0.02"),
        ("2026-04-02", 100, "15025", "0.33"),
        # 100,000 shares at 0.000195 are 19.50, and 9.79 is the most; 100,000 at 20.60 is 2.06.
        ("2026-06-01", 100_000, "100000", "11.85"),
        # FINRA takes nothing in the last quarter of 2026, then again.
        ("2026-10-01", 100, "15025", "0.31"),
        ("2027-01-04", 100, "15025", "0.33"),
    ],
)
def test_american_sales_pay_the_sec_and_finra(
    schedule: CostSchedule, day: str, shares: int, notional: str, fees: str
) -> None:
    sale = traded(notional, day, instrument=APPLE, shares=shares)
    assert schedule.of_order(sale) == Costs(currency=Currency.USD, fees=Decimal(fees))
    bought = traded(notional, day, instrument=APPLE, shares=shares, side=Side.BUY)
    assert schedule.of_order(bought).total == 0


@pytest.mark.parametrize(
    ("order", "listing", "commission"),
    [
        # 5,000,000 at 0.0140527 % is 702.635.
        (traded("5000000", "2026-11-23", side=Side.BUY), KOSPI, "703"),
        (traded("5000000", "2026-11-23"), KOSDAQ, "703"),
        # A published run of the broker's own estimate: 69.98.
        (traded("498000", "2026-08-25", side=Side.BUY), KOSPI, "70"),
        # At 0.0146527 %: 732.635.
        (traded("5000000", "2026-11-23", side=Side.BUY), ETF, "733"),
        # 15,025 at 0.25 % is 37.5625.
        (traded("15025", "2026-11-23", side=Side.BUY, instrument=APPLE), None, "37.56"),
    ],
)
def test_the_broker_takes_its_list_price_by_itself(
    order: Traded, listing: Listing | None, commission: str
) -> None:
    assert BY_ITSELF.of_order(order, listing).commission == Decimal(commission)


def test_a_tariff_has_a_minimum_a_step_and_fees_beside() -> None:
    tariff = BrokerTariff(
        commission=Decimal("0.0005"),
        minimum=Decimal(1_000),
        exchange_fee=Decimal("0.000036396"),
        step=Decimal(10),
    )
    schedule = CostSchedule(CALENDARS, {Region.KR: tariff})

    def cost(notional: str) -> Costs:
        return schedule.of_order(traded(notional, "2026-11-23", side=Side.BUY))

    assert cost("100000").commission == 1_000
    assert cost("5019999").commission == 2_510, "2,509.99 to the nearest ten won"
    assert cost("5019999").fees == 180, "182.7 to the nearest ten won"
    assert schedule.step_of(STOCK) == 10
    free = CostSchedule(
        CALENDARS, {Region.KR: BrokerTariff(commission=Decimal(0), minimum=Decimal(5))}
    )
    assert free.of_order(traded("100000", "2026-11-23", side=Side.BUY)).total == 0


def test_changing_money_costs_the_spread() -> None:
    tariff = BrokerTariff(commission=Decimal(0), fx_spread=Decimal("0.001"))
    schedule = CostSchedule(CALENDARS, {Region.US: tariff})
    assert schedule.of_exchange(Decimal("-1000"), Currency.USD, Decimal("1393.5")) == 1_393
    with pytest.raises(ValueError, match="no tariff for JPY"):
        schedule.of_exchange(Decimal(1), Currency.JPY, Decimal(9))


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="trading in JP are not known"):
        BY_ITSELF.of_order(traded("1", "2026-11-23", instrument=InstrumentId("tokyo:7203")))
    with pytest.raises(ValueError, match="of 2018-12-28 is not known"):
        BY_ITSELF.of_order(traded("1", "2018-12-26"))
    with pytest.raises(ValueError, match="do not add up"):
        Costs(currency=Currency.KRW) + Costs(currency=Currency.USD)


LISTINGS = st.sampled_from((KOSPI, KOSDAQ, KONEX, K_OTC, ETF))
DAYS = st.dates(date(2019, 1, 2), date(2027, 12, 31))
AMOUNTS = st.integers(1, 10**10).map(Decimal)


@given(AMOUNTS, DAYS, LISTINGS, st.sampled_from(Side))
def test_costs_are_whole_steps_never_negative_and_a_small_part(
    notional: Decimal, day: date, listing: Listing, side: Side
) -> None:
    order = Traded(instrument=STOCK, side=side, day=day, quantity=1, notional=notional)
    costs = BY_ITSELF.of_order(order, listing)
    for charge in (costs.commission, costs.tax, costs.fees):
        assert charge >= 0
        assert charge % money_step(Currency.KRW) == 0
    assert costs.total <= notional * Decimal("0.0032") + 1


RATES = st.decimals(0, "0.02", places=6)
TARIFFS = st.builds(
    BrokerTariff,
    commission=RATES,
    fund_commission=st.none() | RATES,
    minimum=st.decimals(0, 10, places=2),
    exchange_fee=RATES,
    step=st.none() | st.sampled_from((Decimal("0.01"), Decimal(10))),
)
SALES = st.lists(st.tuples(st.integers(1, 10_000), st.integers(10, 50_000)), max_size=5)
"""Shares, and prices in steps of money: American ones of 10 cents and more."""


@given(SALES, DAYS, LISTINGS, TARIFFS, st.sampled_from((STOCK, APPLE)))
def test_no_day_costs_more_than_its_ceiling(
    sales: list[tuple[int, int]],
    day: date,
    listing: Listing,
    tariff: BrokerTariff,
    instrument: InstrumentId,
) -> None:
    region = region_of(instrument)
    schedule = CostSchedule(CALENDARS, {region: tariff})
    notionals = [shares * price * money_step(region.currency) for shares, price in sales]
    charged = [
        schedule.of_order(
            traded(str(notional), f"{day}", instrument=instrument, shares=shares), listing
        ).total
        for (shares, _), notional in zip(sales, notionals, strict=True)
    ]
    ceilings = CostCeilings({region: tariff})
    most = ceilings.of_day(region.currency, sum(notionals, Decimal(0)), len(sales))
    assert sum(charged) <= most


def test_a_ceiling_is_half_a_percent_and_rounding_or_what_the_tariff_comes_to() -> None:
    listed = CostCeilings()
    assert listed.of_day(Currency.KRW, Decimal(1_000_000), 2) == 5_000 + 8
    # 0.25 % of commission, and 0.3 % that taxes and fees may take.
    assert listed.of_day(Currency.USD, Decimal(1_000), 1) == Decimal("5.54")
    assert listed.of_day(Currency.JPY, Decimal(1_000), 1) == 5 + 4
    assert listed.of_day(Currency.USD, Decimal(0), 0) == 0
    dear = BrokerTariff(
        commission=Decimal("0.002"),
        fund_commission=Decimal("0.01"),
        minimum=Decimal(500),
        exchange_fee=Decimal("0.001"),
        step=Decimal(10),
    )
    ceilings = CostCeilings({Region.KR: dear})
    assert ceilings.of_day(Currency.KRW, Decimal(1_000_000), 2) == 14_000 + 2 * (500 + 40)
    assert ceilings.of_day(Currency.USD, Decimal(1_000), 1) == Decimal("5.54")


@given(st.lists(AMOUNTS, min_size=1, max_size=6), DAYS, LISTINGS)
def test_an_order_in_pieces_costs_what_the_whole_does_to_a_step_a_charge(
    pieces: list[Decimal], day: date, listing: Listing
) -> None:
    parts = Costs(currency=Currency.KRW)
    for notional in pieces:
        piece = Traded(instrument=STOCK, side=Side.SELL, day=day, quantity=1, notional=notional)
        parts += BY_ITSELF.of_order(piece, listing)
    whole = Traded(
        instrument=STOCK,
        side=Side.SELL,
        day=day,
        quantity=len(pieces),
        notional=sum(pieces, Decimal(0)),
    )
    short = BY_ITSELF.of_order(whole, listing).total - parts.total
    assert abs(short) <= 3 * len(pieces), "rounding three charges a piece"
