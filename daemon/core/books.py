"""Our books held against the broker's, and when the broker's are to be believed."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from daemon.core.costs import CostCeilings
from daemon.core.events import AccountReported, Holding
from daemon.core.portfolio import PortfolioView
from daemon.core.values import Currency, InstrumentId, Region, currency_of, region_of
from daemon.core.zones import zone_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """The books differ in a way no known cause explains; `subject` names what, for both sides."""

    subject: str
    ours: str
    theirs: str


def is_nothing(report: AccountReported) -> bool:
    """Whether a balance shows neither cash nor shares: a rare account, and a common fault."""
    return not any(report.cash.values()) and not report.holdings


def credible(portfolio: PortfolioView, report: AccountReported) -> bool:
    """Whether a balance can be true at all: what we know of does not all vanish at once.

    In a credible balance an instrument without a row is flat. In any other nothing is known of
    it, and the balance proves nothing: no difference, no agreement, no order's absence.
    """
    held = any(each.quantity for each in portfolio.positions.values())
    return not (is_nothing(report) and (held or any(portfolio.cash.values())))


def credible_in(currency: Currency, portfolio: PortfolioView, report: AccountReported) -> bool:
    """Whether a balance can be true of one currency: each region's part is an answer of its own.

    Unlike `credible` this may be false for ever: the last dollar may have been changed into won.
    So it only keeps an empty part from proving that an order never came to be.
    """
    told = report.cash_of(currency) or any(
        currency_of(each.instrument) is currency for each in report.holdings
    )
    known = portfolio.cash_of(currency) or any(
        each.quantity and currency_of(each.instrument) is currency
        for each in portfolio.positions.values()
    )
    return bool(told or not known)


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


def differences(
    portfolio: PortfolioView, report: AccountReported, ceilings: CostCeilings
) -> list[Discrepancy]:
    """Where the broker's cash and holdings are not ours, instrument by instrument.

    Cash that costs may have taken is no difference: see `costs`.
    """
    found = holding_differences(portfolio, report)
    explained = costs(portfolio, report, ceilings)
    for currency in sorted(report.cash.keys() | portfolio.cash.keys()):
        cash, told = portfolio.cash_of(currency), report.cash_of(currency)
        if cash != told and currency not in explained:
            found.append(
                Discrepancy(
                    subject=cash_subject(currency),
                    ours=f"{cash} {currency}",
                    theirs=f"{told} {currency}",
                )
            )
    return found


def holding_differences(portfolio: PortfolioView, report: AccountReported) -> list[Discrepancy]:
    """Where the broker's holdings are not ours."""
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
    return found


def costs(
    portfolio: PortfolioView, report: AccountReported, ceilings: CostCeilings
) -> dict[Currency, Decimal]:
    """What the broker charged in the currencies where that explains all of a difference in cash.

    Notices and lists tell prices before fees and taxes, the balance is after them. Negative
    when the broker gives back some of what it had charged.
    """
    found = {}
    for currency in sorted(report.cash.keys() | portfolio.cash.keys()):
        charged = portfolio.charged_of(currency)
        missing = portfolio.cash_of(currency) - report.cash_of(currency)
        traded, orders = portfolio.traded_of(currency), portfolio.orders_traded_in(currency)
        most = ceilings.of_day(currency, traded, orders) - charged
        if missing and -charged <= missing <= most:
            found[currency] = missing
    return found


