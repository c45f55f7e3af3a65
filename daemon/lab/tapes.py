"""A tape in place of the broker: its time, its stream, and an account that nothing happens to."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from time import perf_counter

from daemon.core.calendar import KST
from daemon.core.errors import BadData, Refused
from daemon.core.events import AccountReported, OrderKind
from daemon.core.orders import Order
from daemon.core.values import (
    AccountId,
    Bar,
    BrokerRef,
    Currency,
    InstrumentId,
    Interest,
    LinkDown,
    LinkUp,
    OrderBook,
    Region,
)
from daemon.core.witness import BrokerNotice, BrokerOrder
from daemon.kis.channels import interest_of, registration_of
from daemon.kis.control import Ack, decode_control
from daemon.kis.frames import FrameDecoder
from daemon.kis.spec import NOTICE_CHANNELS, Environment
from daemon.ports import Clock, FeedEvent, InstrumentInfo
from daemon.store.tapefile import TapeFrame

GAP = 130.0
"""Seconds without a frame after which a live stream is given up for dead."""

ACCOUNT = "00000000-01"
"""Whose tape it is does not matter."""


@dataclass
class Figures:
    """What a tape held, and what became of it."""

    frames: int = 0
    control: int = 0
    sealed: int = 0
    undecodable: int = 0
    reconnects: int = 0
    lost: int = 0
    events: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[datetime, datetime]] = field(default_factory=list)
    torn: dict[str, str] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    seconds: float = 0.0


class TapeClock:
    """`ports.Clock`: the tape's time, which stands at the next frame until that has come."""

    known = True
    sure_since = float("-inf")

    def __init__(self, start: datetime, speed: float) -> None:
        self._at = self._next = start
        self._reached = 0.0
        self._speed = speed

    def now(self) -> datetime:
        """Aware UTC."""
        passed = timedelta(seconds=(self.monotonic() - self._reached) * self._speed)
        return min(self._at + passed, self._next)

    def monotonic(self) -> float:
        """Seconds of the loop."""
        return asyncio.get_running_loop().time()

    def expect(self, at: datetime) -> None:
        """The next frame is of `at`."""
        self._next = max(at, self._at)

    def reach(self, at: datetime) -> None:
        """It is `at` now, also where the daemon's own clock was once set back."""
        self._at = self._next = at
        self._reached = self.monotonic()


