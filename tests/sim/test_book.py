from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.values import Level, Side
from daemon.sim.book import Book, Clearing, Resting


def resting(side: Side, price: int, quantity: int, owner: str = "a") -> Resting:
    return Resting(owner, side, Decimal(price), quantity)


def test_the_best_price_goes_first_and_the_older_order_before_the_younger() -> None:
    book = Book()
    dear, old, young = (
        resting(Side.SELL, 102, 5),
        resting(Side.SELL, 101, 5, "old"),
        resting(Side.SELL, 101, 5, "young"),
    )
    for order in (dear, old, young):
        book.add(order)
    matches = book.match(Side.BUY, Decimal(102), 12)
    assert [(m.maker.owner, m.price, m.quantity) for m in matches] == [
        ("old", Decimal(101), 5),
        ("young", Decimal(101), 5),
        ("a", Decimal(102), 2),
    ]
    assert book.levels(Side.SELL, 10) == (Level(Decimal(102), 3),)


def test_a_limit_is_never_passed() -> None:
    book = Book()
    book.add(resting(Side.BUY, 100, 5))
    assert book.match(Side.SELL, Decimal(101), 5) == []
    assert book.available(Side.SELL, Decimal(100), 99) == 5


def test_lowering_an_order_keeps_its_place() -> None:
    book = Book()
    first, second = resting(Side.BUY, 100, 9, "first"), resting(Side.BUY, 100, 9, "second")
    book.add(first)
    book.add(second)
    book.take(first, 4)
    assert [m.maker.owner for m in book.match(Side.SELL, Decimal(100), 6)] == ["first", "second"]
    book.take(second, 8)
    assert book.best(Side.BUY) is None


def test_an_auction_finds_the_price_of_most_shares() -> None:
    book = Book()
    for price, quantity in ((103, 10), (102, 10), (100, 50)):
        book.add(resting(Side.BUY, price, quantity))
    for price, quantity in ((99, 5), (101, 15), (104, 30)):
        book.add(resting(Side.SELL, price, quantity))
    clearing = book.clearing(Decimal(100))
    assert clearing == Clearing(Decimal(101), 20)
    assert clearing is not None
    assert sum(cross.quantity for cross in book.uncross(clearing)) == 20
    assert book.levels(Side.BUY, 1) == (Level(Decimal(100), 50),)
    assert book.levels(Side.SELL, 1) == (Level(Decimal(104), 30),)
    assert book.clearing(Decimal(100)) is None
    book.clear()
    assert book.total(Side.BUY) == 0


orders = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(90, 110), st.integers(1, 50)), max_size=40
)


@given(orders)
def test_matching_never_leaves_a_crossed_book_and_loses_no_share(
    given_orders: list[tuple[Side, int, int]],
) -> None:
    book, resting_total, traded = Book(), 0, 0
    for side, price, quantity in given_orders:
        taken = sum(m.quantity for m in book.match(side, Decimal(price), quantity))
        traded += 2 * taken
        if taken < quantity:
            book.add(resting(side, price, quantity - taken))
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        assert bid is None or ask is None or bid < ask
    resting_total = book.total(Side.BUY) + book.total(Side.SELL)
    assert resting_total + traded == sum(quantity for _, _, quantity in given_orders)


@given(orders)
def test_an_uncrossed_auction_is_not_crossed_any_more(
    given_orders: list[tuple[Side, int, int]],
) -> None:
    book = Book()
    for side, price, quantity in given_orders:
        book.add(resting(side, price, quantity))
    clearing = book.clearing(Decimal(100))
    if clearing is not None:
        crosses = book.uncross(clearing)
        assert all(c.buyer.price >= clearing.price >= c.seller.price for c in crosses)
    bid, ask = book.best(Side.BUY), book.best(Side.SELL)
    assert bid is None or ask is None or bid < ask
