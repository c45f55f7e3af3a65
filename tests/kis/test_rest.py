import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from daemon.core.errors import (
    BadData,
    InvariantBroken,
    NeedsOperator,
    OutcomeUnknown,
    Refused,
    TradingError,
    TryLater,
)
from daemon.core.events import OrderKind
from daemon.core.orders import Order
from daemon.core.values import AccountId, BrokerRef, Currency, InstrumentId, Region
from daemon.kis.link import HttpRequest, HttpResponse, NotSent
from daemon.kis.pump import Patience
from daemon.kis.rest import KisRest
from daemon.kis.spec import SIM, VIRTUAL, Profile
from tests.kis.fakes import (
    SAMSUNG,
    MemoryDoor,
    MemoryTokens,
    make_client,
    make_order,
    reply,
    response,
    running,
    sample,
)
from tests.support import EPOCH, run_virtual

Scripted = HttpResponse | BaseException


def door_of(*answers: Scripted, last: Scripted | None = None) -> MemoryDoor:
    """Answers in turn; after them `last`, or an error of the test."""
    left = list(answers)

    def answer(request: HttpRequest) -> Scripted:
        if request.path.endswith("tokenP"):
            return token_reply("token-new")
        if left:
            return left.pop(0)
        assert last is not None, "more requests than the test foresaw"
        return last

    return MemoryDoor(answer)


def token_reply(value: str) -> HttpResponse:
    return response({"access_token": value, "expires_in": 86400})


def run(door: MemoryDoor, main: Callable[[KisRest], Awaitable[Any]], **options: Any) -> KisRest:
    client: list[KisRest] = []

    async def scenario() -> None:
        async with running(make_client(door, **options)) as made:
            client.append(made)
            await main(made)

    run_virtual(scenario())
    return client[0]


async def place_order(client: KisRest, order: Order) -> BrokerRef:
    return await client.place(order, leaving=lambda: None)


async def move_order(client: KisRest, order: Order) -> BrokerRef:
    return await client.modify(order, Decimal(72000), leaving=lambda: None)


async def cancel_order(client: KisRest, order: Order) -> None:
    await client.cancel(order, leaving=lambda: None)


def place(
    door: MemoryDoor, **options: Any
) -> tuple[BrokerRef | TradingError | InvariantBroken, list[str]]:
    """Place one order; its outcome, and the calls of `leaving` among the requests."""
    outcome: list[BrokerRef | TradingError | InvariantBroken] = []
    seen: list[str] = []

    async def main(client: KisRest) -> None:
        try:
            outcome.append(
                await client.place(
                    make_order(), leaving=lambda: seen.append(f"left {len(door.requests)}")
                )
            )
        except (TradingError, InvariantBroken) as error:
            outcome.append(error)

    run(door, main, **options)
    return outcome[0], seen


def test_an_order_is_sent_once_and_says_so_just_before() -> None:
    door = door_of(reply("order_cash_ok"))
    ref, seen = place(door)
    assert ref == BrokerRef(day=date(2026, 7, 10), branch="06010", number="1569157")
    assert seen == ["left 0"]
    assert door.paths() == ["order-cash"]


@pytest.mark.parametrize("request_of", [place_order, move_order, cancel_order])
def test_a_reply_that_came_before_says_nothing_of_a_new_order(
    request_of: Callable[[KisRest, Order], Awaitable[object]],
) -> None:
    door = door_of(reply("order_cash_ok"), reply("order_cash_ok"))

    async def main(client: KisRest) -> None:
        await request_of(client, make_order(number="1"))
        await asyncio.sleep(86400)
        with pytest.raises(OutcomeUnknown, match="number 1569157, and came before"):
            await place_order(client, make_order())

    client = run(door, main)
    assert client.stats.unknown == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply("order_refused_funds"), Refused),
        (reply("order_refused_http500"), Refused),
        (reply("err_rate_EGW00201"), TryLater),
        (reply("err_gateway_timeout"), OutcomeUnknown),
        (HttpResponse(status=502, headers={}, body=b"<html>"), OutcomeUnknown),
        (response({"rt_cd": "0", "output": {}}), OutcomeUnknown),
        (OutcomeUnknown("reset"), OutcomeUnknown),
        (NotSent("refused"), TryLater),
        (reply("err_account_OPSQ2000"), Refused),
    ],
)
def test_an_order_is_never_repeated(answer: Scripted, kind: type[TradingError]) -> None:
    door = door_of(answer)
    outcome, _ = place(door)
    assert isinstance(outcome, kind)
    assert isinstance(outcome, TryLater) == (kind is TryLater)
    assert door.paths().count("order-cash") == 1


