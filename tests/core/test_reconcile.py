"""Two witnesses, one truth: no share lost, none counted twice, no doubt ended by a guess."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.books import Discrepancy
from daemon.core.events import (
    AccountReported,
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
from daemon.core.inference import Hint, Outcome
from daemon.core.orders import OrderState
from daemon.core.portfolio import Portfolio
from daemon.core.reconcile import Reconciler
from daemon.core.values import Currency, InstrumentId, OrderId, Region, Session, Side
from daemon.core.witness import BrokerNotice, BrokerOrder, NoticeKind
from tests.builders import (
    ACCOUNT,
    DAY,
    NINE,
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
SETTLE = 75.0


class Desk:
    """A portfolio and a reconciler, wired as the engine wires them; time is a number."""

    def __init__(self) -> None:
        self.portfolio: Portfolio = funded()
        self.reconciler = Reconciler(ACCOUNT, grace=GRACE, settle=SETTLE)
        self.now = 0.0
        self.journal: list[Event] = []
        self.discrepancies: list[Discrepancy] = []
        self.external: list[ExternalOrderSeen] = []
        self.hints: list[Hint] = []

    def restart(self) -> None:
        """A new process: the journal is replayed, everything else is forgotten."""
        self.portfolio = funded()
        for event in self.journal:
            self.portfolio.apply(event)
        self.reconciler = Reconciler(ACCOUNT, grace=GRACE, settle=SETTLE)
        self.reconciler.resume(self.portfolio, now=self.now)

    def record(self, *events: Event) -> None:
        for event in events:
            self.portfolio.apply(event)
            self.journal.append(event)
            if isinstance(event, OrderEvent):
                self.reconciler.note(event, now=self.now)

    def take(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        taken = list(outcomes)
        for outcome in taken:
            if isinstance(outcome, Discrepancy):
                self.discrepancies.append(outcome)
            elif isinstance(outcome, Hint):
                self.hints.append(outcome)
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

    def ask(
        self,
        *rows: BrokerOrder,
        asked: float | None = None,
        since: date = DAY,
        dead: int = 0,
        after_market: int | None = None,
    ) -> list[Outcome]:
        key = (Region.KR, Session.AFTER_MARKET)
        other = {} if after_market is None else {key: DAY + timedelta(days=after_market)}
        taken = self.take(
            self.reconciler.on_inquiry(
                self.portfolio,
                rows,
                asked=self.now if asked is None else asked,
                since=since,
                dead_before=dict.fromkeys(Region, DAY + timedelta(days=dead)),
                elsewhere=other,
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


def test_an_order_the_list_counted_once_is_counted_by_the_list_alone() -> None:
    desk = Desk()
    desk.working()

    desk.ask(row("1", filled=3))
    desk.now = 10_000.0
    [hint] = desk.hear(notice(NoticeKind.FILLED, "1", 5, at=after(9_940)))
    assert isinstance(hint, Hint)
    assert desk.filled() == 3
    desk.ask(row("1", filled=8))

    assert desk.filled() == 8
    assert desk.discrepancies == []


def test_a_fill_the_list_counted_is_remembered_over_a_restart() -> None:
    desk = Desk()
    desk.working()
    desk.ask(row("1", filled=3))

    desk.restart()
    desk.hear(notice(NoticeKind.FILLED, "1", 3))

    assert desk.filled() == 3


@pytest.mark.parametrize("restarted", [False, True])
def test_a_notice_told_twice_is_counted_once(restarted: bool) -> None:
    desk = Desk()
    desk.working()
    told = notice(NoticeKind.FILLED, "1", 4)
    desk.hear(told)
    if restarted:
        desk.restart()
    desk.now = 60.0

    again = replace(told, received_at=after(60))
    assert [type(each) for each in desk.hear(again)] == [Hint]

    assert desk.filled() == 4
    assert desk.reconciler.hinted
    assert desk.discrepancies == []


def test_equal_fills_of_one_second_are_told_apart_by_the_list() -> None:
    desk = Desk()
    desk.working()
    for _ in range(2):
        desk.hear(notice(NoticeKind.FILLED, "1", 4))
    desk.hear(notice(NoticeKind.FILLED, "1", 1, at=after(1)))
    assert desk.filled() == 5

    desk.ask(row("1", filled=9))

    assert desk.filled() == 9


@pytest.mark.parametrize(
    "told",
    [
        notice(NoticeKind.FILLED, "1", 7),
        notice(NoticeKind.FILLED, "1", 2, side=Side.SELL),
        replace(notice(NoticeKind.FILLED, "1", 2), received_at=after(0)),
    ],
    ids=["more than the room", "another side", "no stamp of its own"],
)
def test_a_fill_that_is_not_proven_new_changes_nothing(told: BrokerNotice) -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.FILLED, "1", 4, at=after(-1)))

    assert [type(each) for each in desk.hear(told)] == [Hint]

    assert desk.filled() == 4
    assert desk.discrepancies == []


def test_a_repeated_notice_of_a_filled_order_asks_for_nothing() -> None:
    desk = Desk()
    desk.working()
    for _ in range(2):
        desk.hear(notice(NoticeKind.FILLED, "1", 10))

    assert desk.hints == []
    assert not desk.reconciler.hinted


def test_a_hint_is_kept_until_the_list_covers_it() -> None:
    desk = Desk()
    desk.working()
    desk.ask(row("1", filled=2))
    desk.now = 1.0
    desk.hear(notice(NoticeKind.FILLED, "1", 3))

    desk.ask(row("1", filled=2))
    assert desk.reconciler.hinted
    desk.ask(row("1", filled=5))
    assert not desk.reconciler.hinted


def test_an_account_is_at_rest_when_nothing_of_it_could_trade_or_have_traded_unheard() -> None:
    desk = Desk()
    assert desk.reconciler.at_rest(desk.portfolio)
    desk.working()
    assert not desk.reconciler.at_rest(desk.portfolio)
    desk.record(OrderCancelled(order=A, at=after(0)))
    assert desk.reconciler.at_rest(desk.portfolio)
    for _ in range(2):
        desk.hear(notice(NoticeKind.FILLED, "1", 4))
    assert not desk.reconciler.at_rest(desk.portfolio), "one of them may be a second fill"
    desk.now = SETTLE
    desk.ask(row("1", filled=4, remaining=0))
    assert desk.reconciler.at_rest(desk.portfolio)
    desk.hear(notice(NoticeKind.ACCEPTED, "99", 3))
    assert not desk.reconciler.at_rest(desk.portfolio)


def test_a_hint_that_nothing_covers_is_given_up_when_no_list_lags_so_long() -> None:
    desk = Desk()
    desk.working()
    for _ in range(2):
        desk.hear(notice(NoticeKind.FILLED, "1", 3))

    desk.now = SETTLE - 1
    desk.ask(row("1", filled=3))
    assert desk.reconciler.hinted
    desk.now = SETTLE
    desk.ask(row("1", filled=3))
    assert not desk.reconciler.hinted


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


def test_a_list_without_the_row_that_traded_contradicts_nothing() -> None:
    """The shares traded under a later number, whose row is missing from the page."""
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.MODIFIED, "1", 10, new_number="2", price=70_500))
    desk.hear(notice(NoticeKind.FILLED, "2", 10, price=70_500))
    desk.now = 2 * SETTLE

    desk.ask(row("1", filled=0, remaining=0, cancelled=0))
    assert desk.discrepancies == []
    desk.ask(row("1", "2", filled=4, remaining=0, cancelled=6))
    assert [each.subject for each in desk.discrepancies] == ["order a"]


def test_an_order_whose_row_stays_incomplete_still_ends_with_its_day_and_is_told() -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.MODIFIED, "1", 10, new_number="2", price=70_500))
    desk.hear(notice(NoticeKind.FILLED, "2", 4, price=70_500))
    desk.now = 2 * SETTLE
    incomplete = row("1", filled=0, remaining=0, cancelled=0)
    desk.ask(incomplete)
    assert desk.state() is OrderState.WORKING
    assert desk.discrepancies == []

    desk.ask(incomplete, dead=1)
    assert desk.state() is OrderState.EXPIRED
    assert [each.subject for each in desk.discrepancies] == ["order a"]


def test_a_list_that_lags_changes_no_amount() -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.FILLED, "1", 3, price=70_000))

    desk.now = 20.0
    assert desk.ask(row("1", filled=3, notional=209_700)) == []
    desk.now = SETTLE
    desk.ask(row("1", filled=3, notional=209_700))

    assert desk.portfolio.orders[A].notional == 209_700


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


@pytest.mark.parametrize("seconds", [15, SETTLE, SETTLE + 10, 3_000])
def test_an_order_in_doubt_may_reach_the_exchange_late(seconds: float) -> None:
    desk = Desk()
    desk.doubted()

    desk.now = seconds + 1
    desk.ask(row("7", ordered_at=after(seconds)))

    assert desk.state() is OrderState.WORKING
    assert desk.discrepancies == []


@pytest.mark.parametrize("dead", [0, 1])
def test_a_row_of_a_later_day_is_a_strangers_and_keeps_no_doubt(dead: int) -> None:
    desk = Desk()
    desk.doubted()
    desk.now = 86_400.0
    desk.restart()
    tomorrow = row("7", ordered_at=after(86_400 - 240), day=DAY + timedelta(days=1))

    for _ in range(2):
        desk.now += SETTLE
        desk.ask(tomorrow, dead=dead)
        desk.ask_account()

    assert desk.state() is OrderState.REJECTED
    assert [each.number for each in desk.external] == ["7"]
    assert desk.discrepancies == []


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
    assert len(desk.hints) == 1


def test_a_late_notice_of_a_cancelled_part_does_not_end_the_rest() -> None:
    desk = Desk()
    desk.working()
    desk.ask(row("1", remaining=7))
    desk.hear(notice(NoticeKind.FILLED, "1", 5))

    # Told at last, or told again: three shares were cancelled, and two are open still.
    desk.hear(notice(NoticeKind.CANCELLED, "1", 3, price=None))

    assert (desk.state(), desk.portfolio.orders[A].remaining) == (OrderState.WORKING, 2)


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


def test_counts_that_differ_tell_no_cancelled_part() -> None:
    desk = Desk()
    desk.working()
    desk.hear(notice(NoticeKind.FILLED, "1", 6))
    desk.now = SETTLE + 1

    desk.ask(row("1", filled=3, remaining=1))

    assert desk.portfolio.orders[A].reduced == 0


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


def test_a_cancel_that_follows_a_modify_under_way_is_not_done_by_it() -> None:
    desk = Desk()
    desk.working()
    desk.record(ModifySent(order=A, limit=Decimal(69_000), at=after(0)))
    desk.record(CancelSent(order=A, at=after(0)))
    desk.now = 1.0

    desk.ask(row("1", remaining=0))

    assert desk.state() is OrderState.CANCELLING


@pytest.mark.parametrize(
    "other",
    [
        row("7", quantity=9),
        row("7", limit=69_900),
        row("7", side=Side.SELL),
        row("7", ordered_at=after(-60)),
        row("7", ordered_at=after(86_400), day=DAY + timedelta(days=1)),
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


def test_a_cancel_of_a_part_is_told_by_the_list_alone() -> None:
    desk = Desk()
    desk.working()

    desk.hear(notice(NoticeKind.CANCELLED, "1", 4, price=None))
    assert (desk.state(), desk.portfolio.orders[A].remaining) == (OrderState.WORKING, 10)
    desk.ask(row("1", remaining=6))
    assert (desk.state(), desk.portfolio.orders[A].remaining) == (OrderState.WORKING, 6)
    assert desk.reconciler.hinted
    desk.ask(row("1", remaining=0))
    assert desk.state() is OrderState.CANCELLED
    assert not desk.reconciler.hinted


def test_a_cancel_of_all_that_is_left_ends_the_order() -> None:
    desk = Desk()
    desk.working()

    desk.hear(notice(NoticeKind.FILLED, "1", 4))
    desk.hear(notice(NoticeKind.CANCELLED, "1", 6, price=None))
    desk.hear(notice(NoticeKind.CANCELLED, "1", 6, price=None))

    assert desk.state() is OrderState.CANCELLED
    assert desk.hints == []


def test_a_cancel_heard_before_its_fills_waits_for_the_list() -> None:
    desk = Desk()
    desk.working()

    desk.hear(notice(NoticeKind.CANCELLED, "1", 6, price=None))
    assert desk.state() is OrderState.WORKING
    desk.ask(row("1", filled=4, remaining=0))

    assert (desk.state(), desk.filled()) == (OrderState.CANCELLED, 4)


def test_a_refused_price_is_no_end_of_a_later_attempt() -> None:
    desk = Desk()
    desk.working()
    desk.record(ModifySent(order=A, limit=Decimal(71_000), at=after(0)))

    desk.hear(notice(NoticeKind.MODIFY_REFUSED, "1", 10))
    assert desk.portfolio.orders[A].asked_limit == 71_000, "it may yet take effect"
    desk.now = SETTLE
    desk.ask(row("1"))

    assert (desk.state(), desk.portfolio.orders[A].asked_limit) == (OrderState.WORKING, None)


def test_a_refused_cancel_lets_another_be_sent() -> None:
    desk = Desk()
    desk.working()
    desk.record(CancelSent(order=A, at=after(0)))

    for _ in range(2):
        desk.hear(notice(NoticeKind.CANCEL_REFUSED, "1", 10))
    assert desk.state() is OrderState.WORKING
    desk.hear(notice(NoticeKind.CANCELLED, "1", 10, price=None))

    assert desk.state() is OrderState.CANCELLED


def test_a_modify_of_an_older_number_is_left_to_the_list() -> None:
    desk = Desk()
    desk.working()
    told = notice(NoticeKind.MODIFIED, "1", 10, price=69_000, new_number="2")
    desk.hear(told)
    desk.hear(notice(NoticeKind.MODIFIED, "2", 10, price=68_000, new_number="3"))

    desk.hear(told)
    desk.hear(notice(NoticeKind.MODIFIED, "1", 10, price=67_000, new_number="9"))

    order = desk.portfolio.orders[A]
    assert [each.number for each in order.refs] == ["1", "2", "3"]
    assert order.limit == Decimal(68_000)
    assert len(desk.hints) == 1


def test_a_cancel_made_by_hand_shows_in_the_list() -> None:
    desk = Desk()
    desk.working()
    desk.working("b", "2")
    desk.now = 1.0

    desk.ask(row("1", filled=2, remaining=3), row("2", filled=2, remaining=0))

    assert (desk.state("a"), desk.portfolio.orders[A].remaining) == (OrderState.WORKING, 3)
    assert desk.state("b") is OrderState.CANCELLED


def test_a_request_without_effect_is_given_up_only_after_its_time() -> None:
    desk = Desk()
    desk.working("a", "1")
    desk.working("b", "2")
    desk.record(CancelSent(order=A, at=after(0)))
    desk.record(ModifySent(order=B, limit=Decimal(69_000), at=after(0)))
    seen = []

    for seconds in (GRACE - 1, GRACE, SETTLE - 1, SETTLE):
        desk.now = seconds
        desk.ask(row("1"), row("2"))
        seen.append((desk.state("a").value, desk.state("b").value))

    # Another cancel harms nobody, another price might.
    assert seen == [
        ("cancelling", "modifying"),
        ("working", "modifying"),
        ("working", "modifying"),
        ("working", "working"),
    ]


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


LAG = 60.0
NUMBERS = {"a": "1", "b": "2", "c": "3"}
QUANTITIES = {"a": 10, "b": 10, "c": 7}


@dataclass(frozen=True, slots=True)
class Truth:
    """What the broker knows of one order."""

    filled: int = 0
    notional: int = 0
    cancelled: int = 0


class Exchange:
    """A truth to compare with.

    Notices of it are lost, doubled, or late by minutes and in any order; lists and balances lag
    by up to a minute, in no order either; pages get lost; the daemon dies and comes back.
    Order c is in doubt, and whether it ever arrived is part of the history.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.desk = Desk()
        self.now = 0.0
        self.truth = {"a": Truth(), "b": Truth()}
        self.past: list[tuple[float, dict[str, Truth]]] = []
        self.notices: list[tuple[float, BrokerNotice]] = []
        self.desk.working("a", "1")
        self.desk.working("b", "2")
        if self.random.random() < 0.5:
            self.truth["c"] = Truth()
            self.tell(notice(NoticeKind.ACCEPTED, "3", 7))
        wish = intent(quantity=7)
        doubted = OrderDoubted(order=OrderId("c"), cause="lost", at=after(0))
        self.desk.record(created("c", wish), sent("c"), doubted)
        self.past.append((self.now, dict(self.truth)))

    def become(self, name: str, truth: Truth) -> None:
        self.truth[name] = truth
        self.past.append((self.now, dict(self.truth)))

    def then(self) -> dict[str, Truth]:
        """What was true at some moment that an answer given now may show."""
        seen = self.now - self.random.choice((0.0, self.random.uniform(0, LAG), LAG))
        return next((truth for at, truth in reversed(self.past) if at <= seen), self.past[0][1])

    def left(self, name: str) -> int:
        truth = self.truth[name]
        return QUANTITIES[name] - truth.filled - truth.cancelled

    def tell(self, told: BrokerNotice) -> None:
        """Never, once or several times; at once or minutes later."""
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 3))):
            late = self.random.choice((0.0, self.random.random(), self.random.uniform(0, 300)))
            self.notices.append((self.now + late, told))

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        due = sorted((each for each in self.notices if each[0] <= until), key=lambda each: each[0])
        self.notices = [each for each in self.notices if each[0] > until]
        for at, heard in due:
            self.desk.now = at
            self.desk.hear(heard)
            self.check()
        self.now = self.desk.now = until

    def wait(self) -> None:
        self.advance(self.random.choice((0.3, 5.0, 40.0, 100.0)) * self.random.random())

    def fill(self) -> None:
        name = self.random.choice(list(self.truth))
        if not self.left(name):
            return
        quantity = self.random.randint(1, min(3, self.left(name)))
        price = self.random.choice((69_900, 70_000))
        truth = self.truth[name]
        for _ in range(self.random.choice((1, 1, 2))):  # twice: equal fills in one second
            if self.left(name) >= quantity:
                truth = Truth(
                    truth.filled + quantity, truth.notional + quantity * price, truth.cancelled
                )
                self.become(name, truth)
                second = after(int(self.now))
                number = NUMBERS[name]
                self.tell(notice(NoticeKind.FILLED, number, quantity, price=price, at=second))

    def cancel(self) -> None:
        name = self.random.choice(list(self.truth))
        if not self.left(name):
            return
        quantity = self.random.choice((self.left(name), self.random.randint(1, self.left(name))))
        truth = self.truth[name]
        self.become(name, replace(truth, cancelled=truth.cancelled + quantity))
        second = after(int(self.now))
        self.tell(notice(NoticeKind.CANCELLED, NUMBERS[name], quantity, price=None, at=second))

    def restart(self) -> None:
        self.desk.restart()
        # What was told before is lost; what is told later is heard.

    def inquire(self, *, fresh: bool = False) -> None:
        asked = self.now
        seen = self.truth if fresh else self.then()
        if not fresh and self.random.random() < 0.1:
            seen = {}  # no page at all
        self.advance(self.random.random() * 2)
        self.desk.ask(*rows_of(seen), asked=asked)
        self.check()

    def look_at_account(self) -> None:
        seen = self.then()
        bought = sum(each.filled for each in seen.values())
        spent = sum(each.notional for each in seen.values())
        self.desk.ask_account(100_000_000 - spent, krx_005930=bought)
        self.check()

    def check(self) -> None:
        for name in NUMBERS:
            order = self.desk.portfolio.orders[OrderId(name)]
            truth = self.truth.get(name)
            if truth is None:
                assert order.filled == 0
                assert order.state in (OrderState.IN_DOUBT, OrderState.REJECTED)
                continue
            assert order.filled <= truth.filled, "a phantom share"
            assert order.reduced <= truth.cancelled, "a phantom cancel"
            assert order.is_open or not self.left(name), "given up alive"
        told = [each for each in self.desk.discrepancies if "not in the" not in each.theirs]
        assert told == [], "a false alarm"


