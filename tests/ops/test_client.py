"""The client: who does not answer, and what an answer that is none means."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.core.errors import OutcomeUnknown, Refused
from daemon.ops.client import AnswerLost, ControlClient, NoDaemon, meant, new_request
from daemon.ops.control import REQUEST, ControlError


@contextmanager
def saying(path: Path, answer: bytes) -> Iterator[None]:
    """Somebody who answers every request with these bytes."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def test_nobody_there_is_told_from_an_answer_lost(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for place in (path, "http://127.0.0.1:1", "ftp://somewhere", "nonsense"):
        with pytest.raises(NoDaemon):
            ControlClient(place).act("halt", reason="x")
    with saying(path, b""), pytest.raises(NoDaemon):
        ControlClient(path).see("status")
    path.unlink()
    with saying(path, b"HTTP/1.1 200 OK\r\n"), pytest.raises(AnswerLost) as caught:
        ControlClient(path).act("halt", reason="x")
    assert isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"ok":false}', b"<html>"])
def test_what_is_no_answer_of_a_daemon_proves_nothing(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "s"
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with saying(path, head + body), pytest.raises(AnswerLost):
        ControlClient(path).act("halt", reason="x")


def test_a_refusal_reads_as_one_of_trading(tmp_path: Path) -> None:
    error = meant(ControlError("DENIED", "too many shares.", field="x", fix="fewer"))
    assert isinstance(error, Refused)
    assert (error.code, error.reason) == ("DENIED", "too many shares. fewer")


def test_request_ids_are_new_and_valid() -> None:
    ids = {new_request() for _ in range(100)}
    assert len(ids) == 100
    assert all(REQUEST.fullmatch(each) for each in ids)
