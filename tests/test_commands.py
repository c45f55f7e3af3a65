"""The operator's commands, answered by a daemon that watches the file as the real one does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon import commands
from daemon.core.events import TradingState
from daemon.core.switch import Answer, answer
from daemon.store.killfile import KillFile, account_tag


@contextmanager
def watching(folder: Path, state: TradingState) -> Iterator[list[Answer]]:
    """A daemon in this state that obeys the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file, told, over = KillFile(folder), [Answer(state=state)], threading.Event()
    file.poll()

    def watch() -> None:
        while not over.wait(0.02):
            found = file.poll()
            if found is not None:
                told.append(answer(told[-1].state, found[0]))
                file.answer(found[1], told[-1])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield told
    finally:
        over.set()
        thread.join()


def run(folder: Path, *words: str) -> int:
    flags = ("--mode", "sim", "--data-dir", str(folder), "--wait", "5", "--reason", "by hand")
    return commands.main([*words, *flags])


@pytest.mark.parametrize(("word", "state"), commands.STATES.items())
def test_each_command_moves_the_switch_and_says_where_it_is(
    word: str, state: TradingState, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching(tmp_path / "sim", TradingState.RUNNING) as told:
        assert run(tmp_path, word) == commands.EXIT_OK
    assert told[-1].state is state
    assert f"now: {state}" in capsys.readouterr().err


def test_a_refusal_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with watching(tmp_path / "sim", TradingState.HALTED):
        assert run(tmp_path, "reduce-only") == commands.EXIT_REFUSED
    assert "resume first" in capsys.readouterr().err


def test_without_a_daemon_a_halt_waits_in_its_file_and_a_resume_does_not(tmp_path: Path) -> None:
    (tmp_path / "sim").mkdir()
    quick = ("--mode", "sim", "--data-dir", str(tmp_path), "--wait", "0.1", "--reason", "x")
    assert commands.main(["resume", *quick]) == commands.EXIT_NO_ANSWER
    assert not (tmp_path / "sim" / "KILL").exists()
    assert commands.main(["halt", *quick]) == commands.EXIT_NO_ANSWER
    assert (tmp_path / "sim" / "KILL").read_text().startswith("HALTED\nx\n")


@pytest.mark.parametrize("given", ["12345678-01", "1234567801", account_tag("12345678-01")])
def test_one_account_is_told_by_its_number_or_its_tag(given: str, tmp_path: Path) -> None:
    (tmp_path / "sim").mkdir()
    quick = ("--mode", "sim", "--data-dir", str(tmp_path), "--wait", "0.1", "--reason", "x")
    assert commands.main(["halt", *quick, "--account", given]) == commands.EXIT_NO_ANSWER
    [written] = (tmp_path / "sim").iterdir()
    assert written.name == f"KILL-{account_tag('12345678-01')}"


def test_a_wrong_folder_or_command_line_is_told(tmp_path: Path) -> None:
    assert run(tmp_path / "nowhere", "halt") == commands.EXIT_USAGE
    assert commands.main(["halt"]) == commands.EXIT_USAGE
    assert commands.main(["explode", "--reason", "x"]) == commands.EXIT_USAGE
    assert commands.main(["--help"]) == 0


def test_the_data_folder_is_found_as_the_daemon_finds_it() -> None:
    environ = {"KIS_DATA_DIR": "/kis", "STATE_DIRECTORY": "/state:/other"}
    assert commands.data_dir("here", environ) == Path("here")
    assert commands.data_dir(None, environ) == Path("/kis")
    del environ["KIS_DATA_DIR"]
    assert commands.data_dir(None, environ) == Path("/state")
    assert commands.data_dir(None, {}) == Path("var")
