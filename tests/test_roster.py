"""Strategies that follow the settings while the daemon trades; people's acts: test_control."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.config import Settings
from daemon.control import Operators
from daemon.core.acts import OperatorAnswered, OperatorAsked, StrategySuspended
from tests.test_control import Bidder, Idle, of_kind, run, settings_for, trading
from tests.test_log import restored


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """A daemon configures the log."""
    with restored():
        yield


def test_the_strategies_follow_the_settings_while_it_trades(tmp_path: Path) -> None:
    both = settings_for(tmp_path, Bidder, Idle)
    [bidder, idle] = both.strategies

    def named(*items: Any) -> Settings:
        return both.model_copy(update={"strategies": items})

    now = both
    operators = Operators(both, lambda: now)

    async def follow(*items: Any) -> list[tuple[str, str, str]]:
        nonlocal now
        now = named(*items)
        return [(each.strategy, each.do, each.problem) for each in await operators.follow(now)]

    async def scenario() -> None:
        assert await follow(idle) == [], "nobody is served yet"
        async with trading(both, operators) as asking:

            async def states() -> dict[str, str]:
                rows = (await asking.see("strategies"))["strategies"]
                return {each["id"]: each["state"] for each in rows}

            await asking.until("orders")
            assert await follow(bidder, idle) == []
            assert await follow(idle) == [("Bidder", "stop", "")]
            assert await states() == {"Idle": "running"}
            await asking.until("orders", 0, at_most=0)
            louder = idle.model_copy(update={"priority": 3})
            third = idle.model_copy(update={"id": "third"})
            done = await follow(louder, third, bidder)
            assert done == [("Idle", "reload", ""), ("third", "start", ""), ("Bidder", "start", "")]
            assert list(await states()) == ["Idle", "third", "Bidder"]
            assert (await asking.see("strategies"))["strategies"][0]["priority"] == 3

            broken = third.model_copy(update={"class_": "nowhere:Nothing"})
            american = idle.model_copy(update={"id": "us", "instruments": ("nasdaq:AAPL",)})
            for _ in range(2):
                found = await follow(louder, broken, bidder, american)
                assert [each[:2] for each in found] == [("third", "reload"), ("us", "start")]
                assert "nowhere" in found[0][2]
                assert "outside the markets" in found[1][2]
            assert (await states())["third"] == "running", "the one before goes on"

            await asking.act("strategies", strategy="third", do="stop")
            changed = third.model_copy(update={"priority": 5})
            assert await follow(louder, changed, bidder) == [("third", "reload", "")]
            assert (await states())["third"] == "stopped", "a person stopped it"
            await asking.act("strategies", strategy="third", do="start")
            assert (await states())["third"] in ("waiting", "running")
            [row] = [
                each
                for each in (await asking.see("strategies"))["strategies"]
                if each["id"] == "third"
            ]
            assert row["priority"] == 5

    run(scenario())
    asked = [each for each in of_kind(both, OperatorAsked) if each.channel == "signal"]
    assert ("strategies stop", "Bidder") in [(each.act, each.subject) for each in asked]
    assert ("strategies start", "Bidder") in [(each.act, each.subject) for each in asked]
    answers = {each.request: each.done for each in of_kind(both, OperatorAnswered)}
    assert [answers[each.request] for each in asked].count(False) == 4
    assert [each.strategy for each in of_kind(both, StrategySuspended)] == ["third"]
