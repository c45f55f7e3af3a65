"""Whether exchanges take an order now: the session it is for, and the one that is open."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.events import OrderIntent
from daemon.core.values import InstrumentId, Region, Session, Side
from daemon.engine.intake import Intake
from daemon.engine.quotes import QuoteBoard
from daemon.ports import InstrumentInfo
from tests.builders import SAMSUNG, intent

APPLE = InstrumentId("nasdaq:AAPL")
MIDNIGHT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
"""Monday begins in Seoul."""


@dataclass
class Stopped:
    """A clock that stands still."""

    at: datetime
    known: bool = True
    sure_since: float = float("-inf")

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


def intake(hours: float, quotes: QuoteBoard | None = None) -> Intake:
    """What is taken so many hours into Monday in Seoul."""
    calendars = Calendars(
        {Region.KR: MarketCalendar(), Region.US: MarketCalendar(region=Region.US)}
    )
    at = MIDNIGHT + timedelta(hours=hours)
    return Intake(calendars, quotes or QuoteBoard(), Stopped(at))


def wanted(session: Session = Session.REGULAR, limit: int | None = 70_000) -> OrderIntent:
    return replace(intent(limit=limit), session=session)


@pytest.mark.parametrize(("hours", "session"), [(10, Session.REGULAR), (17, Session.AFTER_MARKET)])
def test_an_order_is_taken_while_its_own_session_is_open(hours: float, session: Session) -> None:
    now = intake(hours)
    assert (now.refusal(wanted(session)), now.session_closed(wanted(session))) == ("", "")


@pytest.mark.parametrize(("hours", "session"), [(17, Session.REGULAR), (10, Session.AFTER_MARKET)])
def test_another_session_is_of_no_use_to_it(hours: float, session: Session) -> None:
    now = intake(hours)
    assert "before 2026-11-2" in now.refusal(wanted(session))
    assert "before 2026-11-2" in now.session_closed(wanted(session))


def test_an_american_order_at_market_is_taken_when_a_limit_is() -> None:
    at_market = replace(wanted(limit=None), instrument=APPLE, side=Side.SELL)
    assert intake(24).refusal(at_market) == ""
    assert "before" in intake(10).refusal(at_market)
    assert intake(10).refusal(at_market) == intake(10).market_closed(APPLE)


def test_funds_have_no_after_market() -> None:
    quotes = QuoteBoard()
    price, step = Decimal(70_000), Decimal(5)
    quotes.learn(InstrumentInfo(SAMSUNG, price, price, price * 2, price / 2, step, 0))
    assert quotes.is_fund(SAMSUNG)
    assert intake(17).refusal(wanted(Session.AFTER_MARKET)) == ""
    assert intake(17, quotes).refusal(wanted(Session.AFTER_MARKET))
