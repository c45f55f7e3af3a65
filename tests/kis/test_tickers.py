"""Which instrument a ticker means, and whose market a name is."""

import pytest

from daemon.core.errors import Refused
from daemon.core.values import Region
from daemon.kis.caller import ApiCaller
from daemon.kis.link import HttpRequest, HttpResponse
from daemon.kis.tickers import Tickers, region_named
from tests.kis.bank import reply as answered
from tests.kis.fakes import MemoryDoor, make_client, running
from tests.support import run_virtual


def told(request: HttpRequest) -> HttpResponse:
    """AMEX knows SPY, and only a base before the open; nobody knows anything else."""
    given = dict(request.query)
    known = (given["EXCD"], given["SYMB"]) == ("AMS", "SPY")
    return answered(output={"last": "", "base": "676.85" if known else ""})


@pytest.mark.parametrize(
    ("market", "region"),
    [("KR", Region.KR), ("krx", Region.KR), ("us", Region.US), ("NYS", Region.US)],
)
def test_markets_go_by_several_names(market: str, region: Region) -> None:
    assert region_named(market) is region


def test_a_symbol_is_asked_for_where_it_could_be_and_only_once() -> None:
    door = MemoryDoor(told)

    async def main() -> None:
        async with running(make_client(door, regions=(Region.KR, Region.US))) as broker:
            tickers = Tickers(ApiCaller(broker))
            assert await tickers.find_all(["spy", "SPY"], "US") == ["amex:SPY", "amex:SPY"]
            assert await tickers.find_all("005930", "KR") == ["krx:005930"]
            assert len(door.requests) == 3
            for ticker, market, code in (
                ("NOPE", "US", "BAD_TICKER"),
                ("two words", "US", "BAD_TICKER"),
                ("AAPL", "MARS", "BAD_MARKET"),
                ("venus:AAPL", "US", "BAD_TICKER"),
            ):
                with pytest.raises(Refused) as caught:
                    await tickers.find(ticker, market)
                assert caught.value.code == code, ticker

    run_virtual(main())
