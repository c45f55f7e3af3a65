"""What could not be closed in an emergency, and why."""

from dataclasses import dataclass
from enum import StrEnum

from daemon.core.values import InstrumentId, OrderId

NO_ORDER = OrderId("")


class LeftCause(StrEnum):
    """Why an order is still open, or shares are still held, in an emergency."""

    UNDER_WAY = "under_way"
    MARKET_CLOSED = "market_closed"
    INSTRUMENT_HALTED = "instrument_halted"
    NO_PRICE = "no_price"
    IN_DOUBT = "in_doubt"
    REFUSED = "refused"
    DENIED = "denied"
    UNKNOWN_SHARES = "unknown_shares"
    GATE_CLOSED = "gate_closed"
    NOT_TOLD = "not_told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What could not be closed yet: so many shares, of an open order or, with `order` empty, of a
    holding."""

    instrument: InstrumentId
    quantity: int
    cause: LeftCause
    detail: str
    order: OrderId = NO_ORDER
