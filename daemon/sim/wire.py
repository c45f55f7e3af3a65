"""KIS' REST gateway: one request in, one KIS-shaped reply out, whatever the bytes.

It checks the door, the keys, the token and the TR id, and then asks the desk behind the path.
"""

from collections.abc import Callable, Mapping

import orjson

from daemon.kis.spec import Api, Environment
from daemon.sim import (
    rest_accounts,
    rest_charts,
    rest_orders,
    rest_overseas,
    rest_overseas_orders,
    rest_overseas_quotes,
    rest_profit,
    rest_quotes,
    synthetic,
)
from daemon.sim.calls import Answer, Call
from daemon.sim.door import Door
from daemon.sim.faults import FaultPlan, OrderPlan
from daemon.sim.keys import TokenState
from daemon.sim.market import Market
from daemon.sim.options import Customer, SimulatorOptions
from daemon.sim.reception import Reception
from daemon.sim.replies import (
    RATE_EXCEEDED,
    Denied,
    WireReply,
    WireRequest,
    encode,
    gateway_error,
)
from daemon.sim.rest_keys import KEY_PATHS

_QUOTES = "/uapi/domestic-stock/v1/quotations"
_TRADING = "/uapi/domestic-stock/v1/trading"
_OVERSEAS = "/uapi/overseas-stock/v1/trading"
_OVERSEAS_QUOTES = "/uapi/overseas-price/v1/quotations"
_OLD_DAY_ORDERS = ("CTSC9215R", "VTSC9215R", "CTSC9115R", "VTSC9115R")

Desk = Callable[[Call, Market], Answer]

