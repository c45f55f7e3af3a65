"""The settings of the control API: which doors are open, and who may come in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from daemon.ops.doors import is_loopback
from daemon.sources import Fault, Layers

TOKEN_LENGTH = 32
"""Characters a token has at least: it must not be guessed."""

_PRIVATE = 0o077


def _names(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class TcpSettings(BaseModel):
    """A TCP port: on this machine alone, or elsewhere with a certificate and its key.

    `names` are the host names people reach it by, beside its address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = "127.0.0.1"
    port: int = Field(ge=1, le=65_535)
    names: Annotated[frozenset[str], BeforeValidator(_names)] = frozenset()
    certificate: Path | None = None
    key: Path | None = None


class ControlSettings(BaseModel):
    """How a running daemon is spoken to: see docs/control.md.

    `socket` opens the unix socket in the mode's control folder; `tcp` a port for whoever brings
    the token of `token_file`, which is read into `token`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    socket: bool = True
    tcp: TcpSettings | None = None
    token_file: Path | None = None
    token: SecretStr = SecretStr("")


def add_token(layers: Layers) -> None:
    """Read the token's file, and note what is wrong with the doors."""
    control = layers.values.get("control")
    if not isinstance(control, dict):
        return
    if "token" in control:
        source = layers.source_of("control.token")
        fix = "put the token into a file of mode 600 and name it in control.token_file"
        layers.fault("control.token", source, "is a secret", fix)
        del control["token"]
    file = control.get("token_file")
    if file is not None:
        _read_token(layers, layers.root / Path(str(file)).expanduser())
    tcp = control.get("tcp")
    if isinstance(tcp, dict):
        layers.faults.extend(_faults(layers, control, tcp))


def _read_token(layers: Layers, path: Path) -> None:
    setting = "control.token_file"
    source, fix = layers.source_of(setting), f"chmod 600 {path}, or correct the path"
    try:
        if path.stat().st_mode & _PRIVATE:
            layers.fault(setting, source, "others on this machine can read the token", fix)
            return
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
        layers.fault(setting, source, f"cannot be read: {cause}", fix)
        return
    if len(token) < TOKEN_LENGTH or not token.isprintable() or " " in token:
        problem = f"must hold one word of at least {TOKEN_LENGTH} characters"
        make = f"make one: (umask 077; openssl rand -hex 32 > {path})"
        layers.fault(setting, source, problem, make)
        return
    layers.put("control.token", token, str(path))


def _faults(layers: Layers, control: dict[str, Any], tcp: dict[str, Any]) -> Iterator[Fault]:
    """What is wrong with the TCP door: nobody listens on it without what keeps others out."""
    if control.get("token_file") is None:
        setting = "control.token_file"
        problem = "control.tcp needs a token, and there is no file of one"
        fix = "name a file of mode 600 that holds it: (umask 077; openssl rand -hex 32 > FILE)"
        yield Fault(setting, layers.source_of("control.tcp"), problem, fix)
    address = str(tcp.get("address") or "127.0.0.1")
    for name in ("certificate", "key"):
        setting = f"control.tcp.{name}"
        file = tcp.get(name)
        if file is not None:
            path = layers.root / Path(str(file)).expanduser()
            tcp[name] = path
            if not path.is_file():
                source = layers.source_of(setting)
                yield Fault(setting, source, f"{path} is not a file", "correct the path")
            other = "key" if name == "certificate" else "certificate"
            if tcp.get(other) is None:
                problem = f"is given without {other}: both together, or neither"
                source = layers.source_of(setting)
                yield Fault(setting, source, problem, f"give control.tcp.{other}, too")
        elif not is_loopback(address):
            problem = f"{address} can be reached from outside: it needs TLS"
            fix = f"give {setting}, or listen on 127.0.0.1"
            yield Fault(setting, layers.source_of("control.tcp.address"), problem, fix)
