"""The sections of the settings, each checked by itself."""

import ipaddress
import re
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    model_validator,
)

from daemon.core.acts import OWNERS
from daemon.core.budget import TimeBudget
from daemon.core.calendar import (
    LATE_DAY,
    LATE_OPEN,
    Calendars,
    MarketCalendar,
    OddDay,
    half_day,
)
from daemon.core.entries import CloseAction, ClosePlan
from daemon.core.events import TradingState
from daemon.core.limits import RiskLimits
from daemon.core.steps import STEPPED_REGIONS
from daemon.core.switch import SwitchPolicy
from daemon.core.values import (
    BOOK,
    TRADES,
    InstrumentId,
    Region,
    parse_instrument,
    region_of,
)
from daemon.kis.spec import VIRTUAL_US_SELLS
from daemon.sim import options as simulator

_ACCOUNT = re.compile(r"(\d{8})-?(\d{2})")
CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""`module:Class`."""


def _instrument(value: str) -> InstrumentId:
    instrument = parse_instrument(value)
    if region_of(instrument) not in STEPPED_REGIONS:
        raise ValueError(f"{instrument}: only KRX and US instruments are traded in this version")
    return instrument


def _regions(value: object) -> object:
    """Markets by their two letters, in either case; as text, with commas between them."""
    parts = _split(value)
    if not isinstance(parts, list | tuple):
        return parts
    return tuple(dict.fromkeys(str(part).upper() for part in parts))


def _traded(value: tuple[Region, ...]) -> tuple[Region, ...]:
    wrong = [region for region in value if region not in STEPPED_REGIONS]
    if wrong or not value:
        known = ", ".join(sorted(STEPPED_REGIONS))
        raise ValueError(f"markets are one or more of {known}")
    return value


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Dates = Annotated[frozenset[date], BeforeValidator(_split)]
"""Days; as text, with commas between them."""

Markets = Annotated[tuple[Region, ...], BeforeValidator(_regions), AfterValidator(_traded)]
"""The countries to trade in."""

Instrument = Annotated[str, AfterValidator(_instrument)]


Instruments = Annotated[frozenset[Instrument], BeforeValidator(_split)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[Decimal, Field(ge=0, le=Decimal("0.05"), allow_inf_nan=False)]
"""A part of an amount: 0.0001 is 0.01 %. More than 5 % is a percentage by mistake."""


class Section(BaseModel):
    """Base of them all: unknown names are refused, nothing changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


def _key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not re.fullmatch(r"[!-~]{6,}", text):
        raise ValueError("must be at least 6 visible ASCII characters, without spaces")
    return value


def account_number(value: str) -> str:
    """The number as `12345678-01`, however it was written; raises `ValueError`."""
    match = _ACCOUNT.fullmatch(value.strip())
    if match is None:
        raise ValueError("must be 8 digits, a hyphen and 2 digits, such as 12345678-01")
    return f"{match[1]}-{match[2]}"


Key = Annotated[SecretStr, AfterValidator(_key)]
Account = Annotated[str, AfterValidator(account_number)]
HtsId = Annotated[str, Field(max_length=40)]


class OtherAccount(Section):
    """An account beside the main one, with keys of its own or, without any, those of the main."""

    account: Account = ""
    app_key: Key = SecretStr("")
    app_secret: Key = SecretStr("")

    @model_validator(mode="after")
    def _whole(self) -> "OtherAccount":
        if not self.account and self.model_fields_set:
            raise ValueError("needs the number of the account")
        if bool(self.app_key.get_secret_value()) != bool(self.app_secret.get_secret_value()):
            raise ValueError("needs both an app key and an app secret, or neither")
        return self

    @property
    def keys(self) -> dict[str, SecretStr]:
        """The keys of its own by the names of their settings."""
        own = {"app_key": self.app_key, "app_secret": self.app_secret}
        return {name: key for name, key in own.items() if key.get_secret_value()}


