"""`KISUnifiedClient`: the whole broker for a person's own script, with or without asyncio."""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import structlog

from daemon import log
from daemon.config import Mode, Settings, load_settings, missing_credentials, missing_for_real
from daemon.core.errors import AlreadyRunning, NeedsOperator, Refused
from daemon.kis.apirequest import ApiRequest
from daemon.kis.apis import Apis
from daemon.kis.caller import ApiCaller
from daemon.kis.handgate import HandRules
from daemon.kis.masterfiles import MasterFolder
from daemon.kis.ordercalls import stop_at_switch
from daemon.kis.scripting import PlacedOrder, UnifiedClient
from daemon.kis.through import DaemonOrders
from daemon.kis.ticker import PriceStream
from daemon.kis.tickers import Tickers
from daemon.ops.client import ControlClient, socket_path
from daemon.store.handlog import BY_HAND, HandLog
from daemon.store.killfile import account_tag
from daemon.store.locks import SingleInstanceLock
from daemon.store.switchfiles import Position, SwitchFiles
from daemon.wiring import Session, open_session

CANCEL = "cancel sending"
"""What may always leave: nobody needs a permission to have less at risk."""

MOST_WAITING = 10_000
"""Events kept for callbacks that are too slow; beyond it the oldest are dropped, and counted."""


