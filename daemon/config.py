"""The settings: every value the daemon can be told, checked at once, with every fault named.

With `sources` the only reader of files and environment; only what puts the daemon together
may import it.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from daemon.control_settings import ControlSettings, add_token
from daemon.core.calendar import Calendars
from daemon.core.limits import RiskLimits
from daemon.core.values import (
    Currency,
    InstrumentId,
    Region,
    region_of,
)
from daemon.cost_settings import CostSettings
from daemon.engine.host import StrategySlot
from daemon.faults import SettingsError, faults_of, setting_names
from daemon.kis.spec import PROFILES, Profile
from daemon.plugins import load_strategy, strategy_faults
from daemon.sections import (
    CLASS,
    Account,
    ApiSettings,
    BeforeCloseSettings,
    CalendarSettings,
    Dates,
    FeedSettings,
    HtsId,
    Key,
    KillSwitchSettings,
    LogSettings,
    Markets,
    MastersSettings,
    MonitoringSettings,
    OtherAccount,
    RiskSettings,
    SimSettings,
    StrategySettings,
    is_traded,
)
from daemon.sim import options as simulator
from daemon.sources import (
    FLAGS,
    LIMIT_NOT_CHOSEN,
    MISSING,
    SECRET_SETTINGS,
    Fault,
    Layers,
    did_you_mean,
    state_home,
)
from daemon.store.tape import TapeSettings


class Mode(StrEnum):
    """Which world the daemon trades in: our simulator, the broker's virtual money, or real."""

    SIM = "sim"
    VIRTUAL = "virtual"
    REAL = "real"


def _loopback(value: str, scheme: str) -> str:
    """Another address than the broker's own may only be this machine: keys are sent there."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local, port, parts = False, None, urlsplit("")
    if not local or port == 0 or parts.scheme not in (scheme, f"{scheme}s"):
        raise ValueError(
            f"must be an address of this machine with a port of 1 to 65535, "
            f"such as {scheme}://127.0.0.1:8080"
        )
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(partial(_loopback, scheme="http"))]
WsUrl = Annotated[str, AfterValidator(partial(_loopback, scheme="ws"))]


class Settings(BaseSettings):
    """Everything the daemon was told. Built by `load_settings`, never changed afterwards."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=False)

    mode: Mode
    markets: Markets = (Region.KR,)
    """The countries to trade in; strategies of others do not run."""
    app_key: Key = SecretStr("")
    app_secret: Key = SecretStr("")
    account: Account = ""
    """`"12345678-01"`. This and the other three are empty when they were not given."""
    hts_id: HtsId = ""
    more_accounts: tuple[OtherAccount, ...] = ()
    """Further accounts to look at; nothing trades in them."""
    rest_url: HttpUrl | None = None
    ws_url: WsUrl | None = None
    data_dir: Path
    shared_root: Path
    requests_per_second: int | None = Field(default=None, ge=1, le=20)
    strategies: tuple[StrategySettings, ...] = ()
    risk: RiskSettings | None = None
    kill_switch: KillSwitchSettings = KillSwitchSettings()
    before_close: BeforeCloseSettings = BeforeCloseSettings()
    masters: MastersSettings = MastersSettings()
    on_stop: Literal["cancel", "leave"] = "cancel"
    armed: bool = False
    feed: FeedSettings = FeedSettings()
    costs: CostSettings = CostSettings()
    api: ApiSettings = ApiSettings()
    sim: SimSettings = SimSettings()
    tape: TapeSettings = TapeSettings()
    log: LogSettings = LogSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    control: ControlSettings = ControlSettings()
    holidays: Dates = frozenset()
    """Closing days of KRX; those of other regions, and odd days, are in `calendar`."""
    calendar: CalendarSettings = CalendarSettings()
    warnings: tuple[str, ...] = ()
    """What looked odd while reading, for the log."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` collected: nothing is read behind its back."""
        return (init_settings,)

    @property
    def calendars(self) -> Calendars:
        """The trading days and hours of every region."""
        return self.calendar.calendars(self.holidays)

    @property
    def profile(self) -> Profile:
        """Hosts and limits of the mode, with what was overridden."""
        base = PROFILES[self.mode.value]
        return replace(
            base,
            rest_url=self.rest_url or base.rest_url,
            ws_url=self.ws_url or base.ws_url,
            requests_per_second=self.requests_per_second or base.requests_per_second,
            registrations=self.feed.registrations or base.registrations,
            virtual_us_sell=self.api.virtual_us_sell_id,
        )

    @property
    def inquiry_rate(self) -> float:
        """Requests a second that the watch over market data may make."""
        return self.feed.inquiry_share * self.profile.requests_per_second

    @property
    def shared_dir(self) -> Path:
        """Lock, token and request budget of this app key, common to all checkouts of a user.

        At a simulator named by the settings they are of this key there, and as common.
        """
        named = self.rest_url if self.mode is Mode.SIM else None
        words = [self.app_key.get_secret_value(), *([named] if named else [])]
        digest = hashlib.sha256("\n".join(words).encode()).hexdigest()
        return self.shared_root / f"{self.mode.value}-{digest[:8]}"

    @property
    def control_dir(self) -> Path:
        """Where the kill switch is reached by a file: see `store.killfile`."""
        return self.data_dir / self.mode.value

    @property
    def masters_dir(self) -> Path:
        """Where the symbol masters are; the broker's two worlds share theirs."""
        return self.data_dir / ("sim/masters" if self.mode is Mode.SIM else "masters")

    @property
    def journal_path(self) -> Path:
        """The journal of this mode and account."""
        return self.data_dir / self.mode.value / f"journal-{self.account}.sqlite3"

    @property
    def log_dir(self) -> Path:
        """Where the dated files of the log are."""
        return Path(self.log.folder) if self.log.folder else self.control_dir / "logs"

    @property
    def risk_limits(self) -> RiskLimits:
        """The limits every order must keep; raises `SettingsError` when none were given."""
        if self.risk is None:
            raise SettingsError([MISSING["risk"]])
        return self.risk.limits()

    @property
    def unjudged_calls(self) -> bool:
        """Whether orders that no limit can judge may be sent by the catalogue."""
        return self.risk is not None and self.risk.unjudged_calls

    @property
    def exchange_rates(self) -> dict[Currency, Decimal]:
        """KRW for one unit of foreign money until the broker tells; raises `SettingsError`."""
        if self.risk is None:
            raise SettingsError([MISSING["risk"]])
        return {Currency.USD: self.risk.usd_krw}

    @property
    def strategy_slots(self) -> tuple[StrategySlot, ...]:
        """All strategies of the markets traded, built anew; raises `SettingsError`."""
        return tuple(load_strategy(each) for each in self.strategies if self._runs(each))

    @property
    def left_out(self) -> tuple[str, ...]:
        """The ids of strategies that trade somewhere that is not among the markets."""
        return tuple(each.id for each in self.strategies if not self._runs(each))

    def _runs(self, item: StrategySettings) -> bool:
        wanted = {region_of(InstrumentId(each)) for each in item.instruments}
        return wanted <= set(self.markets)

    def at(self, account: str) -> "Settings":
        """The same settings for another account: with its own keys, or the main account's."""
        found = (each for each in self.more_accounts if each.account == account)
        return self.model_copy(update={"account": account, **next(found, OtherAccount()).keys})

    @property
    def accounts(self) -> tuple[str, ...]:
        """The numbers of all accounts, the main one first."""
        told = (self.account, *(each.account for each in self.more_accounts))
        return tuple(dict.fromkeys(told))

    def secrets(self) -> tuple[str, ...]:
        """Every value that must not appear in any output."""
        forms = [form for each in self.accounts for form in (each, each.replace("-", ""), each[:8])]
        keys = [self.app_key, self.app_secret, self.control.token]
        keys += [key for each in self.more_accounts for key in each.keys.values()]
        values = (*(key.get_secret_value() for key in keys), *forms, self.hts_id)
        return tuple(each for each in values if each)


