"""What the risk gate adds to an order: `uv run python bench/risk_gate.py`.

The floor is what an order costs without it: worded, given its number, recorded and folded in
memory. The gate is the same, judged with every limit set. Each order is refused again, so that the
books stay as they are, and ten are made a second. Arms take turns. `quiet` has empty books, `busy`
a day's: 30 positions, 40 open orders and 5,000 sent. Prints one JSON line; times are microseconds.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import figures
from daemon.core.calendar import price_limits
from daemon.core.events import (
    AccountReported,
    Holding,
    OrderAccepted,
    OrderCreated,
    OrderIntent,
    OrderKind,
    OrderRejected,
    OrderSent,
)
from daemon.core.limits import RiskLimits
from daemon.core.risk import Approved, check
from daemon.core.values import (
    AccountId,
    BrokerRef,
    Currency,
    InstrumentId,
    Market,
    OrderId,
    Side,
    StrategyId,
    Tick,
    instrument_id,
)
from daemon.engine.ledger import Ledger
from daemon.engine.quotes import QuoteBoard
from daemon.ports import InstrumentInfo

NOW = datetime(2026, 7, 6, 1, 0, tzinfo=UTC)
ACCOUNT = AccountId("12345678-01")
PRICE = Decimal(70_000)
CODES = tuple(instrument_id(Market.KRX, f"{number:06}") for number in range(1, 31))
MUCH = Decimal(10**12)
LIMITS = RiskLimits(
    max_order_quantity=1_000,
    max_order_notional=MUCH,
    max_position_notional=MUCH,
    price_collar=Decimal("0.05"),
    max_orders_per_minute=10**6,
    max_strategy_exposure=MUCH,
    max_account_exposure=MUCH,
    max_open_orders=10**6,
    max_strategy_open_orders=10**6,
    max_orders_per_second=10**6,
    max_orders_per_day=10**9,
    max_price_age_seconds=3_600,
    duplicate_window_seconds=1,
    reentry_cooldown_seconds=60,
    allowed=frozenset(CODES),
    denied=frozenset({InstrumentId("krx:999999")}),
)
TARGETS = {"quiet_us": 100.0, "busy_us": 500.0}


class Memory:
    """A journal that forgets."""

    def append(self, events: object) -> None:
        """Forget them."""

    def replay(self) -> tuple[()]:
        """There are none."""
        return ()

    def probe(self) -> None:
        """It takes everything."""

    def checkpoint(self) -> None:
        """There is none."""

    def compact(self, checkpoint: object) -> None:
        """It is as short as can be."""


def quoted() -> QuoteBoard:
    """A board that knows every price."""
    board, (lower, upper) = QuoteBoard(), price_limits(PRICE)
    for code in CODES:
        board.learn(InstrumentInfo(code, PRICE, PRICE, upper, lower, Decimal(100), 0), asked_at=NOW)
        board.on_tick(Tick(code, PRICE, 1, Side.BUY, 1, NOW, NOW))
    return board


def wish(number: int, side: Side = Side.BUY) -> OrderIntent:
    """An order like no other of the run."""
    return OrderIntent(
        account=ACCOUNT,
        strategy=StrategyId(f"s{number % 5}"),
        instrument=CODES[number % len(CODES)],
        side=side,
        quantity=1 + number % 900,
        kind=OrderKind.LIMIT,
        limit=PRICE,
    )


def books(busy: bool) -> Ledger:
    """The books an order meets."""
    ledger = Ledger(Memory())
    held = tuple(Holding(instrument=each, quantity=100, cost=PRICE * 100) for each in CODES)
    ledger.record(
        AccountReported(
            account=ACCOUNT, cash={Currency.KRW: MUCH}, holdings=held if busy else (), at=NOW
        )
    )
    for number in range(5_000 if busy else 0):
        name, at = OrderId(f"20260705-{number:04}"), NOW - timedelta(seconds=5_000 - number)
        ledger.record(
            OrderCreated(order=name, intent=wish(number), at=at), OrderSent(order=name, at=at)
        )
        if number < 40:
            ref = BrokerRef(day=NOW.date(), branch="1", number=f"{number}")
            ledger.record(OrderAccepted(order=name, ref=ref, at=at))
        else:
            ledger.record(OrderRejected(order=name, code="X", reason="x", at=at))
    return ledger


def orders(ledger: Ledger, board: QuoteBoard, count: int, *, gate: bool) -> Callable[[], float]:
    """Make `count` orders one after the other; returns the median time of one."""

    def work() -> float:
        spent = []
        for number in range(count):
            now = NOW + timedelta(seconds=number / 10)
            started = time.perf_counter_ns()
            intent = wish(number)
            if gate:
                [answer] = check([intent], ledger.portfolio, quotes=board, limits=LIMITS, now=now)
                assert isinstance(answer, Approved), answer
            [name] = ledger.mint(NOW.date(), 1)
            ledger.record(OrderCreated(order=name, intent=intent, at=now))
            spent.append(time.perf_counter_ns() - started)
            ledger.record(OrderRejected(order=name, code="X", reason="x", at=now))
        return median(spent) / 1_000

    return work


def scene(busy: bool, count: int, repeats: int) -> dict[str, float]:
    """Both arms in turns on books of their own."""
    board = quoted()
    arms = {
        "floor": orders(books(busy), board, count, gate=False),
        "gate": orders(books(busy), board, count, gate=True),
    }
    found = figures.interleave(arms, repeats)
    added = [gate - floor for gate, floor in zip(found["gate"], found["floor"], strict=True)]
    return {
        "floor_us": figures.middle(found["floor"]),
        "with_gate_us": figures.middle(found["gate"]),
        "gate_adds_us": figures.middle(added),
        "ratio": figures.ratio(found["gate"], found["floor"]),
    }


def main() -> int:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few orders: shape, not figures")
    options = parser.parse_args()
    count, repeats = (50, 1) if options.quick else (1_000, figures.REPEATS)
    return figures.say(
        {
            "bench": "risk_gate",
            "quiet": scene(False, count, repeats),
            "busy": scene(True, count, repeats),
            "targets": TARGETS,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
