import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from structlog.testing import capture_logs

from daemon.core.errors import NeedsOperator, TryLater
from daemon.core.values import InstrumentId, Interest, LinkDown, LinkUp, OrderBook, Tick
from daemon.core.witness import BrokerNotice
from daemon.kis.spec import SIM
from daemon.kis.stream import KisFeed
from daemon.ports import FeedEvent
from tests.kis.fakes import CREDENTIALS, SAMSUNG, MemoryConnection, MemoryStream, ack, frame
from tests.support import EPOCH, VirtualClock, run_virtual

NOTICE = ("H0STCNI0", "htsid001")
TRADES = ("H0STCNT0", "005930")
BOOK = ("H0STASP0", "005930")


def interests(*instruments: InstrumentId) -> list[Interest]:
    return [Interest(channel, each) for channel in ("trades", "book") for each in instruments]


class Keys:
    def __init__(self, *errors: BaseException) -> None:
        self.asked: list[bool] = []
        self.errors = list(errors)

    async def approval_key(self, *, renew: bool = False) -> str:
        self.asked.append(renew)
        if self.errors:
            raise self.errors.pop(0)
        return f"key-{len(self.asked)}"


class Scene:
    """A feed against scripted connections; ends after `seconds` or when the feed raises."""

    def __init__(
        self,
        *plays: Callable[[MemoryConnection], Awaitable[None]],
        keys: Keys | None = None,
        wanted: tuple[InstrumentId, ...] = (SAMSUNG,),
    ) -> None:
        self.stream = MemoryStream(*plays)
        self.keys = keys or Keys()
        self.events: list[FeedEvent] = []
        self.raw: list[str | bytes] = []
        self.told: list[datetime] = []
        self.feed = KisFeed(
            profile=SIM,
            credentials=CREDENTIALS,
            transport=self.stream,
            keys=self.keys,
            clock=VirtualClock(),
            random=Random(3),
            on_raw=lambda message, at: self.raw.append(message),
            on_server_time=self.told.append,
        )
        self.feed.want(interests(*wanted))

    def play(self, seconds: float) -> "Scene":
        async def scenario() -> None:
            task = asyncio.get_running_loop().create_task(self.feed.run(self.events.append))
            done, _ = await asyncio.wait({task}, timeout=seconds)
            if not done:
                task.cancel()
            await asyncio.gather(task, return_exceptions=not done)

        run_virtual(scenario())
        return self

    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]


async def greet(connection: MemoryConnection) -> None:
    """Confirm notices, then trades and books of one instrument."""
    for expected in (NOTICE, TRADES, BOOK):
        kind, *key = await connection.request()
        assert (kind, *key) == ("1", *expected)
        connection.acknowledge(*expected)


async def for_ever() -> None:
    await asyncio.Event().wait()


def test_notices_first_then_quotes_then_events_in_order() -> None:
    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        connection.push(frame("h0stcnt0_3"))
        connection.push(frame("h0stcni0_encrypted_frame"))
        connection.push(frame("h0stasp0_59").encode())
        await for_ever()

    scene = Scene(play).play(5)
    assert scene.kinds() == [LinkUp, Tick, Tick, Tick, BrokerNotice, OrderBook]
    assert scene.events[0] == LinkUp(EPOCH, None)
    assert scene.stream.urls == ["ws://127.0.0.1:0/tryitout"]
    assert len(scene.raw) == 6
    assert scene.feed.stats.events == 5


def test_a_loss_is_told_once_and_the_feed_comes_back() -> None:
    async def first(connection: MemoryConnection) -> None:
        await greet(connection)

    async def fails(connection: MemoryConnection) -> None:
        return

    async def second(connection: MemoryConnection) -> None:
        await greet(connection)
        await for_ever()

    scene = Scene(first, fails, second).play(60)
    assert scene.kinds() == [LinkUp, LinkDown, LinkUp]
    down, again = scene.events[1], scene.events[2]
    assert isinstance(down, LinkDown)
    assert isinstance(again, LinkUp)
    assert again.down_since == down.at
    assert down.cause == "closed"
    assert again.at - down.at >= timedelta(seconds=3)


def test_attempts_wait_longer_each_time() -> None:
    times = Scene().play(300).stream.opened_at
    gaps = [later - earlier for earlier, later in pairwise(times)]
    for gap, step in zip(gaps, (1, 2, 4, 8, 16, 32, 60, 60), strict=False):
        assert step <= gap <= step * 1.25


