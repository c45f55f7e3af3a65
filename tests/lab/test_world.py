"""Worlds are the same on every run, keep every promise, and tell how to live one again."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pytest

from daemon.lab import world
from daemon.lab.day import Day
from daemon.lab.mix import Fault
from daemon.lab.outset import KOREA, Markets
from daemon.lab.world import EXIT_VIOLATED, Figures, main, run_days
from tests.lab.seeds import REMEMBERED

ROOT = Path(__file__).parents[2]
FRESH = 4
CHEAP = 4
"""A seed whose day is short and has many faults."""


def fresh_seeds() -> list[int]:
    """Other seeds for every commit; the same ones where there is no history."""
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    commit = int(asked.stdout, 16) if asked.returncode == 0 else 20261123
    return [(commit + number * 7919) % 1_000_003 for number in range(FRESH)]


def test_days_of_new_seeds_and_of_those_that_once_failed_keep_every_promise() -> None:
    broken = []
    struck: Counter[str] = Counter()
    days = chain(run_days(fresh_seeds()), run_days(REMEMBERED, markets=KOREA))
    for day in days:
        struck.update(day.struck)
        broken += [
            f"seed {day.seed}: {each}\n  python -m daemon.lab.world --seed {day.seed} "
            f"--markets {','.join(day.markets)} --trace"
            for each in day.violations
        ]
    assert broken == [], "\n".join(broken)
    assert len(struck) > len(Fault) // 2, "most kinds of faults struck"


def test_a_seed_is_the_same_day_in_every_process() -> None:
    command = [sys.executable, "-m", "daemon.lab.world", "--seed", str(CHEAP), "--trace"]
    runs = [
        subprocess.Popen(
            [*command, "--processes", "1"],
            cwd=ROOT,
            env={"PYTHONHASHSEED": salt, "PATH": ""},
            stdout=subprocess.PIPE,
            text=True,
        )
        for salt in ("1", "77")
    ]
    told = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    hashes = [[line for line in each.splitlines() if line.startswith("hash ")] for each in told]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 1
    assert "fault" in told[0]


def lived(seed: int, faults: tuple[Fault, ...], markets: Markets | None = None) -> Day:
    """Stands in for a day: what becomes of it is not the matter here."""
    day = Day(
        seed=seed, markets=markets or KOREA, digest="cafe", counts=Counter(OrderSent=2, kills=seed)
    )
    day.struck.update({fault.value: 1 for fault in faults[:1]})
    day.trace = [f"1.0 line {number}" for number in range(100)]
    if seed == 13:
        day.violations = ["9.0 s: a promise"]
        day.trace[90] = "9.0 VIOLATION a promise"
    return day


@pytest.fixture
def short_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "live", lived)


@pytest.mark.usefixtures("short_days")
def test_days_come_in_the_order_of_their_seeds() -> None:
    seeds = [5, 3, 9, 1, 7, 20, 11, 4, 2, 30, 8]
    assert [day.seed for day in run_days(seeds, processes=2)] == seeds
    assert list(run_days([])) == []


def lived_long(seed: int, faults: tuple[Fault, ...], markets: Markets | None) -> Day:
    """A day whose trace is larger than any pipe between processes holds."""
    return Day(seed=seed, trace=["x" * 1000] * 1000)


@pytest.mark.parametrize("processes", [1, 2])
def test_who_has_seen_enough_days_is_not_kept_waiting(
    processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "live", lived_long)
    for _ in range(10):
        days = run_days(range(20), processes=processes)
        assert next(days).seed == 0
        days.close()


ENDLESS = """
import sys, time
from daemon.lab import world
from daemon.lab.day import Day

def live(seed, faults, markets):
    sys.stderr.write("begun\\n")
    sys.stderr.flush()
    time.sleep(0.2)
    return Day(seed=seed)

world.live = live
sys.exit(world.main(["--seeds", "1..100000", "--processes", "2", "--json"]))
"""


def test_whoever_interrupts_many_days_is_told_what_they_came_to() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert run.stderr is not None
        assert [run.stderr.readline() for _ in range(8)] == ["begun\n"] * 8
        # As a terminal does it: to every process of the run.
        os.killpg(run.pid, signal.SIGINT)
        told, _ = run.communicate(timeout=60)
        assert run.returncode == 0
        assert json.loads(told)["days"] > 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


@pytest.mark.usefixtures("short_days")
def test_one_line_of_figures_sums_the_days(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1..3", "--faults", "outage,crash", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["days"], line["orders"], line["kills"]) == (3, 6, 6)
    assert (line["violations"], line["failed_seeds"]) == (0, [])
    assert line["faults"]["outage"] == 3
    assert set(line["faults"]) == {fault.value for fault in Fault}


@pytest.mark.usefixtures("short_days")
def test_a_long_run_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "14..113", "--json", "--processes", "1"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told == ["50 days, 0 of them broken", "100 days, 0 of them broken"]


@pytest.mark.usefixtures("short_days")
def test_a_broken_promise_is_told_with_its_seed_and_what_led_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--seeds", "12..13", "--faults", "none", "--processes", "1"]) == EXIT_VIOLATED
    told = capsys.readouterr().out
    assert "seed 13 (KR) breaks 1 promises" in told
    assert "9.0 s: a promise" in told
    assert "line 89" in told
    assert "line 91" not in told
    assert "violations: 1 [13]" in told

    assert main(["--seed", "13", "--json"]) == EXIT_VIOLATED
    captured = capsys.readouterr()
    assert json.loads(captured.out)["failed_seeds"] == [13]
    assert "seed 13" in captured.err


def test_a_run_that_is_ended_early_tells_what_it_came_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(seeds: range, *args: object, **options: object) -> Iterator[Day]:
        for seed in seeds:
            if seed == 3:
                raise KeyboardInterrupt
            yield lived(seed, ())

    monkeypatch.setattr(world, "run_days", interrupted)
    assert main(["--seeds", "1..9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["days"] == 2


@pytest.mark.usefixtures("short_days")
def test_a_trace_is_shown_in_full_with_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "2", "--trace"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "1.0 line 0"
    assert "hash cafe" in told


@pytest.mark.parametrize(
    "given", [[], ["--seed", "x"], ["--seed", "1", "--faults", "typhoon"], ["--seeds", "1..x"]]
)
def test_what_is_no_seed_and_no_fault_is_refused(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(given)
    assert refusal.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_figures_of_no_days_are_nothing() -> None:
    line = Figures().as_dict(0.04)
    assert (line["days"], line["wall_seconds"], line["failed_seeds"]) == (0, 0.0, [])
