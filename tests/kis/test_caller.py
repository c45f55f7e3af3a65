"""Catalogue calls through a session's door: paging, one sending of orders, shared manners."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import orjson
import pytest

from daemon.core.errors import BadData, OutcomeUnknown, Refused, UnjudgedCall
from daemon.kis.apirequest import ApiRequest, BadCall
from daemon.kis.apiresult import Result
from daemon.kis.caller import ApiCaller
from daemon.kis.catalog import NoSuchApi
from daemon.kis.link import HttpRequest, HttpResponse
from daemon.kis.rest import KisRest
from tests.kis.fakes import MemoryDoor, make_client, running
from tests.support import run_virtual

PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
BALANCE = {
    "AFHR_FLPR_YN": "N",
    "INQR_DVSN": "01",
    "UNPR_DVSN": "01",
    "FUND_STTL_ICLD_YN": "N",
    "FNCG_AMT_AUTO_RDPT_YN": "N",
    "PRCS_DVSN": "00",
}
BUY = {
    "PDNO": "005930",
    "ORD_DVSN": "00",
    "ORD_QTY": 1,
    "ORD_UNPR": 71000,
    "EXCG_ID_DVSN_CD": "KRX",
}


def reply(more: str = "", **body: object) -> HttpResponse:
    said = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "ok", **body}
    return HttpResponse(status=200, headers={"tr_cont": more}, body=orjson.dumps(said))


def asked(request: HttpRequest) -> dict[str, str]:
    return dict(request.query)


def ask(
    answer: Callable[[HttpRequest], HttpResponse | BaseException],
    scenario: Callable[[ApiCaller], Coroutine[Any, Any, Any]],
    **options: Any,
) -> tuple[Any, MemoryDoor]:
    door = MemoryDoor(answer)

    async def play() -> Any:
        async with running(make_client(door)) as client:
            return await scenario(ApiCaller(client, **options))

    return run_virtual(play()), door


def three_pages(request: HttpRequest) -> HttpResponse:
    page = int(asked(request)["CTX_AREA_NK100"].strip() or "1")
    more = "F" if page < 3 else "D"
    row = {"pdno": f"{page:06}", "hldg_qty": str(page)}
    cursors = {"ctx_area_fk100": "x".ljust(100), "ctx_area_nk100": str(page + 1).ljust(100)}
    return reply(more, output1=[row], output2=[{"dnca_tot_amt": "9"}], **cursors)


def test_a_call_is_one_request_with_the_sessions_account_and_token() -> None:
    got, door = ask(
        lambda request: reply(output={"stck_prpr": "71000"}),
        lambda caller: caller.call("domestic_stock.inquire_price", PRICE),
    )
    assert got.output.stck_prpr == Decimal(71000)
    assert (got.tr_id, got.complete) == ("FHKST01010100", True)
    (request,) = door.requests
    assert asked(request) == PRICE
    assert dict(request.headers)["authorization"] == "Bearer token-1"


def test_pages_go_on_with_cursors_byte_for_byte_until_the_end() -> None:
    got, door = ask(
        three_pages, lambda caller: caller.call_all("domestic_stock.inquire_balance", BALANCE)
    )
    assert [row.hldg_qty for row in got.output1] == [1, 2, 3]
    assert got.complete
    assert [dict(each.headers)["tr_cont"] for each in door.requests] == ["", "N", "N"]
    assert asked(door.requests[2])["CTX_AREA_NK100"] == "3".ljust(100)
    assert asked(door.requests[0])["CANO"] == "12345678"


def test_the_page_limit_ends_the_asking_and_says_so() -> None:
    told: list[tuple[int, bool]] = []

    def note(number: int, page: Result) -> None:
        told.append((number, page.complete))

    got, door = ask(
        three_pages,
        lambda caller: caller.call_all(
            "domestic_stock.inquire_balance", BALANCE, limit=2, on_page=note
        ),
    )
    assert (len(got.rows("output1")), got.complete, len(door.requests)) == (2, False, 2)
    assert told == [(1, True), (2, False)]
    one, _ = ask(three_pages, lambda caller: caller.call("domestic_stock.inquire_balance", BALANCE))
    assert (one.complete, one.has_more) == (False, True)


def test_an_empty_page_ends_and_a_repeated_one_is_bad_data() -> None:
    empty, door = ask(
        lambda request: reply("M", output1=[], output2=[]),
        lambda caller: caller.call_all("domestic_stock.inquire_balance", BALANCE),
    )
    assert (empty.complete, len(door.requests)) == (True, 1)
    with pytest.raises(BadData):
        ask(
            lambda request: reply("M", output1=[{"pdno": "1"}], ctx_area_nk100="7"),
            lambda caller: caller.call_all("domestic_stock.inquire_balance", BALANCE),
        )


def test_an_inquiry_repeats_for_what_passes() -> None:
    answers: list[HttpResponse | BaseException] = [
        OutcomeUnknown("lost"),
        reply(output={"stck_prpr": "1"}),
    ]
    got, door = ask(
        lambda request: answers.pop(0),
        lambda caller: caller.call("domestic_stock.inquire_price", PRICE),
    )
    assert got.row().stck_prpr == 1
    assert len(door.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        OutcomeUnknown("lost"),
        HttpResponse(status=504, headers={}, body=b"<html>"),
        HttpResponse(
            status=500,
            headers={},
            body=b'{"rt_cd":"1","msg_cd":"EGW00123","msg1":"expired"}',
        ),
        HttpResponse(
            status=500, headers={}, body=b'{"rt_cd":"1","msg_cd":"EGW00201","msg1":"rate"}'
        ),
    ],
)
def test_an_order_leaves_once_whatever_becomes_of_it(
    answer: HttpResponse | BaseException,
) -> None:
    door = MemoryDoor(lambda request: answer)

    async def play() -> None:
        async with running(make_client(door)) as client:
            with pytest.raises((OutcomeUnknown, Refused)):
                await ApiCaller(client, unjudged=True).call("TTTC0802U", BUY)
            await asyncio.sleep(60)

    run_virtual(play())
    assert door.paths().count("order-cash") == 1


def test_an_order_is_told_of_before_it_leaves_and_can_be_stopped() -> None:
    told: list[ApiRequest] = []
    got, _ = ask(
        lambda request: reply(output={"ODNO": "0000000001"}),
        lambda caller: caller.call("TTTC0802U", BUY),
        unjudged=True,
        on_order=told.append,
    )
    assert got.row()["odno"] == "0000000001"
    assert (told[0].api.chosen, got.tr_id) == ("TTTC0012U", "TTTC0012U")
    assert "TTTC0012U" in got.note
    assert "12345678" not in repr(told[0])

    def refuse(request: ApiRequest) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        ask(
            lambda request: reply(),
            lambda caller: caller.call("TTTC0802U", BUY),
            unjudged=True,
            on_order=refuse,
        )


def test_an_order_that_no_limit_judges_is_closed_and_a_cancel_is_not() -> None:
    told: list[ApiRequest] = []
    door = MemoryDoor(lambda request: reply(output={"ODNO": "0000000001"}))
    change = {"KRX_FWDG_ORD_ORGNO": "06010", "ORGN_ODNO": "1", "ORD_DVSN": "00", "ORD_QTY": 1}
    change |= {"ORD_UNPR": 71000, "QTY_ALL_ORD_YN": "Y", "EXCG_ID_DVSN_CD": "KRX"}

    async def play() -> None:
        async with running(make_client(door)) as client:
            caller = ApiCaller(client, on_order=told.append)
            with pytest.raises(UnjudgedCall, match="place_order"):
                await caller.call("TTTC0802U", BUY)
            with pytest.raises(UnjudgedCall, match="modify_order"):
                await caller.call(
                    "domestic_stock.order_rvsecncl", {**change, "RVSE_CNCL_DVSN_CD": "01"}
                )
            assert door.requests == []
            await caller.call(
                "domestic_stock.order_rvsecncl", {**change, "RVSE_CNCL_DVSN_CD": "02"}
            )

    run_virtual(play())
    assert door.paths() == ["order-rvsecncl"]
    assert [each.spec.name for each in told] == ["order_rvsecncl"]


def test_a_setting_forces_the_deprecated_ids() -> None:
    got, door = ask(
        lambda request: reply(output={"ODNO": "1"}),
        lambda caller: caller.call("domestic_stock.order_cash", {**BUY, "ord_dv": "sell"}),
        older=True,
        unjudged=True,
    )
    assert got.tr_id == dict(door.requests[0].headers)["tr_id"] == "TTTC0801U"


def test_nothing_leaves_for_a_bad_call() -> None:
    door = MemoryDoor(lambda request: reply())

    async def play() -> None:
        client: KisRest
        async with running(make_client(door)) as client:
            caller = ApiCaller(client)
            with pytest.raises(BadCall):
                await caller.call("domestic_stock.inquire_price", {})
            with pytest.raises(NoSuchApi):
                await caller.call("no.such")
            with pytest.raises(ValueError, match="at least one"):
                await caller.call_all("domestic_stock.inquire_price", PRICE, limit=0)

    run_virtual(play())
    assert door.requests == []
