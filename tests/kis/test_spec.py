"""The broker's tables, against its documentation written out once more."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from daemon.core.values import Region
from daemon.kis.spec import (
    BOOK_CHANNEL,
    BOOK_COLUMNS,
    CODE_MEANINGS,
    EMPTY_RESULT_CODES,
    MORE_PAGES,
    NOTICE_COLUMNS,
    NOTICE_COMMON_WIDTH,
    NOTICE_LEAST_WIDTH,
    PROFILES,
    REAL,
    SIM,
    TOKEN_TOO_SOON,
    TRADE_COLUMNS,
    TRADES_CHANNEL,
    VIRTUAL,
    WS_PATH,
    Api,
    CodeMeaning,
    Environment,
    OrderDivision,
    WsCode,
)

TRADING = "/uapi/domestic-stock/v1/trading"
QUOTATIONS = "/uapi/domestic-stock/v1/quotations"


@pytest.mark.parametrize(
    ("api", "path", "real", "virtual", "older"),
    [
        (Api.BUY, "order-cash", "TTTC0012U", "VTTC0012U", ("TTTC0802U", "VTTC0802U")),
        (Api.SELL, "order-cash", "TTTC0011U", "VTTC0011U", ("TTTC0801U", "VTTC0801U")),
        (
            *(Api.MODIFY_CANCEL, "order-rvsecncl", "TTTC0013U", "VTTC0013U"),
            ("TTTC0803U", "VTTC0803U"),
        ),
        (Api.OPEN_ORDERS, "inquire-psbl-rvsecncl", "TTTC0084R", "", ("TTTC8036R",)),
        (
            *(Api.DAY_ORDERS, "inquire-daily-ccld", "TTTC0081R", "VTTC0081R"),
            ("TTTC8001R", "VTTC8001R"),
        ),
        (Api.BALANCE, "inquire-balance", "TTTC8434R", "VTTC8434R", ()),
        (Api.ORDERABLE, "inquire-psbl-order", "TTTC8908R", "VTTC8908R", ()),
    ],
)
def test_trading_calls_are_as_documented(
    api: Api, path: str, real: str, virtual: str, older: tuple[str, ...]
) -> None:
    assert api.path == f"{TRADING}/{path}"
    assert api.tr_id(Environment.REAL) == real
    assert api.tr_id(Environment.VIRTUAL) == virtual
    assert api.older == older
    assert api.method == ("POST" if path.startswith("order-") else "GET")


@pytest.mark.parametrize(
    ("api", "path", "tr_id"),
    [
        (Api.PRICE, "inquire-price", "FHKST01010100"),
        (Api.ORDER_BOOK, "inquire-asking-price-exp-ccn", "FHKST01010200"),
        (Api.RECENT_TRADES, "inquire-ccnl", "FHKST01010300"),
        (Api.DAILY_PRICES, "inquire-daily-price", "FHKST01010400"),
        (Api.DAILY_BARS, "inquire-daily-itemchartprice", "FHKST03010100"),
        (Api.MINUTE_BARS, "inquire-time-itemchartprice", "FHKST03010200"),
    ],
)
def test_quotations_have_one_id_in_both_worlds(api: Api, path: str, tr_id: str) -> None:
    assert (api.method, api.path) == ("GET", f"{QUOTATIONS}/{path}")
    assert api.tr_id(Environment.REAL) == api.tr_id(Environment.VIRTUAL) == tr_id


def test_keys_are_asked_for_without_an_id() -> None:
    asked = {api.path for api in (Api.TOKEN, Api.REVOKE, Api.APPROVAL, Api.HASHKEY)}
    assert asked == {"/oauth2/tokenP", "/oauth2/revokeP", "/oauth2/Approval", "/uapi/hashkey"}
    for api in (Api.TOKEN, Api.REVOKE, Api.APPROVAL, Api.HASHKEY):
        assert api.method == "POST"
        assert not any(api.tr_id(each) for each in Environment)


def test_no_id_means_two_things() -> None:
    ids = [tr_id for api in Api for tr_id in (*{api.real, api.virtual, *api.older},) if tr_id]
    assert len(ids) == len(set(ids))
    assert all(len(tr_id) in (9, 13) for tr_id in ids)


def test_virtual_ids_follow_the_real_ones() -> None:
    for api in Api:
        real, virtual = api.tr_id(Environment.REAL), api.tr_id(Environment.VIRTUAL)
        if virtual and real[:1] in "TJC":
            assert virtual == "V" + real[1:]
        elif virtual:
            assert virtual == real


def test_the_holiday_inquiry_is_offered_on_the_real_host_alone() -> None:
    assert Api.HOLIDAYS.path == f"{QUOTATIONS}/chk-holiday"
    assert [Api.HOLIDAYS.tr_id(each) for each in Environment] == ["CTCA0903R", ""]


@pytest.mark.parametrize(
    ("columns", "width", "places"),
    [
        (
            *(TRADE_COLUMNS, 46),
            {
                "MKSC_SHRN_ISCD": 0,
                "STCK_CNTG_HOUR": 1,
                "STCK_PRPR": 2,
                "ASKP1": 10,
                "BIDP1": 11,
                "CNTG_VOL": 12,
                "ACML_VOL": 13,
                "CCLD_DVSN": 21,
                "BSOP_DATE": 33,
                "HOUR_CLS_CODE": 43,
                "VI_STND_PRC": 45,
            },
        ),
        (
            *(BOOK_COLUMNS, 59),
            {
                "MKSC_SHRN_ISCD": 0,
                "BSOP_HOUR": 1,
                "HOUR_CLS_CODE": 2,
                "ASKP1": 3,
                "ASKP10": 12,
                "BIDP1": 13,
                "BIDP10": 22,
                "ASKP_RSQN1": 23,
                "ASKP_RSQN10": 32,
                "BIDP_RSQN1": 33,
                "BIDP_RSQN10": 42,
                "TOTAL_ASKP_RSQN": 43,
                "TOTAL_BIDP_RSQN": 44,
                "ACML_VOL": 53,
            },
        ),
        (
            *(NOTICE_COLUMNS, 26),
            {
                "CUST_ID": 0,
                "ACNT_NO": 1,
                "ODER_NO": 2,
                "OODER_NO": 3,
                "SELN_BYOV_CLS": 4,
                "RCTF_CLS": 5,
                "STCK_SHRN_ISCD": 8,
                "CNTG_QTY": 9,
                "CNTG_UNPR": 10,
                "STCK_CNTG_HOUR": 11,
                "RFUS_YN": 12,
                "CNTG_YN": 13,
                "ACPT_YN": 14,
                "BRNC_NO": 15,
                "ODER_QTY": 16,
                "ODER_PRC": 25,
            },
        ),
    ],
    ids=["trades", "book", "notices"],
)
def test_columns_stand_where_the_broker_puts_them(
    columns: Sequence[str], width: int, places: dict[str, int]
) -> None:
    assert len(columns) == len(set(columns)) == width
    assert {name: columns.index(name) for name in places} == places


def test_both_layouts_of_notices_share_their_front() -> None:
    assert NOTICE_COLUMNS[NOTICE_COMMON_WIDTH - 1] == "ACNT_NAME"
    assert NOTICE_LEAST_WIDTH == NOTICE_COMMON_WIDTH + 4 <= 23


def test_channels_and_hosts_belong_to_their_worlds() -> None:
    assert (TRADES_CHANNEL, BOOK_CHANNEL) == ("H0STCNT0", "H0STASP0")
    assert [each.notice_channels([Region.KR]) for each in (REAL, VIRTUAL)] == [
        ("H0STCNI0",),
        ("H0STCNI9",),
    ]
    assert SIM.notice_channels([Region.US]) == ("H0GSCNI0",)
    assert VIRTUAL.notice_channels([Region.US, Region.KR]) == ("H0STCNI9", "H0GSCNI9")
    assert REAL.rest_url == "https://openapi.koreainvestment.com:9443"
    assert VIRTUAL.rest_url == "https://openapivts.koreainvestment.com:29443"
    assert REAL.ws_url == "ws://ops.koreainvestment.com:21000"
    assert VIRTUAL.ws_url == "ws://ops.koreainvestment.com:31000"
    assert WS_PATH == "/tryitout"
    elsewhere = replace(VIRTUAL, rest_url="http://127.0.0.1:1", ws_url="ws://127.0.0.1:2")
    assert elsewhere.notice_channels([Region.KR]) == ("H0STCNI9",)


def test_no_profile_goes_beyond_what_the_broker_allows() -> None:
    assert sorted(PROFILES) == ["real", "sim", "virtual"]
    for name, profile in PROFILES.items():
        assert profile.name == name
        assert 1 <= profile.requests_per_second <= 18
        assert profile.registrations <= 41
        assert profile.token_interval >= 60
    assert VIRTUAL.requests_per_second == 1


MEANINGS = {
    CodeMeaning.RATE: {"EGW00201", "EGW00215"},
    CodeMeaning.TOKEN: {"EGW00121", "EGW00122", "EGW00123"},
    CodeMeaning.UNKNOWN_OUTCOME: {
        *("EGW00001", "EGW00002", "EGW00300", "EGW00301", "EGW00302", "EGW00303", "EGW00304"),
    },
    CodeMeaning.TEMPORARY: {
        *("EGW00202", "EGW00203", "EGW00204"),
        *("OPSQ1002", "OPSQ2003", "OPSQ3001", "OPSQ3002", "OPSQ3004"),
        *("OPSQ0001", "OPSQ0002", "OPSQ0003", "OPSQ0004", "OPSQ0005", "OPSQ0006"),
        *("OPSQ0007", "OPSQ0008", "OPSQ0009", "OPSQ0010", "OPSQ0011"),
        *("OPSQ9995", "OPSQ9996", "OPSQ9997", "OPSQ9998", "OPSQ9999"),
    },
    CodeMeaning.OPERATOR: {
        *("EGW00003", "EGW00004", "EGW00102", "EGW00103", "EGW00104", "EGW00105"),
        *("EGW00124", "EGW00125", "EGW00126", "EGW00127", "EGW00128", "EGW00129", "EGW00130"),
        *("EGW00206", "EGW00207", "OPSQ2000", "40910000"),
    },
}


def test_every_code_has_one_meaning() -> None:
    meant = [code for codes in MEANINGS.values() for code in codes]
    assert len(meant) == len(set(meant))
    assert {code: meaning for meaning, codes in MEANINGS.items() for code in codes} == CODE_MEANINGS


def test_what_is_no_error_and_what_has_a_rule_of_its_own_is_in_no_table_of_errors() -> None:
    assert {"KIOK0560", "70070000"} == EMPTY_RESULT_CODES
    assert TOKEN_TOO_SOON == "EGW00133"
    assert not {*EMPTY_RESULT_CODES, TOKEN_TOO_SOON, *WsCode} & CODE_MEANINGS.keys()
    assert {"F", "M"} == MORE_PAGES


def test_refusals_of_orders_keep_their_plain_meaning() -> None:
    # Not enough money, nothing left to cancel, the wrong venue: refusals, on either host.
    for code in ("APBK0952", "APBK0927", "APBK0344", "40330000", "40430000", "90000000"):
        assert code not in CODE_MEANINGS


def test_prices_and_conditions_of_orders_have_the_documented_codes() -> None:
    assert {each.name: each.value for each in OrderDivision} == {
        "LIMIT": "00",
        "MARKET": "01",
        "LIMIT_IOC": "11",
        "LIMIT_FOK": "12",
        "MARKET_IOC": "13",
        "MARKET_FOK": "14",
        "PREVIOUS_CLOSE": "05",
        "CLOSING_PRICE": "06",
        "AFTER_LIMIT": "41",
        "AFTER_LIMIT_IOC": "42",
        "AFTER_LIMIT_FOK": "43",
        "AFTER_BEST_OPPOSITE": "44",
        "AFTER_BEST_OPPOSITE_IOC": "45",
        "AFTER_BEST_OPPOSITE_FOK": "46",
        "AFTER_BEST_OWN": "47",
        "MARKET_ON_OPEN": "31",
        "LIMIT_ON_OPEN": "32",
        "MARKET_ON_CLOSE": "33",
        "LIMIT_ON_CLOSE": "34",
    }


def test_answers_of_the_stream_have_the_documented_codes() -> None:
    assert WsCode("OPSP0000") is WsCode.SUBSCRIBED
    assert WsCode("OPSP0001") is WsCode.UNSUBSCRIBED
    assert WsCode("OPSP0002") is WsCode.ALREADY_SUBSCRIBED
    assert WsCode("OPSP0008") is WsCode.TOO_MANY
    assert WsCode("OPSP0011") is WsCode.BAD_APPROVAL
    assert WsCode("OPSP8996") is WsCode.KEY_IN_USE
    assert len(WsCode) == 17
