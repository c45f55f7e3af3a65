"""The broker's rate replaces the assumed one, and nonsense replaces nothing."""

from datetime import datetime, timedelta
from decimal import Decimal

from daemon.core.values import Currency
from daemon.engine.rates import ExchangeRates, ToldRate
from tests.builders import NINE


class SetClock:
    """A clock that is set by hand."""

    known = True
    sure_since = float("-inf")

    def __init__(self) -> None:
        self.at = NINE

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


CLOCK = SetClock()


def test_a_rate_is_as_set_until_the_broker_tells_its_own() -> None:
    rates = ExchangeRates(CLOCK, {Currency.USD: Decimal(1500)})
    assert rates.rate(Currency.USD) == Decimal(1500)
    rates.learn({Currency.USD: Decimal("1385.50")})
    assert rates.rate(Currency.USD) == Decimal("1385.50")


def test_one_won_is_worth_one_and_a_rate_of_nothing_is_not_believed() -> None:
    rates = ExchangeRates(CLOCK)
    rates.learn({Currency.KRW: Decimal(2), Currency.USD: Decimal(0)})
    assert rates.rate(Currency.KRW) == Decimal(1)
    assert rates.rate(Currency.USD) is None


def test_a_rate_that_cannot_be_true_is_not_believed() -> None:
    rates = ExchangeRates(CLOCK, {Currency.USD: Decimal(1500)})
    for broken in (Decimal(1), Decimal("1.385"), Decimal(15_000)):
        rates.learn({Currency.USD: broken})
        assert rates.rate(Currency.USD) == Decimal(1500)


def test_when_the_broker_last_told_a_rate_is_known_and_an_assumed_one_was_never_told() -> None:
    clock = SetClock()
    rates = ExchangeRates(clock, {Currency.USD: Decimal(1500)})
    assert rates.told == {}
    rates.learn({Currency.USD: Decimal(1400)})
    assert rates.told == {Currency.USD: ToldRate(Decimal(1400), NINE)}
    clock.at += timedelta(hours=1)
    rates.learn({Currency.USD: Decimal(3)})
    assert rates.told == {Currency.USD: ToldRate(Decimal(1400), NINE)}
    rates.learn({Currency.USD: Decimal(1400)})
    assert rates.told == {Currency.USD: ToldRate(Decimal(1400), clock.at)}