def test_a_refused_token_is_renewed_behind_the_order() -> None:
    door = door_of(reply("err_token_expired_EGW00123"), reply("order_cash_ok"))
    tokens = MemoryTokens()

    async def main(client: KisRest) -> None:
        with pytest.raises(TryLater, match="NO_TOKEN"):
            await client.place(make_order(), leaving=lambda: None)
        assert client.unready() == "there is no usable access token yet"
        await asyncio.sleep(61)
        assert client.unready() == ""
        await client.place(make_order(), leaving=lambda: None)

    run(door, main, tokens=tokens)
    assert door.paths() == ["tokenP", "order-cash", "tokenP", "order-cash"]


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_request_turned_away_for_its_token_leaves_once_more_under_a_new_one(
    refusals: int,
) -> None:
    refusal = reply("err_token_expired_EGW00123")
    door = door_of(refusal, refusal if refusals == 2 else reply("order_cash_ok"))
    left: list[int] = []

    async def main(client: KisRest) -> None:
        if refusals == 1:
            await client.place(make_order(), leaving=lambda: left.append(len(door.requests)))
        else:
            with pytest.raises(TryLater, match="EGW00123"):
                await client.place(make_order(), leaving=lambda: left.append(len(door.requests)))

    run(door, main)
    assert door.paths() == ["order-cash", "tokenP", "order-cash"]
    assert len(left) == 2


def test_what_leaving_raises_keeps_the_order_here() -> None:
    door = door_of()

    def full() -> None:
        raise OSError("disk full")

    async def main(client: KisRest) -> None:
        with pytest.raises(OSError, match="disk full"):
            await client.place(make_order(), leaving=full)

    run(door, main)
    assert door.requests == []


def test_the_wrong_account_or_host_stops_before_the_socket() -> None:
    left: list[str] = []

    async def main(client: KisRest) -> None:
        order = make_order(account=AccountId("87654321-01"))
        with pytest.raises(InvariantBroken, match="another account"):
            await client.place(order, leaving=lambda: left.append("left"))

    run(door_of(), main)
    elsewhere = MemoryDoor(lambda _: reply("order_cash_ok"), base_url="https://elsewhere")
    outcome, seen = place(elsewhere)
    assert isinstance(outcome, InvariantBroken)
    assert left == seen == []
    assert elsewhere.requests == []


def test_changes_use_the_number_in_force() -> None:
    door = door_of(reply("rvsecncl_modify_ok"), reply("rvsecncl_modify_ok"))

    async def main(client: KisRest) -> None:
        order = make_order(number="1569136")
        ref = await client.modify(order, Decimal(55000), leaving=lambda: None)
        assert ref.number == "1569139"
        await client.cancel(order, leaving=lambda: None)
        with pytest.raises(Refused, match="NO_NUMBER"):
            await client.cancel(make_order(), leaving=lambda: None)

    run(door, main)
    bodies = [orjson.loads(request.body) for request in door.requests]
    assert [body["ORGN_ODNO"] for body in bodies] == ["0001569136"] * 2
    assert [body["RVSE_CNCL_DVSN_CD"] for body in bodies] == ["01", "02"]


