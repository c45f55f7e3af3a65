"""The whole client against the simulator on loopback ports: HTTP, stream, sealed notices."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.core.calendar import KST, RoundingWay
from daemon.core.errors import Refused
from daemon.core.events import OrderKind
from daemon.core.orders import Order
from daemon.core.steps import accepted_price
from daemon.core.values import (
    AccountId,
    BrokerRef,
    Currency,
    InstrumentId,
    Interest,
    LinkUp,
    OrderBook,
    Region,
    Side,
    Tick,
)
from daemon.core.witness import BrokerNotice, NoticeKind
from daemon.emergency import cancel_all
from daemon.kis.caller import ApiCaller
from daemon.kis.codec import Credentials
from daemon.kis.rest import KisRest
from daemon.kis.scripting import UnifiedClient
from daemon.kis.spec import SIM, VIRTUAL, Profile
from daemon.kis.stream import KisFeed
from daemon.kis.ticker import PriceStream
from daemon.kis.transport import AiohttpTransport, WebsocketsTransport
from daemon.ports import FeedEvent
from daemon.sim.facts import OrderRequest
from daemon.sim.options import SimulatorOptions
from daemon.sim.server import SimulatorServer
from daemon.sim.universe import LISTINGS
from daemon.store.locks import FileTokenStore, SharedBudget
from tests.kis.bank import DAYS, rules
from tests.kis.fakes import ACCOUNT, SAMSUNG, make_order

pytestmark = pytest.mark.e2e


APPLE = InstrumentId("nasdaq:AAPL")
BERKSHIRE = InstrumentId("nyse:BRK/B")


class World:
    """A running simulator with a client on it."""

    def __init__(self, server: SimulatorServer, rest: KisRest, feed: KisFeed) -> None:
        self.server = server
        self.rest = rest
        self.feed = feed
        self.events: list[FeedEvent] = []
        self._news = asyncio.Event()

    def emit(self, event: FeedEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def notices(self, number: str) -> list[BrokerNotice]:
        return [
            event
            for event in self.events
            if isinstance(event, BrokerNotice) and event.number == number
        ]


EVENING = datetime(2026, 10, 12, 16, 10, tzinfo=KST)
"""The after-market of KRX has begun."""

STILL = tuple(replace(listing, pace=0.001) for listing in LISTINGS[:1])
"""Nobody trades with an order that rests at the best price."""


def simulated(*, american: bool, refused: bool, start: datetime | None) -> SimulatorOptions:
    # Ten minutes after the open: what comes before is lived through at the start.
    hour, minute = (22, 40) if american else (10, 0)
    return SimulatorOptions(
        start=start or datetime(2026, 7, 10, hour, minute, tzinfo=KST),
        regions=frozenset({Region.US if american else Region.KR}),
        listings=STILL if start else LISTINGS,
        told_twice=american,
        refused_later=float(refused),
        refused_by_reason=american,
    )


def with_world(
    folder: Path,
    main: Callable[[World], Awaitable[None]],
    *,
    american: bool = False,
    base: Profile = SIM,
    refused: bool = False,
    start: datetime | None = None,
) -> None:
    regions = (Region.US, Region.KR) if american else (Region.KR,)
    options = simulated(american=american, refused=refused, start=start)

    async def scenario() -> None:
        server = SimulatorServer(options)
        await server.start()
        try:
            await session(server)
        finally:
            await server.stop()

    async def session(server: SimulatorServer) -> None:
        profile = replace(
            base, rest_url=server.rest_url, ws_url=server.ws_url, requests_per_second=10
        )
        credentials = Credentials(
            app_key=options.app_key,
            app_secret=options.app_secret,
            account=AccountId(options.accounts[0]),
            hts_id=options.hts_id,
        )
        budget = SharedBudget(folder / "slots", profile.requests_per_second)
        async with AiohttpTransport(profile.rest_url) as transport:
            rest = KisRest(
                profile=profile,
                credentials=credentials,
                transport=transport,
                budget=budget,
                tokens=FileTokenStore(folder / "keys"),
                clock=server.clock,
                random=Random(1),
                regions=regions,
            )
            feed = KisFeed(
                profile=profile,
                credentials=credentials,
                transport=WebsocketsTransport(),
                keys=rest,
                clock=server.clock,
                random=Random(2),
                regions=regions,
            )
            world = World(server, rest, feed)
            seen = APPLE if american else SAMSUNG
            if base is not VIRTUAL:  # which streams no US stock
                feed.want([Interest("trades", seen), Interest("book", seen)])
            loop = asyncio.get_running_loop()
            tasks = [loop.create_task(rest.run()), loop.create_task(feed.run(world.emit))]
            try:
                await main(world)
            finally:
                for task in reversed(tasks):
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
        budget.close()

    asyncio.run(scenario())


def placed(order: Order, *refs: BrokerRef) -> Order:
    return replace(order, refs=(*order.refs, *refs))


def test_an_order_is_placed_modified_and_cancelled(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        await world.until(lambda: any(isinstance(event, LinkUp) for event in world.events))
        info = await rest.info(SAMSUNG)
        assert info.lower_limit is not None
        assert info.upper_limit is not None
        assert info.lower_limit < info.last < info.upper_limit
        order = make_order(quantity=3, limit=info.lower_limit)
        left: list[str] = []
        ref = await rest.place(order, leaving=lambda: left.append("left"))
        order = placed(order, ref)
        assert left == ["left"]
        await world.until(lambda: bool(world.notices(ref.number)))
        assert world.notices(ref.number)[0].kind is NoticeKind.ACCEPTED
        (listed,) = await rest.orders(ref.day)
        assert (listed.refs, listed.remaining) == ((ref,), 3)
        higher = info.lower_limit + 100
        moved = await rest.modify(order, higher, leaving=lambda: None)
        order = placed(order, moved)
        await world.until(
            lambda: any(n.kind is NoticeKind.MODIFIED for n in world.notices(ref.number))
        )
        (listed,) = await rest.orders(ref.day)
        assert (listed.refs, listed.remaining, listed.limit) == ((ref, moved), 3, higher)
        await rest.cancel(order, leaving=lambda: None)
        await world.until(
            lambda: any(n.kind is NoticeKind.CANCELLED for n in world.notices(moved.number))
        )
        (listed,) = await rest.orders(ref.day)
        assert (listed.refs, listed.remaining, listed.filled) == ((ref, moved), 0, 0)
        with pytest.raises(Refused):
            await rest.cancel(order, leaving=lambda: None)

    with_world(tmp_path, main)


@pytest.mark.parametrize("venue", ["SOR", "NXT"])
def test_what_an_app_sent_to_another_exchange_is_moved_and_cancelled_there(
    venue: str, tmp_path: Path
) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        info = await rest.info(SAMSUNG)
        assert info.lower_limit is not None
        by_hand = OrderRequest(
            account=ACCOUNT,
            code="005930",
            side=Side.BUY,
            quantity=3,
            price=info.lower_limit,
            division="00",
            branch="06010",
            venue=venue,
            origin="HTS",
        )
        world.server.place_by_hand(by_hand)
        today = world.server.clock.now().astimezone(KST).date()
        order = make_order(quantity=3, limit=info.lower_limit)
        ours = placed(order, await rest.place(order, leaving=lambda: None))
        theirs, own = await rest.orders(today)
        assert own.refs == ours.refs
        await rest.modify(placed(order, *theirs.refs), info.lower_limit + 100, leaving=lambda: None)
        theirs, own = await rest.orders(today)
        assert (theirs.remaining, theirs.limit) == (3, info.lower_limit + 100)
        for known in (placed(order, *theirs.refs), ours):
            await rest.cancel(known, leaving=lambda: None)
        assert [each.remaining for each in await rest.orders(today)] == [0, 0]

    with_world(tmp_path, main)


async def by_app(world: World, division: str) -> None:
    """An order of a person's app in the after-market, resting far from the price if it has one."""
    info = await world.rest.info(SAMSUNG)
    wish = OrderRequest(
        account=ACCOUNT,
        code="005930",
        side=Side.BUY,
        quantity=3,
        price=info.lower_limit if division == "41" else None,
        division=division,
        branch="06010",
        origin="HTS",
    )
    world.server.place_by_hand(wish)


