"""The last price of every instrument and the limits of its day."""

from datetime import datetime
from decimal import Decimal

from daemon.core.steps import is_fund_step
from daemon.core.values import InstrumentId, MarketStatus, OrderBook, Quote, Tick, Venue
from daemon.ports import InstrumentInfo


class QuoteBoard:
    """What risk checks and strategies ask about prices. In the instrument's currency."""

    def __init__(self) -> None:
        self._last: dict[InstrumentId, Decimal] = {}
        self._ticks: dict[InstrumentId, Tick] = {}
        self._quotes: dict[InstrumentId, Quote] = {}
        self._info: dict[InstrumentId, InstrumentInfo] = {}
        self._learned: dict[InstrumentId, datetime] = {}
        self._halted: dict[InstrumentId, str] = {}
        self._books: dict[InstrumentId, OrderBook] = {}

    def learn(self, info: InstrumentInfo, *, asked_at: datetime | None = None) -> None:
        """Take in what the venue says of an instrument for the day, as it was when it was asked.

        A trade that came since it was asked keeps its price.
        """
        self._info[info.instrument] = info
        if info.last <= 0:
            return
        tick = self._ticks.get(info.instrument)
        if asked_at is not None:
            self._learned[info.instrument] = asked_at
        if asked_at is None or tick is None or tick.received_at < asked_at:
            self._last[info.instrument] = info.last

    def on_tick(self, tick: Tick) -> None:
        """A trade sets the last price: of the KRX, or of another venue as long as it tells none.

        What trades on the KRX is halted no more, whether or not anybody said so.
        """
        if tick.venue is Venue.KRX:
            self._halted.pop(tick.instrument, None)
        else:
            known = self._ticks.get(tick.instrument)
            if known is not None and known.venue is Venue.KRX:
                return
        self._last[tick.instrument] = tick.price
        self._ticks[tick.instrument] = tick

    def on_quote(self, quote: Quote) -> None:
        """So does an inquiry, unless a trade has come since it was asked."""
        self._quotes[quote.instrument] = quote
        tick = self._ticks.get(quote.instrument)
        if tick is None or tick.received_at < quote.asked_at:
            self._last[quote.instrument] = quote.price

    def on_book(self, book: OrderBook) -> None:
        """Keep the newest depth, of the KRX where there is any."""
        if book.venue is not Venue.KRX:
            known = self._books.get(book.instrument)
            if known is not None and known.venue is Venue.KRX:
                return
        self._books[book.instrument] = book

    def last_price(self, instrument: InstrumentId) -> Decimal | None:
        """The last trade's price, `None` before any is known."""
        return self._last.get(instrument)

    def known_at(self, instrument: InstrumentId) -> datetime | None:
        """Since when the last price is known at the latest: a tick came, or a quote was asked."""
        tick, quote = self._ticks.get(instrument), self._quotes.get(instrument)
        known = [at for at in (tick and tick.received_at, quote and quote.asked_at) if at]
        return max(known, default=None)

    def priced_at(self, instrument: InstrumentId) -> datetime | None:
        """The same, where what was learned of the day counts, too."""
        known, learned = self.known_at(instrument), self._learned.get(instrument)
        return learned if known is None else max(known, learned or known)

    def tick(self, instrument: InstrumentId) -> Tick | None:
        """The newest trade the stream told, `None` before the first."""
        return self._ticks.get(instrument)

    def upper_limit(self, instrument: InstrumentId) -> Decimal | None:
        """The highest price of the day, `None` before it is known."""
        info = self._info.get(instrument)
        return info.upper_limit if info is not None else None

    def lower_limit(self, instrument: InstrumentId) -> Decimal | None:
        """The lowest price of the day, `None` before it is known."""
        info = self._info.get(instrument)
        return info.lower_limit if info is not None else None

    def base_price(self, instrument: InstrumentId) -> Decimal | None:
        """The price the day is measured from: the last close. `None` before it is known."""
        info = self._info.get(instrument)
        return info.base if info is not None and info.base > 0 else None

    def on_status(self, status: MarketStatus) -> None:
        """Remember which may not trade on the KRX, where orders go, as far as anybody listens."""
        if status.venue is not Venue.KRX:
            return
        if status.halted:
            self._halted[status.instrument] = status.reason or status.code
        else:
            self._halted.pop(status.instrument, None)

    def forget_halts(self) -> None:
        """The stream is lost: the end of a halt is not told again, and may be missed."""
        self._halted.clear()

    def halted(self, instrument: InstrumentId) -> str:
        """Why the instrument may not trade, in the broker's words; empty as far as is known."""
        return self._halted.get(instrument, "")

    def is_fund(self, instrument: InstrumentId) -> bool:
        """Whether the venue's price step is that of ETF and ETN and not that of a stock.

        Below 5,000 KRW both tables agree, so a fund there counts as a stock, which is no harm.
        """
        info = self._info.get(instrument)
        return info is not None and is_fund_step(info.last, info.step)

    def book(self, instrument: InstrumentId) -> OrderBook | None:
        """The newest depth, `None` before the first."""
        return self._books.get(instrument)
