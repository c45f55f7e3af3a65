import sqlite3
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.core.values import Region, Side
from daemon.sim.broker import Broker, first_instant
from daemon.sim.charges import Charges
from daemon.sim.facts import Condition, OrderRequest
from daemon.sim.statefile import StateFailed, StateFile
from tests.sim.rig import AMERICAN_OPTIONS, DAY, NIGHT, OPEN, OPTIONS, QUIET


def wish(quantity: int, price: Decimal | None, side: Side = Side.BUY) -> OrderRequest:
    return OrderRequest(
        account="12345678-01",
        code="005930",
        side=side,
        quantity=quantity,
        price=price,
        condition=Condition.NONE,
        branch="06010",
    )


def test_books_survive_a_process_that_never_said_goodbye(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    broker = Broker(OPTIONS, OPEN, state=StateFile(path))
    broker.place_by_hand(wish(10, None), OPEN, 1.0)
    bid = broker.market.view("005930").bids[0].price
    broker.place_by_hand(wish(5, bid - 1_000), OPEN, 2.0)
    cash = broker.market.exchange.accounts["12345678-01"].cash
    totals = broker.market.exchange.totals()
    orders = dict(broker.market.exchange.orders)
    # No close: the file is read as a killed process leaves it.
    state = StateFile(path)
    saved = state.load()
    assert saved is not None
    assert (saved.last_day, saved.next_number) == (DAY, 3)
    start = first_instant(OPTIONS, OPEN, saved)
    assert start.isoformat() == "2026-10-13T09:00:00+09:00"
    after = Broker(OPTIONS, start, state=state, saved=saved)
    exchange = after.market.exchange
    account = exchange.accounts["12345678-01"]
    assert (account.cash, account.reserved) == (cash, Decimal(0))
    assert account.holdings["005930"].quantity == 10
    assert account.holdings["005930"].bought_yesterday == 10
    assert exchange.totals() == totals
    assert exchange.orders[1] == orders[1] or exchange.orders[1].filled == 10
    assert (exchange.orders[2].remaining, exchange.orders[2].is_open) == (5, False)
    assert after.place_by_hand(wish(10, None, Side.SELL), start, 3.0) == 3
    assert {c: s.base for c, s in exchange.stocks.items()} == saved.closes
    after.close()
    broker.close()


def test_what_was_charged_and_earned_survives_too(tmp_path: Path) -> None:
    path, options = tmp_path / "books.sqlite", replace(OPTIONS, charges=Charges())
    broker = Broker(options, OPEN, state=StateFile(path))
    broker.place_by_hand(wish(10, None), OPEN, 1.0)
    broker.place_by_hand(wish(4, None, Side.SELL), OPEN, 2.0)
    before = broker.market.exchange.accounts["12345678-01"]
    totals = broker.market.exchange.totals()
    state = StateFile(path)
    saved = state.load()
    assert saved is not None
    kept = saved.accounts["12345678-01"]
    assert (kept.profits, kept.charged_ever) == (before.profits, before.charged_ever)
    after = Broker(options, first_instant(options, OPEN, saved), state=state, saved=saved)
    assert after.market.exchange.totals() == totals
    assert after.market.exchange.accounts["12345678-01"].charged_yesterday == before.charged_today
    after.close()
    broker.close()


def test_a_new_file_holds_nothing(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "new.sqlite")
    assert state.load() is None
    state.close()


def test_every_kind_of_order_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    broker = Broker(OPTIONS, OPEN, state=StateFile(path))
    bid = broker.market.view("005930").bids[0].price
    broker.place_by_hand(wish(5, bid - 1_000), OPEN, 1.0)
    exchange = broker.market.exchange
    exchange.modify(1, wish(2, bid - 2_000), broker.market.now, everything=False)
    exchange.cancel(2, wish(1, None), broker.market.now, everything=False)
    broker.advance(OPEN, 2.0)
    exchange.close_day()
    state = StateFile(path)
    saved = state.load()
    assert saved is not None
    for number, order in exchange.orders.items():
        order.expired = True
        assert saved.orders[number] == order
    state.close()
    broker.close()


def test_books_that_cannot_be_kept_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StateFailed, match=r"cannot be kept: .*nowhere"):
        StateFile(tmp_path / "nowhere" / "books.sqlite")
    (tmp_path / "odd").write_bytes(b"no database" * 100)
    with pytest.raises(StateFailed, match="not a database"):
        StateFile(tmp_path / "odd")
    path = tmp_path / "books.sqlite"
    broker = Broker(OPTIONS, OPEN, state=(state := StateFile(path)))
    state._database.execute("drop table facts")
    with pytest.raises(StateFailed, match="no such table") as caught:
        broker.save_closes()
    assert caught.value.filename == str(path)
    state.close()


