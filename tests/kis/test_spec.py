from daemon.kis.spec import (
    BOOK_COLUMNS,
    CODE_MEANINGS,
    NOTICE_COLUMNS,
    PROFILES,
    TRADE_COLUMNS,
    Api,
    CodeMeaning,
    Environment,
)


def test_virtual_ids_follow_the_real_ones() -> None:
    for api in Api:
        real, virtual = api.tr_id(Environment.REAL), api.tr_id(Environment.VIRTUAL)
        if virtual and real[:1] in "TJC":
            assert virtual == "V" + real[1:]
        elif virtual:
            assert virtual == real


def test_columns_have_the_documented_widths_and_no_name_twice() -> None:
    for columns, width in ((TRADE_COLUMNS, 46), (BOOK_COLUMNS, 59), (NOTICE_COLUMNS, 26)):
        assert len(columns) == len(set(columns)) == width


def test_what_an_order_must_doubt_is_never_called_refused() -> None:
    for code in ("EGW00001", "EGW00300", "EGW00301", "EGW00302", "EGW00303", "EGW00304"):
        assert CODE_MEANINGS[code] is CodeMeaning.UNKNOWN_OUTCOME


def test_no_profile_goes_beyond_what_the_broker_allows() -> None:
    for profile in PROFILES.values():
        assert 1 <= profile.requests_per_second <= 18
        assert profile.registrations <= 41
        assert profile.token_interval >= 60
