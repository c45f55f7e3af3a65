"""What a run did, and whether the books are equal at its end."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from daemon.core.costs import CostSchedule
from daemon.core.events import (
    CancelSent,
    Event,
    OrderAccepted,
    OrderCreated,
    OrderDoubted,
    OrderFilled,
    OrderRejected,
    OrderSent,
)
from daemon.core.orders import UNANSWERED
from daemon.core.portfolio import Portfolio
from daemon.core.profit import Profit, ProfitBook, net_in_won
from daemon.core.settlement import SettlementBook
from daemon.core.tieout import TieOut
from daemon.core.values import Currency, InstrumentId, code_of, currency_of
from daemon.engine.rates import ToldRate


@dataclass(slots=True)
class Tally:
    """Counts facts as they are recorded."""

    facts: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    traded: Counter[InstrumentId] = field(default_factory=Counter)

    def on_fact(self, event: Event) -> None:
        """A listener for the ledger."""
        self.facts[type(event).__name__] += 1
        if isinstance(event, OrderRejected):
            self.rejections[event.code] += 1
        elif isinstance(event, OrderFilled):
            self.traded[event.fill.instrument] += 1

    def summary(self) -> dict[str, Any]:
        """The counts of a run, by their names in reports."""
        return {
            "orders": self.facts[OrderSent.__name__],
            "orders_created": self.facts[OrderCreated.__name__],
            "accepted": self.facts[OrderAccepted.__name__],
            "fills": self.facts[OrderFilled.__name__],
            "rejects": self.facts[OrderRejected.__name__],
            "rejects_by_code": dict(sorted(self.rejections.items())),
            "doubted": self.facts[OrderDoubted.__name__],
            "cancels": self.facts[CancelSent.__name__],
            "symbols_traded": len(self.traded),
            "fills_by_symbol": {code_of(each): n for each, n in sorted(self.traded.items())},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """One side's view of an account: cash by currency, shares by code, open shares by number."""

    cash: Mapping[str, str]
    positions: Mapping[str, int]
    open_orders: Mapping[str, int]

    def differences(self, other: "Books") -> list[str]:
        """Where `other` differs, in words."""
        found = []
        for currency in sorted(self.cash.keys() | other.cash.keys()):
            mine, told = self.cash.get(currency, "0"), other.cash.get(currency, "0")
            if Decimal(mine) != Decimal(told):
                found.append(f"cash {currency} {mine} / {told}")
        for name, ours, theirs in (
            ("position", self.positions, other.positions),
            ("open order", self.open_orders, other.open_orders),
        ):
            for key in sorted(ours.keys() | theirs.keys()):
                if ours.get(key, 0) != theirs.get(key, 0):
                    found.append(f"{name} {key}: {ours.get(key, 0)} / {theirs.get(key, 0)}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """As reports show it."""
        return {
            "cash": dict(self.cash),
            "positions": dict(self.positions),
            "open_orders": dict(self.open_orders),
        }


def our_books(portfolio: Portfolio) -> Books:
    """The daemon's side."""
    return Books(
        cash=amounts(portfolio.cash),
        positions={
            code_of(instrument): position.quantity
            for instrument, position in sorted(portfolio.positions.items())
            if position.quantity
        },
        open_orders={
            order.refs[-1].number if order.refs else f"unnumbered {order.id}": order.remaining
            for order in portfolio.open_orders()
        },
    )


def amounts(by_currency: Mapping[Currency, Decimal]) -> dict[str, str]:
    """Money as reports and logs show it: texts, so that nothing is rounded."""
    return {str(currency): str(amount) for currency, amount in sorted(by_currency.items())}


def realised(portfolio: Portfolio) -> dict[str, str]:
    """The profit of what was sold, by currency, before fees and taxes, rounded to a cent."""
    profit: dict[Currency, Decimal] = {}
    for position in portfolio.positions.values():
        currency = currency_of(position.instrument)
        profit[currency] = profit.get(currency, Decimal(0)) + position.realised
    return amounts({currency: round(amount, 2) for currency, amount in profit.items()})


def unknown_orders(portfolio: Portfolio) -> list[str]:
    """Orders whose outcome is not known."""
    return [order.id for order in portfolio.open_orders() if order.state in UNANSWERED]


def profit(
    book: ProfitBook,
    last_price: Callable[[InstrumentId], Decimal | None],
    told: Mapping[Currency, ToldRate],
) -> dict[str, Any]:
    """What trading has brought since the journal began, by strategy and for the account.

    Amounts by currency, as texts. `costs` are by the tariff of the settings, `charged` is what the
    broker's cash has shown of them. `in_won` is what is left of all currencies together, at the
    rates the broker has `told`; `exchange_cost` is what changing it all would take off that.
    """
    prices = book.prices(last_price)
    account, strategies = book.of_account(prices), book.of_strategies(prices)
    return {
        "account": _profits(account),
        "strategies": {strategy: _profits(profits) for strategy, profits in strategies.items()},
        "in_won": {
            "account": _in_won(account, told, book.schedule),
            "strategies": {
                each: _in_won(profits, told, book.schedule) for each, profits in strategies.items()
            },
            "rates": {
                currency.value: {"rate": str(each.rate), "told": each.at}
                for currency, each in sorted(told.items())
            },
        },
        "charged": {each.value: str(amount) for each, amount in sorted(book.charged.items())},
        "not_counted": dict(sorted(book.unknown.items())),
    }


def _in_won(
    profits: Mapping[Currency, Profit], told: Mapping[Currency, ToldRate], schedule: CostSchedule
) -> dict[str, str | None]:
    try:
        net = net_in_won(profits, {currency: each.rate for currency, each in told.items()})
        changing = sum(
            (
                schedule.of_exchange(each.net, currency, told[currency].rate)
                for currency, each in profits.items()
                if currency is not Currency.KRW and each.net
            ),
            Decimal(0),
        )
    except ValueError as error:
        return {"net": None, "exchange_cost": None, "why": str(error)}
    return {"net": _amount(net), "exchange_cost": _amount(changing), "why": None}


def unsettled(book: SettlementBook, today: Mapping[Currency, date]) -> dict[str, Any]:
    """The money of trades that is not paid yet, by currency and by the day that it is due.

    `today` is the date in each currency's market, whose own settlements count as made. Of what was
    due when the broker's books were taken over nothing is known: it counts as settled.
    """
    found = {}
    for currency, day in sorted(today.items()):
        due = book.unsettled(currency, day)
        found[currency.value] = {
            "receivable": _amount(due.receivable),
            "payable": _amount(due.payable),
            "net": _amount(due.net),
            "days": {
                settles.isoformat(): _amount(amount)
                for settles, amount in book.calendar(currency).items()
                if settles > day
            },
        }
    return found


def _profits(profits: Mapping[Currency, Profit]) -> dict[str, Any]:
    return {
        currency.value: {
            "realised": _amount(told.realised),
            "unrealised": _amount(told.unrealised),
            "gross": _amount(told.gross),
            "commission": _amount(told.costs.commission),
            "tax": _amount(told.costs.tax),
            "fees": _amount(told.costs.fees),
            "net": _amount(told.net),
            "without_price": [code_of(each) for each in told.unpriced],
        }
        for currency, told in sorted(profits.items())
    }


def _amount(value: Decimal) -> str:
    """To the hundredth: average costs have endless fractions."""
    return f"{value:.2f}"


def tied_out(result: TieOut) -> dict[str, Any]:
    """The comparison of a day with the broker's own profit and loss."""
    return {
        "day": result.day,
        "agrees": result.agrees,
        "instruments": [code_of(each) for each in result.compared],
        "differences": [str(each) for each in result.differences],
        "rounding": str(result.rounding),
        "broker_profit_is": sorted(each.value for each in result.readings),
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a report as JSON, replacing an older one whole. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    unfinished.replace(path)
