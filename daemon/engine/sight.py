"""How fresh one instrument is: what was seen of it on the stream, and what inquiries say."""

from dataclasses import dataclass
from datetime import datetime

from daemon.core.values import OrderBook, Tick, Venue


@dataclass(slots=True)
class Sight:
    """One KRX instrument under watch. Monotonic seconds, `None` for never.

    `ticks` tells whether its trades are wanted at all, and not its book alone. `tick` is the last
    one seen: what it says of the day's volume counts only once a newer one has come.
    """

    fresh_at: float
    tick: Tick | None = None
    ticks: bool = True
    confirmed: bool = False
    unconfirmed_since: float | None = None
    asked_at: float = float("-inf")
    rests_until: float = float("-inf")
    failures: int = 0
    known: int | None = None
    """Shares of the day that strategies know to have traded, by a tick or by the first inquiry
    since the registration was confirmed: what an inquiry counts beyond them is missing."""
    missing_since: float | None = None
    """When an inquiry first knew of trades that the stream had not told."""
    dead: bool = False
    """Trades were missing for certain: only a tick proves that they come again."""
    book: OrderBook | None = None
    book_at: datetime | None = None
    """When the book was last seen to come, or was registered."""
    bookless: bool = False
    """Trades came and the book did not."""

    def begin_anew(self, now: float) -> None:
        """Measure it afresh from now on: what was missed before is known as missed."""
        self.fresh_at, self.known, self.missing_since = now, None, None
        self.confirmed, self.unconfirmed_since = False, None
        self.book_at, self.bookless = None, False

    def see(self, tick: Tick | None, now: float) -> bool:
        """Take in the newest trade; tells whether it is news. Other venues prove nothing."""
        if tick is None or tick is self.tick or tick.venue is not Venue.KRX:
            return False
        self.tick, self.known, self.missing_since = tick, tick.day_volume, None
        self.fresh_at = now
        return True

    def see_book(self, book: OrderBook | None, now: datetime) -> bool:
        """Take in the newest book; tells whether it is news."""
        if book is not None and book is not self.book:
            self.book, self.book_at, self.bookless = book, book.received_at, False
            return True
        if self.book_at is None:
            self.book_at = now
        return False

    def lacks_book(self, limit: float) -> bool:
        """Whether trades go on that the book, known or not, is `limit` seconds behind."""
        if self.tick is None or self.book_at is None:
            return False
        behind = (self.tick.received_at - self.book_at).total_seconds() > limit
        if behind:
            self.book_at, self.bookless = self.tick.received_at, True
        return behind
