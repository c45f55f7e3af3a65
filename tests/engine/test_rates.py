"""The broker's rate replaces the assumed one, and nonsense replaces nothing."""

from collections.abc import Callable
from decimal import Decimal

from daemon.core.values import Currency
from daemon.engine.rates import ExchangeRates


def test_a_rate_is_as_set_until_the_broker_tells_its_own() -> None:
    rates = ExchangeRates({Currency.USD: Decimal(1500)})
    assert rates.rate(Currency.USD) == Decimal(1500)
    rates.learn({Currency.USD: Decimal("1385.50")})
    assert rates.rate(Currency.USD) == Decimal("1385.50")


def test_one_won_is_worth_one_and_a_rate_of_nothing_is_not_believed() -> None:
    rates = ExchangeRates()
    rates.learn({Currency.KRW: Decimal(2), Currency.USD: Decimal(0)})
    assert rates.rate(Currency.KRW) == Decimal(1)
    assert rates.rate(Currency.USD) is None


def test_a_rate_that_cannot_be_true_is_not_believed() -> None:
    rates = ExchangeRates({Currency.USD: Decimal(1500)})
    for broken in (Decimal(1), Decimal("1.385"), Decimal(15_000)):
        rates.learn({Currency.USD: broken})
        assert rates.rate(Currency.USD) == Decimal(1500)


def test_whoever_has_to_know_sees_the_rate_before_and_after() -> None:
    rates = ExchangeRates({Currency.USD: Decimal(1500)})
    seen: list[Decimal | None] = []

    def around(change: Callable[[], None]) -> None:
        seen.append(rates.rate(Currency.USD))
        change()
        seen.append(rates.rate(Currency.USD))

    rates.around = around
    rates.learn({Currency.USD: Decimal(1400)})
    rates.learn({Currency.USD: Decimal(1400)})
    assert seen == [Decimal(1500), Decimal(1400)]
