"""One line a fact: named after it, at the level it deserves, with what a reader needs."""

from collections.abc import MutableMapping
from decimal import Decimal
from typing import Any, get_args

import pytest
from structlog.testing import capture_logs

from daemon.core.events import (
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    OrderAccepted,
    OrderDoubted,
    OrderFilled,
    OrderModified,
    OrderRejected,
    OrderRepriced,
    TradingArmed,
    TradingHalted,
)
from daemon.core.portfolio import Portfolio
from daemon.core.values import OrderId, Side
from daemon.engine.chronicle import Chronicle, fact_name
from tests.builders import (
    ACCOUNT,
    DAY,
    NINE,
    SAMSUNG,
    accepted,
    created,
    filled,
    funded,
    intent,
    ref,
    reported,
    sent,
)

A = OrderId("a")


def told(*events: Event, portfolio: Portfolio | None = None) -> list[MutableMapping[str, Any]]:
    """The lines of facts that are recorded one after the other."""
    portfolio = portfolio or Portfolio()
    with capture_logs() as lines:
        chronicle = Chronicle(portfolio)
        for event in events:
            portfolio.apply(event)
            chronicle.on_fact(event)
    return lines


def test_every_kind_of_fact_has_a_name_of_its_own() -> None:
    names = [fact_name(kind) for kind in get_args(Event)]
    assert len(set(names)) == len(names) == 35
    assert fact_name(OrderFilled) == "order_filled"
    assert all(name == name.lower() and not name.startswith("_") for name in names)


def test_the_life_of_an_order_reads_as_a_story() -> None:
    lines = told(created("a"), sent("a"), accepted("a", "7"), filled("a", 4), filled("a", 6))

    assert [line["event"] for line in lines] == [
        "order_created",
        "order_sent",
        "order_accepted",
        "order_filled",
        "order_filled",
    ]
    assert all((line["order"], line["strategy"]) == ("a", "test") for line in lines)
    assert not any("at" in line for line in lines)
    assert [line["log_level"] for line in lines] == ["info", "debug", "info", "info", "info"]


def test_an_order_is_told_with_what_was_wished() -> None:
    [line] = told(created("a", intent(side=Side.SELL, quantity=3)))
    del line["log_level"]
    assert line == {
        "event": "order_created",
        "order": "a",
        "strategy": "test",
        "instrument": SAMSUNG,
        "side": "sell",
        "quantity": 3,
        "limit": Decimal(70_000),
        "time_in_force": "day",
        "reason": "",
    }


def test_a_fill_is_told_with_its_price_and_how_far_the_order_is() -> None:
    *_, line = told(
        *(created("a"), sent("a"), accepted("a", "7")),
        *(filled("a", 4, 70_000), filled("a", 2, 69_900)),
    )
    del line["log_level"]
    assert line == {
        "event": "order_filled",
        "order": "a",
        "strategy": "test",
        "instrument": SAMSUNG,
        "side": "buy",
        "quantity": 2,
        "price": Decimal(69_900),
        "filled": 6,
        "ordered": 10,
        "told_by": "notice",
    }


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (OrderAccepted(order=A, ref=ref("7"), at=NINE), {"number": "7"}),
        (
            OrderRejected(order=A, code="X1", reason="no", at=NINE),
            {"code": "X1", "reason": "no", "retryable": False},
        ),
        (OrderDoubted(order=A, cause="no answer", at=NINE), {"cause": "no answer"}),
    ],
)
def test_an_answer_is_told_with_its_own_fields(event: Event, expected: dict[str, object]) -> None:
    line = told(created("a"), sent("a"), event)[-1]
    assert {name: line[name] for name in expected} == expected
    assert "ref" not in line


def test_a_new_number_and_price_and_a_corrected_amount_are_told() -> None:
    *_, moved, _, repriced = told(
        *(created("a"), sent("a"), accepted("a", "7")),
        OrderModified(order=A, ref=ref("8"), limit=Decimal(69_900), at=NINE),
        filled("a", 10),
        OrderRepriced(order=A, amount=Decimal(-100), at=NINE),
    )
    assert (moved["number"], moved["limit"]) == ("8", Decimal(69_900))
    assert repriced["amount"] == Decimal(-100)


def test_an_accounts_holdings_are_counted_and_not_listed() -> None:
    [line] = told(reported(1_000, krx_005930=3, krx_000660=1))
    assert (line["event"], line["cash"], line["holdings"]) == (
        "account_reported",
        {"KRW": Decimal(1_000)},
        2,
    )
    assert "account" not in line


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (TradingHalted(reason="lunch", at=NINE), "warning"),
        (TradingArmed(account=ACCOUNT, at=NINE), "info"),
        (DiscrepancyFound(subject="cash", ours="1", theirs="2", at=NINE), "error"),
        (DiscrepancyCleared(subject="cash", at=NINE), "info"),
        (
            ExternalOrderSeen(
                account=ACCOUNT,
                day=DAY,
                number="9",
                instrument=SAMSUNG,
                side=Side.BUY,
                quantity=1,
                at=NINE,
            ),
            "warning",
        ),
    ],
)
def test_what_a_person_should_see_is_louder(event: Event, level: str) -> None:
    [line] = told(event, portfolio=funded())
    assert line["log_level"] == level


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (OrderRejected(order=A, code="X1", reason="no", at=NINE), "warning"),
        (OrderDoubted(order=A, cause="no answer", at=NINE), "error"),
    ],
)
def test_orders_that_go_wrong_are_louder(event: Event, level: str) -> None:
    assert told(created("a"), sent("a"), event)[-1]["log_level"] == level
