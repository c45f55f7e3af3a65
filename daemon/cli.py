"""The launchers' command lines: what was typed becomes settings, a run, and an exit code."""

import argparse
import asyncio
import contextlib
import gc
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TypeVar

import structlog

from daemon import log, monitoring
from daemon.app import App
from daemon.config import Mode, Settings, load_settings, missing_credentials, missing_for_real
from daemon.control import Operators
from daemon.core.calendar import KST, MarketCalendar
from daemon.core.errors import AlreadyRunning, BrokerUnavailable, NeedsOperator
from daemon.core.events import Actor, TradingState
from daemon.core.steps import STEPPED_REGIONS
from daemon.core.switch import Command
from daemon.core.values import Region
from daemon.faults import SettingsError
from daemon.logs.files import Retention
from daemon.presence import Presence
from daemon.wiring import Session, open_session

T = TypeVar("T")

EXIT_OK = 0
EXIT_CRASH = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69
EXIT_ALREADY_RUNNING = 75
EXIT_NEEDS_OPERATOR = 78

EXIT_CODES = """\
종료 코드 / exit codes:
  0   정상 종료 / ended as asked
  1   프로그램 오류 / crashed
  2   잘못된 명령행, 또는 없는 기능 / wrong command line, or not part of this version
  69  증권사가 응답하지 않음, 나중에 다시 시작 / the broker does not answer, start again later
  75  같은 키로 이미 실행 중 / another instance is running on this key
  78  설정이나 사람의 조치가 필요함 / settings or a person's action needed
"""

US_SIM_START = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
"""09:30 in New York on the day the simulator of a new data folder begins at, otherwise in Seoul."""

KILL_SIGNALS = {"SIGUSR1": TradingState.HALTED, "SIGUSR2": TradingState.FLATTENING}
"""What a signal moves the kill switch to."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def duration(text: str) -> float:
    """Seconds of `90s`, `5m`, `1h` or a bare number."""
    match = _DURATION.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90s, 5m or 1h")
    return seconds


def simulated_start(text: str, home: Region = Region.KR) -> datetime:
    """An instant; without a zone it is Korean time, a bare date means its open at home."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-11-02 or 2026-11-02T09:00"
        ) from None
    if len(text) == len("2026-11-02"):
        return MarketCalendar(region=home).open_at(at.date())
    return at if at.tzinfo else at.replace(tzinfo=KST)


TRADES = """\
KIS 자동매매를 시작합니다. 기본은 내장 시뮬레이터입니다. 데이터 폴더는 다음 거래일로 이어집니다.
Starts automated trading through KIS, by default on the built-in simulator. A data folder goes
on with its next trading day, whatever --sim-start says: use another --data-dir for a fresh one.
"""


TRADES_US = """\
KIS로 미국 주식을 자동매매합니다 (--markets US). 나머지는 auto_trading_launcher.py 와 같습니다.
Trades US stocks through KIS (--markets US); the rest is as with auto_trading_launcher.py.
One daemon of a key at a time: to trade both countries, give either launcher --markets KR,US.
"""


def trading_parser(
    program: str, description: str = TRADES, home: Region = Region.KR
) -> argparse.ArgumentParser:
    """The flags of the trading launchers; `home` is where a bare date of a start opens."""
    parser = base_parser(program, description)
    add = parser.add_argument
    add(
        "--for",
        dest="duration",
        type=duration,
        metavar="90s|5m|1h",
        help="이 시간 뒤 정상 종료 / stop cleanly after this long",
    )
    add(
        "--until",
        choices=["close"],
        help="매매하는 모든 시장이 마감하고 보고된 뒤 (15분) 정상 종료 / "
        "stop cleanly once the next close of every market traded is reported, 15 minutes after",
    )
    add(
        "--strategies",
        type=_names,
        metavar="A,B",
        help="실행할 전략 id 또는 module:Class / ids, or module:Class, to run",
    )
    add(
        "--markets",
        type=_names,
        metavar="KR,US",
        help="매매할 시장, 기본은 설정값 / countries to trade in, by default the settings'",
    )
    add("--seed", type=int, help="시뮬레이터 씨앗 / the simulator's seed")
    add(
        "--sim-start",
        type=partial(simulated_start, home=home),
        metavar="2026-11-02T09:00",
        help="모의 시각의 시작, 새 데이터 폴더에서만 / where simulated time begins "
        "in a new data folder",
    )
    add(
        "--sim-speed",
        type=float,
        metavar="60",
        help="실제 1초당 모의 초 (0.1 … 300) / simulated seconds a second",
    )
    add(
        "--report",
        type=Path,
        metavar="FILE.json",
        help="끝날 때 결과를 쓸 파일, 없는 폴더는 만듦 / where to write the run's report; "
        "missing folders are made",
    )
    add(
        "--on-stop",
        choices=["cancel", "leave"],
        help="끝날 때 남은 주문 / what happens to open orders at the end",
    )
    add(
        "--accept-broker-books",
        action="store_true",
        help="장부가 다를 때 증권사 쪽을 받아들임 / adopt the broker's books after a discrepancy",
    )
    add(
        "--log-level",
        choices=["debug", "info", "warning", "error", "critical"],
        help="로그 수준 / how much to log",
    )
    add("--log-format", choices=["auto", "json", "console"], help="로그 형식 / form of the log")
    return parser


