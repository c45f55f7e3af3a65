"""Calls of the catalogue through an open session: its token, its request budget, its manners."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Protocol

import structlog

from daemon.core.values import AccountId
from daemon.kis.apirequest import ApiRequest, prepare
from daemon.kis.apiresult import Result, joined
from daemon.kis.catalog import find
from daemon.kis.codec import Unsigned
from daemon.kis.ordercalls import close_unjudged
from daemon.kis.paging import Passed
from daemon.kis.replies import Reply
from daemon.kis.spec import Environment

log = structlog.get_logger()

PAGE_LIMIT = 10
"""Pages fetched unless the caller says otherwise: what the vendor's samples stop at."""


class Door(Protocol):
    """What sends a signed call; `KisRest` is one."""

    account_id: AccountId

    @property
    def environment(self) -> Environment: ...

    async def ask(self, call: Unsigned) -> Reply: ...
    async def send_once(self, call: Unsigned, *, leaving: Callable[[], None]) -> Reply: ...


class ApiCaller:
    """All REST calls of the broker by name.

    Calls wait for their turn in the session's request budget. Inquiries repeat by themselves
    for causes that pass; orders and everything else that is posted is sent once, and `on_order`
    is told just before it leaves: what that raises keeps it from leaving. Orders other than cancels
    are refused (`UnjudgedCall`) unless `unjudged`: see `ordercalls`. `older` sends the
    deprecated TR ids where a call has any.
    """

    def __init__(
        self,
        door: Door,
        *,
        hts_id: str = "",
        older: bool = False,
        unjudged: bool = False,
        on_order: Callable[[ApiRequest], None] = lambda request: None,
    ) -> None:
        self._door = door
        self._hts_id = hts_id
        self._older = older
        self._unjudged = unjudged
        self._on_order = on_order

    def request(
        self,
        name: str,
        parameters: Mapping[str, object] | None = None,
        *,
        tr_id: str | None = None,
        unchecked: Iterable[str] = (),
    ) -> tuple[ApiRequest, str]:
        """The checked request and a note on its name; raises `NoSuchApi` or `BadCall`."""
        api, selected, note = find(name)
        given = {**selected, **(parameters or {})}
        if note:
            log.info("api_id_replaced", asked=name, api=api.id)
        request = prepare(
            api,
            given,
            environment=self._door.environment,
            account=self._door.account_id,
            hts_id=self._hts_id,
            tr_id=tr_id,
            older=self._older,
            unchecked=unchecked,
        )
        return request, note

    async def call(
        self,
        name: str,
        parameters: Mapping[str, object] | None = None,
        *,
        tr_id: str | None = None,
        unchecked: Iterable[str] = (),
    ) -> Result:
        """The first page of a call. `name` is a catalogue id or a TR id.

        Raises `NoSuchApi` and `BadCall` before anything is sent, then `TradingError`.
        """
        request, note = self.request(name, parameters, tr_id=tr_id, unchecked=unchecked)
        result = await self._send(request, note)
        return Result(result.api, result.tr_id, result.replies, not result.has_more, note)

    async def pages(
        self,
        name: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = PAGE_LIMIT,
        tr_id: str | None = None,
        unchecked: Iterable[str] = (),
    ) -> AsyncIterator[Result]:
        """Page after page, at most `limit`; the last has `complete` false if more was left.

        Raises as `call` does, and `BadData` when the broker sends the same page twice.
        """
        if limit < 1:
            raise ValueError("at least one page is asked for")
        request, note = self.request(name, parameters, tr_id=tr_id, unchecked=unchecked)
        passed = Passed()
        for number in range(1, limit + 1):
            page = await self._send(request, note)
            passed.page(page.replies[-1].body)
            following = _following(page, request) if page.has_more else None
            if following is not None and request.spec.paging and request.spec.paging.cursors:
                passed.onward(tuple(following.values()))
            complete = following is None or number < limit
            yield Result(page.api, page.tr_id, page.replies, complete, note)
            if following is None:
                return
            request = request.next_page(following)

    async def call_all(
        self,
        name: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = PAGE_LIMIT,
        tr_id: str | None = None,
        unchecked: Iterable[str] = (),
        on_page: Callable[[int, Result], None] = lambda number, page: None,
    ) -> Result:
        """All pages as one result; `on_page` is told of each as it comes.

        `complete` of the result is false when `limit` ended it. Raises as `pages` does.
        """
        found: list[Result] = []
        pages = self.pages(name, parameters, limit=limit, tr_id=tr_id, unchecked=unchecked)
        async for page in pages:
            found.append(page)
            on_page(len(found), page)
        return joined(found, complete=found[-1].complete)

    async def _send(self, request: ApiRequest, note: str) -> Result:
        if request.spec.is_order:
            if not self._unjudged:
                close_unjudged(request)
            reply = await self._door.send_once(request, leaving=lambda: self._on_order(request))
        else:
            reply = await self._door.ask(request)
        return Result(request.spec, request.api.chosen, (reply,), note=note)


def _following(page: Result, request: ApiRequest) -> dict[str, str] | None:
    """The cursors of the next page, `None` where an empty page says that there is none."""
    if not any(page.rows(name) for name in page.outputs):
        return None
    paging = request.spec.paging
    return {name: _cursor(page, name) for name in paging.cursors} if paging else {}


def _cursor(page: Result, name: str) -> str:
    """A cursor byte for byte: beside the outputs, or in the first record that has one."""
    wanted = name.lower()
    for key, value in page.replies[-1].body.items():
        if key.lower() == wanted and isinstance(value, str):
            return value
    for output in page.outputs:
        for row in page.rows(output):
            if wanted in {key.lower() for key in row}:
                return row.text(wanted)
    return ""
