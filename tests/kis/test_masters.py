"""Master files read: by bytes, whole or not at all, and found again by any name."""

from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, Market
from daemon.kis.masters import (
    BY_NAME,
    MASTER_FILES,
    Layout,
    Listing,
    Masters,
    SecurityKind,
    read,
    tail_width,
    unpack,
)
from tests.kis.masterdata import HEADS, american, korean, lines, zipped

KOSPI, KOSDAQ, KONEX = (BY_NAME[f"{each}_code.mst"] for each in ("kospi", "kosdaq", "konex"))
NXT, NASDAQ = BY_NAME["nxt_kospi_code.mst"], BY_NAME["nasmst.cod"]


def one(layout: str = "kospi", **changes: str) -> Listing:
    (listing,) = read(
        BY_NAME[f"{layout}_code.mst"], lines(korean(layout, "005930", "삼성전자", **changes))
    )
    return listing


@pytest.mark.parametrize("layout", [*HEADS])
def test_a_korean_record_is_read_by_bytes(layout: str) -> None:
    assert tail_width(Layout(layout)) == HEADS[layout]
    got = one(layout)
    assert got.instrument == "krx:005930"
    assert (got.code, got.name, got.standard) == ("005930", "삼성전자", "KR7005930003")
    assert (got.base, got.lot, got.margin) == (Decimal(72000), 1, Decimal(20))
    assert got.listed_on == date(1975, 6, 11)
    assert (got.kind, got.board) == (SecurityKind.STOCK, layout.upper())
    assert not any((got.halted, got.liquidation, got.managed, got.preferred, got.spac))
    assert got.tradable
    marked = one(layout, halted="Y", liquidation="Y", managed="Y", alert="02", preferred="1")
    assert marked.halted
    assert marked.liquidation
    assert marked.managed
    assert marked.preferred
    assert marked.alert == 2
    assert not marked.tradable


@pytest.mark.parametrize("layout", ["kospi", "kosdaq"])
def test_spacs_and_overheating_are_marked(layout: str) -> None:
    assert one(layout, spac="Y").spac
    assert one(layout, overheated="2").overheated
    assert not one(layout, overheated="1").overheated


@pytest.mark.parametrize(
    ("group", "etp", "kind", "fund"),
    [
        ("EF", "0", SecurityKind.ETF, True),
        ("FE", "0", SecurityKind.ETF, True),
        ("EN", "3", SecurityKind.ETN, True),
        ("BC", "3", SecurityKind.ETN, True),
        ("EW", "0", SecurityKind.ELW, True),
        ("RT", "0", SecurityKind.REIT, False),
        ("SR", "0", SecurityKind.RIGHT, False),
        ("??", "0", SecurityKind.OTHER, False),
    ],
)
def test_group_codes_say_what_is_listed(
    group: str, etp: str, kind: SecurityKind, fund: bool
) -> None:
    got = one(group=group, etp=etp)
    assert (got.kind, got.fund) == (kind, fund)


def test_blank_fields_and_odd_codes_are_read() -> None:
    record = korean(
        "kospi", "Q500001", "신한 ETN, A&B", base=" " * 9, lot=" ", margin="", listed=""
    )
    (got,) = read(KOSPI, lines(record))
    assert (got.code, got.base, got.lot, got.margin, got.listed_on) == (
        "Q500001",
        None,
        1,
        None,
        None,
    )
    assert got.name == "신한 ETN, A&B"


