from tests.sim.rig import Rig

PATH = "/uapi/overseas-stock/v1/trading/"
ACCOUNT = {"CANO": "12345678", "ACNT_PRDT_CD": "01"}
US = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD"}


def test_there_is_nothing_overseas() -> None:
    rig = Rig()
    pending = rig.get(PATH + "inquire-nccs", "TTTS3018R", **ACCOUNT)
    assert (pending.code, pending.tr_cont, pending.body["output"]) == ("KIOK0560", "D", [])
    assert len(pending.body["ctx_area_fk200"]) == len(pending.body["ctx_area_nk200"]) == 200
    days = {"ORD_STRT_DT": "20261012", "ORD_END_DT": "20261012"}
    orders = rig.get(PATH + "inquire-ccnl", "VTTS3035R", **ACCOUNT, **days)
    assert (orders.code, len(orders.body["output"])) == ("70070000", 32)
    assert set(orders.body["output"].values()) == {""}
    held = rig.get(PATH + "inquire-balance", "TTTS3012R", **ACCOUNT, **US)
    assert (held.body["output1"], set(held.body["output2"].values())) == ([], {"0"})
    held = rig.get(PATH + "inquire-present-balance", "CTRP6504R", **ACCOUNT)
    assert (held.body["output1"], held.body["output2"]) == ([], [])
    assert {float(value) for value in held.body["output3"].values()} == {0.0}


def test_overseas_queries_check_like_the_others() -> None:
    rig = Rig()
    assert rig.get(PATH + "inquire-nccs", "VTTS3018R", **ACCOUNT).code == "90000000"
    stranger = {**ACCOUNT, "CANO": "87654321"}
    assert rig.get(PATH + "inquire-present-balance", "VTRP6504R", **stranger).code == "OPSQ2000"
    assert rig.get(PATH + "inquire-ccnl", "TTTS3035R", **ACCOUNT).code == "OPSQ2001"
