"""The guide's script, run against the simulator: plainly, and awaited inside asyncio."""

import asyncio
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import (
    AlreadyRunning,
    NeedsOperator,
    Refused,
    RiskRefused,
    UnjudgedCall,
)
from daemon.core.events import TradingState
from daemon.core.values import OrderBook, Tick
from daemon.kis.apirequest import BadCall
from daemon.kis.client import KISUnifiedClient
from daemon.store.handlog import BY_HAND
from daemon.store.locks import SingleInstanceLock
from daemon.store.switchfiles import SwitchFiles
from tests.sim.rig import QUIET, live
from tests.test_log import restored

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored():
        yield


def client_in(folder: Path, mode: str = "sim", **settings: Any) -> KISUnifiedClient:
    return KISUnifiedClient(mode, data_dir=folder, environ={}, root=ROOT, settings=settings)


def test_the_guides_script_runs_plainly(tmp_path: Path) -> None:
    client = client_in(tmp_path)
    assert client.initialize() is client
    try:
        price = client.get_price("005930", market="KR")
        assert (price.ticker, price.currency) == ("005930", "KRW")
        assert price.price > 0
        token = client.auth.get_access_token()
        assert len(token) > 20
        assert len(client.auth.get_hashkey({"PDNO": "005930"})) == 64
        renewed = client.auth.get_access_token(force_refresh=True)
        assert len(renewed) > 20

        heard: list[Tick] = []
        enough = threading.Event()

        def on_price(tick: Tick) -> None:
            assert threading.current_thread().name == "kis callbacks"
            heard.append(tick)
            if len({each.instrument for each in heard}) == 2:
                enough.set()

        client.websocket.subscribe_price(["005930", "000660"], on_price)
        assert enough.wait(15)

        order = client.place_order(ticker="005930", action="BUY", quantity=3, price=0, market="KR")
        assert (order.action, order.quantity, order.price) == ("BUY", 3, None)
        near = client.get_price("000660").price // 1000 * 1000
        limit = client.place_order("000660", "buy", 1, price=float(near - 5000))
        moved = client.modify_order(limit.order_no, f"{near - 4000:,}")
        assert moved.order_no != limit.order_no
        client.cancel_order(moved.order_no)
        listed = {each.refs[0].number: each for each in client.get_orders()}
        assert listed[order.order_no].filled == 3
        assert listed[limit.order_no].cancelled == 1

        holdings, summary = client.get_balance(market="KR")
        (held,) = holdings
        assert (held.ticker, held.name, held.quantity) == ("005930", "삼성전자", 3)
        assert held.cost == held.average_price * 3
        assert summary.cash < Decimal(100_000_000)
        assert len(client.get_daily_bars("005930", count=5)) == 5
        assert isinstance(client.get_order_book("005930"), OrderBook)
    finally:
        client.close()
    lines = [json.loads(line) for line in (tmp_path / "sim" / BY_HAND).read_text().splitlines()]
    assert [line["what"] for line in lines] == [
        *("order sending", "order accepted", "order sending", "order accepted"),
        *("modify sending", "modify accepted", "cancel sending", "cancel accepted"),
    ]
    with pytest.raises(Refused, match="CLOSED"):
        client.get_price("005930")
    client.close()


def test_the_same_calls_are_awaited_inside_asyncio(tmp_path: Path) -> None:
    async def script() -> None:
        async with client_in(tmp_path) as client:
            prices = await asyncio.gather(
                *(client.get_price(code) for code in ("005930", "000660"))
            )
            assert {price.ticker for price in prices} == {"005930", "000660"}
            heard: asyncio.Queue[Tick] = asyncio.Queue()
            here = asyncio.get_running_loop()

            async def on_price(tick: Tick) -> None:
                assert asyncio.get_running_loop() is here
                await heard.put(tick)

            await client.websocket.subscribe_price("005930", on_price)
            assert (await heard.get()).instrument == "krx:005930"
            books: asyncio.Queue[OrderBook] = asyncio.Queue()
            await client.websocket.subscribe_order_book("005930", books.put_nowait)
            assert (await books.get()).instrument == "krx:005930"
            await client.websocket.unsubscribe_price("005930")
            placed = await client.place_order("005930", "BUY", 1)
            orders = await client.get_orders()
            assert placed.order_no in {each.refs[0].number for each in orders}
            holdings, _ = await client.get_balance()
            assert [each.ticker for each in holdings] == ["005930"]
            assert await client.auth.get_access_token()

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await script()

    asyncio.run(bounded())


def test_every_call_of_the_catalogue_is_an_attribute(tmp_path: Path) -> None:
    with client_in(tmp_path) as client:
        price = client.api.domestic_stock.inquire_price(
            FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD="005930"
        )
        assert price.output.stck_prpr > 0
        bonds = client.call(
            "domestic_bond.avg_unit",
            {
                "INQR_STRT_DT": "20260101",
                "INQR_END_DT": "20260102",
                "PRDT_TYPE_CD": "302",
                "VRFC_KIND_CD": "00",
            },
            all_pages=True,
        )
        assert len(bonds.output1) == 15
        with pytest.raises(BadCall):
            client.call("domestic_stock.inquire_price", {"FID_INPUT_ISCD": "005930"})