class StrategySettings(Section):
    """One strategy to run: its id, its class as `module:Class`, what it trades, its parameters.

    `channels` is the news it wants of every instrument. Where the stream has no room for all, the
    strategy with the lower `priority` comes first. `on_quarantine` is what becomes of its open
    orders when it holds up the daemon for longer than `monitoring` allows.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    class_: str = Field(alias="class", pattern=f"^{CLASS.pattern}$")
    instruments: tuple[Instrument, ...] = Field(min_length=1)
    channels: Annotated[tuple[str, ...], Field(min_length=1)] = (TRADES, BOOK)
    priority: int = 0
    on_quarantine: Literal["cancel", "leave"] = "cancel"
    parameters: dict[str, Any] = {}

    @model_validator(mode="after")
    def _own_name(self) -> "StrategySettings":
        if self.id in OWNERS:
            raise ValueError(f"the id {self.id} is kept for what people order themselves")
        return self

    @model_validator(mode="after")
    def _no_repetition(self) -> "StrategySettings":
        if len(set(self.instruments)) != len(self.instruments):
            raise ValueError("an instrument is listed twice")
        return self


class RiskSettings(Section):
    """The limits of `core.limits`, each explained in docs/risk.md; amounts in KRW.

    What has a default is limited without being named; real trading wants every one of `EXPLICIT`
    chosen by the person whose money it is. `null`, where it is allowed, limits nothing. `usd_krw`
    values dollars until the broker tells its own rate.
    """

    max_order_quantity: int = Field(ge=1)
    max_order_notional: Amount
    max_position_notional: Amount
    price_collar: Decimal = Field(gt=0, le=Decimal("0.3"))
    max_orders_per_minute: int = Field(ge=1)
    max_strategy_exposure: Amount | None = Decimal(20_000_000)
    max_account_exposure: Amount | None = Decimal(50_000_000)
    max_open_orders: Count | None = 100
    max_strategy_open_orders: Count | None = 50
    max_orders_per_second: Count | None = 10
    max_orders_per_day: Count | None = 5_000
    max_cancels_per_second: Count | None = 10
    max_cancels_per_minute: Count | None = 120
    max_cancels_per_day: Count | None = 5_000
    max_price_age_seconds: Count | None = 180
    duplicate_window_seconds: int = Field(default=1, ge=0, le=3_600)
    reentry_cooldown_seconds: int = Field(default=60, ge=0, le=86_400)
    max_daily_loss: Amount | None = Decimal(1_000_000)
    max_drawdown: Amount | None = Decimal(2_000_000)
    allowed: Instruments = frozenset()
    denied: Instruments = frozenset()
    usd_krw: Amount = Decimal(1_500)
    unjudged_calls: bool = False
    """Whether scripts may send orders by the catalogue, which no limit judges."""

    def limits(self) -> RiskLimits:
        """As the core knows them."""
        return RiskLimits(**{key: value for key, value in self if key not in _NO_LIMITS})

    def not_chosen(self) -> list[str]:
        """The limits that real trading wants to be chosen, and nobody has."""
        return [name for name in EXPLICIT if name not in self.model_fields_set]


_NO_LIMITS = ("usd_krw", "unjudged_calls")

EXPLICIT = (
    *("max_order_quantity", "max_order_notional", "max_position_notional", "price_collar"),
    *("max_orders_per_minute", "max_account_exposure", "max_orders_per_day", "max_open_orders"),
    *("max_price_age_seconds", "max_daily_loss", "max_drawdown"),
)
"""The limits without which nobody should trade real money on somebody else's figures."""


class KillSwitchSettings(Section):
    """How the kill switch acts; see `core.switch.SwitchPolicy` and docs/risk.md."""

    on_loss: Literal["reduce_only", "halted"] = "reduce_only"
    halt_cancels: bool = True
    sell_at_market: bool = False
    chase_seconds: float = Field(default=3.0, ge=0.5, le=600)

    def policy(self) -> SwitchPolicy:
        """As the core knows it."""
        return SwitchPolicy(
            on_loss=TradingState(self.on_loss),
            halt_cancels=self.halt_cancels,
            sell_at_market=self.sell_at_market,
            chase_seconds=self.chase_seconds,
        )


