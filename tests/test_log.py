"""Lines that say everything but secrets, and never stop the daemon."""

import errno
import io
import json
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from daemon import log
from daemon.logs import files, redaction
from tests.logs import schema

AT = datetime(2026, 1, 5, 0, 0, 1, tzinfo=UTC)
SECRET = "PSabcd/efgh+ijkl=mnop"
ACCOUNT = "12345678-01"


@contextmanager
def restored() -> Iterator[None]:
    """Leave the process's logging as it was found."""
    root = logging.getLogger()
    level = root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    for handler in root.handlers[:]:
        if type(handler).__module__ == "daemon.log":
            root.removeHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored():
        yield


def start(**options: Any) -> io.StringIO:
    stream = io.StringIO()
    log.configure(
        **{"stream": stream, "format": "json", "level": "debug", "now": lambda: AT, **options}
    )
    return stream


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


class Colour(StrEnum):
    RED = "red"


class Pair(NamedTuple):
    price: Decimal
    token: str


@dataclass(frozen=True)
class Thing:
    colour: Colour
    pair: Pair
    at: datetime


def test_a_line_carries_time_level_event_logger_sequence_and_context() -> None:
    stream = start()
    logger = structlog.get_logger("executor").bind(strategy="ma")
    logger.info("order_sent", order="1")
    logger.warning("order_doubted")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {
        "@timestamp": "2026-01-05T00:00:01.000000Z",
        "log.level": "info",
        "message": "order_sent strategy=ma order=1",
        "event.name": "order_sent",
        "log.logger": "executor",
        "trace.id": "1",
        "service.name": "kis-trader",
        "service.version": metadata.version("kis-trading-daemon"),
        "service.instance.id": first["service.instance.id"],
        "event.sequence": 1,
        "strategy": "ma",
        "order": "1",
    }
    assert (second["log.level"], second["event.sequence"]) == ("warning", 2)
    assert re.fullmatch(r"20260105T000001-[0-9a-f]{8}", first["service.instance.id"])


def test_values_of_every_kind_become_json() -> None:
    stream = start()
    thing = Thing(Colour.RED, Pair(Decimal("1.50"), SECRET), AT)
    structlog.get_logger().info("seen", thing=thing, many={1, 2}, raw=b"x", big=2**80, n=None)
    line = only(stream)
    assert line["thing"] == {
        "colour": "red",
        "pair": {"price": "1.50", "token": "***"},
        "at": AT.isoformat(),
    }
    assert (line["many"], line["raw"], line["big"], line["n"]) == ([1, 2], "x", str(2**80), None)


def test_levels_below_the_chosen_one_are_not_written() -> None:
    stream = start(level="warning")
    structlog.get_logger().info("quiet")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "key", ["app_key", "appkey", "APP-SECRET", "token", "approval_key", "authorization", "hts_id"]
)
def test_secret_keys_are_masked_at_any_depth(key: str) -> None:
    stream = start()
    structlog.get_logger().info("x", **{key: "visible"}, nested=[{key: "visible"}])
    assert "visible" not in stream.getvalue()


def test_accounts_are_masked_but_can_be_told_apart() -> None:
    stream = start(secrets=[ACCOUNT, "12345678"])
    structlog.get_logger().info("x", account=ACCOUNT, other=f"of {ACCOUNT}", cano=12345678)
    line = only(stream)
    assert line["account"] == "12****78-01"
    assert line["other"] == "of 12****78-01"
    assert line["cano"] == "12****78"
    assert redaction.mask_account("nothing") == "***"


def test_secrets_are_found_in_exceptions_addresses_and_objects() -> None:
    stream = start(secrets=[SECRET])
    try:
        raise RuntimeError(f"GET /?key={quote(SECRET, safe='')} failed: {SECRET}")
    except RuntimeError as error:
        structlog.get_logger().exception("crashed", error=error)
    text = stream.getvalue()
    assert SECRET not in text
    assert quote(SECRET, safe="") not in text
    line = only(stream)
    assert line["log.level"] == "error"
    assert "RuntimeError" in line["error.stack_trace"]
    assert line["error.type"] == "RuntimeError"


def test_a_secret_learnt_later_is_kept_out_from_then_on() -> None:
    stream = start()
    log.add_secrets("fresh-token-0001")
    structlog.get_logger().info("issued fresh-token-0001")
    assert "fresh-token-0001" not in stream.getvalue()


