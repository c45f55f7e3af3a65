"""`python -m daemon masters`: fetched from a simulator, found by name."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import __main__ as program
from daemon import cli, masters_command
from daemon.config import load_settings
from daemon.kis.masterfiles import MasterFolder
from daemon.kis.masters import BY_NAME
from daemon.sim.universe import LISTINGS
from tests.kis.masterdata import korean, lines, zipped
from tests.test_log import restored

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(ROOT)
    for name in list(os.environ):
        if name.startswith("KIS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    with restored():
        yield


def masters(*words: str) -> int:
    return program.main(["masters", *words])


def test_the_simulators_files_are_fetched_and_searched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--data-dir", str(tmp_path))
    assert masters("search", "삼성", *place) == cli.EXIT_NEEDS_OPERATOR
    assert "masters update" in capsys.readouterr().err
    assert masters("update", "kospi_code.mst", "konex_code.mst", *place) == 0
    shown = capsys.readouterr()
    assert f"{len(LISTINGS)}" in shown.out
    assert "no such file" in shown.out
    assert "kospi_code.mst" in shown.err
    assert masters("search", "삼성", *place) == 0
    assert "005930" in capsys.readouterr().out
    assert masters("search", "삼성", "--json", "--board", "kospi", *place) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["instrument"] for each in found} == {"krx:005930", "krx:006400"}
    assert found[0]["base"] == "72000"
    assert masters("search", "그런것은없다", *place) == cli.EXIT_CRASH


def test_marks_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings("real", {"data_dir": str(tmp_path)}, environ={}, root=ROOT)
    folder = settings.masters_dir
    assert folder == tmp_path / "masters"
    folder.mkdir()
    record = korean("kospi", "000001", "하나", halted="Y", managed="Y", alert="02", preferred="1")
    (folder / BY_NAME["kospi_code.mst"].archive).write_bytes(zipped(lines(record)))
    assert len(MasterFolder(folder).load()) == 1
    assert masters("search", "하나", "--json", "--mode", "real", "--data-dir", str(tmp_path)) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["marks"] == ["거래정지", "관리", "우선주", "투자경고"]
    assert found["tradable"] is False


def test_wrong_names_and_a_silent_host_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert masters("update", "nothing.mst") == cli.EXIT_USAGE
    assert "kospi_code.mst" in capsys.readouterr().err

    def nowhere(path: Path) -> MasterFolder:
        return MasterFolder(path, host="http://127.0.0.1:9")

    monkeypatch.setattr(masters_command, "MasterFolder", nowhere)
    words = ("update", "kospi_code.mst", "--mode", "real", "--data-dir", str(tmp_path))
    assert masters(*words) == cli.EXIT_UNAVAILABLE
