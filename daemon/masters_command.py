"""`python -m daemon masters …`: fetch the symbol master files, and search them."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from daemon import cli
from daemon.config import Mode, Settings
from daemon.kis.masterfiles import Fetched, MasterFolder, Progress
from daemon.kis.masters import BY_NAME, MASTER_FILES, Listing, MasterFile
from daemon.wiring import Session

ABOUT = """\
증권사의 종목 마스터를 받고, 코드나 한글·영문 이름으로 찾습니다. 키가 필요 없습니다.
--mode sim 은 시뮬레이터의 것입니다.
Fetches the broker's symbol masters and searches them by code, Korean or English name. Needs no
keys. With --mode sim they are the simulator's.

  python -m daemon masters update --mode real
  python -m daemon masters search 삼성전자 --mode real
"""

NONE_YET = """\
받은 종목 마스터가 없습니다: python -m daemon masters update
No symbol masters have been fetched yet: python -m daemon masters update"""

_BOARDS = tuple(dict.fromkeys(each.board.lower() for each in MASTER_FILES))


def parser() -> argparse.ArgumentParser:
    """The flags of both commands."""
    top = argparse.ArgumentParser(
        prog="python -m daemon masters",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="update|search")
    flags = cli.base_parser("python -m daemon masters", ABOUT)
    update = commands.add_parser(
        "update", help="받기 / fetch", parents=[flags], conflict_handler="resolve"
    )
    update.add_argument("files", nargs="*", metavar="FILE", help="kospi_code.mst nasmst.cod …")
    search = commands.add_parser(
        "search", help="찾기 / search", parents=[flags], conflict_handler="resolve"
    )
    search.add_argument("text", metavar="낱말", help="코드나 이름 / a code or a name")
    search.add_argument("--board", choices=_BOARDS, default="", help="한 시장만 / one board only")
    search.add_argument("--json", action="store_true", help="JSON으로 출력 / print JSON")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Do what was asked; returns the exit code."""
    arguments = cli.parsed(parser(), argv)
    if isinstance(arguments, int):
        return arguments
    if arguments.command == "search":
        settings = cli.settings_for(arguments)
        return settings if isinstance(settings, int) else _search(arguments, settings)
    unknown = [name for name in arguments.files if name not in BY_NAME]
    if unknown:
        known = ", ".join(BY_NAME)
        return cli.say(f"{unknown[0]}: 없는 파일 / no such file; {known}", cli.EXIT_USAGE)
    wanted = [BY_NAME[name] for name in arguments.files] or list(MASTER_FILES)
    if arguments.mode != Mode.SIM.value:
        settings = cli.settings_for(arguments)
        if isinstance(settings, int):
            return settings
        return _updated(asyncio.run(_update(MasterFolder(settings.masters_dir), wanted)))

    async def ask(settings: Settings, session: Session) -> list[Fetched]:
        assert session.simulator_url is not None, "this is the simulator's mode"
        return await _update(MasterFolder(settings.masters_dir, host=session.simulator_url), wanted)

    return cli.with_session(arguments, ask, _updated)


async def _update(folder: MasterFolder, wanted: Sequence[MasterFile]) -> list[Fetched]:
    def progress(told: Progress) -> None:
        total = f" / {told.total:,}" if told.total is not None else ""
        sys.stderr.write(f"\r{told.file}  {told.done:,}{total} B   ")
        sys.stderr.flush()

    fetched = await folder.update(wanted, on_progress=progress)
    sys.stderr.write("\n")
    return fetched


def _updated(fetched: Sequence[Fetched]) -> int:
    table = Table(box=box.SIMPLE)
    table.add_column("파일 file", no_wrap=True)
    table.add_column("종목 listings", justify="right")
    table.add_column("문제 problem", overflow="fold")
    for each in fetched:
        table.add_row(each.file, f"{each.listings:,}" if each.listings else "", each.problem)
    Console(file=sys.stdout).print(table)
    return cli.EXIT_OK if any(each.listings for each in fetched) else cli.EXIT_UNAVAILABLE


def _search(arguments: argparse.Namespace, settings: Settings) -> int:
    masters = MasterFolder(settings.masters_dir).load()
    if not len(masters):
        return cli.say(NONE_YET, cli.EXIT_NEEDS_OPERATOR)
    found = masters.search(arguments.text, board=arguments.board)
    if arguments.json:
        told = [_described(each) for each in found]
        sys.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() + "\n")
        return cli.EXIT_OK
    table = Table(box=box.SIMPLE)
    for heading in ("코드", "이름", "영문", "시장", "종류", "기준가", "단위", "표시"):
        table.add_column(heading, justify="right" if heading in ("기준가", "단위") else "left")
    for each in found:
        base = "" if each.base is None else f"{each.base:,}"
        table.add_row(
            *(each.code, each.name, each.english, each.board, each.kind.value),
            *(base, str(each.lot), " ".join(_marks(each))),
        )
    Console(file=sys.stdout).print(table)
    return cli.EXIT_OK if found else cli.EXIT_CRASH


def _marks(listing: Listing) -> list[str]:
    marks = {
        "거래정지": listing.halted,
        "정리매매": listing.liquidation,
        "관리": listing.managed,
        "단기과열": listing.overheated,
        "우선주": listing.preferred,
        "SPAC": listing.spac,
        "NXT": bool(listing.nxt),
        ("", "투자주의", "투자경고", "투자위험")[min(listing.alert, 3)]: listing.alert > 0,
    }
    return [mark for mark, holds in marks.items() if holds]


def _described(listing: Listing) -> dict[str, Any]:
    return {
        "instrument": listing.instrument,
        "name": listing.name,
        "english": listing.english,
        "board": listing.board,
        "kind": listing.kind.value,
        "currency": listing.currency,
        "base": None if listing.base is None else str(listing.base),
        "lot": listing.lot,
        "tradable": listing.tradable,
        "nxt": listing.nxt,
        "marks": _marks(listing),
    }
