"""Damage done to the broker's words: of the kind it is named for, and nothing more."""

import base64
import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from daemon.core.values import Region
from daemon.kis.spec import Api
from daemon.sim import mischief
from daemon.sim.options import HTS_ID
from daemon.sim.replies import WireReply, WireRequest, encode
from daemon.sim.stream_wire import StreamSession
from tests.sim.rig import (
    ABROAD,
    AMERICAN_OPTIONS,
    BALANCE,
    BODY,
    DAY_ORDERS,
    Rig,
    registration,
    unsealed,
)

SEEDS = range(50)
KEY, IV = "abcdefghijklmnopabcdefghijklmnop", "0123456789abcdef"


def told(rig: Rig, api: Api, query: dict[str, str]) -> WireReply:
    request = WireRequest(
        method=api.method, path=api.path, query=query, headers=rig.headers(api.real)
    )
    return rig.broker.handle(request, rig.now, rig.monotonic)[0]


def body_of(reply: WireReply) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(reply.body)
    return body


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def sealed(text: str) -> str:
    padder = PKCS7(128).padder()
    data = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(KEY.encode()), modes.CBC(IV.encode())).encryptor()
    return base64.b64encode(encryptor.update(data) + encryptor.finalize()).decode()


@pytest.fixture(scope="module")
def traded() -> Rig:
    """A broker with a few orders and holdings."""
    rig = Rig()
    for quantity in range(1, 7):
        rig.buy(quantity)
    return rig


def test_requests_are_told_apart_by_what_they_ask_for() -> None:
    def kinds(api: Api) -> tuple[bool, ...]:
        request = WireRequest(method=api.method, path=api.path)
        return (
            mischief.is_order(request),
            mischief.is_order_list(request),
            mischief.is_balance(request),
            mischief.is_token(request),
        )

    for api in (Api.BUY, Api.SELL, Api.MODIFY_CANCEL):
        assert kinds(api) == (True, False, False, False)
    assert kinds(Api.DAY_ORDERS) == (False, True, False, False)
    assert kinds(Api.BALANCE) == (False, False, True, False)
    assert kinds(Api.TOKEN) == (False, False, False, True)
    assert kinds(Api.PRICE) == (False, False, False, False)


def test_a_reply_confirms_only_with_a_good_status_and_a_good_code(traded: Rig) -> None:
    good = told(traded, Api.BALANCE, BALANCE)
    assert mischief.is_confirmed(good)
    assert not mischief.is_confirmed(told(traded, Api.BALANCE, {}))
    assert not mischief.is_confirmed(mischief.too_many_requests())


@pytest.mark.parametrize(("mark", "first"), [("", True), ("N", False)])
def test_the_first_page_is_the_one_that_goes_on_with_nothing(mark: str, first: bool) -> None:
    request = WireRequest(method="GET", path="/list", headers={"tr_cont": mark})
    assert mischief.is_first_page(request) is first
    assert mischief.is_first_page(replace(request, headers={}))


@pytest.mark.parametrize(("mark", "last"), [("F", False), ("M", False), ("D", True), ("", True)])
def test_the_last_page_is_the_one_that_promises_no_other(mark: str, last: bool) -> None:
    assert mischief.is_last_page({"tr_cont": mark}) is last
    assert mischief.is_last_page({})


def test_refusals_of_the_gateway_carry_the_codes_they_are_known_by() -> None:
    assert body_of(mischief.too_many_requests())["msg_cd"] == "EGW00201"
    assert body_of(mischief.token_too_soon())["error_code"] == "EGW00133"
    codes = {body_of(mischief.gateway_timeout(Random(seed)))["msg_cd"] for seed in SEEDS}
    assert codes == {"EGW00300", "EGW00301", "EGW00302", "EGW00303"}
    for seed in SEEDS:
        error = mischief.server_error(Random(seed))
        assert 500 <= error.status < 600
        assert not is_json(error.body)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_body_can_not_be_read(traded: Rig, seed: int) -> None:
    good = told(traded, Api.BALANCE, BALANCE)
    garbled = mischief.garbled(good, Random(seed))
    cut = mischief.truncated(good, Random(seed))
    assert len(garbled.body) == len(good.body)
    assert good.body.startswith(cut.body)
    for bad in (garbled, cut):
        assert bad.status == 200
        assert not is_json(bad.body)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_page_with_a_hole_is_the_rest_of_it_in_its_order(traded: Rig, seed: int) -> None:
    good = told(traded, Api.DAY_ORDERS, DAY_ORDERS)
    whole, holed = body_of(good), body_of(mischief.without_some_rows(good, Random(seed)))
    rows, left = whole.pop("output1"), holed.pop("output1")
    assert len(left) < len(rows) == 6
    assert [row for row in rows if row in left] == left
    assert holed == whole


