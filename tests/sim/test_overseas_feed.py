from datetime import timedelta

from daemon.sim.stream_wire import StreamSession
from tests.sim.rig import AMERICAN_OPTIONS, Rig, registration


def listening(rig: Rig, *wanted: tuple[str, str]) -> None:
    session, now = StreamSession(), rig.broker.market.now
    approval = rig.broker.keys.issue_approval(now)
    for tr_id, tr_key in wanted:
        rig.broker.stream.receive(session, registration(approval, tr_id, tr_key), now)


def test_every_trade_is_told_with_the_volume_of_the_day_and_books_are_conflated() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    listening(rig, ("HDFSCNT0", "DNYSBRK/B"), ("HDFSASP0", "DNASAAPL"))
    tape = rig.broker.overseas.tapes["BRK/B"]
    before, shares, books = tape.volume, 0, 0
    for _ in range(600):
        rig.pass_time(1.0)
        for _, frame in rig.broker.frames(rig.monotonic):
            _, channel, count, text = frame.split("|")
            columns = text.split("^")
            if channel == "HDFSASP0":
                books += 1
                assert (columns[0], len(columns)) == ("DNASAAPL", 71)
            else:
                assert (columns[0], len(columns)) == ("DNYSBRK/B", 26 * int(count))
                shares += sum(int(columns[26 * n + 19]) for n in range(int(count)))
                assert int(columns[-6]) <= tape.volume
    assert shares == tape.volume - before > 0
    assert 0 < books <= 600


def test_a_quiet_market_is_silent_and_what_is_not_listed_is_made_up() -> None:
    assert AMERICAN_OPTIONS.start is not None
    rig = Rig(AMERICAN_OPTIONS, start=AMERICAN_OPTIONS.start - timedelta(hours=2))
    listening(rig, ("HDFSCNT0", "DNASAAPL"), ("HDFSCNT0", "DNASGOOGL"))
    rig.broker.frames(rig.monotonic)
    frames = []
    for _ in range(30):
        rig.pass_time(10.0)
        frames += [frame for _, frame in rig.broker.frames(rig.monotonic)]
    assert {frame.split("|")[3].split("^")[1] for frame in frames} == {"GOOGL"}


def test_notices_go_to_the_channels_of_foreign_orders_alone() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    listening(rig, ("H0GSCNI0", "htsid001"), ("H0STCNI0", "htsid001"), ("H0GSCNI9", "htsid001"))
    rig.abroad(1, "100.00")
    rig.pass_time(2.0)
    channels = [frame.split("|")[1] for _, frame in rig.broker.frames(rig.monotonic)]
    assert channels == ["H0GSCNI0", "H0GSCNI9"]
