from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import BadData
from daemon.core.events import OrderKind
from daemon.core.values import Session, Side, StrategyId
from daemon.kis.orderlist import OrderList
from tests.kis.fakes import ACCOUNT, fold_orders, sample


def row(number: str, **changes: str) -> dict[str, Any]:
    return {
        "ord_dt": "20260710",
        "ord_gno_brno": "06010",
        "odno": number.rjust(10, "0"),
        "orgn_odno": "",
        "sll_buy_dvsn_cd": "02",
        "pdno": "005930",
        "ord_qty": "10",
        "ord_unpr": "71900",
        "ord_tmd": "101500",
        "tot_ccld_qty": "0",
        "avg_prvs": "0",
        "tot_ccld_amt": "0",
        "ord_dvsn_cd": "00",
        "rmn_qty": "10",
        "rjct_qty": "0",
        **changes,
    }


def numbers(order: Any) -> list[str]:
    return [ref.number for ref in order.refs]


def test_the_states_of_a_captured_list() -> None:
    orders = {
        order.refs[0].number: order
        for order in fold_orders(sample("rest", "daily_ccld_states_page1")["body"]["output1"])
    }
    assert set(orders) == {"1569157", "1569160", "1569140", "1569136", "1568197"}
    partial = orders["1569157"]
    assert (partial.filled, partial.remaining, partial.notional) == (3, 7, Decimal(215700))
    assert partial.limit == 71900
    assert partial.ordered_at == datetime(2026, 7, 10, 1, 15, tzinfo=UTC)
    cancelled = orders["1569140"]
    assert (cancelled.filled, cancelled.remaining) == (0, 0)
    assert numbers(cancelled) == ["1569140"]
    # The order's own row came before the list began.
    modified = orders["1569136"]
    assert numbers(modified) == ["1569136", "1569139"]
    assert (modified.remaining, modified.limit) == (1, Decimal(140000))
    assert orders["1568197"].rejected == 10


@pytest.mark.parametrize(
    ("told", "route"),
    [("KRX", ""), ("", ""), ("SOR", "SOR"), ("NXT", "NXT"), ("통합", ""), ("12", "")],
)
def test_where_an_order_was_sent_is_kept_with_every_number(told: str, route: str) -> None:
    (order,) = fold_orders(
        [
            row("1", rmn_qty="0", excg_id_dvsn_cd=told),
            row("2", orgn_odno="1", ord_unpr="71800", ord_tmd="101600", excg_id_dvsn_cd=told),
        ]
    )
    assert [ref.route for ref in order.refs] == [route, route]
    (elsewhere,) = fold_orders([row("1", excg_id_dvsn_cd="SOR")])
    assert elsewhere.refs[0] == order.refs[0], "it is the same order wherever it was sent"


def test_where_an_order_was_sent_goes_by_two_names() -> None:
    (order,) = fold_orders([row("1", excg_id_dvsn_Cd="SOR")])
    assert order.refs[0].route == "SOR"


@pytest.mark.parametrize("own", [{"rmn_qty": "0", "excg_id_dvsn_cd": "SOR"}, None])
def test_a_change_was_sent_where_its_order_was(own: dict[str, str] | None) -> None:
    """Also the numbers whose own rows do not say it, or are not on the list at all."""
    changes = [
        row("2", orgn_odno="1", rmn_qty="0", ord_tmd="101600", excg_id_dvsn_cd="SOR"),
        row("3", orgn_odno="2", ord_unpr="71800", ord_tmd="101700"),
    ]
    (order,) = fold_orders(changes if own is None else [row("1", **own), *changes])
    assert [(ref.number, ref.route) for ref in order.refs] == [
        (number, "SOR") for number in ("1", "2", "3")
    ]


@pytest.mark.parametrize("spelt", ["excg_id_dvsn_cd", "excg_id_dvsn_Cd", None])
def test_a_row_is_read_once_however_it_tells_where_it_was_sent(spelt: str | None) -> None:
    told = row("1", cncl_cfrm_qty="0", cncl_yn="", **({} if spelt is None else {spelt: "KRX"}))
    assert fold_orders([told])[0] is fold_orders([dict(told)])[0]


