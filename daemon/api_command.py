"""`python -m daemon api …`: search, show and call every REST API of the broker."""

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from daemon import cli
from daemon.config import Mode, Settings, missing_for_real
from daemon.core.errors import (
    NeedsOperator,
    OutcomeUnknown,
    Refused,
    TradingError,
    TryLater,
)
from daemon.kis.apirequest import ApiRequest, BadCall
from daemon.kis.apiresult import Result, Row
from daemon.kis.caller import PAGE_LIMIT, ApiCaller
from daemon.kis.catalog import Entry, NoSuchApi, RestApi, entries, entry, find, search
from daemon.kis.channels import Channel
from daemon.kis.ordercalls import stop_at_switch
from daemon.kis.spec import Environment
from daemon.store.handlog import BY_HAND, HandLog
from daemon.store.switchfiles import SwitchFiles
from daemon.wiring import Session

MOST_COLUMNS = 8
WIDE = 140
"""Columns of a table that is not shown in a terminal."""

_PAIR = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")

ABOUT = """\
증권사의 모든 REST API를 찾고, 보고, 부릅니다. 실시간 채널도 찾고 볼 수 있습니다.
Search, show and call every REST API of the broker; stream channels can be searched and shown.

  python -m daemon api search 공매도
  python -m daemon api show domestic_stock.inquire_price
  python -m daemon api call domestic_stock.inquire_price \\
      fid_cond_mrkt_div_code=J fid_input_iscd=005930
"""

ORDERS = """\
{api} 은(는) 주문입니다. 보내려면 --send-order 를 붙이세요. 한 번만 보내고 다시 보내지 않습니다.
{api} is an order. Add --send-order to send it, once and never again by itself."""

UNKNOWN = """\
결과를 모릅니다. 다시 보내지 말고 주문 목록에서 확인하세요.
The outcome is not known. Do not send it again: look for it in the list of orders."""


def parser() -> argparse.ArgumentParser:
    """The flags of all three commands."""
    top = argparse.ArgumentParser(
        prog="python -m daemon api",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="search|show|call")
    find_ = commands.add_parser("search", help="낱말로 찾기 / find by words", allow_abbrev=False)
    find_.add_argument(
        "words", nargs="*", metavar="낱말", help="모두 들어 있는 것 / all must occur"
    )
    find_.add_argument("--category", default="", help="domestic_stock, overseas_stock, elw …")
    find_.add_argument("--json", action="store_true", help="JSON으로 출력 / print JSON")
    show = commands.add_parser("show", help="자세히 보기 / all about one", allow_abbrev=False)
    show.add_argument("id", metavar="ID", help="목록의 이름이나 TR ID / a catalogue or TR id")
    show.add_argument("--json", action="store_true", help="JSON으로 출력 / print JSON")
    commands.add_parser(
        "call",
        help="부르기 / call one",
        parents=[_call_flags()],
        epilog=cli.EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        conflict_handler="resolve",
    )
    return top


def _call_flags() -> argparse.ArgumentParser:
    flags = cli.base_parser("python -m daemon api call", ABOUT)
    add = flags.add_argument
    add("id", metavar="ID", help="목록의 이름이나 TR ID / a catalogue or TR id")
    add("parameters", nargs="*", metavar="이름=값", help="매개변수 / parameters, NAME=VALUE")
    add("--json", action="store_true", help="JSON으로 출력 / print JSON")
    add("--all-pages", action="store_true", help="다음 쪽이 없을 때까지 / follow all pages")
    add("--limit", type=int, default=PAGE_LIMIT, help="쪽수 한도 / most pages (10)")
    add("--labels", action="store_true", help="한글 이름으로 / JSON with Korean labels as keys")
    add("--fields", default="", metavar="A,B", help="보일 칸 / columns to show")
    add("--tr-id", help="TR ID를 직접 고름 / force one of the call's TR ids")
    add(
        "--unchecked",
        action="append",
        default=[],
        metavar="이름",
        help="이 매개변수의 값은 검사하지 않음 / do not check this parameter's value",
    )
    add("--send-order", action="store_true", help="주문을 정말 보냄 / really send an order")
    return flags


