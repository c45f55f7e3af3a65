"""The simulator's own paths under /sim: looking into it and meddling with it. No KIS here.

They need no key, count against no limit, and exist for operators and tests alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from daemon.core.values import Side
from daemon.sim.american import PLACES
from daemon.sim.facts import Order, OrderRequest, Refusal
from daemon.sim.replies import JsonBody

if TYPE_CHECKING:
    from daemon.sim.server import SimulatorServer

_HTS_BRANCH = "06010"
_VENUES = ("KRX", "NXT", "SOR")


def admin_routes(server: SimulatorServer) -> Iterable[web.RouteDef]:
    """The routes of the /sim paths for one server."""
    admin = _Admin(server)
    return (
        web.get("/sim/clock", admin.clock),
        web.get("/sim/books", admin.books),
        web.get("/sim/orders", admin.orders),
        web.get("/sim/door", admin.door),
        web.get("/sim/conservation", admin.conservation),
        web.post("/sim/expire-token", admin.expire_token),
        web.post("/sim/drop-stream", admin.drop_stream),
        web.post("/sim/order", admin.order),
    )


def _json(body: JsonBody, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(body), content_type="application/json", charset="utf-8"
    )


def _order(order: Order) -> JsonBody:
    wish = order.request
    return {
        "account": wish.account,
        "day": order.day.isoformat(),
        "number": f"{order.number:010}",
        "action": order.action.value,
        "original": None if order.original is None else f"{order.original:010}",
        "origin": wish.origin,
        "code": wish.code,
        "side": wish.side.value,
        "quantity": wish.quantity,
        "price": None if wish.price is None else str(wish.price),
        "filled": order.filled,
        "notional": str(order.notional),
        "cancelled": order.cancelled,
        "refused": order.refused,
        "moved": order.moved,
        "remaining": order.remaining,
        "open": order.is_open,
    }


class _Admin:
    def __init__(self, server: SimulatorServer) -> None:
        self._server = server

    async def clock(self, request: web.Request) -> web.Response:
        """`start`, `speed` and `origin` build the same clock in another process."""
        clock = self._server.clock
        return _json(
            {
                "start": clock.start.isoformat(),
                "speed": clock.speed,
                "origin": clock.origin,
                "now": clock.now().isoformat(),
            }
        )

    async def books(self, request: web.Request) -> web.Response:
        """Cash, holdings and open orders per account, and what has happened so far.

        Holdings and orders are those of all markets, by symbol; `cash` and `reserved` are KRW,
        and `_by_currency` has them of every market that lives.
        """
        broker = self._server.broker
        broker.advance(self._server.clock.now(), self._server.clock.monotonic())
        exchange, lively = broker.market.exchange, broker.exchanges
        accounts = {}
        for name, account in exchange.accounts.items():
            theirs = {each.rules.region.currency.value: each.accounts[name] for each in lively}
            held = {
                code: holding.quantity
                for each in theirs.values()
                for code, holding in each.holdings.items()
                if holding.quantity
            }
            orders = [
                {
                    "number": f"{order.number:010}",
                    "code": order.request.code,
                    "side": order.request.side.value,
                    "quantity": order.request.quantity,
                    "remaining": order.remaining,
                    "price": None if order.request.price is None else str(order.request.price),
                    "venue": order.request.venue,
                    "currency": each.rules.region.currency.value,
                }
                for each in broker.markets
                for order in each.open_orders(name)
            ]
            accounts[name] = {
                "cash": str(account.cash),
                "reserved": str(account.reserved),
                "cash_by_currency": {money: str(each.cash) for money, each in theirs.items()},
                "reserved_by_currency": {
                    money: str(each.reserved) for money, each in theirs.items()
                },
                "holdings": held,
                "open_orders": orders,
            }
        totals = {
            "accepted": broker.accepted,
            "fills": broker.fills,
            "rejects": broker.rejects,
            "sequence": broker.sequence,
        }
        return _json(
            {
                "day": broker.market.day.isoformat(),
                "phase": broker.market.phase.value,
                "phases": {
                    market.rules.region.value: market.phase.value
                    for market in broker.markets
                    if market.listings
                },
                "accounts": accounts,
                "totals": totals,
            }
        )

    async def orders(self, request: web.Request) -> web.Response:
        """Every order number ever given, oldest first, and what became of its shares."""
        broker = self._server.broker
        broker.advance(self._server.clock.now(), self._server.clock.monotonic())
        orders = sorted(chain.from_iterable(each.orders.items() for each in broker.exchanges))
        return _json({"orders": [_order(order) for _, order in orders]})

    async def door(self, request: web.Request) -> web.Response:
        """What came to the gateway and how dense it came."""
        wire = self._server.broker.wire
        receptions = self._server.broker.receptions.values()
        return _json(
            {
                "requests": wire.door.requests,
                "refused": wire.door.refused,
                "max_requests_in_any_second": wire.door.most_in_a_second,
                "tokens_issued": sum(each.keys.tokens_issued for each in receptions),
            }
        )

    async def conservation(self, request: web.Request) -> web.Response:
        """The sums that never change, of cash and of each symbol's shares, over everybody.

        `cash` is KRW; `cash_by_currency` has it of every market that lives.
        """
        broker = self._server.broker
        cash, shares, by_currency = broker.market.exchange.totals()[0], {}, {}
        for exchange in broker.exchanges:
            money, counted = exchange.totals()
            by_currency[exchange.rules.region.currency.value] = str(money)
            shares.update(counted)
        return _json({"cash": str(cash), "cash_by_currency": by_currency, "shares": shares})

    async def expire_token(self, request: web.Request) -> web.Response:
        """End every access token now."""
        for each in self._server.broker.receptions.values():
            each.keys.expire_tokens(self._server.clock.now())
        return _json({"expired": True})

    async def drop_stream(self, request: web.Request) -> web.Response:
        """Cut every WebSocket without a closing handshake."""
        return _json({"dropped": self._server.drop_connections()})

    async def order(self, request: web.Request) -> web.Response:
        """Place an order as if by hand: account, code, side, quantity, and price or none.

        An app may send one of Korea to another `venue` than KRX: SOR or NXT.
        """
        server = self._server
        try:
            wish = orjson.loads(await request.read())
            account = str(wish.get("account") or server.options.accounts[0])
            price = wish.get("price")
            code = str(wish["code"])
            listing = server.broker.market_of(code).listings.get(code)
            place = PLACES.get(listing.market) if listing is not None else None
            venue = str(wish.get("venue") or "KRX")
            if venue not in _VENUES:
                raise ValueError(venue)
            order_request = OrderRequest(
                account=account,
                code=code,
                side=Side(wish["side"]),
                quantity=int(wish["quantity"]),
                price=None if price is None else Decimal(str(price)),
                division="01" if price is None else "00",
                branch=_HTS_BRANCH,
                venue=place.order if place is not None else venue,
                origin="HTS",
            )
            if account not in server.broker.market.exchange.accounts:
                raise KeyError("account")
        except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
            return _json({"error": f"not an order: {error}"}, status=400)
        try:
            number = server.place_by_hand(order_request)
        except Refusal as refusal:
            return _json({"error": refusal.reason.value}, status=409)
        return _json({"number": f"{number:010}"})
