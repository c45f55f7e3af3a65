"""What may be sent when: every session of a day, with the orders each accepts.

The tables are dated, so that a replay of an older day uses that day's hours. Sources: KRX and NXT
notices (NXT since 2025-03-04; the KRX after-market, the end of single-price trading after hours
and the earlier intake since 2026-09-14; no NXT pre-market on days that open late); the order
kinds and overseas hours KIS offers on its portal; the cut-off of closing orders in New York.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

from daemon.core.calendar import (
    KST,
    Calendars,
    MarketCalendar,
    Moves,
    OddDay,
    Phase,
    shifted,
)
from daemon.core.events import OrderIntent, OrderKind, TimeInForce
from daemon.core.values import InstrumentId, Region, Session, Side, Venue, region_of

SEARCH = timedelta(days=30)
"""How far ahead the next chance is looked for: longer than any holiday."""


class OrderStyle(StrEnum):
    """How an order is priced, as venues tell them apart. The first two are `OrderKind`s."""

    LIMIT = "limit"
    MARKET = "market"
    CONDITIONAL_LIMIT = "conditional_limit"
    """A limit that becomes a market order in the closing auction."""
    BEST_OPPOSITE = "best_opposite"
    """At the best price of the other side."""
    BEST_OWN = "best_own"
    """At the best price of one's own side."""
    MIDPOINT = "midpoint"
    STOP_LIMIT = "stop_limit"
    PREVIOUS_CLOSE = "previous_close"
    CLOSING_PRICE = "closing_price"
    SINGLE_PRICE = "single_price"
    PRE_MARKET_LIMIT = "pre_market_limit"
    PRE_MARKET_BEST_OPPOSITE = "pre_market_best_opposite"
    PRE_MARKET_BEST_OWN = "pre_market_best_own"
    """The three that end with the pre-market of NXT."""
    MARKET_ON_OPEN = "market_on_open"
    LIMIT_ON_OPEN = "limit_on_open"
    MARKET_ON_CLOSE = "market_on_close"
    LIMIT_ON_CLOSE = "limit_on_close"
    TWAP = "twap"
    VWAP = "vwap"


OrderForm = tuple[OrderStyle, TimeInForce]
"""How an order is priced, and how long it may wait."""

_DAY, _IOC, _FOK = TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK


def _orders(*styles: OrderStyle, at_once: tuple[OrderStyle, ...] = ()) -> frozenset[OrderForm]:
    """All of these for the day, and those of `at_once` also as IOC and FOK."""
    day = {(style, _DAY) for style in (*styles, *at_once)}
    return frozenset(day | {(style, force) for style in at_once for force in (_IOC, _FOK)})


_S = OrderStyle
_AUCTION = _orders(_S.LIMIT, _S.MARKET)
_CONTINUOUS = _orders(
    _S.CONDITIONAL_LIMIT,
    _S.BEST_OWN,
    _S.STOP_LIMIT,
    at_once=(_S.LIMIT, _S.MARKET, _S.BEST_OPPOSITE, _S.MIDPOINT),
)
_AFTER_HOURS = _orders(_S.BEST_OWN, at_once=(_S.LIMIT, _S.BEST_OPPOSITE))
_NXT_MAIN = _orders(_S.BEST_OWN, _S.STOP_LIMIT, at_once=(_S.LIMIT, _S.BEST_OPPOSITE, _S.MIDPOINT))
_NXT_PRE = _orders(at_once=(_S.LIMIT,))
_NXT_PRE_ENDING = _NXT_PRE | _orders(
    _S.PRE_MARKET_LIMIT, _S.PRE_MARKET_BEST_OPPOSITE, _S.PRE_MARKET_BEST_OWN
)
_ROUTED = _orders(_S.BEST_OWN, at_once=(_S.LIMIT, _S.MARKET, _S.BEST_OPPOSITE))
"""What the broker takes for the better of KRX and NXT."""
_LIMIT_ONLY = _orders(_S.LIMIT)

_KRX_REGULAR: Mapping[Phase, frozenset[OrderForm]] = {
    Phase.OPENING_AUCTION: _AUCTION | _orders(_S.CONDITIONAL_LIMIT),
    Phase.CONTINUOUS: _CONTINUOUS,
    Phase.CLOSING_AUCTION: _AUCTION,
}
_ABROAD: Mapping[Phase, frozenset[OrderForm]] = {
    Phase.CONTINUOUS: _LIMIT_ONLY,
    Phase.CLOSING_AUCTION: _LIMIT_ONLY,
}
_REGULAR: Mapping[Region, Mapping[Phase, frozenset[OrderForm]]] = {
    Region.KR: _KRX_REGULAR,
    Region.US: {Phase.CONTINUOUS: _orders(_S.LIMIT, _S.TWAP, _S.VWAP)},
    Region.JP: _ABROAD,
    Region.HK: _ABROAD,
    Region.CN: _ABROAD,
}


