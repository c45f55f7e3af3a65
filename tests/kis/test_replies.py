import contextlib
from datetime import UTC, date, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import (
    BadData,
    NeedsOperator,
    OutcomeUnknown,
    Refused,
    TradingError,
    TryLater,
)
from daemon.core.events import Holding
from daemon.core.values import BrokerRef, Currency, InstrumentId
from daemon.kis import replies
from daemon.kis.link import HttpResponse
from daemon.kis.replies import RateRefused, TokenRefused
from tests.kis.fakes import ACCOUNT, SAMSUNG, fold_orders, reply, response
from tests.support import EPOCH

DAY = date(2026, 7, 10)


@pytest.mark.parametrize(
    ("name", "branch", "number"),
    [
        ("order_cash_ok", "06010", "1569157"),
        ("order_cash_ok_sor", "03930", "85100"),
        ("order_cash_ok_virtual", "00950", "8637"),
        ("order_cash_ok_virtual_unpadded", "00950", "51378"),
        ("rvsecncl_modify_ok", "06010", "1569139"),
    ],
)
def test_accepted_orders(name: str, branch: str, number: str) -> None:
    ref = replies.order_ref(replies.order_reply(reply(name)), DAY)
    assert ref == BrokerRef(day=DAY, branch=branch, number=number)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("order_refused_funds", "APBK0952"),
        ("order_refused_http500", "APBK"),
        ("order_refused_virtual_account", "40910000"),
        ("rvsecncl_refused_nothing_left", "APBK0927"),
        ("err_account_OPSQ2000", "OPSQ2000"),
        ("err_field_OPSQ2001", "OPSQ2001"),
    ],
)
def test_refused_orders(name: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        replies.order_reply(reply(name))
    assert not isinstance(caught.value, TryLater)
    assert caught.value.code.startswith(code)
    assert caught.value.reason == caught.value.reason.strip() != ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("err_rate_EGW00201", RateRefused),
        ("err_token_expired_EGW00123", TokenRefused),
        ("err_token_invalid_EGW00121", TokenRefused),
    ],
)
def test_passing_refusals(name: str, kind: type[TryLater]) -> None:
    with pytest.raises(kind):
        replies.order_reply(reply(name))
    with pytest.raises(kind):
        replies.read_reply(reply(name))


@pytest.mark.parametrize(
    "unclear",
    [
        reply("err_gateway_timeout"),
        response({"rt_cd": "1", "msg_cd": "EGW00001", "msg1": "x"}, 500),
        response({"rt_cd": "1", "msg_cd": "OPSQ0001", "msg1": "x"}),
        response({"rt_cd": "1"}, 500),
        response({"msg_cd": "APBK0952"}),
        response({}),
        response([1]),
        response({"rt_cd": {}, "msg_cd": "APBK0952"}),
        HttpResponse(status=502, headers={}, body=b"<html>Bad Gateway</html>"),
        HttpResponse(status=200, headers={}, body=b""),
        HttpResponse(status=200, headers={}, body=b'{"rt_cd":"0","out'),
    ],
)
def test_an_answer_without_a_verdict_leaves_an_order_in_doubt(unclear: HttpResponse) -> None:
    with pytest.raises(OutcomeUnknown):
        replies.order_reply(unclear)
    with pytest.raises(TryLater):
        replies.read_reply(unclear)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((status, "EGW99999") for status in (200, 400, 403, 500, 503)),
        *((status, "ZZZ") for status in (500, 502, 504)),
        (500, "EGW00205"),
        (503, "IGW00007"),
        (500, "4027000"),
        (500, "APB"),
    ],
)
def test_an_unrecognised_code_leaves_an_order_in_doubt(status: int, code: str) -> None:
    with pytest.raises(OutcomeUnknown):
        replies.order_reply(response({"rt_cd": "1", "msg_cd": code, "msg1": "x"}, status))


