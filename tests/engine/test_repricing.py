"""Old prices are asked anew: within bounds, and without harm when nobody answers."""

import asyncio
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from daemon.core.errors import NeedsOperator
from daemon.core.values import InstrumentId
from daemon.engine.quotes import QuoteBoard
from daemon.engine.repricing import ANSWER, MOST, REST, STALE, TIME, Repricing
from daemon.ports import InstrumentInfo
from tests.builders import HYNIX, SAMSUNG, tick
from tests.engine.paper import PRICE, PaperBroker
from tests.engine.world import MONDAY_NINE, run
from tests.support import VirtualClock

MANY = [InstrumentId(f"krx:{number:06}") for number in range(MOST + 2)]
NEW = Decimal(64_000)


class Rig:
    def __init__(self) -> None:
        self.clock = VirtualClock(MONDAY_NINE)
        self.market = PaperBroker(self.clock)
        self.quotes = QuoteBoard()
        self.repricing = Repricing(market_data=self.market, quotes=self.quotes, clock=self.clock)


def test_what_is_old_is_asked_and_what_is_young_is_not() -> None:
    async def scenario() -> None:
        rig = Rig()
        await rig.repricing.renew([SAMSUNG, HYNIX])
        assert rig.quotes.last_price(SAMSUNG) == rig.quotes.last_price(HYNIX) == PRICE
        rig.market.prices[SAMSUNG] = NEW
        await rig.repricing.renew([SAMSUNG])
        assert rig.quotes.last_price(SAMSUNG) == PRICE, "known a moment ago"
        await asyncio.sleep(STALE.total_seconds())
        now = rig.clock.now()
        rig.quotes.on_tick(tick(70_500, instrument=HYNIX)._replace(received_at=now))
        await rig.repricing.renew([SAMSUNG, HYNIX])
        assert rig.quotes.last_price(SAMSUNG) == NEW
        assert rig.quotes.last_price(HYNIX) == Decimal(70_500)
        assert rig.market.asked == [HYNIX, SAMSUNG, SAMSUNG]

    run(scenario())


def test_a_trade_that_comes_while_it_is_asked_keeps_its_price() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(rig.repricing.renew([SAMSUNG]))
            await asyncio.sleep(rig.market.latency / 2)
            rig.quotes.on_tick(tick(65_000)._replace(received_at=rig.clock.now()))
        assert rig.quotes.last_price(SAMSUNG) == Decimal(65_000)
        assert rig.quotes.lower_limit(SAMSUNG) is not None

    run(scenario())


def test_a_pass_asks_about_so_many_and_the_oldest_first() -> None:
    async def scenario() -> None:
        rig = Rig()
        await rig.repricing.renew(MANY)
        assert len(rig.market.asked) == MOST
        await asyncio.sleep(STALE.total_seconds())
        await rig.repricing.renew(MANY)
        missed = set(MANY) - set(rig.market.asked[:MOST])
        assert set(rig.market.asked[MOST : MOST + 2]) == missed

    run(scenario())


def test_no_answer_takes_no_longer_than_a_pass_may_and_is_told() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.market.latency = 60.0
        begun = rig.clock.monotonic()
        with capture_logs() as logs:
            await rig.repricing.renew(MANY)
        assert rig.clock.monotonic() - begun == pytest.approx(TIME)
        told = [each for each in logs if each["event"] == "price_not_renewed"]
        assert len(told) == TIME / ANSWER
        assert all("no answer" in each["cause"] for each in told)

    run(scenario())


def test_after_a_failure_the_old_price_stays_and_it_is_asked_again_after_a_rest() -> None:
    async def scenario() -> None:
        rig = Rig()
        await rig.repricing.renew([SAMSUNG])
        await asyncio.sleep(STALE.total_seconds())
        rig.market.market_fails, rig.market.prices[SAMSUNG] = 1, NEW
        await rig.repricing.renew([SAMSUNG])
        await rig.repricing.renew([SAMSUNG])
        assert rig.quotes.last_price(SAMSUNG) == PRICE
        assert len(rig.market.asked) == 2
        await asyncio.sleep(REST)
        await rig.repricing.renew([SAMSUNG])
        assert rig.quotes.last_price(SAMSUNG) == NEW

    run(scenario())


def test_an_answer_without_a_price_is_no_price_and_what_needs_a_person_is_passed_on() -> None:
    class Broken(PaperBroker):
        async def info(self, instrument: InstrumentId) -> InstrumentInfo:
            if instrument == HYNIX:
                raise NeedsOperator("the key was refused")
            return (await super().info(instrument))._replace(last=Decimal(0))

    async def scenario() -> None:
        clock = VirtualClock(MONDAY_NINE)
        quotes = QuoteBoard()
        repricing = Repricing(market_data=Broken(clock), quotes=quotes, clock=clock)
        with capture_logs() as logs:
            await repricing.renew([SAMSUNG])
        assert "no price" in logs[0]["cause"]
        assert quotes.last_price(SAMSUNG) is None
        assert quotes.priced_at(SAMSUNG) is None
        with pytest.raises(NeedsOperator):
            await repricing.renew([HYNIX])

    run(scenario())
