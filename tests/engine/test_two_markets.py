"""One desk in two countries: hours, days, order ids, prices and purses of each."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from daemon.core.costs import BrokerTariff
from daemon.core.events import (
    AccountReported,
    Actor,
    CostsCharged,
    OrderExpired,
    OrderKind,
    ProfitMarked,
    TimeInForce,
    TradingState,
    TradingStateChanged,
)
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.switch import Command
from daemon.core.values import Currency, InstrumentId, Region, Side, Tick
from tests.builders import LIMITS
from tests.engine.paper import MemoryJournal, PaperBroker
from tests.engine.world import MONDAY_NINE, World, all_weekdays, run, wish, world
from tests.support import VirtualClock

APPLE = InstrumentId("nasdaq:AAPL")
BOTH = (Region.KR, Region.US)
TEN_IN_NEW_YORK = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""Monday; in Seoul it is Tuesday's first minute."""


def broker(*, fill_at_once: bool = True) -> PaperBroker:
    dollars = Decimal("5000.00")
    return PaperBroker(VirtualClock(), dollars=dollars, fill_at_once=fill_at_once)


def trade_at(w: World, price: str) -> None:
    """A trade on the market, told by the stream."""
    now = w.clock.now()
    w.desk.on_feed(Tick(APPLE, Decimal(price), 1, None, 1, now, now))


def test_each_exchange_takes_orders_in_its_own_hours() -> None:
    async def main() -> None:
        async with world(broker=broker(), regions=BOTH, start=MONDAY_NINE) as w:
            trade_at(w, "145.00")
            american = wish(1, instrument=APPLE, limit=Decimal("145.00"))
            denied, made = await w.submit(american, wish(1))
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.GATE_CLOSED
            assert "2026-11-23 09:30:00 EST" in denied.detail
            assert isinstance(made, Order)
            assert made.id == "20261123-0001"

        async with world(broker=broker(), regions=BOTH, start=TEN_IN_NEW_YORK) as w:
            trade_at(w, "145.00")
            korean, abroad = await w.submit(wish(1), american)
            assert isinstance(korean, Denied)
            assert "2026-11-24 08:20:00 KST" in korean.detail
            assert isinstance(abroad, Order)
            assert abroad.id == "20261123-0001", "by the date where it trades"

    run(main())


def test_another_exchange_rate_is_neither_earned_nor_lost() -> None:
    limits = replace(LIMITS, max_daily_loss=Decimal(10_000))

    async def main() -> None:
        async with world(broker=broker(), regions=BOTH, start=TEN_IN_NEW_YORK, limits=limits) as w:
            trade_at(w, "145.00")
            await w.submit(wish(10, instrument=APPLE, limit=Decimal("145.00")))
            await w.until(lambda: w.desk.ledger.portfolio.position(APPLE).quantity == 10)
            trade_at(w, "144.40")
            w.desk.switch.look()
            for rate in (1_700, 2_100):
                w.desk.rates.learn({Currency.USD: Decimal(rate)})
                w.desk.switch.look()
            assert not w.facts(TradingStateChanged), "6 dollars were lost, whatever they are worth"
            trade_at(w, "144.30")
            w.desk.switch.look()
            (stopped,) = w.facts(TradingStateChanged)
            assert stopped.state is TradingState.REDUCE_ONLY

    run(main())


class Telling(PaperBroker):
    """Tells what a dollar is worth with its balance, once it is set."""

    won_a_dollar: Decimal | None = None

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        report = await super().account(regions=regions)
        told = self.won_a_dollar
        return report if told is None else replace(report, rates={Currency.USD: told})


