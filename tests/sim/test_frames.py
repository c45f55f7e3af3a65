from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from daemon.core.values import Level, Side
from daemon.kis.spec import BOOK_COLUMNS, NOTICE_COLUMNS, TRADE_COLUMNS, Environment
from daemon.sim.book import Clearing
from daemon.sim.facts import (
    Action,
    Condition,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderFact,
    OrderFilled,
    OrderModified,
    OrderRejected,
    OrderRequest,
    RestDropped,
)
from daemon.sim.frames import (
    book_frame,
    change_sign,
    notice_frame,
    notice_record,
    percent,
    trade_frames,
    trade_record,
)
from daemon.sim.history import DailyBar
from daemon.sim.market import BookView
from daemon.sim.tape import DayTape, Depth, Traded
from tests.sim.rig import unsealed

AT = datetime(2026, 7, 10, 1, 15, 0, tzinfo=UTC)
YESTERDAY = DailyBar(date(2026, 7, 9), *(Decimal(70_600),) * 4, 10_000, Decimal(1), Decimal(1))


def traded(aggressor: Side | None = Side.BUY) -> Traded:
    tape = DayTape("005930", Decimal(70_600))
    depth = Depth(Decimal(72_000), Decimal(71_900), 93, 113, 1_668, 822)
    tape.record("090014", Decimal(71_000), 100, None, depth)
    tape.record("090708", Decimal(70_500), 10, Side.SELL, depth)
    return tape.record("094751", Decimal(71_900), 30, aggressor, depth)


def record(day: date = date(2026, 10, 12)) -> list[str]:
    text = trade_record(
        traded(), day=day, base=Decimal(70_600), yesterday=YESTERDAY, listed=1_000_000
    )
    return text.split("^")


def test_a_trade_has_47_columns_since_the_after_market_and_46_before() -> None:
    assert len(record()) == 47
    assert record()[46] == "2"
    assert len(record(date(2026, 9, 11))) == 46 == len(TRADE_COLUMNS)


def test_a_trade_puts_each_value_in_its_column() -> None:
    columns = dict(zip(TRADE_COLUMNS, record(), strict=False))
    expected = {
        **{"MKSC_SHRN_ISCD": "005930", "STCK_CNTG_HOUR": "094751", "STCK_PRPR": "71900"},
        **{"PRDY_VRSS_SIGN": "2", "PRDY_VRSS": "1300", "PRDY_CTRT": "1.84"},
        **{"STCK_OPRC": "71000", "STCK_HGPR": "71900", "STCK_LWPR": "70500"},
        **{"ASKP1": "72000", "BIDP1": "71900", "CNTG_VOL": "30", "ACML_VOL": "140"},
        **{"ACML_TR_PBMN": "9962000", "SELN_CNTG_CSNU": "1", "SHNU_CNTG_CSNU": "1"},
        **{"NTBY_CNTG_CSNU": "0", "CTTR": "300.00", "SELN_CNTG_SMTN": "10"},
        **{"SHNU_CNTG_SMTN": "30", "CCLD_DVSN": "1", "OPRC_HOUR": "090014"},
        **{"OPRC_VRSS_PRPR_SIGN": "2", "OPRC_VRSS_PRPR": "900", "LWPR_HOUR": "090708"},
        **{"LWPR_VRSS_PRPR": "1400", "BSOP_DATE": "20261012", "TRHT_YN": "N"},
        **{"ASKP_RSQN1": "93", "BIDP_RSQN1": "113", "TOTAL_ASKP_RSQN": "1668"},
        **{"TOTAL_BIDP_RSQN": "822", "HOUR_CLS_CODE": "0"},
    }
    assert {name: columns[name] for name in expected} == expected


def test_trades_of_one_moment_share_a_frame() -> None:
    frames = trade_frames(["a^b"] * 23)
    assert [frame.split("|")[:3] for frame in frames] == [
        ["0", "H0STCNT0", "020"],
        ["0", "H0STCNT0", "003"],
    ]
    assert frames[1].split("|")[3] == "a^b^a^b^a^b"
    assert trade_frames(["a^b"], "H0UNCNT0") == ["0|H0UNCNT0|001|a^b"]


