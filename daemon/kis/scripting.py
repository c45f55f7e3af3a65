"""A plain client for people's own scripts: prices, orders, balance, stream, in broker-free words.

It works over an open session, whose token and request budget it shares with every other process
of the key. What it sends is placed by hand as far as a daemon is concerned: told by the broker,
reported, never touched. Korea and the United States have the same calls; what a market does not
know, such as US orders at market, is refused with a typed error.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
import structlog

from daemon.core.calendar import KST
from daemon.core.errors import OutcomeUnknown, Refused, TradingError
from daemon.core.events import OrderCreated, OrderIntent, OrderKind
from daemon.core.orders import Order, create
from daemon.core.steps import takes_market_orders
from daemon.core.values import (
    Bar,
    BrokerRef,
    InstrumentId,
    OrderBook,
    OrderId,
    Region,
    Side,
    code_of,
    currency_of,
    region_of,
)
from daemon.core.witness import BrokerOrder
from daemon.kis.apiresult import Result
from daemon.kis.apis import Apis
from daemon.kis.balances import Balance, american_balance, korean_balance
from daemon.kis.caller import PAGE_LIMIT, ApiCaller
from daemon.kis.handgate import BY_HAND, HandGate, HandRules
from daemon.kis.rest import KisRest
from daemon.kis.ticker import PriceStream
from daemon.kis.tickers import Tickers, region_named
from daemon.ports import Clock

_Send = Callable[[Callable[[], None]], Coroutine[Any, Any, BrokerRef | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an instrument costs, in its currency. `change` is against the day before."""

    ticker: str
    instrument: InstrumentId
    price: Decimal
    currency: str
    base: Decimal | None
    change: Decimal | None
    volume: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order the broker took. Whether it trades is told by `get_orders` and the stream."""

    order_no: str
    branch: str
    ticker: str
    action: str
    quantity: int
    price: Decimal | None
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledOrder:
    """What has traded of one order so far, in the currency of its market.

    `price` is the average of its trades, `amount` their sum.
    """

    order_no: str
    ticker: str
    instrument: InstrumentId
    action: str
    quantity: int
    price: Decimal
    amount: Decimal
    currency: str
    ordered_at: datetime


class Auth:
    """The access token, for scripts that send requests of their own."""

    def __init__(self, broker: KisRest) -> None:
        self._broker = broker

    async def get_access_token(self, force_refresh: bool = False) -> str:
        """The token all processes of the key share. See `KisRest.access_token`."""
        return await self._broker.access_token(renew=force_refresh)

    async def get_hashkey(self, body: Mapping[str, str]) -> str:
        """The broker's hash of an order's body, for those who send it as a header."""
        return await self._broker.hash_key(orjson.dumps(body))


class UnifiedClient:
    """The client over an open session whose `broker.run` is running.

    `rules` are what every order is judged by, asked for with each; they may raise `TradingError`.
    `on_order` is told what is about to be sent, and what came of it: what it raises before an
    order leaves keeps it from leaving.
    """

    def __init__(
        self,
        *,
        broker: KisRest,
        caller: ApiCaller,
        websocket: PriceStream,
        clock: Clock,
        rules: Callable[[], HandRules],
        tickers: Tickers | None = None,
        on_order: Callable[[str, Mapping[str, object]], None] = lambda what, told: None,
    ) -> None:
        self.auth = Auth(broker)
        self.websocket = websocket
        self.caller = caller
        self.api: Apis[Coroutine[Any, Any, Result]] = Apis(self.call)
        self._broker = broker
        self._clock = clock
        self._tickers = tickers or Tickers(caller)
        self._gate = HandGate(broker, clock, rules)
        self._turn = asyncio.Lock()
        self._on_order = on_order
        self._minted = 0
        self._homes: dict[str, set[Region]] = {}

    async def call(
        self,
        name: str,
        parameters: Mapping[str, object] | None = None,
        /,
        *,
        tr_id: str | None = None,
        unchecked: Iterable[str] = (),
        all_pages: bool = False,
        limit: int = PAGE_LIMIT,
    ) -> Result:
        """Any call of the catalogue; also as `client.api.domestic_stock.inquire_price(…)`."""
        if all_pages:
            return await self.caller.call_all(
                name, parameters, tr_id=tr_id, unchecked=unchecked, limit=limit
            )
        return await self.caller.call(name, parameters, tr_id=tr_id, unchecked=unchecked)

    async def instrument(self, ticker: str, market: str = "KR") -> InstrumentId:
        """The instrument of a ticker. See `Tickers.find`."""
        return await self._tickers.find(ticker, market)

    async def get_price(self, ticker: str, market: str = "KR") -> Price:
        """The last price. Raises `TradingError`."""
        instrument = await self.instrument(ticker, market)
        info = await self._broker.info(instrument)
        return Price(
            ticker=code_of(instrument),
            instrument=instrument,
            price=info.last,
            currency=currency_of(instrument).value,
            base=info.base,
            change=info.last - info.base,
            volume=info.day_volume,
        )

    async def get_order_book(self, ticker: str, market: str = "KR") -> OrderBook:
        """Ten levels a side. Of US stocks the virtual world has none: `Refused`."""
        return await self._broker.order_book(await self.instrument(ticker, market))

    async def get_daily_bars(
        self, ticker: str, market: str = "KR", count: int = 100
    ) -> Sequence[Bar]:
        """Up to 100 daily bars, oldest first."""
        return await self._broker.daily_bars(await self.instrument(ticker, market), count)

    async def get_minute_bars(
        self, ticker: str, market: str = "KR", count: int = 30
    ) -> Sequence[Bar]:
        """Up to `count` one-minute bars ending now, oldest first; see `KisRest.minute_bars`."""
        return await self._broker.minute_bars(await self.instrument(ticker, market), count)

    async def get_balance(self, market: str = "KR") -> Balance:
        """Holdings and sums of the account in one country's market, all pages."""
        region = region_named(market)
        if region is Region.KR:
            return await korean_balance(self.caller)
        told = await self._broker.account(regions=(region,))
        cash = told.cash[region.currency]
        return await american_balance(self.caller, self._broker.environment, cash=cash)

    async def get_orderable_cash(
        self, ticker: str, price: Decimal | int | float | str | None = None, market: str = "KR"
    ) -> Decimal:
        """What may be spent on a buy at `price`, or at market, without borrowing.

        In the instrument's currency. Raises `Refused` for a US ticker without a price.
        """
        limit = _limit(price)
        kind = OrderKind.MARKET if limit is None else OrderKind.LIMIT
        instrument = await self.instrument(ticker, market)
        return await self._broker.orderable_cash(instrument, kind, limit)

    async def place_order(
        self,
        ticker: str,
        action: str,
        quantity: int,
        price: Decimal | int | float | str | None = None,
        market: str = "KR",
    ) -> PlacedOrder:
        """Send one order: at `price`, or at market where it is `None` or 0.

        It passes the daemon's own rules and kill switch first (`RiskRefused`, see docs/risk.md), is
        written down before it leaves and never sent again. Raises `Refused` where it
        certainly has no effect; `OutcomeUnknown` where it may have: then look for it with
        `get_orders`, and do not place it again before you know.
        """
        side = {"BUY": Side.BUY, "SELL": Side.SELL}.get(action.upper())
        if side is None:
            raise Refused("BAD_ACTION", f"action {action!r} is neither BUY nor SELL")
        if type(quantity) is not int or quantity < 1:
            raise Refused("BAD_QUANTITY", f"quantity {quantity!r} is not a number of shares")
        limit = _limit(price)
        instrument = await self.instrument(ticker, market)
        if limit is None and not takes_market_orders(instrument):
            raise Refused("ORDER_TYPE", f"{instrument} takes limit orders only: give a price")
        intent = OrderIntent(
            account=self._broker.account_id,
            strategy=BY_HAND,
            instrument=instrument,
            side=side,
            quantity=quantity,
            kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
            limit=limit,
        )
        order = self._order(intent)
        told = {
            "instrument": instrument,
            "action": side.value,
            "quantity": quantity,
            "price": None if limit is None else str(limit),
        }
        # One after another: what is judged counts all that were sent before.
        async with self._turn:
            await self._gate.judge(order)
            ref = await self._sent(
                "order", told, lambda leaving: self._broker.place(order, leaving=leaving), order
            )
        return self._placed(ref, instrument, side, quantity, limit)

    def _order(self, intent: OrderIntent) -> Order:
        self._minted += 1
        now = self._clock.now()
        order = OrderId(f"{now.astimezone(KST):%Y%m%d}-hand-{self._minted}")
        return create(OrderCreated(order=order, intent=intent, at=now))

    async def _sent(
        self, what: str, told: Mapping[str, object], send: _Send, order: Order
    ) -> BrokerRef | None:
        """Write down, send once, write down what came of it."""
        written = False

        def leaving() -> None:
            nonlocal written
            if what == "cancel":
                # Nothing may keep an order alive.
                self._note(f"{what} sending", told)
            else:
                self._gate.leaving(order, new=what == "order")
                self._on_order(f"{what} sending", told)
            written = True

        try:
            answer = await send(leaving)
            if answer is not None:
                self._gate.check_owner(order, answer)
        except TradingError as error:
            unknown = isinstance(error, OutcomeUnknown)
            (self._gate.doubted if unknown else self._gate.refused)(order)
            if written:
                outcome = "unknown" if unknown else "refused"
                self._note(f"{what} {outcome}", {**told, "cause": str(error)})
            raise
        except BaseException:
            (self._gate.doubted if written else self._gate.refused)(order)
            raise
        if answer is not None:
            self._gate.accepted(order, answer)
        self._note(f"{what} accepted", {**told, "number": answer.number if answer else ""})
        return answer

    def _note(self, what: str, told: Mapping[str, object]) -> None:
        """Write down what has happened already: a full disk must not hide the broker's answer."""
        try:
            self._on_order(what, told)
        except OSError as error:
            structlog.get_logger("client").error("not_written_down", what=what, cause=str(error))

    async def get_orders(
        self, since: date | None = None, market: str | None = None
    ) -> Sequence[BrokerOrder]:
        """The broker's list of orders from the day `since`, today unless told.

        Of every market of the session, or of one country.
        """
        regions = None if market is None else (region_named(market),)
        return await self._broker.orders(since or self._today(), regions=regions)

    async def get_open_orders(self, market: str | None = None) -> Sequence[BrokerOrder]:
        """Those of today that can still trade."""
        return [each for each in await self.get_orders(market=market) if each.remaining > 0]

    async def get_fills(self, market: str | None = None) -> Sequence[FilledOrder]:
        """What has traded today, one line an order."""
        return [
            FilledOrder(
                order_no=each.refs[-1].number,
                ticker=code_of(each.instrument),
                instrument=each.instrument,
                action=each.side.value.upper(),
                quantity=each.filled,
                price=each.notional / each.filled,
                amount=each.notional,
                currency=currency_of(each.instrument).value,
                ordered_at=each.ordered_at,
            )
            for each in await self.get_orders(market=market)
            if each.filled
        ]

    async def cancel_order(self, order_no: str, market: str | None = None) -> None:
        """Ask for all that is open of an order of today to be cancelled.

        `market` tells which country's order it is where that is not known.
        """
        order = self._as_order(await self._known(order_no, market))
        told = {"number": order_no, "instrument": order.intent.instrument}
        await self._sent(
            "cancel", told, lambda leaving: self._broker.cancel(order, leaving=leaving), order
        )

    async def modify_order(
        self, order_no: str, price: Decimal | int | float | str, market: str | None = None
    ) -> PlacedOrder:
        """Move all that is open of an order of today to another price; it gets a new number.

        Raises `Refused` for one of a type that is not sent from here, such as a stop: the new price
        would make an ordinary limit order of it.
        """
        limit = _limit(price)
        if limit is None:
            raise Refused("BAD_PRICE", "an order is moved to a price above zero")
        listed = await self._known(order_no, market)
        if not listed.movable:
            reason = f"order {order_no} is of a type that is not sent from here"
            raise Refused("NO_MODIFY", f"{reason}: cancel and order anew")
        order = self._as_order(listed)
        intent = order.intent
        told = {"number": order_no, "instrument": intent.instrument, "price": str(limit)}

        async def send(leaving: Callable[[], None]) -> BrokerRef:
            return await self._broker.modify(order, limit, leaving=leaving)

        async with self._turn:
            await self._gate.judge_price(order, limit)
            moved = replace(order, asked_limit=limit)
            ref = await self._sent("modify", told, send, moved)
        return self._placed(ref, intent.instrument, intent.side, order.remaining, limit)

    def _placed(
        self,
        ref: BrokerRef | None,
        instrument: InstrumentId,
        side: Side,
        quantity: int,
        limit: Decimal | None,
    ) -> PlacedOrder:
        assert ref is not None, "an order that was taken has a number"
        self._homes.setdefault(ref.number, set()).add(region_of(instrument))
        return PlacedOrder(
            order_no=ref.number,
            branch=ref.branch,
            ticker=code_of(instrument),
            action=side.value.upper(),
            quantity=quantity,
            price=limit,
            day=ref.day,
        )

    async def _known(self, order_no: str, market: str | None) -> BrokerOrder:
        """The order of a number, which another country's order may have as well."""
        wanted = order_no.strip().lstrip("0")
        regions: Sequence[Region] | None = [region_named(market)] if market else None
        if regions is None and wanted in self._homes:
            regions = sorted(self._homes[wanted])
        found, failed = await self._listed_under(wanted, regions or self._broker.regions)
        if not found:
            if failed is not None:
                raise failed
            raise Refused("NO_ORDER", f"order {order_no} is not in today's list")
        if len({each.region for each in found}) > 1:
            raise Refused("AMBIGUOUS", f"order {order_no} is of two countries: give market=")
        return found[0]

    def _as_order(self, listed: BrokerOrder) -> Order:
        order = self._order(listed.intent(self._broker.account_id, BY_HAND, listed.quantity))
        # Where the list tells of nothing open, all that did not trade is named: the broker knows.
        left = listed.remaining or listed.quantity - listed.filled
        gone = listed.quantity - listed.filled - left
        return replace(order, refs=listed.refs, filled=listed.filled, reduced=gone)

    async def _listed_under(
        self, number: str, regions: Sequence[Region]
    ) -> tuple[list[BrokerOrder], TradingError | None]:
        """Today's orders of a number, and what kept a country from being asked."""
        found: list[BrokerOrder] = []
        failed: TradingError | None = None
        for region in regions:
            try:
                listed = await self._broker.orders(self._today(), regions=(region,))
            except TradingError as error:
                failed = error
                continue
            found += [each for each in listed if any(ref.number == number for ref in each.refs)]
        return found, failed

    def _today(self) -> date:
        now: datetime = self._clock.now()
        return now.astimezone(KST).date()


def _limit(price: Decimal | int | float | str | None) -> Decimal | None:
    if price is None:
        return None
    try:
        # A float is what its shortest text says: 71000.0 is 71000.
        limit = price if isinstance(price, Decimal) else Decimal(str(price).replace(",", ""))
    except InvalidOperation:
        raise Refused("BAD_PRICE", f"price {price!r} is not a number") from None
    if not limit.is_finite() or limit < 0:
        raise Refused("BAD_PRICE", f"price {price!r} is not a price")
    return limit if limit > 0 else None
