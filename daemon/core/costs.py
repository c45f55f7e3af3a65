"""What a trade costs: the broker's commission, taxes and the fees of exchanges and regulators.

Costs are of an ORDER on one trade day: all of its fills that day together, because minimums,
caps and the rounding of each charge apply to the whole. The broker does not document how it
collects the pieces. If it rounds each fill or the whole day instead, the difference is at most
one step of money a charge for every fill or order, which is what `core.tieout` tolerates.

Rounding: commissions to the nearest step (a published run of the broker's estimate shows 70 KRW for
498,000 KRW at 0.0140527 %, which is 69.98), taxes without their fraction of a won, American fees up
to the next cent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from enum import StrEnum

from daemon.core.settlement import TradingDays, settlement_day
from daemon.core.tariffs import FINRA_FEE, KOREAN_SALE_TAX, SEC_FEE, Board
from daemon.core.values import Currency, InstrumentId, Region, Side, currency_of, region_of

_STEPS = {Currency.KRW: Decimal(1), Currency.JPY: Decimal(1), Currency.VND: Decimal(1)}
_CENT = Decimal("0.01")

CHARGES = 4
"""Most charges of one order that are rounded by themselves: commission, two taxes, one fee."""

LEAST_CEILING = Decimal("0.005")
"""The part of a trade that a charge is always believed up to: the tariff of the settings may be
less than the account's own."""

_LEVIES = Decimal("0.003")
"""No taxes and fees of states and exchanges together take more than this part of a trade: Korea's
tax did until 2019, and FINRA's fee on a share reaches it below 7 cents."""


