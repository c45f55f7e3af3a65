"""What the broker says of our orders belongs to a day of its market, not of ours."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from daemon.core.values import BrokerRef
from daemon.core.witness import BrokerOrder, NoticeKind
from tests.builders import DAY, NINE, notice, row


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (NINE, DAY),
        (datetime(2026, 11, 22, 15, 0, tzinfo=UTC), DAY),
        (datetime(2026, 11, 22, 14, 59, 59, tzinfo=UTC), date(2026, 11, 22)),
        (datetime(2026, 11, 22, 19, 0, tzinfo=ZoneInfo("America/New_York")), DAY),
    ],
)
def test_a_notice_is_of_the_day_in_seoul(at: datetime, day: date) -> None:
    assert notice(NoticeKind.FILLED, "1", 1, at=at).day == day


def test_an_order_stays_with_the_day_of_its_first_number() -> None:
    first, second = row("1", "2").refs
    moved = BrokerRef(day=date(2026, 11, 24), branch=second.branch, number="2")
    listed = row("1")
    order = BrokerOrder(
        refs=(first, moved),
        instrument=listed.instrument,
        side=listed.side,
        quantity=listed.quantity,
        limit=listed.limit,
        first_limit=listed.limit,
        rooted=True,
        filled=0,
        notional=listed.notional,
        remaining=10,
        cancelled=0,
        rejected=0,
        ordered_at=NINE,
    )

    assert order.day == DAY


@pytest.mark.parametrize(
    ("filled", "remaining", "cancelled", "rejected", "accounted"),
    [
        (0, 10, 0, 0, True),
        (4, 6, 0, 0, True),
        (3, 0, 7, 0, True),
        (0, 0, 0, 10, True),
        (2, 3, 4, 1, True),
        (3, 0, 6, 0, False),
        (0, 0, 0, 0, False),
    ],
)
def test_an_order_is_accounted_for_when_the_list_tells_of_every_share(
    filled: int, remaining: int, cancelled: int, rejected: int, accounted: bool
) -> None:
    told = row("1", filled=filled, remaining=remaining, cancelled=cancelled, rejected=rejected)
    assert told.accounted is accounted
