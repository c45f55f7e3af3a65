import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import BadData
from daemon.core.values import ExpectedPrice, OrderBook, Side, Tick, Venue
from daemon.core.witness import BrokerNotice, NoticeKind
from daemon.kis.control import Ack, Ping, Refusal, decode_control
from daemon.kis.frames import Drift, FrameDecoder, NoticeCipher
from daemon.kis.spec import TRADE_COLUMNS
from tests.kis.fakes import ACCOUNT, FRAMES, IV, KEY, SAMSUNG, frame, sample

RECEIVED = datetime(2025, 7, 30, 0, 47, 51, 500_000, tzinfo=UTC)
NAMES = sorted(
    path.stem for path in (FRAMES / "ws").glob("*.json") if "subscribe_request" not in path.stem
)


def decoder() -> FrameDecoder:
    return FrameDecoder(ACCOUNT)


def notice(name: str) -> BrokerNotice:
    (found,) = decoder().decode(frame(name), RECEIVED)
    assert isinstance(found, BrokerNotice)
    return found


def test_one_trade() -> None:
    (tick,) = decoder().decode(frame("h0stcnt0_1"), RECEIVED)
    assert tick == Tick(
        instrument=SAMSUNG,
        price=Decimal(71950),
        quantity=1,
        aggressor=Side.SELL,
        day_volume=8305216,
        exchange_time=datetime(2025, 7, 30, 0, 47, 51, tzinfo=UTC),
        received_at=RECEIVED,
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [("h0stcnt0_3", 3), ("h0stcnt0_4", 4), ("h0stcnt0_4_47", 4), ("h0stcnt0_1_47", 1)],
)
def test_every_record_of_a_frame_is_a_trade(name: str, count: int) -> None:
    ticks = decoder().decode(frame(name), RECEIVED)
    assert len(ticks) == count
    volumes = [tick.day_volume for tick in ticks if isinstance(tick, Tick)]
    assert volumes == sorted(volumes)
    assert volumes[0] == 8305216


def test_the_documented_47th_column_is_known_and_more_are_drift() -> None:
    reading = decoder()
    reading.decode(frame("h0stcnt0_1_47"), RECEIVED)
    reading.decode(frame("h0stasp0_62"), RECEIVED)
    assert reading.stats.wider == 0
    reading.decode(frame("h0stcnt0_1_47") + "^9", RECEIVED)
    assert reading.stats.wider == 1


def test_a_trade_after_the_regular_session() -> None:
    (tick,) = decoder().decode(frame("h0stcnt0_after_47"), RECEIVED)
    assert isinstance(tick, Tick)
    assert (tick.price, tick.quantity, tick.day_volume) == (Decimal(72000), 75, 8305293)
    assert tick.exchange_time == datetime(2025, 7, 30, 8, 15, 3, tzinfo=UTC)


def test_two_equal_fills_are_two() -> None:
    row = sample("ws", "h0stcni0_two_equal_fills")["plaintext"]
    found = decoder().decode(f"0|H0STCNI0|002|{row}^{row}", RECEIVED)
    assert len(found) == 2
    assert found[0] == found[1] == notice("h0stcni0_two_equal_fills")


def test_each_channel_that_grew_is_told_once() -> None:
    told: list[Drift] = []
    reading = FrameDecoder(ACCOUNT, on_drift=told.append)
    for name, more in (
        ("h0stcnt0_1_47", "^9"),
        ("h0stcnt0_1_47", "^9^9"),
        ("h0stcnt0_1", ""),
        ("h0stasp0_62", "^9"),
        ("h0stcni9_accept", "^^^^"),
        ("hdfscnt0_1", "^9"),
    ):
        assert len(reading.decode(frame(name) + more, RECEIVED)) == 1
    assert told == [
        Drift("H0STCNT0", 47, 48, 1),
        Drift("H0STASP0", 62, 63, 1),
        Drift("H0STCNI0", 26, 27, 1),
        Drift("HDFSCNT0", 26, 27, 1),
    ]
    assert reading.stats.drift["H0STCNT0"] == Drift("H0STCNT0", 47, 49, 2)
    assert reading.stats.wider == 5


