"""Answers as tables for people."""

import io

import pytest
from rich.console import Console, RenderableType

from daemon import shown
from daemon.ops.control import View


def drawn(what: RenderableType) -> str:
    stream = io.StringIO()
    Console(file=stream, width=140, highlight=False).print(what)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown_as"),
    [
        ("71000", "71,000"),
        ("-1234567.5000", "-1,234,567.5"),
        ("186300.0000", "186,300"),
        ("0.0637", "0.0637"),
        ("0", "0"),
        ("005930", "005930"),
        ("20261102-0001", "20261102-0001"),
        ("1.2.3", "1.2.3"),
        ("krx:005930", "krx:005930"),
        ("", ""),
    ],
)
def test_numbers_are_grouped_and_codes_are_not(text: str, shown_as: str) -> None:
    assert shown.grouped(text) == shown_as


def test_values_are_told_in_words() -> None:
    assert shown.cell(None) == "-"
    assert shown.cell(value=True) == "예 yes"
    assert shown.cell({"KRW": "100000000", "USD": "1"}) == "KRW 100,000,000, USD 1"
    assert shown.cell(["a", 2]) == "a, 2"
    assert shown.cell({}) == "-"


def test_every_view_can_be_drawn() -> None:
    assert set(shown.SHOWN) == set(View)


def test_a_table_has_both_languages_and_keeps_ids_whole() -> None:
    row = {
        "id": "20261102-0001",
        "owner": "operator",
        "instrument": "krx:005930",
        "side": "buy",
        "quantity": 2,
        "filled": 2,
        "price": None,
        "state": "filled",
        "number": "51",
        "cause": "",
    }
    text = drawn(shown.SHOWN["orders"]({"orders": [row]}))
    assert "주문" in text
    assert "quantity" in text
    assert "20261102-0001" in text
    assert "krx:005930" in text
    assert "없음 none" in drawn(shown.SHOWN["orders"]({"orders": []}))
    answer = {"message": "order 20261102-0001 is filled", "result": {"order": row}}
    told = drawn(shown.done({**answer, "repeated": True}))
    assert "지금 / now: order 20261102-0001 is filled" in told
    assert "asked before" in told


def test_markup_in_a_reason_is_only_text() -> None:
    answer = {"mode": "sim", "state_reason": "[bold]by hand[/bold]"}
    assert "[bold]by hand[/bold]" in drawn(shown.SHOWN["status"](answer))
