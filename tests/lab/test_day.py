"""A whole day: calm ones are clean, foul ones too, and a broken daemon is found out."""

import re
from collections.abc import Callable, Sequence

import pytest

from daemon.core.orders import Order
from daemon.core.values import BrokerRef, Region
from daemon.kis.rest import KisRest
from daemon.kis.stream import KisFeed
from daemon.lab.day import Day
from daemon.lab.mix import Fault
from daemon.lab.outset import AMERICA, BOTH, KOREA, Markets
from daemon.lab.world import run_days

CALM = 2
PEACEFUL = 5
FOUL = 1195
"""Suffers every kind of weather often enough to meet each within the day."""

NIGHTLY, EVENING = 42, 105
"""A part of New York's session, and a day that Korea closes and America opens, both with faults."""

HAND_TRADED = 7
"""Orders by hand fill, and the gate is shut while others of ours rest."""

WEATHER = (
    Fault.TOKEN_EXPIRED,
    Fault.TOKEN_UNKNOWN,
    Fault.TOKEN_TOO_SOON,
    Fault.OUTAGE,
    Fault.STREAM_CLOSED,
    Fault.STREAM_RESET,
    Fault.STREAM_SILENT,
    Fault.CLOCK_JUMP,
    Fault.CRASH,
    Fault.FREEZE,
    Fault.HAND_ORDER,
)


def day_of(
    seed: int,
    faults: Sequence[Fault] = (),
    prepare: Callable[[], None] | None = None,
    markets: Markets = KOREA,
) -> Day:
    [day] = run_days([seed], faults, markets=markets, processes=1, prepare=prepare)
    return day


def test_on_a_calm_day_everything_works_and_nothing_else_happens() -> None:
    day = day_of(CALM)
    assert day.violations == []
    assert day.struck.total() == 0
    assert day.mix == {}
    for what in ("OrderSent", "OrderFilled", "OrderCancelled", "OrderModified", "requests"):
        assert day.counts[what] > 0, what
    assert (day.counts["lives"], day.counts["kills"], day.counts["OrderDoubted"]) == (1, 0, 0)
    assert day.counts["gaps"] == 0, "nothing is missing, and nothing is marked"
    assert day.seed == CALM
    assert any("daemon-1 ends: None" in line for line in day.trace)


def test_in_every_weather_all_promises_are_kept() -> None:
    day = day_of(FOUL, WEATHER)
    assert day.violations == []
    assert set(day.mix) == {fault.value for fault in WEATHER}
    assert all(day.struck[fault.value] for fault in WEATHER), day.struck
    assert day.counts["kills"] > 0
    assert day.counts["lives"] > day.counts["kills"]
    assert day.counts["OrderFilled"] > 0


@pytest.mark.parametrize(("markets", "seed"), [(AMERICA, NIGHTLY), (BOTH, EVENING)])
def test_american_orders_keep_every_promise_too(markets: Markets, seed: int) -> None:
    day = day_of(seed, tuple(Fault), markets=markets)
    assert day.violations == []
    assert day.markets == markets
    assert day.struck.total() > 100
    assert day.counts["OrderSent"] > 1
    told = [line for line in day.trace if "OrderFilled(" in line]
    assert any(f"{each}:" in line for each in ("nasdaq", "nyse", "amex") for line in told)
    assert any("krx:" in line for line in told) == (Region.KR in markets)


def test_every_day_ends_in_peace() -> None:
    day = day_of(PEACEFUL, (Fault.CRASH, Fault.REPLY_LOST))
    [healed] = [at for at, line in enumerate(day.trace) if "everything is well again" in line]
    assert any(re.match(r"[\d.]+ fault crash", line) for line in day.trace[:healed])
    assert not any(re.match(r"[\d.]+ fault ", line) for line in day.trace[healed:])


def send_everything_twice() -> None:
    place = KisRest.place

    async def twice(self: KisRest, order: Order, *, leaving: Callable[[], None]) -> BrokerRef:
        await place(self, order, leaving=leaving)
        return await place(self, order, leaving=leaving)

    KisRest.place = twice  # type: ignore[method-assign]


def hear_nothing() -> None:
    def deaf(self: KisFeed, message: str | bytes) -> None:
        """Read nothing."""

    KisFeed._on_frame = deaf  # type: ignore[method-assign]


def test_people_may_cancel_while_the_gate_is_shut() -> None:
    day = day_of(HAND_TRADED, (Fault.HAND_ORDER,))
    assert day.violations == []
    at = [each for each, line in enumerate(day.trace) if "at a shut gate" in line]
    assert at
    assert any("cancel" in line and "leaves" in line for line in day.trace[at[0] : at[0] + 20])


@pytest.mark.parametrize(
    ("sabotage", "told"),
    [
        (send_everything_twice, "reached the exchange 2 times"),
        (hear_nothing, "the gate is still shut"),
    ],
)
def test_a_daemon_that_breaks_a_promise_is_found_out(
    sabotage: Callable[[], None], told: str
) -> None:
    day = day_of(CALM, (), sabotage)
    assert any(told in each for each in day.violations)
    assert any(" VIOLATION " in line for line in day.trace)
