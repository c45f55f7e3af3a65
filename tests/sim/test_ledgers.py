from decimal import Decimal

from daemon.core.values import Side
from daemon.sim.ledgers import Account

D = Decimal


def test_a_sale_keeps_the_average_price_and_takes_its_share_of_the_cost() -> None:
    account = Account("a", Decimal(1_000_000))
    account.settle("005930", Side.BUY, Decimal(100), 10)
    account.settle("005930", Side.BUY, Decimal(200), 10)
    account.settle("005930", Side.SELL, Decimal(300), 5)
    holding = account.holding("005930")
    assert (holding.quantity, holding.cost, holding.average_price) == (15, D(2_250), D(150))
    assert account.cash == 1_000_000 - 3_000 + 1_500
    account.settle("005930", Side.SELL, Decimal(300), 15)
    assert (holding.quantity, holding.cost, holding.average_price) == (0, D(0), D(0))


def test_days_roll_and_sold_out_holdings_disappear() -> None:
    account = Account("a", Decimal(1_000))
    account.settle("005930", Side.BUY, Decimal(100), 1)
    account.settle("005930", Side.SELL, Decimal(150), 1)
    assert account.flow_today == 50
    account.begin_day()
    assert (account.flow_today, account.flow_yesterday, account.holdings) == (D(0), D(50), {})
    assert account.orderable == 1_050
