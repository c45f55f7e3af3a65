"""The vocabulary of facts: everything that is journalled, and nothing that is not.

Facts are frozen and named in the past tense; state is their fold. A new fact needs a class
here and a member of `Event`; the journal writes it without further help.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from daemon.core.acts import ActEvent
from daemon.core.entries import BrokerDayTold, CloseAction, EntriesBarred, EntriesFreed
from daemon.core.leftovers import Left
from daemon.core.values import (
    AccountId,
    BrokerRef,
    Currency,
    InstrumentId,
    OrderId,
    Region,
    Session,
    Side,
    StrategyId,
    region_of,
)


class OrderKind(StrEnum):
    """How an order is priced."""

    LIMIT = "limit"
    MARKET = "market"
    """Without a limit: at the closing price in a session that trades at that alone."""
    BEST_OPPOSITE, BEST_OWN = "best_opposite", "best_own"
    """At a best price of the book, in the after-market of KRX."""


class TimeInForce(StrEnum):
    """How long an order may wait: for the session, or only for the moment it arrives."""

    DAY = "day"
    IOC = "ioc"
    FOK = "fok"


class FillSource(StrEnum):
    """Who told us of a fill: the stream as it happened, or an inquiry afterwards."""

    NOTICE = "notice"
    INQUIRY = "inquiry"


def check_price(limit: object) -> None:
    """Raise `ValueError` for what is no price, nor `None`: money is never a binary float."""
    if limit is not None and not (isinstance(limit, Decimal) and limit.is_finite() and limit > 0):
        raise ValueError(f"limit price {limit!r} must be a Decimal above zero: Decimal('70100')")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """What is wanted. `limit` is a price for `LIMIT` and `None` for any other kind.

    It trades in `session` alone and ends with it. `at_market`: it was asked for at market, and
    `limit` is how an exchange without such orders takes it. `request` is the word of the person's
    request it was made from, empty for a strategy's.
    """

    account: AccountId
    strategy: StrategyId
    instrument: InstrumentId
    side: Side
    quantity: int
    kind: OrderKind
    limit: Decimal | None
    time_in_force: TimeInForce = TimeInForce.DAY
    reason: str = ""
    at_market: bool = False
    request: str = ""
    session: Session = field(default=Session.REGULAR, repr=False)  # traces stay as they were

    def __post_init__(self) -> None:
        if type(self.quantity) is not int or self.quantity <= 0:
            raise ValueError(f"quantity {self.quantity!r} must be a whole number (int) of shares")
        check_price(self.limit)
        if (self.kind is OrderKind.LIMIT) != (self.limit is not None):
            raise ValueError(f"limit price {self.limit} does not go with a {self.kind} order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Shares traded for an order.

    `notional` is the exact amount in the instrument's currency, before costs. An inquiry may
    report several fills as one, so the price is derived and may be an average.
    """

    instrument: InstrumentId
    side: Side
    quantity: int
    notional: Decimal
    source: FillSource
    exchange_time: datetime

    @property
    def price(self) -> Decimal:
        """Average price a share."""
        return self.notional / self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCreated:
    """An approved intent got its identity. Nothing has left yet."""

    order: OrderId
    intent: OrderIntent
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSent:
    """Written just before the first byte may leave: from here on the order may exist."""

    order: OrderId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAccepted:
    """The broker knows the order under `ref`."""

    order: OrderId
    ref: BrokerRef
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected:
    """Proven to have no effect. `retryable`: the cause passes, a new order may be decided."""

    order: OrderId
    code: str
    reason: str
    at: datetime
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDoubted:
    """Sent, and no definite answer came: only the broker's own books can end this."""

    order: OrderId
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled:
    """Some or all shares of an order traded."""

    order: OrderId
    fill: Fill
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRepriced:
    """The shares we counted traded for `amount` more (or less, if negative) than we thought.

    Late and lost notices can pair the right number of shares with another fill's price; the
    broker's cumulative amount is exact.
    """

    order: OrderId
    amount: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSent:
    """A cancel request is about to leave."""

    order: OrderId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRefused:
    """The order is as it was before the cancel; often because it had just filled."""

    order: OrderId
    code: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifySent:
    """A request to move the whole open quantity to the price `limit` is about to leave."""

    order: OrderId
    limit: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyRefused:
    """The order keeps its old price."""

    order: OrderId
    code: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderModified:
    """The open quantity now rests at `limit`, under a new number at the broker."""

    order: OrderId
    ref: BrokerRef
    limit: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReduced:
    """`quantity` open shares were cancelled at the broker and others remain open."""

    order: OrderId
    quantity: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled:
    """Nothing is left open: the rest was cancelled, by us, by hand or by the exchange."""

    order: OrderId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExpired:
    """The trading day ended and took the open rest with it. KRX sends no notice of this."""

    order: OrderId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Shares the broker says the account holds; `cost` is what they were bought for in all."""

    instrument: InstrumentId
    quantity: int
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReported:
    """The broker's books, complete, as adopted by ours; those of one `region` alone if it is named.

    `cash` is trade-date cash by currency: what is left once every trade made so far has settled.
    A currency that is not told of counts as none of it. `rates` are KRW for one unit, as far as
    the broker tells. `unbooked` names regions by the day whose trades may not be in it yet: see
    `core.books.booked`, which adds ours. Recorded when the journal is first opened on an account,
    and when an operator accepts the broker's books after a discrepancy.
    """

    account: AccountId
    cash: Mapping[Currency, Decimal]
    holdings: tuple[Holding, ...]
    at: datetime
    rates: Mapping[Currency, Decimal] = field(default_factory=dict)
    region: Region | None = None
    unbooked: Mapping[Region, date] = field(default_factory=dict)

    def tells_of(self, currency: Currency) -> bool:
        """Whether cash and holdings in `currency` are among these books."""
        return self.region is None or currency is self.region.currency

    def cash_of(self, currency: Currency) -> Decimal:
        """Trade-date cash in one currency."""
        return self.cash.get(currency, Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsCharged:
    """Fees and taxes that the broker's cash of one currency shows and no fill told of.

    A negative `amount` is given back.
    """

    account: AccountId
    amount: Decimal
    at: datetime
    currency: Currency = Currency.KRW


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalOrderSeen:
    """The account holder traded by hand or by another program. Reported, never touched."""

    account: AccountId
    day: date
    number: str
    instrument: InstrumentId
    side: Side
    quantity: int
    at: datetime

    @property
    def region(self) -> Region:
        """Whose order numbers `number` is one of."""
        return region_of(self.instrument)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscrepancyFound:
    """Our books and the broker's differ and no known cause explains it."""

    subject: str
    ours: str
    theirs: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscrepancyCleared:
    """The books agree again, or an operator accepted the broker's."""

    subject: str
    at: datetime


