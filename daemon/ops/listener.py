"""The listener for those that watch: `/metrics`, `/healthz` and `/readyz` over HTTP.

It reads and never acts. Whatever happens to it, trading goes on: it is started again, later and
later.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
import structlog
from aiohttp import web

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds until it is tried again, after the first failure, the second, and so on."""

CLOSING = 1.0


class Address(NamedTuple):
    """Where to listen; port 0 takes any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host, as it is written, is this machine and nobody else's way to it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


Verdict = Mapping[str, Any]
"""An answer as JSON; `ok` is what it comes to."""


class Listener:
    """Serves metrics as text, and health and readiness as JSON: 200 when `ok`, 503 when not.

    On a loopback address only requests that name this machine are answered, so that no page in a
    browser can read them under a name of its own.
    """

    def __init__(
        self,
        address: Address,
        *,
        metrics: Callable[[], bytes],
        content_type: str,
        health: Callable[[], Verdict],
        ready: Callable[[], Verdict],
    ) -> None:
        self.port: int | None = None
        """The port it listens on, while it does."""
        self.failures = 0
        self._address = address
        self._metrics = metrics
        self._content_type = content_type
        self._health = health
        self._ready = ready
        self._log = structlog.get_logger("monitor")

    async def run(self) -> None:
        """Listen until cancelled, and try again when that fails."""
        tries = 0
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001  nothing here may end the trading
                self.failures += 1
                pause = PAUSES[min(tries, len(PAUSES) - 1)]
                tries += 1
                self._log.warning("monitor_unavailable", cause=str(error), again_seconds=pause)
                await asyncio.sleep(pause)

    async def _listen(self) -> None:
        app = web.Application()
        app.router.add_get("/metrics", self._on_metrics)
        app.router.add_get("/healthz", self._on_health)
        app.router.add_get("/readyz", self._on_ready)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._address.host.strip("[]"), self._address.port)
            await site.start()
            self.port = runner.addresses[0][1]
            self._log.info("monitor_listens", address=self._address.host, port=self.port)
            await asyncio.Event().wait()
        finally:
            self.port = None
            await runner.cleanup()

    async def _on_metrics(self, request: web.Request) -> web.Response:
        self._admit(request)
        headers = {"Content-Type": self._content_type}
        return web.Response(body=self._metrics(), headers=headers)

    async def _on_health(self, request: web.Request) -> web.Response:
        self._admit(request)
        return _answer(self._health())

    async def _on_ready(self, request: web.Request) -> web.Response:
        self._admit(request)
        return _answer(self._ready())

    def _admit(self, request: web.Request) -> None:
        host = request.host.rsplit(":", 1)[0] if "]" not in request.host else request.host
        named = host.split("]")[0] + "]" if "]" in host else host
        if self._address.is_loopback and not is_loopback(named):
            raise web.HTTPForbidden(text="ask for this machine by its loopback address\n")


def _answer(verdict: Verdict) -> web.Response:
    return web.Response(
        body=orjson.dumps(verdict, default=str) + b"\n",
        status=200 if verdict["ok"] else 503,
        content_type="application/json",
    )
