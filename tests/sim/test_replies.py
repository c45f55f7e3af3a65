from decimal import Decimal

import pytest

from daemon.kis.spec import Environment
from daemon.sim.facts import RefusalReason
from daemon.sim.replies import bad_field, filled, padded, refused, whole


def test_texts_are_padded_to_columns() -> None:
    assert padded("ab", 4) == "ab  "
    assert padded("조회", 6) == "조회  "
    assert len(bad_field("ACNO").text) == 80


@pytest.mark.parametrize("reason", RefusalReason)
def test_every_refusal_has_words_in_both_worlds(reason: RefusalReason) -> None:
    real = refused(reason, Environment.REAL)
    virtual = refused(reason, Environment.VIRTUAL)
    assert real.code.startswith("APBK")
    assert virtual.code.isdigit()
    assert real.rt_cd in ("1", "7")
    assert virtual.text.startswith("모의투자")


def test_documented_fields_are_complete_and_in_order() -> None:
    assert filled("b a", {"a": "1", "c": "2"}) == {"b": "0", "a": "1"}
    assert whole(Decimal("12.9")) == "12"
