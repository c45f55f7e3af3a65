from datetime import datetime, timedelta
from decimal import Decimal

from daemon.core.calendar import KST
from tests.sim.rig import ABROAD, AMERICAN_OPTIONS, BODY, NIGHT, Rig, Said

US = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
PRESENT = {
    **{"WCRC_FRCR_DVSN_CD": "02", "NATN_CD": "840", "TR_MKET_CD": "00", "INQR_DVSN_CD": "00"}
}


def balance(rig: Rig, exchange: str = "NASD", tr_id: str = "TTTS3012R") -> Said:
    return rig.get(ABROAD + "inquire-balance", tr_id, **{**BODY, **US, "OVRS_EXCG_CD": exchange})


def present(rig: Rig, tr_id: str = "CTRP6504R", **changes: str) -> Said:
    return rig.get(ABROAD + "inquire-present-balance", tr_id, **{**BODY, **PRESENT, **changes})


def standing(rig: Rig, tr_cont: str = "", **changes: str) -> Said:
    query = {**BODY, **US, "SORT_SQN": "DS", **changes}
    return rig.get(ABROAD + "inquire-nccs", "TTTS3018R", tr_cont, **query)


def owner() -> Rig:
    """Somebody who bought at the market: three Apple and two Berkshire."""
    rig = Rig(AMERICAN_OPTIONS)
    rig.abroad(3, "9000")
    rig.abroad(2, "9000", "BRK/B", "NYSE")
    return rig


def test_there_is_nothing_overseas_where_no_market_lives() -> None:
    rig = Rig()
    pending = standing(rig)
    assert (pending.code, pending.tr_cont, pending.body["output"]) == ("KIOK0560", "D", [])
    assert len(pending.body["ctx_area_fk200"]) == len(pending.body["ctx_area_nk200"]) == 200
    days = {"ORD_STRT_DT": "20261012", "ORD_END_DT": "20261012"}
    orders = rig.get(ABROAD + "inquire-ccnl", "VTTS3035R", **BODY, **days)
    assert (orders.code, len(orders.body["output"])) == ("70070000", 32)
    assert set(orders.body["output"].values()) == {""}
    held = balance(rig)
    assert (held.body["output1"], set(held.body["output2"].values())) == ([], {"0"})
    held = present(rig)
    assert (held.body["output1"], held.body["output2"]) == ([], [])
    assert {Decimal(value) for value in held.body["output3"].values()} == {Decimal(0)}


def test_overseas_queries_check_like_the_others() -> None:
    rig = Rig()
    assert rig.get(ABROAD + "inquire-nccs", "VTTS3018R", **BODY).code == "90000000"
    assert present(rig, "VTRP6504R", CANO="87654321").code == "OPSQ2000"
    assert rig.get(ABROAD + "inquire-ccnl", "TTTS3035R", **BODY).code == "OPSQ2001"
    assert rig.rows_abroad(ORD_STRT_DT="20261013").code == "OPSQ2001"
    assert rig.rows_abroad(OVRS_EXCG_CD="KRX").code == "OPSQ2001"


def test_holdings_of_every_us_exchange_are_told_under_nasdaq_and_end_with_blanks() -> None:
    rig = owner()
    apple, berkshire, nothing = balance(rig).body["output1"]
    assert (apple["ovrs_pdno"], apple["ovrs_excg_cd"], apple["ovrs_cblc_qty"]) == (
        *("AAPL", "NASD"),
        "3",
    )
    assert (berkshire["ovrs_pdno"], berkshire["ovrs_excg_cd"]) == ("BRK/B", "NYSE")
    assert set(nothing.values()) == {""}
    rows = {
        exchange: balance(rig, exchange).body["output1"] for exchange in ("NAS", "NYSE", "AMEX")
    }
    assert [len(each) for each in rows.values()] == [2, 2, 0]
    virtual = balance(rig, tr_id="VTTS3012R").body["output1"]
    assert [row["ovrs_pdno"] for row in virtual] == ["AAPL", ""]
    exchange = rig.broker.overseas.exchange
    holding = exchange.accounts["12345678-01"].holdings["AAPL"]
    assert Decimal(apple["frcr_pchs_amt1"]) == holding.cost
    assert Decimal(apple["now_pric2"]) == exchange.stocks["AAPL"].last