def test_a_caller_that_is_cancelled_does_not_abort_the_order() -> None:
    door = MemoryDoor(lambda _: reply("order_cash_ok"), jitter=1.0, random=Random(5))

    async def main(client: KisRest) -> None:
        left: list[int] = []
        task = asyncio.get_running_loop().create_task(
            client.cancel(make_order(number="1"), leaving=lambda: left.append(1))
        )
        await asyncio.sleep(0.001)
        assert left == [1]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(3)
        assert client.stats.round_trips == 1

    run(door, main)
    assert len(door.requests) == 1


def test_stopping_waits_for_an_order_that_has_left() -> None:
    door = MemoryDoor(lambda _: reply("order_cash_ok"), jitter=1.0, random=Random(5))

    async def scenario() -> None:
        client = make_client(door)
        loop = asyncio.get_running_loop()
        serving = loop.create_task(client.run())
        await asyncio.sleep(0)
        placing = loop.create_task(client.place(make_order(), leaving=lambda: None))
        await asyncio.sleep(0.001)
        serving.cancel()
        assert (await placing).number == "1569157"
        with pytest.raises(TryLater, match="STOPPED"):
            await client.place(make_order(), leaving=lambda: None)
        await asyncio.gather(serving, return_exceptions=True)
        assert serving.cancelled()

    run_virtual(scenario())


@pytest.mark.parametrize(
    "trouble",
    [
        reply("err_rate_EGW00201"),
        reply("err_gateway_timeout"),
        HttpResponse(status=503, headers={}, body=b""),
        OutcomeUnknown("reset"),
        NotSent("refused"),
    ],
)
def test_an_inquiry_is_repeated_until_it_is_answered(trouble: Scripted) -> None:
    door = door_of(trouble, trouble, reply("balance"))

    async def main(client: KisRest) -> None:
        assert (await client.account()).cash_of(Currency.KRW) == 343310

    client = run(door, main)
    assert len(door.requests) == 3
    assert client.stats.requests == 3


def test_an_inquiry_gives_up_at_its_deadline() -> None:
    door = door_of(last=HttpResponse(status=503, headers={}, body=b""))

    async def main(client: KisRest) -> None:
        started = asyncio.get_running_loop().time()
        with pytest.raises(TryLater):
            await client.info(SAMSUNG)
        assert asyncio.get_running_loop().time() - started <= 10.0

    run(door, main)
    assert len(door.requests) > 3


@pytest.mark.parametrize(
    ("name", "kind"), [("err_field_OPSQ2001", Refused), ("err_account_OPSQ2000", NeedsOperator)]
)
def test_a_definite_refusal_of_an_inquiry_is_final(name: str, kind: type[TradingError]) -> None:
    door = door_of(reply(name))

    async def main(client: KisRest) -> None:
        with pytest.raises(kind):
            await client.account()

    run(door, main)
    assert len(door.requests) == 1


def test_all_pages_are_read_with_the_cursors_unchanged() -> None:
    door = door_of(reply("balance_page1"), reply("balance"))

    async def main(client: KisRest) -> None:
        report = await client.account()
        assert {holding.instrument for holding in report.holdings} == {"krx:009150", "krx:088350"}

    run(door, main)
    second = door.requests[1]
    assert dict(second.headers)["tr_cont"] == "N"
    assert dict(second.query)["CTX_AREA_NK100"] == "000660^".ljust(100)


def test_a_page_that_fails_fails_the_inquiry() -> None:
    door = door_of(reply("balance_page1"), reply("err_field_OPSQ2001"))

    async def main(client: KisRest) -> None:
        with pytest.raises(Refused):
            await client.account()

    run(door, main)


