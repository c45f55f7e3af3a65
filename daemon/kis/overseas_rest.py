"""Inquiries to the foreign side of an account, on the request machinery of `rest`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal

import structlog

from daemon.core.errors import Refused
from daemon.core.events import OrderKind
from daemon.core.values import Bar, InstrumentId, OrderBook, Region
from daemon.core.witness import BrokerOrder
from daemon.core.zones import local_date, zone_of
from daemon.kis import overseas_calls, overseas_replies
from daemon.kis.codec import Call, Credentials
from daemon.kis.listed import Listed
from daemon.kis.overseas_calls import MAX_DAILY_BARS, MINUTES_A_PAGE
from daemon.kis.overseas_orders import OverseasOrderList
from daemon.kis.overseas_replies import Part
from daemon.kis.replies import Reply, rows
from daemon.kis.spec import Environment
from daemon.ports import Clock, InstrumentInfo

log = structlog.get_logger()

BOOKED_BY = time(16, 45)
"""New York's time by which American trades are in the balance of every account: those after about
18:10 in Seoul may be missing until half an hour after the close (portal; not for accounts whose
moneys are one margin, and nobody has measured it). A quarter of an hour more is for the books."""


class OverseasRest:
    """What `KisRest` asks of foreign exchanges.

    `query` answers one call and `pages` has every page of one as it comes; both raise
    `TradingError`.
    """

    def __init__(
        self,
        *,
        credentials: Credentials,
        environment: Environment,
        clock: Clock,
        listed: Listed,
        query: Callable[[Call], Awaitable[Reply]],
        pages: Callable[[Call], AsyncIterator[Reply]],
    ) -> None:
        self._credentials = credentials
        self._environment = environment
        self._clock = clock
        self._listed = listed
        self._query = query
        self._pages = pages
        self._fractions_told: set[str] = set()

    async def orders(self, region: Region, since: date) -> Sequence[BrokerOrder]:
        """Every order of a region from its own date `since` until today there."""
        today = local_date(region, self._clock.now())
        listed = OverseasOrderList(region, self._listed)
        for call in overseas_calls.day_orders_calls(
            region, min(since, today), today, self._environment, self._credentials
        ):
            async for page in self._pages(call):
                listed.add(rows(page, call.rows))
        skipped = listed.skipped
        if skipped.count:
            log.warning("order_rows_skipped", count=skipped.count, region=region, raw=skipped.raw)
        return listed.orders()

    async def part(self, region: Region) -> Part:
        """A region's cash and holdings, all pages.

        The virtual host leaves holdings and purses out of the one answer that has both.
        """
        unbooked = self._unbooked(region)
        call = overseas_calls.present_balance_call(region, self._credentials)
        pages = [page async for page in self._pages(call)]
        if self._environment is Environment.REAL:
            told = overseas_replies.present_balance(pages, region, self._listed)
            self._tell_fractions(told.fractions)
            return told._replace(unbooked=unbooked)
        calls = overseas_calls.balance_calls(region, self._environment, self._credentials)
        balances = [page for each in calls async for page in self._pages(each)]
        holdings = overseas_replies.balance(balances, region, self._listed)
        return Part(overseas_replies.usable_cash(pages[-1]), holdings)

    def _tell_fractions(self, codes: Sequence[str]) -> None:
        """Say of each code once that it is left out: an account is asked for all day."""
        fresh = [each for each in codes if each not in self._fractions_told]
        if fresh:
            self._fractions_told.update(fresh)
            log.warning("fractional_holdings_left_out", instruments=fresh)

    def _unbooked(self, region: Region) -> date | None:
        """The day there whose trades the answer on the basis of trades may not have yet."""
        if region is not Region.US:
            return None
        there = self._clock.now().astimezone(zone_of(region))
        return there.date() if there.time() < BOOKED_BY else None

    async def orderable_cash(
        self, instrument: InstrumentId, kind: OrderKind, limit: Decimal | None
    ) -> Decimal:
        """Foreign money that may be spent at a limit; there are no orders at market."""
        if kind is not OrderKind.LIMIT or limit is None:
            raise Refused("ORDER_TYPE", "foreign exchanges take limit orders only")
        call = overseas_calls.orderable_call(instrument, limit, self._credentials)
        return overseas_replies.orderable_cash(await self._query(call))

    async def info(self, instrument: InstrumentId) -> InstrumentInfo:
        """Last price and previous close."""
        reply = await self._query(overseas_calls.price_call(instrument))
        return InstrumentInfo(instrument, *overseas_replies.price_report(reply, instrument))

    async def order_book(self, instrument: InstrumentId) -> OrderBook:
        """The depth; `Refused` in the virtual world, which has none."""
        reply = await self._query(self._offered(overseas_calls.order_book_call(instrument)))
        return overseas_replies.order_book(reply, instrument, self._clock.now())

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Up to `count` (at most 100) daily bars, oldest first."""
        if not 1 <= count <= MAX_DAILY_BARS:
            raise Refused("BAD_COUNT", f"{count} is not between 1 and {MAX_DAILY_BARS} bars")
        reply = await self._query(overseas_calls.daily_bars_call(instrument))
        return overseas_replies.daily_bars(reply, instrument)[-count:]

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Up to `count` one-minute bars, oldest first, 120 an inquiry."""
        if count < 1:
            raise Refused("BAD_COUNT", f"{count} is not a number of bars")
        bars: dict[datetime, Bar] = {}
        until = ""
        for _ in range(-(-count // MINUTES_A_PAGE) + 1):
            call = overseas_calls.minute_bars_call(instrument, until)
            page = overseas_replies.minute_bars(await self._query(self._offered(call)), instrument)
            new = [bar for bar in page if bar.start not in bars]
            bars.update((bar.start, bar) for bar in new)
            if not new or len(bars) >= count:
                break
            until = overseas_replies.before(new[0])
        return [bars[start] for start in sorted(bars)][-count:]

    def _offered(self, call: Call) -> Call:
        """The call, where there is one in this world."""
        if not call.api.tr_id(self._environment):
            name = call.api.name
            raise Refused("NOT_OFFERED", f"{name} is not offered in {self._environment}")
        return call
