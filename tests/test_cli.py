"""The command lines: flags, refusals, exit codes. The daemon itself is a stand-in here."""

import asyncio
import gc
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import auto_trading_launcher
import check_accounts
import us_trading_launcher
from daemon import accounts_command, cli, log, monitoring
from daemon.config import Settings
from daemon.control import Operators
from daemon.core.errors import AlreadyRunning, NeedsOperator
from daemon.core.events import Actor, TradingState
from daemon.core.switch import Command
from daemon.core.values import Region
from tests.test_account_check import FakeSession
from tests.test_log import restored

ROOT = Path(__file__).parents[1]
KEY = "PSabcdefghijklmnopqrstuvwxyz01234567"


class StandIn:
    """In the place of `App`: keeps what it was given and ends as told."""

    made: list["StandIn"]
    ending: BaseException | int

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.settings = settings
        self.options = options
        self.aborted = asyncio.Event()
        self.commands: list[Command] = []
        self.commanded = asyncio.Event()
        StandIn.made.append(self)

    def abort(self) -> None:
        self.aborted.set()

    def execute(self, command: Command) -> None:
        self.commands.append(command)
        self.commanded.set()

    async def run(self, stop: asyncio.Event) -> int:
        if StandIn.ending == 98:
            for number in (signal.SIGUSR1, signal.SIGUSR2):
                self.commanded.clear()
                os.kill(os.getpid(), number)
                await self.commanded.wait()
            return 0
        if StandIn.ending == 97:
            os.kill(os.getpid(), signal.SIGHUP)
            asked = self.options["presence"]._reloader._asked
            waits = [asyncio.ensure_future(each.wait()) for each in (asked, stop)]  # noqa: TID251
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()
            return 10 if asked.is_set() else 20
        if isinstance(StandIn.ending, BaseException):
            raise StandIn.ending
        if StandIn.ending == 99:
            os.kill(os.getpid(), signal.SIGTERM)
            await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await self.aborted.wait()
            return 0
        return StandIn.ending


HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    StandIn.made, StandIn.ending = [], 0
    monkeypatch.setattr(cli, "App", StandIn)
    monkeypatch.chdir(ROOT)
    for name in list(os.environ):
        if name.startswith("KIS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    # A closed uvloop keeps its handlers: only the end of the process takes them away.
    handlers = {each: signal.getsignal(each) for each in HANDLED}
    with restored():
        yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_the_flags_become_settings(tmp_path: Path) -> None:
    flags = (
        "--mode sim --for 5m --seed 7 --sim-start 2026-11-03 --sim-speed 2 --strategies breakout "
        "--markets kr --log-level debug --log-format json --accept-broker-books --on-stop leave "
        f"--report {tmp_path}/r.json --data-dir {tmp_path}"
    )
    assert auto_trading_launcher.main(flags.split()) == 0
    (app,) = StandIn.made
    settings = app.settings
    assert (settings.sim.seed, settings.sim.speed, settings.on_stop) == (7, 2.0, "leave")
    assert settings.sim.start == datetime(2026, 11, 3, tzinfo=UTC)
    assert [each.id for each in settings.strategies] == ["breakout"]
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert settings.data_dir == tmp_path
    app.options.pop("settled")
    assert app.options.pop("monitor") is monitoring.watch
    assert isinstance(app.options.pop("operators"), Operators)
    app.options.pop("presence")
    assert app.options == {
        "report": tmp_path / "r.json",
        "duration": 300.0,
        "until_close": False,
        "accept_broker_books": True,
        "console": False,
    }


def test_a_run_may_end_with_the_day() -> None:
    assert auto_trading_launcher.main(["--until", "close"]) == 0
    (app,) = StandIn.made
    assert (app.options["until_close"], app.options["duration"]) == (True, None)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stdin", "code"), [(io.StringIO(), 10), (Terminal(), 20), (None, 10)])
def test_a_hangup_reloads_and_stops_what_runs_on_a_terminal(
    stdin: io.StringIO | None, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    StandIn.ending = 97
    monkeypatch.setattr(sys, "stdin", stdin)
    assert auto_trading_launcher.main(["--mode", "sim"]) == code


def test_what_the_start_made_is_spared_by_later_collections() -> None:
    assert auto_trading_launcher.main(["--mode", "sim"]) == 0
    (app,) = StandIn.made
    before = gc.get_freeze_count()
    try:
        app.options["settled"]()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_a_settings_file_may_be_added(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("sim: {seed: 11}")
    assert auto_trading_launcher.main(["--config", str(tmp_path / "mine.yaml")]) == 0
    assert StandIn.made[0].settings.sim.seed == 11


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("2", 2), ("0.5m", 30)]
)
def test_durations(text: str, seconds: float) -> None:
    assert cli.duration(text) == seconds


@pytest.mark.parametrize(
    "flags",
    ["--for soon", "--for 0s", "--mode paper", "--sim-start lately", "--mod sim", "--markets JP"],
)
def test_a_wrong_command_line_is_usage(flags: str) -> None:
    assert auto_trading_launcher.main(flags.split()) == cli.EXIT_USAGE
    assert StandIn.made == []


def test_help_speaks_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    for main in (auto_trading_launcher.main, us_trading_launcher.main, check_accounts.main):
        assert main(["--help"]) == 0
        text = capsys.readouterr().out
        assert "종료 코드 / exit codes" in text
        assert "which world" in text


def test_either_launcher_trades_the_markets_it_is_told() -> None:
    assert us_trading_launcher.main([]) == 0
    assert us_trading_launcher.main(["--markets", "us,kr", "--sim-start", "2026-11-03"]) == 0
    assert auto_trading_launcher.main(["--markets", "KR,US"]) == 0
    assert auto_trading_launcher.main([]) == 0
    chosen = [app.settings for app in StandIn.made]
    assert [each.markets for each in chosen] == [
        (Region.US,),
        (Region.US, Region.KR),
        (Region.KR, Region.US),
        (Region.KR,),
    ]
    american, told, *_ = (each.sim.start for each in chosen)
    assert american == datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
    assert told == datetime(2026, 11, 3, 14, 30, tzinfo=UTC)
    assert [each.left_out for each in chosen] == [
        ("ma-cross", "breakout"),
        (),
        (),
        ("us-ma-cross",),
    ]


def test_a_report_that_cannot_be_written_is_refused_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (str(tmp_path), "/proc/foo/report.json", f"{ROOT}/README.md/x.json", "/dev/null"):
        assert auto_trading_launcher.main(["--report", place]) == cli.EXIT_NEEDS_OPERATOR
        error = capsys.readouterr().err
        assert f"--report {place}" in error
        assert len(error.splitlines()) == 1
    assert StandIn.made == []
    assert auto_trading_launcher.main(["--report", f"{tmp_path}/new/report.json"]) == 0
    assert list((tmp_path / "new").iterdir()) == []


def test_what_is_odd_is_told_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KIS_APPKEY", "PSxxxxxxxx")
    assert auto_trading_launcher.main(["--mode", "virtual"]) == cli.EXIT_NEEDS_OPERATOR
    assert "did you mean 'KIS_APP_KEY'" in capsys.readouterr().err


def test_real_money_needs_everything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KIS_APP_KEY", KEY)
    assert auto_trading_launcher.main(["--mode", "real"]) == cli.EXIT_NEEDS_OPERATOR
    error = capsys.readouterr().err
    for words in ("시크릿", "계좌번호", "HTS ID", "위험 한도", "허가"):
        assert words in error
    assert "앱키가 없습니다" not in error
    assert KEY not in error
    assert StandIn.made == []


def test_virtual_money_needs_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert auto_trading_launcher.main(["--mode", "virtual"]) == cli.EXIT_NEEDS_OPERATOR
    assert capsys.readouterr().err.count("  - ") == 4
    assert check_accounts.main(["--mode", "virtual"]) == cli.EXIT_NEEDS_OPERATOR
    assert capsys.readouterr().err.count("  - ") == 3


def test_wrong_settings_are_told_and_nothing_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert auto_trading_launcher.main(["--strategies", "none"]) == cli.EXIT_NEEDS_OPERATOR
    assert check_accounts.main(["--config", "nowhere.yaml"]) == cli.EXIT_NEEDS_OPERATOR
    error = capsys.readouterr().err
    assert "설정을 고쳐야 합니다" in error
    assert "nowhere.yaml" in error


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (0, cli.EXIT_OK),
        (3, 3),
        (99, cli.EXIT_OK),
        (NeedsOperator("call the broker"), cli.EXIT_NEEDS_OPERATOR),
        (AlreadyRunning("pid 7"), cli.EXIT_ALREADY_RUNNING),
        (ExceptionGroup("tasks", [NeedsOperator("inner")]), cli.EXIT_NEEDS_OPERATOR),
        (PermissionError(13, "Permission denied", "/data"), cli.EXIT_NEEDS_OPERATOR),
        (OSError("of no file"), cli.EXIT_CRASH),
        (RuntimeError("bug"), cli.EXIT_CRASH),
        (ExceptionGroup("tasks", [KeyError("a"), KeyError("b")]), cli.EXIT_CRASH),
    ],
)
def test_every_ending_has_its_exit_code(ending: BaseException | int, code: int) -> None:
    StandIn.ending = ending
    assert auto_trading_launcher.main(["--log-level", "critical"]) == code


