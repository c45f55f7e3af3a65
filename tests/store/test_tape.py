"""The tape: what is recorded is found again, whatever the disk does, and no secret with it."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon.core.calendar import KST
from daemon.store import tape as tape_module
from daemon.store.tape import TapeSettings, TapeWriter
from daemon.store.tapefile import TapeFrame, TapeReading, read_tape, tapes_by_day
from tests.store.test_tapefile import ANSWER, IV, KEY

ROOT = Path(__file__).parents[2]
NINE = datetime(2026, 11, 2, 9, 0, tzinfo=KST).astimezone(UTC)
MIDNIGHT = datetime(2026, 11, 3, 0, 0, tzinfo=KST).astimezone(UTC)
FOREVER = TapeSettings(keep_days=0, keep_free_mib=0)
FULL = OSError(errno.ENOSPC, "No space left on device")


@dataclass
class Disk:
    """A disk with so much room left in bytes; `None` for plenty. What fits is really written."""

    room: int | None = None
    error: OSError = field(default_factory=lambda: FULL)
    synced: int = 0
    most: int = 1 << 30
    tries: int = 0

    def write(self, descriptor: int, data: bytes) -> int:
        self.tries += 1
        fits = len(data) if self.room is None else min(self.room, len(data))
        if data and not fits:
            raise self.error
        written = os.write(descriptor, data[: min(fits, self.most)])
        if self.room is not None:
            self.room -= written
        return written

    def sync(self, descriptor: int) -> None:
        self.synced += 1


def writer(
    folder: Path,
    settings: TapeSettings = FOREVER,
    disk: Disk | None = None,
    free: Callable[[Path], int] = lambda folder: 1 << 40,
) -> TapeWriter:
    disk = disk or Disk()
    return TapeWriter(folder, settings, write=disk.write, sync=disk.sync, free=free)


def some(count: int, start: datetime = NINE, first: int = 0) -> list[TapeFrame]:
    return [
        TapeFrame(start + timedelta(milliseconds=number), f"0|H0STCNT0|001|005930^{number}")
        for number in range(first, first + count)
    ]


def noise(count: int, start: datetime = NINE) -> list[TapeFrame]:
    """Frames that hardly compress: 16 KiB each."""
    random = Random(7)
    return [
        TapeFrame(start + timedelta(milliseconds=number), f"0|X|001|{random.randbytes(8192).hex()}")
        for number in range(count)
    ]


def record(tape: TapeWriter, frames: Sequence[TapeFrame]) -> None:
    for at, frame in frames:
        tape.record(frame, at)


def files(folder: Path) -> list[Path]:
    return [path for day in tapes_by_day(folder).values() for path in day.values()]


def names(folder: Path) -> list[str]:
    return [path.name for path in sorted(folder.iterdir())]


def found(folder: Path) -> list[TapeFrame]:
    return [frame for path in files(folder) for frame in read_tape(path)]


def readings(folder: Path) -> list[TapeReading]:
    """Each file, read to its end."""
    found = [read_tape(path) for path in files(folder)]
    for reading in found:
        deque(reading, maxlen=0)
    return found


def events(lines: Sequence[Any]) -> list[str]:
    return [line["event"] for line in lines]


STEPS = st.one_of(
    st.just("flush"),
    st.just("restart"),
    st.tuples(
        st.timedeltas(timedelta(0), timedelta(hours=14)),
        st.one_of(
            st.text(), st.binary(), st.sampled_from(["", "\n\r\n", "삼성전자^", "0|x|001|" * 9000])
        ),
    ),
)


@given(st.lists(STEPS, max_size=30))
def test_everything_recorded_is_found_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[Any]
) -> None:
    folder = tmp_path_factory.mktemp("data") / "tape"
    tape, at, expected = writer(folder), NINE, list[TapeFrame]()
    for step in steps:
        if step == "flush":
            tape.flush()
        elif step == "restart":
            tape.close()
            tape = writer(folder)
        else:
            at += step[0]
            expected.append(TapeFrame(at, step[1]))
            tape.record(step[1], at)
    tape.close()
    if not expected:
        assert not folder.exists()
        return
    assert found(folder) == expected
    assert not any(reading.torn for reading in readings(folder))
    for day, tapes in tapes_by_day(folder).items():
        frames = [frame for path in tapes.values() for frame in read_tape(path)]
        assert {frame.at.astimezone(KST).date() for frame in frames} == {day}


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "real" / "tape"
    tape = writer(folder)
    record(tape, some(1))
    tape.close()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)}
    assert set(modes.values()) == {0o700}
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(folder)] == [0o600]


def test_midnight_in_seoul_begins_a_new_file(tmp_path: Path) -> None:
    tape = writer(tmp_path)
    before, after = some(3, MIDNIGHT - timedelta(milliseconds=3)), some(2, MIDNIGHT)
    record(tape, [*before, *after])
    tape.close()
    assert names(tmp_path) == ["tape-20261102-001.jsonl.gz", "tape-20261103-001.jsonl.gz"]
    assert [list(read_tape(path)) for path in files(tmp_path)] == [before, after]


def test_a_clock_that_is_set_back_over_midnight_mixes_no_days(tmp_path: Path) -> None:
    tape = writer(tmp_path)
    after, before = some(2, MIDNIGHT), some(2, MIDNIGHT - timedelta(seconds=1))
    record(tape, [*after, *before, *after])
    tape.close()
    assert names(tmp_path) == [
        "tape-20261102-001.jsonl.gz",
        "tape-20261103-001.jsonl.gz",
        "tape-20261103-002.jsonl.gz",
    ]
    assert found(tmp_path) == [*before, *after, *after]


def test_a_full_file_is_followed_by_the_next_number(tmp_path: Path) -> None:
    disk = Disk()
    tape = writer(tmp_path, TapeSettings(max_file_mib=1, keep_free_mib=0), disk)
    frames = noise(200)
    record(tape, frames)
    tape.flush()
    sizes = [path.stat().st_size for path in files(tmp_path)]
    assert names(tmp_path) == [f"tape-20261102-{number:03}.jsonl.gz" for number in (1, 2)]
    assert all(size <= 1024 * 1024 for size in sizes)
    assert tape.stats.bytes == sum(sizes)
    # The name of each file, and the first one when it was full; the second is still open.
    assert disk.synced == 3
    tape.close()
    assert disk.synced == 4
    assert found(tmp_path) == frames
    assert (tape.stats.frames, tape.stats.files) == (200, 2)


def test_a_frame_larger_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    tape = writer(tmp_path, TapeSettings(max_file_mib=1, keep_free_mib=0))
    huge = TapeFrame(NINE, Random(7).randbytes(2 * 1024 * 1024).hex())
    frames = [*some(1), huge, *some(1, first=1)]
    record(tape, frames)
    tape.close()
    assert len(files(tmp_path)) == 2
    assert found(tmp_path) == frames


def test_a_restart_leaves_earlier_files_alone(tmp_path: Path) -> None:
    earlier: dict[Path, bytes] = {}
    for start in range(3):
        tape = writer(tmp_path)
        record(tape, some(2, first=2 * start))
        tape.flush()
        if start != 1:
            tape.close()
        now = {path: path.read_bytes() for path in files(tmp_path)}
        assert len(now) == start + 1
        assert now.items() >= earlier.items()
        earlier = now
    assert found(tmp_path) == some(6)


def test_nothing_is_made_before_something_came(tmp_path: Path) -> None:
    tape = writer(tmp_path / "tape")
    tape.flush()
    tape.close()
    assert names(tmp_path) == []


def test_somebody_elses_file_of_that_name_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tape-20261102-001.jsonl.gz").write_bytes(b"theirs")
    # As if the other had made it just after we looked.
    monkeypatch.setattr(tape_module, "tapes_by_day", lambda folder: {})
    tape = writer(tmp_path)
    record(tape, some(2))
    tape.close()
    assert (tmp_path / "tape-20261102-001.jsonl.gz").read_bytes() == b"theirs"
    assert list(read_tape(tmp_path / "tape-20261102-002.jsonl.gz")) == some(2)


def aged(folder: Path, days: int) -> None:
    for back in range(1, days + 1):
        tape = writer(folder)
        record(tape, some(1, NINE - timedelta(days=back)))
        tape.close()
    (folder / "tape-notes.txt").touch()


@pytest.mark.parametrize(("keep", "left"), [(0, 6), (1, 1), (2, 2), (5, 5), (6, 6), (30, 6)])
def test_the_last_days_are_kept(tmp_path: Path, keep: int, left: int) -> None:
    aged(tmp_path, 5)
    tape = writer(tmp_path, TapeSettings(keep_days=keep, keep_free_mib=0))
    record(tape, some(1))
    tape.close()
    days = [date(2026, 11, 2) - timedelta(days=back) for back in range(6)]
    assert list(tapes_by_day(tmp_path)) == sorted(days[:left])
    assert (tmp_path / "tape-notes.txt").exists()


def test_a_clock_years_ahead_deletes_no_more_than_a_day(tmp_path: Path) -> None:
    aged(tmp_path, 5)
    settings = TapeSettings(keep_days=5, keep_free_mib=0)
    for start in (NINE + timedelta(days=4000), NINE):
        tape = writer(tmp_path, settings)
        record(tape, some(1, start))
        tape.close()
    left = list(tapes_by_day(tmp_path))
    assert left[-2:] == [date(2026, 11, 2), date(2037, 10, 15)]
    assert len(left) == 5


def test_a_day_older_than_all_that_is_kept_is_recorded_too(tmp_path: Path) -> None:
    aged(tmp_path, 5)
    tape = writer(tmp_path, TapeSettings(keep_days=2, keep_free_mib=0))
    record(tape, some(1, NINE - timedelta(days=500)))
    tape.flush()
    record(tape, some(1, NINE - timedelta(days=500), first=1))
    tape.close()
    assert len(found(tmp_path)) == 4


def test_what_cannot_be_deleted_keeps_nobody_from_recording(tmp_path: Path) -> None:
    stuck = tmp_path / "tape-20250101-001.jsonl.gz"
    stuck.mkdir(parents=True)
    tape = writer(tmp_path, TapeSettings(keep_days=1, keep_free_mib=0))
    with capture_logs() as lines:
        record(tape, some(2))
        tape.close()
    assert events(lines) == ["tape_not_deleted"]
    stuck.rmdir()
    assert found(tmp_path) == some(2)


@pytest.mark.parametrize("error", [FULL, OSError(errno.EIO, "Input/output error")])
@pytest.mark.parametrize("room", [0, 1, 60, 200])
def test_a_disk_that_refuses_is_told_once_and_used_again(
    tmp_path: Path, room: int, error: OSError
) -> None:
    disk = Disk(error=error)
    tape = writer(tmp_path, disk=disk)
    with capture_logs() as lines:
        record(tape, some(50))
        tape.flush()
        disk.room = room
        for first in range(50, 100, 10):
            record(tape, some(10, first=first))
            tape.flush()
        assert events(lines) == ["tape_in_trouble"]
        assert str(error) in lines[0]["cause"]
        disk.room = None
        tape.flush()
        record(tape, some(10, first=100))
        tape.close()
    assert events(lines) == ["tape_in_trouble", "tape_recovered"]
    assert lines[1]["frames_lost"] == 0
    assert found(tmp_path) == some(110)
    # A file that got nothing whole is taken away again.
    assert names(tmp_path) == [f"tape-20261102-{number:03}.jsonl.gz" for number in (1, 2)]
    torn = [bool(reading.torn) for reading in readings(tmp_path)]
    assert torn == [room > 0, False]


def test_a_disk_that_takes_little_at_a_time_gets_all(tmp_path: Path) -> None:
    tape = writer(tmp_path, disk=Disk(most=7))
    record(tape, some(50))
    tape.close()
    assert found(tmp_path) == some(50)


def test_a_disk_that_takes_nothing_is_no_endless_loop(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path, FOREVER, write=lambda descriptor, data: 0)
    with capture_logs() as lines:
        record(tape, some(5))
        tape.close()
    assert events(lines) == ["tape_in_trouble", "tape_ends_in_trouble"]
    assert lines[1]["frames_lost"] == 5
    assert names(tmp_path) == []


def test_what_has_no_room_is_dropped_counted_and_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TapeWriter, "ROOM", 10_000)
    disk = Disk(room=0)
    tape = writer(tmp_path, disk=disk)
    with capture_logs() as lines:
        record(tape, some(100))
        kept = 100 - tape.stats.dropped
        assert 0 < kept < 100
        tape.flush()
        record(tape, some(100, first=100))
        dropped = tape.stats.dropped
        assert events(lines) == ["tape_in_trouble"]
        disk.room = None
        tape.flush()
        record(tape, some(3, first=200))
        tape.flush()
        assert events(lines) == ["tape_in_trouble", "tape_recovered"]
        tape.close()
    assert lines[1]["frames_lost"] == dropped
    assert len(lines) == 2
    frames = found(tmp_path)
    assert frames[:kept] == some(kept)
    assert frames[-3:] == some(3, first=200)
    assert len(frames) + dropped == 203
    lost = sum(reading.lost for reading in readings(tmp_path))
    assert lost == dropped == tape.stats.dropped
    assert tape.stats.frames == len(frames)


def test_trouble_is_told_anew_after_it_was_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TapeWriter, "ROOM", 10_000)
    tape = writer(tmp_path)
    with capture_logs() as lines:
        for _ in range(2):
            for _ in range(3):  # Nothing fails, there is only too much of it.
                record(tape, some(60))
                tape.flush()
            tape.flush()
    assert events(lines) == ["tape_in_trouble", "tape_recovered"] * 2
    assert lines[1]["frames_lost"] == lines[3]["frames_lost"] == tape.stats.dropped / 2


def test_some_of_the_disk_is_left_to_the_journal(tmp_path: Path) -> None:
    free = 10 * 1024 * 1024 + 5
    settings = TapeSettings(keep_free_mib=10)
    tape = writer(tmp_path, settings, free=lambda folder: free)
    with capture_logs() as lines:
        record(tape, some(2))
        tape.flush()
        tape.flush()
        assert (events(lines), names(tmp_path)) == (["tape_in_trouble"], [])
        assert lines[0]["cause"] == "less than 10 MiB are free"
        free *= 2
        tape.flush()
        free //= 2
        record(tape, some(2, first=2))
        tape.flush()
        free *= 2
        tape.close()
    assert events(lines) == ["tape_in_trouble", "tape_recovered"] * 2
    assert found(tmp_path) == some(4)
    assert [reading.torn for reading in readings(tmp_path)] == ["", ""]


def test_old_tapes_make_room_on_a_full_disk(tmp_path: Path) -> None:
    aged(tmp_path, 3)

    def free(folder: Path) -> int:
        return 0 if len(tapes_by_day(folder)) > 1 else 1 << 40

    tape = writer(tmp_path, TapeSettings(keep_days=2, keep_free_mib=10), free=free)
    record(tape, some(2))
    tape.close()
    assert found(tmp_path)[-2:] == some(2)


def test_the_machines_own_free_room_is_asked(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path, TapeSettings(keep_free_mib=1 << 40))
    with capture_logs() as lines:
        record(tape, some(2))
        tape.flush()
    assert events(lines) == ["tape_in_trouble"]


def test_a_folder_that_cannot_be_written_is_told_once_and_used_when_it_can(tmp_path: Path) -> None:
    tape = writer(tmp_path / "file" / "tape")
    (tmp_path / "file").touch()
    with capture_logs() as lines:
        for first in range(3):
            record(tape, some(1, first=first))
            tape.flush()
        assert events(lines) == ["tape_in_trouble"]
        (tmp_path / "file").unlink()
        tape.flush()
        tape.close()
    assert events(lines) == ["tape_in_trouble", "tape_recovered"]
    assert found(tmp_path / "file" / "tape") == some(3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_is_no_place(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    tape = writer(tmp_path / "tape")
    record(tape, some(1))
    with capture_logs() as lines:
        tape.flush()
    tmp_path.chmod(0o700)
    assert events(lines) == ["tape_in_trouble"]


def test_a_folder_that_is_taken_away_is_made_again(tmp_path: Path) -> None:
    tape = writer(tmp_path / "tape")
    record(tape, some(1))
    tape.flush()
    (tmp_path / "tape").rename(tmp_path / "moved")
    record(tape, some(1, first=1))
    tape.flush()
    record(tape, some(1, MIDNIGHT))
    tape.close()
    assert found(tmp_path / "moved") == some(2)
    assert found(tmp_path / "tape") == some(1, MIDNIGHT)


def test_a_disk_that_cannot_sync_is_told(tmp_path: Path) -> None:
    def sync(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    tape = TapeWriter(tmp_path, FOREVER, sync=sync)
    with capture_logs() as lines:
        record(tape, some(2))
        tape.close()
    assert events(lines) == ["tape_not_synced"]
    assert found(tmp_path) == some(2)


def test_a_bug_costs_what_waits_and_no_more(tmp_path: Path) -> None:
    tape = writer(tmp_path)
    with capture_logs() as lines:
        for _ in range(2):
            record(tape, some(2))
            tape.record("without a zone", datetime(2026, 11, 2))  # noqa: DTZ001
            record(tape, some(2, first=2))
            tape.flush()
        assert events(lines) == ["tape_broke"]
        record(tape, some(2, first=8))
        tape.flush()
    assert events(lines) == ["tape_broke", "tape_recovered"]
    assert found(tmp_path) == some(2, first=8)


def test_no_key_of_the_order_notices_is_ever_on_the_disk(tmp_path: Path) -> None:
    tape = writer(tmp_path)
    answer = ANSWER % (IV, KEY)
    sealed = "1|H0STCNI0|001|" + "c2VhbGVk" * 8
    for frame in (answer, answer.encode(), answer[:-3], answer.encode()[:-3], sealed):
        tape.record(frame, NINE)
    tape.close()
    frames = [frame for _, frame in found(tmp_path)]
    content = b"".join(each if isinstance(each, bytes) else each.encode() for each in frames)
    raw = b"".join(path.read_bytes() for path in files(tmp_path))
    for secret in (KEY.encode(), IV.encode()):
        assert secret not in content
        assert secret not in raw
    assert sealed.encode() in content
    assert content.count(b"*" * len(KEY)) == 4


def test_a_thread_writes_what_comes_and_closes_at_the_end(tmp_path: Path) -> None:
    written = threading.Event()
    threads: set[str] = set()

    def write(descriptor: int, data: bytes) -> int:
        threads.add(threading.current_thread().name)
        done = os.write(descriptor, data)
        written.set()
        return done

    tape = TapeWriter(tmp_path, FOREVER, write=write)
    with tape.in_background(every=0.001):
        record(tape, some(3))
        assert written.wait(10)
        assert found(tmp_path)[:1] == some(1)
        record(tape, some(3, first=3))
    assert found(tmp_path) == some(6)
    assert threads == {"tape"}
    assert "tape" not in {thread.name for thread in threading.enumerate()}


def test_nothing_is_lost_between_the_threads(tmp_path: Path) -> None:
    tape = writer(tmp_path)
    frames = some(30_000)
    with tape.in_background(every=0.0001):
        record(tape, frames)
    assert found(tmp_path) == frames
    assert tape.stats.dropped == 0


def test_a_disk_that_hangs_does_not_keep_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape_module, "CLOSE_PATIENCE", 0.01)
    monkeypatch.setattr(TapeWriter, "ROOM", 10_000)
    hangs, goes_on = threading.Event(), threading.Event()

    def write(descriptor: int, data: bytes) -> int:
        hangs.set()
        assert goes_on.wait(10)
        return os.write(descriptor, data)

    tape = TapeWriter(tmp_path, FOREVER, write=write)
    with capture_logs() as lines:
        with tape.in_background(every=0.001):
            record(tape, some(1))
            assert hangs.wait(10)
            record(tape, some(1000, first=1))
        assert events(lines) == ["tape_in_trouble", "tape_left_behind"]
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "tape":
            thread.join(10)
    assert tape.stats.dropped + len(found(tmp_path)) == 1001


KILLED = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from daemon.store.tape import TapeSettings, TapeWriter

tape = TapeWriter(Path(sys.argv[1]), TapeSettings(keep_free_mib=0))
at, number = datetime(2026, 11, 2, tzinfo=UTC), 0
while True:
    for _ in range(97):
        tape.record(f"0|H0STCNT0|001|005930^{number}", at + timedelta(milliseconds=number))
        number += 1
    tape.flush()
    print(number, flush=True)
"""


