"""The plain client over a door in memory: what leaves, what is written down, what is told."""

from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any

import orjson
import pytest

from daemon.core.errors import OutcomeUnknown, Refused
from daemon.core.values import InstrumentId, Region
from daemon.kis.caller import ApiCaller
from daemon.kis.link import HttpRequest, HttpResponse, NotSent
from daemon.kis.masters import BY_NAME, Masters, read
from daemon.kis.scripting import HandLimits, UnifiedClient
from daemon.kis.ticker import PriceStream
from daemon.kis.tickers import Tickers
from tests.kis.fakes import MemoryDoor, make_client, running
from tests.kis.masterdata import american, lines
from tests.kis.test_ticker import Feed
from tests.support import VirtualClock, run_virtual

Told = list[tuple[str, Mapping[str, object]]]
NYSE = BY_NAME["nysmst.cod"]
BOTH = (Region.KR, Region.US)


def reply(more: str = "", **body: object) -> HttpResponse:
    said = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "ok", **body}
    return HttpResponse(status=200, headers={"tr_cont": more}, body=orjson.dumps(said))


def placed(request: HttpRequest) -> HttpResponse:
    return reply(output={"KRX_FWDG_ORD_ORGNO": "00950", "ODNO": "0000000123", "ORD_TMD": "090001"})


def play(
    answer: Callable[[HttpRequest], HttpResponse | BaseException],
    scenario: Callable[[UnifiedClient], Coroutine[Any, Any, Any]],
    *,
    on_order: Callable[[str, Mapping[str, object]], None] = lambda what, told: None,
    masters: Masters | None = None,
    limits: HandLimits | None = None,
) -> tuple[Any, MemoryDoor]:
    door = MemoryDoor(answer)

    async def main() -> Any:
        async with running(make_client(door, regions=BOTH)) as broker:
            caller = ApiCaller(broker)
            client = UnifiedClient(
                broker=broker,
                caller=caller,
                websocket=PriceStream(Feed()),
                clock=VirtualClock(),
                tickers=Tickers(caller, masters),
                limits=limits,
                on_order=on_order,
            )
            return await scenario(client)

    return run_virtual(main()), door


def test_an_order_is_written_down_before_it_leaves() -> None:
    told: Told = []
    seen: list[int] = []

    def answer(request: HttpRequest) -> HttpResponse:
        seen.append(len(told))
        return placed(request)

    got, door = play(
        answer,
        lambda client: client.place_order("005930", "BUY", 2, 71_000),
        on_order=lambda what, facts: told.append((what, facts)),
    )
    assert seen == [1]
    assert (got.order_no, got.branch, got.price) == ("123", "00950", Decimal(71_000))
    assert [what for what, _ in told] == ["order sending", "order accepted"]
    assert told[1][1]["number"] == "123"
    assert orjson.loads(door.requests[0].body)["ORD_UNPR"] == "71000"


def test_an_order_that_cannot_be_written_down_does_not_leave() -> None:
    def full(what: str, told: Mapping[str, object]) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        play(placed, lambda client: client.place_order("005930", "BUY", 1, 1000), on_order=full)


@pytest.mark.parametrize(
    ("answer", "error", "outcome"),
    [
        (OutcomeUnknown("lost"), OutcomeUnknown, ["order sending", "order unknown"]),
        (NotSent("no route"), Refused, ["order sending", "order refused"]),
    ],
)
def test_what_became_of_it_is_written_down_and_it_is_not_sent_again(
    answer: BaseException, error: type[Exception], outcome: list[str]
) -> None:
    told: Told = []
    doors: list[HttpRequest] = []

    def once(request: HttpRequest) -> BaseException:
        doors.append(request)
        return answer

    with pytest.raises(error):
        play(
            once,
            lambda client: client.place_order("005930", "SELL", 1),
            on_order=lambda what, facts: told.append((what, facts)),
        )
    assert [what for what, _ in told] == outcome
    assert len(doors) == 1


def test_a_market_order_counts_at_the_upper_limit() -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        output = {"stck_prpr": "71000", "stck_sdpr": "70000", "stck_mxpr": "91000"}
        output |= {"stck_llam": "49000", "aspr_unit": "100", "acml_vol": "5"}
        return placed(request) if request.method == "POST" else reply(output=output)

    limits = HandLimits(notional=Decimal(90_000))
    with pytest.raises(Refused, match="91000"):
        play(answer, lambda client: client.place_order("005930", "BUY", 1), limits=limits)
    got, _ = play(
        answer, lambda client: client.place_order("005930", "BUY", 1, "71,000"), limits=limits
    )
    assert got.order_no == "123"


def test_american_prices_are_looked_for_at_each_exchange_and_remembered() -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        place = dict(request.query)["EXCD"]
        row = {"rsym": "DNYSKO", "last": "71.2500", "base": "70.0000", "tvol": "12"}
        return reply(output=row if place == "NYS" else {"rsym": "", "last": "", "base": ""})

    async def twice(client: UnifiedClient) -> Any:
        await client.get_price("ko", market="US")
        return await client.get_price("KO", market="US")

    got, door = play(answer, twice)
    assert got.instrument == "nyse:KO"
    assert (got.price, got.change, got.volume) == (Decimal("71.25"), Decimal("1.25"), 12)
    assert [dict(each.query)["EXCD"] for each in door.requests] == ["NAS", "NYS", "NYS", "NYS"]
    with pytest.raises(Refused, match="BAD_TICKER"):
        play(
            lambda request: reply(output={"last": ""}),
            lambda client: client.get_price("NOPE", market="US"),
        )


