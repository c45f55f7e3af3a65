"""The audit itself: it is silent about equal books and finds each kind of fault planted in them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.events import (
    AccountReported,
    CancelSent,
    CostsCharged,
    Event,
    ExternalOrderSeen,
    Fill,
    FillSource,
    ModifySent,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderDoubted,
    OrderFilled,
    OrderIntent,
    OrderKind,
    OrderModified,
    OrderRejected,
    OrderSent,
)
from daemon.core.values import (
    AccountId,
    BrokerRef,
    Currency,
    InstrumentId,
    OrderId,
    Side,
    StrategyId,
)
from tests.e2e.audit import ACCOUNT, Story, Truth, faults, story_of

AT = datetime(2026, 11, 2, 1, tzinfo=UTC)
DAY = date(2026, 11, 2)
SAMSUNG = InstrumentId("krx:005930")
ID = OrderId("20261102-0001")
UNSENT = OrderId("20261102-0002")
LIMIT, MOVED = Decimal(70_000), Decimal(70_100)


def intent() -> OrderIntent:
    return OrderIntent(
        account=AccountId(ACCOUNT),
        strategy=StrategyId("Churn"),
        instrument=SAMSUNG,
        side=Side.BUY,
        quantity=7,
        kind=OrderKind.LIMIT,
        limit=LIMIT,
    )


def ref(number: str) -> BrokerRef:
    return BrokerRef(day=DAY, branch="00950", number=number)


def filled(quantity: int) -> OrderFilled:
    fill = Fill(
        instrument=SAMSUNG,
        side=Side.BUY,
        quantity=quantity,
        notional=LIMIT * quantity,
        source=FillSource.NOTICE,
        exchange_time=AT,
    )
    return OrderFilled(order=ID, fill=fill, at=AT)


def facts() -> list[Event]:
    """One order that traded a part, was moved, and was cancelled; another that never left."""
    account = AccountId(ACCOUNT)
    return [
        AccountReported(
            account=account, cash={Currency.KRW: Decimal(1_000_000)}, holdings=(), at=AT
        ),
        OrderCreated(order=ID, intent=intent(), at=AT),
        OrderSent(order=ID, at=AT),
        OrderAccepted(order=ID, ref=ref("1"), at=AT),
        filled(3),
        ModifySent(order=ID, limit=MOVED, at=AT),
        OrderModified(order=ID, ref=ref("2"), limit=MOVED, at=AT),
        CancelSent(order=ID, at=AT),
        OrderCancelled(order=ID, at=AT),
        OrderCreated(order=UNSENT, intent=intent(), at=AT),
        OrderRejected(order=UNSENT, code="NEVER_SENT", reason="", at=AT),
    ]


def row(number: int, action: str, **changes: Any) -> dict[str, Any]:
    standard: dict[str, Any] = {
        **{"account": ACCOUNT, "day": "2026-11-02", "number": f"{number:010}", "action": action},
        **{"original": None, "origin": "OpnAPI", "code": "005930", "side": "buy"},
        **{"quantity": 7, "price": "70000", "filled": 0, "notional": "0", "remaining": 0},
        **{"cancelled": 0, "refused": 0, "moved": 0, "open": False},
    }
    return {**standard, **changes}


def truth() -> Truth:
    account = {"cash": "790000", "holdings": {"005930": 3}, "open_orders": []}
    return Truth(
        orders=[
            row(1, "new", filled=3, notional="210000", moved=4),
            row(2, "modify", original="0000000001", quantity=4, price="70100", cancelled=4),
            row(3, "cancel", original="0000000002", quantity=4),
            row(4, "new", origin="HTS"),
        ],
        books={"accounts": {ACCOUNT: account}},
        door={"max_requests_in_any_second": 10, "refused": 0},
        sums={"cash": "1", "shares": {}},
        sums_before={"cash": "1", "shares": {}},
    )


def audited(events: list[Event] | None = None, **changes: Any) -> list[str]:
    story: Story = story_of(facts() if events is None else events)
    return faults(story, replace(truth(), **changes))


def rows(**changes: Any) -> list[Any]:
    """The exchange's orders with changes in the first."""
    first, *others = truth().orders
    return [{**first, **changes}, *others]


def test_equal_books_are_equal() -> None:
    assert audited() == []


def test_an_order_sent_twice_is_found() -> None:
    found = audited(orders=[*truth().orders, row(5, "new")])
    assert any("has 0 owners" in each for each in found)
    assert any("2 requests of kind new" in each for each in found)


def test_an_order_the_exchange_never_saw_is_found() -> None:
    found = audited(orders=truth().orders[1:])
    assert any("which the exchange never gave" in each for each in found)


@pytest.mark.parametrize(
    "changes",
    [{"side": "sell"}, {"quantity": 8}, {"price": "70050"}, {"code": "000660"}],
    ids=str,
)
def test_an_order_taken_for_another_is_found(changes: dict[str, Any]) -> None:
    assert any("which is another order" in each for each in audited(orders=rows(**changes)))


@pytest.mark.parametrize("changes", [{"filled": 4}, {"notional": "210100"}], ids=str)
def test_a_fill_lost_or_paid_otherwise_is_found(changes: dict[str, Any]) -> None:
    assert any("at the exchange" in each for each in audited(orders=rows(**changes)))


def test_a_cancel_nobody_asked_for_is_found() -> None:
    stranger = row(5, "cancel", original="0000000009")
    found = audited(orders=[*truth().orders, stranger])
    assert any("without our asking" in each for each in found)


def test_an_order_still_open_on_one_side_is_found() -> None:
    assert any("there 4 are" in each for each in audited(orders=rows(remaining=4, open=True)))
    assert any("there 0 are" in each for each in audited(facts()[:7]))


@pytest.mark.parametrize("last", [3, 6, 8], ids=["sent", "modifying", "cancelling"])
def test_an_order_left_in_the_middle_is_found(last: int) -> None:
    assert any("was left" in each for each in audited(facts()[:last]))


def test_a_doubt_left_open_is_found() -> None:
    doubted = OrderDoubted(order=ID, cause="", at=AT)
    assert any("was left in_doubt" in each for each in audited([*facts()[:3], doubted]))


ACCOUNT_CHANGES: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda account: {**account, "cash": "790001"},
    lambda account: {**account, "holdings": {}},
    lambda account: {**account, "open_orders": [{"number": "0000000009", "remaining": 1}]},
]


@pytest.mark.parametrize("change", ACCOUNT_CHANGES, ids=["cash", "shares", "orders"])
def test_other_books_are_found(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    account = change(truth().books["accounts"][ACCOUNT])
    assert len(audited(books={"accounts": {ACCOUNT: account}})) == 1


def test_a_difference_explained_away_is_found() -> None:
    account = AccountId(ACCOUNT)
    cost = CostsCharged(account=account, amount=Decimal(0), at=AT)
    stranger = ExternalOrderSeen(
        account=account, day=DAY, number="1", instrument=SAMSUNG, side=Side.BUY, quantity=7, at=AT
    )
    for fact in (cost, stranger):
        assert any("believed in" in each for each in audited([*facts(), fact]))


def test_money_from_nowhere_and_haste_are_found() -> None:
    assert len(audited(sums={"cash": "2", "shares": {}})) == 1
    hasty = {"max_requests_in_any_second": 11, "refused": 1}
    assert len(audited(door=hasty)) == 2
    assert faults(story_of(facts()), replace(truth(), door=hasty), door=False) == []
