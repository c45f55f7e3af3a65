"""The sections of the settings, each checked by itself."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from daemon.core.risk import RiskLimits
from daemon.core.values import BOOK, TRADES, InstrumentId, Market, market_of, parse_instrument
from daemon.sim import options as simulator

CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""`module:Class`."""


def _instrument(value: str) -> InstrumentId:
    instrument = parse_instrument(value)
    if market_of(instrument) is not Market.KRX:
        raise ValueError("only KRX instruments are traded in this version")
    return instrument


Instrument = Annotated[str, AfterValidator(_instrument)]
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
    """The limits of `core.risk`; amounts in KRW, `price_collar` a fraction of the last price."""

    max_order_quantity: int = Field(ge=1)
    max_order_notional: Amount
    max_position_notional: Amount
    price_collar: Decimal = Field(gt=0, le=Decimal("0.3"))
    max_orders_per_minute: int = Field(ge=1)

    def limits(self) -> RiskLimits:
        """As the core knows them."""
        return RiskLimits(**dict(self))


class SimSettings(Section):
    """The simulator: `start` is simulated time, `speed` simulated seconds a second, cash KRW."""

    seed: int = 20260102
    start: AwareDatetime | None = None
    speed: float = Field(default=60.0, ge=simulator.SLOWEST, le=simulator.FASTEST)
    cash: Amount = Decimal(100_000_000)


class ApiSettings(Section):
    """Calls of the catalogue: `older_ids` sends the deprecated TR ids where a call has any."""

    older_ids: bool = False


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
