"""What a journal says of what was left is read for years."""

from daemon.core.leftovers import NO_ORDER, Left, LeftCause
from tests.builders import SAMSUNG


def test_causes_keep_the_words_that_journals_hold() -> None:
    assert {each.value for each in LeftCause} == {
        "under_way",
        "market_closed",
        "instrument_halted",
        "no_price",
        "in_doubt",
        "refused",
        "denied",
        "unknown_shares",
        "gate_closed",
        "not_told",
    }


def test_what_is_left_of_a_holding_is_of_no_order() -> None:
    left = Left(instrument=SAMSUNG, quantity=3, cause=LeftCause.NO_PRICE, detail="")
    assert left.order == NO_ORDER
    assert not left.order