def test_a_foreign_line_is_read_by_tabs() -> None:
    content = lines(
        american("AAPL", "애플", "APPLE INC"),
        american("BRK/B", "버크셔", "BERKSHIRE", isdr="Y"),
        american("SPY", "SPDR", "SPDR S&P 500", stis="3", etyp="001"),
        american("VXX", "VXX", "VIX ETN", stis="3", etyp="006", ttyp="9", ttyp_sb="012"),
        american("COMP^", "지수", "INDEX", stis="1", base=""),
    )
    apple, berkshire, spy, vxx, index = read(NASDAQ, content)
    assert apple.instrument == "nasdaq:AAPL"
    assert (apple.name, apple.english, apple.currency) == ("애플", "APPLE INC", "USD")
    assert (apple.base, apple.decimals, apple.lot) == (Decimal("267.4600"), 4, 1)
    assert berkshire.kind is SecurityKind.DR
    assert (spy.kind, vxx.kind) == (SecurityKind.ETF, SecurityKind.ETN)
    assert (spy.tick_type, vxx.tick_type) == ("0", "012")
    assert index.base is None
    assert not index.tradable


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        lines(korean("kospi", "005930", "삼성전자"), korean("kospi", "000660", "SK")[:200]),
        lines(korean("kosdaq", "005930", "삼성전자")),
        lines(korean("kospi", "005930", "삼성전자", base="7200000x0")),
        lines(korean("kospi", "", "이름")),
        b"<html>moved</html>",
    ],
)
def test_what_is_not_whole_is_refused(content: bytes) -> None:
    with pytest.raises(BadData, match=r"kospi_code\.mst"):
        read(KOSPI, content)
    with pytest.raises(BadData):
        read(NASDAQ, b"US\t22\tNAS\n")


def test_broken_zips_are_refused() -> None:
    good = zipped(lines(american("AAPL", "애플", "APPLE INC")))
    assert unpack(good).startswith(b"US\t")
    flipped = bytearray(good)
    flipped[45] ^= 0xFF
    for bad in (b"", b"not a zip", good[:-30], bytes(flipped)):
        with pytest.raises(BadData):
            unpack(bad)


@given(st.binary(max_size=400), st.sampled_from(MASTER_FILES))
def test_any_bytes_are_listings_or_bad_data(content: bytes, master: object) -> None:
    for work in (lambda: read(master, content), lambda: unpack(content)):  # type: ignore[arg-type]
        with suppress(BadData):
            work()


@pytest.fixture
def masters() -> Masters:
    kospi = lines(
        korean("kospi", "005930", "삼성전자"),
        korean("kospi", "005935", "삼성전자우", preferred="1"),
        korean("kospi", "000660", "SK하이닉스"),
    )
    kosdaq = lines(korean("kosdaq", "247540", "에코프로비엠"))
    nxt = lines(korean("kospi", "005930", "삼성전자"))
    nasdaq = lines(
        american("AAPL", "애플", "APPLE INC"), american("MSFT", "마이크로소프트", "MICROSOFT")
    )
    contents = {KOSPI: kospi, KOSDAQ: kosdaq, NXT: nxt, NASDAQ: nasdaq}
    return Masters.of({master: read(master, content) for master, content in contents.items()})


def test_listings_are_found_by_code_and_names(masters: Masters) -> None:
    assert len(masters) == 6
    names = [each.name for each in masters.search("삼성")]
    assert names == ["삼성전자", "삼성전자우"]
    assert masters.search("sk하이 닉스")[0].code == "000660"
    assert masters.search("apple")[0].instrument == "nasdaq:AAPL"
    assert [each.code for each in masters.search("00593")] == ["005930", "005935"]
    assert masters.search("a", board="kospi") == []
    assert masters.search("삼성", limit=1)[0].code == "005930"
    assert masters.search("  ") == []
    assert masters.find("aapl")[0].name == "애플"
    assert masters.get(InstrumentId("krx:005935")) is not None
    assert masters.get(InstrumentId("krx:999999")) is None


def test_nxt_files_mark_and_add_nothing(masters: Masters) -> None:
    marks = {each.code: each.nxt for each in masters}
    assert marks["005930"] is True
    assert marks["000660"] is False
    assert marks["AAPL"] is None
    (alone,) = Masters.of({KOSPI: [one()]})
    assert alone.nxt is None


def test_every_market_that_can_be_ordered_has_a_file() -> None:
    untraded = {Market.INDEX, Market.DERIVATIVE, Market.BOND}
    assert {each.market for each in MASTER_FILES} == set(Market) - untraded
