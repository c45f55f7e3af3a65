"""The kill switch's moves: what may follow what, by whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import Actor, TradingState
from daemon.core.switch import Command, answer

RUNNING, REDUCE_ONLY, HALTED, FLATTENING = TradingState
STRICTNESS = {RUNNING: 0, REDUCE_ONLY: 1, HALTED: 2, FLATTENING: 3}
PERSONS = [Actor.OPERATOR, Actor.FILE, Actor.SIGNAL]
DAEMON = [Actor.RISK, Actor.SWITCH]


def after(current: TradingState, wanted: TradingState, who: Actor) -> TradingState:
    found = answer(current, Command(state=wanted, who=who, reason="x"))
    assert found.obeyed == (found.state is wanted)
    assert bool(found.refusal) != found.obeyed
    return found.state


@pytest.mark.parametrize("who", Actor)
@pytest.mark.parametrize("current", TradingState)
@pytest.mark.parametrize("wanted", TradingState)
def test_anybody_may_make_it_stricter(
    current: TradingState, wanted: TradingState, who: Actor
) -> None:
    if STRICTNESS[wanted] >= STRICTNESS[current]:
        assert after(current, wanted, who) is wanted


@pytest.mark.parametrize("current", [REDUCE_ONLY, HALTED, FLATTENING])
def test_only_a_person_resumes(current: TradingState) -> None:
    for who in PERSONS:
        assert after(current, RUNNING, who) is RUNNING
    for who in DAEMON:
        assert after(current, RUNNING, who) is current


def test_the_only_other_way_down_is_to_end_the_selling() -> None:
    for who in [*PERSONS, Actor.SWITCH]:
        assert after(FLATTENING, HALTED, who) is HALTED
    assert after(FLATTENING, HALTED, Actor.RISK) is FLATTENING
    for who in Actor:
        assert after(FLATTENING, REDUCE_ONLY, who) is FLATTENING
        assert after(HALTED, REDUCE_ONLY, who) is HALTED


@given(st.lists(st.tuples(st.sampled_from(TradingState), st.sampled_from(DAEMON)), max_size=12))
def test_without_a_person_it_never_lets_more_orders_pass(
    moves: list[tuple[TradingState, Actor]],
) -> None:
    passes = {RUNNING: 2, REDUCE_ONLY: 1, HALTED: 0, FLATTENING: 0}
    state = RUNNING
    for wanted, who in moves:
        before, state = state, after(state, wanted, who)
        assert passes[state] <= passes[before]
