"""What states and exchanges charge for a trade, by the day a rate came into force.

Only what the law or a regulator sets is here. What a broker asks for is a setting: `core.costs`.
A day before the first row of a table is refused, because a guess would look like a fact. The last
row stays in force until a new one is written: rates announced after November 2026 are not here.

Korea: the securities transaction tax and, on KOSPI, the special tax for rural development, both on
sales alone. The rate that counts is that of the day the shares change hands, which is the day of
settlement: the rates of 2025 applied to sales filled from 2024-12-27 on (notices of Korean
brokers, December 2024). Beneficiary and debt certificates (ETF, ETN, ELW) are not shares, and
exempt.
United States: the fee of section 31 of the Securities Exchange Act (SEC fee rate advisories; by
"charge date", which is the settlement date, Rule 31(a)(3)) and FINRA's trading activity fee
(By-Laws, Schedule A, section 1; by trade date), both on sales alone.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

Rate = TypeVar("Rate")


class Board(StrEnum):
    """The Korean market a share is listed on: it decides the tax on a sale."""

    KOSPI = "kospi"
    KOSDAQ = "kosdaq"
    KONEX = "konex"
    K_OTC = "k_otc"


@dataclass(frozen=True, slots=True)
class SaleTax:
    """Parts of the proceeds of a sale: the transaction tax, and the rural development tax."""

    transaction: Decimal
    rural: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class ShareFee:
    """USD for each share sold, and the most of one trade."""

    per_share: Decimal
    most: Decimal


class Dated(Generic[Rate]):
    """Rates and the days they came into force, oldest first."""

    def __init__(self, name: str, rows: Sequence[tuple[date, Rate]]) -> None:
        self.name = name
        self._since = [since for since, _ in rows]
        self._rates = [rate for _, rate in rows]
        assert self._since == sorted(set(self._since)), "rows are in the order of their days"

    def at(self, day: date) -> Rate:
        """The rate in force on `day`; raises `ValueError` for a day before the first row."""
        index = bisect_right(self._since, day) - 1
        if index < 0:
            raise ValueError(
                f"{self.name} of {day} is not known: the table begins {self._since[0]}"
            )
        return self._rates[index]


def _percent(text: str) -> Decimal:
    return Decimal(text) / 100


_RURAL = _percent("0.15")
"""Special tax for rural development act, art. 5: on sales on KOSPI, unchanged over all of it."""


def _sale_tax(name: str, *rows: tuple[date, str], rural: Decimal = Decimal(0)) -> Dated[SaleTax]:
    return Dated(
        f"the sale tax on {name}", [(since, SaleTax(_percent(rate), rural)) for since, rate in rows]
    )


# Enforcement decree of the securities transaction tax act, art. 5, as amended: of 2019-06-03
# (decree 29788), of 2021, 2023, 2024 and 2025 (steps of the plan for an income tax on investments)
# and of 2026 (raised back when that tax was dropped; notice of the ministry of 2025-12-01).
# No change for 2027 was known when this was written (November 2026).
KOREAN_SALE_TAX = {
    Board.KOSPI: _sale_tax(
        "KOSPI",
        (date(2019, 1, 1), "0.15"),
        (date(2019, 6, 3), "0.10"),
        (date(2021, 1, 1), "0.08"),
        (date(2023, 1, 1), "0.05"),
        (date(2024, 1, 1), "0.03"),
        (date(2025, 1, 1), "0.00"),
        (date(2026, 1, 1), "0.05"),
        rural=_RURAL,
    ),
    Board.KOSDAQ: _sale_tax(
        "KOSDAQ",
        (date(2019, 1, 1), "0.30"),
        (date(2019, 6, 3), "0.25"),
        (date(2021, 1, 1), "0.23"),
        (date(2023, 1, 1), "0.20"),
        (date(2024, 1, 1), "0.18"),
        (date(2025, 1, 1), "0.15"),
        (date(2026, 1, 1), "0.20"),
    ),
    Board.KONEX: _sale_tax("KONEX", (date(2019, 1, 1), "0.30"), (date(2019, 6, 3), "0.10")),
    Board.K_OTC: _sale_tax(
        "K-OTC",
        (date(2019, 1, 1), "0.30"),
        (date(2019, 6, 3), "0.25"),
        (date(2021, 1, 1), "0.23"),
        (date(2023, 1, 1), "0.20"),
        (date(2024, 1, 1), "0.18"),
        (date(2025, 1, 1), "0.15"),
        (date(2026, 1, 1), "0.20"),
    ),
}
"""By settlement day, from 2019 on."""


def _per_million(text: str) -> Decimal:
    return Decimal(text) / 1_000_000


SEC_FEE = Dated(
    "the SEC fee",
    [
        (date(2018, 5, 22), _per_million("13.00")),
        (date(2019, 4, 16), _per_million("20.70")),
        (date(2020, 2, 18), _per_million("22.10")),
        (date(2021, 2, 25), _per_million("5.10")),
        (date(2022, 5, 14), _per_million("22.90")),
        (date(2023, 2, 27), _per_million("8.00")),
        (date(2024, 5, 22), _per_million("27.80")),
        # The year's appropriation had been collected (release 34-102779 of 2025-04-08).
        (date(2025, 5, 14), _per_million("0.00")),
        # Release 34-104909 of 2026-02-27. It stays until 60 days after the appropriation for
        # fiscal 2027 is enacted; no rate for it was known when this was written.
        (date(2026, 4, 4), _per_million("20.60")),
    ],
)
"""Part of the proceeds, by settlement day."""

FINRA_FEE = Dated(
    "FINRA's trading activity fee",
    [
        (date(2019, 1, 1), ShareFee(Decimal("0.000119"), Decimal("5.95"))),
        # SR-FINRA-2020-032.
        (date(2022, 1, 1), ShareFee(Decimal("0.000130"), Decimal("6.49"))),
        (date(2023, 1, 1), ShareFee(Decimal("0.000145"), Decimal("7.27"))),
        (date(2024, 1, 1), ShareFee(Decimal("0.000166"), Decimal("8.30"))),
        # SR-FINRA-2024-019; its step of 2027 was put off to 2029 by SR-FINRA-2026-020.
        (date(2026, 1, 1), ShareFee(Decimal("0.000195"), Decimal("9.79"))),
        # SR-FINRA-2026-021: nothing for the last quarter of 2026.
        (date(2026, 10, 1), ShareFee(Decimal(0), Decimal(0))),
        (date(2027, 1, 1), ShareFee(Decimal("0.000195"), Decimal("9.79"))),
    ],
)
"""By trade day. Sales below the fee a share are exempt, which no listed share comes near."""