def test_a_market_order_has_no_limit() -> None:
    (order,) = fold_orders(sample("rest", "daily_ccld_filled")["body"]["output1"])
    assert (order.filled, order.remaining, order.limit, order.notional) == (
        1,
        0,
        None,
        Decimal(3145),
    )
    assert order.side is Side.BUY


@pytest.mark.parametrize(
    ("division", "price", "session", "kind"),
    [
        ("00", "71900", Session.REGULAR, OrderKind.LIMIT),
        ("01", "0", Session.REGULAR, OrderKind.MARKET),
        ("03", "71900", Session.REGULAR, OrderKind.LIMIT),
        ("05", "71900", Session.PREVIOUS_CLOSE, OrderKind.MARKET),
        ("06", "0", Session.CLOSING_PRICE, OrderKind.MARKET),
        ("41", "71900", Session.AFTER_MARKET, OrderKind.LIMIT),
        ("44", "71900", Session.AFTER_MARKET, OrderKind.BEST_OPPOSITE),
        ("47", "0", Session.AFTER_MARKET, OrderKind.BEST_OWN),
        ("", "71900", Session.REGULAR, OrderKind.LIMIT),
    ],
)
def test_a_row_tells_the_session_and_how_the_order_is_priced(
    division: str, price: str, session: Session, kind: OrderKind
) -> None:
    (order,) = fold_orders([row("1", ord_dvsn_cd=division, ord_unpr=price)])
    assert (order.session, order.kind) == (session, kind)
    wish = order.intent(ACCOUNT, StrategyId("x"), order.remaining)
    assert (wish.session, wish.kind, wish.limit) == (session, kind, order.limit)


def test_a_market_order_that_got_a_limit_is_a_limit_order() -> None:
    (order,) = fold_orders(
        [
            row("1", ord_dvsn_cd="01", ord_unpr="0"),
            row("2", orgn_odno="1", ord_unpr="71800", ord_tmd="101600"),
        ]
    )
    assert (order.session, order.kind) == (Session.REGULAR, OrderKind.LIMIT)


def test_a_chain_of_modifies_is_one_order() -> None:
    orders = fold_orders(
        [
            row("3", orgn_odno="0000000002", ord_unpr="71700", ord_tmd="101700", ord_qty="6",
                rmn_qty="4", tot_ccld_qty="2", tot_ccld_amt="143400"),
            row("1", rmn_qty="0", tot_ccld_qty="3", tot_ccld_amt="215700"),
            row("2", orgn_odno="1", ord_unpr="71800", ord_tmd="101600", ord_qty="7",
                rmn_qty="0", tot_ccld_qty="1", tot_ccld_amt="71800"),
        ]
    )  # fmt: skip
    (order,) = orders
    assert numbers(order) == ["1", "2", "3"]
    assert (order.quantity, order.filled, order.remaining) == (10, 6, 4)
    assert order.notional == 215700 + 71800 + 143400
    assert order.limit == Decimal(71700)


@pytest.mark.parametrize("remaining", ["0", "10"])
def test_a_cancel_request_adds_nothing(remaining: str) -> None:
    (order,) = fold_orders(
        [row("1"), row("2", orgn_odno="1", ord_unpr="0", rmn_qty=remaining, ord_tmd="101600")]
    )
    assert numbers(order) == ["1"]
    assert (order.remaining, order.limit) == (10, Decimal(71900))


def test_a_refused_modify_adds_nothing() -> None:
    (order,) = fold_orders(
        [row("1"), row("2", orgn_odno="1", ord_unpr="70000", rmn_qty="0", rjct_qty="10")]
    )
    assert numbers(order) == ["1"]
    assert order.limit == 71900
    assert order.rejected == 0


def test_a_modified_row_that_still_shows_its_rest_does_not_double_it() -> None:
    (order,) = fold_orders([row("1"), row("2", orgn_odno="1", ord_tmd="101600")])
    assert order.remaining == 10


