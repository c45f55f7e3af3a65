"""Requests out: what each call sends over HTTP and over the stream. No socket, no clock.

Answers come back through `replies.py` (HTTP) and `frames.py` (stream), with the same purity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Protocol

import orjson

from daemon.core.errors import InvariantBroken, Refused
from daemon.core.events import OrderIntent, OrderKind, TimeInForce
from daemon.core.orders import Order
from daemon.core.values import (
    AccountId,
    BrokerRef,
    InstrumentId,
    Market,
    Session,
    Side,
    code_of,
    market_of,
)
from daemon.kis.exchanges import OverseasApi
from daemon.kis.fields import padded_number
from daemon.kis.link import HttpRequest
from daemon.kis.spec import Api, Environment, OrderDivision, Profile

VENUE = "KRX"
"""Where every order of ours is sent."""

CONTENT_TYPE = "application/json; charset=utf-8"
PERSONAL_CUSTOMER = "P"

_Form = tuple[OrderKind, TimeInForce]
_DAY, _IOC, _FOK = TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK
_DIVISIONS: Mapping[Session, Mapping[_Form, OrderDivision]] = {
    Session.REGULAR: {
        (OrderKind.LIMIT, _DAY): OrderDivision.LIMIT,
        (OrderKind.LIMIT, _IOC): OrderDivision.LIMIT_IOC,
        (OrderKind.LIMIT, _FOK): OrderDivision.LIMIT_FOK,
        (OrderKind.MARKET, _DAY): OrderDivision.MARKET,
        (OrderKind.MARKET, _IOC): OrderDivision.MARKET_IOC,
        (OrderKind.MARKET, _FOK): OrderDivision.MARKET_FOK,
    },
    Session.AFTER_MARKET: {
        (OrderKind.LIMIT, _DAY): OrderDivision.AFTER_LIMIT,
        (OrderKind.LIMIT, _IOC): OrderDivision.AFTER_LIMIT_IOC,
        (OrderKind.LIMIT, _FOK): OrderDivision.AFTER_LIMIT_FOK,
        (OrderKind.BEST_OPPOSITE, _DAY): OrderDivision.AFTER_BEST_OPPOSITE,
        (OrderKind.BEST_OPPOSITE, _IOC): OrderDivision.AFTER_BEST_OPPOSITE_IOC,
        (OrderKind.BEST_OPPOSITE, _FOK): OrderDivision.AFTER_BEST_OPPOSITE_FOK,
        (OrderKind.BEST_OWN, _DAY): OrderDivision.AFTER_BEST_OWN,
    },
    Session.PREVIOUS_CLOSE: {(OrderKind.MARKET, _DAY): OrderDivision.PREVIOUS_CLOSE},
    Session.CLOSING_PRICE: {(OrderKind.MARKET, _DAY): OrderDivision.CLOSING_PRICE},
}
_FORMS: Mapping[str, tuple[Session, OrderKind]] = {
    division.value: (session, kind)
    for session, forms in _DIVISIONS.items()
    for (kind, _), division in forms.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to the broker. `account` is `"12345678-01"`; secrets stay out of the repr."""

    app_key: str = field(repr=False)
    app_secret: str = field(repr=False)
    account: AccountId
    hts_id: str = field(repr=False)

    def __post_init__(self) -> None:
        number, separator, product = self.account.partition("-")
        if not (separator and number.isdigit() and product.isdigit() and len(number) == 8):
            raise ValueError("an account is written as 12345678-01")
        if len(product) != 2:
            raise ValueError("an account is written as 12345678-01")

    @property
    def number(self) -> str:
        """CANO: the first eight digits."""
        return self.account.partition("-")[0]

    @property
    def product(self) -> str:
        """ACNT_PRDT_CD: the last two digits."""
        return self.account.partition("-")[2]