def rows_of(state: Mapping[str, Truth]) -> list[BrokerOrder]:
    return [
        row(
            NUMBERS[name],
            quantity=QUANTITIES[name],
            filled=truth.filled,
            notional=truth.notional,
            remaining=QUANTITIES[name] - truth.filled - truth.cancelled,
        )
        for name, truth in state.items()
    ]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_any_history_ends_equal_to_the_broker_after_one_quiet_inquiry(seed: int) -> None:
    exchange = Exchange(seed)
    steps = (
        *(exchange.fill, exchange.fill, exchange.wait, exchange.wait, exchange.wait),
        *(exchange.inquire, exchange.inquire, exchange.look_at_account),
        *(exchange.cancel, exchange.restart),
    )
    for _ in range(exchange.random.randint(1, 40)):
        exchange.random.choice(steps)()
    exchange.advance(SETTLE)
    exchange.inquire(fresh=True)
    for name, truth in exchange.truth.items():
        assert exchange.desk.filled(name) == truth.filled

    exchange.advance(400.0)  # the last late notices
    exchange.inquire(fresh=True)

    for name, truth in exchange.truth.items():
        order = exchange.desk.portfolio.orders[OrderId(name)]
        assert (order.filled, order.notional) == (truth.filled, Decimal(truth.notional))
        assert order.is_open == bool(exchange.left(name))
        assert not order.is_open or order.reduced == truth.cancelled
    spent = sum(truth.notional for truth in exchange.truth.values())
    assert exchange.desk.portfolio.cash_of(Currency.KRW) == 100_000_000 - spent
    assert not exchange.desk.reconciler.hinted


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


