"""Keeps our books and the broker's the same: takes notices in, asks for lists, shuts the gate.

Inquiries are made at the start, after each reconnect of the stream, after each doubt, and
every so often. The broker's books win; what cannot be explained is told, and closes the gate.
"""

import asyncio
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import structlog

from daemon.core.books import (
    Discrepancy,
    Looks,
    costs,
    credible,
    differences,
    is_nothing,
    position_subject,
)
from daemon.core.calendar import Calendars
from daemon.core.errors import NeedsOperator, TradingError, TryLater
from daemon.core.events import (
    AccountReported,
    CostsCharged,
    DiscrepancyCleared,
    DiscrepancyFound,
    Event,
    ExternalOrderSeen,
    OrderEvent,
)
from daemon.core.inference import Hint, Outcome
from daemon.core.orders import OrderState
from daemon.core.reconcile import Reconciler
from daemon.core.values import LinkDown, LinkUp, Region, region_of
from daemon.core.witness import BrokerNotice
from daemon.core.zones import local_date
from daemon.engine.gate import Gate, Shutter
from daemon.engine.ledger import Ledger
from daemon.engine.rates import ExchangeRates
from daemon.ports import Broker, Clock

CLOSING_MARGIN = timedelta(minutes=3)
"""After the close: longer than the last auction may be put off and a list may lag together."""

AFTER_HOURS = {Region.US: timedelta(hours=4)}
"""How long after the close an order may still trade: accounts with the extended after-market of
America trade until 20:00 in New York (portal), and whether orders of the day live on is not
documented. So only a list that shows nothing open ends one sooner."""

ADOPT_LIMIT = 240.0
"""Seconds to wait for an account at rest: more than answers may lag and `settle` together."""

ORDER_SUBJECT = "order "
BOOKS = "books"
COSTS = "costs"
LIST_REACH = timedelta(days=80)
"""How far back the broker's list of orders is asked: KIS keeps three months in it."""

BLIND_LIMIT = 60.0
"""Seconds without one complete inquiry after which new orders are closed."""

_UNSETTLED = frozenset(
    {OrderState.SENT, OrderState.IN_DOUBT, OrderState.CANCELLING, OrderState.MODIFYING}
)