class RestApi(Protocol):
    """A REST call of either side, domestic (`spec.Api`) or foreign (`exchanges.OverseasApi`)."""

    @property
    def name(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    def tr_id(self, environment: Environment) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request before it is signed: what to ask, without token or key.

    `rows` is where a paged answer has its rows.
    """

    api: RestApi
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    continued: bool = False
    rows: str = "output1"


class Endpoint(Protocol):
    """Where a call goes."""

    @property
    def name(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...

    def tr_id(self, environment: Environment) -> str:
        """The id to send in a world; empty where the call is not offered."""


class Unsigned(Protocol):
    """Anything that can be signed: a `Call`, or a checked call of the catalogue."""

    @property
    def api(self) -> Endpoint: ...
    @property
    def query(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def continued(self) -> bool: ...


def sign(call: Unsigned, *, profile: Profile, credentials: Credentials, token: str) -> HttpRequest:
    """The complete request of `call` for `profile`.

    Raises `InvariantBroken` for a call the environment does not offer.
    """
    tr_id = call.api.tr_id(profile.environment)
    if call.api is OverseasApi.US_SELL and profile.environment is Environment.VIRTUAL:
        tr_id = profile.virtual_us_sell
    if not tr_id:
        raise InvariantBroken(f"{call.api.name} is not offered in {profile.environment}")
    headers = (
        ("content-type", CONTENT_TYPE),
        ("authorization", f"Bearer {token}"),
        ("appkey", credentials.app_key),
        ("appsecret", credentials.app_secret),
        ("tr_id", tr_id),
        ("custtype", PERSONAL_CUSTOMER),
        ("tr_cont", "N" if call.continued else ""),
    )
    return HttpRequest(
        method=call.api.method,
        path=call.api.path,
        headers=headers,
        query=call.query,
        body=call.body,
    )


def token_request(credentials: Credentials) -> HttpRequest:
    """Ask for an access token."""
    return _key_request(Api.TOKEN, credentials, "appsecret")


def approval_request(credentials: Credentials) -> HttpRequest:
    """Ask for a stream key. The secret's name differs from the token request's."""
    return _key_request(Api.APPROVAL, credentials, "secretkey")


def hash_request(credentials: Credentials, body: bytes) -> HttpRequest:
    """Ask for the hash of an order's body, which may be sent with it as a header."""
    headers = (
        ("content-type", CONTENT_TYPE),
        ("appkey", credentials.app_key),
        ("appsecret", credentials.app_secret),
    )
    api = Api.HASHKEY
    return HttpRequest(method=api.method, path=api.path, headers=headers, body=body)


def _key_request(api: Api, credentials: Credentials, secret_name: str) -> HttpRequest:
    body = {
        "grant_type": "client_credentials",
        "appkey": credentials.app_key,
        secret_name: credentials.app_secret,
    }
    return HttpRequest(
        method=api.method,
        path=api.path,
        headers=(("content-type", CONTENT_TYPE),),
        body=orjson.dumps(body),
    )


def division_of(
    kind: OrderKind, time_in_force: TimeInForce, session: Session = Session.REGULAR
) -> OrderDivision:
    """ORD_DVSN of an order on KRX; raises `Refused` for one that its session does not know."""
    known = _DIVISIONS.get(session)
    if known is None:
        choice = ", ".join(_DIVISIONS)
        raise Refused("ORDER_SESSION", f"session: {session} is not sent to KRX, use {choice}")
    division = known.get((kind, time_in_force))
    if division is None:
        choice = ", ".join(f"{each} {force}" for each, force in known)
        form = f"{kind} {time_in_force}"
        reason = f"kind, time_in_force: no {form} order in the session {session}, use {choice}"
        raise Refused("ORDER_TYPE", reason)
    return division


def form_of(division: str) -> tuple[Session, OrderKind] | None:
    """The session and the kind that ORD_DVSN of a listed order means.

    `None` for what is never sent from here and may be listed all the same, such as a stop.
    """
    return _FORMS.get(division)


def change_division(intent: OrderIntent) -> OrderDivision:
    """ORD_DVSN of a new price and of a cancel: `00` in the regular session, else the order's own.

    A cancel may carry either (portal); the after-market takes none but its own. It has no orders at
    market: one that is listed without a price is told as a limit.
    """
    if intent.session is Session.REGULAR:
        return OrderDivision.LIMIT
    unpriced = intent.session is Session.AFTER_MARKET and intent.kind is OrderKind.MARKET
    kind = OrderKind.LIMIT if unpriced else intent.kind
    return division_of(kind, intent.time_in_force, intent.session)


def krx_code(instrument: InstrumentId) -> str:
    """PDNO of a KRX instrument; raises `Refused` for any other market."""
    if market_of(instrument) is not Market.KRX:
        raise Refused("WRONG_MARKET", f"{instrument} is not listed on KRX")
    return code_of(instrument)


def price_text(price: Decimal | None) -> str:
    """ORD_UNPR: whole KRW, or `"0"` where there is no price. Raises `Refused` for a fraction."""
    if price is None:
        return "0"
    if price != price.to_integral_value():
        raise Refused("BAD_PRICE", f"{price} is not a whole number of KRW")
    return str(int(price))


def place_call(intent: OrderIntent, credentials: Credentials) -> Call:
    """A new cash order on KRX. Raises `Refused` for what cannot be expressed."""
    is_sell = intent.side is Side.SELL
    body = {
        "CANO": credentials.number,
        "ACNT_PRDT_CD": credentials.product,
        "PDNO": krx_code(intent.instrument),
        "ORD_DVSN": division_of(intent.kind, intent.time_in_force, intent.session).value,
        "ORD_QTY": str(intent.quantity),
        "ORD_UNPR": price_text(intent.limit),
        "EXCG_ID_DVSN_CD": VENUE,
        "SLL_TYPE": "01" if is_sell else "",
        "CNDT_PRIC": "",
    }
    return Call(api=Api.SELL if is_sell else Api.BUY, body=orjson.dumps(body))


def modify_call(
    ref: BrokerRef,
    limit: Decimal,
    credentials: Credentials,
    division: OrderDivision = OrderDivision.LIMIT,
) -> Call:
    """Move everything still open under `ref` to the price `limit`."""
    return _change_call(ref, "01", price_text(limit), credentials, division)


def cancel_call(
    ref: BrokerRef, credentials: Credentials, division: OrderDivision = OrderDivision.LIMIT
) -> Call:
    """Cancel everything still open under `ref`."""
    return _change_call(ref, "02", "0", credentials, division)


def _change_call(
    ref: BrokerRef, change: str, price: str, credentials: Credentials, division: OrderDivision
) -> Call:
    body = {
        "CANO": credentials.number,
        "ACNT_PRDT_CD": credentials.product,
        "KRX_FWDG_ORD_ORGNO": ref.branch,
        "ORGN_ODNO": padded_number(ref.number),
        "ORD_DVSN": division.value,
        "RVSE_CNCL_DVSN_CD": change,
        # With QTY_ALL_ORD_YN = Y the quantity is "0": naming one would race with a fill.
        "ORD_QTY": "0",
        "ORD_UNPR": price,
        "QTY_ALL_ORD_YN": "Y",
        "EXCG_ID_DVSN_CD": ref.route or VENUE,
        "CNDT_PRIC": "",
    }
    return Call(api=Api.MODIFY_CANCEL, body=orjson.dumps(body))


def ref_of(order: Order) -> BrokerRef:
    """The number to change or cancel; raises `Refused` while the broker's number is unknown."""
    if order.ref is None:
        raise Refused("NO_NUMBER", f"the broker's number of order {order.id} is not known")
    return order.ref


def day_orders_call(since: date, until: date, credentials: Credentials) -> Call:
    """Every order of the account between two KST days, oldest first.

    Oldest first, because an order entered while the pages are read then only adds to the last
    page and cannot push a row from one page to the next.
    """
    return Call(
        api=Api.DAY_ORDERS,
        query=(
            ("CANO", credentials.number),
            ("ACNT_PRDT_CD", credentials.product),
            ("INQR_STRT_DT", f"{since:%Y%m%d}"),
            ("INQR_END_DT", f"{until:%Y%m%d}"),
            ("SLL_BUY_DVSN_CD", "00"),
            ("PDNO", ""),
            ("CCLD_DVSN", "00"),
            ("INQR_DVSN", "01"),
            ("INQR_DVSN_3", "00"),
            ("ORD_GNO_BRNO", ""),
            ("ODNO", ""),
            ("INQR_DVSN_1", ""),
            ("CTX_AREA_FK100", ""),
            ("CTX_AREA_NK100", ""),
            ("EXCG_ID_DVSN_CD", "ALL"),
        ),
    )


def balance_call(credentials: Credentials) -> Call:
    """Cash and holdings. INQR_DVSN 02 is refused since 2026-02-11, so it is 01."""
    return Call(
        api=Api.BALANCE,
        query=(
            ("CANO", credentials.number),
            ("ACNT_PRDT_CD", credentials.product),
            ("AFHR_FLPR_YN", "N"),
            ("OFL_YN", ""),
            ("INQR_DVSN", "01"),
            ("UNPR_DVSN", "01"),
            ("FUND_STTL_ICLD_YN", "N"),
            ("FNCG_AMT_AUTO_RDPT_YN", "N"),
            ("PRCS_DVSN", "00"),
            ("CTX_AREA_FK100", ""),
            ("CTX_AREA_NK100", ""),
        ),
    )


def next_page(call: Call, search: str, position: str) -> Call:
    """The call for the page after the one that carried these two cursors.

    A call without cursors is sent again as it was: only its header says that it goes on.
    """
    cursors = {
        "CTX_AREA_FK100": search,
        "CTX_AREA_NK100": position,
        "CTX_AREA_FK200": search,
        "CTX_AREA_NK200": position,
    }
    query = tuple((name, cursors.get(name, value)) for name, value in call.query)
    return replace(call, query=query, continued=True)


def orderable_call(
    instrument: InstrumentId, kind: OrderKind, limit: Decimal | None, credentials: Credentials
) -> Call:
    """What may be spent on an order of this kind; a market order is computed by the broker."""
    return Call(
        api=Api.ORDERABLE,
        query=(
            ("CANO", credentials.number),
            ("ACNT_PRDT_CD", credentials.product),
            ("PDNO", krx_code(instrument)),
            ("ORD_UNPR", "" if limit is None else price_text(limit)),
            ("ORD_DVSN", division_of(kind, TimeInForce.DAY).value),
            ("CMA_EVLU_AMT_ICLD_YN", "N"),
            ("OVRS_ICLD_YN", "N"),
        ),
    )


def _quote_call(api: Api, instrument: InstrumentId, *more: tuple[str, str]) -> Call:
    return Call(
        api=api,
        query=(
            ("FID_COND_MRKT_DIV_CODE", "J"),
            ("FID_INPUT_ISCD", krx_code(instrument)),
            *more,
        ),
    )


def price_call(instrument: InstrumentId) -> Call:
    """Price, base price and daily limits."""
    return _quote_call(Api.PRICE, instrument)


def order_book_call(instrument: InstrumentId) -> Call:
    """Ten levels on both sides."""
    return _quote_call(Api.ORDER_BOOK, instrument)


def daily_bars_call(instrument: InstrumentId, since: date, until: date) -> Call:
    """Daily bars between two KST days, prices adjusted for splits; at most the newest 100."""
    return _quote_call(
        Api.DAILY_BARS,
        instrument,
        ("FID_INPUT_DATE_1", f"{since:%Y%m%d}"),
        ("FID_INPUT_DATE_2", f"{until:%Y%m%d}"),
        ("FID_PERIOD_DIV_CODE", "D"),
        ("FID_ORG_ADJ_PRC", "0"),
    )


def minute_bars_call(instrument: InstrumentId, until: str) -> Call:
    """The 30 one-minute bars of today up to the KST time of day `until` (HHMMSS)."""
    return _quote_call(
        Api.MINUTE_BARS,
        instrument,
        ("FID_INPUT_HOUR_1", until),
        ("FID_PW_DATA_INCU_YN", "N"),
        ("FID_ETC_CLS_CODE", ""),
    )


def subscription(approval_key: str, channel: str, key: str, *, active: bool) -> str:
    """The stream message that registers (`active`) or releases one key of a channel."""
    message = {
        "header": {
            "approval_key": approval_key,
            "custtype": PERSONAL_CUSTOMER,
            "tr_type": "1" if active else "2",
            "content-type": "utf-8",
        },
        "body": {"input": {"tr_id": channel, "tr_key": key}},
    }
    return orjson.dumps(message).decode()
