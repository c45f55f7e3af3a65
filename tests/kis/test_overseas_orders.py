"""The foreign list of orders, folded."""

import reprlib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import BadData
from daemon.core.values import BrokerRef, InstrumentId, Region, Side
from daemon.core.witness import BrokerOrder
from daemon.kis.listed import Listed
from daemon.kis.overseas_orders import OverseasOrderList
from tests.kis.fakes import sample


def row(number: str, **changes: str) -> dict[str, Any]:
    return {
        "ord_dt": "20261123",
        "ord_gno_brno": "01790",
        "odno": number.rjust(10, "0"),
        "orgn_odno": "",
        "sll_buy_dvsn_cd": "02",
        "rvse_cncl_dvsn": "00",
        "pdno": "AAPL",
        "ft_ord_qty": "10",
        "ft_ord_unpr3": "145.0000",
        "ft_ccld_qty": "0",
        "ft_ccld_unpr3": "0.0000",
        "ft_ccld_amt3": "0.0000",
        "nccs_qty": "10",
        "prcs_stat_name": "접수",
        "rjct_rson": "",
        "ord_tmd": "233156",
        "ovrs_excg_cd": "NASD",
        **changes,
    }


def filled(count: int, amount: str, remaining: int) -> dict[str, str]:
    return {
        "ft_ccld_qty": str(count),
        "ft_ccld_amt3": amount,
        "nccs_qty": str(remaining),
        "prcs_stat_name": "완료" if remaining == 0 else "접수",
    }


def fold(
    *rows: dict[str, Any], region: Region = Region.US, listed: Listed | None = None
) -> list[BrokerOrder]:
    orders = OverseasOrderList(region, listed or Listed())
    orders.add(rows)
    return list(orders.orders())


