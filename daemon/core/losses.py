"""Profit of the day and from its peak, and the stops that end trading when too much is lost."""

from collections.abc import Callable, Collection
from datetime import date, datetime
from decimal import Decimal

from daemon.core.events import ProfitMarked
from daemon.core.limits import WON_ONLY, FixedRates, Rates, RiskLimits, limit_day
from daemon.core.parts import region_in_books
from daemon.core.portfolio import PortfolioView
from daemon.core.values import Currency, InstrumentId, Region, currency_of

PEAK_STEP = Decimal("0.05")
"""A new peak is journalled when it is higher by this part of the drawdown that is allowed: after a
restart no more than that is forgiven."""

Price = Callable[[InstrumentId], Decimal | None]


def profit(portfolio: PortfolioView, price: Price, rates: Rates) -> Decimal | None:
    """KRW earned since the journal began: realised and unrealised, less costs.

    What has no price counts as worth what it cost. `None` where a currency has no rate.
    """
    earned = {currency: -spent for currency, spent in portfolio.costs.items()}
    for instrument, position in portfolio.positions.items():
        value = position.realised
        last = price(instrument) if position.quantity > 0 else None
        if last is not None:
            value += last * position.quantity - position.cost
        currency = currency_of(instrument)
        earned[currency] = earned.get(currency, Decimal(0)) + value
    total = Decimal(0)
    for currency, value in earned.items():
        if not value:
            continue
        rate = rates.rate(currency)
        if rate is None:
            return None
        total += value * rate
    return total


def unpriced(
    portfolio: PortfolioView, price: Price, limits: RiskLimits, regions: Collection[Region]
) -> list[InstrumentId]:
    """What is held, may be traded in one of `regions`, and has no price: profit is not known.

    What no order may touch, or no price is asked of, never ends that: it counts at its cost.
    """
    return sorted(
        instrument
        for instrument, position in portfolio.positions.items()
        if position.quantity > 0
        and instrument not in limits.denied
        and region_in_books(instrument) in regions
        and price(instrument) is None
    )


class LossStop:
    """Watches profit, counted at `rates`, against the day's start and against its peak."""

    def __init__(self, limits: RiskLimits, rates: Rates = WON_ONLY) -> None:
        self._limits = limits
        self._rates = rates
        self._mark: ProfitMarked | None = None
        self._peak = Decimal(0)

    @property
    def is_set(self) -> bool:
        """Whether there is a loss that stops anything."""
        return (self._limits.max_daily_loss, self._limits.max_drawdown) != (None, None)

    def use_limits(self, limits: RiskLimits) -> None:
        """Judge by other stops, from the same start of the day and the same peak."""
        self._limits = limits

    def resume(self, mark: ProfitMarked | None) -> None:
        """Go on from what the journal says."""
        self._mark = mark
        self._peak = mark.peak if mark is not None else Decimal(0)

    def begin(self, value: Decimal, at: datetime, *, start: Decimal | None = None) -> ProfitMarked:
        """Measure the day from `start`, and from the peak so far; the fact must be recorded.

        Without a `start`, both from `value` anew: for a person who resumes.
        """
        peak = value
        if start is not None and self._mark is not None:
            peak = max(self._peak, start, value)
        elif start is not None:
            peak = max(start, value)
        return self._measure_from(limit_day(at), value if start is None else start, peak, at)

    def follow_rates(
        self, profit_at: Callable[[Rates], Decimal | None], at: datetime
    ) -> ProfitMarked | None:
        """Count what was earned before at the rates of now, too, if the mark was made at others:
        another rate for all that dollars ever earned is no profit of today's. Called before
        a profit is held against the mark; returns the mark to record if it has moved.
        """
        mark = self._mark
        if mark is None or mark.rates == self._abroad():
            return None
        # A mark whose rates are not known, as of an old journal, is taken as it is.
        before, after = profit_at(FixedRates(mark.rates)), profit_at(self._rates)
        by = Decimal(0) if before is None or after is None else after - before
        return self._measure_from(mark.day, mark.start + by, self._peak + by, at)

    def shift(self, by: Decimal, at: datetime) -> ProfitMarked | None:
        """The books were replaced: what that changed was neither earned nor lost."""
        if self._mark is None or not by:
            return None
        return self._measure_from(self._mark.day, self._mark.start + by, self._peak + by, at)

    def is_new_day(self, at: datetime) -> bool:
        """Whether the day of limits has changed since the mark, or there is none."""
        return self._mark is None or self._mark.day != limit_day(at)

    def rise(self, value: Decimal, at: datetime) -> ProfitMarked | None:
        """Follow a rising profit; a mark to record when the peak has moved far enough."""
        self._peak = max(self._peak, value)
        most = self._limits.max_drawdown
        if self._mark is None or most is None:
            return None
        if self._peak < self._mark.peak + most * PEAK_STEP:
            return None
        return self._measure_from(self._mark.day, self._mark.start, self._peak, at)

    def breach(self, value: Decimal) -> str:
        """Which stop is breached, in figures; empty when none is."""
        if self._mark is None:
            return ""
        lost, most = self._mark.start - value, self._limits.max_daily_loss
        if most is not None and lost >= most:
            return f"daily loss stop: {lost:.0f} KRW lost today, {most} allowed"
        fallen, most = self._peak - value, self._limits.max_drawdown
        if most is not None and fallen >= most:
            return f"drawdown stop: {fallen:.0f} KRW below the peak, {most} allowed"
        return ""

    def _measure_from(self, day: date, start: Decimal, peak: Decimal, at: datetime) -> ProfitMarked:
        self._mark = ProfitMarked(day=day, start=start, peak=peak, at=at, rates=self._abroad())
        self._peak = peak
        return self._mark

    def _abroad(self) -> dict[Currency, Decimal]:
        """What is known of currencies that are not won."""
        known = ((each, self._rates.rate(each)) for each in Currency if each is not Currency.KRW)
        return {each: rate for each, rate in known if rate is not None}
