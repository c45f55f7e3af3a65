"""What a report counts, and when it calls the books equal."""

from decimal import Decimal
from pathlib import Path

import orjson

from daemon import report
from daemon.core.events import OrderDoubted
from daemon.core.values import OrderId
from daemon.report import Books, Tally
from tests.builders import NINE, accepted, created, filled, funded, sent


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
