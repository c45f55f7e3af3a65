from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from daemon.core.calendar import Phase
from daemon.core.values import Region
from daemon.sim.broker import first_instant
from daemon.sim.faults import OrderPlan
from daemon.sim.statefile import SavedBooks
from daemon.sim.stream_wire import StreamSession
from tests.sim.rig import (
    AMERICAN_OPTIONS,
    DAY,
    NIGHT,
    OPEN,
    OPTIONS,
    QUIET,
    Rig,
    registration,
)


def joined(rig: Rig, *wanted: tuple[str, str]) -> StreamSession:
    session, market = StreamSession(), rig.broker.market
    approval = rig.broker.keys.issue_approval(market.now)
    for tr_id, tr_key in wanted:
        rig.broker.stream.receive(session, registration(approval, tr_id, tr_key), market.now)
    return session


def test_books_are_conflated_and_every_trade_is_told() -> None:
    rig = Rig(speed=1.0)
    joined(rig, ("H0STCNT0", "005930"), ("H0STASP0", "005930"))
    volume = rig.broker.market.tapes["005930"].volume
    books, told = 0, 0
    for _ in range(100):
        rig.pass_time(0.1)
        for _, frame in rig.broker.frames(rig.monotonic):
            _, channel, count, payload = frame.split("|")
            if channel == "H0STASP0":
                books += 1
            else:
                columns = payload.split("^")
                assert len(columns) == 47 * int(count)
                told += sum(int(columns[47 * n + 12]) for n in range(int(count)))
    assert books <= 50
    assert told == rig.broker.market.tapes["005930"].volume - volume > 0


def test_nobody_listening_costs_nothing() -> None:
    rig = Rig()
    rig.pass_time(60)
    assert rig.broker.frames(rig.monotonic) == []


def test_the_same_seed_and_requests_give_the_same_day() -> None:
    def day() -> object:
        rig = Rig()
        session = joined(rig, ("H0STCNI0", "htsid001"))
        frames = []
        for quantity in (5, 7, 9):
            rig.buy(quantity)
            rig.pass_time(1.5)
            frames += [frame for _, frame in rig.broker.frames(rig.monotonic)]
        return frames, rig.rows(), session.ciphers

    assert day() == day()


def test_a_notice_reaches_both_kinds_of_channels() -> None:
    rig = Rig()
    joined(rig, ("H0STCNI0", "htsid001"), ("H0STCNI9", "htsid001"))
    rig.buy(1)
    rig.pass_time(2)
    channels = [frame.split("|")[1] for _, frame in rig.broker.frames(rig.monotonic)]
    assert channels == ["H0STCNI0", "H0STCNI9"] * 2
    counters = (rig.broker.accepted, rig.broker.fills, rig.broker.rejects, rig.broker.sequence)
    assert counters == (1, 1, 0, 2)


def test_a_new_day_forgets_the_plans_of_the_old() -> None:
    rig = Rig(listings=QUIET)
    rig.buy(1)
    rig.jump(OPEN.replace(day=13))
    assert rig.broker.wire.plans == {}


def test_the_clock_begins_where_it_should() -> None:
    saturday = OPEN.replace(day=17, hour=12)
    free = replace(OPTIONS, start=None)
    assert first_instant(free, saturday, None) == OPEN.replace(day=19)
    assert first_instant(OPTIONS, saturday, None) == OPEN
    saved = SavedBooks(DAY, 1, {}, {}, {})
    assert first_instant(free, saturday, saved) == OPEN.replace(day=13)
    later = replace(OPTIONS, start=OPEN.replace(day=20))
    assert first_instant(later, saturday, saved) == OPEN.replace(day=20)


BOTH = replace(
    AMERICAN_OPTIONS, start=OPEN, listings=QUIET, regions=frozenset({Region.KR, Region.US})
)


def test_a_day_and_a_night_trade_both_countries_with_money_of_their_own() -> None:
    rig = Rig(BOTH)
    totals = [exchange.totals() for exchange in rig.broker.exchanges]
    assert rig.buy(1).code == "APBK0013"
    assert rig.abroad(1, "9000").code == "APBK1664"
    rig.jump(NIGHT + timedelta(minutes=5))
    assert rig.buy(1).code == "APBK0918"
    assert rig.abroad(1, "9000").code == "APBK0013"
    assert rig.abroad(1, "100").code == "APBK0013"
    phases = [market.phase for market in rig.broker.markets]
    assert phases == [Phase.CLOSED, Phase.CONTINUOUS]
    korean, american = (each.accounts["12345678-01"] for each in rig.broker.exchanges)
    assert (set(korean.holdings), set(american.holdings)) == ({"005930"}, {"AAPL"})
    assert korean.cash < Decimal(100_000_000)
    assert american.cash < Decimal(100_000)
    rig.jump(OPEN + timedelta(days=1, minutes=1))
    assert (rig.broker.market.day, rig.broker.overseas.day) == (DAY + timedelta(days=1), DAY)
    rig.token = rig.new_token()
    assert rig.sell(1).code == "APBK0013"
    assert [exchange.totals() for exchange in rig.broker.exchanges] == totals
    assert american.reserved == 0


def test_the_session_of_new_york_is_an_hour_later_in_winter() -> None:
    rig = Rig(AMERICAN_OPTIONS, start=NIGHT.replace(month=11, day=2, minute=29))
    phases = [rig.broker.overseas.phase]
    for seconds in (3_600, 60, 6.5 * 3_600):
        rig.pass_time(seconds)
        phases.append(rig.broker.overseas.phase)
    assert phases == [Phase.CLOSED, Phase.CLOSED, Phase.CONTINUOUS, Phase.CLOSED]


def test_dawn_in_seoul_forgets_nothing_of_the_night_in_new_york() -> None:
    rig = Rig(BOTH, start=NIGHT.replace(hour=23, minute=59, second=59))
    rig.abroad(1, "100.00")
    (number,) = rig.broker.wire.plans
    assert isinstance(rig.broker.wire.plans[number], OrderPlan)
    rig.pass_time(2)
    assert rig.broker.market.day == DAY + timedelta(days=1)
    assert set(rig.broker.wire.plans) == {number}
    rig.jump(NIGHT + timedelta(hours=14, minutes=31))
    assert rig.broker.overseas.day == DAY + timedelta(days=1)
    assert rig.broker.wire.plans == {}


def test_a_session_that_was_over_at_the_start_is_not_played() -> None:
    rig = Rig(BOTH)
    assert rig.broker.overseas.day == DAY
    assert rig.broker.overseas.days_begun == 1
    assert rig.broker.overseas.tapes["AAPL"].volume == 0


def test_a_country_that_does_not_live_has_nothing() -> None:
    rig = Rig()
    assert rig.broker.overseas.listings == {}
    assert rig.broker.overseas.exchange.accounts["12345678-01"].cash == 0
    assert [exchange.rules.region for exchange in rig.broker.exchanges] == [Region.KR]
    assert rig.broker.market_of("AAPL") is rig.broker.market
