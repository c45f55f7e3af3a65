"""Puts the monitor of one daemon together: what it reads of whom, and how it is kept running."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from daemon import log
from daemon.clock import MarketClock, WallClock
from daemon.config import Settings
from daemon.core.events import Event, OrderFilled, TradingState
from daemon.core.exposure import Exposure
from daemon.core.orders import OrderState
from daemon.core.profit import ProfitBook
from daemon.engine.desk import TradingDesk
from daemon.engine.gate import Shutter
from daemon.engine.host import RunState
from daemon.ops.listener import PAUSES, Address, Listener
from daemon.ops.loopguard import LoopGuard
from daemon.ops.metrics import CONTENT_TYPE, Metrics, Reading
from daemon.wiring import Session

Readings = Iterator[Reading]

IN_DOUBT = frozenset({OrderState.IN_DOUBT})

CODES = 50
"""Codes of refusals that are told apart."""


class Monitor:
    """Watches one daemon: the loop always, and over HTTP where the settings say so.

    `tasks` are those that must run for as long as the daemon does. Nothing here raises: a part that
    fails is logged and started again, and trading goes on meanwhile.
    """

    def __init__(
        self,
        settings: Settings,
        session: Session,
        desk: TradingDesk,
        profit: ProfitBook,
        tasks: Sequence[asyncio.Task[None]],
    ) -> None:
        watched = settings.monitoring
        self.guard = LoopGuard(WallClock.awake, stall_seconds=watched.stall_seconds)
        self.failures = 0
        self._settings = settings
        self._session = session
        self._desk = desk
        self._profit = profit
        self._tasks = tasks
        self._started = session.clock.monotonic()
        self._fills: Counter[str] = Counter()
        self._limit = settings.profile.requests_per_second
        self._requests = (self._started, 0, 0.0)
        desk.ledger.listen(self._on_fact)
        sources = (
            *(self._of_the_loop, self._of_strategies, self._of_orders, self._of_money),
            *(self._of_the_gate, self._of_the_feed, self._of_requests, self._of_the_disk),
        )
        self.metrics = Metrics(sources, secrets=settings.secrets())
        self.listener: Listener | None = None
        if watched.listen:
            self.listener = Listener(
                Address(*watched.address[:2]),
                metrics=self.metrics.render,
                content_type=CONTENT_TYPE,
                health=self.health,
                ready=self.readiness,
            )

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._keep(self.guard.run), name="loop probe")
            if self.listener is not None:
                parts.create_task(self._keep(self.listener.run), name="monitor listener")

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        tries = 0
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001  what watches must not end what it watches
                self.failures += 1
                structlog.get_logger("monitor").exception("monitor_failed")
                await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1

    def health(self) -> Mapping[str, Any]:
        """Whether the daemon is alive: asked on the loop, an answer shows that the loop turns."""
        dead = sorted(task.get_name() for task in self._tasks if task.done())
        return {
            "ok": not dead,
            "dead_tasks": dead,
            "stalls": self.guard.stalls,
            "longest_stall_seconds": round(self.guard.longest, 3),
            "uptime_seconds": round(self._session.clock.monotonic() - self._started, 1),
        }

    def readiness(self) -> Mapping[str, Any]:
        """Whether orders could leave now, and every reason why not."""
        desk, session = self._desk, self._session
        reasons = {who.value: why for who, why in desk.gate.reasons.items()}
        if not session.feed.is_up:
            reasons.setdefault("feed", "the stream does not bring order notices")
        if unready := session.broker.unready():
            reasons.setdefault("broker", unready)
        return {
            "ok": not reasons,
            "reasons": {who: log.redacted(why) for who, why in reasons.items()},
            "trading_state": desk.ledger.portfolio.state.value,
            "unsettled": desk.reconciliation.unsettled(),
            "regions": {
                region.value: log.redacted(desk.gate.why(region)) or "open"
                for region in self._settings.markets
            },
            "reconciled_seconds_ago": {
                region.value: round(age, 1) for region, age in desk.reconciliation.ages.items()
            },
            "discrepancies": len(desk.ledger.portfolio.discrepancies),
            "strategies": {slot: status.state.value for slot, status in desk.host.status.items()},
        }

    def _on_fact(self, event: Event) -> None:
        if isinstance(event, OrderFilled):
            self._fills[self._desk.ledger.portfolio.orders[event.order].intent.strategy] += 1

    # What is read

    def _of_the_loop(self) -> Readings:
        settings, guard = self._settings, self.guard
        markets = ",".join(region.value for region in settings.markets)
        yield Reading("kisd_info", 1, (settings.mode.value, markets))
        yield Reading("kisd_uptime_seconds", self._session.clock.monotonic() - self._started)
        yield Reading("kisd_loop_lag_seconds", guard.lag)
        yield Reading("kisd_loop_stalls_total", guard.stalls)
        yield Reading("kisd_loop_longest_stall_seconds", guard.longest)
        for task in self._tasks:
            yield Reading("kisd_task_alive", not task.done(), (task.get_name(),))
        failures = self.failures + (self.listener.failures if self.listener else 0)
        yield Reading("kisd_monitor_failures_total", failures)

    def _of_strategies(self) -> Readings:
        host, hub = self._desk.host, self._desk.hub
        for slot, status in host.status.items():
            for state in RunState:
                yield Reading("kisd_strategy_state", status.state is state, (slot, state.value))
            meter = host.meters[slot]
            yield Reading("kisd_strategy_steps_total", meter.steps, (slot,))
            yield Reading("kisd_strategy_held_seconds_total", meter.held, (slot,))
            yield Reading("kisd_strategy_longest_step_seconds", meter.longest, (slot,))
            queue = hub.queue_of(slot)
            if queue is not None:
                yield Reading("kisd_strategy_queue", len(queue), (slot,))
                yield Reading("kisd_strategy_conflated_total", queue.conflated, (slot,))
        yield Reading("kisd_tick_to_order_seconds", host.tick_to_order)

    def _of_orders(self) -> Readings:
        stats, portfolio = self._desk.executor.stats, self._desk.ledger.portfolio
        yield Reading("kisd_order_round_trip_seconds", stats.round_trip)
        yield Reading("kisd_orders_sent_total", stats.placed)
        yield Reading("kisd_orders_accepted_total", stats.accepted)
        yield Reading("kisd_orders_rejected_total", stats.refused)
        yield Reading("kisd_orders_doubted_total", stats.doubted)
        yield Reading("kisd_orders_denied_total", stats.denied)
        yield Reading("kisd_cancels_sent_total", stats.cancels)
        yield Reading("kisd_modifies_sent_total", stats.modifies)
        alive = portfolio.open_orders()
        by_owner = Counter[str](order.intent.strategy for order in alive)
        for slot in (*self._desk.host.status, *by_owner.keys() - self._desk.host.status.keys()):
            yield Reading("kisd_open_orders", by_owner[slot], (slot,))
            yield Reading("kisd_fills_total", self._fills[slot], (slot,))
        doubted = sum(1 for order in alive if order.state in IN_DOUBT)
        yield Reading("kisd_orders_in_doubt", doubted)

    def _of_money(self) -> Readings:
        desk, portfolio = self._desk, self._desk.ledger.portfolio
        held = Counter[str](
            owner for (owner, _), position in portfolio.owned().items() if position.quantity
        )
        for slot in (*desk.host.status, *held.keys() - desk.host.status.keys()):
            yield Reading("kisd_positions", held[slot], (slot,))
        for instrument, position in portfolio.positions.items():
            if position.quantity:
                yield Reading("kisd_position_shares", position.quantity, (instrument,))
        for currency, amount in portfolio.cash.items():
            yield Reading("kisd_cash", float(amount), (currency.value,))
        exposure = Exposure(portfolio, desk.quotes, desk.rates, self._session.clock.now())
        ordered = (order.intent.instrument for order in portfolio.open_orders())
        worths = [exposure.position_worth(each) for each in {*portfolio.positions, *ordered}]
        if None not in worths:
            yield Reading("kisd_exposure_won", float(sum(worth for worth in worths if worth)))
        prices = self._profit.prices(desk.quotes.last_price)
        for slot, by_currency in self._profit.of_strategies(prices).items():
            for currency, profit in by_currency.items():
                labels = (slot, currency.value)
                yield Reading("kisd_profit_realised", float(profit.realised), labels)
                yield Reading("kisd_profit_unrealised", float(profit.unrealised), labels)
                yield Reading("kisd_profit_costs", float(profit.costs.total), labels)

    def _of_the_gate(self) -> Readings:
        desk, stats = self._desk, self._desk.reconciliation.stats
        portfolio, reasons = desk.ledger.portfolio, desk.gate.reasons
        for region in self._settings.markets:
            yield Reading("kisd_gate_open", not desk.gate.why(region), (region.value,))
        for shutter in Shutter:
            yield Reading("kisd_gate_shut", shutter in reasons, (shutter.value,))
        for state in TradingState:
            yield Reading("kisd_trading_state", portfolio.state is state, (state.value,))
        yield Reading("kisd_open_discrepancies", len(portfolio.discrepancies))
        yield Reading("kisd_discrepancies_total", stats.discrepancies)
        yield Reading("kisd_reconciliations_total", stats.passes)
        yield Reading("kisd_reconciliations_failed_total", stats.failed_passes)
        for region, age in desk.reconciliation.ages.items():
            yield Reading("kisd_reconciliation_age_seconds", age, (region.value,))
        yield Reading("kisd_notices_total", stats.notices)
        yield Reading("kisd_external_orders_total", stats.external_orders)

    def _of_the_feed(self) -> Readings:
        feed, hub, watch = self._session.feed, self._desk.hub.stats, self._desk.watch
        yield Reading("kisd_feed_up", feed.is_up)
        if feed.heard_at:
            age = self._session.clock.monotonic() - feed.heard_at
            yield Reading("kisd_feed_age_seconds", age)
        yield Reading("kisd_feed_messages_total", feed.stats.messages)
        yield Reading("kisd_feed_events_total", feed.stats.events)
        yield Reading("kisd_feed_undecodable_total", feed.stats.undecodable)
        yield Reading("kisd_feed_wider_frames_total", feed.frames.wider)
        yield Reading("kisd_feed_connections_total", feed.stats.connections)
        yield Reading("kisd_feed_drops_total", feed.stats.drops)
        yield Reading("kisd_hub_published_total", hub.published)
        yield Reading("kisd_hub_delivered_total", hub.delivered)
        yield Reading("kisd_hub_conflated_total", hub.conflated)
        yield Reading("kisd_interests_missing", len(watch.missing))
        yield Reading("kisd_instruments_dark", len(watch.dark))
        yield Reading("kisd_market_gaps_total", watch.stats.gaps)
        yield Reading("kisd_market_inquiries_total", watch.stats.inquiries)

    def _of_requests(self) -> Readings:
        broker, clock = self._session.broker, self._session.clock
        stats = broker.stats
        for priority, waits in stats.waits.items():
            yield Reading("kisd_request_wait_seconds", waits, (priority.name.lower(),))
        for priority, trips in stats.trips.items():
            yield Reading("kisd_request_seconds", trips, (priority.name.lower(),))
        yield Reading("kisd_requests_waiting", broker.waiting)
        yield Reading("kisd_requests_total", stats.requests)
        for code in list(stats.refusals)[:CODES]:
            yield Reading("kisd_requests_refused_total", stats.refusals[code], (code,))
        yield Reading("kisd_requests_unknown_total", stats.unknown)
        yield Reading("kisd_requests_expired_total", stats.expired)
        yield Reading("kisd_request_limit", self._limit)
        yield Reading("kisd_request_budget_used", self._budget_used(clock.monotonic()))
        yield Reading("kisd_tokens_issued_total", stats.token_issues)
        with suppress(OSError):
            token = self._session.token
            left = 0.0 if token is None else (token.expires_at - clock.now()).total_seconds()
            yield Reading("kisd_token_seconds_left", max(left, 0.0))
        yield Reading("kisd_clock_known", clock.known)
        if isinstance(clock, MarketClock):
            yield Reading("kisd_clock_drift_seconds", clock.drift)

    def _budget_used(self, now: float) -> float:
        """Of at least a second: two who read at once are told the same."""
        since, before, used = self._requests
        if now - since >= 1.0:
            made = self._session.broker.stats.requests
            used = (made - before) / (now - since) / self._limit
            self._requests = (now, made, used)
        return used

    def _of_the_disk(self) -> Readings:
        path, ledger = self._settings.journal_path, self._desk.ledger
        for file, suffix in (("journal", ""), ("wal", "-wal")):
            with suppress(OSError):
                size = Path(f"{path}{suffix}").stat().st_size
                yield Reading("kisd_journal_bytes", size, (file,))
        yield Reading("kisd_journal_commit_seconds", ledger.commits)
        yield Reading("kisd_facts_total", ledger.recorded)
        tape = self._session.tape
        if tape is not None:
            yield Reading("kisd_tape_frames_total", tape.stats.frames)
            yield Reading("kisd_tape_dropped_total", tape.stats.dropped)
        yield Reading("kisd_log_lines_lost_total", log.lost_lines())


def watch(
    settings: Settings,
    session: Session,
    desk: TradingDesk,
    profit: ProfitBook,
    tasks: Sequence[asyncio.Task[None]],
) -> Coroutine[Any, Any, None]:
    """What `App` is given as `monitor`: watches until cancelled."""
    return Monitor(settings, session, desk, profit, tasks).run()
