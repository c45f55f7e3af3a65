"""Settings that are refused are told by name, place and fix, and never by value."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from daemon.faults import faults_of, setting_names
from daemon.sources import Layers


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: str = "red"
    size: int = 1


class Outer(BaseModel):
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()
    name: str = ""


def refused(values: dict[str, object]) -> list[tuple[str, str, str]]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    found = faults_of(caught.value, Layers(root=Path(), environ={}, world="sim"), Outer)
    return [(each.setting, each.problem, each.fix) for each in found]


def test_a_misspelt_name_is_told_with_the_one_that_was_meant() -> None:
    [(setting, problem, fix)] = refused({"several": [{"color": "S3CRET"}]})
    assert setting == "several.0.color"
    assert "colour" in problem
    assert fix.startswith("rename or remove it")
    assert "S3CRET" not in problem + fix


def test_a_wrong_value_is_not_repeated() -> None:
    [(setting, problem, fix)] = refused({"inner": {"size": "S3CRET"}})
    assert setting == "inner.size"
    assert "integer" in problem
    assert fix.startswith("correct it")
    assert "S3CRET" not in problem + fix


def test_every_setting_of_every_section_has_a_dotted_name() -> None:
    assert set(setting_names(Outer)) == {
        *("inner.colour", "inner.size", "several.colour", "several.size", "name")
    }