@dataclass(frozen=True, slots=True)
class _Edge:
    """An end of a window: a time of day, which may move on odd days or be Korean time.

    `later` counts days after the trading day.
    """

    clock: time
    moves: Moves = Moves.NOT
    korean: bool = False
    later: int = 0

    def on(self, calendar: MarketCalendar, day: date) -> datetime:
        odd = calendar.odd_days.get(day, OddDay())
        clock = self.clock
        if self.moves is not Moves.NOT:
            by = odd.opens_later if self.moves is Moves.OPEN else odd.closes_later
            clock = shifted(clock, by)
        zone = KST if self.korean else calendar.zone
        return datetime.combine(day + timedelta(days=self.later), clock, zone).astimezone(UTC)


def _open(hour: int, minute: int, second: int = 0) -> _Edge:
    return _Edge(time(hour, minute, second), Moves.OPEN)


def _close(hour: int, minute: int) -> _Edge:
    return _Edge(time(hour, minute), Moves.CLOSE)


def _fixed(hour: int, minute: int) -> _Edge:
    return _Edge(time(hour, minute))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """A window beside the regular session, from the day `since` to before the day `until`."""

    session: Session
    begins: _Edge
    ends: _Edge
    accepts: frozenset[OrderForm]
    venue: Venue = Venue.KRX
    phase: Phase = Phase.CONTINUOUS
    since: date = date.min
    until: date = date.max
    funds: bool = True
    on_late_opens: bool = True

    def holds(self, calendar: MarketCalendar, day: date) -> bool:
        late = bool(calendar.odd_days.get(day, OddDay()).opens_later)
        return self.since <= day < self.until and (self.on_late_opens or not late)


_NXT_FROM = date(2025, 3, 4)
_EXTENDED_FROM = date(2026, 9, 14)