@pytest.mark.parametrize("name", ["h0stasp0_59", "h0stasp0_62"])
def test_a_book(name: str) -> None:
    (book,) = decoder().decode(frame(name), RECEIVED)
    assert isinstance(book, OrderBook)
    assert len(book.bids) == len(book.asks) == 10
    assert book.bid == (Decimal(65900), 74727)
    assert book.ask == (Decimal(66000), 28408)
    assert book.bids[-1] == (Decimal(65000), 208814)
    assert book.exchange_time == datetime(2025, 7, 30, 5, 0, 13, tzinfo=UTC)


def test_empty_levels_are_left_out() -> None:
    parts = frame("h0stasp0_59").split("^")
    parts[3] = "0"  # ASKP1
    parts[24] = ""  # ASKP_RSQN2
    parts[13:23] = ["0"] * 10
    (book,) = decoder().decode("^".join(parts), RECEIVED)
    assert isinstance(book, OrderBook)
    assert book.ask == (Decimal(66200), 53451)
    assert book.bids == ()
    assert book.bid is None


@pytest.mark.parametrize(
    ("name", "kind", "number", "quantity", "price"),
    [
        ("h0stcni0_accept", NoticeKind.ACCEPTED, "1569157", 10, 71900),
        ("h0stcni0_partial_fill", NoticeKind.FILLED, "1569157", 3, 71900),
        ("h0stcni0_fill", NoticeKind.FILLED, "1569157", 7, 71900),
        ("h0stcni0_market_accept", NoticeKind.ACCEPTED, "1569158", 10, None),
        ("h0stcni0_market_fill", NoticeKind.FILLED, "1569158", 10, 72000),
        ("h0stcni0_modify_confirm", NoticeKind.MODIFIED, "1569157", 7, 72000),
        ("h0stcni0_cancel_confirm", NoticeKind.CANCELLED, "1569157", 10, None),
        ("h0stcni0_partial_cancel_confirm", NoticeKind.CANCELLED, "1569157", 4, None),
        ("h0stcni0_ioc_rest_cancelled", NoticeKind.CANCELLED, "1569164", 6, None),
        ("h0stcni0_reject", NoticeKind.REJECTED, "1568197", 10, 150000),
        ("h0stcni0_nxt_fill_sell", NoticeKind.FILLED, "1569170", 10, 72100),
        ("h0stcni9_accept", NoticeKind.ACCEPTED, "8637", 1, 249500),
        ("h0stcni9_fill", NoticeKind.FILLED, "8637", 1, 249250),
        ("h0stcni9_modify_confirm", NoticeKind.MODIFIED, "26434", 1, 278500),
        ("h0stcni9_partial_cancel", NoticeKind.CANCELLED, "7832", 50, None),
        ("h0stcni0_old23_accept", NoticeKind.ACCEPTED, "2891", 1, None),
        ("h0stcni0_old23_fill", NoticeKind.FILLED, "2891", 1, 3190),
    ],
)
def test_notices(
    name: str, kind: NoticeKind, number: str, quantity: int, price: int | None
) -> None:
    found = notice(name)
    assert (found.kind, found.number, found.quantity) == (kind, number, quantity)
    assert found.price == (None if price is None else Decimal(price))
    assert found.account == ACCOUNT
    assert found.side is (Side.SELL if "sell" in name else Side.BUY)


def test_a_modified_order_lives_under_its_new_number() -> None:
    assert notice("h0stcni0_modify_confirm").new_number == "1569161"
    assert notice("h0stcni0_cancel_confirm").new_number is None


