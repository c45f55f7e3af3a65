import contextlib
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.calendar import Phase, shift_steps
from daemon.core.values import Side
from daemon.sim.charges import Charges
from daemon.sim.exchange import Exchange
from daemon.sim.facts import (
    Condition,
    Order,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    OrderRequest,
    Refusal,
    RefusalReason,
    RestDropped,
)
from daemon.sim.ledgers import Account
from tests.sim.rig import OPEN

CODE = "005930"


def exchange(phase: Phase = Phase.CONTINUOUS, charges: Charges | None = None) -> Exchange:
    made = Exchange(
        {CODE: Decimal(10_000)},
        [Account("a", Decimal(10_000_000)), Account("b", Decimal(10_000_000))],
        charges=charges,
    )
    made.accounts["b"].holding(CODE).quantity = 1_000
    made.begin_day(date(2026, 10, 12), {CODE: Decimal(10_000)})
    made.phase = phase
    return made


def wish(
    side: Side,
    quantity: int,
    price: int | None,
    account: str = "a",
    condition: Condition = Condition.NONE,
) -> OrderRequest:
    return OrderRequest(
        account=account,
        code=CODE,
        side=side,
        quantity=quantity,
        price=None if price is None else Decimal(price),
        condition=condition,
    )


def refusal(made: Exchange, request: OrderRequest) -> RefusalReason:
    before = made.totals(), made.next_number, len(made.facts)
    with pytest.raises(Refusal) as caught:
        made.place(request, OPEN)
    assert (made.totals(), made.next_number, len(made.facts)) == before
    return caught.value.reason


def test_two_accounts_trade_at_the_older_price() -> None:
    made = exchange()
    made.place(wish(Side.SELL, 10, 10_000, "b"), OPEN)
    bought = made.place(wish(Side.BUY, 4, 10_100), OPEN)
    assert (bought.filled, bought.average_price) == (4, Decimal(10_000))
    assert made.accounts["a"].cash == 10_000_000 - 40_000
    assert made.accounts["a"].reserved == 0
    assert made.accounts["b"].holding(CODE).reserved == 6
    kinds = [type(fact) for fact in made.facts]
    assert kinds == [OrderAccepted, OrderAccepted, OrderFilled, OrderFilled]


def test_an_order_is_charged_as_a_whole_however_it_trades() -> None:
    made = exchange(charges=Charges())
    for _ in range(3):
        made.place(wish(Side.BUY, 1, 10_000), OPEN)
    sold = made.place(wish(Side.SELL, 3, 10_000, "b"), OPEN)
    assert sold.filled == 3
    # 30,000: 4.2 commission, 15 and 45 tax. Three fills by themselves would have paid 1, 5 and 15.
    assert made.accounts["b"].charged_today == 4 + 60
    # Three purchases of 10,000: 1.4 each.
    assert made.accounts["a"].charged_today == 3


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (wish(Side.BUY, 0, 10_000), RefusalReason.QUANTITY),
        (wish(Side.BUY, 1, 10_005), RefusalReason.PRICE_STEP),
        (wish(Side.BUY, 1, 13_010), RefusalReason.PRICE_LIMIT),
        (wish(Side.BUY, 1, 6_990), RefusalReason.PRICE_LIMIT),
        (wish(Side.BUY, 1_001, 10_000), RefusalReason.FUNDS),
        # A market order is checked at the upper limit: 770 x 13,000 is too much.
        (wish(Side.BUY, 770, None), RefusalReason.FUNDS),
        (wish(Side.SELL, 1, 10_000), RefusalReason.HOLDINGS),
        (wish(Side.SELL, 1_001, 10_000, "b"), RefusalReason.HOLDINGS),
    ],
)
def test_refusals_have_no_effect(request_: OrderRequest, reason: RefusalReason) -> None:
    assert refusal(exchange(), request_) is reason


