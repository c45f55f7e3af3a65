"""The daemon in this process: real sockets, a real disk, and the simulator it brings along."""

import asyncio
import errno
import io
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from structlog.testing import capture_logs

from daemon import app as daemon_app
from daemon import log
from daemon import report as reports
from daemon.app import STOP_ORDERS, STOP_ORDERS_AT_MOST, App, cancelling_limit
from daemon.config import Settings, load_settings
from daemon.core.calendar import KST, RoundingWay, round_to_step, shift_steps
from daemon.core.costs import CostCeilings
from daemon.core.entries import BrokerDayTold, EntriesBarred, EntryBar
from daemon.core.errors import InvariantBroken, NeedsOperator
from daemon.core.events import (
    Actor,
    Event,
    JobDone,
    MarketCloseReported,
    OrderExpired,
    OrderFilled,
    TradingState,
    TradingStateChanged,
)
from daemon.core.limits import Rule
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.switch import Command
from daemon.core.values import Currency
from daemon.engine.desk import TradingDesk
from daemon.engine.ledger import Ledger
from daemon.profit_books import profit_book
from daemon.store.journal import SqliteJournal
from daemon.store.switchfiles import SwitchFiles
from daemon.strategy import SessionClosed, Strategy, StrategyContext
from daemon.wiring import Session, open_session
from tests.builders import NINE
from tests.sim.rig import live
from tests.support import T
from tests.test_log import restored

ROOT = Path(__file__).parents[1]
CODE = "005930"
PATIENCE = 60.0


class Watched(Strategy):
    """A strategy that tells its test when it is done."""

    done: ClassVar[asyncio.Event]


class Idle(Watched):
    """Watches and does nothing."""

    async def run(self, context: StrategyContext) -> None:
        self.done.set()
        async for _ in context.events():
            pass


class Buyer(Watched):
    """Buys three shares at once and leaves a bid for one far below."""

    async def run(self, context: StrategyContext) -> None:
        [instrument] = context.instruments
        last = context.last_price(instrument)
        assert last is not None
        last = round_to_step(last, RoundingWay.DOWN)
        await context.submit(
            context.buy(instrument, 3, limit=shift_steps(last, 10), reason="now"),
            context.buy(instrument, 1, limit=shift_steps(last, -30), reason="later"),
        )
        async for event in context.events():
            working = [each for each in context.orders() if each.state is OrderState.WORKING]
            if context.position(instrument).quantity == 3 and len(working) == 1:
                self.done.set()
            assert not isinstance(event, OrderFilled) or event.fill.quantity <= 3


class Collector(Watched):
    """Leaves bids far below, a few with every event, until forty are open."""

    async def run(self, context: StrategyContext) -> None:
        [instrument] = context.instruments
        last = context.last_price(instrument)
        assert last is not None
        limit = shift_steps(round_to_step(last, RoundingWay.DOWN), -30)
        async for _ in context.events():
            missing = 40 - len(context.orders())
            if missing <= 0:
                self.done.set()
                continue
            wish = context.buy(instrument, 1, limit=limit, reason="later")
            await context.submit(*[wish] * min(missing, 8))


class Holder(Watched):
    """Buys three shares at once, tries to again whenever it holds none, and waits for the close."""

    answers: ClassVar[list[Order | Denied]]

    async def run(self, context: StrategyContext) -> None:
        [instrument] = context.instruments
        Holder.answers = []
        wish = context.buy(instrument, 3, limit=None, reason="to hold")
        Holder.answers += await context.submit(wish)
        async for event in context.events():
            if isinstance(event, SessionClosed):
                Holder.answers += await context.submit(wish)
                self.done.set()


class Wisher(Watched):
    """Wants one share, and keeps what became of it."""

    answers: ClassVar[list[Order | Denied]]

    async def run(self, context: StrategyContext) -> None:
        [instrument] = context.instruments
        last = context.last_price(instrument)
        wish = context.buy(instrument, 1, limit=last, reason="a wish")
        Wisher.answers = list(await context.submit(wish))
        self.done.set()


class Crasher(Strategy):
    """Fails at once."""

    async def run(self, context: StrategyContext) -> None:
        raise ZeroDivisionError("a bug")


class Sick(Strategy):
    """Meets an error that is not its own."""

    async def run(self, context: StrategyContext) -> None:
        raise InvariantBroken("the books contradict each other")


def settings_for(folder: Path, *strategies: type[Strategy], **changes: object) -> Settings:
    """The simulator's settings with these strategies on one instrument."""
    items = [
        {"id": each.__name__, "class": f"{__name__}:{each.__name__}", "instruments": [CODE]}
        for each in strategies
    ]
    (folder / "mine.yaml").write_bytes(orjson.dumps({"strategies": items}))
    overrides = {"data_dir": str(folder), "config": str(folder / "mine.yaml"), **changes}
    return load_settings("sim", overrides, environ={}, root=ROOT)


