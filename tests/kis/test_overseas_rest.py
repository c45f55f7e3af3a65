"""One account over HTTP, at home and abroad: every part in full, or none."""

from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from daemon.core.errors import BadData, Refused, TradingError
from daemon.core.events import OrderKind
from daemon.core.orders import Order
from daemon.core.values import BrokerRef, Currency, InstrumentId, Region
from daemon.kis.link import HttpRequest, HttpResponse
from daemon.kis.pump import Patience
from daemon.kis.rest import KisRest
from daemon.kis.spec import VIRTUAL
from tests.kis.fakes import (
    MemoryDoor,
    make_client,
    make_order,
    reply,
    response,
    running,
    sample,
)
from tests.support import EPOCH, run_virtual

APPLE = InstrumentId("nasdaq:AAPL")
BOTH = (Region.KR, Region.US)
ITS_DAY = date(2026, 7, 9)
"""In New York, while it is already the tenth in Seoul."""

Answers = Callable[[str, HttpRequest], HttpResponse]


def run(answers: Answers, main: Callable[[KisRest], Awaitable[Any]], **options: Any) -> MemoryDoor:
    def answer(request: HttpRequest) -> HttpResponse:
        return answers(request.path.rpartition("/")[2], request)

    options = {"regions": BOTH, **options}
    base = options["profile"].rest_url if "profile" in options else None
    door = MemoryDoor(answer) if base is None else MemoryDoor(answer, base_url=base)

    async def scenario() -> None:
        async with running(make_client(door, **options)) as client:
            await main(client)

    run_virtual(scenario())
    return door


def apple(quantity: int = 10) -> Order:
    made = make_order(quantity=quantity)
    intent = replace(made.intent, instrument=APPLE, limit=Decimal("145.00"))
    return replace(made, intent=intent, limit=intent.limit)


def test_an_order_abroad_belongs_to_the_date_of_its_exchange() -> None:
    refs: list[BrokerRef] = []
    left: list[str] = []

    async def main(client: KisRest) -> None:
        refs.append(await client.place(apple(), leaving=lambda: left.append("left")))
        order = replace(apple(), refs=tuple(refs))
        refs.append(await client.modify(order, Decimal("144.00"), leaving=lambda: None))
        await client.cancel(order, leaving=lambda: None)
        tokyo = replace(order.intent, instrument=InstrumentId("tokyo:7203"))
        other = replace(order, intent=tokyo)
        with pytest.raises(Refused, match="WRONG_MARKET"):
            await client.place(other, leaving=lambda: left.append("no"))

    door = run(lambda path, request: reply("overseas_order_ok"), main)
    assert refs[0] == BrokerRef(day=ITS_DAY, branch="01790", number="4336")
    assert left == ["left"]
    assert door.paths() == ["order", "order-rvsecncl", "order-rvsecncl"]
    assert [dict(each.headers)["tr_id"] for each in door.requests] == [
        "TTTT1002U",
        "TTTT1004U",
        "TTTT1004U",
    ]


def listing(numbers: list[int], following: str) -> HttpResponse:
    """A page of the foreign list."""
    shape = deepcopy(sample("rest", "overseas_ccnl")["body"])
    row = shape["output"][0]
    shape["output"] = [{**row, "odno": str(number)} for number in numbers]
    shape["ctx_area_nk200"] = following.ljust(200)
    return response(shape, tr_cont="M" if following else "D")


def test_the_lists_of_both_sides_are_read_to_their_ends() -> None:
    cursors: list[tuple[str, str]] = []

    def answers(path: str, request: HttpRequest) -> HttpResponse:
        if path == "inquire-daily-ccld":
            return reply("daily_ccld_filled")
        query = dict(request.query)
        assert (query["ORD_STRT_DT"], query["ORD_END_DT"]) == ("20260708", "20260709")
        cursors.append((query["CTX_AREA_NK200"].strip(), dict(request.headers)["tr_cont"]))
        pages = {"": ([1, 2], "two"), "two": ([3], "three"), "three": ([4], "")}
        return listing(*pages[cursors[-1][0]])

    async def main(client: KisRest) -> None:
        orders = await client.orders(date(2026, 7, 8))
        assert [each.region for each in orders] == [Region.KR, *[Region.US] * 4]

    run(answers, main)
    assert cursors == [("", ""), ("two", "N"), ("three", "N")]


