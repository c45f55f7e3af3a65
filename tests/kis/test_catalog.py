"""The catalogue: whole, consistent, and found by every name people know."""

from collections import Counter

import pytest

from daemon.kis.catalog import (
    APIS,
    BY_ID,
    BY_PATH,
    BY_TR_ID,
    Kind,
    NoSuchApi,
    RestApi,
    Shape,
    entries,
    entry,
    find,
    search,
)
from daemon.kis.channels import Channel
from daemon.kis.spec import Api, Environment


def test_all_336_are_there() -> None:
    assert Counter(api.category for api in APIS) == {
        "auth": 4,
        "domestic_bond": 15,
        "domestic_futureoption": 23,
        "domestic_stock": 131,
        "elw": 21,
        "etfetn": 5,
        "overseas_futureoption": 31,
        "overseas_stock": 46,
    }
    assert len(list(entries())) == 336
    assert sum(isinstance(each, Channel) for each in entries()) == 60


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.id)
def test_entries_are_consistent(api: RestApi) -> None:
    names = [parameter.name.lower() for parameter in api.parameters]
    assert len(set(names)) == len(names)
    assert api.title
    assert api.method in ("GET", "POST")
    assert api.fields
    assert BY_ID[api.id] is BY_PATH[api.path] is api
    assert api.is_key or (api.tr_ids and api.outputs)
    current = {each.id for each in api.tr_ids}
    assert set(api.older.values()) | set(api.also.values()) <= current
    assert not (set(api.older) & current)
    wire = {parameter.name for parameter in api.parameters}
    assert api.paging is None or set(api.paging.cursors) <= wire
    for each in api.tr_ids:
        for name, values in each.when.items():
            assert name in api.selectors or api.parameter(name) is not None
            assert set(values) <= set(api.selectors.get(name, values))
    if api.virtual and not api.is_key:
        assert any(each.environment is not Environment.REAL for each in api.tr_ids) or all(
            each.id[0] in "FH" for each in api.tr_ids
        )


def test_ids_name_one_call_only_but_for_one() -> None:
    told = Counter(tr_id for api in APIS for tr_id in api.known_ids)
    assert [tr_id for tr_id, count in told.items() if count > 1] == ["HHDFO55020100"]
    assert set(told) == set(BY_TR_ID)
    assert "opt_daily_ccnl" in find("HHDFO55020100").note


def test_the_daemons_own_calls_are_the_catalogues() -> None:
    for api in Api:
        known = BY_PATH[api.path]
        assert known.method == api.method
        if api.real:
            assert api.real in {each.id for each in known.tr_ids}
            assert set(api.older) <= set(known.older)


@pytest.mark.parametrize(
    ("old", "api", "selected"),
    [
        ("TTTC0802U", "domestic_stock.order_cash", {"ord_dv": "buy"}),
        ("TTTC0801U", "domestic_stock.order_cash", {"ord_dv": "sell"}),
        ("TTTC0803U", "domestic_stock.order_rvsecncl", {}),
        ("JTTT1002U", "overseas_stock.order", {"ord_dv": "buy"}),
        ("JTTT1006U", "overseas_stock.order", {"ord_dv": "sell"}),
    ],
)
def test_the_guides_deprecated_ids_find_what_they_became(
    old: str, api: str, selected: dict[str, str]
) -> None:
    found = find(old)
    assert found.api.id == api
    assert found.selected == selected
    assert old in found.note
    assert found.api.older[old] in found.note


@pytest.mark.parametrize(
    ("tr_id", "api"),
    [
        ("FHKST01010100", "domestic_stock.inquire_price"),
        ("FHKST01010200", "domestic_stock.inquire_asking_price_exp_ccn"),
        ("FHKST01010400", "domestic_stock.inquire_daily_price"),
        ("TTTC8434R", "domestic_stock.inquire_balance"),
        ("HHDFS76200200", "overseas_stock.price_detail"),
        ("hhdfs76240000", "overseas_stock.dailyprice"),
    ],
)
def test_the_guides_other_ids_are_current(tr_id: str, api: str) -> None:
    found = find(tr_id)
    assert (found.api.id, found.note) == (api, "")


def test_channels_are_entries_too() -> None:
    trades = entry("H0STCNT0")
    assert isinstance(trades, Channel)
    assert entry("H0GSCNT0") is entry("HDFSCNT0")


def test_a_wrong_name_is_told_what_comes_close() -> None:
    with pytest.raises(NoSuchApi, match=r"domestic_stock\.inquire_price"):
        find("domestic_stock.inquire_prise")
    with pytest.raises(NoSuchApi):
        entry("nothing.at_all")


def test_search_knows_korean_english_and_ids() -> None:
    shorts = [each.id for each in search(["공매도"])]
    assert shorts[:2] == ["domestic_stock.daily_short_sale", "domestic_stock.short_sale"]
    assert search(["TTTC0802U"])[0].id == "domestic_stock.order_cash"
    assert search(["order", "cash"])[0].id == "domestic_stock.order_cash"
    assert {each.id.partition(".")[0] for each in search(["호가"], category="elw")} == {"elw"}
    assert search(["매도 호가 잔량"]) == search(["매도호가잔량"])
    assert search(["그런것은없다"]) == []


def test_kinds_and_shapes_are_told_apart() -> None:
    fields = {field.name: field for field in BY_ID["domestic_stock.inquire_price"].fields}
    assert fields["stck_prpr"].kind is Kind.PRICE
    assert fields["acml_vol"].kind is Kind.QUANTITY
    assert fields["acml_tr_pbmn"].kind is Kind.AMOUNT
    assert fields["prdy_ctrt"].kind is Kind.RATE
    assert fields["stck_shrn_iscd"].kind is Kind.CODE
    assert fields["prdy_vrss_sign"].kind is Kind.CODE
    assert fields["stck_prpr"].label == "주식 현재가"
    assert BY_ID["domestic_stock.inquire_balance"].outputs == {
        "output1": Shape.LIST,
        "output2": Shape.LIST,
    }
