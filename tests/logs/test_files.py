"""Dated files: whole lines, never renamed or cut, whatever the disk does."""

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from daemon.logs.files import DatedFiles, Retention, log_files

NOON = datetime(2026, 1, 5, 3, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


def names(folder: Path) -> list[str]:
    return [each.path.name for each in log_files(folder)]


def text(folder: Path) -> list[str]:
    return [line for each in log_files(folder) for line in each.path.read_text().splitlines()]


def test_lines_go_to_a_file_of_the_day_in_seoul_that_only_we_may_read(tmp_path: Path) -> None:
    clock = Clock()
    files = DatedFiles(tmp_path / "logs", clock.now, Retention())
    files.write("하나")
    clock.at = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
    files.write("둘")
    files.close()
    assert names(tmp_path / "logs") == [
        "kis-trader-20260105-0001.jsonl",
        "kis-trader-20260106-0001.jsonl",
    ]
    assert text(tmp_path / "logs") == ["하나", "둘"]
    for each in log_files(tmp_path / "logs"):
        assert stat.S_IMODE(each.path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


def test_a_folder_that_the_group_may_read_has_files_that_it_may_read(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o750)
    before = os.umask(0o077)
    try:
        files = DatedFiles(folder, Clock().now, Retention(max_bytes=1))
        files.write("one")
        files.write("two")
        files.close()
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(each.path.stat().st_mode) for each in log_files(folder)]
    assert modes == [0o640, 0o640]


def test_a_full_file_is_left_as_it_is_and_another_begins(tmp_path: Path) -> None:
    files = DatedFiles(tmp_path, Clock().now, Retention(max_bytes=100))
    inodes: dict[str, int] = {}
    for number in range(50):
        files.write(f"{number:020}")
        for each in log_files(tmp_path):
            inodes.setdefault(each.path.name, each.path.stat().st_ino)
    files.close()
    assert text(tmp_path) == [f"{number:020}" for number in range(50)]
    assert len(names(tmp_path)) == 10
    assert {each.path.name: each.path.stat().st_ino for each in log_files(tmp_path)} == inodes
    assert [each.number for each in log_files(tmp_path)] == list(range(1, 11))
    assert names(tmp_path) == sorted(names(tmp_path)), "a shipper sorts them by name"


def test_another_start_goes_on_in_the_file_of_the_day_after_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "kis-trader-20260105-3.jsonl"
    path.write_text('{"half": ')
    files = DatedFiles(tmp_path, Clock().now, Retention())
    files.write("whole")
    files.close()
    assert path.read_text() == '{"half": \nwhole\n'


def test_two_that_write_at_once_keep_every_line_whole(tmp_path: Path) -> None:
    def write(who: str) -> None:
        files = DatedFiles(tmp_path, Clock().now, Retention(max_bytes=200_000))
        for number in range(500):
            files.write(f"{who}{number:03}" * 500)
        files.close()

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(write, "ab"))
    # One that opens a file while the other writes may end a line that is not torn.
    lines = [line for line in text(tmp_path) if line]
    assert sorted(lines) == sorted(
        f"{who}{number:03}" * 500 for who in "ab" for number in range(500)
    )
    assert all(each.path.stat().st_size < 210_000 for each in log_files(tmp_path))


def test_another_start_takes_no_line_of_one_that_still_writes(tmp_path: Path) -> None:
    first = DatedFiles(tmp_path, Clock().now, Retention())
    second = DatedFiles(tmp_path, Clock().now, Retention())
    for files in (first, second, first, second):
        files.write(f"line {len(text(tmp_path))}")
    first.close()
    second.close()
    assert text(tmp_path) == [f"line {number}" for number in range(4)]


def test_old_files_go_by_count_and_age_and_nothing_else_goes(tmp_path: Path) -> None:
    other = tmp_path / "kis-trader-notes.txt"
    other.write_text("mine")
    for age in (1, 2, 3, 40, 41):
        day = date(2026, 1, 5) - timedelta(days=age)
        (tmp_path / f"kis-trader-{day:%Y%m%d}-0001.jsonl").write_text("old\n")
    files = DatedFiles(tmp_path, Clock().now, Retention(keep_files=3, keep_days=30))
    files.write("new")
    files.close()
    assert names(tmp_path) == [
        "kis-trader-20260103-0001.jsonl",
        "kis-trader-20260104-0001.jsonl",
        "kis-trader-20260105-0001.jsonl",
    ]
    assert other.exists()


def test_a_file_deleted_under_us_is_begun_again(tmp_path: Path) -> None:
    files = DatedFiles(tmp_path, Clock().now, Retention())
    files.write("gone")
    log_files(tmp_path)[0].path.unlink()
    files.write("kept")
    files.close()
    assert text(tmp_path) == ["kept"]


def test_without_a_new_file_the_old_one_is_used(tmp_path: Path) -> None:
    clock = Clock()
    folder = tmp_path / "logs"
    files = DatedFiles(folder, clock.now, Retention())
    files.write("one")
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    folder.write_text("no folder can be made here")
    clock.at += timedelta(days=1)
    files.write("two")
    files.close()
    assert text(moved) == ["one", "two"]


def test_without_any_file_every_line_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    files = DatedFiles(tmp_path / "logs", Clock().now, Retention())
    with pytest.raises(OSError, match="logs"):
        files.write("lost")


class Disk:
    """A disk with so much room: it takes a part of what does not fit, then nothing."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(self.room, len(data))
        self.room -= taken
        return self._write(descriptor, data[:taken])


@pytest.mark.parametrize("room", range(24))
def test_a_full_disk_loses_whole_lines_and_completes_torn_ones(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(room)
    monkeypatch.setattr("daemon.logs.files.os.write", disk.write)
    files = DatedFiles(tmp_path, Clock().now, Retention())
    kept = []
    for number in range(12):
        if number == 6:
            disk.room = 7
        if number == 9:
            disk.room = 10_000
        line = f"line{number:02}"
        with suppress(OSError):
            files.write(line)
            kept.append(line)
    files.close()
    assert text(tmp_path) == kept
    assert {"line09", "line10", "line11"} <= set(kept)
    assert len(kept) < 12