async def trade(settings: Settings, **options: Any) -> dict[str, Any]:
    """Run until `Watched.done` is set; returns the report."""
    path = settings.data_dir / "report.json"
    path.unlink(missing_ok=True)
    Watched.done = asyncio.Event()
    async with asyncio.timeout(PATIENCE):
        assert await App(settings, report=path, **options).run(Watched.done) == 0
    report = orjson.loads(path.read_bytes())
    assert isinstance(report, dict)
    return report


def facts(settings: Settings) -> list[Event]:
    owner = f"sim:{settings.account}"
    with SqliteJournal(settings.journal_path, owner=owner) as journal:
        return list(journal.replay())


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(scenario)


def test_it_trades_stops_and_reports_equal_books(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Buyer, Crasher)
    report = run(trade(settings))

    assert report["books_equal"], report["book_differences"]
    assert report["books"] == report["broker_books"]
    assert report["books"]["positions"] == {CODE: 3}
    assert report["books"]["open_orders"] == {}
    assert (report["orders"], report["cancels"], report["rejects"]) == (2, 1, 0)
    assert report["fills_by_symbol"] == {CODE: report["fills"]}
    assert report["unknown_orders"] == report["discrepancies"] == []
    assert report["strategies"]["Buyer"] == {"state": "stopped", "cause": ""}
    assert report["strategies"]["Crasher"] == {
        "state": "faulted",
        "cause": "ZeroDivisionError: a bug",
    }
    assert report["refused"] == 0
    assert 0 < report["max_requests_in_any_second"] <= 10
    assert report["mode"] == "sim"
    assert report["started"] < report["ended"]


def test_forty_open_orders_are_all_cancelled_before_the_stop_goes_on(tmp_path: Path) -> None:
    """Four seconds of requests, at the ten a second of the simulator."""
    with capture_logs() as lines:
        report = run(trade(settings_for(tmp_path, Collector)))
    overdue = [line["stage"] for line in lines if line["event"] == "stop_stage_overdue"]
    assert "orders" not in overdue
    assert report["cancels"] == 40
    assert report["books"]["open_orders"] == report["broker_books"]["open_orders"] == {}


def test_what_may_stay_open_stays_open_and_the_next_start_goes_on_from_there(
    tmp_path: Path,
) -> None:
    first = run(trade(settings_for(tmp_path, Buyer, on_stop="leave")))
    assert first["books_equal"], first["book_differences"]
    [left] = first["books"]["open_orders"].values()
    assert (left, first["cancels"]) == (1, 0)

    settings = settings_for(tmp_path, Idle)
    second = run(trade(settings))
    assert second["books_equal"], second["book_differences"]
    assert second["books"]["positions"] == {CODE: 3}
    assert second["books"]["cash"] == first["books"]["cash"]
    assert second["started"][:10] > first["ended"][:10], "another trading day"
    assert second["orders"] == 0
    # The bid died with its day, and no notice said so.
    assert second["books"]["open_orders"] == {}
    assert len([each for each in facts(settings) if isinstance(each, OrderExpired)]) == 1


def test_a_broker_that_charges_is_tied_out_and_profit_outlives_a_restart(tmp_path: Path) -> None:
    first = run(trade(settings_for(tmp_path, Buyer, **{"sim.charges": True})))
    assert first["tie_out"]["KR"]["agrees"], first["tie_out"]["KR"]["differences"]
    assert first["tie_out"]["KR"]["instruments"] == [CODE]
    (account,) = first["profit"]["account"].values()
    (buyer,) = first["profit"]["strategies"]["Buyer"].values()
    assert account == buyer
    assert Decimal(account["commission"]) > 0
    assert Decimal(account["net"]) == Decimal(account["gross"]) - Decimal(account["commission"])

    second = run(trade(settings_for(tmp_path, Idle, **{"sim.charges": True})))
    assert second["tie_out"]["KR"]["instruments"] == [], "nothing was traded on the second day"
    (later,) = second["profit"]["strategies"]["Buyer"].values()
    assert later["commission"] == buyer["commission"]


def test_the_books_are_judged_by_the_costs_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[CostCeilings] = []

    def desk(**parts: Any) -> TradingDesk:
        given.append(parts["ceilings"])
        return TradingDesk(**parts)

    monkeypatch.setattr(daemon_app, "TradingDesk", desk)
    run(trade(settings_for(tmp_path, Idle, **{"costs.kr.minimum": 5_000})))
    assert [each.of_day(Currency.KRW, Decimal(0), 1) for each in given] == [5_004]


