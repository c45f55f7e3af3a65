"""The operator's commands, answered by a daemon that watches the file as the real one does."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from daemon import commands
from daemon.core.events import TradingState
from daemon.core.switch import Answer, answer
from daemon.ops.client import socket_path
from daemon.ops.control import ControlError
from daemon.ops.doors import Door, TcpDoor, UnixDoor
from daemon.store.killfile import KillFile, account_tag
from tests.ops.rig import TOKEN, Behind, free_port, serving
from tests.ops.test_client import saying


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


@contextmanager
def serving_in_a_thread(*doors: Door) -> Iterator[Behind]:
    """The control API on a loop of its own."""
    behind: list[Behind] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(doors) as (_, found):
            behind.append(found)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield behind[0]
    finally:
        over.set()
        thread.join()


def door(folder: Path, tag: str = "aaaaaaaa") -> UnixDoor:
    return UnixDoor(path=socket_path(folder / "sim", tag))


def test_the_socket_comes_before_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving_in_a_thread(door(tmp_path)) as behind:
        assert run(tmp_path, "halt") == commands.EXIT_OK
        assert "now: halt done" in capsys.readouterr().out
        assert run(tmp_path, "resume") == commands.EXIT_REFUSED
        assert "REFUSED [state]: not by a machine" in capsys.readouterr().err
        assert run(tmp_path, "halt", "--json", "--request", "mine") == commands.EXIT_OK
        told = orjson.loads(capsys.readouterr().out)
        assert (told["ok"], told["request"], told["message"]) == (True, "mine", "halt done")
        assert run(tmp_path, "resume", "--json") == commands.EXIT_REFUSED
        told = orjson.loads(capsys.readouterr().out)
        assert (told["ok"], told["error"]["code"]) == (False, "REFUSED")
    assert not (tmp_path / "sim" / "KILL").exists()
    assert [act.reason for act, _ in behind.asked] == ["by hand"] * 4
    assert run_without_reason(tmp_path, "status") == commands.EXIT_NO_ANSWER
    assert "no daemon answers" in capsys.readouterr().err


def run_without_reason(folder: Path, *words: str) -> int:
    flags = ("--mode", "sim", "--data-dir", str(folder), "--wait", "5")
    return commands.main([*words, *flags])


def test_an_act_is_worded_as_it_was_typed(tmp_path: Path) -> None:
    with serving_in_a_thread(door(tmp_path)) as behind:
        submit = "submit --symbol nasdaq:AAPL --side sell --quantity 2 --price 1,234.50"
        assert run(tmp_path, *submit.split()) == commands.EXIT_OK
        assert run(tmp_path, "cancel", "7", "20261102-0001") == commands.EXIT_OK
        assert run(tmp_path, "cancel", "all") == commands.EXIT_OK
        stop = "strategies stop ma-cross --orders leave"
        assert run(tmp_path, *stop.split()) == commands.EXIT_OK
        assert run(tmp_path, "discrepancies", "accept", "cash KRW") == commands.EXIT_OK
    said = [(act.name, act.subject) for act, _ in behind.asked]
    assert said == [
        ("submit", "sell 2 nasdaq:AAPL at 1234.50"),
        ("cancel", "7 20261102-0001"),
        ("cancel", "all"),
        ("strategies stop", "ma-cross"),
        ("discrepancies accept", "cash KRW"),
    ]


def test_several_daemons_are_all_halted_and_one_is_named_for_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = door(tmp_path), door(tmp_path, "bbbbbbbb")
    with serving_in_a_thread(one, two) as behind:
        assert run(tmp_path, "halt") == commands.EXIT_OK
        assert len(behind.asked) == 2
        assert run(tmp_path, "cancel", "all") == commands.EXIT_USAGE
        assert "--account TAG (aaaaaaaa, bbbbbbbb)" in capsys.readouterr().err
        assert run(tmp_path, "cancel", "all", "--account", "bbbbbbbb") == commands.EXIT_OK
        assert len(behind.asked) == 3


def test_a_halt_whose_answer_is_lost_is_left_in_the_file_as_well(tmp_path: Path) -> None:
    quick = ("--mode", "sim", "--data-dir", str(tmp_path), "--wait", "0.2", "--reason", "x")
    with serving_in_a_thread(door(tmp_path)) as behind:
        behind.free.clear()
        assert commands.main(["halt", *quick]) == commands.EXIT_NO_ANSWER
        assert (tmp_path / "sim" / "KILL").read_text().startswith("HALTED\nx\n")
        (tmp_path / "sim" / "KILL").unlink()
        assert commands.main(["resume", *quick]) == commands.EXIT_NO_ANSWER
        assert not (tmp_path / "sim" / "KILL").exists()


UNKNOWN = [(500, "FATAL"), (500, "BUG"), (504, "NOT_DONE_YET"), (409, "OUTCOME_UNKNOWN")]
BUY = "submit --symbol krx:005930 --side buy --quantity 1 --price 71000 --request mine"


@pytest.mark.parametrize(("status", "code"), UNKNOWN)
@pytest.mark.parametrize("words", [BUY, "cancel 7 --request mine"])
def test_an_answer_that_leaves_the_outcome_open_is_no_refusal(
    words: str, status: int, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving_in_a_thread(door(tmp_path)) as behind:
        behind.raising = ControlError(code, "the disk is full", fix="look around", status=status)
        assert run(tmp_path, *words.split()) == commands.EXIT_NO_ANSWER
        said = capsys.readouterr().err
        assert run(tmp_path, *words.split(), "--json") == commands.EXIT_NO_ANSWER
        told = orjson.loads(capsys.readouterr().out)
    assert (told["ok"], told["error"]["code"]) == (False, code)
    assert "refused" not in said
    assert "거절" not in said
    for part in (
        *("결과를 모릅니다", "outcome is not known", f"{code}: the disk is full", "look around"),
        *("다시 시키지 말고", "do not ask for it again", "orders --day", "orders show ID"),
        "--request mine",
    ):
        assert part in said


@pytest.mark.parametrize("state", ["sent", "in_doubt"])
def test_an_order_whose_outcome_is_not_known_is_told_as_one(
    state: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving_in_a_thread(door(tmp_path)) as behind:
        behind.result = {"order": {"id": "20261102-0001", "state": state}}
        assert run(tmp_path, *BUY.split()) == commands.EXIT_NO_ANSWER
        said = capsys.readouterr().err
        for part in ("outcome is not known", f"20261102-0001 is {state}", "--request mine"):
            assert part in said
        behind.result["order"]["state"] = "working"
        assert run(tmp_path, *BUY.split()) == commands.EXIT_OK


def test_a_lost_answer_leaves_the_outcome_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("--mode", "sim", "--data-dir", str(tmp_path), "--wait", "0.2", "--reason", "x")
    with serving_in_a_thread(door(tmp_path)) as behind:
        behind.free.clear()
        assert commands.main([*BUY.split(), *quick]) == commands.EXIT_NO_ANSWER
    said = capsys.readouterr().err
    assert "outcome is not known" in said
    assert "--request mine" in said


def test_a_halt_of_unknown_outcome_is_left_in_the_file_and_a_resume_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("--mode", "sim", "--data-dir", str(tmp_path), "--wait", "0.1", "--reason", "x")
    with serving_in_a_thread(door(tmp_path)) as behind:
        behind.raising = ControlError("BUG", "broke", status=500)
        assert commands.main(["resume", *quick]) == commands.EXIT_NO_ANSWER
        assert not (tmp_path / "sim" / "KILL").exists()
        assert "outcome is not known" in capsys.readouterr().err
        assert commands.main(["halt", *quick]) == commands.EXIT_NO_ANSWER
        assert (tmp_path / "sim" / "KILL").read_text().startswith("HALTED\nx\n")


def test_a_view_told_nonsense(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = socket_path(tmp_path / "sim", "aaaaaaaa")
    path.parent.mkdir(parents=True)
    with saying(path, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"):
        assert run_without_reason(tmp_path, "status") == commands.EXIT_NO_ANSWER
    said = capsys.readouterr().err
    assert "no daemon answers" in said
    assert "outcome" not in said


def test_a_view_that_broke_and_a_busy_daemon_did_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving_in_a_thread(door(tmp_path)) as behind:
        assert run_without_reason(tmp_path, "token") == commands.EXIT_REFUSED
        assert "refused: BUG" in capsys.readouterr().err
        behind.raising = ControlError("BUSY", "32 acts are under way", status=503)
        assert run(tmp_path, "cancel", "7") == commands.EXIT_REFUSED
        assert "refused: BUSY" in capsys.readouterr().err


def test_a_port_is_spoken_to_with_the_token_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    url = ("--url", f"http://127.0.0.1:{port}")
    with serving_in_a_thread(TcpDoor(address="127.0.0.1", port=port, token=TOKEN)):
        good = (*url, "--token-file", str(token))
        assert run_without_reason(tmp_path, "halt", "--reason", "x", *good) == commands.EXIT_OK
        assert run_without_reason(tmp_path, "halt", "--reason", "x", *url) == commands.EXIT_REFUSED
        assert "BAD_TOKEN" in capsys.readouterr().err
        gone = (*url, "--token-file", str(tmp_path / "none"))
        assert run_without_reason(tmp_path, "status", *gone) == commands.EXIT_USAGE


@pytest.mark.parametrize(
    "words",
    [
        "strategies stop ma-cross",
        "strategies stop --reason x",
        "discrepancies accept",
        "submit --symbol 005930 --side buy --quantity 1 --reason x",
        "submit --symbol 005930 --side buy --quantity 1 --price cheap --reason x",
        "cancel --reason x",
        "orders --open --day",
        "completion fish",
    ],
)
def test_what_is_missing_is_a_wrong_command_line(tmp_path: Path, words: str) -> None:
    flags = () if words.startswith("completion") else ("--mode", "sim")
    assert commands.main([*words.split(), *flags]) == commands.EXIT_USAGE


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_are_told_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["completion", shell]) == commands.EXIT_OK
    script = capsys.readouterr().out
    assert all(word in script for word in commands.COMMANDS)
    assert "kis-daemon" in script
