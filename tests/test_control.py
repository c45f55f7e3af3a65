"""What people ask of a running daemon: done once, by every rule, and in the journal."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon.app import App
from daemon.config import Settings, load_settings
from daemon.control import Operators, doors_of
from daemon.core.acts import OperatorAnswered, OperatorAsked, StrategyResumed, StrategySuspended
from daemon.core.calendar import RoundingWay, round_to_step, shift_steps
from daemon.core.errors import Refused
from daemon.core.events import (
    Actor,
    DiscrepancyFound,
    Event,
    OrderCreated,
    OrderSent,
    TradingArmed,
    TradingStateChanged,
)
from daemon.core.values import OrderId
from daemon.kis.client import KISUnifiedClient
from daemon.ops.client import ControlClient, NoDaemon, socket_path
from daemon.ops.control import ControlError
from daemon.ops.doors import TcpDoor, UnixDoor
from daemon.store.journal import SqliteJournal
from daemon.store.killfile import account_tag
from daemon.strategy import Strategy, StrategyContext
from tests.sim.rig import live
from tests.test_log import restored

ROOT = Path(__file__).parents[1]
CODE = "krx:005930"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """A client configures the log."""
    with restored():
        yield


class Idle(Strategy):
    """Watches and does nothing."""

    async def run(self, context: StrategyContext) -> None:
        async for _ in context.events():
            pass


class Bidder(Strategy):
    """Leaves a bid far below the price."""

    async def run(self, context: StrategyContext) -> None:
        [instrument] = context.instruments
        last = context.last_price(instrument)
        assert last is not None
        low = shift_steps(round_to_step(last, RoundingWay.DOWN), -30)
        await context.submit(context.buy(instrument, 1, limit=low, reason="a bid"))
        async for _ in context.events():
            pass


def settings_for(folder: Path, *strategies: type[Strategy], **changes: object) -> Settings:
    items = [
        {"id": each.__name__, "class": f"{__name__}:{each.__name__}", "instruments": ["005930"]}
        for each in strategies
    ]
    (folder / "mine.yaml").write_bytes(orjson.dumps({"strategies": items}))
    overrides = {"data_dir": str(folder), "config": str(folder / "mine.yaml"), **changes}
    return load_settings("sim", overrides, environ={}, root=ROOT)


def socket_of(settings: Settings) -> Path:
    return socket_path(settings.control_dir, account_tag(settings.account))


class Asking:
    """A client of a daemon that runs in this very loop."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    async def see(self, view: str, **asked: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._client.see, view, asked or None)

    async def act(self, word: str, reason: str = "by hand", **fields: Any) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            return self._client.act(word, reason=reason, **fields)

        return await asyncio.to_thread(ask)

    async def refused(self, word: str, **fields: Any) -> ControlError:
        with pytest.raises(ControlError) as caught:
            await self.act(word, **fields)
        return caught.value

    async def until_open(self) -> None:
        while True:
            try:
                if (await self.see("status"))["gate_open"]:
                    return
            except NoDaemon:
                pass
            await asyncio.sleep(0.05)

    async def until(self, view: str, count: int = 1, *, at_most: int = 10_000) -> list[Any]:
        """The rows of a view, once they are at least `count` and at most `at_most`."""
        while not count <= len((await self.see(view))[view]) <= at_most:  # noqa: ASYNC110  sockets
            await asyncio.sleep(0.05)
        rows = (await self.see(view))[view]
        assert isinstance(rows, list)
        return rows

    async def order(self, **fields: Any) -> dict[str, Any]:
        wish = {"instrument": "005930", "side": "buy", "quantity": 1, **fields}
        answer = await self.act("submit", **wish)
        order = answer["result"]["order"]
        assert isinstance(order, dict)
        return order


@asynccontextmanager
async def trading(settings: Settings, operators: Operators | None = None) -> AsyncIterator[Asking]:
    """A daemon that is open for orders, and ends with the block."""
    stop = asyncio.Event()
    app = App(settings, operators=operators or Operators(settings, lambda: settings))
    asking = Asking(ControlClient(socket_of(settings)))
    async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run(stop))
        try:
            await asking.until_open()
            yield asking
        finally:
            stop.set()


def facts(settings: Settings) -> list[Event]:
    with SqliteJournal(settings.journal_path, owner=f"sim:{settings.account}") as journal:
        return list(journal.replay())