def base_parser(program: str, description: str) -> argparse.ArgumentParser:
    """The flags that every command has: the mode, the data folder, a settings file."""
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in Mode],
        default="sim",
        help="sim 시뮬레이터, virtual 모의투자, real 실전 / which world (default: sim)",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="데이터 폴더 / where data is kept")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="추가 설정 파일 / a settings file on top of config/<mode>.yaml",
    )
    return parser


def trade(argv: Sequence[str] | None = None, *, program: str = "auto_trading_launcher.py") -> int:
    """Run the trading daemon; returns the exit code."""
    arguments = parsed(trading_parser(program), argv)
    return arguments if isinstance(arguments, int) else _trade(arguments)


def _trade(arguments: argparse.Namespace) -> int:
    unknown = {market.upper() for market in arguments.markets or ()} - set(STEPPED_REGIONS)
    if unknown or arguments.markets == []:
        wrong = ",".join(sorted(unknown))
        return say(f"--markets {wrong}: KR, US 만 됩니다 / only KR and US", EXIT_USAGE)
    overrides: dict[str, object] = {
        "markets": arguments.markets,
        "data_dir": arguments.data_dir,
        "config": arguments.config,
        "strategies": arguments.strategies,
        "on_stop": arguments.on_stop,
        "sim.seed": arguments.seed,
        "sim.start": arguments.sim_start,
        "sim.speed": arguments.sim_speed,
        "log.level": arguments.log_level,
        "log.format": arguments.log_format,
    }
    settings = _settings(arguments.mode, overrides)
    if isinstance(settings, int):
        return settings
    real = settings.mode is Mode.REAL
    missing = missing_for_real(settings) if real else missing_credentials(settings)
    if missing:
        return say_missing(settings, missing)
    unwritable = _report_problem(arguments.report)
    if unwritable:
        return say(unwritable, EXIT_NEEDS_OPERATOR)
    reread = partial(
        load_settings, arguments.mode, overrides, environ=dict(os.environ), root=Path.cwd()
    )
    form = log_as_settings_say(settings)
    _log_warnings(settings)

    def run() -> int:
        operators = Operators(settings, reread)
        presence = Presence(settings, reread=reread, follow=operators.follow)
        app = App(
            settings,
            report=arguments.report,
            duration=arguments.duration,
            until_close=arguments.until == "close",
            accept_broker_books=arguments.accept_broker_books,
            console=form == "console",
            settled=_spare_collections,
            monitor=monitoring.watch,
            operators=operators,
            presence=presence,
        )
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_until_stopped(app, presence))

    code = guarded(run)
    log.close()
    return code


def log_as_settings_say(settings: Settings) -> log.LogFormat:
    """Log to every place of the settings, files among them; returns the form on standard output."""
    told = settings.log
    return log.configure(
        level=told.level,
        format=told.format,
        secrets=settings.secrets(),
        files=settings.log_dir if told.files else None,
        retention=Retention(told.max_megabytes * 1_000_000, told.keep_files, told.keep_days),
        environment=settings.mode.value,
        otlp=told.otlp_endpoint,
    )


def trade_us(argv: Sequence[str] | None = None) -> int:
    """The US launcher: the same daemon and flags, with other beginnings; returns the exit code."""
    parser = trading_parser("us_trading_launcher.py", TRADES_US, Region.US)
    parser.set_defaults(markets=["US"], sim_start=US_SIM_START)
    arguments = parsed(parser, argv)
    return arguments if isinstance(arguments, int) else _trade(arguments)


def settings_for(arguments: argparse.Namespace, **more: object) -> Settings | int:
    """The settings that the flags of `base_parser` lead to, or the exit code once told why not.

    `more` are further settings by name.
    """
    flags: dict[str, object] = {"data_dir": arguments.data_dir, "config": arguments.config}
    return _settings(arguments.mode, {**flags, **more})


def with_session(
    arguments: argparse.Namespace,
    ask: Callable[[Settings, Session], Awaitable[T]],
    show: Callable[[T], int],
) -> int:
    """Ask through a session that does not trade, then show the answer; the exit code.

    `arguments` are those of a parser made by `base_parser`. Whatever a daemon trades, both
    countries can be asked about.
    """
    settings = settings_for(arguments, markets=list(STEPPED_REGIONS))
    if isinstance(settings, int):
        return settings
    missing = missing_credentials(settings, hts_id=False)
    if missing:
        return say_missing(settings, missing)

    async def asked() -> T:
        async with open_session(settings, trading=False) as session:
            return await ask(settings, session)

    return with_settings(settings, asked, show)