_DESKS: dict[str, tuple[str, frozenset[str], Desk]] = {
    path: (method, frozenset(tr_ids), desk)
    for method, path, tr_ids, desk in (
        ("GET", Api.PRICE.path, (Api.PRICE.real,), rest_quotes.price),
        ("GET", Api.ORDER_BOOK.path, (Api.ORDER_BOOK.real,), rest_quotes.book),
        ("GET", Api.RECENT_TRADES.path, (Api.RECENT_TRADES.real,), rest_quotes.recent_trades),
        ("GET", Api.DAILY_PRICES.path, (Api.DAILY_PRICES.real,), rest_charts.daily_prices),
        ("GET", Api.DAILY_BARS.path, (Api.DAILY_BARS.real,), rest_charts.daily_chart),
        ("GET", Api.MINUTE_BARS.path, (Api.MINUTE_BARS.real,), rest_charts.minute_chart),
        (
            "GET",
            f"{_QUOTES}/inquire-time-dailychartprice",
            ("FHKST03010230",),
            rest_charts.past_minute_chart,
        ),
        ("GET", f"{_QUOTES}/search-info", ("CTPF1604R",), rest_quotes.product),
        ("GET", f"{_QUOTES}/search-stock-info", ("CTPF1002R",), rest_quotes.stock_info),
        ("GET", Api.HOLIDAYS.path, (Api.HOLIDAYS.real,), rest_accounts.holidays),
        (
            "GET",
            Api.BALANCE.path,
            (Api.BALANCE.real, Api.BALANCE.virtual),
            rest_accounts.balance,
        ),
        (
            "GET",
            Api.DAY_ORDERS.path,
            (Api.DAY_ORDERS.real, Api.DAY_ORDERS.virtual, *Api.DAY_ORDERS.older, *_OLD_DAY_ORDERS),
            rest_accounts.day_orders,
        ),
        (
            "GET",
            Api.ORDERABLE.path,
            (Api.ORDERABLE.real, Api.ORDERABLE.virtual),
            rest_accounts.orderable,
        ),
        (
            "GET",
            Api.OPEN_ORDERS.path,
            # The virtual ids reach the system and are told that it has no such query.
            (Api.OPEN_ORDERS.real, *Api.OPEN_ORDERS.older, "VTTC0084R", "VTTC8036R"),
            rest_accounts.open_orders,
        ),
        ("GET", f"{_TRADING}/inquire-psbl-sell", ("TTTC8408R",), rest_accounts.sellable),
        ("GET", Api.TRADE_PROFIT.path, (Api.TRADE_PROFIT.real,), rest_profit.trade_profits),
        (
            "GET",
            Api.OVERSEAS_PROFIT.path,
            (Api.OVERSEAS_PROFIT.real,),
            rest_profit.overseas_profits,
        ),
        (
            "POST",
            Api.MODIFY_CANCEL.path,
            (Api.MODIFY_CANCEL.real, Api.MODIFY_CANCEL.virtual, *Api.MODIFY_CANCEL.older),
            rest_orders.change,
        ),
        (
            "GET",
            f"{_OVERSEAS}/inquire-nccs",
            ("TTTS3018R", "VTTS3018R"),
            rest_overseas.open_orders,
        ),
        (
            "GET",
            f"{_OVERSEAS}/inquire-ccnl",
            ("TTTS3035R", "VTTS3035R"),
            rest_overseas.day_orders,
        ),
        (
            "GET",
            f"{_OVERSEAS}/inquire-present-balance",
            ("CTRP6504R", "VTRP6504R"),
            rest_overseas.present_balance,
        ),
        (
            "GET",
            f"{_OVERSEAS}/inquire-balance",
            ("TTTS3012R", "VTTS3012R"),
            rest_overseas.balance,
        ),
        (
            "GET",
            f"{_OVERSEAS}/inquire-psamount",
            ("TTTS3007R", "VTTS3007R"),
            rest_overseas.orderable,
        ),
        (
            "POST",
            rest_overseas_orders.CHANGE_PATH,
            rest_overseas_orders.CHANGES,
            rest_overseas_orders.change,
        ),
        ("GET", f"{_OVERSEAS_QUOTES}/price", ("HHDFS00000300",), rest_overseas_quotes.price),
        (
            "GET",
            f"{_OVERSEAS_QUOTES}/price-detail",
            ("HHDFS76200200",),
            rest_overseas_quotes.detail,
        ),
        (
            "GET",
            f"{_OVERSEAS_QUOTES}/inquire-asking-price",
            ("HHDFS76200100",),
            rest_overseas_quotes.book,
        ),
        (
            "GET",
            f"{_OVERSEAS_QUOTES}/dailyprice",
            ("HHDFS76240000",),
            rest_overseas_quotes.daily_prices,
        ),
        (
            "GET",
            f"{_OVERSEAS_QUOTES}/inquire-time-itemchartprice",
            ("HHDFS76950200",),
            rest_overseas_quotes.minute_chart,
        ),
    )
}
Placer = Callable[..., Answer]
_ORDER_IDS = frozenset(
    tr_id for api in (Api.BUY, Api.SELL) for tr_id in (api.real, api.virtual, *api.older)
)
_PLACERS: dict[str, tuple[frozenset[str], Placer]] = {
    Api.BUY.path: (_ORDER_IDS, rest_orders.place),
    rest_overseas_orders.ORDER_PATH: (
        rest_overseas_orders.BUYS | rest_overseas_orders.SELLS,
        rest_overseas_orders.place,
    ),
}
_ABROAD = "/uapi/overseas-"
"""Calls about markets of other countries begin so."""

_OLDER = frozenset(tr_id for api in Api for tr_id in api.older)


def is_simulated(path: str) -> bool:
    """Whether the answers behind a path come from the market and its books."""
    return path in _DESKS or path in _PLACERS


