"""Ticks into bars, and averages that grow with them. Exact, incremental, without a clock.

The interval of a trade follows the exchange's own stamp, never the time we heard of it.
"""

from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from daemon.core.values import Bar, InstrumentId, Tick

SECONDS_A_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def interval_start(at: datetime, seconds: int) -> datetime:
    """The beginning (UTC) of the interval `at` lies in; a boundary begins the later interval.

    Intervals are counted from midnight UTC, which is 09:00 in Seoul: the open of KRX begins one.
    """
    since = at - _EPOCH
    return _EPOCH + since // timedelta(seconds=seconds) * timedelta(seconds=seconds)


class BarBuilder:
    """Builds the bars of one instrument, `seconds` long each, which must divide a day.

    Within a bar the open is the earliest trade and the close the latest by exchange time; of
    trades with the same stamp the first heard opens and the last heard closes. Intervals
    without a trade make no bar: no price is invented. A trade of a bar already closed is
    counted in `late` and changes nothing.
    """

    def __init__(self, instrument: InstrumentId, seconds: int) -> None:
        if not 0 < seconds <= SECONDS_A_DAY or SECONDS_A_DAY % seconds:
            raise ValueError(f"a bar of {seconds} seconds does not divide a day")
        self.instrument = instrument
        self.seconds = seconds
        self.late = 0
        self._bar: Bar | None = None
        self._first_at = _EPOCH
        self._last_at = _EPOCH
        self._closed_until = datetime.min.replace(tzinfo=UTC)

    @property
    def current(self) -> Bar | None:
        """The bar still growing, `None` before the first trade of an interval."""
        return self._bar

    def update(self, tick: Tick) -> Bar | None:
        """Take one trade in; returns the bar it closed by belonging to a later interval."""
        if tick.instrument != self.instrument:
            raise ValueError(f"a trade of {tick.instrument} for the bars of {self.instrument}")
        start = interval_start(tick.exchange_time, self.seconds)
        if start < self._closed_until:
            self.late += 1
            return None
        bar = self._bar
        if bar is None or start > bar.start:
            closed = self._close()
            self._closed_until = start
            self._open(tick, start)
            return closed
        opens = tick.exchange_time < self._first_at
        closes = tick.exchange_time >= self._last_at
        self._first_at = min(self._first_at, tick.exchange_time)
        self._last_at = max(self._last_at, tick.exchange_time)
        self._bar = Bar(
            instrument=bar.instrument,
            start=bar.start,
            open=tick.price if opens else bar.open,
            high=max(bar.high, tick.price),
            low=min(bar.low, tick.price),
            close=tick.price if closes else bar.close,
            volume=bar.volume + tick.quantity,
        )
        return None

    def flush(self, now: datetime) -> Bar | None:
        """Close and return the current bar if its interval is over at `now`."""
        bar = self._bar
        if bar is None or now < bar.start + timedelta(seconds=self.seconds):
            return None
        return self._close()

    def _open(self, tick: Tick, start: datetime) -> None:
        price = tick.price
        self._first_at = self._last_at = tick.exchange_time
        self._bar = Bar(tick.instrument, start, price, price, price, price, tick.quantity)

    def _close(self) -> Bar | None:
        bar, self._bar = self._bar, None
        if bar is not None:
            self._closed_until = bar.start + timedelta(seconds=self.seconds)
        return bar


class SimpleMovingAverage:
    """The mean of the last `length` values.

    `total` is exact; comparing `total × other.length` with `other.total × length` compares two
    averages without rounding either.
    """

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"an average of {length} values has no meaning")
        self.length = length
        self.total = Decimal(0)
        self._values: deque[Decimal] = deque()

    @property
    def ready(self) -> bool:
        """Whether `length` values have been seen."""
        return len(self._values) == self.length

    @property
    def value(self) -> Decimal | None:
        """The average, `None` until `ready`."""
        return self.total / self.length if self.ready else None

    def update(self, value: Decimal) -> Decimal | None:
        """Take the next value in and return the average, `None` until `ready`."""
        if self.ready:
            self.total -= self._values.popleft()
        self._values.append(value)
        self.total += value
        return self.value