def of_kind(settings: Settings, kind: type[Any]) -> list[Any]:
    return [each for each in facts(settings) if isinstance(each, kind)]


def die_before_sending(settings: Settings, request: str, quantity: int) -> None:
    """Leave an order as a daemon does that ends between its decision and its request."""
    [asked] = [each for each in of_kind(settings, OperatorAsked) if each.request == "one"]
    [made, *_] = of_kind(settings, OrderCreated)
    intent = replace(made.intent, quantity=quantity, request=request)
    subject = asked.subject.replace(" 1 ", f" {quantity} ")
    with SqliteJournal(settings.journal_path, owner=f"sim:{settings.account}") as journal:
        journal.append(
            [
                replace(asked, request=request, subject=subject),
                replace(made, order=OrderId(f"{made.order[:-4]}0009"), intent=intent),
            ]
        )


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_an_order_by_hand_is_owned_judged_and_sent_once_over_restarts(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Idle)

    async def first() -> None:
        async with trading(settings) as asking:
            order = await asking.order(request="one")
            assert (order["owner"], order["request"]) == ("operator", "one")
            again = await asking.act(
                "submit", request="one", instrument="005930", side="buy", quantity=1
            )
            assert again["repeated"]
            assert again["result"]["order"]["id"] == order["id"]
            other = await asking.refused(
                "submit", request="one", instrument="005930", side="buy", quantity=2
            )
            assert (other.code, other.field) == ("REQUEST_REUSED", "request")
            denied = await asking.refused(
                "submit", request="two", instrument="005930", side="buy", quantity=1_000_000
            )
            assert (denied.code, denied.field) == ("DENIED", "order_quantity")
            unknown = await asking.refused(
                "submit", instrument="nasdaq:AAPL", side="buy", quantity=1, price="1"
            )
            assert (unknown.code, unknown.field) == ("NOT_TRADED", "instrument")
            script = await asking.order(owner="script", instrument="000660")
            assert script["owner"] == "script"
            await asking.act("halt")
            halted = await asking.refused("submit", instrument="005930", side="buy", quantity=1)
            assert (halted.code, halted.field) == ("DENIED", "gate_closed")

    async def second() -> None:
        async with asyncio.timeout(60):
            stop = asyncio.Event()
            app = App(settings, operators=Operators(settings, lambda: settings))
            asking = Asking(ControlClient(socket_of(settings)))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(app.run(stop))
                while True:
                    try:
                        status = await asking.see("status")
                        if set(status["gate"]) == {"operator"}:
                            break
                    except NoDaemon:
                        pass
                    await asyncio.sleep(0.05)
                again = await asking.act(
                    "submit", request="one", instrument="005930", side="buy", quantity=1
                )
                assert again["repeated"]
                assert again["result"]["order"]["request"] == "one"
                denied = await asking.refused(
                    "submit", request="two", instrument="005930", side="buy", quantity=1_000_000
                )
                assert denied.code == "REFUSED"
                stop.set()

    run(first())
    run(second())
    created = of_kind(settings, OrderCreated)
    assert [each.intent.strategy for each in created] == ["operator", "script"]
    assert len(of_kind(settings, OrderSent)) == 2
    asked = {each.request: each for each in of_kind(settings, OperatorAsked)}
    assert asked["one"].act == "submit"
    assert asked["one"].subject == "buy 1 krx:005930 at market"
    assert (asked["one"].reason, asked["one"].channel) == ("by hand", "socket")
    assert asked["one"].pid
    answers = {each.request: each for each in of_kind(settings, OperatorAnswered)}
    assert (answers["one"].done, answers["two"].done) == (True, False)
    [halted] = of_kind(settings, TradingStateChanged)
    assert (halted.who, halted.reason) == (Actor.OPERATOR, "by hand")


def test_an_order_that_had_not_left_when_the_daemon_ended_is_not_done(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Idle)

    async def first() -> None:
        async with trading(settings) as asking:
            await asking.order(request="one")

    async def second() -> None:
        async with trading(settings) as asking:
            never = await asking.refused(
                "submit", request="three", instrument="005930", side="buy", quantity=3
            )
            assert (never.code, "before the order left" in str(never)) == ("REJECTED", True)

    run(first())
    die_before_sending(settings, "three", 3)
    run(second())


