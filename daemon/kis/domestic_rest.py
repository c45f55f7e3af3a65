"""Inquiries to the Korean side of an account, on the request machinery of `rest`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from daemon.core.calendar import KST
from daemon.core.errors import BadData, Refused
from daemon.core.events import AccountReported, OrderKind
from daemon.core.values import Bar, InstrumentId, OrderBook
from daemon.core.witness import BrokerOrder
from daemon.kis import codec, replies
from daemon.kis.codec import Call, Credentials
from daemon.kis.fields import decimal_or_none, text_of
from daemon.kis.orderlist import OrderList
from daemon.kis.replies import Reply
from daemon.ports import Clock, InstrumentInfo

log = structlog.get_logger()

MAX_BARS = 100
MINUTES_A_PAGE = 30
HISTORY_DAYS = 85


class Query(Protocol):
    """Answers one call by `deadline` (monotonic seconds), or by the usual one; raises."""

    def __call__(self, call: Call, *, deadline: float | None = None) -> Awaitable[Reply]: ...


class DomesticRest:
    """What `KisRest` asks of KRX.

    `query` answers one call and `pages` has every page of one as it comes; both raise
    `TradingError`. An inquiry of several calls is over after `seconds` in all.
    """

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        *,
        query: Query,
        seconds: float,
        pages: Callable[[Call], AsyncIterator[Reply]],
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._query = query
        self._seconds = seconds
        self._pages = pages

    async def orders(self, since: date) -> Sequence[BrokerOrder]:
        """Every order from the KST day `since` until today, at most 85 days back.

        A list without a row whose own totals tell of orders is `BadData`: it proves nothing.
        """
        today = self._today()
        if since > today or today - since > timedelta(days=HISTORY_DAYS):
            raise Refused("BAD_DAY", f"orders since {since} are not in the three-month list")
        call = codec.day_orders_call(since, today, self._credentials)
        listed, is_empty = OrderList(), True
        async for page in self._pages(call):
            rows = replies.rows(page, call.rows)
            listed.add(rows)
            is_empty = is_empty and not rows
            if is_empty and (total := _ordered(page)) > 0:
                raise BadData("no order in spite of it", field="tot_ord_qty", raw=str(total))
        skipped = listed.skipped
        if skipped.count:
            log.warning("order_rows_skipped", count=skipped.count, raw=skipped.raw)
        return listed.orders()

    async def account(self) -> AccountReported:
        """Trade-date cash in KRW and what is held, all pages."""
        call = codec.balance_call(self._credentials)
        pages = [page async for page in self._pages(call)]
        at = self._clock.now()
        return replies.account_report(pages, account=self._credentials.account, at=at)

    async def orderable_cash(
        self, instrument: InstrumentId, kind: OrderKind, limit: Decimal | None
    ) -> Decimal:
        """KRW that may be spent on such an order without borrowing."""
        call = codec.orderable_call(instrument, kind, limit, self._credentials)
        return replies.orderable_cash(await self._query(call))

    async def info(self, instrument: InstrumentId) -> InstrumentInfo:
        """Last, base and limit prices of today."""
        reply = await self._query(codec.price_call(instrument))
        return InstrumentInfo(instrument, *replies.price_report(reply, instrument))

    async def order_book(self, instrument: InstrumentId) -> OrderBook:
        """Ten levels a side."""
        reply = await self._query(codec.order_book_call(instrument))
        return replies.order_book(reply, instrument, self._clock.now())

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Up to `count` (at most 100) daily bars, oldest first."""
        if not 1 <= count <= MAX_BARS:
            raise Refused("BAD_COUNT", f"{count} is not between 1 and {MAX_BARS} bars")
        today = self._today()
        # Twice as many days and a fortnight hold that many trading days, holidays included.
        since = today - timedelta(days=2 * count + 14)
        reply = await self._query(codec.daily_bars_call(instrument, since, today))
        return replies.daily_bars(reply, instrument)[-count:]

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Up to `count` one-minute bars of today, oldest first, 30 an inquiry."""
        if count < 1:
            raise Refused("BAD_COUNT", f"{count} is not a number of bars")
        deadline = self._clock.monotonic() + self._seconds
        bars: dict[datetime, Bar] = {}
        until = self._clock.now().astimezone(KST)
        for _ in range(-(-count // MINUTES_A_PAGE) + 1):
            call = codec.minute_bars_call(instrument, f"{until:%H%M%S}")
            page = replies.minute_bars(await self._query(call, deadline=deadline), instrument)
            new = [bar for bar in page if bar.start not in bars]
            bars.update((bar.start, bar) for bar in new)
            if not new or len(bars) >= count:
                break
            earlier = min(bars).astimezone(KST) - timedelta(minutes=1)
            if earlier.date() != until.date():
                break
            until = earlier
        return [bars[start] for start in sorted(bars)][-count:]

    def _today(self) -> date:
        return self._clock.now().astimezone(KST).date()


def _ordered(page: Reply) -> Decimal:
    """How many shares were ordered by the totals of an order list, if it has any."""
    totals = page.body.get("output2")
    if not isinstance(totals, dict):
        return Decimal(0)
    return decimal_or_none(text_of(totals, "tot_ord_qty"), "tot_ord_qty") or Decimal(0)
