"""`python -m daemon.sim`: serve the simulator alone, for any KIS client."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from daemon.core.calendar import KST
from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID, SimulatorOptions
from daemon.sim.server import SimulatorServer, describe


def _instant(text: str) -> datetime:
    """An ISO instant, KST without a zone; a bare date means 09:00 of that day."""
    parsed = datetime.fromisoformat(text)
    if len(text) == 10:
        parsed = datetime.combine(parsed.date(), time(9, 0))
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=KST)


def parse(arguments: Sequence[str]) -> SimulatorOptions:
    """Options from the command line; exits with a message when they make no sense."""
    standard = SimulatorOptions()
    parser = argparse.ArgumentParser(
        prog="python -m daemon.sim", description="A simulated KIS Open API on loopback."
    )
    parser.add_argument("--host", default=standard.host)
    parser.add_argument("--rest-port", type=int, default=0, help="0 is any free port")
    parser.add_argument("--ws-port", type=int, default=0, help="0 is any free port")
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--sim-start", type=_instant, help="ISO instant or YYYY-MM-DD, KST")
    parser.add_argument("--sim-speed", type=float, default=1.0, help="simulated seconds a second")
    parser.add_argument("--rate-limit", type=int, default=standard.rate_limit)
    parser.add_argument("--app-key", default=APP_KEY)
    parser.add_argument("--app-secret", default=APP_SECRET)
    parser.add_argument("--account", action="append", help=f"may repeat; {ACCOUNT} if left out")
    parser.add_argument("--hts-id", default=HTS_ID)
    parser.add_argument("--cash", type=Decimal, default=standard.cash, help="KRW per account")
    parser.add_argument("--state", type=Path, help="file that keeps the broker's books")
    parser.add_argument("--token-interval", type=float, default=standard.token_interval)
    parser.add_argument("--ping-interval", type=float, default=standard.ping_interval)
    parser.add_argument(
        "--early-notices", type=float, default=standard.early_notices, metavar="SHARE"
    )
    parser.add_argument(
        "--refused-later", type=float, default=standard.refused_later, metavar="SHARE"
    )
    chosen = parser.parse_args(arguments)
    return SimulatorOptions(
        host=chosen.host,
        rest_port=chosen.rest_port,
        ws_port=chosen.ws_port,
        seed=chosen.seed,
        start=chosen.sim_start,
        speed=chosen.sim_speed,
        rate_limit=chosen.rate_limit,
        app_key=chosen.app_key,
        app_secret=chosen.app_secret,
        accounts=tuple(chosen.account or (ACCOUNT,)),
        hts_id=chosen.hts_id,
        cash=chosen.cash,
        state=chosen.state,
        token_interval=chosen.token_interval,
        ping_interval=chosen.ping_interval,
        early_notices=chosen.early_notices,
        refused_later=chosen.refused_later,
    )


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


if __name__ == "__main__":
    asyncio.run(serve(parse(sys.argv[1:])))
