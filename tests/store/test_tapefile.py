"""A tape's file: names, lines without secrets, blocks whole or torn."""

import base64
import gzip
import json
import shutil
import subprocess
import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.store import tapefile
from daemon.store.tapefile import (
    GZIP,
    TapeFrame,
    frame_line,
    lost_line,
    read_tape,
    redacted,
    tape_path,
    tapes_by_day,
)

AT = datetime(2026, 11, 2, 0, 0, 0, 123456, tzinfo=UTC)
KEY = "yptfrpeqr350o2p4rebvj61zyh3xhufo"
IV = "kyd2uwa11jo1ug9x"
ANSWER = (
    '{"header":{"tr_id":"H0STCNI0","tr_key":"someone","encrypt":"Y"},"body":{"rt_cd":"0",'
    '"msg_cd":"OPSP0000","msg1":"SUBSCRIBE SUCCESS","output":{"iv":"%s","key":"%s"}}}'
)
TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["", "\n", "0|H0STCNT0|001|삼성^\r\n", "1|H0STCNI0|001|c2VhbGVk", '{"a": "\\u0000"}', "\ud800"]
)
INSTANTS = st.datetimes(timezones=st.just(UTC))


def member(*frames: TapeFrame) -> bytes:
    return zlib.compress(b"".join(frame_line(at, frame) for at, frame in frames), wbits=GZIP)


def some(count: int, first: int = 0) -> list[TapeFrame]:
    return [
        TapeFrame(AT + timedelta(milliseconds=number), f"0|H0STCNT0|001|{number}^체결")
        for number in range(first, first + count)
    ]


def read(path: Path, content: bytes) -> tuple[list[TapeFrame], str]:
    path.write_bytes(content)
    reading = read_tape(path)
    return list(reading), reading.torn


@given(st.lists(st.tuples(INSTANTS, TEXTS | st.binary())))
def test_what_is_written_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, frames: Sequence[tuple[datetime, str | bytes]]
) -> None:
    path = tmp_path_factory.mktemp("tape") / "one"
    lines = [frame_line(at, frame) for at, frame in frames]
    assert all(line.count(b"\n") == 1 for line in lines)
    members = b"".join(zlib.compress(line, wbits=GZIP) for line in lines)
    expected = [(at, redacted(frame)) for at, frame in frames]
    assert read(path, members) == (expected, "")


def test_zcat_and_gzip_read_it(tmp_path: Path) -> None:
    frames = some(3)
    path = tmp_path / "tape-20261102-001.jsonl.gz"
    path.write_bytes(member(*frames[:2]) + member(*frames[2:]))
    lines = gzip.decompress(path.read_bytes()).splitlines()
    told = [json.loads(line) for line in lines]
    assert told == [[at.isoformat(), frame] for at, frame in frames]
    if shutil.which("zcat"):
        shown = subprocess.run(["zcat", str(path)], capture_output=True, check=True)
        assert shown.stdout.splitlines() == lines
    # Packed anew by somebody as one member, it is still a tape.
    assert read(path, gzip.compress(b"\n".join(lines))) == (frames, "")


def test_a_tail_torn_anywhere_costs_the_last_block_alone(tmp_path: Path) -> None:
    whole, last = member(*some(5)), member(*some(4, first=5))
    for kept in range(1, len(last)):
        frames, torn = read(tmp_path / "tape", whole + last[:kept])
        assert frames == some(5)
        assert torn == f"the block at byte {len(whole)} is cut short"
    assert read(tmp_path / "tape", whole) == (some(5), "")
    assert read(tmp_path / "tape", whole + last) == (some(9), "")
    assert read(tmp_path / "tape", b"") == ([], "")


def test_a_block_damaged_anywhere_is_not_believed(tmp_path: Path) -> None:
    whole, last = member(*some(5)), member(*some(4, first=5))
    # What a gzip member says of its time, its packing and its maker is nobody's frame.
    for spoilt in [*range(3), *range(10, len(last))]:
        broken = bytearray(last)
        broken[spoilt] ^= 0x55
        frames, torn = read(tmp_path / "tape", whole + broken)
        assert frames == some(5), spoilt
        assert torn.startswith(f"the block at byte {len(whole)} is"), spoilt


@pytest.mark.parametrize("tail", [bytes(4096), b"\xff" * 100, b"not a tape at all"])
def test_what_power_loss_leaves_behind_is_not_believed(tmp_path: Path, tail: bytes) -> None:
    frames, torn = read(tmp_path / "tape", member(*some(5)) + tail)
    assert frames == some(5)
    assert torn


def test_blocks_may_end_where_a_read_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = member(*some(5)) + member(*some(4, first=5)) + member(*some(3, first=9))
    for size in range(1, len(blocks) + 1):
        monkeypatch.setattr(tapefile, "_CHUNK", size)
        assert read(tmp_path / "tape", blocks) == (some(12), "")


