"""The settings of what trading costs: what the broker asks for, and how shares are taxed."""

from dataclasses import replace
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from daemon.core.costs import KIS_ONLINE, BrokerTariff, Listing, Security
from daemon.core.tariffs import Board
from daemon.core.values import InstrumentId, Market, Region, market_of, parse_instrument
from daemon.sections import Amount, Rate, Section


def _korean(value: str) -> InstrumentId:
    instrument = parse_instrument(value)
    if market_of(instrument) is not Market.KRX:
        raise ValueError("only what is listed on KRX is told apart")
    return instrument


KoreanInstrument = Annotated[str, AfterValidator(_korean)]


class TariffSettings(Section):
    """What the broker asks for in one region, where it is not the list price.

    The fields of `core.costs.BrokerTariff`: parts of the amount, `minimum` and `step` in the
    region's currency. A `commission` holds for funds, too, if theirs is not named.
    """

    commission: Rate | None = None
    fund_commission: Rate | None = None
    minimum: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)] | None = None
    exchange_fee: Rate | None = None
    step: Amount | None = None
    fx_spread: Rate | None = None

    def over(self, listed: BrokerTariff) -> BrokerTariff:
        """The tariff: what is named here, and the list price for the rest."""
        named = {name: value for name, value in self if value is not None}
        if "commission" in named:
            named.setdefault("fund_commission", None)
        return replace(listed, **named)


class CostSettings(Section):
    """What trading costs. `funds` are the KRX codes of ETF, ETN and ELW: sales untaxed; `konex`
    those of shares listed on KONEX, whose tax is its own."""

    kr: TariffSettings = TariffSettings()
    us: TariffSettings = TariffSettings()
    funds: frozenset[KoreanInstrument] = frozenset()
    konex: frozenset[KoreanInstrument] = frozenset()

    @model_validator(mode="after")
    def _either(self) -> "CostSettings":
        for instrument in sorted(self.funds & self.konex):
            raise ValueError(f"{instrument} is named in funds and in konex: it can be one only")
        return self

    def tariffs(self) -> dict[Region, BrokerTariff]:
        """As the core knows them."""
        return {
            region: told.over(KIS_ONLINE[region])
            for region, told in ((Region.KR, self.kr), (Region.US, self.us))
        }

    def listing_of(self, instrument: InstrumentId) -> Listing:
        """How an instrument is taxed; any other stock counts as one of KOSPI, see
        `core.costs.Listing`."""
        if instrument in self.funds:
            return Listing(security=Security.ETF)
        return Listing(board=Board.KONEX) if instrument in self.konex else Listing()