def test_a_book_has_62_columns_asks_first() -> None:
    view = BookView(
        code="005930",
        asks=(Level(Decimal(66_000), 28), Level(Decimal(66_100), 12)),
        bids=(Level(Decimal(65_900), 49),),
        total_ask=40,
        total_bid=49,
        volume=5,
        expected=None,
    )
    today = date(2026, 7, 10)
    frame = book_frame(view, "140013", Decimal(66_000), day=today, auction=False)
    assert frame.startswith("0|H0STASP0|001|005930^140013^0^66000^66100^0^")
    payload = frame.split("|")[3].split("^")
    assert len(payload) == 62
    columns = dict(zip(BOOK_COLUMNS, payload, strict=False))
    expected = {
        **{"BIDP1": "65900", "BIDP2": "0", "ASKP_RSQN1": "28", "ASKP_RSQN2": "12"},
        **{"BIDP_RSQN1": "49", "TOTAL_ASKP_RSQN": "40", "TOTAL_BIDP_RSQN": "49"},
        **{"ANTC_CNTG_VRSS": "-66000", "ANTC_CNTG_VRSS_SIGN": "5", "ACML_VOL": "5"},
        "ANTC_CNTG_PRDY_CTRT": "-100.00",
    }
    assert {name: columns[name] for name in expected} == expected
    auction = replace(view, expected=Clearing(Decimal(66_000), 7))
    columns = dict(
        zip(
            BOOK_COLUMNS,
            book_frame(auction, "085900", Decimal(66_000), day=today, auction=True)
            .split("|")[3]
            .split("^"),
            strict=False,
        )
    )
    assert (columns["HOUR_CLS_CODE"], columns["ANTC_CNPR"], columns["ANTC_CNQN"]) == (
        "A",
        "66000",
        "7",
    )
    mirrored = book_frame(
        view, "140013", Decimal(66_000), day=today, auction=False, channel="H0NXASP0"
    )
    assert mirrored.split("|")[1] == "H0NXASP0"
    assert mirrored.split("|")[3].split("^") == [*payload, *payload[59:]]
    earlier = book_frame(view, "140013", Decimal(66_000), day=date(2026, 5, 29), auction=False)
    assert earlier.split("|")[3].split("^") == payload[:59]


def order(number: int = 1569157, **changes: object) -> Order:
    request = OrderRequest(
        account="12345678-01",
        code="005930",
        side=Side.BUY,
        quantity=10,
        price=Decimal(71_900),
        branch="06010",
    )
    original = changes.pop("original", None)
    action = changes.pop("action", Action.NEW)
    assert isinstance(action, Action)
    assert original is None or isinstance(original, int)
    return Order(
        number=number,
        day=date(2026, 7, 10),
        at=AT,
        request=replace(request, **changes),  # type: ignore[arg-type]
        action=action,
        original=original,
    )


def text(fact: OrderFact, environment: Environment = Environment.REAL) -> str:
    return notice_record(fact, hts_id="htsid001", name="삼성전자", environment=environment)


