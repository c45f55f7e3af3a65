"""The only configurer of logging: one chain for our lines and the libraries', without secrets.

Lines go out as JSON for machines or as short coloured lines for people. Logging never raises:
a line that cannot be written is counted and lost.
"""

import logging
import os
import secrets as secrets_of_system
import sys
import threading
import traceback
import unicodedata
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson
import structlog

from daemon.clock import WallClock
from daemon.core.calendar import KST
from daemon.logs.files import DatedFiles, Retention
from daemon.logs.outlets import JournalOutlet, StreamOutlet, TextStream, is_journal
from daemon.logs.redaction import ITEM_LIMIT, TEXT_LIMIT, Redactor, bounded
from daemon.logs.repeats import Repeats

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]

SERVICE = "kis-trader"
LIBRARY = "library_message"
"""The event of every line of a library; what it said is the message."""

MESSAGE_LIMIT = 240
TRACEBACK_LIMIT = 16_000

_LEVELS: dict[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "1;31"}
_EVENT_WIDTH = 28
_ENVELOPE = frozenset(
    {
        *("@timestamp", "log.level", "message", "event.name", "log.logger", "trace.id"),
        *("service.name", "service.version", "service.instance.id", "service.environment"),
        *("event.sequence", "error.type", "error.message", "error.stack_trace"),
    }
)
"""Fields of every line, which people see in another form or not at all."""

Event = MutableMapping[str, Any]


class Outlet(Protocol):
    """One place that lines go to. `write` raises `OSError` or `ValueError` for a lost line."""

    name: str

    def write(self, text: str, line: Event, /) -> None: ...
    def close(self) -> None: ...


class _FileOutlet:
    """Dated files as an outlet."""

    def __init__(self, files: DatedFiles) -> None:
        self.name = files.name
        self._files = files
        self.close = files.close

    def write(self, text: str, _line: Event) -> None:
        self._files.write(text)


class _Place:
    """An outlet, the form its lines have, and how many it has lost.

    `lost_later` counts lines that the outlet took and lost after all.
    """

    def __init__(
        self,
        outlet: Outlet,
        render: Callable[[Event], str],
        lost_later: Callable[[], int] = lambda: 0,
    ) -> None:
        self.outlet = outlet
        self.render = render
        self.refused = 0
        self._lost_later = lost_later
        self._told = 0

    @property
    def lost(self) -> int:
        """Lines that did not arrive so far."""
        return self.refused + self._lost_later()

    def untold(self) -> int:
        """Lines lost since this was asked last."""
        told, self._told = self._told, self.lost
        return self._told - told


