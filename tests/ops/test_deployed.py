"""The alert rules and the dashboard that come along: each asks for what the daemon tells."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.core.events import TradingState
from daemon.engine.host import RunState
from daemon.ops.metrics import CATALOGUE, Metrics

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES = FOLDER / "alerts.yaml"
NAME = re.compile(r"\b(?:kisd|process)_[a-z_]+\b")


def known() -> dict[str, set[str]]:
    """Every series name that can be asked for, with its labels."""
    names: dict[str, set[str]] = {}
    for family in CATALOGUE:
        suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        names |= {family.name + each: set(family.labels) for each in suffixes}
    process = Metrics([]).render().decode()
    return names | {each: set() for each in re.findall(r"^(process_\w+)", process, re.MULTILINE)}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def asked(expression: str) -> set[str]:
    return set(NAME.findall(expression))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    names = known()
    assert asked(rule["expr"]) <= names.keys()
    assert asked(rule["expr"]) or rule["alert"] == "DaemonDown"
    assert rule["labels"]["severity"] in ("page", "warn")
    labels = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert labels <= set[str]().union(*(names[each] for each in asked(rule["expr"])))


@pytest.mark.parametrize(("title", "expression"), list(queries()))
def test_a_panel_asks_for_what_there_is(title: str, expression: str) -> None:
    assert asked(expression), title
    assert asked(expression) <= known().keys()


def test_states_and_reasons_that_alerts_name_exist() -> None:
    text = RULES.read_text("utf-8")
    assert 'state!="running"' in text
    assert 'state=~"faulted|quarantined"' in text
    assert TradingState("running")
    assert {RunState("faulted"), RunState("quarantined")} <= set(RunState)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], check=False)
    assert done.returncode == 0
