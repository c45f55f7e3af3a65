"""Every REST API of the catalogue against the simulator: all of them answer as the broker does."""

from collections import Counter
from dataclasses import replace

import pytest

from daemon.core.values import Region
from daemon.kis.apirequest import prepare
from daemon.kis.apiresult import Result
from daemon.kis.catalog import APIS, BY_ID, RestApi
from daemon.kis.codec import sign
from daemon.kis.replies import Reply
from daemon.kis.spec import REAL, Environment
from daemon.sim.options import APP_KEY, APP_SECRET
from daemon.sim.replies import WireRequest
from daemon.sim.synthetic import MARK
from daemon.sim.wire import is_simulated
from tests.kis.fakes import CREDENTIALS
from tests.kis.valid_calls import ACCOUNT, CALLABLE, HTS_ID, valid
from tests.sim.rig import AMERICAN_OPTIONS, OPTIONS, Rig, Said

BOTH = frozenset({Region.KR, Region.US})
WORLDS = {
    "KR": OPTIONS,
    "US": AMERICAN_OPTIONS,
    "KR,US": replace(AMERICAN_OPTIONS, regions=BOTH),
}
HOME = {"fid_input_iscd": "005930", "pdno": "005930", "ord_unpr": "70000", "ord_dvsn": "00"}
ABROAD = {
    "pdno": "AAPL", "item_cd": "AAPL", "symb": "AAPL", "excd": "NAS", "ovrs_excg_cd": "NASD",
    "ovrs_ord_unpr": "200.00", "ord_dvsn": "00",
}  # fmt: skip
DAYS = {
    "bass_dt": "20261012", "inqr_strt_dt": "20261012", "inqr_end_dt": "20261012",
    "ord_strt_dt": "20261012", "ord_end_dt": "20261012", "fid_input_date_1": "20261001",
    "fid_input_date_2": "20261012", "fid_input_hour_1": "100000", "nrec": "5",
    "prdt_type_cd": "300", "ord_qty": "1", "crcy_cd": "USD", "wcrc_frcr_dvsn_cd": "01",
    "ord_dv": "buy", "fid_pw_data_incu_yn": "Y",
}  # fmt: skip
SIMULATED = [api for api in CALLABLE if is_simulated(api.path)]


def sent(rig: Rig, api: RestApi, **more: str) -> Said:
    """A sensible call of an API, whatever the answer."""
    wanted = valid(api)
    sensible = {**DAYS, **(ABROAD if api.category == "overseas_stock" else HOME), **more}
    if is_simulated(api.path):
        wanted |= {name: value for name, value in sensible.items() if name in wanted}
    call = prepare(
        api, wanted, environment=Environment.REAL, account=ACCOUNT, hts_id=HTS_ID,
        unchecked=tuple(wanted),
    )  # fmt: skip
    signed = sign(call, profile=REAL, credentials=CREDENTIALS, token=rig.token)
    request = WireRequest(
        method=signed.method,
        path=signed.path,
        query=dict(signed.query),
        headers=rig.headers(call.api.chosen),
        body=signed.body,
    )
    rig.pass_time(0)
    return rig.said(request)


def shaped(api: RestApi, said: Said) -> bool:
    """Whether an answer is a success; fails for one that is not of the broker's shape."""
    assert {"rt_cd", "msg_cd", "msg1"} <= set(said.body), said
    assert isinstance(said.body["msg1"], str)
    assert said.body["rt_cd"].isdigit(), said
    if said.body["rt_cd"] != "0":
        assert said.body["msg_cd"].strip(), said
        return False
    got = Result(api, "", (Reply(said.body, said.tr_cont),))
    known = {field.name.lower() for field in api.fields}
    assert set(got.outputs) <= set(api.outputs)
    for output in got.outputs:
        for row in got.rows(output):
            # The portal names the first of several levels alone, hence no more than some.
            assert known & {name.lower() for name in row}, (api.id, output)
    return True


@pytest.mark.parametrize("world", WORLDS)
def test_all_of_them_answer_in_every_world(world: str) -> None:
    rig = Rig(WORLDS[world])
    told: Counter[str] = Counter()
    for api in CALLABLE:
        said = sent(rig, api)
        done = shaped(api, said)
        made_up = said.body["msg1"].startswith(MARK)
        assert made_up is not is_simulated(api.path), (api.id, said)
        told["made up" if made_up else "simulated" if done else "refused"] += 1
    assert sum(told.values()) + sum(api.is_key for api in APIS) == len(APIS) == 276
    assert told["made up"] == len(CALLABLE) - len(SIMULATED)


@pytest.mark.parametrize(
    ("world", "category"), [("KR", "domestic_stock"), ("US", "overseas_stock")]
)
def test_what_is_simulated_succeeds_where_its_market_lives(world: str, category: str) -> None:
    rig = Rig(WORLDS[world])
    placed = sent(rig, BY_ID[f"{category}.order" + ("_cash" if world == "KR" else "")])
    output = placed.body["output"]
    number = {"orgn_odno": output["ODNO"], "krx_fwdg_ord_orgno": output["KRX_FWDG_ORD_ORGNO"]}
    wanted = [api for api in SIMULATED if api.category == category]
    assert len(wanted) >= 10
    for api in wanted:
        said = sent(rig, api, **number, rvse_cncl_dvsn_cd="02", qty_all_ord_yn="Y")
        assert shaped(api, said), (api.id, said)


def test_a_simulator_without_us_markets_knows_no_us_stock_and_holds_no_dollars() -> None:
    rig = Rig(WORLDS["KR"])
    for name in ("order", "inquire_psamount", "inquire_asking_price"):
        assert sent(rig, BY_ID[f"overseas_stock.{name}"]).body["rt_cd"] != "0", name
    price = sent(rig, BY_ID["overseas_stock.price"])
    assert not price.body["output"]["last"].strip()
    for name in ("inquire_balance", "inquire_ccnl", "inquire_period_profit"):
        api = BY_ID[f"overseas_stock.{name}"]
        said, api_rows = sent(rig, api), next(iter(api.outputs))
        assert shaped(api, said)
        rows = Result(api, "", (Reply(said.body, said.tr_cont),)).rows(api_rows)
        # No order at all is told as one blank record.
        assert not [row for row in rows if str(row.get("pdno") or "")], said
    purses = sent(rig, BY_ID["overseas_stock.inquire_present_balance"]).body["output2"]
    assert all(float(each["frcr_dncl_amt_2"]) == 0 for each in purses)


def test_the_four_calls_about_keys_answer_as_well() -> None:
    rig = Rig()
    keys = {"appkey": APP_KEY, "appsecret": APP_SECRET}
    grant = {"grant_type": "client_credentials"}
    bodies = {
        "auth_token": {**grant, **keys},
        "auth_ws_token": {**grant, "appkey": APP_KEY, "secretkey": APP_SECRET},
        "hashkey": {"PDNO": "005930"},
        "revoke": {**keys, "token": rig.token},
    }
    told = {}
    for api in APIS:
        if api.is_key:
            name = api.id.partition(".")[2]
            headers = rig.headers("") if "hash" in name else {}
            body = next((each for key, each in bodies.items() if key in name), bodies["auth_token"])
            told[api.id] = rig.send("POST", api.path, headers=headers, body=body)
    assert len(told) == 4
    assert {said.status for said in told.values()} == {200}, told