@pytest.mark.parametrize(
    ("start", "day"),
    [("2026-11-03T20:59:30+09:00", "2026-11-03"), ("2026-11-04T00:30:00+09:00", "2026-11-03")],
)
def test_a_day_is_tied_out_at_its_evening_and_not_forgotten_at_midnight(
    tmp_path: Path, start: str, day: str
) -> None:
    def hear(fact: Event) -> None:
        wanted = ("profit_tied_out KR", date.fromisoformat(day))
        if isinstance(fact, JobDone) and (fact.job, fact.day) == wanted:
            Watched.done.set()

    async def watch(*given: Any) -> None:
        desk: TradingDesk = given[2]
        desk.ledger.listen(hear)
        await asyncio.Event().wait()

    settings = settings_for(tmp_path, **{"sim.charges": True, "sim.start": start, "sim.speed": 60})
    report = run(trade(settings, monitor=watch))
    assert report["tie_out"]["KR"]["day"] == day
    assert report["tie_out"]["KR"]["agrees"]


def test_nothing_is_tied_out_where_nothing_is_charged(tmp_path: Path) -> None:
    assert run(trade(settings_for(tmp_path, Idle)))["tie_out"] == {}


def test_a_trade_by_hand_makes_the_books_differ_until_a_person_accepts_them(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with live(speed=60.0) as simulator:
            server = simulator.server
            urls = {"rest_url": server.rest_url, "ws_url": server.ws_url}
            settings = settings_for(tmp_path, Idle, **urls, requests_per_second=20)
            assert (await trade(settings))["books_equal"]

            said = await simulator.post("/sim/order", {"code": CODE, "side": "buy", "quantity": 2})
            assert said.status == 200
            report = await trade(settings)
            assert not report["books_equal"]
            assert f"position {CODE}: 0 / 2" in report["book_differences"]

            report = await trade(settings, accept_broker_books=True)
            assert report["books_equal"], report["book_differences"]
            assert report["books"]["positions"] == {CODE: 2}

    run(scenario())


def test_a_time_that_is_over_ends_a_run_and_a_console_hears_how_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_app, "SUMMARY_EVERY", 0.01)
    Watched.done = asyncio.Event()
    settled: list[bool] = []
    app = App(
        settings_for(tmp_path, Idle),
        duration=0.3,
        console=True,
        settled=lambda: settled.append(app.desk is not None and app.desk.gate.is_open),
    )
    with capture_logs() as lines:
        assert run(app.run(asyncio.Event())) == 0
    assert settled == [True]
    said = [line["event"] for line in lines]
    assert said.index("trading") < said.index("summary") < said.index("duration_over")
    assert said[-1] == "stopped"
    [first, *_] = [line for line in lines if line["event"] == "summary"]
    assert (first["orders"], first["open_orders"], first["gate"]) == (0, 0, "open")


def test_what_is_commanded_before_the_journal_is_read_is_told_and_carried_out_then(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path, Idle)

    async def scenario() -> None:
        stop = asyncio.Event()

        @asynccontextmanager
        async def slow(settings: Settings) -> AsyncIterator[Session]:
            for state in (TradingState.REDUCE_ONLY, TradingState.HALTED):
                assert app.execute(Command(state=state, who=Actor.SIGNAL, reason="early")) is None
            async with open_session(settings, trading=True) as session:
                yield session

        app = App(settings, open_session=slow, settled=stop.set)
        async with asyncio.timeout(PATIENCE):
            assert await app.run(stop) == 0

    with capture_logs() as lines:
        run(scenario())
    told = [line["wanted"] for line in lines if line["event"] == "switch_waits"]
    moves = [each for each in facts(settings) if isinstance(each, TradingStateChanged)]
    assert told == [each.state for each in moves] == [TradingState.REDUCE_ONLY, TradingState.HALTED]
    journal = settings.journal_path
    position = SwitchFiles(settings.control_dir, settings.account).position(journal)
    assert position == (TradingState.HALTED, "early")


def test_a_stop_that_is_aborted_skips_its_stages_and_still_reports(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Buyer)
    path = tmp_path / "report.json"

    async def scenario() -> None:
        Watched.done = asyncio.Event()
        app = App(settings, report=path)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(app.run(Watched.done))
            await Watched.done.wait()
            app.abort()
        assert running.result() == 0

    with capture_logs() as lines:
        run(scenario())
    overdue = [line["stage"] for line in lines if line["event"] == "stop_stage_overdue"]
    assert overdue == ["orders", "inquiry", "report"]
    assert orjson.loads(path.read_bytes())["orders"] == 2


