"""The outer ring: some minutes of it, and that a seed is one run wherever it runs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon.lab import outer
from daemon.lab.outer import FAULTS, Plan, main, run_seed

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_promises_hold_over_the_real_transports(seed: int) -> None:
    outcome = run_seed(seed, minutes=8)
    assert outcome.violations == [], "\n".join(outcome.trace[-60:])
    assert outcome.figures["OrderFilled"] > 0
    assert outcome.figures["connections"] > 5


def test_a_seed_is_one_run_in_any_process() -> None:
    def told(hash_seed: str) -> dict[str, Any]:
        ran = subprocess.run(
            [sys.executable, "-m", "daemon.lab.outer", "--seeds", "2", "--minutes", "3", "--json"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=False,
        )
        figures: dict[str, Any] = orjson.loads(ran.stdout)
        assert ran.returncode == 0, ran.stderr.decode()
        return {name: value for name, value in figures.items() if "seconds" not in name}

    assert told("1") == told("2")


def test_a_broken_promise_is_told_with_its_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*books: object) -> Iterator[str]:
        yield "cash 1, at the exchange 2"

    monkeypatch.setattr(outer, "audit", broken)
    assert main(["--seeds", "5", "--minutes", "0", "--lines", "3", "--json"]) == 1
    told = capsys.readouterr()
    assert "seed 5: cash 1, at the exchange 2" in told.err
    assert orjson.loads(told.out)["violations"] == 1


def test_plans_differ_and_name_faults_that_exist() -> None:
    plans = [Plan.draw(seed) for seed in range(50)]
    assert len({plan.faults for plan in plans}) > 40
    assert {fault for plan in plans for fault in plan.faults} == set(FAULTS)
    assert Plan.draw(7) == plans[7]