@pytest.mark.parametrize(
    ("request_kind", "kind", "number"),
    [
        ("0", NoticeKind.REJECTED, "1569161"),
        ("1", NoticeKind.MODIFY_REFUSED, "1569157"),
        ("2", NoticeKind.CANCEL_REFUSED, "1569157"),
    ],
)
def test_a_refusal_is_of_what_was_requested(
    request_kind: str, kind: NoticeKind, number: str
) -> None:
    parts = frame("h0stcni0_modify_confirm").split("^")
    # Even a notice that also looks like a fill is a refusal first.
    parts[5], parts[12], parts[13] = request_kind, "1", "2"
    (found,) = decoder().decode("^".join(parts), RECEIVED)
    assert isinstance(found, BrokerNotice)
    assert (found.kind, found.number) == (kind, number)


def test_a_request_that_is_only_taken_is_no_event() -> None:
    reading = decoder()
    parts = frame("h0stcni0_cancel_confirm").split("^")
    parts[14] = "1"
    assert reading.decode("^".join(parts), RECEIVED) == []
    assert reading.stats.pending == 1


@pytest.mark.parametrize(("column", "value"), [(12, "2"), (13, "3"), (14, "9"), (12, "")])
def test_an_unknown_notice_is_never_a_fill(column: int, value: str) -> None:
    parts = frame("h0stcni0_accept").split("^")
    parts[column] = value
    with pytest.raises(BadData):
        decoder().decode("^".join(parts), RECEIVED)


def test_another_account_of_the_same_person_is_left_out() -> None:
    reading = decoder()
    assert reading.decode(frame("h0stcni0_other_account"), RECEIVED) == []
    assert reading.stats.foreign == 1


def test_a_sealed_frame() -> None:
    stored = sample("ws", "h0stcni0_encrypted_frame")
    cipher = NoticeCipher(stored["key"], stored["iv"])
    assert cipher.decrypt(stored["frame"].split("|", 3)[3]) == stored["plaintext"]
    (found,) = decoder().decode(stored["frame"], RECEIVED, cipher)
    assert found == notice("h0stcni0_partial_fill")
    with pytest.raises(BadData, match="key"):
        decoder().decode(stored["frame"], RECEIVED)


def test_a_wrong_key_is_bad_data() -> None:
    stored = sample("ws", "h0stcni0_encrypted_frame")
    with pytest.raises(BadData):
        decoder().decode(stored["frame"], RECEIVED, NoticeCipher(KEY[::-1], IV))
    with pytest.raises(BadData):
        NoticeCipher("short", IV)


@pytest.mark.parametrize("name", NAMES)
def test_every_captured_message_is_read(name: str) -> None:
    text = sample("ws", name).get("frame") or frame(name)
    if text.startswith("{"):
        assert isinstance(decode_control(text), Ping | Ack | Refusal)
    else:
        events = decoder().decode(text, RECEIVED, NoticeCipher(KEY, IV))
        assert events or name == "h0stcni0_other_account"


def test_control_messages() -> None:
    ping = decode_control(frame("pingpong"))
    assert ping == Ping(frame("pingpong"), datetime(2026, 7, 10, 1, 15, 30, tzinfo=UTC))
    done = decode_control(frame("subscribe_ack_notice"))
    assert isinstance(done, Ack)
    assert (done.channel, done.key, done.active) == ("H0STCNI0", "htsid001", True)
    assert done.cipher is not None
    again = decode_control(frame("err_already_subscribed"))
    assert again == Ack("H0STCNT0", "005930", True, None)
    gone = decode_control(frame("err_unsubscribe_not_found"))
    assert gone == Ack("H0STCNT0", "005930", False, None)
    in_use = decode_control(frame("err_appkey_in_use"))
    assert in_use == Refusal("(null)", "", "OPSP8996", "ALREADY IN USE appkey")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (0, ""),
        (0, "00 5930"),
        (1, "256000"),
        (1, ""),
        (2, ""),
        (2, "0"),
        (2, "NaN"),
        (2, "Infinity"),
        (2, "1e5"),
        (2, "7_0"),
        (12, ""),
        (12, "-1"),
        (12, "1_0"),
        (12, "１"),
        (13, "x"),
    ],
)
def test_a_trade_with_a_bad_field_is_refused(column: int, text: str) -> None:
    head, payload = frame("h0stcnt0_1").rsplit("|", 1)
    parts = payload.split("^")
    parts[column] = text
    with pytest.raises(BadData) as found:
        decoder().decode(f"{head}|{'^'.join(parts)}", RECEIVED)
    payload_wide = {"7_0", "1_0", "１"}
    assert found.value.field == ("payload" if text in payload_wide else TRADE_COLUMNS[column])


