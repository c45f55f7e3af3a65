"""Reading from one dated file to the next, while they are written."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.logs.files import DatedFiles, Retention
from daemon.logs.reading import Reader, Wanted, parsed

NOON = datetime(2026, 1, 5, 3, tzinfo=UTC)


def line(number: int, **more: Any) -> dict[str, Any]:
    stamp = (NOON + timedelta(seconds=number)).isoformat()
    return {"@timestamp": stamp, "log.level": "info", "event.name": "x", "n": number, **more}


def test_it_follows_from_file_to_file_and_reads_each_line_once(tmp_path: Path) -> None:
    now = [NOON]
    files = DatedFiles(tmp_path, lambda: now[0], Retention(max_bytes=400))
    reader = Reader(tmp_path)
    seen: list[int] = []
    for number in range(100):
        files.write(orjson.dumps(line(number)).decode())
        if number % 7 == 0:
            seen += [each["n"] for each in reader.lines()]
        if number == 50:
            now[0] += timedelta(days=1)
    seen += [each["n"] for each in reader.lines()]
    assert seen == list(range(100))
    assert list(reader.lines()) == []
    reader.close()
    files.close()


def test_a_half_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "kis-trader-20260105-0001.jsonl"
    data = orjson.dumps(line(1)) + b"\n"
    path.write_bytes(data[:20])
    reader = Reader(tmp_path)
    assert list(reader.lines()) == []
    with path.open("ab") as file:
        file.write(data[20:])
    assert [each["n"] for each in reader.lines()] == [1]
    reader.close()


def test_files_of_days_before_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "kis-trader-20260104-0001.jsonl").write_bytes(orjson.dumps(line(1)) + b"\n")
    (tmp_path / "kis-trader-20260105-0001.jsonl").write_bytes(orjson.dumps(line(2)) + b"\n")
    reader = Reader(tmp_path, since=NOON)
    assert [each["n"] for each in reader.lines()] == [2]
    reader.close()


def test_an_empty_folder_has_no_lines(tmp_path: Path) -> None:
    assert list(Reader(tmp_path / "none").lines()) == []


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Wanted(), True),
        (Wanted(level="info"), True),
        (Wanted(level="warning"), False),
        (Wanted(event="x"), True),
        (Wanted(event="y"), False),
        (Wanted(event="*"), True),
        (Wanted(event="y*"), False),
        (Wanted(order="7"), True),
        (Wanted(order="8"), False),
        (Wanted(strategy="ma"), True),
        (Wanted(strategy="vb"), False),
        (Wanted(since=NOON), True),
        (Wanted(since=NOON + timedelta(hours=1)), False),
    ],
)
def test_what_is_wanted(wanted: Wanted, takes: bool) -> None:
    assert wanted.takes(line(1, strategy="ma", **{"trace.id": "7"})) is takes


@given(st.binary(max_size=40))
def test_what_is_no_line_of_ours_is_none(data: bytes) -> None:
    assert parsed(data) is None
