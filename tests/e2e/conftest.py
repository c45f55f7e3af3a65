"""Lets a torture say what it did: one JSON line after the tests, whatever captures its output."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.torture import Tell

_LINES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LINES] = []


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Tell:
    """Takes a name and figures; `TORTURE_REPORT` names a file that gets the lines as well."""

    def say(name: str, figures: Mapping[str, Any]) -> None:
        line = orjson.dumps({"torture": name, **figures}).decode()
        pytestconfig.stash[_LINES].append(line)
        report = os.environ.get("TORTURE_REPORT")
        if report:
            with Path(report).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in terminalreporter.config.stash.get(_LINES, []):
        terminalreporter.write_line(line)