def with_settings(
    settings: Settings, asked: Callable[[], Coroutine[Any, Any, T]], show: Callable[[T], int]
) -> int:
    """Ask on a loop of its own, then show the answer; the exit code."""
    log.configure(level="warning", stream=sys.stderr, secrets=settings.secrets())
    _log_warnings(settings)

    def run() -> int:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return show(runner.run(asked()))

    return guarded(run)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace | int:
    """The flags, or the exit code when argparse has already said all there is to say."""
    _tolerate_any_letter()
    try:
        return parser.parse_args(argv)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else EXIT_USAGE


def _tolerate_any_letter() -> None:
    """Let a standard stream without Korean show escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report_problem(report: Path | None) -> str:
    """Why the report could not be written at the end, found out at the start; or nothing."""
    if report is None:
        return ""
    try:
        if report.exists() and not report.is_file():
            return f"--report {report}: 파일이 아닙니다 / is not a file"
        report.parent.mkdir(parents=True, exist_ok=True)
        unfinished = report.with_name(report.name + ".part")
        unfinished.touch()
        unfinished.unlink()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return f"--report {report}: 쓸 수 없습니다 / cannot be written: {reason}"
    return ""


def _settings(mode: str, overrides: dict[str, object]) -> Settings | int:
    root = Path.cwd()
    if str(root) not in sys.path:
        sys.path.append(str(root))  # one's own strategies live beside one's own config
    try:
        return load_settings(mode, overrides, environ=os.environ, root=root)
    except SettingsError as error:
        return say(str(error), EXIT_NEEDS_OPERATOR)


async def _until_stopped(app: App, presence: Presence) -> int:
    """Run until a signal asks to stop; a second one skips what is left of stopping."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            app.abort()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, on_signal)
    if hasattr(signal, "SIGHUP"):
        with contextlib.suppress(NotImplementedError):
            # Whoever closes the terminal it runs in means to end it.
            terminal = sys.stdin is not None and sys.stdin.isatty()
            loop.add_signal_handler(signal.SIGHUP, on_signal if terminal else presence.reload)
    for name, state in KILL_SIGNALS.items():
        # Windows has neither these signals nor handlers on the loop.
        if not hasattr(signal, name):
            continue
        command = Command(state=state, who=Actor.SIGNAL, reason=f"the signal {name}")
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(getattr(signal, name), app.execute, command)
    return await app.run(stop)


def _spare_collections() -> None:
    """Keep what the start made out of every later garbage collection.

    A full one goes through all of it, modules and books, and stops the loop for tens of
    milliseconds, to find nothing.
    """
    gc.collect()
    gc.freeze()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed, the standard one elsewhere."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def guarded(run: Callable[[], int]) -> int:
    """Turn whatever ends a run into words and an exit code."""
    try:
        return run()
    except BaseExceptionGroup as group:
        return _ended(_only(group))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last line of defence
        return _ended(error)


def _ended(error: BaseException) -> int:
    if isinstance(error, AlreadyRunning):
        return say(f"이미 실행 중입니다 / already running:\n{error}", EXIT_ALREADY_RUNNING)
    if isinstance(error, SettingsError):
        return say(str(error), EXIT_NEEDS_OPERATOR)
    if isinstance(error, BrokerUnavailable):
        return say(f"증권사가 응답하지 않습니다 / no answer:\n{error}", EXIT_UNAVAILABLE)
    if isinstance(error, NeedsOperator):
        return say(f"조치가 필요합니다 / a person must act:\n{error}", EXIT_NEEDS_OPERATOR)
    if isinstance(error, OSError) and error.filename is not None:
        problem = f"{error.filename}: {error.strerror}"
        return say(f"쓸 수 없는 곳입니다 / cannot be used:\n{problem}", EXIT_NEEDS_OPERATOR)
    structlog.get_logger("cli").error("crashed", exc_info=error)
    return EXIT_CRASH


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error a group comes down to, or the group itself."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def say_missing(settings: Settings, missing: Sequence[str]) -> int:
    """Tell what must be given before anything can begin; returns the exit code."""
    head = f"{settings.mode}: 시작할 수 없습니다 / cannot start, this is missing:"
    lines = [*(f"  - {line}" for line in missing), *(f"  ? {each}" for each in settings.warnings)]
    return say("\n".join([head, *lines]), EXIT_NEEDS_OPERATOR)


def _log_warnings(settings: Settings) -> None:
    if settings.left_out:
        structlog.get_logger("config").info(
            "strategies_left_out",
            strategies=settings.left_out,
            why=f"not of the markets {','.join(settings.markets)}",
        )
    for warning in settings.warnings:
        structlog.get_logger("config").warning("odd_setting", problem=warning)


def say(text: str, code: int) -> int:
    """Tell a person on standard error, without secrets; returns `code`."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(log.redacted(text).rstrip("\n") + "\n")
        sys.stderr.flush()
    return code
