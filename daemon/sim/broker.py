"""The simulated broker: markets, gateway, stream and books on disk, moved along as one.

No sockets and no tasks: the server calls it, in one thread, and carries its texts out.
"""

from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from random import Random

from daemon.core.values import Region
from daemon.sim.exchange import Exchange
from daemon.sim.facts import Order, OrderFact, OrderRequest
from daemon.sim.faults import FaultPlan
from daemon.sim.ledgers import CROWD, Account
from daemon.sim.market import Market
from daemon.sim.notices import NoticeSchedule
from daemon.sim.options import SimulatorOptions
from daemon.sim.reception import Reception
from daemon.sim.replies import WireReply, WireRequest
from daemon.sim.rules import AMERICAN, KOREAN, Rules
from daemon.sim.statefile import SavedBooks, StateFile
from daemon.sim.stream_wire import StreamSession, StreamWire, approval_in
from daemon.sim.universe import Listing
from daemon.sim.wire import KisWire


def first_instant(options: SimulatorOptions, today: datetime, saved: SavedBooks | None) -> datetime:
    """Where the simulated clock begins: as chosen, but never before the books on disk end."""
    calendar = options.calendar if options.home is Region.KR else options.american_calendar
    chosen = options.start
    if chosen is None:
        chosen = calendar.open_at(calendar.trading_day_on_or_after(calendar.local_date(today)))
    if saved is None:
        return chosen
    following = calendar.open_at(calendar.next_trading_day(saved.last_day))
    return following if options.start is None else max(chosen, following)


def _market(
    options: SimulatorOptions, start: datetime, rules: Rules, saved: SavedBooks | None
) -> Market:
    """One country's market with the books of the former run, empty where it does not live."""
    american = rules.region is Region.US
    lives = rules.region in options.regions
    saved = saved if lives else None
    cash = options.cash_usd if american else options.cash
    listings = options.american_listings if american else options.listings
    names = chain.from_iterable(each.accounts for each in options.customers)
    accounts = {name: Account(name, cash if lives else Decimal(0)) for name in names}
    after = _finished(start, rules) if american else None
    if saved is not None:
        after = max(saved.last_day, after or saved.last_day)
        accounts |= {n: a for n, a in saved.accounts.items() if n != CROWD}
    market = Market(
        listings=listings if lives else (),
        accounts=accounts.values(),
        calendar=options.american_calendar if american else options.calendar,
        start=start,
        seed=options.seed,
        bases=saved.closes if saved is not None else None,
        rules=rules,
        after=after,
        told_twice=options.told_twice,
        late_ledger=options.late_ledger,
        refused_by_reason=options.refused_by_reason,
        charges=options.american_charges if american else options.charges,
    )
    if saved is not None:
        exchange = market.exchange
        exchange.orders.update(saved.orders)
        exchange.next_number = saved.next_number
        exchange.crowd = saved.accounts[CROWD]
    return market


def _finished(start: datetime, rules: Rules) -> date | None:
    """The local date of `start` when its session is over by then: nobody waits for it to be played.

    `None` while there is something of it left.
    """
    local = start.astimezone(rules.zone)
    close, _ = rules.phases(local.date())[-1]
    return local.date() if (local.hour * 60 + local.minute) * 60 >= close else None


