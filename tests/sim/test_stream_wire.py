import json
from dataclasses import replace
from datetime import UTC
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.kis.channels import CHANNELS, Subject
from daemon.sim.keys import KeyOffice
from daemon.sim.stream_wire import StreamSession, StreamWire
from tests.sim.rig import OPEN, OPTIONS, listings, registration


class Desk:
    def __init__(self, **changes: Any) -> None:
        self.keys = KeyOffice(Random(1), 60.0)
        options = replace(OPTIONS, **changes)
        self.wire = StreamWire(options.customers[0], options, self.keys)
        self.approval = self.keys.issue_approval(OPEN)
        self.session = StreamSession()

    def say(self, text: str, session: StreamSession | None = None) -> dict[str, Any]:
        (answer,) = self.wire.receive(session or self.session, text, OPEN)
        said: dict[str, Any] = json.loads(answer)
        return said

    def register(self, tr_id: str, tr_key: str, tr_type: str = "1") -> dict[str, Any]:
        return self.say(registration(self.approval, tr_id, tr_key, tr_type))


def test_acknowledgements_have_the_documented_shape() -> None:
    desk = Desk()
    said = desk.register("H0STCNT0", "005930")
    assert said["header"] == {"tr_id": "H0STCNT0", "tr_key": "005930", "encrypt": "N"}
    output = said["body"].pop("output")
    assert (len(output["key"]), len(output["iv"])) == (32, 16)
    assert said["body"] == {"rt_cd": "0", "msg_cd": "OPSP0000", "msg1": "SUBSCRIBE SUCCESS"}
    assert desk.wire.wants("H0STCNT0", "005930")
    again = desk.register("H0STCNT0", "005930")["body"]
    assert again == {"rt_cd": "1", "msg_cd": "OPSP0002", "msg1": "ALREADY IN SUBSCRIBE"}
    gone = desk.register("H0STCNT0", "005930", "2")["body"]
    assert (gone["msg_cd"], "output" in gone) == ("OPSP0001", True)
    assert desk.register("H0STCNT0", "005930", "2")["body"]["msg_cd"] == "OPSP0003"
    assert not desk.wire.wants("H0STCNT0", "005930")


@pytest.mark.parametrize("channel", ["H0STCNI0", "H0STCNI9", "H0GSCNI0", "H0GSCNI9"])
def test_answers_on_notice_channels_say_that_they_are_encrypted(channel: str) -> None:
    desk = Desk()
    for code in ("OPSP0000", "OPSP0002"):
        said = desk.register(channel, "htsid001")
        assert (said["header"]["encrypt"], said["body"]["msg_cd"]) == ("Y", code)
    assert desk.register(channel, "someone")["body"]["msg_cd"] == "OPSP8993"
    assert desk.register(channel, "htsid001", "2")["body"]["msg_cd"] == "OPSP0001"


def test_the_42nd_registration_is_one_too_many() -> None:
    desk = Desk(listings=listings(45))
    codes = [f"{number:06}" for number in range(1, 43)]
    said = [desk.register("H0STCNT0", code)["body"]["msg_cd"] for code in codes]
    assert said == ["OPSP0000"] * 41 + ["OPSP0008"]
    desk.register("H0STCNT0", codes[0], "2")
    assert desk.register("H0STCNI0", "htsid001")["body"]["msg_cd"] == "OPSP0000"


def test_every_channel_of_the_catalogue_can_be_registered_within_the_limit() -> None:
    keys = {
        **{Subject.STOCK: "005930", Subject.INDEX: "0001", Subject.OVERSEAS: "DNASAAPL"},
        **{Subject.DERIVATIVE: "101W09", Subject.BOND: "KR103502GA34"},
        Subject.CUSTOMER: "htsid001",
    }
    desk = Desk()
    for number, channel in enumerate(CHANNELS):
        key = "DTSE7203" if channel.tr_id == "HDFSASP1" else keys[channel.subject]
        said = desk.register(channel.tr_id, key)
        assert said["header"]["encrypt"] == ("Y" if channel.encrypted else "N")
        assert said["body"]["msg_cd"] == ("OPSP0000" if number < 41 else "OPSP0008")
    busy = {"H0STCNT0", "H0STASP0", "H0STCNI0", "H0STCNI9"}
    assert {tr_id for tr_id, _ in desk.wire.others} == {
        tr_id for tr_id, _ in desk.session.registered if tr_id not in busy
    }
    assert list(desk.wire.others) == sorted(desk.wire.others)
    desk.wire.leave(desk.session)
    assert desk.wire.others == ()


def test_a_second_session_is_turned_away_until_the_first_leaves() -> None:
    desk, second = Desk(), StreamSession()
    desk.register("H0STCNT0", "005930")
    text = registration(desk.approval, "H0STCNT0", "005930")
    said = desk.say(text, second)
    assert said == {
        "header": {"tr_id": "(null)", "tr_key": "005930", "encrypt": "N"},
        "body": {"rt_cd": "9", "msg_cd": "OPSP8996", "msg1": "ALREADY IN USE appkey"},
    }
    assert second.closing
    desk.wire.leave(second)
    assert desk.wire.holder is desk.session
    desk.wire.leave(desk.session)
    assert desk.say(text, StreamSession())["body"]["msg_cd"] == "OPSP0000"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"approval_key": "unknown"}, "OPSP0011"),
        ({"approval_key": 7}, "OPSP0011"),
        ({"custtype": "X"}, "OPSP8998"),
        ({"tr_type": "0"}, "OPSP8997"),
        ({"tr_id": "H0XXXXX0"}, "OPSP8991"),
        ({"tr_key": ""}, "OPSP8992"),
        ({"tr_key": "999999"}, "OPSP8993"),
        ({"tr_id": "H0STCNI0", "tr_key": "12345678"}, "OPSP8993"),
        ({"tr_id": "H0GSCNT0", "tr_key": "DNASAAPL"}, "OPSP8991"),
        ({"tr_id": "HDFSCNT0", "tr_key": "AAPL"}, "OPSP8993"),
        ({"tr_id": "HDFSASP1", "tr_key": "DNASAAPL"}, "OPSP8993"),
        ({"tr_id": "H0NXCNT0", "tr_key": "999999"}, "OPSP8993"),
        ({"tr_id": "H0STMKO0", "tr_key": "999999"}, "OPSP8993"),
        ({"tr_id": "H0IFCNI0", "tr_key": "101W09"}, "OPSP8993"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(change: dict[str, Any], code: str) -> None:
    desk = Desk()
    message = json.loads(registration(desk.approval, "H0STCNT0", "005930"))
    for name, value in change.items():
        where = message["body"]["input"] if name in ("tr_id", "tr_key") else message["header"]
        where[name] = value
    assert desk.say(json.dumps(message))["body"]["msg_cd"] == code
    assert desk.session.registered == set()


def test_an_echoed_pingpong_is_an_answer() -> None:
    desk = Desk()
    ping = desk.wire.pingpong(OPEN.astimezone(UTC))
    assert json.loads(ping) == {"header": {"tr_id": "PINGPONG", "datetime": "20261012090000"}}
    desk.session.unanswered = 3
    assert desk.wire.receive(desk.session, ping, OPEN) == []
    assert desk.session.unanswered == 0


@given(st.text(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_any_text_gets_a_shaped_answer(text: str) -> None:
    said = Desk().say(text)
    assert said["body"]["msg_cd"].startswith("OPSP")
