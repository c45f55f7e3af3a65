"""The judge of market data misses what was neither told nor marked, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from daemon.core.values import Quote, Side, Tick
from daemon.lab import freshness as module
from daemon.lab.freshness import BOUND, LOOK, Freshness
from daemon.lab.loop import Process
from daemon.lab.mix import FaultMix
from daemon.lab.outset import BOTH
from daemon.lab.venue import Venue
from daemon.lab.witness import Witness
from daemon.sim.options import SimulatorOptions
from daemon.strategy import MarketGap, StrategyEvent
from tests.builders import HYNIX, NINE, SAMSUNG
from tests.lab.scene import OPTIONS
from tests.sim.rig import AMERICAN_OPTIONS, NIGHT


@dataclass
class Hands:
    """A clock that only hands move."""

    seconds: float = 0.0
    market: datetime = NINE

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.market


@dataclass
class FakeMachine:
    process: Process


class Bench:
    """A judge, an exchange whose volumes are set by hand, and a strategy's ear."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        options: SimulatorOptions = OPTIONS,
        rate: float = 1.0,
    ) -> None:
        self.venue = Venue(options, FaultMix(1, ()), 1, step=1.0)
        self.hands = Hands()
        self.process = Process("daemon-1")
        monkeypatch.setattr(self.venue, "clock", self.hands)
        monkeypatch.setattr(module, "current_process", lambda: self.process)
        self.witness = Witness(clock=self.hands.monotonic, market_time=lambda: NINE)
        machine = FakeMachine(self.process)
        self.judge = Freshness(self.venue, machine, self.witness, rate=rate)  # type: ignore[arg-type]
        self.judge.on_told(None)
        for market in self.venue.markets:
            for tape in market.tapes.values():
                tape.volume = 0

    def traded(self, volume: int) -> None:
        self.venue.broker.market.tapes["005930"].volume = volume

    def told(self, event: StrategyEvent) -> None:
        self.judge.on_told(event)

    def wait(self, seconds: float) -> None:
        end = self.hands.seconds + seconds
        while self.hands.seconds < end:
            self.hands.seconds += LOOK
            self.judge._look()

    @property
    def missed(self) -> bool:
        return bool(self.witness.violations)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def tick(volume: int) -> Tick:
    return Tick(SAMSUNG, Decimal(1), 1, Side.BUY, volume, NINE, NINE)


def quote(volume: int) -> Quote:
    return Quote(SAMSUNG, Decimal(1), volume, NINE, NINE)


def gap(*, up: bool, everything: bool = False) -> MarketGap:
    return MarketGap(NINE, NINE, up, None if everything else SAMSUNG)


def test_a_trade_that_nobody_tells_is_missed_after_its_time(bench: Bench) -> None:
    bench.told(tick(10))
    bench.traded(10)
    bench.wait(3 * BOUND)
    assert not bench.missed
    bench.traded(11)
    bench.wait(BOUND - LOOK)
    assert not bench.missed
    bench.wait(4 * LOOK)
    assert "of 11 shares of krx:005930" in bench.witness.violations[0]


@pytest.mark.parametrize(
    "event", [tick(11), quote(11), gap(up=False), gap(up=False, everything=True)]
)
def test_what_is_told_or_marked_is_not_missed(bench: Bench, event: StrategyEvent) -> None:
    bench.told(tick(10))
    bench.traded(11)
    bench.wait(BOUND - 2 * LOOK)
    bench.told(event)
    bench.wait(3 * BOUND)
    assert not bench.missed


def test_a_mark_of_another_instrument_excuses_nothing(bench: Bench) -> None:
    bench.told(MarketGap(NINE, NINE, False, HYNIX))
    bench.traded(1)
    bench.wait(3 * BOUND)
    assert bench.missed


@pytest.mark.parametrize("everything", [True, False])
def test_after_a_mark_there_is_time_to_tell(bench: Bench, everything: bool) -> None:
    bench.traded(1)
    bench.told(gap(up=False, everything=everything))
    bench.wait(2 * BOUND)
    bench.told(gap(up=True, everything=everything))
    bench.wait(BOUND - 2 * LOOK)
    assert not bench.missed
    bench.wait(4 * LOOK)
    assert bench.missed


def excuses() -> list[Callable[[Bench], None]]:
    def killed(bench: Bench) -> None:
        bench.process.alive = False

    def replaced(bench: Bench) -> None:
        bench.judge._machine.process = Process("daemon-2")

    def frozen(bench: Bench) -> None:
        bench.process.freeze()

    return [killed, replaced, frozen]


@pytest.mark.parametrize("excuse", excuses())
def test_who_does_not_run_need_not_know(bench: Bench, excuse: Callable[[Bench], None]) -> None:
    bench.traded(1)
    excuse(bench)
    bench.wait(3 * BOUND)
    assert not bench.missed


def test_in_the_closing_auction_nothing_is_to_come(bench: Bench) -> None:
    bench.traded(1)
    bench.hands.market = NINE + timedelta(hours=6, minutes=25)
    bench.wait(3 * BOUND)
    assert not bench.missed


def test_who_begins_to_listen_begins_anew(bench: Bench) -> None:
    bench.told(gap(up=False))
    bench.told(tick(5))
    bench.judge.on_told(None)
    bench.traded(5)
    bench.wait(2 * BOUND)
    assert bench.missed


def test_each_market_is_judged_in_its_own_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, replace(AMERICAN_OPTIONS, regions=frozenset(BOTH)))
    bench.hands.market = NIGHT + timedelta(hours=1)
    korea, america = bench.venue.markets
    korea.tapes["005930"].volume = 5
    bench.wait(3 * BOUND)
    assert not bench.missed, "Korea sleeps"
    america.tapes["AAPL"].volume = 7
    bench.wait(3 * BOUND)
    assert "of 7 shares of nasdaq:AAPL" in bench.witness.violations[0]


def test_who_may_ask_too_seldom_is_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Three instruments, and an inquiry every twenty seconds: three times as long.
    bench = Bench(monkeypatch, rate=0.05)
    bench.traded(10)
    bench.wait(3 * BOUND - LOOK)
    assert not bench.missed
    bench.wait(4 * LOOK)
    assert bench.missed


def test_what_was_told_yesterday_is_no_news_today(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.told(tick(1_000))
    [korea] = bench.venue.markets
    korea.exchange.day += timedelta(days=1)
    bench.traded(10)
    bench.wait(3 * BOUND)
    assert "of 10 shares" in bench.witness.violations[0]
