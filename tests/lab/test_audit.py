"""The audit finds every way in which a journal and the exchange can differ."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from daemon.core.events import (
    AccountReported,
    ExternalOrderSeen,
    Fill,
    FillSource,
    OrderAccepted,
    OrderCreated,
    OrderEvent,
    OrderFilled,
    OrderIntent,
    OrderKind,
    OrderSent,
)
from daemon.core.values import (
    AccountId,
    BrokerRef,
    Currency,
    Market,
    OrderId,
    Side,
    StrategyId,
    instrument_id,
)
from daemon.lab.audit import audit
from daemon.sim.broker import Broker
from daemon.sim.facts import OrderRequest
from daemon.sim.options import ACCOUNT, SimulatorOptions
from daemon.sim.universe import LISTINGS
from daemon.store.journal import SqliteJournal

AT = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
CODE = LISTINGS[0].code
INSTRUMENT = instrument_id(Market.KRX, CODE)
ORDER = OrderId("20261102-0001")


def traded() -> tuple[Broker, list[OrderEvent]]:
    """A broker with one order of three shares that traded, and the facts of it."""
    broker = Broker(SimulatorOptions(start=AT, listings=LISTINGS[:1]), AT)
    request = OrderRequest(account=ACCOUNT, code=CODE, side=Side.BUY, quantity=3, price=None)
    number = broker.place_by_hand(request, AT, 0.0)
    placed = broker.market.exchange.orders[number]
    assert placed.filled == 3
    intent = OrderIntent(
        account=AccountId(ACCOUNT),
        strategy=StrategyId("s"),
        instrument=INSTRUMENT,
        side=Side.BUY,
        quantity=3,
        kind=OrderKind.MARKET,
        limit=None,
    )
    ref = BrokerRef(day=AT.date(), branch="", number=str(number))
    fill = Fill(
        instrument=INSTRUMENT,
        side=Side.BUY,
        quantity=3,
        notional=placed.notional,
        source=FillSource.NOTICE,
        exchange_time=AT,
    )
    return broker, [
        OrderCreated(order=ORDER, intent=intent, at=AT),
        OrderSent(order=ORDER, at=AT),
        OrderAccepted(order=ORDER, ref=ref, at=AT),
        OrderFilled(order=ORDER, fill=fill, at=AT),
    ]


def found(folder: Path, broker: Broker, events: list[OrderEvent]) -> str:
    opened = AccountReported(
        account=AccountId(ACCOUNT), cash={Currency.KRW: Decimal(100_000_000)}, holdings=(), at=AT
    )
    path = folder / "journal.sqlite3"
    with SqliteJournal(path, owner=f"sim:{ACCOUNT}") as journal:
        journal.append([opened, *events])
    return "; ".join(audit(path, broker))


def test_equal_books_are_equal(tmp_path: Path) -> None:
    broker, events = traded()
    assert found(tmp_path, broker, events) == ""


def test_a_fill_nobody_heard_of(tmp_path: Path) -> None:
    broker, events = traded()
    told = found(tmp_path, broker, events[:-1])
    assert "cash 100000000, at the exchange" in told
    assert f"0 shares of {CODE}, at the exchange 3" in told
    assert f"{ORDER} filled 0 for 0, at the exchange 3" in told
    assert f"{ORDER} (working) has 3 open, at the exchange 0" in told


def test_an_order_without_an_owner(tmp_path: Path) -> None:
    broker, events = traded()
    told = found(tmp_path, broker, events[:2])
    assert "belongs to nobody" in told
    assert f"{ORDER} is left sent" in told


def test_an_order_taken_for_somebody_elses(tmp_path: Path) -> None:
    broker, events = traded()
    path = tmp_path / "journal.sqlite3"
    seen = ExternalOrderSeen(
        account=AccountId(ACCOUNT),
        day=AT.date(),
        number="9",
        instrument=INSTRUMENT,
        side=Side.BUY,
        quantity=1,
        at=AT,
    )
    with SqliteJournal(path, owner=f"sim:{ACCOUNT}") as journal:
        journal.append([seen])
    assert "order 9 was taken for somebody else's" in found(tmp_path, broker, events)


def test_a_crowd_at_the_door(tmp_path: Path) -> None:
    broker, events = traded()
    for _ in range(11):
        broker.wire.door.enter("key", 0.0)
    assert found(tmp_path, broker, events) == "11 requests in a second, 10 allowed"
