"""Answers of the control API as tables for people, in Korean and English."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]

_LONG = frozenset({"cause", "instruments", "ours", "theirs", "owners"})
"""Columns whose text may go on below."""


def table(title: str, columns: Mapping[str, str], rows: Sequence[Row]) -> RenderableType:
    """Rows of an answer under Korean and English heads; numbers stand to the right."""
    if not rows:
        return Text(f"{title}: 없음 none")
    drawn = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name, head in columns.items():
        numeric = all(_is_number(each.get(name)) for each in rows)
        side: Literal["left", "right"] = "right" if numeric else "left"
        drawn.add_column(head, justify=side, overflow="fold", no_wrap=name not in _LONG)
    for row in rows:
        drawn.add_row(*(Text(cell(row.get(name))) for name in columns))
    return drawn


def cell(value: object) -> str:
    """One value in words."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "예 yes" if value else "아니오 no"
        case dict():
            return ", ".join(f"{name} {cell(each)}" for name, each in value.items()) or "-"
        case list():
            return ", ".join(map(cell, value)) or "-"
        case _:
            return grouped(str(value))


def grouped(text: str) -> str:
    """A number with its thousands apart and no zeros at its end; any other text as it is.

    Codes of four digits and numbers that begin with 0 are no amounts.
    """
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, rest = digits.partition(".")
    if not whole.isdecimal() or (point and not rest.isdecimal()):
        return text
    if whole.startswith("0") and len(whole) > 1:
        return text
    rest = rest.rstrip("0")
    return f"{sign}{int(whole):,}" + (f".{rest}" if rest else "")


def _is_number(value: object) -> bool:
    if value is None:
        return True
    return str(value).lstrip("-").replace(".", "", 1).isdigit()


def facts(title: str, heads: Mapping[str, str], answer: Row) -> RenderableType:
    """Single figures, one a line."""
    drawn = Table(title=title, box=None, show_header=False, title_justify="left", pad_edge=False)
    for name, head in heads.items():
        if name in answer:
            drawn.add_row(head, Text(cell(answer[name])))
    return drawn


_STATUS = {
    "mode": "모드 mode",
    "account": "계좌 account",
    "market_time": "시장 시각 market time (UTC)",
    "uptime_seconds": "켜진 지(초) up for, s",
    "state": "상태 state",
    "state_reason": "이유 reason",
    "gate_open": "새 주문 가능 new orders pass",
    "gate": "막는 것 held by",
    "strategies": "전략 strategies",
    "open_orders": "미체결 open orders",
    "positions": "보유 종목 positions",
    "cash": "현금 cash",
    "discrepancies": "장부 차이 discrepancies",
}
_ORDERS = {
    "id": "주문\norder",
    "owner": "주인\nowner",
    "instrument": "종목\ninstrument",
    "side": "구분\nside",
    "quantity": "수량\nquantity",
    "filled": "체결\nfilled",
    "price": "가격\nprice",
    "state": "상태\nstate",
    "number": "번호\nnumber",
    "cause": "사유\ncause",
}
_POSITIONS = {
    "instrument": "종목\ninstrument",
    "quantity": "수량\nquantity",
    "average_price": "평균가\naverage",
    "last_price": "현재가\nlast",
    "value": "평가\nvalue",
    "unrealised": "손익\nunrealised",
    "owners": "주인\nowners",
}
_STRATEGIES = {
    "id": "전략\nstrategy",
    "state": "상태\nstate",
    "cause": "사유\ncause",
    "open_orders": "미체결\nopen orders",
    "instruments": "종목\ninstruments",
}
_SUBSCRIPTIONS = {
    "channel": "채널\nchannel",
    "instrument": "종목\ninstrument",
    "confirmed": "확인됨\nconfirmed",
}
_DISCREPANCIES = {
    "subject": "무엇\nsubject",
    "ours": "우리\nours",
    "theirs": "증권사\nthe broker's",
    "since": "부터\nsince",
}
_BUDGET = {
    "per_second": "초당 한도 a second",
    "used_last_second": "지난 1초 used in the last second",
    "waiting": "대기 waiting",
    "requests": "보낸 요청 requests sent",
    "refusals": "거절 refusals",
    "unknown": "결과 모름 outcome unknown",
    "longest_wait": "가장 긴 대기(초) longest wait, s",
    "longest_round_trip": "가장 긴 응답(초) longest round trip, s",
}
_TOKEN = {
    "valid": "유효 valid",
    "age_seconds": "발급 후(초) age, s",
    "left_seconds": "남은 시간(초) left, s",
    "issued_at": "발급 issued (UTC)",
    "expires_at": "만료 expires (UTC)",
}


def _subscriptions(answer: Row) -> RenderableType:
    parts: list[RenderableType] = [
        table("구독 subscriptions", _SUBSCRIPTIONS, answer["subscriptions"])
    ]
    if answer["dark"]:
        parts.append(Text(f"시세 없음 without prices: {', '.join(answer['dark'])}"))
    return Group(*parts)


SHOWN: Mapping[str, Callable[[Row], RenderableType]] = {
    "status": lambda answer: facts("데몬 daemon", _STATUS, answer),
    "positions": lambda answer: table("보유 positions", _POSITIONS, answer["positions"]),
    "orders": lambda answer: table("주문 orders", _ORDERS, answer["orders"]),
    "strategies": lambda answer: table("전략 strategies", _STRATEGIES, answer["strategies"]),
    "subscriptions": _subscriptions,
    "budget": lambda answer: facts("요청 예산 request budget", _BUDGET, answer),
    "token": lambda answer: facts("접근 토큰 access token", _TOKEN, answer),
    "discrepancies": lambda answer: table(
        "장부 차이 discrepancies", _DISCREPANCIES, answer["discrepancies"]
    ),
}
"""How each view is drawn."""


def done(answer: Row) -> RenderableType:
    """What came of an act."""
    result = answer.get("result", {})
    repeated = " (전에 한 요청 asked before)" if answer.get("repeated") else ""
    head = Text(f"지금 / now: {answer['message']}{repeated}")
    orders = result.get("orders") or ([result["order"]] if "order" in result else [])
    return Group(head, table("주문 orders", _ORDERS, orders)) if orders else head
