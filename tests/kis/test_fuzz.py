"""A small share of the fuzzing in every run; `bench/fuzz.py` is the long one."""

import contextlib
import re

import orjson
import pytest

from daemon.core.errors import BadData, OutcomeUnknown, Refused
from daemon.kis import replies
from daemon.kis.fields import text_of
from daemon.kis.frames import FrameDecoder
from daemon.kis.link import HttpResponse
from daemon.kis.replies import Reply
from tests.kis.fakes import ACCOUNT, SAMSUNG, frame, reply, response
from tests.kis.fuzzing import DEEP, DEEPER, RECEIVED, Body, Escaped, Fuzz

CASES = 10_000


def test_nothing_but_typed_errors_escapes() -> None:
    outcomes = Fuzz(1).run(CASES)
    assert outcomes["read"] > CASES // 4
    assert outcomes["BadData"] > CASES // 4
    assert outcomes["OutcomeUnknown"] > CASES // 50
    assert outcomes["Refused"] > CASES // 100


def test_nothing_but_typed_errors_escapes_under_a_seed_of_the_day(
    request: pytest.FixtureRequest,
) -> None:
    """The seed is the one pytest-randomly prints; `-p "randomly_seed=…"` brings it back."""
    Fuzz(int(request.config.getoption("randomly_seed", 0))).run(CASES)


def test_a_seed_gives_the_same_cases_again() -> None:
    assert Fuzz(7).run(500) == Fuzz(7).run(500) != Fuzz(8).run(500)


def test_an_escape_tells_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: FrameDecoder, payload: str, *rest: object) -> list[object]:
        raise KeyError(payload[:1])

    monkeypatch.setattr(FrameDecoder, "_trades", broken)
    with pytest.raises(Escaped, match=r"seed 1 case \d+ (?:decode|data): KeyError") as first:
        Fuzz(1).run(CASES)
    with pytest.raises(Escaped) as second:
        Fuzz(1).run(CASES)
    assert str(first.value) == str(second.value)
    assert re.match(rb"0\|H0(?:ST|NX|UN)CNT0\|", bytes.fromhex(first.value.hex))


def test_a_body_knows_its_parts() -> None:
    value = {"a": [1, {"b": "x"}], "c": {}, "d": "끝"}
    body = Body(value)
    assert orjson.loads(body.text) == value
    for start, end in body.values:
        orjson.loads(body.text[start:end])
    for start, end in body.removable:
        orjson.loads(body.text[:start] + body.text[end:])


# --- What it found ------------------------------------------------------------------------------


@pytest.mark.parametrize("deep", [DEEP, DEEPER])
def test_a_field_of_a_thousand_levels_is_bad_data(deep: bytes) -> None:
    """Its text would be deeper than the interpreter goes."""
    value = orjson.loads(deep)
    with pytest.raises(BadData):
        text_of({"pdno": value}, "pdno")
    page = Reply({"output": value, "output1": [value], "output2": {"a": value}}, "")
    for read in (
        lambda: replies.rows(page, "output"),
        lambda: replies.rows(page, "output1"),
        lambda: replies.price_report(page, SAMSUNG),
        lambda: replies.cursors(Reply({"ctx_area_fk100": value}, "")),
    ):
        with contextlib.suppress(BadData):
            read()
    body = b'{"rt_cd":"1","msg_cd":' + deep + b"}"
    with pytest.raises(OutcomeUnknown):
        replies.order_reply(HttpResponse(status=200, headers={}, body=body))


@pytest.mark.parametrize("number", ["0001569157", 1569157, "??", True])
def test_a_refusal_with_an_order_number_is_no_definite_answer(number: object) -> None:
    output = {"KRX_FWDG_ORD_ORGNO": "06010", "ODNO": number}
    body = {"rt_cd": "1", "msg_cd": "APBK0013", "msg1": "sent", "output": output}
    with pytest.raises(OutcomeUnknown, match="order number"):
        replies.order_reply(response(body))


@pytest.mark.parametrize("output", [None, {}, [], {"ODNO": ""}, {"ODNO": "0000000000"}])
def test_a_refusal_with_an_empty_number_is_a_refusal(output: object) -> None:
    refused = reply("order_refused_funds")
    body = {**orjson.loads(refused.body), "output": output}
    with pytest.raises(Refused, match="APBK0952"):
        replies.order_reply(response(body))


def test_more_shares_than_there_can_be_are_bad_data() -> None:
    trade = frame("h0stcnt0_1").split("^")
    book = frame("h0stasp0_59").split("^")
    for fields, index in ((trade, 12), (trade, 13), (book, 24)):
        damaged = [*fields[:index], "9" * 31, *fields[index + 1 :]]
        with pytest.raises(BadData, match="not a count of shares"):
            FrameDecoder(ACCOUNT).decode("^".join(damaged), RECEIVED)
        whole = [*fields[:index], "9" * 30, *fields[index + 1 :]]
        (found,) = FrameDecoder(ACCOUNT).decode("^".join(whole), RECEIVED)
        assert getattr(found, "instrument", None) == SAMSUNG
