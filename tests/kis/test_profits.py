"""The broker's own profit and loss: asked for, read, and tied out against a day of ours."""

from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from daemon.core.calendar import MarketCalendar
from daemon.core.costs import CostSchedule
from daemon.core.errors import BadData
from daemon.core.events import Fill, FillSource, OrderCreated, OrderFilled, OrderIntent, OrderKind
from daemon.core.profit import ProfitBook
from daemon.core.tieout import BrokerProfit, Reading, tie_out
from daemon.core.values import (
    AccountId,
    InstrumentId,
    OrderId,
    Region,
    Side,
    StrategyId,
    instrument_id,
)
from daemon.kis import profits
from daemon.kis.listed import Listed
from daemon.kis.replies import Reply
from daemon.kis.spec import Api, Environment
from daemon.sim.charges import AmericanCharges, Charges
from daemon.sim.facts import OrderRequest
from daemon.sim.market import Market as SimulatedMarket
from tests.kis.fakes import CREDENTIALS, SAMSUNG, sample
from tests.sim.rig import DAY, OPEN, Rig

OWNER = "12345678-01"
FIRST, LAST = date(2026, 7, 10), date(2026, 7, 13)
HOME: dict[str, Any] = sample("rest", "period_trade_profit")["body"]
ABROAD: dict[str, Any] = sample("rest", "period_profit_us")["body"]
HOME_ROW: dict[str, str] = HOME["output1"][0]
ABROAD_ROW: dict[str, str] = ABROAD["output1"][0]


def home(*rows: dict[str, str], **totals: str) -> Reply:
    return Reply({"output1": list(rows), "output2": totals}, "D")


def test_each_region_has_an_inquiry_of_its_own() -> None:
    at_home = profits.call(Region.KR, FIRST, LAST, CREDENTIALS)
    abroad = profits.call(Region.US, FIRST, LAST, CREDENTIALS)
    assert at_home is not None
    assert abroad is not None
    assert (at_home.api, abroad.api) == (Api.TRADE_PROFIT, Api.OVERSEAS_PROFIT)
    asked, asked_abroad = dict(at_home.query), dict(abroad.query)
    assert (asked["CANO"], asked["INQR_STRT_DT"], asked["INQR_END_DT"]) == (
        "12345678",
        "20260710",
        "20260713",
    )
    assert (asked_abroad["CRCY_CD"], asked_abroad["WCRC_FRCR_DVSN_CD"]) == ("USD", "01")
    assert profits.call(Region.JP, FIRST, LAST, CREDENTIALS) is None


@pytest.mark.parametrize(
    ("region", "name"), [(Region.KR, "period_trade_profit"), (Region.US, "period_profit_us")]
)
def test_every_parameter_of_the_catalogue_is_sent(region: Region, name: str) -> None:
    asked = profits.call(region, FIRST, FIRST, CREDENTIALS)
    request = sample("rest", name)["request"]
    assert asked is not None
    assert dict(asked.query) == request["params"]
    assert asked.api.path == request["path"]
    assert asked.api.tr_id(Environment.REAL) == request["tr_id"]
    assert asked.api.tr_id(Environment.VIRTUAL) == ""


def test_a_row_at_home() -> None:
    assert profits.read([Reply(HOME, "D")], Region.KR, Listed(), ()) == [
        BrokerProfit(
            day=FIRST,
            instrument=SAMSUNG,
            bought=10,
            spent=Decimal(700_000),
            sold=4,
            proceeds=Decimal(284_000),
            costs=Decimal(706),
            realised=Decimal(3_294),
        )
    ]


def test_a_row_abroad_is_of_the_instrument_we_know_by_its_symbol() -> None:
    page = Reply(ABROAD, "D")
    (row,) = profits.read([page], Region.US, Listed(), ())
    assert row.instrument == "nasdaq:AAPL"
    assert (row.sold, row.bought, row.spent) == (10, None, None)
    assert [row.proceeds, row.costs, row.realised] == [
        Decimal("2320.00000"),
        Decimal("5.85"),
        Decimal("13.15000"),
    ]
    berkshire = Reply({"output1": [{**ABROAD_ROW, "ovrs_pdno": "BRK/B"}]}, "D")
    listed = Listed()
    listed.know(Region.US, [InstrumentId("nyse:BRK/B")])
    (row,) = profits.read([berkshire], Region.US, listed, ())
    assert row.instrument == "nyse:BRK/B"
    listed.learn(Region.US, [InstrumentId("amex:BRK/B")])
    for traded in ("nyse:BRK/B", "nasdaq:BRK/B"):
        # It is held against that day, wherever the share is listed by now.
        (row,) = profits.read([berkshire], Region.US, listed, [InstrumentId(traded)])
        assert row.instrument == traded