def test_orders_keep_the_limits_and_say_what_is_wrong(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"risk.max_order_quantity": 5, "risk.max_order_notional": 300_000}
    with client_in(tmp_path, **limits) as client:
        for given, code in (
            (("005930", "HOLD", 1), "BAD_ACTION"),
            (("005930", "BUY", 0), "BAD_QUANTITY"),
            (("005930", "BUY", 1.5), "BAD_QUANTITY"),
            (("005930", "BUY", 6, 72_000), "ORDER_QUANTITY"),
            (("005930", "BUY", 5, 72_000), "ORDER_NOTIONAL"),
            (("005930", "BUY", 5), "ORDER_NOTIONAL"),
            (("005930", "BUY", 1, 1000), "PRICE_LIMIT"),
            (("005930", "SELL", 1, 72_000), "HOLDING"),
            (("005930", "BUY", 1, "cheap"), "BAD_PRICE"),
            (("005930", "BUY", 1, -1), "BAD_PRICE"),
            (("0059 30", "BUY", 1), "BAD_TICKER"),
            (("005930", "BUY", 1, 72_000, "MARS"), "BAD_MARKET"),
        ):
            with pytest.raises(Refused) as caught:
                client.place_order(*given)
            assert caught.value.code == code, given
        with pytest.raises(Refused, match="NO_ORDER"):
            client.cancel_order("12345")
        with pytest.raises(Refused, match="BAD_MARKET"):
            client.get_balance(market="JP")
    assert not (tmp_path / "sim" / BY_HAND).exists()


