"""Strategies built anew while the daemon runs: with the same code, or with its file read again."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

from daemon.config import Settings
from daemon.core.values import InstrumentId, Region, StrategyId, region_of
from daemon.engine.host import StrategySlot
from daemon.plugins import load_strategy
from daemon.sections import StrategySettings


class _FreshLoader(SourceFileLoader):
    """Reads the source itself: bytecode kept of it is told apart by whole seconds alone."""

    def path_stats(self, path: Any) -> Any:
        raise OSError("bytecode is neither read nor written")

    def path_mtime(self, path: Any) -> Any:
        raise OSError("bytecode is neither read nor written")


class StrategyShelf:
    """What strategies are made of. `reread` reads the settings again; without it they stay."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings] | None = None) -> None:
        self._markets = frozenset(settings.markets)
        run = [regions_traded(each) for each in settings.strategies]
        self._told_of = frozenset[Region]().union(*(each for each in run if each <= self._markets))
        self._items = {StrategyId(each.id): each for each in settings.strategies}
        self._reread = reread or (lambda: settings)

    def item(self, strategy: StrategyId) -> StrategySettings | None:
        """The settings of a strategy as it was last loaded; `None` for one that never was."""
        return self._items.get(strategy)

    def forget(self, strategy: StrategyId) -> None:
        """Be without a strategy that the settings do not name any more."""
        del self._items[strategy]

    def again(self, strategy: StrategyId) -> StrategySlot:
        """The strategy as it was last loaded, as a new object. Raises `SettingsError`, and whatever
        its own code raises.
        """
        return load_strategy(self._items[strategy])

    def anew(self, strategy: StrategyId) -> StrategySlot:
        """The strategy, which may be new, by its settings and its module's file as they are now.

        Only the module that holds its class is read again. Where anything fails, what was there
        before stays: raises `SettingsError`, `ValueError`, and whatever its own code raises.
        """
        known = self.item(strategy)
        old = "" if known is None else _module_of(known.class_)
        with _put_back_on_failure() as fresh:
            if old:
                fresh(old)
            settings = self._reread()
            item = next((each for each in settings.strategies if each.id == strategy), None)
            if item is None:
                raise ValueError(f"the settings name no strategy {strategy} any more")
            if not regions_traded(item) <= self._markets:
                raise ValueError(f"{strategy} trades outside the markets of this daemon now")
            untold = ", ".join(sorted(regions_traded(item) - self._told_of))
            if untold:
                raise ValueError(f"none traded in {untold} at the start: its sessions are not told")
            if _module_of(item.class_) != old:
                fresh(_module_of(item.class_))
            slot = load_strategy(item)
        self._items[strategy] = item
        return slot


def regions_traded(item: StrategySettings) -> frozenset[Region]:
    """Where a strategy of these settings trades."""
    return frozenset(region_of(InstrumentId(each)) for each in item.instruments)


def _module_of(class_: str) -> str:
    return class_.partition(":")[0]


@contextmanager
def _put_back_on_failure() -> Iterator[Callable[[str], None]]:
    """Gives what reads a module again; if the block fails, all modules are as they were."""
    before: dict[str, ModuleType | None] = {}

    def fresh(name: str) -> None:
        before.setdefault(name, sys.modules.get(name))
        _put(name, _read_again(name))

    try:
        yield fresh
    except BaseException:
        for name, module in before.items():
            _put(name, module)
        raise


def _read_again(name: str) -> ModuleType:
    """Run the source of a module in a new one, which is registered meanwhile."""
    importlib.invalidate_caches()
    found = importlib.util.find_spec(name)
    if found is None or not found.origin or not found.origin.endswith(".py"):
        raise ValueError(f"{name} is no Python file that could be read again")
    spec = importlib.util.spec_from_file_location(
        name, found.origin, loader=_FreshLoader(name, found.origin)
    )
    assert spec is not None, "a file and its loader make a spec"
    assert spec.loader is not None, "the loader was given"
    module = importlib.util.module_from_spec(spec)
    old = sys.modules.get(name)
    _put(name, module)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        _put(name, old)
        raise
    return module


def _put(name: str, module: ModuleType | None) -> None:
    """Register a module, where its package looks for it, too."""
    parent, _, child = name.rpartition(".")
    if module is None:
        sys.modules.pop(name, None)
        return
    sys.modules[name] = module
    if parent in sys.modules:
        setattr(sys.modules[parent], child, module)
