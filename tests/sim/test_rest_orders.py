import pytest

from daemon.core.calendar import KST
from daemon.kis.spec import Api
from tests.sim.rig import OPEN, QUIET, Rig, change_body, order_body


def test_a_real_order_is_confirmed_and_filled() -> None:
    rig = Rig()
    said = rig.buy(10)
    assert said.body == {
        "output": {
            "KRX_FWDG_ORD_ORGNO": "06010",
            "ODNO": "0000000001",
            "ORD_TMD": "090000",
            "SOR_ODNO": "",
        },
        "rt_cd": "0",
        "msg_cd": "APBK0013",
        "msg1": "주문 전송 완료 되었습니다.",
    }
    assert rig.rows()[0]["tot_ccld_qty"] == "10"


def test_virtual_orders_have_their_own_codes_and_branch() -> None:
    rig = Rig()
    bid, _ = rig.best()
    body = order_body("005930", 5, int(bid))
    bought = rig.post(Api.BUY, Api.BUY.virtual, **body)
    assert (bought.code, bought.body["output"]["KRX_FWDG_ORD_ORGNO"]) == ("40600000", "00950")
    change = {**change_body("1", True, 2, 0), "KRX_FWDG_ORD_ORGNO": "00950"}
    assert rig.post(Api.MODIFY_CANCEL, Api.MODIFY_CANCEL.virtual, **change).code == "40630000"
    change = {**change_body("1", False, 0, int(bid) - 100), "KRX_FWDG_ORD_ORGNO": "00950"}
    assert rig.post(Api.MODIFY_CANCEL, Api.MODIFY_CANCEL.virtual, **change).code == "40620000"
    rig.post(Api.BUY, Api.BUY.virtual, **order_body("005930", 5, 0))
    sold = rig.post(Api.SELL, Api.SELL.virtual, **order_body("005930", 5, 0))
    assert sold.code == "40610000"


def test_older_ids_need_no_venue() -> None:
    rig = Rig()
    body = order_body("005930", 1, 0)
    del body["EXCG_ID_DVSN_CD"], body["SLL_TYPE"], body["CNDT_PRIC"]
    assert rig.post(Api.BUY, "TTTC0802U", **body).code == "APBK0013"
    assert rig.post(Api.SELL, "TTTC0801U", **body).code == "APBK0013"


@pytest.mark.parametrize(
    ("changes", "real", "virtual"),
    [
        ({"ORD_QTY": "99999"}, "APBK0952", "40310000"),
        ({"ORD_UNPR": "72050"}, "APBK0506", "40030000"),
        ({"ORD_UNPR": "10"}, "APBK0507", "40270000"),
        ({"ORD_UNPR": "0"}, "APBK1234", "APBK1234"),
        ({"PDNO": "999999"}, "APBK0656", "40140000"),
        ({"ORD_DVSN": "77"}, "APBK0963", "APBK0963"),
        ({"ORD_QTY": "0"}, "APBK1507", "40650000"),
        ({"ORD_QTY": ""}, "OPSQ2001", "OPSQ2001"),
        ({"ORD_QTY": "-1"}, "OPSQ2001", "OPSQ2001"),
        ({"CANO": "87654321"}, "OPSQ2000", "OPSQ2000"),
        ({"EXCG_ID_DVSN_CD": "NYSE"}, "OPSQ2001", "OPSQ2001"),
        ({"EXCG_ID_DVSN_CD": "NXT"}, "APBK1058", "APBK1058"),
    ],
)
def test_refusals(changes: dict[str, str], real: str, virtual: str) -> None:
    rig = Rig()
    body = {**order_body("005930", 1, 72_000), **changes}
    for tr_id, code in ((Api.BUY.real, real), (Api.BUY.virtual, virtual)):
        said = rig.post(Api.BUY, tr_id, **body)
        assert (said.status, said.code) == (200, code)
        assert said.body["rt_cd"] != "0"
    assert rig.broker.market.exchange.orders == {}


def test_selling_what_is_not_held() -> None:
    assert Rig().sell(1).code == "APBK0400"


