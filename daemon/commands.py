"""The operator's command line: looks at a running daemon and tells it what to do.

It speaks to the daemon's socket and needs no keys and no valid settings. Where none answers, the
kill switch is moved by its file.
"""

import argparse
import os
import secrets
import sys
import time as machine_time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import orjson
import shtab
from rich.console import Console

from daemon import shown
from daemon.core.errors import OutcomeUnknown
from daemon.core.events import TradingState
from daemon.core.orders import UNANSWERED
from daemon.ops.client import (
    AnswerLost,
    ControlClient,
    NoDaemon,
    meant,
    new_request,
    socket_path,
    sockets_in,
)
from daemon.ops.control import ControlError
from daemon.ops.doors import is_answered
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
SETTLING = 70.0
"""Seconds to wait at least for the broker's books to be taken over."""

ACCOUNT_DIGITS = 10
"""A number has ten digits, a tag eight letters and digits."""

WIDTH = 120
"""Columns of a table that goes into a file or a pipe."""

COMMANDS: Mapping[str, str] = {
    "status": "어떻게 돌고 있나 / how it stands",
    "positions": "보유 종목 / what is held",
    "orders": "주문 / orders",
    "cancel": "주문 취소 / cancel orders",
    "submit": "데몬을 통해 주문 하나 / one order through the daemon",
    "halt": "새 주문을 막고 미체결을 취소 / no new order, open ones cancelled",
    "reduce-only": "매도만 허용 / only sales",
    "flatten": "모두 취소하고 모두 팔기 / cancel and sell everything",
    "resume": "다시 거래 / trade again",
    "arm": "실전 매매 허가 / let real money be traded",
    "strategies": "전략 보기, 시작, 멈춤, 다시 읽기 / list, start, stop, reload strategies",
    "subscriptions": "실시간 구독 / what the stream is asked for",
    "budget": "요청 예산 / the request budget",
    "token": "접근 토큰의 상태 / validity of the access token",
    "discrepancies": "장부 차이, 받아들이기 / differences of the books, and accepting them",
    "completion": "셸 자동 완성 / shell completion",
}
"""Every command of an operator."""

VIEWS = ("status", "positions", "orders", "subscriptions", "budget", "token")

ABOUT = """\
돌고 있는 데몬을 보고 다룹니다. docs/control.md
Looks at a running daemon, and tells it what to do. See docs/control.md

종료 코드 / exit codes: 0 했음 done · 1 거절됨 refused · 2 잘못된 명령행 wrong command line
  69 데몬이 답하지 않음: halt, reduce-only, flatten 은 파일에 남아 데몬이 켜지면 따릅니다
     (resume 은 지워짐)
     no daemon answers: halt, reduce-only and flatten stay in their file and are obeyed at the next
     start (a resume is taken back)
  69 또는 결과를 모름: 되었을 수 있으니 다시 시키지 말고 먼저 확인하세요
     or the outcome is not known: it may have been done, so look before you ask for it again
"""

UNKNOWN = """\
결과를 모릅니다, 되었을 수도 있습니다 / the outcome is not known, it may have been done: {cause}"""
LOOK_FIRST = """\
  → 다시 시키지 말고 먼저 확인하세요 / do not ask for it again, look first:
    orders --day, orders show ID, status, 증권사의 주문 목록 / the broker's list of orders
  → 같은 요청 이름으로는 두 번 되지 않습니다 / by the same request it is never done twice:
    --request {request}"""