class TapeFeed:
    """`ports.Feed` from tapes: every frame through the real decoder, in order, at its time.

    Order notices are of another account's orders: sealed ones cannot be read, and others are
    counted and kept from the desk. A night between two days is not waited for.
    """

    def __init__(
        self, frames: Iterable[TapeFrame], clock: TapeClock, figures: Figures, *, speed: float
    ) -> None:
        self.figures = figures
        self.over = asyncio.Event()
        self._frames = frames
        self._clock = clock
        self._speed = speed
        self._go = asyncio.Event()
        self._decoder = FrameDecoder(AccountId(ACCOUNT))
        self._gap = timedelta(seconds=GAP)
        self._day: date | None = None
        self._origin = (0.0, clock.now())
        self._flows = False
        self._wanted: frozenset[Interest] = frozenset()

    @property
    def confirmed(self) -> Collection[Interest]:
        """A tape holds what was registered then: nothing more can be had."""
        return self._wanted

    def want(self, interests: Sequence[Interest]) -> None:
        """See `Feed.want`; what the tape does not hold stays silent."""
        self._wanted = frozenset(interests)

    def canonical(self, interest: Interest) -> Interest:
        """See `Feed.canonical`."""
        return interest_of(*registration_of(interest, Environment.REAL))

    def renew(self, interest: Interest) -> None:
        """What was silent then stays silent."""

    def reconnect(self, cause: str) -> None:
        """Whatever was lost then stays lost."""

    def play(self) -> None:
        """Begin: until then the feed is up and silent."""
        self._go.set()

    async def run(self, emit: Callable[[FeedEvent], None]) -> None:
        """See `Feed.run`; `over` is set when the tapes have come to their end."""
        emit(LinkUp(self._clock.now(), None))
        await self._go.wait()
        began = perf_counter()
        for at, frame in self._frames:
            await self._wait(at)
            before = self._note(at)
            self._deliver(frame, at, before, emit)
            self.figures.seconds = perf_counter() - began
        self.over.set()
        await asyncio.Event().wait()

    async def _wait(self, at: datetime) -> None:
        """Let time pass until `at`, and others act on what has come before."""
        day = at.astimezone(KST).date()
        if day != self._day:
            self._day = day
            self._origin = (self._clock.monotonic(), at)
        self._clock.expect(at)
        since, start = self._origin
        due = since + (at - start).total_seconds() / self._speed
        await asyncio.sleep(max(due - self._clock.monotonic(), 0.0))
        self._clock.reach(at)

    def _note(self, at: datetime) -> datetime:
        """Count a frame; returns the instant of the one before."""
        figures = self.figures
        before = figures.last or at
        figures.frames += 1
        figures.first = figures.first or at
        figures.last = at
        if at - before > self._gap and before.astimezone(KST).date() == self._day:
            figures.gaps.append((before, at))
        return before

    def _deliver(
        self,
        frame: str | bytes,
        at: datetime,
        before: datetime,
        emit: Callable[[FeedEvent], None],
    ) -> None:
        figures = self.figures
        try:
            text = frame if isinstance(frame, str) else frame.decode()
            if text[:1] == "{":
                figures.control += 1
                if self._is_new_connection(text):
                    emit(LinkDown(before, "the recorded connection was lost"))
                    emit(LinkUp(at, before))
                return
            self._flows = True
            if text[:2] == "1|":
                figures.sealed += 1
                return
            events = self._decoder.decode(text, at)
        except (BadData, UnicodeDecodeError):
            figures.undecodable += 1
            return
        for event in events:
            figures.events[type(event).__name__] += 1
            if not isinstance(event, BrokerNotice):
                emit(event)

    def _is_new_connection(self, text: str) -> bool:
        """Whether the notice channel is confirmed after data have flowed: it is asked for first."""
        message = decode_control(text)
        self.figures.events[type(message).__name__] += 1
        if not isinstance(message, Ack) or message.channel not in NOTICE_CHANNELS.values():
            return False
        again, self._flows = self._flows, False
        self.figures.reconnects += again
        return again


def _nothing_is_sent() -> Refused:
    return Refused("REPLAY", "a tape takes no orders and answers no inquiries")


class TapeBroker:
    """`ports.Broker` and `ports.MarketData` of a tape: an account of cash, and every order refused.

    Risk judges orders as live; those it lets pass are refused for good before they leave.
    """

    def __init__(self, account: AccountId, cash: Decimal, clock: Clock) -> None:
        self.account_id = account
        self._cash = cash
        self._clock = clock

    def unready(self) -> str:
        """See `Broker.unready`."""
        return ""

    async def place(self, order: Order, *, leaving: Callable[[], None]) -> BrokerRef:
        """See `Broker.place`."""
        raise _nothing_is_sent()

    async def modify(
        self, order: Order, limit: Decimal, *, leaving: Callable[[], None]
    ) -> BrokerRef:
        """See `Broker.modify`."""
        raise _nothing_is_sent()

    async def cancel(self, order: Order, *, leaving: Callable[[], None]) -> None:
        """See `Broker.cancel`."""
        raise _nothing_is_sent()

    @property
    def regions(self) -> Sequence[Region]:
        """See `Broker.regions`."""
        return (Region.KR,)

    def know(self, region: Region, ours: Iterable[InstrumentId]) -> None:
        """See `Broker.know`."""

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        """See `Broker.orders`."""
        return ()

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        """See `Broker.account`."""
        return AccountReported(
            account=self.account_id,
            cash={Currency.KRW: self._cash},
            holdings=(),
            at=self._clock.now(),
        )

    async def orderable_cash(
        self, instrument: InstrumentId, kind: OrderKind, limit: Decimal | None
    ) -> Decimal:
        """See `Broker.orderable_cash`."""
        return self._cash

    async def info(self, instrument: InstrumentId) -> InstrumentInfo:
        """See `MarketData.info`."""
        raise _nothing_is_sent()

    async def order_book(self, instrument: InstrumentId) -> OrderBook:
        """See `MarketData.order_book`."""
        raise _nothing_is_sent()

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """See `MarketData.daily_bars`."""
        raise _nothing_is_sent()

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """See `MarketData.minute_bars`."""
        raise _nothing_is_sent()
