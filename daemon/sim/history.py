"""The past before the first simulated day: seeded daily and minute bars that end at the base."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from math import exp
from random import Random

from daemon.core.calendar import MarketCalendar
from daemon.sim.rules import KOREAN, Rules
from daemon.sim.tape import DayTape, MinuteBar
from daemon.sim.universe import Listing

DAYS = 260
"""Trading days of daily bars before the first simulated day."""

_DAILY_MOVE = 0.017


@dataclass(frozen=True, slots=True)
class DailyBar:
    """One trading day. Money of the market and shares; `previous` is the close before it."""

    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    value: Decimal
    previous: Decimal


@dataclass(frozen=True, slots=True)
class Extremes:
    """The bars of the highest and of the lowest close of some period."""

    highest: DailyBar
    lowest: DailyBar


class History:
    """Daily bars of every symbol, oldest first, growing by each simulated day that ends."""

    def __init__(
        self,
        listings: tuple[Listing, ...],
        bases: Mapping[str, Decimal],
        calendar: MarketCalendar,
        first_day: date,
        seed: int,
        rules: Rules = KOREAN,
    ) -> None:
        self._seed = seed
        self._rules = rules
        self._minutes: dict[tuple[str, date], list[MinuteBar]] = {}
        self._extremes: dict[tuple[str, date], tuple[Extremes, Extremes, Extremes]] = {}
        days = [calendar.previous_trading_day(first_day)]
        while len(days) < DAYS:
            days.append(calendar.previous_trading_day(days[-1]))
        self._daily = {
            listing.code: _past(listing, bases[listing.code], days, seed, rules)
            for listing in listings
        }

    def daily(self, code: str) -> list[DailyBar]:
        """Bars of finished days, oldest first."""
        return self._daily[code]

    def last(self, code: str) -> DailyBar:
        """The bar of the last finished day."""
        return self._daily[code][-1]

    def extremes(self, code: str, day: date) -> tuple[Extremes, Extremes, Extremes]:
        """Of 250 trading days, of the calendar year and of the 52 weeks, as on `day`.

        A period without a finished day has its last one.
        """
        known = self._extremes.get((code, day))
        if known is not None:
            return known
        bars = self._daily[code]
        year, since = day.replace(month=1, day=1), day - timedelta(weeks=52)
        found = (
            _extremes(bars[-250:]),
            _extremes([bar for bar in bars if bar.day >= year] or bars[-1:]),
            _extremes([bar for bar in bars if bar.day >= since] or bars[-1:]),
        )
        self._extremes[code, day] = found
        return found

    def minutes(self, code: str, day: date) -> list[MinuteBar]:
        """Minute bars of a finished day, oldest first; empty for a day without a session."""
        known = self._minutes.get((code, day))
        if known is not None:
            return known
        bar = next((bar for bar in reversed(self._daily[code]) if bar.day == day), None)
        if bar is None:
            return []
        made = _minutes_of(
            bar,
            Random(f"{self._seed}:{code}:{day}:minutes"),  # noqa: S311
            self._rules,
        )
        self._minutes[code, day] = made
        return made

    def append(self, day: date, tape: DayTape) -> None:
        """Add a simulated day that has ended."""
        if not tape.volume:
            return
        self._daily[tape.code].append(
            DailyBar(
                day,
                tape.open,
                tape.high,
                tape.low,
                tape.last,
                tape.volume,
                tape.value,
                tape.base,
            )
        )
        self._minutes[tape.code, day] = tape.minutes
        self._extremes.clear()


def _extremes(bars: list[DailyBar]) -> Extremes:
    return Extremes(
        highest=max(bars, key=lambda bar: bar.close),
        lowest=min(bars, key=lambda bar: bar.close),
    )


def _past(
    listing: Listing, base: Decimal, days: list[date], seed: int, rules: Rules
) -> list[DailyBar]:
    """Walk back from the base price, one day after the other; returns oldest first."""
    rng = Random(f"{seed}:{listing.code}:past")  # noqa: S311  a play, not a secret
    bars: list[DailyBar] = []
    close, drift = base, 0.0
    for number, day in enumerate(days):
        if number % 20 == 0:
            drift = rng.gauss(0.0, 0.002)
        move = max(-0.2, min(0.2, rng.gauss(drift, _DAILY_MOVE)))
        previous = rules.near(float(close) / exp(move))
        opened = rules.near(float(previous) * exp(rng.gauss(0.0, 0.004)))
        high = rules.near(float(max(opened, close)) * exp(abs(rng.gauss(0.0, 0.006))))
        low = rules.near(float(min(opened, close)) * exp(-abs(rng.gauss(0.0, 0.006))))
        volume = int(listing.shares * 0.002 * rng.lognormvariate(0.0, 0.4))
        value = (opened + high + low + close) / 4 * volume
        bars.append(
            DailyBar(day, opened, high, low, close, volume, value.quantize(Decimal(1)), previous)
        )
        close = previous
    bars.reverse()
    return bars


def _minutes_of(bar: DailyBar, rng: Random, rules: Rules) -> list[MinuteBar]:
    """A walk from the day's open to its close within its range, one bar a minute."""
    price, bars = float(bar.open), []
    for number in range(rules.minutes):
        left = rules.minutes - number
        drift = (float(bar.close) - price) / left
        opened = price
        price += drift + rng.gauss(0.0, 0.0007) * price * (left / rules.minutes)
        price = min(float(bar.high), max(float(bar.low), price))
        if left == 1:
            price = float(bar.close)
        # The last minute is the closing auction's, and the ten before it have no trades.
        if rules.minutes - rules.last_trades <= number < rules.minutes - 1:
            continue
        first, last = rules.near(opened), rules.near(price)
        volume = max(1, int(bar.volume / rules.minutes * rng.uniform(0.4, 1.6)))
        minute = int(rules.open) // 60 + number
        bars.append(
            MinuteBar(
                f"{minute // 60:02}{minute % 60:02}00",
                first,
                max(first, last),
                min(first, last),
                last,
                volume,
                last * volume,
            )
        )
    return bars
