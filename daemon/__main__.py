"""`python -m daemon GROUP …`: one module for each group of commands."""

import sys
from collections.abc import Callable, Mapping, Sequence

from daemon import (
    api_command,
    cancel_command,
    commands,
    logs_command,
    masters_command,
    orders_command,
)

USAGE = """\
python -m daemon 명령 … / COMMAND …

"""

Run = Callable[[Sequence[str]], int]


def _operator(word: str) -> Run:
    return lambda rest: commands.main([word, *rest])


def _orders(rest: Sequence[str]) -> int:
    """The list is the running daemon's; the life of one order is read beside it."""
    own = list(rest[:1]) == ["show"]
    return orders_command.main(rest) if own else commands.main(["orders", *rest])


GROUPS: Mapping[str, tuple[Run, str]] = {
    **{name: (_operator(name), text) for name, text in commands.COMMANDS.items()},
    "cancel-all": (
        cancel_command.main,
        "데몬 없이 모든 미체결 취소 / cancel every open order without the daemon",
    ),
    "api": (
        api_command.main,
        "모든 REST API 찾기, 보기, 부르기 / search, show and call every REST API",
    ),
    "logs": (logs_command.main, "로그 보기, 따라가기 / show and follow the log"),
    "orders": (
        _orders,
        "주문 목록, 한 주문의 일생(show ID) / the orders, or the whole life of one: show ID",
    ),
    "masters": (
        masters_command.main,
        "종목 마스터 받기와 찾기 / fetch and search the symbol masters",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the rest of the command line to its group; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    group = GROUPS.get(words[0]) if words else None
    if group is not None:
        return group[0](words[1:])
    asked = words[:1] in (["-h"], ["--help"])
    lines = "".join(f"  {name:<15}{text}\n" for name, (_, text) in GROUPS.items())
    (sys.stdout if asked else sys.stderr).write(USAGE + lines)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