def test_money_and_shares_in_open_orders_cannot_be_used_twice() -> None:
    made = exchange()
    made.place(wish(Side.BUY, 999, 10_000), OPEN)
    assert refusal(made, wish(Side.BUY, 2, 10_000)) is RefusalReason.FUNDS
    made.place(wish(Side.SELL, 999, 11_000, "b"), OPEN)
    assert refusal(made, wish(Side.SELL, 2, 10_000, "b")) is RefusalReason.HOLDINGS


def test_ioc_drops_its_rest_and_fok_trades_all_or_nothing() -> None:
    made = exchange()
    made.place(wish(Side.SELL, 5, 10_000, "b"), OPEN)
    none = made.place(wish(Side.BUY, 6, 10_000, condition=Condition.FOK), OPEN)
    assert (none.filled, none.cancelled, none.is_open) == (0, 6, False)
    part = made.place(wish(Side.BUY, 6, None, condition=Condition.IOC), OPEN)
    assert (part.filled, part.cancelled) == (5, 1)
    assert isinstance(made.facts[-1], RestDropped)
    assert made.accounts["a"].reserved == 0


def test_the_rest_of_a_market_order_waits_at_the_price_reached() -> None:
    made = exchange()
    made.place(wish(Side.SELL, 5, 10_010, "b"), OPEN)
    order = made.place(wish(Side.BUY, 8, None), OPEN)
    assert (order.filled, order.remaining) == (5, 3)
    assert made.stocks[CODE].book.best(Side.BUY) == 10_010
    assert made.accounts["a"].reserved == 3 * 13_000


def test_modify_moves_shares_to_a_new_number_and_can_leave_some_behind() -> None:
    made = exchange()
    first = made.place(wish(Side.BUY, 10, 9_900), OPEN)
    second = made.modify(first.number, wish(Side.BUY, 4, 9_950), OPEN, everything=False)
    assert (first.remaining, first.moved, second.remaining, second.original) == (6, 4, 4, 1)
    third = made.modify(second.number, wish(Side.BUY, 0, 9_800), OPEN, everything=True)
    assert (second.remaining, third.remaining) == (0, 4)
    assert made.accounts["a"].reserved == 6 * 9_900 + 4 * 9_800


def test_a_modify_that_cannot_be_paid_changes_nothing() -> None:
    made = exchange()
    order = made.place(wish(Side.BUY, 1_000, 9_990), OPEN)
    before = made.accounts["a"].reserved
    with pytest.raises(Refusal, match="funds"):
        made.modify(order.number, wish(Side.BUY, 0, 10_500), OPEN, everything=True)
    assert (made.accounts["a"].reserved, order.remaining) == (before, 1_000)
    assert made.stocks[CODE].book.quantity_at(Side.BUY, Decimal(9_990)) == 1_000


def test_cancel_in_parts_until_nothing_is_left() -> None:
    made = exchange()
    order = made.place(wish(Side.BUY, 10, 9_900), OPEN)
    made.cancel(order.number, wish(Side.BUY, 4, None), OPEN, everything=False)
    assert (order.cancelled, order.remaining) == (4, 6)
    with pytest.raises(Refusal, match="too_many"):
        made.cancel(order.number, wish(Side.BUY, 7, None), OPEN, everything=False)
    made.cancel(order.number, wish(Side.BUY, 0, None), OPEN, everything=True)
    assert made.accounts["a"].reserved == 0
    with pytest.raises(Refusal, match="nothing_left"):
        made.cancel(order.number, wish(Side.BUY, 0, None), OPEN, everything=True)
    with pytest.raises(Refusal, match="no_original"):
        made.cancel(order.number, wish(Side.BUY, 0, None, "b"), OPEN, everything=True)


def test_the_exchange_can_refuse_after_the_broker_accepted() -> None:
    made = exchange()
    order = made.place(wish(Side.BUY, 10, 9_900), OPEN, reject=True)
    assert (order.refused, order.is_open) == (10, False)
    assert [type(fact) for fact in made.facts] == [OrderRejected]
    assert made.accounts["a"].reserved == 0


