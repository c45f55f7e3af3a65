"""The seams: what the engine needs of the world, as Protocols. No behaviour lives here."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from daemon.core.events import AccountReported, Event, OrderKind
from daemon.core.orders import Order
from daemon.core.tieout import BrokerProfit
from daemon.core.values import (
    AccountId,
    Bar,
    BrokerRef,
    ExpectedPrice,
    InstrumentId,
    Interest,
    LinkDown,
    LinkUp,
    MarketStatus,
    OrderBook,
    Record,
    Region,
    Tick,
)
from daemon.core.witness import BrokerNotice, BrokerOrder

MarketEvent = Tick | OrderBook | ExpectedPrice | MarketStatus | Record
"""What the stream tells of the market; the first two are by far the most."""

FeedEvent = MarketEvent | BrokerNotice | LinkUp | LinkDown


class Clock(Protocol):
    """Time, handed in so that tests and the simulator can own it."""

    def now(self) -> datetime:
        """The wall clock, aware UTC. In a simulation it may start anywhere and run faster."""

    @property
    def known(self) -> bool:
        """Whether `now` is the broker's time for certain."""

    @property
    def sure_since(self) -> float:
        """The second of `monotonic` since which ages can be told, -infinity if they always could.

        Infinity while the machine may have stood still and the broker has not told the time since.
        """

    def monotonic(self) -> float:
        """Seconds that never go back and run at the machine's pace: for waits, deadlines and ages.

        They go on while the machine sleeps, and are the same for all of its processes.
        """


class RequestBudget(Protocol):
    """Slots for requests, shared by every process that uses the same key.

    A slot is taken before a request leaves and given back when its reply has arrived; it can
    be taken again one period later. Times are `Clock.monotonic()` seconds.
    """

    def take(self, now: float, *, hold: float) -> int | None:
        """Take a free slot, or `None`. A slot never given back frees itself `hold` seconds on."""

    def give_back(self, slot: int, now: float) -> None:
        """The reply to the request that held `slot` has arrived."""

    def free_at(self, now: float) -> float:
        """When the next slot is free; at most `now` if one is free already."""


class InstrumentInfo(NamedTuple):
    """What the venue says of an instrument today. Prices in the instrument's currency.

    `step` is the price step at the last price, `day_volume` the shares traded today,
    `None` where the venue does not say; the limits are `None` where a day has none.
    """

    instrument: InstrumentId
    last: Decimal
    base: Decimal
    upper_limit: Decimal | None
    lower_limit: Decimal | None
    step: Decimal
    day_volume: int | None


class Broker(Protocol):
    """One account at one broker.

    `regions` are whose orders, cash and holdings make up the account: inquiries are about some of
    them, and about all unless told.
    Order calls return, raise `Refused` (certainly no effect) or `OutcomeUnknown`, and are never
    repeated. `leaving` is called just before the first byte may leave: an error raised
    without that call proves nothing left. It is called again only if the broker turned the
    request away unread, for its token, and it is about to leave a second time; what `leaving`
    raises keeps it from leaving. Inquiries repeat by themselves up to their
    deadline, reach the last page or raise: a short answer is never a small portfolio.
    """

    account_id: AccountId

    @property
    def regions(self) -> Sequence[Region]:
        """The regions of the account, at least one."""

    def know(self, region: Region, ours: Iterable[InstrumentId]) -> None:
        """All that we hold and have ordered in a region of several markets, said anew each time.

        An answer that names another exchange of theirs is understood by it.
        """

    def unready(self) -> str:
        """Why no order could leave just now, such as a token being renewed; empty when one can."""

    async def place(self, order: Order, *, leaving: Callable[[], None]) -> BrokerRef: ...
    async def modify(
        self, order: Order, limit: Decimal, *, leaving: Callable[[], None]
    ) -> BrokerRef: ...
    async def cancel(self, order: Order, *, leaving: Callable[[], None]) -> None: ...

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        """Every order of the regions from the day `since` until today, all pages.

        `since` counts in each region by its own dates.
        """

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        """Cash and holdings of the regions, all pages."""

    async def orderable_cash(
        self, instrument: InstrumentId, kind: OrderKind, limit: Decimal | None
    ) -> Decimal:
        """What may be spent on an order like this one without borrowing, in its currency."""


