"""The words of the simulated exchange: orders, what may be asked of it, and what it reports."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from daemon.core.values import Side


class Condition(StrEnum):
    """What happens to the part of an order that does not trade at once."""

    NONE = "none"
    IOC = "ioc"
    FOK = "fok"


class Action(StrEnum):
    """What an order number stands for."""

    NEW = "new"
    MODIFY = "modify"
    CANCEL = "cancel"


class RefusalReason(StrEnum):
    """Why the exchange or the broker's gate did not take a request."""

    CLOSED_DAY = "closed_day"
    BEFORE_HOURS = "before_hours"
    AFTER_HOURS = "after_hours"
    AUCTION_TYPE = "auction_type"
    UNKNOWN_SYMBOL = "unknown_symbol"
    QUANTITY = "quantity"
    PRICE_STEP = "price_step"
    PRICE_LIMIT = "price_limit"
    FUNDS = "funds"
    HOLDINGS = "holdings"
    NO_ORIGINAL = "no_original"
    NOTHING_LEFT = "nothing_left"
    TOO_MANY = "too_many"


class Refusal(Exception):
    """The request had no effect whatever; `reason` says why."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A wish to trade. `price` is `None` for a market order.

    `division`, `branch`, `venue` and `origin` are the broker's own words; the exchange only
    keeps them with the order.
    """

    account: str
    code: str
    side: Side
    quantity: int
    price: Decimal | None
    condition: Condition = Condition.NONE
    division: str = "00"
    branch: str = ""
    venue: str = "KRX"
    origin: str = "OpnAPI"


@dataclass(slots=True, kw_only=True)
class Order:
    """One order number of an account and all that became of it.

    `moved` shares live on under the number of a later modify order; `expired` is set on what
    was still open when its day ended.
    """

    number: int
    day: date
    at: datetime
    request: OrderRequest
    action: Action = Action.NEW
    original: int | None = None
    filled: int = 0
    notional: Decimal = Decimal(0)
    cancelled: int = 0
    refused: int = 0
    moved: int = 0
    expired: bool = False

    @property
    def remaining(self) -> int:
        """Shares neither traded nor taken back; a cancel request has none of its own."""
        if self.action is Action.CANCEL:
            return 0
        gone = self.filled + self.cancelled + self.refused + self.moved
        return self.request.quantity - gone

    @property
    def is_open(self) -> bool:
        """Whether it still stands in the book."""
        return self.remaining > 0 and not self.expired

    @property
    def average_price(self) -> Decimal:
        """Money per share filled, zero when nothing was."""
        return self.notional / self.filled if self.filled else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAccepted:
    """A new order stands or is about to trade."""

    order: Order
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled:
    """`quantity` shares of the order traded at `price`."""

    order: Order
    quantity: int
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderModified:
    """`quantity` shares of the original now live under `order`."""

    order: Order
    quantity: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled:
    """`quantity` shares of `original` were taken back; `order` is the cancel request."""

    order: Order
    original: Order
    quantity: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RestDropped:
    """The exchange dropped what an IOC or FOK order could not trade at once."""

    order: Order
    quantity: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected:
    """The exchange refused an order that the broker had already taken."""

    order: Order
    at: datetime


OrderFact = (
    OrderAccepted | OrderFilled | OrderModified | OrderCancelled | RestDropped | OrderRejected
)


@dataclass(frozen=True, slots=True)
class Print:
    """A trade of the market; `aggressor` is `None` in an auction."""

    code: str
    price: Decimal
    quantity: int
    aggressor: Side | None
    at: datetime