@pytest.mark.parametrize("prefix", ["H0ST", "H0NX", "H0UN"])
def test_the_venues_have_the_same_layouts(prefix: str) -> None:
    venue = {"H0ST": Venue.KRX, "H0NX": Venue.NXT, "H0UN": Venue.COMBINED}[prefix]
    text = frame("h0stcnt0_4_47")
    told = decoder().decode(text.replace("H0STCNT0", prefix + "CNT0"), RECEIVED)
    plain = decoder().decode(text, RECEIVED)
    assert told == [tick._replace(venue=venue) for tick in plain if isinstance(tick, Tick)]
    text = frame("h0stasp0_62") + ("" if prefix == "H0ST" else "^0^0^0")
    reading = decoder()
    (book,) = reading.decode(text.replace("H0STASP0", prefix + "ASP0"), RECEIVED)
    (before,) = decoder().decode(frame("h0stasp0_62"), RECEIVED)
    assert isinstance(before, OrderBook)
    assert book == before._replace(venue=venue)
    assert reading.stats.wider == 0


@pytest.mark.parametrize(
    ("channel", "width", "venue"),
    [
        ("H0STANC0", 45, Venue.KRX),
        ("H0NXANC0", 46, Venue.NXT),
        ("H0UNANC0", 46, Venue.COMBINED),
    ],
)
def test_what_an_auction_would_trade_at(channel: str, width: int, venue: Venue) -> None:
    row = frame("h0stcnt0_1").rsplit("|", 1)[1].split("^")[:width]
    (expected,) = decoder().decode(f"0|{channel}|001|{'^'.join(row)}", RECEIVED)
    assert expected == ExpectedPrice(
        instrument=SAMSUNG,
        price=Decimal(71950),
        quantity=1,
        exchange_time=datetime(2025, 7, 30, 0, 47, 51, tzinfo=UTC),
        received_at=RECEIVED,
        venue=venue,
    )


@pytest.mark.parametrize("price", ["0", "", "0000"])
def test_an_auction_that_would_not_trade_has_no_price(price: str) -> None:
    row = frame("h0stcnt0_1").rsplit("|", 1)[1].split("^")[:45]
    row[2] = price
    assert decoder().decode(f"0|H0STANC0|001|{'^'.join(row)}", RECEIVED) == []


@pytest.mark.parametrize(
    ("column", "text", "field"),
    [(0, "", "MKSC_SHRN_ISCD"), (1, "9", "STCK_CNTG_HOUR"), (2, "-1", "STCK_PRPR"),
     (2, "x", "STCK_PRPR"), (12, "", "CNTG_VOL"), (12, "-1", "CNTG_VOL")],
)  # fmt: skip
def test_an_expected_price_with_a_bad_field_is_refused(column: int, text: str, field: str) -> None:
    row = frame("h0stcnt0_1").rsplit("|", 1)[1].split("^")[:45]
    row[column] = text
    with pytest.raises(BadData) as found:
        decoder().decode(f"0|H0STANC0|001|{'^'.join(row)}", RECEIVED)
    assert found.value.field == field


def test_a_book_with_a_bad_price_names_its_side() -> None:
    for at, side in ((3, "ASKP"), (13, "BIDP")):
        parts = frame("h0stasp0_59").split("^")
        parts[at] = "-5"
        with pytest.raises(BadData) as found:
            decoder().decode("^".join(parts), RECEIVED)
        assert found.value.field == side