def test_lost_frames_are_counted_and_no_frames(tmp_path: Path) -> None:
    content = frame_line(*some(1)[0]) + lost_line(AT, 7) + frame_line(*some(1, 1)[0])
    path = tmp_path / "tape"
    path.write_bytes(zlib.compress(content + lost_line(AT, 2), wbits=GZIP))
    reading = read_tape(path)
    for _ in range(2):
        assert list(reading) == some(2)
        assert (reading.lost, reading.torn) == (9, "")


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"[]",
        b'["2026-11-02T00:00:00+00:00"]',
        b'["yesterday", "x"]',
        b'["2026-11-02T00:00:00", "without a zone"]',
        b'[7, "x"]',
        b'["2026-11-02T00:00:00+00:00", 7]',
        b'["2026-11-02T00:00:00+00:00", {}]',
        b'["2026-11-02T00:00:00+00:00", {"lost": "many"}]',
        b'["2026-11-02T00:00:00+00:00", {"base64": "?"}]',
        b"{",
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_line_that_is_no_frame_ends_the_reading(tmp_path: Path, line: bytes) -> None:
    content = zlib.compress(frame_line(*some(1)[0]) + line + b"\n", wbits=GZIP)
    frames, torn = read(tmp_path / "tape", content + member(*some(1, 1)))
    assert frames == some(1)
    assert torn.startswith("a line is no frame: ")


def test_no_block_takes_all_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapefile, "_LARGEST_BLOCK", 10_000)
    bomb = zlib.compress(bytes(1_000_000), wbits=GZIP)
    frames, torn = read(tmp_path / "tape", member(*some(5)) + bomb)
    assert frames == some(5)
    assert torn.endswith("is too large for a tape")


def test_a_tape_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_tape(tmp_path / "nothing"))


def test_the_key_of_order_notices_is_overwritten() -> None:
    answer = ANSWER % (IV, KEY)
    hidden = redacted(answer)
    assert hidden == ANSWER % ("*" * len(IV), "*" * len(KEY))
    assert redacted(answer.encode()) == hidden.encode()
    assert KEY.encode() not in frame_line(AT, answer) + frame_line(AT, answer.encode())


@pytest.mark.parametrize(
    "frame",
    [
        '[{"deep": [{"Key": "%s"}]}]',
        '{"\\u006bey": "%s"}',
        '{"key": "other", "key": "%s"}',
        '{"output": {"key": ["%s"]}}',
        '{"output": {"key": {"inner": "%s"}}}',
        ' {"body": {"approval_key": "%s"}} ',
        '{"body": {"output": {"key" : "%s", "iv": "cut off',
        '\ufeff{"key": "%s"}',
        '{"name": "\ud800", "KEY": "%s"}',
        "[" * 900 + '{"key": "%s"}' + "]" * 900,
    ],
)
def test_keys_are_found_wherever_they_are(frame: str) -> None:
    assert KEY.encode() not in frame_line(AT, frame % KEY)


@pytest.mark.parametrize(
    "frame",
    [
        '{"header":{"tr_id":"PINGPONG","datetime":"20261102090000"}}',
        '{"header": {"tr_key": "005930"}, "body": {"output": {"key": "", "iv": null}}}',
        "0|H0STCNT0|001|005930^090000",
        '0|H0STCNT0|001|"key": "not a control frame"',
        "1|H0STCNI0|001|c2VhbGVk",
        "7",
        "",
        b"",
        b"\xff\xfe",
    ],
)
def test_all_else_stays_as_it_came(frame: str | bytes) -> None:
    encoded = {"base64": base64.b64encode(frame).decode()} if isinstance(frame, bytes) else frame
    assert json.loads(frame_line(AT, frame))[1] == encoded


def test_tapes_are_found_by_day_and_number(tmp_path: Path) -> None:
    days = [date(2026, 11, 2), date(2026, 11, 3)]
    numbers = [1, 2, 999, 1000, 10_000]
    paths = [tape_path(tmp_path, day, number) for day in days for number in numbers]
    assert paths[0].name == "tape-20261102-001.jsonl.gz"
    strangers = [
        "tape-20261102-1.jsonl.gz",
        "tape-20261102-001.jsonl",
        "tape-20261302-001.jsonl.gz",
        "my-tape-20261102-001.jsonl.gz",
        "notes.txt",
    ]
    for path in [*reversed(paths), *(tmp_path / each for each in strangers)]:
        path.touch()
    found = tapes_by_day(tmp_path)
    assert list(found) == days
    assert [list(each) for each in found.values()] == [numbers, numbers]
    assert [path for each in found.values() for path in each.values()] == paths


@pytest.mark.parametrize("binary", [False, True])
def test_whose_notices_they_are_is_not_on_the_tape(binary: bool) -> None:
    text = '{"header":{"tr_key":"someone01","note":"someone012"}}'
    _, held = json.loads(frame_line(AT, text.encode() if binary else text, "someone01"))
    kept = base64.b64decode(held["base64"]).decode() if binary else held
    assert kept == text.replace('"someone01"', '"*********"')
    assert json.loads(frame_line(AT, text))[1] == text
