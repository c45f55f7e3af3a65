"""The plug-in surface: settings are checked before a strategy exists, and it must run."""

import asyncio
from typing import cast, get_args

import pytest
from pydantic import ValidationError

from daemon.core.events import Event, OrderEvent
from daemon.core.values import (
    ExpectedPrice,
    MarketStatus,
    OrderBook,
    Quote,
    Record,
    Tick,
)
from daemon.strategy import (
    MarketGap,
    MissedBars,
    Parameters,
    SessionEvent,
    Strategy,
    StrategyContext,
    StrategyEvent,
)


class IdleParameters(Parameters):
    days: int
    share: float = 0.5


class Idle(Strategy):
    """Does nothing, with settings of its own."""

    Parameters = IdleParameters

    async def run(self, context: StrategyContext) -> None:
        self.ran = True


def test_settings_are_checked_and_handed_to_the_strategy() -> None:
    parameters = IdleParameters(days=20)
    strategy = Idle(parameters)

    assert strategy.parameters is parameters
    assert (strategy.parameters.days, strategy.parameters.share) == (20, 0.5)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"days": 20, "dyas": 5}, "dyas\n  Extra inputs are not permitted"),
        ({}, "days\n  Field required"),
        ({"days": "many"}, "days\n  Input should be a valid integer"),
        ({"days": 1.5}, "days\n  Input should be a valid integer"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Idle.Parameters.model_validate(settings)


def test_settings_do_not_change_while_a_strategy_runs() -> None:
    parameters = IdleParameters(days=20)

    with pytest.raises(ValidationError, match="frozen"):
        parameters.days = 5


def test_a_strategy_without_settings_takes_none() -> None:
    assert Strategy.Parameters().model_dump() == {}
    with pytest.raises(ValidationError, match="Extra inputs"):
        Strategy.Parameters.model_validate({"days": 20})


def test_a_strategy_is_one_coroutine_and_must_have_it() -> None:
    class Empty(Strategy):
        """Forgot to trade."""

    with pytest.raises(TypeError, match="run"):
        Empty(Empty.Parameters())  # type: ignore[abstract]

    strategy = Idle(IdleParameters(days=1))
    # It asks nothing of its context, so it may have none.
    asyncio.run(strategy.run(cast("StrategyContext", None)))
    assert strategy.ran


def test_strategies_see_market_events_and_order_facts_alone() -> None:
    seen = set(get_args(StrategyEvent))

    market = {Tick, OrderBook, Quote, ExpectedPrice, MarketStatus, Record, MarketGap, MissedBars}
    assert seen == {*market, *get_args(SessionEvent), *get_args(OrderEvent)}
    assert seen & set(get_args(Event)) == set(get_args(OrderEvent))