def test_masters_know_the_exchange_of_a_symbol() -> None:
    masters = Masters.of({NYSE: read(NYSE, lines(american("KO", "코카콜라", "COCA-COLA")))})

    async def find(client: UnifiedClient) -> list[InstrumentId]:
        return [
            await client.instrument("KO", "US"),
            await client.instrument("nasdaq:AAPL"),
            await client.instrument("AAPL", "NASD"),
            await client.instrument("005930"),
        ]

    found, door = play(lambda request: reply(), find, masters=masters)
    assert found == ["nyse:KO", "nasdaq:AAPL", "nasdaq:AAPL", "krx:005930"]
    assert door.requests == []


def test_the_american_balance_has_its_cash_and_is_summed_up() -> None:
    row = {
        "ovrs_pdno": "KO", "ovrs_item_name": "코카콜라", "ovrs_cblc_qty": "2",
        "ord_psbl_qty": "1", "pchs_avg_pric": "70.5", "now_pric2": "71", "frcr_pchs_amt1": "141",
        "ovrs_stck_evlu_amt": "142", "frcr_evlu_pfls_amt": "1",
    }  # fmt: skip
    gone = {**row, "ovrs_pdno": "F", "ovrs_cblc_qty": "0"}
    purse = {
        "crcy_cd": "USD", "frcr_dncl_amt_2": "100.5", "frcr_sll_amt_smtl": "0",
        "frcr_buy_amt_smtl": "40", "frst_bltn_exrt": "1385.5",
    }  # fmt: skip

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path.endswith("inquire-present-balance"):
            return reply(output1=[], output2=[purse], output3={})
        return reply(output1=[row, gone, row], output2={"tot_pftrt": "1"})

    (lines_, sums), _ = play(answer, lambda client: client.get_balance(market="US"))
    assert [(line.ticker, line.quantity, line.orderable) for line in lines_] == [("KO", 2, 1)]
    assert (sums.currency, sums.cost, sums.value) == ("USD", 141, 142)
    assert sums.cash == Decimal("60.5")


def test_dollars_keep_the_limits_at_the_rate_of_the_settings() -> None:
    limits = HandLimits(notional=Decimal(300_000), usd_krw=Decimal(1_500))

    def buy(price: str | None, **given: Any) -> Any:
        return play(
            placed,
            lambda client: client.place_order("nasdaq:AAPL", "BUY", 1, price),
            limits=HandLimits(**given) if given else limits,
        )

    got, door = buy("200.00")
    assert got.order_no == "123"
    assert [each.method for each in door.requests] == ["POST"]
    for price, given, code in (
        ("200.01", {}, "LIMIT"),
        ("1.00", {"notional": Decimal(1)}, "LIMIT"),
        (None, {}, "ORDER_TYPE"),
    ):
        with pytest.raises(Refused) as caught:
            buy(price, **given)
        assert caught.value.code == code, price


def test_a_part_of_a_portfolio_is_no_balance() -> None:
    count = 0

    def endless(request: HttpRequest) -> HttpResponse:
        nonlocal count
        count += 1
        cursor = f"{count}".ljust(100)
        return reply("M", output1=[{"pdno": f"{count:06}"}], output2=[], ctx_area_nk100=cursor)

    with pytest.raises(Refused, match="TOO_MANY_PAGES"):
        play(endless, lambda client: client.get_balance())


def test_a_token_can_be_asked_for_again() -> None:
    issued = 0

    def answer(request: HttpRequest) -> HttpResponse:
        nonlocal issued
        issued += 1
        told = {"access_token": f"token-{issued + 1}", "token_type": "Bearer", "expires_in": 86400}
        told["access_token_token_expired"] = "2027-01-01 00:00:00"
        return HttpResponse(status=200, headers={}, body=orjson.dumps(told))

    async def both(client: UnifiedClient) -> tuple[str, str]:
        held = await client.auth.get_access_token()
        return held, await client.auth.get_access_token(force_refresh=True)

    (held, renewed), door = play(answer, both)
    assert (held, renewed) == ("token-1", "token-2")
    assert door.paths() == ["tokenP"]


@pytest.mark.parametrize("answer", [None, OutcomeUnknown("lost")])
def test_a_full_disk_does_not_hide_what_the_broker_said(answer: BaseException | None) -> None:
    def full(what: str, facts: Mapping[str, object]) -> None:
        if what != "order sending":
            raise OSError(28, "No space left on device")

    def play_it() -> Any:
        return play(
            lambda request: answer or placed(request),
            lambda client: client.place_order("005930", "SELL", 1),
            on_order=full,
        )

    if answer is None:
        assert play_it()[0].order_no == "123"
    else:
        with pytest.raises(OutcomeUnknown):
            play_it()
