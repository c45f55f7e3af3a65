"""Settings read again: what may change does, all of it or nothing, and the rest is named."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon import hangup, log
from daemon.config import Settings, load_settings
from daemon.control import Followed
from daemon.core.errors import JournalFailed, NeedsOperator
from daemon.core.limits import Rule
from daemon.core.orders import Order
from daemon.core.risk import Denied
from daemon.core.values import StrategyId
from daemon.faults import SettingsError
from daemon.hangup import Reloader, differences
from daemon.ops.service import Notifier, Service
from tests.engine.paper import MemoryJournal, PaperBroker, PaperFeed
from tests.engine.world import run, wire, wish, world
from tests.support import VirtualClock
from tests.test_log import restored

ROOT = Path(__file__).parents[1]
KEY, SECRET = "PSfirstkey0123456789", "another secret text".replace(" ", "-")
Read = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored():
        yield


async def unfollowed(read: Settings) -> Sequence[Followed]:
    raise AssertionError("settings are applied alone")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads settings made of these lines, on top of the simulator's."""

    def load(text: str = "", mode: str = "sim", **environ: str) -> Settings:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        overrides = {"data_dir": str(tmp_path), "config": str(path)}
        return load_settings(mode, overrides, environ=environ, root=ROOT)

    return load


def test_limits_hold_for_the_next_order_and_the_rest_is_named(read: Read) -> None:
    old = read("risk: {max_order_quantity: 100}")
    new = read("risk: {max_order_quantity: 5, usd_krw: 1600}\non_stop: leave\nsim: {speed: 2}")

    async def scenario() -> None:
        async with world(limits=old.risk_limits) as w:
            [bought] = await w.submit(wish(6))
            assert isinstance(bought, Order)
            with capture_logs() as logs:
                result = Reloader(old, lambda: new, unfollowed).apply(new, w.desk)
            assert result == "reloaded: 1 changed, 3 need a restart"
            [denied] = await w.submit(wish(7))
            assert isinstance(denied, Denied)
            assert denied.rule is Rule.ORDER_QUANTITY
        [refused] = [each for each in logs if each["event"] == "reload_needs_restart"]
        [changed] = [each for each in logs if each["event"] == "reloaded"]
        assert changed["changes"] == ["risk.max_order_quantity: 100 → 5"]
        assert refused["settings"] == ["risk.usd_krw", "on_stop", "sim.speed"]
        assert refused["settings"] == changed["unchanged"]

    run(scenario())


def test_what_was_changed_is_no_difference_any_more(read: Read) -> None:
    old = read()
    new = read("risk: {max_order_quantity: 5}\nlog: {level: error}\non_stop: leave")

    async def scenario() -> None:
        async with world() as w:
            reloader = Reloader(old, lambda: new, unfollowed)
            assert reloader.apply(new, w.desk) == "reloaded: 2 changed, 1 need a restart"
            assert reloader.apply(new, w.desk) == "reloaded: 0 changed, 1 need a restart"
            assert reloader.apply(old, w.desk) == "reloaded: 2 changed, 0 need a restart"

    run(scenario())


