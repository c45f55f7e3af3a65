from decimal import Decimal

from daemon.core.values import Side
from daemon.kis.spec import Api
from daemon.sim.charges import Charges
from daemon.sim.facts import OrderRequest
from daemon.sim.rest_fields import BALANCE_ROW, BALANCE_TOTALS, DAY_ORDER_ROW, OPEN_ORDER_ROW
from tests.sim.rig import BALANCE, BODY, DAY_ORDERS, OPEN, QUIET, Rig, listings


def test_a_balance_shows_what_was_bought_and_what_can_be_sold() -> None:
    rig = Rig()
    rig.buy(10)
    _, ask = rig.best()
    rig.sell(4, int(ask) + 1_000)
    said = rig.get(Api.BALANCE, Api.BALANCE.real, **BALANCE)
    (row,), (totals,) = said.body["output1"], said.body["output2"]
    assert list(row) == BALANCE_ROW.split()
    assert list(totals) == BALANCE_TOTALS.split()
    assert all(isinstance(value, str) for value in (*row.values(), *totals.values()))
    assert (row["hldg_qty"], row["ord_psbl_qty"], row["thdt_buyqty"]) == ("10", "6", "10")
    spent = int(float(row["pchs_avg_pric"]) * 10)
    assert totals["dnca_tot_amt"] == "100000000"
    assert totals["prvs_rcdl_excc_amt"] == str(100_000_000 - spent)
    assert (said.tr_cont, said.code) == ("D", "KIOK0510")
    assert (len(said.body["ctx_area_fk100"]), said.body["ctx_area_nk100"].strip()) == (100, "")


def test_trades_settle_after_two_trading_days() -> None:
    rig = Rig(listings=QUIET)
    rig.buy(10)
    cash = str(rig.broker.market.exchange.accounts["12345678-01"].cash)
    seen = []
    for day in (12, 13, 14):
        rig.jump(OPEN.replace(day=day))
        rig.token = rig.new_token()
        (totals,) = rig.get(Api.BALANCE, Api.BALANCE.real, **BALANCE).body["output2"]
        seen.append((totals["dnca_tot_amt"] == cash, totals["nxdy_excc_amt"] == cash))
    assert seen == [(False, False), (False, True), (True, True)]


def test_a_balance_shows_what_was_charged_and_settles_it_with_the_trades() -> None:
    rig = Rig(listings=QUIET, charges=Charges())
    account = rig.broker.market.exchange.accounts["12345678-01"]
    rig.buy(10)
    rig.sell(10)
    (totals,) = rig.get(Api.BALANCE, Api.BALANCE.real, **BALANCE).body["output2"]
    charged = int(account.charged_today)
    assert charged > 0
    assert (totals["thdt_tlex_amt"], totals["bfdy_tlex_amt"]) == (str(charged), "0")
    assert totals["dnca_tot_amt"] == "100000000"
    left = int(totals["thdt_sll_amt"]) - int(totals["thdt_buy_amt"]) - charged
    assert int(totals["prvs_rcdl_excc_amt"]) == 100_000_000 + left
    orders = rig.get(Api.DAY_ORDERS, Api.DAY_ORDERS.real, **DAY_ORDERS).body["output2"]
    assert orders["prsm_tlex_smtl"] == str(charged)
    rig.jump(OPEN.replace(day=13))
    rig.token = rig.new_token()
    (totals,) = rig.get(Api.BALANCE, Api.BALANCE.real, **BALANCE).body["output2"]
    assert (totals["thdt_tlex_amt"], totals["bfdy_tlex_amt"]) == ("0", str(charged))


def test_the_commission_of_a_purchase_must_be_there_too() -> None:
    rig = Rig(cash=10_000_000, charges=Charges(commission=Decimal("0.01")))
    asked = {**BODY, "PDNO": "005930", "ORD_UNPR": "72000", "ORD_DVSN": "00"}
    asked |= {"CMA_EVLU_AMT_ICLD_YN": "N", "OVRS_ICLD_YN": "N"}
    power = rig.get(Api.ORDERABLE, Api.ORDERABLE.real, **asked).body["output"]
    assert (power["nrcvb_buy_amt"], power["nrcvb_buy_qty"]) == ("9900990", "137")
    assert rig.buy(138, 72_000).code == "APBK0952"
    assert rig.buy(137, 72_000).body["rt_cd"] == "0"
    account = rig.broker.market.exchange.accounts["12345678-01"]
    assert account.orderable >= 0


