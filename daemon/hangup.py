"""SIGHUP: settings read again; what may change while it runs changes at once, or nothing does.

The log level and the risk limits may, and the strategies, each for itself; whatever else differs is
named and waits for a restart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from pydantic import BaseModel, SecretStr

from daemon import log
from daemon.beside import beside
from daemon.config import Mode, Settings, missing_for_real
from daemon.control import Followed
from daemon.core.errors import Fatal, NeedsOperator
from daemon.core.limits import RiskLimits
from daemon.engine.desk import TradingDesk
from daemon.faults import SettingsError
from daemon.logs.redaction import MASK
from daemon.ops.service import Service
from daemon.sections import StrategySettings

FollowStrategies = Callable[[Settings], Awaitable[Sequence[Followed]]]

UNCHANGEABLE = ("risk.usd_krw",)
"""Settings of sections that may change which may not themselves."""

CHANGEABLE = ("log.level", "risk.")
"""Settings, and sections with their dot, that may change while it runs."""

STRATEGIES = "strategies"
"""Settings that are followed one strategy at a time."""

CONCEALED = ("app_key", "app_secret", "account", "hts_id", "more_accounts")
"""Settings that are never shown, whatever they begin with."""

IGNORED = frozenset({"warnings"})
"""What is told of reading, and is no setting."""


READ_PATIENCE = 20.0
"""Seconds that files and strategies' modules may take to be read again."""


class Change(NamedTuple):
    """A setting that differs: what it was, and what it would be. A secret shows as `***`."""

    setting: str
    old: str
    new: str

    @property
    def is_allowed(self) -> bool:
        """Whether it may be changed while the daemon runs."""
        name = self.setting
        return name.startswith(CHANGEABLE) and name not in UNCHANGEABLE

    def __str__(self) -> str:
        return f"{self.setting}: {self.old} → {self.new}"


class Reloader:
    """Reads the settings again when asked. `reread` raises `SettingsError` for bad ones, `follow`
    brings the strategies to what was read.

    Only one reload is under way at a time; one asked for meanwhile follows it.
    """

    def __init__(
        self, settings: Settings, reread: Callable[[], Settings], follow: FollowStrategies
    ) -> None:
        self._current = settings
        self._reread = reread
        self._follow = follow
        self._asked = asyncio.Event()
        self._log = structlog.get_logger("reload")

    def ask(self) -> None:
        """Reload as soon as `run` gets to it."""
        self._asked.set()

    async def run(self, desk: TradingDesk, service: Service) -> None:
        """Reload whenever asked to, for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            service.reloading()
            result = "reload refused: see the log"
            try:
                read = await self._read()
                result = self.apply(read, desk)
                result += self._tell(await self._follow(read))
            except SettingsError as error:
                faults = [f"{each.setting}: {each.problem} → {each.fix}" for each in error.faults]
                self._log.error("reload_refused", faults=faults)
            except Fatal:
                raise
            except Exception as error:  # noqa: BLE001  what is read anew may fail in any way
                self._log.error("reload_refused", faults=[str(error) or type(error).__name__])
            finally:
                service.reloaded(result)

    async def _read(self) -> Settings:
        """The settings as they are now; files and strategies' modules may keep it for ever."""
        try:
            async with asyncio.timeout(READ_PATIENCE):
                return await beside(self._reread)
        except TimeoutError:
            words = f"the settings could not be read within {READ_PATIENCE:g} s"
            raise TimeoutError(words) from None

    def apply(self, read: Settings, desk: TradingDesk) -> str:
        """Change all but the strategies that may change, in one step of the loop; returns what came
        of it, in words.

        Raises `SettingsError` before anything is changed.
        """
        if read.mode is Mode.REAL and (missing := missing_for_real(read)):
            raise NeedsOperator("; ".join(missing))
        limits = read.risk_limits
        known = self._current.model_copy(update={STRATEGIES: read.strategies})
        changes = differences(known, read)
        wanted = [each for each in changes if each.is_allowed]
        refused = [each.setting for each in changes if not each.is_allowed]
        if wanted:
            self._change(limits, read, desk)
        if refused:
            self._log.warning(
                "reload_needs_restart", settings=refused, why="these may not change while it runs"
            )
        self._log.info("reloaded", changes=[str(each) for each in wanted], unchanged=refused)
        return f"reloaded: {len(wanted)} changed, {len(refused)} need a restart"

    def _tell(self, followed: Sequence[Followed]) -> str:
        """Say of each strategy what was done and why; returns how many there were, in words."""
        for each in followed:
            changes = [str(change) for change in changed(each.strategy, each.old, each.new)]
            if each.problem:
                self._log.error(
                    "reload_strategy_refused",
                    strategy=each.strategy,
                    does=each.do,
                    changes=changes,
                    cause=each.problem,
                )
            else:
                self._log.info(
                    "reload_strategy", strategy=each.strategy, does=each.do, changes=changes
                )
        refused = sum(1 for each in followed if each.problem)
        return f"; {len(followed)} strategies differ, {refused} refused" if followed else ""

    def _change(self, limits: RiskLimits, read: Settings, desk: TradingDesk) -> None:
        level = read.log.level
        kept_log = self._current.log.model_copy(update={"level": level})
        risk = read.risk
        if risk is not None and self._current.risk is not None:
            risk = risk.model_copy(update={"usd_krw": self._current.risk.usd_krw})
        desk.use_limits(limits)
        log.set_level(level)
        self._current = self._current.model_copy(update={"log": kept_log, "risk": risk})


def differences(old: Settings, new: Settings) -> list[Change]:
    """Every setting that is not the same, by its dotted name, in the order of the settings."""
    return _compared(dict(_leaves(old)), dict(_leaves(new)))


def changed(
    strategy: str, old: StrategySettings | None, new: StrategySettings | None
) -> list[Change]:
    """What differs in the settings of one strategy, which may be new or gone."""
    name = f"{STRATEGIES}.{strategy}"
    before, after = (dict(_leaves(each, name)) if each else {} for each in (old, new))
    return _compared(before, after)


def _compared(before: Mapping[str, object], after: Mapping[str, object]) -> list[Change]:
    names = dict.fromkeys([*before, *after])
    return [
        Change(name, _shown(name, before.get(name)), _shown(name, after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """What is set, by dotted names; strategies by their ids."""
    inside: Mapping[str, Any] | None = None
    if isinstance(value, BaseModel):
        inside = {key: item for key, item in value if key not in IGNORED}
    elif isinstance(value, Mapping) and value:
        inside = value
    elif isinstance(value, tuple) and value and all(hasattr(each, "id") for each in value):
        inside = {each.id: each for each in value}
    if inside is None:
        yield name, value
        return
    for key, item in inside.items():
        yield from _leaves(item, f"{name}.{key}" if name else key)


def _shown(name: str, value: object) -> str:
    if isinstance(value, SecretStr) or name.startswith(CONCEALED):
        return MASK
    if isinstance(value, frozenset):
        return ",".join(sorted(map(str, value))) or "(none)"
    return log.redacted(log.concealed(name.rpartition(".")[2], value))