@pytest.mark.parametrize("division", ["41", "47"])
def test_what_an_app_sent_to_the_after_market_is_cancelled_in_an_emergency(
    division: str, tmp_path: Path
) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        await by_app(world, division)
        broker = SimpleNamespace(
            account_id=rest.account_id,
            run=asyncio.Event().wait,  # its requests move already
            know=rest.know,
            orders=rest.orders,
            cancel=rest.cancel,
        )
        session: Any = SimpleNamespace(broker=broker, clock=world.server.clock, calendars=DAYS)
        korea = (Region.KR,)
        outcome = await cancel_all(session, regions=korea, traded=korea, patience=20)
        assert outcome.is_done
        assert outcome.sent == 1
        (listed,) = await rest.orders(EVENING.date())
        assert (listed.remaining, listed.cancelled) == (0, 3)

    with_world(tmp_path, main, start=EVENING)


@pytest.mark.parametrize("division", ["41", "47"])
def test_what_an_app_sent_to_the_after_market_is_cancelled_by_a_script(
    division: str, tmp_path: Path
) -> None:
    async def main(world: World) -> None:
        await by_app(world, division)
        client = script(world)
        (listed,) = await client.get_open_orders()
        await client.cancel_order(listed.refs[-1].number)
        (listed,) = await client.get_orders()
        assert (listed.remaining, listed.cancelled) == (0, 3)

    with_world(tmp_path, main, start=EVENING)


