"""Orders of the sessions beside the regular one: when they leave, and when they are over."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.events import OrderExpired, OrderIntent, OrderKind, OrderSent
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.values import InstrumentId, Region, Session, Side, Tick
from daemon.core.witness import BrokerOrder
from daemon.strategy import StrategyContext
from tests.engine.paper import PRICE, Kept, PaperBroker
from tests.engine.world import MONDAY_NINE, World, run, wish, world
from tests.support import VirtualClock

APPLE = InstrumentId("nasdaq:AAPL")
TEN_PAST_FOUR = MONDAY_NINE + timedelta(hours=7, minutes=10)
NEW_YORK_NINE = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def at_session(session: Session, limit: Decimal | None = PRICE, **changes: Any) -> OrderIntent:
    return replace(wish(limit=limit, **changes), session=session)


class Auctioneer(PaperBroker):
    """Whose list, as the American one, does not count what the exchange cancelled."""

    dropped: tuple[Kept, ...] = ()

    def drop(self, kept: Kept) -> None:
        self.dropped += (kept,)

    def _rows(self, orders: Sequence[Kept], since: date) -> list[BrokerOrder]:
        gone = {number for kept in self.dropped for number in kept.numbers}
        return [
            replace(row, remaining=0, cancelled=0) if row.refs[0].number in gone else row
            for row in super()._rows(orders, since)
        ]


def waiting(dollars: str | None = None) -> Auctioneer:
    """A broker where nothing trades by itself."""
    money = None if dollars is None else Decimal(dollars)
    return Auctioneer(VirtualClock(), dollars=money, fill_at_once=False)


async def expired_at(w: World, order: Order, limit: float) -> datetime:
    """When an order left alone is given up."""
    await w.until(lambda: any(each.order == order.id for each in w.facts(OrderExpired)), limit)
    return w.clock.now()


async def sent(w: World, intent: OrderIntent) -> Order:
    [order] = await w.submit(intent)
    assert isinstance(order, Order), order
    assert order.state is OrderState.WORKING
    return order


def test_an_after_market_order_outlives_the_regular_close_and_ends_at_eight() -> None:
    async def main() -> None:
        async with world(broker=waiting(), start=TEN_PAST_FOUR) as w:
            order = await sent(w, at_session(Session.AFTER_MARKET))
            assert order.intent.session is Session.AFTER_MARKET
            over = await expired_at(w, order, 5 * 3600)
            eight = MONDAY_NINE + timedelta(hours=11)
            assert eight + timedelta(minutes=3) <= over < eight + timedelta(minutes=5)

    run(main())


def test_orders_leave_after_hours_on_what_the_quiet_evening_told() -> None:
    async def main() -> None:
        async with world(broker=waiting(), start=TEN_PAST_FOUR) as w:
            for minute in range(20, 24):
                at = TEN_PAST_FOUR + timedelta(minutes=minute, seconds=17 * minute)
                await w.until(reached(w, at), 3600)
                intent = at_session(Session.AFTER_MARKET, PRICE - 100 * minute, quantity=1)
                other = at_session(Session.AFTER_MARKET, PRICE - 100 * minute, quantity=2)
                made = await w.submit(intent, other)
                assert [getattr(each, "state", each) for each in made] == [OrderState.WORKING] * 2
                orders = [each.id for each in made if isinstance(each, Order)]
                await w.desk.executor.cancel(orders)
                await w.until(lambda: not w.desk.ledger.portfolio.open_orders(), 600)

    run(main())


def test_an_after_market_order_is_taken_up_again_after_a_restart() -> None:
    async def main() -> None:
        broker = waiting()
        async with world(broker=broker, start=TEN_PAST_FOUR) as w:
            await sent(w, at_session(Session.AFTER_MARKET))
            journal = w.journal
        async with world(
            broker=broker, journal=journal, start=TEN_PAST_FOUR + timedelta(hours=1)
        ) as w:
            assert w.order().state is OrderState.WORKING
            broker.fill(broker.kept[0], 10)
            await w.until(lambda: w.order().state is OrderState.FILLED)

    run(main())


def test_a_regular_order_is_over_when_the_after_market_begins() -> None:
    async def main() -> None:
        start = MONDAY_NINE + timedelta(hours=6, minutes=20)
        async with world(broker=waiting(), start=start) as w:
            order = await sent(w, wish())
            over = await expired_at(w, order, 3600)
            close = MONDAY_NINE + timedelta(hours=6, minutes=30)
            assert close < over < close + timedelta(minutes=5)

    run(main())


def test_an_order_of_the_closing_price_ends_at_four() -> None:
    async def main() -> None:
        start = MONDAY_NINE + timedelta(hours=6, minutes=35)
        async with world(broker=waiting(), start=start) as w:
            order = await sent(w, at_session(Session.CLOSING_PRICE, None))
            four = MONDAY_NINE + timedelta(hours=7)
            over = await expired_at(w, order, 3600)
            assert four < over < four + timedelta(minutes=5)

    run(main())


def test_an_order_of_the_previous_close_ends_before_the_open_and_one_that_traded_is_ours() -> None:
    async def main() -> None:
        start = MONDAY_NINE - timedelta(minutes=29)
        async with world(broker=waiting(), start=start) as w:
            order = await sent(w, at_session(Session.PREVIOUS_CLOSE, None))
            w.broker.fill(w.broker.kept[0], 4)
            over = await expired_at(w, order, 3600)
            assert over < MONDAY_NINE
            assert w.order().filled == 4

    run(main())


@pytest.mark.parametrize("limit", [None, "145.00"])
def test_an_american_opening_order_ends_with_the_opening(limit: str | None) -> None:
    async def main() -> None:
        broker = waiting("5000.00")
        broker.holdings[APPLE] = 10
        async with world(broker=broker, regions=(Region.KR, Region.US), start=NEW_YORK_NINE) as w:
            price_of_apple(w)
            price = None if limit is None else Decimal(limit)
            intent = at_session(Session.OPENING, price, side=Side.SELL, instrument=APPLE)
            order = await sent(w, intent)
            assert order.limit == price, "sent as it was asked for, without a collar"
            half_past = NEW_YORK_NINE + timedelta(minutes=30)
            await w.until(lambda: w.clock.now() > half_past + timedelta(minutes=10), 3600)
            assert w.order().is_open, "its stock is halted, and opens when that ends"
            broker.drop(broker.kept[0])
            over = await expired_at(w, order, 600)
            assert over < half_past + timedelta(minutes=15)

    run(main())


def price_of_apple(w: World) -> None:
    now = w.clock.now()
    w.desk.on_feed(Tick(APPLE, Decimal("145.00"), 1, None, 1, now, now))


@pytest.mark.parametrize(
    ("intent", "start", "told"),
    [
        (at_session(Session.AFTER_MARKET), MONDAY_NINE, "2026-11-23 16:00:00 KST"),
        (
            at_session(Session.CLOSING_PRICE, None),
            TEN_PAST_FOUR,
            "2026-11-24 15:30:00 KST",
        ),
        (at_session(Session.PREVIOUS_CLOSE, None), MONDAY_NINE, "2026-11-24 08:30:00 KST"),
        (at_session(Session.AFTER_MARKET, None), TEN_PAST_FOUR, "no market order"),
        (wish(), TEN_PAST_FOUR, "2026-11-24 08:20:00 KST"),
        (at_session(Session.OPENING), MONDAY_NINE, "session opening"),
        (at_session(Session.SINGLE_PRICE), MONDAY_NINE, "session single_price"),
        (at_session(Session.CLOSING_PRICE), TEN_PAST_FOUR, "limit: "),
        (replace(wish(limit=None), kind=OrderKind.BEST_OWN), MONDAY_NINE, "kind best_own"),
    ],
)
def test_what_its_session_does_not_take_now_is_never_sent(
    intent: OrderIntent, start: datetime, told: str
) -> None:
    async def main() -> None:
        async with world(broker=waiting(), start=start) as w:
            [denied] = await w.submit(intent)
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.GATE_CLOSED
            assert told in denied.detail
            assert not w.facts(OrderSent)

    run(main())


def test_a_strategy_asks_for_a_session_and_moves_its_order_there() -> None:
    seen: list[Order | Denied] = []

    async def script(context: StrategyContext) -> None:
        [instrument, *_] = context.instruments
        intent = context.buy(
            instrument, 1, limit=PRICE, session=Session.AFTER_MARKET, reason="after hours"
        )
        seen.extend(await context.submit(intent))
        assert isinstance(seen[0], Order)
        seen.append(await context.modify(seen[0].id, PRICE + 100))
        async for _ in context.events():
            pass

    async def main() -> None:
        async with world(script, broker=waiting(), start=TEN_PAST_FOUR) as w:
            await w.until(lambda: len(seen) == 2)
            await w.until(is_moved(w))
            assert w.order().intent.session is Session.AFTER_MARKET

    run(main())


def reached(w: World, at: datetime) -> Callable[[], bool]:
    return lambda: w.clock.now() >= at


def is_moved(w: World) -> Callable[[], bool]:
    return lambda: w.order().limit == PRICE + 100
