"""Fan-out: nobody is held up, facts are never dropped, and the newest price always arrives."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.values import (
    BOOK,
    TRADES,
    ExpectedPrice,
    InstrumentId,
    Interest,
    MarketPhase,
    MarketStatus,
    OrderBook,
    Quote,
    Record,
    StrategyId,
    Tick,
    Venue,
)
from daemon.engine import hub as hub_module
from daemon.engine.hub import FACT_BACKLOG, MARKET_BACKLOG, Hub, Subscription, TooSlow
from daemon.strategy import MarketGap, MissedBars, StrategyEvent
from tests.builders import HYNIX, NINE, SAMSUNG, STRATEGY, after, empty_book, sent, tick

FAST, SLOW = StrategyId("fast"), StrategyId("slow")


def told(*instruments: InstrumentId) -> list[Interest]:
    """An interest in the trades and the books of instruments."""
    return [Interest(channel, each) for each in instruments for channel in (TRADES, BOOK)]


BOTH = told(SAMSUNG, HYNIX)


def gap(seconds: float = 0) -> MarketGap:
    return MarketGap(at=after(seconds), down_since=NINE, up=False)


async def read(events: AsyncIterator[StrategyEvent], count: int) -> list[StrategyEvent]:
    return [await anext(events) for _ in range(count)]


def drain(subscription: Subscription) -> list[StrategyEvent]:
    """Everything that waits."""
    return asyncio.run(read(subscription.events(), len(subscription)))


def run_together(*tasks: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run coroutines side by side; each has its first turn in the order given.

    An event that never comes fails the test instead of holding it up for ever.
    """

    async def main() -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task())

    asyncio.run(main())


def test_a_subscriber_gets_its_instruments_in_the_order_they_were_published() -> None:
    hub = Hub()
    both, one = hub.subscribe(FAST, BOTH), hub.subscribe(SLOW, told(HYNIX))
    published: list[Tick | OrderBook] = [
        tick(volume=1),
        tick(instrument=HYNIX, volume=2),
        empty_book(),
        tick(volume=3),
        empty_book(HYNIX),
    ]
    for event in published:
        hub.publish_market(event)

    assert drain(both) == published
    assert drain(one) == [published[1], published[4]]
    assert hub.stats.published == 5
    assert hub.stats.delivered == 7
    assert hub.stats.conflated == 0


def test_order_facts_go_to_their_owner_and_gaps_to_everybody() -> None:
    hub = Hub()
    fast, slow = hub.subscribe(FAST, told(SAMSUNG)), hub.subscribe(SLOW, [])
    hub.publish_fact(FAST, sent("a"))
    hub.publish_gap(gap())
    hub.publish_fact(SLOW, sent("b"))
    hub.publish_fact(StrategyId("gone"), sent("c"))

    assert drain(fast) == [sent("a"), gap()]
    assert drain(slow) == [gap(), sent("b")]


def test_facts_and_prices_keep_their_order() -> None:
    hub = Hub()
    subscription = hub.subscribe(FAST, BOTH)
    for number in range(3):
        hub.publish_market(tick(volume=number))
        hub.publish_fact(FAST, sent(f"{number}"))

    assert drain(subscription) == [
        event for number in range(3) for event in (tick(volume=number), sent(f"{number}"))
    ]


def test_a_waiting_subscriber_is_woken_by_prices_and_by_facts() -> None:
    hub = Hub()
    subscription = hub.subscribe(FAST, told(SAMSUNG))
    wants_more = asyncio.Event()
    seen: list[StrategyEvent] = []

    async def consume() -> None:
        async for event in subscription.events():
            seen.append(event)
            wants_more.set()
            if len(seen) == 3:
                return

    async def produce() -> None:
        hub.publish_market(tick())
        await wants_more.wait()
        wants_more.clear()
        hub.publish_fact(FAST, sent("a"))
        await wants_more.wait()
        hub.publish_gap(gap())

    run_together(consume, produce)
    assert seen == [tick(), sent("a"), gap()]


