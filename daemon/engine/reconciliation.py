"""Keeps our books and the broker's the same: takes notices in, asks for lists, shuts the gate.

Inquiries are made at the start, after each reconnect of the stream, after each doubt, and
every so often. The broker's books win; what cannot be explained is told, and closes the gate.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import structlog

from daemon.core.books import Discrepancy, differences
from daemon.core.calendar import MarketCalendar
from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.events import (
    AccountReported,
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    OrderEvent,
)
from daemon.core.orders import OrderState
from daemon.core.reconcile import Outcome, Reconciler
from daemon.core.values import LinkDown, LinkUp
from daemon.core.witness import BrokerNotice
from daemon.engine.gate import Gate, Shutter
from daemon.engine.ledger import Ledger
from daemon.ports import Broker, Clock

CLOSING_MARGIN = timedelta(minutes=1)
LIST_REACH = timedelta(days=80)
"""How far back the broker's list of orders is asked: KIS keeps three months in it."""

BOOKS_LAG = 3.0
"""Seconds the broker's balance may lag behind a fill before a difference is taken seriously."""

_UNSETTLED = frozenset(
    {OrderState.SENT, OrderState.IN_DOUBT, OrderState.CANCELLING, OrderState.MODIFYING}
)


@dataclass(slots=True)
class ReconciliationStats:
    """Counts since the start."""

    notices: int = 0
    passes: int = 0
    failed_passes: int = 0
    discrepancies: int = 0
    external_orders: int = 0