def missing_credentials(settings: Settings, *, hts_id: bool = True) -> list[str]:
    """What the broker needs and was not given, one line each, in Korean and English."""
    wanted = [name for name in SECRET_SETTINGS if hts_id or name != "hts_id"]
    return _lines(name for name in wanted if not getattr(settings, name))


def missing_for_real(settings: Settings) -> list[str]:
    """What real trading still needs, one line each, in Korean and English."""
    lines = _lines(name for name in MISSING if not getattr(settings, name))
    if settings.risk is not None:
        lines += [_limit_line(name) for name in settings.risk.not_chosen()]
    return lines


def _limit_line(name: str) -> str:
    fault = LIMIT_NOT_CHOSEN
    return f"risk.{name}: {fault.problem} → {fault.fix}"


def _lines(names: Iterable[str]) -> list[str]:
    return [f"{MISSING[name].problem} → {MISSING[name].fix}" for name in names]


def load_settings(
    mode: Mode | str,
    overrides: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str],
    root: Path,
) -> Settings:
    """Read all layers for `mode`, later ones winning; raises `SettingsError` with every fault.

    `overrides` are the command line's, by dotted setting; `config` names one more settings
    file, `strategies` a list of ids or `module:Class` to keep. `root` is where `config/` is
    and what relative paths mean. Credentials may still be missing afterwards: see
    `missing_credentials` and `missing_for_real`.
    """
    mode, chosen = Mode(mode), dict(overrides or {})
    layers = Layers(root=root, environ=environ, world="virtual" if mode == "virtual" else "real")
    layers.put("data_dir", "var", "default")
    layers.add_settings_file("holidays", required=False)
    layers.add_settings_file(mode.value)
    file, subset = chosen.pop("config", None), chosen.pop("strategies", None)
    if file is not None:
        layers.add_settings(layers.read_mapping(root / str(file)), str(file))
    # Only a simulator of one's own choosing is shown anybody's keys.
    own_address = mode is Mode.SIM and not environ.get("KIS_REST_URL")
    secrets = not (own_address and "rest_url" not in layers.values)
    if mode is Mode.SIM:
        _add_simulator_keys(layers)
    if secrets:
        layers.add_devlp()
        layers.add_secrets_file()
        layers.add_credentials()
    layers.add_environment(setting_names(Settings), secrets=secrets)
    layers.add_command_line(chosen)
    if isinstance(subset, list | tuple):
        _choose_strategies(layers, [str(each) for each in subset])
    return _build(mode, layers)