class Broker:
    """Everything behind the sockets.

    `market` is the Korean one, `overseas` that of the US: each has its own hours, accounts of
    the same names with money of its own, and order numbers that no other has. `receptions` are
    those of all customers by app key; `keys` and `stream` are the first one's.
    """

    def __init__(
        self,
        options: SimulatorOptions,
        start: datetime,
        *,
        state: StateFile | None = None,
        saved: SavedBooks | None = None,
    ) -> None:
        self.options = options
        self._state = state
        self.market = _market(options, start, KOREAN, saved)
        books = state.load(Region.US) if state is not None else None
        self.overseas = _market(options, start, AMERICAN, books)
        self.markets = (self.market, self.overseas) if self.overseas.listings else (self.market,)
        self.faults = FaultPlan(
            Random(f"{options.seed}:faults"),  # noqa: S311  a play, not a secret
            early=options.early_notices,
            refused_later=options.refused_later,
            speed=options.speed,
        )
        # The first one's keys are the same, whoever else there is.
        self.receptions = {
            each.app_key: Reception(
                each,
                options,
                self.market,
                self.overseas,
                Random(f"{options.seed}:{start.isoformat()}:keys{':' * index}"),  # noqa: S311
            )
            for index, each in enumerate(options.customers)
        }
        first = self.receptions[options.app_key]
        self.keys, self.stream = first.keys, first.stream
        self.wire = KisWire(options, self.market, self.overseas, self.receptions, self.faults)
        self.schedule = NoticeSchedule()
        self.fills = 0
        self.rejects = 0
        self.accepted = 0
        self.sequence = 0
        self._days_begun = [market.days_begun for market in self.markets]
        for market in self.markets:
            market.advance(start)
        self._collect(0.0, entered=None)
        self.save_closes()

    def handle(
        self, request: WireRequest, now: datetime, monotonic: float
    ) -> tuple[WireReply, float]:
        """Answer a request arriving now; also when (monotonic) the reply may leave."""
        self.advance(now, monotonic)
        reply = self.wire.handle(request, monotonic)
        self._collect(monotonic, entered=reply.order)
        if reply.order is None:
            return reply, monotonic
        plan = self.wire.plans[reply.order]
        return reply, self.schedule.reply_due(reply.order, plan, monotonic)

    def place_by_hand(self, request: OrderRequest, now: datetime, monotonic: float) -> int:
        """Enter an order outside the gateway; raises `Refusal`."""
        self.advance(now, monotonic)
        market = self.market_of(request.code)
        order = market.entrance(request.division, request.code).place(request, market.now)
        self._collect(monotonic, entered=order.number)
        return order.number

    def advance(self, now: datetime, monotonic: float) -> None:
        """Let the markets live up to `now`."""
        for market in self.markets:
            market.advance(now)
        self._collect(monotonic, entered=None)
        for index, market in enumerate(self.markets):
            if market.days_begun != self._days_begun[index]:
                self._days_begun[index] = market.days_begun
                self._begin_day(market)

    def market_of(self, code: str) -> Market:
        """The market a symbol is listed on; the Korean one for what is listed nowhere."""
        return self.overseas if code in self.overseas.listings else self.market

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The exchanges of the markets that live."""
        return tuple(market.exchange for market in self.markets if market.listings)

    def listing_of(self, order: Order) -> Listing:
        """What an order of any market is about."""
        return self.market_of(order.request.code).listings[order.request.code]

    def stream_of(self, text: str, now: datetime) -> StreamWire:
        """The stream a client's message is for, by the key in it; the first for any other."""
        approval = approval_in(text) if len(self.receptions) > 1 else ""
        for each in self.receptions.values():
            if each.keys.knows_approval(approval, now):
                return each.stream
        return self.stream

    def leave(self, session: StreamSession) -> None:
        """A stream connection is gone."""
        for each in self.receptions.values():
            each.stream.leave(session)

    def frames(self, monotonic: float) -> list[tuple[StreamSession, str]]:
        """Everything that is to be sent now, to each session in order."""
        changes = self.market.drain_changes()
        due = list(self.schedule.pop_due(monotonic))
        told: list[tuple[StreamSession, str]] = []
        for each in self.receptions.values():
            own = each.customer.accounts
            facts = [fact for fact in due if fact.order.request.account in own]
            frames = each.frames(monotonic, changes, facts)
            holder = each.stream.holder
            if holder is not None:
                told.extend((holder, frame) for frame in frames)
        return told

    def save_closes(self) -> None:
        """Put the present prices on disk, so that a restart goes on from them."""
        for market in self.markets:
            self._save(market, ())

    def close(self) -> None:
        """Release the state file."""
        if self._state is not None:
            self.save_closes()
            self._state.close()

    def _begin_day(self, market: Market) -> None:
        """Forget what concerned the day before in one market alone: others are in their night."""
        numbers = market.rules.numbers
        self.schedule.begin_day(numbers)
        plans = self.wire.plans
        for number in [number for number in plans if number in numbers]:
            del plans[number]
        self._save(market, ())

    def _collect(self, monotonic: float, *, entered: int | None) -> None:
        """Book what happened: on disk first, then into the schedule of notices."""
        facts, trades = self.market.drain()
        touched = self.market.drain_touched()
        for each in self.receptions.values():
            each.collect(trades, touched)
        self._tell(self.market, facts, monotonic, entered)
        if self.overseas.listings:
            facts, trades = self.overseas.drain()
            touched = self.overseas.drain_touched()
            for each in self.receptions.values():
                each.collect_overseas(trades, touched)
            self._tell(self.overseas, facts, monotonic, entered)

    def _tell(
        self, market: Market, facts: list[OrderFact], monotonic: float, entered: int | None
    ) -> None:
        if not facts:
            return
        self._save(market, facts)
        for fact in facts:
            self.sequence += 1
            self._count(fact)
            self.schedule.add(
                fact, self.wire.plans, monotonic, at_once=fact.order.number == entered
            )

    def _count(self, fact: OrderFact) -> None:
        name = type(fact).__name__
        self.accepted += name == "OrderAccepted"
        self.fills += name == "OrderFilled"
        self.rejects += name == "OrderRejected"

    def _save(self, market: Market, facts: tuple[OrderFact, ...] | list[OrderFact]) -> None:
        if self._state is None or market.rules.region not in self.options.regions:
            return
        exchange = market.exchange
        numbers = {
            number
            for fact in facts
            for number in (fact.order.number, fact.order.original)
            if number is not None
        }
        self._state.save(
            day=market.day,
            next_number=exchange.next_number,
            accounts=chain(exchange.accounts.values(), (exchange.crowd,)),
            orders=[exchange.orders[number] for number in sorted(numbers)],
            closes=market.closes(),
            region=market.rules.region,
        )
