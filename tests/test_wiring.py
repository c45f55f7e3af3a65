"""Sessions as `open_session` puts them together, over real sockets and a real disk."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Coroutine, MutableMapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from structlog.testing import capture_logs

from daemon import wiring
from daemon.config import Settings, load_settings
from daemon.core.calendar import KST
from daemon.core.errors import AlreadyRunning, NeedsOperator
from daemon.core.events import AccountReported
from daemon.core.values import AccountId, InstrumentId, Interest, LinkUp, Region, Tick
from daemon.engine.timetable import Occasion
from daemon.kis import masterfiles
from daemon.kis.frames import FrameDecoder
from daemon.kis.listed import Listed
from daemon.kis.masterfiles import MasterFolder
from daemon.kis.masters import BY_NAME
from daemon.ports import FeedEvent
from daemon.sim import masters
from daemon.sim.options import APP_KEY, APP_SECRET, HTS_ID, SimulatorOptions
from daemon.sim.server import SimulatorServer
from daemon.sim.statefile import SavedBooks, StateFailed, StateFile
from daemon.store.locks import FileTokenStore, SharedBudget
from daemon.store.tapefile import read_tape
from daemon.wiring import Session, master_jobs, open_session
from tests.sim.rig import live
from tests.support import T

ROOT = Path(__file__).parents[1]
CODE = "005930"
FIRST_DAY = date(2026, 11, 2)
NEXT_DAY = date(2026, 11, 3)


def settings_for(folder: Path, mode: str = "sim", **changes: object) -> Settings:
    overrides = {"data_dir": str(folder), **changes}
    return load_settings(mode, overrides, environ={}, root=ROOT)


def virtual_settings(folder: Path, rest_url: str, ws_url: str) -> Settings:
    """The broker's paper trading, at addresses of this machine."""
    keys = {"app_key": APP_KEY, "app_secret": APP_SECRET, "account": "12345678-01"}
    places = {"rest_url": rest_url, "ws_url": ws_url, "shared_root": str(folder / "shared")}
    more = {"hts_id": HTS_ID, "requests_per_second": 10}
    return settings_for(folder, "virtual", **keys, **places, **more)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(20):
            return await scenario

    return asyncio.run(bounded())


def as_told(report: AccountReported) -> AccountReported:
    """Nothing is booked late."""
    return report


@asynccontextmanager
async def requesting(session: Session) -> AsyncIterator[Session]:
    """A session whose requests are served."""
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(session.broker.run())
        yield session
        serving.cancel()


async def buy_by_hand(session: Session, quantity: int, price: int | None = None) -> str:
    """Buy at the simulator outside the daemon; returns the order's number."""
    wish = {"code": CODE, "side": "buy", "quantity": quantity, "price": price}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{session.simulator_url}/sim/order", json=wish) as reply,
    ):
        said = await reply.json()
        return str(said["number"])


def saved_books(settings: Settings) -> SavedBooks:
    state = StateFile(settings.shared_dir / "broker.sqlite3")
    try:
        saved = state.load()
    finally:
        state.close()
    assert saved is not None
    return saved


def test_a_trading_session_brings_a_simulator_along_and_takes_it_away_again(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path)
    endpoint = settings.shared_dir / "simulator.json"

    async def scenario() -> None:
        async with open_session(settings, trading=True) as session:
            announced = orjson.loads(endpoint.read_bytes())
            assert announced["rest_url"] == session.simulator_url
            assert announced["pid"] == os.getpid()
            assert session.broker.account_id == AccountId("12345678-01")
            assert session.calendar.local_date(session.clock.now()) == FIRST_DAY
            assert session.token is None
            url = session.simulator_url
        assert not endpoint.exists()
        assert url is not None
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) != 0

    run(scenario())


def test_only_one_may_trade_and_the_next_may_when_it_is_gone(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    async def scenario() -> None:
        async with open_session(settings, trading=True) as session:
            with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}, sim trading of"):
                async with open_session(settings, trading=True):
                    pass
            # The one turned away left the other's announcement alone.
            announced = orjson.loads((settings.shared_dir / "simulator.json").read_bytes())
            assert announced["rest_url"] == session.simulator_url
        async with open_session(settings, trading=True):
            pass

    run(scenario())


