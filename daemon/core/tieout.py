"""Our day held against the broker's own profit and loss, instrument by instrument.

The broker's answer is of trades it has booked, so the sums traded must be equal to the last digit.
Costs may differ by rounding: less than one step of money for each charge of each order, see
`core.costs`. The broker's documents do not say whether its realised profit is before or after
costs; costs are compared by themselves, so either reading of it is accepted, and which one it was
is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from daemon.core.costs import CHARGES, CostSchedule
from daemon.core.profit import DayTrades
from daemon.core.values import InstrumentId

AVERAGE_ROUNDING = Decimal("0.0001")
"""The broker tells average prices to four places, so a cost may be off by this for each share."""


class Reading(StrEnum):
    """What a broker's realised profit turned out to mean."""

    GROSS = "gross"
    NET = "net"
    NET_OF_SALE = "net_of_sale"


class Figure(StrEnum):
    """What is compared."""

    BOUGHT = "bought"
    SPENT = "spent"
    SOLD = "sold"
    PROCEEDS = "proceeds"
    COSTS = "costs"
    REALISED = "realised"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerProfit:
    """One instrument's day by the broker's books, in the instrument's currency.

    `None` where the broker's answer does not say: abroad it tells of sales only, and `costs` are
    those of the sales.
    """

    day: date
    instrument: InstrumentId
    bought: int | None
    spent: Decimal | None
    sold: int
    proceeds: Decimal
    costs: Decimal
    realised: Decimal

    def __add__(self, other: "BrokerProfit") -> "BrokerProfit":
        """Two rows of one instrument and day: the broker splits them by kind of trade."""
        if (other.day, other.instrument) != (self.day, self.instrument):
            raise ValueError(f"rows of {self.instrument} and {other.instrument} do not add up")
        return BrokerProfit(
            day=self.day,
            instrument=self.instrument,
            bought=None if self.bought is None else self.bought + (other.bought or 0),
            spent=None if self.spent is None else self.spent + (other.spent or Decimal(0)),
            sold=self.sold + other.sold,
            proceeds=self.proceeds + other.proceeds,
            costs=self.costs + other.costs,
            realised=self.realised + other.realised,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure that rounding does not explain."""

    instrument: InstrumentId
    figure: Figure
    ours: Decimal
    theirs: Decimal
    tolerance: Decimal

    def __str__(self) -> str:
        """For logs and reports."""
        return f"{self.instrument} {self.figure}: {self.ours} / {self.theirs} (±{self.tolerance})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TieOut:
    """The comparison of a day. `rounding` is what tolerated costs differ by, theirs less ours."""

    day: date
    compared: tuple[InstrumentId, ...]
    differences: tuple[Difference, ...]
    rounding: Decimal
    readings: frozenset[Reading]

    @property
    def agrees(self) -> bool:
        """Whether both sides tell the same day."""
        return not self.differences


def tie_out(
    day: date,
    ours: Mapping[InstrumentId, DayTrades],
    theirs: Sequence[BrokerProfit],
    schedule: CostSchedule,
    *,
    sales_only: bool,
) -> TieOut:
    """Compare what we counted on `day` with what the broker did; rows of other days are ignored.

    An instrument that only one side knows differs in what it traded. Where the broker's inquiry is
    of `sales_only`, purchases are not looked for: an answer without rows does not say so itself.
    """
    told: dict[InstrumentId, BrokerProfit] = {}
    for part in theirs:
        if part.day == day:
            before = told.get(part.instrument)
            told[part.instrument] = part if before is None else before + part
    known = {each for each, trades in ours.items() if trades.sold or not sales_only}
    compared = tuple(sorted(known | told.keys()))
    differences: list[Difference] = []
    readings: set[Reading] = set()
    rounding = Decimal(0)
    for instrument in compared:
        row, mine = told.get(instrument), ours.get(instrument)
        if row is None or mine is None:
            lone = _lone(instrument, mine, row)
            differences.extend(
                each for each in lone if each.figure is Figure.SOLD or not sales_only
            )
            continue
        tolerance = schedule.step_of(instrument) * CHARGES * mine.orders
        found = _amounts(instrument, mine, row)
        costs = (mine.sell_costs if sales_only else mine.costs).total
        if abs(costs - row.costs) > tolerance:
            found.append(_difference(instrument, Figure.COSTS, costs, row.costs, tolerance))
        else:
            rounding += row.costs - costs
        reading = _reading(mine, row, tolerance + AVERAGE_ROUNDING * row.sold)
        if isinstance(reading, Reading):
            readings |= {reading} if row.sold else set()
        else:
            found.append(reading)
        differences.extend(found)
    return TieOut(
        day=day,
        compared=compared,
        differences=tuple(differences),
        rounding=rounding,
        readings=frozenset(readings),
    )


def _difference(
    instrument: InstrumentId,
    figure: Figure,
    ours: Decimal | int,
    theirs: Decimal | int,
    tolerance: Decimal = Decimal(0),
) -> Difference:
    return Difference(
        instrument=instrument,
        figure=figure,
        ours=Decimal(ours),
        theirs=Decimal(theirs),
        tolerance=tolerance,
    )


def _lone(
    instrument: InstrumentId, mine: DayTrades | None, row: BrokerProfit | None
) -> list[Difference]:
    """What one side traded and the other knows nothing of; nothing, if nothing was traded."""
    pairs = (
        (Figure.BOUGHT, mine.bought if mine else 0, row.bought or 0 if row else 0),
        (Figure.SOLD, mine.sold if mine else 0, row.sold if row else 0),
    )
    return [_difference(instrument, *pair) for pair in pairs if pair[1] != pair[2]]


def _amounts(instrument: InstrumentId, mine: DayTrades, row: BrokerProfit) -> list[Difference]:
    pairs: list[tuple[Figure, Decimal | int, Decimal | int | None]] = [
        (Figure.BOUGHT, mine.bought, row.bought),
        (Figure.SPENT, mine.spent, row.spent),
        (Figure.SOLD, mine.sold, row.sold),
        (Figure.PROCEEDS, mine.proceeds, row.proceeds),
    ]
    return [
        _difference(instrument, figure, ours, theirs)
        for figure, ours, theirs in pairs
        if theirs is not None and ours != theirs
    ]


def _reading(mine: DayTrades, row: BrokerProfit, tolerance: Decimal) -> Reading | Difference:
    """Which reading makes both realised profits equal; the difference to the nearest, if none."""
    candidates = {
        Reading.NET: mine.realised - mine.costs.total,
        Reading.NET_OF_SALE: mine.realised - mine.sell_costs.total,
        Reading.GROSS: mine.realised,
    }
    nearest = min(candidates, key=lambda each: abs(candidates[each] - row.realised))
    if abs(candidates[nearest] - row.realised) <= tolerance:
        return nearest
    return _difference(
        row.instrument, Figure.REALISED, candidates[nearest], row.realised, tolerance
    )
