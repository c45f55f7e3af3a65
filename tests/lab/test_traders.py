"""Strategies of worlds: never idle, always within their means, and the same on every run."""

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from daemon.core.events import OrderIntent, TimeInForce
from daemon.core.orders import Order
from daemon.core.risk import Denied
from daemon.core.steps import is_accepted_price
from daemon.core.values import InstrumentId, OrderId, Side
from daemon.lab.loop import run_virtual
from daemon.lab.traders import (
    Broken,
    Busy,
    Slow,
    Spectator,
    TraderParameters,
    market_told,
    shifted,
)
from daemon.strategy import Strategy
from tests.strategies.desk import HYNIX, OPEN, SAMSUNG, Answer, FakeDesk, trade


class Desk(FakeDesk):
    """A desk where prices can be moved; remembers the batches and who wanted what moved."""

    def __init__(self, ticks: int, answers: tuple[Answer, ...] = ()) -> None:
        script = [
            trade(OPEN + timedelta(seconds=20 * number), 70_000 + number % 7 * 100, instrument)
            for number in range(ticks)
            for instrument in (SAMSUNG, HYNIX)
        ]
        super().__init__(script, instruments=(SAMSUNG, HYNIX), answers=answers)
        self.moves: list[tuple[OrderId, Decimal]] = []
        self.batches: list[int] = []

    async def submit(self, *intents: OrderIntent) -> tuple[Order | Denied, ...]:
        self.batches.append(len(intents))
        for intent in intents:
            if intent.side is Side.SELL:
                held = self.position(intent.instrument).quantity
                assert 0 < intent.quantity <= max(held, 1)
        return await super().submit(*intents[:1])

    async def modify(self, order_id: OrderId, limit: Decimal) -> Order:
        self.moves.append((order_id, limit))
        return self.portfolio.orders[order_id]


def play(desk: Desk, kind: type[Strategy] = Busy, **given: float) -> Desk:
    strategy = kind(TraderParameters.model_validate({"seed": 3, "pause": 30.0, **given}))
    run_virtual(strategy.run(desk))
    return desk


@pytest.mark.parametrize(
    ("instrument", "price", "steps", "moved"),
    [
        ("krx:005930", "70000", 2, "70200"),
        ("nasdaq:AAPL", "262.52", 1, "262.65"),
        ("nasdaq:AAPL", "262.52", -2, "262.25"),
        ("nyse:F", "13.08", 1, "13.09"),
        ("nasdaq:ZVZZT", "0.8500", -1, "0.8495"),
    ],
)
def test_a_step_of_a_trader_is_about_as_wide_everywhere(
    instrument: str, price: str, steps: int, moved: str
) -> None:
    found = shifted(InstrumentId(instrument), Decimal(price), steps)
    assert found == Decimal(moved)
    assert is_accepted_price(InstrumentId(instrument), found)


def test_a_seed_makes_the_same_day_each_time() -> None:
    def wishes(seed: int) -> list[OrderIntent]:
        return play(Desk(200), seed=seed).submitted

    assert wishes(1) == wishes(1)
    assert wishes(1) != wishes(2)


def test_it_asks_for_everything_that_can_be_asked_for() -> None:
    desk = play(Desk(1500), size=4)
    assert {intent.instrument for intent in desk.submitted} == {SAMSUNG, HYNIX}
    assert {intent.side for intent in desk.submitted} == set(Side)
    assert {intent.time_in_force for intent in desk.submitted} == set(TimeInForce)
    assert {intent.limit is None for intent in desk.submitted} == {True, False}
    assert {1, 2, 3, 4} <= set(desk.batches)


def test_what_it_asks_for_could_be_had() -> None:
    desk = play(Desk(1500), size=4)
    for intent in desk.submitted:
        assert 1 <= intent.quantity <= (4 if intent.side is Side.BUY else 12)
        if intent.limit is not None:
            assert is_accepted_price(intent.instrument, intent.limit)
            assert abs(intent.limit - 70_300) < 2_000


def test_an_order_that_rests_is_moved_and_cancelled() -> None:
    desk = play(Desk(1500, answers=(Answer.REST,) * 1000))
    moved = Counter(order for order, _ in desk.moves)
    assert desk.cancelled
    assert moved
    assert set(moved) & set(desk.cancelled), "both at once, sometimes"
    assert all(is_accepted_price(SAMSUNG, limit) for _, limit in desk.moves)


def test_what_it_knows_not_of_is_tried_again() -> None:
    desk = play(Desk(300, answers=(Answer.DOUBT,) * 1000))
    repeats = Counter(desk.submitted)
    assert max(repeats.values()) > 5


def test_it_rests_as_long_as_it_is_told() -> None:
    often, seldom = play(Desk(1000), pause=20.0), play(Desk(1000), pause=2000.0)
    assert len(often.batches) > 10 * len(seldom.batches) > 0


def test_a_slow_one_takes_its_time_over_every_event() -> None:
    async def main() -> float:
        desk = Desk(50)
        parameters = TraderParameters(seed=3, slowness=2.0, pause=1e9)
        await Slow(parameters).run(desk)
        return asyncio.get_running_loop().time() / 2.0

    events = run_virtual(main())
    assert 100 <= events <= 130, "every trade, and what came of its own orders"


@pytest.mark.parametrize("survives", [1, 40, 90])
def test_a_broken_one_fails_after_the_events_it_survives(survives: int) -> None:
    desk = Desk(1000)
    with pytest.raises(ZeroDivisionError):
        play(desk, Broken, breaks_after=survives)
    assert desk.submitted
    play(Desk(10), Broken, breaks_after=1000)


def test_a_spectator_passes_on_everything_and_does_nothing() -> None:
    heard: list[object] = []

    async def main() -> Desk:
        market_told.set(heard.append)
        desk = Desk(3)
        await Spectator(TraderParameters()).run(desk)
        return desk

    assert run_virtual(main()).submitted == []
    assert heard[0] is None
    assert len(heard) == 7
