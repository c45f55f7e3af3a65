"""The plug-in surface: everything a strategy sees, and nothing it could break.

A strategy is one coroutine. Its local variables are its state machine; it ends when it returns.
An exception stops that strategy alone. It never reads a clock or opens a socket of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from daemon.core.calendar import MarketCalendar
from daemon.core.events import OrderEvent, OrderIntent, OrderKind, TimeInForce
from daemon.core.orders import Order
from daemon.core.portfolio import Position
from daemon.core.risk import Denied
from daemon.core.values import (
    Bar,
    ExpectedPrice,
    InstrumentId,
    Interest,
    MarketStatus,
    OrderBook,
    OrderId,
    Quote,
    Record,
    Region,
    Session,
    StrategyId,
    Tick,
)


class MarketGap(NamedTuple):
    """Market data is missing since `down_since`; `up` tells whether it flows again.

    Of one `instrument`, or of all for `None`: gaps of single instruments stay open over that. What
    is known of its prices meanwhile is old, but for a `Quote` that comes by inquiry; `MissedBars`
    follow once it flows again, if there are any. With a `channel`, such as `"book"`, only news of
    that kind is missing, and trades are not.
    """

    at: datetime
    down_since: datetime
    up: bool
    instrument: InstrumentId | None = None
    cause: str = ""
    channel: str = ""


class MissedBars(NamedTuple):
    """One-minute bars of a gap, by inquiry, oldest first, each over when it was asked for.

    The first and the last may overlap ticks that came before and after the gap.
    """

    instrument: InstrumentId
    since: datetime
    bars: tuple[Bar, ...]


class SessionOpened(NamedTuple):
    """Continuous trading has begun in a region the strategy trades in.

    Told once a day, soon after `opens_at`, also over restarts of the daemon: a strategy that
    starts later in the day asks its calendar.
    """

    region: Region
    day: date
    opens_at: datetime
    closes_at: datetime


class SessionClosed(NamedTuple):
    """The regular session of a region the strategy trades in is over. Told once a day."""

    region: Region
    day: date
    closed_at: datetime


SessionEvent = SessionOpened | SessionClosed

StrategyEvent = (
    Tick
    | OrderBook
    | Quote
    | ExpectedPrice
    | MarketStatus
    | Record
    | OrderEvent
    | MarketGap
    | MissedBars
    | SessionEvent
)
"""What `StrategyContext.events` yields. Order facts, gaps, missed bars, opens and closes are never
dropped; when a strategy falls behind, only the newest event of each other kind and instrument is
kept."""


class Parameters(BaseModel):
    """Base of a strategy's settings: unknown names and wrong types are refused at start."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StrategyContext(Protocol):
    """What the daemon offers a strategy. Quantities in shares, prices in the local currency."""

    @property
    def id(self) -> StrategyId: ...
    @property
    def instruments(self) -> tuple[InstrumentId, ...]: ...
    @property
    def calendar(self) -> MarketCalendar:
        """That of its first instrument: of all of them unless it trades in two countries."""

    def now(self) -> datetime:
        """The time of the market this strategy trades in, aware UTC; simulated in a simulation."""

    def events(self) -> AsyncIterator[StrategyEvent]:
        """Everything that happens to the strategy's instruments and orders, in order."""

    def watch(self, *interests: Interest) -> None:
        """Be told of more, such as `Interest("program", instrument)`, from now on.

        Raises `ValueError` for news that the broker's stream does not bring.
        """

    def unwatch(self, *interests: Interest) -> None:
        """Do not be told of these any more; others may still be."""

    def position(self, instrument: InstrumentId) -> Position:
        """What this strategy itself holds, over restarts."""

    def orders(self) -> Sequence[Order]:
        """This strategy's open orders, oldest first."""

    def order(self, order_id: OrderId) -> Order | None:
        """One of this strategy's orders, open or closed."""

    def last_price(self, instrument: InstrumentId) -> Decimal | None:
        """The last trade's price, `None` before the first."""

    def age(self, instrument: InstrumentId) -> timedelta | None:
        """How old what is known of its last price may be; `None` before any is known.

        Counts from the receipt of the last tick, or from when the inquiry of a `Quote` was asked.
        An instrument that does not trade grows old, too: only a `MarketGap` says that news is
        missing.
        """

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Daily bars by inquiry, oldest first, today's last; raises `TradingError`."""

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """One-minute bars by inquiry, oldest first, ending now; raises `TradingError`."""

    def buy(
        self,
        instrument: InstrumentId,
        quantity: int,
        *,
        limit: Decimal | None,
        time_in_force: TimeInForce = TimeInForce.DAY,
        reason: str,
        session: Session = Session.REGULAR,
        kind: OrderKind | None = None,
    ) -> OrderIntent:
        """Word a purchase: at `limit`, or at market for `None`. Nothing is sent yet.

        `session` is where alone it may trade: see docs/hours.md. `kind` other than by the limit is
        for the best prices of the after-market.
        """

    def sell(
        self,
        instrument: InstrumentId,
        quantity: int,
        *,
        limit: Decimal | None,
        time_in_force: TimeInForce = TimeInForce.DAY,
        reason: str,
        session: Session = Session.REGULAR,
        kind: OrderKind | None = None,
    ) -> OrderIntent:
        """Word a sale: as `buy` words a purchase."""

    async def submit(self, *intents: OrderIntent) -> tuple[Order | Denied, ...]:
        """Send all intents at once and return, in their order, what became of each.

        An `Order` is returned once the broker answered or the answer is overdue; look at its
        `state`. `Denied` names the rule that refused it: it was never sent.
        """

    async def modify(self, order_id: OrderId, limit: Decimal) -> Order | Denied:
        """Move the whole open quantity to another price."""

    async def cancel(self, *order_ids: OrderId) -> tuple[Order, ...]:
        """Ask the broker to cancel the open rest; the confirmation comes as an event.

        Raises `TryLater` when the strategies cancel more often than the settings allow, after it
        has asked for as many as they do: cancel the same orders again for the rest.
        """


class Strategy(ABC):
    """Base of all strategies.

    A subclass may narrow `Parameters`; it is validated before the daemon starts and handed to
    the constructor, where it is kept as `self.parameters`.
    """

    Parameters: ClassVar[type[Parameters]] = Parameters

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    def anew(self) -> "Strategy":
        """Another one like it that has not run yet, for a start after it has ended."""
        return type(self)(self.parameters)

    @abstractmethod
    async def run(self, context: StrategyContext) -> None:
        """Trade until done; called once a start. Runs for as long as the daemon if it loops."""
