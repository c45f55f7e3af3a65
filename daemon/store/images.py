"""A checkpoint in bytes, and which program can read it.

Only the very program that wrote one reads it: any other folds the facts anew. So it needs no
versions, and a fold that was mended is believed at once.
"""

import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from daemon.core.activity import Activity, Pace
from daemon.core.acts import Acts
from daemon.core.costs import Costs
from daemon.core.entries import BrokerDayTold, Entries, EntriesBarred, EntryBar
from daemon.core.events import DiscrepancyFound, ExternalOrderSeen, ProfitMarked, TradingState
from daemon.core.orders import Order
from daemon.core.portfolio import OrderKey, Position
from daemon.core.profit import DayTrades, KnownOrder
from daemon.core.settlement import SettlementBook
from daemon.core.values import Currency, InstrumentId, OrderId, Region, StrategyId
from daemon.ports import Checkpoint

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _paired(found: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    return list(found.items())


def _unpaired(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    return {tuple(key): value for key, value in pairs}


def _fields(told: Any) -> dict[str, Any]:
    return {each.name: getattr(told, each.name) for each in fields(told)}


Pairs = Annotated[dict[K, V], BeforeValidator(_unpaired), PlainSerializer(_paired)]
"""By keys of several parts, which JSON has no name for."""

Owned = tuple[StrategyId, InstrumentId]


class _Activity(TypedDict):
    orders: Pace
    cancels: Pace
    losing_exits: Pairs[Owned, datetime]


class _Entries(TypedDict):
    _bars: Pairs[tuple[Region, EntryBar], EntriesBarred]
    _told: dict[Region, BrokerDayTold]


@with_config(ConfigDict(extra="forbid"))
class PortfolioShape(TypedDict):
    """What `Portfolio.image` holds."""

    orders: dict[OrderId, Order]
    positions: dict[InstrumentId, Position]
    cash: dict[Currency, Decimal]
    opened: bool
    costs: dict[Currency, Decimal]
    state: TradingState
    state_reason: str
    halted: str
    profit_mark: ProfitMarked | None
    activity: Annotated[
        _Activity,
        AfterValidator(lambda told: Activity(**told)),
        PlainSerializer(_fields, return_type=_Activity),
    ]
    entries: Annotated[
        _Entries,
        AfterValidator(lambda told: Entries(**told)),
        PlainSerializer(_fields, return_type=_Entries),
    ]
    acts: Acts
    armed: bool
    jobs_done: set[tuple[str, date]]
    discrepancies: dict[str, DiscrepancyFound]
    external: Pairs[OrderKey, ExternalOrderSeen]
    _traded: dict[Currency, Decimal]
    _traded_by: dict[Currency, set[OrderId]]
    _charged: dict[Currency, Decimal]
    _traded_on: dict[Currency, date]
    _by_strategy: Pairs[Owned, Position]


@with_config(ConfigDict(extra="forbid"))
class ProfitShape(TypedDict):
    """What `ProfitBook.image` holds."""

    basis: str
    settlements: SettlementBook
    charged: dict[Currency, Decimal]
    unknown: dict[InstrumentId, str]
    _account: dict[InstrumentId, Position]
    _strategies: Pairs[Owned, Position]
    _costs: Pairs[Owned, Costs]
    _orders: dict[OrderId, KnownOrder]
    _days: dict[date, dict[InstrumentId, DayTrades]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    facts: int
    minted: dict[date, int]
    portfolio: PortfolioShape
    profit: ProfitShape | None


_KEPT: TypeAdapter[Any] = TypeAdapter(_Kept)
_FAST = 1


def encode(checkpoint: Checkpoint) -> bytes:
    """What `decode` reads back as the same."""
    kept = _Kept(**_fields(checkpoint))
    return zlib.compress(_KEPT.dump_json(kept, warnings="error"), _FAST)


def decode(told: bytes) -> Checkpoint:
    """Raises `ValueError` for what `encode` did not write."""
    try:
        kept = _KEPT.validate_json(zlib.decompress(told))
    except (zlib.error, ValidationError) as error:
        raise ValueError(f"it is no checkpoint: {error}") from error
    return Checkpoint(
        facts=kept.facts, minted=kept.minted, portfolio=kept.portfolio, profit=kept.profit
    )


@cache
def program() -> str:
    """What tells this program from any other that folds facts: a digest of its sources."""
    root = Path(__file__).parents[1]
    digest = sha256()
    for source in sorted(root.rglob("*.py")):
        content = source.read_bytes()
        digest.update(f"{source.relative_to(root)} {len(content)}\n".encode() + content)
    return digest.hexdigest()
