import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.errors import BadData
from daemon.core.witness import BrokerNotice
from daemon.kis.channels import channel_of
from daemon.kis.frames import FrameDecoder
from daemon.kis.session import Backoff, DropKind, FeedSession, Registration, TokenKeeper, Turn
from daemon.ports import AccessToken
from tests.kis.fakes import ACCOUNT, ack, frame, sample, sealed

NOW = datetime(2026, 7, 10, tzinfo=UTC)
DAY = timedelta(hours=24)
AT = datetime(2026, 7, 10, 0, 0, 1, tzinfo=UTC)
NOTICE = Registration("H0STCNI0", "htsid001")


def token(value: str, at: datetime = NOW, life: timedelta = DAY) -> AccessToken:
    return AccessToken(value, at + life, at)


def keeper() -> TokenKeeper:
    return TokenKeeper(interval=60.0)


def test_a_token_is_renewed_ten_minutes_before_it_expires() -> None:
    keeping = keeper()
    assert keeping.issue_at(NOW) <= NOW
    assert keeping.adopt(token("a"), NOW)
    assert keeping.usable(NOW) == "a"
    assert keeping.issue_at(NOW) == NOW + DAY - timedelta(minutes=10)
    assert keeping.usable(NOW + DAY) is None


def test_a_token_that_ends_too_early_is_renewed_ahead_once() -> None:
    keeping = keeper()
    keeping.adopt(token("a", NOW - timedelta(hours=20)), NOW)
    keeping.wish(NOW + timedelta(hours=4))
    assert not keeping.falls_short(NOW)
    keeping.wish(NOW + timedelta(hours=8))
    assert keeping.falls_short(NOW)
    assert keeping.issue_at(NOW) <= NOW
    assert keeping.usable(NOW) == "a"
    keeping.attempted(NOW)
    # A lost answer leaves the wish, and the minute between two issues.
    assert keeping.issue_at(NOW) == NOW + timedelta(seconds=60)
    keeping.issued(token("b", life=timedelta(hours=5)))
    assert not keeping.falls_short(NOW)
    assert keeping.issue_at(NOW) > NOW + timedelta(hours=2)


def test_no_token_is_asked_for_that_would_be_the_same_again() -> None:
    keeping = keeper()
    keeping.adopt(token("a", NOW - timedelta(hours=5)), NOW)
    keeping.wish(NOW + timedelta(hours=23))
    assert not keeping.falls_short(NOW)
    assert keeping.falls_short(NOW + timedelta(hours=1))


def test_a_longer_token_of_another_process_grants_the_wish() -> None:
    keeping = keeper()
    assert not keeping.falls_short(NOW)
    keeping.adopt(token("a", NOW - timedelta(hours=20)), NOW)
    keeping.wish(NOW + timedelta(hours=8))
    keeping.adopt(token("b"), NOW)
    assert not keeping.falls_short(NOW)


def test_a_refused_token_is_issued_anew_once() -> None:
    keeping = keeper()
    keeping.adopt(token("a", NOW - timedelta(hours=1)), NOW)
    keeping.refused("a", NOW)
    keeping.refused("a", NOW)
    assert keeping.usable(NOW) is None
    assert not keeping.adopt(token("a"), NOW)
    assert keeping.issue_at(NOW) <= NOW + timedelta(seconds=60)
    keeping.attempted(NOW)
    assert keeping.issue_at(NOW) == NOW + timedelta(seconds=60)
    keeping.issued(token("b"))
    keeping.refused("a", NOW)
    assert keeping.usable(NOW) == "b"


def test_a_token_that_comes_back_unchanged_is_not_asked_for_again_at_once() -> None:
    keeping = keeper()
    keeping.adopt(token("a", NOW - timedelta(hours=1)), NOW)
    keeping.refused("a", NOW)
    keeping.attempted(NOW)
    keeping.issued(token("a"))
    asked_again = []
    for minute in range(1, 80):
        now = NOW + timedelta(minutes=minute)
        keeping.refused("a", now)
        if keeping.usable(now) is None:
            keeping.attempted(now)
            keeping.issued(token("a"))
            asked_again.append(minute)

    assert asked_again == [1, 6, 21, 51]


def test_someone_elses_issue_counts() -> None:
    keeping = keeper()
    keeping.adopt(token("a", NOW), NOW)
    keeping.refused("a", NOW)
    assert keeping.issue_at(NOW) == NOW + timedelta(seconds=60)


