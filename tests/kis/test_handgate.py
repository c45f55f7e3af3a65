"""A script's orders before the daemon's own rules, by what an in-memory broker says."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.errors import OutcomeUnknown, Refused, RiskRefused
from daemon.core.events import TradingState
from daemon.core.reconcile import SETTLE
from daemon.core.values import InstrumentId, Region
from daemon.kis.caller import ApiCaller
from daemon.kis.handgate import HandRules
from daemon.kis.link import HttpRequest, HttpResponse, NotSent
from daemon.kis.scripting import UnifiedClient
from daemon.kis.ticker import PriceStream
from daemon.lab.mix import Fault, FaultMix
from daemon.lab.venue import Venue
from daemon.sim.mischief import is_balance, is_order_list
from daemon.sim.options import SimulatorOptions
from daemon.sim.replies import WireRequest
from tests.kis.bank import NEW_YORK, Bank, open_row, rules
from tests.kis.fakes import ACCOUNT, CREDENTIALS, MemoryDoor, MemoryTokens, make_client, running
from tests.kis.test_ticker import Feed
from tests.sim.rig import QUIET
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


def quickly(bank: Bank, *scripts: Script, **limits: Any) -> str:
    """The rule that refused the last of these orders, all before it having left."""

    async def one_after_another(client: UnifiedClient) -> str:
        for script in scripts[:-1]:
            await script(client)
        return await rule_of(client, scripts[-1])

    got, posted = play(bank, one_after_another, rules(**limits))
    assert len(posted) == len(scripts) - 1
    return str(got)


async def rule_of(client: UnifiedClient, script: Script) -> str:
    """The rule that refuses an order."""
    with pytest.raises(RiskRefused) as caught:
        await script(client)
    return caught.value.rule


def filled_row(number: str, shares: int, **more: str) -> dict[str, str]:
    """A purchase at 71,000 that traded in full."""
    told = {"ord_qty": str(shares), "ord_unpr": "71000", "rmn_qty": "0"}
    traded = {"tot_ccld_qty": str(shares), "tot_ccld_amt": str(shares * 71_000)}
    return open_row(number, **{**told, **traded, **more})


MILLION: dict[str, Any] = {"max_position_notional": Decimal(1_000_000)}
"""Of 14 shares at 71,000."""


@pytest.mark.parametrize(
    ("bank", "first", "second", "limits", "rule"),
    [
        (Bank(), buy(10), buy(5), MILLION, "position_notional"),
        (
            Bank(),
            buy(10, 70_000, "000660"),
            buy(5),
            {"max_account_exposure": Decimal(1_000_000)},
            "account_exposure",
        ),
        (
            Bank(),
            buy(10, None, "000660"),
            buy(1),
            {"max_account_exposure": Decimal(980_000)},
            "account_exposure",
        ),
        (
            Bank(),
            buy(10, 70_000, "000660"),
            buy(5),
            {"max_strategy_exposure": Decimal(1_000_000)},
            "strategy_exposure",
        ),
        (Bank(), buy(1), buy(2), {"max_open_orders": 1}, "open_orders"),
        (Bank(), buy(1), buy(2), {"max_strategy_open_orders": 1}, "strategy_open_orders"),
        (Bank(cash=1_000_000), buy(10), buy(5), {}, "cash"),
        (Bank(held={"005930": 10}), sell(10), sell(1), {}, "holding"),
    ],
)  # fmt: skip
def test_what_was_accepted_counts_before_the_list_shows_it(
    bank: Bank, first: Script, second: Script, limits: dict[str, Any], rule: str
) -> None:
    assert quickly(bank, first, second, **limits) == rule


def test_what_the_list_shows_counts_once() -> None:
    bank = Bank()

    async def script(client: UnifiedClient) -> str:
        await buy(7)(client)
        bank.rows = [open_row("123", ord_qty="7", ord_unpr="71000", rmn_qty="7")]
        await buy(6)(client)
        bank.rows.append(open_row("124", ord_qty="6", ord_unpr="71000", rmn_qty="0", cncl_yn="Y"))
        await buy(5)(client)
        return await rule_of(client, buy(3))

    assert play(bank, script, rules(**MILLION))[0] == "position_notional"


def test_a_list_that_falls_behind_again_hides_nothing() -> None:
    bank = Bank()

    async def script(client: UnifiedClient) -> str:
        await buy(10)(client)
        bank.rows = [open_row("123", ord_unpr="71000")]
        await buy(1)(client)
        bank.rows = []
        return await rule_of(client, buy(4))

    assert play(bank, script, rules(**MILLION))[0] == "position_notional"


def test_what_was_filled_counts_before_the_balance_shows_it_and_then_once() -> None:
    bank = Bank()

    async def script(client: UnifiedClient) -> list[str]:
        told = []
        await buy(10)(client)
        bank.rows = [filled_row("123", 10)]
        told.append(await rule_of(client, buy(5)))
        bank.rows = [open_row("123", ord_unpr="71000")]
        told.append(await rule_of(client, buy(5)))
        bank.rows = [filled_row("123", 10)]
        bank.held = {"005930": 10}
        await buy(4)(client)
        bank.held = {}
        told.append(await rule_of(client, buy(1)))
        return told

    got, _ = play(bank, script, rules(max_open_orders=2, **MILLION))
    assert got == ["position_notional"] * 3


def test_what_an_earlier_script_filled_counts_though_the_first_balance_lacked_it() -> None:
    bank = Bank(rows=[filled_row("7", 10)])

    async def script(client: UnifiedClient) -> list[str]:
        told = [await rule_of(client, buy(21))]
        bank.held = {"005930": 10}
        await buy(10)(client)
        bank.rows.append(filled_row("123", 10))
        for shown in (10, 20):
            bank.held = {"005930": shown}
            told.append(await rule_of(client, buy(10)))
        return told

    got, posted = play(bank, script, rules(max_position_notional=Decimal(1_420_000)))
    assert got == ["position_notional"] * 3
    assert posted == ["order-cash"]


def test_cash_is_spent_before_the_balance_shows_it() -> None:
    bank = Bank(cash=1_000_000)

    async def script(client: UnifiedClient) -> str:
        await buy(10)(client)
        bank.rows = [filled_row("123", 10)]
        return await rule_of(client, buy(5))

    assert play(bank, script)[0] == "cash"


def test_what_was_filled_is_no_open_order_while_the_balance_lags() -> None:
    bank = Bank()

    async def script(client: UnifiedClient) -> None:
        await buy(10)(client)
        bank.rows = [filled_row("123", 10)]
        await buy(4)(client)

    _, posted = play(bank, script, rules(max_open_orders=1, **MILLION))
    assert posted == ["order-cash"] * 2


def test_a_balance_that_is_ahead_of_the_list_counts_once_they_agree() -> None:
    bank = Bank()

    async def script(client: UnifiedClient) -> str:
        await buy(7)(client)
        bank.held = {"005930": 7}
        told = await rule_of(client, buy(1))
        bank.rows = [filled_row("123", 7)]
        await buy(7)(client)
        return told

    assert play(bank, script, rules(**MILLION))[0] == "position_notional"


def test_what_was_sold_is_held_no_more_before_the_balance_shows_it() -> None:
    bank = Bank(held={"005930": 10})

    async def script(client: UnifiedClient) -> list[str]:
        told = []
        await sell(6)(client)
        bank.rows = [filled_row("123", 6, sll_buy_dvsn_cd="01")]
        told.append(await rule_of(client, sell(5)))
        bank.held = {"005930": 4}
        told.append(await rule_of(client, sell(5)))
        await sell(4)(client)
        return told

    assert play(bank, script)[0] == ["holding", "holding"]


def test_what_was_filled_long_ago_is_told_by_the_balance_alone() -> None:
    bank = Bank()

    async def script(client: UnifiedClient) -> str:
        await buy(10)(client)
        bank.rows = [filled_row("123", 10)]
        await buy(1)(client)
        bank.rows.append(filled_row("124", 1))
        told = await rule_of(client, buy(5))
        await asyncio.sleep(SETTLE - 10)
        assert await rule_of(client, buy(5)) == told
        await asyncio.sleep(10)
        await buy(5)(client)
        return told

    assert play(bank, script, rules(**MILLION))[0] == "position_notional"


def test_an_accepted_order_that_is_never_listed_counts_until_its_day_is_over() -> None:
    async def script(client: UnifiedClient) -> str:
        await buy(10)(client)
        await asyncio.sleep(3 * 3600)
        told = await rule_of(client, buy(5))
        await asyncio.sleep(21 * 3600)
        await buy(5)(client)
        return told

    got, posted = play(Bank(), script, rules(**MILLION), start=EPOCH - timedelta(days=1))
    assert got == "position_notional"
    assert posted == ["order-cash"] * 2


def test_a_new_price_is_judged_with_what_no_list_shows_yet() -> None:
    bank = Bank(rows=[open_row("7")], cash=730_000 + 72_000)

    async def script(client: UnifiedClient) -> str:
        await buy(1)(client)
        return await rule_of(client, lambda client: client.modify_order("7", 73_500))

    assert play(bank, script)[0] == "cash"


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("shown", [True, False])
def test_a_new_price_counts_before_the_list_shows_it_or_must(answered: bool, shown: bool) -> None:
    bank = Bank(rows=[open_row("7")], cash=800_000)

    async def script(client: UnifiedClient) -> str:
        if answered:
            await client.modify_order("7", 73_000)
        else:
            bank.broken = {"order-rvsecncl": OutcomeUnknown("lost")}
            with pytest.raises(OutcomeUnknown):
                await client.modify_order("7", 73_000)
        told = await rule_of(client, buy(1))
        if answered and shown:
            bank.rows = [open_row("7", rmn_qty="0")]
            assert await rule_of(client, buy(1)) == told
            moved = open_row("123", orgn_odno="7", ord_unpr="71000", ord_tmd="090100")
            bank.rows.append(moved)
        else:
            await asyncio.sleep(SETTLE)
        await buy(1)(client)
        return told

    assert play(bank, script)[0] == "cash"


def test_a_reply_that_names_another_order_says_nothing_of_a_new_price() -> None:
    bank = Bank(rows=[open_row("7")])

    async def script(client: UnifiedClient) -> None:
        placed = await buy(1)(client)
        bank.placed -= 1
        with pytest.raises(OutcomeUnknown, match=f"number {placed.order_no} of another order"):
            await client.modify_order("7", 71_500)

    assert play(bank, script)[1] == ["order-cash", "order-rvsecncl"]


def test_a_new_price_that_was_refused_counts_nowhere() -> None:
    bank = Bank(rows=[open_row("7")], cash=800_000)

    async def script(client: UnifiedClient) -> None:
        bank.broken = {"order-rvsecncl": NotSent("no route")}
        with pytest.raises(Refused):
            await client.modify_order("7", 73_000)
        await buy(1)(client)

    assert play(bank, script)[1] == ["order-rvsecncl", "order-cash"]


def test_an_american_order_counts_before_the_list_shows_it() -> None:
    async def script(client: UnifiedClient) -> None:
        await client.place_order("nasdaq:AAPL", "BUY", 1, "200.00")
        await client.place_order("nasdaq:AAPL", "BUY", 2, "200.00")

    with pytest.raises(RiskRefused, match="OPEN_ORDERS"):
        play(Bank(), script, rules(max_open_orders=1), start=NEW_YORK)


@pytest.mark.parametrize("behind", ["list", "balance", "both"])
def test_no_limit_is_passed_at_a_broker_whose_books_lag(behind: str) -> None:
    """The simulator's own books, each told as it was ten seconds ago."""
    options = SimulatorOptions(
        start=EPOCH,
        listings=QUIET,
        app_key=CREDENTIALS.app_key,
        app_secret=CREDENTIALS.app_secret,
        token_interval=0.0,
    )
    most = Decimal(1_000_000)

    async def main() -> Decimal:
        venue = Venue(options, FaultMix(1, (Fault.LIST_LAGS, Fault.BALANCE_LAGS)), 1, step=0.5)
        venue.start()
        late = {"list": (is_order_list,), "balance": (is_balance,)}
        lags = late.get(behind, (is_order_list, is_balance))

        def answer(request: HttpRequest) -> HttpResponse:
            wire = WireRequest(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                headers=dict(request.headers),
                body=request.body,
            )
            lag = 10.0 if any(each(wire) for each in lags) else 0.0
            told, _ = venue.answer(wire, lag=lag)
            return HttpResponse(status=told.status, headers=dict(told.headers), body=told.body)

        door = MemoryDoor(answer)
        async with running(make_client(door, tokens=MemoryTokens())) as rest:
            client = UnifiedClient(
                broker=rest,
                caller=ApiCaller(rest),
                websocket=PriceStream(Feed()),
                clock=venue.clock,
                rules=lambda: rules(max_position_notional=most),
            )
            for _ in range(30):
                with suppress(RiskRefused):
                    await client.place_order("005930", "BUY", 2)
                await asyncio.sleep(1)
            price = (await client.get_price("005930")).price
        account = venue.broker.markets[0].exchange.accounts[ACCOUNT]
        return account.holdings["005930"].quantity * price

    assert most / 2 < run_virtual(main()) <= most