@pytest.mark.parametrize(
    ("at_start", "later"),
    [
        (None, "1500"),
        (None, "1350"),
        ("1500", "1500"),
        ("1450", "1300"),
    ],
)
def test_a_rate_learnt_after_a_restart_is_neither_earned_nor_lost(
    at_start: str | None, later: str
) -> None:
    limits = replace(LIMITS, max_daily_loss=Decimal(4_000), max_drawdown=Decimal(4_000))
    purse, journal = Telling(VirtualClock(), dollars=Decimal(5_000)), MemoryJournal()
    start = TEN_IN_NEW_YORK

    async def main() -> None:
        purse.won_a_dollar = Decimal(1_500)
        wired = partial(world, broker=purse, journal=journal, regions=BOTH, limits=limits)
        async with wired(start=start) as w:
            trade_at(w, "145.00")
            await w.submit(wish(10, instrument=APPLE, limit=Decimal("145.00")))
            await w.until(lambda: w.desk.ledger.portfolio.position(APPLE).quantity == 10)
            trade_at(w, "155.00")
            for state in (TradingState.HALTED, TradingState.RUNNING):
                w.desk.execute(Command(state=state, who=Actor.OPERATOR, reason="a new start"))
            assert w.facts(ProfitMarked)[-1].start == 150_000, "100 dollars"
        moved = len(w.facts(TradingStateChanged))
        purse.prices[APPLE] = Decimal("155.00")
        purse.won_a_dollar = None if at_start is None else Decimal(at_start)
        async with wired(start=start + timedelta(hours=1)) as w:
            w.desk.switch.look()
            purse.won_a_dollar = Decimal(later)
            await w.until(lambda: w.desk.rates.rate(Currency.USD) == Decimal(later))
            w.desk.switch.look()
            assert len(w.facts(TradingStateChanged)) == moved, "nothing was lost"
            trade_at(w, "154.75")
            w.desk.switch.look()
            assert len(w.facts(TradingStateChanged)) == moved, "2.50 dollars were lost"
            trade_at(w, "154.65")
            w.desk.switch.look()
            assert w.desk.ledger.portfolio.state is TradingState.REDUCE_ONLY

    run(main())


def test_books_adopted_with_a_new_rate_hide_no_loss_after_them() -> None:
    limits = replace(LIMITS, max_daily_loss=Decimal(4_000))

    async def main() -> None:
        async with world(broker=broker(), regions=BOTH, start=TEN_IN_NEW_YORK, limits=limits) as w:
            trade_at(w, "145.00")
            await w.submit(wish(10, instrument=APPLE, limit=Decimal("145.00")))
            await w.until(lambda: w.desk.ledger.portfolio.position(APPLE).quantity == 10)
            trade_at(w, "155.00")
            w.desk.switch.look()
            report = await w.broker.account()
            w.desk.rates.learn({Currency.USD: Decimal(1_500)})
            dearer = tuple(replace(each, cost=Decimal("1550.00")) for each in report.holdings)
            w.desk.ledger.record(replace(report, holdings=dearer))
            trade_at(w, "145.45")
            w.desk.switch.look()
            assert not w.facts(TradingStateChanged), "100 dollars at 1,400 are not lost yet"
            trade_at(w, "145.35")
            w.desk.switch.look()
            assert w.desk.ledger.portfolio.state is TradingState.REDUCE_ONLY

    run(main())


def test_an_instrument_of_a_region_without_calendar_is_not_traded() -> None:
    async def main() -> None:
        async with world() as w:
            trade_at(w, "145.00")
            (denied,) = await w.submit(wish(1, instrument=APPLE, limit=Decimal("145.00")))
            assert isinstance(denied, Denied)
            assert "no calendar of US" in denied.detail

    run(main())


def test_dollars_pay_for_american_shares_and_carry_their_costs() -> None:
    async def main() -> None:
        async with world(broker=broker(), regions=BOTH, start=TEN_IN_NEW_YORK) as w:
            portfolio = w.desk.ledger.portfolio
            assert portfolio.cash == {
                Currency.KRW: Decimal(100_000_000),
                Currency.USD: Decimal("5000.00"),
            }
            trade_at(w, "145.00")
            intent = wish(10, instrument=APPLE, limit=Decimal("145.10"))
            await w.submit(intent)
            await w.until(lambda: portfolio.position(APPLE).quantity == 10)
            assert portfolio.cash_of(Currency.USD) == Decimal("3549.00")
            assert portfolio.cash_of(Currency.KRW) == Decimal(100_000_000)
            too_much, _ = await w.submit(
                wish(25, instrument=APPLE, limit=Decimal("145.10")),
                wish(1, instrument=APPLE, limit=Decimal("145.10")),
            )
            assert isinstance(too_much, Denied)
            assert too_much.rule is Rule.CASH

            assert w.broker.dollars is not None
            w.broker.dollars -= Decimal("3.63")
            await w.until(lambda: bool(w.facts(CostsCharged)))
            (charged,) = w.facts(CostsCharged)
            assert (charged.currency, charged.amount) == (Currency.USD, Decimal("3.63"))
            assert not portfolio.discrepancies
            w.broker.dollars -= 100
            await w.until(lambda: bool(portfolio.discrepancies))
            assert list(portfolio.discrepancies) == ["cash USD"]
            assert not w.desk.gate.is_open

    run(main())


