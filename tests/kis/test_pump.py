import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random

import pytest

from daemon.core.errors import OutcomeUnknown, TryLater
from daemon.core.ratelimit import Priority, TokenBucket
from daemon.kis.link import HttpRequest, HttpResponse, NoAnswer
from daemon.kis.pump import RequestPump
from tests.kis.fakes import MemoryDoor, response
from tests.support import VirtualClock, run_virtual

OK = response({"rt_cd": "0"})


def request(path: str = "/p") -> HttpRequest:
    return HttpRequest(method="GET", path=path, headers=())


def send(
    pump: RequestPump,
    path: str = "/p",
    *,
    priority: Priority = Priority.QUERY,
    wait: float = 1000.0,
    timeout: float = 5.0,
    protected: bool = False,
) -> Awaitable[HttpResponse]:
    return pump.send(
        lambda: request(path),
        priority=priority,
        wait_until=asyncio.get_running_loop().time() + wait,
        timeout=timeout,
        protected=protected,
    )


def with_pump(
    door: MemoryDoor,
    main: Callable[[RequestPump, "asyncio.Task[None]"], Awaitable[None]],
    capacity: int = 10,
) -> None:
    async def scenario() -> None:
        pump = RequestPump(
            transport=door, budget=TokenBucket(capacity), clock=VirtualClock(), queue_limit=600
        )
        serving = asyncio.get_running_loop().create_task(pump.run())
        await asyncio.sleep(0)
        try:
            await main(pump, serving)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    run_virtual(scenario())


def worst_second(arrivals: list[float]) -> int:
    ordered = sorted(arrivals)
    return max(
        sum(start <= at < start + 1.0 for at in ordered[index : index + 40])
        for index, start in enumerate(ordered)
    )


@pytest.mark.parametrize("seed", range(5))
def test_never_more_in_any_second_than_allowed(seed: int) -> None:
    door = MemoryDoor(lambda _: OK, random=Random(seed), jitter=0.05)

    async def main(pump: RequestPump, _: object) -> None:
        random = Random(seed)
        await asyncio.gather(*(send(pump) for _ in range(100)))
        for _ in range(100):
            await asyncio.sleep(random.expovariate(8))
            await send(pump)
        await asyncio.gather(*(send(pump) for _ in range(100)))

    with_pump(door, main)
    assert len(door.arrivals) == 300
    assert worst_second(door.arrivals) <= 10


def test_a_burst_uses_what_is_allowed() -> None:
    door = MemoryDoor(lambda _: OK, random=Random(3), jitter=0.02)

    async def main(pump: RequestPump, _: object) -> None:
        await asyncio.gather(*(send(pump) for _ in range(200)))

    with_pump(door, main)
    assert max(door.arrivals) <= 200 / 10 * 1.05


def test_the_urgent_go_first() -> None:
    door = MemoryDoor(lambda _: OK)

    async def main(pump: RequestPump, _: object) -> None:
        queries = asyncio.gather(*(send(pump, "/query") for _ in range(200)))
        await asyncio.sleep(0.5)
        asked = asyncio.get_running_loop().time()
        await asyncio.gather(
            send(pump, "/inquiry", priority=Priority.RECONCILE),
            send(pump, "/order", priority=Priority.ORDER),
            send(pump, "/cancel", priority=Priority.CANCEL),
            queries,
        )
        paths = [sent.path for sent in door.requests]
        assert paths[10:13] == ["/cancel", "/order", "/inquiry"]
        assert door.arrivals[11] - asked <= 1.0

    with_pump(door, main)


def test_a_request_that_gets_no_slot_in_time_never_leaves() -> None:
    door = MemoryDoor(lambda _: OK)

    async def main(pump: RequestPump, _: object) -> None:
        await send(pump)
        with pytest.raises(TryLater) as caught:
            await send(pump, wait=0.3)
        assert caught.value.code == "EXPIRED"
        assert asyncio.get_running_loop().time() < 0.5
        assert pump.waiting == 0
        await send(pump)

    with_pump(door, main, capacity=1)
    assert len(door.requests) == 2


def test_the_wait_ends_in_time_even_when_nobody_serves() -> None:
    async def scenario() -> None:
        pump = RequestPump(
            transport=MemoryDoor(lambda _: OK), budget=TokenBucket(1), clock=VirtualClock()
        )
        with pytest.raises(TryLater):
            await send(pump, wait=2.0)

    run_virtual(scenario())