def test_views_tell_how_it_stands(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Bidder)

    async def scenario() -> None:
        async with trading(settings) as asking:
            await asking.until("orders")
            [bid] = (await asking.see("orders", scope="open"))["orders"]
            assert (bid["owner"], bid["state"], bid["remaining"]) == ("Bidder", "working", 1)
            await asking.order(quantity=2, instrument="000660")
            await asking.until("positions")
            [held] = (await asking.see("positions"))["positions"]
            assert (held["instrument"], held["quantity"]) == ("krx:000660", 2)
            assert held["owners"] == {"operator": 2}
            assert Decimal(held["average_price"]) > 0
            day = (await asking.see("orders", scope="day"))["orders"]
            assert {each["owner"] for each in day} == {"Bidder", "operator"}
            status = await asking.see("status")
            assert (status["mode"], status["state"]) == ("sim", "running")
            assert (status["open_orders"], status["positions"]) == (1, 1)
            assert settings.account not in str(status)
            [strategy] = (await asking.see("strategies"))["strategies"]
            assert (strategy["id"], strategy["state"]) == ("Bidder", "running")
            assert strategy["open_orders"] == 1
            news = (await asking.see("subscriptions"))["subscriptions"]
            assert {each["channel"] for each in news} == {"trades", "book"}
            budget = await asking.see("budget")
            assert budget["per_second"] == settings.profile.requests_per_second
            assert budget["requests"] > 0
            token = await asking.see("token")
            assert token["valid"]
            assert token["age_seconds"] >= 0
            assert set(token) == {
                *("v", "ok", "present", "valid", "issued_at", "expires_at"),
                *("age_seconds", "left_seconds"),
            }
            assert (await asking.see("discrepancies"))["discrepancies"] == []
            with pytest.raises(ControlError, match="scope is one of open, day"):
                await asking.see("orders", scope="all")
            with pytest.raises(ControlError, match="is asked no x"):
                await asking.see("status", x="1")

    run(scenario())


def test_the_switch_is_moved_and_refuses_as_ever(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Bidder)

    async def scenario() -> None:
        async with trading(settings) as asking:
            await asking.until("orders")
            [bid] = (await asking.see("orders"))["orders"]
            named = await asking.act("cancel", orders=[bid["number"]])
            assert named["result"]["orders"][0]["id"] == bid["id"]
            assert (await asking.refused("cancel", orders=["77"])).code == "NO_ORDER"
            assert (await asking.act("reduce-only"))["result"] == {"state": "reduce_only"}
            assert (await asking.act("halt"))["result"] == {"state": "halted"}
            looser = await asking.refused("reduce-only")
            assert (looser.code, looser.field) == ("REFUSED", "state")
            assert (await asking.act("resume"))["message"] == "running"
            assert (await asking.act("cancel", all=True))["result"]["orders"] == []
            assert (await asking.act("arm"))["message"] == "armed"
            assert (await asking.see("status"))["armed"]
            assert (await asking.refused("discrepancies")).code == "NOTHING_DIFFERS"

    run(scenario())
    assert len(of_kind(settings, TradingArmed)) == 1


def test_one_strategy_is_stopped_for_good_and_started_again(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Bidder, Idle, **{"risk.duplicate_window_seconds": 0})

    async def states(asking: Asking) -> dict[str, str]:
        return {
            each["id"]: each["state"] for each in (await asking.see("strategies"))["strategies"]
        }

    async def stop() -> None:
        async with trading(settings) as asking:
            await asking.until("orders")
            started = await asking.refused("strategies", strategy="Bidder", do="start")
            assert "stop it first" in started.problem
            done = await asking.act("strategies", strategy="Bidder", do="stop", orders="cancel")
            assert done["result"] == {"id": "Bidder", "state": "stopped"}
            assert await states(asking) == {"Bidder": "stopped", "Idle": "running"}
            await asking.until("orders", 0, at_most=0)
            nobody = await asking.refused("strategies", strategy="nobody", do="stop")
            assert (nobody.code, nobody.field) == ("REFUSED", "strategy")

    async def start() -> None:
        async with trading(settings) as asking:
            assert await states(asking) == {"Bidder": "stopped", "Idle": "running"}
            await asking.act("strategies", strategy="Bidder", do="start")
            await asking.until("orders")
            await asking.act("strategies", strategy="Bidder", do="reload", orders="leave")
            await asking.until("orders", 2)
            assert await states(asking) == {"Bidder": "running", "Idle": "running"}

    run(stop())
    run(start())
    assert [each.strategy for each in of_kind(settings, StrategySuspended)] == ["Bidder"]
    assert [each.strategy for each in of_kind(settings, StrategyResumed)] == ["Bidder"]