class _Sink:
    """Turns one event into one line and writes it everywhere, whatever happens."""

    def __init__(
        self, places: Sequence[_Place], redactor: Redactor, now: Callable[[], datetime], who: Event
    ) -> None:
        self.places = places
        self.redactor = redactor
        self.now = now
        self.who = who
        self.sequence = 0
        self.repeats = Repeats()
        # A line may be logged by the writing of another, in the same thread.
        self._writing = threading.RLock()

    def process(self, logger: object, level: str, event: Event) -> tuple[tuple[Event], Event]:
        """The last processor of the chain: the finished line, but for its sequence number."""
        level = "error" if level == "exception" else level
        error = event.pop("exc_info", None)
        said = event.pop("message", None)
        trace = event.pop("trace.id", None) or event.get("order")
        plain = self.redactor.plain
        line: dict[str, Any] = {
            "@timestamp": self._stamp(),
            "log.level": level,
            "message": "",
            "event.name": self.redactor.text(str(event.pop("event", "")))[:TEXT_LIMIT],
            "log.logger": event.pop("logger", getattr(logger, "name", "")),
            **({"trace.id": plain(trace)} if trace else {}),
            **self.who,
            "event.sequence": 0,
        }
        own: dict[str, Any] = {}
        try:
            for key, value in list(event.items())[:ITEM_LIMIT]:
                # A caller's key may not take the place of one of ours.
                name = self.redactor.text(key)
                own[f"{name}_" if name in line else name] = plain(value, key=key)
        except Exception as problem:  # noqa: BLE001  a value's own __str__ may raise anything
            own["unprintable"] = type(problem).__name__
        line["message"] = (
            _message(line["event.name"], own) if said is None else plain(str(said), key="message")
        )
        line |= own
        if error:
            line |= self._error(error)
        return (line,), {}

    def write(self, line: Event) -> None:
        """Write `line`, or count it as lost: a full disk or a closed pipe stops no trading.

        Threads may call it: their lines follow one another, whole.
        """
        with self._writing:
            for each in self.repeats.admit(line, self.now()):
                self._out(each)

    def close(self) -> None:
        """Write what was held back, and let go of files."""
        with self._writing:
            for each in self.repeats.drain():
                self._out(each)
            for place in self.places:
                place.outlet.close()

    def _out(self, line: Event) -> None:
        self.sequence += 1
        line["event.sequence"] = self.sequence
        recovered = []
        for place in self.places:
            # Parts that are no secret each may make one when put side by side.
            text = self.redactor.text(place.render(dict(line)))
            try:
                place.outlet.write(text, line)
            except (OSError, ValueError):
                place.refused += 1
                continue
            untold = place.untold()
            if untold:
                recovered.append((place.outlet.name, untold))
        for name, lost in recovered:
            self._out(self._lost(name, lost))

    def _lost(self, outlet: str, count: int) -> Event:
        own = {"outlet": outlet, "count": count}
        return {
            "@timestamp": self._stamp(),
            "log.level": "error",
            "message": _message("log_lines_lost", own),
            "event.name": "log_lines_lost",
            "log.logger": "log",
            **self.who,
            "event.sequence": 0,
            **own,
        }

    def _stamp(self) -> str:
        """RFC 3339 in UTC."""
        told = self.now().astimezone(UTC).isoformat(timespec="microseconds")
        return told.replace("+00:00", "Z")

    def _error(self, error: object) -> Event:
        found = error[1] if isinstance(error, tuple) else error
        text = bounded(self.redactor.text(_traceback(found)), TRACEBACK_LIMIT)
        if not isinstance(found, BaseException):
            return {}
        return {
            "error.type": type(found).__name__,
            "error.message": self.redactor.plain(_said_by(found)),
            "error.stack_trace": text,
        }


