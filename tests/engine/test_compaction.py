"""Books that begin with a checkpoint are those of all the facts, and go on as they do."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.acts import OperatorAnswered, OperatorAsked, StrategyResumed, StrategySuspended
from daemon.core.calendar import MarketCalendar
from daemon.core.costs import CostSchedule
from daemon.core.entries import BrokerDayTold, EntriesBarred, EntriesFreed, EntryBar
from daemon.core.errors import InvariantBroken, JournalFailed
from daemon.core.events import (
    AccountReported,
    Actor,
    CancelSent,
    CostsCharged,
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    Fill,
    FillSource,
    Holding,
    JobDone,
    ModifySent,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderDoubted,
    OrderFilled,
    OrderIntent,
    OrderKind,
    OrderModified,
    OrderReduced,
    OrderRejected,
    OrderRepriced,
    OrderSent,
    ProfitMarked,
    TradingArmed,
    TradingHalted,
    TradingResumed,
    TradingState,
    TradingStateChanged,
)
from daemon.core.portfolio import Portfolio
from daemon.core.profit import ProfitBook
from daemon.core.values import BrokerRef, Currency, InstrumentId, OrderId, Region, Side, StrategyId
from daemon.engine.ledger import Ledger
from tests.builders import ACCOUNT, HYNIX, SAMSUNG, created, filled, sent
from tests.engine.paper import MemoryJournal

APPLE = InstrumentId("nasdaq:AAPL")
BEGINNING = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
CALENDARS = {
    Region.KR: MarketCalendar(frozenset()),
    Region.US: MarketCalendar(frozenset(), Region.US),
}


def profit_book(basis: str = "") -> ProfitBook:
    return ProfitBook(CostSchedule(CALENDARS), CALENDARS, basis=basis)


def books(ledger: Ledger, profit: ProfitBook) -> dict[str, Any]:
    """All that is remembered, in its order where one is told."""
    told = {name: value for name, value in vars(profit).items() if name != "schedule"}
    return {
        **vars(ledger.portfolio),
        **{f"profit {name}": value for name, value in told.items()},
        "order": list(ledger.portfolio.orders),
        "open": ledger.portfolio.open_orders(),
        "minted": [ledger.mint(BEGINNING.date() + timedelta(days=day), 1) for day in range(200)],
    }


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Days of an account, months long: what contradicts itself is refused by the ledger."""
    facts: list[Event] = []
    now = BEGINNING
    names: list[tuple[OrderId, OrderIntent]] = []
    for number in range(draw(st.integers(1, 60))):
        now += timedelta(hours=draw(st.sampled_from((0, 1, 5, 24, 24 * 13, 24 * 40))))
        kind = draw(st.sampled_from(("order", "move", "move", "move", "account")))
        if kind == "order":
            wish = draw(intents())
            name = OrderId(f"{now:%Y%m%d}-{number + 1:04}")
            names.append((name, wish))
            facts.append(OrderCreated(order=name, intent=wish, at=now))
            if draw(st.booleans()):
                ref = BrokerRef(day=now.date(), branch="1", number=str(number))
                facts += [
                    OrderSent(order=name, at=now),
                    OrderAccepted(order=name, ref=ref, at=now),
                ]
        elif kind == "move" and names:
            name, wish = draw(st.sampled_from(names[-3:]))
            facts.append(draw(st.sampled_from(moves(name, wish, number, now))))
        else:
            facts.append(draw(st.sampled_from(account_facts(now, number))))
    return facts


@st.composite
def intents(draw: st.DrawFn) -> OrderIntent:
    return OrderIntent(
        account=ACCOUNT,
        strategy=draw(st.sampled_from((StrategyId("one"), StrategyId("two")))),
        instrument=draw(st.sampled_from((SAMSUNG, HYNIX, APPLE))),
        side=draw(st.sampled_from(Side)),
        quantity=draw(st.integers(1, 9)),
        kind=OrderKind.LIMIT,
        limit=Decimal("70000.50"),
    )


def moves(name: OrderId, wish: OrderIntent, number: int, at: datetime) -> list[Event]:
    def fill(quantity: int) -> OrderFilled:
        return OrderFilled(
            order=name,
            fill=Fill(
                instrument=wish.instrument,
                side=wish.side,
                quantity=quantity,
                notional=Decimal("123.45") * quantity,
                source=FillSource.INQUIRY if number % 2 else FillSource.NOTICE,
                exchange_time=at,
            ),
            at=at,
        )

    ref = BrokerRef(day=at.date(), branch="1", number=f"9{number}")
    return [
        fill(1),
        fill(3),
        fill(wish.quantity),
        OrderSent(order=name, at=at),
        OrderDoubted(order=name, cause="x", at=at),
        OrderRejected(order=name, code="X", reason="no", at=at),
        OrderRepriced(order=name, amount=Decimal("-1.5"), at=at),
        CancelSent(order=name, at=at),
        ModifySent(order=name, limit=Decimal(69_000), at=at),
        OrderModified(order=name, ref=ref, limit=Decimal(69_000), at=at),
        OrderReduced(order=name, quantity=1, at=at),
        OrderCancelled(order=name, at=at),
    ]


