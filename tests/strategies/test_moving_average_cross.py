"""The moving average cross, trade by trade."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daemon.core.events import OrderKind
from daemon.core.orders import OrderState
from daemon.core.values import InstrumentId, Side
from daemon.strategy import MarketGap, StrategyEvent
from strategies.moving_average_cross import (
    MovingAverageCross,
    MovingAverageCrossParameters,
    finished_closes,
)
from tests.strategies.desk import HYNIX, OPEN, SAMSUNG, Answer, FakeDesk, bar, minutes, run, trade

FALL = [10000, 9900, 9800, 9700, 9600]
RISE = [9800, 10000, 10200, 10400]
DROP = [10000, 9600, 9200, 8800]


def cross(**parameters: Any) -> MovingAverageCross:
    chosen = {"fast": 2, "slow": 3, "quantity": 10, **parameters}
    return MovingAverageCross(MovingAverageCrossParameters(**chosen))


def test_buys_on_the_golden_cross_and_sells_on_the_dead_one() -> None:
    desk = run(cross(), FakeDesk(minutes(FALL + RISE + DROP)))
    assert [intent.side for intent in desk.submitted] == [Side.BUY, Side.SELL]
    assert [intent.reason for intent in desk.submitted] == ["golden cross", "dead cross"]
    assert desk.position(SAMSUNG).quantity == 0


def test_a_limit_is_a_collar_beyond_the_last_price_on_the_price_step() -> None:
    desk = run(cross(collar_ticks=2), FakeDesk(minutes([*FALL, 9800, 10000, 10007])))
    # The cross is seen at 10,000; the trade that closed the bar was at 10,007.
    (intent,) = desk.submitted
    assert intent.limit == 10030
    assert intent.kind is OrderKind.LIMIT


def test_market_orders_carry_no_price() -> None:
    desk = run(cross(order="market"), FakeDesk(minutes(FALL + RISE)))
    assert [intent.kind for intent in desk.submitted] == [OrderKind.MARKET]


def test_an_entry_is_one_share_unless_it_is_sized() -> None:
    desk = run(cross(quantity=None), FakeDesk(minutes(FALL + RISE)))
    assert desk.submitted[0].quantity == 1


def test_notional_sizes_an_entry_and_too_little_money_buys_nothing() -> None:
    rich = run(cross(quantity=None, notional="102000"), FakeDesk(minutes(FALL + RISE)))
    assert rich.submitted[0].quantity == 10
    poor = run(cross(quantity=None, notional="5000"), FakeDesk(minutes(FALL + RISE)))
    assert poor.submitted == []


def test_a_rise_from_the_start_is_not_a_cross() -> None:
    assert run(cross(), FakeDesk(minutes([*RISE, 10600, 10800]))).submitted == []


def test_a_position_from_before_is_sold_though_the_cross_itself_was_missed() -> None:
    first = run(cross(), FakeDesk(minutes(FALL + RISE)))
    assert first.position(SAMSUNG).quantity == 10
    second = run(cross(), FakeDesk(minutes(DROP), portfolio=first.portfolio))
    assert [intent.side for intent in second.submitted] == [Side.SELL]


def test_past_minutes_warm_up_the_averages_but_their_crosses_do_not_trade() -> None:
    past = [
        bar(OPEN - timedelta(minutes=9 - number), (price,) * 4)
        for number, price in enumerate(FALL + RISE)
    ]
    start = OPEN + timedelta(minutes=9)
    rising = run(cross(), FakeDesk(minutes([10600, 10800], start=start), past_minutes=past[-4:]))
    assert rising.submitted == []
    falling = past[: len(FALL)]
    desk = run(cross(), FakeDesk(minutes([9900, 10400], start=start), past_minutes=falling))
    assert desk.bought == 1, "warm from the past, the first cross of today trades"


@pytest.mark.parametrize("answer", [Answer.DENY, Answer.REFUSE_FOR_NOW])
def test_decides_anew_at_the_next_bar(answer: Answer) -> None:
    desk = run(cross(), FakeDesk(minutes([*FALL, *RISE, 10600]), answers=[answer, answer]))
    assert desk.bought == 3
    assert desk.position(SAMSUNG).quantity == 10


def test_an_entry_refused_for_good_waits_for_the_next_cross() -> None:
    prices = [*FALL, *RISE, 10600, *DROP, *RISE]
    desk = run(cross(), FakeDesk(minutes(prices), answers=[Answer.REFUSE]))
    assert desk.bought == 2
    assert desk.sold == 0


def test_an_exit_is_tried_at_every_bar_until_it_works() -> None:
    answers = [Answer.FILL, Answer.REFUSE, Answer.DENY]
    desk = run(cross(), FakeDesk(minutes([*FALL, *RISE, *DROP, 8400]), answers=answers))
    assert desk.sold == 3
    assert desk.position(SAMSUNG).quantity == 0


def test_a_stale_order_is_cancelled_once_and_decided_anew() -> None:
    desk = run(
        cross(patience_seconds=90), FakeDesk(minutes(FALL + RISE + RISE), answers=[Answer.REST])
    )
    assert len(desk.cancelled) == 1
    assert desk.portfolio.orders[desk.cancelled[0]].state is OrderState.CANCELLED
    assert desk.bought == 2


def test_what_was_half_filled_is_kept_and_sold_later() -> None:
    script = minutes(FALL + RISE + DROP)
    desk = run(cross(patience_seconds=60), FakeDesk(script, answers=[Answer.HALF]))
    assert [intent.quantity for intent in desk.submitted] == [10, 5]


def test_an_order_in_doubt_is_left_to_the_daemon() -> None:
    desk = run(cross(), FakeDesk(minutes(FALL + RISE + DROP + RISE), answers=[Answer.DOUBT]))
    assert len(desk.submitted) == 1
    assert desk.cancelled == []


def test_instruments_do_not_wait_for_each_other() -> None:
    both = sorted(
        minutes(FALL + RISE) + minutes(FALL + RISE, instrument=HYNIX),
        key=lambda tick: tick.exchange_time,
    )
    desk = run(cross(), FakeDesk(both, instruments=(SAMSUNG, HYNIX), answers=[Answer.DOUBT]))
    assert {intent.instrument for intent in desk.submitted} == {SAMSUNG, HYNIX}


def test_trades_only_in_the_continuous_session() -> None:
    before = OPEN - timedelta(minutes=len(FALL + RISE) + 2)
    assert run(cross(), FakeDesk(minutes(FALL + RISE, start=before))).submitted == []


def test_after_a_gap_the_averages_start_from_what_the_broker_kept() -> None:
    gap = MarketGap(OPEN + timedelta(minutes=20), OPEN + timedelta(minutes=9), up=True)
    past = [
        bar(OPEN + timedelta(minutes=14 + number), (price,) * 4)
        for number, price in enumerate(reversed(RISE))
    ]
    after = [trade(OPEN + timedelta(minutes=number), 9700) for number in (20, 21)]
    script: list[StrategyEvent] = [*minutes(FALL + RISE), gap, *after]
    desk = run(cross(), FakeDesk(script, past_minutes=past))
    assert [intent.side for intent in desk.submitted] == [Side.BUY, Side.SELL]


def test_foreign_trades_are_ignored() -> None:
    script = minutes(FALL + RISE, instrument=InstrumentId("krx:035420"))
    assert run(cross(), FakeDesk(script)).submitted == []


def test_only_finished_bars_warm_up() -> None:
    past = [bar(OPEN + timedelta(minutes=number), (number + 1,) * 4) for number in range(6)]
    now = OPEN + timedelta(minutes=5, seconds=30)
    assert finished_closes(past, 60, now) == [Decimal(price) for price in (1, 2, 3, 4, 5)]
    assert finished_closes(past, 120, now) == [Decimal(2), Decimal(4)]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"fast": 3, "slow": 3}, "less than slow"),
        ({"notional": 1}, "or notional .money., not both"),
        ({"bar_seconds": 7}, "divide a day"),
        ({"speed": 3}, "speed"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        cross(**wrong)


@given(
    st.lists(st.integers(5000, 20000), min_size=1, max_size=60),
    st.lists(st.sampled_from(Answer), max_size=20),
)
def test_never_sells_what_it_does_not_hold_nor_buys_twice(
    prices: list[int], answers: list[Answer]
) -> None:
    desk = run(cross(), FakeDesk(minutes(prices), answers=answers))
    assert 0 <= desk.position(SAMSUNG).quantity <= 10