def test_a_row_on_two_pages_counts_once() -> None:
    filled = row("1", rmn_qty="6", tot_ccld_qty="4", tot_ccld_amt="287600")
    (order,) = fold_orders([row("1"), filled])
    assert (order.filled, order.remaining) == (4, 6)


def test_keys_are_read_without_case_and_unknown_kinds_accepted() -> None:
    shouting = {name.upper(): value for name, value in row("1", ord_dvsn_cd="51").items()}
    assert len(fold_orders([shouting])) == 1


@pytest.mark.parametrize(
    "change",
    [{"odno": "?!"}, {"odno": "", "orgn_odno": "2"}, {"pdno": "?"},
     {"tot_ccld_qty": ""}, {"rmn_qty": "x"}, {"sll_buy_dvsn_cd": "03"},
     {"ord_dt": "20261301"}, {"tot_ccld_qty": "1", "tot_ccld_amt": ""}],
)  # fmt: skip
def test_an_unreadable_row_spoils_the_list(change: dict[str, str]) -> None:
    bad = {**row("1"), **change}
    if change.get("tot_ccld_qty") == "1":
        bad["avg_prvs"] = ""
    with pytest.raises(BadData):
        fold_orders([row("2"), bad])


@pytest.mark.parametrize("number", ["", "0000000000"])
def test_a_row_without_a_number_is_skipped_and_counted(number: str) -> None:
    blank = {**row("1"), "odno": number, "sll_buy_dvsn_cd": "03", "ord_qty": ""}
    listed = OrderList()
    listed.add([blank, row("2")])
    listed.add([blank])
    (order,) = listed.orders()
    assert numbers(order) == ["2"]
    assert listed.skipped.count == 2


def test_rows_without_the_field_itself_are_a_changed_format_and_not_skipped() -> None:
    bad = row("1")
    del bad["odno"]
    with pytest.raises(BadData):
        fold_orders([bad])


def test_equal_numbers_of_two_branches_are_two_orders() -> None:
    orders = fold_orders(
        [
            row("1"),
            row("1", ord_gno_brno="00001", ord_qty="5", rmn_qty="5"),
            row("2", ord_gno_brno="00001", orgn_odno="1", ord_qty="5", rmn_qty="5"),
        ]
    )
    assert {(order.refs[0].branch, order.quantity, len(order.refs)) for order in orders} == {
        ("06010", 10, 1),
        ("00001", 5, 2),
    }


def test_a_change_may_come_from_another_branch() -> None:
    (order,) = fold_orders(
        [row("1", rmn_qty="0"), row("2", orgn_odno="1", ord_gno_brno="00001", ord_tmd="101600")]
    )
    assert numbers(order) == ["1", "2"]


def test_a_change_of_one_of_two_other_branches_is_bad_data() -> None:
    others = [row("1", ord_gno_brno=branch) for branch in ("00001", "00002")]
    with pytest.raises(BadData):
        fold_orders([*others, row("2", orgn_odno="1")])


def test_orders_that_change_one_another_are_bad_data() -> None:
    with pytest.raises(BadData):
        fold_orders([row("1", orgn_odno="2"), row("2", orgn_odno="1")])


@pytest.mark.parametrize(
    ("change", "cancelled", "accounted"),
    [
        ({"cncl_cfrm_qty": "4", "rmn_qty": "6"}, 4, True),
        ({"cncl_cfrm_qty": "4", "rmn_qty": "0"}, 4, False),
        ({"cncl_cfrm_qty": "10", "rmn_qty": "0", "cncl_yn": "Y"}, 10, True),
        ({"cncl_yn": "Y", "rmn_qty": "0"}, 10, True),
        ({"cncl_yn": "y", "rmn_qty": "3", "cncl_cfrm_qty": "0"}, 7, True),
        ({"cncl_yn": "N", "rmn_qty": "0"}, 0, False),
        ({"cncl_yn": "", "rmn_qty": "0", "cncl_cfrm_qty": ""}, 0, False),
        ({}, 0, True),
    ],
)
def test_what_was_taken_back_is_counted_or_marked(
    change: dict[str, str], cancelled: int, accounted: bool
) -> None:
    (order,) = fold_orders([row("1", **change)])
    assert (order.cancelled, order.accounted) == (cancelled, accounted)


