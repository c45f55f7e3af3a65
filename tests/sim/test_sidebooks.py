"""Sessions beside the regular one: the client's own requests, and what its lists say of them."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from daemon.core.calendar import KST, LATE_DAY, MarketCalendar
from daemon.core.events import OrderIntent, OrderKind, TimeInForce
from daemon.core.inference import looks_like
from daemon.core.values import BrokerRef, InstrumentId, Region, Session, Side
from daemon.core.witness import BrokerOrder
from daemon.kis import codec, overseas_calls
from daemon.kis.listed import Listed
from daemon.kis.overseas_orders import OverseasOrderList
from daemon.kis.spec import Api, OrderDivision
from daemon.sim.facts import OrderRequest
from daemon.sim.sidebooks import hours
from tests.kis.fakes import CREDENTIALS, fold_orders, make_order
from tests.sim.rig import AMERICAN_OPTIONS, BALANCE, DAY, NIGHT, QUIET, Rig, Said

CLOSE = datetime(2026, 10, 12, 15, 30, tzinfo=KST)
APPLE = InstrumentId("nasdaq:AAPL")
BRANCH = "06010"


def wish(session: Session, limit: int | None = None, **changes: Any) -> OrderIntent:
    kind = OrderKind.MARKET if limit is None else OrderKind.LIMIT
    price = None if limit is None else Decimal(limit)
    return replace(make_order().intent, session=session, kind=kind, limit=price, **changes)


def place(rig: Rig, intent: OrderIntent) -> Said:
    call = codec.place_call(intent, CREDENTIALS)
    assert isinstance(call.api, Api)
    return rig.post(call.api, call.api.real, **orjson.loads(call.body))


def change(rig: Rig, call: codec.Call) -> Said:
    assert isinstance(call.api, Api)
    return rig.post(call.api, call.api.real, **orjson.loads(call.body))


def ref(number: int) -> BrokerRef:
    return BrokerRef(day=DAY, branch=BRANCH, number=str(number))


def listed(rig: Rig) -> list[BrokerOrder]:
    return list(fold_orders(rig.rows()))


def at(clock: str, **changes: Any) -> Rig:
    """A quiet market at a time of day of DAY."""
    start = datetime.combine(DAY, datetime.strptime(clock, "%H:%M").time(), KST)  # noqa: DTZ007
    return Rig(start=start, listings=QUIET, **changes)


def last(rig: Rig) -> Decimal:
    return rig.broker.market.exchange.stocks["005930"].last


def test_the_after_market_trades_continuously_at_limits_and_ends_without_a_word() -> None:
    rig = at("16:00")
    close = int(last(rig))
    assert place(rig, wish(Session.AFTER_MARKET, close + 1_000)).code == "APBK0013"
    assert place(rig, wish(Session.AFTER_MARKET, close - 5_000, quantity=3)).code == "APBK0013"
    bought, waiting = listed(rig)
    assert (bought.filled, bought.remaining) == (10, 0)
    assert bought.notional <= 10 * (close + 1_000)
    assert (waiting.filled, waiting.remaining) == (0, 3)
    assert looks_like(make_order_of(wish(Session.AFTER_MARKET, close - 5_000, quantity=3)), waiting)

    account = rig.broker.market.exchange.accounts["12345678-01"]
    assert account.reserved == 3 * (close - 5_000)
    assert [order.number for order in rig.broker.market.open_orders(account.name)] == [2]
    rig.jump(CLOSE + timedelta(hours=4, minutes=29))
    assert rig.broker.market.open_orders(account.name)
    rig.jump(CLOSE + timedelta(hours=4, minutes=31))
    assert account.reserved == 0
    assert not rig.broker.market.open_orders(account.name)
    assert rig.broker.market.exchange.orders[2].expired


@pytest.mark.parametrize(
    ("division", "code"), [("00", "APBK0013"), ("06", "APBK0013"), ("41", "APBK0963")]
)
def test_a_cancel_at_the_closing_price_may_be_worded_as_a_limit_order(
    division: str, code: str
) -> None:
    rig = at("15:31")
    place(rig, wish(Session.CLOSING_PRICE))
    cancel = codec.cancel_call(ref(1), CREDENTIALS, OrderDivision(division))
    assert change(rig, cancel).code == code


def make_order_of(intent: OrderIntent) -> Any:
    return replace(make_order(), intent=intent, limit=intent.limit)


def test_an_after_market_order_gets_a_new_price_and_is_cancelled_in_its_own_words() -> None:
    rig = at("16:10")
    price = int(last(rig)) - 5_000
    intent = wish(Session.AFTER_MARKET, price)
    place(rig, intent)
    wrong = codec.modify_call(ref(1), Decimal(price + 100), CREDENTIALS)
    assert change(rig, wrong).code == "APBK0963"
    division = codec.change_division(intent)
    moved = codec.modify_call(ref(1), Decimal(price + 100), CREDENTIALS, division)
    assert change(rig, moved).code == "APBK0013"
    [row] = listed(rig)
    assert (row.remaining, row.refs[-1].number) == (10, "2")
    assert row.limit == price + 100
    assert (row.session, row.kind) == (Session.AFTER_MARKET, OrderKind.LIMIT)
    assert change(rig, codec.cancel_call(ref(2), CREDENTIALS)).code == "APBK0963"
    assert change(rig, codec.cancel_call(ref(2), CREDENTIALS, division)).code == "APBK0013"
    [row] = listed(rig)
    assert (row.remaining, row.cancelled, row.accounted) == (0, 10, True)


@pytest.mark.parametrize(
    ("kind", "force", "filled", "remaining"),
    [
        (OrderKind.BEST_OPPOSITE, TimeInForce.DAY, 10, 0),
        (OrderKind.BEST_OPPOSITE, TimeInForce.IOC, 10, 0),
        (OrderKind.BEST_OPPOSITE, TimeInForce.FOK, 10, 0),
        (OrderKind.BEST_OWN, TimeInForce.DAY, 0, 10),
    ],
)
def test_the_best_prices_of_the_after_market(
    kind: OrderKind, force: TimeInForce, filled: int, remaining: int
) -> None:
    rig = at("17:00")
    intent = replace(wish(Session.AFTER_MARKET), kind=kind, time_in_force=force)
    assert place(rig, intent).code == "APBK0013"
    [row] = listed(rig)
    assert (row.filled, row.remaining, row.limit) == (filled, remaining, None)
    assert (row.session, row.kind) == (Session.AFTER_MARKET, kind)
    assert looks_like(make_order_of(intent), row)


def test_what_an_immediate_order_of_the_after_market_cannot_have_is_dropped() -> None:
    rig = at("17:00")
    price = int(last(rig)) - 5_000
    place(rig, wish(Session.AFTER_MARKET, price, time_in_force=TimeInForce.IOC))
    [row] = listed(rig)
    assert (row.filled, row.remaining, row.cancelled) == (0, 0, 10)


def test_after_hours_prices_are_told_as_such_and_leave_the_close_alone() -> None:
    rig = at("16:00")
    close = last(rig)
    place(rig, wish(Session.AFTER_MARKET, int(close) + 1_000))
    market = rig.broker.market
    tape = market.tapes["005930"]
    rig.pass_time(600)
    market.drain()
    assert tape.recent[-1].time >= market.after_from == "160000"
    assert last(rig) == close
    rig.jump(CLOSE + timedelta(days=1, hours=-7))
    assert market.exchange.stocks["005930"].base == close


def test_nothing_happens_after_hours_where_nobody_orders() -> None:
    rig = at("16:00")
    before = len(rig.broker.market.tapes["005930"].recent)
    rig.jump(CLOSE + timedelta(hours=4))
    market = rig.broker.market
    market.drain()
    assert len(market.tapes["005930"].recent) == before
    assert market.drain_touched() == set()


@pytest.mark.parametrize(
    ("session", "limit", "clock", "code"),
    [
        (Session.PREVIOUS_CLOSE, None, "08:29", "APBK0918"),
        (Session.PREVIOUS_CLOSE, None, "08:30", "APBK0013"),
        (Session.PREVIOUS_CLOSE, None, "08:39", "APBK0013"),
        (Session.PREVIOUS_CLOSE, None, "08:40", "APBK0918"),
        (Session.CLOSING_PRICE, None, "15:29", "APBK0918"),
        (Session.CLOSING_PRICE, None, "15:30", "APBK0013"),
        (Session.CLOSING_PRICE, None, "15:59", "APBK0013"),
        (Session.CLOSING_PRICE, None, "16:00", "APBK0918"),
        (Session.AFTER_MARKET, 70_000, "15:59", "APBK0918"),
        (Session.AFTER_MARKET, 70_000, "16:00", "APBK0013"),
        (Session.AFTER_MARKET, 70_000, "19:59", "APBK0013"),
        (Session.AFTER_MARKET, 70_000, "20:00", "APBK0918"),
    ],
)
def test_each_session_takes_orders_in_its_hours(
    session: Session, limit: int | None, clock: str, code: str
) -> None:
    rig = at(clock)
    assert place(rig, wish(session, limit, quantity=1)).code == code


def test_the_virtual_world_refuses_in_its_own_words() -> None:
    rig = at("12:00")
    body = orjson.loads(codec.place_call(wish(Session.AFTER_MARKET, 70_000), CREDENTIALS).body)
    assert rig.post(Api.BUY, Api.BUY.virtual, **body).code == "40570000"
    body = orjson.loads(codec.place_call(wish(Session.PREVIOUS_CLOSE), CREDENTIALS).body)
    assert rig.post(Api.BUY, Api.BUY.virtual, **body).code == "40580000"


def test_the_closing_price_trades_from_ten_minutes_after_the_close_and_the_rest_dies() -> None:
    rig = at("15:30")
    close = last(rig)
    many = int(60_000_000 / float(close)) + 100
    rig.broker.market.exchange.accounts["12345678-01"].cash *= 2
    place(rig, wish(Session.CLOSING_PRICE, quantity=many))
    rig.jump(CLOSE + timedelta(minutes=9))
    assert listed(rig)[0].filled == 0
    rig.jump(CLOSE + timedelta(minutes=10))
    [row] = listed(rig)
    assert (row.filled, row.remaining) == (many - 100, 100)
    assert row.notional == row.filled * close
    assert (row.limit, row.first_limit) == (None, None)
    rig.jump(CLOSE + timedelta(minutes=31))
    assert rig.broker.market.exchange.orders[1].expired
    assert rig.broker.market.exchange.accounts["12345678-01"].reserved == 0


def test_before_the_open_shares_trade_at_the_previous_close() -> None:
    rig = at("08:30")
    base = rig.broker.market.exchange.stocks["005930"].base
    place(rig, wish(Session.PREVIOUS_CLOSE))
    rig.pass_time(1)
    [row] = listed(rig)
    assert (row.filled, row.notional) == (10, 10 * base)
    balance = rig.get(Api.BALANCE, Api.BALANCE.real, **BALANCE)
    assert [row["hldg_qty"] for row in balance.body["output1"]] == ["10"]


def abroad(rig: Rig, session: Session, limit: str | None, side: Side) -> str:
    intent = replace(
        make_order(side=side).intent,
        instrument=APPLE,
        session=session,
        kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
        limit=None if limit is None else Decimal(limit),
    )
    call = overseas_calls.place_call(intent, CREDENTIALS)
    body = orjson.loads(call.body)
    path = "/uapi/overseas-stock/v1/trading/order"
    tr_id = "TTTT1002U" if side is Side.BUY else "TTTT1006U"
    return rig.send("POST", path, headers=rig.headers(tr_id), body=body).code


def rows_abroad(rig: Rig) -> list[BrokerOrder]:
    listed = OverseasOrderList(Region.US, Listed())
    listed.add(rig.rows_abroad().body["output"])
    return list(listed.orders())


def test_american_opening_orders_trade_at_the_opening_price_alone() -> None:
    rig = Rig(AMERICAN_OPTIONS, start=NIGHT - timedelta(hours=1))
    exchange = rig.broker.overseas.exchange
    assert abroad(rig, Session.OPENING, "400.00", Side.BUY) == "APBK0013"
    assert abroad(rig, Session.OPENING, "100.00", Side.BUY) == "APBK0013"
    assert abroad(rig, Session.CLOSING, "400.00", Side.BUY) == "APBK1664"
    rig.jump(NIGHT)
    opening = rig.broker.overseas.tapes["AAPL"].open
    bought, missed = rows_abroad(rig)
    assert (bought.filled, bought.notional) == (10, 10 * opening)
    assert (missed.filled, missed.remaining) == (0, 0)
    assert exchange.orders[missed_number(exchange.orders)].expired
    assert exchange.accounts["12345678-01"].reserved == 0
    assert abroad(rig, Session.OPENING, "400.00", Side.BUY) == "APBK1664"


def missed_number(orders: dict[int, Any]) -> int:
    return max(orders)


def test_american_closing_orders_trade_at_the_closing_price_alone() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    rig.abroad(10, "400.00")
    assert abroad(rig, Session.CLOSING, None, Side.SELL) == "APBK0013"
    assert abroad(rig, Session.CLOSING, "1.00", Side.SELL) == "APBK0400"
    close = NIGHT + timedelta(hours=6, minutes=30)
    rig.jump(close - timedelta(minutes=10))
    assert abroad(rig, Session.CLOSING, "1.00", Side.BUY) == "APBK1664"
    rig.jump(close)
    sold = rows_abroad(rig)[-1]
    assert (sold.filled, sold.limit) == (10, None)
    assert sold.notional == 10 * rig.broker.overseas.exchange.stocks["AAPL"].last


def test_nothing_is_bought_at_market_in_an_american_auction() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    assert rig.abroad(1, "0", ORD_DVSN="33").code == "APBK0963"
    assert rig.abroad(1, "0", ORD_DVSN="33", tr_id="VTTT1002U").code == "40070000"


def test_sessions_move_with_the_day_and_are_as_old_as_they_are() -> None:
    calendar = MarketCalendar(odd_days={DAY: LATE_DAY})
    late = hours(calendar, DAY, Session.AFTER_MARKET)
    assert late is not None
    assert (late.begins.astimezone(KST).hour, late.ends.astimezone(KST).hour) == (17, 20)
    early = hours(calendar, DAY, Session.PREVIOUS_CLOSE)
    assert early is not None
    assert f"{early.begins.astimezone(KST):%H:%M}" == "09:30"
    assert hours(calendar, date(2026, 9, 11), Session.AFTER_MARKET) is None


def test_no_share_and_no_won_is_made_or_lost_after_hours() -> None:
    rig = at("16:00")
    exchange = rig.broker.market.exchange
    before = exchange.totals()
    close = int(last(rig))
    for step in (1_000, -5_000, 2_000):
        place(rig, wish(Session.AFTER_MARKET, close + step))
    hand = OrderRequest(
        account="12345678-01",
        code="005930",
        side=Side.SELL,
        quantity=5,
        price=Decimal(close - 1_000),
        division="41",
    )
    rig.broker.place_by_hand(hand, rig.now, rig.monotonic)
    rig.jump(CLOSE + timedelta(hours=5))
    assert exchange.totals() == before
    assert exchange.accounts["12345678-01"].holdings["005930"].quantity == 15
