"""The single writer: journal, then apply, then publish. Nobody else changes state."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from daemon.clock import WallClock
from daemon.core.errors import InvariantBroken, JournalFailed
from daemon.core.events import AccountReported, Event, OrderCreated
from daemon.core.histogram import Histogram
from daemon.core.portfolio import Portfolio
from daemon.core.values import OrderId
from daemon.ports import Journal

PROGRESS = 1000
"""Facts: some 20 ms of a recovery, and a second where the machine is very slow."""


class Ledger:
    """Records facts.

    `record` is synchronous: when it returns, the facts are durable, the portfolio shows them
    and every listener has been told. When it raises, none of that happened. `busy` adds up the
    seconds of `monotonic` that the journal took: whoever records is not to blame for a slow disk.
    """

    def __init__(
        self, journal: Journal, monotonic: Callable[[], float] = WallClock.monotonic
    ) -> None:
        self.portfolio = Portfolio()
        self._journal = journal
        self._listeners: list[Callable[[Event], None]] = []
        self._followers: list[Callable[[Event], None]] = []
        self._minted: dict[date, int] = {}
        self._replacing: Callable[[Callable[[], None]], None] = _at_once
        self._untold: deque[Event] = deque()
        self.recorded = 0
        self.busy = 0.0
        self.commits = Histogram()
        self._monotonic = monotonic
        self._probed = 0

    def recover(self, on_progress: Callable[[int], None] = lambda _: None) -> int:
        """Fold the journal into the portfolio; returns the number of facts.

        Nothing else runs meanwhile. `on_progress` is told the number so far, before the first and
        then every `PROGRESS` facts.
        """
        facts = 0
        for event in self._journal.replay():
            if facts % PROGRESS == 0:
                on_progress(facts)
            self.portfolio.apply(event)
            self._count(event)
            for follower in self._followers:
                follower(event)
            facts += 1
        return facts

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every fact recorded from now on. It must not raise."""
        self._listeners.append(listener)

    def follow(self, follower: Callable[[Event], None]) -> None:
        """As `listen`, and called with the facts of the journal, too, when it is recovered."""
        self._followers.append(follower)
        self._listeners.append(follower)

    def watch_adoption(self, around: Callable[[Callable[[], None]], None]) -> None:
        """Have `around` carry out each replacement of the books by the broker's, to see what it
        changes. It must call what it is given, once, and record nothing.
        """
        self._replacing = around

    def record(self, *events: Event) -> None:
        """Make `events` durable in one commit, apply them, tell the listeners.

        Raises `InvariantBroken` before anything is written when an event contradicts the
        books, and `JournalFailed` when the disk refuses.
        """
        self.portfolio.verify(events)
        for event in events:
            if isinstance(event, OrderCreated):
                _minted(event.order)
        began = self._monotonic()
        try:
            self._journal.append(events)
        except OSError as error:
            raise JournalFailed(str(error)) from error
        finally:
            took = self._monotonic() - began
            self.busy += took
            self.commits.observe(took)
        for event in events:
            if isinstance(event, AccountReported):
                self._replacing(partial(self.portfolio.apply, event))
            else:
                self.portfolio.apply(event)
            self._count(event)
        self.recorded += len(events)
        self._tell(events)

    def probe(self) -> None:
        """Find out whether the journal still takes facts; raises `OSError` when it does not.

        What was recorded since the last time is proof enough, and costs nothing.
        """
        if self.recorded == self._probed:
            self._journal.probe()
        self._probed = self.recorded

    def _tell(self, events: Sequence[Event]) -> None:
        """Tell every listener every fact in order, also those a listener itself records."""
        telling = bool(self._untold)
        self._untold.extend(events)
        if telling:
            return
        while self._untold:
            for listener in self._listeners:
                listener(self._untold[0])
            self._untold.popleft()

    def mint(self, day: date, count: int) -> list[OrderId]:
        """The next `count` order ids of a trading day; the same after a replay."""
        first = self._minted.get(day, 0) + 1
        return [OrderId(f"{day:%Y%m%d}-{number:04}") for number in range(first, first + count)]

    def _count(self, event: Event) -> None:
        if isinstance(event, OrderCreated):
            day, number = _minted(event.order)
            self._minted[day] = max(self._minted.get(day, 0), number)


def _at_once(change: Callable[[], None]) -> None:
    change()


def _minted(order: OrderId) -> tuple[date, int]:
    """The day and number of an id; raises `InvariantBroken` for one `mint` never made."""
    day, _, number = order.partition("-")
    try:
        return date.fromisoformat(day), int(number)
    except ValueError as error:
        raise InvariantBroken(f"order id {order!r} was not minted here") from error