def test_lines_are_bounded_and_a_cut_shows_no_half_secret() -> None:
    stream = start(secrets=[SECRET])
    text = "x" * (redaction.TEXT_LIMIT - 5) + SECRET
    structlog.get_logger().info("x", text=text, many=list(range(10_000)), deep=[[[[[[[1]]]]]]])
    line = only(stream)
    assert len(line["text"]) < redaction.TEXT_LIMIT + 50
    assert SECRET[:5] not in line["text"]
    assert len(line["many"]) == redaction.ITEM_LIMIT + 1


def test_libraries_speak_through_the_same_chain_from_warning_on() -> None:
    stream = start(secrets=[SECRET])
    logging.getLogger("aiohttp.client").info("not shown")
    logging.getLogger("aiohttp.client").warning("refused %s", SECRET)
    broken = {"msg": "%d", "args": ("no number",), "name": "broken", "levelno": logging.ERROR}
    for handler in logging.getLogger().handlers:
        if type(handler).__module__ == "daemon.log":
            handler.emit(logging.makeLogRecord(broken))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["log.logger"], first["log.level"]) == ("aiohttp.client", "warning")
    assert first["message"] == "refused ***"
    assert first["event.name"] == "library_message"
    assert second["message"] == "%d"


def test_python_warnings_are_lines_too() -> None:
    stream = start()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    assert "old thing" in only(stream)["message"]


def test_configuring_twice_writes_each_line_once() -> None:
    start()
    stream = start()
    logging.getLogger("x").warning("once")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC])
def test_a_line_that_cannot_be_written_is_counted(number: int) -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(number, "cannot write")

    start(stream=Full())
    structlog.get_logger().error("unheard")
    assert log.lost_lines() == 1


def test_a_stream_without_korean_gets_escapes() -> None:
    raw = io.BytesIO()
    start(stream=io.TextIOWrapper(raw, encoding="ascii"))
    structlog.get_logger().info("삼성전자·😀")
    assert json.loads(raw.getvalue())["event.name"] == "삼성전자·?"
    raw = io.BytesIO()
    start(stream=io.TextIOWrapper(raw, encoding="ascii", errors="backslashreplace"))
    structlog.get_logger().info("삼성전자·😀")
    assert json.loads(raw.getvalue())["event.name"] == "삼성전자·?"


def test_what_cannot_be_printed_is_still_a_line() -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no")

    stream = start()
    structlog.get_logger().info("x", rude=Rude())
    assert only(stream)["unprintable"] == "RuntimeError"


def test_the_console_is_short_and_in_seoul_time() -> None:
    stream = start(format="console")
    structlog.get_logger("executor").info("order_sent", name="삼성 전자", quantity=3)
    assert stream.getvalue() == (
        f'09:00:01 {"order_sent":28} logger=executor name="삼성 전자" quantity=3\n'
    )


def test_the_console_aligns_korean_and_keeps_control_characters_out() -> None:
    stream = start(format="console")
    structlog.get_logger().info("주문", note="a\nb\x1b[2J")
    line = stream.getvalue()
    assert line == f"09:00:01 주문{' ' * 24} note=a\\nb\\x1b[2J\n"
    assert log.display_width("주문 ok") == 7


def test_the_console_indents_tracebacks() -> None:
    stream = start(format="console", secrets=[SECRET])
    try:
        raise ValueError(SECRET)
    except ValueError:
        structlog.get_logger().exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.startswith("09:00:01 failed")
    assert all(line.startswith("  ") for line in rest)
    assert rest[-1] == "  ValueError: ***"


def test_auto_is_colours_on_a_terminal_and_json_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert log.configure(stream=io.StringIO()) == "json"
    stream = Terminal()
    assert log.configure(stream=stream) == "console"
    structlog.get_logger().info("hello")
    assert "\x1b[" in stream.getvalue()


def test_a_caller_cannot_forge_the_fields_of_a_line() -> None:
    stream = start()
    forged = {"event.sequence": 99, "@timestamp": "never", "service.name": "other"}
    structlog.get_logger().info("x", **forged)
    line = only(stream)
    assert (line["event.sequence"], line["service.name"]) == (1, "kis-trader")
    assert {f"{name}_": line[f"{name}_"] for name in forged} == {
        f"{name}_": value for name, value in forged.items()
    }


SECRETS = st.text("ABCDEFabcdef0123456789+/=_-\"'\\", min_size=12, max_size=40).filter(
    lambda text: len(set(text)) > 4
)
JSONISH: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(
    SECRETS,
    st.text(max_size=30),
    st.text(max_size=30),
    JSONISH,
    st.sampled_from(["json", "console"]),
)
def test_a_secret_never_appears(
    secret: str, before: str, after: str, other: Any, format: str
) -> None:
    stream = start(secrets=[secret], format=format)
    text = f"{before}{secret}{after}"
    logger = structlog.get_logger("x").bind(context=text)
    logger.info(text, text=text, raw=text.encode("utf-8", "replace"), other=other)
    logger.error("nested", value={"list": [text, {text: (text, {"in": text})}]}, **{text: 1})
    logging.getLogger("library").warning("said %r and %s", text, [text])
    try:
        raise RuntimeError(text) from ValueError(repr(text))
    except RuntimeError:
        logger.exception("failed")
    output = stream.getvalue()
    assert secret not in output
    assert json.dumps(secret)[1:-1] not in output
    assert repr(secret)[1:-1] not in output