def test_a_full_queue_says_so() -> None:
    async def main(pump: RequestPump, _: object) -> None:
        done = await asyncio.gather(*(send(pump) for _ in range(700)), return_exceptions=True)
        full = [error for error in done if isinstance(error, TryLater)]
        assert len(full) == 99
        assert all(error.code == "QUEUE_FULL" for error in full)

    with_pump(MemoryDoor(lambda _: OK), main, capacity=1)


def test_who_goes_away_in_the_queue_is_skipped() -> None:
    door = MemoryDoor(lambda _: OK)

    async def main(pump: RequestPump, _: object) -> None:
        await send(pump, "/first")
        loop = asyncio.get_running_loop()
        leaver = loop.create_task(_wait_for(send(pump, "/leaver")))
        stayer = loop.create_task(_wait_for(send(pump, "/stayer")))
        await asyncio.sleep(0.1)
        leaver.cancel()
        await stayer
        assert pump.waiting == 0

    with_pump(door, main, capacity=1)
    assert [sent.path for sent in door.requests] == ["/first", "/stayer"]


class _Opened(TokenBucket):
    """A budget whose slots a test can free early, as another process does."""

    def open(self) -> None:
        self._free_at = [0.0] * self.capacity


@pytest.mark.parametrize("wait", [1000.0, 0.5])
def test_who_goes_away_between_two_looks_costs_nothing(wait: float) -> None:
    """Cancelled, but its own clean-up has not run yet when the queue is looked at."""
    door = MemoryDoor(lambda _: OK)

    async def scenario() -> None:
        budget = _Opened(2)
        pump = RequestPump(transport=door, budget=budget, clock=VirtualClock())
        loop = asyncio.get_running_loop()
        serving = loop.create_task(pump.run())
        await asyncio.sleep(0)
        await asyncio.gather(send(pump), send(pump))
        leaver = loop.create_task(_wait_for(send(pump, "/leaver", wait=wait)))
        await asyncio.sleep(0)
        assert pump.waiting == 1
        if wait < 1:
            loop.call_at(wait, leaver.cancel)
            await asyncio.sleep(wait)
        else:
            leaver.cancel()
        budget.open()
        await send(pump)
        assert not serving.done()
        assert pump.waiting == 0
        await asyncio.sleep(1.1)
        await asyncio.gather(send(pump), send(pump))
        assert loop.time() < 3.0
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    run_virtual(scenario())
    assert [sent.path for sent in door.requests] == ["/p"] * 5


async def _wait_for(awaitable: Awaitable[HttpResponse]) -> HttpResponse:
    return await awaitable


def test_who_goes_away_does_not_abort_what_has_left() -> None:
    door = MemoryDoor(lambda _: OK, jitter=0.5, random=Random(2))

    async def main(pump: RequestPump, _: object) -> None:
        leaver = asyncio.get_running_loop().create_task(_wait_for(send(pump)))
        await asyncio.sleep(0.001)
        leaver.cancel()
        await asyncio.gather(leaver, return_exceptions=True)
        await asyncio.sleep(2.0)
        assert pump.stats.round_trips == 1
        await send(pump)

    with_pump(door, main, capacity=1)
    assert len(door.requests) == 2


class _Slow(MemoryDoor):
    """Takes as many seconds as the path says."""

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
        await asyncio.sleep(float(request.path.strip("/")))
        return await super().send(request, timeout=timeout)


def test_stopping_waits_for_what_is_protected() -> None:
    async def main(pump: RequestPump, serving: "asyncio.Task[None]") -> None:
        loop = asyncio.get_running_loop()
        order = loop.create_task(_wait_for(send(pump, "/2", protected=True)))
        query = loop.create_task(_wait_for(send(pump, "/4")))
        queued = loop.create_task(_wait_for(send(pump)))
        await asyncio.sleep(0.001)
        serving.cancel()
        assert (await order).status == 200
        with pytest.raises(TryLater, match="STOPPED"):
            await queued
        with pytest.raises(OutcomeUnknown):
            await query
        with pytest.raises(TryLater, match="STOPPED"):
            await send(pump)

    with_pump(_Slow(lambda _: OK), main, capacity=2)


