import pytest

from daemon.kis.spec import Api
from daemon.sim.options import APP_KEY, APP_SECRET
from tests.sim.rig import Rig

GRANT = {"grant_type": "client_credentials", "appkey": APP_KEY, "appsecret": APP_SECRET}


def test_a_token_reply_has_the_documented_shape() -> None:
    said = Rig().send("POST", Api.TOKEN.path, body=GRANT)
    assert said.status == 200
    assert set(said.body) == {
        "access_token",
        "token_type",
        "expires_in",
        "access_token_token_expired",
    }
    assert (said.body["token_type"], said.body["expires_in"]) == ("Bearer", 86_400)
    assert said.body["access_token_token_expired"] == "2026-10-13 09:00:00"


def test_once_a_minute_even_for_the_same_token() -> None:
    rig = Rig(token_interval=60.0)
    said = rig.send("POST", Api.TOKEN.path, body=GRANT)
    assert (said.status, said.code) == (403, "EGW00133")
    assert said.body["error_description"] == "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"
    rig.pass_time(60)
    again = rig.send("POST", Api.TOKEN.path, body=GRANT)
    assert again.body["access_token"] == rig.token
    assert rig.broker.keys.tokens_issued == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"appkey": "wrong"}, "EGW00103"),
        ({"appsecret": "wrong"}, "EGW00105"),
        ({"grant_type": "password"}, "EGW00106"),
    ],
)
def test_wrong_credentials(change: dict[str, str], code: str) -> None:
    said = Rig().send("POST", Api.TOKEN.path, body={**GRANT, **change})
    assert (said.status, said.code, set(said.body)) == (
        403,
        code,
        {"error_description", "error_code"},
    )


def test_the_approval_key_wants_the_secret_under_its_other_name() -> None:
    rig = Rig()
    assert rig.send("POST", Api.APPROVAL.path, body=GRANT).code == "EGW00105"
    body = {"grant_type": "client_credentials", "appkey": APP_KEY, "secretkey": APP_SECRET}
    assert len(rig.send("POST", Api.APPROVAL.path, body=body).body["approval_key"]) == 36


def test_revoked_tokens_open_nothing() -> None:
    rig = Rig()
    body = {"appkey": APP_KEY, "appsecret": APP_SECRET, "token": rig.token}
    said = rig.send("POST", Api.REVOKE.path, body=body)
    assert said.body == {"code": 200, "message": "접근토큰 폐기에 성공하였습니다"}
    assert rig.get(Api.PRICE, Api.PRICE.real).code == "EGW00121"


def test_hash_keys_echo_the_body() -> None:
    headers = {"appkey": APP_KEY, "appsecret": APP_SECRET}
    said = Rig().send("POST", Api.HASHKEY.path, headers=headers, body={"CANO": "1"})
    assert said.body["BODY"] == {"CANO": "1"}
    assert len(said.body["HASH"]) == 64
    assert Rig().send("POST", Api.HASHKEY.path, body=b"\xff").code == "EGW00101"
