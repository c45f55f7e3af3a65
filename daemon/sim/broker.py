"""The simulated broker: markets, gateway, stream and books on disk, moved along as one.

No sockets and no tasks: the server calls it, in one thread, and carries its texts out.
"""

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from random import Random

from daemon.core.values import Region
from daemon.kis.channels import CHANNELS, Kind
from daemon.kis.spec import BOOK_CHANNEL, TRADES_CHANNEL
from daemon.sim.exchange import Exchange
from daemon.sim.facts import Order, OrderFact, OrderRequest
from daemon.sim.faults import FaultPlan
from daemon.sim.frames import book_frame, trade_frames, trade_record
from daemon.sim.keys import KeyOffice
from daemon.sim.ledgers import CROWD, Account
from daemon.sim.market import Market
from daemon.sim.notices import NoticeSchedule
from daemon.sim.options import SimulatorOptions
from daemon.sim.other_channels import OtherChannels
from daemon.sim.overseas_feed import OverseasFeed
from daemon.sim.replies import WireReply, WireRequest
from daemon.sim.rules import AMERICAN, KOREAN, Rules
from daemon.sim.statefile import SavedBooks, StateFile
from daemon.sim.stream_wire import StreamWire
from daemon.sim.tape import Traded
from daemon.sim.universe import Listing
from daemon.sim.wire import KisWire

BOOK_SPACING = 0.2
"""Least real seconds between two book frames of one symbol."""


def _with_mirrors(main: str, kind: Kind) -> tuple[str, ...]:
    """A channel of KRX, and those of the other venue and of both, which repeat it here."""
    others = (channel.tr_id for channel in CHANNELS if channel.kind is kind)
    return (main, *(tr_id for tr_id in others if tr_id != main))


_TRADES = _with_mirrors(TRADES_CHANNEL, Kind.TRADES)
_BOOKS = _with_mirrors(BOOK_CHANNEL, Kind.BOOK)


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
    accounts = {name: Account(name, cash if lives else Decimal(0)) for name in options.accounts}
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
    the same names with money of its own, and order numbers that no other has.
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
        self.keys = KeyOffice(
            Random(f"{options.seed}:{start.isoformat()}:keys"),  # noqa: S311
            options.token_interval,
        )
        self.wire = KisWire(options, self.market, self.overseas, self.keys, self.faults)
        self.stream = StreamWire(options, self.keys)
        self.feed = OverseasFeed(self.overseas, self.stream)
        self.others = OtherChannels(self.market, options.seed, elsewhere=self.feed.keys)
        self.schedule = NoticeSchedule()
        self.fills = 0
        self.rejects = 0
        self.accepted = 0
        self.sequence = 0
        self._days_begun = [market.days_begun for market in self.markets]
        self._pending_trades: list[Traded] = []
        self._dirty: set[str] = set()
        self._book_sent: dict[str, float] = {}
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

    def frames(self, monotonic: float) -> list[str]:
        """Everything the stream's holder is to be sent now, in order."""
        trades, self._pending_trades = self._pending_trades, []
        frames = self._trade_frames(trades)
        frames.extend(self._book_frames(monotonic))
        frames.extend(self.feed.frames(monotonic))
        frames.extend(self.others.frames(self.stream.others, self.market.drain_changes()))
        for fact in self.schedule.pop_due(monotonic):
            listing = self.listing_of(fact.order)
            if listing.code in self.overseas.listings:
                frames.extend(self.stream.overseas_notices(fact, listing))
            else:
                frames.extend(self.stream.notices(fact, listing.name))
        return frames

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
        self._dirty |= self.market.drain_touched()
        if self.stream.holder is not None:
            self._pending_trades.extend(trades)
        self._tell(self.market, facts, monotonic, entered)
        if self.overseas.listings:
            facts, trades = self.overseas.drain()
            self.feed.collect(trades, self.overseas.drain_touched())
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

    def _wanting(self, channels: tuple[str, ...], code: str) -> tuple[str, ...]:
        """Which of a KRX channel and its mirrors somebody has registered `code` on."""
        wanted = channels if self.stream.others else channels[:1]
        return tuple(channel for channel in wanted if self.stream.wants(channel, code))

    def _trade_frames(self, trades: list[Traded]) -> list[str]:
        by_code: dict[str, list[str]] = defaultdict(list)
        market = self.market
        for traded in trades:
            if self._wanting(_TRADES, traded.code):
                by_code[traded.code].append(
                    trade_record(
                        traded,
                        day=market.day,
                        base=market.exchange.stocks[traded.code].base,
                        yesterday=market.yesterday[traded.code],
                        listed=market.listings[traded.code].shares,
                        after=traded.time >= market.after_from,
                    )
                )
        return [
            frame
            for code, records in by_code.items()
            for channel in self._wanting(_TRADES, code)
            for frame in trade_frames(records, channel)
        ]

    def _book_frames(self, monotonic: float) -> list[str]:
        frames: list[str] = []
        for code in sorted(self._dirty):
            channels = self._wanting(_BOOKS, code)
            if not channels:
                self._dirty.discard(code)
                continue
            if monotonic - self._book_sent.get(code, -1.0) < BOOK_SPACING:
                continue
            self._dirty.discard(code)
            self._book_sent[code] = monotonic
            view, auction = self.market.view(code), not self.market.trades_on(code)
            base = self.market.exchange.stocks[code].base
            time, day = self.market.local_time, self.market.day
            frames.extend(
                book_frame(view, time, base, day=day, auction=auction, channel=channel)
                for channel in channels
            )
        return frames
