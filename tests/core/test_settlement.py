"""When money changes hands."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.settlement import (
    AmericanBankDays,
    SettlementBook,
    Unsettled,
    in_won,
    settlement_day,
)
from daemon.core.values import Currency, Region
from tests.core.days import CALENDARS

KRW, USD = Currency.KRW, Currency.USD
MONDAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("region", "traded", "settles"),
    [
        (Region.KR, "2026-11-23", "2026-11-25"),
        (Region.KR, "2026-11-26", "2026-11-30"),
        (Region.KR, "2024-12-27", "2025-01-02"),
        # Christmas (Friday) and the closing day of the year lie between.
        (Region.KR, "2026-12-24", "2026-12-29"),
        # The last trades on T+2 and the first on T+1 were paid on one day, after Memorial Day.
        (Region.US, "2024-05-24", "2024-05-29"),
        (Region.US, "2024-05-28", "2024-05-29"),
        (Region.US, "2026-11-25", "2026-11-27"),
        (Region.US, "2019-06-03", "2019-06-05"),
    ],
)
def test_trades_settle_by_the_rule_of_their_region_and_day(
    region: Region, traded: str, settles: str
) -> None:
    day = settlement_day(region, date.fromisoformat(traded), CALENDARS[region])
    assert day == date.fromisoformat(settles)


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        # 2026-10-12 is Columbus Day, 2026-11-11 a Wednesday.
        ("2026-10-09", "2026-10-13"),
        ("2026-10-12", "2026-10-13"),
        ("2026-11-10", "2026-11-12"),
        ("2026-11-11", "2026-11-12"),
        ("2026-11-12", "2026-11-13"),
        # A Sunday in 2018, kept on the Monday; on T+2 then.
        ("2018-11-08", "2018-11-13"),
        # A Saturday in 2023: no bank rests for it.
        ("2023-11-09", "2023-11-13"),
        ("2026-10-05", "2026-10-06"),
    ],
)
def test_american_trades_settle_on_bank_days(traded: str, settles: str) -> None:
    banks = AmericanBankDays(CALENDARS[Region.US])
    day = settlement_day(Region.US, date.fromisoformat(traded), banks)
    assert day == date.fromisoformat(settles)
    at = datetime(2026, 10, 12, 1, tzinfo=UTC)
    assert banks.local_date(at) == date(2026, 10, 11)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="VN is not known"):
        settlement_day(Region.VN, MONDAY, CALENDARS[Region.KR])
    with pytest.raises(ValueError, match="of 2017-09-01 is not known"):
        settlement_day(Region.US, date(2017, 9, 1), CALENDARS[Region.US])


def test_cash_becomes_settled_day_by_day() -> None:
    book = SettlementBook()
    book.open({KRW: Decimal(1_000)})
    book.add(KRW, MONDAY, Decimal(-300))
    book.add(KRW, MONDAY + timedelta(days=1), Decimal(500))
    book.add(KRW, MONDAY + timedelta(days=1), Decimal(-100))
    book.add(USD, MONDAY, Decimal("9.5"))

    sunday = MONDAY - timedelta(days=1)
    assert [book.settled(KRW, sunday + timedelta(days=each)) for each in range(3)] == [
        1_000,
        700,
        1_100,
    ]
    unsettled = book.unsettled(KRW, sunday)
    assert unsettled == Unsettled(receivable=Decimal(400), payable=Decimal(300))
    assert unsettled.net == 100
    assert book.total(KRW) == 1_100
    assert book.settled(USD, sunday) == 0
    assert book.total(USD) == Decimal("9.5")
    assert list(book.calendar(KRW)) == [MONDAY, MONDAY + timedelta(days=1)]


def test_won_are_counted_at_a_given_rate() -> None:
    assert in_won({KRW: Decimal(5), USD: Decimal("1.5")}, {USD: Decimal(1_400)}) == 2_105
    assert in_won({USD: Decimal(0)}, {}) == 0
    with pytest.raises(ValueError, match="no rate to change USD"):
        in_won({USD: Decimal(1)}, {})


FLOWS = st.lists(
    st.tuples(
        st.sampled_from((KRW, USD)), st.integers(0, 20), st.integers(-(10**6), 10**6).map(Decimal)
    ),
    max_size=20,
)


@given(FLOWS, st.integers(-1, 21), st.integers(0, 21))
def test_settled_and_unsettled_are_all_the_money_there_is(
    flows: list[tuple[Currency, int, Decimal]], asked: int, pruned: int
) -> None:
    book = SettlementBook()
    book.open({KRW: Decimal(10**6)})
    for currency, after, amount in flows:
        book.add(currency, MONDAY + timedelta(days=after), amount)
    day = MONDAY + timedelta(days=max(asked, pruned))
    before = [(book.settled(each, day), book.unsettled(each, day)) for each in (KRW, USD)]
    for currency, (settled, unsettled) in zip((KRW, USD), before, strict=True):
        assert settled + unsettled.net == book.total(currency)
        assert min(unsettled.receivable, unsettled.payable) >= 0
    book.prune(MONDAY + timedelta(days=pruned))
    after_pruning = [(book.settled(each, day), book.unsettled(each, day)) for each in (KRW, USD)]
    assert after_pruning == before