def test_a_collector_that_cannot_be_spoken_to_stops_no_trading(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KIS_LOG_OTLP_ENDPOINT", "http://127.0.0.1:4318/v1/logs")
    monkeypatch.delitem(sys.modules, "daemon.logs.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry._logs", None)
    StandIn.ending = cli.EXIT_OK
    assert auto_trading_launcher.main([]) == cli.EXIT_OK
    assert capsys.readouterr().out.count("log_outlet_missing") >= 1
    assert len(StandIn.made) == 1


def test_a_collector_without_an_address_is_a_persons_to_mend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KIS_LOG_OTLP_ENDPOINT", "collector:4318")
    assert auto_trading_launcher.main([]) == cli.EXIT_NEEDS_OPERATOR
    assert "log.otlp_endpoint" in capsys.readouterr().err
    assert StandIn.made == []


def test_a_signal_moves_the_kill_switch() -> None:
    StandIn.ending = 98
    assert auto_trading_launcher.main(["--log-level", "critical"]) == cli.EXIT_OK
    moves = [(each.state, each.who) for each in StandIn.made[-1].commands]
    assert moves == [
        (TradingState.HALTED, Actor.SIGNAL),
        (TradingState.FLATTENING, Actor.SIGNAL),
    ]


def test_words_on_the_way_out_hold_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "SIMULATED-APP-KEY-NOT-A-REAL-SECRET-"
    StandIn.ending = NeedsOperator(f"refused {secret}")
    assert auto_trading_launcher.main([]) == cli.EXIT_NEEDS_OPERATOR
    StandIn.ending = RuntimeError(f"broken {secret}")
    assert auto_trading_launcher.main([]) == cli.EXIT_CRASH
    out, error = capsys.readouterr()
    assert secret not in out + error
    assert "refused ***" in error
    assert "broken ***" in out


def test_a_closed_standard_error_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    assert us_trading_launcher.main(["--markets", "JP"]) == cli.EXIT_USAGE


@pytest.mark.parametrize("as_json", [True, False])
def test_the_account_is_shown(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @asynccontextmanager
    async def opened(settings: Settings, *, trading: bool) -> AsyncIterator[FakeSession]:
        assert not trading
        yield FakeSession()

    monkeypatch.setattr(accounts_command, "open_session", opened)
    assert check_accounts.main(["--json"] if as_json else []) == cli.EXIT_OK
    out = capsys.readouterr().out
    if as_json:
        (account,) = json.loads(out)["accounts"]
        assert account["cash"] == {"KRW": "1234567", "USD": "1234.5"}
    else:
        assert "1,234,567 KRW" in out


def test_an_account_that_cannot_be_asked_is_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def opened(settings: Settings, *, trading: bool) -> AsyncIterator[FakeSession]:
        if not trading:
            raise NeedsOperator("no simulator")
        yield FakeSession()

    monkeypatch.setattr(accounts_command, "open_session", opened)
    assert check_accounts.main([]) == cli.EXIT_NEEDS_OPERATOR


@pytest.mark.e2e
@pytest.mark.parametrize("launcher", ["auto_trading_launcher", "us_trading_launcher"])
def test_the_launchers_start_as_programs(launcher: str) -> None:
    done = subprocess.run(
        [sys.executable, f"{launcher}.py", "--markets", "JP"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == cli.EXIT_USAGE
    assert "only KR and US" in done.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("data_dir", ["/proc/foo", "/etc/passwd"])
def test_a_data_folder_that_cannot_be_is_one_clear_message_in_any_letters(data_dir: str) -> None:
    done = subprocess.run(
        [sys.executable, "auto_trading_launcher.py", "--data-dir", data_dir],
        cwd=ROOT,
        env={"PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == cli.EXIT_NEEDS_OPERATOR
    assert data_dir in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.e2e
def test_the_help_needs_no_korean_letters() -> None:
    for launcher in ("auto_trading_launcher", "us_trading_launcher", "check_accounts"):
        done = subprocess.run(
            [sys.executable, f"{launcher}.py", "--help"],
            cwd=ROOT,
            env={"PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0
        assert b"which world" in done.stdout


def test_redacted_words_use_the_secrets_of_the_log() -> None:
    log.configure(secrets=["very-secret-value"])
    assert log.redacted("a very-secret-value b") == "a *** b"
