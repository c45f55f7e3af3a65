"""Every defence of the daemon is missed by a world once it is gone."""

import json

import pytest

from daemon.clock import MarketClock
from daemon.lab.mix import Fault
from tests.lab.mutants import (
    EXIT_SURVIVED,
    MUTANTS,
    Mutant,
    find,
    first_violation,
    main,
    shorten_days,
)

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}

HEALTHY = (
    "orders are sent again",
    "a reset means not sent",
    "a late heartbeat sets the clock back",
    "one list ends a doubt by a lagging list",
)
"""Mutants whose days are lived through by a daemon as it should be, too."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_missing_defence_is_found(mutant: Mutant) -> None:
    found = find(mutant)
    assert found is not None, f"seeds {mutant.seeds} do not miss: {mutant.defence}"
    assert found.seed in mutant.seeds
    assert found.violation


def test_every_fault_is_the_main_one_of_a_mutant() -> None:
    assert {mutant.faults[0] for mutant in MUTANTS if mutant.faults} == set(Fault)
    assert len(BY_NAME) == len(MUTANTS), "a name has one mutant"


@pytest.mark.parametrize("name", HEALTHY)
def test_it_is_the_missing_defence_that_is_found(name: str) -> None:
    healthy = BY_NAME[name]._replace(seeds=BY_NAME[name].seeds[:1])
    assert first_violation(healthy, shorten_days) is None


def test_the_command_tells_a_row_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "frame-cut"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["fault"], row["seeds_until_found"]) == ("frame-cut", 1)
    assert "BadData" in row["violation"]


def test_the_command_fails_when_a_mutant_survives(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    harmless = Mutant("nothing", "nothing at all", (), lambda: None, range(1, 2))
    monkeypatch.setattr("tests.lab.mutants.MUTANTS", (harmless,))
    assert main([]) == EXIT_SURVIVED
    assert "NOT FOUND" in capsys.readouterr().out


def test_patches_stay_in_the_processes_of_their_worlds() -> None:
    before = MarketClock.heard
    assert find(BY_NAME["a late heartbeat sets the clock back"]) is not None
    assert MarketClock.heard is before