class TradingState(StrEnum):
    """What the kill switch lets pass. Cancels always do."""

    RUNNING = "running"
    REDUCE_ONLY = "reduce_only"
    """Only orders that make a position smaller."""

    HALTED = "halted"
    """No new order."""

    FLATTENING = "flattening"
    """No new order but the switch's own, which sell everything."""


class Actor(StrEnum):
    """Who moved the kill switch. `RISK` and `SWITCH` are the daemon itself."""

    OPERATOR = "operator"
    FILE = "file"
    SIGNAL = "signal"
    RISK = "risk"
    SWITCH = "switch"

    @property
    def is_person(self) -> bool:
        """Whether a person decided it: only that may loosen anything."""
        return self in (Actor.OPERATOR, Actor.FILE, Actor.SIGNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateChanged:
    """The kill switch moved. It stays there over restarts until it is moved again."""

    state: TradingState
    who: Actor
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyReported:
    """How far the kill switch has come, by the broker's own answers. `left` is empty when done."""

    state: TradingState
    left: tuple[Left, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitMarked:
    """What losses are measured from: the profit, in KRW, the day began with, and its peak.

    Profit is realised and unrealised, less costs, since the journal began. `rates` are the KRW for
    one unit that it was counted at; earlier versions did not tell them.
    """

    day: date
    start: Decimal
    peak: Decimal
    at: datetime
    rates: Mapping[Currency, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHalted:
    """Written by earlier versions: as `TradingStateChanged` to `HALTED`."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingResumed:
    """Written by earlier versions: as `TradingStateChanged` to `RUNNING`."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingArmed:
    """A person allowed this journal to trade real money, once."""

    account: AccountId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone:
    """A job of the timetable is done for the trading day `day`, and is not done again."""

    job: str
    day: date
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketCloseReported:
    """How far closing a region ahead of the close of `day` has come, by the broker's own answers.

    `done` is the broker's word, `over` tells that nothing more is tried.
    """

    region: Region
    day: date
    action: CloseAction
    left: tuple[Left, ...]
    done: bool
    over: bool
    at: datetime


OrderEvent = (
    OrderCreated
    | OrderSent
    | OrderAccepted
    | OrderRejected
    | OrderDoubted
    | OrderFilled
    | OrderRepriced
    | CancelSent
    | CancelRefused
    | ModifySent
    | ModifyRefused
    | OrderModified
    | OrderReduced
    | OrderCancelled
    | OrderExpired
)
Event = (
    OrderEvent
    | AccountReported
    | CostsCharged
    | ExternalOrderSeen
    | DiscrepancyFound
    | DiscrepancyCleared
    | TradingHalted
    | TradingResumed
    | TradingArmed
    | JobDone
    | BrokerDayTold
    | EntriesBarred
    | EntriesFreed
    | MarketCloseReported
    | TradingStateChanged
    | EmergencyReported
    | ProfitMarked
    | ActEvent
)
