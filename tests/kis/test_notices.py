"""Overseas order notices: implied decimals, markets, times; the domestic ones are with frames."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, Region, Side
from daemon.core.witness import BrokerNotice, NoticeKind
from daemon.kis.channels import channel_of
from daemon.kis.frames import FrameDecoder
from daemon.kis.listed import Listed
from daemon.kis.notices import domestic_notice, overseas_notice
from tests.kis.fakes import ACCOUNT, frame, sample

COLUMNS = channel_of("H0GSCNI0").columns
RECEIVED = datetime(2026, 7, 10, 14, 33, 1, tzinfo=UTC)


def row(name: str, **changes: str) -> list[str]:
    parts: list[str] = sample("ws", name)["plaintext"].split("^")
    for column, text in changes.items():
        parts[COLUMNS.index(column)] = text
    return parts


def read(parts: list[str], received_at: datetime = RECEIVED) -> BrokerNotice:
    found = overseas_notice(parts, ACCOUNT, received_at)
    assert found is not None
    return found


@pytest.mark.parametrize("channel", ["H0GSCNI0", "H0GSCNI9"])
def test_an_american_order_is_accepted_and_filled(channel: str) -> None:
    def told(name: str) -> BrokerNotice:
        text = frame(name).replace("H0GSCNI0", channel)
        (found,) = FrameDecoder(ACCOUNT).decode(text, RECEIVED)
        assert isinstance(found, BrokerNotice)
        return found

    assert told("h0gscni0_accept_us") == BrokerNotice(
        account=ACCOUNT,
        kind=NoticeKind.ACCEPTED,
        branch="01790",
        number="4336",
        new_number=None,
        instrument=InstrumentId("nasdaq:AAPL"),
        side=Side.BUY,
        quantity=1,
        price=Decimal("145.0000"),
        exchange_time=datetime(2026, 7, 10, 14, 30, 15, tzinfo=UTC),
        received_at=RECEIVED,
    )
    fill = told("h0gscni0_fill_us")
    assert (fill.kind, fill.quantity, fill.price) == (NoticeKind.FILLED, 1, Decimal("148.0100"))
    assert fill.exchange_time == datetime(2026, 7, 10, 14, 30, 18, tzinfo=UTC)


def test_a_notice_is_about_the_listing_that_is_known() -> None:
    listed = Listed()
    reading = FrameDecoder(ACCOUNT, listed=listed)
    for known, told in (("nyse:AAPL", "nyse:AAPL"), ("nyse:JPM", "nasdaq:AAPL")):
        listed.know(Region.US, [InstrumentId(known)])
        (found,) = reading.decode(frame("h0gscni0_fill_us"), RECEIVED)
        assert isinstance(found, BrokerNotice)
        assert (found.instrument, found.quantity) == (told, 1)


def test_a_notice_without_a_time_happened_when_received() -> None:
    found = read(row("h0gscni0_accept_jp"))
    assert found.instrument == "tokyo:7203"
    assert (found.kind, found.quantity, found.price) == (NoticeKind.ACCEPTED, 100, Decimal("3220"))
    assert (found.exchange_time, found.branch) == (RECEIVED, "")


@pytest.mark.parametrize(
    ("code", "market", "price"),
    [
        ("4", "hongkong", "1480.1"),
        ("5", "shanghai", "1480.1"),
        ("6", "nasdaq", "148.01"),
        ("7", "nyse", "148.01"),
        ("8", "amex", "148.01"),
        ("A", "shanghai", "1480.1"),
        ("B", "shenzhen", "1480.1"),
        ("C", "hongkong", "1480.1"),
        ("D", "tokyo", "148010"),
        ("E", "hanoi", "1480100"),
        ("F", "hochiminh", "1480100"),
    ],
)
def test_every_market_has_its_own_decimals(code: str, market: str, price: str) -> None:
    found = read(row("h0gscni0_fill_us", ODER_COND=code))
    assert found.instrument == f"{market}:AAPL"
    assert found.price == Decimal(price)


@pytest.mark.parametrize(
    ("stamp", "received"),
    [
        ("235959", datetime(2026, 7, 10, 15, 0, 1, tzinfo=UTC)),
        ("000000", datetime(2026, 7, 10, 14, 59, 59, tzinfo=UTC)),
        ("233018", datetime(2026, 7, 10, 14, 30, 19, tzinfo=UTC)),
    ],
)
def test_a_session_through_midnight_in_seoul_is_one_american_day(
    stamp: str, received: datetime
) -> None:
    found = read(row("h0gscni0_fill_us", STCK_CNTG_HOUR=stamp), received)
    assert found.day == date(2026, 7, 10)
    assert abs(found.exchange_time - received) <= timedelta(seconds=2)


def test_share_classes_have_their_sign() -> None:
    found = read(row("h0gscni0_fill_us", ODER_COND="7", STCK_SHRN_ISCD="BRK/B"))
    assert found.instrument == "nyse:BRK/B"


@pytest.mark.parametrize(
    ("code", "side"), [("01", Side.SELL), ("02", Side.BUY), ("03", Side.SELL), ("04", Side.BUY)]
)
def test_sides(code: str, side: Side) -> None:
    assert read(row("h0gscni0_fill_us", SELN_BYOV_CLS=code)).side is side


def test_changes_belong_to_the_original() -> None:
    change = {"RCTF_CLS": "1", "ACPT_YN": "2", "OODER_NO": "0000004330"}
    modified = read(row("h0gscni0_accept_us", **change))
    assert modified.kind is NoticeKind.MODIFIED
    assert (modified.number, modified.new_number) == ("4330", "4336")
    cancelled = read(row("h0gscni0_accept_us", **{**change, "RCTF_CLS": "2"}))
    assert (cancelled.kind, cancelled.number) == (NoticeKind.CANCELLED, "4330")
    assert cancelled.price is None
    refused = read(row("h0gscni0_accept_us", RFUS_YN="1"))
    assert refused.kind is NoticeKind.REJECTED
    asked = row("h0gscni0_accept_us", RCTF_CLS="2", OODER_NO="0000004330")
    assert overseas_notice(asked, ACCOUNT, RECEIVED) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ODER_COND": ""}, "ODER_COND"),
        ({"ODER_COND": "9"}, "ODER_COND"),
        ({"SELN_BYOV_CLS": "05"}, "SELN_BYOV_CLS"),
        ({"STCK_SHRN_ISCD": ""}, "STCK_SHRN_ISCD"),
        ({"STCK_SHRN_ISCD": "BRK B"}, "STCK_SHRN_ISCD"),
        ({"CNTG_UNPR": "148.01"}, "CNTG_UNPR"),
        ({"CNTG_UNPR": ""}, "CNTG_UNPR"),
        ({"CNTG_UNPR": "000000000"}, "CNTG_UNPR"),
        ({"CNTG_QTY": "0000000000"}, "CNTG_QTY"),
        ({"CNTG_QTY": ""}, "CNTG_QTY"),
        ({"ODER_NO": ""}, "ODER_NO"),
        ({"STCK_CNTG_HOUR": "9"}, "STCK_CNTG_HOUR"),
        ({"CNTG_YN": "3"}, "RFUS_YN"),
        ({"RFUS_YN": "1", "RCTF_CLS": "9"}, "RCTF_CLS"),
    ],
)
def test_a_bad_field_is_named_and_never_a_fill(changes: dict[str, str], field: str) -> None:
    with pytest.raises(BadData) as found:
        overseas_notice(row("h0gscni0_fill_us", **changes), ACCOUNT, RECEIVED)
    assert found.value.field == field


def test_another_account_of_the_same_person_is_left_out() -> None:
    reading = FrameDecoder(ACCOUNT)
    text = frame("h0gscni0_fill_us").replace("1234567801", "1234567802")
    assert reading.decode(text, RECEIVED) == []
    assert reading.stats.foreign == 1


def test_a_domestic_row_is_read_from_both_ends() -> None:
    parts = sample("ws", "h0stcni9_fill")["plaintext"].split("^")
    found = domestic_notice(parts, ACCOUNT, RECEIVED)
    assert found is not None
    assert (found.kind, found.price) == (NoticeKind.FILLED, Decimal(249250))
