"""The operator's command line: `python -m daemon halt|reduce-only|flatten|resume`.

Works through the kill file, so that it needs no keys, no valid settings and no open port.
"""

import argparse
import os
import secrets
import sys
import time as machine_time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from daemon.core.events import TradingState
from daemon.store.killfile import FileAnswer, KillFile, account_tag

EXIT_OK = 0
EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_NO_ANSWER = 69

STATES = {
    "halt": TradingState.HALTED,
    "reduce-only": TradingState.REDUCE_ONLY,
    "flatten": TradingState.FLATTENING,
    "resume": TradingState.RUNNING,
}
"""What each command moves the kill switch to."""

POLL = 0.1
ACCOUNT_DIGITS = 10
"""A number has ten digits, a tag eight letters and digits."""

ABOUT = """\
돌고 있는 데몬의 킬 스위치를 움직입니다. docs/risk.md
Moves the kill switch of a running daemon. See docs/risk.md

  halt         새 주문을 막고 미체결을 취소 / no new order, open orders are cancelled
  reduce-only  매도만 허용 / only sales
  flatten      모두 취소하고 모두 팔기 / cancel everything, then sell everything
  resume       다시 시작 (사람만 할 수 있음) / trade again: only a person can

종료 코드 / exit codes: 0 했음 done · 1 거절됨 refused · 2 잘못된 명령행 wrong command line
  69 데몬이 답하지 않음: 명령은 파일에 남아 있으며 데몬이 켜지면 따릅니다 (resume 은 지워짐)
     no daemon answers: the command stays in its file and is obeyed at the next start (a resume
     is taken back)
"""


def parser() -> argparse.ArgumentParser:
    """The flags of the operator's commands."""
    found = argparse.ArgumentParser(
        prog="python -m daemon",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("command", choices=sorted(STATES), help="명령 / what to do")
    found.add_argument("--reason", required=True, help="이유, 장부에 남음 / why; it is journalled")
    found.add_argument(
        "--mode",
        choices=["sim", "virtual", "real"],
        default="real",
        help="어느 데몬 / which daemon (default: real)",
    )
    found.add_argument(
        "--account",
        metavar="TAG",
        help="이 계좌만: KILL-<TAG> 의 TAG 나 계좌번호. 없으면 모드의 모든 계좌 / "
        "this account alone, by the TAG of its KILL-<TAG> or its number (all of the mode if not)",
    )
    found.add_argument("--data-dir", metavar="DIR", help="데이터 폴더 / where its data is kept")
    found.add_argument(
        "--wait",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="답을 기다릴 시간 / how long to wait for its answer",
    )
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Ask the daemon and wait for its answer; returns the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else EXIT_USAGE
    folder = data_dir(arguments.data_dir, os.environ) / arguments.mode
    return move(
        KillFile(folder, _tag(arguments.account)),
        STATES[arguments.command],
        arguments.reason,
        wait=arguments.wait,
        say=lambda text: print(text, file=sys.stderr),  # noqa: T201
    )


def _tag(account: str | None) -> str:
    """The tag of an account that is given by either; of a number with its hyphen or without."""
    if not account or not account.replace("-", "").isdigit() or len(account) < ACCOUNT_DIGITS:
        return account or ""
    digits = account.replace("-", "")
    return account_tag(f"{digits[:8]}-{digits[8:]}")


def data_dir(given: str | None, environ: Mapping[str, str]) -> Path:
    """Where the daemon keeps its data: as its own settings say, but for what is in their files."""
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given or environ.get("KIS_DATA_DIR") or state or "var")


def move(
    file: KillFile,
    state: TradingState,
    reason: str,
    *,
    wait: float,
    say: Callable[[str], None],
) -> int:
    """Write the command, wait for the answer, and say what it is."""
    if not file.path.parent.is_dir():
        say(
            f"{file.path.parent}: 데이터 폴더가 없습니다 / there is no such data folder: --data-dir"
        )
        return EXIT_USAGE
    request = secrets.token_hex(8)
    try:
        file.ask(state, reason, request)
    except OSError as error:
        say(f"{file.path}: 쓸 수 없습니다 / cannot be written: {error.strerror}")
        return EXIT_USAGE
    answer = _await(file, request, wait)
    if answer is None:
        if state is TradingState.RUNNING:
            file.clear()
        say(f"{file.path}: 데몬이 답하지 않습니다 / no daemon answers within {wait:g} s")
        return EXIT_NO_ANSWER
    if answer.refusal:
        say(f"거절 / refused: {answer.refusal}")
        return EXIT_REFUSED
    say(f"지금 / now: {answer.state}")
    return EXIT_OK


def _await(file: KillFile, request: str, wait: float) -> FileAnswer | None:
    for _ in range(max(int(wait / POLL), 1)):
        answer = file.answered(request)
        if answer is not None:
            return answer
        machine_time.sleep(POLL)
    return file.answered(request)
