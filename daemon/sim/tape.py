"""What the market prints about one symbol's day: running figures, trades and minute bars."""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from daemon.core.values import Side


class Traded(NamedTuple):
    """One trade with the day's figures as they stood right after it. Times are HHMMSS, local."""

    code: str
    time: str
    price: Decimal
    quantity: int
    aggressor: Side | None
    open: Decimal
    high: Decimal
    low: Decimal
    open_time: str
    high_time: str
    low_time: str
    ask: Decimal
    bid: Decimal
    ask_quantity: int
    bid_quantity: int
    total_ask: int
    total_bid: int
    volume: int
    value: Decimal
    sells: int
    buys: int
    sold: int
    bought: int


@dataclass(slots=True)
class MinuteBar:
    """Prices and shares of one minute; `time` is its first second, HHMM00."""

    time: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    value: Decimal


class Depth(NamedTuple):
    """The top of the book at one instant, for the figures a trade carries."""

    ask: Decimal
    bid: Decimal
    ask_quantity: int
    bid_quantity: int
    total_ask: int
    total_bid: int


class DayTape:
    """The running figures of one symbol's day."""

    def __init__(self, code: str, base: Decimal) -> None:
        self.code = code
        self.base = base
        self.last = base
        self.open = self.high = self.low = Decimal(0)
        self.open_time = self.high_time = self.low_time = "000000"
        self.volume = 0
        self.value = Decimal(0)
        self.sells = self.buys = self.sold = self.bought = 0
        self.minutes: list[MinuteBar] = []
        self.recent: deque[Traded] = deque(maxlen=100)

    @property
    def average(self) -> Decimal:
        """Volume-weighted price of the day, the base price before the first trade."""
        return self.value / self.volume if self.volume else self.base

    def record(
        self, time: str, price: Decimal, quantity: int, aggressor: Side | None, depth: Depth
    ) -> Traded:
        """Add one trade and return it with the figures after it."""
        if not self.volume:
            self.open = self.high = self.low = price
            self.open_time = self.high_time = self.low_time = time
        if price > self.high:
            self.high, self.high_time = price, time
        if price < self.low:
            self.low, self.low_time = price, time
        self.last = price
        self.volume += quantity
        self.value += price * quantity
        if aggressor is Side.BUY:
            self.buys += 1
            self.bought += quantity
        elif aggressor is Side.SELL:
            self.sells += 1
            self.sold += quantity
        self._add_to_minute(time, price, quantity)
        traded = Traded(
            code=self.code,
            time=time,
            price=price,
            quantity=quantity,
            aggressor=aggressor,
            open=self.open,
            high=self.high,
            low=self.low,
            open_time=self.open_time,
            high_time=self.high_time,
            low_time=self.low_time,
            ask=depth.ask,
            bid=depth.bid,
            ask_quantity=depth.ask_quantity,
            bid_quantity=depth.bid_quantity,
            total_ask=depth.total_ask,
            total_bid=depth.total_bid,
            volume=self.volume,
            value=self.value,
            sells=self.sells,
            buys=self.buys,
            sold=self.sold,
            bought=self.bought,
        )
        self.recent.append(traded)
        return traded

    def _add_to_minute(self, time: str, price: Decimal, quantity: int) -> None:
        minute = time[:4] + "00"
        bar = self.minutes[-1] if self.minutes else None
        if bar is None or bar.time != minute:
            self.minutes.append(
                MinuteBar(minute, price, price, price, price, quantity, price * quantity)
            )
            return
        bar.high = max(bar.high, price)
        bar.low = min(bar.low, price)
        bar.close = price
        bar.volume += quantity
        bar.value += price * quantity
