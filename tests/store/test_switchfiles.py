"""Where an account's kill switch is, told in files: what scripts make of them."""

from pathlib import Path

import pytest

from daemon.core.events import Actor, TradingState
from daemon.core.switch import Answer, Command, answer
from daemon.store.killfile import KillFile, account_tag
from daemon.store.switchfiles import SwitchFiles

ACCOUNT, OTHER = "12345678-01", "12345678-02"
RUNNING, HALTED = TradingState.RUNNING, TradingState.HALTED
REDUCE_ONLY, FLATTENING = TradingState.REDUCE_ONLY, TradingState.FLATTENING


class Daemon:
    """One account's daemon, as far as its switch goes; its journal left it at `state`."""

    def __init__(
        self, folder: Path, account: str = ACCOUNT, *, state: TradingState = RUNNING
    ) -> None:
        self.files = SwitchFiles(folder, account)
        self.state, self.reason = state, ""
        self.look()

    def execute(self, command: Command) -> Answer:
        result = answer(self.state, command)
        if result.state is not self.state:
            self.state, self.reason = result.state, command.reason
        return result

    def look(self) -> None:
        self.files.obey(self.execute, self.state)
        self.files.tell(self.state, self.reason)


def told(folder: Path, account: str = ACCOUNT) -> TradingState:
    return SwitchFiles(folder, account).position(folder / "journal.sqlite3").state


def own(folder: Path, account: str = ACCOUNT) -> KillFile:
    return KillFile(folder, account_tag(account))


def test_without_any_daemon_ever_trading_is_running(tmp_path: Path) -> None:
    assert told(tmp_path) is RUNNING
    assert told(tmp_path / "nowhere") is RUNNING


def test_a_kill_file_halts_scripts_without_a_daemon(tmp_path: Path) -> None:
    KillFile(tmp_path).ask(REDUCE_ONLY, "a loss", "")
    assert told(tmp_path) is told(tmp_path, OTHER) is REDUCE_ONLY
    own(tmp_path).ask(HALTED, "lunch", "")
    position = SwitchFiles(tmp_path, ACCOUNT).position(tmp_path / "journal.sqlite3")
    assert position == (HALTED, "lunch")
    assert told(tmp_path, OTHER) is REDUCE_ONLY
    KillFile(tmp_path).ask(RUNNING, "no daemon carries it out", "")
    own(tmp_path).path.write_text("")
    assert told(tmp_path) is HALTED


def test_a_journal_whose_state_nobody_told_halts(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").touch()
    position = SwitchFiles(tmp_path, ACCOUNT).position(tmp_path / "journal.sqlite3")
    assert position.state is HALTED
    assert "start the daemon" in position.reason


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"state": "asleep", "reason": "", "seen": {}}']
)
def test_a_state_that_cannot_be_read_halts(tmp_path: Path, content: str) -> None:
    Daemon(tmp_path)
    SwitchFiles(tmp_path, ACCOUNT).state_path.write_text(content)
    assert told(tmp_path) is HALTED
    SwitchFiles(tmp_path, OTHER).state_path.mkdir()
    assert told(tmp_path, OTHER) is HALTED