def test_a_key_in_use_waits_longer_and_keeps_the_key() -> None:
    async def in_use(connection: MemoryConnection) -> None:
        await connection.request()
        connection.push(frame("err_appkey_in_use"))
        await for_ever()

    scene = Scene(in_use, in_use, in_use, in_use).play(110)
    times = scene.stream.opened_at
    gaps = [later - earlier for earlier, later in pairwise(times)]
    for gap, step in zip(gaps, (5, 10, 30), strict=False):
        assert step <= gap <= step * 1.25
    assert not any(scene.keys.asked)
    assert scene.events == []


def test_a_bad_approval_fetches_another_key() -> None:
    async def stale(connection: MemoryConnection) -> None:
        await connection.request()
        connection.push(ack(*NOTICE, code="OPSP0011"))
        await for_ever()

    async def good(connection: MemoryConnection) -> None:
        await greet(connection)
        await for_ever()

    scene = Scene(stale, good).play(10)
    assert scene.keys.asked == [False, True]
    assert scene.kinds() == [LinkUp]


def test_a_rejected_app_key_needs_an_operator() -> None:
    async def rejected(connection: MemoryConnection) -> None:
        await connection.request()
        connection.push(ack("(null)", "", code="OPSP0010"))
        await for_ever()

    with pytest.raises(NeedsOperator, match="OPSP0010"):
        Scene(rejected).play(10)
    with pytest.raises(NeedsOperator, match="keys"):
        Scene(keys=Keys(NeedsOperator("keys"))).play(10)


def test_an_approval_that_fails_for_now_is_tried_again() -> None:
    async def good(connection: MemoryConnection) -> None:
        await greet(connection)
        await for_ever()

    scene = Scene(good, keys=Keys(TryLater("X", "later", delay=1.0))).play(10)
    assert scene.kinds() == [LinkUp]


def test_a_heartbeat_is_answered_both_ways() -> None:
    pongs: list[bytes] = []
    echoes: list[str] = []

    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        connection.push(frame("pingpong"))
        echoes.append(await connection.text())
        pongs.extend(connection.pongs)
        await for_ever()

    Scene(play).play(5)
    assert echoes == [frame("pingpong")]
    assert pongs == [frame("pingpong").encode()]


def test_silence_ends_a_connection_and_any_message_keeps_it() -> None:
    async def quiet(connection: MemoryConnection) -> None:
        await greet(connection)
        for _ in range(5):
            await asyncio.sleep(100)
            connection.push(frame("pingpong"))
        await for_ever()

    scene = Scene(quiet).play(700)
    assert scene.kinds() == [LinkUp, LinkDown]
    down = scene.events[1]
    assert isinstance(down, LinkDown)
    assert "silent" in down.cause
    assert down.at - EPOCH == pytest.approx(timedelta(seconds=630), abs=timedelta(seconds=2))


def beating(every: float, beats: int) -> Callable[[MemoryConnection], Awaitable[None]]:
    """A server that sends so many heartbeats and then nothing more."""

    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        for _ in range(beats):
            await asyncio.sleep(every)
            connection.push(frame("pingpong"))
        await for_ever()

    return play


def silence_borne(scene: Scene) -> float:
    """Seconds of silence after the last heartbeat of the first connection."""
    down = next(each for each in scene.events if isinstance(each, LinkDown))
    return (down.at - EPOCH).total_seconds()


@pytest.mark.parametrize(
    ("every", "beats", "borne"),
    [
        (20.0, 4, 60.0),
        (20.0, 3, 130.0),
        (20.0, 10, 60.0),
        (2.0, 10, 30.0),
        (110.0, 5, 130.0),
        (20.0, 0, 130.0),
    ],
    ids=["learnt", "too few to know", "long known", "quick ones", "slow ones", "none"],
)
def test_once_the_heartbeats_rhythm_is_known_three_missed_ones_are_enough(
    every: float, beats: int, borne: float
) -> None:
    scene = Scene(beating(every, beats)).play(900)
    assert silence_borne(scene) == pytest.approx(every * beats + borne, abs=1.0)


