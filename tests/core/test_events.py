"""The vocabulary of facts: frozen, complete, and free of nonsense intents."""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import get_args, get_type_hints

import pytest

from daemon.core.events import Event, Fill, FillSource, OrderEvent, OrderIntent, OrderKind
from daemon.core.values import OrderId, Side
from tests.builders import ACCOUNT, NINE, SAMSUNG, STRATEGY, intent, sent

FACTS = get_args(Event)


def wish(**changes: object) -> Callable[[], OrderIntent]:
    """How to word an intent, its figures replaced; wording it may raise."""
    return lambda: dataclasses.replace(intent(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        (wish(quantity=0), "quantity 0 must be a whole number"),
        (wish(quantity=-1), "quantity -1 must be a whole number"),
        (wish(quantity=Decimal(3)), r"quantity Decimal\('3'\) must be a whole number"),
        (wish(quantity=3.0), "quantity 3.0 must be a whole number"),
        (wish(quantity=True), "quantity True must be a whole number"),
        (wish(limit=None), "does not go with a limit order"),
        (wish(kind=OrderKind.MARKET), "does not go with a market order"),
        (wish(limit=Decimal(0)), "must be a Decimal above zero"),
        (wish(limit=Decimal(-70_000)), "must be a Decimal above zero"),
        (wish(limit=Decimal("NaN")), "must be a Decimal above zero"),
        (wish(limit=70_000), "70000 must be a Decimal above zero"),
        (wish(limit=70_000.0), "must be a Decimal above zero"),
        (wish(limit=Decimal("Infinity")), "must be a Decimal above zero"),
    ],
)
def test_a_senseless_intent_cannot_be_worded(
    word: Callable[[], OrderIntent], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        word()


def test_the_smallest_intents_can_be_worded() -> None:
    at_limit = OrderIntent(
        account=ACCOUNT,
        strategy=STRATEGY,
        instrument=SAMSUNG,
        side=Side.SELL,
        quantity=1,
        kind=OrderKind.LIMIT,
        limit=Decimal(1),
    )

    assert dataclasses.replace(at_limit, kind=OrderKind.MARKET, limit=None).limit is None


def test_a_fills_price_is_the_average_of_its_amount() -> None:
    fill = Fill(
        instrument=SAMSUNG,
        side=Side.BUY,
        quantity=4,
        notional=Decimal(280_100),
        source=FillSource.INQUIRY,
        exchange_time=NINE,
    )

    assert fill.price == Decimal(70_025)


@pytest.mark.parametrize("kind", FACTS)
def test_every_fact_is_frozen_and_says_when(kind: type[Event]) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[union-attr]
    assert "at" in get_type_hints(kind)
    assert "__dict__" not in dir(kind), f"{kind.__name__} has no slots"


@pytest.mark.parametrize("kind", get_args(OrderEvent))
def test_every_order_fact_names_its_order(kind: type[OrderEvent]) -> None:
    assert get_type_hints(kind)["order"] is OrderId
    assert kind in FACTS


def test_facts_cannot_be_edited_and_have_names_of_their_own() -> None:
    fact = sent("a")

    with pytest.raises(dataclasses.FrozenInstanceError):
        fact.order = OrderId("b")  # type: ignore[misc]
    assert len({kind.__name__ for kind in FACTS}) == len(FACTS)
