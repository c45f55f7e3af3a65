"""The layers beneath the settings."""

from pathlib import Path

import pytest
import yaml

from daemon.sources import Layers, did_you_mean, parse_yaml, state_home


def layers(**environ: str) -> Layers:
    return Layers(root=Path("/checkout"), environ=environ, world="real")


def test_yaml_keeps_codes_and_decimals_as_they_are_written() -> None:
    assert parse_yaml("[000660, 0.10, 1e5, 2026-01-05, true, null, 1_000]") == [
        *("000660", "0.10", "1e5", "2026-01-05"),
        True,
        None,
        "1_000",
    ]


@pytest.mark.parametrize("text", ["a: 1\na: 2", "a: !!python/object:os.system x", "a: ["])
def test_yaml_refuses_repetition_and_objects(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)


def test_mappings_merge_and_lists_replace() -> None:
    stack = layers()
    stack.add_settings({"sim": {"seed": "1", "speed": "2"}, "strategies": ["a", "b"]}, "first")
    stack.add_settings({"sim": {"seed": "3"}, "strategies": ["c"]}, "second")
    assert stack.values == {"sim": {"seed": "3", "speed": "2"}, "strategies": ["c"]}
    assert stack.source_of("sim.seed") == "second"
    assert stack.source_of("sim.speed") == "first"
    assert stack.source_of("strategies.0.id") == "second"
    assert stack.source_of("sim") == "second"
    assert stack.source_of("nothing") == "default"


def test_a_scalar_gives_way_to_a_mapping() -> None:
    stack = layers()
    stack.put("sim", "odd", "first")
    stack.put("sim.seed", 1, "second")
    assert stack.values == {"sim": {"seed": 1}}


def test_variables_that_are_no_settings_are_warned_of() -> None:
    stack = layers(KIS_ARMD="true", KIS_DEVLP_YAML="x", OTHER="y", KIS_ON_STOP="leave")
    stack.add_environment(["armed", "on_stop"], secrets=False)
    assert stack.warnings == ["$KIS_ARMD is not a setting; did you mean 'KIS_ARMED'?"]
    assert stack.values == {"on_stop": "leave"}


def test_names_nearby_are_suggested_and_others_listed() -> None:
    assert did_you_mean("sped", ["speed", "seed"]) == "; did you mean 'speed'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; known here: a, b"


def test_where_processes_meet() -> None:
    data = Path("/data")
    assert state_home({}, data) == data
    assert state_home({"HOME": "/h"}, data) == Path("/h/.local/state")


def test_only_mappings_count_as_items() -> None:
    stack = layers()
    assert stack.items("strategies") == []
    stack.put("strategies", [{"id": "a"}, "b"], "first")
    assert stack.items("strategies") == [{"id": "a"}, {}]


def test_folders_are_below_the_root() -> None:
    stack = layers()
    stack.put("data_dir", "var", "first")
    assert stack.folder("data_dir") == Path("/checkout/var")