def test_beyond_the_backlog_the_newest_of_an_instrument_replaces_the_one_that_waits() -> None:
    hub = Hub()
    subscription = hub.subscribe(SLOW, BOTH)
    for number in range(MARKET_BACKLOG + 100):
        hub.publish_market(tick(volume=number))
    hub.publish_market(tick(instrument=HYNIX, volume=1))
    hub.publish_market(tick(instrument=HYNIX, volume=2))
    hub.publish_market(empty_book())
    hub.publish_market(empty_book(at=after(1)))

    assert subscription.conflated == hub.stats.conflated == 99 + 1 + 1
    assert len(subscription) == MARKET_BACKLOG + 3
    assert drain(subscription) == [
        *(tick(volume=number) for number in range(MARKET_BACKLOG)),
        tick(volume=MARKET_BACKLOG + 99),
        tick(instrument=HYNIX, volume=2),
        empty_book(at=after(1)),
    ]


def test_who_has_caught_up_sees_every_tick_again() -> None:
    hub = Hub()
    subscription = hub.subscribe(SLOW, told(SAMSUNG))
    for number in range(MARKET_BACKLOG + 10):
        hub.publish_market(tick(volume=number))
    drain(subscription)
    conflated = subscription.conflated
    fresh = [tick(volume=number) for number in range(MARKET_BACKLOG)]
    for event in fresh:
        hub.publish_market(event)

    assert drain(subscription) == fresh
    assert subscription.conflated == conflated == 9


def test_a_slow_subscriber_holds_up_nobody() -> None:
    hub = Hub()
    slow, fast = hub.subscribe(SLOW, told(SAMSUNG)), hub.subscribe(FAST, told(SAMSUNG))
    total = 10 * MARKET_BACKLOG
    seen: list[StrategyEvent] = []

    async def consume() -> None:
        events = fast.events()
        for number in range(total):
            hub.publish_market(tick(volume=number))
            seen.append(await anext(events))

    run_together(consume)
    assert seen == [tick(volume=number) for number in range(total)]
    assert fast.conflated == 0
    assert slow.conflated == total - MARKET_BACKLOG - 1
    assert len(slow) == MARKET_BACKLOG + 1


def test_no_fact_is_dropped_however_many_prices_come() -> None:
    hub = Hub()
    subscription = hub.subscribe(SLOW, told(SAMSUNG))
    facts = [sent(f"{number}") for number in range(1_000)]
    for number, fact in enumerate(facts):
        hub.publish_market(tick(volume=number))
        hub.publish_fact(SLOW, fact)

    assert [event for event in drain(subscription) if not isinstance(event, Tick)] == facts


def test_too_many_unread_facts_end_the_subscription_with_an_error() -> None:
    hub = Hub()
    slow, fast = hub.subscribe(SLOW, []), hub.subscribe(FAST, [])
    for _ in range(FACT_BACKLOG):
        hub.publish_gap(gap())
    hub.publish_fact(FAST, sent("a"))

    async def main() -> None:
        assert await anext(slow.events()) == gap()
        with pytest.raises(TooSlow, match=f"fast left {FACT_BACKLOG} order facts unread"):
            await anext(fast.events())

    asyncio.run(main())
    assert (slow.overflowed, fast.overflowed) == (False, True)
    assert len(fast) == FACT_BACKLOG


def test_facts_may_come_for_ever_to_one_who_reads_them() -> None:
    hub = Hub()
    subscription = hub.subscribe(FAST, [])

    async def consume() -> None:
        events = subscription.events()
        for number in range(FACT_BACKLOG + 10):
            hub.publish_fact(FAST, sent("a", after(number)))
            assert await anext(events) == sent("a", after(number))

    run_together(consume)
    assert not subscription.overflowed


def test_nothing_comes_after_unsubscribing() -> None:
    hub = Hub()
    leaving, staying = hub.subscribe(SLOW, told(SAMSUNG)), hub.subscribe(FAST, told(SAMSUNG))
    hub.unsubscribe(SLOW)
    hub.unsubscribe(SLOW)
    hub.publish_market(tick())
    hub.publish_fact(SLOW, sent("a"))
    hub.publish_gap(gap())

    assert len(leaving) == 0
    assert drain(staying) == [tick(), gap()]


def test_a_new_subscription_takes_the_place_of_the_former() -> None:
    hub = Hub()
    former = hub.subscribe(FAST, told(SAMSUNG))
    latter = hub.subscribe(FAST, told(HYNIX))
    for event in (tick(), tick(instrument=HYNIX)):
        hub.publish_market(event)
    hub.publish_fact(FAST, sent("a"))

    assert len(former) == 0
    assert drain(latter) == [tick(instrument=HYNIX), sent("a")]


