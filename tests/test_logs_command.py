"""`python -m daemon logs`: from files and from journald, in both forms."""

import argparse
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon import __main__ as program
from daemon import logs_command
from daemon.clock import WallClock

NOON = datetime(2026, 1, 5, 3, tzinfo=UTC)


def line(number: int, **more: Any) -> dict[str, Any]:
    stamp = (NOON + timedelta(hours=number)).isoformat()
    basic = {
        "@timestamp": stamp,
        "log.level": "info",
        "message": "",
        "event.name": f"event_{number}",
    }
    return {**basic, "log.logger": "app", "event.sequence": number, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "real" / "logs"
    found.mkdir(parents=True)
    lines = [
        line(1),
        line(2, strategy="ma", order="7", **{"trace.id": "7", "log.level": "warning"}),
        line(20, note="삼성"),
    ]
    for day, some in (("20260105", lines[:2]), ("20260106", lines[2:])):
        path = found / f"kis-trader-{day}-0001.jsonl"
        path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in some))
    return tmp_path


def logs(folder: Path, *words: str) -> int:
    return program.main(["logs", "--data-dir", str(folder), *words])


def test_people_see_days_times_of_seoul_and_fields(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert logs(folder) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "── 2026-01-05 KST ──"
    assert shown[1].startswith("13:00:00 event_1")
    assert shown[3] == "── 2026-01-06 KST ──"
    assert shown[4] == f"08:00:00 {'event_20':28} logger=app note=삼성"


@pytest.mark.parametrize(
    ("words", "events"),
    [
        (["--order", "7"], ["event_2"]),
        (["--strategy", "ma"], ["event_2"]),
        (["--level", "warning"], ["event_2"]),
        (["--event", "event_2*"], ["event_2", "event_20"]),
        (["--since", "2026-01-06T00:00"], ["event_20"]),
        (["--lines", "1"], ["event_20"]),
    ],
)
def test_what_is_asked_for_is_shown_as_it_was_written(
    folder: Path, words: list[str], events: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert logs(folder, "--json", *words) == 0
    told = [orjson.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["event.name"] for each in told] == events


def test_a_missing_folder_and_odd_times_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert logs(tmp_path) == 2
    assert "--data-dir" in capsys.readouterr().err
    assert logs(tmp_path, "--since", "yesterday") == 2
    assert "2026-11-02T09:00" in capsys.readouterr().err


def test_a_time_ago_counts_from_now_and_a_time_is_of_seoul() -> None:
    ago = WallClock().now() - logs_command.instant("2h")
    assert abs(ago - timedelta(hours=2)) < timedelta(minutes=1)
    assert logs_command.instant("2026-01-06T00:00") == datetime(2026, 1, 5, 15, tzinfo=UTC)
    with pytest.raises(argparse.ArgumentTypeError):
        logs_command.instant("soon")


def test_journald_is_asked_for_the_unit_and_its_entries_are_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a `journalctl` that writes what the real one writes, and down what it was asked."""
    ours = orjson.dumps(line(3, note="삼성")).decode()
    entries = [
        {"MESSAGE": ours, "PRIORITY": "6"},
        {"MESSAGE": list(ours.encode()), "PRIORITY": "6"},
        {
            "MESSAGE": "Started the daemon.",
            "PRIORITY": "3",
            "SYSLOG_IDENTIFIER": "systemd",
            "__REALTIME_TIMESTAMP": str(int(NOON.timestamp() * 1_000_000)),
        },
    ]
    (tmp_path / "told").write_bytes(b"\n".join(map(orjson.dumps, entries)) + b"\nnoise\n")
    journalctl = tmp_path / "journalctl"
    journalctl.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {tmp_path}/told\n', encoding="utf-8"
    )
    journalctl.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert program.main(["logs", "--journal", "kis.service", "--json", "--order", ""]) == 0
    told = [orjson.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert told[0] == told[1] == line(3, note="삼성")
    assert told[2] == {
        "@timestamp": NOON.isoformat(),
        "log.level": "error",
        "message": "Started the daemon.",
        "event.name": "library_message",
        "log.logger": "systemd",
    }
    assert (tmp_path / "asked").read_text().split() == [
        *("--output=json", "--no-pager", "--unit=kis.service", "--lines=100"),
    ]


def test_without_systemd_there_is_no_journal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program.main(["logs", "--journal", "kis.service"]) == 2
    assert "systemd" in capsys.readouterr().err
