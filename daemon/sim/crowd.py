"""The crowd: everybody else trading one symbol, as a seeded play of buyers and sellers.

Its wish (a fair price and when it acts) is a function of seed, symbol, day and simulated time
alone; what it does with that wish depends on the book it finds.
"""

from bisect import bisect_left
from datetime import date, datetime
from decimal import Decimal
from math import exp, sqrt
from random import Random

from daemon.core.values import Side
from daemon.sim.book import Clearing, Resting
from daemon.sim.exchange import Exchange
from daemon.sim.rules import KOREAN, Rules
from daemon.sim.universe import Listing

DEPTH = 10
"""Price levels the crowd keeps filled on each side."""

_NOISE_LIFE = 90.0
_NOISE_SIZE = 0.0022
_REGIME_LEAST, _REGIME_MOST = 180.0, 900.0
_DRIFT_LEAST, _DRIFT_MOST = 4e-6, 2.8e-5
_ROAM = 0.09
_TRADE_SHARE = 0.62
_MARGIN = DEPTH + 3


def price_grid(lower: Decimal, upper: Decimal, rules: Rules = KOREAN) -> tuple[Decimal, ...]:
    """Every price the crowd offers at between two limits, ascending.

    Where the rules have a `coarseness`, prices nearer to each other are left to others.
    """
    least = rules.coarseness * (lower + upper) / 2
    prices = [lower]
    while prices[-1] < upper:
        price = prices[-1] + rules.step(prices[-1])
        if least:
            price = max(price, rules.near(float(prices[-1] + least)))
        prices.append(price)
    return tuple(prices)


class FairPrice:
    """What the crowd believes the share is worth: trends that change, with noise around them."""

    def __init__(self, base: float, rng: Random) -> None:
        self._base = base
        self._rng = rng
        self._trend = 0.0
        self._noise = 0.0
        self._drift = 0.0
        self._regime_left = 0.0

    def advance(self, seconds: float) -> float:
        """The price after `seconds` more."""
        rng = self._rng
        self._regime_left -= seconds
        if self._regime_left <= 0:
            self._regime_left = rng.uniform(_REGIME_LEAST, _REGIME_MOST)
            speed = rng.uniform(_DRIFT_LEAST, _DRIFT_MOST)
            # The further the price has roamed, the likelier the next trend leads back.
            rises = rng.random() < 0.5 - self._trend / (2 * _ROAM)
            self._drift = speed if rises else -speed
        self._trend += self._drift * seconds
        decay = exp(-seconds / _NOISE_LIFE)
        kick = _NOISE_SIZE * sqrt(1 - decay * decay)
        self._noise = self._noise * decay + kick * rng.gauss(0.0, 1.0)
        return self._base * exp(self._trend + self._noise)