@pytest.mark.parametrize("status", [200, 400, 500, 503])
@pytest.mark.parametrize(
    "code", ["APBK0952", "APAM3099", "KIOK0320", "MCA00001", "OPSQ2001", "40270000", "EGW00206"]
)
def test_a_recognised_refusal_is_one_whatever_the_status(status: int, code: str) -> None:
    with pytest.raises(Refused) as caught:
        replies.order_reply(response({"rt_cd": "1", "msg_cd": code, "msg1": "x"}, status))
    assert not isinstance(caught.value, TryLater)


@pytest.mark.parametrize(
    "code",
    ["EGW00101", "EGW00106", "EGW00120", "EGW00131", "EGW00132", "EGW00205", "EGW00208",
     "EGW00213", "EGW02006", "ZZZ"],
)  # fmt: skip
def test_a_request_the_gateway_finds_wrong_is_refused(code: str) -> None:
    with pytest.raises(Refused):
        replies.order_reply(response({"rt_cd": "1", "msg_cd": code, "msg1": "x"}, 403))


@pytest.mark.parametrize(
    "output", [None, {}, [], {"ODNO": ""}, {"ODNO": "0000000000"}, {"ODNO": "?!"}, {"ODNO": {}}]
)
def test_an_acceptance_without_a_number_leaves_an_order_in_doubt(output: object) -> None:
    accepted = replies.order_reply(response({"rt_cd": "0", "output": output}))
    with pytest.raises(OutcomeUnknown):
        replies.order_ref(accepted, DAY)


def test_what_a_person_must_mend() -> None:
    for name in ("err_account_OPSQ2000", "order_refused_virtual_account"):
        with pytest.raises(NeedsOperator):
            replies.read_reply(reply(name))
    with pytest.raises(Refused) as caught:
        replies.order_reply(reply("err_account_OPSQ2000"))
    assert replies.needs_operator(caught.value)


def test_tokens() -> None:
    now = datetime(2026, 7, 10, 0, 0, tzinfo=UTC)
    token = replies.issued_token(reply("access_ok"), now)
    # 08:40:12 KST is earlier than 24 hours from now.
    assert token.expires_at == datetime(2026, 7, 10, 23, 40, 12, tzinfo=UTC)
    assert token.value.startswith("eyJ0")
    with pytest.raises(TryLater) as caught:
        replies.issued_token(reply("access_rate_limited"), now)
    assert caught.value.code == "EGW00133"
    for name in ("access_bad_key", "access_bad_secret"):
        with pytest.raises(NeedsOperator):
            replies.issued_token(reply(name), now)
    assert replies.issued_approval(reply("approval_ok")).startswith("a1b2c3d4")


def test_a_balance() -> None:
    page = replies.read_reply(reply("balance"))
    report = replies.account_report([page], account=ACCOUNT, at=EPOCH)
    assert report.cash_of(Currency.KRW) == 343310
    (holding,) = report.holdings
    assert holding == Holding(instrument=InstrumentId("krx:088350"), quantity=1, cost=Decimal(3145))


def test_pages_of_a_balance_add_up_and_sold_rows_are_left_out() -> None:
    first = replies.read_reply(reply("balance_page1"))
    assert first.has_more
    last = replies.read_reply(reply("balance"))
    report = replies.account_report([first, last], account=ACCOUNT, at=EPOCH)
    assert {holding.instrument for holding in report.holdings} == {"krx:009150", "krx:088350"}
    empty = replies.read_reply(reply("balance_empty_virtual"))
    assert replies.account_report([empty], account=ACCOUNT, at=EPOCH).holdings == ()


@pytest.mark.parametrize(
    "body",
    [
        {"rt_cd": "0"},
        {"rt_cd": "0", "output1": [], "output2": []},
        {"rt_cd": "0", "output1": [], "output2": [{"prvs_rcdl_excc_amt": ""}]},
        {"rt_cd": "0", "output1": None, "output2": [{"prvs_rcdl_excc_amt": "1"}]},
        {"rt_cd": "0", "output1": [{"hldg_qty": ""}], "output2": [{"prvs_rcdl_excc_amt": "1"}]},
    ],
)
def test_a_balance_that_lacks_something_is_not_an_empty_account(body: object) -> None:
    page = replies.read_reply(response(body))
    with pytest.raises(BadData):
        replies.account_report([page], account=ACCOUNT, at=EPOCH)