class KISUnifiedClient:
    """The broker by name, from settings and keys as the daemon reads them.

    The session lives in a thread of its own. Called plainly, a method returns its answer;
    called inside asyncio, it returns what is to be awaited:

        client = KISUnifiedClient(mode="virtual")
        client.initialize()                      # await client.initialize()
        client.get_price("005930", market="KR")  # await client.get_price(…)
        client.close()                           # await client.close()

    It is a context manager of both kinds, too. Methods are those of `kis.scripting.UnifiedClient`,
    with `auth`, `websocket` and `api` (every call of the catalogue) as attributes. Callbacks are
    called one after another, in the asyncio loop they were given in or in a thread of their own.
    Orders pass the daemon's limits and kill switch: see docs/risk.md. On real money they need
    `armed: true` and the `risk:` limits of real trading. With `through="daemon"` they are placed
    and cancelled by the daemon that runs with this account, mode and data folder: by its gate, its
    limits and its journal, as the owner `script`.
    """

    def __init__(
        self,
        mode: str = "sim",
        *,
        data_dir: str | Path | None = None,
        config: str | Path | None = None,
        environ: Mapping[str, str] | None = None,
        root: Path | None = None,
        settings: Mapping[str, object] | None = None,
        through: Literal["broker", "daemon"] = "broker",
    ) -> None:
        # A script may ask about either country, whichever of them a daemon trades.
        overrides: dict[str, object] = {"markets": ["KR", "US"], **(settings or {})}
        overrides |= {"data_dir": str(data_dir)} if data_dir is not None else {}
        overrides |= {"config": str(config)} if config is not None else {}
        self._settings = load_settings(
            mode,
            overrides,
            environ=os.environ if environ is None else environ,
            root=root or Path.cwd(),
        )
        tag = account_tag(self._settings.account)
        asked = ControlClient(socket_path(self._settings.control_dir, tag))
        self._daemon = DaemonOrders(asked) if through == "daemon" else None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: Future[UnifiedClient] = Future()
        self._stop: asyncio.Event | None = None
        self._pushes = _Pushes()
        self.auth = _Face(self, "auth", {"get_access_token", "get_hashkey"})
        self.websocket = _Stream(self)

    @property
    def mode(self) -> str:
        """`"sim"`, `"virtual"` or `"real"`."""
        return self._settings.mode.value

    def initialize(self) -> Any:
        """Open the session; returns the client. Raises `NeedsOperator` for what is missing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="kis client", daemon=True)
            self._thread.start()
        return self._told(_then(self._ready, lambda _: self))

    def close(self) -> Any:
        """End the session and wait for its end; harmless when there is none."""
        loop, stop = self._loop, self._stop
        ended: Future[None] = Future()
        if self._thread is None or loop is None or stop is None:
            ended.set_result(None)
            return self._told(ended)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread = self._thread

        def wait() -> None:
            thread.join()
            self._pushes.close()
            ended.set_result(None)

        threading.Thread(target=wait, name="kis client end", daemon=True).start()
        return self._told(ended)

    def __enter__(self) -> "KISUnifiedClient":
        self.initialize()
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    async def __aenter__(self) -> "KISUnifiedClient":
        await self.initialize()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    def get_price(self, ticker: str, market: str = "KR") -> Any:
        """`kis.scripting.Price`."""
        return self.ask(lambda client: client.get_price(ticker, market))

    def get_order_book(self, ticker: str, market: str = "KR") -> Any:
        """`core.values.OrderBook`."""
        return self.ask(lambda client: client.get_order_book(ticker, market))

    def get_daily_bars(self, ticker: str, market: str = "KR", count: int = 100) -> Any:
        """A list of `core.values.Bar`, oldest first."""
        return self.ask(lambda client: client.get_daily_bars(ticker, market, count))

    def get_minute_bars(self, ticker: str, market: str = "KR", count: int = 30) -> Any:
        """A list of `core.values.Bar`, oldest first."""
        return self.ask(lambda client: client.get_minute_bars(ticker, market, count))

    def get_balance(self, market: str = "KR") -> Any:
        """`(holdings, summary)`: `kis.scripting.HoldingLine`s and a `BalanceSummary`."""
        return self.ask(lambda client: client.get_balance(market))

    def get_orderable_cash(self, ticker: str, price: Any = None, market: str = "KR") -> Any:
        """What a buy at `price` may cost, in the currency of the market; `Decimal`."""
        return self.ask(lambda client: client.get_orderable_cash(ticker, price, market))

    def get_orders(self, market: str | None = None) -> Any:
        """Today's orders as the broker lists them, of all markets: `core.witness.BrokerOrder`s."""
        return self.ask(lambda client: client.get_orders(market=market))

    def get_open_orders(self, market: str | None = None) -> Any:
        """Those of `get_orders` that can still trade."""
        return self.ask(lambda client: client.get_open_orders(market))

    def get_fills(self, market: str | None = None) -> Any:
        """What has traded today: a `kis.scripting.FilledOrder` for each order."""
        return self.ask(lambda client: client.get_fills(market))

    def place_order(
        self,
        ticker: str,
        action: str,
        quantity: int,
        price: Any = None,
        market: str = "KR",
    ) -> Any:
        """`kis.scripting.PlacedOrder`. See `UnifiedClient.place_order` for what it may raise."""
        daemon = self._daemon
        if daemon is None:
            return self.ask(
                lambda client: client.place_order(ticker, action, quantity, price, market)
            )

        async def place(client: UnifiedClient) -> PlacedOrder:
            instrument = await client.instrument(ticker, market)
            return await daemon.place(instrument, action, quantity, price)

        return self.ask(place)

    def cancel_order(self, order_no: str, market: str | None = None) -> Any:
        """Ask for what is open of an order to be cancelled."""
        daemon = self._daemon
        if daemon is not None:
            return self.ask(lambda _: daemon.cancel(order_no))
        return self.ask(lambda client: client.cancel_order(order_no, market))

    def modify_order(self, order_no: str, price: Any, market: str | None = None) -> Any:
        """Move what is open of an order to another price; a `kis.scripting.PlacedOrder`."""
        if self._daemon is not None:
            raise Refused("NOT_THROUGH_DAEMON", "cancel the order and place another")
        return self.ask(lambda client: client.modify_order(order_no, price, market))

    def call(
        self, name: str, parameters: Mapping[str, object] | None = None, **options: Any
    ) -> Any:
        """`kis.apiresult.Result` of any call of the catalogue."""
        return self.ask(lambda client: client.call(name, parameters, **options))

    @property
    def api(self) -> Apis[Any]:
        """All calls as attributes: `client.api.domestic_stock.inquire_price(…)`."""
        return Apis(self.call)

    def ask(self, make: Callable[[UnifiedClient], Any]) -> Any:
        """Have the session do something: `make` gives the coroutine for the open client."""
        client = self._opened()
        assert self._loop is not None, "an open session has a loop"
        return self._told(asyncio.run_coroutine_threadsafe(make(client), self._loop))

    def push(self, callback: Callable[[Any], Any]) -> Callable[[Any], None]:
        """`callback`, made to be called from the session: in the caller's loop, or a thread."""
        if not _inside():
            return lambda event: self._pushes.put(callback, event)
        home = asyncio.get_running_loop()

        def hand_over(event: Any) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody listens any more
                home.call_soon_threadsafe(_call, home, callback, event)

        return hand_over

    def _opened(self) -> UnifiedClient:
        if self._thread is None:
            raise Refused("NOT_INITIALIZED", "call client.initialize() first")
        if self._ready.done():
            if not self._thread.is_alive():
                raise Refused("CLOSED", "the session has ended")
            return self._ready.result()
        raise Refused("NOT_INITIALIZED", "wait for client.initialize() first")

    @staticmethod
    def _told(future: Future[Any]) -> Any:
        """An awaitable inside asyncio, the answer elsewhere."""
        return asyncio.wrap_future(future) if _inside() else future.result()

    # The session's thread

    def _serve(self) -> None:
        try:
            asyncio.run(self._session())
        except BaseExceptionGroup as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
                error = error.exceptions[0]
            self._failed(error)
        except BaseException as error:  # noqa: BLE001  it belongs to whoever waits
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
        else:
            structlog.get_logger("client").error("session_ended", cause=str(error))

    async def _session(self) -> None:
        settings = self._settings
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        missing = missing_credentials(settings, hts_id=False)
        if missing:
            raise NeedsOperator("\n".join(missing))
        if not structlog.is_configured():
            log.configure(level="warning", stream=sys.stderr, secrets=settings.secrets())
        lock = SingleInstanceLock(
            settings.shared_dir / "daemon.lock", description=f"a client's stream ({settings.mode})"
        )
        try:
            async with open_session(settings, trading=False) as session:
                client = _assembled(settings, session, lock)
                async with asyncio.TaskGroup() as tasks:
                    serving = [
                        tasks.create_task(session.broker.run(), name="requests"),
                        tasks.create_task(client.websocket.run(), name="stream"),
                        tasks.create_task(session.watch(), name="simulator"),
                    ]
                    self._ready.set_result(client)
                    await self._stop.wait()
                    for task in serving:
                        task.cancel()
        finally:
            lock.release()


