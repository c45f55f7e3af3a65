"""The broker's own profit and loss: asked for, read, and tied out against a day of ours."""

from collections import Counter
from datetime import date
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
    Currency,
    InstrumentId,
    Market,
    OrderId,
    Region,
    StrategyId,
    instrument_id,
)
from daemon.kis import profits
from daemon.kis.replies import Reply
from daemon.kis.spec import Api, Environment
from daemon.sim.charges import Charges
from tests.kis.fakes import CREDENTIALS, SAMSUNG, sample
from tests.sim.rig import DAY, Rig

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
    assert profits.read([Reply(HOME, "D")], Region.KR) == [
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
    (row,) = profits.read([page], Region.US)
    assert row.instrument == "nasdaq:AAPL"
    assert (row.sold, row.bought, row.sales_only) == (10, None, True)
    assert [row.proceeds, row.costs, row.realised] == [
        Decimal("2320.00000"),
        Decimal("5.85"),
        Decimal("13.15000"),
    ]
    berkshire = Reply({"output1": [{**ABROAD_ROW, "ovrs_pdno": "BRK/B"}]}, "D")
    known = (InstrumentId("nyse:BRK/B"), SAMSUNG)
    (row,) = profits.read([berkshire], Region.US, known)
    assert row.instrument == "nyse:BRK/B"


@pytest.mark.parametrize(
    "body",
    [
        {"output1": {"ovrs_pdno": ""}},
        {"output1": [{"ovrs_pdno": "", "slcl_qty": ""}]},
        {"msg_cd": "KIOK0560"},
    ],
)
def test_nothing_abroad_comes_in_several_shapes(body: dict[str, Any]) -> None:
    assert profits.read([Reply(body, "D")], Region.US) == []


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
        profits.read([home(row)], Region.KR)


@pytest.mark.parametrize(
    ("change", "field"), [({"ovrs_excg_cd": "XXXX"}, "ovrs_excg_cd"), ({"ovrs_pdno": "?"}, "pdno")]
)
def test_an_unknown_listing_abroad_is_named(change: dict[str, str], field: str) -> None:
    with pytest.raises(BadData, match=field):
        profits.read([Reply({"output1": [{**ABROAD_ROW, **change}]}, "D")], Region.US)


def test_rows_missing_from_their_totals_are_no_answer() -> None:
    with pytest.raises(BadData, match="rows add up to 284000 of 900000"):
        profits.read([home(HOME_ROW, sll_tr_amt_smtl="900000")], Region.KR)
    assert profits.read([reply_of_nothing()], Region.KR) == []


def reply_of_nothing() -> Reply:
    return Reply({"msg_cd": "KIOK0560", "output1": [], "output2": {}}, "D")


def our_day(rig: Rig, days: MarketCalendar) -> ProfitBook:
    """What the daemon would know of a simulated day: its orders and their amounts, no charges."""
    book = ProfitBook(CostSchedule({Region.KR: days}), {Region.KR: days})
    for number, order in sorted(rig.broker.market.exchange.orders.items()):
        request, made = order.request, OrderId(f"20261012-{number:04}")
        instrument = instrument_id(Market.KRX, request.code)
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


@pytest.mark.parametrize("seed", range(3))
def test_a_simulated_day_ties_out_to_the_won(seed: int) -> None:
    """Two ways to count the same day: the simulator's own, and the daemon's from amounts alone."""
    rig = Rig(charges=Charges(), seed=seed, cash=10**10)
    random = Random(seed)
    held: Counter[str] = Counter()
    for _ in range(30):
        rig.pass_time(random.uniform(1, 60))
        code = random.choice(sorted(rig.broker.market.listings))
        wanted = random.randint(1, 300)
        if held[code] and random.random() < 0.5:
            wanted = min(wanted, held[code])
            rig.sell(wanted, code=code)
            held[code] -= wanted
        else:
            rig.buy(wanted, code=code)
            held[code] += wanted
    orders = rig.broker.market.exchange.orders.values()
    assert all(order.remaining == 0 for order in orders), "market orders trade at once"

    asked = profits.call(Region.KR, DAY, DAY, CREDENTIALS)
    assert asked is not None
    said = rig.get(asked.api.path, asked.api.tr_id(Environment.REAL), **dict(asked.query))
    theirs = profits.read([Reply(said.body, said.tr_cont)], Region.KR)
    days = MarketCalendar()
    book = our_day(rig, days)
    result = tie_out(DAY, book.of_day(Region.KR, DAY), theirs, CostSchedule({Region.KR: days}))
    assert result.differences == ()
    assert len(result.compared) == len(rig.broker.market.listings)
    assert result.rounding == 0, "both round each order"
    assert result.readings == {Reading.NET}

    (profit,) = book.of_account({}).values()
    account = rig.broker.market.exchange.accounts["12345678-01"]
    assert profit.costs.total == account.charged_today > 0
    assert account.cash == 10**10 + book.settlements.total(Currency.KRW)