@pytest.mark.parametrize(
    "body",
    [
        {"output1": {"ovrs_pdno": ""}},
        {"output1": [{"ovrs_pdno": "", "slcl_qty": ""}]},
        {"msg_cd": "KIOK0560"},
    ],
)
def test_nothing_abroad_comes_in_several_shapes(body: dict[str, Any]) -> None:
    assert profits.read([Reply(body, "D")], Region.US, Listed(), ()) == []


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({**HOME_ROW, "fee": ""}, "fee"),
        ({**HOME_ROW, "sll_qty": "1.5"}, "sll_qty"),
        ({**HOME_ROW, "trad_dt": "20261332"}, "trad_dt"),
        ({**HOME_ROW, "pdno": "??"}, "pdno"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(row: dict[str, str], field: str) -> None:
    with pytest.raises(BadData, match=field):
        profits.read([home(row)], Region.KR, Listed(), ())


@pytest.mark.parametrize(
    ("change", "field"), [({"ovrs_excg_cd": "XXXX"}, "ovrs_excg_cd"), ({"ovrs_pdno": "?"}, "pdno")]
)
def test_an_unknown_listing_abroad_is_named(change: dict[str, str], field: str) -> None:
    with pytest.raises(BadData, match=field):
        profits.read([Reply({"output1": [{**ABROAD_ROW, **change}]}, "D")], Region.US, Listed(), ())


def test_rows_missing_from_their_totals_are_no_answer() -> None:
    with pytest.raises(BadData, match="rows add up to 284000 of 900000"):
        profits.read([home(HOME_ROW, sll_tr_amt_smtl="900000")], Region.KR, Listed(), ())
    assert profits.read([reply_of_nothing()], Region.KR, Listed(), ()) == []


def reply_of_nothing() -> Reply:
    return Reply({"msg_cd": "KIOK0560", "output1": [], "output2": {}}, "D")


def our_day(market: SimulatedMarket, region: Region) -> ProfitBook:
    """What the daemon would know of a simulated day: its orders and their amounts, no charges."""
    days = {region: MarketCalendar(region=region)}
    book = ProfitBook(CostSchedule(days), days)
    for number, order in sorted(market.exchange.orders.items()):
        request, made = order.request, OrderId(f"20261012-{number:04}")
        instrument = instrument_id(market.listings[request.code].market, request.code)
        wish = OrderIntent(
            account=AccountId(request.account),
            strategy=StrategyId("test"),
            instrument=instrument,
            side=request.side,
            quantity=request.quantity,
            kind=OrderKind.MARKET,
            limit=None,
        )
        fill = Fill(
            instrument=instrument,
            side=request.side,
            quantity=order.filled,
            notional=order.notional,
            source=FillSource.NOTICE,
            exchange_time=order.at,
        )
        book.apply(OrderCreated(order=made, intent=wish, at=order.at))
        book.apply(OrderFilled(order=made, fill=fill, at=order.at))
    return book


def traded_at_random(rig: Rig, market: SimulatedMarket, seed: int) -> None:
    """Thirty market orders that trade at once, never selling what is not held."""
    random, held = Random(seed), Counter[str]()
    for _ in range(30):
        rig.pass_time(random.uniform(1, 60))
        code = random.choice(sorted(market.listings))
        wanted = random.randint(1, 300)
        side = Side.SELL if held[code] and random.random() < 0.5 else Side.BUY
        if side is Side.SELL:
            wanted = min(wanted, held[code])
        held[code] += side.sign * wanted
        price = None
        if market.rules.region is Region.US:
            best = market.view(code).asks[0] if side is Side.BUY else market.view(code).bids[0]
            price = (best.price * (1 + side.sign * Decimal("0.05"))).quantize(Decimal("0.01"))
        order = market.exchange.place(
            OrderRequest(account=OWNER, code=code, side=side, quantity=wanted, price=price), rig.now
        )
        assert order.remaining == 0, "it trades at once"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("region", "start", "reading"),
    [
        (Region.KR, OPEN, Reading.NET),
        # Ten in the morning in New York.
        (Region.US, OPEN.replace(hour=23), Reading.NET_OF_SALE),
    ],
)
def test_a_simulated_day_ties_out_to_the_won_and_the_cent(
    region: Region, start: datetime, reading: Reading, seed: int
) -> None:
    """Two ways to count the same day: the simulator's own, and the daemon's from amounts alone."""
    rig = Rig(
        start=start,
        seed=seed,
        cash=Decimal(10**10),
        cash_usd=Decimal(10**8),
        regions=frozenset({Region.KR, Region.US}),
        charges=Charges(),
        american_charges=AmericanCharges(),
    )
    market = rig.broker.market if region is Region.KR else rig.broker.overseas
    traded_at_random(rig, market, seed)

    book = our_day(market, region)
    ours = book.of_day(region, DAY)
    asked = profits.call(region, DAY, DAY, CREDENTIALS)
    assert asked is not None
    said = rig.get(asked.api.path, asked.api.tr_id(Environment.REAL), **dict(asked.query))
    theirs = profits.read([Reply(said.body, said.tr_cont)], region, Listed(), ours)
    abroad = region is not Region.KR
    result = tie_out(DAY, ours, theirs, book.schedule, sales_only=abroad)
    assert result.differences == ()
    sold = {each for each, trades in ours.items() if trades.sold}
    assert set(result.compared) == (set(ours) if region is Region.KR else sold)
    assert len(sold) > 1
    assert result.rounding == 0, "both round each order"
    assert result.readings == {reading}

    (profit,) = book.of_account({}).values()
    account = market.exchange.accounts[OWNER]
    assert profit.costs.total == account.charged_today > 0
    before = rig.options.cash if region is Region.KR else rig.options.cash_usd
    assert account.cash == before + book.settlements.total(region.currency)