def page(cursor: str, *, rows: int = 1, code: str = "") -> HttpResponse:
    row = {"pdno": "005930", "hldg_qty": "1", "pchs_amt": "1"}
    body = {
        "rt_cd": "0",
        "msg_cd": code,
        "output1": [row] * rows,
        "output2": [{"prvs_rcdl_excc_amt": "5"}],
        "ctx_area_fk100": "f",
        "ctx_area_nk100": cursor,
    }
    return response(body, tr_cont="M")


@pytest.mark.parametrize("second", [page("a"), page("b", rows=0)])
def test_a_repeated_cursor_or_an_empty_page_is_no_end_while_more_follows(
    second: HttpResponse,
) -> None:
    door = door_of(page("a"), second)

    async def main(client: KisRest) -> None:
        with pytest.raises(BadData):
            await client.account()

    run(door, main)
    assert len(door.requests) == 2


def test_an_empty_page_that_says_so_is_the_last() -> None:
    door = door_of(page("a"), page("b", rows=0, code="KIOK0560"))

    async def main(client: KisRest) -> None:
        (holding,) = (await client.account()).holdings
        assert holding.quantity == 1

    run(door, main)


def empty_list(total: str) -> HttpResponse:
    body = deepcopy(sample("rest", "daily_ccld_empty")["body"])
    body["output2"]["tot_ord_qty"] = total
    return response(body)


def test_an_empty_order_list_whose_totals_tell_of_orders_is_not_believed() -> None:
    door = door_of(empty_list("2"), empty_list("0"), empty_list(""))

    async def main(client: KisRest) -> None:
        with pytest.raises(BadData, match="tot_ord_qty"):
            await client.orders(EPOCH.date())
        assert not await client.orders(EPOCH.date())
        assert not await client.orders(EPOCH.date())

    run(door, main)


def test_totals_on_an_empty_last_page_tell_of_the_pages_before() -> None:
    door = door_of(reply("daily_ccld_states_page1"), empty_list("40"))

    async def main(client: KisRest) -> None:
        assert await client.orders(EPOCH.date())

    run(door, main)


def test_a_short_order_list_proves_no_absence() -> None:
    first = reply("daily_ccld_states_page1")
    door = door_of(first, first)

    async def main(client: KisRest) -> None:
        with pytest.raises(BadData):
            await client.orders(EPOCH.date())

    run(door, main)


def test_an_order_list_of_many_pages_takes_no_more_memory_than_its_orders() -> None:
    body = orjson.loads(reply("daily_ccld_states_page1").body)
    body["output1"] = [body["output1"][0] | {"prdt_name": f"{n:200}"} for n in range(500)]

    def peak(pages: int) -> int:
        """Bytes at most in use, of an inquiry whose pages all tell of one order."""
        left = iter(range(pages - 1, -1, -1))

        def answer(request: HttpRequest) -> HttpResponse:
            count = next(left)
            page = orjson.dumps(body | {"ctx_area_nk100": str(count)})
            return HttpResponse(status=200, headers={"tr_cont": "M" if count else "D"}, body=page)

        async def main(client: KisRest) -> None:
            tracemalloc.start()
            assert len(await client.orders(EPOCH.date())) == 1
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

        peaks: list[int] = []
        run(MemoryDoor(answer), main, capacity=50)
        return peaks[0]

    assert peak(30) < 2 * peak(3)


def test_a_list_may_have_more_pages_than_can_be_had_in_the_time_of_one() -> None:
    body = orjson.loads(reply("daily_ccld_states_page1").body)
    left = iter(range(59, -1, -1))

    def answer(request: HttpRequest) -> HttpResponse:
        count = next(left)
        return response(body | {"ctx_area_nk100": str(count)}, tr_cont="M" if count else "D")

    async def main(client: KisRest) -> None:
        began = asyncio.get_running_loop().time()
        assert await client.orders(EPOCH.date())
        assert asyncio.get_running_loop().time() - began > Patience().inquiry

    run(MemoryDoor(answer), main, capacity=2)