def test_shares_in_an_open_sale_are_held_but_cannot_be_sold_again() -> None:
    rig = owner()
    rig.abroad(2, "9000", tr_id="TTTT1006U")
    row = balance(rig).body["output1"][0]
    assert (row["ovrs_cblc_qty"], row["ord_psbl_qty"]) == ("3", "1")


def test_a_broker_may_tell_the_same_holding_under_two_exchanges() -> None:
    rig = Rig(AMERICAN_OPTIONS, told_twice=True)
    rig.abroad(2, "9000", "BRK/B", "NYSE")
    rows = [row for row in balance(rig).body["output1"] if row["ovrs_pdno"]]
    assert [(row["ovrs_pdno"], row["ovrs_excg_cd"]) for row in rows] == [
        ("BRK/B", "NASD"),
        ("BRK/B", "NYSE"),
    ]
    assert len(present(rig).body["output1"]) == 2
    assert len(balance(rig, "NYSE").body["output1"]) == 2
    # Asked for one exchange after the other, the virtual world tells it under both.
    asked = ("NASD", "NYSE", "AMEX")
    virtual = [balance(rig, each, "VTTS3012R").body["output1"] for each in asked]
    assert [[row["ovrs_excg_cd"] for row in rows if row["ovrs_pdno"]] for rows in virtual] == [
        ["NASD"],
        ["NYSE"],
        [],
    ]


def test_the_present_balance_knows_the_cash_of_the_account() -> None:
    rig = owner()
    rig.abroad(1, "100.00")
    account = rig.broker.overseas.exchange.accounts["12345678-01"]
    said = present(rig).body
    (money,) = said["output2"]
    # What was bought today has not settled: the deposit is still whole.
    assert Decimal(money["frcr_dncl_amt_2"]) == Decimal(100_000)
    flow = Decimal(money["frcr_sll_amt_smtl"]) - Decimal(money["frcr_buy_amt_smtl"])
    assert Decimal(money["frcr_dncl_amt_2"]) + flow == account.cash
    assert Decimal(money["frcr_drwg_psbl_amt_1"]) == account.cash - 100
    assert [row["item_lnkg_excg_cd"] for row in said["output1"]] == ["NAS", "NYS"]
    in_won = present(rig, WCRC_FRCR_DVSN_CD="01").body["output1"][0]
    ratio = Decimal(in_won["ovrs_now_pric1"]) / Decimal(said["output1"][0]["ovrs_now_pric1"])
    assert ratio == Decimal(in_won["bass_exrt"])
    virtual = present(rig, "VTRP6504R").body
    assert (virtual["output1"], virtual["output2"]) == ([], [])
    assert virtual["output3"] == said["output3"]
    assert present(rig, NATN_CD="392").body["output1"] == []


def test_buying_power_is_what_no_open_order_holds() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    rig.abroad(100, "200.00")
    query = {"OVRS_EXCG_CD": "NASD", "OVRS_ORD_UNPR": "300.00", "ITEM_CD": "AAPL"}
    output = rig.get(ABROAD + "inquire-psamount", "TTTS3007R", **BODY, **query).body["output"]
    assert (output["ord_psbl_frcr_amt"], output["max_ord_psbl_qty"]) == ("80000.00", "266")
    for wrong in ({"ITEM_CD": "NOPE"}, {"OVRS_ORD_UNPR": "0"}, {"OVRS_ORD_UNPR": "much"}):
        asked = {**BODY, **query, **wrong}
        assert rig.get(ABROAD + "inquire-psamount", "VTTS3007R", **asked).code == "OPSQ2001"


def test_the_list_of_orders_goes_on_over_pages_of_twenty() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    for _ in range(45):
        rig.abroad(1, "100.00")
    seen: list[str] = []
    conts: list[str] = []
    cursor = ""
    for tr_cont in ("", "N", "N"):
        said = rig.rows_abroad(tr_cont, CTX_AREA_NK200=cursor)
        seen += [row["odno"] for row in said.body["output"]]
        cursor = said.body["ctx_area_nk200"]
        conts.append(said.tr_cont)
    assert conts == ["F", "M", "D"]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 45
    assert standing(rig).tr_cont == "F"
    assert len(standing(rig).body["output"]) == 40