def _assembled(settings: Settings, session: Session, lock: SingleInstanceLock) -> UnifiedClient:
    by_hand = HandLog(settings.data_dir / settings.mode.value / BY_HAND)

    def on_order(what: str, told: Mapping[str, object]) -> None:
        if settings.mode is Mode.REAL and what.endswith("sending") and what != CANCEL:
            missing = missing_for_real(settings)
            if missing:
                raise NeedsOperator("\n".join(missing))
        by_hand.write(what, session.clock.now(), told)

    def on_call(request: ApiRequest) -> None:
        stop_at_switch(request, position)
        told = {"api": request.spec.id, "tr_id": request.api.chosen, **request.parameters}
        on_order("call sending", told)

    def claim() -> None:
        try:
            lock.acquire()
        except NeedsOperator as error:
            raise AlreadyRunning(str(error)) from error

    files = SwitchFiles(settings.control_dir, settings.account)

    def position() -> Position:
        return files.position(settings.journal_path)

    caller = ApiCaller(
        session.broker,
        hts_id=settings.hts_id,
        older=settings.api.older_ids,
        unjudged=settings.unjudged_calls,
        on_order=on_call,
    )
    masters = MasterFolder(settings.masters_dir).load()
    tickers = Tickers(caller, masters if len(masters) else None)
    return UnifiedClient(
        broker=session.broker,
        caller=caller,
        websocket=PriceStream(session.feed, claim=claim, find=tickers.find_all),
        clock=session.clock,
        tickers=tickers,
        rules=lambda: HandRules(
            limits=settings.risk_limits,
            calendars=session.calendars,
            rates=settings.exchange_rates,
            state=position,
        ),
        on_order=on_order,
    )


def _inside() -> bool:
    """Whether the caller runs inside asyncio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _then(future: Future[Any], change: Callable[[Any], Any]) -> Future[Any]:
    """A future of what `change` makes of another's result."""
    changed: Future[Any] = Future()

    def settle(done: Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            changed.set_exception(error)
        else:
            changed.set_result(change(done.result()))

    future.add_done_callback(settle)
    return changed


def _call(home: asyncio.AbstractEventLoop, callback: Callable[[Any], Any], event: Any) -> None:
    told = callback(event)
    if asyncio.iscoroutine(told):
        # Kept by the loop's own caller: a script's loop has no block of ours around it.
        asyncio.run_coroutine_threadsafe(told, home)


class _Face:
    """Methods of a part of the client, answered or awaited like its own."""

    def __init__(self, client: KISUnifiedClient, part: str, names: Iterable[str]) -> None:
        self._client, self._part, self._names = client, part, frozenset(names)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._names:
            raise AttributeError(name)

        def bound(*given: Any, **more: Any) -> Any:
            return self._client.ask(
                lambda client: getattr(getattr(client, self._part), name)(*given, **more)
            )

        return bound


class _Stream(_Face):
    """`websocket`: callbacks are called where the script is, never in the session."""

    def __init__(self, client: KISUnifiedClient) -> None:
        super().__init__(client, "websocket", {"unsubscribe_price", "unsubscribe_order_book"})

    def subscribe_price(
        self, tickers: str | Iterable[str], callback: Callable[[Any], Any], market: str = "KR"
    ) -> Any:
        """Call `callback` with every trade (`core.values.Tick`) of the tickers."""
        push = self._client.push(callback)
        return self._client.ask(
            lambda client: client.websocket.subscribe_price(tickers, push, market)
        )

    def subscribe_order_book(
        self, tickers: str | Iterable[str], callback: Callable[[Any], Any], market: str = "KR"
    ) -> Any:
        """Call `callback` with every order book (`core.values.OrderBook`) of the tickers."""
        push = self._client.push(callback)
        return self._client.ask(
            lambda client: client.websocket.subscribe_order_book(tickers, push, market)
        )


class _Pushes:
    """A thread that calls plain callbacks, so that a slow one holds up no request."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[Any], Any], Any]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.dropped = 0

    def put(self, callback: Callable[[Any], Any], event: Any) -> None:
        with self._changed:
            if self._closed:
                return
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append((callback, event))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kis callbacks", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                callback, event = self._waiting.popleft()
            try:
                callback(event)
            except Exception as error:  # noqa: BLE001  a script's callback may raise anything
                structlog.get_logger("client").error("callback_failed", cause=str(error))