class Security(StrEnum):
    """What kind of paper is traded; in Korea the last three are exempt from tax."""

    STOCK = "stock"
    ETF = "etf"
    ETN = "etn"
    ELW = "elw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the costs of an instrument depend on; `board` counts for Korean stocks only.

    A stock of which no more is known than that it is not on KONEX may be taken for one of KOSPI:
    since 2019 the two taxes of KOSPI add up to the one of KOSDAQ and of K-OTC, and only their
    rounding differs, by less than 1 KRW a sale.
    """

    board: Board = Board.KOSPI
    security: Security = Security.STOCK

    @property
    def is_fund(self) -> bool:
        """Whether it is no share: ETF, ETN or ELW."""
        return self.security is not Security.STOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Charges in one currency: `commission` is the broker's, `fees` exchanges' and regulators'."""

    currency: Currency
    commission: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """Everything charged."""
        return self.commission + self.tax + self.fees

    def __add__(self, other: "Costs") -> "Costs":
        """Both together; raises `ValueError` for costs of different currencies."""
        return self._with(other, 1)

    def __sub__(self, other: "Costs") -> "Costs":
        """What is left without `other`; raises `ValueError` for different currencies."""
        return self._with(other, -1)

    def _with(self, other: "Costs", sign: int) -> "Costs":
        if other.currency is not self.currency:
            raise ValueError(f"costs in {self.currency} and {other.currency} do not add up")
        return Costs(
            currency=self.currency,
            commission=self.commission + sign * other.commission,
            tax=self.tax + sign * other.tax,
            fees=self.fees + sign * other.fees,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTariff:
    """What the broker asks for in one region, as parts of the amount traded.

    `fund_commission` is for Korean ETF, ETN and ELW. `minimum` is the least commission of an order
    in the region's currency; nothing is charged at a rate of zero. `exchange_fee` is what
    exchanges and depositories take (유관기관수수료) where the broker bills it beside the
    commission. It is one rate for all venues: what NXT asks less is not told apart.
    `step` is the money a commission is rounded to, in the region's currency: 1 KRW or 1 cent
    by itself, 10 KRW at some brokers. `fx_spread` is what changing won costs, beside the rate.
    """

    commission: Decimal
    fund_commission: Decimal | None = None
    minimum: Decimal = Decimal(0)
    exchange_fee: Decimal = Decimal(0)
    step: Decimal | None = None
    fx_spread: Decimal = Decimal(0)


KIS_ONLINE = {
    # The list price of an account opened online (BanKIS), exchange fees included: the broker's
    # page of fees (securities.koreainvestment.com, main/customer/guide, TF04ae010000). Accounts of
    # a branch pay more. Those of a promotion pay less, many only the exchange fee of 0.0036396 %.
    Region.KR: BrokerTariff(
        commission=Decimal("0.000140527"), fund_commission=Decimal("0.000146527")
    ),
    # The online list price quoted for US stocks; promotions ask for less.
    Region.US: BrokerTariff(commission=Decimal("0.0025")),
}
"""The standing prices of the broker, for accounts opened online."""

_FREE = BrokerTariff(commission=Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """All an order traded on one day, so far. `day` is the market's own calendar date."""

    instrument: InstrumentId
    side: Side
    day: date
    quantity: int
    notional: Decimal


class CostSchedule:
    """What trades cost in each region the broker has a tariff for.

    `days` are the regions' settlement days: they decide on which side of a new rate a sale falls.
    """

    def __init__(
        self,
        days: Mapping[Region, TradingDays],
        tariffs: Mapping[Region, BrokerTariff] | None = None,
    ) -> None:
        self._days = dict(days)
        self._tariffs = KIS_ONLINE | dict(tariffs or {})

    def of_order(self, traded: Traded, listing: Listing | None = None) -> Costs:
        """The costs of what an order traded on one day.

        Raises `ValueError` for a region without tariff or settlement days, and for a day before
        the tables of `core.tariffs` begin.
        """
        listing = listing or Listing()
        region = region_of(traded.instrument)
        tariff, days = self._of(region)
        rate = tariff.commission
        if listing.is_fund and tariff.fund_commission is not None:
            rate = tariff.fund_commission
        step = tariff.step or money_step(region.currency)
        commission = _round(traded.notional * rate, step, ROUND_HALF_UP)
        if rate and traded.notional:
            commission = max(commission, tariff.minimum)
        fees = _round(traded.notional * tariff.exchange_fee, step, ROUND_HALF_UP)
        tax = Decimal(0)
        if traded.side is Side.SELL:
            settles = settlement_day(region, traded.day, days)
            if region is Region.KR:
                tax = _korean_tax(traded.notional, settles, listing)
            elif region is Region.US:
                fees += _american_fees(traded, settles)
        return Costs(currency=region.currency, commission=commission, tax=tax, fees=fees)

    def of_exchange(self, amount: Decimal, currency: Currency, rate: Decimal) -> Decimal:
        """KRW that changing `amount` of a currency into or from won costs at `rate` KRW for one."""
        for region, tariff in self._tariffs.items():
            if region.currency is currency:
                return _round(abs(amount) * rate * tariff.fx_spread, Decimal(1), ROUND_DOWN)
        raise ValueError(f"there is no tariff for {currency}")

    def step_of(self, instrument: InstrumentId) -> Decimal:
        """The most that rounding can change one charge of an order."""
        tariff, _ = self._of(region_of(instrument))
        return _largest_step(tariff, currency_of(instrument))

    def _of(self, region: Region) -> tuple[BrokerTariff, TradingDays]:
        tariff, days = self._tariffs.get(region), self._days.get(region)
        if tariff is None or days is None:
            raise ValueError(
                f"the costs of trading in {region.value} are not known: add its tariff"
            )
        return tariff, days


class CostCeilings:
    """The most that orders can be charged by the broker's tariffs, whatever exactly they were.

    What a balance lacks beyond that is no cost.
    """

    def __init__(self, tariffs: Mapping[Region, BrokerTariff] | None = None) -> None:
        listed = KIS_ONLINE | dict(tariffs or {})
        self._tariffs = {region.currency: tariff for region, tariff in listed.items()}

    def of_day(self, currency: Currency, traded: Decimal, orders: int) -> Decimal:
        """The most that so many orders, which `traded` so much together in one day, are charged.

        Beside a part of the amount that is a minimum and the rounding of each charge of an order.
        """
        tariff = self._tariffs.get(currency, _FREE)
        rate = max(tariff.commission, tariff.fund_commission or Decimal(0)) + tariff.exchange_fee
        part = max(LEAST_CEILING, rate + _LEVIES)
        return traded * part + orders * (tariff.minimum + CHARGES * _largest_step(tariff, currency))


def money_step(currency: Currency) -> Decimal:
    """The least amount of a currency that is ever charged."""
    return _STEPS.get(currency, _CENT)


def _largest_step(tariff: BrokerTariff, currency: Currency) -> Decimal:
    return max(tariff.step or Decimal(0), money_step(currency))


def _korean_tax(notional: Decimal, settles: date, listing: Listing) -> Decimal:
    """Both taxes of a sale in KRW, each without its fraction of a won."""
    if listing.is_fund:
        return Decimal(0)
    rates = KOREAN_SALE_TAX[listing.board].at(settles)
    return sum(
        (
            _round(notional * rate, Decimal(1), ROUND_DOWN)
            for rate in (rates.transaction, rates.rural)
        ),
        Decimal(0),
    )


def _american_fees(traded: Traded, settles: date) -> Decimal:
    """The SEC's and FINRA's fee on a sale in USD, each rounded up to the cent, as brokers do."""
    share = FINRA_FEE.at(traded.day)
    activity = min(traded.quantity * share.per_share, share.most)
    section_31 = traded.notional * SEC_FEE.at(settles)
    return _round(section_31, _CENT, ROUND_UP) + _round(activity, _CENT, ROUND_UP)


def _round(amount: Decimal, step: Decimal, way: str) -> Decimal:
    return (amount / step).to_integral_value(rounding=way) * step
