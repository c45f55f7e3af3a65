"""What the broker says of our orders: notices as it happens, list rows when asked."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from daemon.core.events import OrderIntent, OrderKind
from daemon.core.values import (
    AccountId,
    BrokerRef,
    InstrumentId,
    Region,
    Session,
    Side,
    StrategyId,
    region_of,
)
from daemon.core.zones import local_date


class NoticeKind(StrEnum):
    """What a notice of the order stream says happened."""

    ACCEPTED = "accepted"
    FILLED = "filled"
    MODIFIED = "modified"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    MODIFY_REFUSED = "modify_refused"
    CANCEL_REFUSED = "cancel_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerNotice:
    """One message of the order stream. It carries no execution id and is never replayed.

    `number` is the order it is about; after a modify, `new_number` is where the order lives.
    `quantity` is traded (FILLED), cancelled (CANCELLED) or ordered shares, `price` the traded
    or limit price, `None` where there is none. `branch` belongs to the number: see `BrokerRef`.
    """

    account: AccountId
    kind: NoticeKind
    branch: str
    number: str
    new_number: str | None
    instrument: InstrumentId
    side: Side
    quantity: int
    price: Decimal | None
    exchange_time: datetime
    received_at: datetime

    @property
    def region(self) -> Region:
        """Whose order numbers `number` is one of."""
        return region_of(self.instrument)

    @property
    def day(self) -> date:
        """The market's calendar date of the notice."""
        return local_date(self.region, self.exchange_time)

    @property
    def key(self) -> tuple[Region, date, str]:
        """What tells the order it is about from the account's other ones."""
        return self.region, self.day, self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order in the broker's own list, with everything that was done to it folded in.

    `refs` are all its numbers, the first one first and the current one last (a modify gives a
    new number). `quantity` is as first ordered; `filled` and `notional` are cumulative over
    all numbers; `remaining` is open now and `cancelled` what the broker confirms as taken back
    or dropped. Shares that are none of these moved to a number the list does not show. `limit` is
    the price in force and `first_limit` the one ordered at, `None` at market. Not `rooted`, the
    first number's own row is missing: only the numbers are told, no figure is. It trades in
    `session`, and `unpriced` is how it is priced without a limit; lists of other countries tell
    neither. Not `movable`, it is of a type that we cannot word, such as a stop: a new price would
    make another order of it, while a cancel does no harm.
    """

    refs: tuple[BrokerRef, ...]
    instrument: InstrumentId
    side: Side
    quantity: int
    limit: Decimal | None
    first_limit: Decimal | None
    rooted: bool
    filled: int
    notional: Decimal
    remaining: int
    cancelled: int
    rejected: int
    ordered_at: datetime
    session: Session = Session.REGULAR
    unpriced: OrderKind = OrderKind.MARKET
    movable: bool = True

    @property
    def kind(self) -> OrderKind:
        """How it is priced now."""
        return self.unpriced if self.limit is None else OrderKind.LIMIT

    def intent(self, account: AccountId, strategy: StrategyId, quantity: int) -> OrderIntent:
        """What was wanted, for `quantity` shares and at the price in force, as if by `strategy`.

        Orders for the moment do not stay in the book: it is taken to be for the day.
        """
        return OrderIntent(
            account=account,
            strategy=strategy,
            instrument=self.instrument,
            side=self.side,
            quantity=quantity,
            kind=self.kind,
            limit=self.limit,
            session=self.session,
        )

    @property
    def accounted(self) -> bool:
        """Whether the list tells what became of every share of the order."""
        told = self.filled + self.remaining + self.cancelled + self.rejected
        return told >= self.quantity

    @property
    def region(self) -> Region:
        """Whose order numbers `refs` are."""
        return region_of(self.instrument)

    @property
    def key(self) -> tuple[Region, date, str]:
        """What tells the order from the account's other ones: by its first number."""
        return self.region, self.refs[0].day, self.refs[0].number

    @property
    def day(self) -> date:
        """The market's calendar date the order belongs to."""
        return self.refs[0].day
