"""`python -m daemon.sim`: serve the simulator alone, for any KIS client."""

import argparse
import asyncio
import errno
import ipaddress
import logging
import math
import re
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from daemon.core.calendar import KST
from daemon.core.values import Region
from daemon.sim.charges import AmericanCharges, Charges
from daemon.sim.options import (
    ACCOUNT,
    APP_KEY,
    APP_SECRET,
    FASTEST,
    HTS_ID,
    SLOWEST,
    Customer,
    SimulatorOptions,
)
from daemon.sim.server import SimulatorServer, describe
from daemon.sim.statefile import StateFailed

EXIT_BROKEN = 1
EXIT_PORT_IN_USE = 75
EXIT_NEEDS_OPERATOR = 78
EXIT_CODES = """\
exit codes:
  0   ended as asked
  1   the simulator broke
  2   wrong command line
  75  a port is in use
  78  the place of the books cannot be used
"""
_ACCOUNT = re.compile(r"\d{8}-\d{2}")


def _instant(text: str) -> datetime:
    """An ISO instant, KST without a zone; a bare date means 09:00 of that day."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-11-02 or 2026-11-02T09:00"
        ) from None
    if len(text) == 10:
        parsed = datetime.combine(parsed.date(), time(9, 0))
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=KST)


def _between(
    least: float, most: float = math.inf, *, whole: bool = False, above: bool = False
) -> Callable[[str], Any]:
    """Reads a finite number of at least `least`, or `above` it, and at most `most`."""
    kind = "a whole number" if whole else "a number"
    bounds = f"above {least:g}" if above else f"of at least {least:g}"
    bounds += f" and at most {most:g}" if most < math.inf else ""

    def read(text: str) -> float:
        try:
            number = int(text) if whole else float(text)
        except ValueError:
            number = math.nan
        if not (least <= number <= most) or math.isinf(number) or (above and number == least):
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind} {bounds}")
        return number

    return read


def _cash(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except ArithmeticError:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive amount of money")
    return amount


def _regions(text: str) -> frozenset[Region]:
    names = [name.strip().upper() for name in text.split(",")]
    if not set(names) <= {Region.KR.value, Region.US.value}:
        raise argparse.ArgumentTypeError(f"{text!r} is not KR, US or KR,US")
    return frozenset(Region(name) for name in names)


def _account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an account such as {ACCOUNT}")
    return text


def _customer(text: str) -> Customer:
    parts = text.split(":")
    if len(parts) != 4 or not all(parts) or not _ACCOUNT.fullmatch(parts[-1]):
        # The text is not repeated: any part of it may be the secret.
        right = f"APPKEY:APPSECRET:HTSID:ACCOUNT with an account such as {ACCOUNT}"
        raise argparse.ArgumentTypeError(f"not {right}")
    key, secret, hts_id, account = parts
    return Customer(app_key=key, app_secret=secret, hts_id=hts_id, accounts=(account,))


def _host(text: str) -> str:
    try:
        local = text == "localhost" or ipaddress.ip_address(text).is_loopback
    except ValueError:
        local = False
    if not local:
        raise argparse.ArgumentTypeError(f"{text!r} is not loopback: 127.x.x.x, ::1 or localhost")
    return text


def parser() -> argparse.ArgumentParser:
    """The command line of the simulator alone."""
    standard = SimulatorOptions()
    made = argparse.ArgumentParser(
        prog="python -m daemon.sim",
        description="A simulated KIS Open API on loopback.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_world(made, standard)

    def add(flag: str, kind: Callable[[str], Any], default: object, text: str) -> None:
        shown = "" if default is None else " (default: %(default)s)"
        made.add_argument(flag, type=kind, default=default, help=text + shown)

    port, share = _between(0, 65535, whole=True), _between(0, 1)
    add("--host", _host, standard.host, "loopback address to listen on")
    add("--rest-port", port, 0, "port of the REST side; 0 is any free port")
    add("--ws-port", port, 0, "port of the WebSocket; 0 is any free port")
    add("--rate-limit", _between(1, whole=True), standard.rate_limit, "REST requests a second")
    registrations = _between(1, whole=True)
    add("--registrations", registrations, standard.registrations, "stream registrations a session")
    interval = "simulated seconds between two issues of a token"
    add("--token-interval", _between(0), standard.token_interval, interval)
    pings = _between(0, above=True)
    add("--ping-interval", pings, standard.ping_interval, "seconds between two PINGPONG frames")
    early = "probability of an order notice ahead of the HTTP reply"
    add("--early-notices", share, standard.early_notices, early)
    later = "probability of a refusal by the exchange after the broker's acceptance"
    add("--refused-later", share, standard.refused_later, later)
    return made


def _add_world(parser: argparse.ArgumentParser, standard: SimulatorOptions) -> None:
    """The flags of the market and of the accounts in it."""
    add = parser.add_argument
    seed = "the same seed makes the same market (default: %(default)s)"
    add("--seed", type=int, default=standard.seed, help=seed)
    start = "where simulated time begins: ISO instant or YYYY-MM-DD, KST; never before --state ends"
    add("--sim-start", type=_instant, help=start)
    pace = f"simulated seconds a second, {SLOWEST:g} to {FASTEST:g} (default: %(default)s)"
    add("--sim-speed", type=_between(SLOWEST, FASTEST), default=standard.speed, help=pace)
    add("--app-key", default=APP_KEY, help="the app key clients must use")
    add("--app-secret", default=APP_SECRET, help="the app secret clients must use")
    accounts = f"an account as NNNNNNNN-NN; may repeat (default: {ACCOUNT})"
    add("--account", type=_account, action="append", help=accounts)
    add("--hts-id", default=HTS_ID, help="the HTS id of the accounts (default: %(default)s)")
    other = "one more app key with an account, as APPKEY:APPSECRET:HTSID:ACCOUNT; may repeat"
    add("--customer", type=_customer, action="append", default=[], help=other)
    cash = "KRW in each new account (default: %(default)s)"
    add("--cash", type=_cash, default=standard.cash, help=cash)
    charges = "take commission and tax for every trade, as the broker does"
    add("--charges", action="store_true", help=charges)
    dollars = "USD in each new account (default: %(default)s)"
    add("--cash-usd", type=_cash, default=standard.cash_usd, help=dollars)
    regions = "countries whose markets live, such as KR (default: KR,US)"
    add("--regions", type=_regions, default=frozenset({Region.KR, Region.US}), help=regions)
    add("--state", type=Path, help="file that keeps the broker's books (default: memory)")


def parse(arguments: Sequence[str]) -> SimulatorOptions:
    """Options from the command line; exits with a message when they make no sense."""
    command = parser()
    chosen = vars(command.parse_args(arguments))
    chosen["start"] = chosen.pop("sim_start")
    chosen["speed"] = chosen.pop("sim_speed")
    charges = chosen.pop("charges")
    chosen["charges"] = Charges() if charges else None
    chosen["american_charges"] = AmericanCharges() if charges else None
    chosen["accounts"] = tuple(dict.fromkeys(chosen.pop("account") or (ACCOUNT,)))
    chosen["others"] = tuple(chosen.pop("customer"))
    options = SimulatorOptions(**chosen)
    keys = [each.app_key for each in options.customers]
    accounts = [name for each in options.customers for name in each.accounts]
    if len(set(keys)) < len(keys) or len(set(accounts)) < len(accounts):
        command.error("argument --customer: two customers cannot share an app key or an account")
    return options


def brief(record: logging.LogRecord) -> bool:
    """A log filter: malformed HTTP of a client takes one line and no trace."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | RequestPayloadError):
        record.msg = f"{record.msg}: {type(error).__name__}"
        record.exc_info = None
    return True


async def serve(options: SimulatorOptions) -> None:
    """Serve until SIGINT or SIGTERM."""
    logging.getLogger("aiohttp.server").addFilter(brief)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = SimulatorServer(options)
    await server.start()
    try:
        sys.stdout.write(describe(server, server.clock.now()) + "\n")
        sys.stdout.flush()
        async with asyncio.TaskGroup() as group:
            broken = group.create_task(server.wait_broken())
            await stop.wait()
            broken.cancel()
    finally:
        await server.stop()


def main(arguments: Sequence[str]) -> int:
    """Serve as the command line says; returns the exit code."""
    options = parse(arguments)
    try:
        asyncio.run(serve(options))
    except (OSError, ExceptionGroup) as raised:
        error: Exception = raised
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if not isinstance(error, OSError):
            raise
        sys.stderr.write(f"python -m daemon.sim: error: {error}\n")
        if isinstance(error, StateFailed):
            return EXIT_NEEDS_OPERATOR
        return EXIT_PORT_IN_USE if error.errno == errno.EADDRINUSE else EXIT_BROKEN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
