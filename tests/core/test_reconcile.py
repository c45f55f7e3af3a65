"""Two witnesses, one truth: no share lost, none counted twice, no doubt ended by a guess."""

import random
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.books import Discrepancy
from daemon.core.events import (
    CancelSent,
    Event,
    ExternalOrderSeen,
    FillSource,
    ModifySent,
    OrderCancelled,
    OrderDoubted,
    OrderEvent,
    OrderFilled,
)
from daemon.core.inference import Outcome
from daemon.core.orders import OrderState
from daemon.core.portfolio import Portfolio
from daemon.core.reconcile import Reconciler
from daemon.core.values import OrderId, Side
from daemon.core.witness import BrokerNotice, BrokerOrder, NoticeKind
from tests.builders import (
    ACCOUNT,
    DAY,
    accepted,
    after,
    created,
    funded,
    intent,
    notice,
    reported,
    row,
    sent,
)

A = OrderId("a")
B = OrderId("b")
GRACE = 10.0
SETTLE = 15.0


class Desk:
    """A portfolio and a reconciler, wired as the engine wires them; time is a number."""

    def __init__(self) -> None:
        self.portfolio: Portfolio = funded()
        self.reconciler = Reconciler(ACCOUNT, grace=GRACE, settle=SETTLE)
        self.now = 0.0
        self.discrepancies: list[Discrepancy] = []
        self.external: list[ExternalOrderSeen] = []

    def record(self, *events: Event) -> None:
        for event in events:
            self.portfolio.apply(event)
            if isinstance(event, OrderEvent):
                self.reconciler.note(event, now=self.now)

    def take(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        taken = list(outcomes)
        for outcome in taken:
            if isinstance(outcome, Discrepancy):
                self.discrepancies.append(outcome)
            else:
                if isinstance(outcome, ExternalOrderSeen):
                    self.external.append(outcome)
                self.record(outcome)
        return taken

    def hear(self, heard: BrokerNotice) -> list[Outcome]:
        taken = self.take(
            self.reconciler.on_notice(self.portfolio, heard, at=after(self.now), now=self.now)
        )
        return taken + self.settle()

    def settle(self) -> list[Outcome]:
        everything: list[Outcome] = []
        while True:
            taken = self.take(
                self.reconciler.settle(self.portfolio, at=after(self.now), now=self.now)
            )
            if not taken:
                return everything
            everything += taken

    def ask(self, *rows: BrokerOrder, asked: float | None = None, dead: int = 0) -> list[Outcome]:
        taken = self.take(
            self.reconciler.on_inquiry(
                self.portfolio,
                rows,
                asked=self.now if asked is None else asked,
                dead_before=DAY + timedelta(days=dead),
                at=after(self.now),
                now=self.now,
            )
        )
        return taken + self.settle()

    def ask_account(self, cash: int = 100_000_000, **holdings: int) -> list[Outcome]:
        return self.take(
            self.reconciler.on_account(
                self.portfolio, reported(cash, **holdings), asked=self.now, at=after(self.now)
            )
        )

    def working(self, name: str = "a", number: str = "1") -> None:
        self.record(created(name), sent(name), accepted(name, number))

    def doubted(self, name: str = "a") -> None:
        cause = OrderDoubted(order=OrderId(name), cause="time-out", at=after(self.now))
        self.record(created(name), sent(name, after(self.now)), cause)

    def state(self, name: str = "a") -> OrderState:
        return self.portfolio.orders[OrderId(name)].state

    def filled(self, name: str = "a") -> int:
        return self.portfolio.orders[OrderId(name)].filled


def test_a_notice_fills_at_its_price() -> None:
    desk = Desk()
    desk.working()

    desk.hear(notice(NoticeKind.FILLED, "1", 4, price=69_900))

    order = desk.portfolio.orders[A]
    assert (order.filled, order.notional) == (4, Decimal(279_600))


def test_an_inquiry_that_ran_ahead_is_paid_back_by_the_notice() -> None:
    desk = Desk()
    desk.working()

    desk.ask(row("1", filled=3))
    desk.now = 5.0
    desk.hear(notice(NoticeKind.FILLED, "1", 5))

    assert desk.filled() == 5
    sources = [desk.portfolio.orders[A].filled, desk.portfolio.orders[A].notional]
    assert sources == [5, Decimal(350_000)]


def test_a_lost_notice_is_not_paid_back_by_a_later_fill() -> None:
    desk = Desk()
    desk.working()

    desk.ask(row("1", filled=3))
    desk.now = GRACE + 1
    desk.hear(notice(NoticeKind.FILLED, "1", 5))

    assert desk.filled() == 8


def test_an_inferred_fill_costs_exactly_what_the_broker_counts() -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.FILLED, "1", 1, price=69_900))

    [fill] = desk.ask(row("1", filled=4, notional=279_900))

    assert isinstance(fill, OrderFilled)
    assert (fill.fill.quantity, fill.fill.notional) == (3, Decimal(210_000))
    assert fill.fill.source is FillSource.INQUIRY


