"""Foreign exchanges as KIS knows them: codes, TR ids, order types, decimals, each a table.

Sources: "portal" is the vendor's documentation, "sample" its public sample repository (July 2026).
An exchange has one code in orders and account queries (NASD) and another in quotes (NAS). Nothing
here is derived from anything else: a TR id is what the table says for its side and environment.
"""

from dataclasses import dataclass

from daemon.core.values import Market, Region, Side
from daemon.kis.spec import Environment, RestCall

_TRADING = "/uapi/overseas-stock/v1/trading/"
_QUOTATIONS = "/uapi/overseas-price/v1/quotations/"


class OverseasApi(RestCall):
    """The calls of the foreign side.

    Order ids differ by exchange and side. The virtual US sell id is VTTT1001U by the portal and
    VTTT1006U by the sample's code: see `Profile.virtual_us_sell`. Quotes have one id everywhere.
    """

    US_BUY = ("POST", f"{_TRADING}order", "TTTT1002U", "VTTT1002U", ("JTTT1002U",))
    US_SELL = ("POST", f"{_TRADING}order", "TTTT1006U", "VTTT1001U", ("JTTT1006U", "VTTT1006U"))
    US_CHANGE = ("POST", f"{_TRADING}order-rvsecncl", "TTTT1004U", "VTTT1004U", ("JTTT1004U",))
    HONGKONG_BUY = ("POST", f"{_TRADING}order", "TTTS1002U", "VTTS1002U", ())
    HONGKONG_SELL = ("POST", f"{_TRADING}order", "TTTS1001U", "VTTS1001U", ())
    HONGKONG_CHANGE = ("POST", f"{_TRADING}order-rvsecncl", "TTTS1003U", "VTTS1003U", ())
    SHANGHAI_BUY = ("POST", f"{_TRADING}order", "TTTS0202U", "VTTS0202U", ())
    SHANGHAI_SELL = ("POST", f"{_TRADING}order", "TTTS1005U", "VTTS1005U", ())
    SHANGHAI_CHANGE = ("POST", f"{_TRADING}order-rvsecncl", "TTTS0302U", "VTTS0302U", ())
    SHENZHEN_BUY = ("POST", f"{_TRADING}order", "TTTS0305U", "VTTS0305U", ())
    SHENZHEN_SELL = ("POST", f"{_TRADING}order", "TTTS0304U", "VTTS0304U", ())
    SHENZHEN_CHANGE = ("POST", f"{_TRADING}order-rvsecncl", "TTTS0306U", "VTTS0306U", ())
    TOKYO_BUY = ("POST", f"{_TRADING}order", "TTTS0308U", "VTTS0308U", ())
    TOKYO_SELL = ("POST", f"{_TRADING}order", "TTTS0307U", "VTTS0307U", ())
    TOKYO_CHANGE = ("POST", f"{_TRADING}order-rvsecncl", "TTTS0309U", "VTTS0309U", ())
    VIETNAM_BUY = ("POST", f"{_TRADING}order", "TTTS0311U", "VTTS0311U", ())
    VIETNAM_SELL = ("POST", f"{_TRADING}order", "TTTS0310U", "VTTS0310U", ())
    VIETNAM_CHANGE = ("POST", f"{_TRADING}order-rvsecncl", "TTTS0312U", "VTTS0312U", ())
    DAY_ORDERS = ("GET", f"{_TRADING}inquire-ccnl", "TTTS3035R", "VTTS3035R", ())
    BALANCE = ("GET", f"{_TRADING}inquire-balance", "TTTS3012R", "VTTS3012R", ())
    PRESENT_BALANCE = ("GET", f"{_TRADING}inquire-present-balance", "CTRP6504R", "VTRP6504R", ())
    ORDERABLE = ("GET", f"{_TRADING}inquire-psamount", "TTTS3007R", "VTTS3007R", ())
    PRICE = ("GET", f"{_QUOTATIONS}price", "HHDFS00000300", "HHDFS00000300", ())
    ORDER_BOOK = ("GET", f"{_QUOTATIONS}inquire-asking-price", "HHDFS76200100", "", ())
    DAILY_BARS = ("GET", f"{_QUOTATIONS}dailyprice", "HHDFS76240000", "HHDFS76240000", ())
    MINUTE_BARS = ("GET", f"{_QUOTATIONS}inquire-time-itemchartprice", "HHDFS76950200", "", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One exchange: its codes and what may be sent there.

    `decimals` is how many a price may carry at most (market rules: US 4 below one dollar and 2
    from there on). `can_modify`: China and Vietnam know cancels only (portal).
    """

    market: Market
    region: Region
    order_code: str
    quote_code: str
    nation: str
    decimals: int
    can_modify: bool
    buy: OverseasApi
    sell: OverseasApi
    change: OverseasApi

    def place(self, side: Side) -> OverseasApi:
        """The call that sends a new order."""
        return self.buy if side is Side.BUY else self.sell


def _american(market: Market, order_code: str, quote_code: str) -> Exchange:
    return Exchange(
        market=market,
        region=Region.US,
        order_code=order_code,
        quote_code=quote_code,
        nation="840",
        decimals=4,
        can_modify=True,
        buy=OverseasApi.US_BUY,
        sell=OverseasApi.US_SELL,
        change=OverseasApi.US_CHANGE,
    )


def _vietnamese(market: Market, order_code: str, quote_code: str) -> Exchange:
    return Exchange(
        market=market,
        region=Region.VN,
        order_code=order_code,
        quote_code=quote_code,
        nation="704",
        decimals=0,
        can_modify=False,
        buy=OverseasApi.VIETNAM_BUY,
        sell=OverseasApi.VIETNAM_SELL,
        change=OverseasApi.VIETNAM_CHANGE,
    )


_ALL = (
    _american(Market.NASDAQ, "NASD", "NAS"),
    _american(Market.NYSE, "NYSE", "NYS"),
    _american(Market.AMEX, "AMEX", "AMS"),
    Exchange(
        market=Market.HONGKONG,
        region=Region.HK,
        order_code="SEHK",
        quote_code="HKS",
        nation="344",
        decimals=3,
        can_modify=True,
        buy=OverseasApi.HONGKONG_BUY,
        sell=OverseasApi.HONGKONG_SELL,
        change=OverseasApi.HONGKONG_CHANGE,
    ),
    Exchange(
        market=Market.SHANGHAI,
        region=Region.CN,
        order_code="SHAA",
        quote_code="SHS",
        nation="156",
        decimals=2,
        can_modify=False,
        buy=OverseasApi.SHANGHAI_BUY,
        sell=OverseasApi.SHANGHAI_SELL,
        change=OverseasApi.SHANGHAI_CHANGE,
    ),
    Exchange(
        market=Market.SHENZHEN,
        region=Region.CN,
        order_code="SZAA",
        quote_code="SZS",
        nation="156",
        decimals=2,
        can_modify=False,
        buy=OverseasApi.SHENZHEN_BUY,
        sell=OverseasApi.SHENZHEN_SELL,
        change=OverseasApi.SHENZHEN_CHANGE,
    ),
    Exchange(
        market=Market.TOKYO,
        region=Region.JP,
        order_code="TKSE",
        quote_code="TSE",
        nation="392",
        decimals=1,
        can_modify=True,
        buy=OverseasApi.TOKYO_BUY,
        sell=OverseasApi.TOKYO_SELL,
        change=OverseasApi.TOKYO_CHANGE,
    ),
    _vietnamese(Market.HANOI, "HASE", "HNX"),
    _vietnamese(Market.HOCHIMINH, "VNSE", "HSX"),
)
EXCHANGES = {exchange.market: exchange for exchange in _ALL}
"""Every foreign exchange that orders can be encoded for."""

QUERY_CODES: dict[Region, tuple[str, ...]] = {
    # NASD stands for all of the US in inquire-ccnl, inquire-nccs and the real inquire-balance.
    Region.US: ("NASD",),
    Region.HK: ("SEHK",),
    Region.CN: ("SHAA", "SZAA"),
    Region.JP: ("TKSE",),
    Region.VN: ("HASE", "VNSE"),
}
"""The exchange codes that together show everything of a region in account queries (portal)."""

_BY_CODE = {
    **{exchange.order_code: exchange for exchange in _ALL},
    **{exchange.quote_code: exchange for exchange in _ALL},
}


def exchange_of_code(code: str) -> Exchange | None:
    """The exchange behind an order code or a quote code: answers carry either."""
    return _BY_CODE.get(code.strip().upper())


def balance_codes(region: Region, environment: Environment) -> tuple[str, ...]:
    """The codes that together show all holdings of a region in inquire-balance.

    NASD stands for all of the US on the real host alone (portal): the virtual one is asked for
    each exchange by its own code.
    """
    if environment is Environment.REAL:
        return QUERY_CODES[region]
    return tuple(each.order_code for each in _ALL if each.region is region)