def test_a_broken_reload_is_told_and_the_old_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "reloaded_while_trading.py"
    text = (
        "from daemon.strategy import Strategy\n"
        "class Mine(Strategy):\n"
        "    async def run(self, context):\n"
        "        async for _ in context.events():\n"
        "            pass\n"
    )
    file.write_text(text)
    item = {"id": "mine", "class": "reloaded_while_trading:Mine", "instruments": ["005930"]}
    (tmp_path / "more.yaml").write_bytes(orjson.dumps({"strategies": [item]}))
    overrides = {"data_dir": str(tmp_path), "config": str(tmp_path / "more.yaml")}
    settings = load_settings("sim", overrides, environ={}, root=ROOT)

    async def scenario() -> None:
        async with trading(settings) as asking:
            file.write_text("raise RuntimeError('half written')\n")
            error = await asking.refused("strategies", strategy="mine", do="reload")
            assert error.code == "NOT_LOADED"
            assert "half written" in error.problem
            [mine] = (await asking.see("strategies"))["strategies"]
            assert mine["state"] == "running"
            file.write_text(text.replace("class Mine", "MARK = 1\nclass Mine"))
            await asking.act("strategies", strategy="mine", do="reload")
            [mine] = (await asking.see("strategies"))["strategies"]
            assert mine["state"] in ("waiting", "running")

    run(scenario())


def test_the_brokers_books_are_accepted_by_subject_while_it_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(speed=60.0) as simulator:
            server = simulator.server
            urls = {"rest_url": server.rest_url, "ws_url": server.ws_url}
            settings = settings_for(tmp_path, Idle, **urls, requests_per_second=20)
            async with trading(settings) as asking:
                order = {"code": "005930", "side": "buy", "quantity": 2}
                assert (await simulator.post("/sim/order", order)).status == 200
                await asking.until("discrepancies", 2)
                assert not (await asking.see("status"))["gate_open"]
                wrong = await asking.refused("discrepancies", about="cash EUR")
                assert (wrong.code, wrong.field) == ("NO_SUBJECT", "about")
                one = await asking.act("discrepancies", about=f"position {CODE}")
                assert one["result"]["holdings"] == {CODE: 2}
                left = (await asking.see("discrepancies"))["discrepancies"]
                assert [each["subject"] for each in left] == ["cash KRW"]
                await asking.act("discrepancies")
                await asking.until_open()
            assert of_kind(settings, DiscrepancyFound)

    run(scenario())


def test_a_script_trades_through_the_daemon_by_its_limits(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Idle)

    async def scenario() -> None:
        async with trading(settings) as asking:
            client = KISUnifiedClient(
                "sim", data_dir=tmp_path, environ={}, root=ROOT, through="daemon"
            )
            async with client:
                placed = await client.place_order("005930", "BUY", 1, market="KR")
                assert (placed.action, placed.quantity) == ("BUY", 1)
                [order] = (await asking.see("orders", scope="day"))["orders"]
                assert (order["owner"], order["number"]) == ("script", placed.order_no)
                with pytest.raises(Refused, match="order_quantity"):
                    await client.place_order("005930", "BUY", 1_000_000)
                with pytest.raises(Refused, match="NO_ORDER"):
                    await client.cancel_order("77")
                with pytest.raises(Refused, match="NOT_THROUGH_DAEMON"):
                    client.modify_order(placed.order_no, 1)
                await asking.act("halt")
                with pytest.raises(Refused, match="gate_closed"):
                    await client.place_order("005930", "BUY", 1)

    run(scenario())
    assert [each.intent.strategy for each in of_kind(settings, OrderCreated)] == ["script"]


def test_the_settings_open_the_doors(tmp_path: Path) -> None:
    assert doors_of(settings_for(tmp_path, Idle, **{"control.socket": False})) == []
    [door] = doors_of(settings_for(tmp_path, Idle))
    tag = account_tag("12345678-01")
    assert door == UnixDoor(path=tmp_path / "sim" / "control" / f"api-{tag}.sock")
    token = tmp_path / "token"
    token.write_text("t" * 32)
    token.chmod(0o600)
    changes = {"control.tcp.port": 8_400, "control.token_file": str(token)}
    _, port = doors_of(settings_for(tmp_path, Idle, **changes))
    assert port == TcpDoor(address="127.0.0.1", port=8_400, token="t" * 32)
