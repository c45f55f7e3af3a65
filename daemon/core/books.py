"""Our books held against the broker's."""

from dataclasses import dataclass

from daemon.core.events import AccountReported
from daemon.core.portfolio import PortfolioView


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """The books differ in a way no known cause explains; `subject` names what, for both sides."""

    subject: str
    ours: str
    theirs: str


def differences(portfolio: PortfolioView, report: AccountReported) -> list[Discrepancy]:
    """Where the broker's cash and holdings are not ours, instrument by instrument."""
    theirs = {holding.instrument: holding.quantity for holding in report.holdings}
    found = []
    for instrument in sorted(theirs.keys() | portfolio.positions.keys()):
        ours = portfolio.position(instrument).quantity
        held = theirs.get(instrument, 0)
        if ours != held:
            found.append(
                Discrepancy(
                    subject=f"position {instrument}", ours=f"{ours} shares", theirs=f"{held} shares"
                )
            )
    if report.cash != portfolio.cash:
        found.append(
            Discrepancy(subject="cash", ours=f"{portfolio.cash} KRW", theirs=f"{report.cash} KRW")
        )
    return found