def test_what_never_left_does_not_count() -> None:
    keeping = keeper()
    keeping.attempted(NOW)
    keeping.retracted()
    assert keeping.issue_at(NOW) <= NOW


def test_too_soon_waits_anew() -> None:
    keeping = keeper()
    keeping.attempted(NOW)
    later = NOW + timedelta(seconds=30)
    keeping.too_soon(later)
    assert keeping.issue_at(later) == later + timedelta(seconds=60)


def test_a_short_lived_token_is_kept_for_half_its_life() -> None:
    keeping = keeper()
    keeping.issued(token("a", NOW, timedelta(minutes=8)))
    assert keeping.issue_at(NOW) == NOW + timedelta(minutes=4)


@given(st.lists(st.tuples(st.sampled_from("refuse issue lose adopt soon".split()),  # noqa: SIM905
                          st.integers(0, 4000)), max_size=60))  # fmt: skip
def test_issues_keep_their_distance(acts: list[tuple[str, int]]) -> None:
    keeping = keeper()
    now, issues, number = NOW, [], 0
    for act, seconds in acts:
        now += timedelta(seconds=seconds)
        if act == "refuse":
            keeping.refused(keeping.usable(now) or "", now)
        elif act == "adopt":
            number += 1
            keeping.adopt(token(f"t{number}", now - timedelta(minutes=3)), now)
        elif act == "soon":
            keeping.too_soon(now)
        elif keeping.issue_at(now) <= now:
            keeping.attempted(now)
            issues.append(now)
            if act == "issue":
                number += 1
                keeping.issued(token(f"t{number}", now))
    gaps = [later - earlier for earlier, later in pairwise(issues)]
    assert all(gap >= timedelta(seconds=60) for gap in gaps)