def _build(mode: Mode, layers: Layers) -> Settings:
    data_dir = layers.folder("data_dir")
    # Only the simulator we bring along is one's own: whoever uses another meets the others there.
    own = mode is Mode.SIM and layers.values.get("rest_url") is None
    shared = data_dir / "sim" if own else state_home(layers.environ, data_dir) / "kis-trader"
    layers.values["data_dir"] = data_dir
    layers.values.setdefault("shared_root", str(shared))
    layers.values["shared_root"] = layers.folder("shared_root")
    add_token(layers)
    settings: Settings | None = None
    try:
        settings = Settings(**{**layers.values, "mode": mode, "warnings": layers.warnings})
    except ValidationError as error:
        layers.faults.extend(faults_of(error, layers, Settings))
    except TypeError:
        layers.fault("settings", "files", "a setting's name is not text", "correct the files")
    layers.faults.extend(_contradictions(layers))
    layers.faults.extend(strategy_faults(layers))
    if settings is None or layers.faults:
        raise SettingsError([*layers.faults, *_missing_too(mode, layers)], layers.warnings)
    return settings


def _contradictions(layers: Layers) -> Iterator[Fault]:
    """Settings that are right alone and wrong together."""
    american = is_traded("nasdaq:AAPL", layers.values.get("markets"))
    known = layers.values.get("calendar")
    if american and not (isinstance(known, dict) and (known.get("us") or {}).get("known_until")):
        setting = "calendar.us.known_until"
        problem = "US markets have no table of trading days"
        yield Fault(setting, "not given", problem, "restore calendar.us of config/holidays.yaml")
    given = [name for name in ("rest_url", "ws_url") if layers.values.get(name) is not None]
    if len(given) == 1:
        other = "ws_url" if given == ["rest_url"] else "rest_url"
        problem = f"is given without {other}: both together, or neither"
        fix = f"give {other} too, or remove {given[0]}"
        yield Fault(given[0], layers.source_of(given[0]), problem, fix)
    seen: set[str] = set()
    for index, item in enumerate(layers.items("strategies")):
        name = str(item.get("id", ""))
        if name and name in seen:
            setting = f"strategies.{index}.id"
            problem = "another strategy has the same id"
            yield Fault(setting, layers.source_of(setting), problem, "choose another id")
        seen.add(name)


def _missing_too(mode: Mode, layers: Layers) -> list[Fault]:
    """With wrong settings, say in the same message what is not there at all."""
    names = {Mode.SIM: (), Mode.VIRTUAL: SECRET_SETTINGS, Mode.REAL: tuple(MISSING)}[mode]
    told = {fault.setting for fault in layers.faults}
    return [MISSING[each] for each in names if not layers.values.get(each) and each not in told]


def _add_simulator_keys(layers: Layers) -> None:
    for name in SECRET_SETTINGS:
        layers.put(name, getattr(simulator, name.upper()), "simulator")


def _choose_strategies(layers: Layers, subset: list[str]) -> None:
    """Keep the strategies named; a `module:Class` of no id trades what the others do."""
    flag, origin = FLAGS["strategies"], layers.source_of("strategies")
    by_id = {str(each.get("id")): each for each in layers.items("strategies") if each}
    wanted = [each.get("instruments") for each in by_id.values()]
    lists = [each for each in wanted if isinstance(each, list)]
    codes = dict.fromkeys(str(code) for listed in lists for code in listed)
    everything = [code for code in codes if is_traded(code, layers.values.get("markets"))]
    kept: list[dict[str, Any]] = []
    for name in dict.fromkeys(subset):
        known = by_id.get(name)
        if known is None and not CLASS.fullmatch(name):
            problem = f"no such strategy{did_you_mean(name, by_id)}"
            layers.fault(name, flag, problem, f"correct it in {flag}")
            continue
        if known is None and not everything:
            fix = "list a strategy with its `instruments:` in config/<mode>.yaml"
            layers.fault(name, flag, "there are no instruments for it to trade", fix)
            continue
        layers.origins[f"strategies.{len(kept)}"] = origin if known else flag
        own = name.partition(":")[2][:32]
        kept.append(known or {"id": own, "class": name, "instruments": everything})
    layers.put("strategies", kept, origin if by_id else flag)
