"""Runs worlds: many days of the whole daemon under invented faults, and says what they came to.

python -m daemon.lab.world --seeds 1..100 --faults all --json
python -m daemon.lab.world --seed 42 --trace
"""

import argparse
import multiprocessing
import os
import signal
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from multiprocessing.pool import AsyncResult
from time import perf_counter, process_time
from typing import Any

import orjson
import structlog

from daemon.core.values import Region
from daemon.lab.day import Day, live
from daemon.lab.mix import Fault
from daemon.lab.outset import BOTH, Markets

DAYS_A_PROCESS = 2
"""The dead of a day are never collected: after so many days a process is replaced."""

TRACE_LINES = 30
"""Lines of the trace shown with a violation."""

LINE = 300
"""Letters of a line shown."""

REPORT_DAYS = 50
"""After how many days each a long run says how far it is."""

EXIT_VIOLATED = 1


def run_days(
    seeds: Iterable[int],
    faults: Sequence[Fault] = tuple(Fault),
    *,
    markets: Markets | None = None,
    processes: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> Generator[Day, None, None]:
    """Live through the day of each seed, in the order of the seeds, on all processors.

    They trade in `markets`; `None` leaves that to each seed as well. `prepare` is called first in
    each worker process.
    """
    work = [(seed, tuple(faults), markets) for seed in seeds]
    context = multiprocessing.get_context("fork")
    count = min(processes or os.cpu_count() or 1, max(len(work), 1))
    # Alone, a worker begins no day that may not be asked for any more.
    window = 1 if count == 1 else 2 * count
    lived: deque[AsyncResult[Day]] = deque()
    with context.Pool(count, _begin, (prepare,), maxtasksperchild=DAYS_A_PROCESS) as pool:
        try:
            for each in work:
                lived.append(pool.apply_async(_live, (each,)))
                if len(lived) >= window:
                    yield lived.popleft().get()
            while lived:
                yield lived.popleft().get()
        finally:
            # A pool ended while a worker hands over a day would wait for that worker for ever.
            for day in lived:
                day.wait()


def _begin(prepare: Callable[[], None] | None) -> None:
    # A terminal interrupts every process of the run: the days under way are still handed over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    structlog.configure(
        processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger("critical")
    )
    if prepare is not None:
        prepare()


def _drop(logger: object, name: str, event: Any) -> Any:
    raise structlog.DropEvent


def _live(work: tuple[int, tuple[Fault, ...], Markets | None]) -> Day:
    began = process_time()
    day = live(*work)
    day.seconds = process_time() - began
    return day


class Figures:
    """The sums over many days."""

    def __init__(self) -> None:
        self.days = 0
        self.counts: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.markets: Counter[str] = Counter()
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: list[Day] = []

    def add(self, day: Day) -> None:
        """One more day."""
        self.days += 1
        self.counts.update(day.counts)
        name = ",".join(day.markets)
        self.markets[name] += 1
        self.seconds[name] += day.seconds
        self.struck.update(day.struck)
        if day.violations:
            self.failed.append(day)

    def as_dict(self, seconds: float) -> dict[str, Any]:
        """The one line."""
        counts = self.counts
        return {
            "days": self.days,
            "markets": dict(self.markets),
            "seconds_a_day": {
                name: round(self.seconds[name] / days, 1) for name, days in self.markets.items()
            },
            "orders": counts["OrderSent"],
            "fills": counts["OrderFilled"],
            "doubts": counts["OrderDoubted"],
            "cancels": counts["cancel"],
            "modifies": counts["modify"],
            "requests": counts["requests"],
            "kills": counts["kills"],
            "lives": counts["lives"],
            "faults": {fault.value: self.struck[fault.value] for fault in Fault},
            "violations": sum(len(day.violations) for day in self.failed),
            "failed_seeds": [day.seed for day in self.failed],
            "wall_seconds": round(seconds, 1),
        }


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns 1 when a promise was broken."""
    arguments = _parser().parse_args(argv)
    seeds = [arguments.seed] if arguments.seed is not None else arguments.seeds
    figures, began = Figures(), perf_counter()
    # Whoever ends a long run early is told what it came to.
    with suppress(KeyboardInterrupt):
        for day in run_days(
            seeds, arguments.faults, markets=arguments.markets, processes=arguments.processes
        ):
            figures.add(day)
            _tell(day, trace=arguments.trace, json=arguments.json)
            if figures.days % REPORT_DAYS == 0:
                sys.stderr.write(f"{figures.days} days, {len(figures.failed)} of them broken\n")
    line = figures.as_dict(perf_counter() - began)
    sys.stdout.write(orjson.dumps(line).decode() + "\n" if arguments.json else _in_words(line))
    return EXIT_VIOLATED if figures.failed else 0


def _tell(day: Day, *, trace: bool, json: bool) -> None:
    out = sys.stderr if json else sys.stdout
    if trace:
        out.write("\n".join([*day.trace, f"mix {day.mix}", f"hash {day.digest}"]) + "\n")
    if day.violations:
        where = ",".join(day.markets)
        out.write(f"seed {day.seed} ({where}) breaks {len(day.violations)} promises; ")
        out.write(f"its mix: {day.mix}\n")
        out.writelines(f"  {each[:LINE]}\n" for each in day.violations[:20])
        if not trace:
            out.writelines(f"    {each[:LINE]}\n" for each in _around_first(day))


def _around_first(day: Day) -> list[str]:
    """The part of the trace that leads up to the first violation."""
    marks = [at for at, line in enumerate(day.trace) if " VIOLATION " in line]
    end = marks[0] + 1 if marks else len(day.trace)
    return day.trace[max(0, end - TRACE_LINES) : end]


def _in_words(line: dict[str, Any]) -> str:
    faults = ", ".join(f"{name} {count}" for name, count in line["faults"].items() if count)
    return (
        f"{line['days']} days, {line['orders']} orders, {line['fills']} fills, "
        f"{line['doubts']} doubts, {line['kills']} kills in {line['wall_seconds']} s\n"
        f"faults: {faults or 'none'}\n"
        f"violations: {line['violations']} {line['failed_seeds'] or ''}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m daemon.lab.world", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seeds", type=_seeds, help="a range such as 1..100")
    which.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--faults", type=_faults, default=tuple(Fault), help="all, none or names")
    parser.add_argument(
        "--markets", type=_markets, help="KR, US or KR,US for every seed, which else draws its own"
    )
    parser.add_argument("--trace", action="store_true", help="show everything that happened")
    parser.add_argument("--json", action="store_true", help="one line of figures as JSON")
    parser.add_argument("--processes", type=int, help="as many as there are processors")
    return parser


def _seeds(text: str) -> range:
    first, dots, last = text.partition("..")
    return range(int(first), int(last if dots else first) + 1)


def _markets(text: str) -> Markets:
    chosen = {Region(each) for each in text.upper().split(",")}
    if not chosen <= {*BOTH}:
        raise ValueError(f"no world trades in {text}")
    return tuple(each for each in BOTH if each in chosen)


def _faults(text: str) -> tuple[Fault, ...]:
    if text in ("all", "none"):
        return tuple(Fault) if text == "all" else ()
    return tuple(Fault(name) for name in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
