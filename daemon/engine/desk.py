"""One account's trading desk: the parts wired together, and how they start, hear and settle."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import structlog

from daemon.core.books import instrument_about
from daemon.core.budget import TimeBudget
from daemon.core.calendar import Calendars, Phase
from daemon.core.costs import CostCeilings
from daemon.core.errors import (
    BrokerUnavailable,
    JournalFailed,
    NeedsOperator,
    TradingError,
    TryLater,
)
from daemon.core.events import AccountReported, OrderDoubted, OrderRejected, TradingArmed
from daemon.core.limits import RiskLimits
from daemon.core.orders import OrderState
from daemon.core.steps import STEPPED_REGIONS
from daemon.core.switch import Answer, Command, SwitchPolicy
from daemon.core.values import (
    Currency,
    ExpectedPrice,
    InstrumentId,
    LinkDown,
    LinkUp,
    MarketStatus,
    OrderBook,
    Record,
    Region,
    Tick,
    region_of,
)
from daemon.core.witness import BrokerNotice
from daemon.engine.chronicle import Chronicle
from daemon.engine.daywatch import DayWatch
from daemon.engine.executor import Executor
from daemon.engine.gate import Gate, Shutter
from daemon.engine.host import StrategyHost, StrategySlot
from daemon.engine.hub import Hub
from daemon.engine.killswitch import KillSwitch
from daemon.engine.ledger import Ledger
from daemon.engine.quotes import QuoteBoard
from daemon.engine.rates import ExchangeRates
from daemon.engine.reconciliation import Reconciliation, all_of
from daemon.engine.repricing import Repricing
from daemon.engine.selling import Selling
from daemon.engine.watch import MarketWatch
from daemon.ports import Broker, Clock, DaySource, Feed, FeedEvent, MarketData

START_LIMIT = 90.0
JUDGE_LIMIT = 300.0
"""Seconds to judge the books: well over twice as long as answers that lag may contradict us."""

PRICE_LIMIT = 30.0
"""Seconds that a start, or books to accept, wait for prices: what has none then is asked about
again while others trade."""

TIME_LIMIT = 150.0
"""Seconds to wait for the first heartbeat, said to come every 10 to 110 s: then the machine's own
clock has to do."""

REGION_GRACE = 30.0
"""Seconds that the start waits for other regions once the first is ready: longer than one inquiry
may take."""

TIME_PAUSE = 0.5
HOUSEKEEPING = 5.0
COMPACT_AT = 1_000
"""Facts that a start would have to read from which on the journal is compacted."""

DECIDE_PAUSE = 1.0


class TradingDesk:
    """Everything that trades one account. The caller owns the tasks; see `daemon.app`.

    `inquiry_rate` is how many requests a second the watch over market data may make. `ceilings`
    tell charges from cash that is missing. `days` is
    asked once a day, beside our own table, whether it is a trading day. `budget` is the time that
    each strategy may hold the loop.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        market_data: MarketData,
        feed: Feed,
        ledger: Ledger,
        slots: Sequence[StrategySlot],
        limits: RiskLimits,
        calendars: Calendars,
        ceilings: CostCeilings,
        clock: Clock,
        inquiry_rate: float = 1.0,
        policy: SwitchPolicy = SwitchPolicy(),  # noqa: B008  a value that never changes
        rates: Mapping[Currency, Decimal] | None = None,
        days: DaySource | None = None,
        budget: TimeBudget = TimeBudget(),  # noqa: B008  as above
    ) -> None:
        self.ledger = ledger
        self.gate = Gate()
        self.rates = ExchangeRates(clock, rates)
        self.quotes = QuoteBoard()
        ledger.listen(Chronicle(ledger.portfolio).on_fact)
        self.hub = Hub()
        self.reconciliation = Reconciliation(
            broker=broker,
            ledger=ledger,
            gate=self.gate,
            calendars=calendars,
            clock=clock,
            rates=self.rates,
            ceilings=ceilings,
        )
        self.executor = Executor(
            broker=broker,
            ledger=ledger,
            quotes=self.quotes,
            gate=self.gate,
            limits=limits,
            calendars=calendars,
            clock=clock,
            doubt=self.reconciliation.wake,
            accepted=self.reconciliation.settle,
            look=self._look,
            rates=self.rates,
        )
        self._broker, self._market_data, self._clock = broker, market_data, clock
        self._regions, self._calendars = broker.regions, calendars
        self.selling = self._selling(limits, policy)
        self.switch = self._kill_switch(limits, policy)
        regions = STEPPED_REGIONS & calendars.by_region.keys() & set(broker.regions)
        self.days = DayWatch(days, regions=regions, ledger=ledger, calendars=calendars, clock=clock)
        self.watch = MarketWatch(
            feed=feed,
            hub=self.hub,
            quotes=self.quotes,
            market_data=market_data,
            portfolio=ledger.portfolio,
            calendars=calendars,
            clock=clock,
            rate=inquiry_rate,
        )
        self.host = self._strategy_host(slots, budget)
        self._log = structlog.get_logger("desk")
        self._stream_up = asyncio.Event()
        self._quoted: dict[InstrumentId, tuple[date, bool]] = {}
        self._compact_at = COMPACT_AT

    @property
    def instruments(self) -> list[InstrumentId]:
        """What the strategies trade, as they are set now."""
        return list(dict.fromkeys(each for slot in self.host.slots for each in slot.instruments))

    def _strategy_host(self, slots: Sequence[StrategySlot], budget: TimeBudget) -> StrategyHost:
        return StrategyHost(
            slots,
            account=self._broker.account_id,
            hub=self.hub,
            watch=self.watch,
            executor=self.executor,
            ledger=self.ledger,
            quotes=self.quotes,
            market_data=self._market_data,
            calendars=self._calendars,
            clock=self._clock,
            budget=budget,
        )

    def _selling(self, limits: RiskLimits, policy: SwitchPolicy) -> Selling:
        return Selling(
            broker=self._broker,
            ledger=self.ledger,
            quotes=self.quotes,
            executor=self.executor,
            reconciliation=self.reconciliation,
            repricing=Repricing(
                market_data=self._market_data, quotes=self.quotes, clock=self._clock
            ),
            limits=limits,
            policy=policy,
            clock=self._clock,
        )

    def _kill_switch(self, limits: RiskLimits, policy: SwitchPolicy) -> KillSwitch:
        return KillSwitch(
            ledger=self.ledger,
            quotes=self.quotes,
            gate=self.gate,
            selling=self.selling,
            limits=limits,
            policy=policy,
            rates=self.rates,
            clock=self._clock,
            regions=STEPPED_REGIONS & set(self._broker.regions),
        )

    def recover(
        self,
        *,
        must_be_armed: bool,
        armed: bool,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Fold the journal, and say of every unfinished order what is certain.

        An order that never left is rejected; one that left without an answer is in doubt. The
        gate is found as it was left; `must_be_armed` keeps it shut until a person has `armed`
        this journal once. `on_progress` is told the facts folded so far, as by `Ledger.recover`.
        """
        self.gate.shut(Shutter.STARTING, "the books are not reconciled yet")
        facts = self.ledger.recover(on_progress)
        now = self._clock.now()
        portfolio = self.ledger.portfolio
        for order in portfolio.open_orders():
            if order.state is OrderState.CREATED:
                reason = "the daemon stopped before the order left"
                self.ledger.record(
                    OrderRejected(
                        order=order.id, code="NEVER_SENT", reason=reason, at=now, retryable=True
                    )
                )
            elif order.state is OrderState.SENT:
                cause = "the daemon stopped before the answer came"
                self.ledger.record(OrderDoubted(order=order.id, cause=cause, at=now))
        self.reconciliation.resume()
        self.switch.resume()
        if must_be_armed and not portfolio.armed:
            if armed:
                self.ledger.record(TradingArmed(account=self._broker.account_id, at=now))
            else:
                self.gate.shut(Shutter.ARMING, "trading real money has not been armed")
        self._log.info("recovered", facts=facts, open_orders=len(portfolio.open_orders()))

    async def start(self, *, accept_broker_books: bool) -> None:
        """Reconcile with the broker, learn prices, wait for the stream, reconcile its gap.

        One region is enough: of others nothing is traded until their books are judged, whenever
        that is. Raises `BrokerUnavailable` when the broker is not reached within `START_LIMIT`
        seconds, or no books are judged within `JUDGE_LIMIT` more, or they cannot be adopted.
        """
        for slot in self.host.slots:
            self.watch.want(slot.id, slot.interests, priority=slot.priority)
        if accept_broker_books:
            # What the kill switch sells meanwhile needs prices.
            await self._learn_first_prices()
            try:
                await self.reconciliation.adopt()
            except TryLater as error:
                raise BrokerUnavailable(
                    f"the broker's books cannot be adopted yet: {error}"
                ) from error
        try:
            async with asyncio.timeout(START_LIMIT):
                reached = await self._some(self._regions, self._reach)
                await self._learn_first_prices()
                await self._stream_up.wait()
        except TimeoutError:
            raise BrokerUnavailable(
                f"the broker could not be reached within {START_LIMIT:.0f} s "
                f"({self.gate.why()}); the log above says what it answered"
            ) from None
        await self._learn_time()
        try:
            async with asyncio.timeout(JUDGE_LIMIT):
                await self._some(reached, self._judge)
        except TimeoutError:
            raise BrokerUnavailable(
                f"the broker's books could not be judged within {JUDGE_LIMIT:.0f} s "
                f"({self.gate.why()}); the log above says what it answered"
            ) from None
        await self.days.judge_today()
        self.switch.watch_losses()
        self.gate.open(Shutter.STARTING)

    async def _reach(self, region: Region) -> None:
        """Inquire until one pass is complete."""
        while True:
            if await self.reconciliation.inquire(region):
                return
            await asyncio.sleep(DECIDE_PAUSE)

    async def _judge(self, region: Region) -> None:
        """Inquire until the books are open and no difference waits to be confirmed."""
        await self._reach(region)
        while self.reconciliation.undecided(region):
            await asyncio.sleep(DECIDE_PAUSE)
            await self._reach(region)

    async def _some(
        self, regions: Sequence[Region], work: Callable[[Region], Coroutine[Any, Any, None]]
    ) -> Sequence[Region]:
        """Have every region through, or as many as are so soon after the first; returns those."""
        async with asyncio.TaskGroup() as group:
            tasks = {group.create_task(work(region)): region for region in regions}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            through, late = await asyncio.wait(tasks, timeout=REGION_GRACE)
            for task in late:
                task.cancel()
        if late:
            without = sorted(tasks[task] for task in late)
            self._log.warning("starting_without", regions=without, gate=self.gate.why())
        return [tasks[task] for task in through]

    def use_limits(self, limits: RiskLimits) -> None:
        """Trade by other limits from now on, everywhere at once."""
        self.executor.limits = limits
        self.selling.use_limits(limits)
        self.switch.use_limits(limits)

    async def accept(self, subject: str | None) -> AccountReported:
        """Take over the broker's word on what differs about `subject`, or about everything, while
        trading goes on. Raises what `Reconciliation.adopt` does.

        Prices come first: what a holding earned before it was ours is then no profit of today's.
        """
        differing = self.ledger.portfolio.discrepancies if subject is None else (subject,)
        held = (instrument_about(each) for each in differing)
        with suppress(TimeoutError):
            async with asyncio.timeout(PRICE_LIMIT):
                await self._learn_prices([each for each in held if each and self._is_asked(each)])
        return await self.reconciliation.adopt(subject)

    def execute(self, command: Command) -> Answer:
        """Obey an operator: from here on no order leaves that the new state does not let pass.

        What the state wants closed is cancelled and sold by `switch.run`.
        """
        return self.switch.execute(command)

    def arm(self) -> None:
        """Let real money be traded with this journal: a person decided it."""
        if not self.ledger.portfolio.armed:
            now = self._clock.now()
            self.ledger.record(TradingArmed(account=self._broker.account_id, at=now))
        self.gate.open(Shutter.ARMING)

    def _look(self) -> str:
        """Before every order: what only time, or the price, tells."""
        self.reconciliation.look_blind()
        return self.switch.look()

    async def _learn_time(self) -> None:
        """Wait for the broker's time: an order is found again by when it was sent."""
        give_up = self._clock.monotonic() + TIME_LIMIT
        while not self._clock.known:
            if self._clock.monotonic() >= give_up:
                self._log.warning("broker_time_unknown", waited_seconds=TIME_LIMIT)
                return
            await asyncio.sleep(TIME_PAUSE)

    def on_feed(self, event: FeedEvent) -> None:
        """Where every event of the stream goes. Never waits."""
        match event:
            case Tick():
                self.quotes.on_tick(event)
                self.watch.on_tick(event)
                self.hub.publish_market(event)
            case OrderBook():
                self.quotes.on_book(event)
                self.hub.publish_market(event)
            case MarketStatus():
                self.quotes.on_status(event)
                self.hub.publish_market(event)
            case ExpectedPrice():
                self.hub.publish_market(event)
            case Record():
                self.hub.publish_record(event)
            case BrokerNotice():
                self.reconciliation.on_notice(event)
            case LinkDown():
                self._log.warning("stream_down", cause=event.cause)
                self.quotes.forget_halts()
                self.reconciliation.on_link(event)
                self.watch.on_link(event)
            case LinkUp():
                self._log.info("stream_up", down_since=event.down_since)
                self._stream_up.set()
                self.reconciliation.on_link(event)
                self.watch.on_link(event)

    async def _learn_first_prices(self) -> None:
        """Prices as far as they are to be had soon: a service that is silent stops no start."""
        try:
            async with asyncio.timeout(PRICE_LIMIT):
                await self.learn_prices()
        except TimeoutError:
            unpriced = [each for each in self._priced() if self.quotes.last_price(each) is None]
            self._log.warning("starting_without_prices", instruments=unpriced)

    def _priced(self) -> list[InstrumentId]:
        """What needs a price, as far as it can be asked: what is traded, and what is held."""
        positions = self.ledger.portfolio.positions
        held = [each for each, position in positions.items() if position.quantity]
        named = dict.fromkeys([*self.instruments, *held])
        return [each for each in named if self._is_asked(each)]

    def _is_asked(self, instrument: InstrumentId) -> bool:
        return region_of(instrument) in self._broker.regions

    async def learn_prices(self) -> None:
        """Ask for the last price and the limits of the day of every instrument not asked today:
        those that strategies trade, and those that are held. Each region is asked on its own.

        What is asked before the opening auction may still be of the day before, and is asked
        again once it has begun.
        """
        by_region: dict[Region, list[InstrumentId]] = {}
        for instrument in self._priced():
            by_region.setdefault(region_of(instrument), []).append(instrument)
        await all_of(self._learn_prices(each) for each in by_region.values())

    async def _learn_prices(self, instruments: Sequence[InstrumentId]) -> None:
        now = self._clock.now()
        for instrument in instruments:
            calendar = self._calendars.for_instrument(instrument)
            today, begun = calendar.local_date(now), calendar.phase(now) is not Phase.CLOSED
            if self._quoted.get(instrument) == (today, begun):
                continue
            try:
                if await self.learn_price(instrument):
                    self._quoted[instrument] = (today, begun)
            except NeedsOperator:
                raise
            except TradingError as error:
                self._log.warning("no_quote", instrument=instrument, cause=str(error))

    async def learn_price(self, instrument: InstrumentId) -> bool:
        """Ask for the last price and the limits of the day of one instrument; tells whether there
        is a price. Raises `TradingError`.
        """
        asked_at = self._clock.now()
        info = await self._market_data.info(instrument)
        self.quotes.learn(info, asked_at=asked_at)
        return info.last > 0

    async def keep_house(self) -> None:
        """Learn the price limits of each new trading day once it has begun, and prices without
        which losses cannot be judged at any time; compact the journal between the days; for ever.
        """
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            now = self._clock.now()
            calendars = [self._calendars.for_instrument(each) for each in self.instruments]
            begun = any(each.phase(now) is not Phase.CLOSED for each in calendars)
            if begun or self.switch.look():
                await self.learn_prices()
            if not begun:
                self._compact()

    def _compact(self) -> None:
        """Keep the journal short, where nobody waits for the part of a second that it takes."""
        ledger, backlog = self.ledger, self.ledger.backlog
        if backlog < self._compact_at:
            return
        began = self._clock.monotonic()
        try:
            ledger.compact()
        except JournalFailed as error:
            self._compact_at = backlog + COMPACT_AT
            self._log.warning("journal_not_compacted", cause=str(error))
            return
        self._compact_at = COMPACT_AT
        seconds = round(self._clock.monotonic() - began, 3)
        self._log.info("journal_compacted", facts=backlog, seconds=seconds)

    async def cancel_everything(self) -> None:
        """Cancel every open order and wait until the broker confirms each."""
        portfolio = self.ledger.portfolio
        while open_orders := portfolio.open_orders():
            await self.executor.cancel([order.id for order in open_orders])
            await self.reconciliation.inquire()
            if portfolio.open_orders():
                await asyncio.sleep(0.3)

    async def converge_once(self) -> None:
        """Inquire until one pass is complete."""
        while True:
            if await self.reconciliation.inquire():
                return
            await asyncio.sleep(1.0)

    async def converge(self) -> None:
        """Inquire until nothing waits for the broker's word any more."""
        await self.converge_once()
        while self.reconciliation.unsettled():
            await asyncio.sleep(0.3)
            await self.converge_once()
