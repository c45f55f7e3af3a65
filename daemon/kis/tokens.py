"""Keys of the session, fetched before they are missed: the access token and the stream key."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import structlog

from daemon.core.errors import BadData, NeedsOperator, OutcomeUnknown, TradingError, TryLater
from daemon.core.ratelimit import Priority
from daemon.kis.codec import Credentials, approval_request, token_request
from daemon.kis.link import NotSent
from daemon.kis.pump import RequestPump
from daemon.kis.replies import RateRefused, issued_approval, issued_token
from daemon.kis.session import Backoff, TokenKeeper
from daemon.kis.spec import TOKEN_TOO_SOON, Profile
from daemon.ports import AccessToken, Clock, TokenStore

log = structlog.get_logger()

APPROVAL_LIFE = timedelta(hours=23)


class KeyRing:
    """Holds a working access token, shared over all processes of the app key.

    `run` renews it; everybody else only reads it, reports it refused, or waits for it.
    `on_secret` is told every key before it is used, so that logs can leave it out.
    """

    POLL = 5.0
    TURN_WAIT = 0.5
    QUEUE_WAIT = 10.0
    ANSWER = 10.0

    def __init__(
        self,
        *,
        pump: RequestPump,
        store: TokenStore,
        credentials: Credentials,
        profile: Profile,
        clock: Clock,
        random: Random,
        on_secret: Callable[[str], None],
    ) -> None:
        self._on_secret = on_secret
        self._pump = pump
        self._store = store
        self._credentials = credentials
        self._clock = clock
        self._keeper = TokenKeeper(interval=profile.token_interval)
        self._backoff = Backoff(random)
        self._retry_at = float("-inf")
        self._due = asyncio.Event()
        self._fresh = asyncio.Event()
        self._approval: tuple[str, datetime] | None = None
        self._approval_turn = asyncio.Lock()

    def usable(self) -> str | None:
        """The token to send now, if there is one that can work."""
        return self._keeper.usable(self._clock.now())

    def refused(self, value: str) -> None:
        """The broker refused this token: a new one is fetched in the background."""
        self._keeper.refused(value, self._clock.now())
        self._due.set()

    async def wait(self, until: float) -> None:
        """Return once there is a usable token; `TryLater` at the monotonic second `until`."""
        while self.usable() is None:
            self._fresh.clear()
            self._due.set()
            try:
                async with asyncio.timeout(max(until - self._clock.monotonic(), 0.0)):
                    await self._fresh.wait()
            except TimeoutError:
                raise TryLater("NO_TOKEN", "there is no usable access token", delay=1.0) from None

    async def renew_ahead(self, until: datetime) -> None:
        """Have a token that works until `until`, or as long as the broker's do.

        Returns at once if the present one does, else once there is one that `run` fetched.
        """
        self._keeper.wish(until)
        self._due.set()
        while self.usable() is None or self._keeper.falls_short(self._clock.now()):
            self._fresh.clear()
            await self._fresh.wait()

    async def run(self) -> None:
        """Keep the token fresh until cancelled.

        Raises `NeedsOperator` when the broker rejects the keys and no usable token is left.
        """
        while True:
            self._due.clear()
            delay = await self._step()
            if self.usable() is not None:
                self._fresh.set()
            try:
                async with asyncio.timeout(delay):
                    await self._due.wait()
            except TimeoutError:
                pass

    async def _step(self) -> float:
        """Do what is due; the seconds until the next look."""
        now = self._clock.now()
        if self._keeper.issue_at(now) <= now or self._keeper.usable(now) is None:
            self._adopt_stored()
        at = self._keeper.issue_at(now)
        if at > now:
            return min((at - now).total_seconds(), self.POLL)
        if self._clock.monotonic() < self._retry_at:
            return self._retry_at - self._clock.monotonic()
        turn = self._store.issuing()
        if not turn.acquire():
            return self.TURN_WAIT
        try:
            # Someone else may have issued one between our look and our turn.
            self._adopt_stored()
            if self._keeper.issue_at(self._clock.now()) > self._clock.now():
                return self.TURN_WAIT
            return await self._issue()
        finally:
            turn.release()

    def _adopt_stored(self) -> None:
        try:
            stored = self._store.load()
        except OSError as error:
            log.error("token_store_unreadable", cause=str(error))
            return
        if stored is not None and self._keeper.adopt(stored, self._clock.now()):
            self._on_secret(stored.value)
            log.info("token_adopted", expires_at=stored.expires_at.isoformat())

    async def _issue(self) -> float:
        # Counted before it leaves: a reply that is lost may still have been an issue.
        self._keeper.attempted(self._clock.now())
        try:
            response = await self._pump.send(
                lambda: token_request(self._credentials),
                priority=Priority.CANCEL,
                wait_until=self._clock.monotonic() + self.QUEUE_WAIT,
                timeout=self.ANSWER,
            )
            now = self._clock.now()
            issued = issued_token(response, now)
        except NeedsOperator as error:
            if self.usable() is None:
                raise
            log.error("token_issue_rejected", cause=str(error))
            return self._retry()
        except TryLater as error:
            return self._delayed(error)
        except (OutcomeUnknown, BadData) as error:
            log.warning("token_issue_unclear", cause=str(error))
            return self._retry()
        token = AccessToken(issued.value, issued.expires_at, now)
        self._on_secret(token.value)
        self._keeper.issued(token)
        self._backoff.succeeded()
        self._pump.stats.token_issues += 1
        log.info("token_issued", expires_at=token.expires_at.isoformat())
        try:
            self._store.save(token)
        except OSError as error:
            log.error("token_not_stored", cause=str(error))
        return 0.1

    def _delayed(self, error: TryLater) -> float:
        self._pump.stats.refused(error.code)
        log.warning("token_issue_delayed", code=error.code, reason=error.reason)
        if error.code == TOKEN_TOO_SOON:
            self._keeper.too_soon(self._clock.now())
        elif isinstance(error, RateRefused):
            self._keeper.retracted()
            self._pump.slow_down(error.delay)
        elif isinstance(error, NotSent) or error.code in ("EXPIRED", "STOPPED", "QUEUE_FULL"):
            self._keeper.retracted()
        return self._retry()

    def _retry(self) -> float:
        delay = self._backoff.failed()
        self._retry_at = self._clock.monotonic() + delay
        return delay

    async def approval_key(self, *, renew: bool = False) -> str:
        """The stream key, at most 23 hours old; `renew` fetches another one.

        Raises `TradingError`: `NeedsOperator` when the keys are rejected, else what passes.
        """
        stale = self._approval
        async with self._approval_turn:
            held = self._approval
            # Whoever waited while another fetched a new key shares it.
            if held is not None and (held is not stale or not renew):
                key, at = held
                if self._clock.now() - at < APPROVAL_LIFE:
                    return key
            response = await self._pump.send(
                lambda: approval_request(self._credentials),
                priority=Priority.RECONCILE,
                wait_until=self._clock.monotonic() + self.QUEUE_WAIT,
                timeout=self.ANSWER,
            )
            try:
                key = issued_approval(response)
            except TradingError as error:
                if isinstance(error, RateRefused):
                    self._pump.slow_down(error.delay)
                raise
            self._pump.stats.approval_issues += 1
            self._on_secret(key)
            self._approval = (key, self._clock.now())
            return key
