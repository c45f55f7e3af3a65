"""What a strategy sees of the daemon, and all that it may do."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from daemon.core.calendar import MarketCalendar
from daemon.core.events import OrderIntent, OrderKind, TimeInForce
from daemon.core.orders import Order
from daemon.core.portfolio import Portfolio, Position
from daemon.core.risk import Denied
from daemon.core.values import (
    AccountId,
    Bar,
    InstrumentId,
    Interest,
    OrderId,
    Session,
    Side,
    StrategyId,
)
from daemon.engine.executor import Executor
from daemon.engine.hub import Hub, Subscription
from daemon.engine.quotes import QuoteBoard
from daemon.engine.watch import MarketWatch
from daemon.ports import MarketData
from daemon.strategy import StrategyEvent


class Context:
    """One strategy's window on the daemon; see `daemon.strategy.StrategyContext`."""

    def __init__(
        self,
        id: StrategyId,
        *,
        instruments: tuple[InstrumentId, ...],
        priority: int,
        account: AccountId,
        subscription: Subscription,
        hub: Hub,
        watch: MarketWatch,
        executor: Executor,
        portfolio: Portfolio,
        quotes: QuoteBoard,
        market_data: MarketData,
        calendar: MarketCalendar,
        now: Callable[[], datetime],
    ) -> None:
        self.id = id
        self.instruments = instruments
        self._priority = priority
        self.calendar = calendar
        self.now = now
        self._account = account
        self._subscription = subscription
        self._hub = hub
        self._watch = watch
        self._executor = executor
        self._portfolio = portfolio
        self._quotes = quotes
        self._market_data = market_data

    def events(self) -> AsyncIterator[StrategyEvent]:
        return self._subscription.events()

    def watch(self, *interests: Interest) -> None:
        self._must_run("watches")
        before = set(self._watch.wanted_by(self.id))
        self._watch.want(self.id, interests, priority=self._priority)
        wanted = self._watch.wanted_by(self.id)
        self._hub.watch(self.id, wanted)
        for gap in self._watch.open_gaps([each for each in wanted if each not in before]):
            if gap.instrument is not None:
                self._subscription.put_fact(gap)

    def unwatch(self, *interests: Interest) -> None:
        if self._subscription.is_closed:
            return
        self._watch.drop(self.id, interests)
        self._hub.watch(self.id, self._watch.wanted_by(self.id))

    def position(self, instrument: InstrumentId) -> Position:
        return self._portfolio.strategy_position(self.id, instrument)

    def orders(self) -> Sequence[Order]:
        return [
            order for order in self._portfolio.open_orders() if order.intent.strategy == self.id
        ]

    def order(self, order_id: OrderId) -> Order | None:
        order = self._portfolio.orders.get(order_id)
        return order if order is not None and order.intent.strategy == self.id else None

    def last_price(self, instrument: InstrumentId) -> Decimal | None:
        return self._quotes.last_price(instrument)

    def age(self, instrument: InstrumentId) -> timedelta | None:
        known = self._quotes.known_at(instrument)
        return None if known is None else max(self.now() - known, timedelta(0))

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        return await self._market_data.daily_bars(instrument, count)

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        return await self._market_data.minute_bars(instrument, count)

    def buy(
        self,
        instrument: InstrumentId,
        quantity: int,
        *,
        limit: Decimal | None,
        time_in_force: TimeInForce = TimeInForce.DAY,
        reason: str,
        session: Session = Session.REGULAR,
        kind: OrderKind | None = None,
    ) -> OrderIntent:
        form = (session, kind or _by(limit), time_in_force)
        return self._intent(Side.BUY, instrument, quantity, limit, form, reason)

    def sell(
        self,
        instrument: InstrumentId,
        quantity: int,
        *,
        limit: Decimal | None,
        time_in_force: TimeInForce = TimeInForce.DAY,
        reason: str,
        session: Session = Session.REGULAR,
        kind: OrderKind | None = None,
    ) -> OrderIntent:
        form = (session, kind or _by(limit), time_in_force)
        return self._intent(Side.SELL, instrument, quantity, limit, form, reason)

    async def submit(self, *intents: OrderIntent) -> tuple[Order | Denied, ...]:
        self._must_run("orders")
        for intent in intents:
            if intent.strategy != self.id or intent.account != self._account:
                raise ValueError(f"{self.id} may submit only what its own context worded")
        return await self._executor.submit(intents)

    async def modify(self, order_id: OrderId, limit: Decimal) -> Order | Denied:
        self._must_run("modifies")
        self._own(order_id)
        return await self._executor.modify(order_id, limit)

    async def cancel(self, *order_ids: OrderId) -> tuple[Order, ...]:
        for order_id in order_ids:
            self._own(order_id)
        return await self._executor.cancel(order_ids, throttled=True)

    def _must_run(self, does: str) -> None:
        """A task that a strategy left behind outlives it: it may still cancel, and nothing else."""
        if self._subscription.is_closed:
            raise ValueError(f"{self.id} has ended and {does} nothing any more")

    def _own(self, order_id: OrderId) -> None:
        if self.order(order_id) is None:
            raise ValueError(f"{self.id} has no order {order_id}")

    def _intent(
        self,
        side: Side,
        instrument: InstrumentId,
        quantity: int,
        limit: Decimal | None,
        form: tuple[Session, OrderKind, TimeInForce],
        reason: str,
    ) -> OrderIntent:
        if instrument not in self.instruments:
            raise ValueError(f"{self.id} does not trade {instrument}")
        session, kind, time_in_force = form
        return OrderIntent(
            account=self._account,
            strategy=self.id,
            instrument=instrument,
            side=side,
            quantity=quantity,
            kind=kind,
            limit=limit,
            time_in_force=time_in_force,
            reason=reason,
            session=session,
        )


def _by(limit: Decimal | None) -> OrderKind:
    return OrderKind.MARKET if limit is None else OrderKind.LIMIT
