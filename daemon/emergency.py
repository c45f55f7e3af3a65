"""Cancels every open order of an account without a daemon, until the broker's list shows none.

For when the daemon cannot be brought back. It reads the journal and records nothing there: the
daemon's next start learns by inquiry what became of its orders.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import structlog

from daemon.core.calendar import Calendars
from daemon.core.errors import NeedsOperator, Refused, TradingError, TryLater
from daemon.core.orders import UNANSWERED, Order, OrderState
from daemon.core.values import (
    AccountId,
    BrokerRef,
    InstrumentId,
    OrderId,
    Region,
    StrategyId,
    region_of,
)
from daemon.core.witness import BrokerOrder
from daemon.engine.ledger import Ledger
from daemon.ports import Clock, Journal
from daemon.store.journal import SqliteJournal

OWNER = StrategyId("emergency")
LOOKS = 2
"""Complete lists in a row without an open order that prove that there is none."""

PAUSE = 1.0
"""Seconds between two rounds."""

DOUBT = timedelta(seconds=90)
"""Market time in which what happened to an order may still be missing from the broker's list."""

Key = tuple[Region, date, str]
"""Region, day and number: what the broker calls an order."""


class EmergencyBroker(Protocol):
    """What is asked of a broker, whose requests move while `run` does."""

    account_id: AccountId

    async def run(self) -> None: ...
    def know(self, region: Region, ours: Iterable[InstrumentId]) -> None: ...
    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]: ...
    async def cancel(self, order: Order, *, leaving: "Leaving") -> None: ...


class Leaving(Protocol):
    """Called before a request may leave."""

    def __call__(self) -> None: ...