def test_a_stale_list_is_no_discrepancy_and_an_old_difference_is() -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.FILLED, "1", 5))

    desk.now = 3.0
    assert desk.ask(row("1", filled=3)) == []
    desk.now = SETTLE + 1
    desk.ask(row("1", filled=3))

    assert desk.filled() == 5
    assert [each.subject for each in desk.discrepancies] == ["order a"]


def test_a_repeated_notice_is_never_guessed_at() -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.FILLED, "1", 6))

    desk.hear(notice(NoticeKind.FILLED, "1", 6))

    assert desk.filled() == 6
    assert [each.subject for each in desk.discrepancies] == ["order a"]


def test_a_notice_before_the_reply_waits_for_its_number() -> None:
    desk = Desk()
    desk.record(created("a"), sent("a"))

    assert desk.hear(notice(NoticeKind.ACCEPTED, "1", 10)) == []
    assert desk.hear(notice(NoticeKind.FILLED, "1", 10)) == []
    desk.now = 60.0
    assert desk.settle() == []
    desk.record(accepted("a", "1"))
    desk.settle()

    assert desk.state() is OrderState.FILLED
    assert desk.external == []


def test_two_equal_orders_get_the_numbers_their_replies_tell() -> None:
    desk = Desk()
    desk.record(created("a"), sent("a"), created("b"), sent("b"))
    desk.hear(notice(NoticeKind.FILLED, "1", 10))

    desk.record(accepted("b", "1"), accepted("a", "2"))
    desk.settle()

    assert (desk.state("a"), desk.state("b")) == (OrderState.WORKING, OrderState.FILLED)


def test_a_doubt_is_ended_by_the_list_and_its_notices_are_paid_back() -> None:
    desk = Desk()
    desk.doubted()

    desk.hear(notice(NoticeKind.ACCEPTED, "7", 10))
    desk.hear(notice(NoticeKind.FILLED, "7", 6))
    assert desk.state() is OrderState.IN_DOUBT
    desk.ask(row("7", filled=6))

    assert (desk.state(), desk.filled()) == (OrderState.WORKING, 6)
    assert desk.discrepancies == []


def test_a_number_is_never_taken_from_a_twin_that_waits_for_its_reply() -> None:
    desk = Desk()
    desk.doubted("a")
    desk.record(created("b"), sent("b"))

    desk.hear(notice(NoticeKind.ACCEPTED, "2", 10))
    desk.ask(row("2"))
    assert desk.state("a") is OrderState.IN_DOUBT
    desk.record(accepted("b", "2"))
    desk.ask(row("2"))

    assert [desk.state("a"), desk.state("b")] == [OrderState.IN_DOUBT, OrderState.WORKING]


def test_a_row_stamped_before_its_order_is_told_and_no_proof_of_absence() -> None:
    desk = Desk()
    desk.doubted()

    for seconds in (SETTLE + 1, SETTLE + 2, SETTLE + 3):
        desk.now = seconds
        desk.ask(row("7", ordered_at=after(-60)))
        desk.ask_account()

    assert desk.state() is OrderState.IN_DOUBT
    assert desk.external == []
    assert desk.discrepancies[0].subject == "order a"


def test_an_order_of_an_earlier_run_is_not_old_at_its_first_inquiry() -> None:
    desk = Desk()
    desk.doubted()
    desk.reconciler = Reconciler(ACCOUNT, grace=GRACE, settle=SETTLE)
    desk.now = 1_000.0
    desk.reconciler.resume(desk.portfolio, now=desk.now)

    desk.ask()
    desk.ask_account()
    desk.ask()
    desk.ask_account()

    assert desk.state() is OrderState.IN_DOUBT