_KOREAN = (
    _Rule(
        session=Session.PREVIOUS_CLOSE,
        begins=_open(8, 30),
        ends=_open(8, 40),
        accepts=_orders(_S.PREVIOUS_CLOSE),
    ),
    # Orders are taken from the close on, and trade from ten minutes later.
    _Rule(
        session=Session.CLOSING_PRICE,
        begins=_close(15, 30),
        ends=_close(16, 0),
        accepts=_orders(_S.CLOSING_PRICE),
    ),
    _Rule(
        session=Session.SINGLE_PRICE,
        begins=_close(16, 0),
        ends=_fixed(18, 0),
        accepts=_orders(_S.SINGLE_PRICE),
        phase=Phase.CLOSING_AUCTION,
        until=_EXTENDED_FROM,
    ),
    _Rule(
        session=Session.AFTER_MARKET,
        begins=_close(16, 0),
        ends=_fixed(20, 0),
        accepts=_AFTER_HOURS,
        since=_EXTENDED_FROM,
        funds=False,
    ),
    _Rule(
        session=Session.PRE_MARKET,
        begins=_fixed(8, 0),
        ends=_fixed(8, 50),
        accepts=_NXT_PRE,
        venue=Venue.NXT,
        since=_NXT_FROM,
        until=_EXTENDED_FROM,
        on_late_opens=False,
    ),
    _Rule(
        session=Session.PRE_MARKET,
        begins=_fixed(8, 0),
        ends=_fixed(8, 50),
        accepts=_NXT_PRE_ENDING,
        venue=Venue.NXT,
        since=_EXTENDED_FROM,
        on_late_opens=False,
    ),
    _Rule(
        session=Session.REGULAR,
        begins=_open(9, 0, 30),
        ends=_close(15, 20),
        accepts=_NXT_MAIN,
        venue=Venue.NXT,
        since=_NXT_FROM,
    ),
    _Rule(
        session=Session.AFTER_MARKET,
        begins=_close(15, 30),
        ends=_close(15, 40),
        accepts=_LIMIT_ONLY,
        venue=Venue.NXT,
        phase=Phase.OPENING_AUCTION,
        since=_NXT_FROM,
    ),
    _Rule(
        session=Session.AFTER_MARKET,
        begins=_close(15, 40),
        ends=_fixed(20, 0),
        accepts=_AFTER_HOURS,
        venue=Venue.NXT,
        since=_NXT_FROM,
    ),
)
_AMERICAN = (
    _Rule(
        session=Session.DAY_MARKET,
        begins=_Edge(time(10, 0), korean=True),
        ends=_fixed(4, 0),
        accepts=_LIMIT_ONLY,
    ),
    _Rule(
        session=Session.PRE_MARKET,
        begins=_fixed(4, 0),
        ends=_open(9, 30),
        accepts=_orders(_S.LIMIT, _S.MARKET_ON_OPEN, _S.LIMIT_ON_OPEN),
    ),
    # New York takes orders for its closing auction until ten minutes before it.
    _Rule(
        session=Session.REGULAR,
        begins=_open(9, 30),
        ends=_close(15, 50),
        accepts=_orders(_S.MARKET_ON_CLOSE, _S.LIMIT_ON_CLOSE),
    ),
    # Until seven in the morning in Korea, which is an hour less of it in winter.
    _Rule(
        session=Session.AFTER_MARKET,
        begins=_close(16, 0),
        ends=_Edge(time(7, 0), korean=True, later=1),
        accepts=_LIMIT_ONLY,
    ),
)
_RULES: Mapping[Region, tuple[_Rule, ...]] = {Region.KR: _KOREAN, Region.US: _AMERICAN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of a trading day in which a venue takes some kinds of orders, in UTC.

    `funds` tells whether ETF and ETN take part.
    """

    session: Session
    venue: Venue
    phase: Phase
    begins: datetime
    ends: datetime
    accepts: frozenset[OrderForm]
    funds: bool = True


@lru_cache(maxsize=128)
def windows(calendar: MarketCalendar, day: date) -> tuple[Window, ...]:
    """Every window of a trading day, by its beginning; none on another day.

    Those of American stocks begin on the evening before, in New York's time.
    """
    if not calendar.is_trading_day(day):
        return ()
    accepts = _REGULAR[calendar.region]
    regular = [
        Window(
            session=Session.REGULAR,
            venue=Venue.KRX,
            phase=span.phase,
            begins=span.begins,
            ends=span.ends,
            accepts=accepts[span.phase],
        )
        for span in calendar.phases(day)
        if span.phase in accepts
    ]
    others = [
        Window(
            session=rule.session,
            venue=rule.venue,
            phase=rule.phase,
            begins=rule.begins.on(calendar, day),
            ends=rule.ends.on(calendar, day),
            accepts=rule.accepts,
            funds=rule.funds,
        )
        for rule in _RULES.get(calendar.region, ())
        if rule.holds(calendar, day)
    ]
    return tuple(sorted((*regular, *others), key=lambda window: (window.begins, window.ends)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The venue takes the order now, and others like it until just before `until` (UTC)."""

    session: Session
    phase: Phase
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAccepted:
    """The venue does not take the order now.

    It does from `next_at` on (UTC), `None` if not within the next thirty days: there is no such
    session any more, or it never takes orders of this kind.
    """

    reason: str
    next_at: datetime | None


Acceptance = Accepted | NotAccepted


def acceptance(
    calendars: Calendars,
    instrument: InstrumentId,
    at: datetime,
    *,
    style: OrderStyle,
    time_in_force: TimeInForce = TimeInForce.DAY,
    session: Session | None = Session.REGULAR,
    venue: Venue = Venue.KRX,
    fund: bool = False,
) -> Acceptance:
    """Whether an order may be accepted for `instrument` at the instant `at`; if not, when next.

    `session` is where it is meant to trade, `None` for whichever is open. `venue` matters for
    Korean stocks only; `COMBINED` is the broker's choice of the two. `fund` is for ETF and ETN,
    which not every session takes. What a venue lists, and halts, the clock does not know.
    """
    try:
        calendar = calendars.for_instrument(instrument)
    except ValueError as error:
        return NotAccepted(reason=str(error), next_at=None)
    at = at.astimezone(UTC)
    order = (style, time_in_force)
    where = venue if calendar.region is Region.KR else Venue.KRX
    for window in _windows_from(calendar, at):
        if not _takes(window, order, session=session, venue=where, fund=fund):
            continue
        if at < window.begins:
            reason = _refusal(calendar, order, session, where)
            return NotAccepted(
                reason=f"{reason} before {calendar.local_time(window.begins):%Y-%m-%d %H:%M:%S %Z}",
                next_at=window.begins,
            )
        return Accepted(session=window.session, phase=window.phase, until=window.ends)
    days = SEARCH.days
    reason = f"{_refusal(calendar, order, session, where)} within the next {days} days"
    return NotAccepted(reason=reason, next_at=None)


SENT: Mapping[Region, frozenset[Session]] = {
    Region.KR: frozenset(
        {Session.REGULAR, Session.AFTER_MARKET, Session.PREVIOUS_CLOSE, Session.CLOSING_PRICE}
    ),
    Region.US: frozenset({Session.REGULAR, Session.OPENING, Session.CLOSING}),
}
"""The sessions that orders are sent for; elsewhere the regular one alone. KRX itself, not NXT."""

_STYLES: Mapping[tuple[Session, OrderKind], OrderStyle] = {
    (Session.PREVIOUS_CLOSE, OrderKind.MARKET): OrderStyle.PREVIOUS_CLOSE,
    (Session.CLOSING_PRICE, OrderKind.MARKET): OrderStyle.CLOSING_PRICE,
    (Session.OPENING, OrderKind.LIMIT): OrderStyle.LIMIT_ON_OPEN,
    (Session.OPENING, OrderKind.MARKET): OrderStyle.MARKET_ON_OPEN,
    (Session.CLOSING, OrderKind.LIMIT): OrderStyle.LIMIT_ON_CLOSE,
    (Session.CLOSING, OrderKind.MARKET): OrderStyle.MARKET_ON_CLOSE,
}


def style_of(intent: OrderIntent) -> OrderStyle:
    """How venues call what a strategy wants."""
    named = _STYLES.get((intent.session, intent.kind))
    return OrderStyle(intent.kind.value) if named is None else named


def unsendable(intent: OrderIntent) -> str:
    """Why an order is never sent, whatever the time, naming the field and the fix; or empty.

    At market in an auction of American stocks the broker takes sales alone (portal).
    """
    best = intent.kind in (OrderKind.BEST_OPPOSITE, OrderKind.BEST_OWN)
    if intent.session is Session.REGULAR:
        return f"kind {intent.kind}: sent in the after-market of KRX alone" if best else ""
    sent = SENT.get(region_of(intent.instrument), frozenset({Session.REGULAR}))
    if intent.session not in sent:
        choice = ", ".join(sorted(sent))
        return f"session {intent.session}: none is sent for {intent.instrument}, use {choice}"
    auction = intent.session in (Session.OPENING, Session.CLOSING)
    if auction and intent.kind is OrderKind.MARKET and intent.side is Side.BUY:
        return f"limit: a purchase in the {intent.session} auction needs one, give a price"
    if intent.session in (Session.PREVIOUS_CLOSE, Session.CLOSING_PRICE) and intent.limit:
        return f"limit: the {intent.session} session trades at that price alone, use None"
    return ""


def intent_acceptance(
    calendars: Calendars, intent: OrderIntent, at: datetime, *, fund: bool = False
) -> Acceptance:
    """Whether what a strategy wants may be accepted at `at` in the session it asks for.

    American markets take none at market price in the regular session: whoever sends one words it
    as a limit first. Their auctions take theirs while another session trades.
    """
    never = unsendable(intent)
    if never:
        return NotAccepted(reason=never, next_at=None)
    auction = intent.session in (Session.OPENING, Session.CLOSING)
    return acceptance(
        calendars,
        intent.instrument,
        at,
        style=style_of(intent),
        time_in_force=intent.time_in_force,
        session=None if auction else intent.session,
        fund=fund,
    )


def ends_at(calendar: MarketCalendar, day: date, session: Session) -> datetime:
    """When the last order of a session has ended, on a day that may be any (UTC).

    The regular one's ends with it. A session that the day does not have ends as the regular one.
    """
    if session is Session.OPENING:
        return calendar.open_at(day).astimezone(UTC)
    ends = [
        window.ends
        for window in windows(calendar, day)
        if window.session is session and window.venue is Venue.KRX
    ]
    if session in (Session.REGULAR, Session.CLOSING) or not ends:
        return calendar.close_at(day).astimezone(UTC)
    return max(ends)


def _windows_from(calendar: MarketCalendar, at: datetime) -> Iterator[Window]:
    """Windows that are not over at `at`, by their beginning, as far as it makes sense to look."""
    day = calendar.local_date(at) - timedelta(days=1)
    last = day + SEARCH
    while day <= last:
        yield from (window for window in windows(calendar, day) if at < window.ends)
        day += timedelta(days=1)


def _takes(
    window: Window, order: OrderForm, *, session: Session | None, venue: Venue, fund: bool
) -> bool:
    if session is not None and window.session is not session:
        return False
    if fund and not window.funds:
        return False
    if venue is Venue.COMBINED:
        return order in window.accepts and order in _ROUTED
    return window.venue is venue and order in window.accepts


def _refusal(
    calendar: MarketCalendar, order: OrderForm, session: Session | None, venue: Venue
) -> str:
    style, force = order
    where = venue if calendar.region is Region.KR else calendar.region
    asked = "any session" if session is None else f"the {session} session"
    kind = f"{style} order" if force is TimeInForce.DAY else f"{style} {force} order"
    return f"no {kind} is accepted in {asked} of {where}"
