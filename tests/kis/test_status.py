"""Market status: codes of the portal, codes seen live, and rows with and without their ends."""

import pytest

from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, MarketPhase, MarketStatus, Venue
from daemon.kis.channels import channel_of
from daemon.kis.frames import FrameDecoder
from daemon.kis.status import market_status, phase_of
from tests.kis.fakes import ACCOUNT, SAMSUNG, frame
from tests.kis.test_channels import RECEIVED

KRX = channel_of("H0STMKO0")


def status(text: str) -> MarketStatus:
    return market_status(text.split("^"), KRX, RECEIVED)


def test_a_circuit_breaker_as_it_was_seen() -> None:
    (found,) = FrameDecoder(ACCOUNT).decode(frame("h0stmko0_cb"), RECEIVED)
    assert found == MarketStatus(
        instrument=SAMSUNG,
        phase=MarketPhase.HALTED,
        code="AF8",
        halted=True,
        reason="서킷브레이크 발동",
        received_at=RECEIVED,
    )


def test_the_live_layout_and_a_code_nobody_explains() -> None:
    (found,) = FrameDecoder(ACCOUNT).decode(frame("h0unmko0"), RECEIVED)
    assert found == MarketStatus(
        instrument=InstrumentId("krx:100840"),
        phase=MarketPhase.UNKNOWN,
        code="AB1",
        halted=False,
        reason="",
        received_at=RECEIVED,
        venue=Venue.COMBINED,
    )
    reading = FrameDecoder(ACCOUNT)
    assert reading.decode(frame("h0unmko0") + "^1", RECEIVED) == [found]
    assert reading.stats.wider == 0


@pytest.mark.parametrize(
    ("row", "halted", "reason"),
    [
        ("005930^Y^불성실공시^112^^^^58^N^N^1", True, "불성실공시"),
        ("005930^Y^(null)^112^^^^58^N^N^1", True, ""),
        ("005930^N^^112^^^^55^N^N^1", False, ""),
        ("005930^(null)^^112^^^^55^N^N^1", False, ""),
        ("005930^N^^174^^^^55^N^N^1", True, "서킷브레이크 발동"),
        ("005930^N^^164^^^^55^N^N", True, "시장임시정지"),
        ("005930^N^^112^^^^55^Y^N^1", False, "VI 적용"),
        ("005930^N^^150^^^^55^N^Y^1", False, "시간외단일가 VI 적용"),
    ],
)
def test_halts_and_their_reasons(row: str, halted: bool, reason: str) -> None:
    found = status(row)
    assert (found.halted, found.reason) == (halted, reason)


@pytest.mark.parametrize(
    ("code", "phase"),
    [
        ("110", MarketPhase.OPENING_AUCTION),
        ("F09", MarketPhase.OPENING_AUCTION),
        ("112", MarketPhase.OPEN),
        ("121", MarketPhase.CLOSING_AUCTION),
        ("F17", MarketPhase.CLOSING_AUCTION),
        ("129", MarketPhase.CLOSED),
        ("140", MarketPhase.AFTER_HOURS),
        ("150", MarketPhase.AFTER_HOURS),
        ("159", MarketPhase.CLOSED),
        ("174", MarketPhase.HALTED),
        ("175", MarketPhase.OPEN),
        ("AF8", MarketPhase.HALTED),
        ("AF1", MarketPhase.OPEN),
        ("387", MarketPhase.OPEN),
        ("BF9", MarketPhase.UNKNOWN),
        ("", MarketPhase.UNKNOWN),
        ("999", MarketPhase.UNKNOWN),
    ],
)
def test_codes_and_phases(code: str, phase: MarketPhase) -> None:
    found = status(f"005930^N^^{code}^^^^55^N^N^1")
    assert (found.phase, found.code) == (phase, code)


def test_a_countdown_tells_the_phase_only_where_auctions_are_held() -> None:
    assert phase_of("F06", Venue.NXT) is phase_of("F16", Venue.COMBINED) is MarketPhase.UNKNOWN
    assert phase_of("112", Venue.NXT) is MarketPhase.OPEN


@pytest.mark.parametrize(
    ("row", "field"),
    [
        # The portal's layout of the combined channel: nobody can tell what it is about.
        ("N^(null)^AB1^112^^^55^N^^1", "MKSC_SHRN_ISCD"),
        ("^N^^112^^^^55^N^N", "MKSC_SHRN_ISCD"),
        ("00-930^N^^112^^^^55^N^N", "MKSC_SHRN_ISCD"),
        ("005930^X^^112^^^^55^N^N", "TRHT_YN"),
    ],
)
def test_a_bad_row_names_its_field(row: str, field: str) -> None:
    with pytest.raises(BadData) as found:
        status(row)
    assert found.value.field == field