def test_a_channel_of_none_is_refused() -> None:
    with pytest.raises(BadData, match="not a channel") as found:
        decoder().decode("0|H0XXXXX0|001|005930^1", RECEIVED)
    assert found.value.field == "tr_id"
    with pytest.raises(BadData, match="no key"):
        decoder().decode("1|H0STCNT0|001|AAAA", RECEIVED, NoticeCipher(KEY, IV))


@pytest.mark.parametrize("cut", [1, 5, 45])
def test_a_narrow_frame_is_refused(cut: int) -> None:
    with pytest.raises(BadData, match="fields"):
        decoder().decode("^".join(frame("h0stcnt0_1").split("^")[:-cut]), RECEIVED)


def test_fields_that_do_not_divide_are_refused() -> None:
    with pytest.raises(BadData, match="records"):
        decoder().decode(frame("h0stcnt0_3") + "^1", RECEIVED)


def test_a_new_day_gives_the_same_second_a_new_date() -> None:
    reading = decoder()
    reading.decode(frame("h0stcnt0_1"), RECEIVED)
    (tick,) = reading.decode(frame("h0stcnt0_1"), datetime(2025, 7, 31, 0, 47, 52, tzinfo=UTC))
    assert isinstance(tick, Tick)
    assert tick.exchange_time == datetime(2025, 7, 31, 0, 47, 51, tzinfo=UTC)


_pieces = st.sampled_from(
    [
        *("0", "1", "|", "^", "001", "004", "{", "}", "71900", "", "H0STCNT0", "H0STASP0"),
        *("H0STCNI0", "H0STMKO0", "HDFSCNT0", "HDFSASP1", "H0GSCNI0", "H0STNAV0", "DNASAAPL"),
    ]
)


@given(st.one_of(st.text(), st.lists(_pieces, max_size=80).map("".join)))
def test_any_text_is_events_or_bad_data(text: str) -> None:
    for read in (
        lambda: decoder().decode(text, RECEIVED, NoticeCipher(KEY, IV)),
        lambda: decode_control(text),
    ):
        with contextlib.suppress(BadData):
            read()


@given(
    st.sampled_from([name for name in NAMES if name.startswith(("h0", "hdfs"))]),
    st.integers(0, 400),
    st.text(max_size=12),
)
def test_any_damage_to_a_frame_is_events_or_bad_data(name: str, at: int, text: str) -> None:
    whole = frame(name)
    with contextlib.suppress(BadData):
        decoder().decode(whole[:at] + text + whole[at + 1 :], RECEIVED, NoticeCipher(KEY, IV))


FIELDS = st.one_of(
    st.sampled_from(["", "0", "-1", "1_0", " 5", "1", "005930", "000660", "094751", "235960"]),
    st.sampled_from(["71950", "71950.5", "0071950", "9" * 30, "9" * 31, "٣", "a|b", "1^2", "1e3"]),
    st.text(max_size=4),
)


@given(st.lists(st.tuples(st.integers(0, 46), FIELDS), max_size=4), st.integers(-40_000, 90_000))
def test_a_trade_is_the_same_whether_all_of_it_is_usual_or_not(
    changes: list[tuple[int, str]], seconds: int
) -> None:
    """The short way, taken once prices and times are known, finds what the long way does."""
    fields = frame("h0stcnt0_1_47").split("^")
    for index, text in changes:
        fields[index] = f"0|H0STCNT0|001|{text}" if index == 0 else text
    changed, at = "^".join(fields), RECEIVED + timedelta(seconds=seconds)

    def read(reading: FrameDecoder) -> object:
        before = reading.stats.wider
        try:
            return tuple(reading.decode(changed, at)), reading.stats.wider - before
        except BadData as error:
            return str(error)

    short, long = decoder(), decoder()
    short.decode(frame("h0stcnt0_1_47"), RECEIVED)
    with contextlib.suppress(BadData):
        short.decode(changed, at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrameDecoder, "_lone_trade", lambda *_: None)
        expected = read(long)
    assert read(short) == expected