def test_a_region_that_does_not_answer_fails_the_whole_list() -> None:
    def answers(path: str, request: HttpRequest) -> HttpResponse:
        if path == "inquire-daily-ccld":
            return reply("daily_ccld_filled")
        return response({"rt_cd": "1", "msg_cd": "OPSQ0001", "msg1": "later"}, 500)

    async def main(client: KisRest) -> None:
        with pytest.raises(TradingError, match="OPSQ0001"):
            await client.orders(date(2026, 7, 9))
        with pytest.raises(TradingError, match="OPSQ0001"):
            await client.account()

    run(answers, main, patience=Patience(inquiry=3.0))


def both_balances(path: str, request: HttpRequest) -> HttpResponse:
    known = {
        "inquire-present-balance": "overseas_present_balance",
        "inquire-psamount": "overseas_psamount",
        "price": "overseas_price",
    }
    return reply(known.get(path, "overseas_balance" if "overseas" in request.path else "balance"))


def test_an_account_is_both_purses_and_everything_held() -> None:
    async def main(client: KisRest) -> None:
        report = await client.account()
        assert report.cash == {Currency.KRW: Decimal(343310), Currency.USD: Decimal(1000)}
        assert {each.instrument: each.quantity for each in report.holdings}[APPLE] == 40
        assert any(each.instrument.startswith("krx:") for each in report.holdings)
        limit = Decimal("145.00")
        assert await client.orderable_cash(APPLE, OrderKind.LIMIT, limit) == 1000
        with pytest.raises(Refused, match="limit orders only"):
            await client.orderable_cash(APPLE, OrderKind.MARKET, None)
        info = await client.info(APPLE)
        assert (info.last, info.upper_limit) == (Decimal("260.2900"), None)

    door = run(both_balances, main)
    assert door.paths()[:2] == ["inquire-balance", "inquire-present-balance"]


def test_fractions_of_shares_are_left_out_and_told_once() -> None:
    shape = deepcopy(sample("rest", "overseas_present_balance")["body"])
    (whole,) = shape["output1"]
    mini = {**whole, "pdno": "TSLA", "ccld_qty_smtl1": "0.25000000"}
    shape["output1"] = [mini, whole, {**whole, "ccld_qty_smtl1": "1.50000000"}]

    async def main(client: KisRest) -> None:
        with capture_logs() as lines:
            for _ in range(2):
                report = await client.account(regions=[Region.US])
                assert report.cash == {Currency.USD: Decimal(1000)}
                assert [(each.instrument, each.quantity) for each in report.holdings] == [
                    (APPLE, 40)
                ]
            told = [each for each in lines if each["event"] == "fractional_holdings_left_out"]
            assert [(each["log_level"], each["instruments"]) for each in told] == [
                ("warning", ["AAPL", "TSLA"])
            ]
            mini["pdno"] = "NVDA"
            await client.account(regions=[Region.US])
        assert lines[-1]["instruments"] == ["NVDA"]

    run(lambda path, request: response(shape), main)


def test_a_quantity_that_is_no_number_still_spoils_the_account() -> None:
    shape = deepcopy(sample("rest", "overseas_present_balance")["body"])

    async def main(client: KisRest) -> None:
        for quantity in ("", "-0.25", "many"):
            shape["output1"][0]["ccld_qty_smtl1"] = quantity
            with pytest.raises(BadData):
                await client.account(regions=[Region.US])

    run(lambda path, request: response(shape), main)


def present_pages(*codes: str) -> Answers:
    """A present balance of one holding a page. It has no cursors."""
    shape = deepcopy(sample("rest", "overseas_present_balance")["body"])
    (row,) = shape["output1"]
    left = list(codes)

    def answers(path: str, request: HttpRequest) -> HttpResponse:
        shape["output1"] = [{**row, "pdno": left.pop(0)}]
        return response(shape, tr_cont="M" if left else "D")

    return answers


def test_holdings_of_many_pages_are_read_to_the_last() -> None:
    async def main(client: KisRest) -> None:
        report = await client.account(regions=[Region.US])
        assert [each.instrument for each in report.holdings] == [
            "nasdaq:AAPL",
            "nasdaq:TSLA",
            "nasdaq:NVDA",
        ]

    door = run(present_pages("AAPL", "TSLA", "NVDA"), main)
    assert [dict(each.headers)["tr_cont"] for each in door.requests] == ["", "N", "N"]


@pytest.mark.parametrize("codes", [("AAPL", "TSLA", "TSLA", "NVDA"), ("AAPL", "TSLA", "TSLA")])
def test_the_same_page_of_holdings_again_is_no_next_page(codes: tuple[str, ...]) -> None:
    async def main(client: KisRest) -> None:
        with pytest.raises(BadData, match="the same page again"):
            await client.account(regions=[Region.US])

    door = run(present_pages(*codes), main)
    assert len(door.requests) == 3


