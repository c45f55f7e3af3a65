from datetime import timedelta
from decimal import Decimal

import pytest

from tests.sim.rig import AMERICAN_OPTIONS, Rig, Said

OPTIONS = AMERICAN_OPTIONS


def number(said: Said) -> str:
    return str(said.body["output"]["ODNO"])


def test_an_order_that_meets_the_book_trades_in_dollars_and_cents() -> None:
    rig = Rig(OPTIONS)
    _, ask = rig.best_abroad()
    before = rig.broker.overseas.exchange.totals()
    said = rig.abroad(3, str(ask), SLL_TYPE="")
    assert said.code == "APBK0013"
    assert said.body["output"] == {
        "KRX_FWDG_ORD_ORGNO": "01790",
        "ODNO": "0030000001",
        "ORD_TMD": "223100",
    }
    account = rig.broker.overseas.exchange.accounts["12345678-01"]
    assert account.cash == Decimal(100_000) - 3 * ask
    assert account.holdings["AAPL"].quantity == 3
    bid, _ = rig.best_abroad()
    assert rig.abroad(3, str(bid), tr_id="TTTT1006U").code == "APBK0013"
    assert account.holdings["AAPL"].quantity == 0
    assert rig.broker.overseas.exchange.totals() == before
    assert rig.broker.market.exchange.accounts["12345678-01"].holdings == {}


@pytest.mark.parametrize("tr_id", ["VTTT1001U", "VTTT1006U"])
def test_the_virtual_world_has_codes_and_two_ids_of_a_sale(tr_id: str) -> None:
    rig = Rig(OPTIONS)
    _, ask = rig.best_abroad()
    bought = rig.abroad(1, str(ask), tr_id="VTTT1002U", SLL_TYPE="")
    assert (bought.code, bought.body["output"]["KRX_FWDG_ORD_ORGNO"]) == ("40600000", "00950")
    assert rig.abroad(1, "1", tr_id=tr_id).code == "40610000"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": "0"}, "APBK1234"),
        ({"price": "250.005"}, "APBK0506"),
        ({"price": "2e2"}, "OPSQ2001"),
        ({"price": "-1"}, "OPSQ2001"),
        ({"quantity": 0}, "APBK1507"),
        ({"quantity": 5_000}, "APBK0952"),
        ({"exchange": "NYSE"}, "APBK0656"),
        ({"exchange": "NAS"}, "OPSQ2001"),
        ({"code": "NOPE"}, "APBK0656"),
        ({"tr_id": "TTTT1006U"}, "APBK0400"),
        ({"tr_id": "TTTT1006U", "SLL_TYPE": ""}, "OPSQ2001"),
        ({"tr_id": "TTTC0012U"}, "EGW00213"),
        ({"ORD_DVSN": "33"}, "APBK0963"),
        ({"tr_id": "VTTT1002U", "ORD_DVSN": "34"}, "40070000"),
        ({"CANO": "87654321"}, "OPSQ2000"),
    ],
)
def test_a_refused_order_has_no_effect(change: dict[str, str | int], code: str) -> None:
    rig = Rig(OPTIONS)
    wish: dict[str, str | int] = {"quantity": 5, "price": "250.00", **change}
    assert rig.abroad(**wish).code == code  # type: ignore[arg-type]
    assert rig.broker.overseas.exchange.orders == {}
    assert rig.broker.overseas.exchange.accounts["12345678-01"].reserved == 0


def test_there_are_no_daily_limits_and_small_prices_have_small_steps() -> None:
    rig = Rig(OPTIONS)
    assert rig.abroad(1, "1.00").code == "APBK0013"
    assert rig.abroad(1, "9000").code == "APBK0013"
    assert rig.abroad(1, "0.7001", "ZVZZT").code == "APBK0013"
    assert rig.abroad(1, "0.70011", "ZVZZT").code == "APBK0506"


def test_what_is_modified_lives_under_a_new_number_and_cancels_take_the_rest() -> None:
    rig = Rig(OPTIONS)
    first = number(rig.abroad(10, "200.00"))
    second = number(rig.change_there(first, cancel=False, quantity=4, price="201.50"))
    exchange = rig.broker.overseas.exchange
    account = exchange.accounts["12345678-01"]
    assert (exchange.orders[int(first)].remaining, exchange.orders[int(second)].remaining) == (6, 4)
    assert account.reserved == 6 * Decimal("200.00") + 4 * Decimal("201.50")
    assert rig.change_there(first, cancel=True, quantity=7).code == "APBK0928"
    assert rig.change_there(first, cancel=True, quantity=6).code == "APBK0013"
    assert rig.change_there(first, cancel=True, quantity=1).code == "APBK0927"
    assert rig.change_there(second, cancel=True, quantity=4).code == "APBK0013"
    assert account.reserved == 0
    assert rig.change_there("0000000001", cancel=True, quantity=1).code == "APBK0344"
    assert rig.change_there(second, cancel=True, quantity=1, code="MSFT").code == "APBK0344"


def test_outside_hours_orders_are_refused_in_the_words_of_each_world() -> None:
    assert OPTIONS.start is not None
    rig = Rig(OPTIONS, start=OPTIONS.start - timedelta(hours=1))
    assert rig.abroad(1, "250").code == "APBK1664"
    assert rig.abroad(1, "250", tr_id="VTTT1002U").code == "40570000"
    rig.pass_time(3_600)
    made = number(rig.abroad(1, "250"))
    rig.pass_time(6.5 * 3_600)
    assert rig.abroad(1, "250").code == "APBK1664"
    assert rig.abroad(1, "250", tr_id="VTTT1002U").code == "40580000"
    assert rig.change_there(made, cancel=True, quantity=1).code == "APBK1664"
    assert rig.broker.overseas.exchange.accounts["12345678-01"].reserved == 0


def test_a_holiday_is_a_closed_day() -> None:
    rig = Rig(OPTIONS, american_holidays=frozenset({OPTIONS.start.date()}) if OPTIONS.start else ())
    assert rig.abroad(1, "250", tr_id="VTTT1002U").code == "40100000"
    assert rig.broker.overseas.day.isoformat() == "2026-10-13"


def test_the_exchange_may_refuse_what_the_broker_took() -> None:
    rig = Rig(OPTIONS, refused_later=1.0)
    made = number(rig.abroad(1, "250"))
    (row,) = rig.rows_abroad().body["output"]
    assert (row["odno"], row["prcs_stat_name"], row["rjct_rson"]) == (made, "거부", "0001")
    assert (row["nccs_qty"], row["ft_ccld_qty"]) == ("0", "0")


def test_a_refusal_may_be_told_by_its_reason_alone() -> None:
    rig = Rig(OPTIONS, refused_later=1.0, refused_by_reason=True)
    rig.abroad(1, "250")
    (row,) = rig.rows_abroad().body["output"]
    assert (row["prcs_stat_name"], row["rjct_rson"]) == ("완료", "0001")
