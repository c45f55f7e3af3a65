"""A script's orders before the daemon's own rules, by what an in-memory broker says."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.errors import OutcomeUnknown, Refused, RiskRefused
from daemon.core.events import TradingState
from daemon.core.values import InstrumentId, Region
from daemon.kis.caller import ApiCaller
from daemon.kis.handgate import HandRules
from daemon.kis.link import NotSent
from daemon.kis.scripting import UnifiedClient
from daemon.kis.ticker import PriceStream
from tests.kis.bank import NEW_YORK, Bank, open_row, rules
from tests.kis.fakes import MemoryDoor, make_client, running
from tests.kis.test_ticker import Feed
from tests.support import EPOCH, VirtualClock, run_virtual

Script = Callable[[UnifiedClient], Coroutine[Any, Any, Any]]


def play(
    bank: Bank,
    script: Script,
    judged: HandRules | Callable[[], HandRules] | None = None,
    *,
    start: datetime = EPOCH,
) -> tuple[Any, list[str]]:
    """What the script got, and the ends of the paths of all that was posted."""
    door = MemoryDoor(bank)
    made = judged if callable(judged) else lambda: judged or rules()

    async def main() -> Any:
        async with running(make_client(door, regions=(Region.KR, Region.US), start=start)) as rest:
            client = UnifiedClient(
                broker=rest,
                caller=ApiCaller(rest),
                websocket=PriceStream(Feed()),
                clock=VirtualClock(start),
                rules=made,
            )
            return await script(client)

    got = run_virtual(main())
    posted = [each.path.rsplit("/", 1)[-1] for each in door.requests if each.method == "POST"]
    return got, posted


def refusal(bank: Bank, script: Script, *given: Any, **more: Any) -> str:
    """The rule that refused, with nothing sent."""
    before = bank.placed
    with pytest.raises(RiskRefused) as caught:
        play(bank, script, *given, **more)
    assert bank.placed == before
    assert caught.value.code == caught.value.rule.upper()
    return caught.value.rule


def buy(quantity: int = 1, price: Any = 71_000, ticker: str = "005930") -> Script:
    return lambda client: client.place_order(ticker, "BUY", quantity, price)


def sell(quantity: int = 1, price: Any = 71_000) -> Script:
    return lambda client: client.place_order("005930", "SELL", quantity, price)


def test_what_keeps_every_rule_leaves() -> None:
    _, posted = play(Bank(), buy())
    assert posted == ["order-cash"]
    _, posted = play(Bank(held={"005930": 3}), sell(3))
    assert posted == ["order-cash"]


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.FLATTENING])
def test_nothing_leaves_while_trading_is_halted(state: TradingState) -> None:
    for script in (buy(), sell()):
        assert refusal(Bank(held={"005930": 5}), script, rules(state, "lunch")) == "halted"


def test_only_sales_of_what_is_held_leave_while_exposure_may_only_fall() -> None:
    strict = rules(TradingState.REDUCE_ONLY, "a loss")
    assert refusal(Bank(), buy(), strict) == "reduce_only"
    assert refusal(Bank(held={"005930": 2}), sell(3), strict) == "holding"
    _, posted = play(Bank(held={"005930": 3}), sell(3), strict)
    assert posted == ["order-cash"]


def test_a_halt_stops_what_was_judged_already_and_has_not_left() -> None:
    asked = 0

    def turning() -> tuple[TradingState, str]:
        nonlocal asked
        asked += 1
        return (TradingState.RUNNING if asked < 3 else TradingState.HALTED), "now"

    judged = rules()
    strict = HandRules(
        limits=judged.limits, calendars=judged.calendars, rates=judged.rates, state=turning
    )
    assert refusal(Bank(), buy(), strict) == "halted"
    assert asked == 3


@pytest.mark.parametrize(
    ("bank", "script", "limits", "rule"),
    [
        (Bank(), buy(price=71_050), {}, "price_step"),
        (Bank(), buy(price=75_000), {}, "price_collar"),
        (Bank(), buy(price=93_000), {}, "price_limit"),
        (Bank(), buy(101, 70_000), {}, "order_quantity"),
        (Bank(), buy(72), {}, "order_notional"),
        (Bank(), buy(1, None), {"max_order_notional": Decimal(90_000)}, "order_notional"),
        (Bank(cash=70_000), buy(), {}, "cash"),
        (Bank(), sell(), {}, "holding"),
        (Bank(held={"005930": 100}), buy(50), {}, "position_notional"),
        (
            Bank(held={"005930": 50}),
            buy(ticker="000660", price=70_000),
            {"max_account_exposure": Decimal(3_500_000)},
            "account_exposure",
        ),
        (
            Bank(),
            buy(),
            {"denied": frozenset({InstrumentId("krx:005930")})},
            "denied_instrument",
        ),
        (
            Bank(),
            buy(),
            {"allowed": frozenset({InstrumentId("krx:000660")})},
            "denied_instrument",
        ),
        (Bank(rows=[open_row("7")], cash=770_000), buy(), {}, "cash"),
        (Bank(rows=[open_row("7")]), buy(), {"max_open_orders": 1}, "open_orders"),
        (
            Bank(rows=[open_row("7", ord_dvsn_cd="01", ord_unpr="0")], cash=990_000),
            buy(),
            {},
            "cash",
        ),
        (
            Bank(rows=[open_row("7", sll_buy_dvsn_cd="01")], held={"005930": 10}),
            sell(),
            {},
            "holding",
        ),
    ],
)  # fmt: skip
def test_the_daemons_rules_are_kept(
    bank: Bank, script: Script, limits: dict[str, Any], rule: str
) -> None:
    assert refusal(bank, script, rules(**limits)) == rule


def test_hours_are_kept() -> None:
    assert refusal(Bank(), buy(), start=NEW_YORK) == "gate_closed"

    def american(client: UnifiedClient) -> Any:
        return client.place_order("nasdaq:AAPL", "BUY", 1, "200.00")

    assert refusal(Bank(), american) == "gate_closed"
    _, posted = play(Bank(), american, start=NEW_YORK)
    assert posted == ["order"]


@pytest.mark.parametrize(
    ("price", "rule"),
    [("200.001", "price_step"), ("220.00", "price_collar"), ("205.00", "order_notional")],
)
def test_american_orders_keep_the_rules_in_dollars(price: str, rule: str) -> None:
    def buy_ten(client: UnifiedClient) -> Any:
        return client.place_order("nasdaq:AAPL", "BUY", 10, price)

    strict = rules(max_order_notional=Decimal(3_000_000))
    assert refusal(Bank(), buy_ten, strict, start=NEW_YORK) == rule


def test_without_the_facts_nothing_leaves() -> None:
    for path in ("inquire-balance", "inquire-daily-ccld", "inquire-price"):
        bank = Bank(broken={path: NotSent("no route")})
        with pytest.raises(Refused):
            play(bank, buy())
        assert bank.placed == 0, path


def test_orders_of_one_script_are_judged_one_after_another() -> None:
    async def at_once(client: UnifiedClient) -> list[Any]:
        orders = [buy(1, price)(client) for price in (71_000, 71_100, 71_200)]
        return await asyncio.gather(*orders, return_exceptions=True)

    got, posted = play(Bank(), at_once, rules(max_orders_per_minute=2))
    assert posted == ["order-cash"] * 2
    assert [each.rule for each in got if isinstance(each, RiskRefused)] == ["orders_per_minute"]


def test_the_same_order_at_once_is_a_mistake() -> None:
    async def twice(client: UnifiedClient) -> None:
        await buy()(client)
        await buy()(client)

    with pytest.raises(RiskRefused, match="DUPLICATE"):
        play(Bank(), twice, rules(duplicate_window_seconds=60))


def test_an_order_of_unknown_outcome_bars_its_instrument_until_the_list_shows_it() -> None:
    bank = Bank(broken={"order-cash": OutcomeUnknown("lost")})
    seen: list[str] = []

    async def script(client: UnifiedClient) -> None:
        with pytest.raises(OutcomeUnknown):
            await buy()(client)
        bank.broken = {}
        with pytest.raises(RiskRefused) as caught:
            await buy(2)(client)
        seen.append(caught.value.rule)
        await buy(1, 71_000, "000660")(client)
        bank.rows.append(open_row("9", ord_qty="1", rmn_qty="1", ord_unpr="71000"))
        await buy(2)(client)

    _, posted = play(bank, script)
    assert seen == ["in_doubt"]
    assert posted == ["order-cash"] * 3


def test_a_new_price_keeps_the_rules_and_a_cancel_none() -> None:
    async def move(client: UnifiedClient, price: int) -> None:
        await client.modify_order("7", price)

    bank = Bank(rows=[open_row("7")])
    assert refusal(bank, lambda client: move(client, 75_000)) == "price_collar"
    halted = rules(TradingState.HALTED, "lunch")
    assert refusal(bank, lambda client: move(client, 71_000), halted) == "halted"
    _, posted = play(bank, lambda client: move(client, 71_000))
    assert posted == ["order-rvsecncl"]
    _, posted = play(bank, lambda client: client.cancel_order("7"), halted)
    assert posted == ["order-rvsecncl"]
