"""Keeps our books and the broker's the same: takes notices in, asks for lists, shuts the gate.

Inquiries are made at the start, after each reconnect of the stream, after each doubt, and
every so often, of every region on its own. The broker's books win; what cannot be explained is
told, and closes the gate.
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

import structlog

from daemon.core.books import Discrepancy, booked
from daemon.core.calendar import Calendars
from daemon.core.costs import CostCeilings
from daemon.core.errors import NeedsOperator, TradingError, TryLater
from daemon.core.events import (
    AccountReported,
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    OrderEvent,
)
from daemon.core.inference import Hint, Outcome
from daemon.core.parts import ORDER_SUBJECT, joined, region_in_books, region_of_subject
from daemon.core.values import InstrumentId, LinkDown, LinkUp, Region
from daemon.core.witness import BrokerNotice
from daemon.engine.gate import Gate, Shutter
from daemon.engine.ledger import Ledger
from daemon.engine.rates import ExchangeRates
from daemon.engine.regionbooks import Link, ReconciliationStats, RegionBooks, Shared
from daemon.ports import Broker, Clock

T = TypeVar("T")

ADOPT_LIMIT = 240.0
"""Seconds to wait for an account at rest: more than answers may lag and `settle` together."""


class Reconciliation:
    """One account's witnesses. `period` is the time between inquiries when all is well."""

    def __init__(
        self,
        *,
        broker: Broker,
        ledger: Ledger,
        gate: Gate,
        calendars: Calendars,
        clock: Clock,
        rates: ExchangeRates,
        ceilings: CostCeilings,
        period: float = 20.0,
        hurry: float = 2.0,
    ) -> None:
        self.stats = ReconciliationStats()
        self._ledger = ledger
        self._gate = gate
        self._clock = clock
        self._period = period
        self._hurry = hurry
        self._log = structlog.get_logger("reconciliation")
        self._link = Link()
        shared = Shared(
            broker=broker,
            ledger=ledger,
            gate=gate,
            calendars=calendars,
            clock=clock,
            rates=rates,
            ceilings=ceilings,
            stats=self.stats,
            link=self._link,
            record=self._record,
            clear=self._clear,
            open=self._open_books,
        )
        self._books = {
            region: RegionBooks(region, shared, is_home=region is broker.regions[0])
            for region in broker.regions
        }
        ledger.listen(self._on_fact)

    @property
    def regions(self) -> Sequence[Region]:
        """The regions the broker is asked about."""
        return list(self._books)

    def resume(self) -> None:
        """Take over what an earlier run left: called once, after recovery."""
        for books in self._books.values():
            books.resume()
        portfolio = self._ledger.portfolio
        held = [each for each, position in portfolio.positions.items() if position.quantity]
        for order in portfolio.open_orders():
            held.append(order.intent.instrument)
        unasked = sorted(each for each in set(held) if self._of(each) is None)
        if unasked:
            what = "add their region to `markets`, or nobody looks after them"
            self._log.warning("not_asked_about", instruments=unasked, what=what)
        self.hold_gate()

    def wake(self, reason: str) -> None:
        """Ask for an inquiry soon."""
        self._log.debug("inquiry_wanted", reason=reason)
        for books in self._books.values():
            books.woken.set()

    def on_notice(self, notice: BrokerNotice) -> None:
        """Take in one message of the order stream."""
        self.stats.notices += 1
        if self._log.is_enabled_for(logging.DEBUG):
            self._tell(notice)
        books = self._of(notice.instrument)
        if books is None:
            self._log.warning("notice_of_no_region", instrument=notice.instrument)
        else:
            books.on_notice(notice)

    def _tell(self, notice: BrokerNotice) -> None:
        ours = self._ledger.portfolio.find(notice.key)
        self._log.debug(
            "notice_heard",
            order=None if ours is None else ours.id,
            kind=notice.kind,
            number=notice.number,
            new_number=notice.new_number,
            instrument=notice.instrument,
            side=notice.side,
            quantity=notice.quantity,
            price=notice.price,
            exchange_time=notice.exchange_time,
        )

    def on_link(self, event: LinkUp | LinkDown) -> None:
        """A lost notice stream shuts the gate; a region's inquiry after its return opens it."""
        self._link.is_up = isinstance(event, LinkUp)
        if isinstance(event, LinkDown):
            reason = f"the order stream is down: {event.cause}"
        else:
            self._link.ups += 1
            reason = "the order stream is back, its gap is not checked yet"
        for region in self._books:
            self._gate.shut(Shutter.STREAM, reason, region)
        if isinstance(event, LinkUp):
            self.wake("the order stream is up")

    def settle(self) -> None:
        """Give waiting notices to the orders that claim them by now."""
        for books in self._books.values():
            books.settle()

    async def run(self) -> None:
        """Inquire for ever; a failed inquiry proves nothing and is made again."""
        if len(self._books) == 1:
            await self._run(*self._books.values())
            return
        async with asyncio.TaskGroup() as group:
            for books in self._books.values():
                group.create_task(self._run(books), name=f"inquiries {books.region}")

    async def _run(self, books: RegionBooks) -> None:
        while True:
            asked_for = books.woken.is_set()
            books.woken.clear()
            complete = (books.rests(self._period) and not asked_for) or await books.inquire()
            delay = self._period if complete and not books.hurries() else self._hurry
            try:
                async with asyncio.timeout(delay):
                    await books.woken.wait()
                    # Let what is just happening finish, so that one inquiry sees all of it.
                    await asyncio.sleep(min(0.2, self._hurry))
            except TimeoutError:
                continue

    @property
    def ages(self) -> dict[Region, float]:
        """Machine seconds since each region's last complete inquiry, or since the start."""
        return {region: books.age for region, books in self._books.items()}

    def unsettled(self) -> bool:
        """Whether something waits for the broker's word."""
        return any(books.unsettled() for books in self._books.values())

    def booked(self, report: AccountReported) -> AccountReported:
        """What the broker said, with those of our trades in it that it is known to book late."""
        return booked(self._ledger.portfolio, report)

    def undecided(self, region: Region) -> bool:
        """Whether the books are not open yet, or differ in a way that nobody confirmed yet."""
        return self._books[region].undecided()

    async def inquire(self, *regions: Region) -> bool:
        """One pass over orders, cash and holdings of the regions, of all if none is named.

        Tells whether it was complete. Raises `NeedsOperator` when the broker refuses the account
        or the keys, and `Fatal`.
        """
        asked = [self._books[region] for region in regions or self._books]
        if len(asked) == 1:
            return await asked[0].inquire()
        return all(await all_of(books.inquire() for books in asked))

    async def adopt(self, only: str | None = None) -> AccountReported:
        """Take over the broker's cash and holdings as ours, of all regions at once, or `only` those
        of one subject, of whose region alone anything is asked.

        The books are taken once looks at them agree and nothing of ours moved between, so that
        no fill is in them and told again. Raises `NeedsOperator`, and `TryLater` when what is
        asked does not come to rest, or lacks trades that the broker books late.
        """
        regions = list(self._books.values()) if only is None else [self._judge_of(only)]
        looks = [books.new_looks() for books in regions]
        cause = "orders are still on their way"
        give_up = self._clock.monotonic() + ADOPT_LIMIT
        while self._clock.monotonic() < give_up:
            seen = await all_of(_look(books) for books in regions)
            if only is None or not only.startswith(ORDER_SUBJECT):
                seen = [_unless_unbooked(each) for each in seen]
            told = [each for each in seen if not isinstance(each, str)]
            cause = next((each for each in seen if isinstance(each, str)), cause)
            if len(told) == len(regions):
                # In one go: nothing may move between the last answer and the taking over.
                pairs = zip(regions, looks, told, strict=True)
                parts = [books.part_at_rest(each, *answer) for books, each, answer in pairs]
                whole = [part for part in parts if part is not None]
                if len(whole) == len(regions):
                    return self.take_over(whole) if only is None else self._accept(only, *whole)
            await asyncio.sleep(self._hurry)
        raise TryLater("NOT_QUIET", cause, delay=self._hurry)

    def take_over(self, parts: Sequence[AccountReported]) -> AccountReported:
        """Adopt each region's books, and judge orders by them.

        Returns what was recorded. Discrepancies are closed with it.
        """
        report = joined(parts, self._clock.now())
        self._ledger.record(report)
        for books in self._books.values():
            books.forget_suspects()
            books.judge()
        self._clear(list(self._ledger.portfolio.discrepancies))
        return report

    def _accept(self, subject: str, part: AccountReported) -> AccountReported:
        """Adopt one item of a region's books, and close what differed there.

        Returns what was recorded, or the part where there is nothing to take over.
        """
        books = self._judge_of(subject)
        adopted = books.with_theirs(part, subject)
        if adopted is not None:
            self._ledger.record(adopted)
        books.forget_suspects(subject)
        books.judge()
        self._clear([subject])
        return adopted or part

    def _judge_of(self, subject: str) -> RegionBooks:
        """Whose answers tell of a discrepancy; the home region's where nobody else's do."""
        home, *_ = self._books.values()
        region = region_of_subject(self._ledger.portfolio, subject)
        return home if region is None else self._books.get(region, home)

    def _open_books(self) -> None:
        """Open our books on the broker's, once every region's part is believed."""
        parts = [books.opening for books in self._books.values()]
        believed = [part for part in parts if part is not None]
        if len(believed) == len(parts) and not self._ledger.portfolio.opened:
            self._ledger.record(joined(believed, self._clock.now()))
            for books in self._books.values():
                books.judge()

    def look_blind(self) -> None:
        """Shut each region of which nothing complete was heard for too long."""
        for books in self._books.values():
            books.look_blind()

    def _clear(self, subjects: Iterable[str]) -> None:
        """Close discrepancies that are over, and let go of the gate if these were the last."""
        for subject in sorted(subjects):
            self._ledger.record(DiscrepancyCleared(subject=subject, at=self._clock.now()))
        self.hold_gate()

    def _record(self, outcomes: Iterable[Outcome]) -> dict[str, Discrepancy]:
        """Record what witnesses imply; returns the discrepancies among it."""
        found = {}
        for outcome in outcomes:
            if isinstance(outcome, Discrepancy):
                found[outcome.subject] = outcome
                self._report(outcome)
            elif isinstance(outcome, Hint):
                self.stats.hints += 1
                self.wake(f"order {outcome.order} was told, new or old: {outcome.told}")
            else:
                if isinstance(outcome, ExternalOrderSeen):
                    self.stats.external_orders += 1
                self._ledger.record(outcome)
        return found

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
            self.wake(f"the books differ: {discrepancy.subject}")
        self.hold_gate()

    def hold_gate(self) -> None:
        """Shut the gate where the books differ: in a region, or everywhere for what is of none."""
        reasons: dict[Region | None, list[str]] = {}
        portfolio = self._ledger.portfolio
        for each in portfolio.discrepancies.values():
            region = region_of_subject(portfolio, each.subject)
            told = f"{each.subject}: ours {each.ours}, the broker's {each.theirs}"
            reasons.setdefault(region if region in self._books else None, []).append(told)
        self._gate.open(Shutter.DISCREPANCY)
        for region, told_there in reasons.items():
            self._gate.shut(Shutter.DISCREPANCY, "; ".join(told_there), region)

    def _on_fact(self, event: Event) -> None:
        if isinstance(event, OrderEvent):
            order = self._ledger.portfolio.orders[event.order]
            books = self._of(order.intent.instrument)
            if books is not None:
                books.on_fact(event)

    def _of(self, instrument: InstrumentId) -> RegionBooks | None:
        region = region_in_books(instrument)
        return None if region is None else self._books.get(region)


async def _look(books: RegionBooks) -> tuple[AccountReported, float] | str:
    """One region's orders and its part of the account, or why they could not be had."""
    async with books.turn:
        try:
            await books.inquire_orders()
            return await books.part(adopting=True)
        except NeedsOperator:
            raise
        except TradingError as error:
            books.failed(error)
            return str(error)


def _unless_unbooked(
    look: tuple[AccountReported, float] | str,
) -> tuple[AccountReported, float] | str:
    """A look, or why its books cannot be taken over: they are seen to lack trades of ours."""
    if not isinstance(look, str):
        for region, day in look[0].unbooked.items():
            return (
                f"{day} 의 {region} 체결이 증권사 장부에 아직 없으니 뉴욕 16:45 뒤에 하세요 "
                "(다른 지역은 항목을 적어 받아들일 수 있음) / "
                f"the broker's books lack trades of {region} on {day}: do it after 16:45 there "
                "(what differs in another region can be accepted by its subject)"
            )
    return look


async def all_of(works: Iterable[Awaitable[T]]) -> list[T]:
    """Await all at once, to the last; raises the first error."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [each for each in results if not isinstance(each, BaseException)]
