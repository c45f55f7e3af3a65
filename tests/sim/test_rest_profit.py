"""The broker's own profit and loss of the simulated accounts."""

from daemon.kis.spec import Api
from daemon.sim.charges import Charges
from daemon.sim.rest_profit import PAGE, TRADE_PROFIT_ROW, TRADE_PROFIT_TOTALS
from tests.sim.rig import BODY, OPEN, QUIET, Rig, Said, listings

ASKED = {
    **BODY,
    **{"SORT_DVSN": "01", "INQR_STRT_DT": "20261012", "INQR_END_DT": "20261031"},
    **{"CBLC_DVSN": "00", "PDNO": "", "CTX_AREA_FK100": "", "CTX_AREA_NK100": ""},
}


def ask(rig: Rig, tr_cont: str = "", **changes: str) -> Said:
    return rig.get(Api.TRADE_PROFIT, Api.TRADE_PROFIT.real, tr_cont, **{**ASKED, **changes})


def test_a_round_trip_shows_amounts_charges_and_what_is_left() -> None:
    rig = Rig(charges=Charges())
    rig.buy(10)
    rig.sell(10)
    said = ask(rig)
    (row,), totals = said.body["output1"], said.body["output2"]
    assert list(row) == TRADE_PROFIT_ROW.split()
    assert list(totals) == TRADE_PROFIT_TOTALS.split()
    assert (row["trad_dt"], row["pdno"]) == ("20261012", "005930")
    assert (row["buy_qty"], row["sll_qty"]) == ("10", "10")
    bought, sold = int(row["buy_amt"]), int(row["sll_amt"])
    assert int(row["tl_tax"]) == sold * 5 // 10_000 + sold * 15 // 10_000 > 0
    fees = [(amount * 140_527 + 5 * 10**8) // 10**9 for amount in (bought, sold)]
    assert int(row["fee"]) == sum(fees)
    left = sold - bought - sum(fees) - int(row["tl_tax"])
    assert int(row["rlzt_pfls"]) == int(totals["tot_rlzt_pfls"]) == left
    account = rig.broker.market.exchange.accounts["12345678-01"]
    assert account.cash == 100_000_000 + left
    assert (said.tr_cont, said.code) == ("D", "KIOK0510")


def test_without_charges_nothing_is_taken() -> None:
    rig = Rig()
    rig.buy(10)
    (row,) = ask(rig).body["output1"]
    assert (row["fee"], row["tl_tax"], row["rlzt_pfls"]) == ("0", "0", "0")


def test_days_are_asked_for_and_sorted() -> None:
    rig = Rig(listings=QUIET, charges=Charges())
    for day in (12, 13):
        rig.jump(OPEN.replace(day=day, hour=10))
        rig.token = rig.new_token()
        rig.buy(1)
    assert [row["trad_dt"] for row in ask(rig).body["output1"]] == ["20261012", "20261013"]
    newest = ask(rig, SORT_DVSN="00").body["output1"]
    assert [row["trad_dt"] for row in newest] == ["20261013", "20261012"]
    (row,) = ask(rig, INQR_STRT_DT="20261013").body["output1"]
    assert row["trad_dt"] == "20261013"
    assert ask(rig, PDNO="000660").body["output1"] == []
    assert ask(rig, INQR_STRT_DT="20261020").code == "KIOK0560"


def test_many_rows_come_in_pages() -> None:
    rig = Rig(listings=listings(PAGE + 3), cash=10**12)
    for code in rig.broker.market.listings:
        rig.buy(1, code=code)
    first = ask(rig)
    assert (len(first.body["output1"]), first.tr_cont) == (PAGE, "F")
    following = {
        "CTX_AREA_FK100": first.body["ctx_area_fk100"],
        "CTX_AREA_NK100": first.body["ctx_area_nk100"],
    }
    last = ask(rig, "N", **following)
    assert (len(last.body["output1"]), last.tr_cont) == (3, "D")
    assert ask(rig, "N", CTX_AREA_NK100="x").code == "OPSQ2001"


def test_parameters_are_checked() -> None:
    rig = Rig()
    assert ask(rig, SORT_DVSN="03").code == "OPSQ2001"
    assert ask(rig, INQR_STRT_DT="20261101").code == "OPSQ2001"
    assert ask(rig, CANO="00000000").code == "OPSQ2000"


def test_nothing_is_sold_abroad() -> None:
    asked = {
        **BODY,
        **{"OVRS_EXCG_CD": "NASD", "NATN_CD": "", "CRCY_CD": "USD", "PDNO": ""},
        **{"INQR_STRT_DT": "20261012", "INQR_END_DT": "20261012", "WCRC_FRCR_DVSN_CD": "01"},
        **{"CTX_AREA_FK200": "", "CTX_AREA_NK200": ""},
    }
    said = Rig().get(Api.OVERSEAS_PROFIT, Api.OVERSEAS_PROFIT.real, **asked)
    assert (said.code, said.body["output1"]) == ("KIOK0560", [])
    assert len(said.body["ctx_area_nk200"]) == 200
