"""What the README promises, as far as a machine can tell."""

import argparse
import asyncio
import re
from datetime import date
from pathlib import Path

import pytest

from daemon import accounts_command, cli, commands, logs_command, orders_command
from daemon.engine.ledger import Ledger
from daemon.lab import replay
from daemon.sim import __main__ as simulator
from daemon.strategy import Strategy
from tests.engine.paper import MemoryJournal
from tests.strategies.desk import SAMSUNG, FakeDesk, minutes

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


SHOWN = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "daemon").glob("*.py")]
"""Where people read what to type, and what they are shown."""


def example() -> type[Strategy]:
    found = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert found
    names: dict[str, object] = {"__name__": "readme"}
    exec(compile(found[1], "README.md", "exec"), names)
    strategy = names["BuyTheDip"]
    assert isinstance(strategy, type)
    assert issubclass(strategy, Strategy)
    return strategy


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_orders_and_units_are_called_what_they_are_called(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    [minted] = Ledger(MemoryJournal()).mint(date(2026, 11, 2), 1)
    for order in re.findall(r"(?<!-)\b20\d{6}-\d{3,}\b", text):
        assert len(order) == len(minted), order
    # A shell looks for files by a bare asterisk.
    units = re.findall(r"(?:journalctl -u|--journal) ([^\s`A-Z]+)", text)
    units += re.findall(r"[^\s`]*kis-trader@\*[^\s`]*", text)
    for unit in units:
        assert re.fullmatch(r"kis-trader@\w+|'kis-trader@\*'", unit), unit


def test_the_example_strategy_trades() -> None:
    strategy = example()
    parameters = strategy.Parameters.model_validate({"below": "70000"})
    desk = FakeDesk(minutes([71000, 70000, 69900, 69000]))
    asyncio.run(strategy(parameters).run(desk))
    assert desk.position(SAMSUNG).quantity == 1
    assert desk.submitted[0].limit == 69900


@pytest.mark.parametrize(
    "code",
    [
        cli.EXIT_OK,
        cli.EXIT_CRASH,
        cli.EXIT_USAGE,
        cli.EXIT_ALREADY_RUNNING,
        cli.EXIT_NEEDS_OPERATOR,
    ],
)
def test_exit_codes_are_told(code: int) -> None:
    assert f"| {code} |" in TEXT
    assert re.search(rf"^  {code}\b", cli.EXIT_CODES, re.MULTILINE)


def test_ci_runs_the_readmes_test_command_and_every_check() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    command = "uv run pytest"
    assert f"pip install uv && {command}\n" in TEXT
    assert script.rstrip().endswith(command)
    for check in ("uv sync --locked", "ruff format --check", "ruff check", "mypy", "lint-imports"):
        assert check in script


def help_of(parser: argparse.ArgumentParser) -> str:
    """The help of a command and of all commands below it."""
    text = parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            text += "".join(map(help_of, action.choices.values()))
    return text


def test_flags_in_the_readme_exist() -> None:
    parsers = (
        cli.trading_parser("x"),
        accounts_command.parser(),
        replay.parser(),
        simulator.parser(),
        commands.parser(),
        logs_command.parser(),
        orders_command.parser(),
    )
    known = "".join(help_of(parser) for parser in parsers)
    foreign = {"--help"}
    for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - foreign:
        assert flag in known, flag
