"""The single writer: journal, then apply, then publish. Nobody else changes state."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import partial

from daemon.clock import WallClock
from daemon.core.errors import InvariantBroken, JournalFailed
from daemon.core.events import AccountReported, Event, OrderCreated
from daemon.core.histogram import Histogram
from daemon.core.portfolio import Portfolio
from daemon.core.profit import ProfitBook
from daemon.core.values import OrderId
from daemon.ports import Checkpoint, Journal

PROGRESS = 1000
"""Facts: some 20 ms of a recovery, and a second where the machine is very slow."""


class Ledger:
    """Records facts.

    `record` is synchronous: when it returns, the facts are durable, the portfolio shows them
    and every listener has been told. When it raises, none of that happened. `profit`, where it is
    counted, is folded beside the portfolio, and may be read at any time. `busy` adds up the seconds
    of `monotonic` that the journal took: whoever records is not to blame for a slow disk.
    """

    def __init__(
        self,
        journal: Journal,
        monotonic: Callable[[], float] = WallClock.monotonic,
        profit: ProfitBook | None = None,
    ) -> None:
        self.portfolio = Portfolio()
        self.profit = profit
        self._journal = journal
        self._listeners: list[Callable[[Event], None]] = []
        self._minted: dict[date, int] = {}
        self._replacing: Callable[[Callable[[], None]], None] = _at_once
        self._untold: deque[Event] = deque()
        self.recorded = 0
        self._facts = 0
        self._read = 0
        self.busy = 0.0
        self.commits = Histogram()
        self._monotonic = monotonic
        self._probed = 0

    def recover(self, on_progress: Callable[[int], None] = lambda _: None) -> int:
        """Make the books what the journal says; returns how many facts had to be read for it.

        Nothing else runs meanwhile. `on_progress` is told the number so far, before the first and
        then every `PROGRESS` facts.
        """
        for event in self._begin():
            if self._read % PROGRESS == 0:
                on_progress(self._read)
            self.portfolio.apply(event)
            self._count(event)
            self._read += 1
        self._facts += self._read
        return self._read

    @property
    def backlog(self) -> int:
        """How many facts the next start has to read, at most."""
        return self._read + self.recorded

    def compact(self) -> None:
        """Have the journal keep the books as they are, so that the next start begins with them.

        Raises `JournalFailed` when the disk refuses: the journal is as it was.
        """
        profit = None if self.profit is None else self.profit.image()
        began = self._monotonic()
        try:
            self._journal.compact(
                Checkpoint(
                    facts=self._facts,
                    minted=self._minted,
                    portfolio=self.portfolio.image(),
                    profit=profit,
                )
            )
        except OSError as error:
            raise JournalFailed(str(error)) from error
        finally:
            self.busy += self._monotonic() - began
        self._read = -self.recorded

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every fact recorded from now on. It must not raise."""
        self._listeners.append(listener)

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
        self._facts += len(events)
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

    def _begin(self) -> Iterable[Event]:
        """The facts that are to be folded: those after a checkpoint, if one will do, or all."""
        kept = self._journal.checkpoint()
        if kept is not None and self._restore(kept[0]):
            return kept[1]
        return self._journal.replay()

    def _restore(self, kept: Checkpoint) -> bool:
        """Begin with a checkpoint, if it has all that is wanted."""
        if self.profit is not None:
            if kept.profit is None or kept.profit["basis"] != self.profit.basis:
                return False
            self.profit.restore(kept.profit)
        self.portfolio.restore(kept.portfolio)
        self._minted = dict(kept.minted)
        self._facts = kept.facts
        return True

    def _count(self, event: Event) -> None:
        """What is folded beside the portfolio."""
        if self.profit is not None:
            self.profit.apply(event)
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
