"""The daemon: starts everything in order, trades until told to stop, and stops in stages."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    suppress,
)
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from daemon import log
from daemon import report as reports
from daemon.config import Settings
from daemon.control import Operators
from daemon.core.costs import CostCeilings
from daemon.core.errors import NeedsOperator, TradingError
from daemon.core.events import TradingStateChanged
from daemon.core.profit import ProfitBook
from daemon.core.switch import Answer, Command
from daemon.core.tieout import TieOut
from daemon.core.values import Region
from daemon.engine.closing import closing_jobs
from daemon.engine.desk import TradingDesk
from daemon.engine.gate import Shutter
from daemon.engine.ledger import Ledger
from daemon.engine.routine import DaysAhead, LedgerMarks, desk_timetable, regions_of
from daemon.engine.tieouts import TieOuts
from daemon.engine.timetable import Job
from daemon.ports import Journal
from daemon.presence import Presence
from daemon.profit_books import profit_book
from daemon.store.journal import SqliteJournal
from daemon.store.switchfiles import SwitchFiles
from daemon.wiring import Session, master_jobs, open_session

STOP_STRATEGIES = 0.5
STOP_REQUESTS = 2.5
STOP_ORDERS = 2.0
STOP_ORDERS_AT_MOST = 60.0
"""Seconds; with the other stages less than systemd's 90 until it kills."""
REQUESTS_AN_ORDER = 1.5
"""Of a cancel: itself, and its part of the lists that confirm it."""
STOP_INQUIRY = 1.5
STOP_REPORT = 1.0
STOP_SERVICES = 0.5
SUMMARY_EVERY = 10.0
KILL_FILE_EVERY = 1.0
DAY_LOOK = 0.2

OpenSession = Callable[[Settings], AbstractAsyncContextManager[Session]]
WatchOver = Callable[
    [Settings, Session, TradingDesk, ProfitBook, Sequence[asyncio.Task[None]]],
    Coroutine[Any, Any, None],
]
OpenJournal = Callable[[Path, str], AbstractContextManager[Journal]]


def _trading_session(settings: Settings) -> AbstractAsyncContextManager[Session]:
    return open_session(settings, trading=True)


def _sqlite_journal(path: Path, owner: str) -> SqliteJournal:
    return SqliteJournal(path, owner=owner)