BOTH = replace(AMERICAN_OPTIONS, listings=QUIET, regions=frozenset({Region.KR, Region.US}))


def test_dollars_and_us_shares_survive_beside_the_korean_books(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    at = NIGHT + timedelta(minutes=1)
    broker = Broker(BOTH, at, state=StateFile(path))
    bought = replace(wish(3, Decimal("9000.00")), code="BRK/B", venue="NYSE")
    assert broker.place_by_hand(bought, at, 1.0) == 30_000_001
    broker.place_by_hand(replace(bought, price=Decimal("100.00")), at, 2.0)
    exchange = broker.overseas.exchange
    cash, totals = exchange.accounts["12345678-01"].cash, exchange.totals()
    # No close: the file is read as a killed process leaves it.
    state = StateFile(path)
    saved, korean = state.load(Region.US), state.load()
    assert saved is not None
    assert korean is not None
    assert (saved.last_day, saved.next_number, korean.next_number) == (DAY, 30_000_003, 1)
    start = first_instant(BOTH, OPEN, korean)
    after = Broker(BOTH, start, state=state, saved=korean)
    account = after.overseas.exchange.accounts["12345678-01"]
    assert (account.cash, account.reserved) == (cash, Decimal(0))
    assert account.holdings["BRK/B"].quantity == 3
    assert after.overseas.exchange.totals() == totals
    assert after.overseas.exchange.orders[30_000_002].is_open is False
    assert after.overseas.day == date(2026, 10, 13)
    after.close()
    broker.close()


def test_a_file_of_before_the_us_markets_still_loads(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    broker = Broker(OPTIONS, OPEN, state=StateFile(path))
    broker.place_by_hand(wish(10, None), OPEN, 1.0)
    broker.close()
    with sqlite3.connect(path) as database:
        for name in ("facts", "accounts", "orders", "closes"):
            database.execute(f"drop table us_{name}")
    database.close()
    state = StateFile(path)
    saved = state.load()
    start = first_instant(OPTIONS, OPEN, saved)
    after = Broker(replace(BOTH, start=start), start, state=state, saved=saved)
    korean, american = (each.accounts["12345678-01"] for each in after.exchanges)
    assert korean.holdings["005930"].quantity == 10
    assert american.cash == Decimal(100_000)
    after.close()


def test_a_former_life_abroad_is_left_alone_while_nothing_lives_there(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    at = NIGHT + timedelta(minutes=1)
    broker = Broker(BOTH, at, state=StateFile(path))
    bought = replace(wish(3, Decimal("9000.00")), code="AAPL", venue="NASD")
    broker.place_by_hand(bought, at, 1.0)
    broker.close()
    state = StateFile(path)
    before = state.load(Region.US)
    saved = state.load()
    start = first_instant(OPTIONS, OPEN, saved)
    korean = replace(OPTIONS, listings=QUIET)
    Broker(korean, start, state=state, saved=saved).close()
    state = StateFile(path)
    assert state.load(Region.US) == before
    state.close()