def test_a_mark_without_a_count_does_not_take_back_what_traded() -> None:
    (order,) = fold_orders(
        [row("1", cncl_yn="Y", rmn_qty="0", tot_ccld_qty="3", tot_ccld_amt="215700")]
    )
    assert (order.filled, order.cancelled, order.accounted) == (3, 7, True)


def test_shares_cancelled_under_any_number_add_up_and_no_further() -> None:
    rows = [
        row("1", rmn_qty="0", cncl_cfrm_qty="2"),
        row("2", orgn_odno="1", ord_qty="8", rmn_qty="5", cncl_cfrm_qty="3", ord_tmd="101600"),
    ]
    (order,) = fold_orders(rows)
    assert (order.remaining, order.cancelled, order.accounted) == (5, 5, True)
    (order,) = fold_orders([rows[0], {**rows[1], "rmn_qty": "0", "cncl_cfrm_qty": "99"}])
    assert order.cancelled == 10


def test_shares_that_moved_to_a_number_the_list_lacks_are_not_accounted_for() -> None:
    (order,) = fold_orders([row("1", rmn_qty="0")])
    assert not order.accounted
    (whole,) = fold_orders(
        [row("1", rmn_qty="0"), row("2", orgn_odno="1", ord_tmd="101600", ord_unpr="71800")]
    )
    assert whole.accounted


def test_a_row_is_read_for_what_it_holds_and_not_for_what_equals_it() -> None:
    def read(given: object) -> object:
        fold: Any = {**row("1"), "ord_qty": given, "rmn_qty": given}
        try:
            return fold_orders([fold])[0].quantity
        except BadData:
            return "bad"

    values = ("1", 1, True, 1.0, "1")
    fresh = [read(value) for value in values]
    assert [read(value) for value in reversed(values)] == list(reversed(fresh))
    assert fresh[0] == fresh[-1] == 1
    assert fresh[2] == "bad", "what equals a number of shares may be none"


def test_a_text_that_holds_a_separator_is_read_like_any_other() -> None:
    whole = sample("rest", "daily_ccld_filled")["body"]["output1"][0]
    with pytest.raises(BadData) as failure:
        fold_orders([{**whole, "rmn_qty": "1\x1f0"}])
    assert failure.value.field == "rmn_qty"


@pytest.mark.parametrize("value", [["1"], {"a": "1"}])
def test_a_field_that_is_no_scalar_is_bad_data_by_name(value: object) -> None:
    bad: Any = {**row("1"), "rmn_qty": value}
    with pytest.raises(BadData) as failure:
        fold_orders([bad])
    assert failure.value.field == "rmn_qty"


def test_the_same_row_told_again_is_the_same_order_until_it_changes() -> None:
    first = fold_orders([row("1")])
    assert fold_orders([row("1")]) == first
    (later,) = fold_orders([row("1", rmn_qty="4", tot_ccld_qty="6", tot_ccld_amt="431400")])
    assert (later.filled, later.remaining) == (6, 4)
    assert fold_orders([row("1")]) == first


@given(st.lists(st.integers(0, 9), max_size=12), st.randoms())
def test_nothing_is_lost_or_counted_twice(parents: list[int], random: Any) -> None:
    """Whatever the chains and the order of rows: filled shares add up."""
    rows = []
    for index, parent in enumerate(parents):
        origin = str(parent + 1) if parent < index else ""
        rows.append(
            row(
                str(index + 1),
                orgn_odno=origin,
                ord_tmd=f"1015{index:02}",
                ord_qty="100",
                tot_ccld_qty="1",
                tot_ccld_amt=str(100 + index),
                rmn_qty="0",
            )
        )
    random.shuffle(rows)
    orders = fold_orders(rows)
    assert sum(order.filled for order in orders) == len(rows)
    assert sum(order.notional for order in orders) == sum(100 + i for i in range(len(rows)))
    assert sum(len(order.refs) for order in orders) == len(rows)