def test_keys_that_the_broker_refuses_need_a_person(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(app_key="PSanotherkey") as simulator:
            server = simulator.server
            urls = {"rest_url": server.rest_url, "ws_url": server.ws_url}
            await trade(settings_for(tmp_path, Idle, **urls))

    with pytest.raises(NeedsOperator):
        run(scenario())


def test_a_journal_of_another_account_is_not_gone_on_with(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Idle)
    settings.journal_path.parent.mkdir(parents=True)
    with SqliteJournal(settings.journal_path, owner="sim:87654321-01"):
        pass
    with pytest.raises(NeedsOperator, match="87654321"):
        run(trade(settings))


def test_a_start_from_a_compacted_journal_knows_what_it_knew(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Buyer)
    run(trade(settings))
    with SqliteJournal(settings.journal_path, owner=f"sim:{settings.account}") as journal:
        whole = profit_book(settings)
        ledger = Ledger(journal, profit=whole)
        read = ledger.recover()
        ledger.compact()
    with SqliteJournal(settings.journal_path, owner=f"sim:{settings.account}") as journal:
        profit = profit_book(settings)
        again = Ledger(journal, profit=profit)
        assert again.recover() == 0 < read
        assert vars(again.portfolio) == vars(ledger.portfolio)
        told = reports.profit(whole, lambda _: None, {})
        assert Decimal(told["account"]["KRW"]["commission"]) > 0
        assert reports.profit(profit, lambda _: None, {}) == told
        dearer = settings_for(tmp_path, Buyer, costs={"kr": {"commission": "0.01"}})
        assert Ledger(journal, profit=profit_book(dearer)).recover() == read


def test_books_that_break_end_the_daemon_and_leave_nothing_running(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, Sick)

    async def scenario() -> None:
        with pytest.raises(ExceptionGroup) as failure:
            await trade(settings)
        assert failure.group_contains(InvariantBroken)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())
    assert not list(settings.shared_dir.glob("simulator.json"))
    assert run(trade(settings_for(tmp_path, Idle)))["books_equal"]


def test_what_is_held_is_sold_before_the_close_and_the_day_is_the_brokers_too(
    tmp_path: Path,
) -> None:
    asked = {
        "sim.start": "2026-11-02T15:02:00+09:00",
        "sim.speed": 200,
        "before_close": {"action": "flatten", "minutes": 15},
    }
    settings = settings_for(tmp_path, Holder, **asked)
    report = run(trade(settings))

    found = facts(settings)
    (told,) = [each for each in found if isinstance(each, BrokerDayTold)]
    assert (told.day, told.trades) == (date(2026, 11, 2), True)
    (barred,) = [each for each in found if isinstance(each, EntriesBarred)]
    assert barred.bar is EntryBar.BEFORE_CLOSE
    last = [each for each in found if isinstance(each, MarketCloseReported)][-1]
    assert (last.left, last.done) == ((), True)
    bought, denied = Holder.answers
    assert isinstance(bought, Order)
    assert isinstance(denied, Denied)
    assert report["books"]["positions"] == report["broker_books"]["positions"] == {}
    assert report["fills_by_symbol"][CODE] >= 2


def test_a_day_that_only_our_table_calls_open_is_nothing_to_buy_on(tmp_path: Path) -> None:
    day = date(2026, 11, 3)

    async def scenario() -> None:
        start = datetime(2026, 11, 3, 10, 0, tzinfo=KST)
        async with live(start=start, holidays=frozenset({day})) as client:
            urls = {"rest_url": client.server.rest_url, "ws_url": client.server.ws_url}
            await trade(settings_for(tmp_path, Wisher, **urls))

    with capture_logs() as logs:
        run(scenario())
    (denied,) = Wisher.answers
    assert isinstance(denied, Denied)
    assert denied.rule is Rule.TRADING_DAY
    assert "a trading day by our table and a holiday by the broker's" in denied.detail
    assert [each["log_level"] for each in logs if each["event"] == "entries_barred"] == ["warning"]


def test_a_stop_may_take_as_long_as_its_orders_need_and_no_longer_than_a_minute() -> None:
    assert cancelling_limit(0, 10) == STOP_ORDERS
    assert cancelling_limit(280, 10) >= 28 + STOP_ORDERS
    assert cancelling_limit(280, 18) < cancelling_limit(280, 10)
    assert cancelling_limit(5_000, 2) == STOP_ORDERS_AT_MOST


def test_the_report_tells_how_many_log_lines_a_full_disk_cost(tmp_path: Path) -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(errno.ENOSPC, "no space left")

    with restored():
        log.configure(stream=Full(), format="json", level="info", now=lambda: NINE)
        assert run(trade(settings_for(tmp_path, Idle)))["log_lines_lost"] > 0


def test_a_traded_day_is_told_in_won_and_what_is_to_be_paid_with_it(tmp_path: Path) -> None:
    told = run(trade(settings_for(tmp_path, Buyer)))
    (account,) = told["profit"]["account"].values()
    assert told["profit"]["in_won"]["account"]["net"] == account["net"]
    due = told["unsettled"]["KRW"]
    assert Decimal(due["payable"]) > 0
    assert [-Decimal(each) for each in due["days"].values()] == [Decimal(due["payable"])]
