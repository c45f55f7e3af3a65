"""Lines sent to a collector by OTLP: what arrives, what never does, and what a slow one costs."""

import json
import logging
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest
import structlog

from daemon import log
from daemon.logs.otlp import OtlpOutlet
from daemon.logs.repeats import Line
from tests.logs.collector import PATIENCE, Collector, collector
from tests.test_log import ACCOUNT, AT, SECRET, restored, start

WHO = {"service.name": "kis-trader"}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored():
        yield
        log.close()


@pytest.fixture
def far() -> Iterator[Collector]:
    with collector() as made:
        yield made


def text(number: int) -> tuple[str, Line]:
    line: Line = {
        "@timestamp": "2026-01-05T00:00:01.250000Z",
        "log.level": "info",
        "message": f"tick number={number}",
        "event.name": "tick",
        "number": number,
    }
    return json.dumps(line), line


def test_a_line_arrives_by_the_names_of_the_files(far: Collector) -> None:
    stream = start(otlp=far.url, environment="sim")
    structlog.get_logger("app").warning(
        "order_denied", order="20260105-000001", limit=Decimal("71900"), quantity=3, share=0.5
    )
    structlog.get_logger("app").info("odd", nested={"a": [1, None, "주문"]}, nothing=None)
    first, second = far.line(), far.line()
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert first["nanoseconds"] == int(AT.timestamp()) * 1_000_000_000
    assert (first["severity"], second["severity"]) == (13, 9)
    for told, line in zip((first, second), written, strict=True):
        assert told["event"] == line["event.name"]
        expected = {k: v for k, v in line.items() if k != "@timestamp" and v is not None}
        assert {k: v for k, v in told.items() if k in line} == expected
        assert set(told) - set(line) == {"nanoseconds", "severity", "event"}


def test_no_secret_leaves(far: Collector) -> None:
    start(otlp=far.url, secrets=[SECRET, ACCOUNT])
    half = len(SECRET) // 2
    structlog.get_logger().error(
        f"token {SECRET}", account=ACCOUNT, app_key="anything", nested={SECRET: [SECRET]}
    )
    # Two fields that are no secret each, and one when they stand side by side.
    structlog.get_logger().info("odd", a=SECRET[:half], b=SECRET[half:])
    try:
        raise ValueError(SECRET)
    except ValueError:
        structlog.get_logger().exception("failed")
    first, *_ = (far.line() for _ in range(3))
    sent = b"".join(far.bodies)
    assert SECRET.encode() not in sent
    assert ACCOUNT.encode() not in sent
    assert first["app_key"] == "***"


def test_what_redaction_left_without_form_is_sent_as_it_is(far: Collector) -> None:
    start(otlp=far.url, secrets=['"number":77}'])
    structlog.get_logger().info("tick", number=77)
    line = far.line()
    assert line["message"].endswith("***")
    assert '"event.name":"tick"' in line["message"]


def test_a_slow_collector_costs_lines_that_are_counted_and_no_time(far: Collector) -> None:
    far.open.clear()
    outlet = OtlpOutlet(far.url, WHO, waiting=4, answer=PATIENCE)
    for number in range(4):
        outlet.write(*text(number))
    assert [far.line()["number"] for _ in range(4)] == [0, 1, 2, 3], "sent, and not answered"
    with pytest.raises(OSError, match="too slow"):
        outlet.write(*text(4))
    far.open.set()
    outlet.close()
    assert outlet.lost() == 0
    assert [line["number"] for line in far.lines] == [0, 1, 2, 3]


@pytest.mark.parametrize("status", [400, 500])
def test_lines_that_are_not_taken_are_counted_and_told(far: Collector, status: int) -> None:
    stream = start(otlp=far.url)
    far.status = status
    structlog.get_logger().info("tick", number=1)
    far.line()
    log.close()
    assert log.lost_lines() == 1
    structlog.get_logger().info("tick", number=2)
    names = [json.loads(line)["event.name"] for line in stream.getvalue().splitlines()]
    assert names == ["tick", "tick", "log_lines_lost"]
    told = json.loads(stream.getvalue().splitlines()[-1])
    assert (told["outlet"], told["count"]) == ("otlp", 1)


def test_an_end_does_not_wait_for_a_collector_that_does_not_answer(far: Collector) -> None:
    far.open.clear()
    outlet = OtlpOutlet(far.url, WHO, waiting=1, answer=PATIENCE, farewell=0.01)
    outlet.write(*text(1))
    far.line()
    outlet.close()
    assert not far.open.is_set(), "it was never answered"


def test_what_the_libraries_say_of_it_is_no_line(far: Collector) -> None:
    stream = start(otlp=far.url)
    for name in ("opentelemetry.sdk", "urllib3.connectionpool"):
        logging.getLogger(name).error("Failed to export")
    assert stream.getvalue() == ""


def test_without_the_extra_it_is_told_and_every_other_place_has_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "daemon.logs.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry._logs", None)
    stream = start(otlp="http://127.0.0.1:1/v1/logs")
    structlog.get_logger().info("tick")
    missing, line = (json.loads(each) for each in stream.getvalue().splitlines())
    assert (missing["event.name"], missing["log.level"]) == ("log_outlet_missing", "error")
    assert missing["outlet"] == "otlp"
    assert "--extra otlp" in missing["fix"]
    assert "install.sh --otlp" in missing["fix"]
    assert line["event.name"] == "tick"
    assert log.lost_lines() == 0


def test_an_extra_that_is_broken_is_told_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise TypeError("descriptors cannot be created directly")

    monkeypatch.setattr("daemon.logs.otlp.OtlpOutlet", broken)
    stream = start(otlp="http://127.0.0.1:1/v1/logs")
    [missing] = map(json.loads, stream.getvalue().splitlines())
    assert missing["event.name"] == "log_outlet_missing"
    assert "descriptors cannot be created" in missing["cause"]


def test_without_an_address_nothing_of_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "daemon.logs.otlp", raising=False)
    start()
    assert "daemon.logs.otlp" not in sys.modules
