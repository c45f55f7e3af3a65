"""The tree of errors: who is caught by whom, and what each tells its catcher."""

import pytest

from daemon.core.errors import (
    BadData,
    Fatal,
    InvariantBroken,
    JournalFailed,
    NeedsOperator,
    OutcomeUnknown,
    Refused,
    TradingError,
    TryLater,
)

EVERY = (
    Refused("APBK0919", "장종료"),
    TryLater("EGW00201", "too many requests", delay=1.0),
    OutcomeUnknown("no reply in 5 s"),
    BadData("not a number"),
    NeedsOperator("write the key into the secrets file"),
    InvariantBroken("a fill of an unknown order"),
    JournalFailed("no space left on device"),
)


def test_what_trading_can_live_with_has_one_root_and_what_it_cannot_another() -> None:
    fatal = {type(error) for error in EVERY if isinstance(error, Fatal)}

    assert fatal == {InvariantBroken, JournalFailed}
    assert all(isinstance(error, TradingError) != isinstance(error, Fatal) for error in EVERY)


@pytest.mark.parametrize(
    ("duty", "caught"),
    [
        (Refused, {"Refused", "TryLater"}),
        (TryLater, {"TryLater"}),
        (OutcomeUnknown, {"OutcomeUnknown"}),
        (BadData, {"BadData"}),
        (NeedsOperator, {"NeedsOperator"}),
        (InvariantBroken, {"InvariantBroken"}),
    ],
)
def test_each_duty_catches_its_own(duty: type[Exception], caught: set[str]) -> None:
    assert {type(error).__name__ for error in EVERY if isinstance(error, duty)} == caught


def test_refusals_say_code_and_reason() -> None:
    refused = TryLater("EGW00201", "too many requests", delay=0.5)

    assert str(refused) == "EGW00201: too many requests"
    assert (refused.code, refused.reason, refused.delay) == ("EGW00201", "too many requests", 0.5)
    assert OutcomeUnknown("reset by peer").cause == "reset by peer"


def test_bad_data_names_the_field_and_keeps_a_bounded_excerpt() -> None:
    bad = BadData("not a number", field="stck_prpr", raw="x" * 1_000)

    assert str(bad) == "not a number in stck_prpr"
    assert bad.raw == "x" * BadData.RAW_LIMIT
    assert (bad.what, bad.field) == ("not a number", "stck_prpr")
    assert str(BadData("not a frame", raw="x")) == "not a frame"
