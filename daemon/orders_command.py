"""`python -m daemon orders show ID`: an order's whole life, from the journal and the log."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, get_args

import orjson

from daemon.cli import EXIT_NEEDS_OPERATOR, EXIT_OK, EXIT_USAGE
from daemon.commands import data_dir
from daemon.core import orders
from daemon.core.calendar import KST
from daemon.core.errors import NeedsOperator
from daemon.core.events import Event, OrderCreated, OrderEvent
from daemon.core.orders import Order
from daemon.engine.chronicle import fact_name
from daemon.log import console
from daemon.logs.reading import Reader, Wanted, at
from daemon.logs.redaction import Redactor
from daemon.logs_command import log_folder, where
from daemon.store.snapshot import order_facts

EXIT_UNKNOWN = 1

ABOUT = """\
한 주문의 일생을 장부와 로그에서 시간 순서로 보여 줍니다. 돌고 있는 데몬 옆에서 읽기만 합니다.
Shows the life of one order, from the journal and the log, in the order of time. It only reads, and
may do so beside a running daemon.

  python -m daemon orders show 20261102-0001 --mode real
  … --data-dir /var/lib/kis-trader/real --log-dir /var/log/kis-trader/real   (systemd)

종료 코드 / exit codes: 0 찾음 found · 1 그런 주문이 없음 no such order · 2 잘못된 명령행 wrong
command line · 78 장부를 읽을 수 없음 the journal cannot be read
"""


class Moment(NamedTuple):
    """One thing that happened: a fact of the journal, or a line of the log."""

    at: datetime
    fact: OrderEvent | None
    line: dict[str, Any]


def parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    found = argparse.ArgumentParser(
        prog="python -m daemon orders",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("action", choices=["show"], help="무엇을 / what to do")
    found.add_argument("order", metavar="ID", help="주문 번호 / the order's id")
    found.add_argument("--json", action="store_true", help="한 줄에 JSON 하나 / one JSON a line")
    where(found)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Show one order; returns the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else EXIT_USAGE
    folder = data_dir(arguments.data_dir, os.environ) / arguments.mode
    journals = sorted(folder.glob("journal-*.sqlite3"))
    if not journals:
        sys.stderr.write(f"{folder}: 장부가 없습니다 / there is no journal: --data-dir, --mode\n")
        return EXIT_USAGE
    try:
        facts = _facts(journals, arguments.order)
    except NeedsOperator as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_NEEDS_OPERATOR
    logs = log_folder(arguments)
    if not os.access(logs, os.R_OK | os.X_OK):
        words = "로그를 읽을 수 없어 장부만 보입니다 / no log to be read here, the journal alone"
        sys.stderr.write(f"{logs}: {words}: --log-dir\n")
    reader = Reader(logs)
    lines = list(filter(Wanted(order=arguments.order).takes, reader.lines()))
    reader.close()
    if not facts and not lines:
        sys.stderr.write(f"{arguments.order}: 그런 주문이 없습니다 / no such order\n")
        return EXIT_UNKNOWN
    for text in told(facts, lines, as_json=arguments.json):
        sys.stdout.write(text + "\n")
    return EXIT_OK


def _facts(journals: Sequence[Path], order: str) -> list[OrderEvent]:
    for journal in journals:
        found = order_facts(journal, order)
        if found:
            return [each for each in found if isinstance(each, get_args(OrderEvent))]
    return []


def life(facts: Sequence[OrderEvent], lines: Sequence[dict[str, Any]]) -> list[Moment]:
    """Facts and lines in one order: facts as journalled, lines that tell no fact between them.

    A fact happened when the log told of it, on the machine's clock; the journal's own times are
    the market's, which a simulation lets run faster. One that no line tells of happened with the
    one before it.
    """
    waiting: dict[str, list[datetime]] = {}
    others = []
    for line in lines:
        if line["log.logger"] == "facts":
            waiting.setdefault(line["event.name"], []).append(at(line))
        else:
            others.append(Moment(at(line), None, line))
    moments: list[Moment] = []
    for fact in facts:
        when = waiting.get(fact_name(type(fact)))
        last = moments[-1].at if moments else fact.at
        moments.append(Moment(when.pop(0) if when else last, fact, {}))
    # A sort keeps the order of what happened at the same time.
    return sorted([*moments, *others], key=lambda each: each.at)


def state_of(facts: Sequence[OrderEvent]) -> Order | None:
    """What the facts of one order come to."""
    order: Order | None = None
    for fact in facts:
        if isinstance(fact, OrderCreated):
            order = orders.create(fact)
        elif order is not None:
            order = orders.apply(order, fact)
    return order


def told(
    facts: Sequence[OrderEvent], lines: Sequence[dict[str, Any]], *, as_json: bool
) -> Iterator[str]:
    """The life as text, or as JSON objects with `from`."""
    render = console(coloured=sys.stdout.isatty())
    order = state_of(facts)
    if order is not None and not as_json:
        yield _head(order)
    for moment in life(facts, lines):
        if moment.fact is None:
            origin, line = "log", moment.line
        else:
            origin, line = "journal", _line_of(moment.fact)
        if as_json:
            yield orjson.dumps({"from": origin, **line}).decode()
        else:
            yield f"{origin:<8} {render(line)}"


def _head(order: Order) -> str:
    intent = order.intent
    price = "market" if order.limit is None else f"{order.limit}"
    numbers = ", ".join(f"{ref.day} {ref.number}" for ref in order.refs) or "-"
    return (
        f"{order.id}  {order.state}  "
        f"{intent.side} {intent.quantity} {intent.instrument} @ {price}\n"
        f"  전략 / strategy {intent.strategy} · 체결 / filled {order.filled} of {intent.quantity}"
        f" · 번호 / number {numbers}\n"
        f"  {intent.reason or '-'} · {order.created_at.astimezone(KST):%Y-%m-%d %H:%M:%S.%f} KST"
    )


def _line_of(fact: Event) -> dict[str, Any]:
    """A fact in the form of a line; its time is the market's."""
    plain = Redactor().plain
    own = {each.name: plain(getattr(fact, each.name), key=each.name) for each in fields(fact)}
    del own["at"]
    return {
        "@timestamp": fact.at.isoformat(),
        "log.level": "info",
        "message": "",
        "event.name": fact_name(type(fact)),
        "log.logger": "",
        **own,
    }
