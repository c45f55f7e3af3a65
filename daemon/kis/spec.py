"""KIS as tables: hosts, TR ids, channels, columns, codes and limits, each with its source.

Sources: "portal" is the vendor's documentation, "sample" its public sample repository (July
2026), "measured" an observation on a live or mock host. Both the client and the simulator read
these tables; neither shares a line of decoding with the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum

from daemon.core.values import Region


class Environment(StrEnum):
    """Which of the broker's worlds a TR id and a notice channel belong to."""

    REAL = "real"
    VIRTUAL = "virtual"


class RestCall(Enum):
    """A table of REST calls: method, path, TR id in each environment, older ids still accepted."""

    def __init__(
        self, method: str, path: str, real: str, virtual: str, older: tuple[str, ...]
    ) -> None:
        self.method = method
        self.path = path
        self.real = real
        self.virtual = virtual
        self.older = older

    def tr_id(self, environment: Environment) -> str:
        """The id to send; empty when the call has none or is not offered there."""
        return self.real if environment is Environment.REAL else self.virtual


class Api(RestCall):
    """The calls of the domestic side, and those of the keys.

    Quotation ids are the same in both worlds. The older order ids carry no venue; the older
    virtual VTTC8001R answers an empty list even after fills (five reports), so it is never chosen.
    """

    TOKEN = ("POST", "/oauth2/tokenP", "", "", ())
    REVOKE = ("POST", "/oauth2/revokeP", "", "", ())
    APPROVAL = ("POST", "/oauth2/Approval", "", "", ())
    HASHKEY = ("POST", "/uapi/hashkey", "", "", ())
    BUY = (
        "POST",
        "/uapi/domestic-stock/v1/trading/order-cash",
        "TTTC0012U",
        "VTTC0012U",
        ("TTTC0802U", "VTTC0802U"),
    )
    SELL = (
        "POST",
        "/uapi/domestic-stock/v1/trading/order-cash",
        "TTTC0011U",
        "VTTC0011U",
        ("TTTC0801U", "VTTC0801U"),
    )
    MODIFY_CANCEL = (
        "POST",
        "/uapi/domestic-stock/v1/trading/order-rvsecncl",
        "TTTC0013U",
        "VTTC0013U",
        ("TTTC0803U", "VTTC0803U"),
    )
    PRICE = (
        "GET",
        "/uapi/domestic-stock/v1/quotations/inquire-price",
        "FHKST01010100",
        "FHKST01010100",
        (),
    )
    ORDER_BOOK = (
        "GET",
        "/uapi/domestic-stock/v1/quotations/inquire-asking-price-exp-ccn",
        "FHKST01010200",
        "FHKST01010200",
        (),
    )
    RECENT_TRADES = (
        "GET",
        "/uapi/domestic-stock/v1/quotations/inquire-ccnl",
        "FHKST01010300",
        "FHKST01010300",
        (),
    )
    DAILY_PRICES = (
        "GET",
        "/uapi/domestic-stock/v1/quotations/inquire-daily-price",
        "FHKST01010400",
        "FHKST01010400",
        (),
    )
    DAILY_BARS = (
        "GET",
        "/uapi/domestic-stock/v1/quotations/inquire-daily-itemchartprice",
        "FHKST03010100",
        "FHKST03010100",
        (),
    )
    MINUTE_BARS = (
        "GET",
        "/uapi/domestic-stock/v1/quotations/inquire-time-itemchartprice",
        "FHKST03010200",
        "FHKST03010200",
        (),
    )
    BALANCE = (
        "GET",
        "/uapi/domestic-stock/v1/trading/inquire-balance",
        "TTTC8434R",
        "VTTC8434R",
        (),
    )
    DAY_ORDERS = (
        "GET",
        "/uapi/domestic-stock/v1/trading/inquire-daily-ccld",
        "TTTC0081R",
        "VTTC0081R",
        ("TTTC8001R", "VTTC8001R"),
    )
    ORDERABLE = (
        "GET",
        "/uapi/domestic-stock/v1/trading/inquire-psbl-order",
        "TTTC8908R",
        "VTTC8908R",
        (),
    )
    OPEN_ORDERS = (
        "GET",
        "/uapi/domestic-stock/v1/trading/inquire-psbl-rvsecncl",
        "TTTC0084R",
        "",
        ("TTTC8036R",),
    )
    HOLIDAYS = (
        "GET",
        "/uapi/domestic-stock/v1/quotations/chk-holiday",
        "CTCA0903R",
        "",
        (),
    )
    TRADE_PROFIT = (
        "GET",
        "/uapi/domestic-stock/v1/trading/inquire-period-trade-profit",
        "TTTC8715R",
        "",
        (),
    )
    OVERSEAS_PROFIT = (
        "GET",
        "/uapi/overseas-stock/v1/trading/inquire-period-profit",
        "TTTS3039R",
        "",
        (),
    )


