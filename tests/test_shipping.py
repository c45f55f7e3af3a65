"""The shipped configurations follow the files by their names, and name fields that exist."""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.core.calendar import KST
from daemon.logs.files import PREFIX
from tests.logs.schema import ENVELOPE, FIELDS
from tests.test_tidy import ROOT

SHIPPING = ROOT / "deploy" / "shipping"
WRITE = os.write
SENDERS = ["rsyslog-sender.conf", "vector.yaml", "fluent-bit.yaml", "config.alloy"]


@pytest.mark.parametrize("name", SENDERS)
def test_files_are_followed_by_their_wildcard(name: str) -> None:
    text = (SHIPPING / name).read_text(encoding="utf-8")
    unit = (ROOT / "deploy" / "systemd" / "kis-trader@.service").read_text(encoding="utf-8")
    [folder] = re.findall(r"^Environment=KIS_LOG_FOLDER=(.+)$", unit, re.MULTILINE)
    followed = re.escape(folder.replace("%i", "real"))
    assert re.search(rf'[\s"]{followed}/{PREFIX}-\*\.jsonl["\s]', text), name


@pytest.mark.parametrize("name", ["vector.yaml", "fluent-bit.yaml"])
def test_yaml_is_yaml(name: str) -> None:
    assert isinstance(yaml.safe_load((SHIPPING / name).read_text(encoding="utf-8")), dict)


@pytest.mark.parametrize("name", SENDERS[1:])
def test_fields_exist(name: str) -> None:
    text = (SHIPPING / name).read_text(encoding="utf-8")
    used = set(re.findall(r"""["'\\](@?[a-z]+(?:\.[a-z]+)+|@timestamp)\\?["']""", text))
    assert {"log.level", "event.name", "trace.id", "service.environment"} <= used
    assert used <= ENVELOPE | set(FIELDS)


def test_every_file_is_told_of() -> None:
    text = (ROOT / "docs" / "shipping.md").read_text(encoding="utf-8")
    for path in SHIPPING.iterdir():
        if path.is_file():
            assert f"`{path.name}`" in text, path.name


class Disk:
    """Takes a part of a line, then nothing; the file is real."""

    def __init__(self) -> None:
        self.room = 6

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = WRITE(descriptor, data[: self.room])
        self.room -= taken
        return taken


def keeper(path: Path, at: Callable[[], datetime]) -> Callable[[bytes], str]:
    names: dict[str, Any] = {"__name__": "keep_lines"}
    source = (SHIPPING / "keep_lines.py").read_text(encoding="utf-8")
    exec(compile(source, "keep_lines.py", "exec"), names)
    keep: Callable[[bytes], str] = names["Keeper"](path, at).keep
    return keep


def test_the_keeper_acknowledges_what_is_written_and_takes_back_what_is_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    monkeypatch.setattr(os, "write", disk.write)
    keep = keeper(tmp_path / "kept", lambda: datetime(2026, 11, 2, tzinfo=KST))
    path = tmp_path / "kept-20261102"
    answers = [keep(line) for line in (b"one\n", b"two\n", b"two\n")]
    assert path.read_bytes() == b"one\n"
    disk.room = 100
    answers.append(keep(b"two\n"))
    assert [answer == "OK" for answer in answers] == [True, False, False, True]
    assert path.read_bytes() == b"one\ntwo\n"


def test_the_keeper_opens_a_file_a_day(tmp_path: Path) -> None:
    at = [datetime(2026, 11, 2, 23, 59, tzinfo=KST)]
    keep = keeper(tmp_path / "received.jsonl", lambda: at[0])
    assert keep(b"one\n") == "OK"
    at[0] += timedelta(minutes=1)
    tomorrow = tmp_path / "received-20261103.jsonl"
    tomorrow.mkdir()
    assert keep(b"two\n").startswith("Error: ")
    tomorrow.rmdir()
    assert [keep(b"two\n"), keep(b"three\n")] == ["OK", "OK"]
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept == {"received-20261102.jsonl": b"one\n", tomorrow.name: b"two\nthree\n"}


def test_the_keeper_goes_on_after_a_whole_line_and_in_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "received-20261102.jsonl"
    path.write_bytes(b'one\n{"half": ')
    keep = keeper(tmp_path / "received.jsonl", lambda: datetime(2026, 11, 2, tzinfo=KST))
    assert keep(b"two\n") == "OK"
    assert path.read_bytes() == b"one\ntwo\n"
    path.unlink()
    assert keep(b"three\n") == "OK"
    assert path.read_bytes() == b"three\n"
    other = keeper(tmp_path / "received.jsonl", lambda: datetime(2026, 11, 2, tzinfo=KST))
    assert other(b"four\n").startswith("Error: "), "the first one still writes"
    assert path.read_bytes() == b"three\n"


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        ([1_000, 1_000, 1_000], {1, 2}),
        ([1_000, 1_000, 999], {1}),
        ([1_000, 500, 499], set()),
    ],
)
def test_the_newest_files_read_are_sent_again_until_they_hold_enough_lines(
    lengths: list[int], kept: set[int], tmp_path: Path
) -> None:
    spool, logs = tmp_path / "spool", tmp_path / "logs"
    spool.mkdir()
    logs.mkdir()

    def note(name: str, file: Path, place: int) -> Path:
        path = spool / f"imfile-state:{name}"
        path.write_text(json.dumps({"filename": str(file), "curr_offs": place}))
        return path

    notes: dict[int, Path] = {}
    for number, lines in enumerate(lengths, 1):
        file = logs / f"{PREFIX}-20261102-{number:04}.jsonl"
        file.write_text("{}\n" * lines)
        notes[number] = note(f"{number}:ab", file, 3)
    half = spool / "imfile-state:77:ab"
    half.write_text('{ "filename": ')
    others = {
        half,
        note("8:ab", tmp_path / "messages", 5),
        note("9:ab", logs / f"{PREFIX}-20261103-0001.jsonl", 0),
    }
    gone = note("7:ab", logs / f"{PREFIX}-20261104-0001.jsonl", 5)
    command = [sys.executable, str(SHIPPING / "send_again.py"), str(spool), str(logs)]
    subprocess.run(command, check=True)
    assert {number for number, path in notes.items() if path.exists()} == kept
    assert not gone.exists(), "a file that was deleted holds no lines"
    assert {path for path in others if path.exists()} == others
