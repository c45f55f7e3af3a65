"""Whether exchanges take orders now, by the clock and what is known of an instrument."""

from daemon.core.calendar import Calendars
from daemon.core.events import OrderIntent, OrderKind
from daemon.core.sessions import NotAccepted, OrderStyle, acceptance, intent_acceptance
from daemon.core.steps import takes_market_orders
from daemon.core.values import InstrumentId, Session
from daemon.engine.quotes import QuoteBoard
from daemon.ports import Clock


class Intake:
    """Asked when an order is judged, and again as it or a change of it leaves."""

    def __init__(self, calendars: Calendars, quotes: QuoteBoard, clock: Clock) -> None:
        self._calendars = calendars
        self._quotes = quotes
        self._clock = clock

    def refusal(self, intent: OrderIntent) -> str:
        """Why its exchange does not take an order now, and when it does; empty when it does."""
        unpriced = intent.kind is OrderKind.MARKET and intent.session is Session.REGULAR
        if unpriced and not takes_market_orders(intent.instrument):
            # It will be a limit order as soon as there is a price to word it with.
            return self.market_closed(intent.instrument)
        fund = self._quotes.is_fund(intent.instrument)
        answer = intent_acceptance(self._calendars, intent, self._clock.now(), fund=fund)
        return answer.reason if isinstance(answer, NotAccepted) else ""

    def session_closed(self, intent: OrderIntent) -> str:
        """Why the session an order is in takes nothing now; empty when it does."""
        if intent.session is Session.REGULAR:
            return self.market_closed(intent.instrument)
        return self.refusal(intent)

    def market_closed(self, instrument: InstrumentId) -> str:
        """Why its exchange takes not even a limit order now; empty when it does."""
        answer = acceptance(self._calendars, instrument, self._clock.now(), style=OrderStyle.LIMIT)
        return answer.reason if isinstance(answer, NotAccepted) else ""