def test_a_doubt_of_yesterday_needs_the_same_proof() -> None:
    desk = Desk()
    desk.doubted()
    for seconds in (SETTLE + 1, SETTLE + 2):
        desk.now = seconds
        desk.ask(dead=1)
    assert desk.state() is OrderState.IN_DOUBT

    desk.ask_account()

    assert desk.state() is OrderState.REJECTED


def test_a_list_that_does_not_reach_back_to_the_doubt_proves_nothing() -> None:
    desk = Desk()
    desk.doubted()
    for seconds in (SETTLE + 1, SETTLE + 2):
        desk.now = seconds
        desk.ask(since=DAY + timedelta(days=1), dead=1)
        desk.ask_account()

    assert desk.state() is OrderState.IN_DOUBT


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_list_that_lacks_an_order_of_ours_proves_no_absence(
    closed: bool, restarted: bool
) -> None:
    desk = Desk()
    desk.working("b", "2")
    if closed:
        desk.record(OrderCancelled(order=B, at=after(0)))
    desk.doubted()
    if restarted:
        desk.restart()

    for seconds in (SETTLE, SETTLE + 1, SETTLE + 2):
        desk.now = seconds
        desk.ask()
        desk.ask_account()
    assert desk.state() is OrderState.IN_DOUBT
    for seconds in (SETTLE + 3, SETTLE + 4):
        desk.now = seconds
        assert desk.state() is OrderState.IN_DOUBT
        desk.ask(row("2", remaining=0 if closed else 10))

    assert desk.state() is OrderState.REJECTED


