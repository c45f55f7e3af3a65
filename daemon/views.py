"""How a running daemon stands, ready for JSON: the views of the control API."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from daemon.core.orders import Order
from daemon.core.values import InstrumentId, StrategyId, region_of
from daemon.core.zones import local_date
from daemon.engine.absences import interest_names
from daemon.engine.desk import TradingDesk
from daemon.logs.redaction import mask_account
from daemon.ops.control import ControlError, View
from daemon.wiring import Session

MOST_ORDERS = 1_000

SCOPES = ("open", "day")


class DeskViews:
    """Looks at a desk and its session; never waits, never asks the broker.

    `rate` is the number of requests in the last second.
    """

    def __init__(
        self,
        desk: TradingDesk,
        session: Session,
        *,
        mode: str,
        pace: int,
        rate: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._session = session
        self._mode = mode
        self._pace = pace
        self._rate = rate
        self._started = session.clock.now()
        self._began = session.clock.monotonic()

    def see(self, view: View, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """One view. Raises `ControlError` for a question it does not know."""
        known = {"scope"} if view is View.ORDERS else set()
        for name in asked.keys() - known:
            fix = f"known here: {', '.join(sorted(known)) or 'none'}"
            raise ControlError(
                "UNKNOWN_FIELD",
                f"{view} is asked no {name[:40]}",
                field=name[:40],
                fix=fix,
                status=400,
            )
        if view is View.ORDERS:
            return self._orders(asked.get("scope", "open"))
        return {
            View.STATUS: self._status,
            View.POSITIONS: self._positions,
            View.STRATEGIES: self._strategies,
            View.SUBSCRIPTIONS: self._subscriptions,
            View.BUDGET: self._budget,
            View.TOKEN: self._token,
            View.DISCREPANCIES: self._discrepancies,
        }[view]()

    def _status(self) -> dict[str, Any]:
        desk, clock = self._desk, self._session.clock
        portfolio = desk.ledger.portfolio
        states = [each.state.value for each in desk.host.status.values()]
        return {
            "mode": self._mode,
            "account": mask_account(str(self._session.broker.account_id)),
            "market_time": clock.now().isoformat(),
            "started": self._started.isoformat(),
            "uptime_seconds": round(clock.monotonic() - self._began, 1),
            "state": portfolio.state.value,
            "state_reason": portfolio.state_reason,
            "armed": portfolio.armed,
            "gate_open": desk.gate.is_open,
            "gate": {who.value: why for who, why in desk.gate.reasons.items()},
            "strategies": {state: states.count(state) for state in sorted(set(states))},
            "open_orders": len(portfolio.open_orders()),
            "positions": sum(1 for each in portfolio.positions.values() if each.quantity),
            "cash": {str(each): amount for each, amount in sorted(portfolio.cash.items())},
            "discrepancies": len(portfolio.discrepancies),
        }

    def _positions(self) -> dict[str, Any]:
        portfolio, quotes = self._desk.ledger.portfolio, self._desk.quotes
        owners: dict[InstrumentId, dict[str, int]] = {}
        for (strategy, instrument), owned in portfolio.owned().items():
            if owned.quantity:
                owners.setdefault(instrument, {})[strategy] = owned.quantity
        rows = []
        for instrument, position in sorted(portfolio.positions.items()):
            if not position.quantity:
                continue
            last = quotes.last_price(instrument)
            value = None if last is None else last * position.quantity
            rows.append(
                {
                    "instrument": instrument,
                    "quantity": position.quantity,
                    "average_price": _rounded(position.average_price),
                    "last_price": last,
                    "value": value,
                    "unrealised": None if value is None else _rounded(value - position.cost),
                    "owners": owners.get(instrument, {}),
                }
            )
        return {"positions": rows}

    def _orders(self, scope: str) -> dict[str, Any]:
        if scope not in SCOPES:
            raise ControlError(
                "BAD_FIELD",
                f"scope is one of {', '.join(SCOPES)}",
                field="scope",
                fix="correct it",
                status=400,
            )
        portfolio, now = self._desk.ledger.portfolio, self._session.clock.now()
        if scope == "open":
            found = portfolio.open_orders()
        else:
            found = [each for each in portfolio.orders.values() if _of_today(each, now)]
        rows = [told(each) for each in found[-MOST_ORDERS:]]
        return {"orders": rows, "left_off": len(found) - len(rows)}

    def _strategies(self) -> dict[str, Any]:
        desk = self._desk
        working: dict[StrategyId, int] = {}
        for order in desk.ledger.portfolio.open_orders():
            owner = order.intent.strategy
            working[owner] = working.get(owner, 0) + 1
        return {
            "strategies": [
                {
                    "id": slot.id,
                    "class": f"{type(slot.strategy).__module__}:{type(slot.strategy).__qualname__}",
                    "state": desk.host.status[slot.id].state.value,
                    "cause": desk.host.status[slot.id].cause,
                    "instruments": list(slot.instruments),
                    "priority": slot.priority,
                    "open_orders": working.get(slot.id, 0),
                }
                for slot in desk.host.slots
            ]
        }

    def _subscriptions(self) -> dict[str, Any]:
        watch = self._desk.watch
        missing = set(watch.missing)
        return {
            "subscriptions": [
                {
                    "channel": each.channel,
                    "instrument": each.instrument,
                    "confirmed": each not in missing,
                }
                for each in watch.wanted
            ],
            "missing": interest_names(watch.missing),
            "dark": {each: since.isoformat() for each, since in sorted(watch.dark.items())},
            "stats": asdict(watch.stats),
        }

    def _budget(self) -> dict[str, Any]:
        broker = self._session.broker
        stats = broker.stats
        return {
            "per_second": self._pace,
            "used_last_second": self._rate(),
            "waiting": broker.waiting,
            "requests": stats.requests,
            "refusals": dict(stats.refusals),
            "unknown": stats.unknown,
            "expired": stats.expired,
            "wait_seconds": round(sum(each.total for each in stats.waits.values()), 3),
            "longest_wait": round(max(each.largest for each in stats.waits.values()), 3),
            "longest_round_trip": round(max(each.largest for each in stats.trips.values()), 4),
        }

    def _token(self) -> dict[str, Any]:
        token, now = self._session.token, self._session.clock.now()
        if token is None:
            return {"present": False, "valid": False}
        return {
            "present": True,
            "valid": token.expires_at > now,
            "issued_at": token.issued_at.isoformat(),
            "expires_at": token.expires_at.isoformat(),
            "age_seconds": round((now - token.issued_at).total_seconds()),
            "left_seconds": round((token.expires_at - now).total_seconds()),
        }

    def _discrepancies(self) -> dict[str, Any]:
        return {
            "discrepancies": [
                {
                    "subject": each.subject,
                    "ours": each.ours,
                    "theirs": each.theirs,
                    "since": each.at.isoformat(),
                }
                for _, each in sorted(self._desk.ledger.portfolio.discrepancies.items())
            ]
        }


def told(order: Order) -> dict[str, Any]:
    """An order as it is shown."""
    intent, ref = order.intent, order.ref
    return {
        "id": order.id,
        "state": order.state.value,
        "owner": intent.strategy,
        "instrument": intent.instrument,
        "side": intent.side.value,
        "quantity": intent.quantity,
        "filled": order.filled,
        "remaining": 0 if order.state.is_closed else order.remaining,
        "price": order.limit,
        "average_price": _rounded(order.notional / order.filled) if order.filled else None,
        "number": None if ref is None else ref.number,
        "branch": None if ref is None else ref.branch,
        "day": None if ref is None else ref.day.isoformat(),
        "created_at": order.created_at.isoformat(),
        "reason": intent.reason,
        "request": intent.request,
        "cause": order.cause,
    }


def _of_today(order: Order, now: datetime) -> bool:
    region = region_of(order.intent.instrument)
    return local_date(region, order.created_at) == local_date(region, now)


def _rounded(amount: Decimal | None) -> Decimal | None:
    """To a hundredth of a hundredth: an average has no end."""
    return None if amount is None else round(amount, 4)