TRADES_CHANNEL = "H0STCNT0"
BOOK_CHANNEL = "H0STASP0"
NOTICE_CHANNELS = {Environment.REAL: "H0STCNI0", Environment.VIRTUAL: "H0STCNI9"}
OVERSEAS_NOTICE_CHANNELS = {Environment.REAL: "H0GSCNI0", Environment.VIRTUAL: "H0GSCNI9"}


VIRTUAL_US_SELLS = ("VTTT1001U", "VTTT1006U")
"""What paper trading may call an American sale: the portal's id, and the one that the sample's code
sends, which one report saw accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One way of running: where the hosts are and what they allow.

    `requests_per_second` is the cap the client keeps; `token_interval` the least number of
    seconds between two token issues of one key (error text of EGW00133: once a minute).
    """

    name: str
    environment: Environment
    rest_url: str
    ws_url: str
    requests_per_second: int
    token_interval: float = 60.0
    registrations: int = 40
    virtual_us_sell: str = VIRTUAL_US_SELLS[0]
    """One of `VIRTUAL_US_SELLS`."""

    def notice_channels(self, regions: Iterable[Region]) -> tuple[str, ...]:
        """The channels of order notices in this environment: one at home, one for all abroad."""
        wanted = tuple(regions)
        home = (NOTICE_CHANNELS[self.environment],) if Region.KR in wanted else ()
        abroad = any(region is not Region.KR for region in wanted)
        return (*home, *((OVERSEAS_NOTICE_CHANNELS[self.environment],) if abroad else ()))


REAL = Profile(
    name="real",
    environment=Environment.REAL,
    rest_url="https://openapi.koreainvestment.com:9443",
    ws_url="ws://ops.koreainvestment.com:21000",
    # Portal allows 18 (notice of 2026-04-20) and 3 for the first days of a new key.
    requests_per_second=10,
)
VIRTUAL = Profile(
    name="virtual",
    environment=Environment.VIRTUAL,
    rest_url="https://openapivts.koreainvestment.com:29443",
    ws_url="ws://ops.koreainvestment.com:31000",
    requests_per_second=1,
)
SIM = Profile(
    name="sim",
    environment=Environment.REAL,
    # The simulator's own ports are put in when it is known where it listens.
    rest_url="http://127.0.0.1:0",
    ws_url="ws://127.0.0.1:0",
    requests_per_second=10,
)
PROFILES = {profile.name: profile for profile in (SIM, VIRTUAL, REAL)}

WS_PATH = "/tryitout"


def _columns(names: str) -> tuple[str, ...]:
    return tuple(names.split())


TRADE_COLUMNS = _columns(
    "MKSC_SHRN_ISCD STCK_CNTG_HOUR STCK_PRPR PRDY_VRSS_SIGN PRDY_VRSS PRDY_CTRT "
    "WGHN_AVRG_STCK_PRC STCK_OPRC STCK_HGPR STCK_LWPR ASKP1 BIDP1 CNTG_VOL ACML_VOL "
    "ACML_TR_PBMN SELN_CNTG_CSNU SHNU_CNTG_CSNU NTBY_CNTG_CSNU CTTR SELN_CNTG_SMTN "
    "SHNU_CNTG_SMTN CCLD_DVSN SHNU_RATE PRDY_VOL_VRSS_ACML_VOL_RATE OPRC_HOUR "
    "OPRC_VRSS_PRPR_SIGN OPRC_VRSS_PRPR HGPR_HOUR HGPR_VRSS_PRPR_SIGN HGPR_VRSS_PRPR "
    "LWPR_HOUR LWPR_VRSS_PRPR_SIGN LWPR_VRSS_PRPR BSOP_DATE NEW_MKOP_CLS_CODE TRHT_YN "
    "ASKP_RSQN1 BIDP_RSQN1 TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN VOL_TNRT PRDY_SMNS_HOUR_ACML_VOL "
    "PRDY_SMNS_HOUR_ACML_VOL_RATE HOUR_CLS_CODE MRKT_TRTM_CLS_CODE VI_STND_PRC"
)
"""H0STCNT0 until 2026-09-13: 46 columns. Since then a 47th, MARKET_CLS_CODE, comes last."""

