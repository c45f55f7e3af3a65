"""The broker of a world: the simulator's own, with a memory, and untouched by deaths."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.values import Side
from daemon.kis.spec import Api
from daemon.lab.loop import Process, run_virtual
from daemon.lab.mix import Fault, FaultMix
from daemon.lab.outset import BOTH
from daemon.lab.venue import MEMORY, Line, Venue
from daemon.lab.venue import NIGHT as NIGHT_STEP
from daemon.sim.facts import OrderRequest
from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID
from daemon.sim.replies import WireRequest
from tests.lab.scene import NOTICES, OPTIONS, Scene, harsh, play, signed
from tests.sim.rig import (
    ABROAD,
    AMERICAN_OPTIONS,
    AMERICANS,
    BALANCE,
    BODY,
    DAY_ORDERS,
    NIGHT,
    QUIET,
    order_abroad,
    registration,
)


def ask(scene: Scene, api: Api, query: dict[str, str], *, lag: float = 0.0) -> dict[str, Any]:
    request = WireRequest(
        method=api.method,
        path=api.path,
        query=query,
        headers=dict(signed(scene.token, api.real)),
    )
    reply, _ = scene.venue.answer(request, lag=lag)
    said: dict[str, Any] = json.loads(reply.body)
    return said


def listed(scene: Scene, lag: float = 0.0) -> dict[int, str]:
    """Filled shares by number, as the list tells them."""
    rows = ask(scene, Api.DAY_ORDERS, DAY_ORDERS, lag=lag)["output1"]
    return {int(row["odno"]): row["tot_ccld_qty"] for row in rows}


def cash(scene: Scene, lag: float = 0.0) -> str:
    totals = ask(scene, Api.BALANCE, BALANCE, lag=lag)["output2"]
    return str(totals[0]["prvs_rcdl_excc_amt"])


def line() -> tuple[Line, list[str], list[str]]:
    frames: list[str] = []
    causes: list[str] = []
    return Line(frames.append, causes.append), frames, causes


def test_a_list_that_lags_tells_what_was_true_then_and_changes_nothing() -> None:
    async def script(scene: Scene) -> None:
        await asyncio.sleep(10.0)
        resting = scene.by_hand()
        await asyncio.sleep(10.0)
        traded = scene.by_hand(3, None)
        await asyncio.sleep(5.0)

        assert listed(scene) == {resting: "0", traded: "3"}
        assert listed(scene, lag=6.0) == {resting: "0"}
        assert listed(scene, lag=16.0) == {}
        assert listed(scene, lag=4.0) == listed(scene) == {resting: "0", traded: "3"}

    play(script, Fault.LIST_LAGS)


def test_the_account_holder_takes_back_what_is_open() -> None:
    async def script(scene: Scene) -> None:
        await asyncio.sleep(1.0)
        resting, traded = scene.by_hand(), scene.by_hand(3, None)
        scene.venue.take_back_by_hand()
        orders = scene.exchange.orders
        assert [orders[number].is_open for number in (resting, traded)] == [False, False]
        [cancel] = scene.venue.taken_back
        assert orders[cancel].original == resting

    play(script)


def test_a_balance_that_lags_tells_the_cash_of_then_beside_a_list_of_now() -> None:
    async def script(scene: Scene) -> None:
        await asyncio.sleep(10.0)
        before = cash(scene)
        traded = scene.by_hand(3, None)
        spent = scene.exchange.orders[traded].notional
        await asyncio.sleep(5.0)

        assert cash(scene, lag=6.0) == before
        assert int(cash(scene)) == int(before) - spent
        assert ask(scene, Api.BALANCE, BALANCE, lag=6.0)["output1"] == []
        assert listed(scene) == {traded: "3"}
        assert scene.exchange.accounts[ACCOUNT].holdings["005930"].quantity == 3

    play(script, Fault.BALANCE_LAGS)


def test_lists_and_balances_of_us_markets_lag_like_the_others() -> None:
    async def main() -> None:
        venue = Venue(
            replace(AMERICAN_OPTIONS, ping_interval=1e6), harsh(Fault.LIST_LAGS), 7, step=1.0
        )
        venue.start()
        grant = {"grant_type": "client_credentials", "appkey": APP_KEY, "appsecret": APP_SECRET}
        asked = WireRequest(
            method="POST", path=Api.TOKEN.path, body=json.dumps(grant).encode(), headers={}
        )
        token = json.loads(venue.answer(asked, lag=0.0)[0].body)["access_token"]

        def say(call: str, tr_id: str, lag: float = 0.0, **query: str) -> dict[str, Any]:
            request = WireRequest(
                method="POST" if call == "order" else "GET",
                path=ABROAD + call,
                query={**BODY, "OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", **query},
                headers=dict(signed(token, tr_id)),
                body=json.dumps(order_abroad("AAPL", "NASD", 1, "9000")).encode(),
            )
            said: dict[str, Any] = json.loads(venue.answer(request, lag=lag)[0].body)
            return said

        await asyncio.sleep(10.0)
        say("order", "TTTT1002U")
        await asyncio.sleep(5.0)
        days = {"ORD_STRT_DT": "20261012", "ORD_END_DT": "20261012"}
        for lag, code in ((0.0, "KIOK0510"), (6.0, "KIOK0560")):
            assert say("inquire-ccnl", "TTTS3035R", lag, **days)["msg_cd"] == code
            assert say("inquire-balance", "TTTS3012R", lag)["msg_cd"] == code
            assert say("inquire-nccs", "TTTS3018R", lag)["output"] == []

    run_virtual(main())


def test_memory_reaches_back_as_far_as_answers_lag() -> None:
    async def script(scene: Scene) -> None:
        for _ in range(20):
            scene.by_hand()
            await asyncio.sleep(10.0)

        assert len(listed(scene, lag=MEMORY - 5)) == 12
        assert len(listed(scene, lag=MEMORY + 1000)) <= 12

    play(script, Fault.LIST_LAGS)


def test_what_was_arranged_happens_even_if_who_asked_for_it_is_dead() -> None:
    async def script(scene: Scene) -> None:
        happened: list[str] = []

        async def work() -> None:
            scene.venue.later(5.0, happened.append, "at the broker")
            asyncio.get_running_loop().call_later(5.0, happened.append, "in the daemon")

        process = Process("victim")
        await process.spawn(work())
        process.kill()
        await asyncio.sleep(10.0)
        assert happened == ["at the broker"]

    play(script)


def test_every_request_at_the_door_is_counted_when_it_comes() -> None:
    async def script(scene: Scene) -> None:
        await asyncio.sleep(1.5)
        scene.venue.knock()
        await asyncio.sleep(1.0)
        scene.venue.knock()
        assert scene.venue.arrivals == pytest.approx([1.5, 2.5])

    play(script)


def test_notices_go_to_the_one_who_has_the_place_and_to_nobody_else() -> None:
    async def script(scene: Scene) -> None:
        venue = scene.venue
        first, frames, causes = line()
        second, refused, hung_up = line()
        approval = venue.broker.keys.issue_approval(venue.clock.now())
        text = registration(approval, NOTICES, HTS_ID)
        for each in (first, second):
            venue.connect(each)
            venue.hear(each, text)
        assert '"rt_cd":"0"' in frames[0]
        assert "ALREADY IN USE" in refused[0]
        assert (causes, hung_up) == ([], ["closed: 1008"])

        scene.by_hand()
        await asyncio.sleep(5.0)
        assert len(frames) == 2
        assert len(refused) == 1
        venue.hear(second, text)
        assert len(refused) == 1, "nobody hears a closed line"

        venue.disconnect(first)
        venue.disconnect(first)
        third, heard, _ = line()
        venue.connect(third)
        venue.hear(third, text)
        assert '"rt_cd":"0"' in heard[0], "the place is free again"

    play(script)


def test_a_notice_leaves_when_it_is_due_and_not_at_the_next_look() -> None:
    async def script(scene: Scene) -> None:
        venue = scene.venue
        loop = asyncio.get_running_loop()
        times: list[float] = []
        mine = Line(lambda frame: times.append(loop.time()), lambda cause: None)
        venue.connect(mine)
        approval = venue.broker.keys.issue_approval(venue.clock.now())
        venue.hear(mine, registration(approval, NOTICES, HTS_ID))
        await asyncio.sleep(0.25)
        scene.by_hand()
        due = venue.broker.schedule.next_due
        assert due is not None
        await asyncio.sleep(5.0)
        assert times[1] == pytest.approx(due, abs=0.001)

    play(script)


@pytest.mark.parametrize("answers", ["text", "frame", "never"])
def test_a_client_that_answers_no_heartbeat_is_hung_up_on(answers: str) -> None:
    async def main() -> None:
        options = replace(OPTIONS, ping_interval=10.0, missed_pings=3)
        scene = Scene(FaultMix(1, ()), options=options)
        mine, frames, causes = line()
        scene.venue.connect(mine)
        for _ in range(10):
            await asyncio.sleep(10.0)
            if answers == "text" and mine.open:
                scene.venue.hear(mine, frames[-1])
            elif answers == "frame" and mine.open:
                scene.venue.hear_pong(mine)
        assert "PINGPONG" in frames[0]
        assert causes == (["closed: without a goodbye"] if answers == "never" else [])
        assert len(frames) == (3 if answers == "never" else 10)

    run_virtual(main())


@pytest.mark.parametrize(("forget", "code"), [(False, "EGW00123"), (True, "EGW00121")])
def test_a_token_can_end_or_never_have_been(forget: bool, code: str) -> None:
    async def script(scene: Scene) -> None:
        assert ask(scene, Api.BALANCE, BALANCE)["rt_cd"] == "0"
        scene.venue.expire_tokens(forget=forget)
        assert ask(scene, Api.BALANCE, BALANCE)["msg_cd"] == code
        scene.token = scene.venue.broker.keys.issue_token(scene.venue.clock.now()).text
        assert ask(scene, Api.BALANCE, BALANCE)["rt_cd"] == "0"

    play(script)


def both() -> Venue:
    """Korea after its close, and New York just before its open."""
    options = replace(
        AMERICAN_OPTIONS,
        start=NIGHT - timedelta(minutes=1),
        regions=frozenset(BOTH),
        american_listings=AMERICANS[5:8],
        ping_interval=1e6,
    )
    return Venue(options, FaultMix(1, ()), 7, step=1.0)


def test_the_markets_of_a_world_are_reached_by_what_is_listed_there() -> None:
    async def main() -> None:
        venue = both()
        korea, america = venue.markets
        assert venue.lively_markets == venue.markets, "in the dead of the night"
        assert venue.instrument_of("005930") == "krx:005930"
        assert venue.instrument_of("BRK/B") == "nyse:BRK/B"
        codes = sorted(each.code for each in QUIET)
        assert venue.stream_keys == [*codes, "DNYSBRK/B", "DNYSJPM", "DNASZVZZT"]
        venue.start()
        await asyncio.sleep(120.0)
        assert venue.lively_markets == (america,)
        assert [venue.is_open(venue.instrument_of(each)) for each in ("JPM", "005930")] == [
            True,
            False,
        ]
        request = OrderRequest(
            account=ACCOUNT, code="JPM", side=Side.BUY, quantity=400, price=Decimal(200)
        )
        clock = venue.clock
        number = venue.broker.place_by_hand(request, clock.now(), clock.monotonic())
        venue.by_hand.append(number)
        assert venue.orders.keys() == {number}
        venue.take_back_by_hand()
        assert not venue.orders[number].is_open
        assert [venue.orders[each].original for each in venue.taken_back] == [number]
        assert korea.exchange.orders == {}

    run_virtual(main())


def test_at_night_the_venue_looks_seldom_and_misses_no_opening() -> None:
    async def main() -> None:
        venue, looks = both(), 0
        advance = venue.broker.advance

        def counted(now: datetime, monotonic: float) -> None:
            nonlocal looks
            looks += 1
            advance(now, monotonic)

        venue.broker.advance = counted  # type: ignore[method-assign]
        venue.start()
        await asyncio.sleep(50.0)
        assert looks <= 50.0 / NIGHT_STEP + 1
        await asyncio.sleep(20.0 + NIGHT_STEP)
        before = looks
        await asyncio.sleep(30.0)
        assert looks - before >= 30, "a market is open"

    run_virtual(main())