def test_a_fill_and_a_refusal_of_a_published_list() -> None:
    sold, refused = fold(*sample("rest", "overseas_ccnl")["body"]["output"])

    assert sold.refs == (BrokerRef(day=date(2026, 7, 9), branch="01790", number="31276871"),)
    assert (sold.instrument, sold.side) == ("nasdaq:SNDK", Side.SELL)
    assert (sold.filled, sold.notional, sold.remaining) == (1, Decimal("1833.9032"), 0)
    assert sold.first_limit == Decimal("1827.0000")
    assert sold.ordered_at == datetime(2026, 7, 9, 14, 31, 56, tzinfo=UTC)
    assert (refused.filled, refused.rejected, refused.remaining) == (0, 1, 0)


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("180000", datetime(2026, 11, 23, 9, 0, tzinfo=UTC)),
        ("233000", datetime(2026, 11, 23, 14, 30, tzinfo=UTC)),
        ("000000", datetime(2026, 11, 23, 15, 0, tzinfo=UTC)),
        ("055959", datetime(2026, 11, 23, 20, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_exchanges_date_and_the_korean_time_make_the_instant(stamp: str, at: datetime) -> None:
    (order,) = fold(row("1", ord_tmd=stamp))
    assert order.ordered_at == at
    assert order.day == date(2026, 11, 23)


def test_a_cancel_takes_what_was_open_and_is_no_order() -> None:
    cancel = row(
        "2",
        rvse_cncl_dvsn="02",
        orgn_odno="1",
        ft_ord_unpr3="0",
        nccs_qty="0",
        prcs_stat_name="완료",
        ft_ord_qty="7",
    )
    (order,) = fold(row("1", **filled(3, "435.0000", 0)), cancel)
    assert (order.filled, order.remaining, order.cancelled) == (3, 0, 7)
    assert order.accounted
    (pending,) = fold(row("1", **filled(3, "435.0000", 7)), cancel)
    assert (pending.remaining, pending.cancelled) == (7, 0)
    (kept,) = fold(row("1"), {**cancel, "prcs_stat_name": "거부"})
    assert (kept.remaining, kept.cancelled) == (10, 0)


def test_what_ended_with_its_day_is_not_called_cancelled() -> None:
    (order,) = fold(row("1", nccs_qty="0", prcs_stat_name="완료"))
    assert (order.remaining, order.cancelled, order.accounted) == (0, 0, False)


@pytest.mark.parametrize(
    ("reason", "told", "rejected"),
    [
        ("0501", {"nccs_qty": "0"}, 10),
        ("", {"nccs_qty": "0"}, 0),
        ("0", {"nccs_qty": "0"}, 0),
        ("0000", {"nccs_qty": "0"}, 0),
        ("0501", {}, 0),
        ("0501", filled(4, "580.0000", 0), 0),
    ],
)
def test_a_reason_alone_refuses_what_neither_trades_nor_stands(
    reason: str, told: dict[str, str], rejected: int
) -> None:
    fold(row("1", **{"prcs_stat_name": "완료", **told}))  # the same row but for the reason
    (order,) = fold(row("1", **{"prcs_stat_name": "완료", **told}, rjct_rson=reason))
    assert order.rejected == rejected


def test_a_cancel_refused_by_its_reason_alone_takes_nothing() -> None:
    cancel = row("2", rvse_cncl_dvsn="02", orgn_odno="1", ft_ord_unpr3="0", prcs_stat_name="완료")
    (order,) = fold(row("1", nccs_qty="0"), {**cancel, "rjct_rson": "0501"})
    assert (order.cancelled, order.accounted) == (0, False)


def test_a_chain_of_modifies_is_one_order() -> None:
    first = row("1", **filled(2, "290.0000", 0))
    second = row(
        "2",
        rvse_cncl_dvsn="01",
        orgn_odno="1",
        ft_ord_qty="8",
        ft_ord_unpr3="144.5000",
        ord_tmd="233300",
        **filled(3, "433.5000", 0),
    )
    third = row(
        "3",
        rvse_cncl_dvsn="01",
        orgn_odno="2",
        ft_ord_qty="5",
        ft_ord_unpr3="144.6000",
        ord_tmd="233400",
        nccs_qty="5",
    )
    (order,) = fold(third, first, second)

    assert [ref.number for ref in order.refs] == ["1", "2", "3"]
    assert (order.quantity, order.filled, order.remaining) == (10, 5, 5)
    assert (order.first_limit, order.limit) == (Decimal("145.0000"), Decimal("144.6000"))
    assert order.notional == Decimal("723.5000")


def test_a_refused_modify_leaves_the_order_where_it_is() -> None:
    refused = row("2", rvse_cncl_dvsn="01", orgn_odno="1", prcs_stat_name="거부", nccs_qty="0")
    (order,) = fold(row("1"), refused)
    assert [ref.number for ref in order.refs] == ["1"]
    assert (order.remaining, order.limit) == (10, Decimal("145.0000"))


def test_the_same_row_twice_and_rows_of_elsewhere_change_nothing() -> None:
    hong_kong = row("1", ovrs_excg_cd="SEHK", pdno="00700")
    assert len(fold(row("1"), row("1"), hong_kong)) == 1
    (other,) = fold(row("1"), hong_kong, region=Region.HK)
    assert other.instrument == "hongkong:00700"
    (classed,) = fold(row("1", ovrs_excg_cd="NYSE", pdno="BRK/B"))
    assert classed.instrument == "nyse:BRK/B"


def known(*instruments: str) -> Listed:
    listed = Listed()
    listed.know(Region.US, [InstrumentId(each) for each in instruments])
    return listed


def test_a_row_that_names_nasdaq_for_all_is_about_the_listing_that_is_known() -> None:
    told = row("1", pdno="JPM")
    (unknown,) = fold(told)
    assert unknown.instrument == "nasdaq:JPM"
    (order,) = fold(told, listed=known("nyse:JPM", "nasdaq:AAPL"))
    assert order.instrument == "nyse:JPM"
    assert order == replace(unknown, instrument=InstrumentId("nyse:JPM"))
    # The same texts again, and nothing known: what was read before is no witness.
    assert fold(told) == [unknown]


@pytest.mark.parametrize("first", ["NASD", "NYSE"])
def test_either_of_two_rows_tells_the_listing_of_a_whole_chain(first: str) -> None:
    second = {"NASD": "NYSE", "NYSE": "NASD"}[first]
    moved = {"rvse_cncl_dvsn": "01", "orgn_odno": "1", "ord_tmd": "233300"}
    (order,) = fold(
        row("1", pdno="JPM", ovrs_excg_cd=first, **filled(4, "580.0000", 0)),
        row("2", pdno="JPM", ovrs_excg_cd=second, ft_ord_qty="6", nccs_qty="6", **moved),
    )
    assert (order.instrument, [ref.number for ref in order.refs]) == ("nyse:JPM", ["1", "2"])
    told = row("3", pdno="JPM", ovrs_excg_cd=first)
    (once,) = fold(told, {**told, "ovrs_excg_cd": second})
    assert once.instrument == "nyse:JPM"


def test_a_market_order_of_the_close_has_no_limit() -> None:
    (order,) = fold(row("1", ft_ord_unpr3="0"))
    assert (order.limit, order.first_limit, order.remaining) == (None, None, 10)


def test_blank_rows_are_skipped_and_told() -> None:
    listed = OverseasOrderList(Region.US, Listed())
    blank = dict.fromkeys(row("1"), "")
    listed.add([blank, row("1", ovrs_excg_cd="SEHK", pdno="00700"), row("2")])
    assert [order.refs[0].number for order in listed.orders()] == ["2"]
    assert (listed.skipped.count, listed.skipped.raw) == (1, reprlib.repr(blank))


def test_what_a_row_is_may_stand_under_either_name() -> None:
    cancel = row("2", orgn_odno="1", ft_ord_unpr3="0", nccs_qty="0", rvse_cncl_dvsn_cd="02")
    without = {name: value for name, value in cancel.items() if name != "rvse_cncl_dvsn"}
    for told in (without, {**cancel, "rvse_cncl_dvsn": ""}):
        (order,) = fold(row("1", nccs_qty="0"), told)
        assert (order.cancelled, order.accounted) == (10, True)


def test_a_row_told_again_is_the_same_until_it_changes() -> None:
    first = fold(row("1"))
    assert fold(row("1")) == first
    (later,) = fold(row("1", **filled(6, "870", 4)))
    assert (later.filled, later.remaining) == (6, 4)
    assert fold(row("1")) == first


def test_pages_may_be_added_after_the_orders_were_asked_for() -> None:
    listed = OverseasOrderList(Region.US, Listed())
    listed.add([row("1", nccs_qty="0"), row("2", orgn_odno="1", rvse_cncl_dvsn="02")])
    before = listed.orders()
    assert listed.orders() == before
    assert before[0].cancelled == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"odno": ""},
        {"ord_dt": "2026"},
        {"ord_tmd": "99"},
        {"ovrs_excg_cd": "MOON"},
        {"pdno": "A B"},
        {"rvse_cncl_dvsn": "07"},
        {"rvse_cncl_dvsn": "02"},
        {"ft_ord_qty": "x"},
        {"nccs_qty": ""},
        {"ft_ccld_qty": "1", "ft_ccld_amt3": "0", "ft_ccld_unpr3": "0"},
        {"sll_buy_dvsn_cd": "09"},
    ],
)
def test_a_row_that_cannot_be_read_is_an_error(changes: dict[str, str]) -> None:
    with pytest.raises(BadData):
        fold(row("1", **changes))


@given(st.permutations(range(4)), st.integers(0, 3), st.integers(0, 3))
def test_the_order_of_rows_does_not_matter(
    places: list[int], first_filled: int, second_filled: int
) -> None:
    left = 10 - first_filled
    rows = [
        row("1", **filled(first_filled, f"{145 * first_filled}.0000", 0)),
        row(
            "2",
            rvse_cncl_dvsn="01",
            orgn_odno="1",
            ft_ord_qty=str(left),
            ord_tmd="233300",
            **filled(second_filled, f"{145 * second_filled}.0000", 0),
        ),
        row(
            "3",
            rvse_cncl_dvsn="02",
            orgn_odno="2",
            ft_ord_qty=str(left),
            ord_tmd="233400",
            ft_ord_unpr3="0",
            nccs_qty="0",
            prcs_stat_name="완료",
        ),
        row("9"),
    ]
    orders = {order.refs[0].number: order for order in fold(*(rows[each] for each in places))}

    assert set(orders) == {"1", "9"}
    assert orders["1"].filled == first_filled + second_filled
    assert orders["1"].cancelled == 10 - first_filled - second_filled
    assert orders["1"].accounted
