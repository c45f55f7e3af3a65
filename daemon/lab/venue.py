"""The broker inside a world: the simulator's pure half, its memory of a minute ago, its streams.

Everything here runs outside the daemon's process: killing that changes nothing here.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple

from daemon.core.calendar import Phase
from daemon.core.values import InstrumentId, Region, code_of, instrument_id
from daemon.lab.loop import VirtualClock
from daemon.lab.mix import Fault, FaultMix
from daemon.sim import mischief
from daemon.sim.american import stream_key
from daemon.sim.broker import Broker
from daemon.sim.exchange import Exchange
from daemon.sim.facts import Order, Refusal
from daemon.sim.ledgers import Account
from daemon.sim.market import Market
from daemon.sim.options import SimulatorOptions
from daemon.sim.replies import WireReply, WireRequest
from daemon.sim.stream_wire import StreamSession

MEMORY = 90.0
"""Seconds of the past kept for lists and balances that lag."""

NIGHT = 10.0
"""Seconds between two looks while no market is open."""


class _Past(NamedTuple):
    """One exchange as it was."""

    orders: dict[int, Order]
    accounts: dict[str, Account]


@dataclass(eq=False)
class Line:
    """One stream connection as the broker sees it; `to_client` takes what it sends."""

    to_client: Callable[[str], None]
    hang_up: Callable[[str], None]
    session: StreamSession = field(default_factory=StreamSession)
    open: bool = True


class Venue:
    """A simulated broker on the virtual loop. `wake` after anything that may have caused news."""

    def __init__(self, options: SimulatorOptions, mix: FaultMix, seed: int, step: float) -> None:
        assert options.start is not None, "a world begins at an instant of its own"
        self.clock = VirtualClock(options.start)
        self.options = options
        self.broker = Broker(options, options.start)
        self.by_hand: list[int] = []
        self.taken_back: list[int] = []
        self.arrivals: list[float] = []
        self._mix = mix
        self._random = Random(f"{seed}:venue")  # noqa: S311  a play, not a secret
        self._step = step
        self._lines: list[Line] = []
        self._context = copy_context()
        self._timer: asyncio.TimerHandle | None = None
        self._remembers = Fault.LIST_LAGS in mix or Fault.BALANCE_LAGS in mix
        self._past_at: list[float] = []
        self._past: list[tuple[_Past, ...]] = []
        self._remembered = -1

    @property
    def markets(self) -> tuple[Market, ...]:
        """The markets that live."""
        return tuple(each for each in self.broker.markets if each.listings)

    @property
    def lively_markets(self) -> tuple[Market, ...]:
        """Those that are not closed; all of them in the dead of the night."""
        lively = tuple(each for each in self.markets if each.phase is not Phase.CLOSED)
        return lively or self.markets

    @property
    def orders(self) -> dict[int, Order]:
        """The orders of all markets, which share no number."""
        return {
            number: order
            for exchange in self.broker.exchanges
            for number, order in exchange.orders.items()
        }

    @property
    def stream_keys(self) -> list[str]:
        """What the trades of everything listed are registered under."""
        return [
            code if market.rules.region is Region.KR else stream_key(market.listings[code])
            for market in self.markets
            for code in sorted(market.listings)
        ]

    def instrument_of(self, code: str) -> InstrumentId:
        """What is listed under a code, as the daemon calls it."""
        market = self.broker.market_of(code)
        return instrument_id(market.listings[code].market, code)

    def is_open(self, instrument: InstrumentId) -> bool:
        """Whether the market of an instrument is not closed."""
        return self.broker.market_of(code_of(instrument)).phase is not Phase.CLOSED

    def later(self, delay: float, what: Callable[..., None], *args: object) -> asyncio.TimerHandle:
        """Have something happen in the world, whoever asked for it being dead or not."""
        loop = asyncio.get_running_loop()
        return loop.call_later(max(delay, 0.0), what, *args, context=self._context.copy())

    def start(self) -> None:
        """Let the market live."""
        self._tick()
        self.later(self.options.ping_interval, self._ping)

    def knock(self) -> None:
        """A request has come to the door, whatever becomes of it."""
        self.arrivals.append(self.clock.monotonic())

    def answer(self, request: WireRequest, *, lag: float) -> tuple[WireReply, float]:
        """Answer a request arriving now, and when the reply may leave.

        With a `lag` the list of orders or the balance is told as it was that many seconds ago.
        """
        now, monotonic = self.clock.now(), self.clock.monotonic()
        if lag <= 0.0:
            reply, due = self.broker.handle(request, now, monotonic)
        else:
            self.broker.advance(now, monotonic)
            reply, due = self._as_it_was(monotonic - lag, request, monotonic), monotonic
        self._remember()
        self.wake()
        return reply, due

    def wake(self) -> None:
        """Look for news at once, and again when the next notice is due."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.later(0.0, self._tick)

    def connect(self, line: Line) -> None:
        """A stream connection was opened."""
        self._lines.append(line)

    def hear(self, line: Line, text: str) -> None:
        """A client's message has arrived on a stream connection."""
        if not line.open:
            return
        for answer in self.broker.stream.receive(line.session, text, self.clock.now()):
            line.to_client(answer)
        if line.session.closing:
            line.hang_up("closed: 1008")
            self.disconnect(line)

    def hear_pong(self, line: Line) -> None:
        """A client has answered the heartbeat with a control frame."""
        self.broker.stream.answered_ping(line.session)

    def disconnect(self, line: Line) -> None:
        """The broker has noticed that a stream connection is gone."""
        if line.open:
            line.open = False
            self._lines.remove(line)
            self.broker.stream.leave(line.session)

    def send_crowds_home(self) -> None:
        """Nothing that rests trades any more, unless somebody's order meets it."""
        self.broker.advance(self.clock.now(), self.clock.monotonic())
        for market in self.markets:
            market.send_crowd_home()
        self.wake()

    def take_back_by_hand(self) -> None:
        """The account holder cancels in the app whatever is open of the orders placed there."""
        now = self.clock.now()
        self.broker.advance(now, self.clock.monotonic())
        orders = self.orders
        for number in self.by_hand:
            order = orders[number]
            if order.is_open:
                exchange = self.broker.market_of(order.request.code).exchange
                with suppress(Refusal):
                    cancel = exchange.cancel(number, order.request, now, everything=True)
                    self.taken_back.append(cancel.number)
        self.wake()

    def expire_tokens(self, *, forget: bool) -> None:
        """End the access token of the day, or forget that it ever was."""
        keys = self.broker.keys
        now = self.clock.now()
        if forget:
            for text in list(keys._tokens):
                keys.revoke(text)
        else:
            keys.expire_tokens(now)

    def _tick(self) -> None:
        monotonic = self.clock.monotonic()
        self.broker.advance(self.clock.now(), monotonic)
        self._remember()
        for session, frame in self.broker.frames(monotonic):
            for line in self._lines:
                if line.session is session:
                    line.to_client(frame)
        due = self.broker.schedule.next_due
        night = all(each.phase is Phase.CLOSED for each in self.markets)
        step = max(self._step, NIGHT) if night else self._step
        wait = step if due is None else min(step, due - monotonic)
        self._timer = self.later(max(wait, 0.0005), self._tick)

    def _ping(self) -> None:
        text = self.broker.stream.pingpong(self.clock.now())
        for line in list(self._lines):
            line.session.unanswered += 1
            if line.session.unanswered > self.options.missed_pings:
                line.hang_up("closed: without a goodbye")
                self.disconnect(line)
            else:
                line.to_client(text)
        self.later(self.options.ping_interval, self._ping)

    # What it was like a while ago

    def _remember(self) -> None:
        if not self._remembers or self._remembered == self.broker.sequence:
            return
        self._remembered = self.broker.sequence
        before = self._past[-1] if self._past else (_NOTHING,) * len(self.broker.exchanges)
        now = self.clock.monotonic()
        self._past_at.append(now)
        self._past.append(
            tuple(
                _remembered(exchange, known.orders)
                for exchange, known in zip(self.broker.exchanges, before, strict=True)
            )
        )
        while len(self._past_at) > 1 and self._past_at[1] < now - MEMORY:
            del self._past_at[0], self._past[0]

    def _as_it_was(self, at: float, request: WireRequest, monotonic: float) -> WireReply:
        index = max(bisect_right(self._past_at, at) - 1, 0)
        if not self._past:
            return self.broker.wire.handle(request, monotonic)
        present = [(each, each.orders, each.accounts) for each in self.broker.exchanges]
        for exchange, past in zip(self.broker.exchanges, self._past[index], strict=True):
            if mischief.is_order_list(request):
                exchange.orders = past.orders
            else:
                exchange.accounts = past.accounts
        try:
            return self.broker.wire.handle(request, monotonic)
        finally:
            for exchange, orders, accounts in present:
                exchange.orders, exchange.accounts = orders, accounts


_NOTHING = _Past({}, {})


def _remembered(exchange: Exchange, before: dict[int, Order]) -> _Past:
    """An exchange as it is, sharing with what was known before what has not changed since."""
    orders = {
        number: old if (old := before.get(number)) == order else copy(order)
        for number, order in exchange.orders.items()
    }
    accounts = {
        name: replace(
            account, holdings={code: copy(held) for code, held in account.holdings.items()}
        )
        for name, account in exchange.accounts.items()
    }
    return _Past(orders, accounts)
