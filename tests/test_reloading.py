"""Strategies read again: the new code runs, and a broken file changes nothing."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.config import Settings, load_settings
from daemon.core.values import Region, StrategyId
from daemon.faults import SettingsError
from daemon.reloading import StrategyShelf

ROOT = Path(__file__).parents[1]
MINE, OTHER = StrategyId("mine"), StrategyId("other")
CODE = """\
from pydantic import Field
from daemon.strategy import Parameters, Strategy, StrategyContext

VERSION = {version}

class Mine(Strategy):
    class Parameters(Parameters):
        size: int = 1
{more}
    async def run(self, context: StrategyContext) -> None:
        self.version = VERSION
"""


class Place:
    """A folder with one strategy's file and its settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = f"reloaded_{folder.name}".replace("-", "_")
        self.write(1)
        self.parameters: dict[str, int] = {}

    def write(self, version: int, more: str = "") -> None:
        text = CODE.format(version=version, more=more)
        (self.folder / f"{self.module}.py").write_text(text)

    def settings(self) -> Settings:
        item = {
            "id": "mine",
            "class": f"{self.module}:Mine",
            "instruments": ["005930"],
            "parameters": self.parameters,
        }
        overrides = {"data_dir": str(self.folder), "strategies": None}
        (self.folder / "mine.yaml").write_text(
            f"strategies: [{str(item).replace(chr(39), chr(34))}]"
        )
        overrides["config"] = str(self.folder / "mine.yaml")
        return load_settings("sim", overrides, environ={}, root=ROOT)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Place(tmp_path)
    yield found
    sys.modules.pop(found.module, None)


def version(shelf_slot: object) -> int:
    module = sys.modules[type(shelf_slot).__module__]
    found: int = module.VERSION
    return found


def test_the_file_is_read_again_even_within_the_same_second(place: Place) -> None:
    shelf = StrategyShelf(place.settings(), place.settings)
    first = shelf.again(MINE)
    place.write(2)
    assert version(shelf.again(MINE).strategy) == 1
    second = shelf.anew(MINE)
    assert version(second.strategy) == 2
    assert type(second.strategy) is not type(first.strategy)
    assert type(shelf.again(MINE).strategy) is type(second.strategy)


def test_parameters_that_only_the_new_code_knows_are_read_with_it(place: Place) -> None:
    shelf = StrategyShelf(place.settings(), place.settings)
    place.write(2, "        depth: int = 5\n")
    place.parameters = {"size": 7, "depth": 3}
    slot = shelf.anew(MINE)
    assert slot.strategy.parameters.model_dump() == {"size": 7, "depth": 3}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def (", SyntaxError),
        ("raise RuntimeError('at import')", RuntimeError),
        ("x = 1", SettingsError),
        ("import nothing_of_this_name", ModuleNotFoundError),
    ],
)
def test_a_broken_file_changes_nothing(place: Place, text: str, error: type[Exception]) -> None:
    shelf = StrategyShelf(place.settings(), place.settings)
    before = shelf.again(MINE)
    module = sys.modules[place.module]
    (place.folder / f"{place.module}.py").write_text(text)
    with pytest.raises(error):
        shelf.anew(MINE)
    assert sys.modules[place.module] is module
    assert type(shelf.again(MINE).strategy) is type(before.strategy)


def test_settings_that_are_wrong_or_name_it_no_more_change_nothing(place: Place) -> None:
    good = place.settings()
    shelf = StrategyShelf(good, lambda: good.model_copy(update={"strategies": ()}))
    module = sys.modules[place.module]
    with pytest.raises(ValueError, match="name no strategy mine any more"):
        shelf.anew(MINE)
    assert sys.modules[place.module] is module
    place.parameters = {"unknown": 1}
    with pytest.raises(SettingsError):
        StrategyShelf(good, place.settings).anew(MINE)
    american = good.strategies[0].model_copy(update={"instruments": ("nasdaq:AAPL",)})
    moved = good.model_copy(update={"strategies": (american,)})
    with pytest.raises(ValueError, match="outside the markets"):
        StrategyShelf(good, lambda: moved).anew(MINE)
    everywhere = {"markets": (Region.KR, Region.US)}
    shelf = StrategyShelf(good.model_copy(update=everywhere), lambda: moved)
    for _ in range(2):
        with pytest.raises(ValueError, match="none traded in US at the start"):
            shelf.anew(MINE)
    assert shelf.item(MINE) == good.strategies[0]


def test_one_that_is_new_is_read_and_one_that_is_gone_is_forgotten(place: Place) -> None:
    good = place.settings()
    [item] = good.strategies
    other = item.model_copy(update={"id": "other"})
    shelf = StrategyShelf(good, lambda: good.model_copy(update={"strategies": (item, other)}))
    assert shelf.item(OTHER) is None
    place.write(2)
    slot = shelf.anew(OTHER)
    assert (slot.id, version(slot.strategy)) == (OTHER, 2)
    assert shelf.item(OTHER) == other
    shelf.forget(OTHER)
    assert shelf.item(OTHER) is None
