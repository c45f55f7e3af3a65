"""Replies as records: values by kind, labels, pages joined, and nothing lost on the way."""

import sys
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import Refused
from daemon.kis.apiresult import Result, Row, Value, joined, read
from daemon.kis.catalog import BY_ID, Kind
from daemon.kis.replies import Reply

BALANCE = BY_ID["domestic_stock.inquire_balance"]


def result(*bodies: dict[str, object], api: str = BALANCE.id, more: str = "") -> Result:
    replies = tuple(
        Reply({"rt_cd": "0", "msg_cd": "X", "msg1": " ok ", **each}, more) for each in bodies
    )
    return Result(BY_ID[api], "TR", replies)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("0000071000", Kind.PRICE, Decimal(71000)),
        ("-1.50", Kind.RATE, Decimal("-1.50")),
        ("10.0000", Kind.QUANTITY, 10),
        ("0.5", Kind.QUANTITY, Decimal("0.5")),
        ("  ", Kind.AMOUNT, None),
        ("n/a", Kind.AMOUNT, "n/a"),
        ("20260102", Kind.DATE, date(2026, 1, 2)),
        ("20261399", Kind.DATE, "20261399"),
        ("Y", Kind.FLAG, True),
        ("N", Kind.FLAG, False),
        ("005930 ", Kind.CODE, "005930"),
        ("0930", Kind.TIME, "0930"),
        ("삼성전자", Kind.TEXT, "삼성전자"),
    ],
)
def test_texts_are_read_by_their_kind(text: str, kind: Kind, value: Value) -> None:
    assert read(text, kind) == value
    assert type(read(text, kind)) is type(value)


@given(st.text(), st.sampled_from(Kind))
def test_any_text_is_read_as_something(text: str, kind: Kind) -> None:
    value = read(text, kind)
    assert (value is None) == (not text.strip())


def test_rows_know_values_labels_and_what_came() -> None:
    got = result(
        {"output1": [{"PDNO": "005930", "hldg_qty": "3", "new_field": "1"}], "output2": []}
    )
    (row,) = got.output1
    assert isinstance(row, Row)
    assert row["pdno"] == row.pdno == row["PDNO"] == "005930"
    assert row.hldg_qty == 3
    assert row.text("hldg_qty") == "3"
    assert row.label("HLDG_QTY") == "보유수량"
    assert row.kind("hldg_qty") is Kind.QUANTITY
    assert (row["new_field"], row.label("new_field")) == ("1", "new_field")
    assert row.to_dict() == {"PDNO": "005930", "hldg_qty": 3, "new_field": "1"}
    assert row.to_dict(labels=True) == {"상품번호": "005930", "보유수량": 3, "new_field": "1"}
    with pytest.raises(AttributeError):
        _ = row.nothing
    with pytest.raises(KeyError):
        row["nothing"]


def test_two_fields_of_one_label_are_both_kept() -> None:
    api = BY_ID["overseas_futureoption.inquire_price"]
    labels = [field.label for field in api.fields]
    raw = {field.name: str(number) for number, field in enumerate(api.fields)}
    told = Row(raw, {field.name.lower(): field for field in api.fields}).to_dict(labels=True)
    assert len(told) == len(api.fields)
    assert set(labels) <= set(told)


def test_pages_are_joined_in_order() -> None:
    first = result({"output1": [{"pdno": "1"}], "output2": [{"dnca_tot_amt": "5"}]})
    second = result({"output1": [{"pdno": "2"}], "output2": [{"dnca_tot_amt": "5"}]})
    both = joined([first, second], complete=False)
    assert [row.pdno for row in both.rows()] == ["1", "2"]
    assert not both.complete
    assert (both.code, both.message) == ("X", "ok")
    assert both.outputs == ("output1", "output2")
    with pytest.raises(AttributeError, match="output1, output2"):
        _ = both.output9


def test_one_record_and_blanks_are_told_from_lists() -> None:
    price = result({"output": {"stck_prpr": "71000"}}, api="domestic_stock.inquire_price")
    assert price.output.stck_prpr == 71000  # type: ignore[union-attr]
    assert price.row().stck_prpr == 71000
    blank = result({"output": {"odno": "", "ord_dt": " "}}, api="overseas_stock.inquire_ccnl")
    assert blank.rows() == []
    with pytest.raises(Refused):
        blank.row()
    flat = result({"BODY": "x", "HASH": "ab"}, api="domestic_stock.inquire_price")
    assert flat.row().text("hash") == "ab"


def test_frames_are_made_where_pandas_is(monkeypatch: pytest.MonkeyPatch) -> None:
    got = result({"output1": [{"pdno": "1"}]})
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(Refused, match="pip install pandas"):
        got.to_frame()
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    assert got.to_frame("output1", labels=True) == [{"상품번호": "1"}]
