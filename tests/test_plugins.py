"""Strategies named by settings, found and built, or refused with the words to mend them."""

from decimal import Decimal

import pytest

from daemon.core.values import InstrumentId
from daemon.faults import SettingsError
from daemon.plugins import load_strategy
from daemon.sections import StrategySettings

CROSS = "strategies.moving_average_cross:MovingAverageCross"
BREAKOUT = "strategies.volatility_breakout:VolatilityBreakout"


def named(class_: str, **parameters: object) -> StrategySettings:
    return StrategySettings.model_validate(
        {"id": "mine", "class": class_, "instruments": ["005930"], "parameters": parameters}
    )


def test_a_strategy_is_built_with_its_parameters_and_instruments() -> None:
    slot = load_strategy(named(BREAKOUT, k="0.3"))
    assert slot.id == "mine"
    assert slot.instruments == (InstrumentId("krx:005930"),)
    assert slot.strategy.parameters.k == Decimal("0.3")


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("strategies.nowhere:Thing", "cannot be imported"),
        ("strategies.moving_average_cross:Nothing", "has no strategy"),
        ("strategies.moving_average_cross:Line", "has no strategy"),
    ],
)
def test_a_strategy_that_cannot_be_loaded_is_a_fault(strategy: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        load_strategy(named(strategy))
    (fault,) = caught.value.faults
    assert fault.setting == "class"
    assert "module:Class" in fault.fix


def test_every_wrong_parameter_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(SettingsError) as caught:
        load_strategy(named(CROSS, fasst=3, quantity=-1))
    wrong = {fault.setting: fault.problem for fault in caught.value.faults}
    assert wrong.keys() == {"parameters.fasst", "parameters.quantity"}
    assert "did you mean 'fast'?" in wrong["parameters.fasst"]
