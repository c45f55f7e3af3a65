"""Who owns what on the simulated exchange: cash and shares, and what open orders hold back."""

from dataclasses import dataclass, field
from decimal import Decimal

from daemon.core.values import Side

CROWD = "crowd"
"""The owner name of everybody who is not an account of the key."""


@dataclass(slots=True)
class Holding:
    """Shares of one symbol in one account.

    `reserved` shares stand in open sell orders; `cost` is what the shares held were bought for,
    in the market's money. The day counters feed the broker's balance rows.
    """

    quantity: int = 0
    reserved: int = 0
    cost: Decimal = Decimal(0)
    bought_today: int = 0
    sold_today: int = 0
    bought_yesterday: int = 0
    sold_yesterday: int = 0

    @property
    def sellable(self) -> int:
        """Shares that a new sell order may still use."""
        return self.quantity - self.reserved

    @property
    def average_price(self) -> Decimal:
        """Money paid per share held, zero when nothing is held."""
        return self.cost / self.quantity if self.quantity else Decimal(0)


@dataclass(slots=True)
class Account:
    """Cash and holdings of one participant in one country's market, by trade date.

    Money is that market's own.

    Sales and purchases settle two trading days later: until then `flow_today` and
    `flow_yesterday` (sales minus purchases) are in `cash` but not yet in the deposit.
    """

    name: str
    cash: Decimal
    reserved: Decimal = Decimal(0)
    holdings: dict[str, Holding] = field(default_factory=dict)
    bought_today: Decimal = Decimal(0)
    sold_today: Decimal = Decimal(0)
    bought_yesterday: Decimal = Decimal(0)
    sold_yesterday: Decimal = Decimal(0)

    @property
    def orderable(self) -> Decimal:
        """Cash that a new buy order may still use."""
        return self.cash - self.reserved

    @property
    def flow_today(self) -> Decimal:
        """Sales minus purchases of today."""
        return self.sold_today - self.bought_today

    @property
    def flow_yesterday(self) -> Decimal:
        """Sales minus purchases of the trading day before."""
        return self.sold_yesterday - self.bought_yesterday

    def holding(self, code: str) -> Holding:
        """The holding of `code`, made empty on first use."""
        return self.holdings.setdefault(code, Holding())

    def settle(self, code: str, side: Side, price: Decimal, quantity: int) -> None:
        """Book one side of a trade."""
        amount = price * quantity
        holding = self.holding(code)
        if side is Side.BUY:
            self.cash -= amount
            self.bought_today += amount
            holding.quantity += quantity
            holding.cost += amount
            holding.bought_today += quantity
            return
        self.cash += amount
        self.sold_today += amount
        holding.cost -= holding.average_price * quantity
        holding.quantity -= quantity
        holding.sold_today += quantity
        if holding.quantity == 0:
            holding.cost = Decimal(0)

    def begin_day(self) -> None:
        """Turn today's counters into yesterday's; holdings sold out before today disappear."""
        assert self.reserved == 0, "orders of the day before must be dead before a day begins"
        self.bought_yesterday, self.sold_yesterday = self.bought_today, self.sold_today
        self.bought_today = self.sold_today = Decimal(0)
        for code, holding in list(self.holdings.items()):
            holding.bought_yesterday, holding.sold_yesterday = (
                holding.bought_today,
                holding.sold_today,
            )
            holding.bought_today = holding.sold_today = 0
            if holding.quantity == 0:
                del self.holdings[code]
