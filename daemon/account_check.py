"""A look at one account: cash, holdings, open orders, token. It asks and never orders."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import orjson
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table

from daemon.core.calendar import KST, MarketCalendar
from daemon.core.events import AccountReported, Holding
from daemon.core.values import Currency, Side, code_of
from daemon.core.witness import BrokerOrder
from daemon.log import mask_account
from daemon.ports import AccessToken, Broker, Clock

_SIDES = {Side.BUY: "매수 buy", Side.SELL: "매도 sell"}


class AskedBroker(Broker, Protocol):
    """A broker whose requests move while `run` does."""

    async def run(self) -> None:
        """Send requests until cancelled."""


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
    trades have settled."""

    mode: str
    account: str
    at: datetime
    cash: Mapping[Currency, Decimal]
    holdings: tuple[Holding, ...]
    open_orders: tuple[BrokerOrder, ...]
    token_expires_at: datetime | None

    @property
    def token_left(self) -> timedelta | None:
        """How long the token still works, `None` without one."""
        return self.token_expires_at - self.at if self.token_expires_at else None


async def look(session: AccountSession, *, mode: str) -> AccountView:
    """Ask for everything; raises `TradingError` when an answer cannot be had."""
    broker = session.broker
    reported: AccountReported | None = None
    orders: Sequence[BrokerOrder] = ()
    async with asyncio.TaskGroup() as tasks:
        requests = tasks.create_task(broker.run(), name="requests")
        reported = await broker.account()
        orders = await broker.orders(session.calendar.local_date(session.clock.now()))
        requests.cancel()
    token = session.token
    return AccountView(
        mode=mode,
        account=mask_account(broker.account_id),
        at=session.clock.now(),
        cash=reported.cash,
        holdings=tuple(sorted(reported.holdings, key=lambda held: held.instrument)),
        open_orders=tuple(order for order in orders if order.remaining > 0),
        token_expires_at=token.expires_at if token else None,
    )


def as_json(view: AccountView) -> str:
    """One JSON object; money as strings, so that nothing is rounded."""
    left = view.token_left
    content = {
        "mode": view.mode,
        "account": view.account,
        "at": view.at,
        "cash": {str(each): str(amount) for each, amount in sorted(view.cash.items())},
        "holdings": [
            {"code": code_of(held.instrument), "quantity": held.quantity, "cost": str(held.cost)}
            for held in view.holdings
        ],
        "open_orders": [
            {
                "number": order.refs[-1].number,
                "code": code_of(order.instrument),
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
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def show(view: AccountView, console: Console) -> None:
    """Print the view as tables with Korean headings."""
    console.print(_tables(view))


def _tables(view: AccountView) -> RenderableType:
    local = view.at.astimezone(KST)
    head = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    head.add_column()
    head.add_column(justify="right")
    head.add_row("계좌 account", f"{view.account} ({view.mode})")
    head.add_row("시각 time", f"{local:%Y-%m-%d %H:%M:%S} KST")
    for currency, amount in sorted(view.cash.items()):
        decimals = 0 if currency is Currency.KRW else 2
        head.add_row("예수금 cash", f"{amount:,.{decimals}f} {currency}")
    head.add_row("토큰 token", _token(view))
    return Group(head, _holdings(view.holdings), _orders(view.open_orders))


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
    for held in holdings:
        average = held.cost / held.quantity if held.quantity else Decimal(0)
        table.add_row(
            code_of(held.instrument), f"{held.quantity:,}", f"{average:,.2f}", f"{held.cost:,.0f}"
        )
    return table


def _orders(orders: Sequence[BrokerOrder]) -> Table:
    table = Table(title="미체결 주문 open orders", box=box.SIMPLE, title_justify="left")
    for heading in ("주문번호", "종목", "구분"):
        table.add_column(heading)
    for heading in ("주문", "체결", "잔량", "가격"):
        table.add_column(heading, justify="right")
    for order in orders:
        table.add_row(
            order.refs[-1].number,
            code_of(order.instrument),
            _SIDES[order.side],
            f"{order.quantity:,}",
            f"{order.filled:,}",
            f"{order.remaining:,}",
            "시장가" if order.limit is None else f"{order.limit:,.0f}",
        )
    return table
