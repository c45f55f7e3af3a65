"""The catalogue and the names of its channels: what is in it, and that both ways agree."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import BadData
from daemon.core.values import (
    ExpectedPrice,
    InstrumentId,
    Interest,
    MarketStatus,
    OrderBook,
    Record,
    Tick,
    Venue,
)
from daemon.core.witness import BrokerNotice
from daemon.kis.channels import (
    ALIASES,
    BY_TR_ID,
    CHANNELS,
    Channel,
    Kind,
    NoSuchChannel,
    Subject,
    channel_of,
    interest_of,
    overseas_instrument,
    registration_of,
)
from daemon.kis.frames import FrameDecoder
from daemon.kis.spec import (
    BOOK_COLUMNS,
    NOTICE_CHANNELS,
    NOTICE_COLUMNS,
    NOTICE_LEAST_WIDTH,
    OVERSEAS_NOTICE_CHANNELS,
    TRADE_COLUMNS,
    Environment,
)
from tests.kis.fakes import ACCOUNT
from tests.kis.fuzzing import plausible_row

REAL, VIRTUAL = Environment.REAL, Environment.VIRTUAL
RECEIVED = datetime(2026, 7, 10, 1, 0, tzinfo=UTC)
EVENTS: dict[Kind, type] = {
    Kind.TRADES: Tick,
    Kind.BOOK: OrderBook,
    Kind.EXPECTED: ExpectedPrice,
    Kind.STATUS: MarketStatus,
    Kind.OVERSEAS_TRADES: Tick,
    Kind.OVERSEAS_BOOK: OrderBook,
    Kind.NOTICES: BrokerNotice,
    Kind.OVERSEAS_NOTICES: BrokerNotice,
    Kind.RECORD: Record,
}
by_id = pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.id)


def test_the_whole_catalogue_is_there() -> None:
    assert len(CHANNELS) == 60
    assert len({channel.id for channel in CHANNELS}) == 60
    assert len({channel.tr_id for channel in CHANNELS}) == 60
    assert sum(channel.encrypted for channel in CHANNELS) == 7
    virtual = {channel.virtual for channel in CHANNELS if channel.virtual is not None}
    assert virtual == {"H0STCNT0", "H0STASP0", "H0STCNI9", "H0GSCNI9"}


@by_id
def test_a_channel_is_whole(channel: Channel) -> None:
    assert channel.title
    assert len(channel.columns) == len(channel.labels) == channel.known == len(set(channel.columns))
    assert 0 < channel.least <= channel.known
    assert channel.columns == tuple(name.upper() for name in channel.columns)
    assert all(channel.labels)
    assert channel.encrypted == (channel.subject is Subject.CUSTOMER)


def test_the_layouts_read_by_position_are_those_of_the_catalogue() -> None:
    trades, book = channel_of("H0STCNT0"), channel_of("H0STASP0")
    assert trades.columns == (*TRADE_COLUMNS, "MARKET_CLS_CODE")
    assert book.columns == (*BOOK_COLUMNS, "KMID_PRC", "KMID_TOTAL_RSQN", "KMID_CLS_CODE")
    for environment in Environment:
        notices = BY_TR_ID[NOTICE_CHANNELS[environment]]
        assert (notices.columns, notices.least) == (NOTICE_COLUMNS, NOTICE_LEAST_WIDTH)
        overseas = BY_TR_ID[OVERSEAS_NOTICE_CHANNELS[environment]]
        assert overseas.columns[7:16] == (*NOTICE_COLUMNS[8:17],)
        assert (overseas.known, overseas.columns[18]) == (25, "ODER_COND")
    renamed = {"CNTG_CLS_CODE": "CCLD_DVSN"}
    for tr_id in ("H0NXCNT0", "H0UNCNT0", "H0STANC0", "H0NXANC0", "H0UNANC0"):
        columns = [renamed.get(name, name) for name in channel_of(tr_id).columns]
        assert columns[:45] == list(TRADE_COLUMNS[:45])
    for tr_id in ("H0NXASP0", "H0UNASP0"):
        assert channel_of(tr_id).columns[:62] == book.columns


def test_channels_are_found_by_any_of_their_names() -> None:
    for channel in CHANNELS:
        names = [channel.id, channel.tr_id, *([channel.virtual] if channel.virtual else [])]
        assert {channel_of(name).id for name in names} == {channel.id}
    for alias, tr_id in ALIASES.items():
        assert channel_of(alias) is channel_of(tr_id)
    with pytest.raises(NoSuchChannel, match="H0XXXXX0"):
        channel_of("H0XXXXX0")


@pytest.mark.parametrize(
    ("name", "instrument", "registration"),
    [
        ("trades", "krx:005930", ("H0STCNT0", "005930")),
        ("trades@krx", "krx:005930", ("H0STCNT0", "005930")),
        ("trades@nxt", "krx:005930", ("H0NXCNT0", "005930")),
        ("trades@combined", "krx:005930", ("H0UNCNT0", "005930")),
        ("book", "krx:005930", ("H0STASP0", "005930")),
        ("book@nxt", "krx:005930", ("H0NXASP0", "005930")),
        ("book@combined", "krx:005930", ("H0UNASP0", "005930")),
        ("expected", "krx:005930", ("H0STANC0", "005930")),
        ("expected@combined", "krx:005930", ("H0UNANC0", "005930")),
        ("status", "krx:005930", ("H0STMKO0", "005930")),
        ("status@nxt", "krx:005930", ("H0NXMKO0", "005930")),
        ("status@combined", "krx:005930", ("H0UNMKO0", "005930")),
        ("program", "krx:005930", ("H0STPGM0", "005930")),
        ("program@nxt", "krx:005930", ("H0NXPGM0", "005930")),
        ("members", "krx:005930", ("H0STMBC0", "005930")),
        ("members@combined", "krx:005930", ("H0UNMBC0", "005930")),
        ("nav", "krx:069500", ("H0STNAV0", "069500")),
        ("after_hours_trades", "krx:005930", ("H0STOUP0", "005930")),
        ("after_hours_book", "krx:005930", ("H0STOAA0", "005930")),
        ("after_hours_expected", "krx:005930", ("H0STOAC0", "005930")),
        ("trades", "index:0001", ("H0UPCNT0", "0001")),
        ("expected", "index:2001", ("H0UPANC0", "2001")),
        ("program", "index:1001", ("H0UPPGM0", "1001")),
        ("trades", "nasdaq:AAPL", ("HDFSCNT0", "DNASAAPL")),
        ("book", "nyse:BRK/B", ("HDFSASP0", "DNYSBRK/B")),
        ("trades", "amex:SPY", ("HDFSCNT0", "DAMSSPY")),
        ("trades@day", "nasdaq:AAPL", ("HDFSCNT0", "RBAQAAPL")),
        ("book@day", "nyse:KO", ("HDFSASP0", "RBAYKO")),
        ("book@day", "amex:SPY", ("HDFSASP0", "RBAASPY")),
        ("trades", "hongkong:00003", ("HDFSCNT0", "DHKS00003")),
        ("book", "hongkong:00003", ("HDFSASP1", "DHKS00003")),
        ("book", "tokyo:7203", ("HDFSASP1", "DTSE7203")),
        ("book@realtime", "tokyo:7203", ("HDFSASP0", "RTSE7203")),
        ("trades@realtime", "shanghai:600519", ("HDFSCNT0", "RSHS600519")),
        ("book", "shenzhen:000001", ("HDFSASP1", "DSZS000001")),
        ("trades", "hanoi:SHS", ("HDFSCNT0", "DHNXSHS")),
        ("trades", "hochiminh:VNM", ("HDFSCNT0", "DHSXVNM")),
        ("elw.elw_ccnl", "krx:57LA24", ("H0EWCNT0", "57LA24")),
        ("domestic_futureoption.index_futures_realtime_conclusion", "derivative:101W09",
         ("H0IFCNT0", "101W09")),
        ("overseas_futureoption.ccnl", "derivative:1OZQ25", ("HDFFF020", "1OZQ25")),
        ("domestic_bond.bond_ccnl", "bond:KR103502GA34", ("H0BJCNT0", "KR103502GA34")),
        ("domestic_bond.bond_index_ccnl", "index:KISR01", ("H0BICNT0", "KISR01")),
    ],
)  # fmt: skip
def test_what_is_asked_for_becomes_a_registration_and_back(
    name: str, instrument: str, registration: tuple[str, str]
) -> None:
    interest = Interest(name, InstrumentId(instrument))
    assert registration_of(interest, REAL) == registration
    assert interest_of(*registration) == interest._replace(channel=name.removesuffix("@krx"))


@pytest.mark.parametrize(
    ("name", "instrument", "registration"),
    [
        ("H0NXCNT0", "krx:005930", ("H0NXCNT0", "005930")),
        ("domestic_stock.ccnl_krx", "krx:005930", ("H0STCNT0", "005930")),
        ("H0GSCNT0", "nasdaq:AAPL", ("HDFSCNT0", "DNASAAPL")),
        ("H0GSASP0", "nasdaq:AAPL", ("HDFSASP0", "DNASAAPL")),
        ("HDFSASP0", "tokyo:7203", ("HDFSASP0", "RTSE7203")),
        ("overseas_stock.delayed_ccnl", "tokyo:7203", ("HDFSCNT0", "DTSE7203")),
    ],
)
def test_the_brokers_own_names_are_taken(
    name: str, instrument: str, registration: tuple[str, str]
) -> None:
    assert registration_of(Interest(name, InstrumentId(instrument)), REAL) == registration


@pytest.mark.parametrize(
    ("name", "instrument", "complaint"),
    [
        ("tardes", "krx:005930", r"no 'tardes' for krx instruments; there is: trades, book, exp"),
        ("book", "index:0001", r"no 'book' for index instruments; there is: trades, expected, pr"),
        ("trades@nxt", "nasdaq:AAPL", r"for nasdaq instruments; there is: trades, book, trades@d"),
        ("trades", "derivative:101W09", r"there is: any TR id such as H0STCNT0"),
        ("book@realtime", "hanoi:SHS", r"no 'book@realtime' for hanoi"),
        ("HDFSASP1", "nasdaq:AAPL", r"tells of overseas instruments, not of nasdaq:AAPL"),
        ("H0STCNT0", "index:0001", r"tells of stock instruments, not of index:0001"),
        ("H0STCNI0", "krx:005930", r"tells of a person's orders"),
        ("trades", "krx:00 5930", r"must be letters and digits"),
        ("trades", "london:VOD", r"'london' of 'london:VOD' is not one of"),
        ("", "krx:005930", r"no '' for krx instruments"),
    ],
)
def test_what_cannot_be_registered_is_told_with_what_can(
    name: str, instrument: str, complaint: str
) -> None:
    with pytest.raises(NoSuchChannel, match=complaint):
        registration_of(Interest(name, InstrumentId(instrument)), REAL)


def test_the_virtual_world_offers_less_and_says_so() -> None:
    samsung, apple = InstrumentId("krx:005930"), InstrumentId("nasdaq:AAPL")
    assert registration_of(Interest("trades", samsung), VIRTUAL) == ("H0STCNT0", "005930")
    assert registration_of(Interest("book", samsung), VIRTUAL) == ("H0STASP0", "005930")
    with pytest.raises(NoSuchChannel, match=r"offered in virtual; for krx there is: trades, book$"):
        registration_of(Interest("status", samsung), VIRTUAL)
    with pytest.raises(NoSuchChannel, match="for nasdaq there is: nothing"):
        registration_of(Interest("trades", apple), VIRTUAL)


@pytest.mark.parametrize(
    ("tr_id", "tr_key", "complaint"),
    [
        ("H0XXXXX0", "005930", "no TR id"),
        ("domestic_stock.ccnl_krx", "005930", "no TR id"),
        ("H0STCNI0", "htsid001", "a person's orders"),
        ("H0GSCNI9", "htsid001", "a person's orders"),
        ("H0STCNT0", "", "no such key"),
        ("HDFSCNT0", "AAPL", "no such key"),
        ("HDFSCNT0", "DNAS", "no such key"),
        ("HDFSCNT0", "XNASAAPL", "no such key"),
        ("HDFSCNT0", "DBAQAAPL", "begin with DBAQ"),
        ("HDFSASP1", "DNASAAPL", "begin with DNAS"),
    ],
)
def test_a_registration_that_serves_nothing_is_refused(
    tr_id: str, tr_key: str, complaint: str
) -> None:
    with pytest.raises(NoSuchChannel, match=complaint):
        interest_of(tr_id, tr_key)


@given(st.sampled_from(CHANNELS), st.text("ABC012./-", min_size=1, max_size=8))
def test_every_registration_goes_there_and_back(channel: Channel, code: str) -> None:
    prefix = "DTSE" if channel.tr_id == "HDFSASP1" else "DNYS"
    key = (prefix if channel.subject is Subject.OVERSEAS else "") + code
    try:
        interest = interest_of(channel.tr_id, key)
    except NoSuchChannel:
        return
    assert registration_of(interest, REAL) == (channel.tr_id, key)
    own = interest._replace(channel=channel.id)
    assert registration_of(own, REAL) == (channel.tr_id, key)


@given(st.text(max_size=12), st.sampled_from(["krx", "index", "nyse", "tokyo", "bond"]))
def test_any_name_is_a_registration_or_a_complaint(name: str, market: str) -> None:
    with contextlib.suppress(NoSuchChannel):
        registration_of(Interest(name, InstrumentId(f"{market}:1")), REAL)


@pytest.mark.parametrize(
    ("key", "instrument"),
    [("DNASAAPL", "nasdaq:AAPL"), ("RBAQAAPL", "nasdaq:AAPL"), ("DHKS00003", "hongkong:00003")],
)
def test_overseas_keys_name_instruments(key: str, instrument: str) -> None:
    assert overseas_instrument(key) == instrument


@given(
    st.sampled_from(CHANNELS),
    st.integers(1, 5),
    st.lists(st.text("0123456789.가- ", max_size=4), max_size=4),
)
def test_every_channel_decodes_rows_of_any_number_and_added_columns(
    channel: Channel, count: int, more: list[str]
) -> None:
    if channel.kind in (Kind.TRADES, Kind.BOOK, Kind.EXPECTED):
        more = [text.replace("가", "") for text in more]
    reading = FrameDecoder(ACCOUNT)
    payload = "^".join([*plausible_row(channel), *more] * count)
    events = reading.decode(f"0|{channel.tr_id}|{count:03}|{payload}", RECEIVED)
    assert [type(event) for event in events] == [EVENTS[channel.kind]] * count
    assert reading.stats.wider == bool(more)
    for event in events:
        if isinstance(event, Record):
            assert event.channel == channel.id
            assert event.columns == channel.columns
            assert event.values == tuple(plausible_row(channel))
        elif not isinstance(event, BrokerNotice):
            assert event.venue is channel.venue


@by_id
def test_a_row_may_be_as_narrow_as_is_known_and_no_narrower(channel: Channel) -> None:
    row = plausible_row(channel)[: channel.least]
    if channel.kind is Kind.NOTICES:
        row[-4:] = plausible_row(channel)[-4:]
    reading = FrameDecoder(ACCOUNT)
    assert len(reading.decode(f"0|{channel.tr_id}|001|{'^'.join(row)}", RECEIVED)) == 1
    assert reading.stats.drift == {}
    with pytest.raises(BadData, match="fields") as found:
        reading.decode(f"0|{channel.tr_id}|001|{'^'.join(row[:-1])}", RECEIVED)
    assert found.value.field == "payload"


def test_the_venue_is_that_of_the_channel() -> None:
    venues = {"H0ST": Venue.KRX, "H0NX": Venue.NXT, "H0UN": Venue.COMBINED}
    for channel in CHANNELS:
        assert channel.venue is venues.get(channel.tr_id[:4], Venue.KRX)
