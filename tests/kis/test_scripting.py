"""The plain client over a door in memory: what leaves, what is written down, what is told."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from daemon.core.errors import OutcomeUnknown, Refused, RiskRefused
from daemon.core.values import InstrumentId, Region
from daemon.kis.caller import ApiCaller
from daemon.kis.link import HttpRequest, HttpResponse, NotSent
from daemon.kis.masters import BY_NAME, Masters, read
from daemon.kis.scripting import UnifiedClient
from daemon.kis.ticker import PriceStream
from daemon.kis.tickers import Tickers
from tests.kis.bank import NEW_YORK, Bank, open_row, reply, rules
from tests.kis.fakes import MemoryDoor, make_client, running
from tests.kis.masterdata import american, lines
from tests.kis.test_overseas_orders import filled, row
from tests.kis.test_ticker import Feed
from tests.support import EPOCH, VirtualClock, run_virtual

Told = list[tuple[str, Mapping[str, object]]]
NYSE = BY_NAME["nysmst.cod"]
BOTH = (Region.KR, Region.US)


def play(
    answer: Callable[[HttpRequest], HttpResponse | BaseException],
    scenario: Callable[[UnifiedClient], Coroutine[Any, Any, Any]],
    *,
    on_order: Callable[[str, Mapping[str, object]], None] = lambda what, told: None,
    masters: Masters | None = None,
    start: datetime = EPOCH,
    **limits: Any,
) -> tuple[Any, MemoryDoor]:
    door = MemoryDoor(answer)

    async def main() -> Any:
        async with running(make_client(door, regions=BOTH, start=start)) as broker:
            caller = ApiCaller(broker)
            client = UnifiedClient(
                broker=broker,
                caller=caller,
                websocket=PriceStream(Feed()),
                clock=VirtualClock(start),
                rules=lambda: rules(**limits),
                tickers=Tickers(caller, masters),
                on_order=on_order,
            )
            return await scenario(client)

    return run_virtual(main()), door


def test_an_order_is_written_down_before_it_leaves() -> None:
    told: Told = []
    seen: list[int] = []

    bank = Bank()

    def answer(request: HttpRequest) -> HttpResponse | BaseException:
        if request.method == "POST":
            seen.append(len(told))
        return bank(request)

    got, door = play(
        answer,
        lambda client: client.place_order("005930", "BUY", 2, 71_000),
        on_order=lambda what, facts: told.append((what, facts)),
    )
    assert seen == [1]
    assert (got.order_no, got.branch, got.price) == ("123", "06010", Decimal(71_000))
    assert [what for what, _ in told] == ["order sending", "order accepted"]
    assert told[1][1]["number"] == "123"
    assert orjson.loads(door.requests[-1].body)["ORD_UNPR"] == "71000"


def test_an_order_that_cannot_be_written_down_does_not_leave() -> None:
    def full(what: str, told: Mapping[str, object]) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        play(Bank(), lambda client: client.place_order("005930", "BUY", 1, 71_000), on_order=full)


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

    bank = Bank(held={"005930": 1})

    def once(request: HttpRequest) -> HttpResponse | BaseException:
        if request.method != "POST":
            return bank(request)
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
    limits: dict[str, Any] = {"max_order_notional": Decimal(90_000)}
    with pytest.raises(RiskRefused, match="92300"):
        play(Bank(), lambda client: client.place_order("005930", "BUY", 1), **limits)
    got, _ = play(Bank(), lambda client: client.place_order("005930", "BUY", 1, "71,000"), **limits)
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
    def buy(price: str | None, most: int = 300_000) -> Any:
        return play(
            Bank(),
            lambda client: client.place_order("nasdaq:AAPL", "BUY", 1, price),
            start=NEW_YORK,
            max_order_notional=Decimal(most),
        )

    got, door = buy("200.00")
    assert got.order_no == "123"
    assert [each.method for each in door.requests].count("POST") == 1
    for price, most, code in (
        ("200.01", 300_000, "ORDER_NOTIONAL"),
        ("200.00", 1, "ORDER_NOTIONAL"),
        (None, 300_000, "ORDER_TYPE"),
    ):
        with pytest.raises(Refused) as caught:
            buy(price, most)
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

    bank = Bank(held={"005930": 1}, broken={"order-cash": answer} if answer else {})

    def play_it() -> Any:
        return play(
            bank,
            lambda client: client.place_order("005930", "SELL", 1),
            on_order=full,
        )

    if answer is None:
        assert play_it()[0].order_no == "123"
    else:
        with pytest.raises(OutcomeUnknown):
            play_it()


def test_an_order_of_one_country_is_found_while_the_other_does_not_answer() -> None:
    for broken in ("abroad inquire-ccnl", "inquire-daily-ccld"):
        bank = Bank(rows=[open_row("7")], broken={broken: NotSent("no route")})
        if broken.startswith("abroad"):
            _, door = play(bank, lambda client: client.cancel_order("0000000007"))
            assert door.paths()[-1] == "order-rvsecncl"
        else:
            # Nobody can say that there is no such order.
            with pytest.raises(Refused) as caught:
                play(bank, lambda client: client.cancel_order("7"))
            assert caught.value.code != "NO_ORDER"
            assert bank.placed == 0
    with pytest.raises(Refused, match="NO_ORDER"):
        play(Bank(), lambda client: client.cancel_order("7"))


@pytest.mark.parametrize(("left", "named"), [(3, "3"), (0, "8")])
def test_a_change_of_an_american_order_names_what_is_open(left: int, named: str) -> None:
    """Of ten shares two traded; of the rest some was cancelled, or the list tells of none."""
    told = row("7", ord_dt="20260710", ord_tmd="235000", **filled(2, "290.0000", left))
    bank = Bank(abroad=[told])

    async def both(client: UnifiedClient) -> int:
        moved = await client.modify_order("7", "199.00", market="US")
        await client.cancel_order("7", market="US")
        return moved.quantity

    quantity, door = play(bank, both, start=NEW_YORK)
    sent = [orjson.loads(each.body) for each in door.requests if each.method == "POST"]
    assert [(each["RVSE_CNCL_DVSN_CD"], each["ORD_QTY"]) for each in sent] == [
        ("01", named),
        ("02", named),
    ]
    assert str(quantity) == named


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("division", ["02", "22", ""])
def test_an_order_of_a_type_that_is_not_ours_is_cancelled_and_never_moved(
    division: str, changed: bool
) -> None:
    """A new price is worded as a limit order: a stop would trade at once."""
    rows = [open_row("7", ord_dvsn_cd="00" if changed else division)]
    if changed:
        rows[0]["rmn_qty"] = "0"
        rows.append(open_row("8", orgn_odno="7", ord_tmd="090100", ord_dvsn_cd=division))
    number = rows[-1]["odno"]
    bank = Bank(rows=rows)
    with pytest.raises(Refused) as caught:
        play(bank, lambda client: client.modify_order(number, 70_500))
    assert (caught.value.code, bank.placed) == ("NO_MODIFY", 0)
    _, door = play(bank, lambda client: client.cancel_order(number))
    sent = orjson.loads(door.requests[-1].body)
    assert (sent["RVSE_CNCL_DVSN_CD"], sent["ORGN_ODNO"]) == ("02", number.rjust(10, "0"))