def test_a_list_may_lack_an_order_it_cannot_know_yet() -> None:
    desk = Desk()
    desk.doubted()
    desk.now = SETTLE
    desk.working("b", "2")

    for seconds in (SETTLE, SETTLE + 1):
        desk.now = seconds
        desk.ask()
        desk.ask_account()

    assert desk.state() is OrderState.REJECTED


def test_one_new_number_in_two_rows_is_given_once() -> None:
    desk = Desk()
    desk.working("a", "1")
    desk.working("b", "2")

    desk.ask(row("1", "3", limit=69_000), row("2", "3", limit=69_000))

    assert [len(desk.portfolio.orders[OrderId(name)].refs) for name in "ab"] == [2, 1]
    assert [each.subject for each in desk.discrepancies] == ["order b"]


def test_an_order_in_doubt_is_known_although_its_price_was_changed_by_hand() -> None:
    desk = Desk()
    desk.doubted()
    desk.ask(replace(row("7", "8", limit=69_000), first_limit=Decimal(70_000)))

    assert desk.state() is OrderState.WORKING
    assert [ref.number for ref in desk.portfolio.orders[A].refs] == ["7", "8"]
    assert desk.portfolio.orders[A].limit == 69_000


def test_another_order_under_our_number_is_told_and_nothing_of_it_is_taken() -> None:
    desk = Desk()
    desk.working()
    desk.now = SETTLE
    told = desk.ask(row("1", quantity=20, filled=10))

    assert [type(each) for each in told] == [Discrepancy]
    assert (desk.state(), desk.filled()) == (OrderState.WORKING, 0)
    assert not desk.reconciler.list_was_whole