def test_the_close_kills_open_orders_without_a_word() -> None:
    made = exchange()
    order = made.place(wish(Side.BUY, 10, 9_900), OPEN)
    made.facts.clear()
    made.close_day()
    assert (order.is_open, order.remaining, made.facts) == (False, 10, [])
    assert made.accounts["a"].reserved == 0
    made.begin_day(date(2026, 10, 13), {CODE: Decimal(9_800)})
    assert made.stocks[CODE].upper == 12_740
    made.phase = Phase.CONTINUOUS
    with pytest.raises(Refusal, match="no_original"):
        made.cancel(order.number, wish(Side.BUY, 0, None), OPEN, everything=True)


def test_an_auction_collects_and_then_trades_at_one_price() -> None:
    made = exchange(Phase.OPENING_AUCTION)
    made.place(wish(Side.SELL, 10, 9_900, "b"), OPEN)
    buyer = made.place(wish(Side.BUY, 15, None), OPEN)
    assert buyer.filled == 0
    reason = refusal(made, wish(Side.BUY, 1, 10_000, condition=Condition.IOC))
    assert reason is RefusalReason.AUCTION_TYPE
    made.uncross(OPEN)
    assert (buyer.filled, buyer.average_price) == (10, Decimal(10_000))
    assert made.stocks[CODE].book.best(Side.BUY) == 10_000
    assert [(p.price, p.quantity, p.aggressor) for p in made.prints] == [
        (Decimal(10_000), 10, None)
    ]


acts = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "cancel", "modify", "crowd"]),
        st.sampled_from(["a", "b"]),
        st.integers(-5, 5),
        st.integers(1, 60),
        st.sampled_from(Condition),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(acts, st.booleans(), st.sampled_from((None, Charges(), Charges(Decimal("0.004")))))
def test_nothing_is_ever_made_or_lost(
    given_acts: list[tuple[str, str, int, int, Condition]], auction: bool, charges: Charges | None
) -> None:
    made = exchange(Phase.OPENING_AUCTION if auction else Phase.CONTINUOUS, charges)
    before = made.totals()
    for act, account, steps, quantity, condition in given_acts:
        price = shift_steps(Decimal(10_000), steps)
        side = Side.SELL if act == "sell" else Side.BUY
        request = OrderRequest(
            account=account,
            code=CODE,
            side=side,
            quantity=quantity,
            price=None if steps == 5 else price,
            condition=condition,
        )
        with contextlib.suppress(Refusal):
            _act(made, act, request, price)
        assert made.totals() == before
        _check(made, auction=auction)
    if auction:
        made.uncross(OPEN)
    made.phase = Phase.CONTINUOUS
    _check(made, auction=False)
    made.close_day()
    assert made.totals() == before
    assert all(account.reserved == 0 for account in made.accounts.values())


def _act(made: Exchange, act: str, request: OrderRequest, price: Decimal) -> None:
    newest = made.next_number - 1
    if act == "cancel":
        made.cancel(newest, request, OPEN, everything=request.quantity % 2 == 0)
    elif act == "modify":
        made.modify(newest, request, OPEN, everything=request.quantity % 2 == 0)
    elif act == "crowd" and made.phase is Phase.CONTINUOUS:
        side = Side.SELL if request.quantity % 2 else Side.BUY
        made.crowd_take(CODE, side, price, request.quantity, OPEN)
        made.crowd_add(CODE, side, price, request.quantity)
    else:
        made.place(request, OPEN)


def _check(made: Exchange, *, auction: bool) -> None:
    book = made.stocks[CODE].book
    bid, ask = book.best(Side.BUY), book.best(Side.SELL)
    assert auction or bid is None or ask is None or bid < ask
    open_orders: list[Order] = []
    for name, account in made.accounts.items():
        assert account.cash >= 0
        assert 0 <= account.reserved <= account.cash
        holding = account.holding(CODE)
        assert 0 <= holding.reserved <= holding.quantity
        open_orders += made.open_orders(name)
    for order in made.orders.values():
        assert 0 <= order.remaining <= order.request.quantity
    ours = [o for side in Side for o in book.orders(side) if o.owner != "crowd"]
    assert sum(o.remaining for o in ours) == sum(o.remaining for o in open_orders)
