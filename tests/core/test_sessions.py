"""What may be sent when: every session of the day, old hours and new, odd days, both markets."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.calendar import (
    KST,
    LATE_DAY,
    LATE_OPEN,
    Calendars,
    MarketCalendar,
    Phase,
    half_day,
)
from daemon.core.events import OrderIntent, OrderKind, TimeInForce
from daemon.core.sessions import (
    Acceptance,
    Accepted,
    NotAccepted,
    OrderStyle,
    acceptance,
    ends_at,
    intent_acceptance,
    style_of,
    unsendable,
    windows,
)
from daemon.core.values import InstrumentId, Region, Session, Side, Venue
from tests.builders import DAY, SAMSUNG, intent

APPLE = InstrumentId("nasdaq:AAPL")
OLD, NEW = date(2026, 9, 11), date(2026, 9, 14)
EXAMINATION, FIRST_DAY = date(2026, 11, 19), date(2026, 1, 2)
HALF_DAY, SUMMER_DAY = date(2026, 11, 27), date(2026, 7, 10)
CALENDARS = Calendars(
    {
        Region.KR: MarketCalendar(
            frozenset({date(2026, 12, 25), date(2026, 12, 31), date(2027, 1, 1)}),
            odd_days={EXAMINATION: LATE_DAY, FIRST_DAY: LATE_OPEN},
        ),
        Region.US: MarketCalendar(
            frozenset({date(2026, 11, 26)}),
            Region.US,
            odd_days={HALF_DAY: half_day(Region.US)},
        ),
        Region.HK: MarketCalendar(region=Region.HK),
        Region.JP: MarketCalendar(region=Region.JP),
    }
)

PRICE = Decimal(70_000)
YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def seoul(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), KST)


def ask(
    day: date,
    clock: str,
    style: OrderStyle = OrderStyle.LIMIT,
    *,
    force: TimeInForce = TimeInForce.DAY,
    session: Session | None = Session.REGULAR,
    venue: Venue = Venue.KRX,
    fund: bool = False,
    instrument: InstrumentId = SAMSUNG,
) -> Acceptance:
    """Whether it may be accepted at a time of day in Seoul."""
    return acceptance(
        CALENDARS,
        instrument,
        seoul(day, clock),
        style=style,
        time_in_force=force,
        session=session,
        venue=venue,
        fund=fund,
    )


def hours(region: Region, day: date) -> list[str]:
    """All windows of a day, in Korean time."""
    return [
        f"{each.begins.astimezone(KST):%d %H:%M:%S}-{each.ends.astimezone(KST):%H:%M} "
        f"{each.venue} {each.session}"
        for each in windows(CALENDARS.of(region), day)
    ]


def test_a_korean_day_of_the_old_hours() -> None:
    assert hours(Region.KR, OLD) == [
        "11 08:00:00-08:50 nxt pre_market",
        "11 08:30:00-08:40 krx previous_close",
        "11 08:30:00-09:00 krx regular",
        "11 09:00:00-15:20 krx regular",
        "11 09:00:30-15:20 nxt regular",
        "11 15:20:00-15:30 krx regular",
        "11 15:30:00-15:40 nxt after_market",
        "11 15:30:00-16:00 krx closing_price",
        "11 15:40:00-20:00 nxt after_market",
        "11 16:00:00-18:00 krx single_price",
    ]


def test_a_korean_day_of_the_new_hours() -> None:
    assert hours(Region.KR, NEW) == [
        "14 08:00:00-08:50 nxt pre_market",
        "14 08:20:00-09:00 krx regular",
        "14 08:30:00-08:40 krx previous_close",
        "14 09:00:00-15:20 krx regular",
        "14 09:00:30-15:20 nxt regular",
        "14 15:20:00-15:30 krx regular",
        "14 15:30:00-15:40 nxt after_market",
        "14 15:30:00-16:00 krx closing_price",
        "14 15:40:00-20:00 nxt after_market",
        "14 16:00:00-20:00 krx after_market",
    ]


def test_the_day_of_the_examination_is_an_hour_later_but_for_its_end() -> None:
    assert hours(Region.KR, EXAMINATION) == [
        "19 09:20:00-10:00 krx regular",
        "19 09:30:00-09:40 krx previous_close",
        "19 10:00:00-16:20 krx regular",
        "19 10:00:30-16:20 nxt regular",
        "19 16:20:00-16:30 krx regular",
        "19 16:30:00-16:40 nxt after_market",
        "19 16:30:00-17:00 krx closing_price",
        "19 16:40:00-20:00 nxt after_market",
        "19 17:00:00-20:00 krx after_market",
    ]


def test_the_first_day_of_a_year_begins_an_hour_later() -> None:
    assert hours(Region.KR, FIRST_DAY)[:4] == [
        "02 09:30:00-09:40 krx previous_close",
        "02 09:30:00-10:00 krx regular",
        "02 10:00:00-15:20 krx regular",
        "02 10:00:30-15:20 nxt regular",
    ]


def test_before_nxt_there_was_one_venue() -> None:
    before = windows(CALENDARS.of(Region.KR), date(2025, 2, 28))

    assert {each.venue for each in before} == {Venue.KRX}


def test_american_days_in_korean_time() -> None:
    assert hours(Region.US, SUMMER_DAY) == [
        "10 10:00:00-17:00 krx day_market",
        "10 17:00:00-22:30 krx pre_market",
        "10 22:30:00-04:50 krx regular",
        "10 22:30:00-05:00 krx regular",
        "11 05:00:00-07:00 krx after_market",
    ]
    assert hours(Region.US, HALF_DAY) == [
        "27 10:00:00-18:00 krx day_market",
        "27 18:00:00-23:30 krx pre_market",
        "27 23:30:00-02:50 krx regular",
        "27 23:30:00-03:00 krx regular",
        "28 03:00:00-07:00 krx after_market",
    ]


def test_nothing_is_accepted_on_a_day_without_trading() -> None:
    assert windows(CALENDARS.of(Region.KR), date(2026, 12, 25)) == ()
    assert hours(Region.HK, DAY) == [
        "23 10:30:00-13:00 krx regular",
        "23 14:00:00-17:00 krx regular",
    ]


def test_what_is_accepted_says_until_when() -> None:
    found = ask(DAY, "10:00")

    assert found == Accepted(
        session=Session.REGULAR, phase=Phase.CONTINUOUS, until=seoul(DAY, "15:20").astimezone(UTC)
    )


@pytest.mark.parametrize(
    ("style", "force", "clock", "taken"),
    [
        (OrderStyle.LIMIT, TimeInForce.DAY, "08:30", True),
        (OrderStyle.MARKET, TimeInForce.DAY, "08:30", True),
        (OrderStyle.LIMIT, TimeInForce.IOC, "08:30", False),
        (OrderStyle.BEST_OPPOSITE, TimeInForce.DAY, "08:30", False),
        (OrderStyle.CONDITIONAL_LIMIT, TimeInForce.DAY, "08:30", True),
        (OrderStyle.LIMIT, TimeInForce.IOC, "09:00", True),
        (OrderStyle.MARKET, TimeInForce.FOK, "09:00", True),
        (OrderStyle.BEST_OWN, TimeInForce.DAY, "09:00", True),
        (OrderStyle.BEST_OWN, TimeInForce.IOC, "09:00", False),
        (OrderStyle.MIDPOINT, TimeInForce.FOK, "09:00", True),
        (OrderStyle.STOP_LIMIT, TimeInForce.DAY, "09:00", True),
        (OrderStyle.LIMIT, TimeInForce.DAY, "15:25", True),
        (OrderStyle.CONDITIONAL_LIMIT, TimeInForce.DAY, "15:25", False),
        (OrderStyle.LIMIT, TimeInForce.FOK, "15:25", False),
        (OrderStyle.LIMIT, TimeInForce.DAY, "15:30", False),
    ],
)
def test_auctions_take_fewer_kinds_of_orders(
    style: OrderStyle, force: TimeInForce, clock: str, taken: bool
) -> None:
    assert isinstance(ask(DAY, clock, style, force=force), Accepted) == taken


@pytest.mark.parametrize(
    ("day", "clock", "style", "more", "next_at"),
    [
        # An immediate order in the opening auction has to wait for its end.
        (DAY, "08:30", OrderStyle.LIMIT, {"force": TimeInForce.IOC}, seoul(DAY, "09:00")),
        (DAY, "15:30", OrderStyle.LIMIT, {}, seoul(date(2026, 11, 24), "08:20")),
        (date(2026, 12, 24), "15:30", OrderStyle.LIMIT, {}, seoul(date(2026, 12, 28), "08:20")),
        (date(2026, 11, 18), "20:00", OrderStyle.LIMIT, {}, seoul(EXAMINATION, "09:20")),
        (DAY, "10:00", OrderStyle.CLOSING_PRICE, {"session": None}, seoul(DAY, "15:30")),
        (
            DAY,
            "12:00",
            OrderStyle.LIMIT,
            {"session": Session.AFTER_MARKET},
            seoul(DAY, "16:00"),
        ),
        (
            DAY,
            "12:00",
            OrderStyle.LIMIT,
            {"session": Session.AFTER_MARKET, "venue": Venue.NXT},
            seoul(DAY, "15:30"),
        ),
        # No pre-market on the day of the examination.
        (
            EXAMINATION,
            "08:10",
            OrderStyle.LIMIT,
            {"session": Session.PRE_MARKET, "venue": Venue.NXT},
            seoul(date(2026, 11, 20), "08:00"),
        ),
        # From the market of the day into the night, over Thanksgiving.
        (
            date(2026, 11, 26),
            "23:00",
            OrderStyle.LIMIT,
            {"instrument": APPLE},
            seoul(HALF_DAY, "23:30"),
        ),
    ],
)
def test_a_refusal_tells_when_it_would_be_accepted(
    day: date, clock: str, style: OrderStyle, more: dict[str, Any], next_at: datetime
) -> None:
    found = ask(day, clock, style, **more)

    assert isinstance(found, NotAccepted)
    assert found.next_at == next_at
    assert f"no {style}" in found.reason
    zone = CALENDARS.for_instrument(more.get("instrument", SAMSUNG)).zone
    assert f"{next_at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}" in found.reason


@pytest.mark.parametrize(
    ("more", "day", "reason"),
    [
        ({"session": Session.SINGLE_PRICE, "style": OrderStyle.SINGLE_PRICE}, NEW, "single_price"),
        ({"session": Session.AFTER_MARKET, "fund": True}, NEW, "after_market"),
        ({"session": Session.AFTER_MARKET, "style": OrderStyle.MARKET}, NEW, "no market order"),
        ({"venue": Venue.NXT, "style": OrderStyle.MARKET}, NEW, "regular session of nxt"),
        ({"instrument": APPLE, "style": OrderStyle.MARKET}, NEW, "regular session of US"),
        ({"instrument": InstrumentId("hanoi:VND")}, NEW, "no calendar of VN"),
        ({"instrument": InstrumentId("index:0001")}, NEW, "not traded"),
    ],
)
def test_what_is_never_accepted(more: dict[str, Any], day: date, reason: str) -> None:
    found = ask(day, "12:00", **more)

    assert isinstance(found, NotAccepted)
    assert found.next_at is None
    assert reason in found.reason


def test_the_last_single_price_auction_was_before_the_change() -> None:
    last = ask(OLD, "17:59", OrderStyle.SINGLE_PRICE, session=None)

    assert isinstance(last, Accepted)
    assert last.session is Session.SINGLE_PRICE
    assert isinstance(ask(OLD, "18:00", OrderStyle.SINGLE_PRICE, session=None), NotAccepted)
    before = ask(OLD, "17:00", session=Session.AFTER_MARKET)
    assert isinstance(before, NotAccepted)
    assert before.next_at == seoul(NEW, "16:00")


def test_the_after_market_of_the_krx() -> None:
    for style, force in (
        (OrderStyle.LIMIT, TimeInForce.FOK),
        (OrderStyle.BEST_OPPOSITE, TimeInForce.IOC),
        (OrderStyle.BEST_OWN, TimeInForce.DAY),
    ):
        found = ask(NEW, "19:59:59", style, force=force, session=None)
        assert isinstance(found, Accepted)
        assert found.session is Session.AFTER_MARKET
    assert isinstance(ask(NEW, "20:00", session=Session.AFTER_MARKET), NotAccepted)


def test_the_brokers_choice_is_open_when_either_venue_is() -> None:
    combined = Venue.COMBINED

    assert isinstance(ask(DAY, "08:10", session=None, venue=combined), Accepted)
    assert isinstance(ask(DAY, "15:25", venue=combined), Accepted)
    assert isinstance(ask(DAY, "10:00", OrderStyle.MARKET, venue=combined), Accepted)
    assert isinstance(ask(DAY, "15:25", venue=Venue.NXT), NotAccepted)
    # Taken by either venue for itself, and not by the broker for the better of both.
    assert isinstance(ask(DAY, "10:00", OrderStyle.MIDPOINT, venue=combined), NotAccepted)


def test_orders_that_end_with_the_pre_market() -> None:
    style, nxt = OrderStyle.PRE_MARKET_LIMIT, Venue.NXT

    assert isinstance(ask(NEW, "08:10", style, session=None, venue=nxt), Accepted)
    early = ask(OLD, "08:10", style, session=None, venue=nxt)
    assert isinstance(early, NotAccepted)
    assert early.next_at == seoul(NEW, "08:00")


@pytest.mark.parametrize(
    ("clock", "style", "taken"),
    [
        ("23:20", OrderStyle.LIMIT_ON_OPEN, True),
        ("23:30", OrderStyle.LIMIT_ON_OPEN, False),
        ("23:30", OrderStyle.TWAP, True),
        ("23:30", OrderStyle.MARKET_ON_CLOSE, True),
    ],
)
def test_american_orders_for_the_auctions(clock: str, style: OrderStyle, taken: bool) -> None:
    found = ask(DAY, clock, style, session=None, instrument=APPLE)

    assert isinstance(found, Accepted) == taken


def test_closing_orders_end_before_the_close() -> None:
    style = OrderStyle.LIMIT_ON_CLOSE
    tuesday = date(2026, 11, 24)

    assert isinstance(ask(tuesday, "05:49", style, instrument=APPLE), Accepted)
    assert isinstance(ask(tuesday, "05:50", style, instrument=APPLE), NotAccepted)
    assert isinstance(ask(tuesday, "05:59", instrument=APPLE), Accepted)


def test_the_lunch_break_takes_nothing() -> None:
    toyota = InstrumentId("tokyo:7203")
    found = ask(DAY, "11:30", instrument=toyota)

    assert isinstance(found, NotAccepted)
    assert found.next_at == seoul(DAY, "12:30")


@pytest.mark.parametrize("kind", [OrderKind.LIMIT, OrderKind.MARKET])
@pytest.mark.parametrize("force", list(TimeInForce))
@pytest.mark.parametrize("clock", ["08:30", "12:00", "15:25", "15:30"])
def test_an_intent_is_accepted_as_an_order_of_its_kind(
    kind: OrderKind, force: TimeInForce, clock: str
) -> None:
    limit = PRICE if kind is OrderKind.LIMIT else None
    wish = replace(intent(), kind=kind, limit=limit, time_in_force=force)
    found = intent_acceptance(CALENDARS, wish, seoul(DAY, clock))

    assert found == ask(DAY, clock, OrderStyle(kind.value), force=force)
    auction = clock in ("08:30", "15:25")
    taken = clock == "12:00" or (auction and force is TimeInForce.DAY)
    assert isinstance(found, Accepted) == taken


@given(
    st.integers(0, 353 * 24 * 3600).map(lambda second: YEAR + timedelta(seconds=second)),
    st.sampled_from([SAMSUNG, APPLE]),
    st.sampled_from(list(Session)),
)
def test_what_is_refused_is_accepted_at_the_time_told(
    at: datetime, instrument: InstrumentId, session: Session
) -> None:
    def answer(when: datetime) -> Acceptance:
        return acceptance(CALENDARS, instrument, when, style=OrderStyle.LIMIT, session=session)

    found = answer(at)
    if isinstance(found, Accepted):
        assert isinstance(answer(found.until - timedelta(microseconds=1)), Accepted)
    elif found.next_at is not None:
        assert found.next_at > at
        assert isinstance(answer(found.next_at), Accepted)
        assert not isinstance(answer(found.next_at - timedelta(microseconds=1)), Accepted)


def asked(
    session: Session,
    limit: int | None = 70_000,
    *,
    side: Side = Side.BUY,
    instrument: InstrumentId = SAMSUNG,
    kind: OrderKind | None = None,
) -> OrderIntent:
    wish = intent(side=side, limit=limit, instrument=instrument)
    return replace(wish, session=session, kind=kind or wish.kind)


@pytest.mark.parametrize(
    ("wish", "first", "last", "next_at"),
    [
        (asked(Session.AFTER_MARKET), "16:00", "19:59", "16:00"),
        (asked(Session.CLOSING_PRICE, None), "15:30", "15:59", "15:30"),
        (asked(Session.PREVIOUS_CLOSE, None), "08:30", "08:39", "08:30"),
        (asked(Session.OPENING, instrument=APPLE), "18:00", "23:29", "18:00"),
        (asked(Session.OPENING, None, side=Side.SELL, instrument=APPLE), "18:00", "23:29", "18:00"),
    ],
)
def test_an_intent_is_accepted_in_the_session_it_asks_for(
    wish: OrderIntent, first: str, last: str, next_at: str
) -> None:
    # American hours of a Tuesday; in Seoul they begin in the evening.
    assert isinstance(intent_acceptance(CALENDARS, wish, seoul(DAY, first)), Accepted)
    assert isinstance(intent_acceptance(CALENDARS, wish, seoul(DAY, last)), Accepted)
    early = seoul(DAY, first) - timedelta(seconds=1)
    found = intent_acceptance(CALENDARS, wish, early)
    assert isinstance(found, NotAccepted)
    assert found.next_at == seoul(DAY, next_at)
    over = intent_acceptance(CALENDARS, wish, seoul(DAY, last) + timedelta(minutes=1))
    assert isinstance(over, NotAccepted)
    assert over.next_at == seoul(DAY + timedelta(days=1), next_at)


def test_closing_orders_are_taken_until_ten_minutes_before_the_close() -> None:
    wish = asked(Session.CLOSING, None, side=Side.SELL, instrument=APPLE)
    tuesday = date(2026, 11, 24)

    assert isinstance(intent_acceptance(CALENDARS, wish, seoul(tuesday, "05:49")), Accepted)
    late = intent_acceptance(CALENDARS, wish, seoul(tuesday, "05:50"))
    assert isinstance(late, NotAccepted)
    assert late.next_at == seoul(tuesday, "23:30")


def test_the_after_market_takes_no_fund_and_was_not_there_before() -> None:
    wish = asked(Session.AFTER_MARKET)
    found = intent_acceptance(CALENDARS, wish, seoul(NEW, "17:00"), fund=True)
    assert isinstance(found, NotAccepted)
    before = intent_acceptance(CALENDARS, wish, seoul(OLD, "17:00"))
    assert isinstance(before, NotAccepted)
    assert before.next_at == seoul(NEW, "16:00")


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (asked(Session.PRE_MARKET), "session pre_market"),
        (asked(Session.CLOSING), "session closing"),
        (asked(Session.AFTER_MARKET, instrument=APPLE), "use closing, opening, regular"),
        (asked(Session.OPENING, instrument=InstrumentId("hongkong:00700")), "use regular"),
        (asked(Session.OPENING, None, instrument=APPLE), "limit: a purchase"),
        (asked(Session.CLOSING, None, instrument=APPLE), "give a price"),
        (asked(Session.PREVIOUS_CLOSE), "use None"),
        (asked(Session.REGULAR, None, kind=OrderKind.BEST_OPPOSITE), "kind best_opposite"),
    ],
)
def test_what_is_never_sent_is_told_by_field_and_fix(wish: OrderIntent, told: str) -> None:
    assert told in unsendable(wish)
    found = intent_acceptance(CALENDARS, wish, seoul(DAY, "12:00"))
    assert found == NotAccepted(reason=unsendable(wish), next_at=None)


def test_styles_follow_session_and_kind() -> None:
    assert style_of(intent()) is OrderStyle.LIMIT
    assert style_of(asked(Session.AFTER_MARKET)) is OrderStyle.LIMIT
    assert style_of(asked(Session.CLOSING_PRICE, None)) is OrderStyle.CLOSING_PRICE
    assert style_of(asked(Session.CLOSING, None)) is OrderStyle.MARKET_ON_CLOSE
    assert style_of(asked(Session.OPENING)) is OrderStyle.LIMIT_ON_OPEN


@pytest.mark.parametrize(
    ("day", "session", "clock"),
    [
        (NEW, Session.REGULAR, "15:30"),
        (NEW, Session.PREVIOUS_CLOSE, "08:40"),
        (NEW, Session.CLOSING_PRICE, "16:00"),
        (NEW, Session.AFTER_MARKET, "20:00"),
        (OLD, Session.AFTER_MARKET, "15:30"),
        (EXAMINATION, Session.CLOSING_PRICE, "17:00"),
        (EXAMINATION, Session.AFTER_MARKET, "20:00"),
    ],
)
def test_when_the_orders_of_a_session_are_over(day: date, session: Session, clock: str) -> None:
    assert ends_at(CALENDARS.of(Region.KR), day, session) == seoul(day, clock)


def test_american_auctions_end_at_their_auction() -> None:
    calendar = CALENDARS.of(Region.US)
    tuesday = date(2026, 11, 24)
    assert ends_at(calendar, tuesday, Session.OPENING) == seoul(tuesday, "23:30")
    assert ends_at(calendar, tuesday, Session.CLOSING) == seoul(date(2026, 11, 25), "06:00")
