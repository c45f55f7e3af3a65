"""A long run: ONE daemon through many days of its markets in virtual time, and what it grows by.

python -m daemon.lab.soak --days 60 --markets KR,US --json

Nothing goes wrong in it. Days follow one another with their nights, weekends and holidays; each
morning, and for New York each noon of Seoul, the books are held against the exchange's own.
"""

import argparse
import asyncio
import gc
import os
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import orjson
import structlog

from daemon.config import Settings, load_settings
from daemon.core.events import Event
from daemon.core.portfolio import Portfolio
from daemon.core.values import Region
from daemon.engine.ledger import Ledger
from daemon.lab import oracles, traders
from daemon.lab.day import RAM_DISK
from daemon.lab.loop import run_virtual
from daemon.lab.machine import Machine
from daemon.lab.mix import FaultMix
from daemon.lab.outset import BOTH, Markets, instruments_of
from daemon.lab.venue import Venue
from daemon.lab.witness import Witness
from daemon.profit_books import profit_book
from daemon.sections import RiskSettings, StrategySettings
from daemon.sim import american
from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID, SimulatorOptions
from daemon.sim.universe import LISTINGS
from daemon.store.journal import SqliteJournal
from daemon.wiring import closing_days

FIRST = date(2026, 1, 5)
"""The first day of a year whose trading days are known for both countries."""

EARLY = timedelta(minutes=10)
"""How long before the first open a run begins."""

STEP = 3.0
STOP_LIMIT = 120.0
EXIT_BROKEN = 1


@dataclass
class Figures:
    """What a run came to."""

    days: list[dict[str, Any]] = field(default_factory=list)
    startup: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The one line; memory in MiB, the journal in bytes."""
        days = self.days
        marks = {"start": days[0], "middle": days[len(days) // 2], "end": days[-1]}
        grown = days[-1]["journal_bytes"] - days[0]["journal_bytes"]
        return {
            "days": len(days),
            "first": days[0]["day"],
            "last": days[-1]["day"],
            **{
                name: {key: mark[key] for key in ("day", "rss_mib", "objects", "open_files")}
                for name, mark in marks.items()
            },
            "journal_bytes": days[-1]["journal_bytes"],
            "journal_bytes_a_day": round(grown / max(len(days) - 1, 1)),
            "books_equal_days": sum(each["books_equal"] for each in days),
            **self.counts,
            "startup": self.startup,
            "problems": self.problems,
            "wall_seconds": round(self.seconds, 1),
        }


class Soak:
    """One broker, one machine, one life of the daemon over `days` trading days of `markets`."""

    def __init__(
        self, days: int, markets: Markets, folder: Path, *, pause: float, seed: int = 7
    ) -> None:
        self.settings = settings = _settings(markets, folder, pause=pause, seed=seed)
        home = settings.calendars.of(markets[0])
        first = home.trading_day_on_or_after(FIRST)
        self.ends = _ends(settings, markets[0], first, days)
        options = SimulatorOptions(
            seed=seed,
            start=home.open_at(first) - EARLY,
            regions=frozenset(markets),
            listings=tuple(replace(each, pace=0.01) for each in _KOREAN),
            american_listings=tuple(replace(each, pace=0.01) for each in _AMERICAN),
            cash_usd=Decimal(300_000),
            **closing_days(settings.calendars),
        )
        mix = FaultMix(seed, ())
        self.venue = Venue(options, mix, seed, step=STEP)
        self.witness = Witness(
            clock=asyncio.get_running_loop().time, market_time=self.venue.clock.now
        )
        self.machine = Machine(settings, self.venue, mix, self.witness, seed, latency=0.02)

    async def run(self, told: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Live through all days; `told` hears of each as it ends, and says whether to go on."""
        days: list[dict[str, Any]] = []
        self.venue.start()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.machine.run(), name="machine")
            for day, end in self.ends:
                await asyncio.sleep((end - self.venue.clock.now()).total_seconds())
                days.append(self._look(day))
                if not told(days[-1]):
                    break
            self.machine.stop()
            async with asyncio.timeout(STOP_LIMIT):
                await running
        return days

    def _look(self, day: date) -> dict[str, Any]:
        """Where things stand after a day."""
        desk = self.machine.desk
        problems = ["the daemon does not run"]
        facts = 0
        if desk is not None:
            portfolio, facts = desk.ledger.portfolio, desk.ledger.recorded
            problems = [
                *oracles.same_books(portfolio, self.venue, self.settings.account, ()),
                *oracles.nothing_differs(portfolio, ()),
                *([] if desk.gate.is_open else [f"the gate is shut: {desk.gate.why()}"]),
            ]
        if self.machine.lives != 1:
            problems.append(f"it is its life number {self.machine.lives}")
        path = self.settings.journal_path
        # The lab's own diary, which is of no use here, must not pass for the daemon's growth.
        self.venue.arrivals.clear()
        gc.collect()
        return {
            "day": day.isoformat(),
            "books_equal": not problems,
            "problems": problems,
            "facts": facts,
            "orders": self.witness.counts["place"],
            "rss_mib": round(resident() / 2**20, 1),
            "objects": len(gc.get_objects()),
            "open_files": open_files(),
            "journal_bytes": path.stat().st_size + wal_bytes(path),
        }