def test_cursors_come_back_byte_for_byte() -> None:
    page = replies.read_reply(reply("balance_page1"))
    cursors = replies.cursors(page)
    assert len(cursors.search) == len(cursors.position) == 100
    assert cursors.position == "000660^".ljust(100)


def test_wide_cursors_come_back_byte_for_byte() -> None:
    body = {"ctx_area_fk200": "a ".ljust(200), "ctx_area_nk200": " b".ljust(200)}
    assert replies.cursors(replies.Reply(body, "M")) == ("a ".ljust(200), " b".ljust(200))
    assert replies.cursors(replies.Reply({}, "M")) == ("", "")


def test_prices_and_buying_power() -> None:
    price = replies.price_report(replies.read_reply(reply("inquire_price")), SAMSUNG)
    assert [int(value) for value in price[:5]] == [75700, 77300, 100400, 54200, 100]
    assert price.day_volume == 14598755
    power = replies.orderable_cash(replies.read_reply(reply("psbl_order_virtual")))
    assert power == 9998580
    at = datetime(2024, 6, 10, 8, 0, tzinfo=UTC)
    book = replies.order_book(replies.read_reply(reply("inquire_asking_price")), SAMSUNG, at)
    assert book.bid == (Decimal(75700), 312258)
    assert book.ask == (Decimal(75800), 41846)
    assert book.exchange_time == datetime(2024, 6, 10, 7, 0, tzinfo=UTC)


def test_bars_are_sorted_and_padding_is_dropped() -> None:
    def row(day: str, hour: str) -> dict[str, str]:
        prices = {"stck_oprc": "10", "stck_hgpr": "12", "stck_lwpr": "9"}
        return {
            **prices,
            "stck_bsop_date": day,
            "stck_cntg_hour": hour,
            "stck_clpr": "11",
            "stck_prpr": "11",
            "acml_vol": "5",
            "cntg_vol": "6",
        }

    body = {"rt_cd": "0", "output2": [row("20260710", "090100"), row("20260709", "090000"), {}]}
    page = replies.read_reply(response(body))
    daily = replies.daily_bars(page, SAMSUNG)
    assert [bar.start for bar in daily] == [
        datetime(2026, 7, 8, 15, 0, tzinfo=UTC),
        datetime(2026, 7, 9, 15, 0, tzinfo=UTC),
    ]
    assert daily[0].volume == 5
    minutes = replies.minute_bars(page, SAMSUNG)
    assert minutes[-1].start == datetime(2026, 7, 10, 0, 1, tzinfo=UTC)
    assert minutes[-1].close == Decimal(11)


def test_an_empty_result_is_empty_only_when_the_broker_says_so() -> None:
    nothing = {"rt_cd": "1", "msg_cd": "70070000", "msg1": "none"}
    assert replies.rows(replies.read_reply(response(nothing)), "output1") == ()
    with pytest.raises(BadData):
        replies.rows(replies.read_reply(response({"rt_cd": "0"})), "output1")


def test_an_empty_answer_nested_deeper_than_anything_can_follow_is_bad_data() -> None:
    said = b'"rt_cd":"0","msg_cd":"KIOK0560","msg1":""'
    for depth in (1, 1000):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        body = b"{" + said + b',"output1":{"a":' + nested + b"}}"
        answer = replies.read_reply(HttpResponse(status=200, headers={}, body=body))
        assert answer.says_empty
        with pytest.raises(BadData, match="not a list"):
            replies.rows(answer, "output1")


_keys = st.sampled_from(
    [
        *("rt_cd", "msg_cd", "msg1", "output", "output1", "output2", "odno", "ODNO", "hldg_qty"),
        *("pdno", "access_token", "expires_in", "access_token_token_expired", "approval_key"),
        *("error_code", "stck_bsop_date", "ord_dt", "prvs_rcdl_excc_amt"),
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=6),
    max_leaves=12,
)


