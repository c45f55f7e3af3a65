"""A simulated broker for tests: without sockets on a clock set by hand, or live on real ports."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from daemon.core.calendar import KST
from daemon.core.values import Region
from daemon.kis.spec import Api
from daemon.sim.american import LISTINGS as AMERICAN_LISTINGS
from daemon.sim.broker import Broker
from daemon.sim.options import APP_KEY, APP_SECRET, HTS_ID, SimulatorOptions
from daemon.sim.replies import WireRequest
from daemon.sim.server import SimulatorServer
from daemon.sim.universe import LISTINGS, Listing

DAY = date(2026, 10, 12)
"""A Monday."""

OPEN = datetime(2026, 10, 12, 9, 0, tzinfo=KST)
FEW = LISTINGS[:3]
QUIET = tuple(replace(listing, pace=0.02) for listing in FEW)
"""Little happens, so that whole days pass quickly."""

BODY = {"CANO": "12345678", "ACNT_PRDT_CD": "01"}
BALANCE = {
    **BODY,
    **{"AFHR_FLPR_YN": "N", "OFL_YN": "", "INQR_DVSN": "01", "UNPR_DVSN": "01"},
    **{"FUND_STTL_ICLD_YN": "N", "FNCG_AMT_AUTO_RDPT_YN": "N", "PRCS_DVSN": "00"},
    **{"CTX_AREA_FK100": "", "CTX_AREA_NK100": ""},
}
DAY_ORDERS = {
    **BODY,
    **{"INQR_STRT_DT": "20261012", "INQR_END_DT": "20261012", "SLL_BUY_DVSN_CD": "00"},
    **{"INQR_DVSN": "00", "PDNO": "", "CCLD_DVSN": "00", "ORD_GNO_BRNO": "", "ODNO": ""},
    **{"INQR_DVSN_3": "00", "INQR_DVSN_1": "", "CTX_AREA_FK100": "", "CTX_AREA_NK100": ""},
}
OPTIONS = SimulatorOptions(start=OPEN, listings=FEW, token_interval=0.0, rate_limit=1000)

NIGHT = datetime(2026, 10, 12, 22, 30, tzinfo=KST)
"""When the US markets open on DAY, in summer time."""

AMERICANS = tuple(replace(listing, pace=0.05) for listing in AMERICAN_LISTINGS)
AMERICAN_OPTIONS = replace(
    OPTIONS,
    start=NIGHT + timedelta(minutes=1),
    regions=frozenset({Region.US}),
    american_listings=AMERICANS,
    early_notices=0.0,
)
ABROAD = "/uapi/overseas-stock/v1/trading/"
QUOTED = "/uapi/overseas-price/v1/quotations/"


class Said(NamedTuple):
    """A decoded reply."""

    status: int
    tr_cont: str
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body.get("msg_cd") or self.body.get("error_code"))


def listings(count: int) -> tuple[Listing, ...]:
    """`count` made-up stocks."""
    return tuple(
        replace(LISTINGS[0], code=f"{number:06}", name=f"종목{number}", pace=0.2)
        for number in range(1, count + 1)
    )


class Rig:
    """A broker whose time is moved by hand and whose requests are function calls."""

    def __init__(self, options: SimulatorOptions = OPTIONS, **changes: Any) -> None:
        self.options = replace(options, **changes)
        assert self.options.start is not None, "a rig needs a fixed start"
        self.now = self.options.start
        self.monotonic = 1000.0
        self.broker = Broker(self.options, self.now)
        self.token = self.new_token()

    def new_token(self) -> str:
        grant = {"grant_type": "client_credentials", "appkey": APP_KEY, "appsecret": APP_SECRET}
        body = self.send("POST", Api.TOKEN.path, body=grant).body
        return str(body.get("access_token", ""))

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.monotonic += seconds
        self.broker.advance(self.now, self.monotonic)

    def jump(self, at: datetime) -> None:
        self.pass_time((at - self.now).total_seconds())

    def headers(self, tr_id: str, tr_cont: str = "") -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.token}",
            "appkey": APP_KEY,
            "appsecret": APP_SECRET,
            "tr_id": tr_id,
            "tr_cont": tr_cont,
            "content-type": "application/json; charset=utf-8",
            "custtype": "P",
        }

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: Any = None,
    ) -> Said:
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        request = WireRequest(
            method=method, path=path, query=query or {}, headers=headers or {}, body=raw
        )
        return self.said(request)

    def said(self, request: WireRequest) -> Said:
        """What is answered to a request of one's own making."""
        reply, _ = self.broker.handle(request, self.now, self.monotonic)
        return Said(reply.status, reply.headers.get("tr_cont", ""), json.loads(reply.body))

    def get(self, api: Api | str, tr_id: str, tr_cont: str = "", **query: str) -> Said:
        path = api if isinstance(api, str) else api.path
        return self.send("GET", path, headers=self.headers(tr_id, tr_cont), query=query)

    def post(self, api: Api, tr_id: str, **body: str) -> Said:
        return self.send("POST", api.path, headers=self.headers(tr_id), body=body)

    def buy(self, quantity: int, price: int = 0, code: str = "005930", **more: str) -> Said:
        body = {**order_body(code, quantity, price), **more}
        return self.post(Api.BUY, Api.BUY.real, **body)

    def sell(self, quantity: int, price: int = 0, code: str = "005930", **more: str) -> Said:
        body = {**order_body(code, quantity, price), **more}
        return self.post(Api.SELL, Api.SELL.real, **body)

    def change(self, number: str, *, cancel: bool, quantity: int = 0, price: int = 0) -> Said:
        return self.post(
            Api.MODIFY_CANCEL,
            Api.MODIFY_CANCEL.real,
            **change_body(number, cancel, quantity, price),
        )

    def abroad(
        self,
        quantity: int,
        price: str,
        code: str = "AAPL",
        exchange: str = "NASD",
        tr_id: str = "TTTT1002U",
        **more: str,
    ) -> Said:
        """Order in a US market."""
        body = order_abroad(code, exchange, quantity, price, **more)
        return self.send("POST", ABROAD + "order", headers=self.headers(tr_id), body=body)

    def change_there(
        self, number: str, *, cancel: bool, quantity: int, price: str = "0", code: str = "AAPL"
    ) -> Said:
        body = change_abroad(number, code, "NASD", cancel=cancel, quantity=quantity, price=price)
        headers = self.headers("TTTT1004U")
        return self.send("POST", ABROAD + "order-rvsecncl", headers=headers, body=body)

    def rows_abroad(self, tr_cont: str = "", **changes: str) -> Said:
        query = {
            **BODY,
            **{"PDNO": "", "ORD_STRT_DT": "20261012", "ORD_END_DT": "20261012"},
            **{"SLL_BUY_DVSN": "00", "CCLD_NCCS_DVSN": "00", "OVRS_EXCG_CD": "NASD"},
            **{"SORT_SQN": "DS", "ORD_DT": "", "ORD_GNO_BRNO": "", "ODNO": ""},
            **{"CTX_AREA_NK200": "", "CTX_AREA_FK200": ""},
        }
        return self.get(ABROAD + "inquire-ccnl", "TTTS3035R", tr_cont, **{**query, **changes})

    def best_abroad(self, code: str = "AAPL") -> tuple[Decimal, Decimal]:
        view = self.broker.overseas.view(code)
        return view.bids[0].price, view.asks[0].price

    def rows(self, **changes: str) -> list[dict[str, str]]:
        said = self.get(Api.DAY_ORDERS, Api.DAY_ORDERS.real, **{**DAY_ORDERS, **changes})
        rows: list[dict[str, str]] = said.body["output1"]
        return rows

    def best(self, code: str = "005930") -> tuple[Decimal, Decimal]:
        view = self.broker.market.view(code)
        return view.bids[0].price, view.asks[0].price


