"""The sections of the settings, each checked by itself."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from daemon.core.events import TradingState
from daemon.core.limits import RiskLimits
from daemon.core.switch import SwitchPolicy
from daemon.core.values import BOOK, TRADES, InstrumentId, Market, market_of, parse_instrument
from daemon.sim import options as simulator

CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""`module:Class`."""


def _instrument(value: str) -> InstrumentId:
    instrument = parse_instrument(value)
    if market_of(instrument) is not Market.KRX:
        raise ValueError("only KRX instruments are traded in this version")
    return instrument


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Instrument = Annotated[str, AfterValidator(_instrument)]
Instruments = Annotated[frozenset[Instrument], BeforeValidator(_split)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """Base of them all: unknown names are refused, nothing changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


class StrategySettings(Section):
    """One strategy to run: its id, its class as `module:Class`, what it trades, its parameters.

    `channels` is the news it wants of every instrument. Where the stream has no room for all, the
    strategy with the lower `priority` comes first.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    class_: str = Field(alias="class", pattern=f"^{CLASS.pattern}$")
    instruments: tuple[Instrument, ...] = Field(min_length=1)
    channels: Annotated[tuple[str, ...], Field(min_length=1)] = (TRADES, BOOK)
    priority: int = 0
    parameters: dict[str, Any] = {}

    @model_validator(mode="after")
    def _no_repetition(self) -> "StrategySettings":
        if len(set(self.instruments)) != len(self.instruments):
            raise ValueError("an instrument is listed twice")
        return self


class RiskSettings(Section):
    """The limits of `core.limits`, each explained in docs/risk.md; amounts in KRW.

    What has a default is limited without being named; real trading wants every one of `EXPLICIT`
    chosen by the person whose money it is. `null`, where it is allowed, limits nothing.
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

    def limits(self) -> RiskLimits:
        """As the core knows them."""
        return RiskLimits(**dict(self))

    def not_chosen(self) -> list[str]:
        """The limits that real trading wants to be chosen, and nobody has."""
        return [name for name in EXPLICIT if name not in self.model_fields_set]


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


class SimSettings(Section):
    """The simulator: `start` is simulated time, `speed` simulated seconds a second, cash KRW."""

    seed: int = 20260102
    start: AwareDatetime | None = None
    speed: float = Field(default=60.0, ge=simulator.SLOWEST, le=simulator.FASTEST)
    cash: Amount = Decimal(100_000_000)


class FeedSettings(Section):
    """The stream: how many registrations it may hold, and what may be asked for beside it.

    `registrations` counts the order notices, too; the broker allows 41 a key, fewer to some.
    `inquiry_share` is the part of the requests a second that may go to prices the stream does not
    bring, or has gone silent on.
    """

    registrations: int | None = Field(default=None, ge=2, le=200)
    inquiry_share: float = Field(default=0.1, gt=0, le=0.5)


class LogSettings(Section):
    """How much is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
