"""Whatever is asked, filled, cancelled and moved, in any order: no limit is ever exceeded.

The machine below trades through the judge alone, and keeps books of its own to judge the judge by.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.core.events import (
    Actor,
    CancelRefused,
    CancelSent,
    ModifyRefused,
    ModifySent,
    OrderAccepted,
    OrderCancelled,
    OrderCreated,
    OrderDoubted,
    OrderIntent,
    OrderModified,
    OrderRejected,
    OrderSent,
    TradingState,
    TradingStateChanged,
)
from daemon.core.limits import RiskLimits, limit_day
from daemon.core.orders import Order, OrderState
from daemon.core.risk import (
    Approved,
    check,
    fitting_cancels,
    modification_problem,
    state_problem,
)
from daemon.core.values import Currency, InstrumentId, OrderId, Side, StrategyId
from tests.builders import (
    HYNIX,
    NINE,
    SAMSUNG,
    accepted,
    created,
    filled,
    funded,
    intent,
    ref,
    sent,
)
from tests.core.test_risk import Quotes

STRATEGIES = (StrategyId("one"), StrategyId("two"), StrategyId("three"))
CODES = (SAMSUNG, HYNIX)
UPPER = {SAMSUNG: Decimal(75_000), HYNIX: Decimal(220_000)}
LOWER = {SAMSUNG: Decimal(65_000), HYNIX: Decimal(180_000)}
PRICES = {SAMSUNG: (66_000, 68_000, 70_000, 72_000), HYNIX: (185_000, 195_000, 200_000, 210_000)}
CANCELLABLE = (OrderState.WORKING, OrderState.MODIFYING)
STATES = [TradingState.RUNNING] * 3 + [TradingState.REDUCE_ONLY, TradingState.HALTED]
LIMITS = RiskLimits(
    max_order_quantity=8,
    max_order_notional=Decimal(1_200_000),
    max_position_notional=Decimal(1_500_000),
    price_collar=Decimal("0.05"),
    max_orders_per_minute=12,
    max_strategy_exposure=Decimal(2_000_000),
    max_account_exposure=Decimal(3_000_000),
    max_open_orders=6,
    max_strategy_open_orders=4,
    max_orders_per_second=4,
    max_orders_per_day=60,
    max_cancels_per_second=2,
    max_cancels_per_minute=6,
    max_cancels_per_day=40,
    max_price_age_seconds=20,
    duplicate_window_seconds=3,
    reentry_cooldown_seconds=15,
)


@st.composite
def wishes(draw: st.DrawFn) -> OrderIntent:
    code = draw(st.sampled_from(CODES))
    return intent(
        side=draw(st.sampled_from([Side.BUY, Side.BUY, Side.SELL])),
        quantity=draw(st.sampled_from([1, 1, 1, 2, 3, 5, 8, 9])),
        limit=draw(st.sampled_from([None, *PRICES[code]])),
        instrument=code,
        strategy=draw(st.sampled_from(STRATEGIES)),
    )


class Trading(RuleBasedStateMachine):
    """One account, three strategies, two instruments, and a clock."""

    @initialize(
        cash=st.sampled_from([800_000, 2_500_000, 100_000_000]),
        held=st.integers(0, 9),
        bought=st.integers(0, 9),
    )
    def begin(self, cash: int, held: int, bought: int) -> None:
        """Shares of nobody, and those that one of them bought the day before."""
        self.portfolio = funded(cash + 70_000 * bought, krx_005930=held)
        self.now = NINE
        self.last = {SAMSUNG: Decimal(70_000), HYNIX: Decimal(200_000)}
        self.known = NINE
        self.made = 0
        self.sent: list[datetime] = []
        self.cancelled: list[datetime] = []
        self.waiting: list[tuple[OrderId, bool]] = []
        self.calm: list[datetime] = []
        self.lost: dict[tuple[StrategyId, InstrumentId], datetime] = {}
        self.bought: Counter[tuple[StrategyId, InstrumentId]] = Counter()
        if bought:
            self.bought[STRATEGIES[-1], SAMSUNG] = bought
            wish = intent(quantity=bought, strategy=STRATEGIES[-1])
            for fact in (
                created("0", wish),
                sent("0"),
                accepted("0", "n0"),
                filled("0", bought),
            ):
                self.portfolio.apply(replace(fact, at=NINE - timedelta(days=1)))

    # What happens -------------------------------------------------------------------------------

    @rule(batch=st.lists(wishes(), min_size=1, max_size=6))
    def submit(self, batch: list[OrderIntent]) -> None:
        answers = check(batch, self.portfolio, quotes=self.quotes(), limits=LIMITS, now=self.now)
        passed = [answer.intent for answer in answers if isinstance(answer, Approved)]
        for wish in passed:
            self.judge_intent(wish)
            self.made += 1
            name = OrderId(f"{self.made}")
            self.portfolio.apply(OrderCreated(order=name, intent=wish, at=self.now))
        self.judge_worth([wish for wish in passed if wish.side is Side.BUY])

    @rule(code=st.sampled_from(CODES), quantity=st.integers(1, 8))
    def sell_together(self, code: InstrumentId, quantity: int) -> None:
        """Everybody sells the same at once, whoever bought it."""
        wish = intent(side=Side.SELL, quantity=quantity, limit=None, instrument=code)
        self.submit([replace(wish, strategy=owner) for owner in STRATEGIES])

    @rule(doubts=st.lists(st.sampled_from([False] * 5 + [True]), min_size=1, max_size=6))
    def leave(self, doubts: list[bool]) -> None:
        for doubt in doubts:
            order = self.pick(0, OrderState.CREATED)
            if order is not None:
                self.leave_order(order, doubt)

    def leave_order(self, order: Order, doubt: bool) -> None:
        if state_problem(order.intent, self.portfolio.state, "") is not None:
            reason = "the gate shut"
            self.portfolio.apply(
                OrderRejected(order=order.id, code="X", reason=reason, at=self.now)
            )
            return
        self.portfolio.apply(OrderSent(order=order.id, at=self.now))
        self.sent.append(self.now)
        if doubt:
            self.portfolio.apply(OrderDoubted(order=order.id, cause="lost", at=self.now))
        else:
            self.accept(order.id)

    @rule(which=st.integers(0, 9), found=st.booleans())
    def resolve(self, which: int, found: bool) -> None:
        order = self.pick(which, OrderState.IN_DOUBT)
        if order is not None and found:
            self.accept(order.id)
        elif order is not None:
            self.portfolio.apply(
                OrderRejected(order=order.id, code="ABSENT", reason="no", at=self.now)
            )

    @rule(which=st.integers(0, 9), part=st.integers(1, 8), worst=st.booleans())
    def fill(self, which: int, part: int, worst: bool) -> None:
        order = self.pick(which, OrderState.WORKING, OrderState.MODIFYING, OrderState.CANCELLING)
        if order is None:
            return
        code, side = order.intent.instrument, order.intent.side
        bound = worst_price(order) if side is Side.BUY else order.limit or LOWER[code]
        price = bound if worst else self.last[code]
        if side.sign * (price - bound) > 0:
            price = bound
        key = (order.intent.strategy, code)
        before = self.portfolio.strategy_position(*key)
        shares = min(part, order.remaining)
        event = filled(order.id, shares, int(price), side=side, instrument=code)
        self.portfolio.apply(replace(event, at=self.now))
        self.bought[key] = max(self.bought[key] + side.sign * shares, 0)
        average = before.average_price
        if side is Side.SELL and average is not None and price < average:
            self.lost[key] = self.now

    @rule(count=st.integers(1, 5))
    def cancel(self, count: int) -> None:
        """They wait until they leave; what does not fit is asked for again another time."""
        asked = {each for each, _ in self.waiting}
        alive = [each.id for each in self.portfolio.open_orders() if each.state in CANCELLABLE]
        wanted = [each for each in alive if each not in asked][:count]
        waiting = len(self.waiting)
        found = fitting_cancels(len(wanted), waiting, self.portfolio, limits=LIMITS, now=self.now)
        calm = self.portfolio.state is TradingState.RUNNING
        assert calm or found.fits == len(wanted), "an emergency's cancels always leave"
        if calm and found.fits:
            self.within(self.cancelled, 1, waiting + found.fits, LIMITS.max_cancels_per_second)
            self.within(self.cancelled, 60, waiting + found.fits, LIMITS.max_cancels_per_minute)
        today = sum(limit_day(at) == limit_day(self.now) for at in self.cancelled)
        if not waiting and today < (LIMITS.max_cancels_per_day or 0):
            since = self.now - timedelta(seconds=60)
            quiet = all(at <= since for at in self.cancelled)
            assert found.fits or not wanted or not quiet, "no limit keeps an order alive"
        self.waiting += [(each, calm) for each in wanted[: found.fits]]

    @rule(works=st.booleans(), all_of_them=st.booleans())
    def leave_cancels(self, works: bool, all_of_them: bool) -> None:
        leaving = self.waiting if all_of_them else self.waiting[:1]
        self.waiting = self.waiting[len(leaving) :]
        for name, calm in leaving:
            if self.portfolio.orders[name].state in CANCELLABLE:
                self.leave_cancel(self.portfolio.orders[name], works)
                self.calm += [self.now] if calm else []

    def leave_cancel(self, order: Order, works: bool) -> None:
        self.cancelled.append(self.now)
        self.portfolio.apply(CancelSent(order=order.id, at=self.now))
        if works:
            self.portfolio.apply(OrderCancelled(order=order.id, at=self.now))
        else:
            self.portfolio.apply(CancelRefused(order=order.id, code="X", reason="no", at=self.now))

    @rule(which=st.integers(0, 9), level=st.integers(0, 3), works=st.sampled_from([None, True]))
    def modify(self, which: int, level: int, works: bool | None) -> None:
        order = self.pick(which, OrderState.WORKING)
        if order is None:
            return
        limit = Decimal(PRICES[order.intent.instrument][level])
        problem = modification_problem(
            order, limit, self.portfolio, quotes=self.quotes(), limits=LIMITS, now=self.now
        )
        if problem is not None:
            return
        self.judge_price(order.intent, limit)
        assert limit * order.remaining <= LIMITS.max_order_notional
        self.portfolio.apply(ModifySent(order=order.id, limit=limit, at=self.now))
        self.sent.append(self.now)
        if order.intent.side is Side.BUY:
            self.judge_worth([replace(order.intent, limit=limit)])
        if works:
            self.made += 1
            moved = ref(f"m{self.made}")
            self.portfolio.apply(OrderModified(order=order.id, ref=moved, limit=limit, at=self.now))

    @rule(which=st.integers(0, 9))
    def refuse_modify(self, which: int) -> None:
        order = self.pick(which, OrderState.MODIFYING)
        if order is not None:
            self.portfolio.apply(ModifyRefused(order=order.id, code="X", reason="no", at=self.now))

    @rule(code=st.sampled_from(CODES), level=st.integers(0, 3))
    def move_price(self, code: InstrumentId, level: int) -> None:
        self.last[code] = Decimal(PRICES[code][level])
        self.known = self.now

    @rule(seconds=st.sampled_from([0.2, 0.9, 3.1, 16.0, 61.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if seconds > 20:
            self.known = self.now

    @rule(state=st.sampled_from(STATES))
    @precondition(lambda self: self.made > 2)
    def switch(self, state: TradingState) -> None:
        self.portfolio.apply(
            TradingStateChanged(state=state, who=Actor.OPERATOR, reason="x", at=self.now)
        )

    # What must hold -----------------------------------------------------------------------------

    @invariant()
    def the_pace_is_kept(self) -> None:
        self.within(self.sent, 1, 0, LIMITS.max_orders_per_second)
        self.within(self.sent, 60, 0, LIMITS.max_orders_per_minute)
        days = Counter(map(limit_day, self.sent))
        assert max(days.values(), default=0) <= (LIMITS.max_orders_per_day or 0)

    @invariant()
    def the_pace_of_cancels_is_kept(self) -> None:
        self.within(self.calm, 1, 0, LIMITS.max_cancels_per_second)
        self.within(self.calm, 60, 0, LIMITS.max_cancels_per_minute)

    @invariant()
    def few_orders_are_open(self) -> None:
        orders = self.portfolio.open_orders()
        assert len(orders) <= (LIMITS.max_open_orders or 0)
        owners = Counter(order.intent.strategy for order in orders)
        assert max(owners.values(), default=0) <= (LIMITS.max_strategy_open_orders or 0)

    @invariant()
    def everything_open_is_paid_for_and_held(self) -> None:
        orders = self.portfolio.open_orders()
        cost = sum(
            worst_price(order) * order.remaining
            for order in orders
            if order.intent.side is Side.BUY
        )
        assert cost <= self.portfolio.cash_of(Currency.KRW)
        for code in CODES:
            on_sale = sum(
                order.remaining
                for order in orders
                if (order.intent.instrument, order.intent.side) == (code, Side.SELL)
            )
            assert on_sale <= self.portfolio.position(code).quantity

    @invariant()
    def what_others_bought_is_not_for_sale(self) -> None:
        """All that is on sale fills, and everybody still holds what they bought and kept."""
        for code in CODES:
            on_sale: Counter[StrategyId] = Counter()
            for order in self.portfolio.open_orders():
                if (order.intent.instrument, order.intent.side) == (code, Side.SELL):
                    on_sale[order.intent.strategy] += order.remaining
            bound = sum(max(self.bought[owner, code], on_sale[owner]) for owner in STRATEGIES)
            assert bound <= self.portfolio.position(code).quantity

    @invariant()
    def strategies_hold_what_they_bought(self) -> None:
        for owner in STRATEGIES:
            for code in CODES:
                held = self.portfolio.strategy_position(owner, code).quantity
                assert held == self.bought[owner, code]

    @invariant()
    def positions_are_never_short(self) -> None:
        assert all(each.quantity >= 0 for each in self.portfolio.positions.values())

    # The books the judge is judged by -----------------------------------------------------------

    def judge_intent(self, wish: OrderIntent) -> None:
        state = self.portfolio.state
        assert state is TradingState.RUNNING or (
            state is TradingState.REDUCE_ONLY and wish.side is Side.SELL
        )
        assert wish.quantity <= LIMITS.max_order_quantity
        code = wish.instrument
        at_market = UPPER[code] if wish.side is Side.BUY else self.last[code]
        assert (wish.limit or at_market) * wish.quantity <= LIMITS.max_order_notional
        if wish.limit is not None:
            self.judge_price(wish, wish.limit)
        for order in self.portfolio.orders.values():
            same = replace(order.intent, reason=wish.reason) == wish
            if same and order.state is not OrderState.REJECTED:
                assert self.now - order.created_at >= timedelta(seconds=3)
            if order.intent.instrument == code:
                assert order.state is not OrderState.IN_DOUBT
        if wish.side is Side.BUY:
            assert self.now - self.known <= timedelta(seconds=20)
            lost = self.lost.get((wish.strategy, code))
            assert lost is None or self.now - lost >= timedelta(seconds=15)

    def judge_price(self, wish: OrderIntent, limit: Decimal) -> None:
        code = wish.instrument
        assert LOWER[code] <= limit <= UPPER[code]
        assert abs(limit - self.last[code]) <= self.last[code] * LIMITS.price_collar

    def judge_worth(self, bought: Iterable[OrderIntent]) -> None:
        """What was just let pass: all that is open fills, and all of it is worth the dearest."""
        bought = list(bought)
        if not bought:
            return
        orders = [order for order in self.portfolio.open_orders() if order.intent.side is Side.BUY]

        def worth(code: InstrumentId, held: int, owners: Iterable[StrategyId]) -> Decimal:
            here = [order for order in orders if order.intent.instrument == code]
            price = max([self.last[code], *map(worst_price, here)])
            own = sum(each.remaining for each in here if each.intent.strategy in owners)
            return price * (held + own)

        positions = {
            code: worth(code, self.portfolio.position(code).quantity, STRATEGIES) for code in CODES
        }
        for wish in bought:
            assert positions[wish.instrument] <= LIMITS.max_position_notional
        assert sum(positions.values()) <= (LIMITS.max_account_exposure or 0)
        for owner in {wish.strategy for wish in bought}:
            total = sum(
                worth(code, max(self.portfolio.strategy_position(owner, code).quantity, 0), [owner])
                for code in CODES
            )
            assert total <= (LIMITS.max_strategy_exposure or 0)

    def within(self, instants: list[datetime], seconds: int, more: int, most: int | None) -> None:
        assert most is not None
        since = self.now - timedelta(seconds=seconds)
        assert sum(at > since for at in instants) + more <= most

    def quotes(self) -> Quotes:
        return Quotes(last=self.last.get, upper=UPPER.get, lower=LOWER.get, known=self.known)

    def pick(self, which: int, *states: OrderState) -> Order | None:
        found = [order for order in self.portfolio.orders.values() if order.state in states]
        return found[which % len(found)] if found else None

    def accept(self, name: OrderId) -> None:
        self.portfolio.apply(OrderAccepted(order=name, ref=ref(f"n{name}"), at=self.now))


def worst_price(order: Order) -> Decimal:
    """The most a share of an open purchase can cost, a price under way included."""
    if order.limit is None:
        return UPPER[order.intent.instrument]
    return max(order.limit, order.asked_limit or order.limit)


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
