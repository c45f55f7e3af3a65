"""The one door all HTTP requests leave by: most urgent first, never more a second than allowed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from daemon.core.errors import OutcomeUnknown, TryLater
from daemon.core.histogram import Histogram
from daemon.core.ratelimit import Priority, RequestQueue
from daemon.kis.link import HttpRequest, HttpResponse, HttpTransport, NoAnswer
from daemon.kis.pace import Pace
from daemon.ports import Clock, RequestBudget

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds, and how far to page.

    An order waits `order_queue` for a slot and then `order_answer` for its reply; a cancel, which
    is never out of date, waits `cancel_queue`: longer than unanswered requests keep all slots.
    Inquiries repeat until `inquiry` (a page of orders or of the account) or `query` (quotes, buying
    power) is over, each try waiting `attempt` for its reply.
    """

    order_queue: float = 3.0
    cancel_queue: float = 20.0
    order_answer: float = 10.0
    inquiry: float = 20.0
    query: float = 10.0
    attempt: float = 5.0
    pages: int = 100


def _by_priority() -> dict[Priority, Histogram]:
    return {priority: Histogram() for priority in Priority}


@dataclass(slots=True)
class RestStats:
    """Counts and seconds since the start. Read, never reset.

    `waits` are those for a slot, `trips` those for an answer, in machine seconds.
    """

    requests: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    expired: int = 0
    token_issues: int = 0
    approval_issues: int = 0
    round_trips: int = 0
    waits: dict[Priority, Histogram] = field(default_factory=_by_priority)
    trips: dict[Priority, Histogram] = field(default_factory=_by_priority)

    REFUSAL_KINDS = 200

    def refused(self, code: str) -> None:
        """Count a refusal by its code; the number of different codes is bounded."""
        if code not in self.refusals and len(self.refusals) >= self.REFUSAL_KINDS:
            code = "OTHER"
        self.refusals[code] = self.refusals.get(code, 0) + 1


