"""order and order-rvsecncl of the US markets: new orders, modify and cancel.

Limit orders of the regular session and orders of its auctions are simulated. The codes of refusals
are those of the domestic calls but for the hours, whose code clients have met; the other texts are
assumed.
"""

import re
from decimal import Decimal

from daemon.core.calendar import KST
from daemon.core.values import Side
from daemon.kis.spec import Environment
from daemon.sim.american import PLACES
from daemon.sim.calls import Answer, Call, account_of, succeeded
from daemon.sim.facts import Order, OrderRequest, Refusal, RefusalReason
from daemon.sim.market import Market
from daemon.sim.replies import Denied, bad_field, placed_text, refused

ORDER_PATH = "/uapi/overseas-stock/v1/trading/order"
CHANGE_PATH = "/uapi/overseas-stock/v1/trading/order-rvsecncl"
BUYS = frozenset({"TTTT1002U", "JTTT1002U", "VTTT1002U"})
SELLS = frozenset({"TTTT1006U", "JTTT1006U", "VTTT1006U", "VTTT1001U"})
"""For the virtual sale the documentation names the last, the sample code the one before it."""

CHANGES = ("TTTT1004U", "JTTT1004U", "VTTT1004U")

_BRANCHES = {Environment.REAL: "01790", Environment.VIRTUAL: "00950"}
_EXCHANGES = {place.order: market for market, place in PLACES.items()}
_LIMIT = "00"
_UNPRICED = ("31", "33")
_KNOWN_DIVISIONS = ("31", "32", "33", "34", "35", "36")
_PRICE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,8})?")
_CLOSED = (RefusalReason.CLOSED_DAY, RefusalReason.BEFORE_HOURS, RefusalReason.AFTER_HOURS)


def place(call: Call, market: Market, *, reject: bool) -> Answer:
    """order; `reject` lets the exchange refuse the order after this acceptance."""
    side = Side.BUY if call.tr_id in BUYS else Side.SELL
    account = account_of(call)
    call.need("OVRS_EXCG_CD", "PDNO", "ORD_QTY", "OVRS_ORD_UNPR", "ORD_SVR_DVSN_CD", "ORD_DVSN")
    if side is Side.SELL:
        call.one_of("SLL_TYPE", ("00",))
    _check_division(call, market, side)
    _check_listed(call, market)
    request = OrderRequest(
        account=account,
        code=call.get("PDNO"),
        side=side,
        quantity=call.number("ORD_QTY"),
        price=None if call.get("ORD_DVSN") in _UNPRICED else _price(call),
        division=call.get("ORD_DVSN"),
        branch=_BRANCHES[call.environment],
        venue=call.get("OVRS_EXCG_CD"),
    )
    try:
        exchange = market.entrance(request.division, request.code)
        order = exchange.place(request, market.now, reject=reject)
    except Refusal as refusal:
        raise _refused(refusal.reason, call.environment) from None
    return _confirmed(order, market, *placed_text(side, call.environment))


def change(call: Call, market: Market) -> Answer:
    """order-rvsecncl: 01 modifies, 02 cancels the shares named; the reply has its own number."""
    account = account_of(call)
    call.need("OVRS_EXCG_CD", "PDNO", "ORGN_ODNO", "ORD_QTY", "OVRS_ORD_UNPR")
    cancels = call.one_of("RVSE_CNCL_DVSN_CD", ("01", "02")) == "02"
    original = market.exchange.orders.get(call.number("ORGN_ODNO"))
    if original is None or not _is_of(original, call):
        raise refused(RefusalReason.NO_ORIGINAL, call.environment)
    request = OrderRequest(
        account=account,
        code=original.request.code,
        side=original.request.side,
        quantity=call.number("ORD_QTY"),
        price=None if cancels else _price(call),
        division=original.request.division,
        branch=original.request.branch,
        venue=original.request.venue,
    )
    try:
        exchange = market.entrance(original.request.division, original.request.code)
        act = exchange.cancel if cancels else exchange.modify
        order = act(original.number, request, market.now, everything=False)
    except Refusal as refusal:
        raise _refused(refusal.reason, call.environment) from None
    if call.is_virtual:
        code = "40630000" if cancels else "40620000"
        what = "취소" if cancels else "정정"
        return _confirmed(order, market, code, f"모의투자 {what}주문이 완료 되었습니다.")
    return _confirmed(order, market, "APBK0013", "주문 전송 완료 되었습니다.")


def _check_division(call: Call, market: Market, side: Side) -> None:
    division = call.get("ORD_DVSN")
    if division == _LIMIT:
        return
    if call.is_virtual and division in _KNOWN_DIVISIONS:
        raise refused(RefusalReason.AUCTION_TYPE, call.environment)
    if division in market.sides.divisions and (side is Side.SELL or division not in _UNPRICED):
        return
    raise Denied("APBK0963", "주문구분코드 오류 입니다.", rt_cd="7")


def _check_listed(call: Call, market: Market) -> None:
    """An order must name the exchange that the symbol is listed on."""
    exchange = _EXCHANGES.get(call.get("OVRS_EXCG_CD"))
    if exchange is None:
        raise bad_field("OVRS_EXCG_CD")
    listing = market.listings.get(call.get("PDNO"))
    if listing is None or listing.market is not exchange:
        raise refused(RefusalReason.UNKNOWN_SYMBOL, call.environment)


def _is_of(original: Order, call: Call) -> bool:
    request = original.request
    return request.code == call.get("PDNO") and request.venue == call.get("OVRS_EXCG_CD")


def _price(call: Call) -> Decimal:
    text = call.get("OVRS_ORD_UNPR")
    if not _PRICE.fullmatch(text):
        raise bad_field("OVRS_ORD_UNPR")
    price = Decimal(text)
    if not price:
        raise Denied("APBK1234", "주문단가를 입력하십시오.", rt_cd="7")
    return price


def _refused(reason: RefusalReason, environment: Environment) -> Denied:
    if environment is Environment.REAL and reason in _CLOSED:
        return Denied("APBK1664", "해외주식 주문 가능시간이 아닙니다.")
    return refused(reason, environment)


def _confirmed(order: Order, market: Market, code: str, text: str) -> Answer:
    output = {
        "KRX_FWDG_ORD_ORGNO": order.request.branch,
        "ODNO": f"{order.number:010}",
        "ORD_TMD": market.now.astimezone(KST).strftime("%H%M%S"),
    }
    return Answer(body=succeeded(code, text, {"output": output}), order=order.number)