class BeforeCloseSettings(Section):
    """What is done `minutes` ahead of the close of `markets`, all that are traded if not named.

    With `cancel` open orders are cancelled, with `flatten` what strategies hold is sold, too; after
    either nothing is bought until the next trading day. See docs/hours.md.
    """

    action: Literal["none", "cancel", "flatten"] = "none"
    minutes: int = Field(default=15, ge=1, le=120)
    markets: Markets | None = None

    def plan(self, traded: Iterable[Region]) -> ClosePlan:
        """As the core knows it, for the markets of `traded` that are meant."""
        wanted = frozenset(traded)
        return ClosePlan(
            action=CloseAction(self.action),
            span=timedelta(minutes=self.minutes),
            regions=wanted if self.markets is None else wanted & set(self.markets),
        )


class MastersSettings(Section):
    """Whether the symbol masters are fetched every day ahead of the open.

    Not given, they are where the broker is real or virtual, and not for a simulator.
    """

    refresh: bool | None = None


class SimSettings(Section):
    """The simulator: `start` is simulated time, `speed` simulated seconds a second.

    A new account has `cash` KRW and, where US markets live, `cash_usd` USD. With `charges`
    commission and tax are taken for every trade.
    """

    seed: int = 20260102
    start: AwareDatetime | None = None
    speed: float = Field(default=60.0, ge=simulator.SLOWEST, le=simulator.FASTEST)
    cash: Amount = Decimal(100_000_000)
    cash_usd: Amount = Decimal(100_000)
    charges: bool = False


def _virtual_us_sell(value: str) -> str:
    if value not in VIRTUAL_US_SELLS:
        raise ValueError(f"must be {' or '.join(VIRTUAL_US_SELLS)}")
    return value


class ApiSettings(Section):
    """By which ids calls are sent.

    `older_ids` sends the deprecated ones of the catalogue where a call has any.
    `virtual_us_sell_id` is the one of an American sale in paper trading: sources disagree.
    """

    older_ids: bool = False
    virtual_us_sell_id: Annotated[str, AfterValidator(_virtual_us_sell)] = VIRTUAL_US_SELLS[0]


class FeedSettings(Section):
    """The stream: how many registrations it may hold, and what may be asked for beside it.

    `registrations` counts the order notices, too; the broker allows 41 a key, fewer to some.
    `inquiry_share` is the part of the requests a second that may go to prices the stream does not
    bring, or has gone silent on.
    """

    registrations: int | None = Field(default=None, ge=2, le=200)
    inquiry_share: float = Field(default=0.1, gt=0, le=0.5)


def _listen(value: str) -> str:
    """`host:port`, where the host is an address of this machine, or empty for nowhere."""
    host, colon, port = value.rpartition(":")
    try:
        ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
        told = bool(colon) and 0 <= int(port) <= 65_535
    except ValueError:
        told = False
    if value and not told:
        raise ValueError("must be an address and a port, such as 127.0.0.1:9464, or empty for none")
    return value


class MonitoringSettings(Section):
    """What watches the daemon; see docs/metrics.md.

    `listen` is where metrics and health are served, empty for nowhere; another address than one of
    loopback wants `allow_remote` as well, for nobody is asked for a password there. A step of the
    loop longer than `stall_seconds` is logged with who held it. A strategy is quarantined when one
    of its steps takes more than `max_step_seconds`, or all of them more than `max_share` of
    `window_seconds`; `null` never does.
    """

    listen: Annotated[str, AfterValidator(_listen)] = ""
    allow_remote: bool = False
    stall_seconds: float = Field(default=0.5, ge=0.05, le=60)
    max_step_seconds: Annotated[float, Field(ge=0.01, le=600)] | None = 5.0
    max_share: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    window_seconds: float = Field(default=60.0, ge=1, le=3_600)

    @model_validator(mode="after")
    def _near(self) -> "MonitoringSettings":
        if self.listen and not self.allow_remote and not self.address[2]:
            raise ValueError("listen is not loopback: add `allow_remote: true` if that is meant")
        return self

    @property
    def address(self) -> tuple[str, int, bool]:
        """Host, port, and whether only this machine can reach it."""
        host, _, port = self.listen.rpartition(":")
        host = "127.0.0.1" if host == "localhost" else host.strip("[]")
        return host, int(port), ipaddress.ip_address(host).is_loopback

    @property
    def budget(self) -> TimeBudget:
        """As the core knows it."""
        return TimeBudget(self.max_step_seconds, self.max_share, self.window_seconds)