def test_what_the_daemon_told_outlives_it(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    assert told(tmp_path) is RUNNING
    daemon.state, daemon.reason = HALTED, "a signal"
    daemon.look()
    assert told(tmp_path) is HALTED
    assert told(tmp_path, OTHER) is RUNNING


def test_a_command_counts_before_the_daemon_has_looked(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    own(tmp_path).ask(HALTED, "lunch", "")
    assert told(tmp_path) is HALTED
    daemon.look()
    own(tmp_path).ask(RUNNING, "checked", "")
    assert told(tmp_path) is HALTED
    daemon.look()
    assert told(tmp_path) is RUNNING
    assert not own(tmp_path).path.exists()


def test_the_file_of_the_mode_halts_all_its_accounts_and_each_may_resume(tmp_path: Path) -> None:
    first, second = Daemon(tmp_path), Daemon(tmp_path, OTHER)
    KillFile(tmp_path).ask(HALTED, "lunch", "")
    first.look()
    second.look()
    assert first.state is second.state is HALTED
    own(tmp_path).ask(RUNNING, "checked", "")
    first.look()
    second.look()
    assert (first.state, second.state) == (RUNNING, HALTED)
    # The writing in KILL was taken in before the resume.
    assert (told(tmp_path), told(tmp_path, OTHER)) == (RUNNING, HALTED)
    KillFile(tmp_path).ask(RUNNING, "checked", "")
    second.look()
    first.look()
    assert (told(tmp_path), told(tmp_path, OTHER)) == (RUNNING, RUNNING)


def test_a_file_that_a_resume_elsewhere_has_ended_is_not_obeyed_by_the_next_daemon(
    tmp_path: Path,
) -> None:
    daemon = Daemon(tmp_path)
    for file in (KillFile(tmp_path), own(tmp_path)):
        file.ask(HALTED, "lunch", "")
        daemon.look()
        assert daemon.state is HALTED
        assert Daemon(tmp_path).state is HALTED, "left there while nobody resumed"
        daemon.execute(Command(state=RUNNING, who=Actor.OPERATOR, reason="over the socket"))
        daemon.files.tell(daemon.state, daemon.reason)
        assert Daemon(tmp_path).state is told(tmp_path) is RUNNING
    KillFile(tmp_path).ask(HALTED, "written while no daemon ran", "")
    assert Daemon(tmp_path).state is HALTED


def test_a_new_file_is_obeyed_though_the_resume_came_before_it_was_looked_at(
    tmp_path: Path,
) -> None:
    daemon = Daemon(tmp_path)
    own(tmp_path).ask(HALTED, "lunch", "")
    daemon.files.tell(RUNNING, "resumed at that moment")
    assert Daemon(tmp_path).state is HALTED


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_without_a_readable_state_a_file_is_obeyed_again(tmp_path: Path, content: bytes) -> None:
    daemon = Daemon(tmp_path)
    own(tmp_path).ask(REDUCE_ONLY, "lunch", "")
    daemon.look()
    daemon.files.tell(RUNNING, "")
    daemon.files.state_path.write_bytes(content)
    assert Daemon(tmp_path).state is REDUCE_ONLY


def test_an_accounts_own_file_is_no_news_for_others(tmp_path: Path) -> None:
    first, second = Daemon(tmp_path), Daemon(tmp_path, OTHER)
    own(tmp_path, OTHER).ask(HALTED, "lunch", "word")
    first.look()
    second.look()
    assert (first.state, second.state) == (RUNNING, HALTED)
    found = own(tmp_path, OTHER).answered("word")
    assert found is not None
    assert found.state == "halted"


@pytest.mark.parametrize("resumes", [True, False])
def test_of_two_commands_at_once_the_stricter_stays(tmp_path: Path, resumes: bool) -> None:
    daemon = Daemon(tmp_path)
    daemon.state = HALTED
    files = (KillFile(tmp_path), own(tmp_path))
    resume, halt = files if resumes else reversed(files)
    resume.ask(RUNNING, "checked", "")
    halt.ask(HALTED, "lunch", "")
    daemon.look()
    assert daemon.state is told(tmp_path) is HALTED


@pytest.mark.parametrize("shared", [True, False])
def test_a_flattening_at_the_same_look_as_a_halt_is_carried_out(
    tmp_path: Path, shared: bool
) -> None:
    daemon = Daemon(tmp_path)
    files = (KillFile(tmp_path), own(tmp_path))
    halt, flatten = files if shared else reversed(files)
    flatten.ask(FLATTENING, "sell", "")
    halt.ask(HALTED, "lunch", "")
    assert told(tmp_path) is FLATTENING
    daemon.look()
    assert daemon.state is told(tmp_path) is FLATTENING


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("by_file", [True, False])
def test_a_restart_does_not_end_a_flattening_by_the_halt_before_it(
    tmp_path: Path, shared: bool, by_file: bool
) -> None:
    daemon = Daemon(tmp_path)
    files = (KillFile(tmp_path), own(tmp_path))
    halt, flatten = files if shared else reversed(files)
    halt.ask(HALTED, "lunch", "")
    daemon.look()
    if by_file:
        flatten.ask(FLATTENING, "sell", "")
        daemon.look()
    else:
        daemon.execute(Command(state=FLATTENING, who=Actor.SIGNAL, reason="sell"))
        daemon.look()
    again = Daemon(tmp_path, state=daemon.state)
    assert daemon.state is again.state is told(tmp_path) is FLATTENING
    halt.ask(HALTED, "enough is sold", "")
    assert Daemon(tmp_path, state=again.state).state is HALTED


def test_a_daemon_that_died_before_it_told_of_the_flattening_goes_on_with_it(
    tmp_path: Path,
) -> None:
    daemon = Daemon(tmp_path)
    own(tmp_path).ask(HALTED, "lunch", "")
    daemon.look()
    assert Daemon(tmp_path, state=FLATTENING).state is FLATTENING


@pytest.mark.parametrize("shared", [True, False])
def test_a_restart_does_not_begin_a_flattening_again_that_a_halt_has_ended(
    tmp_path: Path, shared: bool
) -> None:
    daemon = Daemon(tmp_path)
    files = (KillFile(tmp_path), own(tmp_path))
    flatten, halt = files if shared else reversed(files)
    flatten.ask(FLATTENING, "sell", "")
    daemon.look()
    halt.ask(HALTED, "enough is sold", "")
    daemon.look()
    assert Daemon(tmp_path, state=daemon.state).state is HALTED


def test_a_journal_that_lost_the_flattening_has_its_file_obeyed_again(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    own(tmp_path).ask(FLATTENING, "sell", "")
    daemon.look()
    assert Daemon(tmp_path).state is FLATTENING


def test_a_command_that_was_not_carried_out_is_obeyed_by_the_next_daemon(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    KillFile(tmp_path).ask(HALTED, "a loss", "")
    daemon.look()
    own(tmp_path).ask(RUNNING, "go on", "")
    KillFile(tmp_path).ask(REDUCE_ONLY, "not so fast", "")

    def dies_at_the_second(command: Command) -> Answer:
        if command.state is not RUNNING:
            raise OSError("no space left")
        result = daemon.execute(command)
        daemon.files.tell(daemon.state, daemon.reason)
        return result

    with pytest.raises(OSError, match="no space"):
        daemon.files.obey(dies_at_the_second, daemon.state)
    assert told(tmp_path) is REDUCE_ONLY
    assert Daemon(tmp_path).state is REDUCE_ONLY


def test_a_state_that_cannot_be_replaced_is_emptied_and_told_again(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    unfinished = daemon.files.state_path.with_name(daemon.files.state_path.name + ".part")
    unfinished.mkdir()
    daemon.state = REDUCE_ONLY
    daemon.look()
    assert told(tmp_path) is HALTED
    unfinished.rmdir()
    daemon.look()
    assert told(tmp_path) is REDUCE_ONLY
