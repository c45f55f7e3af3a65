"""A tape's file: its name, its lines without secrets, its blocks, and how it is read back.

A file is a row of gzip members, each whole by itself, so that `zcat` reads it. A line is JSON:
`[instant, text]`, `[instant, {"base64": bytes}]`, or `[instant, {"lost": frames}]`.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

GZIP = 31
"""What zlib calls a gzip member with the largest window."""

_CHUNK = 256 * 1024
_LARGEST_BLOCK = 256 * 1024 * 1024
_NAME = re.compile(r"tape-(\d{4})(\d{2})(\d{2})-(\d{3,9})\.jsonl\.gz")
_DATA = ("0|", "1|")
_SECRETS = frozenset({"key", "iv", "approval_key", "appkey", "appsecret", "secretkey"})
_SPELLED = re.compile(
    rb'("(?:key|iv|approval_key|appkey|appsecret|secretkey)"\s*:\s*")([^"]*)', re.IGNORECASE
)


def tape_path(folder: Path, day: date, number: int) -> Path:
    """Where the `number`th tape of a day, from 1, is kept."""
    return folder / f"tape-{day:%Y%m%d}-{number:03}.jsonl.gz"


def tapes_by_day(folder: Path) -> dict[date, dict[int, Path]]:
    """The tapes in a folder by their date in Seoul and their number, oldest first."""
    found: list[tuple[date, int, Path]] = []
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is not None:
            year, month, day, number = map(int, match.groups())
            with suppress(ValueError):
                found.append((date(year, month, day), number, path))
    days: dict[date, dict[int, Path]] = {}
    for on, number, path in sorted(found):
        days.setdefault(on, {})[number] = path
    return days


def frame_line(at: datetime, frame: str | bytes, name: str = "") -> bytes:
    """A frame and its instant as one line, without secrets."""
    if frame[:2] not in _DATA:
        frame = _nameless(redacted(frame), name)
    held = frame if isinstance(frame, str) else {"base64": base64.b64encode(frame).decode()}
    try:
        return orjson.dumps((at, held), option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # Half a surrogate pair is text to Python and to `json`, though to no encoding.
        return json.dumps((at.isoformat(), held)).encode() + b"\n"


def lost_line(at: datetime, frames: int) -> bytes:
    """A line that says how many frames are missing here."""
    return orjson.dumps((at, {"lost": frames}), option=orjson.OPT_APPEND_NEWLINE)


def redacted(frame: str | bytes) -> str | bytes:
    """A control frame without the key and iv that order notices are sealed with.

    Each letter of a secret becomes a star. A frame that has none comes back as it is.
    """
    try:
        message = orjson.loads(frame)
        found = _hide(message)
    except (ValueError, RecursionError):
        if isinstance(frame, bytes):
            return _SPELLED.sub(_starred, frame)
        return _SPELLED.sub(_starred, frame.encode("utf-8", "surrogatepass")).decode(
            "utf-8", "surrogatepass"
        )
    if not found:
        return frame
    return orjson.dumps(message) if isinstance(frame, bytes) else orjson.dumps(message).decode()


def _nameless(frame: str | bytes, name: str) -> str | bytes:
    """A control frame that does not say whose notices were asked for."""
    if not name:
        return frame
    if isinstance(frame, bytes):
        return frame.replace(f'"{name}"'.encode(), b'"' + b"*" * len(name) + b'"')
    return frame.replace(f'"{name}"', '"' + "*" * len(name) + '"')


def _starred(found: re.Match[bytes]) -> bytes:
    return found[1] + b"*" * len(found[2])


def _hide(value: Any) -> bool:
    """Overwrite every secret inside; tells whether there was one."""
    if isinstance(value, list):
        return any([_hide(each) for each in value])
    if not isinstance(value, dict):
        return False
    found = False
    for name, inner in value.items():
        if name.lower() in _SECRETS and inner:
            value[name] = "*" * len(inner) if isinstance(inner, str) else "*"
            found = True
        else:
            found = _hide(inner) or found
    return found


class TapeFrame(NamedTuple):
    """A message as it was received, at an aware UTC instant."""

    at: datetime
    frame: str | bytes


class _Torn(Exception):
    """The rest of a file cannot be read."""


class TapeReading:
    """The frames of one file, in the order of their receipt; iterating raises `OSError`.

    Afterwards `torn` says why the rest could not be read, empty if there is none, and `lost` how
    many frames were dropped while it was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        self.torn = ""

    def __iter__(self) -> Iterator[TapeFrame]:
        self.lost, self.torn = 0, ""
        try:
            with self.path.open("rb") as file:
                for block in _blocks(file):
                    yield from self._frames(block)
        except _Torn as torn:
            self.torn = str(torn)

    def _frames(self, block: bytes) -> Iterator[TapeFrame]:
        for line in filter(None, block.split(b"\n")):
            try:
                told = _told(line)
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise _Torn(f"a line is no frame: {line[:60]!r}") from error
            if isinstance(told, int):
                self.lost += told
            else:
                yield told


def _told(line: bytes) -> TapeFrame | int:
    """What a line says: a frame, or how many were lost; raises all that `_Torn` is made of."""
    stamp, held = _loads(line)
    at = datetime.fromisoformat(stamp)
    if at.tzinfo is None:
        raise ValueError("an instant without a zone")
    if isinstance(held, str):
        return TapeFrame(at, held)
    if "lost" in held:
        return int(held["lost"])
    return TapeFrame(at, base64.b64decode(held["base64"], validate=True))


def _loads(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The content of each gzip member once its check sum is right; raises `_Torn`."""
    unread = file.read(_CHUNK)
    while unread:
        start = file.tell() - len(unread)
        inflater = zlib.decompressobj(wbits=GZIP)
        content: list[bytes] = []
        size = 0
        while not inflater.eof:
            if not unread:
                raise _Torn(f"the block at byte {start} is cut short")
            try:
                content.append(inflater.decompress(unread))
            except zlib.error as error:
                raise _Torn(f"the block at byte {start} is damaged: {error}") from error
            size += len(content[-1])
            if size > _LARGEST_BLOCK:
                raise _Torn(f"the block at byte {start} is too large for a tape")
            unread = inflater.unused_data or file.read(_CHUNK)
        yield b"".join(content)


def read_tape(path: Path) -> TapeReading:
    """Read a tape back, also one that is still being written or was never closed."""
    return TapeReading(path)
