"""The books of a stopped daemon, read from its journal, held against those of the exchange."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from daemon.core.events import ExternalOrderSeen
from daemon.core.portfolio import Portfolio
from daemon.core.values import Currency, OrderId, code_of
from daemon.lab.oracles import PENDING
from daemon.sim.broker import Broker
from daemon.sim.exchange import Exchange
from daemon.sim.facts import Action
from daemon.store.journal import SqliteJournal


def audit(journal: Path, broker: Broker) -> Iterator[str]:
    """Every way in which the two differ, in words; nothing when all is well."""
    account = broker.options.accounts[0]
    exchange = broker.market.exchange
    portfolio = Portfolio()
    with SqliteJournal(journal, owner=f"sim:{account}") as facts:
        for event in facts.replay():
            portfolio.apply(event)
            if isinstance(event, ExternalOrderSeen):
                yield f"order {event.number} was taken for somebody else's"
    yield from _holdings(portfolio, exchange, account)
    yield from _owners(portfolio, exchange, account)
    yield from _orders(portfolio, exchange)
    yield from (f"discrepancy left: {each}" for each in portfolio.discrepancies.values())
    door = broker.wire.door
    if door.most_in_a_second > door.limit:
        yield f"{door.most_in_a_second} requests in a second, {door.limit} allowed"


def _holdings(portfolio: Portfolio, exchange: Exchange, account: str) -> Iterator[str]:
    theirs = exchange.accounts[account]
    cash = portfolio.cash_of(Currency.KRW)
    if cash != theirs.cash:
        yield f"cash {cash}, at the exchange {theirs.cash}"
    ours = {code_of(each): held.quantity for each, held in portfolio.positions.items()}
    for code in sorted(ours.keys() | theirs.holdings.keys()):
        held = theirs.holdings[code].quantity if code in theirs.holdings else 0
        if ours.get(code, 0) != held:
            yield f"{ours.get(code, 0)} shares of {code}, at the exchange {held}"


def _owners(portfolio: Portfolio, exchange: Exchange, account: str) -> Iterator[str]:
    """Every number the exchange gave is of one order of ours, and each order came in once."""
    owners: dict[int, list[OrderId]] = defaultdict(list)
    entered: dict[OrderId, list[int]] = defaultdict(list)
    for order in portfolio.orders.values():
        for ref in order.refs:
            owners[int(ref.number)].append(order.id)
    for number, placed in exchange.orders.items():
        if placed.request.account != account or placed.action is Action.CANCEL:
            continue
        owned = owners.pop(number, [])
        if len(owned) != 1:
            yield f"exchange order {number} belongs to {owned or 'nobody'}"
        elif placed.action is Action.NEW:
            entered[owned[0]].append(number)
    yield from (f"{owned} has {number}, unknown there" for number, owned in owners.items())
    for order_id, numbers in entered.items():
        if len(numbers) > 1:
            yield f"{order_id} reached the exchange {len(numbers)} times: {numbers}"


def _orders(portfolio: Portfolio, exchange: Exchange) -> Iterator[str]:
    """States are settled, and what traded and what is open is the same on both sides."""
    for order in portfolio.orders.values():
        if order.state in PENDING:
            yield f"{order.id} is left {order.state}"
        theirs = [exchange.orders[int(ref.number)] for ref in order.refs]
        filled, notional = sum(each.filled for each in theirs), sum(e.notional for e in theirs)
        if (order.filled, order.notional) != (filled, notional):
            yield (
                f"{order.id} filled {order.filled} for {order.notional}, "
                f"at the exchange {filled} for {notional}"
            )
        remaining = sum(each.remaining for each in theirs if each.is_open)
        ours = order.remaining if order.is_open else 0
        if remaining != ours:
            yield f"{order.id} ({order.state}) has {ours} open, at the exchange {remaining}"
