"""A small honest `StrategyContext`: scripted trades in, real order and position rules behind."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from daemon.core.calendar import KST, MarketCalendar
from daemon.core.errors import TryLater
from daemon.core.events import (
    CancelSent,
    Fill,
    FillSource,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderDoubted,
    OrderEvent,
    OrderFilled,
    OrderIntent,
    OrderKind,
    OrderRejected,
    OrderSent,
    TimeInForce,
)
from daemon.core.limits import Rule
from daemon.core.orders import Order
from daemon.core.portfolio import Portfolio, Position
from daemon.core.risk import Denied
from daemon.core.values import (
    AccountId,
    Bar,
    BrokerRef,
    InstrumentId,
    Interest,
    OrderId,
    Session,
    Side,
    StrategyId,
    Tick,
)
from daemon.strategy import MarketGap, Strategy, StrategyContext, StrategyEvent

SAMSUNG = InstrumentId("krx:005930")
HYNIX = InstrumentId("krx:000660")
MONDAY = date(2026, 1, 5)
OPEN = datetime(2026, 1, 5, 9, 0, tzinfo=KST).astimezone(UTC)


class Answer(Enum):
    """What becomes of the next order."""

    FILL = "fill"
    HALF = "half"
    REST = "rest"
    DENY = "deny"
    REFUSE = "refuse"
    REFUSE_FOR_NOW = "refuse for now"
    DOUBT = "doubt"


def trade(at: datetime, price: int, instrument: InstrumentId = SAMSUNG) -> Tick:
    """One trade of one share."""
    return Tick(instrument, Decimal(price), 1, Side.BUY, 1, at, at)


def minutes(
    prices: Iterable[int], *, start: datetime = OPEN, instrument: InstrumentId = SAMSUNG
) -> list[Tick]:
    """One trade a minute, each the close of its minute; a last one closes the last bar."""
    ticks = [
        trade(start + timedelta(minutes=number, seconds=30), price, instrument)
        for number, price in enumerate(prices)
    ]
    last = ticks[-1]
    ticks.append(trade(last.exchange_time + timedelta(minutes=1), int(last.price), instrument))
    return ticks


def bar(start: datetime, prices: tuple[int, int, int, int], volume: int = 100) -> Bar:
    """A bar of open, high, low and close."""
    opened, high, low, close = (Decimal(price) for price in prices)
    return Bar(SAMSUNG, start, opened, high, low, close, volume)


class FakeDesk:
    """The context under a strategy in a test. `script` is played in order, then `run` ends.

    Each submitted order takes the next of `answers`, or fills at its limit (at the last price
    when at market). Facts the order makes come out of `events` before the next scripted trade.
    """

    def __init__(
        self,
        script: Sequence[StrategyEvent | Callable[[], None]],
        *,
        instruments: Sequence[InstrumentId] = (SAMSUNG,),
        answers: Sequence[Answer] = (),
        daily: Sequence[Bar] | None = None,
        past_minutes: Sequence[Bar] | None = None,
        portfolio: Portfolio | None = None,
    ) -> None:
        self.id = StrategyId("tested")
        self.instruments = tuple(instruments)
        self.calendar = MarketCalendar()
        self.portfolio = portfolio or Portfolio()
        self.submitted: list[OrderIntent] = []
        self.cancelled: list[OrderId] = []
        self.most_open = 0
        self.asked_daily = 0
        self.daily = daily
        self.past_minutes = past_minutes
        self._script = deque(script)
        self._facts: deque[OrderEvent] = deque()
        self._answers = deque(answers)
        first = next((each for each in script if isinstance(each, Tick)), None)
        self._now = first.received_at if first else OPEN
        self._last: dict[InstrumentId, Decimal] = {}

    @property
    def bought(self) -> int:
        return sum(1 for intent in self.submitted if intent.side is Side.BUY)

    @property
    def sold(self) -> int:
        return sum(1 for intent in self.submitted if intent.side is Side.SELL)

    def now(self) -> datetime:
        return self._now

    def watch(self, *interests: Interest) -> None:
        """Everything of the script is told anyway."""

    def unwatch(self, *interests: Interest) -> None:
        """See `watch`."""

    def age(self, instrument: InstrumentId) -> timedelta | None:
        return timedelta(0) if instrument in self._last else None

    async def events(self) -> AsyncIterator[StrategyEvent]:
        while self._facts or self._script:
            if self._facts:
                yield self._facts.popleft()
                continue
            following = self._script.popleft()
            if callable(following):
                following()
            else:
                if isinstance(following, Tick):
                    self._now = max(self._now, following.received_at)
                    self._last[following.instrument] = following.price
                elif isinstance(following, MarketGap):
                    self._now = max(self._now, following.at)
                yield following
            self._note_open_orders()

    def position(self, instrument: InstrumentId) -> Position:
        return self.portfolio.strategy_position(self.id, instrument)

    def orders(self) -> Sequence[Order]:
        return self.portfolio.open_orders()

    def order(self, order_id: OrderId) -> Order | None:
        return self.portfolio.orders.get(order_id)

    def last_price(self, instrument: InstrumentId) -> Decimal | None:
        return self._last.get(instrument)

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        self.asked_daily += 1
        return self._bars(self.daily, instrument, count)

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        return self._bars(self.past_minutes, instrument, count)

    def _bars(
        self, bars: Sequence[Bar] | None, instrument: InstrumentId, count: int
    ) -> Sequence[Bar]:
        if bars is None:
            raise TryLater("TEST", "no bars", delay=1)
        return [each._replace(instrument=instrument) for each in bars][-count:]

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
        worded = self._word(instrument, Side.BUY, quantity, limit, time_in_force, reason)
        return replace(worded, session=session, kind=kind or worded.kind)

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
        worded = self._word(instrument, Side.SELL, quantity, limit, time_in_force, reason)
        return replace(worded, session=session, kind=kind or worded.kind)

    async def submit(self, *intents: OrderIntent) -> tuple[Order | Denied, ...]:
        return tuple([self._place(intent) for intent in intents])

    async def modify(self, order_id: OrderId, limit: Decimal) -> Order | Denied:
        raise NotImplementedError

    async def cancel(self, *order_ids: OrderId) -> tuple[Order, ...]:
        for order in order_ids:
            self.cancelled.append(order)
            self._record(CancelSent(order=order, at=self._now))
            self._record(OrderCancelled(order=order, at=self._now))
        return tuple(self.portfolio.orders[order] for order in order_ids)

    def fill(self, order_id: OrderId, quantity: int) -> None:
        """Let an order that rests trade."""
        order = self.portfolio.orders[order_id]
        price = order.limit or self._last[order.intent.instrument]
        fill = Fill(
            instrument=order.intent.instrument,
            side=order.intent.side,
            quantity=quantity,
            notional=price * quantity,
            source=FillSource.NOTICE,
            exchange_time=self._now,
        )
        self._record(OrderFilled(order=order_id, fill=fill, at=self._now))

    def _place(self, intent: OrderIntent) -> Order | Denied:
        self.submitted.append(intent)
        answer = self._answers.popleft() if self._answers else Answer.FILL
        if answer is Answer.DENY:
            return Denied(intent=intent, rule=Rule.CASH, detail="no cash")
        order = OrderId(f"20260105-{len(self.portfolio.orders) + 1:04}")
        self._record(OrderCreated(order=order, intent=intent, at=self._now))
        self._record(OrderSent(order=order, at=self._now))
        ref = BrokerRef(day=MONDAY, branch="1", number=order[-4:])
        match answer:
            case Answer.DOUBT:
                self._record(OrderDoubted(order=order, cause="no answer", at=self._now))
            case Answer.REFUSE | Answer.REFUSE_FOR_NOW:
                passing = answer is Answer.REFUSE_FOR_NOW
                self._record(
                    OrderRejected(
                        order=order, code="X", reason="no", at=self._now, retryable=passing
                    )
                )
            case _:
                self._record(OrderAccepted(order=order, ref=ref, at=self._now))
        if answer is Answer.FILL:
            self.fill(order, intent.quantity)
        elif answer is Answer.HALF:
            self.fill(order, intent.quantity // 2)
        self._note_open_orders()
        return self.portfolio.orders[order]

    def _word(
        self,
        instrument: InstrumentId,
        side: Side,
        quantity: int,
        limit: Decimal | None,
        time_in_force: TimeInForce,
        reason: str,
    ) -> OrderIntent:
        return OrderIntent(
            account=AccountId("12345678-01"),
            strategy=self.id,
            instrument=instrument,
            side=side,
            quantity=quantity,
            kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
            limit=limit,
            time_in_force=time_in_force,
            reason=reason,
        )

    def _record(self, event: OrderEvent) -> None:
        self.portfolio.apply(event)
        self._facts.append(event)

    def _note_open_orders(self) -> None:
        for instrument in self.instruments:
            alive = [each for each in self.orders() if each.intent.instrument == instrument]
            self.most_open = max(self.most_open, len(alive))


def run(strategy: Strategy, desk: FakeDesk) -> FakeDesk:
    """Play the desk's whole script to the strategy."""
    context: StrategyContext = desk
    main: Coroutine[Any, Any, None] = strategy.run(context)
    asyncio.run(main)
    assert desk.most_open <= 1, "more than one open order of an instrument"
    return desk