@pytest.mark.parametrize(
    ("day", "hour", "real", "virtual"),
    [
        (12, 8, "APBK0918", "40570000"),
        (12, 16, "APBK0918", "40580000"),
        (17, 10, "APBK0919", "40100000"),
    ],
)
def test_outside_the_session(day: int, hour: int, real: str, virtual: str) -> None:
    rig = Rig(start=OPEN.replace(hour=7), listings=QUIET)
    rig.jump(OPEN.replace(day=day, hour=hour, tzinfo=KST))
    body = order_body("005930", 1, 0)
    rig.token = rig.new_token()
    assert rig.post(Api.BUY, Api.BUY.real, **body).code == real
    assert rig.post(Api.BUY, Api.BUY.virtual, **body).code == virtual


def test_a_modify_answers_with_a_new_number_that_points_back() -> None:
    rig = Rig()
    bid, _ = rig.best()
    rig.buy(10, int(bid) - 500)
    said = rig.change("1", cancel=False, quantity=4, price=int(bid) - 300)
    assert said.body["output"]["ODNO"] == "0000000002"
    new, old = rig.rows()
    assert (new["orgn_odno"], new["ord_qty"], new["rmn_qty"]) == ("0000000001", "4", "4")
    assert (old["odno"], old["rmn_qty"]) == ("0000000001", "6")


def test_changes_of_what_is_not_there_any_more() -> None:
    rig = Rig()
    bid, _ = rig.best()
    assert rig.change("7", cancel=True).code == "APBK0344"
    rig.buy(10, int(bid) - 500)
    assert rig.change("1", cancel=True, quantity=11).code == "APBK0928"
    wrong_branch = {**change_body("1", True, 0, 0), "KRX_FWDG_ORD_ORGNO": "99999"}
    said = rig.post(Api.MODIFY_CANCEL, Api.MODIFY_CANCEL.real, **wrong_branch)
    assert said.code == "APBK0344"
    wrong_venue = {**change_body("1", True, 0, 0), "EXCG_ID_DVSN_CD": "SOR"}
    said = rig.post(Api.MODIFY_CANCEL, Api.MODIFY_CANCEL.real, **wrong_venue)
    assert said.code == "APBK0344"
    assert rig.change("1", cancel=True).code == "APBK0013"
    assert rig.change("1", cancel=True).code == "APBK0927"
    assert rig.rows(ODNO="1")[0]["cncl_cfrm_qty"] == "10"


def test_an_order_is_changed_where_it_was_sent_and_without_a_venue_on_krx() -> None:
    rig = Rig()
    bid, _ = rig.best()
    sor = {**order_body("005930", 10, int(bid) - 500), "EXCG_ID_DVSN_CD": "SOR"}
    rig.post(Api.BUY, Api.BUY.real, **sor)
    for venue, code in (("", "APBK0344"), ("KRX", "APBK0344"), ("SOR", "APBK0013")):
        body = {**change_body("1", True, 0, 0), "EXCG_ID_DVSN_CD": venue}
        assert rig.post(Api.MODIFY_CANCEL, Api.MODIFY_CANCEL.real, **body).code == code


def test_virtual_codes_of_refused_changes() -> None:
    rig = Rig()
    bid, _ = rig.best()
    rig.post(Api.BUY, Api.BUY.virtual, **order_body("005930", 5, int(bid) - 500))

    def change(number: str, quantity: int) -> str:
        body = {**change_body(number, True, quantity, 0), "KRX_FWDG_ORD_ORGNO": "00950"}
        return rig.post(Api.MODIFY_CANCEL, Api.MODIFY_CANCEL.virtual, **body).code

    assert change("9", 0) == "40320000"
    assert change("1", 6) == "40430000"
    assert change("1", 0) == "40630000"
    assert change("1", 0) == "40330000"


def test_a_late_refusal_is_accepted_first() -> None:
    rig = Rig(refused_later=1.0)
    assert rig.buy(3).code == "APBK0013"
    (row,) = rig.rows()
    assert (row["rjct_qty"], row["rmn_qty"], row["sll_buy_dvsn_cd_name"]) == (
        "3",
        "0",
        "현금매수거부",
    )
