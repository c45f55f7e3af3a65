"""KIS-shaped REST requests and replies as values, and the broker's codes with their texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import orjson

from daemon.core.values import Side
from daemon.kis.spec import Environment
from daemon.sim.facts import RefusalReason

JsonBody = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """One HTTP request; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReply:
    """One HTTP reply. `order` is the number of the order it confirms, if any."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    order: int | None = None


class Denied(Exception):
    """The request is answered with an error reply and had no effect."""

    def __init__(self, code: str, text: str, *, rt_cd: str = "1", status: int = 200) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.rt_cd = rt_cd
        self.status = status


def encode(body: JsonBody) -> bytes:
    """JSON as the broker writes it."""
    return orjson.dumps(body)


def padded(text: str, width: int = 80) -> str:
    """Text filled with blanks to `width` columns, a Korean letter counting two."""
    used = sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)
    return text + " " * max(0, width - used)


def plain(value: Decimal | int) -> str:
    """A number without an exponent."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def whole(value: Decimal) -> str:
    """KRW without a fraction."""
    return str(int(value))


def filled(fields: str, values: Mapping[str, object], default: str = "0") -> JsonBody:
    """Every documented field in order, `default` where `values` has none."""
    return {name: values.get(name, default) for name in fields.split()}


def gateway_error(code: str, text: str, status: int = 500) -> Denied:
    """An error of the gateway in front of the broker's systems."""
    return Denied(code, text, status=status)


def bad_field(name: str) -> Denied:
    """A parameter is missing or holds what the call does not take."""
    return Denied("OPSQ2001", padded(f"ERROR : INPUT INVALID_CHECK_{name}"), rt_cd="2")


RATE_EXCEEDED = ("EGW00201", "초당 거래건수를 초과하였습니다.")

# Logged by clients of the live system: all but QUANTITY, PRICE_LIMIT and TOO_MANY, whose codes
# are assumed.
_REAL: dict[RefusalReason, tuple[str, str, str]] = {
    RefusalReason.CLOSED_DAY: ("1", "APBK0919", "장운영일자가 주문일과 상이합니다"),
    RefusalReason.BEFORE_HOURS: ("1", "APBK0918", "장운영시간이 아닙니다.(주문불가)"),
    RefusalReason.AFTER_HOURS: ("1", "APBK0918", "장운영시간이 아닙니다.(주문불가)"),
    RefusalReason.AUCTION_TYPE: (
        "1",
        "APBK3013",
        "[단일가매매] 지정가 주문(신규/정정/취소) 및 최유리/최우선 취소 주문만 가능합니다",
    ),
    RefusalReason.UNKNOWN_SYMBOL: ("7", "APBK0656", "해당종목정보가 없습니다."),
    RefusalReason.QUANTITY: ("7", "APBK1507", "주문수량을 확인 하십시요."),
    RefusalReason.PRICE_STEP: ("7", "APBK0506", "주식주문호가단위 오류 입니다."),
    RefusalReason.PRICE_LIMIT: ("7", "APBK0507", "주문단가가 상/하한가를 벗어납니다."),
    RefusalReason.FUNDS: ("7", "APBK0952", "주문가능금액을 초과 했습니다"),
    RefusalReason.HOLDINGS: ("7", "APBK0400", "주문 가능한 수량을 초과했습니다."),
    RefusalReason.NO_ORIGINAL: ("7", "APBK0344", "원주문정보가 존재하지 않습니다."),
    RefusalReason.NOTHING_LEFT: ("7", "APBK0927", "정정취소 가능수량이 없습니다."),
    RefusalReason.TOO_MANY: ("7", "APBK0928", "정정취소 가능수량을 초과했습니다."),
}
_VIRTUAL: dict[RefusalReason, tuple[str, str]] = {
    RefusalReason.CLOSED_DAY: ("40100000", "모의투자 영업일이 아닙니다."),
    RefusalReason.BEFORE_HOURS: ("40570000", "모의투자 장시작전 입니다."),
    RefusalReason.AFTER_HOURS: ("40580000", "모의투자 장종료 입니다."),
    RefusalReason.AUCTION_TYPE: ("40070000", "모의투자 주문유형 불가 시간입니다."),
    RefusalReason.UNKNOWN_SYMBOL: ("40140000", "모의투자 종목코드 오류입니다."),
    RefusalReason.QUANTITY: ("40650000", "모의투자 주문수량 오류입니다."),
    RefusalReason.PRICE_STEP: ("40030000", "모의투자 호가단위 오류입니다."),
    RefusalReason.PRICE_LIMIT: ("40270000", "모의투자 상/하한가 오류입니다."),
    RefusalReason.FUNDS: ("40310000", "모의투자 주문가능금액을 초과했습니다."),
    RefusalReason.HOLDINGS: ("40310000", "모의투자 주문가능수량을 초과했습니다."),
    RefusalReason.NO_ORIGINAL: ("40320000", "모의투자 원주문번호가 존재하지 않습니다."),
    RefusalReason.NOTHING_LEFT: ("40330000", "모의투자 정정/취소할 수량이 없습니다."),
    RefusalReason.TOO_MANY: ("40430000", "모의투자 취소수량이 취소가능수량을 초과합니다."),
}


def refused(reason: RefusalReason, environment: Environment) -> Denied:
    """The broker's words for a refused order in one environment."""
    if environment is Environment.VIRTUAL:
        code, text = _VIRTUAL[reason]
        return Denied(code, text)
    rt_cd, code, text = _REAL[reason]
    return Denied(code, text, rt_cd=rt_cd)


def placed_text(side: Side, environment: Environment) -> tuple[str, str]:
    """How either world says that it took an order, at home and abroad: code and text."""
    if environment is Environment.REAL:
        return "APBK0013", "주문 전송 완료 되었습니다."
    code, what = ("40600000", "매수") if side is Side.BUY else ("40610000", "매도")
    return code, f"모의투자 {what}주문이 완료 되었습니다."
