"""What is sent abroad, field by field."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import Refused
from daemon.core.events import OrderIntent, OrderKind, TimeInForce
from daemon.core.orders import Order
from daemon.core.values import BrokerRef, InstrumentId, Region, Session, Side
from daemon.kis import overseas_calls as calls
from daemon.kis.codec import Call, next_page, sign
from daemon.kis.exchanges import EXCHANGES
from daemon.kis.spec import REAL, VIRTUAL, VIRTUAL_US_SELLS, Environment
from tests.kis.fakes import CREDENTIALS, make_order, sample

APPLE = InstrumentId("nasdaq:AAPL")
DAY = date(2026, 11, 24)
REF = BrokerRef(day=DAY, branch="01790", number="4336")


def order_of(
    instrument: InstrumentId = APPLE,
    *,
    limit: str = "145.00",
    side: Side = Side.BUY,
    quantity: int = 1,
) -> Order:
    made = make_order(quantity=quantity)
    intent = replace(made.intent, instrument=instrument, limit=Decimal(limit), side=side)
    return replace(made, intent=intent, limit=intent.limit)


def body_of(call: Call) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(call.body)
    return loaded


def test_an_order_is_what_the_portal_shows() -> None:
    call = calls.place_call(order_of().intent, CREDENTIALS)
    shown = sample("rest", "overseas_order_ok")["request"]

    assert body_of(call) == shown["body"]
    signed = sign(call, profile=REAL, credentials=CREDENTIALS, token="t")
    assert (signed.method, signed.path) == (shown["method"], shown["path"])
    assert dict(signed.headers)["tr_id"] == shown["tr_id"]


def test_a_cancel_is_what_the_portal_shows() -> None:
    call = calls.cancel_call(order_of(), REF, CREDENTIALS)
    shown = sample("rest", "overseas_rvsecncl_ok")["request"]

    assert body_of(call) == shown["body"]
    signed = sign(call, profile=REAL, credentials=CREDENTIALS, token="t")
    assert dict(signed.headers)["tr_id"] == shown["tr_id"]


def test_a_sale_has_its_own_id_and_the_virtual_one_is_a_setting() -> None:
    call = calls.place_call(order_of(side=Side.SELL).intent, CREDENTIALS)
    assert body_of(call)["SLL_TYPE"] == "00"

    def id_at(profile: Any) -> str:
        signed = sign(call, profile=profile, credentials=CREDENTIALS, token="t")
        return dict(signed.headers)["tr_id"]

    assert [id_at(profile) for profile in (REAL, VIRTUAL)] == ["TTTT1006U", "VTTT1001U"]
    assert [id_at(replace(VIRTUAL, virtual_us_sell=each)) for each in VIRTUAL_US_SELLS] == [
        "VTTT1001U",
        "VTTT1006U",
    ]


def test_a_modify_names_what_is_open_and_the_new_price() -> None:
    order = replace(order_of(quantity=10), filled=3, notional=Decimal(435))
    body = body_of(calls.modify_call(order, REF, Decimal("144.5"), CREDENTIALS))

    assert (body["RVSE_CNCL_DVSN_CD"], body["ORD_QTY"]) == ("01", "7")
    assert (body["OVRS_ORD_UNPR"], body["ORGN_ODNO"]) == ("144.50", "0000004336")


@pytest.mark.parametrize(
    ("instrument", "limit", "text"),
    [
        ("nasdaq:AAPL", "145", "145.00"),
        ("nyse:BRK/B", "0.5123", "0.5123"),
        ("tokyo:7203", "3220", "3220.0"),
        ("hongkong:00700", "612.5", "612.500"),
        ("shanghai:600519", "1460.01", "1460.01"),
        ("hochiminh:VNM", "64500", "64500"),
    ],
)
def test_prices_have_the_decimals_of_their_exchange(instrument: str, limit: str, text: str) -> None:
    order = order_of(InstrumentId(instrument), limit=limit)
    body = body_of(calls.place_call(order.intent, CREDENTIALS))

    assert body["OVRS_ORD_UNPR"] == text
    assert body["PDNO"] == instrument.partition(":")[2]
    exchange = calls.exchange_of(order.intent.instrument)
    assert body["OVRS_EXCG_CD"] == exchange.order_code


@pytest.mark.parametrize(
    ("instrument", "limit"),
    [("nasdaq:AAPL", "145.001"), ("nasdaq:AAPL", "0.51234"), ("hochiminh:VNM", "64500.5")],
)
def test_a_price_is_never_rounded_on_the_way(instrument: str, limit: str) -> None:
    with pytest.raises(Refused, match="BAD_PRICE"):
        calls.place_call(order_of(InstrumentId(instrument), limit=limit).intent, CREDENTIALS)


@given(st.decimals(Decimal("0.0001"), Decimal(100_000), places=4))
def test_a_price_that_passes_is_read_back_as_itself(price: Decimal) -> None:
    for exchange in EXCHANGES.values():
        try:
            text = calls.price_text(price, exchange)
        except Refused:
            continue
        assert Decimal(text) == price
        assert "E" not in text


def test_what_foreign_exchanges_do_not_take_is_refused_before_it_leaves() -> None:
    intent = order_of().intent
    for wrong in (
        replace(intent, kind=OrderKind.MARKET, limit=None),
        replace(intent, time_in_force=TimeInForce.IOC),
        replace(intent, time_in_force=TimeInForce.FOK),
    ):
        with pytest.raises(Refused, match="ORDER_TYPE"):
            calls.place_call(wrong, CREDENTIALS)
    with pytest.raises(Refused, match="WRONG_MARKET"):
        calls.place_call(make_order().intent, CREDENTIALS)
    order = order_of(InstrumentId("shenzhen:000001"), limit="12.30")
    with pytest.raises(Refused, match="NO_MODIFY"):
        calls.modify_call(order, REF, Decimal("12.31"), CREDENTIALS)
    assert body_of(calls.cancel_call(order, REF, CREDENTIALS))["OVRS_EXCG_CD"] == "SZAA"


def test_a_days_orders_of_the_united_states_are_one_question() -> None:
    (call,) = calls.day_orders_calls(Region.US, DAY, DAY, Environment.REAL, CREDENTIALS)
    shown = sample("rest", "overseas_ccnl")["request"]
    expected = {**shown["params"], "ORD_STRT_DT": "20261124", "ORD_END_DT": "20261124"}

    assert dict(call.query) == expected
    (unfiltered,) = calls.day_orders_calls(Region.CN, DAY, DAY, Environment.VIRTUAL, CREDENTIALS)
    assert dict(unfiltered.query)["OVRS_EXCG_CD"] == ""
    chinese = calls.day_orders_calls(Region.CN, DAY, DAY, Environment.REAL, CREDENTIALS)
    assert [dict(each.query)["OVRS_EXCG_CD"] for each in chinese] == ["SHAA", "SZAA"]


def test_the_wide_cursors_of_the_foreign_side_are_given_back() -> None:
    (call,) = calls.balance_calls(Region.US, Environment.REAL, CREDENTIALS)
    shown = sample("rest", "overseas_balance")["request"]["params"]
    assert dict(call.query) == shown

    following = dict(next_page(call, " search ", "position ").query)
    assert following["CTX_AREA_FK200"] == " search "
    assert following["CTX_AREA_NK200"] == "position "
    assert next_page(call, "a", "b").continued


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (calls.orderable_call(APPLE, Decimal(145), CREDENTIALS), "overseas_psamount"),
        (calls.price_call(APPLE), "overseas_price"),
    ],
)
def test_questions_are_what_the_portal_shows(call: Call, name: str) -> None:
    shown = sample("rest", name)["request"]
    signed = sign(call, profile=REAL, credentials=CREDENTIALS, token="t")

    assert dict(call.query) == shown["params"]
    assert (signed.path, dict(signed.headers)["tr_id"]) == (shown["path"], shown["tr_id"])


def test_the_present_balance_is_asked_in_dollars() -> None:
    query = dict(calls.present_balance_call(Region.US, CREDENTIALS).query)
    shown = sample("rest", "overseas_present_balance")["request"]["params"]
    assert query == {**shown, "WCRC_FRCR_DVSN_CD": "02"}
    nations = {
        calls.present_balance_call(each, CREDENTIALS).query[3][1]
        for each in (Region.US, Region.HK, Region.CN, Region.JP, Region.VN)
    }
    assert nations == {"840", "344", "156", "392", "704"}


def test_bars_and_order_books_are_asked_by_exchange() -> None:
    assert dict(calls.daily_bars_call(APPLE).query)["EXCD"] == "NAS"
    assert dict(calls.minute_bars_call(APPLE, "20261124100000").query)["NEXT"] == "1"
    assert dict(calls.order_book_call(InstrumentId("nyse:BA")).query)["EXCD"] == "NYS"


@pytest.mark.parametrize(
    ("session", "limit", "division", "price"),
    [
        (Session.OPENING, None, "31", "0"),
        (Session.OPENING, "145.00", "32", "145.00"),
        (Session.CLOSING, None, "33", "0"),
        (Session.CLOSING, "145.00", "34", "145.00"),
    ],
)
def test_orders_of_american_auctions(
    session: Session, limit: str | None, division: str, price: str
) -> None:
    sale = auction(session, limit, Side.SELL)
    body = body_of(calls.place_call(sale, CREDENTIALS, Environment.REAL))
    assert (body["ORD_DVSN"], body["OVRS_ORD_UNPR"]) == (division, price)
    with pytest.raises(Refused, match="ORDER_SESSION") as refused:
        calls.place_call(sale, CREDENTIALS, Environment.VIRTUAL)
    assert "session" in refused.value.reason
    assert "use regular" in refused.value.reason


def auction(session: Session, limit: str | None, side: Side) -> OrderIntent:
    kind = OrderKind.MARKET if limit is None else OrderKind.LIMIT
    price = None if limit is None else Decimal(limit)
    return replace(order_of(side=side).intent, session=session, kind=kind, limit=price)


@pytest.mark.parametrize("session", [Session.OPENING, Session.CLOSING])
def test_nothing_is_bought_at_market_in_an_auction(session: Session) -> None:
    with pytest.raises(Refused, match="ORDER_TYPE") as refused:
        calls.place_call(auction(session, None, Side.BUY), CREDENTIALS)
    assert "give a price" in refused.value.reason


def test_other_sessions_and_markets_are_refused_abroad_by_field_and_fix() -> None:
    hongkong = replace(
        auction(Session.CLOSING, "400.00", Side.SELL), instrument=InstrumentId("hongkong:00700")
    )
    for wrong in (auction(Session.AFTER_MARKET, "145.00", Side.BUY), hongkong):
        with pytest.raises(Refused, match="ORDER_SESSION") as refused:
            calls.place_call(wrong, CREDENTIALS)
        assert "use regular" in refused.value.reason


def test_an_auctions_order_is_cancelled_and_never_moved() -> None:
    order = order_of()
    order = replace(order, intent=replace(order.intent, session=Session.CLOSING))
    with pytest.raises(Refused, match="NO_MODIFY"):
        calls.modify_call(order, REF, Decimal("146.00"), CREDENTIALS)
    assert body_of(calls.cancel_call(order, REF, CREDENTIALS))["RVSE_CNCL_DVSN_CD"] == "02"