class Flaky(io.StringIO):
    """A stream on a disk that is full for a while."""

    full = False

    def write(self, text: str, /) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_lost_lines_are_told_once_there_is_room() -> None:
    stream = Flaky()
    start(stream=stream)
    logger = structlog.get_logger()
    logger.info("one")
    stream.full = True
    logger.info("two")
    logger.info("three")
    stream.full = False
    logger.info("four")
    logger.info("five")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    names = [(line["event.name"], line["event.sequence"]) for line in lines]
    assert names == [("one", 1), ("four", 4), ("log_lines_lost", 5), ("five", 6)]
    assert (lines[2]["count"], lines[2]["outlet"], lines[2]["log.level"]) == (2, "stream", "error")
    assert schema.problems(lines[2]) == []
    assert log.lost_lines() == 2


class Narrow(io.StringIO):
    """Holds its first writer for a moment, to see whether a second one comes in meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = threading.Event(), threading.Event()

    def write(self, text: str, /) -> int:
        if self.first.is_set():
            self.second.set()
        else:
            self.first.set()
            self.second.wait(0.2)
        return super().write(text)


def test_lines_of_threads_are_written_one_after_another() -> None:
    stream = Narrow()
    start(stream=stream)
    logger = structlog.get_logger()
    held = threading.Thread(target=lambda: logger.info("one"))
    held.start()
    stream.first.wait(10)
    logger.info("two")
    held.join(10)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event.name"], line["event.sequence"]) for line in lines] == [
        ("one", 1),
        ("two", 2),
    ]
    assert log.lost_lines() == 0


def test_a_line_that_is_logged_by_the_writing_of_another_does_not_stop_it() -> None:
    class Talking(io.StringIO):
        def write(self, text: str, /) -> int:
            if "one" in text:
                structlog.get_logger().info("two")
            return super().write(text)

    stream = Talking()
    start(stream=stream)
    done = threading.Thread(target=lambda: structlog.get_logger().info("one"), daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()
    assert "two" in stream.getvalue()


def test_a_storm_is_counted_and_facts_are_not_held_back() -> None:
    stream = start()
    for number in range(1_000):
        structlog.get_logger("kis").warning("feed_lost", number=number)
        structlog.get_logger("facts").info("order_sent", order=str(number))
    log.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event.sequence"] for line in lines] == list(range(1, len(lines) + 1))
    lost = [line for line in lines if line["event.name"] == "feed_lost"]
    assert len(lost) < 100
    assert sum(line.get("repeated", 1) for line in lost) == 1_000
    assert lost[-1]["number"] == 999
    assert len(lines) - len(lost) == 1_000


def test_files_have_the_json_whatever_the_terminal_shows(tmp_path: Path) -> None:
    stream = start(format="console", files=tmp_path, secrets=[SECRET], environment="sim")
    structlog.get_logger("x").info("삼성", said=SECRET)
    log.close()
    assert stream.getvalue().startswith("09:00:01 삼성")
    [file] = files.log_files(tmp_path)
    line = json.loads(file.path.read_text())
    assert (line["event.name"], line["said"], line["service.environment"]) == ("삼성", "***", "sim")


def test_a_folder_that_cannot_be_used_costs_its_lines_alone(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    stream = start(files=tmp_path / "logs")
    structlog.get_logger().info("heard")
    assert only(stream)["event.name"] == "heard"
    assert log.lost_lines() == 1


def test_what_is_logged_during_a_request_is_part_of_its_trace() -> None:
    stream = start()
    with structlog.contextvars.bound_contextvars(**{"trace.id": "7"}):
        structlog.get_logger("daemon.kis.rest").error("order_needs_operator", code="1", reason="no")
    line = only(stream)
    assert line["trace.id"] == "7"
    assert schema.problems(line) == []


def test_the_level_may_change_while_it_runs() -> None:
    stream = start(level="warning")
    logger = structlog.get_logger("desk")
    logger.info("unheard")
    log.set_level("info")
    logger.info("heard")
    log.set_level("error")
    logger.warning("unheard")
    assert only(stream)["event.name"] == "heard"