def test_an_instrument_named_twice_is_delivered_once() -> None:
    hub = Hub()
    subscription = hub.subscribe(FAST, told(SAMSUNG, SAMSUNG))
    hub.publish_market(tick())

    assert drain(subscription) == [tick()]


# --- Any interleaving ---------------------------------------------------------------------------

PUBLISH = st.tuples(
    st.sampled_from(["tick", "book", "fact", "gap"]), st.sampled_from((SAMSUNG, HYNIX))
)
READ = st.tuples(st.sampled_from([FAST, SLOW]), st.integers(1, 5))
MANY_TICKS = st.tuples(st.just("tick"), st.just(SAMSUNG))
ACTS = st.lists(st.one_of(PUBLISH, MANY_TICKS, READ), max_size=80)


def market_key(event: StrategyEvent) -> tuple[type, InstrumentId] | None:
    return (type(event), event.instrument) if isinstance(event, (Tick, OrderBook)) else None


def by_key(events: Iterable[StrategyEvent]) -> dict[object, list[StrategyEvent]]:
    """Market events by kind and instrument; all facts and gaps together under `None`."""
    sorted_out: dict[object, list[StrategyEvent]] = defaultdict(list)
    for event in events:
        sorted_out[market_key(event)].append(event)
    return sorted_out


def assert_subsequence(seen: list[StrategyEvent], published: list[StrategyEvent]) -> None:
    remaining = iter(published)
    assert all(event in remaining for event in seen), "out of order, repeated or invented"


@settings(max_examples=300, deadline=None)
@given(ACTS)
def test_each_subscriber_sees_a_subsequence_that_ends_with_the_newest(
    acts: list[tuple[str, InstrumentId | int]],
) -> None:
    published: dict[StrategyId, list[StrategyEvent]] = {FAST: [], SLOW: []}
    seen: dict[StrategyId, list[StrategyEvent]] = {FAST: [], SLOW: []}
    hub = Hub()
    queues = {FAST: hub.subscribe(FAST, BOTH), SLOW: hub.subscribe(SLOW, BOTH)}

    async def main() -> None:
        events = {owner: queue.events() for owner, queue in queues.items()}
        for number, (act, what) in enumerate(acts):
            if isinstance(what, int):
                owner = StrategyId(act)
                seen[owner] += await read(events[owner], min(what, len(queues[owner])))
                continue
            publish(act, what, number)
        for owner, queue in queues.items():
            seen[owner] += await read(events[owner], len(queue))

    def publish(act: str, instrument: InstrumentId, number: int) -> None:
        if act == "fact":
            fact = sent(f"{number}")
            hub.publish_fact(FAST, fact)
            published[FAST].append(fact)
            return
        event: Tick | OrderBook | MarketGap
        if act == "gap":
            event = gap(number)
            hub.publish_gap(event)
        else:
            event = (
                tick(instrument=instrument, volume=number)
                if act == "tick"
                else empty_book(instrument, after(number))
            )
            hub.publish_market(event)
        for owner in published:
            published[owner].append(event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_module, "MARKET_BACKLOG", 3)
        asyncio.run(main())

    for owner, queue in queues.items():
        sent_by_key, seen_by_key = by_key(published[owner]), by_key(seen[owner])
        assert seen_by_key.keys() == sent_by_key.keys()
        assert seen_by_key[None] == sent_by_key[None], "a fact was dropped or moved"
        for key, events in sent_by_key.items():
            assert_subsequence(seen_by_key[key], events)
            assert seen_by_key[key][-1:] == events[-1:]
        assert len(seen[owner]) + queue.conflated == len(published[owner])
        if not queue.conflated:
            assert seen[owner] == published[owner]
    assert hub.stats.conflated == sum(queue.conflated for queue in queues.values())
    assert hub.stats.delivered == sum(len(events) for events in seen.values())


def test_reading_ends_when_the_subscription_is_closed() -> None:
    async def main() -> list[StrategyEvent]:
        hub = Hub()
        subscription = hub.subscribe(FAST, told(SAMSUNG))

        async def read_all() -> list[StrategyEvent]:
            return [event async for event in subscription.events()]

        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read_all())
            await asyncio.sleep(0)
            hub.unsubscribe(FAST)
        return reading.result()

    assert asyncio.run(main()) == []