class Access(Protocol):
    """The right to speak to the broker, which ends and is renewed."""

    async def renew_ahead(self, until: datetime) -> None:
        """Make sure now that it lasts until `until`, as far as the broker grants it that long."""


class DaySource(Protocol):
    """Somebody else's word on trading days, beside our own table."""

    async def trades_on(self, region: Region, day: date) -> bool | None:
        """Whether `day` is a trading day, `None` where that is not told. Raises `TradingError`."""


class ProfitSource(Protocol):
    """The broker's own profit and loss."""

    async def trade_profits(
        self, region: Region, first: date, last: date, *, traded: Collection[InstrumentId]
    ) -> Sequence[BrokerProfit]:
        """Every instrument traded from `first` to `last`, at home; abroad, every one sold.

        `traded` is what we traded then: an answer that names another exchange of theirs is
        understood by it. Raises `TradingError`.
        """


class MarketData(Protocol):
    """Quotes by inquiry. Raises `TradingError` when no answer came before the deadline."""

    async def info(self, instrument: InstrumentId) -> InstrumentInfo: ...
    async def order_book(self, instrument: InstrumentId) -> OrderBook: ...

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Up to `count` (at most 100) daily bars, oldest first; the last may be today's."""

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Up to `count` one-minute bars ending now, oldest first."""


class Feed(Protocol):
    """The broker's stream, across all reconnects."""

    def want(self, interests: Sequence[Interest]) -> None:
        """Set the whole desired set, most important first; what does not fit is left out.

        Raises `ValueError` for an interest the broker's stream has no channel for.
        """

    @property
    def confirmed(self) -> Collection[Interest]:
        """What the broker said it sends; the rest of the desired set comes late or not at all."""

    def canonical(self, interest: Interest) -> Interest:
        """The same interest by the one name that its news goes by: the broker's own names for a
        channel are aliases. Raises `ValueError` for what the stream does not bring.
        """

    def renew(self, interest: Interest) -> None:
        """Register for it anew: nothing comes although something should."""

    def reconnect(self, cause: str) -> None:
        """Give the connection up and open another: it is alive and brings nothing."""

    async def run(self, emit: Callable[[FeedEvent], None]) -> None:
        """Connect and stay connected for ever; raises only `NeedsOperator` or a bug."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The fold of the first `facts` of a journal; it says nothing that they do not.

    `portfolio` and `profit` are what those books remember, by name. `minted` are the order ids
    given, by day.
    """

    facts: int
    minted: Mapping[date, int]
    portfolio: Mapping[str, Any]
    profit: Mapping[str, Any] | None


class Journal(Protocol):
    """The record of facts: append-only, durable when `append` returns."""

    def append(self, events: Sequence[Event]) -> None:
        """Write all of `events` or none, in one transaction; raises `OSError` on failure."""

    def replay(self) -> Iterable[Event]:
        """Every fact so far, oldest first."""

    def checkpoint(self) -> tuple[Checkpoint, Iterable[Event]] | None:
        """What the facts up to a moment came to, and the facts since; `None` to replay them all."""

    def compact(self, checkpoint: Checkpoint) -> None:
        """Keep what all facts so far came to, and put them away for `replay` alone.

        All of it is done or nothing; raises `OSError` on failure.
        """

    def probe(self) -> None:
        """Make something durable that is no fact; raises `OSError` where `append` would."""


class AccessToken(NamedTuple):
    """A bearer token and the instant (UTC) it stops working."""

    value: str
    expires_at: datetime
    issued_at: datetime


class TokenStore(Protocol):
    """Where processes of one key share their token."""

    def load(self) -> AccessToken | None:
        """The stored token, or `None`; a damaged file reads as `None`."""

    def save(self, token: AccessToken) -> None:
        """Replace the stored token, readable by this user alone."""

    def issuing(self) -> "ExclusiveTurn":
        """The right to issue: at most one process holds it."""


class ExclusiveTurn(Protocol):
    """An advisory lock. `acquire` never blocks."""

    def acquire(self) -> bool: ...
    def release(self) -> None: ...