def order_body(code: str, quantity: int, price: int) -> dict[str, str]:
    return {
        **BODY,
        **{"PDNO": code, "ORD_DVSN": "00" if price else "01", "ORD_QTY": str(quantity)},
        **{"ORD_UNPR": str(price), "EXCG_ID_DVSN_CD": "KRX", "SLL_TYPE": "", "CNDT_PRIC": ""},
    }


def change_body(number: str, cancel: bool, quantity: int, price: int) -> dict[str, str]:
    return {
        **BODY,
        **{"KRX_FWDG_ORD_ORGNO": "06010", "ORGN_ODNO": number, "ORD_DVSN": "00"},
        **{"RVSE_CNCL_DVSN_CD": "02" if cancel else "01", "ORD_QTY": str(quantity)},
        **{"ORD_UNPR": str(price), "QTY_ALL_ORD_YN": "N" if quantity else "Y"},
        **{"EXCG_ID_DVSN_CD": "KRX", "CNDT_PRIC": ""},
    }


def order_abroad(
    code: str, exchange: str, quantity: int, price: str, **more: str
) -> dict[str, str]:
    return {
        **BODY,
        **{"OVRS_EXCG_CD": exchange, "PDNO": code, "ORD_QTY": str(quantity)},
        **{"OVRS_ORD_UNPR": price, "CTAC_TLNO": "", "MGCO_APTM_ODNO": "", "SLL_TYPE": "00"},
        **{"ORD_SVR_DVSN_CD": "0", "ORD_DVSN": "00"},
        **more,
    }


