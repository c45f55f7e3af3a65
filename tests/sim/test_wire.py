from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.kis.spec import Api
from tests.sim.rig import BALANCE, DAY_ORDERS, Rig

PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}


def test_the_door_refuses_without_acting() -> None:
    rig = Rig(rate_limit=10)
    rig.pass_time(1)
    said = [rig.buy(1) for _ in range(11)]
    assert [s.status for s in said] == [200] * 10 + [500]
    assert said[-1].body == {
        "rt_cd": "1",
        "msg_cd": "EGW00201",
        "msg1": "초당 거래건수를 초과하였습니다.",
    }
    assert len(rig.broker.market.exchange.orders) == 10
    rig.pass_time(1)
    assert rig.buy(1).status == 200
    assert rig.broker.wire.door.most_in_a_second == 11


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"appkey": "other"}, 403, "EGW00103"),
        ({"appsecret": "other"}, 403, "EGW00105"),
        ({"authorization": ""}, 500, "EGW00121"),
        ({"authorization": "Bearer nonsense"}, 500, "EGW00121"),
        ({"authorization": "Basic abc"}, 500, "EGW00205"),
        ({"tr_id": "FHKST99999999"}, 500, "EGW00213"),
    ],
)
def test_the_gateway_checks_the_headers(changes: dict[str, str], status: int, code: str) -> None:
    rig = Rig()
    headers = {**rig.headers(Api.PRICE.real), **changes}
    said = rig.send("GET", Api.PRICE.path, headers=headers, query=PRICE)
    assert (said.status, said.code, said.body["rt_cd"]) == (status, code, "1")


def test_an_expired_token_says_so() -> None:
    rig = Rig()
    rig.broker.keys.expire_tokens(rig.broker.market.now)
    said = rig.get(Api.PRICE, Api.PRICE.real, **PRICE)
    assert (said.status, said.body["msg1"]) == (500, "기간이 만료된 token 입니다.")
    rig.token = rig.new_token()
    assert rig.get(Api.PRICE, Api.PRICE.real, **PRICE).status == 200
    assert rig.broker.keys.tokens_issued == 2


def test_unknown_paths_methods_and_bodies_get_shaped_errors() -> None:
    rig = Rig()
    headers = rig.headers(Api.BUY.real)
    assert rig.send("GET", "/nowhere", headers=headers).status == 404
    assert rig.send("GET", Api.BUY.path, headers=headers).status == 405
    assert rig.send("POST", Api.BUY.path, headers=headers, body=b"[]").code == "IGW00007"
    plain = {**headers, "content-type": "text/plain"}
    assert rig.send("POST", Api.BUY.path, headers=plain, body={}).code == "EGW00132"
    shouted = {**headers, "content-type": "APPLICATION/JSON"}
    assert rig.send("POST", Api.BUY.path, headers=shouted, body={}).code == "OPSQ2001"


def test_older_ids_are_taken_and_the_environment_follows_the_id() -> None:
    rig = Rig()
    row = {**DAY_ORDERS}
    assert rig.get(Api.DAY_ORDERS, "TTTC8001R", **row).code == "KIOK0560"
    assert rig.get(Api.BALANCE, Api.BALANCE.virtual, **BALANCE).code == "20310000"


RIG = Rig()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
fields = st.sampled_from(
    [*BALANCE, *DAY_ORDERS, *PRICE, "PDNO", "ORD_DVSN", "ORD_QTY", "ORD_UNPR", "ORGN_ODNO"]
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(Api)),
    st.booleans(),
    st.dictionaries(fields, st.text(max_size=12) | st.sampled_from(["00", "1", "20261012"])),
    st.binary(max_size=30) | json_values,
)
def test_any_request_gets_a_shaped_answer(
    api: Api, good: bool, query: dict[str, str], body: Any
) -> None:
    base: dict[str, str] = {**BALANCE, **DAY_ORDERS, **PRICE} if good else {}
    tr_id = api.real or "none"
    said = RIG.send(
        api.method,
        api.path,
        headers=RIG.headers(tr_id, "N" if good else ""),
        query={**base, **query},
        body=body if isinstance(body, bytes) or not good else {**base, **query},
    )
    assert said.status in (200, 400, 403, 500)
    assert {"rt_cd", "msg_cd"} <= set(said.body) or "error_code" in said.body or said.status == 200
