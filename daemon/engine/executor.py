"""Intents out, witnesses in: sends orders at once and keeps their outcome true.

An order is journalled before it is sent, sent once, and never sent again. Whatever is not a
clear answer leaves it in doubt, and only the broker's own books end that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from daemon.core import risk
from daemon.core.calendar import Calendars
from daemon.core.errors import InvariantBroken, JournalFailed, OutcomeUnknown, Refused, TryLater
from daemon.core.events import (
    CancelRefused,
    CancelSent,
    ModifyRefused,
    ModifySent,
    OrderAccepted,
    OrderCreated,
    OrderDoubted,
    OrderIntent,
    OrderRejected,
    OrderSent,
    check_price,
)
from daemon.core.histogram import Histogram
from daemon.core.limits import Rates, RiskLimits
from daemon.core.orders import UNANSWERED, Order, OrderState
from daemon.core.parts import region_in_books
from daemon.core.risk import Approved, Denied
from daemon.core.steps import marketable
from daemon.core.values import InstrumentId, OrderId, region_of
from daemon.core.zones import local_date
from daemon.engine.denials import Denials
from daemon.engine.gate import Gate, Urgency
from daemon.engine.intake import Intake
from daemon.engine.ledger import Ledger
from daemon.engine.quotes import QuoteBoard
from daemon.ports import Broker, Clock

T = TypeVar("T")


class _Change(NamedTuple):
    """A kind of request about a live order: from which states, and what its refusal is."""

    name: str
    allowed: frozenset[OrderState]
    pending: OrderState
    refused: type[CancelRefused | ModifyRefused]


_CANCEL = _Change(
    "cancel",
    frozenset({OrderState.WORKING, OrderState.MODIFYING}),
    OrderState.CANCELLING,
    CancelRefused,
)
_MODIFY = _Change("modify", frozenset({OrderState.WORKING}), OrderState.MODIFYING, ModifyRefused)


@dataclass(slots=True)
class ExecutorStats:
    """Counts since the start."""

    denied: int = 0
    placed: int = 0
    accepted: int = 0
    refused: int = 0
    doubted: int = 0
    cancels: int = 0
    modifies: int = 0
    round_trip: Histogram = field(default_factory=Histogram)
    """Machine seconds from when an order left until its answer, whatever that was."""


class Executor:
    """Sends what risk approves. Its requests belong to `run`, not to the strategy that asked.

    `look` is called before the gate is asked, to shut it for what only time tells; it says why
    losses that stop trading cannot be judged, if so.
    `doubt` is called whenever only an inquiry can tell what is true: after an unknown outcome,
    a refused cancel, a modify. `rates` value what is priced in another currency than KRW.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        ledger: Ledger,
        quotes: QuoteBoard,
        gate: Gate,
        limits: RiskLimits,
        calendars: Calendars,
        clock: Clock,
        doubt: Callable[[str], None],
        accepted: Callable[[], None],
        look: Callable[[], str],
        rates: Rates,
    ) -> None:
        self.stats = ExecutorStats()
        self._broker = broker
        self._ledger = ledger
        self._quotes = quotes
        self._gate = gate
        self.limits = limits
        self._intake = Intake(calendars, quotes, clock)
        self._clock = clock
        self._doubt = doubt
        self._accepted = accepted
        self._look = look
        self._rates = rates
        self._urgent: dict[OrderId, Urgency] = {}
        self._leaving: set[OrderId] = set()
        """Orders whose cancel was let pass and has yet to leave."""
        self._log = structlog.get_logger("executor")
        self._denials = Denials()
        self._tasks: asyncio.TaskGroup | None = None
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Own every request; returns only when cancelled, after those in flight ended."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await asyncio.Event().wait()
            finally:
                self._tasks = None
                # A request that has left is waited for; only a second cancel gives it up.
                await self._idle.wait()

    async def idle(self) -> None:
        """Wait until no order, modify or cancel request is in flight."""
        await self._idle.wait()

    async def submit(
        self, intents: Sequence[OrderIntent], *, urgent: Urgency | None = None
    ) -> tuple[Order | Denied, ...]:
        """Check, journal and send a batch; returns what became of each, in order.

        A caller that is cancelled meanwhile loses the answers, not the orders. `urgent` is for
        sales nobody's limits may keep here: see `risk.check`.
        """
        if self._tasks is None:
            raise Refused("STOPPING", "the executor is not running")
        answers = self._judge([self._priced(each) for each in intents], urgent)
        approved = [answer.intent for answer in answers if isinstance(answer, Approved)]
        created = self._create(approved)
        if urgent is not None:
            self._urgent.update(dict.fromkeys(created, urgent))
        if created:
            await self._owned(self._place_all(created))
        orders = iter(created)
        results: list[Order | Denied] = []
        for answer in answers:
            if isinstance(answer, Denied):
                self.stats.denied += 1
                self._denials.of_intent(answer)
                results.append(answer)
            else:
                results.append(self._ledger.portfolio.orders[next(orders)])
        return tuple(results)

    async def modify(self, order_id: OrderId, limit: Decimal) -> Order | Denied:
        """Ask the broker for another price of an order's open rest; `ValueError` for no price."""
        check_price(limit)
        order = self._ledger.portfolio.orders[order_id]
        problem = self._modification_problem(order, limit)
        if problem is not None:
            self.stats.denied += 1
            self._denials.of_change(order, limit, problem)
            return problem
        if order.state in _MODIFY.allowed:
            await self._owned(self._modify(order_id, limit))
        return self._ledger.portfolio.orders[order_id]

    async def cancel(
        self, order_ids: Sequence[OrderId], *, throttled: bool = False
    ) -> tuple[Order, ...]:
        """Ask the broker to cancel orders, all at once. A shut gate lets this pass.

        `throttled` keeps a strategy to its pace: what fits is asked for, and `TryLater` raised for
        the rest.
        """
        portfolio = self._ledger.portfolio
        orders = portfolio.orders
        wanted = [each for each in order_ids if orders[each].state in _CANCEL.allowed]
        problem = None
        if throttled:
            wanted, problem = self._fitting(wanted)
        if wanted:
            if self._tasks is not None:
                self._leaving.update(wanted)
            await self._owned(self._cancel_all(wanted))
        if problem is not None:
            self.stats.denied += 1
            raise TryLater(problem.rule, problem.detail, delay=1.0)
        return tuple(orders[each] for each in order_ids)

    def _fitting(self, order_ids: Sequence[OrderId]) -> tuple[list[OrderId], risk.Problem | None]:
        """The cancels that a strategy may send now, and what keeps the rest."""
        new = list(dict.fromkeys(each for each in order_ids if each not in self._leaving))
        fits, problem = risk.fitting_cancels(
            len(new),
            len(self._leaving),
            self._ledger.portfolio,
            limits=self.limits,
            now=self._clock.now(),
        )
        late = set(new[fits:])
        return [each for each in order_ids if each not in late], problem

    def _modification_problem(self, order: Order, limit: Decimal) -> Denied | None:
        unjudged = self._look()
        # An order whose price is asked for anew all the time would never be seen to have expired.
        closed = self._shut(order.intent) or self._intake.session_closed(order.intent)
        if closed:
            return risk.denied_by_gate([order.intent], closed)[0]
        return risk.modification_problem(
            order,
            limit,
            self._ledger.portfolio,
            quotes=self._quotes,
            limits=self.limits,
            now=self._clock.now(),
            rates=self._rates,
            unjudged=unjudged,
        )

    def _judge(
        self, intents: Sequence[OrderIntent], urgent: Urgency | None
    ) -> Sequence[Approved | Denied]:
        unjudged = self._look()
        unready = self._broker.unready()
        reasons = [
            self._shut(intent, urgent) or unready or self._intake.refusal(intent)
            for intent in intents
        ]
        judged = iter(
            risk.check(
                [each for each, reason in zip(intents, reasons, strict=True) if not reason],
                self._ledger.portfolio,
                quotes=self._quotes,
                limits=self.limits,
                now=self._clock.now(),
                rates=self._rates,
                urgent=urgent is not None,
                unjudged=unjudged,
            )
        )
        return [
            risk.denied_by_gate([intent], reason)[0] if reason else next(judged)
            for intent, reason in zip(intents, reasons, strict=True)
        ]

    def _shut(self, intent: OrderIntent, urgent: Urgency | None = None) -> str:
        """Why the gate holds an order of this region; empty when it does not."""
        ignoring = urgent.ignoring if urgent else ()
        return self._gate.why(region_in_books(intent.instrument), ignoring=ignoring)

    def _held(self, order: Order) -> str:
        """Why an order may not leave now; empty when it may."""
        unjudged = self._look()
        portfolio = self._ledger.portfolio
        urgent = self._urgent.get(order.id)
        if urgent is not None:
            if portfolio.state not in urgent.states:
                return f"trading is {portfolio.state}: nothing is to be sold any more"
            return self._shut(order.intent, urgent)
        intent = order.intent
        shut = self._shut(intent)
        if shut:
            return shut
        problem = risk.state_problem(intent, portfolio.state, portfolio.state_reason)
        problem = problem or risk.entry_problem(intent, portfolio, self._clock.now())
        problem = problem or risk.unjudged_problem(intent, unjudged)
        return "" if problem is None else problem.detail

    def market_closed(self, instrument: InstrumentId) -> str:
        """Why its exchange takes not even a limit order now; empty when it does."""
        return self._intake.market_closed(instrument)

    def _priced(self, intent: OrderIntent) -> OrderIntent:
        """An order at market as its exchange takes it: see `core.steps.marketable`."""
        last = self._quotes.last_price(intent.instrument)
        return marketable(intent, last, self.limits.price_collar)

    def _create(self, intents: Sequence[OrderIntent]) -> list[OrderId]:
        """Give a batch its identities in one commit."""
        if not intents:
            return []
        now = self._clock.now()
        days = [local_date(region_of(each.instrument), now) for each in intents]
        minted = {day: iter(self._ledger.mint(day, days.count(day))) for day in set(days)}
        ids = [next(minted[day]) for day in days]
        self._ledger.record(
            *(
                OrderCreated(order=order_id, intent=intent, at=now)
                for order_id, intent in zip(ids, intents, strict=True)
            )
        )
        return ids

    async def _owned(self, work: Awaitable[T]) -> T:
        """Run `work` as our own task: cancelling the caller must not stop a request midway."""
        if self._tasks is None:
            if asyncio.iscoroutine(work):
                work.close()
            raise Refused("STOPPING", "the executor is not running")

        async def counted() -> T:
            self._in_flight += 1
            self._idle.clear()
            try:
                return await work
            finally:
                self._in_flight -= 1
                if self._in_flight == 0:
                    self._idle.set()

        return await asyncio.shield(self._tasks.create_task(counted()))

    async def _place_all(self, order_ids: Sequence[OrderId]) -> None:
        results = await asyncio.gather(
            *(self._place(order_id) for order_id in order_ids), return_exceptions=True
        )
        _raise_bugs(results)

    async def _cancel_all(self, order_ids: Sequence[OrderId]) -> None:
        results = await asyncio.gather(
            *(self._cancel(order_id) for order_id in order_ids), return_exceptions=True
        )
        _raise_bugs(results)

    async def _place(self, order_id: OrderId) -> None:
        # Whatever is logged while its request is under way is part of its trace.
        with bound_contextvars(**{"trace.id": order_id}):
            await self._place_once(order_id)

    async def _place_once(self, order_id: OrderId) -> None:
        order = self._ledger.portfolio.orders[order_id]
        left_at: float | None = None

        def leaving() -> None:
            nonlocal left_at
            held = self._held(order)
            if held:
                raise TryLater("GATE_CLOSED", held, delay=0.0)
            # While this one waited for its turn, one sent before it may have been lost sight of.
            doubted = risk.doubted(self._ledger.portfolio.open_orders(), order.intent)
            if doubted is not None and doubted.id != order_id:
                reason = f"order {doubted.id} on this instrument has no known outcome"
                raise TryLater("IN_DOUBT", reason, delay=1.0)
            if self._state(order_id) is OrderState.REJECTED:
                raise TryLater("GATE_CLOSED", "it was given up while it waited", delay=0.0)
            if self._state(order_id) is OrderState.CREATED:
                self._ledger.record(OrderSent(order=order_id, at=self._clock.now()))
                self.stats.placed += 1
                left_at = self._clock.monotonic()

        try:
            ref = await self._broker.place(order, leaving=leaving)
        except Refused as refusal:
            self._refuse(order_id, refusal)
        except OutcomeUnknown as unknown:
            self._lose_sight(order_id, unknown.cause)
        else:
            region = region_of(order.intent.instrument)
            owner = self._ledger.portfolio.find((region, ref.day, ref.number))
            if owner is not None and owner.id != order_id:
                self._lose_sight(order_id, f"the reply names number {ref.number} of {owner.id}")
            elif self._state(order_id) in UNANSWERED:
                self._ledger.record(OrderAccepted(order=order_id, ref=ref, at=self._clock.now()))
            self.stats.accepted += 1
        if left_at is not None:
            self.stats.round_trip.observe(self._clock.monotonic() - left_at)
        self._urgent.pop(order_id, None)
        self._accepted()

    def _refuse(self, order_id: OrderId, refusal: Refused) -> None:
        self.stats.refused += 1
        if self._state(order_id) is OrderState.REJECTED:
            # The kill switch said so already.
            return
        self._ledger.record(
            OrderRejected(
                order=order_id,
                code=refusal.code,
                reason=refusal.reason,
                at=self._clock.now(),
                retryable=isinstance(refusal, TryLater),
            )
        )

    def _lose_sight(self, order_id: OrderId, cause: str) -> None:
        state = self._state(order_id)
        if state is OrderState.CREATED:
            self._refuse(order_id, TryLater("NOT_SENT", cause, delay=0.0))
        elif state is OrderState.SENT:
            self.stats.doubted += 1
            self._ledger.record(OrderDoubted(order=order_id, cause=cause, at=self._clock.now()))
            self._doubt(f"the outcome of order {order_id} is unknown: {cause}")

    async def _cancel(self, order_id: OrderId) -> None:
        async def request(order: Order, leaving: Callable[[], None]) -> None:
            await self._broker.cancel(order, leaving=leaving)

        try:
            sent = await self._change(order_id, _CANCEL, request)
        finally:
            self._leaving.discard(order_id)
        self.stats.cancels += sent

    async def _modify(self, order_id: OrderId, limit: Decimal) -> None:
        async def request(order: Order, leaving: Callable[[], None]) -> None:
            await self._broker.modify(order, limit, leaving=leaving)

        sent = await self._change(order_id, _MODIFY, request, limit)
        self.stats.modifies += sent

    async def _change(
        self,
        order_id: OrderId,
        change: _Change,
        request: Callable[[Order, Callable[[], None]], Awaitable[None]],
        limit: Decimal | None = None,
    ) -> bool:
        """Ask once for a change of a live order; tells whether the request left.

        A good answer only means that the request was taken: what became of it comes as a
        notice, or is found by the inquiry that every other answer asks for.
        """
        left = False

        def leaving() -> None:
            nonlocal left
            if left and self._state(order_id) is change.pending:
                held = self._held(self._ledger.portfolio.orders[order_id])
                if limit is not None and held:
                    raise TryLater("GATE_CLOSED", held, delay=0.0)
                return
            if self._state(order_id) not in change.allowed:
                raise Refused("NOTHING_LEFT", f"the order changed before the {change.name} left")
            now = self._clock.now()
            if limit is None:
                self._ledger.record(CancelSent(order=order_id, at=now))
                self._leaving.discard(order_id)
            else:
                # Judged again: others may have bound cash, or shut the gate, while this waited.
                order = self._ledger.portfolio.orders[order_id]
                problem = self._modification_problem(order, limit)
                if problem is not None:
                    raise Refused(problem.rule, problem.detail)
                self._ledger.record(ModifySent(order=order_id, limit=limit, at=now))
            left = True

        try:
            with bound_contextvars(**{"trace.id": order_id}):
                await request(self._ledger.portfolio.orders[order_id], leaving)
        except Refused as refusal:
            if left and self._state(order_id) is change.pending:
                self._ledger.record(
                    change.refused(
                        order=order_id,
                        code=refusal.code,
                        reason=refusal.reason,
                        at=self._clock.now(),
                    )
                )
            self._doubt(f"the {change.name} of order {order_id} was refused: {refusal.code}")
        except OutcomeUnknown as unknown:
            if change is _CANCEL:
                self._log.error("cancel_in_doubt", order=order_id, cause=unknown.cause)
            else:
                self._log.error("modify_in_doubt", order=order_id, cause=unknown.cause)
            self._doubt(f"the outcome of the {change.name} of order {order_id} is unknown")
        return left

    def _state(self, order_id: OrderId) -> OrderState:
        return self._ledger.portfolio.orders[order_id].state


def _raise_bugs(results: Sequence[BaseException | None]) -> None:
    """Every element is matched: what is left over here is a bug or a dead disk, never an order."""
    bugs = [result for result in results if result is not None]
    for bug in bugs:
        if isinstance(bug, (InvariantBroken, JournalFailed)):
            raise bug
    if bugs:
        raise InvariantBroken("an order request ended in an unexpected error") from bugs[0]
