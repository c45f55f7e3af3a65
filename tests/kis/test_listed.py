"""Which listing is meant by a symbol."""

import pytest

from daemon.core.values import InstrumentId, Region
from daemon.kis.listed import Listed

AMEX, NASDAQ, NYSE = (InstrumentId(f"{each}:JPM") for each in ("amex", "nasdaq", "nyse"))


@pytest.mark.parametrize(
    ("named", "ours", "master", "meant"),
    [
        # The code of Nasdaq may stand for another exchange, and nothing tells which.
        ([NASDAQ], [], [], NASDAQ),
        ([NASDAQ], [InstrumentId("nyse:KO")], [InstrumentId("nyse:XOM")], NASDAQ),
        # Each witness by itself.
        ([NASDAQ, NYSE], [], [], NYSE),
        ([NYSE, NASDAQ], [], [], NYSE),
        ([NASDAQ], [NYSE], [], NYSE),
        ([NASDAQ], [], [NYSE], NYSE),
        ([NASDAQ, AMEX, NYSE], [NYSE], [], NYSE),
        ([NASDAQ, NYSE], [], [NASDAQ], NASDAQ),
        # Another exchange stands for none but itself: a share may have moved there.
        ([NYSE], [NASDAQ], [NASDAQ], NYSE),
        # What is ours may be so by such an answer: it bears out neither itself nor the next one.
        ([NASDAQ, NYSE], [NASDAQ], [], NYSE),
        ([NASDAQ], [NASDAQ], [NYSE], NYSE),
        # Where ours and the masters contradict each other, or several are known.
        ([NASDAQ, NYSE], [NASDAQ], [NYSE], NYSE),
        ([NASDAQ], [NYSE], [NASDAQ], NASDAQ),
        ([NASDAQ], [NYSE, AMEX], [], NASDAQ),
        ([NASDAQ], [NYSE], [NYSE, AMEX], NASDAQ),
        ([NASDAQ, NYSE], [NASDAQ], [NYSE, AMEX], NYSE),
        ([AMEX, NYSE], [], [], AMEX),
        ([AMEX, NYSE], [NYSE], [], NYSE),
    ],
)
def test_the_exchange_is_that_of_whoever_can_tell(
    named: list[InstrumentId],
    ours: list[InstrumentId],
    master: list[InstrumentId],
    meant: InstrumentId,
) -> None:
    listed = Listed()
    listed.know(Region.US, ours)
    listed.learn(Region.US, master)
    assert listed.among(named) == meant


def test_the_masters_tell_of_a_listing_and_ours_only_what_they_leave_out() -> None:
    listed = Listed()
    listed.learn(Region.US, [NYSE])
    listed.know(Region.US, [NASDAQ, InstrumentId("nasdaq:NEW")])
    assert listed.of(Region.US, "JPM") == NYSE
    assert listed.of(Region.US, "NEW") == InstrumentId("nasdaq:NEW")
    listed.learn(Region.US, [NYSE, AMEX])
    assert listed.of(Region.US, "JPM") is None


def test_what_is_ours_is_said_anew_by_region_and_noted_in_between() -> None:
    listed = Listed()
    listed.know(Region.US, [NYSE])
    listed.know(Region.HK, [InstrumentId("hongkong:00700")])
    assert listed.of(Region.US, "JPM") == NYSE
    assert listed.of(Region.HK, "JPM") is None
    listed.know(Region.US, [])
    assert listed.of(Region.US, "JPM") is None
    listed.note(AMEX)
    assert listed.of(Region.US, "JPM") == AMEX
