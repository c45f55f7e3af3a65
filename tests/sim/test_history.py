import itertools

from daemon.core.calendar import MarketCalendar
from daemon.core.steps import is_accepted_price
from daemon.sim.history import DAYS, History
from daemon.sim.rules import AMERICAN
from daemon.sim.tape import DayTape
from tests.builders import SAMSUNG
from tests.sim.rig import AMERICAN_OPTIONS, DAY, FEW, Rig


def history(seed: int = 1) -> History:
    bases = {listing.code: listing.base for listing in FEW}
    return History(FEW, bases, MarketCalendar(), DAY, seed)


def test_it_ends_at_the_base_price_and_hangs_together() -> None:
    past = history()
    for listing in FEW:
        bars = past.daily(listing.code)
        assert len(bars) == DAYS
        assert bars[-1].close == listing.base
        for before, after in itertools.pairwise(bars):
            assert before.day < after.day
            assert before.close == after.previous
        for bar in bars:
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert all(
                is_accepted_price(SAMSUNG, p) for p in (bar.open, bar.high, bar.low, bar.close)
            )


def test_minutes_of_a_past_day_lead_from_its_open_to_its_close() -> None:
    past = history()
    bar = past.last("005930")
    minutes = past.minutes("005930", bar.day)
    assert (minutes[0].time, minutes[-1].time) == ("090000", "153000")
    assert (minutes[0].open, minutes[-1].close) == (bar.open, bar.close)
    assert all(bar.low <= m.low <= m.high <= bar.high for m in minutes)
    assert past.minutes("005930", DAY) == []


def test_a_seed_is_a_past() -> None:
    assert history(1).daily("005930") == history(1).daily("005930")
    assert history(1).daily("005930") != history(2).daily("005930")


def test_a_day_without_trades_leaves_no_bar() -> None:
    past = history()
    past.append(DAY, DayTape("005930", FEW[0].base))
    assert len(past.daily("005930")) == DAYS


def test_the_past_of_us_shares_is_in_cents_on_the_days_of_their_exchange() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    past = rig.broker.overseas.history
    for code in ("AAPL", "ZVZZT"):
        bars = past.daily(code)
        assert len(bars) == DAYS
        for bar in bars:
            for price in (bar.open, bar.high, bar.low, bar.close, bar.previous):
                assert AMERICAN.is_valid(price)
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    minutes = past.minutes("AAPL", past.last("AAPL").day)
    assert (minutes[0].time, minutes[-1].time, len(minutes)) == ("093000", "160000", 391)
    assert minutes[-1].close == past.last("AAPL").close
