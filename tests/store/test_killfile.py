"""The kill switch as a file: what a person may write, and what becomes of it."""

from pathlib import Path

import pytest

from daemon.core.events import Actor, TradingState
from daemon.core.switch import Answer
from daemon.store.killfile import READ_LIMIT, KillFile, account_tag


@pytest.fixture
def file(tmp_path: Path) -> KillFile:
    return KillFile(tmp_path)


def test_without_a_file_there_is_no_news(file: KillFile) -> None:
    assert file.poll() is None
    assert file.poll() is None


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", TradingState.HALTED),
        ("HALTED", TradingState.HALTED),
        ("reduce-only\n", TradingState.REDUCE_ONLY),
        ("REDUCE_ONLY", TradingState.REDUCE_ONLY),
        ("  Flattening  \nnow", TradingState.FLATTENING),
        ("stop!!", TradingState.HALTED),
        ("\udcff", TradingState.HALTED),
        ("FLATTENING" + "x" * READ_LIMIT, TradingState.HALTED),
    ],
)
def test_a_state_is_written_in_words_and_anything_else_halts(
    file: KillFile, text: str, state: TradingState
) -> None:
    file.path.write_bytes(text.encode(errors="surrogateescape"))
    found = file.poll()
    assert found is not None
    assert (found[0].state, found[0].who) == (state, Actor.FILE)
    assert found[0].reason
    assert file.poll() is None


def test_what_cannot_be_read_halts(file: KillFile) -> None:
    file.path.mkdir()
    found = file.poll()
    assert found is not None
    assert found[0].state is TradingState.HALTED
    assert "cannot be read" in found[0].reason


def test_the_same_words_written_again_are_news(file: KillFile) -> None:
    for _ in range(3):
        file.ask(TradingState.HALTED, "lunch", "")
        assert file.poll() is not None
        assert file.poll() is None


def test_removing_the_file_is_no_command(file: KillFile) -> None:
    file.ask(TradingState.HALTED, "lunch", "")
    assert file.poll() is not None
    file.clear()
    assert file.poll() is None


def test_a_request_is_answered_by_its_word(file: KillFile) -> None:
    operator = KillFile(file.path.parent)
    operator.ask(TradingState.REDUCE_ONLY, "two\nlines", "first")
    found = file.poll()
    assert found is not None
    command, request = found
    assert (command.reason, request) == ("two lines", "first")
    assert operator.answered("first") is None
    file.answer(request, Answer(state=TradingState.HALTED, refusal="looser"))
    assert operator.answered("other") is None
    answer = operator.answered("first")
    assert answer is not None
    assert (answer.state, answer.refusal) == ("halted", "looser")


def test_a_resume_takes_an_accounts_file_away_and_only_when_it_was_obeyed(tmp_path: Path) -> None:
    file = KillFile(tmp_path, "0a1b2c3d")
    assert file.path.name == "KILL-0a1b2c3d"
    assert file.poll() is None
    file.ask(TradingState.RUNNING, "checked", "a")
    assert file.poll() is not None
    file.answer("a", Answer(state=TradingState.HALTED, refusal="no"))
    assert file.path.exists()
    file.answer("a", Answer(state=TradingState.RUNNING))
    assert not file.path.exists()


def test_a_resume_of_all_accounts_stays_for_the_other_daemons(tmp_path: Path) -> None:
    first, second = KillFile(tmp_path), KillFile(tmp_path)
    assert first.poll() is second.poll() is None
    first.ask(TradingState.RUNNING, "checked", "a")
    assert first.poll() is not None
    first.answer("a", Answer(state=TradingState.RUNNING))
    found = second.poll()
    assert found is not None
    assert found[0].state is TradingState.RUNNING


def test_a_writing_nobody_has_taken_in_is_told_apart(file: KillFile) -> None:
    assert file.unseen(None) is None
    file.ask(TradingState.HALTED, "lunch", "")
    command = file.unseen(None)
    assert command is not None
    assert (command.state, command.reason) == (TradingState.HALTED, "lunch")
    file.poll()
    assert file.unseen(file.seen) is None
    file.ask(TradingState.HALTED, "again", "")
    assert file.unseen(file.seen) is not None


def test_an_account_has_a_name_that_does_not_show_its_number() -> None:
    tag = account_tag("12345678-01")
    assert len(tag) == 8
    assert tag not in (account_tag("12345678-02"), "12345678")


def test_a_resume_from_before_the_daemon_resumes_nothing_and_a_halt_still_halts(
    tmp_path: Path,
) -> None:
    KillFile(tmp_path).ask(TradingState.RUNNING, "checked", "a")
    assert KillFile(tmp_path).poll() is None
    assert not (tmp_path / "KILL").exists()
    KillFile(tmp_path).ask(TradingState.HALTED, "lunch", "b")
    found = KillFile(tmp_path).poll()
    assert found is not None
    assert found[0].state is TradingState.HALTED


def test_half_an_answer_is_none(file: KillFile) -> None:
    file.path.with_name("KILL.answer").write_text('{"request": "a"')
    assert file.answered("a") is None
