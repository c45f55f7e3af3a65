"""Two customers at one broker: each has keys, a token, a stream and accounts that are its own."""

from collections import Counter
from typing import Any

import pytest

from daemon.kis.spec import Api
from daemon.sim.options import APP_KEY, APP_SECRET, HTS_ID, Customer
from daemon.sim.stream_wire import StreamSession
from tests.sim.rig import ABROAD, AMERICAN_OPTIONS, BODY, DAY_ORDERS, Rig, Said, registration

OTHER = Customer(
    app_key="another-key", app_secret="another-secret", hts_id="htsid002", accounts=("87654321-01",)
)
THEIR_BODY = {**BODY, "CANO": "87654321"}


class Both(Rig):
    """Speaks with the key of either."""

    def __init__(self, *args: Any, **changes: Any) -> None:
        super().__init__(*args, others=(OTHER,), **changes)
        self.own_token = self.token
        grant = {"appkey": OTHER.app_key, "appsecret": OTHER.app_secret}
        said = self.send("POST", Api.TOKEN.path, body={"grant_type": "client_credentials", **grant})
        self.their_token = str(said.body["access_token"])

    def theirs(self, tr_id: str, **changes: str) -> dict[str, str]:
        keys = {"appkey": OTHER.app_key, "appsecret": OTHER.app_secret}
        return {
            **self.headers(tr_id),
            **keys,
            "authorization": f"Bearer {self.their_token}",
        } | changes

    def their_list(self, **changes: str) -> Said:
        query = {**DAY_ORDERS, "CANO": "87654321", **changes}
        return self.send(
            "GET", Api.DAY_ORDERS.path, headers=self.theirs(Api.DAY_ORDERS.real), query=query
        )

    def joined(self, customer: Customer, *wanted: tuple[str, str]) -> StreamSession:
        session, now = StreamSession(), self.broker.market.now
        approval = self.broker.receptions[customer.app_key].keys.issue_approval(now)
        for tr_id, tr_key in wanted:
            text = registration(approval, tr_id, tr_key)
            [answer] = self.broker.stream_of(text, now).receive(session, text, now)
            assert "SUBSCRIBE SUCCESS" in answer, answer
        return session


def test_a_token_opens_the_door_under_its_own_key_alone() -> None:
    rig = Both()
    assert rig.their_token != rig.own_token
    assert rig.their_list().code == "KIOK0560"
    crossed = rig.theirs(Api.DAY_ORDERS.real, authorization=f"Bearer {rig.own_token}")
    said = rig.send("GET", Api.DAY_ORDERS.path, headers=crossed, query=DAY_ORDERS)
    assert said.code == "EGW00121"
    mixed = rig.theirs(Api.DAY_ORDERS.real, appsecret=APP_SECRET)
    assert rig.send("GET", Api.DAY_ORDERS.path, headers=mixed).code == "EGW00105"
    grant = {"grant_type": "client_credentials", "appkey": APP_KEY, "appsecret": OTHER.app_secret}
    assert rig.send("POST", Api.TOKEN.path, body=grant).code == "EGW00105"


def test_orders_and_accounts_of_another_key_are_nobodys_business() -> None:
    rig = Both()
    assert rig.buy(3).code == "APBK0013"
    assert rig.their_list().code == "KIOK0560"
    assert rig.their_list(CANO="12345678").code == "OPSQ2000"
    for account, code in (("12345678", "OPSQ2000"), ("87654321", "APBK0013")):
        body = {**THEIR_BODY, "CANO": account, "PDNO": "005930", "ORD_DVSN": "01", "ORD_QTY": "2"}
        body |= {"ORD_UNPR": "0", "EXCG_ID_DVSN_CD": "KRX", "SLL_TYPE": "", "CNDT_PRIC": ""}
        said = rig.send("POST", Api.BUY.path, headers=rig.theirs(Api.BUY.real), body=body)
        assert said.code == code
    assert [row["ord_qty"] for row in rig.their_list().body["output1"]] == ["2"]
    assert [row["ord_qty"] for row in rig.rows()] == ["3"]


def test_each_holds_a_stream_and_hears_of_its_own_orders_and_instruments() -> None:
    rig = Both()
    mine = rig.joined(rig.options.customers[0], ("H0STCNI0", HTS_ID), ("H0STCNT0", "005930"))
    their = rig.joined(OTHER, ("H0STCNI0", OTHER.hts_id), ("H0STCNT0", "000660"))
    rig.buy(1)
    rig.pass_time(60)
    heard = Counter(
        (session is mine, frame[:2], frame.split("|")[3].partition("^")[0] * (frame[0] == "0"))
        for session, frame in rig.broker.frames(rig.monotonic)
    )
    assert heard[True, "1|", ""] == 2
    assert set(heard) == {(True, "1|", ""), (True, "0|", "005930"), (False, "0|", "000660")}
    rig.broker.leave(their)
    rig.pass_time(60)
    assert {session for session, _ in rig.broker.frames(rig.monotonic)} == {mine}
    with pytest.raises(AssertionError, match="ALREADY IN USE"):
        rig.joined(rig.options.customers[0], ("H0STCNT0", "005930"))
    # The id of another customer names nothing here.
    with pytest.raises(AssertionError, match="NOT FOUND"):
        rig.joined(OTHER, ("H0STCNI0", HTS_ID))


def test_american_orders_and_notices_are_apart_as_well() -> None:
    rig = Both(AMERICAN_OPTIONS)
    mine = rig.joined(rig.options.customers[0], ("H0GSCNI0", HTS_ID))
    rig.joined(OTHER, ("H0GSCNI0", OTHER.hts_id))
    rig.abroad(1, "9000")
    rig.pass_time(2)
    assert [session is mine for session, _ in rig.broker.frames(rig.monotonic)] == [True, True]
    query = {**THEIR_BODY, "OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD"}
    query |= {"CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
    path = ABROAD + "inquire-balance"
    said = rig.send("GET", path, headers=rig.theirs("TTTS3012R"), query=query)
    assert said.body["output1"] == []
