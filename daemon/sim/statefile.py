"""The broker's books on disk, so that a killed simulator loses no order, share or won."""

import errno
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import orjson

from daemon.core.values import Region, Side
from daemon.sim.facts import Action, Condition, Order, OrderRequest
from daemon.sim.ledgers import Account, Holding

_SCHEMA = """
create table if not exists {0}facts (name text primary key, value text not null);
create table if not exists {0}accounts (name text primary key, body text not null);
create table if not exists {0}orders (number integer primary key, body text not null);
create table if not exists {0}closes (code text primary key, price text not null);
"""
_PREFIXES = {Region.KR: "", Region.US: "us_"}
"""What the tables of a country's market begin with; files of old have the Korean ones alone."""


@dataclass(frozen=True, slots=True)
class SavedBooks:
    """What a former run left behind of one country's market.

    Orders that were open have expired with their day.
    """

    last_day: date
    next_number: int
    accounts: dict[str, Account]
    orders: dict[int, Order]
    closes: dict[str, Decimal]


class StateFailed(OSError):
    """The simulator's books can be neither kept nor read: it cannot go on."""

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(errno.EIO, f"the simulator's books cannot be kept: {error}", str(path))

    def __str__(self) -> str:
        return f"{self.strerror} ({self.filename})"


class StateFile:
    """A small SQLite file; every write is one transaction that survives a killed process.

    Raises `StateFailed` when the file cannot be used, or not any more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._guarded():
            self._database = sqlite3.connect(path)
        try:
            with self._guarded():
                self._database.execute("pragma journal_mode=wal")
                self._database.execute("pragma synchronous=normal")
                for prefix in _PREFIXES.values():
                    self._database.executescript(_SCHEMA.format(prefix))
        except StateFailed:
            self._database.close()
            raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StateFailed(self._path, error) from error

    def load(self, region: Region = Region.KR) -> SavedBooks | None:
        """The books of a country's market after the former run, `None` where it had none."""
        with self._guarded():
            return self._load(_PREFIXES[region])

    def _load(self, prefix: str) -> SavedBooks | None:
        facts = dict(self._rows("name, value", f"{prefix}facts"))
        if "last_day" not in facts:
            return None
        accounts = {
            name: _account(name, orjson.loads(body))
            for name, body in self._rows("name, body", f"{prefix}accounts")
        }
        orders = {
            number: _order(number, orjson.loads(body))
            for number, body in self._rows("number, body", f"{prefix}orders")
        }
        closes = {
            code: Decimal(price) for code, price in self._rows("code, price", f"{prefix}closes")
        }
        return SavedBooks(
            date.fromisoformat(facts["last_day"]),
            int(facts["next_number"]),
            accounts,
            orders,
            closes,
        )

    def _rows(self, columns: str, table: str) -> sqlite3.Cursor:
        return self._database.execute(f"select {columns} from {table}")  # noqa: S608  our own names

    def save(
        self,
        *,
        day: date,
        next_number: int,
        accounts: Iterable[Account],
        orders: Iterable[Order],
        closes: dict[str, Decimal],
        region: Region = Region.KR,
    ) -> None:
        """Write the given accounts and orders of a country's market over what is there."""
        rows: dict[str, list[tuple[object, object]]] = {
            "facts": [("last_day", day.isoformat()), ("next_number", str(next_number))],
            "accounts": [(each.name, orjson.dumps(_account_body(each))) for each in accounts],
            "orders": [(order.number, orjson.dumps(_order_body(order))) for order in orders],
            "closes": [(code, str(price)) for code, price in closes.items()],
        }
        with self._guarded(), self._database as database:
            for name, values in rows.items():
                table = _PREFIXES[region] + name
                database.executemany(
                    f"insert or replace into {table} values (?, ?)",  # noqa: S608  our own names
                    values,
                )

    def close(self) -> None:
        """Release the file."""
        self._database.close()


_MONEY = ("cash", "bought_today", "sold_today", "bought_yesterday", "sold_yesterday")
_CHARGED = ("charged_today", "charged_yesterday", "charged_ever")
_PROFIT_COUNTS = ("bought", "sold")
_PROFIT_MONEY = ("spent", "proceeds", "cost", "commission", "tax", "sale_charges")
_COUNTS = ("quantity", "bought_today", "sold_today", "bought_yesterday", "sold_yesterday")


def _account_body(account: Account) -> dict[str, object]:
    holdings = {
        code: {
            "cost": str(holding.cost),
            **{name: getattr(holding, name) for name in _COUNTS},
        }
        for code, holding in account.holdings.items()
    }
    profits = [
        {
            "day": day.isoformat(),
            "code": code,
            **{name: getattr(profit, name) for name in _PROFIT_COUNTS},
            **{name: str(getattr(profit, name)) for name in _PROFIT_MONEY},
        }
        for (day, code), profit in account.profits.items()
    ]
    return {
        **{name: str(getattr(account, name)) for name in (*_MONEY, *_CHARGED)},
        "holdings": holdings,
        "profits": profits,
    }


def _account(name: str, body: dict[str, object]) -> Account:
    account = Account(name, Decimal(str(body["cash"])))
    for field in _MONEY:
        setattr(account, field, Decimal(str(body[field])))
    # Files of versions that charged nothing have neither of these.
    for field in _CHARGED:
        setattr(account, field, Decimal(str(body.get(field, 0))))
    profits = body.get("profits", [])
    assert isinstance(profits, list), "the state file was not written by this program"
    for kept in profits:
        profit = account.profit_of(date.fromisoformat(kept["day"]), kept["code"])
        for name in _PROFIT_COUNTS:
            setattr(profit, name, kept[name])
        for name in _PROFIT_MONEY:
            setattr(profit, name, Decimal(kept[name]))
    holdings = body["holdings"]
    assert isinstance(holdings, dict), "the state file was not written by this program"
    for code, saved in holdings.items():
        # Nothing is reserved: the orders that reserved it died with their day.
        holding = Holding(cost=Decimal(saved["cost"]))
        for field in _COUNTS:
            setattr(holding, field, saved[field])
        account.holdings[code] = holding
    return account


_PARTS = ("filled", "cancelled", "refused", "moved")


def _order_body(order: Order) -> dict[str, object]:
    request = order.request
    return {
        "day": order.day.isoformat(),
        "at": order.at.isoformat(),
        "action": order.action.value,
        "original": order.original,
        "notional": str(order.notional),
        **{name: getattr(order, name) for name in _PARTS},
        "account": request.account,
        "code": request.code,
        "side": request.side.value,
        "quantity": request.quantity,
        "price": None if request.price is None else str(request.price),
        "condition": request.condition.value,
        "division": request.division,
        "branch": request.branch,
        "venue": request.venue,
        "origin": request.origin,
    }


def _order(number: int, body: dict[str, object]) -> Order:
    price, original = body["price"], body["original"]
    request = OrderRequest(
        account=str(body["account"]),
        code=str(body["code"]),
        side=Side(str(body["side"])),
        quantity=int(str(body["quantity"])),
        price=None if price is None else Decimal(str(price)),
        condition=Condition(str(body["condition"])),
        division=str(body["division"]),
        branch=str(body["branch"]),
        venue=str(body["venue"]),
        origin=str(body["origin"]),
    )
    order = Order(
        number=number,
        day=date.fromisoformat(str(body["day"])),
        at=datetime.fromisoformat(str(body["at"])),
        request=request,
        action=Action(str(body["action"])),
        original=None if original is None else int(str(original)),
        notional=Decimal(str(body["notional"])),
        expired=True,
    )
    for name in _PARTS:
        setattr(order, name, int(str(body[name])))
    return order
