"""Catalogue calls that move money: no limit judges them as they are worded, so they are closed.

Cancels alone always pass: nothing may keep an order alive. Others need `risk.unjudged_calls: true`,
and then still stop at the kill switch, which lets nothing pass that it cannot tell from an entry.
"""

from daemon.core.errors import RiskRefused, UnjudgedCall
from daemon.core.events import TradingState
from daemon.core.limits import Rule
from daemon.kis.apirequest import ApiRequest
from daemon.kis.catalog import RestApi
from daemon.kis.handgate import SwitchState

SETTING = "risk.unjudged_calls: true"

_TYPED = {
    "domestic_stock.order_cash": "place_order",
    "domestic_stock.order_rvsecncl": "modify_order",
    "overseas_stock.order": "place_order",
    "overseas_stock.order_rvsecncl": "modify_order",
}
"""The method of `KISUnifiedClient` that does the same, and is judged."""

_CHANGES = ("_rvsecncl", "_ccnl")
"""How the names of calls end that change or cancel an order there is already."""

_ONLY_CANCEL = frozenset({"CTSC0009U", "OTFM3003U", "TTTT3017U", "VTTT3017U"})
"""TR ids that cancel and do nothing else: reserved orders, and futures abroad."""

_KIND, _CANCEL = "RVSE_CNCL_DVSN_CD", "02"


def is_cancel(request: ApiRequest) -> bool:
    """Whether a call certainly does nothing but cancel."""
    if not request.spec.name.endswith(_CHANGES):
        return False
    return request.api.chosen in _ONLY_CANCEL or request.parameters.get(_KIND) == _CANCEL


def close_unjudged(request: ApiRequest) -> None:
    """Raise `UnjudgedCall`, naming what to use instead, unless a call only cancels."""
    if not is_cancel(request):
        raise UnjudgedCall(_instead(request.spec))


def stop_at_switch(request: ApiRequest, state: SwitchState) -> None:
    """Raise `RiskRefused` while the kill switch is anywhere but at `RUNNING`, unless a call only
    cancels: whether it buys or sells is not known for all of them."""
    where, reason = state()
    if where is TradingState.RUNNING or is_cancel(request):
        return
    rule = Rule.REDUCE_ONLY if where is TradingState.REDUCE_ONLY else Rule.HALTED
    raise RiskRefused(rule, f"trading is {where}, and this call may be an entry: {reason}")


def _instead(spec: RestApi) -> str:
    typed = _TYPED.get(spec.id)
    if typed is None:
        return (
            f"{spec.id} 은(는) 한도로 심사할 수 없는 주문입니다. 그래도 보내려면 설정 {SETTING} / "
            f"no limit can judge {spec.id}: to send it all the same, set {SETTING}"
        )
    return (
        f"{spec.id} 대신 한도를 심사하는 KISUnifiedClient.{typed} 을(를) 쓰세요. 그래도 보내려면 "
        f"설정 {SETTING} / use KISUnifiedClient.{typed} instead of {spec.id}, which "
        f"no limit judges; to send it all the same, set {SETTING}"
    )