def test_an_order_whose_first_row_is_missing_tells_its_numbers_alone() -> None:
    desk = Desk()
    desk.working()
    desk.now = SETTLE
    desk.ask(replace(row("1", "2", quantity=4, remaining=0, limit=69_000), rooted=False))

    assert desk.state() is OrderState.WORKING
    assert [ref.number for ref in desk.portfolio.orders[A].refs] == ["1", "2"]


def test_a_row_that_leaves_shares_out_does_not_close_an_order() -> None:
    desk = Desk()
    desk.working()
    desk.now = 2 * SETTLE
    desk.ask(row("1", remaining=0, cancelled=0))
    assert desk.state() is OrderState.WORKING

    desk.ask(row("1", remaining=0, cancelled=10))
    assert desk.state() is OrderState.CANCELLED


def test_a_notice_of_a_new_number_waits_for_the_modify_that_brings_it() -> None:
    desk = Desk()
    desk.working()
    desk.record(ModifySent(order=A, limit=Decimal(69_000), at=after(0)))
    desk.hear(notice(NoticeKind.FILLED, "2", 4, price=69_000))
    desk.now = SETTLE - 1
    desk.settle()
    assert not desk.portfolio.external

    desk.ask(row("1", "2", filled=4, notional=276_000, limit=69_000))
    assert (desk.state(), desk.filled()) == (OrderState.WORKING, 4)


