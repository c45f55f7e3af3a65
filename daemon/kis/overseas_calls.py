"""Requests to the foreign side: orders, changes, and inquiries. No socket, no clock.

The counterpart of `codec` for everything that is not listed in Korea.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import orjson

from daemon.core.errors import Refused
from daemon.core.events import OrderIntent, OrderKind, TimeInForce
from daemon.core.orders import Order
from daemon.core.values import BrokerRef, InstrumentId, Region, Session, Side, code_of, market_of
from daemon.kis.codec import Call, Credentials
from daemon.kis.exchanges import EXCHANGES, QUERY_CODES, Exchange, OverseasApi, balance_codes
from daemon.kis.fields import padded_number
from daemon.kis.spec import Environment, OrderDivision

MAX_DAILY_BARS = 100
MINUTES_A_PAGE = 120
"""Rows that one inquiry brings at most (portal)."""


def exchange_of(instrument: InstrumentId) -> Exchange:
    """Where an instrument is listed; raises `Refused` for one that is not traded abroad."""
    exchange = EXCHANGES.get(market_of(instrument))
    if exchange is None:
        raise Refused("WRONG_MARKET", f"{instrument} is not listed on a foreign exchange")
    return exchange


def price_text(price: Decimal, exchange: Exchange) -> str:
    """OVRS_ORD_UNPR, such as `"145.00"`.

    Raises `Refused` for a price with more decimals than the exchange knows: it must not be rounded
    on the way.
    """
    step = Decimal(1).scaleb(-exchange.decimals)
    if exchange.region is Region.US and price >= 1:
        step = Decimal("0.01")
    if price <= 0 or price != price.quantize(step):
        raise Refused("BAD_PRICE", f"{price} is not a multiple of {step} on {exchange.order_code}")
    return f"{price.quantize(step):f}"


_AUCTIONS: Mapping[tuple[Session, OrderKind], OrderDivision] = {
    (Session.OPENING, OrderKind.LIMIT): OrderDivision.LIMIT_ON_OPEN,
    (Session.OPENING, OrderKind.MARKET): OrderDivision.MARKET_ON_OPEN,
    (Session.CLOSING, OrderKind.LIMIT): OrderDivision.LIMIT_ON_CLOSE,
    (Session.CLOSING, OrderKind.MARKET): OrderDivision.MARKET_ON_CLOSE,
}


def division_of(intent: OrderIntent, exchange: Exchange, environment: Environment) -> OrderDivision:
    """ORD_DVSN of an order abroad.

    Raises `Refused`: in the regular session there is no market order, orders for the moment are
    not known anywhere abroad, the auctions are those of the United States, at market they take
    sales alone, and the virtual host takes none of them (portal).
    """
    if intent.time_in_force is not TimeInForce.DAY:
        raise Refused("ORDER_TYPE", f"{exchange.order_code} takes orders for the day only")
    if intent.session is Session.REGULAR:
        if intent.kind is not OrderKind.LIMIT:
            raise Refused("ORDER_TYPE", f"{exchange.order_code} takes limit orders only")
        return OrderDivision.LIMIT
    division = _AUCTIONS.get((intent.session, intent.kind))
    if division is None or exchange.region is not Region.US:
        reason = f"session: {intent.session} is not sent to {exchange.order_code}, use regular"
        raise Refused("ORDER_SESSION", reason)
    if environment is Environment.VIRTUAL:
        reason = f"session: {intent.session} is not taken in paper trading, use regular"
        raise Refused("ORDER_SESSION", reason)
    if intent.kind is OrderKind.MARKET and intent.side is Side.BUY:
        reason = f"limit: a purchase in the {intent.session} auction needs one, give a price"
        raise Refused("ORDER_TYPE", reason)
    return division


def place_call(
    intent: OrderIntent, credentials: Credentials, environment: Environment = Environment.REAL
) -> Call:
    """A new order abroad; raises `Refused` for one that cannot be sent: see `division_of`."""
    exchange = exchange_of(intent.instrument)
    division = division_of(intent, exchange, environment)
    is_sell = intent.side is Side.SELL
    body = {
        "CANO": credentials.number,
        "ACNT_PRDT_CD": credentials.product,
        "OVRS_EXCG_CD": exchange.order_code,
        "PDNO": code_of(intent.instrument),
        "ORD_QTY": str(intent.quantity),
        "OVRS_ORD_UNPR": "0" if intent.limit is None else price_text(intent.limit, exchange),
        "CTAC_TLNO": "",
        "MGCO_APTM_ODNO": "",
        "SLL_TYPE": "00" if is_sell else "",
        "ORD_SVR_DVSN_CD": "0",
        "ORD_DVSN": division.value,
    }
    return Call(api=exchange.place(intent.side), body=orjson.dumps(body))


def modify_call(order: Order, ref: BrokerRef, limit: Decimal, credentials: Credentials) -> Call:
    """Move everything open of an order to `limit`; raises `Refused` where no modify is known."""
    exchange = exchange_of(order.intent.instrument)
    if order.intent.session is not Session.REGULAR:
        raise Refused("NO_MODIFY", "session: no modify of an auction's order is known, cancel it")
    if not exchange.can_modify:
        raise Refused("NO_MODIFY", f"{exchange.order_code} knows no modify: cancel and order anew")
    return _change_call(order, ref, exchange, "01", price_text(limit, exchange), credentials)


def cancel_call(order: Order, ref: BrokerRef, credentials: Credentials) -> Call:
    """Cancel everything open of an order."""
    exchange = exchange_of(order.intent.instrument)
    return _change_call(order, ref, exchange, "02", "0", credentials)


def _change_call(
    order: Order,
    ref: BrokerRef,
    exchange: Exchange,
    change: str,
    price: str,
    credentials: Credentials,
) -> Call:
    body = {
        "CANO": credentials.number,
        "ACNT_PRDT_CD": credentials.product,
        "OVRS_EXCG_CD": exchange.order_code,
        "PDNO": code_of(order.intent.instrument),
        "ORGN_ODNO": padded_number(ref.number),
        "RVSE_CNCL_DVSN_CD": change,
        # A fill on its way makes this too many, and the broker then refuses: nothing is lost.
        "ORD_QTY": str(order.remaining),
        "OVRS_ORD_UNPR": price,
        "MGCO_APTM_ODNO": "",
        "ORD_SVR_DVSN_CD": "0",
    }
    return Call(api=exchange.change, body=orjson.dumps(body))


def day_orders_calls(
    region: Region, since: date, until: date, environment: Environment, credentials: Credentials
) -> list[Call]:
    """Every order of a region between two of its own dates; one call an exchange.

    The virtual host takes no filters (portal): one call there brings all that is foreign.
    """
    filtered = environment is Environment.REAL
    return [
        Call(
            api=OverseasApi.DAY_ORDERS,
            query=(
                *_account(credentials),
                ("PDNO", ""),
                ("ORD_STRT_DT", f"{since:%Y%m%d}"),
                ("ORD_END_DT", f"{until:%Y%m%d}"),
                ("SLL_BUY_DVSN", "00"),
                ("CCLD_NCCS_DVSN", "00"),
                ("OVRS_EXCG_CD", code),
                ("SORT_SQN", "DS"),
                ("ORD_DT", ""),
                ("ORD_GNO_BRNO", ""),
                ("ODNO", ""),
                ("CTX_AREA_NK200", ""),
                ("CTX_AREA_FK200", ""),
            ),
            rows="output",
        )
        for code in (QUERY_CODES[region] if filtered else ("",))
    ]


def balance_calls(region: Region, environment: Environment, credentials: Credentials) -> list[Call]:
    """Holdings of a region: see `balance_codes`."""
    return [
        Call(
            api=OverseasApi.BALANCE,
            query=(
                *_account(credentials),
                ("OVRS_EXCG_CD", code),
                ("TR_CRCY_CD", region.currency.value),
                ("CTX_AREA_FK200", ""),
                ("CTX_AREA_NK200", ""),
            ),
        )
        for code in balance_codes(region, environment)
    ]


def present_balance_call(region: Region, credentials: Credentials) -> Call:
    """Holdings and cash of a region on the basis of trades, in its own currency (02)."""
    nation = next(each.nation for each in EXCHANGES.values() if each.region is region)
    return Call(
        api=OverseasApi.PRESENT_BALANCE,
        query=(
            *_account(credentials),
            ("WCRC_FRCR_DVSN_CD", "02"),
            ("NATN_CD", nation),
            ("TR_MKET_CD", "00"),
            ("INQR_DVSN_CD", "00"),
        ),
    )


def orderable_call(instrument: InstrumentId, limit: Decimal, credentials: Credentials) -> Call:
    """What may be spent on an instrument at a price."""
    exchange = exchange_of(instrument)
    return Call(
        api=OverseasApi.ORDERABLE,
        query=(
            *_account(credentials),
            ("OVRS_EXCG_CD", exchange.order_code),
            ("OVRS_ORD_UNPR", price_text(limit, exchange)),
            ("ITEM_CD", code_of(instrument)),
        ),
    )


def price_call(instrument: InstrumentId) -> Call:
    """Last price, previous close and the day's volume."""
    return _quote_call(OverseasApi.PRICE, instrument)