def test_the_slowest_of_the_last_heartbeats_sets_the_limit() -> None:
    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        for wait in (90.0, 10.0, 35.0, 10.0, 10.0):
            await asyncio.sleep(wait)
            connection.push(frame("pingpong"))
        await for_ever()

    assert silence_borne(Scene(play).play(900)) == pytest.approx(155.0 + 105.0, abs=1.0)


def test_a_new_connection_has_a_rhythm_of_its_own() -> None:
    scene = Scene(beating(15.0, 8), beating(100.0, 2)).play(900)
    first, second = (each.at for each in scene.events if isinstance(each, LinkDown))
    up = [each.at for each in scene.events if isinstance(each, LinkUp)][1]
    assert (first - EPOCH).total_seconds() == pytest.approx(120 + 45, abs=1)
    assert (second - up).total_seconds() == pytest.approx(200 + 130, abs=1)


def test_the_brokers_time_is_passed_on_with_each_heartbeat() -> None:
    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        for stamp in ("20260710090010", "never", "20260710090020"):
            connection.push(f'{{"header":{{"tr_id":"PINGPONG","datetime":"{stamp}"}}}}')
        await for_ever()

    scene = Scene(play).play(5)
    assert scene.told == [
        datetime(2026, 7, 10, 0, 0, 10, tzinfo=UTC),
        datetime(2026, 7, 10, 0, 0, 20, tzinfo=UTC),
    ]
    assert scene.feed.stats.pings == 3


def test_bad_messages_are_counted_and_the_feed_goes_on() -> None:
    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        for bad in ("", "{", "0|H0STCNT0|001|x", b"\xff\xfe", "9|x|001|y", "{}", "[1]"):
            connection.push(bad)
        connection.push(frame("h0stcnt0_1"))
        await for_ever()

    scene = Scene(play).play(5)
    assert scene.kinds() == [LinkUp, Tick]
    assert scene.feed.stats.undecodable == 7
    assert scene.feed.is_up is False, "stopped"


def test_wishes_change_while_it_runs() -> None:
    said: list[tuple[str, str, str]] = []

    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        scene.feed.want(interests(InstrumentId("krx:000660")))
        while True:
            request = await connection.request()
            said.append(request)
            code = "OPSP0001" if request[0] == "2" else "OPSP0000"
            connection.acknowledge(*request[1:], code=code)

    scene = Scene(play)
    scene.play(5)
    assert said == [
        ("2", *TRADES),
        ("2", *BOOK),
        ("1", "H0STCNT0", "000660"),
        ("1", "H0STASP0", "000660"),
    ]


def test_what_the_receiver_raises_ends_the_feed() -> None:
    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        await for_ever()

    def broken(event: FeedEvent) -> None:
        raise ValueError("a bug")

    scene = Scene(play)

    async def scenario() -> None:
        await scene.feed.run(broken)

    with pytest.raises(ValueError, match="a bug"):
        run_virtual(scenario())


def test_wishes_beyond_the_limit_are_visible() -> None:
    scene = Scene(wanted=tuple(InstrumentId(f"krx:{n:06}") for n in range(25)))
    assert len(scene.feed.overflow) == 50 - 39


def test_a_bad_message_is_logged_with_a_bounded_beginning_and_no_key() -> None:
    secret = "abcdefghijklmnopabcdefghijklmnop"

    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        connection.push("0|H0STCNT0|001|" + "x" * 5_000)
        await for_ever()

    async def answer(connection: MemoryConnection) -> None:
        await greet(connection)
        header = '{"header":{"tr_id":"H0STCNI0","tr_key":"htsid001"},'
        connection.push(header + f'"body":{{"output":{{"key":"{secret}"')
        await for_ever()

    for script in (play, answer):
        with capture_logs() as lines:
            Scene(script).play(5)
        [line] = [each for each in lines if each["event"] == "frame_undecodable"]
        assert 0 < len(line["raw"]) <= 200
        assert secret not in str(lines)


def test_what_is_wanted_confirmed_and_left_out_is_visible() -> None:
    async def play(connection: MemoryConnection) -> None:
        for expected in (NOTICE, TRADES):
            await connection.request()
            connection.acknowledge(*expected)
        await connection.request()
        connection.push(ack(*BOOK, code="OPSP0008"))
        await for_ever()

    trades, book = interests(SAMSUNG)
    seen: list[object] = []

    async def scenario() -> None:
        scene = Scene(play)
        task = asyncio.get_running_loop().create_task(scene.feed.run(scene.events.append))
        await asyncio.sleep(5.0)
        seen.extend((scene.feed.confirmed, scene.feed.overflow))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(scenario())
    assert seen == [frozenset({trades}), (book,)]


