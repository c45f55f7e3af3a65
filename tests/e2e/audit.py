"""Compares the simulator's truth with the daemon's journal, order by order and won by won."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daemon.core.events import (
    CancelSent,
    CostsCharged,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    ModifySent,
    OrderDoubted,
    OrderFilled,
    OrderRejected,
    OrderSent,
)
from daemon.core.orders import Order, OrderState
from daemon.core.portfolio import Portfolio
from daemon.core.values import OrderId, StrategyId, code_of
from daemon.report import our_books
from daemon.store.journal import SqliteJournal
from tests.e2e.process import ask

ACCOUNT = "12345678-01"
REQUESTS_A_SECOND = 10
UNSETTLED = frozenset(
    {OrderState.CREATED, OrderState.SENT, OrderState.IN_DOUBT}
    | {OrderState.CANCELLING, OrderState.MODIFYING}
)

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the simulator says of itself, taken while nobody trades through it."""

    orders: Sequence[Row]
    books: Mapping[str, Any]
    door: Mapping[str, Any]
    sums: Mapping[str, Any]
    sums_before: Mapping[str, Any]

    @property
    def rows(self) -> list[Row]:
        """The order numbers of our account that came through the gateway."""
        return [row for row in self.orders if row["account"] == ACCOUNT and row["origin"] != "HTS"]

    def of(self, action: str) -> list[Row]:
        return [row for row in self.rows if row["action"] == action]


async def truth_of(rest_url: str, *, sums_before: Mapping[str, Any]) -> Truth:
    return Truth(
        orders=(await ask(rest_url, "/sim/orders"))["orders"],
        books=await ask(rest_url, "/sim/books"),
        door=await ask(rest_url, "/sim/door"),
        sums=await ask(rest_url, "/sim/conservation"),
        sums_before=sums_before,
    )


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that a journal tells: its facts, and their fold."""

    facts: Sequence[Event]
    portfolio: Portfolio

    def count(self, kind: type) -> int:
        return sum(isinstance(fact, kind) for fact in self.facts)

    def unsettled(self) -> set[OrderId]:
        return {o.id for o in self.portfolio.open_orders() if o.state in UNSETTLED}

    def summary(self) -> dict[str, int]:
        """Figures for a person."""
        codes = Counter(fact.code for fact in self.facts if isinstance(fact, OrderRejected))
        return {
            "orders": len(self.portfolio.orders),
            "fills": self.count(OrderFilled),
            "doubts": self.count(OrderDoubted),
            "never_sent": codes["NEVER_SENT"],
            "discrepancies_passing": self.count(DiscrepancyFound),
        }


def read_story(journal: Path) -> Story:
    """Replay a copy of a journal that no process has open, so that it stays as it was left."""
    with TemporaryDirectory() as folder:
        for path in journal.parent.glob(journal.name + "*"):
            shutil.copy(path, folder)
        with SqliteJournal(Path(folder) / journal.name, owner=f"sim:{ACCOUNT}") as copy:
            facts = list(copy.replay())
    return story_of(facts)


def story_of(facts: Sequence[Event]) -> Story:
    portfolio = Portfolio()
    for fact in facts:
        portfolio.apply(fact)
    return Story(facts=facts, portfolio=portfolio)


def faults(story: Story, truth: Truth, *, door: bool = True) -> list[str]:
    """Everything that is not as it must be, in words; empty when all is well.

    `door` also holds the daemon to its pace, which only means something where no fault between
    it and the gateway bunched its requests.
    """
    found = [*_identities(story, truth), *_figures(story, truth), *_requests(story, truth)]
    found += [*_books(story, truth), *_surprises(story)]
    if truth.sums != truth.sums_before:
        found.append("cash or shares came into being or were lost at the exchange")
    if door and truth.door["max_requests_in_any_second"] > REQUESTS_A_SECOND:
        found.append(f"{truth.door['max_requests_in_any_second']} requests in one second")
    if door and truth.door["refused"]:
        found.append(f"{truth.door['refused']} requests refused at the door")
    return found


def _number(text: str) -> str:
    return text.lstrip("0")


def _by_number(rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    return {(row["day"], _number(row["number"])): row for row in rows}


def _keys(order: Order) -> list[tuple[str, str]]:
    return [(ref.day.isoformat(), ref.number) for ref in order.refs]


def _identities(story: Story, truth: Truth) -> Iterator[str]:
    """One order of ours, one order at the exchange; and nobody else's."""
    rows = _by_number(truth.rows)
    owners: Counter[tuple[str, str]] = Counter()
    for order in story.portfolio.orders.values():
        keys = _keys(order)
        owners.update(keys)
        if not keys and order.state is not OrderState.REJECTED:
            yield f"{order.id} has no number and is {order.state}"
        for place, key in enumerate(keys):
            row = rows.get(key)
            if row is None:
                yield f"{order.id} claims {key}, which the exchange never gave"
            elif place == 0 and not _is_intent(order, row):
                yield f"{order.id} claims {key}, which is another order: {dict(row)}"
            elif place > 0 and (row["action"], _number(row["original"] or "")) != (
                "modify",
                keys[place - 1][1],
            ):
                yield f"{order.id} claims {key}, which is no modify of it: {dict(row)}"
    for key, row in rows.items():
        if row["action"] != "cancel" and owners[key] != 1:
            yield f"{key} of the exchange ({row['action']}) has {owners[key]} owners: {dict(row)}"


