"""The shipped configurations follow the files by their names, and name fields that exist."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


def test_the_keeper_acknowledges_what_is_written_and_takes_back_what_is_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, object] = {"__name__": "keep_lines"}
    source = (SHIPPING / "keep_lines.py").read_text(encoding="utf-8")
    exec(compile(source, "keep_lines.py", "exec"), names)
    keep = names["keep"]
    assert callable(keep)
    disk = Disk()
    monkeypatch.setattr(os, "write", disk.write)
    path = tmp_path / "kept"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    answers = [keep(descriptor, line) for line in (b"one\n", b"two\n", b"two\n")]
    assert path.read_bytes() == b"one\n"
    disk.room = 100
    answers.append(keep(descriptor, b"two\n"))
    os.close(descriptor)
    assert [answer == "OK" for answer in answers] == [True, False, False, True]
    assert path.read_bytes() == b"one\ntwo\n"


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
