"""Strategies as plug-ins: their classes imported, their parameters checked, built for the host."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from daemon.core.values import InstrumentId, Interest, StrategyId, parse_instrument
from daemon.engine.host import StrategySlot
from daemon.faults import SettingsError, problem_of
from daemon.kis.channels import NoSuchChannel, registration_of
from daemon.kis.spec import Environment
from daemon.sections import CLASS, StrategySettings
from daemon.sources import Fault, Layers
from daemon.strategy import Parameters, Strategy


def load_strategy(item: StrategySettings) -> StrategySlot:
    """Import a strategy's class and build it with its parameters; raises `SettingsError`."""
    kind = _strategy_class(item.class_)
    strategy = kind(_strategy_parameters(kind, item.parameters))
    return StrategySlot(
        id=StrategyId(item.id),
        strategy=strategy,
        instruments=tuple(InstrumentId(each) for each in item.instruments),
        channels=item.channels,
        priority=item.priority,
        on_quarantine=item.on_quarantine,
    )


def _strategy_class(text: str) -> type[Strategy]:
    module_name, _, class_name = text.partition(":")
    fix = "correct `class:`; it is `module:Class`, such as strategies.my_strategy:MyStrategy"
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a strategy's file may raise anything
        problem = f"{module_name} cannot be imported ({type(error).__name__}: {error})"
        raise SettingsError([Fault("class", text, problem, fix)]) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        problem = f"{module_name} has no strategy {class_name}"
        raise SettingsError([Fault("class", text, problem, fix)])
    return found


def _strategy_parameters(kind: type[Strategy], given: Mapping[str, Any]) -> Parameters:
    try:
        return kind.Parameters.model_validate(given)
    except ValidationError as error:
        names = tuple(kind.Parameters.model_fields)
        raise SettingsError(
            Fault(
                ".".join(["parameters", *map(str, each["loc"])]),
                kind.__name__,
                problem_of(each, names),
                f"correct the parameters of {kind.__name__}",
            )
            for each in error.errors(include_url=False, include_input=False)
        ) from None


def strategy_faults(layers: Layers) -> Iterator[Fault]:
    """What is wrong with the strategies that the settings name, whatever else is wrong."""
    for index, item in enumerate(layers.items("strategies")):
        class_, parameters = item.get("class"), item.get("parameters", {})
        if not (isinstance(class_, str) and CLASS.fullmatch(class_)):
            continue  # its outer shape was judged with all other settings
        try:
            kind = _strategy_class(class_)
            if isinstance(parameters, dict):
                _strategy_parameters(kind, parameters)
        except SettingsError as error:
            source = layers.source_of(f"strategies.{index}")
            for each in error.faults:
                yield each._replace(setting=f"strategies.{index}.{each.setting}", source=source)
        setting = f"strategies.{index}.channels"
        for problem in _channel_problems(item, layers.world):
            fix = "correct `channels:`, or leave it out for trades and books"
            yield Fault(setting, layers.source_of(setting), problem, fix)


def _channel_problems(item: Mapping[str, Any], world: str) -> Iterator[str]:
    """What the broker's stream cannot tell a strategy, one problem a channel."""
    channels, instruments = item.get("channels", ()), item.get("instruments", ())
    if not (isinstance(channels, list) and isinstance(instruments, list | tuple)):
        return  # its outer shape was judged with all other settings
    for channel in dict.fromkeys(map(str, channels)):
        for text in instruments:
            try:
                instrument = parse_instrument(str(text))
            except ValueError:
                continue
            try:
                registration_of(Interest(channel, instrument), Environment(world))
            except NoSuchChannel as error:
                yield str(error)
                break
