"""A look at accounts: cash, holdings, open orders, token. It asks and never orders."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import orjson
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table

from daemon.core.calendar import KST, MarketCalendar
from daemon.core.errors import TradingError
from daemon.core.events import AccountReported, Holding
from daemon.core.values import (
    AccountId,
    Currency,
    InstrumentId,
    Region,
    Side,
    code_of,
    currency_of,
    market_of,
)
from daemon.core.witness import BrokerOrder
from daemon.log import redacted
from daemon.logs.redaction import mask_account
from daemon.ports import AccessToken, Clock

_SIDES = {Side.BUY: "매수 buy", Side.SELL: "매도 sell"}


class AskedBroker(Protocol):
    """What a look asks of a broker, whose requests move while `run` does."""

    account_id: AccountId

    async def run(self) -> None:
        """Send requests until cancelled."""

    async def account(self, *, regions: Sequence[Region] | None = None) -> AccountReported: ...
    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]: ...


class AccountSession(Protocol):
    """What a look needs of an open session."""

    @property
    def broker(self) -> AskedBroker: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def calendar(self) -> MarketCalendar: ...
    @property
    def token(self) -> AccessToken | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """What the broker said, at one moment. `cash` is what is left of each currency once all
    trades have settled; of dollars in the virtual world, what may be used. `problems` says of
    which countries nothing could be had, and why; `unbooked` which day's trades may be missing."""

    account: str
    at: datetime
    cash: Mapping[Currency, Decimal]
    holdings: tuple[Holding, ...]
    open_orders: tuple[BrokerOrder, ...]
    token_expires_at: datetime | None
    problems: Mapping[Region, TradingError]
    unbooked: Mapping[Region, date] = field(default_factory=dict)

    @property
    def token_left(self) -> timedelta | None:
        """How long the token still works, `None` without one."""
        return self.token_expires_at - self.at if self.token_expires_at else None

    @property
    def errors(self) -> tuple[TradingError, ...]:
        """Everything that could not be had."""
        return tuple(self.problems.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """An account of which nothing could be had at all."""

    account: str
    error: TradingError

    @property
    def errors(self) -> tuple[TradingError, ...]:
        """What it came to."""
        return (self.error,)


Seen = AccountView | Unseen


async def look(session: AccountSession, *, regions: Sequence[Region] = (Region.KR,)) -> AccountView:
    """Ask for everything, one country after the other.

    A country that cannot be had does not hide the others. Raises `NeedsOperator` when the broker
    takes no request at all.
    """
    broker = session.broker
    cash: dict[Currency, Decimal] = {}
    holdings: list[Holding] = []
    orders: list[BrokerOrder] = []
    problems: dict[Region, TradingError] = {}
    unbooked: dict[Region, date] = {}
    async with asyncio.TaskGroup() as tasks:
        requests = tasks.create_task(broker.run(), name="requests")
        today = session.calendar.local_date(session.clock.now())
        for region in regions:
            try:
                reported = await broker.account(regions=(region,))
                listed = await broker.orders(today, regions=(region,))
            except TradingError as error:
                problems[region] = error
                continue
            cash |= reported.cash
            holdings += reported.holdings
            unbooked |= reported.unbooked
            orders += listed
        requests.cancel()
    token = session.token
    return AccountView(
        account=mask_account(broker.account_id),
        at=session.clock.now(),
        cash=cash,
        holdings=tuple(sorted(holdings, key=lambda held: held.instrument)),
        open_orders=tuple(order for order in orders if order.remaining > 0),
        token_expires_at=token.expires_at if token else None,
        problems=problems,
        unbooked=unbooked,
    )


def as_json(mode: str, seen: Sequence[Seen]) -> str:
    """One JSON object for all accounts; money as strings, so that nothing is rounded."""
    content = {"mode": mode, "accounts": [_described(each) for each in seen]}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def _described(view: Seen) -> dict[str, Any]:
    if isinstance(view, Unseen):
        return {"account": view.account, "problem": redacted(str(view.error))}
    left = view.token_left
    return {
        "account": view.account,
        "at": view.at,
        "cash": {str(each): str(amount) for each, amount in sorted(view.cash.items())},
        "holdings": [
            {**_place(held.instrument), "quantity": held.quantity, "cost": str(held.cost)}
            for held in view.holdings
        ],
        "open_orders": [
            {
                "number": order.refs[-1].number,
                **_place(order.instrument),
                "side": order.side,
                "quantity": order.quantity,
                "filled": order.filled,
                "remaining": order.remaining,
                "limit": None if order.limit is None else str(order.limit),
            }
            for order in view.open_orders
        ],
        "token": {
            "expires_at": view.token_expires_at,
            "seconds_left": None if left is None else int(left.total_seconds()),
        },
        "problems": {region.value: redacted(str(error)) for region, error in view.problems.items()},
        "unbooked": {region.value: day for region, day in view.unbooked.items()},
    }


def _place(instrument: InstrumentId) -> dict[str, str]:
    return {
        "code": code_of(instrument),
        "market": market_of(instrument).value,
        "currency": currency_of(instrument).value,
    }


def show(mode: str, seen: Sequence[Seen], console: Console) -> None:
    """Print one block an account, as tables with Korean headings."""
    for each in seen:
        console.print(_block(mode, each), soft_wrap=isinstance(each, Unseen))


def _block(mode: str, view: Seen) -> RenderableType:
    if isinstance(view, Unseen):
        cause = redacted(str(view.error))
        return f"계좌 account  {view.account} ({mode})\n볼 수 없습니다 / cannot be had: {cause}\n"
    local = view.at.astimezone(KST)
    head = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    head.add_column()
    head.add_column(justify="right")
    head.add_row("계좌 account", f"{view.account} ({mode})")
    head.add_row("시각 time", f"{local:%Y-%m-%d %H:%M:%S} KST")
    for currency, amount in sorted(view.cash.items()):
        head.add_row("예수금 cash", f"{_money(amount, currency)} {currency}")
    for region, day in view.unbooked.items():
        late = f"{day:%m-%d} 체결은 아직 없을 수 있음 / trades may be missing"
        head.add_row(f"{region}: 잔고 balance", late)
    for region, error in view.problems.items():
        head.add_row(f"{region}: 볼 수 없음 / cannot be had", redacted(str(error)))
    head.add_row("토큰 token", _token(view))
    return Group(head, _holdings(view.holdings), _orders(view.open_orders))


def _money(amount: Decimal, currency: Currency) -> str:
    return f"{amount:,.{0 if currency is Currency.KRW else 2}f}"


def _token(view: AccountView) -> str:
    left = view.token_left
    if left is None:
        return "없음 none"
    if left <= timedelta(0):
        return "만료 expired"
    minutes = int(left.total_seconds()) // 60
    return f"{minutes // 60}시간 {minutes % 60}분 남음 ({minutes // 60}h {minutes % 60}m left)"


def _holdings(holdings: Sequence[Holding]) -> Table:
    table = Table(title="보유 종목 holdings", box=box.SIMPLE, title_justify="left")
    table.add_column("종목")
    for heading in ("수량", "평균 단가", "매입 금액"):
        table.add_column(heading, justify="right")
    table.add_column("통화")
    for held in holdings:
        average = held.cost / held.quantity if held.quantity else Decimal(0)
        currency = currency_of(held.instrument)
        table.add_row(
            code_of(held.instrument),
            f"{held.quantity:,}",
            f"{average:,.2f}",
            _money(held.cost, currency),
            currency.value,
        )
    return table


def _orders(orders: Sequence[BrokerOrder]) -> Table:
    table = Table(title="미체결 주문 open orders", box=box.SIMPLE, title_justify="left")
    for heading in ("주문번호", "종목", "구분"):
        table.add_column(heading)
    for heading in ("주문", "체결", "잔량", "가격"):
        table.add_column(heading, justify="right")
    table.add_column("통화")
    for order in orders:
        table.add_row(
            order.refs[-1].number,
            code_of(order.instrument),
            _SIDES[order.side],
            f"{order.quantity:,}",
            f"{order.filled:,}",
            f"{order.remaining:,}",
            "시장가" if order.limit is None else _money(order.limit, currency_of(order.instrument)),
            currency_of(order.instrument).value,
        )
    return table