def test_what_has_no_rows_has_no_hole() -> None:
    for body in (b'{"rt_cd":"1"}', b'{"output1":[]}', b'{"output1":"x"}'):
        reply = WireReply(status=200, body=body)
        assert mischief.without_some_rows(reply, Random(1)) is reply


def test_an_emptied_balance_has_no_rows_and_sometimes_no_cash(traded: Rig) -> None:
    good = told(traded, Api.BALANCE, BALANCE)
    whole = body_of(good)
    assert whole["output1"]
    cash = []
    for seed in SEEDS:
        body = body_of(mischief.emptied(good, Random(seed)))
        assert body["output1"] == []
        assert body["rt_cd"] == "0"
        cash.append(body["output2"][0]["prvs_rcdl_excc_amt"])
    assert set(cash) == {"0", whole["output2"][0]["prvs_rcdl_excc_amt"]}
    refusal = mischief.too_many_requests()
    assert mischief.emptied(refusal, Random(1)) is refusal


def test_frames_are_told_apart() -> None:
    rig = Rig()
    market = rig.broker.market
    session = StreamSession()
    approval = rig.broker.keys.issue_approval(market.now)

    def answer(tr_id: str, key: str) -> str:
        [text] = rig.broker.stream.receive(session, registration(approval, tr_id, key), market.now)
        return text

    notices = answer("H0STCNI0", HTS_ID)
    trades = answer("H0STCNT0", "005930")
    abroad = answer("H0GSCNI0", HTS_ID)
    refused = answer("H0STCNI0", HTS_ID)
    beat = rig.broker.stream.pingpong(market.now)
    rig.buy(1)
    rig.pass_time(5)
    frames = [frame for _, frame in rig.broker.frames(rig.monotonic)]
    notice = next(frame for frame in frames if frame.startswith("1|"))
    trade = next(frame for frame in frames if frame.startswith("0|"))

    texts = [notices, trades, refused, beat, notice, trade]
    assert [mischief.is_notice(text) for text in texts] == [False] * 4 + [True, False]
    answers = [mischief.is_subscription_answer(text) for text in texts]
    assert answers == [True, True, True, False, False, False]
    confirmed = [mischief.confirmed_notices(text) for text in texts]
    assert confirmed == [Region.KR, None, None, None, None, None]
    assert mischief.confirmed_notices(abroad) is Region.US

    no = json.loads(mischief.refused_subscription(notices))
    assert (no["body"]["rt_cd"], no["body"]["msg_cd"]) == ("1", "OPSP0007")
    assert no["header"] == json.loads(notices)["header"]
    assert mischief.refused_subscription(refused) == refused

    for seed in SEEDS:
        pair = session.ciphers["H0STCNI0"]
        wide = unsealed(mischief.widened(notice, session.ciphers, Random(seed)), *pair)
        usual = unsealed(notice, *pair)
        extra = len(wide) - len(usual)
        assert 1 <= extra <= 3
        assert wide == usual + ["NEW"] * extra
    assert mischief.widened(beat, session.ciphers, Random(1)) == beat


@pytest.mark.parametrize("seed", range(10))
def test_every_record_of_a_frame_is_widened_alike(seed: int) -> None:
    wide = mischief.widened("0|H0STCNT0|002|a^b^c^d", {}, Random(seed))
    kind, channel, records, text = wide.split("|")
    columns = text.split("^")
    assert (kind, channel, records) == ("0", "H0STCNT0", "002")
    assert len(columns) % 2 == 0
    half = len(columns) // 2
    assert columns[:2] + columns[half : half + 2] == ["a", "b", "c", "d"]
    assert set(columns) - {"a", "b", "c", "d"} == {"NEW"}


