"""What the account check shows, from a broker that answers at once."""

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from daemon.account_check import AccountView, Seen, Unseen, as_json, look, show
from daemon.core.calendar import MarketCalendar
from daemon.core.errors import OutcomeUnknown, Refused
from daemon.core.events import AccountReported, Holding
from daemon.core.values import AccountId, BrokerRef, Currency, InstrumentId, Region, Side
from daemon.core.witness import BrokerOrder
from daemon.ports import AccessToken

NOW = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
SAMSUNG, APPLE = InstrumentId("krx:005930"), InstrumentId("nasdaq:AAPL")


def order(*, remaining: int, limit: Decimal | None = Decimal(70000)) -> BrokerOrder:
    return BrokerOrder(
        refs=(BrokerRef(day=date(2026, 11, 2), branch="1", number="0000123"),),
        instrument=SAMSUNG,
        side=Side.BUY,
        quantity=1000,
        limit=limit,
        first_limit=limit,
        rooted=True,
        filled=1000 - remaining,
        notional=Decimal(0),
        remaining=remaining,
        cancelled=0,
        rejected=0,
        ordered_at=NOW,
    )


class FakeBroker:
    account_id = AccountId("12345678-01")

    def __init__(self, *, broken: bool = False, dollars: bool = True) -> None:
        self.broken = broken
        self.dollars = dollars
        self.asked_since: date | None = None

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported:
        if self.broken:
            raise OutcomeUnknown("no answer")
        if regions == (Region.US,):
            if not self.dollars:
                raise Refused("APBK", "no overseas trading has been agreed upon")
            held: tuple[Holding, ...] = (
                Holding(instrument=APPLE, quantity=3, cost=Decimal("600.75")),
            )
            cash = {Currency.USD: Decimal("1234.5")}
            unbooked = {Region.US: date(2026, 11, 1)}
        else:
            unbooked = {}
            held = (
                Holding(instrument=SAMSUNG, quantity=1500, cost=Decimal(105_000_500)),
                Holding(instrument=InstrumentId("krx:000660"), quantity=3, cost=Decimal(600_000)),
            )
            cash = {Currency.KRW: Decimal(1234567)}
        return AccountReported(
            account=self.account_id, cash=cash, holdings=held, at=NOW, unbooked=unbooked
        )

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        self.asked_since = since
        if regions == (Region.US,):
            return [replace(order(remaining=5, limit=Decimal("201.50")), instrument=APPLE)]
        return [order(remaining=400), order(remaining=0), order(remaining=7, limit=None)]


class FakeClock:
    def now(self) -> datetime:
        return NOW

    known = True
    sure_since = float("-inf")

    def monotonic(self) -> float:
        return 0.0


class FakeSession:
    def __init__(
        self, *, broken: bool = False, dollars: bool = True, token: AccessToken | None = None
    ) -> None:
        self.broker = FakeBroker(broken=broken, dollars=dollars)
        self.clock = FakeClock()
        self.calendar = MarketCalendar()
        self.token = token


BOTH = (Region.KR, Region.US)


def view(token: AccessToken | None = None, *, dollars: bool = True) -> AccountView:
    session = FakeSession(token=token, dollars=dollars)
    seen = asyncio.run(look(session, regions=BOTH))
    assert session.broker.asked_since == date(2026, 11, 2)
    return seen


def shown(*seen: Seen) -> str:
    stream = io.StringIO()
    show("virtual", seen, Console(file=stream, width=100))
    return stream.getvalue()


def described(*seen: Seen) -> list[dict[str, Any]]:
    told = json.loads(as_json("virtual", seen))
    assert told["mode"] == "virtual"
    accounts: list[dict[str, Any]] = told["accounts"]
    return accounts


TOKEN = AccessToken("secret-token-value", NOW + timedelta(hours=5, minutes=7), NOW)


def test_the_table_has_korean_headings_and_separated_thousands() -> None:
    text = shown(view(TOKEN))
    for words in (
        *("예수금", "보유 종목", "미체결 주문", "1,234,567 KRW", "005930", "1,500"),
        *("105,000,500", "70,000.33", "시장가", "매수", "12****78-01", "2026-11-02 10:30:00 KST"),
        *("5시간 7분 남음", "1,234.50 USD", "AAPL", "600.75", "200.25", "201.50"),
    ):
        assert words in text
    assert "12345678" not in text
    assert "secret-token-value" not in text


def test_numbers_are_right_aligned() -> None:
    lines = [line.rstrip() for line in shown(view()).splitlines() if line.strip().startswith("00")]
    assert len({len(line) for line in lines[:2]}) == 1


@pytest.mark.parametrize(
    ("token", "words"),
    [(None, "없음 none"), (TOKEN._replace(expires_at=NOW - timedelta(seconds=1)), "만료 expired")],
)
def test_a_token_that_is_no_use_is_told(token: AccessToken | None, words: str) -> None:
    assert words in shown(view(token))


def test_json_rounds_nothing_and_leaves_out_what_is_done() -> None:
    (content,) = described(view(TOKEN))
    assert content["cash"] == {"KRW": "1234567", "USD": "1234.5"}
    assert content["account"] == "12****78-01"
    assert [(each["code"], each["market"]) for each in content["holdings"]] == [
        ("000660", "krx"),
        ("005930", "krx"),
        ("AAPL", "nasdaq"),
    ]
    assert [each["remaining"] for each in content["open_orders"]] == [400, 7, 5]
    assert [each["limit"] for each in content["open_orders"]] == ["70000", None, "201.50"]
    assert content["token"]["seconds_left"] == 5 * 3600 + 7 * 60
    assert content["problems"] == {}
    (bare,) = described(view())
    assert bare["token"] == {"expires_at": None, "seconds_left": None}


def test_trades_that_the_broker_books_late_may_be_missing_and_that_is_told() -> None:
    seen = view(TOKEN)
    assert described(seen)[0]["unbooked"] == {"US": "2026-11-01"}
    assert "11-01 체결은 아직 없을 수 있음" in shown(seen)
    (korean,) = described(view(TOKEN, dollars=False))
    assert korean["unbooked"] == {}


def test_a_country_that_cannot_be_had_does_not_hide_the_other() -> None:
    seen = view(dollars=False)
    assert seen.cash == {Currency.KRW: Decimal(1234567)}
    assert len(seen.holdings) == 2
    assert [type(each) for each in seen.errors] == [Refused]
    assert "no overseas trading" in shown(seen)
    (content,) = described(seen)
    assert list(content["problems"]) == ["US"]


def test_an_account_that_cannot_be_had_does_not_hide_the_other() -> None:
    gone = Unseen(account="87****21-01", error=OutcomeUnknown("no answer"))
    text = shown(gone, view())
    assert text.index("87****21-01") < text.index("no answer") < text.index("12****78-01")
    assert [each.get("problem") for each in described(gone, view())] == ["no answer", None]


def test_an_answer_that_cannot_be_had_is_told() -> None:
    seen = asyncio.run(look(FakeSession(broken=True), regions=BOTH))
    assert [type(each) for each in seen.errors] == [OutcomeUnknown, OutcomeUnknown]
    assert seen.cash == {}
