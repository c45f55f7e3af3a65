from decimal import Decimal

import pytest

from daemon.kis.spec import Environment
from daemon.sim.facts import RefusalReason
from daemon.sim.replies import (
    bad_field,
    encode,
    filled,
    gateway_error,
    padded,
    plain,
    refused,
    whole,
)


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


def test_the_words_of_refusals_are_those_clients_have_logged() -> None:
    logged = {
        RefusalReason.CLOSED_DAY: ("1", "APBK0919"),
        RefusalReason.AFTER_HOURS: ("1", "APBK0918"),
        RefusalReason.FUNDS: ("7", "APBK0952"),
        RefusalReason.HOLDINGS: ("7", "APBK0400"),
        RefusalReason.NO_ORIGINAL: ("7", "APBK0344"),
        RefusalReason.NOTHING_LEFT: ("7", "APBK0927"),
    }
    for reason, words in logged.items():
        said = refused(reason, Environment.REAL)
        assert (said.rt_cd, said.code, said.status) == (*words, 200)
    assert refused(RefusalReason.NOTHING_LEFT, Environment.VIRTUAL).code == "40330000"
    assert refused(RefusalReason.PRICE_STEP, Environment.VIRTUAL).code == "40030000"


def test_the_gateway_fails_with_a_status_and_a_field_with_its_name() -> None:
    assert gateway_error("EGW00123", "expired").status == 500
    assert gateway_error("EGW00103", "no", 403).status == 403
    said = bad_field("CANO")
    assert (said.status, said.rt_cd, said.code) == (200, "2", "OPSQ2001")
    assert said.text.rstrip() == "ERROR : INPUT INVALID_CHECK_CANO"


def test_numbers_and_texts_are_written_as_the_broker_does() -> None:
    assert plain(Decimal("1E+3")) == "1000"
    assert plain(7) == "7"
    assert whole(Decimal("-12.9")) == "-12"
    assert encode({"msg1": "정상"}) == '{"msg1":"정상"}'.encode()
