"""Each oracle finds the one promise that was broken, and is silent while all are kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from daemon.core.events import (
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    OrderCancelled,
    OrderDoubted,
    OrderModified,
    OrderRejected,
)
from daemon.core.portfolio import Portfolio
from daemon.core.values import Currency, InstrumentId, OrderId, Side, StrategyId
from daemon.lab import oracles
from daemon.lab.mix import FaultMix
from daemon.lab.outset import BOTH
from daemon.lab.venue import Venue
from daemon.lab.witness import Witness
from daemon.sim.facts import OrderRequest
from daemon.sim.options import ACCOUNT
from tests.builders import (
    HYNIX,
    LIMITS,
    NINE,
    SAMSUNG,
    STRATEGY,
    accepted,
    created,
    filled,
    intent,
    ref,
    reported,
    sent,
)
from tests.lab.scene import OPTIONS, leaving
from tests.sim.rig import AMERICAN_OPTIONS, OPEN

CASH = 100_000_000


class Books:
    """An exchange, a witness and a portfolio that agree until a test makes them differ."""

    def __init__(self) -> None:
        self.venue = Venue(OPTIONS, FaultMix(1, ()), 1, step=1.0)
        self.exchange = self.venue.broker.market.exchange
        self.witness = Witness(clock=lambda: 0.0, market_time=lambda: OPEN)
        self.portfolio = Portfolio()
        self.facts: list[Event] = []
        self.record(reported(CASH))

    def record(self, *facts: Event) -> None:
        for fact in facts:
            self.portfolio.apply(fact)
            self.facts.append(fact)

    def request(self, quantity: int, price: int | None, side: Side = Side.BUY) -> OrderRequest:
        return OrderRequest(
            account=ACCOUNT,
            code="005930",
            side=side,
            quantity=quantity,
            price=None if price is None else Decimal(price),
        )

    def order(self, name: str, quantity: int, price: int | None = 60_000) -> int:
        """One of ours, known to all; it rests at 60,000 KRW and trades at market."""
        number = self.exchange.place(self.request(quantity, price), OPEN).number
        wish = leaving(name=name, limit=None)
        self.witness.reached(wish, number, True)
        self.record(
            created(name, intent(quantity=quantity, limit=price)),
            sent(name),
            accepted(name, str(number)),
        )
        done = self.exchange.orders[number]
        if done.filled:
            fill = filled(name, done.filled).fill
            self.record(
                replace(filled(name, 1), fill=replace(fill, notional=done.notional)),
            )
        return number

    def by_hand(self, quantity: int = 501, price: int | None = 55_000) -> int:
        number = self.exchange.place(self.request(quantity, price), OPEN).number
        self.venue.by_hand.append(number)
        self.record(stranger(number, quantity))
        return number

    def judged(self) -> list[str]:
        return [
            *oracles.same_books(self.portfolio, self.venue, ACCOUNT),
            *oracles.same_orders(self.portfolio, self.venue, self.witness),
            *oracles.nothing_pending(self.portfolio),
            *oracles.strangers_told(self.facts, self.venue),
            *oracles.gate_kept(self.facts),
            *oracles.nothing_doubled(self.witness),
            *oracles.cap_kept(self.venue, 10),
        ]


def stranger(number: int, quantity: int = 501) -> ExternalOrderSeen:
    return ExternalOrderSeen(
        account=reported(0).account,
        day=ref("1").day,
        number=str(number),
        instrument=SAMSUNG,
        side=Side.BUY,
        quantity=quantity,
        at=NINE,
    )


@pytest.fixture
def books() -> Books:
    """A resting order, one that traded, one that was modified and one by hand."""
    made = Books()
    made.order("a", 10)
    made.order("b", 5, None)
    number = made.order("c", 7)
    moved = made.exchange.modify(number, made.request(0, 61_000), OPEN, everything=True)
    made.record(
        OrderModified(
            order=OrderId("c"), ref=ref(str(moved.number)), limit=Decimal(61_000), at=NINE
        )
    )
    made.by_hand()
    return made


def test_books_that_agree_break_no_promise(books: Books) -> None:
    assert books.exchange.orders[2].filled == 5
    assert books.judged() == []


def test_cash_and_shares_must_be_the_exchanges(books: Books) -> None:
    def found() -> list[str]:
        return list(oracles.same_books(books.portfolio, books.venue, ACCOUNT))

    account = books.exchange.accounts[ACCOUNT]
    account.cash += 1
    [cash] = found()
    assert cash.startswith("cash")
    account.cash -= 1
    account.holdings["005930"].quantity += 1
    assert found() == ["position krx:005930: ours 5, the exchange's 6"]
    account.holdings["005930"].quantity -= 1
    account.holding("000660").quantity = 3
    assert found() == ["position krx:000660: ours 0, the exchange's 3"]
    del account.holdings["000660"]
    assert found() == []


def test_open_orders_must_be_the_exchanges(books: Books) -> None:
    def found() -> list[str]:
        return list(oracles.same_books(books.portfolio, books.venue, ACCOUNT))

    order = books.exchange.orders[1]
    order.cancelled = 1
    [one_less] = found()
    assert one_less.startswith("open orders")
    order.cancelled = 10
    [closed] = found()
    assert closed.startswith("open orders")
    books.record(OrderCancelled(order=OrderId("a"), at=NINE))
    assert found() == []


def test_an_order_sent_twice_is_found(books: Books) -> None:
    again = leaving()
    books.witness.reached(again, 99, True)
    [found] = oracles.nothing_doubled(books.witness)
    assert "order a reached the exchange 2 times: [1, 99]" in found


def same_orders(books: Books) -> list[str]:
    return list(oracles.same_orders(books.portfolio, books.venue, books.witness))


def test_an_order_that_nobody_knows_is_found(books: Books) -> None:
    number = books.exchange.place(books.request(3, 60_000), OPEN).number
    wish = leaving(name="d")
    books.witness.reached(wish, number, True)
    [found] = same_orders(books)
    assert f"order d is number {number}" in found
    assert "nobody knows it" in found


def test_fills_must_be_counted_to_the_share_and_to_the_won(books: Books) -> None:
    order = books.exchange.orders[2]
    order.filled -= 1
    assert "order b" in same_orders(books)[0]
    order.filled += 1
    order.notional += 1
    assert "order b" in same_orders(books)[0]
    order.notional -= 1
    # Shares of a modified order count under whichever number they traded.
    moved = next(each for each in books.exchange.orders.values() if each.original == 3)
    moved.filled += 1
    assert "order c" in same_orders(books)[0]


def test_a_number_that_is_not_ours_is_found(books: Books) -> None:
    books.record(created("z"), sent("z"), accepted("z", "77"))
    assert same_orders(books) == ["order z claims number 77, which is not ours"]


def test_a_number_of_an_order_that_was_never_journalled_is_found(books: Books) -> None:
    books.witness.owners[1] = OrderId("lost")
    assert any("order lost, number 1" in each for each in same_orders(books))


def test_orders_may_change_places_with_their_equals_and_with_nobody_else(books: Books) -> None:
    books.order("e", 10)
    numbers = books.witness.owners
    [e] = [number for number, owner in numbers.items() if owner == "e"]
    numbers[1], numbers[e] = numbers[e], numbers[1]
    assert same_orders(books) == []
    numbers[1], numbers[2] = numbers[2], numbers[1]
    assert any("was taken for" in each for each in same_orders(books))


def test_two_orders_with_one_number_are_found(books: Books) -> None:
    twin = books.portfolio.orders[OrderId("a")]
    books.portfolio.orders[OrderId("twin")] = replace(twin, id=OrderId("twin"))
    assert same_orders(books) == ["orders twin and a both claim number 1"]


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        ([created("z")], "left created"),
        ([created("z"), sent("z")], "left sent"),
        (
            [created("z"), sent("z"), OrderDoubted(order=OrderId("z"), cause="x", at=NINE)],
            "left in_doubt: x",
        ),
        ([DiscrepancyFound(subject="cash", ours="1", theirs="2", at=NINE)], "discrepancy"),
    ],
)
def test_nothing_may_be_left_without_an_outcome(
    books: Books, facts: Sequence[Event], left: str
) -> None:
    books.record(*facts)
    [found] = [
        *oracles.nothing_pending(books.portfolio),
        *oracles.nothing_differs(books.portfolio, excused=()),
    ]
    assert left in found
    subjects = set(books.portfolio.discrepancies)
    assert list(oracles.nothing_differs(books.portfolio, subjects)) == []


def strangers(books: Books) -> list[str]:
    return list(oracles.strangers_told(books.facts, books.venue))


def test_a_strangers_order_must_be_known_as_one_and_left_alone(books: Books) -> None:
    number = books.venue.by_hand[0]
    cancel = books.exchange.cancel(number, books.request(1, 55_000), OPEN, everything=False)
    assert strangers(books) == [f"number {cancel.number} touches {number}, placed by hand"]
    books.venue.taken_back.append(cancel.number)
    assert strangers(books) == [], "the hand that placed it took it back"
    books.venue.taken_back.clear()
    del books.exchange.orders[cancel.number]
    books.record(stranger(1))
    assert strangers(books) == ["number 1 is ours and was taken for a stranger's"]
    books.facts.clear()
    assert strangers(books) == [f"number {number} was placed by hand and nobody noticed"]


DIFFERS = DiscrepancyFound(subject="cash", ours="1", theirs="2", at=NINE)
AGREES = DiscrepancyCleared(subject="cash", at=NINE)


def test_nothing_may_leave_while_the_books_differ() -> None:
    assert list(oracles.gate_kept([DIFFERS, created("a"), AGREES, sent("a")])) == []
    [found] = oracles.gate_kept([created("a"), DIFFERS, sent("a")])
    assert "order a left while the books differed" in found


@pytest.mark.parametrize(
    ("subject", "broken"),
    [("cash KRW", True), ("cash USD", False), ("order a", True), ("position nasdaq:AAPL", False)],
)
def test_what_differs_in_one_region_holds_its_own_orders(subject: str, broken: bool) -> None:
    differs = DiscrepancyFound(subject=subject, ours="1", theirs="2", at=NINE)
    assert bool(list(oracles.gate_kept([created("a"), differs, sent("a")]))) is broken


@pytest.mark.parametrize(
    ("instrument", "settled", "broken"),
    [(SAMSUNG, False, True), (SAMSUNG, True, False), (HYNIX, False, False)],
)
def test_nothing_may_leave_on_an_instrument_in_doubt(
    instrument: InstrumentId, settled: bool, broken: bool
) -> None:
    facts: list[Event] = [
        created("a"),
        created("b", intent(instrument=instrument)),
        sent("a"),
        OrderDoubted(order=OrderId("a"), cause="x", at=NINE),
    ]
    if settled:
        facts.append(OrderRejected(order=OrderId("a"), code="ABSENT", reason="x", at=NINE))
    facts.append(sent("b"))
    assert bool(list(oracles.gate_kept(facts))) is broken


def test_a_journal_must_fold_into_what_the_daemon_had_in_memory(books: Books) -> None:
    replayed = Portfolio()
    for fact in books.facts:
        replayed.apply(fact)
    assert list(oracles.replays(books.portfolio, replayed)) == []
    books.portfolio.cash[Currency.KRW] += 1
    books.portfolio.halted = "by hand"
    found = list(oracles.replays(books.portfolio, replayed))
    assert [each.split(":")[0] for each in found] == [
        "the journal replays to another cash",
        "the journal replays to another halted",
    ]


def test_the_cap_holds_in_any_second_and_not_by_the_clock(books: Books) -> None:
    # Eighths of a second are exact in a floating number.
    books.venue.arrivals = [each / 8 for each in range(100)]
    assert list(oracles.cap_kept(books.venue, 8)) == []
    books.venue.arrivals.append(5.55)
    [found] = oracles.cap_kept(books.venue, 8)
    assert found.startswith("9 requests arrived within")


def test_a_won_or_a_share_from_nowhere_is_found(books: Books) -> None:
    cash, shares = books.exchange.totals()
    before = (cash, dict(shares))
    books.order("e", 3, None)
    assert list(oracles.conserved(books.exchange, before)) == []
    books.exchange.accounts[ACCOUNT].cash += 1
    assert len(list(oracles.conserved(books.exchange, before))) == 1
    books.exchange.accounts[ACCOUNT].cash -= 1
    books.exchange.accounts[ACCOUNT].holding("000660").quantity += 1
    assert len(list(oracles.conserved(books.exchange, before))) == 1


def accept(books: Books, number: int, limit: int | None, side: Side = Side.BUY) -> list[str]:
    watch = oracles.RiskWatch(books.venue, books.witness, LIMITS)
    watch.on_accepted(leaving(name="x", limit=limit, side=side), number)
    return books.witness.violations


def test_a_position_beyond_its_limit_is_found_when_the_order_is_taken() -> None:
    books = Books()
    # 20,000,000 KRW are allowed: 333 shares at 60,000.
    books.order("a", 100, None)
    books.order("b", 233)
    assert accept(books, 2, 60_000) == []
    number = books.order("c", 1)
    assert accept(books, number, None) == []
    assert accept(books, number, 60_000, Side.SELL) == []
    [found] = accept(books, number, 60_000)
    assert "334 shares of 005930" in found


def test_what_was_taken_back_or_sold_is_no_position() -> None:
    books = Books()
    books.order("a", 100, None)
    number = books.order("b", 233)
    books.exchange.cancel(number, books.request(0, 60_000), OPEN, everything=True)
    books.exchange.place(books.request(50, None, Side.SELL), OPEN)
    last = books.order("c", 283)
    assert accept(books, last, 60_000) == []
    last = books.order("d", 1)
    assert len(accept(books, last, 60_000)) == 1


def test_where_a_hand_trades_nobody_can_keep_a_limit() -> None:
    books = Books()
    books.by_hand(400, 60_000)
    number = books.order("a", 1)
    assert accept(books, number, 60_000) == []


def test_no_fill_may_be_written_before_the_exchange_has_made_it(books: Books) -> None:
    watch = oracles.FillWatch(books.venue, books.witness)
    watch.on_written(books.facts)
    watch.on_written([filled("b", 0)])
    assert books.witness.violations == []
    watch.on_written([filled("b", 1)])
    [found] = books.witness.violations
    assert found.endswith(
        "6 shares of b, number 2, are in the journal and the exchange has traded 5"
    )


def test_a_fill_of_an_order_without_a_number_is_found(books: Books) -> None:
    watch = oracles.FillWatch(books.venue, books.witness)
    watch.on_written([created("z"), sent("z"), filled("z", 1)])
    assert len(books.witness.violations) == 1


def test_shares_of_a_modified_order_count_for_its_first_number(books: Books) -> None:
    watch = oracles.FillWatch(books.venue, books.witness)
    moved = next(each for each in books.exchange.orders.values() if each.original == 3)
    moved.filled += 2
    watch.on_written([accepted("c", "3"), filled("c", 2)])
    assert books.witness.violations == []


def test_what_a_faulted_strategy_left_open_must_go(books: Books) -> None:
    def found(seconds: float, *fallen: StrategyId) -> list[str]:
        now = NINE + timedelta(seconds=seconds)
        return list(oracles.nothing_of_the_fallen(books.portfolio, fallen, now, 150.0))

    assert found(1_000.0) == []
    assert found(150.0, STRATEGY) == []
    assert found(150.1, STRATEGY) == [
        f"order {name} of the faulted {STRATEGY} is still working" for name in ("a", "c")
    ]


class BooksAbroad(Books):
    """A night in New York: the same, in dollars."""

    def __init__(self) -> None:
        options = replace(AMERICAN_OPTIONS, regions=frozenset(BOTH))
        self.venue = Venue(options, FaultMix(1, ()), 1, step=1.0)
        self.venue.broker.advance(options.start or OPEN, 1.0)
        self.exchange = self.venue.broker.overseas.exchange
        self.witness = Witness(clock=lambda: 0.0, market_time=lambda: OPEN)
        self.portfolio = Portfolio()
        self.facts = []
        cash = {Currency.KRW: options.cash, Currency.USD: options.cash_usd}
        self.record(replace(reported(0), cash=cash))

    def request(self, quantity: int, price: int | None, side: Side = Side.BUY) -> OrderRequest:
        return OrderRequest(
            account=ACCOUNT,
            code="BRK/B",
            side=side,
            quantity=quantity,
            price=None if price is None else Decimal(price),
        )


def test_american_books_are_judged_like_korean_ones() -> None:
    abroad = BooksAbroad()
    account = abroad.exchange.accounts[ACCOUNT]

    def found() -> list[str]:
        return list(oracles.same_books(abroad.portfolio, abroad.venue, ACCOUNT))

    assert found() == []
    account.cash += Decimal("0.01")
    assert [each.partition(":")[0] for each in found()] == ["cash"]
    assert list(oracles.same_books(abroad.portfolio, abroad.venue, ACCOUNT, {"cash USD"})) == []
    account.cash -= Decimal("0.01")
    account.holding("BRK/B").quantity = 2
    assert found() == ["position nyse:BRK/B: ours 0, the exchange's 2"]
    del account.holdings["BRK/B"]
    abroad.portfolio.cash[Currency.USD] -= 1
    assert len(found()) == 1, "won do not make up for dollars"
    del abroad.portfolio.cash[Currency.USD]
    assert len(found()) == 1, "nobody asked what there is in dollars"


def test_american_orders_are_looked_for_among_those_of_all_markets() -> None:
    abroad = BooksAbroad()
    number = abroad.exchange.place(abroad.request(3, 480), OPEN).number
    abroad.witness.reached(leaving(name="a", limit=None), number, True)
    told = same_orders(abroad)
    assert told == [f"order a is number {number} at the exchange and nobody knows it"]
    assert any("open orders" in each for each in abroad.judged())
    abroad.venue.by_hand.append(number)
    assert strangers(abroad) == [f"number {number} was placed by hand and nobody noticed"]


def test_a_position_abroad_is_limited_by_what_it_is_worth_in_won() -> None:
    abroad = BooksAbroad()
    watch = oracles.RiskWatch(abroad.venue, abroad.witness, LIMITS)
    wish = leaving(limit=480)._replace(instrument=InstrumentId("nyse:BRK/B"))
    # 20,000,000 KRW are 30 shares of 480 USD, at 1,385.50 KRW each.
    number = abroad.exchange.place(abroad.request(30, 480), OPEN).number
    watch.on_accepted(wish, number)
    assert abroad.witness.violations == []
    number = abroad.exchange.place(abroad.request(1, 480), OPEN).number
    watch.on_accepted(wish, number)
    assert "31 shares of BRK/B" in abroad.witness.violations[0]


def test_what_a_fallen_strategy_left_at_a_closed_exchange_waits() -> None:
    abroad = BooksAbroad()
    abroad.record(created("a"), sent("a"), accepted("a", "1"))
    late = NINE + timedelta(hours=1)
    fallen = (abroad.portfolio, [STRATEGY], late, 1.0)
    assert len(list(oracles.nothing_of_the_fallen(*fallen, lambda instrument: True))) == 1
    assert list(oracles.nothing_of_the_fallen(*fallen, lambda instrument: False)) == []
