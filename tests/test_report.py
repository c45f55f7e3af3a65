"""What a report counts, and when it calls the books equal."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import orjson

from daemon import report
from daemon.core.calendar import MarketCalendar
from daemon.core.costs import KIS_ONLINE, CostSchedule
from daemon.core.events import CostsCharged, OrderDoubted
from daemon.core.profit import ProfitBook
from daemon.core.settlement import SettlementBook
from daemon.core.tieout import tie_out
from daemon.core.values import Currency, InstrumentId, OrderId, Region, Side
from daemon.engine.rates import ToldRate
from daemon.report import Books, Tally
from tests.builders import (
    ACCOUNT,
    DAY,
    NINE,
    SAMSUNG,
    STRATEGY,
    accepted,
    created,
    filled,
    funded,
    intent,
    sent,
)


def books(cash: str = "100", held: int = 1, open_shares: int = 0) -> Books:
    return Books(
        cash={"KRW": cash},
        positions={"005930": held} if held else {},
        open_orders={"7": open_shares} if open_shares else {},
    )


def test_books_are_equal_only_to_the_won_the_share_and_the_order() -> None:
    assert books().differences(books()) == []
    assert books().differences(books(held=0)) == ["position 005930: 1 / 0"]
    assert books(cash="101").differences(books()) == ["cash KRW 101 / 100"]
    assert books().differences(books(open_shares=3)) == ["open order 7: 0 / 3"]


def test_the_tally_counts_facts() -> None:
    tally = Tally()
    for event in (created("a"), sent("a"), accepted("a", "1"), filled("a", 4), filled("a", 6)):
        tally.on_fact(event)

    summary = tally.summary()
    assert (summary["orders"], summary["accepted"], summary["fills"]) == (1, 1, 2)
    assert summary["fills_by_symbol"] == {"005930": 2}
    assert summary["symbols_traded"] == 1


def test_our_books_and_what_is_unknown() -> None:
    portfolio = funded(1_000_000)
    for event in (
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 4)),
        *(created("b"), sent("b"), OrderDoubted(order=OrderId("b"), cause="lost", at=NINE)),
    ):
        portfolio.apply(event)

    ours = report.our_books(portfolio)
    assert ours.cash == {"KRW": str(Decimal(720_000))}
    assert ours.positions == {"005930": 4}
    assert ours.open_orders == {"1": 6, "unnumbered b": 10}
    assert report.unknown_orders(portfolio) == ["b"]


def test_a_report_replaces_an_older_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.json"
    report.write(path, {"orders": 1, "started": NINE})
    report.write(path, {"orders": 2, "started": NINE})

    assert orjson.loads(path.read_bytes()) == {"orders": 2, "started": NINE.isoformat()}
    assert [each.name for each in path.parent.iterdir()] == ["report.json"]


def test_profit_is_told_by_currency_for_strategies_and_the_account() -> None:
    """By hand: 98 KRW on 700,000, and on 284,000 sold 40 of commission and 142 and 426 of tax."""
    days = {Region.KR: MarketCalendar()}
    book = ProfitBook(CostSchedule(days), days)
    for event in (
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 10)),
        created("b", intent(side=Side.SELL, quantity=4, limit=71_000)),
        *(sent("b"), accepted("b", "2"), filled("b", 4, 71_000, side=Side.SELL)),
        CostsCharged(account=ACCOUNT, amount=Decimal(706), at=NINE),
    ):
        book.apply(event)
    told = report.profit(book, {SAMSUNG: Decimal(72_000)}.get, {})
    line = {
        **{"realised": "4000.00", "unrealised": "12000.00", "gross": "16000.00"},
        **{"commission": "138.00", "tax": "568.00", "fees": "0.00", "net": "15294.00"},
        "without_price": [],
    }
    assert told == {
        "account": {"KRW": line},
        "strategies": {STRATEGY: {"KRW": line}},
        "in_won": {
            "account": {"net": "15294.00", "exchange_cost": "0.00", "why": None},
            "strategies": {STRATEGY: {"net": "15294.00", "exchange_cost": "0.00", "why": None}},
            "rates": {},
        },
        "charged": {"KRW": "706"},
        "not_counted": {},
    }
    unpriced = report.profit(book, lambda instrument: None, {})["account"]["KRW"]
    assert (unpriced["unrealised"], unpriced["without_price"]) == ("0.00", ["005930"])


def test_dollars_and_won_are_one_total_at_the_rate_the_broker_told() -> None:
    """By hand: 10 shares at 230 USD cost 5.75 USD; at 231.07 they are worth 10.70 more."""
    days = {each: MarketCalendar() for each in (Region.KR, Region.US)}
    tariffs = {Region.US: replace(KIS_ONLINE[Region.US], fx_spread=Decimal("0.001"))}
    book = ProfitBook(CostSchedule(days, tariffs), days)
    apple = InstrumentId("nasdaq:AAPL")
    for event in (
        *(created("a"), sent("a"), accepted("a", "1"), filled("a", 10)),
        created("b", intent(instrument=apple, limit=230)),
        *(sent("b"), accepted("b", "2"), filled("b", 10, 230, instrument=apple)),
    ):
        book.apply(event)
    price = {SAMSUNG: Decimal(72_000), apple: Decimal("231.07")}.get

    told = report.profit(book, price, {Currency.USD: ToldRate(Decimal(1400), NINE)})
    assert told["account"]["USD"]["net"] == "4.95"
    # 20,000 less 98 KRW, and 4.95 USD, of which changing takes a thousandth: 6.93 KRW.
    total = {"net": "26832.00", "exchange_cost": "6.00", "why": None}
    assert told["in_won"] == {
        "account": total,
        "strategies": {STRATEGY: total},
        "rates": {"USD": {"rate": "1400", "told": NINE}},
    }
    untold = report.profit(book, price, {})["in_won"]
    why = "there is no rate to change USD into KRW"
    assert untold["account"] == {"net": None, "exchange_cost": None, "why": why}
    assert untold["rates"] == {}


def test_what_is_not_settled_is_told_by_currency_and_day() -> None:
    book = SettlementBook()
    book.open({Currency.KRW: Decimal(1_000_000)})
    book.add(Currency.KRW, date(2026, 11, 23), Decimal(-9))
    book.add(Currency.KRW, date(2026, 11, 24), Decimal(-700_098))
    book.add(Currency.KRW, date(2026, 11, 25), Decimal(283_392))
    today = {Currency.KRW: date(2026, 11, 23), Currency.USD: date(2026, 11, 22)}
    assert report.unsettled(book, today) == {
        "KRW": {
            **{"receivable": "283392.00", "payable": "700098.00", "net": "-416706.00"},
            "days": {"2026-11-24": "-700098.00", "2026-11-25": "283392.00"},
        },
        "USD": {"receivable": "0.00", "payable": "0.00", "net": "0.00", "days": {}},
    }


def test_a_tie_out_is_told_in_words() -> None:
    days = {Region.KR: MarketCalendar()}
    schedule = CostSchedule(days)
    book = ProfitBook(schedule, days)
    for event in (created("a"), sent("a"), accepted("a", "1"), filled("a", 10)):
        book.apply(event)
    ours = book.of_day(Region.KR, DAY)
    assert report.tied_out(tie_out(DAY, ours, [], schedule, sales_only=False)) == {
        "day": DAY,
        "agrees": False,
        "instruments": ["005930"],
        "differences": ["krx:005930 bought: 10 / 0 (±0)"],
        "rounding": "0",
        "broker_profit_is": [],
    }