def test_a_cancel_counted_by_the_list_is_not_counted_again_by_its_notice() -> None:
    desk = Desk()
    desk.working()
    desk.now = 1.0

    desk.ask(row("1", remaining=4))
    desk.now = 2.0
    desk.hear(notice(NoticeKind.CANCELLED, "1", 6, price=None))

    assert (desk.state(), desk.portfolio.orders[A].remaining) == (OrderState.WORKING, 4)


def test_a_late_notice_stamped_before_the_list_is_paid_back() -> None:
    desk = Desk()
    desk.working()
    desk.now = 20.0
    desk.ask(row("1", filled=6))

    desk.now = 20.0 + 3 * GRACE
    desk.hear(notice(NoticeKind.FILLED, "1", 6, at=after(19)))

    assert desk.filled() == 6
    assert desk.discrepancies == []


def test_an_order_we_closed_that_lives_is_told() -> None:
    desk = Desk()
    desk.working()
    desk.record(OrderCancelled(order=A, at=after(0)))
    desk.now = SETTLE + 1

    desk.ask(row("1"))

    assert desk.discrepancies[0].theirs == "10 shares open under number 1"


def test_counts_that_differ_do_not_keep_an_order_alive() -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.FILLED, "1", 6))
    desk.now = SETTLE + 1

    desk.ask(row("1", filled=3, remaining=0))

    assert desk.state() is OrderState.CANCELLED
    assert [each.subject for each in desk.discrepancies] == ["order a"]


def test_an_order_of_yesterday_that_no_list_shows_has_expired() -> None:
    desk = Desk()
    desk.working()
    for seconds in (SETTLE + 1, SETTLE + 2):
        desk.now = seconds
        desk.ask(dead=1)

    assert desk.state() is OrderState.EXPIRED


def test_a_modify_under_way_is_not_a_cancel() -> None:
    desk = Desk()
    desk.working()
    desk.record(ModifySent(order=A, limit=Decimal(69_000), at=after(0)))
    desk.now = 1.0

    desk.ask(row("1", remaining=0))
    assert desk.state() is OrderState.MODIFYING
    desk.hear(notice(NoticeKind.MODIFIED, "1", 10, price=69_000, new_number="2"))
    assert desk.state() is OrderState.WORKING


@pytest.mark.parametrize(
    "other",
    [
        row("7", quantity=9),
        row("7", limit=69_900),
        row("7", side=Side.SELL),
        row("7", ordered_at=after(-60)),
    ],
)
def test_a_doubt_is_not_ended_by_another_order(other: BrokerOrder) -> None:
    desk = Desk()
    desk.doubted()

    desk.ask(other)

    assert desk.state() is OrderState.IN_DOUBT


def test_a_doubt_is_ended_by_the_list_and_equal_orders_are_interchangeable() -> None:
    desk = Desk()
    desk.doubted("a")
    desk.doubted("b")

    desk.ask(row("7", filled=10), row("8"))

    assert [desk.state("a"), desk.state("b")] == [OrderState.FILLED, OrderState.WORKING]
    assert desk.external == []


def test_absence_ends_a_doubt_only_on_three_witnesses() -> None:
    desk = Desk()
    desk.doubted()

    desk.now = SETTLE - 1
    desk.ask()
    desk.ask_account()
    desk.now = SETTLE + 1
    desk.ask()
    desk.ask_account(99_300_000, krx_005930=10)
    desk.now += 1
    desk.ask()
    assert desk.state() is OrderState.IN_DOUBT

    desk.ask_account()
    assert desk.state() is OrderState.REJECTED
    assert desk.portfolio.orders[A].cause.startswith("ABSENT")


def test_what_nobody_claims_is_reported_once_and_never_touched() -> None:
    desk = Desk()
    desk.working()

    desk.ask(row("1"), row("99", quantity=3))
    desk.ask(row("1"), row("99", quantity=3))
    desk.hear(notice(NoticeKind.FILLED, "99", 3))

    assert [each.number for each in desk.external] == ["99"]
    assert desk.portfolio.position(desk.portfolio.orders[A].intent.instrument).quantity == 0


def test_an_unknown_notice_becomes_external_after_its_grace() -> None:
    desk = Desk()

    desk.hear(notice(NoticeKind.ACCEPTED, "99", 3))
    desk.hear(notice(NoticeKind.FILLED, "99", 3))
    assert desk.external == []
    desk.now = GRACE + 1
    desk.settle()

    assert [each.number for each in desk.external] == ["99"]


def test_a_row_whose_reply_is_on_its_way_is_not_external() -> None:
    desk = Desk()
    desk.record(created("a"), sent("a"))

    assert desk.ask(row("1")) == []
    assert desk.external == []


