"""The only configurer of logging: one chain for our lines and the libraries', without secrets.

Lines go out as JSON for machines or as short coloured lines for people. Logging never raises:
a line that cannot be written is counted and lost.
"""

import logging
import re
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Protocol
from urllib.parse import quote, quote_plus

import orjson
import structlog

from daemon.clock import WallClock
from daemon.core.calendar import KST

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]

MASK = "***"
TEXT_LIMIT = 2_000
TRACEBACK_LIMIT = 16_000
ITEM_LIMIT = 50
DEPTH_LIMIT = 5
SECRET_LEAST = 6
"""Shorter values cannot be told from ordinary text; they are masked by their key alone."""
SECRETS_LIMIT = 500

_SECRET_KEYS = frozenset(
    {
        *("appkey", "appsecret", "secretkey", "secret", "apikey", "password", "htsid"),
        *("token", "accesstoken", "approvalkey", "authorization", "iv", "aeskey", "aesiv"),
    }
)
_ACCOUNT_KEYS = frozenset({"account", "accountid", "accountnumber"})
_ACCOUNT = re.compile(r"(\d{2})\d{4}(\d{2})((?:-?\d{2})?)")

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

_LEVELS: dict[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "1;31"}
_EVENT_WIDTH = 28

Event = MutableMapping[str, Any]


class TextStream(Protocol):
    """Where lines go: standard output, or a buffer in a test."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...
    def isatty(self) -> bool: ...


def mask_account(account: str) -> str:
    """`"12****78-01"` of `"12345678-01"`; anything that is no account number becomes `***`."""
    match = _ACCOUNT.fullmatch(account)
    return f"{match[1]}****{match[2]}{match[3]}" if match else MASK


class Redactor:
    """Replaces secrets by key name, and by exact value anywhere in a text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._values: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Remember more values, such as a token just issued. The oldest give way at the limit."""
        for secret in secrets:
            if len(secret) >= SECRET_LEAST:
                # Libraries quote addresses and repr() strings before we ever see the text.
                for form in (
                    secret,
                    quote(secret, safe=""),
                    quote_plus(secret),
                    repr(secret)[1:-1],
                ):
                    self._values.pop(form, None)
                    self._values[form] = None
        while len(self._values) > SECRETS_LIMIT:
            del self._values[next(iter(self._values))]
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = (
            re.compile("|".join(map(re.escape, longest_first))) if self._values else None
        )

    def text(self, text: str) -> str:
        """`text` without any of the values, and writable as UTF-8."""
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: mask_account(match[0]), text)

    def plain(self, value: object, *, key: str = "", depth: int = 0) -> Any:
        """`value` as JSON types, redacted and bounded; `key` is the name it goes by."""
        name = "".join(character for character in key.lower() if character.isalnum())
        if name in _SECRET_KEYS and value:
            return MASK
        if name in _ACCOUNT_KEYS and isinstance(value, str):
            return mask_account(value)
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, Enum):
            return self.plain(value.value, depth=depth)
        if isinstance(value, int):
            text = self.text(str(value))
            return int(value) if text == str(value) and abs(value) < 2**53 else text
        if isinstance(value, str):
            return _bounded(self.text(value), TEXT_LIMIT)
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return self.text(str(value))
        if depth >= DEPTH_LIMIT:
            return "…"
        return self._compound(value, depth + 1)

    def _compound(self, value: object, depth: int) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return self._mapping({f.name: getattr(value, f.name) for f in fields(value)}, depth)
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return self._mapping(value._asdict(), depth)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            items = list(value)
            kept = [self.plain(item, depth=depth) for item in items[:ITEM_LIMIT]]
            return (
                kept if len(items) <= ITEM_LIMIT else [*kept, f"… {len(items) - ITEM_LIMIT} more"]
            )
        if isinstance(value, bytes | bytearray):
            return _bounded(self.text(bytes(value).decode("utf-8", "replace")), TEXT_LIMIT)
        return _bounded(self.text(str(value)), TEXT_LIMIT)

    def _mapping(self, mapping: Mapping[Any, object], depth: int) -> dict[str, Any]:
        return {
            _bounded(self.text(str(key)), 100): self.plain(value, key=str(key), depth=depth)
            for key, value in list(mapping.items())[:ITEM_LIMIT]
        }


class _Sink:
    """Turns one event into one line and writes it, whatever happens."""

    def __init__(
        self,
        stream: TextStream,
        redactor: Redactor,
        render: Callable[[Event], str],
        now: Callable[[], datetime],
    ) -> None:
        self.stream = stream
        self.redactor = redactor
        self.render = render
        self.now = now
        self.sequence = 0
        self.lost = 0

    def process(self, logger: object, level: str, event: Event) -> str:
        """The last processor of the chain: the finished line."""
        level = "error" if level == "exception" else level
        error = event.pop("exc_info", None)
        self.sequence += 1
        line: dict[str, Any] = {
            "timestamp": self.now().isoformat(),
            "level": level,
            "event": self.redactor.text(str(event.pop("event", "")))[:TEXT_LIMIT],
            "logger": event.pop("logger", getattr(logger, "name", "")),
            "seq": self.sequence,
        }
        try:
            for key, value in list(event.items())[:ITEM_LIMIT]:
                # A caller's key may not take the place of one of ours.
                name = self.redactor.text(key)
                line[f"{name}_" if name in line else name] = self.redactor.plain(value, key=key)
        except Exception as problem:  # noqa: BLE001  a value's own __str__ may raise anything
            line["unprintable"] = type(problem).__name__
        if error:
            line["exception"] = _bounded(self.redactor.text(_traceback(error)), TRACEBACK_LIMIT)
        # Parts that are no secret each may make one when put side by side.
        return self.redactor.text(self.render(line))

    def write(self, line: str) -> None:
        """Write `line`, or count it as lost: a full disk or a closed pipe stops no trading."""
        try:
            try:
                # Asked beforehand: the stream's own way with errors may not be JSON's.
                line.encode(getattr(self.stream, "encoding", None) or "utf-8")
            except UnicodeEncodeError:
                line = _NOT_ASCII.sub(_escaped, line)
            self.stream.write(line + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            self.lost += 1


def _escaped(found: re.Match[str]) -> str:
    """As JSON writes it too; what does not fit in four digits has no short form."""
    code = ord(found[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else "?"


class _LineLogger:
    """What structlog writes through: every level is the same line to the same sink."""

    def __init__(self, sink: _Sink, name: str) -> None:
        self._sink = sink
        self.name = name

    def msg(self, line: str) -> None:
        self._sink.write(line)

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class _Bridge(logging.Handler):
    """Brings the lines of libraries into the same chain."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one library record; `logging` asks that this never raises."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  a library's own format mistake must not reach trading
            message = str(record.msg)
        logger = structlog.get_logger(record.name)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        extra = {"exc_info": record.exc_info} if record.exc_info else {}
        logger.log(level, message, **extra)