@dataclass(slots=True)
class ReconciliationStats:
    """Counts since the start."""

    notices: int = 0
    hints: int = 0
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
        calendars: Calendars,
        clock: Clock,
        rates: ExchangeRates,
        period: float = 20.0,
        hurry: float = 2.0,
    ) -> None:
        self.stats = ReconciliationStats()
        self._broker = broker
        self._ledger = ledger
        self._gate = gate
        self._reconciler = reconciler
        self._calendars = calendars
        self._clock = clock
        self._rates = rates
        self._period = period
        self._hurry = hurry
        self._log = structlog.get_logger("reconciliation")
        self._woken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._suspects: dict[str, Discrepancy] = {}
        self._looks = Looks(reconciler.settle_seconds)
        self._link_ups = 0
        self._link_is_up = False
        self._complete_at = clock.monotonic()
        self._why = ""
        self._last_change = float("-inf")
        ledger.listen(self._on_fact)

    def resume(self) -> None:
        """Take over what an earlier run left: called once, after recovery."""
        portfolio, now = self._ledger.portfolio, self._clock.monotonic()
        self._reconciler.resume(portfolio, now=now)
        if portfolio.orders and self._clock.known:
            latest = max(order.updated_at for order in portfolio.orders.values())
            self._last_change = now - max((self._clock.now() - latest).total_seconds(), 0.0)
        self.hold_gate()

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
        self._link_is_up = isinstance(event, LinkUp)
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
            waits = self.unsettled() or self._reconciler.hinted
            delay = self._period if complete and not waits else self._hurry
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

    def undecided(self) -> bool:
        """Whether the books are not open yet, or differ in a way that nobody confirmed yet."""
        portfolio = self._ledger.portfolio
        return not portfolio.opened or any(
            each not in portfolio.discrepancies for each in self._suspects
        )

    async def inquire(self) -> bool:
        """One pass over orders, cash and holdings; tells whether it was complete.

        Raises `NeedsOperator` when the broker refuses the account or the keys, and `Fatal`.
        """
        async with self._turn:
            link_ups, was_up = self._link_ups, self._link_is_up
            try:
                found = await self._inquire_orders()
                agreed = await self._inquire_account()
            except NeedsOperator:
                raise
            except TradingError as error:
                self._failed(error)
                return False
            self.stats.passes += 1
            self._complete_at = self._clock.monotonic()
            self._why = ""
            self._gate.open(Shutter.BLIND)
            self._clear(self._refuted(found) | agreed)
            checked = was_up and self._link_is_up and link_ups == self._link_ups
            if checked and self._gate.open(Shutter.STREAM):
                self._log.info("gate_opened", cause="the gap of the order stream is checked")
            return True

    async def adopt(self) -> AccountReported:
        """Take over the broker's cash and holdings as ours.

        The books are taken once looks at them agree and nothing of ours moved between, so that
        no fill is in them and told again. Raises `NeedsOperator`, and `TryLater` when the
        account does not come to rest.
        """
        looks = Looks(self._reconciler.settle_seconds)
        cause = "orders are still on their way"
        give_up = self._clock.monotonic() + ADOPT_LIMIT
        while self._clock.monotonic() < give_up:
            async with self._turn:
                try:
                    await self._inquire_orders()
                    report = await self._books_at_rest(looks)
                except NeedsOperator:
                    raise
                except TradingError as error:
                    self._failed(error)
                    report, cause = None, str(error)
                if report is not None:
                    self._ledger.record(report)
                    self._suspects.clear()
                    self._clear(list(self._ledger.portfolio.discrepancies))
                    return report
            await asyncio.sleep(self._hurry)
        raise TryLater("NOT_QUIET", cause, delay=self._hurry)

    def look_blind(self) -> None:
        """Shut the gate if nothing complete was heard for too long: asked before orders leave."""
        blind = self._clock.monotonic() - self._complete_at
        if blind > BLIND_LIMIT:
            self._gate.shut(Shutter.BLIND, f"no complete inquiry for {blind:.0f} s{self._why}")

    def _failed(self, error: TradingError) -> None:
        self.stats.failed_passes += 1
        self._log.warning("inquiry_failed", cause=str(error))
        self._why = f": {error}"
        self.look_blind()

    async def _inquire_orders(self) -> dict[str, Discrepancy]:
        """Look at the list of orders; returns the discrepancies it shows."""
        asked = self._clock.monotonic()
        since = self._oldest_day()
        rows = await self._broker.orders(since)
        found = self._record(
            self._reconciler.on_inquiry(
                self._ledger.portfolio,
                rows,
                asked=asked,
                since=since,
                dead_before=self._ended_before(AFTER_HOURS),
                over_before=self._ended_before({}),
                at=self._clock.now(),
                now=self._clock.monotonic(),
            )
        )
        self.settle()
        return found

    async def _inquire_account(self) -> set[str]:
        """Look at cash and holdings; returns the subjects that are certain to agree.

        Raises `TryLater` when the balance cannot be true.
        """
        portfolio = self._ledger.portfolio
        if not portfolio.opened:
            opening = await self._books_at_rest(self._looks)
            if opening is not None:
                self._ledger.record(opening)
            return set()
        asked = self._clock.monotonic()
        report = await self._account()
        if not credible(portfolio, report):
            reason = "the broker shows no cash and no shares at all, and we know of some"
            raise TryLater("EMPTY_BALANCE", reason, delay=self._hurry)
        now = self._clock.now()
        self._record(self._reconciler.on_account(portfolio, report, asked=asked, at=now))
        found = {each.subject: each for each in differences(portfolio, report)}
        self._suspects = found
        known = {each for each in portfolio.discrepancies if not each.startswith(ORDER_SUBJECT)}
        # An agreement with a difference we know of must last as long as a difference.
        statements: dict[str, Hashable] = dict.fromkeys(known, self._last_change)
        statements |= found
        charged = {} if found else costs(portfolio, report)
        for currency in charged:
            cash = portfolio.cash_of(currency), report.cash_of(currency)
            statements[f"{COSTS} {currency}"] = cash
        believed = self._looks.see(
            statements,
            asked=asked,
            calm_since=self._calm_since(),
            certain=found.keys() & self._traded_by_hand(),
        )
        for currency, amount in charged.items():
            if f"{COSTS} {currency}" in believed:
                account = self._broker.account_id
                self._ledger.record(
                    CostsCharged(account=account, currency=currency, amount=amount, at=now)
                )
        self._record(each for subject, each in found.items() if subject in believed)
        return (believed & known) - found.keys()

    async def _books_at_rest(self, looks: Looks) -> AccountReported | None:
        """The broker's books if they were the same before and nothing of ours moved since.

        An account of nothing at all must last, as a difference must: so does a broken answer look,
        and it may come more than once.
        """
        asked = self._clock.monotonic()
        report = await self._account()
        nothing = is_nothing(report)
        believed = looks.see(
            {
                BOOKS: (
                    frozenset(report.cash.items()),
                    frozenset(report.holdings),
                    self._last_change,
                )
            },
            asked=asked,
            calm_since=None if nothing else self._calm_since(),
            least=3 if nothing else 2,
        )
        return report if BOOKS in believed else None

    async def _account(self) -> AccountReported:
        report = await self._broker.account()
        self._rates.learn(report.rates)
        return report

    def _calm_since(self) -> float | None:
        """When something of ours last moved, `None` while something may be moving."""
        calm = self._reconciler.at_rest(self._ledger.portfolio)
        return self._last_change if calm else None

    def _traded_by_hand(self) -> set[str]:
        """Holdings that the account holder is known to have traded today."""
        now = self._clock.now()
        seen = self._ledger.portfolio.external.values()
        return {
            position_subject(each.instrument)
            for each in seen
            if each.day == local_date(each.region, now)
        }

    def _refuted(self, found: Collection[str]) -> set[str]:
        """Discrepancies of orders that the last list, if it was whole, did not show again."""
        if not self._reconciler.list_was_whole:
            return set()
        known = self._ledger.portfolio.discrepancies
        return {each for each in known if each.startswith(ORDER_SUBJECT) and each not in found}

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
        """The first day whose orders may still matter, as far back as lists are kept.

        The earliest of all regions' dates: each region's list counts by its own.
        """
        now = self._clock.now()
        today = min(local_date(region, now) for region in self._calendars.by_region)
        days = [
            order.refs[0].day
            if order.refs
            else local_date(region_of(order.intent.instrument), order.created_at)
            for order in self._ledger.portfolio.open_orders()
        ]
        return max(min([today, *days]), today - LIST_REACH)

    def _ended_before(self, longer: Mapping[Region, timedelta]) -> dict[Region, date]:
        """Before which days each region's sessions are over, if they went on for so much longer.

        A region without a calendar ends its days at midnight.
        """
        now = self._clock.now()
        days = {region: local_date(region, now) for region in Region}
        for region, calendar in self._calendars.by_region.items():
            today = days[region]
            ends = calendar.close_at(today) + longer.get(region, timedelta(0))
            if now >= ends + CLOSING_MARGIN:
                days[region] = today + timedelta(days=1)
        return days
