"""The table of foreign exchanges against the portal's, written down a second time."""

import pytest

from daemon.core.values import Market, Region, Side
from daemon.kis.exchanges import EXCHANGES, QUERY_CODES, OverseasApi, exchange_of_code
from daemon.kis.spec import Environment

REAL, VIRTUAL = Environment.REAL, Environment.VIRTUAL


@pytest.mark.parametrize(
    ("markets", "buy", "sell", "change"),
    [
        ("nasdaq nyse amex", "TTTT1002U", "TTTT1006U", "TTTT1004U"),
        ("hongkong", "TTTS1002U", "TTTS1001U", "TTTS1003U"),
        ("shanghai", "TTTS0202U", "TTTS1005U", "TTTS0302U"),
        ("shenzhen", "TTTS0305U", "TTTS0304U", "TTTS0306U"),
        ("tokyo", "TTTS0308U", "TTTS0307U", "TTTS0309U"),
        ("hanoi hochiminh", "TTTS0311U", "TTTS0310U", "TTTS0312U"),
    ],
)
def test_every_exchange_and_side_has_its_own_id(
    markets: str, buy: str, sell: str, change: str
) -> None:
    for market in markets.split():
        exchange = EXCHANGES[Market(market)]
        calls = exchange.place(Side.BUY), exchange.place(Side.SELL), exchange.change
        assert [call.tr_id(REAL) for call in calls] == [buy, sell, change]
        virtual = [f"V{each[1:]}" for each in (buy, sell, change)]
        if exchange.region is Region.US:
            virtual[1] = "VTTT1001U"
        assert [call.tr_id(VIRTUAL) for call in calls] == virtual


def test_what_the_virtual_host_does_not_offer_has_no_id() -> None:
    missing = {each.name for each in OverseasApi if not each.tr_id(VIRTUAL)}
    assert missing == {"ORDER_BOOK", "MINUTE_BARS"}


def test_codes_of_orders_and_of_quotes_lead_to_one_exchange() -> None:
    for market, exchange in EXCHANGES.items():
        assert exchange.market is market
        for code in (exchange.order_code, exchange.quote_code, exchange.quote_code.lower()):
            assert exchange_of_code(code) is exchange
    assert exchange_of_code("KRX") is None
    assert {each.region for each in EXCHANGES.values()} == set(QUERY_CODES)


def test_china_and_vietnam_know_no_modify() -> None:
    assert {each.region for each in EXCHANGES.values() if each.can_modify} == {
        Region.US,
        Region.HK,
        Region.JP,
    }
