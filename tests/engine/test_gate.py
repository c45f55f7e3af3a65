"""The gate is open when nobody holds it shut."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.values import Region
from daemon.engine.gate import Gate, Shutter


def test_a_new_gate_is_open() -> None:
    gate = Gate()

    assert gate.is_open
    assert gate.why() == ""
    assert gate.reasons == {}


def test_nobody_opens_what_another_shut() -> None:
    gate = Gate()
    gate.shut(Shutter.OPERATOR, "halted by hand")
    gate.shut(Shutter.STREAM, "the stream is down")

    assert gate.open(Shutter.STREAM)
    assert not gate.is_open
    assert gate.reasons == {Shutter.OPERATOR: "halted by hand"}
    assert not gate.open(Shutter.STREAM)
    assert gate.open(Shutter.OPERATOR)
    assert gate.is_open


def test_every_reason_is_told_to_a_person() -> None:
    gate = Gate()
    gate.shut(Shutter.OPERATOR, "halted by hand")
    gate.shut(Shutter.STREAM, "the stream is down")

    assert gate.why() == "operator: halted by hand; stream: the stream is down"


def test_the_same_reason_again_is_no_news_and_another_is() -> None:
    gate = Gate()

    assert gate.shut(Shutter.STREAM, "down")
    assert not gate.shut(Shutter.STREAM, "down")
    assert gate.shut(Shutter.STREAM, "down since 09:00")
    assert gate.why() == "stream: down since 09:00"
    gate.open(Shutter.STREAM)
    assert gate.shut(Shutter.STREAM, "down since 09:00")


def test_readers_cannot_open_the_gate() -> None:
    gate = Gate()
    gate.shut(Shutter.ARMING, "not armed")
    gate.reasons.clear()

    assert not gate.is_open


@given(st.lists(st.tuples(st.sampled_from(Shutter), st.booleans())))
def test_the_gate_is_open_exactly_when_all_have_let_go(
    acts: list[tuple[Shutter, bool]],
) -> None:
    gate = Gate()
    holding: set[Shutter] = set()
    for who, shut in acts:
        if shut:
            assert gate.shut(who, "a reason") == (who not in holding)
            holding.add(who)
        else:
            assert gate.open(who) == (who in holding)
            holding.discard(who)
        assert set(gate.reasons) == holding
        assert gate.is_open == (not holding)


def test_a_region_is_shut_without_the_others() -> None:
    gate = Gate()
    gate.shut(Shutter.BLIND, "no answer", Region.US)

    assert not gate.is_open
    assert gate.why(Region.KR) == ""
    assert gate.why(Region.US) == gate.why() == "blind US: no answer"
    assert gate.reasons == {Shutter.BLIND: "US: no answer"}
    gate.shut(Shutter.OPERATOR, "halted by hand")
    assert gate.why(Region.KR) == "operator: halted by hand"
    assert gate.why(Region.US, ignoring={Shutter.OPERATOR}) == "blind US: no answer"
    assert not gate.open(Shutter.BLIND, Region.KR)
    assert gate.open(Shutter.BLIND, Region.US)
    assert gate.why(Region.US) == "operator: halted by hand"


def test_what_is_shut_everywhere_is_not_opened_by_a_region_and_all_of_it_at_once() -> None:
    gate = Gate()
    gate.shut(Shutter.STREAM, "down")
    assert not gate.open(Shutter.STREAM, Region.KR)
    for region in (Region.KR, Region.US):
        gate.shut(Shutter.STREAM, "down", region)
    assert gate.reasons == {Shutter.STREAM: "down; KR: down; US: down"}
    assert gate.open(Shutter.STREAM)
    assert gate.is_open
