"""One region's books held against the broker's: its list of orders, its balance, its doubts.

Every region is asked on its own. What the broker says of one, or keeps to itself, proves nothing
of another and holds no other's orders back.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import structlog

from daemon.core.books import (
    Discrepancy,
    Looks,
    adopted_in,
    booked,
    costs,
    credible,
    differences,
    is_nothing,
    position_subject,
)
from daemon.core.calendar import Calendars, Phase
from daemon.core.costs import CostCeilings
from daemon.core.endings import AFTER_HOURS, ended_before, ended_elsewhere
from daemon.core.errors import NeedsOperator, TradingError, TryLater
from daemon.core.events import AccountReported, CostsCharged, OrderEvent
from daemon.core.inference import Outcome
from daemon.core.orders import OrderState
from daemon.core.parts import ORDER_SUBJECT, RegionView, region_of_subject
from daemon.core.reconcile import Reconciler
from daemon.core.values import Region
from daemon.core.witness import BrokerNotice
from daemon.core.zones import local_date
from daemon.engine.gate import Gate, Shutter
from daemon.engine.ledger import Ledger
from daemon.engine.rates import ExchangeRates
from daemon.ports import Broker, Clock

BOOKS = "books"
COSTS = "costs"
LIST_REACH = timedelta(days=80)
"""How far back the broker's list of orders is asked: KIS keeps three months in it."""

OURS_REACH = timedelta(days=10)
"""How old a closed order may be that lists and balances are still about, with days to spare."""

BLIND_LIMIT = 60.0
"""Seconds without one complete inquiry after which a region's new orders are closed; as much longer
as the last one took, up to twice as long: a list of many pages is no silence."""

EMPTY_LASTS = 900.0
"""Seconds a balance must show nothing at all, look after look, before it counts as a difference:
a broken answer looks the same, and may come again and again."""

EMPTY_LOOKS = 10
"""How many such looks there must have been by then, at least."""

NIGHT_PERIOD = 120.0
"""Seconds between inquiries about a region that is closed and has no open orders: nothing but a
hand can move there."""

_UNSETTLED = frozenset(
    {OrderState.SENT, OrderState.IN_DOUBT, OrderState.CANCELLING, OrderState.MODIFYING}
)


@dataclass(slots=True)
class ReconciliationStats:
    """Counts since the start; passes are of single regions."""

    notices: int = 0
    hints: int = 0
    passes: int = 0
    failed_passes: int = 0
    discrepancies: int = 0
    external_orders: int = 0


