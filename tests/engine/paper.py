"""A small broker in memory, whose answers a test can lose, delay or refuse."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

from daemon.core.calendar import price_step
from daemon.core.errors import OutcomeUnknown, Refused, TryLater
from daemon.core.events import AccountReported, Event, Holding, OrderKind
from daemon.core.orders import Order
from daemon.core.values import (
    AccountId,
    Bar,
    BrokerRef,
    Currency,
    InstrumentId,
    Interest,
    Level,
    LinkUp,
    OrderBook,
    Region,
    Side,
    Tick,
    currency_of,
    region_of,
)
from daemon.core.witness import BrokerNotice, BrokerOrder, NoticeKind
from daemon.core.zones import local_date
from daemon.ports import Checkpoint, Clock, FeedEvent, InstrumentInfo
from daemon.store.images import decode, encode
from tests.builders import ACCOUNT

PRICE = Decimal(70_000)


class Answer(Enum):
    """What becomes of the next order, modify or cancel request."""

    GOOD = auto()
    REFUSED = auto()
    TRY_LATER = auto()
    NOT_SENT = auto()
    LOST_BEFORE = auto()
    LOST_AFTER = auto()


@dataclass
class Kept:
    """An order as the paper broker keeps it."""

    numbers: list[str]
    instrument: InstrumentId
    side: Side
    quantity: int
    limit: Decimal | None
    ordered_at: datetime
    filled: int = 0
    notional: Decimal = Decimal(0)
    cancelled: int = 0
    rejected: int = 0

    @property
    def remaining(self) -> int:
        return self.quantity - self.filled - self.cancelled - self.rejected


@dataclass
class PaperBroker:
    """`ports.Broker` and `ports.MarketData`; notices go to `emit` at once."""

    clock: Clock
    cash: Decimal = Decimal(100_000_000)
    dollars: Decimal | None = None
    emit: Callable[[FeedEvent], None] = lambda event: None
    fill_at_once: bool = True
    latency: float = 0.05
    inquiry_fails: int = 0
    market_fails: int = 0
    volumes: dict[InstrumentId, int] = field(default_factory=dict)
    prices: dict[InstrumentId, Decimal] = field(default_factory=dict)
    asked: list[InstrumentId] = field(default_factory=list)
    unknown: set[InstrumentId] = field(default_factory=set)
    account_id: AccountId = ACCOUNT
    regions: Sequence[Region] = (Region.KR,)
    mute_lists: set[Region] = field(default_factory=set)
    mute_balances: set[Region] = field(default_factory=set)
    mute_for: float = 0.0
    shows_nothing: set[Region] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    holdings: dict[InstrumentId, int] = field(default_factory=dict)
    costs: dict[InstrumentId, Decimal] = field(default_factory=dict)
    mute: bool = False
    ours: dict[Region, set[InstrumentId]] = field(default_factory=dict)
    told: list[BrokerNotice] = field(default_factory=list)
    not_ready: str = ""
    numbers: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def unready(self) -> str:
        return self.not_ready

    async def place(self, order: Order, *, leaving: Callable[[], None]) -> BrokerRef:
        answer = await self._receive(leaving)
        kept = Kept(
            numbers=[self._number()],
            instrument=order.intent.instrument,
            side=order.intent.side,
            quantity=order.intent.quantity,
            limit=order.limit,
            ordered_at=self.clock.now(),
        )
        if answer is not Answer.LOST_BEFORE:
            self.remember()
            self.kept.append(kept)
            self.tell(kept, NoticeKind.ACCEPTED, kept.quantity, kept.limit)
            if self.fill_at_once:
                self.fill(kept, kept.quantity)
        await self._reply(answer)
        return self._ref(kept.numbers[0], kept)

    async def modify(
        self, order: Order, limit: Decimal, *, leaving: Callable[[], None]
    ) -> BrokerRef:
        answer = await self._receive(leaving)
        kept = self._find(order)
        if answer is not Answer.LOST_BEFORE:
            old = kept.numbers[-1]
            kept.numbers.append(self._number())
            kept.limit = limit
            self.tell(
                kept, NoticeKind.MODIFIED, kept.remaining, limit, about=old, new=kept.numbers[-1]
            )
        await self._reply(answer)
        return self._ref(kept.numbers[-1], kept)

    async def cancel(self, order: Order, *, leaving: Callable[[], None]) -> None:
        answer = await self._receive(leaving)
        kept = self._find(order)
        if answer is not Answer.LOST_BEFORE:
            if kept.remaining == 0:
                raise Refused("NOTHING_LEFT", "filled or cancelled already")
            left = kept.remaining
            kept.cancelled += left
            self.tell(kept, NoticeKind.CANCELLED, left, None)
        await self._reply(answer)

    def know(self, region: Region, ours: Iterable[InstrumentId]) -> None:
        self.ours[region] = set(ours)

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        asked = self.regions if regions is None else regions
        await self._inquired(asked, self.mute_lists)
        rows = self._rows(self.kept, since)
        return [row for row in rows if row.region in asked]

    def _rows(self, orders: Sequence[Kept], since: date) -> list[BrokerOrder]:
        return [
            BrokerOrder(
                refs=tuple(self._ref(number, kept) for number in kept.numbers),
                instrument=kept.instrument,
                side=kept.side,
                quantity=kept.quantity,
                limit=kept.limit,
                first_limit=kept.limit,
                rooted=True,
                filled=kept.filled,
                notional=kept.notional,
                remaining=kept.remaining,
                cancelled=kept.quantity - kept.filled - kept.rejected - kept.remaining,
                rejected=kept.rejected,
                ordered_at=kept.ordered_at,
            )
            for kept in orders
            if local_date(region_of(kept.instrument), kept.ordered_at) >= since
        ]

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        asked = self.regions if regions is None else regions
        await self._inquired(asked, self.mute_balances)
        shown = [each for each in asked if each not in self.shows_nothing]
        return AccountReported(
            account=self.account_id,
            cash={
                each.currency: self.purses().get(each.currency, Decimal(0))
                if each in shown
                else Decimal(0)
                for each in asked
            },
            holdings=tuple(
                Holding(instrument=each, quantity=held, cost=self.costs.get(each, PRICE * held))
                for each, held in sorted(self.holdings.items())
                if held and region_of(each) in shown
            ),
            at=self.clock.now(),
        )

    def purses(self) -> dict[Currency, Decimal]:
        """Won, and dollars where there are any."""
        purses = {Currency.KRW: self.cash}
        return purses if self.dollars is None else {**purses, Currency.USD: self.dollars}

    async def orderable_cash(
        self, instrument: InstrumentId, kind: OrderKind, limit: Decimal | None
    ) -> Decimal:
        return self.cash

    async def info(self, instrument: InstrumentId) -> InstrumentInfo:
        await self._asked_about(instrument)
        volume, last = self.volumes.get(instrument, 0), self.prices.get(instrument, PRICE)
        return InstrumentInfo(
            instrument, last, PRICE, PRICE * 13 / 10, PRICE * 7 / 10, price_step(last), volume
        )

    async def order_book(self, instrument: InstrumentId) -> OrderBook:
        await self._asked_about(instrument)
        now = self.clock.now()
        return OrderBook(instrument, (Level(PRICE - 100, 10),), (Level(PRICE, 10),), now, now)

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        return []

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        await self._asked_about(instrument)
        minute = self.clock.now().replace(second=0, microsecond=0)
        return [
            Bar(instrument, minute - timedelta(minutes=back), PRICE, PRICE, PRICE, PRICE, 10)
            for back in reversed(range(count))
        ]

    def fill(self, kept: Kept, quantity: int, price: Decimal | None = None) -> None:
        """Trade some of an order, and say so unless `mute`."""
        self.remember()
        price = price or kept.limit or PRICE
        kept.filled += quantity
        kept.notional += price * quantity
        if currency_of(kept.instrument) is Currency.USD:
            assert self.dollars is not None
            self.dollars -= kept.side.sign * price * quantity
        else:
            self.cash -= kept.side.sign * price * quantity
        held = self.holdings.get(kept.instrument, 0) + kept.side.sign * quantity
        self.holdings[kept.instrument] = held
        self.tell(kept, NoticeKind.FILLED, quantity, price)

    def remember(self) -> None:
        """Called before what is true changes."""

    def by_hand(self, instrument: InstrumentId, quantity: int) -> Kept:
        """The account holder buys in the app."""
        kept = Kept([self._number()], instrument, Side.BUY, quantity, PRICE, self.clock.now())
        self.kept.append(kept)
        self.tell(kept, NoticeKind.ACCEPTED, quantity, PRICE)
        self.fill(kept, quantity)
        return kept

    def tell(
        self,
        kept: Kept,
        kind: NoticeKind,
        quantity: int,
        price: Decimal | None,
        *,
        about: str | None = None,
        new: str | None = None,
    ) -> None:
        if self.mute:
            return
        now = self.clock.now()
        self.told.append(
            BrokerNotice(
                account=self.account_id,
                kind=kind,
                branch="06010",
                number=about or kept.numbers[-1],
                new_number=new,
                instrument=kept.instrument,
                side=kept.side,
                quantity=quantity,
                price=price,
                exchange_time=now.replace(microsecond=0),
                received_at=now + timedelta(milliseconds=1),
            )
        )
        self.emit(self.told[-1])

    async def _receive(self, leaving: Callable[[], None]) -> Answer:
        answer = self.answers.pop(0) if self.answers else Answer.GOOD
        if answer is Answer.NOT_SENT:
            raise TryLater("NOT_SENT", "no connection", delay=1.0)
        leaving()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        if answer is Answer.REFUSED:
            raise Refused("NO_MONEY", "not enough money")
        if answer is Answer.TRY_LATER:
            raise TryLater("TOKEN", "the token had expired", delay=0.0)
        return answer

    async def _reply(self, answer: Answer) -> None:
        await asyncio.sleep(self.latency)
        if answer in (Answer.LOST_BEFORE, Answer.LOST_AFTER):
            await asyncio.sleep(5.0)
            raise OutcomeUnknown("no answer in time")

    async def _inquired(self, asked: Sequence[Region], mute: set[Region]) -> None:
        await asyncio.sleep(self.latency)
        if mute & set(asked):
            await asyncio.sleep(self.mute_for)
            raise TryLater("MUTE", f"no answer about {sorted(mute)}", delay=1.0)
        if self.inquiry_fails:
            self.inquiry_fails -= 1
            raise TryLater("BUSY", "try again", delay=1.0)

    async def _asked_about(self, instrument: InstrumentId) -> None:
        await asyncio.sleep(self.latency)
        self.asked.append(instrument)
        if instrument in self.unknown:
            raise Refused("NO_SUCH", "no such instrument")
        if self.market_fails:
            self.market_fails -= 1
            raise TryLater("BUSY", "try again", delay=1.0)

    def _number(self) -> str:
        self.numbers += 1
        return str(self.numbers)

    def _find(self, order: Order) -> Kept:
        assert order.ref is not None
        return next(kept for kept in self.kept if order.ref.number in kept.numbers)

    def _ref(self, number: str, kept: Kept) -> BrokerRef:
        day = local_date(region_of(kept.instrument), kept.ordered_at)
        return BrokerRef(day=day, branch="06010", number=number)


@dataclass
class LaggingBroker(PaperBroker):
    """Its list and its balance show what was true some seconds ago; notices come at once.

    `reports` are said instead of the next balances, `None` for the true one.
    """

    list_lag: float = 0.0
    balance_lag: float = 0.0
    reports: list[AccountReported | None] = field(default_factory=list)
    balances_asked: int = 0
    _past: list[tuple[float, list[Kept], AccountReported]] = field(default_factory=list)

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        rows = await super().orders(since, regions=regions)
        then = self._at(self.list_lag)
        return rows if then is None else self._rows(then[0], since)

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        self.balances_asked += 1
        report = await super().account(regions=regions)
        said = self.reports.pop(0) if self.reports else None
        if said is not None:
            return said
        then = self._at(self.balance_lag)
        return report if then is None else replace(then[1], at=report.at)

    def remember(self) -> None:
        """Keep what is true until now: what lags goes on to show it."""
        report = AccountReported(
            account=self.account_id,
            cash=self.purses(),
            holdings=tuple(
                Holding(instrument=each, quantity=held, cost=PRICE * held)
                for each, held in sorted(self.holdings.items())
                if held
            ),
            at=self.clock.now(),
        )
        self._past.append((self.clock.monotonic(), deepcopy(self.kept), report))

    def _at(self, lag: float) -> tuple[list[Kept], AccountReported] | None:
        """What was true `lag` seconds ago, `None` if it still is."""
        seen = self.clock.monotonic() - lag
        later = [(kept, report) for until, kept, report in self._past if until > seen]
        return later[0] if later else None


class PaperFeed:
    """`ports.Feed`: comes up at once, and says whatever a test gives it."""

    def __init__(self, broker: PaperBroker, clock: Clock) -> None:
        self.wanted: list[Interest] = []
        self.refused: set[Interest] = set()
        self.renewed: list[Interest] = []
        self.given_up: list[str] = []
        self._broker = broker
        self._clock = clock
        self.emit: Callable[[FeedEvent], None] = lambda event: None

    def want(self, interests: Sequence[Interest]) -> None:
        self.wanted = list(interests)

    @property
    def confirmed(self) -> set[Interest]:
        return set(self.wanted) - self.refused

    def canonical(self, interest: Interest) -> Interest:
        if not interest.channel.isalpha():
            raise ValueError(f"no channel {interest.channel!r}")
        return interest

    def renew(self, interest: Interest) -> None:
        self.renewed.append(interest)

    def reconnect(self, cause: str) -> None:
        self.given_up.append(cause)

    async def run(self, emit: Callable[[FeedEvent], None]) -> None:
        self.emit = self._broker.emit = emit
        emit(LinkUp(self._clock.now(), None))
        await asyncio.Event().wait()

    def trade(self, instrument: InstrumentId, price: Decimal = PRICE, *, told: bool = True) -> None:
        """A trade on the market, as the stream tells it, or keeps to itself."""
        now = self._clock.now()
        volume = self._broker.volumes[instrument] = self._broker.volumes.get(instrument, 0) + 1
        self._broker.prices[instrument] = price
        if told:
            at = now - timedelta(milliseconds=5)
            self.emit(Tick(instrument, price, 1, Side.BUY, volume, at, now))

    def depth(self, instrument: InstrumentId) -> None:
        """The order book, as the stream tells it."""
        now = self._clock.now()
        self.emit(OrderBook(instrument, (Level(PRICE - 100, 10),), (Level(PRICE, 10),), now, now))


class MemoryJournal:
    """`ports.Journal` without a disk; `full` makes every write fail."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.events = list(events)
        self.full = False
        self.probes = 0
        self.kept: bytes | None = None

    def append(self, events: Sequence[Event]) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.events += events

    def replay(self) -> Sequence[Event]:
        return list(self.events)

    def probe(self) -> None:
        self.probes += 1
        if self.full:
            raise OSError("no space left on device")

    def checkpoint(self) -> tuple[Checkpoint, Sequence[Event]] | None:
        if self.kept is None:
            return None
        kept = decode(self.kept)
        return kept, self.events[kept.facts :]

    def compact(self, checkpoint: Checkpoint) -> None:
        if self.full:
            raise OSError("no space left on device")
        assert checkpoint.facts == len(self.events)
        self.kept = encode(checkpoint)
