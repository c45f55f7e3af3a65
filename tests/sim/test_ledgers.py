from datetime import timedelta
from decimal import Decimal

from daemon.core.values import Side
from daemon.sim.ledgers import KEPT_DAYS, Account
from tests.sim.rig import DAY

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


def test_charges_are_taken_at_once_and_settle_with_the_trade() -> None:
    account = Account("a", Decimal(1_000))
    account.note(DAY, "005930", Side.BUY, Decimal(100), 2)
    account.settle("005930", Side.BUY, Decimal(100), 2)
    account.note(DAY, "005930", Side.SELL, Decimal(150), 1)
    account.settle("005930", Side.SELL, Decimal(150), 1)
    account.charge(DAY, "005930", Side.SELL, Decimal(3), Decimal(4))
    profit = account.profit_of(DAY, "005930")
    assert (profit.bought, profit.sold, profit.spent, profit.proceeds) == (2, 1, D(200), D(150))
    assert (profit.cost, profit.realised, profit.sale_charges) == (D(100), D(43), D(7))
    assert account.cash == 1_000 - 200 + 150 - 7
    assert (account.flow_today, account.charged_ever) == (D(-57), D(7))
    account.begin_day()
    assert (account.flow_today, account.flow_yesterday) == (D(0), D(-57))
    assert (account.charged_today, account.charged_yesterday) == (D(0), D(7))


def test_only_the_last_days_are_kept() -> None:
    account = Account("a", Decimal(1_000))
    for number in range(KEPT_DAYS + 2):
        account.profit_of(DAY + timedelta(days=number), "005930")
    account.begin_day()
    assert len(account.profits) == KEPT_DAYS
    assert min(day for day, _ in account.profits) == DAY + timedelta(days=2)
