"""The witness knows whose every order request is, and when none may leave."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from daemon.core.errors import BadData, Refused, TradingError, TryLater
from daemon.core.ratelimit import TokenBucket
from daemon.core.values import InstrumentId, OrderId, Region, Side
from daemon.kis.link import HttpRequest, HttpResponse
from daemon.kis.spec import SIM
from daemon.lab.loop import Process
from daemon.lab.witness import BLIND, KEPT, LONG_LIST, SLEPT, STALE, TAKE_UP, Witness, WitnessedRest
from daemon.sim.replies import WireRequest
from tests.kis.fakes import (
    CREDENTIALS,
    MemoryDoor,
    MemoryTokens,
    good_token,
    make_order,
    reply,
    running,
)
from tests.lab.scene import leaving
from tests.sim.rig import OPEN
from tests.support import VirtualClock, run_virtual

PLACE = WireRequest(method="POST", path="/place")
DAEMON = Process("daemon-1")


def witness(now: float = 0.0, waited: float = 0.0) -> Witness:
    """A witness at a second; orders decided at the open have `waited` so long."""
    return Witness(clock=lambda: now, market_time=lambda: OPEN + timedelta(seconds=waited))


def test_equal_runs_have_equal_hashes_and_others_do_not() -> None:
    first, same, later, other = witness(), witness(), witness(1.0), witness()
    for each in (first, same, later):
        each.note("something")
    other.note("something else")
    assert first.digest == same.digest
    assert len({first.digest, later.digest, other.digest}) == 3


def test_the_hash_covers_lines_that_are_not_kept() -> None:
    first, second = witness(), witness()
    first.note("early")
    second.note("earlier")
    for number in range(KEPT):
        first.note(str(number))
        second.note(str(number))
    assert list(first.lines) == list(second.lines)
    assert first.digest != second.digest


def test_a_violation_is_told_with_its_time_and_stands_in_the_trace() -> None:
    seen = witness(12.5)
    seen.violate("a promise")
    assert seen.violations == ["12.500 s: a promise"]
    assert seen.lines[-1].endswith("VIOLATION a promise")


@pytest.mark.parametrize("kind", ["place", "modify"])
def test_no_order_may_leave_while_the_stream_is_down_or_its_gap_unchecked(kind: Any) -> None:
    seen = witness()
    wish = leaving(kind)

    def broken() -> int:
        seen.left(DAEMON, wish, PLACE, 0.0)
        return len(seen.violations)

    assert broken() == 1, "it was never up"
    seen.stream_up(DAEMON, 10.0)
    assert broken() == 2, "nobody asked for a list yet"
    seen.list_told(DAEMON, 9.9)
    assert broken() == 3, "that list was asked for before"
    seen.list_told(DAEMON, 10.0)
    seen.list_told(DAEMON, 5.0)
    seen.stream_up(DAEMON, 20.0)
    assert broken() == 3, "checked; and it had been up all along"
    seen.stream_lost(DAEMON)
    assert broken() == 4
    seen.list_told(DAEMON, 30.0)
    assert broken() == 5, "a list alone is no stream"
    seen.stream_up(Process("daemon-2"), 0.0)
    assert broken() == 6, "another life's stream is not this one's"
    assert seen.counts[kind] == seen.counts["requests"] == 7


def test_a_list_of_one_country_says_nothing_of_orders_in_another() -> None:
    seen = witness()
    abroad = leaving()._replace(instrument=InstrumentId("nasdaq:AAPL"))
    seen.stream_up(DAEMON, 0.0)
    seen.list_told(DAEMON, 1.0, Region.KR)
    seen.left(DAEMON, abroad, PLACE, 2.0)
    assert len(seen.violations) == 1
    seen.list_told(DAEMON, 3.0, Region.US)
    seen.left(DAEMON, abroad, PLACE, 4.0)
    seen.left(DAEMON, leaving(), PLACE, 4.0)
    assert len(seen.violations) == 1


def test_a_list_that_began_before_the_stream_was_up_checks_no_gap() -> None:
    seen = witness()
    seen.stream_up(DAEMON, 10.0)
    seen.list_told(DAEMON, 12.0, took=3.0)
    seen.left(DAEMON, leaving(), PLACE, 13.0)
    assert "gap" in seen.violations[0]
    seen.list_told(DAEMON, 15.0, took=5.0)
    seen.left(DAEMON, leaving(), PLACE, 16.0)
    assert len(seen.violations) == 1


@pytest.mark.parametrize(
    ("took", "longest"),
    [(0.0, BLIND), (25.0, BLIND + 25), (LONG_LIST, BLIND + LONG_LIST), (500.0, BLIND + LONG_LIST)],
)
def test_no_order_may_leave_long_after_the_last_list_whose_pages_took_their_time(
    took: float, longest: float
) -> None:
    seen = witness()
    seen.stream_up(DAEMON, 0.0)
    seen.list_told(DAEMON, 10.0, took=1.0)
    seen.list_told(DAEMON, 600.0, took=took)
    seen.list_told(DAEMON, 20.0, took=LONG_LIST)
    for blind, broken in ((longest, 0), (longest + 1, 1)):
        seen.left(DAEMON, leaving(), PLACE, 600.0 + blind)
        assert len(seen.violations) == broken


def test_a_daemon_that_slept_knows_no_better() -> None:
    async def scenario() -> None:
        sleeper, seen = Process("sleeper"), witness()
        seen.stream_up(sleeper, 0.0)
        seen.list_told(sleeper, 0.0)
        sleeper.freeze()
        sleeper.thaw()
        for blind, broken in ((BLIND + SLEPT, 0), (BLIND + SLEPT + 1, 1)):
            seen.left(sleeper, leaving(), PLACE, blind)
            assert len(seen.violations) == broken

    run_virtual(scenario())


@pytest.mark.parametrize(("kind", "told"), [("place", 1), ("modify", 0), ("cancel", 0)])
def test_no_order_may_leave_long_after_it_was_decided(kind: Any, told: int) -> None:
    for waited, broken in ((STALE, 0), (STALE + 1, told)):
        seen = witness(waited=waited)
        seen.stream_up(DAEMON, 0.0)
        seen.list_told(DAEMON, 0.0)
        seen.left(DAEMON, leaving(kind), PLACE, 0.0)
        assert len(seen.violations) == broken


def test_a_cancel_and_an_inquiry_may_always_leave() -> None:
    seen = witness()
    seen.left(DAEMON, leaving("cancel"), PLACE, 0.0)
    seen.left(DAEMON, None, PLACE, 0.0)
    assert seen.violations == []
    assert (seen.counts["cancel"], seen.counts["requests"]) == (1, 2)


def test_what_finds_no_connection_has_not_left() -> None:
    seen = witness()
    seen.not_sent(leaving())
    seen.not_sent(None)
    assert seen.counts.total() == 0
    assert len(seen.lines) == 1


def test_numbers_are_kept_with_the_order_they_were_given_to() -> None:
    seen = witness()
    heard: list[tuple[str, int]] = []
    seen.on_accepted = lambda wish, number: heard.append((wish.kind, number))
    seen.reached(leaving(), None, False)
    assert seen.numbers == {}
    seen.reached(leaving(), 1, True)
    seen.reached(leaving("modify"), 2, True)
    seen.reached(leaving("cancel"), 3, True)
    seen.reached(leaving(name="b"), 4, True)
    seen.reached(leaving(), 5, True)
    assert seen.numbers == {"a": [1, 5], "b": [4]}
    assert seen.owners == {1: "a", 4: "b", 5: "a"}
    assert seen.changed == {2: "a", 3: "a"}
    assert heard == [("place", 1), ("modify", 2), ("place", 4), ("place", 5)]


def client(door: MemoryDoor) -> WitnessedRest:
    return WitnessedRest(
        profile=SIM,
        credentials=CREDENTIALS,
        transport=door,
        budget=TokenBucket(10),
        tokens=MemoryTokens(good_token()),
        clock=VirtualClock(),
        random=Random(7),
    )


Ask = Callable[[WitnessedRest, Callable[[], None]], Awaitable[object]]
ORDER = make_order()
LIVE = make_order(number="1569157")


@pytest.mark.parametrize(
    ("ask", "wish"),
    [
        (
            lambda rest, left: rest.place(ORDER, leaving=left),
            ("place", Side.BUY, Decimal(71_900)),
        ),
        (
            lambda rest, left: rest.modify(LIVE, Decimal(71_800), leaving=left),
            ("modify", Side.BUY, Decimal(71_800)),
        ),
        (lambda rest, left: rest.cancel(LIVE, leaving=left), ("cancel", Side.BUY, None)),
    ],
)
def test_every_order_request_is_announced_just_before_it_leaves(ask: Ask, wish: Any) -> None:
    said: list[object] = []

    def answer(request: HttpRequest) -> HttpResponse:
        said.append("request")
        return reply("order_cash_ok")

    async def scenario() -> None:
        async with running(client(MemoryDoor(answer))) as rest:
            assert isinstance(rest, WitnessedRest)
            rest.tag = lambda leaving: said.append((leaving.kind, leaving.side, leaving.limit))
            await ask(rest, lambda: said.append("leaving"))
            assert said == ["leaving", wish, "request"]

    run_virtual(scenario())


def test_what_is_kept_from_leaving_is_not_announced() -> None:
    said: list[object] = []

    def refuse() -> None:
        raise RuntimeError("the gate is shut")

    async def scenario() -> None:
        async with running(client(MemoryDoor(lambda request: reply("order_cash_ok")))) as rest:
            assert isinstance(rest, WitnessedRest)
            rest.tag = said.append
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(rest.place(ORDER, leaving=refuse), 60.0)
            assert said == []

    run_virtual(scenario())


def step(process: Process, times: int) -> None:
    process.steps += times


def test_a_cancel_that_goes_nowhere_is_missed_and_one_that_is_taken_up_is_not() -> None:
    seen, process = witness(), Process("daemon-1")
    seen.cancel_asked(process, OrderId("a"))
    seen.cancel_asked(process, OrderId("b"))
    seen.cancel_taken(OrderId("b"))
    step(process, TAKE_UP)
    seen.look_for_cancels()
    assert seen.violations == []
    step(process, 1)
    seen.list_told(process, 0.0)
    [found] = seen.violations
    assert found.endswith("a cancel of a was asked for and went nowhere")
    seen.look_for_cancels()
    assert len(seen.violations) == 1, "told once"


def test_what_a_process_was_asked_for_just_before_its_end_is_not_missed() -> None:
    seen, process = witness(), Process("daemon-1")
    seen.cancel_asked(process, OrderId("a"))
    seen.over(process)
    step(process, TAKE_UP + 1)
    seen.look_for_cancels()
    assert seen.violations == []


@pytest.mark.parametrize(
    ("held", "broken"),
    [
        (None, 0),
        (Refused("NOTHING_LEFT", "it traded meanwhile"), 0),
        (TryLater("GATE_CLOSED", "the books differ", delay=0.0), 1),
        (BadData("no price", field="price"), 1),
    ],
)
def test_a_cancel_may_be_held_back_only_for_want_of_anything_to_cancel(
    held: TradingError | None, broken: int
) -> None:
    seen = witness()

    def leave() -> None:
        if held is not None:
            raise held

    async def scenario() -> None:
        async with running(client(MemoryDoor(lambda request: reply("order_cash_ok")))) as rest:
            assert isinstance(rest, WitnessedRest)
            rest.witness = seen
            with suppress(TradingError):
                await rest.cancel(LIVE, leaving=leave)

    seen.cancel_asked(DAEMON, LIVE.id)
    run_virtual(scenario())
    assert len(seen.violations) == broken
    step(DAEMON, TAKE_UP + 1)
    seen.look_for_cancels()
    assert len(seen.violations) == broken, "the client was told"
