"""Which calls of the catalogue no limit judges, and what they meet."""

import pytest

from daemon.core.errors import RiskRefused, UnjudgedCall
from daemon.core.events import TradingState
from daemon.kis.apirequest import ApiRequest, Endpoint
from daemon.kis.catalog import APIS, find
from daemon.kis.client import KISUnifiedClient
from daemon.kis.ordercalls import close_unjudged, is_cancel, stop_at_switch

CANCELS = (
    ("domestic_stock.order_rvsecncl", "TTTC0013U", "02"),
    ("domestic_futureoption.order_rvsecncl", "TTTO1103U", "02"),
    ("domestic_bond.order_rvsecncl", "TTTC0953U", "02"),
    ("overseas_stock.order_rvsecncl", "TTTT1004U", "02"),
    ("domestic_stock.order_resv_rvsecncl", "CTSC0009U", ""),
    ("overseas_futureoption.order_rvsecncl", "OTFM3003U", ""),
    ("overseas_stock.order_resv_ccnl", "TTTT3017U", ""),
)


def made(name: str, chosen: str = "", kind: str = "") -> ApiRequest:
    spec = find(name).api
    where = Endpoint(spec.name, spec.method, spec.path, chosen)
    parameters = {"RVSE_CNCL_DVSN_CD": kind} if kind else {}
    return ApiRequest(spec=spec, api=where, parameters=parameters)


@pytest.mark.parametrize(("name", "chosen", "kind"), CANCELS)
def test_cancels_always_pass(name: str, chosen: str, kind: str) -> None:
    request = made(name, chosen, kind)
    assert is_cancel(request)
    close_unjudged(request)
    stop_at_switch(request, lambda: (TradingState.HALTED, "lunch"))


@pytest.mark.parametrize(
    ("name", "chosen", "kind"),
    [
        ("domestic_stock.order_rvsecncl", "TTTC0013U", "01"),
        ("domestic_stock.order_resv_rvsecncl", "CTSC0013U", ""),
        ("overseas_futureoption.order_rvsecncl", "OTFM3002U", ""),
        ("domestic_bond.buy", "TTTC0952U", "02"),
    ],
)
def test_what_may_do_more_than_cancel_is_no_cancel(name: str, chosen: str, kind: str) -> None:
    assert not is_cancel(made(name, chosen, kind))


@pytest.mark.parametrize("api", [each.id for each in APIS if each.is_order])
def test_every_other_order_of_the_catalogue_is_closed_and_says_what_to_use(api: str) -> None:
    if api == "overseas_stock.order_resv_ccnl":
        assert is_cancel(made(api, "VTTT3017U"))
        return
    with pytest.raises(UnjudgedCall, match=r"risk\.unjudged_calls: true") as caught:
        close_unjudged(made(api))
    named = caught.value.reason.partition("KISUnifiedClient.")[2].partition(" ")[0]
    if api in ("domestic_stock.order_cash", "overseas_stock.order"):
        assert named == "place_order"
    assert not named or callable(getattr(KISUnifiedClient, named))


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (TradingState.HALTED, "halted"),
        (TradingState.FLATTENING, "halted"),
        (TradingState.REDUCE_ONLY, "reduce_only"),
    ],
)
def test_an_open_call_stops_at_the_kill_switch(state: TradingState, rule: str) -> None:
    with pytest.raises(RiskRefused, match="lunch") as caught:
        stop_at_switch(made("domestic_bond.buy"), lambda: (state, "lunch"))
    assert caught.value.rule == rule
    stop_at_switch(made("domestic_bond.buy"), lambda: (TradingState.RUNNING, ""))