_redactor = Redactor()
_sink = _Sink(sys.stdout, _redactor, lambda line: _as_json(line), WallClock().now)


def configure(
    *,
    level: LogLevel = "info",
    format: LogFormat = "auto",
    stream: TextStream | None = None,
    secrets: Iterable[str] = (),
    now: Callable[[], datetime] | None = None,
) -> LogFormat:
    """Set up all logging of this process; may be called again. Returns the format chosen.

    `stream` is standard output unless given; `auto` means `console` on a terminal and `json`
    elsewhere. `now` stamps the lines, the machine's clock unless given.
    """
    global _redactor, _sink
    target: TextStream = sys.stdout if stream is None else stream
    terminal = target.isatty()
    chosen: LogFormat = format if format != "auto" else ("console" if terminal else "json")
    _redactor = Redactor(secrets)
    render = _as_json if chosen == "json" else _console(coloured=terminal)
    _sink = _Sink(target, _redactor, render, now or WallClock().now)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _exception_info, _sink.process],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_named(_sink),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _Bridge):
            root.removeHandler(handler)
    root.addHandler(_Bridge(logging.WARNING))
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    return chosen


def add_secrets(*secrets: str) -> None:
    """Keep these values, learnt while running, out of every later line."""
    _redactor.add(*secrets)


def redacted(text: str) -> str:
    """`text` without the secrets known here, for words that go past the log."""
    return _redactor.text(text)


def lost_lines() -> int:
    """Lines that could not be written since `configure`."""
    return _sink.lost


def _named(sink: _Sink) -> Callable[..., _LineLogger]:
    """A logger factory: lines of `structlog.get_logger(name)` carry `name`."""
    return lambda *names: _LineLogger(sink, str(names[0]) if names else "")


def _exception_info(_logger: object, level: str, event: Event) -> Event:
    """Resolve `exc_info=True` while the exception is still the current one."""
    error = event.get("exc_info")
    if error is True or (error is None and level == "exception"):
        event["exc_info"] = sys.exc_info()
    return event


def _traceback(error: object) -> str:
    if isinstance(error, tuple):
        error = error[1]
    if not isinstance(error, BaseException):
        return ""
    return "".join(traceback.format_exception(error, limit=30)).rstrip()


def _as_json(line: Event) -> str:
    return orjson.dumps(line, option=orjson.OPT_NON_STR_KEYS).decode()


def _console(*, coloured: bool) -> Callable[[Event], str]:
    def paint(text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if coloured else text

    def render(line: Event) -> str:
        at = datetime.fromisoformat(line.pop("timestamp")).astimezone(KST).strftime("%H:%M:%S")
        level = str(line.pop("level"))
        event = _printable(str(line.pop("event")))
        padded = event + " " * max(0, _EVENT_WIDTH - display_width(event))
        error = line.pop("exception", None)
        del line["seq"]
        if not line["logger"]:
            del line["logger"]
        details = " ".join(f"{paint(key, '2')}={_shown(value)}" for key, value in line.items())
        head = f"{paint(at, '2')} {paint(padded, _COLOURS.get(level, '0'))} {details}".rstrip()
        return head if error is None else f"{head}\n  " + str(error).replace("\n", "\n  ")

    return render


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    text = _printable(text)
    return f'"{text}"' if " " in text and isinstance(value, str) else text


def _printable(text: str) -> str:
    """One line, without control characters that could move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def display_width(text: str) -> int:
    """Columns `text` takes on a terminal; Korean letters take two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _bounded(text: str, limit: int) -> str:
    """`text`, or as much of it as `limit` allows. Only ever called on redacted text."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
