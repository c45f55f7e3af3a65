from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from daemon.core.errors import BadData
from daemon.kis import fields


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("   ", None), ("0000071900", "71900"), ("-66000", "-66000"), (" 1.50 ", "1.5"),
     ("+5", "5"), (".5", "0.5"), ("0", "0")],
)  # fmt: skip
def test_numbers(text: str, value: str | None) -> None:
    assert fields.decimal_or_none(text, "f") == (None if value is None else Decimal(value))


@pytest.mark.parametrize("text", ["x", "1_0", "NaN", "1e5", "٣", "--1", "1" * 40, "1 0", "-"])
def test_what_is_no_number_names_its_field(text: str) -> None:
    with pytest.raises(BadData, match="price") as caught:
        fields.decimal_or_none(text, "price")
    assert caught.value.field == "price"


def test_shares() -> None:
    assert fields.shares_or_none("0000000010", "f") == 10
    assert fields.shares_or_none("10.0000", "f") == 10
    assert fields.shares_or_none("", "f") is None
    for text in ("-1", "1.5"):
        with pytest.raises(BadData):
            fields.shares_or_none(text, "f")


def test_order_numbers_are_compared_without_zeros() -> None:
    assert fields.order_number("0000008637") == fields.order_number(" 8637 ") == "8637"
    assert fields.order_number("0000000000") is None
    assert fields.order_number("") is None
    assert fields.padded_number("8637") == "0000008637"
    with pytest.raises(BadData):
        fields.order_number("86 37")


def test_days_and_times_are_korean() -> None:
    day = fields.day_of("20260710", "f")
    assert day == date(2026, 7, 10)
    assert fields.instant_of(day, "090000", "f") == datetime(2026, 7, 10, tzinfo=UTC)
    for text in ("240000", "096000", "9000", "０90000"):
        with pytest.raises(BadData):
            fields.instant_of(day, text, "f")
    for text in ("20260732", "2026710", "", "00000000"):
        with pytest.raises(BadData):
            fields.day_of(text, "f")


def test_a_bare_json_number_is_read_as_its_text() -> None:
    assert fields.text_of({"a": 86400}, "a") == "86400"
    assert fields.text_of({"a": None}, "a") == ""
    bad: list[object] = [True, [], {}]
    for value in bad:
        with pytest.raises(BadData):
            fields.text_of({"a": value}, "a")
