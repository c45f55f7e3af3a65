"""Which instrument a person means by a ticker: by its market, by the masters, by asking."""

from collections.abc import Iterable
from decimal import Decimal

from daemon.core.errors import Refused
from daemon.core.values import (
    InstrumentId,
    Market,
    Region,
    code_of,
    instrument_id,
    market_of,
    parse_instrument,
)
from daemon.kis.caller import ApiCaller
from daemon.kis.masters import Masters

AMERICAN = {Market.NASDAQ: "NAS", Market.NYSE: "NYS", Market.AMEX: "AMS"}
_KOREAN = (Market.KRX,)
_MARKETS = {
    **{"KR": _KOREAN, "KRX": _KOREAN, "US": tuple(AMERICAN)},
    **{"NASD": (Market.NASDAQ,), "NAS": (Market.NASDAQ,), "NASDAQ": (Market.NASDAQ,)},
    **{"NYSE": (Market.NYSE,), "NYS": (Market.NYSE,)},
    **{"AMEX": (Market.AMEX,), "AMS": (Market.AMEX,)},
}


def region_named(market: str) -> Region:
    """The country of a market as people write it: `"KR"`, `"US"`, `"NYSE"` …

    Raises `Refused` for one that is not known.
    """
    return Region.KR if _places(market) == _KOREAN else Region.US


def _places(market: str) -> tuple[Market, ...]:
    places = _MARKETS.get(market.strip().upper())
    if places is None:
        raise Refused("BAD_MARKET", f"market {market!r} is none of {', '.join(_MARKETS)}")
    return places


class Tickers:
    """Finds instruments. A bare American ticker is looked up in the symbol masters, else at the
    exchanges in turn, and what was found is remembered."""

    def __init__(self, caller: ApiCaller, masters: Masters | None = None) -> None:
        self._caller = caller
        self._masters = masters
        self._found: dict[str, InstrumentId] = {}

    async def find(self, ticker: str, market: str = "KR") -> InstrumentId:
        """The instrument of a ticker; `"nyse:KO"` says the exchange itself.

        Raises `Refused` for a market that is not known and a ticker that is nowhere.
        """
        try:
            if ":" in ticker:
                return parse_instrument(ticker)
            places = _places(market)
            if len(places) == 1:
                return instrument_id(places[0], ticker.strip().upper())
        except ValueError as error:
            raise Refused("BAD_TICKER", str(error)) from None
        return await self._american(ticker.strip().upper())

    async def find_all(self, tickers: str | Iterable[str], market: str) -> list[InstrumentId]:
        """The instruments of one ticker or several."""
        names = [tickers] if isinstance(tickers, str) else list(tickers)
        return [await self.find(name, market) for name in names]

    async def _american(self, symbol: str) -> InstrumentId:
        known = self._found.get(symbol)
        if known is not None:
            return known
        for listing in self._masters.find(symbol) if self._masters else ():
            if market_of(listing.instrument) in AMERICAN:
                return listing.instrument
        for market in AMERICAN:
            try:
                instrument = instrument_id(market, symbol)
            except ValueError as error:
                raise Refused("BAD_TICKER", str(error)) from None
            if await self._is_listed(instrument):
                self._found[symbol] = instrument
                return instrument
        raise Refused("BAD_TICKER", f"{symbol} is on none of {', '.join(AMERICAN.values())}")

    async def _is_listed(self, instrument: InstrumentId) -> bool:
        """Whether its exchange knows a price: an unknown symbol is answered with blanks."""
        given = {"EXCD": AMERICAN[market_of(instrument)], "SYMB": code_of(instrument)}
        rows = (await self._caller.call("overseas_stock.price", given)).rows()
        return any(isinstance(row.get(name), Decimal) for row in rows for name in ("last", "base"))