def test_a_balance_pages_by_its_cursor() -> None:
    rig = Rig(listings=listings(53), cash=10**12)
    for code in rig.broker.market.listings:
        rig.buy(1, code=code)
    for tr_id, size in ((Api.BALANCE.real, 50), (Api.BALANCE.virtual, 20)):
        codes: list[str] = []
        query, tr_cont, pages = BALANCE, "", []
        while True:
            said = rig.get(Api.BALANCE, tr_id, tr_cont, **query)
            codes += [row["pdno"] for row in said.body["output1"]]
            pages.append((len(said.body["output1"]), said.tr_cont))
            if said.tr_cont not in ("F", "M"):
                break
            query = {
                **BALANCE,
                "CTX_AREA_FK100": said.body["ctx_area_fk100"],
                "CTX_AREA_NK100": said.body["ctx_area_nk100"],
            }
            tr_cont = "N"
        assert codes == sorted(rig.broker.market.listings)
        assert pages[0] == (size, "F")
        assert pages[-1][1] == "D"


def test_balance_parameters_are_checked() -> None:
    rig = Rig()
    said = rig.get(Api.BALANCE, Api.BALANCE.real, **{**BALANCE, "INQR_DVSN": "02"})
    assert (said.code, said.body["rt_cd"]) == ("OPSQ2001", "2")
    assert said.body["msg1"].strip() == "ERROR : INPUT INVALID_CHECK_INQR_DVSN"
    older = Rig(start=OPEN.replace(month=2, day=10))
    said = older.get(Api.BALANCE, Api.BALANCE.real, **{**BALANCE, "INQR_DVSN": "02"})
    assert said.code == "KIOK0510"
    said = rig.get(Api.BALANCE, Api.BALANCE.real, **{**BALANCE, "CANO": "00000000"})
    assert said.code == "OPSQ2000"


def test_day_orders_show_every_state() -> None:
    rig = Rig()
    bid, _ = rig.best()
    rig.buy(10, int(bid) - 500)
    rig.change("1", cancel=True, quantity=4)
    rig.buy(5)
    filled, request, part = rig.rows()
    assert list(filled) == DAY_ORDER_ROW.split()
    assert (filled["tot_ccld_qty"], filled["rmn_qty"], filled["ord_unpr"]) == ("5", "0", "0")
    assert (request["orgn_odno"], request["cncl_yn"], request["ord_qty"]) == (
        "0000000001",
        "Y",
        "4",
    )
    assert request["sll_buy_dvsn_cd_name"] == "현금매수취소"
    assert (part["rmn_qty"], part["cncl_cfrm_qty"], part["cncl_yn"]) == ("6", "4", "")


def test_day_orders_can_be_chosen_and_sorted() -> None:
    rig = Rig()
    bid, _ = rig.best()
    rig.buy(1)
    rig.buy(2, int(bid) - 500, code="005930")
    rig.buy(3, code="000660")
    rig.sell(1)

    def numbers(**changes: str) -> list[int]:
        return [int(row["odno"]) for row in rig.rows(**changes)]

    assert numbers() == [4, 3, 2, 1]
    assert numbers(INQR_DVSN="01") == [1, 2, 3, 4]
    assert numbers(CCLD_DVSN="02") == [2]
    assert numbers(CCLD_DVSN="01", SLL_BUY_DVSN_CD="02") == [3, 1]
    assert numbers(PDNO="000660") == [3]
    assert numbers(ODNO="0000000002") == [2]
    assert numbers(EXCG_ID_DVSN_CD="NXT") == []
    assert numbers(INQR_STRT_DT="20261001", INQR_END_DT="20261011") == []


def test_day_orders_page_and_reach_back_to_earlier_days() -> None:
    rig = Rig(cash=10**10, listings=QUIET)
    for _ in range(104):
        rig.buy(1)
    rig.jump(OPEN.replace(day=13))
    rig.token = rig.new_token()
    rig.buy(1)
    span = {**DAY_ORDERS, "INQR_END_DT": "20261013"}
    for tr_id, size in ((Api.DAY_ORDERS.real, 100), (Api.DAY_ORDERS.virtual, 15)):
        first = rig.get(Api.DAY_ORDERS, tr_id, **span)
        assert (len(first.body["output1"]), first.tr_cont) == (size, "F")
        assert first.body["output1"][0]["ord_dt"] == "20261013"
        # An order entered between two pages must not shift the second.
        rig.buy(1)
        cursor = {k.upper(): first.body[k] for k in ("ctx_area_fk100", "ctx_area_nk100")}
        second = rig.get(Api.DAY_ORDERS, tr_id, "N", **{**span, **cursor})
        last = int(first.body["output1"][-1]["odno"])
        assert int(second.body["output1"][0]["odno"]) == last - 1
    broken = {**span, "CTX_AREA_NK100": "x!^y!^²!^"}
    assert rig.get(Api.DAY_ORDERS, Api.DAY_ORDERS.real, "N", **broken).code == "OPSQ2001"