def test_a_sealed_frame_is_sealed_again_with_the_key_it_had() -> None:
    frame = f"1|H0STCNI0|001|{sealed('x^삼성전자^z')}"
    wide = mischief.widened(frame, {"H0STCNI0": (KEY, IV)}, Random(1))
    assert unsealed(wide, KEY, IV)[:3] == ["x", "삼성전자", "z"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cut_frame_is_a_part_that_is_not_the_whole(seed: int) -> None:
    text = encode({"header": {"tr_id": "PINGPONG"}}).decode()
    part = mischief.cut(text, Random(seed))
    assert text.startswith(part)
    assert 0 < len(part) < len(text)


def test_market_frames_say_what_they_are_about_and_others_nothing() -> None:
    assert mischief.market_code("0|H0STCNT0|001|005930^090000") == "005930"
    assert mischief.market_code("1|H0STCNI0|001|sealed") == ""
    assert mischief.market_code('{"header":{}}') == ""


def test_a_release_is_told_from_a_registration() -> None:
    def message(kind: str) -> str:
        return (
            f'{{"header":{{"tr_type":"{kind}"}},"body":{{"input":{{"tr_id":"H0STCNT0",'
            f'"tr_key":"005930"}}}}}}'
        )

    assert mischief.releases(message("2"), "005930")
    assert not mischief.releases(message("1"), "005930")
    assert not mischief.releases(message("2"), "000660")
    assert not mischief.releases('{"header":{"tr_id":"PINGPONG"}}', "005930")


def abroad(rig: Rig, call: str, tr_id: str, **query: str) -> WireReply:
    request = WireRequest(
        method="GET",
        path=ABROAD + call,
        query={**BODY, "OVRS_EXCG_CD": "NASD", **query},
        headers=rig.headers(tr_id),
    )
    return rig.broker.handle(request, rig.now, rig.monotonic)[0]


def test_a_request_about_an_account_is_of_one_country() -> None:
    assert mischief.region_of(WireRequest(method="GET", path=Api.DAY_ORDERS.path)) is Region.KR
    assert mischief.region_of(WireRequest(method="GET", path=f"{ABROAD}inquire-ccnl")) is Region.US


def test_requests_about_us_markets_are_of_the_same_kinds() -> None:
    def kinds(call: str) -> tuple[bool, ...]:
        request = WireRequest(method="GET", path=ABROAD + call)
        return (
            mischief.is_order(request),
            mischief.is_order_list(request),
            mischief.is_balance(request),
        )

    assert kinds("order") == kinds("order-rvsecncl") == (True, False, False)
    assert kinds("inquire-ccnl") == kinds("inquire-nccs") == (False, True, False)
    assert kinds("inquire-balance") == kinds("inquire-present-balance") == (False, False, True)
    assert kinds("inquire-psamount") == (False, False, False)


def test_lists_and_balances_of_us_markets_are_shortened_like_the_others() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    for _ in range(6):
        rig.abroad(1, "9000")
    days = {"ORD_STRT_DT": "20261012", "ORD_END_DT": "20261012"}
    reply = abroad(rig, "inquire-ccnl", "TTTS3035R", **days)
    whole = body_of(reply)["output"]
    for seed in SEEDS:
        short = body_of(mischief.without_some_rows(reply, Random(seed)))["output"]
        assert len(short) < len(whole)
        assert [row for row in whole if row in short] == short
    reply = abroad(rig, "inquire-balance", "TTTS3012R", TR_CRCY_CD="USD")
    zeroed = 0
    for seed in SEEDS:
        told = body_of(mischief.emptied(reply, Random(seed)))
        assert told["output1"] == []
        assert set(told["output2"]) == set(body_of(reply)["output2"])
        zeroed += set(told["output2"].values()) == {"0"}
    assert 0 < zeroed < len(SEEDS)
    reply = abroad(rig, "inquire-present-balance", "CTRP6504R")
    assert body_of(mischief.emptied(reply, Random(1)))["output1"] == []
    empty = abroad(rig, "inquire-ccnl", "TTTS3035R", ORD_STRT_DT="20260101", ORD_END_DT="20260101")
    assert mischief.without_some_rows(empty, Random(1)) == empty