@pytest.mark.parametrize("by_notice", [True, False])
def test_a_modify_moves_the_order_to_its_new_number(by_notice: bool) -> None:
    desk = Desk()
    desk.working()
    desk.record(ModifySent(order=A, limit=Decimal(69_000), at=after(0)))

    if by_notice:
        desk.hear(notice(NoticeKind.MODIFIED, "1", 10, price=69_000, new_number="2"))
        desk.hear(notice(NoticeKind.FILLED, "2", 10, price=69_000))
    else:
        desk.ask(row("1", "2", filled=10, notional=690_000, limit=69_000))

    order = desk.portfolio.orders[A]
    assert [each.number for each in order.refs] == ["1", "2"]
    assert (order.state, order.limit) == (OrderState.FILLED, Decimal(69_000))


def test_cancels_whole_and_in_part() -> None:
    desk = Desk()
    desk.working()

    desk.hear(notice(NoticeKind.CANCELLED, "1", 4, price=None))
    assert (desk.state(), desk.portfolio.orders[A].remaining) == (OrderState.WORKING, 6)
    desk.hear(notice(NoticeKind.CANCELLED, "1", 6, price=None))
    assert desk.state() is OrderState.CANCELLED


def test_a_cancel_made_by_hand_shows_in_the_list() -> None:
    desk = Desk()
    desk.working()
    desk.working("b", "2")
    desk.now = 1.0

    desk.ask(row("1", filled=2, remaining=3), row("2", filled=2, remaining=0))

    assert (desk.state("a"), desk.portfolio.orders[A].remaining) == (OrderState.WORKING, 3)
    assert desk.state("b") is OrderState.CANCELLED


def test_a_cancel_without_effect_is_given_up_only_after_its_time() -> None:
    desk = Desk()
    desk.working()
    desk.record(CancelSent(order=A, at=after(0)))

    desk.now = SETTLE - 1
    desk.ask(row("1"))
    assert desk.state() is OrderState.CANCELLING
    desk.now = SETTLE + 1
    desk.ask(row("1"))
    assert desk.state() is OrderState.WORKING


def test_a_refusal_after_acceptance() -> None:
    desk = Desk()
    desk.working("a", "1")
    desk.working("b", "2")

    desk.hear(notice(NoticeKind.REJECTED, "1", 10))
    desk.ask(row("2", rejected=10))

    assert [desk.state("a"), desk.state("b")] == [OrderState.REJECTED, OrderState.REJECTED]


def test_the_close_takes_open_orders_with_it() -> None:
    desk = Desk()
    desk.working("a", "1")
    desk.working("b", "2")

    desk.ask(row("1", filled=4), row("2", filled=10), dead=1)

    assert [desk.state("a"), desk.state("b")] == [OrderState.EXPIRED, OrderState.FILLED]
    assert desk.filled("a") == 4


def test_an_order_the_broker_forgot_is_told_after_two_lists() -> None:
    desk = Desk()
    desk.working()

    desk.now = SETTLE + 1
    desk.ask()
    assert desk.discrepancies == []
    desk.now += 1
    desk.ask()

    assert [each.theirs for each in desk.discrepancies] == ["not in the broker's list"]
    assert desk.state() is OrderState.WORKING


def test_a_closed_order_still_counts_a_fill() -> None:
    desk = Desk()
    desk.working()
    desk.record(OrderCancelled(order=A, at=after(0)))

    desk.hear(notice(NoticeKind.FILLED, "1", 4))

    assert (desk.state(), desk.filled()) == (OrderState.CANCELLED, 4)


