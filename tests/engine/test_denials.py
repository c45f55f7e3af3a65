"""What was denied can be followed by a trace of its own."""

from decimal import Decimal

import structlog

from daemon.core.limits import Rule
from daemon.core.risk import Denied
from daemon.engine.denials import Denials
from tests.builders import intent


def test_each_denied_intent_has_a_trace_and_its_reason() -> None:
    denials = Denials()
    with structlog.testing.capture_logs() as lines:
        for quantity in (1, 2):
            wanted = intent(quantity=quantity)
            denials.of_intent(Denied(intent=wanted, rule=next(iter(Rule)), detail="too many"))
    assert [line["trace.id"] for line in lines] == ["denied-1", "denied-2"]
    assert [line["quantity"] for line in lines] == [1, 2]
    assert lines[0]["detail"] == "too many"
    assert lines[0]["limit"] == Decimal(70_000)
    assert denials.count == 2
