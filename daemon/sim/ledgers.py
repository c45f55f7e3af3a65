"""Who owns what on the simulated exchange: cash and shares, and what open orders hold back."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from daemon.core.values import Side

CROWD = "crowd"
"""The owner name of everybody who is not an account of the key."""

KEPT_DAYS = 10
"""How many days with trades an account can be asked about."""


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
class DayProfit:
    """What an account traded in one symbol on one day, and what that brought and cost, in KRW.

    `cost` is what the shares sold had been bought for, `sale_charges` what of the charges was for
    sales.
    """

    bought: int = 0
    spent: Decimal = Decimal(0)
    sold: int = 0
    proceeds: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    sale_charges: Decimal = Decimal(0)

    @property
    def realised(self) -> Decimal:
        """What the sales brought beyond their cost, after everything charged that day."""
        return self.proceeds - self.cost - self.commission - self.tax


@dataclass(slots=True)
class Account:
    """Cash and holdings of one participant in one country's market, by trade date.

    Money is that market's own.

    Sales and purchases settle two trading days later, with what they were charged: until then
    `flow_today` and `flow_yesterday` (sales minus purchases and charges) are in `cash` but not yet
    in the deposit. `profits` are the days of `KEPT_DAYS` by day and symbol.
    """

    name: str
    cash: Decimal
    reserved: Decimal = Decimal(0)
    holdings: dict[str, Holding] = field(default_factory=dict)
    bought_today: Decimal = Decimal(0)
    sold_today: Decimal = Decimal(0)
    bought_yesterday: Decimal = Decimal(0)
    sold_yesterday: Decimal = Decimal(0)
    charged_today: Decimal = Decimal(0)
    charged_yesterday: Decimal = Decimal(0)
    charged_ever: Decimal = Decimal(0)
    profits: dict[tuple[date, str], DayProfit] = field(default_factory=dict)

    @property
    def orderable(self) -> Decimal:
        """Cash that a new buy order may still use."""
        return self.cash - self.reserved

    @property
    def flow_today(self) -> Decimal:
        """Sales minus purchases and charges of today."""
        return self.sold_today - self.bought_today - self.charged_today

    @property
    def flow_yesterday(self) -> Decimal:
        """Sales minus purchases and charges of the trading day before."""
        return self.sold_yesterday - self.bought_yesterday - self.charged_yesterday

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

    def profit_of(self, day: date, code: str) -> DayProfit:
        """What the account did in a symbol on a day, made empty on first use."""
        return self.profits.setdefault((day, code), DayProfit())

    def note(self, day: date, code: str, side: Side, price: Decimal, quantity: int) -> None:
        """Count one side of a trade into its day, before it is booked."""
        profit = self.profit_of(day, code)
        if side is Side.BUY:
            profit.bought += quantity
            profit.spent += price * quantity
            return
        profit.sold += quantity
        profit.proceeds += price * quantity
        profit.cost += self.holding(code).average_price * quantity

    def charge(self, day: date, code: str, side: Side, commission: Decimal, tax: Decimal) -> None:
        """Take what a trade of the day costs."""
        profit = self.profit_of(day, code)
        if side is Side.SELL:
            profit.sale_charges += commission + tax
        profit.commission += commission
        profit.tax += tax
        amount = commission + tax
        self.cash -= amount
        self.charged_today += amount
        self.charged_ever += amount

    def before_today(self) -> "Account":
        """The account as it was before today's trades; the cost of holdings by what is left."""
        holdings = {}
        for code, held in self.holdings.items():
            quantity = held.quantity - held.bought_today + held.sold_today
            holdings[code] = Holding(
                quantity, min(held.reserved, quantity), held.average_price * quantity
            )
        return Account(self.name, self.cash - self.flow_today, self.reserved, holdings)

    def begin_day(self) -> None:
        """Turn today's counters into yesterday's; holdings sold out before today disappear."""
        assert self.reserved == 0, "orders of the day before must be dead before a day begins"
        self.bought_yesterday, self.sold_yesterday = self.bought_today, self.sold_today
        self.bought_today = self.sold_today = Decimal(0)
        self.charged_yesterday, self.charged_today = self.charged_today, Decimal(0)
        for past in sorted({day for day, _ in self.profits})[:-KEPT_DAYS]:
            self.profits = {key: kept for key, kept in self.profits.items() if key[0] != past}
        for code, holding in list(self.holdings.items()):
            holding.bought_yesterday, holding.sold_yesterday = (
                holding.bought_today,
                holding.sold_today,
            )
            holding.bought_today = holding.sold_today = 0
            if holding.quantity == 0:
                del self.holdings[code]
