"""What is listed on the simulated US exchanges, and how the broker calls these."""

from decimal import Decimal
from typing import NamedTuple

from daemon.core.values import Market
from daemon.sim.universe import Listing

USD_IN_KRW = Decimal("1385.50")
"""The broker's reference rate; it never moves here."""


class Place(NamedTuple):
    """An exchange by each of the broker's names.

    `order` is its code in orders and account queries, `quote` in quotations and stream keys,
    `product` its PRDT_TYPE_CD, `notice` its letter in order notices.
    """

    order: str
    quote: str
    product: str
    notice: str
    name: str


PLACES = {
    Market.NASDAQ: Place("NASD", "NAS", "512", "6", "나스닥"),
    Market.NYSE: Place("NYSE", "NYS", "513", "7", "뉴욕거래소"),
    Market.AMEX: Place("AMEX", "AMS", "529", "8", "아멕스"),
}


def stream_key(listing: Listing) -> str:
    """The key of a listing on the stream's channels: D, the exchange, the symbol."""
    return f"D{PLACES[listing.market].quote}{listing.code}"


_LISTED: dict[Market, tuple[tuple[str, str, str, str, int, float], ...]] = {
    Market.NASDAQ: (
        ("AAPL", "애플", "APPLE INC", "262.52", 14_776, 1.2),
        ("MSFT", "마이크로소프트", "MICROSOFT CORP", "508.30", 7_433, 0.9),
        ("NVDA", "엔비디아", "NVIDIA CORP", "181.45", 24_300, 1.5),
        ("TSLA", "테슬라", "TESLA INC", "402.10", 3_326, 1.3),
        ("AMZN", "아마존닷컴", "AMAZON.COM INC", "231.70", 10_690, 0.9),
        ("ZVZZT", "나스닥 시험종목", "NASDAQ TEST STOCK", "0.8500", 90, 0.3),
    ),
    Market.NYSE: (
        ("BRK/B", "버크셔 해서웨이 B", "BERKSHIRE HATHAWAY B", "492.15", 1_370, 0.5),
        ("JPM", "제이피모간 체이스", "JPMORGAN CHASE & CO", "309.40", 2_722, 0.6),
        ("KO", "코카콜라", "COCA-COLA CO", "71.25", 4_302, 0.6),
        ("F", "포드 모터", "FORD MOTOR CO", "13.08", 3_913, 0.6),
    ),
    Market.AMEX: (
        ("SPY", "SPDR S&P 500 ETF", "SPDR S&P 500 ETF TRUST", "676.85", 1_030, 1.2),
        ("GLD", "SPDR 금 ETF", "SPDR GOLD SHARES", "384.20", 390, 0.5),
    ),
}
"""Symbol, name, English name, base price in USD, millions of shares, pace."""

LISTINGS: tuple[Listing, ...] = tuple(
    Listing(
        code=code,
        name=name,
        english=english,
        base=Decimal(base),
        shares=millions * 1_000_000,
        pace=pace,
        market=market,
    )
    for market, listed in _LISTED.items()
    for code, name, english, base, millions, pace in listed
)
