"""What is wrong with settings, told by name and place, and never by value: it may be a secret."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from daemon.core.errors import NeedsOperator
from daemon.sources import Fault, Layers, did_you_mean


class SettingsError(NeedsOperator):
    """Wrong settings. The message lists all `faults`, then `warnings`; none shows a secret."""

    def __init__(self, faults: Iterable[Fault], warnings: Iterable[str] = ()) -> None:
        self.faults = tuple(faults)
        lines = [f"설정을 고쳐야 합니다 / the settings need attention ({len(self.faults)}):"]
        for number, fault in enumerate(self.faults, start=1):
            lines.append(f"  {number}. {fault.setting} [{fault.source}]: {fault.problem}")
            lines.append(f"     → {fault.fix}")
        lines.extend(f"  ? {warning}" for warning in warnings)
        super().__init__("\n".join(lines))


def faults_of(error: ValidationError, layers: Layers, model: type[BaseModel]) -> Iterator[Fault]:
    """One fault for each setting that `model` refused, with the place it came from and the fix."""
    for each in error.errors(include_url=False, include_input=False):
        setting = ".".join(map(str, each["loc"])) or "settings"
        source = layers.source_of(setting)
        names = _siblings(model, each["loc"])
        where = "the environment" if source.startswith("$") else source
        fix = f"rename or remove it in {where}" if _unknown(each) else f"correct it in {where}"
        yield Fault(setting, source, problem_of(each, names), fix)


def _unknown(error: Mapping[str, Any]) -> bool:
    return bool(error["type"] == "extra_forbidden")


def problem_of(error: Mapping[str, Any], names: Iterable[str]) -> str:
    """What is wrong, without the value: it might be a secret that got into the wrong place."""
    if _unknown(error):
        hint = did_you_mean(str(error["loc"][-1]), names)
        return f"알 수 없는 설정 / unknown setting{hint}"
    return str(error["msg"]).removeprefix("Value error, ")


def _siblings(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The names known where `loc` ends."""
    for step in loc[:-1]:
        if isinstance(step, int):
            continue
        field = next((f for name, f in model.model_fields.items() if step in (name, f.alias)), None)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section a field's type holds: itself, optional, or a tuple of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(each) for each in getattr(annotation, "__args__", ()))
    return next((each for each in inner if each is not None), None)


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted setting that an environment variable can carry."""
    for name, field in model.model_fields.items():
        section = _model_in(field.annotation)
        if name in ("mode", "warnings"):
            continue
        if section is None or name in ("strategies", "more_accounts"):
            yield prefix + name
        else:
            yield from setting_names(section, f"{prefix}{name}.")
