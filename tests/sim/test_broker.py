from dataclasses import replace

from daemon.sim.broker import first_instant
from daemon.sim.statefile import SavedBooks
from daemon.sim.stream_wire import StreamSession
from tests.sim.rig import DAY, OPEN, OPTIONS, QUIET, Rig, registration


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
        for frame in rig.broker.frames(rig.monotonic):
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
            frames += rig.broker.frames(rig.monotonic)
        return frames, rig.rows(), session.ciphers

    assert day() == day()


def test_a_notice_reaches_both_kinds_of_channels() -> None:
    rig = Rig()
    joined(rig, ("H0STCNI0", "htsid001"), ("H0STCNI9", "htsid001"))
    rig.buy(1)
    rig.pass_time(2)
    channels = [frame.split("|")[1] for frame in rig.broker.frames(rig.monotonic)]
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
