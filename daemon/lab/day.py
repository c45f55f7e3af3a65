"""A trading day of the whole daemon in virtual time: faults first, then peace, then judgement."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from daemon.core.books import cash_subject, position_subject
from daemon.core.errors import Fatal, InvariantBroken, TradingError
from daemon.core.orders import OrderState
from daemon.core.portfolio import Portfolio
from daemon.core.values import OrderId, Region, Side, currency_of
from daemon.engine.desk import TradingDesk
from daemon.engine.gate import Shutter
from daemon.engine.host import RunState
from daemon.lab import oracles, traders
from daemon.lab.freshness import Freshness
from daemon.lab.loop import Killed, current_process, run_virtual
from daemon.lab.machine import Machine
from daemon.lab.mix import Fault, FaultMix
from daemon.lab.outset import KOREA, LIVENESS, OPEN, Markets, draw, markets_of
from daemon.lab.venue import Venue
from daemon.lab.witness import Witness
from daemon.sim.american import PLACES
from daemon.sim.facts import OrderRequest, Refusal
from daemon.sim.options import ACCOUNT
from daemon.store.journal import SqliteJournal

LAST_WORDS = 2.0
"""Seconds within which a notice reaches the daemon in peace."""

RAM_DISK = Path("/dev/shm")  # noqa: S108  only a faster place for temporary folders


@dataclass
class Day:
    """What one seed's day came to."""

    seed: int
    violations: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    mix: dict[str, str] = field(default_factory=dict)
    markets: Markets = KOREA
    seconds: float = 0.0
    """Of processor time, wherever it was measured."""
    digest: str = ""
    trace: list[str] = field(default_factory=list)


