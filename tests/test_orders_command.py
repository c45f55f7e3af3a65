"""`python -m daemon orders show ID`: the journal and the log as one story."""

import io
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import structlog

from daemon import __main__ as program
from daemon import log, orders_command
from daemon.core.events import OrderEvent
from daemon.core.portfolio import Portfolio
from daemon.engine.chronicle import Chronicle
from daemon.store.journal import SqliteJournal
from tests.builders import ACCOUNT, NINE, accepted, created, filled, sent
from tests.test_log import restored


def trade(folder: Path) -> None:
    """A journal and a log of two orders; the log's clock is not the journal's."""
    clock = [NINE + timedelta(days=3)]

    def now() -> object:
        clock[0] += timedelta(milliseconds=1)
        return clock[0]

    log.configure(stream=io.StringIO(), now=now, files=folder / "sim" / "logs")  # type: ignore[arg-type]
    portfolio = Portfolio()
    chronicle = Chronicle(portfolio)
    facts: list[OrderEvent] = [
        created("a"),
        sent("a"),
        created("b"),
        accepted("a", "7"),
        filled("a", 4),
    ]
    with SqliteJournal(folder / "sim" / "journal-1.sqlite3", owner="sim") as journal:
        for fact in facts:
            journal.append([fact])
            portfolio.apply(fact)
            chronicle.on_fact(fact)
            if fact == facts[1]:
                structlog.get_logger("kis").warning("reply_unheard", status=500, order="a")
                structlog.get_logger("kis").warning("reply_unheard", status=500, order="b")
    log.close()


def orders(folder: Path, *words: str) -> int:
    return program.main(["orders", "show", *words, "--mode", "sim", "--data-dir", str(folder)])


def test_the_story_of_one_order_in_the_order_of_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with restored():
        trade(tmp_path)
    assert orders(tmp_path, "a", "--json") == 0
    out = capsys.readouterr().out
    told = [orjson.loads(each) for each in out.splitlines()]
    assert [(each["from"], each["event.name"]) for each in told] == [
        ("journal", "order_created"),
        ("journal", "order_sent"),
        ("log", "reply_unheard"),
        ("journal", "order_accepted"),
        ("journal", "order_filled"),
    ]
    assert ACCOUNT not in out
    assert ACCOUNT[:8] not in out


def test_people_see_what_became_of_it_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with restored():
        trade(tmp_path)
    assert orders(tmp_path, "a") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("a  working  buy 10 krx:005930 @ 70000\n")
    assert "filled 4 of 10" in shown
    assert ACCOUNT[:8] not in shown


def test_half_a_life_is_told_to_be_half(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with restored():
        trade(tmp_path)
    logs, elsewhere = tmp_path / "sim" / "logs", tmp_path / "elsewhere"
    logs.rename(elsewhere)
    assert orders(tmp_path, "a", "--json") == 0
    out, error = capsys.readouterr()
    assert "reply_unheard" not in out
    assert str(logs) in error
    assert "--log-dir" in error
    assert len(error.splitlines()) == 1
    assert orders(tmp_path, "a", "--json", "--log-dir", str(elsewhere)) == 0
    out, error = capsys.readouterr()
    assert "reply_unheard" in out
    assert error == ""


def test_what_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert orders(tmp_path, "a") == 2
    with restored():
        trade(tmp_path)
    assert orders(tmp_path, "z") == 1
    assert "no such order" in capsys.readouterr().err
    (tmp_path / "sim" / "journal-1.sqlite3").write_bytes(b"damaged" * 1000)
    assert orders(tmp_path, "a") == 78


def test_without_a_log_the_journal_tells_it_alone() -> None:
    facts: list[OrderEvent] = [created("a"), sent("a"), accepted("a", "7")]
    moments = orders_command.life(facts, [])
    assert [each.fact for each in moments] == facts
    order = orders_command.state_of(facts)
    assert order is not None
    assert order.state == "working"
    assert orders_command.state_of([]) is None