def test_what_was_flushed_survives_the_kill_of_the_process(tmp_path: Path) -> None:
    told = 0
    for life in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        for _ in range(40):
            told = int(process.stdout.readline())
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
        told = max([told, *(int(line) for line in process.stdout if line.endswith(b"\n"))])
        process.stdout.close()
        assert len(files(tmp_path)) == life + 1
        frames = list(read_tape(files(tmp_path)[-1]))
        assert len(frames) >= told
        assert [frame for _, frame in frames] == [frame for _, frame in some(len(frames))]


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_loses_nothing_that_was_whole(tmp_path: Path) -> None:
    frames = noise(60)
    with small_disk(tmp_path / "disk", 512):
        ballast = tmp_path / "disk" / "ballast"
        ballast.write_bytes(bytes(300 * 1024))
        tape = TapeWriter(tmp_path / "disk" / "tape", FOREVER)
        with capture_logs() as lines:
            for frame in frames[:40]:
                record(tape, [frame])
                tape.flush()
            assert events(lines) == ["tape_in_trouble"]
            assert len(found(tape.folder)) < 40
            ballast.unlink()
            tape.flush()
            tape.close()
        assert events(lines)[:2] == ["tape_in_trouble", "tape_recovered"]
        assert found(tape.folder) == frames[:40]
