"""Tapes played back: the same events in the same order, and what strategies made of them."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from daemon import log
from daemon.config import Settings
from daemon.core.calendar import KST, price_step
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.values import LinkUp, OrderBook, Tick
from daemon.engine.host import RunState
from daemon.faults import SettingsError
from daemon.lab import replay as replay_module
from daemon.lab.loop import run_virtual
from daemon.lab.replay import EXIT_FAULTED, EXIT_SETTINGS, EXIT_USAGE, Replay, main
from daemon.lab.traders import UNLIMITED
from daemon.store.tapefile import TapeFrame
from daemon.strategy import (
    MarketGap,
    SessionEvent,
    SessionOpened,
    Strategy,
    StrategyContext,
    StrategyEvent,
)
from tests.lab.recording import CODES, Recording, a_minute, record, taped
from tests.lab.scene import Scene

HEARD: list[tuple[datetime, StrategyEvent]] = []
SESSIONS: list[tuple[datetime, StrategyEvent]] = []
ANSWERS: list[Order | Denied] = []


class Listener(Strategy):
    """Notes everything, with the time it has then."""

    async def run(self, context: StrategyContext) -> None:
        async for event in context.events():
            heard = SESSIONS if isinstance(event, SessionEvent) else HEARD
            heard.append((context.now(), event))


class Buyer(Strategy):
    """Wants a share at the third trade, and far too many at the fifth."""

    wishes: ClassVar[dict[int, int]] = {3: 1, 5: 10_000}

    async def run(self, context: StrategyContext) -> None:
        seen = 0
        async for event in context.events():
            if not isinstance(event, Tick):
                continue
            seen += 1
            if seen in self.wishes:
                quantity = self.wishes[seen]
                wish = context.buy(event.instrument, quantity, limit=event.price, reason="why not")
                ANSWERS.extend(await context.submit(wish))
                assert context.orders() == []
                assert context.position(event.instrument).quantity == 0
                assert context.last_price(event.instrument) is not None


class Faulty(Strategy):
    """Breaks at the first event of the market."""

    async def run(self, context: StrategyContext) -> None:
        async for event in context.events():
            if isinstance(event, SessionEvent):
                continue
            raise ZeroDivisionError(f"a bug at {event}")


@pytest.fixture(autouse=True)
def nothing_heard() -> Iterator[None]:
    HEARD.clear()
    SESSIONS.clear()
    ANSWERS.clear()
    with capture_logs():
        yield


@pytest.fixture(scope="module")
def minute() -> Recording:
    return record(a_minute)


def settings_for(folder: Path, *strategies: str, codes: tuple[str, ...] = CODES) -> Settings:
    return Settings.model_validate(
        {
            "mode": "sim",
            "data_dir": folder,
            "shared_root": folder,
            "risk": {
                "max_order_quantity": 500,
                "max_order_notional": Decimal(20_000_000),
                "max_position_notional": Decimal(30_000_000),
                "price_collar": Decimal("0.05"),
                "max_orders_per_minute": 100,
                **UNLIMITED,
            },
            "strategies": [
                {"id": name.lower(), "class": f"{__name__}:{name}", "instruments": codes}
                for name in strategies
            ],
        }
    )


def play(settings: Settings, *tapes: Path, speed: float = 1.0) -> Replay:
    replay = Replay(settings, tapes, speed=speed)
    run_virtual(replay.run())
    return replay


def market(events: list[Any]) -> list[Tick | OrderBook]:
    return [event for event in events if isinstance(event, Tick | OrderBook)]


def test_strategies_see_what_the_feed_saw_then(tmp_path: Path, minute: Recording) -> None:
    path = taped(tmp_path / "tape", minute.frames)
    replay = play(settings_for(tmp_path, "Listener"), path)
    assert len(market(minute.events)) > 200
    assert [event for _, event in HEARD] == market(minute.events)
    assert all(now == event.received_at for now, event in HEARD if isinstance(event, Tick))
    ((told_at, opened),) = SESSIONS
    assert isinstance(opened, SessionOpened)
    assert opened.day == told_at.astimezone(KST).date()
    assert opened.opens_at <= told_at < HEARD[0][0]
    summary = replay.summary()
    assert summary["frames"] == len(minute.frames)
    assert summary["events"]["Tick"] == sum(isinstance(each, Tick) for each in minute.events)
    assert summary["events"]["OrderBook"] == len(market(minute.events)) - summary["events"]["Tick"]
    told = [summary[name] for name in ("undecodable", "lost", "reconnects", "conflated", "sealed")]
    assert told == [0] * 5
    assert (summary["gaps"], summary["torn"]) == ([], {})
    assert summary["strategies"]["listener"]["state"] is RunState.STOPPED


def test_strategies_see_their_own_instruments(tmp_path: Path, minute: Recording) -> None:
    path = taped(tmp_path / "tape", minute.frames)
    play(settings_for(tmp_path, "Listener", codes=CODES[:1]), path)
    own = [each for each in market(minute.events) if each.instrument == f"krx:{CODES[0]}"]
    assert [event for _, event in HEARD] == own


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_the_speed_changes_the_time_it_takes_and_nothing_else(
    tmp_path: Path, minute: Recording, speed: float
) -> None:
    path = taped(tmp_path / "tape", minute.frames)

    async def timed() -> float:
        replay = Replay(settings_for(tmp_path, "Listener"), [path], speed=speed)
        await replay.run()
        return asyncio.get_running_loop().time()

    took = run_virtual(timed())
    span = (minute.frames[-1].at - minute.frames[0].at).total_seconds()
    # Starting and stopping take their own, at any speed.
    assert span / speed < took < span / speed + 10
    assert [event for _, event in HEARD] == market(minute.events)


def test_real_time_serves_too(tmp_path: Path, minute: Recording) -> None:
    path = taped(tmp_path / "tape", minute.frames)
    replay = Replay(settings_for(tmp_path, "Listener"), [path], speed=1000.0)
    asyncio.run(replay.run())
    assert [event for _, event in HEARD] == market(minute.events)


def test_a_connection_lost_then_is_a_gap_now(tmp_path: Path) -> None:
    async def interrupted(scene: Scene) -> None:
        await asyncio.sleep(20.0)
        assert scene.stream.connection is not None
        scene.stream.connection.drop("cut")
        await asyncio.sleep(20.0)

    recording = record(interrupted)
    ups = [event for event in recording.events if isinstance(event, LinkUp)]
    assert len(ups) == 2
    replay = play(settings_for(tmp_path, "Listener"), taped(tmp_path / "tape", recording.frames))
    assert [event for _, event in HEARD if not isinstance(event, MarketGap)] == market(
        recording.events
    )
    gaps = [event for _, event in HEARD if isinstance(event, MarketGap)]
    assert [gap.up for gap in gaps] == [False, True]
    assert gaps[1].at == ups[1].at
    assert ups[1].down_since is not None
    assert abs(gaps[1].down_since - ups[1].down_since) < timedelta(seconds=3)
    assert replay.summary()["reconnects"] == 1


def test_sealed_notices_stay_sealed(tmp_path: Path) -> None:
    async def ordering(scene: Scene) -> None:
        await asyncio.sleep(5.0)
        scene.by_hand(3, None)
        await asyncio.sleep(5.0)

    recording = record(ordering)
    summary = play(settings_for(tmp_path), taped(tmp_path / "tape", recording.frames)).summary()
    assert summary["sealed"] == 2
    assert summary["undecodable"] == 0
    assert "BrokerNotice" not in summary["events"]


def test_what_strategies_want_is_told_and_nothing_is_sent(
    tmp_path: Path, minute: Recording
) -> None:
    path = taped(tmp_path / "tape", minute.frames)
    replay = play(settings_for(tmp_path, "Buyer", "Listener"), path)
    ticks = [event for event in minute.events if isinstance(event, Tick)]
    assert all(tick.price % price_step(tick.price) == 0 for tick in ticks)
    buyer = replay.summary()["strategies"]["buyer"]
    assert (buyer["state"], buyer["cause"]) == (RunState.STOPPED, "")
    assert buyer["intents"] == [
        {
            "at": ticks[number - 1].received_at,
            "side": "buy",
            "instrument": ticks[number - 1].instrument,
            "quantity": quantity,
            "limit": str(ticks[number - 1].price),
            "reason": "why not",
            "denied": denied,
        }
        for number, quantity, denied in ((3, 1, ""), (5, 10_000, "order_quantity"))
    ]
    refused, denied = ANSWERS
    assert isinstance(refused, Order)
    assert refused.state is OrderState.REJECTED
    assert isinstance(denied, Denied)
    assert replay.summary()["strategies"]["listener"]["intents"] == []


def test_one_broken_strategy_ends_alone(tmp_path: Path, minute: Recording) -> None:
    path = taped(tmp_path / "tape", minute.frames)
    told = play(settings_for(tmp_path, "Faulty", "Listener"), path).summary()["strategies"]
    assert told["faulty"]["state"] is RunState.FAULTED
    assert told["faulty"]["cause"].startswith("ZeroDivisionError: a bug at Tick")
    assert [event for _, event in HEARD] == market(minute.events)


def test_a_torn_tape_is_told_and_the_next_one_goes_on(tmp_path: Path, minute: Recording) -> None:
    half = len(minute.frames) // 2
    first = taped(tmp_path / "first", minute.frames[:half])
    second = taped(tmp_path / "second", minute.frames[half:])
    with first.open("ab") as file:
        file.write(second.read_bytes()[:-7])
    gone = tmp_path / "gone"
    replay = play(settings_for(tmp_path, "Listener"), first, gone, second)
    assert [event for _, event in HEARD] == market(minute.events)
    torn = replay.summary()["torn"]
    assert torn[str(first)].endswith("is cut short")
    assert "No such file" in torn[str(gone)]
    assert str(second) not in torn


def test_a_tape_of_nothing_is_played_at_once(tmp_path: Path) -> None:
    empty = tmp_path / "tape-20261102-001.jsonl.gz"
    empty.touch()
    summary = play(settings_for(tmp_path, "Listener"), empty).summary()
    assert (summary["frames"], summary["first"]) == (0, None)
    assert summary["strategies"]["listener"]["state"] is RunState.WAITING


def test_limits_are_needed_as_for_trading(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        Replay(settings_for(tmp_path).model_copy(update={"risk": None}), [])


# The command


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    names = ("Listener", "Buyer", "Faulty")
    (tmp_path / "config" / "sim.yaml").write_text(
        json.dumps(
            {
                "risk": {
                    "max_order_quantity": 500,
                    "max_order_notional": 20_000_000,
                    "max_position_notional": 30_000_000,
                    "price_collar": "0.05",
                    "max_orders_per_minute": 100,
                    **UNLIMITED,
                },
                "strategies": [
                    {"id": name.lower(), "class": f"{__name__}:{name}", "instruments": CODES}
                    for name in names
                ],
            }
        )
    )
    monkeypatch.chdir(tmp_path)
    for name in ("KIS_MODE", "KIS_DATA_DIR", "KIS_DEVLP_YAML", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    # Logging is of the whole process: other tests have theirs.
    monkeypatch.setattr(log, "configure", lambda **_: "json")
    return tmp_path


def later(frames: list[TapeFrame], days: int) -> list[TapeFrame]:
    return [TapeFrame(at + timedelta(days=days), frame) for at, frame in frames]


def test_the_command_prints_one_line_of_json(
    checkout: Path, minute: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    taped(checkout / "tape", minute.frames)
    tomorrow = taped(checkout / "other", later(minute.frames, 1))
    tomorrow.rename(checkout / "tape" / tomorrow.name)
    assert main(["tape", "--json", "--strategies", "listener,buyer"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    summary = json.loads(line)
    assert [Path(path).name for path in summary["tapes"]] == [
        "tape-20261012-001.jsonl.gz",
        "tape-20261013-001.jsonl.gz",
    ]
    assert summary["frames"] == 2 * len(minute.frames)
    assert len(summary["strategies"]["buyer"]["intents"]) == 2
    assert summary["frames_per_second"] > 0
    # The second day's first message confirms the notices again: another connection.
    assert summary["reconnects"] == 1
    assert summary["gaps"] == []


def test_the_command_speaks_to_a_person(
    checkout: Path,
    minute: Recording,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay_module, "SHOWN", 1)
    path = taped(checkout / "tape", minute.frames)
    path.write_bytes(path.read_bytes() + b"torn")
    assert main([str(path)]) == EXIT_FAULTED
    out = capsys.readouterr().out
    assert f"{len(minute.frames)} frames from 2026-10-12 09:00:" in out
    assert "buyer: stopped, 2 intents\n" in out
    assert " buy 1 krx:" in out
    assert "  and 1 more: --json shows all" in out
    assert "faulty: faulted, 0 intents ZeroDivisionError" in out
    assert f"torn: {path}: the block at byte" in out


def test_the_command_plays_at_a_speed(
    checkout: Path, minute: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    path = taped(checkout / "tape", minute.frames[:50])
    assert main([str(path), "--speed", "1000", "--json", "--strategies", "listener"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 50
    assert len(HEARD) > 20


def test_an_interrupted_replay_tells_what_it_played(
    checkout: Path,
    minute: Recording,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def interrupted(self: Replay) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Replay, "run", interrupted)
    path = taped(checkout / "tape", minute.frames[:50])
    assert main([str(path), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["frames"] == 0
    assert said.err.startswith("interrupted")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothing"], EXIT_USAGE, "No such file or directory: 'nothing'"),
        (["config", "--strategies", "nobody"], EXIT_SETTINGS, "no such strategy"),
        (["config", "--config", "none.yaml"], EXIT_SETTINGS, "none.yaml"),
        (["config", "--mode", "real"], EXIT_SETTINGS, "config/real.yaml"),
    ],
)
def test_what_is_wrong_is_said(
    checkout: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert main(words) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("speed", ["-1", "fast", "inf", "nan"])
def test_a_speed_is_a_number(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tape", "--speed", speed])
    assert "invalid" in capsys.readouterr().err