class EmergencySession(Protocol):
    """What is needed of an open session."""

    @property
    def broker(self) -> EmergencyBroker: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def calendars(self) -> Calendars: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it: requests to cancel that left, orders seen open, and what is still unclear.

    `left` are numbers of orders the broker last said are open; `problems` say of which countries
    nothing is certain, and why. Nothing of either: no order is open, by the broker's own word.
    """

    seen: int
    sent: int
    left: tuple[str, ...]
    problems: Mapping[Region, str]

    @property
    def is_done(self) -> bool:
        """Whether the broker said of every country that nothing is open."""
        return not self.left and not self.problems


def left_open(path: Path, owner: str) -> Sequence[Order]:
    """The orders that a journal says are open; none of one that is not there.

    Raises `NeedsOperator` for a journal that cannot be read, `InvariantBroken` for one that
    contradicts itself.
    """
    if not path.exists():
        return ()
    with SqliteJournal(path, owner=owner) as journal:
        return open_orders(journal)


def open_orders(journal: Journal) -> Sequence[Order]:
    """As `left_open`, of an open journal."""
    ledger = Ledger(journal)
    ledger.recover()
    return ledger.portfolio.open_orders()


async def cancel_all(
    session: EmergencySession,
    *,
    regions: Sequence[Region],
    traded: Collection[Region],
    recorded: Callable[[], Sequence[Order]] = lambda: (),
    patience: float,
) -> Outcome:
    """Cancel until the broker says of every region that nothing is open, for `patience` seconds.

    Whoever ordered what it finds: orders made by hand are cancelled, too. `recorded` are the orders
    that were open to our knowledge: it is asked after the first round of cancels, and may fail. One
    of them that the list does not show is cancelled by its number. That the broker takes a cancel
    is no proof (the exchange may refuse it): an order is waited for until the list tells its end,
    as long as it may still come up.

    A region whose list a person must see to is given up, and the others go on. The refusal of one
    that is neither `traded` nor ordered in proves that nothing is open there. Raises
    `NeedsOperator` when no region is left.
    """
    async with asyncio.TaskGroup() as tasks:
        requests = tasks.create_task(session.broker.run(), name="requests")
        work = _Emergency(session, regions, traded, recorded)
        try:
            async with asyncio.timeout(patience):
                await work.run()
        except TimeoutError:
            pass
        requests.cancel()
    return work.outcome()


class _Emergency:
    def __init__(
        self,
        session: EmergencySession,
        regions: Sequence[Region],
        traded: Collection[Region],
        recorded: Callable[[], Sequence[Order]],
    ) -> None:
        self._recorded = recorded
        self._regions = frozenset(regions)
        self._traded = frozenset(traded)
        self._errors: dict[Region, TradingError] = {}
        self._numbered: dict[Key, Order] = {}
        self._unheard: list[Order] = []
        self._ended: set[Key] = set()
        self._answered: set[Key] = set()
        """Whose cancel by number needs no repetition, whatever the answer was."""
        self._told_wait = False
        self._begun = session.clock.now()
        self._session = session
        self._broker = session.broker
        self._clean = dict.fromkeys(regions, 0)
        self._problems = dict.fromkeys(regions, "not asked yet")
        self._open: dict[Region, list[BrokerOrder]] = {}
        self._seen: set[Key] = set()
        self._sent = 0
        self._log = structlog.get_logger("emergency")

    def outcome(self) -> Outcome:
        left = [order.refs[-1].number for orders in self._open.values() for order in orders]
        doubts = {region: why or self._doubt(region) for region, why in self._problems.items()}
        problems = {region: why for region, why in doubts.items() if why}
        return Outcome(seen=len(self._seen), sent=self._sent, left=tuple(left), problems=problems)

    async def run(self) -> None:
        await self._rounds()
        self._learn()
        self._give_up()
        while not self._is_over():
            await asyncio.sleep(PAUSE)
            await self._rounds()
            self._give_up()

    async def _rounds(self) -> None:
        self._errors.clear()
        await asyncio.gather(*(self._round(region) for region in self._clean))

    def _give_up(self) -> None:
        """Ask no more about regions of which the broker has said its last word."""
        for region, error in self._errors.items():
            if not self._is_last_word(error, region):
                continue
            self._log.warning(
                "emergency_region_given_up",
                region=region,
                cause=str(error),
                traded=region in self._traded,
            )
            del self._clean[region]
            if region not in self._traded:
                self._problems[region] = ""
        if not self._clean:
            raise NeedsOperator("; ".join(filter(None, self._problems.values())))

    def _is_over(self) -> bool:
        """Whether nothing is open, and nothing could still come up."""
        if any(looks < LOOKS for looks in self._clean.values()):
            return False
        waited_for = self._waited_for()
        if waited_for and not self._told_wait:
            self._told_wait = True
            left = max(map(self._shown_until, waited_for)) - self._session.clock.now()
            self._log.warning(
                "emergency_waits",
                orders=[order.id for order in waited_for],
                seconds=round(left.total_seconds()),
            )
        return not waited_for

    def _doubt(self, region: Region) -> str:
        """Why a region whose last list showed nothing open may not be believed empty."""
        ids = [each.id for each in self._waited_for() if _region(each) is region]
        if ids:
            return f"{', '.join(ids)} may still come up in the list"
        looked = self._clean.get(region, LOOKS)
        return "" if looked >= LOOKS or self._open.get(region) else "not seen empty often enough"

    def _waited_for(self) -> Sequence[Order]:
        """The recorded orders that may be open although no list shows them, where one is asked."""
        now = self._session.clock.now()
        numbered = [each for key, each in self._numbered.items() if key not in self._ended]
        doubted = [each for each in (*numbered, *self._unheard) if _region(each) in self._clean]
        return [order for order in doubted if now < self._shown_until(order)]

    def _shown_until(self, order: Order) -> datetime:
        """When a list that does not show an order proves that it is not open."""
        changed = order.updated_at if order.ref is not None else order.sent_at
        # Nobody has ordered since this began, whatever the clock said then.
        return min(changed or self._begun, self._begun) + DOUBT

    def _learn(self) -> None:
        """A journal that is lost or damaged, in whatever way, keeps nothing alive."""
        try:
            orders = self._recorded()
        except Exception as error:  # noqa: BLE001  its own broken promises included
            self._log.error("journal_unread", cause=str(error) or type(error).__name__)
            self._traded = self._regions
            return
        ordered = {order.intent.instrument for order in orders}
        for region in self._regions:
            self._broker.know(region, [each for each in ordered if region_of(each) is region])
        self._traded |= {region_of(each) for each in ordered}
        self._unheard = [order for order in orders if order.state in UNANSWERED]
        for order in orders:
            # The broker counts anew each day, and no order outlives its own.
            if order.ref is not None and order.ref.day == self._today(_region(order)):
                self._numbered[_key(order, order.ref)] = order

    async def _round(self, region: Region) -> None:
        """Ask for one region's list, and have everything open there cancelled."""
        try:
            listed = await self._broker.orders(self._today(region), regions=(region,))
        except TradingError as error:
            self._clean[region] = 0
            self._problems[region] = str(error)
            self._errors[region] = error
            self._log.error("emergency_list_missing", region=region, cause=str(error))
            await self._cancel_all(self._unlisted(region, ()))
            return
        # Of an order whose first row is missing nothing is told but its number: asked for once.
        found = [each for each in listed if each.remaining > 0 or self._is_unclear(each)]
        self._seen.update(each.key for each in found)
        self._open[region] = found
        self._problems[region] = ""
        unlisted = self._unlisted(region, listed)
        self._clean[region] = 0 if found or unlisted else self._clean[region] + 1
        now = self._session.clock.now()
        ours = [_as_ours(each, self._broker.account_id, now) for each in found]
        await self._cancel_all([*ours, *unlisted])

    def _today(self, region: Region) -> date:
        return self._session.calendars.of(region).local_date(self._session.clock.now())

    def _unlisted(self, region: Region, listed: Sequence[BrokerOrder]) -> Sequence[Order]:
        """The recorded orders to cancel by their number, for the list does not tell of them."""
        rows = {(region, ref.day, ref.number): each for each in listed for ref in each.refs}
        unlisted = []
        for key, order in self._numbered.items():
            row = rows.get(key)
            open_now = row is not None and row.remaining > 0 and _is_about(row, order)
            if key[0] is not region or open_now:
                continue
            if row is not None and row.rooted and row.accounted and _is_about(row, order):
                self._ended.add(key)
            elif key not in self._ended | self._answered:
                unlisted.append(order)
        return unlisted

    def _is_last_word(self, error: TradingError, region: Region) -> bool:
        """Whether asking again is of no use, or of none for a region that nobody trades in."""
        if _is_final(error):
            return region not in self._traded
        return isinstance(error, NeedsOperator)

    def _is_unclear(self, order: BrokerOrder) -> bool:
        return not order.rooted and order.key not in self._seen

    async def _cancel_all(self, orders: Sequence[Order]) -> None:
        await asyncio.gather(*(self._cancel(each) for each in orders))

    async def _cancel(self, order: Order) -> None:
        assert order.ref is not None, "it was found by its number"
        number, key = order.ref.number, _key(order, order.ref)
        try:
            await self._broker.cancel(order, leaving=_pass)
        except TradingError as error:
            # Traded, or cancelled, meanwhile; or not heard of. The next list tells.
            self._log.warning("emergency_cancel_unclear", number=number, cause=str(error))
            if _is_final(error) or self._session.clock.now() >= self._shown_until(order):
                self._answered.add(key)
        else:
            self._answered.add(key)
            self._seen.add(_key(order, order.refs[0]))
            self._log.warning(
                "emergency_cancel_sent",
                number=number,
                instrument=order.intent.instrument,
                side=order.intent.side,
                remaining=order.remaining,
            )
        self._sent += 1


def _pass() -> None:
    """Nothing is written before a cancel leaves: it can only be repeated, never doubled."""


def _is_final(error: TradingError) -> bool:
    return isinstance(error, Refused) and not isinstance(error, TryLater)


def _region(order: Order) -> Region:
    return region_of(order.intent.instrument)


def _is_about(row: BrokerOrder, order: Order) -> bool:
    """Whether a row with an order's number is that order's: two branches may number alike."""
    intent = order.intent
    return (row.instrument, row.side) == (intent.instrument, intent.side)


def _key(order: Order, ref: BrokerRef) -> Key:
    return _region(order), ref.day, ref.number


def _as_ours(listed: BrokerOrder, account: AccountId, now: datetime) -> Order:
    """A row of the broker's list as an order that can be cancelled."""
    intent = listed.intent(account, OWNER, max(listed.quantity, listed.remaining, 1))
    return Order(
        id=OrderId(f"{OWNER}-{listed.refs[-1].number}"),
        intent=intent,
        state=OrderState.WORKING,
        limit=listed.limit,
        refs=listed.refs,
        filled=intent.quantity - max(listed.remaining, 1),
        reduced=0,
        notional=Decimal(0),
        created_at=now,
        updated_at=now,
    )
