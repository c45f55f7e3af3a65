"""Our books held against the broker's."""

from dataclasses import dataclass
from decimal import Decimal

from daemon.core.events import AccountReported
from daemon.core.portfolio import PortfolioView
from daemon.core.values import InstrumentId

CASH = "cash"
COST_CEILING = Decimal("0.005")
"""No commission and tax on KRX stocks together reaches this part of what was traded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """The books differ in a way no known cause explains; `subject` names what, for both sides."""

    subject: str
    ours: str
    theirs: str


def differences(portfolio: PortfolioView, report: AccountReported) -> list[Discrepancy]:
    """Where the broker's cash and holdings are not ours, instrument by instrument.

    Cash that costs may have taken is no difference: see `costs`.
    """
    theirs = {holding.instrument: holding.quantity for holding in report.holdings}
    found = []
    for instrument in sorted(theirs.keys() | portfolio.positions.keys()):
        ours = portfolio.position(instrument).quantity
        held = theirs.get(instrument, 0)
        if ours != held:
            found.append(
                Discrepancy(
                    subject=position_subject(instrument),
                    ours=f"{ours} shares",
                    theirs=f"{held} shares",
                )
            )
    if report.cash != portfolio.cash and not costs(portfolio, report):
        found.append(
            Discrepancy(subject=CASH, ours=f"{portfolio.cash} KRW", theirs=f"{report.cash} KRW")
        )
    return found


def costs(portfolio: PortfolioView, report: AccountReported) -> Decimal:
    """What the broker charged, if that explains all of the difference in cash; else zero.

    Notices and lists tell prices before fees and taxes, the balance is after them. Negative
    when the broker gives back some of what it had charged.
    """
    missing = portfolio.cash - report.cash
    most = portfolio.traded * COST_CEILING - portfolio.charged
    return missing if -portfolio.charged <= missing <= most else Decimal(0)


def position_subject(instrument: InstrumentId) -> str:
    """What a difference in a holding is called."""
    return f"position {instrument}"
