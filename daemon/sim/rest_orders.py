"""order-cash and order-rvsecncl: new orders, modify and cancel."""

from decimal import Decimal

from daemon.core.values import Session, Side
from daemon.kis.spec import Api, Environment
from daemon.sim.calls import Answer, Call, account_of, succeeded
from daemon.sim.facts import Condition, Order, OrderRequest, Refusal, RefusalReason
from daemon.sim.market import Market
from daemon.sim.replies import Denied, bad_field, placed_text, refused

BRANCHES = {Environment.REAL: "06010", Environment.VIRTUAL: "00950"}

_TYPES: dict[str, tuple[bool, Condition]] = {
    "00": (True, Condition.NONE),
    "01": (False, Condition.NONE),
    "11": (True, Condition.IOC),
    "12": (True, Condition.FOK),
    "13": (False, Condition.IOC),
    "14": (False, Condition.FOK),
    "05": (False, Condition.NONE),
    "06": (False, Condition.NONE),
    "41": (True, Condition.NONE),
    "42": (True, Condition.IOC),
    "43": (True, Condition.FOK),
    "44": (False, Condition.NONE),
    "45": (False, Condition.IOC),
    "46": (False, Condition.FOK),
    "47": (False, Condition.NONE),
}
"""ORD_DVSN to (carries a price, condition)."""

_BUYS = frozenset({Api.BUY.real, Api.BUY.virtual, *Api.BUY.older})


def place(call: Call, market: Market, *, reject: bool) -> Answer:
    """order-cash; `reject` lets the exchange refuse the order after this acceptance."""
    side = Side.BUY if call.tr_id in _BUYS else Side.SELL
    request = _request(call, market, side)
    try:
        exchange = market.entrance(request.division, request.code)
        order = exchange.place(request, market.now, reject=reject)
    except Refusal as refusal:
        raise refused(refusal.reason, call.environment) from None
    return _confirmed(order, market, *placed_text(side, call.environment))


def change(call: Call, market: Market) -> Answer:
    """order-rvsecncl: 01 modifies, 02 cancels; the reply carries the request's own number."""
    account = account_of(call)
    cancels = call.one_of("RVSE_CNCL_DVSN_CD", ("01", "02")) == "02"
    everything = call.one_of("QTY_ALL_ORD_YN", ("Y", "N")) == "Y"
    call.need("ORGN_ODNO", "ORD_DVSN", "ORD_UNPR")
    if call.is_virtual:
        call.need("KRX_FWDG_ORD_ORGNO")
    original = market.exchange.orders.get(call.number("ORGN_ODNO"))
    if original is None or not _same_place(call, original):
        raise refused(RefusalReason.NO_ORIGINAL, call.environment)
    quantity = 0 if everything and not call.get("ORD_QTY") else call.number("ORD_QTY")
    request = OrderRequest(
        account=account,
        code=original.request.code,
        side=original.request.side,
        quantity=quantity,
        price=None if cancels else _price(call),
        condition=original.request.condition if cancels else _type(call)[1],
        division=original.request.division if cancels else call.get("ORD_DVSN"),
        branch=original.request.branch,
        venue=original.request.venue,
    )
    _check_session(call, original, market, cancels=cancels)
    try:
        exchange = market.entrance(original.request.division, original.request.code)
        act = exchange.cancel if cancels else exchange.modify
        order = act(original.number, request, market.now, everything=everything)
    except Refusal as refusal:
        raise refused(refusal.reason, call.environment) from None
    if call.is_virtual:
        code = "40630000" if cancels else "40620000"
        what = "취소" if cancels else "정정"
        return _confirmed(order, market, code, f"모의투자 {what}주문이 완료 되었습니다.")
    return _confirmed(order, market, "APBK0013", "주문 전송 완료 되었습니다.")


def _check_session(call: Call, original: Order, market: Market, *, cancels: bool) -> None:
    """A change is worded for the session of its order; a new price is for one that has a price.

    A cancel may be worded as a limit order of the regular session, but not in the after-market,
    which knows no such order.
    """
    sessions = market.sides.divisions
    before, after = original.request.division, call.get("ORD_DVSN")
    plain = cancels and after == "00" and sessions.get(before) is not Session.AFTER_MARKET
    if sessions.get(before) is not sessions.get(after) and not plain:
        raise Denied("APBK0963", "주문구분코드 오류 입니다.", rt_cd="7")
    if not cancels and after in sessions and _price(call) is None:
        raise Denied("APBK1234", "주문단가를 입력하십시오.", rt_cd="7")


def _request(call: Call, market: Market, side: Side) -> OrderRequest:
    account = account_of(call)
    call.need("PDNO", "ORD_DVSN", "ORD_QTY", "ORD_UNPR")
    if side is Side.SELL:
        call.one_of("SLL_TYPE", ("", "01", "02", "05"))
    _, condition = _type(call)
    code = call.get("PDNO").upper()
    return OrderRequest(
        account=account,
        code=code[1:] if len(code) == 7 and code.startswith("A") else code,
        side=side,
        quantity=call.number("ORD_QTY"),
        price=_price(call),
        condition=condition,
        division=call.get("ORD_DVSN"),
        branch=BRANCHES[call.environment],
        venue=_venue(call),
    )


def _venue(call: Call) -> str:
    venue = call.get("EXCG_ID_DVSN_CD") or "KRX"
    if venue == "NXT":
        raise Denied("APBK1058", "NXT 거래종목이 아닙니다.", rt_cd="7")
    if venue != "KRX" and (venue != "SOR" or call.is_virtual):
        raise bad_field("EXCG_ID_DVSN_CD")
    return venue


def _type(call: Call) -> tuple[bool, Condition]:
    known = _TYPES.get(call.get("ORD_DVSN"))
    if known is None:
        raise Denied("APBK0963", "주문구분코드 오류 입니다.", rt_cd="7")
    return known


def _price(call: Call) -> Decimal | None:
    priced, _ = _type(call)
    text = call.get("ORD_UNPR")
    whole, _, rest = text.partition(".")
    if not (whole.isascii() and whole.isdigit()) or len(whole) > 12 or rest.strip("0"):
        raise bad_field("ORD_UNPR")
    if priced and not int(whole):
        raise Denied("APBK1234", "주문단가를 입력하십시오.", rt_cd="7")
    return Decimal(whole) if priced else None


def _same_place(call: Call, original: Order) -> bool:
    branch = call.get("KRX_FWDG_ORD_ORGNO")
    venue = call.get("EXCG_ID_DVSN_CD") or "KRX"
    return branch in ("", original.request.branch) and venue == original.request.venue


def _confirmed(order: Order, market: Market, code: str, text: str) -> Answer:
    output = {
        "KRX_FWDG_ORD_ORGNO": order.request.branch,
        "ODNO": f"{order.number:010}",
        "ORD_TMD": market.local_time,
        "SOR_ODNO": "",
    }
    return Answer(body=succeeded(code, text, {"output": output}), order=order.number)