def change_abroad(
    number: str, code: str, exchange: str, *, cancel: bool, quantity: int, price: str = "0"
) -> dict[str, str]:
    return {
        **BODY,
        **{"OVRS_EXCG_CD": exchange, "PDNO": code, "ORGN_ODNO": number, "ORD_QTY": str(quantity)},
        **{"RVSE_CNCL_DVSN_CD": "02" if cancel else "01", "OVRS_ORD_UNPR": price},
        **{"MGCO_APTM_ODNO": "", "ORD_SVR_DVSN_CD": "0"},
    }


def registration(approval: str, tr_id: str, tr_key: str, tr_type: str = "1") -> str:
    header = {"approval_key": approval, "custtype": "P", "tr_type": tr_type}
    header["content-type"] = "utf-8"
    return json.dumps({"header": header, "body": {"input": {"tr_id": tr_id, "tr_key": tr_key}}})


def unsealed(frame: str, key: str, iv: str) -> list[str]:
    """The columns of an encrypted notice frame, decrypted independently of the encoder."""
    import base64

    sealed = base64.b64decode(frame.split("|", 3)[3])
    decryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode())).decryptor()
    padded = decryptor.update(sealed) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode().split("^")


class Live:
    """A running simulator and an HTTP client for it."""

    def __init__(self, server: SimulatorServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http
        self.token = ""

    async def log_in(self) -> str:
        """Fetch a token and return an approval key."""
        grant = {"grant_type": "client_credentials", "appkey": APP_KEY}
        said = await self.post("/oauth2/tokenP", {**grant, "appsecret": APP_SECRET})
        self.token = said.body["access_token"]
        said = await self.post("/oauth2/Approval", {**grant, "secretkey": APP_SECRET})
        return str(said.body["approval_key"])

    def headers(self, tr_id: str, tr_cont: str = "") -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.token}",
            "appkey": APP_KEY,
            "appsecret": APP_SECRET,
            "tr_id": tr_id,
            "tr_cont": tr_cont,
        }

    async def post(self, path: str, body: Any, tr_id: str = "") -> Said:
        headers = self.headers(tr_id) if tr_id else {}
        async with self.http.post(self.server.rest_url + path, json=body, headers=headers) as got:
            return Said(got.status, got.headers.get("tr_cont", ""), await got.json())

    async def get(self, path: str, tr_id: str = "", **query: str) -> Said:
        headers = self.headers(tr_id) if tr_id else {}
        url = self.server.rest_url + path
        async with self.http.get(url, params=query, headers=headers) as got:
            return Said(got.status, got.headers.get("tr_cont", ""), await got.json())

    def stream(self) -> Any:
        return self.http.ws_connect(self.server.ws_url + "/tryitout", autoping=False)


@asynccontextmanager
async def live(**changes: Any) -> AsyncIterator[Live]:
    """A simulator on free ports, stopped at the end."""
    server = SimulatorServer(replace(OPTIONS, **changes))
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Live(server, http)
    finally:
        await server.stop()


def notice_request(approval: str, channel: str = "H0STCNI0") -> str:
    return registration(approval, channel, HTS_ID)