class App:
    """One account's daemon.

    `duration` is in machine seconds, `None` for ever. With `until_close` it also ends by itself
    once the next close of every market that strategies trade in is reported. `report` is where the
    run's report goes. `accept_broker_books` adopts the broker's cash and holdings at the start, for
    an operator who has looked at a discrepancy. `console` adds a short summary line now and then.
    `open_session` and `open_journal` are where the daemon meets the world, so that a simulated
    one can stand in. `settled` is called once the start is over. `presence` is told how far it has
    come. `desk` is there while it runs.
    `operators` are whose acts are obeyed.
    `monitor` watches over it all, such as `daemon.monitoring.watch`; it must not raise.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        report: Path | None = None,
        duration: float | None = None,
        until_close: bool = False,
        accept_broker_books: bool = False,
        console: bool = False,
        open_session: OpenSession = _trading_session,
        open_journal: OpenJournal = _sqlite_journal,
        settled: Callable[[], None] = lambda: None,
        monitor: WatchOver | None = None,
        operators: Operators | None = None,
        presence: Presence | None = None,
    ) -> None:
        self.desk: TradingDesk | None = None
        self._open_session = open_session
        self._open_journal = open_journal
        self._settled = settled
        self._monitor = monitor
        self._operators = operators
        self._presence = presence or Presence(settings, environ={})
        self._settings = settings
        self._report = report
        self._duration = duration
        self._until_close = until_close
        self._accept_broker_books = accept_broker_books
        self._console = console
        self._log = structlog.get_logger("app")
        self._aborted = False
        self._stage_timeout: asyncio.Timeout | None = None
        self._early: list[Command] = []
        self._switch_files = SwitchFiles(settings.control_dir, settings.account)

    def abort(self) -> None:
        """Skip what is left of a staged stop."""
        self._aborted = True
        if self._stage_timeout is not None:
            self._stage_timeout.reschedule(asyncio.get_running_loop().time())

    async def run(self, stop: asyncio.Event) -> int:
        """Trade until `stop` is set, or `duration` or the day is over; returns the exit code.

        Raises `NeedsOperator` when a person must act first.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(self._open_session(settings))
            owner = f"{settings.mode}:{session.broker.account_id}"
            journal = stack.enter_context(self._open_journal(settings.journal_path, owner))
            profit = profit_book(settings)
            ledger = Ledger(journal, session.clock.monotonic, profit)
            desk = self.desk = TradingDesk(
                broker=session.broker,
                market_data=session.broker,
                feed=session.feed,
                ledger=ledger,
                slots=settings.strategy_slots,
                limits=settings.risk_limits,
                calendars=session.calendars,
                ceilings=CostCeilings(settings.costs.tariffs()),
                clock=session.clock,
                inquiry_rate=settings.inquiry_rate,
                policy=settings.kill_switch.policy(),
                rates=settings.exchange_rates,
                days=session.broker,
                budget=settings.monitoring.budget,
            )
            try:
                await self._serve(session, desk, profit, stop)
            except* NeedsOperator as group:
                raise _first(group) from group
        return 0

    def _recover(self, desk: TradingDesk, tally: reports.Tally) -> None:
        """Read the journal, and obey what was commanded before there was a desk."""
        desk.recover(
            must_be_armed=self._settings.mode == "real",
            armed=self._settings.armed,
            on_progress=self._presence.recovering,
        )
        desk.ledger.listen(tally.on_fact)
        desk.ledger.listen(
            lambda fact: self._tell_switch(desk) if isinstance(fact, TradingStateChanged) else None
        )
        self._obey_file(desk)
        for command in self._early:
            desk.execute(command)
        files = [str(each.path) for each in self._switch_files.kill_files]
        self._log.info("kill_files", files=files)

    async def _serve(
        self, session: Session, desk: TradingDesk, profit: ProfitBook, stop: asyncio.Event
    ) -> None:
        """Run the services around start, trading and stop."""
        tie_outs = self._tie_outs(session, desk, profit)
        tally = reports.Tally()
        started = session.clock.now()
        self._recover(desk, tally)
        async with asyncio.TaskGroup() as services:
            tasks = [
                services.create_task(self._watch_file(desk), name="kill file"),
                services.create_task(session.broker.run(), name="requests"),
                services.create_task(desk.executor.run(), name="executor"),
                services.create_task(session.feed.run(desk.on_feed), name="feed"),
                services.create_task(session.watch(), name="watch"),
                # Before the start is over: one region's silence must not keep others from a sale.
                services.create_task(desk.switch.run(), name="kill switch"),
            ]
            if self._operators is not None:
                work = self._operators.serve(session, desk)
                tasks.append(services.create_task(work, name="operators"))
            if self._monitor is not None:
                monitor = self._monitor(self._settings, session, desk, profit, tasks)
                tasks.append(services.create_task(monitor, name="monitor"))
            presence = self._presence.serve(session, desk, tasks)
            told = services.create_task(presence, name="presence")
            ending: list[asyncio.Task[None]] = []
            if await self._start(desk, services, stop):
                tasks.append(services.create_task(desk.reconciliation.run(), name="inquiries"))
                tasks.append(services.create_task(desk.keep_house(), name="housekeeping"))
                tasks.append(services.create_task(desk.watch.run(), name="market data"))
                if self._console:
                    summary = self._summarise(session, desk, tally)
                    tasks.append(services.create_task(summary, name="summary"))
                strategies = services.create_task(desk.host.run(), name="strategies")
                timetable = desk_timetable(
                    desk,
                    access=session.broker,
                    calendars=session.calendars,
                    clock=session.clock,
                    more=self._more_jobs(session, desk, tie_outs),
                )
                routine = services.create_task(timetable.run(), name="timetable")
                tasks += [strategies, routine]
                self._log.info("trading", gate=desk.gate.why() or "open")
                self._settled()
                self._presence.ready()
                await self._trade_on(session, desk, stop)
                # What ends from here on does as it is told, and nobody is to miss it.
                ending = [strategies, routine]
                for task in ending:
                    tasks.remove(task)
                # Not marked as told what no strategy is there any more to hear.
                routine.cancel()
            await self._stop(desk)
            await self._write_report(session, desk, profit, tie_outs, tally, started)
            await _end([*ending, *tasks, told])
        self._log.info("stopped")

    def _more_jobs(
        self, session: Session, desk: TradingDesk, tie_outs: TieOuts | None
    ) -> list[Job]:
        """What the settings want done every day."""
        settings = self._settings
        closing = closing_jobs(
            settings.before_close.plan(settings.markets),
            selling=desk.selling,
            ledger=desk.ledger,
            calendars=session.calendars,
            clock=session.clock,
        )
        tying = [] if tie_outs is None else tie_outs.jobs()
        masters = master_jobs(settings, session.listed, session.simulator_url)
        return [*closing, *tying, *masters]

    async def _trade_on(self, session: Session, desk: TradingDesk, stop: asyncio.Event) -> None:
        """Return when it is time to stop."""
        ahead: DaysAhead | None = None
        if self._until_close:
            marks = LedgerMarks(desk.ledger, session.clock)
            ahead = DaysAhead(regions_of(desk), session.calendars, marks, session.clock.now())
            self._log.info("until_close", awaited=ahead.days)
        try:
            async with asyncio.timeout(self._duration):
                while not stop.is_set():
                    if ahead is not None and ahead.over(session.clock.now()):
                        self._log.info("day_over")
                        return
                    with suppress(TimeoutError):
                        async with asyncio.timeout(None if ahead is None else DAY_LOOK):
                            await stop.wait()
        except TimeoutError:
            self._log.info("duration_over", seconds=self._duration)

    def execute(self, command: Command) -> Answer | None:
        """Obey an operator; `None` before there is a desk, which obeys as soon as it is there."""
        if self.desk is not None:
            return self.desk.execute(command)
        self._log.warning("switch_waits", wanted=command.state, who=command.who)
        self._early.append(command)
        return None

    async def _watch_file(self, desk: TradingDesk) -> None:
        """Look at the kill files once a second, for ever."""
        while True:
            await asyncio.sleep(KILL_FILE_EVERY)
            self._obey_file(desk)

    def _obey_file(self, desk: TradingDesk) -> None:
        self._switch_files.obey(desk.execute, desk.ledger.portfolio.state)
        self._tell_switch(desk)

    def _tell_switch(self, desk: TradingDesk) -> None:
        """Tell scripts, which cannot read the journal, where the switch is."""
        portfolio = desk.ledger.portfolio
        self._switch_files.tell(portfolio.state, portfolio.state_reason)

    async def _start(
        self, desk: TradingDesk, services: asyncio.TaskGroup, stop: asyncio.Event
    ) -> bool:
        """Bring the desk up; tells whether it came up before it was asked to stop."""
        starting = services.create_task(
            desk.start(accept_broker_books=self._accept_broker_books), name="start"
        )
        asked = services.create_task(stop.wait(), name="stop signal")
        await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if starting.done():
            await starting
            return not stop.is_set()
        starting.cancel()
        self._log.info("stopped_while_starting")
        return False

    async def _stop(self, desk: TradingDesk) -> None:
        """Shut the gate, then let each stage finish within its time."""
        self._log.info("stopping")
        self._presence.stopping("strategies", STOP_STRATEGIES)
        desk.gate.shut(Shutter.STOPPING, "the daemon is stopping")
        # Not a stage that may be skipped: nothing below works while strategies still run.
        await desk.host.stop(0.1 if self._aborted else STOP_STRATEGIES)
        await self._stage("requests", STOP_REQUESTS, desk.executor.idle())
        if self._settings.on_stop == "cancel":
            limit = cancelling_limit(
                len(desk.ledger.portfolio.open_orders()),
                self._settings.profile.requests_per_second,
            )
            await self._stage("orders", limit, desk.cancel_everything())
        await self._stage("inquiry", STOP_INQUIRY, desk.converge())
        unknown = reports.unknown_orders(desk.ledger.portfolio)
        if unknown:
            self._log.error("orders_left_unknown", orders=unknown)

    async def _stage(self, name: str, limit: float, work: Awaitable[Any]) -> None:
        self._presence.stopping(name, limit)
        try:
            async with asyncio.timeout(0 if self._aborted else limit) as self._stage_timeout:
                await work
        except TimeoutError:
            self._log.warning("stop_stage_overdue", stage=name, limit_seconds=limit)
        except TradingError as error:
            self._log.warning("stop_stage_failed", stage=name, cause=str(error))
        finally:
            self._stage_timeout = None

    async def _summarise(self, session: Session, desk: TradingDesk, tally: reports.Tally) -> None:
        """Say now and then how things stand."""
        while True:
            await asyncio.sleep(SUMMARY_EVERY)
            portfolio = desk.ledger.portfolio
            positions = portfolio.positions.values()
            self._log.info(
                "summary",
                market_time=f"{session.calendar.local_time(session.clock.now()):%m-%d %H:%M:%S}",
                orders=tally.facts["OrderSent"],
                fills=tally.facts["OrderFilled"],
                open_orders=len(portfolio.open_orders()),
                positions=sum(1 for each in positions if each.quantity),
                realised=reports.realised(portfolio),
                cash=reports.amounts(portfolio.cash),
                gate=desk.gate.why() or "open",
                state=portfolio.state,
            )

    async def _write_report(
        self,
        session: Session,
        desk: TradingDesk,
        profit: ProfitBook,
        tie_outs: TieOuts | None,
        tally: reports.Tally,
        started: datetime,
    ) -> None:
        """Compare both sides' books and say what the run did.

        A broker that does not answer leaves its side out; the rest is written all the same.
        """
        portfolio = desk.ledger.portfolio
        ours = reports.our_books(portfolio)
        theirs: reports.Books | None = None
        door: dict[str, Any] = {}

        async def ask() -> None:
            nonlocal theirs, door
            theirs, door = await session.broker_books(desk.reconciliation.booked)

        await self._stage("report", STOP_REPORT, ask())
        tied = await self._tie_out(tie_outs)
        differences = ["the broker did not answer"] if theirs is None else ours.differences(theirs)
        content = {
            "mode": self._settings.mode,
            "started": started,
            "ended": session.clock.now(),
            **tally.summary(),
            "notices": desk.reconciliation.stats.notices,
            "denied": desk.executor.stats.denied,
            "external_orders": desk.reconciliation.stats.external_orders,
            "unknown_orders": reports.unknown_orders(portfolio),
            "discrepancies": sorted(portfolio.discrepancies),
            "strategies": {
                slot: {"state": status.state, "cause": status.cause}
                for slot, status in desk.host.status.items()
            },
            "conflated": desk.hub.stats.conflated,
            "market_data": desk.watch.summary(),
            "books": ours.to_dict(),
            "broker_books": None if theirs is None else theirs.to_dict(),
            "books_equal": None if theirs is None else not differences,
            "book_differences": differences,
            "profit": reports.profit(profit, desk.quotes.last_price, desk.rates.told),
            "unsettled": self._unsettled(session, profit),
            "tie_out": {region.value: reports.tied_out(result) for region, result in tied.items()},
            "log_lines_lost": log.lost_lines(),
            **door,
        }
        self._log.info(
            "run_report",
            orders=content["orders"],
            fills=content["fills"],
            rejects=content["rejects"],
            books_equal=content["books_equal"],
        )
        if self._report is not None:
            try:
                reports.write(self._report, content)
            except OSError as error:
                self._log.error("report_not_written", path=str(self._report), cause=str(error))

    def _unsettled(self, session: Session, profit: ProfitBook) -> dict[str, Any]:
        now = session.clock.now()
        calendars = session.calendars
        today = {
            region.currency: calendars.of(region).local_date(now)
            for region in self._settings.markets
        }
        return reports.unsettled(profit.settlements, today)

    async def _tie_out(self, tie_outs: TieOuts | None) -> dict[Region, TieOut]:
        """Each region's latest day against the broker's own profit and loss."""
        found: dict[Region, TieOut] = {}

        async def ask(tie_outs: TieOuts) -> None:
            for region in self._settings.markets:
                result = await tie_outs.latest(region)
                if result is not None:
                    found[region] = result

        if tie_outs is not None:
            await self._stage("tie_out", STOP_REPORT, ask(tie_outs))
        return found

    def _tie_outs(self, session: Session, desk: TradingDesk, profit: ProfitBook) -> TieOuts | None:
        """Comparisons with the broker's own profit and loss; `None` where it tells no costs."""
        settings = self._settings
        if not (settings.mode == "real" or (settings.mode == "sim" and settings.sim.charges)):
            return None
        return TieOuts(
            session.broker,
            profit=profit,
            regions=settings.markets,
            calendars=session.calendars,
            marks=LedgerMarks(desk.ledger, session.clock),
            clock=session.clock,
        )


def cancelling_limit(open_orders: int, requests_per_second: float) -> float:
    """The seconds a stop may take to cancel so many orders at the pace the broker allows."""
    needed = open_orders * REQUESTS_AN_ORDER / requests_per_second
    return min(STOP_ORDERS + needed, STOP_ORDERS_AT_MOST)


def _first(group: BaseExceptionGroup[NeedsOperator]) -> NeedsOperator:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, NeedsOperator), "the group was matched on this type"
    return found


async def _end(services: list[asyncio.Task[None]]) -> None:
    """Cancel services; those that wait for a request in flight are cancelled again."""
    for _ in range(2):
        running = [task for task in services if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=STOP_SERVICES)