def venue_tick(venue: Venue) -> Tick:
    return tick()._replace(venue=venue)


STATUS = MarketStatus(SAMSUNG, MarketPhase.OPEN, "112", False, "", NINE)
EXPECTED = ExpectedPrice(SAMSUNG, Decimal(70_000), 10, NINE, NINE)
QUOTE = Quote(SAMSUNG, Decimal(70_000), 5, NINE, NINE)
RECORD = Record(
    channel="domestic_stock.program_trade_krx",
    instrument=SAMSUNG,
    key="005930",
    columns=("a",),
    values=("1",),
    received_at=NINE,
)


def publish_all(hub: Hub) -> None:
    """One of everything, all about one instrument."""
    for venue in Venue:
        hub.publish_market(venue_tick(venue))
    hub.publish_market(empty_book())
    hub.publish_market(EXPECTED)
    hub.publish_market(STATUS)
    hub.publish_quote(QUOTE)
    hub.publish_record(RECORD)


@pytest.mark.parametrize(
    ("channel", "seen"),
    [
        ("trades", [venue_tick(Venue.KRX), QUOTE]),
        ("trades@nxt", [venue_tick(Venue.NXT), QUOTE]),
        ("trades@combined", [venue_tick(Venue.COMBINED), QUOTE]),
        ("book", [empty_book(), QUOTE]),
        ("expected", [EXPECTED]),
        ("status", [STATUS]),
        ("program", [RECORD]),
    ],
)
def test_a_subscriber_gets_the_kinds_and_venues_it_asked_for(
    channel: str, seen: list[StrategyEvent]
) -> None:
    hub = Hub()
    subscription = hub.subscribe(FAST, [Interest(channel, SAMSUNG)])
    publish_all(hub)
    assert drain(subscription) == seen
    assert len(hub.subscribe(SLOW, [Interest(channel, HYNIX)])) == 0


def test_what_is_watched_can_change_and_what_waits_stays() -> None:
    hub = Hub()
    subscription = hub.subscribe(FAST, [Interest("trades", SAMSUNG)])
    hub.publish_market(tick())
    hub.watch(FAST, [Interest("book", SAMSUNG)])
    hub.publish_market(tick(volume=2))
    hub.publish_market(empty_book())
    assert drain(subscription) == [tick(), empty_book()]
    hub.watch(FAST, [])
    publish_all(hub)
    assert len(subscription) == 0


def test_records_of_two_channels_do_not_replace_each_other() -> None:
    hub = Hub()
    subscription = hub.subscribe(FAST, [Interest("program", SAMSUNG)])
    other = replace(RECORD, channel="domestic_stock.member_krx")
    newest = replace(RECORD, values=("2",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_module, "MARKET_BACKLOG", 0)
        for record in (RECORD, other, newest):
            hub.publish_record(record)
        assert drain(subscription) == [newest, other]


def test_an_index_is_told_by_records_whatever_it_is_called() -> None:
    index = InstrumentId("index:0001")
    hub = Hub()
    subscription = hub.subscribe(FAST, [Interest("trades", index)])
    hub.publish_record(replace(RECORD, instrument=index))
    assert len(subscription) == 1


def test_a_gap_of_an_instrument_and_its_bars_go_to_those_who_watch_it() -> None:
    hub = Hub()
    mine = hub.subscribe(FAST, [Interest("book", SAMSUNG)])
    others = hub.subscribe(SLOW, [Interest("trades", HYNIX)])
    dark = MarketGap(NINE, NINE, up=False, instrument=SAMSUNG)
    missed = MissedBars(SAMSUNG, NINE, ())
    hub.publish_gap(dark)
    hub.publish_missed(missed)
    hub.publish_gap(gap())
    assert drain(mine) == [dark, missed, gap()]
    assert drain(others) == [gap()]


def test_a_queue_says_whose_it_is_and_what_was_taken_last() -> None:
    async def scenario() -> None:
        hub = Hub()
        assert hub.queue_of(STRATEGY) is None
        queue = hub.subscribe(STRATEGY, ())
        assert hub.queue_of(STRATEGY) is queue
        assert queue.current is None
        gap = MarketGap(NINE, NINE, up=False, cause="a test")
        hub.publish_gap(gap)
        async for _ in queue.events():
            break
        assert queue.current == gap

    asyncio.run(scenario())