@dataclass(slots=True)
class Link:
    """The order stream: whether it is up, and how often it came up."""

    is_up: bool = False
    ups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the regions of one account have in common.

    `record` writes down what witnesses imply and returns the discrepancies among it; `clear`
    closes discrepancies; `open` is told that a region's books could be opened.
    """

    broker: Broker
    ledger: Ledger
    gate: Gate
    calendars: Calendars
    clock: Clock
    rates: ExchangeRates
    ceilings: CostCeilings
    stats: ReconciliationStats
    link: Link
    record: Callable[[Iterable[Outcome]], dict[str, Discrepancy]]
    clear: Callable[[Iterable[str]], None]
    open: Callable[[], None]


class RegionBooks:
    """One region's witnesses.

    `is_home` is the one region that also judges discrepancies whose subject names no region.
    """

    def __init__(self, region: Region, shared: Shared, *, is_home: bool) -> None:
        self.region = region
        self.woken = asyncio.Event()
        self.turn = asyncio.Lock()
        self.opening: AccountReported | None = None
        """The part to open our books on, once the broker is believed."""
        self._shared = shared
        self._broker, self._ledger, self._gate = shared.broker, shared.ledger, shared.gate
        self._clock, self._ceilings = shared.clock, shared.ceilings
        self._is_home = is_home
        self._portfolio = RegionView(shared.ledger.portfolio, region)
        self._reconciler = Reconciler(shared.broker.account_id)
        self._looks = self.new_looks()
        self._empty_looks = Looks(EMPTY_LASTS)
        self._suspects: dict[str, Discrepancy] = {}
        self._complete_at, self._took = self._clock.monotonic(), 0.0
        self._began = self._complete_at
        self._is_heard = self._is_judged = False
        self._why = ""
        self._told = ""
        self._last_change = float("-inf")
        self._log = structlog.get_logger("reconciliation").bind(region=region)

    def resume(self) -> None:
        """Take over what an earlier run left: called once, after recovery."""
        portfolio, now = self._portfolio, self._clock.monotonic()
        self._say_ours()
        self._reconciler.resume(portfolio, now=now)
        if portfolio.orders:
            latest = max(order.updated_at for order in portfolio.orders.values())
            ago = (self._clock.now() - latest).total_seconds() if self._clock.known else 0.0
            # As long as nobody knows how long ago it was, it may have been just now.
            self._last_change = now - max(ago, 0.0)
        self._gate.shut(Shutter.BLIND, "its books are not reconciled yet", self.region)
        self._gate.shut(Shutter.STREAM, "the order stream is not up yet", self.region)

    def new_looks(self) -> Looks:
        """Looks at this region's balance that begin now."""
        return Looks(self._reconciler.settle_seconds)

    def on_notice(self, notice: BrokerNotice) -> None:
        """Take in one message of the order stream about this region."""
        outcomes = self._reconciler.on_notice(
            self._portfolio, notice, at=self._clock.now(), now=self._clock.monotonic()
        )
        self._shared.record(outcomes)
        self.settle()
        if self._reconciler.waiting:
            self.woken.set()

    def on_fact(self, event: OrderEvent) -> None:
        """An event of an order of this region was recorded."""
        self._last_change = self._clock.monotonic()
        self._reconciler.note(event, now=self._last_change)

    def settle(self) -> None:
        """Give waiting notices to the orders that claim them by now."""
        while True:
            outcomes = self._reconciler.settle(
                self._portfolio, at=self._clock.now(), now=self._clock.monotonic()
            )
            if not outcomes:
                return
            self._shared.record(outcomes)

    def hurries(self) -> bool:
        """Whether the next inquiry should come soon."""
        return self.unsettled() or self._reconciler.hinted

    def unsettled(self) -> bool:
        """Whether something waits for the broker's word."""
        orders = self._portfolio.open_orders()
        return (
            any(order.state in _UNSETTLED for order in orders)
            or self._reconciler.waiting > 0
            or bool(self._suspects)
        )

    def rests(self, period: float) -> bool:
        """Whether an inquiry may be left out: it is night, nothing is open, all was well.

        With `period` seconds until the next chance, the region is asked again before it opens.
        """
        return (
            self.age < NIGHT_PERIOD
            and self._is_closed(timedelta(seconds=period))
            and not self._portfolio.open_orders()
            and self._is_heard
            and not (self.hurries() or self.undecided() or self._discrepancies())
        )

    def _is_closed(self, ahead: timedelta) -> bool:
        """Whether there is no regular session, now and for so long.

        An order of another session that leaves then leaves on what the night's inquiries told.
        """
        calendar = self._shared.calendars.by_region.get(self.region)
        if calendar is None:
            return False
        now = self._clock.now()
        return calendar.phase(now) is calendar.phase(now + ahead) is Phase.CLOSED

    def undecided(self) -> bool:
        """Whether the books are not open yet, or differ in a way that nobody confirmed yet."""
        portfolio = self._ledger.portfolio
        return not portfolio.opened or any(
            each not in portfolio.discrepancies for each in self._suspects
        )

    def forget_suspects(self, only: str | None = None) -> None:
        """The broker's books were taken over, or `only` on one subject: nothing differs there."""
        if only is None:
            self._suspects.clear()
        else:
            self._suspects.pop(only, None)

    async def inquire(self) -> bool:
        """One pass over orders, cash and holdings; tells whether it was complete.

        Raises `NeedsOperator` when the broker refuses the account or the keys, and `Fatal`.
        """
        async with self.turn:
            began, link = self._clock.monotonic(), self._shared.link
            ups, was_up = link.ups, link.is_up
            try:
                found = await self.inquire_orders()
                agreed = await self._inquire_account()
            except NeedsOperator:
                raise
            except TradingError as error:
                self.failed(error)
                return False
            self._complete(began)
            self._shared.clear(self._refuted(found) | agreed)
            checked = was_up and link.is_up and ups == link.ups
            if checked and self._gate.open(Shutter.STREAM, self.region):
                self._log.info("gate_opened", cause="the gap of the order stream is checked")
            return True

    @property
    def age(self) -> float:
        """Machine seconds since the last complete inquiry, or since the start before the first."""
        return self._clock.monotonic() - self._complete_at

    def look_blind(self) -> None:
        """Shut the region if nothing complete was heard for too long, or since the clock jumped.

        Asked before orders leave.
        """
        if self._is_judged and self._began < self._clock.sure_since:
            reason = "the machine's clock jumped, neither time nor books are sure: is it set right?"
            self._gate.shut(Shutter.CLOCK, f"{reason}{self._why}", self.region)
        blind = self.age
        limit = BLIND_LIMIT + min(self._took, BLIND_LIMIT)
        if not self._is_judged:
            reason = f"its books are not reconciled yet{self._why}"
            self._gate.shut(Shutter.BLIND, reason, self.region)
        elif blind > limit + (NIGHT_PERIOD if self._is_closed(timedelta(0)) else 0.0):
            reason = f"no complete inquiry for {blind:.0f} s{self._why}"
            self._gate.shut(Shutter.BLIND, reason, self.region)

    def failed(self, error: TradingError) -> None:
        """A pass came to nothing: told once for each cause in a row."""
        self._shared.stats.failed_passes += 1
        self.opening, self._is_heard = None, False
        cause = str(error)
        if cause != self._told:
            self._log.warning("inquiry_failed", cause=cause)
        self._told = cause
        self._why = f": {cause}"
        self.look_blind()

    def _complete(self, began: float) -> None:
        self._shared.stats.passes += 1
        self._complete_at = self._clock.monotonic()
        self._began, self._took = began, self._complete_at - began
        if self._told:
            self._log.info("inquiry_complete_again", cause=self._told)
        self._why = self._told = ""
        self._is_heard = True
        self.judge()

    def judge(self) -> None:
        """Let the region's orders go if its books are open and its last inquiry was complete, and
        began when the time was certain.
        """
        self._is_judged = self._is_judged or not self.undecided()
        if self._is_heard and self._is_judged:
            self._gate.open(Shutter.BLIND, self.region)
            if self._began >= self._clock.sure_since:
                self._gate.open(Shutter.CLOCK, self.region)

    async def inquire_orders(self) -> dict[str, Discrepancy]:
        """Look at the list of orders; returns the discrepancies it shows."""
        asked = self._clock.monotonic()
        since = self._oldest_day()
        self._say_ours()
        rows = await self._broker.orders(since, regions=(self.region,))
        calendars, now = self._shared.calendars, self._clock.now()
        outcomes = self._reconciler.on_inquiry(
            self._portfolio,
            [row for row in rows if row.region is self.region],
            asked=asked,
            since=since,
            dead_before=ended_before(calendars, self.region, now, AFTER_HOURS),
            over_before=ended_before(calendars, self.region, now, {}),
            elsewhere=ended_elsewhere(calendars, self.region, now),
            at=now,
            now=self._clock.monotonic(),
        )
        found = self._shared.record(outcomes)
        self.settle()
        return found

    async def _inquire_account(self) -> set[str]:
        """Look at cash and holdings; returns the subjects that are certain to agree.

        Raises `TryLater` when the balance cannot be true, or not for all that is known yet.
        """
        portfolio = self._portfolio
        if not portfolio.opened:
            self.opening = self.part_at_rest(self._looks, *await self.part())
            self._shared.open()
            return set()
        report, asked = await self.part()
        found = {each.subject: each for each in differences(portfolio, report, self._ceilings)}
        emptied = not credible(portfolio, report)
        lasts = self._empty_looks.see(
            {BOOKS: tuple(found.values())} if emptied else {},
            asked=asked,
            calm_since=None,
            least=EMPTY_LOOKS,
        )
        if emptied and not lasts:
            reason = (
                "the broker shows no cash and no shares at all, and we know of some; it counts as "
                f"a difference once it has lasted {EMPTY_LASTS / 60:.0f} minutes"
            )
            raise TryLater("EMPTY_BALANCE", reason, delay=1.0)
        now = self._clock.now()
        self._shared.record(self._reconciler.on_account(portfolio, report, asked=asked, at=now))
        self._suspects = found
        known = {each for each in self._discrepancies() if not each.startswith(ORDER_SUBJECT)}
        # An agreement with a difference we know of must last as long as a difference.
        statements: dict[str, Hashable] = dict.fromkeys(known, self._last_change)
        statements |= found
        charged = {} if found else costs(portfolio, report, self._ceilings)
        for currency in charged:
            cash = portfolio.cash_of(currency), report.cash_of(currency)
            statements[f"{COSTS} {currency}"] = cash
        believed = self._looks.see(
            statements,
            asked=asked,
            calm_since=self._calm_since(),
            certain=found.keys() & self._traded_by_hand(),
        )
        if emptied:
            believed |= found.keys()
        for currency, amount in charged.items():
            if f"{COSTS} {currency}" in believed:
                account = self._broker.account_id
                self._ledger.record(
                    CostsCharged(account=account, currency=currency, amount=amount, at=now)
                )
        self._shared.record(each for subject, each in found.items() if subject in believed)
        return (believed & known) - found.keys()

    async def part(self, *, adopting: bool = False) -> tuple[AccountReported, float]:
        """What the broker says of the region's cash and holdings, and when it was asked.

        Trades of ours that it is known to book late are in it: see `core.books.booked`.
        """
        asked = self._clock.monotonic()
        report = await self._broker.account(regions=(self.region,))
        self._shared.rates.learn(report.rates)
        return booked(self._portfolio, report, adopting=adopting), asked

    def _say_ours(self) -> None:
        """Tell the broker what its next answers may be about. What it refused is not ours.

        In Korea no answer names a market that is not meant: there is one.
        """
        if self.region is Region.KR:
            return
        portfolio, since = self._portfolio, self._clock.now() - OURS_REACH
        ordered = {
            each.intent.instrument
            for each in (*portfolio.orders_since(since), *portfolio.open_orders())
            if each.state is not OrderState.REJECTED
        }
        held = {each for each, position in portfolio.positions.items() if position.quantity}
        self._broker.know(self.region, ordered | held)

    def part_at_rest(
        self, looks: Looks, report: AccountReported, asked: float
    ) -> AccountReported | None:
        """A part of the broker's books if it was the same before and nothing of ours moved since.

        A part of nothing at all must last, as a difference must: so does a broken answer look, and
        it may come more than once.
        """
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

    def with_theirs(self, part: AccountReported, subject: str) -> AccountReported | None:
        """The region's books with the broker's word on one subject: see `adopted_in`."""
        theirs = replace(part, region=self.region)
        return adopted_in(self._portfolio, theirs, subject, self._ceilings)

    def _calm_since(self) -> float | None:
        """When something of ours last moved here, `None` while something may be moving."""
        calm = self._reconciler.at_rest(self._portfolio)
        return self._last_change if calm else None

    def _traded_by_hand(self) -> set[str]:
        """Holdings that the account holder is known to have traded today."""
        now = self._clock.now()
        return {
            position_subject(each.instrument)
            for each in self._ledger.portfolio.external.values()
            if each.day == local_date(each.region, now)
        }

    def _discrepancies(self) -> set[str]:
        """Those that this region's answers may end."""
        portfolio = self._ledger.portfolio
        mine = (self.region, None) if self._is_home else (self.region,)
        return {
            each for each in portfolio.discrepancies if region_of_subject(portfolio, each) in mine
        }

    def _refuted(self, found: Collection[str]) -> set[str]:
        """Discrepancies of orders that the last list, if it was whole, did not show again."""
        if not self._reconciler.list_was_whole:
            return set()
        known = self._discrepancies()
        return {each for each in known if each.startswith(ORDER_SUBJECT) and each not in found}

    def _oldest_day(self) -> date:
        """The region's first day whose orders may still matter, as far back as lists are kept."""
        today = local_date(self.region, self._clock.now())
        days = [
            order.refs[0].day if order.refs else local_date(self.region, order.created_at)
            for order in self._portfolio.open_orders()
        ]
        return max(min([today, *days]), today - LIST_REACH)
