"""When purchases are barred in a region, from which facts, and until when."""

from datetime import date, timedelta

from daemon.core.entries import BrokerDayTold, Entries, EntriesBarred, EntriesFreed, EntryBar
from daemon.core.limits import Rule
from daemon.core.risk import entry_problem
from daemon.core.values import Region, Side
from tests.builders import NINE, intent
from tests.core.test_risk import portfolio_of

DAY = NINE.date()
LATER = NINE + timedelta(hours=6)


def barred(bar: EntryBar = EntryBar.TRADING_DAY, region: Region = Region.KR) -> EntriesBarred:
    return EntriesBarred(region=region, bar=bar, until=LATER, reason="why", at=NINE)


def test_a_bar_stands_in_its_region_until_its_end() -> None:
    entries = Entries()
    assert entries.first(Region.KR, NINE) is None
    entries.apply(barred())
    assert entries.first(Region.KR, LATER - timedelta(seconds=1)) == barred()
    assert entries.first(Region.KR, LATER) is None
    assert entries.first(Region.US, NINE) is None


def test_one_bar_is_lifted_and_the_other_stays() -> None:
    entries = Entries()
    entries.apply(barred())
    entries.apply(barred(EntryBar.BEFORE_CLOSE))
    entries.apply(
        EntriesFreed(region=Region.KR, bar=EntryBar.TRADING_DAY, reason="agreed", at=NINE)
    )
    assert entries.barred(Region.KR, EntryBar.TRADING_DAY, NINE) is None
    assert entries.first(Region.KR, NINE) == barred(EntryBar.BEFORE_CLOSE)


def test_the_brokers_word_is_of_one_day() -> None:
    entries = Entries()
    for trades in (True, False):
        entries.apply(BrokerDayTold(region=Region.KR, day=DAY, trades=trades, at=NINE))
        assert entries.told(Region.KR, DAY) is trades
    assert entries.told(Region.KR, DAY + timedelta(days=1)) is None
    assert entries.told(Region.US, DAY) is None
    entries.apply(BrokerDayTold(region=Region.KR, day=date(2030, 1, 2), trades=True, at=NINE))
    assert entries.told(Region.KR, DAY) is None


def test_purchases_are_refused_by_the_bars_own_rule_and_sales_pass() -> None:
    for bar, rule in (
        (EntryBar.TRADING_DAY, Rule.TRADING_DAY),
        (EntryBar.BEFORE_CLOSE, Rule.BEFORE_CLOSE),
    ):
        portfolio = portfolio_of(barred(bar), krx_005930=3)
        problem = entry_problem(intent(), portfolio, NINE)
        assert problem is not None
        assert problem.rule is rule
        assert problem.detail.startswith("no purchases in KR until")
        assert problem.detail.endswith("KST: why")
        assert entry_problem(intent(side=Side.SELL), portfolio, NINE) is None
        assert entry_problem(intent(), portfolio, LATER) is None
