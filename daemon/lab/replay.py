"""Plays tapes back: the real decoder, desk and strategies, on the tape's own time.

python -m daemon.lab.replay var/real/tape/tape-20261102-001.jsonl.gz
python -m daemon.lab.replay var/virtual/tape --mode virtual --strategies ma-cross --speed 60 --json
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson

from daemon import log
from daemon.config import Mode, Settings, load_settings
from daemon.core.calendar import KST
from daemon.core.costs import CostCeilings
from daemon.core.events import Event, OrderIntent
from daemon.core.orders import Order
from daemon.core.risk import Denied
from daemon.core.values import AccountId, StrategyId
from daemon.engine.desk import TradingDesk
from daemon.engine.host import RunState
from daemon.engine.ledger import Ledger
from daemon.engine.routine import desk_timetable
from daemon.faults import SettingsError
from daemon.lab.loop import run_virtual
from daemon.lab.tapes import ACCOUNT, Figures, TapeBroker, TapeClock, TapeFeed
from daemon.ports import Checkpoint
from daemon.store.tapefile import TapeFrame, read_tape, tapes_by_day
from daemon.strategy import Strategy, StrategyContext

STOP_PATIENCE = 0.5
LAST_WORDS = 1.0
"""Seconds strategies get to act on the last frame."""

SHOWN = 20
"""Intents of a strategy shown to a person."""

EXIT_FAULTED = 1
EXIT_USAGE = 2
EXIT_SETTINGS = 78


class Intent(NamedTuple):
    """What a strategy wanted, when on the tape, and the rule that forbade it, empty for none."""

    at: datetime
    intent: OrderIntent
    denied: str

    def as_dict(self) -> dict[str, Any]:
        """For the summary."""
        wish = self.intent
        return {
            "at": self.at,
            "side": wish.side,
            "instrument": wish.instrument,
            "quantity": wish.quantity,
            "limit": None if wish.limit is None else str(wish.limit),
            "reason": wish.reason,
            "denied": self.denied,
        }


class _NoJournal:
    """`ports.Journal`: the books of a replay end with it."""

    def append(self, events: Sequence[Event]) -> None:
        """See `Journal.append`."""

    def replay(self) -> Iterable[Event]:
        """See `Journal.replay`."""
        return ()

    def probe(self) -> None:
        """See `Journal.probe`."""

    def checkpoint(self) -> None:
        """See `Journal.checkpoint`."""

    def compact(self, checkpoint: Checkpoint) -> None:
        """See `Journal.compact`."""


class _Overheard(Strategy):
    """A strategy whose intents are written down as it submits them."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner.parameters)
        self.intents: list[Intent] = []
        self.listens = asyncio.Event()
        self._inner = inner

    async def run(self, context: StrategyContext) -> None:
        """See `Strategy.run`."""
        self.listens.set()
        await self._inner.run(cast(StrategyContext, _Overhearing(context, self.intents)))


class _Overhearing:
    """A context that listens at `submit`, and is the strategy's own in everything else."""

    def __init__(self, context: StrategyContext, intents: list[Intent]) -> None:
        self._context = context
        self._intents = intents

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def submit(self, *intents: OrderIntent) -> tuple[Order | Denied, ...]:
        """See `StrategyContext.submit`."""
        at = self._context.now()
        answers = await self._context.submit(*intents)
        for intent, answer in zip(intents, answers, strict=True):
            denied = answer.rule.value if isinstance(answer, Denied) else ""
            self._intents.append(Intent(at, intent, denied))
        return answers


