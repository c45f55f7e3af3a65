"""Our books held against the broker's, and when the broker's are to be believed."""

from collections.abc import Collection, Hashable, Mapping
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


def is_nothing(report: AccountReported) -> bool:
    """Whether a balance shows neither cash nor shares: a rare account, and a common fault."""
    return not report.cash and not report.holdings


def credible(portfolio: PortfolioView, report: AccountReported) -> bool:
    """Whether a balance can be true at all: what we know of does not all vanish at once.

    In a credible balance an instrument without a row is flat. In any other nothing is known of
    it, and the balance proves nothing: no difference, no agreement, no order's absence.
    """
    known = portfolio.cash or any(each.quantity for each in portfolio.positions.values())
    return not (is_nothing(report) and known)


@dataclass(frozen=True, slots=True)
class _Seen:
    statement: Hashable
    first: float
    looks: int


class Looks:
    """What the balance keeps saying, look after look: believed once no lag can explain it.

    Lists and balances lag, each in its own way, so two of them may contradict each other for up
    to `settle` seconds though both are true. A statement is believed when all looks over that
    time agree. If nothing of ours has moved for so long, nor can, a few looks are enough.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._seen: dict[str, _Seen] = {}

    def see(
        self,
        statements: Mapping[str, Hashable],
        *,
        asked: float,
        calm_since: float | None,
        certain: Collection[str] = (),
        least: int = 2,
    ) -> set[str]:
        """Take in one look, subject by subject; returns the subjects to believe by now.

        `asked` is when the look left, `calm_since` when something of ours last moved, `None`
        while something may be moving. `certain` subjects have a cause that is known, and need
        only `least` equal looks. A subject a look says nothing of begins anew.
        """
        before, self._seen = self._seen, {}
        for subject, statement in statements.items():
            seen = before.get(subject)
            if seen is None or seen.statement != statement:
                seen = _Seen(statement, asked, 0)
            self._seen[subject] = _Seen(statement, seen.first, seen.looks + 1)
        return {
            subject
            for subject, seen in self._seen.items()
            if seen.looks >= least
            and (
                subject in certain
                or asked - (seen.first if calm_since is None else calm_since) >= self._settle
            )
        }


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