def test_a_new_price_keeps_the_limits_too(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"risk.max_order_quantity": 5, "risk.max_order_notional": 300_000}
    with client_in(tmp_path, **limits) as client:
        price = client.get_price("005930").price // 100 * 100
        order = client.place_order("005930", "BUY", 4, price - 2000)
        with pytest.raises(RiskRefused, match="PRICE_COLLAR"):
            client.modify_order(order.order_no, price * 11 // 1000 * 100)
        client.cancel_order(order.order_no)


def test_what_is_missing_is_told_at_the_start(tmp_path: Path) -> None:
    client = client_in(tmp_path)
    with pytest.raises(Refused, match="NOT_INITIALIZED"):
        client.get_price("005930")
    assert client.mode == "sim"
    client.close()
    with pytest.raises(NeedsOperator, match="KIS_APP_KEY"):
        client_in(tmp_path, "virtual").initialize()


def test_a_daemons_stream_is_left_to_it_and_the_rest_is_shared(tmp_path: Path) -> None:
    async def script() -> None:
        async with live(listings=QUIET) as simulator:
            named = {"rest_url": simulator.server.rest_url, "ws_url": simulator.server.ws_url}
            client = client_in(tmp_path, shared_root=str(tmp_path / "shared"), **named)
            async with client:
                lock = SingleInstanceLock(client._settings.shared_dir / "daemon.lock")
                with lock, pytest.raises(AlreadyRunning):
                    await client.websocket.subscribe_price("005930", print)
                assert (await client.get_price("005930")).price > 0
                await client.websocket.subscribe_price("005930", print)
            assert simulator.server.broker.keys.tokens_issued == 1
            async with client_in(tmp_path, shared_root=str(tmp_path / "shared"), **named) as other:
                await other.get_price("005930")
            assert simulator.server.broker.keys.tokens_issued == 1

    asyncio.run(script())


NEW_YORK_OPEN: dict[str, Any] = {"sim.start": "2026-11-02T23:30:00+09:00"}
"""Half past nine in New York, on its first day of winter time."""


def test_us_stocks_have_the_same_calls(tmp_path: Path) -> None:
    with client_in(tmp_path, **NEW_YORK_OPEN) as client:
        price = client.get_price("AAPL", market="US")
        assert (price.currency, price.ticker, price.instrument) == ("USD", "AAPL", "nasdaq:AAPL")
        assert client.get_price("brk/b", market="US").instrument == "nyse:BRK/B"
        assert client.get_order_book("SPY", market="US").instrument == "amex:SPY"
        assert len(client.get_daily_bars("AAPL", market="US", count=5)) == 5
        minutes = client.get_minute_bars("AAPL", market="US", count=20)
        assert [each.start for each in minutes] == sorted({each.start for each in minutes})
        assert len(minutes) == 20

        ticks, books = threading.Event(), threading.Event()
        client.websocket.subscribe_price(["AAPL", "TSLA"], lambda tick: ticks.set(), market="US")
        client.websocket.subscribe_order_book("AAPL", lambda book: books.set(), market="US")

        limit = round(price.price * Decimal("1.03"), 2)
        assert client.get_orderable_cash("AAPL", limit, market="US") == Decimal(100_000)
        bought = client.place_order("AAPL", "BUY", 10, price=limit, market="US")
        assert (bought.ticker, bought.action, bought.quantity) == ("AAPL", "BUY", 10)
        low = round(price.price * Decimal("0.97"), 2)
        waiting = client.place_order("AAPL", "BUY", 2, price=low, market="US")
        moved = client.modify_order(waiting.order_no, low - 1)
        assert moved.quantity == 2
        (open_,) = client.get_open_orders(market="US")
        assert (open_.refs[-1].number, open_.remaining) == (moved.order_no, 2)
        client.cancel_order(moved.order_no)
        assert list(client.get_open_orders(market="US")) == []

        (fill,) = client.get_fills(market="US")
        assert (fill.ticker, fill.quantity, fill.currency) == ("AAPL", 10, "USD")
        assert fill.amount == fill.price * 10 <= limit * 10
        holdings, summary = client.get_balance(market="US")
        assert [(each.ticker, each.quantity) for each in holdings] == [("AAPL", 10)]
        assert summary.cash == Decimal(100_000) - fill.amount
        client.place_order("AAPL", "SELL", 10, price=low, market="US")
        assert ticks.wait(15)
        assert books.wait(15)
        assert list(client.get_orders(market="KR")) == []


def test_us_calls_are_awaited_as_well(tmp_path: Path) -> None:
    async def script() -> None:
        async with client_in(tmp_path, **NEW_YORK_OPEN) as client:
            prices = await asyncio.gather(
                client.get_price("MSFT", market="US"), client.get_price("005930", market="KR")
            )
            assert [each.currency for each in prices] == ["USD", "KRW"]
            heard: asyncio.Queue[Tick] = asyncio.Queue()
            await client.websocket.subscribe_price("MSFT", heard.put_nowait, market="US")
            assert (await heard.get()).instrument == "nasdaq:MSFT"
            limit = round(prices[0].price * Decimal("1.03"), 2)
            placed = await client.place_order("MSFT", "BUY", 1, limit, "US")
            (fill,) = await client.get_fills("US")
            assert (fill.order_no, fill.ticker) == (placed.order_no, "MSFT")

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await script()

    asyncio.run(bounded())


def test_what_us_exchanges_do_not_know_is_refused_before_it_is_written_down(
    tmp_path: Path,
) -> None:
    with client_in(tmp_path) as us:
        for given, code in (
            (("AAPL", "BUY", 1, None, "US"), "ORDER_TYPE"),
            (("AAPL", "BUY", 1, "200.00", "US"), "GATE_CLOSED"),
            (("NOSUCH", "BUY", 1, "1.00", "US"), "BAD_TICKER"),
        ):
            with pytest.raises(Refused) as caught:
                us.place_order(*given)
            assert caught.value.code == code, given
    assert not (tmp_path / "sim" / BY_HAND).exists()


def test_the_accounts_kill_switch_stops_scripts_and_lets_sales_pass_where_it_may(
    tmp_path: Path,
) -> None:
    with client_in(tmp_path) as client:
        client.place_order("005930", "BUY", 2)
        files = SwitchFiles(tmp_path / "sim", client._settings.account)
        own = files.kill_files[1]
        own.ask(TradingState.REDUCE_ONLY, "a loss", "")
        with pytest.raises(RiskRefused, match="REDUCE_ONLY"):
            client.place_order("005930", "BUY", 1)
        client.place_order("005930", "SELL", 1)
        own.ask(TradingState.HALTED, "lunch", "")
        with pytest.raises(RiskRefused, match="lunch"):
            client.place_order("005930", "SELL", 1)
        own.clear()
        files.tell(TradingState.HALTED, "a signal")
        with pytest.raises(RiskRefused, match="a signal"):
            client.place_order("005930", "SELL", 1)
        files.state_path.write_text("")
        with pytest.raises(RiskRefused, match="cannot be read"):
            client.place_order("005930", "SELL", 1)
        files.tell(TradingState.RUNNING, "checked")
        client.place_order("005930", "SELL", 1)


def test_orders_by_the_catalogue_need_a_setting_and_stop_at_the_kill_switch(
    tmp_path: Path,
) -> None:
    buy: dict[str, Any] = {
        **{"ord_dv": "buy", "PDNO": "005930", "ORD_DVSN": "01", "ORD_QTY": 1},
        **{"ORD_UNPR": 0, "EXCG_ID_DVSN_CD": "KRX"},
    }
    with client_in(tmp_path) as client:
        with pytest.raises(UnjudgedCall, match="place_order"):
            client.api.domestic_stock.order_cash(**buy)
        with pytest.raises(UnjudgedCall):
            client.call("domestic_bond.buy", unchecked=["environment"], parameters={
                "PDNO": "KR2033022D33", "ORD_QTY2": "1", "BOND_ORD_UNPR": "10000",
                "SAMT_MKET_PTCI_YN": "N", "BOND_RTL_MKET_YN": "N",
            })  # fmt: skip
    more: dict[str, Any] = {"risk.unjudged_calls": True}
    with client_in(tmp_path, **more) as client:
        assert client.api.domestic_stock.order_cash(**buy).output.odno
        (tmp_path / "sim" / "KILL").write_text("")
        with pytest.raises(RiskRefused, match="HALTED"):
            client.api.domestic_stock.order_cash(**buy)
