"""Each fault of the wires does what its name says, and nothing else."""

import asyncio
import json
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from daemon.core.errors import OutcomeUnknown, TradingError
from daemon.kis.link import ConnectionLost, HttpResponse, NotSent
from daemon.lab.loop import Killed, run_virtual
from daemon.lab.mix import Fault
from daemon.lab.outset import BOTH
from daemon.lab.wires import LabConnection
from daemon.lab.witness import BLIND
from daemon.sim.options import HTS_ID
from tests.lab.scene import LATENCY, NOTICES, OPTIONS, Scene, harsh, leaving, play
from tests.sim.rig import QUIET, registration, unsealed

NOTICES_ABROAD = "H0GSCNI0"
ONE_WAY = 1.5 * LATENCY
"""The longest way without a fault."""


def said(answer: HttpResponse | TradingError) -> dict[str, Any]:
    assert isinstance(answer, HttpResponse), answer
    body: dict[str, Any] = json.loads(answer.body)
    return body


def numbers(answer: HttpResponse | TradingError) -> list[int]:
    return sorted(int(row["odno"]) for row in said(answer)["output1"])


def test_without_faults_every_answer_comes_after_a_way_there_and_back() -> None:
    async def script(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        for number in range(1, 51):
            began = loop.time()
            assert said(await scene.place())["rt_cd"] == "0"
            assert LATENCY <= loop.time() - began <= 2 * ONE_WAY + 0.001
            assert len(scene.exchange.orders) == number
        assert numbers(await scene.list_orders()) == list(range(1, 51))
        assert scene.mix.struck.total() == 0

    play(script)


def test_a_stream_is_up_once_the_notices_of_every_market_are_confirmed() -> None:
    async def main() -> None:
        scene = Scene(harsh(), options=replace(OPTIONS, regions=frozenset(BOTH)))

        def told() -> int:
            return sum("is up" in line for line in scene.witness.lines)

        for again in (1, 2):
            async with scene.listening() as ear:
                assert told() == again - 1, "those of Korea alone"
                await scene.register(ear.connection, NOTICES_ABROAD, HTS_ID)
                await asyncio.sleep(4 * LATENCY)
                assert told() == again

    run_virtual(main())


def is_unknown(answer: object) -> bool:
    return isinstance(answer, OutcomeUnknown)


def is_unreadable(answer: object) -> bool:
    assert isinstance(answer, HttpResponse)
    try:
        json.loads(answer.body)
    except ValueError:
        return answer.status == 200
    return False


def is_proxy_error(answer: object) -> bool:
    return isinstance(answer, HttpResponse) and answer.status >= 500 and b"{" not in answer.body


def is_gateway_timeout(answer: object) -> bool:
    return isinstance(answer, HttpResponse) and b"EGW0030" in answer.body


def is_rate_refusal(answer: object) -> bool:
    return isinstance(answer, HttpResponse) and b"EGW00201" in answer.body


@pytest.mark.parametrize(
    ("fault", "arrives", "outcome"),
    [
        (Fault.CONNECTION_REFUSED, False, lambda answer: isinstance(answer, NotSent)),
        (Fault.REQUEST_LOST, False, is_unknown),
        (Fault.RATE_REFUSED, False, is_rate_refusal),
        (Fault.SERVER_ERROR, False, is_proxy_error),
        (Fault.REPLY_LOST, True, is_unknown),
        (Fault.SERVER_ERROR_AFTER, True, is_proxy_error),
        (Fault.GATEWAY_TIMEOUT, True, is_gateway_timeout),
        (Fault.GARBAGE, True, is_unreadable),
        (Fault.TRUNCATED, True, is_unreadable),
    ],
)
def test_an_order_that_is_struck_has_the_effect_and_the_answer_of_its_fault(
    fault: Fault, arrives: bool, outcome: Any
) -> None:
    async def script(scene: Scene) -> None:
        placed = count()

        async def place() -> HttpResponse:
            now = scene.venue.clock.now()
            scene.http.tag = leaving(name=str(next(placed)), decided_at=now)
            return await scene.place()

        answer = await scene.until_struck(fault, place)
        assert outcome(answer)
        tries = next(placed)
        assert len(scene.exchange.orders) == (tries if arrives else tries - 1)
        assert len(scene.witness.numbers) == len(scene.exchange.orders)
        left = tries if fault is not Fault.CONNECTION_REFUSED else tries - 1
        assert scene.witness.counts["place"] == left
        scene.mix.healed = True
        assert said(await scene.place())["rt_cd"] == "0"

    play(script, fault)


def test_a_late_request_takes_effect_late_even_if_nobody_waits_any_more() -> None:
    async def script(scene: Scene) -> None:
        placed = 0
        scene.patience = 2 * ONE_WAY + 0.01

        async def place() -> HttpResponse:
            nonlocal placed
            await asyncio.sleep(20.0)
            placed += 1
            return await scene.place()

        answer = await scene.until_struck(
            Fault.REQUEST_LATE, place, enough=lambda answer: len(scene.exchange.orders) < placed
        )
        assert is_unknown(answer)
        await asyncio.sleep(20.0)
        assert len(scene.exchange.orders) == placed

    play(script, Fault.REQUEST_LATE)


def test_a_late_reply_is_late_and_its_order_was_not() -> None:
    async def script(scene: Scene) -> None:
        took, loop = 0.0, asyncio.get_running_loop()

        async def place() -> HttpResponse:
            nonlocal took
            began = loop.time()
            try:
                return await scene.place()
            finally:
                took = loop.time() - began

        await scene.until_struck(Fault.REPLY_LATE, place, enough=lambda answer: took > 1.0)
        latest = scene.exchange.orders[max(scene.exchange.orders)]
        late = (scene.venue.clock.now() - latest.at).total_seconds()
        assert took - ONE_WAY <= late <= took

    play(script, Fault.REPLY_LATE)


def test_a_reply_told_twice_is_that_of_the_request_before() -> None:
    async def script(scene: Scene) -> None:
        truth: list[int] = []

        async def ask() -> HttpResponse:
            truth.append(scene.by_hand())
            return await scene.list_orders()

        answer = await scene.until_struck(Fault.REPLY_TWICE, ask)
        assert numbers(answer) == truth[:-1]

    play(script, Fault.REPLY_TWICE)


def test_a_reset_connection_loses_what_was_not_answered_yet() -> None:
    async def script(scene: Scene) -> None:
        lost = await scene.until_struck(Fault.CONNECTION_RESET, scene.place, enough=is_unknown)
        assert isinstance(lost, OutcomeUnknown)
        assert "Disconnected" in lost.cause
        kept = await scene.until_struck(
            Fault.CONNECTION_RESET, scene.place, enough=lambda answer: not is_unknown(answer)
        )
        assert said(kept)["rt_cd"] == "0", "the answer was there before"

    play(script, Fault.CONNECTION_RESET)


def test_a_list_that_lags_lacks_the_newest_orders() -> None:
    async def script(scene: Scene) -> None:
        truth: list[int] = []

        async def ask() -> HttpResponse:
            await asyncio.sleep(1.0)
            truth.append(scene.by_hand())
            return await scene.list_orders()

        answer = await scene.until_struck(
            Fault.LIST_LAGS, ask, enough=lambda answer: numbers(answer) != truth
        )
        told = numbers(answer)
        assert told == truth[: len(told)]
        assert said(await scene.balance())["rt_cd"] == "0"

    play(script, Fault.LIST_LAGS)


def test_a_short_list_has_a_hole_and_says_nothing_of_it() -> None:
    async def script(scene: Scene) -> None:
        truth = [scene.by_hand() for _ in range(10)]
        answer = await scene.until_struck(Fault.LIST_SHORT, scene.list_orders)
        assert set(numbers(answer)) < set(truth)
        assert said(answer)["rt_cd"] == "0"
        scene.mix.healed = True
        assert numbers(await scene.list_orders()) == truth

    play(script, Fault.LIST_SHORT)


def cash_and_shares(answer: HttpResponse | TradingError) -> tuple[int, int]:
    body = said(answer)
    held = sum(int(row["hldg_qty"]) for row in body["output1"])
    return int(body["output2"][0]["prvs_rcdl_excc_amt"]), held


def test_a_balance_that_lags_shows_what_was_owned_before() -> None:
    async def script(scene: Scene) -> None:
        shares = 0

        async def ask() -> HttpResponse:
            nonlocal shares
            await asyncio.sleep(1.0)
            scene.by_hand(1, None)
            shares += 1
            return await scene.balance()

        answer = await scene.until_struck(
            Fault.BALANCE_LAGS, ask, enough=lambda answer: cash_and_shares(answer)[1] < shares
        )
        cash, _ = cash_and_shares(answer)
        scene.mix.healed = True
        true_cash, true_shares = cash_and_shares(await scene.balance())
        assert true_shares == shares
        assert true_cash < cash

    play(script, Fault.BALANCE_LAGS)


def test_an_empty_balance_is_no_error_to_look_at() -> None:
    async def script(scene: Scene) -> None:
        scene.by_hand(5, None)
        answer = await scene.until_struck(Fault.BALANCE_EMPTY, scene.balance)
        assert said(answer)["output1"] == []
        assert said(answer)["rt_cd"] == "0"
        assert isinstance(answer, HttpResponse)
        assert answer.status == 200
        scene.mix.healed = True
        assert cash_and_shares(await scene.balance())[1] == 5

    play(script, Fault.BALANCE_EMPTY)


def test_in_an_outage_nothing_is_reached() -> None:
    async def script(scene: Scene) -> None:
        scene.weather.outage_until = 100.0
        for _ in range(5):
            with pytest.raises(NotSent):
                await scene.list_orders()
            with pytest.raises(ConnectionLost):
                async with scene.stream.connect("ws://lab"):
                    raise AssertionError("nobody gets in")
        assert scene.venue.arrivals == []
        await asyncio.sleep(100.0)
        assert numbers(await scene.list_orders()) == []
        async with scene.listening() as ear:
            assert len(ear.frames) == 1

    play(script)


def test_a_token_asked_for_too_soon_is_refused_and_no_other_request() -> None:
    async def script(scene: Scene) -> None:
        scene.weather.token_refused_until = 60.0
        assert said(await scene.ask_token())["error_code"] == "EGW00133"
        assert said(await scene.list_orders())["rt_cd"] == "0"
        await asyncio.sleep(60.0)
        assert "access_token" in said(await scene.ask_token())

    play(script)


def test_the_dead_send_nothing() -> None:
    async def script(scene: Scene) -> None:
        scene.process.kill()
        with pytest.raises(Killed):
            await scene.place()
        await asyncio.sleep(10.0)
        assert scene.venue.arrivals == []

    play(script)


def test_a_list_counts_as_told_by_its_last_page_and_from_when_it_was_asked() -> None:
    async def script(scene: Scene) -> None:
        witness, process = scene.witness, scene.process
        wish = leaving()
        async with scene.listening():
            scene.http.tag = wish
            await scene.place()
            assert "before the stream's gap" in witness.violations[0]
            await scene.balance()
            scene.http.tag = wish
            await scene.place()
            assert len(witness.violations) == 2, "a balance is no list of orders"
            await scene.list_orders()
            scene.http.tag = wish
            await scene.place()
            assert len(witness.violations) == 2
        scene.http.tag = wish
        await scene.place()
        assert "stream was down" in witness.violations[2]
        assert process.alive

    play(script)


def test_a_list_took_as_long_as_from_its_first_page_to_its_last() -> None:
    async def script(scene: Scene) -> None:
        for _ in range(150):
            scene.by_hand()
        async with scene.listening():
            first = await scene.list_orders()
            assert first.headers["tr_cont"] == "F"
            await asyncio.sleep(20.0)
            await scene.list_orders(after=first)
            await asyncio.sleep(BLIND + 19.0)
            scene.http.tag = leaving("modify")
            await scene.place()
            assert not scene.witness.violations
            await asyncio.sleep(2.0)
            scene.http.tag = leaving("modify")
            await scene.place()
            assert "after the last list" in scene.witness.violations[0]

    play(script)


# The stream


def test_what_is_sent_and_what_comes_back_keeps_its_order() -> None:
    async def script(scene: Scene) -> None:
        keys = [listing.code for listing in QUIET]
        async with scene.listening(notices=False) as ear:
            for key in keys:
                await scene.register(ear.connection, "H0STCNT0", key)
            await asyncio.sleep(1.0)
            heads = [json.loads(text)["header"] for text in ear.frames if text.startswith("{")]
            assert [head["tr_key"] for head in heads] == keys
            assert ear.times == sorted(ear.times)
            assert 2 * 0.5 * LATENCY <= ear.times[0] - ONE_WAY <= 3 * ONE_WAY

    play(script)


def test_a_connection_that_is_dropped_delivers_first_what_was_on_its_way() -> None:
    async def script(scene: Scene) -> None:
        async with scene.listening(notices=False) as ear:
            await scene.register(ear.connection, NOTICES, HTS_ID)
            await asyncio.sleep(ONE_WAY + 0.001)
            ear.connection.drop("closed: 1001 going away")
            with pytest.raises(ConnectionLost, match="1001"):
                await ear.task
            assert len(ear.frames) == 1
            with pytest.raises(ConnectionLost):
                await ear.connection.send("x")
            with pytest.raises(ConnectionLost):
                await ear.connection.pong(b"x")

    play(script)


def test_lost_registrations_bring_nothing_until_they_are_made_anew() -> None:
    async def script(scene: Scene) -> None:
        async with scene.listening() as ear:
            for code in ("005930", "000660"):
                await scene.register(ear.connection, "H0STCNT0", code)
            await asyncio.sleep(4 * LATENCY)

            ear.connection.lose_registrations("005930")
            ear.forget()
            scene.by_hand(1, None)
            await asyncio.sleep(60.0)
            assert not any("|005930^" in each for each in ear.frames)
            approval = scene.venue.broker.keys.issue_approval(scene.venue.clock.now())
            for kind in ("2", "1"):
                text = registration(approval, "H0STCNT0", "005930", kind)
                await ear.connection.send(text)
                await asyncio.sleep(4 * LATENCY)
            ear.forget()
            scene.by_hand(1, None)
            await asyncio.sleep(10.0)
            assert any(each.startswith("0|H0STCNT0|001|005930") for each in ear.frames)

    play(script)


def test_a_silent_connection_carries_nothing_either_way_and_does_not_end() -> None:
    async def script(scene: Scene) -> None:
        async with scene.listening() as ear:
            ear.forget()
            ear.connection.fall_silent()
            scene.by_hand(1)
            await scene.register(ear.connection, "H0STCNT0", "005930")
            await asyncio.sleep(60.0)
            assert ear.frames == []
            assert not ear.task.done()
            assert not scene.venue.broker.stream.wants("H0STCNT0", "005930")
            ear.connection.speak_again()
            scene.by_hand(2)
            await asyncio.sleep(10.0)
            assert len(ear.frames) == 1, "what was said in silence is lost"

    play(script)


def is_open(connection: LabConnection) -> bool:
    return connection.is_open


def test_whether_a_connection_is_open_takes_both_ends_and_the_way_between() -> None:
    async def script(scene: Scene) -> None:
        async with scene.listening() as ear:
            connection = ear.connection
            assert is_open(connection)
            connection.fall_silent()
            assert not is_open(connection)
            connection.drop("closed: 1001 going away")
            await asyncio.sleep(10.0)
            assert not ear.task.done(), "the news of its end is lost as well"
            connection.speak_again()
            assert is_open(connection)
            connection.drop("closed: 1001 going away")
            with pytest.raises(ConnectionLost):
                await ear.task
            assert not is_open(connection)
        assert scene.stream.connection is None

    play(script)


def test_a_client_that_leaves_or_dies_gives_up_its_place() -> None:
    async def script(scene: Scene) -> None:
        async with scene.listening():
            assert scene.taken()
        await asyncio.sleep(2 * LATENCY)
        assert not scene.taken()
        async with scene.listening():
            assert scene.taken()
            scene.process.kill()
            await asyncio.sleep(2 * LATENCY)
            assert not scene.taken()

    play(script)


def test_the_broker_may_take_its_time_to_notice_that_a_client_has_left() -> None:
    async def script(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        held = 0.0

        async def visit() -> HttpResponse:
            nonlocal held
            async with scene.listening():
                assert scene.taken()
            began = loop.time()
            while scene.taken():  # noqa: ASYNC110  virtual time
                await asyncio.sleep(0.05)
            held = loop.time() - began
            return HttpResponse(status=200, headers={}, body=b"")

        await scene.until_struck(Fault.SLOT_LINGERS, visit, enough=lambda answer: held > 1.0)

    play(script, Fault.SLOT_LINGERS)


@pytest.mark.parametrize(("fault", "answers"), [(Fault.ACK_LOST, 0), (Fault.ACK_REFUSED, 1)])
def test_a_registration_may_stay_unanswered_or_fail(fault: Fault, answers: int) -> None:
    async def script(scene: Scene) -> None:
        frames: list[str] = []

        async def visit() -> HttpResponse:
            async with scene.listening() as ear:
                await asyncio.sleep(60.0)
                frames[:] = ear.frames
            await asyncio.sleep(1.0)
            return HttpResponse(status=200, headers={}, body=b"")

        await scene.until_struck(fault, visit)
        assert len(frames) == answers
        assert all("OPSP0007" in frame and '"rt_cd":"1"' in frame for frame in frames)
        scene.mix.healed = True
        await visit()
        assert '"rt_cd":"0"' in frames[0]

    play(script, fault)


async def struck_notice(scene: Scene, fault: Fault) -> list[tuple[float, str]]:
    """What came of the first notice that was struck, and how long after the trade."""
    heard: list[tuple[float, str]] = []
    loop = asyncio.get_running_loop()
    async with scene.listening() as ear:

        async def trade() -> HttpResponse:
            ear.forget()
            began = loop.time()
            scene.by_hand(7)
            await asyncio.sleep(100.0)
            heard[:] = [
                (at - began, frame) for at, frame in zip(ear.times, ear.frames, strict=True)
            ]
            return HttpResponse(status=200, headers={}, body=b"")

        await scene.until_struck(fault, trade)
    return heard


def test_a_lost_notice_never_comes() -> None:
    async def script(scene: Scene) -> None:
        assert await struck_notice(scene, Fault.NOTICE_LOST) == []

    play(script, Fault.NOTICE_LOST)


def test_a_notice_told_twice_says_the_same_and_a_late_one_is_late() -> None:
    async def twice(scene: Scene) -> None:
        (_, first), (_, second) = await struck_notice(scene, Fault.NOTICE_TWICE)
        assert first == second
        assert first.startswith("1|")

    async def late(scene: Scene) -> None:
        longest = 0.0
        while longest < 5.0:
            scene.mix.struck.clear()
            [(longest, _)] = await struck_notice(scene, Fault.NOTICE_LATE)
        scene.mix.healed = True
        async with scene.listening() as ear:
            began = asyncio.get_running_loop().time()
            scene.by_hand(7)
            await asyncio.sleep(5.0)
            assert len(ear.times) == 2
            assert ear.times[1] - began < 1.0

    play(twice, Fault.NOTICE_TWICE)
    play(late, Fault.NOTICE_LATE)


def test_a_cut_frame_is_the_first_part_of_one() -> None:
    async def script(scene: Scene) -> None:
        [(_, part)] = await struck_notice(scene, Fault.FRAME_CUT)
        scene.mix.healed = True
        async with scene.listening() as ear:
            scene.by_hand(7)
            await asyncio.sleep(10.0)
            whole = ear.frames[-1]
        assert "1|H0STCNI0|001|"[: len(part)] == part[:15]
        assert len(part) < len(whole)

    play(script, Fault.FRAME_CUT)


def test_a_wider_frame_has_columns_that_nobody_announced() -> None:
    async def script(scene: Scene) -> None:
        async with scene.listening() as ear:
            output = json.loads(ear.frames[0])["body"]["output"]

            async def trade() -> HttpResponse:
                ear.forget()
                scene.by_hand(7)
                await asyncio.sleep(10.0)
                return HttpResponse(status=200, headers={}, body=b"")

            await scene.until_struck(Fault.FRAME_WIDER, trade)
            wide = unsealed(ear.frames[0], output["key"], output["iv"])
        extra = wide.count("NEW")
        assert 1 <= extra <= 3
        assert wide[-extra:] == ["NEW"] * extra
        assert wide[:2] == [HTS_ID, "1234567801"]

    play(script, Fault.FRAME_WIDER)
