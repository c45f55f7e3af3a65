"""What the stream tells of the US markets: trades and books of the symbols asked for."""

from collections import defaultdict
from collections.abc import Iterable

from daemon.sim import frames_overseas
from daemon.sim.american import stream_key
from daemon.sim.market import Market
from daemon.sim.stream_wire import StreamWire
from daemon.sim.tape import Traded

BOOK_SPACING = 0.2
"""Least real seconds between two book frames of one symbol."""


class OverseasFeed:
    """Collects what happens and makes frames of what the stream's holder has registered."""

    def __init__(self, market: Market, stream: StreamWire) -> None:
        self._market = market
        self._stream = stream
        self._keys = {code: stream_key(listing) for code, listing in market.listings.items()}
        self._trades: list[Traded] = []
        self._dirty: set[str] = set()
        self._book_sent: dict[str, float] = {}

    @property
    def keys(self) -> frozenset[str]:
        """The stream keys of everything listed."""
        return frozenset(self._keys.values())

    def collect(self, trades: Iterable[Traded], touched: set[str]) -> None:
        """Keep what may have to be told; nothing while nobody listens."""
        self._dirty |= touched
        if self._stream.holder is not None:
            self._trades.extend(trades)

    def frames(self, monotonic: float) -> list[str]:
        """Everything due now, trades before books."""
        if not self._keys:
            return []
        trades, self._trades = self._trades, []
        return [*self._trade_frames(trades), *self._book_frames(monotonic)]

    def _trade_frames(self, trades: list[Traded]) -> list[str]:
        market, by_code = self._market, defaultdict[str, list[str]](list)
        for traded in trades:
            if self._stream.wants(frames_overseas.TRADES, self._keys[traded.code]):
                by_code[traded.code].append(
                    frames_overseas.trade_record(
                        traded,
                        market.listings[traded.code],
                        day=market.day,
                        base=market.exchange.stocks[traded.code].base,
                        utc_offset=market.utc_offset,
                    )
                )
        return [
            frame for records in by_code.values() for frame in frames_overseas.trade_frames(records)
        ]

    def _book_frames(self, monotonic: float) -> list[str]:
        market, frames = self._market, []
        for code in sorted(self._dirty):
            if not self._stream.wants(frames_overseas.BOOK, self._keys[code]):
                self._dirty.discard(code)
                continue
            if monotonic - self._book_sent.get(code, -1.0) < BOOK_SPACING:
                continue
            self._dirty.discard(code)
            self._book_sent[code] = monotonic
            frames.append(
                frames_overseas.book_frame(
                    market.view(code),
                    market.listings[code],
                    day=market.day,
                    local=market.local_time,
                    utc_offset=market.utc_offset,
                )
            )
        return frames