def booked(
    portfolio: PortfolioView, report: AccountReported, *, adopting: bool = False
) -> AccountReported:
    """A balance with those of our trades in it that the broker has not booked yet (`unbooked`).

    A figure between the one before that day's trades and ours may be late, and counts as ours:
    so costs, and what somebody traded by hand that day, may show only once it is booked. Where a
    holding was late the rest stays `unbooked`: of what is not ours nobody knows how much is in it.
    A balance of nothing at all stays as it is: it proves nothing.
    An account's trades are booked late all of them or none. So where a holding shows that ours are
    in, and none that they are not, the cash is as it is told when the books are to be taken over
    (`adopting`): what somebody paid by hand would be taken for late, and never be ours.
    """
    if not report.unbooked or is_nothing(report):
        return replace(report, unbooked={})
    held = {each.instrument: each for each in report.holdings}
    cash, late = dict(report.cash), {}
    for region, day in report.unbooked.items():
        shares, paid = _traded_on(portfolio, region, day)
        shown = False
        for instrument, change in shares.items():
            position = portfolio.position(instrument)
            told = held[instrument].quantity if instrument in held else 0
            shown |= bool(change) and told == position.quantity
            if _is_late(told, position.quantity - change, position.quantity):
                late[region] = day
                held[instrument] = Holding(
                    instrument=instrument, quantity=position.quantity, cost=position.cost
                )
        currency = region.currency
        ours = portfolio.cash_of(currency)
        before_all = ours + paid + portfolio.charged_of(currency)
        told_cash = report.cash_of(currency)
        in_time = shown and region not in late and told_cash != before_all
        if shares and _is_late(told_cash, before_all, ours) and not (adopting and in_time):
            cash[currency] = ours
    holdings = tuple(each for each in held.values() if each.quantity)
    return replace(report, cash=cash, holdings=holdings, unbooked=late)


def _traded_on(
    portfolio: PortfolioView, region: Region, day: date
) -> tuple[dict[InstrumentId, int], Decimal]:
    """What our orders of a region's day changed: shares, and money paid."""
    shares: dict[InstrumentId, int] = {}
    paid = Decimal(0)
    began = datetime.combine(day, time(), zone_of(region))
    for order in portfolio.orders_since(began - timedelta(microseconds=1)):
        instrument, side = order.intent.instrument, order.intent.side
        if region_of(instrument) is region and order.filled:
            paid += side.sign * order.notional
            shares[instrument] = shares.get(instrument, 0) + side.sign * order.filled
    return shares, paid


def _is_late(told: Decimal | int, before: Decimal | int, now: Decimal | int) -> bool:
    return told != now and min(before, now) <= told <= max(before, now)


def cash_subject(currency: Currency) -> str:
    """What a difference in the cash of a currency is called."""
    return f"cash {currency}"


def position_subject(instrument: InstrumentId) -> str:
    """What a difference in a holding is called."""
    return f"position {instrument}"


def instrument_about(subject: str) -> InstrumentId | None:
    """Whose holding differs; `None` where it is something else that does."""
    instrument = InstrumentId(subject.removeprefix(position_subject(InstrumentId(""))))
    return instrument if position_subject(instrument) == subject else None


def adopted_in(
    portfolio: PortfolioView, report: AccountReported, subject: str, ceilings: CostCeilings
) -> AccountReported | None:
    """Our books with the broker's word on one subject alone, and on costs; `None` if the subject
    is neither cash nor a holding, and there is nothing to take over.

    Both are of the region that the report is of, if it is of one.
    """
    holdings = {
        each.instrument: Holding(instrument=each.instrument, quantity=each.quantity, cost=each.cost)
        for each in portfolio.positions.values()
        if each.quantity
    }
    told = {each.instrument: each for each in report.holdings}
    cash = dict(portfolio.cash)
    for currency in costs(portfolio, report, ceilings):
        cash[currency] = report.cash_of(currency)
    for instrument in told.keys() | holdings.keys():
        if position_subject(instrument) == subject:
            holdings.pop(instrument, None)
            holdings |= {instrument: told[instrument]} if instrument in told else {}
            break
    else:
        currency_meant = next(
            (each for each in report.cash.keys() | cash.keys() if cash_subject(each) == subject),
            None,
        )
        if currency_meant is None:
            return None
        cash[currency_meant] = report.cash_of(currency_meant)
    return replace(report, cash=cash, holdings=tuple(holdings[each] for each in sorted(holdings)))
