"""What one app key opens at the broker: tokens and keys, a place on the stream, what it is told."""

from collections import defaultdict
from collections.abc import Iterable
from random import Random

from daemon.core.calendar import Phase
from daemon.kis.channels import CHANNELS, Kind
from daemon.kis.spec import BOOK_CHANNEL, TRADES_CHANNEL
from daemon.sim.facts import OrderFact
from daemon.sim.frames import book_frame, trade_frames, trade_record
from daemon.sim.keys import KeyOffice
from daemon.sim.market import Market
from daemon.sim.options import Customer, SimulatorOptions
from daemon.sim.other_channels import OtherChannels
from daemon.sim.overseas_feed import OverseasFeed
from daemon.sim.rest_keys import KeyDesk
from daemon.sim.stream_wire import StreamWire
from daemon.sim.tape import Traded

BOOK_SPACING = 0.2
"""Least real seconds between two book frames of one symbol."""


def _with_mirrors(main: str, kind: Kind) -> tuple[str, ...]:
    """A channel of KRX, and those of the other venue and of both, which repeat it here."""
    others = (channel.tr_id for channel in CHANNELS if channel.kind is kind)
    return (main, *(tr_id for tr_id in others if tr_id != main))


_TRADES = _with_mirrors(TRADES_CHANNEL, Kind.TRADES)
_BOOKS = _with_mirrors(BOOK_CHANNEL, Kind.BOOK)


class Reception:
    """One customer's side of the broker.

    What the markets did is collected here until `frames` makes of it what the holder of the
    stream's place has registered. `random` is the source of tokens and keys.
    """

    def __init__(
        self,
        customer: Customer,
        options: SimulatorOptions,
        market: Market,
        overseas: Market,
        random: Random,
    ) -> None:
        self.customer = customer
        self.keys = KeyOffice(random, options.token_interval)
        self.desk = KeyDesk(customer, self.keys)
        self.stream = StreamWire(customer, options, self.keys)
        self._market = market
        self._overseas = overseas
        self._feed = OverseasFeed(overseas, self.stream)
        self._others = OtherChannels(market, options.seed, elsewhere=self._feed.keys)
        self._trades: list[Traded] = []
        self._dirty: set[str] = set()
        self._book_sent: dict[str, float] = {}

    def collect(self, trades: Iterable[Traded], touched: set[str]) -> None:
        """Keep what happened in Korea; no trades while nobody listens."""
        self._dirty |= touched
        if self.stream.holder is not None:
            self._trades.extend(trades)

    def collect_overseas(self, trades: Iterable[Traded], touched: set[str]) -> None:
        """Keep what happened in America."""
        self._feed.collect(trades, touched)

    def frames(
        self, monotonic: float, changes: Iterable[Phase], facts: Iterable[OrderFact]
    ) -> list[str]:
        """Everything to be sent now, in order; `facts` are those of the customer's orders."""
        trades, self._trades = self._trades, []
        frames = self._trade_frames(trades)
        frames.extend(self._book_frames(monotonic))
        frames.extend(self._feed.frames(monotonic))
        frames.extend(self._others.frames(self.stream.others, changes))
        for fact in facts:
            code = fact.order.request.code
            if code in self._overseas.listings:
                frames.extend(self.stream.overseas_notices(fact, self._overseas.listings[code]))
            else:
                frames.extend(self.stream.notices(fact, self._market.listings[code].name))
        return frames

    def _wanting(self, channels: tuple[str, ...], code: str) -> tuple[str, ...]:
        """Which of a KRX channel and its mirrors `code` is registered on."""
        wanted = channels if self.stream.others else channels[:1]
        return tuple(channel for channel in wanted if self.stream.wants(channel, code))

    def _trade_frames(self, trades: list[Traded]) -> list[str]:
        by_code: dict[str, list[str]] = defaultdict(list)
        market = self._market
        for traded in trades:
            if self._wanting(_TRADES, traded.code):
                by_code[traded.code].append(
                    trade_record(
                        traded,
                        day=market.day,
                        base=market.exchange.stocks[traded.code].base,
                        yesterday=market.yesterday[traded.code],
                        listed=market.listings[traded.code].shares,
                        after=traded.time >= market.after_from,
                    )
                )
        return [
            frame
            for code, records in by_code.items()
            for channel in self._wanting(_TRADES, code)
            for frame in trade_frames(records, channel)
        ]

    def _book_frames(self, monotonic: float) -> list[str]:
        frames: list[str] = []
        market = self._market
        for code in sorted(self._dirty):
            channels = self._wanting(_BOOKS, code)
            if not channels:
                self._dirty.discard(code)
                continue
            if monotonic - self._book_sent.get(code, -1.0) < BOOK_SPACING:
                continue
            self._dirty.discard(code)
            self._book_sent[code] = monotonic
            view, auction = market.view(code), not market.trades_on(code)
            base = market.exchange.stocks[code].base
            time, day = market.local_time, market.day
            frames.extend(
                book_frame(view, time, base, day=day, auction=auction, channel=channel)
                for channel in channels
            )
        return frames