class Crowd:
    """The crowd of one symbol on one day. `next_at` is when it acts next, in seconds of the day."""

    def __init__(self, listing: Listing, exchange: Exchange, seed: int, day: date) -> None:
        rules = exchange.rules
        self._exchange = exchange
        self._stock = exchange.stocks[listing.code]
        self._code = listing.code
        self._pace = listing.pace
        key = f"{seed}:{listing.code}:{day.isoformat()}"
        self._wish = Random(f"{key}:wish")  # noqa: S311  a play, not a secret
        self._hand = Random(f"{key}:hand")  # noqa: S311
        self._grid = price_grid(self._stock.lower, self._stock.upper, rules)
        self._floats = [float(price) for price in self._grid]
        base = float(self._stock.base)
        self._fair = FairPrice(base, self._wish)
        self._level = max(5.0, listing.crowd * rules.level_worth / base)
        self._lot = max(1.0, listing.crowd * rules.trade_worth / base)
        self._standing: dict[tuple[Side, int], Resting] = {}
        self._offers: list[Resting] = []
        self._bid = self._index(base)
        self._spread = 1
        self.next_at = 0.0
        self._last_at = 0.0

    def open(self, seconds: float) -> None:
        """Begin acting at `seconds` of the day with a filled book."""
        self._last_at = seconds
        for offer in self._offers:
            if offer.remaining:
                self._stock.book.take(offer, offer.remaining)
        self._offers.clear()
        self._refill()
        self._schedule()

    @property
    def auction_wish(self) -> Clearing:
        """The price it will trade with itself at in the next auction, and about how much."""
        return Clearing(self._grid[self._bid], int(self._level * 2))

    def offer_auction(self) -> None:
        """Trade some shares with itself at the wished price, so that the auction has a price."""
        quantity = self._draw(self._level) * 2
        price = self._grid[self._bid]
        for side in (Side.BUY, Side.SELL):
            offer = self._exchange.crowd_add(self._code, side, price, quantity)
            assert offer is not None, "an auction takes every price"
            self._offers.append(offer)

    def act(self, now: datetime) -> None:
        """Do one thing at `next_at`: trade, follow the fair price, keep the book filled."""
        fair = self._fair.advance(self.next_at - self._last_at)
        self._last_at = self.next_at
        if self._wish.random() < 0.02:
            self._spread = self._wish.choice((1, 1, 1, 2, 2, 3))
        lean, lot = self._wish.random(), self._wish.lognormvariate(0.0, 1.0)
        self._schedule()
        target = self._index(fair) - self._spread // 2
        moved = target != self._bid
        self._bid = target
        if moved:
            self._follow(now)
        elif lean < _TRADE_SHARE:
            side = Side.BUY if lean < _TRADE_SHARE * self._appetite(fair) else Side.SELL
            best = self._stock.book.best(_other(side))
            if best is not None:
                quantity = max(1, int(self._lot * lot))
                self._exchange.crowd_take(self._code, side, best, quantity, now)
                moved = self._stock.book.best(_other(side)) != best
        if moved or self._hand.random() < 0.3:
            self._refill()

    def _schedule(self) -> None:
        gap = self._wish.expovariate(self._pace)
        self.next_at = self._last_at + min(max(gap, 0.02), 12.0)

    def _index(self, price: float) -> int:
        """The grid position just under `price`, with room for a whole book on both sides."""
        index = bisect_left(self._floats, price)
        return min(max(index, _MARGIN), len(self._grid) - 1 - _MARGIN)

    def _appetite(self, fair: float) -> float:
        """How much of the trading buys: more when the fair price is above the bid."""
        above = (fair - self._floats[self._bid]) / fair
        return min(0.75, max(0.25, 0.5 + above * 40))

    def _draw(self, mean: float) -> int:
        return max(1, int(mean * self._hand.uniform(0.35, 1.65)))

    def _follow(self, now: datetime) -> None:
        """Trade away what stands on the wrong side of the new wish."""
        book = self._stock.book
        sweep = int(self._level * 3)
        best_ask, best_bid = book.best(Side.SELL), book.best(Side.BUY)
        high, low = self._grid[self._bid], self._grid[self._bid + self._spread]
        if best_ask is not None and best_ask <= high:
            self._exchange.crowd_take(self._code, Side.BUY, high, sweep, now)
            self._clear_beyond(Side.SELL, self._bid)
        elif best_bid is not None and best_bid >= low:
            self._exchange.crowd_take(self._code, Side.SELL, low, sweep, now)
            self._clear_beyond(Side.BUY, self._bid + self._spread)

    def _clear_beyond(self, side: Side, edge: int) -> None:
        """Take back the crowd's own orders that a sweep did not reach."""
        for (standing_side, index), resting in list(self._standing.items()):
            wrong = index <= edge if side is Side.SELL else index >= edge
            if standing_side is side and wrong:
                self._drop(standing_side, index, resting)

    def _drop(self, side: Side, index: int, resting: Resting) -> None:
        if resting.remaining:
            self._stock.book.take(resting, resting.remaining)
        del self._standing[side, index]

    def _refill(self) -> None:
        """Keep ten levels filled on each side and nothing far behind them."""
        ask = self._bid + self._spread
        for key, resting in list(self._standing.items()):
            side, index = key
            away = self._bid - index if side is Side.BUY else index - ask
            if not 0 <= away < DEPTH + 2 or resting.remaining == 0:
                self._drop(side, index, resting)
        for step in range(DEPTH):
            self._fill_level(Side.BUY, self._bid - step)
            self._fill_level(Side.SELL, ask + step)

    def _fill_level(self, side: Side, index: int) -> None:
        resting = self._standing.get((side, index))
        if resting is not None:
            if resting.remaining > self._level * 0.2:
                return
            self._drop(side, index, resting)
        quantity = self._draw(self._level)
        added = self._exchange.crowd_add(self._code, side, self._grid[index], quantity)
        if added is not None:
            self._standing[side, index] = added


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