@pytest.mark.parametrize(
    ("tariffs", "price", "charged"),
    [
        (None, "5.00", "0.03"),
        ({Region.US: BrokerTariff(commission=Decimal("0.0025"), minimum=Decimal(5))}, "80", "5.01"),
    ],
    ids=["rounding", "a minimum"],
)
def test_what_a_small_sale_is_charged_is_a_cost(
    tariffs: dict[Region, BrokerTariff] | None, price: str, charged: str
) -> None:
    async def main() -> None:
        paper = broker()
        paper.holdings[APPLE] = 5
        async with world(broker=paper, regions=BOTH, start=TEN_IN_NEW_YORK, tariffs=tariffs) as w:
            trade_at(w, price)
            await w.submit(wish(1, Side.SELL, APPLE, Decimal(price)))
            await w.until(lambda: w.desk.ledger.portfolio.position(APPLE).quantity == 4)
            assert paper.dollars is not None
            paper.dollars -= Decimal(charged)
            await w.until(lambda: bool(w.facts(CostsCharged)))
            assert w.desk.gate.is_open
            paper.dollars -= Decimal("2.00")
            await w.until(lambda: not w.desk.gate.is_open)
            assert list(w.desk.ledger.portfolio.discrepancies) == ["cash USD"]

    run(main())


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "146.45"), (Side.SELL, "143.55")])
def test_an_american_order_at_market_is_a_limit_at_a_collar(side: Side, limit: str) -> None:
    async def main() -> None:
        async with world(broker=broker(), regions=BOTH, start=TEN_IN_NEW_YORK) as w:
            unknown = wish(1, side, APPLE, None)
            (denied,) = await w.submit(unknown)
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.NO_PRICE
            trade_at(w, "145.00")
            if side is Side.SELL:
                await w.submit(wish(1, instrument=APPLE, limit=Decimal("145.00")))
            await w.submit(wish(1, side, APPLE, None))
            order = w.order(len(w.desk.ledger.portfolio.orders))
            assert order.intent.kind is OrderKind.LIMIT
            assert order.limit == Decimal(limit)
            assert order.intent.time_in_force is TimeInForce.DAY

    run(main())


def test_the_same_american_order_at_market_is_a_repetition_whatever_its_price_became() -> None:
    limits = replace(LIMITS, duplicate_window_seconds=5)

    async def main() -> None:
        async with world(broker=broker(), regions=BOTH, start=TEN_IN_NEW_YORK, limits=limits) as w:
            trade_at(w, "145.00")
            at_market = wish(1, instrument=APPLE, limit=None)
            (first,) = await w.submit(at_market)
            assert isinstance(first, Order)
            trade_at(w, "145.10")
            (second,) = await w.submit(at_market)
            assert isinstance(second, Denied)
            assert second.rule is Rule.DUPLICATE
            priced = wish(1, instrument=APPLE, limit=first.limit)
            (another,) = await w.submit(priced)
            assert isinstance(another, Order), "a limit is another wish than the market"

    run(main())


def test_an_american_order_outlives_korean_midnight_and_the_close_while_it_is_listed() -> None:
    async def main() -> None:
        start = datetime(2026, 11, 23, 20, 58, tzinfo=UTC)
        resting = broker(fill_at_once=False)
        async with world(broker=resting, regions=BOTH, start=start) as w:
            trade_at(w, "145.00")
            await w.submit(wish(1, instrument=APPLE, limit=Decimal("145.00")))
            seen = w.desk.reconciliation.stats.passes
            at = datetime(2026, 11, 24, 0, 59, tzinfo=UTC)
            await w.until(lambda: w.clock.now() >= at, limit=20_000.0)
            assert w.desk.reconciliation.stats.passes > seen + 100
            assert w.order().state is OrderState.WORKING, "the after-market still holds it"
            at = datetime(2026, 11, 24, 1, 6, tzinfo=UTC)
            await w.until(lambda: w.clock.now() >= at, limit=2_000.0)
            assert w.order().state is OrderState.EXPIRED
            assert len(w.facts(OrderExpired)) == 1

    run(main())


def test_a_desk_asks_its_broker_about_the_brokers_regions_alone() -> None:
    async def main() -> None:
        calendars = all_weekdays(*BOTH)
        america = broker()
        america.mute_lists, america.mute_balances = {Region.KR}, {Region.KR}
        async with world(
            broker=america, regions=(Region.US,), calendars=calendars, start=TEN_IN_NEW_YORK
        ) as w:
            assert w.desk.gate.why() == ""
            assert w.broker.asked == [], "what the strategies trade is Korean"
            trade_at(w, "145.00")
            [made] = await w.submit(wish(1, instrument=APPLE, limit=Decimal("145.00")))
            assert isinstance(made, Order)

    run(main())