def order_book_call(instrument: InstrumentId) -> Call:
    """The depth; not offered by the virtual host."""
    return _quote_call(OverseasApi.ORDER_BOOK, instrument)


def daily_bars_call(instrument: InstrumentId) -> Call:
    """The newest hundred daily bars, prices adjusted for splits (MODP 1)."""
    more = (("GUBN", "0"), ("BYMD", ""), ("MODP", "1"))
    return _quote_call(OverseasApi.DAILY_BARS, instrument, *more)


def minute_bars_call(instrument: InstrumentId, until: str = "") -> Call:
    """One-minute bars, newest first; `until` (YYYYMMDDHHMMSS, local time) asks for earlier ones."""
    return _quote_call(
        OverseasApi.MINUTE_BARS,
        instrument,
        ("NMIN", "1"),
        ("PINC", "1"),
        ("NEXT", "1" if until else ""),
        ("NREC", str(MINUTES_A_PAGE)),
        ("FILL", ""),
        ("KEYB", until),
    )


def _account(credentials: Credentials) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("CANO", credentials.number), ("ACNT_PRDT_CD", credentials.product)


def _quote_call(api: OverseasApi, instrument: InstrumentId, *more: tuple[str, str]) -> Call:
    return Call(
        api=api,
        query=(
            ("AUTH", ""),
            ("EXCD", exchange_of(instrument).quote_code),
            ("SYMB", code_of(instrument)),
            *more,
        ),
    )
