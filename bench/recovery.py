"""How long a start takes: `uv run python bench/recovery.py`.

Folds a journal of 100,000 facts as a daemon does at its start, against the floor of this machine
in the same run: reading the same rows and parsing each body, with nothing made of them. Prints
one JSON line.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import orjson

from daemon.core.events import (
    AccountReported,
    CancelSent,
    Event,
    Fill,
    FillSource,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderFilled,
    OrderIntent,
    OrderKind,
    OrderSent,
)
from daemon.core.values import (
    AccountId,
    BrokerRef,
    Currency,
    InstrumentId,
    OrderId,
    Side,
    StrategyId,
)
from daemon.engine.ledger import Ledger
from daemon.store.journal import SqliteJournal

ACCOUNT = AccountId("12345678-01")
OPENING = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
ORDERS_A_DAY = 200
CODES = ("005930", "000660", "035420", "051910", "005380")


def facts() -> Iterator[Event]:
    """The life of one account: every fourth order is partly filled and cancelled."""
    yield AccountReported(
        account=ACCOUNT, cash={Currency.KRW: Decimal(10**9)}, holdings=(), at=OPENING
    )
    number = 0
    while True:
        day, of_day = divmod(number, ORDERS_A_DAY)
        yield from order(number, of_day, OPENING + timedelta(days=day, seconds=60 * of_day))
        number += 1


def order(number: int, of_day: int, at: datetime) -> Iterator[Event]:
    """One order, from the wish to the end."""
    name = OrderId(f"{at:%Y%m%d}-{of_day + 1:04}")
    instrument = InstrumentId(f"krx:{CODES[number // 2 % len(CODES)]}")
    side = Side.SELL if number % 2 else Side.BUY
    limit = Decimal(70_000 + number % 100 * 100)

    def filled(quantity: int, seconds: float) -> OrderFilled:
        then = at + timedelta(seconds=seconds)
        fill = Fill(
            instrument=instrument,
            side=side,
            quantity=quantity,
            notional=limit * quantity,
            source=FillSource.NOTICE,
            exchange_time=then,
        )
        return OrderFilled(order=name, fill=fill, at=then)

    intent = OrderIntent(
        account=ACCOUNT,
        strategy=StrategyId("ma-cross"),
        instrument=instrument,
        side=side,
        quantity=10,
        kind=OrderKind.LIMIT,
        limit=limit,
        reason="the fast average crossed the slow one",
    )
    yield OrderCreated(order=name, intent=intent, at=at)
    yield OrderSent(order=name, at=at)
    ref = BrokerRef(day=at.date(), branch="06010", number=str(1_000_000 + number))
    yield OrderAccepted(order=name, ref=ref, at=at + timedelta(milliseconds=80))
    yield filled(4, 1.5)
    if number % 4 < 2:
        yield filled(6, 2.5)
    else:
        yield CancelSent(order=name, at=at + timedelta(seconds=30))
        yield OrderCancelled(order=name, at=at + timedelta(seconds=30.2))


def build(path: Path, count: int) -> None:
    """A journal of `count` facts, written as the daemon writes them."""
    made = facts()
    with SqliteJournal(path, owner="sim") as journal:
        for start in range(0, count, 1_000):
            journal.append([next(made) for _ in range(min(1_000, count - start))])


def floor(path: Path) -> float:
    """Seconds to read every row and parse its body."""
    started = time.perf_counter()
    connection = sqlite3.connect(path)
    for _, _, body in connection.execute(
        "SELECT sequence, kind, body FROM facts ORDER BY sequence"
    ):
        orjson.loads(body)
    connection.close()
    return time.perf_counter() - started


def recovery(path: Path, count: int) -> float:
    """Seconds from the closed file to the books."""
    started = time.perf_counter()
    with SqliteJournal(path, owner="sim") as journal:
        found = Ledger(journal).recover()
    assert found == count, f"{found} facts"
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        build(path, options.facts)
        # Side by side, and the best of each: other work on the machine only ever adds.
        rounds = [
            (floor(path), recovery(path, options.facts)) for _ in range(max(options.rounds, 1))
        ]
    least, taken = (min(times) for times in zip(*rounds, strict=True))
    result = {
        "bench": "recovery",
        "facts": options.facts,
        "seconds": round(taken, 3),
        "floor_seconds": round(least, 3),
        "ratio": round(taken / least, 1),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
