"""Answers of the foreign side."""

from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, Region
from daemon.kis import overseas_replies
from daemon.kis.listed import Listed
from daemon.kis.overseas_replies import Part
from daemon.kis.replies import Reply, rows
from tests.kis.fakes import sample

APPLE = InstrumentId("nasdaq:AAPL")
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def body(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = deepcopy(sample("rest", name)["body"])
    return loaded


def answer(content: dict[str, Any]) -> Reply:
    return Reply(content, "")


def quote(**fields: str) -> Reply:
    content = body("overseas_price")
    content["output"] |= fields
    return answer(content)


def test_cash_is_the_deposit_and_what_was_traded_since() -> None:
    content = body("overseas_present_balance")
    part = overseas_replies.present_balance([answer(content)], Region.US, Listed())
    (apple,) = part.holdings
    assert part.cash == 1_000
    assert (apple.instrument, apple.quantity, apple.cost) == (APPLE, 40, Decimal("5680.00000"))

    content["output2"][0] |= {"frcr_buy_amt_smtl": "700.100000", "frcr_sll_amt_smtl": "50.250000"}
    content["output2"].append({**content["output2"][0], "crcy_cd": "HKD"})
    bought = overseas_replies.present_balance([answer(content)], Region.US, Listed())
    assert bought.cash == Decimal("350.150000")


def test_without_a_purse_there_is_no_foreign_money() -> None:
    content = body("overseas_present_balance")
    content |= {"output1": [], "output2": []}
    nothing = overseas_replies.present_balance([answer(content)], Region.US, Listed())
    assert nothing == Part(Decimal(0), (), None)


def test_the_same_holding_under_two_exchange_codes_is_one() -> None:
    content = body("overseas_present_balance")
    again = {**content["output1"][0], "ovrs_excg_cd": "NYSE"}
    content["output1"].append(again)
    (apple,) = overseas_replies.present_balance([answer(content)], Region.US, Listed()).holdings
    assert (apple.instrument, apple.quantity) == (APPLE, 40)

    again["ccld_qty_smtl1"] = "41.00000000"
    with pytest.raises(BadData, match="two different holdings"):
        overseas_replies.present_balance([answer(content)], Region.US, Listed())


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_the_listing_of_a_holding_is_told_by_any_of_its_rows(places: tuple[int, int]) -> None:
    content = body("overseas_present_balance")
    row = {**content["output1"][0], "pdno": "JPM", "ovrs_excg_cd": "NASD"}

    def read(*rows: dict[str, Any], listed: Listed | None = None) -> str:
        content["output1"] = [rows[each] for each in places]
        part = overseas_replies.present_balance([answer(content)], Region.US, listed or Listed())
        (held,) = part.holdings
        return held.instrument

    blank = {**row, "item_lnkg_excg_cd": ""}
    assert read(blank, {**row, "item_lnkg_excg_cd": "NYS"}) == "nyse:JPM"
    assert read(blank, {**blank, "ovrs_excg_cd": "NYSE"}) == "nyse:JPM"
    assert read(blank, blank) == "nasdaq:JPM"
    listed = Listed()
    listed.know(Region.US, [InstrumentId("nyse:JPM")])
    assert read(blank, blank, listed=listed) == "nyse:JPM"
    # The link names the listing: it needs nobody else's word.
    assert read(blank, {**row, "item_lnkg_excg_cd": "NAS"}, listed=listed) == "nasdaq:JPM"


def test_two_purses_of_one_currency_that_differ_cannot_be_told_apart() -> None:
    content = body("overseas_present_balance")
    content["output2"] *= 2
    assert overseas_replies.present_balance([answer(content)], Region.US, Listed()).cash == 1_000
    content["output2"] = [content["output2"][0], {**content["output2"][0], "frcr_dncl_amt_2": "1"}]
    with pytest.raises(BadData, match="two different purses"):
        overseas_replies.present_balance([answer(content)], Region.US, Listed())


def test_the_balance_ends_in_a_blank_row_and_its_price_may_be_nothing() -> None:
    content = body("overseas_balance")
    content["output1"][0]["now_pric2"] = "0.000000"
    (tesla,) = overseas_replies.balance([answer(content)], Region.US, Listed())
    assert (tesla.instrument, tesla.quantity) == ("nasdaq:TSLA", 744)
    assert tesla.cost == Decimal("4339167.78")
    assert overseas_replies.balance([answer(content)], Region.HK, Listed()) == ()


def test_buying_power_is_foreign_money() -> None:
    assert overseas_replies.orderable_cash(answer(body("overseas_psamount"))) == 1_000
    assert overseas_replies.usable_cash(answer(body("overseas_present_balance"))) == 1_000


def test_a_price_has_no_limits_of_the_day_and_a_step_of_a_cent() -> None:
    report = overseas_replies.price_report(quote(), APPLE)
    assert (report.last, report.base) == (Decimal("260.2900"), Decimal("262.5200"))
    assert (report.upper_limit, report.lower_limit) == (None, None)
    assert (report.step, report.day_volume) == (Decimal("0.01"), 49658626)


@pytest.mark.parametrize("nothing", ["", "0", "0.0000"])
def test_a_price_of_nothing_is_yesterdays(nothing: str) -> None:
    assert overseas_replies.price_report(quote(last=nothing), APPLE).last == Decimal("262.5200")
    with pytest.raises(BadData, match="neither"):
        overseas_replies.price_report(quote(last=nothing, base=nothing), APPLE)


def test_an_answer_about_another_stock_is_refused() -> None:
    for other in ("DNASMSFT", "DNYSAAPL"):
        with pytest.raises(BadData, match="another instrument"):
            overseas_replies.price_report(quote(rsym=other), APPLE)
    assert overseas_replies.price_report(quote(rsym=""), APPLE).last > 0


def test_the_depth_leaves_empty_levels_out() -> None:
    levels = {
        "pbid1": "260.28",
        "vbid1": "12",
        "pask1": "260.30",
        "vask1": "7",
        "pbid2": "0",
        "vbid2": "0",
        "pask2": "260.31",
        "vask2": "0",
    }
    head = {"rsym": "DNASAAPL", "dymd": "20261123", "dhms": "100000"}
    book = overseas_replies.order_book(answer({"output1": head, "output2": levels}), APPLE, NOW)
    assert (book.bids, book.asks) == (((Decimal("260.28"), 12),), ((Decimal("260.30"), 7),))
    assert book.exchange_time == NOW
    later = overseas_replies.order_book(answer({"output1": {}, "output2": levels}), APPLE, NOW)
    assert later.exchange_time == NOW == later.received_at


def bar(**fields: str) -> dict[str, str]:
    return {
        "open": "1.00",
        "high": "2.00",
        "low": "0.50",
        "clos": "1.50",
        "last": "1.50",
        "tvol": "9",
        "evol": "9",
        **fields,
    }


def test_a_daily_bar_begins_at_midnight_in_new_york() -> None:
    listed = [bar(xymd="20261123"), bar(xymd="20261120", clos="1.40"), bar(xymd="")]
    first, last = overseas_replies.daily_bars(
        answer({"output1": {"rsym": "DNASAAPL"}, "output2": listed}), APPLE
    )
    assert first.start == datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
    assert (last.start, last.close) == (datetime(2026, 11, 23, 5, 0, tzinfo=UTC), Decimal("1.50"))
    assert overseas_replies.before(last) == "20261122235900"


def test_minute_bars_are_stamped_in_korea() -> None:
    listed = [bar(kymd="20261124", khms="000100"), bar(kymd="20261124", khms="000000")]
    first, _ = overseas_replies.minute_bars(answer({"output1": {}, "output2": listed}), APPLE)
    assert first.start == NOW


def test_an_empty_list_may_be_an_object_of_blanks() -> None:
    assert rows(answer(body("overseas_ccnl_empty")), "output") == ()
    full = {**body("overseas_ccnl_empty"), "msg_cd": "KIOK0510"}
    with pytest.raises(BadData, match="not a list"):
        rows(answer(full), "output")
