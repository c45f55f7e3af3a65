"""Doors: who may enter, and what a socket file is replaced by."""

import os
import socket
import stat
from pathlib import Path

import pytest

from daemon.core.errors import NeedsOperator
from daemon.ops.doors import (
    Peer,
    TcpDoor,
    _bound,
    is_answered,
    is_loopback,
    may_enter,
    peer_of,
    reachable,
)
from tests.ops.rig import TOKEN


def test_this_user_and_root_may_enter_and_nobody_else() -> None:
    assert may_enter(Peer(pid=1, uid=1_000, gid=1_000), own=1_000)
    assert may_enter(Peer(pid=1, uid=0, gid=0), own=1_000)
    assert not may_enter(Peer(pid=1, uid=1_001, gid=1_000), own=1_000)
    assert not may_enter(Peer(pid=1, uid=1_000, gid=0), own=0)


def test_the_kernel_tells_who_is_there() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours.fileno()) == Peer(os.getpid(), os.getuid(), os.getgid())
        assert ours.fileno() >= 0, "asking closes nothing"


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.2", False),
        ("example.com", False),
    ],
)
def test_what_this_machine_alone_reaches(address: str, own: bool) -> None:
    assert is_loopback(address) is own


def test_a_port_without_a_token_or_tls_is_no_door() -> None:
    with pytest.raises(ValueError, match="needs a token"):
        TcpDoor(address="127.0.0.1", port=8_400, token="")
    with pytest.raises(ValueError, match="needs TLS"):
        TcpDoor(address="0.0.0.0", port=8_400, token=TOKEN)
    door = TcpDoor(address="127.0.0.1", port=8_400, token=TOKEN, names=frozenset({"Box"}))
    assert door.hosts == {"127.0.0.1", "::1", "localhost", "box"}
    assert TOKEN not in repr(door)
    abroad = TcpDoor(address="10.0.0.2", port=1, token=TOKEN, certificate=Path("c"), key=Path("k"))
    assert abroad.hosts == {"10.0.0.2"}


def test_a_long_path_is_reached_by_way_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    path = folder / "api.sock"
    with _bound(path) as listening:
        listening.listen()
        assert path.is_socket()
        assert is_answered(path)
        with reachable(path) as address, socket.socket(socket.AF_UNIX) as client:
            assert len(address) < 107
            client.connect(address)
    assert not is_answered(path)


def test_the_folder_is_made_private_and_an_old_file_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "control"
    folder.mkdir(mode=0o755)
    (folder / "api.sock").write_text("left behind")
    with _bound(folder / "api.sock"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "api.sock").stat().st_mode) == 0o600
        assert (folder / "api.sock").is_socket()


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "control").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NeedsOperator, match="not a folder of this user"):
        _bound(tmp_path / "control" / "api.sock")
