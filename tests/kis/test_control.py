"""Control messages: what a registration's answer carries, and that of plain channels is ignored."""

import json

import pytest

from daemon.core.errors import BadData
from daemon.kis.control import Ack, Ping, Refusal, decode_control

KEY, IV = "k" * 32, "i" * 16


def answer(channel: str, key: str = KEY, iv: str = IV, code: str = "OPSP0000") -> str:
    return json.dumps(
        {
            "header": {"tr_id": channel, "tr_key": "005930", "encrypt": "N"},
            "body": {"rt_cd": "0", "msg_cd": code, "msg1": "x", "output": {"key": key, "iv": iv}},
        }
    )


def test_only_sealed_channels_have_a_key() -> None:
    sealed, plain = decode_control(answer("H0STCNI0")), decode_control(answer("H0STCNT0"))
    assert isinstance(sealed, Ack)
    assert isinstance(plain, Ack)
    assert sealed.cipher is not None
    assert plain.cipher is None


def test_an_odd_key_matters_only_where_it_is_used() -> None:
    odd = decode_control(answer("H0STCNT0", key="short"))
    assert isinstance(odd, Ack)
    assert odd.active
    with pytest.raises(BadData):
        decode_control(answer("H0STCNI0", key="short"))


def test_a_heartbeat_is_its_own_text_and_tells_the_time_if_it_can() -> None:
    text = '{"header":{"tr_id":"PINGPONG","datetime":"20261102090000"}}'
    told = decode_control(text)
    assert isinstance(told, Ping)
    assert told.text == text
    assert told.told_at is not None
    vague = decode_control('{"header":{"tr_id":"PINGPONG","datetime":"soon"}}')
    assert isinstance(vague, Ping)
    assert vague.told_at is None


def test_any_other_code_is_a_refusal() -> None:
    told = decode_control(answer("H0STCNT0", code="OPSP0008"))
    assert told == Refusal("H0STCNT0", "005930", "OPSP0008", "x")