def _is_intent(order: Order, row: Row) -> bool:
    intent = order.intent
    wanted = (code_of(intent.instrument), intent.side.value, intent.quantity)
    price = None if row["price"] is None else Decimal(row["price"])
    same = (row["code"], row["side"], row["quantity"]) == wanted and price == intent.limit
    return same and row["action"] == "new"


def _figures(story: Story, truth: Truth) -> Iterator[str]:
    """Fills and open shares, order by order, over all numbers an order ever had."""
    rows = _by_number(truth.rows)
    for order in story.portfolio.orders.values():
        chain = [rows[key] for key in _keys(order) if key in rows]
        filled = sum(row["filled"] for row in chain)
        notional = sum((Decimal(row["notional"]) for row in chain), Decimal(0))
        if (order.filled, order.notional) != (filled, notional):
            ours = f"{order.filled} shares for {order.notional}"
            yield f"{order.id} traded {ours}, at the exchange {filled} for {notional}"
        remaining = sum(row["remaining"] for row in chain if row["open"])
        if remaining != (order.remaining if order.is_open else 0):
            yield f"{order.id} is {order.state} with {order.remaining} left, there {remaining} are"
        if order.state in UNSETTLED:
            yield f"{order.id} was left {order.state}"


def _requests(story: Story, truth: Truth) -> Iterator[str]:
    """Nothing reached the exchange that was not journalled before."""
    for action, kind in (("new", OrderSent), ("modify", ModifySent), ("cancel", CancelSent)):
        meant, done = story.count(kind), len(truth.of(action))
        if done > meant:
            yield f"{done} requests of kind {action} at the exchange, {meant} in the journal"
    targets = Counter(_number(row["original"]) for row in truth.of("cancel"))
    for fact in story.facts:
        if isinstance(fact, CancelSent):
            for ref in story.portfolio.orders[fact.order].refs:
                targets.pop(ref.number, None)
    for number in targets:
        yield f"number {number} was cancelled at the exchange without our asking"


def _books(story: Story, truth: Truth) -> Iterator[str]:
    """Cash, shares and open orders of the whole account."""
    portfolio, account = story.portfolio, truth.books["accounts"][ACCOUNT]
    ours = our_books(portfolio)
    theirs = {_number(row["number"]): row["remaining"] for row in account["open_orders"]}
    if Decimal(ours.cash["KRW"]) != Decimal(account["cash"]):
        yield f"cash {ours.cash['KRW']}, at the exchange {account['cash']}"
    if dict(ours.positions) != account["holdings"]:
        yield f"positions {dict(ours.positions)}, at the exchange {account['holdings']}"
    if dict(ours.open_orders) != theirs:
        yield f"open orders {dict(ours.open_orders)}, at the exchange {theirs}"
    strategies = {order.intent.strategy for order in portfolio.orders.values()}
    for instrument, position in portfolio.positions.items():
        parts = sum(_share(portfolio, each, instrument) for each in strategies)
        if parts != position.quantity:
            yield f"{instrument}: strategies hold {parts} of {position.quantity}"


def _share(portfolio: Portfolio, strategy: StrategyId, instrument: Any) -> int:
    return portfolio.strategy_position(strategy, instrument).quantity


def _surprises(story: Story) -> Iterator[str]:
    """What no run against this simulator may ever have to believe."""
    for fact in story.facts:
        if isinstance(fact, ExternalOrderSeen | CostsCharged):
            yield f"believed in {fact}"
    for subject in story.portfolio.discrepancies:
        yield f"a discrepancy is open: {subject}"
    if story.portfolio.halted:
        yield f"halted: {story.portfolio.halted}"