_COLLECTOR = re.compile(
    r"(?:https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])|http://(?:localhost|127\.[0-9.]+|\[::1\]))"
    r"(?::[1-9][0-9]{0,4})?(?:/[^?#@\s]*)?"
)


def _collector(value: str) -> str:
    """An address that lines may be sent to: in plain sight only within this machine."""
    if value and _COLLECTOR.fullmatch(value) is None:
        raise ValueError("must be https, or http on this machine, without a name or a password")
    return value


class LogSettings(Section):
    """How much is logged, in which form, and what is kept of it on disk: see docs/logs.md.

    `files` switches the dated files on, `folder` is theirs, by default `logs` beside the journal.
    A new one begins every day (KST) and at `max_megabytes`; complete ones are deleted when there
    are more than `keep_files` or they are older than `keep_days`. `otlp_endpoint` is the whole
    address at which a collector takes lines, empty for none.
    """

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    files: bool = True
    folder: str = ""
    max_megabytes: int = Field(default=50, ge=1, le=10_000)
    keep_files: int = Field(default=100, ge=2, le=100_000)
    keep_days: int = Field(default=90, ge=1, le=36_500)
    otlp_endpoint: Annotated[str, AfterValidator(_collector)] = ""


class KoreanDays(Section):
    """Odd days of KRX, whose holidays are a setting of their own, and how far both are known."""

    known_until: date | None = None
    late_opens: Dates = frozenset()
    late_days: Dates = frozenset()


class ForeignDays(Section):
    """The holidays of a region, the days it closes early, and how far both are known."""

    known_until: date | None = None
    holidays: Dates = frozenset()
    half_days: Dates = frozenset()


class CalendarSettings(Section):
    """The days of every region. One without `known_until` has no calendar, but for Korea's."""

    kr: KoreanDays = KoreanDays()
    us: ForeignDays = ForeignDays()
    jp: ForeignDays = ForeignDays()
    hk: ForeignDays = ForeignDays()
    cn: ForeignDays = ForeignDays()

    @model_validator(mode="after")
    def _no_other_half_days(self) -> "CalendarSettings":
        for name, days in (("jp", self.jp), ("cn", self.cn)):
            if days.half_days:
                raise ValueError(f"{name} has no half days: remove `half_days` there")
        return self

    def calendars(self, korean_holidays: Iterable[date]) -> Calendars:
        """As the core knows them."""
        odd = dict.fromkeys(self.kr.late_opens, LATE_OPEN)
        odd |= dict.fromkeys(self.kr.late_days, LATE_DAY)
        known = {
            Region.KR: MarketCalendar(
                frozenset(korean_holidays), odd_days=odd, known_until=self.kr.known_until
            )
        }
        foreign = {Region.US: self.us, Region.JP: self.jp, Region.HK: self.hk, Region.CN: self.cn}
        for region, days in foreign.items():
            if days.known_until is None:
                continue
            short: dict[date, OddDay] = {}
            if days.half_days:
                short = dict.fromkeys(days.half_days, half_day(region))
            known[region] = MarketCalendar(
                days.holidays, region, odd_days=short, known_until=days.known_until
            )
        return Calendars(known)


def is_traded(code: str, markets: object) -> bool:
    """Whether a code is of the markets as they were given; what is wrong is judged elsewhere."""
    try:
        region = region_of(parse_instrument(code))
        return region in TypeAdapter(Markets).validate_python(markets or (Region.KR,))
    except ValueError:
        return True
