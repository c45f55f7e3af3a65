"""Small makers of the values tests need, with defaults that do not matter to them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from daemon.core.events import (
    AccountReported,
    Fill,
    FillSource,
    Holding,
    OrderAccepted,
    OrderCreated,
    OrderFilled,
    OrderIntent,
    OrderKind,
    OrderSent,
    TimeInForce,
)
from daemon.core.limits import RiskLimits
from daemon.core.portfolio import Portfolio
from daemon.core.values import (
    AccountId,
    BrokerRef,
    Currency,
    InstrumentId,
    OrderBook,
    OrderId,
    Side,
    StrategyId,
    Tick,
)
from daemon.core.witness import BrokerNotice, BrokerOrder, NoticeKind

SAMSUNG = InstrumentId("krx:005930")
HYNIX = InstrumentId("krx:000660")
ACCOUNT = AccountId("12345678-01")
STRATEGY = StrategyId("test")
DAY = date(2026, 11, 23)
NINE = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
"""09:00 in Seoul."""

LIMITS = RiskLimits(
    max_order_quantity=100,
    max_order_notional=Decimal(10_000_000),
    max_position_notional=Decimal(20_000_000),
    price_collar=Decimal("0.05"),
    max_orders_per_minute=30,
)


def after(seconds: float) -> datetime:
    """That many seconds after nine."""
    return NINE + timedelta(seconds=seconds)


def intent(
    *,
    side: Side = Side.BUY,
    quantity: int = 10,
    limit: int | None = 70_000,
    instrument: InstrumentId = SAMSUNG,
    strategy: StrategyId = STRATEGY,
    time_in_force: TimeInForce = TimeInForce.DAY,
) -> OrderIntent:
    """A wish for ten Samsung shares at 70,000 KRW, unless told otherwise."""
    return OrderIntent(
        account=ACCOUNT,
        strategy=strategy,
        instrument=instrument,
        side=side,
        quantity=quantity,
        kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
        limit=None if limit is None else Decimal(limit),
        time_in_force=time_in_force,
    )


def ref(number: str) -> BrokerRef:
    """A broker's number of the day."""
    return BrokerRef(day=DAY, branch="06010", number=number)


def created(name: str, wish: OrderIntent | None = None) -> OrderCreated:
    return OrderCreated(order=OrderId(name), intent=wish or intent(), at=NINE)


def sent(name: str, at: datetime = NINE) -> OrderSent:
    return OrderSent(order=OrderId(name), at=at)


def accepted(name: str, number: str) -> OrderAccepted:
    return OrderAccepted(order=OrderId(name), ref=ref(number), at=NINE)


def filled(
    name: str,
    quantity: int,
    price: int = 70_000,
    *,
    side: Side = Side.BUY,
    instrument: InstrumentId = SAMSUNG,
    source: FillSource = FillSource.NOTICE,
) -> OrderFilled:
    fill = Fill(
        instrument=instrument,
        side=side,
        quantity=quantity,
        notional=Decimal(price) * quantity,
        source=source,
        exchange_time=NINE,
    )
    return OrderFilled(order=OrderId(name), fill=fill, at=NINE)


def tick(price: int = 70_000, *, instrument: InstrumentId = SAMSUNG, volume: int = 1) -> Tick:
    """One share traded; `volume`, the day's so far, tells ticks apart."""
    return Tick(
        instrument=instrument,
        price=Decimal(price),
        quantity=1,
        aggressor=Side.BUY,
        day_volume=volume,
        exchange_time=NINE,
        received_at=NINE,
    )


def empty_book(instrument: InstrumentId = SAMSUNG, at: datetime = NINE) -> OrderBook:
    """Nobody bids and nobody offers."""
    return OrderBook(instrument=instrument, bids=(), asks=(), exchange_time=at, received_at=at)


def reported(cash: int, **holdings: int) -> AccountReported:
    """The broker's books; holdings as `krx_005930=10`, bought at 70,000 KRW."""
    return AccountReported(
        account=ACCOUNT,
        cash={Currency.KRW: Decimal(cash)},
        holdings=tuple(
            Holding(
                instrument=InstrumentId(name.replace("_", ":")),
                quantity=quantity,
                cost=Decimal(70_000) * quantity,
            )
            for name, quantity in holdings.items()
        ),
        at=NINE,
    )


def funded(cash: int = 100_000_000, **holdings: int) -> Portfolio:
    """A portfolio whose opening books are these."""
    portfolio = Portfolio()
    portfolio.apply(reported(cash, **holdings))
    return portfolio


def notice(
    kind: NoticeKind,
    number: str,
    quantity: int,
    *,
    price: int | None = 70_000,
    side: Side = Side.BUY,
    new_number: str | None = None,
    at: datetime = NINE,
    instrument: InstrumentId = SAMSUNG,
) -> BrokerNotice:
    return BrokerNotice(
        account=ACCOUNT,
        kind=kind,
        branch="06010",
        number=number,
        new_number=new_number,
        instrument=instrument,
        side=side,
        quantity=quantity,
        price=None if price is None else Decimal(price),
        exchange_time=at,
        received_at=at + timedelta(milliseconds=50),
    )


def row(
    *numbers: str,
    quantity: int = 10,
    filled: int = 0,
    notional: int | None = None,
    remaining: int | None = None,
    cancelled: int | None = None,
    rejected: int = 0,
    limit: int | None = 70_000,
    side: Side = Side.BUY,
    ordered_at: datetime = NINE,
    day: date = DAY,
    instrument: InstrumentId = SAMSUNG,
) -> BrokerOrder:
    """A row that tells what became of every share, unless it is told otherwise."""
    open_now = quantity - filled - rejected - (cancelled or 0) if remaining is None else remaining
    gone = quantity - filled - rejected - open_now
    return BrokerOrder(
        refs=tuple(BrokerRef(day=day, branch="06010", number=number) for number in numbers),
        instrument=instrument,
        side=side,
        quantity=quantity,
        limit=None if limit is None else Decimal(limit),
        first_limit=None if limit is None else Decimal(limit),
        rooted=True,
        filled=filled,
        notional=Decimal(filled * 70_000 if notional is None else notional),
        remaining=open_now,
        cancelled=max(gone, 0) if cancelled is None else cancelled,
        rejected=rejected,
        ordered_at=ordered_at,
    )