def test_a_query_without_rows_says_that_it_is_at_its_end() -> None:
    rig = Rig()
    inquiry = {**BODY, "INQR_DVSN_1": "0", "INQR_DVSN_2": "0"}
    for api, tr_id, query in (
        (Api.BALANCE, Api.BALANCE.real, BALANCE),
        (Api.DAY_ORDERS, Api.DAY_ORDERS.real, DAY_ORDERS),
        (Api.DAY_ORDERS, "VTTC8001R", DAY_ORDERS),
        (Api.OPEN_ORDERS, Api.OPEN_ORDERS.real, inquiry),
    ):
        assert rig.get(api, tr_id, **query).tr_cont == "D"


def test_the_old_virtual_id_never_shows_a_row() -> None:
    rig = Rig()
    rig.buy(2)
    said = rig.get(Api.DAY_ORDERS, "VTTC8001R", **DAY_ORDERS)
    assert (said.body["output1"], said.code) == ([], "70070000")
    assert said.body["output2"]["tot_ccld_qty"] == "2"
    assert rig.get(Api.DAY_ORDERS, "VTTC0081R", **DAY_ORDERS).body["output1"]


def test_open_orders_are_a_real_thing_only() -> None:
    rig = Rig()
    bid, _ = rig.best()
    for _ in range(52):
        rig.buy(1, int(bid) - 500)
    query = {**BODY, "INQR_DVSN_1": "0", "INQR_DVSN_2": "0"}
    said = rig.get(Api.OPEN_ORDERS, Api.OPEN_ORDERS.real, **query)
    assert list(said.body["output"][0]) == OPEN_ORDER_ROW.split()
    assert (len(said.body["output"]), said.tr_cont) == (50, "F")
    cursor = {"CTX_AREA_NK100": said.body["ctx_area_nk100"]}
    rest = rig.get(Api.OPEN_ORDERS, Api.OPEN_ORDERS.real, "N", **query, **cursor)
    assert [row["odno"] for row in rest.body["output"]] == ["0000000002", "0000000001"]
    assert rig.get(Api.OPEN_ORDERS, "VTTC8036R", **query).code == "90000000"
    bad = {"CTX_AREA_NK100": "²"}
    assert rig.get(Api.OPEN_ORDERS, "TTTC8036R", "N", **query, **bad).code == "OPSQ2001"


def test_buying_power_counts_market_orders_at_the_upper_limit() -> None:
    rig = Rig()
    query = {**BODY, "PDNO": "005930", "CMA_EVLU_AMT_ICLD_YN": "N", "OVRS_ICLD_YN": "N"}

    def power(division: str, price: str) -> tuple[str, str]:
        asked = {**query, "ORD_DVSN": division, "ORD_UNPR": price}
        output = rig.get(Api.ORDERABLE, Api.ORDERABLE.real, **asked).body["output"]
        return output["psbl_qty_calc_unpr"], output["nrcvb_buy_qty"]

    assert power("01", "0") == ("93600", str(100_000_000 // 93_600))
    assert power("00", "50400") == ("50400", str(100_000_000 // 50_400))


def test_selling_power() -> None:
    rig = Rig()
    rig.buy(3)
    path = "/uapi/domestic-stock/v1/trading/inquire-psbl-sell"
    said = rig.get(path, "TTTC8408R", **BODY, PDNO="005930")
    assert said.body["output"]["ord_psbl_qty"] == "3"
    said = rig.get(path, "TTTC8408R", **BODY, PDNO="000660")
    assert said.body["output"]["ord_psbl_qty"] == "0"


def test_holidays_page_by_calendar_days() -> None:
    rig = Rig(holidays=frozenset({OPEN.date().replace(day=14)}))
    said = rig.get(Api.HOLIDAYS, Api.HOLIDAYS.real, BASS_DT="20261012")
    opened = {row["bass_dt"]: row["opnd_yn"] for row in said.body["output"]}
    assert (opened["20261012"], opened["20261014"], opened["20261017"]) == ("Y", "N", "N")
    assert said.body["output"][0]["wday_dvsn_cd"] == "02"
    assert said.tr_cont == "F"
    following = {"CTX_AREA_NK": said.body["ctx_area_nk"], "CTX_AREA_FK": "20261012"}
    said = rig.get(Api.HOLIDAYS, Api.HOLIDAYS.real, "N", BASS_DT="20261012", **following)
    assert said.body["output"][0]["bass_dt"] == "20261105"


def test_accounts_of_one_id_are_kept_apart() -> None:
    rig = Rig(accounts=("12345678-01", "12345678-02"))
    request = OrderRequest(
        account="12345678-02", code="005930", side=Side.BUY, quantity=2, price=None
    )
    rig.broker.market.exchange.place(request, rig.broker.market.now)
    assert rig.rows() == []
    assert rig.rows(ACNT_PRDT_CD="02")[0]["ord_qty"] == "2"
