"""`check_accounts.py`: a look at all accounts of the settings, in both countries."""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from daemon import account_check, cli, log
from daemon.account_check import Seen, Unseen
from daemon.config import Settings, missing_credentials
from daemon.core.errors import (
    BrokerUnavailable,
    NeedsOperator,
    OutcomeUnknown,
    TradingError,
    TryLater,
)
from daemon.logs.redaction import mask_account
from daemon.sections import account_number
from daemon.wiring import open_session

ABOUT = """\
설정에 있는 모든 계좌의 원화·달러 예수금, 보유 종목, 미체결 주문, 토큰을 보여 줍니다.
주문은 내지 않습니다. 볼 수 없는 계좌나 나라는 그렇다고 알리고 나머지를 보여 줍니다.
Shows cash in KRW and USD, holdings, open orders and the token of every account of the settings. It
never orders. An account, or a country, that cannot be asked does not hide the others: it is told,
and the exit code is then 69 or 78.
"""


def parser() -> argparse.ArgumentParser:
    """The flags of the account check."""
    made = cli.base_parser("check_accounts.py", ABOUT)
    made.add_argument("--json", action="store_true", help="JSON으로 출력 / print JSON")
    made.add_argument(
        "--account",
        type=_account,
        action="append",
        metavar="12345678-01",
        help="이 계좌만, 여러 번 줄 수 있음 / this account only; may repeat",
    )
    made.add_argument(
        "--markets",
        choices=["KR", "US", "KR,US"],
        default="KR,US",
        help="볼 나라 / which countries to ask about (default: KR,US)",
    )
    return made


def _account(text: str) -> str:
    try:
        return account_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Show them; returns the exit code."""
    arguments = cli.parsed(parser(), argv)
    if isinstance(arguments, int):
        return arguments
    settings = cli.settings_for(arguments, markets=arguments.markets.split(","))
    if isinstance(settings, int):
        return settings
    chosen = tuple(dict.fromkeys(arguments.account or settings.accounts))
    missing = [missing_credentials(settings.at(each), hts_id=False) for each in chosen]
    if all(missing):
        return cli.say_missing(settings, missing[0])

    async def asked() -> list[Seen]:
        return [await _look(settings.at(each)) for each in chosen]

    def show(seen: list[Seen]) -> int:
        if arguments.json:
            sys.stdout.write(account_check.as_json(settings.mode.value, seen) + "\n")
        else:
            account_check.show(settings.mode.value, seen, Console(file=sys.stdout))
        return max((exit_code(error) for each in seen for error in each.errors), default=0)

    return cli.with_settings(settings, asked, show)


async def _look(settings: Settings) -> Seen:
    """One account, whatever becomes of the others."""
    account = mask_account(settings.account)
    log.add_secrets(*settings.secrets())
    try:
        missing = missing_credentials(settings, hts_id=False)
        if missing:
            raise NeedsOperator("; ".join(missing))
        async with open_session(settings, trading=False) as session:
            return await account_check.look(session, regions=settings.markets)
    except TradingError as error:
        return Unseen(account=account, error=error)
    except BaseExceptionGroup as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
            found = found.exceptions[0]
        if not isinstance(found, TradingError):
            raise
        return Unseen(account=account, error=found)


def exit_code(error: TradingError) -> int:
    """69 for what may pass by itself, 78 for what a person must see to."""
    passing = isinstance(error, TryLater | OutcomeUnknown | BrokerUnavailable)
    return cli.EXIT_UNAVAILABLE if passing else cli.EXIT_NEEDS_OPERATOR