def resident() -> int:
    """Bytes of memory that this process holds just now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def open_files() -> int:
    """Files and sockets that this process has open, but for the one that is looked with."""
    return len(os.listdir("/proc/self/fd")) - 1


def wal_bytes(journal: Path) -> int:
    """The size of the write-ahead log."""
    with suppress(FileNotFoundError):
        return Path(f"{journal}-wal").stat().st_size
    return 0


def startup(settings: Settings) -> dict[str, Any]:
    """What a start reads: seconds of this machine to open the journal and fold all of it."""
    began = perf_counter()
    owner = f"{settings.mode}:{settings.account}"
    with SqliteJournal(settings.journal_path, owner=owner) as journal:
        ledger = Ledger(journal, profit=profit_book(settings))
        facts = ledger.recover()
    took = perf_counter() - began
    return {"facts": facts, "orders": len(ledger.portfolio.orders), "seconds": round(took, 3)}


def replayed(settings: Settings) -> tuple[Portfolio, list[Event]]:
    """The books as the journal has them, and all its facts."""
    owner = f"{settings.mode}:{settings.account}"
    portfolio = Portfolio()
    with SqliteJournal(settings.journal_path, owner=owner) as journal:
        facts = list(journal.replay())
    for fact in facts:
        portfolio.apply(fact)
    return portfolio, facts


def soak(
    days: int,
    markets: Markets = BOTH,
    *,
    pause: float = 600.0,
    told: Callable[[dict[str, Any]], bool] = lambda day: True,
) -> Figures:
    """Run one; `pause` is the mean of seconds between two decisions on an instrument.

    `told` hears of each day as it ends, and says whether another is to follow.
    """
    figures, began = Figures(), perf_counter()
    place = str(RAM_DISK) if RAM_DISK.is_dir() else None
    with TemporaryDirectory(prefix="kis-soak-", dir=place) as folder:

        async def live() -> Soak:
            run = Soak(days, markets, Path(folder), pause=pause)
            figures.days = await run.run(told)
            return run

        run = run_virtual(live())
        figures.problems = [
            *(f"{each['day']}: {problem}" for each in figures.days for problem in each["problems"]),
            *run.witness.violations,
        ]
        figures.startup = startup(run.settings)
        counts = run.witness.counts
        figures.counts = {"orders": counts["place"], "cancels": counts["cancel"]}
        figures.counts["requests"] = counts["requests"]
    figures.seconds = perf_counter() - began
    return figures


def _ends(settings: Settings, home: Region, first: date, days: int) -> list[tuple[date, datetime]]:
    """Each trading day of the home market, and when the day is over in all markets."""
    calendar = settings.calendars.of(home)
    found, day = [], first
    for _ in range(days):
        following = calendar.next_trading_day(day)
        # Ahead of the next open everything of the day before has ended, New York's night as well.
        found.append((day, calendar.open_at(following) - EARLY))
        day = following
    return found


_KOREAN = LISTINGS[:2]
_AMERICAN = american.LISTINGS[:2]


def _settings(markets: Markets, folder: Path, *, pause: float, seed: int) -> Settings:
    """The files' own calendars, with a busy trader for each market."""
    base = load_settings("sim", {"data_dir": str(folder)}, environ={}, root=Path.cwd())
    cast = {Region.KR: _KOREAN, Region.US: _AMERICAN}
    strategies = tuple(
        StrategySettings.model_validate(
            {
                "id": f"busy-{region.value.lower()}",
                "class": "daemon.lab.traders:Busy",
                "instruments": instruments_of(cast[region]),
                "parameters": {"seed": seed, "pause": pause, "size": 5},
            }
        )
        for region in markets
    )
    risk = RiskSettings(
        max_order_quantity=500,
        max_order_notional=Decimal(20_000_000),
        max_position_notional=Decimal(30_000_000),
        price_collar=Decimal("0.05"),
        max_orders_per_minute=120,
        **traders.UNLIMITED,
    )
    changes = {
        "markets": markets,
        "strategies": strategies,
        "risk": risk,
        "account": ACCOUNT,
        "hts_id": HTS_ID,
        "app_key": type(base.app_key)(APP_KEY),
        "app_secret": type(base.app_secret)(APP_SECRET),
    }
    return base.model_copy(update=changes)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 1 when something was not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m daemon.lab.soak", description=__doc__)
    parser.add_argument("--days", type=int, default=60, help="trading days of the first market")
    parser.add_argument("--markets", default="KR,US", help="KR, US or KR,US")
    parser.add_argument("--pause", type=float, default=600.0, help="seconds between two decisions")
    parser.add_argument("--minutes", type=float, help="of this machine: no day begins after them")
    parser.add_argument("--json", action="store_true", help="one line of figures")
    given = parser.parse_args(arguments)
    wanted = {Region(each) for each in given.markets.upper().split(",")}
    structlog.configure(
        processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger("critical")
    )

    ends = None if given.minutes is None else perf_counter() + 60.0 * given.minutes

    def told(day: dict[str, Any]) -> bool:
        sys.stderr.write(orjson.dumps(day).decode() + "\n")
        return ends is None or perf_counter() < ends

    markets = tuple(each for each in BOTH if each in wanted)
    figures = soak(given.days, markets, pause=given.pause, told=told).as_dict()
    shown = orjson.dumps(figures, option=0 if given.json else orjson.OPT_INDENT_2)
    sys.stdout.write(shown.decode() + "\n")
    return EXIT_BROKEN if figures["problems"] else 0


def _drop(logger: object, name: str, event: Any) -> Any:
    raise structlog.DropEvent


if __name__ == "__main__":
    sys.exit(main())
