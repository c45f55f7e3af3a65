"""Standard output and journald: real pipes and sockets, none of which may hold a line up."""

import array
import io
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.logs.outlets import JournalOutlet, StreamOutlet, is_journal

LINE: dict[str, Any] = {
    "log.level": "warning",
    "event.name": "order_denied",
    "trace.id": "denied-1",
    "log.logger": "executor",
    "strategy": "ma\ncross",
}


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(io.FileIO(writing, "w"), encoding="utf-8", write_through=True)
    yield reading, stream
    stream.close()
    os.close(reading)


def test_a_pipe_nobody_reads_costs_lines_and_next_to_no_time(
    pipe: tuple[int, io.TextIOWrapper],
) -> None:
    reading, stream = pipe
    outlet = StreamOutlet(stream)
    written = lost = 0
    before = time.perf_counter()
    for _ in range(3_000):
        try:
            outlet.write("x" * 99, LINE)
            written += 1
        except BlockingIOError:
            lost += 1
    assert time.perf_counter() - before < 5
    assert lost > 0
    assert written >= 60_000 // 100
    got = os.read(reading, 1 << 20)
    assert got == b"x" * 99 + b"\n" + got[100:]
    outlet.write("again", LINE)
    assert (got + os.read(reading, 1 << 20)).splitlines()[-1] == b"again"


def test_a_long_line_goes_in_pieces_that_a_pipe_takes(
    pipe: tuple[int, io.TextIOWrapper],
) -> None:
    reading, stream = pipe
    StreamOutlet(stream).write("가" * 10_000, LINE)
    assert os.read(reading, 1 << 20).decode() == "가" * 10_000 + "\n"


def test_a_prefix_tells_journald_the_level() -> None:
    stream = io.StringIO()
    StreamOutlet(stream, prefixed=True).write("{}", LINE)
    assert stream.getvalue() == "<4>{}\n"


def test_the_journal_is_known_by_its_device_and_inode(pipe: tuple[int, io.TextIOWrapper]) -> None:
    _, stream = pipe
    status = os.fstat(stream.fileno())
    told = f"{status.st_dev}:{status.st_ino}"
    assert is_journal(stream, {"JOURNAL_STREAM": told})
    assert not is_journal(stream, {"JOURNAL_STREAM": "1:2"})
    assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": told})


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        yield listening, path


def parsed(data: bytes) -> dict[str, str]:
    """An entry of the native protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/."""
    fields = {}
    while data:
        name, _, rest = data.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
            data = rest
        else:
            size = int.from_bytes(rest[:8], "little")
            value, data = rest[8 : 8 + size], rest[9 + size :]
        fields[name.decode()] = value.decode()
    return fields


def test_an_entry_has_the_line_its_priority_and_fields(journald: tuple[socket.socket, str]) -> None:
    listening, path = journald
    outlet = JournalOutlet("kis-trader", path)
    outlet.write('{"삼성": 1}', LINE)
    outlet.close()
    assert parsed(listening.recv(1 << 16)) == {
        "MESSAGE": '{"삼성": 1}',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "kis-trader",
        "EVENT_NAME": "order_denied",
        "TRACE_ID": "denied-1",
        "LOG_LOGGER": "executor",
        "STRATEGY": "ma\ncross",
    }


def test_what_is_too_long_for_a_datagram_comes_as_a_sealed_file(
    journald: tuple[socket.socket, str],
) -> None:
    listening, path = journald
    outlet = JournalOutlet("kis-trader", path)
    text = "x" * 1_000_000
    outlet.write(text, LINE)
    outlet.close()
    _, ancillary, *_ = listening.recvmsg(16, socket.CMSG_SPACE(4))
    [(_, _, data)] = ancillary
    (descriptor,) = array.array("i", data)
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        assert parsed(file.read())["MESSAGE"] == text


def test_a_journald_that_does_not_read_is_not_waited_for(
    journald: tuple[socket.socket, str],
) -> None:
    _, path = journald
    outlet = JournalOutlet("kis-trader", path)
    before = time.perf_counter()
    lost = 0
    for _ in range(2_000):
        try:
            outlet.write("x" * 200, LINE)
        except OSError:
            lost += 1
    outlet.close()
    assert lost > 0
    assert time.perf_counter() - before < 2


def test_a_journald_whose_socket_was_made_anew_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    def listening() -> socket.socket:
        path.unlink(missing_ok=True)
        found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        found.bind(str(path))
        return found

    with listening() as first:
        outlet = JournalOutlet("kis-trader", str(path))
        outlet.write("one", LINE)
        assert parsed(first.recv(1 << 16))["MESSAGE"] == "one"
    for _ in range(3):
        with pytest.raises(OSError, match=r"refused|connected"):
            outlet.write("nobody is there", LINE)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        outlet.write("not even a socket", LINE)
    with listening() as second:
        for text in ("two", "x" * 1_000_000, "three"):
            outlet.write(text, LINE)
        assert parsed(second.recv(1 << 16))["MESSAGE"] == "two"
        assert second.recvmsg(16, socket.CMSG_SPACE(4))[0] == b""
        assert parsed(second.recv(1 << 16))["MESSAGE"] == "three"
    with listening() as third:
        outlet.write("x" * 1_000_000, LINE)
        assert third.recvmsg(16, socket.CMSG_SPACE(4))[0] == b""
    opened = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(OSError, match=r"refused|connected"):
            outlet.write("nobody is there", LINE)
    assert len(os.listdir("/proc/self/fd")) == opened, "a try that fails leaves nothing open"
    outlet.close()
    with listening(), pytest.raises(OSError, match="descriptor"):
        outlet.write("after the end", LINE)


def test_without_a_journald_there_is_no_outlet(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JournalOutlet("kis-trader", str(tmp_path / "none"))