class _Job:
    __slots__ = (
        "counted",
        "future",
        "left",
        "prepare",
        "priority",
        "protected",
        "queued_at",
        "timeout",
    )

    def __init__(
        self,
        prepare: Callable[[], HttpRequest],
        *,
        priority: Priority,
        timeout: float,
        protected: bool,
        queued_at: float,
        future: asyncio.Future[HttpResponse],
    ) -> None:
        self.prepare = prepare
        self.priority = priority
        self.timeout = timeout
        self.protected = protected
        self.queued_at = queued_at
        self.future = future
        self.counted = True
        self.left = False

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class RequestPump:
    """Grants slots of a shared budget to waiting requests and sends them.

    A slot is taken before a request leaves and given back when its reply has arrived. One whose
    reply never came in time, or that a stop gave up, frees itself `LONGEST_TIMEOUT` and a little
    later, one whose connection broke is given back `FLIGHT` seconds after. A caller that goes away
    does not abort what has already left.
    """

    LONGEST_TIMEOUT = 15.0
    POLL = 0.05
    SLACK = 0.5
    FLIGHT = 1.0

    def __init__(
        self,
        *,
        transport: HttpTransport,
        budget: RequestBudget,
        clock: Clock,
        queue_limit: int = 1000,
    ) -> None:
        self.stats = RestStats()
        self._transport = transport
        self._budget = budget
        self._clock = clock
        self._queue: RequestQueue[_Job] = RequestQueue(queue_limit)
        self._live = 0
        self._pace = Pace()
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._stopped = False
        self._protected: set[asyncio.Task[None]] = set()
        # A slot outlives its request by the slack, so that it is never given back too late.
        self._hold = self.LONGEST_TIMEOUT + 2 * self.SLACK

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return self._live

    def slow_down(self, delay: float) -> None:
        """The broker refused for rate: everybody waits."""
        self._pace.refused(delay, self._clock.monotonic())

    async def send(
        self,
        prepare: Callable[[], HttpRequest],
        *,
        priority: Priority,
        wait_until: float,
        timeout: float,  # noqa: ASYNC109  the door's own deadline, passed on to the transport
        protected: bool = False,
    ) -> HttpResponse:
        """Wait for a slot until `wait_until`, then send, and wait `timeout` s for the reply.

        `prepare` makes the request synchronously, just before it is handed to the transport; what
        it raises reaches the caller and proves that nothing left. A `protected` request is let
        finish when the pump is stopped. Raises `TryLater` or `OutcomeUnknown`.
        """
        if not 0 < timeout <= self.LONGEST_TIMEOUT:
            raise ValueError(f"a reply is waited for at most {self.LONGEST_TIMEOUT} s")
        if self._stopped:
            raise TryLater("STOPPED", "no more requests are sent", delay=1.0)
        now, loop = self._clock.monotonic(), asyncio.get_running_loop()
        job = _Job(
            prepare,
            priority=priority,
            timeout=timeout,
            protected=protected,
            queued_at=now,
            future=loop.create_future(),
        )
        self._queue.put(job, priority=priority, deadline=wait_until)
        self._live += 1
        if self._group is None:
            # Nobody serves yet: even so the wait must end in time.
            loop.call_later(max(wait_until - now, 0.0) + 0.001, self._dispatch)
        self._dispatch()
        if self._live:
            self._wake.set()
        try:
            return await job.future
        finally:
            self._uncount(job)

    def _uncount(self, job: _Job) -> None:
        """The request waits no longer: taken out of the queue, or its caller has gone."""
        self._live -= job.counted
        job.counted = False

    async def run(self) -> None:
        """Serve until cancelled; then let protected requests finish (cancel again to abort)."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._stopped = False
            try:
                while True:
                    self._dispatch()
                    await self._pause()
            except asyncio.CancelledError:
                self._stop()
                if self._protected:
                    await asyncio.wait(self._protected)
                raise
            finally:
                self._stop()

    def _stop(self) -> None:
        self._group = None
        self._stopped = True
        while (job := self._queue.pop()) is not None:
            self._uncount(job)
            job.fail(TryLater("STOPPED", "no more requests are sent", delay=1.0))

    async def _pause(self) -> None:
        """Until something may be sent, a queued request expires, or someone knocks."""
        timer: asyncio.TimerHandle | None = None
        if self._live:
            now = self._clock.monotonic()
            ready = max(self._pace.ready_at(), self._budget.free_at(now))
            # Another process may give a slot back early; it cannot wake us, so we look.
            delay = min(max(ready - now, 0.001), self.POLL)
            timer = asyncio.get_running_loop().call_later(delay, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            self._wake.clear()
            if timer is not None:
                timer.cancel()

    def _dispatch(self) -> None:
        now = self._clock.monotonic()
        for job in self._queue.expire(now):
            self._uncount(job)
            if not job.future.done():
                self.stats.expired += 1
                job.fail(TryLater("EXPIRED", "no slot came free in time", delay=0.0))
        while self._live and self._group is not None and self._pace.ready_at() <= now:
            slot = self._budget.take(now, hold=self._hold)
            if slot is None:
                return
            self._start(slot, now)

    def _start(self, slot: int, now: float) -> None:
        assert self._group is not None, "the pump is running"
        while (job := self._queue.pop()) is not None:
            self._uncount(job)
            if not job.future.done():
                break
        if job is None:
            # Whoever waited was cancelled, and has not yet had its turn to say so.
            self._budget.give_back(slot, now)
            return
        self._pace.started(now)
        self.stats.waits[job.priority].observe(now - job.queued_at)
        task = self._group.create_task(self._perform(job, slot, now), name="kis request")
        if job.protected:
            self._protected.add(task)
            task.add_done_callback(self._protected.discard)

    async def _perform(self, job: _Job, slot: int, taken_at: float) -> None:
        broke = adrift = False
        try:
            response = await self._exchange(job)
        except asyncio.CancelledError:
            adrift = job.left
            job.fail(
                OutcomeUnknown("stopped while the reply was awaited")
                if job.left
                else TryLater("STOPPED", "stopped before it left", delay=1.0)
            )
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the caller
            adrift = isinstance(error, NoAnswer)
            broke = isinstance(error, OutcomeUnknown)
            self.stats.unknown += broke
            if job.future.done():
                log.warning("request_failed_unheard", cause=type(error).__name__)
            job.fail(error)
        else:
            if job.future.done():
                log.warning("reply_unheard", status=response.status)
            else:
                job.future.set_result(response)
        finally:
            now = self._clock.monotonic()
            # Without an answer in time, or if a stop gave it up, nobody knows where the request
            # is: it may reach the door together with later ones, those of the next start too, so
            # its slot stays taken until it frees itself. Where the connection broke it is there
            # soon or never. Later than its hold the slot may be another request's.
            if not adrift and now - taken_at < self._hold - self.FLIGHT:
                self._budget.give_back(slot, now + self.FLIGHT if broke else now)
            if self._live:
                self._wake.set()

    async def _exchange(self, job: _Job) -> HttpResponse:
        request = job.prepare()
        job.left = True
        self.stats.requests += 1
        left_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(job.timeout + self.SLACK):
                response = await self._transport.send(request, timeout=job.timeout)
        except TimeoutError:
            raise NoAnswer(f"no answer within {job.timeout:g} s") from None
        took = self._clock.monotonic() - left_at
        self.stats.trips[job.priority].observe(took)
        self.stats.round_trips += 1
        return response
