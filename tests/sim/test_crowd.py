from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from daemon.core.steps import is_accepted_price
from daemon.core.values import Side
from daemon.sim.crowd import FairPrice, price_grid
from daemon.sim.facts import OrderRequest
from daemon.sim.market import Market
from daemon.sim.rules import AMERICAN
from daemon.sim.tape import Traded
from tests.builders import SAMSUNG
from tests.sim.rig import FEW, OPEN, Rig


def hour(seed: int, *, minutes: int = 60, step: float = 60.0, order: bool = False) -> list[Traded]:
    rig = Rig(seed=seed)
    market: Market = rig.broker.market
    trades: list[Traded] = []
    if order:
        market.exchange.place(
            OrderRequest(
                account="12345678-01", code="005930", side=Side.BUY, quantity=50, price=None
            ),
            market.now,
        )
    at = OPEN
    while at < OPEN + timedelta(minutes=minutes):
        at += timedelta(seconds=step)
        market.advance(at)
        trades += market.drain()[1]
        for code in market.listings:
            view = market.view(code)
            assert view.bids[0].price < view.asks[0].price
            assert len(view.bids) == len(view.asks) == 10
    return trades


def test_the_same_seed_is_the_same_day_however_time_is_cut() -> None:
    whole = hour(1, minutes=5, step=60.0)
    assert whole == hour(1, minutes=5, step=0.5)
    assert whole != hour(2, minutes=5)


def test_an_order_does_not_change_what_the_crowd_wishes() -> None:
    quiet = [t.price for t in hour(3, minutes=20) if t.code == "005930"]
    touched = [t.price for t in hour(3, minutes=20, order=True) if t.code == "005930"]
    assert abs(quiet[-1] - touched[-1]) <= Decimal(300)


def test_an_hour_is_lively_and_moves_by_several_ticks() -> None:
    trades = hour(5)
    for listing in FEW:
        own = [t for t in trades if t.code == listing.code]
        assert len(own) > 3600 / 3
        assert own[-1].high - own[-1].low >= listing.base * Decimal("0.008")
        assert all(is_accepted_price(SAMSUNG, t.price) for t in own)
    liveliest = [t for t in trades if t.code == "005930"]
    assert len(liveliest) < 3600 * 4


def test_fair_prices_roam_but_do_not_run_away() -> None:
    fair = FairPrice(100.0, Random(1))
    prices = [fair.advance(1.0) for _ in range(6 * 3600)]
    assert 75 < min(prices) < max(prices) < 130


def test_the_grid_holds_every_price_between_the_limits() -> None:
    grid = price_grid(Decimal(49_900), Decimal(50_200))
    assert grid == tuple(map(Decimal, (49_900, 49_950, 50_000, 50_100, 50_200)))
    assert date(2026, 10, 12).weekday() == 0


def test_a_thin_crowd_trades_and_offers_less_at_a_time() -> None:
    def most(crowd: float) -> tuple[int, int]:
        listing = replace(FEW[0], crowd=crowd)
        market = Rig(listings=(listing,)).broker.market
        market.advance(OPEN + timedelta(minutes=10))
        view = market.view(listing.code)
        return max(trade.quantity for trade in market.drain()[1]), view.bids[0].quantity

    usual, thin = most(1.0), most(0.01)
    assert thin[0] < usual[0] / 5
    assert thin[1] <= 9 < usual[1]


@pytest.mark.parametrize("base", ["262.52", "13.08", "1.02", "0.8500"])
def test_the_crowd_of_us_shares_offers_at_prices_some_way_apart(base: str) -> None:
    lower, upper = AMERICAN.limits(Decimal(base))
    grid = price_grid(lower, upper, AMERICAN)
    assert (grid[0], grid[-1] >= upper) == (lower, True)
    assert all(AMERICAN.is_valid(price) for price in grid)
    middle = float(base)
    gaps = [float(after - before) for before, after in pairwise(grid)]
    assert all(gap > 0 for gap in gaps)
    assert len(grid) < 2_000
    assert max(gaps) < max(0.0006 * middle, 0.0101)