def parser(program: str = "python -m daemon") -> argparse.ArgumentParser:
    """The commands of an operator with their flags."""
    found = argparse.ArgumentParser(
        prog=program,
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    reach = _reach()
    why, perhaps = _why(required=True), _why(required=False)

    def add(name: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=COMMANDS[name],
            description=f"{COMMANDS[name]}\n\n{ABOUT}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[reach, *parents],
            allow_abbrev=False,
        )

    for name in VIEWS:
        view = add(name)
        if name == "orders":
            scope = view.add_mutually_exclusive_group()
            for word, text in (
                ("open", "미체결만 / open ones"),
                ("day", "오늘 모두 / all of today"),
            ):
                scope.add_argument(
                    f"--{word}", dest="scope", action="store_const", const=word, help=text
                )
    for name in (*STATES, "arm"):
        add(name, why)
    cancel = add("cancel", why)
    cancel.add_argument("orders", nargs="+", metavar="ID|all", help="주문 이름 또는 번호 / ids")
    _submit_flags(add("submit", why))
    _strategy_flags(add("strategies", perhaps))
    _discrepancy_flags(add("discrepancies", perhaps))
    add("completion").add_argument("shell", choices=["bash", "zsh"])
    return found


def _reach() -> argparse.ArgumentParser:
    """How the daemon is reached, and how its answer is shown."""
    reach = argparse.ArgumentParser(add_help=False)
    reach.add_argument(
        "--mode",
        choices=["sim", "virtual", "real"],
        default="real",
        help="어느 데몬 / which daemon (default: real)",
    )
    reach.add_argument(
        "--account",
        metavar="TAG",
        help="이 계좌만: KILL-<TAG> 의 TAG 나 계좌번호. 없으면 모드의 모든 계좌 / "
        "this account alone, by the TAG of its KILL-<TAG> or its number (all of the mode if not)",
    )
    reach.add_argument("--data-dir", metavar="DIR", help="데이터 폴더 / where its data is kept")
    reach.add_argument("--json", action="store_true", help="기계용 출력 / output for machines")
    reach.add_argument(
        "--wait",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="답을 기다릴 시간 / how long to wait for its answer",
    )
    reach.add_argument("--url", help="TCP로: http://127.0.0.1:8400 / over TCP instead")
    reach.add_argument("--token-file", type=Path, metavar="FILE", help="TCP 토큰 / the TCP token")
    reach.add_argument(
        "--ca", type=Path, metavar="FILE", help="믿을 인증서 / certificates to trust"
    )
    return reach


def _why(*, required: bool) -> argparse.ArgumentParser:
    """Why something is done; not required of a command that may also only look."""
    why = argparse.ArgumentParser(add_help=False)
    why.add_argument(
        "--reason", required=required, help="이유, 장부에 남음 / why; it is journalled"
    )
    why.add_argument(
        "--request",
        metavar="ID",
        help="요청 이름: 같은 이름은 한 번만 실행 / the request's id: one id is done once",
    )
    return why


def _submit_flags(submit: argparse.ArgumentParser) -> None:
    add = submit.add_argument
    add("--symbol", required=True, help="005930, nasdaq:AAPL")
    add("--side", required=True, choices=["buy", "sell"])
    add("--quantity", required=True, type=int, help="주 / shares")
    add("--price", required=True, type=_price, help="가격 또는 market / a price, or market")
    add("--time-in-force", choices=["day", "ioc", "fok"], default="day")


def _price(text: str) -> str:
    try:
        return text if text == "market" else str(Decimal(text.replace(",", "")))
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a price nor market") from None


def _strategy_flags(strategies: argparse.ArgumentParser) -> None:
    add = strategies.add_argument
    add("do", nargs="?", choices=["list", "start", "stop", "reload"], default="list")
    add("strategy", nargs="?", metavar="ID", help="전략 이름 / the strategy's id")
    add(
        "--orders",
        choices=["cancel", "leave"],
        help="끝나는 전략의 미체결 / its open orders; by default as on_stop says",
    )


def _discrepancy_flags(discrepancies: argparse.ArgumentParser) -> None:
    add = discrepancies.add_argument
    add("do", nargs="?", choices=["list", "accept"], default="list")
    add("about", nargs="?", metavar="SUBJECT", help="하나만, 없으면 모두 / only this one")


def main(argv: Sequence[str] | None = None) -> int:
    """Ask the daemon and show its answer; returns the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else EXIT_USAGE
    if arguments.command == "completion":
        sys.stdout.write(shtab.complete(parser("kis-daemon"), arguments.shell) + "\n")
        return EXIT_OK
    problem = _missing(arguments)
    if problem:
        _say(problem)
        return EXIT_USAGE
    folder = data_dir(arguments.data_dir, os.environ) / arguments.mode
    if getattr(arguments, "reason", None) and not arguments.request:
        arguments.request = new_request()
    places = _places(arguments, folder)
    if len(places) > 1 and arguments.command not in STATES:
        tags = ", ".join(path.stem.removeprefix("api-") for path in places)
        _say(f"계좌를 골라 주세요 / name the account: --account TAG ({tags})")
        return EXIT_USAGE
    return max(_answered(arguments, folder, place) for place in places)


def _places(arguments: argparse.Namespace, folder: Path) -> list[Path]:
    """The sockets of the daemons that are meant: that of an account, or all that answer."""
    if arguments.account or arguments.url:
        return [socket_path(folder, _tag(arguments.account))]
    found = sockets_in(folder)
    if len(found) > 1:
        found = [path for path in found if is_answered(path)] or found[:1]
    return found or [socket_path(folder, "none")]


def _answered(arguments: argparse.Namespace, folder: Path, place: Path) -> int:
    """Ask one daemon and show its answer; returns the exit code."""
    try:
        client = _client(arguments, place)
        answer = _ask(client, arguments)
    except ControlError as error:
        return _told_error(error, folder, arguments)
    except NoDaemon as error:
        return _without_answer(str(error), folder, arguments)
    except AnswerLost as error:
        if _looks(arguments):
            return _without_answer(str(error), folder, arguments)
        return _of_unknown_outcome(str(error), folder, arguments)
    except OSError as error:
        _say(f"{error.filename}: 읽을 수 없습니다 / cannot be read: {error.strerror}")
        return EXIT_USAGE
    _show(arguments, answer)
    order = answer.get("result", {}).get("order") or {}
    if order.get("state") in UNANSWERED:
        return _of_unknown_outcome(f"order {order['id']} is {order['state']}", folder, arguments)
    return EXIT_OK


def _missing(arguments: argparse.Namespace) -> str:
    """What argparse cannot tell is missing."""
    acts = getattr(arguments, "do", "list") != "list"
    if acts and not arguments.reason:
        return f"{arguments.command} {arguments.do}: --reason 이 필요합니다 / is needed"
    if arguments.command == "strategies" and acts and not arguments.strategy:
        return f"strategies {arguments.do}: 전략 이름이 필요합니다 / needs the id of a strategy"
    return ""


def _client(arguments: argparse.Namespace, place: Path) -> ControlClient:
    # Books are taken over once the account is at rest, which takes a while.
    patience = max(arguments.wait, SETTLING if getattr(arguments, "do", "") == "accept" else 0.0)
    if arguments.url is None:
        return ControlClient(place, patience=patience)
    file = arguments.token_file
    token = "" if file is None else file.read_text("ascii").strip()
    return ControlClient(arguments.url, token=token, authority=arguments.ca, patience=patience)


def _ask(client: ControlClient, arguments: argparse.Namespace) -> dict[str, Any]:
    word = arguments.command
    if _looks(arguments):
        scope = getattr(arguments, "scope", None)
        return client.see(word, {"scope": scope} if scope else None)
    return client.act(
        word, request=arguments.request, reason=arguments.reason, **_fields(arguments)
    )


def _looks(arguments: argparse.Namespace) -> bool:
    """Whether a command only looks: nothing can come of it."""
    return arguments.command in VIEWS or getattr(arguments, "do", "") == "list"


def _fields(arguments: argparse.Namespace) -> dict[str, Any]:
    """What an act is told beside why."""
    match arguments.command:
        case "cancel":
            everything = arguments.orders == ["all"]
            return {"all": True} if everything else {"orders": arguments.orders}
        case "submit":
            return {
                "instrument": arguments.symbol,
                "side": arguments.side,
                "quantity": arguments.quantity,
                "price": None if arguments.price == "market" else arguments.price,
                "time_in_force": arguments.time_in_force,
            }
        case "strategies":
            return {
                "strategy": arguments.strategy,
                "do": arguments.do,
                "orders": arguments.orders,
            }
        case "discrepancies":
            return {"about": arguments.about}
        case _:
            return {}


def _show(arguments: argparse.Namespace, answer: Mapping[str, Any]) -> None:
    if arguments.json:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        return
    looked = "act" not in answer
    drawn = shown.SHOWN[arguments.command](answer) if looked else shown.done(answer)
    stream = sys.stdout
    console = Console(file=stream, width=None if stream.isatty() else WIDTH, highlight=False)
    console.print(drawn)


def _told_error(error: ControlError, folder: Path, arguments: argparse.Namespace) -> int:
    if arguments.json:
        sys.stdout.write(orjson.dumps({"v": 1, "ok": False, "error": error.told()}).decode() + "\n")
    where = f" [{error.field}]" if error.field else ""
    fix = f"\n  → {error.fix}" if error.fix else ""
    told = f"{error.code}{where}: {error.problem}{fix}"
    if not _looks(arguments) and isinstance(meant(error), OutcomeUnknown):
        return _of_unknown_outcome(told, folder, arguments)
    _say(f"거절 / refused: {told}")
    return EXIT_USAGE if error.status == 400 else EXIT_REFUSED


def _without_answer(cause: str, folder: Path, arguments: argparse.Namespace) -> int:
    """Move the kill switch by its file, and say of everything else that nobody answers."""
    state = STATES.get(arguments.command)
    if state is None or arguments.url is not None:
        _say(f"데몬이 답하지 않습니다 / no daemon answers: {cause}")
        return EXIT_NO_ANSWER
    return _moved_by_file(state, folder, arguments)


def _of_unknown_outcome(cause: str, folder: Path, arguments: argparse.Namespace) -> int:
    """Say that it may have been done; the kill switch is made sure of by its file.

    A resume is not asked for a second time.
    """
    _say(UNKNOWN.format(cause=cause))
    state = STATES.get(arguments.command)
    if state is None or state is TradingState.RUNNING or arguments.url is not None:
        _say(LOOK_FIRST.format(request=arguments.request))
        return EXIT_NO_ANSWER
    _say("  → 킬 파일로도 시킵니다 / asked for by the kill file as well")
    return _moved_by_file(state, folder, arguments)


def _moved_by_file(state: TradingState, folder: Path, arguments: argparse.Namespace) -> int:
    file = KillFile(folder, _tag(arguments.account))
    return move(file, state, arguments.reason, wait=arguments.wait, say=_say)


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


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