def test_the_level_of_the_log_changes(read: Read, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = read("log: {level: error}"), read("log: {level: info}")
    log.configure(level="error", format="json")

    async def scenario() -> None:
        async with world() as w:
            Reloader(old, lambda: new, unfollowed).apply(new, w.desk)

    run(scenario())
    assert "log.level: error → info" in capsys.readouterr().out


def test_real_money_is_not_traded_by_settings_that_a_start_would_refuse(read: Read) -> None:
    old = read()
    new = old.model_copy(update={"mode": "real", "armed": False})
    new = new.model_copy(update={"mode": type(old.mode).REAL})

    async def scenario() -> None:
        async with world() as w:
            before = w.desk.executor.limits
            with pytest.raises(NeedsOperator):
                Reloader(old, lambda: new, unfollowed).apply(new, w.desk)
            assert w.desk.executor.limits is before

    run(scenario())


def test_a_difference_shows_no_secret(read: Read) -> None:
    old = read("", "virtual", KIS_APP_KEY=KEY, KIS_ACCOUNT="12345678-01", KIS_HTS_ID="someone")
    new = read("", "virtual", KIS_APP_KEY=SECRET, KIS_ACCOUNT="87654321-01", KIS_HTS_ID="another")
    told = " ".join(map(str, differences(old, new)))
    for name in ("app_key", "account", "hts_id"):
        assert f"{name}: *** → ***" in told
    for secret in (KEY, SECRET, "12345678", "87654321", "someone", "another"):
        assert secret not in told


def test_strategies_differ_by_their_ids(read: Read) -> None:
    item = "strategies:\n  - {{id: a, class: 'tests.e2e.idle:Idle', instruments: [{}]}}"
    old, new = read(item.format("005930")), read(item.format("000660"))
    [change] = differences(old, new)
    assert change.setting == "strategies.a.instruments"


def test_strategies_are_followed_and_each_is_told_with_what_differs(read: Read) -> None:
    item = (
        "strategies:\n  - {{id: a, class: 'tests.e2e.idle:Idle', instruments: [{}], priority: {}}}"
    )
    old, new = read(item.format("005930", 0)), read(item.format("005930", 1))
    before, after = old.strategies[0], new.strategies[0]
    secret = after.model_copy(update={"parameters": {"size": 7, "app_secret": "well hidden"}})
    name = StrategyId("a")

    async def scenario() -> None:
        scene = Scene(old, new)
        scene.followed = [
            Followed(strategy=name, do="reload", old=before, new=secret, problem=""),
            Followed(strategy=name, do="stop", old=before, new=None, problem="it resists"),
        ]
        await scene.run()

    with capture_logs() as logs:
        asyncio.run(scenario())
    done = next(each for each in logs if each["event"] == "reload_strategy")
    assert (done["strategy"], done["does"]) == ("a", "reload")
    assert "strategies.a.priority: 0 → 1" in done["changes"]
    assert "strategies.a.parameters.size: None → 7" in done["changes"]
    assert "strategies.a.parameters.app_secret: None → ***" in done["changes"]
    refused = next(each for each in logs if each["event"] == "reload_strategy_refused")
    assert (refused["does"], refused["cause"]) == ("stop", "it resists")
    assert "strategies.a.priority: 0 → None" in refused["changes"]
    assert not [each for each in logs if each["event"] == "reload_needs_restart"]


class Scene:
    """A reloader that runs on a real loop, over a desk that nobody started."""

    def __init__(self, old: Settings, *results: Settings | Exception) -> None:
        clock = VirtualClock()
        broker = PaperBroker(clock)
        feed = PaperFeed(broker, clock)
        self.desk = wire(clock=clock, broker=broker, journal=MemoryJournal(), feed=feed)
        self.results = list(results)
        self.reloader = Reloader(old, self.read, self.follow)
        self.followed: Sequence[Followed] = ()
        self.service = Service(Notifier({}), monotonic=lambda: 0.0)

    def read(self) -> Settings:
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def follow(self, read: Settings) -> Sequence[Followed]:
        return self.followed

    async def run(self) -> None:
        task = asyncio.get_running_loop().create_task(self.reloader.run(self.desk, self.service))
        async with asyncio.timeout(30):
            while self.results and not task.done():
                self.reloader.ask()
                await asyncio.sleep(0.01)
            self.reloader.ask()
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=not task.done())


def test_what_cannot_be_read_changes_nothing_and_is_said(read: Read) -> None:
    old, new = read(), read("risk: {max_order_quantity: 5}")
    with pytest.raises(SettingsError) as bad:
        read("risk: {max_order_quantity: -5}\nno_such: 1")

    async def scenario() -> Scene:
        scene = Scene(old, bad.value, RuntimeError("a bug of a strategy's module"), new)
        scene.results.append(new)
        await scene.run()
        return scene

    with capture_logs() as logs:
        scene = asyncio.run(scenario())
    refused = [each for each in logs if each["event"] == "reload_refused"]
    assert [fault.split(":")[0] for fault in refused[0]["faults"]] == [
        "risk.max_order_quantity",
        "no_such",
    ]
    assert refused[1]["faults"] == ["a bug of a strategy's module"]
    assert scene.desk.executor.limits.max_order_quantity == 5, "the good ones after it count"


def test_settings_that_are_never_read_hold_up_neither_the_next_time_nor_the_end(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hangup, "READ_PATIENCE", 0.05, raising=False)
    old, new = read(), read("risk: {max_order_quantity: 5}")
    never = threading.Event()

    class Hanging(Scene):
        def read(self) -> Settings:
            result = super().read()
            if result is old:
                never.wait(5)
            return result

    async def scenario() -> Hanging:
        scene = Hanging(old, old, new)
        await scene.run()
        scene.results.append(old)
        task = asyncio.get_running_loop().create_task(scene.reloader.run(scene.desk, scene.service))
        scene.reloader.ask()
        while scene.results:  # noqa: ASYNC110  a thread takes it
            await asyncio.sleep(0.001)
        task.cancel()
        return scene

    with capture_logs() as logs:
        scene = asyncio.run(scenario())
    reading = [each.name for each in threading.enumerate() if not each.daemon]
    never.set()
    assert reading == ["MainThread"], "the process may end"
    refused = [each["faults"] for each in logs if each["event"] == "reload_refused"]
    assert refused[0] == ["the settings could not be read within 0.05 s"]
    assert scene.desk.executor.limits.max_order_quantity == 5


def test_a_disk_that_refuses_ends_the_daemon_as_ever(read: Read) -> None:
    old = read()

    async def scenario() -> None:
        scene = Scene(old, JournalFailed("the disk is full"))
        with pytest.raises(JournalFailed):
            await scene.run()

    asyncio.run(scenario())