def test_a_row_that_cannot_be_read_ends_the_inquiry_at_its_page() -> None:
    body = orjson.loads(reply("daily_ccld_states_page1").body)
    body["output1"][0]["rmn_qty"] = "x"
    door = door_of(response(body, tr_cont="M"))

    async def main(client: KisRest) -> None:
        with pytest.raises(BadData) as failure:
            await client.orders(EPOCH.date())
        assert failure.value.field == "rmn_qty"

    run(door, main)
    assert len(door.requests) == 1


def test_a_row_without_a_number_is_skipped_and_told_once() -> None:
    body = orjson.loads(reply("daily_ccld_filled").body)
    blank = {**body["output1"][0], "odno": "", "pdno": "x" * 1000}
    body["output1"] += [blank, blank]
    door = door_of(response(body))

    async def main(client: KisRest) -> None:
        with capture_logs() as logs:
            assert len(await client.orders(EPOCH.date())) == 1
        (told,) = [entry for entry in logs if entry["event"] == "order_rows_skipped"]
        assert told["count"] == 2
        assert len(told["raw"]) <= BadData.RAW_LIMIT

    run(door, main)


def test_paging_without_end_is_an_error_and_not_a_short_answer() -> None:
    count = iter(range(10_000))
    door = MemoryDoor(lambda _: page(str(next(count))))

    async def main(client: KisRest) -> None:
        with pytest.raises((BadData, TryLater)):
            await client.account()

    run(door, main, capacity=50)


def test_orders() -> None:
    last = reply("daily_ccld_filled")
    door = door_of(reply("daily_ccld_states_page1"), last, reply("daily_ccld_empty"))

    async def main(client: KisRest) -> None:
        assert len(await client.orders(EPOCH.date())) == 6
        assert list(await client.orders(EPOCH.date() - timedelta(days=3))) == []
        with pytest.raises(Refused):
            await client.orders(EPOCH.date() - timedelta(days=100))

    run(door, main)
    query = dict(door.requests[-1].query)
    assert (query["INQR_STRT_DT"], query["INQR_END_DT"]) == ("20260707", "20260710")


def test_quotes() -> None:
    door = door_of(
        reply("inquire_price"), reply("inquire_asking_price"), reply("psbl_order_virtual")
    )

    async def main(client: KisRest) -> None:
        assert (await client.info(SAMSUNG)).last == 75700
        assert (await client.order_book(SAMSUNG)).bid == (Decimal(75700), 312258)
        assert await client.orderable_cash(SAMSUNG, OrderKind.MARKET, None) == 9998580
        with pytest.raises(Refused, match="WRONG_MARKET"):
            await client.info(InstrumentId("nasdaq:AAPL"))
        with pytest.raises(Refused):
            await client.daily_bars(SAMSUNG, 101)

    run(door, main)


def minute_page(request: HttpRequest) -> HttpResponse:
    """Thirty bars down from the asked minute; the session begins at 09:00."""
    asked = dict(request.query)["FID_INPUT_HOUR_1"]
    minute = int(asked[:2]) * 60 + int(asked[2:4])
    rows = [
        {
            "stck_bsop_date": "20260710",
            "stck_cntg_hour": f"{at // 60:02}{at % 60:02}00",
            **dict.fromkeys(("stck_prpr", "stck_oprc", "stck_hgpr", "stck_lwpr"), str(at)),
            "cntg_vol": "1",
        }
        for at in range(minute, max(minute - 30, 539), -1)
    ]
    return response({"rt_cd": "0", "output2": rows})


def test_minute_bars_are_read_backwards() -> None:
    door = MemoryDoor(minute_page)

    async def main(client: KisRest) -> None:
        await asyncio.sleep(100 * 60)
        bars = await client.minute_bars(SAMSUNG, 45)
        assert [int(bar.close) for bar in bars] == list(range(596, 641))
        assert len(await client.minute_bars(SAMSUNG, 500)) == 101

    run(door, main)