class Exchange:
    """A truth to compare with: fills happen, notices of them are lost or late, lists lag."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.desk = Desk()
        self.now = 0.0
        self.truth = {"a": [0, 0], "b": [0, 0]}
        self.history: list[tuple[float, dict[str, tuple[int, int]]]] = []
        self.notices: list[tuple[float, BrokerNotice]] = []
        self.desk.working("a", "1")
        self.desk.record(created("b", intent(quantity=10)), sent("b"), accepted("b", "2"))
        self.remember()

    def remember(self) -> None:
        now = {name: (filled, notional) for name, (filled, notional) in self.truth.items()}
        self.history.append((self.now, now))

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = sorted(
            (each for each in self.notices if each[0] <= self.now), key=lambda each: each[0]
        )
        self.notices = [each for each in self.notices if each[0] > self.now]
        for at, heard in due:
            self.desk.now = at
            self.desk.hear(heard)
            self.check()
        self.desk.now = self.now

    def fill(self) -> None:
        name = self.random.choice("ab")
        left = 10 - self.truth[name][0]
        if not left:
            return
        quantity = self.random.randint(1, left)
        price = self.random.choice((69_900, 70_000))
        self.truth[name][0] += quantity
        self.truth[name][1] += quantity * price
        self.remember()
        if self.random.random() < 0.7:
            late = self.random.uniform(0, GRACE * 0.9)
            number = {"a": "1", "b": "2"}[name]
            heard = notice(NoticeKind.FILLED, number, quantity, price=price)
            self.notices.append((self.now + late, heard))

    def inquire(self) -> None:
        asked = self.now
        self.advance(self.random.uniform(0, 2))
        seen_at = self.random.uniform(asked, self.now)
        seen = [state for at, state in self.history if at <= seen_at][-1]
        self.desk.ask(*rows_of(seen), asked=asked)
        self.check()

    def check(self) -> None:
        for name, (filled, _) in self.truth.items():
            assert self.desk.filled(name) <= filled, "a phantom share"
        assert self.desk.discrepancies == [], "a false alarm"


def rows_of(state: dict[str, tuple[int, int]]) -> list[BrokerOrder]:
    numbers = {"a": "1", "b": "2"}
    return [
        row(numbers[name], filled=filled, notional=notional)
        for name, (filled, notional) in state.items()
    ]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_any_history_ends_equal_to_the_broker_after_one_quiet_inquiry(seed: int) -> None:
    exchange = Exchange(seed)
    for _ in range(exchange.random.randint(1, 25)):
        exchange.random.choice(
            (
                exchange.fill,
                exchange.inquire,
                lambda: exchange.advance(exchange.random.random() * 8),
            )
        )()
    exchange.advance(GRACE + SETTLE)
    exchange.inquire()

    for name, (filled, notional) in exchange.truth.items():
        order = exchange.desk.portfolio.orders[OrderId(name)]
        assert (order.filled, order.notional) == (filled, Decimal(notional))
    bought = sum(notional for _, notional in exchange.truth.values())
    assert exchange.desk.portfolio.cash == 100_000_000 - bought


def test_an_order_by_hand_is_told_once_by_whichever_witness_comes_first() -> None:
    desk = Desk()

    desk.hear(notice(NoticeKind.ACCEPTED, "99", 3))
    desk.ask(row("99", quantity=3))
    desk.now = GRACE + 1
    desk.settle()

    assert len(desk.external) == 1
    assert desk.reconciler.waiting == 0


def test_a_modified_order_is_not_closed_by_a_list_without_its_new_number() -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.MODIFIED, "1", 10, price=69_000, new_number="2"))
    desk.now = 1.0

    desk.ask(row("1", remaining=0))

    assert desk.state() is OrderState.WORKING


def test_a_number_of_another_order_is_told_and_breaks_nothing() -> None:
    desk = Desk()
    desk.working("a", "1")
    desk.working("b", "2")

    desk.hear(notice(NoticeKind.MODIFIED, "1", 10, price=69_000, new_number="2"))
    desk.ask(row("1", "2", limit=69_000))

    assert {each.subject for each in desk.discrepancies} == {"order a"}
    assert [len(desk.portfolio.orders[OrderId(name)].refs) for name in "ab"] == [1, 1]


def test_two_rows_of_one_number_claim_one_order() -> None:
    desk = Desk()
    desk.doubted("a")
    desk.doubted("b")

    desk.ask(row("7"), row("7"))

    assert sorted([desk.state("a"), desk.state("b")]) == [OrderState.IN_DOUBT, OrderState.WORKING]


def test_a_doubt_of_yesterday_ends_with_its_day() -> None:
    desk = Desk()
    desk.doubted()
    for seconds in (SETTLE + 1, SETTLE + 2):
        desk.now = seconds
        desk.ask(dead=1)

    assert desk.state() is OrderState.REJECTED


def test_one_new_number_in_two_rows_is_given_once() -> None:
    desk = Desk()
    desk.working("a", "1")
    desk.working("b", "2")

    desk.ask(row("1", "3", limit=69_000), row("2", "3", limit=69_000))

    assert [len(desk.portfolio.orders[OrderId(name)].refs) for name in "ab"] == [2, 1]
    assert [each.subject for each in desk.discrepancies] == ["order b"]