def test_backoff_grows_and_a_healthy_time_resets_it() -> None:
    backoff = Backoff(Random(1))
    waits = [backoff.failed() for _ in range(9)]
    for wait, step in zip(waits, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
        assert step <= wait <= step * 1.25
    assert backoff.failed(up_for=59.0) >= 60
    assert backoff.failed(up_for=60.0) <= 1.25
    in_use = Backoff(Random(1), steps=Backoff.IN_USE_STEPS)
    assert [int(in_use.failed() / 1.25) <= step for step in (5, 10, 30, 60)] == [True] * 4


def make_session(budget: int = 40) -> FeedSession:
    return FeedSession(
        decoder=FrameDecoder(ACCOUNT),
        notice_channels=("H0STCNI0",),
        hts_id="htsid001",
        budget=budget,
    )


def registrations(*codes: str) -> list[Registration]:
    """Trades of every code before any book."""
    return [Registration(channel, code) for channel in ("H0STCNT0", "H0STASP0") for code in codes]


def codes(count: int) -> list[Registration]:
    return registrations(*(f"{number:06}" for number in range(count)))


def asked(session: FeedSession, now: float) -> tuple[str, str, str] | None:
    text = session.next_request(now)
    if text is None:
        return None
    message = json.loads(text)
    given_input = message["body"]["input"]
    return message["header"]["tr_type"], given_input["tr_id"], given_input["tr_key"]


def up(session: FeedSession, now: float = 0.0) -> float:
    session.opened("key", now)
    assert asked(session, now) == ("1", *NOTICE)
    assert session.control(ack(*NOTICE), now).up
    return now + 1.0


def test_with_two_notice_channels_the_link_is_up_when_both_are() -> None:
    abroad = Registration("H0GSCNI0", "htsid001")
    session = FeedSession(
        decoder=FrameDecoder(ACCOUNT),
        notice_channels=("H0STCNI0", "H0GSCNI0"),
        hts_id="htsid001",
        budget=3,
    )
    session.want(codes(2))
    session.opened("key", 0.0)
    assert asked(session, 0.0) == ("1", *NOTICE)
    assert asked(session, 1.0) == ("1", *abroad)
    assert not session.control(ack(*abroad), 1.0).up, "nothing before both are confirmed"
    assert asked(session, 2.0) is None
    assert session.control(ack(*NOTICE), 2.0).up
    assert session.is_up
    assert asked(session, 3.0) == ("1", *codes(1)[0])
    assert session.overflow == tuple(codes(2)[1:]), "the budget counts both"
    assert not session.control(ack(*abroad), 3.0).up, "a second answer is no second link"


def test_each_notice_channel_must_answer_and_have_room() -> None:
    channels = ("H0STCNI0", "H0GSCNI0")
    decoder = FrameDecoder(ACCOUNT)
    with pytest.raises(ValueError, match="one registration"):
        FeedSession(decoder=decoder, notice_channels=channels, hts_id="x", budget=1)
    with pytest.raises(ValueError, match="one registration"):
        FeedSession(decoder=decoder, notice_channels=(), hts_id="x", budget=1)
    session = FeedSession(decoder=decoder, notice_channels=channels, hts_id="htsid001", budget=3)
    session.opened("key", 0.0)
    assert asked(session, 0.0) == ("1", *NOTICE)
    assert asked(session, 1.0) == ("1", "H0GSCNI0", "htsid001")
    session.control(ack(*NOTICE), 1.0)
    drop = session.overdue(1.0 + FeedSession.ANSWER_TIMEOUT)
    assert drop is not None
    assert drop.kind is DropKind.RECONNECT


def test_notices_come_first_and_alone() -> None:
    session = make_session()
    session.want(codes(1))
    session.opened("key", 0.0)
    assert asked(session, 0.0) == ("1", *NOTICE)
    assert asked(session, 5.0) is None
    assert not session.is_up
    assert session.control(ack(*NOTICE), 5.0).up
    assert not session.control(ack(*NOTICE), 5.0).up
    assert asked(session, 5.0) == ("1", "H0STCNT0", "000000")
    assert asked(session, 5.01) is None, "spaced"
    assert asked(session, 5.1) == ("1", "H0STASP0", "000000")
    assert asked(session, 5.2) is None


def test_an_unanswered_notice_registration_ends_the_connection() -> None:
    session = make_session()
    session.opened("key", 0.0)
    asked(session, 0.0)
    assert session.wake_at(0.0) == FeedSession.ANSWER_TIMEOUT
    assert session.overdue(9.9) is None
    overdue = session.overdue(10.0)
    assert overdue is not None
    assert overdue.kind is DropKind.RECONNECT


def test_what_does_not_fit_is_visible_and_trades_come_before_books() -> None:
    session = make_session(budget=5)
    session.want(codes(3))
    assert session.overflow == (
        Registration("H0STASP0", "000001"),
        Registration("H0STASP0", "000002"),
    )
    now = up(session)
    sent = []
    for _ in range(10):
        now += 1.0
        request = asked(session, now)
        if request is not None:
            sent.append(request)
            session.control(ack(*request[1:]), now)
    assert [request[1] for request in sent] == ["H0STCNT0"] * 3 + ["H0STASP0"]
    assert len(session.active) == 5


def settle(session: FeedSession, now: float) -> float:
    """Answer everything the session asks for."""
    for _ in range(2 * len(session.active) + 50):
        now += 1.0
        request = asked(session, now)
        if request is None:
            return now
        session.control(
            ack(*request[1:], code="OPSP0000" if request[0] == "1" else "OPSP0001"), now
        )
    raise AssertionError("it does not come to rest")


def test_a_renewed_registration_is_released_and_asked_for_again() -> None:
    session = make_session()
    session.want(codes(1))
    now = settle(session, up(session))
    trades = Registration("H0STCNT0", "000000")
    session.renew(trades)
    session.renew(Registration("H0STCNT0", "999999"))
    assert asked(session, now + 1) == ("2", *trades)
    assert asked(session, now + 2) is None, "not before it is gone"
    session.control(ack(*trades, code="OPSP0001"), now + 2)
    assert trades not in session.active
    assert asked(session, now + 3) == ("1", *trades)
    session.control(ack(*trades), now + 3)
    assert trades in session.active
    assert asked(session, now + 4) is None, "once"


def test_what_the_broker_refuses_leaves_its_place_to_the_next() -> None:
    session = make_session(budget=3)
    session.want(codes(3))
    now = up(session)
    refused = asked(session, now)
    assert refused is not None
    session.control(ack(*refused[1:], code="OPSP8993"), now)
    settle(session, now)
    assert Registration("H0STCNT0", "000001") in session.active
    assert Registration("H0STCNT0", "000002") in session.active
    assert Registration(*refused[1:]) in session.overflow


def test_a_lower_limit_than_thought_is_learnt() -> None:
    session = make_session()
    session.want(codes(2))
    now = up(session)
    request = asked(session, now)
    assert request is not None
    session.control(ack(*request[1:]), now)
    request = asked(session, now + 1)
    assert request is not None
    turn = session.control(ack(*request[1:], code="OPSP0008"), now + 1)
    assert "OPSP0008" in turn.warning
    assert asked(session, now + 30) is None
    assert len(session.overflow) == 3
    assert asked(session, now + 1 + FeedSession.ROOM_LIFE) == request


def test_what_is_no_longer_wanted_is_released_before_anything_is_added() -> None:
    session = make_session(budget=3)
    session.want(codes(1))
    now = up(session)
    for _ in range(2):
        now += 1
        request = asked(session, now)
        assert request is not None
        session.control(ack(*request[1:]), now)
    session.want(registrations("999999"))
    assert asked(session, now + 1) == ("2", "H0STCNT0", "000000")
    assert asked(session, now + 2) == ("2", "H0STASP0", "000000")
    assert asked(session, now + 3) is None
    session.control(ack("H0STCNT0", "000000", code="OPSP0003"), now + 3)
    assert asked(session, now + 4) == ("1", "H0STCNT0", "999999")


@pytest.mark.parametrize(
    ("code", "channel", "kind"),
    [
        ("OPSP8996", "(null)", DropKind.IN_USE),
        ("OPSP0011", "H0STCNI0", DropKind.BAD_APPROVAL),
        ("OPSP0011", "H0STCNT0", DropKind.BAD_APPROVAL),
        ("OPSP0010", "(null)", DropKind.OPERATOR),
        ("OPSP8993", "H0STCNI0", DropKind.OPERATOR),
        ("OPSP0007", "H0STCNI0", DropKind.RECONNECT),
    ],
)
def test_refusals_that_end_the_connection(code: str, channel: str, kind: DropKind) -> None:
    session = make_session()
    session.opened("key", 0.0)
    asked(session, 0.0)
    drop = session.control(ack(channel, "htsid001", code=code), 0.0).drop
    assert drop is not None
    assert drop.kind is kind


def test_an_id_that_worked_before_is_not_called_wrong() -> None:
    session = make_session()
    up(session)
    drop = session.control(ack(*NOTICE, code="OPSP8993"), 0.0).drop
    assert drop is not None
    assert drop.kind is DropKind.RECONNECT


def test_an_internal_error_is_tried_again_later() -> None:
    session = make_session()
    session.want(codes(1))
    now = up(session)
    request = asked(session, now)
    assert request is not None
    session.control(ack(*request[1:], code="OPSP0007"), now)
    assert asked(session, now + 1) == ("1", "H0STASP0", "000000")
    assert asked(session, now + 2) is None
    assert asked(session, now + 2 + FeedSession.RETRY_DELAY) == request


def test_sealed_frames_wait_for_the_key() -> None:
    session = make_session()
    session.opened("key", 0.0)
    asked(session, 0.0)
    sealed = frame("h0stcni0_encrypted_frame")
    assert session.data(sealed, AT) == ()
    turn = session.control(ack(*NOTICE), 0.5)
    (event,) = turn.events
    assert isinstance(event, BrokerNotice)
    assert event.received_at == AT
    assert len(session.data(sealed, AT)) == 1


def test_the_key_of_another_channel_is_not_taken() -> None:
    session = make_session()
    session.want(codes(1))
    up(session)
    other = ack("H0STCNT0", "000000").replace("abcdef", "zzzzzz")
    session.control(other, 0.0)
    assert len(session.data(frame("h0stcni0_encrypted_frame"), AT)) == 1


def test_already_subscribed_keeps_the_key_and_without_one_asks_for_a_new_one() -> None:
    session = make_session()
    up(session)
    session.closed()
    session.opened("key", 10.0)
    asked(session, 10.0)
    assert session.control(ack(*NOTICE, code="OPSP0002", keys=False), 10.0).up
    assert len(session.data(frame("h0stcni0_encrypted_frame"), AT)) == 1
    fresh = make_session()
    fresh.opened("key", 0.0)
    asked(fresh, 0.0)
    assert not fresh.control(ack(*NOTICE, code="OPSP0002", keys=False), 0.0).up
    assert asked(fresh, 1.0) == ("2", *NOTICE)
    fresh.control(ack(*NOTICE, code="OPSP0001"), 1.0)
    assert asked(fresh, 2.0) == ("1", *NOTICE)
    assert fresh.control(ack(*NOTICE), 2.0).up


def test_notices_that_cannot_be_read_end_the_connection() -> None:
    session = make_session()
    up(session)
    for _ in range(FeedSession.UNREADABLE_LIMIT):
        assert not session.is_deaf
        with pytest.raises(BadData):
            session.data("1|H0STCNI0|001|AAAA", AT)
    assert session.is_deaf


def test_notices_that_mean_nothing_to_us_leave_the_connection_alone() -> None:
    abroad = Registration("H0GSCNI0", "htsid001")
    session = FeedSession(
        decoder=FrameDecoder(ACCOUNT),
        notice_channels=(abroad.channel,),
        hts_id=abroad.key,
        budget=9,
    )
    session.opened("key", 0.0)
    asked(session, 0.0)
    assert session.control(ack(*abroad), 0.0).up
    row = str(sample("ws", "h0gscni0_fill_us")["plaintext"]).split("^")
    row[channel_of(abroad.channel).columns.index("ODER_COND")] = "9"
    for _ in range(FeedSession.UNREADABLE_LIMIT + 1):
        with pytest.raises(BadData, match="not a market of ours"):
            session.data(sealed(abroad.channel, "^".join(row)), AT)
    assert not session.is_deaf


def test_a_heartbeat_is_answered_with_its_own_text() -> None:
    assert make_session().control(frame("pingpong"), 0.0).pong == frame("pingpong")


def test_a_heartbeat_tells_the_brokers_time_if_it_can_be_read() -> None:
    def told(text: str) -> Turn:
        return make_session().control(text, 0.0)

    beat = '{"header":{"tr_id":"PINGPONG","datetime":"20260710090005"}}'
    assert told(beat).server_time == datetime(2026, 7, 10, 0, 0, 5, tzinfo=UTC)
    for stamp in ('"202607100900"', '"20261310090005"', "20260710", '""', "null"):
        turn = told(f'{{"header":{{"tr_id":"PINGPONG","datetime":{stamp}}}}}')
        assert turn.server_time is None
        assert turn.pong is not None, "it is answered all the same"
    assert told('{"header":{"tr_id":"PINGPONG"}}').server_time is None


class _Server:
    """Registrations as a broker keeps them, with a limit and a mood."""

    def __init__(self, limit: int) -> None:
        self.held: set[tuple[str, str]] = set()
        self.limit = limit

    def answer(self, request: tuple[str, str, str], mood: str) -> str | None:
        kind, *key = request
        registration = (key[0], key[1])
        if mood == "silent":
            return None
        if mood == "error" and key[0] != NOTICE.channel:
            return ack(*registration, code="OPSP0007")
        if kind == "2":
            code = "OPSP0001" if registration in self.held else "OPSP0003"
            self.held.discard(registration)
        elif registration in self.held:
            code = "OPSP0002"
        elif len(self.held) >= self.limit:
            code = "OPSP0008"
        else:
            code = "OPSP0000"
            self.held.add(registration)
        return None if mood == "lost" else ack(*registration, code=code)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 12), unique=True, max_size=8), min_size=1, max_size=4),
    st.lists(st.sampled_from(["ok", "lost", "error", "silent", "drop"]), max_size=40),
    st.integers(2, 12),
)
def test_registrations_converge_whatever_happens(
    wishes: list[list[int]], moods: list[str], limit: int
) -> None:
    session = make_session(budget=9)
    server = _Server(limit)
    now = 0.0

    def turn(mood: Callable[[], str]) -> None:
        nonlocal now, server
        now = max(now + 0.01, min(session.wake_at(now), now + 20.0))
        current = mood()
        if session.overdue(now) is not None or current == "drop":
            session.closed()
            server = _Server(limit)
            session.opened("key", now)
            return
        request = asked(session, now)
        assert len(server.held) <= limit
        if request is not None:
            answer = server.answer(request, current)
            if answer is not None:
                session.control(answer, now)

    session.opened("key", now)
    pending = iter(moods)
    for wish in wishes:
        session.want(registrations(*(f"{number:06}" for number in wish)))
        for _ in range(10):
            turn(lambda: next(pending, "ok"))
    for _ in range(150):
        turn(lambda: "ok")
    wanted = {
        Registration(channel, f"{number:06}")
        for channel in ("H0STCNT0", "H0STASP0")
        for number in wishes[-1]
    }
    room = min(9, limit)
    assert session.is_up
    assert set(session.active) == {Registration(*key) for key in server.held}
    assert set(session.active) <= {NOTICE, *wanted}
    if len(wanted) + 1 <= room:
        assert set(session.active) == {NOTICE, *wanted}
        assert session.overflow == ()
    else:
        assert len(session.active) == room
