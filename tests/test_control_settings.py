"""The doors that settings open, and the ones they must not."""

from pathlib import Path

import pytest

from daemon.config import Settings, load_settings
from daemon.faults import SettingsError

ROOT = Path(__file__).parents[1]
TOKEN = "0123456789abcdef" * 4


def load(folder: Path, text: str) -> Settings:
    (folder / "mine.yaml").write_text(text)
    overrides = {"data_dir": str(folder), "config": str(folder / "mine.yaml")}
    return load_settings("sim", overrides, environ={}, root=ROOT)


def fault_of(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder, text)
    return str(caught.value)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def test_a_socket_is_open_and_no_port_unless_told(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    assert settings.control.socket
    assert settings.control.tcp is None
    assert not load(tmp_path, "control: {socket: false}").control.socket


def test_a_port_of_this_machine_needs_a_token_and_the_token_is_secret(
    tmp_path: Path, token: Path
) -> None:
    settings = load(tmp_path, f"control: {{tcp: {{port: 8400}}, token_file: {token}}}")
    assert settings.control.token.get_secret_value() == TOKEN
    assert TOKEN in settings.secrets()
    assert TOKEN not in repr(settings)
    told = fault_of(tmp_path, "control: {tcp: {port: 8400}}")
    assert "control.token_file" in told
    assert "openssl rand" in told


def test_a_port_for_others_needs_a_certificate_and_its_key(tmp_path: Path, token: Path) -> None:
    outside = f"control: {{token_file: {token}, tcp: {{port: 8400, address: 0.0.0.0"
    told = fault_of(tmp_path, outside + "}}")
    assert "control.tcp.certificate" in told
    assert "control.tcp.key" in told
    assert "0.0.0.0 can be reached from outside: it needs TLS" in told
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("pem")
    pair = f", certificate: {tmp_path}/c.pem, key: {tmp_path}/k.pem}}}}"
    settings = load(tmp_path, outside + pair)
    assert settings.control.tcp is not None
    assert settings.control.tcp.key == tmp_path / "k.pem"
    half = f", certificate: {tmp_path}/c.pem}}}}"
    assert "control.tcp.key" in fault_of(tmp_path, outside + half)
    gone = f", certificate: {tmp_path}/none.pem, key: {tmp_path}/k.pem}}}}"
    assert "none.pem is not a file" in fault_of(tmp_path, outside + gone)


def test_a_token_that_others_can_read_or_guess_is_refused(tmp_path: Path, token: Path) -> None:
    text = f"control: {{tcp: {{port: 8400}}, token_file: {token}}}"
    token.chmod(0o640)
    assert "others on this machine can read the token" in fault_of(tmp_path, text)
    token.chmod(0o600)
    for short in ("short", "a b " * 20, ""):
        token.write_text(short)
        told = fault_of(tmp_path, text)
        assert "one word of at least 32 characters" in told
        assert not short or short not in told
    token.unlink()
    assert "cannot be read" in fault_of(tmp_path, text)
    written = fault_of(tmp_path, f"control: {{token: {TOKEN}}}")
    assert "is a secret" in written
    assert TOKEN not in written


def test_unknown_names_and_impossible_ports_are_told(tmp_path: Path, token: Path) -> None:
    assert "control.sockets" in fault_of(tmp_path, "control: {sockets: true}")
    text = f"control: {{token_file: {token}, tcp: {{port: 70000}}}}"
    assert "control.tcp.port" in fault_of(tmp_path, text)