class Reconciliation:
    """One account's witnesses. `period` is the time between inquiries when all is well."""

    def __init__(
        self,
        *,
        broker: Broker,
        ledger: Ledger,
        gate: Gate,
        reconciler: Reconciler,
        calendar: MarketCalendar,
        clock: Clock,
        period: float = 20.0,
        hurry: float = 2.0,
    ) -> None:
        self.stats = ReconciliationStats()
        self._broker = broker
        self._ledger = ledger
        self._gate = gate
        self._reconciler = reconciler
        self._calendar = calendar
        self._clock = clock
        self._period = period
        self._hurry = hurry
        self._log = structlog.get_logger("reconciliation")
        self._woken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._suspects: dict[str, Discrepancy] = {}
        self._link_ups = 0
        self._last_change = float("-inf")
        ledger.listen(self._on_fact)

    def wake(self, reason: str) -> None:
        """Ask for an inquiry soon."""
        self._log.debug("inquiry_wanted", reason=reason)
        self._woken.set()

    def on_notice(self, notice: BrokerNotice) -> None:
        """Take in one message of the order stream."""
        self.stats.notices += 1
        self._record(
            self._reconciler.on_notice(
                self._ledger.portfolio,
                notice,
                at=self._clock.now(),
                now=self._clock.monotonic(),
            )
        )
        self.settle()
        if self._reconciler.waiting:
            self._woken.set()

    def on_link(self, event: LinkUp | LinkDown) -> None:
        """A lost notice stream shuts the gate; an inquiry after its return opens it."""
        if isinstance(event, LinkDown):
            self._gate.shut(Shutter.STREAM, f"the order stream is down: {event.cause}")
        else:
            self._link_ups += 1
            self._gate.shut(Shutter.STREAM, "the order stream is back, its gap is not checked yet")
            self.wake("the order stream is up")

    def settle(self) -> None:
        """Give waiting notices to the orders that claim them by now."""
        while True:
            outcomes = self._reconciler.settle(
                self._ledger.portfolio, at=self._clock.now(), now=self._clock.monotonic()
            )
            if not outcomes:
                return
            self._record(outcomes)

    async def run(self) -> None:
        """Inquire for ever; a failed inquiry proves nothing and is made again."""
        while True:
            self._woken.clear()
            complete = await self.inquire()
            delay = self._period if complete and not self.unsettled() else self._hurry
            try:
                async with asyncio.timeout(delay):
                    await self._woken.wait()
                    # Let what is just happening finish, so that one inquiry sees all of it.
                    await asyncio.sleep(min(0.2, self._hurry))
            except TimeoutError:
                continue

    def unsettled(self) -> bool:
        """Whether something waits for the broker's word."""
        orders = self._ledger.portfolio.open_orders()
        return (
            any(order.state in _UNSETTLED for order in orders)
            or self._reconciler.waiting > 0
            or bool(self._suspects)
        )

    async def inquire(self) -> bool:
        """One pass over orders, cash and holdings; tells whether it was complete.

        Raises `NeedsOperator` when the broker refuses the account or the keys.
        """
        async with self._turn:
            link_ups = self._link_ups
            try:
                await self._inquire_orders()
                await self._inquire_account()
            except NeedsOperator:
                raise
            except TradingError as error:
                self.stats.failed_passes += 1
                self._log.warning("inquiry_failed", cause=str(error))
                return False
            self.stats.passes += 1
            if link_ups and link_ups == self._link_ups and self._gate.open(Shutter.STREAM):
                self._log.info("gate_opened", cause="the gap of the order stream is checked")
            return True

    async def adopt(self) -> AccountReported:
        """Take over the broker's cash and holdings as ours. Raises `TradingError`."""
        async with self._turn:
            report = await self._broker.account()
            self._ledger.record(report)
            self._suspects.clear()
            self._clear(found=set())
            return report

    async def _inquire_orders(self) -> None:
        portfolio = self._ledger.portfolio
        asked = self._clock.monotonic()
        rows = await self._broker.orders(self._oldest_day())
        self._record(
            self._reconciler.on_inquiry(
                portfolio,
                rows,
                asked=asked,
                dead_before=self._dead_before(),
                at=self._clock.now(),
                now=self._clock.monotonic(),
            )
        )
        self.settle()

    async def _inquire_account(self) -> None:
        portfolio = self._ledger.portfolio
        asked = self._clock.monotonic()
        report = await self._broker.account()
        if not portfolio.opened:
            self._ledger.record(report)
            return
        self._record(
            self._reconciler.on_account(portfolio, report, asked=asked, at=self._clock.now())
        )
        if not self._reconciler.quiet_since(portfolio, asked):
            return
        found = {each.subject: each for each in differences(portfolio, report)}
        if found and asked - self._last_change < BOOKS_LAG:
            self._suspects = found
            return
        confirmed = [each for subject, each in found.items() if self._suspects.get(subject) == each]
        self._suspects = found
        self._record(confirmed)
        self._clear(found=set(found))

    def _clear(self, *, found: set[str]) -> None:
        """Close discrepancies that a quiet, complete pass did not find again."""
        for subject in [each for each in self._ledger.portfolio.discrepancies if each not in found]:
            self._ledger.record(DiscrepancyCleared(subject=subject, at=self._clock.now()))
        self.hold_gate()

    def _record(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Discrepancy):
                self._report(outcome)
            else:
                if isinstance(outcome, ExternalOrderSeen):
                    self.stats.external_orders += 1
                self._ledger.record(outcome)

    def _report(self, discrepancy: Discrepancy) -> None:
        known = self._ledger.portfolio.discrepancies.get(discrepancy.subject)
        if known is None or (known.ours, known.theirs) != (discrepancy.ours, discrepancy.theirs):
            self.stats.discrepancies += 1
            self._ledger.record(
                DiscrepancyFound(
                    subject=discrepancy.subject,
                    ours=discrepancy.ours,
                    theirs=discrepancy.theirs,
                    at=self._clock.now(),
                )
            )
            self._woken.set()
        self.hold_gate()

    def hold_gate(self) -> None:
        """Shut the gate for every discrepancy that is open; let go when none is."""
        open_ones = self._ledger.portfolio.discrepancies.values()
        if open_ones:
            reasons = [
                f"{each.subject}: ours {each.ours}, the broker's {each.theirs}"
                for each in open_ones
            ]
            self._gate.shut(Shutter.DISCREPANCY, "; ".join(reasons))
        else:
            self._gate.open(Shutter.DISCREPANCY)

    def _on_fact(self, event: Event) -> None:
        if isinstance(event, OrderEvent):
            self._last_change = self._clock.monotonic()
            self._reconciler.note(event, now=self._last_change)

    def _oldest_day(self) -> date:
        """The first day whose orders may still matter, as far back as lists are kept."""
        today = self._calendar.local_date(self._clock.now())
        days = [
            order.refs[0].day if order.refs else self._calendar.local_date(order.created_at)
            for order in self._ledger.portfolio.open_orders()
        ]
        return max(min([today, *days]), today - LIST_REACH)

    def _dead_before(self) -> date:
        """Orders of days before this one no longer live at the exchange."""
        now = self._clock.now()
        today = self._calendar.local_date(now)
        closed = now >= self._calendar.close_at(today) + CLOSING_MARGIN
        return today + timedelta(days=1) if closed else today
