from dataclasses import replace
from datetime import date
from decimal import Decimal

import orjson
import pytest

from daemon.core.errors import InvariantBroken, Refused
from daemon.core.events import OrderKind, TimeInForce
from daemon.core.values import AccountId, BrokerRef, InstrumentId, Region, Session, Side
from daemon.kis import codec, profits
from daemon.kis.codec import Call, Credentials
from daemon.kis.spec import REAL, VIRTUAL, Api
from tests.kis.fakes import CREDENTIALS, SAMSUNG, make_order, sample

REF = BrokerRef(day=date(2026, 7, 10), branch="06010", number="1569136")


def test_a_limit_buy_is_the_captured_request() -> None:
    order = make_order(quantity=1, limit=Decimal(55000))
    call = codec.place_call(order.intent, CREDENTIALS)
    assert orjson.loads(call.body) == sample("rest", "order_cash_ok")["request"]["body"]
    request = codec.sign(call, profile=REAL, credentials=CREDENTIALS, token="T")
    headers = dict(request.headers)
    assert headers["tr_id"] == "TTTC0012U"
    assert headers["authorization"] == "Bearer T"
    virtual = codec.sign(call, profile=VIRTUAL, credentials=CREDENTIALS, token="T")
    assert dict(virtual.headers)["tr_id"] == "VTTC0012U"


@pytest.mark.parametrize(
    ("limit", "time_in_force", "division", "price"),
    [
        (Decimal(71900), TimeInForce.DAY, "00", "71900"),
        (Decimal(71900), TimeInForce.IOC, "11", "71900"),
        (Decimal(71900), TimeInForce.FOK, "12", "71900"),
        (None, TimeInForce.DAY, "01", "0"),
        (None, TimeInForce.IOC, "13", "0"),
        (None, TimeInForce.FOK, "14", "0"),
    ],
)
def test_kinds_of_orders(
    limit: Decimal | None, time_in_force: TimeInForce, division: str, price: str
) -> None:
    order = make_order(side=Side.SELL, limit=limit, time_in_force=time_in_force)
    call = codec.place_call(order.intent, CREDENTIALS)
    body = orjson.loads(call.body)
    assert call.api is Api.SELL
    assert (body["ORD_DVSN"], body["ORD_UNPR"], body["SLL_TYPE"]) == (division, price, "01")
    assert all(isinstance(value, str) for value in body.values())


def test_changes_name_the_padded_number_and_the_branch() -> None:
    modify = orjson.loads(codec.modify_call(REF, Decimal(55000), CREDENTIALS).body)
    captured = sample("rest", "rvsecncl_modify_ok")["request"]["body"]
    assert modify == {**captured, "ORD_QTY": "0"}
    cancel = orjson.loads(codec.cancel_call(REF, CREDENTIALS).body)
    assert (cancel["RVSE_CNCL_DVSN_CD"], cancel["ORD_UNPR"]) == ("02", "0")
    assert cancel["QTY_ALL_ORD_YN"] == "Y"


@pytest.mark.parametrize(("route", "venue"), [("", "KRX"), ("SOR", "SOR"), ("NXT", "NXT")])
def test_a_change_names_where_the_order_was_sent(route: str, venue: str) -> None:
    ref = replace(REF, route=route)
    for call in (
        codec.cancel_call(ref, CREDENTIALS),
        codec.modify_call(ref, Decimal(55000), CREDENTIALS),
    ):
        assert orjson.loads(call.body)["EXCG_ID_DVSN_CD"] == venue


def test_inquiries_send_every_documented_parameter() -> None:
    balance = sample("rest", "balance")["request"]["params"]
    assert dict(codec.balance_call(CREDENTIALS).query) == balance
    orders = codec.day_orders_call(date(2026, 7, 9), date(2026, 7, 10), CREDENTIALS)
    assert set(dict(orders.query)) == set(sample("rest", "daily_ccld_filled")["request"]["params"])
    assert dict(orders.query)["EXCG_ID_DVSN_CD"] == "ALL"
    power = codec.orderable_call(SAMSUNG, OrderKind.MARKET, None, CREDENTIALS)
    assert dict(power.query) == sample("rest", "psbl_order_virtual")["request"]["params"]


def test_the_next_page_carries_the_cursors_unchanged() -> None:
    call = codec.next_page(codec.balance_call(CREDENTIALS), "a!^ ", " b^")
    query = dict(call.query)
    assert (query["CTX_AREA_FK100"], query["CTX_AREA_NK100"]) == ("a!^ ", " b^")
    signed = codec.sign(call, profile=REAL, credentials=CREDENTIALS, token="T")
    assert dict(signed.headers)["tr_cont"] == "N"


def test_what_cannot_be_sent_is_refused_before_it_leaves() -> None:
    with pytest.raises(Refused, match="whole number"):
        codec.price_text(Decimal("0.5"))
    with pytest.raises(Refused, match="KRX"):
        codec.price_call(InstrumentId("nasdaq:AAPL"))
    with pytest.raises(Refused, match="not known"):
        codec.ref_of(make_order())
    with pytest.raises(InvariantBroken):
        codec.sign(Call(api=Api.HOLIDAYS), profile=VIRTUAL, credentials=CREDENTIALS, token="T")