class World:
    """One seed: its broker, its machine, its weather."""

    def __init__(
        self, seed: int, faults: Iterable[Fault], folder: Path, markets: Markets | None = None
    ) -> None:
        self._random = random = Random(f"{seed}:world")  # noqa: S311  a play, not a secret
        self.seed = seed
        self.mix = FaultMix(seed, faults)
        # A clock that jumps leaves no instants that could be compared.
        jumps = Fault.CLOCK_JUMP in self.mix
        self.witness = Witness(
            clock=asyncio.get_running_loop().time,
            market_time=lambda: OPEN if jumps else self.venue.clock.now(),
        )
        outset = draw(seed, self.mix, random, markets or markets_of(seed), folder)
        self.settings, hours = outset.settings, outset.hours
        self._faults_end, self._end = hours.faults_end, hours.end
        self._trading_at_end = hours.trading_at_end
        self.venue = Venue(outset.options, self.mix, seed, step=random.uniform(0.5, 3.0))
        self._totals = [each.totals() for each in self.venue.broker.exchanges]
        limits = self.settings.risk_limits
        watch = oracles.RiskWatch(self.venue, self.witness, limits)
        self.witness.on_accepted = watch.on_accepted
        self.witness.on_written = oracles.FillWatch(self.venue, self.witness).on_written
        latency = random.choice((0.003, 0.02, 0.1, 0.4))
        self.machine = Machine(
            self.settings, self.venue, self.mix, self.witness, seed, latency=latency
        )

    async def run(self) -> None:
        """Live through the day and judge it."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unhandled)
        self.venue.start()
        traders.cancel_wanted.set(self._cancel_wanted)
        freshness = Freshness(
            self.venue, self.machine, self.witness, rate=self.settings.inquiry_rate
        )
        traders.market_told.set(freshness.on_told)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.machine.run(), name="machine")
            weather = [tasks.create_task(each) for each in self._weather()]
            watchers = (self._operate(), self._take_back(), freshness.watch())
            people = [tasks.create_task(each) for each in watchers]
            await asyncio.sleep(self._faults_end)
            for task in weather:
                task.cancel()
            self._heal()
            await asyncio.sleep(LIVENESS)
            self._judge_liveness()
            await asyncio.sleep(self._end - self._faults_end - LIVENESS)
            for task in people:
                task.cancel()
            if self.settings.on_stop == "leave":
                # What fills while the daemon ends is told to nobody, and learnt by its next start.
                self.venue.send_crowds_home()
                await asyncio.sleep(LAST_WORDS)
            self.machine.stop()
            async with asyncio.timeout(60.0 + self.machine.longest_pause):
                await running
        self._judge()
        self.machine.bury()

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error, message = context.get("exception"), str(context.get("message"))
        # What is found when memory is cleared was left by the dead, and at no certain time.
        if not isinstance(error, Killed) and "never retrieved" not in message:
            self.witness.violate(f"unhandled: {message}: {error!r}")

    def _cancel_wanted(self, order: OrderId) -> None:
        process = current_process()
        assert process is not None, "only a running daemon has strategies"
        self.witness.cancel_asked(process, order)

    # Weather

    def _weather(self) -> list[Coroutine[Any, Any, None]]:
        """Everything that happens by the hour."""
        strokes: dict[Fault, Callable[[], Awaitable[None]]] = {
            Fault.TOKEN_EXPIRED: self._token_expires,
            Fault.TOKEN_UNKNOWN: self._token_forgotten,
            Fault.TOKEN_TOO_SOON: self._token_refused,
            Fault.OUTAGE: self._outage,
            Fault.STREAM_CLOSED: self._stream_closes,
            Fault.STREAM_RESET: self._stream_breaks,
            Fault.STREAM_SILENT: self._stream_falls_silent,
            Fault.CLOCK_JUMP: self._clock_jumps,
            Fault.DISK_FULL: self._disk_fills,
            Fault.CRASH: self._crash,
            Fault.FREEZE: self._freeze,
            Fault.HAND_ORDER: self._hand_order,
            Fault.QUOTES_SILENT: self._quotes_fall_silent,
        }
        return [
            self._by_the_hour(fault, stroke)
            for fault, stroke in strokes.items()
            if fault in self.mix
        ]

    async def _by_the_hour(self, fault: Fault, stroke: Callable[[], Awaitable[None]]) -> None:
        random = Random(f"{self.seed}:{fault}")  # noqa: S311  a play, not a secret
        while True:
            await asyncio.sleep(random.expovariate(self.mix.level(fault) / 3600.0))
            if fault is not Fault.DISK_FULL:
                self.mix.struck[fault] += 1
            self.witness.note(f"fault {fault}")
            await stroke()

    def _reach(self, fault: Fault) -> float:
        return self.mix.reach(fault, self._random)

    async def _token_expires(self) -> None:
        self.venue.expire_tokens(forget=False)

    async def _token_forgotten(self) -> None:
        self.venue.expire_tokens(forget=True)

    async def _token_refused(self) -> None:
        self.venue.expire_tokens(forget=False)
        until = self.venue.clock.monotonic() + self._reach(Fault.TOKEN_TOO_SOON)
        self.machine.weather.token_refused_until = until

    async def _outage(self) -> None:
        until = self.venue.clock.monotonic() + self._reach(Fault.OUTAGE)
        self.machine.weather.outage_until = until
        self._drop("closed: without a goodbye")

    async def _stream_closes(self) -> None:
        self._drop("closed: 1001 going away")

    async def _stream_breaks(self) -> None:
        self._drop("closed: without a goodbye")

    def _drop(self, cause: str) -> None:
        stream = self.machine.stream
        if stream is not None and stream.connection is not None:
            stream.connection.drop(cause)

    async def _stream_falls_silent(self) -> None:
        stream = self.machine.stream
        if stream is not None and stream.connection is not None:
            connection = stream.connection
            connection.fall_silent()
            try:
                await asyncio.sleep(self._reach(Fault.STREAM_SILENT))
            finally:
                connection.speak_again()

    async def _quotes_fall_silent(self) -> None:
        """Registrations are lost, and everything else goes on."""
        stream, part = self.machine.stream, self._reach(Fault.QUOTES_SILENT)
        if stream is not None and stream.connection is not None:
            for key in self.venue.stream_keys:
                if self._random.random() < part:
                    stream.connection.lose_registrations(key)

    async def _clock_jumps(self) -> None:
        clock = self.machine.clock
        far = self._reach(Fault.CLOCK_JUMP) * self._random.choice((-1, 1))
        clock.set_wrong(far)
        try:
            await asyncio.sleep(self._random.uniform(1.0, 900.0))
        finally:
            clock.set_wrong(0.0)

    async def _disk_fills(self) -> None:
        self.machine.disk.full = True
        try:
            await asyncio.sleep(self._reach(Fault.DISK_FULL))
        finally:
            self.machine.disk.full = False

    async def _crash(self) -> None:
        process = self.machine.process
        process.dies_at = process.steps + 1 + int(self._reach(Fault.CRASH))

    async def _freeze(self) -> None:
        process = self.machine.process
        process.freeze()
        try:
            await asyncio.sleep(self._reach(Fault.FREEZE))
        finally:
            process.thaw()

    async def _hand_order(self) -> None:
        """The account holder trades in the broker's app: sizes of nobody else's."""
        random, venue = self._random, self.venue
        market = random.choice(venue.lively_markets) if len(venue.markets) > 1 else venue.markets[0]
        code = random.choice(sorted(market.listings))
        last = market.exchange.stocks[code].last
        near = random.random() < 0.3
        abroad = market.rules.region is not Region.KR
        price = market.rules.near(float(last) * (1.02 if near else 0.75)) if abroad else None
        if not abroad and not near:
            price = Decimal(int(last * Decimal("0.75")) // 1000 * 1000)
        request = OrderRequest(
            account=ACCOUNT,
            code=code,
            side=Side.BUY,
            quantity=random.randint(501, 520),
            price=price,
            division="01" if price is None else "00",
            branch="06010",
            venue=PLACES[market.listings[code].market].order if abroad else "KRX",
            origin="HTS",
        )
        with suppress(Refusal):
            now, monotonic = venue.clock.now(), venue.clock.monotonic()
            venue.by_hand.append(venue.broker.place_by_hand(request, now, monotonic))
            venue.wake()

    # People

    @property
    def _traded_by_hand(self) -> set[str]:
        """What of the books trading by hand has moved."""
        orders = self.venue.orders
        codes = {
            orders[number].request.code for number in self.venue.by_hand if orders[number].filled
        }
        instruments = [self.venue.instrument_of(code) for code in codes]
        moved = {position_subject(each) for each in instruments}
        return moved | {cash_subject(currency_of(each)) for each in instruments}

    @property
    def _excused(self) -> set[str]:
        """Differences that are there, and that only a person can accept."""
        desk = self.machine.desk
        found = set() if desk is None else set(desk.ledger.portfolio.discrepancies)
        return found & self._traded_by_hand if found <= self._traded_by_hand else set()

    async def _operate(self) -> None:
        """Look at the books now and then; take the broker's over where a hand has traded."""
        while True:
            await asyncio.sleep(self._random.uniform(100.0, 200.0))
            if self._excused:
                self.witness.note(f"operator accepts: {self.machine.discrepancy()}")
                self.machine.accept()

    async def _take_back(self) -> None:
        """Cancel something now and then while the gate is shut, as a worried person would."""
        random = Random(f"{self.seed}:taking back")  # noqa: S311  a play, not a secret
        while True:
            await asyncio.sleep(random.uniform(10.0, 60.0))
            desk, process = self.machine.desk, self.machine.process
            if desk is None or not process.alive or desk.gate.is_open:
                continue
            if desk.gate.reasons.keys() & {Shutter.STARTING, Shutter.STOPPING}:
                continue
            orders = desk.ledger.portfolio.open_orders()
            working = [each.id for each in orders if each.state is OrderState.WORKING]
            if working:
                self.witness.note("a person cancels something at a shut gate")
                process.spawn(self._cancel_by_hand(desk, random.choice(working)))

    async def _cancel_by_hand(self, desk: TradingDesk, order: OrderId) -> None:
        if desk.ledger.portfolio.orders[order].state is OrderState.WORKING:
            self._cancel_wanted(order)
        with suppress(TradingError, Fatal):
            await desk.executor.cancel([order])

    # Peace and judgement

    def _heal(self) -> None:
        self.mix.healed = True
        # A hand that went on trading would keep moving what the books are compared with.
        self.venue.take_back_by_hand()
        self.machine.process.dies_at = None
        self.machine.weather.outage_until = 0.0
        self.machine.weather.token_refused_until = 0.0
        self.witness.note("everything is well again")

    def _judge_liveness(self) -> None:
        desk = self.machine.desk
        if desk is None or not self.machine.process.alive:
            self.witness.violate("the daemon does not run although nothing is wrong any more")
            return
        shut = desk.gate.reasons
        if self._excused:
            shut.pop(Shutter.DISCREPANCY, None)
        if shut:
            self.witness.violate(f"the gate is still shut: {desk.gate.why()}")
        stream = self.machine.stream
        if stream is None or stream.connection is None or not stream.connection.is_open:
            self.witness.violate("the order stream is dead and the daemon does not know")
        for slot, status in desk.host.status.items():
            if slot != "broken" and status.state is not RunState.RUNNING:
                self.witness.violate(f"strategy {slot} is {status.state}: {status.cause}")
        fallen = [slot for slot, each in desk.host.status.items() if each.state is RunState.FAULTED]
        left = oracles.nothing_of_the_fallen(
            desk.ledger.portfolio, fallen, self.venue.clock.now(), LIVENESS / 2, self.venue.is_open
        )
        for each in left:
            self.witness.violate(each)
        self.witness.look_for_cancels()
        for order in desk.ledger.portfolio.open_orders():
            age = (self.venue.clock.now() - order.updated_at).total_seconds()
            if order.state in oracles.PENDING and age > LIVENESS / 2:
                self.witness.violate(f"order {order.id} is still {order.state}: {order.cause}")
        self.witness.counts["working"] += sum(
            order.state is OrderState.WORKING for order in desk.ledger.portfolio.open_orders()
        )

    def _judge(self) -> None:
        """Everything the exchange's books and the journal can tell."""
        path = self.settings.journal_path
        owner = f"{self.settings.mode}:{self.settings.account}"
        with SqliteJournal(path, owner=owner) as journal:
            facts = list(journal.replay())
        replayed = Portfolio()
        for fact in facts:
            self.witness.note(repr(fact))
            self.witness.counts[type(fact).__name__] += 1
        try:
            for fact in facts:
                replayed.apply(fact)
        except InvariantBroken as error:
            self.witness.violate(f"the journal does not replay: {error}")
            return
        found = [
            *oracles.nothing_doubled(self.witness),
            *oracles.same_orders(replayed, self.venue, self.witness),
            *oracles.strangers_told(facts, self.venue),
            *oracles.gate_kept(facts),
            *oracles.cap_kept(self.venue, self.settings.profile.requests_per_second),
            *chain.from_iterable(
                oracles.conserved(exchange, before)
                for exchange, before in zip(self.venue.broker.exchanges, self._totals, strict=True)
            ),
        ]
        excused = self._excused
        found += oracles.same_books(replayed, self.venue, self.settings.account, excused)
        found += oracles.nothing_differs(replayed, excused)
        found += oracles.nothing_pending(replayed)
        desk = self.machine.desk
        if desk is not None:
            found += oracles.replays(desk.ledger.portfolio, replayed)
        if self.settings.on_stop == "cancel" and self._trading_at_end and replayed.open_orders():
            found.append(f"open orders after a stop that cancels: {replayed.open_orders()}")
        for each in found:
            self.witness.violate(each)


def live(seed: int, faults: Iterable[Fault] = tuple(Fault), markets: Markets | None = None) -> Day:
    """Run one seed's day in this process, in `markets` or in those that the seed draws."""
    place = str(RAM_DISK) if RAM_DISK.is_dir() else None
    with TemporaryDirectory(prefix="kis-world-", dir=place) as folder:

        async def day() -> World:
            world = World(seed, faults, Path(folder), markets)
            await world.run()
            return world

        world = run_virtual(day())
    witness, machine = world.witness, world.machine
    witness.counts.update(lives=machine.lives, kills=machine.kills)
    return Day(
        seed=seed,
        violations=witness.violations,
        struck=Counter({fault.value: count for fault, count in world.mix.struck.items()}),
        counts=witness.counts,
        mix=world.mix.describe(),
        markets=world.settings.markets,
        digest=witness.digest,
        trace=list(witness.lines),
    )