def account_facts(at: datetime, number: int) -> list[Event]:
    day, one = at.date(), StrategyId("one")
    asked = OperatorAsked(
        request=f"r{number % 3}",
        act="halt",
        subject="",
        reason="라 \\ \"'\n",
        channel="socket",
        person="p",
        uid=1,
        pid=None,
        at=at,
    )
    return [
        AccountReported(
            account=ACCOUNT,
            cash={Currency.KRW: Decimal(10**7), Currency.USD: Decimal("12.30")},
            holdings=(Holding(instrument=SAMSUNG, quantity=3, cost=Decimal("210000.10")),),
            at=at,
        ),
        AccountReported(
            account=ACCOUNT,
            cash={Currency.USD: Decimal("7.30")},
            holdings=(Holding(instrument=APPLE, quantity=2, cost=Decimal("300.10")),),
            at=at,
            region=Region.US,
        ),
        CostsCharged(account=ACCOUNT, amount=Decimal(17), at=at),
        CostsCharged(account=ACCOUNT, amount=Decimal("0.07"), at=at, currency=Currency.USD),
        ExternalOrderSeen(
            account=ACCOUNT,
            day=day,
            number=str(number),
            instrument=APPLE,
            side=Side.BUY,
            quantity=1,
            at=at,
        ),
        DiscrepancyFound(subject="cash", ours="1", theirs="2", at=at),
        DiscrepancyCleared(subject="cash", at=at),
        TradingHalted(reason="by hand", at=at),
        TradingResumed(reason="checked", at=at),
        TradingStateChanged(state=TradingState.REDUCE_ONLY, who=Actor.RISK, reason="a loss", at=at),
        TradingArmed(account=ACCOUNT, at=at),
        JobDone(job="day_reported KR", day=day, at=at),
        ProfitMarked(
            day=day,
            start=Decimal("1.1"),
            peak=Decimal(2),
            at=at,
            rates={Currency.USD: Decimal("1400.5")},
        ),
        BrokerDayTold(region=Region.US, day=day, trades=True, at=at),
        EntriesBarred(region=Region.KR, bar=EntryBar.BEFORE_CLOSE, until=at, reason="x", at=at),
        EntriesFreed(region=Region.KR, bar=EntryBar.BEFORE_CLOSE, reason="x", at=at),
        asked,
        OperatorAnswered(request=asked.request, done=True, answer="yes", at=at),
        StrategySuspended(strategy=one, reason="x", at=at),
        StrategyResumed(strategy=one, reason="x", at=at),
    ]


def record(ledger: Ledger, facts: Iterable[Event]) -> int:
    """Record what does not contradict the books, one by one; returns how many were refused."""
    refused = 0
    for fact in facts:
        try:
            ledger.record(fact)
        except InvariantBroken:
            refused += 1
    return refused


@settings(max_examples=200, deadline=None)
@given(histories(), st.lists(st.integers(0, 60), max_size=3))
def test_books_from_a_checkpoint_are_those_of_all_facts_and_go_on_as_they_do(
    facts: Sequence[Event], cuts: Sequence[int]
) -> None:
    """One ledger lives through it all; another is compacted and started anew, again and again."""
    profit = profit_book()
    whole = Ledger(MemoryJournal(), profit=profit)
    journal = MemoryJournal()
    begun = 0
    for cut in [*sorted({min(cut, len(facts)) for cut in cuts}), len(facts)]:
        other_profit = profit_book()
        other = Ledger(journal, profit=other_profit)
        assert other.recover() == 0
        assert books(other, other_profit) == books(whole, profit)
        part = facts[begun:cut]
        assert record(other, part) == record(whole, part)
        begun = cut
        assert books(other, other_profit) == books(whole, profit)
        other.compact()
        assert other.backlog == 0
        assert books(other, other_profit) == books(whole, profit)

    again_profit = profit_book()
    again = Ledger(MemoryJournal(journal.events), profit=again_profit)
    again.recover()
    assert books(again, again_profit) == books(whole, profit)


def test_only_later_facts_are_read_again() -> None:
    journal = MemoryJournal()
    ledger = Ledger(journal)
    ledger.record(created("20260302-0001"), sent("20260302-0001"))
    assert ledger.backlog == 2
    ledger.compact()
    assert ledger.backlog == 0
    ledger.record(TradingHalted(reason="lunch", at=BEGINNING))
    assert ledger.backlog == 1
    again = Ledger(journal)
    assert again.recover() == 1
    assert again.backlog == 1
    assert vars(again.portfolio) == vars(ledger.portfolio)
    again.compact()
    assert Ledger(journal).recover() == 0


@pytest.mark.parametrize(("written", "wanted"), [(None, ""), ("a", "b")])
def test_profit_that_was_counted_otherwise_is_counted_anew(
    written: str | None, wanted: str
) -> None:
    """Another tariff, or no tariff then: every fact is folded again, none twice."""
    journal = MemoryJournal()
    ledger = Ledger(journal, profit=None if written is None else profit_book(written))
    name = "20260302-0001"
    ref = BrokerRef(day=date(2026, 3, 2), branch="1", number="1")
    ledger.record(
        created(name), sent(name), OrderAccepted(order=OrderId(name), ref=ref, at=BEGINNING)
    )
    ledger.record(filled(name, 4))
    ledger.compact()
    profit = profit_book(wanted)
    again = Ledger(journal, profit=profit)
    assert again.recover() == 4
    assert again.portfolio.position(SAMSUNG).quantity == 4
    assert profit.position(SAMSUNG).quantity == 4
    assert Ledger(journal).recover() == 0


def test_a_disk_that_refuses_leaves_all_facts_to_the_next_start() -> None:
    journal = MemoryJournal()
    ledger = Ledger(journal)
    ledger.record(TradingHalted(reason="lunch", at=BEGINNING))
    journal.full = True
    with pytest.raises(JournalFailed):
        ledger.compact()
    assert ledger.backlog == 1
    assert Ledger(journal).recover() == 1


def test_a_restored_portfolio_forgets_what_it_knew() -> None:
    portfolio = Portfolio()
    portfolio.apply(created("20260302-0001"))
    portfolio.restore(Portfolio().image())
    assert vars(portfolio) == vars(Portfolio())
