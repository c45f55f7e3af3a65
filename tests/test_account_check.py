"""What the account check shows, from a broker that answers at once."""

import asyncio
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from daemon.account_check import AccountView, as_json, look, show
from daemon.core.calendar import MarketCalendar
from daemon.core.errors import OutcomeUnknown
from daemon.core.events import AccountReported, Holding, OrderKind
from daemon.core.orders import Order
from daemon.core.values import AccountId, BrokerRef, Currency, InstrumentId, Side
from daemon.core.witness import BrokerOrder
from daemon.ports import AccessToken

NOW = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
SAMSUNG = InstrumentId("krx:005930")


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

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.asked_since: date | None = None

    def unready(self) -> str:
        return ""

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def account(self) -> AccountReported:
        if self.broken:
            raise OutcomeUnknown("no answer")
        holdings = (
            Holding(instrument=SAMSUNG, quantity=1500, cost=Decimal(105_000_500)),
            Holding(instrument=InstrumentId("krx:000660"), quantity=3, cost=Decimal(600_000)),
        )
        return AccountReported(
            account=self.account_id,
            cash={Currency.KRW: Decimal(1234567)},
            holdings=holdings,
            at=NOW,
        )

    async def orders(self, since: date) -> Sequence[BrokerOrder]:
        self.asked_since = since
        return [order(remaining=400), order(remaining=0), order(remaining=7, limit=None)]

    async def place(self, order: Order, *, leaving: Callable[[], None]) -> BrokerRef:
        raise AssertionError("a look never orders")

    async def modify(
        self, order: Order, limit: Decimal, *, leaving: Callable[[], None]
    ) -> BrokerRef:
        raise AssertionError("a look never orders")

    async def cancel(self, order: Order, *, leaving: Callable[[], None]) -> None:
        raise AssertionError("a look never orders")

    async def orderable_cash(
        self, instrument: InstrumentId, kind: OrderKind, limit: Decimal | None
    ) -> Decimal:
        raise AssertionError("not asked")


class FakeClock:
    def now(self) -> datetime:
        return NOW

    known = True

    def monotonic(self) -> float:
        return 0.0


class FakeSession:
    def __init__(self, *, broken: bool = False, token: AccessToken | None = None) -> None:
        self.broker = FakeBroker(broken=broken)
        self.clock = FakeClock()
        self.calendar = MarketCalendar()
        self.token = token


def view(token: AccessToken | None = None) -> AccountView:
    session = FakeSession(token=token)
    seen = asyncio.run(look(session, mode="virtual"))
    assert session.broker.asked_since == date(2026, 11, 2)
    return seen


def shown(token: AccessToken | None = None) -> str:
    stream = io.StringIO()
    show(view(token), Console(file=stream, width=100))
    return stream.getvalue()


TOKEN = AccessToken("secret-token-value", NOW + timedelta(hours=5, minutes=7), NOW)


def test_the_table_has_korean_headings_and_separated_thousands() -> None:
    text = shown(TOKEN)
    for words in (
        *("예수금", "보유 종목", "미체결 주문", "1,234,567 KRW", "005930", "1,500"),
        *("105,000,500", "70,000.33", "시장가", "매수", "12****78-01", "2026-11-02 10:30:00 KST"),
        "5시간 7분 남음",
    ):
        assert words in text
    assert "12345678" not in text
    assert "secret-token-value" not in text


def test_numbers_are_right_aligned() -> None:
    lines = [line.rstrip() for line in shown().splitlines() if line.strip().startswith("00")]
    assert len({len(line) for line in lines[:2]}) == 1


@pytest.mark.parametrize(
    ("token", "words"),
    [(None, "없음 none"), (TOKEN._replace(expires_at=NOW - timedelta(seconds=1)), "만료 expired")],
)
def test_a_token_that_is_no_use_is_told(token: AccessToken | None, words: str) -> None:
    assert words in shown(token)


def test_json_rounds_nothing_and_leaves_out_what_is_done() -> None:
    content = json.loads(as_json(view(TOKEN)))
    assert content["cash"] == {"KRW": "1234567"}
    assert content["account"] == "12****78-01"
    assert [each["code"] for each in content["holdings"]] == ["000660", "005930"]
    assert [each["remaining"] for each in content["open_orders"]] == [400, 7]
    assert content["open_orders"][1]["limit"] is None
    assert content["token"]["seconds_left"] == 5 * 3600 + 7 * 60
    assert json.loads(as_json(view()))["token"] == {"expires_at": None, "seconds_left": None}


def test_an_answer_that_cannot_be_had_is_an_error() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(look(FakeSession(broken=True), mode="sim"))
    assert isinstance(caught.value.exceptions[0], OutcomeUnknown)
