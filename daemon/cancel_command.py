"""`python -m daemon cancel-all`: every open order of the account cancelled, without the daemon."""

import argparse
import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import structlog

from daemon import cli, emergency, log
from daemon.config import Mode, Settings, load_settings, missing_credentials
from daemon.core.steps import STEPPED_REGIONS
from daemon.core.values import Region
from daemon.emergency import Outcome
from daemon.faults import SettingsError
from daemon.store.tape import TapeSettings
from daemon.wiring import open_session

ABOUT = """\
데몬이 꺼져 있을 때 계좌의 모든 미체결 주문을 취소합니다. 사람이 낸 주문도 취소합니다.
증권사의 주문 목록에 아무것도 남지 않을 때까지 확인합니다. 매매하지 않고 증권사도 보여 주지 않는
나라는 비어 있는 것으로 봅니다. 여러 번 실행해도 안전하고,
장부에는 쓰지 않습니다. 데몬이 돌고 있으면 아무것도 하지 않습니다 (그때는 `python -m daemon halt`).
Cancels every open order of the account while the daemon is down, those made by hand as well, and
checks by the broker's own list until none is left. A country that is not traded, and that the
broker refuses to list, counts as empty. It may be repeated, and writes to no journal.
While the daemon runs it does nothing: use `python -m daemon halt` then.

종료 코드 / exit codes: 0 남은 주문 없음 none is left · 69 확인하지 못함 not confirmed in time
  75 데몬이 돌고 있음 the daemon runs · 78 사람의 조치가 필요함 a person must act
"""

WAIT = 300.0


def parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    made = cli.base_parser("python -m daemon cancel-all", ABOUT)
    made.epilog = None
    made.add_argument(
        "--wait",
        type=cli.duration,
        default=WAIT,
        metavar="90s|5m",
        help="증권사를 기다릴 시간 / how long to try (default: 5m)",
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Cancel them and say what came of it; returns the exit code."""
    arguments = cli.parsed(parser(), argv)
    if isinstance(arguments, int):
        return arguments
    found = _settings(arguments)
    if isinstance(found, int):
        return found
    settings, traded = found
    missing = missing_credentials(settings, hts_id=False)
    if missing:
        return cli.say_missing(settings, missing)
    if settings.mode is Mode.SIM and settings.rest_url is None:
        words = "the built-in simulator ended with its daemon: no order is open anywhere"
        return cli.say(f"내장 시뮬레이터는 데몬과 함께 끝났습니다 / {words}", cli.EXIT_OK)
    cli.log_as_settings_say(settings)
    structlog.get_logger("emergency").critical("emergency_cancel")

    def run() -> int:
        with asyncio.Runner() as runner:
            return _told(runner.run(_cancel(settings, traded, arguments.wait)))

    code = cli.guarded(run)
    log.close()
    return code


def _settings(arguments: argparse.Namespace) -> tuple[Settings, Collection[Region]] | int:
    """What is needed to reach the account, and the markets traded, all where that is not known:
    faults of all else must not keep orders alive.
    """
    needed: dict[str, object] = {
        "data_dir": arguments.data_dir,
        "config": arguments.config,
        "strategies": [],
        "tape.enabled": False,
    }
    everywhere = {"markets": list(STEPPED_REGIONS)}

    def load(flags: Mapping[str, object]) -> Settings:
        return load_settings(arguments.mode, flags, environ=os.environ, root=Path.cwd())

    try:
        return load(needed | everywhere), load(needed).markets
    except SettingsError as error:
        cli.say(str(error), cli.EXIT_NEEDS_OPERATOR)
    try:
        return load(needed | everywhere | {"config": None}), STEPPED_REGIONS
    except SettingsError as error:
        return cli.say(str(error), cli.EXIT_NEEDS_OPERATOR)


async def _cancel(settings: Settings, traded: Collection[Region], patience: float) -> Outcome:
    settings = settings.model_copy(update={"tape": TapeSettings(enabled=False)})
    owner = f"{settings.mode}:{settings.account}"
    async with open_session(settings, trading=True) as session:
        return await emergency.cancel_all(
            session,
            regions=settings.markets,
            traded=traded,
            recorded=lambda: emergency.left_open(settings.journal_path, owner),
            patience=patience,
        )


def _told(outcome: Outcome) -> int:
    problems = [f"{region}: {why}" for region, why in outcome.problems.items()]
    logger = structlog.get_logger("emergency")
    if outcome.is_done:
        logger.critical("emergency_done", orders_seen=outcome.seen, cancels_sent=outcome.sent)
        words = f"{outcome.seen} seen, none is open now"
        return cli.say(f"미체결 주문이 없습니다 / {words}, by the broker's list", cli.EXIT_OK)
    logger.critical(
        "emergency_incomplete",
        orders_seen=outcome.seen,
        cancels_sent=outcome.sent,
        left=list(outcome.left),
        problems=problems,
    )
    words = (
        "확인하지 못했습니다: 증권사 앱에서 확인하세요 / not confirmed, look into the broker's app"
    )
    told = f"{len(outcome.left)} open; {'; '.join(problems)}"
    return cli.say(f"{words}: {told}", cli.EXIT_UNAVAILABLE)