def _said_by(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  an exception's own __str__ may raise anything
        return ""


def _message(event: str, own: Event) -> str:
    """For people who see one column: the event and the fields that fit."""
    if not own:
        return event
    parts = [f"{key}={_shown(value)}" for key, value in own.items() if not isinstance(value, dict)]
    text = " ".join([event, *parts])
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "…"


class _LineLogger:
    """What structlog writes through: every level is the same line to the same sink."""

    def __init__(self, sink: _Sink, name: str) -> None:
        self._sink = sink
        self.name = name

    def msg(self, line: Event) -> None:
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
        logger.log(level, LIBRARY, message=message, **extra)


_redactor = Redactor()
_sink = _Sink([], _redactor, WallClock().now, {})


def configure(
    *,
    level: LogLevel = "info",
    format: LogFormat = "auto",
    stream: TextStream | None = None,
    secrets: Iterable[str] = (),
    now: Callable[[], datetime] | None = None,
    files: Path | None = None,
    retention: Retention | None = None,
    environment: str = "",
    otlp: str = "",
) -> LogFormat:
    """Set up all logging of this process; may be called again. Returns the format chosen.

    `stream` is standard output unless given; `auto` means `console` on a terminal and `json`
    elsewhere. Where systemd connected it to journald, lines go to that by its own socket. `files`
    is the folder of the dated files, none unless given. `now` stamps the lines, the machine's
    clock unless given; `environment` is the mode, told in every line. `otlp` is the address of a
    collector that lines are sent to, none unless given; where the packages for it are missing or
    broken, an error line says so, and there is no such place. What the settings say of redaction
    and levels holds for every place.
    """
    global _redactor, _sink
    target: TextStream = sys.stdout if stream is None else stream
    terminal = target.isatty()
    chosen: LogFormat = format if format != "auto" else ("console" if terminal else "json")
    _redactor = Redactor(secrets)
    now = now or WallClock().now
    render = _as_json if chosen == "json" else console(coloured=terminal)
    who = _identity(now(), environment)
    places = [_Place(_standard(target), render)]
    if files is not None:
        places.append(
            _Place(_FileOutlet(DatedFiles(files, now, retention or Retention())), _as_json)
        )
    unmade: Exception | None = None
    if otlp:
        try:
            places.append(_collector(otlp, who))
        except Exception as error:  # noqa: BLE001  one place less to log to stops no trading
            unmade = error
    _sink.close()
    _sink = _Sink(places, _redactor, now, who)
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
    if unmade is not None:
        structlog.get_logger("log").error(
            "log_outlet_missing",
            outlet="otlp",
            cause=f"{type(unmade).__name__}: {unmade}",
            fix="uv sync --extra otlp; a service: install.sh --otlp",
        )
    return chosen


def close() -> None:
    """At the end: write what was held back as repetition, and let go of files."""
    _sink.close()


def _standard(target: TextStream) -> Outlet:
    if not is_journal(target, os.environ):
        return StreamOutlet(target)
    try:
        return JournalOutlet(SERVICE)
    except OSError:
        return StreamOutlet(target, prefixed=True)


def _collector(address: str, who: Event) -> _Place:
    """Raises whatever a missing or broken package does."""
    from daemon.logs.otlp import OtlpOutlet

    outlet = OtlpOutlet(address, who)
    return _Place(outlet, _as_json, outlet.lost)


def _identity(at: datetime, environment: str) -> Event:
    """What every line of this start says of who wrote it."""
    try:
        version = metadata.version("kis-trading-daemon")
    except metadata.PackageNotFoundError:
        version = "unknown"
    start = f"{at.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets_of_system.token_hex(4)}"
    who = {"service.name": SERVICE, "service.version": version, "service.instance.id": start}
    return {**who, "service.environment": environment} if environment else who


def set_level(level: LogLevel) -> None:
    """Log at `level` from now on; a logger that was bound before keeps to its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]))


def add_secrets(*secrets: str) -> None:
    """Keep these values, learnt while running, out of every later line."""
    _redactor.add(*secrets)


def redacted(text: str) -> str:
    """`text` without the secrets known here, for words that go past the log."""
    return _redactor.text(text)


def concealed(key: str, value: object) -> str:
    """`value` as a line would show it by the name `key`."""
    return str(_redactor.plain(value, key=key))


def lost_lines() -> int:
    """Lines that could not be written since `configure`."""
    return sum(place.lost for place in _sink.places)


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


def console(*, coloured: bool) -> Callable[[Event], str]:
    """A line as people read it on a terminal: time in Seoul, event, fields."""

    def paint(text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if coloured else text

    def render(line: Event) -> str:
        at = datetime.fromisoformat(line["@timestamp"]).astimezone(KST).strftime("%H:%M:%S")
        event = _printable(str(line["message" if line["event.name"] == LIBRARY else "event.name"]))
        padded = event + " " * max(0, _EVENT_WIDTH - display_width(event))
        error = line.get("error.stack_trace")
        told = {"logger": line["log.logger"]} if line["log.logger"] else {}
        if "trace.id" in line and line["trace.id"] != line.get("order"):
            told["trace"] = line["trace.id"]
        told |= {key: value for key, value in line.items() if key not in _ENVELOPE}
        details = " ".join(f"{paint(key, '2')}={_shown(value)}" for key, value in told.items())
        colour = _COLOURS.get(str(line["log.level"]), "0")
        head = f"{paint(at, '2')} {paint(padded, colour)} {details}".rstrip()
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
