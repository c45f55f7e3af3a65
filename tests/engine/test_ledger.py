"""The single writer: durable first, then true, then told; or none of it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.costs import CostSchedule
from daemon.core.errors import InvariantBroken, JournalFailed
from daemon.core.events import (
    CancelRefused,
    CancelSent,
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ModifySent,
    OrderCancelled,
    OrderDoubted,
    OrderExpired,
    OrderModified,
    OrderReduced,
    OrderRejected,
    TradingArmed,
    TradingHalted,
    TradingResumed,
)
from daemon.core.orders import OrderState
from daemon.core.portfolio import Portfolio
from daemon.core.profit import ProfitBook
from daemon.core.values import Currency, OrderId, Side
from daemon.engine.ledger import Ledger
from daemon.ports import Checkpoint
from daemon.store.images import decode, encode
from daemon.store.journal import SqliteJournal
from tests.builders import (
    ACCOUNT,
    DAY,
    NINE,
    SAMSUNG,
    accepted,
    created,
    filled,
    intent,
    ref,
    reported,
    sent,
)

FIRST, SECOND = "20261123-0001", "20261123-0002"
LATER = date(2026, 11, 24)


class MemoryJournal:
    """Keeps facts in a list, and fails when told to."""

    def __init__(self, facts: Iterable[Event] = ()) -> None:
        self.facts = list(facts)
        self.commits = 0
        self.probes = 0
        self.broken = False
        self.kept: bytes | None = None
        self.on_append: Callable[[], None] = lambda: None

    def append(self, events: Sequence[Event]) -> None:
        self.on_append()
        if self.broken:
            raise OSError("no space left on device")
        self.facts += events
        self.commits += 1

    def replay(self) -> Iterable[Event]:
        return list(self.facts)

    def probe(self) -> None:
        self.probes += 1
        if self.broken:
            raise OSError("no space left on device")

    def checkpoint(self) -> tuple[Checkpoint, Iterable[Event]] | None:
        if self.kept is None:
            return None
        kept = decode(self.kept)
        return kept, self.facts[kept.facts :]

    def compact(self, checkpoint: Checkpoint) -> None:
        if self.broken:
            raise OSError("no space left on device")
        assert checkpoint.facts == len(self.facts)
        self.kept = encode(checkpoint)


def state(portfolio: Portfolio) -> dict[str, object]:
    """All that a portfolio remembers, with the order in which open orders are told."""
    return {**vars(portfolio), "open": portfolio.open_orders()}


def snapshot(portfolio: Portfolio) -> str:
    return repr(state(portfolio))


def test_facts_are_durable_before_they_are_true_and_true_before_they_are_told() -> None:
    journal = MemoryJournal()
    ledger = Ledger(journal)
    steps: list[tuple[str, int, bool]] = []

    def note(step: str) -> None:
        known = OrderId(FIRST) in ledger.portfolio.orders
        steps.append((step, len(journal.facts), known))

    journal.on_append = lambda: note("append")
    ledger.listen(lambda event: note(f"first hears {type(event).__name__}"))
    ledger.listen(lambda event: note(f"second hears {type(event).__name__}"))
    ledger.record(created(FIRST), sent(FIRST))

    assert steps == [
        ("append", 0, False),
        ("first hears OrderCreated", 2, True),
        ("second hears OrderCreated", 2, True),
        ("first hears OrderSent", 2, True),
        ("second hears OrderSent", 2, True),
    ]
    assert journal.commits == 1


def test_listeners_see_the_whole_batch_applied() -> None:
    ledger = Ledger(MemoryJournal())
    states: list[OrderState] = []
    ledger.listen(lambda _: states.append(ledger.portfolio.orders[OrderId(FIRST)].state))
    ledger.record(created(FIRST), sent(FIRST), accepted(FIRST, "1"))

    assert states == [OrderState.WORKING] * 3


def test_a_profit_book_hears_the_journal_and_then_what_is_recorded() -> None:
    profit = ProfitBook(CostSchedule({}), {})
    journal = MemoryJournal([created(FIRST), sent(FIRST), accepted(FIRST, "1"), filled(FIRST, 4)])
    ledger = Ledger(journal, profit=profit)
    listened: list[int] = []
    ledger.listen(lambda _: listened.append(profit.position(SAMSUNG).quantity))
    assert ledger.recover() == 4
    assert profit.position(SAMSUNG).quantity == 4
    assert listened == []
    ledger.record(filled(FIRST, 6))
    assert listened == [10]


def test_what_cannot_be_made_durable_did_not_happen() -> None:
    journal = MemoryJournal()
    ledger = Ledger(journal)
    ledger.record(reported(1_000_000), created(FIRST), sent(FIRST))
    heard: list[Event] = []
    ledger.listen(heard.append)
    before = snapshot(ledger.portfolio)
    journal.broken = True

    with pytest.raises(JournalFailed, match="no space left on device"):
        ledger.record(accepted(FIRST, "1"), filled(FIRST, 10))
    assert snapshot(ledger.portfolio) == before
    assert ledger.recorded == 3
    assert heard == []

    journal.broken = False
    ledger.record(accepted(FIRST, "1"), filled(FIRST, 10))
    assert ledger.portfolio.cash_of(Currency.KRW) == 300_000
    assert len(heard) == 2


@pytest.mark.parametrize(
    "contradiction",
    [
        [sent(SECOND)],
        [created(FIRST)],
        [accepted(FIRST, "1"), filled(FIRST, 11)],
        [accepted(FIRST, "1"), filled(FIRST, 6), filled(FIRST, 5)],
        [TradingHalted(reason="by hand", at=NINE), filled(FIRST, 1, side=Side.SELL)],
        [created(SECOND), created(SECOND)],
        [created(SECOND), accepted(SECOND, "2")],
    ],
)
def test_a_contradiction_is_refused_before_anything_is_written(
    contradiction: list[Event],
) -> None:
    journal = MemoryJournal()
    ledger = Ledger(journal)
    ledger.record(created(FIRST), sent(FIRST))
    heard: list[Event] = []
    ledger.listen(heard.append)
    before = snapshot(ledger.portfolio)

    with pytest.raises(InvariantBroken):
        ledger.record(*contradiction)
    assert journal.facts == [created(FIRST), sent(FIRST)]
    assert snapshot(ledger.portfolio) == before
    assert heard == []
    assert ledger.recorded == 2


def test_recovery_folds_every_fact_and_tells_nobody() -> None:
    journal = MemoryJournal([reported(1_000_000), created(FIRST), sent(FIRST)])
    ledger = Ledger(journal)
    heard: list[Event] = []
    ledger.listen(heard.append)

    assert ledger.recover() == 3
    assert ledger.portfolio.orders[OrderId(FIRST)].state is OrderState.SENT
    assert ledger.portfolio.cash_of(Currency.KRW) == 1_000_000
    assert heard == []
    assert journal.commits == 0
    assert ledger.recorded == 0


def test_an_empty_journal_is_recovered_to_an_empty_portfolio() -> None:
    ledger = Ledger(MemoryJournal())

    assert ledger.recover() == 0
    assert state(ledger.portfolio) == state(Portfolio())


def moves(name: str, number: str) -> list[Event]:
    """Everything that may be said of an order; most of it is illegal most of the time."""
    order = OrderId(name)
    return [
        created(name, intent(quantity=20)),
        sent(name),
        accepted(name, number),
        OrderDoubted(order=order, cause="x", at=NINE),
        OrderRejected(order=order, code="X", reason="no", at=NINE),
        filled(name, 1),
        filled(name, 7),
        filled(name, 20),
        CancelSent(order=order, at=NINE),
        CancelRefused(order=order, code="X", reason="no", at=NINE),
        ModifySent(order=order, limit=Decimal(69_000), at=NINE),
        OrderModified(order=order, ref=ref(f"{number}0"), limit=Decimal(69_000), at=NINE),
        OrderReduced(order=order, quantity=3, at=NINE),
        OrderCancelled(order=order, at=NINE),
        OrderExpired(order=order, at=NINE),
    ]


ACCOUNT_FACTS: list[Event] = [
    reported(5_000_000, krx_005930=5),
    DiscrepancyFound(subject="cash", ours="1", theirs="2", at=NINE),
    DiscrepancyCleared(subject="cash", at=NINE),
    TradingHalted(reason="by hand", at=NINE),
    TradingResumed(reason="checked", at=NINE),
    TradingArmed(account=ACCOUNT, at=NINE),
]
HISTORIES = st.lists(
    st.lists(
        st.sampled_from(moves(FIRST, "1") + moves(SECOND, "2") + ACCOUNT_FACTS),
        min_size=1,
        max_size=3,
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(HISTORIES, st.integers(1, 3))
def test_what_was_recorded_recovers_to_the_same_books(
    batches: list[list[Event]], ready: int
) -> None:
    journal = MemoryJournal()
    ledger = Ledger(journal)
    heard: list[Event] = []
    ledger.listen(heard.append)
    beginning: list[Event] = [created(FIRST), sent(FIRST), accepted(FIRST, "1")]
    for batch in [beginning[:ready], *batches]:
        before = len(journal.facts)
        try:
            ledger.record(*batch)
        except InvariantBroken:
            assert len(journal.facts) == before

    assert heard == journal.facts
    assert ledger.recorded == len(journal.facts)
    recovered = Ledger(MemoryJournal(journal.facts))
    assert recovered.recover() == len(journal.facts)
    assert state(recovered.portfolio) == state(ledger.portfolio)
    assert recovered.mint(DAY, 1) == ledger.mint(DAY, 1)


def test_books_recover_from_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path, owner="sim") as journal:
        ledger = Ledger(journal)
        ledger.record(reported(1_000_000, krx_000660=2))
        ledger.record(created(FIRST), sent(FIRST), accepted(FIRST, "1"))
        ledger.record(filled(FIRST, 4))
        ledger.record(TradingHalted(reason="lunch", at=NINE))

    with SqliteJournal(path, owner="sim") as journal:
        recovered = Ledger(journal)
        assert recovered.recover() == 6
        assert state(recovered.portfolio) == state(ledger.portfolio)
        recovered.record(filled(FIRST, 6))
        assert recovered.mint(DAY, 1) == [SECOND]


def test_names_are_numbered_within_a_day() -> None:
    ledger = Ledger(MemoryJournal())
    assert ledger.mint(DAY, 2) == [FIRST, SECOND]

    ledger.record(created(FIRST), created(SECOND))
    assert ledger.mint(DAY, 3) == ["20261123-0003", "20261123-0004", "20261123-0005"]
    assert ledger.mint(LATER, 1) == ["20261124-0001"]
    ledger.record(created("20261124-0001"))
    assert ledger.mint(DAY, 1) == ["20261123-0003"]
    assert ledger.mint(LATER, 1) == ["20261124-0002"]


def test_names_nobody_used_are_given_again() -> None:
    journal = MemoryJournal()
    ledger = Ledger(journal)
    journal.broken = True
    with pytest.raises(JournalFailed):
        ledger.record(created(FIRST))

    assert ledger.mint(DAY, 1) == [FIRST]


def test_numbering_goes_on_after_a_restart_even_past_four_digits() -> None:
    journal = MemoryJournal([created("20261123-9999"), created(SECOND), created("20261124-0001")])
    ledger = Ledger(journal)
    ledger.recover()

    assert ledger.mint(DAY, 2) == ["20261123-10000", "20261123-10001"]
    assert ledger.mint(LATER, 1) == ["20261124-0002"]
    ledger.record(created("20261123-10000"))
    assert ledger.mint(DAY, 1) == ["20261123-10001"]


def test_an_id_that_was_not_minted_here_is_never_journalled(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db", owner="test") as journal:
        ledger = Ledger(journal)
        with pytest.raises(InvariantBroken, match="was not minted here"):
            ledger.record(created("a"))
        assert list(journal.replay()) == []
        assert ledger.portfolio.orders == {}


def test_facts_recorded_while_listening_are_told_in_order(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db", owner="test") as journal:
        ledger = Ledger(journal)
        heard: list[str] = []

        def answer(event: Event) -> None:
            if type(event).__name__ == "OrderCreated":
                ledger.record(sent(FIRST))

        ledger.listen(answer)
        ledger.listen(lambda event: heard.append(type(event).__name__))
        ledger.record(created(FIRST))

        assert heard == ["OrderCreated", "OrderSent"]


def test_a_number_belongs_to_one_order(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db", owner="test") as journal:
        ledger = Ledger(journal)
        ledger.record(created(FIRST), sent(FIRST), accepted(FIRST, "7"))
        ledger.record(created(SECOND), sent(SECOND))
        with pytest.raises(InvariantBroken, match=f"number 7 is of {FIRST}"):
            ledger.record(accepted(SECOND, "7"))


def test_one_who_watches_adoption_sees_the_books_before_and_after_each() -> None:
    ledger = Ledger(MemoryJournal())
    seen: list[Decimal] = []

    def around(replace: Callable[[], None]) -> None:
        seen.append(ledger.portfolio.cash_of(Currency.KRW))
        replace()
        seen.append(ledger.portfolio.cash_of(Currency.KRW))

    ledger.watch_adoption(around)
    ledger.record(reported(1_000), created(FIRST))
    ledger.record(reported(2_000))
    assert seen == [0, 1_000, 1_000, 2_000]


def test_a_journal_is_probed_only_where_nothing_was_recorded_meanwhile() -> None:
    journal = MemoryJournal()
    ledger = Ledger(journal)
    ledger.probe()
    assert journal.probes == 1
    ledger.record(created(FIRST))
    ledger.probe()
    assert journal.probes == 1, "what was just written is proof enough"
    ledger.probe()
    assert journal.probes == 2
    journal.broken = True
    with pytest.raises(OSError, match="no space"):
        ledger.probe()
