"""A broker's answers in memory for a script's orders: prices, cash, holdings, lists of orders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.events import TradingState
from daemon.core.limits import RiskLimits
from daemon.core.values import Currency, Region
from daemon.kis.handgate import HandRules
from daemon.kis.link import HttpRequest, HttpResponse

LIMITS: dict[str, Any] = {
    "max_order_quantity": 100,
    "max_order_notional": Decimal(5_000_000),
    "max_position_notional": Decimal(10_000_000),
    "price_collar": Decimal("0.05"),
    "max_orders_per_minute": 20,
}
DAYS = Calendars(
    {Region.KR: MarketCalendar(frozenset()), Region.US: MarketCalendar(frozenset(), Region.US)}
)
NEW_YORK = datetime.fromisoformat("2026-07-10T15:00:00+00:00")
"""Eleven in New York, while Seoul sleeps."""


def rules(state: TradingState = TradingState.RUNNING, reason: str = "", **limits: Any) -> HandRules:
    return HandRules(
        limits=RiskLimits(**{**LIMITS, **limits}),
        calendars=DAYS,
        rates={Currency.USD: Decimal(1_500)},
        state=lambda: (state, reason),
    )


def reply(more: str = "", **body: object) -> HttpResponse:
    said = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "ok", **body}
    return HttpResponse(status=200, headers={"tr_cont": more}, body=orjson.dumps(said))


def open_row(number: str, code: str = "005930", **more: str) -> dict[str, str]:
    """An open purchase of ten shares at 70,000 in the domestic list."""
    told = {
        "ord_dt": "20260710", "ord_gno_brno": "06010", "odno": number, "orgn_odno": "",
        "ord_dvsn_cd": "00", "sll_buy_dvsn_cd": "02", "pdno": code, "ord_qty": "10",
        "ord_unpr": "70000", "ord_tmd": "090000", "tot_ccld_qty": "0", "tot_ccld_amt": "0",
        "avg_prvs": "0", "cncl_yn": "", "cncl_cfrm_qty": "0", "rmn_qty": "10", "rjct_qty": "0",
    }  # fmt: skip
    return {**told, **more}


@dataclass
class Bank:
    """What the broker says; `broken` are the ends of paths that answer with `trouble`."""

    last: int = 71_000
    cash: int = 10_000_000
    held: Mapping[str, int] = field(default_factory=dict)
    rows: list[dict[str, str]] = field(default_factory=list)
    abroad: list[dict[str, str]] = field(default_factory=list)
    broken: Mapping[str, BaseException] = field(default_factory=dict)
    placed: int = 0

    def __call__(self, request: HttpRequest) -> HttpResponse | BaseException:
        end = request.path.partition("/v1/")[2].rpartition("/")[2]
        place = "abroad " if "overseas" in request.path else ""
        for name in (end, place + end):
            if name in self.broken:
                return self.broken[name]
        if request.method == "POST":
            self.placed += 1
            told = {"KRX_FWDG_ORD_ORGNO": "06010", "ODNO": f"{122 + self.placed:010}"}
            return reply(output={**told, "ORD_TMD": "090001"})
        answers: dict[str, Callable[[], HttpResponse]] = {
            "inquire-price": self._price,
            "inquire-balance": self._balance,
            "inquire-daily-ccld": lambda: reply(output1=self.rows, output2={}),
            "abroad price": lambda: reply(
                output={"rsym": "DNASAAPL", "last": "200.00", "base": "198.00", "tvol": "12"}
            ),
            "abroad inquire-present-balance": self._purse,
            "abroad inquire-ccnl": lambda: reply(output=self.abroad),
            "abroad inquire-nccs": lambda: reply(output=[]),
        }
        return answers[place + end]()

    def _price(self) -> HttpResponse:
        limits = {"stck_mxpr": str(self.last * 13 // 1000 * 100), "stck_llam": "50000"}
        told = {"stck_prpr": str(self.last), "stck_sdpr": "70000", "aspr_unit": "100"}
        return reply(output={**told, **limits, "acml_vol": "5"})

    def _balance(self) -> HttpResponse:
        rows = [
            {"pdno": code, "hldg_qty": str(shares), "pchs_amt": str(shares * 70_000)}
            for code, shares in self.held.items()
        ]
        totals = {"prvs_rcdl_excc_amt": str(self.cash), "pchs_amt_smtl_amt": "0"}
        return reply(output1=rows, output2=[{**totals, "evlu_amt_smtl_amt": "0"}])

    def _purse(self) -> HttpResponse:
        purse = {
            "crcy_cd": "USD", "frcr_dncl_amt_2": "10000", "frcr_sll_amt_smtl": "0",
            "frcr_buy_amt_smtl": "0", "frst_bltn_exrt": "1385.5",
        }  # fmt: skip
        return reply(output1=[], output2=[purse], output3={})
