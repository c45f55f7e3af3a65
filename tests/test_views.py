"""Views of a desk in virtual time; those of a whole daemon are in test_control."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from daemon.kis.pump import RestStats
from daemon.ops.control import ControlError, View
from daemon.ports import AccessToken, Clock
from daemon.views import MOST_ORDERS, DeskViews, told
from daemon.wiring import Session
from tests.builders import ACCOUNT, HYNIX, SAMSUNG
from tests.engine.paper import PRICE, PaperBroker
from tests.engine.world import World, run, wish, world
from tests.support import VirtualClock


@dataclass
class Requests:
    """What views read of the broker's door."""

    account_id: str = ACCOUNT
    waiting: int = 3
    stats: RestStats = field(default_factory=lambda: RestStats(requests=7, refusals={"SLOW": 1}))


@dataclass
class Asked:
    """What views read of a session."""

    clock: Clock
    broker: Requests = field(default_factory=Requests)
    token: AccessToken | None = None


def views(w: World, session: Asked) -> DeskViews:
    return DeskViews(w.desk, cast(Session, session), mode="sim", pace=10, rate=lambda: 2)


def test_a_desk_is_told_by_its_books_gate_and_orders() -> None:
    async def scenario() -> None:
        broker = PaperBroker(VirtualClock(), fill_at_once=False)
        async with world(broker=broker) as w:
            seen = views(w, Asked(w.clock))
            await w.submit(wish(10), wish(3, instrument=HYNIX))
            await asyncio.sleep(5)
            status = seen.see(View.STATUS, {})
            assert (status["open_orders"], status["gate_open"]) == (2, True)
            assert status["uptime_seconds"] >= 5
            assert "*" in status["account"]
            rows = seen.see(View.ORDERS, {})["orders"]
            assert [each["instrument"] for each in rows] == [SAMSUNG, HYNIX]
            assert rows[0]["price"] == PRICE
            assert rows[0] == told(w.order(1))
            await w.desk.executor.cancel([w.order(1).id])
            await asyncio.sleep(30)
            assert len(seen.see(View.ORDERS, {"scope": "open"})["orders"]) == 1
            day: dict[str, Any] = dict(seen.see(View.ORDERS, {"scope": "day"}))
            assert len(day["orders"]) == 2
            assert day["left_off"] == 0 <= MOST_ORDERS
            closed = next(each for each in day["orders"] if each["state"] == "cancelled")
            assert closed["remaining"] == 0
            await asyncio.sleep(86_400)
            assert seen.see(View.ORDERS, {"scope": "day"})["orders"] == []

    run(scenario())


def test_the_budget_and_the_token_are_told_without_the_token() -> None:
    async def scenario() -> None:
        async with world() as w:
            session = Asked(w.clock)
            seen = views(w, session)
            budget = seen.see(View.BUDGET, {})
            assert (budget["per_second"], budget["used_last_second"]) == (10, 2)
            assert (budget["waiting"], budget["requests"]) == (3, 7)
            assert budget["refusals"] == {"SLOW": 1}
            assert seen.see(View.TOKEN, {}) == {"present": False, "valid": False}
            now = w.clock.now()
            session.token = AccessToken("s3cr3t", now + timedelta(hours=1), now)
            told_of = seen.see(View.TOKEN, {})
            assert (told_of["valid"], told_of["left_seconds"]) == (True, 3_600)
            assert "s3cr3t" not in str(told_of)
            await asyncio.sleep(3_601)
            assert not seen.see(View.TOKEN, {})["valid"]

    run(scenario())


def test_a_question_that_is_not_known_is_told() -> None:
    async def scenario() -> None:
        async with world() as w:
            seen = views(w, Asked(w.clock))
            with pytest.raises(ControlError) as caught:
                seen.see(View.BUDGET, {"scope": "day"})
            assert (caught.value.code, caught.value.field) == ("UNKNOWN_FIELD", "scope")

    run(scenario())
