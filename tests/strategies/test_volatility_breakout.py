"""The volatility breakout, day by day. Target in all tests: 10,000 + 0.5 × 1,000 = 10,500."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daemon.core.calendar import KST
from daemon.core.values import Bar, Side, Tick
from strategies.volatility_breakout import VolatilityBreakout, VolatilityBreakoutParameters
from tests.strategies.desk import OPEN, SAMSUNG, Answer, FakeDesk, bar, run, trade

FRIDAY = bar(datetime(2026, 1, 2, tzinfo=KST), (9800, 10300, 9300, 9900))
TODAY = bar(datetime(2026, 1, 5, tzinfo=KST), (10000, 10000, 10000, 10000))
DAY = timedelta(days=1)


def breakout(**parameters: Any) -> VolatilityBreakout:
    return VolatilityBreakout(VolatilityBreakoutParameters(**{"quantity": 10, **parameters}))


def trades(prices: Sequence[int], *, start: datetime = OPEN, every: float = 120) -> list[Tick]:
    return [
        trade(start + timedelta(seconds=every * number), price)
        for number, price in enumerate(prices)
    ]


def desk(script: Sequence[Tick], **options: Any) -> FakeDesk:
    return FakeDesk(script, **{"daily": [FRIDAY, TODAY], **options})


def test_buys_when_the_price_crosses_the_target() -> None:
    played = run(breakout(), desk(trades([10000, 10400, 10500, 10600])))
    (intent,) = played.submitted
    assert (intent.side, intent.quantity, intent.limit) == (Side.BUY, 10, Decimal(10530))
    assert played.asked_daily == 1


def test_a_price_above_the_target_from_the_first_trade_on_is_no_crossing() -> None:
    assert run(breakout(), desk(trades([10600, 10700, 10800]))).submitted == []


def test_sells_at_the_next_open() -> None:
    bars = [
        bar(datetime(2026, 1, 5, tzinfo=KST), (10000, 10900, 10000, 10600)),
        bar(datetime(2026, 1, 6, tzinfo=KST), (10800, 10800, 10800, 10800)),
    ]

    def night() -> None:
        played.daily = bars

    tuesday = trades([10800, 10700], start=OPEN + DAY)
    played = FakeDesk([*trades([10000, 10500, 10900]), night, *tuesday], daily=[FRIDAY, TODAY])
    run(breakout(), played)
    assert [intent.reason for intent in played.submitted] == ["breakout", "next open"]


def test_a_position_from_an_earlier_day_is_sold_after_a_restart() -> None:
    monday = run(breakout(), desk(trades([10000, 10500, 10900])))
    bars: list[Bar] = [
        bar(datetime(2026, 1, 5, tzinfo=KST), (10000, 10900, 10000, 10600)),
        bar(datetime(2026, 1, 6, tzinfo=KST), (10800, 10800, 10800, 10800)),
    ]
    tuesday = trades([10800], start=OPEN + DAY)
    played = run(breakout(), desk(tuesday, daily=bars, portfolio=monday.portfolio))
    assert [intent.reason for intent in played.submitted] == ["next open"]


def test_a_position_that_may_be_of_today_is_kept_after_a_restart() -> None:
    morning = run(breakout(), desk(trades([10000, 10500])))
    later = trades([10600, 10400, 10600, 10700], start=OPEN + timedelta(hours=1))
    today = TODAY._replace(high=Decimal(10600))
    played = run(breakout(), desk(later, daily=[FRIDAY, today], portfolio=morning.portfolio))
    assert played.submitted == []


def test_the_stop_loss_sells_and_nothing_is_bought_again_that_day() -> None:
    prices = [10000, 10500, 10300, 10100, 10400, 10600, 10700]
    played = run(breakout(stop_loss="0.03"), desk(trades(prices)))
    assert [intent.reason for intent in played.submitted] == ["breakout", "stop loss"]


def test_the_stop_loss_works_right_after_the_purchase_and_without_daily_bars() -> None:
    morning = run(breakout(stop_loss="0.03"), desk(trades([10000, 10500, 10000], every=1)))
    assert morning.sold == 1
    held = run(breakout(), desk(trades([10000, 10500])))
    blind = desk(trades([10000], start=OPEN + DAY), daily=None, portfolio=held.portfolio)
    assert [each.reason for each in run(breakout(stop_loss="0.03"), blind).submitted] == [
        "stop loss"
    ]


def test_sells_before_the_close_when_told_to() -> None:
    afternoon = OPEN + timedelta(hours=6, minutes=15)
    script = trades([10000, 10500, 10600]) + trades([10600, 10000, 10700], start=afternoon)
    played = run(breakout(exit_at_close=15), desk(script))
    assert [intent.reason for intent in played.submitted] == ["breakout", "before the close"]


def test_missing_bars_are_asked_for_again_but_not_with_every_trade() -> None:
    played = run(breakout(), desk(trades([10000] * 13, every=10), daily=None))
    assert played.asked_daily == 3
    halted = [FRIDAY, TODAY._replace(volume=0)]
    assert run(breakout(), desk(trades([10000, 11000]), daily=halted)).submitted == []


@pytest.mark.parametrize("answer", [Answer.DENY, Answer.REFUSE_FOR_NOW])
def test_an_entry_that_did_not_happen_is_tried_again_after_a_while(answer: Answer) -> None:
    script = trades([10000]) + trades([10500] * 10, start=OPEN + timedelta(minutes=1), every=10)
    played = run(breakout(), desk(script, answers=[answer]))
    assert played.bought == 2
    assert played.position(SAMSUNG).quantity == 10


def test_an_entry_refused_for_good_is_the_last_of_the_day() -> None:
    played = run(breakout(), desk(trades([10000, 10500] * 5), answers=[Answer.REFUSE]))
    assert played.bought == 1


def test_an_unfilled_order_is_cancelled_and_tried_again_while_the_price_holds() -> None:
    played = run(breakout(), desk(trades([10000] + [10500] * 5), answers=[Answer.REST]))
    assert len(played.cancelled) == 1
    assert played.bought == 2


def test_a_half_filled_entry_is_the_entry_of_the_day() -> None:
    played = run(breakout(), desk(trades([10000] + [10500] * 5), answers=[Answer.HALF]))
    assert played.bought == 1
    assert played.position(SAMSUNG).quantity == 5


def test_notional_sizes_an_entry() -> None:
    sized = breakout(quantity=None, notional=105_000)
    assert run(sized, desk(trades([10000, 10500]))).submitted[0].quantity == 10


def test_an_entry_is_one_share_unless_it_is_sized() -> None:
    played = run(breakout(quantity=None), desk(trades([10000, 10500])))
    assert played.submitted[0].quantity == 1


def test_nothing_happens_outside_the_continuous_session() -> None:
    early = trades([10000, 10500, 10600], start=OPEN - timedelta(minutes=20))
    assert run(breakout(), desk(early)).submitted == []


@pytest.mark.parametrize("wrong", [{"k": 0}, {"notional": 5}, {"exit_at_close": 5}, {"x": 1}])
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        breakout(**wrong)


@given(
    st.lists(st.integers(9000, 12000), min_size=1, max_size=60),
    st.lists(st.sampled_from(Answer), max_size=20),
)
def test_enters_at_most_once_a_day(prices: list[int], answers: list[Answer]) -> None:
    played = run(breakout(stop_loss="0.05"), desk(trades(prices), answers=answers))
    entries = {
        order.id
        for order in played.portfolio.orders.values()
        if order.intent.side is Side.BUY and order.filled
    }
    assert len(entries) <= 1
    assert 0 <= played.position(SAMSUNG).quantity <= 10
