"""The monitor of a whole daemon: real sockets, a real disk, and the simulator it brings along."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.app import App
from daemon.config import Settings
from daemon.core.profit import ProfitBook
from daemon.engine.desk import TradingDesk
from daemon.monitoring import Monitor
from daemon.ops.metrics import CATALOGUE
from daemon.wiring import Session
from tests.test_app import Buyer, Crasher, Watched, settings_for

ABSENT = {
    "kisd_clock_drift_seconds",  # a simulated clock is right
    "kisd_requests_refused_total",  # nothing was refused
    "kisd_tape_frames_total",  # the tape is off
    "kisd_tape_dropped_total",
}
PATIENCE = 60.0


class Overheard:
    """Keeps the monitor that the daemon was given, and breaks its guard if told to."""

    def __init__(self, *, broken: bool = False) -> None:
        self.monitor: Monitor | None = None
        self._broken = broken

    def watch(
        self,
        settings: Settings,
        session: Session,
        desk: TradingDesk,
        profit: ProfitBook,
        tasks: Sequence[asyncio.Task[None]],
    ) -> Coroutine[Any, Any, None]:
        self.monitor = Monitor(settings, session, desk, profit, tasks)
        if self._broken:
            self.monitor.guard.run = self._fail  # type: ignore[method-assign]
        return self.monitor.run()

    async def _fail(self) -> None:
        raise ZeroDivisionError


async def asked(settings: Settings, heard: Overheard, *paths: str) -> list[tuple[int, str]]:
    """What a daemon answers once its strategy is done, which is then stopped."""
    done = Watched.done = asyncio.Event()
    stop, answers = asyncio.Event(), list[tuple[int, str]]()
    app = App(settings, monitor=heard.watch)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        running = group.create_task(app.run(stop))
        await done.wait()
        assert heard.monitor is not None
        listener = heard.monitor.listener
        assert listener is not None
        while listener.port is None:  # noqa: ASYNC110  looked at from outside
            await asyncio.sleep(0.01)
        async with aiohttp.ClientSession() as session:
            for path in paths:
                async with session.get(f"http://127.0.0.1:{listener.port}/{path}") as answer:
                    answers.append((answer.status, await answer.text()))
        stop.set()
    assert running.result() == 0
    return answers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path, Buyer, Crasher, **{"monitoring.listen": "127.0.0.1:0"})


def test_a_daemon_tells_every_metric_and_no_secret(settings: Settings) -> None:
    [(status, text)] = asyncio.run(asked(settings, Overheard(), "metrics"))
    assert status == 200
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    told = {name.removesuffix("_count") for name, *_ in values}
    assert {family.name for family in CATALOGUE} - told == ABSENT
    assert values["kisd_orders_sent_total",] == 2
    assert values["kisd_open_orders", "Buyer"] == 1
    assert values["kisd_position_shares", "krx:005930"] == 3
    assert values["kisd_strategy_state", "faulted", "Crasher"] == 1
    assert values["kisd_strategy_steps_total", "Buyer"] > 0
    assert values["kisd_order_round_trip_seconds_count",] == 2
    assert values["kisd_request_seconds_count", "order"] == 2
    assert values["kisd_gate_open", "KR"] == 1
    assert values["kisd_exposure_won",] > values["kisd_orders_sent_total",]
    assert values["kisd_readings_failed_total",] == 0
    begun_before, begun_later = {"feed", "requests"}, {"inquiries", "strategies", "timetable"}
    for task in begun_before | begun_later:
        assert values["kisd_task_alive", task] == 1
    assert values["kisd_journal_commit_seconds_count",] > 0
    assert values["kisd_token_seconds_left",] > 0
    assert not [secret for secret in settings.secrets() if secret in text]


def test_it_says_that_it_lives_and_is_ready(settings: Settings) -> None:
    health, ready = asyncio.run(asked(settings, Overheard(), "healthz", "readyz"))
    assert (health[0], ready[0]) == (200, 200), (health, ready)
    assert '"dead_tasks":[]' in health[1]
    assert '"reasons":{}' in ready[1]
    assert '"Crasher":"faulted"' in ready[1]


def test_trading_goes_on_without_a_guard(settings: Settings) -> None:
    heard = Overheard(broken=True)
    [(status, _)] = asyncio.run(asked(settings, heard, "healthz"))
    assert status == 200
    assert heard.monitor is not None
    assert heard.monitor.failures >= 1


def test_what_ends_because_it_is_told_to_stop_is_not_called_dead(settings: Settings) -> None:
    heard, stop = Overheard(), asyncio.Event()
    told: list[object] = []

    async def scenario() -> None:
        Watched.done = asyncio.Event()
        app = App(settings, monitor=heard.watch)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            running = group.create_task(app.run(stop))
            await Watched.done.wait()
            stop.set()
            assert heard.monitor is not None
            while not running.done():
                if app.desk is not None and app.desk.gate.reasons:
                    told.append(heard.monitor.health()["dead_tasks"])
                await asyncio.sleep(0.001)
                if heard.monitor._tasks[0].done():
                    break

    asyncio.run(scenario())
    assert len(told) > 1
    assert told == [[]] * len(told)


def test_a_shut_gate_and_a_dead_task_are_told_with_their_reasons(settings: Settings) -> None:
    heard, stop = Overheard(), asyncio.Event()

    async def scenario() -> None:
        Watched.done = asyncio.Event()

        async def end() -> None:
            return

        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(App(settings, monitor=heard.watch).run(stop))
            while heard.monitor is None:  # noqa: ASYNC110  looked at from outside
                await asyncio.sleep(0.001)
            monitor = heard.monitor
            starting = monitor.readiness()
            assert starting["ok"] is False
            assert {"starting", "stream", "feed"} <= starting["reasons"].keys()
            dead = group.create_task(end(), name="feed")
            await dead
            monitor._tasks = (*monitor._tasks, dead)
            health = monitor.health()
            assert (health["ok"], health["dead_tasks"]) == (False, ["feed"])
            await Watched.done.wait()
            stop.set()

    asyncio.run(scenario())
