"""Turns every recorded fact into one log line, named after the fact."""

import logging
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import structlog

from daemon.core.acts import OperatorAsked, StrategyResumed, StrategySuspended
from daemon.core.entries import EntriesBarred
from daemon.core.events import (
    AccountReported,
    DiscrepancyFound,
    EmergencyReported,
    Event,
    ExternalOrderSeen,
    MarketCloseReported,
    OrderAccepted,
    OrderCreated,
    OrderDoubted,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderSent,
    TradingHalted,
    TradingStateChanged,
)
from daemon.core.leftovers import Left
from daemon.core.portfolio import PortfolioView

_LEVELS: dict[type[Event], int] = {
    OrderSent: logging.DEBUG,
    TradingStateChanged: logging.WARNING,
    EntriesBarred: logging.WARNING,
    OperatorAsked: logging.WARNING,
    StrategyResumed: logging.WARNING,
    StrategySuspended: logging.WARNING,
    ExternalOrderSeen: logging.WARNING,
    OrderRejected: logging.WARNING,
    TradingHalted: logging.WARNING,
    OrderDoubted: logging.ERROR,
    DiscrepancyFound: logging.ERROR,
}


def fact_name(kind: type[Event]) -> str:
    """`OrderFilled` → `order_filled`: the stable name of a fact in logs."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


class Chronicle:
    """A listener for the ledger. Facts other than fills are told with their own fields."""

    def __init__(self, portfolio: PortfolioView) -> None:
        self._portfolio = portfolio
        self._log = structlog.get_logger("facts")

    def on_fact(self, event: Event) -> None:
        """Write one line; `at` is left out, the line has a time of its own."""
        level = _LEVELS.get(type(event), logging.INFO)
        if not self._log.is_enabled_for(level):
            # Such as `OrderSent`, whose request waits for this.
            return
        told = self._fill(event) if isinstance(event, OrderFilled) else _plain(event)
        if isinstance(event, OrderEvent):
            intent = self._portfolio.orders[event.order].intent
            told = {"order": event.order, "strategy": intent.strategy, **told}
            if isinstance(event, OrderAccepted | OrderRejected | OrderDoubted):
                told["answered_after"] = self._waited(event)
        self._log.log(level, fact_name(type(event)), **told)

    def _waited(self, event: OrderAccepted | OrderRejected | OrderDoubted) -> float | None:
        """Seconds since the order left; `None` for one that never did."""
        sent_at = self._portfolio.orders[event.order].sent_at
        return None if sent_at is None else round((event.at - sent_at).total_seconds(), 6)

    def _fill(self, event: OrderFilled) -> dict[str, Any]:
        order, fill = self._portfolio.orders[event.order], event.fill
        return {
            "instrument": fill.instrument,
            "side": fill.side,
            "quantity": fill.quantity,
            "price": fill.price,
            "filled": order.filled,
            "ordered": order.intent.quantity,
            "told_by": fill.source,
        }


def _plain(event: Event) -> dict[str, Any]:
    if isinstance(event, OrderCreated):
        intent = event.intent
        return {
            "instrument": intent.instrument,
            "side": intent.side,
            "quantity": intent.quantity,
            "limit": intent.limit,
            "time_in_force": intent.time_in_force,
            "reason": intent.reason,
        }
    if isinstance(event, EmergencyReported):
        return {
            "state": event.state,
            "done": not event.left,
            "left": _left(event.left),
        }
    if isinstance(event, MarketCloseReported):
        told = {name: getattr(event, name) for name in ("region", "day", "action", "done", "over")}
        return {**told, "left": _left(event.left)}
    if isinstance(event, AccountReported):
        return {
            "cash": {str(each): left for each, left in event.cash.items()},
            "holdings": len(event.holdings),
            **({} if event.region is None else {"region": event.region}),
        }
    told = {each.name: getattr(event, each.name) for each in fields(event) if each.name != "at"}
    ref = told.pop("ref", None)
    return told if ref is None else {**told, "number": ref.number}


def _left(left: Sequence[Left]) -> list[str]:
    return [f"{each.quantity} of {each.instrument}: {each.cause} ({each.detail})" for each in left]
