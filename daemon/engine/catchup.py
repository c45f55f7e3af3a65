"""The bars that gaps hid: remembered by instrument, asked for when there is time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.values import InstrumentId
from daemon.ports import Clock, MarketData
from daemon.strategy import MissedBars

MOST_BARS = 120
"""Minutes of a gap that are asked for: a longer one is the strategy's own matter."""

BARS_A_REQUEST = 30
TRIES = 3
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class _Gap:
    since: datetime
    until: datetime
    tries: int = 0


class CatchUp:
    """Gaps whose bars are still to be asked for: one an instrument, however many there were."""

    def __init__(self, market_data: MarketData, clock: Clock) -> None:
        self._market_data = market_data
        self._clock = clock
        self._gaps: dict[InstrumentId, _Gap] = {}
        self._log = structlog.get_logger("market_watch")

    def __bool__(self) -> bool:
        return bool(self._gaps)

    def remember(self, instrument: InstrumentId, since: datetime, until: datetime) -> None:
        """A gap is over; with an earlier one that still waits it is one gap."""
        known = self._gaps.get(instrument)
        earlier = since if known is None else min(known.since, since)
        self._gaps[instrument] = _Gap(earlier, until)

    def forget(self, instrument: InstrumentId) -> None:
        """Nobody watches it any more."""
        self._gaps.pop(instrument, None)

    async def ask(self) -> tuple[MissedBars | None, int]:
        """Ask for the bars of the oldest gap; returns them and how many requests that took.

        An inquiry that fails is made again later, up to `TRIES` times. Raises `NeedsOperator`.
        """
        instrument, gap = next(iter(self._gaps.items()))
        del self._gaps[instrument]
        begin = gap.since.replace(second=0, microsecond=0)
        minutes = max(1, int((self._clock.now() - begin) / MINUTE) + 1)
        count = min(minutes, MOST_BARS)
        requests = 1 + count // BARS_A_REQUEST
        try:
            bars = await self._market_data.minute_bars(instrument, count)
        except NeedsOperator:
            raise
        except TradingError as error:
            gap.tries += 1
            if gap.tries < TRIES:
                self._gaps.setdefault(instrument, gap)
            else:
                self._log.warning("bars_missed", instrument=instrument, cause=str(error))
            return None, requests
        # The minute that is not over yet is nobody's bar.
        last = min(gap.until, self._clock.now() - MINUTE)
        missed = tuple(each for each in bars if begin <= each.start <= last)
        return (MissedBars(instrument, gap.since, missed) if missed else None), requests