def test_a_row_like_a_doubt_but_older_blocks_it_only_until_the_day_is_over() -> None:
    desk = Desk()
    desk.doubted()
    early = row("7", ordered_at=NINE - timedelta(minutes=5))
    desk.now = SETTLE
    assert [type(each) for each in desk.ask(early)] == [Discrepancy]

    for _ in range(2):
        desk.now += SETTLE
        desk.ask(early, dead=1)
        desk.ask_account()
    assert desk.state() is OrderState.REJECTED


ACME = InstrumentId("nasdaq:ACME")


def test_one_number_may_be_an_order_here_and_another_abroad() -> None:
    desk = Desk()
    desk.working("a", "7")
    ours = replace(intent(instrument=ACME), limit=Decimal("70.00"))
    desk.record(created("b", ours), sent("b"), accepted("b", "7"))

    evening = after(10 * 3_600)
    desk.hear(notice(NoticeKind.FILLED, "7", 10, instrument=ACME, price=70, at=evening))
    assert [desk.portfolio.orders[each].filled for each in (A, B)] == [0, 10]
    desk.hear(notice(NoticeKind.FILLED, "7", 10))
    assert [desk.portfolio.orders[each].filled for each in (A, B)] == [10, 10]
    assert desk.hints == []


def test_each_regions_day_ends_by_itself() -> None:
    desk = Desk()
    desk.working("a", "7")
    ours = replace(intent(instrument=ACME), limit=Decimal("70.00"))
    desk.record(created("b", ours), sent("b"), accepted("b", "7"))
    desk.now = 2 * SETTLE
    rows = [row("7"), row("7", instrument=ACME, limit=70)]
    dead = {**dict.fromkeys(Region, DAY), Region.KR: DAY + timedelta(days=1)}
    desk.take(
        desk.reconciler.on_inquiry(
            desk.portfolio,
            rows,
            asked=desk.now,
            since=DAY,
            dead_before=dead,
            at=after(desk.now),
            now=desk.now,
        )
    )
    assert desk.portfolio.orders[A].state is OrderState.EXPIRED
    assert desk.portfolio.orders[B].state is OrderState.WORKING
    assert desk.discrepancies == []