def test_the_virtual_list_has_fifteen_rows_and_no_filters() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    for _ in range(16):
        rig.abroad(1, "100.00")
    days = {"ORD_STRT_DT": "20261012", "ORD_END_DT": "20261012", "PDNO": "MSFT"}
    said = rig.get(ABROAD + "inquire-ccnl", "VTTS3035R", **BODY, **days)
    assert (len(said.body["output"]), said.tr_cont) == (15, "F")
    real = rig.get(ABROAD + "inquire-ccnl", "TTTS3035R", **BODY, **days)
    assert real.code == "KIOK0560"


def test_rows_say_what_became_of_an_order() -> None:
    rig = owner()
    open_number = rig.abroad(5, "100.00").body["output"]["ODNO"]
    cancelled = rig.abroad(5, "101.00").body["output"]["ODNO"]
    rig.change_there(cancelled, cancel=True, quantity=5)
    rows = {row["odno"]: row for row in rig.rows_abroad().body["output"]}
    told = {number: (row["prcs_stat_name"], row["nccs_qty"]) for number, row in rows.items()}
    assert told[open_number] == ("접수", "5")
    assert told[cancelled] == ("완료", "0")
    (request,) = (row for row in rows.values() if row["rvse_cncl_dvsn"] == "02")
    assert (request["orgn_odno"], request["nccs_qty"]) == (cancelled, "0")
    first = rows["0030000001"]
    assert (first["ft_ccld_qty"], first["nccs_qty"]) == ("3", "0")
    assert Decimal(first["ft_ccld_amt3"]) == 3 * Decimal(first["ft_ccld_unpr3"])
    assert [row["odno"] for row in standing(rig).body["output"]] == [open_number]
    assert standing(rig, OVRS_EXCG_CD="NYSE").body["output"] == []
    assert len(rig.rows_abroad(OVRS_EXCG_CD="NYSE").body["output"]) == 1
    assert len(rig.rows_abroad(CCLD_NCCS_DVSN="02").body["output"]) == 1


def test_after_midnight_in_seoul_the_day_of_new_york_goes_on() -> None:
    rig = Rig(AMERICAN_OPTIONS, start=NIGHT.replace(day=13, hour=0))
    number = rig.abroad(5, "100.00").body["output"]["ODNO"]
    (row,) = rig.rows_abroad().body["output"]
    assert (row["ord_dt"], row["dmst_ord_dt"]) == ("20261012", "20261013")
    rig.jump(NIGHT.replace(day=13, hour=9))
    (row,) = rig.rows_abroad().body["output"]
    # What has died with its day leaves without a word.
    assert (row["odno"], row["nccs_qty"], row["prcs_stat_name"]) == (number, "0", "완료")
    assert standing(rig).code == "KIOK0560"


def test_a_late_ledger_has_the_days_trades_half_an_hour_after_the_close() -> None:
    rig = Rig(AMERICAN_OPTIONS, late_ledger=True)
    rig.abroad(3, "9000")
    rig.abroad(1, "1.00", tr_id="TTTT1006U")
    account = rig.broker.overseas.exchange.accounts["12345678-01"]
    assert account.holdings["AAPL"].quantity == 2
    assert present(rig).body["output1"] == []
    (money,) = present(rig).body["output2"]
    flow = Decimal(money["frcr_sll_amt_smtl"]) - Decimal(money["frcr_buy_amt_smtl"])
    assert (flow, money["frcr_dncl_amt_2"]) == (Decimal(0), "100000.000000")
    # What is held is another question, and the list of orders is never late.
    assert balance(rig).body["output1"][0]["ovrs_cblc_qty"] == "2"
    assert {each["ft_ccld_qty"] for each in rig.rows_abroad().body["output"]} == {"3", "1"}

    close = datetime(2026, 10, 13, 5, 0, tzinfo=KST)
    rig.jump(close + timedelta(minutes=29))
    assert not rig.broker.overseas.is_booked
    rig.jump(close + timedelta(minutes=30))
    (row,) = present(rig).body["output1"]
    assert Decimal(row["ccld_qty_smtl1"]) == 2
    (money,) = present(rig).body["output2"]
    flow = Decimal(money["frcr_sll_amt_smtl"]) - Decimal(money["frcr_buy_amt_smtl"])
    assert Decimal(money["frcr_dncl_amt_2"]) + flow == account.cash