def test_who_only_asks_finds_the_simulator_that_runs(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    async def scenario() -> None:
        async with open_session(settings, trading=True) as trading, requesting(trading):
            await buy_by_hand(trading, 3)
            await trading.broker.account()
            async with open_session(settings, trading=False) as asking, requesting(asking):
                assert asking.simulator_url == trading.simulator_url
                assert asking.token == trading.token is not None
                apart = asking.clock.now() - trading.clock.now()
                assert abs(apart) < timedelta(seconds=5)
                account = await asking.broker.account()
                assert [(each.instrument, each.quantity) for each in account.holdings] == [
                    (InstrumentId("krx:005930"), 3)
                ]
            assert (settings.shared_dir / "simulator.json").exists()

    run(scenario())


def test_who_only_asks_works_on_a_copy_when_none_runs(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    async def trade() -> None:
        async with open_session(settings, trading=True) as session:
            await buy_by_hand(session, 3)

    async def ask() -> None:
        async with open_session(settings, trading=False) as session, requesting(session):
            account = await session.broker.account()
            assert [each.quantity for each in account.holdings] == [3]
            await buy_by_hand(session, 4)
            theirs, _ = await session.broker_books(as_told)
            assert theirs.positions == {CODE: 7}
            assert session.token is not None

    run(trade())
    before = saved_books(settings)
    files = sorted(settings.shared_dir.iterdir())
    assert before.last_day == FIRST_DAY
    for _ in range(2):
        run(ask())
    assert saved_books(settings) == before
    assert sorted(settings.shared_dir.iterdir()) == files
    assert FileTokenStore(settings.shared_dir).load() is None

    async def trade_again() -> date:
        async with open_session(settings, trading=True) as session:
            return session.calendar.local_date(session.clock.now())

    assert run(trade_again()) == NEXT_DAY


def test_asking_before_anything_ever_ran_shows_a_new_account_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path)

    async def scenario() -> None:
        async with open_session(settings, trading=False) as session:
            theirs, _ = await session.broker_books(as_told)
            assert (theirs.cash, theirs.positions) == ({"KRW": "100000000"}, {})

    run(scenario())
    assert not settings.shared_dir.exists() or not list(settings.shared_dir.iterdir())


@pytest.mark.parametrize(
    "announced",
    [
        b'{"rest_url": "http://127.0.0.1:9", "ws_url": "ws://127.0.0.1:9", "pid": 1}',
        b'{"rest_url": "http://127.',
        b"[]",
        b"",
    ],
    ids=["nobody there", "cut off", "no endpoint", "empty"],
)
def test_an_announcement_that_leads_nowhere_is_passed_over(
    tmp_path: Path, announced: bytes
) -> None:
    settings = settings_for(tmp_path)
    settings.shared_dir.mkdir(parents=True)
    (settings.shared_dir / "simulator.json").write_bytes(announced)

    async def scenario() -> None:
        async with open_session(settings, trading=False) as session:
            theirs, _ = await session.broker_books(as_told)
            assert theirs.cash == {"KRW": "100000000"}

    run(scenario())


def test_tokens_of_an_earlier_simulator_died_with_it(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    async def scenario() -> None:
        async with open_session(settings, trading=True) as session, requesting(session):
            await session.broker.account()
            first = session.token
            assert first is not None
        async with open_session(settings, trading=True) as session, requesting(session):
            assert session.token is None
            await session.broker.account()
            assert session.token not in (None, first)

    run(scenario())


def test_a_simulator_named_by_the_settings_is_used_with_its_own_clock(tmp_path: Path) -> None:
    async def scenario() -> None:
        start = datetime(2026, 10, 12, 9, 5, tzinfo=KST)
        async with live(start=start, speed=60.0) as client:
            server = client.server
            urls = {"rest_url": server.rest_url, "ws_url": server.ws_url}
            settings = settings_for(tmp_path, **urls)
            async with open_session(settings, trading=True) as session:
                assert session.simulator_url == server.rest_url
                assert abs(session.clock.now() - server.clock.now()) < timedelta(seconds=5)
                assert session.clock.now() >= start
                assert not (settings.shared_dir / "simulator.json").exists()
                assert not (settings.shared_dir / "broker.sqlite3").exists()
            # It was not ours: it runs on.
            assert (await client.get("/sim/clock")).status == 200

    run(scenario())


def test_a_simulator_that_does_not_answer_needs_a_person(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = settings_for(tmp_path, rest_url=f"http://{url}", ws_url=f"ws://{url}")

        async def scenario() -> None:
            async with open_session(settings, trading=True):
                pass

        with pytest.raises(NeedsOperator, match="no simulator answers"):
            run(scenario())


def test_both_ways_of_asking_for_the_brokers_books_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with live() as client:
            server = client.server
            # Trading at the broker goes by the wall clock: let it be the same day on the wall.
            monkeypatch.setattr(wiring, "WallClock", lambda: server.clock)
            urls = {"rest_url": server.rest_url, "ws_url": server.ws_url}
            async with (
                open_session(settings_for(tmp_path, **urls), trading=True) as simulated,
                open_session(virtual_settings(tmp_path, **urls), trading=False) as virtual,
                requesting(virtual),
            ):
                await buy_by_hand(simulated, 3)
                number = await buy_by_hand(simulated, 2, 60_000)
                theirs, door = await simulated.broker_books(as_told)
                inquired, counted = await virtual.broker_books(as_told)

                assert theirs == inquired
                assert theirs.positions == {CODE: 3}
                assert theirs.open_orders == {number.lstrip("0"): 2}
                assert int(theirs.cash["KRW"]) < 100_000_000
                # The simulator counts what came to its door, the other side what it sent itself.
                assert virtual.simulator_url is None
                assert counted == {"requests": virtual.broker.stats.requests}
                counts = {"requests", "refused", "max_requests_in_any_second", "tokens_issued"}
                assert door.keys() == counts

    run(scenario())


def test_books_that_cannot_be_asked_for_say_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live() as client:
            server = client.server
            urls = {"rest_url": server.rest_url, "ws_url": server.ws_url}
            async with open_session(settings_for(tmp_path, **urls), trading=True) as session:
                await server.stop()
                with pytest.raises(NeedsOperator, match="does not answer"):
                    await session.broker_books(as_told)
                await server.start()

    run(scenario())


def test_all_processes_of_a_key_share_the_pace_the_settings_name(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, requests_per_second=3)

    async def scenario() -> None:
        async with open_session(settings, trading=True) as session, requesting(session):
            await session.broker.account()
            other = SharedBudget(settings.shared_dir / "budget", 20)
            now = session.clock.monotonic()
            taken = [other.take(now, hold=1.0) for _ in range(10)]
            other.close()
            assert sum(slot is not None for slot in taken) <= 3

    run(scenario())


def test_a_simulator_that_breaks_is_told(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    async def scenario() -> None:
        async with open_session(settings, trading=True) as session:
            assert session.simulator is not None
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.watch(), 0.2)

            def full(*_: object, **__: object) -> None:
                raise StateFailed(Path("books"), OSError("disk full"))

            session.simulator.broker.save_closes = full  # type: ignore[method-assign]
            with pytest.raises(NeedsOperator, match=r"built-in simulator broke: .*disk full"):
                await session.watch()
        async with live() as client:
            urls = {"rest_url": client.server.rest_url, "ws_url": client.server.ws_url}
            async with open_session(settings_for(tmp_path, **urls), trading=True) as session:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(session.watch(), 0.1)

    run(scenario())


def test_a_start_before_the_books_is_ignored_and_said_so(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    async def scenario() -> list[MutableMapping[str, Any]]:
        with capture_logs() as lines:
            async with open_session(settings, trading=True):
                pass
        return [line for line in lines if line["event"] == "sim_start_ignored"]

    assert run(scenario()) == []
    (warning,) = run(scenario())
    assert warning["requested"] == "2026-11-02T09:00:00+09:00"
    assert warning["market_time"] == "2026-11-03T09:00:00+09:00"


@pytest.mark.parametrize(("pace", "limit"), [(3, 10), (20, 20)])
def test_our_simulator_lets_the_chosen_pace_through(tmp_path: Path, pace: int, limit: int) -> None:
    async def scenario() -> None:
        settings = settings_for(tmp_path, requests_per_second=pace)
        async with open_session(settings, trading=True) as session:
            assert session.simulator is not None
            assert session.simulator.options.rate_limit == limit

    run(scenario())


def test_a_named_simulator_is_for_one_daemon_whatever_its_data_folder(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live() as client:
            urls = {"KIS_REST_URL": client.server.rest_url, "KIS_WS_URL": client.server.ws_url}
            environ = {**urls, "XDG_STATE_HOME": str(tmp_path / "state")}
            first, second = (
                load_settings("sim", {"data_dir": str(tmp_path / name)}, environ=environ, root=ROOT)
                for name in ("first", "second")
            )
            async with open_session(first, trading=True):
                with pytest.raises(AlreadyRunning):
                    async with open_session(second, trading=True):
                        pass

    run(scenario())


def test_nothing_of_the_daemon_is_readable_by_others(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)

    async def scenario() -> None:
        async with open_session(settings, trading=True) as session, requesting(session):
            await session.broker.account()
            assert settings.shared_dir.stat().st_mode & 0o077 == 0
            for name in ("token.json", "daemon.lock", "budget"):
                assert (settings.shared_dir / name).stat().st_mode & 0o077 == 0

    run(scenario())


def test_the_stream_holds_no_more_registrations_than_the_settings_allow(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "sim", **{"feed.registrations": 2})

    async def scenario() -> None:
        async with open_session(settings, trading=True) as session:
            trades, book = (
                Interest(channel, InstrumentId(f"krx:{CODE}")) for channel in ("trades", "book")
            )
            session.feed.want([trades, book])
            assert session.feed.overflow == (book,)

    run(scenario())


def recorded(folder: Path) -> Settings:
    """A simulator whose stream is put on tape."""
    tape: dict[str, object] = {"tape.enabled": True, "tape.keep_free_mib": 0}
    return settings_for(folder, "sim", **tape)


async def heard(session: Session, what: type[FeedEvent], count: int) -> list[FeedEvent]:
    """Everything the feed tells until `count` events of a kind have come."""
    events: list[FeedEvent] = []
    enough = asyncio.Event()

    def on_event(event: FeedEvent) -> None:
        events.append(event)
        if sum(isinstance(each, what) for each in events) >= count:
            enough.set()

    session.feed.want([Interest("trades", InstrumentId(f"krx:{CODE}"))])
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(session.feed.run(on_event))
        await enough.wait()
        listening.cancel()
    return events


def test_what_the_feed_receives_is_on_the_tape_without_its_keys(tmp_path: Path) -> None:
    settings = recorded(tmp_path)

    async def scenario() -> list[FeedEvent]:
        async with open_session(settings, trading=True) as session, requesting(session):
            assert session.tape is not None
            assert session.tape.folder == tmp_path / "sim" / "tape"
            return await heard(session, Tick, 20)

    events = run(scenario())
    (path,) = (tmp_path / "sim" / "tape").iterdir()
    assert path.name == f"tape-{FIRST_DAY:%Y%m%d}-001.jsonl.gz"
    frames = list(read_tape(path))
    decoder = FrameDecoder(AccountId(settings.account))
    again = [
        event
        for at, frame in frames
        if isinstance(frame, str) and frame.startswith("0|")
        for event in decoder.decode(frame, at)
    ]
    assert again == [event for event in events if not isinstance(event, LinkUp)]
    answers = [json.loads(frame) for _, frame in frames if frame[:1] == "{"]
    outputs = [answer["body"]["output"] for answer in answers if "body" in answer]
    assert outputs
    assert {value for output in outputs for value in output.values()} == {"*" * 16, "*" * 32}


def test_only_who_trades_records_and_only_if_told(tmp_path: Path) -> None:
    async def tape_of(settings: Settings, *, trading: bool) -> object:
        async with open_session(settings, trading=trading) as session:
            return session.tape

    settings = recorded(tmp_path / "a")
    assert run(tape_of(settings, trading=True)) is not None
    assert run(tape_of(settings, trading=False)) is None
    assert run(tape_of(settings_for(tmp_path / "b"), trading=True)) is None
    assert not (tmp_path / "a" / "sim" / "tape").exists()


def test_a_tape_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    settings = recorded(tmp_path)
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "tape").write_text("in the way")

    async def scenario() -> list[FeedEvent]:
        async with open_session(settings, trading=True) as session, requesting(session):
            return await heard(session, Tick, 20)

    with capture_logs() as lines:
        assert len(run(scenario())) > 20
    told = [line["event"] for line in lines if line["event"].startswith("tape")]
    assert told == ["tape_in_trouble", "tape_ends_in_trouble"]


def kospi_of(settings: Settings) -> Path:
    return settings.masters_dir / BY_NAME["kospi_code.mst"].archive


def test_masters_are_fetched_daily_where_the_broker_is_and_elsewhere_if_asked_for(
    tmp_path: Path,
) -> None:
    def keys(mode: str, **changes: object) -> list[str]:
        return [each.key for each in master_jobs(settings_for(tmp_path, mode, **changes), Listed())]

    assert keys("sim") == []
    assert keys("real") == keys("virtual") == ["masters_refreshed KR"]
    both = ["masters_refreshed KR", "masters_refreshed US"]
    assert keys("sim", **{"masters.refresh": True}, markets="KR,US") == both
    assert keys("real", **{"masters.refresh": False}) == []


def test_masters_are_fetched_from_the_host_that_was_named_and_never_at_the_cost_of_a_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masterfiles, "PAUSE", 0.0)
    now = datetime(2026, 11, 3, 8, 0, tzinfo=KST)
    occasion = Occasion(now.date(), now, now + timedelta(hours=1))

    async def scenario() -> None:
        async with live() as client:
            urls = {"rest_url": client.server.rest_url, "ws_url": client.server.ws_url}
            settings = virtual_settings(tmp_path, **urls)
            (job,) = master_jobs(settings, Listed())
            await job.work(occasion)
            good = kospi_of(settings).read_bytes()
            assert len(MasterFolder(settings.masters_dir).load())
        # Nobody is there any more.
        await job.work(occasion)
        assert kospi_of(settings).read_bytes() == good

    with capture_logs() as logs:
        run(scenario())
    fetched, failed = [each for each in logs if each["event"] == "masters_refreshed"]
    assert fetched["listings"] > 0
    assert "kospi_code.mst" not in fetched["failed"]
    assert failed["listings"] == 0
    assert "kospi_code.mst" in failed["failed"]


def test_a_session_knows_the_listings_of_the_masters_and_of_every_later_fetch(
    tmp_path: Path,
) -> None:
    """The file of NYSE is there from the start, that of Amex comes with the day's fetch."""
    now = datetime(2026, 11, 3, 8, 0, tzinfo=KST)
    occasion = Occasion(now.date(), now, now + timedelta(hours=1))

    async def scenario() -> None:
        options = SimulatorOptions(regions=frozenset({Region.US}))
        server = SimulatorServer(options)
        await server.start()
        try:
            settings = virtual_settings(tmp_path, server.rest_url, server.ws_url)
            settings = settings.model_copy(update={"markets": (Region.US,)})
            nyse = BY_NAME["nysmst.cod"]
            archive = masters.archive(nyse.archive, options.american_listings)
            assert archive is not None
            settings.masters_dir.mkdir(parents=True)
            (settings.masters_dir / nyse.archive).write_bytes(archive)
            async with open_session(settings, trading=False) as session:
                assert session.listed.of(Region.US, "BRK/B") == "nyse:BRK/B"
                assert session.listed.of(Region.US, "AAPL") is None
                (job,) = master_jobs(settings, session.listed)
                await job.work(occasion)
                assert session.listed.of(Region.US, "AAPL") == "nasdaq:AAPL"
        finally:
            await server.stop()

    run(scenario())


def test_a_folder_that_cannot_be_written_is_told_and_stops_nobody(tmp_path: Path) -> None:
    settings = virtual_settings(tmp_path, "http://127.0.0.1:9", "ws://127.0.0.1:9")
    settings.masters_dir.write_text("in the way")
    now = datetime(2026, 11, 3, 8, 0, tzinfo=KST)
    (job,) = master_jobs(settings, Listed())

    async def scenario() -> None:
        await job.work(Occasion(now.date(), now, now + timedelta(hours=1)))

    with capture_logs() as logs:
        run(scenario())
    assert [each["event"] for each in logs] == ["masters_not_refreshed"]
