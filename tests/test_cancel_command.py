"""The command line of the emergency; tests/e2e/test_cancel_all.py runs it against a broker."""

import shutil
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.cancel_command import main as cancel_all

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    for name in ("CREDENTIALS_DIRECTORY", "KIS_REST_URL", "KIS_APP_KEY", "KIS_DEVLP_YAML"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_built_in_simulator_leaves_nothing_open(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cancel-all", "--mode", "sim"]) == 0
    assert "no order is open anywhere" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["virtual", "real"])
def test_without_keys_a_person_must_act(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cancel_all(["--mode", mode]) == 78
    said = capsys.readouterr().err
    assert "KIS_APP_KEY" in said
    assert "risk" not in said, "limits are none of its business"


def test_settings_that_are_wrong_are_told_and_done_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("no_such: 1\nstrategies: [{id: x, class: 'gone:Gone'}]\n", encoding="utf-8")
    assert cancel_all(["--mode", "sim", "--config", str(wrong)]) == 0
    assert "no_such" in capsys.readouterr().err
    (tmp_path / "config" / "sim.yaml").write_text("no_such_either: 1\n", encoding="utf-8")
    assert cancel_all(["--mode", "sim"]) == 78
    assert "no_such_either" in capsys.readouterr().err


def test_its_flags_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert cancel_all(["--wait", "soon"]) == 2
    assert cancel_all(["--help"]) == 0
    shown = capsys.readouterr().out
    for code in ("0 ", "69 ", "75 ", "78 "):
        assert code in shown
