from decimal import Decimal

from daemon.core.values import Side
from daemon.sim.tape import DayTape, Depth

D = Decimal
DEPTH = Depth(Decimal(101), Decimal(100), 5, 6, 50, 60)


def test_running_figures_and_minutes() -> None:
    tape = DayTape("005930", Decimal(100))
    assert tape.average == 100
    tape.record("090000", Decimal(100), 10, None, DEPTH)
    tape.record("090059", Decimal(104), 5, Side.BUY, DEPTH)
    last = tape.record("090100", Decimal(98), 5, Side.SELL, DEPTH)
    assert (last.open, last.high, last.low) == (D(100), D(104), D(98))
    assert (last.high_time, last.low_time) == ("090059", "090100")
    assert (last.volume, last.value) == (20, D(2_010))
    assert (last.buys, last.sells, last.bought, last.sold) == (1, 1, 5, 5)
    assert [(bar.time, bar.open, bar.close, bar.volume) for bar in tape.minutes] == [
        ("090000", D(100), D(104), 15),
        ("090100", D(98), D(98), 5),
    ]
    assert tape.average == Decimal("100.5")