def test_an_empty_part_of_the_balance_is_no_witness_against_an_order() -> None:
    desk = Desk()
    cash = {Currency.KRW: Decimal(1_000), Currency.USD: Decimal("5000.00")}
    books = AccountReported(account=ACCOUNT, cash=cash, holdings=(), at=NINE)
    desk.record(books, created("b", replace(intent(instrument=ACME), limit=Decimal("70.00"))))
    cause = OrderDoubted(order=B, cause="time-out", at=NINE)
    desk.record(sent("b"), cause)

    half = replace(books, cash={Currency.KRW: Decimal(1_000)})
    for report, state in ((half, OrderState.IN_DOUBT), (books, OrderState.REJECTED)):
        for _ in range(2):
            desk.now += 2 * SETTLE
            desk.ask(since=DAY - timedelta(days=1))
            desk.take(
                desk.reconciler.on_account(
                    desk.portfolio, report, asked=desk.now, at=after(desk.now)
                )
            )
        assert desk.portfolio.orders[B].state is state


def test_an_order_of_which_nothing_is_open_ends_with_its_session() -> None:
    desk = Desk()
    desk.working("a", "7")
    desk.now = 2 * SETTLE
    tomorrow = dict.fromkeys(Region, DAY + timedelta(days=1))
    for open_now, state in ((10, OrderState.WORKING), (0, OrderState.EXPIRED)):
        listed = row("7", remaining=open_now, cancelled=0)
        desk.take(
            desk.reconciler.on_inquiry(
                desk.portfolio,
                [listed],
                asked=desk.now,
                since=DAY,
                dead_before=dict.fromkeys(Region, DAY),
                over_before=tomorrow,
                at=after(desk.now),
                now=desk.now,
            )
        )
        assert desk.portfolio.orders[A].state is state
    assert desk.discrepancies == []


def after_hours(desk: Desk) -> None:
    wish = replace(intent(), session=Session.AFTER_MARKET)
    desk.record(created("b", wish), sent("b"), accepted("b", "2"))


def test_an_order_of_another_session_ends_with_that_and_a_regular_one_with_the_day() -> None:
    desk = Desk()
    desk.working()
    after_hours(desk)
    desk.now += 2 * SETTLE
    desk.ask(row("1"), row("2"), dead=1, after_market=0)
    assert desk.portfolio.orders[A].state is OrderState.EXPIRED
    assert desk.portfolio.orders[B].state is OrderState.WORKING
    desk.ask(row("1"), row("2"), dead=1, after_market=1)
    assert desk.portfolio.orders[B].state is OrderState.EXPIRED


def test_a_missing_order_of_another_session_is_alive_until_that_is_over() -> None:
    desk = Desk()
    after_hours(desk)
    for _ in range(3):
        desk.now += 2 * SETTLE
        desk.ask(dead=1, after_market=0)
    assert desk.portfolio.orders[B].state is OrderState.WORKING
    desk.now += 2 * SETTLE
    desk.ask(dead=1, after_market=1)
    assert desk.portfolio.orders[B].state is OrderState.EXPIRED