def test_every_refusal_is_counted() -> None:
    door = door_of(reply("err_rate_EGW00201"), reply("inquire_price"))

    async def main(client: KisRest) -> None:
        await client.info(SAMSUNG)

    stats = run(door, main).stats
    assert stats.refusals == {"EGW00201": 1}
    assert stats.round_trips == 2
    # Silence for a second after the broker complained.
    assert door.arrivals[1] - door.arrivals[0] >= 1.0


@pytest.mark.parametrize(("cancels", "seconds"), [(1, 9.0), (2, 0.0)])
def test_orders_that_left_are_waited_for_until_a_second_cancel(
    cancels: int, seconds: float
) -> None:
    class Silent(MemoryDoor):
        async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
            await asyncio.sleep(timeout)
            raise OutcomeUnknown("no answer")

    async def scenario() -> None:
        client = make_client(Silent(lambda _: reply("order_cash_ok")))

        async def place_one() -> None:
            with pytest.raises(OutcomeUnknown):
                await client.place(make_order(), leaving=lambda: None)

        async with asyncio.TaskGroup() as group:
            serving = group.create_task(client.run())
            group.create_task(place_one())
            await asyncio.sleep(0.5)
            began = asyncio.get_running_loop().time()
            for _ in range(cancels):
                serving.cancel()
                await asyncio.sleep(0.1)
            await asyncio.wait([serving])
            took = asyncio.get_running_loop().time() - began
        assert (took >= seconds) if cancels == 1 else (took < 1.0)

    run_virtual(scenario())


PROFIT_ROW = {
    **{"trad_dt": "20260710", "pdno": "005930", "buy_qty": "10", "buy_amt": "700000"},
    **{"sll_qty": "4", "sll_amt": "284000", "rlzt_pfls": "3295", "fee": "137", "tl_tax": "568"},
}


def test_profits_are_read_to_the_last_page() -> None:
    first = {"ctx_area_fk100": "a", "ctx_area_nk100": "b", "output1": [PROFIT_ROW], "output2": {}}
    last = {**first, "output1": [{**PROFIT_ROW, "pdno": "000660"}]}
    door = door_of(
        response({"rt_cd": "0", **first}, tr_cont="F"),
        response({"rt_cd": "0", **last}, tr_cont="D"),
    )

    async def main(client: KisRest) -> None:
        day = date(2026, 7, 10)
        rows = await client.trade_profits(Region.KR, day, day, traded=())
        assert [row.instrument for row in rows] == ["krx:005930", "krx:000660"]

    run(door, main)
    assert door.paths() == ["inquire-period-trade-profit"] * 2
    assert dict(door.requests[1].query)["CTX_AREA_NK100"] == "b"


@pytest.mark.parametrize(
    ("region", "profile"), [(Region.KR, VIRTUAL), (Region.US, VIRTUAL), (Region.JP, SIM)]
)
def test_profits_that_are_not_offered_are_not_asked_for(region: Region, profile: Profile) -> None:
    door = door_of()

    async def main(client: KisRest) -> None:
        day = date(2026, 7, 10)
        with pytest.raises(Refused, match="NOT_OFFERED"):
            await client.trade_profits(region, day, day, traded=())

    run(door, main, profile=profile)
    assert door.requests == []


def test_a_trading_day_is_asked_for_where_the_broker_tells() -> None:
    door = door_of(reply("chk_holiday"))

    async def main(client: KisRest) -> None:
        assert await client.trades_on(Region.KR, date(2024, 6, 11)) is True
        assert await client.trades_on(Region.US, date(2024, 6, 11)) is None

    run(door, main)
    assert door.paths() == ["chk-holiday"]


def test_a_trading_day_is_not_asked_for_in_the_virtual_world() -> None:
    door = door_of()

    async def main(client: KisRest) -> None:
        assert await client.trades_on(Region.KR, date(2024, 6, 11)) is None

    run(door, main, profile=VIRTUAL)
    assert door.requests == []