def test_subscriptions_are_the_captured_ones() -> None:
    key = "a1b2c3d4-0000-4e5f-8a9b-000000000001"
    for name, active in (("subscribe_request", True), ("unsubscribe_request", False)):
        text = codec.subscription(key, "H0STCNT0", "005930", active=active)
        assert orjson.loads(text) == orjson.loads(sample("ws", name)["frame"])


def test_secrets_stay_out_of_the_repr() -> None:
    requests = [
        codec.token_request(CREDENTIALS),
        codec.approval_request(CREDENTIALS),
        codec.sign(
            codec.balance_call(CREDENTIALS), profile=REAL, credentials=CREDENTIALS, token="TOKEN9"
        ),
    ]
    text = repr([CREDENTIALS, *requests])
    for secret in ("APPKEY36", "APPSECRET180", "TOKEN9", "htsid001"):
        assert secret not in text


@pytest.mark.parametrize("account", ["1234567801", "1234-01", "12345678-1", "abcdefgh-01", ""])
def test_a_misspelt_account_is_refused(account: str) -> None:
    with pytest.raises(ValueError, match="account"):
        Credentials(app_key="k", app_secret="s", account=AccountId(account), hts_id="h")


def test_overseas_cursors_are_wider_and_go_back_the_same_way() -> None:
    asked = profits.call(Region.US, date(2026, 10, 12), date(2026, 10, 12), CREDENTIALS)
    assert asked is not None
    query = dict(codec.next_page(asked, "a!^ ", " b^").query)
    assert (query["CTX_AREA_FK200"], query["CTX_AREA_NK200"]) == ("a!^ ", " b^")
    assert "CTX_AREA_FK100" not in query


@pytest.mark.parametrize(
    ("session", "kind", "force", "division"),
    [
        (Session.AFTER_MARKET, OrderKind.LIMIT, TimeInForce.DAY, "41"),
        (Session.AFTER_MARKET, OrderKind.LIMIT, TimeInForce.IOC, "42"),
        (Session.AFTER_MARKET, OrderKind.LIMIT, TimeInForce.FOK, "43"),
        (Session.AFTER_MARKET, OrderKind.BEST_OPPOSITE, TimeInForce.DAY, "44"),
        (Session.AFTER_MARKET, OrderKind.BEST_OPPOSITE, TimeInForce.IOC, "45"),
        (Session.AFTER_MARKET, OrderKind.BEST_OPPOSITE, TimeInForce.FOK, "46"),
        (Session.AFTER_MARKET, OrderKind.BEST_OWN, TimeInForce.DAY, "47"),
        (Session.PREVIOUS_CLOSE, OrderKind.MARKET, TimeInForce.DAY, "05"),
        (Session.CLOSING_PRICE, OrderKind.MARKET, TimeInForce.DAY, "06"),
    ],
)
def test_each_session_has_divisions_of_its_own(
    session: Session, kind: OrderKind, force: TimeInForce, division: str
) -> None:
    limit = Decimal(71_900) if kind is OrderKind.LIMIT else None
    wish = replace(make_order(limit=limit).intent, session=session, kind=kind, time_in_force=force)
    body = orjson.loads(codec.place_call(wish, CREDENTIALS).body)
    price = "71900" if limit else "0"
    assert (body["ORD_DVSN"], body["ORD_UNPR"], body["EXCG_ID_DVSN_CD"]) == (division, price, "KRX")
    cancel = codec.cancel_call(REF, CREDENTIALS, codec.change_division(wish))
    assert orjson.loads(cancel.body)["ORD_DVSN"] == division


@pytest.mark.parametrize(
    ("session", "kind", "force", "told"),
    [
        (Session.OPENING, OrderKind.MARKET, TimeInForce.DAY, "session: opening"),
        (Session.PRE_MARKET, OrderKind.MARKET, TimeInForce.DAY, "use regular, after_market"),
        (Session.AFTER_MARKET, OrderKind.MARKET, TimeInForce.DAY, "no market day order"),
        (Session.AFTER_MARKET, OrderKind.BEST_OWN, TimeInForce.IOC, "use limit day, limit ioc"),
        (Session.CLOSING_PRICE, OrderKind.MARKET, TimeInForce.IOC, "use market day"),
        (Session.REGULAR, OrderKind.BEST_OWN, TimeInForce.DAY, "kind, time_in_force"),
    ],
)
def test_what_a_session_does_not_know_is_refused_by_field_and_fix(
    session: Session, kind: OrderKind, force: TimeInForce, told: str
) -> None:
    order = make_order(limit=None)
    wish = replace(order.intent, session=session, kind=kind, time_in_force=force)
    with pytest.raises(Refused, match="ORDER_") as refused:
        codec.place_call(wish, CREDENTIALS)
    assert told in refused.value.reason


def test_changes_of_a_regular_order_stay_in_its_own_words() -> None:
    order = make_order(time_in_force=TimeInForce.IOC)
    assert codec.change_division(order.intent).value == "00"


def test_an_after_market_order_that_is_listed_without_a_price_can_be_cancelled() -> None:
    at_market = replace(make_order().intent, kind=OrderKind.MARKET, limit=None)
    assert codec.change_division(replace(at_market, session=Session.AFTER_MARKET)).value == "41"
