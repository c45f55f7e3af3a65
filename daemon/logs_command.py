"""`python -m daemon logs`: the log as people read it, from its files or from journald."""

import argparse
import os
import subprocess
import sys
import time as machine_time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from daemon.cli import EXIT_OK, EXIT_USAGE, duration
from daemon.clock import WallClock
from daemon.commands import data_dir
from daemon.core.calendar import KST
from daemon.log import console
from daemon.logs.reading import LEVELS, Reader, Wanted, at, parsed

POLL = 0.2
LINES = 100
LINES_OF_ONE_SEARCH = 1_000_000

ABOUT = """\
로그를 읽기 좋게 보여 줍니다. 날마다, 커질 때마다 바뀌는 파일을 따라갑니다. docs/logs.md
Shows the log for people, from one dated file to the next. See docs/logs.md

  python -m daemon logs --mode real --follow --level warning
  python -m daemon logs --mode real --order 20261102-0001
  python -m daemon logs --mode real --since 2h --event 'order_*' --json
  python -m daemon logs --journal kis-trader@real --follow
"""

Line = dict[str, Any]


def instant(text: str) -> datetime:
    """`90s`, `5m`, `2h` ago, or a time; without a zone it is Korean time."""
    try:
        return WallClock().now() - timedelta(seconds=duration(text))
    except argparse.ArgumentTypeError:
        pass
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a time ago such as 2h nor a time such as 2026-11-02T09:00"
        ) from None
    return told if told.tzinfo else told.replace(tzinfo=KST)


def parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    found = argparse.ArgumentParser(
        prog="python -m daemon logs",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = found.add_argument
    add("--follow", "-f", action="store_true", help="새 줄을 기다림 / wait for more")
    add("--level", choices=LEVELS, default="debug", help="이 수준부터 / from this level on")
    add("--event", default="", metavar="NAME", help="사건, order_* 도 됨 / an event, or order_*")
    add("--order", default="", metavar="ID", help="한 주문의 줄 / the lines of one order")
    add("--strategy", default="", metavar="ID", help="한 전략의 줄 / the lines of one strategy")
    add("--since", type=instant, metavar="2h|TIME", help="언제부터 / from when on")
    add(
        "--lines",
        "-n",
        type=int,
        default=None,
        metavar="N",
        help=f"마지막 N 줄, 찾는 것이 없으면 {LINES} / "
        f"the last N; {LINES} where nothing is searched for",
    )
    add("--json", action="store_true", help="온 그대로의 JSON / the JSON as it was written")
    where(found)
    add("--journal", metavar="UNIT", help="파일 대신 journald 의 이 유닛 / this unit's journal")
    return found


def where(found: argparse.ArgumentParser) -> None:
    """The flags that say whose files are read."""
    found.add_argument(
        "--mode",
        choices=["sim", "virtual", "real"],
        default="real",
        help="어느 데몬 / which daemon (default: real)",
    )
    found.add_argument("--data-dir", metavar="DIR", help="데이터 폴더 / where its data is kept")
    found.add_argument(
        "--log-dir", metavar="DIR", help="로그 폴더 (log.folder) / where the log is, if elsewhere"
    )


def log_folder(arguments: argparse.Namespace) -> Path:
    """Where the files are that the flags of `where` mean."""
    if arguments.log_dir:
        return Path(arguments.log_dir)
    return data_dir(arguments.data_dir, os.environ) / str(arguments.mode) / "logs"


def main(argv: Sequence[str] | None = None) -> int:
    """Show the lines asked for; returns the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else EXIT_USAGE
    wanted = Wanted(
        arguments.level, arguments.event, arguments.order, arguments.strategy, arguments.since
    )
    show = shower(as_json=arguments.json)
    try:
        if arguments.journal:
            return _from_journal(arguments, wanted, show)
        return _from_files(arguments, wanted, show)
    except BrokenPipeError:
        # `| head` has seen enough; the interpreter's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_OK


def shower(*, as_json: bool) -> Callable[[Line], None]:
    """Writes lines to standard output, with a heading for each new day."""
    render = console(coloured=sys.stdout.isatty())
    day = ""

    def show(line: Line) -> None:
        nonlocal day
        if as_json:
            sys.stdout.write(orjson.dumps(line).decode() + "\n")
        else:
            today = f"{at(line).astimezone(KST):%Y-%m-%d}"
            if today != day:
                day = today
                sys.stdout.write(f"── {today} KST ──\n")
            sys.stdout.write(render(line) + "\n")
        sys.stdout.flush()

    return show


def _from_files(arguments: argparse.Namespace, wanted: Wanted, show: Callable[[Line], None]) -> int:
    folder = log_folder(arguments)
    if not folder.is_dir():
        sys.stderr.write(
            f"{folder}: 로그 폴더가 없습니다 / no such folder: --data-dir, --log-dir\n"
        )
        return EXIT_USAGE
    reader = Reader(folder, wanted.since)
    for line in deque((each for each in reader.lines() if wanted.takes(each)), _count(arguments)):
        show(line)
    while arguments.follow:
        machine_time.sleep(POLL)
        for line in reader.lines():
            if wanted.takes(line):
                show(line)
    reader.close()
    return EXIT_OK


def _count(arguments: argparse.Namespace) -> int:
    if arguments.lines is not None:
        return max(int(arguments.lines), 0)
    searched = arguments.since or arguments.order or arguments.event or arguments.strategy
    return LINES_OF_ONE_SEARCH if searched else LINES


def _from_journal(
    arguments: argparse.Namespace, wanted: Wanted, show: Callable[[Line], None]
) -> int:
    command = ["journalctl", "--output=json", "--no-pager", f"--unit={arguments.journal}"]
    if wanted.since is not None:
        command.append(f"--since=@{wanted.since.timestamp():.0f}")
    else:
        command.append(f"--lines={_count(arguments)}")
    if wanted.order:
        command.append(f"TRACE_ID={wanted.order}")
    if arguments.follow:
        command.append("--follow")
    try:
        journal = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  no shell
    except OSError as error:
        sys.stderr.write(f"journalctl: {error.strerror}: systemd 가 필요합니다 / needs systemd\n")
        return EXIT_USAGE
    with journal:
        assert journal.stdout is not None, "asked for above"
        for line in entries(journal.stdout):
            if wanted.takes(line):
                show(line)
    return EXIT_OK if journal.returncode == 0 else EXIT_USAGE


_LEVEL_OF = {"7": "debug", "6": "info", "5": "info", "4": "warning", "3": "error"}


def entries(raw: Iterator[bytes] | Any) -> Iterator[Line]:
    """What `journalctl --output=json` told, as lines of ours; systemd's own words among them."""
    for data in raw:
        try:
            entry = orjson.loads(data)
        except orjson.JSONDecodeError:
            continue
        message = entry.get("MESSAGE")
        if isinstance(message, list):
            # How journalctl shows what is not UTF-8.
            message = bytes(message).decode("utf-8", "replace")
        line = parsed(str(message))
        if line is None:
            written = int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1_000_000
            line = {
                "@timestamp": datetime.fromtimestamp(written, UTC).isoformat(),
                "log.level": _LEVEL_OF.get(str(entry.get("PRIORITY", "6")), "critical"),
                "message": str(message),
                "event.name": "library_message",
                "log.logger": str(entry.get("SYSLOG_IDENTIFIER", "")),
            }
        yield line