BOOK_COLUMNS = (
    *_columns("MKSC_SHRN_ISCD BSOP_HOUR HOUR_CLS_CODE"),
    *(f"{side}{level}" for side in ("ASKP", "BIDP") for level in range(1, 11)),
    *(f"{side}_RSQN{level}" for side in ("ASKP", "BIDP") for level in range(1, 11)),
    *_columns(
        "TOTAL_ASKP_RSQN TOTAL_BIDP_RSQN OVTM_TOTAL_ASKP_RSQN OVTM_TOTAL_BIDP_RSQN ANTC_CNPR "
        "ANTC_CNQN ANTC_VOL ANTC_CNTG_VRSS ANTC_CNTG_VRSS_SIGN ANTC_CNTG_PRDY_CTRT ACML_VOL "
        "TOTAL_ASKP_RSQN_ICDC TOTAL_BIDP_RSQN_ICDC OVTM_TOTAL_ASKP_ICDC OVTM_TOTAL_BIDP_ICDC "
        "STCK_DEAL_CLS_CODE"
    ),
)
"""H0STASP0: 59 documented; captures of 2026 carry 62 (KMID_PRC, KMID_TOTAL_RSQN, KMID_CLS_CODE)."""

NOTICE_COLUMNS = _columns(
    "CUST_ID ACNT_NO ODER_NO OODER_NO SELN_BYOV_CLS RCTF_CLS ODER_KIND ODER_COND "
    "STCK_SHRN_ISCD CNTG_QTY CNTG_UNPR STCK_CNTG_HOUR RFUS_YN CNTG_YN ACPT_YN BRNC_NO "
    "ODER_QTY ACNT_NAME ORD_COND_PRC ORD_EXG_GB POPUP_YN FILLER CRDT_CLS CRDT_LOAN_DATE "
    "CNTG_ISNM40 ODER_PRC"
)
"""H0STCNI0: 26 columns; H0STCNI9 sends 23 (measured 2026-08): 0-17 and the last four agree."""

NOTICE_COMMON_WIDTH = 18
NOTICE_LEAST_WIDTH = 22


class CodeMeaning(Enum):
    """What a broker's code obliges the caller to do."""

    RATE = "rate"
    TOKEN = "token"  # noqa: S105  a kind of error, not a secret
    UNKNOWN_OUTCOME = "unknown_outcome"
    TEMPORARY = "temporary"
    OPERATOR = "operator"


CODE_MEANINGS: dict[str, CodeMeaning] = {
    **dict.fromkeys(("EGW00201", "EGW00215"), CodeMeaning.RATE),
    **dict.fromkeys(("EGW00121", "EGW00122", "EGW00123"), CodeMeaning.TOKEN),
    **dict.fromkeys(
        # "Server error" and the gateway time-outs say nothing about an order sent with them.
        ("EGW00001", "EGW00002", "EGW00300", "EGW00301", "EGW00302", "EGW00303", "EGW00304"),
        CodeMeaning.UNKNOWN_OUTCOME,
    ),
    **dict.fromkeys(
        (
            *("EGW00202", "EGW00203", "EGW00204", "OPSQ1002", "OPSQ2003"),
            *("OPSQ3001", "OPSQ3002", "OPSQ3004"),
            *(f"OPSQ{number:04}" for number in range(1, 12)),
            *(f"OPSQ{number}" for number in range(9995, 10000)),
        ),
        CodeMeaning.TEMPORARY,
    ),
    **dict.fromkeys(
        (
            *("EGW00003", "EGW00004", "EGW00102", "EGW00103", "EGW00104", "EGW00105"),
            *(f"EGW00{number}" for number in range(124, 131)),
            *("EGW00206", "EGW00207", "OPSQ2000", "40910000"),
        ),
        CodeMeaning.OPERATOR,
    ),
}
"""Codes with a meaning of their own, whatever the HTTP status."""

