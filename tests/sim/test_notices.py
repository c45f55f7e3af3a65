from dataclasses import replace
from decimal import Decimal

from daemon.sim.facts import (
    Action,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
)
from daemon.sim.faults import OrderPlan
from daemon.sim.notices import NoticeSchedule
from tests.sim.rig import OPEN
from tests.sim.test_facts import order

LATE = OrderPlan(
    reject=False,
    early=False,
    fill_early=False,
    accept_delay=0.05,
    fill_delay=0.3,
    reply_after=0.03,
)
EARLY = replace(LATE, early=True, accept_delay=0.01)


def test_an_acceptance_is_told_before_its_fill() -> None:
    made, schedule = order(), NoticeSchedule()
    accepted = OrderAccepted(order=made, at=OPEN)
    filled = OrderFilled(order=made, quantity=1, price=Decimal(1), at=OPEN)
    for fact in (accepted, filled):
        schedule.add(fact, {1: LATE}, 100.0, at_once=True)
    assert schedule.next_due == 100.05
    assert schedule.reply_due(1, LATE, 100.0) == 100.0
    assert schedule.pop_due(100.1) == [accepted]
    assert schedule.pop_due(100.4) == [filled]
    assert schedule.next_due is None


def test_early_notices_leave_before_the_reply() -> None:
    made, schedule = order(), NoticeSchedule()
    schedule.add(OrderAccepted(order=made, at=OPEN), {1: EARLY}, 100.0, at_once=True)
    fact = OrderFilled(order=made, quantity=1, price=Decimal(1), at=OPEN)
    schedule.add(fact, {1: EARLY}, 100.0, at_once=True)
    due = schedule.reply_due(1, EARLY, 100.0)
    assert len(schedule.pop_due(due)) == 1
    both = replace(EARLY, fill_early=True)
    schedule = NoticeSchedule()
    schedule.add(OrderAccepted(order=made, at=OPEN), {1: both}, 100.0, at_once=True)
    schedule.add(fact, {1: both}, 100.0, at_once=True)
    assert len(schedule.pop_due(schedule.reply_due(1, both, 100.0))) == 2


def test_a_quick_cancel_never_overtakes_the_fill_before_it() -> None:
    made, schedule = order(), NoticeSchedule()
    filled = OrderFilled(order=made, quantity=1, price=Decimal(1), at=OPEN)
    schedule.add(filled, {1: LATE}, 100.0, at_once=True)
    request = replace(order(Action.CANCEL), number=2, original=1)
    cancelled = OrderCancelled(order=request, original=made, quantity=9, at=OPEN)
    schedule.add(cancelled, {2: EARLY}, 100.01, at_once=True)
    assert schedule.pop_due(200.0) == [filled, cancelled]
    schedule.begin_day(range(10))
    assert schedule.next_due is None


def test_a_late_refusal_comes_after_the_reply() -> None:
    made, schedule = order(), NoticeSchedule()
    schedule.add(OrderRejected(order=made, at=OPEN), {1: EARLY}, 100.0, at_once=True)
    assert schedule.pop_due(schedule.reply_due(1, EARLY, 100.0)) == []
