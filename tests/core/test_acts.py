"""What people asked of a daemon, as its journal tells."""

from datetime import UTC, datetime

from daemon.core.acts import (
    OPERATOR,
    REMEMBERED,
    Acts,
    OperatorAnswered,
    OperatorAsked,
    StrategyResumed,
    StrategySuspended,
)
from daemon.core.portfolio import Portfolio
from daemon.core.values import StrategyId

NOON = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
CROSS = StrategyId("cross")


def asked(request: str) -> OperatorAsked:
    return OperatorAsked(
        request=request,
        act="halt",
        subject="",
        reason="lunch",
        channel="socket",
        person="trader",
        uid=1_000,
        pid=42,
        at=NOON,
    )


def answered(request: str) -> OperatorAnswered:
    return OperatorAnswered(request=request, done=True, answer="halted", at=NOON)


def test_a_request_is_known_again_with_its_answer() -> None:
    portfolio = Portfolio()
    portfolio.apply(asked("a"))
    assert portfolio.acts.asked["a"].person == "trader"
    assert "a" not in portfolio.acts.answered
    portfolio.apply(answered("a"))
    assert portfolio.acts.answered["a"].answer == "halted"


def test_what_is_remembered_is_bounded() -> None:
    acts = Acts()
    for number in range(REMEMBERED + 3):
        acts.apply(asked(str(number)))
        acts.apply(answered(str(number)))
    assert len(acts.asked) == len(acts.answered) == REMEMBERED
    assert next(iter(acts.asked)) == "3"
    acts.apply(answered("0"))
    assert "0" not in acts.answered


def test_a_stopped_strategy_stays_so_until_it_is_started() -> None:
    portfolio = Portfolio()
    portfolio.apply(StrategySuspended(strategy=CROSS, reason="too many orders", at=NOON))
    assert portfolio.acts.stopped == {CROSS: "too many orders"}
    portfolio.apply(StrategyResumed(strategy=CROSS, reason="mended", at=NOON))
    assert portfolio.acts.stopped == {}
    portfolio.apply(StrategyResumed(strategy=OPERATOR, reason="", at=NOON))
    assert portfolio.acts.stopped == {}