@given(st.binary() | st.dictionaries(_keys, _json, max_size=8).map(orjson.dumps))
def test_any_body_is_a_value_or_a_trading_error(body: bytes) -> None:
    given_reply = HttpResponse(status=200, headers={}, body=body)
    page = replies.Reply({}, "")
    with contextlib.suppress(TradingError):
        page = replies.read_reply(given_reply)
    for read in (
        lambda: replies.order_ref(replies.order_reply(given_reply), DAY),
        lambda: replies.issued_token(given_reply, EPOCH),
        lambda: replies.issued_approval(given_reply),
        lambda: replies.account_report([page], account=ACCOUNT, at=EPOCH),
        lambda: replies.order_book(page, SAMSUNG, EPOCH),
        lambda: replies.daily_bars(page, SAMSUNG),
        lambda: replies.minute_bars(page, SAMSUNG),
        lambda: replies.price_report(page, SAMSUNG),
        lambda: replies.orderable_cash(page),
        lambda: fold_orders(replies.rows(page, "output1")),
    ):
        with contextlib.suppress(TradingError):
            read()


def test_an_instrument_of_two_rows_is_one_holding() -> None:
    row = {"pdno": "005930", "hldg_qty": "2", "pchs_amt": "100"}
    body = {"rt_cd": "0", "output1": [row, row], "output2": {"prvs_rcdl_excc_amt": "-5"}}
    report = replies.account_report([replies.read_reply(response(body))], account=ACCOUNT, at=EPOCH)
    assert report.cash_of(Currency.KRW) == -5
    assert report.holdings == (Holding(instrument=SAMSUNG, quantity=4, cost=Decimal(200)),)


def balance_of(totals: dict[str, str], *worths: str) -> replies.Reply:
    rows = [
        {"pdno": f"{number:06}", "hldg_qty": "1", "pchs_amt": worth, "evlu_amt": worth}
        for number, worth in enumerate(worths, 1)
    ]
    body = {"rt_cd": "0", "output1": rows, "output2": [{"prvs_rcdl_excc_amt": "1", **totals}]}
    return replies.read_reply(response(body))


@pytest.mark.parametrize("total", ["pchs_amt_smtl_amt", "evlu_amt_smtl_amt"])
@pytest.mark.parametrize("worths", [(), ("600000",)], ids=["no row", "a row missing"])
def test_rows_that_do_not_add_up_to_their_totals_are_no_balance(
    total: str, worths: tuple[str, ...]
) -> None:
    page = balance_of({total: "1000000"}, *worths)
    with pytest.raises(BadData, match="of 1000000 KRW"):
        replies.account_report([page], account=ACCOUNT, at=EPOCH)


@pytest.mark.parametrize("total", ["", "0", "990000", "1000000", "1010000"])
def test_rows_may_differ_from_their_totals_by_rounding(total: str) -> None:
    page = balance_of({"evlu_amt_smtl_amt": total}, "400000", "600000")
    assert len(replies.account_report([page], account=ACCOUNT, at=EPOCH).holdings) == 2


def test_totals_are_of_all_pages_and_need_every_row_to_tell_its_part() -> None:
    pages = [balance_of({}, "400000"), balance_of({"evlu_amt_smtl_amt": "800000"}, "400000")]
    assert replies.account_report(pages, account=ACCOUNT, at=EPOCH).holdings[0].quantity == 2
    blank = balance_of({"evlu_amt_smtl_amt": "800000"})
    rows = [{"pdno": "000001", "hldg_qty": "1", "pchs_amt": "5"}]
    untold = replies.Reply({**blank.body, "output1": rows}, "")
    assert len(replies.account_report([untold], account=ACCOUNT, at=EPOCH).holdings) == 1


def test_an_answer_about_another_instrument_is_no_price_of_ours() -> None:
    hynix = InstrumentId("krx:000660")
    for read in (
        lambda: replies.price_report(replies.read_reply(reply("inquire_price")), hynix),
        lambda: replies.order_book(replies.read_reply(reply("inquire_asking_price")), hynix, EPOCH),
    ):
        with pytest.raises(BadData, match="another instrument"):
            read()
