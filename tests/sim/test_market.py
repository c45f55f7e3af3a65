from datetime import datetime, timedelta

import pytest

from daemon.core.calendar import KST, LATE_DAY, LATE_OPEN, OddDay, Phase
from daemon.core.values import Side
from daemon.sim.broker import first_instant
from daemon.sim.facts import OrderRequest, Refusal, RefusalReason
from daemon.sim.options import SimulatorOptions
from tests.sim.rig import DAY, OPEN, QUIET, Rig


def at(hour: int, minute: int, day: int = 12) -> datetime:
    return datetime(2026, 10, day, hour, minute, tzinfo=KST)


def test_the_phases_of_a_day_and_the_next_day_from_the_last_close() -> None:
    rig = Rig(start=at(8, 0), listings=QUIET)
    market = rig.broker.market
    seen = []
    for hour, minute in ((8, 0), (8, 20), (9, 0), (15, 20), (15, 30)):
        rig.jump(at(hour, minute))
        seen.append(market.phase)
    assert seen == [
        Phase.CLOSED,
        Phase.OPENING_AUCTION,
        Phase.CONTINUOUS,
        Phase.CLOSING_AUCTION,
        Phase.CLOSED,
    ]
    closes = market.closes()
    assert market.day == DAY
    rig.jump(at(9, 1, 13))
    assert market.day == DAY + timedelta(days=1)
    assert {code: stock.base for code, stock in market.exchange.stocks.items()} == closes
    assert market.yesterday["005930"].close == closes["005930"]
    assert market.tapes["005930"].volume > 0


@pytest.mark.parametrize(
    ("odd", "hours"),
    [
        (LATE_OPEN, ((9, 19), (9, 20), (10, 0), (15, 20), (15, 30))),
        (LATE_DAY, ((9, 19), (9, 20), (10, 0), (16, 20), (16, 30))),
    ],
)
def test_an_odd_day_has_hours_of_its_own(odd: OddDay, hours: tuple[tuple[int, int], ...]) -> None:
    rig = Rig(start=at(8, 0), listings=QUIET, odd_days={DAY: odd})
    market = rig.broker.market
    seen = []
    for hour, minute in hours:
        rig.jump(at(hour, minute))
        seen.append(market.phase)
    assert seen == [
        Phase.CLOSED,
        Phase.OPENING_AUCTION,
        Phase.CONTINUOUS,
        Phase.CLOSING_AUCTION,
        Phase.CLOSED,
    ]
    assert market.tapes["005930"].volume > 0


def test_a_simulator_begins_at_the_open_of_an_odd_day() -> None:
    options = SimulatorOptions(odd_days={DAY: LATE_DAY})

    assert first_instant(options, at(7, 0), None) == at(10, 0)


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (at(8, 10), RefusalReason.BEFORE_HOURS),
        (at(15, 31), RefusalReason.AFTER_HOURS),
        (at(10, 0, 17), RefusalReason.CLOSED_DAY),
    ],
)
def test_outside_its_hours_it_takes_nothing(moment: datetime, reason: RefusalReason) -> None:
    rig = Rig(start=at(8, 0), listings=QUIET)
    rig.jump(moment)
    with pytest.raises(Refusal) as caught:
        rig.broker.market.check_hours()
    assert caught.value.reason is reason


def test_an_auction_shows_the_price_it_would_make_and_hides_what_crosses() -> None:
    rig = Rig(start=at(8, 30))
    market = rig.broker.market
    request = OrderRequest(
        account="12345678-01", code="005930", side=Side.BUY, quantity=5, price=None
    )
    order = market.exchange.place(request, market.now)
    assert market.view("005930").expected is None
    rig.jump(OPEN)
    assert order.filled == 5
    assert order.average_price == market.tapes["005930"].open
    assert market.view("005930").expected is None


def test_a_start_in_the_middle_of_a_day_has_lived_the_morning() -> None:
    rig = Rig(start=at(9, 20))
    assert rig.broker.market.tapes["005930"].open_time == "090000"
    assert len(rig.broker.market.tapes["005930"].minutes) >= 20
    assert rig.broker.market.local_time == "092000"
    assert rig.broker.market.today == DAY


def test_without_the_crowd_nothing_trades_until_it_is_back() -> None:
    rig = Rig(start=at(10, 0))
    market = rig.broker.market
    market.send_crowd_home()
    volume = market.tapes["005930"].volume
    rig.jump(at(11, 0))
    assert market.tapes["005930"].volume == volume > 0
    rig.jump(at(10, 0, 13))
    assert market.tapes["005930"].volume > 0


def test_everything_is_conserved_over_two_days() -> None:
    rig = Rig(listings=QUIET)
    before = rig.broker.market.exchange.totals()
    rig.buy(100)
    rig.jump(at(9, 5, 13))
    assert rig.broker.market.exchange.totals() == before
    assert rig.broker.market.exchange.accounts["12345678-01"].holdings["005930"].quantity == 100
