"""What docs/logs.md promises of every line, against the source and the facts."""

from dataclasses import fields
from typing import get_args

import pytest

from daemon.core.events import Event, OrderEvent
from daemon.engine.chronicle import fact_name
from tests.logs.scan import Call, calls
from tests.logs.schema import ENVELOPE, EVENTS, FIELDS, ROOT, TYPES, problems

SOURCES = sorted((ROOT / "daemon").rglob("*.py"))
CALLS = [call for path in SOURCES for call in calls(path, ROOT)]
COMPUTED = {"daemon/engine/chronicle.py", "daemon/log.py"}
"""Where an event has its name from its fact, and where libraries speak."""

OF_LOG_ITSELF = {"log_lines_lost", "library_message"}
FACTS = {fact_name(kind): kind for kind in get_args(Event)}
RETOLD = {
    "order_created",
    "order_filled",
    "emergency_reported",
    "market_close_reported",
    "account_reported",
}
"""Facts with fields other than their own; tests of the chronicle have what they are."""

ECS = frozenset(
    {
        *("agent", "client", "cloud", "container", "data_stream", "destination", "device", "dll"),
        *("dns", "ecs", "email", "error", "event", "faas", "file", "geo", "group", "hash", "host"),
        *("http", "interface", "labels", "log", "message", "network", "observer", "orchestrator"),
        *("organization", "os", "package", "process", "registry", "related", "rule", "server"),
        *("service", "source", "span", "tags", "threat", "tls", "trace", "transaction", "url"),
        *("user", "user_agent", "vlan", "volume", "vulnerability", "x509"),
    }
)
"""The field sets of ECS 8: a plain value by such a name could not be stored beside them."""


def test_the_scan_sees_the_source() -> None:
    assert len(CALLS) > 80
    assert {call.where.partition(":")[0] for call in CALLS if call.unclear} == COMPUTED


@pytest.mark.parametrize(
    "call", [each for each in CALLS if not each.unclear], ids=lambda call: f"{call.event}"
)
def test_every_log_call_is_in_the_document(call: Call) -> None:
    entry = EVENTS.get(call.event)
    assert entry is not None, f"{call.where}: add a row for {call.event} to docs/logs.md"
    assert call.level in entry.level.split(), call.where
    known = entry.needed | entry.optional
    assert call.fields <= known, f"{call.where}: {sorted(call.fields - known)}"
    missing = entry.needed - call.fields - call.optional
    assert not missing, f"{call.where}: {sorted(missing)}"


def test_the_document_has_no_other_events() -> None:
    said = {call.event for call in CALLS if not call.unclear}
    assert set(EVENTS) == said | set(FACTS) | OF_LOG_ITSELF


@pytest.mark.parametrize("name", sorted(set(FACTS) - RETOLD))
def test_every_fact_is_in_the_document_with_its_fields(name: str) -> None:
    kind = FACTS[name]
    own = {"number" if each.name == "ref" else each.name for each in fields(kind)} - {"at"}
    entry = EVENTS[name]
    if issubclass(kind, get_args(OrderEvent)):
        own |= {"strategy"}
    assert entry.needed == own
    assert entry.optional <= {"answered_after"}


def test_every_field_is_explained_once_and_leaves_ecs_its_names() -> None:
    used = {name for entry in EVENTS.values() for name in entry.needed | entry.optional}
    assert used == set(FIELDS)
    assert not used & (ECS | ENVELOPE)
    assert set(FIELDS.values()) <= set(TYPES)


def test_every_event_is_explained_in_both_languages() -> None:
    for entry in EVENTS.values():
        assert any("가" <= letter <= "힣" for letter in entry.korean), entry.event
        assert entry.english.isascii(), entry.event


def test_a_line_that_is_not_as_promised_is_found_out() -> None:
    line = {
        "@timestamp": "2026-01-05T00:00:00Z",
        "log.level": "info",
        "message": "x",
        "event.name": "order_reduced",
        "log.logger": "facts",
        "event.sequence": 1,
        "service.name": "kis-trader",
        "service.version": "1",
        "service.instance.id": "a",
        "order": "1",
        "strategy": "s",
        "quantity": 3,
    }
    assert problems(line) == []
    assert problems({**line, "quantity": "3"}) != []
    assert problems({**line, "quantity": True}) != []
    assert problems({**line, "more": 1}) != []
    assert problems({**line, "log.level": "error"}) != []
    assert problems({**line, "event.name": "never_heard_of"}) != []
    del line["strategy"]
    assert problems(line) != []