class KisWire:
    """The gateway in front of the Korean market and of those overseas.

    `receptions` are those of the customers by app key, the first one's first.
    """

    def __init__(
        self,
        options: SimulatorOptions,
        market: Market,
        overseas: Market,
        receptions: Mapping[str, Reception],
        faults: FaultPlan,
    ) -> None:
        self.market = market
        self.overseas = overseas
        self.door = Door(options.rate_limit)
        self.plans: dict[int, OrderPlan] = {}
        self._options = options
        self._receptions = receptions
        self._faults = faults

    def handle(self, request: WireRequest, monotonic: float) -> WireReply:
        """Answer one request; the markets must have been advanced to its arrival."""
        body = _json_object(request.body)
        key = request.headers.get("appkey") or str((body or {}).get("appkey", ""))
        try:
            if not self.door.enter(key, monotonic):
                raise gateway_error(*RATE_EXCEEDED)
            if request.path in KEY_PATHS and request.method == "POST":
                # Who shows no key that is known is refused at any desk.
                at = self._receptions.get(key) or self._receptions[self._options.app_key]
                return at.desk.answer(
                    request.path,
                    body,
                    request.headers,
                    now=self.market.now,
                )
            return self._ask_desk(request, body)
        except Denied as denied:
            shaped: dict[str, object] = {
                "rt_cd": denied.rt_cd,
                "msg_cd": denied.code,
                "msg1": denied.text,
            }
            headers = {"tr_cont": "", "gt_uid": ""}
            return WireReply(status=denied.status, body=encode(shaped), headers=headers)

    def _ask_desk(self, request: WireRequest, body: Mapping[str, object] | None) -> WireReply:
        tr_id = request.headers.get("tr_id", "").strip()
        desk, placer = _DESKS.get(request.path), _PLACERS.get(request.path)
        unsimulated = None if desk or placer else synthetic.api_of(request.path)
        if desk is not None:
            method, tr_ids = desk[:2]
        elif placer is not None:
            method, tr_ids = "POST", placer[0]
        elif unsimulated is not None:
            method, tr_ids = unsimulated.method, unsimulated.known_ids
        else:
            raise gateway_error("EGW00101", "유효하지 않은 요청입니다.", 404)
        if request.method != method:
            raise gateway_error("EGW00101", "유효하지 않은 요청입니다.", 405)
        customer = self._check_keys(request.headers)
        if tr_id not in tr_ids:
            raise gateway_error("EGW00213", "유효하지 않은 tr_id 입니다.")
        call = Call(
            tr_id=tr_id,
            environment=Environment.VIRTUAL if tr_id.startswith("V") else Environment.REAL,
            older=tr_id in _OLDER,
            parameters=_parameters(request, body),
            tr_cont=request.headers.get("tr_cont", ""),
            accounts=customer.accounts,
        )
        answer = self._answered(call, request.path)
        headers = {"tr_id": tr_id, "tr_cont": answer.tr_cont, "gt_uid": ""}
        return WireReply(status=200, body=encode(answer.body), headers=headers, order=answer.order)

    def _answered(self, call: Call, path: str) -> Answer:
        market = self.overseas if path.startswith(_ABROAD) else self.market
        desk, placer = _DESKS.get(path), _PLACERS.get(path)
        if desk is not None:
            answer = desk[2](call, market)
            if answer.order is not None:
                self.plans[answer.order] = self._faults.draw()
        elif placer is not None:
            plan = self._faults.draw()
            answer = placer[1](call, market, reject=plan.reject)
            assert answer.order is not None, "an accepted order has a number"
            self.plans[answer.order] = plan
        else:
            unsimulated = synthetic.api_of(path)
            assert unsimulated is not None, "the path was looked up before"
            answer = synthetic.answer(call, market, unsimulated, self._options.seed)
        return answer

    def _check_keys(self, headers: Mapping[str, str]) -> Customer:
        """Whose key and token they are."""
        reception = self._receptions.get(headers.get("appkey", ""))
        if reception is None:
            raise gateway_error("EGW00103", "유효하지 않은 AppKey입니다.", 403)
        if headers.get("appsecret") != reception.customer.app_secret:
            raise gateway_error("EGW00105", "유효하지 않은 AppSecret입니다.", 403)
        authorization = headers.get("authorization", "")
        if not authorization:
            raise gateway_error("EGW00121", "유효하지 않은 token 입니다.")
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer":
            raise gateway_error("EGW00205", "credentials_type이 유효하지 않습니다.(Bearer)")
        match reception.keys.check_token(token.strip(), self.market.now):
            case TokenState.UNKNOWN:
                raise gateway_error("EGW00121", "유효하지 않은 token 입니다.")
            case TokenState.EXPIRED:
                raise gateway_error("EGW00123", "기간이 만료된 token 입니다.")
            case TokenState.VALID:
                return reception.customer


def _json_object(body: bytes) -> dict[str, object] | None:
    """The JSON object in `body`, or `None` when it holds anything else."""
    try:
        parsed = orjson.loads(body)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _parameters(request: WireRequest, body: Mapping[str, object] | None) -> dict[str, str]:
    if request.method == "GET":
        return dict(request.query)
    if "application/json" not in request.headers.get("content-type", "").lower():
        raise gateway_error("EGW00132", "유효하지 않은 content-type 입니다.")
    if body is None:
        raise gateway_error("IGW00007", "전문 형식이 올바르지 않습니다.")
    # Numbers instead of strings are as good as missing: the broker takes strings alone.
    return {name: value for name, value in body.items() if isinstance(value, str)}
