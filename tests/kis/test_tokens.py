import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from daemon.core.errors import NeedsOperator, OutcomeUnknown
from daemon.kis.link import HttpRequest, HttpResponse, NotSent
from daemon.kis.rest import KisRest
from daemon.ports import AccessToken
from tests.kis.fakes import (
    SAMSUNG,
    MemoryDoor,
    MemoryTokens,
    good_token,
    make_client,
    reply,
    response,
    running,
)
from tests.support import EPOCH, run_virtual


class Gateway:
    """Issues numbered tokens, at most one a minute, and refuses all but the newest."""

    def __init__(self) -> None:
        self.issued = 0
        self.valid = "token-1"
        self.issue_times: list[float] = []
        self.next: list[HttpResponse | BaseException] = []

    def __call__(self, request: HttpRequest) -> HttpResponse | BaseException:
        if request.path.endswith("tokenP"):
            now = asyncio.get_running_loop().time()
            self.issue_times.append(now)
            if self.next:
                return self.next.pop(0)
            if len(self.issue_times) > 1 and now - self.issue_times[-2] < 60:
                return reply("access_rate_limited")
            self.issued += 1
            self.valid = f"issued-{self.issued}"
            return response({"access_token": self.valid, "expires_in": 86400})
        if request.path.endswith("Approval"):
            self.issued += 1
            return response({"approval_key": f"approval-{self.issued}"})
        if dict(request.headers)["authorization"] != f"Bearer {self.valid}":
            return reply("err_token_expired_EGW00123")
        return reply("inquire_price")


def run(gateway: Gateway, main: Callable[[KisRest], Awaitable[Any]], tokens: MemoryTokens) -> None:
    async def scenario() -> None:
        async with running(make_client(MemoryDoor(gateway), tokens=tokens)) as client:
            await main(client)

    run_virtual(scenario())


def test_a_stored_token_is_used_and_none_issued() -> None:
    gateway = Gateway()

    async def main(client: KisRest) -> None:
        await client.info(SAMSUNG)

    run(gateway, main, MemoryTokens(good_token()))
    assert gateway.issue_times == []


def test_without_one_a_token_is_issued_and_stored() -> None:
    gateway, tokens = Gateway(), MemoryTokens()

    async def main(client: KisRest) -> None:
        await client.info(SAMSUNG)

    run(gateway, main, tokens)
    assert tokens.token is not None
    assert tokens.token.value == "issued-1"
    assert tokens.saves == 1
    assert not tokens.held


def test_a_token_is_renewed_ahead_of_a_session_it_would_not_last() -> None:
    old = AccessToken("token-1", EPOCH + timedelta(hours=5), EPOCH - timedelta(hours=19))
    gateway, tokens = Gateway(), MemoryTokens(old)

    async def main(client: KisRest) -> None:
        await client.info(SAMSUNG)
        await client.renew_ahead(EPOCH + timedelta(hours=4))
        assert gateway.issue_times == []
        await client.renew_ahead(EPOCH + timedelta(hours=7))
        assert len(gateway.issue_times) == 1
        # The new one lasts; nothing more is asked for.
        await client.renew_ahead(EPOCH + timedelta(hours=7))
        await asyncio.sleep(3600)

    run(gateway, main, tokens)
    assert len(gateway.issue_times) == 1
    assert tokens.token is not None
    assert tokens.token.value == "issued-1"


def test_a_renewal_that_fails_is_tried_until_it_succeeds() -> None:
    old = AccessToken("token-1", EPOCH + timedelta(hours=5), EPOCH - timedelta(hours=19))
    gateway, tokens = Gateway(), MemoryTokens(old)
    gateway.next = [OutcomeUnknown("no answer"), reply("access_rate_limited")]

    async def main(client: KisRest) -> None:
        async with asyncio.timeout(600):
            await client.renew_ahead(EPOCH + timedelta(hours=7))

    run(gateway, main, tokens)
    assert len(gateway.issue_times) > 2
    assert all(later - earlier > 59.9 for earlier, later in pairwise(gateway.issue_times))
    assert tokens.token is not None
    assert tokens.token.value == "issued-1"


def test_many_refusals_lead_to_one_issue() -> None:
    gateway, tokens = Gateway(), MemoryTokens(good_token("stale"))

    async def main(client: KisRest) -> None:
        await asyncio.gather(*(client.info(SAMSUNG) for _ in range(10)))

    run(gateway, main, tokens)
    assert len(gateway.issue_times) == 1


def test_another_process_token_is_taken_instead_of_issuing() -> None:
    gateway, tokens = Gateway(), MemoryTokens(good_token("stale"))

    async def main(client: KisRest) -> None:
        await asyncio.sleep(10)
        tokens.token = good_token("token-1")
        await client.info(SAMSUNG)

    run(gateway, main, tokens)
    assert gateway.issue_times == []


def test_while_another_process_issues_nobody_else_does() -> None:
    gateway, tokens = Gateway(), MemoryTokens()

    async def main(client: KisRest) -> None:
        asked = asyncio.get_running_loop().create_task(client.info(SAMSUNG))
        await asyncio.sleep(5)
        tokens.token = good_token("token-1")
        tokens.release()
        await asked

    tokens.acquire()
    run(gateway, main, tokens)
    assert gateway.issue_times == []


def test_the_token_is_renewed_before_it_expires() -> None:
    gateway = Gateway()
    soon = AccessToken("token-1", EPOCH + timedelta(hours=1), EPOCH - timedelta(hours=23))

    async def main(client: KisRest) -> None:
        await asyncio.sleep(3600)
        await client.info(SAMSUNG)

    run(gateway, main, MemoryTokens(soon))
    assert len(gateway.issue_times) == 1
    assert 3000 <= gateway.issue_times[0] <= 3010


def test_too_soon_waits_a_minute() -> None:
    gateway = Gateway()
    gateway.next = [reply("access_rate_limited")]

    async def main(client: KisRest) -> None:
        await asyncio.sleep(70)
        await client.info(SAMSUNG)

    run(gateway, main, MemoryTokens())
    assert len(gateway.issue_times) == 2
    assert gateway.issue_times[1] - gateway.issue_times[0] >= 60


@pytest.mark.parametrize(
    ("trouble", "least"), [(NotSent("refused"), 1.0), (OutcomeUnknown("reset"), 60.0)]
)
def test_an_issue_that_may_have_happened_counts(trouble: BaseException, least: float) -> None:
    gateway = Gateway()
    gateway.next = [trouble]

    async def main(client: KisRest) -> None:
        await asyncio.sleep(70)

    run(gateway, main, MemoryTokens())
    gap = gateway.issue_times[1] - gateway.issue_times[0]
    assert least <= gap <= least + 10


def test_rejected_keys_end_the_client() -> None:
    gateway = Gateway()
    gateway.next = [reply("access_bad_key")]

    async def scenario() -> None:
        client = make_client(MemoryDoor(gateway), tokens=MemoryTokens())
        with pytest.raises(NeedsOperator, match="EGW00103"):
            await client.run()

    run_virtual(scenario())


def test_approval_keys_are_kept_and_renewed_on_request() -> None:
    gateway = Gateway()

    async def main(client: KisRest) -> None:
        first = await client.approval_key()
        assert await client.approval_key() == first
        renewed = await asyncio.gather(*(client.approval_key(renew=True) for _ in range(3)))
        assert len({first, *renewed}) == 2
        await asyncio.sleep(23 * 3600 + 1)
        assert await client.approval_key() not in {first, *renewed}

    run(gateway, main, MemoryTokens(good_token()))
