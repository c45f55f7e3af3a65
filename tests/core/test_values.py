"""Instruments, sides and books: what they read, and what they refuse."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.values import (
    Currency,
    Level,
    Market,
    Region,
    Side,
    code_of,
    currency_of,
    instrument_id,
    market_of,
    parse_instrument,
    region_of,
)
from tests.builders import HYNIX, SAMSUNG, empty_book

CODES = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=9)
AMERICAN = st.sampled_from([Market.NASDAQ, Market.NYSE, Market.AMEX])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("krx:005930", SAMSUNG),
        ("005930", SAMSUNG),
        ("KRX:005930", SAMSUNG),
        ("  krx:000660\n", HYNIX),
        ("nasdaq:AAPL", "nasdaq:AAPL"),
        ("0162Z0", "krx:0162Z0"),
        ("nyse:BRK/B", "nyse:BRK/B"),
        ("NYSE:BF.B", "nyse:BF.B"),
        ("amex:BAC-PR-L", "amex:BAC-PR-L"),
        ("derivative:101W09", "derivative:101W09"),
    ],
)
def test_instruments_are_read_with_krx_as_the_default(text: str, expected: str) -> None:
    assert parse_instrument(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must be letters and digits"),
        ("krx:", "must be letters and digits"),
        ("krx:00 5930", "must be letters and digits"),
        ("krx: 005930", "must be letters and digits"),
        ("krx:005930:1", "must be letters and digits"),
        ("krx:삼성", "must be letters and digits"),
        ("krx:００５９３０", "must be letters and digits"),
        ("krx:BRK/B", "must be letters and digits"),
        ("tokyo:7203.T", "must be letters and digits"),
        ("index:0001/1", "must be letters and digits"),
        ("nyse:", "must be letters and digits, such as BRK/B"),
        ("nyse:/B", "must be letters and digits"),
        ("nyse:BRK/", "must be letters and digits"),
        ("nyse:BRK//B", "must be letters and digits"),
        ("nyse:..", "must be letters and digits"),
        ("nyse:BRK/B\n/C", "must be letters and digits"),
        ("london:VOD", "'london' of 'london:VOD' is not one of krx, nasdaq, nyse, amex"),
        (":005930", "is not one of krx"),
    ],
)
def test_what_is_no_instrument_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_instrument(text)


@given(st.sampled_from(Market), CODES)
def test_an_instrument_remembers_its_two_halves(market: Market, code: str) -> None:
    instrument = instrument_id(market, code)

    assert (market_of(instrument), code_of(instrument)) == (market, code)
    assert parse_instrument(instrument) == instrument


@given(AMERICAN, CODES, st.sampled_from("./-"), CODES)
def test_american_codes_may_have_a_sign_inside(
    market: Market, stock: str, sign: str, series: str
) -> None:
    code = f"{stock}{sign}{series}"
    instrument = instrument_id(market, code)

    assert (market_of(instrument), code_of(instrument)) == (market, code)
    assert parse_instrument(instrument) == instrument


@given(st.text())
def test_any_text_is_an_instrument_or_a_value_error(text: str) -> None:
    try:
        instrument = parse_instrument(text)
    except ValueError:
        return
    assert instrument_id(market_of(instrument), code_of(instrument)) == instrument


def test_a_side_knows_what_it_does_to_a_position() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


def test_the_best_levels_are_the_first_or_nothing() -> None:
    bids = (Level(Decimal(69_900), 5), Level(Decimal(69_800), 7))
    asks = (Level(Decimal(70_000), 3), Level(Decimal(70_100), 1))
    book = empty_book()._replace(bids=bids, asks=asks)

    assert (book.bid, book.ask) == (bids[0], asks[0])
    assert (empty_book().bid, empty_book().ask) == (None, None)


@pytest.mark.parametrize(
    ("text", "region", "currency"),
    [
        ("krx:005930", Region.KR, Currency.KRW),
        ("nasdaq:AAPL", Region.US, Currency.USD),
        ("amex:SPY", Region.US, Currency.USD),
        ("tokyo:7203", Region.JP, Currency.JPY),
        ("hongkong:00700", Region.HK, Currency.HKD),
        ("shenzhen:000001", Region.CN, Currency.CNY),
        ("hanoi:SHS", Region.VN, Currency.VND),
    ],
)
def test_a_stock_has_the_hours_and_the_money_of_its_country(
    text: str, region: Region, currency: Currency
) -> None:
    assert region_of(parse_instrument(text)) is region
    assert currency_of(parse_instrument(text)) is currency


@pytest.mark.parametrize("text", ["index:0001", "derivative:101W09", "bond:KR103502GA34"])
def test_what_is_not_traded_has_no_country(text: str) -> None:
    with pytest.raises(ValueError, match="is not traded"):
        region_of(parse_instrument(text))