def test_an_interest_without_a_channel_is_refused_and_the_former_set_kept() -> None:
    scene = Scene()
    with pytest.raises(ValueError, match="weather"):
        scene.feed.want([Interest("weather", SAMSUNG)])
    with pytest.raises(ValueError, match="weather"):
        scene.feed.canonical(Interest("weather", SAMSUNG))


def test_a_connection_given_up_is_opened_again() -> None:
    async def first(connection: MemoryConnection) -> None:
        await greet(connection)
        scene.feed.reconnect("it brings nothing")
        await for_ever()

    async def second(connection: MemoryConnection) -> None:
        await greet(connection)
        await for_ever()

    scene = Scene(first, second)
    scene.play(30)
    assert scene.kinds() == [LinkUp, LinkDown, LinkUp]
    assert isinstance(scene.events[1], LinkDown)
    assert scene.events[1].cause == "it brings nothing"


def test_a_renewed_interest_is_registered_anew() -> None:
    said: list[tuple[str, str, str]] = []

    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        await asyncio.sleep(1.0)
        scene.feed.renew(interests(SAMSUNG)[0])
        said.append(await connection.request())
        connection.push(ack(*TRADES, code="OPSP0001"))
        said.append(await connection.request())
        await for_ever()

    scene = Scene(play)
    scene.play(10)
    assert said == [("2", *TRADES), ("1", *TRADES)]


def test_many_connections_in_an_hour_come_no_closer_than_a_minute() -> None:
    async def dies_young(connection: MemoryConnection) -> None:
        await greet(connection)
        await asyncio.sleep(61.0)
        connection.close()

    scene = Scene(*[dies_young] * 200).play(3 * 3600)
    times = scene.stream.opened_at
    in_an_hour = max(sum(at <= each < at + 3600 for each in times) for at in times)
    assert in_an_hour <= KisFeed.RECONNECTS + 60
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps[KisFeed.RECONNECTS :]) >= KisFeed.CALM_PAUSE


def test_columns_that_were_added_are_logged_once_a_channel() -> None:
    trade, book = frame("h0stcnt0_1_47"), frame("h0stasp0_62")

    async def play(connection: MemoryConnection) -> None:
        await greet(connection)
        for text in (trade, f"{trade}^9", f"{trade}^9^9", book, f"{book}^9", f"{book}^9"):
            connection.push(text)
        await for_ever()

    with capture_logs() as lines:
        Scene(play).play(5)
    told = [each for each in lines if each["event"] == "feed_drift"]
    assert [(each["channel"], each["known"], each["seen"]) for each in told] == [
        ("H0STCNT0", 47, 48),
        ("H0STASP0", 62, 63),
    ]
    assert all(each["log_level"] == "warning" for each in told)


def test_it_always_says_by_when_it_will_have_done_something() -> None:
    async def silent(connection: MemoryConnection) -> None:
        await greet(connection)
        await for_ever()

    late: list[float] = []

    async def scenario() -> None:
        scene = Scene(silent, silent)
        loop = asyncio.get_running_loop()
        assert scene.feed.due_at == float("inf")
        task = loop.create_task(scene.feed.run(scene.events.append))
        # Two connections that fall silent, and then none that can be opened: an outage of hours.
        for _ in range(2 * 3600):
            await asyncio.sleep(1)
            late.append(loop.time() - scene.feed.due_at)
        task.cancel()
        await asyncio.wait([task])

    run_virtual(scenario())
    assert max(late) < 0


def test_a_stream_that_hangs_is_past_its_time() -> None:
    class Stuck(Keys):
        async def approval_key(self, *, renew: bool = False) -> str:
            await for_ever()
            return ""

    async def scenario() -> None:
        scene = Scene(keys=Stuck())
        loop = asyncio.get_running_loop()
        task = loop.create_task(scene.feed.run(scene.events.append))
        await asyncio.sleep(KisFeed.OPENING - 1)
        assert scene.feed.due_at > loop.time()
        await asyncio.sleep(2)
        assert scene.feed.due_at < loop.time()
        task.cancel()
        await asyncio.wait([task])

    run_virtual(scenario())