class Replay:
    """Plays tapes, in the order given, to the strategies of `settings`.

    `speed` is tape seconds a second of the loop's. The account has the simulator's cash and no
    shares. Raises `SettingsError`.
    """

    def __init__(self, settings: Settings, tapes: Sequence[Path], *, speed: float = 1.0) -> None:
        self.figures = Figures()
        self.desk: TradingDesk | None = None
        self._settings = settings
        self._tapes = tapes
        self._speed = speed
        self._limits = settings.risk_limits
        self._slots = settings.strategy_slots
        self._heard = {slot.id: _Overheard(slot.strategy) for slot in self._slots}

    async def run(self) -> None:
        """Play to the end; what it came to is in `summary`, also when it is cancelled midway."""
        frames = self._read()
        first = next(frames, None)
        if first is None:
            return
        clock = TapeClock(first.at, self._speed)
        feed = TapeFeed(chain((first,), frames), clock, self.figures, speed=self._speed)
        account = AccountId(self._settings.account or ACCOUNT)
        broker = TapeBroker(account, self._settings.sim.cash, clock)
        desk = self.desk = TradingDesk(
            broker=broker,
            market_data=broker,
            feed=feed,
            ledger=Ledger(_NoJournal()),
            slots=[replace(slot, strategy=self._heard[slot.id]) for slot in self._slots],
            limits=self._limits,
            calendars=self._settings.calendars,
            ceilings=CostCeilings(self._settings.costs.tariffs()),
            clock=clock,
            rates=self._settings.exchange_rates,
        )
        desk.recover(must_be_armed=False, armed=False)
        async with asyncio.TaskGroup() as services:
            tasks = [
                services.create_task(desk.executor.run(), name="executor"),
                services.create_task(feed.run(desk.on_feed), name="feed"),
            ]
            await desk.start(accept_broker_books=False)
            tasks.append(services.create_task(desk.reconciliation.run(), name="inquiries"))
            tasks.append(services.create_task(desk.host.run(), name="strategies"))
            for strategy in self._heard.values():
                await strategy.listens.wait()
            timetable = desk_timetable(
                desk, access=None, calendars=self._settings.calendars, clock=clock
            )
            tasks.append(services.create_task(timetable.run(), name="timetable"))
            feed.play()
            await feed.over.wait()
            await asyncio.sleep(LAST_WORDS)
            await desk.host.stop(STOP_PATIENCE)
            for task in tasks:
                task.cancel()

    @property
    def intents(self) -> dict[StrategyId, list[Intent]]:
        """What each strategy wanted to do, in order."""
        return {name: strategy.intents for name, strategy in self._heard.items()}

    def summary(self) -> dict[str, Any]:
        """Everything there is to tell, ready for JSON."""
        figures = self.figures
        status = {} if self.desk is None else self.desk.host.status
        return {
            "tapes": [str(path) for path in self._tapes],
            "first": figures.first,
            "last": figures.last,
            "frames": figures.frames,
            "events": dict(sorted(figures.events.items())),
            "control": figures.control,
            "sealed": figures.sealed,
            "undecodable": figures.undecodable,
            "lost": figures.lost,
            "reconnects": figures.reconnects,
            "gaps": [
                {"from": since, "until": until, "seconds": (until - since).total_seconds()}
                for since, until in figures.gaps
            ],
            "torn": figures.torn,
            "conflated": 0 if self.desk is None else self.desk.hub.stats.conflated,
            "strategies": {
                name: {
                    "state": status[name].state if name in status else RunState.WAITING,
                    "cause": status[name].cause if name in status else "",
                    "intents": [each.as_dict() for each in intents],
                }
                for name, intents in self.intents.items()
            },
            "wall_seconds": round(figures.seconds, 3),
            "frames_per_second": round(figures.frames / (figures.seconds or 1.0)),
        }

    def _read(self) -> Iterator[TapeFrame]:
        """All frames; where a tape is torn, the next one goes on."""
        for path in self._tapes:
            reading = read_tape(path)
            try:
                yield from reading
            except OSError as error:
                reading.torn = str(error)
            self.figures.lost += reading.lost
            if reading.torn:
                self.figures.torn[str(path)] = reading.torn


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns 1 when a strategy failed."""
    arguments = parser().parse_args(argv)
    chosen = {"strategies": arguments.strategies, "config": arguments.config}
    try:
        tapes = [each for path in arguments.tapes for each in _tapes(path)]
        settings = load_settings(arguments.mode, chosen, environ=os.environ, root=Path.cwd())
        log.configure(level=arguments.log_level, stream=sys.stderr, secrets=settings.secrets())
        replay = Replay(settings, tapes, speed=arguments.speed or 1.0)
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE if isinstance(error, OSError) else EXIT_SETTINGS
    try:
        if arguments.speed:
            asyncio.run(replay.run())
        else:
            run_virtual(replay.run())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: this is what was played so far\n")
    summary = replay.summary()
    sys.stdout.write(orjson.dumps(summary).decode() + "\n" if arguments.json else _words(summary))
    states = [each["state"] for each in summary["strategies"].values()]
    return EXIT_FAULTED if RunState.FAULTED in states else 0


def _tapes(path: Path) -> list[Path]:
    """A file, or all tapes of a folder from the oldest on; raises `OSError`."""
    if path.is_dir():
        return [each for day in tapes_by_day(path).values() for each in day.values()]
    path.stat()
    return [path]


def _words(summary: dict[str, Any]) -> str:
    events = ", ".join(f"{name} {count}" for name, count in summary["events"].items())
    lines = [
        f"{summary['frames']} frames from {_local(summary['first'])} to {_local(summary['last'])}",
        f"events: {events or 'none'}",
        f"control {summary['control']}, sealed {summary['sealed']}, "
        f"undecodable {summary['undecodable']}, lost {summary['lost']}, "
        f"reconnects {summary['reconnects']}, conflated {summary['conflated']}",
        *(
            f"gap of {each['seconds']:.0f} s from {_local(each['from'])}"
            for each in summary["gaps"]
        ),
        *(f"torn: {path}: {why}" for path, why in summary["torn"].items()),
    ]
    for name, each in summary["strategies"].items():
        intents = each["intents"]
        lines.append(f"{name}: {each['state']}, {len(intents)} intents {each['cause']}".rstrip())
        for wish in intents[:SHOWN]:
            limit, denied = wish["limit"] or "market", wish["denied"] and f" ({wish['denied']})"
            lines.append(
                f"  {_local(wish['at'])} {wish['side']} {wish['quantity']} {wish['instrument']} "
                f"at {limit}: {wish['reason']}{denied}"
            )
        if len(intents) > SHOWN:
            lines.append(f"  and {len(intents) - SHOWN} more: --json shows all")
    lines.append(f"{summary['wall_seconds']} s, {summary['frames_per_second']} frames a second")
    return "\n".join(lines) + "\n"


def _local(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(KST):%Y-%m-%d %H:%M:%S.%f}"


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    made = argparse.ArgumentParser(prog="python -m daemon.lab.replay", description=__doc__)
    made.add_argument("tapes", nargs="+", type=Path, help="files, or folders of tapes, in order")
    made.add_argument("--speed", type=_speed, default=0.0, help="times real time; 0: no waiting")
    made.add_argument("--mode", choices=list(Mode), default=Mode.SIM, help="whose settings")
    made.add_argument("--strategies", type=_names, metavar="A,B", help="ids, or module:Class")
    made.add_argument("--config", metavar="FILE", help="settings on top of config/<mode>.yaml")
    made.add_argument("--json", action="store_true", help="one line of JSON")
    made.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="error")
    return made


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 <= speed < float("inf"):
        raise ValueError(text)
    return speed


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


if __name__ == "__main__":
    sys.exit(main())
