"""A plain client for people's own scripts: prices, orders, balance, stream, in broker-free words.

It works over an open session, whose token and request budget it shares with every other process
of the key. What it sends is placed by hand as far as a daemon is concerned: told by the broker,
reported, never touched. Korean instruments are complete; American ones go as far as the session
does, and further with a typed error.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from daemon.core.calendar import KST
from daemon.core.errors import OutcomeUnknown, Refused, TradingError
from daemon.core.events import OrderCreated, OrderIntent, OrderKind
from daemon.core.orders import Order, create
from daemon.core.values import (
    Bar,
    BrokerRef,
    InstrumentId,
    Market,
    OrderBook,
    OrderId,
    Side,
    StrategyId,
    code_of,
    instrument_id,
    market_of,
    parse_instrument,
)
from daemon.core.witness import BrokerOrder
from daemon.kis.apiresult import Result, Row
from daemon.kis.apis import Apis
from daemon.kis.caller import PAGE_LIMIT, ApiCaller
from daemon.kis.masters import Masters
from daemon.kis.rest import KisRest
from daemon.kis.ticker import PriceStream
from daemon.ports import Clock

BY_HAND = StrategyId("by-hand")

_AMERICAN = {Market.NASDAQ: "NAS", Market.NYSE: "NYS", Market.AMEX: "AMS"}
_MARKETS = {
    **{"KR": (Market.KRX,), "KRX": (Market.KRX,), "US": tuple(_AMERICAN)},
    **{"NASD": (Market.NASDAQ,), "NAS": (Market.NASDAQ,), "NASDAQ": (Market.NASDAQ,)},
    **{"NYSE": (Market.NYSE,), "NYS": (Market.NYSE,)},
    **{"AMEX": (Market.AMEX,), "AMS": (Market.AMEX,)},
}


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
class HoldingLine:
    """One holding as the broker values it now, in the currency of its market."""

    ticker: str
    name: str
    quantity: int
    orderable: int
    average_price: Decimal
    price: Decimal
    cost: Decimal
    value: Decimal
    profit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSummary:
    """An account's sums. `cash` is what is left once all trades made so far have settled.

    Of a foreign market the broker tells no cash here: it is `None`.
    """

    currency: str
    cash: Decimal | None
    cost: Decimal
    value: Decimal
    profit: Decimal


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
class HandLimits:
    """What one order may be at most: shares, and KRW where its price is in KRW."""

    quantity: int | None = None
    notional: Decimal | None = None


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
        masters: Masters | None = None,
        limits: HandLimits | None = None,
        on_order: Callable[[str, Mapping[str, object]], None] = lambda what, told: None,
    ) -> None:
        self.auth = Auth(broker)
        self.websocket = websocket
        self.caller = caller
        self.api: Apis[Coroutine[Any, Any, Result]] = Apis(self.call)
        self._broker = broker
        self._clock = clock
        self._masters = masters
        self._limits = limits or HandLimits()
        self._on_order = on_order
        self._minted = 0
        self._places: dict[str, InstrumentId] = {}

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
        """The instrument of a ticker; `"nyse:KO"` says the exchange itself.

        A bare American ticker is looked up in the symbol masters, else at the exchanges in turn.
        Raises `Refused` for a market that is not known and a ticker that is nowhere.
        """
        try:
            if ":" in ticker:
                return parse_instrument(ticker)
            places = _MARKETS.get(market.upper())
            if places is None:
                raise Refused("BAD_MARKET", f"market {market!r} is none of {', '.join(_MARKETS)}")
            if len(places) == 1:
                return instrument_id(places[0], ticker.strip())
        except ValueError as error:
            raise Refused("BAD_TICKER", str(error)) from None
        return await self._american(ticker.strip().upper())

    async def _american(self, symbol: str) -> InstrumentId:
        known = self._places.get(symbol)
        if known is not None:
            return known
        for listing in self._masters.find(symbol) if self._masters else ():
            if market_of(listing.instrument) in _AMERICAN:
                return listing.instrument
        for market in _AMERICAN:
            instrument = instrument_id(market, symbol)
            if await self._american_row(instrument) is not None:
                self._places[symbol] = instrument
                return instrument
        raise Refused("BAD_TICKER", f"{symbol} is on none of {', '.join(_AMERICAN.values())}")

    async def _american_row(self, instrument: InstrumentId) -> Row | None:
        given = {"EXCD": _AMERICAN[market_of(instrument)], "SYMB": code_of(instrument)}
        result = await self.caller.call("overseas_stock.price", given)
        rows = result.rows()
        return rows[0] if rows and isinstance(rows[0].get("last"), Decimal) else None

    async def get_price(self, ticker: str, market: str = "KR") -> Price:
        """The last price. Raises `TradingError`."""
        instrument = await self.instrument(ticker, market)
        if market_of(instrument) in _AMERICAN:
            row = await self._american_row(instrument)
            if row is None:
                raise Refused("NO_PRICE", f"the broker knows no price of {instrument}")
            base, last = _decimal(row, "base"), _decimal(row, "last")
            return Price(
                ticker=code_of(instrument),
                instrument=instrument,
                price=last,
                currency="USD",
                base=base or None,
                change=last - base if base else None,
                volume=int(_decimal(row, "tvol")),
            )
        info = await self._broker.info(instrument)
        return Price(
            ticker=code_of(instrument),
            instrument=instrument,
            price=info.last,
            currency="KRW",
            base=info.base,
            change=info.last - info.base,
            volume=info.day_volume,
        )

    async def get_order_book(self, ticker: str, market: str = "KR") -> OrderBook:
        """Ten levels a side."""
        return await self._broker.order_book(await self.instrument(ticker, market))

    async def get_daily_bars(
        self, ticker: str, market: str = "KR", count: int = 100
    ) -> Sequence[Bar]:
        """Up to 100 daily bars, oldest first."""
        return await self._broker.daily_bars(await self.instrument(ticker, market), count)

    async def get_balance(self, market: str = "KR") -> tuple[list[HoldingLine], BalanceSummary]:
        """Holdings and sums of the account in one country's market, all pages."""
        if market.upper() in ("KR", "KRX"):
            return await self._korean_balance()
        if _MARKETS.get(market.upper(), (Market.KRX,))[0] in _AMERICAN:
            return await self._american_balance()
        raise Refused("BAD_MARKET", f"market {market!r} is neither KR nor US")

    async def _korean_balance(self) -> tuple[list[HoldingLine], BalanceSummary]:
        result = await self._whole("domestic_stock.inquire_balance", _BALANCE)
        lines = [
            HoldingLine(
                ticker=row.text("pdno").strip(),
                name=row.text("prdt_name").strip(),
                quantity=int(_decimal(row, "hldg_qty")),
                orderable=int(_decimal(row, "ord_psbl_qty")),
                average_price=_decimal(row, "pchs_avg_pric"),
                price=_decimal(row, "prpr"),
                cost=_decimal(row, "pchs_amt"),
                value=_decimal(row, "evlu_amt"),
                profit=_decimal(row, "evlu_pfls_amt"),
            )
            for row in result.rows("output1")
        ]
        sums = result.row("output2")
        return [line for line in lines if line.quantity], BalanceSummary(
            currency="KRW",
            cash=_decimal(sums, "prvs_rcdl_excc_amt"),
            cost=_decimal(sums, "pchs_amt_smtl_amt"),
            value=_decimal(sums, "evlu_amt_smtl_amt"),
            profit=_decimal(sums, "evlu_pfls_smtl_amt"),
        )

    async def _american_balance(self) -> tuple[list[HoldingLine], BalanceSummary]:
        given = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD"}
        result = await self._whole("overseas_stock.inquire_balance", given)
        lines = [
            HoldingLine(
                ticker=row.text("ovrs_pdno").strip(),
                name=str(row.get("ovrs_item_name") or ""),
                quantity=int(_decimal(row, "ovrs_cblc_qty")),
                orderable=int(_decimal(row, "ord_psbl_qty")),
                average_price=_decimal(row, "pchs_avg_pric"),
                price=_decimal(row, "now_pric2"),
                cost=_decimal(row, "frcr_pchs_amt1"),
                value=_decimal(row, "ovrs_stck_evlu_amt"),
                profit=_decimal(row, "frcr_evlu_pfls_amt"),
            )
            for row in result.rows("output1")
        ]
        lines = [line for line in lines if line.quantity]
        zero = Decimal(0)
        return lines, BalanceSummary(
            currency="USD",
            cash=None,
            cost=sum((line.cost for line in lines), zero),
            value=sum((line.value for line in lines), zero),
            profit=sum((line.profit for line in lines), zero),
        )

    async def _whole(self, name: str, given: Mapping[str, object]) -> Result:
        """All pages; a part of a portfolio is never taken for a small one."""
        result = await self.caller.call_all(name, given, limit=100)
        if not result.complete:
            raise Refused("TOO_MANY_PAGES", f"{name} did not end within 100 pages")
        return result

    async def place_order(
        self,
        ticker: str,
        action: str,
        quantity: int,
        price: Decimal | int | float | str | None = None,
        market: str = "KR",
    ) -> PlacedOrder:
        """Send one order: at `price`, or at market where it is `None` or 0.

        It is written down before it leaves and never sent again. Raises `Refused` where it
        certainly has no effect; `OutcomeUnknown` where it may have: then look for it with
        `get_orders`, and do not place it again before you know.
        """
        side = {"BUY": Side.BUY, "SELL": Side.SELL}.get(action.upper())
        if side is None:
            raise Refused("BAD_ACTION", f"action {action!r} is neither BUY nor SELL")
        limit = _limit(price)
        instrument = await self.instrument(ticker, market)
        await self._check(instrument, quantity, limit)
        order = self._order(instrument, side, quantity, limit)
        told = {
            "instrument": instrument,
            "action": side.value,
            "quantity": quantity,
            "price": None if limit is None else str(limit),
        }
        ref = await self._sent(
            "order", told, lambda leaving: self._broker.place(order, leaving=leaving)
        )
        return PlacedOrder(
            order_no=ref.number,
            branch=ref.branch,
            ticker=code_of(instrument),
            action=side.value.upper(),
            quantity=quantity,
            price=limit,
            day=ref.day,
        )

    async def _check(self, instrument: InstrumentId, quantity: int, limit: Decimal | None) -> None:
        if type(quantity) is not int or quantity < 1:
            raise Refused("BAD_QUANTITY", f"quantity {quantity!r} is not a number of shares")
        most = self._limits.quantity
        if most is not None and quantity > most:
            raise Refused(
                "LIMIT", f"{quantity} shares are more than risk.max_order_quantity {most}"
            )
        if self._limits.notional is None or market_of(instrument) is not Market.KRX:
            return
        info = None if limit is not None else await self._broker.info(instrument)
        # An order at market can trade up to the day's upper limit.
        notional = quantity * (limit if info is None else info.upper_limit)  # type: ignore[operator]
        if notional > self._limits.notional:
            most_money = self._limits.notional
            raise Refused(
                "LIMIT", f"{notional} KRW are more than risk.max_order_notional {most_money}"
            )

    def _order(
        self, instrument: InstrumentId, side: Side, quantity: int, limit: Decimal | None
    ) -> Order:
        self._minted += 1
        now = self._clock.now()
        intent = OrderIntent(
            account=self._broker.account_id,
            strategy=BY_HAND,
            instrument=instrument,
            side=side,
            quantity=quantity,
            kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
            limit=limit,
        )
        order = OrderId(f"{now.astimezone(KST):%Y%m%d}-hand-{self._minted}")
        return create(OrderCreated(order=order, intent=intent, at=now))

    async def _sent(self, what: str, told: Mapping[str, object], send: Any) -> Any:
        """Write down, send once, write down what came of it."""
        written = False

        def leaving() -> None:
            nonlocal written
            self._on_order(f"{what} sending", told)
            written = True

        try:
            answer = await send(leaving)
        except TradingError as error:
            if written:
                outcome = "unknown" if isinstance(error, OutcomeUnknown) else "refused"
                self._on_order(f"{what} {outcome}", {**told, "cause": str(error)})
            raise
        number = answer.number if isinstance(answer, BrokerRef) else ""
        self._on_order(f"{what} accepted", {**told, "number": number})
        return answer

    async def get_orders(self, since: date | None = None) -> Sequence[BrokerOrder]:
        """The broker's list of orders from the KST day `since`, today unless told."""
        return await self._broker.orders(since or self._today())

    async def cancel_order(self, order_no: str) -> None:
        """Ask for all that is open of an order of today to be cancelled."""
        order = await self._known(order_no)
        told = {"number": order_no, "instrument": order.intent.instrument}
        await self._sent(
            "cancel", told, lambda leaving: self._broker.cancel(order, leaving=leaving)
        )

    async def modify_order(self, order_no: str, price: Decimal | int | float | str) -> PlacedOrder:
        """Move all that is open of an order of today to another price; it gets a new number."""
        limit = _limit(price)
        if limit is None:
            raise Refused("BAD_PRICE", "an order is moved to a price above zero")
        order = await self._known(order_no)
        told = {"number": order_no, "instrument": order.intent.instrument, "price": str(limit)}
        ref = await self._sent(
            "modify", told, lambda leaving: self._broker.modify(order, limit, leaving=leaving)
        )
        return PlacedOrder(
            order_no=ref.number,
            branch=ref.branch,
            ticker=code_of(order.intent.instrument),
            action=order.intent.side.value.upper(),
            quantity=order.remaining,
            price=limit,
            day=ref.day,
        )

    async def _known(self, order_no: str) -> Order:
        wanted = order_no.strip().lstrip("0")
        for each in await self.get_orders():
            if any(ref.number == wanted for ref in each.refs):
                order = self._order(each.instrument, each.side, each.quantity, each.limit)
                return replace(order, refs=each.refs, filled=each.filled)
        raise Refused("NO_ORDER", f"order {order_no} is not in today's list")

    def _today(self) -> date:
        now: datetime = self._clock.now()
        return now.astimezone(KST).date()


_BALANCE = {
    "AFHR_FLPR_YN": "N",
    "INQR_DVSN": "01",
    "UNPR_DVSN": "01",
    "FUND_STTL_ICLD_YN": "N",
    "FNCG_AMT_AUTO_RDPT_YN": "N",
    "PRCS_DVSN": "00",
}


def _decimal(row: Row, name: str) -> Decimal:
    """A number of a row, zero where it is blank or missing."""
    value = row.get(name)
    return Decimal(value) if isinstance(value, Decimal | int) else Decimal(0)


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