REFUSAL_PREFIXES = ("APBK", "APAM", "KIOK", "MCA", "OPSQ2")
"""Business refusals: definite answers of the ledger, sent with 200 and with 500.

The virtual ledger's are eight digits, such as 40270000.
"""

BAD_REQUEST_CODES = frozenset(
    (
        *("EGW00101", "EGW00131", "EGW00132", "EGW00205", "EGW02006"),
        *(f"EGW00{number}" for number in range(106, 121)),
        *(f"EGW00{number}" for number in range(208, 214)),
    )
)
"""What the gateway sends back because the request is wrong (portal): it went no further."""

GATEWAY_PREFIX = "EGW"

TOKEN_TOO_SOON = "EGW00133"  # noqa: S105  a broker's code, not a secret

EMPTY_RESULT_CODES = frozenset({"KIOK0560", "70070000"})
MORE_PAGES = frozenset({"F", "M"})


class WsCode(StrEnum):
    """Answers to a subscription request."""

    SUBSCRIBED = "OPSP0000"
    UNSUBSCRIBED = "OPSP0001"
    ALREADY_SUBSCRIBED = "OPSP0002"
    NOT_SUBSCRIBED = "OPSP0003"
    INTERNAL_ERROR = "OPSP0007"
    TOO_MANY = "OPSP0008"
    SEND_FAILED = "OPSP0009"
    BAD_APPKEY = "OPSP0010"
    BAD_APPROVAL = "OPSP0011"
    BAD_TR_ID = "OPSP8991"
    BAD_TR_KEY = "OPSP8992"
    BAD_TR_KEY_VALUE = "OPSP8993"
    KEY_IN_USE = "OPSP8996"
    BAD_TR_TYPE = "OPSP8997"
    BAD_CUSTOMER_TYPE = "OPSP8998"
    UNAVAILABLE = "OPSP8999"
    BAD_JSON = "OPSP9999"


BLIND_TR_IDS = frozenset({"VTTC8001R"})
"""Deprecated ids that are still answered, and not with the truth: see `Api`."""


class OrderDivision(StrEnum):
    """ORD_DVSN: the regular session of KRX, the sessions beside it, American auctions (portal)."""

    LIMIT = "00"
    MARKET = "01"
    LIMIT_IOC = "11"
    LIMIT_FOK = "12"
    MARKET_IOC = "13"
    MARKET_FOK = "14"
    PREVIOUS_CLOSE = "05"
    CLOSING_PRICE = "06"
    AFTER_LIMIT = "41"
    AFTER_LIMIT_IOC = "42"
    AFTER_LIMIT_FOK = "43"
    AFTER_BEST_OPPOSITE = "44"
    AFTER_BEST_OPPOSITE_IOC = "45"
    AFTER_BEST_OPPOSITE_FOK = "46"
    AFTER_BEST_OWN = "47"
    MARKET_ON_OPEN = "31"
    LIMIT_ON_OPEN = "32"
    MARKET_ON_CLOSE = "33"
    LIMIT_ON_CLOSE = "34"


LIMIT_DIVISIONS = frozenset(
    {
        *(OrderDivision.LIMIT, OrderDivision.AFTER_LIMIT),
        *(OrderDivision.AFTER_LIMIT_IOC, OrderDivision.AFTER_LIMIT_FOK),
    }
)
"""Those of KRX whose orders carry a price: without one, a row of the list asks for a cancel."""

PRICELESS_DIVISIONS = frozenset(
    {
        *(OrderDivision.PREVIOUS_CLOSE, OrderDivision.CLOSING_PRICE),
        *(OrderDivision.AFTER_BEST_OPPOSITE, OrderDivision.AFTER_BEST_OPPOSITE_IOC),
        *(OrderDivision.AFTER_BEST_OPPOSITE_FOK, OrderDivision.AFTER_BEST_OWN),
    }
)
"""Those sent without a price, for which lists may show the one the exchange put in."""