TAIL = "000000000^1^Y^^10^^삼성전자"


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (
            OrderAccepted(order=order(), at=AT),
            "0001569157^^02^0^00^0^005930^0000000010^000071900^101500^0^1^1^06010^000000010"
            f"^SIMULATED^{TAIL}^000071900",
        ),
        (
            OrderFilled(order=order(division="01"), quantity=3, price=Decimal(72_000), at=AT),
            "0001569157^^02^0^00^0^005930^0000000003^000072000^101500^0^2^2^06010^000000010"
            f"^SIMULATED^{TAIL}^000071900",
        ),
        (
            OrderModified(
                order=order(1569161, original=1569157, quantity=7, action=Action.MODIFY),
                quantity=7,
                at=AT,
            ),
            "0001569161^0001569157^02^1^00^0^005930^0000000007^000071900^101500^0^1^2^06010"
            f"^000000007^SIMULATED^{TAIL}^000071900",
        ),
        (
            OrderCancelled(
                order=order(1569163, original=1569157, quantity=4, action=Action.CANCEL),
                original=order(),
                quantity=4,
                at=AT,
            ),
            "0001569163^0001569157^02^2^00^0^005930^0000000004^000000000^101500^0^1^2^06010"
            f"^000000004^SIMULATED^{TAIL}^000000000",
        ),
        (
            RestDropped(
                order=order(1569164, condition=Condition.IOC, division="11"), quantity=6, at=AT
            ),
            "0001569164^^02^0^11^1^005930^0000000006^000071900^101500^0^1^3^06010^000000010"
            f"^SIMULATED^{TAIL}^000071900",
        ),
        (
            OrderRejected(order=order(1568197), at=AT),
            "0001568197^^02^0^00^0^005930^0000000010^000071900^101500^1^1^2^06010^000000010"
            f"^SIMULATED^{TAIL}^000071900",
        ),
    ],
)
def test_notices_follow_the_documented_codes(fact: OrderFact, expected: str) -> None:
    assert text(fact) == f"htsid001^1234567801^{expected}"
    assert len(text(fact).split("^")) == len(NOTICE_COLUMNS) == 26


def test_a_virtual_notice_packs_venue_and_popup_into_23_columns() -> None:
    fact = OrderAccepted(order=order(8637, branch="00950"), at=AT)
    assert text(fact, Environment.VIRTUAL) == (
        "htsid001^1234567801^0000008637^^02^0^00^0^005930^0000000010^000071900^101500^0^1^1"
        "^00950^000000010^SIMULATED^1Y^10^^삼성전자^000071900"
    )


def test_before_the_second_venue_a_notice_had_23_columns() -> None:
    made = order()
    made.day = date(2025, 3, 27)
    assert text(OrderFilled(order=made, quantity=3, price=Decimal(72_000), at=AT)) == (
        "htsid001^1234567801^0001569157^^02^0^00^0^005930^0000000003^000072000^101500^0^2^2"
        "^06010^000000010^SIMULATED^삼성전자^10^^삼성전자^000071900"
    )


def test_a_sell_at_market_has_no_price() -> None:
    fact = OrderAccepted(order=order(side=Side.SELL, price=None, division="01"), at=AT)
    columns = text(fact).split("^")
    assert (columns[4], columns[6], columns[10], columns[25]) == (
        "01",
        "01",
        "000000000",
        "000000000",
    )


def test_encryption_matches_a_known_frame_and_opens_again() -> None:
    key, iv = "abcdefghijklmnopabcdefghijklmnop", "0123456789abcdef"
    plain = (
        "htsid001^1234567801^0001569157^^02^0^00^0^005930^0000000003^000071900^101502^0^2^2"
        "^06010^000000010^TESTER^000000000^1^Y^^10^^삼성전자^000071900"
    )
    frame = notice_frame(plain, Environment.REAL, key, iv)
    assert frame == (
        "1|H0STCNI0|001|zdy2IDJDM2lZnTionQOqK3hoT0BrY+45Qhdd4UWUzavbpxioG+4xKhKwCxzmoWQI0Eu7"
        "3swLGlIb1+GofA2STlGl9w6QA2uRWomAgUsKeSAZPlXhVG14x1NgrxaT3QsVG+At17fCQ8Ch4Yv+q0CwGLz9"
        "tWYvNpBgmYx0sK3DWjbTa7oWd29q8fjqdYkFm6f6NH4B3RME+3U+sUbWleU+Rw=="
    )
    assert unsealed(frame, key, iv) == plain.split("^")


def test_signs_and_percentages() -> None:
    assert [change_sign(Decimal(n)) for n in (1, 0, -1)] == ["2", "3", "5"]
    assert (percent(1, 3), percent(1, 0)) == ("33.33", "0.00")
    assert trade_frames([]) == []
    assert traded(Side.SELL).aggressor is Side.SELL