def test_a_request_given_up_on_its_way_keeps_its_slot_from_the_next_start() -> None:
    """It may reach the door long after a restarted daemon has sent its first requests."""
    door = _Slow(lambda _: OK)

    async def scenario() -> None:
        budget, clock, loop = TokenBucket(1), VirtualClock(), asyncio.get_running_loop()
        first = RequestPump(transport=door, budget=budget, clock=clock)
        serving = loop.create_task(first.run())
        await asyncio.sleep(0)
        query = loop.create_task(_wait_for(send(first, "/4")))
        await asyncio.sleep(0.1)
        serving.cancel()
        with pytest.raises(OutcomeUnknown):
            await query
        second = RequestPump(transport=door, budget=budget, clock=clock)
        serving = loop.create_task(second.run())
        await send(second, "/0")
        assert door.arrivals[0] >= RequestPump.LONGEST_TIMEOUT + 1.0
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("error", "free"),
    [
        (NoAnswer("no answer within 5 s"), 2 * RequestPump.SLACK + RequestPump.LONGEST_TIMEOUT + 1),
        (OutcomeUnknown("the connection broke"), 5.0 - 1e-6 + RequestPump.FLIGHT + 1),
    ],
)
def test_a_slot_waits_for_where_its_request_may_be(error: OutcomeUnknown, free: float) -> None:
    """A clock may find the time of an answer not quite over when it is given up."""

    class Failing(MemoryDoor):
        async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
            await asyncio.sleep(timeout - 1e-6)
            raise error

    async def scenario() -> None:
        budget = TokenBucket(1)
        pump = RequestPump(
            transport=Failing(lambda _: OK), budget=budget, clock=VirtualClock(), queue_limit=10
        )
        loop = asyncio.get_running_loop()
        serving = loop.create_task(pump.run())
        await asyncio.sleep(0)
        with pytest.raises(OutcomeUnknown):
            await send(pump, timeout=5.0)
        await asyncio.sleep(0)
        assert budget.free_at(loop.time()) == pytest.approx(free)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    run_virtual(scenario())


def test_what_prepare_raises_reaches_the_caller_and_frees_the_slot() -> None:
    door = MemoryDoor(lambda _: OK)

    def refuse() -> HttpRequest:
        raise ValueError("no")

    async def main(pump: RequestPump, _: object) -> None:
        with pytest.raises(ValueError, match="no"):
            await pump.send(refuse, priority=Priority.ORDER, wait_until=10.0, timeout=1.0)
        await send(pump)
        assert asyncio.get_running_loop().time() < 1.1

    with_pump(door, main, capacity=1)
    assert len(door.requests) == 1


def test_a_transport_that_never_answers_is_given_up() -> None:
    class Silent(MemoryDoor):
        async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # noqa: ASYNC109
            await asyncio.sleep(1e6)
            return OK

    async def main(pump: RequestPump, _: object) -> None:
        with pytest.raises(OutcomeUnknown):
            await send(pump, timeout=2.0)
        assert asyncio.get_running_loop().time() < 3.0

    with_pump(Silent(lambda _: OK), main)


def test_a_rate_refusal_silences_everybody() -> None:
    door = MemoryDoor(lambda _: OK)

    async def main(pump: RequestPump, _: object) -> None:
        await send(pump)
        pump.slow_down(1.0)
        await asyncio.gather(*(send(pump) for _ in range(5)))

    with_pump(door, main)
    gaps = [b - a for a, b in pairwise(door.arrivals)]
    assert gaps[0] >= 1.0
    assert min(gaps[1:]) >= 0.1 - 1e-6


def test_waits_and_answers_are_counted_by_priority() -> None:
    door = MemoryDoor(lambda _: OK)

    async def main(pump: RequestPump, _: object) -> None:
        await asyncio.gather(*(send(pump) for _ in range(3)))
        await asyncio.sleep(0)
        told = {
            priority: (waits.count, pump.stats.trips[priority].count)
            for priority, waits in pump.stats.waits.items()
            if waits.count
        }
        assert list(told.values()) == [(3, 3)]
        assert max(each.largest for each in pump.stats.waits.values()) >= 1.0

    with_pump(door, main, capacity=1)