def main(argv: Sequence[str] | None = None) -> int:
    """Do what was asked; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Parameters may stand anywhere between the flags, which argparse does not take.
    pairs = [word for word in words if _PAIR.match(word)]
    arguments = cli.parsed(parser(), [word for word in words if not _PAIR.match(word)])
    if isinstance(arguments, int):
        return arguments
    arguments.pairs = pairs
    try:
        if arguments.command == "search":
            return _search(arguments)
        if arguments.command == "show":
            return _show(arguments)
        return _call(arguments)
    except NoSuchApi as error:
        return cli.say(str(error.args[0]), cli.EXIT_USAGE)


def _print(what: RenderableType) -> None:
    width = None if sys.stdout.isatty() else WIDE
    Console(file=sys.stdout, width=width).print(what)


def _print_json(what: object) -> None:
    sys.stdout.write(orjson.dumps(what, option=orjson.OPT_INDENT_2).decode() + "\n")


def _search(arguments: argparse.Namespace) -> int:
    found = search(arguments.words, category=arguments.category)
    if arguments.json:
        _print_json([_summary(each) for each in found])
        return cli.EXIT_OK
    table = Table(box=box.SIMPLE)
    table.add_column("ID", no_wrap=True)
    for heading in ("이름", "분류", "TR ID", "모의 virtual"):
        table.add_column(heading, overflow="fold")
    for each in found:
        told = _summary(each)
        ids = " ".join(told["tr_ids"][:2])
        table.add_row(each.id, each.title, told["menu"], ids, "○" if told["virtual"] else "")
    _print(table)
    total = sum(1 for _ in entries())
    _print(f"{len(found)} / {total}")
    return cli.EXIT_OK if found else cli.EXIT_CRASH


def _summary(each: Entry) -> dict[str, Any]:
    if isinstance(each, Channel):
        ids = [each.tr_id, *([each.virtual] if each.virtual else [])]
        menu, offered = "실시간 stream", each.virtual is not None
    else:
        ids = list(dict.fromkeys(known.id for known in each.tr_ids))
        menu, offered = each.menu, each.offered(Environment.VIRTUAL)
    return {"id": each.id, "title": each.title, "menu": menu, "tr_ids": ids, "virtual": offered}


def _show(arguments: argparse.Namespace) -> int:
    found = entry(arguments.id)
    if arguments.json:
        _print_json(_described(found))
        return cli.EXIT_OK
    for part in _channel_parts(found) if isinstance(found, Channel) else _api_parts(found):
        _print(part)
    return cli.EXIT_OK


def _described(each: Entry) -> dict[str, Any]:
    if isinstance(each, Channel):
        columns = dict(zip(each.columns, each.labels, strict=True))
        return {**_summary(each), "subject": each.subject.value, "columns": columns}
    return {
        **_summary(each),
        "method": each.method,
        "path": each.path,
        "tr": [
            {"id": t.id, "environment": t.environment, "when": dict(t.when)} for t in each.tr_ids
        ],
        "older": dict(each.older),
        "selectors": {name: dict(told) for name, told in each.selectors.items()},
        "parameters": [
            {
                "name": p.name,
                "label": p.label,
                "required": p.required,
                "values": dict(p.values),
                "example": p.example,
                "note": p.note,
            }
            for p in each.parameters
        ],
        "pages": each.paging is not None,
        "outputs": {name: shape.value for name, shape in each.outputs.items()},
        "fields": [
            {"name": f.name, "label": f.label, "kind": f.kind.name.lower()} for f in each.fields
        ],
        "notes": list(each.notes),
    }


def _head(rows: Mapping[str, str]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows.items():
        if text:
            table.add_row(name, text)
    return table


def _channel_parts(channel: Channel) -> list[RenderableType]:
    head = {
        "ID": channel.id,
        "이름 title": channel.title,
        "TR ID": " / ".join(filter(None, (channel.tr_id, channel.virtual))),
        "키 key": channel.subject.value,
        "받기 use": "전략의 channels: 또는 context.watch / a strategy's channels",
    }
    columns = Table(title="칸 columns", box=box.SIMPLE, title_justify="left")
    columns.add_column("이름 name")
    columns.add_column("뜻 label")
    for name, label in zip(channel.columns, channel.labels, strict=True):
        columns.add_row(name, label)
    return [_head(head), columns]


def _api_parts(api: RestApi) -> list[RenderableType]:
    worlds = {None: "", Environment.REAL: "실전 real", Environment.VIRTUAL: "모의 virtual"}
    ids = "\n".join(
        " ".join((t.id, worlds[t.environment], *(f"{n}={'|'.join(v)}" for n, v in t.when.items())))
        for t in api.tr_ids
    )
    offered = api.offered(Environment.VIRTUAL)
    pages = api.paging
    head = {
        "ID": api.id,
        "이름 title": f"{api.title}  {api.menu} {api.document}",
        "요청 request": f"{api.method} {api.path}",
        "TR ID": ids,
        "옛 TR ID older": ", ".join(f"{old} → {new}" for old, new in api.older.items()),
        "모의투자 virtual": "됨 yes" if offered else "안 됨, 또는 알려지지 않음 / no, or not known",
        "쪽 pages": f"있음 yes {' '.join(pages.cursors)}" if pages else "",
        "결과 outputs": ", ".join(f"{name} ({shape.value})" for name, shape in api.outputs.items()),
        "주의 notes": "\n".join(api.notes),
    }
    takes = Table(title="매개변수 parameters", box=box.SIMPLE, title_justify="left")
    for heading in ("이름 name", "필수", "뜻 label", "값 values", "예"):
        takes.add_column(heading, overflow="fold")
    for name, told in api.selectors.items():
        takes.add_row(f"{name} *", "○", "TR ID 선택 / chooses the TR id", _values(told), "")
    for each in api.parameters:
        note = f"{each.label}\n{each.note}".strip()
        needed = "○" if each.required else ""
        takes.add_row(each.name, needed, note, _values(each.values), each.example)
    gives = Table(title="칸 fields", box=box.SIMPLE, title_justify="left")
    for heading in ("이름 name", "뜻 label", "종류 kind"):
        gives.add_column(heading)
    for field in api.fields:
        gives.add_row(field.name, field.label, field.kind.name.lower())
    return [_head(head), takes, gives]


def _values(told: Mapping[str, str]) -> str:
    return "\n".join(f"{value or '(빈칸 blank)'} {meaning}" for value, meaning in told.items())


def _call(arguments: argparse.Namespace) -> int:
    given: dict[str, object] = {}
    for pair in arguments.pairs:
        name, _, value = pair.partition("=")
        given[name] = value
    for word in arguments.parameters:
        text = f"{word!r} 은(는) 이름=값 이 아닙니다 / is not NAME=VALUE"
        return cli.say(text, cli.EXIT_USAGE)
    if isinstance(entry(arguments.id), Channel):
        text = "실시간 채널은 부를 수 없습니다. 전략이 받습니다 / a stream channel is not called"
        return cli.say(text, cli.EXIT_USAGE)
    api = find(arguments.id).api
    if arguments.limit < 1:
        return cli.say("--limit 은 1 이상 / must be at least 1", cli.EXIT_USAGE)
    if api.is_order and not arguments.send_order:
        return cli.say(ORDERS.format(api=api.id), cli.EXIT_USAGE)

    async def ask(settings: Settings, session: Session) -> Result | TradingError:
        missing = missing_for_real(settings) if settings.mode is Mode.REAL and api.is_order else []
        if missing:
            return NeedsOperator("\n".join(missing))
        return await _asked(arguments, given, settings, session)

    return cli.with_session(arguments, ask, lambda told: _told(arguments, told))


async def _asked(
    arguments: argparse.Namespace,
    given: Mapping[str, object],
    settings: Settings,
    session: Session,
) -> Result | TradingError:
    """The result, or the error that stands in its place."""
    by_hand = HandLog(settings.data_dir / settings.mode.value / BY_HAND)
    files = SwitchFiles(settings.control_dir, settings.account)
    sent = False

    def sending(request: ApiRequest) -> None:
        nonlocal sent
        stop_at_switch(request, lambda: files.position(settings.journal_path))
        told = {"api": request.spec.id, "tr_id": request.api.chosen, **request.parameters}
        by_hand.write("sending", session.clock.now(), told)
        sent = True

    caller = ApiCaller(
        session.broker,
        hts_id=settings.hts_id,
        older=settings.api.older_ids,
        unjudged=settings.unjudged_calls,
        on_order=sending,
    )
    options = {"tr_id": arguments.tr_id, "unchecked": arguments.unchecked}

    def progress(number: int, page: Result) -> None:
        rows = len(page.rows())
        sys.stderr.write(f"\r{number} 쪽 / pages, +{rows} …")
        sys.stderr.flush()

    async def call() -> Result:
        if not arguments.all_pages:
            return await caller.call(arguments.id, given, **options)
        try:
            return await caller.call_all(
                arguments.id, given, limit=arguments.limit, on_page=progress, **options
            )
        finally:
            sys.stderr.write("\n")

    async with asyncio.TaskGroup() as tasks:
        requests = tasks.create_task(session.broker.run(), name="requests")
        told: Result | TradingError
        try:
            told = await call()
        except TradingError as error:
            told = error
        requests.cancel()
    if sent:
        outcome = {"error": str(told)} if isinstance(told, TradingError) else {"code": told.code}
        by_hand.write("answered", session.clock.now(), {"api": arguments.id, **outcome})
    return told


def _told(arguments: argparse.Namespace, told: Result | TradingError) -> int:
    if isinstance(told, Result):
        _show_result(arguments, told)
        return cli.EXIT_OK
    if isinstance(told, BadCall):
        return cli.say(told.reason, cli.EXIT_USAGE)
    if isinstance(told, NeedsOperator):
        raise told
    if isinstance(told, OutcomeUnknown):
        return cli.say(f"{UNKNOWN}\n{told}", cli.EXIT_UNAVAILABLE)
    if isinstance(told, TryLater):
        text = f"지금은 답이 없습니다 / no answer for now: {told}"
        return cli.say(text, cli.EXIT_UNAVAILABLE)
    if isinstance(told, Refused):
        return cli.say(f"거절되었습니다 / refused: {told}", cli.EXIT_CRASH)
    return cli.say(f"읽을 수 없는 답입니다 / an unreadable answer: {told}", cli.EXIT_CRASH)


def _show_result(arguments: argparse.Namespace, result: Result) -> None:
    fields = [name.strip() for name in arguments.fields.split(",") if name.strip()]
    if arguments.json:
        outputs = {
            name: [_texts(row, fields, labels=arguments.labels) for row in result.rows(name)]
            for name in result.outputs
        }
        _print_json(
            {
                "api": result.api.id,
                "tr_id": result.tr_id,
                "code": result.code,
                "message": result.message,
                "complete": result.complete,
                "outputs": outputs,
            }
        )
    else:
        _print(f"{result.api.title} ({result.api.id}, {result.tr_id}): {result.message}")
        for name in result.outputs:
            _print(_table(name, result.rows(name), fields))
    if result.note:
        cli.say(result.note, cli.EXIT_OK)
    if not result.complete:
        more = "더 있습니다: --all-pages, --limit / there is more: --all-pages, --limit"
        cli.say(more, cli.EXIT_OK)


def _texts(row: Row, fields: Sequence[str], *, labels: bool) -> dict[str, str]:
    names = [name for name in row if not fields or name.lower() in map(str.lower, fields)]
    return {row.label(name) if labels else name: row.text(name) for name in names}


def _table(name: str, rows: Sequence[Row], fields: Sequence[str]) -> Table:
    """Few records stand upright, many lie down with their first columns."""
    table = Table(title=f"{name} ({len(rows)})", box=box.SIMPLE, title_justify="left")
    if not rows:
        return table
    names = list(_texts(rows[0], fields, labels=False))
    if len(rows) == 1:
        for heading in ("이름", "뜻", "값"):
            table.add_column(heading, overflow="fold", justify="left")
        for each in names:
            table.add_row(each, rows[0].label(each), rows[0].text(each))
        return table
    shown = names if fields else names[:MOST_COLUMNS]
    for each in shown:
        number = rows[0].kind(each).is_number
        heading = f"{rows[0].label(each)}\n{each}"
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in rows:
        told = _texts(row, shown, labels=False)
        table.add_row(*(told.get(each, "") for each in shown))
    if len(shown) < len(names):
        table.caption = f"+{len(names) - len(shown)} 칸 / columns: --json, --fields A,B"
    return table