def test_one_region_alone_is_asked_about_alone() -> None:
    async def main(client: KisRest) -> None:
        report = await client.account()
        assert set(report.cash) == {Currency.USD}

    door = run(both_balances, main, regions=(Region.US,))
    assert door.paths() == ["inquire-present-balance"]


@pytest.mark.parametrize(
    ("clock", "unbooked"),
    [("09 22:31", "09"), ("10 05:44", "09"), ("10 05:45", None), ("10 12:59", None)],
)
def test_american_trades_may_be_missing_until_their_day_is_booked(
    clock: str, unbooked: str | None
) -> None:
    at = datetime.strptime(f"2026-07-{clock} +0900", "%Y-%m-%d %H:%M %z")

    async def main(client: KisRest) -> None:
        report = await client.account()
        expected = {} if unbooked is None else {Region.US: date(2026, 7, int(unbooked))}
        assert report.unbooked == expected

    run(both_balances, main, start=at)


def test_the_virtual_host_tells_cash_and_holdings_apart() -> None:
    async def main(client: KisRest) -> None:
        report = await client.account()
        assert report.cash == {Currency.USD: Decimal("1000.00")}
        assert [each.instrument for each in report.holdings] == ["nasdaq:TSLA"]

    door = run(both_balances, main, regions=(Region.US,), profile=VIRTUAL, capacity=5)
    assert door.paths() == ["inquire-present-balance", *["inquire-balance"] * 3]
    # There NASD is Nasdaq alone: holdings of the others are asked for by their own codes.
    codes = [dict(each.query)["OVRS_EXCG_CD"] for each in door.requests[1:]]
    assert codes == ["NASD", "NYSE", "AMEX"]
    ids = [dict(each.headers)["tr_id"] for each in door.requests]
    assert ids == ["VTRP6504R", *["VTTS3012R"] * 3]


def test_what_is_ours_is_told_from_what_answers_name() -> None:
    def answers(path: str, request: HttpRequest) -> HttpResponse:
        if path == "order":
            return reply("overseas_order_ok")
        if path == "inquire-ccnl":
            return listing([4336], "")
        return both_balances(path, request)

    async def instruments(client: KisRest) -> set[str]:
        report = await client.account()
        orders = await client.orders(ITS_DAY)
        return {each.instrument for each in report.holdings} | {each.instrument for each in orders}

    async def main(client: KisRest) -> None:
        assert await instruments(client) == {"nasdaq:TSLA", "nasdaq:SNDK"}
        client.know(Region.US, [InstrumentId("nyse:TSLA"), InstrumentId("amex:SNDK")])
        assert await instruments(client) == {"nyse:TSLA", "amex:SNDK"}
        client.know(Region.US, [])
        intent = replace(apple().intent, instrument=InstrumentId("nyse:SNDK"))
        await client.place(replace(apple(), intent=intent), leaving=lambda: None)
        assert await instruments(client) == {"nasdaq:TSLA", "nyse:SNDK"}

    run(answers, main, regions=(Region.US,), profile=VIRTUAL, capacity=5)


def bars_page(first: datetime, count: int) -> HttpResponse:
    rows = [
        {
            "kymd": "20260710",
            "khms": f"{2 + (59 - n) // 60:02}{(59 - n) % 60:02}00",
            "open": "1",
            "high": "1",
            "low": "1",
            "last": "1",
            "evol": "1",
        }
        for n in range(count)
    ]
    return response({"rt_cd": "0", "output1": {}, "output2": rows})


def test_minute_bars_are_asked_for_until_there_are_enough_or_no_more() -> None:
    keys: list[str] = []

    def answers(path: str, request: HttpRequest) -> HttpResponse:
        keys.append(dict(request.query)["KEYB"])
        return bars_page(EPOCH, 60)

    async def main(client: KisRest) -> None:
        bars = await client.minute_bars(APPLE, 300)
        assert len(bars) == 60
        assert bars == sorted(bars)
        with pytest.raises(Refused, match="BAD_COUNT"):
            await client.minute_bars(APPLE, 0)
        with pytest.raises(Refused, match="BAD_COUNT"):
            await client.daily_bars(APPLE, 101)

    run(answers, main)
    assert keys == ["", "20260709125900"]


def test_what_is_sent_is_json() -> None:
    async def main(client: KisRest) -> None:
        await client.place(apple(), leaving=lambda: None)

    door = run(lambda path, request: reply("overseas_order_ok"), main)
    assert orjson.loads(door.requests[0].body)["ORD_QTY"] == "10"