def test_what_an_app_sent_to_the_after_market_is_moved_by_a_script(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        await by_app(world, "41")
        client = script(world)
        (listed,) = await client.get_open_orders()
        last = (await client.get_price("005930")).price
        near = accepted_price(SAMSUNG, last * Decimal("0.96"), RoundingWay.UP)
        moved = await client.modify_order(listed.refs[-1].number, near)
        (listed,) = await client.get_orders()
        assert (listed.refs[-1].number, listed.limit) == (moved.order_no, near)
        await client.cancel_order(moved.order_no)
        assert await client.get_open_orders() == []

    with_world(tmp_path, main, start=EVENING)


def script(world: World) -> UnifiedClient:
    caller = ApiCaller(world.rest)
    return UnifiedClient(
        broker=world.rest,
        caller=caller,
        websocket=PriceStream(world.feed),
        clock=world.server.clock,
        rules=rules,
    )


def test_a_market_order_fills_and_the_books_show_it(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        await world.until(lambda: any(isinstance(event, LinkUp) for event in world.events))
        before = await rest.account()
        ref = await rest.place(make_order(quantity=2, limit=None), leaving=lambda: None)

        def filled() -> int:
            fills = [n for n in world.notices(ref.number) if n.kind is NoticeKind.FILLED]
            return sum(fill.quantity for fill in fills)

        await world.until(lambda: filled() == 2)
        (listed,) = await rest.orders(ref.day)
        assert (listed.filled, listed.remaining, listed.limit) == (2, 0, None)
        assert listed.side is Side.BUY
        after = await rest.account()
        (holding,) = after.holdings
        assert (holding.instrument, holding.quantity) == (SAMSUNG, 2)
        assert before.cash_of(Currency.KRW) - after.cash_of(Currency.KRW) >= listed.notional
        day = ref.day
        (told,) = await rest.trade_profits(Region.KR, day, day, traded=[SAMSUNG])
        assert (told.instrument, told.bought, told.spent) == (SAMSUNG, 2, listed.notional)
        assert await rest.trade_profits(Region.US, day, day, traded=()) == []

    with_world(tmp_path, main)


def test_quotes_by_stream_and_by_inquiry(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        await world.until(lambda: any(isinstance(event, Tick) for event in world.events))
        await world.until(lambda: any(isinstance(event, OrderBook) for event in world.events))
        book = await rest.order_book(SAMSUNG)
        assert book.bid is not None
        assert book.ask is not None
        assert book.bid.price < book.ask.price
        daily = await rest.daily_bars(SAMSUNG, 20)
        assert len(daily) == 20
        assert [bar.start for bar in daily] == sorted(bar.start for bar in daily)
        minutes = await rest.minute_bars(SAMSUNG, 40)
        assert 0 < len(minutes) <= 40
        assert await rest.orderable_cash(SAMSUNG, OrderKind.MARKET, None) > Decimal(0)
        assert rest.stats.refusals == {}
        assert world.feed.stats.undecodable == 0
        assert world.feed.frames.wider == 0

    with_world(tmp_path, main)


def test_fifty_inquiries_at_once_are_never_too_many(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        await asyncio.gather(*(world.rest.info(SAMSUNG) for _ in range(50)))
        assert world.rest.stats.refusals == {}

    with_world(tmp_path, main)


def american_order(
    instrument: InstrumentId, limit: Decimal, *, quantity: int = 3, side: Side = Side.BUY
) -> Order:
    made = make_order(quantity=quantity, side=side)
    intent = replace(made.intent, instrument=instrument, limit=limit)
    return replace(made, intent=intent, limit=limit)


def test_an_american_order_is_placed_modified_and_cancelled(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        await world.until(lambda: any(isinstance(event, LinkUp) for event in world.events))
        info = await rest.info(BERKSHIRE)
        low = accepted_price(BERKSHIRE, info.last * Decimal("0.9"), RoundingWay.DOWN)
        order = american_order(BERKSHIRE, low)
        ref = await rest.place(order, leaving=lambda: None)
        order = placed(order, ref)
        assert ref.day == date(2026, 7, 10)
        await world.until(lambda: bool(world.notices(ref.number)))
        notice = world.notices(ref.number)[0]
        assert (notice.kind, notice.instrument, notice.price) == (
            NoticeKind.ACCEPTED,
            BERKSHIRE,
            low,
        )
        assert notice.day == ref.day
        (listed,) = await rest.orders(ref.day)
        assert (listed.refs, listed.remaining, listed.first_limit) == ((ref,), 3, low)
        higher = low + Decimal("0.05")
        moved = await rest.modify(order, higher, leaving=lambda: None)
        order = placed(order, moved)
        await world.until(
            lambda: any(n.kind is NoticeKind.MODIFIED for n in world.notices(ref.number))
        )
        (listed,) = await rest.orders(ref.day)
        assert (listed.refs, listed.remaining, listed.limit) == ((ref, moved), 3, higher)
        await rest.cancel(order, leaving=lambda: None)
        await world.until(
            lambda: any(n.kind is NoticeKind.CANCELLED for n in world.notices(moved.number))
        )
        (listed,) = await rest.orders(ref.day)
        assert (listed.refs, listed.remaining, listed.filled) == ((ref, moved), 0, 0)
        assert listed.accounted
        with pytest.raises(Refused):
            await rest.cancel(order, leaving=lambda: None)

    with_world(tmp_path, main, american=True)


def test_american_fills_cash_and_shares_are_told_alike_by_all(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        await world.until(lambda: any(isinstance(event, LinkUp) for event in world.events))
        before = await rest.account()
        assert before.cash == {
            Currency.USD: Decimal(100_000),
            Currency.KRW: Decimal(0),
        }
        for instrument in (APPLE, BERKSHIRE):
            last = (await rest.info(instrument)).last
            high = accepted_price(instrument, last * Decimal("1.02"), RoundingWay.DOWN)
            ref = await rest.place(american_order(instrument, high), leaving=lambda: None)
            number = ref.number

            def filled(number: str = number) -> int:
                fills = [n for n in world.notices(number) if n.kind is NoticeKind.FILLED]
                return sum(fill.quantity for fill in fills)

            await world.until(lambda: filled() == 3)
        listed = await rest.orders(date(2026, 7, 10))
        assert [(each.filled, each.remaining) for each in listed] == [(3, 0), (3, 0)]
        told = sum(
            (
                notice.price * notice.quantity
                for order in listed
                for notice in world.notices(order.refs[0].number)
                if notice.kind is NoticeKind.FILLED and notice.price is not None
            ),
            Decimal(0),
        )
        paid = sum((order.notional for order in listed), Decimal(0))
        assert told == paid
        after = await rest.account()
        assert before.cash_of(Currency.USD) - after.cash_of(Currency.USD) == paid
        assert after.cash_of(Currency.KRW) == before.cash_of(Currency.KRW)
        # The broker tells one of them under a second exchange as well.
        held = {each.instrument: each.quantity for each in after.holdings}
        assert held == {APPLE: 3, BERKSHIRE: 3}
        with pytest.raises(Refused):
            await rest.place(
                american_order(APPLE, Decimal("300.00"), quantity=4, side=Side.SELL),
                leaving=lambda: None,
            )

    with_world(tmp_path, main, american=True)


def test_an_american_refusal_told_by_its_reason_alone_is_one(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        ref = await rest.place(american_order(APPLE, Decimal("300.00")), leaving=lambda: None)
        (listed,) = await rest.orders(ref.day)
        assert (listed.rejected, listed.remaining, listed.filled) == (3, 0, 0)
        assert listed.accounted

    with_world(tmp_path, main, american=True, refused=True)


def test_holdings_of_every_us_exchange_are_seen_in_the_virtual_world(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        for instrument in (APPLE, BERKSHIRE):
            last = (await rest.info(instrument)).last
            limit = accepted_price(instrument, last * Decimal("1.05"), RoundingWay.DOWN)
            await rest.place(american_order(instrument, limit, quantity=2), leaving=lambda: None)
        after = await rest.account(regions=(Region.US,))
        held = {each.instrument: each.quantity for each in after.holdings}
        assert held == {APPLE: 2, BERKSHIRE: 2}
        assert after.cash_of(Currency.USD) < Decimal(100_000)

    with_world(tmp_path, main, american=True, base=VIRTUAL)


def test_american_quotes_by_stream_and_by_inquiry(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        await world.until(lambda: any(isinstance(event, Tick) for event in world.events))
        await world.until(lambda: any(isinstance(event, OrderBook) for event in world.events))
        info = await rest.info(APPLE)
        assert (info.upper_limit, info.step) == (None, Decimal("0.01"))
        book = await rest.order_book(APPLE)
        assert book.bid is not None
        assert book.ask is not None
        assert book.bid.price < book.ask.price
        daily = await rest.daily_bars(APPLE, 20)
        assert len(daily) == 20
        assert [bar.start for bar in daily] == sorted(bar.start for bar in daily)
        minutes = await rest.minute_bars(APPLE, 200)
        assert 0 < len(minutes) <= 200
        limit = accepted_price(APPLE, info.last, RoundingWay.DOWN)
        assert await rest.orderable_cash(APPLE, OrderKind.LIMIT, limit) == Decimal(100_000)
        tick = next(event for event in world.events if isinstance(event, Tick))
        assert abs(tick.exchange_time - tick.received_at) < timedelta(minutes=1)
        assert rest.stats.refusals == {}
        assert world.feed.stats.undecodable == 0

    with_world(tmp_path, main, american=True)


def test_a_long_american_list_is_read_to_its_end(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rest = world.rest
        low = accepted_price(
            APPLE, (await rest.info(APPLE)).last * Decimal("0.8"), RoundingWay.DOWN
        )
        refs = [
            await rest.place(american_order(APPLE, low, quantity=1), leaving=lambda: None)
            for _ in range(23)
        ]
        listed = await rest.orders(refs[0].day)
        assert sorted(each.refs[0].number for each in listed) == sorted(ref.number for ref in refs)

    with_world(tmp_path, main, american=True)
