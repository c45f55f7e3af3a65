"""The words of every act: what is taken, and what is refused with the field and the fix."""

from decimal import Decimal

import pytest

from daemon.core.events import TradingState
from daemon.ops.control import ACTS, ControlError, Flatten, Submit, View, act_of

ORDER = {
    "request": "a",
    "reason": "by hand",
    "instrument": "005930",
    "side": "buy",
    "quantity": 3,
    "price": "71000",
}


def refused(word: str, **body: object) -> ControlError:
    with pytest.raises(ControlError) as caught:
        act_of(word, body)
    return caught.value


def test_an_order_is_read_exactly() -> None:
    act = act_of("submit", ORDER)
    assert isinstance(act, Submit)
    assert (act.instrument, act.price, act.owner) == ("krx:005930", Decimal(71000), "operator")
    assert act.subject == "buy 3 krx:005930 at 71000"
    at_market = act_of("submit", {**ORDER, "price": None})
    assert at_market.subject == "buy 3 krx:005930 at market"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": "3"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"price": 71000.5}, "price"),
        ({"price": "-1"}, "price"),
        ({"price": "NaN"}, "price"),
        ({"price": "1e400"}, "price"),
        ({"side": "hold"}, "side"),
        ({"instrument": "mars:005930"}, "instrument"),
        ({"owner": "ma-cross"}, "owner"),
        ({"reason": "   "}, "reason"),
        ({"reason": "x" * 301}, "reason"),
        ({"request": ""}, "request"),
        ({"request": "a b"}, "request"),
        ({"time_in_force": "gtc"}, "time_in_force"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], field: str) -> None:
    error = refused("submit", **{**ORDER, **change})
    assert (error.code, error.field, error.status) == ("BAD_FIELD", field, 400)
    assert error.problem
    assert "known here: request, reason" in error.fix


def test_an_unknown_field_and_a_missing_one_are_told() -> None:
    error = refused("halt", request="a", reason="x", force=True)
    assert (error.code, error.field) == ("UNKNOWN_FIELD", "force")
    assert refused("halt", request="a").field == "reason"
    with pytest.raises(ControlError, match="not a JSON object"):
        act_of("halt", ["halt"])


def test_a_cancel_names_orders_or_all_of_them() -> None:
    assert act_of("cancel", {"request": "a", "reason": "x", "all": True}).subject == "all"
    named = act_of("cancel", {"request": "a", "reason": "x", "orders": ["7", "8"]})
    assert named.subject == "7 8"
    assert "one of the two" in refused("cancel", request="a", reason="x").problem
    both = refused("cancel", request="a", reason="x", all=True, orders=["7"])
    assert "one of the two" in both.problem


def test_a_reason_is_one_line_and_acts_say_what_they_are() -> None:
    act = act_of("flatten", {"request": "a", "reason": " two \n lines "})
    assert isinstance(act, Flatten)
    assert (act.reason, act.state, act.name) == ("two lines", TradingState.FLATTENING, "flatten")
    switched = act_of(
        "strategies", {"request": "a", "reason": "x", "strategy": "ma-cross", "do": "reload"}
    )
    assert (switched.name, switched.subject) == ("strategies reload", "ma-cross")
    accepted = act_of("discrepancies", {"request": "a", "reason": "x", "about": "cash KRW"})
    assert (accepted.name, accepted.subject) == ("discrepancies accept", "cash KRW")
    assert {"strategies", "discrepancies"} == set(ACTS) & set(View)
