"""One account over HTTP: orders that are sent once, inquiries that reach the last page or raise."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from random import Random

import structlog

from daemon.core.errors import (
    BadData,
    InvariantBroken,
    NeedsOperator,
    OutcomeUnknown,
    Refused,
    TryLater,
)
from daemon.core.events import AccountReported, OrderKind
from daemon.core.orders import Order
from daemon.core.ratelimit import Priority
from daemon.core.tieout import BrokerProfit
from daemon.core.values import Bar, BrokerRef, InstrumentId, OrderBook, Region, region_of
from daemon.core.witness import BrokerOrder
from daemon.core.zones import local_date
from daemon.kis import codec, holidays, overseas_calls, profits, replies
from daemon.kis.codec import Call, Credentials, Unsigned
from daemon.kis.domestic_rest import DomesticRest
from daemon.kis.link import HttpRequest, HttpTransport, lone_error
from daemon.kis.listed import Listed
from daemon.kis.overseas_rest import OverseasRest
from daemon.kis.paging import Passed
from daemon.kis.pump import Patience, RequestPump, RestStats
from daemon.kis.replies import RateRefused, Reply, TokenRefused
from daemon.kis.retold import Retold
from daemon.kis.session import Backoff
from daemon.kis.spec import Environment, Profile
from daemon.kis.tokens import KeyRing
from daemon.ports import Clock, InstrumentInfo, RequestBudget, TokenStore

log = structlog.get_logger()


class KisRest:
    """`ports.Broker` and `ports.MarketData` for one account.

    `regions` are whose orders, cash and holdings make up the account's: each is asked in full, and
    one that cannot be had fails the whole inquiry. Orders of others are refused.
    Nothing is sent before `run` is running. `approval_key` serves the stream. `on_secret` is
    told every token and stream key before it is used. `listed` is what is known of foreign
    listings: the stream's notices are read by the same.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        credentials: Credentials,
        transport: HttpTransport,
        budget: RequestBudget,
        tokens: TokenStore,
        clock: Clock,
        random: Random,
        patience: Patience | None = None,
        on_secret: Callable[[str], None] = lambda secret: None,
        regions: Sequence[Region] = (Region.KR,),
        listed: Listed | None = None,
    ) -> None:
        self.account_id = credentials.account
        self._profile = profile
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._random = random
        self._patience = patience or Patience()
        self.regions = tuple(regions)
        self._listed = listed or Listed()
        self._retold = Retold()
        seconds = self._patience.query
        self._home = DomesticRest(
            credentials, clock, query=self._query, seconds=seconds, pages=self._pages
        )
        self._abroad = OverseasRest(
            credentials=credentials,
            environment=profile.environment,
            clock=clock,
            listed=self._listed,
            query=self._query,
            pages=self._pages,
        )
        self._pump = RequestPump(transport=transport, budget=budget, clock=clock)
        self._keys = KeyRing(
            pump=self._pump,
            store=tokens,
            credentials=credentials,
            profile=profile,
            clock=clock,
            random=random,
            on_secret=on_secret,
        )

    @property
    def stats(self) -> RestStats:
        """Counts of everything that left."""
        return self._pump.stats

    @property
    def waiting(self) -> int:
        """Requests waiting for a slot."""
        return self._pump.waiting

    async def run(self) -> None:
        """Send requests and keep the token fresh until cancelled.

        When cancelled, orders that have left are waited for; a second cancel aborts them.
        Raises `NeedsOperator` when the broker rejects the keys.
        """
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._pump.run(), name="kis request pump"),
                    group.create_task(self._keys.run(), name="kis token refresher"),
                ]
                try:
                    await asyncio.wait(tasks)
                except asyncio.CancelledError:
                    # Waiting here, and not in the group's exit, lets a second cancel through.
                    for task in tasks:
                        task.cancel()
                    await asyncio.wait(tasks)
                    raise
        except BaseExceptionGroup as group_error:
            raise lone_error(group_error) from group_error

    async def approval_key(self, *, renew: bool = False) -> str:
        """The key the stream registers with; raises `TradingError`."""
        return await self._keys.approval_key(renew=renew)

    async def renew_ahead(self, until: datetime) -> None:
        """Have an access token that works until `until`, as far as the broker gives one."""
        await self._keys.renew_ahead(until)

    async def access_token(self, *, renew: bool = False) -> str:
        """The token that all calls are sent with; `renew` has the broker asked for it again.

        Within six hours of an issue the broker gives the same token again, and not more than one
        is asked for a minute: renewing waits for that. Raises `TryLater`.
        """
        if renew and (held := self._keys.usable()) is not None:
            self._keys.refused(held)
        wait = self._profile.token_interval + self._patience.query if renew else 0.0
        await self._keys.wait(self._clock.monotonic() + max(wait, self._patience.query))
        return self._token()

    async def hash_key(self, body: bytes) -> str:
        """The broker's hash of an order's body. No order needs one today; raises `TradingError`."""
        response = await self._pump.send(
            lambda: codec.hash_request(self._credentials, body),
            priority=Priority.QUERY,
            wait_until=self._clock.monotonic() + self._patience.query,
            timeout=self._patience.attempt,
        )
        return replies.hash_of(response)

    def know(self, region: Region, ours: Iterable[InstrumentId]) -> None:
        """Say what is held and ordered in a region. See `ports.Broker`."""
        self._listed.know(region, ours)

    def unready(self) -> str:
        """Why no order could leave just now; empty when one can."""
        return "" if self._keys.usable() is not None else "there is no usable access token yet"

    async def place(self, order: Order, *, leaving: Callable[[], None]) -> BrokerRef:
        """Send a new order once. See `ports.Broker`."""
        if self._is_korean(order.intent.instrument):
            call = codec.place_call(order.intent, self._credentials)
        else:
            call = overseas_calls.place_call(order.intent, self._credentials, self.environment)
        reply, day, came_before = await self._order(call, order, Priority.ORDER, leaving)
        ref = replies.order_ref(reply, day)
        if came_before:
            self.stats.unknown += 1
            raise OutcomeUnknown(f"the reply names number {ref.number}, and came before")
        return ref

    async def modify(
        self, order: Order, limit: Decimal, *, leaving: Callable[[], None]
    ) -> BrokerRef:
        """Move the open quantity to `limit`; returns the number it now lives under."""
        ref = codec.ref_of(order)
        if self._is_korean(order.intent.instrument):
            division = codec.change_division(order.intent)
            call = codec.modify_call(ref, limit, self._credentials, division)
        else:
            call = overseas_calls.modify_call(order, ref, limit, self._credentials)
        reply, day, _ = await self._order(call, order, Priority.ORDER, leaving)
        return replies.order_ref(reply, day)

    async def cancel(self, order: Order, *, leaving: Callable[[], None]) -> None:
        """Ask for the open quantity to be cancelled; the confirmation comes as a notice."""
        ref = codec.ref_of(order)
        if self._is_korean(order.intent.instrument):
            division = codec.change_division(order.intent)
            call = codec.cancel_call(ref, self._credentials, division)
        else:
            call = overseas_calls.cancel_call(order, ref, self._credentials)
        await self._order(call, order, Priority.CANCEL, leaving)

    def _is_korean(self, instrument: InstrumentId) -> bool:
        """Which side an instrument is of; raises `Refused` for a region that is not asked about."""
        region = region_of(instrument)
        if region not in self.regions:
            raise Refused("WRONG_MARKET", f"{instrument}: {region} is not among the markets traded")
        return region is Region.KR

    async def _order(
        self, call: Call, order: Order, priority: Priority, leaving: Callable[[], None]
    ) -> tuple[Reply, date, bool]:
        """Send an order request once: its reply, its day, whether the reply came before.

        A refused token is proof that the gateway turned the request away unread (EGW00121 to
        EGW00123), so the request then leaves a second time under a new token if one comes within
        its time. Nothing else is ever sent twice.
        """
        try:
            return await self._order_once(call, order, priority, leaving)
        except TokenRefused:
            return await self._order_once(call, order, priority, leaving)

    async def _order_once(
        self, call: Call, order: Order, priority: Priority, leaving: Callable[[], None]
    ) -> tuple[Reply, date, bool]:
        patience = self._patience
        cancels = priority is Priority.CANCEL
        wait = patience.cancel_queue if cancels else patience.order_queue
        deadline = self._clock.monotonic() + wait
        await self._keys.wait(deadline)
        token = ""
        region = region_of(order.intent.instrument)
        day = local_date(region, self._clock.now())

        def prepare() -> HttpRequest:
            nonlocal token, day
            token = self._token()
            request = self._sign(call, token)
            self._check(order)
            day = local_date(region, self._clock.now())
            leaving()
            # Before any word of it can come: that may name another exchange.
            self._listed.note(order.intent.instrument)
            return request

        response = await self._pump.send(
            prepare,
            priority=priority,
            wait_until=deadline,
            timeout=self._patience.order_answer,
            protected=True,
        )
        try:
            reply = replies.order_reply(response)
            came_before = self._retold.came_before(reply, self._clock.monotonic())
            return reply, day, came_before
        except OutcomeUnknown:
            self.stats.unknown += 1
            raise
        except Refused as error:
            self._note(error, token)
            if replies.needs_operator(error):
                log.error("order_needs_operator", code=error.code, reason=error.reason)
            raise

    @property
    def environment(self) -> Environment:
        """The world whose TR ids are sent."""
        return self._profile.environment

    async def ask(self, call: Unsigned) -> Reply:
        """One page of any inquiry, repeated for causes that pass until `Patience.query` is over."""
        return await self._query(call)

    async def send_once(self, call: Unsigned, *, leaving: Callable[[], None]) -> Reply:
        """Any call that may move money, sent once whatever becomes of it.

        `leaving` is called just before the first byte may leave. Raises `Refused` where the
        broker certainly did nothing, `OutcomeUnknown` for all that is not a definite answer.
        """
        deadline = self._clock.monotonic() + self._patience.order_queue
        await self._keys.wait(deadline)
        token = ""

        def prepare() -> HttpRequest:
            nonlocal token
            token = self._token()
            request = self._sign(call, token)
            self._check_host()
            leaving()
            return request

        response = await self._pump.send(
            prepare,
            priority=Priority.ORDER,
            wait_until=deadline,
            timeout=self._patience.order_answer,
            protected=True,
        )
        try:
            return replies.order_reply(response)
        except OutcomeUnknown:
            self.stats.unknown += 1
            raise
        except Refused as error:
            self._note(error, token)
            raise

    def _check(self, order: Order) -> None:
        """The last line before the socket: this account, and the host of this profile."""
        if order.intent.account != self.account_id:
            raise InvariantBroken(f"order {order.id} is of another account")
        self._check_host()

    def _check_host(self) -> None:
        if self._transport.base_url.rstrip("/") != self._profile.rest_url.rstrip("/"):
            raise InvariantBroken(f"the transport does not lead to {self._profile.name}")

    def _token(self) -> str:
        token = self._keys.usable()
        if token is None:
            raise TryLater("NO_TOKEN", "there is no usable access token", delay=1.0)
        return token

    def _sign(self, call: Unsigned, token: str) -> HttpRequest:
        return codec.sign(call, profile=self._profile, credentials=self._credentials, token=token)

    def _note(self, error: Refused, token: str) -> None:
        """What a refusal means for everybody else."""
        self.stats.refused(error.code)
        if isinstance(error, RateRefused):
            self._pump.slow_down(error.delay)
        elif isinstance(error, TokenRefused):
            self._keys.refused(token)

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        """Every order of `regions`, of all unless told, from its own date `since` until its today.

        At most 85 days back.
        """
        asked = self._asked(regions)
        home = list(await self._home.orders(since)) if Region.KR in asked else []
        abroad = [await self._abroad.orders(each, since) for each in asked if each is not Region.KR]
        return [*home, *(order for listed in abroad for order in listed)]

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        """Trade-date cash and everything held, of `regions`, of all unless told."""
        asked = self._asked(regions)
        home = await self._home.account() if Region.KR in asked else None
        parts = {each: await self._abroad.part(each) for each in asked if each is not Region.KR}
        told = parts.items()
        return AccountReported(
            account=self.account_id,
            cash={
                **(home.cash if home else {}),
                **{region.currency: part.cash for region, part in told},
            },
            holdings=(
                *(home.holdings if home else ()),
                *(each for part in parts.values() for each in part.holdings),
            ),
            rates={region.currency: part.rate for region, part in told if part.rate is not None},
            unbooked={region: part.unbooked for region, part in told if part.unbooked is not None},
            at=self._clock.now(),
        )

    def _asked(self, regions: Sequence[Region] | None) -> Sequence[Region]:
        """The regions to ask about; raises `Refused` for one that is not of the account's."""
        if not set(regions or ()) <= set(self.regions):
            raise Refused("WRONG_MARKET", f"{regions} are not all among the markets traded")
        return self.regions if regions is None else regions

    async def trade_profits(
        self, region: Region, first: date, last: date, *, traded: Collection[InstrumentId]
    ) -> Sequence[BrokerProfit]:
        """The broker's own profit and loss of every instrument traded from `first` to `last`.

        `traded` is what we traded then. Raises `Refused` where it is not offered: in the virtual
        world, and for a region other than Korea and the United States.
        """
        call = profits.call(region, first, last, self._credentials)
        if call is None or not call.api.tr_id(self._profile.environment):
            raise Refused("NOT_OFFERED", f"no profit inquiry for {region} in {self._profile.name}")
        pages = [page async for page in self._pages(call)]
        return profits.read(pages, region, self._listed, traded)

    async def trades_on(self, region: Region, day: date) -> bool | None:
        """Whether `day` is a trading day; `None` but for KRX, and in the virtual world."""
        if region is not Region.KR or not holidays.call(day).api.tr_id(self._profile.environment):
            return None
        return holidays.read(await self._query(holidays.call(day)), day)

    async def orderable_cash(
        self, instrument: InstrumentId, kind: OrderKind, limit: Decimal | None
    ) -> Decimal:
        """What may be spent on such an order without borrowing, in the instrument's currency."""
        return await self._side(instrument).orderable_cash(instrument, kind, limit)

    async def info(self, instrument: InstrumentId) -> InstrumentInfo:
        """Last, base and limit prices of today."""
        return await self._side(instrument).info(instrument)

    async def order_book(self, instrument: InstrumentId) -> OrderBook:
        """Ten levels a side."""
        return await self._side(instrument).order_book(instrument)

    async def daily_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Up to `count` (at most 100) daily bars, oldest first."""
        return await self._side(instrument).daily_bars(instrument, count)

    async def minute_bars(self, instrument: InstrumentId, count: int) -> Sequence[Bar]:
        """Up to `count` one-minute bars, oldest first; of KRX those of today."""
        return await self._side(instrument).minute_bars(instrument, count)

    def _side(self, instrument: InstrumentId) -> DomesticRest | OverseasRest:
        return self._home if self._is_korean(instrument) else self._abroad

    async def _query(self, call: Unsigned, *, deadline: float | None = None) -> Reply:
        if deadline is None:
            deadline = self._clock.monotonic() + self._patience.query
        return await self._inquire(call, Priority.QUERY, deadline)

    async def _pages(self, call: Call) -> AsyncIterator[Reply]:
        """Every page of an inquiry as it comes; none is kept.

        A page that fails, or never comes, fails the inquiry, whatever came before.
        """
        passed = Passed()
        has_cursors = any(name.startswith("CTX_AREA_") for name, _ in call.query)
        for _ in range(self._patience.pages):
            # Each has its own: a long list at a slow pace must come to its end.
            deadline = self._clock.monotonic() + self._patience.inquiry
            reply = await self._inquire(call, Priority.RECONCILE, deadline)
            if not has_cursors:
                passed.page(reply.body)
            yield reply
            if not reply.has_more:
                return
            if not replies.rows(reply, call.rows):
                if reply.says_empty:
                    return
                raise BadData("an empty page before the last", field=call.rows)
            cursors = replies.cursors(reply)
            if has_cursors:
                passed.onward(cursors)
            call = codec.next_page(call, *cursors)
        raise BadData(f"more than {self._patience.pages} pages", field="tr_cont")

    async def _inquire(self, call: Unsigned, priority: Priority, deadline: float) -> Reply:
        """One answered inquiry, repeated until `deadline` for causes that pass."""
        backoff = Backoff(self._random, steps=(0.2, 0.4, 0.8, 1.6, 3.0))
        while True:
            try:
                return await self._try(call, priority, deadline)
            except OutcomeUnknown as error:
                # An inquiry changes nothing: not knowing its outcome only means asking again.
                last = TryLater("NO_ANSWER", error.cause, delay=0.0)
            except TryLater as error:
                last = error
            delay = max(last.delay, backoff.failed())
            if self._clock.monotonic() + delay >= deadline:
                raise last
            await asyncio.sleep(delay)

    async def _try(self, call: Unsigned, priority: Priority, deadline: float) -> Reply:
        await self._keys.wait(deadline)
        token = ""

        def prepare() -> HttpRequest:
            nonlocal token
            token = self._token()
            return self._sign(call, token)

        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise TryLater("EXPIRED", "the inquiry's time is over", delay=0.0)
        response = await self._pump.send(
            prepare,
            priority=priority,
            wait_until=deadline,
            timeout=min(self._patience.attempt, remaining),
        )
        try:
            return replies.read_reply(response)
        except Refused as error:
            self._note(error, token)
            raise
        except NeedsOperator as error:
            log.error("inquiry_needs_operator", api=call.api.name, cause=str(error))
            raise
